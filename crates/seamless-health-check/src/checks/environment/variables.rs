//! Whether the variables that were named are set where the check runs.

use crate::check::{Check, Explained, Group, Korean, Severity};
use crate::gap::Fact;
use crate::site::Site;
use crate::verdict::CheckOutcome;
use crate::words::listed;

pub(super) const CHECK: Check = Check {
    name: "variables",
    group: Group::Environment,
    title: "required environment variables are set",
    needs: &[],
    requires: &[],
    severity: Severity::Fail,
    hint: "set it where this check runs",
    anchor: "check-environment",
    explained: Explained {
        means: "A variable that `--required-env` names is unset or empty where the check runs. Nothing is contacted for this.",
        remedy: "Set it in the unit, cron table or manifest that runs the check; variables of an interactive shell do not reach those.",
        example: "fail  not set: QMTL_REGION",
        korean: Korean {
            title: "필요한 환경 변수가 설정되어 있다",
            means: "`--required-env`로 지정한 변수가 점검을 실행하는 곳에 없거나 비어 있다. 이 점검은 어디에도 접속하지 않는다.",
            remedy: "점검을 실행하는 유닛, cron 테이블, 매니페스트에 설정한다. 대화형 셸의 변수는 거기까지 전달되지 않는다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    Ok(judge(&site.request.required_env, is_set))
}

fn judge(required: &[String], is_set: impl Fn(&str) -> bool) -> CheckOutcome {
    if required.is_empty() {
        return CheckOutcome::pass("no variable is required (--required-env)");
    }
    let unset: Vec<&String> = required.iter().filter(|name| !is_set(name)).collect();
    if unset.is_empty() {
        return CheckOutcome::pass(format!("{} set", listed(required)));
    }
    CheckOutcome::fail(format!("not set: {}", listed(&unset)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_that_is_not_set_is_named() {
        for (required, outcome) in [
            (
                &[][..],
                CheckOutcome::pass("no variable is required (--required-env)"),
            ),
            (&["A", "B"], CheckOutcome::pass("A, B set")),
            (&["A", "C", "D"], CheckOutcome::fail("not set: C, D")),
        ] {
            let required: Vec<String> = required.iter().map(|&name| name.to_owned()).collect();
            assert_eq!(judge(&required, |name| ["A", "B"].contains(&name)), outcome);
        }
    }
}
