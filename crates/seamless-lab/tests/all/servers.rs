//! The real servers: they start, do their work, and are gone afterwards.

#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and cannot get fails it"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use seamless_lab::coordinator::{Coordinator, HeldLease, now_ms};
use seamless_lab::pager::{Pager, PagingService};
use seamless_lab::servers::{
    Alertmanager, BASIC_AUTH, NodeExporter, Program, Prometheus, Pushgateway, VictoriaMetrics,
};
use seamless_lab::{wait_for, wait_until};
use serde_json::json;

const SOON: Duration = Duration::from_secs(60);
const KEY: &str = "seam-node-1:60:1700:1760:world-1:2024-01-01T00:00:00Z";

fn runs(pid: u32) -> bool {
    // A zombie is gone; only its parent has not looked yet.
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim().starts_with('Z'))
}

fn a_violation_travels_from_the_coordinator_to_pagerduty_and_slack() {
    let coordinator = Coordinator::builder().exports_gauge(true).start().unwrap();
    coordinator.insert(HeldLease::new(KEY, "deadbeef", now_ms()).ratio(0.25));
    let pager = Pager::start().unwrap();
    let alertmanager = Alertmanager::builder()
        .file("slack", pager.slack_url("oncall"))
        .config(
            json!({
                "route": {"receiver": "both", "group_wait": "0s", "group_interval": "1s"},
                "receivers": [{
                    "name": "both",
                    "pagerduty_configs": [{"routing_key": "k", "url": pager.pagerduty_url()}],
                    "slack_configs": [{"api_url_file": "slack", "channel": "#oncall", "send_resolved": true}],
                    "webhook_configs": [{"url": pager.webhook_url("watchdog")}],
                }],
            })
            .to_string(),
        )
        .start()
        .unwrap();
    let rules = json!({"groups": [{"name": "lab", "rules": [{
        "alert": "Stuck",
        "expr": "backfill_completion_ratio < 0.5",
        "labels": {"severity": "critical"},
    }]}]});
    let prometheus = Prometheus::builder()
        .scrape("coordinator", [coordinator.address()])
        .rules(rules.to_string())
        .alertmanager(alertmanager.address())
        .flag("--rules.alert.resend-delay=1s")
        .start()
        .unwrap();

    let series = wait_for(SOON, "the lease's series", || {
        prometheus.query("backfill_completion_ratio").unwrap().pop()
    })
    .unwrap();
    assert_eq!(series.value, 0.25);
    assert_eq!(series.labels["node_id"], "seam-node-1");
    assert_eq!(series.labels["interval"], "60");
    assert_eq!(series.labels["lease_key"], KEY);

    let page = pager
        .expect(SOON, PagingService::PagerDuty, "Stuck", false)
        .unwrap();
    assert_eq!(page.payload["event_action"], "trigger");
    assert_eq!(page.payload["routing_key"], "k");
    let slack = pager
        .expect(SOON, PagingService::Slack, "Stuck", false)
        .unwrap();
    assert_eq!(slack.payload["channel"], "#oncall");
    assert_eq!(slack.hook, "oncall");
    pager
        .expect(SOON, PagingService::Webhook, "Stuck", false)
        .unwrap();
    assert_eq!(alertmanager.alerts().unwrap().len(), 1);
    assert_eq!(prometheus.alerts().unwrap()[0]["state"], "firing");

    coordinator.with_table(|table| {
        table
            .renew(KEY, "deadbeef", 60_000, Some(0.75), now_ms())
            .unwrap()
    });
    for service in [
        PagingService::PagerDuty,
        PagingService::Slack,
        PagingService::Webhook,
    ] {
        pager.expect(SOON, service, "Stuck", true).unwrap();
    }
}

fn a_prometheus_answers_below_a_prefix_with_authentication_and_leaves_nothing_behind() {
    let prometheus = Prometheus::builder()
        .prefix("/prometheus")
        .basic_auth()
        .remote_write_receiver()
        .native_histograms()
        .retention("1d")
        .external_label("cluster", "lab")
        .start()
        .unwrap();
    assert!(prometheus.url().ends_with("/prometheus"));
    assert_eq!(prometheus.query("vector(3)").unwrap()[0].value, 3.0);
    assert_eq!(prometheus.query("4").unwrap()[0].value, 4.0);
    assert!(!prometheus.url().contains(BASIC_AUTH.1));

    let (dir, pid) = (prometheus.dir().to_owned(), prometheus.process().id());
    assert!(dir.exists() && runs(pid));
    drop(prometheus);
    assert!(!dir.exists() && !runs(pid));
}

fn rules_that_prometheus_refuses_are_an_error_with_its_log() {
    let error = Prometheus::builder()
        .rules("groups: [{name: x, rules: [{alert: A, expr: 'up ='}]}]")
        .start()
        .unwrap_err()
        .to_string();
    assert!(error.contains("did not start"), "{error}");
    assert!(error.contains("could not parse expression"), "{error}");
}

fn rules_can_be_replaced_while_it_runs() {
    let prometheus = Prometheus::builder().start().unwrap();
    prometheus
        .set_rules("groups: [{name: x, rules: [{alert: Always, expr: vector(1)}]}]")
        .unwrap();
    wait_until(SOON, "the new alert", || {
        prometheus
            .alerts()
            .unwrap()
            .iter()
            .any(|alert| alert["labels"]["alertname"] == "Always")
    })
    .unwrap();
    assert!(prometheus.set_rules("groups: 3").is_err());
}

fn targets_found_through_service_discovery_files_are_scraped() {
    let coordinator = Coordinator::builder()
        .exports_gauge(true)
        .drill("rehearsal")
        .start()
        .unwrap();
    coordinator.insert(HeldLease::new("lease-A", "t", now_ms()));
    let dir = tempfile::tempdir().unwrap();
    let prometheus = Prometheus::builder()
        .file_sd("drill", dir.path().join("*.json"))
        .start()
        .unwrap();
    let targets = json!([{"targets": [coordinator.address()]}]);
    fs::write(dir.path().join("drill.json"), targets.to_string()).unwrap();
    wait_until(SOON, "the discovered target's series", || {
        prometheus
            .query(r#"backfill_completion_ratio{drill="rehearsal",lease_key="lease-A"}"#)
            .unwrap()
            .len()
            == 1
    })
    .unwrap();
}

fn the_other_servers_start_and_answer() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("lab.prom"), "lab_answer 42\n").unwrap();
    let node_exporter = NodeExporter::start(dir.path()).unwrap();
    let metrics = node_exporter.get("/metrics", &[]).unwrap();
    assert!(metrics.contains("lab_answer 42"), "{metrics}");

    let pushgateway = Pushgateway::start().unwrap();
    assert!(pushgateway.get("/metrics", &[]).unwrap().contains("push"));

    let victoria = VictoriaMetrics::start().unwrap();
    let answer = victoria
        .get("/api/v1/query", &[("query", "vector(7)")])
        .unwrap();
    assert!(answer.contains("\"7\""), "{answer}");

    let below = Alertmanager::builder().prefix("/am").start().unwrap();
    assert!(below.url().ends_with("/am"));
    assert!(below.alerts().unwrap().is_empty());
}

#[test]
fn a_missing_program_is_an_error_that_names_the_package() {
    let nowhere = Program {
        names: &["no-such-server"],
        package: "no-such-package",
    };
    let error = nowhere.require().unwrap_err().to_string();
    assert_eq!(
        error,
        "no-such-server is not installed; install it with: apt-get install no-such-package"
    );
}

#[test]
#[ignore = "not a test: the process that the next test starts and kills"]
fn child_of_the_next_test() {
    let file = std::env::var_os("SEAMLESS_LAB_TELL_PID_IN").unwrap();
    let server = Pushgateway::start().unwrap();
    fs::write(Path::new(&file), server.process().id().to_string()).unwrap();
    std::thread::sleep(Duration::from_secs(600));
}

#[test]
fn servers_die_with_the_process_that_started_them() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "servers::child_of_the_next_test"])
        .env("SEAMLESS_LAB_TELL_PID_IN", &file)
        // Killed, it cannot remove its server's folder: this test does.
        .env("TMPDIR", dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid: u32 = wait_for(SOON, "the server's pid", || {
        fs::read_to_string(&file).ok()?.parse().ok()
    })
    .unwrap();
    assert!(runs(pid));
    parent.kill().unwrap();
    parent.wait().unwrap();
    wait_until(SOON, "the orphaned server to be gone", || !runs(pid)).unwrap();
}

seamless_lab::on_both_generations!(
    a_violation_travels_from_the_coordinator_to_pagerduty_and_slack,
    a_prometheus_answers_below_a_prefix_with_authentication_and_leaves_nothing_behind,
    rules_that_prometheus_refuses_are_an_error_with_its_log,
    rules_can_be_replaced_while_it_runs,
    targets_found_through_service_discovery_files_are_scraped,
    the_other_servers_start_and_answer
);
