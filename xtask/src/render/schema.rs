//! `dashboards/lib/schema.json`: the metric schema, handed to the jsonnet sources.

use seamless_core::schema::{self, FAMILIES, Family, Kind, Phase};
use serde_json::{Map, Value, json};

use super::FileSet;

const PATH: &str = "dashboards/lib/schema.json";

/// The generated file.
pub(super) fn file() -> FileSet {
    let mut files = FileSet::new(&[]);
    files.add(PATH, format!("{:#}\n", schema()));
    files
}

fn schema() -> Value {
    let families = FAMILIES.iter();
    let families: Map<String, Value> = families.map(|f| (f.name.to_owned(), family(f))).collect();
    let phases = Phase::ALL.iter().map(|phase| {
        let entry = json!({
            "budget": phase.budget_seconds(),
            "domain_family": phase.domain_family(),
        });
        (phase.label().to_owned(), entry)
    });
    json!({
        "families": families,
        "family_order": FAMILIES.iter().map(|f| f.name).collect::<Vec<_>>(),
        "phases": phases.collect::<Map<String, Value>>(),
        "phase_order": Phase::ALL.map(Phase::label),
        "client_buckets": schema::CLIENT_BUCKETS,
        "domain_labels": schema::DOMAIN_LABELS,
        "drill_label": schema::DRILL_LABEL,
        "flag_types": schema::FLAG_TYPES,
        "slo_objective": schema::SLO_OBJECTIVE,
        "slo_window_days": schema::SLO_WINDOW_DAYS,
        "min_coverage": schema::MIN_COVERAGE,
        "max_staleness_seconds": schema::MAX_STALENESS_SECONDS,
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
    if let Kind::Histogram(buckets) = family.kind {
        entry["buckets"] = json!(buckets);
    }
    entry
}
