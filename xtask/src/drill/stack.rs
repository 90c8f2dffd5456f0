//! The lab's stack as the drill uses it: at its pace, with questions about alerts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use seamless_core::schema::{Buckets, DRILL_LABEL};
use seamless_lab::servers::{NodeExporter, Process, Start};
use seamless_lab::stack::{Blueprint, Stack};
use seamless_lab::wait_until;
use serde_json::{Value, json};

use super::pace::Pace;
use super::programs::{ProgramPlace, Programs};
use super::timeline::Seen;
use crate::render::{self, Override};

/// The longest that the first lease list may take on a busy machine.
const LISTED_WITHIN: Duration = Duration::from_secs(60);

/// The servers, the pace, and the name of this drill.
#[derive(Debug)]
pub(crate) struct DrillStack {
    pub(crate) servers: Stack,
    pub(super) pace: Pace,
    pub(super) drill: String,
    /// The coordinator's list as a site exports it: on a timer, beside a node_exporter that shows the file.
    _lister: Process,
    _node_exporter: NodeExporter,
    environment: Vec<(&'static str, String)>,
}

/// An alert, by what must be in its labels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Alert<'a> {
    pub(super) name: &'a str,
    /// The value of its label `drill`; empty for a real alert, which has none.
    pub(super) drill: &'a str,
    /// A further label and its value.
    pub(super) label: Option<(&'a str, &'a str)>,
}

impl DrillStack {
    /// Starts everything.
    pub(crate) fn start(
        pace: Pace,
        programs: &Programs,
        coordinator_exports_gauge: bool,
    ) -> Result<Seen<Self>> {
        let shipped = |name: &str| {
            let path = crate::root().join(name);
            std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))
        };
        let rules = if pace == Pace::REAL {
            shipped("alert_rules.yml")?
        } else {
            render::rules(&[Override::new("time_scale", pace.time_scale)])?
        };
        let servers = Blueprint {
            rules,
            routes: shipped("alertmanager.yml")?,
            time_scale: pace.time_scale,
            scrape_interval: pace.scrape_interval,
            buckets: Buckets::Schema,
            coordinator_exports_gauge,
            otlp: None,
        }
        .start()?;
        let seen = format!(
            "Prometheus {}, Alertmanager {}, coordinator {}",
            servers.prometheus.url(),
            servers.alertmanager.url(),
            servers.coordinator.url()
        );
        let environment = servers.environment();
        let textfiles = servers.dir().join("textfiles");
        std::fs::create_dir(&textfiles).context("cannot make the folder of the lease list")?;
        let list = textfiles.join("seamless-leases.prom");
        let every = pace.scrape_interval.as_secs();
        // A run that fails leaves the old file, as on a site; the rules see its age.
        let script = format!("while :; do \"$0\" --list --output \"$1\"; sleep {every}; done");
        let program = programs.recover.display().to_string();
        let output = format!("prometheus={}", list.display());
        let lister = Start {
            program: Path::new("/bin/sh"),
            arguments: &["-c".to_owned(), script, program, output],
            environment: &environment,
            dir: servers.dir(),
            name: "lister",
        }
        .start()?;
        wait_until(LISTED_WITHIN, "the lease list", || list.exists())
            .with_context(|| lister.log_tail())?;
        let node_exporter = NodeExporter::start(&textfiles)?;
        let targets = json!([{"targets": [node_exporter.address()]}]);
        std::fs::write(servers.file_sd("leases"), targets.to_string())
            .context("cannot announce the lease list")?;
        let stack = Self {
            environment,
            _lister: lister,
            _node_exporter: node_exporter,
            servers,
            pace,
            drill: format!("rehearsal-{}", std::process::id()),
        };
        Ok(Seen(stack, seen))
    }

    /// Where programs are run, with the endpoints in the environment.
    pub(super) fn place(&self) -> ProgramPlace<'_> {
        ProgramPlace {
            dir: self.servers.dir(),
            environment: &self.environment,
        }
    }

    /// The service-discovery file for this drill's injector.
    pub(super) fn file_sd(&self) -> PathBuf {
        self.servers.file_sd("drill")
    }

    /// The state and value of that alert in Prometheus, the furthest if there are several.
    pub(super) fn alert(&self, alert: Alert<'_>) -> Result<Option<(String, String)>> {
        let alerts = self.servers.prometheus.alerts()?;
        let mut found: Vec<(String, String)> = alerts
            .iter()
            .filter(|found| alert.matches(&found["labels"]))
            .map(|found| (text(&found["state"]), text(&found["value"])))
            .collect();
        // "firing" sorts before "pending".
        found.sort();
        Ok(found.into_iter().next())
    }

    /// The states in which Alertmanager holds that alert.
    pub(super) fn held(&self, alert: Alert<'_>) -> Result<Vec<String>> {
        let held = self.servers.alertmanager.alerts()?;
        Ok(held
            .iter()
            .filter(|held| alert.matches(&held["labels"]))
            .map(|held| text(&held["status"]["state"]))
            .collect())
    }

    /// How long scrapes and evaluations may take to notice a change.
    pub(super) fn noticing(&self) -> Duration {
        self.pace.within(Duration::from_secs(60))
    }
}

impl Alert<'_> {
    fn matches(self, labels: &Value) -> bool {
        let has = |(name, value): (&str, &str)| text(&labels[name]) == value;
        labels["alertname"] == self.name
            && has((DRILL_LABEL, self.drill))
            && self.label.is_none_or(has)
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
