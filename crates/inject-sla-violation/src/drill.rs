//! A drill that lasts: values after values to every sink, watched to its end, and cleaned up after.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;
use seamless_cli::{Connections, ExitStatus, HttpArgs, Progress, Signal, Stop, Terminal, clean};
use seamless_core::duration;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until};

use crate::args::Args;
use crate::prediction::{self, Prediction, ScrapeInfo};
use crate::report::{Outcome, Report, SinkReport};
use crate::request::{self, Course, Request};
use crate::rulebook;
use crate::series::SeriesSet;
use crate::sinks::{Sink, Snapshot};
use crate::values::{Condition, Values};
use crate::watch::{Expectation, Expectations, Reached, View, Watch};

/// How long a delivery that is under way may go on after a signal.
const DELIVERY_AFTER_SIGNAL: Duration = Duration::from_secs(2);
/// How long the clean-up of one sink may take after a signal.
const CLEAN_UP_AFTER_SIGNAL: Duration = Duration::from_secs(10);

/// A drill and what it needs.
pub(crate) struct Drill<'r> {
    pub(crate) request: &'r Request,
    pub(crate) course: &'r Course,
    pub(crate) series_set: Arc<SeriesSet>,
    pub(crate) terminal: &'r Terminal,
    pub(crate) stop: Stop,
}

/// When a drill ends, whatever happens.
#[derive(Clone, Copy)]
struct Times {
    start: Instant,
    /// The end of the injection.
    end: Instant,
    /// The end of the run.
    deadline: Option<Instant>,
}

/// A sink at work, and what became of it so far.
struct Working {
    sink: Sink,
    delivered: u64,
    failed: u64,
    /// Whether the last delivery failed.
    failing: bool,
    cleaned_up: bool,
    error: Option<String>,
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
    /// What makes it impossible, found before anything was contacted or changed.
    pub(crate) async fn run(self, args: &Args) -> anyhow::Result<ExitStatus> {
        let connections = self.connect(args)?;
        let (started_at, began) = (Timestamp::now(), Instant::now());
        let mut values = Values::first(&self.series_set);
        let mut now = Snapshot::now(&self.series_set, &values);
        let given_rules = args.rules.as_deref().map(rulebook::from_file).transpose()?;
        let opened = Sink::open(
            self.course,
            self.request,
            &connections.http,
            &self.stop,
            &now,
        )
        .await?;
        let mut sinks: Vec<Working> = opened.into_iter().map(Working::new).collect();
        self.announce(&sinks);

        let start = Instant::now();
        let times = Times {
            start,
            end: start + self.course.hold,
            deadline: args.http.deadline.map(|deadline| start + deadline),
        };
        let progress = self.terminal.progress();
        let mut watching = self.watch(args, &connections, &sinks, start, &progress)?;
        let mut predictions = Vec::new();
        if watching.is_some() {
            predictions = self.predict(&connections, given_rules).await;
        }
        let settled = Notify::new();
        let injection = async {
            let outcome = self
                .perform(
                    &mut sinks,
                    &mut values,
                    &mut now,
                    times,
                    &settled,
                    &progress,
                )
                .await;
            self.close(&mut sinks, &now, outcome).await
        };
        let outcome = alongside(injection, watching.as_mut(), &settled).await;
        let outcome = self.conclude(outcome, times, &mut watching).await;
        progress.clear();

        let expectations = watching.map(|watching| watching.expectations.snapshot());
        let expectations = expectations.unwrap_or_default();
        let outcome = outcome.with_expectations(&expectations);
        let mut report = Report::new(
            self.request,
            &self.series_set,
            started_at,
            began.elapsed(),
            outcome,
        );
        report.steps = values.step;
        report.sinks = sinks.into_iter().map(Working::report).collect();
        report.predictions = predictions;
        report.expectations = expectations;
        let status = outcome.status();
        self.terminal
            .result(status, &report.rendered(self.request.output))?;
        Ok(status)
    }

    /// The clients. Prometheus and Alertmanager are looked up only where an alert is awaited.
    fn connect(&self, args: &Args) -> anyhow::Result<Connections> {
        // The clean-up must still be possible when the deadline is over, so the client has none.
        let timeless = HttpArgs {
            deadline: None,
            ..args.http.clone()
        };
        let wanted = request::wanted(args);
        let connections = Connections::resolve(&timeless, &wanted, 4)?;
        if !self.request.expected.is_empty() {
            connections.prometheus()?;
        }
        Ok(connections)
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
    }

    /// Starts the closed loop, when an alert is awaited.
    fn watch(
        &self,
        args: &Args,
        connections: &Connections,
        sinks: &[Working],
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
                prometheus: connections.prometheus()?,
                alertmanager: connections.alertmanager(),
                request: self.request.clone(),
                course: self.course.clone(),
                series_set: Arc::clone(&self.series_set),
                served,
                start,
            },
            within: args.within,
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

    /// Says before the first minute is over what the rules have against the expected alerts.
    async fn predict(
        &self,
        connections: &Connections,
        given: Option<seamless_core::rules::RuleFile>,
    ) -> Vec<Prediction> {
        let rules = match (given, connections.prometheus()) {
            (Some(rules), _) => rules,
            (None, Ok(prometheus)) => match rulebook::loaded(&prometheus).await {
                Ok(rules) => rules,
                // The closed loop asks again, and says so if it cannot.
                Err(_) => return Vec::new(),
            },
            (None, Err(_)) => return Vec::new(),
        };
        let predictions = prediction::predictions(
            &rules,
            self.request,
            &self.series_set,
            ScrapeInfo::default(),
        );
        let predictions = predictions.unwrap_or_default();
        for prediction in &predictions {
            if prediction.keeps_its_promise() {
                self.terminal.note(&prediction.line());
            } else {
                self.terminal.warn(&prediction.line());
            }
        }
        predictions
    }

    /// Shows values after values until the drill is over, or cannot go on.
    async fn perform(
        &self,
        sinks: &mut [Working],
        values: &mut Values,
        now: &mut Snapshot,
        times: Times,
        settled: &Notify,
        progress: &Progress,
    ) -> Outcome {
        let mut rng = Rng::with_seed(self.request.seed);
        let mut ticks = interval_at(times.start + self.course.step, self.course.step);
        // A step that takes too long makes fewer steps, not faster ones.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let bar = progress.bar(self.course.hold.as_secs().max(1), "drill");
        let over = times.deadline.map_or(times.end, |at| at.min(times.end));
        loop {
            let shown = tokio::select! {
                biased;
                shown = self.show(sinks, now) => shown,
                signal = self.out_of_patience() => return stopped(signal),
                () = sleep_until(over), if over < times.end => return Outcome::DeadlineOver,
            };
            if !shown {
                return Outcome::SinkFailed;
            }
            bar.set_position(times.start.elapsed().as_secs());
            tokio::select! {
                biased;
                signal = self.stop.wait() => return stopped(signal),
                () = sleep_until(over) => {
                    let cut = over < times.end;
                    return if cut { Outcome::DeadlineOver } else { Outcome::Done };
                }
                () = settled.notified() => return Outcome::Done,
                _ = ticks.tick() => {}
            }
            let recovered = self
                .course
                .recover_after
                .is_some_and(|after| times.start.elapsed() >= after);
            let condition = if recovered {
                Condition::Recovered
            } else {
                Condition::Violating
            };
            values.advance(&self.series_set, self.request, condition, &mut rng);
            *now = Snapshot::now(&self.series_set, values);
        }
    }

    /// Shows a snapshot to every sink; false when one of them will never take any.
    async fn show(&self, sinks: &mut [Working], snapshot: &Snapshot) -> bool {
        for working in sinks {
            let Err(error) = working.sink.show(snapshot).await else {
                working.delivered += 1;
                working.failing = false;
                continue;
            };
            let first = working.delivered == 0;
            working.failed += 1;
            working.failing = true;
            working.error = Some(error.to_string());
            if error.lasting || first {
                self.terminal.error(&clean(&error.to_string()));
                return false;
            }
            let text = format!("{error}; trying again with the next step");
            self.terminal.warn(&clean(&text));
        }
        true
    }

    /// Some time after a signal: a receiver that does not answer must not hold up the end.
    async fn out_of_patience(&self) -> Signal {
        let signal = self.stop.wait().await;
        sleep(DELIVERY_AFTER_SIGNAL).await;
        signal
    }

    /// Takes everything back, and corrects the outcome where that or the last delivery failed.
    async fn close(&self, sinks: &mut [Working], last: &Snapshot, outcome: Outcome) -> Outcome {
        let limit = match outcome {
            // Whoever sends a signal waits for the end, and kills what does not come to it.
            Outcome::Interrupted | Outcome::Terminated => Some(CLEAN_UP_AFTER_SIGNAL),
            _ => None,
        };
        let mut failed = false;
        for working in sinks.iter_mut() {
            let closed = working.sink.close(last, limit).await;
            if let Err(error) = closed {
                self.terminal.error(&clean(&error.to_string()));
                working.cleaned_up = false;
                working.error = Some(error.to_string());
            }
            failed |= working.failing || !working.cleaned_up;
        }
        match outcome {
            Outcome::Done | Outcome::DeadlineOver if failed => Outcome::SinkFailed,
            other => other,
        }
    }

    /// Waits for the closed loop, which may have something to see after the injection is over.
    async fn conclude(
        &self,
        outcome: Outcome,
        times: Times,
        watching: &mut Option<Watching>,
    ) -> Outcome {
        let Some(watching) = watching.as_mut().filter(|_| outcome == Outcome::Done) else {
            return outcome;
        };
        let deadline = async {
            match times.deadline {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            signal = self.stop.wait() => stopped(signal),
            () = watching.settle() => Outcome::Done,
            () = deadline => Outcome::DeadlineOver,
        }
    }
}

/// Runs the injection with the closed loop beside it, and tells it when that is over.
async fn alongside(
    injection: impl Future<Output = Outcome>,
    watching: Option<&mut Watching>,
    settled: &Notify,
) -> Outcome {
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

const fn stopped(signal: Signal) -> Outcome {
    match signal {
        Signal::Interrupt => Outcome::Interrupted,
        Signal::Terminate => Outcome::Terminated,
    }
}

impl Working {
    const fn new(sink: Sink) -> Self {
        Self {
            sink,
            delivered: 0,
            failed: 0,
            failing: false,
            cleaned_up: true,
            error: None,
        }
    }

    fn report(self) -> SinkReport {
        SinkReport {
            sink: self.sink.name(),
            target: self.sink.target(),
            delivered: self.delivered,
            failed: self.failed,
            scrapes: self.sink.taken(),
            cleaned_up: self.cleaned_up,
            error: self.error,
        }
    }
}
