//! The shipped rules and routes, judged by Prometheus's and Alertmanager's own tools.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use seamless_lab::servers::{AMTOOL, Generation, PROMTOOL, Program};
use tempfile::TempDir;
use xtask::render::{self, Override};

use crate::clauses::{TestedRules, one_by_one};

/// How the names of rule tests begin that only today's promtool reads: native histograms as input.
const NATIVE: &str = "native_";

/// Runs a tool of the chosen generation and hands back what it said.
fn tool(program: Program, folder: &Path, args: &[&str]) -> (bool, String) {
    let output = Command::new(program.require().unwrap())
        .current_dir(folder)
        // A process that ends soon need not collect its garbage.
        .env("GOGC", "400")
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

/// The rule tests that the chosen promtool reads, by the name of their file.
fn rule_tests() -> BTreeMap<String, String> {
    let mut tests = render::rule_tests(&xtask::root()).unwrap();
    tests
        .retain(|name, _| !name.starts_with(NATIVE) || Generation::chosen() == Generation::Current);
    tests
}

/// A folder in which rule tests find `rules` where they look for `alert_rules.yml`.
fn with_rules(rules: &str, tests: &BTreeMap<String, String>) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dashboards/tests");
    std::fs::create_dir_all(&path).unwrap();
    std::fs::write(folder.path().join("alert_rules.yml"), rules).unwrap();
    for (name, text) in tests {
        std::fs::write(path.join(name), text).unwrap();
    }
    (folder, path)
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

/// Each test on the rules that it asks for and what they read; those on what a platform exposed, which ask for more,
/// on all of them.
fn every_rule_test_passes() {
    let shipped = std::fs::read_to_string(xtask::root().join("alert_rules.yml")).unwrap();
    let rules = TestedRules::shipped();
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (name, text) in rule_tests() {
        let of_platform = name.starts_with("platform_");
        for (number, test) in one_by_one(&text).into_iter().enumerate() {
            let needed = rules.asked_by(&test).filter(|_| !of_platform);
            let place = format!("{name}.{number}");
            let path = folder.path().join(&place);
            std::fs::create_dir(&path).unwrap();
            let needed = needed.map_or_else(|| shipped.clone(), |rules| rules.to_string());
            std::fs::write(path.join("rules.yml"), needed).unwrap();
            std::fs::write(path.join("test.yml"), test.to_string()).unwrap();
            files.push(format!("{place}/test.yml"));
        }
    }
    assert!(files.len() > 100, "{} tests", files.len());
    let generation = Generation::chosen();
    // A process is started for some of them at a time, since starting one takes longer than most tests.
    let waiting = Mutex::new(files.chunks(10));
    let work = || {
        loop {
            let Some(files) = waiting.lock().unwrap().next() else {
                return;
            };
            let arguments = ["test", "rules"].into_iter();
            let arguments: Vec<&str> = arguments.chain(files.iter().map(String::as_str)).collect();
            let (passed, said) = generation.during(|| promtool(folder.path(), &arguments));
            assert!(passed, "{said}");
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        (0..cores).for_each(|_| drop(scope.spawn(work)));
    });
}

/// What the platform's own runtime exposed while it was healthy, with either buckets, fires nothing in any profile.
fn a_healthy_platform_is_quiet() {
    let mut tests = rule_tests();
    tests.retain(|name, _| name == "platform_healthy.yml");
    for profile in ["baseline", "golden_signals"] {
        let rules = render::rules(&[Override::new("profile", profile)]).unwrap();
        let (_folder, path) = with_rules(&rules, &tests);
        let (passed, said) = promtool(&path, &["test", "rules", "platform_healthy.yml"]);
        assert!(passed, "{profile}: {said}");
    }
}

#[test]
fn a_rule_that_never_fires_fails_its_tests() {
    let name = "sla_degraded.yml";
    let rules = render::rules(&[Override::new("total_budget", 300)]).unwrap();
    let tests = xtask::root().join("dashboards/tests");
    let test = std::fs::read_to_string(tests.join(name)).unwrap();
    let (_folder, path) = with_rules(&rules, &BTreeMap::from([(name.to_owned(), test)]));
    let (passed, said) = promtool(&path, &["test", "rules", name]);
    assert!(!passed, "{said}");
    assert!(said.contains("SeamlessSla99thDegraded"), "{said}");
}

/// Runs rule tests on rules that are rendered with `overrides`.
fn rule_test(overrides: &[Override], test: &str) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let rules = render::rules(overrides).unwrap();
    std::fs::write(folder.path().join("rules.yml"), rules).unwrap();
    std::fs::write(folder.path().join("test.yml"), test).unwrap();
    promtool(folder.path(), &["test", "rules", "test.yml"])
}

const GROUPS: &str = "rule_files: [rules.yml]\nevaluation_interval: 30s\n\
    group_eval_order: [seamless-slo, seamless-slo-long, seamless-lease-history, seamless-leases, seamless-day]\n";

/// The list holds the oldest 1,000 leases; the gauge of a younger one is not asked while it is fresh.
#[test]
fn of_1001_leases_the_listed_ones_page() {
    let groups = GROUPS.replace("evaluation_interval: 30s", "evaluation_interval: 1m");
    let mut test = format!("{groups}tests:\n- interval: 1m\n  input_series:\n");
    for lease in 0..1001 {
        if lease < 1000 {
            for (family, value) in [("held", "1x15"), ("age_seconds", "0+60x15")] {
                test += &format!(
                    "  - {{series: 'seamless_lease_{family}{{lease_key=\"k{lease}\", coordinator=\"c\"}}', values: '{value}'}}\n"
                );
            }
        }
        test += &format!(
            "  - {{series: 'backfill_completion_ratio{{lease_key=\"k{lease}\"}}', values: '0x15'}}\n"
        );
    }
    test += "  - {series: 'seamless_leases{coordinator=\"c\"}', values: '1001x15'}\n  \
             - {series: 'seamless_leases_listed_timestamp_seconds{coordinator=\"c\"}', values: '0+60x15'}\n  \
             promql_expr_test:\n  \
             - expr: count(ALERTS{alertname=\"SeamlessBackfillStuckLease\", alertstate=\"firing\"})\n    \
               eval_time: 12m\n    exp_samples: [{labels: '{}', value: 1000}]\n";
    let (passed, said) = rule_test(&[], &test);
    assert!(passed, "{said}");
}

/// 200 s per request and 40 flags are over the limits of the baseline, and within those of the golden signals.
#[test]
fn each_profile_has_its_own_limits() {
    let test = |fires: &str| {
        format!(
            "{GROUPS}tests:\n- interval: 1m\n  input_series:\n  \
             - {{series: 'seamless_sla_deadline_seconds_bucket{{phase=\"total\", le=\"60\"}}', values: '0x30'}}\n  \
             - {{series: 'seamless_sla_deadline_seconds_bucket{{phase=\"total\", le=\"240\"}}', values: '0+9x30'}}\n  \
             - {{series: 'seamless_sla_deadline_seconds_count{{phase=\"total\"}}', values: '0+9x30'}}\n  \
             - {{series: 'seamless_conformance_flag_total{{flag_type=\"gap\"}}', values: '0x10 40x20'}}\n  \
             - {{series: 'backfill_completion_ratio{{lease_key=\"k\"}}', values: '0.7x30'}}\n  \
             promql_expr_test:\n  \
             - expr: count by (alertname) (ALERTS{{alertname=~\"SeamlessSla99thDegraded|SeamlessConformanceFlagSpike|SeamlessBackfillStuckLease\", alertstate=\"firing\"}})\n    \
               eval_time: 15m\n    exp_samples: [{fires}]\n"
        )
    };
    let both = "{labels: '{alertname=\"SeamlessSla99thDegraded\"}', value: 1}, \
                {labels: '{alertname=\"SeamlessConformanceFlagSpike\"}', value: 1}";
    for (profile, fires) in [("baseline", both), ("golden_signals", "")] {
        let (passed, said) = rule_test(&[Override::new("profile", profile)], &test(fires));
        assert!(passed, "{profile}: {said}");
    }
    let text = render::rules(&[Override::new("profile", "golden_signals")]).unwrap();
    let committed = xtask::root().join("dashboards/profiles/golden_signals.rules.yml");
    assert_eq!(text, std::fs::read_to_string(committed).unwrap());
    // A key of its own overrides its profile's.
    let own = [
        Override::new("profile", "golden_signals"),
        Override::new("flags_per_window", 30),
    ];
    assert!(render::rules(&own).unwrap().contains(") > 30"));
}

#[test]
fn a_collision_alert_is_rendered_on_request() {
    let name = "SeamlessFingerprintCollision";
    assert!(!render::rules(&[]).unwrap().contains(name));
    let test = format!(
        "{GROUPS}tests:\n- interval: 1m\n  input_series:\n  \
         - {{series: 'fingerprint_collisions_total{{node_id=\"n\"}}', values: '0x10 3x90'}}\n  \
         - {{series: 'fingerprint_collisions_total{{node_id=\"idle\"}}', values: '9x100'}}\n  \
         promql_expr_test:\n  \
         - expr: count by (node_id) (ALERTS{{alertname=\"{name}\", alertstate=\"firing\"}})\n    \
           eval_time: 20m\n    exp_samples: [{{labels: '{{node_id=\"n\"}}', value: 1}}]\n"
    );
    let (passed, said) = rule_test(&[Override::new("fingerprint_collision_alert", true)], &test);
    assert!(passed, "{said}");
}

/// Domains that a site names by a selector are live, whatever they were a day ago.
#[test]
fn live_domains_can_be_named() {
    let test = format!(
        "{GROUPS}tests:\n- interval: 1m\n  input_series:\n  \
         - {{series: 'live_staleness_seconds{{node_id=\"n\", interval=\"60\", world_id=\"live-1\"}}', values: '900x30'}}\n  \
         - {{series: 'live_staleness_seconds{{node_id=\"n\", interval=\"60\", world_id=\"test\"}}', values: '0x10 900x20'}}\n  \
         promql_expr_test:\n  \
         - expr: count by (world_id) (ALERTS{{alertname=\"SeamlessLiveDataStale\", alertstate=\"firing\"}})\n    \
           eval_time: 20m\n    exp_samples: [{{labels: '{{world_id=\"live-1\"}}', value: 1}}]\n"
    );
    let (passed, said) = rule_test(
        &[Override::new("live_selector", "world_id=~\"live-.*\"")],
        &test,
    );
    assert!(passed, "{said}");
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
        // What fails is told another way.
        (
            &[
                "severity=critical",
                "alertname=SeamlessNotificationsFailing",
                "integration=pagerduty",
            ],
            "slack",
        ),
        (
            &[
                "severity=critical",
                "alertname=SeamlessNotificationsFailing",
                "integration=slack",
            ],
            "pagerduty",
        ),
        (
            &[
                "severity=critical",
                "alertname=SeamlessNotificationsFailing",
                "integration=prometheus",
            ],
            "pagerduty,slack",
        ),
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
    every_rule_test_passes,
    a_healthy_platform_is_quiet,
    alertmanager_loads_the_routes,
    alerts_reach_their_receivers
);
