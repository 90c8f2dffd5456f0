//! Whether the routes of the alerts tell now.

use seamless_core::paging::Mute;

use super::each::of_each;
use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::paging::{Facts, Way};
use crate::site::Site;
use crate::verdict::{CheckOutcome, Item, SkipReason, Verdict};

pub(super) const CHECK: Check = Check {
    name: "open",
    group: Group::Alerting,
    title: "the routes of alerts are not muted now",
    needs: &[Need::Alertmanager, Need::Prometheus],
    requires: &[],
    severity: Severity::Fail,
    hint: "a route that pages needs no mute_time_intervals; let another route take over by `continue`",
    anchor: "check-alerting",
    explained: Explained {
        means: "A mute or active time interval closes the route of an alert now: nobody is told until it opens.",
        remedy: "Give a route that pages no time interval, or let another route take over (`continue`).",
        example: "fail  SeamlessSla99thDegraded: muted now by weekend of {severity=\"critical\"}; opens 2026-01-05T00:00:00Z",
        korean: Korean {
            title: "경보의 라우트가 지금 음소거되어 있지 않다",
            means: "지금 시간대에는 시간 구간 설정이 경보의 라우트를 닫는다. 다시 열릴 때까지 아무도 받지 못한다.",
            remedy: "호출하는 라우트에는 시간 구간을 두지 않거나, 다른 라우트가 이어받게 한다(`continue`).",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    Ok(judge(&site.path().await?))
}

pub(super) fn judge(facts: &Facts<'_>) -> CheckOutcome {
    let good = |_| "no route of theirs is muted at this hour".to_owned();
    of_each(facts.paging, good, |alertmanager| {
        let ways = facts.ways(alertmanager)?;
        Ok(ways.iter().map(openness).collect())
    })
}

fn openness(way: &Way) -> Item {
    let unknown = way.routes.iter().find_map(|(route, mute)| match mute {
        Mute::Unknown(interval) => Some((route, interval)),
        Mute::Open | Mute::Closed { .. } => None,
    });
    if !way.closed {
        return match unknown {
            Some((route, interval)) if !way.routes.iter().any(|(_, mute)| *mute == Mute::Open) => {
                let message = format!(
                    "{route}: {interval} goes by the clock of Alertmanager's own machine (location: Local)"
                );
                Item::new(
                    &way.alert,
                    Verdict::Skip(SkipReason::NotApplicable(message.clone())),
                    message,
                )
            }
            _ => Item::new(&way.alert, Verdict::Pass, "open now"),
        };
    }
    let verdict = if way.severity == "critical" {
        Verdict::Fail
    } else {
        Verdict::Warn
    };
    Item::new(&way.alert, verdict, way.closed_by().unwrap_or_default())
}
