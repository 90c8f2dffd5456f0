//! A simulated Seamless runtime: nodes that serve requests, workers that backfill, a conformance
//! pipeline, rate limiters, artifacts and domain gates.
//!
//! Owns two processes, each with a `/metrics` that exposes the families of the schema with the habits of the
//! Python client and of the platform: one serves requests and backfills beside them, one only backfills and
//! may be killed. Requests take no real time: what they would have taken is observed. Backfills are real:
//! workers claim, complete, fail and abandon leases of a real coordinator, and never renew.

mod backfill;
mod events;
mod log;
mod misbehaviour;
mod process;
mod registry;
mod traces;
mod traffic;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use seamless_core::lease::LeaseKey;
use seamless_core::schema::Buckets;
use serde_json::Value;
use tokio::sync::watch;

use crate::serving::ANY_PORT;
use log::Log;
pub use misbehaviour::Misbehaviour;
use process::RuntimeProcess;
use traces::{Destination, RuntimeTracer};
pub use traffic::Preset;

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
pub struct RuntimeBuilder {
    address: SocketAddr,
    options: RuntimeOptions,
}

#[derive(Debug, Clone)]
struct RuntimeOptions {
    coordinator: Option<String>,
    domains: Vec<Domain>,
    workers: usize,
    tick: Duration,
    lease: Duration,
    backfill: Duration,
    log: Option<PathBuf>,
    traces: Destination,
    buckets: Buckets,
    preset: Preset,
    // The nodes whose policy is tolerant, whatever the preset.
    tolerant: Vec<String>,
}

/// A running runtime; gone when dropped.
#[derive(Debug)]
pub struct Runtime {
    inner: Arc<RuntimeState>,
    // Dropping the sender tells the threads to stop.
    stop: Option<watch::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct RuntimeState {
    options: RuntimeOptions,
    main: Arc<RuntimeProcess>,
    mortal: Arc<RuntimeProcess>,
    misbehaviours: Mutex<BTreeMap<Misbehaviour, Instant>>,
    // How many windows were handed out.
    windows: AtomicU64,
    // What the killed worker held.
    abandoned: Mutex<Option<LeaseKey>>,
    // The lease that each domain's requests wait for: the one claimed last.
    awaited: Mutex<BTreeMap<Domain, LeaseKey>>,
    log: Option<Log>,
    traces: RuntimeTracer,
}

impl Runtime {
    /// One with three nodes, one of them with colons in its id and no world, and two workers.
    #[must_use]
    pub fn builder() -> RuntimeBuilder {
        let domain = |node: &str, world: &str| Domain {
            node_id: node.to_owned(),
            interval: 60,
            world_id: world.to_owned(),
        };
        RuntimeBuilder {
            address: ANY_PORT,
            options: RuntimeOptions {
                coordinator: None,
                domains: vec![
                    domain("seam-node-1", "world-1"),
                    domain("seam-node-1", "world-2"),
                    domain("seam-node-2", "world-1"),
                    // The last: the worker that may be killed backfills this one.
                    domain("ohlcv:binance:BTC/USDT:1m", ""),
                ],
                workers: 2,
                tick: Duration::from_millis(500),
                lease: Duration::from_secs(120),
                backfill: Duration::from_secs(8),
                log: None,
                traces: Destination::Nowhere,
                buckets: Buckets::Schema,
                preset: Preset::Baseline,
                tolerant: Vec::new(),
            },
        }
    }

    /// `127.0.0.1:PORT` of the process that serves requests: what a scrape target is written as.
    #[must_use]
    pub fn address(&self) -> String {
        self.inner.main.address()
    }

    /// The same of every process: the one that serves requests, and the worker that may be killed.
    #[must_use]
    pub fn addresses(&self) -> [String; 2] {
        [self.address(), self.inner.mortal.address()]
    }

    /// Where the metrics of the process that serves requests are.
    #[must_use]
    pub fn metrics_url(&self) -> String {
        format!("http://{}/metrics", self.address())
    }

    /// The lease that the killed worker held, once it has been killed.
    #[must_use]
    pub fn abandoned(&self) -> Option<LeaseKey> {
        lock(&self.inner.abandoned).clone()
    }

    /// Makes it misbehave, until it is healed.
    pub fn misbehave(&self, way: Misbehaviour) {
        lock(&self.inner.misbehaviours)
            .entry(way)
            .or_insert_with(Instant::now);
        if way == Misbehaviour::LostMetrics {
            self.inner.main.lose_metrics(true);
        }
    }

    /// Ends every misbehaviour. A lease that a dead worker holds stays claimed.
    pub fn heal(&self) {
        lock(&self.inner.misbehaviours).clear();
        self.inner.main.lose_metrics(false);
    }

    /// How it misbehaves now.
    #[must_use]
    pub fn misbehaviours(&self) -> Vec<Misbehaviour> {
        lock(&self.inner.misbehaviours).keys().copied().collect()
    }

    /// The metrics of the process that serves requests, as a scrape would see them.
    #[must_use]
    pub fn exposition(&self) -> String {
        self.inner.main.exposition()
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in it has been reported by the panic hook already.
            let _ = thread.join();
        }
        self.inner.main.die();
        self.inner.mortal.die();
        // Not when the last reference goes: a scrape in flight may hold one for a while.
        self.inner.traces.shut_down();
    }
}

impl RuntimeBuilder {
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

    /// For how long leases are claimed; default 120 s, as the platform does. None is renewed.
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

    /// Which buckets its histograms have; default the schema's.
    #[must_use]
    pub fn buckets(mut self, buckets: Buckets) -> Self {
        self.options.buckets = buckets;
        self
    }

    /// What happens to requests that are late; default [`Preset::Baseline`].
    #[must_use]
    pub fn preset(mut self, preset: Preset) -> Self {
        self.options.preset = preset;
        self
    }

    /// Late requests of this node are answered with what there is, whatever the preset of the others.
    #[must_use]
    pub fn tolerant(mut self, node_id: &str) -> Self {
        self.options.tolerant.push(node_id.to_owned());
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
        let traces = RuntimeTracer::start(&self.options.traces)?;
        let buckets = self.options.buckets;
        let inner = Arc::new(RuntimeState {
            main: RuntimeProcess::listening(self.address, buckets)?,
            mortal: RuntimeProcess::listening(ANY_PORT, buckets)?,
            options: self.options,
            misbehaviours: Mutex::default(),
            windows: AtomicU64::new(0),
            abandoned: Mutex::default(),
            awaited: Mutex::default(),
            log,
            traces,
        });
        let (stop, stopped) = watch::channel(());
        let running = Arc::clone(&inner);
        let thread = std::thread::Builder::new()
            .name("runtime".to_owned())
            .spawn(move || run(&running, stopped))
            .context("cannot start the runtime's thread")?;
        Ok(Runtime {
            inner,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

/// Serves requests and backfills until the sender of `stopped` is gone.
fn run(inner: &Arc<RuntimeState>, mut stopped: watch::Receiver<()>) {
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

async fn serve(inner: Arc<RuntimeState>) {
    let mut ticks = tokio::time::interval(inner.options.tick);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        for domain in &inner.options.domains {
            inner.tick(domain);
        }
    }
}

impl RuntimeState {
    fn suffers(&self, way: Misbehaviour) -> bool {
        lock(&self.misbehaviours).contains_key(&way)
    }

    /// Since when it misbehaves in this way: each time is told from the one before.
    fn suffers_since(&self, way: Misbehaviour) -> Option<Instant> {
        lock(&self.misbehaviours).get(&way).copied()
    }

    /// The next window to backfill: the worker that may be killed works on the last domain, which no other
    /// does as long as there are more.
    fn next_window(&self, mortal: bool) -> Option<(Domain, LeaseKey)> {
        let (last, others) = self.options.domains.split_last()?;
        let number = self.windows.fetch_add(1, Ordering::SeqCst);
        let nth = usize::try_from(number).unwrap_or_default();
        let domain = match nth.checked_rem(others.len()) {
            Some(index) if !mortal => &others[index],
            _ => last,
        };
        Some((domain.clone(), backfill::window(domain, number)?))
    }

    /// Notes what a killed worker held.
    fn abandon(&self, key: &LeaseKey) {
        *lock(&self.abandoned) = Some(key.clone());
    }

    fn tick(&self, domain: &Domain) {
        let stale_for = self
            .suffers_since(Misbehaviour::StaleFeed)
            .map_or(0.0, |since| since.elapsed().as_secs_f64());
        let suffers = |way| self.suffers(way);
        let preset = if self.options.tolerant.contains(&domain.node_id) {
            Preset::TolerantPartial
        } else {
            self.options.preset
        };
        let served = self
            .main
            .count(|registry| traffic::tick(registry, domain, preset, &suffers, stale_for, now()));
        let lease = lock(&self.awaited).get(domain).map(LeaseKey::to_string);
        for request in &served {
            let ids = self
                .traces
                .request(domain, request, lease.as_deref(), SystemTime::now());
            for event in events::over_budget(domain, request, preset, &ids) {
                self.log(&event);
            }
        }
        if suffers(Misbehaviour::StaleFeed) {
            self.log(&events::held(
                domain,
                traffic::STALE_COVERAGE,
                180.0 + stale_for,
            ));
            self.log(&events::domain_gate_downgrade(domain));
        }
    }

    /// Notes that requests of the domain wait for this lease from now on.
    fn await_lease(&self, domain: Domain, key: &LeaseKey) {
        lock(&self.awaited).insert(domain, key.clone());
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
