//! Where Alertmanager would send an alert. Follows its routing: the first matching child wins unless it
//! says `continue`; a route without a matching child sends to its own receiver.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde::Deserialize;

use crate::check::{Item, Outcome, Verdict};
use crate::checks::listed;
use crate::facts::Facts;
use crate::request::Request;

#[derive(Debug, Deserialize)]
struct Config {
    route: Route,
    #[serde(default)]
    receivers: Vec<Receiver>,
}

#[derive(Debug, Deserialize)]
struct Route {
    #[serde(default)]
    receiver: Option<String>,
    #[serde(default)]
    matchers: Vec<String>,
    #[serde(default, rename = "match")]
    equal: BTreeMap<String, String>,
    #[serde(default)]
    match_re: BTreeMap<String, String>,
    #[serde(default, rename = "continue")]
    goes_on: bool,
    #[serde(default)]
    routes: Vec<Route>,
}

/// Only how many of each kind there are matters here.
#[derive(Debug, Deserialize)]
struct Receiver {
    name: String,
    #[serde(default)]
    pagerduty_configs: Vec<serde::de::IgnoredAny>,
    #[serde(default)]
    slack_configs: Vec<serde::de::IgnoredAny>,
}

type Labels<'l> = [(&'l str, &'l str)];

/// A severity, an alert of it, and who must get it: by name, and how its receiver is told.
type Wanted<'w> = (&'w str, &'w Labels<'w>, &'w str, fn(&Receiver) -> bool);

pub(super) fn routes(facts: &Facts, _: &Request) -> Outcome {
    match &facts.alertmanager_config {
        Ok(config) => judge(config),
        Err(gap) => gap.outcome(),
    }
}

fn judge(config: &str) -> Outcome {
    let config: Config = match serde_saphyr::from_str(config) {
        Ok(config) => config,
        Err(error) => {
            let reason = error.to_string();
            let first = reason.lines().next().unwrap_or_default();
            return Outcome::fail(format!("its configuration cannot be read: {first}"));
        }
    };
    let wanted: [Wanted<'_>; 2] = [
        (
            "critical",
            &[
                ("alertname", "SeamlessBackfillStuckLease"),
                ("severity", "critical"),
                ("service", "seamless"),
            ],
            "PagerDuty",
            |receiver| !receiver.pagerduty_configs.is_empty(),
        ),
        (
            "warning",
            &[
                ("alertname", "SeamlessSla99thDegraded"),
                ("severity", "warning"),
                ("service", "seamless"),
            ],
            "Slack",
            |receiver| !receiver.slack_configs.is_empty(),
        ),
    ];
    let mut items = Vec::new();
    for (severity, labels, channel, is_right) in wanted {
        let mut names = BTreeSet::new();
        reached(&config.route, labels, "", &mut names);
        let right = config
            .receivers
            .iter()
            .filter(|receiver| names.contains(&receiver.name))
            .any(is_right);
        let list: Vec<&String> = names.iter().collect();
        items.push(if right {
            Item::new(
                severity,
                Verdict::Pass,
                format!("reaches {channel} by {}", listed(&list)),
            )
        } else {
            let message = format!("reaches no {channel} receiver, only {}", listed(&list));
            Item::new(severity, Verdict::Fail, message)
        });
    }
    Outcome::of(items, "critical to PagerDuty, warning to Slack")
}

/// Adds the receivers that an alert with `labels` reaches from `route` on; `inherited` is the parent's.
fn reached(route: &Route, labels: &Labels<'_>, inherited: &str, names: &mut BTreeSet<String>) {
    let receiver = route.receiver.as_deref().unwrap_or(inherited);
    let mut matched = false;
    for child in route.routes.iter().filter(|child| child.matches(labels)) {
        matched = true;
        reached(child, labels, receiver, names);
        if !child.goes_on {
            break;
        }
    }
    if !matched {
        names.insert(receiver.to_owned());
    }
}

impl Route {
    fn matches(&self, labels: &Labels<'_>) -> bool {
        let value = |name: &str| {
            labels
                .iter()
                .find(|(label, _)| *label == name)
                .map_or("", |(_, value)| *value)
        };
        self.equal
            .iter()
            .all(|(name, wanted)| value(name) == wanted)
            && self
                .match_re
                .iter()
                .all(|(name, pattern)| whole(pattern, value(name)))
            && self.matchers.iter().all(|text| {
                // What cannot be read is taken not to match: better a false alarm than a lost page.
                matcher(text).is_some_and(|(name, operator, wanted)| {
                    let is = value(&name);
                    match operator {
                        "=~" => whole(&wanted, is),
                        "!~" => !whole(&wanted, is),
                        "!=" => is != wanted,
                        _ => is == wanted,
                    }
                })
            })
    }
}

fn whole(pattern: &str, text: &str) -> bool {
    Regex::new(&format!("^(?:{pattern})$")).is_ok_and(|regex| regex.is_match(text))
}

/// Reads `name="value"`, with any of the four operators and optional braces, quotes and blanks.
fn matcher(text: &str) -> Option<(String, &'static str, String)> {
    let text = text
        .trim()
        .trim_start_matches('{')
        .trim_end_matches('}')
        .trim();
    let end = text.find(['=', '!'])?;
    let (name, rest) = text.split_at(end);
    let operator = ["=~", "!~", "!=", "="]
        .into_iter()
        .find(|op| rest.starts_with(op))?;
    let value = rest.strip_prefix(operator)?.trim();
    let value = match value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\\\"", "\"").replace("\\\\", "\\"),
        None => value.to_owned(),
    };
    Some((name.trim().trim_matches('"').to_owned(), operator, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../../../../alertmanager.yml");

    #[test]
    fn the_shipped_routes_reach_pagerduty_and_slack() {
        assert_eq!(
            judge(SHIPPED).verdict,
            Verdict::Pass,
            "{:?}",
            judge(SHIPPED)
        );
    }

    #[test]
    fn a_route_that_leads_elsewhere_is_named() {
        for (broken, severity) in [
            (
                SHIPPED.replace("severity=\"critical\"", "severity=\"page\""),
                "critical",
            ),
            (
                SHIPPED.replace("pagerduty_configs", "webhook_configs"),
                "critical",
            ),
            (
                SHIPPED.replace("slack_configs", "webhook_configs"),
                "warning",
            ),
        ] {
            let outcome = judge(&broken);
            assert_eq!(outcome.verdict, Verdict::Fail);
            assert!(outcome.message.starts_with(severity), "{}", outcome.message);
        }
    }

    #[test]
    fn matchers_of_every_writing_are_read() {
        for (text, expected) in [
            ("a=\"b\"", ("a", "=", "b")),
            ("a =~ \"b|c\"", ("a", "=~", "b|c")),
            ("{a!=b}", ("a", "!=", "b")),
            ("a!~\"x\\\"y\"", ("a", "!~", "x\"y")),
        ] {
            let (name, operator, value) = matcher(text).unwrap();
            assert_eq!((name.as_str(), operator, value.as_str()), expected);
        }
        assert!(matcher("nothing").is_none());
    }
}
