//! Signals at any moment, and a machine that lacks what a program is used to.

use std::collections::HashSet;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use seamless_lab::faults::{
    Behaviour, Faults, Reply, Subject, Trial, bare, signalled, signalled_once,
};
use seamless_lab::wait_until;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lease-recover");
/// Moments at which a signal comes, in milliseconds after the start: before anything is set up, while
/// it is, and at work; none is once the coordinator has been asked for something.
const MOMENTS: [Option<u64>; 8] = [
    Some(0),
    Some(3),
    Some(10),
    Some(40),
    Some(120),
    Some(300),
    Some(700),
    None,
];
const LEASES: usize = 400;

/// One lease, with its records.
const SUBJECT: Subject = Subject {
    program: PROGRAM,
    arguments: |url, folder| {
        vec![
            "node:60:1700:1760:w:2024-01-01T00:00:00Z:token".to_owned(),
            "--output=json".to_owned(),
            format!("--coordinator-url={url}/v1"),
            format!("--journal={}", folder.join("journal").display()),
            format!("--audit-log={}", folder.join("audit").display()),
        ]
    },
    polite: |_| Reply::json(r#"{"completion_ratio":0.5}"#),
};

fn program(arguments: &[String]) -> Command {
    let mut command = bare(PROGRAM);
    command.args(arguments);
    command
}

fn specs(folder: &Path) -> String {
    let path = folder.join("specs");
    let lines: String = (0..LEASES)
        .map(|n| format!("node-{n}:60:1700:1760:w:2024-01-01T00:00:00Z:token-{n}\n"))
        .collect();
    fs::write(&path, lines).unwrap();
    path.display().to_string()
}

fn slow_coordinator() -> Faults {
    let reply = Reply::json(r#"{"completion_ratio":0.5}"#).after(Duration::from_millis(20));
    Faults::always(reply).unwrap()
}

fn arguments(coordinator: &Faults, more: &[&str]) -> Vec<String> {
    let url = format!("--coordinator-url={}", coordinator.url());
    let more = more.iter().map(|argument| (*argument).to_owned());
    std::iter::once(url).chain(more).collect()
}

/// The keys that requests named.
fn sent(coordinator: &Faults) -> Vec<String> {
    let received = coordinator.received();
    let keys = received.iter().map(|request| request.json().unwrap());
    keys.map(|body| body["key"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_signal_at_any_moment_loses_no_lease_and_the_journal_takes_up_where_it_left() {
    let folder = tempfile::tempdir().unwrap();
    let specs = specs(folder.path());
    for (signal, number, code) in [("INT", 2, 130), ("TERM", 15, 143), ("HUP", 1, 143)] {
        for moment in MOMENTS {
            let name = format!("{signal} after {moment:?} ms");
            let coordinator = slow_coordinator();
            let journal = folder.path().join(format!("{signal}-{moment:?}"));
            let arguments = arguments(
                &coordinator,
                &[
                    "--from-file",
                    &specs,
                    "--output=json",
                    "--concurrency=8",
                    "--journal",
                    &journal.display().to_string(),
                ],
            );
            let output = signalled_once(&mut program(&arguments), signal, || match moment {
                Some(moment) => {
                    thread::sleep(Duration::from_millis(moment));
                    Ok(())
                }
                None => wait_until(Duration::from_secs(60), "a request", || {
                    !coordinator.received().is_empty()
                }),
            })
            .unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let early = sent(&coordinator);
            if output.status.signal() == Some(number) {
                // It came before the program had begun to listen for signals, and so to work.
                assert!(moment.is_some(), "{name}");
                assert!(text.is_empty() && early.is_empty(), "{name}: {text}");
            } else {
                let document: Value = serde_json::from_str(&text).unwrap();
                let done = output.status.code() == Some(0);
                assert!(done || output.status.code() == Some(code), "{name}: {text}");
                let leases = document["leases"].as_array().unwrap();
                // A signal that came while they were read leaves none, and nothing was sent.
                let read = !(leases.is_empty() && early.is_empty());
                assert_eq!(leases.len(), if read { LEASES } else { 0 }, "{name}");
                let reached: HashSet<&str> = early.iter().map(String::as_str).collect();
                for lease in leases {
                    let (key, outcome) = (lease["key"].as_str().unwrap(), &lease["outcome"]);
                    // What was sent is not called skipped, and what was not sent is not called more.
                    assert_eq!(
                        outcome != "skipped",
                        reached.contains(key),
                        "{name}: {lease}"
                    );
                }
            }
            let output = program(&arguments).output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{name}: {output:?}");
            let all = sent(&coordinator);
            let distinct: HashSet<&String> = all.iter().collect();
            // Only what was in flight when the signal came may be sent again.
            assert_eq!(distinct.len(), LEASES, "{name}");
            assert!(all.len() <= LEASES + 8, "{name}: {} requests", all.len());
        }
    }
}

#[test]
fn a_coordinator_that_hangs_does_not_hold_up_a_signal() {
    let coordinator = Faults::always(Behaviour::HangBeforeHeaders).unwrap();
    for more in [&["a:token"][..], &["--list"], &["--stuck", "--yes"]] {
        let mut arguments = arguments(&coordinator, &["--timeout=5s"]);
        arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
        let started = Instant::now();
        let output =
            signalled(&mut program(&arguments), "TERM", Duration::from_millis(300)).unwrap();
        assert_eq!(output.status.code(), Some(143), "{more:?}: {output:?}");
        assert!(started.elapsed() < Duration::from_secs(30), "{more:?}");
    }
}

#[test]
fn a_full_disk_under_stdout_is_no_success() {
    let coordinator = slow_coordinator();
    for more in [
        &["a:token"][..],
        &["a:token", "--output=json"],
        &["a:token", "--dry-run"],
        &["a:token", "--dry-run", "--output=specs"],
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let arguments = arguments(&coordinator, more);
        let output = program(&arguments).stdout(full).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{more:?}: {said}");
        assert!(said.contains("No space left"), "{more:?}: {said}");
    }
}

#[test]
fn a_full_disk_under_the_audit_log_stops_the_run() {
    let coordinator = slow_coordinator();
    let leases: Vec<String> = (0..200).map(|n| format!("k{n}:token")).collect();
    let mut arguments = arguments(&coordinator, &["--audit-log=/dev/full", "--concurrency=4"]);
    arguments.extend(leases);
    let output = program(&arguments).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("/dev/full") || said.contains("audit"),
        "{said}"
    );
    // What cannot be recorded is not done.
    assert!(
        sent(&coordinator).len() < 100,
        "{}",
        sent(&coordinator).len()
    );
}

#[test]
fn a_reader_that_has_read_enough_does_not_turn_a_bad_verdict_good() {
    let folder = tempfile::tempdir().unwrap();
    let specs = specs(folder.path());
    for (status, code) in [(200, 0), (409, 1)] {
        let reply = match status {
            200 => Reply::json(r#"{"completion_ratio":0.5}"#),
            _ => Reply::status(status),
        };
        let coordinator = Faults::always(reply).unwrap();
        let arguments = arguments(&coordinator, &["--from-file", &specs]);
        let mut child = program(&arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
    }
}

#[test]
fn records_that_cannot_be_written_are_told_before_anything_happens() {
    let coordinator = slow_coordinator();
    for path in ["/proc/records", "/nonexistent/records", "/"] {
        for record in ["--journal", "--audit-log"] {
            let arguments = arguments(&coordinator, &["a:token", record, path]);
            let output = program(&arguments).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{record} {path}: {said}");
            let errors: Vec<&str> = said
                .lines()
                .filter(|line| line.contains("error:"))
                .collect();
            assert!(
                matches!(errors[..], [only] if only.contains(path)),
                "{said}"
            );
        }
    }
    assert_eq!(coordinator.connections(), 0);
}

#[test]
fn as_many_requests_at_a_time_as_there_are_file_descriptors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("specs");
    let lines: String = (0..3000).map(|n| format!("k{n}:token\n")).collect();
    fs::write(&path, lines).unwrap();
    let reply = Reply::json(r#"{"completion_ratio":0.5}"#).after(Duration::from_millis(200));
    let coordinator = Faults::always(reply).unwrap();
    let mut arguments = arguments(
        &coordinator,
        &["--concurrency=1024", "--timeout=30s", "--from-file"],
    );
    arguments.push(path.display().to_string());
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 1024; exec \"$0\" \"$@\"", PROGRAM])
        .args(&arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let summary = said.lines().last().unwrap_or_default();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{summary} {}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(summary.contains("released=3000"), "{summary}");
    let peak = coordinator.peak_in_flight();
    assert!((200..=1024).contains(&peak), "{peak}");
}

#[test]
fn narrow_and_dumb_terminals_are_served() {
    let page = r#"{"leases":[{"key":"ohlcv:binance:BTC/USDT:60:60:1700:1760:world-1:2024-01-01T00:00:00Z","token":"deadbeef","lease_until_ms":1700000000000,"claimed_at_ms":-9223372036854775808,"completion_ratio":1e300,"worker":"w\u001b[2J\n행복"}]}"#;
    let coordinator = Faults::always(Reply::json(page)).unwrap();
    for columns in ["1", "40", "0", "-3", "x", "99999999999"] {
        for term in ["dumb", "xterm-256color", ""] {
            let output = program(&arguments(&coordinator, &["--list"]))
                .envs([("COLUMNS", columns), ("TERM", term)])
                .output()
                .unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            assert_eq!(output.status.code(), Some(0), "{columns} {term}: {said}");
            assert!(!said.contains('\u{1b}'), "{said:?}");
            // However it is broken into lines, all of the key is there.
            assert!(said.contains("ohlc"), "{said}");
        }
    }
}

#[test]
fn results_are_broken_at_blanks() {
    let coordinator = Faults::always(Reply::status(409)).unwrap();
    let recover = || program(&arguments(&coordinator, &["--yes", "a:t1", "b:t2"]));
    let whole = recover().output().unwrap();
    let narrow = recover().env("COLUMNS", "40").output().unwrap();
    let whole = String::from_utf8(whole.stdout).unwrap();
    let narrow = String::from_utf8(narrow.stdout).unwrap();
    for row in narrow.lines() {
        let is_one_word = !row.trim().contains(' ');
        assert!(row.chars().count() <= 40 || is_one_word, "{row:?}");
    }
    let words = |text: &str| {
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(words(&narrow), words(&whole));
    assert!(narrow.lines().count() > whole.lines().count(), "{narrow}");
}

#[test]
fn endless_files_are_refused() {
    let coordinator = slow_coordinator();
    for (option, path) in [
        ("--from-file", "/dev/zero"),
        ("--from-logs", "/dev/zero"),
        ("--journal", "/dev/zero"),
        ("--config", "/dev/zero"),
        ("--bearer-token-file", "/dev/zero"),
        ("--ca-cert", "/dev/zero"),
    ] {
        let arguments = arguments(&coordinator, &["--yes", "a:token", option, path]);
        let trial = Trial::run(Path::new(PROGRAM), &arguments, &[], Duration::from_secs(60));
        let trial = trial.unwrap();
        assert_eq!(trial.code, Some(2), "{option}: {}", trial.stderr);
        assert!(trial.stderr.contains(path), "{option}: {}", trial.stderr);
        assert!(
            trial.peak_kib < 700 * 1024,
            "{option}: {} KiB",
            trial.peak_kib
        );
    }
    assert_eq!(coordinator.connections(), 0);
}

#[test]
fn odd_places_make_no_difference() {
    SUBJECT.succeeds_in_odd_places().unwrap();
}

#[test]
fn without_a_proxy_that_is_needed_nothing_succeeds() {
    SUBJECT.fails_without_a_proxy().unwrap();
}

#[test]
fn without_a_disk_nothing_is_sent_or_nothing_called_done() {
    SUBJECT.fails_without_a_disk().unwrap();
}

#[test]
fn a_clock_that_jumps_settles_no_lease_twice() {
    for document in SUBJECT.succeeds_while_the_clock_jumps().unwrap() {
        assert_eq!(document["summary"]["released"], 1, "{document:#}");
    }
}
