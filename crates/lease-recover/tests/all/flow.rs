//! How requests follow one another: how many at a time, how fast, and when they stop.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use seamless_lab::coordinator::{Coordinator, HeldLease, now_ms};
use seamless_lab::faults::{Faults, Reply};
use seamless_lab::wait_until;
use serde_json::Value;

use crate::program::{EndedRun, lease_recover};

/// What the coordinator, and nobody else, answers to a release.
const RELEASED: &str = r#"{"completion_ratio":0.5}"#;

fn specs(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("lease-{n}:token-{n}")).collect()
}

fn against(url: &str, options: &[&str], leases: usize) -> EndedRun {
    let specs = specs(leases);
    let arguments: Vec<&str> = options
        .iter()
        .copied()
        .chain(specs.iter().map(String::as_str))
        .collect();
    EndedRun::against(url, &arguments)
}

/// The outcomes with how often each came, and what was said of the skipped ones.
fn outcomes(document: &Value) -> (HashMap<String, usize>, Vec<String>) {
    let mut counts = HashMap::new();
    let mut skipped = Vec::new();
    for lease in document["leases"].as_array().unwrap() {
        let outcome = lease["outcome"].as_str().unwrap().to_owned();
        if outcome == "skipped" {
            skipped.push(lease["detail"].as_str().unwrap().to_owned());
            assert_eq!(lease["requests"], 0, "{lease}");
        }
        *counts.entry(outcome).or_default() += 1;
    }
    let summary = &document["summary"];
    let mut total = 0;
    for word in [
        "released",
        "already_released",
        "conflict",
        "failed",
        "unknown",
        "skipped",
    ] {
        let counted = counts.get(word).copied().unwrap_or(0);
        assert_eq!(summary[word], counted, "{word}");
        total += counted;
    }
    assert_eq!(summary["processed"], total);
    (counts, skipped)
}

#[test]
fn too_many_failures_stop_the_run_promptly_and_the_rest_is_reported() {
    const LEASES: usize = 200;
    const AT_A_TIME: usize = 4;
    for (limit, allowed) in [("0", 0), ("5", 5), ("5%", 10)] {
        let server = Faults::always(Reply::status(500).after(Duration::from_millis(5))).unwrap();
        let options = [
            "--output=json",
            "--concurrency=4",
            &format!("--max-failures={limit}"),
        ];
        let run = against(&server.url(), &options, LEASES);
        let document = run.json();
        let (counts, skipped) = outcomes(&document);
        let sent = server.received().len();
        // One failure too many, and what was in flight beside it.
        assert!(
            (allowed + 1..=allowed + AT_A_TIME).contains(&sent),
            "{limit}: {sent} requests"
        );
        assert_eq!(counts["failed"], sent, "{limit}");
        assert_eq!(counts["skipped"], LEASES - sent, "{limit}");
        assert!(
            skipped
                .iter()
                .all(|detail| detail.contains("too many failures")),
            "{skipped:?}"
        );
        assert_eq!(run.code, 1);
    }
}

#[test]
fn as_many_failures_as_allowed_stop_nothing() {
    let server = Faults::choose(|request, _| {
        let failing = ["lease-3", "lease-30"];
        let body = request.json().unwrap();
        if failing.contains(&body["key"].as_str().unwrap()) {
            Reply::status(500).into()
        } else {
            Reply::json(RELEASED).into()
        }
    });
    let server = server.unwrap();
    let run = against(&server.url(), &["--output=json", "--max-failures=2"], 60);
    let (counts, _) = outcomes(&run.json());
    assert_eq!((counts["released"], counts["failed"]), (58, 2));
    assert_eq!(run.code, 1);
}

#[test]
fn no_more_requests_are_in_flight_than_allowed_and_no_fewer() {
    for concurrency in [1, 7, 40] {
        let server =
            Faults::always(Reply::json(RELEASED).after(Duration::from_millis(300))).unwrap();
        let option = format!("--concurrency={concurrency}");
        let run = against(&server.url(), &[&option], concurrency * 3);
        assert_eq!(run.code, 0, "{}", run.stdout);
        assert_eq!(server.peak_in_flight(), concurrency);
    }
}

/// When requests arrived at a server that answers each lease's first request with `first`.
fn arrivals(rate: usize, leases: usize, first: u16) -> Vec<Instant> {
    let seen = Arc::new(Mutex::new(HashMap::new()));
    let times = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&times);
    let server = Faults::choose(move |request, _| {
        noted.lock().unwrap().push(Instant::now());
        let key = request.json().unwrap()["key"].to_string();
        let mut seen = seen.lock().unwrap();
        let before = seen.entry(key).or_insert(0);
        *before += 1;
        match (*before, first) {
            (1, 300..) => Reply::status(first).into(),
            _ => Reply::json(RELEASED).into(),
        }
    });
    let server = server.unwrap();
    let run = against(&server.url(), &[&format!("--rate={rate}")], leases);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    let times = times.lock().unwrap();
    times.clone()
}

/// Requests come no faster than `rate` per second, whatever the machine does: how evenly they come is the rate limiter's
/// own test, on a clock of its own. A first one that arrives late makes a run look shorter, by little.
fn no_faster_than(rate: usize, times: &[Instant]) {
    let took = (times[times.len() - 1] - times[0]).as_secs_f64();
    let least = (times.len() - 1) as f64 / rate as f64;
    assert!(took > 0.9 * least, "{took} s instead of {least} s");
}

#[test]
fn requests_come_no_faster_than_the_rate() {
    no_faster_than(50, &arrivals(50, 200, 204));
}

#[test]
fn a_request_that_is_repeated_counts_for_the_rate() {
    let times = arrivals(50, 100, 503);
    assert_eq!(times.len(), 200);
    no_faster_than(50, &times);
}

#[test]
fn an_interrupted_run_waits_for_what_is_in_flight_and_reports_the_rest() {
    const LEASES: usize = 40;
    let coordinator = Coordinator::builder()
        .latency(Duration::from_secs(3))
        .start()
        .unwrap();
    for n in 0..LEASES {
        let (key, token) = (format!("lease-{n}"), format!("token-{n}"));
        coordinator.insert(HeldLease::new(key, token, now_ms()));
    }
    let child = lease_recover()
        .args(["--coordinator-url", &coordinator.url()])
        .args(["--concurrency=4", "--timeout=30s", "--output=json"])
        .args(specs(LEASES))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until(Duration::from_secs(60), "requests in flight", || {
        coordinator.received().len() == 4
    })
    .unwrap();
    seamless_lab::signal(child.id(), "INT").unwrap();
    let run = EndedRun::of(child.wait_with_output().unwrap());
    assert_eq!(run.code, 130, "{}{}", run.stdout, run.stderr);
    let document = run.json();
    assert_eq!(document["stopped_by"], "SIGINT");
    let (counts, skipped) = outcomes(&document);
    // What was sent was waited for, and nothing was sent any more.
    assert_eq!(coordinator.received().len(), 4);
    assert_eq!(coordinator.ended().len(), 4);
    assert_eq!((counts["released"], counts["skipped"]), (4, LEASES - 4));
    assert!(
        skipped.iter().all(|detail| detail.contains("SIGINT")),
        "{skipped:?}"
    );
}
