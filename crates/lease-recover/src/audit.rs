//! Structured events for whoever asks later who recovered what.
//!
//! Owns the event `seamless.backfill.lease_recovered`: one JSON object per lease and outcome, to a file
//! or to stderr. A token is in it only as its first 4 characters.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use seamless_core::lease::LeaseSpec;
use serde::Serialize;

use crate::fields::LeaseFields;
use crate::outcome::Settled;

/// The event's name.
pub(crate) const EVENT: &str = "seamless.backfill.lease_recovered";

/// What is the same in every event of a run.
#[derive(Debug, Clone)]
pub(crate) struct Circumstances {
    /// `fail` or `complete`.
    pub(crate) action: &'static str,
    /// Why.
    pub(crate) reason: String,
    /// Who ran the program.
    pub(crate) operator: String,
    /// The host of the coordinator's URL, as the coordinator's own clients name it.
    pub(crate) coordinator_id: Option<String>,
}

#[derive(Serialize)]
struct Event<'e> {
    timestamp: String,
    level: &'static str,
    event: &'static str,
    lease_key: &'e str,
    #[serde(flatten)]
    lease: LeaseFields<'e>,
    action: &'static str,
    reason: &'e str,
    outcome: &'static str,
    detail: Option<String>,
    requests: u32,
    by_earlier_run: bool,
    operator: &'e str,
    coordinator_id: Option<&'e str>,
}

impl Circumstances {
    /// The event for one lease, as one line of JSON with its end.
    pub(crate) fn line(&self, spec: &LeaseSpec, settled: &Settled, at: jiff::Timestamp) -> String {
        let event = Event {
            timestamp: at.to_string(),
            level: if settled.outcome.is_recovered() {
                "info"
            } else {
                "warning"
            },
            event: EVENT,
            lease_key: spec.key.as_str(),
            lease: LeaseFields::of(&spec.key, spec.token.as_ref()),
            action: self.action,
            reason: &self.reason,
            outcome: settled.outcome.word(),
            detail: settled.outcome.detail(),
            requests: settled.requests,
            by_earlier_run: settled.by_earlier_run,
            operator: &self.operator,
            coordinator_id: self.coordinator_id.as_deref(),
        };
        // Plain texts and numbers always serialize.
        let mut line = serde_json::to_string(&event).unwrap_or_default();
        line.push('\n');
        line
    }
}

/// Who runs the program: the person behind `sudo`, else the user.
pub(crate) fn operator(environment: &dyn Fn(&str) -> Option<String>) -> String {
    ["SUDO_USER", "USER", "LOGNAME"]
        .into_iter()
        .filter_map(environment)
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown".to_owned())
}

/// The file of `--audit-log`.
#[derive(Debug)]
pub(crate) struct AuditLog {
    file: File,
}

impl AuditLog {
    /// Opens the file to append to it; a new one is readable by its owner and group.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o640)
            .open(path)
            .with_context(|| format!("cannot write the audit log {}", path.display()))?;
        Ok(Self { file })
    }

    /// Appends one event.
    pub(crate) fn append(&self, line: &str) -> io::Result<()> {
        (&self.file).write_all(line.as_bytes())
    }
}
