//! A run from its arguments to its exit status: plan, one document, or a drill that lasts.

use std::sync::Arc;
use std::time::Instant;

use fastrand::Rng;
use jiff::Timestamp;
use seamless_cli::{Connections, ExitStatus, HttpArgs, Stop, Terminal, UsageError};
use seamless_core::exposition::Format;

use crate::args::Args;
use crate::cleanup;
use crate::document;
use crate::drill::{AlertPath, Drill, PagingDrill};
use crate::plan::Plan;
use crate::prediction::{self, ScrapeInfo};
use crate::report::{Report, RunOutcome, SinkReport};
use crate::request::{self, Delivery, OneShot, Request};
use crate::rulebook;
use crate::series::SeriesSet;
use crate::sinks::{Clock, Snapshot, write_file};
use crate::values::{Condition, Values};

/// Runs the program.
pub(crate) async fn run(args: Args, terminal: Terminal, stop: Stop) -> anyhow::Result<ExitStatus> {
    let request = Request::from_args(&args)?;
    let series_set = Arc::new(SeriesSet::new(&request)?);
    if args.dry_run {
        return plan(&args, &request, &series_set, &terminal).await;
    }
    match &request.delivery {
        Delivery::Once(one_shot) => once(&request, &series_set, one_shot, &terminal),
        Delivery::Lasting(course) => {
            let connections = connect(&args, &request)?;
            connections.announce(&terminal);
            if args.cleanup.is_some() {
                return cleanup::run(&args, &request, &connections, &terminal, &stop).await;
            }
            let drill = Drill {
                request: &request,
                course,
                series_set,
                connections: &connections,
                terminal: &terminal,
                stop,
            };
            drill.run(&args).await
        }
    }
}

/// The clients. What only the environment names is asked only where an alert is awaited or silenced.
fn connect(args: &Args, request: &Request) -> anyhow::Result<Connections> {
    // The clean-up must still be possible when the deadline is over, so the client has none.
    let timeless = HttpArgs {
        deadline: None,
        ..args.http.clone()
    };
    let watches = !request.expected.is_empty();
    let connections = Connections::resolve(&timeless, &request::wanted(args), 4)?;
    if watches {
        connections.prometheus()?;
    }
    let needs_alertmanager = [
        (request.silence, "--silence"),
        (request.expect_receiver.is_some(), "--expect-receiver"),
    ];
    let option = needs_alertmanager.iter().find(|(needs, _)| *needs);
    if let Some((_, option)) = option.filter(|_| connections.alertmanagers().is_empty()) {
        return Err(UsageError(format!(
            "{option} needs an Alertmanager: give --alertmanager-url or set QMTL_ALERTMANAGER_URL"
        ))
        .into());
    }
    Ok(connections)
}

/// The plan. Servers are asked only where their URL is given on the command line: a Prometheus for its rules, an
/// Alertmanager for its routes.
async fn plan(
    args: &Args,
    request: &Request,
    series_set: &SeriesSet,
    terminal: &Terminal,
) -> anyhow::Result<ExitStatus> {
    let connections = Connections::resolve(&args.http, &request::wanted_by_plan(args), 2)?;
    let prometheus = connections.prometheus().ok();
    let (rules, source) = match (&args.rules, &prometheus) {
        (Some(path), _) => (Ok(rulebook::from_file(path)?), path.display().to_string()),
        (None, None) => {
            let profile = args.profile.unwrap_or_default();
            let source = format!("the shipped rules, profile {}", profile.name());
            (Ok(rulebook::shipped(profile)?), source)
        }
        (None, Some(prometheus)) => {
            let rules = rulebook::loaded(prometheus).await;
            let rules = rules.map_err(|error| {
                let remedy = seamless_cli::remedy_words(error.remedy(), error.service);
                format!("{error}; {remedy}")
            });
            (rules, prometheus.endpoint().to_string())
        }
    };
    let mut path = None;
    if let Some(alertmanager) = connections.alertmanagers().first() {
        let asked = AlertPath::ask(alertmanager, prometheus.as_ref()).await;
        path = asked
            .map_err(|error| terminal.warn(&seamless_cli::clean(&error)))
            .ok();
    }
    let mut pages = None;
    let predictions = match rules {
        Ok(rules) => {
            if let Delivery::Lasting(course) = &request.delivery {
                pages = PagingDrill::of(request, course, series_set, &rules, path.as_ref());
            }
            let scrape = ScrapeInfo::default();
            Ok(prediction::predictions(
                &rules, request, series_set, scrape,
            )?)
        }
        Err(error) => {
            terminal.error(&seamless_cli::clean(&error));
            Err(error)
        }
    };
    let plan = Plan::new(request, series_set, source, predictions, pages);
    terminal.result(
        plan.status(),
        &plan.rendered(request.output, terminal.width()),
    )?;
    Ok(plan.status())
}

/// One document, after one step.
fn once(
    request: &Request,
    series_set: &Arc<SeriesSet>,
    one_shot: &OneShot,
    terminal: &Terminal,
) -> anyhow::Result<ExitStatus> {
    let (started_at, began) = (Timestamp::now(), Instant::now());
    let clock = Clock::start();
    let mut values = Values::first(series_set, request, clock.moment());
    let mut rng = Rng::with_seed(request.seed);
    values.advance(
        series_set,
        request,
        Condition::Violating,
        clock.moment(),
        &mut rng,
    );
    let snapshot = Snapshot::now(series_set, &values, clock);
    match one_shot {
        OneShot::Stdout => {
            say_that_rates_stand_still(terminal);
            for piece in document::pieces(snapshot.series_set, snapshot.values, Format::Text) {
                terminal.bytes(&piece)?;
            }
            Ok(ExitStatus::Done)
        }
        OneShot::File(path) => {
            seamless_cli::check_writable(path)?;
            say_that_rates_stand_still(terminal);
            let written = write_file(path, &snapshot);
            let outcome = match &written {
                Ok(()) => RunOutcome::Done,
                Err(_) => RunOutcome::SinkFailed,
            };
            let mut report = Report::new(request, series_set, started_at, began.elapsed(), outcome);
            report.steps = values.step;
            report.sinks.push(SinkReport {
                delivered: u64::from(written.is_ok()),
                failed: u64::from(written.is_err()),
                error: written.as_ref().err().map(|error| error.source.to_string()),
                ..SinkReport::new("write-to", path.display().to_string())
            });
            if let Err(error) = written {
                terminal.error(&error.to_string());
            }
            let status = outcome.status();
            terminal.result(status, &report.rendered(request.output))?;
            Ok(status)
        }
    }
}

fn say_that_rates_stand_still(terminal: &Terminal) {
    terminal.note(
        "note: a single snapshot never changes: rate() is 0 and rate-based alerts cannot fire. Use --serve, or \
         --write-to with --hold",
    );
}
