//! Whether lease events are in the log, with their fields.

use super::events::{LOG_HINT, event, not_occurred};
use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::site::Site;
use crate::telemetry::{LogEvent, Logs};
use crate::verdict::{CheckOutcome, Item, Verdict};

pub(super) const CHECK: Check = Check {
    name: "backfill-events",
    group: Group::Telemetry,
    title: "lease events are in the log, with their fields",
    needs: &[Need::Log],
    requires: &["telemetry/log"],
    severity: Severity::Fail,
    hint: LOG_HINT,
    anchor: "check-telemetry",
    explained: Explained {
        means: "Lease events are not in the log, or lack fields. `lease-recover --from-logs` and the runbook's searches cannot find the lease behind an alert.",
        remedy: "Let the loggers of `qmtl.runtime.sdk` write INFO, with a formatter that keeps `extra` (python-json-logger, structlog).",
        example: "fail  seamless.backfill.coordinator_claimed: lease_key is missing in 3 of 12, first in line 40",
        korean: Korean {
            title: "리스 이벤트가 필드와 함께 로그에 있다",
            means: "로그에 리스 이벤트가 없거나 필드가 빠졌다. `lease-recover --from-logs`와 런북의 검색으로 경보 뒤의 리스를 찾을 수 없다.",
            remedy: "`qmtl.runtime.sdk`의 로거가 INFO를 쓰게 하고 `extra`를 보존하는 포매터(python-json-logger, structlog)를 쓴다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    Ok(judge(site.logs().await?))
}

fn judge(logs: &Logs) -> CheckOutcome {
    let claimed = event(logs, LogEvent::CLAIMED);
    let ended = [LogEvent::COMPLETED, LogEvent::FAILED].map(|of| (of, event(logs, of)));
    let nothing = claimed.is_none() && ended.iter().all(|(_, item)| item.is_none());
    if nothing {
        let (lines, levels) = (logs.lines, &logs.levels);
        return CheckOutcome::fail(format!("no lease event in {lines} lines ({levels})"))
            .hint(logs.levels.cure());
    }
    let absent = "is not in the log, though leases were ended while it was written";
    let mut items =
        vec![claimed.unwrap_or_else(|| Item::new(LogEvent::CLAIMED.name, Verdict::Warn, absent))];
    let ended = ended.map(|(of, item)| item.unwrap_or_else(|| not_occurred(of)));
    items.extend(ended);
    CheckOutcome::of(
        items,
        match logs.leases.len() {
            1 => "1 lease, every field there".to_owned(),
            leases => format!("{leases} leases, every field there"),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_lease_event_no_lease_can_be_followed() {
        let logs = Logs::read(&mut "{\"event\": \"x\"}\n".as_bytes()).unwrap();
        let outcome = judge(&logs);
        assert_eq!(outcome.verdict, Verdict::Fail);
        assert!(
            outcome.message.starts_with("no lease event in 1 lines"),
            "{outcome:?}"
        );
    }
}
