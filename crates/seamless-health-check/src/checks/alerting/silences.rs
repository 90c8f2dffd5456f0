//! Whether a silence covers a whole alert.

use seamless_core::paging::{Coverage, Silence};

use super::coverage::verdict;
use super::each::of_each;
use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::paging::Facts;
use crate::site::Site;
use crate::verdict::{CheckOutcome, Item, Verdict};
use crate::words::listed;

const UNKNOWN: &str = "it matches a label that may be an external one";

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
        means: "A silence, or several together, cover every series of an alert: it fires, and nobody is told until the silence ends. A silence that names a node, lease or domain passes; one of all but some does not.",
        remedy: "Ask whoever made it; narrow it, or expire it: `amtool silence expire ID`.",
        example: "fail  silence 3f0c: silences SeamlessSla99thDegraded: {alertname=~\"Seamless.*\"} by kim, until 2026-01-05T08:00:00Z: upgrade",
        korean: Korean {
            title: "경보 전체를 덮는 사일런스가 없다",
            means: "사일런스 하나가, 또는 여럿이 함께 경보의 모든 시계열을 덮는다. 사일런스가 끝날 때까지 울려도 아무도 받지 못한다. 노드, 리스, 도메인을 지정한 사일런스는 통과하고, 일부를 뺀 나머지 전체를 덮는 사일런스는 통과하지 않는다.",
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
        let mut found: Vec<SilencedAlerts> = Vec::new();
        for alert in facts.shapes() {
            let silenced = alert.silenced_by(silences, &sending);
            let alone = silenced.alone.into_iter();
            let alone = alone.map(|(silence, coverage)| (vec![silence], coverage));
            let together = Some(silenced.together).filter(|silences| !silences.is_empty());
            let together = together.map(|silences| (silences, Coverage::Whole));
            for (silences, coverage) in alone.chain(together) {
                if let Some(verdict) = verdict(&alert, coverage, UNKNOWN) {
                    let but_named = coverage == Coverage::Most;
                    add(&mut found, silences, verdict, but_named, &alert.name);
                }
            }
        }
        // What one silence covers stands together.
        let id =
            |found: &SilencedAlerts<'_>| found.silences.first().map(|silence| silence.id.clone());
        found.sort_by_cached_key(|found| (found.silences.len() > 1, id(found)));
        Ok(found.into_iter().map(SilencedAlerts::item).collect())
    })
}

/// The alerts that the same silences cover, with the same verdict.
struct SilencedAlerts<'s> {
    silences: Vec<&'s Silence>,
    verdict: Verdict,
    /// Whether something is left that the silence names, or that lacks a label which it asks for.
    but_named: bool,
    alerts: Vec<String>,
}

fn add<'s>(
    found: &mut Vec<SilencedAlerts<'s>>,
    silences: Vec<&'s Silence>,
    verdict: Verdict,
    but_named: bool,
    alert: &str,
) {
    let alert = alert.to_owned();
    let same = |other: &&mut SilencedAlerts| {
        other.silences == silences && other.verdict == verdict && other.but_named == but_named
    };
    match found.iter_mut().find(same) {
        Some(same) if same.alerts.contains(&alert) => {}
        Some(same) => same.alerts.push(alert),
        None => found.push(SilencedAlerts {
            silences,
            verdict,
            but_named,
            alerts: vec![alert],
        }),
    }
}

impl SilencedAlerts<'_> {
    fn item(self) -> Item {
        let ids: Vec<&String> = self.silences.iter().map(|silence| &silence.id).collect();
        let each: Vec<String> = self.silences.iter().map(|silence| said(silence)).collect();
        let (alerts, ids, each) = (listed(&self.alerts), listed(&ids), each.join("; "));
        let (subject, message) = match (self.silences.len(), &self.verdict) {
            (1, Verdict::Pass) => (
                format!("silence {ids}"),
                format!("silences some of {alerts}: {each}"),
            ),
            (1, _) if self.but_named => (
                format!("silence {ids}"),
                format!("silences {alerts}, except what it leaves out: {each}"),
            ),
            (1, _) => (
                format!("silence {ids}"),
                format!("silences {alerts}: {each}"),
            ),
            _ => (
                format!("silences {ids}"),
                format!("together silence {alerts}: {each}"),
            ),
        };
        Item::new(subject, self.verdict, message)
    }
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
