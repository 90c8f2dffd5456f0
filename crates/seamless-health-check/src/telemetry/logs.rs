//! The platform's structured log: which of the documented events it holds, and with which fields.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use serde_json::{Map, Value};

use super::lines::{self, Broken, Leases, Line};

/// Where log libraries put an event's name.
const NAME_FIELDS: [&str; 6] = ["event", "message", "msg", "log", "name", "event_name"];
/// Where log libraries put an event's fields, if not beside its name.
const NESTING_FIELDS: [&str; 6] = [
    "extra",
    "fields",
    "context",
    "data",
    "attributes",
    "payload",
];

/// A documented event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: &'static str,
    /// What it must say.
    fields: &'static [&'static str],
    /// What it must name, though it may be null.
    nullable: &'static [&'static str],
}

const LEASE: &[&str] = &[
    "coordinator_id",
    "lease_key",
    "node_id",
    "interval",
    "batch_start",
    "batch_end",
    "worker",
    "lease_token",
    "lease_until_ms",
    "completion_ratio",
];
/// A short key has neither a world nor an as-of time; only a failure has a reason.
const LEASE_NULLABLE: &[&str] = &["world", "requested_as_of", "reason"];
const FAILED: &[&str] = &[
    "coordinator_id",
    "lease_key",
    "node_id",
    "interval",
    "batch_start",
    "batch_end",
    "worker",
    "lease_token",
    "lease_until_ms",
    "completion_ratio",
    "reason",
];
const SLA: &[&str] = &["node_id", "phase", "elapsed_ms", "budget_ms", "mode"];
const DOMAIN_GATE: &[&str] = &[
    "dataset_fingerprint",
    "as_of",
    "reason",
    "world_id",
    "execution_domain",
];

impl Event {
    pub(crate) const CLAIMED: Self = Self {
        name: "seamless.backfill.coordinator_claimed",
        fields: LEASE,
        nullable: LEASE_NULLABLE,
    };
    pub(crate) const COMPLETED: Self = Self {
        name: "seamless.backfill.coordinator_completed",
        ..Self::CLAIMED
    };
    pub(crate) const FAILED: Self = Self {
        name: "seamless.backfill.coordinator_failed",
        fields: FAILED,
        nullable: &["world", "requested_as_of"],
    };
    pub(crate) const PHASE_EXCEEDED: Self = Self {
        name: "seamless.sla.phase_exceeded",
        fields: SLA,
        nullable: &[],
    };
    pub(crate) const SLA_DOWNGRADE: Self = Self {
        name: "seamless.sla.downgrade",
        ..Self::PHASE_EXCEEDED
    };
    pub(crate) const GATE_DOWNGRADE: Self = Self {
        name: "seamless.domain_gate.downgrade",
        fields: DOMAIN_GATE,
        nullable: &[],
    };
    const ALL: [Self; 6] = [
        Self::CLAIMED,
        Self::COMPLETED,
        Self::FAILED,
        Self::PHASE_EXCEEDED,
        Self::SLA_DOWNGRADE,
        Self::GATE_DOWNGRADE,
    ];

    fn named(name: &str) -> Option<&'static Self> {
        const EVENTS: [Event; 6] = Event::ALL;
        EVENTS.iter().find(|event| event.name == name)
    }

    /// The fields that a record of it lacks.
    fn lacking(self, fields: &Map<String, Value>) -> impl Iterator<Item = &'static str> {
        let unsaid = |field: &&&str| match fields.get(**field) {
            None | Some(Value::Null) => true,
            Some(Value::String(text)) => text.is_empty(),
            Some(_) => false,
        };
        let unnamed = |field: &&&str| !fields.contains_key(**field);
        self.fields
            .iter()
            .filter(unsaid)
            .chain(self.nullable.iter().filter(unnamed))
            .copied()
    }
}

/// How often an event was seen, and what it lacked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) count: u64,
    /// Fields that are missing: in how many records, and in which line first.
    pub(crate) lacking: BTreeMap<&'static str, (u64, u64)>,
}

/// What a log holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Logs {
    pub(crate) lines: u64,
    /// Lines that are JSON objects.
    pub(crate) records: u64,
    pub(crate) broken: Broken,
    events: BTreeMap<&'static str, Seen>,
    /// The leases that backfill events name.
    pub(crate) leases: Leases,
}

impl Logs {
    /// Reads it to the end.
    pub(super) fn read(reader: &mut dyn BufRead) -> io::Result<Self> {
        let mut logs = Self::default();
        logs.lines = lines::each(reader, |line| logs.take(&line))?;
        Ok(logs)
    }

    /// What was seen of an event.
    pub(crate) fn seen(&self, event: Event) -> Seen {
        self.events.get(event.name).cloned().unwrap_or_default()
    }

    fn take(&mut self, line: &Line) {
        if line.too_long {
            return self.broken.add(line.number, "too long");
        }
        match serde_json::from_slice::<Map<String, Value>>(line.text) {
            Ok(record) => {
                self.records += 1;
                self.note(line.number, &record);
            }
            // A line that is being written is not broken.
            Err(error) if line.torn && error.is_eof() => {}
            Err(error) => {
                let why = format!("no JSON object: {}", without_line(&error));
                self.broken.add(line.number, &why);
            }
        }
    }

    fn note(&mut self, line: u64, record: &Map<String, Value>) {
        let event = NAME_FIELDS
            .iter()
            .filter_map(|name| record.get(*name)?.as_str())
            .find_map(Event::named);
        let Some(event) = event else { return };
        let fields = NESTING_FIELDS
            .iter()
            .filter_map(|name| record.get(*name)?.as_object())
            .find(|nested| event.fields.iter().any(|field| nested.contains_key(*field)))
            .unwrap_or(record);
        let seen = self.events.entry(event.name).or_default();
        seen.count += 1;
        for field in event.lacking(fields) {
            seen.lacking.entry(field).or_insert((0, line)).0 += 1;
        }
        if let Some(key) = fields.get("lease_key").and_then(Value::as_str) {
            self.leases.add(key);
        }
    }
}

/// serde_json's message, whose line is always the first here.
pub(super) fn without_line(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match message.strip_suffix(&place) {
        Some(what) => format!("{what}, column {}", error.column()),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Logs {
        Logs::read(&mut text.as_bytes()).unwrap()
    }

    const DOWNGRADE: &str = r#""phase":"total","elapsed_ms":1,"budget_ms":2,"mode":"hold""#;

    #[test]
    fn an_event_is_found_in_every_form_and_what_it_lacks_is_named() {
        let name = Event::SLA_DOWNGRADE.name;
        for line in [
            format!(r#"{{"event":"{name}","node_id":"n",{DOWNGRADE}}}"#),
            format!(r#"{{"msg":"{name}","extra":{{"node_id":"n",{DOWNGRADE}}}}}"#),
        ] {
            let seen = read(&line).seen(Event::SLA_DOWNGRADE);
            assert_eq!((seen.count, seen.lacking.len()), (1, 0), "{line}");
        }
        for node in ["", r#""node_id":null,"#, r#""node_id":"","#] {
            let line = format!(r#"{{"event":"{name}",{node}{DOWNGRADE}}}"#);
            let seen = read(&format!("{{}}\n{line}\n{line}\n")).seen(Event::SLA_DOWNGRADE);
            assert_eq!(Vec::from_iter(seen.lacking), [("node_id", (2, 2))]);
        }
    }

    #[test]
    fn what_is_no_json_is_broken_unless_it_is_being_written() {
        let logs = read("{}\nhello\n[1]\n{\"event\":");
        assert_eq!((logs.lines, logs.records, logs.broken.count), (4, 1, 2));
        assert!(logs.broken.named().starts_with("line 2 (no JSON object"));
    }
}
