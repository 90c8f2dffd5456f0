//! Killed at any moment and run again with the same journal, by either action, nothing is lost and nothing is sent twice
//! that was written down as settled.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use seamless_lab::coordinator::{Coordinator, HeldLease, LeaseEnd, now_ms};

use crate::program::{EndedRun, lease_recover};

const LEASES: usize = 60;
const ROUNDS: u64 = 60;

/// The keys that the journal holds as settled. Its last line may be torn.
fn settled(journal: &Path) -> HashSet<String> {
    let text = std::fs::read_to_string(journal).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect(line))
        .filter(|entry| entry["outcome"] == "released" || entry["outcome"] == "already_released")
        .map(|entry| entry["key"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn killed_at_any_moment_and_resumed() {
    let (mut cut_off, mut unwritten) = (0, 0);
    for round in 0..ROUNDS {
        let coordinator = Coordinator::builder()
            .latency(Duration::from_millis(30))
            .start()
            .unwrap();
        let action = ["fail", "complete"][usize::try_from(round % 2).unwrap()];
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal.jsonl");
        let specs = folder.path().join("specs");
        let mut text = String::new();
        for n in 0..LEASES {
            let key = format!("node:{n}:60:{n}:{}", n + 60);
            coordinator.insert(HeldLease::new(&key, format!("token-{n}"), now_ms()));
            text.push_str(&format!("{key}:token-{n}\n"));
        }
        std::fs::write(&specs, text).unwrap();
        let command = || {
            let mut command = lease_recover();
            command
                .args([
                    "--coordinator-url",
                    &coordinator.url(),
                    "--concurrency",
                    "4",
                    "--action",
                    action,
                    "--journal",
                ])
                .arg(&journal)
                .arg("--from-file")
                .arg(&specs);
            command
        };
        let mut child = command()
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // From before the first request to after the last, wherever that is on this machine.
        let moment = usize::try_from(round * 50 / (ROUNDS - 1)).unwrap();
        let _ = seamless_lab::wait_until(Duration::from_secs(30), "the moment to kill", || {
            coordinator.received().len() >= moment
        });
        std::thread::sleep(Duration::from_micros(fastrand(round)));
        child.kill().unwrap();
        child.wait().unwrap();

        // Requests that were on the way may still arrive.
        std::thread::sleep(Duration::from_millis(20));
        let written = settled(&journal);
        let sent_before = coordinator.changes_received().len();
        let ended_before = coordinator.ended().len();
        cut_off += usize::from(written.len() < LEASES);
        unwritten += ended_before - written.len();

        let run = EndedRun::of(command().args(["--output", "json"]).output().unwrap());
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        assert!(
            coordinator.leases().is_empty(),
            "round {round}: leases were lost"
        );
        let mut ends: HashMap<String, usize> = HashMap::new();
        for ended in coordinator.ended() {
            let is_completed = ended.outcome == LeaseEnd::Completed;
            assert_eq!(is_completed, action == "complete", "round {round}");
            *ends.entry(ended.lease.key).or_default() += 1;
        }
        assert!(ends.len() == LEASES && ends.values().all(|count| *count == 1));
        let sent_after = &coordinator.changes_received()[sent_before..];
        for request in sent_after {
            let key = request.json().unwrap()["key"].as_str().unwrap().to_owned();
            assert!(
                !written.contains(&key),
                "round {round}: {key} was settled and sent again"
            );
        }
        assert_eq!(sent_after.len(), LEASES - written.len());
        let summary = &run.json()["summary"];
        assert_eq!(summary["processed"], LEASES);
        assert_eq!(settled(&journal).len(), LEASES);
    }
    println!(
        "{ROUNDS} kills, {cut_off} before the end, {unwritten} leases released and not yet written down"
    );
    assert!(cut_off >= 50, "only {cut_off} runs were cut off");
}

/// A spread of short delays that is the same in every run.
fn fastrand(round: u64) -> u64 {
    round.wrapping_mul(2_654_435_761) % 4000
}
