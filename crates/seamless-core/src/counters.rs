//! What Prometheus and Alertmanager count of alerts sent and failed, read from their own `/metrics`.
//!
//! The reader of expositions judges the document; `prometheus-parse` then reads what it accepted. It cannot read
//! every label value, so a document of another program is refused where it would be misread.

use std::collections::BTreeMap;

use prometheus_parse::{Scrape, Value};
use thiserror::Error;

use crate::exposition::read::{Finding, ScanEvent, scan};
use crate::exposition::{Format, Scraper};

/// Why a text is no exposition of these servers.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum CountersError {
    /// The document is malformed.
    #[error(transparent)]
    Malformed(Finding),
    /// It is not what these servers write.
    #[error("not the exposition of a Prometheus or an Alertmanager: {0}")]
    Foreign(String),
}

/// Single values (counters, gauges) by name and labels.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counters {
    values: Vec<(String, BTreeMap<String, String>, f64)>,
}

impl Counters {
    /// Reads a text exposition.
    ///
    /// # Errors
    /// [`CountersError`] for a document that is malformed or of another program.
    pub fn read(document: &[u8]) -> Result<Self, CountersError> {
        // prometheus-parse splits labels at these, quoted or not.
        let misread = |value: &str| value.contains([',', '=', '}', '"', '\\']);
        let (mut samples, mut foreign) = (0, None);
        let report = scan(document, Format::Text, |event| {
            let ScanEvent::Sample(sample) = event else {
                return;
            };
            if !is_of_delivery(sample.name) {
                return;
            }
            samples += 1;
            if let Some((name, value)) = sample.labels.iter().find(|(_, value)| misread(value)) {
                foreign = Some(format!("{}: the label {name} is {value:?}", sample.name));
            }
        });
        if let Some(refused) = report.refused_by(Scraper::default()) {
            return Err(CountersError::Malformed(refused.clone()));
        }
        if let Some(text) = foreign {
            return Err(CountersError::Foreign(text));
        }
        let text = String::from_utf8_lossy(document);
        let kept = text.lines().filter(|line| {
            let name = line.strip_prefix("# TYPE ").unwrap_or(line);
            is_of_delivery(name)
        });
        let kept = kept.map(|line| Ok(line.to_owned()));
        // No sample of these has a time of its own; the given one is not looked at.
        let scrape = Scrape::parse_at(kept, Default::default())
            .map_err(|error| CountersError::Foreign(error.to_string()))?;
        let mut values = Vec::new();
        for sample in scrape.samples {
            let (Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value)) =
                sample.value
            else {
                continue;
            };
            let labels = sample.labels.iter().map(|(n, v)| (n.clone(), v.clone()));
            values.push((sample.metric, labels.collect(), value));
        }
        if values.len() != samples {
            let text = format!("{samples} samples, of which {} were read", values.len());
            return Err(CountersError::Foreign(text));
        }
        Ok(Self { values })
    }

    /// The sum of a counter over all its labels but `by`, per value of `by`. Several of one kind, as a
    /// counter has for each reason of failure, count together.
    #[must_use]
    pub fn by(&self, name: &str, by: &str) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        for (_, labels, value) in self.values.iter().filter(|(of, ..)| of == name) {
            let key = labels.get(by).cloned().unwrap_or_default();
            *sums.entry(key).or_insert(0.0) += value;
        }
        sums
    }

    /// Every series of a metric: its labels and its value.
    pub fn series<'c>(
        &'c self,
        name: &'c str,
    ) -> impl Iterator<Item = (&'c BTreeMap<String, String>, f64)> {
        let of = self.values.iter().filter(move |(of, ..)| of == name);
        of.map(|(_, labels, value)| (labels, *value))
    }

    /// The value of a metric that has one series; None without it.
    #[must_use]
    pub fn single(&self, name: &str) -> Option<f64> {
        let mut found = self.values.iter().filter(|(of, ..)| of == name);
        found.next().map(|(.., value)| *value)
    }

    /// The sum of a counter; None without any series of it.
    #[must_use]
    pub fn sum(&self, name: &str) -> Option<f64> {
        let values = self.values.iter().filter(|(of, ..)| of == name);
        values.map(|(.., value)| *value).reduce(|a, b| a + b)
    }

    /// The values of a label of a metric.
    #[must_use]
    pub fn label_values(&self, name: &str, label: &str) -> Vec<&str> {
        let of = self.values.iter().filter(|(of, ..)| of == name);
        of.filter_map(|(_, labels, _)| labels.get(label).map(String::as_str))
            .collect()
    }
}

/// Whether a name is of the few metrics that tell of delivery: the whole document holds histograms too,
/// which nobody asks for.
fn is_of_delivery(name: &str) -> bool {
    const PREFIXES: &[&str] = &[
        "prometheus_notifications_errors_total",
        "prometheus_notifications_dropped_total",
        "prometheus_notifications_sent_total",
        "prometheus_config_last_reload_success",
        "alertmanager_notification_requests_total",
        "alertmanager_notification_requests_failed_total",
        "alertmanager_notifications_total",
        "alertmanager_notifications_failed_total",
        "alertmanager_config_last_reload_success",
        "alertmanager_cluster_members",
        "alertmanager_cluster_failed_peers",
    ];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// How a counter moved between two reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Growth {
    /// By how much it grew.
    pub by: f64,
    /// What it stands at.
    pub total: f64,
}

/// The growth of each value from `before` to `after`. A counter that fell was started anew: what it holds
/// is what it grew by.
#[must_use]
pub fn growth(
    before: &BTreeMap<String, f64>,
    after: &BTreeMap<String, f64>,
) -> BTreeMap<String, Growth> {
    let grown = |(key, total): (&String, &f64)| {
        let was = before.get(key).copied().unwrap_or(0.0);
        let by = if *total < was { *total } else { total - was };
        (key.clone(), Growth { by, total: *total })
    };
    after.iter().map(grown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "\
# HELP alertmanager_notifications_failed_total The total number of failed notifications.
# TYPE alertmanager_notifications_failed_total counter
alertmanager_notifications_failed_total{integration=\"email\"} 0
alertmanager_notifications_failed_total{integration=\"pagerduty\"} 3
# HELP alertmanager_config_last_reload_successful Whether the last configuration reload attempt was successful.
# TYPE alertmanager_config_last_reload_successful gauge
alertmanager_config_last_reload_successful 1
# HELP go_info x
# TYPE go_info gauge
go_info{version=\"a,b=c}\"} 1
";
    const NEW: &str = "\
# TYPE alertmanager_notifications_failed_total counter
alertmanager_notifications_failed_total{integration=\"pagerduty\",reason=\"clientError\"} 2
alertmanager_notifications_failed_total{integration=\"pagerduty\",reason=\"other\"} 5
alertmanager_notifications_failed_total{integration=\"pagerduty\",reason=\"serverError\"} 0
";

    #[test]
    fn both_generations_are_summed_by_kind() {
        let by_kind = |text: &str| {
            let counters = Counters::read(text.as_bytes()).unwrap();
            counters.by("alertmanager_notifications_failed_total", "integration")
        };
        assert_eq!(
            by_kind(OLD),
            [("email".to_owned(), 0.0), ("pagerduty".to_owned(), 3.0)].into()
        );
        assert_eq!(by_kind(NEW), [("pagerduty".to_owned(), 7.0)].into());
        let grown = growth(&by_kind(OLD), &by_kind(NEW));
        assert_eq!(
            grown["pagerduty"],
            Growth {
                by: 4.0,
                total: 7.0
            }
        );
        // Started anew.
        let grown = growth(&by_kind(NEW), &by_kind(OLD));
        assert_eq!(
            grown["pagerduty"],
            Growth {
                by: 3.0,
                total: 3.0
            }
        );
        let counters = Counters::read(OLD.as_bytes()).unwrap();
        assert_eq!(
            counters.single("alertmanager_config_last_reload_successful"),
            Some(1.0)
        );
        assert_eq!(
            counters.sum("alertmanager_notifications_failed_total"),
            Some(3.0)
        );
        assert_eq!(counters.sum("prometheus_notifications_dropped_total"), None);
    }

    #[test]
    fn what_would_be_misread_is_refused() {
        let foreign = "prometheus_notifications_errors_total{alertmanager=\"a=b\"} 1\n";
        assert!(matches!(
            Counters::read(foreign.as_bytes()),
            Err(CountersError::Foreign(_))
        ));
        let page = "<html>sign in</html>";
        assert!(matches!(
            Counters::read(page.as_bytes()),
            Err(CountersError::Malformed(_))
        ));
    }
}
