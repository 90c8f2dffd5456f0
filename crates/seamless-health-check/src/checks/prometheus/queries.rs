//! Whether Prometheus answers queries, by a clock like this machine's.

use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::{Fact, Gap};
use crate::site::Site;
use crate::verdict::CheckOutcome;
use crate::words::seconds;

const MOST_SKEW_SECONDS: f64 = 60.0;

pub(super) const CHECK: Check = Check {
    name: "queries",
    group: Group::Prometheus,
    title: "Prometheus answers queries",
    needs: &[Need::Prometheus],
    requires: &["prometheus/ready"],
    severity: Severity::Fail,
    hint: "check that the URL leads to Prometheus itself, path prefix included",
    anchor: "check-prometheus",
    explained: Explained {
        means: "Prometheus does not answer a query. As a warning: its clock and that of this machine differ by more than a minute.",
        remedy: "Check that the URL leads to Prometheus itself, path prefix included. Set the clocks (NTP); ages are judged by Prometheus's clock.",
        example: "warn  this machine's clock is 4m ahead of Prometheus's",
        korean: Korean {
            title: "Prometheus가 쿼리에 답한다",
            means: "Prometheus가 쿼리에 답하지 않는다. 경고라면 Prometheus와 이 머신의 시계가 1분 넘게 다르다.",
            remedy: "경로 접두사를 포함한 URL이 Prometheus 자체로 이어지는지 확인한다. 시계를 맞춘다(NTP). 경과 시간은 Prometheus의 시계로 판단한다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    match site.clock().await {
        Ok(clock) => Ok(judge(site.now - clock)),
        Err(Gap::NotOffered(reason)) => Ok(CheckOutcome::fail(reason)),
        Err(gap) => Err(gap),
    }
}

/// `ahead`: by how many seconds this machine's clock is ahead of Prometheus's.
fn judge(ahead: f64) -> CheckOutcome {
    if ahead.abs() <= MOST_SKEW_SECONDS {
        return CheckOutcome::pass("answers queries");
    }
    let side = if ahead > 0.0 { "ahead of" } else { "behind" };
    let skew = seconds(ahead.abs());
    CheckOutcome::warn(format!(
        "this machine's clock is {skew} {side} Prometheus's"
    ))
    .hint("set the clocks; ages are by Prometheus's clock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_may_differ_by_a_minute() {
        for (ahead, message) in [
            (59.0, "answers queries"),
            (-59.0, "answers queries"),
            (240.0, "this machine's clock is 4m ahead of Prometheus's"),
            (-240.0, "this machine's clock is 4m behind Prometheus's"),
        ] {
            assert_eq!(judge(ahead).message, message);
        }
    }
}
