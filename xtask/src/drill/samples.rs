//! What Prometheus recorded during the drill, read before it is stopped.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use seamless_core::schema::{MAX_STALENESS_SECONDS, MIN_COVERAGE, Phase, STUCK_RATIO};
use seamless_lab::servers::Prometheus;
use serde::Deserialize;

/// At most that many points per line.
const POINTS: u32 = 400;

/// A question to Prometheus, and how its answer is drawn.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plot {
    pub(super) title: &'static str,
    pub(super) unit: &'static str,
    /// The label that names a line; empty if there is only one.
    pub(super) by: &'static str,
    /// Where an alert's threshold lies.
    pub(super) threshold: Option<f64>,
    pub(super) lines: Vec<Curve>,
}

/// One series over the drill.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Curve {
    pub(super) labels: BTreeMap<String, String>,
    /// Seconds since the epoch, and the value.
    pub(super) points: Vec<(f64, f64)>,
}

/// Everything that the page draws.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Samples {
    /// Seconds since the epoch.
    pub(super) from: f64,
    pub(super) to: f64,
    /// One line per alert and state.
    pub(super) alerts: Vec<Curve>,
    pub(super) plots: Vec<Plot>,
}

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

impl Samples {
    /// Reads what was recorded since `from`.
    pub(super) fn read(
        prometheus: &Prometheus,
        from: SystemTime,
        scrape_interval: Duration,
    ) -> Result<Self> {
        let to = SystemTime::now();
        let took = to.duration_since(from).unwrap_or_default();
        let step = scrape_interval.max(took / POINTS);
        let ask = |expression: &str| range(prometheus, expression, from, to, step);
        // A rate needs a few scrapes.
        let window = format!("{}s", scrape_interval.as_secs().max(1) * 5);
        let plots = QUESTIONS
            .iter()
            .map(|(title, unit, by, threshold, expression)| {
                Ok(Plot {
                    title,
                    unit,
                    by,
                    threshold: *threshold,
                    lines: ask(&expression.replace("{W}", &window))?,
                })
            })
            .collect::<Result<Vec<Plot>>>()?;
        Ok(Self {
            from: seconds(from),
            to: seconds(to),
            alerts: ask(r#"max by (alertname, alertstate, drill) (ALERTS{service="seamless"})"#)?,
            plots,
        })
    }
}

pub(super) fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}

fn range(
    prometheus: &Prometheus,
    expression: &str,
    from: SystemTime,
    to: SystemTime,
    step: Duration,
) -> Result<Vec<Curve>> {
    #[derive(Deserialize)]
    struct RangeAnswer {
        data: RangeData,
    }
    #[derive(Deserialize)]
    struct RangeData {
        result: Vec<RangeElement>,
    }
    #[derive(Deserialize)]
    struct RangeElement {
        metric: BTreeMap<String, String>,
        values: Vec<(f64, String)>,
    }
    let [from, to, step] = [seconds(from), seconds(to), step.as_secs_f64()].map(|n| n.to_string());
    let query = [
        ("query", expression),
        ("start", &from),
        ("end", &to),
        ("step", &step),
    ];
    let text = prometheus.get("/api/v1/query_range", &query)?;
    let answer: RangeAnswer =
        serde_json::from_str(&text).with_context(|| format!("the answer to {expression}"))?;
    Ok(answer
        .data
        .result
        .into_iter()
        .map(|series| Curve {
            labels: series.metric,
            points: series
                .values
                .into_iter()
                .filter_map(|(at, value)| Some((at, value.parse().ok()?)))
                .filter(|(_, value): &(f64, f64)| value.is_finite())
                .collect(),
        })
        .filter(|line| !line.points.is_empty())
        .collect())
}
