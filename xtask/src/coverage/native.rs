//! The injector's histograms as native ones.
//!
//! The injector exposes text, which has no native histograms. So a Prometheus scrapes everything else
//! from it, and the histograms are written to it by remote write: each bucket's observations go where
//! the middle of the bucket lies. Message: <https://prometheus.io/docs/specs/prw/remote_write_spec/>,
//! extended by `Histogram` of Prometheus's `prompb/types.proto`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context as _, bail};
use prost::Message;
use seamless_core::exposition::MetricType;
use seamless_core::exposition::read::{self, Exposition};
use seamless_core::http::{
    Body, Endpoint, HttpClient, HttpOptions, QUERY_BODY_LIMIT, Request, SHORT_BODY_LIMIT,
};
use seamless_core::schema::{FAMILIES, Kind};
use seamless_lab::servers::{Prometheus, PrometheusBuilder};
use serde_json::json;

/// 2^(2^-3): buckets grow by 9 %.
const SCHEMA: i32 = 3;

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "4")]
    histograms: Vec<Histogram>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Histogram {
    #[prost(uint64, tag = "1")]
    count: u64,
    #[prost(double, tag = "3")]
    sum: f64,
    #[prost(sint32, tag = "4")]
    schema: i32,
    #[prost(double, tag = "5")]
    zero_threshold: f64,
    #[prost(message, repeated, tag = "11")]
    positive_spans: Vec<Span>,
    /// The first bucket's count, then how much each differs from the one before.
    #[prost(sint64, repeated, tag = "12")]
    positive_deltas: Vec<i64>,
    #[prost(int64, tag = "15")]
    timestamp: i64,
}

/// Buckets in a row.
#[derive(Clone, PartialEq, Eq, Message)]
struct Span {
    /// The index of the first; after another span, how many are left out in between.
    #[prost(sint32, tag = "1")]
    offset: i32,
    #[prost(uint32, tag = "2")]
    length: u32,
}

/// A Prometheus that scrapes everything but histograms from what `targets` announces.
pub(super) fn receiver(builder: PrometheusBuilder, targets: &Path) -> PrometheusBuilder {
    let histograms: Vec<&str> = FAMILIES
        .iter()
        .filter(|family| matches!(family.kind, Kind::Histogram(_)))
        .map(|family| family.name)
        .collect();
    builder
        .native_histograms()
        .remote_write_receiver()
        .scrape_config(json!({
            "job_name": "seamless",
            "file_sd_configs": [{"files": [targets], "refresh_interval": "1s"}],
            "metric_relabel_configs": [{
                "source_labels": ["__name__"],
                "regex": format!("({})_(bucket|sum|count)", histograms.join("|")),
                "action": "drop",
            }],
        }))
}

/// The way from the injector's text to a Prometheus.
pub(super) struct Feed {
    runtime: tokio::runtime::Runtime,
    receiver: Endpoint,
}

impl Feed {
    pub(super) fn new(receiver: &Prometheus) -> anyhow::Result<Self> {
        Ok(Self {
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
            receiver: Endpoint::parse("prometheus", &receiver.url(), "the run")?,
        })
    }

    /// Reads what the injector at that address exposes now, and writes its histograms.
    pub(super) fn step(&mut self, injector: &str) -> anyhow::Result<()> {
        let source = Endpoint::parse(
            "injector",
            &format!("http://{injector}"),
            "its announcement",
        )?;
        self.runtime.block_on(async {
            let http = HttpClient::new(HttpOptions::default(), [&source, &self.receiver])?;
            let url = source.url(&["metrics"]);
            let exposed = http
                .send(&Request::get(&source, url, QUERY_BODY_LIMIT))
                .await?;
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
            let message = WriteRequest {
                timeseries: series(
                    &read::parse(&exposed.body)?,
                    i64::try_from(now.as_millis())?,
                ),
            };
            let packed = snap::raw::Encoder::new().compress_vec(&message.encode_to_vec())?;
            let headers = &[
                ("Content-Encoding", "snappy"),
                ("X-Prometheus-Remote-Write-Version", "0.1.0"),
            ];
            let body = Body::Raw("application/x-protobuf", headers, packed);
            let url = self.receiver.url(&["api", "v1", "write"]);
            let answer = http
                .send(&Request::post(
                    &self.receiver,
                    url,
                    body,
                    SHORT_BODY_LIMIT,
                    true,
                ))
                .await
                .context("cannot write native histograms")?;
            if !answer.is_success() {
                bail!(
                    "native histograms were refused: {}: {}",
                    answer.described(),
                    String::from_utf8_lossy(&answer.body)
                );
            }
            Ok(())
        })
    }
}

/// The buckets and the sum of a histogram.
#[derive(Default)]
struct Classic {
    buckets: Vec<(f64, f64)>,
    sum: f64,
}

/// The histograms, each as one series.
fn series(exposition: &Exposition, timestamp: i64) -> Vec<TimeSeries> {
    let mut found: BTreeMap<Vec<(&str, &str)>, Classic> = BTreeMap::new();
    let histograms = exposition
        .families
        .iter()
        .filter(|family| family.kind == MetricType::Histogram);
    for family in histograms {
        for sample in &family.samples {
            let mut labels = vec![("__name__", family.name.as_str())];
            let kept = sample.labels.iter().filter(|(name, _)| name != "le");
            labels.extend(kept.map(|(name, value)| (name.as_str(), value.as_str())));
            labels.sort_unstable();
            let classic = found.entry(labels).or_default();
            match sample.label("le").and_then(|bound| bound.parse().ok()) {
                Some(bound) => classic.buckets.push((bound, sample.value)),
                None if sample.name.ends_with("_sum") => classic.sum = sample.value,
                None => {}
            }
        }
    }
    found
        .into_iter()
        .map(|(labels, classic)| TimeSeries {
            labels: labels
                .into_iter()
                .map(|(name, value)| Label {
                    name: name.to_owned(),
                    value: value.to_owned(),
                })
                .collect(),
            histograms: vec![histogram(classic.buckets, classic.sum, timestamp)],
        })
        .collect()
}

/// From (upper bound, cumulative count), in order.
fn histogram(buckets: impl IntoIterator<Item = (f64, f64)>, sum: f64, timestamp: i64) -> Histogram {
    let (mut lower, mut below) = (0.0, 0.0);
    let mut counts: BTreeMap<i32, i64> = BTreeMap::new();
    for (upper, cumulative) in buckets {
        // Nothing lies in the middle of infinity.
        let middle = if upper.is_finite() {
            f64::midpoint(lower, upper)
        } else {
            lower * 2.0
        };
        // Whole numbers, and far from the types' bounds.
        let index = (middle.log2() * f64::from(1 << SCHEMA)).ceil() as i32;
        *counts.entry(index).or_default() += (cumulative - below) as i64;
        (lower, below) = (upper, cumulative);
    }
    let mut positive_spans: Vec<Span> = Vec::new();
    let mut positive_deltas = Vec::new();
    let (mut next, mut last) = (0, 0);
    for (&index, &count) in &counts {
        match positive_spans.last_mut() {
            Some(span) if index == next => span.length += 1,
            _ => positive_spans.push(Span {
                offset: index - next,
                length: 1,
            }),
        }
        next = index + 1;
        positive_deltas.push(count - last);
        last = count;
    }
    Histogram {
        count: counts.values().map(|&count| count.unsigned_abs()).sum(),
        sum,
        schema: SCHEMA,
        zero_threshold: 1e-9,
        positive_spans,
        positive_deltas,
        timestamp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn observations_go_where_the_middle_of_their_bucket_lies() {
        // 2 up to 1, none up to 3, 3 up to 5, 1 above.
        let found = histogram(
            [(1.0, 2.0), (3.0, 2.0), (5.0, 5.0), (f64::INFINITY, 6.0)],
            24.0,
            7,
        );
        assert_eq!(found.count, 6);
        // The middles 0.5, 2, 4 and 10 are in the buckets -8, 8, 16 and 27 of eight per power of two.
        let spans: Vec<(i32, u32)> = found
            .positive_spans
            .iter()
            .map(|span| (span.offset, span.length))
            .collect();
        assert_eq!(spans, [(-8, 1), (15, 1), (7, 1), (10, 1)]);
        assert_eq!(found.positive_deltas, [2, -2, 3, -2]);
    }
}
