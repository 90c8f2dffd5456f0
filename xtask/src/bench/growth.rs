//! How the cost of a job grows with its size.

use std::cell::RefCell;

use anyhow::Result;
use serde::Serialize;

use super::measure::{Task, by_turns};
use super::setting::Setting;

/// One job at three sizes.
#[derive(Debug, Serialize)]
pub(super) struct Growth {
    job: &'static str,
    /// The size of 1x.
    unit: String,
    /// Medians at 1x, 10x and 100x.
    seconds: [Option<f64>; 3],
    /// 1 is linear; from 10x to 100x, where starting up weighs little.
    exponent: Option<f64>,
    missing: Option<String>,
}

impl Growth {
    pub(super) fn cells(&self) -> Vec<String> {
        let missing = || self.missing.clone().unwrap_or_default();
        let mut cells = vec![self.job.to_owned(), self.unit.clone()];
        cells.extend(
            self.seconds
                .map(|seconds| seconds.map_or_else(missing, super::time)),
        );
        let exponent = self.exponent.map(|exponent| format!("{exponent:.2}"));
        cells.push(exponent.unwrap_or_default());
        cells
    }
}

/// Measures every job that has a size.
pub(super) fn table(setting: &Setting, runs: usize) -> Result<Vec<Growth>> {
    let driver = setting.driver();
    let coordinator = setting.server(&["serve"])?;
    let servers = RefCell::new(Vec::new());
    let recover = setting.program("lease-recover");
    let inject = setting.program("inject-sla-violation");
    let job = |name: &'static str, unit: usize, of: &str, task: &dyn Fn(usize) -> Result<Task>| {
        let tasks = [unit, 10 * unit, 100 * unit].map(task);
        let tasks: Vec<Task> = tasks.into_iter().collect::<Result<_>>()?;
        let figures = by_turns(&setting.driver, &tasks, runs);
        let mut seconds = [None; 3];
        let mut missing = None;
        for (slot, figure) in seconds.iter_mut().zip(figures) {
            match figure {
                Ok(figure) => *slot = Some(figure.seconds),
                Err(why) => missing = Some(why),
            }
        }
        Ok::<_, anyhow::Error>(Growth {
            job: name,
            unit: format!("{unit} {of}"),
            exponent: seconds[1].zip(seconds[2]).map(|(a, b)| (b / a).log10()),
            seconds,
            missing,
        })
    };
    Ok(vec![
        job("lease specs parsed", 10_000, "lines", &|size| {
            Ok(Task::new("", [&driver, "specs", &setting.specs(size)?]))
        })?,
        job("lease-recover --dry-run", 1_000, "leases", &|size| {
            let file = setting.specs(size)?;
            Ok(Task::new("", [&recover, "--dry-run", "--from-file", &file]))
        })?,
        job("lease-recover on loopback", 1_000, "leases", &|size| {
            let file = setting.specs(size)?;
            let url = &coordinator.url;
            let command = [&recover, "--coordinator-url", url, "--from-file", &file];
            Ok(Task::new("", command))
        })?,
        job("exposition written", 10_000, "series", &|size| {
            Ok(Task::new("", [&driver, "write", &size.to_string()]).times_itself())
        })?,
        job("inject-sla-violation --nodes", 100, "nodes", &|size| {
            let nodes = size.to_string();
            let command = [&inject, "--write-to", "/dev/null", "--nodes", &nodes, "n"];
            Ok(Task::new("", command))
        })?,
        job("exposition read and checked", 9_500, "samples", &|size| {
            Ok(Task::new("", [&driver, "read", &setting.exposition(size)?]))
        })?,
        job("query answer checked", 10_000, "samples", &|size| {
            let file = setting.answer(size)?;
            let server = setting.server(&["serve", "--answer", &file])?;
            let task = Task::new("", [&driver, "query", &server.url]);
            servers.borrow_mut().push(server);
            Ok(task)
        })?,
    ])
}
