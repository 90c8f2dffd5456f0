//! Checks of the dashboards: what a person must be able to read, and Grafana's dashboard linter's rules.
//!
//! Of that linter's rules, those on `job` and `instance` variables are left out: they suit exporters;
//! these metrics are told apart by domain (`node_id`, `interval`, `world_id`).

use std::collections::{BTreeMap, BTreeSet};

use seamless_core::rules::RuleFile;
use serde_json::Value;

use super::expressions::{self, Role};
use super::{LintFinding, LintedPlace};
use crate::dashboard::{Filling, drawn, list, queries, text};

/// Grafana's ids of the units in use.
const UNITS: &[&str] = &[
    "short",
    "locale",
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
    dashboards: &BTreeMap<String, Value>,
    found: &mut Vec<LintFinding>,
) {
    let mut uids = BTreeSet::new();
    for (file, dashboard) in dashboards {
        let uid = text(&dashboard["uid"]);
        if !uids.insert(uid) {
            LintedPlace::new(found, file).wrong("uid", format!("uid {uid} is taken"));
        }
    }
    for (file, dashboard) in dashboards {
        face(file, dashboard, &uids, &mut LintedPlace::new(found, file));
        for other in dashboards.values() {
            links(dashboard, other, &mut LintedPlace::new(found, file));
        }
        variables(file, dashboard, found);
        grid(file, dashboard, found);
        let mut titles = BTreeSet::new();
        for panel in drawn(dashboard) {
            let mut at = LintedPlace::new(found, place(file, panel));
            if !titles.insert(text(&panel["title"])) {
                at.wrong("title", "another panel has the same title");
            }
            self::panel(panel, rules, &mut at);
        }
        for annotation in list(&dashboard["annotations"]["list"]) {
            if let Some(expr) = annotation["expr"].as_str() {
                let place = format!("{file}: annotation `{}`", text(&annotation["name"]));
                expression(expr, rules, &mut LintedPlace::new(found, place));
            }
        }
    }
}

fn place(file: &str, panel: &Value) -> String {
    format!("{file}: panel {} `{}`", panel["id"], text(&panel["title"]))
}

/// Where a dashboard's links lead.
fn urls(dashboard: &Value) -> impl Iterator<Item = &str> {
    let links = list(&dashboard["links"]).iter();
    links.map(|link| text(&link["url"]))
}

fn face(file: &str, dashboard: &Value, uids: &BTreeSet<&str>, at: &mut LintedPlace<'_>) {
    let uid = text(&dashboard["uid"]);
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if uid.is_empty() || uid.len() > 40 || !uid.chars().all(valid) {
        at.wrong("uid", format!("`{uid}` is no uid"));
    }
    if format!("{uid}.json") != file {
        at.wrong("uid", "the file is not named after its uid");
    }
    if text(&dashboard["title"]).is_empty() {
        at.wrong("title", "the dashboard has no title");
    }
    if dashboard["editable"] != false {
        at.wrong("editable", "a rendered dashboard must not be editable");
    }
    for other in uids.iter().filter(|other| **other != uid) {
        let start = format!("/d/{other}?");
        if !urls(dashboard).any(|url| url.starts_with(&start)) {
            at.wrong("links", format!("no link to {other}"));
        }
    }
    if !urls(dashboard).any(|url| url.contains("runbook")) {
        at.wrong("links", "no link to the runbook");
    }
}

/// What a link hands on must be a variable of both dashboards: Grafana writes an unknown one out as it stands.
fn links(from: &Value, to: &Value, at: &mut LintedPlace<'_>) {
    let has = |dashboard: &Value, name: &str| {
        let mut variables = list(&dashboard["templating"]["list"]).iter();
        variables.any(|variable| variable["name"] == name)
    };
    let uid = text(&to["uid"]);
    let start = format!("/d/{uid}?");
    for query in urls(from).filter_map(|url| url.strip_prefix(&start)) {
        for part in query.split('&') {
            let name = part
                .strip_prefix("${")
                .and_then(|part| part.strip_suffix(":queryparam}"));
            if !name.is_some_and(|name| has(from, name) && has(to, name)) {
                let message = format!("`{part}` is no variable of both it and {uid}");
                at.wrong("links", message);
            }
        }
    }
}

fn variables(file: &str, dashboard: &Value, found: &mut Vec<LintFinding>) {
    let all = list(&dashboard["templating"]["list"]);
    let source = all.iter().find(|variable| variable["type"] == "datasource");
    if !source.is_some_and(|it| it["name"] == "datasource" && it["label"] == "Data source") {
        let message = "no data source variable named `datasource` and labelled `Data source`";
        LintedPlace::new(found, file).wrong("datasource", message);
    }
    let asked: String = queries(dashboard)
        .map(|(_, query)| text(&query["expr"]))
        .collect();
    for variable in all {
        let name = text(&variable["name"]);
        let mut at = LintedPlace::new(found, format!("{file}: variable {name}"));
        if variable["type"] == "query" {
            if variable["refresh"] != 2 {
                at.wrong("variable", "refresh is not 2 (on time range change)");
            }
            if variable["multi"] != true || variable["allValue"].is_null() {
                at.wrong("variable", "more than one value cannot be chosen");
            }
        }
        if variable["type"] != "datasource" && !asked.contains(&format!("${name}")) {
            at.wrong("variable", "no panel uses it");
        }
    }
}

fn panel(panel: &Value, rules: &RuleFile, at: &mut LintedPlace<'_>) {
    if text(&panel["title"]).is_empty() {
        at.wrong("title", "the panel has no title");
    }
    if panel["type"] == "table" {
        sorting(panel, at);
    }
    if text(&panel["description"]).len() < 20 {
        at.wrong("description", "no description that says what it shows");
    }
    let unit = text(&panel["fieldConfig"]["defaults"]["unit"]);
    if !UNITS.contains(&unit) {
        at.wrong("unit", format!("`{unit}` is no unit in use"));
    }
    let queries = list(&panel["targets"]);
    if queries.is_empty() {
        at.wrong("queries", "nothing is asked");
    }
    let mut ids = BTreeSet::new();
    for asking in [panel].into_iter().chain(queries) {
        if asking["datasource"]["uid"] != DATASOURCE {
            at.wrong("datasource", format!("does not ask {DATASOURCE}"));
        }
    }
    for query in queries {
        let id = text(&query["refId"]);
        if !ids.insert(id) {
            at.wrong("queries", format!("two queries are called {id}"));
        }
        expression(text(&query["expr"]), rules, at);
    }
}

/// A table is sorted by one of its columns, under the name that is shown.
fn sorting(panel: &Value, at: &mut LintedPlace<'_>) {
    let sort = &panel["options"]["sortBy"][0]["displayName"];
    let mut columns = list(&panel["transformations"])
        .iter()
        .filter_map(|transformation| transformation["options"]["renameByName"].as_object())
        .flat_map(|renamed| renamed.values());
    if !columns.any(|column| column == sort) {
        at.wrong("sorting", "the table is not sorted by one of its columns");
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
fn grid(file: &str, dashboard: &Value, found: &mut Vec<LintFinding>) {
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in list(&dashboard["panels"]) {
        let mut at = LintedPlace::new(found, place(file, panel));
        if !ids.insert(panel["id"].as_u64()) {
            at.wrong("id", "another panel has the same id");
        }
        let [x, y, w, h] =
            ["x", "y", "w", "h"].map(|name| panel["gridPos"][name].as_u64().unwrap_or_default());
        if x + w > 24 || w == 0 || h == 0 {
            at.wrong("grid", "it does not lie within the 24 columns");
        }
        let mut cells = (y..y + h).flat_map(|y| (x..x + w).map(move |x| (x, y)));
        if !cells.all(|cell| taken.insert(cell)) {
            at.wrong("grid", "it overlaps another panel");
        }
    }
    let height = taken.iter().map(|(_, y)| y + 1).max().unwrap_or_default();
    let empty = (0..height).find(|y| (0..24).any(|x| !taken.contains(&(x, *y))));
    if let Some(y) = empty {
        LintedPlace::new(found, file).wrong("grid", format!("line {y} has an empty corner"));
    }
}
