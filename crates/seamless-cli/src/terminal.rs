//! Where output goes: the result to stdout, everything else to stderr.

use std::io::{self, IsTerminal, Write};

use crate::args::TerminalArgs;
use crate::color::Palette;
use crate::exit::ExitStatus;
use crate::progress::Progress;

/// The result could not be written to stdout.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the result to stdout: {0}")]
pub struct OutputError(#[from] io::Error);

/// The two streams of a run, and how they may look.
#[derive(Debug, Clone)]
pub struct Terminal {
    quiet: bool,
    stdout: Palette,
    stderr: Palette,
    stderr_is_terminal: bool,
}

impl Terminal {
    pub(crate) fn new(args: TerminalArgs) -> Self {
        Self {
            quiet: args.quiet,
            stdout: Palette::for_stream(args.color, &io::stdout()),
            stderr: Palette::for_stream(args.color, &io::stderr()),
            stderr_is_terminal: io::stderr().is_terminal(),
        }
    }

    /// How stdout may be coloured.
    #[must_use]
    pub const fn palette(&self) -> Palette {
        self.stdout
    }

    /// How stderr may be coloured.
    #[must_use]
    pub const fn stderr_palette(&self) -> Palette {
        self.stderr
    }

    /// Whether a person may be watching stderr, so that live output makes sense.
    #[must_use]
    pub const fn is_watched(&self) -> bool {
        self.stderr_is_terminal && !self.quiet
    }

    /// Whether `--quiet` was given.
    #[must_use]
    pub const fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Columns for the result: those of stdout's terminal, else of `COLUMNS`, else `None` for no limit.
    #[must_use]
    pub fn width(&self) -> Option<usize> {
        width(&console::Term::stdout())
    }

    /// Columns for what is shown on stderr, as [`Terminal::width`] for the result.
    #[must_use]
    pub fn stderr_width(&self) -> Option<usize> {
        width(&console::Term::stderr())
    }

    /// Prints the result of a run that ended with `status`. With `--quiet` a good result stays unsaid.
    ///
    /// # Errors
    /// [`OutputError`] if stdout cannot be written, except that a closed pipe counts as written: whoever
    /// closed it has read enough, and the exit status still tells the verdict.
    pub fn result(&self, status: ExitStatus, text: &str) -> Result<(), OutputError> {
        if self.quiet && status == ExitStatus::Done {
            return Ok(());
        }
        self.bytes(text.as_bytes())
    }

    /// Writes bytes of the result to stdout, whatever `--quiet` says.
    ///
    /// # Errors
    /// As [`Terminal::result`].
    pub fn bytes(&self, bytes: &[u8]) -> Result<(), OutputError> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => Ok(other?),
        }
    }

    /// Says something on stderr, unless `--quiet`.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            self.say(text);
        }
    }

    /// Warns on stderr, always.
    pub fn warn(&self, text: &str) {
        self.say(&format!("{} {text}", self.stderr.warning("warning:")));
    }

    /// Reports an error on stderr, always.
    pub fn error(&self, text: &str) {
        self.say(&format!("{} {text}", self.stderr.bad("error:")));
    }

    /// Shows something on stderr, always: what a question is about, or a log line that was asked for.
    pub fn show(&self, text: &str) {
        self.say(text);
    }

    /// A progress display on stderr; it shows only where a person watches.
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress::new(self.is_watched())
    }

    fn say(&self, text: &str) {
        // Where stderr is closed there is nobody to tell.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}

/// Nothing can be laid out in less; a narrower terminal breaks the lines by itself.
const NARROWEST: usize = 40;

fn width(term: &console::Term) -> Option<usize> {
    let columns = || std::env::var("COLUMNS").ok()?.parse().ok();
    let measured = || {
        let (_, columns) = term
            .features()
            .is_attended()
            .then(|| term.size_checked())??;
        Some(usize::from(columns))
    };
    measured()
        .or_else(columns)
        .filter(|columns| *columns > 0)
        .map(|columns: usize| columns.max(NARROWEST))
}
