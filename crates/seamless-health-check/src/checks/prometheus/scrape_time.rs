//! Whether the targets that export the metrics answer well within the time that a scrape may take.

use seamless_core::duration;
use seamless_core::prometheus::Target;

use super::targets::exposition;
use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::presence::Jobs;
use crate::site::Site;
use crate::verdict::{CheckOutcome, Item, Measured, Verdict};
use crate::words::seconds;

/// The share of the timeout above which the next scrape may well be too slow.
const SLOW_SHARE: f64 = 0.8;

pub(super) const CHECK: Check = Check {
    name: "scrape-time",
    group: Group::Prometheus,
    title: "scrapes end well before their timeout",
    needs: &[Need::Prometheus],
    requires: &["prometheus/queries"],
    severity: Severity::Warn,
    hint: "look for labels that grow without end in the exposition; or raise scrape_timeout, up to scrape_interval",
    anchor: "check-prometheus",
    explained: Explained {
        means: "The last scrape of a target took more than 80 % of its `scrape_timeout`. A scrape that takes longer than that fails as a whole: the target counts as down, and its series have gaps.",
        remedy: "See how much the target exposes: `seamless-health-check --metrics-url URL --only exposition`. If a label grows without end, mend the runtime; if the process is short of CPU, give it more; else raise `scrape_timeout`, which may be as long as `scrape_interval`.",
        example: "warn  http://seamless-1:9100/metrics: the last scrape took 9.1s of 10s",
        korean: Korean {
            title: "스크레이프가 제한 시간보다 충분히 일찍 끝난다",
            means: "타깃의 마지막 스크레이프가 `scrape_timeout`의 80 %를 넘겼다. 제한 시간을 넘긴 스크레이프는 통째로 실패한다. 타깃은 내려간 것으로 보이고 시계열에 빈 구간이 생긴다.",
            remedy: "타깃이 얼마나 많이 노출하는지 본다: `seamless-health-check --metrics-url URL --only exposition`. 끝없이 늘어나는 레이블이 있으면 런타임을 고치고, 프로세스에 CPU가 부족하면 늘린다. 아니면 `scrape_timeout`을 늘린다. `scrape_interval`까지 늘릴 수 있다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    let (jobs, targets) = tokio::join!(site.jobs(), site.targets());
    Ok(judge(jobs?, targets?))
}

fn judge(jobs: &Jobs, targets: &[Target]) -> CheckOutcome {
    let items: Vec<Item> = targets
        .iter()
        .filter(|target| target.health == "up" && jobs.contains(target.labels.get("job")))
        .filter_map(item)
        .collect();
    let longest = items
        .iter()
        .filter_map(|item| item.measured.map(|measured| measured.value))
        .fold(0.0, f64::max);
    if items.is_empty() {
        return CheckOutcome::not_applicable(
            "no scrape target that is up exports the metrics, or the server does not say how long scrapes take",
        );
    }
    let next = exposition(&items);
    CheckOutcome::of(
        items,
        format!("the longest scrape took {}", seconds(longest)),
    )
    .next(next)
}

/// None where the server does not say how long a scrape may take.
fn item(target: &Target) -> Option<Item> {
    let timeout = duration::parse(&target.scrape_timeout).ok()?.as_secs_f64();
    let took = target.last_scrape_duration;
    let verdict = if took > SLOW_SHARE * timeout {
        Verdict::Warn
    } else {
        Verdict::Pass
    };
    let message = format!(
        "the last scrape took {} of {}",
        seconds(took),
        seconds(timeout)
    );
    let measured = Measured {
        value: took,
        unit: "s",
        warn: Some(SLOW_SHARE * timeout),
        fail: None,
    };
    Some(Item::new(&target.scrape_url, verdict, message).measured(measured))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::target;

    #[test]
    fn a_scrape_is_slow_by_its_own_timeout() {
        let jobs = Jobs::from(["seamless".to_owned()]);
        let took = |seconds: f64, timeout: &str| Target {
            last_scrape_duration: seconds,
            scrape_timeout: timeout.to_owned(),
            ..target("seamless", "up")
        };
        for (target, word, message) in [
            (took(0.02, "10s"), "pass", "the longest scrape took 0.02s"),
            (took(8.0, "10s"), "pass", "the longest scrape took 8s"),
            (
                took(9.1, "10s"),
                "warn",
                "http://seamless-1:9100/metrics: the last scrape took 9.1s of 10s",
            ),
            (took(9.1, "15s"), "pass", "the longest scrape took 9.1s"),
            // VictoriaMetrics does not say the timeout.
            (took(9.1, ""), "skip", ""),
            (
                Target {
                    health: "down".to_owned(),
                    ..took(10.0, "10s")
                },
                "skip",
                "",
            ),
        ] {
            let outcome = judge(&jobs, &[target]);
            assert_eq!(outcome.verdict.word(), word, "{outcome:?}");
            assert_eq!(outcome.message, message);
        }
        let other = judge(&Jobs::new(), &[took(9.1, "10s")]);
        assert_eq!(other.verdict.word(), "skip");
    }
}
