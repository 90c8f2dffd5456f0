//! Writing outcomes down: journal and audit events.
//!
//! Owns their order (the journal first, since it is what a later run relies on) and that an outcome
//! counts only once it is written. A dry run reads the journal and writes nothing.

use seamless_core::coordinator::CoordinatorClient;
use seamless_core::lease::LeaseSpec;

use crate::audit::{AuditLog, Circumstances, Operator};
use crate::journal::{Journal, Purpose, random_hex};
use crate::outcome::{RecordedOutcome, Skip};
use crate::request::Recovery;

/// Where the outcomes of a run are written down.
pub(crate) struct Recorder {
    journal: Option<Journal>,
    audit_log: Option<AuditLog>,
    circumstances: Circumstances,
}

impl Recorder {
    /// Opens what the run writes to, for the coordinator that it is about.
    pub(crate) fn open(
        recovery: &Recovery,
        coordinator: Option<&CoordinatorClient>,
    ) -> anyhow::Result<Self> {
        let purpose = |coordinator: &CoordinatorClient| Purpose {
            coordinator: coordinator.endpoint().to_string(),
            action: recovery.action.word(),
            reason: recovery.reason.clone(),
        };
        let journal = match (&recovery.journal, coordinator) {
            (Some(path), Some(coordinator)) if recovery.dry_run => {
                Some(Journal::read_only(path, purpose(coordinator))?)
            }
            (Some(path), Some(coordinator)) => Some(Journal::open(path, purpose(coordinator))?),
            _ => None,
        };
        let audit_log = recovery.audit_log.as_deref();
        Ok(Self {
            journal,
            audit_log: audit_log
                .filter(|_| !recovery.dry_run)
                .map(AuditLog::open)
                .transpose()?,
            circumstances: Circumstances {
                action: recovery.action.word(),
                reason: recovery.reason.clone(),
                operator: Operator::of(&|name| std::env::var(name).ok()),
                coordinator_id: coordinator.and_then(|coordinator| coordinator.id()),
                run_id: random_hex()?,
            },
        })
    }

    /// How an earlier run settled a lease, if one did.
    pub(crate) fn settled(&self, spec: &LeaseSpec) -> Option<RecordedOutcome> {
        self.journal.as_ref()?.settled(spec)
    }

    /// Whether an earlier run has used the journal.
    pub(crate) fn is_resumed(&self) -> bool {
        self.journal.as_ref().is_some_and(Journal::is_resumed)
    }

    /// The outcome of a lease that is not sent: what an earlier run found, or why.
    pub(crate) fn unsent(&self, spec: &LeaseSpec, skip: Skip) -> RecordedOutcome {
        self.settled(spec).unwrap_or_else(|| {
            RecordedOutcome::skipped(if spec.token.is_none() {
                Skip::MissingToken
            } else {
                skip
            })
        })
    }

    /// Writes an outcome down, in the journal too unless that is where it comes from.
    ///
    /// # Errors
    /// What could not be written, in words.
    pub(crate) async fn write(
        &self,
        spec: &LeaseSpec,
        settled: &RecordedOutcome,
    ) -> Result<(), String> {
        if let Some(journal) = self.journal.as_ref().filter(|_| !settled.by_earlier_run) {
            journal
                .append(spec, settled, jiff::Timestamp::now())
                .await
                .map_err(|error| format!("cannot write the journal: {error}"))?;
        }
        self.emit(spec, settled)
    }

    /// Emits the audit event alone, for outcomes that a journal is not about.
    ///
    /// # Errors
    /// What could not be written, in words.
    pub(crate) fn emit(&self, spec: &LeaseSpec, settled: &RecordedOutcome) -> Result<(), String> {
        let Some(log) = &self.audit_log else {
            return Ok(());
        };
        log.append(
            &self
                .circumstances
                .line(spec, settled, jiff::Timestamp::now()),
        )
        .map_err(|error| format!("cannot write the audit log: {error}"))
    }
}
