//! A program on a pseudo-terminal, with a person's keys.
//!
//! Owns what a rehearsal at the terminal needs: typing, reading what the screen was sent, and the
//! terminal's modes before and after. Ctrl-C is typed as [`CTRL_C`]; the kernel makes the signal of it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use pty_process::Size;
use rustix::termios::{LocalModes, tcgetattr};

use crate::process::signal;
use crate::wait::wait_for;

/// The key that the kernel turns into SIGINT.
pub const CTRL_C: &str = "\u{3}";
/// The key that ends the input.
pub const CTRL_D: &str = "\u{4}";

/// A program at a terminal of its own. It is killed when dropped.
#[derive(Debug)]
pub struct Session {
    terminal: File,
    child: Child,
    sent: Arc<Mutex<Vec<u8>>>,
    reading: Option<JoinHandle<()>>,
}

impl Session {
    /// Starts the program with stdin, stdout and stderr on a terminal of 120 columns.
    ///
    /// # Errors
    /// If there is no pseudo-terminal, or the program does not start.
    pub fn start(command: Command) -> Result<Self> {
        let (pty, peer) = pty_process::blocking::open().context("no pseudo-terminal")?;
        pty.resize(Size::new(40, 120))?;
        let command = pty_process::blocking::Command::from(command);
        let child = command.spawn(peer).context("cannot start the program")?;
        let terminal = File::from(OwnedFd::from(pty));
        let mut peer = terminal.try_clone()?;
        let sent = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&sent);
        let reading = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // When the last program has closed the terminal, reading fails.
            while let Ok(read @ 1..) = peer.read(&mut buffer) {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend_from_slice(&buffer[..read]);
            }
        });
        Ok(Self {
            terminal,
            child,
            sent,
            reading: Some(reading),
        })
    }

    /// Types these keys.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub fn type_in(&mut self, keys: &str) -> Result<()> {
        self.terminal
            .write_all(keys.as_bytes())
            .context("cannot type")
    }

    /// All that the screen was sent so far.
    #[must_use]
    pub fn screen(&self) -> String {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&sent).into_owned()
    }

    /// Waits until the screen was sent this text; returns all that it was sent.
    ///
    /// # Errors
    /// If it does not come in time.
    pub fn expect(&self, text: &str, within: Duration) -> Result<String> {
        let shown = wait_for(within, "a text on the terminal", || {
            Some(self.screen()).filter(|screen| screen.contains(text))
        });
        shown.with_context(|| format!("{text:?} is not in {:?}", self.screen()))
    }

    /// The program's process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends the program a signal, as [`crate::signal`].
    ///
    /// # Errors
    /// As [`crate::signal`].
    pub fn signal(&self, name: &str) -> Result<()> {
        signal(self.id(), name)
    }

    /// Whether the program has ended, and how.
    ///
    /// # Errors
    /// If the system cannot tell.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits for the program to end, and for all that it has shown.
    ///
    /// # Errors
    /// If it does not in time.
    pub fn end(&mut self, within: Duration) -> Result<ExitStatus> {
        let ended = wait_for(within, "the program to end", || {
            self.child.try_wait().ok().flatten()
        });
        let ended = ended.with_context(|| format!("it showed {:?}", self.screen()))?;
        if let Some(reading) = self.reading.take() {
            // A reader that panicked has kept what it had read.
            let _ = reading.join();
        }
        Ok(ended)
    }

    /// Whether the terminal is as a shell expects it: it edits lines, shows what is typed, makes signals of
    /// keys, and its cursor is not left hidden.
    ///
    /// # Errors
    /// If the terminal cannot be asked.
    pub fn is_sane(&self) -> Result<bool> {
        let wanted = LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
        let modes = tcgetattr(&self.terminal)?.local_modes;
        let screen = self.screen();
        let hidden = screen.rfind("\u{1b}[?25l");
        let shown = screen.rfind("\u{1b}[?25h");
        Ok(modes.contains(wanted) && hidden <= shown)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Either it has ended already, or it ends now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
