//! What a Prometheus does to alerts before it sends them: external labels and `alert_relabel_configs`.

use std::collections::BTreeMap;
use std::time::Duration;

use ::regex::Regex;
use serde::Deserialize;
use thiserror::Error;

use super::{LabelSet, MatchOp, Matcher, regex};
use crate::duration;

/// A configuration of Prometheus that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("Prometheus's configuration: {0}")]
pub struct SendingError(String);

/// How a Prometheus sends its alerts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sending {
    /// The labels that it adds to every alert which lacks them; None where nobody knows.
    pub external: Option<LabelSet>,
    /// What it does to their labels then.
    pub relabel: Vec<RelabelRule>,
    /// How often it evaluates rules that do not say so themselves.
    pub evaluation_interval: Option<Duration>,
}

/// One rule of `alert_relabel_configs`.
#[derive(Debug, Clone)]
pub struct RelabelRule {
    source_labels: Vec<String>,
    separator: String,
    target_label: String,
    pattern: String,
    regex: Regex,
    replacement: String,
    action: String,
    /// What it asks of each of its labels, as far as that can be said of one alone.
    asks: Vec<Matcher>,
}

impl PartialEq for RelabelRule {
    fn eq(&self, other: &Self) -> bool {
        let parts = |rule: &Self| {
            (
                rule.source_labels.clone(),
                rule.separator.clone(),
                rule.target_label.clone(),
                rule.pattern.clone(),
                rule.replacement.clone(),
                rule.action.clone(),
            )
        };
        parts(self) == parts(other)
    }
}

#[derive(Deserialize)]
struct RawSending {
    #[serde(default)]
    global: RawGlobal,
    #[serde(default)]
    alerting: RawAlerting,
}

#[derive(Default, Deserialize)]
struct RawGlobal {
    #[serde(default)]
    external_labels: BTreeMap<String, String>,
    evaluation_interval: Option<String>,
}

#[derive(Default, Deserialize)]
struct RawAlerting {
    #[serde(default)]
    alert_relabel_configs: Vec<RawRelabelRule>,
    #[serde(default)]
    alertmanagers: Vec<RawAlertmanagers>,
}

#[derive(Deserialize)]
struct RawAlertmanagers {
    #[serde(default)]
    alert_relabel_configs: Vec<RawRelabelRule>,
}

#[derive(Deserialize)]
struct RawRelabelRule {
    #[serde(default)]
    source_labels: Vec<String>,
    separator: Option<String>,
    #[serde(default)]
    target_label: String,
    regex: Option<String>,
    replacement: Option<String>,
    action: Option<String>,
}

impl Sending {
    /// With these external labels and no relabelling.
    #[must_use]
    pub fn of<'l>(external: impl IntoIterator<Item = (&'l str, &'l str)>) -> Self {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self {
            external: Some(external.into_iter().map(owned).collect()),
            ..Self::default()
        }
    }

    /// Reads what `/api/v1/status/config` shows.
    ///
    /// # Errors
    /// [`SendingError`] where it is not Prometheus's, or a relabelling rule cannot be applied by us.
    pub fn parse(text: &str) -> Result<Self, SendingError> {
        let raw: RawSending = serde_saphyr::from_str(text)
            .map_err(|error| SendingError(crate::yaml::problem(&error)))?;
        let mut rules = raw.alerting.alert_relabel_configs;
        let mut groups = raw.alerting.alertmanagers;
        match groups.len() {
            1 => rules.extend(groups.remove(0).alert_relabel_configs),
            _ if groups
                .iter()
                .all(|group| group.alert_relabel_configs.is_empty()) => {}
            _ => {
                let reason = "its groups of Alertmanagers relabel alerts in ways of their own";
                return Err(SendingError(reason.to_owned()));
            }
        }
        let interval = raw.global.evaluation_interval;
        Ok(Self {
            external: Some(raw.global.external_labels),
            relabel: rules
                .into_iter()
                .map(RelabelRule::read)
                .collect::<Result<_, _>>()?,
            evaluation_interval: interval.and_then(|text| duration::parse_strict(&text).ok()),
        })
    }

    /// What becomes of an alert's labels; None if it is dropped.
    #[must_use]
    pub fn relabelled(&self, mut labels: LabelSet) -> Option<LabelSet> {
        for rule in &self.relabel {
            labels = rule.applied(labels)?;
        }
        labels.retain(|_, value| !value.is_empty());
        Some(labels)
    }

    /// An alert with these labels of its own, as Alertmanager gets it; None if it is dropped.
    #[must_use]
    pub fn sent(&self, mut labels: LabelSet) -> Option<LabelSet> {
        for (name, value) in self.external.iter().flatten() {
            labels.entry(name.clone()).or_insert_with(|| value.clone());
        }
        self.relabelled(labels)
    }

    /// What the relabelling asks of single labels: cases must differ in it.
    pub(super) fn matchers(&self) -> impl Iterator<Item = &Matcher> {
        self.relabel.iter().flat_map(|rule| &rule.asks)
    }
}

impl RelabelRule {
    fn read(raw: RawRelabelRule) -> Result<Self, SendingError> {
        let pattern = raw.regex.unwrap_or_else(|| "(.*)".to_owned());
        let regex = regex::whole(&pattern, true).map_err(|e| SendingError(e.to_string()))?;
        let action = raw
            .action
            .unwrap_or_else(|| "replace".to_owned())
            .to_lowercase();
        if action == "hashmod" {
            let reason = "alert_relabel_configs: the action hashmod is not applied by this program";
            return Err(SendingError(reason.to_owned()));
        }
        let separator = raw.separator.unwrap_or_else(|| ";".to_owned());
        Ok(Self {
            asks: asks(&raw.source_labels, &separator, &pattern),
            source_labels: raw.source_labels,
            separator,
            target_label: raw.target_label,
            pattern,
            regex,
            replacement: raw.replacement.unwrap_or_else(|| "$1".to_owned()),
            action,
        })
    }

    fn applied(&self, mut labels: LabelSet) -> Option<LabelSet> {
        let values: Vec<&str> = self
            .source_labels
            .iter()
            .map(|name| labels.get(name).map_or("", String::as_str))
            .collect();
        let value = values.join(&self.separator);
        let is_match = self.regex.is_match(&value);
        let target = labels.get(&self.target_label).cloned().unwrap_or_default();
        match self.action.as_str() {
            "drop" if is_match => return None,
            "keep" if !is_match => return None,
            "dropequal" if value == target => return None,
            "keepequal" if value != target => return None,
            "lowercase" => {
                labels.insert(self.target_label.clone(), value.to_lowercase());
            }
            "uppercase" => {
                labels.insert(self.target_label.clone(), value.to_uppercase());
            }
            "labeldrop" => labels.retain(|name, _| !self.regex.is_match(name)),
            "labelkeep" => labels.retain(|name, _| self.regex.is_match(name)),
            "labelmap" => {
                let mapped = labels.iter().filter_map(|(name, value)| {
                    Some((self.expanded(&self.replacement, name)?, value.clone()))
                });
                let mapped: Vec<_> = mapped.collect();
                labels.extend(mapped);
            }
            "replace" => {
                if let Some(replaced) = self.expanded(&self.replacement, &value) {
                    let name = self
                        .expanded(&self.target_label, &value)
                        .unwrap_or_default();
                    if replaced.is_empty() {
                        labels.remove(&name);
                    } else if !name.is_empty() {
                        labels.insert(name, replaced);
                    }
                }
            }
            _ => {}
        }
        Some(labels)
    }

    /// `template` with what the regular expression captures of `text`; None where it does not match.
    fn expanded(&self, template: &str, text: &str) -> Option<String> {
        let captures = self.regex.captures(text)?;
        let mut out = String::new();
        captures.expand(template, &mut out);
        Some(out)
    }
}

/// What `pattern` asks of each label whose values it is held against, joined by `separator`.
fn asks(labels: &[String], separator: &str, pattern: &str) -> Vec<Matcher> {
    let is = |label: &String, op, value: &str| Matcher::new(label, op, value).ok();
    if let [label] = labels {
        return is(label, MatchOp::Regex, pattern).into_iter().collect();
    }
    let mut found = Vec::new();
    for example in regex::examples(pattern) {
        let values: Vec<&str> = match separator {
            "" => Vec::new(),
            separator => example.split(separator).collect(),
        };
        // An example that is not cut into one value for each label says nothing of single ones.
        if values.len() != labels.len() {
            continue;
        }
        for (label, value) in labels.iter().zip(values) {
            let matcher = is(label, MatchOp::Equal, value);
            found.extend(matcher.filter(|matcher| !found.contains(matcher)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(relabel: &str, labels: &[(&str, &str)]) -> Option<String> {
        let text = format!(
            "global: {{external_labels: {{cluster: eu, replica: a}}, evaluation_interval: 1m}}\nalerting:\n  alert_relabel_configs:\n  {relabel}\n"
        );
        let sending = Sending::parse(&text).unwrap();
        assert_eq!(sending.evaluation_interval, Some(Duration::from_secs(60)));
        let labels = labels
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        let sent = sending.sent(labels.collect())?;
        let sent: Vec<String> = sent
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        Some(sent.join(" "))
    }

    #[test]
    fn alerts_are_relabelled_as_prometheus_does() {
        let alert = &[("severity", "critical")];
        for (relabel, expected) in [
            (
                "- {regex: replica, action: labeldrop}",
                Some("cluster=eu severity=critical"),
            ),
            (
                "- {source_labels: [cluster], target_label: region, replacement: 'r-$1'}",
                Some("cluster=eu region=r-eu replica=a severity=critical"),
            ),
            (
                "- {source_labels: [cluster], regex: us, target_label: region, replacement: x}",
                Some("cluster=eu replica=a severity=critical"),
            ),
            (
                "- {source_labels: [severity, cluster], regex: 'critical;eu', action: drop}",
                None,
            ),
            (
                "- {source_labels: [severity], regex: warning, action: keep}",
                None,
            ),
            (
                "- {regex: '(clus)ter', replacement: '${1}', action: labelmap}",
                Some("clus=eu cluster=eu replica=a severity=critical"),
            ),
            (
                "- {source_labels: [cluster], target_label: cluster, action: Uppercase}",
                Some("cluster=EU replica=a severity=critical"),
            ),
        ] {
            assert_eq!(sent(relabel, alert).as_deref(), expected, "{relabel}");
        }
        // A label of the alert's own stands.
        let own = sent("- {regex: none, action: labeldrop}", &[("cluster", "us")]);
        assert_eq!(own.as_deref(), Some("cluster=us replica=a"));
        let hash = "alerting: {alert_relabel_configs: [{action: hashmod, modulus: 2}]}";
        assert!(Sending::parse(hash).is_err());
        assert_eq!(
            Sending::parse("{}").unwrap().external,
            Some(LabelSet::new())
        );
    }
}
