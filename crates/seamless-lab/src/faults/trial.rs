//! A program run against a fault: what it said, how it ended, how long it took, how much it held.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process::Memory;

const POLL: Duration = Duration::from_millis(5);

/// How a program's run ended.
#[derive(Debug)]
pub struct Trial {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it said beside it.
    pub stderr: String,
    /// How long it ran.
    pub took: Duration,
    /// The most memory that it was seen to hold, in KiB.
    pub peak_kib: u64,
}

impl Trial {
    /// Runs `program` without a terminal, stdin or proxies, in an empty folder and with `environment`
    /// on top of nothing.
    ///
    /// # Errors
    /// If it cannot be started, or does not end within `limit`.
    pub fn run(
        program: &Path,
        arguments: &[String],
        environment: &[(String, String)],
        limit: Duration,
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let started = Instant::now();
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(environment.iter().cloned())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let stdout = reader(child.stdout.take());
        let stderr = reader(child.stderr.take());
        let mut peak_kib = 0;
        let status = loop {
            peak_kib =
                Memory::of(child.id()).map_or(peak_kib, |memory| memory.peak_kib.max(peak_kib));
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if started.elapsed() > limit {
                child.kill()?;
                child.wait()?;
                bail!(
                    "{} {} did not end within {limit:?}; it said {}",
                    program.display(),
                    arguments.join(" "),
                    stderr.join().unwrap_or_default()
                );
            }
            thread::sleep(POLL);
        };
        Ok(Self {
            code: status.code(),
            stdout: stdout.join().unwrap_or_default(),
            stderr: stderr.join().unwrap_or_default(),
            took: started.elapsed(),
            peak_kib,
        })
    }
}

fn reader<R: Read + Send + 'static>(stream: Option<R>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // A stream that breaks off has nothing more to tell.
            let _ = stream.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
