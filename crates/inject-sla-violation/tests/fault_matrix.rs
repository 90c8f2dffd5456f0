//! Every fault of every endpoint that a drill delivers to, and what the program makes of it. The
//! table beside this file is what the test expects; `FAULT_MATRIX=write` writes it anew.

#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and cannot get fails it"
)]

use std::path::Path;
use std::time::Duration;

use seamless_lab::faults::catalogue::{CATALOGUE, Fault};
use seamless_lab::faults::{Matrix, Reply, Trial};
use serde_json::Value;

const TIMEOUT: &str = "8s";
/// One request may take its timeout and be repeated; the drill itself lasts a second, the clean-up is
/// one request more.
const LONGEST: Duration = Duration::from_secs(60);

fn trial(sink: &'static str) -> impl Fn(Fault) -> (Trial, String) + Sync {
    move |fault| {
        let faulty = fault.start(|_| Reply::status(200)).unwrap();
        let mut arguments: Vec<String> = ["n", "--hold=1s", "--step=300ms", "--output=json"]
            .map(str::to_owned)
            .to_vec();
        arguments.extend([
            format!("--timeout={TIMEOUT}"),
            format!("--{sink}={}", faulty.url()),
        ]);
        arguments.extend(faulty.arguments().iter().cloned());
        let program = assert_cmd::cargo::cargo_bin!("inject-sla-violation");
        let trial = Trial::run(Path::new(program), &arguments, &[], LONGEST).unwrap();
        let report: Result<Value, _> = serde_json::from_str(&trial.stdout);
        assert!(report.is_ok(), "{}: no JSON: {trial:?}", fault.name);
        let report = report.unwrap();
        let outcome = report["outcome"].as_str().unwrap().to_owned();
        assert_eq!(report["exit_code"], trial.code.unwrap(), "{}", fault.name);
        (trial, outcome)
    }
}

#[test]
fn every_fault_has_its_outcome() {
    let mut matrix = Matrix::new("outcome");
    for sink in ["push-gateway", "remote-write"] {
        matrix.add(&format!("--{sink}"), &CATALOGUE, trial(sink));
    }
    matrix.check(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fault_matrix.md"));
}
