//! A backfill coordinator with real lease semantics, for drills and tests.
//!
//! Owns an HTTP server that speaks the coordinator's protocol over the lease [`table`]: claims, renewals
//! with progress, expiry, token checks (404 and 409), paged inspection in each of the shapes that
//! deployments use, health and metrics. It keeps every request, and tests may read and change its
//! leases. It persists nothing.

mod claim;
mod routes;
mod table;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;

use crate::received::Received;
use crate::serving::{ANY_PORT, Serving};

pub use claim::Claim;
pub use table::{EndedLease, HeldLease, LeaseEnd, LeaseRefusal, LeaseTable};

/// How the inspect endpoint shows leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InspectShape {
    /// `{leases: [{key, token, …}], next_cursor?}`.
    #[default]
    Objects,
    /// The same, with nothing but key and token.
    BareObjects,
    /// A JSON array of `"KEY:TOKEN"`.
    SpecArray,
    /// Plain-text lines `KEY:TOKEN`.
    SpecLines,
    /// 404: this coordinator has no such endpoint.
    Missing,
}

/// What a coordinator is to be like.
#[derive(Debug, Clone)]
pub struct CoordinatorBuilder {
    address: SocketAddr,
    options: CoordinatorOptions,
}

#[derive(Debug, Clone)]
struct CoordinatorOptions {
    inspect: InspectShape,
    page_size: usize,
    health_paths: Vec<String>,
    health_body: String,
    latency: Duration,
    bearer: Option<String>,
    prefix: String,
    gauge: bool,
    drill: Option<String>,
}

#[derive(Debug)]
struct CoordinatorState {
    options: CoordinatorOptions,
    table: Mutex<LeaseTable>,
    received: Mutex<Vec<Received>>,
}

/// A running coordinator; gone when dropped.
#[derive(Debug)]
pub struct Coordinator {
    serving: Serving,
    shared: Arc<CoordinatorState>,
}

impl Coordinator {
    /// Starts an empty one.
    ///
    /// # Errors
    /// If no port is free.
    pub fn start() -> Result<Self> {
        Self::builder().start()
    }

    /// One with options.
    #[must_use]
    pub fn builder() -> CoordinatorBuilder {
        CoordinatorBuilder {
            address: ANY_PORT,
            options: CoordinatorOptions {
                inspect: InspectShape::default(),
                page_size: 500,
                health_paths: ["/health", "/healthz"].map(str::to_owned).to_vec(),
                health_body: r#"{"status":"ok"}"#.to_owned(),
                latency: Duration::ZERO,
                bearer: None,
                prefix: String::new(),
                gauge: false,
                drill: None,
            },
        }
    }

    /// Its base URL, `http://127.0.0.1:PORT`, without `/v1`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}{}", self.serving.url(), self.shared.options.prefix)
    }

    /// `127.0.0.1:PORT`: what a scrape target is written as.
    #[must_use]
    pub fn address(&self) -> String {
        self.serving.url().replace("http://", "")
    }

    /// Puts a lease in, whatever was held under its key.
    pub fn insert(&self, lease: HeldLease) {
        lock(&self.shared.table).insert(lease);
    }

    /// Works on the lease table directly.
    pub fn with_table<T>(&self, work: impl FnOnce(&mut LeaseTable) -> T) -> T {
        work(&mut lock(&self.shared.table))
    }

    /// The leases held, by key.
    #[must_use]
    pub fn leases(&self) -> Vec<HeldLease> {
        lock(&self.shared.table).leases()
    }

    /// The leases that were failed or completed, oldest first.
    #[must_use]
    pub fn ended(&self) -> Vec<EndedLease> {
        lock(&self.shared.table).ended().to_vec()
    }

    /// Every request received, oldest first.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        lock(&self.shared.received).clone()
    }

    /// The requests received that would change a lease, oldest first.
    #[must_use]
    pub fn changes_received(&self) -> Vec<Received> {
        self.received()
            .into_iter()
            .filter(|request| request.method != "GET")
            .collect()
    }
}

impl CoordinatorBuilder {
    /// Listens there instead of on a free port of 127.0.0.1.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// How the inspect endpoint shows leases.
    #[must_use]
    pub fn inspect(mut self, shape: InspectShape) -> Self {
        self.options.inspect = shape;
        self
    }

    /// How many leases a page of the inspect endpoint holds; default 500.
    #[must_use]
    pub fn page_size(mut self, leases: usize) -> Self {
        self.options.page_size = leases.max(1);
        self
    }

    /// The one path that answers for health; by default both `/health` and `/healthz` do.
    #[must_use]
    pub fn health_path(mut self, path: &str) -> Self {
        self.options.health_paths = vec![path.to_owned()];
        self
    }

    /// What health answers; default `{"status":"ok"}`.
    #[must_use]
    pub fn health_body(mut self, body: &str) -> Self {
        self.options.health_body = body.to_owned();
        self
    }

    /// Answers every request that much later.
    #[must_use]
    pub fn latency(mut self, latency: Duration) -> Self {
        self.options.latency = latency;
        self
    }

    /// Answers 401 to requests without this bearer token.
    #[must_use]
    pub fn bearer(mut self, token: &str) -> Self {
        self.options.bearer = Some(token.to_owned());
        self
    }

    /// Answers below a path such as `/coordinator` instead of `/`.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.options.prefix = prefix.trim_end_matches('/').to_owned();
        self
    }

    /// Exports the completion of every lease that is held at `/metrics`. Whether the platform's coordinator
    /// does is not known; by default this one does not.
    #[must_use]
    pub const fn exports_gauge(mut self, exports: bool) -> Self {
        self.options.gauge = exports;
        self
    }

    /// Marks the series of its `/metrics` with the label `drill`.
    #[must_use]
    pub fn drill(mut self, id: &str) -> Self {
        self.options.drill = Some(id.to_owned());
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// If it cannot listen.
    pub fn start(self) -> Result<Coordinator> {
        let shared = Arc::new(CoordinatorState {
            options: self.options,
            table: Mutex::default(),
            received: Mutex::default(),
        });
        Ok(Coordinator {
            serving: Serving::start(self.address, routes::router(Arc::clone(&shared)))?,
            shared,
        })
    }
}

/// A panic of another test thread is no reason to hide the data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Milliseconds since the epoch, as the protocol counts time.
#[must_use]
pub fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or_default()
}
