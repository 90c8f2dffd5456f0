//! Whom every alert reaches through Alertmanager's routes, and whether they tell now.

use std::collections::BTreeMap;

use jiff::Timestamp;
use seamless_core::paging::{LabelSet, Mute};

use crate::gap::Gap;
use crate::paging::{Facts, OneAlertmanager, Paging, Reach, WATCHDOG, Way, shapes, way};
use crate::request::Request;
use crate::verdict::{Item, Outcome, Skip, Verdict};
use crate::words::listed;

/// The moment that the run's facts are of.
pub(crate) fn now(facts: &Facts<'_>) -> Timestamp {
    Timestamp::from_millisecond((facts.now * 1000.0) as i64).unwrap_or_default()
}

/// The way of every alert through one Alertmanager.
pub(crate) fn ways(
    facts: &Facts<'_>,
    request: &Request,
    alertmanager: &OneAlertmanager,
) -> Result<Vec<Way>, Gap> {
    let config = alertmanager.config.as_ref().map_err(Clone::clone)?;
    let sending = facts.paging.sending.clone()?;
    let mut ways: Vec<Way> = Vec::new();
    for alert in shapes(&request.rules, &facts.rules) {
        let way = way(&alert, config, &sending, &request.receivers, now(facts));
        // An alert has a rule per phase or window, which mostly go the same way.
        if !ways.contains(&way) {
            ways.push(way);
        }
    }
    Ok(ways)
}

/// Judges each Alertmanager; several are told apart in the items.
pub(super) fn of_each(
    paging: &Paging,
    good: impl Fn(usize) -> String,
    judge: impl Fn(&OneAlertmanager) -> Result<Vec<Item>, Gap>,
) -> Outcome {
    let several = paging.alertmanagers.len() > 1;
    let mut items = Vec::new();
    let mut gap = None;
    for alertmanager in &paging.alertmanagers {
        match judge(alertmanager) {
            Ok(found) if several => items.extend(found.into_iter().map(|mut item| {
                item.message = format!("{}: {}", alertmanager.name, item.message);
                item
            })),
            Ok(found) => items.extend(found),
            Err(missing) if several => {
                let outcome = missing.outcome();
                let message = match &outcome.verdict {
                    Verdict::Skip(skip) => skip.reason(),
                    _ => outcome.message.clone(),
                };
                items.push(Item::new(&alertmanager.name, outcome.verdict, message));
            }
            Err(missing) => gap = Some(missing),
        }
    }
    match gap {
        Some(gap) => gap.outcome(),
        None if paging.alertmanagers.is_empty() => {
            Outcome::not_applicable("no Alertmanager URL is given (--alertmanager-url)")
        }
        None => {
            let good = good(items.len());
            known(Outcome::of(items, good))
        }
    }
}

/// An outcome of which something could not be told is a skip that says what, unless something is wrong.
fn known(mut outcome: Outcome) -> Outcome {
    let skipped = outcome
        .items
        .iter()
        .find(|item| matches!(item.verdict, Verdict::Skip(_)));
    if let (Verdict::Pass | Verdict::Skip(_), Some(item)) = (&outcome.verdict, skipped) {
        let reason = format!("{}: {}", item.subject, item.message);
        outcome.verdict = Verdict::Skip(Skip::NotApplicable(reason));
    }
    outcome
}

pub(super) fn routes(facts: &Facts<'_>, request: &Request) -> Outcome {
    let good = |count| format!("all {count} alerts reach a receiver of their severity");
    of_each(facts.paging, good, |alertmanager| {
        let ways = ways(facts, request, alertmanager)?;
        let mut items: Vec<Item> = ways.iter().map(|way| reach(way, request)).collect();
        for way in &ways {
            for slow in &way.slow {
                let item = Item::new(slow_subject(slow), Verdict::Warn, slow.clone());
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
            let message = "no known Alertmanager has this key: a typing error?";
            Item::new(key, Verdict::Warn, message)
        }));
        Ok(items)
    })
}

fn slow_subject(slow: &str) -> String {
    slow.split_once(": ")
        .map_or("timing", |(route, _)| route)
        .to_owned()
}

fn reach(way: &Way, request: &Request) -> Item {
    let to = receivers(&way.receivers);
    let item = |verdict, message: String| Item::new(&way.alert, verdict, message);
    if !way.unknown.is_empty() {
        let labels: Vec<&String> = way.unknown.iter().collect();
        let labels = listed(&labels);
        let message = format!(
            "depends on {labels}, which may be an external label: give --prometheus-url, or --external-label {}=VALUE",
            way.unknown.first().map_or("NAME", String::as_str)
        );
        return item(Verdict::Skip(Skip::NotApplicable(message.clone())), message);
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
        Reach::Somebody if request.receivers.contains_key(severity) => {
            let asked: Vec<&String> = request
                .receivers
                .get(severity)
                .into_iter()
                .flatten()
                .collect();
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

/// Whether nobody hearing of it is a fault by itself.
fn matters(way: &Way) -> bool {
    matches!(way.severity.as_str(), "critical" | "warning") || way.alert == WATCHDOG
}

/// `pagerduty (pagerduty), slack (slack, webhook)`
pub(crate) fn receivers(receivers: &BTreeMap<String, Vec<String>>) -> String {
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
        .map(|(name, value)| format!("{name}={}", seamless_core::prometheus::quote(value)))
        .collect();
    listed(&labels)
}

pub(super) fn open(facts: &Facts<'_>, request: &Request) -> Outcome {
    let good = |_| "no route of theirs is muted at this hour".to_owned();
    of_each(facts.paging, good, |alertmanager| {
        let ways = ways(facts, request, alertmanager)?;
        Ok(ways.iter().map(openness).collect())
    })
}

fn openness(way: &Way) -> Item {
    let unknown = way.routes.iter().find_map(|(route, mute)| match mute {
        Mute::Unknown(interval) => Some((route, interval)),
        Mute::Open | Mute::Closed { .. } => None,
    });
    if !way.closed {
        return match unknown {
            Some((route, interval)) if !way.routes.iter().any(|(_, mute)| *mute == Mute::Open) => {
                let message = format!(
                    "{route}: {interval} goes by the clock of Alertmanager's own machine (location: Local)"
                );
                Item::new(
                    &way.alert,
                    Verdict::Skip(Skip::NotApplicable(message.clone())),
                    message,
                )
            }
            _ => Item::new(&way.alert, Verdict::Pass, "open now"),
        };
    }
    let verdict = if way.severity == "critical" {
        Verdict::Fail
    } else {
        Verdict::Warn
    };
    Item::new(&way.alert, verdict, closed(way).unwrap_or_default())
}

/// What closes the way, and when it opens.
pub(crate) fn closed(way: &Way) -> Option<String> {
    way.routes.iter().find_map(|(route, mute)| match mute {
        Mute::Closed { by, opens } => {
            let opens = opens.map_or_else(
                || "does not open within a year".to_owned(),
                |time| format!("opens {time}"),
            );
            Some(format!("muted now by {by} of {route}; {opens}"))
        }
        Mute::Open | Mute::Unknown(_) => None,
    })
}
