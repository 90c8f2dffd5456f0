//! Checks of the rules as a whole: names, labels, texts, runbook.

use std::collections::BTreeMap;

use seamless_core::rules::{Rule, RuleFile};
use seamless_core::schema::AlertSeverity;

use super::expressions::{self, Role};
use super::{LintFinding, LintedPlace};

const UIDS: &[&str] = &[
    "seamless-sla-overview",
    "seamless-backfill-health",
    "seamless-conformance-quality",
];

pub(super) fn check(rules: &RuleFile, found: &mut Vec<LintFinding>) {
    for group in &rules.groups {
        if !group.name.starts_with("seamless-") {
            let mut at = LintedPlace::new(found, format!("group {}", group.name));
            at.wrong("group-name", "its name does not start with `seamless-`");
        }
    }
    for rule in rules.rules() {
        let mut at = LintedPlace::new(found, place(rule));
        expressions::check(&mut at, &rule.expr, Role::Rule, rules);
        if rule.is_alert() {
            alert(rule, &mut at);
        } else if !rule.name.contains(':') {
            at.wrong(
                "recording-name",
                "a recorded series is named level:metric:operation",
            );
        }
    }
}

pub(super) fn place(rule: &Rule) -> String {
    let kind = if rule.is_alert() {
        "alert"
    } else {
        "recording"
    };
    format!("{kind} {}", rule.name)
}

fn alert(rule: &Rule, at: &mut LintedPlace<'_>) {
    let text = |texts: &BTreeMap<String, String>, name: &str| {
        let text = texts.get(name).map(String::as_str);
        text.unwrap_or_default().to_owned()
    };
    let severity = text(&rule.labels, "severity");
    let known = [
        AlertSeverity::Critical,
        AlertSeverity::Warning,
        AlertSeverity::None,
    ];
    if !known.iter().any(|known| known.label() == severity) {
        let message = format!("`{severity}` is no severity that a route knows");
        at.wrong("severity", message);
    }
    if text(&rule.labels, "service") != "seamless" {
        at.wrong("service", "the label service=\"seamless\" is missing");
    }
    for name in ["summary", "description", "runbook_url", "dashboard_url"] {
        if text(&rule.annotations, name).is_empty() {
            at.wrong("annotation", format!("the annotation `{name}` is missing"));
        }
    }
    let description = text(&rule.annotations, "description");
    let measured = description.contains("$value") || description.contains("| query }}");
    if severity != AlertSeverity::None.label() && !measured {
        let message = "the description does not say the measured value";
        at.wrong("annotation", message);
    }
    let anchor = rule.name.to_lowercase();
    if !text(&rule.annotations, "runbook_url").ends_with(&format!("#{anchor}")) {
        at.wrong("runbook", format!("runbook_url does not end in #{anchor}"));
    }
    let url = text(&rule.annotations, "dashboard_url");
    if !UIDS.iter().any(|uid| url.contains(&format!("/d/{uid}?"))) {
        let message = "dashboard_url leads to none of the dashboards";
        at.wrong("dashboard-url", message);
    }
}
