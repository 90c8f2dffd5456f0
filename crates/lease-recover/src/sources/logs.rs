//! Leases that a log shows claimed and never ended.
//!
//! Owns what the coordinator clients' lifecycle events mean; how a line is read, whichever formatter wrote
//! it, is core's business. Every other line is counted by its level and no more.

use std::collections::HashMap;

use seamless_core::lease::{LeaseKey, LeaseSpec, LeaseToken};
use seamless_core::logs::{DROPPED_FIELDS, Levels, Record, RecordError};
use serde_json::Value;

const CLAIMED: &str = "seamless.backfill.coordinator_claimed";
const ENDED: [&str; 2] = [
    "seamless.backfill.coordinator_completed",
    "seamless.backfill.coordinator_failed",
];
/// This program's own audit event: it ends a lease only with such an outcome.
const RECOVERED: &str = crate::audit::EVENT;
const RECOVERED_OUTCOMES: [&str; 2] = ["released", "already_released"];

/// The leases that are claimed and not ended, in the order of their claims.
#[derive(Default)]
pub(super) struct OpenLeases {
    by_key: HashMap<LeaseKey, (usize, Option<LeaseToken>)>,
    claims: usize,
    /// Of the file that is being read.
    file: InFile,
}

/// What one file has shown.
#[derive(Default)]
struct InFile {
    claimed: usize,
    ended: usize,
    lines: u64,
    levels: Levels,
}

impl OpenLeases {
    /// Begins with another file, whose events follow those of the one before.
    pub(super) fn begin_file(&mut self) {
        self.file = InFile::default();
    }

    /// Takes one log line in. A later claim of the same key replaces the earlier: its token is stale.
    ///
    /// # Errors
    /// Why a line that is one of these events cannot be read. The end of a log that is still being
    /// written (`is_torn`) may be half a line, which is ignored.
    pub(super) fn read(&mut self, line: &[u8], is_torn: bool) -> Result<(), String> {
        self.file.lines += 1;
        let record = match Record::read(line) {
            Ok(record) => record,
            Err(_) if is_torn => return Ok(()),
            // Lines that others write into the same file are their business.
            Err(RecordError::Json {
                names_an_event: false,
                ..
            }) => return Ok(()),
            Err(error) => return Err(error.to_string()),
        };
        self.file.levels.add(&record);
        let event = match event(&record) {
            Err(_) if is_torn => None,
            other => other?,
        };
        match event {
            None => {}
            Some(LeaseEvent::Claimed(key, token)) => {
                self.claims += 1;
                self.file.claimed += 1;
                self.by_key.insert(key, (self.claims, token));
            }
            Some(LeaseEvent::Ended(key, which)) => {
                self.file.ended += 1;
                let held = self.by_key.get(&key);
                if held.is_some_and(|(_, token)| which.may_be(token.as_ref())) {
                    self.by_key.remove(&key);
                }
            }
        }
        Ok(())
    }

    /// What the file shows, in a sentence.
    pub(super) fn summary(&self) -> String {
        let InFile {
            claimed,
            ended,
            lines,
            levels,
        } = &self.file;
        if self.has_no_event() {
            let cure = levels.cure();
            return format!("no lease event in {lines} lines ({levels}); {cure}");
        }
        let open = self.by_key.len();
        format!("{lines} lines: {claimed} leases claimed, {ended} ended, {open} open")
    }

    /// Whether the file has no event of leases.
    pub(super) const fn has_no_event(&self) -> bool {
        self.file.claimed + self.file.ended == 0
    }

    /// What is still open.
    pub(super) fn into_specs(self) -> Vec<LeaseSpec> {
        let mut open: Vec<_> = self.by_key.into_iter().collect();
        open.sort_unstable_by_key(|(_, (claim, _))| *claim);
        open.into_iter()
            .map(|(key, (_, token))| LeaseSpec { key, token })
            .collect()
    }
}

#[derive(Debug, PartialEq)]
enum LeaseEvent {
    Claimed(LeaseKey, Option<LeaseToken>),
    Ended(LeaseKey, Which),
}

/// Under which token a lease was ended.
#[derive(Debug, PartialEq)]
enum Which {
    Any,
    Whole(LeaseToken),
    Prefix(String),
}

impl Which {
    fn may_be(&self, held: Option<&LeaseToken>) -> bool {
        match (self, held) {
            (Self::Any, _) | (_, None) => true,
            (Self::Whole(ended), Some(held)) => ended == held,
            (Self::Prefix(prefix), Some(held)) => held.expose().starts_with(prefix),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum LeaseEventKind {
    Claimed,
    Ended,
    Recovered,
}

fn kind(name: &str) -> Option<LeaseEventKind> {
    match name {
        CLAIMED => Some(LeaseEventKind::Claimed),
        RECOVERED => Some(LeaseEventKind::Recovered),
        _ => ENDED.contains(&name).then_some(LeaseEventKind::Ended),
    }
}

/// The event of a record, if it is one of ours.
fn event(record: &Record) -> Result<Option<LeaseEvent>, String> {
    let Some(kind) = record.event.as_deref().and_then(kind) else {
        return Ok(None);
    };
    if record.lost_its_fields() {
        return Err(DROPPED_FIELDS.to_owned());
    }
    let text = |name: &str| record.fields.get(name).and_then(Value::as_str);
    let key = text("lease_key")
        .and_then(LeaseKey::new)
        .ok_or("the event has no lease_key")?;
    let token = text("lease_token").and_then(LeaseToken::new);
    Ok(match kind {
        LeaseEventKind::Claimed => Some(LeaseEvent::Claimed(key, token)),
        LeaseEventKind::Ended => Some(LeaseEvent::Ended(
            key,
            token.map_or(Which::Any, Which::Whole),
        )),
        LeaseEventKind::Recovered => {
            let settled = text("outcome").is_some_and(|word| RECOVERED_OUTCOMES.contains(&word));
            let prefix = text("token_prefix").map(str::to_owned);
            settled.then(|| LeaseEvent::Ended(key, prefix.map_or(Which::Any, Which::Prefix)))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "nodeA:60:1700:1760:world-1:2024-01-01T00:00:00Z";

    fn open(lines: &[String]) -> Vec<(String, Option<String>)> {
        let mut leases = OpenLeases::default();
        for line in lines {
            leases.read(line.as_bytes(), false).unwrap();
        }
        leases
            .into_specs()
            .into_iter()
            .map(|spec| {
                let token = spec.token.map(|token| token.expose().to_owned());
                (spec.key.as_str().to_owned(), token)
            })
            .collect()
    }

    fn text(event: &str, token: &str) -> String {
        format!(r#"2024-01-01 INFO {event} {{"lease_key": "{KEY}", "lease_token": "{token}"}}"#)
    }

    fn one(token: &str) -> Vec<(String, Option<String>)> {
        vec![(KEY.to_owned(), Some(token.to_owned()))]
    }

    #[test]
    fn a_claim_is_read_in_every_form() {
        let fields = format!(r#""lease_key":"{KEY}","lease_token":"abc""#);
        for line in [
            format!("{CLAIMED} {{{fields}}}"),
            format!("level=info msg={CLAIMED} lease_key={KEY} lease_token=abc"),
            format!("INFO:root:{CLAIMED} lease_key='{KEY}' lease_token='abc'"),
            format!(r#"{{"event":"{CLAIMED}",{fields}}}"#),
            format!(r#"{{"level":"info","msg":"{CLAIMED}","extra":{{{fields}}}}}"#),
            format!(
                r#"{{"log":{:?}}}"#,
                format!("INFO {CLAIMED} {{{fields}}}\n")
            ),
        ] {
            assert_eq!(open(std::slice::from_ref(&line)), one("abc"), "{line}");
        }
    }

    #[test]
    fn what_ended_is_not_open_and_what_was_claimed_again_is() {
        let claim = |token: &str| text(CLAIMED, token);
        for ended in ENDED {
            assert_eq!(open(&[claim("a"), text(ended, "a")]), []);
            assert_eq!(open(&[claim("a"), text(ended, "a"), claim("b")]), one("b"));
            assert_eq!(open(&[claim("a"), claim("b"), text(ended, "a")]), one("b"));
        }
        let recovered = |outcome: &str| {
            format!(
                r#"{{"event":"{RECOVERED}","lease_key":"{KEY}","token_prefix":"abcd","outcome":"{outcome}"}}"#
            )
        };
        assert_eq!(open(&[claim("abcdef"), recovered("released")]), []);
        assert_eq!(open(&[claim("abcdef"), recovered("failed")]), one("abcdef"));
        assert_eq!(open(&[claim("xyz"), recovered("released")]), one("xyz"));
    }

    #[test]
    fn other_lines_are_passed_over() {
        for line in [
            "",
            "hello",
            "{not json",
            r#"{"event":"seamless.backfill.attempt"}"#,
            r#"{"event":"seamless.backfill.coordinator_claimed_twice"}"#,
            "note=seamless.backfill.coordinator_claimed was=spoken of",
            r#"{"event":"x","note":"see seamless.backfill.coordinator_claimed"}"#,
        ] {
            assert_eq!(open(&[line.to_owned()]), [], "{line}");
        }
        let mut leases = OpenLeases::default();
        leases.read(b"\xff\xfe", false).unwrap();
    }

    #[test]
    fn an_event_that_cannot_be_read_is_an_error_unless_the_log_ends_in_it() {
        for line in [
            CLAIMED.to_owned(),
            format!("{CLAIMED} {{\"lease_key\": \"a"),
            format!(r#"{{"event":"{CLAIMED}"}}"#),
            format!(r#"{{"event":"{CLAIMED}","lease_key":"#),
        ] {
            let mut leases = OpenLeases::default();
            assert!(leases.read(line.as_bytes(), false).is_err(), "{line}");
            assert!(leases.read(line.as_bytes(), true).is_ok(), "{line}");
        }
        let without_token = format!(r#"{{"event":"{CLAIMED}","lease_key":"{KEY}"}}"#);
        assert_eq!(open(&[without_token]), [(KEY.to_owned(), None)]);
    }
}
