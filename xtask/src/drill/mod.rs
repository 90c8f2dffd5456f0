//! `cargo xtask drill`: an incident from the violation to the resolved page, on real servers.
//!
//! Owns the rehearsal: what is started, which stages must be reached, what is reported. The servers are
//! real, the rules and routes are the shipped ones (scaled in time unless told otherwise), and what an
//! on-call engineer would type is typed: the built programs do it. It decides nothing that they decide,
//! and leaves nothing running.

mod incident;
mod pace;
pub(crate) mod programs;
mod report;
mod routes;
mod stack;
mod timeline;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use seamless_lab::Interrupt;

use crate::install;
use pace::Pace;
use programs::Programs;
use report::Report;
use stack::Stack;
use timeline::{Missed, Timeline};

/// Arguments of `cargo xtask drill`.
#[derive(clap::Args)]
pub struct Args {
    /// Use the shipped rules and routes as they are; otherwise their times shrink by one factor, so
    /// that everything takes under 3 minutes.
    #[arg(long)]
    real_time: bool,
    /// Write the timeline, with every notice as it was sent, to this file as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// The cargo profile that the programs are built with.
    #[arg(long, value_name = "NAME", default_value = "release")]
    profile: String,
    /// Use the three programs in this folder, such as an unpacked release, instead of building them.
    #[arg(long, value_name = "DIR", conflicts_with = "profile")]
    programs: Option<PathBuf>,
}

/// Runs the drill. Exit code 1 if a stage was missed, 130 or 143 after a signal.
///
/// # Errors
/// If it cannot begin (a server is missing, the programs do not build) or the report cannot be written.
pub fn run(args: &Args) -> Result<ExitCode> {
    install::ensure(install::FOR_DRILL)?;
    if let Some(path) = &args.report {
        seamless_cli::check_writable(path).context("--report")?;
    }
    let programs = match &args.programs {
        Some(folder) => Programs::found_in(folder)?,
        None => Programs::build(&args.profile)?,
    };
    let interrupt = Interrupt::listen()?;
    let pace = if args.real_time {
        Pace::REAL
    } else {
        Pace::DRILL
    };

    let mut timeline = Timeline::new(incident::STAGES, interrupt.clone());
    let mut notices = Vec::new();
    // The stages tell how it went; `Missed` only says that there was no going on.
    let _: Result<(), Missed> = (|| {
        let stack = timeline.stage("servers ready", |_| Stack::start(pace))?;
        let ended = incident::rehearse(&stack, &programs, &mut timeline);
        notices = stack.pager.notices();
        ended
    })();

    let report = Report::new("incident", pace, timeline, &notices);
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", report.text())?;
    if let Some(path) = &args.report {
        seamless_cli::write_atomically(path, |file| file.write_all(report.json().as_bytes()))
            .context("--report")?;
    }
    Ok(match (interrupt.exit_code(), report.first_missed()) {
        (Some(code), _) => code.into(),
        (None, None) => ExitCode::SUCCESS,
        (None, Some(_)) => ExitCode::FAILURE,
    })
}
