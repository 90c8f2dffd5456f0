//! A client of the Prometheus HTTP API, and selectors to ask it with.
//!
//! Owns requests, typed answers with their warnings, and errors that keep the endpoint, the status and
//! the server's words. It follows <https://prometheus.io/docs/prometheus/latest/querying/api/>, keeps
//! to what Prometheus 2.42 and VictoriaMetrics answer, and judges nothing.

mod client;
mod labels;
mod response;
mod selector;

pub use client::{Prometheus, PrometheusError, Reply};
pub use labels::Labels;
pub use response::{
    AlertmanagerUrl, Alertmanagers, BuildInfo, FiringAlert, HistogramSample, InstantSeries,
    MetricMetadata, QueryValue, RangeSeries, RuleGroup, RuleStatus, RuleType, Sample, Target,
};
pub use selector::{Selector, quote};
