//! The coordinator's list as a site exports it: `lease-recover --list --output prometheus=FILE` on a timer, beside
//! a node_exporter that shows the file.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// Runs until its value is dropped.
#[derive(Debug)]
pub(super) struct Lister {
    // Nothing is sent: the end of the channel is the signal.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Lister {
    /// Lists every `period` into a file of `textfiles`, and first of all once, to see that it works.
    pub(super) fn start(
        program: &Path,
        environment: &[(&'static str, String)],
        textfiles: &Path,
        period: Duration,
    ) -> Result<Self> {
        let file = textfiles.join("seamless-leases.prom");
        let listing = Listing {
            program: program.to_owned(),
            environment: environment.to_vec(),
            output: format!("prometheus={}", file.display()),
        };
        listing.run().context("lease-recover --list does not run")?;
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("lister".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
                    // One that fails leaves the old file, as on a site; the rules see its age.
                    let _ = listing.run();
                }
            })
            .context("cannot start the lister's thread")?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Lister {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in it has been reported by the panic hook already.
            let _ = thread.join();
        }
    }
}

struct Listing {
    program: PathBuf,
    environment: Vec<(&'static str, String)>,
    output: String,
}

impl Listing {
    fn run(&self) -> Result<()> {
        let status = Command::new(&self.program)
            .args(["--list", "--output", &self.output])
            .envs(
                self.environment
                    .iter()
                    .map(|(name, value)| (*name, value.as_str())),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        anyhow::ensure!(status.success(), "{status}");
        Ok(())
    }
}
