//! Whom every alert reaches through Alertmanager's routes.

use std::collections::BTreeMap;

use seamless_core::paging::LabelSet;
use seamless_core::prometheus::{label_name, quote};
use seamless_core::rules::WATCHDOG;
use seamless_core::schema::DRILL_LABEL;

use super::each::of_each;
use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::paging::{Facts, Reach, WantedReceivers, Way};
use crate::site::Site;
use crate::verdict::{CheckOutcome, Item, SkipReason, Verdict};
use crate::words::listed;

pub(super) const CHECK: Check = Check {
    name: "routes",
    group: Group::Alerting,
    title: "every alert reaches someone",
    needs: &[Need::Alertmanager, Need::Prometheus],
    requires: &[],
    severity: Severity::Fail,
    hint: "compare with the shipped alertmanager.yml; `amtool config routes test` with the alert's labels shows the way",
    anchor: "check-alerting",
    explained: Explained {
        means: "By Alertmanager's configuration, an alert reaches nobody, or a critical one reaches only receivers that do not page. PagerDuty, Opsgenie, VictorOps, incident.io, Pushover and SNS page.",
        remedy: "Compare with the shipped `alertmanager.yml`. If another receiver pages, say so: `--receiver critical=NAME`. Before a deployment, check the file with no server: `--only alerting/routes --alertmanager-config FILE`.",
        example: "warn  SeamlessBackfillStuckLease: critical, but reaches only slack (slack), which does not page (if it does: --receiver critical=NAME)",
        korean: Korean {
            title: "모든 경보가 누군가에게 닿는다",
            means: "Alertmanager의 설정대로라면 경보가 아무에게도 닿지 않거나, critical 경보가 호출하지 않는 수신자에게만 닿는다. PagerDuty, Opsgenie, VictorOps, incident.io, Pushover, SNS는 호출한다.",
            remedy: "제공된 `alertmanager.yml`과 비교한다. 다른 수신자가 호출한다면 `--receiver critical=NAME`으로 알려 준다. 배포 전에는 서버 없이 파일을 확인한다: `--only alerting/routes --alertmanager-config FILE`.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    Ok(judge(&site.path().await?))
}

pub(super) fn judge(facts: &Facts<'_>) -> CheckOutcome {
    let good = |count| {
        format!("every alert reaches a receiver of its severity ({count} by name and severity)")
    };
    of_each(facts.paging, good, |alertmanager| {
        let ways = facts.ways(alertmanager)?;
        let mut items: Vec<Item> = ways.iter().map(|way| reach(way, facts.wanted)).collect();
        items.extend(taken_for_a_drill(facts)?);
        for way in &ways {
            for (route, why) in &way.slow {
                let item = Item::new(route, Verdict::Warn, why);
                if !items.contains(&item) {
                    items.push(item);
                }
            }
        }
        let unknown_keys = alertmanager
            .config
            .iter()
            .flat_map(|config| &config.unknown_keys);
        items.extend(unknown_keys.map(|key| {
            let message = "no Alertmanager up to 0.35 knows this key: a typing error?";
            Item::new(key, Verdict::Warn, message)
        }));
        Ok(items)
    })
}

fn reach(way: &Way, wanted: &WantedReceivers) -> Item {
    let to = receivers(&way.receivers);
    let item = |verdict, message: String| Item::new(&way.alert, verdict, message);
    if !way.unknown.is_empty() {
        let labels: Vec<&String> = way.unknown.iter().collect();
        let labels = listed(&labels);
        let message = format!(
            "depends on {labels}, which may be an external label: give --prometheus-url, or --external-label {}=VALUE",
            way.unknown.first().map_or("NAME", String::as_str)
        );
        return item(
            Verdict::Skip(SkipReason::NotApplicable(message.clone())),
            message,
        );
    }
    let when = if way.best == way.worst {
        String::new()
    } else {
        format!(" when {}", case(&way.worst_when))
    };
    // What some of its series reach is a choice of the site's, and told.
    let of = |verdict| {
        if way.best == Reach::Right && way.worst != Reach::Right {
            Verdict::Warn
        } else {
            verdict
        }
    };
    let severity = &way.severity;
    match way.worst {
        Reach::Right if way.cut.is_some() => {
            let cut = way.cut.as_deref().unwrap_or_default();
            let message = format!("too many cases: {cut} was looked at in one value only");
            item(Verdict::Warn, message)
        }
        Reach::Right => item(Verdict::Pass, format!("reaches {to}")),
        Reach::Somebody if wanted.contains_key(severity) => {
            let asked: Vec<&String> = wanted.get(severity).into_iter().flatten().collect();
            let message = format!("{severity}, but reaches {to}{when}, not {}", listed(&asked));
            item(of(Verdict::Fail), message)
        }
        Reach::Somebody => {
            let message = format!(
                "{severity}, but reaches only {to}{when}, which does not page (if it does: --receiver {severity}=NAME)"
            );
            item(Verdict::Warn, message)
        }
        Reach::Nobody => {
            let verdict = if matters(way) {
                Verdict::Fail
            } else {
                Verdict::Warn
            };
            item(
                of(verdict),
                format!("reaches only {to}{when}, which tells nobody"),
            )
        }
        Reach::Dropped => item(
            of(Verdict::Fail),
            format!("alert_relabel_configs drop it{when}: it never leaves Prometheus"),
        ),
    }
}

/// Real alerts that arrive with the label of a drill: they page nobody in earnest, and a drill's silence holds
/// them back.
fn taken_for_a_drill(facts: &Facts<'_>) -> Fact<Option<Item>> {
    let sending = facts.paging.sending.clone()?;
    let shapes = facts.shapes().into_iter();
    let arriving = shapes.filter_map(|alert| sending.sent(alert.fixed)?.remove(DRILL_LABEL));
    let drills: Vec<String> = arriving.collect();
    Ok(drills.first().map(|drill| {
        let message = format!(
            "{} alerts arrive with {DRILL_LABEL}={} by external_labels, alert_relabel_configs or their rules: they are taken for a drill's",
            drills.len(),
            quote(drill),
        );
        Item::new(format!("label {DRILL_LABEL}"), Verdict::Fail, message)
    }))
}

/// Whether nobody hearing of it is a fault by itself.
fn matters(way: &Way) -> bool {
    matches!(way.severity.as_str(), "critical" | "warning") || way.alert == WATCHDOG
}

/// `pagerduty (pagerduty), slack (slack, webhook)`
fn receivers(receivers: &BTreeMap<String, Vec<String>>) -> String {
    let named = receivers
        .iter()
        .map(|(name, kinds)| match kinds.as_slice() {
            [] => format!("{name} (no integration)"),
            kinds => format!("{name} ({})", kinds.join(", ")),
        });
    let named: Vec<String> = named.collect();
    if named.is_empty() {
        "no receiver".to_owned()
    } else {
        listed(&named)
    }
}

fn case(labels: &LabelSet) -> String {
    let labels: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{}={}", label_name(name), quote(value)))
        .collect();
    listed(&labels)
}
