//! What a run writes down: taken up by the next one, mended when torn, and not touched by a dry run.

use std::fs;
use std::path::{Path, PathBuf};

use seamless_lab::coordinator::{Coordinator, HeldLease, LeaseEnd, now_ms};
use seamless_lab::faults::{Faults, Reply};

use crate::program::{EndedRun, lease_recover};

/// A folder with the records of runs that name three leases.
struct Records {
    folder: tempfile::TempDir,
    coordinator: Coordinator,
}

impl Records {
    fn new() -> Self {
        let coordinator = Coordinator::start().unwrap();
        for n in 0..3 {
            coordinator.insert(HeldLease::new(format!("lease-{n}"), "token", now_ms()));
        }
        Self {
            folder: tempfile::tempdir().unwrap(),
            coordinator,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, leases: &[usize], more: &[&str]) -> EndedRun {
        let mut command = lease_recover();
        command
            .args([
                "--coordinator-url",
                &self.coordinator.url(),
                "--output=json",
            ])
            .arg("--journal")
            .arg(self.path("journal"))
            .arg("--audit-log")
            .arg(self.path("audit"))
            .args(more)
            .args(leases.iter().map(|n| format!("lease-{n}:token")));
        EndedRun::of(command.output().unwrap())
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Takes the end of a file away, so that its last line is torn.
    fn tear(&self, name: &str, bytes: usize) {
        let text = self.text(name);
        fs::write(self.path(name), &text[..text.len() - bytes]).unwrap();
    }
}

fn words(run: &EndedRun) -> Vec<String> {
    let document = run.json();
    let leases = document["leases"].as_array().unwrap().iter();
    leases
        .map(|lease| lease["outcome"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_journal_of_one_action_settles_nothing_for_the_other() {
    for (first, second, ends) in [
        (
            "fail",
            "complete",
            LeaseEnd::Failed(Some("manual_recovery".to_owned())),
        ),
        ("complete", "fail", LeaseEnd::Completed),
    ] {
        let records = Records::new();
        let [first, second] = [first, second].map(|action| format!("--action={action}"));
        let run = records.run(&[0, 1], &[&first]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        let run = records.run(&[0, 1, 2], &[&second]);
        assert_eq!(run.code, 1, "{first}: {}", run.stdout);
        assert_eq!(words(&run), ["skipped", "skipped", "released"], "{first}");
        assert!(
            run.stdout.contains(&first.replace('=', " ")),
            "{}",
            run.stdout
        );
        let ended = records.coordinator.ended();
        assert_eq!(ended.len(), 3);
        assert!(
            ended[..2].iter().all(|ended| ended.outcome == ends),
            "{first}"
        );
        assert_ne!(ended[2].outcome, ends, "{first}");
        // However often it is repeated: nothing is sent, and what one action ended the other never did.
        let sent = records.coordinator.changes_received().len();
        let run = records.run(&[0, 1], &[&second]);
        assert_eq!(
            (run.code, words(&run)),
            (1, vec!["skipped".to_owned(); 2]),
            "{first}"
        );
        let run = records.run(&[0, 1], &[&first]);
        assert_eq!(
            (run.code, words(&run)),
            (0, vec!["released".to_owned(); 2]),
            "{first}"
        );
        assert_eq!(records.coordinator.changes_received().len(), sent);
    }
}

#[test]
fn a_torn_last_line_is_cut_off_and_never_glued_to_the_next() {
    for torn in [1, 2, 30, 100] {
        let records = Records::new();
        assert_eq!(records.run(&[0, 1], &["--concurrency=1"]).code, 0);
        records.tear("journal", torn);
        records.tear("audit", torn);
        let run = records.run(&[0, 1, 2], &["--concurrency=1"]);
        assert_eq!(run.code, 0, "{torn}: {}{}", run.stdout, run.stderr);
        // What the torn line said is not known any more, and asking again is safe.
        assert_eq!(
            words(&run),
            ["released", "already_released", "released"],
            "{torn}"
        );
        for name in ["journal", "audit"] {
            for line in records.text(name).lines() {
                let read = serde_json::from_str::<serde_json::Value>(line);
                assert!(read.is_ok(), "{torn}, {name}: {line}");
            }
        }
        // The first run's whole line, and the three of the second.
        assert_eq!(records.text("audit").lines().count(), 4, "{torn}");
    }
}

#[test]
fn a_last_line_that_is_not_ours_is_refused_with_its_place_and_left_alone() {
    for (name, content, place) in [
        ("audit", "a line\nsomebody's notes", "byte 7"),
        ("journal", "a line\nsomebody's notes", "not a journal"),
    ] {
        let records = Records::new();
        fs::write(records.path(name), content).unwrap();
        let run = records.run(&[0], &[]);
        assert_eq!(run.code, 2, "{name}: {}", run.stdout);
        assert!(run.stderr.contains(place), "{name}: {}", run.stderr);
        assert_eq!(records.text(name), content);
        assert!(records.coordinator.received().is_empty());
    }
}

/// Every file under a folder with its content and time of change.
fn snapshot(folder: &Path) -> Vec<(PathBuf, Vec<u8>, std::time::SystemTime)> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .map(|path| {
            let changed = fs::metadata(&path).unwrap().modified().unwrap();
            (path.clone(), fs::read(&path).unwrap(), changed)
        })
        .collect();
    files.sort();
    files
}

#[test]
fn a_dry_run_writes_nothing_anywhere() {
    let records = Records::new();
    let empty = records.folder.path();
    let run = records.run(&[0, 1, 2], &["--dry-run"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(snapshot(empty).is_empty());
    // Not even a torn line is mended.
    assert_eq!(records.run(&[0], &[]).code, 0);
    records.tear("journal", 20);
    records.tear("audit", 20);
    let before = snapshot(empty);
    for more in [
        &["--dry-run"][..],
        &["--dry-run", "--stuck"],
        &["--dry-run", "--action=complete"],
    ] {
        let run = records.run(&[0, 1, 2], more);
        assert_eq!(run.code, 0, "{more:?}: {}{}", run.stdout, run.stderr);
        assert_eq!(snapshot(empty), before, "{more:?}");
    }
    assert_eq!(records.coordinator.changes_received().len(), 1);
}

#[test]
fn a_failure_in_the_canary_or_a_batch_stops_the_run() {
    // One lease first, then three at a time: 0 | 1 2 3 | 4 5 6 | 7.
    for (failing, sent) in [(0, 1), (2, 4), (4, 7), (7, 8), (99, 8)] {
        let server = Faults::choose(move |request, _| {
            let body = request.json().unwrap();
            match body["key"] == format!("lease-{failing}") {
                true => Reply::status(500).into(),
                false => Reply::json(r#"{"completion_ratio":0.5}"#).into(),
            }
        })
        .unwrap();
        let specs: Vec<String> = (0..8).map(|n| format!("lease-{n}:token")).collect();
        let mut arguments = vec!["--batch=3", "--pause=10ms", "--output=json"];
        arguments.extend(specs.iter().map(String::as_str));
        let run = EndedRun::against(&server.url(), &arguments);
        assert_eq!(server.received().len(), sent, "{failing}: {}", run.stdout);
        assert_eq!(run.code, i32::from(failing != 99), "{failing}");
        let document = run.json();
        assert_eq!(document["summary"]["skipped"], 8 - sent, "{failing}");
        for lease in &document["leases"].as_array().unwrap()[sent..] {
            assert_eq!(lease["detail"], "an earlier batch had a failure");
        }
    }
}

#[test]
fn leases_that_the_journal_settled_are_no_canary() {
    let server = Faults::choose(|request, _| {
        let body = request.json().unwrap();
        match body["key"] == "lease-0" || body["key"] == "lease-1" {
            true => Reply::json(r#"{"completion_ratio":0.5}"#).into(),
            false => Reply::status(500).into(),
        }
    })
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let journal = format!("--journal={}", folder.path().join("journal").display());
    let earlier = EndedRun::against(&server.url(), &[&journal, "lease-0:token", "lease-1:token"]);
    assert_eq!(earlier.code, 0, "{}{}", earlier.stdout, earlier.stderr);

    let mut arguments = vec![journal, "--batch=3".to_owned(), "--pause=10m".to_owned()];
    arguments.extend((0..8).map(|n| format!("lease-{n}:token")));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let run = EndedRun::against(&server.url(), &arguments);
    assert_eq!(run.code, 1, "{}{}", run.stdout, run.stderr);
    assert_eq!(server.received().len(), 3, "two before, and one canary");
}

#[test]
fn a_lease_that_is_listed_again_is_not_released_by_the_journal() {
    let records = Records::new();
    let lease = || {
        let lease = HeldLease::new(
            "node:60:1700:1760:w:2024-01-01T00:00:00Z",
            "token",
            now_ms(),
        );
        lease.ratio(0.1).claimed_earlier(3_600_000)
    };
    for sent in [1, 2] {
        records.coordinator.insert(lease());
        let run = records.run(&[], &["--stuck", "--yes"]);
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        let released = &run.json()["leases"][0];
        assert_eq!(released["outcome"], "released");
        assert_eq!(released["by_earlier_run"], false);
        assert_eq!(records.coordinator.changes_received().len(), sent);
    }
}

/// Opened for reading as well, a pipe takes events until it is full, and then never returns.
#[test]
fn a_pipe_is_an_audit_log_while_somebody_reads_it_and_never_a_journal() {
    let coordinator = Faults::always(Reply::json(r#"{"completion_ratio":0.5}"#)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let run = |option: &str, more: &[&str]| {
        let option = format!("--{option}={}", pipe.display());
        EndedRun::against(&coordinator.url(), &[&[&*option, "a:b"][..], more].concat())
    };
    for (option, more, says) in [
        ("audit-log", &[][..], "nobody reads the pipe"),
        ("journal", &[], "not a regular file"),
        ("journal", &["--dry-run"], "not a regular file"),
    ] {
        let run = run(option, more);
        assert_eq!(run.code, 2, "--{option} {more:?}: {}", run.stderr);
        assert!(run.stderr.contains(says), "--{option}: {}", run.stderr);
    }
    assert!(coordinator.received().is_empty());

    let reads = {
        let pipe = pipe.clone();
        std::thread::spawn(move || fs::read_to_string(pipe).unwrap())
    };
    // Until the reader has opened it, there is none.
    let opened = || run("audit-log", &[]).code == 0;
    seamless_lab::wait_until(std::time::Duration::from_secs(30), "the reader", opened).unwrap();
    assert!(reads.join().unwrap().contains("lease_recovered"));
}
