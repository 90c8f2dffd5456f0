//! Values as Prometheus's protobuf exposition: the only format that carries native histograms.
//!
//! Schema: <https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto>. Each
//! piece is one `MetricFamily` with some copies of one group, with its length before it.

use std::sync::Arc;

use prost::Message;
use seamless_core::schema::Kind;

use crate::document::{Part, parts};
use crate::request::Histograms;
use crate::series::{SeriesFamily, SeriesSet};
use crate::values::{Native, Value, Values};

/// The `Content-Type` of this format.
pub(super) const CONTENT_TYPE: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

#[derive(Clone, PartialEq, Message)]
struct MetricFamily {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(string, optional, tag = "2")]
    help: Option<String>,
    #[prost(int32, optional, tag = "3")]
    kind: Option<i32>,
    #[prost(message, repeated, tag = "4")]
    metric: Vec<Metric>,
}

#[derive(Clone, PartialEq, Message)]
struct Metric {
    #[prost(message, repeated, tag = "1")]
    label: Vec<LabelPair>,
    #[prost(message, optional, tag = "2")]
    gauge: Option<Number>,
    #[prost(message, optional, tag = "3")]
    counter: Option<Number>,
    #[prost(message, optional, tag = "7")]
    histogram: Option<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
struct LabelPair {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(string, optional, tag = "2")]
    value: Option<String>,
}

/// A gauge's or counter's value.
#[derive(Clone, PartialEq, Message)]
struct Number {
    #[prost(double, optional, tag = "1")]
    value: Option<f64>,
}

#[derive(Clone, PartialEq, Message)]
struct Histogram {
    #[prost(uint64, optional, tag = "1")]
    sample_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    sample_sum: Option<f64>,
    #[prost(message, repeated, tag = "3")]
    bucket: Vec<Bucket>,
    #[prost(sint32, optional, tag = "5")]
    schema: Option<i32>,
    #[prost(double, optional, tag = "6")]
    zero_threshold: Option<f64>,
    #[prost(uint64, optional, tag = "7")]
    zero_count: Option<u64>,
    #[prost(message, repeated, tag = "12")]
    positive_span: Vec<Span>,
    #[prost(sint64, repeated, tag = "13")]
    positive_delta: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct Bucket {
    #[prost(uint64, optional, tag = "1")]
    cumulative_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    upper_bound: Option<f64>,
}

#[derive(Clone, PartialEq, Message)]
struct Span {
    #[prost(sint32, optional, tag = "1")]
    offset: Option<i32>,
    #[prost(uint32, optional, tag = "2")]
    length: Option<u32>,
}

/// The pieces of one document.
pub(super) fn pieces(
    series_set: Arc<SeriesSet>,
    values: Arc<Values>,
    labels_of: impl Fn(&SeriesFamily, usize, usize) -> Vec<(String, String)> + Send + 'static,
    histograms: Histograms,
) -> impl Iterator<Item = Vec<u8>> + Send {
    parts(&series_set).into_iter().map(move |part| {
        let family = &series_set.families[part.family];
        let value = &values.families[part.family][part.group];
        let metric = metric(family, value, histograms);
        let Part { group, copies, .. } = part;
        let metrics = copies.map(|copy| {
            let labels = labels_of(family, group, copy).into_iter();
            let label = labels.map(|(name, value)| LabelPair {
                name: Some(name),
                value: Some(value),
            });
            Metric {
                label: label.collect(),
                ..metric.clone()
            }
        });
        let message = MetricFamily {
            name: Some(family.name.clone()),
            help: Some(family.family.help.to_owned()),
            kind: Some(match family.family.kind {
                Kind::Counter => 0,
                Kind::Gauge => 1,
                Kind::Histogram(_) => 4,
            }),
            metric: metrics.collect(),
        };
        message.encode_length_delimited_to_vec()
    })
}

fn metric(family: &SeriesFamily, value: &Value, histograms: Histograms) -> Metric {
    let number = |value| Some(Number { value: Some(value) });
    match value {
        Value::Count(count) => Metric {
            counter: number(*count as f64),
            ..Metric::default()
        },
        Value::Level(level) => Metric {
            gauge: number(*level),
            ..Metric::default()
        },
        Value::Observations {
            buckets,
            sum,
            native,
        } => Metric {
            histogram: Some(histogram(family, buckets, *sum, native, histograms)),
            ..Metric::default()
        },
    }
}

fn histogram(
    family: &SeriesFamily,
    buckets: &[u64],
    sum: f64,
    native: &Native,
    histograms: Histograms,
) -> Histogram {
    let mut histogram = Histogram {
        sample_count: Some(buckets.iter().fold(0, |sum, n| n.saturating_add(sum))),
        sample_sum: Some(sum),
        ..Histogram::default()
    };
    if histograms != Histograms::Native {
        let mut cumulative: u64 = 0;
        let bounds = family.edges.iter().copied().chain([f64::INFINITY]);
        for (bound, count) in bounds.zip(buckets) {
            cumulative = cumulative.saturating_add(*count);
            histogram.bucket.push(Bucket {
                cumulative_count: Some(cumulative),
                upper_bound: Some(bound),
            });
        }
    }
    if histograms != Histograms::Classic {
        histogram.schema = Some(Native::SCHEMA);
        histogram.zero_threshold = Some(Native::ZERO_THRESHOLD);
        histogram.zero_count = Some(native.zero);
        let (spans, deltas) = native.spans();
        histogram.positive_span = spans
            .into_iter()
            .map(|(offset, length)| Span {
                offset: Some(offset),
                length: Some(length),
            })
            .collect();
        histogram.positive_delta = deltas;
    }
    histogram
}
