//! Checks of the dashboards: what a person must be able to read, and Grafana's dashboard linter's rules.
//!
//! Of that linter's rules, those on `job` and `instance` variables are left out: they suit exporters;
//! these metrics are told apart by domain (`node_id`, `interval`, `world_id`).

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use seamless_core::rules::RuleFile;

use super::expressions::{self, Role};
use super::{LintFinding, LintedPlace};
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
    found: &mut Vec<LintFinding>,
) -> anyhow::Result<()> {
    let mut uids = BTreeSet::new();
    let mut all = Vec::new();
    for (file, text) in dashboards {
        let dashboard: Dashboard = serde_json::from_str(text).with_context(|| file.clone())?;
        if !uids.insert(dashboard.uid.clone()) {
            LintedPlace::new(found, file).wrong("uid", format!("uid {} is taken", dashboard.uid));
        }
        all.push((file, dashboard));
    }
    for (file, dashboard) in &all {
        face(file, dashboard, &uids, &mut LintedPlace::new(found, *file));
        for (_, other) in &all {
            links(dashboard, other, &mut LintedPlace::new(found, *file));
        }
        variables(file, dashboard, found);
        grid(file, dashboard, found);
        let mut titles = BTreeSet::new();
        for panel in dashboard.drawn() {
            let mut at = LintedPlace::new(found, place(file, panel));
            if !titles.insert(&panel.title) {
                at.wrong("title", "another panel has the same title");
            }
            self::panel(panel, &mut at);
            queries(panel, rules, &mut at);
        }
        for annotation in &dashboard.annotations.list {
            if let Some(expr) = &annotation.expr {
                let place = format!("{file}: annotation `{}`", annotation.name);
                expression(expr, rules, &mut LintedPlace::new(found, place));
            }
        }
    }
    Ok(())
}

fn place(file: &str, panel: &Panel) -> String {
    format!("{file}: panel {} `{}`", panel.id, panel.title)
}

fn face(file: &str, dashboard: &Dashboard, uids: &BTreeSet<String>, at: &mut LintedPlace<'_>) {
    let uid = &dashboard.uid;
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if uid.is_empty() || uid.len() > 40 || !uid.chars().all(valid) {
        at.wrong("uid", format!("`{uid}` is no uid"));
    }
    if format!("{uid}.json") != file {
        at.wrong("uid", "the file is not named after its uid");
    }
    if dashboard.title.is_empty() {
        at.wrong("title", "the dashboard has no title");
    }
    if dashboard.editable {
        at.wrong("editable", "a rendered dashboard must not be editable");
    }
    for other in uids.iter().filter(|other| *other != uid) {
        if !dashboard
            .links
            .iter()
            .any(|link| link.url.starts_with(&format!("/d/{other}?")))
        {
            at.wrong("links", format!("no link to {other}"));
        }
    }
    if !dashboard
        .links
        .iter()
        .any(|link| link.url.contains("runbook"))
    {
        at.wrong("links", "no link to the runbook");
    }
}

/// What a link hands on must be a variable of both dashboards: Grafana writes an unknown one out as it stands.
fn links(from: &Dashboard, to: &Dashboard, at: &mut LintedPlace<'_>) {
    let has = |dashboard: &Dashboard, name: &str| {
        let mut list = dashboard.templating.list.iter();
        list.any(|variable| variable.name == name)
    };
    let start = format!("/d/{}?", to.uid);
    for query in from
        .links
        .iter()
        .filter_map(|link| link.url.strip_prefix(&start))
    {
        for part in query.split('&') {
            let name = part
                .strip_prefix("${")
                .and_then(|part| part.strip_suffix(":queryparam}"));
            if !name.is_some_and(|name| has(from, name) && has(to, name)) {
                let message = format!("`{part}` is no variable of both it and {}", to.uid);
                at.wrong("links", message);
            }
        }
    }
}

/// A table is sorted by one of its columns, under the name that is shown.
fn sorting(panel: &Panel, at: &mut LintedPlace<'_>) {
    let columns: BTreeSet<&str> = panel
        .transformations
        .iter()
        .filter_map(|transformation| transformation["options"]["renameByName"].as_object())
        .flat_map(|renamed| renamed.values().filter_map(|name| name.as_str()))
        .collect();
    let sort = panel.options.sort_by.first();
    if !sort.is_some_and(|sort| columns.contains(sort.display_name.as_str())) {
        at.wrong("sorting", "the table is not sorted by one of its columns");
    }
}

fn variables(file: &str, dashboard: &Dashboard, found: &mut Vec<LintFinding>) {
    let mut at = LintedPlace::new(found, file);
    let list = &dashboard.templating.list;
    match list.iter().find(|variable| variable.r#type == "datasource") {
        Some(Variable { name, label, .. }) if name == "datasource" && label == "Data source" => {}
        _ => {
            let message = "no data source variable named `datasource` and labelled `Data source`";
            at.wrong("datasource", message);
        }
    }
    let asked: String = dashboard
        .drawn()
        .flat_map(|panel| &panel.targets)
        .map(|target| target.expr.as_str())
        .collect();
    for variable in list {
        let mut at = LintedPlace::new(found, format!("{file}: variable {}", variable.name));
        if variable.r#type == "query" {
            if variable.refresh != 2 {
                at.wrong("variable", "refresh is not 2 (on time range change)");
            }
            if !variable.multi || variable.all_value.is_none() {
                at.wrong("variable", "more than one value cannot be chosen");
            }
        }
        if variable.r#type != "datasource" && !asked.contains(&format!("${}", variable.name)) {
            at.wrong("variable", "no panel uses it");
        }
    }
}

fn panel(panel: &Panel, at: &mut LintedPlace<'_>) {
    if panel.title.is_empty() {
        at.wrong("title", "the panel has no title");
    }
    if panel.r#type == "table" {
        sorting(panel, at);
    }
    if panel.description.len() < 20 {
        at.wrong("description", "no description that says what it shows");
    }
    let unit = &panel.field_config.defaults.unit;
    if !UNITS.contains(&unit.as_str()) {
        at.wrong("unit", format!("`{unit}` is no unit in use"));
    }
    let sources =
        std::iter::once(&panel.datasource).chain(panel.targets.iter().map(|t| &t.datasource));
    for source in sources {
        if source.as_ref().map(|source| source.uid.as_str()) != Some(DATASOURCE) {
            at.wrong("datasource", format!("does not ask {DATASOURCE}"));
        }
    }
}

fn queries(panel: &Panel, rules: &RuleFile, at: &mut LintedPlace<'_>) {
    if panel.targets.is_empty() {
        at.wrong("queries", "nothing is asked");
    }
    let mut ids = BTreeSet::new();
    for target in &panel.targets {
        if !ids.insert(&target.ref_id) {
            at.wrong(
                "queries",
                format!("two queries are called {}", target.ref_id),
            );
        }
        expression(&target.expr, rules, at);
    }
}

fn expression(expr: &str, rules: &RuleFile, at: &mut LintedPlace<'_>) {
    let (filled, unknown) = Filling::all(".*").fill(expr);
    for name in unknown {
        at.wrong(
            "variable",
            format!("${name} is no variable of the dashboard"),
        );
    }
    expressions::check(at, &filled, Role::Panel, rules);
    if !expr.contains(r#"drill=~"$drill""#) {
        at.wrong(
            "drill-shown",
            "does not leave synthetic series out by `$drill`",
        );
    }
}

/// Panels must lie within 24 columns, side by side without overlaps, and leave no empty corner.
fn grid(file: &str, dashboard: &Dashboard, found: &mut Vec<LintFinding>) {
    let mut ids = BTreeSet::new();
    let mut taken: BTreeMap<(u64, u64), u64> = BTreeMap::new();
    for panel in &dashboard.panels {
        let mut at = LintedPlace::new(found, place(file, panel));
        if !ids.insert(panel.id) {
            at.wrong("id", "another panel has the same id");
        }
        let pos = panel.grid_pos;
        if pos.x + pos.w > 24 || pos.w == 0 || pos.h == 0 {
            at.wrong("grid", "it does not lie within the 24 columns");
        }
        for cell in (pos.y..pos.y + pos.h).flat_map(|y| (pos.x..pos.x + pos.w).map(move |x| (x, y)))
        {
            if let Some(other) = taken.insert(cell, panel.id) {
                at.wrong("grid", format!("it overlaps panel {other}"));
                break;
            }
        }
    }
    let height = taken.keys().map(|(_, y)| y + 1).max().unwrap_or_default();
    let empty = (0..height).find(|y| (0..24).any(|x| !taken.contains_key(&(x, *y))));
    if let Some(y) = empty {
        LintedPlace::new(found, file).wrong("grid", format!("line {y} has an empty corner"));
    }
}
