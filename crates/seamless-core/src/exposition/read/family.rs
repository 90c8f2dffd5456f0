//! Families: which sample belongs to which, and what a value of each type may be.

use super::problem::Problem;
use crate::exposition::{Format, MetricType};

/// The suffixes that samples of some type have.
const SUFFIXES: [&str; 8] = [
    "_bucket", "_sum", "_count", "_total", "_created", "_info", "_gsum", "_gcount",
];

/// A sample's name without one of the suffixes, and the suffix: every way to see it.
pub(super) fn owners(name: &str) -> impl Iterator<Item = (&str, &'static str)> {
    SUFFIXES
        .into_iter()
        .filter_map(move |suffix| Some((name.strip_suffix(suffix)?, suffix)))
}

/// The suffixes that samples of a type have, beside its name alone.
pub(super) const fn suffixes(kind: MetricType, format: Format) -> &'static [&'static str] {
    match (kind, format) {
        (MetricType::Histogram, Format::Text) => &["_bucket", "_sum", "_count"],
        (MetricType::Summary, Format::Text) => &["_sum", "_count"],
        (_, Format::Text) => &[],
        (MetricType::Counter, _) => &["_total", "_created"],
        (MetricType::Histogram, _) => &["_bucket", "_sum", "_count", "_created"],
        (MetricType::GaugeHistogram, _) => &["_bucket", "_gsum", "_gcount"],
        (MetricType::Summary, _) => &["_sum", "_count", "_created"],
        (MetricType::Info, _) => &["_info"],
        (MetricType::Gauge | MetricType::StateSet | MetricType::Untyped, _) => &[],
    }
}

/// Whether a family of this type has samples under its own name.
pub(super) const fn stands_alone(kind: MetricType, format: Format) -> bool {
    match (kind, format) {
        // The text format has nothing against it, and native histograms look like it.
        (_, Format::Text) => true,
        (
            MetricType::Gauge | MetricType::Summary | MetricType::StateSet | MetricType::Untyped,
            _,
        ) => true,
        _ => false,
    }
}

pub(super) fn may_have_exemplar(kind: MetricType, suffix: &str) -> bool {
    match kind {
        MetricType::Counter => suffix == "_total",
        MetricType::Histogram | MetricType::GaugeHistogram => suffix == "_bucket",
        _ => false,
    }
}

/// What is wrong with the value of a sample of that type.
pub(super) fn forbidden(
    kind: MetricType,
    suffix: &str,
    name: &str,
    quantile: bool,
    value: f64,
) -> Option<Problem> {
    let negative = value.is_nan() || value < 0.0;
    let rule = match (kind, suffix) {
        (_, "_created") => return None,
        (MetricType::Counter, _) if negative => "a counter is neither negative nor NaN",
        (MetricType::Info, _) if value != 1.0 => "an info is 1",
        (MetricType::StateSet, _) if value != 0.0 && value != 1.0 => "a state is 0 or 1",
        (MetricType::Histogram | MetricType::GaugeHistogram, "_bucket") if negative => {
            "a bucket counts"
        }
        (MetricType::Histogram | MetricType::Summary, "_count")
        | (MetricType::GaugeHistogram, "_gcount")
            if negative =>
        {
            "a count is neither negative nor NaN"
        }
        (MetricType::Histogram, "_sum") if value.is_nan() => "a sum is not NaN",
        (MetricType::GaugeHistogram, "_gsum") if value.is_nan() => "a sum is not NaN",
        (MetricType::Summary, "_sum") if negative => "a sum is neither negative nor NaN",
        (MetricType::Summary, "") if quantile && value < 0.0 => {
            "a quantile's value is not negative"
        }
        _ => return None,
    };
    Some(Problem::Forbidden {
        name: name.to_owned(),
        value: value.to_string(),
        rule,
    })
}
