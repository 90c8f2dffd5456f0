//! The shipped rules and routes, judged by Prometheus's and Alertmanager's own tools.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

use seamless_lab::servers::{AMTOOL, Generation, PROMTOOL, Program};
use xtask::render::{self, Override};

/// How the names of rule tests begin that only today's promtool reads: native histograms as input.
const NATIVE: &str = "native_";

/// Runs a tool of the chosen generation and hands back what it said.
fn tool(program: Program, folder: &Path, args: &[&str]) -> (bool, String) {
    let output = Command::new(program.require().unwrap())
        .current_dir(folder)
        .args(args)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

fn promtool(folder: &Path, args: &[&str]) -> (bool, String) {
    tool(PROMTOOL, folder, args)
}

fn amtool(args: &[&str]) -> (bool, String) {
    tool(AMTOOL, &xtask::root(), args)
}

fn rule_tests() -> Vec<PathBuf> {
    let folder = xtask::root().join("dashboards/tests");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let native = path
                .file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with(NATIVE);
            !native || Generation::chosen() == Generation::Current
        })
        .collect();
    files.sort();
    files
}

fn prometheus_loads_the_rules() {
    let (passed, said) = promtool(
        &xtask::root(),
        &[
            "check",
            "rules",
            "--lint=all",
            "--lint-fatal",
            "alert_rules.yml",
        ],
    );
    assert!(passed, "{said}");
}

#[test]
fn every_rule_test_passes() {
    let files = rule_tests();
    assert!(!files.is_empty());
    for file in files {
        let (passed, said) = promtool(
            &xtask::root(),
            &["test", "rules", &file.display().to_string()],
        );
        assert!(passed, "{said}");
    }
}

#[test]
fn a_rule_that_never_fires_fails_its_tests() {
    let folder = tempfile::tempdir().unwrap();
    let tests = folder.path().join("dashboards/tests");
    std::fs::create_dir_all(&tests).unwrap();
    let rules = render::rules(&[Override::new("total_budget", 300)]).unwrap();
    std::fs::write(folder.path().join("alert_rules.yml"), rules).unwrap();
    let name = "sla_degraded.yml";
    std::fs::copy(
        xtask::root().join("dashboards/tests").join(name),
        tests.join(name),
    )
    .unwrap();
    let (passed, said) = promtool(&tests, &["test", "rules", name]);
    assert!(!passed, "{said}");
    assert!(said.contains("SeamlessSla99thDegraded"), "{said}");
}

#[test]
fn a_budget_that_no_quantile_can_exceed_is_refused() {
    for budget in [600, 61] {
        assert!(
            render::rules(&[Override::new("total_budget", budget)]).is_err(),
            "{budget}"
        );
    }
    assert!(render::rules(&[Override::new("total_budget", 120)]).is_ok());
}

#[test]
fn a_drill_runs_the_same_rules_on_a_shorter_clock() {
    let folder = tempfile::tempdir().unwrap();
    let text = render::rules(&[Override::new("time_scale", 0.05)]).unwrap();
    std::fs::write(folder.path().join("rules.yml"), &text).unwrap();
    let (passed, said) = promtool(folder.path(), &["check", "rules", "rules.yml"]);
    assert!(passed, "{said}");

    let scaled = seamless_core::rules::RuleFile::parse(&text).unwrap();
    let shipped = seamless_core::rules::shipped().unwrap();
    assert_eq!(scaled.rules().count(), shipped.rules().count());
    for (scaled, shipped) in scaled.alerts().zip(shipped.alerts()) {
        assert_eq!(scaled.name, shipped.name);
        assert_eq!(scaled.pending_for() * 20, shipped.pending_for());
    }
}

#[test]
fn the_rendered_rules_are_the_committed_ones() {
    let committed = std::fs::read_to_string(xtask::root().join("alert_rules.yml")).unwrap();
    assert_eq!(
        render::rules(&[]).unwrap(),
        committed,
        "run `cargo xtask render`"
    );
}

fn alertmanager_loads_the_routes() {
    let (passed, said) = amtool(&["check-config", "alertmanager.yml"]);
    assert!(passed, "{said}");
}

fn alerts_reach_their_receivers() {
    for (labels, receivers) in [
        (&["severity=critical"][..], "pagerduty,slack"),
        (&["severity=warning"], "slack"),
        (&["severity=none", "alertname=SeamlessWatchdog"], "watchdog"),
        // A drill takes the way of the real thing: that is what it proves.
        (&["severity=critical", "drill=d1"], "pagerduty,slack"),
        (&["severity=warning", "drill=d1"], "slack"),
        // Nothing is lost for want of a severity.
        (&["alertname=Other"], "slack"),
    ] {
        let verify = format!("--verify.receivers={receivers}");
        let mut args = vec![
            "config",
            "routes",
            "test",
            "--config.file=alertmanager.yml",
            &verify,
        ];
        args.extend(labels);
        let (passed, said) = amtool(&args);
        assert!(passed, "{labels:?}: {said}");
    }
}

seamless_lab::on_both_generations!(
    prometheus_loads_the_rules,
    alertmanager_loads_the_routes,
    alerts_reach_their_receivers
);
