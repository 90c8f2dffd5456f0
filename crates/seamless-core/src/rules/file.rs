//! The typed form of a Prometheus rule file.
//!
//! Follows Prometheus's `rulefmt` (`groups`, with `alert` or `record` rules). Unknown keys are errors,
//! as they are for Prometheus. It checks the shape; expressions are read by [`crate::promql::Query`].

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

use crate::duration;
use crate::nullable::nullable;
use crate::prometheus::{LoadedGroup, LoadedRule, RuleType};
use crate::promql::{Expression, SeriesSelector};

/// Why a text is not a rule file.
#[derive(Debug, Error)]
pub enum RuleFileError {
    /// Not YAML, or not the shape of a rule file; says where.
    #[error("not a rule file: {0}")]
    Shape(String),
    /// More than one YAML document. Prometheus would load the first one and say nothing of the others.
    #[error(
        "more than one YAML document (`---`), of which Prometheus loads the first alone: make one file of each"
    )]
    Documents,
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
    /// A group that Prometheus refuses.
    #[error("group {group:?}: {what}")]
    Group {
        /// The group's name.
        group: String,
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
    /// How many series a rule may give: with more it fails, and all its alerts end.
    pub limit: Option<i64>,
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
        /// How long (`keep_firing_for`) it fires on after it was last returned.
        keep_firing_for: Duration,
    },
    /// Each series is stored under the rule's name.
    Recording,
}

impl Rule {
    /// An alert of this name and expression, with nothing else.
    #[must_use]
    pub fn alert(name: &str, expr: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: RuleKind::Alert {
                pending_for: Duration::ZERO,
                keep_firing_for: Duration::ZERO,
            },
            expr: expr.to_owned().into(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
        }
    }

    /// Whether the rule is an alert.
    #[must_use]
    pub const fn is_alert(&self) -> bool {
        matches!(self.kind, RuleKind::Alert { .. })
    }

    /// Whether `selector` may select what the rule gives: none of its matchers refuses a label that the rule sets.
    /// Labels that come from the expression are not looked at.
    #[must_use]
    pub fn may_be_selected_by(&self, selector: &SeriesSelector) -> bool {
        selector.matchers.iter().all(|matcher| {
            let value = self.labels.get(&matcher.name);
            value.is_none_or(|value| matcher.is_match(value))
        })
    }

    /// How long the expression must hold before the alert fires: `for`, zero without it.
    #[must_use]
    pub const fn pending_for(&self) -> Duration {
        match self.kind {
            RuleKind::Alert { pending_for, .. } => pending_for,
            RuleKind::Recording => Duration::ZERO,
        }
    }

    /// How long the alert fires on after its expression held last: `keep_firing_for`, zero without it.
    #[must_use]
    pub const fn keep_firing_for(&self) -> Duration {
        match self.kind {
            RuleKind::Alert {
                keep_firing_for, ..
            } => keep_firing_for,
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
            serde_saphyr::from_str(text).map_err(|error| match error.without_snippet() {
                serde_saphyr::Error::MultipleDocuments { .. } => RuleFileError::Documents,
                _ => RuleFileError::Shape(crate::yaml::problem(&error)),
            })?;
        let mut groups: Vec<RuleGroup> = Vec::with_capacity(raw.groups.len());
        for group in raw.groups.into_iter().flatten().map(RuleGroup::from_raw) {
            let group = group?;
            let refused = |what| RuleFileError::Group {
                group: group.name.clone(),
                what,
            };
            if group.name.is_empty() {
                return Err(refused("a group needs a name"));
            }
            if groups.iter().any(|other| other.name == group.name) {
                return Err(refused("another group of the file has the same name"));
            }
            groups.push(group);
        }
        Ok(Self { groups })
    }

    /// The rules that a Prometheus has loaded.
    #[must_use]
    pub fn loaded(groups: &[LoadedGroup]) -> Self {
        let groups = groups.iter().map(|group| RuleGroup {
            name: group.name.clone(),
            interval: Duration::try_from_secs_f64(group.interval).ok(),
            limit: bound(Some(group.limit)),
            rules: group.rules.iter().map(Rule::loaded).collect(),
        });
        Self {
            groups: groups.collect(),
        }
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
    #[serde(default, deserialize_with = "nullable")]
    groups: Vec<Option<RawGroup>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGroup {
    name: String,
    interval: Option<String>,
    query_offset: Option<String>,
    limit: Option<RawLimit>,
    #[serde(default, deserialize_with = "nullable")]
    labels: RawLabels,
    #[serde(default, deserialize_with = "nullable")]
    rules: Vec<Option<RawRule>>,
}

/// A number, which Prometheus cuts to a whole one; a quoted one is none.
#[derive(Deserialize)]
#[serde(untagged)]
enum RawLimit {
    Whole(i64),
    Fraction(f64),
}

/// Labels or annotations; one without a value is the empty text.
type RawLabels = BTreeMap<String, Option<String>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    alert: Option<String>,
    record: Option<String>,
    expr: String,
    r#for: Option<String>,
    keep_firing_for: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    labels: RawLabels,
    #[serde(default, deserialize_with = "nullable")]
    annotations: RawLabels,
}

impl RuleGroup {
    fn from_raw(raw: RawGroup) -> Result<Self, RuleFileError> {
        let interval = raw
            .interval
            .map(|text| read_duration(&raw.name, "interval", text))
            .transpose()?;
        if let Some(text) = raw.query_offset {
            read_duration(&raw.name, "query_offset", text)?;
        }
        let rules = raw.rules.into_iter().flatten().enumerate();
        let rules = rules.map(|(at, mut rule)| {
            // A rule's own label stands before its group's.
            for (name, value) in &raw.labels {
                let own = rule.labels.entry(name.clone());
                own.or_insert_with(|| value.clone());
            }
            Rule::from_raw(rule, &raw.name, at + 1)
        });
        Ok(Self {
            rules: rules.collect::<Result<_, _>>()?,
            name: raw.name,
            interval,
            limit: bound(raw.limit.map(|limit| match limit {
                RawLimit::Whole(limit) => limit,
                RawLimit::Fraction(limit) => limit as i64,
            })),
        })
    }
}

impl Rule {
    fn loaded(rule: &LoadedRule) -> Self {
        let seconds = |seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let kind = match rule.kind {
            RuleType::Recording => RuleKind::Recording,
            RuleType::Alerting => RuleKind::Alert {
                pending_for: seconds(rule.duration),
                keep_firing_for: seconds(rule.keep_firing_for),
            },
        };
        Self {
            name: rule.name.clone(),
            kind,
            expr: rule.query.clone(),
            labels: (&rule.labels).into(),
            annotations: (&rule.annotations).into(),
        }
    }

    fn from_raw(raw: RawRule, group: &str, index: usize) -> Result<Self, RuleFileError> {
        let wrong = |what| RuleFileError::Rule {
            group: group.to_owned(),
            index,
            what,
        };
        let given = |field, text: Option<String>| match text {
            Some(text) => read_duration(group, field, text),
            None => Ok(Duration::ZERO),
        };
        // From 3.0 on, any text is a label's name.
        let mut labels = raw.labels.keys();
        if labels.any(|name| name == "__name__" || name.is_empty()) {
            return Err(wrong("a label name that Prometheus refuses"));
        }
        if raw.annotations.contains_key("") {
            return Err(wrong("an annotation without a name"));
        }
        let is_named = |name: &String| !name.is_empty();
        let (name, kind) = match (raw.alert.filter(is_named), raw.record.filter(is_named)) {
            (Some(name), None) => {
                let kind = RuleKind::Alert {
                    pending_for: given("for", raw.r#for)?,
                    keep_firing_for: given("keep_firing_for", raw.keep_firing_for)?,
                };
                (name, kind)
            }
            (None, Some(_)) if raw.keep_firing_for.is_some() => {
                return Err(wrong("`record` together with `keep_firing_for`"));
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
            labels: texts(raw.labels),
            annotations: texts(raw.annotations),
        })
    }
}

fn texts(labels: RawLabels) -> BTreeMap<String, String> {
    let labels = labels.into_iter();
    labels
        .map(|(name, text)| (name, text.unwrap_or_default()))
        .collect()
}

/// A limit that bounds anything: 0 does not.
fn bound(limit: Option<i64>) -> Option<i64> {
    limit.filter(|limit| *limit > 0)
}

fn read_duration(
    group: &str,
    field: &'static str,
    value: String,
) -> Result<Duration, RuleFileError> {
    duration::parse_strict(&value).map_err(|source| RuleFileError::Duration {
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
    fn what_is_refused_is_named() {
        // The whole table is put to promtool in the lab's tests.
        for (text, part) in [
            ("prometheus: {groups: []}", "prometheus"),
            ("groups: [{name: a, rules: [{expr: a}]}]", "neither"),
            ("groups: [{name: a, interval: 30}]", "interval"),
            ("groups: [{name: a}, {name: a}]", "same name"),
            ("groups: []\n---\ngroups: []", "loads the first alone"),
        ] {
            let error = RuleFile::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_group_adds_its_labels() {
        let text = "groups: [{name: a, labels: {team: x, severity: info}, query_offset: 30s, limit: 10, rules: [{alert: A, expr: a, keep_firing_for: 5m, labels: {severity: critical}}]}]";
        let file = RuleFile::parse(text).unwrap();
        let alert = file.alerts().next().unwrap();
        assert_eq!(alert.labels["team"], "x");
        assert_eq!(alert.labels["severity"], "critical");
        assert_eq!(alert.keep_firing_for(), Duration::from_secs(300));
    }
}
