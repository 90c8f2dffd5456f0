//! When a lease is stuck: the one place that says so.
//!
//! A lease is stuck when it is less complete than a threshold and was claimed longer than a threshold ago.
//! That it has expired proves nothing: workers do not renew their leases. Only what is certain is stuck; a
//! lease whose list entry lacks its completion or its claim time cannot be judged.

use std::time::Duration;

use crate::coordinator::LeaseRecord;
use crate::schema::STUCK_RATIO;

/// From when on a lease is stuck.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Completion, 0 to 1, under which a lease can be stuck.
    pub max_ratio: f64,
    /// How long ago it must have been claimed.
    pub older_than: Duration,
}

impl Default for Thresholds {
    /// Under half, claimed more than 10 minutes ago.
    fn default() -> Self {
        Self {
            max_ratio: STUCK_RATIO,
            older_than: Duration::from_secs(600),
        }
    }
}

/// Whether a lease is stuck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stuckness {
    /// Under the ratio, and claimed too long ago.
    Stuck,
    /// Being worked on, as far as can be seen.
    Alive,
    /// What would decide it is not in the coordinator's list.
    CannotTell,
}

impl Stuckness {
    /// Whether it is certainly stuck.
    #[must_use]
    pub const fn is_stuck(self) -> bool {
        matches!(self, Self::Stuck)
    }
}

/// Judges one lease at `now_ms` (milliseconds since the epoch, by the coordinator's clock).
#[must_use]
pub fn judge(lease: &LeaseRecord, thresholds: Thresholds, now_ms: i64) -> Stuckness {
    let under = lease
        .completion_ratio
        .map(|ratio| ratio < thresholds.max_ratio);
    let old = lease.claimed_at_ms.map(|at| {
        let age = u128::try_from(now_ms.saturating_sub(at)).unwrap_or(0);
        age > thresholds.older_than.as_millis()
    });
    match (under, old) {
        (Some(false), _) | (_, Some(false)) => Stuckness::Alive,
        (Some(true), Some(true)) => Stuckness::Stuck,
        _ => Stuckness::CannotTell,
    }
}

/// Whether a lease has expired at `now_ms`; `None` where the list does not say when it expires.
#[must_use]
pub fn is_expired(lease: &LeaseRecord, now_ms: i64) -> Option<bool> {
    lease.lease_until_ms.map(|until| until <= now_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::{LeaseKey, LeaseToken};

    const NOW: i64 = 1_700_000_000_000;

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
    fn stuck_is_under_the_ratio_and_claimed_long_ago_and_expiry_proves_nothing() {
        for (ratio, until, claimed, expected) in [
            (Some(0.2), Some(60_000), Some(-600_001), Stuckness::Stuck),
            (Some(0.2), Some(-1), Some(-600_001), Stuckness::Stuck),
            (Some(0.2), None, Some(-600_001), Stuckness::Stuck),
            (Some(0.2), Some(60_000), Some(-600_000), Stuckness::Alive),
            (Some(0.2), Some(-480_000), Some(-600_000), Stuckness::Alive),
            (Some(0.2), Some(-1), Some(-60_000), Stuckness::Alive),
            (Some(0.5), Some(-1), Some(-900_000), Stuckness::Alive),
            (Some(0.2), Some(60_000), Some(5_000), Stuckness::Alive),
            (None, Some(60_000), Some(-1), Stuckness::Alive),
            (Some(0.9), None, None, Stuckness::Alive),
            (None, Some(-1), Some(-900_000), Stuckness::CannotTell),
            (Some(0.1), Some(-900_000), None, Stuckness::CannotTell),
            (None, None, None, Stuckness::CannotTell),
        ] {
            let lease = lease(ratio, until, claimed);
            assert_eq!(
                judge(&lease, Thresholds::default(), NOW),
                expected,
                "{lease:?}"
            );
        }
    }

    #[test]
    fn a_lease_expires_at_its_moment() {
        let expired = |until| is_expired(&lease(None, until, None), NOW);
        assert_eq!(expired(Some(0)), Some(true));
        assert_eq!(expired(Some(1)), Some(false));
        assert_eq!(expired(None), None);
    }
}
