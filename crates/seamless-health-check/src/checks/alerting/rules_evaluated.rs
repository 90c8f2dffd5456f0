//! Whether the rules were evaluated without an error, and lately.

use std::collections::BTreeSet;

use seamless_core::prometheus::{LoadedGroup, LoadedRule};

use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::site::Site;
use crate::verdict::{CheckOutcome, Item, Next, Verdict};
use crate::words::seconds;

/// Evaluations that may be missed before a rule counts as stale.
const MISSED: f64 = 3.0;

const GRACE_SECONDS: f64 = 60.0;

pub(super) const CHECK: Check = Check {
    name: "rules-evaluated",
    group: Group::Alerting,
    title: "rules are evaluated on time and without error",
    needs: &[Need::Prometheus],
    requires: &["prometheus/queries"],
    severity: Severity::Fail,
    hint: "the rule's page in Prometheus (Status, Rules) shows the error",
    anchor: "check-alerting",
    explained: Explained {
        means: "The last evaluation of a rule failed, or is older than three intervals: the alert does not follow what happens.",
        remedy: "The rule's page in Prometheus (Status, Rules) shows the error. Rules that are late: Prometheus is overloaded, or the group is too large. Right after a start, wait with `--wait 5m`.",
        example: "fail  SeamlessSla99thDegraded: last evaluated 12m ago, though due every 30s",
        korean: Korean {
            title: "규칙이 제때, 오류 없이 평가된다",
            means: "규칙의 마지막 평가가 실패했거나 주기의 세 배보다 오래되었다. 경보가 현재 상태를 따라가지 못한다.",
            remedy: "Prometheus의 규칙 페이지(Status, Rules)에 오류가 나온다. 평가가 늦으면 Prometheus에 부하가 걸렸거나 그룹이 너무 크다. 시작 직후라면 `--wait 5m`으로 기다린다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    let (rules, clock) = tokio::join!(site.rules(), site.clock());
    Ok(judge(rules?, clock?, &site.request.rule_names()))
}

/// `now` is Prometheus's clock, in seconds since the epoch.
fn judge(rules: &[LoadedGroup], now: f64, names: &BTreeSet<&str>) -> CheckOutcome {
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
        return CheckOutcome::not_applicable("no shipped rule is loaded");
    }
    let good = format!("{} rules evaluated without error, on time", items.len());
    let outcome = CheckOutcome::of(items, good);
    match outcome.verdict {
        Verdict::Warn => {
            let again = ["--only", "alerting/rules-evaluated", "--wait", "5m"];
            outcome
                .hint("each group is evaluated once per interval: wait")
                .next(Next::health_check(&again))
        }
        _ => outcome,
    }
}

fn state(rule: &LoadedRule, interval: f64, now: f64) -> (Verdict, String) {
    let last = match rule.health.as_str() {
        "ok" => rule.evaluated_at(),
        "err" => return (Verdict::Fail, format!("fails: {}", rule.last_error)),
        _ => None,
    };
    let Some(last) = last else {
        return (Verdict::Warn, "not evaluated yet".to_owned());
    };
    let age = now - last;
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    use crate::given::rules;

    #[test]
    fn an_evaluation_is_good_late_failed_or_to_come() {
        // Every 30 seconds; the clock stands at 1000 seconds.
        for (health, at, verdict, message) in [
            (
                "ok",
                "1970-01-01T00:16:30Z",
                Verdict::Pass,
                "1 rules evaluated without error, on time",
            ),
            (
                "ok",
                "1970-01-01T00:14:10Z",
                Verdict::Pass,
                "1 rules evaluated without error, on time",
            ),
            (
                "ok",
                "1970-01-01T00:14:09Z",
                Verdict::Fail,
                "A: last evaluated 2m 31s ago, though due every 30s",
            ),
            ("err", "1970-01-01T00:16:30Z", Verdict::Fail, "A: fails: no"),
            ("unknown", "", Verdict::Warn, "A: not evaluated yet"),
        ] {
            let rule = json!({
                "type": "alerting", "name": "A", "query": "a", "health": health,
                "lastEvaluation": at, "lastError": "no",
            });
            let outcome = judge(&rules(json!([rule])), 1000.0, &["A"].into());
            assert_eq!(
                (outcome.verdict, outcome.message.as_str()),
                (verdict, message)
            );
        }
        let outcome = judge(&[], 1000.0, &["A"].into());
        assert_eq!(outcome.verdict.word(), "skip");
    }
}
