//! Faults planted into what is committed: Grafana's own types must refuse each of them, and nothing
//! without them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use xtask::grafana::{SCHEMAS, mistyped, rendered};

type Plant = fn(&mut Value);

/// The first panel of that kind.
fn panel<'d>(dashboard: &'d mut Value, kind: &str) -> &'d mut Value {
    let mut panels = dashboard["panels"].as_array_mut().unwrap().iter_mut();
    panels.find(|panel| panel["type"] == kind).unwrap()
}

const FAULTS: &[(&str, Plant)] = &[
    ("an unknown option", |d| {
        panel(d, "stat")["options"]["colourMode"] = json!("value");
    }),
    ("an option's wrong value", |d| {
        panel(d, "stat")["options"]["colorMode"] = json!("rainbow");
    }),
    ("an option of another panel", |d| {
        panel(d, "stat")["options"]["legend"] = json!({});
    }),
    ("an unknown field option", |d| {
        panel(d, "timeseries")["fieldConfig"]["defaults"]["custom"]["lineWidht"] = json!(2);
    }),
    ("a number as text", |d| {
        panel(d, "timeseries")["fieldConfig"]["defaults"]["custom"]["fillOpacity"] = json!("20");
    }),
    ("an unknown draw style", |d| {
        panel(d, "timeseries")["fieldConfig"]["defaults"]["custom"]["drawStyle"] = json!("lines");
    }),
    ("an unknown default", |d| {
        panel(d, "timeseries")["fieldConfig"]["defaults"]["units"] = json!("s");
    }),
    ("a threshold as text", |d| {
        panel(d, "gauge")["fieldConfig"]["defaults"]["thresholds"]["steps"][1]["value"] =
            json!("1");
    }),
    ("a mapping of no kind", |d| {
        panel(d, "state-timeline")["fieldConfig"]["defaults"]["mappings"][0]["type"] = json!("val");
    }),
    ("one reducer where a list is due", |d| {
        panel(d, "stat")["options"]["reduceOptions"]["calcs"] = json!("last");
    }),
    ("a panel of no kind", |d| {
        panel(d, "timeseries")["type"] = json!("graph");
    }),
    ("an override of nothing", |d| {
        panel(d, "table")["fieldConfig"]["overrides"][0]["properties"][0]["id"] =
            json!("custom.cellOption");
    }),
    ("an override's wrong value", |d| {
        let properties = &mut panel(d, "table")["fieldConfig"]["overrides"][0]["properties"];
        *properties = json!([{ "id": "custom.cellOptions", "value": { "type": "colour" } }]);
    }),
    ("a matcher of no kind", |d| {
        panel(d, "table")["fieldConfig"]["overrides"][0]["matcher"]["id"] = json!("byname");
    }),
    ("an unknown format", |d| {
        panel(d, "heatmap")["targets"][0]["format"] = json!("heat");
    }),
    ("a query without a name", |d| {
        let target = panel(d, "timeseries")["targets"][0].as_object_mut();
        target.unwrap().remove("refId");
    }),
    ("a heatmap's wrong colours", |d| {
        panel(d, "heatmap")["options"]["color"]["mode"] = json!("spectrum");
    }),
    ("a legend of no kind", |d| {
        panel(d, "timeseries")["options"]["legend"]["displayMode"] = json!("tbl");
    }),
    ("a footer's fields as text", |d| {
        panel(d, "table")["options"]["footer"]["fields"] = json!("");
    }),
    ("a transformation of no kind", |d| {
        panel(d, "table")["transformations"][0]["id"] = json!("organise");
    }),
    ("a variable's refresh as text", |d| {
        d["templating"]["list"][1]["refresh"] = json!("2");
    }),
    ("a variable of no kind", |d| {
        d["templating"]["list"][0]["type"] = json!("source");
    }),
    ("a bundle", |d| d["dashboards"] = json!([])),
];

#[test]
#[ignore = "needs Node and packages of npm; .ci/run runs it"]
fn grafanas_types_refuse_every_planted_fault_and_nothing_else() {
    let committed = rendered(&xtask::root()).unwrap();
    let sound = &committed["seamless-sla-overview.json"];
    let planted: Vec<(&str, String)> = FAULTS
        .iter()
        .map(|(fault, plant)| {
            let mut dashboard: Value = serde_json::from_str(sound).unwrap();
            plant(&mut dashboard);
            (*fault, dashboard.to_string())
        })
        .collect();
    // In one run: the compiler takes longer to start than to check.
    let all = committed
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .chain(planted.iter().map(|(fault, text)| (*fault, text.as_str())));
    let found = mistyped(all).unwrap();
    for name in committed.keys() {
        let wrong: Vec<_> = found.iter().filter(|m| m.place.starts_with(name)).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
    for (schema, _) in SCHEMAS {
        for (fault, _) in FAULTS {
            assert!(
                found
                    .iter()
                    .any(|m| m.schema == schema && m.place.starts_with(fault)),
                "not found by {schema}: {fault}"
            );
        }
    }
}
