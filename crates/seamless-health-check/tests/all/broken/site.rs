//! What broken deployments have in common: a sound runtime, coordinator and Alertmanager, and a
//! Prometheus that has one thing wrong.

use std::process::Command;
use std::sync::Arc;

use seamless_core::schema::FAMILIES;
use seamless_lab::coordinator::Coordinator;
use seamless_lab::faults::{Faults, Reply};
use seamless_lab::pager::Pager;
use seamless_lab::runtime::Runtime;
use seamless_lab::servers::{Alertmanager, Prometheus, PrometheusBuilder};
use seamless_lab::wait_until;

use crate::support::{PATIENCE, alertmanager, program, quick_rules};

/// Everything that is sound.
pub(crate) struct SoundSite {
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) coordinator: Coordinator,
    pub(crate) alertmanager: Alertmanager,
    _pager: Pager,
    /// The rules that should be loaded.
    rules: tempfile::NamedTempFile,
}

/// The `HOST:PORT` of a stand-in.
pub(crate) fn address(faults: &Faults) -> String {
    faults.url().replace("http://", "")
}

impl SoundSite {
    pub(crate) fn start() -> Self {
        let coordinator = Coordinator::start().unwrap();
        let runtime = Runtime::builder().coordinator(coordinator.url());
        let runtime = Arc::new(runtime.start().unwrap());
        let (alertmanager, pager) = alertmanager();
        wait_until(PATIENCE, "a sample of every required family", || {
            let exposed = runtime.exposition();
            let mut required = FAMILIES.iter().filter(|family| family.required);
            required.all(|family| exposed.contains(&format!("\n{}", family.name)))
        })
        .unwrap();
        Self {
            runtime,
            coordinator,
            alertmanager,
            _pager: pager,
            rules: {
                let file = tempfile::NamedTempFile::new().unwrap();
                std::fs::write(file.path(), quick_rules()).unwrap();
                file
            },
        }
    }

    /// A worker whose `/metrics` is the runtime's with a change.
    pub(crate) fn worker(
        &self,
        change: impl Fn(String) -> String + Send + Sync + 'static,
    ) -> Faults {
        let runtime = Arc::clone(&self.runtime);
        Faults::choose(move |_, _| {
            let text = change(runtime.exposition());
            let version = "text/plain; version=0.0.4; charset=utf-8";
            let reply = Reply::status(200).header("Content-Type", version);
            reply.body(text).into()
        })
        .unwrap()
    }

    /// A Prometheus that scrapes nothing yet and has the rest.
    pub(crate) fn prometheus(&self) -> PrometheusBuilder {
        Prometheus::builder()
            .rules(quick_rules())
            .alertmanager(self.alertmanager.address())
    }

    /// The program, with this site's endpoints and that Prometheus.
    pub(crate) fn check(&self, prometheus: &str) -> Command {
        let mut command = program();
        command
            .env("QMTL_PROMETHEUS_URL", prometheus)
            .env("QMTL_ALERTMANAGER_URL", self.alertmanager.url())
            .env("QMTL_SEAMLESS_COORDINATOR_URL", self.coordinator.url())
            .arg("--rules")
            .arg(self.rules.path())
            // Many Prometheuses share the Alertmanager, and none has time to send twice.
            .args(["--skip", "alerting/held"]);
        command
    }
}

/// Waits until Prometheus has scraped, evaluated its rules and found its Alertmanager.
pub(crate) fn settled(prometheus: &Prometheus) {
    scraped(prometheus);
    evaluated(prometheus);
    notifying(prometheus);
}

/// Waits until rates can be had.
pub(crate) fn scraped(prometheus: &Prometheus) {
    wait_until(PATIENCE, "three scrapes", || {
        prometheus
            .query("count_over_time(up[5m]) >= 3")
            .is_ok_and(|found| !found.is_empty())
    })
    .unwrap();
}

/// Waits until every rule has been evaluated.
pub(crate) fn evaluated(prometheus: &Prometheus) {
    wait_until(PATIENCE, "every rule's evaluation", || {
        prometheus
            .get("/api/v1/rules", &[])
            .is_ok_and(|rules| !rules.contains(r#""health":"unknown""#))
    })
    .unwrap();
}

/// Waits until Prometheus has an Alertmanager; it takes about five seconds to look at its configuration.
pub(crate) fn notifying(prometheus: &Prometheus) {
    wait_until(PATIENCE, "an Alertmanager", || {
        prometheus
            .get("/api/v1/alertmanagers", &[])
            .is_ok_and(|known| !known.contains(r#""activeAlertmanagers":[]"#))
    })
    .unwrap();
}
