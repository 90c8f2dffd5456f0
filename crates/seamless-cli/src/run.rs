//! The frame of every program: parse, run, map to an exit status.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;

use crate::args::TerminalArgs;
use crate::exit::ExitStatus;
use crate::signals::Stop;
use crate::terminal::{OutputError, Terminal};

/// What stdout gets in place of a result when what was asked for is refused: whoever reads a document there
/// reads one whatever happens.
#[derive(Debug)]
pub struct Refusal {
    /// The whole document.
    pub document: String,
    /// How the run ends; mostly [`ExitStatus::Usage`].
    pub status: ExitStatus,
}

impl Refusal {
    /// A usage error's `document`, where `--output json` asks for one.
    pub fn json(outputs: &[String], document: impl FnOnce() -> String) -> Option<Self> {
        let is_json = outputs.iter().any(|output| output == "json");
        is_json.then(|| Self {
            document: document(),
            status: ExitStatus::Usage,
        })
    }
}

/// Parses the arguments, runs the program on a single-threaded runtime and returns its exit code.
///
/// An error that `program` returns was found before anything was contacted or changed (2), except for a
/// result that could not be written (1). Everything found later is a status of its own. `refusal` makes a
/// document of a usage error's words, given the values of `--output` on the command line.
pub fn run<A: Parser>(
    terminal: impl FnOnce(&A) -> TerminalArgs,
    refusal: impl FnOnce(&[String], &str) -> Option<Refusal>,
    program: impl AsyncFnOnce(A, Terminal, Stop) -> anyhow::Result<ExitStatus>,
) -> ExitCode {
    let refuse = |error: &str| {
        let Some(refusal) = refusal(&outputs(std::env::args_os()), error) else {
            return ExitStatus::Usage;
        };
        // Where it cannot be written there is nobody to read it.
        let _ = std::io::stdout().write_all(refusal.document.as_bytes());
        refusal.status
    };
    let args = match A::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Where neither stream can be written there is nobody to tell.
            let _ = error.print();
            if !error.use_stderr() {
                return ExitStatus::Done.into();
            }
            return refuse(&first_paragraph(&error.to_string())).into();
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
            let words = one_line(&error);
            terminal.error(&words);
            let unwritten = error.downcast_ref::<OutputError>().is_some();
            if unwritten {
                ExitStatus::Negative
            } else {
                refuse(&words)
            }
            .into()
        }
    }
}

/// The values of `--output` on a command line, which may be wrong elsewhere.
fn outputs(arguments: impl IntoIterator<Item = OsString>) -> Vec<String> {
    let mut found = Vec::new();
    let mut arguments = arguments.into_iter().skip(1);
    while let Some(argument) = arguments.next() {
        let argument = argument.to_string_lossy();
        let joined = ["--output=", "-o=", "-o"];
        if argument == "--" {
            break;
        } else if argument == "--output" || argument == "-o" {
            let value = arguments.next();
            found.extend(value.map(|value| value.to_string_lossy().into_owned()));
        } else if let Some(value) = joined.iter().find_map(|flag| argument.strip_prefix(flag)) {
            found.push(value.to_owned());
        }
    }
    found
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_output_are_found_on_any_command_line() {
        for (line, expected) in [
            ("p --output json", vec!["json"]),
            ("p --wrong --output=json key:token", vec!["json"]),
            ("p -o json", vec!["json"]),
            ("p -ojson -o=text", vec!["json", "text"]),
            (
                "p --output junit=a.xml --output nagios",
                vec!["junit=a.xml", "nagios"],
            ),
            ("p --output", vec![]),
            ("p -- --output json", vec![]),
            ("p --outputs json", vec![]),
        ] {
            let arguments = line.split(' ').map(OsString::from);
            assert_eq!(outputs(arguments), expected, "{line}");
        }
    }
}
