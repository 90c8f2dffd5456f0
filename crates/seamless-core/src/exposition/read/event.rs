//! What the reader hands to its visitor: borrowed, gone after the call.

use super::labels::Label;
use crate::exposition::MetricType;

/// One thing that a document states.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ScanEvent<'v> {
    /// `# HELP`.
    Help {
        /// The family.
        family: &'v str,
        /// The prose, escapes undone.
        text: &'v str,
    },
    /// `# TYPE`.
    Type {
        /// The family.
        family: &'v str,
        /// The type.
        kind: MetricType,
    },
    /// `# UNIT`, in `OpenMetrics`.
    Unit {
        /// The family.
        family: &'v str,
        /// The unit.
        unit: &'v str,
    },
    /// A sample.
    Sample(SampleRef<'v>),
}

/// A sample, as the visitor sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleRef<'v> {
    /// The line it stands on, counted from 1.
    pub line: usize,
    /// The family it belongs to.
    pub family: &'v str,
    /// That family's type.
    pub kind: MetricType,
    /// Its own name: the family's, or that with a suffix.
    pub name: &'v str,
    /// Its labels, in the order of the document.
    pub labels: &'v [Label<'v>],
    /// Its value.
    pub value: f64,
    /// Its timestamp in milliseconds since 1970, when it has one.
    pub timestamp: Option<i64>,
    /// Its exemplar, when it has one.
    pub exemplar: Option<ExemplarRef<'v>>,
}

/// An exemplar, as the visitor sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExemplarRef<'v> {
    /// Its labels.
    pub labels: &'v [Label<'v>],
    /// The observed value.
    pub value: f64,
    /// When it was observed, in milliseconds since 1970.
    pub timestamp: Option<i64>,
}
