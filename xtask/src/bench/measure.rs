//! Timing whole programs, by turns.
//!
//! Owns how a figure comes about: each program of a row runs once before any runs again, so that a busy
//! moment of the machine falls on all of them, and the median of the runs stands. It knows no row.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

/// A command line to be timed.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) name: String,
    command: Vec<String>,
    /// The program prints `{"seconds": …}` itself.
    times_itself: bool,
    /// Exit codes that are fine.
    codes: &'static [i32],
    /// Does the job this many times smaller; its time is multiplied.
    scale: f64,
    /// Why it cannot be run.
    missing: Option<String>,
}

impl Task {
    pub(super) fn new<A: Into<String>>(
        name: impl Into<String>,
        command: impl IntoIterator<Item = A>,
    ) -> Self {
        Self {
            name: name.into(),
            command: command.into_iter().map(Into::into).collect(),
            times_itself: false,
            codes: &[0],
            scale: 1.0,
            missing: None,
        }
    }

    /// A program that cannot be run, and why.
    pub(super) fn missing(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            missing: Some(why.into()),
            ..Self::new(name, [""])
        }
    }

    /// Its own `{"seconds": …}` counts, and not what surrounds the job.
    pub(super) fn times_itself(mut self) -> Self {
        self.times_itself = true;
        self
    }

    /// A negative verdict is a result too.
    pub(super) fn may_be_negative(mut self) -> Self {
        self.codes = &[0, 1, 3];
        self
    }

    /// It does a part of the job; its time is multiplied.
    pub(super) fn scaled(mut self, times: f64) -> Self {
        self.scale = times;
        self
    }

    fn run(&self, driver: &Path) -> Result<Run> {
        if let Some(why) = &self.missing {
            bail!("{why}");
        }
        let program = self.command.first().map_or("", String::as_str);
        let output = Command::new(driver)
            .arg("launch")
            .args(&self.command)
            .stdin(Stdio::null())
            .output()
            .context("cannot run the benchmarks' driver")?;
        if !output.status.success() {
            bail!("{program} is missing, or cannot be run");
        }
        let launched: Launched = serde_json::from_slice(&output.stdout)?;
        if !launched.code.is_some_and(|code| self.codes.contains(&code)) {
            let ended = launched.code.map_or_else(
                || "was killed".to_owned(),
                |code| format!("exit code {code}"),
            );
            bail!("{program}: {ended}: {}", launched.complaint);
        }
        let seconds = if self.times_itself {
            let own: OwnTime = serde_json::from_str(&launched.last_line)
                .with_context(|| format!("{program}: no time in its output"))?;
            own.seconds
        } else {
            launched.seconds
        };
        Ok(Run {
            seconds: seconds * self.scale,
            cpu_seconds: launched.cpu_seconds * self.scale,
            peak_mib: launched.peak_kib as f64 / 1024.0,
        })
    }
}

#[derive(Deserialize)]
struct Launched {
    seconds: f64,
    cpu_seconds: f64,
    peak_kib: u64,
    code: Option<i32>,
    last_line: String,
    complaint: String,
}

#[derive(Deserialize)]
struct OwnTime {
    seconds: f64,
}

struct Run {
    seconds: f64,
    cpu_seconds: f64,
    peak_mib: f64,
}

/// What a program took.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Figure {
    pub(super) name: String,
    /// The median.
    pub(super) seconds: f64,
    pub(super) fastest: f64,
    pub(super) slowest: f64,
    /// The median of what the processor spent on the whole program; none for what is computed.
    pub(super) cpu_seconds: Option<f64>,
    /// The most memory in any run; none for what is computed.
    pub(super) peak_mib: Option<f64>,
}

impl Figure {
    /// A limit that follows from arithmetic.
    pub(super) fn computed(name: &str, seconds: f64) -> Self {
        Self {
            name: name.to_owned(),
            seconds,
            fastest: seconds,
            slowest: seconds,
            cpu_seconds: None,
            peak_mib: None,
        }
    }

    fn of(name: &str, runs: &[Run]) -> Self {
        let sorted = |of: fn(&Run) -> f64| {
            let mut values: Vec<f64> = runs.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let seconds = sorted(|run| run.seconds);
        Self {
            name: name.to_owned(),
            seconds: median(&seconds),
            fastest: seconds.first().copied().unwrap_or(f64::NAN),
            slowest: seconds.last().copied().unwrap_or(f64::NAN),
            cpu_seconds: Some(median(&sorted(|run| run.cpu_seconds))),
            peak_mib: runs.iter().map(|run| run.peak_mib).reduce(f64::max),
        }
    }
}

/// The middle of sorted values.
fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match (sorted.get(middle.wrapping_sub(1)), sorted.get(middle)) {
        (Some(low), Some(high)) if sorted.len().is_multiple_of(2) => f64::midpoint(*low, *high),
        (_, Some(value)) => *value,
        _ => f64::NAN,
    }
}

/// Runs the tasks by turns, after one round that warms caches and does not count. A task that cannot be
/// run yields the reason, and does not keep the others from being measured.
pub(super) fn by_turns(driver: &Path, tasks: &[Task], runs: usize) -> Vec<Result<Figure, String>> {
    let mut done: Vec<Result<Vec<Run>, String>> = tasks
        .iter()
        .map(|task| task.run(driver).map(|_| Vec::new()))
        .map(|warm| warm.map_err(|error| format!("{error:#}")))
        .collect();
    for _ in 0..runs {
        for (task, done) in tasks.iter().zip(&mut done) {
            let Ok(so_far) = done else { continue };
            match task.run(driver) {
                Ok(run) => so_far.push(run),
                Err(error) => *done = Err(format!("{error:#}")),
            }
        }
    }
    tasks
        .iter()
        .zip(done)
        .map(|(task, runs)| runs.map(|runs| Figure::of(&task.name, &runs)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[1.0, 2.0, 9.0]), 2.0);
        assert_eq!(median(&[1.0, 2.0, 4.0, 9.0]), 3.0);
        assert!(median(&[]).is_nan());
    }
}
