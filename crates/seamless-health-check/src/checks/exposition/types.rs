//! Whether families are exposed with the types of the schema.

use seamless_core::exposition::MetricType;
use seamless_core::schema::Kind;

use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::site::Site;
use crate::survey::Survey;
use crate::verdict::{CheckOutcome, Item, Verdict};

pub(super) const CHECK: Check = Check {
    name: "types",
    group: Group::Exposition,
    title: "types match the schema",
    needs: &[Need::Exposition],
    requires: &["exposition/readable"],
    severity: Severity::Fail,
    hint: "fix the runtime's instrumentation",
    anchor: "check-exposition",
    explained: Explained {
        means: "A family is exposed with another type than the schema has: rules and dashboards compute nonsense from it.",
        remedy: "Correct the type in the runtime's instrumentation.",
        example: "fail  seamless_total_ms: is a gauge, must be a histogram",
        korean: Korean {
            title: "타입이 스키마와 같다",
            means: "패밀리의 타입이 스키마와 다르다. 규칙과 대시보드의 계산이 의미 없게 된다.",
            remedy: "런타임의 계측 코드에서 타입을 고친다.",
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
        let expected = match family.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram(_) => MetricType::Histogram,
        };
        let word = |kind: MetricType| kind.word(exposition.format).unwrap_or("untyped");
        items.push(if exposed.kind == expected {
            Item::new(family.name, Verdict::Pass, word(expected))
        } else {
            let message = format!("is a {}, must be a {}", word(exposed.kind), word(expected));
            Item::new(family.name, Verdict::Fail, message)
        });
    }
    let good = format!("types of {} families match the schema", items.len());
    CheckOutcome::of(items, good)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::exposed;

    #[test]
    fn a_type_is_that_of_the_schema_or_wrong() {
        for (kind, verdict) in [
            ("histogram", Verdict::Pass),
            ("gauge", Verdict::Fail),
            ("untyped", Verdict::Fail),
        ] {
            let document = format!("# TYPE seamless_sla_deadline_seconds {kind}\n");
            let outcome = judge(&exposed(&document).survey);
            assert_eq!(outcome.verdict, verdict, "{outcome:?}");
        }
    }
}
