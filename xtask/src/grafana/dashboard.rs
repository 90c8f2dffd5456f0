//! What lint and coverage read of a Grafana dashboard: its panels, queries and variables.
//!
//! Owns the filling-in of variables. It judges nothing and keeps no more of a dashboard than it needs.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;

/// A dashboard file.
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "Grafana's own names")]
pub struct Dashboard {
    #[serde(default)]
    pub uid: String,
    #[serde(default)]
    pub title: String,
    #[serde(default)]
    pub editable: bool,
    #[serde(default)]
    pub panels: Vec<Panel>,
    #[serde(default)]
    pub templating: Templating,
    #[serde(default)]
    pub annotations: Annotations,
    #[serde(default)]
    pub links: Vec<PanelLink>,
}

/// A panel or a row.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "Grafana's own names")]
pub struct Panel {
    pub id: u64,
    pub r#type: String,
    #[serde(default)]
    pub title: String,
    #[serde(default)]
    pub description: String,
    pub datasource: Option<Datasource>,
    pub grid_pos: GridPos,
    #[serde(default)]
    pub targets: Vec<PanelTarget>,
    #[serde(default)]
    pub field_config: FieldConfig,
    #[serde(default)]
    pub options: PanelOptions,
    #[serde(default)]
    pub transformations: Vec<serde_json::Value>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "Grafana's own names")]
pub struct PanelOptions {
    #[serde(default)]
    pub sort_by: Vec<SortBy>,
}

/// By which column a table is sorted.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "Grafana's own names")]
pub struct SortBy {
    pub display_name: String,
}

/// A place on the grid of 24 columns.
#[derive(Debug, Clone, Copy, Deserialize)]
#[expect(missing_docs, reason = "Grafana's own names")]
pub struct GridPos {
    pub x: u64,
    pub y: u64,
    pub w: u64,
    pub h: u64,
}

/// A query of a panel.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "Grafana's own names")]
pub struct PanelTarget {
    pub ref_id: String,
    #[serde(default)]
    pub expr: String,
    pub datasource: Option<Datasource>,
    #[serde(default)]
    pub instant: bool,
}

/// Which data source a panel or query asks.
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "Grafana's own names")]
pub struct Datasource {
    pub uid: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[expect(missing_docs, reason = "Grafana's own names")]
pub struct FieldConfig {
    #[serde(default)]
    pub defaults: FieldDefaults,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[expect(missing_docs, reason = "Grafana's own names")]
pub struct FieldDefaults {
    #[serde(default)]
    pub unit: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[expect(missing_docs, reason = "Grafana's own names")]
pub struct Templating {
    #[serde(default)]
    pub list: Vec<Variable>,
}

/// A dashboard variable.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "Grafana's own names")]
pub struct Variable {
    pub name: String,
    pub r#type: String,
    #[serde(default)]
    pub label: String,
    #[serde(default)]
    pub definition: String,
    #[serde(default)]
    pub refresh: u64,
    #[serde(default)]
    pub multi: bool,
    pub all_value: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[expect(missing_docs, reason = "Grafana's own names")]
pub struct Annotations {
    #[serde(default)]
    pub list: Vec<Annotation>,
}

#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "Grafana's own names")]
pub struct Annotation {
    pub name: String,
    pub expr: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "Grafana's own names")]
pub struct PanelLink {
    #[serde(default)]
    pub url: String,
}

impl Dashboard {
    /// The panels that draw something.
    pub fn drawn(&self) -> impl Iterator<Item = &Panel> {
        self.panels.iter().filter(|panel| panel.r#type != "row")
    }
}

/// Every rendered dashboard under `root`, by file name.
///
/// # Errors
/// A folder or file that cannot be read.
pub fn rendered(root: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let folder = root.join("dashboards/rendered");
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        found.insert(name, std::fs::read_to_string(&path)?);
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
