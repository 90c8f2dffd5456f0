//! Where output goes: the result to stdout, everything else to stderr.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::args::TerminalArgs;
use crate::color::Palette;
use crate::exit::ExitStatus;
use crate::progress::Progress;
use crate::signals::{Signal, Stop};
use crate::table::wrapped;

/// The result could not be written to stdout.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// It cannot be written.
    #[error("cannot write the result to stdout: {0}")]
    Unwritable(#[from] io::Error),
    /// Whoever reads it does not read on, and a signal asked the program to stop.
    #[error("stopped by {} while stdout was not read", .0.name())]
    Stopped(Signal),
}

/// How long after a signal a stream may go on blocking.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often a blocked stream looks for a signal.
const LOOK: Duration = Duration::from_millis(50);

/// The two streams of a run, and how they may look.
#[derive(Debug, Clone)]
pub struct Terminal {
    stop: Stop,
    reader_is_gone: Arc<AtomicBool>,
    stderr_is_stalled: Arc<AtomicBool>,
    shows_no_progress: Arc<AtomicBool>,
    quiet: bool,
    stdout: Palette,
    stderr: Palette,
    stderr_is_terminal: bool,
}

impl Terminal {
    pub(crate) fn new(args: TerminalArgs, stop: Stop) -> Self {
        Self {
            stop,
            reader_is_gone: Arc::default(),
            stderr_is_stalled: Arc::default(),
            shows_no_progress: Arc::default(),
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

    /// Columns for the result: those of stdout's terminal, else of `COLUMNS`, else `None` for no limit.
    #[must_use]
    pub fn width(&self) -> Option<usize> {
        width(&console::Term::stdout())
    }

    /// Lines of stdout's terminal; `None` where it is none.
    #[must_use]
    pub fn height(&self) -> Option<usize> {
        let term = console::Term::stdout();
        let size = term.features().is_attended().then(|| term.size_checked())?;
        size.map(|(lines, _)| usize::from(lines))
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
    /// As [`Terminal::result`]. Where stdout is not read on, a signal ends the wait.
    pub fn bytes(&self, bytes: &[u8]) -> Result<(), OutputError> {
        if self.reader_is_gone() {
            return Ok(());
        }
        match self.written(io::stdout, bytes) {
            Err(OutputError::Unwritable(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.reader_is_gone.store(true, Ordering::Relaxed);
                Ok(())
            }
            other => other,
        }
    }

    /// Whether whoever reads stdout has closed it: what is written from now on is read by nobody.
    #[must_use]
    pub fn reader_is_gone(&self) -> bool {
        self.reader_is_gone.load(Ordering::Relaxed)
    }

    /// Says something on stderr, unless `--quiet`.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            self.say_whole(text);
        }
    }

    /// Warns on stderr, always.
    pub fn warn(&self, text: &str) {
        self.say_whole(&format!("{} {text}", self.stderr.warning("warning:")));
    }

    /// Reports an error on stderr, always.
    pub fn error(&self, text: &str) {
        self.say_whole(&format!("{} {text}", self.stderr.bad("error:")));
    }

    /// Shows something on stderr, always: what a question is about, or a log line that was asked for.
    pub fn show(&self, text: &str) {
        self.say(text);
    }

    /// A progress display on stderr; it shows only where a person watches.
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress::new(self.is_watched() && !self.shows_no_progress.load(Ordering::Relaxed))
    }

    /// Shows no progress from now on: lines of another kind come while it would be drawn.
    pub(crate) fn show_no_progress(&self) {
        self.shows_no_progress.store(true, Ordering::Relaxed);
    }

    /// Shows the beginning of a line, which an answer will follow, or ends one.
    pub(crate) fn prompt(&self, text: &str) {
        self.to_stderr(text);
    }

    /// On a terminal no word is broken.
    fn say_whole(&self, text: &str) {
        let width = self.stderr_width();
        let lines = text.lines().flat_map(|line| wrapped(line, width, 0));
        self.say(&lines.collect::<Vec<_>>().join("\n"));
    }

    fn say(&self, text: &str) {
        self.to_stderr(&format!("{text}\n"));
    }

    fn to_stderr(&self, text: &str) {
        if self.stderr_is_stalled.load(Ordering::Relaxed) {
            return;
        }
        // Where stderr is closed there is nobody to tell.
        if let Err(OutputError::Stopped(_)) = self.written(io::stderr, text.as_bytes()) {
            self.stderr_is_stalled.store(true, Ordering::Relaxed);
        }
    }

    /// Writes on a thread of its own, so that a stream which is not read on does not outlast a signal.
    fn written<S: Write>(
        &self,
        stream: impl FnOnce() -> S + Send + 'static,
        bytes: &[u8],
    ) -> Result<(), OutputError> {
        let bytes = bytes.to_vec();
        let (sender, written) = mpsc::channel();
        std::thread::Builder::new().spawn(move || {
            let mut stream = stream();
            let done = stream.write_all(&bytes).and_then(|()| stream.flush());
            // A run that was stopped does not wait for it.
            let _ = sender.send(done);
        })?;
        let mut stopped_at = None;
        loop {
            match written.recv_timeout(LOOK) {
                Ok(done) => return Ok(done?),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(io::Error::other("the writing thread ended").into());
                }
                Err(RecvTimeoutError::Timeout) => {
                    let Some(signal) = self.stop.requested() else {
                        continue;
                    };
                    if stopped_at.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                        return Err(OutputError::Stopped(signal));
                    }
                }
            }
        }
    }
}

/// Shows a line on stderr, for what is told while the run's own streams are elsewhere.
pub(crate) fn show_line(line: &str) {
    // Where stderr is closed there is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "{line}");
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
