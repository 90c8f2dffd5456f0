//! The frame of every program: parse, run, map to an exit status.

use std::io::Write as _;
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
    run_or_refuse(terminal, |_| None, program)
}

/// As [`run`]; what `refusal` makes of a usage error's words goes to stdout, for whoever reads a document
/// there whatever happens.
pub fn run_or_refuse<A: Parser>(
    terminal: impl FnOnce(&A) -> TerminalArgs,
    refusal: impl FnOnce(&str) -> Option<String>,
    program: impl AsyncFnOnce(A, Terminal, Stop) -> anyhow::Result<ExitStatus>,
) -> ExitCode {
    let args = match A::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Where neither stream can be written there is nobody to tell.
            let _ = error.print();
            if !error.use_stderr() {
                return ExitStatus::Done.into();
            }
            if let Some(document) = refusal(&first_paragraph(&error.to_string())) {
                let _ = std::io::stdout().write_all(document.as_bytes());
            }
            return ExitStatus::Usage.into();
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

/// What the parser says, in one line, without its advice and without the word before it.
fn first_paragraph(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let lines: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    let line = lines.join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
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
