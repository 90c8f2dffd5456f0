//! Reading exposition text, strictly.
//!
//! Three ways in, from the leanest to the most convenient: [`scan()`] hands each statement to a visitor
//! and keeps nothing; [`parse`] collects families and samples; [`Exposition::metrics`] groups those
//! into counters, gauges, histograms and summaries. Every verdict on a document comes from the first:
//! what it refuses is refused by all. It does not know which families a document should hold.

mod error;
mod event;
mod line;
mod membership;
mod scan;
mod series;
mod typed;

use super::{Format, MetricType};

pub use error::{Found, Problem, ReadError};
pub use event::{Event, ExemplarRef, SampleRef};
pub use line::Label;
pub use scan::scan;
pub use typed::{Bucket, Disagreement, Metric, Quantile, Value};

/// A document, read whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Exposition {
    /// The format it was read as.
    pub format: Format,
    /// Its families, in the order in which it first speaks of them.
    pub families: Vec<Family>,
}

/// A metric family.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// The name that its comments use.
    pub name: String,
    /// What `# TYPE` says; [`MetricType::Untyped`] without one.
    pub kind: MetricType,
    /// What `# HELP` says.
    pub help: Option<String>,
    /// What `# UNIT` says.
    pub unit: Option<String>,
    /// Its samples, in the order of the document.
    pub samples: Vec<Sample>,
}

/// A sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
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

impl Sample {
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
    pub fn family(&self, name: &str) -> Option<&Family> {
        self.families.iter().find(|family| family.name == name)
    }

    /// Every sample, family by family.
    pub fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.families.iter().flat_map(|family| &family.samples)
    }
}

/// Reads a document whose format is told by the document itself (see [`Format::detect`]).
///
/// # Errors
/// [`ReadError`] at the first place that is wrong.
pub fn parse(document: &[u8]) -> Result<Exposition, ReadError> {
    parse_as(document, Format::detect(scan::as_text(document)?))
}

/// Reads a document in the format that its `Content-Type` named.
///
/// # Errors
/// [`ReadError`] at the first place that is wrong.
pub fn parse_as(document: &[u8], format: Format) -> Result<Exposition, ReadError> {
    let mut collect = Collect::default();
    scan(document, format, |event| collect.take(event))?;
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
struct Collect<'a> {
    families: Vec<Family>,
    index: std::collections::HashMap<&'a str, usize>,
}

impl<'a> Collect<'a> {
    fn take(&mut self, event: Event<'a, '_>) {
        match event {
            Event::Help { family, text } => {
                self.with(family, |family| family.help = Some(text.into_owned()));
            }
            Event::Type { family, kind } => self.with(family, |family| family.kind = kind),
            Event::Unit { family, unit } => {
                self.with(family, |family| family.unit = Some(unit.to_owned()));
            }
            Event::Sample(sample) => self.with(sample.family, |family| {
                family.samples.push(Sample {
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

    fn with(&mut self, name: &'a str, change: impl FnOnce(&mut Family)) {
        let index = *self.index.entry(name).or_insert_with(|| {
            self.families.push(Family {
                name: name.to_owned(),
                kind: MetricType::Untyped,
                help: None,
                unit: None,
                samples: Vec::new(),
            });
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
        .map(|(name, value)| ((*name).to_owned(), value.clone().into_owned()))
        .collect()
}

#[cfg(test)]
mod tests;
