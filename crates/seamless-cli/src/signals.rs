//! Stopping on a signal, once, and in order.

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
}

/// Whether a signal has asked the program to stop. Cloning shares the answer.
#[derive(Debug, Clone)]
pub struct Stop {
    seen: watch::Receiver<Option<Signal>>,
}

impl Stop {
    /// Starts listening. The first signal is handed out; a second one ends the process at once.
    pub(crate) fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let (sender, seen) = watch::channel(None);
        tokio::spawn(async move {
            loop {
                let signal = tokio::select! {
                    Some(()) = interrupt.recv() => Signal::Interrupt,
                    Some(()) = terminate.recv() => Signal::Terminate,
                    Some(()) = hangup.recv() => Signal::Terminate,
                };
                if sender.borrow().is_some() {
                    std::process::exit(i32::from(crate::ExitStatus::Stopped(signal).code()));
                }
                // Without a listener left there is nothing to stop.
                let _ = sender.send(Some(signal));
            }
        });
        Ok(Self { seen })
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
}
