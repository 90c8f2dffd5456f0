//! A program in surroundings that lack everything, and a signal at a chosen moment.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

const ENV: &str = "/usr/bin/env";

/// The program with nothing in its environment (no HOME, no TERM, no PATH), no terminal and an empty
/// stdin.
#[must_use]
pub fn bare(program: impl AsRef<Path>) -> Command {
    // A shell may have left signals ignored (`nohup`, `&` in a script), and children inherit that.
    let mut command = Command::new(ENV);
    command
        .arg("--default-signal=HUP,INT,TERM,PIPE")
        .arg(program.as_ref())
        .env_clear()
        .stdin(Stdio::null());
    command
}

/// Runs `command`, sends it `signal` (`INT`, `TERM`, …) that long after its start, and waits for its end.
///
/// # Errors
/// If it cannot be started or signalled.
pub fn signalled(command: &mut Command, signal: &str, after: Duration) -> Result<Output> {
    signalled_once(command, signal, || {
        thread::sleep(after);
        Ok(())
    })
}

/// The same, once `ready` has returned, which waits for what the program does.
///
/// # Errors
/// If it cannot be started or signalled, or `ready` fails.
pub fn signalled_once(
    command: &mut Command,
    signal: &str,
    ready: impl FnOnce() -> Result<()>,
) -> Result<Output> {
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start the program")?;
    let id = child.id();
    // Until it has become the program, `env` may not have stopped ignoring signals.
    let image = format!("/proc/{id}/exe");
    while fs::read_link(&image).is_ok_and(|image| image == Path::new(ENV)) {
        thread::yield_now();
    }
    ready()?;
    crate::signal(id, signal)?;
    child.wait_with_output().context("cannot wait for it")
}
