//! What the platform's log and traces hold.
//!
//! Owns reading both once, line by line, in memory that does not grow with the file, and asking an
//! OTLP/HTTP receiver whether it takes spans. What that means for the deployment is judged in `checks`.

mod lines;
mod logs;
mod receiver;
mod traces;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use seamless_core::logs::unpacked;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::gap::{Fact, Gap};
pub(crate) use lines::Broken;
pub(crate) use logs::{LogEvent, Logs};
pub(crate) use receiver::{ExportAnswer, OtlpReceiver};
pub(crate) use traces::Traces;

/// Where spans are, or go.
#[derive(Debug, Clone)]
pub(crate) enum Spans {
    File(PathBuf),
    Receiver(OtlpReceiver),
}

/// Reads a log, in any of the forms that core reads; `-` is stdin.
pub(crate) async fn logs(path: Option<&Path>, deadline: Option<Instant>) -> Fact<Logs> {
    let Some(path) = path else {
        let reason = "no log is given (--logs)".to_owned();
        return Err(Gap::NotConfigured(reason));
    };
    read(path, deadline, Logs::read).await
}

/// Reads spans: OTLP/JSON, one export request a line.
pub(crate) async fn traces(spans: Option<&Spans>, deadline: Option<Instant>) -> Fact<Traces> {
    match spans {
        Some(Spans::File(path)) => read(path, deadline, Traces::read).await,
        Some(Spans::Receiver(receiver)) => Err(Gap::NotOffered(format!(
            "what {receiver} received cannot be read back through OTLP; give the file of an OTLP file exporter"
        ))),
        None => Err(Gap::NotConfigured(
            "no traces are given (--traces)".to_owned(),
        )),
    }
}

/// What the receiver of the spans answers, if they go to one.
pub(crate) async fn receiver(spans: Option<&Spans>) -> Fact<ExportAnswer> {
    match spans {
        Some(Spans::Receiver(receiver)) => receiver.ask().await,
        Some(Spans::File(_)) | None => Err(Gap::NotConfigured(
            "no OTLP receiver is given (--traces URL)".to_owned(),
        )),
    }
}

/// Reads on a thread of its own: a big file holds up no other check, and neither a file nor a pipe that
/// never ends holds up the exit.
async fn read<T: Send + 'static>(
    path: &Path,
    deadline: Option<Instant>,
    reader: fn(&mut dyn io::BufRead) -> io::Result<T>,
) -> Fact<T> {
    let (sender, received) = oneshot::channel();
    let file = path.to_owned();
    std::thread::spawn(move || {
        // Nobody waits any more when the run's time is over.
        let _ = sender.send(open(&file).and_then(|mut file| reader(&mut *file)));
    });
    let received = match deadline {
        Some(deadline) => tokio::time::timeout_at(deadline, received).await,
        None => Ok(received.await),
    };
    let shown = path.display();
    match received {
        Err(_) => Err(Gap::OutOfTime(format!(
            "the deadline passed while {shown} was read"
        ))),
        Ok(Ok(Ok(read))) => Ok(read),
        Ok(Ok(Err(error))) => Err(unreadable(&shown.to_string(), &error.to_string())),
        Ok(Err(_)) => Err(unreadable(&shown.to_string(), "the reader gave up")),
    }
}

/// What is there, unpacked if it is gzip.
fn open(path: &Path) -> io::Result<Box<dyn io::BufRead>> {
    if path.as_os_str() == "-" {
        return unpacked(io::stdin());
    }
    unpacked(File::open(path)?)
}

fn unreadable(what: &str, why: &str) -> Gap {
    Gap::Failed {
        message: format!("cannot read {what}: {why}"),
        hint: "check the path and its permissions".to_owned(),
    }
}
