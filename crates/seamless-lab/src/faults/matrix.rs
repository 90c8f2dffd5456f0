//! A table of faults and what a program makes of them.
//!
//! Owns running one trial per fault, a few at a time, what must hold for every one of them (no panic,
//! one-line errors without control characters, bounded memory), and the comparison with the committed
//! table.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use super::Trial;
use super::catalogue::Fault;
use crate::kept;

/// Trials mostly wait, so more of them run at a time than there are processors.
const AT_A_TIME: usize = 8;
/// The largest body that is read is 64 MiB, twice while it is copied to a larger buffer.
const MOST_KIB: u64 = 320 * 1024;

/// The table.
#[derive(Debug)]
pub struct FaultMatrix {
    text: String,
}

struct FaultRow {
    code: Option<i32>,
    outcome: String,
}

impl FaultMatrix {
    /// An empty table whose last column is `outcome`.
    #[must_use]
    pub fn new(outcome: &str) -> Self {
        Self {
            text: format!("| endpoint | fault | exit code | {outcome} |\n|---|---|---|---|\n"),
        }
    }

    /// Adds a row for each of `faults` at `endpoint`. `trial` runs the program against one of them.
    ///
    /// # Panics
    /// If a trial breaks what must hold for every program.
    pub fn add(
        &mut self,
        endpoint: &str,
        faults: &[Fault],
        trial: impl Fn(Fault) -> (Trial, String) + Sync,
    ) {
        let waiting: Mutex<VecDeque<(usize, Fault)>> =
            Mutex::new(faults.iter().copied().enumerate().collect());
        let rows: Mutex<Vec<(usize, FaultRow)>> = Mutex::default();
        let most: Mutex<(u64, Duration)> = Mutex::default();
        let work = || {
            loop {
                let next = locked(&waiting).pop_front();
                let Some((index, fault)) = next else { break };
                let (trial, outcome) = trial(fault);
                hold(endpoint, fault, &trial);
                let mut most = locked(&most);
                most.0 = most.0.max(trial.peak_kib);
                most.1 = most.1.max(trial.took);
                let code = trial.code;
                locked(&rows).push((index, FaultRow { code, outcome }));
            }
        };
        thread::scope(|scope| {
            for _ in 0..AT_A_TIME {
                scope.spawn(work);
            }
        });
        let mut rows = rows.into_inner().unwrap_or_default();
        rows.sort_by_key(|(index, _)| *index);
        for ((_, row), fault) in rows.iter().zip(faults) {
            let code = row
                .code
                .map_or("signal".to_owned(), |code| code.to_string());
            // Writing to a string does not fail.
            let _ = writeln!(
                self.text,
                "| {endpoint} | {} | {code} | {} |",
                fault.name, row.outcome
            );
        }
        let (kib, took) = *locked(&most);
        // Not in the table, since they differ from run to run.
        self.measured(endpoint, faults.len(), kib, took);
    }

    #[expect(
        clippy::print_stdout,
        reason = "a test's output is where its figures are looked for"
    )]
    fn measured(&self, endpoint: &str, faults: usize, kib: u64, took: Duration) {
        println!(
            "{endpoint}: {faults} faults, at most {took:?} and {} MiB",
            kib / 1024
        );
    }

    /// Compares the table with the file at `path`.
    ///
    /// # Panics
    /// If they differ.
    pub fn check(self, path: impl AsRef<Path>) {
        kept::check(&self.text, path);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// What holds for every program and fault.
fn hold(endpoint: &str, fault: Fault, trial: &Trial) {
    let name = fault.name;
    let said = format!("{}{}", trial.stdout, trial.stderr);
    assert!(
        matches!(trial.code, Some(0..=3)) && !said.contains("panicked"),
        "{endpoint}, {name}: {trial:?}"
    );
    assert!(
        trial.peak_kib < MOST_KIB,
        "{endpoint}, {name}: {} KiB",
        trial.peak_kib
    );
    let moves_the_cursor = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    assert!(
        !said.contains(moves_the_cursor),
        "{endpoint}, {name}: {said:?}"
    );
    assert!(
        trial.code == Some(0) || !said.trim().is_empty(),
        "{endpoint}, {name}: it failed and said nothing"
    );
}
