//! Scenarios one and all: the cause, every alert to firing and to whoever it must reach, the remedy,
//! and back.
//!
//! Causes that do not hide each other are there at the same time, as on a bad day; each alert's times
//! are its own.

use std::time::Duration;

use anyhow::{Result, bail};
use seamless_lab::coordinator::Lease;
use seamless_lab::pager::{Notice, Service};
use seamless_lab::runtime::Misbehaviour;

use super::incident::{kill_worker, notified};
use super::programs::Programs;
use super::scenario::{Expected, Reach, Scenario, WATCHDOG};
use super::stack::{Alert, Stack};
use super::timeline::{Missed, Seen, Timeline, Wait};

const PROGRAM: Duration = Duration::from_secs(60);

/// The stages of these scenarios, in order.
pub(super) fn stages(scenarios: &[Scenario]) -> Vec<String> {
    let mut stages = vec![heard()];
    stages.extend(scenarios.iter().map(|scenario| caused(scenario.cause)));
    for step in [firing, reached] {
        stages.extend(alerts(scenarios).map(step));
    }
    if scenarios
        .iter()
        .any(|s| s.cause == Misbehaviour::DeadWorker)
    {
        stages.push(RECOVERED.to_owned());
    }
    stages.push(HEALED.to_owned());
    for step in [resolved, told] {
        stages.extend(alerts(scenarios).map(step));
    }
    // Nobody was told of what was inhibited, so nobody is told that it is over.
    let silent: Vec<String> = alerts(scenarios)
        .filter(|alert| alert.reach == Reach::Inhibited)
        .map(told)
        .collect();
    stages.retain(|stage| !silent.contains(stage));
    stages
}

const RECOVERED: &str = "stuck lease recovered by key and token";
const HEALED: &str = "causes removed";

fn heard() -> String {
    format!("{WATCHDOG}: heard")
}

fn caused(cause: Misbehaviour) -> String {
    format!("cause: {cause}")
}

fn firing(alert: &Expected) -> String {
    format!("{}: firing", name(alert))
}

fn reached(alert: &Expected) -> String {
    let whom = match alert.reach {
        Reach::Slack => "in Slack",
        Reach::Page => "pages PagerDuty, in Slack",
        Reach::Inhibited => "inhibited",
    };
    format!("{}: {whom}", name(alert))
}

fn resolved(alert: &Expected) -> String {
    format!("{}: resolved", name(alert))
}

fn told(alert: &Expected) -> String {
    format!("{}: resolve notice", name(alert))
}

fn name(alert: &Expected) -> String {
    match alert.label {
        None => alert.name.to_owned(),
        Some((_, value)) => format!("{} ({value})", alert.name),
    }
}

fn alerts(scenarios: &[Scenario]) -> impl Iterator<Item = &'static Expected> {
    scenarios.iter().flat_map(|scenario| scenario.alerts)
}

fn in_prometheus(alert: &Expected) -> Alert<'static> {
    Alert {
        name: alert.name,
        drill: "",
        label: alert.label,
    }
}

/// Goes through the stages. A missed one does not keep the others from being tried, except those of the
/// same alert.
pub(super) fn rehearse(
    scenarios: &[Scenario],
    stack: &Stack,
    programs: &Programs,
    timeline: &mut Timeline,
) -> Result<(), Missed> {
    let mut all = timeline
        .stage(&heard(), |wait| {
            notified(
                stack,
                wait,
                Service::Webhook,
                "watchdog's notice",
                |notice| notice.mentions(WATCHDOG),
            )
        })
        .map(drop);

    let mut stuck = None;
    for cause in scenarios.iter().map(|scenario| scenario.cause) {
        let begun = timeline.stage(&caused(cause), |wait| {
            if cause == Misbehaviour::DeadWorker {
                let Seen(lease, seen) = kill_worker(stack, wait)?;
                stuck = Some(lease);
                return Ok(Seen((), seen));
            }
            stack.servers.runtime.misbehave(cause);
            Ok(Seen((), "the runtime misbehaves".to_owned()))
        });
        all = all.and(begun);
    }

    let mut alive: Vec<&Expected> = alerts(scenarios).collect();
    alive.retain(|alert| {
        let fires = timeline.stage(&firing(alert), |wait| fires(stack, wait, alert));
        all = all.and(fires);
        fires.is_ok()
    });
    alive.retain(|alert| {
        let arrives = timeline.stage(&reached(alert), |wait| arrives(stack, wait, alert));
        all = all.and(arrives);
        arrives.is_ok()
    });

    if let Some(lease) = stuck {
        let recovered = timeline.stage(RECOVERED, |wait| recover(stack, programs, wait, &lease));
        all = all.and(recovered);
    }
    all = all.and(timeline.stage(HEALED, |_| {
        stack.servers.runtime.heal();
        Ok(Seen((), "the runtime is healed".to_owned()))
    }));

    alive.retain(|alert| {
        let ends = timeline.stage(&resolved(alert), |wait| ends(stack, wait, alert));
        all = all.and(ends);
        ends.is_ok()
    });
    for alert in alive {
        if alert.reach != Reach::Inhibited {
            let over = timeline.stage(&told(alert), |wait| over(stack, wait, alert));
            all = all.and(over);
        }
    }
    all
}

fn fires(stack: &Stack, wait: &Wait<'_>, alert: &Expected) -> Result<Seen<()>> {
    let within = stack.pace.within(alert.fires_within);
    let value = wait.until(within, "it to fire", || {
        let found = stack.alert(in_prometheus(alert))?;
        Ok(found.filter(|(state, _)| state == "firing"))
    })?;
    Ok(Seen((), format!("value {}", value.1)))
}

fn arrives(stack: &Stack, wait: &Wait<'_>, alert: &Expected) -> Result<Seen<()>> {
    let is_it = |notice: &Notice| !notice.is_resolved() && speaks_of(notice, alert);
    match alert.reach {
        Reach::Inhibited => {
            wait.until(stack.noticing(), "Alertmanager to suppress it", || {
                let held = stack.held(in_prometheus(alert))?;
                Ok(held.iter().any(|state| state == "suppressed").then_some(()))
            })?;
            Ok(Seen((), "suppressed in Alertmanager".to_owned()))
        }
        Reach::Page => {
            notified(stack, wait, Service::PagerDuty, "page", is_it)?;
            notified(stack, wait, Service::Slack, "notice", is_it).map(titled)
        }
        Reach::Slack => notified(stack, wait, Service::Slack, "notice", is_it).map(titled),
    }
}

fn ends(stack: &Stack, wait: &Wait<'_>, alert: &Expected) -> Result<Seen<()>> {
    let within = stack.pace.within(alert.resolves_within);
    wait.until(within, "it to be over", || {
        Ok(stack.alert(in_prometheus(alert))?.is_none().then_some(()))
    })?;
    Ok(Seen((), "neither pending nor firing".to_owned()))
}

fn over(stack: &Stack, wait: &Wait<'_>, alert: &Expected) -> Result<Seen<()>> {
    let is_it = |notice: &Notice| notice.is_resolved() && speaks_of(notice, alert);
    if alert.reach == Reach::Page {
        notified(stack, wait, Service::PagerDuty, "resolve notice", is_it)?;
    }
    notified(stack, wait, Service::Slack, "resolve notice", is_it).map(titled)
}

/// Whether a notice speaks of that alert, and of no drill of the injector.
fn speaks_of(notice: &Notice, alert: &Expected) -> bool {
    notice.mentions(alert.name) && !notice.title().contains("DRILL")
}

fn titled(Seen(notice, _): Seen<Notice>) -> Seen<()> {
    Seen((), notice.title())
}

/// Recovers the stuck lease by its key and token, as the runbook does when both are known.
fn recover(stack: &Stack, programs: &Programs, wait: &Wait<'_>, lease: &Lease) -> Result<Seen<()>> {
    let spec = format!("{}:{}", lease.key, lease.token);
    let arguments = [spec.as_str(), "--verify", "--output", "json"].map(str::to_owned);
    let ran = stack
        .place()
        .run(wait, PROGRAM, &programs.recover, &arguments)?;
    ran.succeeded()?;
    let mut ended = stack.servers.coordinator.ended().into_iter();
    if !ended.any(|ended| ended.lease.token == lease.token) {
        bail!("the coordinator still holds it; {}", ran.told());
    }
    Ok(Seen(
        (),
        "`lease-recover KEY:TOKEN --verify`: released".to_owned(),
    ))
}
