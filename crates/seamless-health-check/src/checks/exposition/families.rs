//! Whether the required families are exposed, under their right names.

use seamless_core::schema::FAMILIES;

use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::request::RequestedMetric;
use crate::site::Site;
use crate::survey::{Survey, Surveyed};
use crate::verdict::{CheckOutcome, Item, Verdict};

/// Names nearer than this are taken for a typo of a known one.
const TYPO_SIMILARITY: f64 = 0.9;

pub(super) const CHECK: Check = Check {
    name: "families",
    group: Group::Exposition,
    title: "required families are exposed, and no name is misspelt",
    needs: &[Need::Exposition],
    requires: &["exposition/readable"],
    severity: Severity::Fail,
    hint: "fix the runtime's instrumentation: names are in docs/monitoring.md",
    anchor: "check-exposition",
    explained: Explained {
        means: "A required family is not exposed, or (warning) a name is nearly that of a known family.",
        remedy: "Correct the name in the runtime's instrumentation.",
        example: "fail  seamless_total_ms: is not exposed",
        korean: Korean {
            title: "필수 패밀리가 있고 철자가 비슷한 이름이 없다",
            means: "필수 패밀리가 노출되지 않거나, 알려진 패밀리와 거의 같은 이름이 있다(경고).",
            remedy: "런타임의 계측 코드에서 이름을 고친다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    Ok(judge(
        &site.exposition().await?.survey,
        &site.request.metrics,
    ))
}

fn judge(exposition: &Survey, metrics: &[RequestedMetric]) -> CheckOutcome {
    let mut items = Vec::new();
    for exposed in exposition
        .families
        .iter()
        .filter(|exposed| exposed.known.is_none())
    {
        if let Some(name) = meant(&exposed.name) {
            let message = format!("unknown metric; did you mean {name}?");
            items.push(Item::new(&exposed.name, Verdict::Warn, message));
        }
    }
    let mut there = 0;
    for metric in metrics {
        let found = |exposed: &Surveyed| metric.exposed.contains(&exposed.name);
        if exposition.families.iter().any(found) {
            there += 1;
        } else {
            items.push(Item::new(&metric.name, Verdict::Fail, "is not exposed"));
        }
    }
    CheckOutcome::of(items, format!("all {there} required families are exposed"))
}

/// The known name that `name` looks like a typo of.
fn meant(name: &str) -> Option<&'static str> {
    let base = ["_created", "_bucket", "_sum", "_count", "_total"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))
        .unwrap_or(name);
    if FAMILIES.iter().any(|family| family.name == base) {
        // A suffix too many is how client libraries write timestamps of creation.
        return None;
    }
    FAMILIES
        .iter()
        .map(|family| {
            let base_of = family.name.strip_suffix("_total").unwrap_or(family.name);
            (
                family.name,
                strsim::jaro_winkler(base, base_of),
                strsim::levenshtein(base, base_of),
            )
        })
        .filter(|(_, similarity, edits)| *similarity > TYPO_SIMILARITY && (1..=3).contains(edits))
        .min_by_key(|(_, _, edits)| *edits)
        .map(|(name, ..)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::exposed;

    #[test]
    fn a_family_is_there_missing_or_nearly_right() {
        let metrics = [RequestedMetric::parse("seamless_sla_deadline_seconds").unwrap()];
        for (document, verdict, message) in [
            (
                "seamless_sla_deadline_seconds 1\n",
                Verdict::Pass,
                "all 1 required families are exposed",
            ),
            (
                "seamless_sla_deadline_secnds 1\n",
                Verdict::Fail,
                "seamless_sla_deadline_seconds: is not exposed (and 1 more)",
            ),
            (
                "a 1\n",
                Verdict::Fail,
                "seamless_sla_deadline_seconds: is not exposed",
            ),
        ] {
            let outcome = judge(&exposed(document).survey, &metrics);
            assert_eq!(
                (outcome.verdict, outcome.message.as_str()),
                (verdict, message)
            );
        }
    }

    #[test]
    fn a_suffix_of_a_client_library_is_no_typing_error() {
        for (name, family) in [
            (
                "seamless_sla_deadline_secnds",
                Some("seamless_sla_deadline_seconds"),
            ),
            ("seamless_sla_deadline_seconds_created", None),
            ("go_goroutines", None),
        ] {
            assert_eq!(meant(name), family, "{name}");
        }
    }
}
