//! The metric schema: what a Seamless runtime exposes, as data.
//!
//! Owns the names, types, labels, units, buckets and budgets of every family, the names under which a
//! family may be exposed, and which alerts exist with what they need. Dashboards, rules, the docs
//! table, the health check and the injector all derive from here. It reads nothing and decides
//! nothing.

use std::fmt;

/// The label every synthetic series carries and no real one has; its value names the drill.
pub const DRILL_LABEL: &str = "drill";

/// Labels that together name a domain.
pub const DOMAIN_LABELS: &[&str] = &["node_id", "interval", "world_id"];

/// Upper bounds of the `seamless_sla_deadline_seconds` buckets, in seconds, without `+Inf`.
pub const SECONDS_BUCKETS: &[f64] = &[
    0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 3.0, 5.0, 10.0, 15.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0,
    240.0, 300.0, 600.0,
];

/// Upper bounds of the buckets of the `_ms` families, in milliseconds, without `+Inf`.
pub const MILLISECONDS_BUCKETS: &[f64] = &[
    50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 3000.0, 5000.0, 10_000.0, 15_000.0, 30_000.0,
    45_000.0, 60_000.0, 90_000.0, 120_000.0, 180_000.0, 240_000.0, 300_000.0, 600_000.0,
];

/// Upper bounds that Prometheus's client libraries use unless told otherwise, in whatever unit the family has,
/// without `+Inf`.
pub const CLIENT_BUCKETS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// The share of requests that must finish within the total budget.
pub const SLO_OBJECTIVE: f64 = 0.99;
/// The window over which [`SLO_OBJECTIVE`] holds, in days.
pub const SLO_WINDOW_DAYS: u32 = 30;
/// The lowest acceptable `coverage_ratio`.
pub const MIN_COVERAGE: f64 = 0.98;
/// The highest acceptable `live_staleness_seconds`, in seconds.
pub const MAX_STALENESS_SECONDS: f64 = 45.0;
/// The share of a budget from which a phase counts as approaching it.
pub const BUDGET_WARNING_SHARE: f64 = 0.8;
/// The completion below which a lease that does not move counts as stuck.
pub const STUCK_RATIO: f64 = 0.5;

/// The values seen in the `flag_type` label of `seamless_conformance_flag_total`.
pub const FLAG_TYPES: &[&str] = &[
    "missing_column",
    "dtype_cast",
    "dtype_mismatch",
    "non_finite",
    "ts_cast",
    "ts_timezone_normalized",
    "gap",
    "invalid_timestamp",
    "duplicate_ts",
];

/// A part of a request that has a budget of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Waiting for storage.
    StorageWait,
    /// Waiting for a backfill.
    BackfillWait,
    /// Waiting for the live feed.
    LiveWait,
    /// The whole request.
    Total,
}

impl Phase {
    /// Every phase, in the order in which they are shown.
    pub const ALL: [Self; 4] = [
        Self::StorageWait,
        Self::BackfillWait,
        Self::LiveWait,
        Self::Total,
    ];

    /// The value of the `phase` label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::StorageWait => "storage_wait",
            Self::BackfillWait => "backfill_wait",
            Self::LiveWait => "live_wait",
            Self::Total => "total",
        }
    }

    /// The phase whose label is `label`.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.label() == label)
    }

    /// The shipped budget, in seconds.
    #[must_use]
    pub const fn budget_seconds(self) -> f64 {
        match self {
            Self::StorageWait => 3.0,
            Self::BackfillWait => 45.0,
            Self::LiveWait => 5.0,
            Self::Total => 60.0,
        }
    }

    /// The per-domain histogram of this phase, in milliseconds.
    #[must_use]
    pub const fn domain_family(self) -> &'static str {
        match self {
            Self::StorageWait => "seamless_storage_wait_ms",
            Self::BackfillWait => "seamless_backfill_wait_ms",
            Self::LiveWait => "seamless_live_wait_ms",
            Self::Total => "seamless_total_ms",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// Which bounds a runtime's histograms have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Buckets {
    /// The schema's, which a deployment has after it has registered them as the documents say.
    #[default]
    Schema,
    /// [`CLIENT_BUCKETS`], which the platform has by itself.
    Platform,
}

impl Buckets {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Schema, Self::Platform];

    /// `schema` or `platform`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Schema => "schema",
            Self::Platform => "platform",
        }
    }

    /// The finite bounds of a histogram to which the schema gives `schema`.
    #[must_use]
    pub const fn bounds(self, schema: &'static [f64]) -> &'static [f64] {
        match self {
            Self::Schema => schema,
            Self::Platform => CLIENT_BUCKETS,
        }
    }
}

impl fmt::Display for Buckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Buckets {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = Self::ALL.into_iter();
        all.find(|buckets| buckets.name() == text)
            .ok_or_else(|| "give schema or platform".to_owned())
    }
}

/// The type of a family, as `# TYPE` states it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only grows; restarts at 0.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations counted in buckets; holds their upper bounds without `+Inf`.
    Histogram(&'static [f64]),
}

impl Kind {
    /// The word that `# TYPE` uses.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// What one unit of a family's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// A share, 0 to 1.
    Ratio,
    /// A count of events.
    Events,
    /// A count of rate-limiter tokens.
    Tokens,
    /// Bytes.
    Bytes,
    /// A count of backfills.
    Jobs,
    /// A count of leases.
    Leases,
}

impl Unit {
    /// The unit as the documents write it.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Ratio => "ratio",
            Self::Events => "1",
            Self::Tokens => "tokens",
            Self::Bytes => "bytes",
            Self::Jobs => "jobs",
            Self::Leases => "leases",
        }
    }
}

/// One metric family.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Family {
    /// The documented name.
    pub name: &'static str,
    /// The type.
    pub kind: Kind,
    /// The labels that every series of it carries, `le` aside.
    pub labels: &'static [&'static str],
    /// The unit of its value.
    pub unit: Unit,
    /// Whether the health check asks for it by default.
    pub required: bool,
    /// What it measures, as `# HELP` states it.
    pub help: &'static str,
}

impl Family {
    /// The names under which series of this family may appear: what queries select and checks accept.
    ///
    /// A histogram appears as `_bucket`, `_sum` and `_count`, or natively under its own name; a
    /// counter under its documented name, with `_total`, or both.
    #[must_use]
    pub fn exposed_names(&self) -> Vec<String> {
        match self.kind {
            Kind::Gauge => vec![self.name.to_owned()],
            Kind::Counter => match self.name.strip_suffix("_total") {
                Some(base) => vec![self.name.to_owned(), base.to_owned()],
                None => vec![self.name.to_owned(), format!("{}_total", self.name)],
            },
            Kind::Histogram(_) => vec![
                format!("{}_bucket", self.name),
                format!("{}_sum", self.name),
                format!("{}_count", self.name),
                self.name.to_owned(),
            ],
        }
    }

    /// Those exposed names of which one is there wherever the family is: of a classic histogram that is
    /// `_count`, one series where there are twenty of `_bucket`.
    #[must_use]
    pub fn tracked_names(&self) -> Vec<String> {
        match self.kind {
            Kind::Histogram(_) => vec![format!("{}_count", self.name), self.name.to_owned()],
            Kind::Gauge | Kind::Counter => self.exposed_names(),
        }
    }

    /// The name that this project's own exposition uses: counters carry `_total`, as `OpenMetrics`
    /// asks and as client libraries write them.
    #[must_use]
    pub fn exposition_name(&self) -> String {
        match self.kind {
            Kind::Counter if !self.name.ends_with("_total") => format!("{}_total", self.name),
            _ => self.name.to_owned(),
        }
    }
}

const PHASE: &[&str] = &["node_id", "phase"];
const LEASE: &[&str] = &["node_id", "interval", "lease_key"];
const FLAG: &[&str] = &["node_id", "interval", "world_id", "flag_type"];
const REASON: &[&str] = &["node_id", "interval", "world_id", "reason"];
const LIMITER: &[&str] = &["limiter", "world_id"];
const BACKFILL: &[&str] = &["node_id", "interval"];
const LISTED_LEASE: &[&str] = &[
    "lease_key",
    "node_id",
    "interval",
    "world_id",
    "worker",
    "coordinator",
];

/// Every family of the schema, in the order of the documents.
pub const FAMILIES: &[Family] = &[
    Family {
        name: "seamless_sla_deadline_seconds",
        kind: Kind::Histogram(SECONDS_BUCKETS),
        labels: PHASE,
        unit: Unit::Seconds,
        required: true,
        help: "Time a request spent in a phase that has an SLA budget, in seconds.",
    },
    Family {
        name: "seamless_storage_wait_ms",
        kind: Kind::Histogram(MILLISECONDS_BUCKETS),
        labels: DOMAIN_LABELS,
        unit: Unit::Milliseconds,
        required: true,
        help: "Time a request waited for storage, in milliseconds.",
    },
    Family {
        name: "seamless_backfill_wait_ms",
        kind: Kind::Histogram(MILLISECONDS_BUCKETS),
        labels: DOMAIN_LABELS,
        unit: Unit::Milliseconds,
        required: false,
        help: "Time a request waited for a backfill, in milliseconds.",
    },
    Family {
        name: "seamless_live_wait_ms",
        kind: Kind::Histogram(MILLISECONDS_BUCKETS),
        labels: DOMAIN_LABELS,
        unit: Unit::Milliseconds,
        required: false,
        help: "Time a request waited for the live feed, in milliseconds.",
    },
    Family {
        name: "seamless_total_ms",
        kind: Kind::Histogram(MILLISECONDS_BUCKETS),
        labels: DOMAIN_LABELS,
        unit: Unit::Milliseconds,
        required: true,
        help: "Time a whole request took, in milliseconds.",
    },
    Family {
        name: "backfill_completion_ratio",
        kind: Kind::Gauge,
        labels: LEASE,
        unit: Unit::Ratio,
        required: false,
        help: "Share of a lease's window that has been repaired; the series stays after the lease ends.",
    },
    Family {
        name: "seamless_conformance_flag_total",
        kind: Kind::Counter,
        labels: FLAG,
        unit: Unit::Events,
        required: false,
        help: "Bars flagged by the conformance pipeline, by kind of flag.",
    },
    Family {
        name: "seamless_conformance_warning_total",
        kind: Kind::Counter,
        labels: DOMAIN_LABELS,
        unit: Unit::Events,
        required: false,
        help: "Schema warnings raised by the conformance pipeline.",
    },
    Family {
        name: "coverage_ratio",
        kind: Kind::Gauge,
        labels: DOMAIN_LABELS,
        unit: Unit::Ratio,
        required: false,
        help: "Served over requested range.",
    },
    Family {
        name: "live_staleness_seconds",
        kind: Kind::Gauge,
        labels: DOMAIN_LABELS,
        unit: Unit::Seconds,
        required: false,
        help: "Gap between now and the newest bar, in seconds.",
    },
    Family {
        name: "gap_repair_latency_ms",
        kind: Kind::Histogram(MILLISECONDS_BUCKETS),
        labels: DOMAIN_LABELS,
        unit: Unit::Milliseconds,
        required: false,
        help: "Time taken to heal a missing window, in milliseconds.",
    },
    Family {
        name: "seamless_rl_tokens_available",
        kind: Kind::Gauge,
        labels: LIMITER,
        unit: Unit::Tokens,
        required: false,
        help: "Tokens left in a rate limiter's bucket.",
    },
    Family {
        name: "seamless_rl_dropped_total",
        kind: Kind::Counter,
        labels: LIMITER,
        unit: Unit::Events,
        required: false,
        help: "Polls of waiting requests for which a rate limiter had no token.",
    },
    Family {
        name: "artifact_publish_latency_ms",
        kind: Kind::Histogram(MILLISECONDS_BUCKETS),
        labels: DOMAIN_LABELS,
        unit: Unit::Milliseconds,
        required: false,
        help: "Time taken to publish an artifact, in milliseconds.",
    },
    Family {
        name: "artifact_bytes_written",
        kind: Kind::Counter,
        labels: DOMAIN_LABELS,
        unit: Unit::Bytes,
        required: false,
        help: "Bytes of artifacts written.",
    },
    Family {
        name: "fingerprint_collisions",
        kind: Kind::Counter,
        labels: DOMAIN_LABELS,
        unit: Unit::Events,
        required: false,
        help: "Reads that returned data whose fingerprint was known already.",
    },
    Family {
        name: "domain_gate_holds",
        kind: Kind::Counter,
        labels: REASON,
        unit: Unit::Events,
        required: false,
        help: "Requests that a domain gate answered with HOLD, by reason.",
    },
    Family {
        name: "partial_fill_returns",
        kind: Kind::Counter,
        labels: REASON,
        unit: Unit::Events,
        required: false,
        help: "Requests that were answered with PARTIAL_FILL, by reason.",
    },
    Family {
        name: "backfill_failure_total",
        kind: Kind::Counter,
        labels: BACKFILL,
        unit: Unit::Events,
        required: false,
        help: "Backfills that failed; a vendor outage shows here first.",
    },
    Family {
        name: "backfill_retry_total",
        kind: Kind::Counter,
        labels: BACKFILL,
        unit: Unit::Events,
        required: false,
        help: "Backfill attempts that were repeated.",
    },
    Family {
        name: "backfill_jobs_in_progress",
        kind: Kind::Gauge,
        labels: &[],
        unit: Unit::Jobs,
        required: false,
        help: "Backfills that this process works on; there from its start. 0 is certain, more is not: a cancelled backfill is never counted down.",
    },
    Family {
        name: "backfill_last_timestamp",
        kind: Kind::Gauge,
        labels: BACKFILL,
        unit: Unit::Seconds,
        required: false,
        help: "Time of the newest bar that a backfill has written, in seconds since the epoch.",
    },
    Family {
        name: "seamless_lease_held",
        kind: Kind::Gauge,
        labels: LISTED_LEASE,
        unit: Unit::Leases,
        required: false,
        help: "1 for each lease that the coordinator lists as held; the oldest 1,000.",
    },
    Family {
        name: "seamless_lease_completion_ratio",
        kind: Kind::Gauge,
        labels: LISTED_LEASE,
        unit: Unit::Ratio,
        required: false,
        help: "Share of a held lease's window that has been repaired, as the coordinator lists it.",
    },
    Family {
        name: "seamless_lease_age_seconds",
        kind: Kind::Gauge,
        labels: LISTED_LEASE,
        unit: Unit::Seconds,
        required: false,
        help: "Time since a held lease was claimed, when it was listed, in seconds.",
    },
    Family {
        name: "seamless_lease_expires_in_seconds",
        kind: Kind::Gauge,
        labels: LISTED_LEASE,
        unit: Unit::Seconds,
        required: false,
        help: "Time until a held lease expires, when it was listed, in seconds; below 0 it has expired.",
    },
    Family {
        name: "seamless_leases",
        kind: Kind::Gauge,
        labels: &["coordinator"],
        unit: Unit::Leases,
        required: false,
        help: "Leases that the coordinator holds, those beyond the list's first 1,000 included.",
    },
    Family {
        name: "seamless_leases_listed_timestamp_seconds",
        kind: Kind::Gauge,
        labels: &["coordinator"],
        unit: Unit::Seconds,
        required: false,
        help: "When the coordinator's leases were last listed, in seconds since the epoch.",
    },
];

/// Series that the rules read beside the schema's: Prometheus and Alertmanager about themselves, the process
/// of a target, the health check's textfile, and a cluster about the health check's `CronJob`.
pub const MONITORING_SERIES: &[&str] = &[
    "up",
    "process_start_time_seconds",
    "prometheus_notifications_errors_total",
    "prometheus_notifications_dropped_total",
    "alertmanager_notifications_failed_total",
    "seamless_health_check_healthy",
    "seamless_health_check_last_run_timestamp_seconds",
    "kube_cronjob_status_last_schedule_time",
    "kube_cronjob_status_last_successful_time",
];

/// The family whose documented name is `name`.
#[must_use]
pub fn family(name: &str) -> Option<&'static Family> {
    FAMILIES.iter().find(|family| family.name == name)
}

/// The family that a series name belongs to, whichever exposed form it has.
#[must_use]
pub fn family_of_series(series: &str) -> Option<&'static Family> {
    family(series).or_else(|| {
        FAMILIES
            .iter()
            .find(|family| family.exposed_names().iter().any(|name| name == series))
    })
}

/// How urgent an alert is; the value of its `severity` label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AlertSeverity {
    /// Pages a person, and tells Slack.
    Critical,
    /// Tells Slack.
    Warning,
    /// Proves that alerting works; has a route of its own.
    None,
}

impl AlertSeverity {
    /// The value of the `severity` label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::None => "none",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_budget_is_a_bucket_edge_below_the_top() {
        for phase in Phase::ALL {
            let budget = phase.budget_seconds();
            assert!(SECONDS_BUCKETS.contains(&budget), "{phase}");
            assert!(MILLISECONDS_BUCKETS.contains(&(budget * 1000.0)), "{phase}");
            assert!(
                SECONDS_BUCKETS.last().is_some_and(|top| budget < *top),
                "{phase}"
            );
        }
    }

    #[test]
    fn millisecond_buckets_are_the_second_buckets_times_a_thousand() {
        let scaled: Vec<f64> = SECONDS_BUCKETS
            .iter()
            .map(|s| (s * 1000.0).round())
            .collect();
        assert_eq!(scaled, MILLISECONDS_BUCKETS);
    }

    #[test]
    fn exposed_names_lead_back_to_their_family_and_are_unique() {
        let mut seen = std::collections::BTreeSet::new();
        for family in FAMILIES {
            for name in family.exposed_names() {
                assert!(seen.insert(name.clone()), "{name} belongs to two families");
                assert_eq!(family_of_series(&name).map(|f| f.name), Some(family.name));
            }
        }
    }

    #[test]
    fn every_phase_has_its_domain_family() {
        for phase in Phase::ALL {
            assert!(family(phase.domain_family()).is_some(), "{phase}");
        }
    }
}
