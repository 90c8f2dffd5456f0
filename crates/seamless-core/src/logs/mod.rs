//! What one line of the platform's log says, whatever formatter wrote it.
//!
//! Owns finding an event's name, level and fields in JSON lines (python-json-logger, structlog, fields
//! beside the message or nested), in logfmt, in structlog's key-value and console output with or without
//! colours, and in text that ends in JSON. Which events there are, and what they must say, is not its
//! business; it opens no file.

mod pairs;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

use serde_json::{Map, Value};

/// Where log libraries put an event's name or text.
const NAME_FIELDS: [&str; 7] = [
    "event",
    "message",
    "msg",
    "log",
    "text",
    "name",
    "event_name",
];
/// Where they put the level.
const LEVEL_FIELDS: [&str; 6] = ["levelname", "level", "severity", "log.level", "lvl", "at"];
/// Where they put an event's fields, if not beside its name.
const NESTING_FIELDS: [&str; 10] = [
    "extra",
    "fields",
    "context",
    "data",
    "attributes",
    "payload",
    "labels",
    "jsonPayload",
    "record",
    "event_dict",
];
/// Every event of the platform begins with it.
const PREFIX: &str = "seamless.";
/// As many logs lie in one another, a container's around a process's.
const DEEPEST: usize = 4;

/// What the author of a log that has lost its fields can do.
pub const DROPPED_FIELDS: &str = "the event is there without its fields: the formatter dropped them, as \
     logging.basicConfig does; log with a formatter that keeps `extra` (python-json-logger, structlog)";

/// One line.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Record {
    /// The event of the platform that it names, such as `seamless.sla.downgrade`.
    pub event: Option<String>,
    /// The level, in upper case, `WARN` being `WARNING`.
    pub level: Option<String>,
    /// What is said beside the name.
    pub fields: Map<String, Value>,
    /// Whether the whole line is one JSON object.
    pub is_json: bool,
}

/// A line that is neither one of the forms nor plain text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It begins as a JSON object and is none.
    #[error("no JSON object: {problem}")]
    Json {
        /// What is wrong, and at which column.
        problem: String,
        /// It ends within the object, as a line does that is still being written.
        cut_off: bool,
        /// It names an event of the platform.
        names_an_event: bool,
    },
    /// Text that names an event and a JSON object that is none.
    #[error("the event's JSON cannot be read: {0}")]
    Trailing(String),
}

impl Record {
    /// Reads one line, without its end.
    ///
    /// # Errors
    /// [`RecordError`] for JSON that cannot be read. Plain text is a record without an event.
    pub fn read(line: &[u8]) -> Result<Self, RecordError> {
        let line = String::from_utf8_lossy(line);
        Self::of_text(without_colours(line.trim()).trim(), 0)
    }

    /// Whether it has no field but those of every record.
    #[must_use]
    pub fn lost_its_fields(&self) -> bool {
        let known = |name: &str| NAME_FIELDS.contains(&name) || LEVEL_FIELDS.contains(&name);
        let of_every_record = |name: &str| {
            known(name) || matches!(name, "asctime" | "timestamp" | "time" | "logger" | "when")
        };
        self.event.is_some() && self.fields.keys().all(|name| of_every_record(name))
    }

    fn of_text(line: &str, depth: usize) -> Result<Self, RecordError> {
        if !line.starts_with('{') {
            return Self::of_words(line);
        }
        match serde_json::from_str::<Map<String, Value>>(line) {
            Ok(object) => Self::of_object(object, depth),
            Err(error) => Err(RecordError::Json {
                cut_off: error.is_eof(),
                problem: problem(&error),
                names_an_event: named_event(line).is_some(),
            }),
        }
    }

    fn of_object(mut object: Map<String, Value>, depth: usize) -> Result<Self, RecordError> {
        let mut level = level_of(&object);
        let mut event = None;
        let texts = NAME_FIELDS
            .iter()
            .filter_map(|name| Some((*name, object.get(*name)?.as_str()?)));
        for (_, text) in texts {
            let text = text.trim();
            if is_event(text) {
                event = Some(text.to_owned());
                break;
            }
            // A container's log has the process's line as a text.
            if depth < DEEPEST && text.contains(PREFIX) {
                let inner = Self::of_text(&without_colours(text), depth + 1)?;
                if inner.event.is_some() && !inner.fields.is_empty() {
                    let level = inner.level.or(level);
                    return Ok(Self { level, ..inner });
                }
            }
        }
        for name in NESTING_FIELDS {
            if let Some(Value::Object(nested)) = object.remove(name) {
                level = level.or_else(|| level_of(&nested));
                let nested = Self::of_object(nested, DEEPEST)?;
                event = event.or(nested.event);
                for (name, value) in nested.fields {
                    object.entry(name).or_insert(value);
                }
            }
        }
        Ok(Self {
            event,
            level,
            fields: object,
            is_json: true,
        })
    }

    /// A line of words: pairs, JSON behind the name, or nothing that anybody knows.
    fn of_words(line: &str) -> Result<Self, RecordError> {
        let level = first_level(line);
        if !line.contains(PREFIX) {
            return Ok(Self {
                level,
                ..Self::default()
            });
        }
        let mut fields = pairs::read(line);
        let level = level_of(&fields).or(level);
        let said = NAME_FIELDS
            .iter()
            .filter_map(|name| fields.get(*name)?.as_str())
            .find(|text| is_event(text))
            .map(str::to_owned);
        let named = named_event(line);
        let event = said.or_else(|| {
            // A name that is the value of some pair is spoken of, and is not this line's event.
            let (name, _) = named?;
            let at = line.find(name)?;
            let before = line.get(..at).and_then(|before| before.chars().last());
            let quoted_or_value = matches!(before, Some('=' | '"' | '\''));
            (!quoted_or_value).then(|| name.to_owned())
        });
        if let (Some(_), Some((_, rest))) = (&event, named)
            && rest.trim_start().starts_with('{')
        {
            let object = rest.trim_start();
            let read = serde_json::Deserializer::from_str(object)
                .into_iter::<Map<String, Value>>()
                .next();
            match read {
                Some(Ok(object)) => fields = Self::of_object(object, DEEPEST)?.fields,
                Some(Err(error)) => return Err(RecordError::Trailing(problem(&error))),
                None => {}
            }
        }
        Ok(Self {
            event,
            level,
            fields,
            is_json: false,
        })
    }
}

/// How many lines of a log name which level.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Levels(BTreeMap<String, u64>);

impl Levels {
    /// Counts a line.
    pub fn add(&mut self, record: &Record) {
        if let Some(level) = &record.level {
            match self.0.get_mut(level) {
                Some(count) => *count += 1,
                None => {
                    self.0.insert(level.clone(), 1);
                }
            }
        }
    }

    /// What to do about a log that has no event of leases, which are logged at INFO.
    #[must_use]
    pub fn cure(&self) -> &'static str {
        if self.0.contains_key("INFO") || self.0.contains_key("DEBUG") {
            "check that it is the log of a worker, and that it covers the time"
        } else {
            "leases are logged at INFO: let the loggers of qmtl.runtime.sdk write that level, or check that it is the \
             log of a worker"
        }
    }
}

impl fmt::Display for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no level");
        }
        for (index, (level, count)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{count} {level}")?;
        }
        Ok(())
    }
}

/// The reader, unpacked where it holds gzip.
///
/// # Errors
/// If its first bytes cannot be read.
pub fn unpacked(reader: impl Read + 'static) -> io::Result<Box<dyn BufRead>> {
    let mut reader = BufReader::with_capacity(256 * 1024, reader);
    let is_gzip = loop {
        match reader.fill_buf() {
            Ok(start) => break start.starts_with(&[0x1f, 0x8b]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    };
    Ok(if is_gzip {
        Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(reader)))
    } else {
        Box::new(reader)
    })
}

/// `serde_json`'s message, whose line is always the first here.
fn problem(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match message.strip_suffix(&place) {
        Some(what) => format!("{what}, column {}", error.column()),
        None => message,
    }
}

fn is_event(text: &str) -> bool {
    text.starts_with(PREFIX) && text.chars().all(is_of_name)
}

const fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_')
}

/// The first event named in a text as a word of its own, and the text behind it.
fn named_event(text: &str) -> Option<(&str, &str)> {
    text.match_indices(PREFIX).find_map(|(at, _)| {
        let (before, rest) = text.split_at(at);
        if before.ends_with(is_of_name) {
            return None;
        }
        let end = rest.find(|c| !is_of_name(c)).unwrap_or(rest.len());
        Some(rest.split_at(end))
    })
}

fn level_of(fields: &Map<String, Value>) -> Option<String> {
    LEVEL_FIELDS.iter().find_map(|name| {
        let value = fields.get(*name)?;
        let text = match value {
            Value::Object(nested) => nested.get("name")?.as_str()?,
            other => other.as_str()?,
        };
        level(text.trim())
    })
}

fn level(word: &str) -> Option<String> {
    let word = word.to_ascii_uppercase();
    match word.as_str() {
        "WARN" => Some("WARNING".to_owned()),
        "FATAL" => Some("CRITICAL".to_owned()),
        "TRACE" | "DEBUG" | "INFO" | "WARNING" | "ERROR" | "CRITICAL" => Some(word),
        _ => None,
    }
}

/// The first word that is a level.
fn first_level(line: &str) -> Option<String> {
    line.split(|c: char| !c.is_ascii_alphabetic())
        .filter(|word| !word.is_empty())
        .take(24)
        .find_map(level)
}

/// A line without the escape sequences that colour it.
fn without_colours(line: &str) -> Cow<'_, str> {
    if !line.contains('\u{1b}') {
        return Cow::Borrowed(line);
    }
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        let end = after.find(|c: char| ('@'..='~').contains(&c));
        rest = end.and_then(|end| after.get(end + 1..)).unwrap_or_default();
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests;
