//! The SLA now: p99 per phase against its budget, and the error budget that is left. Synthetic series
//! count for nothing here.

use seamless_core::prometheus::{InstantSeries, RangeSeries};
use seamless_core::schema::{BUDGET_WARNING_SHARE, Phase, SLO_OBJECTIVE, SLO_WINDOW_DAYS};

use super::seconds;
use crate::check::{Check, Group, Item, Measured, Outcome, Severity, Verdict};
use crate::facts::{Facts, Source};
use crate::request::Request;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "p99",
        group: Group::Sla,
        title: "the p99 of every phase is within its budget",
        sources: &[Source::P99, Source::P99History],
        requires: &["prometheus/queries"],
        severity: Severity::Fail,
        hint: "follow the runbook's procedure; the dashboard Seamless SLA Overview shows where",
        anchor: "check-sla",
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
        judge: error_budget,
    },
];

fn p99(facts: &Facts, request: &Request) -> Outcome {
    let p99 = match &facts.p99 {
        Ok(p99) => p99,
        Err(gap) => return gap.outcome(),
    };
    let history = facts.p99_history.as_deref().unwrap_or_default();
    let items: Vec<Item> = Phase::ALL
        .into_iter()
        .filter_map(|phase| phase_item(phase, p99, history, request.budget(phase)))
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
    p99: &[InstantSeries],
    history: &[RangeSeries],
    budget: f64,
) -> Option<Item> {
    let value = p99
        .iter()
        .filter(|series| series.metric.get("phase") == phase.label())
        .filter_map(|series| series.value)
        .map(|sample| sample.value)
        .find(|value| !value.is_nan())?;
    let verdict = if value > budget {
        Verdict::Fail
    } else if value >= budget * BUDGET_WARNING_SHARE {
        Verdict::Warn
    } else {
        Verdict::Pass
    };
    let share = value / budget * 100.0;
    let message = format!("{} of {} ({share:.0} %)", seconds(value), seconds(budget));
    let mut item = Item::new(phase.label(), verdict, message).measured(Measured {
        value,
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

fn error_budget(facts: &Facts, _: &Request) -> Outcome {
    let ratio = match &facts.error_budget {
        Ok(ratio) => ratio,
        Err(gap) => return gap.outcome(),
    };
    let Some((series, errors)) = ratio.iter().find_map(|series| {
        let value = series.value?.value;
        (!value.is_nan()).then_some((series, value))
    }) else {
        return Outcome::not_applicable(
            "no requests, or the total budget is no bucket edge, so there is no error ratio",
        );
    };
    let hour_only = !series.metric.get("window").is_empty();
    let left = 1.0 - errors / (1.0 - SLO_OBJECTIVE);
    let over = if hour_only {
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
        errors * 100.0,
        (1.0 - SLO_OBJECTIVE) * 100.0,
    );
    let item =
        Item::new("error_budget_left", verdict.clone(), message.clone()).measured(Measured {
            value: left * 100.0,
            unit: "%",
            warn: Some((1.0 - BUDGET_WARNING_SHARE) * 100.0),
            fail: None,
        });
    Outcome::new(verdict, message).items(vec![item])
}
