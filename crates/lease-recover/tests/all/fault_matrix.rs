//! Every fault of every endpoint of the coordinator, and what the program makes of it. The table beside
//! this file is what the test expects; `KEPT_TABLES=write` writes it anew.

use std::path::Path;
use std::time::Duration;

use seamless_lab::Received;
use seamless_lab::faults::catalogue::{CATALOGUE, Fault};
use seamless_lab::faults::{FaultMatrix, Reply, Trial};
use serde_json::Value;

const SPEC: &str = "nodeA:60:1700:1760:world-1:2024-01-01T00:00:00Z:deadbeefcafe";
const PAGE: &str = r#"{"leases":[{"key":"nodeA:60:1700:1760:world-1:2024-01-01T00:00:00Z","token":"deadbeefcafe","lease_until_ms":1700000000000,"claimed_at_ms":1699999000000,"completion_ratio":0.25,"worker":"w-1"}]}"#;
/// A few requests, each of which may take its timeout or be repeated.
const LONGEST: Duration = Duration::from_secs(60);

fn polite(request: &Received) -> Reply {
    match request.path.as_str() {
        "/v1/leases/inspect" => Reply::json(PAGE),
        _ => Reply::json(r#"{"completion_ratio":0.25}"#),
    }
}

/// Runs the program against a coordinator that has `fault` on every path; the document it prints, and
/// what it comes to.
fn trial(mode: &[&str], fault: Fault, word: impl Fn(&Value) -> String) -> (Trial, String) {
    let faulty = fault.start(polite).unwrap();
    let mut arguments: Vec<String> = ["--output=json", "--timeout=8s"]
        .map(str::to_owned)
        .to_vec();
    arguments.push(format!("--coordinator-url={}/v1", faulty.url()));
    arguments.extend(faulty.arguments().iter().cloned());
    arguments.extend(mode.iter().map(|argument| (*argument).to_owned()));
    let program = env!("CARGO_BIN_EXE_lease-recover");
    let trial = Trial::run(Path::new(program), &arguments, &[], LONGEST).unwrap();
    let document: Result<Value, _> = serde_json::from_str(&trial.stdout);
    assert!(document.is_ok(), "{}: no JSON: {trial:?}", fault.name);
    let document = document.unwrap();
    assert_eq!(document["exit_code"], trial.code.unwrap(), "{}", fault.name);
    for text in [&trial.stdout, &trial.stderr] {
        assert!(!text.contains("deadbeefcafe"), "{}: {text}", fault.name);
    }
    (trial, word(&document))
}

fn outcome(document: &Value) -> String {
    let lease = &document["leases"][0]["outcome"];
    lease.as_str().unwrap_or("nothing selected").to_owned()
}

#[test]
fn every_fault_has_its_outcome() {
    let mut matrix = FaultMatrix::new("outcome");
    matrix.add("POST /v1/leases/fail", &CATALOGUE, |fault| {
        trial(&[SPEC], fault, outcome)
    });
    matrix.add("POST /v1/leases/complete", &CATALOGUE, |fault| {
        trial(&[SPEC, "--action=complete"], fault, outcome)
    });
    matrix.add("GET /v1/leases/inspect (--list)", &CATALOGUE, |fault| {
        trial(&["--list"], fault, |document| {
            let leases = document["leases"].as_array().map_or(0, Vec::len);
            format!("{leases} leases")
        })
    });
    matrix.add("GET /v1/leases/inspect (--stuck)", &CATALOGUE, |fault| {
        trial(&["--stuck", "--yes"], fault, outcome)
    });
    matrix.check(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/fault_matrix.md"));
}
