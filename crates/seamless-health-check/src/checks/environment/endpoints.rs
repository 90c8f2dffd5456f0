//! Which servers the run asks, and where each URL came from.

use seamless_core::config::Service;

use crate::check::{Check, Explained, Group, Korean, Severity};
use crate::gap::Fact;
use crate::site::Site;
use crate::verdict::CheckOutcome;

pub(super) const CHECK: Check = Check {
    name: "endpoints",
    group: Group::Environment,
    title: "endpoints are configured",
    needs: &[],
    requires: &[],
    severity: Severity::Fail,
    hint: "set the URLs by flag, environment or qmtl.yml",
    anchor: "check-environment",
    explained: Explained {
        means: "It always passes: it shows which URLs the run uses and where each came from. A URL that cannot be used ends the run before any check, with exit code 2.",
        remedy: "If a URL is the wrong one, give another by option, `--context`, environment or `qmtl.yml`.",
        example: "pass  coordinator http://coordinator:8080 (from QMTL_SEAMLESS_COORDINATOR_URL)",
        korean: Korean {
            title: "엔드포인트가 설정되어 있다",
            means: "항상 통과한다. 실행에 쓰는 URL과 각각의 출처를 보여 준다. 쓸 수 없는 URL이 있으면 점검 전에 종료 코드 2로 끝난다.",
            remedy: "URL이 틀리면 옵션, `--context`, 환경 변수, `qmtl.yml` 가운데 하나로 다시 지정한다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    Ok(judge(&site.request.endpoints))
}

fn judge(endpoints: &[(Service, String, String)]) -> CheckOutcome {
    if endpoints.is_empty() {
        return CheckOutcome::pass("no check that runs needs an endpoint");
    }
    let from: Vec<String> = endpoints
        .iter()
        .map(|(service, url, origin)| format!("{} {url} (from {origin})", service.name()))
        .collect();
    CheckOutcome::pass(from.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_endpoint_says_where_it_came_from() {
        assert_eq!(
            judge(&[]),
            CheckOutcome::pass("no check that runs needs an endpoint")
        );
        let endpoints = [
            (
                Service::Prometheus,
                "http://p".to_owned(),
                "qmtl.yml".to_owned(),
            ),
            (Service::Coordinator, "http://c".to_owned(), "X".to_owned()),
        ];
        let outcome = CheckOutcome::pass(
            "Prometheus http://p (from qmtl.yml), coordinator http://c (from X)",
        );
        assert_eq!(judge(&endpoints), outcome);
    }
}
