//! Whether Alertmanager holds the watchdog that this Prometheus sends.

use std::time::Duration;

use jiff::Timestamp;
use seamless_core::duration::human;
use seamless_core::prometheus::LoadedRule;
use seamless_core::rules::WATCHDOG;

use super::each::of_each;
use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::paging::{Facts, Paging, labels_of};
use crate::site::Site;
use crate::verdict::{CheckOutcome, Item, Next, Verdict};

/// What is added to the time within which an alert is sent again: the way, and clocks of whole seconds.
const GRACE: Duration = Duration::from_secs(10);

const EVALUATION: Duration = Duration::from_secs(60);

pub(super) const CHECK: Check = Check {
    name: "held",
    group: Group::Alerting,
    title: "Alertmanager holds this Prometheus's SeamlessWatchdog",
    needs: &[Need::Alertmanager, Need::Prometheus],
    requires: &["alerting/alertmanager-ready"],
    severity: Severity::Fail,
    hint: "look at Status, Runtime & Build Information in Prometheus, and at its log for notifier errors",
    anchor: "check-alerting",
    explained: Explained {
        means: "SeamlessWatchdog always fires, and Alertmanager does not hold this Prometheus's, or holds an old one: what Prometheus sends does not arrive.",
        remedy: "Prometheus's log names the Alertmanagers that it cannot reach. If the labels differ, the alert is from another Prometheus: compare the external labels. Right after a start, wait with `--wait 2m`.",
        example: "fail  SeamlessWatchdog: not in Alertmanager: what Prometheus sends does not arrive",
        korean: Korean {
            title: "Alertmanager가 이 Prometheus의 SeamlessWatchdog을 가지고 있다",
            means: "SeamlessWatchdog은 항상 울린다. 그런데 Alertmanager에 이 Prometheus의 것이 없거나 오래되었다. Prometheus가 보낸 것이 도착하지 않는다.",
            remedy: "Prometheus의 로그에 닿지 못하는 Alertmanager가 나온다. 레이블이 다르면 다른 Prometheus의 경보이므로 외부 레이블을 비교한다. 시작 직후라면 `--wait 2m`으로 기다린다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    Ok(judge(&site.path().await?))
}

/// Within which time a firing alert is sent again.
fn due(facts: &Facts<'_>, paging: &Paging) -> Duration {
    let mut groups = facts.rules.iter().copied().flatten();
    let group = groups.find(|group| group.rules.iter().any(|rule| rule.name == WATCHDOG));
    let interval = group.and_then(|group| Duration::try_from_secs_f64(group.interval).ok());
    paging.resend + 2 * interval.unwrap_or(EVALUATION) + GRACE
}

pub(super) fn judge(facts: &Facts<'_>) -> CheckOutcome {
    let paging = facts.paging;
    let sending = match &paging.sending {
        Ok(sending) => sending,
        Err(gap) => return gap.outcome(),
    };
    if sending.external.is_none() {
        let reason = "no Prometheus URL is configured, and no --external-label given";
        return CheckOutcome::not_applicable(reason);
    }
    let watchdog = facts
        .shapes()
        .into_iter()
        .find(|alert| alert.name == WATCHDOG);
    let Some(watchdog) = watchdog else {
        return CheckOutcome::not_applicable(format!("{WATCHDOG} is not among the rules"));
    };
    let Some(labels) = sending.sent(watchdog.fixed) else {
        return CheckOutcome::fail(format!(
            "alert_relabel_configs drop {WATCHDOG}: it never leaves Prometheus"
        ));
    };
    let good = |_| {
        format!(
            "{WATCHDOG} arrives (a second Prometheus with the same labels could not be told apart)"
        )
    };
    let early = too_early(facts, paging);
    let outcome = of_each(paging, good, |alertmanager| {
        let (alerts, time) = alertmanager.alerts.as_ref().map_err(Clone::clone)?;
        let of_name = |alert: &&_| {
            labels_of(alert)
                .get("alertname")
                .is_some_and(|name| name == WATCHDOG)
        };
        let watchdogs: Vec<_> = alerts.iter().filter(of_name).collect();
        let item = |verdict, message: String| Ok(vec![Item::new(WATCHDOG, verdict, message)]);
        let Some(own) = watchdogs.iter().find(|alert| labels_of(alert) == labels) else {
            if let Some(message) = &early {
                return item(Verdict::Warn, message.clone());
            }
            let message = match watchdogs.first() {
                None => "not in Alertmanager: what Prometheus sends does not arrive".to_owned(),
                Some(other) => format!(
                    "Alertmanager holds only that of another Prometheus, {}; this one sends {labels:?}",
                    other.labels
                ),
            };
            return item(Verdict::Fail, message);
        };
        let updated: Option<Timestamp> = own.updated_at.parse().ok();
        let clock = time.unwrap_or((facts.now * 1000.0) as i64);
        let Some(updated) = updated else {
            return item(
                Verdict::Warn,
                "Alertmanager does not say when it was last sent".to_owned(),
            );
        };
        let age =
            Duration::from_millis(u64::try_from(clock - updated.as_millisecond()).unwrap_or(0));
        let due = due(facts, paging);
        if age > due {
            let message = format!(
                "last sent {} ago, though due within {}: Prometheus does not reach it any more",
                human(age),
                human(due)
            );
            return item(Verdict::Fail, message);
        }
        item(Verdict::Pass, format!("last sent {} ago", human(age)))
    });
    match outcome.verdict {
        Verdict::Warn if early.is_some() => outcome
            .hint("Prometheus has just been started: wait")
            .next(Next::health_check(&[
                "--only",
                "alerting/held",
                "--wait",
                "5m",
            ])),
        _ => outcome,
    }
}

/// Why an Alertmanager that does not hold the watchdog proves nothing: Prometheus, just started, has not evaluated
/// it yet, or sends it when it is due again.
fn too_early(facts: &Facts<'_>, paging: &Paging) -> Option<String> {
    if watchdog_rules(facts).any(|rule| rule.evaluated_at().is_none()) {
        return Some("too early to tell: Prometheus has not evaluated it yet".to_owned());
    }
    let since = fires_since(facts)?;
    let fires_for = Duration::try_from(facts.time().duration_since(since)).unwrap_or_default();
    let due = due(facts, paging);
    (fires_for < due).then(|| {
        format!(
            "too early to tell: it has been firing for {} and is sent within {}",
            human(fires_for),
            human(due)
        )
    })
}

fn watchdog_rules<'f>(facts: &Facts<'f>) -> impl Iterator<Item = &'f LoadedRule> {
    let groups = facts.rules.iter().copied().flatten();
    let rules = groups.flat_map(|group| &group.rules);
    rules.filter(|rule| rule.name == WATCHDOG)
}

/// Since when the watchdog fires in Prometheus.
fn fires_since(facts: &Facts<'_>) -> Option<Timestamp> {
    let alerts = watchdog_rules(facts).flat_map(|rule| &rule.alerts);
    alerts
        .filter_map(|alert| alert.active_at.as_deref()?.parse().ok())
        .min()
}
