//! Kubernetes manifests around the shipped rules and dashboards.
//!
//! The texts are wrapped, not parsed and written anew: what the cluster gets is, byte for byte, what was
//! tested.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::render::FileSet;

/// The manifests, in the folder `kubernetes`.
pub(super) fn files(root: &Path) -> Result<FileSet> {
    let read = |path: &Path| {
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
    };
    let mut dashboards = Vec::new();
    for entry in fs::read_dir(root.join("dashboards/rendered")).context("no rendered dashboards")? {
        let path = entry?.path();
        if let Some(name) = path.file_stem() {
            dashboards.push((name.to_string_lossy().into_owned(), read(&path)?));
        }
    }
    dashboards.sort();
    let rules = read(&root.join("alert_rules.yml"))?;
    let jobs = ["health-check.yaml", "lease-list.yaml"];

    let mut files = FileSet::new(&["kubernetes"]);
    files.add("kubernetes/prometheus-rule.yaml", prometheus_rule(&rules));
    let maps: Vec<String> = dashboards
        .iter()
        .map(|(name, json)| config_map(name, json))
        .collect();
    files.add("kubernetes/dashboards.yaml", maps.join("---\n"));
    for job in jobs {
        let text = read(&root.join("xtask/packaging/kubernetes").join(job))?;
        files.add(format!("kubernetes/{job}"), text);
    }
    Ok(files)
}

/// A `PrometheusRule` of the Prometheus operator; its `spec` is the rule file.
fn prometheus_rule(rules: &str) -> String {
    format!(
        "\
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: seamless
  labels:
    app.kubernetes.io/name: seamless-ops
spec:
{}",
        indented(rules, "  ")
    )
}

/// A ConfigMap that the sidecar of Grafana's chart finds by its label.
fn config_map(name: &str, json: &str) -> String {
    format!(
        "\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {}
  labels:
    app.kubernetes.io/name: seamless-ops
    grafana_dashboard: \"1\"
data:
  {name}.json: |
{}",
        name.replace('_', "-"),
        indented(json, "    ")
    )
}

/// Every line moved in, which neither the lines of a block scalar nor a nested mapping mind.
fn indented(text: &str, by: &str) -> String {
    text.lines()
        .map(|line| match line {
            "" => "\n".to_owned(),
            line => format!("{by}{line}\n"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use seamless_core::rules;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Manifest<Spec> {
        spec: Spec,
    }

    #[derive(Deserialize)]
    struct ConfigMap {
        metadata: Metadata,
        data: BTreeMap<String, String>,
    }

    #[derive(Deserialize)]
    struct Metadata {
        name: String,
        labels: BTreeMap<String, String>,
    }

    #[test]
    fn the_spec_is_the_rule_file() {
        let text = prometheus_rule(rules::SHIPPED);
        let manifest: Manifest<serde_json::Value> = serde_saphyr::from_str(&text).unwrap();
        let shipped: serde_json::Value = serde_saphyr::from_str(rules::SHIPPED).unwrap();
        assert!(shipped["groups"].as_array().is_some_and(|g| !g.is_empty()));
        assert_eq!(manifest.spec, shipped);
    }

    #[test]
    fn a_dashboard_comes_out_of_its_config_map_unchanged() {
        let json = "{\n  \"title\": \"a: 'b' # c\",\n\n  \"x\": \"\\u2026\\n\"\n}\n";
        let map: ConfigMap = serde_saphyr::from_str(&config_map("seamless_v2", json)).unwrap();
        assert_eq!(map.data["seamless_v2.json"], json);
        assert_eq!(map.metadata.name, "seamless-v2");
        assert_eq!(map.metadata.labels["grafana_dashboard"], "1");
    }
}
