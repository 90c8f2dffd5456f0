//! Fleets whose nodes expose the SLA in buckets, as native histograms, or both: what the rules fire, what the
//! panels show and what the program says of one fleet on a live server. Each request counts once.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::compatible::write;
use crate::support::{JsonRun, PATIENCE, program, quick_rules, shipped};
use seamless_core::remote_write::{
    BucketSpan, NativeHistogram, TimeSeries, WriteRequest, WriteSample, labels,
};
use seamless_lab::servers::Prometheus;
use seamless_lab::wait_until;
use serde_json::Value;

const SLA: &str = "seamless_sla_deadline_seconds";
const STEP_MS: i64 = 15_000;
const STEPS: u64 = 20;
/// Requests per node and step.
const REQUESTS: u64 = 10;
/// The bucket of schema 0 that holds 6 s: up to 2^3.
const FAST: i32 = 3;
/// And 200 s.
const SLOW: i32 = 8;

struct Fleet {
    times: Vec<i64>,
    series: Vec<TimeSeries>,
}

impl Fleet {
    fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let now = i64::try_from(now.as_millis()).unwrap();
        let steps = i64::try_from(STEPS).unwrap();
        Self {
            times: (0..=steps).rev().map(|back| now - back * STEP_MS).collect(),
            series: Vec::new(),
        }
    }

    fn classic(&mut self, name: &str, node: &str, phase: &str, le: &str, per_step: u64) {
        let name = format!("{SLA}{name}");
        let mut pairs = vec![
            ("__name__", name.as_str()),
            ("job", "seamless"),
            ("node_id", node),
            ("phase", phase),
        ];
        if !le.is_empty() {
            pairs.push(("le", le));
        }
        let samples = (0..).zip(&self.times).map(|(step, time)| WriteSample {
            value: (step * per_step) as f64,
            timestamp: *time,
        });
        self.series.push(TimeSeries {
            labels: labels(pairs.iter().copied()),
            samples: samples.collect(),
            histograms: Vec::new(),
        });
    }

    /// A node with these buckets, each with its requests per step.
    fn in_buckets(&mut self, node: &str, phase: &str, buckets: &[(&str, u64)]) {
        for (le, per_step) in buckets {
            self.classic("_bucket", node, phase, le, *per_step);
        }
        let all = buckets.last().map_or(0, |(_, per_step)| *per_step);
        self.classic("_count", node, phase, "", all);
        self.classic("_sum", node, phase, "", all * 6);
    }

    /// A native node whose process starts anew after so many steps.
    fn native(
        &mut self,
        node: &str,
        phase: &str,
        bucket: i32,
        per_step: u64,
        restart: Option<u64>,
    ) {
        let histograms = (0..).zip(&self.times).map(|(step, time)| {
            let since = match restart {
                Some(at) if step >= at => step - at,
                _ => step,
            };
            // Idle nodes have had requests once.
            let count = if per_step == 0 { 7 } else { since * per_step };
            NativeHistogram {
                count,
                sum: count as f64 * 0.75 * 2_f64.powi(bucket),
                schema: 0,
                zero_threshold: 1e-9,
                positive_spans: vec![BucketSpan {
                    offset: bucket,
                    length: 1,
                }],
                positive_deltas: vec![i64::try_from(count).unwrap()],
                timestamp: *time,
            }
        });
        let pairs = [
            ("__name__", SLA),
            ("job", "seamless"),
            ("node_id", node),
            ("phase", phase),
        ];
        self.series.push(TimeSeries {
            labels: labels(pairs.iter().copied()),
            samples: Vec::new(),
            histograms: histograms.collect(),
        });
    }
}

/// The shipped rules, evaluated every second and firing at once.
fn hasty() -> String {
    quick_rules().replace("    for: 5m", "    for: 0s")
}

/// What the panels of the SLA overview ask, with every variable filled in.
fn panels() -> Vec<String> {
    fn expressions(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    match value {
                        Value::String(text) if name == "expr" => found.push(text.clone()),
                        other => expressions(other, found),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| expressions(value, found)),
            _ => {}
        }
    }
    let text = shipped("dashboards/rendered/seamless-sla-overview.json");
    let mut found = Vec::new();
    expressions(&serde_json::from_str(&text).unwrap(), &mut found);
    for expr in &mut found {
        for (variable, value) in [
            ("$percentile", "0.99"),
            ("$__rate_interval", "5m"),
            ("$__range", "5m"),
            ("$__interval", "15s"),
            ("${drill:regex}", ""),
            ("$drill", ""),
        ] {
            *expr = expr.replace(variable, value);
        }
        // Every other variable selects everything.
        while let Some(at) = expr.find('$') {
            let end = expr[at..].find(['"', ')', ' ', ',']).unwrap() + at;
            expr.replace_range(at..end, ".*");
        }
    }
    found
}

fn value(server: &Prometheus, expression: &str) -> Option<f64> {
    let found = server.query(expression).unwrap();
    found.first().map(|sample| sample.value)
}

fn both_forms_are_counted_and_then_divided() {
    let server = Prometheus::builder()
        .native_histograms()
        .remote_write_receiver()
        .rules(hasty())
        .start()
        .unwrap();
    let mut fleet = Fleet::new();
    let all = REQUESTS;
    // One healthy node with buckets, nine native ones over budget, of which one restarts.
    fleet.in_buckets(
        "n0",
        "total",
        &[("60.0", all), ("600.0", all), ("+Inf", all)],
    );
    for node in 1..=9 {
        let restart = (node == 5).then_some(STEPS / 2);
        fleet.native(&format!("n{node}"), "total", SLOW, all, restart);
    }
    // Idle ones, of either form.
    fleet.in_buckets("idle", "total", &[("60.0", 0), ("600.0", 0), ("+Inf", 0)]);
    fleet.native("idle native", "total", SLOW, 0, None);
    // Both forms: judged by the bucket at its budget, or without one by the native form. The forms differ, so
    // that it shows which of them counts.
    fleet.in_buckets(
        "both",
        "total",
        &[("60.0", all), ("600.0", all), ("+Inf", all)],
    );
    fleet.native("both", "total", SLOW, all, None);
    fleet.in_buckets("both, no edge", "total", &[("10.0", 0), ("+Inf", all)]);
    fleet.native("both, no edge", "total", SLOW, all, None);
    // The quantile of idle buckets is NaN, and hides nothing.
    fleet.in_buckets(
        "idle",
        "live_wait",
        &[("5.0", 0), ("600.0", 0), ("+Inf", 0)],
    );
    fleet.native("n1", "live_wait", SLOW, all, None);
    // One slow native request in more than a hundred is within what the objective allows.
    let many = 1000;
    fleet.in_buckets(
        "n0",
        "storage_wait",
        &[("3.0", many), ("600.0", many), ("+Inf", many)],
    );
    fleet.native("n1", "storage_wait", SLOW, 1, None);
    // And a healthy native node beside a healthy one with buckets.
    fleet.in_buckets(
        "n0",
        "backfill_wait",
        &[("45.0", all), ("600.0", all), ("+Inf", all)],
    );
    fleet.native("n1", "backfill_wait", FAST, all, None);
    let request = WriteRequest {
        timeseries: fleet.series,
    };
    write(&server, &request);

    // The rules: of twelve nodes with traffic ten are over budget.
    let firing = |alert: &str, labels: &str| {
        let query = format!(
            "count by (phase) (ALERTS{{alertname=\"{alert}\",alertstate=\"firing\"{labels}}})"
        );
        let found = server.query(&query).unwrap();
        let phases = found.iter().map(|sample| sample.labels["phase"].clone());
        let mut phases: Vec<String> = phases.collect();
        phases.sort();
        phases
    };
    let slow = ["live_wait", "total"];
    wait_until(PATIENCE, "the alerts", || {
        firing("SeamlessSla99thDegraded", "") == slow
            && firing("SeamlessSlaErrorBudgetBurn", ",long_window=\"1h\"") == slow
    })
    .unwrap();
    let ratio = |phase: &str| {
        value(
            &server,
            &format!("seamless:sla_error:ratio_rate5m{{phase=\"{phase}\"}}"),
        )
    };
    let near = |found: Option<f64>, expected: f64| {
        let found = found.unwrap_or(f64::NAN);
        assert!((found - expected).abs() < 0.01, "{found}, not {expected}");
    };
    near(ratio("total"), 10.0 / 12.0);
    near(ratio("live_wait"), 1.0);
    near(ratio("storage_wait"), 0.001);
    near(ratio("backfill_wait"), 0.0);
    assert_eq!(
        value(&server, "sum(seamless:sla_series_without_edge:count)"),
        None
    );

    // The panels: each is answered, and what they show of the total is of both forms.
    let mut shown = Vec::new();
    for expr in panels() {
        let answer = server.get("/api/v1/query", &[("query", &expr)]);
        assert!(answer.is_ok(), "{expr}: {answer:?}");
        let of_phase = |phase: &str| {
            expr.contains(&format!(
                "histogram_quantile(0.99, sum by (le, drill) (rate({SLA}_bucket{{phase=\"{phase}\""
            ))
        };
        if of_phase("total") || of_phase("live_wait") {
            let p99 = value(&server, &expr).unwrap();
            // The higher of the two forms' quantiles; buckets that lack an edge end at the top one.
            assert!((128.0..=600.0).contains(&p99), "{expr}: {p99}");
            shown.push(expr);
        } else if expr.contains("sla_observations_over_budget:rate5m") {
            let total = server.query(&expr).unwrap();
            let total = total
                .iter()
                .find(|sample| sample.labels["phase"] == "total")
                .unwrap();
            let all = "seamless:sla_observations:rate5m{phase=\"total\"}";
            let share = total.value / value(&server, all).unwrap();
            assert!((share - 10.0 / 12.0).abs() < 0.1, "{share}");
            shown.push(expr);
        }
    }
    assert!(shown.len() >= 3, "{shown:#?}");

    // The program; a budget of its own is judged from the histograms, since nothing is recorded for it.
    for budget in ["total=60", "total=61"] {
        let run = JsonRun::of(
            program()
                .args(["--prometheus-url", &server.url()])
                .args(["--only", "sla", "--budget", budget]),
        );
        let checks = run.document["checks"].as_array().unwrap();
        let item = |check: &str, subject: &str| {
            let check = checks.iter().find(|found| found["id"] == check).unwrap();
            let items = check["items"].as_array().unwrap();
            let found = items.iter().find(|item| item["subject"] == subject);
            found.cloned().unwrap_or_default()
        };
        for (phase, is_over) in [
            ("total", true),
            ("live_wait", true),
            ("storage_wait", false),
            ("backfill_wait", false),
        ] {
            let found = item("sla/p99", phase);
            assert_eq!(found["verdict"] == "fail", is_over, "{budget}: {found}");
        }
        if budget == "total=61" {
            // No bucket ends there: native ones are judged alone, and two nodes have no other form.
            let total = item("sla/error-budget", "total")["message"].to_string();
            assert!(
                total.contains("100.00 % of requests over budget"),
                "{total}"
            );
            let outside = item("sla/error-budget", "outside")["message"].to_string();
            assert!(outside.contains("2 series"), "{outside}");
        }
    }
}

seamless_lab::on_both_generations!(both_forms_are_counted_and_then_divided);
