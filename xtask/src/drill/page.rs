//! The drill as one self-contained HTML page: what fired when, the metrics around it, the stages, the notices.
//!
//! The page draws itself: it holds the drill's report and what Prometheus recorded, read before it is stopped.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use seamless_core::schema::{MAX_STALENESS_SECONDS, MIN_COVERAGE, Phase, STUCK_RATIO};
use seamless_lab::servers::Prometheus;
use serde_json::{Value, json};

const PAGE: &str = include_str!("page.html");

/// At most that many points per line.
const POINTS: u32 = 400;

/// The plots: title, unit, label of a line, threshold, expression with `{W}` for a short window.
type Question = (
    &'static str,
    &'static str,
    &'static str,
    Option<f64>,
    &'static str,
);

const QUESTIONS: &[Question] = &[
    (
        "p99 of the whole request, synthetic and real",
        "s",
        "drill",
        Some(Phase::Total.budget_seconds()),
        r#"histogram_quantile(0.99, sum by (le, drill) (rate(seamless_sla_deadline_seconds_bucket{phase="total"}[{W}])))"#,
    ),
    (
        "Completion of the leases that were under way longest",
        "ratio",
        "lease_key",
        Some(STUCK_RATIO),
        "backfill_completion_ratio and topk(6, count_over_time((backfill_completion_ratio < 1)[1h:]))",
    ),
    (
        "Conformance flags",
        "1/s",
        "flag_type",
        None,
        "sum by (flag_type) (rate(seamless_conformance_flag_total[{W}])) > 0",
    ),
    (
        "Staleness of the live feed",
        "s",
        "node_id",
        Some(MAX_STALENESS_SECONDS),
        "max by (node_id) (live_staleness_seconds)",
    ),
    (
        "Coverage",
        "ratio",
        "node_id",
        Some(MIN_COVERAGE),
        "min by (node_id) (coverage_ratio)",
    ),
    (
        "HOLD and PARTIAL_FILL answers",
        "1/s",
        "answer",
        None,
        r#"label_replace(sum(rate(domain_gate_holds_total[{W}])), "answer", "HOLD", "", "") or label_replace(sum(rate(partial_fill_returns_total[{W}])), "answer", "PARTIAL_FILL", "", "")"#,
    ),
    (
        "Tokens of the rate limiters",
        "tokens",
        "limiter",
        Some(1.0),
        "min by (limiter) (seamless_rl_tokens_available)",
    ),
    (
        "p99 of publishing artifacts",
        "ms",
        "",
        Some(30_000.0),
        "histogram_quantile(0.99, sum by (le) (rate(artifact_publish_latency_ms_bucket[{W}])))",
    ),
];

/// The page of a report.
pub(super) fn render(mut report: Value, metrics: Value) -> String {
    report["metrics"] = metrics;
    // Nothing in the data can end the script that it stands in.
    let data = report.to_string().replace('<', "\\u003c");
    PAGE.replace("/*DRILL*/null", &data)
}

/// What was recorded since `from`: Prometheus's own series, for the page.
pub(super) fn metrics(
    prometheus: &Prometheus,
    from: SystemTime,
    scrape_interval: Duration,
) -> Result<Value> {
    let to = SystemTime::now();
    let took = to.duration_since(from).unwrap_or_default();
    let step = scrape_interval.max(took / POINTS).as_secs_f64();
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).map(|at| at.as_secs_f64());
    let (from, to) = (seconds(from)?, seconds(to)?);
    let [start, end, step] = [from, to, step].map(|number| number.to_string());
    let ask = |expression: &str| -> Result<Value> {
        let range = [("start", &*start), ("end", &end), ("step", &step)];
        let query = [&[("query", expression)][..], &range].concat();
        let text = prometheus.get("/api/v1/query_range", &query)?;
        let mut answer: Value =
            serde_json::from_str(&text).with_context(|| format!("the answer to {expression}"))?;
        Ok(answer["data"]["result"].take())
    };
    // A rate needs a few scrapes.
    let window = format!("{}s", scrape_interval.as_secs().max(1) * 5);
    let plots = QUESTIONS.iter().map(|(title, unit, by, threshold, expression)| {
        let lines = ask(&expression.replace("{W}", &window))?;
        Ok(json!({"title": title, "unit": unit, "by": by, "threshold": threshold, "lines": lines}))
    });
    Ok(json!({
        "from": from,
        "to": to,
        "plots": plots.collect::<Result<Vec<Value>>>()?,
        "alerts": ask(r#"max by (alertname, alertstate, drill) (ALERTS{service="seamless"})"#)?,
    }))
}
