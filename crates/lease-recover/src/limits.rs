//! `--max-failures`: when too much has gone wrong to go on.

use std::str::FromStr;

/// `--max-failures`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum FailureLimit {
    /// So many leases.
    Count(usize),
    /// So many of a hundred.
    Percent(f64),
}

impl FailureLimit {
    /// Whether `failures` of `total` leases are past the limit.
    pub(crate) fn is_passed(self, failures: usize, total: usize) -> bool {
        match self {
            Self::Count(limit) => failures > limit,
            Self::Percent(percent) => failures as f64 * 100.0 > percent * total as f64,
        }
    }
}

impl FromStr for FailureLimit {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "write it as a number of leases (20) or as a percentage (5%)";
        match text.strip_suffix('%') {
            None => text.parse().map(Self::Count).map_err(|_| wrong),
            Some(percent) => percent
                .parse()
                .ok()
                .filter(|percent| (0.0..=100.0).contains(percent))
                .map(Self::Percent)
                .ok_or(wrong),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_limit_is_passed_by_one_more() {
        let passed = |limit: &str, failures, total| {
            limit
                .parse::<FailureLimit>()
                .unwrap()
                .is_passed(failures, total)
        };
        assert!(!passed("2", 2, 10) && passed("2", 3, 10));
        assert!(passed("0", 1, 10));
        assert!(!passed("5%", 5, 100) && passed("5%", 6, 100));
        assert!(!passed("100%", 10, 10));
        for wrong in ["", "%", "-1", "101%", "1.5", "x"] {
            assert!(wrong.parse::<FailureLimit>().is_err(), "{wrong}");
        }
    }
}
