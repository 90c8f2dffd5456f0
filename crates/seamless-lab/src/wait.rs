//! Waiting for a condition, with a limit and a name for what was awaited.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// The shortest pause between two looks, and the longest. Between them it is a tenth of what has been waited
/// already: a look often asks a server, which keeps it from what is awaited.
const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(250));

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
    let begun = Instant::now();
    loop {
        if let Some(value) = probe() {
            return Ok(value);
        }
        let waited = begun.elapsed();
        if waited >= timeout {
            bail!("gave up after {timeout:?} waiting for {what}");
        }
        let (shortest, longest) = PAUSE;
        thread::sleep((waited / 10).clamp(shortest, longest));
    }
}
