//! What the reader hands to its visitor: borrowed from the document, gone after the call.

use std::borrow::Cow;

use super::line::Label;
use crate::exposition::MetricType;

/// One thing that a document states.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event<'a, 'v> {
    /// `# HELP`.
    Help {
        /// The family.
        family: &'a str,
        /// The prose, escapes undone.
        text: Cow<'a, str>,
    },
    /// `# TYPE`.
    Type {
        /// The family.
        family: &'a str,
        /// The type.
        kind: MetricType,
    },
    /// `# UNIT`, in `OpenMetrics`.
    Unit {
        /// The family.
        family: &'a str,
        /// The unit.
        unit: &'a str,
    },
    /// A sample.
    Sample(SampleRef<'a, 'v>),
}

/// A sample, as the visitor sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleRef<'a, 'v> {
    /// The line it stands on, counted from 1.
    pub line: usize,
    /// The family it belongs to.
    pub family: &'a str,
    /// That family's type.
    pub kind: MetricType,
    /// Its own name: the family's, or that with a suffix.
    pub name: &'a str,
    /// Its labels, in the order of the document.
    pub labels: &'v [Label<'a>],
    /// Its value.
    pub value: f64,
    /// Its timestamp in milliseconds since 1970, when it has one.
    pub timestamp: Option<i64>,
    /// Its exemplar, when it has one.
    pub exemplar: Option<ExemplarRef<'a, 'v>>,
}

/// An exemplar, as the visitor sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExemplarRef<'a, 'v> {
    /// Its labels.
    pub labels: &'v [Label<'a>],
    /// The observed value.
    pub value: f64,
    /// When it was observed, in milliseconds since 1970.
    pub timestamp: Option<i64>,
}
