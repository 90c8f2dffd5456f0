//! Everything that an incident happens in, started and stopped as one.
//!
//! Owns how the parts are wired: the simulated runtime backfills with the coordinator's leases, a real
//! Prometheus scrapes it and evaluates the rules, a real Alertmanager routes to the pager.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use seamless_core::schema::Buckets;
use tempfile::TempDir;

use crate::coordinator::Coordinator;
use crate::pager::Pager;
use crate::routes::Routes;
use crate::runtime::{self, Runtime};
use crate::servers::{Alertmanager, Prometheus};

/// What a stack is made of.
#[derive(Debug, Clone)]
pub struct Blueprint {
    /// The rule file's text, as Prometheus loads it.
    pub rules: String,
    /// The routes' text, as `alertmanager.yml` ships; they are led to the pager.
    pub routes: String,
    /// What the routes' timings are multiplied by; 1 leaves them.
    pub time_scale: f64,
    /// How often targets are scraped.
    pub scrape_interval: Duration,
    /// Which buckets the runtime's histograms have.
    pub buckets: Buckets,
    /// Whether the coordinator exports the completion of its leases, and is scraped.
    pub coordinator_exports_gauge: bool,
    /// The OTLP/HTTP receiver that spans go to; without one they go to a file.
    pub otlp: Option<String>,
}

/// A running stack; gone when dropped.
#[derive(Debug)]
pub struct Stack {
    /// The real Prometheus.
    pub prometheus: Prometheus,
    /// The real Alertmanager.
    pub alertmanager: Alertmanager,
    /// The simulated runtime.
    pub runtime: Runtime,
    /// The coordinator.
    pub coordinator: Coordinator,
    /// The receiver of pages.
    pub pager: Pager,
    dir: TempDir,
}

impl Blueprint {
    /// Starts everything and waits until it is ready.
    ///
    /// # Errors
    /// If a server is missing or refuses its configuration.
    pub fn start(self) -> Result<Stack> {
        let dir = TempDir::with_prefix("seamless-lab-").context("no temporary folder")?;
        let pager = Pager::start()?;
        let coordinator = Coordinator::builder()
            .exports_gauge(self.coordinator_exports_gauge)
            .start()?;
        let runtime = Runtime::builder()
            .coordinator(coordinator.url())
            .buckets(self.buckets)
            .tolerant("seam-node-2")
            .log(log_in(dir.path()));
        let runtime = with_traces(runtime, self.otlp, dir.path()).start()?;
        let routes = Routes::led_to_pager(&self.routes, &pager, self.time_scale)
            .context("the routes (alertmanager.yml)")?;
        let alertmanager = Alertmanager::builder().routes(routes).start()?;
        let mut prometheus = Prometheus::builder();
        if self.coordinator_exports_gauge {
            prometheus = prometheus.scrape("coordinator", [coordinator.address()]);
        }
        let prometheus = prometheus
            .scrape_interval(self.scrape_interval)
            .scrape("seamless", runtime.addresses())
            .file_sd("drill", dir.path().join("file_sd_*.json"))
            .rules(self.rules)
            .alertmanager(alertmanager.address())
            // How often a firing alert is sent again: the default minute is longer than many a drill.
            .flag("--rules.alert.resend-delay=5s")
            .start()?;
        Ok(Stack {
            prometheus,
            alertmanager,
            runtime,
            coordinator,
            pager,
            dir,
        })
    }
}

fn with_traces(
    runtime: runtime::RuntimeBuilder,
    otlp: Option<String>,
    dir: &Path,
) -> runtime::RuntimeBuilder {
    match otlp {
        Some(url) => runtime.traces_to(url),
        None => runtime.traces_to_file(traces_in(dir)),
    }
}

fn log_in(dir: &Path) -> PathBuf {
    dir.join("seamless.jsonl")
}

fn traces_in(dir: &Path) -> PathBuf {
    dir.join("traces.jsonl")
}

impl Stack {
    /// Its folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A service-discovery file that Prometheus watches for.
    #[must_use]
    pub fn file_sd(&self, name: &str) -> PathBuf {
        self.dir.path().join(format!("file_sd_{name}.json"))
    }

    /// The platform's structured log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        log_in(self.dir.path())
    }

    /// The spans, unless they go to an OTLP receiver.
    #[must_use]
    pub fn traces(&self) -> PathBuf {
        traces_in(self.dir.path())
    }

    /// The variables in which the programs look for their endpoints.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("QMTL_SEAMLESS_COORDINATOR_URL", self.coordinator.url()),
            ("QMTL_PROMETHEUS_URL", self.prometheus.url()),
            ("QMTL_ALERTMANAGER_URL", self.alertmanager.url()),
        ]
    }
}
