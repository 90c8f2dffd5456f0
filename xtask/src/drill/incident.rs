//! The incident: a violation of the SLA and a dead worker, from the first late request to green again.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use seamless_core::duration;
use seamless_lab::coordinator::{Lease, Outcome};
use seamless_lab::pager::{Notice, Service};
use seamless_lab::runtime::Misbehaviour;
use seamless_lab::servers::Process;
use serde_json::Value;

use super::pace::minutes;
use super::programs::Programs;
use super::stack::{Alert, Stack};
use super::timeline::{Missed, Seen, Timeline, Wait, short};

const DEGRADED: &str = "SeamlessSla99thDegraded";
const STUCK: &str = "SeamlessBackfillStuckLease";
const REASON: &str = "manual_recovery";
/// The longest that one of the programs may take.
const PROGRAM: Duration = Duration::from_secs(60);

/// The stages, in order.
pub(super) const STAGES: &[&str] = &[
    "health check green",
    "violation injected",
    "SeamlessSla99thDegraded pending",
    "SeamlessSla99thDegraded firing",
    "SeamlessSla99thDegraded in Alertmanager",
    "SeamlessSla99thDegraded in Slack",
    "worker dead, lease stuck",
    "SeamlessBackfillStuckLease pending",
    "SeamlessBackfillStuckLease firing",
    "SeamlessBackfillStuckLease pages PagerDuty",
    "SeamlessBackfillStuckLease in Slack",
    "stuck lease listed",
    "stuck lease recovered",
    "violation ended",
    "alerts resolved",
    "resolve notices received",
    "health check green again",
];

/// Goes through the stages.
pub(super) fn rehearse(
    stack: &Stack,
    programs: &Programs,
    timeline: &mut Timeline,
) -> Result<(), Missed> {
    let drill = Alert {
        name: DEGRADED,
        drill: &stack.drill,
        label: None,
    };
    timeline.stage("health check green", |wait| healthy(stack, programs, wait))?;

    let mut injector =
        timeline.stage("violation injected", |wait| inject(stack, programs, wait))?;
    timeline.stage("SeamlessSla99thDegraded pending", |wait| {
        reaches(stack, wait, drill, "pending", minutes(5))
    })?;
    timeline.stage("SeamlessSla99thDegraded firing", |wait| {
        reaches(stack, wait, drill, "firing", minutes(5))
    })?;
    timeline.stage("SeamlessSla99thDegraded in Alertmanager", |wait| {
        wait.until(stack.noticing(), "Alertmanager to hold it", || {
            let held = stack.held(drill)?;
            Ok(held.iter().any(|state| state == "active").then_some(()))
        })?;
        Ok(Seen((), "active, with the drill's label".to_owned()))
    })?;
    timeline.stage("SeamlessSla99thDegraded in Slack", |wait| {
        notified(stack, wait, Service::Slack, "notice", |notice| {
            fires(notice, DEGRADED, &stack.drill)
        })
    })?;

    let lease = timeline.stage("worker dead, lease stuck", |wait| kill_worker(stack, wait))?;
    let stuck = Alert {
        name: STUCK,
        drill: "",
        label: Some(("lease_key", &lease.key)),
    };
    timeline.stage("SeamlessBackfillStuckLease pending", |wait| {
        reaches(stack, wait, stuck, "pending", minutes(1))
    })?;
    timeline.stage("SeamlessBackfillStuckLease firing", |wait| {
        reaches(stack, wait, stuck, "firing", minutes(10))
    })?;
    let page = timeline.stage("SeamlessBackfillStuckLease pages PagerDuty", |wait| {
        notified(stack, wait, Service::PagerDuty, "page", |notice| {
            fires(notice, STUCK, &lease.key)
        })
    })?;
    timeline.stage("SeamlessBackfillStuckLease in Slack", |wait| {
        notified(stack, wait, Service::Slack, "notice", |notice| {
            fires(notice, STUCK, &lease.key)
        })
    })?;

    timeline.stage("stuck lease listed", |wait| {
        list(stack, programs, wait, &lease)
    })?;
    timeline.stage("stuck lease recovered", |wait| {
        recover(stack, programs, wait, &lease)
    })?;
    timeline.stage("violation ended", |_| {
        injector.interrupt(Duration::from_secs(30))?;
        Ok(Seen((), "the injector stopped after SIGINT".to_owned()))
    })?;

    timeline.stage("alerts resolved", |wait| {
        for alert in [drill, stuck] {
            let what = format!("{} to be over", alert.name);
            wait.until(stack.pace.within(minutes(10)), &what, || {
                Ok(stack.alert(alert)?.is_none().then_some(()))
            })?;
        }
        Ok(Seen((), "neither is pending or firing".to_owned()))
    })?;
    timeline.stage("resolve notices received", |wait| {
        let what = "resolve notice";
        notified(stack, wait, Service::PagerDuty, what, |notice| {
            notice.is_resolved() && notice.payload["dedup_key"] == page.payload["dedup_key"]
        })?;
        notified(stack, wait, Service::Slack, what, |notice| {
            notice.is_resolved() && notice.mentions(STUCK)
        })?;
        notified(stack, wait, Service::Slack, what, |notice| {
            notice.is_resolved() && notice.mentions(DEGRADED) && notice.mentions(&stack.drill)
        })?;
        Ok(Seen((), "PagerDuty and Slack were told".to_owned()))
    })?;
    stack.servers.runtime.heal();
    timeline.stage("health check green again", |wait| {
        healthy(stack, programs, wait)
    })
}

/// Runs the health check until it is green.
fn healthy(stack: &Stack, programs: &Programs, wait: &Wait<'_>) -> Result<Seen<()>> {
    let within = stack.noticing();
    let arguments = [
        "--output".to_owned(),
        "json".to_owned(),
        "--wait".to_owned(),
        duration::format(within),
        "--interval".to_owned(),
        "2s".to_owned(),
    ];
    let ran = stack
        .place()
        .run(wait, within + PROGRAM, &programs.health, &arguments)?;
    ran.succeeded()?;
    Ok(Seen((), format!("`{}` ended with 0", ran.typed)))
}

/// Leaves the injector running and waits until Prometheus sees what it serves.
fn inject(stack: &Stack, programs: &Programs, wait: &Wait<'_>) -> Result<Seen<Process>> {
    let hold = duration::format(stack.pace.within(minutes(60)) + minutes(10));
    let file_sd = stack.file_sd();
    let file_sd = file_sd.to_str().context("the folder's name is not UTF-8")?;
    let arguments = [
        "seam-node-1",
        "--yes",
        "--duration",
        "240",
        "--repetitions",
        "5",
        "--serve",
        "0",
        "--file-sd",
        file_sd,
        "--step",
        "1s",
        "--hold",
        &hold,
        "--drill-id",
        &stack.drill,
    ]
    .map(str::to_owned);
    let mut process = stack.place().start(&programs.inject, &arguments)?;
    let selector = format!(
        "seamless_sla_deadline_seconds_bucket{{drill=\"{}\"}}",
        stack.drill
    );
    let mut died = None;
    wait.until(stack.noticing(), "its series in Prometheus", || {
        died = process.exited();
        if died.is_some() {
            return Ok(Some(()));
        }
        Ok((!stack.servers.prometheus.query(&selector)?.is_empty()).then_some(()))
    })?;
    if let Some(status) = died {
        bail!(
            "inject-sla-violation ended ({status}): {}",
            process.log_tail()
        );
    }
    let seen = "`inject-sla-violation seam-node-1 --duration 240 --serve 0 --file-sd …` is scraped";
    Ok(Seen(process, seen.to_owned()))
}

/// Waits for a state of an alert; one that fires already has been pending.
fn reaches(
    stack: &Stack,
    wait: &Wait<'_>,
    alert: Alert<'_>,
    state: &str,
    after: Duration,
) -> Result<Seen<()>> {
    let what = format!("{} to be {state}", alert.name);
    let value = wait.until(stack.pace.within(after), &what, || {
        let found = stack.alert(alert)?;
        Ok(found
            .filter(|(found, _)| found == state || found == "firing")
            .map(|(_, value)| value))
    })?;
    let value = short(&value);
    Ok(Seen((), format!("value {value}")))
}

/// Waits for a notice to `service` of which `is_it` holds.
pub(super) fn notified(
    stack: &Stack,
    wait: &Wait<'_>,
    service: Service,
    what: &str,
    is_it: impl Fn(&Notice) -> bool,
) -> Result<Seen<Notice>> {
    let what = format!("the {what} at {service:?}");
    let notice = wait.until(stack.pace.within(minutes(6)), &what, || {
        let mut notices = stack.servers.pager.notices().into_iter();
        Ok(notices.find(|notice| notice.service == service && is_it(notice)))
    })?;
    let title = notice.title();
    Ok(Seen(notice, title))
}

/// A notice of the alert that fires and speaks of `detail`.
fn fires(notice: &Notice, alert: &str, detail: &str) -> bool {
    !notice.is_resolved() && notice.mentions(alert) && notice.mentions(detail)
}

/// Kills a worker and finds the lease that it leaves behind.
pub(super) fn kill_worker(stack: &Stack, wait: &Wait<'_>) -> Result<Seen<Lease>> {
    let runtime = &stack.servers.runtime;
    runtime.misbehave(Misbehaviour::DeadWorker);
    let lease = wait.until(stack.noticing(), "a lease without a worker", || {
        let Some(key) = runtime.abandoned() else {
            return Ok(None);
        };
        let mut held = stack.servers.coordinator.leases().into_iter();
        Ok(held.find(|lease| lease.key == key.as_str()))
    })?;
    let seen = format!("{} is held by nobody, and its gauge is gone", lease.key);
    Ok(Seen(lease, seen))
}

/// Lists the coordinator's leases and looks for the stuck one.
fn list(stack: &Stack, programs: &Programs, wait: &Wait<'_>, lease: &Lease) -> Result<Seen<()>> {
    let arguments = ["--list", "--output", "json"].map(str::to_owned);
    let ran = stack
        .place()
        .run(wait, PROGRAM, &programs.recover, &arguments)?;
    let document: Value = ran.succeeded()?;
    if !document.to_string().contains(&lease.key) {
        bail!("`{}` does not list {}", ran.typed, lease.key);
    }
    if document.to_string().contains(&lease.token) {
        bail!("`{}` shows a whole token", ran.typed);
    }
    Ok(Seen((), format!("`{}` shows it", ran.typed)))
}

/// Recovers the stuck lease as the runbook says, and asks the coordinator whether it is so.
fn recover(stack: &Stack, programs: &Programs, wait: &Wait<'_>, lease: &Lease) -> Result<Seen<()>> {
    let older_than = duration::format(stack.pace.of(minutes(10)));
    let arguments = [
        "--stuck",
        "--older-than",
        &older_than,
        "--yes",
        "--verify",
        "--output",
        "json",
    ]
    .map(str::to_owned);
    let ran = stack
        .place()
        .run(wait, PROGRAM, &programs.recover, &arguments)?;
    ran.succeeded()?;
    let failed = Outcome::Failed(Some(REASON.to_owned()));
    let released = stack
        .servers
        .coordinator
        .ended()
        .iter()
        .any(|ended| ended.lease.token == lease.token && ended.outcome == failed);
    if !released {
        bail!("the coordinator still holds it; {}", ran.told());
    }
    Ok(Seen((), format!("`{}`: released", ran.typed)))
}
