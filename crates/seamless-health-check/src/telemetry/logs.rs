//! The platform's log: which of the documented events it holds, and with which fields.
//!
//! Which fields an event has, and when, is what the platform writes: `_build_log_extra` in its
//! `qmtl/runtime/sdk/backfill_coordinator.py`, and `seamless_data_provider.py`. How a line is read is core's
//! business.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use seamless_core::logs::{Levels, Record, RecordError};
use serde_json::{Map, Value};

use super::lines::{self, Broken, Leases, Line};

/// A documented event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LogEvent {
    pub(crate) name: &'static str,
    fields: &'static [(&'static str, When)],
}

/// When an event has a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    /// Where the lease key has its n-th part, counted from 0, as the platform splits it: at the first
    /// five colons, whatever the node id holds.
    KeyHas(usize),
    /// Where that part is a whole number.
    KeyCounts(usize),
    /// Where `reason` is this.
    ReasonIs(&'static str),
}

impl When {
    fn is_met(self, fields: &Map<String, Value>) -> bool {
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        let part = |at| text("lease_key").and_then(|key| key.splitn(6, ':').nth(at));
        match self {
            Self::Always => true,
            Self::KeyHas(at) => part(at).is_some_and(|part| !part.is_empty()),
            Self::KeyCounts(at) => part(at).is_some_and(|part| part.parse::<i64>().is_ok()),
            Self::ReasonIs(reason) => text("reason") == Some(reason),
        }
    }

    /// The condition in words, where there is one.
    fn words(self) -> String {
        match self {
            Self::Always => String::new(),
            Self::KeyHas(_) | Self::KeyCounts(_) => {
                ", though the lease key has that part".to_owned()
            }
            Self::ReasonIs(reason) => format!(", though the reason is {reason}"),
        }
    }
}

// Left out by the platform, and so not asked for: worker (a process without a worker id),
// completion_ratio (a coordinator that answers none), reason (but for failures).
const LEASE: &[(&str, When)] = &[
    ("coordinator_id", When::Always),
    ("lease_key", When::Always),
    ("node_id", When::Always),
    ("interval", When::KeyHas(1)),
    ("batch_start", When::KeyCounts(2)),
    ("batch_end", When::KeyCounts(3)),
    ("world", When::KeyHas(4)),
    ("requested_as_of", When::KeyHas(5)),
    ("lease_token", When::Always),
    ("lease_until_ms", When::Always),
];
const FAILED: &[(&str, When)] = &[
    ("coordinator_id", When::Always),
    ("lease_key", When::Always),
    ("node_id", When::Always),
    ("interval", When::KeyHas(1)),
    ("batch_start", When::KeyCounts(2)),
    ("batch_end", When::KeyCounts(3)),
    ("world", When::KeyHas(4)),
    ("requested_as_of", When::KeyHas(5)),
    ("lease_token", When::Always),
    ("lease_until_ms", When::Always),
    ("reason", When::Always),
];
const PHASE_EXCEEDED: &[(&str, When)] = &[
    ("node_id", When::Always),
    ("phase", When::Always),
    ("elapsed_ms", When::Always),
    ("budget_ms", When::Always),
    ("mode", When::Always),
];
// A downgrade for another reason than a phase over budget names no phase.
const SLA_DOWNGRADE: &[(&str, When)] = &[
    ("node_id", When::Always),
    ("mode", When::Always),
    ("reason", When::Always),
    ("phase", When::ReasonIs("sla_violation")),
    ("elapsed_ms", When::ReasonIs("sla_violation")),
    ("budget_ms", When::ReasonIs("sla_violation")),
];
// Without an artifact there is neither a fingerprint nor an as-of time, without a world no world_id.
const DOMAIN_GATE: &[(&str, When)] = &[
    ("node_id", When::Always),
    ("execution_domain", When::Always),
    ("reason", When::Always),
];

impl LogEvent {
    pub(crate) const CLAIMED: Self = Self {
        name: "seamless.backfill.coordinator_claimed",
        fields: LEASE,
    };
    pub(crate) const COMPLETED: Self = Self {
        name: "seamless.backfill.coordinator_completed",
        fields: LEASE,
    };
    pub(crate) const FAILED: Self = Self {
        name: "seamless.backfill.coordinator_failed",
        fields: FAILED,
    };
    pub(crate) const PHASE_EXCEEDED: Self = Self {
        name: "seamless.sla.phase_exceeded",
        fields: PHASE_EXCEEDED,
    };
    pub(crate) const SLA_DOWNGRADE: Self = Self {
        name: "seamless.sla.downgrade",
        fields: SLA_DOWNGRADE,
    };
    pub(crate) const GATE_DOWNGRADE: Self = Self {
        name: "seamless.domain_gate.downgrade",
        fields: DOMAIN_GATE,
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
        const EVENTS: [LogEvent; 6] = LogEvent::ALL;
        EVENTS.iter().find(|event| event.name == name)
    }

    /// The fields that a record of it lacks, though their condition is met.
    fn lacking(
        self,
        fields: &Map<String, Value>,
    ) -> impl Iterator<Item = &'static (&'static str, When)> {
        let unsaid = |name: &str| match fields.get(name) {
            None | Some(Value::Null) => true,
            Some(Value::String(text)) => text.is_empty(),
            Some(_) => false,
        };
        self.fields
            .iter()
            .filter(move |(name, when)| unsaid(name) && when.is_met(fields))
    }
}

/// In how many records a field is missing, in which line first, and under which condition it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lacking {
    pub(crate) count: u64,
    pub(crate) line: u64,
    pub(crate) condition: String,
}

/// How often an event was seen, and what it lacked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SeenEvents {
    pub(crate) count: u64,
    /// Fields that are missing although their condition is met.
    pub(crate) lacking: BTreeMap<&'static str, Lacking>,
    /// Records that have lost all their fields, and the line of the first.
    pub(crate) bare: Option<(u64, u64)>,
}

/// What a log holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Logs {
    /// Lines that are not blank.
    pub(crate) lines: u64,
    /// Of these, JSON objects.
    pub(crate) json: u64,
    pub(crate) levels: Levels,
    /// Lines that begin as JSON and are none.
    pub(crate) broken: Broken,
    events: BTreeMap<&'static str, SeenEvents>,
    /// The leases that backfill events name.
    pub(crate) leases: Leases,
}

impl Logs {
    /// Reads it to the end.
    pub(crate) fn read(reader: &mut dyn BufRead) -> io::Result<Self> {
        let mut logs = Self::default();
        lines::each(reader, |line| logs.take(&line))?;
        Ok(logs)
    }

    /// What was seen of an event.
    pub(crate) fn seen(&self, event: LogEvent) -> SeenEvents {
        self.events.get(event.name).cloned().unwrap_or_default()
    }

    fn take(&mut self, line: &Line) {
        self.lines += 1;
        if line.too_long {
            return self.broken.add(line.number, "too long");
        }
        match Record::read(line.text) {
            Ok(record) => {
                self.json += u64::from(record.is_json);
                self.levels.add(&record);
                self.note(line.number, &record);
            }
            // A line that is being written is not broken.
            Err(RecordError::Json { cut_off: true, .. }) if line.torn => {}
            Err(error) => self.broken.add(line.number, &error.to_string()),
        }
    }

    fn note(&mut self, line: u64, record: &Record) {
        let event = record.event.as_deref().and_then(LogEvent::named);
        let Some(event) = event else { return };
        let seen = self.events.entry(event.name).or_default();
        seen.count += 1;
        if record.lost_its_fields() {
            seen.bare.get_or_insert((0, line)).0 += 1;
            return;
        }
        for (name, when) in event.lacking(&record.fields) {
            let first = || Lacking {
                count: 0,
                line,
                condition: when.words(),
            };
            seen.lacking.entry(name).or_insert_with(first).count += 1;
        }
        if let Some(key) = record.fields.get("lease_key").and_then(Value::as_str) {
            self.leases.add(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Logs {
        Logs::read(&mut text.as_bytes()).unwrap()
    }

    /// `field[condition]: count, line` of each.
    fn lacking(text: &str, event: LogEvent) -> Vec<String> {
        let seen = read(text).seen(event);
        let shown = seen.lacking.iter().map(|(field, lacking)| {
            let Lacking {
                count,
                line,
                condition,
            } = lacking;
            format!("{field}{condition}: {count}, {line}")
        });
        shown.collect()
    }

    #[test]
    fn a_field_is_asked_for_only_where_the_platform_writes_it() {
        let downgrade = |rest: &str| {
            let name = LogEvent::SLA_DOWNGRADE.name;
            let line = format!(r#"{{"event":"{name}","mode":"hold"{rest}}}"#);
            lacking(&format!("{{}}\n{line}\n{line}\n"), LogEvent::SLA_DOWNGRADE)
        };
        let phase = r#","phase":"total","elapsed_ms":1,"budget_ms":2"#;
        let of = |reason: &str| format!(r#","node_id":"n","reason":"{reason}""#);
        assert_eq!(downgrade(&of("freshness_breach")), [""; 0]);
        assert_eq!(
            downgrade(&format!("{}{phase}", of("sla_violation"))),
            [""; 0]
        );
        let without = downgrade(&of("sla_violation"));
        assert_eq!(without.len(), 3);
        assert_eq!(
            without[2],
            "phase, though the reason is sla_violation: 2, 2"
        );
        for node in ["", r#","node_id":null"#, r#","node_id":"""#] {
            let rest = format!(r#"{node},"reason":"freshness_breach""#);
            assert_eq!(downgrade(&rest), ["node_id: 2, 2"]);
        }
    }

    #[test]
    fn a_lease_event_says_what_its_key_says() {
        let claimed = |key: &str, rest: &str| {
            let name = LogEvent::CLAIMED.name;
            let line = format!(
                r#"{{"message":"{name}","coordinator_id":"c","lease_key":"{key}","node_id":"n","lease_token":"t","lease_until_ms":1{rest}}}"#
            );
            lacking(&line, LogEvent::CLAIMED)
        };
        let window = r#","interval":60,"batch_start":1,"batch_end":2"#;
        assert_eq!(claimed("n:60:1:2", window), [""; 0]);
        assert_eq!(claimed("n:60:1:2::", window), [""; 0]);
        assert_eq!(
            claimed("n:60:1:2:w:", window),
            ["world, though the lease key has that part: 1, 1"]
        );
        assert_eq!(
            claimed("n:60:1:2::2024-01-01T00:00:00Z", window),
            ["requested_as_of, though the lease key has that part: 1, 1"]
        );
        // The platform splits a node id of several parts wrongly, and then has no numbers.
        let split = r#","interval":"binance","world":"60","requested_as_of":"1:2::""#;
        assert_eq!(
            claimed("ohlcv:binance:BTC/USDT:1m:60:1:2::", split),
            [""; 0]
        );
    }

    #[test]
    fn json_that_is_none_is_broken_unless_it_is_being_written() {
        let logs = read("{}\nINFO hello\n{1}\n[1]\n{\"event\":");
        assert_eq!((logs.lines, logs.json, logs.broken.count), (5, 1, 1));
        assert!(logs.broken.named().starts_with("line 3 (no JSON object"));
        assert_eq!(logs.levels.to_string(), "1 INFO");
    }
}
