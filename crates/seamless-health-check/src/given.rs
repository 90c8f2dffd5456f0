//! Facts as servers would have answered them, for tests of what judges them.

use seamless_core::exposition::Scraper;
use seamless_core::prometheus::{InstantSeries, LoadedGroup, Target};
use seamless_core::rules::RuleFile;
use serde_json::json;

use crate::site::Exposed;
use crate::survey::Survey;

/// Fails unless it is PromQL.
pub(crate) fn is_promql(query: &str) {
    let parsed = seamless_core::promql::Query::parse(query);
    assert!(parsed.is_ok(), "{query}: {:?}", parsed.err());
}

/// One series of an instant query's answer.
pub(crate) fn series(labels: &[(&str, &str)], value: f64) -> InstantSeries {
    let metric: std::collections::BTreeMap<&str, &str> = labels.iter().copied().collect();
    serde_json::from_value(json!({ "metric": metric, "value": [0, value.to_string()] })).unwrap()
}

/// A scrape target.
pub(crate) fn target(job: &str, health: &str) -> Target {
    serde_json::from_value(json!({
        "labels": { "job": job },
        "scrapePool": job,
        "scrapeUrl": "http://seamless-1:9100/metrics",
        "lastError": if health == "down" { "connection refused" } else { "" },
        "health": health,
        "scrapeInterval": "15s",
    }))
    .unwrap()
}

/// One group of loaded rules, evaluated every 30 seconds.
pub(crate) fn rules(rules: serde_json::Value) -> Vec<LoadedGroup> {
    let group = json!([{ "name": "seamless", "file": "f", "interval": 30, "rules": rules }]);
    serde_json::from_value(group).unwrap()
}

/// A rule file with one group, of rules as a list of YAML.
pub(crate) fn file(rules: &str) -> RuleFile {
    RuleFile::parse(&format!("groups: [{{name: seamless, rules: {rules}}}]")).unwrap()
}

/// An exposition from a file, read now.
pub(crate) fn exposed(document: &str) -> Exposed {
    Exposed {
        survey: Survey::of(document.as_bytes(), None, 1_700_000_000.0),
        content_type: None,
        scraper: Scraper::default(),
    }
}
