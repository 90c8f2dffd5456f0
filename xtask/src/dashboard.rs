//! What lint and coverage read of a Grafana dashboard, and the filling-in of its variables. It judges nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

/// The elements of a list; none if it is no list.
#[must_use]
pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A text; empty if it is none.
#[must_use]
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The panels that draw something.
pub fn drawn(dashboard: &Value) -> impl Iterator<Item = &Value> {
    let panels = list(&dashboard["panels"]).iter();
    panels.filter(|panel| panel["type"] != "row")
}

/// Every query, with the panel that asks it.
pub fn queries(dashboard: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    drawn(dashboard).flat_map(|panel| {
        list(&panel["targets"])
            .iter()
            .map(move |query| (panel, query))
    })
}

/// Every rendered dashboard under `root`, by file name.
///
/// # Errors
/// A folder or file that cannot be read, or that is no JSON.
pub fn rendered(root: &Path) -> anyhow::Result<BTreeMap<String, Value>> {
    let folder = root.join("dashboards/rendered");
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(entry.path())?;
        let dashboard = serde_json::from_str(&text).with_context(|| name.clone())?;
        found.insert(name, dashboard);
    }
    Ok(found)
}

/// What stands for `$__rate_interval`; no query writes it out.
pub const RATE_INTERVAL: Duration = Duration::from_secs(61);

/// What stands for the variables when a query is run or read outside Grafana.
#[derive(Debug, Clone)]
pub struct Filling {
    values: BTreeMap<String, String>,
}

impl Filling {
    /// All of every label; `drill` is the pattern on the drill label.
    #[must_use]
    pub fn all(drill: &str) -> Self {
        let values = [
            ("__rate_interval", "61s"),
            ("__interval", "15s"),
            ("__range", "3h"),
            ("__range_s", "10800"),
            ("percentile", "0.99"),
            ("node_id", ".*"),
            ("interval", ".*"),
            ("world_id", ".*"),
            ("limiter", ".*"),
            ("drill", drill),
        ];
        Self {
            values: values
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        }
    }

    /// The same with another value of one variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.values.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The expression with its variables filled in, and the names of those that nothing stands for.
    /// `$1` stays: it is a capture group of `label_replace`.
    #[must_use]
    pub fn fill(&self, expr: &str) -> (String, Vec<String>) {
        let mut filled = String::with_capacity(expr.len());
        let mut unknown = Vec::new();
        let mut rest = expr;
        while let Some(at) = rest.find('$') {
            filled.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            let length = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            let (name, after) = rest.split_at(length);
            match self.values.get(name) {
                Some(value) => filled.push_str(value),
                None => {
                    filled.push('$');
                    filled.push_str(name);
                    if name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
                        unknown.push(name.to_owned());
                    }
                }
            }
            rest = after;
        }
        filled.push_str(rest);
        (filled, unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in_and_capture_groups_kept() {
        let (filled, unknown) = Filling::all("d1").fill(
            r#"label_replace(rate(a{drill=~"$drill", node_id=~"$node_id"}[$__rate_interval]), "x", "$1", "y", "^(.*)$")"#,
        );
        assert_eq!(
            filled,
            r#"label_replace(rate(a{drill=~"d1", node_id=~".*"}[61s]), "x", "$1", "y", "^(.*)$")"#
        );
        assert!(unknown.is_empty());
        assert_eq!(Filling::all("").fill("$other").1, ["other"]);
    }
}
