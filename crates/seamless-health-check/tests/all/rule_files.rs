//! A site's rule file, judged with no server: what its alerts can be at all.

use std::process::Output;

use serde_json::{Value, json};

use crate::support::program;

const QUANTILE: &str =
    "histogram_quantile(0.99, sum by (le) (rate(seamless_sla_deadline_seconds_bucket[5m])))";

/// What the program says of a file with these rules.
fn judged(rules: &[Value]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.yml");
    let file = json!({"groups": [{"name": "a", "rules": rules}]});
    std::fs::write(&path, file.to_string()).unwrap();
    let mut command = program();
    command.arg("--rules").arg(&path);
    command
        .args(["--only", "alerting/can-fire"])
        .output()
        .unwrap()
}

fn alert(expr: &str) -> Value {
    json!({"alert": "A", "expr": expr})
}

#[test]
fn alerts_of_a_file_are_judged_with_no_server() {
    for (expr, code, said) in [
        ("coverage_ratio < 0.98", 0, "can-fire"),
        ("coverage_ratio > 1", 1, "can never fire"),
        ("sum(backfill_completion_ratio) > 5", 0, "can-fire"),
        ("vector(1)", 0, "always fires"),
        ("time() < 0", 1, "its expression cannot be read"),
        ("some_metric > 1", 0, "nothing is known of the metric"),
        (&format!("{QUANTILE} > 601"), 1, "can never fire"),
        (&format!("{QUANTILE} > 60"), 0, "can-fire"),
        (
            "sum by (le) (rate(seamless_sla_deadline_seconds{le=\"1\"}[5m])) > 1",
            0,
            "a comparison of native histograms",
        ),
    ] {
        let output = judged(&[alert(expr)]);
        let text = String::from_utf8(output.stdout).unwrap();
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(said), "{expr}: {text}");
        assert_eq!(output.status.code(), Some(code), "{expr}: {text}");
    }
}

/// An expression nested without end, or a circle of rules, ends by a verdict, never by a signal.
#[test]
fn hostile_rules_end_by_a_verdict() {
    const MANY: usize = 100_000;
    let nested = |open: &str| {
        let (open, close) = (open.repeat(MANY), ")".repeat(MANY));
        format!("{open}coverage_ratio{close} > 1")
    };
    let chained = |operator: &str| vec!["coverage_ratio"; MANY].join(operator) + " > 1";
    let mut files: Vec<Vec<Value>> = [
        nested("("),
        nested("abs("),
        nested("sum("),
        chained(" + "),
        chained(" ^ "),
        chained(" and "),
        chained(" or "),
        "-".repeat(MANY) + "coverage_ratio > 1",
        "(".repeat(MANY),
        "{".repeat(MANY),
    ]
    .iter()
    .map(|expr| vec![alert(expr)])
    .collect();
    let record = |name: String, expr: String| json!({"record": name, "expr": expr});
    let reads = |index: usize| record(format!("r:{index}"), format!("r:{} + 1", index + 1));
    // Recording rules that read themselves and each other.
    files.push(vec![
        record("r:0".into(), "r:0 + r:0".into()),
        alert("r:0 > 1"),
    ]);
    files.push(vec![
        reads(0),
        record("r:1".into(), "r:0".into()),
        alert("r:0 > 1"),
    ]);
    // A chain longer than a stack, rules that each read twice the next, rules that all read each other.
    let chain = (0..5_000).map(reads);
    files.push(chain.chain([alert("r:0 > 1")]).collect());
    let twice = (0..60).map(|index| {
        let next = format!("r:{}", index + 1);
        record(format!("r:{index}"), format!("{next} + {next}"))
    });
    let quantile = record("r:60".into(), format!("{QUANTILE} > 57"));
    files.push(twice.chain([quantile, alert("r:0 > 1")]).collect());
    let names: Vec<String> = (0..100).map(|index| format!("r:{index}")).collect();
    let all = names.join(" + ");
    let each_other = names.iter().map(|name| record(name.clone(), all.clone()));
    files.push(each_other.chain([alert("r:0 > 1")]).collect());
    for rules in &files {
        let output = judged(rules);
        let text = String::from_utf8_lossy(&output.stdout);
        let code = output.status.code();
        let which = rules[0].to_string();
        assert!(
            matches!(code, Some(0..=2)),
            "{}…: {:?}: {text}",
            &which[..which.len().min(60)],
            output.status
        );
    }
}

/// A recording that no alert reads keeps the whole file from being loaded as well.
#[test]
fn a_file_that_prometheus_would_not_load_fails() {
    let output = judged(&[
        alert("coverage_ratio < 0.98"),
        json!({"record": "r", "expr": "sum(a"}),
    ]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("promtool check rules"), "{text}");
    assert_eq!(output.status.code(), Some(1), "{text}");
}

/// What holds no alert is named, with what to give instead.
#[test]
fn a_file_without_an_alert_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.yml");
    for text in [
        "",
        "# to come",
        "groups: []",
        "groups: [{name: a, rules: [{record: r, expr: a}]}]",
    ] {
        std::fs::write(&path, text).unwrap();
        let output = program().arg("--rules").arg(&path).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.contains("empty.yml: no alert in it") && said.contains("rule_files"),
            "{text:?}: {said}"
        );
        assert_eq!(output.status.code(), Some(2), "{text:?}");
    }
}
