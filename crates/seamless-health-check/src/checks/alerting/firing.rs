//! Whether an alert of ours is firing.

use std::collections::BTreeSet;

use seamless_core::prometheus::{FiringAlert, LoadedGroup, RuleType};
use seamless_core::rules::WATCHDOG;
use seamless_core::schema::DRILL_LABEL;

use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::site::Site;
use crate::verdict::{CheckOutcome, Item, Verdict};

/// Alerts on the health check itself: it would keep them firing.
const OWN: &str = "SeamlessHealthCheck";

pub(super) const CHECK: Check = Check {
    name: "firing",
    group: Group::Alerting,
    title: "no alert is firing",
    needs: &[Need::Prometheus],
    requires: &["prometheus/queries"],
    severity: Severity::Fail,
    hint: "each alert has its section in the runbook",
    anchor: "check-alerting",
    explained: Explained {
        means: "An alert is firing. A critical one fails the check, others warn; a drill's alerts, the watchdog and the alerts on the health check itself do not count.",
        remedy: "Follow the alert's section in the runbook. `--explain ALERT` shows whom it reaches.",
        example: "fail  SeamlessSla99thDegraded: Seamless total p99 is over its 60s budget",
        korean: Korean {
            title: "울리는 경보가 없다",
            means: "경보가 울리고 있다. critical이면 실패, 나머지는 경고다. 훈련의 경보, watchdog, 헬스 체크 자체에 대한 경보는 세지 않는다.",
            remedy: "런북에서 그 경보의 절을 따른다. `--explain ALERT`는 누가 받는지 보여 준다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    Ok(judge(site.rules().await?, &site.request.alert_names()))
}

fn judge(groups: &[LoadedGroup], names: &BTreeSet<&str>) -> CheckOutcome {
    let rules = groups.iter().flat_map(|group| &group.rules).filter(|rule| {
        rule.kind == RuleType::Alerting
            && names.contains(rule.name.as_str())
            && rule.name != WATCHDOG
            && !rule.name.starts_with(OWN)
    });
    let mut alerts: Vec<&FiringAlert> = rules
        .flat_map(|rule| &rule.alerts)
        .filter(|alert| alert.state == "firing")
        .collect();
    alerts.sort_by_key(|alert| alert.labels.get("severity") != "critical");
    // One alert fires for many domains: those that say the same are counted.
    let mut groups: Vec<(&FiringAlert, usize)> = Vec::new();
    for alert in alerts.iter().copied() {
        match groups.iter_mut().find(|(first, _)| alike(first, alert)) {
            Some((_, count)) => *count += 1,
            None => groups.push((alert, 1)),
        }
    }
    let items = groups
        .iter()
        .map(|(alert, count)| firing_item(alert, *count))
        .collect();
    let good = match alerts.len() {
        0 => "no alert is firing".to_owned(),
        drills => format!("no real alert; {drills} synthetic (drill) alerts firing"),
    };
    CheckOutcome::of(items, good)
}

fn alike(one: &FiringAlert, other: &FiringAlert) -> bool {
    let summary = |alert: &FiringAlert| alert.annotations.get("summary").to_owned();
    let same = |label| one.labels.get(label) == other.labels.get(label);
    same("alertname") && same(DRILL_LABEL) && summary(one) == summary(other)
}

fn firing_item(alert: &FiringAlert, count: usize) -> Item {
    let name = alert.labels.get("alertname");
    let mut message = match alert.annotations.get("summary") {
        "" => "firing".to_owned(),
        summary => summary.to_owned(),
    };
    if count > 1 {
        message = format!("{count} times: {message}");
    }
    match alert.labels.get(DRILL_LABEL) {
        "" if alert.labels.get("severity") == "critical" => Item::new(name, Verdict::Fail, message),
        "" => Item::new(name, Verdict::Warn, message),
        drill => Item::new(name, Verdict::Pass, format!("drill {drill}: {message}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    use crate::given::rules;

    #[test]
    fn an_alert_counts_by_its_severity_and_a_drill_not_at_all() {
        let rule = |name: &str, labels: serde_json::Value, count: usize| {
            let mut labels = labels;
            labels["alertname"] = json!(name);
            let alert = json!({ "state": "firing", "labels": labels, "annotations": {} });
            rules(json!([{
                "type": "alerting", "name": name, "query": "a", "alerts": vec![alert; count],
            }]))
        };
        for (groups, verdict, message) in [
            (
                rule("A", json!({ "severity": "critical" }), 1),
                Verdict::Fail,
                "A: firing",
            ),
            (
                rule("A", json!({ "severity": "warning" }), 2),
                Verdict::Warn,
                "A: 2 times: firing",
            ),
            (
                rule("A", json!({ "severity": "critical", "drill": "d1" }), 1),
                Verdict::Pass,
                "no real alert; 1 synthetic (drill) alerts firing",
            ),
            (
                rule("Other", json!({ "severity": "critical" }), 1),
                Verdict::Pass,
                "no alert is firing",
            ),
            (
                rule(WATCHDOG, json!({}), 1),
                Verdict::Pass,
                "no alert is firing",
            ),
        ] {
            let outcome = judge(&groups, &["A", WATCHDOG].into());
            assert_eq!(
                (outcome.verdict, outcome.message.as_str()),
                (verdict, message)
            );
        }
    }
}
