//! Where histograms count their observations: what is known of the buckets.

use std::collections::BTreeMap;

use crate::schema::{FAMILIES, Kind};

/// Where a histogram's observations are counted.
#[derive(Debug, Clone, PartialEq)]
pub enum Layout {
    /// Classic buckets with these finite upper edges, in order; series may have different ones.
    Classic(Vec<f64>),
    /// A native histogram with exponential buckets: no greatest edge.
    Exponential,
    /// A native histogram with custom buckets up to this edge.
    Custom(f64),
    /// There are no series of this form.
    Absent,
    /// Not known.
    Unknown,
}

/// The layouts of histograms, by documented name: classic and native.
#[derive(Debug, Clone, Default)]
pub struct Layouts {
    pub(super) classic: BTreeMap<String, Layout>,
    pub(super) native: BTreeMap<String, Layout>,
}

impl Layouts {
    /// Those of the schema; native histograms are exponential.
    #[must_use]
    pub fn of_schema() -> Self {
        let mut layouts = Self::default();
        for family in FAMILIES {
            if let Kind::Histogram(edges) = family.kind {
                layouts.set_classic(family.name, edges.iter().copied());
                layouts.set_native(family.name, Layout::Exponential);
            }
        }
        layouts
    }

    /// Sets the finite edges of a classic histogram: the union over its series.
    pub fn set_classic(&mut self, histogram: &str, edges: impl IntoIterator<Item = f64>) {
        let mut edges: Vec<f64> = edges.into_iter().filter(|edge| edge.is_finite()).collect();
        edges.sort_by(f64::total_cmp);
        edges.dedup();
        let layout = if edges.is_empty() {
            Layout::Unknown
        } else {
            Layout::Classic(edges)
        };
        self.classic.insert(histogram.to_owned(), layout);
    }

    /// Says that there are no classic series of a histogram.
    pub fn without_classic(&mut self, histogram: &str) {
        self.classic.insert(histogram.to_owned(), Layout::Absent);
    }

    /// Sets the layout of a native histogram.
    pub fn set_native(&mut self, histogram: &str, layout: Layout) {
        self.native.insert(histogram.to_owned(), layout);
    }
}
