//! Verifies that a Seamless deployment is healthy, and that someone would be paged if it were not.
//!
//! Data takes one way through it: [`Args`] become a validated `Request`; what the selected checks need
//! is fetched side by side into `Facts`; each check is a pure function from facts to an outcome; the
//! outcomes become a `Report`, which every format renders. It changes nothing anywhere.

mod args;
mod check;
mod checks;
mod facts;
mod formats;
mod gather;
mod input;
mod latency;
mod lookup;
mod next;
mod paging;
mod queries;
mod report;
mod request;
mod runner;
mod survey;
mod telemetry;
mod told;

use std::process::ExitCode;

pub use args::Args;
pub use lookup::{Language, page};

/// Runs the program: arguments, environment, signals, streams and exit code.
#[must_use]
pub fn main() -> ExitCode {
    seamless_cli::run(|args: &Args| args.terminal, formats::refusal, runner::run)
}
