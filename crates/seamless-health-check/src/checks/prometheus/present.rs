//! Whether each required metric has series, or had lately.

use super::declared::{Declared, Exporters};
use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::presence::Presence;
use crate::request::RequestedMetric;
use crate::site::Site;
use crate::verdict::{CheckOutcome, Item, Measured, Verdict};
use crate::words::{listed, seconds};

pub(super) const CHECK: Check = Check {
    name: "present",
    group: Group::Prometheus,
    title: "required metrics have series",
    needs: &[Need::Prometheus],
    requires: &["prometheus/queries"],
    severity: Severity::Fail,
    hint: "check the runtime's /metrics with --metrics-url, and that a target scrapes it",
    anchor: "check-prometheus",
    explained: Explained {
        means: "A required metric has no real series. *Never seen*: the runtime does not expose it, or no target is scraped. *Vanished*: it had series within the last day. *Only synthetic series*: nothing but a drill's. A family that a target declares and that had no event yet passes.",
        remedy: "Look at the exposition itself: `seamless-health-check --metrics-url URL --only exposition`. Then see in Prometheus (Status, Targets) whether that target is scraped.",
        example: "fail  seamless_total_ms: never seen in the last day",
        korean: Korean {
            title: "필수 메트릭에 시계열이 있다",
            means: "필수 메트릭에 실제 시계열이 없다. *never seen*: 런타임이 노출하지 않거나 스크레이프하는 타깃이 없다. *vanished*: 지난 하루 안에는 있었다. *only synthetic series*: 훈련의 시계열뿐이다. 타깃이 선언했지만 아직 이벤트가 없는 패밀리는 통과한다.",
            remedy: "노출 텍스트를 직접 본다: `seamless-health-check --metrics-url URL --only exposition`. 그다음 Prometheus(Status, Targets)에서 그 타깃을 스크레이프하는지 확인한다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    let (presence, exporters) = tokio::join!(site.presence(), Exporters::of(site));
    let presence = presence?;
    let now = if presence.last_seen.is_empty() {
        site.now
    } else {
        site.clock().await.unwrap_or(site.now)
    };
    let max_age = site.request.max_age.as_secs_f64();
    let metrics = &site.request.metrics;
    let items = metrics
        .iter()
        .map(|metric| judge(metric, presence, exporters.declare(metric), now, max_age))
        .collect();
    let outcome = CheckOutcome::of(
        items,
        format!("all {} required metrics have series", metrics.len()),
    );
    Ok(outcome.next(exporters.exposition()))
}

/// `now` is Prometheus's clock, in seconds since the epoch; `max_age` is in seconds.
fn judge(
    metric: &RequestedMetric,
    presence: &Presence,
    declared: Declared,
    now: f64,
    max_age: f64,
) -> Item {
    let count = presence.real(&metric.tracked);
    let item = |verdict, message: String| {
        Item::new(&metric.name, verdict, message).measured(Measured {
            value: count,
            unit: "",
            warn: None,
            fail: None,
        })
    };
    if count > 0.0 {
        return item(Verdict::Pass, format!("{count} series"));
    }
    if let Some(last) = presence.last_seen(&metric.tracked) {
        let age = now - last;
        if age <= max_age {
            return item(Verdict::Pass, format!("last sample {} ago", seconds(age)));
        }
        if declared == Declared::Yes {
            let age = seconds(age);
            let message =
                format!("no event yet since its process started (the last one {age} ago)");
            return item(Verdict::Pass, message);
        }
        return item(
            Verdict::Fail,
            format!(
                "vanished: no series now, the last about {} ago",
                seconds(age)
            ),
        );
    }
    let drills = presence.drills(&metric.tracked);
    if !drills.is_empty() {
        let message = format!("only synthetic series (drill {})", listed(&drills));
        return item(Verdict::Fail, message);
    }
    match declared {
        Declared::Yes => item(Verdict::Pass, "no event yet".to_owned()),
        Declared::Perhaps => item(
            Verdict::Warn,
            "no series: no event yet, or its target is down".to_owned(),
        ),
        Declared::No => item(Verdict::Fail, "never seen in the last day".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_of_not_being_there_is_told_apart() {
        let metric = RequestedMetric::parse("m").unwrap();
        let name = |drill: &str| ("m".to_owned(), drill.to_owned());
        let now = |drill: &str| Presence {
            now: [(name(drill), 2.0)].into(),
            ..Presence::default()
        };
        let seen = |at: f64| Presence {
            last_seen: [("m".to_owned(), at)].into(),
            ..Presence::default()
        };
        let never = Presence::default();
        for (presence, declared, verdict, message) in [
            (now(""), Declared::No, Verdict::Pass, "2 series"),
            (
                now("d1"),
                Declared::Yes,
                Verdict::Fail,
                "only synthetic series (drill d1)",
            ),
            (
                seen(990.0),
                Declared::No,
                Verdict::Pass,
                "last sample 10s ago",
            ),
            (
                seen(400.0),
                Declared::No,
                Verdict::Fail,
                "vanished: no series now, the last about 10m ago",
            ),
            (
                seen(400.0),
                Declared::Yes,
                Verdict::Pass,
                "no event yet since its process started (the last one 10m ago)",
            ),
            (never.clone(), Declared::Yes, Verdict::Pass, "no event yet"),
            (
                never.clone(),
                Declared::Perhaps,
                Verdict::Warn,
                "no series: no event yet, or its target is down",
            ),
            (
                never,
                Declared::No,
                Verdict::Fail,
                "never seen in the last day",
            ),
        ] {
            let item = judge(&metric, &presence, declared, 1000.0, 300.0);
            assert_eq!((item.verdict, item.message.as_str()), (verdict, message));
        }
    }
}
