//! Signals at any moment, and a machine that lacks what a program is used to.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use seamless_lab::faults::{Behaviour, Faults, Reply, Subject, Trial, bare, signalled_once};
use seamless_lab::wait_until;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_seamless-health-check");
/// Moments at which a signal comes, in milliseconds after the start: before anything is set up, while
/// it is, and at work; none is once a server has been asked for something.
const MOMENTS: [Option<u64>; 9] = [
    Some(0),
    Some(3),
    Some(8),
    Some(15),
    Some(40),
    Some(120),
    Some(350),
    Some(900),
    None,
];

/// A check of every service, with a further report.
const SUBJECT: Subject = Subject {
    program: PROGRAM,
    arguments: |url, folder| {
        vec![
            GOOD.to_owned(),
            "--only=prometheus/ready".to_owned(),
            "--only=alerting/alertmanager-ready".to_owned(),
            "--output=json".to_owned(),
            format!("--coordinator-url={url}"),
            format!("--prometheus-url={url}"),
            format!("--alertmanager-url={url}"),
            format!("--output=junit={}", folder.join("report.xml").display()),
        ]
    },
    polite: |_| Reply::json(r#"{"status":"ok"}"#),
};

fn program(server: &Faults, more: &[&str]) -> Command {
    let mut command = bare(PROGRAM);
    command
        .args(
            ["coordinator", "prometheus", "alertmanager"].map(|service| {
                let url = server.url();
                format!("--{service}-url={url}")
            }),
        )
        .args(more);
    command
}

/// A deployment of which the coordinator is well and everything else is not.
fn unwell() -> Faults {
    Faults::choose(|request, _| match request.path.as_str() {
        "/health" => Reply::json(r#"{"status":"ok"}"#).into(),
        _ => Reply::status(500).into(),
    })
    .unwrap()
}

/// The one check that passes there.
const GOOD: &str = "--only=coordinator/health";

#[test]
fn a_signal_at_any_moment_leaves_a_whole_document_and_its_own_exit_code() {
    let hangs = Faults::always(Behaviour::HangBeforeHeaders).unwrap();
    let unwell = unwell();
    for (signal, number, code) in [("INT", 2, 130), ("TERM", 15, 143), ("HUP", 1, 143)] {
        for moment in MOMENTS {
            let folder = tempfile::tempdir().unwrap();
            let report = folder.path().join("report.xml");
            let junit = format!("--output=junit={}", report.display());
            for (server, timeout) in [(&hangs, "--timeout=40s"), (&unwell, "--timeout=5s")] {
                let name = format!("{signal} after {moment:?} ms, {timeout}");
                let started = Instant::now();
                let mut command = program(
                    server,
                    &[
                        "--output=json",
                        "--wait=10m",
                        "--interval=100ms",
                        timeout,
                        &junit,
                    ],
                );
                let before = server.received().len();
                let output = signalled_once(&mut command, signal, || match moment {
                    Some(moment) => {
                        thread::sleep(Duration::from_millis(moment));
                        Ok(())
                    }
                    None => wait_until(Duration::from_secs(60), "a request", || {
                        server.received().len() > before
                    }),
                })
                .unwrap();
                let text = String::from_utf8(output.stdout).unwrap();
                assert!(started.elapsed() < Duration::from_secs(35), "{name}");
                if output.status.signal() == Some(number) {
                    // It came before the program had begun to listen for signals, and so to work.
                    assert!(text.is_empty() && moment.is_some(), "{name}: {text}");
                } else {
                    assert_eq!(output.status.code(), Some(code), "{name}: {text}");
                    let document: Value = serde_json::from_str(&text).unwrap();
                    assert_eq!(document["exit_code"], code, "{name}");
                    assert_eq!(document["healthy"], false, "{name}");
                    assert!(report.exists(), "{name}");
                }
                // At most the report: no temporary file beside it.
                let left = fs::read_dir(folder.path()).unwrap().count();
                assert!(left <= 1, "{name}");
            }
        }
    }
}

#[test]
fn a_full_disk_is_no_success() {
    let server = unwell();
    for format in ["text", "json", "junit", "nagios", "prometheus", "github"] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = program(&server, &[GOOD, &format!("--output={format}")])
            .stdout(full)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        // A format that says nothing when all is well has nothing to lose.
        let silent = format == "github" && output.status.code() == Some(0);
        assert!(
            silent || output.status.code() == Some(1),
            "{format}: {said}"
        );
        assert!(silent || said.contains("No space left"), "{format}: {said}");
    }
}

#[test]
fn a_closed_pipe_does_not_turn_a_bad_verdict_good() {
    let server = unwell();
    for (more, code) in [(&[GOOD][..], 0), (&[], 1)] {
        let mut child = program(&server, more)
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
fn a_report_that_cannot_be_written_is_told_before_anything_is_asked() {
    let server = unwell();
    let folder = tempfile::tempdir().unwrap();
    for path in [
        folder.path().join("missing/report"),
        folder.path().to_owned(),
        Path::new("/proc/report").to_owned(),
    ] {
        let output = program(&server, &[&format!("--output=junit={}", path.display())])
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(&path.display().to_string()), "{said}");
        let after_endpoints = said.lines().skip_while(|line| line.ends_with("-url)"));
        assert_eq!(after_endpoints.count(), 1, "{said}");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn closed_streams_are_nothing_to_stumble_over() {
    let server = unwell();
    for (only, allowed) in [(GOOD, ["0", "1"]), ("--only=prometheus/ready", ["1", "1"])] {
        let script = "\"$0\" \"$@\" <&- >&- 2>&-; echo $?";
        let output = Command::new("sh")
            .args(["-c", script, PROGRAM, only])
            .arg(format!("--coordinator-url={}", server.url()))
            .arg(format!("--prometheus-url={}", server.url()))
            .output()
            .unwrap();
        let code = String::from_utf8(output.stdout).unwrap();
        assert!(allowed.contains(&code.trim()), "{only}: {code}");
    }
}

#[test]
fn a_closed_stdin_is_no_exposition() {
    let script = "\"$0\" --metrics-file - --only exposition <&-";
    let output = Command::new("sh")
        .args(["-c", script, PROGRAM])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[test]
fn narrow_and_dumb_terminals_are_served() {
    let server = unwell();
    for columns in ["1", "40", "0", "-3", "x", "99999999999"] {
        for term in ["dumb", "xterm-256color", ""] {
            let output = program(&server, &[])
                .envs([("COLUMNS", columns), ("TERM", term)])
                .output()
                .unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            assert_eq!(output.status.code(), Some(1), "{columns} {term}: {said}");
            assert!(!said.contains('\u{1b}'), "{said:?}");
            assert!(said.contains("prometheus/ready"), "{said}");
        }
    }
}

#[test]
fn few_file_descriptors_are_no_healthy_deployment() {
    let server = unwell();
    // Standard streams, the runtime's own and a few more.
    for descriptors in [8, 10, 12, 16, 64] {
        let script = format!("ulimit -n {descriptors}; exec \"$0\" \"$@\"");
        let output = Command::new("sh")
            .args(["-c", &script, PROGRAM])
            .arg(format!("--coordinator-url={}", server.url()))
            .arg(format!("--prometheus-url={}", server.url()))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let code = output.status.code();
        assert!(matches!(code, Some(1 | 3)), "{descriptors}: {output:?}");
        assert!(!said.contains("panicked"), "{descriptors}: {said}");
    }
}

#[test]
fn endless_files_are_refused() {
    let server = unwell();
    let url = server.url();
    for (option, code) in [
        ("--config", 2),
        ("--bearer-token-file", 2),
        ("--ca-cert", 2),
        ("--metrics-file", 1),
    ] {
        let arguments = [
            format!("--coordinator-url={url}"),
            format!("--prometheus-url={url}"),
            format!("{option}=/dev/zero"),
        ];
        let trial = Trial::run(Path::new(PROGRAM), &arguments, &[], Duration::from_secs(60));
        let trial = trial.unwrap();
        let said = format!("{}{}", trial.stdout, trial.stderr);
        assert_eq!(trial.code, Some(code), "{option}: {said}");
        assert!(said.contains("/dev/zero"), "{option}: {said}");
        assert!(
            trial.peak_kib < 700 * 1024,
            "{option}: {} KiB",
            trial.peak_kib
        );
    }
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
fn a_clock_that_jumps_makes_no_run_longer() {
    for document in SUBJECT.succeeds_while_the_clock_jumps().unwrap() {
        let took = document["duration_seconds"].as_f64().unwrap();
        assert!((0.5..60.0).contains(&took), "{document:#}");
    }
}
