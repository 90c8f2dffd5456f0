//! Whether events of phases over their budget have their fields.

use seamless_core::schema::Phase;

use super::events::{LOG_HINT, event, not_occurred, occurring};
use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::site::Site;
use crate::telemetry::{LogEvent, Logs, Traces};
use crate::verdict::{CheckOutcome, Item, Verdict};
use crate::words::seconds;

pub(super) const CHECK: Check = Check {
    name: "sla-events",
    group: Group::Telemetry,
    title: "events of phases over budget have their fields",
    needs: &[Need::Log, Need::Traces],
    requires: &["telemetry/log"],
    severity: Severity::Fail,
    hint: LOG_HINT,
    anchor: "check-telemetry",
    explained: Explained {
        means: "Events of phases over their budget lack fields, or do not occur although a span took longer than its budget.",
        remedy: "Mend the platform's logging; with the fields, an alert can be followed to the request behind it.",
        example: "fail  seamless.sla.phase_exceeded: phase is missing in 1 of 4, first in line 12",
        korean: Korean {
            title: "예산을 넘긴 단계의 이벤트에 필드가 있다",
            means: "예산을 넘긴 단계의 이벤트에 필드가 빠졌거나, 예산보다 긴 스팬이 있는데 이벤트가 없다.",
            remedy: "플랫폼의 로깅을 고친다. 필드가 있어야 경보에서 요청까지 따라갈 수 있다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    let (logs, traces) = tokio::join!(site.logs(), site.traces());
    let request = site.request;
    let budget = |phase| request.budget(phase, request.profile.unwrap_or_default());
    let over = traces.ok().and_then(|traces| over_budget(traces, budget));
    Ok(judge(logs?, over))
}

/// `over`: a span that took longer than its phase may, if the traces show one.
fn judge(logs: &Logs, over: Option<String>) -> CheckOutcome {
    let exceeded = match (event(logs, LogEvent::PHASE_EXCEEDED), over) {
        (Some(item), _) => item,
        (None, Some(over)) => {
            let message = format!("is not in the log, though {over}");
            Item::new(LogEvent::PHASE_EXCEEDED.name, Verdict::Warn, message)
        }
        (None, None) => not_occurred(LogEvent::PHASE_EXCEEDED),
    };
    let downgrade = event(logs, LogEvent::SLA_DOWNGRADE);
    let downgrade = downgrade.unwrap_or_else(|| not_occurred(LogEvent::SLA_DOWNGRADE));
    occurring(
        vec![exceeded, downgrade],
        "no phase over its budget in this log",
    )
}

/// A span that took longer than its phase may.
fn over_budget(traces: &Traces, budget: impl Fn(Phase) -> f64) -> Option<String> {
    let mut phases = traces.phases.iter();
    phases.find_map(|(phase, spans)| {
        let budget = budget(*phase);
        (spans.longest_seconds > budget).then(|| {
            format!(
                "a span of {} took {}, its budget being {}",
                phase.label(),
                seconds(spans.longest_seconds),
                seconds(budget)
            )
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_need_not_occur_is_missed_only_where_a_span_shows_it() {
        let logs = Logs::read(&mut "{\"event\": \"x\"}\n".as_bytes()).unwrap();
        for (over, word) in [
            (None, "skip"),
            (Some("a span took long".to_owned()), "warn"),
        ] {
            assert_eq!(judge(&logs, over).verdict.word(), word);
        }
    }
}
