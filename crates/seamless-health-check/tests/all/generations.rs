//! What differs between the servers of 2023 and today's, through the program.

use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::compatible::{forward, write};
use crate::support::{JsonRun, PATIENCE, program};
use seamless_core::remote_write::{TimeSeries, WriteRequest, WriteSample, labels};
use seamless_lab::coordinator::Coordinator;
use seamless_lab::faults::{Faults, Reply};
use seamless_lab::runtime::Runtime;
use seamless_lab::servers::{AMTOOL, Alertmanager, Generation, Prometheus};
use seamless_lab::wait_until;
use serde_json::{Value, json};

fn runtime() -> (Coordinator, Runtime) {
    let coordinator = Coordinator::start().unwrap();
    let runtime = Runtime::builder().coordinator(coordinator.url());
    let runtime = runtime.start().unwrap();
    (coordinator, runtime)
}

fn has_traffic(prometheus: &Prometheus) {
    wait_until(PATIENCE, "traffic", || {
        let query = "sum(rate(seamless_sla_deadline_seconds_count[10s])) > 0";
        prometheus.query(query).is_ok_and(|found| !found.is_empty())
    })
    .unwrap();
}

/// The verdict and message of a check's item.
fn item<'r>(run: &'r JsonRun, check: &str, subject: &str) -> (&'r str, &'r str) {
    let checks = run.document["checks"].as_array().unwrap();
    let check = checks.iter().find(|found| found["id"] == check).unwrap();
    let items = check["items"].as_array().unwrap();
    let item = items.iter().find(|item| item["subject"] == subject);
    let item = item.unwrap_or_else(|| panic!("no {subject}: {check:#}"));
    (
        item["verdict"].as_str().unwrap(),
        item["message"].as_str().unwrap(),
    )
}

fn a_range_of_two_scrapes_is_just_enough_and_one_of_one_is_not() {
    let (_coordinator, runtime) = runtime();
    let rate = |range: &str| format!("rate(seamless_sla_deadline_seconds_count[{range}]) > 1e9");
    let alert = |name: &str, range: &str| json!({"alert": name, "expr": rate(range)});
    let rules = json!({"groups": [{"name": "g", "rules": [
        alert("One", "1s"), alert("Two", "2s"), alert("Three", "3s"),
    ]}]});
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.yml");
    fs::write(&path, rules.to_string()).unwrap();
    let prometheus = Prometheus::builder()
        .scrape("seamless", [runtime.address()])
        .rules(rules.to_string())
        .start()
        .unwrap();
    has_traffic(&prometheus);
    let run = JsonRun::of(
        program()
            .args(["--prometheus-url", &prometheus.url()])
            .args(["--only", "alerting/ranges", "--rules"])
            .arg(&path),
    );
    for (name, verdict, says) in [
        ("One", "fail", "covers fewer than two scrapes of 1s"),
        ("Two", "warn", "holds just two scrapes of 1s"),
        ("Three", "pass", "range 3s"),
    ] {
        let (found, message) = item(&run, "alerting/ranges", name);
        assert_eq!(found, verdict, "{name}: {message}");
        assert!(message.contains(says), "{name}: {message}");
    }
}

/// Samples at 0, 1, 2 and 3 s, and one that is late: how many of them a range holds that ends just at a sample.
fn a_range_is_open_on_the_left_from_prometheus_3_on() {
    let prometheus = Prometheus::builder()
        .remote_write_receiver()
        .start()
        .unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let start = i64::try_from(now.as_secs()).unwrap() - 60;
    let samples = [0, 1000, 2000, 3000, 4100].map(|after| WriteSample {
        value: after as f64,
        timestamp: start * 1000 + after,
    });
    let series = TimeSeries {
        labels: labels([("__name__", "scraped")]),
        samples: samples.to_vec(),
        histograms: Vec::new(),
    };
    let timeseries = vec![series];
    write(&prometheus, &WriteRequest { timeseries });
    let holds = |range: &str, after_ms: i64| {
        let at = (start * 1000 + after_ms) as f64 / 1000.0;
        let found = |function: &str| {
            let query = format!("{function}(scraped[{range}] @ {at:.3})");
            let found = prometheus.query(&query).unwrap();
            found.first().map(|sample| sample.value)
        };
        (found("count_over_time").unwrap(), found("rate").is_some())
    };
    let (one, two) = match Generation::chosen() {
        Generation::Current => ((1.0, false), (2.0, true)),
        Generation::Packaged => ((2.0, true), (3.0, true)),
    };
    assert_eq!((holds("1s", 3000), holds("2s", 3000)), (one, two));
    // Off the samples both generations agree, and where one is late two scrapes' time holds a single one.
    assert_eq!(holds("1s", 3500), (1.0, false));
    assert_eq!(holds("2s", 3500), (2.0, true));
    assert_eq!(holds("2s", 5050), (1.0, false));
}

/// Of today's servers only: those of 2023 refuse such names.
mod utf8_names_are_read_wherever_they_stand {
    use super::*;

    #[test]
    fn current() {
        Generation::Current.during(|| {
            let (_coordinator, runtime) = runtime();
            let rules = "groups:
- name: ü
  labels: {team.name: ops}
  limit: 50
  query_offset: 1s
  rules:
  - {record: rec.ü, expr: 'sum by (\"cluster.name\") ({\"live_staleness_seconds\", \"cluster.name\"=\"eu\"})'}
  - {alert: Stale, expr: '{\"rec.ü\"} > 1e9', keep_firing_for: 5m, labels: {severity: critical}}
";
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("rules.yml");
            fs::write(&path, rules).unwrap();
            let alertmanager = Alertmanager::builder()
                .config(
                    "route: {receiver: nobody, routes: [{receiver: pager, matchers: ['\"cluster.name\"=\"eu\"']}, {receiver: pager, matchers: ['\"team.name\"=ops']}]}
receivers: [{name: nobody}, {name: pager, pagerduty_configs: [{routing_key: k}]}]
",
                )
                .start()
                .unwrap();
            let prometheus = Prometheus::builder()
                .scrape_config(json!({
                    "job_name": "seamless",
                    "static_configs": [{"targets": [runtime.address()], "labels": {"cluster.name": "eu"}}],
                }))
                .external_label("site.name", "here")
                .alertmanager(alertmanager.address())
                .rules(rules)
                .start()
                .unwrap();
            has_traffic(&prometheus);
            let checked = |selector: &str| {
                JsonRun::of(
                    program()
                        .args(["--prometheus-url", &prometheus.url()])
                        .args(["--alertmanager-url", &alertmanager.url()])
                        .args(["--only", "sla/p99", "--only", "alerting/rules-loaded"])
                        .args(["--only", "alerting/rules-evaluated", "--only", "alerting/routes"])
                        .args(["--only", "alerting/can-fire", "--wait", "30s", "--interval", "1s"])
                        .args(["--fail-on", "warn", "--selector", selector, "--rules"])
                        .arg(&path),
                )
            };
            let run = checked("\"cluster.name\"=\"eu\"");
            assert_eq!(run.ids("fail"), [""; 0], "{:#}", run.document);
            assert_eq!(run.ids("warn"), [""; 0], "{:#}", run.document);
            let (verdict, message) = item(&run, "alerting/routes", "Stale");
            assert_eq!(verdict, "pass", "{message}");
            assert!(message.contains("pager"), "{message}");

            let output = program()
                .args(["--prometheus-url", &prometheus.url()])
                .args(["--alertmanager-url", &alertmanager.url()])
                .args(["--explain", "Stale", "--rules"])
                .arg(&path)
                .output()
                .unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            assert!(said.contains("{\"team.name\"=\"ops\"}"), "{said}");

            let other = JsonRun::of(
                program()
                    .args(["--prometheus-url", &prometheus.url()])
                    .args(["--only", "sla/p99"])
                    .args(["--selector", "\"cluster.name\"=\"us\""]),
            );
            assert_eq!(other.check("sla/p99").0, "skip", "{:#}", other.document);
        });
    }
}

/// A receiver with one integration of every kind that Alertmanager 0.35 has.
const KINDS: &[(&str, &str)] = &[
    ("discord", "{webhook_url: 'http://localhost/d'}"),
    ("email", "{to: x@y.z}"),
    (
        "incidentio",
        "{url: 'http://localhost/i', alert_source_token: t}",
    ),
    (
        "jira",
        "{api_url: 'http://localhost/j', project: P, issue_type: Bug}",
    ),
    ("mattermost", "{webhook_url: 'http://localhost/m'}"),
    ("msteams", "{webhook_url: 'http://localhost/t'}"),
    ("msteamsv2", "{webhook_url: 'http://localhost/t2'}"),
    ("opsgenie", "{api_key: k}"),
    ("pagerduty", "{service_key: s}"),
    ("pushover", "{user_key: u, token: t}"),
    ("rocketchat", "{token: t, token_id: i, channel: '#c'}"),
    ("slack", "{api_url: 'http://localhost/s', channel: '#x'}"),
    (
        "sns",
        "{topic_arn: 'arn:aws:sns:us-east-2:123456789012:T', sigv4: {region: us-east-2, access_key: a, secret_key: b}}",
    ),
    ("telegram", "{bot_token: t, chat_id: 12}"),
    ("victorops", "{api_key: k, routing_key: r}"),
    (
        "webex",
        "{room_id: r, http_config: {authorization: {credentials: c}}}",
    ),
    ("webhook", "{url: 'http://localhost/w'}"),
    ("wechat", "{api_secret: s, corp_id: c}"),
];

/// Of today's Alertmanager only: that of 2023 has eleven of them.
mod every_kind_of_receiver_is_read {
    use super::*;

    #[test]
    fn current() {
        Generation::Current.during(|| {
            let kinds = KINDS.iter();
            let configs = kinds.map(|(kind, config)| format!("  {kind}_configs: [{config}]\n"));
            let config = format!(
                "global: {{smtp_smarthost: 'localhost:25', smtp_from: a@b.c}}\n\
                 route:\n  receiver: all\n  routes:\n  \
                 - {{receiver: all, match: {{severity: critical}}, match_re: {{team: 'a|'}}, matchers: ['\"my.label\"!=\"x\"']}}\n\
                 inhibit_rules:\n\
                 - {{name: i, source_matchers: ['\"my.label\"=\"x\"'], target_matchers: ['severity=\"warning\"'], equal: ['my.label']}}\n\
                 receivers:\n- name: all\n{}",
                configs.collect::<String>()
            );
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("alertmanager.yml");
            fs::write(&path, &config).unwrap();
            let amtool = Command::new(AMTOOL.require().unwrap())
                .arg("check-config")
                .arg(&path)
                .output()
                .unwrap();
            assert!(amtool.status.success(), "{amtool:?}");

            let alertmanager = Alertmanager::builder().config(&config).start().unwrap();
            let alertmanager = alertmanager.url();
            let file = path.to_str().unwrap();
            for source in [["--alertmanager-config", file], ["--alertmanager-url", &alertmanager]] {
                let run = JsonRun::of(
                    program()
                        .args(source)
                        .args(["--external-label", "cluster=eu"])
                        .args(["--only", "alerting/routes", "--only", "alerting/inhibitions"]),
                );
                let (verdict, message) = run.check("alerting/routes");
                assert_eq!(verdict, "pass", "{source:?}: {message}: {:#}", run.document);
                let (verdict, message) = run.check("alerting/inhibitions");
                assert_ne!(verdict, "fail", "{source:?}: {message}");
                let (_, stuck) = item(&run, "alerting/routes", "SeamlessBackfillStuckLease");
                for (kind, _) in KINDS {
                    assert!(stuck.contains(kind), "{kind}: {stuck}");
                }
            }
        });
    }
}

/// vmalert answers `null` where it has nothing, and calls a rule healthy that it never evaluated.
#[test]
fn answers_of_vmalert_are_read() {
    let prometheus = Prometheus::builder().start().unwrap();
    let answers = |groups: Value| {
        let address = prometheus.address();
        let body = json!({"status": "success", "data": {"groups": groups}}).to_string();
        Faults::choose(move |request, _| {
            if request.path == "/api/v1/rules" {
                let reply = Reply::status(200).header("Content-Type", "application/json");
                return reply.body(body.clone()).into();
            }
            forward(&address, request).into()
        })
        .unwrap()
    };
    let checked = |server: &Faults, id: &str| {
        JsonRun::of(
            program()
                .args(["--prometheus-url", &server.url()])
                .args(["--only", id]),
        )
    };
    for groups in [Value::Null, json!([{"name": "g", "rules": null}])] {
        let server = answers(groups);
        let run = checked(&server, "alerting/rules-loaded");
        let (verdict, message) = run.check("alerting/rules-loaded");
        assert_eq!(verdict, "fail", "{message}");
        assert!(message.contains("none of"), "{message}");
    }
    let rule = json!({
        "type": "alerting", "name": "SeamlessCoverageLow", "query": "coverage_ratio < 0.98", "health": "ok",
        "labels": null, "annotations": null, "alerts": null, "lastEvaluation": "0001-01-01T00:00:00Z",
    });
    let server = answers(json!([{"name": "g", "interval": 30, "rules": [rule]}]));
    let run = checked(&server, "alerting/rules-evaluated");
    let (verdict, message) = item(&run, "alerting/rules-evaluated", "SeamlessCoverageLow");
    assert_eq!((verdict, message), ("warn", "not evaluated yet"));
}

/// Buckets that today's Prometheus converts to native histograms keep their edges, and with them their limits.
mod converted_buckets_are_judged_by_their_edges {
    use super::*;
    use crate::support::quick_rules;

    const SLA: &str = "seamless_sla_deadline_seconds";

    /// Requests of 20 s by the client library's own buckets, all of them within the budget of a minute.
    fn exposed(requests: u64) -> String {
        let histogram = |name: &str, labels: &str, sum: u64| {
            let buckets = [("5.0", 0), ("10.0", 0), ("+Inf", requests)];
            let buckets = buckets
                .map(|(le, within)| format!("{name}_bucket{{{labels},le=\"{le}\"}} {within}\n"));
            format!(
                "# TYPE {name} histogram\n{}{name}_sum{{{labels}}} {sum}\n{name}_count{{{labels}}} {requests}\n",
                buckets.concat()
            )
        };
        let domain = "node_id=\"n\",interval=\"60\",world_id=\"w\"";
        let sla = histogram(SLA, "node_id=\"n\",phase=\"total\"", requests * 20);
        sla + &histogram("gap_repair_latency_ms", domain, requests * 800)
    }

    #[test]
    fn current() {
        Generation::Current.during(|| {
            let worker = Faults::choose(move |_, nth| {
                let requests = 10 * (u64::try_from(nth).unwrap() + 1);
                let reply = Reply::status(200).header("Content-Type", "text/plain; version=0.0.4");
                reply.body(exposed(requests)).into()
            })
            .unwrap();
            let prometheus = Prometheus::builder()
                .scrape_config(json!({
                    "job_name": "seamless",
                    "convert_classic_histograms_to_nhcb": true,
                    "static_configs": [{"targets": [worker.url().trim_start_matches("http://")]}],
                }))
                .rules(quick_rules())
                .start()
                .unwrap();
            wait_until(PATIENCE, "series outside of the objective", || {
                let count = prometheus.query("seamless:sla_series_without_edge:count");
                count.is_ok_and(|found| found.len() == 1)
            })
            .unwrap();
            // Neither pending nor firing: nobody knows that they are over budget, and they are not.
            let alerts = prometheus.alerts().unwrap();
            for alert in [
                "SeamlessSla99thDegraded",
                "SeamlessSlaErrorBudgetBurn",
                "SeamlessGapRepairSlow",
            ] {
                let found = alerts
                    .iter()
                    .find(|found| found["labels"]["alertname"] == alert);
                assert_eq!(found, None);
            }
            let run = JsonRun::of(
                program()
                    .args(["--prometheus-url", &prometheus.url()])
                    .args(["--only", "sla", "--only", "alerting/can-fire"]),
            );
            let (verdict, message) = item(&run, "sla/p99", "total");
            assert_eq!(verdict, "warn", "{message}");
            assert!(
                message.contains("at least 10s of 1m: cannot be judged"),
                "{message}"
            );
            let (verdict, message) = item(&run, "sla/error-budget", "outside");
            assert_eq!(verdict, "warn", "{message}");
            let checks = run.document["checks"].to_string();
            assert_eq!(run.check("alerting/can-fire").0, "fail", "{checks}");
            assert!(
                checks.contains("there are native histograms of it alone"),
                "{checks}"
            );
        });
    }
}

seamless_lab::on_both_generations!(
    a_range_of_two_scrapes_is_just_enough_and_one_of_one_is_not,
    a_range_is_open_on_the_left_from_prometheus_3_on,
);
