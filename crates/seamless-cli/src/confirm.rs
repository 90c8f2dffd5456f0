//! Asking a person before something is changed.

use std::io::{self, IsTerminal};

/// Why nobody could be asked.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmError {
    /// There is no terminal to ask on.
    #[error(
        "nobody to ask: stdin and stderr are not both a terminal; give --yes to go ahead without asking"
    )]
    NoTerminal,
    /// The terminal failed while asking.
    #[error("cannot ask: {0}")]
    Terminal(String),
}

/// Asks on the terminal (stderr and stdin) and returns whether the answer was yes; Enter alone is no.
///
/// # Errors
/// [`ConfirmError`] if there is no terminal, or it fails.
pub fn confirm(question: &str) -> Result<bool, ConfirmError> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(ConfirmError::NoTerminal);
    }
    dialoguer::Confirm::new()
        .with_prompt(question)
        .default(false)
        .interact_opt()
        .map(|answer| answer.unwrap_or(false))
        .map_err(|error| ConfirmError::Terminal(error.to_string()))
}
