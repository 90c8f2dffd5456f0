//! Which leases are meant: stuck or not, narrowed or not, too many failures or not.
//!
//! Owns these decisions as functions of data and a time passed in. It asks nobody.

use std::str::FromStr;
use std::time::Duration;

use seamless_core::coordinator::LeaseRecord;
use seamless_core::lease::LeaseKey;

/// From when on a lease is stuck.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Thresholds {
    /// Completion under which it can be stuck.
    pub(crate) max_ratio: f64,
    /// Age from which it is stuck although it has not expired.
    pub(crate) older_than: Duration,
}

/// Whether a lease is stuck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stuckness {
    /// Under the ratio and past its expiry.
    Expired,
    /// Under the ratio, not expired, and claimed too long ago.
    Old,
    /// Being worked on, as far as can be seen.
    Alive,
    /// What would decide it is not in the coordinator's list.
    CannotTell,
}

impl Stuckness {
    /// Whether it is certainly stuck.
    pub(crate) const fn is_stuck(self) -> bool {
        matches!(self, Self::Expired | Self::Old)
    }
}

/// Judges one lease at `now_ms` (milliseconds since the epoch).
///
/// Only what is certain is stuck: a lease without a completion, or without the times that would decide,
/// is [`Stuckness::CannotTell`], never stuck.
pub(crate) fn judge(lease: &LeaseRecord, thresholds: Thresholds, now_ms: i64) -> Stuckness {
    let under = lease
        .completion_ratio
        .map(|ratio| ratio < thresholds.max_ratio);
    let expired = lease.lease_until_ms.map(|until| until <= now_ms);
    let old = lease.claimed_at_ms.map(|at| {
        let age = u128::try_from(now_ms.saturating_sub(at)).unwrap_or(0);
        age > thresholds.older_than.as_millis()
    });
    match (under, expired, old) {
        (Some(false), ..) | (_, Some(false), Some(false)) => Stuckness::Alive,
        (Some(true), Some(true), _) => Stuckness::Expired,
        (Some(true), _, Some(true)) => Stuckness::Old,
        _ => Stuckness::CannotTell,
    }
}

/// `--node` and `--world`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Narrowing {
    /// Node ids; empty for any.
    pub(crate) nodes: Vec<String>,
    /// World ids; empty for any.
    pub(crate) worlds: Vec<String>,
}

impl Narrowing {
    /// Whether a key is meant. A key that is not canonical has no node and no world, so it is meant
    /// only where neither is asked for.
    pub(crate) fn admits(&self, key: &LeaseKey) -> bool {
        if self.nodes.is_empty() && self.worlds.is_empty() {
            return true;
        }
        let Some(parts) = key.canonical() else {
            return false;
        };
        let among = |wanted: &[String], value: &str| {
            wanted.is_empty() || wanted.iter().any(|candidate| candidate == value)
        };
        among(&self.nodes, parts.node_id) && among(&self.worlds, parts.world.unwrap_or_default())
    }
}

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
    use seamless_core::lease::LeaseToken;

    use super::*;

    const NOW: i64 = 1_700_000_000_000;
    const RULE: Thresholds = Thresholds {
        max_ratio: 0.5,
        older_than: Duration::from_secs(600),
    };

    fn lease(ratio: Option<f64>, until: Option<i64>, claimed: Option<i64>) -> LeaseRecord {
        LeaseRecord {
            key: LeaseKey::new("k").unwrap(),
            token: LeaseToken::new("t"),
            lease_until_ms: until.map(|offset| NOW + offset),
            claimed_at_ms: claimed.map(|offset| NOW + offset),
            completion_ratio: ratio,
            worker: None,
        }
    }

    #[test]
    fn stuck_is_under_the_ratio_and_expired_or_old() {
        for (ratio, until, claimed, expected) in [
            (0.2, -1, -60_000, Stuckness::Expired),
            (0.2, 0, -60_000, Stuckness::Expired),
            (0.2, 60_000, -600_001, Stuckness::Old),
            (0.2, 60_000, -600_000, Stuckness::Alive),
            (0.5, -1, -900_000, Stuckness::Alive),
            (0.2, 60_000, 5_000, Stuckness::Alive),
        ] {
            let lease = lease(Some(ratio), Some(until), Some(claimed));
            assert_eq!(judge(&lease, RULE, NOW), expected, "{lease:?}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_never_stuck() {
        for (ratio, until, claimed, expected) in [
            (None, Some(-1), Some(-900_000), Stuckness::CannotTell),
            (None, None, None, Stuckness::CannotTell),
            (Some(0.1), None, None, Stuckness::CannotTell),
            (Some(0.1), Some(60_000), None, Stuckness::CannotTell),
            (Some(0.1), None, Some(-1), Stuckness::CannotTell),
            (Some(0.1), Some(-1), None, Stuckness::Expired),
            (Some(0.1), None, Some(-900_000), Stuckness::Old),
            (None, Some(60_000), Some(-1), Stuckness::Alive),
            (Some(0.9), None, None, Stuckness::Alive),
        ] {
            let lease = lease(ratio, until, claimed);
            assert_eq!(judge(&lease, RULE, NOW), expected, "{lease:?}");
        }
    }

    #[test]
    fn narrowing_needs_a_canonical_key() {
        let admits = |nodes: &[&str], worlds: &[&str], key: &str| {
            let own = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
            Narrowing {
                nodes: own(nodes),
                worlds: own(worlds),
            }
            .admits(&LeaseKey::new(key).unwrap())
        };
        let key = "ohlcv:binance:BTC/USDT:60:1700:1760:world-1:2024-01-01T00:00:00Z";
        assert!(admits(&["ohlcv:binance:BTC/USDT"], &["world-1"], key));
        assert!(admits(&[], &["world-2", "world-1"], key));
        assert!(!admits(&["ohlcv"], &[], key));
        assert!(!admits(&[], &["world-1"], "n:60:1700:1760"));
        assert!(admits(&["n"], &[], "n:60:1700:1760"));
        assert!(!admits(&["lease-A"], &[], "lease-A"));
        assert!(admits(&[], &[], "lease-A"));
    }

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
