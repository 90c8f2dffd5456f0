//! Whether the buckets of histograms can show their budgets.

use seamless_core::schema::{Family, Phase};

use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::site::Site;
use crate::survey::Survey;
use crate::verdict::{CheckOutcome, Item, Verdict};

pub(super) const CHECK: Check = Check {
    name: "buckets",
    group: Group::Exposition,
    title: "every budget is a bucket boundary",
    needs: &[Need::Exposition],
    requires: &["exposition/readable"],
    severity: Severity::Fail,
    hint: "give the histogram the schema's buckets: every budget must be an edge below the top",
    anchor: "check-exposition",
    explained: Explained {
        means: "The buckets of a histogram cannot show its budget: the highest one lies at or below it, so that the alert can never fire, or (warning) the budget is not a bucket boundary.",
        remedy: "Give the histogram the schema's buckets: every budget must be an edge below the highest bucket.",
        example: "fail  seamless_sla_deadline_seconds: the highest finite bucket is 10: an alert on the budget 60 can never fire",
        korean: Korean {
            title: "버킷이 예산을 나타낼 수 있다",
            means: "히스토그램의 버킷이 예산을 나타내지 못한다. 가장 높은 버킷이 예산 이하라 경보가 절대 울릴 수 없거나, 예산이 버킷 경계가 아니다(경고).",
            remedy: "히스토그램에 스키마의 버킷을 설정한다. 모든 예산이 가장 높은 버킷보다 낮은 경계여야 한다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    let request = site.request;
    let budget = |phase| request.budget(phase, request.profile.unwrap_or_default());
    Ok(judge(&site.exposition().await?.survey, budget))
}

/// `budget` gives that of a phase, in seconds.
fn judge(exposition: &Survey, budget: impl Fn(Phase) -> f64) -> CheckOutcome {
    let mut items: Vec<Item> = Vec::new();
    for histogram in &exposition.histograms {
        let family = histogram.family;
        for budget in budgets_of(family, histogram.phase.as_deref(), &budget) {
            let item = carries(family, &histogram.bounds, budget);
            if !items.contains(&item) {
                items.push(item);
            }
        }
    }
    if items.is_empty() {
        return CheckOutcome::not_applicable("no histogram that has a budget is exposed");
    }
    CheckOutcome::of(items, "every budget is an edge below the top bucket")
}

/// The budgets that a series of `family` must be able to show, in its unit.
fn budgets_of(family: &Family, phase: Option<&str>, budget: impl Fn(Phase) -> f64) -> Vec<f64> {
    if let Some(phase) = phase.and_then(Phase::from_label) {
        return vec![budget(phase)];
    }
    Phase::ALL
        .into_iter()
        .filter(|phase| phase.domain_family() == family.name)
        .map(|phase| budget(phase) * 1000.0)
        .collect()
}

fn carries(family: &Family, bounds: &[f64], budget: f64) -> Item {
    let top = bounds.iter().copied().fold(f64::MIN, f64::max);
    let is_edge = bounds
        .iter()
        .any(|bound| (bound - budget).abs() < 1e-9 * budget.max(1.0));
    if bounds.is_empty() {
        return Item::new(family.name, Verdict::Fail, "has no finite bucket");
    }
    if top <= budget {
        let message = format!(
            "the highest finite bucket is {top}: an alert on the budget {budget} can never fire"
        );
        return Item::new(family.name, Verdict::Fail, message);
    }
    if !is_edge {
        let message = format!(
            "the budget {budget} is not a bucket boundary: the share within budget is interpolated"
        );
        return Item::new(family.name, Verdict::Warn, message);
    }
    Item::new(
        family.name,
        Verdict::Pass,
        format!("budget {budget} is an edge"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::exposed;

    #[test]
    fn a_budget_must_be_an_edge_below_the_top() {
        for (edges, verdict) in [
            (&["30", "60", "600"][..], Verdict::Pass),
            (&["30", "90", "600"], Verdict::Warn),
            (&["30", "60"], Verdict::Fail),
            (&[], Verdict::Fail),
        ] {
            let mut document = "# TYPE seamless_sla_deadline_seconds histogram\n".to_owned();
            for edge in edges.iter().chain(&["+Inf"]) {
                document += &format!(
                    "seamless_sla_deadline_seconds_bucket{{phase=\"total\",le=\"{edge}\"}} 1\n"
                );
            }
            let outcome = judge(&exposed(&document).survey, |_| 60.0);
            assert_eq!(outcome.verdict, verdict, "{edges:?}: {outcome:?}");
        }
        let outcome = judge(&exposed("a 1\n").survey, |_| 60.0);
        assert!(matches!(outcome.verdict, Verdict::Skip(_)), "{outcome:?}");
    }
}
