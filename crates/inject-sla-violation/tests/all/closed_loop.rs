//! The closed loop against a real Prometheus and a real Alertmanager: coming through, and failing for
//! each reason with that reason named.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use crate::support::{Injector, PATIENCE};
use seamless_lab::faults::{Faults, Reply};
use seamless_lab::pager::Pager;
use seamless_lab::servers::{Alertmanager, Prometheus};
use seamless_lab::wait_until;
use serde_json::{Value, json};

const P99: &str = "histogram_quantile(0.99, sum by (le, drill) (rate(seamless_sla_deadline_seconds_bucket[10s])))";

fn rules() -> String {
    let rule = |name: &str, expr: &str, pending_for: &str| json!({"alert": name, "expr": expr, "for": pending_for});
    let inhibitor = json!({"alert": "Inhibitor", "expr": "vector(1)"});
    let groups = json!({"groups": [{"name": "g", "interval": "500ms", "rules": [
        rule("Slow", &format!("{P99} > 60"), "2s"),
        rule("Inhibited", &format!("{P99} > 60"), "0s"),
        rule("Silenced", &format!("{P99} > 60"), "0s"),
        rule("TooHigh", &format!("{P99} > 900"), "0s"),
        rule("TooShort", &format!("{P99} > 200"), "0s"),
        rule("Patient", &format!("{P99} > 60"), "1h"),
        rule("Forgetful", &format!("{} > 60", P99.replace(", drill", "")), "0s"),
        rule("Low", "min by (drill) (coverage_ratio) < 0.98", "1m"),
        inhibitor,
    ]}]});
    groups.to_string()
}

/// Only one drill is sent anywhere, so that its delivery can be told from that of others.
fn alertmanager_config(pager: &Pager) -> String {
    let hook = pager.webhook_url("drills");
    format!(
        "route:\n  receiver: nobody\n  group_by: [alertname, drill]\n  group_wait: 0s\n  group_interval: 1s\n  \
         routes: [{{receiver: drills, matchers: ['drill=\"through\"', 'alertname=\"Slow\"']}}]\n\
         receivers:\n  - name: nobody\n  - name: drills\n    webhook_configs: [{{url: '{hook}'}}]\n\
         inhibit_rules: [{{source_matchers: [alertname=Inhibitor], target_matchers: [alertname=Inhibited]}}]\n"
    )
}

/// Runs one drill with `--output json` and returns its exit code and report.
struct RunningDrill {
    injector: Injector,
}

impl RunningDrill {
    fn start(prometheus: &Prometheus, folder: &Path, id: &str, arguments: &[&str]) -> Self {
        let path = folder.join(format!("{id}.json"));
        let url = prometheus.url();
        let common = [
            "n",
            "--serve=127.0.0.1:0",
            "--file-sd",
            path.to_str().unwrap(),
            "--prometheus-url",
            &url,
            "--step=1s",
            "--drill-id",
            id,
            "--output=json",
        ];
        Self {
            injector: Injector::start(&[&common[..], arguments].concat()),
        }
    }

    fn end(self) -> (i32, Value) {
        let ended = self.injector.end();
        let report = serde_json::from_str(&ended.stdout)
            .unwrap_or_else(|error| panic!("{error}: {ended:?}"));
        (ended.status.code().unwrap(), report)
    }

    /// Its exit code, the stage that was missed and the reason.
    fn missed(self) -> (i32, String, String) {
        let (code, report) = self.end();
        let missed = &report["expectations"][0]["missed"];
        let text = |key: &str| missed[key].as_str().unwrap_or_default().to_owned();
        (code, text("stage"), text("reason"))
    }
}

fn stages(report: &Value) -> Vec<&str> {
    report["expectations"][0]["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stage| stage["stage"].as_str().unwrap())
        .collect()
}

fn an_alert_comes_through_and_resolves_and_others_fail_for_their_reasons() {
    let folder = tempfile::tempdir().unwrap();
    let pager = Pager::start().unwrap();
    let alertmanager = Alertmanager::builder()
        .config(alertmanager_config(&pager))
        .start()
        .unwrap();
    let silence = json!({
        "matchers": [{"name": "alertname", "value": "Silenced", "isRegex": false, "isEqual": true}],
        "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2100-01-01T00:00:00Z",
        "createdBy": "test", "comment": "test",
    });
    alertmanager
        .post("/api/v2/silences", Some(&silence))
        .unwrap();
    let prometheus = Prometheus::builder()
        .file_sd("drills", folder.path().join("*.json"))
        .rules(rules())
        .alertmanager(alertmanager.address())
        // What is sent before Alertmanager is discovered is lost; a minute is long to wait for more.
        .flag("--rules.alert.resend-delay=1s")
        .start()
        .unwrap();
    let inhibits = || {
        let alerts = alertmanager.alerts().unwrap_or_default();
        alerts
            .iter()
            .any(|alert| alert["labels"]["alertname"] == "Inhibitor")
    };
    wait_until(PATIENCE, "the inhibiting alert", inhibits).unwrap();
    let held = alertmanager.url();
    let start = |id: &str, alert: &str, arguments: &[&str]| {
        let awaited = ["--expect-alert", alert, "--alertmanager-url", &held];
        RunningDrill::start(
            &prometheus,
            folder.path(),
            id,
            &[&awaited[..], arguments].concat(),
        )
    };
    let through = start("through", "Slow", &["--within=4m", "--recover-after=20s"]);
    let failing = [
        (
            "high",
            "TooHigh",
            &[][..],
            "expression",
            "threshold_above_top_bucket",
        ),
        ("short", "TooShort", &[], "expression", "duration_too_short"),
        ("unknown", "Slo", &[], "expression", "rule_not_loaded"),
        (
            "pending",
            "Patient",
            &["--hold=3h"],
            "firing",
            "still_pending",
        ),
        (
            "forgetful",
            "Forgetful",
            &[],
            "expression",
            "rule_drops_drill_label",
        ),
        ("unfed", "Low", &[], "expression", "family_not_fed"),
        (
            "brief",
            "Low",
            &["--scenario=coverage", "--hold=20s"],
            "firing",
            "hold_too_short",
        ),
        ("silenced", "Silenced", &[], "received", "silenced"),
        ("inhibited", "Inhibited", &[], "received", "inhibited"),
    ];
    let drills: Vec<_> = failing
        .iter()
        .map(|(id, alert, arguments, ..)| {
            start(id, alert, &[&["--within=50s"], *arguments].concat())
        })
        .collect();
    for (drill, (id, .., stage, reason)) in drills.into_iter().zip(failing) {
        assert_eq!(
            drill.missed(),
            (1, stage.to_owned(), reason.to_owned()),
            "{id}"
        );
    }

    let (code, report) = through.end();
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["outcome"], "done");
    let came_through = [
        "target",
        "sample",
        "expression",
        "pending",
        "firing",
        "received",
        "notified",
        "resolved",
    ];
    assert_eq!(stages(&report), came_through);
    let after: Vec<f64> = report["expectations"][0]["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stage| stage["after_seconds"].as_f64().unwrap())
        .collect();
    assert!(after.is_sorted(), "{after:?}");
    let receivers = &report["expectations"][0]["stages"][5]["detail"];
    assert_eq!(receivers, "to drills");
    assert_eq!(report["sinks"][0]["cleaned_up"], true);
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0);
}

fn what_is_wrong_with_the_scraping_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let scraped = |config: Value| {
        let mut config = config;
        config["job_name"] = "drills".into();
        let files = folder.path().join("*.json");
        config["file_sd_configs"] =
            json!([{"files": [files.to_str().unwrap()], "refresh_interval": "1s"}]);
        Prometheus::builder()
            .scrape_config(config)
            .rules(rules())
            .start()
            .unwrap()
    };
    let limited = scraped(json!({"sample_limit": 1}));
    let relabelled = scraped(json!({
        "relabel_configs": [{"target_label": "drill", "replacement": "other"}],
    }));
    let dropping = scraped(json!({
        "metric_relabel_configs": [{"source_labels": ["drill"], "regex": ".+", "action": "drop"}],
    }));
    let blind = Prometheus::builder().rules(rules()).start().unwrap();
    let ranged = |alert: &str, range: &str, pending_for: &str| {
        let expr = format!("rate(seamless_sla_deadline_seconds_count{{drill!=\"\"}}[{range}]) > 0");
        json!({"alert": alert, "expr": expr, "for": pending_for})
    };
    let ranges = json!({"groups": [{"name": "g", "interval": "500ms", "rules": [
        ranged("Under", "4s", "2s"), ranged("One", "5s", "2s"), ranged("Two", "10s", "0s"),
    ]}]});
    let slow = Prometheus::builder()
        .scrape_interval(Duration::from_secs(5))
        .file_sd("drills", folder.path().join("*.json"))
        .rules(ranges.to_string())
        .start()
        .unwrap();
    let start_within = |within: &str, alert: &str, prometheus: &Prometheus, id: &str| {
        let alert = format!("--expect-alert={alert}");
        RunningDrill::start(prometheus, folder.path(), id, &[&alert, within])
    };
    // What is missed is told when the time is over; what comes through ends the drill at once.
    let start_for = |alert: &str, prometheus: &Prometheus, id: &str| {
        start_within("--within=45s", alert, prometheus, id)
    };
    let start = |prometheus: &Prometheus, id: &str| start_for("Slow", prometheus, id);
    // A range of two scrapes holds two samples in either generation.
    let two = start_within("--within=3m", "Two", &slow, "two");
    let cases = [
        (start(&limited, "down"), "target", "target_down"),
        (start(&relabelled, "renamed"), "sample", "other_drill_label"),
        (start(&dropping, "dropped"), "sample", "no_sample"),
        (start(&blind, "blind"), "target", "no_target"),
        (
            start_for("Under", &slow, "under"),
            "expression",
            "range_under_two_scrapes",
        ),
        (
            start_for("One", &slow, "one"),
            "expression",
            "range_under_two_scrapes",
        ),
    ];
    for (drill, stage, reason) in cases {
        assert_eq!(drill.missed(), (1, stage.to_owned(), reason.to_owned()));
    }
    let (code, report) = two.end();
    assert_eq!(code, 0, "{report:#}");
}

#[test]
fn a_prometheus_without_alertmanager_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let alertmanager = Alertmanager::start().unwrap();
    let prometheus = Prometheus::builder()
        .file_sd("drills", folder.path().join("*.json"))
        .rules(rules())
        .start()
        .unwrap();
    let url = alertmanager.url();
    let arguments = [
        "--expect-alert=Slow",
        "--within=30s",
        "--alertmanager-url",
        &url,
    ];
    let drill = RunningDrill::start(&prometheus, folder.path(), "alone", &arguments);
    let expected = (1, "received".to_owned(), "no_alertmanager".to_owned());
    assert_eq!(drill.missed(), expected);
}

#[test]
fn a_prometheus_that_cannot_be_asked_leaves_it_open() {
    let folder = tempfile::tempdir().unwrap();
    let prometheus = Prometheus::builder().start().unwrap();
    let arguments = ["--expect-alert=Slow", "--within=4s"];
    let url = prometheus.url();
    drop(prometheus);
    let path = folder.path().join("x.prom");
    let mut injector = Injector::start(
        &[
            &[
                "n",
                "--write-to",
                path.to_str().unwrap(),
                "--hold=5s",
                "--step=1s",
            ],
            &arguments[..],
            &["--prometheus-url", &url, "--output=json"],
        ]
        .concat(),
    );
    injector.says("rewriting");
    let ended = injector.end();
    assert_eq!(ended.status.code(), Some(3), "{ended:?}");
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["outcome"], "cannot_tell");
    assert_eq!(report["expectations"][0]["missed"]["reason"], "cannot_ask");
}

/// Every duration of the shipped rules, sixty times shorter, as far as a scrape per second allows.
fn scaled() -> String {
    let mut out = String::new();
    let mut rest = include_str!("../../../../alert_rules.yml");
    // Durations stand in brackets, after `offset`, and as the value of `for` and `interval`.
    while let Some(at) = ["[", "offset ", "for: ", "interval: "]
        .iter()
        .filter_map(|mark| rest.find(mark).map(|at| at + mark.len()))
        .min()
    {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap();
        let seconds = match &after[digits..=digits] {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => 0,
        };
        let number: u64 = after[..digits].parse().unwrap_or(0);
        rest = after;
        if number * seconds > 0 {
            let shortest = if before.ends_with('[') { 4 } else { 1 };
            out.push_str(&format!("{}s", (number * seconds / 60).max(shortest)));
            rest = &after[digits + 1..];
        }
    }
    out + rest
}

/// They tell that something is gone, or nothing at all.
fn not_injected() -> BTreeSet<&'static str> {
    BTreeSet::from([
        "SeamlessMetricsAbsent",
        "SeamlessTargetDown",
        "SeamlessNotificationsFailing",
        "SeamlessHealthCheckFailing",
        "SeamlessHealthCheckAbsent",
        seamless_core::rules::WATCHDOG,
    ])
}

fn the_scenario_all_fires_every_shipped_alert_on_a_real_prometheus() {
    let folder = tempfile::tempdir().unwrap();
    let prometheus = Prometheus::builder()
        .file_sd("drills", folder.path().join("*.json"))
        .rules(scaled())
        .start()
        .unwrap();
    let shipped = seamless_core::rules::shipped().unwrap();
    let alerts: BTreeSet<&str> = shipped.alerts().map(|rule| rule.name.as_str()).collect();
    let alerts: Vec<&str> = alerts.difference(&not_injected()).copied().collect();
    let start = |id: &str, alerts: &[&str], more: &[&str]| {
        let mut arguments = vec!["--scenario=all", "--within=5m"];
        for alert in alerts {
            arguments.extend(["--expect-alert", alert]);
        }
        arguments.extend(more);
        RunningDrill::start(&prometheus, folder.path(), id, &arguments)
    };
    let firing = start("firing", &alerts, &[]);
    // The burn of three days takes longer to be forgotten than a test may take, scaled or not.
    let forgotten: Vec<_> = alerts
        .into_iter()
        .filter(|alert| *alert != "SeamlessSlaErrorBudgetBurn")
        .collect();
    let resolving = start("resolving", &forgotten, &["--recover-after=80s"]);
    for (drill, last) in [(firing, "firing"), (resolving, "resolved")] {
        let (code, report) = drill.end();
        for expectation in report["expectations"].as_array().unwrap() {
            let stages = expectation["stages"].as_array().unwrap();
            assert_eq!(stages.last().unwrap()["stage"], last, "{expectation:#}");
        }
        assert_eq!(code, 0, "{report:#}");
    }
}

#[test]
fn a_drill_beside_series_with_other_buckets_is_no_proof() {
    let folder = tempfile::tempdir().unwrap();
    let bucket = |le: &str| {
        format!(
            "seamless_sla_deadline_seconds_bucket{{node_id=\"live\",phase=\"total\",le=\"{le}\"}} 1\n"
        )
    };
    let edges = ".005 .01 .025 .05 .075 .1 .25 .5 .75 1 2.5 5 7.5 10 +Inf";
    let live: String = edges.split(' ').map(bucket).collect();
    let live = format!("# TYPE seamless_sla_deadline_seconds histogram\n{live}");
    let reply = Reply::status(200).header("Content-Type", "text/plain; version=0.0.4");
    let runtime = Faults::always(reply.body(live)).unwrap();
    let fast = json!({"groups": [{"name": "g", "interval": "500ms", "rules": [
        {"alert": "Slow", "expr": format!("{P99} > 60")},
        {"alert": "OverFive", "expr": format!("{P99} > 5")},
    ]}]});
    let prometheus = Prometheus::builder()
        .scrape("live", [runtime.url().trim_start_matches("http://")])
        .file_sd("drills", folder.path().join("*.json"))
        .rules(fast.to_string())
        .start()
        .unwrap();
    let start = |id: &str, arguments: &[&str]| {
        RunningDrill::start(
            &prometheus,
            folder.path(),
            id,
            &[arguments, &["--within=90s"]].concat(),
        )
    };
    let ours = start("ours", &["--expect-alert=Slow"]);
    let theirs = start("theirs", &["--expect-alert=OverFive", "--buckets=platform"]);
    let expected = (1, "firing".to_owned(), "other_buckets".to_owned());
    assert_eq!(ours.missed(), expected);
    let (code, report) = theirs.end();
    assert_eq!(code, 0, "{report:#}");
}

/// Of today's servers only: the packaged ones know native histograms as an experiment at most.
mod every_form_of_histograms_fires_the_shipped_alert_once {
    use super::*;
    use seamless_lab::servers::Generation;

    #[test]
    fn current() {
        Generation::Current.during(|| {
            let folder = tempfile::tempdir().unwrap();
            let files = folder.path().join("*.json");
            let prometheus = Prometheus::builder()
                .scrape_config(json!({
                    "job_name": "drills",
                    "scrape_native_histograms": true,
                    // What exposes both forms is stored in both.
                    "always_scrape_classic_histograms": true,
                    "file_sd_configs": [{"files": [files.to_str().unwrap()], "refresh_interval": "1s"}],
                }))
                .rules(scaled())
                .start()
                .unwrap();
            let drills = ["classic", "native", "both"].map(|form| {
                let histograms = format!("--histograms={form}");
                let arguments = [
                    &histograms,
                    "--expect-alert=SeamlessSla99thDegraded",
                    "--within=3m",
                ];
                (form, RunningDrill::start(&prometheus, folder.path(), form, &arguments))
            });
            for (form, drill) in drills {
                let (code, report) = drill.end();
                assert_eq!(code, 0, "{form}: {report:#}");
                assert_eq!(stages(&report).last(), Some(&"firing"));
                let first = |query: &str| {
                    let found = prometheus.query(query).unwrap();
                    found.first().map(|sample| sample.value)
                };
                let series = |name: &str| {
                    first(&format!(
                        "count(last_over_time({name}{{drill=\"{form}\"}}[5m]))"
                    ))
                };
                let native = (form != "classic").then_some(4.0);
                assert_eq!(series("seamless_sla_deadline_seconds"), native, "{form}");
                let buckets = series("seamless_sla_deadline_seconds_bucket");
                assert_eq!(buckets.is_some(), form != "native", "{form}");
                // Ten requests a second, however many forms show them.
                let counted = first(&format!(
                    "max_over_time(seamless:sla_observations:rate5m{{drill=\"{form}\",phase=\"total\"}}[5m])"
                ));
                let counted = counted.unwrap_or_default();
                assert!((5.0..15.0).contains(&counted), "{form}: {counted}");
            }
        });
    }
}

#[test]
fn native_histograms_are_for_who_scrapes_protobuf() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("drill.prom");
    let path = file.to_str().unwrap();
    let to_file = ["--write-to", path, "--hold=5s", "--step=1s"];
    for sink in [
        &to_file[..],
        &["--write-to", path],
        &["--remote-write=http://127.0.0.1:1/api/v1/write"],
    ] {
        let injector = Injector::start(&[&["n", "--histograms=native"], sink].concat());
        let ended = injector.end();
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
        assert!(
            ended
                .stderr
                .contains("--histograms native is for --serve alone"),
            "{ended:?}"
        );
        assert!(!file.exists());
    }
}

seamless_lab::on_both_generations!(
    an_alert_comes_through_and_resolves_and_others_fail_for_their_reasons,
    what_is_wrong_with_the_scraping_is_named,
    the_scenario_all_fires_every_shipped_alert_on_a_real_prometheus,
);
