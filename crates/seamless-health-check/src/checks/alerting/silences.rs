//! Whether a silence covers a whole alert.

use seamless_core::paging::{AlertShape, Coverage, Sending, Silence};

use super::coverage::verdict;
use super::each::of_each;
use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::paging::Facts;
use crate::site::Site;
use crate::verdict::{CheckOutcome, Item, Verdict};
use crate::words::listed;

pub(super) const CHECK: Check = Check {
    name: "silences",
    group: Group::Alerting,
    title: "no silence covers a whole alert",
    needs: &[Need::Alertmanager, Need::Prometheus],
    requires: &["alerting/alertmanager-ready"],
    severity: Severity::Fail,
    hint: "expire it, or narrow it to the node, lease or domain that it is about: amtool silence",
    anchor: "check-alerting",
    explained: Explained {
        means: "A silence, or several together, cover every series of an alert: it fires, and nobody is told until the silence ends. A silence on a node, lease or domain passes.",
        remedy: "Ask whoever made it; narrow it, or expire it: `amtool silence expire ID`.",
        example: "fail  silence 3f0c: silences SeamlessSla99thDegraded: {alertname=~\"Seamless.*\"} by kim, until 2026-01-05T08:00:00Z: upgrade",
        korean: Korean {
            title: "경보 전체를 덮는 사일런스가 없다",
            means: "사일런스 하나가, 또는 여럿이 함께 경보의 모든 시계열을 덮는다. 사일런스가 끝날 때까지 울려도 아무도 받지 못한다. 노드, 리스, 도메인에 대한 사일런스는 통과한다.",
            remedy: "만든 사람에게 묻는다. 범위를 좁히거나 끝낸다: `amtool silence expire ID`.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    Ok(judge(&site.path().await?))
}

pub(super) fn judge(facts: &Facts<'_>) -> CheckOutcome {
    let good = |narrow| match narrow {
        0 => "no silence covers an alert".to_owned(),
        narrow => format!("none covers a whole alert; {narrow} narrower ones are in force"),
    };
    of_each(facts.paging, good, |alertmanager| {
        let sending = facts.paging.sending.clone()?;
        let silences = alertmanager.silences.as_ref().map_err(Clone::clone)?;
        let alerts = facts.shapes();
        let active: Vec<&Silence> = silences.iter().filter(|s| s.is_active()).collect();
        let mut items: Vec<Item> = active
            .iter()
            .flat_map(|silence| silenced(silence, &alerts, &sending))
            .collect();
        items.extend(silenced_together(&active, &alerts, &sending));
        Ok(items)
    })
}

/// One item for each set of silences that cover an alert between them, of which none covers it alone.
fn silenced_together(active: &[&Silence], alerts: &[AlertShape], sending: &Sending) -> Vec<Item> {
    let mut found: Vec<(Vec<&Silence>, Verdict, Vec<&str>)> = Vec::new();
    for alert in alerts {
        let Some(silences) = Silence::together(active, alert, sending) else {
            continue;
        };
        let Some(verdict) = verdict(alert, Coverage::Whole, "") else {
            continue;
        };
        let same = found
            .iter_mut()
            .find(|(of, with, _)| *of == silences && *with == verdict);
        match same {
            Some((.., names)) if names.contains(&alert.name.as_str()) => {}
            Some((.., names)) => names.push(&alert.name),
            None => found.push((silences, verdict, vec![&alert.name])),
        }
    }
    let item = |(silences, verdict, names): (Vec<&Silence>, Verdict, Vec<&str>)| {
        let ids: Vec<&String> = silences.iter().map(|silence| &silence.id).collect();
        let each: Vec<String> = silences.iter().map(|silence| said(silence)).collect();
        let message = format!("together silence {}: {}", listed(&names), each.join("; "));
        Item::new(format!("silences {}", listed(&ids)), verdict, message)
    };
    found.into_iter().map(item).collect()
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
fn said(silence: &Silence) -> String {
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
