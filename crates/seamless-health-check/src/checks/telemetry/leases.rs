//! Whether log and traces name the same leases.

use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::site::Site;
use crate::telemetry::{Logs, Traces};
use crate::verdict::CheckOutcome;

pub(super) const CHECK: Check = Check {
    name: "leases",
    group: Group::Telemetry,
    title: "log and traces name the same leases",
    needs: &[Need::Log, Need::Traces],
    requires: &["telemetry/log", "telemetry/spans"],
    severity: Severity::Fail,
    hint: "check that both cover the same time, and that lease_key is written alike in both",
    anchor: "check-telemetry",
    explained: Explained {
        means: "Log and traces name no lease in common: what is found in one cannot be followed in the other.",
        remedy: "Check that both cover the same time, and that `lease_key` is written alike in both.",
        example: "fail  none of 12 leases in the log is among the 9 in the traces",
        korean: Korean {
            title: "로그와 트레이스가 같은 리스를 가리킨다",
            means: "로그와 트레이스에 공통된 리스가 없다. 한쪽에서 찾은 것을 다른 쪽에서 따라갈 수 없다.",
            remedy: "둘의 시간대가 같은지, `lease_key`를 똑같이 쓰는지 확인한다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    let (logs, traces) = tokio::join!(site.logs(), site.traces());
    Ok(judge(logs?, traces?))
}

fn judge(logs: &Logs, traces: &Traces) -> CheckOutcome {
    let (in_log, in_traces) = (logs.leases.len(), traces.leases.len());
    if traces.pipeline == 0 {
        return CheckOutcome::not_applicable("the traces hold no span of the platform");
    }
    if in_log == 0 && in_traces == 0 {
        return CheckOutcome::fail("neither the log nor the traces name a lease (lease_key)");
    }
    let shared: Vec<&str> = logs.leases.shared(&traces.leases).collect();
    match shared.last() {
        None => CheckOutcome::fail(format!(
            "none of {in_log} leases in the log is among the {in_traces} in the traces"
        )),
        Some(lease) => CheckOutcome::pass(format!(
            "{} in both, such as {lease} ({in_log} in the log, {in_traces} in the traces)",
            shared.len()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_of_another_program_are_not_compared() {
        let logs = Logs::read(&mut "{\"event\": \"x\"}\n".as_bytes()).unwrap();
        let traces = Traces::read(&mut "".as_bytes()).unwrap();
        assert_eq!(judge(&logs, &traces).verdict.word(), "skip");
    }
}
