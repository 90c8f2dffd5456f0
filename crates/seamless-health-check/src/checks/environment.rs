//! What this machine gives the checks. A URL or configuration file that cannot be used never gets
//! here: it is a usage error.

use super::listed;
use crate::check::{Check, Explained, Group, Korean, Outcome, Severity};
use crate::facts::Facts;
use crate::request::Request;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "variables",
        group: Group::Environment,
        title: "required environment variables are set",
        sources: &[],
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
        judge: variables,
    },
    Check {
        name: "endpoints",
        group: Group::Environment,
        title: "endpoints are configured",
        sources: &[],
        requires: &[],
        severity: Severity::Fail,
        hint: "set the URLs by flag, environment or qmtl.yml",
        anchor: "check-environment",
        explained: Explained {
            means: "It always passes: it shows which URLs the run uses and where each came from. A URL that cannot be used ends the run before any check, with exit code 2.",
            remedy: "If a URL is the wrong one, give another by option, `--context`, environment or `qmtl.yml`.",
            example: "pass  coordinator http://coordinator:8080 (QMTL_SEAMLESS_COORDINATOR_URL)",
            korean: Korean {
                title: "엔드포인트가 설정되어 있다",
                means: "항상 통과한다. 실행에 쓰는 URL과 각각의 출처를 보여 준다. 쓸 수 없는 URL이 있으면 점검 전에 종료 코드 2로 끝난다.",
                remedy: "URL이 틀리면 옵션, `--context`, 환경 변수, `qmtl.yml` 가운데 하나로 다시 지정한다.",
            },
        },
        judge: endpoints,
    },
];

fn variables(facts: &Facts, request: &Request) -> Outcome {
    if request.required_env.is_empty() {
        return Outcome::pass("none is required (--required-env)");
    }
    let unset: Vec<&String> = request
        .required_env
        .iter()
        .filter(|name| !facts.environment.get(*name).copied().unwrap_or(false))
        .collect();
    if unset.is_empty() {
        return Outcome::pass(format!("{} set", listed(&request.required_env)));
    }
    Outcome::fail(format!("not set: {}", listed(&unset)))
}

fn endpoints(_: &Facts, request: &Request) -> Outcome {
    if request.endpoints.is_empty() {
        return Outcome::pass("none is needed");
    }
    let from: Vec<String> = request
        .endpoints
        .iter()
        .map(|(service, url, origin)| format!("{} {url} ({origin})", service.name()))
        .collect();
    Outcome::pass(from.join(", "))
}
