//! Signals and answers at every stage, on a pseudo-terminal where a person would have one.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use seamless_lab::coordinator::{Coordinator, HeldLease, now_ms};
use seamless_lab::faults::{Faults, Reply};
use seamless_lab::pty::{CTRL_C, CTRL_D, Session};
use seamless_lab::{Received, signal, wait_until};

use crate::program::{EndedRun, lease_recover};

/// Longer than anything takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// A coordinator with so many stuck leases.
fn coordinator_with(leases: usize) -> Coordinator {
    let coordinator = Coordinator::start().unwrap();
    for n in 0..leases {
        let key = format!("node:{n}:60:1700:1760:w:2024-01-01T00:00:00Z");
        let lease = HeldLease::new(key, format!("token-{n}"), now_ms());
        coordinator.insert(lease.ratio(0.1).claimed_earlier(3_600_000));
    }
    coordinator
}

fn at(url: &str, arguments: &[&str]) -> Command {
    let mut command = lease_recover();
    command.args(["--coordinator-url", url]).args(arguments);
    command
}

/// A coordinator that takes its time over every change and keeps what it received.
fn slow(latency: Duration) -> Faults {
    Faults::always(Reply::json(r#"{"completion_ratio":0.5}"#).after(latency)).unwrap()
}

fn changes(received: &[Received]) -> usize {
    received.iter().filter(|r| r.method == "POST").count()
}

#[test]
fn a_signal_ends_a_read_of_stdin_with_the_report_and_nothing_is_sent() {
    for source in ["--from-file", "--from-logs"] {
        for (name, code) in [("INT", 130), ("TERM", 143), ("HUP", 143)] {
            let coordinator = slow(Duration::ZERO);
            let mut child = at(&coordinator.url(), &[source, "-", "--yes", "--output=json"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut stdin = child.stdin.take().unwrap();
            stdin.write_all(b"a:1\nb:2\nc:3\n").unwrap();
            wait_for_handlers(child.id());
            signal(child.id(), name).unwrap();
            let run = EndedRun::of(child.wait_with_output().unwrap());
            // The pipe stayed open all the time.
            drop(stdin);
            assert_eq!(run.code, code, "{source} {name}: {}", run.stderr);
            assert_eq!(run.json()["exit_code"], code);
            assert_eq!(coordinator.connections(), 0, "{source} {name}");
        }
    }
}

/// Waits until the program catches signals: before, a signal ends it as it ends any program.
fn wait_for_handlers(id: u32) {
    let catches = || {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let caught = status
            .lines()
            .find_map(|line| line.strip_prefix("SigCgt:"))
            .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        caught.is_some_and(|mask| mask & 0b10 != 0)
    };
    wait_until(LONG, "the program to catch signals", catches).unwrap();
}

#[test]
fn after_the_first_signal_nothing_is_sent_and_repeated_ones_change_nothing() {
    for (signals, code) in [
        (&["TERM", "TERM", "HUP", "HUP"][..], 143),
        (&["HUP", "HUP", "TERM"], 143),
        (&["INT", "TERM", "HUP"], 130),
    ] {
        let coordinator = slow(Duration::from_secs(1));
        let specs: Vec<String> = (0..40).map(|n| format!("lease-{n}:token-{n}")).collect();
        let child = at(&coordinator.url(), &["--concurrency=4", "--output=json"])
            .args(&specs)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait_until(LONG, "four requests", || coordinator.received().len() == 4).unwrap();
        for name in signals {
            signal(child.id(), name).unwrap();
            std::thread::sleep(Duration::from_millis(50));
        }
        let run = EndedRun::of(child.wait_with_output().unwrap());
        let summary = &run.json()["summary"];
        assert_eq!(run.code, code, "{signals:?}: {}", run.stderr);
        assert_eq!(summary["processed"], 40, "{signals:?}");
        assert_eq!(summary["skipped"], 36, "{signals:?}: {summary}");
        assert_eq!(coordinator.received().len(), 4, "{signals:?}");
    }
}

#[test]
fn a_second_ctrl_c_ends_at_once_and_the_journal_takes_up_where_it_left() {
    let coordinator = coordinator_with(30);
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal").display().to_string();
    let hanging = slow(Duration::from_secs(30));
    let arguments = ["--journal", &journal, "--concurrency=2", "--timeout=60s"];
    let specs: Vec<String> = coordinator
        .leases()
        .iter()
        .map(|lease| format!("{}:{}", lease.key, lease.token))
        .collect();
    let mut session = Session::start({
        let mut command = at(&hanging.url(), &arguments);
        command.args(&specs);
        command
    })
    .unwrap();
    wait_until(LONG, "two requests", || hanging.received().len() == 2).unwrap();
    session.type_in(CTRL_C).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert!(session.ended().unwrap().is_none());
    let started = Instant::now();
    session.type_in(CTRL_C).unwrap();
    let status = session.end(LONG).unwrap();
    assert_eq!(status.code(), Some(130), "{}", session.screen());
    // The coordinator answers after 30 seconds.
    assert!(started.elapsed() < Duration::from_secs(20));
    assert!(session.is_sane().unwrap(), "{:?}", session.screen());

    // The same journal is read and goes on, at the coordinator that answers.
    let run = EndedRun::of(
        at(&coordinator.url(), &arguments)
            .args(&specs)
            .output()
            .unwrap(),
    );
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert!(coordinator.leases().is_empty());
}

#[test]
fn a_signal_that_was_ignored_at_the_start_stays_ignored() {
    for name in ["HUP", "INT"] {
        let coordinator = slow(Duration::from_millis(700));
        let script = format!("trap '' {name}; exec \"$0\" \"$@\"");
        let program = lease_recover().get_program().to_owned();
        let child = Command::new("sh")
            .arg("-c")
            .arg(script)
            .arg(program)
            .args([
                "--coordinator-url",
                &coordinator.url(),
                "--output=json",
                "a:1",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait_until(LONG, "a request", || coordinator.received().len() == 1).unwrap();
        signal(child.id(), name).unwrap();
        let run = EndedRun::of(child.wait_with_output().unwrap());
        assert_eq!(run.code, 0, "{name}: {}{}", run.stdout, run.stderr);
    }
}

#[test]
fn a_signal_ends_a_run_whose_report_nobody_reads() {
    let folder = tempfile::tempdir().unwrap();
    let specs = folder.path().join("specs");
    let lines: String = (0..5000).map(|n| format!("lease-{n}:token\n")).collect();
    std::fs::write(&specs, lines).unwrap();
    let coordinator = slow(Duration::ZERO);
    for more in [&["--dry-run"][..], &[]] {
        let mut child = at(&coordinator.url(), &["--output=json", "--from-file"])
            .arg(&specs)
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_until(LONG, "a write that blocks", || {
            is_stuck_in_a_write(child.id())
        })
        .unwrap();
        signal(child.id(), "TERM").unwrap();
        wait_until(LONG, "the end", || child.try_wait().unwrap().is_some()).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(143), "{more:?}");
    }
}

/// Whether one of the process's threads waits for room in a pipe.
fn is_stuck_in_a_write(id: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{id}/task"));
    threads.into_iter().flatten().flatten().any(|thread| {
        let waits_in = std::fs::read_to_string(thread.path().join("wchan"));
        waits_in.is_ok_and(|place| place.contains("pipe_w"))
    })
}

fn stuck(coordinator: &Coordinator, more: &[&str]) -> Session {
    Session::start(at(&coordinator.url(), &[&["--stuck"], more].concat())).unwrap()
}

#[test]
fn yes_and_enter_goes_ahead_and_anything_else_does_not() {
    for (keys, leases, code) in [
        ("y\n", 3, 0),
        ("YES\n", 3, 0),
        ("n\n", 3, 1),
        ("\n", 3, 1),
        ("3\n", 3, 1),
        (CTRL_D, 3, 1),
        ("26\n", 26, 0),
        ("y\n", 26, 1),
    ] {
        let coordinator = coordinator_with(leases);
        let mut session = stuck(&coordinator, &[]);
        session.expect("+ Enter", LONG).unwrap();
        session.type_in(keys).unwrap();
        let status = session.end(LONG).unwrap();
        let screen = session.screen();
        assert_eq!(status.code(), Some(code), "{keys:?}: {screen}");
        let sent = coordinator.changes_received().len();
        assert_eq!(sent, if code == 0 { leases } else { 0 }, "{keys:?}");
        let heading = if code == 0 {
            "Failing leases at"
        } else {
            "Nothing is sent to"
        };
        assert!(screen.contains(heading), "{keys:?}: {screen}");
        assert!(session.is_sane().unwrap(), "{screen:?}");
    }
}

#[test]
fn a_y_without_enter_is_no_answer() {
    let coordinator = coordinator_with(3);
    let mut session = stuck(&coordinator, &[]);
    session.expect("+ Enter", LONG).unwrap();
    session.type_in("y").unwrap();
    std::thread::sleep(Duration::from_millis(700));
    assert!(session.ended().unwrap().is_none());
    assert!(coordinator.changes_received().is_empty());
    session.type_in("\n").unwrap();
    assert_eq!(session.end(LONG).unwrap().code(), Some(0));
    assert_eq!(coordinator.changes_received().len(), 3);
}

#[test]
fn lines_pasted_with_the_answer_are_not_the_shells_next_commands() {
    for answer in ["y", "no"] {
        let coordinator = coordinator_with(3);
        let mut shell = Command::new("sh");
        shell
            .args([
                "-c",
                "\"$0\" \"$@\"; echo ready; read -r line; echo \"read: $line\"",
            ])
            .arg(lease_recover().get_program())
            .args(["--coordinator-url", &coordinator.url(), "--stuck"])
            .env_remove("SEAMLESS_CONTEXT");
        let mut session = Session::start(shell).unwrap();
        session.expect("+ Enter", LONG).unwrap();
        session.type_in(&format!("{answer}\nreboot\n")).unwrap();
        session.expect("ready", LONG).unwrap();
        session.type_in("typed\n").unwrap();
        session.expect("read: ", LONG).unwrap();
        session.end(LONG).unwrap();
        let screen = session.screen();
        assert!(screen.contains("read: typed"), "{answer}: {screen}");
    }
}

#[test]
fn what_was_typed_before_the_question_does_not_count() {
    let coordinator = Coordinator::builder()
        .latency(Duration::from_secs(1))
        .start()
        .unwrap();
    let lease = HeldLease::new("node:60:1700:1760:w:", "token", now_ms());
    coordinator.insert(lease.ratio(0.1).claimed_earlier(3_600_000));
    let mut session = stuck(&coordinator, &[]);
    wait_until(LONG, "the list to be asked for", || {
        coordinator.received().len() == 1
    })
    .unwrap();
    session.type_in("y\ny\n").unwrap();
    session.expect("+ Enter", LONG).unwrap();
    std::thread::sleep(Duration::from_millis(700));
    assert!(session.ended().unwrap().is_none(), "{}", session.screen());
    session.type_in("n\n").unwrap();
    assert_eq!(session.end(LONG).unwrap().code(), Some(1));
    assert!(coordinator.changes_received().is_empty());
}

/// The coordinator's list with the lease of the specification `node:60:1700:1760:w:` and `token`.
const HELD: &str = r#"{"leases":[{"key":"node:60:1700:1760:w:","token":"token","lease_until_ms":1700000000000,"claimed_at_ms":1700000000000,"completion_ratio":0.1}]}"#;
const NONE_HELD: &str = r#"{"leases":[]}"#;
const SPEC: &str = "node:60:1700:1760:w::token";

/// A moment of a run, told by the requests that the coordinator has received and by the screen.
struct RunStage {
    name: &'static str,
    arguments: &'static [&'static str],
    list: &'static str,
    /// How long the list and a change take.
    takes: [Duration; 2],
    /// Requests that change a lease, requests for the list, and a text on the screen.
    reached: (usize, usize, &'static str),
}

const NOW: Duration = Duration::ZERO;
const SLOW: Duration = Duration::from_secs(3);

fn stages() -> Vec<RunStage> {
    let stage = |name, arguments, list, takes, reached| RunStage {
        name,
        arguments,
        list,
        takes,
        reached,
    };
    vec![
        stage(
            "reading stdin",
            &["--from-file", "-"][..],
            NONE_HELD,
            [NOW, NOW],
            (0, 0, ""),
        ),
        stage(
            "reading the list",
            &["--stuck"],
            HELD,
            [SLOW, NOW],
            (0, 1, "reading leases"),
        ),
        stage("asking", &["--stuck"], HELD, [NOW, NOW], (0, 1, "+ Enter")),
        stage(
            "sending",
            &["--concurrency=2", "a:1", "b:2", "c:3", "d:4"],
            NONE_HELD,
            [NOW, SLOW],
            (2, 0, "0/4"),
        ),
        stage(
            "between batches",
            &["--batch=5", "--pause=5m", "a:1", "b:2", "c:3"],
            NONE_HELD,
            [NOW, NOW],
            (1, 0, "1/3"),
        ),
        stage(
            "waiting for its turn",
            &["--rate=0.01", "a:1", "b:2"],
            NONE_HELD,
            [NOW, NOW],
            (1, 0, "1/2"),
        ),
        stage(
            "verifying",
            &["--verify", "--verify-within=5m", SPEC],
            HELD,
            [NOW, NOW],
            (1, 2, "verifying"),
        ),
        stage(
            "awaiting another worker",
            &["--verify", "--await-reclaim=5m", SPEC],
            NONE_HELD,
            [NOW, NOW],
            (1, 2, "verifying"),
        ),
    ]
}

#[test]
fn every_signal_at_every_stage_ends_with_its_code_a_report_and_a_sane_terminal() {
    println!("stage                    signal  exit  changes  last line of the report");
    for stage in stages() {
        for (name, code) in [("INT", 130), ("TERM", 143), ("HUP", 143)] {
            let what = format!("{}, {name}", stage.name);
            let (list, [for_list, for_change]) = (stage.list, stage.takes);
            let coordinator = Faults::choose(move |request, _| match &*request.method {
                "GET" => Reply::json(list).after(for_list).into(),
                _ => Reply::json(r#"{"completion_ratio":0.5}"#)
                    .after(for_change)
                    .into(),
            })
            .unwrap();
            let mut session = Session::start(at(&coordinator.url(), stage.arguments)).unwrap();
            wait_for_handlers(session.id());
            let (sent, looks, text) = stage.reached;
            wait_until(LONG, &what, || {
                let received = coordinator.received();
                let changes = changes(&received);
                changes == sent
                    && received.len() - changes >= looks
                    && session.screen().contains(text)
            })
            .unwrap();
            // Of a person who sees no change at once.
            match name {
                "INT" => session.type_in(CTRL_C).unwrap(),
                _ => (0..3).for_each(|_| session.signal(name).unwrap()),
            }
            let status = session.end(LONG).unwrap();
            let screen = session.screen();
            let last = screen.trim_end().lines().last().unwrap_or_default();
            let sent_in_all = changes(&coordinator.received());
            println!(
                "{:<24} {name:<6} {code:>5} {sent_in_all:>8}  {last}",
                stage.name
            );
            assert_eq!(status.code(), Some(code), "{what}: {screen}");
            assert!(last.contains("processed="), "{what}: {screen}");
            assert!(session.is_sane().unwrap(), "{what}: {screen:?}");
            assert_eq!(sent_in_all, sent, "{what}");
        }
    }
}

#[test]
fn the_question_names_coordinator_origin_action_count_and_ages() {
    let coordinator = Coordinator::start().unwrap();
    for (n, hours) in [(1, 1), (2, 5), (3, 3)] {
        let key = format!("node:{n}:60:1700:1760:w:2024-01-01T00:00:00Z");
        let lease = HeldLease::new(key, "token", now_ms());
        coordinator.insert(lease.ratio(0.1).claimed_earlier(hours * 3_600_000));
    }
    let folder = tempfile::tempdir().unwrap();
    let url = coordinator.url();
    let config = format!("seamless:\n  coordinator_url: {url}\n");
    std::fs::write(folder.path().join("qmtl.yml"), config).unwrap();
    let from_file = || {
        let mut command = lease_recover();
        command.current_dir(folder.path());
        command
    };
    let from_environment = || {
        let mut command = lease_recover();
        command.env("QMTL_SEAMLESS_COORDINATOR_URL", &url);
        command
    };
    let from_flag = || at(&url, &[]);
    for (mut command, arguments, texts) in [
        (
            from_file(),
            &["--stuck"][..],
            [
                "Fail 3 leases",
                "qmtl.yml",
                "5h (oldest) to 1h (youngest) ago",
            ],
        ),
        (
            from_environment(),
            &["--stuck", "--action=complete", "--older-than=2h"],
            [
                "Complete 2 leases",
                "QMTL_SEAMLESS_COORDINATOR_URL",
                "5h (oldest) to 3h (youngest) ago",
            ],
        ),
        (
            from_flag(),
            &["--stuck", "--older-than=4h"],
            ["Fail 1 lease ", "--coordinator-url", "claimed 5h ago"],
        ),
    ] {
        command.args(arguments);
        let mut session = Session::start(command).unwrap();
        let screen = session.expect("+ Enter", LONG).unwrap();
        let asked = screen.split_whitespace().collect::<Vec<_>>().join(" ");
        for text in texts.iter().chain(&[&*url]) {
            assert!(asked.contains(text), "{text}: {asked}");
        }
        session.type_in("n\n").unwrap();
        assert_eq!(session.end(LONG).unwrap().code(), Some(1));
    }
    assert!(coordinator.changes_received().is_empty());
}

#[test]
fn where_requests_are_shown_no_progress_is_drawn_between_them() {
    let coordinator = slow(Duration::from_millis(500));
    for (more, lines, is_drawn) in [(&["-v"][..], 2, false), (&[], 0, true)] {
        let arguments = [&["a:1", "b:2"], more].concat();
        let mut session = Session::start(at(&coordinator.url(), &arguments)).unwrap();
        assert_eq!(session.end(LONG).unwrap().code(), Some(0));
        let screen = session.screen();
        assert_eq!(screen.contains('░'), is_drawn, "{more:?}: {screen}");
        let shown = screen.matches("POST http://").count();
        assert_eq!(shown, lines, "{more:?}: {screen}");
    }
}

#[test]
fn stdin_that_is_no_terminal_is_not_asked() {
    let coordinator = coordinator_with(3);
    let run = EndedRun::against(&coordinator.url(), &["--stuck"]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(coordinator.received().is_empty());
    assert!(Path::new("/dev/ptmx").exists());
}
