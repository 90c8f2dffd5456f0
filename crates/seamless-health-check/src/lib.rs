//! Verifies that a Seamless deployment is healthy, and that someone would be paged if it were not.
//!
//! Data takes one way through it: [`Args`] become a validated `Request`; the selected checks run side by side,
//! each awaits what it needs of the `Site` and judges it by a pure function; the outcomes become a `Report`,
//! which every format renders. It changes nothing anywhere.

mod args;
mod check;
mod checks;
mod formats;
mod gap;
#[cfg(test)]
mod given;
mod group;
mod input;
mod lookup;
mod next;
mod output;
mod paging;
mod presence;
mod queries;
mod report;
mod request;
mod runner;
mod site;
mod survey;
mod telemetry;
mod told;
mod verdict;
mod words;

use std::process::ExitCode;

pub use args::Args;
pub use lookup::{Language, page};

/// Runs the program: arguments, environment, signals, streams and exit code.
#[must_use]
pub fn main() -> ExitCode {
    seamless_cli::run(|args: &Args| args.terminal, formats::refusal, runner::run)
}
