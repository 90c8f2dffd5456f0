//! Whether a signal asked the process to stop, for code that waits without a runtime of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};

use crate::background;

/// Listens for SIGINT, SIGTERM and SIGHUP. Clones share the answer.
#[derive(Debug, Clone)]
pub struct Interrupt {
    exit_code: Arc<AtomicU8>,
}

impl Interrupt {
    /// Starts listening. The first signal is handed out; a second one ends the process at once, and the
    /// children with it.
    ///
    /// # Errors
    /// If the signals cannot be listened to.
    pub fn listen() -> Result<Self> {
        let exit_code = Arc::new(AtomicU8::new(0));
        let seen = Arc::clone(&exit_code);
        let listening = background::run(async move {
            let mut interrupt = signal(SignalKind::interrupt())?;
            let mut terminate = signal(SignalKind::terminate())?;
            let mut hangup = signal(SignalKind::hangup())?;
            tokio::spawn(async move {
                loop {
                    let code = tokio::select! {
                        _ = interrupt.recv() => 130,
                        _ = terminate.recv() => 143,
                        _ = hangup.recv() => 143,
                    };
                    if seen.swap(code, Ordering::SeqCst) != 0 {
                        std::process::exit(i32::from(code));
                    }
                }
            });
            Ok::<(), std::io::Error>(())
        })?;
        listening.context("cannot listen for signals")?;
        Ok(Self { exit_code })
    }

    /// The exit code that goes with the signal seen, 130 or 143, if one was.
    #[must_use]
    pub fn exit_code(&self) -> Option<u8> {
        match self.exit_code.load(Ordering::SeqCst) {
            0 => None,
            code => Some(code),
        }
    }
}
