//! An exposition from a file or stdin. Owns that reading it ends, in time and in memory, whatever is
//! behind the path, and that what can be read only once is read once.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use seamless_core::bounds;
use tokio::sync::{OnceCell, oneshot};
use tokio::time::Instant;

use crate::gap::{Fact, Gap};

/// Far more than a runtime exposes; an endless input ends here.
const LARGEST: u64 = 256 * 1024 * 1024;

/// What can be read.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    /// None is stdin.
    path: Option<PathBuf>,
    /// What stdin or a pipe held: it is empty afterwards.
    kept: Arc<OnceCell<Fact<Arc<Vec<u8>>>>>,
}

impl Input {
    /// What is at `path`; `-` is stdin.
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: (path.as_os_str() != "-").then(|| path.to_owned()),
            kept: Arc::default(),
        }
    }

    /// Reads it whole: a regular file anew each time, anything else once.
    pub(crate) async fn read(&self, deadline: Option<Instant>) -> Fact<Arc<Vec<u8>>> {
        let read = async {
            let regular = self.path.as_deref().is_some_and(Path::is_file);
            if regular {
                self.read_now().await
            } else {
                self.kept.get_or_init(|| self.read_now()).await.clone()
            }
        };
        let Some(deadline) = deadline else {
            return read.await;
        };
        tokio::time::timeout_at(deadline, read)
            .await
            .unwrap_or_else(|_| {
                let what = self.name();
                let message = format!("reading {what}: the run's deadline passed");
                Err(Gap::OutOfTime(message))
            })
    }

    async fn read_now(&self) -> Fact<Arc<Vec<u8>>> {
        let (sender, receiver) = oneshot::channel();
        let path = self.path.clone();
        // A thread of its own, which nobody waits for: reading a pipe may never end.
        let reader = std::thread::Builder::new().spawn(move || {
            // When the run is over, nobody receives it.
            let _ = sender.send(whole(path.as_deref()));
        });
        let read = match reader {
            Ok(_) => receiver
                .await
                .unwrap_or_else(|gone| Err(io::Error::other(gone))),
            Err(error) => Err(error),
        };
        read.map(Arc::new).map_err(|error| Gap::Failed {
            message: format!("cannot read {}: {error}", self.name()),
            hint: "check the path and its permissions".to_owned(),
        })
    }

    fn name(&self) -> String {
        let path = self.path.as_deref();
        path.map_or_else(|| "stdin".to_owned(), |path| path.display().to_string())
    }
}

fn whole(path: Option<&Path>) -> io::Result<Vec<u8>> {
    match path {
        Some(path) => bounds::read(File::open(path)?, LARGEST),
        None => bounds::read(io::stdin().lock(), LARGEST),
    }
}
