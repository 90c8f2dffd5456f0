//! Our reading of rule files, held to promtool.

#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and cannot get fails it"
)]

use std::process::Command;

use seamless_core::rules::RuleFile;
use seamless_lab::servers::{Generation, PROMTOOL};

/// What every Prometheus reads or refuses.
const ALWAYS: &[&str] = &[
    "groups: []",
    "prometheus: {groups: []}",
    "groups: [{name: a}]",
    "groups: [{name: ''}]",
    "groups: [{rules: []}]",
    "groups: [{name: a}, {name: a}]",
    "groups: [{name: a, interval: 30s}]",
    "groups: [{name: a, interval: 30}]",
    "groups: [{name: a, interval: 1.5h}]",
    "groups: [{name: a, interval: 1h30m}]",
    "groups: [{name: a, interval: 30m1h}]",
    "groups: [{name: a, limit: 5}]",
    "groups: [{name: a, partial_response_strategy: warn}]",
    "groups: [{name: a, rules: [{expr: a}]}]",
    "groups: [{name: a, rules: [{alert: A, record: a, expr: a}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: a, for: 10m}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: a, for: 10}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: a, for: 1.5h}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: a, for: 0}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: a, for: soon}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: a, labels: {severity: 1}}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: a, labels: {__name__: x}}]}]",
    "groups: [{name: a, rules: [{record: a, expr: a, for: 1m}]}]",
    "groups: [{name: a, rules: [{record: a, expr: a, annotations: {a: b}}]}]",
    "groups: [{name: a, rules: [{record: 'a:b', expr: a, labels: {c: d}}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: a, severity: critical}]}]",
];

/// What today's Prometheus reads and that of 2023 refuses, or knows nothing of.
const CURRENT: &[&str] = &[
    "groups: [{name: a, labels: {team: x}, rules: [{alert: A, expr: a}]}]",
    "groups: [{name: a, query_offset: 1m}]",
    "groups: [{name: a, query_offset: 60}]",
    "groups: [{name: a, rules: [{alert: A, expr: a, keep_firing_for: 5m}]}]",
    "groups: [{name: a, rules: [{record: a, expr: a, keep_firing_for: 5m}]}]",
    "groups: [{name: ü, labels: {team.name: x, région: y}, rules: [{alert: A, expr: a}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: '{\"my.metric\", \"my.label\"=\"x\"} > 1'}]}]",
    "groups: [{name: a, rules: [{record: rec.ü, expr: a, labels: {my.label: x}}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: a, labels: {'': x}}]}]",
];

fn what_promtool_refuses_is_refused() {
    let promtool = PROMTOOL.require().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.yml");
    let current: &[&str] = match Generation::chosen() {
        Generation::Current => CURRENT,
        Generation::Packaged => &[],
    };
    for text in ALWAYS.iter().chain(current) {
        std::fs::write(&path, text).unwrap();
        let mut command = Command::new(&promtool);
        let theirs = command
            .args(["check", "rules"])
            .arg(&path)
            .output()
            .unwrap();
        let ours = RuleFile::parse(text);
        let said = String::from_utf8_lossy(&theirs.stderr);
        assert_eq!(
            ours.is_ok(),
            theirs.status.success(),
            "{text}\npromtool: {said}\nours: {ours:?}"
        );
    }
}

seamless_lab::on_both_generations!(what_promtool_refuses_is_refused);
