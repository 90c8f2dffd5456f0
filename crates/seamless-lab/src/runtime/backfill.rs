//! Backfill workers, as the platform's are: they claim a window, work on it, complete or fail it, and never
//! renew. One of them may die with a lease in its hands.

use std::sync::Arc;

use anyhow::Result;
use seamless_core::coordinator::{Action, CoordinatorClient, ReleaseVerdict};
use seamless_core::http::{Endpoint, HttpClient, HttpOptions};
use seamless_core::lease::LeaseKey;
use tokio::time::Instant;

use super::events::LoggedLease;
use super::process::RuntimeProcess;
use super::{Domain, Misbehaviour, RuntimeState};
use crate::coordinator::Claim;

/// The worker that is a process of its own, and dies.
pub(super) const MORTAL: usize = 1;
/// Where the history that is backfilled begins: 2025-01-01.
const HISTORY: u64 = 1_735_689_600;
/// How many bars a window has.
const BARS: u64 = 100;
/// What a world's data is asked for as of.
const AS_OF: &str = "2025-02-01T00:00:00Z";
/// Before a backfill is given up, its source is asked this many times more.
const RETRIES: u32 = 2;
/// What the platform says of a backfill whose source failed.
const FAILED: &str = "background_backfill_failed (ExceptionGroup): unhandled errors in a TaskGroup (1 sub-exception)";

/// The next window of a domain: one after the other, no two alike.
pub(super) fn window(domain: &Domain, number: u64) -> Option<LeaseKey> {
    let length = BARS * domain.interval;
    let start = HISTORY + number * length;
    let as_of = if domain.world_id.is_empty() {
        ""
    } else {
        AS_OF
    };
    LeaseKey::new(format!(
        "{}:{}:{start}:{}:{}:{as_of}",
        domain.node_id,
        domain.interval,
        start + length,
        domain.world_id,
    ))
}

/// Works until told to stop.
pub(super) async fn work(inner: Arc<RuntimeState>, number: usize, url: String) -> Result<()> {
    let endpoint = Endpoint::parse("coordinator", &url, "the lab")?;
    let http = HttpClient::new(HttpOptions::default(), [&endpoint])?;
    let mortal = number == MORTAL;
    let process = Arc::clone(if mortal { &inner.mortal } else { &inner.main });
    let worker = Worker {
        inner,
        process,
        name: format!("worker-{number}"),
        mortal,
        http: http.clone(),
        coordinator: CoordinatorClient::new(http, endpoint),
    };
    loop {
        if matches!(worker.one_window().await, End::Died) {
            worker.stay_dead().await;
        }
    }
}

struct Worker {
    inner: Arc<RuntimeState>,
    /// Where its gauges are.
    process: Arc<RuntimeProcess>,
    name: String,
    mortal: bool,
    http: HttpClient,
    coordinator: CoordinatorClient,
}

/// How work on a window ended.
enum End {
    Over,
    Died,
}

impl Worker {
    /// Since when it is to die, if it is.
    fn cause_of_death(&self) -> Option<std::time::Instant> {
        let since = self.inner.suffers_since(Misbehaviour::DeadWorker)?;
        self.mortal.then_some(since)
    }

    /// Dead while this very misbehaviour lasts; a new process takes its place after that, even if it is to
    /// die at once itself.
    async fn stay_dead(&self) {
        self.process.die();
        let cause = self.cause_of_death();
        while cause.is_some() && self.cause_of_death() == cause {
            tokio::time::sleep(self.inner.options.tick).await;
        }
        // Its port may still be held by a connection that is being closed.
        while self.process.start().is_err() {
            tokio::time::sleep(self.inner.options.tick).await;
        }
    }

    /// Claims a window and works on it.
    async fn one_window(&self) -> End {
        let Some((domain, key)) = self.inner.next_window(self.mortal) else {
            tokio::time::sleep(self.inner.options.tick).await;
            return End::Over;
        };
        let lease_ms = u64::try_from(self.inner.options.lease.as_millis()).unwrap_or(u64::MAX);
        // The platform's client does not say who it is.
        let coordinator = self.coordinator.endpoint();
        match Claim::of(&self.http, coordinator, &key, lease_ms, None).await {
            Ok(Some(claim)) => self.backfill(&domain, &key, claim).await,
            // Somebody holds it, or the coordinator is away: the next window is tried.
            Ok(None) | Err(_) => {
                tokio::time::sleep(self.inner.options.tick).await;
                End::Over
            }
        }
    }

    async fn backfill(&self, domain: &Domain, key: &LeaseKey, claim: Claim) -> End {
        let inner = &self.inner;
        let span = inner.traces.backfill(domain, key, &self.name);
        let lease = LoggedLease {
            key,
            worker: &self.name,
            coordinator: host_and_port(&self.coordinator.endpoint().to_string()),
            trace: span.ids(),
        };
        self.process.completion(key, claim.completion_ratio);
        self.process.backfill_started();
        inner.await_lease(domain.clone(), key);
        inner.log(&lease.event("coordinator_claimed", &claim, claim.completion_ratio, None));

        let begun = Instant::now();
        while begun.elapsed() < inner.options.backfill {
            tokio::time::sleep(inner.options.tick).await;
            if self.cause_of_death().is_some() {
                // A dead process says nothing and ends no span; the lease stays claimed.
                span.lose();
                inner.abandon(key);
                return End::Died;
            }
            if inner.suffers(Misbehaviour::VendorOutage) {
                break;
            }
        }
        let failed = inner.suffers(Misbehaviour::VendorOutage);
        self.process
            .backfill_ended(domain, failed.then_some(RETRIES));
        let (event, action, reason) = if failed {
            let reason = FAILED.to_owned();
            ("coordinator_failed", Action::Fail { reason }, Some(FAILED))
        } else {
            ("coordinator_completed", Action::Complete, None)
        };
        let release = self.coordinator.release(key, &claim.token, &action).await;
        let unsaid = if failed { 0.0 } else { 1.0 };
        let ratio = match release.verdict {
            ReleaseVerdict::Released { completion_ratio } => {
                let ratio = completion_ratio.unwrap_or(unsaid);
                inner.log(&lease.event(event, &claim, ratio, reason));
                ratio
            }
            // The lease was ended from outside. The platform's client says nothing of it, and shows what it
            // would have shown.
            _ => unsaid,
        };
        self.process.completion(key, ratio);
        span.end(ratio, reason);
        End::Over
    }
}

/// Of a URL: how the platform names its coordinator.
fn host_and_port(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_keyed_as_the_platform_keys_them() {
        let domain = |node: &str, world: &str| Domain {
            node_id: node.to_owned(),
            interval: 60,
            world_id: world.to_owned(),
        };
        for (domain, number, key) in [
            (
                domain("seam-node-1", "world-1"),
                0,
                "seam-node-1:60:1735689600:1735695600:world-1:2025-02-01T00:00:00Z",
            ),
            (
                domain("ohlcv:binance:BTC/USDT:1m", ""),
                2,
                "ohlcv:binance:BTC/USDT:1m:60:1735701600:1735707600::",
            ),
        ] {
            assert_eq!(window(&domain, number).unwrap().as_str(), key);
        }
        assert_eq!(host_and_port("http://127.0.0.1:80/v1"), "127.0.0.1:80");
    }
}
