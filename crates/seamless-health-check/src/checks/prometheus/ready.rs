//! Whether Prometheus says that it is ready, or answers although it does not say so.

use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::{Fact, Gap};
use crate::site::Site;
use crate::verdict::{CheckOutcome, Next};

pub(super) const CHECK: Check = Check {
    name: "ready",
    group: Group::Prometheus,
    title: "Prometheus is ready",
    needs: &[Need::Prometheus],
    requires: &[],
    severity: Severity::Fail,
    hint: "it may still be replaying its WAL: retry with --wait 5m",
    anchor: "check-prometheus",
    explained: Explained {
        means: "Prometheus does not answer, or answers that it is not ready: it starts, replays its WAL, or shuts down. Until it is ready, no alert is evaluated.",
        remedy: "Wait with `--wait 5m`. If it stays so, look at Prometheus's log, disk and memory.",
        example: "fail  Prometheus at http://prometheus:9090: connection refused",
        korean: Korean {
            title: "Prometheus가 준비되어 있다",
            means: "Prometheus가 응답하지 않거나 준비되지 않았다고 답한다. 시작 중이거나 WAL을 재생하거나 종료하는 중이다. 준비될 때까지 경보가 평가되지 않는다.",
            remedy: "`--wait 5m`으로 기다린다. 계속되면 Prometheus의 로그, 디스크, 메모리를 본다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    let client = site.prometheus()?;
    let (ready, clock) = tokio::join!(site.answer(client.ready()), site.clock());
    Ok(judge(ready, clock.is_ok()))
}

fn judge(ready: Fact<()>, answers: bool) -> CheckOutcome {
    match ready {
        Ok(()) => CheckOutcome::pass("ready (/-/ready returned 200)"),
        Err(Gap::NotOffered(_)) if answers => {
            CheckOutcome::pass("answers queries (no /-/ready there)")
        }
        Err(Gap::NotOffered(reason)) => CheckOutcome::fail(reason)
            .hint("check that the URL leads to Prometheus itself, path prefix included"),
        Err(gap) => {
            let next = Next::health_check(&["--only", "prometheus", "--wait", "5m"]);
            gap.outcome().next(next)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_no_such_path_but_answers_is_ready() {
        let not_offered = || Err(Gap::NotOffered("no such path".to_owned()));
        let failed = Gap::Failed {
            message: "503".to_owned(),
            hint: "wait".to_owned(),
        };
        for (ready, answers, passes) in [
            (Ok(()), true, true),
            (Ok(()), false, true),
            (not_offered(), true, true),
            (not_offered(), false, false),
            (Err(failed), true, false),
        ] {
            let outcome = judge(ready, answers);
            assert_eq!(!outcome.verdict.is_bad(), passes, "{outcome:?}");
        }
    }
}
