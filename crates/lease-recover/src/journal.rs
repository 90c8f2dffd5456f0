//! What was settled, on disk, so that a run that was cut off can be taken up again.
//!
//! Owns a file of one JSON line per lease and outcome. A line is flushed to disk before its outcome
//! counts; lines that wait at the same time share one flush. Tokens are in it as their first 4
//! characters and, to tell leases apart, as a digest over the file's salt, key and token. What one action
//! settled at one coordinator says nothing about the other action or another coordinator.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc;

use anyhow::{Context, bail};
use ring::rand::{SecureRandom, SystemRandom};
use seamless_core::lease::LeaseSpec;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::outcome::{LeaseOutcome, RecordedOutcome, Skip};

const SCHEMA_VERSION: u32 = 2;
/// How every line begins: it tells a torn line from the end of some other file.
const BEGINNING: &[u8] = br#"{"schema_version":2,"#;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct JournalHeader {
    schema_version: u32,
    journal: String,
    salt: String,
}

const NAME: &str = "lease-recover";

/// One line. Its order is the order in the file.
#[derive(Debug, Serialize, Deserialize)]
struct JournalEntry {
    schema_version: u32,
    at: String,
    coordinator: String,
    action: String,
    reason: String,
    key: String,
    token_prefix: Option<String>,
    /// SHA-256 over salt, key and token, the first 16 bytes in hexadecimal.
    fingerprint: String,
    outcome: String,
    requests: u32,
    detail: Option<String>,
}

/// A journal that is open for this run, and locked against another one.
#[derive(Debug)]
pub(crate) struct Journal {
    purpose: Purpose,
    past: Past,
    is_resumed: bool,
    /// Absent in a dry run, which writes nothing.
    lines: Option<mpsc::Sender<PendingLine>>,
}

/// What the outcomes of a run are about.
#[derive(Debug, Clone)]
pub(crate) struct Purpose {
    /// The coordinator's base URL, without credentials.
    pub(crate) coordinator: String,
    /// `fail` or `complete`.
    pub(crate) action: &'static str,
    /// Why.
    pub(crate) reason: String,
}

/// What a journal's lines say about one coordinator.
#[derive(Debug, Default)]
struct Past {
    salt: String,
    /// By fingerprint: the action that settled it, and how.
    settled: HashMap<String, (String, LeaseOutcome)>,
}

#[derive(Debug)]
struct PendingLine {
    text: Vec<u8>,
    on_disk: oneshot::Sender<io::Result<()>>,
}

impl Journal {
    /// Reads what earlier runs settled, and writes nothing: for a dry run.
    ///
    /// # Errors
    /// If it is no journal.
    pub(crate) fn read_only(path: &Path, purpose: Purpose) -> anyhow::Result<Self> {
        let shown = path.display();
        // Reading a pipe would wait for whoever writes to it.
        if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            bail!("the journal {shown} is not a regular file");
        }
        let content = match std::fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            content => content.with_context(|| format!("cannot read the journal {shown}"))?,
        };
        let past = past(&content, &purpose.coordinator)
            .with_context(|| format!("{shown} is not a journal of lease-recover"))?;
        Ok(Self {
            purpose,
            past,
            is_resumed: !content.is_empty(),
            lines: None,
        })
    }

    /// Opens or creates the journal, reads what earlier runs against the same coordinator settled, and
    /// cuts off a last line that was not written whole.
    ///
    /// # Errors
    /// If it cannot be used, is no journal, or another run has it open.
    pub(crate) fn open(path: &Path, purpose: Purpose) -> anyhow::Result<Self> {
        let shown = path.display();
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .with_context(|| format!("cannot open the journal {shown}"))?;
        // A device or a pipe has no end to read to, and keeps nothing.
        if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            bail!("the journal {shown} is not a regular file");
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!("the journal {shown} is in use by another run"),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock the journal {shown}"));
            }
        }
        let mut content = Vec::new();
        file.read_to_end(&mut content)
            .with_context(|| format!("cannot read the journal {shown}"))?;
        let no_journal = || format!("{shown} is not a journal of lease-recover");
        let whole = whole_lines(&content).with_context(no_journal)?;
        if whole < content.len() {
            file.set_len(whole as u64)
                .and_then(|()| file.sync_all())
                .with_context(|| format!("cannot mend the journal {shown}"))?;
        }
        let mut past = past(&content[..whole], &purpose.coordinator).with_context(no_journal)?;
        file.seek(SeekFrom::End(0))?;
        if whole == 0 {
            past.salt = begin(&mut file, path)
                .with_context(|| format!("cannot write the journal {shown}"))?;
        }
        let (lines, waiting) = mpsc::channel();
        std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || write(&mut file, &waiting))
            .context("cannot start the journal's thread")?;
        Ok(Self {
            purpose,
            past,
            is_resumed: whole > 0,
            lines: Some(lines),
        })
    }

    /// How an earlier run settled a lease, if one did. What the other action released cannot be had again.
    pub(crate) fn settled(&self, spec: &LeaseSpec) -> Option<RecordedOutcome> {
        let (action, outcome) = self.past.settled.get(&fingerprint(&self.past.salt, spec))?;
        if action == self.purpose.action {
            return Some(RecordedOutcome {
                by_earlier_run: true,
                ..RecordedOutcome::without_request(outcome.clone())
            });
        }
        matches!(outcome, LeaseOutcome::Released { .. })
            .then(|| RecordedOutcome::skipped(Skip::OtherAction(action.clone())))
    }

    /// Whether an earlier run has used this journal.
    pub(crate) const fn is_resumed(&self) -> bool {
        self.is_resumed
    }

    /// Writes an outcome down. It is on disk when this returns.
    ///
    /// # Errors
    /// If it cannot be written; the journal is not to be relied on from then on.
    pub(crate) async fn append(
        &self,
        spec: &LeaseSpec,
        settled: &RecordedOutcome,
        at: jiff::Timestamp,
    ) -> io::Result<()> {
        let entry = JournalEntry {
            schema_version: SCHEMA_VERSION,
            at: at.to_string(),
            coordinator: self.purpose.coordinator.clone(),
            action: self.purpose.action.to_owned(),
            reason: self.purpose.reason.clone(),
            key: spec.key.as_str().to_owned(),
            token_prefix: spec.token.as_ref().map(|token| token.hint().to_owned()),
            fingerprint: fingerprint(&self.past.salt, spec),
            outcome: settled.outcome.word().to_owned(),
            requests: settled.requests,
            detail: settled.outcome.detail(),
        };
        let Some(lines) = &self.lines else {
            return Ok(());
        };
        let mut text = serde_json::to_vec(&entry)?;
        text.push(b'\n');
        let (on_disk, written) = oneshot::channel();
        let gone = || io::Error::other("the journal's thread ended");
        lines
            .send(PendingLine { text, on_disk })
            .map_err(|_| gone())?;
        written.await.map_err(|_| gone())?
    }
}

/// Writes lines until the run lets go of the journal. All lines that wait share one write and one
/// flush; after an error nothing more is written, since what follows a torn line could not be read.
fn write(file: &mut File, waiting: &mpsc::Receiver<PendingLine>) {
    let mut broken: Option<io::ErrorKind> = None;
    while let Ok(first) = waiting.recv() {
        let batch: Vec<PendingLine> = std::iter::once(first).chain(waiting.try_iter()).collect();
        let text: Vec<u8> = batch
            .iter()
            .flat_map(|line| line.text.iter().copied())
            .collect();
        let done = match broken {
            Some(kind) => Err(kind),
            None => file
                .write_all(&text)
                .and_then(|()| file.sync_data())
                .map_err(|error| error.kind()),
        };
        broken = done.err();
        for line in batch {
            // A run that was stopped does not wait for the answer.
            let _ = line.on_disk.send(done.map_err(io::Error::from));
        }
    }
}

/// Writes the first line of a new journal and returns its salt.
fn begin(file: &mut File, path: &Path) -> anyhow::Result<String> {
    let header = JournalHeader {
        schema_version: SCHEMA_VERSION,
        journal: NAME.to_owned(),
        salt: random_hex()?,
    };
    let mut line = serde_json::to_vec(&header)?;
    line.push(b'\n');
    file.write_all(&line)?;
    file.sync_all()?;
    // A new file's name must outlive a crash as well.
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new("."))).and_then(|folder| folder.sync_all())?;
    Ok(header.salt)
}

/// 16 random bytes in hexadecimal.
pub(crate) fn random_hex() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| anyhow::anyhow!("the system has no random numbers"))?;
    Ok(hex(&bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How many leases the bytes of a journal show settled at `coordinator`.
///
/// # Errors
/// If they are no journal.
pub fn settled_in(content: &[u8], coordinator: &str) -> anyhow::Result<usize> {
    Ok(past(content, coordinator)?.settled.len())
}

/// Reads the whole lines of a journal.
fn past(content: &[u8], coordinator: &str) -> anyhow::Result<Past> {
    let content = &content[..whole_lines(content)?];
    let Some(end) = content.iter().position(|byte| *byte == b'\n') else {
        return Ok(Past::default());
    };
    let header: JournalHeader = serde_json::from_slice(&content[..end])
        .ok()
        .filter(|header: &JournalHeader| {
            header.schema_version == SCHEMA_VERSION && header.journal == NAME
        })
        .context("line 1: not the first line of a journal of this version")?;
    Ok(Past {
        salt: header.salt,
        settled: read(&content[end + 1..], coordinator)?,
    })
}

/// How much of a journal is whole lines. What follows must be the beginning of a line.
fn whole_lines(content: &[u8]) -> anyhow::Result<usize> {
    let whole = content
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let torn = &content[whole..];
    let common = torn.len().min(BEGINNING.len());
    // Some file systems leave zeros where a line was being written when the power failed.
    let is_zeros = torn.iter().all(|byte| *byte == 0);
    if !is_zeros && torn[..common] != BEGINNING[..common] {
        bail!("its end is not the beginning of an entry");
    }
    Ok(whole)
}

/// Reads whole lines; the last one about a lease counts. Other coordinators' leases are passed over.
fn read(
    content: &[u8],
    coordinator: &str,
) -> anyhow::Result<HashMap<String, (String, LeaseOutcome)>> {
    let mut settled = HashMap::new();
    for (index, line) in content.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let entry: JournalEntry = serde_json::from_slice(line).map_err(|error| {
            // The library's own words repeat what stands there, which may be a token.
            anyhow::anyhow!(
                "line {}, column {}: not an entry",
                index + 2,
                error.column()
            )
        })?;
        if entry.schema_version != SCHEMA_VERSION {
            bail!(
                "line {}: schema version {}",
                index + 2,
                entry.schema_version
            );
        }
        // What was not sent is as it was before.
        if entry.coordinator != coordinator || entry.outcome == "skipped" {
            continue;
        }
        match before(&entry) {
            Some(outcome) => settled.insert(entry.fingerprint, (entry.action, outcome)),
            // Failed and unknown leases are sent again.
            None => settled.remove(&entry.fingerprint),
        };
    }
    Ok(settled)
}

/// The outcome of an entry that settles its lease: the same request could bring nothing new. A stale
/// token stays stale.
fn before(entry: &JournalEntry) -> Option<LeaseOutcome> {
    let note = Some(format!("settled by an earlier run, {}", entry.at));
    match entry.outcome.as_str() {
        "released" => Some(LeaseOutcome::Released {
            completion_ratio: None,
        }),
        "already_released" => Some(LeaseOutcome::AlreadyReleased { note }),
        "conflict" => Some(LeaseOutcome::Conflict { note }),
        _ => None,
    }
}

fn fingerprint(salt: &str, spec: &LeaseSpec) -> String {
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    digest.update(salt.as_bytes());
    digest.update(spec.key.as_str().as_bytes());
    digest.update(b"\n");
    let token = spec.token.as_ref().map_or("", |token| token.expose());
    digest.update(token.as_bytes());
    hex(&digest.finish().as_ref()[..16])
}
