//! Whether the newest samples of each required metric are fresh.

use seamless_core::prometheus::InstantSeries;

use super::declared::{Declared, Exporters};
use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::presence::Presence;
use crate::queries;
use crate::request::RequestedMetric;
use crate::site::Site;
use crate::verdict::{CheckOutcome, Item, Measured, Verdict};
use crate::words::seconds;

pub(super) const CHECK: Check = Check {
    name: "fresh",
    group: Group::Prometheus,
    title: "newest samples are fresh",
    needs: &[Need::Prometheus],
    requires: &["prometheus/queries"],
    severity: Severity::Fail,
    hint: "look at the runtime and at the scrape target; --max-age sets the limit",
    anchor: "check-prometheus",
    explained: Explained {
        means: "The newest sample of a required metric is older than `--max-age` (5m by default): the target is down, the runtime no longer updates it, or remote write lags.",
        remedy: "See `prometheus/targets`, then the runtime's log. If the metric is written rarely by design, give a larger `--max-age`.",
        example: "fail  seamless_total_ms: newest sample 12m old, over 5m",
        korean: Korean {
            title: "가장 최근 샘플이 새것이다",
            means: "필수 메트릭의 가장 최근 샘플이 `--max-age`(기본 5m)보다 오래되었다. 타깃이 내려갔거나, 런타임이 더는 갱신하지 않거나, remote write가 밀린다.",
            remedy: "`prometheus/targets`를 보고 런타임의 로그를 본다. 원래 드물게 기록되는 메트릭이면 `--max-age`를 늘린다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    let (presence, ages, clock, exporters) = tokio::join!(
        site.presence(),
        ages(site),
        site.clock(),
        Exporters::of(site)
    );
    let (presence, ages, clock) = (presence?, ages?, clock?);
    let max_age = site.request.max_age.as_secs_f64();
    let declare = |metric: &RequestedMetric| exporters.declare(metric);
    let metrics = &site.request.metrics;
    let outcome = judge(metrics, presence, &ages, declare, clock, max_age);
    Ok(outcome.next(exporters.exposition()))
}

/// The time of each metric's newest real sample, under the label `metric`.
async fn ages(site: &Site<'_>) -> Fact<Vec<InstantSeries>> {
    // Each name is a selector of its own, which a server takes its time for.
    let live = live(&site.request.metrics, site.series().await?);
    site.instants(&queries::about_each(&live, query)).await
}

/// The metrics that have real series, under the names that do.
fn live(metrics: &[RequestedMetric], presence: &Presence) -> Vec<RequestedMetric> {
    let mut live = metrics.to_vec();
    for metric in &mut live {
        let has_series = |name: &String| presence.real(std::slice::from_ref(name)) > 0.0;
        metric.exposed.retain(has_series);
    }
    live.retain(|metric| !metric.exposed.is_empty());
    live
}

fn query(metrics: &[RequestedMetric]) -> Option<String> {
    // One name at a time: `timestamp` drops the name, and `_sum` and `_count` have the same labels else.
    let of_metric = |metric: &RequestedMetric| {
        let any = queries::newest(metric.tracked.iter().map(String::as_str));
        queries::tagged(&format!("max({any})"), "metric", &metric.name)
    };
    let queries: Vec<String> = metrics.iter().map(of_metric).collect();
    (!queries.is_empty()).then(|| queries.join(" or "))
}

/// `now` is Prometheus's clock, in seconds since the epoch; `ages` are the times of the newest samples.
fn judge(
    metrics: &[RequestedMetric],
    presence: &Presence,
    ages: &[InstantSeries],
    declare: impl Fn(&RequestedMetric) -> Declared,
    now: f64,
    max_age: f64,
) -> CheckOutcome {
    let mut items = Vec::new();
    for metric in metrics {
        let newest = ages
            .iter()
            .find(|series| series.metric.get("metric") == metric.name)
            .and_then(|series| series.value)
            .map(|sample| sample.value)
            .or_else(|| presence.last_seen(&metric.tracked));
        // What was never there cannot be old; `present` says so.
        let Some(newest) = newest else { continue };
        let age = (now - newest).max(0.0);
        // Nor is it old news that nothing has happened since a process started.
        if presence.real(&metric.tracked) == 0.0 && declare(metric) == Declared::Yes {
            continue;
        }
        let verdict = if age > max_age {
            Verdict::Fail
        } else {
            Verdict::Pass
        };
        let limit = seconds(max_age);
        let message = match verdict {
            Verdict::Fail => format!("newest sample {} old, over {limit}", seconds(age)),
            _ => format!("newest sample {} old", seconds(age)),
        };
        items.push(
            Item::new(&metric.name, verdict, message).measured(Measured {
                value: age,
                unit: "s",
                warn: None,
                fail: Some(max_age),
            }),
        );
    }
    if items.is_empty() {
        return CheckOutcome::not_applicable("no requested metric has a sample");
    }
    let oldest = items
        .iter()
        .filter_map(|item| item.measured.map(|measured| measured.value))
        .fold(0.0, f64::max);
    CheckOutcome::of(
        items,
        format!("newest samples at most {} old", seconds(oldest)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::{is_promql, series};

    #[test]
    fn the_query_is_promql() {
        let metrics = [
            RequestedMetric::parse("a").unwrap(),
            RequestedMetric::parse("b:c").unwrap(),
        ];
        is_promql(&query(&metrics).unwrap());
        assert_eq!(query(&[]), None);
    }

    #[test]
    fn a_sample_is_old_by_the_clock_of_prometheus() {
        let metrics = [RequestedMetric::parse("m").unwrap()];
        let newest = |at: f64| vec![series(&[("metric", "m")], at)];
        for (ages, declared, verdict, message) in [
            (
                newest(990.0),
                Declared::No,
                Verdict::Pass,
                "newest samples at most 10s old",
            ),
            // Ahead of the clock is not old.
            (
                newest(1010.0),
                Declared::No,
                Verdict::Pass,
                "newest samples at most 0s old",
            ),
            (
                newest(400.0),
                Declared::No,
                Verdict::Fail,
                "m: newest sample 10m old, over 5m",
            ),
        ] {
            let presence = Presence::default();
            let outcome = judge(&metrics, &presence, &ages, |_| declared, 1000.0, 300.0);
            assert_eq!(
                (outcome.verdict, outcome.message.as_str()),
                (verdict, message)
            );
        }
        // What was never there, or has had no event since its process started, cannot be old.
        for (ages, declared) in [(vec![], Declared::No), (newest(400.0), Declared::Yes)] {
            let presence = Presence::default();
            let outcome = judge(&metrics, &presence, &ages, |_| declared, 1000.0, 300.0);
            assert!(matches!(outcome.verdict, Verdict::Skip(_)), "{outcome:?}");
        }
    }
}
