//! The group `telemetry`: the real runtime's log and traces pass, and what is wrong with others is named.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::{JsonRun, PATIENCE, program};
use seamless_lab::coordinator::Coordinator;
use seamless_lab::faults::{Faults, Reply};
use seamless_lab::runtime::{Misbehaviour, Runtime};
use seamless_lab::wait_until;
use serde_json::Value;

const CLAIMED: &str = "seamless.backfill.coordinator_claimed";
const COMPLETED: &str = "seamless.backfill.coordinator_completed";

fn check(log: Option<&Path>, traces: Option<&str>) -> Command {
    let mut command = program();
    command.args(["--only", "telemetry"]);
    if let Some(log) = log {
        command.arg("--logs").arg(log);
    }
    if let Some(traces) = traces {
        command.args(["--traces", traces]);
    }
    command
}

fn events(log: &Path) -> Vec<Value> {
    fs::read_to_string(log)
        .unwrap_or_default()
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

fn has(log: &Path, event: &str) -> bool {
    events(log).iter().any(|line| line["event"] == event)
}

#[test]
fn the_log_and_traces_of_a_runtime_pass_and_what_is_taken_out_of_them_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log.jsonl");
    let traces = dir.path().join("traces.jsonl");
    let coordinator = Coordinator::start().unwrap();
    let runtime = Runtime::builder()
        .coordinator(coordinator.url())
        .tick(Duration::from_millis(50))
        .backfill(Duration::from_millis(500))
        .log(&log)
        .traces_to_file(&traces)
        .start()
        .unwrap();
    wait_until(PATIENCE, "a completed lease", || has(&log, COMPLETED)).unwrap();

    // While it is well, what is wrong elsewhere does not occur, and that is no fault.
    let run = JsonRun::of(&mut check(Some(&log), None));
    assert_eq!(run.code, 0, "{:#}", run.document);
    assert_eq!(
        run.ids("pass"),
        ["telemetry/log", "telemetry/backfill-events"]
    );
    assert_eq!(run.check("telemetry/sla-events").0, "skip");

    runtime.misbehave(Misbehaviour::SlowStorage);
    runtime.misbehave(Misbehaviour::StaleFeed);
    wait_until(PATIENCE, "downgrades", || {
        has(&log, "seamless.sla.downgrade") && has(&log, "seamless.domain_gate.downgrade")
    })
    .unwrap();
    runtime.misbehave(Misbehaviour::VendorOutage);
    wait_until(PATIENCE, "a failed lease", || {
        has(&log, "seamless.backfill.coordinator_failed")
    })
    .unwrap();
    drop(runtime);

    let shown = traces.to_str().unwrap();
    let run = JsonRun::of(&mut check(Some(&log), Some(shown)));
    assert_eq!(run.code, 0, "{:#}", run.document);
    let all_but_the_receiver = [
        "telemetry/log",
        "telemetry/backfill-events",
        "telemetry/sla-events",
        "telemetry/domain-gate-events",
        "telemetry/spans",
        "telemetry/leases",
    ];
    assert_eq!(run.ids("pass"), all_but_the_receiver, "{:#}", run.document);
    let (_, message) = run.check("telemetry/leases");
    let lease = message
        .split(' ')
        .find(|word| word.contains(":60:"))
        .expect("the message names a lease");
    assert!(fs::read_to_string(&traces).unwrap().contains(lease));

    // Each fault is put into a copy of the real thing.
    let text = fs::read_to_string(&log).unwrap();
    let spans = fs::read_to_string(&traces).unwrap();
    let broken_log = dir.path().join("broken.jsonl");
    let broken_traces = dir.path().join("broken-traces.jsonl");
    let named = |log_text: &str, trace_text: &str, id: &str, verdict: &str, words: &[&str]| {
        fs::write(&broken_log, log_text).unwrap();
        fs::write(&broken_traces, trace_text).unwrap();
        let run = JsonRun::of(&mut check(Some(&broken_log), broken_traces.to_str()));
        let (found, message) = run.check(id);
        assert_eq!(found, verdict, "{id}: {message}");
        for word in words {
            assert!(message.contains(word), "{word:?} in {message:?}");
        }
        assert_eq!(run.code, i32::from(verdict == "fail"), "{:#}", run.document);
    };
    let without = |event: &str, field: &str| {
        let mut lines: Vec<String> = Vec::new();
        for mut line in events(&log) {
            if line["event"] == event {
                line.as_object_mut().unwrap().remove(field);
            }
            lines.push(line.to_string());
        }
        lines.join("\n") + "\n"
    };
    for (event, field, id) in [
        (CLAIMED, "lease_token", "telemetry/backfill-events"),
        (CLAIMED, "world", "telemetry/backfill-events"),
        (COMPLETED, "coordinator_id", "telemetry/backfill-events"),
        (
            "seamless.backfill.coordinator_failed",
            "reason",
            "telemetry/backfill-events",
        ),
        (
            "seamless.sla.phase_exceeded",
            "elapsed_ms",
            "telemetry/sla-events",
        ),
        ("seamless.sla.downgrade", "mode", "telemetry/sla-events"),
        (
            "seamless.domain_gate.downgrade",
            "execution_domain",
            "telemetry/domain-gate-events",
        ),
    ] {
        let line = events(&log).iter().position(|line| line["event"] == event);
        let place = format!("first in line {}", line.unwrap() + 1);
        let words = [event, &format!("{field} is missing"), &place];
        named(&without(event, field), &spans, id, "fail", &words);
    }
    named(
        &text.replace(CLAIMED, "coordinator_claimed"),
        &spans,
        "telemetry/backfill-events",
        "warn",
        &[CLAIMED, "is not in the log"],
    );
    named(
        &text.replace("seamless.backfill.", "backfill."),
        &spans,
        "telemetry/backfill-events",
        "fail",
        &["no lease event in ", " INFO"],
    );
    named(
        &text.replace("seamless.sla.phase_exceeded", "phase_exceeded"),
        &spans,
        "telemetry/sla-events",
        "warn",
        &["is not in the log, though a span of"],
    );
    named(
        &format!("{{\"event\": oops}}\n{text}"),
        &spans,
        "telemetry/log",
        "warn",
        &["1 of ", "line 1 (no JSON object"],
    );
    named(
        &text,
        &spans.replace("seamless.pipeline", "pipeline"),
        "telemetry/spans",
        "warn",
        &["seamless.pipeline: none of"],
    );
    named(
        &text,
        &spans.replace("sla.phase", "phase"),
        "telemetry/spans",
        "fail",
        &["sla.phase: none of"],
    );
    named(
        &text,
        &spans.replace(r#""live_wait""#, r#""livewait""#),
        "telemetry/spans",
        "fail",
        &["no such phase: \"livewait\""],
    );
    named(
        &text,
        &format!("{{\"resourceSpans\":[\n{spans}"),
        "telemetry/spans",
        "warn",
        &["line 1 (no OTLP/JSON export of spans"],
    );
    named(
        &text,
        &spans.replace(":60:", ":61:"),
        "telemetry/leases",
        "fail",
        &["none of", "in the log is among the"],
    );
}

#[test]
fn what_cannot_be_read_is_said_and_never_passes() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_str().unwrap();
    let missing = dir.path().join("none.jsonl");
    let empty = dir.path().join("empty.jsonl");
    let text = dir.path().join("text.log");
    fs::write(&empty, "").unwrap();
    fs::write(&text, "{\"event\":\n{1}\n").unwrap();
    for (path, words) in [
        (missing.to_str().unwrap(), "No such file"),
        (folder, "Is a directory"),
        (empty.to_str().unwrap(), "empty"),
        (text.to_str().unwrap(), "2 of 2 lines are broken: line 1 ("),
    ] {
        let run = JsonRun::of(&mut check(Some(Path::new(path)), None));
        assert_eq!(run.code, 1);
        let (verdict, message) = run.check("telemetry/log");
        assert_eq!(verdict, "fail");
        assert!(message.contains(words), "{message}");
        // What needs the log is not failed again.
        assert_eq!(run.ids("fail"), ["telemetry/log"]);
    }
    for (path, words) in [
        (missing.to_str().unwrap(), "No such file"),
        (folder, "Is a directory"),
        (text.to_str().unwrap(), "2 of 2 lines are broken: line 1 ("),
    ] {
        let run = JsonRun::of(&mut check(None, Some(path)));
        assert_eq!(run.code, 1);
        let (verdict, message) = run.check("telemetry/spans");
        assert_eq!(verdict, "fail");
        assert!(message.contains(words), "{message}");
    }
    // A release without spans of its own is no fault of the deployment.
    let run = JsonRun::of(&mut check(None, empty.to_str()));
    assert_eq!((run.check("telemetry/spans").0, run.code), ("warn", 0));
    // Nothing given, and what can be read only once.
    for arguments in [
        &["--only", "telemetry"][..],
        &["--only", "telemetry", "--logs", "-", "--wait", "1s"],
        &["--logs", "-", "--metrics-file", "-"],
        &["--only", "telemetry", "--traces", "ftp://host/"],
    ] {
        let output = program().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_receiver_is_asked_whether_it_takes_an_empty_export() {
    let receiver = Faults::always(Reply::json("{}")).unwrap();
    for url in [receiver.url(), format!("{}/v1/traces", receiver.url())] {
        let run = JsonRun::of(&mut check(None, Some(&url)));
        assert_eq!(run.code, 0, "{:#}", run.document);
        assert_eq!(run.check("telemetry/receiver").0, "pass");
        // Nothing is claimed about spans.
        assert_eq!(run.check("telemetry/spans").0, "skip");
    }
    for request in receiver.received() {
        assert_eq!(request.to_string(), "POST /v1/traces");
        assert_eq!(request.text(), r#"{"resourceSpans":[]}"#);
    }

    // One that takes protobuf only.
    let receiver = Faults::choose(|request, _| {
        if request.header("content-type") == Some("application/x-protobuf") {
            Reply::status(200).into()
        } else {
            Reply::status(415).into()
        }
    })
    .unwrap();
    let run = JsonRun::of(&mut check(None, Some(&receiver.url())));
    assert_eq!(run.check("telemetry/receiver").0, "pass");
    assert!(run.check("telemetry/receiver").1.contains("protobuf"));

    for (reply, words) in [
        (Reply::status(404), "404"),
        (Reply::status(503), "503"),
        (Reply::html(), "HTML"),
        (Reply::redirect("/login"), "302"),
        (
            Reply::json(r#"{"partialSuccess":{"errorMessage":"disk full"}}"#),
            "disk full",
        ),
    ] {
        let receiver = Faults::always(reply).unwrap();
        let run = JsonRun::of(&mut check(None, Some(&receiver.url())));
        let (verdict, message) = run.check("telemetry/receiver");
        assert_eq!(verdict, "fail");
        assert!(message.contains(words), "{message}");
        assert_eq!(run.code, 1);
    }
}

/// A receiver's token goes to it alone, and without it the message names how to give one.
#[test]
fn a_receiver_may_ask_for_a_token() {
    let receiver = Faults::choose(|request, _| {
        let status = match request.header("authorization") {
            Some("Bearer hers") => 200,
            _ => 401,
        };
        Reply::status(status).into()
    })
    .unwrap();
    let prometheus = Faults::always(Reply::status(404)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, "hers\n").unwrap();
    let with = |arguments: &[&str]| {
        let mut command = check(None, Some(&receiver.url()));
        command.args([
            "--only",
            "prometheus/ready",
            "--prometheus-url",
            &prometheus.url(),
        ]);
        JsonRun::of(command.args(arguments))
    };
    let refused = with(&[]);
    let document = refused.document.to_string();
    assert_eq!(refused.check("telemetry/receiver").0, "fail", "{document}");
    assert!(document.contains("traces="), "{document}");
    let file = format!("traces={}", token.display());
    for given in [
        ["--bearer-token-file", &file],
        ["--header", "traces=Authorization: Bearer hers"],
    ] {
        let run = with(&given);
        assert_eq!(
            run.check("telemetry/receiver").0,
            "pass",
            "{:#}",
            run.document
        );
    }
    for request in prometheus.received() {
        assert_eq!(request.header("authorization"), None, "{request}");
    }
}

/// Logs as the usual formatters write them; each through the program.
#[test]
fn the_lease_events_of_every_formatter_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lease-recover/tests/logs");
    let mut read = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_none_or(|extension| extension != "log") {
            continue;
        }
        let run = JsonRun::of(&mut check(Some(&path), None));
        let (verdict, message) = match name.as_str() {
            "empty" => run.check("telemetry/log"),
            _ => run.check("telemetry/backfill-events"),
        };
        let expected = match name.as_str() {
            "empty" => ("fail", "the log is empty"),
            "foreign" => ("fail", "no lease event in 2 lines (no level)"),
            "warning_level" => ("fail", "no lease event in 1 lines (1 WARNING)"),
            "basic_config" => ("fail", "the formatter dropped them"),
            _ => ("pass", "2 leases, every field there"),
        };
        assert_eq!(verdict, expected.0, "{name}: {message}");
        assert!(message.contains(expected.1), "{name}: {message}");
        read += 1;
    }
    assert!(read > 15, "{read}");
}
