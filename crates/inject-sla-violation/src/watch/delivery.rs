//! Whether the receivers were really told: judged by what Alertmanager counts of its own requests.
//!
//! `alertmanager_notifications_total` grows before an attempt and proves nothing.
//! `alertmanager_notification_requests_total` grows when a request has ended, and beside it
//! `…_requests_failed_total` where it failed. They count per kind of integration, and per receiver only where
//! Alertmanager was started with `--enable-feature=receiver-name-in-metrics`; so whatever else notifies over
//! that kind in the same time leaves it open whose request it was.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use seamless_core::alertmanager::AlertGroup;
use seamless_core::paging::{Configuration, Counters};
use seamless_core::schema::DRILL_LABEL;

use super::stage::MissReason;

/// How long a request may take after the group has waited.
const PATIENCE: Duration = Duration::from_secs(30);

const REQUESTS: &str = "alertmanager_notification_requests_total";
/// Both tell of failures: of single requests, and of notifications that were given up.
const FAILURES: [&str; 2] = [
    "alertmanager_notification_requests_failed_total",
    "alertmanager_notifications_failed_total",
];

/// What is awaited.
pub(super) struct AwaitedAlert<'a> {
    pub(super) alert: &'a str,
    pub(super) drill_id: &'a str,
    /// The one receiver that counts, where one was named.
    pub(super) receiver: Option<&'a str>,
}

/// What all given Alertmanagers show at one moment.
pub(super) struct SeenAlerts<'a> {
    pub(super) config: &'a Configuration,
    /// Of all of them; a group that several hold stands several times.
    pub(super) groups: &'a [AlertGroup],
    /// Read before the groups: while no group of the drill is shown, nothing of it is counted yet.
    pub(super) counters: &'a [Counters],
}

/// Which counters tell of an integration: its kind, and its receiver where that is counted apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct CountedIntegration {
    kind: String,
    receiver: Option<String>,
}

/// Requests that ended, and failures.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct DeliveryCounts {
    requests: f64,
    failures: f64,
}

/// The way of one alert to its receivers.
#[derive(Debug, Default)]
pub(super) struct Notification {
    baseline: Option<BTreeMap<CountedIntegration, DeliveryCounts>>,
    shown_since: Option<Duration>,
    /// Over which integrations other groups may have notified in the same time.
    crowded: BTreeMap<CountedIntegration, String>,
}

/// What is known.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum DeliveryState {
    /// Nothing yet.
    Waiting,
    /// Every integration was called and answered well.
    Notified(String),
    /// It was not, or that cannot be told.
    Missed(MissReason),
}

impl Notification {
    /// Takes in what was seen at `now` (since the start of the drill).
    pub(super) fn look(
        &mut self,
        awaited: &AwaitedAlert<'_>,
        seen: &SeenAlerts<'_>,
        now: Duration,
    ) -> DeliveryState {
        let is_ours = |group: &AlertGroup| {
            group.alerts.iter().any(|alert| {
                alert.labels.get("alertname") == awaited.alert
                    && alert.labels.get(DRILL_LABEL) == awaited.drill_id
                    && alert.status.state == "active"
            })
        };
        let mine: Vec<&AlertGroup> = seen.groups.iter().filter(|group| is_ours(group)).collect();
        let at = |receiver: &str| awaited.receiver.is_none_or(|wanted| wanted == receiver);
        let reached: BTreeSet<&str> = mine
            .iter()
            .map(|group| &*group.receiver.name)
            .filter(|receiver| at(receiver))
            .collect();
        if mine.is_empty() {
            self.baseline = Some(counted(seen));
            self.crowded.clear();
            return DeliveryState::Waiting;
        }
        let since = *self.shown_since.get_or_insert(now);
        if reached.is_empty() {
            let found = mine.iter().map(|group| group.receiver.name.clone());
            return DeliveryState::Missed(MissReason::OtherReceiver {
                wanted: awaited.receiver.unwrap_or_default().to_owned(),
                found: found.collect::<BTreeSet<_>>().into_iter().collect(),
            });
        }
        let Some(baseline) = &self.baseline else {
            return DeliveryState::Missed(MissReason::CannotTellDelivery(
                "the group was there before anything was counted".to_owned(),
            ));
        };
        let by_receiver = counts_receivers(seen);
        let key = |receiver: &str, kind: &str| CountedIntegration {
            kind: kind.to_owned(),
            receiver: by_receiver.then(|| receiver.to_owned()),
        };
        for group in seen.groups.iter().filter(|group| !is_ours(group)) {
            let notifies = group.alerts.iter().any(|a| a.status.state == "active");
            for kind in kinds(seen.config, &group.receiver.name).keys() {
                if notifies {
                    let key = key(&group.receiver.name, kind);
                    self.crowded.insert(key, described(group));
                }
            }
        }
        let mut needed: BTreeMap<CountedIntegration, usize> = BTreeMap::new();
        let mut shared = None;
        for receiver in &reached {
            let kinds = kinds(seen.config, receiver);
            if kinds.is_empty() {
                return DeliveryState::Missed(MissReason::NoIntegration((*receiver).to_owned()));
            }
            for (kind, count) in kinds {
                let key = key(receiver, &kind);
                if needed.insert(key, count).is_some() {
                    shared = Some(kind);
                }
            }
        }
        if let Some(kind) = shared {
            return DeliveryState::Missed(MissReason::CannotTellDelivery(format!(
                "{} are both called over {kind}, and Alertmanager counts them together (start it with \
                 --enable-feature=receiver-name-in-metrics, or name one with --expect-receiver)",
                joined(&reached)
            )));
        }
        let now_counted = counted(seen);
        let grown = |key: &CountedIntegration| {
            let after = now_counted.get(key).copied().unwrap_or_default();
            let before = baseline.get(key).copied().unwrap_or_default();
            DeliveryCounts {
                requests: after.requests - before.requests,
                failures: after.failures - before.failures,
            }
        };
        let done = needed
            .iter()
            .all(|(key, count)| grown(key).requests >= *count as f64);
        let failed = needed
            .keys()
            .find(|key| grown(key).failures > 0.0 || grown(key).requests < 0.0);
        let wait = group_wait(seen.config, &mine, &reached);
        let late = now.saturating_sub(since) > wait + PATIENCE;
        if !done && failed.is_none() && !late {
            return DeliveryState::Waiting;
        }
        if let Some((key, other)) = needed
            .keys()
            .find_map(|key| self.crowded.get_key_value(key))
        {
            return DeliveryState::Missed(MissReason::CannotTellDelivery(format!(
                "in the same time {other} was at {}, which Alertmanager counts together",
                key.kind
            )));
        }
        if let Some(key) = failed {
            let DeliveryCounts { requests, failures } = grown(key);
            return DeliveryState::Missed(MissReason::NotificationFailed {
                kind: key.kind.clone(),
                requests,
                failures,
            });
        }
        if done {
            let kinds: Vec<String> = needed.keys().map(|key| key.kind.clone()).collect();
            let receivers = joined(&reached);
            return DeliveryState::Notified(format!("{receivers}, over {}", kinds.join(", ")));
        }
        let silent: Vec<String> = needed
            .iter()
            .filter(|(key, count)| grown(key).requests < **count as f64)
            .map(|(key, _)| key.kind.clone())
            .collect();
        DeliveryState::Missed(MissReason::NoRequest {
            kinds: silent,
            waited: wait + PATIENCE,
        })
    }
}

/// The integrations of a receiver: kinds, and how many of each.
fn kinds(config: &Configuration, receiver: &str) -> BTreeMap<String, usize> {
    let integrations = config.receiver(receiver).map(|r| &*r.integrations);
    let mut kinds = BTreeMap::new();
    for integration in integrations.unwrap_or_default() {
        *kinds.entry(integration.kind.clone()).or_insert(0) += integration.count;
    }
    kinds.retain(|_, count| *count > 0);
    kinds
}

fn counts_receivers(seen: &SeenAlerts<'_>) -> bool {
    let mut counters = seen.counters.iter();
    !seen.counters.is_empty()
        && counters.all(|counters| !counters.label_values(REQUESTS, "receiver_name").is_empty())
}

/// The sums over all Alertmanagers.
fn counted(seen: &SeenAlerts<'_>) -> BTreeMap<CountedIntegration, DeliveryCounts> {
    let by_receiver = counts_receivers(seen);
    let mut sums: BTreeMap<CountedIntegration, DeliveryCounts> = BTreeMap::new();
    for counters in seen.counters {
        for name in FAILURES.iter().chain([&REQUESTS]) {
            for (labels, value) in counters.series(name) {
                let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
                let key = CountedIntegration {
                    kind: label("integration"),
                    receiver: by_receiver.then(|| label("receiver_name")),
                };
                let sum = sums.entry(key).or_default();
                if *name == REQUESTS {
                    sum.requests += value;
                } else {
                    sum.failures += value;
                }
            }
        }
    }
    sums
}

/// How long the group may wait before it is sent: the longest of the routes that lead it there.
fn group_wait(config: &Configuration, mine: &[&AlertGroup], reached: &BTreeSet<&str>) -> Duration {
    mine.iter()
        .flat_map(|group| &group.alerts)
        .flat_map(|alert| {
            let labels = (&alert.labels).into();
            let routes = config.routes_of(&labels);
            let waits = routes
                .iter()
                .filter(|route| reached.contains(&*route.receiver))
                .map(|route| route.group_wait);
            waits.collect::<Vec<_>>()
        })
        .max()
        .unwrap_or_default()
}

fn described(group: &AlertGroup) -> String {
    let alert = group.alerts.first();
    let name = alert.map_or("", |alert| alert.labels.get("alertname"));
    format!("{name} (receiver {})", group.receiver.name)
}

fn joined(names: &BTreeSet<&str>) -> String {
    names.iter().copied().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CONFIG: &str = "
route: {receiver: pager, group_wait: 10s}
receivers:
  - name: pager
    pagerduty_configs: [{routing_key: k}]
  - name: other-pager
    pagerduty_configs: [{routing_key: k}]
  - name: both
    pagerduty_configs: [{routing_key: k}]
    webhook_configs: [{url: 'http://a'}, {url: 'http://b'}]
  - name: nobody
";

    fn group(alert: &str, drill: &str, receiver: &str, state: &str) -> AlertGroup {
        serde_json::from_value(json!({
            "labels": {}, "receiver": {"name": receiver}, "alerts": [{
                "labels": {"alertname": alert, "drill": drill},
                "receivers": [{"name": receiver}],
                "status": {"state": state},
            }],
        }))
        .unwrap()
    }

    /// Requests and failures of PagerDuty, requests of webhooks.
    fn counters(pagerduty: u32, failed: u32, webhook: u32) -> Counters {
        Counters::read(
            format!(
                "# TYPE {REQUESTS} counter\n{REQUESTS}{{integration=\"pagerduty\"}} {pagerduty}\n\
                 {REQUESTS}{{integration=\"webhook\"}} {webhook}\n\
                 # TYPE {0} counter\n{0}{{integration=\"pagerduty\"}} {failed}\n",
                FAILURES[0]
            )
            .as_bytes(),
        )
        .unwrap()
    }

    struct Case {
        groups: Vec<AlertGroup>,
        counters: Vec<Counters>,
        seconds: u64,
        receiver: Option<&'static str>,
    }

    fn after(group: AlertGroup, counters: Counters) -> Case {
        Case {
            groups: vec![group],
            counters: vec![counters],
            seconds: 5,
            receiver: None,
        }
    }

    fn verdict(before: &[Counters], case: &Case) -> DeliveryState {
        let config = Configuration::parse(CONFIG).unwrap();
        let mut delivery = Notification::default();
        let awaited = AwaitedAlert {
            alert: "Slow",
            drill_id: "d",
            receiver: case.receiver,
        };
        let none = SeenAlerts {
            config: &config,
            groups: &[],
            counters: before,
        };
        assert_eq!(
            delivery.look(&awaited, &none, Duration::ZERO),
            DeliveryState::Waiting
        );
        let seen = |counters| SeenAlerts {
            config: &config,
            groups: &case.groups,
            counters,
        };
        delivery.look(&awaited, &seen(before), Duration::ZERO);
        let now = Duration::from_secs(case.seconds);
        delivery.look(&awaited, &seen(&case.counters), now)
    }

    fn reason(verdict: DeliveryState) -> &'static str {
        match verdict {
            DeliveryState::Missed(reason) => reason.name(),
            DeliveryState::Waiting => "waiting",
            DeliveryState::Notified(_) => "notified",
        }
    }

    #[test]
    fn a_request_that_ended_well_is_a_notification() {
        let before = [counters(3, 1, 0)];
        let ours = || group("Slow", "d", "pager", "active");
        for (case, expected) in [
            (after(ours(), counters(4, 1, 0)), "notified"),
            (after(ours(), counters(3, 1, 0)), "waiting"),
            (after(ours(), counters(4, 2, 0)), "notification_failed"),
            (
                Case {
                    seconds: 39,
                    ..after(ours(), counters(3, 1, 0))
                },
                "waiting",
            ),
            (
                Case {
                    seconds: 41,
                    ..after(ours(), counters(3, 1, 0))
                },
                "no_request",
            ),
            (
                after(group("Slow", "d", "nobody", "active"), counters(3, 1, 0)),
                "no_integration",
            ),
            (
                after(group("Slow", "d", "pager", "suppressed"), counters(4, 1, 0)),
                "waiting",
            ),
            (
                after(group("Slow", "other", "pager", "active"), counters(4, 1, 0)),
                "waiting",
            ),
            // A receiver with three integrations is told when all of them were.
            (
                after(group("Slow", "d", "both", "active"), counters(4, 1, 1)),
                "waiting",
            ),
            (
                after(group("Slow", "d", "both", "active"), counters(4, 1, 2)),
                "notified",
            ),
            (
                Case {
                    receiver: Some("other-pager"),
                    ..after(ours(), counters(4, 1, 0))
                },
                "other_receiver",
            ),
        ] {
            let text = format!("{:?} {}", case.groups, case.seconds);
            assert_eq!(reason(verdict(&before, &case)), expected, "{text}");
        }
    }

    #[test]
    fn whose_request_it_was_may_stay_open() {
        let before = [counters(0, 0, 0)];
        let with = |other: AlertGroup, receiver| Case {
            groups: vec![group("Slow", "d", "pager", "active"), other],
            counters: vec![counters(2, 0, 0)],
            seconds: 5,
            receiver,
        };
        for (other, receiver, expected) in [
            (
                group("Real", "", "pager", "active"),
                None,
                "cannot_tell_delivery",
            ),
            (
                group("Real", "", "other-pager", "active"),
                None,
                "cannot_tell_delivery",
            ),
            (group("Real", "", "pager", "suppressed"), None, "notified"),
            (group("Real", "", "nobody", "active"), None, "notified"),
            // The same alert at two receivers of one kind.
            (
                group("Slow", "d", "other-pager", "active"),
                None,
                "cannot_tell_delivery",
            ),
        ] {
            let case = with(other, receiver);
            let text = format!("{:?}", case.groups);
            assert_eq!(reason(verdict(&before, &case)), expected, "{text}");
        }
    }

    #[test]
    fn receivers_that_are_counted_apart_are_told_apart() {
        let counters = |pager: u32, other: u32| {
            let line = |receiver: &str, count: u32| {
                format!(
                    "{REQUESTS}{{integration=\"pagerduty\",receiver_name=\"{receiver}\"}} {count}\n"
                )
            };
            let text = format!(
                "# TYPE {REQUESTS} counter\n{}{}",
                line("pager", pager),
                line("other-pager", other)
            );
            Counters::read(text.as_bytes()).unwrap()
        };
        let groups = vec![
            group("Slow", "d", "pager", "active"),
            group("Real", "", "other-pager", "active"),
        ];
        for (now, expected) in [((1, 0), "notified"), ((0, 1), "waiting")] {
            let case = Case {
                groups: groups.clone(),
                counters: vec![counters(now.0, now.1)],
                seconds: 5,
                receiver: None,
            };
            assert_eq!(reason(verdict(&[counters(0, 0)], &case)), expected);
        }
    }

    #[test]
    fn the_counters_of_all_alertmanagers_are_summed() {
        let before = [counters(7, 0, 0), counters(2, 0, 0)];
        let case = Case {
            counters: vec![counters(7, 0, 0), counters(3, 0, 0)],
            ..after(group("Slow", "d", "pager", "active"), counters(0, 0, 0))
        };
        assert_eq!(reason(verdict(&before, &case)), "notified");
    }
}
