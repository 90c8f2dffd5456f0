//! What functions make of what they are given.

use std::f64::consts::PI;

use promql_parser::parser::{Call, Expr};

use super::evaluate::{AbstractValue, deviation, quantile, summed};
use super::interval::{INF, Range};
use super::layout::Layout;
use super::{Analysis, Reason};

impl Analysis<'_> {
    pub(super) fn call(&self, call: &Call, whole: &Expr) -> AbstractValue {
        let arguments: Vec<AbstractValue> = call
            .args
            .args
            .iter()
            .map(|arg| self.evaluate(arg))
            .collect();
        let name = call.func.name;
        match (name, arguments.as_slice()) {
            ("time", []) => AbstractValue::scalar(Range::NOT_NEGATIVE),
            ("pi", []) => AbstractValue::scalar(Range::point(PI)),
            ("vector", [value]) => AbstractValue {
                labels: super::labels::PossibleLabels::none(),
                ..value.clone()
            },
            ("scalar", [vector]) => {
                let mut fact = AbstractValue::scalar(vector.range.or_nan());
                fact.unknown.clone_from(&vector.unknown);
                fact.between_edges.clone_from(&vector.between_edges);
                if !vector.present {
                    fact.range = Range::point(f64::NAN);
                }
                fact
            }
            ("absent" | "absent_over_time", [inner]) => absent(inner, whole),
            ("histogram_quantile", [q, buckets]) => histogram_quantile(q, buckets, whole),
            ("label_replace" | "label_join", [inner, ..]) => {
                let target = call.args.args.get(1).map(|arg| &**arg);
                let mut fact = inner.clone();
                if let Some(Expr::StringLiteral(label)) = target {
                    fact.labels = fact.labels.freed(&label.val);
                }
                fact
            }
            ("sort" | "sort_desc" | "sort_by_label" | "sort_by_label_desc", [inner, ..]) => {
                inner.clone()
            }
            (_, []) => calendar(name).map_or_else(
                || AbstractValue::unknown(Reason::Function(name.to_owned())),
                |range| AbstractValue {
                    range,
                    ..AbstractValue::scalar(range)
                },
            ),
            _ => mapped(name, &arguments, whole),
        }
    }
}

fn absent(inner: &AbstractValue, whole: &Expr) -> AbstractValue {
    let mut fact = AbstractValue::scalar(Range::point(1.0));
    fact.labels = super::labels::PossibleLabels::default();
    fact.between_edges.clone_from(&inner.between_edges);
    fact.absent = inner.present;
    // Whether a metric of which nothing is known is there cannot be told, nor need it be.
    fact.filtered = true;
    if !inner.absent && inner.unknown.is_none() {
        let part = whole.to_string();
        let why = "what it asks for is always there";
        return fact.empty(Reason::Empty { part, why });
    }
    fact
}

/// The calendar's parts of a time.
fn calendar(name: &str) -> Option<Range> {
    let (low, high) = match name {
        "minute" => (0.0, 59.0),
        "hour" => (0.0, 23.0),
        "day_of_week" => (0.0, 6.0),
        "day_of_month" => (1.0, 31.0),
        "day_of_year" => (1.0, 366.0),
        "days_in_month" => (28.0, 31.0),
        "month" => (1.0, 12.0),
        "year" => return Some(Range::FINITE),
        _ => return None,
    };
    Some(Range::new(low, high))
}

/// A function of one or more values per series.
fn mapped(name: &str, arguments: &[AbstractValue], whole: &Expr) -> AbstractValue {
    let series = match (name, arguments) {
        ("quantile_over_time", [_, series]) | ("histogram_fraction", [_, _, series]) => series,
        (_, [series, ..]) => series,
        (_, []) => return AbstractValue::unknown(Reason::Function(name.to_owned())),
    };
    let range = series.range;
    let at = |index: usize| arguments.get(index).map_or(Range::ANY, |fact| fact.range);
    if series.native {
        return native(name, series);
    }
    if name == "clamp" && at(1).low > at(2).high {
        let part = whole.to_string();
        let why = "its least value is above its greatest";
        return series.clone().empty(Reason::Empty { part, why });
    }
    let spread = range.high - range.low;
    let values = match name {
        "abs" if range.low >= 0.0 => range,
        "abs" => {
            let size = range.low.abs().max(range.high.abs());
            let least = if range.high < 0.0 { -range.high } else { 0.0 };
            Range {
                low: least,
                high: size,
                nan: range.nan,
            }
        }
        "ceil" => range.rising(f64::ceil),
        "floor" => range.rising(f64::floor),
        "round" if arguments.len() == 1 => range.rising(|value| (value + 0.5).floor()),
        "round" => match at(1).single() {
            Some(to) if to != 0.0 => {
                let to = to.abs();
                Range::new(range.low - to, range.high + to).nan_if(range.nan || range.is_infinite())
            }
            _ => Range::ANY,
        },
        "sgn" => range.rising(|v| if v == 0.0 { v } else { v.signum() }),
        "sqrt" => positive(range, f64::sqrt),
        "exp" => range.rising(f64::exp),
        "ln" => positive(range, f64::ln),
        "log2" => positive(range, f64::log2),
        "log10" => positive(range, f64::log10),
        "sin" | "cos" => Range::new(-1.0, 1.0).nan_if(range.nan || range.is_infinite()),
        "deg" => range.times(Range::point(180.0 / PI)),
        "rad" => range.times(Range::point(PI / 180.0)),
        "clamp_min" => clamped(range, at(1), Range::point(INF)),
        "clamp_max" => clamped(range, Range::point(-INF), at(1)),
        "clamp" => clamped(range, at(1), at(2)),
        "timestamp" => Range::NOT_NEGATIVE,
        "rate" | "increase" | "irate" => {
            // A fall to or from NaN is not taken for a reset.
            if range.low >= 0.0 && !range.nan {
                Range::new(0.0, range.high.max(f64::MAX)).nan_if(range.is_infinite())
            } else if range.is_infinite() {
                Range::ANY
            } else {
                Range::FINITE.nan_if(range.nan)
            }
        }
        "delta" | "idelta" | "deriv" | "predict_linear" => {
            if range.nan || range.is_infinite() {
                Range::ANY
            } else {
                Range::FINITE.or_nan()
            }
        }
        "changes" | "resets" => Range::NOT_NEGATIVE,
        "count_over_time" => Range::new(1.0, f64::MAX),
        "present_over_time" => Range::point(1.0),
        "sum_over_time" => summed(range),
        "avg_over_time" | "min_over_time" | "max_over_time" | "last_over_time"
        | "first_over_time" => range.nan_if(range.is_infinite()),
        "quantile_over_time" => quantile(at(0), range),
        "stddev_over_time" => deviation(range, spread / 2.0),
        "stdvar_over_time" => deviation(range, spread * spread / 4.0),
        "mad_over_time" => deviation(range, spread),
        "histogram_count" | "histogram_sum" | "histogram_avg" | "histogram_fraction"
        | "histogram_stddev" | "histogram_stdvar" => {
            let part = whole.to_string();
            let why = "it reads native histograms, and there are none";
            return series.clone().empty(Reason::Empty { part, why });
        }
        _ => match calendar(name) {
            Some(range) => range,
            None => return not_analysed(name, arguments),
        },
    };
    // Buckets stay buckets; quantiles keep their edges where the function keeps the values.
    let (histogram, edges) = (series.histogram.clone(), series.edges.clone());
    let mut fact = series.clone().valued(values);
    match name {
        "rate" | "increase" | "irate" | "last_over_time" | "sum_over_time" => {
            fact.histogram = histogram;
        }
        _ => {}
    }
    if matches!(
        name,
        "avg_over_time"
            | "min_over_time"
            | "max_over_time"
            | "last_over_time"
            | "clamp_min"
            | "clamp_max"
    ) {
        fact.edges = edges;
    }
    if matches!(
        name,
        "rate" | "increase" | "irate" | "delta" | "idelta" | "deriv" | "predict_linear"
    ) {
        fact.absent = true;
    }
    if name == "clamp" {
        fact.absent |= at(1).high > at(2).low || at(1).nan || at(2).nan;
    }
    if matches!(
        name,
        "count_over_time" | "present_over_time" | "changes" | "resets" | "timestamp"
    ) {
        fact.unknown = series.unknown.clone().filter(|_| series.filtered);
    } else {
        let unknown = arguments.iter().find_map(|fact| fact.unknown.clone());
        fact.unknown = unknown;
    }
    fact
}

fn not_analysed(name: &str, arguments: &[AbstractValue]) -> AbstractValue {
    let mut fact = AbstractValue::unknown(Reason::Function(name.to_owned()));
    fact.between_edges = arguments
        .iter()
        .flat_map(|a| a.between_edges.clone())
        .collect();
    fact
}

/// A function that is defined from 0 on and never decreases.
fn positive(range: Range, f: impl Fn(f64) -> f64) -> Range {
    let negative = range.low < 0.0;
    if range.high < 0.0 || range.has_no_number() {
        return Range::point(f64::NAN);
    }
    let low = range.low.max(0.0);
    Range { low, ..range }.rising(f).nan_if(negative)
}

fn clamped(range: Range, least: Range, most: Range) -> Range {
    let nan = range.nan || least.nan || most.nan;
    if range.has_no_number() || least.has_no_number() || most.has_no_number() {
        return Range::point(f64::NAN);
    }
    Range {
        low: range.low.max(least.low).min(most.low),
        high: range.high.max(least.high).min(most.high),
        nan,
    }
}

/// A function of native histograms.
fn native(name: &str, series: &AbstractValue) -> AbstractValue {
    let values = match name {
        "histogram_count" => Range::NOT_NEGATIVE,
        // The schema's observations are durations.
        "histogram_sum" => Range::NOT_NEGATIVE,
        "histogram_avg" => Range::NOT_NEGATIVE.or_nan(),
        "histogram_fraction" => Range::new(0.0, 1.0).or_nan(),
        "histogram_stddev" | "histogram_stdvar" => Range::new(0.0, INF).or_nan(),
        "rate" | "increase" | "irate" | "delta" | "idelta" | "last_over_time" | "sum_over_time"
        | "avg_over_time" => {
            let mut fact = series.clone();
            fact.absent = true;
            return fact;
        }
        "count_over_time" => Range::new(1.0, f64::MAX),
        "present_over_time" => Range::point(1.0),
        "timestamp" | "changes" | "resets" => Range::NOT_NEGATIVE,
        _ => {
            return AbstractValue::unknown(Reason::Function(format!(
                "{name} of native histograms"
            )));
        }
    };
    series.clone().valued(values)
}

fn histogram_quantile(q: &AbstractValue, buckets: &AbstractValue, whole: &Expr) -> AbstractValue {
    let q_range = q.range;
    let mut fact = buckets.clone().valued(Range::ANY);
    fact.labels = buckets.labels.without(&["le".to_owned()]);
    if !buckets.present {
        return fact;
    }
    // Without `le` there are no buckets; a classic histogram alone has it.
    let lacks_le = buckets.labels.mismatch(
        &super::labels::PossibleLabels::default().fixed("le", "1"),
        None,
    );
    let (name, layout) = match &buckets.histogram {
        Some((name, layout)) => (name.clone(), layout.clone()),
        None if lacks_le.as_deref() == Some("le") && buckets.unknown.is_none() => {
            let part = whole.to_string();
            let why = "the label le was dropped, so there are no buckets";
            return fact.empty(Reason::Empty { part, why });
        }
        None => {
            fact.unknown = buckets
                .unknown
                .clone()
                .or(Some(Reason::Buckets(whole.to_string())));
            return fact;
        }
    };
    if !buckets.native && lacks_le.as_deref() == Some("le") {
        let part = whole.to_string();
        let why = "the label le was dropped, so there are no buckets";
        return fact.empty(Reason::Empty { part, why });
    }
    fact.absent = true;
    let inside = match layout {
        Layout::Classic(edges) => match (edges.first(), edges.last()) {
            (Some(first), Some(last)) => {
                let range = Range::new(first.min(0.0), *last);
                fact.edges = edges;
                range
            }
            _ => Range::point(f64::NAN),
        },
        Layout::Custom(top) => Range::new(f64::MIN, top),
        Layout::Exponential => Range::new(0.0, INF),
        Layout::Absent | Layout::Unknown => {
            fact.unknown = Some(Reason::Buckets(name));
            Range::ANY
        }
    };
    let mut range = inside.or_nan();
    if q_range.low < 0.0 {
        range.low = -INF;
    }
    if q_range.high > 1.0 {
        range.high = INF;
    }
    fact.range = range;
    fact.unknown = fact
        .unknown
        .or_else(|| q.unknown.clone())
        .or_else(|| buckets.unknown.clone());
    fact
}
