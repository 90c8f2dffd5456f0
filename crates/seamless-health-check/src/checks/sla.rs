//! The SLA now: p99 per phase against its budget, and the error budget that is left. Synthetic series
//! count for nothing here.

use seamless_core::prometheus::{InstantSeries, RangeSeries};
use seamless_core::schema::{BUDGET_WARNING_SHARE, Phase, SLO_OBJECTIVE, SLO_WINDOW_DAYS};

use super::seconds;
use crate::check::{Check, Explained, Group, Item, Korean, Measured, Outcome, Severity, Verdict};
use crate::facts::{Facts, Source};
use crate::latency::{Buckets, P99, Standing};
use crate::request::Request;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "p99",
        group: Group::Sla,
        title: "the p99 of every phase is within its budget",
        sources: &[Source::P99, Source::P99History, Source::Rules],
        requires: &["prometheus/queries"],
        severity: Severity::Fail,
        hint: "follow the runbook's procedure; the dashboard Seamless SLA Overview shows where",
        anchor: "check-sla",
        explained: Explained {
            means: "The p99 of a phase is over its budget now, or over 80 % of it (warning). *Cannot be judged with these buckets*: the budget is no bucket edge.",
            remedy: "Follow the runbook's procedure; the dashboard Seamless SLA Overview shows which phase, node and domain.",
            example: "fail  total: 1m 15s of 1m (125 %)",
            korean: Korean {
                title: "모든 단계의 p99가 예산 안에 있다",
                means: "어떤 단계의 p99가 지금 예산을 넘었거나 예산의 80 %를 넘었다(경고). *cannot be judged with these buckets*: 예산이 버킷 경계가 아니다.",
                remedy: "런북의 절차를 따른다. 대시보드 Seamless SLA Overview에 단계, 노드, 도메인이 나온다.",
            },
        },
        judge: p99,
    },
    Check {
        name: "error-budget",
        group: Group::Sla,
        title: "error budget is left",
        sources: &[Source::ErrorBudget],
        requires: &["prometheus/queries"],
        // A used-up month says nothing about now: that is what p99 is for.
        severity: Severity::Warn,
        hint: "slow down releases until requests are within budget again",
        anchor: "check-sla",
        explained: Explained {
            means: "Less than a fifth of the error budget of 30 days is left for a phase. It says nothing about now: that is what `sla/p99` is for.",
            remedy: "Slow down releases until requests are within their budget again. *Have no bucket edge at their budget*: give the histogram the schema's buckets.",
            example: "warn  total: none left; 2.50 % of requests over budget in 30 days, 1 % allowed",
            korean: Korean {
                title: "오류 예산이 남아 있다",
                means: "어떤 단계의 30일 오류 예산이 5분의 1도 남지 않았다. 현재 상태를 뜻하지는 않는다. 그것은 `sla/p99`가 본다.",
                remedy: "요청이 다시 예산 안에 들 때까지 릴리스를 늦춘다. *have no bucket edge at their budget*이면 히스토그램에 스키마의 버킷을 설정한다.",
            },
        },
        judge: error_budget,
    },
];

fn p99(facts: &Facts, request: &Request) -> Outcome {
    let samples = match &facts.p99 {
        Ok(samples) => samples,
        Err(gap) => return gap.outcome(),
    };
    let history = facts.p99_history.as_deref().unwrap_or_default();
    let profile = request.profile(facts.rules.as_deref().unwrap_or_default());
    let items: Vec<Item> = Phase::ALL
        .into_iter()
        .filter_map(|phase| phase_item(phase, samples, history, request.budget(phase, profile)))
        .collect();
    if items.is_empty() {
        return Outcome::not_applicable("no requests in the last minutes, so there is no p99");
    }
    let worst = items
        .iter()
        .filter_map(|item| item.measured.and_then(|m| Some(m.value / m.fail?)))
        .fold(0.0, f64::max);
    Outcome::of(items, format!("at most {:.0} % of a budget", worst * 100.0))
}

fn phase_item(
    phase: Phase,
    samples: &[InstantSeries],
    history: &[RangeSeries],
    budget: f64,
) -> Option<Item> {
    let buckets = Buckets::of(phase.label(), samples);
    let classic = buckets.p99();
    // Each form of the histogram is a part of the fleet of its own: the worse one counts.
    let p99 = match (classic, buckets.native) {
        (Some(p99), None) => p99,
        (classic, Some(native)) => {
            let exact = P99::Inside {
                low: native,
                high: native,
                value: native,
            };
            classic.filter(|p99| value(*p99) > native).unwrap_or(exact)
        }
        (None, None) => return None,
    };
    let standing = buckets.standing(p99, budget);
    let measured = value(p99);
    let share = measured / budget * 100.0;
    let (verdict, message) = match (standing, p99) {
        (Standing::Over, P99::Beyond { top, mean }) if top < budget => (
            Verdict::Fail,
            format!(
                "at least {} of {}, and requests beyond that take {} on average",
                seconds(top),
                seconds(budget),
                seconds(mean)
            ),
        ),
        (Standing::Over, P99::Beyond { top, .. }) => (
            Verdict::Fail,
            format!("at least {} of {}", seconds(top), seconds(budget)),
        ),
        (Standing::Unknown, P99::Beyond { top, .. }) => (
            Verdict::Warn,
            format!(
                "at least {} of {}: cannot be judged with these buckets, whose highest edge is {}",
                seconds(top),
                seconds(budget),
                seconds(top)
            ),
        ),
        (Standing::Unknown, P99::Inside { low, high, .. }) => (
            Verdict::Warn,
            format!(
                "between {} and {}: cannot be judged against {}, which is no edge of these buckets",
                seconds(low),
                seconds(high),
                seconds(budget)
            ),
        ),
        (standing, _) => {
            let verdict = match standing {
                Standing::Over => Verdict::Fail,
                _ if measured >= budget * BUDGET_WARNING_SHARE => Verdict::Warn,
                _ => Verdict::Pass,
            };
            let of = format!(
                "{} of {} ({share:.0} %)",
                seconds(measured),
                seconds(budget)
            );
            (verdict, of)
        }
    };
    let mut item = Item::new(phase.label(), verdict, message).measured(Measured {
        value: measured,
        unit: "s",
        warn: Some(budget * BUDGET_WARNING_SHARE),
        fail: Some(budget),
    });
    item.history = history
        .iter()
        .find(|series| series.metric.get("phase") == phase.label())
        .map(|series| series.values.iter().map(|sample| sample.value).collect())
        .unwrap_or_default();
    Some(item)
}

/// In seconds: interpolated, or the least that it is.
const fn value(p99: P99) -> f64 {
    match p99 {
        P99::Inside { value, .. } => value,
        P99::Beyond { top, .. } => top,
    }
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

fn error_budget(facts: &Facts, _: &Request) -> Outcome {
    let samples = match &facts.error_budget {
        Ok(samples) => samples,
        Err(gap) => return gap.outcome(),
    };
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
            let is_ratio =
                |(series, _): &(&InstantSeries, f64)| series.metric.get("what").is_empty();
            let (series, errors) = of_phase(phase).find(is_ratio)?;
            Some(PhaseBudget {
                phase: phase.label(),
                errors,
                hour_only: !series.metric.get("window").is_empty(),
            })
        })
        .collect();
    let mut items: Vec<Item> = judged.iter().map(PhaseBudget::item).collect();
    if outside > 0.0 {
        let message = format!(
            "{outside} series have no bucket edge at their budget: their requests are in no figure here"
        );
        items.push(Item::new("outside", Verdict::Warn, message));
    }
    let worst = judged
        .iter()
        .min_by(|a, b| a.left().total_cmp(&b.left()))
        .map(|worst| format!("{}: {}", worst.phase, worst.item().message));
    match worst {
        Some(worst) => Outcome::of(items, worst),
        None if items.is_empty() => {
            Outcome::not_applicable("no requests, so there is no error ratio")
        }
        None => Outcome::of(items, ""),
    }
}
