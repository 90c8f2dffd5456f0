//! Whether the targets that export the metrics are up.

use seamless_core::prometheus::Target;

use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::presence::Jobs;
use crate::site::Site;
use crate::verdict::{CheckOutcome, Item, Next, Verdict};

pub(super) const CHECK: Check = Check {
    name: "targets",
    group: Group::Prometheus,
    title: "targets that export the metrics are up",
    needs: &[Need::Prometheus],
    requires: &["prometheus/queries"],
    severity: Severity::Fail,
    hint: "look at the target's log and at the network between the two",
    anchor: "check-prometheus",
    explained: Explained {
        means: "A target whose job exports the metrics cannot be scraped. Its metrics are missing from every alert from now on.",
        remedy: "The message is what Prometheus says of its last scrape. Look at the target's log and at the network between the two.",
        example: "fail  http://seamless-1:9100/metrics: down: connection refused",
        korean: Korean {
            title: "메트릭을 내보내는 타깃이 살아 있다(up)",
            means: "메트릭을 내보내는 job의 타깃을 스크레이프할 수 없다. 지금부터 모든 경보에서 그 메트릭이 빠진다.",
            remedy: "메시지는 Prometheus가 마지막 스크레이프에 대해 알리는 내용이다. 타깃의 로그와 둘 사이의 네트워크를 본다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    let (jobs, targets) = tokio::join!(site.jobs(), site.targets());
    Ok(judge(jobs?, targets?))
}

fn judge(jobs: &Jobs, targets: &[Target]) -> CheckOutcome {
    let mine: Vec<_> = targets
        .iter()
        .filter(|target| jobs.is_empty() || jobs.contains(target.labels.get("job")))
        .collect();
    if targets.is_empty() || mine.is_empty() {
        return CheckOutcome::not_applicable(
            "no scrape target exports the metrics (remote write or federation)",
        );
    }
    let items: Vec<Item> = mine
        .iter()
        .map(|target| match target.health.as_str() {
            "up" => Item::new(&target.scrape_url, Verdict::Pass, "up"),
            // Without a series nobody knows whose target it is.
            "down" if jobs.is_empty() => {
                let error = format!(
                    "down: {}; it may be another program's: no target has exported the metrics in the last hour",
                    target.last_error
                );
                Item::new(&target.scrape_url, Verdict::Warn, error)
            }
            "down" => {
                let error = format!("down: {}", target.last_error);
                Item::new(&target.scrape_url, Verdict::Fail, error)
            }
            _ => Item::new(&target.scrape_url, Verdict::Warn, "not scraped yet"),
        })
        .collect();
    let good = match items.len() {
        1 => "1 target up".to_owned(),
        count => format!("{count} targets up"),
    };
    let next = exposition(&items);
    CheckOutcome::of(items, good).next(next)
}

/// The command that asks the first target that does not pass itself.
pub(super) fn exposition(items: &[Item]) -> Option<Next> {
    let target = items.iter().find(|item| item.verdict.is_bad())?;
    let arguments = ["--only", "exposition", "--metrics-url", &target.subject];
    Some(Next::health_check(&arguments))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::target;

    #[test]
    fn a_target_counts_by_the_job_whose_series_the_metrics_are() {
        let seamless = || Jobs::from(["seamless".to_owned()]);
        for (jobs, health, verdict) in [
            (seamless(), "up", Verdict::Pass),
            (seamless(), "down", Verdict::Fail),
            (seamless(), "unknown", Verdict::Warn),
            // Without a series nobody knows whose target it is.
            (Jobs::new(), "down", Verdict::Warn),
        ] {
            let targets = [target("seamless", health)];
            assert_eq!(judge(&jobs, &targets).verdict, verdict, "{jobs:?} {health}");
        }
        for targets in [vec![], vec![target("other", "down")]] {
            let outcome = judge(&seamless(), &targets);
            assert!(matches!(outcome.verdict, Verdict::Skip(_)), "{outcome:?}");
        }
    }
}
