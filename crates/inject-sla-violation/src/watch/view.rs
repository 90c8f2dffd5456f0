//! The drill as Prometheus and Alertmanager show it.

use std::sync::Arc;

use jiff::Timestamp;
use seamless_core::alertmanager::{AlertmanagerClient, HeldAlert};
use seamless_core::http::ServiceError;
use seamless_core::prometheus::{
    FiringAlert, LoadedGroup, LoadedRule, PrometheusClient, RuleType, Selector, Target, quote,
};
use seamless_core::schema::DRILL_LABEL;
use tokio::time::Instant;

use super::stage::MissReason;
use crate::request::{Course, Histograms, Request};
use crate::rulebook;
use crate::series::SeriesSet;

/// The drill, and whom to ask about it.
pub(crate) struct View {
    pub(crate) prometheus: PrometheusClient,
    pub(crate) alertmanagers: Vec<AlertmanagerClient>,
    pub(crate) request: Request,
    pub(crate) course: Course,
    pub(crate) series_set: Arc<SeriesSet>,
    /// What Prometheus is to scrape, when the drill serves it itself.
    pub(crate) served: Option<String>,
    pub(crate) start: Instant,
    /// The same moment by Prometheus's clock, as far as that could be asked.
    pub(crate) began_at: Timestamp,
}

/// The labels by which Prometheus says whom a series was scraped from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ScrapeSource {
    job: String,
    instance: String,
}

impl ScrapeSource {
    fn is(&self, target: &Target) -> bool {
        let is = |name, value: &str| target.labels.get(name) == value;
        !self.instance.is_empty() && is("job", &self.job) && is("instance", &self.instance)
    }
}

fn same_port(one: &str, other: &str) -> bool {
    let port = |url: &str| url.parse::<reqwest::Url>().ok()?.port_or_known_default();
    port(one).is_some() && port(one) == port(other)
}

impl View {
    /// What Alertmanager is to filter by.
    pub(super) fn own_label(&self) -> String {
        format!("{DRILL_LABEL}={}", quote(&self.request.drill_id))
    }

    /// The drill's alerts that the Alertmanagers hold, together.
    pub(super) async fn all_held(&self) -> Result<Vec<HeldAlert>, ServiceError> {
        let filter = [self.own_label()];
        let mut held = Vec::new();
        let mut problem = None;
        for alertmanager in &self.alertmanagers {
            match alertmanager.alerts(&filter).await {
                Ok(alerts) => held.extend(alerts),
                Err(error) => problem = Some(error),
            }
        }
        match problem {
            Some(error) if held.is_empty() => Err(error),
            _ => Ok(held),
        }
    }

    /// This drill's alerts of that name.
    pub(super) fn alerts<'l>(&self, name: &str, groups: &'l [LoadedGroup]) -> Vec<&'l FiringAlert> {
        rules_named(groups, name)
            .flat_map(|rule| &rule.alerts)
            .filter(|alert| alert.labels.get(DRILL_LABEL) == self.request.drill_id)
            .filter(|alert| self.is_new(alert))
            .collect()
    }

    /// Whether an alert became active during this drill; one that was before is none of its doing.
    fn is_new(&self, alert: &FiringAlert) -> bool {
        let active_at = alert.active_at.as_ref().and_then(|at| at.parse().ok());
        active_at.is_none_or(|at: Timestamp| at >= self.began_at)
    }

    pub(super) fn held<'l>(&self, name: &str, held: &'l [HeldAlert]) -> Vec<&'l HeldAlert> {
        held.iter()
            .filter(|alert| alert.labels.get("alertname") == name)
            .filter(|alert| alert.labels.get(DRILL_LABEL) == self.request.drill_id)
            .collect()
    }

    /// The drill's own target: the one that its samples come from, or, before there are any, the one that
    /// is announced under its id or is spelled as the drill itself spells its address.
    pub(super) fn target<'l>(
        &self,
        targets: &'l [Target],
        sources: &[ScrapeSource],
    ) -> Option<&'l Target> {
        let served = self.served.as_deref()?;
        let find =
            |is_ours: &dyn Fn(&Target) -> bool| targets.iter().find(|target| is_ours(target));
        find(&|target| sources.iter().any(|source| source.is(target)))
            .or_else(|| find(&|target| target.labels.get(DRILL_LABEL) == self.request.drill_id))
            .or_else(|| find(&|target| target.scrape_url == served))
    }

    /// A target that is down and may be the drill under a name or an address that does not lead to it: the
    /// port is all that is left to go by.
    pub(super) fn similar_target<'l>(&self, targets: &'l [Target]) -> Option<&'l Target> {
        let served = self.served.as_deref()?;
        targets
            .iter()
            .find(|target| target.health == "down" && same_port(&target.scrape_url, served))
    }

    /// The first histogram that `alert` reads and whose live series have other buckets than the drill's.
    pub(super) async fn other_buckets(
        &self,
        alert: &str,
    ) -> Result<Option<MissReason>, ServiceError> {
        if self.request.histograms == Histograms::Native {
            return Ok(None);
        }
        let file = rulebook::loaded(&self.prometheus).await?;
        let read: Vec<&str> = file
            .alerts_named(alert)
            .filter_map(|rule| file.inputs(rule).ok())
            .flat_map(|inputs| inputs.families())
            .map(|family| family.name)
            .collect();
        for family in &self.series_set.families {
            if family.edges.is_empty() || !read.contains(&family.family.name) {
                continue;
            }
            // Each layout once: fleets hold several while one is rolled out.
            let query = format!(
                "count by (le) ({}_bucket{{{DRILL_LABEL}=\"\"}})",
                family.name
            );
            let reply = self.prometheus.instant(&query, None).await?;
            let mut live: Vec<f64> = reply
                .data
                .vector()
                .iter()
                .filter_map(|series| series.metric.get("le").parse().ok())
                .filter(|edge: &f64| edge.is_finite())
                .collect();
            live.sort_by(f64::total_cmp);
            live.dedup();
            if !live.is_empty() && live != family.edges {
                return Ok(Some(MissReason::OtherBuckets {
                    family: family.family.name,
                    live,
                    drill: family.edges.to_vec(),
                }));
            }
        }
        Ok(None)
    }

    /// Where Prometheus has the drill's samples from.
    pub(super) async fn sources(&self) -> Result<Vec<ScrapeSource>, ServiceError> {
        let names = self.series_set.families.iter().flat_map(|family| {
            let name = &family.name;
            [name.clone(), format!("{name}_count")]
        });
        let selectors = names.map(|name| {
            let of_the_drill = Selector::name(&name).with(DRILL_LABEL, &self.request.drill_id);
            of_the_drill.to_string()
        });
        let any = selectors.collect::<Vec<_>>().join(" or ");
        let query = format!("count by (job, instance) ({any})");
        let reply = self.prometheus.instant(&query, None).await?;
        let vector = reply.data.vector();
        Ok(vector
            .iter()
            .map(|series| ScrapeSource {
                job: series.metric.get("job").to_owned(),
                instance: series.metric.get("instance").to_owned(),
            })
            .collect())
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

/// Who gets the alert, once Alertmanager sends it out; a drill that is silenced ends there.
pub(super) fn receivers(held: &[&HeldAlert], silenced: bool) -> Option<Option<String>> {
    if silenced {
        let by_us = held
            .iter()
            .any(|alert| !alert.status.silenced_by.is_empty());
        return by_us.then(|| Some("held, silenced by this drill".to_owned()));
    }
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
