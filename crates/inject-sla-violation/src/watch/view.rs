//! The drill as Prometheus and Alertmanager show it.

use std::sync::Arc;

use seamless_core::alertmanager::{Alertmanager, HeldAlert};
use seamless_core::prometheus::{
    FiringAlert, LoadedGroup, LoadedRule, Prometheus, RuleType, Target, quote,
};
use seamless_core::schema::DRILL_LABEL;
use tokio::time::Instant;

use crate::request::{Course, Request};
use crate::series::SeriesSet;

/// The drill, and whom to ask about it.
pub(crate) struct View {
    pub(crate) prometheus: Prometheus,
    pub(crate) alertmanager: Option<Alertmanager>,
    pub(crate) request: Request,
    pub(crate) course: Course,
    pub(crate) series_set: Arc<SeriesSet>,
    /// What Prometheus is to scrape, when the drill serves it itself.
    pub(crate) served: Option<String>,
    pub(crate) start: Instant,
}

impl View {
    /// What Alertmanager is to filter by.
    pub(super) fn own_label(&self) -> String {
        format!("{DRILL_LABEL}={}", quote(&self.request.drill_id))
    }

    /// This drill's alerts of that name.
    pub(super) fn alerts<'l>(&self, name: &str, groups: &'l [LoadedGroup]) -> Vec<&'l FiringAlert> {
        rules_named(groups, name)
            .flat_map(|rule| &rule.alerts)
            .filter(|alert| alert.labels.get(DRILL_LABEL) == self.request.drill_id)
            .collect()
    }

    pub(super) fn held<'l>(&self, name: &str, held: &'l [HeldAlert]) -> Vec<&'l HeldAlert> {
        held.iter()
            .filter(|alert| alert.labels.get("alertname") == name)
            .filter(|alert| alert.labels.get(DRILL_LABEL) == self.request.drill_id)
            .collect()
    }

    /// The drill's own target.
    pub(super) fn target<'l>(&self, targets: &'l [Target]) -> Option<&'l Target> {
        let served = self.served.as_deref()?;
        targets
            .iter()
            .find(|target| target.scrape_url == served)
            .or_else(|| {
                targets
                    .iter()
                    .find(|target| target.labels.get(DRILL_LABEL) == self.request.drill_id)
            })
    }
}

pub(super) fn rules_named<'l>(
    groups: &'l [LoadedGroup],
    name: &str,
) -> std::vec::IntoIter<&'l LoadedRule> {
    let rules: Vec<&LoadedRule> = groups
        .iter()
        .flat_map(|group| &group.rules)
        .filter(|rule| rule.kind == RuleType::Alerting && rule.name == name)
        .collect();
    rules.into_iter()
}

pub(super) fn value_of(alerts: &[&FiringAlert]) -> Option<String> {
    let value: f64 = alerts.first()?.value.parse().ok()?;
    Some(format!("value {value:.4}"))
}

/// Who gets the alert, once Alertmanager sends it out.
pub(super) fn receivers(held: &[&HeldAlert]) -> Option<Option<String>> {
    let active: Vec<_> = held
        .iter()
        .filter(|alert| alert.status.state == "active")
        .collect();
    if active.is_empty() {
        return None;
    }
    let mut names: Vec<&str> = active
        .iter()
        .flat_map(|alert| &alert.receivers)
        .map(|receiver| receiver.name.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    Some(Some(format!("to {}", names.join(", "))))
}
