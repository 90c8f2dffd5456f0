//! The frame of every program: parse, run, map to an exit status.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Command, Parser};

use crate::args::TerminalArgs;
use crate::descriptors;
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
    if let Some(limit) = descriptors::too_few() {
        // There is no terminal layer yet.
        let _ = writeln!(
            std::io::stderr(),
            "error: cannot start: only {limit} open files are allowed; raise the limit (ulimit -n 64)"
        );
        return ExitStatus::Undetermined.into();
    }
    let started = Stop::listen().and_then(|stop| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        Ok((stop, runtime.enable_all().build()?))
    });
    let (stop, runtime) = match started {
        Ok(started) => started,
        Err(error) => {
            // There is no terminal layer yet.
            let _ = writeln!(std::io::stderr(), "error: cannot start: {error}");
            return ExitStatus::Undetermined.into();
        }
    };
    let refuse = |terminal: &Terminal, error: &str| {
        let outputs = outputs(A::command(), std::env::args_os());
        let Some(refusal) = refusal(&outputs, error) else {
            return ExitStatus::Usage;
        };
        // Where it cannot be written there is nobody to read it.
        let _ = terminal.bytes(refusal.document.as_bytes());
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
            let terminal = Terminal::new(TerminalArgs::default(), stop);
            return refuse(&terminal, &first_paragraph(&error.to_string())).into();
        }
    };
    let terminal = Terminal::new(terminal(&args), stop.clone());
    let outcome = runtime.block_on(program(args, terminal.clone(), stop));
    // What blocks for ever (a name look-up, a read of stdin) must not hold up the exit.
    runtime.shutdown_background();
    let error = match outcome {
        Ok(status) => return status.into(),
        Err(error) => error,
    };
    let words = one_line(&error);
    terminal.error(&words);
    match error.downcast_ref::<OutputError>() {
        Some(OutputError::Unwritable(_)) => ExitStatus::Negative,
        Some(OutputError::Stopped(signal)) => ExitStatus::Stopped(*signal),
        None => refuse(&terminal, &words),
    }
    .into()
}

/// The values of `--output` on a command line, which may be wrong elsewhere.
fn outputs(command: Command, arguments: impl IntoIterator<Item = OsString>) -> Vec<String> {
    // The parser panics when it is asked for an argument that a program lacks.
    if !command
        .get_arguments()
        .any(|argument| argument.get_id() == "output")
    {
        return Vec::new();
    }
    let command = command
        .ignore_errors(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .mut_args(|argument| argument.value_parser(clap::value_parser!(OsString)));
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    // The parser stops at an argument that it does not know.
    while let Some(at) = first_unknown(command.clone(), &arguments) {
        arguments.remove(at);
    }
    let matches = command.try_get_matches_from(arguments);
    let values = matches.iter().filter_map(|matches| {
        let from = matches.value_source("output")?;
        (from == ValueSource::CommandLine).then(|| matches.get_raw("output"))?
    });
    let values = values.flatten();
    values
        .map(|value| value.to_string_lossy().into_owned())
        .collect()
}

/// Where the first argument is that the command does not know.
fn first_unknown(command: Command, arguments: &[OsString]) -> Option<usize> {
    let error = command
        .ignore_errors(false)
        .try_get_matches_from(arguments)
        .err()
        .filter(|error| error.kind() == ErrorKind::UnknownArgument)?;
    let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let name = |argument: &OsString| {
        let argument = argument.to_string_lossy();
        let name = argument.split_once('=').map(|(name, _)| name.to_owned());
        name.unwrap_or_else(|| argument.into_owned())
    };
    arguments
        .iter()
        .position(|argument| name(argument) == *unknown)
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
    use clap::CommandFactory as _;

    use super::*;

    #[derive(Parser)]
    struct Args {
        #[arg(long, short)]
        output: Vec<String>,
        #[arg(long, short)]
        yes: bool,
        #[arg(long, conflicts_with = "yes")]
        rate: Option<u8>,
        #[arg(required = true)]
        spec: Vec<String>,
    }

    #[test]
    fn the_values_of_output_are_found_on_any_command_line() {
        for (line, expected) in [
            ("p --output json", vec!["json"]),
            ("p --wrong --output=json key:token", vec!["json"]),
            ("p --wrong=1 --wronger -w x --output=json", vec!["json"]),
            ("p -o json", vec!["json"]),
            ("p -yo json", vec!["json"]),
            ("p --yes --rate no -o json", vec!["json"]),
            ("p -ojson -o=text", vec!["json", "text"]),
            (
                "p --output junit=a.xml --output nagios",
                vec!["junit=a.xml", "nagios"],
            ),
            ("p --output", vec![]),
            ("p -- --output json", vec![]),
            ("p --outputs json", vec![]),
            ("p --help --output json", vec!["json"]),
        ] {
            let arguments = line.split(' ').map(OsString::from);
            assert_eq!(outputs(Args::command(), arguments), expected, "{line}");
        }
    }
}
