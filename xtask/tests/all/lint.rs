//! Faults planted one by one into what is committed: lint must name each of them, and nothing without
//! them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use xtask::lint::LintSubject;

fn sound() -> LintSubject {
    LintSubject::load(&xtask::root()).unwrap()
}

/// The checks that find something.
fn checks(subject: &LintSubject) -> Vec<&'static str> {
    let mut checks: Vec<&str> = subject
        .findings()
        .unwrap()
        .iter()
        .map(|f| f.check)
        .collect();
    checks.dedup();
    checks
}

#[test]
fn what_is_committed_is_sound() {
    let found = sound().findings().unwrap();
    let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{shown:#?}");
}

#[test]
fn faults_in_rules_are_found() {
    let faults: &[(&str, &str, &str)] = &[
        (
            "unknown-metric",
            "max_over_time(backfill_completion_ratio[30s])",
            "max_over_time(backfill_completion[30s])",
        ),
        (
            "unknown-label",
            "(coverage_ratio)",
            "(coverage_ratio{world=\"w\"})",
        ),
        (
            "unknown-label",
            "sum by (limiter, world_id, drill) (rate",
            "sum by (limiter, node_id, drill) (rate",
        ),
        (
            "unknown-value",
            "{phase=\"live_wait\"}[5m]",
            "{phase=\"live\"}[5m]",
        ),
        (
            "unknown-bucket",
            "le=~\"60([.]0)?\"}[5m]",
            "le=~\"61([.]0)?\"}[5m]",
        ),
        ("bucket-form", "le=~\"60([.]0)?\"}[5m]", "le=\"60\"}[5m]"),
        (
            "unreachable",
            "(coverage_ratio) < 0.98 <",
            "(coverage_ratio) < 0 <",
        ),
        (
            "short-range",
            "increase(backfill_failure_total[15m])",
            "increase(backfill_failure_total[20s])",
        ),
        (
            "one-form",
            "(rate(seamless_rl_dropped_total[2m]) or rate(seamless_rl_dropped[2m]))",
            "(rate(seamless_rl_dropped_total[2m]))",
        ),
        (
            "one-form",
            "increase(gap_repair_latency_ms[15m])",
            "increase(gap_repair_latency_ms_count[15m])",
        ),
        (
            "raw-counter",
            "rate(seamless_rl_dropped_total[2m]) or",
            "seamless_rl_dropped_total or",
        ),
        (
            "raw-counter",
            "backfill_failure_total unless backfill_failure_total offset 15m",
            "backfill_failure_total unless backfill_retry_total offset 15m",
        ),
        (
            "drill-lost",
            "min by (node_id, interval, world_id, drill) (coverage_ratio)",
            "min by (node_id, interval, world_id) (coverage_ratio)",
        ),
        (
            "syntax",
            "min by (node_id, interval, world_id, drill) (coverage_ratio)",
            "min by (node_id (coverage_ratio)",
        ),
        (
            "name-pattern",
            "increase(backfill_failure_total[15m])",
            "increase({__name__=~\"backfill_failure(_total)?\"}[15m])",
        ),
        ("group-name", "name: seamless-serving", "name: serving"),
        (
            "recording-name",
            "record: seamless:backfill_lease:ratio",
            "record: backfill_lease_ratio",
        ),
        ("severity", "severity: critical", "severity: page"),
        (
            "service",
            "service: seamless\n      severity: critical",
            "severity: critical",
        ),
        ("annotation", "summary: Alerting works", "summary: ''"),
        (
            "annotation",
            "is {{ $value | humanizeDuration }} old",
            "is old",
        ),
        (
            "runbook",
            "runbook.md#seamlesscoveragelow",
            "runbook.md#coverage",
        ),
        (
            "dashboard-url",
            "/d/seamless-conformance-quality?",
            "/d/seamless-conformance?",
        ),
        (
            "untested",
            "alert: SeamlessCoverageLow",
            "alert: SeamlessCoverageBad",
        ),
    ];
    let sound = sound();
    for (check, from, to) in faults {
        let mut subject = sound.clone();
        assert!(subject.rules.contains(from), "nothing to plant in: {from}");
        subject.rules = subject.rules.replacen(from, to, 1);
        // The fault is not theirs; without them it is found faster.
        subject.dashboards.clear();
        let found = checks(&subject);
        assert!(
            found.contains(check),
            "{check} not found in {to}, only {found:?}"
        );
    }
}

#[test]
fn an_alert_whose_tests_never_fire_it_or_always_do_is_found() {
    let mut subject = sound();
    // Other files hold the alert quiet, too.
    subject.rule_tests.retain(|name, _| name == "latency.yml");
    let finds_it = |subject: &LintSubject| {
        let findings = subject.findings().unwrap();
        let mut found = findings.iter().map(ToString::to_string);
        found.any(|line| line.contains("untested") && line.contains("SeamlessArtifactPublishSlow"))
    };
    assert!(!finds_it(&subject));
    let latency = subject.rule_tests["latency.yml"].clone();
    let always = latency
        .replace("exp_samples: []", "exp_samples: [1]")
        .replace("exp_alerts: []", "exp_alerts: [1]");
    for planted in ["tests: []".to_owned(), always] {
        assert_ne!(planted, latency);
        subject.rule_tests.insert("latency.yml".into(), planted);
        assert!(finds_it(&subject));
    }
}

type Plant = fn(&mut Value);

#[test]
fn faults_in_dashboards_are_found() {
    let faults: &[(&str, Plant)] = &[
        ("title", |d| d["panels"][1]["title"] = json!("")),
        ("title", |d| {
            d["panels"][1]["title"] = d["panels"][2]["title"].clone()
        }),
        ("title", |d| d["title"] = json!("")),
        ("description", |d| {
            d["panels"][1]["description"] = json!("TODO")
        }),
        ("unit", |d| {
            d["panels"][1]["fieldConfig"]["defaults"]["unit"] = json!("secs")
        }),
        ("datasource", |d| {
            d["panels"][1]["datasource"]["uid"] = json!("abc")
        }),
        ("datasource", |d| {
            d["panels"][1]["targets"][0]["datasource"]["uid"] = json!("abc")
        }),
        ("datasource", |d| {
            d["templating"]["list"][0]["name"] = json!("source")
        }),
        ("queries", |d| d["panels"][1]["targets"] = json!([])),
        ("queries", |d| {
            d["panels"][4]["targets"][1]["refId"] = json!("A")
        }),
        ("grid", |d| d["panels"][1]["gridPos"]["x"] = json!(1)),
        ("grid", |d| d["panels"][1]["gridPos"]["w"] = json!(25)),
        ("grid", |d| d["panels"][1]["gridPos"]["w"] = json!(2)),
        ("id", |d| d["panels"][1]["id"] = json!(1)),
        ("uid", |d| d["uid"] = json!("x".repeat(41))),
        ("editable", |d| d["editable"] = json!(true)),
        ("links", |d| d["links"] = json!([])),
        ("links", |d| {
            let url = d["links"][0]["url"].as_str().unwrap();
            // Only this dashboard has it.
            d["links"][0]["url"] = json!(format!("{url}&${{percentile:queryparam}}"));
        }),
        ("sorting", |d| {
            d["panels"][5]["options"]["sortBy"] = json!([]);
        }),
        ("sorting", |d| {
            d["panels"][5]["options"]["sortBy"][0]["displayName"] = json!("severity");
        }),
        ("variable", |d| {
            d["templating"]["list"][1]["refresh"] = json!(1)
        }),
        ("variable", |d| {
            d["templating"]["list"][1]["multi"] = json!(false)
        }),
        ("variable", |d| {
            d["panels"][1]["targets"][0]["expr"] =
                json!("coverage_ratio{node_id=~\"$node\", drill=~\"$drill\"}")
        }),
        ("variable", |d| {
            d["templating"]["list"][4]["name"] = json!("unused")
        }),
        ("unknown-metric", |d| {
            d["panels"][1]["targets"][0]["expr"] = json!("no_such_metric{drill=~\"$drill\"}")
        }),
        ("syntax", |d| {
            d["panels"][1]["targets"][0]["expr"] = json!("sum(")
        }),
        ("drill-shown", |d| {
            d["panels"][1]["targets"][0]["expr"] = json!("coverage_ratio")
        }),
        ("raw-counter", |d| {
            d["panels"][1]["targets"][0]["expr"] =
                json!("seamless_rl_dropped_total{drill=~\"$drill\"}")
        }),
        ("rate-interval", |d| {
            d["panels"][1]["targets"][0]["expr"] =
                json!("rate(seamless_rl_dropped_total{drill=~\"$drill\"}[5m])")
        }),
        ("unknown-metric", |d| {
            d["annotations"]["list"][1]["expr"] = json!("ALARMS{drill=~\"$drill\"}")
        }),
    ];
    let mut sound = sound();
    // The faults are not theirs; without them they are found faster.
    sound.rule_tests.clear();
    for (at, (check, plant)) in faults.iter().enumerate() {
        let mut subject = sound.clone();
        let dashboards = &mut subject.dashboards;
        plant(dashboards.get_mut("seamless-sla-overview.json").unwrap());
        let found = checks(&subject);
        assert!(
            found.contains(check),
            "fault {at}: {check} not found, only {found:?}"
        );
    }
}
