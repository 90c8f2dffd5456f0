//! Backfill workers: they claim windows from the coordinator, renew with progress, complete, and one
//! of them may die with a lease in its hands.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use seamless_core::coordinator::{Action, Claim, Confirmation, Coordinator, Verdict};
use seamless_core::http::{Endpoint, HttpClient, HttpOptions};
use seamless_core::lease::LeaseKey;
use tokio::time::Instant;

use super::events::Lease;
use super::{Domain, Inner, Misbehaviour};

/// The worker that dies.
const MORTAL: usize = 1;
/// The completion at which it does: its lease is to be found stuck.
const DIES_AT: Range<f64> = 0.25..0.45;
/// How often a window that somebody else holds is asked for again.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// Windows that wait for a worker.
#[derive(Debug, Default)]
pub(super) struct Queue {
    given_back: VecDeque<(Instant, LeaseKey)>,
    next: usize,
}

impl Queue {
    /// Puts a window back, to be asked for again after a while.
    fn give_back(&mut self, key: LeaseKey) {
        self.given_back.push_back((Instant::now() + ASK_AGAIN, key));
    }

    /// The window to work on: one given back, if it is due, else a new one.
    fn next_window(&mut self, domains: &[Domain], now_ms: i64) -> Option<LeaseKey> {
        match self.given_back.front() {
            Some((at, _)) if *at <= Instant::now() => {
                self.given_back.pop_front().map(|(_, key)| key)
            }
            _ => self.new_window(domains, now_ms),
        }
    }

    /// The next window of some domain, newer than all before.
    fn new_window(&mut self, domains: &[Domain], now_ms: i64) -> Option<LeaseKey> {
        let domain = domains.get(self.next.checked_rem(domains.len())?)?;
        self.next += 1;
        let interval = i64::try_from(domain.interval).ok()?;
        // 60 bars, ending at the last whole bar; the as-of time makes it unlike any earlier window.
        let now_s = now_ms / 1000;
        let end = now_s - now_s.rem_euclid(interval);
        let start = end - 60 * interval;
        let as_of = jiff::Timestamp::from_millisecond(now_ms).ok()?;
        LeaseKey::new(format!(
            "{}:{}:{start}:{end}:{}:{as_of}",
            domain.node_id, domain.interval, domain.world_id
        ))
    }
}

/// Works until told to stop.
pub(super) async fn work(inner: Arc<Inner>, number: usize, url: String) -> Result<()> {
    let endpoint = Endpoint::parse("coordinator", &url, "the lab")?;
    let http = HttpClient::new(HttpOptions::default(), [&endpoint])?;
    let worker = Worker {
        inner,
        name: format!("worker-{number}"),
        mortal: number == MORTAL,
        coordinator: Coordinator::new(http, endpoint),
    };
    loop {
        if matches!(worker.one_window().await, Some(End::Died)) {
            // Dead while this very misbehaviour lasts; a new process takes its place after that, even
            // if it is to die at once itself.
            let cause = worker.cause_of_death();
            while cause.is_some() && worker.cause_of_death() == cause {
                tokio::time::sleep(worker.inner.options.tick).await;
            }
        }
    }
}

struct Worker {
    inner: Arc<Inner>,
    name: String,
    mortal: bool,
    coordinator: Coordinator,
}

impl Worker {
    /// Since when it is to die, if it is.
    fn cause_of_death(&self) -> Option<std::time::Instant> {
        let since = self.inner.suffers_since(Misbehaviour::DeadWorker)?;
        self.mortal.then_some(since)
    }

    /// Claims a window and works on it; says how that ended, if there was one to be had.
    async fn one_window(&self) -> Option<End> {
        let now_ms = crate::coordinator::now_ms();
        let domains = &self.inner.options.domains;
        let Some(key) = self.inner.queue().next_window(domains, now_ms) else {
            tokio::time::sleep(ASK_AGAIN).await;
            return None;
        };
        let lease_ms = u64::try_from(self.inner.options.lease.as_millis()).unwrap_or(u64::MAX);
        match self
            .coordinator
            .claim(&key, lease_ms, Some(&self.name))
            .await
        {
            Ok(Some(claim)) => Some(self.backfill(&key, claim, lease_ms).await),
            // Somebody holds it, or the coordinator is away: asked again later.
            Ok(None) | Err(_) => {
                self.inner.queue().give_back(key);
                tokio::time::sleep(self.inner.options.tick).await;
                None
            }
        }
    }

    async fn backfill(&self, key: &LeaseKey, claim: Claim, lease_ms: u64) -> End {
        let inner = &self.inner;
        let Some(domain) = domain_of(key) else {
            return End::Lost;
        };
        let span = inner.traces.backfill(&domain, key, &self.name);
        let lease = Lease {
            key,
            worker: &self.name,
            coordinator: self.coordinator.endpoint().to_string(),
            trace: span.ids(),
        };
        let start = claim.completion_ratio;
        inner.completion(key, start);
        inner.await_lease(domain, key);
        inner.log(&lease.event("coordinator_claimed", &claim, start, None));

        let (ratio, end) = self.progress(key, &claim, lease_ms).await;
        match end {
            // A dead process says nothing and ends no span. The lease stays claimed, and the window
            // waits for whoever is given it next.
            End::Died => {
                span.lose();
                inner.queue().give_back(key.clone());
            }
            End::Lost => {
                let reason = "lease_lost";
                inner.log(&lease.event("coordinator_failed", &claim, ratio, Some(reason)));
                span.end(ratio, Some(reason));
            }
            End::Done => {
                inner.log(&lease.event("coordinator_completed", &claim, ratio, None));
                span.end(ratio, None);
            }
        }
        end
    }

    /// Renews with progress until the window is done and released, the lease is lost or the worker dies.
    async fn progress(&self, key: &LeaseKey, claim: &Claim, lease_ms: u64) -> (f64, End) {
        let options = &self.inner.options;
        let (begun, start) = (Instant::now(), claim.completion_ratio);
        let mut ratio = start;
        while ratio < 1.0 {
            tokio::time::sleep(options.tick).await;
            if self.cause_of_death().is_some() && DIES_AT.contains(&ratio) {
                return (ratio, End::Died);
            }
            let done = begun.elapsed().as_secs_f64() / options.backfill.as_secs_f64();
            let reached = (start + done).min(1.0);
            match self
                .coordinator
                .renew(key, &claim.token, lease_ms, reached)
                .await
            {
                Ok(Some(_)) => {
                    ratio = reached;
                    self.inner.completion(key, ratio);
                }
                Ok(None) => return (ratio, End::Lost),
                // The coordinator is away: the lease may outlive that.
                Err(_) => {}
            }
        }
        let release = self
            .coordinator
            .release(key, &claim.token, &Action::Complete, Confirmation::OwnLease)
            .await;
        match release.verdict {
            Verdict::Released { .. } => (ratio, End::Done),
            _ => (ratio, End::Lost),
        }
    }
}

/// How work on a lease ended.
enum End {
    Done,
    Lost,
    Died,
}

fn domain_of(key: &LeaseKey) -> Option<Domain> {
    let fields = key.canonical()?;
    Some(Domain {
        node_id: fields.node_id.to_owned(),
        interval: fields.interval,
        world_id: fields.world.unwrap_or_default().to_owned(),
    })
}
