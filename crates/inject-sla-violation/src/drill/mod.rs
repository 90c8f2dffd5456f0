//! A drill that lasts: prepared, performed, watched to its end, and cleaned up after.

mod course;
mod muting;
mod pages;
mod path;
mod preparation;

use std::pin::Pin;
use std::sync::Arc;

use jiff::Timestamp;
use seamless_cli::{ConfirmError, Connections, ExitStatus, Progress, Stop, Terminal, clean};
use seamless_core::duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::args::Args;
use crate::report::{Report, RunOutcome};
use crate::request::{Course, Request};
use crate::rulebook;
use crate::series::SeriesSet;
use crate::sinks::{Clock, Sink, Snapshot};
use crate::values::Values;
use crate::watch::{Expectation, Expectations, Reached, View, Watch};
use course::{Injection, Times, Working};
pub(crate) use pages::PagingDrill;
pub(crate) use path::AlertPath;
use preparation::{Preparation, Preparing};

/// A drill and what it needs.
pub(crate) struct Drill<'r> {
    pub(crate) request: &'r Request,
    pub(crate) course: &'r Course,
    pub(crate) series_set: Arc<SeriesSet>,
    pub(crate) connections: &'r Connections,
    pub(crate) terminal: &'r Terminal,
    pub(crate) stop: Stop,
}

/// The closed loop at work.
struct Watching {
    expectations: Expectations,
    /// Ends when every expected alert has come through, or has been given up.
    future: Pin<Box<dyn Future<Output = ()>>>,
    over: bool,
}

impl Watching {
    /// Waits for its end, and says so at once when that is past.
    async fn settle(&mut self) {
        if !self.over {
            self.future.as_mut().await;
            self.over = true;
        }
    }
}

impl Drill<'_> {
    /// Runs it.
    ///
    /// # Errors
    /// What makes it impossible, found before anything was changed.
    pub(crate) async fn run(self, args: &Args) -> anyhow::Result<ExitStatus> {
        let (started_at, began) = (Timestamp::now(), Instant::now());
        let deadline = args.http.deadline.map(|deadline| began + deadline);
        let given_rules = args.rules.as_deref().map(rulebook::from_file).transpose()?;
        Sink::check(self.course, self.request)?;
        let preparing = Preparing {
            args,
            request: self.request,
            course: self.course,
            series_set: &self.series_set,
            terminal: self.terminal,
            stop: &self.stop,
            connections: self.connections,
            given_rules: given_rules.as_ref(),
        };
        let report = |outcome| {
            Report::new(
                self.request,
                &self.series_set,
                started_at,
                began.elapsed(),
                outcome,
            )
        };
        // Until it has begun there is nothing to take back.
        let prepared = tokio::select! {
            biased;
            signal = self.stop.wait() => return self.conclude(report(RunOutcome::stopped(signal))),
            () = until(deadline) => return self.conclude(report(RunOutcome::DeadlineOver)),
            prepared = preparing.run() => prepared,
        };
        let prepared = match prepared {
            Ok(prepared) => prepared,
            // The question may see the signal first.
            Err(error) => match error.downcast_ref() {
                Some(ConfirmError::Stopped(signal)) => {
                    return self.conclude(report(RunOutcome::stopped(*signal)));
                }
                _ => return Err(error),
            },
        };
        if !prepared.agreed {
            return self.conclude(report(RunOutcome::Declined));
        }
        let clock = Clock::start();
        let mut values = Values::first(&self.series_set, self.request, clock.moment());
        let mut now = Snapshot::now(&self.series_set, &values, clock);
        let opened = Sink::open(
            self.course,
            self.request,
            &self.connections.http,
            &self.stop,
            &now,
        )
        .await?;
        let mut sinks: Vec<Working> = opened.into_iter().map(Working::new).collect();
        let mut silences = self.silences();
        let silenced = tokio::select! {
            biased;
            signal = self.stop.wait() => Err(RunOutcome::stopped(signal)),
            () = until(deadline) => Err(RunOutcome::DeadlineOver),
            silenced = self.silence(&mut silences) => silenced.map_err(|error| {
                self.terminal.error(&clean(&error.to_string()));
                RunOutcome::SinkFailed
            }),
        };
        let progress = self.terminal.progress();
        let mut watching = None;
        let outcome = match silenced {
            Err(outcome) => outcome,
            Ok(()) => {
                self.announce(&sinks);
                let start = Instant::now();
                let times = Times {
                    start,
                    end: start + self.course.hold,
                    deadline,
                };
                watching = self.watch(&sinks, &prepared, start, &progress)?;
                let injection = Injection {
                    request: self.request,
                    course: self.course,
                    series_set: &self.series_set,
                    terminal: self.terminal,
                    progress: &progress,
                    stop: &self.stop,
                    times,
                };
                let settled = Notify::new();
                let injected = injection.run(&mut sinks, &mut values, &mut now, &settled);
                let outcome = alongside(injected, watching.as_mut(), &settled).await;
                self.watch_to_the_end(outcome, deadline, &mut watching)
                    .await
            }
        };
        let (outcome, unsilenced) = self.end_silences(&silences, outcome, deadline).await;
        progress.clear();

        let expectations = watching.map(|watching| watching.expectations.snapshot());
        let expectations = expectations.unwrap_or_default();
        let mut report = report(outcome.with_expectations(&expectations));
        report.steps = values.step;
        report.sinks = sinks.into_iter().map(Working::report).collect();
        report.sinks.extend(unsilenced);
        report.predictions = prepared.predictions;
        report.expectations = expectations;
        self.conclude(report)
    }

    fn conclude(&self, report: Report) -> anyhow::Result<ExitStatus> {
        let status = report.outcome.status();
        self.terminal
            .result(status, &report.rendered(self.request.output))?;
        Ok(status)
    }

    fn announce(&self, sinks: &[Working]) {
        let hold = duration::format(self.course.hold);
        for working in sinks {
            let (doing, target) = (working.sink.doing(), working.sink.target());
            self.terminal.note(&format!(
                "{doing} {} for {hold} (drill {})",
                clean(&target),
                self.request.drill_id
            ));
        }
        if self.course.step > self.course.hold {
            self.terminal.note(&format!(
                "note: --step {} is longer than --hold {hold}: the series stand at their start",
                duration::format(self.course.step)
            ));
        }
    }

    /// Starts the closed loop, when an alert is awaited.
    fn watch(
        &self,
        sinks: &[Working],
        prepared: &Preparation,
        start: Instant,
        progress: &Progress,
    ) -> anyhow::Result<Option<Watching>> {
        if self.request.expected.is_empty() {
            return Ok(None);
        }
        let served = sinks.iter().find_map(|working| match &working.sink {
            Sink::Server(_) => Some(working.sink.target()),
            _ => None,
        });
        let watch = Watch {
            view: View {
                prometheus: self.connections.prometheus()?,
                alertmanagers: self.connections.alertmanagers(),
                request: self.request.clone(),
                course: self.course.clone(),
                series_set: Arc::clone(&self.series_set),
                served,
                start,
                began_at: prepared.asked_at.unwrap_or_else(Timestamp::now),
            },
            within: self.request.within,
        };
        let expectations = Expectations::new(self.request);
        let (terminal, progress) = (self.terminal.clone(), progress.clone());
        let shared = expectations.clone();
        let future = Box::pin(async move {
            let tell = |expectation: &Expectation, reached: &Reached| {
                progress.suspend(|| terminal.note(&line(expectation, reached)));
            };
            watch.run(&shared, tell).await;
        });
        Ok(Some(Watching {
            expectations,
            future,
            over: false,
        }))
    }

    /// Waits for the closed loop, which may have something to see after the injection is over.
    async fn watch_to_the_end(
        &self,
        outcome: RunOutcome,
        deadline: Option<Instant>,
        watching: &mut Option<Watching>,
    ) -> RunOutcome {
        let Some(watching) = watching.as_mut().filter(|_| outcome == RunOutcome::Done) else {
            return outcome;
        };
        tokio::select! {
            biased;
            signal = self.stop.wait() => RunOutcome::stopped(signal),
            () = watching.settle() => RunOutcome::Done,
            () = until(deadline) => RunOutcome::DeadlineOver,
        }
    }
}

/// Waits for a deadline; for ever where there is none.
async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Runs the injection with the closed loop beside it, and tells it when that is over.
async fn alongside(
    injection: impl Future<Output = RunOutcome>,
    watching: Option<&mut Watching>,
    settled: &Notify,
) -> RunOutcome {
    let mut injection = std::pin::pin!(injection);
    if let Some(watching) = watching {
        tokio::select! {
            outcome = &mut injection => return outcome,
            // Not cancelled but told: a push under way must end before its group is deleted.
            () = watching.settle() => settled.notify_one(),
        }
    }
    injection.await
}

/// A stage, as it is told while it happens.
fn line(expectation: &Expectation, reached: &Reached) -> String {
    let after = duration::human(reached.after);
    let meaning = reached.stage.meaning();
    let detail = reached
        .detail
        .as_ref()
        .map(|detail| format!(" ({detail})"))
        .unwrap_or_default();
    clean(&format!(
        "{after:>7}  {}: {meaning}{detail}",
        expectation.alert
    ))
}
