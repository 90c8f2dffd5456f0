//! Spans in a file as the OTLP file exporters write it: one OTLP/JSON export request a line.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, BufRead};

use seamless_core::schema::Phase;
use serde::Deserialize;

use super::lines::{self, Broken, Leases, Line};

const PIPELINE: &str = "seamless.pipeline";
/// How many unknown phases are kept.
const UNKNOWN: usize = 10;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Export<'l> {
    #[serde(borrow)]
    resource_spans: Vec<ResourceSpans<'l>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans<'l> {
    #[serde(borrow, default)]
    scope_spans: Vec<ScopeSpans<'l>>,
}

#[derive(Deserialize)]
struct ScopeSpans<'l> {
    #[serde(borrow, default)]
    spans: Vec<TraceSpan<'l>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TraceSpan<'l> {
    #[serde(borrow, default)]
    name: Cow<'l, str>,
    start_time_unix_nano: Option<Nanos<'l>>,
    end_time_unix_nano: Option<Nanos<'l>>,
    #[serde(borrow, default)]
    attributes: Vec<Attribute<'l>>,
}

/// OTLP/JSON writes 64-bit numbers as texts, and allows numbers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Nanos<'l> {
    Number(u64),
    #[serde(borrow)]
    Text(Cow<'l, str>),
}

#[derive(Deserialize)]
struct Attribute<'l> {
    #[serde(borrow)]
    key: Cow<'l, str>,
    #[serde(borrow, default)]
    value: AttributeValue<'l>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct AttributeValue<'l> {
    #[serde(borrow)]
    string_value: Option<Cow<'l, str>>,
}

impl Nanos<'_> {
    fn value(&self) -> Option<u64> {
        match self {
            Self::Number(value) => Some(*value),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

impl TraceSpan<'_> {
    fn text(&self, key: &str) -> Option<&str> {
        let attribute = self.attributes.iter().find(|found| found.key == key)?;
        attribute.value.string_value.as_deref()
    }

    fn seconds(&self) -> Option<f64> {
        let start = self.start_time_unix_nano.as_ref()?.value()?;
        let end = self.end_time_unix_nano.as_ref()?.value()?;
        Some(std::time::Duration::from_nanos(end.checked_sub(start)?).as_secs_f64())
    }
}

/// The spans of one phase.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct PhaseSpans {
    pub(crate) count: u64,
    pub(crate) longest_seconds: f64,
}

/// What traces hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Traces {
    pub(crate) lines: u64,
    pub(crate) broken: Broken,
    /// Spans of any name.
    pub(crate) spans: u64,
    /// Spans named `seamless.pipeline`.
    pub(crate) pipeline: u64,
    /// Of these, by their attribute `sla.phase`.
    pub(crate) phases: BTreeMap<Phase, PhaseSpans>,
    /// Values of `sla.phase` that are no phase, and the line where each was first.
    pub(crate) unknown_phases: BTreeMap<String, u64>,
    /// The leases that pipeline spans name.
    pub(crate) leases: Leases,
}

impl Traces {
    /// Reads them to the end.
    pub(crate) fn read(reader: &mut dyn BufRead) -> io::Result<Self> {
        let mut traces = Self::default();
        traces.lines = lines::each(reader, |line| traces.take(&line))?;
        Ok(traces)
    }

    fn take(&mut self, line: &Line) {
        if line.too_long {
            return self.broken.add(line.number, "too long");
        }
        match serde_json::from_slice::<Export>(line.text) {
            Ok(export) => {
                let resources = export.resource_spans.iter();
                let scopes = resources.flat_map(|resource| &resource.scope_spans);
                for span in scopes.flat_map(|scope| &scope.spans) {
                    self.note(line.number, span);
                }
            }
            // A line that is being written is not broken.
            Err(error) if line.torn && error.is_eof() => {}
            Err(error) => {
                let why = format!("no OTLP/JSON export of spans: {}", without_line(&error));
                self.broken.add(line.number, &why);
            }
        }
    }

    fn note(&mut self, line: u64, span: &TraceSpan) {
        self.spans += 1;
        if span.name != PIPELINE {
            return;
        }
        self.pipeline += 1;
        if let Some(key) = span.text("lease_key") {
            self.leases.add(key);
        }
        let Some(label) = span.text("sla.phase") else {
            return;
        };
        match Phase::from_label(label) {
            Some(phase) => {
                let spans = self.phases.entry(phase).or_default();
                spans.count += 1;
                let seconds = span.seconds().unwrap_or(0.0);
                spans.longest_seconds = spans.longest_seconds.max(seconds);
            }
            None if self.unknown_phases.len() < UNKNOWN => {
                self.unknown_phases.entry(label.to_owned()).or_insert(line);
            }
            None => {}
        }
    }
}

/// serde_json's message, whose line is always the first here.
fn without_line(error: &serde_json::Error) -> String {
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

    #[test]
    fn spans_are_counted_by_phase_whether_times_are_texts_or_numbers() {
        let span = |name: &str, attribute: &str, start: &str, end: &str| {
            format!(
                r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"name":"{name}","startTimeUnixNano":{start},"endTimeUnixNano":{end},"attributes":[{{"key":"{attribute}","value":{{"stringValue":"total"}}}},{{"key":"n","value":{{"intValue":"3"}}}}]}}]}}]}}]}}"#
            )
        };
        let text = [
            span(
                "seamless.pipeline",
                "sla.phase",
                "\"1000000000\"",
                "\"3500000000\"",
            ),
            span("seamless.pipeline", "sla.phase", "1000000000", "2000000000"),
            span("seamless.pipeline", "phase", "1", "2"),
            span("another", "sla.phase", "1", "2"),
            r#"{"resourceLogs":[]}"#.to_owned(),
            r#"{"resourceSpans":[{"#.to_owned(),
        ];
        let traces = Traces::read(&mut text.join("\n").as_bytes()).unwrap();
        assert_eq!((traces.lines, traces.spans, traces.pipeline), (6, 4, 3));
        let expected = PhaseSpans {
            count: 2,
            longest_seconds: 2.5,
        };
        assert_eq!(traces.phases, BTreeMap::from([(Phase::Total, expected)]));
        assert_eq!(traces.broken.count, 1);
        assert!(
            traces
                .broken
                .named()
                .contains("line 5 (no OTLP/JSON export of spans: missing field")
        );
    }
}
