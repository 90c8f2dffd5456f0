//! A recovery from start to end.
//!
//! Owns the order of things: everything named is read and everything written to is opened before anybody
//! is contacted, a selection is shown and confirmed before it is acted on, and the report is made
//! however the run ends. Choosing is in [`crate::selection`].

use std::sync::Arc;

use seamless_cli::{ExitStatus, Signal, Stop, Terminal};
use seamless_core::coordinator::CoordinatorClient;
use seamless_core::duration::human;
use seamless_core::http::{HttpClient, RateLimiter};
use seamless_core::lease::LeaseSpec;
use tokio::time::Instant;

use crate::execute::{Engine, Executed};
use crate::freshness::Freshness;
use crate::outcome::{RecordedOutcome, Skip};
use crate::recorder::Recorder;
use crate::render;
use crate::report::{Report, RunError};
use crate::request::{Recovery, Request};
use crate::run::Run;
use crate::selection::{Confirmed, NoneSent, Selection};
use crate::sources;
use crate::target::TargetLease;
use crate::verify::{Verification, verify};

/// Runs a recovery.
pub(crate) async fn run(
    request: &Request,
    recovery: &Recovery,
    terminal: &Terminal,
    stop: &Stop,
) -> anyhow::Result<ExitStatus> {
    let run = Run {
        request,
        recovery,
        terminal,
        stop,
    };
    run.recover().await
}

impl Run<'_> {
    async fn recover(&self) -> anyhow::Result<ExitStatus> {
        let recovery = self.recovery;
        let (specs, files, logs) = (
            recovery.specs.clone(),
            recovery.from_file.clone(),
            recovery.from_logs.clone(),
        );
        let read = self
            .stop
            .blocking(move || sources::read(&specs, &files, &logs));
        let named = match read.await {
            Ok(named) => named?,
            Err(signal) => return self.stopped_early(signal),
        };
        for (summary, is_foreign) in &named.logs_read {
            match is_foreign {
                true => self.terminal.warn(summary),
                false => self.terminal.note(summary),
            }
        }
        for name in &named.empty {
            self.terminal.warn(&format!("no lease in {name}"));
        }
        let connections = self.request.connections()?;
        connections.announce(self.terminal);
        let rate_limiter = recovery.rate.map(RateLimiter::per_second).map(Arc::new);
        // The dry run of named leases contacts nobody. Whom it would go to is good to know.
        let coordinator = match connections.coordinator() {
            Ok(coordinator) => Some(coordinator.with_stop(self.stop.flag())),
            Err(_) if recovery.dry_run && !recovery.selects() && recovery.journal.is_none() => None,
            Err(error) => return Err(error.into()),
        };
        let coordinator = match (coordinator, &rate_limiter) {
            (Some(found), Some(limiter)) => Some(found.with_rate_limiter(Arc::clone(limiter))),
            (found, _) => found,
        };
        let records = Recorder::open(recovery, coordinator.as_ref())?;
        let mut report = self.report(coordinator.as_ref());
        let given = named.specs.len();
        let mut selection = Selection::of_named(named, &self.request.filter);
        let meant = selection.targets().len();
        if meant < given {
            let filter = self.request.filter.described();
            self.terminal
                .note(&format!("{meant} of {given} given leases match {filter}"));
        }
        let Some(coordinator) = &coordinator else {
            let targets = selection.into_targets();
            let settled = self.left_unsent(&records, &targets, &Skip::DryRun, &mut report);
            return self.finish(report, targets, settled);
        };
        let chosen = selection.choose(self, coordinator, &mut report).await;
        selection.truncate(recovery.limit);
        let confirmed = match chosen {
            Ok(()) => selection.confirm(self, coordinator).await,
            Err(ended) => Err(ended),
        };
        let mut settled = match confirmed {
            Ok(confirmed) => {
                let freshness = Freshness::new(
                    coordinator,
                    self.request.thresholds,
                    self.request.filter.names_keys(),
                );
                let engine = self.engine(
                    coordinator,
                    &connections.http,
                    rate_limiter,
                    Some(freshness).filter(|_| !confirmed.is_unchecked()),
                    &records,
                );
                self.execute(&engine, &confirmed, &mut report).await
            }
            Err(ended) => {
                let skip = match ended {
                    NoneSent::DryRun => Skip::DryRun,
                    NoneSent::Signal(signal) => Skip::Stopped(signal),
                    NoneSent::Declined => Skip::NotConfirmed,
                    NoneSent::Error(error) => {
                        self.terminal.error(error.text());
                        report.error = Some(error);
                        Skip::NotStarted
                    }
                };
                self.left_unsent(&records, selection.targets(), &skip, &mut report)
            }
        };
        let not_stuck = selection.take_not_stuck();
        let targets = selection.into_targets();
        let deadline = connections.http.deadline();
        self.verify(
            coordinator,
            deadline,
            &records,
            &targets,
            &mut settled,
            &mut report,
        )
        .await;
        let unsent = not_stuck.into_iter().map(|(spec, skip)| {
            let settled = unsent(&records, &spec, skip, &mut report);
            (spec, settled)
        });
        let unsent: Vec<_> = unsent.collect();
        report.add(unsent, self.request.show_tokens);
        self.finish(report, targets, settled)
    }

    fn engine<'e>(
        &'e self,
        coordinator: &'e CoordinatorClient,
        http: &HttpClient,
        rate_limiter: Option<Arc<RateLimiter>>,
        freshness: Option<Freshness<'e>>,
        records: &'e Recorder,
    ) -> Engine<'e> {
        Engine {
            coordinator,
            action: &self.recovery.action,
            concurrency: self.request.concurrency,
            rate_limiter,
            max_failures: self.recovery.max_failures,
            batch: self.recovery.batch,
            pause: self.recovery.pause,
            freshness,
            records,
            stop: self.stop,
            deadline: http.deadline(),
            grace: http.timeout(),
        }
    }

    /// The report of a run that a signal ended before it knew any lease.
    fn stopped_early(&self, signal: Signal) -> anyhow::Result<ExitStatus> {
        let mut report = self.report(None);
        report.stopped = Some(signal);
        self.print(report)
    }

    fn report(&self, coordinator: Option<&CoordinatorClient>) -> Report {
        Report::new(
            coordinator.map(|coordinator| coordinator.endpoint().to_string()),
            self.recovery.action.word(),
            self.recovery.reason.clone(),
            self.recovery.dry_run,
        )
    }

    fn left_unsent(
        &self,
        records: &Recorder,
        targets: &[TargetLease],
        skip: &Skip,
        report: &mut Report,
    ) -> Vec<RecordedOutcome> {
        let specs = targets.iter().map(|target| &target.spec);
        specs
            .map(|spec| unsent(records, spec, skip.clone(), report))
            .collect()
    }

    async fn execute(
        &self,
        engine: &Engine<'_>,
        confirmed: &Confirmed<'_>,
        report: &mut Report,
    ) -> Vec<RecordedOutcome> {
        let progress = self.terminal.progress();
        let doing = match self.recovery.action.word() {
            "complete" => "completing",
            _ => "failing",
        };
        let bar = progress.bar(confirmed.targets().len() as u64, doing);
        let mut bad = 0;
        let Executed {
            settled,
            unrecorded,
        } = engine
            .run(confirmed, |settled| {
                if !settled.outcome.is_recovered() {
                    bad += 1;
                    bar.set_message(format!("{bad} not recovered"));
                }
                bar.inc(1);
            })
            .await;
        progress.clear();
        if let Some(error) = unrecorded {
            self.terminal.error(&error);
            report.error = Some(RunError::Failed(error));
        }
        let stretched = engine.freshness.as_ref().and_then(Freshness::stretched_to);
        report.notes.extend(stretched.map(|oldest| {
            format!(
                "reading the list takes long: selected leases were judged by lists up to {} old",
                human(oldest)
            )
        }));
        settled
    }

    /// Reads the list again: for `--verify`, and where it may contradict what was answered.
    async fn verify(
        &self,
        coordinator: &CoordinatorClient,
        deadline: Option<Instant>,
        records: &Recorder,
        targets: &[TargetLease],
        settled: &mut [RecordedOutcome],
        report: &mut Report,
    ) {
        let how = self.recovery.verify;
        if !settled.iter().any(|settled| how.is_about(settled)) {
            return;
        }
        let progress = self.terminal.progress();
        let spinner = progress.spinner("verifying that nothing recovered is still held");
        let (verification, changed) =
            verify(coordinator, how, deadline, self.stop, targets, settled).await;
        drop(spinner);
        progress.clear();
        let is_contradicted = matches!(verification, Verification::StillHeld { .. });
        report.verification = Some(verification).filter(|_| how.is_asked || is_contradicted);
        for index in changed {
            // It is reported either way; the journal's word matters to the next run only.
            if let Err(error) = records.write(&targets[index].spec, &settled[index]).await {
                self.terminal.error(&error);
            }
        }
    }

    fn finish(
        &self,
        mut report: Report,
        targets: Vec<TargetLease>,
        settled: Vec<RecordedOutcome>,
    ) -> anyhow::Result<ExitStatus> {
        let leases = targets.into_iter().map(|target| target.spec).zip(settled);
        report.add(leases, self.request.show_tokens);
        report.stopped = report.stopped.or(self.stop.requested());
        self.print(report)
    }

    fn print(&self, mut report: Report) -> anyhow::Result<ExitStatus> {
        let status = report.close(self.request.fail_if_none);
        let text = render::report(
            &self.request.output,
            &report,
            self.terminal.palette(),
            self.terminal.width(),
        );
        self.terminal.result(status, &text)?;
        Ok(status)
    }
}

/// The outcome of a lease for which nothing is sent, with its audit event.
fn unsent(
    records: &Recorder,
    spec: &LeaseSpec,
    skip: Skip,
    report: &mut Report,
) -> RecordedOutcome {
    let settled = records.unsent(spec, skip);
    if let Err(error) = records.emit(spec, &settled) {
        report.error.get_or_insert(RunError::Failed(error));
    }
    settled
}
