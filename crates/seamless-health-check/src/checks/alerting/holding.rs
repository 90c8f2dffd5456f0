//! What holds alerts back in Alertmanager: silences, and other alerts by inhibition.

use std::sync::LazyLock;

use seamless_core::paging::{
    AlertShape, Configuration, Coverage, InhibitRule, LabelSet, Sending, Silence,
};
use seamless_core::rules::RuleFile;

use super::routes::of_each;
use crate::gap::Gap;
use crate::paging::{Facts, OneAlertmanager, always_firing, labels_of, severity, shapes};
use crate::request::Request;
use crate::verdict::{Item, Outcome, Skip, Verdict};
use crate::words::listed;

fn sending(facts: &Facts<'_>) -> Result<Sending, Gap> {
    facts.paging.sending.clone()
}

fn verdict(alert: &AlertShape, coverage: Coverage, reason: &str) -> Option<Verdict> {
    Some(match coverage {
        Coverage::None => return None,
        Coverage::Part => Verdict::Pass,
        Coverage::Unknown => Verdict::Skip(Skip::NotApplicable(reason.to_owned())),
        Coverage::Whole if severity(alert) == "critical" => Verdict::Fail,
        Coverage::Whole => Verdict::Warn,
    })
}

fn push(items: &mut Vec<Item>, item: Item) {
    if !items.contains(&item) {
        items.push(item);
    }
}

pub(super) fn silences(facts: &Facts<'_>, request: &Request) -> Outcome {
    let good = |narrow| match narrow {
        0 => "no silence covers an alert".to_owned(),
        narrow => format!("none covers a whole alert; {narrow} narrower ones are in force"),
    };
    of_each(facts.paging, good, |alertmanager| {
        let sending = sending(facts)?;
        let silences = alertmanager.silences.as_ref().map_err(Clone::clone)?;
        let alerts = shapes(&request.rules, &facts.rules);
        Ok(silences
            .iter()
            .filter(|silence| silence.is_active())
            .flat_map(|silence| silenced(silence, &alerts, &sending))
            .collect())
    })
}

/// One item for each verdict that a silence comes to, which names the alerts.
fn silenced(silence: &Silence, alerts: &[AlertShape], sending: &Sending) -> Vec<Item> {
    let mut found: Vec<(Verdict, Vec<&str>)> = Vec::new();
    for alert in alerts {
        let coverage = silence.covers(alert, sending);
        let Some(verdict) = verdict(
            alert,
            coverage,
            "it matches a label that may be an external one",
        ) else {
            continue;
        };
        match found.iter_mut().find(|(other, _)| *other == verdict) {
            Some((_, names)) if names.contains(&alert.name.as_str()) => {}
            Some((_, names)) => names.push(&alert.name),
            None => found.push((verdict, vec![&alert.name])),
        }
    }
    let said = said(silence);
    let item = |(verdict, names): (Verdict, Vec<&str>)| {
        let part = if verdict == Verdict::Pass {
            "some of "
        } else {
            ""
        };
        let message = format!("silences {part}{}: {said}", listed(&names));
        Item::new(format!("silence {}", silence.id), verdict, message)
    };
    found.into_iter().map(item).collect()
}

/// By whom, until when, why.
pub(crate) fn said(silence: &Silence) -> String {
    let matchers: Vec<String> = silence.matchers.iter().map(ToString::to_string).collect();
    format!(
        "{{{}}} by {}, until {}: {}",
        matchers.join(", "),
        if silence.created_by.is_empty() {
            "nobody named"
        } else {
            &silence.created_by
        },
        silence.ends_at,
        if silence.comment.is_empty() {
            "no comment"
        } else {
            &silence.comment
        }
    )
}

/// The inhibitions that ship are meant.
static SHIPPED: LazyLock<Vec<InhibitRule>> = LazyLock::new(|| {
    let text = include_str!("../../../../../alertmanager.yml");
    Configuration::parse(text).map_or_else(|_| Vec::new(), |config| config.inhibit_rules)
});

pub(super) fn inhibitions(facts: &Facts<'_>, request: &Request) -> Outcome {
    let good = |part| match part {
        0 => "no firing alert holds one back".to_owned(),
        part => format!("none is held back whole; {part} in part"),
    };
    of_each(facts.paging, good, |alertmanager| {
        let sending = sending(facts)?;
        let config = alertmanager.config.as_ref().map_err(Clone::clone)?;
        let sources = sources(facts, request, alertmanager, &sending);
        let mut items = Vec::new();
        for alert in shapes(&request.rules, &facts.rules) {
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
fn sources(
    facts: &Facts<'_>,
    request: &Request,
    alertmanager: &OneAlertmanager,
    sending: &Sending,
) -> Vec<LabelSet> {
    match &alertmanager.alerts {
        Ok((alerts, _)) => alerts.iter().map(labels_of).collect(),
        Err(_) => {
            let loaded = facts.rules.as_ref().map(|groups| RuleFile::loaded(groups));
            let always = always_firing(loaded.as_ref().unwrap_or(&request.rules));
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
        .map(|(label, value)| format!("{label}={}", seamless_core::prometheus::quote(value)))
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
