//! What was fetched. Owns the shape of the facts and why one is missing; fetches nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use seamless_core::config::Service;
use seamless_core::coordinator::{Health, Inspection};
use seamless_core::http::{Problem, Remedy, SendError, ServiceError, TransportError};
use seamless_core::prometheus::{
    Alertmanagers, InstantSeries, LoadedGroup, MetricMetadata, RangeSeries, Target, is_not_offered,
};

use crate::check::{Need, Outcome, Skip, Verdict};
use crate::paging::Paging;
use crate::survey::Exposed;
use crate::telemetry::{Logs, Traces};

/// Something that is fetched at most once per run, by one request or one chain of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    CoordinatorHealth,
    Leases,
    Ready,
    Clock,
    Presence,
    Ages,
    MissingLabels,
    Metadata,
    Jobs,
    Targets,
    Rules,
    Retention,
    Buckets,
    Inputs,
    Alertmanagers,
    Paging,
    P99,
    P99History,
    ErrorBudget,
    Exposition,
    Logs,
    Traces,
    Receiver,
}

impl Source {
    /// Where it comes from.
    pub(crate) const fn need(self) -> Need {
        match self {
            Self::CoordinatorHealth | Self::Leases => Need::Coordinator,
            Self::Paging => Need::Alertmanager,
            Self::Exposition => Need::Exposition,
            Self::Logs => Need::Log,
            Self::Traces => Need::Traces,
            Self::Receiver => Need::Receiver,
            Self::Ready
            | Self::Clock
            | Self::Presence
            | Self::Ages
            | Self::MissingLabels
            | Self::Metadata
            | Self::Jobs
            | Self::Targets
            | Self::Rules
            | Self::Buckets
            | Self::Inputs
            | Self::Alertmanagers
            | Self::P99
            | Self::P99History
            | Self::ErrorBudget
            | Self::Retention => Need::Prometheus,
        }
    }
}

/// Why a fact is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Gap {
    /// Nobody asked for it, or there is no endpoint to ask.
    NotConfigured(String),
    /// The server does not offer it.
    NotOffered(String),
    /// Asking failed.
    Failed { message: String, hint: String },
    /// The run's time was over before an answer came.
    OutOfTime(String),
}

impl Gap {
    /// What a check comes to that needs the missing fact.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::NotConfigured(reason) => Outcome::not_applicable(reason.clone()),
            Self::NotOffered(reason) => {
                Outcome::new(Verdict::Skip(Skip::NotOffered(reason.clone())), "")
            }
            Self::Failed { message, hint } => Outcome::fail(message.clone()).hint(hint.clone()),
            Self::OutOfTime(reason) => {
                Outcome::new(Verdict::Skip(Skip::OutOfTime(reason.clone())), "")
            }
        }
    }

    pub(crate) fn failed(failure: Option<&SendError>, message: String, hint: &str) -> Self {
        match failure.map(|failure| &failure.error) {
            Some(TransportError::DeadlinePassed { .. }) => Self::OutOfTime(message),
            _ => Self::Failed {
                message,
                hint: hint.to_owned(),
            },
        }
    }
}

impl From<ServiceError> for Gap {
    fn from(error: ServiceError) -> Self {
        if is_not_offered(&error) {
            return Self::NotOffered(format!("not offered by this server ({error})"));
        }
        let failure = match &error.problem {
            Problem::NoResponse(failure) => Some(failure),
            _ => None,
        };
        let hint = match error.remedy() {
            Remedy::CheckCredentials if error.service != Service::Prometheus.name() => {
                // Without a prefix, credentials are Prometheus's.
                let prefix = error.service.to_ascii_lowercase();
                format!(
                    "check --bearer-token-file {prefix}=FILE, --header '{prefix}=NAME: VALUE' or the URL's credentials"
                )
            }
            other => seamless_cli::remedy_words(other, error.service),
        };
        Self::failed(failure, error.to_string(), &hint)
    }
}

/// A fact, or why it is missing.
pub(crate) type Fact<T> = Result<T, Gap>;

/// Where a metric that has no series now was last seen.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Presence {
    /// Series now, by exposed name and drill (empty for real series).
    pub(crate) now: BTreeMap<(String, String), f64>,
    /// When names without a series now had their last sample (seconds since the epoch), as far as the
    /// last day shows.
    pub(crate) last_seen: BTreeMap<String, f64>,
}

impl Presence {
    /// Real series under any of `names`.
    pub(crate) fn real(&self, names: &[String]) -> f64 {
        names
            .iter()
            .filter_map(|name| self.now.get(&(name.clone(), String::new())))
            .sum()
    }

    /// The drills that have series under any of `names`.
    pub(crate) fn drills(&self, names: &[String]) -> Vec<&str> {
        self.now
            .keys()
            .filter(|(name, drill)| names.contains(name) && !drill.is_empty())
            .map(|(_, drill)| drill.as_str())
            .collect()
    }
}

/// Everything that was fetched.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// The clock of this machine, in seconds since the epoch.
    pub(crate) now: f64,
    /// Values of the environment variables that must be set.
    pub(crate) environment: BTreeMap<String, bool>,
    pub(crate) coordinator_health: Fact<Health>,
    pub(crate) leases: Fact<Inspection>,
    pub(crate) ready: Fact<()>,
    /// Prometheus's clock, in seconds since the epoch.
    pub(crate) clock: Fact<f64>,
    pub(crate) presence: Fact<Presence>,
    pub(crate) ages: Fact<Vec<InstantSeries>>,
    pub(crate) missing_labels: Fact<Vec<InstantSeries>>,
    pub(crate) metadata: Fact<BTreeMap<String, Vec<MetricMetadata>>>,
    pub(crate) jobs: Fact<Vec<InstantSeries>>,
    pub(crate) targets: Fact<Vec<Target>>,
    pub(crate) rules: Fact<Vec<LoadedGroup>>,
    /// How long Prometheus keeps samples; None where their size alone limits them.
    pub(crate) retention: Fact<Option<Duration>>,
    pub(crate) buckets: Fact<Vec<InstantSeries>>,
    /// Series per exposed name of every family that a shipped alert reads.
    pub(crate) inputs: Fact<Presence>,
    pub(crate) alertmanagers: Fact<Alertmanagers>,
    /// What is known of the path of an alert.
    pub(crate) paging: Fact<Paging>,
    pub(crate) p99: Fact<Vec<InstantSeries>>,
    pub(crate) p99_history: Fact<Vec<RangeSeries>>,
    pub(crate) error_budget: Fact<Vec<InstantSeries>>,
    pub(crate) exposition: Fact<Exposed>,
    pub(crate) logs: Fact<Logs>,
    pub(crate) traces: Fact<Traces>,
    /// What the OTLP receiver answered.
    pub(crate) receiver: Fact<String>,
    /// What servers said beside their answers.
    pub(crate) warnings: Vec<String>,
}

impl Facts {
    /// Nothing but the reason why everything is missing.
    pub(crate) fn missing(now: f64, gap: &Gap) -> Self {
        Self {
            now,
            environment: BTreeMap::new(),
            coordinator_health: Err(gap.clone()),
            leases: Err(gap.clone()),
            ready: Err(gap.clone()),
            clock: Err(gap.clone()),
            presence: Err(gap.clone()),
            ages: Err(gap.clone()),
            missing_labels: Err(gap.clone()),
            metadata: Err(gap.clone()),
            jobs: Err(gap.clone()),
            targets: Err(gap.clone()),
            rules: Err(gap.clone()),
            retention: Err(gap.clone()),
            buckets: Err(gap.clone()),
            inputs: Err(gap.clone()),
            alertmanagers: Err(gap.clone()),
            paging: Err(gap.clone()),
            p99: Err(gap.clone()),
            p99_history: Err(gap.clone()),
            error_budget: Err(gap.clone()),
            exposition: Err(gap.clone()),
            logs: Err(gap.clone()),
            traces: Err(gap.clone()),
            receiver: Err(gap.clone()),
            warnings: Vec::new(),
        }
    }
}
