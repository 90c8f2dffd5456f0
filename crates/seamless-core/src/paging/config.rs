//! Alertmanager's configuration, as far as it decides who is told.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use thiserror::Error;

use super::interval::{RawInterval, TimeInterval, TimeIntervalError};
use super::route::{Defaults, Route};
use super::{LabelSet, MatchOp, Matcher, MatcherError};
use crate::duration;
use crate::nullable::nullable;

/// Why a text is no configuration of Alertmanager.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigurationError {
    /// Not YAML, or not the shape of a configuration; says where.
    #[error("not an Alertmanager configuration: {0}")]
    Shape(String),
    /// A matcher that cannot be read.
    #[error("{place}: {source}")]
    Matcher {
        /// The route or inhibit rule that it stands in.
        place: String,
        /// Why it cannot be read.
        source: MatcherError,
    },
    /// A duration that cannot be read.
    #[error("{place}: {field}: {source}")]
    Duration {
        /// The route that it stands in.
        place: String,
        /// The key.
        field: &'static str,
        /// Why it cannot be read.
        source: duration::DurationError,
    },
    /// A time interval that cannot be read.
    #[error("time interval {name:?}: {source}")]
    Interval {
        /// Its name.
        name: String,
        /// Why it cannot be read.
        source: TimeIntervalError,
    },
    /// What the parts say does not go together: a receiver that is not defined, say.
    #[error("{place}: {reason}")]
    Reference {
        /// Where it is said.
        place: String,
        /// What is wrong.
        reason: String,
    },
}

/// Alertmanager's configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    /// The root of the routing tree.
    pub route: Route,
    /// Those who can be told.
    pub receivers: Vec<Receiver>,
    /// Time intervals by name; a name may stand for several.
    pub intervals: BTreeMap<String, Vec<TimeInterval>>,
    /// Which alerts hold back which.
    pub inhibit_rules: Vec<InhibitRule>,
    /// Keys that no known Alertmanager has, with their place: a typing error, or a newer server.
    pub unknown_keys: Vec<String>,
}

/// Someone who can be told, by any number of integrations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    /// Its name.
    pub name: String,
    /// How it is told, each kind once.
    pub integrations: Vec<Integration>,
}

impl Receiver {
    /// Whether it has any integration: without one it tells nobody.
    #[must_use]
    pub const fn tells_somebody(&self) -> bool {
        !self.integrations.is_empty()
    }

    /// The kinds of its integrations.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.integrations.iter().map(|one| one.kind.as_str())
    }
}

/// The integrations of one kind in a receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Integration {
    /// The kind, as Alertmanager's metrics name it: `pagerduty`, `slack`, `webhook` …
    pub kind: String,
    /// How many there are.
    pub count: usize,
}

/// Alerts that hold back others.
#[derive(Debug, Clone, PartialEq)]
pub struct InhibitRule {
    /// Where it stands: `inhibit_rules[2]`, counted from 0, with its name if it has one.
    pub place: String,
    /// Which alerts hold back.
    pub source: Vec<Matcher>,
    /// Which alerts are held back.
    pub target: Vec<Matcher>,
    /// The labels that must be equal in both.
    pub equal: Vec<String>,
}

impl InhibitRule {
    /// Whether a firing `source` holds `target` back. An alert that is both source and target is held back
    /// only by alerts that are not.
    #[must_use]
    pub fn holds_back(&self, source: &LabelSet, target: &LabelSet) -> bool {
        let all = |matchers: &[Matcher], labels| matchers.iter().all(|m| m.matches(labels));
        let value =
            |labels: &'_ LabelSet, name: &String| labels.get(name).cloned().unwrap_or_default();
        all(&self.source, source)
            && all(&self.target, target)
            && self
                .equal
                .iter()
                .all(|name| value(source, name) == value(target, name))
            && !(all(&self.source, target) && all(&self.target, source))
    }
}

impl Configuration {
    /// Reads a configuration: a file, or what `/api/v2/status` shows as loaded.
    ///
    /// # Errors
    /// [`ConfigurationError`], which names the place.
    pub fn parse(text: &str) -> Result<Self, ConfigurationError> {
        let raw: RawConfig = serde_saphyr::from_str(text)
            .map_err(|error| ConfigurationError::Shape(crate::yaml::problem(&error)))?;
        let mut unknown_keys: Vec<String> = raw.unknown.into_keys().collect();
        let receivers: Vec<Receiver> = raw
            .receivers
            .into_iter()
            .map(|receiver| receiver.read(&mut unknown_keys))
            .collect();
        let mut intervals: BTreeMap<String, Vec<TimeInterval>> = BTreeMap::new();
        for named in raw
            .mute_time_intervals
            .into_iter()
            .chain(raw.time_intervals)
        {
            let read = named.time_intervals.into_iter().map(TimeInterval::from_raw);
            let read: Result<_, _> = read.collect();
            let read = read.map_err(|source| ConfigurationError::Interval {
                name: named.name.clone(),
                source,
            })?;
            intervals.insert(named.name, read);
        }
        let inhibit_rules = raw.inhibit_rules.into_iter().enumerate();
        let inhibit_rules = inhibit_rules.map(|(at, rule)| rule.read(at, &mut unknown_keys));
        let inhibit_rules = inhibit_rules.collect::<Result<_, _>>()?;
        let route = raw.route.read(
            "route".to_owned(),
            &Defaults::of_alertmanager(),
            &mut unknown_keys,
        )?;
        let config = Self {
            route,
            receivers,
            intervals,
            inhibit_rules,
            unknown_keys,
        };
        config.check()?;
        Ok(config)
    }

    /// The receiver of that name.
    #[must_use]
    pub fn receiver(&self, name: &str) -> Option<&Receiver> {
        self.receivers.iter().find(|receiver| receiver.name == name)
    }

    /// Every route, the root first.
    #[must_use]
    pub fn routes(&self) -> Vec<&Route> {
        let mut found = vec![&self.route];
        let mut next = 0;
        while let Some(route) = found.get(next).copied() {
            found.extend(&route.routes);
            next += 1;
        }
        found
    }

    /// The routes by which an alert goes out, in their order: a receiver may be told by several.
    #[must_use]
    pub fn routes_of(&self, alert: &LabelSet) -> Vec<&Route> {
        self.route.matched(alert)
    }

    fn check(&self) -> Result<(), ConfigurationError> {
        let refused = |place: &str, reason: String| {
            Err(ConfigurationError::Reference {
                place: place.to_owned(),
                reason,
            })
        };
        if self.route.receiver.is_empty() {
            return refused("route", "the root route names no receiver".to_owned());
        }
        if !self.route.matchers.is_empty() {
            return refused("route", "the root route must not have matchers".to_owned());
        }
        if !self.route.mute.is_empty() || !self.route.active.is_empty() {
            return refused(
                "route",
                "the root route must not have time intervals".to_owned(),
            );
        }
        for route in self.routes() {
            if self.receiver(&route.receiver).is_none() {
                let reason = format!("receiver {:?} is not defined", route.receiver);
                return refused(&route.place, reason);
            }
            let mut named = route.mute.iter().chain(&route.active);
            if let Some(missing) = named.find(|name| !self.intervals.contains_key(*name)) {
                let reason = format!("time interval {missing:?} is not defined");
                return refused(&route.place, reason);
            }
        }
        Ok(())
    }
}

type Unknown = BTreeMap<String, IgnoredAny>;

#[derive(Deserialize)]
struct RawConfig {
    route: RawRoute,
    #[serde(default, deserialize_with = "nullable")]
    receivers: Vec<RawReceiver>,
    #[serde(default, deserialize_with = "nullable")]
    inhibit_rules: Vec<RawInhibitRule>,
    #[serde(default, deserialize_with = "nullable")]
    mute_time_intervals: Vec<RawNamedIntervals>,
    #[serde(default, deserialize_with = "nullable")]
    time_intervals: Vec<RawNamedIntervals>,
    // What says nothing about who is told.
    #[serde(default, rename = "global")]
    _global: IgnoredAny,
    #[serde(default, rename = "templates")]
    _templates: IgnoredAny,
    #[serde(default, rename = "tracing")]
    _tracing: IgnoredAny,
    #[serde(default, rename = "event_recorder")]
    _event_recorder: IgnoredAny,
    #[serde(flatten)]
    unknown: Unknown,
}

#[derive(Deserialize)]
struct RawNamedIntervals {
    name: String,
    #[serde(default, deserialize_with = "nullable")]
    time_intervals: Vec<RawInterval>,
}

#[derive(Deserialize)]
struct RawReceiver {
    name: String,
    #[serde(flatten)]
    rest: BTreeMap<String, RawIntegrations>,
}

/// How many integrations there are is all that matters here; another key's value is ignored.
#[derive(Deserialize)]
#[serde(untagged)]
enum RawIntegrations {
    List(Vec<IgnoredAny>),
    Other(IgnoredAny),
}

impl RawReceiver {
    fn read(self, unknown: &mut Vec<String>) -> Receiver {
        let mut integrations = Vec::new();
        for (key, value) in self.rest {
            match (key.strip_suffix("_configs"), value) {
                (Some(kind), RawIntegrations::List(list)) => integrations.push(Integration {
                    kind: kind.to_owned(),
                    count: list.len(),
                }),
                (Some(_), RawIntegrations::Other(_)) => {}
                (None, _) if key == "labels" => {}
                (None, _) => unknown.push(format!("receiver {:?}: {key}", self.name)),
            }
        }
        integrations.retain(|one| one.count > 0);
        Receiver {
            name: self.name,
            integrations,
        }
    }
}

#[derive(Deserialize)]
struct RawInhibitRule {
    #[serde(default)]
    name: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    source_match: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "nullable")]
    source_match_re: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "nullable")]
    source_matchers: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    target_match: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "nullable")]
    target_match_re: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "nullable")]
    target_matchers: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    equal: Vec<String>,
    #[serde(flatten)]
    unknown: Unknown,
}

impl RawInhibitRule {
    fn read(self, at: usize, unknown: &mut Vec<String>) -> Result<InhibitRule, ConfigurationError> {
        let mut place = format!("inhibit_rules[{at}]");
        if let Some(name) = &self.name {
            place = format!("{place} {name:?}");
        }
        unknown.extend(self.unknown.keys().map(|key| format!("{place}: {key}")));
        let source = matchers(
            &place,
            self.source_match,
            self.source_match_re,
            self.source_matchers,
        )?;
        let target = matchers(
            &place,
            self.target_match,
            self.target_match_re,
            self.target_matchers,
        )?;
        Ok(InhibitRule {
            place,
            source,
            target,
            equal: self.equal,
        })
    }
}

#[derive(Deserialize)]
struct RawRoute {
    #[serde(default)]
    receiver: Option<String>,
    #[serde(default, rename = "match", deserialize_with = "nullable")]
    equal: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "nullable")]
    match_re: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "nullable")]
    matchers: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    mute_time_intervals: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    active_time_intervals: Vec<String>,
    #[serde(default, rename = "continue")]
    goes_on: bool,
    #[serde(default, deserialize_with = "nullable")]
    routes: Vec<RawRoute>,
    #[serde(default)]
    group_wait: Option<String>,
    #[serde(default)]
    group_interval: Option<String>,
    #[serde(default)]
    repeat_interval: Option<String>,
    // What says nothing about who is told.
    #[serde(default, rename = "group_by")]
    _group_by: IgnoredAny,
    #[serde(default, rename = "labels")]
    _labels: IgnoredAny,
    #[serde(flatten)]
    unknown: Unknown,
}

impl RawRoute {
    fn read(
        self,
        place: String,
        inherited: &Defaults,
        unknown: &mut Vec<String>,
    ) -> Result<Route, ConfigurationError> {
        unknown.extend(self.unknown.keys().map(|key| format!("{place}: {key}")));
        let duration = |field, text: Option<String>, inherited: Duration| match text {
            None => Ok(inherited),
            Some(text) => {
                duration::parse_strict(&text).map_err(|source| ConfigurationError::Duration {
                    place: place.clone(),
                    field,
                    source,
                })
            }
        };
        let own = Defaults {
            receiver: match self.receiver {
                Some(name) if !name.is_empty() => name,
                _ => inherited.receiver.clone(),
            },
            group_wait: duration("group_wait", self.group_wait, inherited.group_wait)?,
            group_interval: duration(
                "group_interval",
                self.group_interval,
                inherited.group_interval,
            )?,
            repeat_interval: duration(
                "repeat_interval",
                self.repeat_interval,
                inherited.repeat_interval,
            )?,
        };
        let matchers = matchers(&place, self.equal, self.match_re, self.matchers)?;
        let children = self.routes.into_iter().enumerate();
        let children =
            children.map(|(at, child)| child.read(format!("{place}.routes[{at}]"), &own, unknown));
        Ok(Route {
            routes: children.collect::<Result<_, _>>()?,
            receiver: own.receiver,
            matchers,
            goes_on: self.goes_on,
            mute: self.mute_time_intervals,
            active: self.active_time_intervals,
            group_wait: own.group_wait,
            group_interval: own.group_interval,
            repeat_interval: own.repeat_interval,
            place,
        })
    }
}

/// The matchers of a route, of the old writings and of the new one.
fn matchers(
    place: &str,
    equal: BTreeMap<String, String>,
    regex: BTreeMap<String, String>,
    lists: Vec<String>,
) -> Result<Vec<Matcher>, ConfigurationError> {
    let of = |pairs: BTreeMap<String, String>, op| {
        let read = move |(name, value): (String, String)| Matcher::new(&name, op, &value);
        pairs.into_iter().map(read).collect::<Result<Vec<_>, _>>()
    };
    let all = || {
        let mut found = of(equal, MatchOp::Equal)?;
        found.extend(of(regex, MatchOp::Regex)?);
        for list in &lists {
            found.extend(Matcher::parse_list(list)?);
        }
        Ok(found)
    };
    all().map_err(|source| ConfigurationError::Matcher {
        place: place.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::paging::Mute;

    const SHIPPED: &str = include_str!("../../../../alertmanager.yml");

    fn alert(labels: &[(&str, &str)]) -> LabelSet {
        let labels = labels
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        labels.collect()
    }

    #[test]
    fn the_shipped_configuration_is_read_whole() {
        let config = Configuration::parse(SHIPPED).unwrap();
        assert_eq!(config.unknown_keys, [""; 0]);
        let kinds = |name: &str| {
            config
                .receiver(name)
                .unwrap()
                .kinds()
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(kinds("pagerduty"), "pagerduty");
        assert_eq!(kinds("slack"), "slack");
        assert_eq!(kinds("watchdog"), "webhook");
        let watchdog = config.routes_of(&alert(&[("alertname", "SeamlessWatchdog")]));
        assert_eq!(
            watchdog[0].to_string(),
            r#"route.routes[0] {alertname="SeamlessWatchdog"}"#
        );
        assert_eq!(watchdog[0].group_wait, Duration::ZERO);
        assert_eq!(watchdog[0].repeat_interval, Duration::from_secs(300));
        let critical = config.routes_of(&alert(&[("severity", "critical")]));
        assert_eq!(critical[1].group_wait, Duration::from_secs(30));
    }

    #[test]
    fn every_kind_of_integration_is_read_and_unknown_keys_are_named() {
        let kinds = [
            "discord",
            "email",
            "incidentio",
            "jira",
            "mattermost",
            "msteams",
            "msteamsv2",
            "opsgenie",
            "pagerduty",
            "pushover",
            "rocketchat",
            "slack",
            "sns",
            "telegram",
            "victorops",
            "webex",
            "webhook",
            "wechat",
        ];
        let configs: Vec<String> = kinds
            .iter()
            .map(|kind| format!("  {kind}_configs: [{{send_resolved: true, x: [1]}}, {{}}]\n"))
            .collect();
        let text = format!(
            "global: {{resolve_timeout: 5m}}\ntemplates: ['*.tmpl']\nrouter: {{}}\nroute:\n  recevier: x\n  receiver: all\nreceivers:\n- name: all\n{}",
            configs.concat()
        );
        let config = Configuration::parse(&text).unwrap();
        let read: Vec<&str> = config.receivers[0].kinds().collect();
        assert_eq!(read, kinds);
        assert!(
            config.receivers[0]
                .integrations
                .iter()
                .all(|one| one.count == 2)
        );
        assert_eq!(config.unknown_keys, ["router", "route: recevier"]);
    }

    #[test]
    fn an_alert_is_held_back_by_equal_labels_and_never_by_its_like() {
        let config = Configuration::parse(SHIPPED).unwrap();
        let holds_back = |source: &LabelSet, target: &LabelSet| {
            let mut rules = config.inhibit_rules.iter();
            rules.any(|rule| rule.holds_back(source, target))
        };
        let stuck = alert(&[
            ("alertname", "SeamlessBackfillStuckLease"),
            ("lease_key", "a"),
        ]);
        let stale = |key| {
            alert(&[
                ("alertname", "SeamlessBackfillStaleClaim"),
                ("lease_key", key),
            ])
        };
        assert!(holds_back(&stuck, &stale("a")));
        assert!(!holds_back(&stuck, &stale("b")));
        let text = "route: {receiver: a}\nreceivers: [{name: a}]\ninhibit_rules: [{name: n, source_match: {a: x}, target_match_re: {a: 'x|y'}}]";
        let rule = &Configuration::parse(text).unwrap().inhibit_rules[0];
        assert_eq!(rule.place, "inhibit_rules[0] \"n\"");
        assert!(rule.holds_back(&alert(&[("a", "x")]), &alert(&[("a", "y")])));
        assert!(!rule.holds_back(&alert(&[("a", "x")]), &alert(&[("a", "x")])));
    }

    #[test]
    fn a_route_says_when_it_next_tells() {
        let text = "
route:
  receiver: a
  routes:
  - {receiver: a, matchers: [r=nights], mute_time_intervals: [nights]}
  - {receiver: a, matchers: [r=hours], active_time_intervals: [hours, local]}
  - {receiver: a, matchers: [r=never], active_time_intervals: [past]}
  - {receiver: a, matchers: [r=local], mute_time_intervals: [local]}
receivers: [{name: a}]
time_intervals:
- name: nights
  time_intervals: [{times: [{start_time: '22:00', end_time: '24:00'}, {start_time: '00:00', end_time: '06:00'}], location: Asia/Seoul}]
- name: hours
  time_intervals: [{weekdays: ['monday:friday'], times: [{start_time: '09:00', end_time: '17:00'}]}]
- name: past
  time_intervals: [{years: ['2020']}]
- name: local
  time_intervals: [{location: Local}]
";
        let config = Configuration::parse(text).unwrap();
        let mute = |name: &str, now: &str| {
            config.mute(
                config.routes_of(&alert(&[("r", name)]))[0],
                now.parse().unwrap(),
            )
        };
        let closed = |by: &str, opens: Option<&str>| Mute::Closed {
            by: by.to_owned(),
            opens: opens.map(|time| time.parse().unwrap()),
        };
        assert_eq!(mute("nights", "2026-11-28T12:00:00Z"), Mute::Open);
        let nights = closed("mute_time_intervals nights", Some("2026-11-28T21:00:00Z"));
        assert_eq!(mute("nights", "2026-11-28T13:00:30Z"), nights);
        // Within business hours the interval that cannot be told does not matter.
        assert_eq!(mute("hours", "2026-11-27T12:00:00Z"), Mute::Open);
        assert_eq!(
            mute("hours", "2026-11-28T12:00:00Z"),
            Mute::Unknown("local".to_owned())
        );
        let never = closed("active_time_intervals past", None);
        assert_eq!(mute("never", "2026-11-28T12:00:00Z"), never);
        assert_eq!(
            mute("local", "2026-11-28T12:00:00Z"),
            Mute::Unknown("local".to_owned())
        );
    }
}
