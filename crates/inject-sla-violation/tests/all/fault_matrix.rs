//! A fault of each sort at every endpoint that a drill delivers to or asks, and what the program makes of it. The
//! table beside this file is what the test expects; `KEPT_TABLES=write` writes it anew.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use seamless_lab::Received;
use seamless_lab::faults::catalogue::{CATALOGUE, Fault};
use seamless_lab::faults::{FaultMatrix, Reply, Trial};
use serde_json::{Value, json};

use crate::support::empty_gateway;

const TIMEOUT: &str = "--timeout=3s";
/// One request may take its timeout and be repeated; the drill itself lasts a second, the clean-up is
/// one request more, and the closed loop asks a few.
const LONGEST: Duration = Duration::from_secs(90);

/// Runs the program, which prints a report; how it ended.
fn run(fault: Fault, arguments: &[String]) -> (Trial, Value) {
    let program = env!("CARGO_BIN_EXE_inject-sla-violation");
    let trial = Trial::run(Path::new(program), arguments, &[], LONGEST).unwrap();
    let report: Result<Value, _> = serde_json::from_str(&trial.stdout);
    assert!(report.is_ok(), "{}: no JSON: {trial:?}", fault.name);
    let report = report.unwrap();
    assert_eq!(report["exit_code"], trial.code.unwrap(), "{}", fault.name);
    (trial, report)
}

fn delivered(sink: &'static str) -> impl Fn(Fault) -> (Trial, String) + Sync {
    move |fault| {
        let faulty = fault.start(|_| empty_gateway()).unwrap();
        let mut arguments: Vec<String> = [
            "n",
            "--yes",
            "--hold=1s",
            "--step=300ms",
            "--output=json",
            TIMEOUT,
            &format!("--{sink}={}", faulty.url()),
        ]
        .map(str::to_owned)
        .to_vec();
        arguments.extend(faulty.arguments().iter().cloned());
        let (trial, report) = run(fault, &arguments);
        let outcome = report["outcome"].as_str().unwrap().to_owned();
        (trial, outcome)
    }
}

/// How far the servers let an expected alert come.
#[derive(Clone, Copy, PartialEq)]
enum Come {
    /// Its expression is true, and it is not pending: the stages before are asked for one by one.
    True,
    /// Prometheus fires it, and Alertmanager does not have it.
    Firing,
    /// All the way.
    Received,
}

/// An endpoint that the closed loop asks.
struct Asked {
    endpoint: &'static str,
    /// Whether a request is one to it.
    at: fn(&Received) -> bool,
    come: Come,
}

const ALERT: &str = "Slow";
const DRILL: &str = "d";
const EXPRESSION: &str = "slow_by_drill > 1";
const ALERTMANAGER_ALERTS: &str = "/api/v2/alerts";

const ASKED: [Asked; 6] = [
    Asked {
        endpoint: "Prometheus targets",
        at: |request| request.path == "/api/v1/targets",
        come: Come::True,
    },
    Asked {
        endpoint: "Prometheus query (samples)",
        at: |request| request.path == "/api/v1/query" && !asks_expression(request),
        come: Come::True,
    },
    Asked {
        endpoint: "Prometheus query (expression)",
        at: asks_expression,
        come: Come::True,
    },
    Asked {
        endpoint: "Prometheus rules",
        at: |request| request.path == "/api/v1/rules",
        come: Come::Received,
    },
    Asked {
        endpoint: "Prometheus alertmanagers",
        at: |request| request.path == "/api/v1/alertmanagers",
        come: Come::Firing,
    },
    Asked {
        endpoint: "Alertmanager alerts",
        at: |request| request.path == ALERTMANAGER_ALERTS,
        come: Come::Received,
    },
];

fn asks_expression(request: &Received) -> bool {
    let query = request.query.as_deref().unwrap_or_default();
    query.contains("slow_by_drill")
}

/// What well servers answer about an alert that has come that far.
fn polite(request: &Received, come: Come) -> Reply {
    let labels = json!({ "alertname": ALERT, "drill": DRILL });
    let vector =
        json!({ "resultType": "vector", "result": [{ "metric": labels, "value": [0, "2"] }] });
    match request.path.as_str() {
        "/api/v1/targets" => Reply::prometheus(&json!({ "activeTargets": [{
            "labels": labels,
            "scrapeUrl": "http://a:1/metrics",
            "health": "up",
            "scrapeInterval": "15s",
        }] })),
        "/api/v1/query" => Reply::prometheus(&vector),
        "/api/v1/rules" => {
            let alert = json!({ "labels": labels, "state": "firing", "value": "2" });
            let alerts = if come == Come::True {
                json!([])
            } else {
                json!([alert])
            };
            Reply::prometheus(&json!({ "groups": [{ "name": "g", "rules": [{
                "name": ALERT,
                "type": "alerting",
                "query": EXPRESSION,
                "health": "ok",
                "alerts": alerts,
            }] }] }))
        }
        "/api/v1/alertmanagers" => Reply::prometheus(&json!({
            "activeAlertmanagers": [{ "url": "http://a:9093/api/v2/alerts" }],
            "droppedAlertmanagers": [],
        })),
        ALERTMANAGER_ALERTS if come == Come::Received => {
            let held = json!([{
                "labels": labels,
                "receivers": [{ "name": "slack" }],
                "status": { "state": "active" },
            }]);
            Reply::json(&held.to_string())
        }
        ALERTMANAGER_ALERTS => Reply::json("[]"),
        _ => Reply::status(404),
    }
}

/// What a well Alertmanager tells of a webhook that is called between the first look and the second.
fn sending(request: &Received, looks: &AtomicUsize) -> Option<Reply> {
    const REQUESTS: &str = "alertmanager_notification_requests_total";
    let yaml = "route: {receiver: hook}\nreceivers:\n  - name: hook\n    webhook_configs: [{url: 'http://h'}]\n";
    let query = request.query.as_deref().unwrap_or_default();
    Some(match request.path.as_str() {
        // Whether the drill's id is free: it is.
        "/api/v1/query" if query.contains("last_over_time") => Reply::prometheus(
            &json!({"resultType": "vector", "result": [{"metric": {}, "value": [0, "0"]}]}),
        ),
        "/api/v2/status" => Reply::json(
            &json!({"config": {"original": yaml}, "versionInfo": {"version": "0"}, "cluster": {"status": "disabled"}})
                .to_string(),
        ),
        "/api/v2/silences" => Reply::json("[]"),
        "/metrics" => {
            let look = looks.fetch_add(1, Ordering::SeqCst);
            let text = format!("# TYPE {REQUESTS} counter\n{REQUESTS}{{integration=\"webhook\"}} {look}\n");
            Reply::status(200)
                .header("Content-Type", "text/plain; version=0.0.4")
                .body(text)
        }
        "/api/v2/alerts/groups" if looks.load(Ordering::SeqCst) < 2 => Reply::json("[]"),
        "/api/v2/alerts/groups" => {
            let alert = json!({
                "labels": {"alertname": ALERT, "drill": DRILL},
                "receivers": [{"name": "hook"}],
                "status": {"state": "active"},
            });
            let group = json!([{"labels": {}, "receiver": {"name": "hook"}, "alerts": [alert]}]);
            Reply::json(&group.to_string())
        }
        _ => return None,
    })
}

/// An expected alert, with the fault at one of the endpoints that are asked about it.
fn followed(asked: &Asked, fault: Fault) -> (Trial, String) {
    let come = asked.come;
    let looks = AtomicUsize::new(0);
    let faulty = fault
        .start_at(asked.at, move |request| {
            sending(request, &looks).unwrap_or_else(|| polite(request, come))
        })
        .unwrap();
    let mut arguments: Vec<String> = [
        "n",
        "--yes",
        "--serve=0",
        "--step=500ms",
        "--within=1s",
        "--output=json",
        TIMEOUT,
    ]
    .map(str::to_owned)
    .to_vec();
    arguments.push(format!("--drill-id={DRILL}"));
    arguments.push(format!("--expect-alert={ALERT}"));
    arguments.push(format!("--prometheus-url={}", faulty.url()));
    if come != Come::True {
        arguments.push(format!("--alertmanager-url={}", faulty.url()));
    }
    arguments.extend(faulty.arguments().iter().cloned());
    let (trial, report) = run(fault, &arguments);
    let missed = &report["expectations"][0]["missed"];
    let outcome = match (missed["stage"].as_str(), missed["reason"].as_str()) {
        (Some(stage), Some(reason)) => format!("{stage} missed: {reason}"),
        _ => report["outcome"].as_str().unwrap().to_owned(),
    };
    let what = format!("{}, {}: {report:#}", asked.endpoint, fault.name);
    let arrived = come == Come::Received && fault.is_harmless();
    assert_eq!(trial.code == Some(0), arrived, "{what}");
    (trial, outcome)
}

/// The plan by the rules that a Prometheus has loaded.
fn planned(fault: Fault) -> (Trial, String) {
    let faulty = fault.start(|request| polite(request, Come::True)).unwrap();
    let mut arguments: Vec<String> = ["n", "--dry-run", "--output=json", TIMEOUT]
        .map(str::to_owned)
        .to_vec();
    arguments.push(format!("--prometheus-url={}", faulty.url()));
    arguments.extend(faulty.arguments().iter().cloned());
    let (trial, plan) = run(fault, &arguments);
    let told = plan["alerts"].as_array().unwrap().len();
    let harmless = fault.is_harmless();
    assert_eq!(trial.code == Some(0), harmless, "{}: {plan:#}", fault.name);
    assert_eq!(told > 0, harmless, "{}: {plan:#}", fault.name);
    (trial, format!("{told} alerts told"))
}

/// One fault of each sort: all of them are held against the client itself, where they differ.
const HANDFUL: [&str; 12] = [
    "connection refused",
    "reset once, then fine",
    "hangs before the headers",
    "cut off before the announced end",
    "HTTP/1.0",
    "302 to a login page",
    "401",
    "500",
    "503 once, then fine",
    "200 with an HTML page",
    "200 with an empty body",
    "200 with another program's JSON",
];

#[test]
fn every_fault_has_its_outcome() {
    let faults: Vec<Fault> = CATALOGUE
        .into_iter()
        .filter(|fault| HANDFUL.contains(&fault.name))
        .collect();
    assert_eq!(faults.len(), HANDFUL.len());
    let mut matrix = FaultMatrix::new("outcome");
    for sink in ["push-gateway", "remote-write"] {
        matrix.add(&format!("--{sink}"), &faults, delivered(sink));
    }
    for asked in &ASKED {
        matrix.add(asked.endpoint, &faults, |fault| followed(asked, fault));
    }
    matrix.add("Prometheus rules (--dry-run)", &faults, planned);
    matrix.check(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/fault_matrix.md"));
}
