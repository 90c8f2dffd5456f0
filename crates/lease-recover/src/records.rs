//! Writing outcomes down: journal and audit events.
//!
//! Owns their order (the journal first, since it is what a later run relies on) and that an outcome
//! counts only once it is written.

use std::io;

use seamless_cli::{Progress, Terminal};
use seamless_core::lease::LeaseSpec;

use crate::audit::{AuditLog, Circumstances};
use crate::journal::Journal;
use crate::outcome::Settled;

/// Where the outcomes of a run are written down.
pub(crate) struct Records<'r> {
    pub(crate) journal: Option<Journal>,
    pub(crate) audit_log: Option<AuditLog>,
    /// Where events go with `--log-format json`.
    pub(crate) stderr: Option<(&'r Terminal, Progress)>,
    pub(crate) circumstances: Circumstances,
}

impl Records<'_> {
    /// How an earlier run settled a lease, if one did.
    pub(crate) fn settled(&self, spec: &LeaseSpec) -> Option<Settled> {
        self.journal.as_ref()?.settled(spec)
    }

    /// Whether an earlier run has used the journal.
    pub(crate) fn is_resumed(&self) -> bool {
        self.journal.as_ref().is_some_and(Journal::is_resumed)
    }

    /// Writes an outcome down, in the journal too unless that is where it comes from.
    ///
    /// # Errors
    /// What could not be written, in words.
    pub(crate) async fn write(&self, spec: &LeaseSpec, settled: &Settled) -> Result<(), String> {
        if let Some(journal) = self.journal.as_ref().filter(|_| !settled.by_earlier_run) {
            let now = jiff::Timestamp::now();
            let written = journal.append(spec, settled, self.circumstances.action, now);
            written
                .await
                .map_err(|error| format!("cannot write the journal: {error}"))?;
        }
        self.emit(spec, settled)
            .map_err(|error| format!("cannot write the audit log: {error}"))
    }

    /// Emits the audit event alone, for outcomes that a journal is not about.
    ///
    /// # Errors
    /// If the audit log cannot be written.
    pub(crate) fn emit(&self, spec: &LeaseSpec, settled: &Settled) -> io::Result<()> {
        if self.audit_log.is_none() && self.stderr.is_none() {
            return Ok(());
        }
        let line = self
            .circumstances
            .line(spec, settled, jiff::Timestamp::now());
        if let Some((terminal, progress)) = &self.stderr {
            progress.suspend(|| terminal.show(line.trim_end()));
        }
        match &self.audit_log {
            Some(log) => log.append(&line),
            None => Ok(()),
        }
    }
}
