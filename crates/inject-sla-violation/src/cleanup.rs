//! Takes back what a drill has left that could not do so itself: `--cleanup`.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use seamless_cli::{Connections, ExitStatus, Stop, Terminal, UsageError, clean};

use crate::args::Args;
use crate::report::{Report, RunOutcome, SinkReport};
use crate::request::{Course, Delivery, Request};
use crate::series::SeriesSet;
use crate::silence::DrillSilence;
use crate::sinks::file;
use crate::sinks::file_sd;
use crate::sinks::pushgateway::PushgatewaySink;
use crate::sinks::remote_write::RemoteWriteSink;
use crate::sinks::{Clock, SinkError, Snapshot};
use crate::values::Values;

/// Looks at every given sink for what carries the drill's id, and removes it.
pub(crate) async fn run(
    args: &Args,
    request: &Request,
    connections: &Connections,
    terminal: &Terminal,
    stop: &Stop,
) -> anyhow::Result<ExitStatus> {
    let (started_at, began) = (Timestamp::now(), Instant::now());
    let Delivery::Lasting(course) = &request.delivery else {
        return Ok(ExitStatus::Usage);
    };
    let series_set = Arc::new(SeriesSet::new(request)?);
    let mut sinks = Vec::new();
    let work = places(args, request, course, connections, &series_set, stop);
    let outcome = tokio::select! {
        biased;
        signal = stop.wait() => RunOutcome::stopped(signal),
        reports = work => {
            sinks = reports?;
            if sinks.iter().all(|sink| sink.cleaned_up) {
                RunOutcome::Done
            } else {
                RunOutcome::SinkFailed
            }
        }
    };
    for error in sinks.iter().filter_map(|sink| sink.error.as_ref()) {
        terminal.error(&clean(error));
    }
    let mut report = Report::new(request, &series_set, started_at, began.elapsed(), outcome);
    report.cleaned_only = true;
    report.sinks = sinks;
    terminal.result(outcome.status(), &report.rendered(request.output))?;
    Ok(outcome.status())
}

async fn places(
    args: &Args,
    request: &Request,
    course: &Course,
    connections: &Connections,
    series_set: &Arc<SeriesSet>,
    stop: &Stop,
) -> anyhow::Result<Vec<SinkReport>> {
    let id = &*request.drill_id;
    let mut sinks = Vec::new();
    if let Some(path) = &course.file {
        let removed = file::remove(path, id).and_then(|found| {
            let held = file::Held::of(path).map_err(|error| unreadable(path, &error))?;
            match held {
                file::Held::Nothing => Ok(found),
                _ => Err(SinkError {
                    doing: "left alone",
                    target: path.display().to_string(),
                    problem: format!("not all of its series carry drill={id:?}"),
                    lasting: true,
                }),
            }
        });
        sinks.push(found("write-to", path.display().to_string(), removed));
    }
    if let Some(path) = &args.file_sd {
        let removed = file_sd::remove(path, id).map_err(|error| SinkError {
            doing: "cannot remove the drill's target from",
            target: path.display().to_string(),
            problem: error.source.to_string(),
            lasting: true,
        });
        sinks.push(found("file-sd", path.display().to_string(), removed));
    }
    if let Some(endpoint) = &course.push_gateway {
        let gateway = PushgatewaySink::new(&connections.http, endpoint, id);
        let removed = gateway.delete().await;
        sinks.push(found("push-gateway", gateway.target(), removed));
    }
    if let Some(endpoint) = &course.remote_write {
        let receiver = RemoteWriteSink::new(&connections.http, endpoint, request, stop);
        let clock = Clock::start();
        let values = Values::first(series_set, request, clock.moment());
        let last = Snapshot::now(series_set, &values, clock);
        let ended = receiver.end_series(&last).await.map(|()| true);
        sinks.push(found("remote-write", receiver.target(), ended));
    }
    for alertmanager in connections.alertmanagers() {
        let silence = DrillSilence::new(&connections.http, &alertmanager, id);
        sinks.push(found(
            "silence",
            silence.target(),
            silence.end_unheld().await,
        ));
    }
    if sinks.is_empty() {
        return Err(UsageError(
            "--cleanup needs to know where: give the sinks of the drill (--write-to, --file-sd, --push-gateway, \
             --remote-write), or --alertmanager-url for its silence"
                .to_owned(),
        )
        .into());
    }
    Ok(sinks)
}

fn unreadable(path: &Path, error: &std::io::Error) -> SinkError {
    SinkError {
        doing: "cannot read",
        target: path.display().to_string(),
        problem: error.to_string(),
        lasting: true,
    }
}

fn found(sink: &'static str, target: String, removed: Result<bool, SinkError>) -> SinkReport {
    SinkReport {
        removed: removed.as_ref().ok().copied(),
        cleaned_up: removed.is_ok(),
        error: removed.err().map(|error| error.to_string()),
        ..SinkReport::new(sink, target)
    }
}
