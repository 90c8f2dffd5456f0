//! How many requests at a time the process's open files allow.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Streams, files, timers and what the system's resolver opens.
const RESERVE: u64 = 32;
/// A new connection may be opening while another becomes free.
const PER_REQUEST: u64 = 2;

/// Fewer open files than a program needs for its streams and its signals.
const LEAST: u64 = 24;

/// The limit of open files, where it is too low to start at all and cannot be raised.
pub(crate) fn too_few() -> Option<u64> {
    let _ = concurrency_within_limits(1);
    let limit = getrlimit(Resource::Nofile).current;
    limit.filter(|limit| *limit < LEAST)
}

/// Raises the limit of open files, as far as this process may, so that `concurrency` requests can be in
/// flight; returns how many can, which is at least 1 and at most `concurrency`.
#[must_use]
pub fn concurrency_within_limits(concurrency: usize) -> usize {
    let needed = concurrency as u64 * PER_REQUEST + RESERVE;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < needed) {
        let raised = Rlimit {
            current: Some(limit.maximum.map_or(needed, |maximum| maximum.min(needed))),
            maximum: limit.maximum,
        };
        // Where it cannot be raised, the limit stays what it is.
        let _ = setrlimit(Resource::Nofile, raised);
    }
    fitting(concurrency, getrlimit(Resource::Nofile).current)
}

fn fitting(concurrency: usize, open_files: Option<u64>) -> usize {
    let Some(open_files) = open_files else {
        return concurrency;
    };
    let room = open_files.saturating_sub(RESERVE) / PER_REQUEST;
    usize::try_from(room).map_or(concurrency, |room| concurrency.min(room).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_never_nothing_and_never_more_than_asked_for() {
        assert_eq!(fitting(1024, None), 1024);
        assert_eq!(fitting(1024, Some(1_048_576)), 1024);
        assert_eq!(fitting(1024, Some(1024)), 496);
        assert_eq!(fitting(16, Some(1024)), 16);
        assert_eq!(fitting(16, Some(3)), 1);
    }
}
