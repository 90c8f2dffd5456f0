//! Whether Prometheus runs the rules that it should: compared by meaning, evaluated, and recently.

use seamless_core::prometheus::{LoadedGroup, LoadedRule};
use seamless_core::rules::{ComparedRule, Copy, Profile, compare};

use crate::request::Request;
use crate::verdict::{Item, Outcome, Verdict};
use crate::words::seconds;

/// Evaluations that may be missed before a rule counts as stale.
const MISSED: f64 = 3.0;
const GRACE_SECONDS: f64 = 60.0;

pub(super) fn loaded(groups: &[LoadedGroup], request: &Request) -> Outcome {
    let profile = request.profile(groups);
    let expected = match (profile, profile.rules()) {
        (Profile::GoldenSignals, Ok(rules)) => rules,
        _ => &request.rules,
    };
    let compared = compare(expected, groups);
    let mut items: Vec<Item> = compared.rules.iter().map(rule).collect();
    items.extend(compared.copies.iter().map(copy));
    let all = compared.rules.len();
    let alerts = compared.rules.iter().filter(|rule| rule.is_alert).count();
    let mut good = format!("all {alerts} alerts and {} recording rules", all - alerts);
    if profile == Profile::GoldenSignals {
        good = format!("{good}, profile {}", profile.name());
    }
    let missing = compared.rules.iter().filter(|rule| !rule.is_loaded).count();
    let mut outcome = Outcome::of(items, good);
    if missing == all {
        outcome.message = format!("none of {all} rules is loaded");
    } else if missing > 0 {
        outcome.message = format!("{missing} of {all} rules not loaded: {}", outcome.message);
    }
    outcome
}

fn rule(rule: &ComparedRule) -> Item {
    if !rule.is_loaded {
        return Item::new(rule.title(), Verdict::Fail, "not loaded");
    }
    match rule.differences.as_slice() {
        [] => Item::new(rule.title(), Verdict::Pass, "as it should be"),
        some => Item::new(rule.title(), Verdict::Warn, some.join("; ")),
    }
}

fn copy(copy: &Copy) -> Item {
    let what = match copy.differences.as_slice() {
        [] => "an equal one".to_owned(),
        some => format!("another one ({})", some.join("; ")),
    };
    let message = format!(
        "loaded twice: {what} in group {} of {}",
        copy.group, copy.file
    );
    Item::new(&copy.name, Verdict::Warn, message)
}

/// `now` is Prometheus's clock, in seconds since the epoch.
pub(super) fn evaluated(rules: &[LoadedGroup], now: f64, request: &Request) -> Outcome {
    let names = request.rule_names();
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
