//! The leases and the rules by which they change hands.
//!
//! Pure: every operation takes the time as an argument. An expired lease stays with its holder until
//! it is released or somebody else claims the key, so a late renewal or release by the rightful token
//! still works and a stale token never does.

use std::collections::BTreeMap;

/// A lease as the coordinator holds it. Times are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldLease {
    /// The canonical key, or any other text.
    pub key: String,
    /// The token under which it is held.
    pub token: String,
    /// When it expires.
    pub lease_until_ms: i64,
    /// When it was claimed.
    pub claimed_at_ms: i64,
    /// How much of the window is done, 0 to 1.
    pub completion_ratio: f64,
    /// Who holds it.
    pub worker: Option<String>,
}

impl HeldLease {
    /// A lease claimed at `now_ms` for a minute, nothing done yet.
    #[must_use]
    pub fn new(key: impl Into<String>, token: impl Into<String>, now_ms: i64) -> Self {
        Self {
            key: key.into(),
            token: token.into(),
            lease_until_ms: now_ms + 60_000,
            claimed_at_ms: now_ms,
            completion_ratio: 0.0,
            worker: None,
        }
    }

    /// The same, with so much done.
    #[must_use]
    pub fn ratio(mut self, ratio: f64) -> Self {
        self.completion_ratio = ratio;
        self
    }

    /// The same, claimed `ms` earlier; the expiry stays.
    #[must_use]
    pub fn claimed_earlier(mut self, ms: i64) -> Self {
        self.claimed_at_ms -= ms;
        self
    }

    /// The same, expiring at that time.
    #[must_use]
    pub const fn until(mut self, ms: i64) -> Self {
        self.lease_until_ms = ms;
        self
    }

    /// The same, held by that worker.
    #[must_use]
    pub fn worker(mut self, worker: impl Into<String>) -> Self {
        self.worker = Some(worker.into());
        self
    }

    /// Whether it is past its expiry.
    #[must_use]
    pub const fn is_expired(&self, now_ms: i64) -> bool {
        self.lease_until_ms <= now_ms
    }
}

/// How a lease was ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseEnd {
    /// The window is done.
    Completed,
    /// Given up, for this reason.
    Failed(Option<String>),
}

/// A lease that was ended, as it was, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct EndedLease {
    /// The lease.
    pub lease: HeldLease,
    /// How it ended.
    pub outcome: LeaseEnd,
}

/// Why an operation was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseRefusal {
    /// No lease is held under the key: 404.
    Unknown,
    /// It is held under another token, or claimed by somebody and not expired: 409.
    Conflict,
}

/// Every lease held, every lease ended, and the last completion per key, which outlives the lease.
#[derive(Debug, Default)]
pub struct LeaseTable {
    held: BTreeMap<String, HeldLease>,
    ended: Vec<EndedLease>,
    ratios: BTreeMap<String, f64>,
}

impl LeaseTable {
    /// Puts a lease in, whatever was held under its key.
    pub fn insert(&mut self, lease: HeldLease) {
        self.ratios
            .insert(lease.key.clone(), lease.completion_ratio);
        self.held.insert(lease.key.clone(), lease);
    }

    /// Takes a lease out without ending it, as a coordinator that lost its memory would.
    pub fn remove(&mut self, key: &str) -> Option<HeldLease> {
        self.held.remove(key)
    }

    /// Claims `key`; work done under earlier leases counts.
    ///
    /// # Errors
    /// [`LeaseRefusal::Conflict`] while somebody holds it and it has not expired.
    pub fn claim(
        &mut self,
        key: &str,
        token: String,
        lease_ms: i64,
        worker: Option<String>,
        now_ms: i64,
    ) -> Result<HeldLease, LeaseRefusal> {
        if self
            .held
            .get(key)
            .is_some_and(|held| !held.is_expired(now_ms))
        {
            return Err(LeaseRefusal::Conflict);
        }
        let lease = HeldLease {
            key: key.to_owned(),
            token,
            lease_until_ms: now_ms + lease_ms,
            claimed_at_ms: now_ms,
            completion_ratio: self.ratios.get(key).copied().unwrap_or_default(),
            worker,
        };
        self.insert(lease.clone());
        Ok(lease)
    }

    /// Extends a lease and notes its progress.
    ///
    /// # Errors
    /// [`LeaseRefusal`] if it is not held under that token.
    pub fn renew(
        &mut self,
        key: &str,
        token: &str,
        lease_ms: i64,
        ratio: Option<f64>,
        now_ms: i64,
    ) -> Result<HeldLease, LeaseRefusal> {
        let lease = self.held_under(key, token)?;
        lease.lease_until_ms = now_ms + lease_ms;
        if let Some(ratio) = ratio {
            lease.completion_ratio = ratio.clamp(0.0, 1.0);
        }
        let lease = lease.clone();
        self.ratios
            .insert(lease.key.clone(), lease.completion_ratio);
        Ok(lease)
    }

    /// Ends a lease; completing it sets its completion to 1.
    ///
    /// # Errors
    /// [`LeaseRefusal`] if it is not held under that token.
    pub fn end(
        &mut self,
        key: &str,
        token: &str,
        outcome: LeaseEnd,
    ) -> Result<HeldLease, LeaseRefusal> {
        self.held_under(key, token)?;
        let mut lease = self.held.remove(key).ok_or(LeaseRefusal::Unknown)?;
        if outcome == LeaseEnd::Completed {
            lease.completion_ratio = 1.0;
        }
        self.ratios
            .insert(lease.key.clone(), lease.completion_ratio);
        self.ended.push(EndedLease {
            lease: lease.clone(),
            outcome,
        });
        Ok(lease)
    }

    fn held_under(&mut self, key: &str, token: &str) -> Result<&mut HeldLease, LeaseRefusal> {
        match self.held.get_mut(key) {
            None => Err(LeaseRefusal::Unknown),
            Some(lease) if lease.token != token => Err(LeaseRefusal::Conflict),
            Some(lease) => Ok(lease),
        }
    }

    /// The leases held, by key.
    #[must_use]
    pub fn leases(&self) -> Vec<HeldLease> {
        self.held.values().cloned().collect()
    }

    /// Up to `limit` leases whose keys come after `cursor`, and the cursor of the next page.
    #[must_use]
    pub fn page(&self, cursor: Option<&str>, limit: usize) -> (Vec<HeldLease>, Option<String>) {
        let mut rest = self
            .held
            .values()
            .filter(|lease| cursor.is_none_or(|cursor| lease.key.as_str() > cursor));
        let page: Vec<HeldLease> = rest.by_ref().take(limit).cloned().collect();
        let next = rest.next().and(page.last()).map(|lease| lease.key.clone());
        (page, next)
    }

    /// The leases that were ended, oldest first.
    #[must_use]
    pub fn ended(&self) -> &[EndedLease] {
        &self.ended
    }

    /// The last completion of every key ever seen.
    #[must_use]
    pub const fn ratios(&self) -> &BTreeMap<String, f64> {
        &self.ratios
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "seam-node-1:60:1700:1760:world-1:2024-01-01T00:00:00Z";

    fn claimed() -> LeaseTable {
        let mut table = LeaseTable::default();
        table
            .claim(KEY, "first".to_owned(), 1000, Some("w1".to_owned()), 0)
            .unwrap();
        table
    }

    #[test]
    fn a_held_lease_is_not_given_away_and_an_expired_one_is() {
        let mut table = claimed();
        let claim =
            |table: &mut LeaseTable, now| table.claim(KEY, "second".to_owned(), 1000, None, now);
        assert_eq!(claim(&mut table, 999), Err(LeaseRefusal::Conflict));
        assert_eq!(claim(&mut table, 1000).unwrap().token, "second");
    }

    #[test]
    fn the_stale_token_of_a_lease_that_changed_hands_is_a_conflict() {
        let mut table = claimed();
        table
            .claim(KEY, "second".to_owned(), 1000, None, 2000)
            .unwrap();
        assert_eq!(
            table.end(KEY, "first", LeaseEnd::Failed(None)),
            Err(LeaseRefusal::Conflict)
        );
        assert_eq!(
            table.renew(KEY, "first", 1000, Some(0.9), 2000),
            Err(LeaseRefusal::Conflict)
        );
        assert_eq!(table.leases()[0].token, "second");
    }

    #[test]
    fn an_expired_lease_can_still_be_renewed_and_ended_by_its_holder_once() {
        let mut table = claimed();
        assert_eq!(
            table
                .renew(KEY, "first", 500, Some(0.25), 5000)
                .unwrap()
                .lease_until_ms,
            5500
        );
        let ended = table.end(KEY, "first", LeaseEnd::Failed(None)).unwrap();
        assert_eq!(ended.completion_ratio, 0.25);
        assert_eq!(
            table.end(KEY, "first", LeaseEnd::Failed(None)),
            Err(LeaseRefusal::Unknown)
        );
    }

    #[test]
    fn progress_outlives_the_lease_and_completion_is_1() {
        let mut table = claimed();
        table.renew(KEY, "first", 500, Some(0.25), 10).unwrap();
        table.end(KEY, "first", LeaseEnd::Failed(None)).unwrap();
        let again = table
            .claim(KEY, "second".to_owned(), 1000, None, 20)
            .unwrap();
        assert_eq!(again.completion_ratio, 0.25);
        table.end(KEY, "second", LeaseEnd::Completed).unwrap();
        assert_eq!(table.ratios()[KEY], 1.0);
    }

    #[test]
    fn pages_cover_every_lease_once_and_end() {
        let mut table = LeaseTable::default();
        for n in 0..7 {
            table.insert(HeldLease::new(format!("lease-{n}"), "t", 0));
        }
        for limit in [1, 3, 7, 10] {
            let (mut cursor, mut seen) = (None, Vec::new());
            loop {
                let (page, next) = table.page(cursor.as_deref(), limit);
                seen.extend(page.into_iter().map(|lease| lease.key));
                cursor = next;
                if cursor.is_none() {
                    break;
                }
            }
            let all: Vec<String> = (0..7).map(|n| format!("lease-{n}")).collect();
            assert_eq!(seen, all, "{limit} per page");
        }
    }
}
