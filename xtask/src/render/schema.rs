//! `dashboards/lib/schema.libsonnet`: the metric schema, handed to the jsonnet sources.

use seamless_core::schema::{self, FAMILIES, Family, Kind, Phase};
use serde_json::{Map, Value, json};

use super::FileSet;

const PATH: &str = "dashboards/lib/schema.libsonnet";
const HEADER: &str =
    "// Generated from seamless_core::schema by `cargo xtask render`. Do not edit.\n";

/// The generated file.
pub(super) fn file() -> FileSet {
    let mut files = FileSet::new(&[]);
    files.add(PATH, format!("{HEADER}{}\n", literal(&schema(), 0)));
    files
}

fn schema() -> Value {
    let families: Map<String, Value> = FAMILIES
        .iter()
        .map(|f| (f.name.to_owned(), family(f)))
        .collect();
    let phases: Map<String, Value> = Phase::ALL
        .iter()
        .map(|phase| {
            let entry = json!({
                "budget": number(phase.budget_seconds()),
                "domain_family": phase.domain_family(),
            });
            (phase.label().to_owned(), entry)
        })
        .collect();
    json!({
        "families": families,
        "family_order": FAMILIES.iter().map(|f| f.name).collect::<Vec<_>>(),
        "phases": phases,
        "phase_order": Phase::ALL.map(Phase::label),
        "client_buckets": schema::CLIENT_BUCKETS.iter().copied().map(number).collect::<Vec<_>>(),
        "domain_labels": schema::DOMAIN_LABELS,
        "drill_label": schema::DRILL_LABEL,
        "flag_types": schema::FLAG_TYPES,
        "slo_objective": schema::SLO_OBJECTIVE,
        "slo_window_days": schema::SLO_WINDOW_DAYS,
        "min_coverage": schema::MIN_COVERAGE,
        "max_staleness_seconds": number(schema::MAX_STALENESS_SECONDS),
        "budget_warning_share": schema::BUDGET_WARNING_SHARE,
        "stuck_ratio": schema::STUCK_RATIO,
    })
}

fn family(family: &Family) -> Value {
    let mut entry = json!({
        "type": family.kind.word(),
        "labels": family.labels,
        "unit": family.unit.symbol(),
        "required": family.required,
        "help": family.help,
    });
    if let (Kind::Histogram(buckets), Some(entry)) = (family.kind, entry.as_object_mut()) {
        entry.insert(
            "buckets".to_owned(),
            buckets.iter().copied().map(number).collect(),
        );
    }
    entry
}

/// A number without a fraction where it has none: `60`, not `60.0`.
fn number(value: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "whole and far below 2^53")]
    if value.fract() == 0.0 {
        json!(value as i64)
    } else {
        json!(value)
    }
}

/// A value as jsonnetfmt would leave it.
fn literal(value: &Value, depth: usize) -> String {
    let pad = "  ".repeat(depth + 1);
    let close = "  ".repeat(depth);
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) if items.is_empty() => "[]".to_owned(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| literal(item, depth + 1)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) => {
            let fields: String = fields
                .iter()
                .map(|(key, value)| format!("{pad}{key}: {},\n", literal(value, depth + 1)))
                .collect();
            format!("{{\n{fields}{close}}}")
        }
        other => other.to_string(),
    }
}

fn quoted(text: &str) -> String {
    if text.contains('\'') {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        format!("'{}'", text.replace('\\', "\\\\"))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_generated_file_evaluates_to_the_schema() {
        let text = literal(&schema(), 0);
        let json = super::super::jsonnet::evaluate(Path::new("/"), &text).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), schema());
    }
}
