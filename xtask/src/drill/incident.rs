//! The incident: a violation of the SLA and a dead worker, from the first late request to green again.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use seamless_core::duration;
use seamless_core::lease::LeaseKey;
use seamless_lab::coordinator::{HeldLease, LeaseEnd};
use seamless_lab::pager::{Notice, PagingService};
use seamless_lab::pty::Session;
use seamless_lab::runtime::Misbehaviour;
use serde_json::Value;

use super::pace::minutes;
use super::programs::Programs;
use super::stack::{Alert, DrillStack};
use super::timeline::{Seen, StageMissed, Timeline, Wait, short};

const DEGRADED: &str = "SeamlessSla99thDegraded";
const STUCK: &str = "SeamlessBackfillStuckLease";
const REASON: &str = "manual_recovery";
/// What the question of a command ends with.
const QUESTION: &str = "Type y + Enter";
/// What a busy machine may take on top of the time in which an alert and its page have to end.
const BUSY: Duration = Duration::from_secs(15);
/// The longest that one of the programs may take.
const PROGRAM: Duration = Duration::from_secs(60);

/// An injection, and the stages of the injector's closed loop that are shown, with what they are called here.
struct ShownInjection {
    scenario: &'static str,
    more: &'static [&'static str],
    /// What its drill's name ends with, so that one drill is not taken for the other.
    suffix: &'static str,
    alert: &'static str,
    stages: &'static [(&'static str, &'static str)],
}

/// One alert by itself, so that it can be told from what Alertmanager counts that its receivers were called.
const STALE: ShownInjection = ShownInjection {
    scenario: "staleness",
    more: &[],
    suffix: "-stale",
    alert: "SeamlessLiveDataStale",
    stages: &[
        ("firing", "stale alert firing"),
        ("notified", "stale alert notified"),
    ],
};

/// The violation. Alerts of the error budget are sent at the same time and counted together with it, so that
/// whether its notice arrived is asked of the pager.
const SLOW: ShownInjection = ShownInjection {
    scenario: "sla",
    more: &["--duration", "240", "--repetitions", "5"],
    suffix: "",
    alert: DEGRADED,
    stages: &[
        ("sample", "violation in Prometheus"),
        ("pending", "SLA alert pending"),
        ("firing", "SLA alert firing"),
        ("received", "SLA alert received"),
    ],
};

const GREEN: &str = "health check green";
const IN_SLACK: &str = "SLA alert in Slack";
const FAILED: &str = "backfill failed";
const KILLED: &str = "worker killed";
const PENDING: &str = "lease alert pending";
const FIRING: &str = "lease alert firing";
const PAGED: &str = "lease alert at PagerDuty";
const PAGED_SLACK: &str = "lease alert in Slack";
const LISTED: &str = "lease listed";
const RECOVERED: &str = "page's command ran";
const OVER: &str = "lease alert over";
const PAGE_OVER: &str = "page over";
const RESOLVED: &str = "SLA alert over";
const TOLD: &str = "Slack told of both";
const SILENT: &str = "failed backfill silent";
const GREEN_AGAIN: &str = "health check green again";

/// The stages, in order.
pub(super) fn stages() -> impl Iterator<Item = &'static str> {
    let stale = STALE.stages.iter().map(|(_, name)| *name);
    let slow = SLOW.stages.iter().map(|(_, name)| *name);
    let stranded = [FAILED, KILLED, PENDING];
    let before = [GREEN].into_iter().chain(stale).chain(stranded);
    before.chain(slow).chain([
        IN_SLACK,
        FIRING,
        PAGED,
        PAGED_SLACK,
        LISTED,
        RECOVERED,
        OVER,
        PAGE_OVER,
        RESOLVED,
        TOLD,
        SILENT,
        GREEN_AGAIN,
    ])
}

/// Goes through the stages.
pub(super) fn rehearse(
    stack: &DrillStack,
    programs: &Programs,
    timeline: &mut Timeline,
) -> Result<(), StageMissed> {
    timeline.stage(GREEN, |wait| healthy(stack, programs, wait))?;
    inject(&STALE, stack, programs, timeline)?;
    let failed = timeline.stage(FAILED, |wait| fail_backfill(stack, wait))?;
    let lease = timeline.stage(KILLED, |wait| kill_worker(stack, wait))?;
    let stuck = Alert {
        name: STUCK,
        drill: "",
        label: Some(("lease_key", &lease.key)),
    };
    timeline.stage(PENDING, |wait| {
        reaches(stack, wait, stuck, "pending", minutes(3))
    })?;
    // While the lease's alert is pending.
    inject(&SLOW, stack, programs, timeline)?;
    timeline.stage(IN_SLACK, |wait| {
        notified(stack, wait, PagingService::Slack, "notice", |notice| {
            fires(notice, DEGRADED, &stack.drill)
        })
    })?;
    free(&lease, stuck, stack, programs, timeline)?;

    timeline.stage(RESOLVED, |wait| {
        let drill = Alert {
            name: DEGRADED,
            drill: &stack.drill,
            label: None,
        };
        wait.until(stack.pace.within(minutes(10)), "it to be over", || {
            Ok(stack.alert(drill)?.is_none().then_some(()))
        })?;
        Ok(Seen((), "neither pending nor firing".to_owned()))
    })?;
    timeline.stage(TOLD, |wait| {
        let what = "resolve notice";
        notified(stack, wait, PagingService::Slack, what, |notice| {
            notice.is_resolved() && notice.mentions(STUCK)
        })?;
        notified(stack, wait, PagingService::Slack, what, |notice| {
            notice.is_resolved() && notice.mentions(DEGRADED) && notice.mentions(&stack.drill)
        })?;
        Ok(Seen((), "two resolve notices".to_owned()))
    })?;
    timeline.stage(SILENT, |_| {
        let notices = stack.servers.pager.notices();
        let told = |notice: &&Notice| notice.mentions(STUCK) && notice.mentions(&failed);
        if let Some(notice) = notices.iter().find(told) {
            bail!("its lease had ended, and yet: {}", notice.title());
        }
        Ok(Seen((), failed.clone()))
    })?;
    stack.servers.runtime.heal();
    timeline.stage(GREEN_AGAIN, |wait| healthy(stack, programs, wait))
}

/// From the alert on a dead worker's lease to the end of its page.
fn free(
    lease: &HeldLease,
    stuck: Alert<'_>,
    stack: &DrillStack,
    programs: &Programs,
    timeline: &mut Timeline,
) -> Result<(), StageMissed> {
    timeline.stage(FIRING, |wait| {
        reaches(stack, wait, stuck, "firing", minutes(10))
    })?;
    let page = timeline.stage(PAGED, |wait| {
        notified(stack, wait, PagingService::PagerDuty, "page", |notice| {
            fires(notice, STUCK, &lease.key)
        })
    })?;
    timeline.stage(PAGED_SLACK, |wait| {
        notified(stack, wait, PagingService::Slack, "notice", |notice| {
            fires(notice, STUCK, &lease.key)
        })
    })?;
    timeline.stage(LISTED, |wait| list(stack, programs, wait, lease))?;
    timeline.stage(RECOVERED, |wait| {
        recover(stack, programs, wait, &page, lease)
    })?;
    let recovered = Instant::now();
    let left = |time| (stack.pace.of(time) + BUSY).saturating_sub(recovered.elapsed());
    timeline.stage(OVER, |wait| {
        wait.until(left(minutes(3)), "the alert to be over", || {
            Ok(stack.alert(stuck)?.is_none().then_some(()))
        })?;
        Ok(Seen((), "neither pending nor firing".to_owned()))
    })?;
    timeline.stage(PAGE_OVER, |wait| {
        let notice = wait.until(left(minutes(5)), "the resolve notice at PagerDuty", || {
            let mut notices = stack.servers.pager.notices().into_iter();
            Ok(notices.find(|notice| ends(notice, &page)))
        })?;
        Ok(Seen((), notice.title()))
    })
}

/// Runs the health check until it is green.
fn healthy(stack: &DrillStack, programs: &Programs, wait: &Wait<'_>) -> Result<Seen<()>> {
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

/// Runs the injector's closed loop and notes the stages that it tells, at the times that it tells.
fn inject(
    injection: &ShownInjection,
    stack: &DrillStack,
    programs: &Programs,
    timeline: &mut Timeline,
) -> Result<(), StageMissed> {
    let begun = timeline.elapsed();
    let first = injection.stages.first().map_or("", |(_, name)| name);
    let report = timeline.attempt(first, |wait| injected(injection, stack, programs, wait))?;
    let mut before = Duration::ZERO;
    for (stage, name) in injection.stages {
        let (after, seen) =
            stage_of(&report, stage).map_err(|error| timeline.missed(name, &error))?;
        timeline.reached(name, begun + after, after.saturating_sub(before), seen);
        before = after;
    }
    Ok(())
}

/// The injector's report, whether every stage was reached or not.
fn injected(
    injection: &ShownInjection,
    stack: &DrillStack,
    programs: &Programs,
    wait: &Wait<'_>,
) -> Result<Value> {
    let within = stack.pace.within(minutes(20));
    let given_up = duration::format(within);
    let drill = format!("{}{}", stack.drill, injection.suffix);
    let file_sd = stack.file_sd();
    let file_sd = file_sd.to_str().context("the folder's name is not UTF-8")?;
    let arguments = [
        "seam-node-1",
        "--yes",
        "--serve",
        "0",
        "--file-sd",
        file_sd,
        "--step",
        "1s",
        "--scenario",
        injection.scenario,
        "--expect-alert",
        injection.alert,
        "--within",
        &given_up,
        "--drill-id",
        &drill,
        "--output",
        "json",
    ];
    let more = injection.more.iter().copied();
    let arguments: Vec<String> = arguments
        .into_iter()
        .chain(more)
        .map(str::to_owned)
        .collect();
    let ran = stack
        .place()
        .run(wait, within + PROGRAM, &programs.inject, &arguments)?;
    let report: Option<Value> = serde_json::from_str(&ran.stdout).ok();
    report
        .filter(|report| report["expectations"].is_array())
        .with_context(|| format!("it tells nothing of the alert; {}", ran.told()))
}

/// When the injector reached a stage, since its start, and what it saw; or why it did not.
fn stage_of(report: &Value, stage: &str) -> Result<(Duration, String)> {
    let expectation = &report["expectations"][0];
    let reached = expectation["stages"]
        .as_array()
        .and_then(|stages| stages.iter().find(|reached| reached["stage"] == stage))
        .with_context(|| format!("inject-sla-violation: missed: {}", expectation["missed"]))?;
    let after = reached["after_seconds"].as_f64().unwrap_or_default();
    let after = Duration::try_from_secs_f64(after).context("after_seconds")?;
    let detail = reached["detail"].as_str().unwrap_or("its series are there");
    Ok((after, detail.to_owned()))
}

/// Waits for a state of an alert; one that fires already has been pending.
fn reaches(
    stack: &DrillStack,
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
    stack: &DrillStack,
    wait: &Wait<'_>,
    service: PagingService,
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

/// Whether this notice ends that page.
fn ends(notice: &Notice, page: &Notice) -> bool {
    notice.service == PagingService::PagerDuty
        && notice.is_resolved()
        && notice.payload["dedup_key"] == page.payload["dedup_key"]
}

/// Has the source of backfills fail until one has ended its lease by itself; returns the lease's key.
fn fail_backfill(stack: &DrillStack, wait: &Wait<'_>) -> Result<Seen<String>> {
    let runtime = &stack.servers.runtime;
    runtime.misbehave(Misbehaviour::VendorOutage);
    let key = wait.until(stack.noticing(), "a failed backfill", || {
        let mut ended = stack.servers.coordinator.ended().into_iter();
        let failed = ended.find(|ended| matches!(ended.outcome, LeaseEnd::Failed(_)));
        Ok(failed.map(|ended| ended.lease.key))
    });
    runtime.heal();
    let key = key?;
    let seen = format!("{key}: its lease ended, its gauge stays at 0");
    Ok(Seen(key, seen))
}

/// Kills a worker and finds the lease that it leaves behind.
pub(super) fn kill_worker(stack: &DrillStack, wait: &Wait<'_>) -> Result<Seen<HeldLease>> {
    let runtime = &stack.servers.runtime;
    runtime.misbehave(Misbehaviour::DeadWorker);
    let lease = wait.until(stack.noticing(), "a lease without a worker", || {
        let Some(key) = runtime.abandoned() else {
            return Ok(None);
        };
        let mut held = stack.servers.coordinator.leases().into_iter();
        Ok(held.find(|lease| lease.key == key.as_str()))
    })?;
    let node = LeaseKey::new(lease.key.as_str())
        .and_then(|key| Some(key.canonical()?.node_id.contains(':')));
    if node != Some(true) {
        bail!(
            "the node id in {} holds no colons, as the platform's do",
            lease.key
        );
    }
    let seen = format!("{} is held by nobody, and its gauge is gone", lease.key);
    Ok(Seen(lease, seen))
}

/// Lists the coordinator's leases and looks for the stuck one.
fn list(
    stack: &DrillStack,
    programs: &Programs,
    wait: &Wait<'_>,
    lease: &HeldLease,
) -> Result<Seen<()>> {
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

/// Runs the command of the page as it stands, on a terminal, answers its question, and asks the coordinator
/// whether the lease is recovered.
fn recover(
    stack: &DrillStack,
    programs: &Programs,
    wait: &Wait<'_>,
    page: &Notice,
    lease: &HeldLease,
) -> Result<Seen<()>> {
    let command = command_in(page)?;
    for option in ["--older-than ", "--max-ratio "] {
        if !command.contains(option) {
            bail!("the page's command has no {option}: {command}");
        }
    }
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &command])
        .current_dir(stack.place().dir)
        .env("PATH", programs.on_path()?)
        .envs(stack.place().environment.iter().cloned());
    let mut session = Session::start(shell)?;
    wait.until(PROGRAM, "the question", || {
        Ok(session.screen().contains(QUESTION).then_some(()))
    })
    .with_context(|| format!("`{command}` showed {:?}", session.screen()))?;
    session.type_in("y\n")?;
    let status = session.end(PROGRAM)?;
    if !status.success() {
        bail!(
            "`{command}` ended with {status} and showed {:?}",
            session.screen()
        );
    }
    let failed = LeaseEnd::Failed(Some(REASON.to_owned()));
    let mut ended = stack.servers.coordinator.ended().into_iter();
    if !ended.any(|ended| ended.lease.token == lease.token && ended.outcome == failed) {
        bail!(
            "the coordinator still holds it; `{command}` showed {:?}",
            session.screen()
        );
    }
    Ok(Seen((), format!("`{command}`, answered with y: released")))
}

/// The command that a page says to run: what stands between its backquotes and begins with `lease-recover`.
fn command_in(page: &Notice) -> Result<String> {
    let text = page.text();
    let command = text
        .split('`')
        .skip(1)
        .step_by(2)
        .find(|quoted| quoted.starts_with("lease-recover "));
    command
        .map(str::to_owned)
        .with_context(|| format!("the page names no command of lease-recover: {text}"))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use serde_json::json;

    use super::*;

    fn page(text: &str) -> Notice {
        Notice {
            at: SystemTime::now(),
            service: PagingService::PagerDuty,
            hook: String::new(),
            payload: json!({"payload": {"custom_details": {"firing": text}}}),
        }
    }

    #[test]
    fn the_command_is_what_the_page_says_and_nothing_else() {
        let told = page("Lease `a`. Recover it with `lease-recover --key 'a:b'`.");
        assert_eq!(command_in(&told).unwrap(), "lease-recover --key 'a:b'");
        let error = command_in(&page("Run lease-recover.")).unwrap_err();
        assert!(error.to_string().contains("names no command"), "{error}");
    }

    #[test]
    fn a_stage_that_the_injector_missed_says_why() {
        let report = json!({"expectations": [{
            "stages": [{"stage": "firing", "after_seconds": 1.5, "detail": "value 2"}],
            "missed": {"stage": "notified", "reason": "no_request"},
        }]});
        let firing = (Duration::from_millis(1500), "value 2".to_owned());
        assert_eq!(stage_of(&report, "firing").unwrap(), firing);
        let error = stage_of(&report, "notified").unwrap_err();
        assert!(error.to_string().contains("no_request"), "{error}");
    }
}
