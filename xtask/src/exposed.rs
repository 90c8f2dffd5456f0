//! What a Prometheus exposes of itself, for those who measure one.

use anyhow::{Context as _, Result};
use seamless_lab::servers::Prometheus;

/// What a Prometheus exposes of itself.
pub(crate) struct Exposed(prometheus_parse::Scrape);

impl Exposed {
    /// Reads it.
    ///
    /// # Errors
    /// If it cannot be had or read.
    pub(crate) fn of(prometheus: &Prometheus) -> Result<Self> {
        let text = prometheus.get("/metrics", &[])?;
        let lines = text.lines().map(|line| Ok(line.to_owned()));
        prometheus_parse::Scrape::parse(lines)
            .map(Self)
            .context("cannot read what Prometheus exposes")
    }

    /// The samples of a family, each under its rule group's name.
    pub(crate) fn all(&self, family: &str) -> Vec<(String, f64)> {
        let samples = self.0.samples.iter();
        samples
            .filter(|sample| sample.metric == family)
            .filter_map(|sample| {
                let group = sample.labels.get("rule_group").unwrap_or_default();
                let name = group.rsplit(';').next().unwrap_or_default();
                match sample.value {
                    prometheus_parse::Value::Gauge(value)
                    | prometheus_parse::Value::Counter(value)
                    | prometheus_parse::Value::Untyped(value) => Some((name.to_owned(), value)),
                    _ => None,
                }
            })
            .collect()
    }

    /// The one sample of a family.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn one(&self, family: &str) -> Result<f64> {
        let found = self.all(family).first().map(|(_, value)| *value);
        found.with_context(|| format!("Prometheus exposes no {family}"))
    }
}
