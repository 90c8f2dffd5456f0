//! Progress on stderr, where a person watches.

use std::borrow::Cow;
use std::fmt::Write;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// A set of progress lines that draws nothing unless watched.
#[derive(Debug, Clone)]
pub struct Progress {
    lines: MultiProgress,
}

impl Progress {
    pub(crate) fn new(watched: bool) -> Self {
        let target = if watched {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            lines: MultiProgress::with_draw_target(target),
        }
    }

    /// A bar over `total` steps, with rate, time left and a message.
    #[must_use]
    pub fn bar(&self, total: u64, what: impl Into<Cow<'static, str>>) -> ProgressBar {
        let bar = self.lines.add(ProgressBar::new(total));
        let rate = |state: &ProgressState, to: &mut dyn Write| {
            // A terminal that cannot be written to shows no rate, and no more than that.
            let _ = write!(to, "{:.1}/s", state.per_sec());
        };
        let style = style("{prefix} {bar:24.cyan/dim} {pos}/{len}  {rate}  {eta} left  {wide_msg}");
        bar.set_style(style.with_key("rate", rate));
        bar.set_prefix(what);
        bar
    }

    /// A bar over so many seconds. The line has room after it: what the terminal echoes of Ctrl-C must not begin a
    /// line of its own, which would leave the bar behind.
    #[must_use]
    pub fn seconds(&self, total: u64, what: impl Into<Cow<'static, str>>) -> ProgressBar {
        let bar = self.lines.add(ProgressBar::new(total));
        bar.set_style(style("{prefix} {bar:24.cyan/dim} {pos} of {len} s"));
        bar.set_prefix(what);
        bar
    }

    /// A line that turns while something is awaited.
    #[must_use]
    pub fn spinner(&self, what: impl Into<Cow<'static, str>>) -> ProgressBar {
        let spinner = self.lines.add(ProgressBar::new_spinner());
        spinner.set_style(style("{spinner:.cyan} {wide_msg}  {elapsed}"));
        spinner.set_message(what);
        spinner.enable_steady_tick(Duration::from_millis(120));
        spinner
    }

    /// Runs `print` with the lines out of the way, so that what it prints stays whole.
    pub fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.lines.suspend(print)
    }

    /// Removes every line.
    pub fn clear(&self) {
        // A terminal that cannot be cleared shows stale lines, and no more than that.
        let _ = self.lines.clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
