//! Whether a firing alert holds others back.

use std::sync::LazyLock;

use seamless_core::paging::{AlertShape, Configuration, InhibitRule, LabelSet, Sending};
use seamless_core::prometheus::quote;
use seamless_core::rules::RuleFile;

use super::coverage::verdict;
use super::each::of_each;
use super::items::push;
use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::paging::{Facts, OneAlertmanager, always_firing, labels_of};
use crate::site::Site;
use crate::verdict::{CheckOutcome, Item, Verdict};
use crate::words::listed;

pub(super) const CHECK: Check = Check {
    name: "inhibitions",
    group: Group::Alerting,
    title: "no firing alert inhibits a shipped one",
    needs: &[Need::Alertmanager, Need::Prometheus],
    requires: &[],
    severity: Severity::Fail,
    hint: "narrow the inhibit rule: name the alerts on both sides, or labels in `equal`",
    anchor: "check-alerting",
    explained: Explained {
        means: "An alert that fires holds another one back by an inhibit rule that does not ship.",
        remedy: "Narrow the inhibit rule: name the alerts on both sides, or labels in `equal`.",
        example: "fail  SeamlessSla99thDegraded: held back by ClusterDown{severity=\"critical\"}, which fires, through inhibit_rules[0]",
        korean: Korean {
            title: "제공된 경보를 억제하는 경보가 없다",
            means: "울리는 경보가, 제공된 것이 아닌 inhibit 규칙으로 다른 경보를 억제한다.",
            remedy: "inhibit 규칙을 좁힌다. 양쪽에 경보 이름을 쓰거나 `equal`에 레이블을 쓴다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    Ok(judge(&site.path().await?))
}

/// The inhibitions that ship are meant.
static SHIPPED: LazyLock<Vec<InhibitRule>> = LazyLock::new(|| {
    let text = include_str!("../../../../../alertmanager.yml");
    Configuration::parse(text).map_or_else(|_| Vec::new(), |config| config.inhibit_rules)
});

pub(super) fn judge(facts: &Facts<'_>) -> CheckOutcome {
    let good = |part| match part {
        0 => "no firing alert holds one back".to_owned(),
        part => format!("none is held back whole; {part} in part"),
    };
    of_each(facts.paging, good, |alertmanager| {
        let sending = facts.paging.sending.clone()?;
        let config = alertmanager.config.as_ref().map_err(Clone::clone)?;
        let sources = sources(facts, alertmanager, &sending);
        let mut items = Vec::new();
        for alert in facts.shapes() {
            for rule in &config.inhibit_rules {
                for source in &sources {
                    if let Some(item) = held_back(rule, source, &alert, &sending) {
                        push(&mut items, item);
                    }
                }
            }
        }
        Ok(items)
    })
}

/// The alerts that fire now, or always.
fn sources(facts: &Facts<'_>, alertmanager: &OneAlertmanager, sending: &Sending) -> Vec<LabelSet> {
    match &alertmanager.alerts {
        Ok((alerts, _)) => alerts.iter().map(labels_of).collect(),
        Err(_) => {
            let loaded = facts.rules.as_ref().map(|groups| RuleFile::loaded(groups));
            let always = always_firing(loaded.as_ref().unwrap_or(facts.expected));
            always
                .into_iter()
                .filter_map(|labels| sending.sent(labels))
                .collect()
        }
    }
}

fn held_back(
    rule: &InhibitRule,
    source: &LabelSet,
    alert: &AlertShape,
    sending: &Sending,
) -> Option<Item> {
    let coverage = rule.covers(source, alert, sending);
    let is_meant = || {
        let covers = |shipped: &InhibitRule| shipped.covers(source, alert, sending);
        SHIPPED.iter().any(|shipped| covers(shipped) >= coverage)
    };
    let verdict = verdict(
        alert,
        coverage,
        "equal names a label that may be an external one",
    )?;
    if is_meant() {
        return None;
    }
    let name = source
        .get("alertname")
        .map_or("an alert without a name", String::as_str);
    let others: Vec<String> = source
        .iter()
        .filter(|(label, _)| *label != "alertname")
        .map(|(label, value)| format!("{label}={}", quote(value)))
        .collect();
    let part = if verdict == Verdict::Pass {
        "held back in part"
    } else {
        "held back"
    };
    let message = format!(
        "{part} by {name}{{{}}}, which fires, through {}",
        listed(&others),
        rule.place
    );
    Some(Item::new(&alert.name, verdict, message))
}
