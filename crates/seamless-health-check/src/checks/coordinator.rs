//! The backfill coordinator: is it well, and does it hold leases that do not move?

use seamless_core::coordinator::LeaseRecord;
use seamless_core::stuck::{self, Thresholds};

use super::seconds;
use crate::check::{Check, Group, Item, Measured, Outcome, Severity, Verdict};
use crate::facts::{Facts, Gap, Source};
use crate::request::Request;

const SHOWN: usize = 5;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "health",
        group: Group::Coordinator,
        title: "the coordinator says that it is well",
        sources: &[Source::CoordinatorHealth],
        requires: &[],
        severity: Severity::Fail,
        hint: "look at the coordinator's log",
        anchor: "check-coordinator",
        judge: health,
    },
    Check {
        name: "stuck-leases",
        group: Group::Coordinator,
        title: "no lease is stuck",
        sources: &[Source::Leases],
        requires: &["coordinator/health"],
        severity: Severity::Warn,
        hint: "see them with `lease-recover --list --stuck`, recover them with `lease-recover --stuck`",
        anchor: "check-coordinator",
        judge: stuck_leases,
    },
];

fn health(facts: &Facts, _: &Request) -> Outcome {
    let health = match &facts.coordinator_health {
        Ok(health) => health,
        Err(Gap::NotOffered(reason)) => {
            return Outcome::fail(reason.clone()).hint(
                "check the coordinator's URL, or name its path with --coordinator-health-path",
            );
        }
        Err(gap) => return gap.outcome(),
    };
    match &health.reported {
        Some(state) if !health.is_healthy() => {
            Outcome::fail(format!("{} reports {state:?}", health.path))
        }
        Some(state) => Outcome::pass(format!("{} reports {state:?}", health.path)),
        None => Outcome::pass(format!("{} answers", health.path)),
    }
}

fn stuck_leases(facts: &Facts, _: &Request) -> Outcome {
    let (leases, ahead_ms) = match &facts.leases {
        Ok(listed) => (&listed.leases, listed.ahead_ms),
        Err(gap) => return gap.outcome(),
    };
    // How long a lease has been claimed is told by the clock of the coordinator.
    let now = facts.now * 1000.0 - ahead_ms as f64;
    let mut stuck: Vec<(&LeaseRecord, f64)> = leases
        .iter()
        .filter(|lease| stuck::judge(lease, Thresholds::default(), now as i64).is_stuck())
        .map(|lease| {
            let age = lease
                .claimed_at_ms
                .map_or(0.0, |since| (now - since as f64) / 1000.0);
            (lease, age.max(0.0))
        })
        .collect();
    stuck.sort_by(|a, b| b.1.total_cmp(&a.1));
    let measured = Measured {
        value: stuck.len() as f64,
        unit: "",
        warn: Some(0.0),
        fail: None,
    };
    let Some((_, age)) = stuck.first() else {
        let message = format!("none of {} leases", leases.len());
        return Outcome::pass(message.clone()).items(vec![
            Item::new("stuck_leases", Verdict::Pass, message).measured(measured),
        ]);
    };
    let message = format!(
        "{} of {} leases, the oldest since {}",
        stuck.len(),
        leases.len(),
        seconds(*age)
    );
    let mut items =
        vec![Item::new("stuck_leases", Verdict::Warn, message.clone()).measured(measured)];
    items.extend(stuck.iter().take(SHOWN).map(|(lease, age)| {
        let ratio = lease.completion_ratio.unwrap_or_default() * 100.0;
        let what = format!("{ratio:.0} % done, claimed {} ago", seconds(*age));
        Item::new(lease.key.to_string(), Verdict::Warn, what)
    }));
    Outcome::warn(message).items(items)
}
