//! Whether the notifications that Alertmanager sends arrive.

use std::collections::{BTreeMap, BTreeSet};

use super::each::of_each;
use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::{Fact, Gap};
use crate::paging::{Facts, Failures, OneAlertmanager, Paging, Tried, failures};
use crate::site::Site;
use crate::verdict::{CheckOutcome, Item, Verdict};
use crate::words::listed;

pub(super) const CHECK: Check = Check {
    name: "delivered",
    group: Group::Alerting,
    title: "Alertmanager's notifications arrive",
    needs: &[Need::Alertmanager, Need::Prometheus],
    requires: &["alerting/alertmanager-ready"],
    severity: Severity::Fail,
    hint: "Alertmanager's log says why each notification failed: a key that is refused, a URL that is wrong",
    anchor: "check-alerting",
    explained: Explained {
        means: "Alertmanager notifies, and PagerDuty, Slack or another service refuses, or answers none of the requests. Its counters know kinds of integrations, not receivers.",
        remedy: "Alertmanager's log says why each notification failed: a key that is refused, a URL that is wrong. Where Prometheus scrapes neither itself nor Alertmanager, `--wait-delivery` looks twice.",
        example: "fail  pagerduty: 7 notifications failed in 6h (receiver pagerduty)",
        korean: Korean {
            title: "Alertmanager의 알림이 도착한다",
            means: "Alertmanager는 알렸지만 PagerDuty나 Slack 같은 서비스가 거부하거나, 어떤 요청도 받아들이지 않는다. 카운터는 수신자가 아니라 통합의 종류별이다.",
            remedy: "알림이 실패한 이유는 Alertmanager의 로그에 있다. 거부된 키나 잘못된 URL이다. Prometheus가 자신도 Alertmanager도 스크레이프하지 않으면 `--wait-delivery`가 두 번 본다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    Ok(judge(&site.path().await?))
}

pub(super) fn judge(facts: &Facts<'_>) -> CheckOutcome {
    let paging = facts.paging;
    let state = of_each(paging, |_| String::new(), state);
    let mut items = state.items;
    if items.is_empty() && !matches!(state.verdict, Verdict::Pass) {
        return CheckOutcome { items, ..state };
    }
    let Some(failures) = failures(paging) else {
        return CheckOutcome { items, ..state };
    };
    let used = used(facts, paging);
    items.extend(given_up(&failures, &used));
    if let Some(tried) = &failures.tried {
        let not_given_up =
            |kind: &str| failures.by_kind.get(kind).is_none_or(|count| *count == 0.0);
        items.extend(tried_again(tried, &used, not_given_up));
    }
    let good = if failures.is_growth {
        format!("no notification failed in {}", failures.over)
    } else {
        "no notification failed since its start".to_owned()
    };
    CheckOutcome::of(items, good)
}

/// The receivers of each kind of integration.
type Used = BTreeMap<String, BTreeSet<String>>;

/// Notifications that failed, one item for each kind that our alerts use.
fn given_up(failures: &Failures, used: &Used) -> Vec<Item> {
    let failed = failures.by_kind.iter().filter(|(_, count)| **count > 0.0);
    let item = |(kind, count): (&String, &f64)| {
        let of = receivers(used, kind)?;
        let (verdict, message) = if failures.is_growth {
            (
                Verdict::Fail,
                format!("{count} notifications failed in {} ({of})", failures.over),
            )
        } else {
            let message = format!(
                "{count} notifications failed since its start ({of}); --wait-delivery tells whether they still do"
            );
            (Verdict::Warn, message)
        };
        Some(Item::new(kind, verdict, message))
    };
    failed.filter_map(item).collect()
}

/// Notifications that did not fail yet, and of which no request succeeds.
fn tried_again(tried: &Tried, used: &Used, is_asked: impl Fn(&str) -> bool) -> Vec<Item> {
    let found = tried.by_kind.iter().filter(|(kind, _)| is_asked(kind));
    let item = |(kind, count): (&String, &f64)| {
        let of = receivers(used, kind)?;
        let (verdict, over) = if tried.is_growth {
            (Verdict::Fail, format!("in {}", tried.over))
        } else {
            (Verdict::Warn, tried.over.clone())
        };
        let message =
            format!("none of its {count} requests succeeded {over} ({of}): Alertmanager retries");
        Some(Item::new(kind, verdict, message))
    };
    found.filter_map(item).collect()
}

/// `receiver pagerduty`; None for a kind that no alert of ours uses.
fn receivers(used: &Used, kind: &str) -> Option<String> {
    let names: Vec<&String> = used.get(kind)?.iter().collect();
    let shared = if names.len() > 1 {
        "one of the receivers "
    } else {
        "receiver "
    };
    Some(format!("{shared}{}", listed(&names)))
}

/// Its last reload and its cluster.
fn state(alertmanager: &OneAlertmanager) -> Result<Vec<Item>, Gap> {
    let reads = alertmanager.counters.as_ref().map_err(Clone::clone)?;
    let counters = reads.second.as_ref().unwrap_or(&reads.first);
    let mut items = Vec::new();
    if counters.single("alertmanager_config_last_reload_successful") == Some(0.0) {
        let message = "its last reload failed: it runs with an older configuration";
        items.push(Item::new("configuration", Verdict::Fail, message));
    }
    if let Ok(status) = &alertmanager.status
        && status.cluster.status == "settling"
    {
        let message = "its cluster is not settled: notifications wait or come twice";
        items.push(Item::new("cluster", Verdict::Warn, message));
    }
    if counters
        .single("alertmanager_cluster_failed_peers")
        .is_some_and(|peers| peers > 0.0)
    {
        let message = "peers of its cluster have failed: notifications may come twice";
        items.push(Item::new("cluster", Verdict::Warn, message));
    }
    Ok(items)
}

/// The kinds of integration that shipped alerts use, with the receivers that have them.
fn used(facts: &Facts<'_>, paging: &Paging) -> Used {
    let mut kinds = Used::new();
    for alertmanager in &paging.alertmanagers {
        let Ok(config) = &alertmanager.config else {
            continue;
        };
        // Where nobody knows which way an alert goes, it may be any.
        let ours = facts.ways(alertmanager).ok();
        let ours = ours.map(|ways| -> BTreeSet<String> {
            let kinds = ways.iter().flat_map(|way| way.receivers.values().flatten());
            kinds.cloned().collect()
        });
        let is_ours = |kind: &str| ours.as_ref().is_none_or(|ours| ours.contains(kind));
        // Counters know kinds only, so every receiver of the kind may be the one that fails.
        for receiver in &config.receivers {
            for kind in receiver.kinds().filter(|kind| is_ours(kind)) {
                kinds
                    .entry(kind.to_owned())
                    .or_default()
                    .insert(receiver.name.clone());
            }
        }
    }
    kinds
}
