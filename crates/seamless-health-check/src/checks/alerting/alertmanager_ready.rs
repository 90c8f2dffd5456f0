//! Whether each Alertmanager is ready.

use super::each::of_each;
use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::{Fact, Gap};
use crate::paging::Paging;
use crate::site::Site;
use crate::verdict::{CheckOutcome, Item, SkipReason, Verdict};

pub(super) const CHECK: Check = Check {
    name: "alertmanager-ready",
    group: Group::Alerting,
    title: "Alertmanager is ready",
    needs: &[Need::Alertmanager],
    requires: &[],
    severity: Severity::Fail,
    hint: "look at Alertmanager's log",
    anchor: "check-alerting",
    explained: Explained {
        means: "Alertmanager does not answer, or answers that it is not ready.",
        remedy: "Look at its log. Prometheus holds what it could not send only for a short time: an alert that still fires is sent again.",
        example: "fail  Alertmanager at http://alertmanager:9093: connection refused",
        korean: Korean {
            title: "Alertmanager가 준비되어 있다",
            means: "Alertmanager가 응답하지 않거나 준비되지 않았다고 답한다.",
            remedy: "Alertmanager의 로그를 본다. Prometheus는 보내지 못한 경보를 잠시만 보관한다. 계속 울리는 경보는 다시 보낸다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    Ok(judge(site.paging().await?))
}

fn judge(paging: &Paging) -> CheckOutcome {
    let good = |_| "ready (/-/ready returned 200)".to_owned();
    of_each(paging, good, |alertmanager| match &alertmanager.ready {
        Ok(()) => Ok(Vec::new()),
        // Something between that answers nothing but the API, as in hosted Alertmanagers.
        Err(Gap::NotOffered(_)) if alertmanager.status.is_ok() => Ok(Vec::new()),
        Err(Gap::NotOffered(reason)) => Ok(vec![Item::new(
            &alertmanager.name,
            Verdict::Skip(SkipReason::NotOffered(reason.clone())),
            reason.clone(),
        )]),
        Err(gap) => Err(gap.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::alerting::tests::sound;

    #[test]
    fn one_that_answers_its_api_alone_is_ready() {
        let failed = Gap::Failed {
            message: "503".to_owned(),
            hint: String::new(),
        };
        let no_path = || Gap::NotOffered("no such path".to_owned());
        for (ready, has_api, word) in [
            (Ok(()), true, "pass"),
            (Err(no_path()), true, "pass"),
            (Err(no_path()), false, "skip"),
            (Err(failed), true, "fail"),
        ] {
            let mut paging = sound().paging;
            let first = &mut paging.alertmanagers[0];
            first.ready = ready;
            if !has_api {
                first.status = Err(no_path());
            }
            assert_eq!(judge(&paging).verdict.word(), word);
        }
        let mut none = sound().paging;
        none.alertmanagers.clear();
        assert_eq!(judge(&none).verdict.word(), "skip");
    }
}
