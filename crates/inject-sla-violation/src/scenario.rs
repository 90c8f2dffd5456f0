//! The scenarios, as data: what moves, from where, to where, how fast, when violated and when healthy.
//!
//! Owns the values. They are chosen so that every shipped alert fires from its scenario; a test holds
//! them against the shipped rules. It makes no series: `series` does.

use seamless_core::schema::{self, FLAG_TYPES, Phase};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub(crate) enum Scenario {
    /// Requests take longer than their phase's budget
    Sla,
    /// A backfill lease stays under half of its window
    StuckLease,
    /// A claimed lease makes no progress at all
    StaleClaim,
    /// Conformance flags and schema warnings surge
    Conformance,
    /// The live feed falls behind
    Staleness,
    /// Less is served than was asked for
    Coverage,
    /// Missing windows take long to heal
    GapRepair,
    /// A rate limiter runs dry, and requests wait for it
    RateLimit,
    /// Artifacts are published slowly, and reads return known fingerprints
    Artifact,
    /// Domain gates answer HOLD and PARTIAL_FILL
    DomainGate,
    /// Backfills fail and are tried again, as in an outage of a vendor
    BackfillFailing,
    /// Nothing: every family moves within its limits
    Healthy,
    /// Everything at once
    All,
}

impl Scenario {
    /// The name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sla => "sla",
            Self::StuckLease => "stuck-lease",
            Self::StaleClaim => "stale-claim",
            Self::Conformance => "conformance",
            Self::Staleness => "staleness",
            Self::Coverage => "coverage",
            Self::GapRepair => "gap-repair",
            Self::RateLimit => "rate-limit",
            Self::Artifact => "artifact",
            Self::DomainGate => "domain-gate",
            Self::BackfillFailing => "backfill-failing",
            Self::Healthy => "healthy",
            Self::All => "all",
        }
    }
}

/// One family that a scenario moves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Generator {
    pub(crate) scenario: Scenario,
    /// The family's documented name.
    pub(crate) family: &'static str,
    pub(crate) cardinality: Cardinality,
    pub(crate) waveform: Waveform,
}

/// Which series of its family a generator has, within one domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cardinality {
    /// One.
    Single,
    /// One, which belongs to a phase and is there only when that phase is chosen.
    OfPhase(Phase),
    /// One per chosen phase.
    PerPhase,
    /// One per value of this label.
    Per(&'static str, &'static [&'static str]),
    /// One lease; its number tells the leases of different scenarios apart.
    Lease(u64),
}

/// How a value moves with each step.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Waveform {
    /// A histogram observes, once per repetition.
    Observe {
        violating: Observed,
        healthy: Observed,
    },
    /// A counter grows.
    Count { violating: Amount, healthy: Amount },
    /// A gauge moves.
    Level {
        start: f64,
        violating: Towards,
        healthy: Towards,
    },
    /// A gauge of the coordinator's list that follows from the time, or from how many leases there are.
    Listed(Listed),
}

/// What a gauge of the coordinator's list says.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Listed {
    /// When the list was made, in seconds since 1970: now.
    At,
    /// For how many seconds the lease has been held; at the drill's start, so many.
    Age(f64),
    /// In how many seconds it expires; at the drill's start, so many.
    ExpiresIn(f64),
    /// How many leases there are.
    Leases,
}

/// What one observation records.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Observed {
    /// The `--duration`.
    Duration,
    /// Something between two shares of the phase's budget.
    BudgetShare(f64, f64),
    /// Something between two numbers of seconds.
    Seconds(f64, f64),
}

/// By how much a counter grows per step.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Amount {
    /// Not at all.
    Nothing,
    /// This much.
    Fixed(u64),
    /// This much per repetition.
    PerRepetition(u64),
}

/// Where a gauge goes, and which share of the way is left behind with each step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Towards(pub(crate) f64, pub(crate) f64);

const SLOW: Waveform = Waveform::Observe {
    violating: Observed::Duration,
    healthy: Observed::BudgetShare(0.05, 0.3),
};

const fn generator(
    scenario: Scenario,
    family: &'static str,
    cardinality: Cardinality,
    waveform: Waveform,
) -> Generator {
    Generator {
        scenario,
        family,
        cardinality,
        waveform,
    }
}

const fn of_phase(phase: Phase) -> Generator {
    let family = phase.domain_family();
    generator(Scenario::Sla, family, Cardinality::OfPhase(phase), SLOW)
}

const fn surge(amount: Amount) -> Waveform {
    Waveform::Count {
        violating: amount,
        healthy: Amount::Nothing,
    }
}

/// A gauge that stands still.
const fn level(value: f64) -> Waveform {
    Waveform::Level {
        start: value,
        violating: Towards(value, 1.0),
        healthy: Towards(value, 1.0),
    }
}

/// How long the leases have been held at the drill's start, in seconds: long enough for every rule.
const HELD_FOR: f64 = 3600.0;
/// For how long the platform's leases are claimed, in seconds.
const LEASED_FOR: f64 = 120.0;

const GATE_REASONS: Cardinality = Cardinality::Per(
    "reason",
    &[
        "coverage_breach",
        "freshness_breach",
        "as_of_regression",
        "sla_violation",
    ],
);

/// Every generator but those of the coordinator's list, which `every` adds.
const GENERATORS: &[Generator] = &[
    generator(
        Scenario::Sla,
        "seamless_sla_deadline_seconds",
        Cardinality::PerPhase,
        SLOW,
    ),
    of_phase(Phase::StorageWait),
    of_phase(Phase::BackfillWait),
    of_phase(Phase::LiveWait),
    of_phase(Phase::Total),
    // It moves with every step and never reaches half: stuck, and no stale claim.
    generator(
        Scenario::StuckLease,
        "backfill_completion_ratio",
        Cardinality::Lease(0),
        Waveform::Level {
            start: 0.0,
            violating: Towards(0.4, 0.02),
            healthy: Towards(1.0, 1.0),
        },
    ),
    // Over half, and then no change at all: a stale claim, and not stuck.
    generator(
        Scenario::StaleClaim,
        "backfill_completion_ratio",
        Cardinality::Lease(1),
        Waveform::Level {
            start: 0.0,
            violating: Towards(0.7, 1.0),
            healthy: Towards(1.0, 1.0),
        },
    ),
    generator(
        Scenario::Conformance,
        "seamless_conformance_flag_total",
        Cardinality::Per("flag_type", FLAG_TYPES),
        surge(Amount::PerRepetition(1)),
    ),
    generator(
        Scenario::Conformance,
        "seamless_conformance_warning_total",
        Cardinality::Single,
        surge(Amount::PerRepetition(1)),
    ),
    generator(
        Scenario::Coverage,
        "coverage_ratio",
        Cardinality::Single,
        Waveform::Level {
            start: 1.0,
            // Slowly: low is what lies under the best of the day.
            violating: Towards(0.8, 0.05),
            healthy: Towards(1.0, 1.0),
        },
    ),
    generator(
        Scenario::Staleness,
        "live_staleness_seconds",
        Cardinality::Single,
        Waveform::Level {
            start: 0.0,
            // Slowly: stale is what was fresh before.
            violating: Towards(600.0, 0.03),
            healthy: Towards(2.0, 1.0),
        },
    ),
    generator(
        Scenario::GapRepair,
        "gap_repair_latency_ms",
        Cardinality::Single,
        Waveform::Observe {
            violating: Observed::Duration,
            healthy: Observed::Seconds(1.0, 10.0),
        },
    ),
    generator(
        Scenario::RateLimit,
        "seamless_rl_tokens_available",
        Cardinality::Single,
        Waveform::Level {
            start: 100.0,
            violating: Towards(0.0, 0.9),
            healthy: Towards(100.0, 1.0),
        },
    ),
    generator(
        Scenario::RateLimit,
        "seamless_rl_dropped_total",
        Cardinality::Single,
        surge(Amount::PerRepetition(1)),
    ),
    generator(
        Scenario::Artifact,
        "artifact_publish_latency_ms",
        Cardinality::Single,
        Waveform::Observe {
            violating: Observed::Duration,
            healthy: Observed::Seconds(0.2, 5.0),
        },
    ),
    generator(
        Scenario::Artifact,
        "artifact_bytes_written",
        Cardinality::Single,
        Waveform::Count {
            violating: Amount::PerRepetition(1 << 20),
            healthy: Amount::PerRepetition(1 << 20),
        },
    ),
    generator(
        Scenario::Artifact,
        "fingerprint_collisions",
        Cardinality::Single,
        surge(Amount::Fixed(1)),
    ),
    generator(
        Scenario::DomainGate,
        "domain_gate_holds",
        GATE_REASONS,
        surge(Amount::PerRepetition(1)),
    ),
    generator(
        Scenario::DomainGate,
        "partial_fill_returns",
        GATE_REASONS,
        surge(Amount::PerRepetition(1)),
    ),
    generator(
        Scenario::BackfillFailing,
        "backfill_failure_total",
        Cardinality::Single,
        surge(Amount::PerRepetition(2)),
    ),
    generator(
        Scenario::BackfillFailing,
        "backfill_retry_total",
        Cardinality::Single,
        surge(Amount::PerRepetition(1)),
    ),
    generator(
        Scenario::BackfillFailing,
        "backfill_jobs_in_progress",
        Cardinality::Single,
        level(1.0),
    ),
    // Of the same time in every drill, as the leases' windows are.
    generator(
        Scenario::BackfillFailing,
        "backfill_last_timestamp",
        Cardinality::Single,
        level(1_700_000_000.0),
    ),
];

/// Every generator there is; each family of the schema is in at least one. A lease is listed by the coordinator
/// too, with the ratio that its worker reports.
pub(crate) fn every() -> impl Iterator<Item = Generator> {
    GENERATORS.iter().flat_map(|generator| {
        let listed = match generator.cardinality {
            Cardinality::Lease(_) => listed(*generator).to_vec(),
            _ => Vec::new(),
        };
        std::iter::once(*generator).chain(listed)
    })
}

/// What the coordinator's list says of a lease.
fn listed(lease: Generator) -> [Generator; 6] {
    let of = |family, waveform| generator(lease.scenario, family, lease.cardinality, waveform);
    let age = Listed::Age(HELD_FOR);
    let expiry = Listed::ExpiresIn(LEASED_FOR - HELD_FOR);
    [
        of("seamless_lease_held", level(1.0)),
        of("seamless_lease_completion_ratio", lease.waveform),
        of("seamless_lease_age_seconds", Waveform::Listed(age)),
        of(
            "seamless_lease_expires_in_seconds",
            Waveform::Listed(expiry),
        ),
        of("seamless_leases", Waveform::Listed(Listed::Leases)),
        of(
            "seamless_leases_listed_timestamp_seconds",
            Waveform::Listed(Listed::At),
        ),
    ]
}

/// The generators that `chosen` asks for, in the schema's order of families, and whether each violates.
///
/// `all` violates everything; `healthy` adds every generator that no other scenario violates.
pub(crate) fn generators(chosen: &[Scenario]) -> Vec<(Generator, bool)> {
    let all = chosen.contains(&Scenario::All);
    let healthy = chosen.contains(&Scenario::Healthy);
    let mut generators: Vec<_> = every()
        .map(|generator| (generator, all || chosen.contains(&generator.scenario)))
        .filter(|(_, violates)| *violates || healthy)
        .collect();
    generators.sort_by_key(|(generator, _)| {
        schema::FAMILIES
            .iter()
            .position(|family| family.name == generator.family)
    });
    generators
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_of_the_schema_is_fed_and_every_feed_has_its_family() {
        for family in schema::FAMILIES {
            assert!(
                every().any(|generator| generator.family == family.name),
                "{}",
                family.name
            );
        }
        for generator in every() {
            let kind = schema::family(generator.family).unwrap().kind;
            let fits = matches!(
                (kind, generator.waveform),
                (schema::Kind::Histogram(_), Waveform::Observe { .. })
                    | (schema::Kind::Counter, Waveform::Count { .. })
                    | (
                        schema::Kind::Gauge,
                        Waveform::Level { .. } | Waveform::Listed(_)
                    )
            );
            assert!(fits, "{}", generator.family);
        }
    }

    #[test]
    fn healthy_observations_keep_clear_of_every_budget() {
        let Waveform::Observe {
            healthy: Observed::BudgetShare(_, share),
            ..
        } = SLOW
        else {
            panic!("{SLOW:?}");
        };
        for phase in Phase::ALL {
            // A quantile is interpolated up to the top of the bucket that it falls into.
            let slowest = share * phase.budget_seconds();
            let shown = schema::SECONDS_BUCKETS
                .iter()
                .find(|bound| **bound >= slowest)
                .unwrap();
            let warning = schema::BUDGET_WARNING_SHARE * phase.budget_seconds();
            assert!(*shown < warning, "{phase}: {shown}");
        }
    }

    #[test]
    fn scenarios_combine() {
        let violating = |chosen: &[Scenario]| {
            let generators = generators(chosen);
            (
                generators.len(),
                generators.iter().filter(|(_, violates)| *violates).count(),
            )
        };
        assert_eq!(violating(&[Scenario::Sla]), (5, 5));
        assert_eq!(violating(&[Scenario::Sla, Scenario::Coverage]), (6, 6));
        assert_eq!(violating(&[Scenario::StuckLease]), (7, 7));
        let count = every().count();
        assert_eq!(violating(&[Scenario::Healthy]), (count, 0));
        assert_eq!(violating(&[Scenario::Healthy, Scenario::Sla]), (count, 5));
        assert_eq!(violating(&[Scenario::All]), (count, count));
    }
}
