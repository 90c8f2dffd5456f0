//! Checks of the rules as a whole: names, labels, texts, runbook.

use std::collections::BTreeSet;

use seamless_core::rules::{Rule, RuleFile};
use seamless_core::schema::Severity;

use super::Finding;
use super::expressions::{self, Role};

const UIDS: &[&str] = &[
    "seamless-sla-overview",
    "seamless-backfill-health",
    "seamless-conformance-quality",
];

pub(super) fn check(rules: &RuleFile, runbook: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for group in &rules.groups {
        if !group.name.starts_with("seamless-") {
            let place = format!("group {}", group.name);
            found.push(Finding::new(
                place,
                "group-name",
                "its name does not start with `seamless-`",
            ));
        }
    }
    let anchors = anchors(runbook);
    for rule in rules.rules() {
        let place = place(rule);
        found.extend(expressions::check(&place, &rule.expr, Role::Rule, rules));
        for threshold in rules.thresholds(rule).into_iter().flatten() {
            expressions::unreachable(
                &place,
                &threshold.histogram,
                threshold.threshold,
                &mut found,
            );
        }
        if rule.is_alert() {
            alert(&place, rule, &anchors, &mut found);
        } else if !rule.name.contains(':') {
            found.push(Finding::new(
                place,
                "recording-name",
                "a recorded series is named level:metric:operation",
            ));
        }
    }
    found
}

pub(super) fn place(rule: &Rule) -> String {
    let kind = if rule.is_alert() {
        "alert"
    } else {
        "recording"
    };
    format!("{kind} {}", rule.name)
}

fn alert(place: &str, rule: &Rule, anchors: &BTreeSet<String>, found: &mut Vec<Finding>) {
    let severity = rule
        .labels
        .get("severity")
        .map(String::as_str)
        .unwrap_or_default();
    let known = [Severity::Critical, Severity::Warning, Severity::None];
    if !known.iter().any(|known| known.label() == severity) {
        found.push(Finding::new(
            place,
            "severity",
            format!("`{severity}` is no severity that a route knows"),
        ));
    }
    if rule.labels.get("service").map(String::as_str) != Some("seamless") {
        found.push(Finding::new(
            place,
            "service",
            "the label service=\"seamless\" is missing",
        ));
    }
    for text in ["summary", "description", "runbook_url", "dashboard_url"] {
        if rule.annotations.get(text).is_none_or(String::is_empty) {
            found.push(Finding::new(
                place,
                "annotation",
                format!("the annotation `{text}` is missing"),
            ));
        }
    }
    if severity != Severity::None.label()
        && !rule
            .annotations
            .get("description")
            .is_some_and(|text| text.contains("$value") || text.contains("| query }}"))
    {
        found.push(Finding::new(
            place,
            "annotation",
            "the description does not say the measured value",
        ));
    }
    let anchor = rule.name.to_lowercase();
    let runbook_url = rule
        .annotations
        .get("runbook_url")
        .map(String::as_str)
        .unwrap_or_default();
    if !runbook_url.ends_with(&format!("#{anchor}")) {
        found.push(Finding::new(
            place,
            "runbook",
            format!("runbook_url does not end in #{anchor}"),
        ));
    } else if !anchors.contains(&anchor) {
        found.push(Finding::new(
            place,
            "runbook",
            format!("the runbook has no heading `{}`", rule.name),
        ));
    }
    let dashboard_url = rule
        .annotations
        .get("dashboard_url")
        .map(String::as_str)
        .unwrap_or_default();
    if !UIDS
        .iter()
        .any(|uid| dashboard_url.contains(&format!("/d/{uid}?")))
    {
        found.push(Finding::new(
            place,
            "dashboard-url",
            "dashboard_url leads to none of the dashboards",
        ));
    }
}

/// The anchors of a Markdown file's headings, as code hosts make them.
fn anchors(markdown: &str) -> BTreeSet<String> {
    let headings = markdown.lines().filter_map(|line| line.strip_prefix('#'));
    headings
        .map(|heading| {
            let text = heading.trim_start_matches('#').trim().to_lowercase();
            text.chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
        .collect()
}
