//! Waiting for a condition, with a limit and a name for what was awaited.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const POLL: Duration = Duration::from_millis(50);

/// Waits until `condition` holds; `what` completes the sentence "gave up waiting for".
///
/// # Errors
/// If it does not hold within `timeout`.
pub fn wait_until(
    timeout: Duration,
    what: &str,
    mut condition: impl FnMut() -> bool,
) -> Result<()> {
    wait_for(timeout, what, || condition().then_some(()))
}

/// Waits until `probe` yields a value and returns it.
///
/// # Errors
/// If it yields none within `timeout`.
pub fn wait_for<T>(
    timeout: Duration,
    what: &str,
    mut probe: impl FnMut() -> Option<T>,
) -> Result<T> {
    let end = Instant::now() + timeout;
    loop {
        if let Some(value) = probe() {
            return Ok(value);
        }
        if Instant::now() >= end {
            bail!("gave up after {timeout:?} waiting for {what}");
        }
        thread::sleep(POLL);
    }
}
