//! No server, pipe or signal keeps a run from ending in time and with what it knows.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::{JsonRun, PATIENCE, program};
use seamless_lab::faults::{Behaviour, Faults, Reply};
use seamless_lab::wait_until;
use serde_json::Value;

const EXPOSITION: &str = "\
# TYPE coverage_ratio gauge
coverage_ratio{node_id=\"n\",interval=\"60\",world_id=\"w\"} 1
";

/// The program, asked for nothing but the coordinator at that server.
fn coordinator(server: &Faults) -> Command {
    let mut command = program();
    command
        .args(["--only", "coordinator", "--coordinator-url"])
        .arg(server.url());
    command
}

/// The program, asked for nothing but the exposition on its stdin.
fn piped() -> Command {
    let mut command = program();
    command
        .args(["--metrics-file", "-", "--only", "exposition"])
        .args(["--prometheus-metric", "coverage_ratio"]);
    command
}

fn started(command: &mut Command) -> Child {
    command
        .args(["--output", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The document that a started program prints, and its exit code.
fn ended(mut child: Child) -> (Value, Option<i32>) {
    let mut text = String::new();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_to_string(&mut text).unwrap();
    let code = child.wait().unwrap().code();
    (serde_json::from_str(&text).unwrap(), code)
}

#[test]
fn a_server_that_keeps_on_costs_its_timeout_and_the_stage_is_named() {
    let polite = || Reply::json("{\"status\":\"ok\"}");
    for (behaviour, says) in [
        (Behaviour::HangBeforeHeaders, "waiting for the answer"),
        (
            Behaviour::HangWithinHeaders(polite()),
            "waiting for the answer",
        ),
        (Behaviour::HangInBody(polite()), "reading the body"),
        (
            Behaviour::Dribble(polite(), Duration::from_millis(300)),
            "no answer within 1s",
        ),
        (Behaviour::EndlessBody, "larger than 1048576 bytes"),
        (Reply::html().into(), "HTML"),
    ] {
        let server = Faults::choose(move |_, _| behaviour.clone()).unwrap();
        let began = Instant::now();
        let run = JsonRun::of(coordinator(&server).args(["--timeout", "1s"]));
        let took = began.elapsed();
        let (verdict, message) = run.check("coordinator/health");
        assert_eq!((verdict, run.code), ("fail", 1), "{message}");
        assert!(message.contains(says), "{message}");
        // Far more than the timeout, for a busy machine; far less than for ever.
        assert!(took < Duration::from_secs(20), "{took:?}: {message}");
    }
}

#[test]
fn past_the_deadline_what_is_known_is_said_and_the_rest_is_unknown() {
    let server = Faults::choose(|request, _| match request.path.as_str() {
        "/health" => Reply::json("{\"status\":\"ok\"}").into(),
        _ => Behaviour::HangBeforeHeaders,
    })
    .unwrap();
    let run = JsonRun::of(coordinator(&server).args(["--deadline", "2s", "--timeout", "60s"]));
    assert_eq!(run.code, 3, "{:#}", run.document);
    assert_eq!(run.check("coordinator/health").0, "pass");
    let (verdict, message) = run.check("coordinator/stuck-leases");
    assert_eq!(verdict, "skip");
    assert!(message.contains("deadline passed"), "{message}");
}

#[test]
fn a_proven_failure_outranks_what_stayed_unknown() {
    let server = Faults::choose(|_, _| Behaviour::HangBeforeHeaders).unwrap();
    let run = JsonRun::of(
        coordinator(&server)
            .args(["--deadline", "2s", "--timeout", "60s"])
            .args(["--only", "environment", "--required-env", "NO_SUCH"]),
    );
    assert_eq!(run.code, 1);
    assert_eq!(run.check("environment/variables").0, "fail");
}

#[test]
fn waiting_ends_when_it_is_healthy() {
    let healthy = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&healthy);
    let server = Faults::choose(move |request, _| {
        let state = if seen.load(Ordering::SeqCst) {
            "ok"
        } else {
            "starting"
        };
        match request.path.as_str() {
            "/health" => Reply::json(&format!("{{\"status\":\"{state}\"}}")).into(),
            _ => Reply::json("{\"leases\":[]}").into(),
        }
    })
    .unwrap();
    let mut command = coordinator(&server);
    command.args(["--wait", "90s", "--interval", "200ms"]);
    let child = started(&mut command);
    wait_until(PATIENCE, "a second round", || server.received().len() > 3).unwrap();
    healthy.store(true, Ordering::SeqCst);
    let (document, code) = ended(child);
    assert_eq!(code, Some(0), "{document:#}");
    assert!(document["rounds"].as_u64().unwrap() > 1);
}

#[test]
fn waiting_ends_when_its_time_is_over() {
    let server = Faults::choose(|_, _| Reply::json("{\"status\":\"starting\"}").into()).unwrap();
    let mut command = coordinator(&server);
    command.args([
        "--wait",
        "1500ms",
        "--interval",
        "200ms",
        "--output",
        "json",
    ]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("not healthy yet"), "{stderr}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(document["rounds"].as_u64().unwrap() > 1, "{document:#}");
}

#[test]
fn what_a_whole_round_found_is_not_lost_when_the_next_one_has_no_time() {
    let hangs = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&hangs);
    let server = Faults::choose(move |request, _| match request.path.as_str() {
        "/health" if seen.swap(true, Ordering::SeqCst) => Behaviour::HangBeforeHeaders,
        "/health" => Reply::json("{\"status\":\"starting\"}").into(),
        _ => Reply::json("{\"leases\":[]}").into(),
    })
    .unwrap();
    for interval in ["100ms", "60s"] {
        hangs.store(false, Ordering::SeqCst);
        let mut command = coordinator(&server);
        command.args(["--timeout", "60s"]);
        command.args(["--deadline", "2s", "--wait", "90s", "--interval", interval]);
        let run = JsonRun::of(&mut command);
        let (verdict, message) = run.check("coordinator/health");
        assert_eq!((verdict, run.code), ("fail", 1), "{interval}: {message}");
        assert!(message.contains("starting"), "{interval}: {message}");
    }
}

#[test]
fn an_interrupted_run_reports_what_it_knows() {
    let server = Faults::choose(|request, _| match request.path.as_str() {
        "/health" => Reply::json("{\"status\":\"ok\"}").into(),
        _ => Behaviour::HangBeforeHeaders,
    })
    .unwrap();
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let before = server.received().len();
        let mut command = coordinator(&server);
        let child = started(command.args(["--timeout", "90s"]));
        wait_until(PATIENCE, "its requests", || {
            server.received().len() > before + 1
        })
        .unwrap();
        // The first has been answered; that the answer has been read cannot be seen from here.
        std::thread::sleep(Duration::from_millis(500));
        seamless_lab::signal(child.id(), signal).unwrap();
        let (document, ended) = ended(child);
        assert_eq!(ended, Some(code), "{document:#}");
        assert_eq!(document["stopped_by"], format!("SIG{signal}"));
        assert_eq!(document["checks"][0]["verdict"], "pass");
        assert_eq!(document["checks"][1]["verdict"], "skip");
        let message = document["checks"][1]["message"].as_str().unwrap();
        assert_eq!(message, format!("SIG{signal} came before the answer"));
    }
}

#[test]
fn a_closed_pipe_does_not_make_a_bad_verdict_good() {
    let server = Faults::choose(|_, _| Reply::status(500).into()).unwrap();
    let mut command = coordinator(&server);
    let mut child = started(&mut command);
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn what_counts_as_bad_can_be_chosen() {
    let server = Faults::choose(|request, _| match request.path.as_str() {
        "/health" => Reply::json("{\"status\":\"ok\"}").into(),
        // No list, which is no verdict on the coordinator.
        _ => Reply::status(500).into(),
    })
    .unwrap();
    let run = JsonRun::of(&mut coordinator(&server));
    assert_eq!(run.check("coordinator/stuck-leases").0, "warn");
    assert_eq!(run.code, 0);
    let run = JsonRun::of(coordinator(&server).args(["--fail-on", "warn"]));
    assert_eq!(run.code, 1);
}

#[test]
fn a_pipe_that_says_nothing_costs_no_more_than_the_deadline() {
    let mut child = started(piped().args(["--deadline", "1s"]));
    let open = child.stdin.take();
    let (document, code) = ended(child);
    assert_eq!(code, Some(3), "{document:#}");
    let message = document["checks"][0]["message"].as_str().unwrap();
    assert_eq!(message, "reading stdin: the run's deadline passed");
    drop(open);
}

#[test]
fn a_pipe_is_read_once_however_many_rounds_there_are() {
    let mut command = piped();
    command.args(["--prometheus-metric", "live_staleness_seconds"]);
    let mut child = started(command.args(["--wait", "1s", "--interval", "100ms"]));
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(EXPOSITION.as_bytes()).unwrap();
    drop(stdin);
    let (document, code) = ended(child);
    assert_eq!(code, Some(1));
    assert!(document["rounds"].as_u64().unwrap() > 1, "{document:#}");
    // Still there in the last round, and still lacking what it lacked.
    let checks = document["checks"].as_array().unwrap();
    let check = |id: &str| checks.iter().find(|check| check["id"] == id).unwrap();
    assert_eq!(
        check("exposition/readable")["verdict"],
        "pass",
        "{document:#}"
    );
    let message = check("exposition/families")["message"].as_str().unwrap();
    assert_eq!(message, "live_staleness_seconds: is not exposed");
}

#[test]
fn a_file_is_read_anew_in_every_round() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics");
    std::fs::write(&path, "").unwrap();
    let mut command = program();
    command.arg("--metrics-file").arg(&path);
    command
        .args([
            "--only",
            "exposition",
            "--prometheus-metric",
            "coverage_ratio",
        ])
        .args(["--wait", "90s", "--interval", "100ms"]);
    let child = started(&mut command);
    std::fs::write(&path, EXPOSITION).unwrap();
    let (document, code) = ended(child);
    assert_eq!(code, Some(0), "{document:#}");
}

#[test]
fn an_input_without_end_is_refused() {
    let run = JsonRun::of(
        program()
            .args(["--metrics-file", "/dev/zero"])
            .args(["--only", "exposition"]),
    );
    assert_eq!(run.code, 1);
    let (verdict, message) = run.check("exposition/readable");
    assert_eq!(verdict, "fail");
    assert!(message.contains("larger than 256 MiB"), "{message}");
}

#[test]
fn an_answer_in_the_servers_place_is_told_from_its_own() {
    let refused = r#"{"status":"error","errorType":"internal","error":"tenant limit reached"}"#;
    let nothing = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
    for (answer, says) in [
        (refused, "tenant limit reached"),
        (nothing, "the answer to the query time() holds no time"),
    ] {
        let server = Faults::choose(move |request, _| match request.path.as_str() {
            "/-/ready" => Reply::status(200).body("ready").into(),
            _ => Reply::json(answer).into(),
        })
        .unwrap();
        let mut command = program();
        command.args(["--prometheus-url", &server.url()]);
        let run = JsonRun::of(command.args(["--only", "prometheus/queries"]));
        let (verdict, message) = run.check("prometheus/queries");
        assert_eq!(verdict, "fail", "{message}");
        assert!(message.contains(says), "{message}");
    }
}

/// A gateway that answers with an empty page counts no failure, which proves nothing.
#[test]
fn where_nothing_counts_notifications_none_is_said_to_arrive() {
    let config =
        "route: {receiver: a}\nreceivers: [{name: a, pagerduty_configs: [{routing_key: x}]}]";
    let status =
        serde_json::json!({"config": {"original": config}, "cluster": {"status": "ready"}});
    let server = Faults::choose(move |request, _| match request.path.as_str() {
        "/api/v2/status" => Reply::json(&status.to_string()).into(),
        "/api/v2/alerts" | "/api/v2/silences" => Reply::json("[]").into(),
        "/-/ready" | "/metrics" => Reply::status(200).into(),
        _ => Reply::status(404).into(),
    })
    .unwrap();
    let mut command = program();
    command.args(["--alertmanager-url", &server.url()]);
    let run = JsonRun::of(command.args(["--only", "alerting/delivered"]));
    let (verdict, message) = run.check("alerting/delivered");
    assert_eq!(verdict, "skip", "{message}");
    assert!(
        message.contains("alertmanager_notifications_total"),
        "{message}"
    );
}

#[test]
fn a_refused_query_is_an_error_and_a_missing_endpoint_is_not() {
    let clock = r#"{"status":"success","warnings":["partial answer"],"data":{"resultType":"scalar","result":[1700000000,"1700000000"]}}"#;
    let server = Faults::choose(move |request, _| {
        let query = request.query.as_deref().unwrap_or_default();
        match request.path.as_str() {
            "/-/ready" => Reply::status(200).body("ready").into(),
            "/api/v1/query" if query == "query=time%28%29" => Reply::json(clock).into(),
            // As a proxy answers a query that it does not like, and VictoriaMetrics an unknown path.
            _ => Reply::status(400).body("unsupported").into(),
        }
    })
    .unwrap();
    let mut command = program();
    command.args(["--prometheus-url", &server.url()]);
    command.args([
        "--only",
        "prometheus/present",
        "--only",
        "alerting/alertmanager-known",
    ]);
    let run = JsonRun::of(&mut command);
    let (verdict, message) = run.check("prometheus/present");
    assert_eq!(verdict, "fail", "{message}");
    assert!(message.contains("400"), "{message}");
    assert_eq!(run.check("alerting/alertmanager-known").0, "skip");
    let warnings = &run.document["warnings"];
    assert_eq!(warnings[0], "Prometheus says: partial answer", "{warnings}");
}
