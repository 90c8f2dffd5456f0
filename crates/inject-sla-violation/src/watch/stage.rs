//! The stages that an alert comes through, when it did, and why it did not.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use seamless_core::duration;
use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::json;
use crate::prediction::Obstacle;

/// A stage on the way of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// Prometheus scrapes the drill.
    Target,
    /// Prometheus has a sample of the drill.
    Sample,
    /// The alert's expression returns a series of the drill.
    Expression,
    /// The alert is pending.
    Pending,
    /// The alert is firing.
    Firing,
    /// Alertmanager has it and sends it out.
    Received,
    /// Every integration of its receivers was called and answered well.
    Notified,
    /// It is over, after the recovery.
    Resolved,
}

impl Stage {
    /// Its name, in the JSON report too.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Sample => "sample",
            Self::Expression => "expression",
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Received => "received",
            Self::Notified => "notified",
            Self::Resolved => "resolved",
        }
    }

    /// What has happened when it is reached.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Target => "Prometheus scrapes the drill",
            Self::Sample => "Prometheus has its samples",
            Self::Expression => "the expression is true",
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Received => "in Alertmanager",
            Self::Notified => "the receivers were told",
            Self::Resolved => "resolved",
        }
    }
}

/// A stage that was reached.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Reached {
    pub(crate) stage: Stage,
    #[serde(rename = "reached_at", serialize_with = "json::rfc3339")]
    pub(crate) at: Timestamp,
    /// Since the start of the drill.
    #[serde(rename = "after_seconds", serialize_with = "json::seconds")]
    pub(crate) after: Duration,
    pub(crate) detail: Option<String>,
}

/// The first stage that was not reached, and why.
#[derive(Debug, Clone)]
pub(crate) struct Missed {
    pub(crate) stage: Stage,
    pub(crate) reason: MissReason,
}

impl Serialize for Missed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut missed = serializer.serialize_struct("Missed", 3)?;
        missed.serialize_field("stage", &self.stage)?;
        missed.serialize_field("reason", self.reason.name())?;
        missed.serialize_field("text", &self.reason.to_string())?;
        missed.end()
    }
}

/// An expected alert: how far it has come.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Expectation {
    pub(crate) alert: String,
    #[serde(rename = "stages")]
    pub(crate) reached: Vec<Reached>,
    pub(crate) missed: Option<Missed>,
}

impl Expectation {
    pub(crate) fn new(alert: &str) -> Self {
        Self {
            alert: alert.to_owned(),
            reached: Vec::new(),
            missed: None,
        }
    }

    pub(crate) fn has(&self, stage: Stage) -> bool {
        self.reached.iter().any(|reached| reached.stage == stage)
    }

    /// The first of `stages` that has not been reached; none where it is known that it will not be.
    pub(crate) fn next(&self, stages: &[Stage]) -> Option<Stage> {
        let mut stages = stages.iter().copied();
        stages.find(|stage| !self.has(*stage) && self.missed.is_none())
    }
}

/// Why a stage was missed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum MissReason {
    /// The servers could not be asked: nothing is known.
    CannotAsk(String),
    /// It is not there, that is known; why could not be asked.
    Unexplained(String),
    /// Prometheus scrapes other things, and not the drill.
    NoTarget {
        url: String,
        others: usize,
        /// A target that is down and may be meant.
        similar: Option<String>,
    },
    /// Prometheus scrapes the drill and fails.
    TargetDown { error: String },
    /// Prometheus has no series of the drill.
    NoSample { scraped: bool },
    /// The series are there under another drill's label.
    OtherDrill { found: Vec<String> },
    /// The rule cannot be evaluated.
    RuleFails { error: String },
    /// What the rules and the request say against it.
    Obstacle(Obstacle),
    /// The expression holds, and for series without this drill's label.
    RuleDropsDrill { found: Vec<String> },
    /// The expression returns nothing.
    ExpressionEmpty,
    /// The expression holds, and the rule has not been evaluated since.
    NotEvaluated { last: String },
    /// `for` is not over.
    StillPending {
        since: Option<String>,
        pending_for: Duration,
    },
    /// Prometheus sends its alerts to no Alertmanager.
    NoAlertmanager,
    /// Alertmanager does not have it.
    NotReceived { sent_to: Vec<String> },
    /// A silence holds it back.
    Silenced { by: Vec<String> },
    /// Another alert holds it back.
    Inhibited { by: Vec<String> },
    /// It goes to other receivers than the one that was expected.
    OtherReceiver { wanted: String, found: Vec<String> },
    /// The receiver has no integration: nobody is told.
    NoIntegration(String),
    /// A request of an integration failed.
    NotificationFailed {
        kind: String,
        requests: f64,
        failures: f64,
    },
    /// No request of these integrations has ended.
    NoRequest {
        kinds: Vec<String>,
        waited: Duration,
    },
    /// Alertmanager's counters leave open whose request it was.
    CannotTellDelivery(String),
    /// The alert came through, and could not on the live series: they have other buckets.
    OtherBuckets {
        family: &'static str,
        live: Vec<f64>,
        drill: Vec<f64>,
    },
    /// It still fires, or is still held.
    NotResolved { value: Option<String>, held: bool },
}

impl MissReason {
    /// Its name in the JSON report.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::CannotAsk(_) => "cannot_ask",
            Self::Unexplained(_) => "unexplained",
            Self::NoTarget { .. } => "no_target",
            Self::TargetDown { .. } => "target_down",
            Self::NoSample { .. } => "no_sample",
            Self::OtherDrill { .. } => "other_drill_label",
            Self::RuleFails { .. } => "rule_fails",
            Self::Obstacle(obstacle) => obstacle.name(),
            Self::RuleDropsDrill { .. } => "rule_drops_drill_label",
            Self::ExpressionEmpty => "expression_empty",
            Self::NotEvaluated { .. } => "not_evaluated",
            Self::StillPending { .. } => "still_pending",
            Self::NoAlertmanager => "no_alertmanager",
            Self::NotReceived { .. } => "not_received",
            Self::Silenced { .. } => "silenced",
            Self::Inhibited { .. } => "inhibited",
            Self::OtherBuckets { .. } => "other_buckets",
            Self::OtherReceiver { .. } => "other_receiver",
            Self::NoIntegration(_) => "no_integration",
            Self::NotificationFailed { .. } => "notification_failed",
            Self::NoRequest { .. } => "no_request",
            Self::CannotTellDelivery(_) => "cannot_tell_delivery",
            Self::NotResolved { .. } => "not_resolved",
        }
    }
}

impl MissReason {
    /// Whether the stage may have been reached all the same.
    pub(crate) const fn is_unknown(&self) -> bool {
        matches!(self, Self::CannotAsk(_) | Self::CannotTellDelivery(_))
    }
}

impl fmt::Display for MissReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CannotAsk(error) => write!(f, "could not ask: {error}"),
            Self::Unexplained(error) => {
                write!(f, "the alert is not there, and why could not be asked: {error}")
            }
            Self::NoTarget {
                url,
                others,
                similar,
            } => write!(
                f,
                "Prometheus has no target {url} ({others} known); add it to its scrape configuration, or give --file-sd \
                 a path that it watches{}",
                similar.as_ref().map_or(String::new(), |similar| format!(
                    "; the target {similar} is down: is it this one under another address?"
                ))
            ),
            Self::TargetDown { error } => write!(f, "the target is down: {error}"),
            Self::NoSample { scraped: true } => {
                f.write_str("the target is up, and Prometheus has no series of the drill; look for metric_relabel_configs that drop them")
            }
            Self::NoSample { scraped: false } => f.write_str(
                "Prometheus has no series of the drill; does it scrape what the series are sent to?",
            ),
            Self::OtherDrill { found } if found.iter().all(|drill| drill == "\"\"") => f.write_str(
                "the series are there without the label `drill`: a relabelling of the scrape drops it \
                 (metric_relabel_configs); keep it",
            ),
            Self::OtherDrill { found } => write!(
                f,
                "the series are there under another drill's label, {}; remove the label `drill` from the target, \
                 or set honor_labels",
                found.join(", ")
            ),
            Self::RuleFails { error } => write!(f, "the rule cannot be evaluated: {error}"),
            Self::Obstacle(obstacle) => obstacle.fmt(f),
            Self::RuleDropsDrill { found } => write!(
                f,
                "the expression is true, but not for this drill's label: {}; an aggregation must keep `drill`",
                found.join(", ")
            ),
            Self::ExpressionEmpty => f.write_str(
                "the expression is not true for this drill's series; query them by their label `drill`, and compare their labels and \
                 values with the expression",
            ),
            Self::NotEvaluated { last } => write!(
                f,
                "the expression is true, and the rule was last evaluated {last}; wait longer than its group's interval"
            ),
            Self::StillPending { since, pending_for } => {
                f.write_str("still pending")?;
                if let Some(since) = since {
                    write!(f, " since {since}")?;
                }
                write!(
                    f,
                    "; the rule waits {}, so give a longer --within",
                    duration::format(*pending_for)
                )
            }
            Self::NoAlertmanager => {
                f.write_str("Prometheus sends its alerts to no Alertmanager; configure `alerting`")
            }
            Self::NotReceived { sent_to } => write!(
                f,
                "Alertmanager does not have it; Prometheus sends its alerts to {}",
                sent_to.join(", ")
            ),
            Self::Silenced { by } => write!(f, "silenced by {}", by.join(", ")),
            Self::Inhibited { by } => write!(f, "inhibited by {}", by.join(", ")),
            Self::OtherBuckets {
                family,
                live,
                drill,
            } => write!(
                f,
                "the drill's own alert came through, and says little about real ones: the live series of {family} have \
                 other buckets (up to {}, the drill's up to {}); give the platform the schema's buckets \
                 (seamless-health-check --explain alerting/can-fire), or rehearse with --buckets platform",
                live.last().copied().unwrap_or_default(),
                drill.last().copied().unwrap_or_default()
            ),
            Self::OtherReceiver { wanted, found } => write!(
                f,
                "its group is at {}, not at {wanted}; compare the routes with its labels (amtool config routes test)",
                found.join(", ")
            ),
            Self::NoIntegration(receiver) => {
                write!(f, "the receiver {receiver} has no integration: nobody is told")
            }
            Self::NotificationFailed {
                kind,
                requests,
                failures,
            } => write!(
                f,
                "{kind} was called and did not take it ({requests} requests ended, {failures} failures counted); \
                 Alertmanager's log says what it answered"
            ),
            Self::NoRequest { kinds, waited } => write!(
                f,
                "no request to {} has ended within {} of the group's appearance; one that hangs is counted as failed \
                 only after group_interval",
                kinds.join(", "),
                duration::format(*waited)
            ),
            Self::CannotTellDelivery(why) => write!(f, "unknown whether the receivers were told: {why}"),
            Self::NotResolved { value, held } => {
                if *held {
                    return f.write_str(
                        "Prometheus has resolved it, and Alertmanager still holds it; give a longer --within",
                    );
                }
                f.write_str("still firing")?;
                if let Some(value) = value {
                    write!(f, " with {value}")?;
                }
                f.write_str("; what it looks back over must pass first, so give a longer --within")
            }
        }
    }
}
