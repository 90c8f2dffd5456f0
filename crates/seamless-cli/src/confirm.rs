//! Asking a person before something is changed.

use std::io::{self, BufRead, IsTerminal};

use rustix::termios::{QueueSelector, tcflush};

use crate::signals::{Signal, Stop};
use crate::table::{shown_width, wrapped};
use crate::terminal::Terminal;

/// What has to be typed, followed by Enter, to go ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// `y`, or `yes`.
    Yes,
    /// This number: enough to have read it.
    Number(usize),
}

impl Consent {
    fn is_given_by(self, line: &str) -> bool {
        let line = line.trim();
        match self {
            Self::Yes => line.eq_ignore_ascii_case("y") || line.eq_ignore_ascii_case("yes"),
            Self::Number(number) => line == number.to_string(),
        }
    }

    fn instruction(self) -> String {
        match self {
            Self::Yes => "Type y + Enter".to_owned(),
            Self::Number(number) => format!("Type {number} + Enter"),
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmError {
    /// There is no terminal to ask on.
    #[error(
        "nobody to ask: stdin and stderr are not both a terminal; give --yes to go ahead without asking"
    )]
    NoTerminal,
    /// A signal came instead.
    #[error("stopped by {} at the question", .0.name())]
    Stopped(Signal),
    /// The terminal failed while asking.
    #[error("cannot ask: {0}")]
    Terminal(#[from] io::Error),
}

/// Whether a person can be asked: stdin and stderr are a terminal.
#[must_use]
pub fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks on the terminal (stderr and stdin) and returns whether the answer was the wanted one; anything
/// else, Enter alone and the end of the input are no. What was typed before the question does not count, and
/// what was pasted after the answer is dropped.
///
/// # Errors
/// [`ConfirmError`] if there is no terminal, it fails, or a signal comes first. The terminal's mode is
/// never changed.
pub async fn confirm(
    question: &str,
    wanted: Consent,
    terminal: &Terminal,
    stop: &Stop,
) -> Result<bool, ConfirmError> {
    if !can_ask() {
        return Err(ConfirmError::NoTerminal);
    }
    tcflush(io::stdin(), QueueSelector::IFlush).map_err(io::Error::from)?;
    terminal.prompt(&asked(
        question,
        &wanted.instruction(),
        terminal.stderr_width(),
    ));
    let answer = stop
        .blocking(|| {
            let mut line = String::new();
            io::stdin().lock().read_line(&mut line)?;
            // Lines that were pasted with the answer must not become the shell's next commands.
            tcflush(io::stdin(), QueueSelector::IFlush)?;
            Ok::<_, io::Error>(line)
        })
        .await;
    match answer {
        Ok(line) => Ok(wanted.is_given_by(&line?)),
        Err(signal) => {
            // What comes next begins on a line of its own.
            terminal.prompt("\n");
            Err(ConfirmError::Stopped(signal))
        }
    }
}

/// The question, broken at blanks, and what to type, whole.
fn asked(question: &str, instruction: &str, width: Option<usize>) -> String {
    let lines = wrapped(question, width, 0);
    let last = lines.last().map_or(0, |line| shown_width(line));
    let fits = width.is_none_or(|width| last + instruction.len() + " : ".len() < width);
    let gap = if fits { " " } else { "\n" };
    format!("{}{gap}{instruction}: ", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_asked_for_is_consent() {
        for (wanted, line, given) in [
            (Consent::Yes, "y\n", true),
            (Consent::Yes, " YES \r\n", true),
            (Consent::Yes, "\n", false),
            (Consent::Yes, "", false),
            (Consent::Yes, "yy\n", false),
            (Consent::Yes, "26\n", false),
            (Consent::Number(26), "26\n", true),
            (Consent::Number(26), "y\n", false),
            (Consent::Number(26), "260\n", false),
        ] {
            assert_eq!(wanted.is_given_by(line), given, "{wanted:?} {line:?}");
        }
    }

    #[test]
    fn a_question_is_broken_at_blanks_and_what_to_type_is_not() {
        let asked = |width| {
            asked(
                "Fail 4 leases at http://c:1, claimed 5h ago?",
                "Type y + Enter",
                width,
            )
        };
        let whole = "Fail 4 leases at http://c:1, claimed 5h ago? Type y + Enter: ";
        assert_eq!(asked(None), whole);
        assert_eq!(asked(Some(80)), whole);
        assert_eq!(
            asked(Some(40)),
            "Fail 4 leases at http://c:1, claimed 5h\nago? Type y + Enter: "
        );
        assert_eq!(
            asked(Some(50)),
            "Fail 4 leases at http://c:1, claimed 5h ago?\nType y + Enter: "
        );
    }
}
