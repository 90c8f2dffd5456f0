//! A simulated Seamless runtime: nodes that serve requests, workers that backfill, a conformance
//! pipeline, rate limiters, artifacts and domain gates.
//!
//! Owns a `/metrics` that exposes every family of the schema with the habits of the Python client, and
//! the five ways in which it can be told to misbehave, plus healing. Requests take no real time: what
//! they would have taken is observed. Backfills are real: workers claim, renew, complete and abandon
//! leases of a real coordinator.

mod backfill;
mod events;
mod log;
mod misbehaviour;
mod registry;
mod traces;
mod traffic;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use seamless_core::lease::LeaseKey;
use serde_json::Value;
use tokio::sync::watch;

use crate::serving::{ANY_PORT, Serving};
use backfill::Queue;
use log::Log;
pub use misbehaviour::Misbehaviour;
use registry::Registry;
use traces::{Destination, Traces};

/// The family that gets lost.
const LOST_FAMILY: &str = "seamless_conformance_warning_total";
/// How many leases' series are kept: a worker that never restarts would show ever more.
const LEASES_SHOWN: usize = 120;

/// A domain: what is served, at which interval, to which world.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Domain {
    /// The node.
    pub node_id: String,
    /// The length of a bar, in seconds.
    pub interval: u64,
    /// The world.
    pub world_id: String,
}

impl Domain {
    fn labels(&self) -> [String; 3] {
        [
            self.node_id.clone(),
            self.interval.to_string(),
            self.world_id.clone(),
        ]
    }
}

/// What a runtime is to be like.
#[derive(Debug, Clone)]
pub struct Builder {
    address: SocketAddr,
    options: Options,
}

#[derive(Debug, Clone)]
struct Options {
    coordinator: Option<String>,
    domains: Vec<Domain>,
    workers: usize,
    tick: Duration,
    lease: Duration,
    backfill: Duration,
    log: Option<PathBuf>,
    traces: Destination,
}

/// A running runtime; gone when dropped.
#[derive(Debug)]
pub struct Runtime {
    serving: Serving,
    inner: Arc<Inner>,
    // Dropping the sender tells the threads to stop.
    stop: Option<watch::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Inner {
    options: Options,
    registry: Mutex<Registry>,
    misbehaviours: Mutex<BTreeMap<Misbehaviour, Instant>>,
    queue: Mutex<Queue>,
    // The lease that each domain's requests wait for: the one claimed last.
    awaited: Mutex<BTreeMap<Domain, LeaseKey>>,
    log: Option<Log>,
    traces: Traces,
}

impl Runtime {
    /// One with two nodes, two worlds and two workers.
    #[must_use]
    pub fn builder() -> Builder {
        let domains = ["seam-node-1", "seam-node-2"]
            .into_iter()
            .flat_map(|node| ["world-1", "world-2"].map(|world| (node, world)))
            .map(|(node, world)| Domain {
                node_id: node.to_owned(),
                interval: 60,
                world_id: world.to_owned(),
            })
            .collect();
        Builder {
            address: ANY_PORT,
            options: Options {
                coordinator: None,
                domains,
                workers: 2,
                tick: Duration::from_millis(500),
                lease: Duration::from_secs(3600),
                backfill: Duration::from_secs(8),
                log: None,
                traces: Destination::Nowhere,
            },
        }
    }

    /// `127.0.0.1:PORT`: what a scrape target is written as.
    #[must_use]
    pub fn address(&self) -> String {
        self.serving.url().replace("http://", "")
    }

    /// Where its metrics are.
    #[must_use]
    pub fn metrics_url(&self) -> String {
        format!("{}/metrics", self.serving.url())
    }

    /// Makes it misbehave, until it is healed.
    pub fn misbehave(&self, way: Misbehaviour) {
        lock(&self.inner.misbehaviours)
            .entry(way)
            .or_insert_with(Instant::now);
    }

    /// Ends every misbehaviour. A lease that a dead worker holds stays claimed.
    pub fn heal(&self) {
        lock(&self.inner.misbehaviours).clear();
    }

    /// How it misbehaves now.
    #[must_use]
    pub fn misbehaviours(&self) -> Vec<Misbehaviour> {
        lock(&self.inner.misbehaviours).keys().copied().collect()
    }

    /// Its metrics, as a scrape would see them.
    #[must_use]
    pub fn exposition(&self) -> String {
        self.inner.exposition()
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in it has been reported by the panic hook already.
            let _ = thread.join();
        }
        // Not when the last reference goes: a scrape in flight may hold one for a while.
        self.inner.traces.shut_down();
    }
}

impl Builder {
    /// Listens there instead of on a free port of 127.0.0.1.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Backfills with leases of the coordinator at this URL; without one there are no backfills.
    #[must_use]
    pub fn coordinator(mut self, url: impl Into<String>) -> Self {
        self.options.coordinator = Some(url.into());
        self
    }

    /// For how long leases are claimed; default an hour.
    #[must_use]
    pub fn lease(mut self, duration: Duration) -> Self {
        self.options.lease = duration;
        self
    }

    /// How long a backfill takes; default 8 s.
    #[must_use]
    pub fn backfill(mut self, duration: Duration) -> Self {
        self.options.backfill = duration;
        self
    }

    /// How often requests are served and progress is reported; default 500 ms.
    #[must_use]
    pub fn tick(mut self, duration: Duration) -> Self {
        self.options.tick = duration;
        self
    }

    /// Writes the platform's structured log to this file, one JSON object a line.
    #[must_use]
    pub fn log(mut self, path: impl Into<PathBuf>) -> Self {
        self.options.log = Some(path.into());
        self
    }

    /// Writes its spans to this file, one OTLP/JSON export request a line.
    #[must_use]
    pub fn traces_to_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.options.traces = Destination::File(path.into());
        self
    }

    /// Sends its spans to the OTLP/HTTP receiver at this base URL, such as `http://127.0.0.1:4318`.
    #[must_use]
    pub fn traces_to(mut self, url: impl Into<String>) -> Self {
        self.options.traces = Destination::Endpoint(url.into());
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// If it cannot listen, or write its log or traces.
    pub fn start(self) -> Result<Runtime> {
        let log = self.options.log.as_deref().map(Log::create).transpose()?;
        let traces = Traces::start(&self.options.traces)?;
        let mut registry = Registry::default();
        traffic::start(&mut registry, &self.options.domains, now());
        let inner = Arc::new(Inner {
            options: self.options,
            registry: Mutex::new(registry),
            misbehaviours: Mutex::default(),
            queue: Mutex::default(),
            awaited: Mutex::default(),
            log,
            traces,
        });
        let router = Router::new()
            .route("/metrics", get(metrics))
            .with_state(Arc::clone(&inner));
        let serving = Serving::start(self.address, router)?;
        let (stop, stopped) = watch::channel(());
        let running = Arc::clone(&inner);
        let thread = std::thread::Builder::new()
            .name("runtime".to_owned())
            .spawn(move || run(&running, stopped))
            .context("cannot start the runtime's thread")?;
        Ok(Runtime {
            serving,
            inner,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

/// Serves requests and backfills until the sender of `stopped` is gone.
fn run(inner: &Arc<Inner>, mut stopped: watch::Receiver<()>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    else {
        return;
    };
    let tasks = tokio::task::LocalSet::new();
    tasks.spawn_local(serve(Arc::clone(inner)));
    if let Some(url) = &inner.options.coordinator {
        for number in 1..=inner.options.workers {
            tasks.spawn_local(backfill::work(Arc::clone(inner), number, url.clone()));
        }
    }
    tasks.block_on(&runtime, async {
        // Nothing is ever sent: the end of the channel is the signal.
        let _ = stopped.changed().await;
    });
}

async fn serve(inner: Arc<Inner>) {
    let mut ticks = tokio::time::interval(inner.options.tick);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        for domain in &inner.options.domains {
            inner.tick(domain);
        }
    }
}

async fn metrics(State(inner): State<Arc<Inner>>) -> impl IntoResponse {
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], inner.exposition())
}

impl Inner {
    fn suffers(&self, way: Misbehaviour) -> bool {
        lock(&self.misbehaviours).contains_key(&way)
    }

    /// Since when it misbehaves in this way: each time is told from the one before.
    fn suffers_since(&self, way: Misbehaviour) -> Option<Instant> {
        lock(&self.misbehaviours).get(&way).copied()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }

    fn tick(&self, domain: &Domain) {
        let stale_for = self
            .suffers_since(Misbehaviour::StaleFeed)
            .map_or(0.0, |since| since.elapsed().as_secs_f64());
        let suffers = |way| self.suffers(way);
        let served = {
            let mut registry = lock(&self.registry);
            traffic::tick(&mut registry, domain, &suffers, stale_for, now())
        };
        let lease = lock(&self.awaited).get(domain).map(LeaseKey::to_string);
        for waits in served {
            let ids = self
                .traces
                .request(domain, waits, lease.as_deref(), SystemTime::now());
            for event in events::over_budget(domain, waits, &ids) {
                self.log(&event);
            }
        }
        if suffers(Misbehaviour::StaleFeed) {
            self.log(&events::domain_gate_downgrade(domain));
        }
    }

    /// Notes that requests of the domain wait for this lease from now on.
    fn await_lease(&self, domain: Domain, key: &LeaseKey) {
        lock(&self.awaited).insert(domain, key.clone());
    }

    /// Notes how much of a lease is done.
    fn completion(&self, key: &LeaseKey, ratio: f64) {
        const FAMILY: &str = "backfill_completion_ratio";
        let Some(fields) = key.canonical() else {
            return;
        };
        let labels = [
            fields.node_id.to_owned(),
            fields.interval.to_string(),
            key.to_string(),
        ];
        let mut registry = lock(&self.registry);
        registry.set(FAMILY, &labels, ratio, now());
        registry.keep_newest(FAMILY, LEASES_SHOWN);
    }

    fn exposition(&self) -> String {
        let lost = self
            .suffers(Misbehaviour::LostMetrics)
            .then_some(LOST_FAMILY);
        lock(&self.registry).text(lost)
    }

    fn log(&self, event: &Value) {
        if let Some(log) = &self.log {
            log.write(event);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Seconds since the epoch, as `_created` counts them.
fn now() -> f64 {
    crate::coordinator::now_ms() as f64 / 1000.0
}
