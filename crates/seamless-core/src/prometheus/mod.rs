//! A client of the Prometheus HTTP API, and selectors to ask it with.
//!
//! Owns requests, typed answers with their warnings, and errors that keep the endpoint, the status and
//! the server's words. It follows <https://prometheus.io/docs/prometheus/latest/querying/api/>, keeps
//! to what Prometheus 2.42 and VictoriaMetrics answer, and judges nothing.

mod client;
mod labels;
mod response;
mod selector;

pub use client::{PrometheusClient, WithWarnings, is_not_offered};
pub use labels::Labels;
pub use response::{
    AlertmanagerUrl, Alertmanagers, BuildInfo, FiringAlert, HistogramBucket, HistogramSample,
    InstantSeries, LoadedGroup, LoadedRule, MetricMetadata, QueryValue, RangeSeries, RuleType,
    Sample, Target,
};
pub use selector::{Selector, label_name, quote};
