//! A run from its arguments to its exit status: plan, one document, or a drill that lasts.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;
use seamless_cli::{Connections, ExitStatus, HttpArgs, Signal, Stop, Terminal, Wanted};
use seamless_core::duration;
use seamless_core::exposition::Format;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::args::Args;
use crate::cast::Cast;
use crate::document::Document;
use crate::frame::{Frame, Mood};
use crate::plan::Plan;
use crate::report::{Outcome, Report, SinkReport};
use crate::request::{Course, Delivery, OneShot, Request};
use crate::sinks::{Picture, Sink, write_file};

/// Runs the program.
pub(crate) async fn run(args: Args, terminal: Terminal, stop: Stop) -> anyhow::Result<ExitStatus> {
    let request = Request::from_args(&args)?;
    let cast = Arc::new(Cast::new(&request)?);
    if args.dry_run {
        let plan = Plan::new(&request, &cast);
        let status = ExitStatus::Done;
        terminal.result(status, &plan.rendered(request.output))?;
        return Ok(status);
    }
    match &request.delivery {
        Delivery::Once(one_shot) => once(&request, &cast, one_shot, &terminal),
        Delivery::Lasting(course) => {
            let drill = Drill::new(&request, course, cast, &terminal, stop);
            drill.run(&args.http).await
        }
    }
}

/// One document, after one step.
fn once(
    request: &Request,
    cast: &Arc<Cast>,
    one_shot: &OneShot,
    terminal: &Terminal,
) -> anyhow::Result<ExitStatus> {
    let started_at = Timestamp::now();
    let mut frame = Frame::first(cast);
    let mut rng = Rng::with_seed(request.seed);
    frame.advance(cast, request, Mood::Violating, &mut rng);
    let picture = picture(cast, &frame);
    match one_shot {
        OneShot::Stdout => {
            say_that_rates_stand_still(terminal);
            for piece in Document::new(picture.cast, picture.frame, Format::Text) {
                terminal.bytes(&piece)?;
            }
            Ok(ExitStatus::Done)
        }
        OneShot::File(path) => {
            seamless_cli::check_writable(path)?;
            say_that_rates_stand_still(terminal);
            let written = write_file(path, &picture);
            let outcome = match &written {
                Ok(()) => Outcome::Done,
                Err(_) => Outcome::SinkFailed,
            };
            let mut report = Report::new(request, cast, started_at, Timestamp::now(), outcome);
            report.steps = frame.step;
            report.sinks.push(SinkReport {
                sink: "write-to",
                target: path.display().to_string(),
                delivered: u64::from(written.is_ok()),
                failed: u64::from(written.is_err()),
                scrapes: None,
                cleaned_up: true,
                error: written.err().map(|error| error.source.to_string()),
            });
            let status = outcome.status();
            terminal.result(status, &report.rendered(request.output))?;
            Ok(status)
        }
    }
}

fn say_that_rates_stand_still(terminal: &Terminal) {
    terminal.note(
        "note: one document stands still, so rates over it are 0 and no alert on a rate fires; \
         --serve, or --hold with --write-to, shows counters that move",
    );
}

fn picture(cast: &Arc<Cast>, frame: &Frame) -> Picture {
    Picture {
        cast: Arc::clone(cast),
        frame: Arc::new(frame.clone()),
        at: Timestamp::now().as_millisecond(),
    }
}

/// A drill that lasts.
struct Drill<'r> {
    request: &'r Request,
    course: &'r Course,
    cast: Arc<Cast>,
    terminal: &'r Terminal,
    stop: Stop,
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

impl<'r> Drill<'r> {
    const fn new(
        request: &'r Request,
        course: &'r Course,
        cast: Arc<Cast>,
        terminal: &'r Terminal,
        stop: Stop,
    ) -> Self {
        Self {
            request,
            course,
            cast,
            terminal,
            stop,
        }
    }

    async fn run(self, http: &HttpArgs) -> anyhow::Result<ExitStatus> {
        // The clean-up must still be possible when the deadline is over, so the client has none.
        let timeless = HttpArgs {
            deadline: None,
            ..http.clone()
        };
        let connections = Connections::resolve(&timeless, &[] as &[Wanted<'_>], 4)?;
        let started_at = Timestamp::now();
        let mut frame = Frame::first(&self.cast);
        let mut now = picture(&self.cast, &frame);
        let mut sinks: Vec<Working> =
            Sink::open(self.course, self.request, &connections.http, &now)
                .await?
                .into_iter()
                .map(Working::new)
                .collect();
        self.announce(&sinks);
        let outcome = self
            .perform(&mut sinks, &mut frame, &mut now, http.deadline)
            .await;
        let outcome = self.close(&mut sinks, &now, outcome).await;
        let ended_at = Timestamp::now();
        let mut report = Report::new(self.request, &self.cast, started_at, ended_at, outcome);
        report.steps = frame.step;
        report.sinks = sinks.into_iter().map(Working::report).collect();
        let status = outcome.status();
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
                seamless_cli::clean(&target),
                self.request.drill_id
            ));
        }
    }

    /// Shows frame after frame until the drill is over, or cannot go on.
    async fn perform(
        &self,
        sinks: &mut [Working],
        frame: &mut Frame,
        now: &mut Picture,
        deadline: Option<Duration>,
    ) -> Outcome {
        let start = Instant::now();
        let end = start + self.course.hold;
        let deadline = deadline.map(|deadline| start + deadline);
        let mut rng = Rng::with_seed(self.request.seed);
        let mut ticks = interval_at(start + self.course.step, self.course.step);
        // A step that takes too long makes fewer steps, not faster ones.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let progress = self.terminal.progress();
        let bar = progress.bar(self.course.hold.as_secs().max(1), "drill");
        loop {
            if !self.show(sinks, now).await {
                return Outcome::SinkFailed;
            }
            bar.set_position(start.elapsed().as_secs());
            let over = tokio::time::sleep_until(deadline.map_or(end, |at| at.min(end)));
            tokio::select! {
                biased;
                signal = self.stop.wait() => return stopped(signal),
                () = over => {
                    let cut = deadline.is_some_and(|at| at < end);
                    return if cut { Outcome::DeadlineOver } else { Outcome::Done };
                }
                _ = ticks.tick() => {}
            }
            let recovered = self
                .course
                .recover_after
                .is_some_and(|after| start.elapsed() >= after);
            let mood = if recovered {
                Mood::Recovered
            } else {
                Mood::Violating
            };
            frame.advance(&self.cast, self.request, mood, &mut rng);
            *now = picture(&self.cast, frame);
        }
    }

    /// Shows a picture to every sink; false when one of them will never take any.
    async fn show(&self, sinks: &mut [Working], picture: &Picture) -> bool {
        for working in sinks {
            let Err(error) = working.sink.show(picture).await else {
                working.delivered += 1;
                working.failing = false;
                continue;
            };
            let first = working.delivered == 0;
            working.failed += 1;
            working.failing = true;
            working.error = Some(error.to_string());
            if error.lasting || first {
                self.terminal
                    .error(&seamless_cli::clean(&error.to_string()));
                return false;
            }
            self.terminal.warn(&seamless_cli::clean(&format!(
                "{error}; trying again with the next step"
            )));
        }
        true
    }

    /// Takes everything back, and corrects the outcome where that or the last delivery failed.
    async fn close(&self, sinks: &mut [Working], last: &Picture, outcome: Outcome) -> Outcome {
        let mut failed = false;
        for working in sinks.iter_mut() {
            if let Err(error) = working.sink.close(last).await {
                self.terminal
                    .error(&seamless_cli::clean(&error.to_string()));
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
