//! The rules that a Prometheus has loaded, held against those that it should have.
//!
//! Rules are paired by kind and name, then by labels, group and expression: a site's Prometheus may add
//! labels to all of them, and move them to groups of its own. What is left over of a name that should be
//! there once is another copy, which fires beside the first.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Rule, RuleFile, RuleGroup};
use crate::duration;
use crate::prometheus::{LoadedGroup, label_name, quote};
use crate::promql::Expression;

/// Annotations that every site fills in for itself.
const OWN_ANNOTATIONS: [&str; 2] = ["runbook_url", "dashboard_url"];

/// What came of the comparison.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Compared {
    /// Each rule that should be loaded, in order.
    pub rules: Vec<ComparedRule>,
    /// Loaded rules of the same names that none of them is paired with.
    pub copies: Vec<Copy>,
}

/// A rule that should be loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparedRule {
    /// Its name.
    pub name: String,
    /// The labels that tell it from others of the name: `phase="total"`. Empty if it is alone.
    pub told_apart_by: String,
    /// Whether it is an alert.
    pub is_alert: bool,
    /// Whether a rule of the name, with its labels, is loaded.
    pub is_loaded: bool,
    /// In what the loaded one differs; each readable by itself.
    pub differences: Vec<String>,
}

impl ComparedRule {
    /// Name and what tells it from others.
    #[must_use]
    pub fn title(&self) -> String {
        match self.told_apart_by.as_str() {
            "" => self.name.clone(),
            labels => format!("{} ({labels})", self.name),
        }
    }
}

/// A loaded rule too many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// Its name.
    pub name: String,
    /// Its group.
    pub group: String,
    /// The file it came from, as the server names it.
    pub file: String,
    /// In what it differs from the rule of the name; empty for an equal one.
    pub differences: Vec<String>,
}

/// A rule in its group, with the place of the group.
#[derive(Clone, Copy)]
struct PlacedRule<'r> {
    group: &'r RuleGroup,
    rule: &'r Rule,
    file: &'r str,
}

/// Compares `loaded` with `expected`.
#[must_use]
pub fn compare(expected: &RuleFile, loaded: &[LoadedGroup]) -> Compared {
    let read = RuleFile::loaded(loaded);
    let files = loaded.iter().map(|group| group.file.as_str());
    let loaded: Vec<PlacedRule<'_>> = read
        .groups
        .iter()
        .zip(files)
        .flat_map(|(group, file)| {
            group
                .rules
                .iter()
                .map(move |rule| PlacedRule { group, rule, file })
        })
        .collect();
    let expected: Vec<PlacedRule<'_>> = expected
        .groups
        .iter()
        .flat_map(|group| {
            group.rules.iter().map(move |rule| PlacedRule {
                group,
                rule,
                file: "",
            })
        })
        .collect();
    let pairs = paired(&expected, &loaded);
    let mut compared = Compared::default();
    for (at, place) in expected.iter().enumerate() {
        let partner = pairs.get(&at).and_then(|with| loaded.get(*with));
        compared.rules.push(ComparedRule {
            name: place.rule.name.clone(),
            told_apart_by: told_apart_by(place.rule, &expected),
            is_alert: place.rule.is_alert(),
            is_loaded: partner.is_some(),
            differences: partner.map_or_else(Vec::new, |partner| differences(*place, *partner)),
        });
    }
    for (at, place) in loaded.iter().enumerate() {
        if pairs.values().any(|with| *with == at) {
            continue;
        }
        let of_name = |other: &&PlacedRule<'_>| are_alike(other.rule, place.rule);
        let likest = expected
            .iter()
            .filter(of_name)
            .max_by_key(|other| likeness(**other, *place));
        if let Some(likest) = likest {
            compared.copies.push(Copy {
                name: place.rule.name.clone(),
                group: place.group.name.clone(),
                file: place.file.to_owned(),
                differences: differences(*likest, *place),
            });
        }
    }
    compared
}

fn are_alike(one: &Rule, other: &Rule) -> bool {
    one.is_alert() == other.is_alert() && one.name == other.name
}

/// Which loaded rule (by its index) goes with which expected one: the likest pairs first.
fn paired(expected: &[PlacedRule<'_>], loaded: &[PlacedRule<'_>]) -> BTreeMap<usize, usize> {
    let mut by_name: BTreeMap<(&str, bool), Vec<usize>> = BTreeMap::new();
    for (at, place) in loaded.iter().enumerate() {
        let key = (place.rule.name.as_str(), place.rule.is_alert());
        by_name.entry(key).or_default().push(at);
    }
    let mut candidates = Vec::new();
    for (at, place) in expected.iter().enumerate() {
        let key = (place.rule.name.as_str(), place.rule.is_alert());
        for with in by_name.get(&key).into_iter().flatten() {
            candidates.push((likeness(*place, loaded[*with]), at, *with));
        }
    }
    // Of equally like ones the first in order, so that rules without a difference keep their order.
    candidates.sort_by_key(|(likeness, at, with)| (std::cmp::Reverse(*likeness), *at, *with));
    let mut pairs = BTreeMap::new();
    let mut taken = vec![false; loaded.len()];
    for (_, at, with) in candidates {
        if !taken[with] && !pairs.contains_key(&at) {
            taken[with] = true;
            pairs.insert(at, with);
        }
    }
    pairs
}

/// How like two rules of a name are: labels count most, then the group, then the expression.
fn likeness(expected: PlacedRule<'_>, loaded: PlacedRule<'_>) -> usize {
    let (one, other) = (&expected.rule.labels, &loaded.rule.labels);
    let equal = one
        .iter()
        .filter(|(name, value)| other.get(*name) == Some(value))
        .count();
    let all_equal = usize::from(equal == one.len());
    let same_group = usize::from(expected.group.name == loaded.group.name);
    let same_expr = usize::from(same_meaning(&expected.rule.expr, &loaded.rule.expr));
    all_equal * 1000 + equal * 10 + same_group * 4 + same_expr * 2
}

fn same_meaning(one: &Expression, other: &Expression) -> bool {
    one == other || one.same_meaning(other).unwrap_or_default()
}

/// The labels in which `rule` differs from others of its name.
fn told_apart_by(rule: &Rule, expected: &[PlacedRule<'_>]) -> String {
    let others = || {
        expected
            .iter()
            .map(|place| place.rule)
            .filter(|other| are_alike(other, rule))
    };
    let differs = |(name, value): &(&String, &String)| {
        others().any(|other| other.labels.get(*name) != Some(*value))
    };
    let labels: Vec<String> = rule
        .labels
        .iter()
        .filter(differs)
        .map(|(name, value)| format!("{}={}", label_name(name), quote(value)))
        .collect();
    labels.join(", ")
}

fn differences(expected: PlacedRule<'_>, loaded: PlacedRule<'_>) -> Vec<String> {
    let (one, other) = (expected.rule, loaded.rule);
    let mut found = Vec::new();
    let mut time = |what: &str, expected: Duration, loaded: Duration| {
        if expected.abs_diff(loaded) > Duration::from_millis(1) {
            let (loaded, expected) = (duration::format(loaded), duration::format(expected));
            found.push(format!("{what} is {loaded}, should be {expected}"));
        }
    };
    time("for", one.pending_for(), other.pending_for());
    time(
        "keep_firing_for",
        one.keep_firing_for(),
        other.keep_firing_for(),
    );
    if let (Some(expected), Some(loaded)) = (expected.group.interval, loaded.group.interval) {
        time("the group's interval", expected, loaded);
    }
    if let Some(limit) = loaded.group.limit
        && expected.group.limit != Some(limit)
    {
        found.push(format!(
            "the group's limit is {limit}: with more series than that the rule fails, and none of its alerts fires"
        ));
    }
    if let Some(difference) = in_expression(&one.expr, &other.expr) {
        found.push(difference);
    }
    for (name, value) in &one.labels {
        match other.labels.get(name) {
            Some(loaded) if loaded == value => {}
            Some(loaded) => found.push(format!("label {name} is {loaded:?}, should be {value:?}")),
            None => found.push(format!("label {name} is missing")),
        }
    }
    for (name, value) in &one.annotations {
        if !OWN_ANNOTATIONS.contains(&name.as_str()) && other.annotations.get(name) != Some(value) {
            found.push(format!("annotation {name} differs"));
        }
    }
    found
}

/// How far around a difference the expression is shown, in words.
const CONTEXT: usize = 4;
const MOST_SHOWN: usize = 12;

/// Where two expressions differ in meaning: `expr has "0.5" where "0.98" should be, after "… <"`.
fn in_expression(expected: &Expression, loaded: &Expression) -> Option<String> {
    if same_meaning(expected, loaded) {
        return None;
    }
    let text = |expression: &Expression| match expression.query() {
        Ok(query) => query.tree().to_string(),
        Err(_) => expression.to_string(),
    };
    let (expected, loaded) = (words(&text(expected)), words(&text(loaded)));
    let alike = |pairs: &mut dyn Iterator<Item = (&String, &String)>| {
        pairs.take_while(|(one, other)| one == other).count()
    };
    let head = alike(&mut expected.iter().zip(&loaded));
    let left = expected.len().min(loaded.len()) - head;
    let tail = alike(&mut expected.iter().rev().zip(loaded.iter().rev())).min(left);
    let shown = |words: &[String]| {
        let part = &words[head..words.len() - tail];
        let mut text = part.iter().take(MOST_SHOWN).cloned().collect::<String>();
        if part.len() > MOST_SHOWN {
            text.push('…');
        }
        match text.trim() {
            "" => "nothing".to_owned(),
            text => format!("`{text}`"),
        }
    };
    let before = expected[head.saturating_sub(CONTEXT * 2)..head].concat();
    let place = match before.trim() {
        "" => String::new(),
        before => format!(
            ", after `{}{before}`",
            if head > CONTEXT * 2 { "…" } else { "" }
        ),
    };
    Some(format!(
        "the expression has {} where {} should be{place}",
        shown(&loaded),
        shown(&expected)
    ))
}

/// An expression cut into names, numbers and the characters between.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut in_word = false;
    for c in text.chars() {
        let is_word = c.is_alphanumeric() || "_:.".contains(c);
        match words.last_mut() {
            Some(word) if in_word && is_word => word.push(c),
            _ => words.push(c.to_string()),
        }
        in_word = is_word;
    }
    words
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const EXPECTED: &str = r#"
groups:
- name: g
  interval: 30s
  rules:
  - {record: 'r:a', expr: sum(a)}
  - {alert: Low, expr: min by (node) (coverage_ratio) < 0.98, for: 10m, labels: {severity: warning}, annotations: {summary: low, runbook_url: x}}
  - {alert: Slow, expr: p99 > 3, labels: {phase: a}}
  - {alert: Slow, expr: p99 > 5, labels: {phase: b}}
"#;

    fn alert(name: &str, query: &str, labels: serde_json::Value) -> serde_json::Value {
        json!({"type": "alerting", "name": name, "query": query, "labels": labels, "duration": 0})
    }

    fn low() -> serde_json::Value {
        let mut low = alert(
            "Low",
            "min by (node) (coverage_ratio) < 0.98",
            json!({"severity": "warning"}),
        );
        low["duration"] = json!(600);
        low["annotations"] = json!({"summary": "low", "runbook_url": "y"});
        low
    }

    fn compared(rules: serde_json::Value) -> Compared {
        let group =
            json!([{"name": "g", "file": "/etc/rules.yml", "interval": 30, "rules": rules}]);
        let loaded: Vec<LoadedGroup> = serde_json::from_value(group).unwrap();
        compare(&RuleFile::parse(EXPECTED).unwrap(), &loaded)
    }

    fn said(compared: &Compared) -> Vec<String> {
        let rules = compared
            .rules
            .iter()
            .filter_map(|rule| match rule.differences.as_slice() {
                _ if !rule.is_loaded => Some(format!("{}: not loaded", rule.title())),
                [] => None,
                some => Some(format!("{}: {}", rule.title(), some.join("; "))),
            });
        rules.collect()
    }

    fn sound() -> Vec<serde_json::Value> {
        vec![
            json!({"type": "recording", "name": "r:a", "query": "sum(a)"}),
            low(),
            alert("Slow", "p99 > 5", json!({"phase": "b", "namespace": "x"})),
            alert("Slow", "p99 > 3", json!({"phase": "a", "namespace": "x"})),
        ]
    }

    #[test]
    fn added_labels_and_another_order_are_no_difference() {
        let compared = compared(json!(sound()));
        assert_eq!(said(&compared), [""; 0]);
        assert_eq!(compared.copies, []);
        assert_eq!(compared.rules[2].title(), "Slow (phase=\"a\")");
    }

    #[test]
    fn every_difference_is_readable() {
        type Change = fn(&mut Vec<serde_json::Value>);
        let cases: [(Change, &str); 8] = [
            (
                |r| r[0]["query"] = json!("sum(b)"),
                "r:a: the expression has `b` where `a` should be, after `sum(`",
            ),
            (|r| drop(r.remove(0)), "r:a: not loaded"),
            (
                |r| r[1]["duration"] = json!(1200),
                "Low: for is 20m, should be 10m",
            ),
            (
                |r| r[1]["keepFiringFor"] = json!(60),
                "Low: keep_firing_for is 1m, should be 0s",
            ),
            (
                |r| r[1]["annotations"]["summary"] = json!("x"),
                "Low: annotation summary differs",
            ),
            (
                |r| r[1]["labels"] = json!({}),
                "Low: label severity is missing",
            ),
            (
                |r| r[1]["query"] = json!("min by (node) (coverage_ratio) < 0.5"),
                "Low: the expression has `0.5` where `0.98` should be, after `…) (coverage_ratio) <`",
            ),
            (|r| drop(r.remove(2)), "Slow (phase=\"b\"): not loaded"),
        ];
        for (change, expected) in cases {
            let mut rules = sound();
            change(&mut rules);
            assert_eq!(said(&compared(json!(rules))), [expected]);
        }
    }

    #[test]
    fn a_second_older_copy_is_named() {
        let mut rules = sound();
        rules.push(alert(
            "Low",
            "min by (node) (coverage_ratio) < 0.9",
            json!({"severity": "warning"}),
        ));
        let compared = compared(json!(rules));
        assert_eq!(said(&compared), [""; 0]);
        let [copy] = &compared.copies[..] else {
            panic!("one copy: {:?}", compared.copies);
        };
        assert_eq!(
            (copy.name.as_str(), copy.file.as_str()),
            ("Low", "/etc/rules.yml")
        );
        assert!(
            copy.differences
                .iter()
                .any(|d| d.contains("`0.9` where `0.98`")),
            "{copy:?}"
        );
    }
}
