//! `cargo xtask bench`: the release programs against their peers and against what cannot be beaten.
//!
//! Owns the jobs' bars. What is run is in [`rows`], its inputs in [`setting`], the peers in `xtask/bench/`. A
//! timing is no test: nothing else depends on a bar here.

mod rows;
mod setting;

use std::io::Write as _;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use self::setting::Setting;
use crate::cargo;
use crate::measure::{Sheet, Task, by_turns, shown};

/// What `--row` takes.
const ROWS: [&str; 9] = [
    "start",
    "write",
    "read",
    "render",
    "health",
    "health-latency",
    "leases-latency",
    "query",
    "growth",
];

/// Arguments of `cargo xtask bench`.
#[derive(clap::Args)]
pub struct BenchArgs {
    /// How often each program of a row is run.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Measure only these (repeatable): `start`, `health`, ...; `growth` is how cost grows with size.
    #[arg(long, value_name = "NAME", value_parser = ROWS)]
    row: Vec<String>,
    /// Print one JSON document instead of a table.
    #[arg(long)]
    json: bool,
}

/// What must hold.
#[derive(Debug, Clone, Copy)]
enum Bar {
    /// At most this many times the other's time.
    Times(f64),
    /// At most this many seconds more than the other.
    SecondsMore(f64),
    /// Nothing is asked for; the ratio is told.
    None,
}

/// A job to be measured.
struct BenchRow {
    job: String,
    ours: Task,
    /// Other programs that do the job, or what cannot be beaten.
    against: Vec<(Task, Bar)>,
    /// The most seconds that it may take, whatever else takes how long, and why so many.
    within: Option<(f64, &'static str)>,
    /// The most memory, in MiB.
    memory: Option<f64>,
}

/// Measures and prints. Exit code 1 if a bar does not hold, 3 if none was missed and one could not be
/// measured.
///
/// # Errors
/// If nothing can be built or no server started. A peer that is missing is named in its line.
pub fn run(args: &BenchArgs) -> Result<ExitCode> {
    if cfg!(debug_assertions) {
        return in_release();
    }
    let setting = Setting::prepare()?;
    let wanted = |id: &str| args.row.is_empty() || args.row.iter().any(|row| row == id);
    let mut sheet = Sheet::default();
    rows::all(&setting, &wanted, &mut |row| {
        row.measure(args.runs.into(), &mut sheet);
    })?;
    if wanted("growth") {
        rows::growth(&setting, args.runs.into(), &mut sheet)?;
    }
    let text = match args.json {
        true => sheet.json()?,
        false => sheet.text(),
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(sheet.exit_code())
}

/// This very command in the release profile: the stand-ins for servers run in this process and must not be the
/// bottleneck.
fn in_release() -> Result<ExitCode> {
    let built = cargo::build(&["build", "--release", "--locked", "--package", "xtask"])?;
    let status = Command::new(cargo::executable(&built, "xtask")?)
        .args(std::env::args_os().skip(1))
        .status()
        .context("cannot run the release build of this command")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

impl BenchRow {
    fn new(job: impl Into<String>, ours: Task) -> Self {
        Self {
            job: job.into(),
            ours,
            against: Vec::new(),
            within: None,
            memory: None,
        }
    }

    fn against(mut self, task: Task, bar: Bar) -> Self {
        self.against.push((task, bar));
        self
    }

    fn measure(self, runs: usize, sheet: &mut Sheet) {
        let job = self.job.as_str();
        crate::say(&format!("measuring {job}"));
        let others = self.against.iter().map(|(task, _)| task);
        let tasks: Vec<&Task> = [&self.ours].into_iter().chain(others).collect();
        let mut figures = by_turns(&tasks, runs).into_iter();
        let ours = match figures.next() {
            Some(Ok(figure)) => figure,
            Some(Err(why)) => return sheet.not_measured(job, "time", &why),
            None => return,
        };
        match self.within {
            Some((most, why)) => {
                sheet.at_most(job, &format!("time; {why}"), ours.seconds, most, "s");
            }
            None => sheet.note(job, "time", shown(ours.seconds, "s")),
        }
        match self.memory {
            Some(most) => sheet.at_most(job, "peak memory", ours.peak_mib, most, "MiB"),
            None => sheet.note(job, "peak memory", shown(ours.peak_mib, "MiB")),
        }
        for ((task, bar), figure) in self.against.iter().zip(figures) {
            let other = match figure {
                Ok(figure) => figure,
                Err(why) => {
                    sheet.not_measured(job, &format!("against {}", task.name), &why);
                    continue;
                }
            };
            let theirs = shown(other.seconds, "s");
            let peak = shown(other.peak_mib, "MiB");
            let figure = format!("against {}: {theirs}, {peak}", task.name);
            let ratio = ours.seconds / other.seconds;
            match *bar {
                Bar::Times(most) => sheet.at_most(job, &figure, ratio, most, "×"),
                Bar::SecondsMore(most) => {
                    sheet.at_most(job, &figure, ours.seconds - other.seconds, most, "s");
                }
                Bar::None => sheet.note(job, &figure, shown(ratio, "×")),
            }
        }
    }
}
