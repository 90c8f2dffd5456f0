//! Backfill workers: they claim windows from the coordinator, renew with progress, complete, and one
//! of them may die with a lease in its hands.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use seamless_core::coordinator::{Action, Claim, Confirmation, Coordinator, Verdict};
use seamless_core::http::{Endpoint, HttpClient, HttpOptions};
use seamless_core::lease::LeaseKey;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Domain, Inner, Misbehaviour};

/// The worker that dies.
const MORTAL: usize = 1;
/// The completion at which it does.
const DIES_AT: f64 = 0.25;
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
        worker.one_window().await;
        // Dead while the misbehaviour lasts; a new process takes its place after that.
        while worker.is_dead() {
            tokio::time::sleep(worker.inner.options.tick).await;
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
    fn is_dead(&self) -> bool {
        self.mortal && self.inner.suffers(Misbehaviour::DeadWorker)
    }

    async fn one_window(&self) {
        let now_ms = crate::coordinator::now_ms();
        let domains = &self.inner.options.domains;
        let Some(key) = self.inner.queue().next_window(domains, now_ms) else {
            tokio::time::sleep(ASK_AGAIN).await;
            return;
        };
        let lease_ms = u64::try_from(self.inner.options.lease.as_millis()).unwrap_or(u64::MAX);
        match self
            .coordinator
            .claim(&key, lease_ms, Some(&self.name))
            .await
        {
            Ok(Some(claim)) => self.backfill(&key, claim, lease_ms).await,
            // Somebody holds it, or the coordinator is away: asked again later.
            Ok(None) | Err(_) => {
                self.inner.queue().give_back(key);
                tokio::time::sleep(self.inner.options.tick).await;
            }
        }
    }

    async fn backfill(&self, key: &LeaseKey, claim: Claim, lease_ms: u64) {
        let lease = Lease {
            key,
            worker: &self.name,
            coordinator: self.coordinator.endpoint().to_string(),
        };
        let options = &self.inner.options;
        let (begun, start) = (Instant::now(), claim.completion_ratio);
        let mut ratio = start;
        self.inner.completion(key, ratio);
        self.inner
            .log(&lease.event("coordinator_claimed", &claim, ratio, None));
        while ratio < 1.0 {
            tokio::time::sleep(options.tick).await;
            if self.is_dead() && ratio >= DIES_AT {
                // The lease stays claimed, and the window waits for whoever is given it next.
                self.inner.queue().give_back(key.clone());
                return;
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
                Ok(None) => {
                    let reason = Some("lease_lost");
                    self.inner
                        .log(&lease.event("coordinator_failed", &claim, ratio, reason));
                    return;
                }
                // The coordinator is away: the lease may outlive that.
                Err(_) => {}
            }
        }
        let release = self
            .coordinator
            .release(key, &claim.token, &Action::Complete, Confirmation::OwnLease)
            .await;
        let (event, reason) = match release.verdict {
            Verdict::Released { .. } => ("coordinator_completed", None),
            _ => ("coordinator_failed", Some("not_released")),
        };
        self.inner.log(&lease.event(event, &claim, ratio, reason));
    }
}

/// What the log says of a lease.
struct Lease<'l> {
    key: &'l LeaseKey,
    worker: &'l str,
    coordinator: String,
}

impl Lease<'_> {
    fn event(
        &self,
        name: &str,
        claim: &Claim,
        completion_ratio: f64,
        reason: Option<&str>,
    ) -> Value {
        let fields = self.key.canonical();
        json!({
            "logger": "seamless.backfill",
            "event": format!("seamless.backfill.{name}"),
            "coordinator_id": self.coordinator,
            "lease_key": self.key.as_str(),
            "node_id": fields.map(|key| key.node_id),
            "interval": fields.map(|key| key.interval),
            "batch_start": fields.map(|key| key.batch_start),
            "batch_end": fields.map(|key| key.batch_end),
            "world": fields.and_then(|key| key.world),
            "requested_as_of": fields.and_then(|key| key.requested_as_of),
            "worker": self.worker,
            "lease_token": claim.token.expose(),
            "lease_until_ms": claim.lease_until_ms,
            "completion_ratio": completion_ratio,
            "reason": reason,
        })
    }
}
