//! Where the values go. Each sink owns one way of delivering them, and takes back at the end what it left
//! with others: a file, a group, a target, a listening port.

pub(crate) mod file;
pub(crate) mod file_sd;
mod negotiation;
mod protobuf;
pub(crate) mod pushgateway;
pub(crate) mod remote_write;
mod server;

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use seamless_cli::Stop;
use seamless_core::http::{HttpClient, HttpResponse, SendError};

use crate::request::{Course, Request};
use crate::series::SeriesSet;
use crate::values::{Moment, Values};

pub(crate) use file::write as write_file;

/// The time of samples: what the clock showed at the start, and what has passed since. A clock that is set
/// meanwhile moves no sample, so that none comes before another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Timestamp,
    began: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            start: Timestamp::now(),
            began: Instant::now(),
        }
    }

    /// Milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> i64 {
        self.start.as_millisecond().saturating_add(self.passed_ms())
    }

    fn passed_ms(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// Now, for values that tell the time.
    pub(crate) fn moment(&self) -> Moment {
        Moment {
            unix_seconds: self.now_ms() as f64 / 1000.0,
            elapsed_seconds: self.passed_ms() as f64 / 1000.0,
        }
    }
}

/// All series and their values at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) series_set: Arc<SeriesSet>,
    pub(crate) values: Arc<Values>,
    pub(crate) clock: Clock,
    /// Milliseconds since 1970.
    pub(crate) at: i64,
}

impl Snapshot {
    /// The same series, with other values, now.
    pub(crate) fn next(&self, values: &Values) -> Self {
        Self::now(&self.series_set, values, self.clock)
    }

    /// The values, now.
    pub(crate) fn now(series_set: &Arc<SeriesSet>, values: &Values, clock: Clock) -> Self {
        Self {
            series_set: Arc::clone(series_set),
            values: Arc::new(values.clone()),
            clock,
            at: clock.now_ms(),
        }
    }
}

/// What became of a delivery that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivered {
    Whole,
    /// A signal came; only some of the series were sent.
    CutShort,
}

/// Values could not be delivered, or something could not be taken back.
#[derive(Debug, thiserror::Error)]
#[error("{doing} {target}: {problem}")]
pub(crate) struct SinkError {
    pub(crate) doing: &'static str,
    pub(crate) target: String,
    pub(crate) problem: String,
    /// Whether trying again with the next step is pointless.
    pub(crate) lasting: bool,
}

/// One way of delivering values.
pub(crate) enum Sink {
    File(file::FileSink),
    Server(server::ServerSink),
    Pushgateway(pushgateway::PushgatewaySink),
    RemoteWrite(Box<remote_write::RemoteWriteSink>),
}

impl Sink {
    /// Checks that every sink of `course` can be opened, and leaves nothing behind.
    ///
    /// # Errors
    /// Whatever makes one of them unusable.
    pub(crate) fn check(course: &Course, request: &Request) -> anyhow::Result<()> {
        if let Some(path) = &course.file {
            file::FileSink::open(path, &request.drill_id, course.keep)?;
        }
        let serve = course.serve.as_ref();
        serve.map_or(Ok(()), |serve| server::check(serve, &request.drill_id))
    }

    /// Opens every sink of `course`. The first snapshot is there before anybody can ask for it.
    ///
    /// # Errors
    /// Whatever makes one of them unusable; nothing has been contacted then, and those that were opened
    /// are closed.
    pub(crate) async fn open(
        course: &Course,
        request: &Request,
        http: &HttpClient,
        stop: &Stop,
        first: &Snapshot,
    ) -> anyhow::Result<Vec<Self>> {
        let mut sinks = Vec::new();
        if let Some(path) = &course.file {
            sinks.push(Self::File(file::FileSink::open(
                path,
                &request.drill_id,
                course.keep,
            )?));
        }
        if let Some(serve) = &course.serve {
            let server = server::ServerSink::open(serve, request, first.clone()).await?;
            sinks.push(Self::Server(server));
        }
        if let Some(endpoint) = &course.push_gateway {
            let sink = pushgateway::PushgatewaySink::new(http, endpoint, &request.drill_id);
            sinks.push(Self::Pushgateway(sink));
        }
        if let Some(endpoint) = &course.remote_write {
            let sink = remote_write::RemoteWriteSink::new(http, endpoint, request, stop);
            sinks.push(Self::RemoteWrite(Box::new(sink)));
        }
        Ok(sinks)
    }

    /// The flag that asks for this sink, without its dashes.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::File(_) => "write-to",
            Self::Server(_) => "serve",
            Self::Pushgateway(_) => "push-gateway",
            Self::RemoteWrite(_) => "remote-write",
        }
    }

    /// What it does while it is open.
    pub(crate) const fn doing(&self) -> &'static str {
        match self {
            Self::File(_) => "rewriting",
            Self::Server(_) => "serving",
            Self::Pushgateway(_) => "pushing to",
            Self::RemoteWrite(_) => "writing to",
        }
    }

    /// Where it delivers to, without credentials.
    pub(crate) fn target(&self) -> String {
        match self {
            Self::File(sink) => sink.target(),
            Self::Server(sink) => sink.target(),
            Self::Pushgateway(sink) => sink.target(),
            Self::RemoteWrite(sink) => sink.target(),
        }
    }

    /// Delivers a snapshot.
    pub(crate) async fn show(&mut self, snapshot: &Snapshot) -> Result<Delivered, SinkError> {
        match self {
            Self::File(sink) => sink.show(snapshot)?,
            Self::Server(sink) => sink.show(snapshot),
            Self::Pushgateway(sink) => sink.show(snapshot).await?,
            Self::RemoteWrite(sink) => return sink.show(snapshot).await,
        }
        Ok(Delivered::Whole)
    }

    /// Takes back what was left with others.
    pub(crate) async fn close(&mut self, last: &Snapshot) -> Result<(), SinkError> {
        match self {
            Self::File(sink) => sink.close(),
            Self::Server(sink) => sink.close().await,
            Self::Pushgateway(sink) => sink.close().await,
            Self::RemoteWrite(sink) => sink.close(last).await,
        }
    }

    /// Whether what it delivered stays, because that was asked for.
    pub(crate) const fn is_kept(&self) -> bool {
        matches!(self, Self::File(sink) if sink.is_kept())
    }

    /// How often somebody came and took a snapshot; only a server knows.
    pub(crate) fn taken(&self) -> Option<u64> {
        match self {
            Self::Server(sink) => Some(sink.scrapes()),
            Self::File(_) | Self::Pushgateway(_) | Self::RemoteWrite(_) => None,
        }
    }
}

/// The answer, if it means that what was asked for was done.
pub(crate) fn accepted(
    doing: &'static str,
    target: &str,
    answer: Result<HttpResponse, SendError>,
) -> Result<HttpResponse, SinkError> {
    let (problem, lasting) = match answer {
        // A page where these servers say nothing is a login page, and no delivery.
        Ok(answer) if answer.is_success() && !answer.looks_like_html() => return Ok(answer),
        Ok(answer) => {
            let words = answer.detail().or_else(|| plain_words(&answer));
            let problem = match words {
                Some(words) => format!("{}: {words}", answer.described()),
                None => answer.described(),
            };
            let busy = matches!(answer.status, 429 | 500..);
            (problem, !busy)
        }
        Err(failure) => {
            let remedy = seamless_cli::remedy_words(failure.error.remedy(), "server");
            (format!("{failure} ({remedy})"), false)
        }
    };
    Err(SinkError {
        doing,
        target: target.to_owned(),
        problem,
        lasting,
    })
}

/// The first line of an answer in plain text: these servers explain themselves so.
fn plain_words(answer: &HttpResponse) -> Option<String> {
    if answer.looks_like_html() {
        return None;
    }
    let text = String::from_utf8_lossy(&answer.body);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    // Quoted: a server may repeat the credentials that it was sent.
    Some(answer.quoted(line))
}
