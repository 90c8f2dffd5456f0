//! The one runtime on which the lab's own servers run, behind a blocking interface.
//!
//! Owns the bridge from plain test functions (and from inside any other runtime) to asynchronous code.
//! Its worker threads live as long as the process; child processes are started from them, because the
//! kernel sends the parent-death signal when the starting THREAD ends.

use std::future::Future;
use std::sync::OnceLock;
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, Result, anyhow};
use tokio::runtime::{Builder, Runtime};

fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<std::io::Result<Runtime>> = OnceLock::new();
    RUNTIME
        .get_or_init(|| {
            Builder::new_multi_thread()
                .worker_threads(2)
                .thread_name("lab")
                .enable_all()
                .build()
        })
        .as_ref()
        .map_err(|error| anyhow!("cannot start the lab's runtime: {error}"))
}

/// Runs `future` on the lab's runtime and waits for its result.
pub(crate) fn run<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> Result<T> {
    let (sender, receiver) = mpsc::sync_channel(1);
    runtime()?.spawn(async move {
        // The receiver waits below; it cannot be gone.
        let _ = sender.send(future.await);
    });
    receiver.recv().context("a task of the lab panicked")
}

/// Runs what `work` returns, which need not be `Send`, on a thread and runtime of its own and waits.
pub(crate) fn run_here<T: Send>(work: impl AsyncFnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            Builder::new_current_thread()
                .enable_all()
                .build()
                .context("cannot start a runtime")?
                .block_on(work())
        });
        worker
            .join()
            .map_err(|_| anyhow!("a request of the lab panicked"))?
    })
}

/// Leaves `future` running on the lab's runtime.
pub(crate) fn spawn(
    future: impl Future<Output = ()> + Send + 'static,
) -> Result<tokio::task::JoinHandle<()>> {
    Ok(runtime()?.spawn(future))
}
