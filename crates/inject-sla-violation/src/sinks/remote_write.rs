//! Prometheus remote write 1.0.
//!
//! Specification: <https://prometheus.io/docs/specs/prw/remote_write_spec/>. Series go in batches, each
//! with its labels sorted and one sample at the step's own time. At the end every series gets a
//! staleness marker, so that it ends there instead of lingering for five minutes.

use reqwest::Method;
use seamless_cli::Stop;
use seamless_core::exposition::write::Bounds;
use seamless_core::http::{self, Body, Endpoint, HttpClient, SHORT_BODY_LIMIT};
use seamless_core::remote_write::{self, TimeSeries, WriteLabel, WriteRequest, WriteSample};

use super::{Delivered, SinkError, Snapshot, accepted};
use crate::request::Request;
use crate::series::SeriesFamily;
use crate::values::Value;

/// Series per request: small enough for every receiver's bounds.
const BATCH: usize = 2000;
/// The NaN that means "this series ends here".
const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// A receiver.
pub(crate) struct RemoteWriteSink {
    http: HttpClient,
    endpoint: Endpoint,
    request: Request,
    stop: Stop,
    /// Whether the receiver may hold samples.
    written: bool,
}

impl RemoteWriteSink {
    pub(crate) fn new(
        http: &HttpClient,
        endpoint: &Endpoint,
        request: &Request,
        stop: &Stop,
    ) -> Self {
        Self {
            http: http.clone(),
            endpoint: endpoint.clone(),
            request: request.clone(),
            stop: stop.clone(),
            written: false,
        }
    }

    pub(crate) fn target(&self) -> String {
        self.endpoint.to_string()
    }

    pub(super) async fn show(&mut self, snapshot: &Snapshot) -> Result<Delivered, SinkError> {
        self.written = true;
        self.write(snapshot, snapshot.at, false).await
    }

    pub(super) async fn close(&self, last: &Snapshot) -> Result<(), SinkError> {
        if self.written {
            self.end_series(last).await
        } else {
            Ok(())
        }
    }

    /// Ends every series with a staleness marker, behind the last sample: one at its time would be a second
    /// sample at that time.
    pub(crate) async fn end_series(&self, last: &Snapshot) -> Result<(), SinkError> {
        let at = last.clock.now_ms().max(last.at + 1);
        self.write(last, at, true).await.map(drop)
    }

    async fn write(
        &self,
        snapshot: &Snapshot,
        at: i64,
        stale: bool,
    ) -> Result<Delivered, SinkError> {
        let mut batch = Vec::with_capacity(BATCH);
        for (family, values) in snapshot
            .series_set
            .families
            .iter()
            .zip(&snapshot.values.families)
        {
            for (group, value) in family.groups.iter().zip(values) {
                let samples = samples(family, value);
                for index in 0..group.copies.len() {
                    let pairs = group.pairs(&self.request, index);
                    for (name, bound, value) in &samples {
                        let value = if stale { STALE } else { *value };
                        batch.push(TimeSeries {
                            labels: labels(name, &pairs, bound.as_deref()),
                            samples: vec![WriteSample {
                                value,
                                timestamp: at,
                            }],
                            histograms: Vec::new(),
                        });
                    }
                    // A step of a million series is cut short by a signal; its end is not.
                    if !stale && self.stop.requested().is_some() {
                        return Ok(Delivered::CutShort);
                    }
                    if batch.len() >= BATCH {
                        self.send(std::mem::take(&mut batch)).await?;
                    }
                }
            }
        }
        if !batch.is_empty() {
            self.send(batch).await?;
        }
        Ok(Delivered::Whole)
    }

    async fn send(&self, timeseries: Vec<TimeSeries>) -> Result<(), SinkError> {
        let doing = "cannot write to";
        let packed = WriteRequest { timeseries }.body();
        let packed = packed.map_err(|error| SinkError {
            doing,
            target: self.target(),
            problem: error.to_string(),
            lasting: true,
        })?;
        let body = Body::Raw(remote_write::CONTENT_TYPE, remote_write::HEADERS, packed);
        let call = http::HttpRequest {
            method: Method::POST,
            // The same sample twice is the same sample.
            ..http::HttpRequest::post(
                &self.endpoint,
                self.endpoint.whole_url(),
                body,
                SHORT_BODY_LIMIT,
                true,
            )
        };
        accepted(doing, &self.target(), self.http.send(&call).await).map(drop)
    }
}

/// A sample's name, its `le` when it has one, and its value.
type NamedValue = (String, Option<String>, f64);

/// The samples of one copy.
fn samples(family: &SeriesFamily, value: &Value) -> Vec<NamedValue> {
    let name = &family.name;
    match value {
        Value::Count(count) => vec![(name.clone(), None, *count as f64)],
        Value::Level(level) => vec![(name.clone(), None, *level)],
        Value::Observations { buckets, sum, .. } => {
            let mut cumulative: u64 = 0;
            let mut parts = Vec::with_capacity(buckets.len() + 2);
            for (bound, count) in family
                .edges
                .iter()
                .copied()
                .chain([f64::INFINITY])
                .zip(buckets)
            {
                cumulative = count.saturating_add(cumulative);
                let le = Bounds::label_value(bound);
                parts.push((format!("{name}_bucket"), Some(le), cumulative as f64));
            }
            parts.push((format!("{name}_sum"), None, *sum));
            parts.push((format!("{name}_count"), None, cumulative as f64));
            parts
        }
    }
}

fn labels(name: &str, pairs: &[(&str, String)], bound: Option<&str>) -> Vec<WriteLabel> {
    let own = pairs.iter().map(|(name, value)| (*name, value.as_str()));
    let bound = bound.map(|bound| ("le", bound));
    remote_write::labels([("__name__", name)].into_iter().chain(own).chain(bound))
}
