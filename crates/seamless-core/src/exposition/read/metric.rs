//! Histograms that are whole: what several samples of one metric must be together.

use std::collections::HashMap;

use super::problem::Problem;
use crate::exposition::MetricType;

/// What the samples of a histogram have shown, point by point.
struct Point {
    line: u32,
    /// Where the samples of the metric were last.
    last: u32,
    timestamp: Option<i64>,
    /// The bound and count of the last bucket.
    bucket: Option<(f64, f64)>,
    negative: bool,
    infinite: Option<f64>,
    sum: Option<f64>,
    count: Option<f64>,
}

/// One sample of a histogram.
pub(super) struct HistogramPart {
    /// Tells the metric, apart from the bucket.
    pub(super) metric: u64,
    pub(super) line: usize,
    pub(super) timestamp: Option<i64>,
    /// A bucket's bound.
    pub(super) bound: Option<f64>,
    pub(super) value: f64,
}

/// The histograms of one family.
#[derive(Default)]
pub(super) struct FamilyHistograms {
    points: HashMap<u64, Point>,
    samples: u32,
}

impl FamilyHistograms {
    /// Takes a sample; `problem` is told the line of what is wrong.
    pub(super) fn add(
        &mut self,
        kind: MetricType,
        family: &str,
        suffix: &str,
        part: &HistogramPart,
        scattered_matters: bool,
        problem: &mut impl FnMut(usize, Problem),
    ) {
        self.samples = self.samples.wrapping_add(1);
        let line = u32::try_from(part.line).unwrap_or(u32::MAX);
        let fresh = || Point {
            line,
            last: 0,
            timestamp: part.timestamp,
            bucket: None,
            negative: false,
            infinite: None,
            sum: None,
            count: None,
        };
        let mut scattered = false;
        let point = self
            .points
            .entry(part.metric)
            .and_modify(|point| {
                scattered = scattered_matters && point.last != self.samples.wrapping_sub(1);
                if point.timestamp != part.timestamp {
                    point.whole(kind, family, problem);
                    *point = fresh();
                }
            })
            .or_insert_with(fresh);
        point.last = self.samples;
        if scattered {
            problem(part.line, Problem::Scattered(family.to_owned()));
        }
        match suffix {
            "_bucket" => {
                if let Some(bound) = part.bound {
                    point.add_bucket(family, bound, part.value, |what| problem(part.line, what));
                }
            }
            "_sum" | "_gsum" => point.sum = Some(part.value),
            "_count" | "_gcount" => point.count = Some(part.value),
            _ => {}
        }
    }

    /// Says what is not whole.
    pub(super) fn finish(
        &self,
        kind: MetricType,
        family: &str,
        problem: &mut impl FnMut(usize, Problem),
    ) {
        let mut points: Vec<&Point> = self.points.values().collect();
        points.sort_unstable_by_key(|point| point.line);
        for point in points {
            point.whole(kind, family, problem);
        }
    }
}

impl Point {
    fn add_bucket(
        &mut self,
        family: &str,
        bound: f64,
        count: f64,
        mut problem: impl FnMut(Problem),
    ) {
        self.negative |= bound < 0.0;
        if let Some((last_bound, last_count)) = self.bucket {
            if bound == last_bound {
                problem(Problem::SameBucket(family.to_owned()));
            } else if bound < last_bound {
                problem(Problem::BucketOrder(family.to_owned()));
            } else if count < last_count {
                problem(Problem::BucketFalls(family.to_owned()));
            }
        }
        self.bucket = Some((bound, count));
        if bound == f64::INFINITY {
            self.infinite = Some(count);
        }
    }

    fn whole(&self, kind: MetricType, family: &str, problem: &mut impl FnMut(usize, Problem)) {
        let line = usize::try_from(self.line).unwrap_or(usize::MAX);
        let mut problem = |what| problem(line, what);
        let (sum, count) = match kind {
            MetricType::GaugeHistogram => ("_gsum", "_gcount"),
            _ => ("_sum", "_count"),
        };
        let nothing = self.bucket.is_none() && self.sum.is_none() && self.count.is_none();
        if nothing {
            return;
        }
        match (self.infinite, self.count) {
            (None, _) => problem(Problem::NoInf(family.to_owned())),
            (Some(infinite), Some(counted)) if infinite != counted => {
                problem(Problem::CountUnlikeInf(format!("{family}{count}")));
            }
            _ => {}
        }
        let lacks = |has, lacks| {
            let family = family.to_owned();
            Problem::Lacks { family, has, lacks }
        };
        match (self.sum, self.count) {
            (Some(_), None) => problem(lacks(sum, count)),
            (None, Some(_)) if !self.negative => problem(lacks(count, sum)),
            _ => {}
        }
        match (kind, self.sum) {
            (MetricType::GaugeHistogram, Some(value)) if value < 0.0 && !self.negative => {
                problem(Problem::Forbidden {
                    name: format!("{family}{sum}"),
                    value: value.to_string(),
                    rule: "a sum is negative only beside buckets below 0",
                });
            }
            (MetricType::Histogram, Some(_)) if self.negative => {
                problem(Problem::SumBesideNegative(family.to_owned()));
            }
            (MetricType::Histogram, Some(value)) if value < 0.0 => {
                problem(Problem::Forbidden {
                    name: format!("{family}{sum}"),
                    value: value.to_string(),
                    rule: "a sum is negative only beside buckets below 0",
                });
            }
            _ => {}
        }
    }
}
