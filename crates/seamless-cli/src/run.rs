//! The frame of every program: parse, run, map to an exit status.

use std::process::ExitCode;

use clap::Parser;

use crate::args::TerminalArgs;
use crate::exit::ExitStatus;
use crate::signals::Stop;
use crate::terminal::{OutputError, Terminal};

/// Parses the arguments, runs the program on a single-threaded runtime and returns its exit code.
///
/// An error that `program` returns was found before anything was contacted or changed (2), except for a
/// result that could not be written (1). Everything found later is a status of its own.
pub fn run<A: Parser>(
    terminal: impl FnOnce(&A) -> TerminalArgs,
    program: impl AsyncFnOnce(A, Terminal, Stop) -> anyhow::Result<ExitStatus>,
) -> ExitCode {
    let args = match A::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Where neither stream can be written there is nobody to tell.
            let _ = error.print();
            return if error.use_stderr() {
                ExitStatus::Usage
            } else {
                ExitStatus::Done
            }
            .into();
        }
    };
    let terminal = Terminal::new(terminal(&args));
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal.error(&format!("cannot start: {error}"));
            return ExitStatus::Undetermined.into();
        }
    };
    let outcome = runtime.block_on(async {
        let stop = Stop::listen()?;
        program(args, terminal.clone(), stop).await
    });
    // A name look-up that hangs must not hold up the exit.
    runtime.shutdown_background();
    match outcome {
        Ok(status) => status.into(),
        Err(error) => {
            terminal.error(&one_line(&error));
            let unwritten = error.downcast_ref::<OutputError>().is_some();
            if unwritten {
                ExitStatus::Negative
            } else {
                ExitStatus::Usage
            }
            .into()
        }
    }
}

/// An error and its causes in one line; a cause that its error already names is left out.
fn one_line(error: &anyhow::Error) -> String {
    let mut out = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if out.is_empty() {
            out = text;
        } else if !out.contains(&text) {
            out.push_str(": ");
            out.push_str(&text);
        }
    }
    out
}
