//! The pages' commands, typed on real servers, and a reader's walk through the runbook.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use seamless_lab::coordinator::{Coordinator, HeldLease, now_ms};
use seamless_lab::pager::Pager;
use seamless_lab::runtime::{Misbehaviour, Runtime};
use seamless_lab::servers::{Alertmanager, Prometheus};
use seamless_lab::wait_for;
use serde_json::Value;
use tempfile::TempDir;
use xtask::docs::Page;
use xtask::render::Override;

const RUNBOOK: &str = "docs/runbook.md";
const FIRST_LOOK: &str = "First look.";
const REMEDY: &str = "Remedy.";
const WORKED: &str = "How to see that it worked.";
const TEN_MINUTES_MS: i64 = 600_000;
/// The longest that anything is waited for on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);
/// Windows and `for` of ten minutes pass in twenty seconds.
pub(crate) const TIME_SCALE: f64 = 1.0 / 30.0;

/// Real servers with the shipped rules and routes, a runtime and a coordinator, and what a reader's shell
/// knows of them.
pub(crate) struct Lab {
    prometheus: Prometheus,
    runtime: Runtime,
    coordinator: Coordinator,
    environment: BTreeMap<String, String>,
    dir: TempDir,
    _alertmanager: Alertmanager,
    _pager: Pager,
}

/// How a command ended and what it said.
pub(crate) struct Ran {
    status: ExitStatus,
    pub(crate) said: String,
}

impl Lab {
    pub(crate) fn start(time_scale: f64) -> Self {
        let root = xtask::root();
        let dir = TempDir::with_prefix("seamless-pages-").unwrap();
        let log = dir.path().join("seamless.jsonl");
        let pager = Pager::start().unwrap();
        let coordinator = Coordinator::builder().exports_gauge(true).start().unwrap();
        let runtime = Runtime::builder()
            .coordinator(coordinator.url())
            .log(&log)
            .start()
            .unwrap();
        // The pages check the files where they lie.
        let routes = fs::read_to_string(root.join("alertmanager.yml")).unwrap();
        fs::write(dir.path().join("alertmanager.yml"), &routes).unwrap();
        let routes = routes
            .replace("/etc/alertmanager/secrets/", "")
            .replace(
                "https://events.pagerduty.com/v2/enqueue",
                &pager.pagerduty_url(),
            )
            .replace(
                "https://deadmansswitch.example.com/seamless",
                &pager.webhook_url("watchdog"),
            );
        assert!(
            !routes.contains("https://"),
            "a route leads outside: {routes}"
        );
        let alertmanager = Alertmanager::builder()
            .config(routes)
            .file("slack_api_url", pager.slack_url("slack"))
            .file("pagerduty_routing_key", "a-routing-key")
            .start()
            .unwrap();
        let rules = xtask::render::rules(&[Override::new("time_scale", time_scale)]).unwrap();
        let prometheus = Prometheus::builder()
            .scrape_interval(Duration::from_secs(1))
            .scrape("seamless", runtime.addresses())
            .scrape("coordinator", [coordinator.address()])
            .rules(rules)
            .alertmanager(alertmanager.address())
            .start()
            .unwrap();

        // What the runbook says to export, with the lab's endpoints for those of a site.
        let page = page(RUNBOOK);
        let mut environment: BTreeMap<String, String> = page
            .commands()
            .filter(|command| command.anchor == "before-you-start")
            .flat_map(|command| exports(&command.text))
            .collect();
        for (name, value) in [
            ("QMTL_SEAMLESS_COORDINATOR_URL", coordinator.url()),
            ("QMTL_PROMETHEUS_URL", prometheus.url()),
            ("QMTL_ALERTMANAGER_URL", alertmanager.url()),
            ("SEAMLESS_METRICS_URL", runtime.metrics_url()),
            ("SEAMLESS_LOG", log.display().to_string()),
        ] {
            let written = environment.insert(name.to_owned(), value);
            assert!(
                written.is_some(),
                "the runbook does not say to export {name}"
            );
        }
        let path = std::env::var("PATH").unwrap();
        let path = format!("{}:{path}", programs().display());
        environment.insert("PATH".to_owned(), path);
        let lab = Self {
            prometheus,
            runtime,
            coordinator,
            environment,
            dir,
            _alertmanager: alertmanager,
            _pager: pager,
        };
        lab.wait("every family to be scraped twice", || {
            let samples = lab.query("min(count_over_time(live_staleness_seconds[1m]))");
            samples.first().filter(|count| **count >= 2.0).map(|_| ())
        });
        lab
    }

    fn query(&self, expression: &str) -> Vec<f64> {
        let samples = self.prometheus.query(expression).unwrap();
        samples.iter().map(|sample| sample.value).collect()
    }

    /// Waits until an expression has a result.
    pub(crate) fn shows(&self, expression: &str) {
        self.wait(expression, || self.query(expression).first().map(|_| ()));
    }

    fn wait<T>(&self, what: &str, probe: impl FnMut() -> Option<T>) -> T {
        wait_for(PATIENCE, what, probe).unwrap_or_else(|error| {
            panic!(
                "{error}; alerts: {:#?}; completion: {:#?}; leases: {:#?}",
                self.prometheus.alerts().unwrap_or_default(),
                self.prometheus.query("backfill_completion_ratio").ok(),
                self.coordinator.leases()
            )
        })
    }

    /// Types a command into a shell that stops at an unset variable.
    pub(crate) fn types(&self, command: &str) -> Ran {
        let output = fs::File::create(self.dir.path().join("said")).unwrap();
        let mut child = Command::new("bash")
            .args(["-u", "-o", "pipefail", "-c", command])
            .envs(&self.environment)
            .env_remove("RUST_BACKTRACE")
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let ended = wait_for(PATIENCE, command, || child.try_wait().unwrap());
        let said = fs::read(self.dir.path().join("said")).unwrap();
        let said = String::from_utf8_lossy(&said).into_owned();
        let Ok(status) = ended else {
            let _ = child.kill();
            panic!("`{command}` does not end; it said:\n{said}");
        };
        Ran { status, said }
    }

    /// Types a command of the runbook and judges how it ended: a look may find something bad, everything
    /// else has to succeed.
    fn follows(&self, command: &xtask::docs::PageCommand<'_>) -> String {
        let ran = self.types(&command.text);
        let looks = command.text.starts_with("seamless-health-check") && command.label != WORKED;
        let fine = match ran.status.code() {
            Some(0) => true,
            Some(1) => looks,
            _ => false,
        };
        assert!(
            fine,
            "{}, {}: `{}` ended with {}:\n{}",
            command.anchor, command.label, command.text, ran.status, ran.said
        );
        ran.said
    }

    /// The lease of the reader's key, or one of the reader's node, whose worker died half an hour ago.
    fn stick(&self, by_key: bool) -> HeldLease {
        let now = now_ms();
        let key = match by_key {
            true => self.environment["KEY"].clone(),
            false => format!("{}:60:1700:{now}:world-1:", self.environment["NODE"]),
        };
        let lease = HeldLease::new(key, format!("token-{now}"), now + TEN_MINUTES_MS)
            .ratio(0.2)
            .claimed_earlier(3 * TEN_MINUTES_MS)
            .worker("worker-dead");
        self.coordinator.insert(lease.clone());
        lease
    }

    pub(crate) fn misbehaves(&self, misbehaviour: Misbehaviour) {
        self.runtime.misbehave(misbehaviour);
    }

    pub(crate) fn holds(&self, lease: HeldLease) {
        self.coordinator.insert(lease);
    }

    /// Writes a file into the folder in which commands are typed.
    pub(crate) fn writes(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join(name), text).unwrap();
    }

    /// Whether the coordinator has ended that lease.
    fn ended(&self, token: &str) -> bool {
        let ended = self.coordinator.ended();
        ended.iter().any(|ended| ended.lease.token == token)
    }

    /// Waits until that alert fires, and returns its labels.
    fn fires(&self, name: &str) -> BTreeMap<String, String> {
        self.fires_of(name, |_| true)
    }

    /// The same, of the alert with such labels.
    pub(crate) fn fires_of(
        &self,
        name: &str,
        is_it: impl Fn(&Value) -> bool,
    ) -> BTreeMap<String, String> {
        self.wait(&format!("{name} to fire"), || {
            let alerts = self.prometheus.alerts().unwrap();
            let alert = alerts.into_iter().find(|alert| {
                let labels = &alert["labels"];
                labels["alertname"] == name && alert["state"] == "firing" && is_it(labels)
            })?;
            serde_json::from_value(alert["labels"].clone()).unwrap()
        })
    }

    fn is_over(&self, name: &str) {
        self.wait(&format!("{name} to be over"), || {
            let alerts = self.prometheus.alerts().unwrap();
            let firing = alerts
                .iter()
                .any(|alert| alert["labels"]["alertname"] == name && alert["state"] == "firing");
            (!firing).then_some(())
        });
    }

    /// The reader copies the labels of the alert.
    fn copy_labels(&mut self, labels: &BTreeMap<String, String>) {
        for (variable, label) in [
            ("KEY", "lease_key"),
            ("NODE", "node_id"),
            ("INTERVAL", "interval"),
            ("WORLD", "world_id"),
            ("PHASE", "phase"),
        ] {
            if let Some(value) = labels.get(label) {
                self.environment.insert(variable.to_owned(), value.clone());
            }
        }
    }

    /// Types everything that a section says under that label.
    fn section(&self, page: &Page, name: &str, label: &str) -> Vec<String> {
        let anchor = name.to_lowercase();
        let commands = page.commands();
        let said: Vec<String> = commands
            .filter(|command| command.anchor == anchor && command.label == label)
            .map(|command| self.follows(&command))
            .collect();
        assert!(
            !said.is_empty(),
            "{name} says nothing to type under {label}"
        );
        said
    }
}

/// The folder of the programs, built once.
pub(crate) fn programs() -> &'static Path {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| xtask::drill::built_programs().unwrap());
    &FOLDER
}

fn page(path: &str) -> Page {
    Page::parse(&fs::read_to_string(xtask::root().join(path)).unwrap())
}

/// The assignments of `export A=b C=d`.
fn exports(command: &str) -> Vec<(String, String)> {
    let Some(assignments) = command.strip_prefix("export ") else {
        panic!("`{command}` is no export");
    };
    let assignment = assignments.split_whitespace();
    assignment
        .map(|assignment| assignment.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned()))
        .collect()
}

#[test]
fn every_command_of_the_pages_runs() {
    // Slow enough that nothing fires but the watchdog.
    let mut lab = Lab::start(1.0);
    let mut typed = 0;
    for path in [RUNBOOK, "docs/monitoring.md", "docs/pager-to-green.md"] {
        let page = page(path);
        for command in page.commands() {
            if command.anchor == "before-you-start" {
                continue;
            }
            let recovers = command.text.contains("--stuck") && command.text.contains("--yes");
            let lease = recovers.then(|| lab.stick(command.text.contains("--key")));
            let key = lease.as_ref().map_or("none", |lease| &lease.key);
            lab.environment.insert("KEY".to_owned(), key.to_owned());
            let said = lab.follows(&command);
            if let Some(lease) = lease {
                assert!(lab.ended(&lease.token), "{}: {said}", command.text);
            }
            typed += 1;
        }
    }
    assert!(typed > 40, "only {typed} commands were found");
    let report = lab.dir.path().join("seamless-health.json");
    assert!(
        Path::new(&report).exists(),
        "the health report was not kept"
    );
}

#[test]
fn a_reader_gets_from_the_degraded_sla_to_green() {
    let mut lab = Lab::start(TIME_SCALE);
    let page = page(RUNBOOK);
    lab.runtime.misbehave(Misbehaviour::SlowStorage);
    let labels = lab.fires("SeamlessSla99thDegraded");
    lab.copy_labels(&labels);
    lab.section(&page, "SeamlessSla99thDegraded", FIRST_LOOK);
    lab.section(&page, "SeamlessSla99thDegraded", REMEDY);
    // The remedy for a slow store: it is failed over.
    lab.runtime.heal();
    lab.is_over("SeamlessSla99thDegraded");
    lab.section(&page, "SeamlessSla99thDegraded", WORKED);
}

#[test]
fn a_reader_gets_from_the_stuck_lease_to_green() {
    let mut lab = Lab::start(TIME_SCALE);
    let page = page(RUNBOOK);
    lab.runtime.misbehave(Misbehaviour::DeadWorker);
    let key = lab.wait("a worker to die with a lease", || lab.runtime.abandoned());
    let alert = "SeamlessBackfillStuckLease";
    let labels = lab.fires_of(alert, |labels| labels["lease_key"] == key.as_str());
    lab.copy_labels(&labels);
    // The alert's ten minutes passed in twenty seconds; on the wall clock they are to have passed, too.
    let token = lab.coordinator.with_table(|table| {
        let lease = table.remove(key.as_str()).unwrap();
        let token = lease.token.clone();
        table.insert(lease.claimed_earlier(2 * TEN_MINUTES_MS));
        token
    });
    let seen = lab.section(&page, alert, FIRST_LOOK);
    assert!(seen[0].contains("stuck=1"), "{}", seen[0]);
    let done = lab.section(&page, alert, REMEDY);
    assert!(done[0].contains("would_release=1"), "{}", done[0]);
    assert!(lab.ended(&token), "{done:?}");
    // Another process takes the dead one's place.
    lab.runtime.heal();
    lab.section(&page, alert, WORKED);
    lab.is_over(alert);
}

#[test]
fn a_reader_gets_from_the_flag_spike_to_green() {
    let mut lab = Lab::start(TIME_SCALE);
    let page = page(RUNBOOK);
    lab.runtime.misbehave(Misbehaviour::BadData);
    let labels = lab.fires("SeamlessConformanceFlagSpike");
    lab.copy_labels(&labels);
    let seen = lab.section(&page, "SeamlessConformanceFlagSpike", FIRST_LOOK);
    assert!(seen[0].contains("flag_type"), "{}", seen[0]);
    lab.section(&page, "SeamlessConformanceFlagSpike", REMEDY);
    // The remedy at the source: the upstream release is rolled back.
    lab.runtime.heal();
    lab.is_over("SeamlessConformanceFlagSpike");
    lab.section(&page, "SeamlessConformanceFlagSpike", WORKED);
}
