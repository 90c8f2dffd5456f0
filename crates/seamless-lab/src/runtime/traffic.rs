//! What the requests of one tick would have taken, and what else a node reports.
//!
//! The habits are the platform's, the odd ones too: a policy that fails fast leaves no total behind, and a rate
//! limiter shows the tokens of its last use.

use seamless_core::schema::Phase;

use super::registry::Registry;
use super::{Domain, Misbehaviour};

/// The rate limiters, each with the tokens that are left after a use when nothing is wrong.
const LIMITERS: [(&str, f64); 2] = [("storage", 60.0), ("live", 20.0)];
/// Requests that a domain serves in one tick.
const REQUESTS: usize = 3;
/// Served over requested bars of a healthy domain: the newest two of its bars are held back.
const COVERAGE: f64 = 0.983;
/// The same while nothing new arrives.
pub(super) const STALE_COVERAGE: f64 = 0.7;

/// What happens to a request that is late in a phase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Preset {
    /// It fails at once: the phases after that one, and the total, are never observed. The platform's default.
    #[default]
    Baseline,
    /// It goes on, and is answered with what there is.
    TolerantPartial,
}

impl Preset {
    /// As the platform's log calls it.
    pub(super) const fn mode(self) -> &'static str {
        match self {
            Self::Baseline => "fail_fast",
            Self::TolerantPartial => "partial_fill",
        }
    }
}

/// How long one request waited in each phase, in seconds; nothing of the platform waits for live data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Waits {
    pub(super) storage: f64,
    pub(super) backfill: f64,
}

impl Waits {
    fn drawn(suffers: &impl Fn(Misbehaviour) -> bool) -> Self {
        let slow = suffers(Misbehaviour::SlowStorage);
        Self {
            storage: if slow {
                between(20.0, 28.0)
            } else {
                between(0.1, 0.9)
            },
            // A backfill reads from storage, too.
            backfill: if slow {
                between(50.0, 80.0)
            } else {
                between(0.5, 9.0)
            },
        }
    }

    /// The wait in that phase.
    pub(super) fn of(self, phase: Phase) -> f64 {
        match phase {
            Phase::StorageWait => self.storage,
            Phase::BackfillWait => self.backfill,
            Phase::LiveWait => 0.0,
            Phase::Total => self.storage + self.backfill,
        }
    }
}

/// A request as it went: its waits, and the phases that were observed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ServedRequest {
    pub(super) waits: Waits,
    pub(super) observed: Vec<Phase>,
}

impl ServedRequest {
    fn new(waits: Waits, preset: Preset, backfills_fail: bool) -> Self {
        let mut observed = Vec::new();
        for phase in [Phase::StorageWait, Phase::BackfillWait, Phase::Total] {
            observed.push(phase);
            let late = waits.of(phase) > phase.budget_seconds();
            let failed = backfills_fail && phase == Phase::BackfillWait;
            if failed || (late && preset == Preset::Baseline) {
                break;
            }
        }
        Self { waits, observed }
    }

    /// The phases over their budget.
    pub(super) fn late(&self) -> impl Iterator<Item = Phase> {
        let waits = self.waits;
        let observed = self.observed.iter().copied();
        observed.filter(move |phase| waits.of(*phase) > phase.budget_seconds())
    }
}

/// One tick of one domain; returns its requests.
pub(super) fn tick(
    registry: &mut Registry,
    domain: &Domain,
    preset: Preset,
    suffers: &impl Fn(Misbehaviour) -> bool,
    stale_for: f64,
    now: f64,
) -> Vec<ServedRequest> {
    let labels = domain.labels();
    let outage = suffers(Misbehaviour::VendorOutage);
    let served: Vec<ServedRequest> = (0..REQUESTS)
        .map(|_| ServedRequest::new(Waits::drawn(suffers), preset, outage))
        .collect();
    for request in &served {
        for phase in &request.observed {
            let seconds = request.waits.of(*phase);
            let of_node = [domain.node_id.clone(), phase.label().to_owned()];
            registry.observe("seamless_sla_deadline_seconds", &of_node, seconds, now);
            registry.observe(phase.domain_family(), &labels, seconds * 1000.0, now);
        }
        if preset == Preset::TolerantPartial && request.late().next().is_some() {
            registry.add(
                "partial_fill_returns",
                &with(&labels, "sla_violation"),
                1.0,
                now,
            );
        }
    }
    data(registry, &labels, suffers, stale_for, now);
    limiters(registry, domain, suffers, now);
    backfills(registry, &labels, suffers, now);
    served
}

/// What a fetch says of its bars.
fn data(
    registry: &mut Registry,
    labels: &[String; 3],
    suffers: &impl Fn(Misbehaviour) -> bool,
    stale_for: f64,
    now: f64,
) {
    let stale = suffers(Misbehaviour::StaleFeed);
    let staleness = if stale {
        180.0 + stale_for
    } else {
        between(1.0, 12.0)
    };
    let coverage = if stale { STALE_COVERAGE } else { COVERAGE };
    registry.set("live_staleness_seconds", labels, staleness, now);
    registry.set("coverage_ratio", labels, coverage, now);
    if stale {
        for reason in ["freshness_breach", "coverage_breach"] {
            registry.add("domain_gate_holds", &with(labels, reason), 2.0, now);
        }
    }
    if suffers(Misbehaviour::BadData) {
        for flag in ["non_finite", "gap", "invalid_timestamp"] {
            let flag = with(labels, flag);
            registry.add("seamless_conformance_flag_total", &flag, 3.0, now);
        }
        registry.add("seamless_conformance_warning_total", labels, 2.0, now);
        registry.add("fingerprint_collisions", labels, 1.0, now);
    }
}

fn limiters(
    registry: &mut Registry,
    domain: &Domain,
    suffers: &impl Fn(Misbehaviour) -> bool,
    now: f64,
) {
    for (limiter, left) in LIMITERS {
        let labels = [limiter.to_owned(), domain.world_id.clone()];
        let dry = suffers(Misbehaviour::DryLimiter) && limiter == "storage";
        // The bucket refills, and nobody says so until the next use.
        let tokens = if dry { 0.0 } else { left };
        registry.set("seamless_rl_tokens_available", &labels, tokens, now);
        if dry {
            registry.add("seamless_rl_dropped_total", &labels, 3.0, now);
        }
    }
}

/// What backfills within requests do.
fn backfills(
    registry: &mut Registry,
    labels: &[String; 3],
    suffers: &impl Fn(Misbehaviour) -> bool,
    now: f64,
) {
    if suffers(Misbehaviour::VendorOutage) {
        let of_node = &labels[..2];
        registry.add("backfill_retry_total", of_node, 2.0, now);
        registry.add("backfill_failure_total", of_node, 1.0, now);
        return;
    }
    let slow = suffers(Misbehaviour::SlowStorage);
    let publish = if slow {
        between(40e3, 80e3)
    } else {
        between(200.0, 2_000.0)
    };
    let repair = if slow {
        between(150e3, 280e3)
    } else {
        between(1_000.0, 20_000.0)
    };
    registry.observe("artifact_publish_latency_ms", labels, publish, now);
    registry.observe("gap_repair_latency_ms", labels, repair, now);
    registry.add("artifact_bytes_written", labels, 262_144.0, now);
}

fn with(domain: &[String; 3], last: &str) -> Vec<String> {
    domain.iter().cloned().chain([last.to_owned()]).collect()
}

fn between(low: f64, high: f64) -> f64 {
    low + (high - low) * fastrand::f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn healthy_requests_keep_their_budgets_and_slow_storage_breaks_them() {
        for _ in 0..1000 {
            let waits = Waits::drawn(&|_| false);
            let slow = Waits::drawn(&|way| way == Misbehaviour::SlowStorage);
            for phase in [Phase::StorageWait, Phase::BackfillWait, Phase::Total] {
                assert!(waits.of(phase) < 0.8 * phase.budget_seconds(), "{waits:?}");
                assert!(slow.of(phase) > phase.budget_seconds(), "{slow:?}");
            }
        }
    }

    #[test]
    fn a_request_that_fails_fast_leaves_no_total_behind() {
        let slow = Waits {
            storage: 20.0,
            backfill: 50.0,
        };
        let observed = |preset, outage| ServedRequest::new(slow, preset, outage).observed;
        assert_eq!(observed(Preset::Baseline, false), [Phase::StorageWait]);
        let all = [Phase::StorageWait, Phase::BackfillWait, Phase::Total];
        assert_eq!(observed(Preset::TolerantPartial, false), all);
        assert_eq!(observed(Preset::TolerantPartial, true), all[..2]);
    }
}
