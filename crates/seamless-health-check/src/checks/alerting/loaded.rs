//! Whether Prometheus runs the alerts that ship: compared by meaning, evaluated, and recently.

use seamless_core::prometheus::{LoadedRule, RuleType};
use seamless_core::rules::{Rule, shipped};

use super::{alerting_rules, shipped_names};
use crate::check::{Item, Outcome, Verdict};
use crate::checks::seconds;
use crate::facts::Facts;
use crate::request::Request;

/// Evaluations that may be missed before a rule counts as stale.
const MISSED: f64 = 3.0;
const GRACE_SECONDS: f64 = 60.0;

pub(super) fn loaded(facts: &Facts, _: &Request) -> Outcome {
    if let Err(gap) = &facts.rules {
        return gap.outcome();
    }
    let shipped = match shipped() {
        Ok(shipped) => shipped,
        Err(error) => return Outcome::fail(format!("the embedded rules: {error}")),
    };
    let loaded: Vec<&LoadedRule> = alerting_rules(facts)
        .map(|(rule, _)| rule)
        .filter(|rule| rule.kind == RuleType::Alerting)
        .collect();
    let mut taken = vec![false; loaded.len()];
    let mut items = Vec::new();
    for rule in shipped.alerts() {
        let free = |exact: bool| {
            loaded.iter().zip(&taken).position(|(loaded, taken)| {
                !taken && loaded.name == rule.name && (!exact || loaded.labels == rule.labels)
            })
        };
        let title = title(rule);
        let Some(place) = free(true).or_else(|| free(false)) else {
            items.push(Item::new(title, Verdict::Fail, "not loaded"));
            continue;
        };
        taken[place] = true;
        let differences = differences(rule, loaded[place]);
        items.push(if differences.is_empty() {
            Item::new(title, Verdict::Pass, "as shipped")
        } else {
            Item::new(title, Verdict::Warn, differences.join("; "))
        });
    }
    let good = format!("all {}, as shipped", items.len());
    let missing = items
        .iter()
        .filter(|item| item.verdict == Verdict::Fail)
        .count();
    let all = items.len();
    let mut outcome = Outcome::of(items, good);
    if missing == all {
        outcome.message = format!("none of {all} is loaded");
    } else if missing > 0 {
        outcome.message = format!("{missing} of {all} not loaded: {}", outcome.message);
    }
    outcome
}

/// The name, and what tells it from others of the name.
fn title(rule: &Rule) -> String {
    let of = ["phase", "long_window", "family"];
    let of = of.iter().find_map(|label| rule.labels.get(*label));
    match of {
        Some(of) => format!("{} ({of})", rule.name),
        None => rule.name.clone(),
    }
}

fn differences(shipped: &Rule, loaded: &LoadedRule) -> Vec<String> {
    let mut found = Vec::new();
    let pending = shipped.pending_for().as_secs_f64();
    if (pending - loaded.duration).abs() > 0.001 {
        found.push(format!(
            "for is {}, shipped {}",
            seconds(loaded.duration),
            seconds(pending)
        ));
    }
    match shipped.expr.same_meaning(&loaded.query) {
        Ok(true) => {}
        Ok(false) => found.push(format!(
            "the expression differs: {}",
            one_line(&loaded.query)
        )),
        Err(error) => found.push(format!("the expression cannot be read: {}", error.reason)),
    }
    for (label, value) in &shipped.labels {
        let is = loaded.labels.get(label);
        if is != value {
            found.push(format!("label {label} is {is:?}, shipped {value:?}"));
        }
    }
    found
}

fn one_line(expression: &str) -> String {
    let words: Vec<&str> = expression.split_whitespace().collect();
    words.join(" ")
}

pub(super) fn evaluated(facts: &Facts, _: &Request) -> Outcome {
    let (rules, now) = match (&facts.rules, &facts.clock) {
        (Ok(rules), Ok(now)) => (rules, *now),
        (Err(gap), _) | (_, Err(gap)) => return gap.outcome(),
    };
    let names = shipped_names();
    let mut items = Vec::new();
    for group in rules {
        // What an alert records on its way counts as much as the alert.
        let ours = group
            .rules
            .iter()
            .any(|rule| names.contains(rule.name.as_str()))
            || group.name.starts_with("seamless");
        if !ours {
            continue;
        }
        for rule in &group.rules {
            let (verdict, message) = state(rule, group.interval, now);
            items.push(Item::new(&rule.name, verdict, message));
        }
    }
    if items.is_empty() {
        return Outcome::not_applicable("no shipped rule is loaded");
    }
    let good = format!("{} rules", items.len());
    let outcome = Outcome::of(items, good);
    match outcome.verdict {
        Verdict::Warn => outcome.hint("each group is evaluated once per interval: --wait 5m"),
        _ => outcome,
    }
}

fn state(rule: &LoadedRule, interval: f64, now: f64) -> (Verdict, String) {
    match rule.health.as_str() {
        "ok" => {}
        "err" => return (Verdict::Fail, format!("fails: {}", rule.last_error)),
        _ => return (Verdict::Warn, "not evaluated yet".to_owned()),
    }
    let Ok(last) = rule.last_evaluation.parse::<jiff::Timestamp>() else {
        return (Verdict::Warn, "its last evaluation has no time".to_owned());
    };
    let age = now - last.as_millisecond() as f64 / 1000.0;
    if age > MISSED * interval + GRACE_SECONDS {
        let message = format!(
            "last evaluated {} ago, though due every {}",
            seconds(age),
            seconds(interval)
        );
        return (Verdict::Fail, message);
    }
    (Verdict::Pass, format!("{} ago", seconds(age.max(0.0))))
}
