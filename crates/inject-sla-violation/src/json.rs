//! How values look in the JSON documents.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

/// A value as an indented JSON document.
pub(crate) fn document(value: &impl Serialize) -> String {
    // These types hold nothing that JSON cannot: string keys, and numbers that are finite.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

/// A moment in UTC, to the millisecond.
pub(crate) fn rfc3339<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{at:.3}"))
}

/// Seconds, to the millisecond.
pub(crate) fn seconds<S: Serializer>(
    duration: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((duration.as_secs_f64() * 1000.0).round() / 1000.0)
}

/// Seconds, to the millisecond, or null.
pub(crate) fn some_seconds<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => seconds(duration, serializer),
        None => serializer.serialize_none(),
    }
}
