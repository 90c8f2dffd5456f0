//! The shape of what is known of the path of an alert, and of its ways by it.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use seamless_core::alertmanager::{AlertmanagerStatus, HeldAlert};
use seamless_core::analysis::{Analysis, Layouts};
use seamless_core::paging::{AlertShape, Configuration, Counters, LabelSet, Sending, Silence};
use seamless_core::prometheus::{InstantSeries, LoadedGroup};
use seamless_core::rules::RuleFile;

use super::ways::{WantedReceivers, Way, way};
use crate::gap::Fact;

/// What is known of the path of an alert.
#[derive(Debug, Clone)]
pub(crate) struct Paging {
    /// External labels and relabelling of this Prometheus.
    pub(crate) sending: Fact<Sending>,
    /// After how long Prometheus sends a firing alert again.
    pub(crate) resend: Duration,
    /// Each Alertmanager that was named, or the file that stands for one.
    pub(crate) alertmanagers: Vec<OneAlertmanager>,
    /// What Prometheus itself counts: one read, or two with the time between them.
    pub(crate) prometheus: Fact<Reads>,
    /// The same, and Alertmanager's, by query, where Prometheus scrapes them.
    pub(crate) scraped: Fact<Scraped>,
}

/// What is known when the path of an alert is judged.
#[derive(Debug)]
pub(crate) struct Facts<'s> {
    /// The clock of this machine, in seconds since the epoch.
    pub(crate) now: f64,
    /// The rules that should be loaded.
    pub(crate) expected: &'s RuleFile,
    /// The rules that are.
    pub(crate) rules: Fact<&'s [LoadedGroup]>,
    /// Whom alerts of a severity must reach.
    pub(crate) wanted: &'s WantedReceivers,
    pub(crate) paging: &'s Paging,
}

impl Facts<'_> {
    /// The moment that they are of.
    pub(crate) fn time(&self) -> Timestamp {
        Timestamp::from_millisecond((self.now * 1000.0) as i64).unwrap_or_default()
    }

    /// The shipped (or the site's) alerts as they are loaded where Prometheus says so, else as they are
    /// written, each with its severity.
    pub(crate) fn shapes(&self) -> Vec<AlertShape> {
        shapes(self.expected, &self.rules)
    }

    /// The way of every alert through one Alertmanager.
    pub(crate) fn ways(&self, alertmanager: &OneAlertmanager) -> Fact<Vec<Way>> {
        let config = alertmanager.config.as_ref().map_err(Clone::clone)?;
        let sending = self.paging.sending.clone()?;
        let mut ways: Vec<Way> = Vec::new();
        for alert in self.shapes() {
            let way = way(&alert, config, &sending, self.wanted, self.time());
            // An alert has a rule per phase or window, which mostly go the same way.
            if !ways.contains(&way) {
                ways.push(way);
            }
        }
        Ok(ways)
    }
}

/// One read of counters, or two.
#[derive(Debug, Clone)]
pub(crate) struct Reads {
    pub(crate) first: Counters,
    pub(crate) second: Option<Counters>,
    pub(crate) apart: Duration,
}

/// What grew, by query. Empty where Prometheus does not scrape the server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scraped {
    /// Errors of sending in the last minutes, per `alertmanager`.
    pub(crate) errors: Vec<InstantSeries>,
    /// Alerts dropped in the last minutes.
    pub(crate) dropped: Vec<InstantSeries>,
    /// Failed notifications in 6 hours, per `integration`.
    pub(crate) failed: Vec<InstantSeries>,
    /// Notifications in 24 hours, per `integration`.
    pub(crate) sent_of_day: Vec<InstantSeries>,
    /// Failed notifications in 24 hours, per `integration`.
    pub(crate) failed_of_day: Vec<InstantSeries>,
}

/// What is known of one Alertmanager.
#[derive(Debug, Clone)]
pub(crate) struct OneAlertmanager {
    /// Its URL, or the file.
    pub(crate) name: String,
    pub(crate) ready: Fact<()>,
    pub(crate) status: Fact<AlertmanagerStatus>,
    pub(crate) config: Fact<Configuration>,
    /// What it holds, and the time by its clock in milliseconds since the epoch.
    pub(crate) alerts: Fact<(Vec<HeldAlert>, Option<i64>)>,
    pub(crate) silences: Fact<Vec<Silence>>,
    pub(crate) counters: Fact<Reads>,
}

/// A label set of a held alert.
pub(crate) fn labels_of(alert: &HeldAlert) -> LabelSet {
    (&alert.labels).into()
}

fn shapes(expected: &RuleFile, loaded: &Fact<&[LoadedGroup]>) -> Vec<AlertShape> {
    let loaded = loaded.as_ref().map(|groups| RuleFile::loaded(groups));
    let names: BTreeSet<&str> = expected.alerts().map(|rule| rule.name.as_str()).collect();
    let file = match &loaded {
        // Nothing of it loaded is said by another check; the way is shown for what should be.
        Ok(loaded)
            if loaded
                .alerts()
                .any(|rule| names.contains(rule.name.as_str())) =>
        {
            loaded
        }
        _ => expected,
    };
    let ours = file
        .alerts()
        .filter(|rule| names.contains(rule.name.as_str()));
    ours.map(|rule| AlertShape::of(rule, file)).collect()
}

/// The labels of the alerts that fire whatever happens.
pub(crate) fn always_firing(file: &RuleFile) -> Vec<LabelSet> {
    let layouts = Layouts::of_schema();
    let analysis = Analysis::new(file, &layouts);
    let alerts = file.alerts().filter(|rule| analysis.always_fires(rule));
    let shapes = alerts.map(|rule| AlertShape::of(rule, file));
    shapes.map(|shape| shape.fixed).collect()
}
