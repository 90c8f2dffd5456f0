//! The backfill coordinator: is it well, and does it hold leases that do not move?

use seamless_core::coordinator::LeaseRecord;
use seamless_core::stuck::{self, Thresholds};

use super::seconds;
use crate::check::{
    Check, Explained, Group, Item, Korean, Measured, Next, Outcome, Severity, Verdict,
};
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
        explained: Explained {
            means: "The coordinator does not answer its health endpoint, answers something that is not the coordinator (a login page, a proxy's error), or reports a state other than ok, healthy, pass, up or ready. Workers may be unable to claim leases, so that nothing is backfilled.",
            remedy: "Look at the coordinator's log and at the proxy before it. If its health endpoint has another path, give `--coordinator-health-path`.",
            example: "fail  /health reports \"degraded\"",
            korean: Korean {
                title: "코디네이터가 정상이라고 답한다",
                means: "코디네이터의 헬스 엔드포인트가 응답하지 않거나, 코디네이터가 아닌 것(로그인 페이지, 프록시 오류)이 응답하거나, ok, healthy, pass, up, ready가 아닌 상태를 알린다. 워커가 리스를 잡지 못해 백필이 멈췄을 수 있다.",
                remedy: "코디네이터의 로그와 앞단 프록시를 본다. 헬스 엔드포인트의 경로가 다르면 `--coordinator-health-path`로 지정한다.",
            },
        },
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
        explained: Explained {
            means: "Leases were claimed more than 10 minutes ago and are less than half done. What they cover is not being backfilled, and no other worker can take it.",
            remedy: "See them with `lease-recover --list --stuck`. Look at the worker that holds each: it may be alive and slow. Then release them with `lease-recover --stuck`, which asks first.",
            example: "warn  2 of 14 leases, the oldest since 42m",
            korean: Korean {
                title: "멈춘 리스가 없다",
                means: "잡은 지 10분이 넘었는데 절반도 끝나지 않은 리스가 있다. 그 구간은 백필되지 않으며 다른 워커가 가져갈 수도 없다.",
                remedy: "`lease-recover --list --stuck`으로 확인한다. 리스를 가진 워커를 본다. 살아 있지만 느린 것일 수 있다. 그다음 `lease-recover --stuck`으로 해제한다. 해제하기 전에 물어본다.",
            },
        },
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
    Outcome::warn(message)
        .items(items)
        .next(Next::lease_recover(&["--list", "--stuck"]))
}
