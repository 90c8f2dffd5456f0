//! Whether samples have the labels of the schema.

use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::site::Site;
use crate::survey::Survey;
use crate::verdict::{CheckOutcome, Item, Verdict};
use crate::words::listed;

pub(super) const CHECK: Check = Check {
    name: "labels",
    group: Group::Exposition,
    title: "labels match the schema",
    needs: &[Need::Exposition],
    requires: &["exposition/readable"],
    severity: Severity::Fail,
    hint: "fix the runtime's instrumentation: labels are in docs/monitoring.md",
    anchor: "check-exposition",
    explained: Explained {
        means: "A sample lacks a label of the schema, or (warning) names a phase that the schema does not know.",
        remedy: "Correct the labels in the runtime's instrumentation.",
        example: "fail  seamless_sla_deadline_seconds: line 7: the label phase is missing",
        korean: Korean {
            title: "레이블이 스키마와 같다",
            means: "스키마의 레이블이 빠진 샘플이 있거나, 스키마에 없는 단계를 쓴다(경고).",
            remedy: "런타임의 계측 코드에서 레이블을 고친다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    Ok(judge(&site.exposition().await?.survey))
}

fn judge(exposition: &Survey) -> CheckOutcome {
    let mut items = Vec::new();
    for exposed in &exposition.families {
        let Some(family) = exposed.known else {
            continue;
        };
        for (label, line) in &exposed.lacking {
            let message = format!("line {line}: the label {label} is missing");
            items.push(Item::new(family.name, Verdict::Fail, message));
        }
        if !exposed.unknown_phases.is_empty() {
            let unknown: Vec<&String> = exposed.unknown_phases.iter().collect();
            let message = format!("unknown phase: {}", listed(&unknown));
            items.push(Item::new(family.name, Verdict::Warn, message));
        }
    }
    CheckOutcome::of(items, "every series has its labels")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::exposed;

    #[test]
    fn a_label_is_there_missing_or_of_an_unknown_phase() {
        for (labels, verdict) in [
            (
                r#"{node_id="n",interval="60",world_id="w",phase="total"}"#,
                Verdict::Pass,
            ),
            (
                r#"{node_id="n",interval="60",world_id="w",phase="tea"}"#,
                Verdict::Warn,
            ),
            (r#"{node_id="n",interval="60",world_id="w"}"#, Verdict::Fail),
        ] {
            let document = format!(
                "# TYPE seamless_sla_deadline_seconds histogram\nseamless_sla_deadline_seconds_count{labels} 1\n"
            );
            let outcome = judge(&exposed(&document).survey);
            assert_eq!(outcome.verdict, verdict, "{outcome:?}");
        }
    }
}
