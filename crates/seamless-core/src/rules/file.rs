//! The typed form of a Prometheus rule file.
//!
//! Follows Prometheus's `rulefmt` (`groups`, with `alert` or `record` rules). Unknown keys are errors,
//! as they are for Prometheus. It checks the shape; expressions are read by [`crate::promql::Query`].

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

use crate::duration;
use crate::promql::Expression;

/// Why a text is not a rule file.
#[derive(Debug, Error)]
pub enum RuleFileError {
    /// Not YAML, or not the shape of a rule file; says where.
    #[error("not a rule file: {0}")]
    Shape(String),
    /// A rule that is neither an alert nor a recording rule, or both.
    #[error("rule {index} of group {group} has {what}")]
    Rule {
        /// The group's name.
        group: String,
        /// The rule's place in the group, from 1.
        index: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// A duration that cannot be read.
    #[error("`{field}: {value}` in group {group}: {source}")]
    Duration {
        /// The group's name.
        group: String,
        /// The key.
        field: &'static str,
        /// Its value.
        value: String,
        /// Why it cannot be read.
        source: duration::DurationError,
    },
}

/// A rule file: groups in their order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RuleFile {
    /// The groups.
    pub groups: Vec<RuleGroup>,
}

/// Rules that Prometheus evaluates one after the other, at the same moment.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleGroup {
    /// The group's name.
    pub name: String,
    /// How often it is evaluated; Prometheus's own interval if absent.
    pub interval: Option<Duration>,
    /// The rules, in order of evaluation.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The name of the alert, or of the series that is recorded.
    pub name: String,
    /// Which of the two it is, and what only that one has.
    pub kind: RuleKind,
    /// The PromQL expression.
    pub expr: Expression,
    /// Labels added to what the expression returns.
    pub labels: BTreeMap<String, String>,
    /// Annotation templates; none on a recording rule.
    pub annotations: BTreeMap<String, String>,
}

/// What a rule does with what its expression returns.
#[derive(Debug, Clone, PartialEq)]
pub enum RuleKind {
    /// Each series is an alert.
    Alert {
        /// How long (`for`) it must be returned on end before it fires.
        pending_for: Duration,
    },
    /// Each series is stored under the rule's name.
    Recording,
}

impl Rule {
    /// Whether the rule is an alert.
    #[must_use]
    pub const fn is_alert(&self) -> bool {
        matches!(self.kind, RuleKind::Alert { .. })
    }

    /// How long the expression must hold before the alert fires: `for`, zero without it.
    #[must_use]
    pub const fn pending_for(&self) -> Duration {
        match self.kind {
            RuleKind::Alert { pending_for } => pending_for,
            RuleKind::Recording => Duration::ZERO,
        }
    }
}

impl RuleFile {
    /// Reads a rule file.
    ///
    /// # Errors
    /// [`RuleFileError`], which names the place.
    pub fn parse(text: &str) -> Result<Self, RuleFileError> {
        let raw: RawFile =
            serde_saphyr::from_str(text).map_err(|e| RuleFileError::Shape(e.to_string()))?;
        let groups = raw.groups.into_iter().map(RuleGroup::from_raw);
        Ok(Self {
            groups: groups.collect::<Result<_, _>>()?,
        })
    }

    /// Every rule, in order.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.groups.iter().flat_map(|group| &group.rules)
    }

    /// Every alert, in order.
    pub fn alerts(&self) -> impl Iterator<Item = &Rule> {
        self.rules().filter(|rule| rule.is_alert())
    }

    /// The alerts called `name`: more than one where an alert has a rule per phase or window.
    pub fn alerts_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Rule> {
        self.alerts().filter(move |rule| rule.name == name)
    }

    /// The recording rules that store `series`.
    pub fn recordings_named<'a>(&'a self, series: &'a str) -> impl Iterator<Item = &'a Rule> {
        self.rules()
            .filter(move |rule| !rule.is_alert() && rule.name == series)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    groups: Vec<RawGroup>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGroup {
    name: String,
    interval: Option<String>,
    #[serde(default, rename = "query_offset")]
    _query_offset: Option<String>,
    #[serde(default, rename = "limit")]
    _limit: Option<u64>,
    #[serde(default)]
    rules: Vec<RawRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    alert: Option<String>,
    record: Option<String>,
    expr: String,
    r#for: Option<String>,
    #[serde(default, rename = "keep_firing_for")]
    _keep_firing_for: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

impl RuleGroup {
    fn from_raw(raw: RawGroup) -> Result<Self, RuleFileError> {
        let interval = raw
            .interval
            .map(|text| read_duration(&raw.name, "interval", text))
            .transpose()?;
        let rules = raw.rules.into_iter().enumerate();
        let rules = rules.map(|(at, rule)| Rule::from_raw(rule, &raw.name, at + 1));
        Ok(Self {
            rules: rules.collect::<Result<_, _>>()?,
            name: raw.name,
            interval,
        })
    }
}

impl Rule {
    fn from_raw(raw: RawRule, group: &str, index: usize) -> Result<Self, RuleFileError> {
        let wrong = |what| RuleFileError::Rule {
            group: group.to_owned(),
            index,
            what,
        };
        let (name, kind) = match (raw.alert, raw.record) {
            (Some(name), None) => {
                let pending_for = match raw.r#for {
                    Some(text) => read_duration(group, "for", text)?,
                    None => Duration::ZERO,
                };
                (name, RuleKind::Alert { pending_for })
            }
            (None, Some(_)) if raw.r#for.is_some() => {
                return Err(wrong("`record` together with `for`"));
            }
            (None, Some(_)) if !raw.annotations.is_empty() => {
                return Err(wrong("`record` together with `annotations`"));
            }
            (None, Some(name)) => (name, RuleKind::Recording),
            (Some(_), Some(_)) => return Err(wrong("both `alert` and `record`")),
            (None, None) => return Err(wrong("neither `alert` nor `record`")),
        };
        Ok(Self {
            name,
            kind,
            expr: raw.expr.into(),
            labels: raw.labels,
            annotations: raw.annotations,
        })
    }
}

fn read_duration(
    group: &str,
    field: &'static str,
    value: String,
) -> Result<Duration, RuleFileError> {
    duration::parse(&value).map_err(|source| RuleFileError::Duration {
        group: group.to_owned(),
        field,
        value,
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
groups:
- name: seamless-a
  interval: 30s
  rules:
  - record: a:b
    expr: sum(a)
  - alert: A
    expr: a:b > 1
    for: 10m
    labels: {severity: critical}
    annotations: {summary: 'yes'}
";

    #[test]
    fn reads_groups_alerts_and_recordings() {
        let file = RuleFile::parse(FILE).unwrap();
        assert_eq!(file.groups[0].interval, Some(Duration::from_secs(30)));
        let alert = file.alerts_named("A").next().unwrap();
        assert_eq!(alert.pending_for(), Duration::from_secs(600));
        assert_eq!(alert.labels["severity"], "critical");
        assert_eq!(alert.annotations["summary"], "yes");
        assert_eq!(file.recordings_named("a:b").count(), 1);
        assert_eq!(file.alerts_named("a:b").count(), 0);
    }

    #[test]
    fn refuses_what_prometheus_refuses() {
        for (text, part) in [
            ("prometheus: {groups: []}", "prometheus"),
            ("groups: [{name: a, rules: [{expr: a}]}]", "neither"),
            (
                "groups: [{name: a, rules: [{alert: A, record: a, expr: a}]}]",
                "both",
            ),
            (
                "groups: [{name: a, rules: [{record: a, expr: a, for: 1m}]}]",
                "`for`",
            ),
            (
                "groups: [{name: a, rules: [{alert: A, expr: a, for: soon}]}]",
                "soon",
            ),
            ("groups: [{name: a, name: b}]", "name"),
        ] {
            let error = RuleFile::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
