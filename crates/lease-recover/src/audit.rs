//! Structured events for whoever asks later who recovered what.
//!
//! Owns the event `seamless.backfill.lease_recovered`: one JSON object per lease and outcome.
//! A token is in it only as its first 4 characters.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, bail};
use rustix::fs::{OFlags, fcntl_setfl};
use seamless_core::lease::{LeaseSpec, LeaseToken};
use serde::Serialize;

use crate::lease_fields::KeyParts;
use crate::outcome::RecordedOutcome;

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
    pub(crate) operator: Operator,
    /// Host and port of the coordinator's URL, as the coordinator's own clients name it.
    pub(crate) coordinator_id: Option<String>,
    /// Tells this run from others.
    pub(crate) run_id: String,
}

/// Who runs the program, and where.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Operator {
    /// The person behind `sudo`, else the user, as the environment has it.
    operator: String,
    /// The user that the system knows, which no environment changes.
    uid: u32,
    /// The machine.
    host: String,
}

#[derive(Serialize)]
struct AuditEvent<'e> {
    timestamp: String,
    level: &'static str,
    event: &'static str,
    lease_key: &'e str,
    #[serde(flatten)]
    lease: KeyParts,
    token_prefix: Option<&'e str>,
    action: &'static str,
    reason: &'e str,
    outcome: &'static str,
    detail: Option<String>,
    requests: u32,
    by_earlier_run: bool,
    #[serde(flatten)]
    operator: &'e Operator,
    coordinator_id: Option<&'e str>,
    run_id: &'e str,
}

impl Circumstances {
    /// The event for one lease, as one line of JSON with its end.
    pub(crate) fn line(
        &self,
        spec: &LeaseSpec,
        settled: &RecordedOutcome,
        at: jiff::Timestamp,
    ) -> String {
        let event = AuditEvent {
            timestamp: at.to_string(),
            level: if settled.outcome.is_recovered() {
                "info"
            } else {
                "warning"
            },
            event: EVENT,
            lease_key: spec.key.as_str(),
            lease: KeyParts::of(&spec.key),
            token_prefix: spec.token.as_ref().map(LeaseToken::hint),
            action: self.action,
            reason: &self.reason,
            outcome: settled.outcome.word(),
            detail: settled.outcome.detail(),
            requests: settled.requests,
            by_earlier_run: settled.by_earlier_run,
            operator: &self.operator,
            coordinator_id: self.coordinator_id.as_deref(),
            run_id: &self.run_id,
        };
        // Plain texts and numbers always serialize.
        let mut line = serde_json::to_string(&event).unwrap_or_default();
        line.push('\n');
        line
    }
}

impl Operator {
    /// Who runs this program.
    pub(crate) fn of(environment: &dyn Fn(&str) -> Option<String>) -> Self {
        let operator = ["SUDO_USER", "USER", "LOGNAME"]
            .into_iter()
            .filter_map(environment)
            .find(|name| !name.is_empty())
            .unwrap_or_else(|| "unknown".to_owned());
        Self {
            operator,
            uid: rustix::process::getuid().as_raw(),
            host: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
        }
    }
}

/// The file of `--audit-log`.
#[derive(Debug)]
pub(crate) struct AuditLog {
    file: File,
}

impl AuditLog {
    /// Opens the file to append to it; a new one is readable by its owner and group. A last line that was
    /// not written whole is cut off if it is one of ours, and refused otherwise.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        if is_pipe(path) {
            let file = open_pipe(path).with_context(|| {
                format!("cannot write the audit log {shown}: nobody reads the pipe")
            })?;
            return Ok(Self { file });
        }
        let mut file = OpenOptions::new()
            .read(true)
            .create(true)
            .append(true)
            .mode(0o640)
            .open(path)
            .with_context(|| format!("cannot write the audit log {shown}"))?;
        if file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            mend(&mut file).with_context(|| format!("cannot append to the audit log {shown}"))?;
        }
        Ok(Self { file })
    }

    /// Appends one event.
    pub(crate) fn append(&self, line: &str) -> io::Result<()> {
        (&self.file).write_all(line.as_bytes())
    }
}

fn is_pipe(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo())
}

/// Opens a pipe that somebody reads: whoever opened it for reading as well would write into a void until it
/// is full, and then wait for ever.
fn open_pipe(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    fcntl_setfl(&file, OFlags::empty())?;
    Ok(file)
}

/// How every event begins.
const BEGINNING: &[u8] = br#"{"timestamp":""#;
/// No event is longer.
const LONGEST: u64 = 64 * 1024;

/// Cuts off a last line that was not written whole: the next event would be glued to it.
fn mend(file: &mut File) -> anyhow::Result<()> {
    let length = file.seek(SeekFrom::End(0))?;
    let from = length.saturating_sub(LONGEST);
    file.seek(SeekFrom::Start(from))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    let torn_at = end
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let torn = &end[torn_at..];
    if torn.is_empty() {
        return Ok(());
    }
    let common = torn.len().min(BEGINNING.len());
    let begins_the_file = from + torn_at as u64 == 0 || torn_at > 0;
    if !begins_the_file || torn[..common] != BEGINNING[..common] {
        bail!(
            "its last line, from byte {} on, does not end and is no event; end or remove it first",
            from + torn_at as u64
        );
    }
    file.set_len(from + torn_at as u64)?;
    Ok(())
}
