//! Stopping on a signal, once, and in order.
//!
//! Owns one thread that waits for SIGINT, SIGTERM and SIGHUP. It does not depend on the runtime, so that a
//! signal is noticed at once while a read of stdin or a write to stdout holds the program up.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tokio::sync::watch;

/// What asked the program to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signal {
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM, or SIGHUP when the terminal goes away.
    Terminate,
}

impl Signal {
    /// The signal's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        }
    }

    /// The exit code of a program that it stopped.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

/// Whether a signal has asked the program to stop. Cloning shares the answer.
///
/// The first signal counts. SIGTERM and SIGHUP that follow change nothing: a closing terminal commonly
/// sends SIGHUP twice. A second SIGINT ends the process at once. A signal that was ignored when the
/// program started stays ignored (`nohup`).
#[derive(Debug, Clone)]
pub struct Stop {
    seen: watch::Receiver<Option<Signal>>,
    flag: Arc<AtomicBool>,
}

impl Stop {
    /// Starts listening.
    pub(crate) fn listen() -> io::Result<Self> {
        let ignored = ignored_at_start();
        let heeded = [SIGINT, SIGTERM, SIGHUP]
            .into_iter()
            .filter(|number| ignored & (1 << (number - 1)) == 0);
        let mut signals = Signals::new(heeded)?;
        let (sender, seen) = watch::channel(None);
        let flag = Arc::new(AtomicBool::new(false));
        let set = Arc::clone(&flag);
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || heed(&mut signals, &sender, &set))?;
        Ok(Self { seen, flag })
    }

    /// Set once a signal has asked to stop, for code that knows nothing of signals.
    #[must_use]
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.flag)
    }

    /// The signal that asked to stop, if one did.
    #[must_use]
    pub fn requested(&self) -> Option<Signal> {
        *self.seen.borrow()
    }

    /// Waits for a signal.
    pub async fn wait(&self) -> Signal {
        let mut seen = self.seen.clone();
        loop {
            if let Some(signal) = *seen.borrow_and_update() {
                return signal;
            }
            if seen.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Does work that may block (reading stdin, opening a pipe) on a thread of its own.
    ///
    /// # Errors
    /// The signal that came first; the work is then left alone and ends with the process.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Signal> {
        let work = tokio::task::spawn_blocking(work);
        let done = tokio::select! {
            biased;
            signal = self.wait() => return Err(signal),
            done = work => done,
        };
        // Only a panic ends a blocking task without its result while it is awaited.
        done.or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }
}

/// Hands out the first signal, and ends the process at the second SIGINT.
fn heed(signals: &mut Signals, sender: &watch::Sender<Option<Signal>>, flag: &AtomicBool) {
    let mut interrupts = 0;
    for number in signals.forever() {
        let signal = if number == SIGINT {
            interrupts += 1;
            Signal::Interrupt
        } else {
            Signal::Terminate
        };
        if interrupts == 2 {
            std::process::exit(Signal::Interrupt.exit_code().into());
        }
        flag.store(true, Ordering::SeqCst);
        sender.send_if_modified(|seen| {
            let is_first = seen.is_none();
            *seen = seen.or(Some(signal));
            is_first
        });
    }
}

/// The signals that whoever started the program has had ignored, as a mask whose lowest bit is signal 1.
/// Where the system has no `/proc` none is known to be.
fn ignored_at_start() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    mask(&status).unwrap_or(0)
}

fn mask(status: &str) -> Option<u64> {
    let value = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(value.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        let status = "Name:\tx\nSigBlk:\t0000000000000001\nSigIgn:\t0000000000001003\n";
        assert_eq!(mask(status), Some(0x1003));
        assert_eq!(mask("Name:\tx\n"), None);
    }
}
