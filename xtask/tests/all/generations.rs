//! What differs between the generations of servers, where rendered rules and several programs meet.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use seamless_core::rules::RuleFile;
use seamless_lab::runtime::Runtime;
use seamless_lab::servers::{Generation, Prometheus};
use seamless_lab::wait_until;
use serde_json::{Value, json};
use xtask::render::{self, Override};

use crate::pages::programs;

/// The longest that anything is waited for on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// What the health check found at that server.
pub(crate) fn health_check(prometheus_url: &str, more: &[&str]) -> Value {
    let output = Command::new(programs().join("seamless-health-check"))
        .args(["--output", "json", "--prometheus-url", prometheus_url])
        .args(more)
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

pub(crate) fn check<'r>(run: &'r Value, id: &str) -> &'r Value {
    let checks = run["checks"].as_array().unwrap();
    checks.iter().find(|check| check["id"] == id).unwrap()
}

/// The injector at work; it ends with its value.
struct RunningDrill(Child);

impl Drop for RunningDrill {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A drill with native histograms alone, which waits for an alert at a server that does not scrape it.
fn drill(id: &str, targets: &Path, prometheus_url: &str) -> RunningDrill {
    let child = Command::new(programs().join("inject-sla-violation"))
        .args([
            "n",
            "--yes",
            "--histograms",
            "native",
            "--serve",
            "127.0.0.1:0",
        ])
        .args(["--step", "1s", "--drill-id", id, "--output", "json"])
        .args(["--prometheus-url", prometheus_url, "--within", "2m"])
        .args(["--expect-alert", "SeamlessSla99thDegraded", "--file-sd"])
        .arg(targets)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    RunningDrill(child)
}

/// Of today's servers only: remote write 2.0 came with Prometheus 3.0.
mod native_histograms_are_judged_where_remote_write_brings_them {
    use super::*;

    const SLA: &str = "seamless_sla_deadline_seconds";

    #[test]
    fn current() {
        Generation::Current.during(|| {
            let folder = tempfile::tempdir().unwrap();
            let rules = render::rules(&[Override::new("time_scale", 0.02)]).unwrap();
            let receiver = Prometheus::builder()
                .remote_write_receiver()
                .rules(rules.clone())
                .start()
                .unwrap();
            // The second job shows the drill as the real thing, which the health check judges.
            let job = |name: &str, relabelling: Value| {
                json!({
                    "job_name": name,
                    "scrape_native_histograms": true,
                    "metric_relabel_configs": relabelling,
                    "file_sd_configs": [{"files": [folder.path().join("*.json")], "refresh_interval": "1s"}],
                })
            };
            let _sender = Prometheus::builder()
                .scrape_config(job("drills", json!([])))
                .scrape_config(job("seamless", json!([{"regex": "drill", "action": "labeldrop"}])))
                .remote_write(format!("{}/api/v1/write", receiver.url()))
                .start()
                .unwrap();
            let mut drill = drill("d", &folder.path().join("d.json"), &receiver.url());
            let series = |selector: &str| {
                let count = receiver.query(&format!("count({SLA}{selector})"));
                count.ok()?.first().map(|sample| sample.value)
            };
            wait_until(PATIENCE, "native histograms of both", || {
                series("{drill=\"\"}") == Some(4.0) && series("{drill=\"d\"}") == Some(4.0)
            })
            .unwrap();
            assert_eq!(series("_bucket"), None);
            wait_until(PATIENCE, "the alert of what is no drill", || {
                let alerts = receiver.alerts().unwrap_or_default();
                alerts.iter().any(|alert| {
                    let labels = &alert["labels"];
                    alert["state"] == "firing"
                        && labels["alertname"] == "SeamlessSla99thDegraded"
                        && labels["drill"].is_null()
                })
            })
            .unwrap();

            let path = folder.path().join("rules.yml");
            std::fs::write(&path, rules).unwrap();
            let run = health_check(
                &receiver.url(),
                &["--rules", path.to_str().unwrap(), "--skip", "coordinator"],
            );
            let verdict = |id: &str| check(&run, id)["verdict"].as_str().unwrap();
            for id in [
                "prometheus/present",
                "prometheus/fresh",
                "prometheus/labels",
                "alerting/rules-loaded",
                "alerting/rules-evaluated",
                "alerting/inputs",
                "alerting/can-fire",
            ] {
                assert_eq!(verdict(id), "pass", "{:#}", check(&run, id));
            }
            for (id, expected) in [
                ("sla/p99", "fail"),
                ("sla/error-budget", "warn"),
                ("alerting/firing", "fail"),
            ] {
                assert_eq!(verdict(id), expected, "{:#}", check(&run, id));
            }
            // 180 s, by buckets that grow by less than a tenth.
            let p99 = check(&run, "sla/p99")["items"].as_array().unwrap();
            let total = p99.iter().find(|item| item["subject"] == "total").unwrap();
            let value = total["value"].as_f64().unwrap();
            assert!((160.0..200.0).contains(&value), "{total:#}");

            let status = drill.0.wait().unwrap();
            let report: Value =
                serde_json::from_reader(drill.0.stdout.take().unwrap()).unwrap();
            assert!(status.success(), "{report:#}");
            let expectation = &report["expectations"][0];
            assert!(expectation["missed"].is_null(), "{expectation:#}");
        });
    }
}

/// However fast a drill's clock runs, its ranges hold samples at any time.
fn the_shortest_ranges_of_a_drill_hold_samples_at_any_time() {
    let rules = render::rules(&[Override::new("time_scale", 0.0001)]).unwrap();
    let file = RuleFile::parse(&rules).unwrap();
    let ranges = file.rules().flat_map(|rule| {
        let query = rule.expr.query().unwrap();
        query.two_sample_ranges()
    });
    let shortest = ranges.min().unwrap();
    // A drill is scraped every second.
    assert!(shortest > Duration::from_secs(2), "{shortest:?}");

    let runtime = Runtime::builder().start().unwrap();
    let prometheus = Prometheus::builder()
        .scrape("seamless", [runtime.address()])
        .rules(&rules)
        .start()
        .unwrap();
    let recorded = "seamless:sla_observations:rate5m{phase=\"total\"}";
    wait_until(PATIENCE, "the rate for ten seconds", || {
        let found = prometheus.query(&format!("{recorded} offset 10s"));
        found.is_ok_and(|found| !found.is_empty())
    })
    .unwrap();
    // Evaluated once a second, it has a value at each.
    let query = format!("min_over_time(count(last_over_time({recorded}[2s]))[10s:100ms])");
    assert_eq!(prometheus.query(&query).unwrap()[0].value, 1.0);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.yml");
    std::fs::write(&path, rules).unwrap();
    let run = health_check(
        &prometheus.url(),
        &[
            "--rules",
            path.to_str().unwrap(),
            "--only",
            "alerting/ranges",
        ],
    );
    let ranges = check(&run, "alerting/ranges");
    assert_eq!(ranges["verdict"], "pass", "{ranges:#}");
}

seamless_lab::on_both_generations!(the_shortest_ranges_of_a_drill_hold_samples_at_any_time);
