//! Whether alerts fail on their way from Prometheus to Alertmanager.

use seamless_core::duration::human;
use seamless_core::paging::{Counters, growth};
use seamless_core::prometheus::InstantSeries;
use seamless_core::rules::WATCHDOG;

use super::held;
use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::{Fact, Gap};
use crate::paging::Facts;
use crate::site::Site;
use crate::verdict::{CheckOutcome, Item, Verdict};

pub(super) const CHECK: Check = Check {
    name: "sent",
    group: Group::Alerting,
    title: "no alert is lost on its way to Alertmanager",
    needs: &[Need::Alertmanager, Need::Prometheus],
    requires: &[],
    severity: Severity::Fail,
    hint: "Prometheus's log names each Alertmanager that it cannot reach",
    anchor: "check-alerting",
    explained: Explained {
        means: "Alerts fail on their way from Prometheus to Alertmanager, or are dropped because the queue is full; or the last reload of Prometheus failed.",
        remedy: "Prometheus's log names the Alertmanager and the error. After a failed reload: `promtool check config`.",
        example: "fail  http://alertmanager:9093/api/v2/alerts: 12 alerts could not be sent there in 10m",
        korean: Korean {
            title: "Alertmanager로 가는 길에 잃는 경보가 없다",
            means: "경보가 Prometheus에서 Alertmanager로 가는 길에 실패하거나, 큐가 가득 차 버려진다. 또는 Prometheus의 마지막 설정 읽기가 실패했다.",
            remedy: "Prometheus의 로그에 Alertmanager와 오류가 나온다. 설정 읽기가 실패했으면 `promtool check config`로 확인한다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    Ok(judge(&site.path().await?))
}

fn value(series: &InstantSeries) -> f64 {
    series.value.map_or(0.0, |sample| sample.value)
}

pub(super) fn judge(facts: &Facts<'_>) -> CheckOutcome {
    let paging = facts.paging;
    let mut items = Vec::new();
    if let Ok(reads) = &paging.prometheus {
        let loaded = reads
            .first
            .single("prometheus_config_last_reload_successful");
        if loaded == Some(0.0) {
            let message = "its last reload failed: it runs with an older configuration";
            items.push(Item::new("configuration", Verdict::Fail, message));
        }
    }
    let said = match (&paging.scraped, &paging.prometheus) {
        (Ok(scraped), _) if !scraped.errors.is_empty() || !scraped.dropped.is_empty() => {
            items.extend(
                scraped
                    .errors
                    .iter()
                    .filter(|series| value(series) > 0.5)
                    .map(|series| {
                        let message =
                            format!("{:.0} alerts could not be sent there in 10m", value(series));
                        Item::new(series.metric.get("alertmanager"), Verdict::Fail, message)
                    }),
            );
            items.extend(
                scraped
                    .dropped
                    .iter()
                    .filter(|series| value(series) > 0.5)
                    .map(|series| {
                        let message = format!("{:.0} alerts dropped in 10m", value(series));
                        Item::new(
                            or(series.metric.get("alertmanager"), "Prometheus"),
                            Verdict::Fail,
                            message,
                        )
                    }),
            );
            "no alert failed or was dropped in 10m".to_owned()
        }
        (_, Ok(reads)) => match &reads.second {
            Some(second) => {
                items.extend(grown(&reads.first, second));
                format!("no alert failed or was dropped in {}", human(reads.apart))
            }
            None if items.is_empty() => return proven(facts),
            None => String::new(),
        },
        // Mimir and Thanos, whose rulers count elsewhere: what arrives is proof enough.
        (_, Err(Gap::NotOffered(_))) => return proven(facts),
        (_, Err(gap)) => return gap.outcome(),
    };
    CheckOutcome::of(items, said)
}

fn or<'t>(text: &'t str, other: &'t str) -> &'t str {
    if text.is_empty() { other } else { text }
}

/// Without a second read, what Alertmanager holds proves that alerts arrive, or nothing does.
fn proven(facts: &Facts<'_>) -> CheckOutcome {
    match held::judge(facts).verdict {
        Verdict::Pass => CheckOutcome::pass(format!("Alertmanager holds a recent {WATCHDOG}")),
        _ => CheckOutcome::not_applicable(
            "Prometheus does not scrape itself; --wait-delivery looks whether alerts fail to be sent",
        ),
    }
}

fn grown(first: &Counters, second: &Counters) -> Vec<Item> {
    let mut items = Vec::new();
    for (name, what) in [
        ("prometheus_notifications_errors_total", "could not be sent"),
        ("prometheus_notifications_dropped_total", "were dropped"),
    ] {
        let by = |counters: &Counters| counters.by(name, "alertmanager");
        for (to, growth) in growth(&by(first), &by(second)) {
            if growth.by > 0.0 {
                let message = format!("{} alerts {what} just now", growth.by);
                items.push(Item::new(or(&to, "Prometheus"), Verdict::Fail, message));
            }
        }
    }
    items
}
