//! Reading exposition text as a scraper does.
//!
//! [`scan()`] hands each statement to a visitor, keeps nothing, and reports: where which generation of
//! Prometheus refuses the document, and what is wrong although it is taken. [`parse`] collects families
//! and samples of a document that is without fault. It does not know which families a document should
//! hold.

mod cursor;
mod event;
mod family;
mod findings;
mod labels;
mod metric;
mod problem;
mod scan;
mod series;
mod statement;

use super::{Format, MetricType};

pub use event::{ExemplarRef, SampleRef, ScanEvent};
pub use labels::Label;
pub use problem::{Finding, Found, Problem};
pub use scan::{ScanReport, scan};

/// A document, read whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Exposition {
    /// The format it was read as.
    pub format: Format,
    /// Its families, in the order in which it first speaks of them.
    pub families: Vec<ParsedFamily>,
}

/// A metric family.
#[derive(Debug, Clone, PartialEq)]
pub struct ParsedFamily {
    /// The name that its comments use.
    pub name: String,
    /// What `# TYPE` says; [`MetricType::Untyped`] without one.
    pub kind: MetricType,
    /// What `# HELP` says.
    pub help: Option<String>,
    /// What `# UNIT` says.
    pub unit: Option<String>,
    /// Its samples, in the order of the document.
    pub samples: Vec<ParsedSample>,
}

/// A sample.
#[derive(Debug, Clone, PartialEq)]
pub struct ParsedSample {
    /// The line it stands on, counted from 1.
    pub line: usize,
    /// Its own name: the family's, or that with a suffix.
    pub name: String,
    /// Its labels, in the order of the document.
    pub labels: Vec<(String, String)>,
    /// Its value.
    pub value: f64,
    /// Its timestamp in milliseconds since 1970, when it has one.
    pub timestamp: Option<i64>,
    /// Its exemplar, when it has one.
    pub exemplar: Option<Exemplar>,
}

impl ParsedSample {
    /// The value of the label `name`.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        find(&self.labels, name)
    }
}

/// An exemplar.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar {
    /// Its labels.
    pub labels: Vec<(String, String)>,
    /// The observed value.
    pub value: f64,
    /// When it was observed, in milliseconds since 1970.
    pub timestamp: Option<i64>,
}

impl Exposition {
    /// The family named `name`.
    #[must_use]
    pub fn family(&self, name: &str) -> Option<&ParsedFamily> {
        self.families.iter().find(|family| family.name == name)
    }

    /// Every sample, family by family.
    pub fn samples(&self) -> impl Iterator<Item = &ParsedSample> {
        self.families.iter().flat_map(|family| &family.samples)
    }
}

/// Reads a document whose format is told by the document itself (see [`Format::detect`]).
///
/// # Errors
/// The first [`Finding`].
pub fn parse(document: &[u8]) -> Result<Exposition, Finding> {
    parse_as(document, Format::detect(document))
}

/// Reads a document in the format that its `Content-Type` named.
///
/// # Errors
/// The first [`Finding`], those first for which a scraper refuses the document.
pub fn parse_as(document: &[u8], format: Format) -> Result<Exposition, Finding> {
    let mut collect = Collect::default();
    scan(document, format, |event| collect.take(event)).sound()?;
    Ok(Exposition {
        format,
        families: collect.families,
    })
}

fn find<'a>(labels: &'a [(String, String)], name: &str) -> Option<&'a str> {
    labels
        .iter()
        .find(|(other, _)| other == name)
        .map(|(_, value)| value.as_str())
}

#[derive(Default)]
struct Collect {
    families: Vec<ParsedFamily>,
    index: std::collections::HashMap<String, usize>,
}

impl Collect {
    fn take(&mut self, event: ScanEvent<'_>) {
        match event {
            ScanEvent::Help { family, text } => {
                self.with(family, |family| family.help = Some(text.to_owned()));
            }
            ScanEvent::Type { family, kind } => self.with(family, |family| family.kind = kind),
            ScanEvent::Unit { family, unit } => {
                self.with(family, |family| family.unit = Some(unit.to_owned()));
            }
            ScanEvent::Sample(sample) => self.with(sample.family, |family| {
                family.samples.push(ParsedSample {
                    line: sample.line,
                    name: sample.name.to_owned(),
                    labels: owned(sample.labels),
                    value: sample.value,
                    timestamp: sample.timestamp,
                    exemplar: sample.exemplar.map(|exemplar| Exemplar {
                        labels: owned(exemplar.labels),
                        value: exemplar.value,
                        timestamp: exemplar.timestamp,
                    }),
                });
            }),
        }
    }

    fn with(&mut self, name: &str, change: impl FnOnce(&mut ParsedFamily)) {
        let index = self.index.get(name).copied().unwrap_or_else(|| {
            self.families.push(ParsedFamily {
                name: name.to_owned(),
                kind: MetricType::Untyped,
                help: None,
                unit: None,
                samples: Vec::new(),
            });
            self.index.insert(name.to_owned(), self.families.len() - 1);
            self.families.len() - 1
        });
        if let Some(family) = self.families.get_mut(index) {
            change(family);
        }
    }
}

fn owned(labels: &[Label<'_>]) -> Vec<(String, String)> {
    labels
        .iter()
        .map(|(name, value)| (name.clone().into_owned(), value.clone().into_owned()))
        .collect()
}

#[cfg(test)]
mod tests;
