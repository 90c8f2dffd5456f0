//! What the requests of one tick would have taken, and what else a node reports.

use seamless_core::schema::{FLAG_TYPES, Phase};

use super::registry::Registry;
use super::{Domain, Misbehaviour};

/// The rate limiters, each with the tokens it holds when nothing is wrong.
const LIMITERS: [(&str, f64); 2] = [("storage", 90.0), ("live", 40.0)];
/// Requests that a domain serves in one tick.
const REQUESTS: usize = 3;

/// Shows every counter and histogram at 0, as a runtime that has just started.
pub(super) fn start(registry: &mut Registry, domains: &[Domain], now: f64) {
    for domain in domains {
        let labels = domain.labels();
        for phase in Phase::ALL {
            let of_node = [domain.node_id.clone(), phase.label().to_owned()];
            registry.touch("seamless_sla_deadline_seconds", &of_node, now);
            registry.touch(phase.domain_family(), &labels, now);
        }
        for flag in FLAG_TYPES {
            registry.touch("seamless_conformance_flag_total", &with(&labels, flag), now);
        }
        registry.touch("domain_gate_holds", &with(&labels, "stale_data"), now);
        registry.touch("partial_fill_returns", &with(&labels, "coverage_gap"), now);
        for family in [
            "seamless_conformance_warning_total",
            "gap_repair_latency_ms",
            "artifact_publish_latency_ms",
            "artifact_bytes_written",
            "fingerprint_collisions",
        ] {
            registry.touch(family, &labels, now);
        }
        for (limiter, _) in LIMITERS {
            let labels = [limiter.to_owned(), domain.world_id.clone()];
            registry.touch("seamless_rl_dropped_total", &labels, now);
        }
    }
}

/// How long one request waited in each phase, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Waits {
    pub(super) storage: f64,
    pub(super) backfill: f64,
    pub(super) live: f64,
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
            live: between(0.05, 0.9),
        }
    }

    /// The wait in that phase.
    pub(super) fn of(self, phase: Phase) -> f64 {
        match phase {
            Phase::StorageWait => self.storage,
            Phase::BackfillWait => self.backfill,
            Phase::LiveWait => self.live,
            Phase::Total => self.storage + self.backfill + self.live,
        }
    }
}

/// One tick of one domain; returns what its requests waited.
pub(super) fn tick(
    registry: &mut Registry,
    domain: &Domain,
    suffers: &impl Fn(Misbehaviour) -> bool,
    stale_for: f64,
    now: f64,
) -> Vec<Waits> {
    let labels = domain.labels();
    let served: Vec<Waits> = (0..REQUESTS).map(|_| Waits::drawn(suffers)).collect();
    for waits in &served {
        for phase in Phase::ALL {
            let seconds = waits.of(phase);
            let of_node = [domain.node_id.clone(), phase.label().to_owned()];
            registry.observe("seamless_sla_deadline_seconds", &of_node, seconds, now);
            registry.observe(phase.domain_family(), &labels, seconds * 1000.0, now);
        }
    }

    let stale = suffers(Misbehaviour::StaleFeed);
    let staleness = if stale {
        // The newest bar was old already when the feed stopped.
        50.0 + stale_for
    } else {
        between(1.0, 12.0)
    };
    let coverage = if stale { 0.9 } else { between(0.992, 1.0) };
    registry.set("live_staleness_seconds", &labels, staleness, now);
    registry.set("coverage_ratio", &labels, coverage, now);
    if stale {
        registry.add("domain_gate_holds", &with(&labels, "stale_data"), 2.0, now);
        registry.add(
            "partial_fill_returns",
            &with(&labels, "coverage_gap"),
            2.0,
            now,
        );
    }

    if suffers(Misbehaviour::BadData) {
        for flag in ["non_finite", "gap", "duplicate_ts"] {
            registry.add(
                "seamless_conformance_flag_total",
                &with(&labels, flag),
                3.0,
                now,
            );
        }
        registry.add("seamless_conformance_warning_total", &labels, 2.0, now);
        registry.add("fingerprint_collisions", &labels, 1.0, now);
    }

    for (limiter, full) in LIMITERS {
        let labels = [limiter.to_owned(), domain.world_id.clone()];
        let dry = suffers(Misbehaviour::DryLimiter) && limiter == "storage";
        let tokens = if dry {
            0.0
        } else {
            full - between(0.0, 20.0).floor()
        };
        registry.set("seamless_rl_tokens_available", &labels, tokens, now);
        if dry {
            registry.add("seamless_rl_dropped_total", &labels, 3.0, now);
        }
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
    registry.observe("artifact_publish_latency_ms", &labels, publish, now);
    registry.observe("gap_repair_latency_ms", &labels, repair, now);
    registry.add("artifact_bytes_written", &labels, 262_144.0, now);
    served
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
            for phase in Phase::ALL {
                assert!(waits.of(phase) < 0.8 * phase.budget_seconds(), "{waits:?}");
            }
            for phase in [Phase::StorageWait, Phase::BackfillWait, Phase::Total] {
                assert!(slow.of(phase) > phase.budget_seconds(), "{slow:?}");
            }
        }
    }
}
