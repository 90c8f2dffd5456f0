//! Checks of the dashboards: what a person must be able to read, and Grafana's dashboard linter's rules.
//!
//! Of that linter's rules, those on `job` and `instance` variables are left out: they suit exporters;
//! these metrics are told apart by domain (`node_id`, `interval`, `world_id`).

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use seamless_core::rules::RuleFile;

use super::Finding;
use super::expressions::{self, Role};
use crate::grafana::{Dashboard, Filling, Panel, Variable};

/// Grafana's ids of the units in use.
const UNITS: &[&str] = &[
    "short",
    "s",
    "ms",
    "percentunit",
    "reqps",
    "Bps",
    "suffix:x",
];

const DATASOURCE: &str = "${datasource}";

pub(super) fn check(
    rules: &RuleFile,
    dashboards: &BTreeMap<String, String>,
) -> anyhow::Result<Vec<Finding>> {
    let mut found = Vec::new();
    let mut uids = BTreeSet::new();
    let mut all = Vec::new();
    for (file, text) in dashboards {
        let dashboard: Dashboard = serde_json::from_str(text).with_context(|| file.clone())?;
        if !uids.insert(dashboard.uid.clone()) {
            found.push(Finding::new(
                file,
                "uid",
                format!("uid {} is taken", dashboard.uid),
            ));
        }
        all.push((file, dashboard));
    }
    for (file, dashboard) in &all {
        face(file, dashboard, &uids, &mut found);
        variables(file, dashboard, &mut found);
        grid(file, dashboard, &mut found);
        let mut titles = BTreeSet::new();
        for panel in dashboard.drawn() {
            let place = format!("{file}: panel {} `{}`", panel.id, panel.title);
            if !titles.insert(&panel.title) {
                found.push(Finding::new(
                    &place,
                    "title",
                    "another panel has the same title",
                ));
            }
            self::panel(&place, panel, &mut found);
            queries(&place, panel, rules, &mut found);
        }
        for annotation in &dashboard.annotations.list {
            if let Some(expr) = &annotation.expr {
                let place = format!("{file}: annotation `{}`", annotation.name);
                expression(&place, expr, rules, &mut found);
            }
        }
    }
    Ok(found)
}

fn face(file: &str, dashboard: &Dashboard, uids: &BTreeSet<String>, found: &mut Vec<Finding>) {
    let uid = &dashboard.uid;
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if uid.is_empty() || uid.len() > 40 || !uid.chars().all(valid) {
        found.push(Finding::new(file, "uid", format!("`{uid}` is no uid")));
    }
    if format!("{uid}.json") != file {
        found.push(Finding::new(
            file,
            "uid",
            "the file is not named after its uid",
        ));
    }
    if dashboard.title.is_empty() {
        found.push(Finding::new(file, "title", "the dashboard has no title"));
    }
    if dashboard.editable {
        found.push(Finding::new(
            file,
            "editable",
            "a rendered dashboard must not be editable",
        ));
    }
    for other in uids.iter().filter(|other| *other != uid) {
        if !dashboard
            .links
            .iter()
            .any(|link| link.url.starts_with(&format!("/d/{other}?")))
        {
            found.push(Finding::new(file, "links", format!("no link to {other}")));
        }
    }
    if !dashboard
        .links
        .iter()
        .any(|link| link.url.contains("runbook"))
    {
        found.push(Finding::new(file, "links", "no link to the runbook"));
    }
}

fn variables(file: &str, dashboard: &Dashboard, found: &mut Vec<Finding>) {
    let list = &dashboard.templating.list;
    match list.iter().find(|variable| variable.r#type == "datasource") {
        Some(Variable { name, label, .. }) if name == "datasource" && label == "Data source" => {}
        _ => {
            let message = "no data source variable named `datasource` and labelled `Data source`";
            found.push(Finding::new(file, "datasource", message));
        }
    }
    let asked: String = dashboard
        .drawn()
        .flat_map(|panel| &panel.targets)
        .map(|target| target.expr.as_str())
        .collect();
    for variable in list {
        let place = format!("{file}: variable {}", variable.name);
        if variable.r#type == "query" {
            if variable.refresh != 2 {
                found.push(Finding::new(
                    &place,
                    "variable",
                    "refresh is not 2 (on time range change)",
                ));
            }
            if !variable.multi || variable.all_value.is_none() {
                found.push(Finding::new(
                    &place,
                    "variable",
                    "more than one value cannot be chosen",
                ));
            }
        }
        if variable.r#type != "datasource" && !asked.contains(&format!("${}", variable.name)) {
            found.push(Finding::new(&place, "variable", "no panel uses it"));
        }
    }
}

fn panel(place: &str, panel: &Panel, found: &mut Vec<Finding>) {
    if panel.title.is_empty() {
        found.push(Finding::new(place, "title", "the panel has no title"));
    }
    if panel.description.len() < 20 {
        found.push(Finding::new(
            place,
            "description",
            "no description that says what it shows",
        ));
    }
    let unit = &panel.field_config.defaults.unit;
    if !UNITS.contains(&unit.as_str()) {
        found.push(Finding::new(
            place,
            "unit",
            format!("`{unit}` is no unit in use"),
        ));
    }
    let sources =
        std::iter::once(&panel.datasource).chain(panel.targets.iter().map(|t| &t.datasource));
    for source in sources {
        if source.as_ref().map(|source| source.uid.as_str()) != Some(DATASOURCE) {
            found.push(Finding::new(
                place,
                "datasource",
                format!("does not ask {DATASOURCE}"),
            ));
        }
    }
}

fn queries(place: &str, panel: &Panel, rules: &RuleFile, found: &mut Vec<Finding>) {
    if panel.targets.is_empty() {
        found.push(Finding::new(place, "queries", "nothing is asked"));
    }
    let mut ids = BTreeSet::new();
    for target in &panel.targets {
        if !ids.insert(&target.ref_id) {
            found.push(Finding::new(
                place,
                "queries",
                format!("two queries are called {}", target.ref_id),
            ));
        }
        expression(place, &target.expr, rules, found);
    }
}

fn expression(place: &str, expr: &str, rules: &RuleFile, found: &mut Vec<Finding>) {
    let (filled, unknown) = Filling::all(".*").fill(expr);
    for name in unknown {
        found.push(Finding::new(
            place,
            "variable",
            format!("${name} is no variable of the dashboard"),
        ));
    }
    found.extend(expressions::check(place, &filled, Role::Panel, rules));
    if !expr.contains(r#"drill=~"$drill""#) {
        found.push(Finding::new(
            place,
            "drill-shown",
            "does not leave synthetic series out by `$drill`",
        ));
    }
}

/// Panels must lie within 24 columns, side by side without overlaps, and leave no empty corner.
fn grid(file: &str, dashboard: &Dashboard, found: &mut Vec<Finding>) {
    let mut ids = BTreeSet::new();
    let mut taken: BTreeMap<(u64, u64), u64> = BTreeMap::new();
    for panel in &dashboard.panels {
        let place = format!("{file}: panel {} `{}`", panel.id, panel.title);
        if !ids.insert(panel.id) {
            found.push(Finding::new(&place, "id", "another panel has the same id"));
        }
        let at = panel.grid_pos;
        if at.x + at.w > 24 || at.w == 0 || at.h == 0 {
            found.push(Finding::new(
                &place,
                "grid",
                "it does not lie within the 24 columns",
            ));
        }
        for cell in (at.y..at.y + at.h).flat_map(|y| (at.x..at.x + at.w).map(move |x| (x, y))) {
            if let Some(other) = taken.insert(cell, panel.id) {
                found.push(Finding::new(
                    &place,
                    "grid",
                    format!("it overlaps panel {other}"),
                ));
                break;
            }
        }
    }
    let height = taken.keys().map(|(_, y)| y + 1).max().unwrap_or_default();
    let empty = (0..height).find(|y| (0..24).any(|x| !taken.contains_key(&(x, *y))));
    if let Some(y) = empty {
        found.push(Finding::new(
            file,
            "grid",
            format!("line {y} has an empty corner"),
        ));
    }
}
