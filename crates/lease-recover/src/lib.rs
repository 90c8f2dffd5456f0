//! `lease-recover`: fails or completes stuck backfill leases.
//!
//! Ground rules. Released means that the coordinator said so. A lease is named by key AND token, and a
//! token is never guessed. Nothing is sent before everything given has been read. Every lease of a run
//! ends in exactly one [`LeaseOutcome`](outcome::LeaseOutcome), also when the run is interrupted.
//!
//! The way of the data: [`args`] → [`request`] → [`sources`] and [`selection`] → [`execute`] (with
//! [`journal`] and [`audit`]) → [`verify`] → [`report`] → [`render`]. What decides is a pure function of
//! data and a time passed in.

mod answers;
mod args;
mod audit;
mod execute;
mod filter;
mod freshness;
mod journal;
mod lease_fields;
mod limits;
mod list;
mod listing;
mod outcome;
mod recorder;
mod recover;
mod render;
mod report;
mod request;
mod run;
mod selection;
mod sources;
mod target;
mod verify;
mod words;

use std::process::ExitCode;

use clap::CommandFactory;
use seamless_cli::{ExitStatus, Refusal, Stop, Terminal};

pub use answers::{ANSWERS, AnswerClass};
pub use journal::settled_in;
pub use sources::open_in_log;

use crate::args::Args;
use crate::request::{Mode, Request};

/// The whole program: arguments in, exit code out.
#[must_use]
pub fn main() -> ExitCode {
    seamless_cli::run(|args: &Args| args.terminal, refusal, run)
}

/// The command line, for manual pages and completions.
#[must_use]
pub fn command() -> clap::Command {
    Args::command()
}

fn refusal(outputs: &[String], error: &str) -> Option<Refusal> {
    Refusal::json(outputs, || report::refusal(error))
}

async fn run(args: Args, terminal: Terminal, stop: Stop) -> anyhow::Result<ExitStatus> {
    let request = Request::try_from(args)?;
    match &request.mode {
        Mode::List { only_stuck, watch } => {
            list::run(&request, *only_stuck, *watch, &terminal, &stop).await
        }
        Mode::Recover(recovery) => recover::run(&request, recovery, &terminal, &stop).await,
    }
}
