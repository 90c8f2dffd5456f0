//! Whether the ranges of the rules cover two scrapes, and are kept.

use std::collections::BTreeSet;
use std::time::Duration;

use seamless_core::duration;
use seamless_core::prometheus::{LoadedGroup, Target};
use seamless_core::rules::RuleFile;

use super::items::push;
use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::presence::Jobs;
use crate::site::Site;
use crate::verdict::{CheckOutcome, Item, Verdict};

pub(super) const CHECK: Check = Check {
    name: "ranges",
    group: Group::Alerting,
    title: "ranges of rules cover two scrapes, and Prometheus keeps them",
    needs: &[Need::Prometheus],
    requires: &["alerting/rules-loaded"],
    severity: Severity::Fail,
    hint: "scrape the runtime more often; let Prometheus keep 35 days: --storage.tsdb.retention.time=35d",
    anchor: "check-alerting",
    explained: Explained {
        means: "The range of a rule is shorter than two scrapes, so that `rate()` has nothing to compare: the alert never fires, or (a warning) has no value now and then. Or the range is longer than Prometheus keeps samples (a warning): the error budget is then that of less than 30 days.",
        remedy: "Scrape the runtime more often (`scrape_interval`), or widen the ranges of the rules. Let Prometheus keep 35 days: `--storage.tsdb.retention.time=35d`.",
        example: "fail  SeamlessBackfillFailing: can never fire: its range 1m covers fewer than two scrapes of 1m",
        korean: Korean {
            title: "범위가 스크레이프 두 번을 덮고 보관 기간 안에 있다",
            means: "규칙의 범위가 스크레이프 두 번보다 짧다. `rate()`가 비교할 것이 없어 경보가 울리지 않거나, 때때로 값이 없다(경고). 또는 범위가 Prometheus의 보관 기간보다 길다(경고): 오류 예산이 30일보다 짧은 기간의 값이 된다.",
            remedy: "런타임을 더 자주 스크레이프하거나(`scrape_interval`) 규칙의 범위를 넓힌다. Prometheus가 35일 동안 보관하게 한다: `--storage.tsdb.retention.time=35d`.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    let client = site.prometheus()?;
    let (rules, targets, jobs, retention) = tokio::join!(
        site.rules(),
        site.targets(),
        site.jobs(),
        site.answer(client.retention())
    );
    // Servers that do not say it are not asked to keep anything.
    let retention = retention.ok().flatten();
    let names = site.request.alert_names();
    Ok(judge(rules?, targets?, jobs?, retention, &names))
}

fn judge(
    groups: &[LoadedGroup],
    targets: &[Target],
    jobs: &Jobs,
    retention: Option<Duration>,
    names: &BTreeSet<&str>,
) -> CheckOutcome {
    let scrape = targets
        .iter()
        .filter(|target| jobs.contains(target.labels.get("job")))
        .filter_map(|target| duration::parse(&target.scrape_interval).ok())
        .max();
    let rules = RuleFile::loaded(groups);
    let mut items = Vec::new();
    let ours = rules
        .rules()
        .filter(|rule| names.contains(rule.name.as_str()) || rule.name.starts_with("seamless:"));
    for rule in ours {
        let Ok(query) = rule.expr.query() else {
            continue;
        };
        let kept = retention.and_then(|kept| beyond(query.longest_range()?, kept));
        let shortest = query.two_sample_ranges().into_iter().min();
        let scraped = shortest
            .zip(scrape)
            .map(|(range, scrape)| scraped(range, scrape));
        for (verdict, message) in [scraped, kept].into_iter().flatten() {
            push(&mut items, Item::new(&rule.name, verdict, message));
        }
    }
    match scrape {
        None if items.is_empty() => CheckOutcome::not_applicable(
            "no scrape target exports the metrics, so there is no scrape interval",
        ),
        None => CheckOutcome::of(items, ""),
        Some(scrape) => {
            let scrape = duration::human(scrape);
            CheckOutcome::of(items, format!("every range covers two scrapes of {scrape}"))
        }
    }
}

/// Whether a range reaches further back than samples are kept.
fn beyond(range: Duration, kept: Duration) -> Option<(Verdict, String)> {
    (range > kept && !kept.is_zero()).then(|| {
        let (range, kept) = (duration::human(range), duration::human(kept));
        let message = format!(
            "looks back {range}, but Prometheus keeps {kept}: its value is that of {kept} at most"
        );
        (Verdict::Warn, message)
    })
}

/// How many scrapes a range that needs two of them covers.
fn scraped(range: Duration, scrape: Duration) -> (Verdict, String) {
    let (range_text, scrape_text) = (duration::human(range), duration::human(scrape));
    if range <= scrape {
        let message = format!(
            "can never fire: its range {range_text} covers fewer than two scrapes of {scrape_text}"
        );
        (Verdict::Fail, message)
    } else if range < 2 * scrape {
        let message = format!(
            "its range {range_text} covers two scrapes of {scrape_text} only now and then: in between it has no value, and `for` starts anew"
        );
        (Verdict::Warn, message)
    } else if range == 2 * scrape {
        // From Prometheus 3.0 on: a range is open on the left.
        let message = format!(
            "its range {range_text} holds just two scrapes of {scrape_text}: where one is late it has no value, and `for` starts anew"
        );
        (Verdict::Warn, message)
    } else {
        (Verdict::Pass, format!("range {range_text}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_needs_two_scrapes_at_any_time() {
        let of = |range, scrape| scraped(Duration::from_secs(range), Duration::from_secs(scrape)).0;
        for (range, scrape, verdict) in [
            (59, 60, Verdict::Fail),
            (60, 60, Verdict::Fail),
            (61, 60, Verdict::Warn),
            (119, 60, Verdict::Warn),
            (120, 60, Verdict::Warn),
            (121, 60, Verdict::Pass),
            (300, 60, Verdict::Pass),
        ] {
            assert_eq!(of(range, scrape), verdict, "{range} of {scrape}");
        }
    }

    #[test]
    fn a_range_longer_than_what_is_kept_is_a_warning() {
        const DAY: u64 = 86_400;
        let of = |range, kept| beyond(Duration::from_secs(range), Duration::from_secs(kept));
        assert_eq!(of(30 * DAY, 30 * DAY), None);
        // Zero is no limit.
        assert_eq!(of(30 * DAY, 0), None);
        let (verdict, message) = of(30 * DAY, 15 * DAY).unwrap();
        assert_eq!(verdict, Verdict::Warn);
        assert!(
            message.contains("looks back 30d, but Prometheus keeps 15d"),
            "{message}"
        );
    }
}
