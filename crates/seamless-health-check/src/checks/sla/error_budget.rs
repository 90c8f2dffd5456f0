//! How much of the error budget of 30 days is left.

use seamless_core::prometheus::InstantSeries;
use seamless_core::rules::Profile;
use seamless_core::schema::{BUDGET_WARNING_SHARE, Phase, SLO_OBJECTIVE, SLO_WINDOW_DAYS};

use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::queries::{SLA, SLA_WITHOUT_EDGE, at_budget, real, tagged};
use crate::site::Site;
use crate::verdict::{CheckOutcome, Item, Measured, Next, Verdict};

const NO_EDGE_HINT: &str = "give the histogram the schema's buckets: register it before the platform's metrics module is imported (docs/monitoring.md)";

/// The share of the last 30 days, as the shipped rules record it.
const SPENT: &str = "seamless:sla_error:ratio_rate30d";

pub(super) const CHECK: Check = Check {
    name: "error-budget",
    group: Group::Sla,
    title: "error budget is left",
    needs: &[Need::Prometheus],
    requires: &["prometheus/queries"],
    // A used-up month says nothing about now: that is what p99 is for.
    severity: Severity::Warn,
    hint: "slow down releases until requests are within budget again",
    anchor: "check-sla",
    explained: Explained {
        means: "Less than a fifth of the error budget of 30 days is left for a phase. It says nothing about now: that is what `sla/p99` is for.",
        remedy: "Slow down releases until requests are within their budget again. *Have no bucket boundary at their budget*: give the histogram the schema's buckets.",
        example: "warn  total: none left; 2.50 % of requests over budget in 30 days, 1 % allowed",
        korean: Korean {
            title: "오류 예산이 남아 있다",
            means: "어떤 단계의 30일 오류 예산이 5분의 1도 남지 않았다. 현재 상태를 뜻하지는 않는다. 그것은 `sla/p99`가 본다.",
            remedy: "요청이 다시 예산 안에 들 때까지 릴리스를 늦춘다. *have no bucket boundary at their budget*이면 히스토그램에 스키마의 버킷을 설정한다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    // Whether it is being spent now.
    let next = Next::health_check(&["--only", "sla/p99"]);
    Ok(judge(&samples(site).await?).next(next))
}

/// From what the rules record, where they have recorded it.
async fn samples(site: &Site<'_>) -> Fact<Vec<InstantSeries>> {
    if site.records(&[SPENT, SLA_WITHOUT_EDGE]).await {
        let samples = site.instant(&recorded_query()).await?;
        if samples.iter().any(is_share) {
            return Ok(samples);
        }
    }
    let (profile, native) = tokio::join!(site.profile(), site.has_native_sla());
    let budget = |phase| site.request.budget(phase, profile);
    site.instant(&query(budget, profile, native)).await
}

/// Whether it is the share of a phase, and no count.
fn is_share(series: &InstantSeries) -> bool {
    series.metric.get("what").is_empty()
}

/// The same as [`query`] gives, of recorded series alone.
fn recorded_query() -> String {
    let without = format!("sum by (phase) ({})", real(SLA_WITHOUT_EDGE));
    format!(
        "max by (phase) ({}) or {}",
        real(SPENT),
        tagged(&without, "what", "outside")
    )
}

/// The share of requests over their budget by phase: as recorded over 30 days, else over the last hour (then
/// with the label `window`); and with the label `what` how many series have no edge at their budget. Both forms
/// are counted, then divided, where `native` histograms are about.
fn query(budget: impl Fn(Phase) -> f64, profile: Profile, native: bool) -> String {
    let mut recorded_phases = Vec::new();
    let mut raw = Vec::new();
    let mut outside = Vec::new();
    for phase in Phase::ALL {
        let budget = budget(phase);
        let of_phase = |name: &str| real(&format!("{SLA}{name}")).with("phase", phase.label());
        let within = at_budget(phase, budget);
        let all = of_phase("_count");
        // Only of the series that have the edge: the others would count as over budget.
        let mut over = format!("sum(rate({all}[1h]) - ignoring (le) rate({within}[1h]))");
        let mut judged = format!("sum(rate({all}[1h]) and ignoring (le) rate({within}[1h]))");
        let mut without = format!("{all} unless ignoring (le) {within}");
        if native {
            let series = of_phase("");
            let rate = format!("rate({series}[1h])");
            // What lies beyond the top edge of converted buckets is over any budget above it, or is not.
            let beyond = format!(
                "(histogram_quantile(1, {rate}) < {budget} and histogram_fraction({budget}, +Inf, {rate}) > 0)"
            );
            let counted = format!(
                "(histogram_count({rate} unless ignoring (le) rate({within}[1h]) unless {beyond}) > 0)"
            );
            let both = |classic: &str, native: &str| {
                format!(
                    "sum({} or sum({native}))",
                    tagged(classic, "form", "buckets")
                )
            };
            over = both(
                &over,
                &format!("{counted} * (1 - histogram_fraction(0, {budget}, {rate}))"),
            );
            judged = both(&judged, &counted);
            without = format!("({without} unless {series}) or {beyond}");
        }
        let share = format!("({over} / ({judged} > 0))");
        let share = tagged(&share, "phase", phase.label());
        raw.push(tagged(&share, "window", "1h"));
        let without = tagged(&format!("count({without})"), "phase", phase.label());
        outside.push(tagged(&without, "what", "outside"));
        // A budget of one's own is not what the rule recorded.
        if profile.has_budget(phase, budget) {
            recorded_phases.push(phase.label());
        }
    }
    let recorded = real(SPENT).matching("phase", &recorded_phases.join("|"));
    format!(
        "max by (phase) ({recorded}) or on (phase) ({}) or {}",
        raw.join(" or "),
        outside.join(" or ")
    )
}

/// What is known of one phase's error budget.
struct PhaseBudget {
    phase: &'static str,
    /// The share of requests over budget.
    errors: f64,
    hour_only: bool,
}

impl PhaseBudget {
    fn left(&self) -> f64 {
        1.0 - self.errors / (1.0 - SLO_OBJECTIVE)
    }

    fn item(&self) -> Item {
        let left = self.left();
        let over = if self.hour_only {
            "the last hour (the 30d recording rule is not there)".to_owned()
        } else {
            format!("{SLO_WINDOW_DAYS} days")
        };
        let verdict = if left < 1.0 - BUDGET_WARNING_SHARE {
            Verdict::Warn
        } else {
            Verdict::Pass
        };
        let left_in_words = if left > 0.0 {
            format!("{:.0} % left", left * 100.0)
        } else {
            "none left".to_owned()
        };
        let message = format!(
            "{left_in_words}; {:.2} % of requests over budget in {over}, {:.0} % allowed",
            self.errors * 100.0,
            (1.0 - SLO_OBJECTIVE) * 100.0,
        );
        Item::new(self.phase, verdict, message).measured(Measured {
            value: left * 100.0,
            unit: "%",
            warn: Some((1.0 - BUDGET_WARNING_SHARE) * 100.0),
            fail: None,
        })
    }
}

fn judge(samples: &[InstantSeries]) -> CheckOutcome {
    let of_phase = |phase: Phase| {
        let mine = move |series: &&InstantSeries| series.metric.get("phase") == phase.label();
        samples.iter().filter(mine).filter_map(|series| {
            let value = series.value?.value;
            (!value.is_nan()).then_some((series, value))
        })
    };
    let outside: f64 = Phase::ALL
        .into_iter()
        .flat_map(of_phase)
        .filter(|(series, _)| series.metric.get("what") == "outside")
        .map(|(_, count)| count)
        .sum();
    let judged: Vec<PhaseBudget> = Phase::ALL
        .into_iter()
        .filter_map(|phase| {
            let (series, errors) = of_phase(phase).find(|(series, _)| is_share(series))?;
            Some(PhaseBudget {
                phase: phase.label(),
                errors,
                hour_only: !series.metric.get("window").is_empty(),
            })
        })
        .collect();
    let mut items: Vec<Item> = judged.iter().map(PhaseBudget::item).collect();
    let outside = (outside > 0.0).then(|| {
        format!(
            "{outside} series have no bucket boundary at their budget: their requests are not counted here"
        )
    });
    let worst = judged
        .iter()
        .min_by(|a, b| a.left().total_cmp(&b.left()))
        .map(|worst| format!("{}: {}", worst.phase, worst.item().message));
    let is_spent = items.iter().any(|item| item.verdict.is_bad());
    if let Some(message) = &outside {
        items.push(Item::new("outside", Verdict::Warn, message.clone()));
    }
    match (outside, worst) {
        // That budgets are spent comes first.
        (Some(message), _) if !is_spent => CheckOutcome {
            message,
            ..CheckOutcome::of(items, "").hint(NO_EDGE_HINT)
        },
        (_, Some(worst)) => CheckOutcome::of(items, worst),
        (_, None) => CheckOutcome::not_applicable("no requests, so there is no error ratio"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::{is_promql, series};

    #[test]
    fn both_writings_of_a_bucket_edge_are_asked_for() {
        for (budget, edge) in [(60.0, r#"le=~"60([.]0)?""#), (2.5, r#"le=~"2[.]5([.]0)?""#)] {
            let query = query(|_| budget, Profile::Baseline, true);
            is_promql(&query);
            assert!(query.contains(edge), "{query}");
        }
        is_promql(&recorded_query());
        is_promql(&query(Phase::budget_seconds, Profile::Baseline, false));
    }

    #[test]
    fn what_is_left_decides_and_what_is_in_no_figure_is_said() {
        let ratio = |errors| series(&[("phase", "total")], errors);
        let outside = || series(&[("phase", "total"), ("what", "outside")], 8.0);
        for (samples, verdict, message) in [
            (vec![ratio(0.0)], Verdict::Pass, "total: 100 % left"),
            (vec![ratio(0.0085)], Verdict::Warn, "total: 15 % left"),
            (vec![ratio(0.025)], Verdict::Warn, "total: none left"),
            (
                vec![ratio(0.0), outside()],
                Verdict::Warn,
                "8 series have no",
            ),
            (vec![outside()], Verdict::Warn, "8 series have no"),
            (
                vec![ratio(0.025), outside()],
                Verdict::Warn,
                "total: none left",
            ),
        ] {
            let outcome = judge(&samples);
            assert_eq!(outcome.verdict, verdict, "{outcome:?}");
            assert!(outcome.message.starts_with(message), "{outcome:?}");
            let is_about_edges = message.contains("series");
            assert_eq!(outcome.hint.is_some(), is_about_edges, "{outcome:?}");
        }
        let outcome = judge(&[]);
        assert!(matches!(outcome.verdict, Verdict::Skip(_)), "{outcome:?}");
    }
}
