//! A deployment of real servers, and the built program run against it.
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use seamless_lab::coordinator::Coordinator;
use seamless_lab::pager::Pager;
use seamless_lab::routes::Routes;
use seamless_lab::runtime::Runtime;
use seamless_lab::servers::{Alertmanager, Prometheus, PrometheusBuilder};
use seamless_lab::wait_until;
use serde_json::Value;

pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// The text of a file that ships.
pub(crate) fn shipped(name: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join(name)).unwrap()
}

/// The shipped rules, every group evaluated each second so that nobody waits for them.
pub(crate) fn quick_rules() -> String {
    let rules = shipped("alert_rules.yml");
    let lines = rules.lines().map(|line| match line {
        line if line.starts_with("  interval: ") => "  interval: 1s\n".to_owned(),
        line => format!("{line}\n"),
    });
    lines.collect()
}

/// The program, in an environment that configures nothing.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_seamless-health-check"));
    for name in [
        "QMTL_PROMETHEUS_URL",
        "QMTL_ALERTMANAGER_URL",
        "QMTL_SEAMLESS_COORDINATOR_URL",
        "QMTL_PROMETHEUS_TOKEN_FILE",
        "QMTL_SEAMLESS_COORDINATOR_TOKEN_FILE",
        "RUST_BACKTRACE",
        "COLUMNS",
    ] {
        command.env_remove(name);
    }
    command.env("NO_COLOR", "1");
    command
}

/// What a run with `--output json` found.
pub(crate) struct JsonRun {
    pub(crate) code: i32,
    pub(crate) document: Value,
}

impl JsonRun {
    pub(crate) fn of(command: &mut Command) -> Self {
        let output: Output = command.args(["--output", "json"]).output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let document = serde_json::from_str(&stdout).unwrap_or_else(|error| {
            let stderr = String::from_utf8_lossy(&output.stderr);
            panic!("stdout is no JSON ({error}): {stdout:?}, stderr: {stderr}")
        });
        Self {
            code: output.status.code().unwrap(),
            document,
        }
    }

    /// The verdict and message of a check.
    pub(crate) fn check(&self, id: &str) -> (&str, &str) {
        let check = self.document["checks"]
            .as_array()
            .unwrap()
            .iter()
            .find(|check| check["id"] == id)
            .unwrap_or_else(|| panic!("no check {id}"));
        (
            check["verdict"].as_str().unwrap(),
            check["message"].as_str().unwrap(),
        )
    }

    /// The ids of the checks that came to `verdict`.
    pub(crate) fn ids(&self, verdict: &str) -> Vec<&str> {
        self.document["checks"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|check| check["verdict"] == verdict)
            .map(|check| check["id"].as_str().unwrap())
            .collect()
    }
}

/// An Alertmanager with the shipped routes, and the pager that takes whatever it sends: an alert that fires
/// while a slow machine is at work is no failed notification.
pub(crate) fn alertmanager() -> (Alertmanager, Pager) {
    let pager = Pager::start().unwrap();
    let routes = Routes::led_to_pager(&shipped("alertmanager.yml"), &pager, 1.0).unwrap();
    let alertmanager = Alertmanager::builder().routes(routes).start();
    (alertmanager.unwrap(), pager)
}

/// Everything that a healthy deployment has.
pub(crate) struct Deployment {
    pub(crate) coordinator: Coordinator,
    pub(crate) runtime: Runtime,
    pub(crate) alertmanager: Alertmanager,
    _pager: Pager,
    pub(crate) prometheus: Prometheus,
}

impl Deployment {
    pub(crate) fn start(change: impl FnOnce(PrometheusBuilder) -> PrometheusBuilder) -> Self {
        let coordinator = Coordinator::start().unwrap();
        let runtime = Runtime::builder()
            .coordinator(coordinator.url())
            .start()
            .unwrap();
        let (alertmanager, pager) = alertmanager();
        let builder = Prometheus::builder()
            .scrape("seamless", [runtime.address()])
            .rules(shipped("alert_rules.yml"))
            .flag("--rules.alert.resend-delay=1s")
            .alertmanager(alertmanager.address());
        let prometheus = change(builder).start().unwrap();
        wait_until(PATIENCE, "a p99", || {
            prometheus
                .query("sum(rate(seamless_sla_deadline_seconds_count[5m])) > 0")
                .is_ok_and(|found| !found.is_empty())
        })
        .unwrap();
        // Unless the rules have none.
        let rules = prometheus.get("/api/v1/rules", &[]).unwrap();
        wait_until(PATIENCE, "the watchdog", || {
            if !rules.contains("SeamlessWatchdog") {
                return true;
            }
            let alerts = alertmanager.get("/api/v2/alerts", &[]);
            alerts.is_ok_and(|alerts| alerts.contains("SeamlessWatchdog"))
        })
        .unwrap();
        Self {
            coordinator,
            runtime,
            alertmanager,
            _pager: pager,
            prometheus,
        }
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = program();
        command
            .env("QMTL_PROMETHEUS_URL", self.prometheus.url())
            .env("QMTL_ALERTMANAGER_URL", self.alertmanager.url())
            .env("QMTL_SEAMLESS_COORDINATOR_URL", self.coordinator.url());
        command
    }
}
