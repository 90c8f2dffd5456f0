//! Reading selected leases again just before acting on them.
//!
//! Owns one recent reading of the coordinator's list, shared by all leases in flight: the protocol
//! lists all leases or none, so ten thousand leases do not mean ten thousand lists. It changes nothing.

use std::collections::HashMap;
use std::time::Duration;

use seamless_core::coordinator::{Coordinator, LeaseRecord};
use seamless_core::lease::{LeaseKey, LeaseSpec};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::outcome::{Outcome, Skip};
use crate::select::{Thresholds, judge};

/// How old a reading may be when a lease is acted on.
const FRESH: Duration = Duration::from_secs(2);
/// Where reading takes long, at most one part in so many of the time is spent on it.
const SHARE: u32 = 4;

/// The shared reading.
pub(crate) struct Freshness<'c> {
    coordinator: &'c Coordinator,
    thresholds: Thresholds,
    latest: Mutex<Option<Reading>>,
}

struct Reading {
    finished: Instant,
    took: Duration,
    leases: Result<HashMap<LeaseKey, LeaseRecord>, String>,
    ahead_ms: i64,
}

impl<'c> Freshness<'c> {
    pub(crate) fn new(coordinator: &'c Coordinator, thresholds: Thresholds) -> Self {
        Self {
            coordinator,
            thresholds,
            latest: Mutex::new(None),
        }
    }

    /// Why a selected lease is to be left alone now, if it is.
    pub(crate) async fn objection(&self, spec: &LeaseSpec) -> Option<Outcome> {
        // While one reads, the others wait for that same reading.
        let mut latest = self.latest.lock().await;
        let usable = latest
            .as_ref()
            .filter(|reading| reading.finished.elapsed() < FRESH.max(reading.took * SHARE));
        if usable.is_none() {
            let started = Instant::now();
            let read = self.coordinator.inspect().await;
            *latest = Some(Reading {
                finished: Instant::now(),
                took: started.elapsed(),
                ahead_ms: read.as_ref().map_or(0, |listed| listed.ahead_ms),
                leases: read
                    .map(|listed| listed.leases.into_iter())
                    .map(|leases| leases.map(|l| (l.key.clone(), l)).collect())
                    .map_err(|error| error.to_string()),
            });
        }
        let reading = latest.as_ref()?;
        match &reading.leases {
            Err(error) => Some(Outcome::Skipped(Skip::NotReadAgain(error.clone()))),
            Ok(leases) => {
                let now_ms = jiff::Timestamp::now().as_millisecond() - reading.ahead_ms;
                moved_on(spec, leases.get(&spec.key), self.thresholds, now_ms)
            }
        }
    }
}

/// What a second look at a selected lease objects to acting on it.
///
/// A lease that is not listed any more is no objection: pages may shift while leases come and go, and
/// the coordinator's own 404 is the better proof.
fn moved_on(
    spec: &LeaseSpec,
    now_listed: Option<&LeaseRecord>,
    thresholds: Thresholds,
    now_ms: i64,
) -> Option<Outcome> {
    let record = now_listed?;
    if record.token.is_some() && record.token != spec.token {
        return Some(Outcome::Conflict {
            note: Some("seen when it was read again; nothing was sent".to_owned()),
        });
    }
    (!judge(record, thresholds, now_ms).is_stuck()).then_some(Outcome::Skipped(Skip::MovedOn))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_renewed_or_claimed_again_is_left_alone() {
        let thresholds = Thresholds {
            max_ratio: 0.5,
            older_than: Duration::from_secs(600),
        };
        let now_ms = 1_700_000_000_000;
        let spec = LeaseSpec::parse("k:old").unwrap();
        let listed = |token: &str, until: i64, ratio: f64| LeaseRecord {
            lease_until_ms: Some(now_ms + until),
            claimed_at_ms: Some(now_ms - 60_000),
            completion_ratio: Some(ratio),
            ..LeaseRecord::from(LeaseSpec::parse(&format!("k:{token}")).unwrap())
        };
        let look = |record: Option<LeaseRecord>| {
            moved_on(&spec, record.as_ref(), thresholds, now_ms).map(|outcome| outcome.word())
        };
        assert_eq!(look(Some(listed("old", -1, 0.1))), None);
        assert_eq!(look(None), None);
        assert_eq!(look(Some(listed("new", -1, 0.1))), Some("conflict"));
        assert_eq!(look(Some(listed("old", 60_000, 0.1))), Some("skipped"));
        assert_eq!(look(Some(listed("old", -1, 0.9))), Some("skipped"));
    }
}
