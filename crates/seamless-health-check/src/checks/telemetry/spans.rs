//! Whether pipeline spans name their phase.

use seamless_core::schema::Phase;

use super::events::broken;
use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::site::Site;
use crate::telemetry::Traces;
use crate::verdict::{CheckOutcome, Item, Verdict};

const NO_SPANS: &str =
    "the platform's release may make no spans of its own: search the log instead (runbook, step 3)";

pub(super) const CHECK: Check = Check {
    name: "spans",
    group: Group::Telemetry,
    title: "pipeline spans name their phase",
    needs: &[Need::Traces],
    requires: &[],
    severity: Severity::Fail,
    hint: "fix the runtime's tracing: spans are seamless.pipeline, with sla.phase where a budget applies",
    anchor: "check-telemetry",
    explained: Explained {
        means: "The traces cannot be read, hold no span of the pipeline, or pipeline spans do not name their phase.",
        remedy: "Mend the runtime's tracing: spans are `seamless.pipeline`, with `sla.phase` where a budget applies. If the release makes no spans of its own, search the log instead.",
        example: "fail  sla.phase: none of 12 pipeline spans has this attribute",
        korean: Korean {
            title: "파이프라인 스팬에 단계가 적혀 있다",
            means: "트레이스를 읽을 수 없거나, 파이프라인 스팬이 없거나, 파이프라인 스팬에 단계가 없다.",
            remedy: "런타임의 트레이싱을 고친다. 스팬 이름은 `seamless.pipeline`이고 예산이 있는 곳에는 `sla.phase`가 있다. 릴리스가 스팬을 만들지 않으면 대신 로그를 검색한다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    Ok(judge(site.traces().await?))
}

fn judge(traces: &Traces) -> CheckOutcome {
    let mut items = Vec::new();
    if traces.broken.count > 0 {
        let readable = traces.spans > 0;
        let verdict = if readable {
            Verdict::Warn
        } else {
            Verdict::Fail
        };
        items.push(Item::new(
            "file",
            verdict,
            broken(&traces.broken, traces.lines),
        ));
    } else if traces.spans == 0 {
        return CheckOutcome::warn("there is no span").hint(NO_SPANS);
    }
    if traces.spans > 0 && traces.pipeline == 0 {
        let message = format!(
            "none of {} spans has this name: this release makes none",
            traces.spans
        );
        items.push(Item::new("seamless.pipeline", Verdict::Warn, message));
        return CheckOutcome::of(items, "").hint(NO_SPANS);
    } else if traces.pipeline > 0 && traces.phases.is_empty() && traces.unknown_phases.is_empty() {
        let message = format!(
            "none of {} pipeline spans has this attribute",
            traces.pipeline
        );
        items.push(Item::new("sla.phase", Verdict::Fail, message));
    } else if traces.pipeline > 0 {
        items.extend(traces.unknown_phases.iter().map(|(label, line)| {
            let message = format!("line {line}: no such phase: {label:?}");
            Item::new("sla.phase", Verdict::Fail, message)
        }));
        items.extend(Phase::ALL.map(|phase| match traces.phases.get(&phase) {
            Some(spans) => Item::new(
                phase.label(),
                Verdict::Pass,
                format!("{} spans", spans.count),
            ),
            None => Item::new(phase.label(), Verdict::Warn, "no span has this sla.phase"),
        }));
    }
    let good = format!(
        "{} of {} spans are of the pipeline, every phase among them",
        traces.pipeline, traces.spans
    );
    CheckOutcome::of(items, good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_without_spans_is_told_apart_from_a_broken_file() {
        for (text, word, message) in [
            ("", "warn", "there is no span"),
            ("{\n", "fail", "file: 1 of 1 lines is broken"),
        ] {
            let traces = Traces::read(&mut text.as_bytes()).unwrap();
            let outcome = judge(&traces);
            assert_eq!(outcome.verdict.word(), word, "{outcome:?}");
            assert!(outcome.message.starts_with(message), "{outcome:?}");
        }
    }
}
