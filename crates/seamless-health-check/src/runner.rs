//! One run: all checks side by side, repeated with `--wait`, and the report handed to the formats.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use seamless_cli::{ExitStatus, Stop, Terminal};

use crate::args::Args;
use crate::check::Check;
use crate::checks;
use crate::formats;
use crate::lookup;
use crate::report::{Report, findings};
use crate::request::Request;
use crate::site::Site;
use crate::told::told;

/// Runs the program and returns how it ended.
pub(crate) async fn run(args: Args, terminal: Terminal, stop: Stop) -> anyhow::Result<ExitStatus> {
    if let Some(text) = lookup::asked(&args, &terminal)? {
        terminal.bytes(text.as_bytes())?;
        return Ok(ExitStatus::Done);
    }
    let checks = checks::select(&args.only, &args.skip)?;
    let request = Request::new(&args, &terminal, &checks::required_services(&checks))?;
    let checks = checks::applicable(checks, !args.only.is_empty(), &request)?;
    let began = Instant::now();
    let started = now();
    let mut rounds = 0;
    let mut whole: Option<Report> = None;
    let report = loop {
        rounds += 1;
        let site = Site::new(&request, now(), &stop);
        let run = |check: &Check| {
            let (check, run) = (*check, (check.run)(&site));
            async move { (check, run.await) }
        };
        let outcomes = join_all(checks.iter().map(run)).await;
        let mut report = Report {
            findings: findings(&request, outcomes),
            told: told(site.path_so_far().as_ref()),
            strict: request.strict,
            warnings: site.warnings(),
            endpoints: endpoints(&request),
            started,
            took: began.elapsed(),
            rounds,
            fail_on: request.fail_on,
            stopped: stop.requested(),
        };
        if let Some(last) = whole.take().filter(|_| report.was_cut_short()) {
            // What the round before found is worth more than that this one had no time.
            report = Report {
                took: report.took,
                rounds: report.rounds,
                stopped: report.stopped,
                ..last
            };
            break report;
        }
        let status = report.status();
        let left = request
            .wait
            .and_then(|wait| wait.checked_sub(began.elapsed()));
        let ended = status == ExitStatus::Done || report.stopped.is_some();
        let pause = left.map_or(request.interval, |left| request.interval.min(left));
        // A round that would begin past the deadline finds nothing.
        let out_of_time = args
            .http
            .deadline
            .is_some_and(|deadline| began.elapsed() + pause >= deadline);
        let Some(left) = left.filter(|left| !ended && !out_of_time && !left.is_zero()) else {
            break report;
        };
        let counts = report.counts();
        terminal.note(&format!(
            "not healthy yet ({} failed, {} warned): {}; trying again for {}",
            counts.fail,
            counts.warn,
            first_bad(&report),
            seamless_core::duration::human(left),
        ));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            signal = stop.wait() => {
                report.stopped = Some(signal);
                break report;
            }
        }
        whole = Some(report);
    };
    for warning in &report.warnings {
        terminal.warn(&seamless_cli::clean(warning));
    }
    formats::write(&request, &report, &terminal)
}

fn first_bad(report: &Report) -> String {
    report
        .findings
        .iter()
        .find(|finding| finding.hint().is_some())
        .map_or_else(String::new, |finding| {
            let message = seamless_cli::clean(&finding.message());
            format!("{}: {message}", finding.check.id())
        })
}

fn endpoints(request: &Request) -> Vec<(String, String)> {
    request
        .endpoints
        .iter()
        .map(|(service, url, _)| (service.name().to_owned(), url.clone()))
        .collect()
}

fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs_f64()
}
