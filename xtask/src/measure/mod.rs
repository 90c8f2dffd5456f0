//! The frame of every measurement: programs run and watched, servers filled, one table.
//!
//! A figure of `bench` comes about by turns: each program of a row runs once before any runs again, so that a
//! busy moment of the machine falls on all of them, and the median of the runs stands. What is measured is in
//! [`crate::bench`] and [`crate::sizing`].

mod fleet;
mod sheet;

use std::io::Write as _;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use serde::{Deserialize, Serialize};

pub(crate) use fleet::{InjectedFleet, OwnMetrics};
pub(crate) use sheet::{Sheet, shown};

/// A program to be run and measured: what `cargo xtask launch` takes. A process can read the peak of its
/// children alone, and that of all of them together, so each run has a parent of its own.
#[derive(clap::Args)]
pub struct LaunchArgs {
    /// The program and its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<String>,
}

/// What a run took and how it ended.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MeasuredRun {
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    /// At the least what this program itself needs to start another.
    pub(crate) peak_mib: f64,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the program and prints what it took as JSON.
///
/// # Errors
/// If it cannot be run.
pub fn launch(args: &LaunchArgs) -> Result<ExitCode> {
    let (program, arguments) = args.command.split_first().context("no program")?;
    let begun = Instant::now();
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    let seconds = begun.elapsed().as_secs_f64();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu = usage.user_time() + usage.system_time();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let ran = MeasuredRun {
        seconds,
        cpu_seconds: cpu.num_microseconds() as f64 / 1e6,
        peak_mib: usage.max_rss() as f64 / 1024.0,
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    };
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&ran)?)?;
    Ok(ExitCode::SUCCESS)
}

impl MeasuredRun {
    /// Runs a program, whatever its exit code.
    pub(crate) fn of(command: &[String], environment: &[(&str, String)]) -> Result<Self> {
        let program = command.first().map_or("", String::as_str);
        let output = Command::new(std::env::current_exe()?)
            .arg("launch")
            .args(command)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot measure {program}"))?;
        if !output.status.success() {
            bail!("{program} is missing, or cannot be run");
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

/// A command line to be timed.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) name: String,
    /// Or why it cannot be run.
    command: Result<Vec<String>, String>,
    /// Exit codes that are fine.
    codes: &'static [i32],
    /// Does the job this many times smaller; its times are multiplied.
    scale: f64,
}

impl Task {
    pub(crate) fn new<A: Into<String>>(name: &str, command: impl IntoIterator<Item = A>) -> Self {
        Self {
            name: name.to_owned(),
            command: Ok(command.into_iter().map(Into::into).collect()),
            codes: &[0],
            scale: 1.0,
        }
    }

    /// A program that cannot be run, and why.
    pub(crate) fn missing(name: &str, why: String) -> Self {
        Self {
            command: Err(why),
            ..Self::new(name, [""])
        }
    }

    /// A negative verdict is a result too.
    pub(crate) fn may_be_negative(mut self) -> Self {
        self.codes = &[0, 1, 3];
        self
    }

    /// It does a part of the job; its times are multiplied.
    pub(crate) fn scaled(mut self, times: f64) -> Self {
        self.scale = times;
        self
    }

    fn run(&self) -> Result<MeasuredRun, String> {
        let command = self.command.as_ref().map_err(Clone::clone)?;
        let ran = MeasuredRun::of(command, &[]).map_err(|error| format!("{error:#}"))?;
        if !ran.code.is_some_and(|code| self.codes.contains(&code)) {
            let said = ran.stderr.lines().last().unwrap_or_default();
            return Err(format!("ended with {:?}: {said}", ran.code));
        }
        Ok(ran)
    }
}

/// The medians of what a task took, and its most memory.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figure {
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_mib: f64,
}

/// Runs the tasks by turns, after one round that warms caches and does not count. A task that cannot be
/// run yields the reason, and does not keep the others from being measured.
pub(crate) fn by_turns(tasks: &[&Task], runs: usize) -> Vec<Result<Figure, String>> {
    let warm = |task: &&Task| task.run().map(|_| Vec::new());
    let mut done: Vec<Result<Vec<MeasuredRun>, String>> = tasks.iter().map(warm).collect();
    for _ in 0..runs {
        for (task, done) in tasks.iter().zip(&mut done) {
            let Ok(so_far) = done else { continue };
            match task.run() {
                Ok(ran) => so_far.push(ran),
                Err(why) => *done = Err(why),
            }
        }
    }
    let figure = |(task, runs): (&&Task, Vec<MeasuredRun>)| Figure {
        seconds: task.scale * median(runs.iter().map(|ran| ran.seconds)),
        cpu_seconds: task.scale * median(runs.iter().map(|ran| ran.cpu_seconds)),
        peak_mib: runs.iter().map(|ran| ran.peak_mib).fold(0.0, f64::max),
    };
    let all = tasks.iter().zip(done);
    all.map(|(task, runs)| runs.map(|runs| figure((task, runs))))
        .collect()
}

/// The middle one.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle.wrapping_sub(1)), sorted.get(middle)) {
        (Some(low), Some(high)) if sorted.len().is_multiple_of(2) => f64::midpoint(*low, *high),
        (_, Some(value)) => *value,
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median([9.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([9.0, 1.0, 2.0, 4.0].into_iter()), 3.0);
        assert!(median(std::iter::empty()).is_nan());
    }
}
