//! Commands that run at the same time, a bounded number of them, and what each said.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::cargo;

/// One command of a check.
#[derive(Debug, Clone)]
pub(super) struct Job {
    /// The check that it belongs to.
    pub(super) check: String,
    /// What distinguishes it within its check; empty for the only one.
    pub(super) name: String,
    /// What a person types in the workspace's folder to run it alone.
    pub(super) typed: String,
    /// The program and its arguments.
    pub(super) command: Vec<String>,
    /// Where it runs.
    pub(super) dir: PathBuf,
}

/// How a command ended.
#[derive(Debug, Clone)]
pub(super) struct Done {
    pub(super) job: Job,
    pub(super) success: bool,
    pub(super) begun: Instant,
    pub(super) took: Duration,
    /// What it wrote to stdout and stderr.
    pub(super) output: String,
}

impl Job {
    /// Runs it to its end.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(super) fn run(self) -> Result<Done> {
        let begun = Instant::now();
        // A file and no pipe: a server that a failed test leaves behind would hold a pipe open.
        let mut said = tempfile::tempfile().context("cannot keep a command's output")?;
        let write_to = |file: &File| file.try_clone().context("cannot keep a command's output");
        // Whoever starts this may ignore signals (`nohup`, `&` in a script), and the programs, which inherit
        // that, would then heed none of those that the tests send.
        let status = cargo::outside("env")
            .arg("--default-signal=HUP,INT,TERM,PIPE")
            .args(&self.command)
            .current_dir(&self.dir)
            // Backtraces would make transcripts of the programs' errors differ.
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null())
            .stdout(write_to(&said)?)
            .stderr(write_to(&said)?)
            .status()
            .with_context(|| format!("cannot run {}", self.typed))?;
        let took = begun.elapsed();
        let mut output = Vec::new();
        said.rewind()
            .and_then(|()| said.read_to_end(&mut output))
            .context("cannot read a command's output")?;
        Ok(Done {
            success: status.success(),
            begun,
            took,
            output: String::from_utf8_lossy(&output).into_owned(),
            job: self,
        })
    }
}

/// Runs the jobs in their order, `at_once` at a time, and hands each to `tell` when it has ended.
///
/// # Errors
/// If one cannot be started; those that run then are waited for.
pub(super) fn run(
    jobs: Vec<Job>,
    at_once: usize,
    tell: impl Fn(&Done) -> Result<()> + Sync,
) -> Result<Vec<Done>> {
    let waiting = Mutex::new(VecDeque::from(jobs));
    let done = Mutex::new(Vec::new());
    let work = || -> Result<()> {
        loop {
            let next = locked(&waiting).pop_front();
            let Some(job) = next else { return Ok(()) };
            let ended = job.run()?;
            let mut done = locked(&done);
            tell(&ended)?;
            done.push(ended);
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| {
            worker
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })?;
    Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
