//! How the cost of a job grows with its size.
//!
//! The processor's time counts here, start-up and preparation included: unlike the wall clock it does
//! not see who else uses the machine.

use std::cell::RefCell;
use std::time::Duration;

use anyhow::Result;
use seamless_lab::runtime::Runtime;
use seamless_lab::servers::Prometheus;
use serde::Serialize;

use super::measure::{Task, by_turns};
use super::setting::Setting;

/// One job at three sizes.
#[derive(Debug, Serialize)]
pub(super) struct Growth {
    job: &'static str,
    /// The size of 1x.
    unit: String,
    /// Medians of the processor's seconds at 1x, 10x and 100x.
    cpu_seconds: [Option<f64>; 3],
    /// The most memory at 1x, 10x and 100x.
    peak_mib: [Option<f64>; 3],
    /// 1 is linear; from 10x to 100x, where starting up weighs little.
    exponent: Option<f64>,
    missing: Option<String>,
}

impl Growth {
    pub(super) fn cells(&self) -> Vec<String> {
        let mut cells = vec![self.job.to_owned(), self.unit.clone()];
        for (seconds, peak) in self.cpu_seconds.into_iter().zip(self.peak_mib) {
            cells.push(seconds.map_or_else(String::new, super::time));
            cells.push(peak.map_or_else(String::new, |mib| format!("{mib:.0} MiB")));
        }
        let exponent = self.exponent.map(|exponent| format!("{exponent:.2}"));
        cells.extend(exponent.or_else(|| self.missing.clone()));
        cells
    }
}

/// Measures every job that has a size.
pub(super) fn table(setting: &Setting, runs: usize) -> Result<Vec<Growth>> {
    let driver = setting.driver();
    let coordinator = setting.server(&["serve"])?;
    let runtime = Runtime::builder().start()?;
    let prometheus = Prometheus::builder()
        .scrape_interval(Duration::from_secs(1))
        .scrape("seamless", [runtime.address()])
        .start()?;
    let servers = RefCell::new(Vec::new());
    let recover = setting.program("lease-recover");
    let inject = setting.program("inject-sla-violation");
    let written = setting.files.path().join("written").display().to_string();
    let job = |name: &'static str, unit: usize, of: &str, task: &dyn Fn(usize) -> Result<Task>| {
        crate::say(&format!("measuring how cost grows: {name}"));
        let tasks = [unit, 10 * unit, 100 * unit].map(task);
        let tasks: Vec<Task> = tasks.into_iter().collect::<Result<_>>()?;
        let figures = by_turns(&setting.driver, &tasks, runs);
        let mut growth = Growth {
            job: name,
            unit: format!("{unit} {of}"),
            cpu_seconds: [None; 3],
            peak_mib: [None; 3],
            exponent: None,
            missing: None,
        };
        for (size, figure) in figures.into_iter().enumerate() {
            match figure {
                Ok(figure) => {
                    growth.cpu_seconds[size] = figure.cpu_seconds;
                    growth.peak_mib[size] = figure.peak_mib;
                }
                Err(why) => growth.missing = Some(why),
            }
        }
        let [_, ten, hundred] = growth.cpu_seconds;
        growth.exponent = ten
            .zip(hundred)
            .map(|(ten, hundred)| (hundred / ten).log10());
        crate::say(&format!("  {}", growth.cells().join("  ")));
        Ok::<_, anyhow::Error>(growth)
    };
    Ok(vec![
        job("health check --prometheus-metric", 2, "metrics", &|size| {
            let url = prometheus.url();
            let mut arguments = vec!["--prometheus-url".to_owned(), url];
            arguments.extend(["--coordinator-url".to_owned(), coordinator.url.clone()]);
            for index in 0..size {
                arguments.push("--prometheus-metric".to_owned());
                arguments.push(format!("seamless_metric_{index}"));
            }
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let task = setting.shipped("seamless-health-check", &arguments);
            Ok(task.may_be_negative())
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
            Ok(Task::new("", [&driver, "write", &size.to_string()]))
        })?,
        job("inject-sla-violation --nodes", 100, "nodes", &|size| {
            let nodes = size.to_string();
            let command = [&inject, "--write-to", &written, "--nodes", &nodes, "n"];
            Ok(Task::new("", command))
        })?,
        job("exposition read and checked", 9_500, "samples", &|size| {
            let file = setting.exposition(size)?;
            let arguments = [
                "--only=exposition",
                "--prometheus-metric=backfill_completion_ratio",
                "--metrics-file",
                &file,
            ];
            Ok(setting
                .shipped("seamless-health-check", &arguments)
                .may_be_negative())
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
