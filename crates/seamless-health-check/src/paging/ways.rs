//! The ways by which one alert goes out through one Alertmanager's configuration.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use seamless_core::paging::{
    AlertShape, Configuration, LabelCase, LabelSet, Mute, PAGING_KINDS, Route, Sending,
};

/// The alert that says of a kind of integration (its label `integration`) that it fails.
const NOTIFICATIONS_FAILING: &str = "SeamlessNotificationsFailing";

/// Whom alerts of a severity must reach, where the default is not enough: receivers by severity.
pub(crate) type WantedReceivers = BTreeMap<String, BTreeSet<String>>;

/// Whom an alert reaches at best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// Relabelling in Prometheus drops it.
    Dropped,
    /// No receiver that sends anything.
    Nobody,
    /// A receiver that sends, though not one that is asked for.
    Somebody,
    /// One that is asked for: for a critical alert, one that pages.
    Right,
}

/// How one alert goes out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Way {
    pub(crate) alert: String,
    pub(crate) severity: String,
    /// What is reached in the best and in the worst case that its series may bring.
    pub(crate) best: Reach,
    pub(crate) worst: Reach,
    /// The values of its series' labels in the worst case, if other cases are better.
    pub(crate) worst_when: LabelSet,
    /// Whether it depends on labels that nobody knows: which.
    pub(crate) unknown: BTreeSet<String>,
    /// Every receiver that it may reach, with the kinds of its integrations.
    pub(crate) receivers: BTreeMap<String, Vec<String>>,
    /// The routes that lead to the right receivers, each with whether it tells now.
    pub(crate) routes: Vec<(String, Mute)>,
    /// Whether in some case none of them tells now.
    pub(crate) closed: bool,
    /// What is slow about the routes that page: the route, and why.
    pub(crate) slow: Vec<(String, String)>,
    /// A matcher that was looked at in one value only.
    pub(crate) cut: Option<String>,
}

impl Way {
    /// What closes the way, and when it opens.
    pub(crate) fn closed_by(&self) -> Option<String> {
        self.routes.iter().find_map(|(route, mute)| match mute {
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
}

/// The way of `alert` through `config` at `now`.
pub(crate) fn way(
    alert: &AlertShape,
    config: &Configuration,
    sending: &Sending,
    wanted: &WantedReceivers,
    now: Timestamp,
) -> Way {
    let severity = severity(alert).to_owned();
    let cases = alert.cases(config, sending);
    let reached: Vec<(&LabelCase, RouteReach<'_>)> = cases
        .cases
        .iter()
        .map(|case| {
            let severity = case.varying.get("severity").unwrap_or(&severity);
            (case, reached(case, config, severity, wanted))
        })
        .collect();
    let reaches = || reached.iter().map(|(_, reached)| reached.reach);
    let (best, worst) = (reaches().max(), reaches().min());
    let worst_case = reached
        .iter()
        .find(|(_, reached)| Some(reached.reach) == worst);
    let mut way = Way {
        alert: alert.name.clone(),
        best: best.unwrap_or(Reach::Nobody),
        worst: worst.unwrap_or(Reach::Nobody),
        worst_when: worst_case
            .map(|(case, _)| case.varying.clone())
            .unwrap_or_default(),
        unknown: unknown(&reached),
        receivers: BTreeMap::new(),
        routes: Vec::new(),
        closed: false,
        slow: Vec::new(),
        cut: cases.cut,
        severity,
    };
    for (_, reached) in &reached {
        for route in &reached.routes {
            let kinds = config
                .receiver(&route.receiver)
                .into_iter()
                .flat_map(|r| r.kinds());
            let kinds = kinds.map(str::to_owned).collect();
            way.receivers.insert(route.receiver.clone(), kinds);
        }
        let mut is_open = reached.right.is_empty();
        for route in &reached.right {
            let name = route.to_string();
            let known = way.routes.iter().find(|(other, _)| *other == name);
            let mute = match known {
                Some((_, mute)) => mute.clone(),
                None => {
                    let mute = config.mute(route, now);
                    way.slow
                        .extend(slow(route).filter(|_| way.severity == "critical"));
                    way.routes.push((name, mute.clone()));
                    mute
                }
            };
            is_open |= !matches!(mute, Mute::Closed { .. });
        }
        way.closed |= !is_open;
    }
    way
}

struct RouteReach<'c> {
    reach: Reach,
    routes: Vec<&'c Route>,
    /// Those that lead to a receiver of the best kind.
    right: Vec<&'c Route>,
}

fn reached<'c>(
    case: &LabelCase,
    config: &'c Configuration,
    severity: &str,
    wanted: &WantedReceivers,
) -> RouteReach<'c> {
    let Some(labels) = &case.labels else {
        return RouteReach {
            reach: Reach::Dropped,
            routes: Vec::new(),
            right: Vec::new(),
        };
    };
    let routes = config.routes_of(labels);
    // That the pager fails is told by another kind: any that does not fail.
    let failing = labels.get("integration").filter(|_| {
        labels
            .get("alertname")
            .is_some_and(|name| name == NOTIFICATIONS_FAILING)
    });
    let pager_fails = failing.is_some_and(|kind| PAGING_KINDS.contains(&kind.as_str()));
    let of = |route: &Route| {
        let kinds: Vec<&str> = config
            .receiver(&route.receiver)
            .into_iter()
            .flat_map(|r| r.kinds())
            .collect();
        let pages = || kinds.iter().any(|kind| PAGING_KINDS.contains(kind));
        match wanted.get(severity) {
            _ if kinds.is_empty() => Reach::Nobody,
            Some(names) if names.contains(&route.receiver) => Reach::Right,
            Some(_) => Reach::Somebody,
            None if severity != "critical" || pager_fails || pages() => Reach::Right,
            None => Reach::Somebody,
        }
    };
    let reach = routes
        .iter()
        .map(|route| of(route))
        .max()
        .unwrap_or(Reach::Nobody);
    let right = routes
        .iter()
        .copied()
        .filter(|route| reach > Reach::Nobody && of(route) == reach);
    RouteReach {
        reach,
        right: right.collect(),
        routes,
    }
}

/// The unknown labels on whose value it depends what is reached.
fn unknown(reached: &[(&LabelCase, RouteReach<'_>)]) -> BTreeSet<String> {
    let mut by_assumption: BTreeMap<&LabelSet, BTreeSet<Reach>> = BTreeMap::new();
    for (case, reached) in reached {
        by_assumption
            .entry(&case.unknown)
            .or_default()
            .insert(reached.reach);
    }
    let mut answers = by_assumption.values();
    let first = answers.next();
    if answers.all(|other| Some(other) == first) {
        return BTreeSet::new();
    }
    by_assumption
        .keys()
        .flat_map(|labels| labels.keys().cloned())
        .collect()
}

/// What is slow about a route that pages.
fn slow(route: &Route) -> impl Iterator<Item = (String, String)> {
    const LONGEST_WAIT: u64 = 60;
    const LONGEST_INTERVAL: u64 = 15 * 60;
    const LONGEST_REPEAT: u64 = 12 * 3600;
    let found = [
        (
            "group_wait",
            route.group_wait,
            LONGEST_WAIT,
            "at most 1m pages in time",
        ),
        (
            "group_interval",
            route.group_interval,
            LONGEST_INTERVAL,
            "an alert that joins a group which was told of waits so long (at most 15m)",
        ),
        (
            "repeat_interval",
            route.repeat_interval,
            LONGEST_REPEAT,
            "a page that was missed is repeated after that only (at most 12h)",
        ),
    ];
    let route = route.to_string();
    found
        .into_iter()
        .filter(|(_, value, most, _)| value.as_secs() > *most)
        .map(move |(key, value, _, why)| {
            let value = seamless_core::duration::format(value);
            (route.clone(), format!("{key} is {value}; {why}"))
        })
}

/// The severity of an alert; the gravest where it is known only when it fires.
pub(crate) fn severity(alert: &AlertShape) -> &str {
    if alert.decides_severity() {
        return "critical";
    }
    alert.fixed.get("severity").map_or("", String::as_str)
}
