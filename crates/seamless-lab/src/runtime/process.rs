//! A process of the platform as Prometheus sees it: a `/metrics` of its own, which dies with it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::Result;
use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use seamless_core::lease::LeaseKey;
use seamless_core::schema::Buckets;

use super::registry::Registry;
use super::{Domain, lock, now};
use crate::serving::Serving;

/// One process.
#[derive(Debug)]
pub(super) struct RuntimeProcess {
    buckets: Buckets,
    registry: Mutex<Registry>,
    serving: Mutex<Option<Serving>>,
    address: Mutex<SocketAddr>,
    lost: AtomicBool,
}

impl RuntimeProcess {
    /// Starts one that listens at `address`.
    pub(super) fn listening(address: SocketAddr, buckets: Buckets) -> Result<Arc<Self>> {
        let process = Arc::new(Self {
            buckets,
            registry: Mutex::default(),
            serving: Mutex::default(),
            address: Mutex::new(address),
            lost: AtomicBool::new(false),
        });
        process.start()?;
        Ok(process)
    }

    /// Starts it, with nothing counted yet, where it listened before.
    pub(super) fn start(self: &Arc<Self>) -> Result<()> {
        let mut registry = Registry::new(self.buckets);
        // The one family that the platform shows before anything has happened.
        registry.set("backfill_jobs_in_progress", &[], 0.0, now());
        *lock(&self.registry) = registry;
        let router = Router::new()
            .route("/metrics", get(metrics))
            .with_state(Arc::clone(self));
        let mut address = lock(&self.address);
        let serving = Serving::start(*address, router)?;
        *address = serving.address();
        *lock(&self.serving) = Some(serving);
        Ok(())
    }

    /// Kills it: nothing listens any more, and what it counted is gone.
    pub(super) fn die(&self) {
        *lock(&self.serving) = None;
        *lock(&self.registry) = Registry::default();
    }

    /// `127.0.0.1:PORT`.
    pub(super) fn address(&self) -> String {
        lock(&self.address).to_string()
    }

    /// Its metrics, as a scrape would see them.
    pub(super) fn exposition(&self) -> String {
        if self.lost.load(Ordering::SeqCst) {
            return String::new();
        }
        lock(&self.registry).text()
    }

    /// Exposes nothing any more, or everything again.
    pub(super) fn lose_metrics(&self, lost: bool) {
        self.lost.store(lost, Ordering::SeqCst);
    }

    /// Counts something.
    pub(super) fn count<T>(&self, work: impl FnOnce(&mut Registry) -> T) -> T {
        work(&mut lock(&self.registry))
    }

    /// Sets a lease's gauge: at its claim and at its end, never in between. It is never removed.
    pub(super) fn completion(&self, key: &LeaseKey, ratio: f64) {
        // Taken from the key at its first colons, as the platform does, whatever the node is called.
        let mut parts = key.as_str().splitn(3, ':');
        let mut part = || {
            let part = parts.next().filter(|part| !part.is_empty());
            part.unwrap_or("unknown").to_owned()
        };
        let labels = [part(), part(), key.to_string()];
        self.count(|registry| registry.set("backfill_completion_ratio", &labels, ratio, now()));
    }

    /// A backfill has begun.
    pub(super) fn backfill_started(&self) {
        self.count(|registry| registry.add("backfill_jobs_in_progress", &[], 1.0, now()));
    }

    /// A backfill is over; with so many retries, and failed, if its source did not answer.
    pub(super) fn backfill_ended(&self, domain: &Domain, failed_after: Option<u32>) {
        let labels = [domain.node_id.clone(), domain.interval.to_string()];
        self.count(|registry| {
            registry.add("backfill_jobs_in_progress", &[], -1.0, now());
            if let Some(retries) = failed_after {
                registry.add("backfill_retry_total", &labels, f64::from(retries), now());
                registry.add("backfill_failure_total", &labels, 1.0, now());
            } else {
                registry.set("backfill_last_timestamp", &labels, now().floor(), now());
            }
        });
    }
}

async fn metrics(State(process): State<Arc<RuntimeProcess>>) -> impl IntoResponse {
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], process.exposition())
}
