//! Who watches the watchers: the packaged units' commands, and the alerts on the way to the pager itself.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use seamless_lab::coordinator::{Coordinator, HeldLease, now_ms};
use seamless_lab::faults::{Faults, Reply};
use seamless_lab::pager::Pager;
use seamless_lab::servers::{Alertmanager, NodeExporter, Prometheus};
use seamless_lab::{on_both_generations, wait_for};
use xtask::render::Override;

use crate::pages::programs;

/// The longest that anything is waited for on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);
/// Windows of fifteen minutes pass in thirty seconds.
const TIME_SCALE: f64 = 1.0 / 30.0;
const STATE: &str = "/var/lib/seamless-ops";
/// `nobody`: it owns nothing, and may write where it is let.
const NOBODY: u32 = 65534;

/// A setting of a packaged unit.
fn setting(unit: &str, key: &str) -> String {
    let file = xtask::root().join("xtask/packaging/systemd").join(unit);
    let text = fs::read_to_string(file).unwrap();
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{key}=")));
    value
        .unwrap_or_else(|| panic!("{unit} has no {key}"))
        .to_owned()
}

/// A folder that a user without rights can enter, with the programs of that name.
fn installed(program: &str) -> tempfile::TempDir {
    let bin = tempfile::tempdir().unwrap();
    fs::set_permissions(bin.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::copy(programs().join(program), bin.path().join(program)).unwrap();
    bin
}

/// Runs the unit's command as its user would: without rights, and with nothing to write to but its state folder.
fn runs(unit: &str, state: &Path, environment: &[(&str, String)]) -> Output {
    assert_eq!(setting(unit, "StateDirectory"), "seamless-ops");
    let sysusers =
        fs::read_to_string(xtask::root().join("xtask/packaging/systemd/seamless-ops.sysusers"));
    let user = format!("u {} ", setting(unit, "User"));
    assert!(
        sysusers.unwrap().contains(&user),
        "{unit}: nobody makes its user"
    );
    let command = setting(unit, "ExecStart");
    let mut words = command
        .split_whitespace()
        .filter(|word| !word.starts_with('$'));
    let program = words.next().unwrap().strip_prefix("/usr/bin/").unwrap();
    let bin = installed(program);
    let mut command = Command::new(bin.path().join(program));
    command.env_clear().current_dir("/");
    for word in words {
        command.arg(word.replace(STATE, &state.display().to_string()));
    }
    for (name, value) in environment {
        command.env(name, value);
    }
    // Only root can become another user; whoever else runs the tests has few rights already.
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        chown(state, Some(NOBODY), Some(NOBODY)).unwrap();
        command.uid(NOBODY).gid(NOBODY);
    }
    command.output().unwrap()
}

/// The folder that `StateDirectory` makes.
fn state() -> tempfile::TempDir {
    let state = tempfile::tempdir().unwrap();
    let mode = u32::from_str_radix(
        &setting("seamless-lease-list.service", "StateDirectoryMode"),
        8,
    );
    fs::set_permissions(state.path(), fs::Permissions::from_mode(mode.unwrap())).unwrap();
    state
}

#[test]
fn the_packaged_units_write_the_textfiles_that_node_exporter_serves() {
    let coordinator = Coordinator::start().unwrap();
    let now = now_ms();
    coordinator.insert(HeldLease::new("n:60:0:60::", "token", now + 60_000).ratio(0.2));
    let prometheus = Prometheus::builder().start().unwrap();
    let state = state();
    let environment = [
        ("QMTL_SEAMLESS_COORDINATOR_URL", coordinator.url()),
        ("QMTL_PROMETHEUS_URL", prometheus.url()),
    ];
    let listed = runs("seamless-lease-list.service", state.path(), &environment);
    assert_eq!(listed.status.code(), Some(0), "{listed:?}");
    // Nothing is scraped there, which is a result, and is written like any other.
    let checked = runs("seamless-health-check.service", state.path(), &environment);
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");

    let exporter = NodeExporter::start(state.path()).unwrap();
    let served = exporter.get("/metrics", &[]).unwrap();
    for series in [
        "seamless_lease_held{",
        "seamless_leases_listed_timestamp_seconds",
        "seamless_health_check_healthy 0",
        "seamless_health_check_last_run_timestamp_seconds",
        "node_textfile_scrape_error 0",
    ] {
        assert!(served.contains(series), "no {series} in\n{served}");
    }
}

/// A deployment whose health check writes a textfile, and whose pager can refuse.
struct Deployment {
    prometheus: Prometheus,
    alertmanager: Alertmanager,
    pager: Pager,
    textfiles: tempfile::TempDir,
    _exporter: NodeExporter,
}

impl Deployment {
    /// The shipped rules and routes, faster; pages are posted to `pagerduty`.
    fn start(pagerduty: &str) -> Self {
        let pager = Pager::start().unwrap();
        let textfiles = tempfile::tempdir().unwrap();
        let exporter = NodeExporter::start(textfiles.path()).unwrap();
        let alertmanager = Alertmanager::builder()
            .config(routes(pagerduty, &pager))
            .file("slack_api_url", pager.slack_url("slack"))
            .file("pagerduty_routing_key", "a-routing-key")
            .start()
            .unwrap();
        // Something has to be sent to the pager.
        let page = "- {name: page, interval: 1s, rules: [{alert: Page, expr: vector(1), labels: \
                    {severity: critical, service: seamless}}]}\n";
        let rules = xtask::render::rules(&[Override::new("time_scale", TIME_SCALE)]).unwrap();
        let prometheus = Prometheus::builder()
            .scrape_interval(Duration::from_secs(1))
            .scrape("alertmanager", [alertmanager.address()])
            .scrape("node", [exporter.address()])
            .rules(format!("{rules}{page}"))
            .alertmanager(alertmanager.address())
            .start()
            .unwrap();
        Self {
            prometheus,
            alertmanager,
            pager,
            textfiles,
            _exporter: exporter,
        }
    }

    fn textfile(&self) -> PathBuf {
        self.textfiles.path().join("seamless_health_check.prom")
    }

    /// Runs the health check, writing its textfile.
    fn checks(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(programs().join("seamless-health-check"));
        command
            .env_clear()
            .args(["--prometheus-url", &self.prometheus.url()])
            .args(arguments)
            .arg(format!("--output=prometheus={}", self.textfile().display()));
        command.output().unwrap()
    }

    fn is_firing(&self, name: &str) -> bool {
        let alerts = self.prometheus.alerts().unwrap();
        alerts
            .iter()
            .any(|alert| alert["labels"]["alertname"] == name && alert["state"] == "firing")
    }

    /// Waits until the alert fires, or does not any more; `meanwhile` runs at every look.
    fn until(&self, name: &str, fires: bool, mut meanwhile: impl FnMut()) {
        let what = format!("{name} firing: {fires}");
        let reached = wait_for(PATIENCE, &what, || {
            meanwhile();
            (self.is_firing(name) == fires).then_some(())
        });
        reached.unwrap_or_else(|error| panic!("{error}; {:#?}", self.prometheus.alerts()));
    }
}

/// The shipped routes, which wait for nothing, led to `pagerduty` and the pager's Slack.
fn routes(pagerduty: &str, pager: &Pager) -> String {
    let shipped = fs::read_to_string(xtask::root().join("alertmanager.yml")).unwrap();
    let lines = shipped.lines().map(|line| {
        let indent = line.len() - line.trim_start().len();
        let key = line.trim_start().split(':').next().unwrap_or_default();
        match key {
            "group_wait" | "group_interval" => format!("{}{key}: 1s\n", " ".repeat(indent)),
            "repeat_interval" => format!("{}{key}: 2s\n", " ".repeat(indent)),
            _ => format!("{line}\n"),
        }
    });
    let routes: String = lines.collect();
    let routes = routes
        .replace("/etc/alertmanager/secrets/", "")
        .replace("https://events.pagerduty.com/v2/enqueue", pagerduty)
        .replace(
            "https://deadmansswitch.example.com/seamless",
            &pager.webhook_url("watchdog"),
        );
    assert!(
        !routes.contains("https://"),
        "a route leads outside: {routes}"
    );
    routes
}

on_both_generations! {
    a_pager_that_refuses_is_told_by_another_kind_until_it_takes_pages_again,
    a_health_check_that_fails_or_stops_is_told_until_it_is_well_again,
}

fn a_pager_that_refuses_is_told_by_another_kind_until_it_takes_pages_again() {
    let refusing = Faults::always(Reply::status(400)).unwrap();
    let deployment = Deployment::start(&refusing.url());
    let name = "SeamlessNotificationsFailing";
    deployment.until(name, true, || ());
    let told = || {
        let notices = deployment.pager.notices();
        notices
            .iter()
            .any(|notice| notice.mentions(name))
            .then_some(())
    };
    wait_for(PATIENCE, "Slack to be told of it", told).unwrap();
    let sound = routes(&deployment.pager.pagerduty_url(), &deployment.pager);
    deployment.alertmanager.set_config(&sound).unwrap();
    deployment.until(name, false, || ());
}

fn a_health_check_that_fails_or_stops_is_told_until_it_is_well_again() {
    let pager = Pager::start().unwrap();
    let deployment = Deployment::start(&pager.pagerduty_url());
    let bad = ["--only=coordinator", "--coordinator-url=http://127.0.0.1:1"];
    let good = ["--only=prometheus/ready"];
    let well = |arguments: &[&str], code: i32| {
        let output = deployment.checks(arguments);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
    };
    // It stays quiet as long as the check is well, or was never there.
    well(&good, 0);
    let (failing, absent) = ("SeamlessHealthCheckFailing", "SeamlessHealthCheckAbsent");
    deployment.until(failing, true, || well(&bad, 1));
    assert!(!deployment.is_firing(absent), "it runs");
    // The alert on the check itself does not make the check fail.
    let firing = deployment.checks(&["--only=alerting/firing"]);
    let said = String::from_utf8_lossy(&firing.stdout).into_owned();
    assert!(!said.contains(failing), "{said}");
    deployment.until(failing, false, || well(&good, 0));
    // The timer stops, and then its file is lost with its host.
    deployment.until(absent, true, || ());
    fs::remove_file(deployment.textfile()).unwrap();
    let gone = || {
        let series = deployment.prometheus.query("seamless_health_check_healthy");
        series.unwrap().is_empty().then_some(())
    };
    wait_for(PATIENCE, "the series to be gone", gone).unwrap();
    assert!(deployment.is_firing(absent), "it is gone, and was there");
    deployment.until(absent, false, || well(&good, 0));
}
