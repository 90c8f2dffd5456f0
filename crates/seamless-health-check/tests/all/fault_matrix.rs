//! Faults of every endpoint that is asked, and what the check that asks it makes of them: all of them where an
//! answer is read in a way of its own, one of each sort elsewhere. The table beside this file is what the test
//! expects; `KEPT_TABLES=write` writes it anew.

use std::path::Path;
use std::time::Duration;

use seamless_lab::Received;
use seamless_lab::faults::catalogue::{CATALOGUE, Fault};
use seamless_lab::faults::{FaultMatrix, Reply, Trial};
use serde_json::{Value, json};

/// A few requests, each of which may take its timeout or be repeated.
const LONGEST: Duration = Duration::from_secs(60);

/// An endpoint, the check that asks it, and those that it would wait for: left out, since the fault
/// would hit them first.
struct Asked {
    endpoint: &'static str,
    check: &'static str,
    without: &'static [&'static str],
}

const PROMETHEUS_READY: &[&str] = &["prometheus/ready"];
const PROMETHEUS: &[&str] = &["prometheus/ready", "prometheus/queries"];

const fn asked(
    endpoint: &'static str,
    check: &'static str,
    without: &'static [&'static str],
) -> Asked {
    Asked {
        endpoint,
        check,
        without,
    }
}

const ASKED: [Asked; 13] = [
    asked("coordinator /health", "coordinator/health", &[]),
    asked(
        "coordinator /v1/leases/inspect",
        "coordinator/stuck-leases",
        &["coordinator/health"],
    ),
    asked("Prometheus /-/ready", "prometheus/ready", &[]),
    asked("Prometheus query", "prometheus/queries", PROMETHEUS_READY),
    // A query that is refused where others are answered; with `prometheus/queries` left out, a 404 here
    // is a skip.
    asked("Prometheus query", "prometheus/present", PROMETHEUS),
    asked("Prometheus query_range", "sla/p99", PROMETHEUS),
    asked("Prometheus metadata", "prometheus/types", PROMETHEUS),
    asked("Prometheus targets", "prometheus/targets", PROMETHEUS),
    asked("Prometheus rules", "alerting/rules-evaluated", PROMETHEUS),
    asked(
        "Prometheus alertmanagers",
        "alerting/alertmanager-known",
        PROMETHEUS,
    ),
    asked("Alertmanager /-/ready", "alerting/alertmanager-ready", &[]),
    asked(
        "Alertmanager status",
        "alerting/routes",
        &["alerting/alertmanager-ready"],
    ),
    asked("--metrics-url", "exposition/readable", &[]),
];

/// An endpoint that is judged by its status, one that answers queries as all others of Prometheus and
/// Alertmanager answer, and an exposition.
const MEETS_ALL: [&str; 3] = [
    "coordinator/health",
    "prometheus/queries",
    "exposition/readable",
];

/// One fault of each sort that some check judges in its own way.
const HANDFUL: [&str; 15] = [
    "connection refused",
    "reset once, then fine",
    "hangs before the headers",
    "cut off before the announced end",
    "HTTP/1.0",
    "302 to a login page",
    "400",
    "401",
    "404",
    "500",
    "503 once, then fine",
    "200 with an HTML page",
    "200 with an empty body",
    "200 with half of the JSON",
    "200 with another program's JSON",
];

/// Whether the check may pass all the same. Where an endpoint says it with its status, what the body
/// holds is nothing to go by, unless it is a web page.
fn may_pass(asked: &Asked, fault: Fault) -> bool {
    let more: &[&str] = match asked.check {
        // Healthy by its status, unless JSON or a web page says otherwise.
        "coordinator/health" => &[
            "cut off, the connection being the end",
            "200 with plain text",
            "200 with half of the JSON",
            "200 with bytes that are not UTF-8",
            "200 with NaN and huge numbers",
            "200 with an empty body",
            "200 with another program's JSON",
            "200 with deeply nested JSON",
            "200 with a member twice",
        ],
        "prometheus/ready" | "alerting/alertmanager-ready" => &[
            "cut off, the connection being the end",
            "200 with an empty body",
            "200 with plain text",
            "200 with half of the JSON",
            "200 with another program's JSON",
            "200 with deeply nested JSON",
            "200 with a member twice",
            "200 with bytes that are not UTF-8",
            "200 with NaN and huge numbers",
        ],
        // As Prometheus takes it; that nothing is exposed is for exposition/families to say.
        "exposition/readable" => &["200 with an empty body"],
        _ => &[],
    };
    fault.is_harmless() || more.contains(&fault.name)
}

/// What a healthy server of any kind answers.
fn polite(request: &Received) -> Reply {
    let now = jiff::Timestamp::now();
    let success = |data: Value| Reply::prometheus(&data);
    let vector = |labels: Value| {
        let result = json!([{ "metric": labels, "value": [now.as_second(), "1"] }]);
        success(json!({ "resultType": "vector", "result": result }))
    };
    let asked = format!("{:?} {}", request.query, request.text());
    match request.path.as_str() {
        "/health" => Reply::json(r#"{"status":"ok"}"#),
        "/v1/leases/inspect" => Reply::json(r#"{"leases":[]}"#),
        "/-/ready" => Reply::status(200).body("Ready.\n"),
        "/api/v1/query" if asked.contains("time%28%29") => success(
            json!({ "resultType": "scalar", "result": [now.as_second(), now.as_second().to_string()] }),
        ),
        "/api/v1/query" if asked.contains("histogram_quantile") => {
            vector(json!({ "phase": "total" }))
        }
        "/api/v1/query" => vector(json!({ "name": "coverage_ratio", "job": "seamless" })),
        "/api/v1/label/__name__/values" => success(json!(["coverage_ratio"])),
        "/api/v1/query_range" => success(json!({ "resultType": "matrix", "result": [] })),
        "/api/v1/metadata" => {
            success(json!({ "coverage_ratio": [{ "type": "gauge", "help": "", "unit": "" }] }))
        }
        "/api/v1/targets" => success(json!({ "activeTargets": [{
            "discoveredLabels": {},
            "labels": { "job": "seamless", "instance": "a:1" },
            "scrapePool": "seamless",
            "scrapeUrl": "http://a:1/metrics",
            "lastError": "",
            "lastScrape": now.to_string(),
            "health": "up",
            "scrapeInterval": "15s",
        }] })),
        "/api/v1/rules" => success(json!({ "groups": [{
            "name": "seamless-watchdog",
            "file": "alert_rules.yml",
            "interval": 30,
            "rules": [{
                "name": "SeamlessWatchdog",
                "type": "alerting",
                "query": "vector(1)",
                "health": "ok",
                "lastEvaluation": now.to_string(),
                "state": "firing",
                "duration": 0,
                "labels": {},
                "annotations": {},
                "alerts": [],
            }],
        }] })),
        "/api/v1/alertmanagers" => success(json!({
            "activeAlertmanagers": [{ "url": "http://a:9093/api/v2/alerts" }],
            "droppedAlertmanagers": [],
        })),
        "/api/v2/status" => {
            let routes = include_str!("../../../../alertmanager.yml");
            let status = json!({
                "config": { "original": routes },
                "versionInfo": { "version": "0.25.0" },
            });
            Reply::json(&status.to_string())
        }
        "/metrics" => Reply::status(200)
            .header("Content-Type", "text/plain; version=0.0.4")
            .body("# TYPE coverage_ratio gauge\ncoverage_ratio{node_id=\"n\"} 1\n"),
        _ => Reply::status(404),
    }
}

fn trial(asked: &Asked, fault: Fault) -> (Trial, String) {
    let faulty = fault.start(polite).unwrap();
    let mut arguments: Vec<String> = [
        "--output=json",
        "--timeout=8s",
        "--prometheus-metric=coverage_ratio",
    ]
    .map(str::to_owned)
    .to_vec();
    let url = faulty.url();
    arguments.push(format!("--only={}", asked.check));
    arguments.extend(asked.without.iter().map(|id| format!("--skip={id}")));
    arguments.push(format!("--coordinator-url={url}"));
    arguments.push(format!("--prometheus-url={url}"));
    arguments.push(format!("--alertmanager-url={url}"));
    if asked.check.starts_with("exposition") {
        arguments.push(format!("--metrics-url={url}/metrics"));
    }
    arguments.extend(faulty.arguments().iter().cloned());
    let program = env!("CARGO_BIN_EXE_seamless-health-check");
    let trial = Trial::run(Path::new(program), &arguments, &[], LONGEST).unwrap();
    let what = format!("{}, {}", asked.endpoint, fault.name);
    let document: Result<Value, _> = serde_json::from_str(&trial.stdout);
    assert!(document.is_ok(), "{what}: no JSON: {trial:?}");
    let document = document.unwrap();
    assert_eq!(document["exit_code"], trial.code.unwrap(), "{what}");
    let checks = document["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 1, "{what}: {checks:?}");
    let (verdict, message) = (&checks[0]["verdict"], &checks[0]["message"]);
    assert!(!message.as_str().unwrap().contains('\n'), "{what}");
    assert!(
        verdict != "pass" || may_pass(asked, fault),
        "{what}: {message}"
    );
    let serious = checks[0]["severity"] == "fail" && verdict != "skip";
    assert!(
        !serious || (trial.code == Some(0)) == (verdict == "pass"),
        "{what}: {message}"
    );
    (trial, verdict.as_str().unwrap().to_owned())
}

#[test]
fn every_fault_has_its_verdict_and_none_is_green() {
    let handful: Vec<Fault> = CATALOGUE
        .into_iter()
        .filter(|fault| HANDFUL.contains(&fault.name))
        .collect();
    assert_eq!(handful.len(), HANDFUL.len());
    let mut matrix = FaultMatrix::new("verdict");
    for asked in &ASKED {
        let endpoint = format!("{} ({})", asked.endpoint, asked.check);
        let faults = if MEETS_ALL.contains(&asked.check) {
            &CATALOGUE[..]
        } else {
            &handful
        };
        matrix.add(&endpoint, faults, |fault| trial(asked, fault));
    }
    matrix.check(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/fault_matrix.md"));
}
