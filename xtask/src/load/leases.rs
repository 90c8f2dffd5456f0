//! 100,000 leases at a coordinator where one in a hundred meets a fault, each of the catalogue's by turns.
//!
//! What each fault must come to is what `lease-recover`'s own fault matrix says.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use seamless_lab::faults::catalogue::{CATALOGUE, Fault};
use seamless_lab::faults::{Faults, Reply};
use seamless_lab::servers::{Memory, Start};
use serde::Deserialize;

use crate::measure::{Sheet, mib};

const LOAD: &str = "leases";
const LEASES: usize = 100_000;
/// One lease in so many meets a fault.
const FAULTY: usize = 100;
const MATRIX: &str = include_str!("../../../crates/lease-recover/tests/all/fault_matrix.md");
const POLL: Duration = Duration::from_millis(20);
const DEADLINE: Duration = Duration::from_secs(300);
/// All leases, their outcomes and the document are held at the end.
const MOST_MIB: f64 = 256.0;
/// What three quarters of the outcomes may add.
const MOST_GROWTH_MIB: f64 = 32.0;

/// What the coordinator has seen.
struct SeenRequests {
    requests: Vec<AtomicUsize>,
    leases: AtomicUsize,
}

/// The document that the program prints, as far as it counts.
#[derive(Deserialize)]
struct RecoveryReport {
    leases: Vec<ReportedLease>,
    summary: BTreeMap<String, usize>,
    exit_code: i32,
}

#[derive(Deserialize)]
struct ReportedLease {
    key: String,
    outcome: String,
}

/// A fault that an answer can have, and what it must come to.
#[derive(Clone, Copy)]
struct ExpectedOutcome {
    fault: Fault,
    outcome: &'static str,
}

pub(super) fn run(program: &Path, sheet: &mut Sheet) -> Result<()> {
    crate::say(&format!(
        "{LOAD}: {LEASES} leases, one in {FAULTY} with a fault"
    ));
    let faults = expected()?;
    let seen = Arc::new(SeenRequests {
        requests: (0..LEASES).map(|_| AtomicUsize::new(0)).collect(),
        leases: AtomicUsize::new(0),
    });
    let coordinator = coordinator(&faults, &seen)?;
    let folder = tempfile::tempdir()?;
    let specs = folder.path().join("specs");
    std::fs::write(&specs, specs_of_all()).context("cannot write the leases")?;
    let arguments = [
        format!("--coordinator-url={}", coordinator.url()),
        format!("--from-file={}", specs.display()),
        format!("--journal={}", folder.path().join("journal").display()),
        "--concurrency=64".to_owned(),
        "--output=json".to_owned(),
    ];
    let begun = Instant::now();
    let mut recover = Start {
        program,
        arguments: &arguments,
        environment: &[],
        dir: folder.path(),
        name: "lease-recover",
    }
    .start()?;
    let mut resident = BTreeMap::new();
    let mut peak = 0;
    let status = loop {
        let done = seen.leases.load(Ordering::SeqCst);
        if let Some(memory) = Memory::of(recover.id()) {
            peak = memory.peak_kib.max(peak);
            for percent in [25, 50, 100] {
                if done >= LEASES * percent / 100 {
                    resident.entry(percent).or_insert(memory.resident_kib);
                }
            }
        }
        if let Some(status) = recover.exited() {
            break status;
        }
        if begun.elapsed() > DEADLINE {
            bail!(
                "lease-recover is not done after {DEADLINE:?}: {}",
                recover.log_tail()
            );
        }
        thread::sleep(POLL);
    };
    let took = begun.elapsed().as_secs_f64();
    let document: RecoveryReport = serde_json::from_str(&recover.stdout())
        .with_context(|| format!("no document: {}", recover.log_tail()))?;

    sheet.note(LOAD, "faults mixed in", format!("{} kinds", faults.len()));
    counts(&document, &faults, sheet);
    let repeated = (0..LEASES)
        .filter(|index| fault_of(*index, &faults).is_none())
        .filter(|index| seen.requests[*index].load(Ordering::SeqCst) != 1);
    sheet.exactly(
        LOAD,
        "leases without a fault not sent once",
        repeated.count(),
        0,
    );
    let at = |percent: usize| resident.get(&percent).copied().unwrap_or_default();
    let shown = [25, 50, 100].map(|percent| format!("{:.1}", mib(at(percent))));
    sheet.note(
        LOAD,
        "memory at 25, 50, 100 %",
        format!("{} MiB", shown.join(", ")),
    );
    let growth = mib(at(100).saturating_sub(at(25)));
    sheet.at_most(
        LOAD,
        "growth from 25 to 100 %",
        growth,
        MOST_GROWTH_MIB,
        "MiB",
    );
    sheet.at_most(LOAD, "peak memory", mib(peak), MOST_MIB, "MiB");
    sheet.at_most(LOAD, "time", took, DEADLINE.as_secs_f64(), "s");
    sheet.exactly(LOAD, "exit code", status.code().unwrap_or(-1), 1);
    sheet.exactly(LOAD, "exit code in the document", document.exit_code, 1);
    Ok(())
}

/// Holds the outcomes to what was to be expected, lease by lease and in sum.
fn counts(document: &RecoveryReport, faults: &[ExpectedOutcome], sheet: &mut Sheet) {
    let mut told: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for lease in &document.leases {
        told.entry(&lease.key).or_default().push(&lease.outcome);
    }
    let mut wrong = 0;
    let mut expected: BTreeMap<&str, usize> = BTreeMap::new();
    for index in 0..LEASES {
        let outcome = fault_of(index, faults).map_or("released", |expected| expected.outcome);
        *expected.entry(outcome).or_default() += 1;
        let as_expected = told.get(key(index).as_str()).map(Vec::as_slice) == Some(&[outcome]);
        if !as_expected {
            wrong += 1;
            let outcomes = told.get(key(index).as_str());
            let fault = fault_of(index, faults).map_or("no fault", |expected| expected.fault.name);
            crate::say(&format!("  {fault}: {outcomes:?} instead of {outcome}"));
        }
    }
    sheet.exactly(LOAD, "leases told otherwise, twice or not", wrong, 0);
    let count = |outcome: &str| document.summary.get(outcome).copied().unwrap_or_default();
    let mut sum = 0;
    for outcome in [
        "released",
        "already_released",
        "conflict",
        "failed",
        "unknown",
        "skipped",
    ] {
        sum += count(outcome);
        let awaited = expected.get(outcome).copied().unwrap_or_default();
        sheet.exactly(LOAD, outcome, count(outcome), awaited);
    }
    sheet.exactly(LOAD, "sum of the outcomes", sum, LEASES);
    sheet.exactly(LOAD, "processed", count("processed"), LEASES);
}

/// Every fault of an answer, with its row in the fault matrix.
fn expected() -> Result<Vec<ExpectedOutcome>> {
    let answers = CATALOGUE
        .into_iter()
        .filter(|fault| fault.behaviour(Reply::status(200), 0).is_some());
    answers
        .map(|fault| {
            let row = MATRIX
                .lines()
                .map(|line| line.split('|').map(str::trim).collect::<Vec<_>>())
                .find(|row| {
                    row.get(1) == Some(&"POST /v1/leases/fail") && row.get(2) == Some(&fault.name)
                });
            let outcome = row.and_then(|row| row.get(4).copied());
            let outcome = outcome.with_context(|| format!("no outcome of {:?}", fault.name))?;
            Ok(ExpectedOutcome { fault, outcome })
        })
        .collect()
}

fn fault_of(index: usize, faults: &[ExpectedOutcome]) -> Option<ExpectedOutcome> {
    index
        .is_multiple_of(FAULTY)
        .then(|| faults[index / FAULTY % faults.len()])
}

fn key(index: usize) -> String {
    let start = 1_700_000_000 + 60 * index;
    format!(
        "node-{}:60:{start}:{}:world-1:2024-01-01T00:00:00Z",
        index % 500,
        start + 60
    )
}

/// The lease that a request is about.
fn index(body: &serde_json::Value) -> Option<usize> {
    let start: usize = body["key"].as_str()?.split(':').nth(2)?.parse().ok()?;
    Some(start.checked_sub(1_700_000_000)? / 60).filter(|index| *index < LEASES)
}

fn specs_of_all() -> String {
    let mut text = String::new();
    for index in 0..LEASES {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}:{index:016x}", key(index));
    }
    text
}

fn coordinator(faults: &[ExpectedOutcome], seen: &Arc<SeenRequests>) -> Result<Faults> {
    let faults = faults.to_vec();
    let seen = Arc::clone(seen);
    Faults::choose(move |request, _| {
        let polite = Reply::json(r#"{"completion_ratio":0.25}"#);
        let Some(index) = request.json().ok().as_ref().and_then(index) else {
            return Reply::status(400).into();
        };
        let number = seen.requests[index].fetch_add(1, Ordering::SeqCst);
        if number == 0 {
            seen.leases.fetch_add(1, Ordering::SeqCst);
        }
        fault_of(index, &faults)
            .and_then(|expected| expected.fault.behaviour(polite.clone(), number))
            .unwrap_or_else(|| polite.into())
    })
}
