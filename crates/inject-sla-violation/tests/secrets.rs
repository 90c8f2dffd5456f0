//! No secret reaches stdout, stderr or a report, on any path.

#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and cannot get fails it"
)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use seamless_lab::Received;
use seamless_lab::faults::catalogue::CATALOGUE;
use seamless_lab::faults::{Behaviour, Faults, Reply, Trial};

const PROGRAM: &str = env!("CARGO_BIN_EXE_inject-sla-violation");
const PASSWORD: &str = "pw-SECRET-1";
const BEARER: &str = "bearer-SECRET-2";
const HEADER: &str = "header-SECRET-3";
/// `user:pw-SECRET-1` in Base64.
const BASIC: &str = "dXNlcjpwdy1TRUNSRVQtMQ";
const LONGEST: Duration = Duration::from_secs(60);

/// A server's answer that repeats all that it was sent.
fn echo(request: &Received, status: u16, content_type: &str) -> Reply {
    let words = format!("{:?}", request.headers);
    let body = if content_type == "text/plain" {
        words
    } else {
        serde_json::json!({ "status": "error", "errorType": words, "error": words }).to_string()
    };
    Reply::status(status)
        .header("Content-Type", content_type)
        .body(body)
}

/// Every way of running it that touches a secret, against the server at `url`.
fn run_all(what: &str, url: &str, more: &[String]) {
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("bearer");
    fs::write(&token_file, BEARER).unwrap();
    let url = url.replacen("://", &format!("://user:{PASSWORD}@"), 1);
    let gateway = format!("--push-gateway={url}");
    let receiver = format!("--remote-write={url}");
    let prometheus = format!("--prometheus-url={url}");
    let alertmanager = format!("--alertmanager-url={url}");
    let header = format!("--header=X-Api-Key: {HEADER}");
    let bearer = format!("--bearer-token-file={}", token_file.display());
    let expected = "--expect-alert=SeamlessSla99thDegraded";
    let runs: [&[&str]; 4] = [
        &[&gateway, &header],
        &[&receiver, "--output=json"],
        &[
            "--serve=0",
            &prometheus,
            &alertmanager,
            &bearer,
            expected,
            "--within=1s",
        ],
        &[
            "--serve=0",
            &prometheus,
            &header,
            expected,
            "--within=1s",
            "--output=json",
        ],
    ];
    for arguments in runs {
        let mut arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        arguments.extend(["n", "--hold=1s", "--step=500ms", "--timeout=1s"].map(str::to_owned));
        arguments.extend(more.iter().cloned());
        let trial = Trial::run(Path::new(PROGRAM), &arguments, &[], LONGEST).unwrap();
        for text in [&trial.stdout, &trial.stderr] {
            for secret in ["SECRET", BASIC] {
                assert!(!text.contains(secret), "{what}, {arguments:?}: {text}");
            }
        }
    }
}

#[test]
fn no_fault_gives_a_secret_away() {
    // Waiting is most of it.
    std::thread::scope(|scope| {
        for faults in CATALOGUE.chunks(CATALOGUE.len().div_ceil(16)) {
            scope.spawn(move || {
                for fault in faults {
                    let polite = |request: &Received| echo(request, 200, "application/json");
                    let faulty = fault.start(polite).unwrap();
                    run_all(fault.name, faulty.url(), faulty.arguments());
                }
            });
        }
    });
}

#[test]
fn no_server_that_repeats_what_it_was_sent_gives_it_away() {
    std::thread::scope(|scope| {
        for status in [200, 400, 401, 404, 422, 500] {
            scope.spawn(move || {
                for content_type in ["application/json", "text/plain"] {
                    let echo = move |request: &Received, _| {
                        Behaviour::Reply(echo(request, status, content_type))
                    };
                    let server = Faults::choose(echo).unwrap();
                    run_all(&format!("{status} {content_type}"), &server.url(), &[]);
                }
            });
        }
    });
}
