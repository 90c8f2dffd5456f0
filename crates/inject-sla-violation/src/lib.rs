//! Shows, without a real incident, that panels draw and alerts fire.
//!
//! Data takes one way through it: [`Args`] become a validated `Request`; the request's scenarios become
//! a `SeriesSet` (every series, its labels rendered once) and `Values` (the value of each at one step);
//! each step's values go to the sinks; what happened becomes a `Report`, which is rendered once. The program
//! never touches a series that does not carry its drill's label, and leaves nothing behind when it
//! ends.

mod args;
mod cleanup;
mod document;
mod drill;
mod json;
mod plan;
mod prediction;
mod refusal;
mod report;
mod request;
mod rulebook;
mod run;
mod scenario;
mod series;
mod silence;
mod sinks;
mod values;
mod watch;

use std::process::ExitCode;

pub use args::Args;

/// Runs the program: arguments, environment, signals, streams and exit code.
#[must_use]
pub fn main() -> ExitCode {
    seamless_cli::run(|args: &Args| args.terminal, report::refusal, run::run)
}
