//! The program against real servers: a healthy deployment passes, and what breaks it is named.

use crate::support::{Deployment, JsonRun, PATIENCE, shipped};
use seamless_lab::wait_until;

#[test]
fn a_healthy_deployment_passes_and_what_breaks_it_is_named() {
    let deployment = Deployment::start(|builder| builder);
    // Rules are evaluated every 30 seconds.
    let run = JsonRun::of(
        deployment
            .command()
            .args(["--wait", "90s", "--interval", "1s"]),
    );
    let failed: Vec<_> = run
        .ids("fail")
        .into_iter()
        .map(|id| (id, run.check(id).1))
        .collect();
    assert_eq!(failed, []);
    assert_eq!(run.code, 0);
    for id in [
        "coordinator/health",
        "prometheus/present",
        "prometheus/fresh",
        "prometheus/labels",
        "prometheus/types",
        "prometheus/targets",
        "alerting/rules-loaded",
        "alerting/inputs",
        "alerting/can-fire",
        "alerting/ranges",
        "alerting/alertmanager-known",
        "alerting/routes",
        "sla/p99",
    ] {
        assert_eq!(run.check(id).0, "pass", "{id}: {}", run.check(id).1);
    }

    // The documented call works as written, and a metric that never was is told apart.
    let run = JsonRun::of(deployment.command().args([
        "--prometheus-metric",
        "backfill_completion_ratio",
        "--prometheus-metric",
        "seamless_sla_deadline_seconds",
    ]));
    assert_eq!(run.code, 0, "{:#}", run.document);
    let run = JsonRun::of(
        deployment
            .command()
            .args(["--prometheus-metric", "no_such_metric"]),
    );
    assert_eq!(run.code, 1);
    let (verdict, message) = run.check("prometheus/present");
    assert_eq!(verdict, "fail");
    assert!(message.contains("no_such_metric: never seen"), "{message}");

    // A budget that is too small, and a variable that is not set.
    let run = JsonRun::of(deployment.command().args([
        "--budget",
        "total=0.001",
        "--required-env",
        "NO_SUCH",
    ]));
    assert_eq!(run.check("sla/p99").0, "fail");
    assert_eq!(run.check("environment/variables").0, "fail");

    // The runtime goes away: its target is down and its series vanish.
    let Deployment {
        runtime,
        prometheus,
        coordinator,
        alertmanager,
        ..
    } = deployment;
    drop(runtime);
    wait_until(PATIENCE, "the series to end", || {
        prometheus
            .query("coverage_ratio")
            .is_ok_and(|found| found.is_empty())
    })
    .unwrap();
    let mut command = crate::support::program();
    command
        .args(["--prometheus-url", &prometheus.url()])
        .args(["--coordinator-url", &coordinator.url()])
        .args(["--alertmanager-url", &alertmanager.url(), "--max-age", "1s"]);
    let run = JsonRun::of(&mut command);
    assert_eq!(run.code, 1);
    // Prometheus still knows what the target said of its families: nothing happened yet, or it is down.
    let targets = run.check("prometheus/targets").0;
    assert_eq!(targets, "fail", "{:#}", run.document);
    assert_eq!(run.check("prometheus/present").0, "warn");
}

#[test]
fn without_rules_and_alertmanager_nobody_would_be_paged() {
    let deployment = Deployment::start(|builder| builder.rules("groups: []"));
    let run = JsonRun::of(&mut deployment.command());
    assert_eq!(run.code, 1);
    assert_eq!(run.check("alerting/rules-loaded").0, "fail");
    assert_eq!(run.check("alerting/inputs").0, "skip");
}

#[test]
fn the_other_profile_is_no_difference() {
    let golden = shipped("dashboards/profiles/golden_signals.rules.yml");
    let deployment = Deployment::start(|builder| builder.rules(golden));
    let loaded = |arguments: &[&str]| {
        let only = ["--only", "alerting/rules-loaded"];
        let run = JsonRun::of(deployment.command().args(only).args(arguments));
        let (verdict, message) = run.check("alerting/rules-loaded");
        (verdict.to_owned(), message.to_owned())
    };
    for arguments in [&[][..], &["--profile", "golden_signals"]] {
        let (verdict, message) = loaded(arguments);
        assert_eq!(verdict, "pass", "{message}");
        assert!(message.contains("profile golden_signals"), "{message}");
    }
    let (verdict, message) = loaded(&["--profile", "baseline"]);
    assert_eq!(verdict, "warn", "{message}");
    // And the budgets are the profile's.
    let mut check = deployment.command();
    check.args(["--only", "sla/p99", "--wait", "90s", "--interval", "1s"]);
    let run = JsonRun::of(&mut check);
    assert!(
        run.document.to_string().contains("of 4m"),
        "{:#}",
        run.document
    );
}
