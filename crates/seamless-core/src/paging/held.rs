//! What holds alerts back: silences, and other alerts by inhibition.

use serde::{Deserialize, Deserializer};

use super::relabel::Sending;
use super::shape::{Cases, LabelCase};
use super::{AlertShape, InhibitRule, LabelSet, MatchOp, Matcher};

/// A silence, as Alertmanager lists it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Silence {
    /// Its id.
    #[serde(default)]
    pub id: String,
    /// What an alert must fulfil to be silenced: all of them.
    #[serde(deserialize_with = "matchers")]
    pub matchers: Vec<Matcher>,
    /// Until when, RFC 3339.
    #[serde(default, rename = "endsAt")]
    pub ends_at: String,
    /// By whom.
    #[serde(default, rename = "createdBy")]
    pub created_by: String,
    /// Why.
    #[serde(default)]
    pub comment: String,
    /// Whether it is in force.
    #[serde(default)]
    pub status: SilenceStatus,
}

/// Whether a silence is in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct SilenceStatus {
    /// `active`, `pending` or `expired`.
    #[serde(default)]
    pub state: String,
}

/// How much of an alert something covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Coverage {
    /// Nothing of it.
    None,
    /// Some of its series: one node, lease or domain.
    Part,
    /// Perhaps: it depends on a label that may be an external one.
    Unknown,
    /// All of it but what is named: any node, lease or domain that nobody thought of is covered.
    Most,
    /// All of it.
    Whole,
}

/// What silences cover of an alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Silenced<'s> {
    /// Each that covers something of it, and how much it covers alone.
    pub alone: Vec<(&'s Silence, Coverage)>,
    /// Those that cover all of it between them; empty where one does alone, or none do.
    pub together: Vec<&'s Silence>,
}

impl Silence {
    /// Whether it is in force.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.status.state == "active"
    }

    /// Whether it covers an alert with these labels.
    #[must_use]
    pub fn matches(&self, alert: &LabelSet) -> bool {
        self.matchers.iter().all(|matcher| matcher.matches(alert))
    }
}

impl InhibitRule {
    /// How much of a real alert (no drill's) a firing `source` holds back.
    #[must_use]
    pub fn covers(&self, source: &LabelSet, alert: &AlertShape, sending: &Sending) -> Coverage {
        let equal = self.equal.iter().filter_map(|name| {
            let value = source.get(name).map_or("", String::as_str);
            Matcher::new(name, MatchOp::Equal, value).ok()
        });
        let equal: Vec<Matcher> = equal.collect();
        let matchers = self.source.iter().chain(&self.target).chain(&equal);
        alert.coverage(&matchers.collect::<Vec<_>>(), sending, |labels| {
            self.holds_back(source, labels)
        })
    }
}

impl AlertShape {
    /// What those of `silences` that are in force cover of a real alert (no drill's).
    #[must_use]
    pub fn silenced_by<'s>(&self, silences: &'s [Silence], sending: &Sending) -> Silenced<'s> {
        let cover = |some: &[&Silence]| {
            let matchers = some.iter().flat_map(|silence| &silence.matchers);
            self.coverage(&matchers.collect::<Vec<_>>(), sending, |labels| {
                some.iter().any(|silence| silence.matches(labels))
            })
        };
        let active = silences.iter().filter(|silence| silence.is_active());
        let alone = active.map(|silence| (silence, cover(&[silence])));
        let alone: Vec<_> = alone
            .filter(|(_, coverage)| *coverage != Coverage::None)
            .collect();
        let is_whole = |coverage| coverage == Coverage::Whole;
        let parts = alone
            .iter()
            .filter(|(_, coverage)| matches!(coverage, Coverage::Part | Coverage::Most));
        let parts: Vec<&Silence> = parts.map(|(silence, _)| *silence).collect();
        let needs_all = parts.len() > 1 && !alone.iter().any(|(_, coverage)| is_whole(*coverage));
        let together = if needs_all && is_whole(cover(&parts)) {
            parts
        } else {
            Vec::new()
        };
        Silenced { alone, together }
    }

    /// How much of the alert is `covered`, over the cases that `matchers` tell apart.
    fn coverage(
        &self,
        matchers: &[&Matcher],
        sending: &Sending,
        covered: impl Fn(&LabelSet) -> bool,
    ) -> Coverage {
        let matchers: Vec<&Matcher> = matchers.iter().copied().chain(sending.matchers()).collect();
        let Cases { cases, cut } = self.cases_of(&matchers, sending);
        let covered = |case: &LabelCase| case.labels.as_ref().is_some_and(&covered);
        let count = cases.iter().filter(|case| covered(case)).count();
        if count == 0 {
            return Coverage::None;
        }
        // Of too many cases not all were looked at.
        if cut.is_some() {
            return Coverage::Part;
        }
        if count == cases.len() {
            return Coverage::Whole;
        }
        // Whatever an unknown label is, it is the same in all of the alert's series.
        let whole = cases.iter().any(|one| {
            let mut of_it = cases.iter().filter(|case| case.unknown == one.unknown);
            of_it.all(covered)
        });
        if whole {
            Coverage::Unknown
        } else if self.covers_whatever_comes(&matchers, sending, covered) {
            Coverage::Most
        } else {
            Coverage::Part
        }
    }

    /// Whether series are covered whose labels nobody named. What is narrow names what it is about.
    fn covers_whatever_comes(
        &self,
        matchers: &[&Matcher],
        sending: &Sending,
        covered: impl Fn(&LabelCase) -> bool,
    ) -> bool {
        // Two of words and two of numbers: a pattern for one beginning is no pattern for all.
        const STRANGERS: [[&str; 2]; 2] = [["other", "someone-else"], ["47", "8123"]];
        let covers = |value: &&str| {
            let cases = self.strangers(matchers, sending, value);
            !cases.is_empty() && cases.iter().all(&covered)
        };
        STRANGERS.iter().any(|pair| pair.iter().all(covers))
    }
}

fn matchers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Matcher>, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Raw {
        name: String,
        value: String,
        #[serde(default)]
        is_regex: bool,
        #[serde(default = "yes")]
        is_equal: bool,
    }
    const fn yes() -> bool {
        true
    }
    let raw: Vec<Raw> = Deserialize::deserialize(deserializer)?;
    let read = |raw: Raw| {
        let op = match (raw.is_regex, raw.is_equal) {
            (false, true) => MatchOp::Equal,
            (false, false) => MatchOp::NotEqual,
            (true, true) => MatchOp::Regex,
            (true, false) => MatchOp::NotRegex,
        };
        Matcher::new(&raw.name, op, &raw.value).map_err(serde::de::Error::custom)
    };
    raw.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rules::RuleFile;

    #[test]
    fn a_silence_covers_all_or_some_of_an_alert() {
        let rules = "groups: [{name: g, rules: [{alert: A, expr: 'sum by (node_id) (x) > 1', labels: {severity: critical}}]}]";
        let file = RuleFile::parse(rules).unwrap();
        let alert = AlertShape::of(file.alerts().next().unwrap(), &file);
        let m = |name: &str, value: &str, regex: bool, equal: bool| json!({"name": name, "value": value, "isRegex": regex, "isEqual": equal});
        let severity = m("severity", "critical", false, true);
        for (matchers, expected) in [
            (vec![severity.clone()], Coverage::Whole),
            (
                vec![json!({"name": "alertname", "value": "A", "isRegex": false})],
                Coverage::Whole,
            ),
            (vec![m("alertname", "A|B", true, true)], Coverage::Whole),
            (
                vec![severity.clone(), m("node_id", ".*", true, true)],
                Coverage::Whole,
            ),
            (
                vec![severity.clone(), m("drill", "", false, true)],
                Coverage::Whole,
            ),
            (
                vec![severity.clone(), m("drill", ".+", true, true)],
                Coverage::None,
            ),
            (
                vec![severity.clone(), m("node_id", "n1", false, true)],
                Coverage::Part,
            ),
            (
                vec![severity.clone(), m("node_id", "n.*", true, true)],
                Coverage::Part,
            ),
            (
                vec![severity.clone(), m("node_id", "n1", false, false)],
                Coverage::Most,
            ),
            (
                vec![severity.clone(), m("node_id", "n.*", true, false)],
                Coverage::Most,
            ),
            (
                vec![severity.clone(), m("node_id", ".+", true, true)],
                Coverage::Most,
            ),
            (
                vec![severity.clone(), m("node_id", "[a-z].*", true, true)],
                Coverage::Most,
            ),
            (
                vec![severity.clone(), m("node_id", "[0-9]+", true, true)],
                Coverage::Most,
            ),
            (
                vec![
                    severity.clone(),
                    m("node_id", ".+", true, true),
                    m("node_id", "n1", false, true),
                ],
                Coverage::Part,
            ),
            (vec![m("severity", "warning", false, true)], Coverage::None),
            (
                vec![severity, m("cluster", "eu", false, true)],
                Coverage::Unknown,
            ),
        ] {
            let silence: Silence = serde_json::from_value(json!({
                "id": "1", "matchers": matchers, "endsAt": "2026-11-28T12:00:00Z", "createdBy": "a",
                "comment": "b", "status": {"state": "active"}
            }))
            .unwrap();
            assert!(silence.is_active());
            let silences = [silence];
            let alone = alert.silenced_by(&silences, &Sending::default()).alone;
            let covers = alone
                .first()
                .map_or(Coverage::None, |(_, coverage)| *coverage);
            assert_eq!(covers, expected, "{:?}", silences[0].matchers);
        }
    }

    #[test]
    fn silences_in_force_cover_an_alert_between_them_where_none_does_alone() {
        let rules = "groups: [{name: g, rules: [{alert: A, expr: 'sum by (node_id) (x) > 1'}]}]";
        let file = RuleFile::parse(rules).unwrap();
        let alert = AlertShape::of(file.alerts().next().unwrap(), &file);
        let silence = |id: &str, state: &str, equal: bool, value: &str| -> Silence {
            let matcher =
                json!({"name": "node_id", "value": value, "isRegex": true, "isEqual": equal});
            let silence = json!({"id": id, "matchers": [matcher], "status": {"state": state}});
            serde_json::from_value(silence).unwrap()
        };
        let of = |id| silence(id, "active", true, "a.*");
        let rest = |id| silence(id, "active", false, "a.*");
        let all = |id| silence(id, "active", true, ".*");
        for (silences, alone, together) in [
            (vec![], "", ""),
            (vec![of("1"), rest("2")], "12", "12"),
            (vec![of("1"), of("2")], "12", ""),
            (vec![of("1"), rest("2"), all("3")], "123", ""),
            (
                vec![of("1"), silence("2", "expired", false, "a.*")],
                "1",
                "",
            ),
        ] {
            let silenced = alert.silenced_by(&silences, &Sending::default());
            let ids: String = silenced.alone.iter().map(|(s, _)| s.id.as_str()).collect();
            assert_eq!(ids, alone);
            let ids: String = silenced.together.iter().map(|s| s.id.as_str()).collect();
            assert_eq!(ids, together, "{silences:?}");
        }
    }
}
