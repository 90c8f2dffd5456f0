//! Whether downgrades by domain gates have their fields.

use super::events::{LOG_HINT, event, not_occurred, occurring};
use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::site::Site;
use crate::telemetry::{LogEvent, Logs};
use crate::verdict::CheckOutcome;

pub(super) const CHECK: Check = Check {
    name: "domain-gate-events",
    group: Group::Telemetry,
    title: "downgrades by domain gates have their fields",
    needs: &[Need::Log],
    requires: &["telemetry/log"],
    severity: Severity::Fail,
    hint: LOG_HINT,
    anchor: "check-telemetry",
    explained: Explained {
        means: "Events of downgrades by domain gates lack fields.",
        remedy: "Mend the platform's logging: without its fields, nobody sees which gate held which domain.",
        example: "fail  seamless.domain_gate.downgrade: reason is missing in 1 of 4, first in line 12",
        korean: Korean {
            title: "도메인 게이트 다운그레이드 이벤트에 필드가 있다",
            means: "도메인 게이트의 다운그레이드 이벤트에 필드가 빠졌다.",
            remedy: "플랫폼의 로깅을 고친다. 필드가 없으면 어느 게이트가 어느 도메인을 막았는지 알 수 없다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    Ok(judge(site.logs().await?))
}

fn judge(logs: &Logs) -> CheckOutcome {
    let downgrade = event(logs, LogEvent::GATE_DOWNGRADE);
    let item = downgrade.unwrap_or_else(|| not_occurred(LogEvent::GATE_DOWNGRADE));
    occurring(vec![item], "no downgrade by a domain gate in this log")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_downgrade_is_nothing_to_check() {
        let logs = Logs::read(&mut "{\"event\": \"x\"}\n".as_bytes()).unwrap();
        assert_eq!(judge(&logs).verdict.word(), "skip");
    }
}
