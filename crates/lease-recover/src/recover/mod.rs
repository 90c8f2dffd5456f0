//! A recovery from start to end.
//!
//! Owns the order of things: everything named is read and everything written to is opened before anybody
//! is contacted, a selection is shown and confirmed before it is acted on, and the report is made
//! however the run ends. Choosing is in [`selection`], what follows the last request in [`conclusion`].

mod conclusion;
mod selection;

use std::sync::Arc;

use seamless_cli::{ExitStatus, Signal, Stop, Terminal};
use seamless_core::coordinator::{Confirmation, Coordinator};
use seamless_core::http::RateLimiter;

use crate::args::LogFormat;
use crate::audit::{self, AuditLog, Circumstances};
use crate::execute::{Engine, Executed, Target};
use crate::freshness::Freshness;
use crate::journal::Journal;
use crate::outcome::{Settled, Skip};
use crate::records::Records;
use crate::render::renderer;
use crate::report::{Head, Tail, Trouble};
use crate::request::{Recovery, Request};
use crate::sources::{Seen, Sources};

use self::conclusion::unsent;
use self::selection::Ended;

/// A run and its surroundings.
struct Run<'r> {
    request: &'r Request,
    recovery: &'r Recovery,
    terminal: &'r Terminal,
    stop: &'r Stop,
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
        return run.show_named().await;
    }
    run.recover().await
}

impl Run<'_> {
    /// The dry run of named leases: contacts nobody, and streams, since there may be a million of them.
    async fn show_named(&self) -> anyhow::Result<ExitStatus> {
        let connections = self.request.connections()?;
        connections.announce(self.terminal);
        // Whom it would go to is good to know, and not needed here.
        let coordinator = connections.coordinator();
        let coordinator = match (coordinator, &self.recovery.journal) {
            (Err(error), Some(_)) => return Err(error.into()),
            (found, _) => found.ok(),
        };
        let records = self.records(coordinator.as_ref())?;
        let head = self.head(coordinator.as_ref());
        // Every line is read before the first is shown: one that cannot be read is a usage error.
        let opening = self.sources();
        let read = self.stop.blocking(move || {
            let mut sources = opening()?;
            sources.check()?;
            anyhow::Ok(sources)
        });
        let mut sources = match read.await {
            Ok(sources) => sources?,
            Err(signal) => return self.stopped_reading(&head, signal),
        };
        self.tell(&sources.logs_read);
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
            records.emit(&spec, &settled)?;
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
        let (opening, narrowing) = (self.sources(), self.request.narrowing.clone());
        let read = self.stop.blocking(move || {
            let (mut seen, mut targets) = (Seen::default(), Vec::new());
            let mut sources = opening()?;
            sources.each(&mut |spec| {
                if narrowing.admits(&spec.key) && seen.is_new(&spec) {
                    targets.push(Target {
                        spec,
                        is_selected: false,
                    });
                }
                Ok(())
            })?;
            anyhow::Ok((seen, targets, sources.logs_read))
        });
        let (mut seen, mut targets, logs_read) = match read.await {
            Ok(read) => read?,
            Err(signal) => return self.stopped_reading(&self.head(None), signal),
        };
        self.tell(&logs_read);
        let connections = self.request.connections()?;
        connections.announce(self.terminal);
        let rate_limiter = self
            .recovery
            .rate
            .map(RateLimiter::per_second)
            .map(Arc::new);
        let mut coordinator = connections.coordinator()?;
        if let Some(rate_limiter) = &rate_limiter {
            coordinator = coordinator.with_rate_limiter(Arc::clone(rate_limiter));
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
                    rate_limiter,
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

    /// Opens what names leases. It may block, and so does reading.
    fn sources(&self) -> impl FnOnce() -> anyhow::Result<Sources> + Send + 'static {
        let Recovery {
            specs,
            from_file,
            from_logs,
            ..
        } = self.recovery;
        let (specs, from_file, from_logs) = (specs.clone(), from_file.clone(), from_logs.clone());
        move || Sources::open(&specs, &from_file, &from_logs)
    }

    /// The report of a run that a signal ended before it knew any lease.
    fn stopped_reading(&self, head: &Head, signal: Signal) -> anyhow::Result<ExitStatus> {
        let tail = Tail {
            stopped: Some(signal),
            ..Tail::default()
        };
        self.report(head, &[], &[], tail)
    }

    /// Says what the logs hold, and warns of those that hold no lease event.
    fn tell(&self, logs_read: &[(String, bool)]) {
        for (summary, is_foreign) in logs_read {
            match is_foreign {
                true => self.terminal.warn(summary),
                false => self.terminal.note(summary),
            }
        }
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
}
