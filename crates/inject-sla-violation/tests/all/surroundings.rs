//! Signals at any moment, and a machine that lacks what a program is used to.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Injector, PATIENCE, command, empty_gateway};
use seamless_lab::faults::{Behaviour, Faults, Reply, Subject, bare, signalled};
use seamless_lab::wait_until;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_inject-sla-violation");
/// A drill of a second, to every sink that is not asked but asks.
const SUBJECT: Subject = Subject {
    program: PROGRAM,
    arguments: |url, folder| {
        vec![
            "n".to_owned(),
            "--hold=1s".to_owned(),
            "--step=300ms".to_owned(),
            "--output=json".to_owned(),
            "--yes".to_owned(),
            format!("--push-gateway={url}"),
            format!("--remote-write={url}"),
            format!("--write-to={}", folder.join("out.prom").display()),
        ]
    },
    polite: |_| empty_gateway(),
};

fn program(arguments: &[&str]) -> Command {
    let mut command = bare(PROGRAM);
    command.arg("--yes").args(arguments);
    command
}

#[test]
fn a_receiver_that_hangs_or_asks_for_patience_does_not_hold_up_a_signal() {
    let behaviours = [
        Behaviour::HangBeforeHeaders,
        Reply::status(429).retry_after(50).into(),
    ];
    thread::scope(|scope| {
        for behaviour in &behaviours {
            for sink in ["push-gateway", "remote-write"] {
                scope.spawn(move || is_not_held_up(behaviour, sink));
            }
        }
    });
}

fn is_not_held_up(behaviour: &Behaviour, sink: &str) {
    let receiver = Faults::always(behaviour.clone()).unwrap();
    let started = Instant::now();
    let url = format!("--{sink}={}", receiver.url());
    let arguments = ["n", "--hold=10m", "--timeout=40s", &url];
    let output = signalled(&mut program(&arguments), "TERM", Duration::from_millis(700)).unwrap();
    let code = output.status.code();
    assert_eq!(code, Some(143), "{behaviour:?}, {sink}: {output:?}");
    let took = started.elapsed();
    assert!(
        took < Duration::from_secs(35),
        "{behaviour:?}, {sink}: {took:?}"
    );
}

#[test]
fn a_full_disk_under_stdout_is_no_success() {
    for arguments in [
        &["n"][..],
        &["n", "--write-to=-"],
        &["n", "--dry-run"],
        &["n", "--dry-run", "--output=json"],
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = program(arguments).stdout(full).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains("No space left"), "{arguments:?}: {said}");
    }
}

#[test]
fn a_reader_that_has_read_enough_is_no_failure() {
    let mut child = program(&["n", "--scenario=all", "--nodes=2000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"));
}

#[test]
fn a_file_that_cannot_be_written_is_told_before_anything_happens() {
    let folder = tempfile::tempdir().unwrap();
    for path in [
        folder.path().join("missing/out"),
        folder.path().to_owned(),
        Path::new("/proc/out").to_owned(),
    ] {
        let written = format!("--write-to={}", path.display());
        let output = program(&["n", &written]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(&path.display().to_string()), "{said}");
        let after_endpoints = said.lines().skip_while(|line| line.ends_with("-url)"));
        assert_eq!(after_endpoints.count(), 1, "{said}");
    }
}

#[test]
fn closed_streams_are_nothing_to_stumble_over() {
    let script = "\"$0\" n --dry-run <&- >&- 2>&-; echo $?";
    let output = Command::new("sh")
        .args(["-c", script, PROGRAM])
        .output()
        .unwrap();
    // A result that nobody can read is not written; it must not end up in some file either.
    let code = String::from_utf8(output.stdout).unwrap();
    assert!(matches!(code.trim(), "0" | "1"), "{code}");
}

#[test]
fn few_file_descriptors_do_not_stop_a_server_for_good() {
    let script = "ulimit -n 24; exec \"$0\" n --serve=0 --hold=10m --yes";
    let mut child = Command::new("sh")
        .args(["-c", script, PROGRAM])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("serving ") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut said, &mut line).unwrap() > 0);
    }
    let at = line.find("http://").unwrap() + "http://".len();
    let address = line[at..].split('/').next().unwrap();
    // More connections than it has descriptors for; then they are gone.
    let hoard: Vec<_> = (0..64)
        .map(|_| std::net::TcpStream::connect(address))
        .collect();
    thread::sleep(Duration::from_millis(300));
    drop(hoard);
    let scraped = seamless_lab::wait_for(Duration::from_secs(60), "a scrape", || {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        text.contains("seamless_sla_deadline_seconds_count")
            .then_some(())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    scraped.unwrap();
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
fn a_clock_that_jumps_makes_no_drill_longer() {
    for report in SUBJECT.succeeds_while_the_clock_jumps().unwrap() {
        let at = |key: &str| report[key].as_str().unwrap().parse::<jiff::Timestamp>();
        let took = (at("ended_at").unwrap() - at("started_at").unwrap()).as_secs_f64();
        assert!((1.0..60.0).contains(&took), "{report:#}");
    }
}

#[test]
fn what_somebody_else_writes_meanwhile_is_neither_overwritten_nor_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("drill.prom");
    let file = path.to_str().unwrap();
    let mut drill = Injector::start(&["n", "--hold=10m", "--step=5s", "--write-to", file]);
    drill.says("rewriting");
    wait_until(PATIENCE, "the drill's file", || path.exists()).unwrap();
    // The next step is seconds away.
    thread::sleep(Duration::from_millis(500));
    let beside = folder.path().join("beside");
    fs::write(&beside, "precious 1\n").unwrap();
    fs::rename(&beside, &path).unwrap();
    let ended = drill.end();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("will not overwrite"),
        "{}",
        ended.stderr
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious 1\n");
}

/// Whoever opens a pipe for reading waits for somebody who writes to it.
#[test]
fn the_clean_up_does_not_read_pipes() {
    let folder = tempfile::tempdir().unwrap();
    for (option, name) in [("--write-to", "a.prom"), ("--file-sd", "a.json")] {
        let pipe = folder.path().join(name);
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let mut cleanup = command();
        cleanup.arg("--cleanup=d").arg(option).arg(&pipe);
        let ended = cleanup.output().unwrap();
        assert_eq!(ended.status.code(), Some(1), "{option}: {ended:?}");
    }
}

#[test]
fn a_server_that_lists_no_groups_has_not_shown_that_one_is_gone() {
    let server = Faults::always(Reply::json("{}")).unwrap();
    let url = server.url();
    let arguments = ["n", "--hold=1s", "--output=json", "--push-gateway", &url];
    let ended = Injector::start(&arguments).end();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["sinks"][0]["cleaned_up"], false, "{report:#}");
}
