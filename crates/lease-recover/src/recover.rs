//! A recovery from start to end.
//!
//! Owns the order of things: everything named is read and everything written to is opened before anybody
//! is contacted, a selection is shown and confirmed before it is acted on, and the report is made
//! however the run ends.

use std::sync::Arc;

use seamless_cli::{ConfirmError, ExitStatus, Signal, Stop, Terminal, confirm};
use seamless_core::coordinator::{Confirmation, Coordinator};
use seamless_core::http::Pace;
use seamless_core::lease::LeaseSpec;

use crate::args::LogFormat;
use crate::audit::{self, AuditLog, Circumstances};
use crate::execute::{Engine, Executed, Target};
use crate::freshness::Freshness;
use crate::journal::Journal;
use crate::list::{self, Judged, cannot_tell_warning};
use crate::outcome::{Settled, Skip};
use crate::records::Records;
use crate::render::{renderer, table};
use crate::report::{Head, Tail, Trouble};
use crate::request::{Recovery, Request};
use crate::sources::{Seen, Sources};
use crate::verify::{self, Verification};

/// A run and its surroundings.
struct Run<'r> {
    request: &'r Request,
    recovery: &'r Recovery,
    terminal: &'r Terminal,
    stop: &'r Stop,
}

/// Why leases that were meant are not sent, all of them.
enum Ended {
    Signal(Signal),
    Declined,
    Trouble(Trouble),
}

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
    if recovery.dry_run && !recovery.stuck {
        return run.show_named();
    }
    run.recover().await
}

impl Run<'_> {
    /// The dry run of named leases: contacts nobody, and streams, since there may be a million of them.
    fn show_named(&self) -> anyhow::Result<ExitStatus> {
        let connections = self.request.connections()?;
        // Whom it would go to is good to know, and not needed here.
        let coordinator = connections.coordinator();
        let coordinator = match (coordinator, &self.recovery.journal) {
            (Err(error), Some(_)) => return Err(error.into()),
            (found, _) => found.ok(),
        };
        let records = self.records(coordinator.as_ref())?;
        let mut sources = self.sources()?;
        // Every line is read before the first is shown: one that cannot be read is a usage error.
        sources.each(&mut |_| Ok(()))?;
        let head = self.head(coordinator.as_ref());
        let mut render = renderer(
            self.request.output,
            self.request.show_tokens,
            self.terminal.palette(),
        );
        let (mut out, mut seen, mut tail) = (String::new(), Seen::default(), Tail::default());
        let is_quiet = self.terminal.is_quiet();
        render.begin(&mut out, &head);
        let shown = sources.each(&mut |spec| {
            if !self.request.narrowing.admits(&spec.key) || !seen.is_new(&spec) {
                return Ok(());
            }
            let settled = unsent(&records, &spec, Skip::DryRun);
            records.emit(&spec, &settled, jiff::Timestamp::now())?;
            tail.summary.count(&settled);
            render.lease(&mut out, &spec, &settled);
            if is_quiet {
                out.clear();
            } else if out.len() > 64 * 1024 {
                self.terminal.bytes(out.as_bytes())?;
                out.clear();
            }
            Ok(())
        });
        if let Err(error) = shown {
            self.terminal.error(&format!("{error:#}"));
            tail.trouble = Some(Trouble::Failed(format!("{error:#}")));
        }
        let status = tail.status(true);
        render.end(&mut out, &tail, status);
        self.terminal.result(status, &out)?;
        Ok(status)
    }

    async fn recover(&self) -> anyhow::Result<ExitStatus> {
        let mut seen = Seen::default();
        let mut targets = Vec::new();
        self.sources()?.each(&mut |spec| {
            if self.request.narrowing.admits(&spec.key) && seen.is_new(&spec) {
                targets.push(Target {
                    spec,
                    is_selected: false,
                });
            }
            Ok(())
        })?;
        let connections = self.request.connections()?;
        let pace = self.recovery.rate.map(Pace::per_second).map(Arc::new);
        let mut coordinator = connections.coordinator()?;
        if let Some(pace) = &pace {
            coordinator = coordinator.with_pace(Arc::clone(pace));
        }
        let records = self.records(Some(&coordinator))?;

        let mut tail = Tail::default();
        let go_ahead = match self
            .select(&coordinator, &mut seen, &mut targets, &mut tail)
            .await
        {
            Ok(Some(judged)) => self.confirm(&judged, &targets).await,
            Ok(None) => Ok(Confirmation::NamedExplicitly),
            Err(ended) => Err(ended),
        };
        let mut settled = match go_ahead {
            _ if self.recovery.dry_run && go_ahead.is_ok() => {
                self.left_unsent(&records, &targets, &Skip::DryRun, &mut tail)
            }
            Ok(meant) => {
                let engine = Engine {
                    coordinator: &coordinator,
                    action: &self.recovery.action,
                    meant,
                    concurrency: self.request.concurrency,
                    pace,
                    max_failures: self.recovery.max_failures,
                    freshness: Freshness::new(&coordinator, self.request.thresholds),
                    records: &records,
                    stop: self.stop,
                    deadline: connections.http.deadline(),
                    grace: connections.http.timeout(),
                };
                self.execute(&engine, &targets, &mut tail).await
            }
            Err(ended) => {
                let skip = match ended {
                    Ended::Signal(signal) => Skip::Stopped(signal),
                    Ended::Declined => Skip::NotConfirmed,
                    Ended::Trouble(trouble) => {
                        self.terminal.error(trouble.text());
                        tail.trouble = Some(trouble);
                        Skip::NotStarted
                    }
                };
                self.left_unsent(&records, &targets, &skip, &mut tail)
            }
        };
        if self.recovery.verify && settled.iter().any(|settled| settled.outcome.is_recovered()) {
            let verification = self
                .verify(&coordinator, &records, &targets, &mut settled)
                .await;
            tail.verification = Some(verification);
        }
        tail.stopped = self.stop.requested();
        self.report(&self.head(Some(&coordinator)), &targets, &settled, tail)
    }

    fn sources(&self) -> anyhow::Result<Sources> {
        let Recovery {
            specs,
            from_file,
            from_logs,
            ..
        } = self.recovery;
        Sources::open(specs, from_file, from_logs)
    }

    fn head(&self, coordinator: Option<&Coordinator>) -> Head {
        Head {
            coordinator: coordinator.map(|coordinator| coordinator.endpoint().to_string()),
            action: self.recovery.action.word(),
            reason: self.recovery.reason.clone(),
            dry_run: self.recovery.dry_run,
        }
    }

    fn records(&self, coordinator: Option<&Coordinator>) -> anyhow::Result<Records<'_>> {
        let recovery = self.recovery;
        // A dry run leaves no journal behind.
        let journal = recovery
            .journal
            .as_deref()
            .filter(|path| !recovery.dry_run || path.exists());
        let journal = match (journal, coordinator) {
            (Some(path), Some(coordinator)) => {
                Some(Journal::open(path, &coordinator.endpoint().to_string())?)
            }
            _ => None,
        };
        Ok(Records {
            journal,
            audit_log: recovery
                .audit_log
                .as_deref()
                .map(AuditLog::open)
                .transpose()?,
            stderr: (recovery.log_format == LogFormat::Json)
                .then(|| (self.terminal, self.terminal.progress())),
            circumstances: Circumstances {
                action: recovery.action.word(),
                reason: recovery.reason.clone(),
                operator: audit::operator(&|name| std::env::var(name).ok()),
                coordinator_id: coordinator.and_then(|coordinator| {
                    coordinator
                        .endpoint()
                        .url(&[])
                        .host_str()
                        .map(str::to_owned)
                }),
            },
        })
    }

    /// Adds the stuck leases to the targets, unless they are named already. `None` without `--stuck`.
    async fn select(
        &self,
        coordinator: &Coordinator,
        seen: &mut Seen,
        targets: &mut Vec<Target>,
        tail: &mut Tail,
    ) -> Result<Option<Judged>, Ended> {
        if !self.recovery.stuck {
            return Ok(None);
        }
        let records =
            list::read(coordinator, self.terminal, self.stop)
                .await
                .map_err(|error| match (error, self.stop.requested()) {
                    (None, Some(signal)) => Ended::Signal(signal),
                    (trouble, _) => Ended::Trouble(trouble.unwrap_or_else(|| {
                        Trouble::CouldNotTell("the list was not read".to_owned())
                    })),
                })?;
        let now_ms = jiff::Timestamp::now().as_millisecond();
        let Request {
            narrowing,
            thresholds,
            ..
        } = self.request;
        let mut judged = Judged::new(records, narrowing, *thresholds, now_ms);
        tail.cannot_tell = judged.keep_stuck();
        if tail.cannot_tell > 0 {
            self.terminal.warn(&cannot_tell_warning(tail.cannot_tell));
        }
        judged.leases.retain(|(record, _)| {
            let spec = LeaseSpec::from(record.clone());
            let is_new = seen.is_new(&spec);
            if is_new {
                targets.push(Target {
                    spec,
                    is_selected: true,
                });
            }
            is_new
        });
        Ok(Some(judged))
    }

    /// Shows a selection and asks, unless nothing needs to be asked.
    async fn confirm(&self, judged: &Judged, targets: &[Target]) -> Result<Confirmation, Ended> {
        if self.recovery.yes || self.recovery.dry_run || targets.is_empty() {
            return Ok(Confirmation::YesFlag);
        }
        let palette = self.terminal.stderr_palette();
        let width = self.terminal.stderr_width();
        self.terminal.show(&table::leases(
            &judged.leases,
            judged.now_ms,
            width,
            palette,
        ));
        let named = targets.len() - judged.leases.len();
        let named = if named > 0 {
            format!(" and, named explicitly, {}", counted(named))
        } else {
            String::new()
        };
        let question = format!(
            "{} {}{named}?",
            match self.recovery.action.word() {
                "complete" => "Complete",
                _ => "Fail",
            },
            counted(judged.leases.len()),
        );
        let asked = tokio::task::spawn_blocking(move || confirm(&question));
        let answer = tokio::select! {
            signal = self.stop.wait() => return Err(Ended::Signal(signal)),
            answer = asked => answer,
        };
        match (answer, self.stop.requested()) {
            (_, Some(signal)) => Err(Ended::Signal(signal)),
            (Ok(Ok(true)), None) => Ok(Confirmation::AnsweredYes),
            (Ok(Ok(false) | Err(ConfirmError::NoTerminal)), None) => Err(Ended::Declined),
            (Ok(Err(error)), None) => Err(Ended::Trouble(Trouble::Failed(error.to_string()))),
            (Err(error), None) => Err(Ended::Trouble(Trouble::Failed(error.to_string()))),
        }
    }

    async fn execute(
        &self,
        engine: &Engine<'_>,
        targets: &[Target],
        tail: &mut Tail,
    ) -> Vec<Settled> {
        let progress = match &engine.records.stderr {
            Some((_, progress)) => progress.clone(),
            None => self.terminal.progress(),
        };
        let doing = match self.recovery.action.word() {
            "complete" => "completing",
            _ => "failing",
        };
        let bar = progress.bar(targets.len() as u64, doing);
        let mut bad = 0;
        let Executed {
            settled,
            unrecorded,
        } = engine
            .run(targets, |settled| {
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
            tail.trouble = Some(Trouble::Failed(error));
        }
        settled
    }

    fn left_unsent(
        &self,
        records: &Records<'_>,
        targets: &[Target],
        skip: &Skip,
        tail: &mut Tail,
    ) -> Vec<Settled> {
        let now = jiff::Timestamp::now();
        targets
            .iter()
            .map(|target| {
                let settled = unsent(records, &target.spec, skip.clone());
                if let Err(error) = records.emit(&target.spec, &settled, now) {
                    let error = format!("cannot write the audit log: {error}");
                    tail.trouble.get_or_insert(Trouble::Failed(error));
                }
                settled
            })
            .collect()
    }

    async fn verify(
        &self,
        coordinator: &Coordinator,
        records: &Records<'_>,
        targets: &[Target],
        settled: &mut [Settled],
    ) -> Verification {
        if self.stop.requested().is_some() {
            return Verification::NotPossible("the run was stopped first".to_owned());
        }
        let listed = match list::read(coordinator, self.terminal, self.stop).await {
            Ok(listed) => listed,
            Err(Some(trouble)) => return Verification::NotPossible(trouble.text().to_owned()),
            Err(None) => return Verification::NotPossible("the run was stopped first".to_owned()),
        };
        let (verification, changed) = verify::compare(&listed, targets, settled);
        for index in changed {
            // It is reported either way; the journal's word matters to the next run only.
            if let Err(error) = records.write(&targets[index].spec, &settled[index]).await {
                self.terminal.error(&error);
            }
        }
        verification
    }

    fn report(
        &self,
        head: &Head,
        targets: &[Target],
        settled: &[Settled],
        mut tail: Tail,
    ) -> anyhow::Result<ExitStatus> {
        let mut out = String::new();
        let mut render = renderer(
            self.request.output,
            self.request.show_tokens,
            self.terminal.palette(),
        );
        render.begin(&mut out, head);
        for (target, settled) in targets.iter().zip(settled) {
            tail.summary.count(settled);
            render.lease(&mut out, &target.spec, settled);
        }
        let status = tail.status(self.recovery.dry_run);
        render.end(&mut out, &tail, status);
        self.terminal.result(status, &out)?;
        Ok(status)
    }
}

/// The outcome of a lease that is not sent: what an earlier run found, or why.
fn unsent(records: &Records<'_>, spec: &LeaseSpec, skip: Skip) -> Settled {
    if let Some(settled) = records.settled(spec) {
        return settled;
    }
    Settled::skipped(if spec.token.is_none() {
        Skip::MissingToken
    } else {
        skip
    })
}

/// A count of leases in words.
fn counted(leases: usize) -> String {
    match leases {
        1 => "1 lease".to_owned(),
        more => format!("{more} leases"),
    }
}
