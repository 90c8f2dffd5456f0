//! Which samples a family of each type has, and what those must carry.

use super::error::Problem;
use super::line::Label;
use crate::exposition::{Format, MetricType};

pub(super) fn suffix_belongs(kind: MetricType, suffix: &str, format: Format) -> bool {
    match (kind, format) {
        (MetricType::Histogram, Format::Text) => matches!(suffix, "_bucket" | "_sum" | "_count"),
        (MetricType::Summary, Format::Text) => matches!(suffix, "_sum" | "_count"),
        (_, Format::Text) => false,
        (MetricType::Counter, _) => matches!(suffix, "_total" | "_created"),
        (MetricType::Histogram, _) => {
            matches!(suffix, "_bucket" | "_sum" | "_count" | "_created")
        }
        (MetricType::GaugeHistogram, _) => matches!(suffix, "_bucket" | "_gsum" | "_gcount"),
        (MetricType::Summary, _) => matches!(suffix, "_sum" | "_count" | "_created"),
        (MetricType::Info, _) => suffix == "_info",
        (MetricType::Gauge | MetricType::StateSet | MetricType::Untyped, _) => false,
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

pub(super) fn may_have_exemplar(kind: MetricType, name: &str) -> bool {
    match kind {
        MetricType::Counter => name.ends_with("_total"),
        MetricType::Histogram | MetricType::GaugeHistogram => name.ends_with("_bucket"),
        _ => false,
    }
}

pub(super) fn check_bound(
    family: &str,
    kind: MetricType,
    name: &str,
    labels: &[Label<'_>],
) -> Result<(), Problem> {
    let label = match kind {
        MetricType::Histogram | MetricType::GaugeHistogram
            if name.strip_prefix(family) == Some("_bucket") =>
        {
            "le"
        }
        MetricType::Summary if name == family => "quantile",
        _ => return Ok(()),
    };
    let bounded = labels
        .iter()
        .any(|(name, value)| *name == label && value.parse::<f64>().is_ok());
    if bounded {
        Ok(())
    } else {
        let name = name.to_owned();
        Err(Problem::Bound { name, label })
    }
}
