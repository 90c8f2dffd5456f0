//! Reading selected leases again just before acting on them.
//!
//! Owns one recent reading of the coordinator's list, shared by all leases in flight: the protocol
//! lists all leases or none, so ten thousand leases do not mean ten thousand lists. A reading that failed is
//! tried again and never kept. It changes nothing.

use std::cell::Cell;
use std::collections::HashMap;
use std::time::Duration;

use seamless_core::coordinator::{CoordinatorClient, LeaseRecord};
use seamless_core::http::ServiceError;
use seamless_core::lease::{LeaseKey, LeaseSpec};
use seamless_core::stuck::{Stuckness, Thresholds, judge};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::outcome::{LeaseOutcome, Skip};

/// How old a reading may be when a lease is acted on.
const FRESH: Duration = Duration::from_secs(2);
/// Where reading takes long, at most one part in so many of the time is spent on it.
const SHARE: u32 = 4;
/// How often a reading that fails is tried.
const TRIES: usize = 3;
const BETWEEN_TRIES: Duration = Duration::from_millis(500);

/// The shared reading.
pub(crate) struct Freshness<'c> {
    coordinator: &'c CoordinatorClient,
    thresholds: Thresholds,
    /// Leases that cannot be judged are meant, too: they were named by their keys.
    even_unjudged: bool,
    latest: Mutex<Option<ListReading>>,
    oldest: Cell<Duration>,
}

struct ListReading {
    finished: Instant,
    took: Duration,
    leases: HashMap<LeaseKey, LeaseRecord>,
    ahead_ms: i64,
}

impl<'c> Freshness<'c> {
    pub(crate) fn new(
        coordinator: &'c CoordinatorClient,
        thresholds: Thresholds,
        even_unjudged: bool,
    ) -> Self {
        Self {
            coordinator,
            thresholds,
            even_unjudged,
            latest: Mutex::new(None),
            oldest: Cell::default(),
        }
    }

    /// How old a reading may have been, where reading took so long that it was more than 2 s.
    pub(crate) fn stretched_to(&self) -> Option<Duration> {
        Some(self.oldest.get()).filter(|oldest| *oldest > FRESH)
    }

    /// Why a selected lease is to be left alone now, if it is.
    pub(crate) async fn objection(&self, spec: &LeaseSpec) -> Option<LeaseOutcome> {
        // While one reads, the others wait for that same reading.
        let mut latest = self.latest.lock().await;
        let allowed = |reading: &ListReading| FRESH.max(reading.took * SHARE);
        let is_fresh = latest
            .as_ref()
            .is_some_and(|reading| reading.finished.elapsed() < allowed(reading));
        if !is_fresh {
            *latest = None;
            match self.read().await {
                Ok(reading) => *latest = Some(reading),
                Err(error) => {
                    return Some(LeaseOutcome::Skipped(Skip::NotReadAgain(error.to_string())));
                }
            }
        }
        let reading = latest.as_ref()?;
        self.oldest.set(self.oldest.get().max(allowed(reading)));
        let now_ms = jiff::Timestamp::now().as_millisecond() - reading.ahead_ms;
        self.moved_on(spec, reading.leases.get(&spec.key), now_ms)
    }

    async fn read(&self) -> Result<ListReading, ServiceError> {
        let mut tries = 1;
        loop {
            let started = Instant::now();
            match self.coordinator.inspect().await {
                Ok(listed) => {
                    let leases = listed.leases.into_iter();
                    return Ok(ListReading {
                        finished: Instant::now(),
                        took: started.elapsed(),
                        ahead_ms: listed.ahead_ms,
                        leases: leases.map(|lease| (lease.key.clone(), lease)).collect(),
                    });
                }
                Err(error) if tries == TRIES => return Err(error),
                Err(_) => sleep(BETWEEN_TRIES).await,
            }
            tries += 1;
        }
    }

    /// What a second look at a selected lease objects to acting on it.
    ///
    /// A lease that is not listed any more is no objection: pages may shift while leases come and go, and
    /// the coordinator's own 404 is the better proof.
    fn moved_on(
        &self,
        spec: &LeaseSpec,
        now_listed: Option<&LeaseRecord>,
        now_ms: i64,
    ) -> Option<LeaseOutcome> {
        let record = now_listed?;
        if record.token.is_some() && record.token != spec.token {
            return Some(LeaseOutcome::Conflict {
                note: Some("the list shows it under another token; nothing was sent".to_owned()),
            });
        }
        let is_meant = match judge(record, self.thresholds, now_ms) {
            Stuckness::Stuck => true,
            Stuckness::CannotTell => self.even_unjudged,
            Stuckness::Alive => false,
        };
        (!is_meant).then_some(LeaseOutcome::Skipped(Skip::MovedOn))
    }
}
