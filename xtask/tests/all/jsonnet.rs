//! The in-process evaluation against the reference `jsonnet` program, and the mixin's face.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn reference(args: &[&str]) -> Value {
    let output = Command::new("jsonnet")
        .current_dir(xtask::root())
        .args(args)
        .output()
        .unwrap_or_else(|error| {
            panic!("jsonnet cannot be run ({error}); install it: apt-get install jsonnet")
        });
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    document(&String::from_utf8(output.stdout).unwrap())
}

fn rendered(path: &Path) -> Value {
    document(&std::fs::read_to_string(path).unwrap())
}

/// JSON is YAML, and this reader takes `0.1` and `0.10000000000000001` for the same number, as either program
/// may write it.
fn document(json: &str) -> Value {
    serde_saphyr::from_str(json).unwrap()
}

#[test]
fn the_reference_program_renders_the_same_dashboards() {
    let Value::Object(expected) = reference(&["dashboards/seamless_v2.jsonnet"]) else {
        panic!("not an object");
    };
    let folder = xtask::root().join("dashboards/rendered");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), expected.len());
    for (name, dashboard) in expected {
        assert_eq!(rendered(&folder.join(&name)), dashboard, "{name}");
    }
}

#[test]
fn the_reference_program_renders_the_same_rules() {
    let expr = "local mixin = import 'dashboards/mixin.libsonnet'; \
                { groups: mixin.prometheusRules.groups + mixin.prometheusAlerts.groups }";
    let expected = reference(&["-J", ".", "-e", expr]);
    let committed = std::fs::read_to_string(xtask::root().join("alert_rules.yml")).unwrap();
    assert_eq!(document(&committed), expected);
}

#[test]
fn the_mixin_can_be_imported_and_overridden() {
    let expr = "((import 'dashboards/mixin.libsonnet') + { _config+:: { total_budget: 120, grafana_url: 'https://g' } }).prometheusAlerts";
    let text = reference(&["-J", ".", "-e", expr]).to_string();
    assert!(text.contains("120s budget"), "{text}");
    assert!(text.contains("https://g/d/"), "{text}");
}

#[test]
fn a_site_renders_its_own_variant_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args([
            "render",
            "--set",
            "total_budget=120",
            "--set",
            "dashboard_tags=[\"site\"]",
            "--out",
        ])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let rules = std::fs::read_to_string(folder.path().join("alert_rules.yml")).unwrap();
    assert!(rules.contains("seconds{phase=\"total\"}) > 120"), "{rules}");
    let overview = folder
        .path()
        .join("dashboards/rendered/seamless-sla-overview.json");
    assert_eq!(rendered(&overview)["tags"], serde_json::json!(["site"]));
}

#[test]
fn an_override_of_nothing_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["render", "--set", "total=120", "--out", "/nonexistent"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains("_config has no key `total`"), "{said}");
}

#[test]
fn what_is_committed_is_what_is_rendered() {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["render", "--check"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
}
