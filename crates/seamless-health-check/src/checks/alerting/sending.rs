//! Whether Prometheus's alerts arrive at Alertmanager, and what Alertmanager then tells.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use seamless_core::duration::human;
use seamless_core::paging::{Counters, growth};
use seamless_core::prometheus::InstantSeries;

use super::routes::{now, of_each, ways};
use crate::gap::Gap;
use crate::paging::{Facts, OneAlertmanager, Paging, Reads, WATCHDOG, labels_of, shapes};
use crate::request::Request;
use crate::verdict::{Item, Outcome, Skip, Verdict};
use crate::words::listed;

/// What is added to the time within which an alert is sent again: the way, and clocks of whole seconds.
const GRACE: Duration = Duration::from_secs(10);
const EVALUATION: Duration = Duration::from_secs(60);

/// Within which time a firing alert is sent again.
fn due(facts: &Facts<'_>, paging: &Paging) -> Duration {
    let mut groups = facts.rules.iter().copied().flatten();
    let group = groups.find(|group| group.rules.iter().any(|rule| rule.name == WATCHDOG));
    let interval = group.and_then(|group| Duration::try_from_secs_f64(group.interval).ok());
    paging.resend + 2 * interval.unwrap_or(EVALUATION) + GRACE
}

pub(super) fn held(facts: &Facts<'_>, request: &Request) -> Outcome {
    let paging = facts.paging;
    let sending = match &paging.sending {
        Ok(sending) => sending,
        Err(gap) => return gap.outcome(),
    };
    if sending.external.is_none() {
        let reason = "no Prometheus URL is configured, and no --external-label given";
        return Outcome::not_applicable(reason);
    }
    let watchdog = shapes(&request.rules, &facts.rules)
        .into_iter()
        .find(|alert| alert.name == WATCHDOG);
    let Some(watchdog) = watchdog else {
        return Outcome::not_applicable(format!("{WATCHDOG} is not among the rules"));
    };
    let Some(labels) = sending.sent(watchdog.fixed) else {
        return Outcome::fail(format!(
            "alert_relabel_configs drop {WATCHDOG}: it never leaves Prometheus"
        ));
    };
    let good = |_| {
        format!(
            "{WATCHDOG} arrives (a second Prometheus with the same labels could not be told apart)"
        )
    };
    of_each(paging, good, |alertmanager| {
        let (alerts, time) = alertmanager.alerts.as_ref().map_err(Clone::clone)?;
        let of_name = |alert: &&_| {
            labels_of(alert)
                .get("alertname")
                .is_some_and(|name| name == WATCHDOG)
        };
        let watchdogs: Vec<_> = alerts.iter().filter(of_name).collect();
        let item = |verdict, message: String| Ok(vec![Item::new(WATCHDOG, verdict, message)]);
        let Some(own) = watchdogs.iter().find(|alert| labels_of(alert) == labels) else {
            // Prometheus, just started, sends it when it is due again.
            let fires_since = fires_since(facts);
            let young = fires_since.map(|since| {
                Duration::try_from(now(facts).duration_since(since)).unwrap_or_default()
            });
            if let Some(young) = young.filter(|young| *young < due(facts, paging)) {
                let message = format!(
                    "it holds none yet: {WATCHDOG} fires for {} only",
                    human(young)
                );
                let item = Item::new(WATCHDOG, Verdict::Warn, message);
                return Ok(vec![item]);
            }
            let message = match watchdogs.first() {
                None => "it holds none: what Prometheus sends does not arrive".to_owned(),
                Some(other) => format!(
                    "it holds only {}: another Prometheus's; this one sends {labels:?}",
                    other.labels
                ),
            };
            return item(Verdict::Fail, message);
        };
        let updated: Option<Timestamp> = own.updated_at.parse().ok();
        let clock = time.unwrap_or((facts.now * 1000.0) as i64);
        let Some(updated) = updated else {
            return item(
                Verdict::Warn,
                "it does not say when it was last sent".to_owned(),
            );
        };
        let age =
            Duration::from_millis(u64::try_from(clock - updated.as_millisecond()).unwrap_or(0));
        let due = due(facts, paging);
        if age > due {
            let message = format!(
                "last sent {} ago, though due within {}: Prometheus does not reach it any more",
                human(age),
                human(due)
            );
            return item(Verdict::Fail, message);
        }
        item(Verdict::Pass, format!("last sent {} ago", human(age)))
    })
}

/// Since when the watchdog fires in Prometheus.
fn fires_since(facts: &Facts<'_>) -> Option<Timestamp> {
    let groups = facts.rules.iter().copied().flatten();
    let rules = groups.flat_map(|group| &group.rules);
    let alerts = rules
        .filter(|rule| rule.name == WATCHDOG)
        .flat_map(|rule| &rule.alerts);
    alerts
        .filter_map(|alert| alert.active_at.as_deref()?.parse().ok())
        .min()
}

fn value(series: &InstantSeries) -> f64 {
    series.value.map_or(0.0, |sample| sample.value)
}

pub(super) fn sent(facts: &Facts<'_>, request: &Request) -> Outcome {
    let paging = facts.paging;
    let mut items = Vec::new();
    if let Ok(reads) = &paging.prometheus {
        let loaded = reads
            .first
            .single("prometheus_config_last_reload_successful");
        if loaded == Some(0.0) {
            let message = "its last reload failed: it runs with an older configuration";
            items.push(Item::new("configuration", Verdict::Fail, message));
        }
    }
    let said = match (&paging.scraped, &paging.prometheus) {
        (Ok(scraped), _) if !scraped.errors.is_empty() || !scraped.dropped.is_empty() => {
            items.extend(
                scraped
                    .errors
                    .iter()
                    .filter(|series| value(series) > 0.5)
                    .map(|series| {
                        let message =
                            format!("{:.0} alerts could not be sent there in 10m", value(series));
                        Item::new(series.metric.get("alertmanager"), Verdict::Fail, message)
                    }),
            );
            items.extend(
                scraped
                    .dropped
                    .iter()
                    .filter(|series| value(series) > 0.5)
                    .map(|series| {
                        let message = format!("{:.0} alerts dropped in 10m", value(series));
                        Item::new(
                            or(series.metric.get("alertmanager"), "Prometheus"),
                            Verdict::Fail,
                            message,
                        )
                    }),
            );
            "no alert failed or was dropped in 10m".to_owned()
        }
        (_, Ok(reads)) => match &reads.second {
            Some(second) => {
                items.extend(grown(&reads.first, second));
                format!("no alert failed or was dropped in {}", human(reads.apart))
            }
            None if items.is_empty() => return proven(facts, request),
            None => String::new(),
        },
        (_, Err(gap)) => return gap.outcome(),
    };
    Outcome::of(items, said)
}

fn or<'t>(text: &'t str, other: &'t str) -> &'t str {
    if text.is_empty() { other } else { text }
}

/// Without a second read, what Alertmanager holds proves that alerts arrive, or nothing does.
fn proven(facts: &Facts<'_>, request: &Request) -> Outcome {
    match held(facts, request).verdict {
        Verdict::Pass => Outcome::pass(format!("Alertmanager holds a recent {WATCHDOG}")),
        _ => Outcome::not_applicable(
            "Prometheus does not scrape itself; --wait-delivery looks whether alerts fail to be sent",
        ),
    }
}

fn grown(first: &Counters, second: &Counters) -> Vec<Item> {
    let mut items = Vec::new();
    for (name, what) in [
        ("prometheus_notifications_errors_total", "could not be sent"),
        ("prometheus_notifications_dropped_total", "were dropped"),
    ] {
        let by = |counters: &Counters| counters.by(name, "alertmanager");
        for (to, growth) in growth(&by(first), &by(second)) {
            if growth.by > 0.0 {
                let message = format!("{} alerts {what} just now", growth.by);
                items.push(Item::new(or(&to, "Prometheus"), Verdict::Fail, message));
            }
        }
    }
    items
}

const SENT: &str = "alertmanager_notifications_total";
const FAILED: &str = "alertmanager_notifications_failed_total";

/// What failed of each kind of integration, and how that is known.
pub(crate) struct Failures {
    pub(crate) by_kind: BTreeMap<String, f64>,
    pub(crate) over: String,
    /// Whether it grew in a known time; else the numbers are totals since the start.
    pub(crate) is_growth: bool,
}

pub(crate) fn failures(paging: &Paging) -> Option<Failures> {
    if let Ok(scraped) = &paging.scraped
        && !scraped.failed.is_empty()
    {
        return Some(Failures {
            by_kind: by_kind(&scraped.failed),
            over: "6h".to_owned(),
            is_growth: true,
        });
    }
    let reads: Vec<&Reads> = paging
        .alertmanagers
        .iter()
        .filter_map(|one| one.counters.as_ref().ok())
        .collect();
    let apart = reads
        .iter()
        .filter(|read| read.second.is_some())
        .map(|read| read.apart)
        .max();
    let mut kinds: BTreeMap<String, f64> = BTreeMap::new();
    for read in &reads {
        let first = read.first.by(FAILED, "integration");
        let found = match &read.second {
            Some(second) => growth(&first, &second.by(FAILED, "integration"))
                .into_iter()
                .map(|(kind, growth)| (kind, growth.by))
                .collect(),
            None => first,
        };
        for (kind, count) in found {
            *kinds.entry(kind).or_insert(0.0) += count;
        }
    }
    (!reads.is_empty()).then(|| Failures {
        by_kind: kinds,
        over: apart.map_or_else(|| "since its start".to_owned(), human),
        is_growth: apart.is_some(),
    })
}

/// Values by kind of integration; small fractions are what extrapolation makes of nothing.
pub(crate) fn by_kind(series: &[InstantSeries]) -> BTreeMap<String, f64> {
    let mut kinds = BTreeMap::new();
    for one in series {
        *kinds
            .entry(one.metric.get("integration").to_owned())
            .or_insert(0.0) += value(one).round();
    }
    kinds
}

pub(super) fn delivered(facts: &Facts<'_>, request: &Request) -> Outcome {
    let paging = facts.paging;
    let state = of_each(paging, |_| String::new(), state);
    let mut items = state.items;
    if items.is_empty() && !matches!(state.verdict, Verdict::Pass) {
        return Outcome { items, ..state };
    }
    let Some(failures) = failures(paging) else {
        return Outcome { items, ..state };
    };
    let used = used(facts, request, paging);
    for (kind, count) in failures.by_kind.iter().filter(|(_, count)| **count > 0.0) {
        let Some(receivers) = used.get(kind) else {
            continue;
        };
        let names: Vec<&String> = receivers.iter().collect();
        let shared = if names.len() > 1 {
            "one of the receivers "
        } else {
            "receiver "
        };
        let of = format!("{shared}{}", listed(&names));
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
        items.push(Item::new(kind, verdict, message));
    }
    let good = if failures.is_growth {
        format!("no notification failed in {}", failures.over)
    } else {
        "no notification failed since its start".to_owned()
    };
    Outcome::of(items, good)
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
fn used(
    facts: &Facts<'_>,
    request: &Request,
    paging: &Paging,
) -> BTreeMap<String, BTreeSet<String>> {
    let mut kinds: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for alertmanager in &paging.alertmanagers {
        let Ok(config) = &alertmanager.config else {
            continue;
        };
        let ours: BTreeSet<String> = ways(facts, request, alertmanager)
            .unwrap_or_default()
            .iter()
            .flat_map(|way| way.receivers.values().flatten().cloned())
            .collect();
        // Counters know kinds only, so every receiver of the kind may be the one that fails.
        for receiver in &config.receivers {
            for kind in receiver.kinds().filter(|kind| ours.contains(*kind)) {
                kinds
                    .entry(kind.to_owned())
                    .or_default()
                    .insert(receiver.name.clone());
            }
        }
    }
    kinds
}

/// Sent and failed of a kind in 24 hours, where Prometheus scrapes Alertmanager.
pub(crate) fn of_day(paging: &Paging, kind: &str) -> Option<(f64, f64)> {
    let scraped = paging
        .scraped
        .as_ref()
        .ok()
        .filter(|scraped| !scraped.sent_of_day.is_empty())?;
    let count = |series| by_kind(series).get(kind).copied().unwrap_or(0.0);
    Some((count(&scraped.sent_of_day), count(&scraped.failed_of_day)))
}

/// Sent and failed of a kind since the start of the Alertmanagers.
pub(crate) fn since_start(paging: &Paging, kind: &str) -> Option<(f64, f64)> {
    let reads: Vec<&Reads> = paging
        .alertmanagers
        .iter()
        .filter_map(|one| one.counters.as_ref().ok())
        .collect();
    let count = |name| -> f64 {
        reads
            .iter()
            .filter_map(|read| read.first.by(name, "integration").get(kind).copied())
            .sum()
    };
    (!reads.is_empty()).then(|| (count(SENT), count(FAILED)))
}

pub(super) fn ready(paging: &Paging) -> Outcome {
    let good = |_| "ready (/-/ready returned 200)".to_owned();
    of_each(paging, good, |alertmanager| match &alertmanager.ready {
        Ok(()) => Ok(Vec::new()),
        // Something between that answers nothing but the API, as in hosted Alertmanagers.
        Err(Gap::NotOffered(_)) if alertmanager.status.is_ok() => Ok(Vec::new()),
        Err(Gap::NotOffered(reason)) => Ok(vec![Item::new(
            &alertmanager.name,
            Verdict::Skip(Skip::NotOffered(reason.clone())),
            reason.clone(),
        )]),
        Err(gap) => Err(gap.clone()),
    })
}
