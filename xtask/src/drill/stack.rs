//! Everything that the drill's incident happens in, started and stopped as one.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use seamless_lab::coordinator::Coordinator;
use seamless_lab::pager::Pager;
use seamless_lab::runtime::Runtime;
use seamless_lab::servers::{Alertmanager, Prometheus};
use serde_json::Value;
use tempfile::TempDir;

use super::pace::Pace;
use super::programs::Place;
use super::routes::Routes;
use super::timeline::Seen;
use crate::render::{self, Override};

/// The servers, the simulated runtime and the receiver of pages.
#[derive(Debug)]
pub(super) struct Stack {
    pub(super) pace: Pace,
    pub(super) drill: String,
    pub(super) prometheus: Prometheus,
    pub(super) alertmanager: Alertmanager,
    pub(super) runtime: Runtime,
    pub(super) coordinator: Coordinator,
    pub(super) pager: Pager,
    environment: Vec<(&'static str, String)>,
    dir: TempDir,
}

/// An alert of this drill, by what must be in its labels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Alert<'a> {
    pub(super) name: &'a str,
    /// A label and its value; an empty value means that the label is absent.
    pub(super) label: (&'a str, &'a str),
}

impl Stack {
    /// Starts everything.
    pub(super) fn start(pace: Pace) -> Result<Seen<Self>> {
        let dir = TempDir::with_prefix("seamless-drill-").context("no temporary folder")?;
        let pager = Pager::start()?;
        let coordinator = Coordinator::start()?;
        let runtime = Runtime::builder()
            .coordinator(coordinator.url())
            .log(dir.path().join("seamless.jsonl"))
            .start()?;
        let routes = Routes::shipped(&crate::root(), &pager, pace)?;
        let mut alertmanager = Alertmanager::builder().config(routes.config);
        for (name, content) in routes.files {
            alertmanager = alertmanager.file(name, content);
        }
        let alertmanager = alertmanager.start()?;
        let rules = if pace == Pace::REAL {
            let path = crate::root().join("alert_rules.yml");
            std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?
        } else {
            render::rules(&[Override::new("time_scale", pace.time_scale)])?
        };
        let prometheus = Prometheus::builder()
            .scrape_interval(pace.scrape_interval)
            .scrape("seamless", [runtime.address()])
            .file_sd("drill", dir.path().join("*.json"))
            .rules(rules)
            .alertmanager(alertmanager.address())
            // How often a firing alert is sent again; the default minute is longer than a drill's.
            .flag("--rules.alert.resend-delay=5s")
            .start()?;
        let environment = vec![
            ("QMTL_SEAMLESS_COORDINATOR_URL", coordinator.url()),
            ("QMTL_PROMETHEUS_URL", prometheus.url()),
            ("QMTL_ALERTMANAGER_URL", alertmanager.url()),
        ];
        let seen = format!(
            "Prometheus {}, Alertmanager {}, coordinator {}",
            prometheus.url(),
            alertmanager.url(),
            coordinator.url()
        );
        let stack = Self {
            pace,
            drill: format!("rehearsal-{}", std::process::id()),
            prometheus,
            alertmanager,
            runtime,
            coordinator,
            pager,
            environment,
            dir,
        };
        Ok(Seen(stack, seen))
    }

    /// Where programs are run, with the endpoints in the environment.
    pub(super) fn place(&self) -> Place<'_> {
        Place {
            dir: self.dir.path(),
            environment: &self.environment,
        }
    }

    /// The service-discovery file that Prometheus watches.
    pub(super) fn file_sd(&self) -> PathBuf {
        self.dir.path().join("drill.json")
    }

    /// The state and value of that alert in Prometheus, the furthest if there are several.
    pub(super) fn alert(&self, alert: Alert<'_>) -> Result<Option<(String, String)>> {
        let alerts = self.prometheus.alerts()?;
        let mut found: Vec<(String, String)> = alerts
            .iter()
            .filter(|found| alert.matches(&found["labels"]))
            .map(|found| (text(&found["state"]), text(&found["value"])))
            .collect();
        // "firing" sorts before "pending".
        found.sort();
        Ok(found.into_iter().next())
    }

    /// Whether Alertmanager holds that alert, active.
    pub(super) fn alertmanager_holds(&self, alert: Alert<'_>) -> Result<bool> {
        Ok(self
            .alertmanager
            .alerts()?
            .iter()
            .any(|held| alert.matches(&held["labels"]) && held["status"]["state"] == "active"))
    }

    /// How long scrapes and evaluations may take to notice a change.
    pub(super) fn noticing(&self) -> Duration {
        self.pace.within(Duration::from_secs(60))
    }
}

impl Alert<'_> {
    fn matches(self, labels: &Value) -> bool {
        let (name, value) = self.label;
        labels["alertname"] == self.name && labels[name].as_str().unwrap_or_default() == value
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
