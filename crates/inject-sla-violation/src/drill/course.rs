//! The injection itself: step after step to every sink, until its time is over or it cannot go on.

use std::time::Duration;

use fastrand::Rng;
use seamless_cli::{Progress, Signal, Stop, Terminal, clean};
use seamless_core::duration::human;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until};

use crate::report::{RunOutcome, SinkReport};
use crate::request::{Course, Request};
use crate::series::SeriesSet;
use crate::sinks::{Delivered, Sink, SinkError, Snapshot};
use crate::values::{Condition, Values};

/// How long a delivery that is under way may go on after a signal.
const DELIVERY_AFTER_SIGNAL: Duration = Duration::from_secs(2);
/// How long the clean-up of one sink may take after a signal, or when the deadline is over.
const CLEAN_UP_AFTER_SIGNAL: Duration = Duration::from_secs(10);
/// A clean-up that takes longer is told of.
const SOON: Duration = Duration::from_secs(1);

/// When a drill ends, whatever happens.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) start: Instant,
    /// The end of the injection.
    pub(super) end: Instant,
    /// The end of the run.
    pub(super) deadline: Option<Instant>,
}

/// A sink at work, and what became of it so far.
pub(super) struct Working {
    pub(super) sink: Sink,
    delivered: u64,
    failed: u64,
    /// Whether the last delivery failed.
    failing: bool,
    cleaned_up: bool,
    error: Option<String>,
}

/// The injection at work.
pub(super) struct Injection<'r> {
    pub(super) request: &'r Request,
    pub(super) course: &'r Course,
    pub(super) series_set: &'r SeriesSet,
    pub(super) terminal: &'r Terminal,
    pub(super) progress: &'r Progress,
    pub(super) stop: &'r Stop,
    pub(super) times: Times,
}

impl Injection<'_> {
    /// Delivers step after step until the drill is over, or cannot go on; then takes everything back.
    pub(super) async fn run(
        &self,
        sinks: &mut [Working],
        values: &mut Values,
        now: &mut Snapshot,
        settled: &Notify,
    ) -> RunOutcome {
        let outcome = self.perform(sinks, values, now, settled).await;
        self.close(sinks, now, outcome).await
    }

    async fn perform(
        &self,
        sinks: &mut [Working],
        values: &mut Values,
        now: &mut Snapshot,
        settled: &Notify,
    ) -> RunOutcome {
        let Times {
            start,
            end,
            deadline,
        } = self.times;
        let mut rng = Rng::with_seed(self.request.seed);
        let mut ticks = interval_at(start + self.course.step, self.course.step);
        // A step that takes too long makes fewer steps, not faster ones.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let bar = self
            .progress
            .seconds(self.course.hold.as_secs().max(1), "drill");
        let over = deadline.map_or(end, |at| at.min(end));
        loop {
            let shown = tokio::select! {
                biased;
                shown = self.show(sinks, now) => shown,
                signal = self.out_of_patience() => return RunOutcome::stopped(signal),
                () = sleep_until(over), if over < end => return RunOutcome::DeadlineOver,
            };
            if !shown {
                return RunOutcome::SinkFailed;
            }
            bar.set_position(start.elapsed().as_secs());
            tokio::select! {
                biased;
                signal = self.stop.wait() => return RunOutcome::stopped(signal),
                () = sleep_until(over) => {
                    let cut = over < end;
                    return if cut { RunOutcome::DeadlineOver } else { RunOutcome::Done };
                }
                () = settled.notified() => return RunOutcome::Done,
                _ = ticks.tick() => {}
            }
            let recovered = self
                .course
                .recover_after
                .is_some_and(|after| start.elapsed() >= after);
            let condition = if recovered {
                Condition::Recovered
            } else {
                Condition::Violating
            };
            let moment = now.clock.moment();
            values.advance(self.series_set, self.request, condition, moment, &mut rng);
            *now = now.next(values);
        }
    }

    /// Shows a snapshot to every sink; false when one of them will never take any.
    async fn show(&self, sinks: &mut [Working], snapshot: &Snapshot) -> bool {
        for working in sinks {
            let error = match working.sink.show(snapshot).await {
                Ok(Delivered::CutShort) => continue,
                Ok(Delivered::Whole) => {
                    working.delivered += 1;
                    working.failing = false;
                    continue;
                }
                Err(error) => error,
            };
            let first = working.delivered == 0;
            working.failed += 1;
            working.failing = true;
            working.error = Some(error.to_string());
            if error.lasting || first {
                self.tell(|terminal| terminal.error(&clean(&error.to_string())));
                return false;
            }
            let text = format!("{error}; trying again with the next step");
            self.tell(|terminal| terminal.warn(&clean(&text)));
        }
        true
    }

    /// Says something with the progress bar out of the way.
    fn tell(&self, say: impl FnOnce(&Terminal)) {
        self.progress.suspend(|| say(self.terminal));
    }

    /// Some time after a signal: a receiver that does not answer must not hold up the end.
    async fn out_of_patience(&self) -> Signal {
        let signal = self.stop.wait().await;
        sleep(DELIVERY_AFTER_SIGNAL).await;
        signal
    }

    /// Takes everything back, and corrects the outcome where that or the last delivery failed.
    async fn close(
        &self,
        sinks: &mut [Working],
        last: &Snapshot,
        outcome: RunOutcome,
    ) -> RunOutcome {
        let mut closing = std::pin::pin!(self.take_back(sinks, last, !outcome.is_unhurried()));
        let failed = tokio::select! {
            biased;
            failed = &mut closing => failed,
            () = sleep(SOON) => {
                self.tell(|terminal| terminal.note(
                    "still cleaning up (a second Ctrl-C ends at once and leaves the rest to --cleanup)",
                ));
                closing.await
            }
        };
        match outcome {
            RunOutcome::Done | RunOutcome::DeadlineOver if failed => RunOutcome::SinkFailed,
            other => other,
        }
    }

    /// Whoever sends a signal waits for the end, and kills what does not come to it; the same with a deadline.
    async fn out_of_time(&self, hurried: bool) {
        if !hurried {
            self.stop.wait().await;
        }
        sleep(CLEAN_UP_AFTER_SIGNAL).await;
    }

    /// Closes every sink; whether one failed.
    async fn take_back(&self, sinks: &mut [Working], last: &Snapshot, hurried: bool) -> bool {
        let mut failed = false;
        for working in sinks {
            let target = working.sink.target();
            let closed = tokio::select! {
                biased;
                closed = working.sink.close(last) => closed,
                () = self.out_of_time(hurried) => Err(SinkError {
                    doing: "cannot clean up at",
                    target,
                    problem: format!(
                        "not done within {}; --cleanup {} with the same sinks takes the rest back",
                        human(CLEAN_UP_AFTER_SIGNAL),
                        self.request.drill_id
                    ),
                    lasting: true,
                }),
            };
            if let Err(error) = closed {
                self.tell(|terminal| terminal.error(&clean(&error.to_string())));
                working.cleaned_up = false;
                working.error = Some(error.to_string());
            }
            failed |= working.failing || !working.cleaned_up;
        }
        failed
    }
}

impl Working {
    pub(super) const fn new(sink: Sink) -> Self {
        Self {
            sink,
            delivered: 0,
            failed: 0,
            failing: false,
            cleaned_up: true,
            error: None,
        }
    }

    pub(super) fn report(self) -> SinkReport {
        SinkReport {
            delivered: self.delivered,
            failed: self.failed,
            scrapes: self.sink.taken(),
            cleaned_up: self.cleaned_up,
            kept: self.sink.is_kept(),
            error: self.error,
            ..SinkReport::new(self.sink.name(), self.sink.target())
        }
    }
}
