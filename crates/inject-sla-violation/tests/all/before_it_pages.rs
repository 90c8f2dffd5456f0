//! A drill that would page for real asks a person first, and what a silenced one has left is taken back.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use seamless_lab::faults::{Behaviour, Faults, Refusing, Reply};
use seamless_lab::pty::{CTRL_C, Session};
use seamless_lab::servers::{Alertmanager, Prometheus};
use seamless_lab::wait_until;
use serde_json::{Value, json};

use crate::support::{Injector, PATIENCE, command};

/// An Alertmanager that pages by PagerDuty and tells the warnings to a chat.
fn alertmanager(pagerduty: &Faults) -> Alertmanager {
    Alertmanager::builder()
        .config(format!(
            "global: {{pagerduty_url: '{}/v2/enqueue'}}\n\
             route:\n  receiver: chat\n  routes:\n    - {{receiver: night-pager, matchers: ['severity=\"critical\"']}}\n\
             receivers:\n  - name: chat\n  - name: night-pager\n    pagerduty_configs: [{{routing_key: k}}]\n",
            pagerduty.url()
        ))
        .start()
        .unwrap()
}

/// A drill at a terminal, at its question.
fn asked(alertmanager: &Alertmanager, file: &str) -> Session {
    let mut drill = command();
    drill
        .args(["n", "--hold=10m", "--step=1s", "--write-to", file])
        .arg(format!("--alertmanager-url={}", alertmanager.url()));
    let session = Session::start(drill).unwrap();
    session.expect("Type y + Enter", PATIENCE).unwrap();
    session
}

fn nothing_starts_before_y_and_enter() {
    let pagerduty = Faults::always(Reply::status(202)).unwrap();
    let alertmanager = alertmanager(&pagerduty);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("drill.prom");
    let file = path.to_str().unwrap();

    for (keys, code) in [("n\r", 1), ("\r", 1), (CTRL_C, 130)] {
        let mut session = asked(&alertmanager, file);
        let plan = session.screen();
        assert!(
            plan.contains("receivers: night-pager (pagerduty)"),
            "{plan}"
        );
        assert!(plan.contains("Page for real?"), "{plan}");
        session.type_in(keys).unwrap();
        let ended = session.end(PATIENCE).unwrap();
        assert_eq!(ended.code(), Some(code), "{keys:?}: {}", session.screen());
        assert!(session.is_sane().unwrap(), "{keys:?}");
        assert!(!path.exists(), "{keys:?}: {}", session.screen());
    }

    let mut session = asked(&alertmanager, file);
    session.type_in("y").unwrap();
    // What was typed is shown, so it has arrived; and it is no answer yet.
    session.expect("Enter: y", PATIENCE).unwrap();
    assert!(!path.exists());
    session.type_in("\r").unwrap();
    wait_until(PATIENCE, "the drill's file", || path.exists()).unwrap();
    session.type_in(CTRL_C).unwrap();
    let ended = session.end(PATIENCE).unwrap();
    assert_eq!(ended.code(), Some(130), "{}", session.screen());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

fn what_a_killed_drill_has_sent_and_silenced_is_taken_back() {
    let pagerduty = Faults::always(Reply::status(202)).unwrap();
    let alertmanager = alertmanager(&pagerduty);
    let prometheus = Prometheus::builder()
        .remote_write_receiver()
        .start()
        .unwrap();
    let states = || -> Vec<String> {
        let silences = alertmanager.get("/api/v2/silences", &[]).unwrap();
        let silences: Value = serde_json::from_str(&silences).unwrap();
        let of = |silence: &Value| silence["status"]["state"].as_str().unwrap().to_owned();
        silences.as_array().unwrap().iter().map(of).collect()
    };
    let places = [
        format!("--remote-write={}/api/v1/write", prometheus.url()),
        format!("--alertmanager-url={}", alertmanager.url()),
    ];
    let places: Vec<&str> = places.iter().map(String::as_str).collect();
    let lasting = [
        "n",
        "--drill-id=killed",
        "--silence",
        "--hold=10m",
        "--step=1s",
    ];
    let mut arguments = lasting.to_vec();
    arguments.extend(&places);
    let drill = Injector::start(&arguments);
    let series = || prometheus.query("{drill=\"killed\"}").unwrap().len();
    wait_until(PATIENCE, "the drill's series", || series() > 0).unwrap();
    drill.signal("KILL");
    drill.end();
    assert_eq!(states(), ["active"]);
    assert!(series() > 0);

    let cleanup = |more: &[&str]| {
        let mut cleanup = command();
        cleanup.arg("--cleanup=killed").args(more).args(&places);
        cleanup.output().unwrap()
    };
    // Without the drill's node its series cannot be known.
    let unknown = cleanup(&[]);
    assert_eq!(unknown.status.code(), Some(2), "{unknown:?}");
    assert_eq!(states(), ["active"]);
    let removed = cleanup(&["n"]);
    assert_eq!(removed.status.code(), Some(0), "{removed:?}");
    assert_eq!(series(), 0, "{removed:?}");
    assert_eq!(states(), ["expired"]);
}

/// A silence goes by the label `drill`: what a rule does to it decides whether somebody is paged.
fn an_alert_that_no_silence_meets_asks_first() {
    let pagerduty = Faults::always(Reply::status(202)).unwrap();
    let alertmanager = alertmanager(&pagerduty);
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules.json");
    let own = |expr: &str, labels: Value| {
        let mut rule = json!({"alert": "Own", "expr": expr, "labels": {"severity": "critical"}});
        for (name, value) in labels.as_object().unwrap() {
            rule["labels"][name] = value.clone();
        }
        let text = json!({"groups": [{"name": "g", "interval": "1s", "rules": [rule]}]});
        fs::write(&rules, text.to_string()).unwrap();
    };
    let url = format!("--alertmanager-url={}", alertmanager.url());
    let given = format!("--rules={}", rules.display());
    let start = |more: &[&str]| {
        let mut drill = command();
        drill.args([
            "n",
            "--scenario=coverage",
            "--serve=0",
            "--hold=2m",
            "--silence",
        ]);
        drill.args([&*url, &*given]).args(more);
        let ended = drill.output().unwrap();
        let shown = [ended.stdout, ended.stderr].concat();
        (
            ended.status.code().unwrap(),
            String::from_utf8(shown).unwrap(),
        )
    };
    let ratio = "coverage_ratio < 0.9";
    for (expr, labels) in [
        ("max by (node_id) (coverage_ratio) < 0.9", json!({})),
        ("max without (drill) (coverage_ratio) < 0.9", json!({})),
        ("max(coverage_ratio) < 0.9", json!({})),
        (ratio, json!({"drill": "site"})),
    ] {
        own(expr, labels.clone());
        for more in [&[][..], &["--dry-run"]] {
            let (code, shown) = start(more);
            assert!(
                shown.contains("the silence does not mute Own"),
                "{expr} {labels}: {shown}"
            );
            assert!(!shown.contains("serving"), "{expr} {labels}: {shown}");
            assert_eq!(code, if more.is_empty() { 2 } else { 0 }, "{shown}");
        }
    }
    for (expr, labels) in [
        ("max by (node_id, drill) (coverage_ratio) < 0.9", json!({})),
        (ratio, json!({"drill": "{{ $labels.drill }}"})),
    ] {
        own(expr, labels);
        let (code, shown) = start(&["--dry-run"]);
        assert!(
            shown.contains("; silenced by this drill"),
            "{expr}: {shown}"
        );
        assert_eq!(code, 0, "{shown}");
    }
}

/// A silence that is taken away while its alerts fire pages for a drill that is over.
fn a_clean_up_leaves_a_silence_that_holds_back_an_alert() {
    let pagerduty = Faults::always(Reply::status(202)).unwrap();
    let alertmanager = alertmanager(&pagerduty);
    let url = format!("--alertmanager-url={}", alertmanager.url());
    let lasting = [
        "n",
        "--drill-id=killed",
        "--serve=0",
        "--silence",
        "--hold=10m",
    ];
    let mut drill = Injector::start(&[&lasting[..], &[&*url]].concat());
    drill.says("serving");
    drill.signal("KILL");
    drill.end();
    let post = |ends: &str| {
        let alert = json!([{
            "labels": {"alertname": "Slow", "severity": "critical", "drill": "killed"},
            "endsAt": ends,
        }]);
        let body = alert.to_string();
        let mut stream = TcpStream::connect(alertmanager.address()).unwrap();
        write!(
            stream,
            "POST /api/v2/alerts HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    };
    let held = || {
        let alerts = alertmanager.get("/api/v2/alerts", &[]).unwrap();
        let alerts: Value = serde_json::from_str(&alerts).unwrap();
        alerts.as_array().unwrap().len()
    };
    let cleanup = || {
        let mut cleanup = command();
        cleanup.args(["--cleanup=killed", &url]);
        let ended = cleanup.output().unwrap();
        let shown = [ended.stdout, ended.stderr].concat();
        (
            ended.status.code().unwrap(),
            String::from_utf8(shown).unwrap(),
        )
    };
    post("2999-01-01T00:00:00Z");
    wait_until(PATIENCE, "the alert", || held() == 1).unwrap();
    let (code, shown) = cleanup();
    assert_eq!(code, 1, "{shown}");
    assert!(
        shown.contains("still fire and would be sent now"),
        "{shown}"
    );
    post("2001-01-01T00:00:00Z");
    wait_until(PATIENCE, "the alert's end", || held() == 0).unwrap();
    let (code, shown) = cleanup();
    assert_eq!(code, 0, "{shown}");
    assert!(pagerduty.received().is_empty());
}

/// What a drill that is to be muted comes to.
fn muted(alertmanager: &str, more: &[&str]) -> (i32, Value, String) {
    let mut drill = command();
    drill
        .args(["n", "--serve=0", "--hold=2s", "--silence", "--output=json"])
        .arg(format!("--alertmanager-url={alertmanager}"))
        .args(more);
    let ended = drill.output().unwrap();
    let report = serde_json::from_slice(&ended.stdout).unwrap();
    let stderr = String::from_utf8(ended.stderr).unwrap();
    (ended.status.code().unwrap(), report, stderr)
}

#[test]
fn a_drill_that_cannot_be_muted_does_not_begin() {
    let refusing = Refusing::start().unwrap().url().unwrap();
    let answering = |behaviour: Behaviour| Faults::always(behaviour).unwrap();
    let servers = [
        answering(Reply::json("{}").into()),
        answering(Reply::html().into()),
        answering(Reply::status(403).into()),
        answering(Behaviour::HangBeforeHeaders),
    ];
    let mut urls: Vec<String> = servers.iter().map(Faults::url).collect();
    urls.push(refusing);
    for (number, url) in urls.iter().enumerate() {
        let begun = std::time::Instant::now();
        let (code, report, stderr) = muted(url, &["--timeout=500ms"]);
        assert!(begun.elapsed() < PATIENCE, "{number}: {stderr}");
        assert_eq!(code, 1, "{number}: {stderr}");
        assert!(!stderr.contains("serving"), "{number}: {stderr}");
        let silence = &report["sinks"][1];
        assert_eq!(silence["sink"], "silence", "{number}: {report:#}");
        assert_eq!(silence["delivered"], 0, "{number}: {report:#}");
        assert_eq!(silence["failed"], 1, "{number}: {report:#}");
        assert!(silence["error"].is_string(), "{number}: {report:#}");
    }
    // Neither a signal nor the deadline waits for a server that does not answer.
    let (code, report, stderr) = muted(&servers[3].url(), &["--timeout=60s", "--deadline=2s"]);
    assert_eq!(code, 3, "{report:#} {stderr}");
}

fn a_silence_that_is_lost_is_told() {
    let pagerduty = Faults::always(Reply::status(202)).unwrap();
    let alertmanager = alertmanager(&pagerduty);
    let lasting = [
        "n",
        "--serve=0",
        "--silence",
        "--hold=3s",
        "--deadline=8s",
        "--output=json",
    ];
    let url = format!("--alertmanager-url={}", alertmanager.url());
    let arguments = [&lasting[..], &[&*url]].concat();
    let mut drill = Injector::start(&arguments);
    drill.says("serving");
    {
        let listed = alertmanager.get("/api/v2/silences", &[]).unwrap();
        let listed: Value = serde_json::from_str(&listed).unwrap();
        let id = listed[0]["id"].as_str().unwrap().to_owned();
        let mut stream = TcpStream::connect(alertmanager.address()).unwrap();
        write!(stream, "DELETE /api/v2/silence/{id} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    }
    let ended = drill.end();
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{report:#}");
    let told = report["sinks"][1]["error"].as_str().unwrap();
    assert!(told.contains("gone before the end"), "{told}");

    let mut drill = Injector::start(&arguments);
    drill.says("serving");
    drop(alertmanager);
    let ended = drill.end();
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{report:#}");
    assert_eq!(report["sinks"][1]["cleaned_up"], false, "{report:#}");
    let told = report["sinks"][1]["error"].as_str().unwrap();
    assert!(told.contains("--cleanup"), "{told}");
}

seamless_lab::on_both_generations!(
    nothing_starts_before_y_and_enter,
    what_a_killed_drill_has_sent_and_silenced_is_taken_back,
    a_silence_that_is_lost_is_told,
    an_alert_that_no_silence_meets_asks_first,
    a_clean_up_leaves_a_silence_that_holds_back_an_alert,
);
