//! Which series stand in a document more than once.
//!
//! Keeps one number per sample. Only where two are the same is the document read again, to find their
//! lines: sound documents pay nothing for it.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use super::labels::Label;
use super::problem::Problem;
use crate::exposition::Format;

/// Tells series apart by a keyed hash of name and labels, whose order is irrelevant. The keys are
/// random, so that nobody can write a document in which two different series meet.
#[derive(Default)]
pub(super) struct Hasher(RandomState);

impl Hasher {
    pub(super) fn series(&self, name: &str, labels: &[Label<'_>]) -> u64 {
        self.without(name, labels, "")
    }

    /// The same, as if the label `left_out` were not there. A label without a value is none.
    pub(super) fn without(&self, name: &str, labels: &[Label<'_>], left_out: &str) -> u64 {
        labels
            .iter()
            .filter(|(label, value)| label != left_out && !value.is_empty())
            .fold(self.0.hash_one(name), |sum, label| {
                sum.wrapping_add(self.0.hash_one(label))
            })
    }
}

/// The series seen.
#[derive(Default)]
pub(super) struct SeenSeries(Vec<u64>);

impl SeenSeries {
    pub(super) fn add(&mut self, series: u64) {
        self.0.push(series);
    }

    /// Those that were seen more than once.
    pub(super) fn repeated(mut self) -> HashSet<u64> {
        self.0.sort_unstable();
        let pairs = self.0.iter().zip(self.0.iter().skip(1));
        pairs
            .filter_map(|(one, next)| (one == next).then_some(*one))
            .collect()
    }
}

/// The samples of repeated series, read again.
pub(super) struct Repeated {
    format: Format,
    /// Line and timestamp of the sample before.
    before: HashMap<u64, (usize, Option<i64>)>,
}

impl Repeated {
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            before: HashMap::new(),
        }
    }

    /// Takes a sample of a repeated series.
    pub(super) fn add(
        &mut self,
        series: u64,
        line: usize,
        timestamp: Option<i64>,
    ) -> Option<Problem> {
        let (first, then) = *self
            .before
            .entry(series)
            .and_modify(|_| {})
            .or_insert((line, timestamp));
        if first == line {
            return None;
        }
        match (then, timestamp) {
            // OpenMetrics lets one series have several points, in the order of their time.
            (Some(then), Some(now)) if then < now => {
                self.before.insert(series, (line, timestamp));
                (self.format == Format::Text).then_some(Problem::SecondPoint { first })
            }
            (Some(_), Some(_)) => Some(Problem::NotLater { before: first }),
            _ => Some(Problem::DuplicateSeries { first }),
        }
    }
}
