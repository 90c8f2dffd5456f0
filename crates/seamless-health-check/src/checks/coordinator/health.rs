//! Whether the coordinator says that it is well.

use seamless_core::coordinator::Health;

use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::{Fact, Gap};
use crate::site::Site;
use crate::verdict::CheckOutcome;

pub(super) const CHECK: Check = Check {
    name: "health",
    group: Group::Coordinator,
    title: "the coordinator reports that it is healthy",
    needs: &[Need::Coordinator],
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
            means: "코디네이터의 헬스 엔드포인트가 응답하지 않거나, 코디네이터가 아닌 것(로그인 페이지, 프록시 오류)이 응답하거나, ok, healthy, pass, up, ready가 아닌 상태를 알린다. 워커가 리스를 점유하지 못해 백필이 멈췄을 수 있다.",
            remedy: "코디네이터의 로그와 앞단 프록시를 본다. 헬스 엔드포인트의 경로가 다르면 `--coordinator-health-path`로 지정한다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    let path = site.request.health_path.as_deref();
    match site.answer(site.coordinator()?.health(path)).await {
        Ok(health) => Ok(judge(&health)),
        Err(Gap::NotOffered(reason)) => Ok(CheckOutcome::fail(reason)
            .hint("check the coordinator's URL, or name its path with --coordinator-health-path")),
        Err(gap) => Err(gap),
    }
}

fn judge(health: &Health) -> CheckOutcome {
    match &health.reported {
        Some(state) if !health.is_healthy() => {
            CheckOutcome::fail(format!("{} reports {state:?}", health.path))
        }
        Some(state) => CheckOutcome::pass(format!("{} reports {state:?}", health.path)),
        None => CheckOutcome::pass(format!("{} answers", health.path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_reports_decides() {
        for (reported, outcome) in [
            (None, CheckOutcome::pass("/health answers")),
            (Some("ok"), CheckOutcome::pass("/health reports \"ok\"")),
            (
                Some("degraded"),
                CheckOutcome::fail("/health reports \"degraded\""),
            ),
        ] {
            let health = Health {
                path: "/health".to_owned(),
                reported: reported.map(str::to_owned),
            };
            assert_eq!(judge(&health), outcome);
        }
    }
}
