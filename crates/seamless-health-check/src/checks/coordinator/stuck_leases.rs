//! Whether the coordinator holds leases that do not move.

use seamless_core::coordinator::{Inspection, LeaseRecord};
use seamless_core::stuck::{self, Thresholds};

use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::site::Site;
use crate::verdict::{CheckOutcome, Item, Measured, Next, Verdict};
use crate::words::seconds;

const SHOWN: usize = 5;

pub(super) const CHECK: Check = Check {
    name: "stuck-leases",
    group: Group::Coordinator,
    title: "no lease is stuck",
    needs: &[Need::Coordinator],
    requires: &["coordinator/health"],
    severity: Severity::Warn,
    hint: "see them with `lease-recover --list --stuck`, recover them with `lease-recover --stuck`",
    anchor: "check-coordinator",
    explained: Explained {
        means: "Leases were claimed more than 10 minutes ago and are less than half done. What they cover is not being backfilled, and no other worker can take it.",
        remedy: "See them with `lease-recover --list --stuck`. Look at the worker that holds each: it may be alive and slow. Then release them with `lease-recover --stuck`, which asks first.",
        example: "warn  2 of 14 leases stuck, the oldest for 42m",
        korean: Korean {
            title: "멈춘 리스가 없다",
            means: "점유된 지 10분이 넘었는데 절반도 끝나지 않은 리스가 있다. 그 구간은 백필되지 않으며 다른 워커가 가져갈 수도 없다.",
            remedy: "`lease-recover --list --stuck`으로 확인한다. 리스를 가진 워커를 본다. 살아 있지만 느린 것일 수 있다. 그다음 `lease-recover --stuck`으로 해제한다. 해제하기 전에 물어본다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    let leases = site.answer(site.coordinator()?.inspect()).await?;
    Ok(judge(&leases, site.now))
}

/// `now` is this machine's clock, in seconds since the epoch.
fn judge(listed: &Inspection, now: f64) -> CheckOutcome {
    let leases = &listed.leases;
    // How long a lease has been claimed is told by the clock of the coordinator.
    let now = now * 1000.0 - listed.ahead_ms as f64;
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
        let message = format!("0 of {} leases stuck", leases.len());
        return CheckOutcome::pass(message.clone()).items(vec![
            Item::new("stuck_leases", Verdict::Pass, message).measured(measured),
        ]);
    };
    let message = format!(
        "{} of {} leases stuck, the oldest for {}",
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
    CheckOutcome::warn(message)
        .items(items)
        .next(Next::lease_recover(&["--list", "--stuck"]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use seamless_core::lease::LeaseSpec;

    #[test]
    fn a_lease_is_stuck_by_the_clock_of_the_coordinator() {
        let lease = |ratio: Option<f64>| LeaseRecord {
            claimed_at_ms: Some(0),
            completion_ratio: ratio,
            ..LeaseSpec::parse("key:token").unwrap().into()
        };
        // By this machine's clock it was claimed `now` seconds ago; the clock is ahead of the coordinator's.
        for (ratio, now, ahead_ms, message) in [
            (
                Some(0.1),
                1200.0,
                0,
                "1 of 1 leases stuck, the oldest for 20m",
            ),
            (
                Some(0.1),
                2100.0,
                900_000,
                "1 of 1 leases stuck, the oldest for 20m",
            ),
            (Some(0.1), 1200.0, 900_000, "0 of 1 leases stuck"),
            (Some(0.1), 300.0, 0, "0 of 1 leases stuck"),
            (Some(0.9), 1200.0, 0, "0 of 1 leases stuck"),
        ] {
            let listed = Inspection {
                leases: vec![lease(ratio)],
                malformed: Vec::new(),
                ahead_ms,
            };
            let outcome = judge(&listed, now);
            let is_stuck = outcome.verdict == Verdict::Warn;
            assert_eq!(outcome.message, message, "{ratio:?} {now} {ahead_ms}");
            assert_eq!(is_stuck, message.starts_with("1 of"), "{outcome:?}");
        }
        // The oldest comes first, and the count is a measured value of its own.
        let mut younger = lease(Some(0.2));
        younger.claimed_at_ms = Some(600_000);
        let listed = Inspection {
            leases: vec![younger, lease(Some(0.0))],
            malformed: Vec::new(),
            ahead_ms: 0,
        };
        let outcome = judge(&listed, 3600.0);
        assert_eq!(outcome.message, "2 of 2 leases stuck, the oldest for 1h");
        let said: Vec<&str> = outcome
            .items
            .iter()
            .map(|item| item.message.as_str())
            .collect();
        assert_eq!(
            said[1..],
            ["0 % done, claimed 1h ago", "20 % done, claimed 50m ago"]
        );
    }
}
