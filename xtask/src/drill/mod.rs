//! `cargo xtask drill`: an incident from the violation to the resolved page, on real servers.
//!
//! Owns the rehearsal: what is started, which stages must be reached, what is reported. The servers are
//! real, the rules and routes are the shipped ones (scaled in time unless told otherwise), and what an
//! on-call engineer would type is typed: the built programs do it. It decides nothing that they decide,
//! and leaves nothing running. Against somebody's own servers `inject-sla-violation --expect-alert` is the drill.

mod incident;
mod outage;
pub(crate) mod pace;
mod page;
pub(crate) mod programs;
mod readme;
mod report;
mod scenario;
pub(crate) mod stack;
pub(crate) mod timeline;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use clap::builder::PossibleValuesParser;
use seamless_lab::Interrupt;
use seamless_lab::servers::Generation;
use serde_json::Value;

use crate::install;
use pace::Pace;
use programs::Programs;
use report::DrillReport;
use scenario::{DrillScenario, SCENARIOS};
use stack::DrillStack;
use timeline::{StageMissed, Timeline};

/// The folder of the shipped programs, which are built first.
///
/// # Errors
/// If they do not build.
pub fn built_programs() -> Result<PathBuf> {
    Ok(Programs::build(false)?.folder()?.to_owned())
}

/// Arguments of `cargo xtask drill`.
#[derive(clap::Args)]
pub struct DrillArgs {
    /// What to rehearse; may be given several times. `all` is the incident and then every other cause
    /// at the same time: each alert that ships.
    #[arg(
        long = "scenario",
        value_name = "NAME",
        default_value = INCIDENT,
        value_parser = PossibleValuesParser::new(names().into_iter().chain([ALL]))
    )]
    scenarios: Vec<String>,
    /// Use the shipped rules and routes as they are; otherwise their times shrink by one factor: the
    /// incident takes about a minute, everything about four.
    #[arg(long)]
    real_time: bool,
    /// Write the timeline, with every notice as it was sent, to this file as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write the timeline with plots of the metrics around it to this file as a self-contained page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Which servers: `packaged` by the distribution, or `current` ones, as `cargo xtask servers` builds them.
    #[arg(long, value_name = "GENERATION", default_value_t)]
    servers: Generation,
    /// Have the coordinator export the completion of its leases as well; whether a site's does is not known, and
    /// the rules serve both.
    #[arg(long)]
    coordinator_gauge: bool,
    /// Build the programs as they are released, which takes longer.
    #[arg(long)]
    release: bool,
    /// Use the three programs in this folder, such as an unpacked release, instead of building them.
    #[arg(long, value_name = "DIR", conflicts_with = "release")]
    programs: Option<PathBuf>,
    /// Compare what is seen of the incident with the table in README.md; exit code 1 where they differ.
    #[arg(long, conflicts_with = "scenarios")]
    check_readme: bool,
}

const INCIDENT: &str = "incident";
const ALL: &str = "all";
const STARTED: &str = "servers ready";

/// The names of the scenarios.
fn names() -> Vec<&'static str> {
    let causes = SCENARIOS.iter().map(|scenario| scenario.cause.name());
    [INCIDENT].into_iter().chain(causes).collect()
}

/// Runs the drill. Exit code 1 if a stage was missed, 130 or 143 after a signal.
///
/// # Errors
/// If it cannot begin (a server is missing, the programs do not build) or the report cannot be written.
pub fn run(args: &DrillArgs) -> Result<ExitCode> {
    args.servers
        .during(|| install::ensure(install::FOR_DRILL))?;
    for (path, flag) in [(&args.report, "--report"), (&args.html, "--html")] {
        if let Some(path) = path {
            seamless_cli::check_writable(path).context(flag)?;
        }
    }
    let programs = match &args.programs {
        Some(folder) => Programs::found_in(folder)?,
        None => Programs::build(args.release)?,
    };
    let interrupt = Interrupt::listen()?;
    let (report, metrics) = args
        .servers
        .during(|| rehearse(args, &programs, &interrupt));

    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", report.text())?;
    let write = |path: &Path, text: &str| {
        seamless_cli::write_atomically(path, |file| file.write_all(text.as_bytes()))
    };
    if let Some(path) = &args.report {
        write(path, &format!("{:#}\n", report.json())).context("--report")?;
    }
    if let (Some(path), Some(metrics)) = (&args.html, metrics) {
        let metrics = metrics.context("reading the metrics for --html")?;
        write(path, &page::render(report.json(), metrics)).context("--html")?;
    }
    Ok(match (interrupt.exit_code(), report.first_missed()) {
        (Some(code), _) => code.into(),
        (None, None) if args.check_readme => {
            let differences = readme::differences(report.stages())?;
            differences.iter().for_each(|line| crate::say(line));
            match differences.is_empty() {
                true => ExitCode::SUCCESS,
                false => ExitCode::FAILURE,
            }
        }
        (None, None) => ExitCode::SUCCESS,
        (None, Some(_)) => ExitCode::FAILURE,
    })
}

/// Drills on the lab's stack. With `--html` the metrics are read before it is stopped; there are none
/// if it did not start.
fn rehearse(
    args: &DrillArgs,
    programs: &Programs,
    interrupt: &Interrupt,
) -> (DrillReport, Option<Result<Value>>) {
    let pace = if args.real_time {
        Pace::REAL
    } else {
        Pace::DRILL
    };
    let wanted = |name: &str| args.scenarios.iter().any(|s| s == name || s == ALL);
    let incident = wanted(INCIDENT);
    let causes: Vec<DrillScenario> = SCENARIOS
        .iter()
        .filter(|scenario| wanted(scenario.cause.name()))
        .copied()
        .collect();
    let mut timeline = Timeline::new(planned(incident, &causes), interrupt.clone());
    let begun = SystemTime::now();
    let mut notices = Vec::new();
    let mut metrics = None;
    let _: Result<(), StageMissed> = (|| {
        let stack = timeline.stage(STARTED, |_| {
            DrillStack::start(pace, programs, args.coordinator_gauge)
        })?;
        let mut ended = Ok(());
        if incident {
            ended = incident::rehearse(&stack, programs, &mut timeline);
        }
        if ended.is_ok() && !causes.is_empty() {
            ended = outage::rehearse(&causes, &stack, programs, &mut timeline);
        }
        notices = stack.servers.pager.notices();
        if args.html.is_some() {
            let prometheus = &stack.servers.prometheus;
            metrics = Some(page::metrics(prometheus, begun, pace.scrape_interval));
        }
        ended
    })();
    let scenarios = names().into_iter().filter(|name| wanted(name)).collect();
    (
        DrillReport::new(scenarios, pace, timeline, notices),
        metrics,
    )
}

/// The stages that a drill goes through.
fn planned(incident: bool, causes: &[DrillScenario]) -> Vec<String> {
    let mut planned = vec![STARTED.to_owned()];
    if incident {
        planned.extend(incident::stages().map(str::to_owned));
    }
    if !causes.is_empty() {
        planned.extend(outage::stages(causes));
    }
    planned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readmes_table_has_the_drills_stages() {
        let shown: Vec<String> = readme::rows()
            .unwrap()
            .into_iter()
            .map(|row| row.stage)
            .collect();
        assert_eq!(shown, planned(true, &[]));
    }
}
