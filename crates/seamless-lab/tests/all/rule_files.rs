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
    // Nothing, in the forms in which it can be written.
    "",
    "# nothing but a comment",
    "{}",
    "groups:",
    "groups: [{name: a, rules: }]",
    "groups: [{name: a, interval: , rules: [{alert: A, expr: a, for: , labels: , annotations: }]}]",
    "groups: [{name: a, interval: ''}]",
    "groups: [{name: }]",
    "groups: [null]",
    "groups: [{name: a, rules: [null]}]",
    // Other types than the ones that are asked for.
    "groups: {name: a}",
    "groups: [a]",
    "rules",
    "groups: [{name: 5, rules: [{alert: 6, expr: 7}]}]",
    "groups: [{name: a, limit: x}]",
    "groups: [{name: a, limit: -1}]",
    "groups: [{name: a, limit: 1.5}]",
    "groups: [{name: a, limit: '5'}]",
    "groups: [{name: a, rules: [{alert: A, expr: [a]}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: a, labels: [b]}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: a, labels: {b: true, c: 1.5, d: }}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: a, labels: {b: {c: d}}}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: a, annotations: {b: 1}}]}]",
    // Names.
    "groups: [{name: a, rules: [{alert: '', expr: a}]}]",
    "groups: [{name: a, rules: [{record: '', expr: a}]}]",
    "groups: [{name: a, rules: [{alert: 'two words', expr: a}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: a}, {alert: A, expr: a}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: a, annotations: {'': b}}]}]",
    // Durations.
    "groups: [{name: a, rules: [{alert: A, expr: a, for: 1d}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: a, for: 1w2d3h4m5s6ms}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: a, for: 1m1m}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: a, for: -5m}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: a, for: ' 5m'}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: a, for: '5m '}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: a, for: 5 m}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: a, for: 5M}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: a, for: 100y}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: a, for: 1000y}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: a, for: 0s}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: a, for: '0'}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: a, for: 00}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: a, for: 5min}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: a, for: PT5M}]}]",
    "groups: [{name: a, interval: 0s}]",
    "groups: [{name: a, interval: '0'}]",
    // Expressions.
    "groups: [{name: a, rules: [{alert: A}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: ''}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: 'a >'}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: 'a[5m]'}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: 'sum(a'}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: 'rate(a)'}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: 'no_function(a)'}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: 'rate(a[1m:30s])'}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: '1 + vector(1)'}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: 'a{b=~\"(\"}'}]}]",
    // YAML.
    "groups: [{name: a, name: b}]",
    "groups: []\ngroups: []",
    "x: &x {alert: A, expr: a}\ngroups: [{name: a, rules: [*x]}]",
    "groups: [{name: a, rules: [{alert: A, expr: a, labels: &l {b: c}}, {alert: B, expr: a, labels: *l}]}]",
    "groups: [{name: a, rules: [{alert: A, expr: a, labels: {b: c, b: d}}]}]",
    "groups: [{name: a",
    "---\ngroups: []\n...\n",
    "groups: [{name: a, rules: [{alert: A, expr: |\n  a >\n  1\n}]}]",
    "groups:\n- name: a\n  rules:\n  - alert: A\n    expr: |\n      a >\n        1\n    for: 5m\n",
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
    let mut differ = Vec::new();
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
        // An expression that cannot be read does not keep the others from being judged; it is a finding.
        let is_read = ours.as_ref().is_ok_and(|file| {
            let mut rules = file.rules();
            rules.all(|rule| rule.expr.query().is_ok())
        });
        if is_read != theirs.status.success() {
            differ.push(format!("{text}\npromtool: {said}\nours: {ours:?}"));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n\n"));
}

seamless_lab::on_both_generations!(what_promtool_refuses_is_refused);
