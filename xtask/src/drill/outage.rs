//! Scenarios one and all: the cause, every alert to firing and to whoever it must reach, the remedy,
//! and back.
//!
//! Causes that do not hide each other are there at the same time, as on a bad day; one that hides the others
//! comes after them. Each alert's times are its own.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use seamless_core::rules::WATCHDOG;
use seamless_lab::coordinator::HeldLease;
use seamless_lab::pager::{Notice, PagingService};
use seamless_lab::runtime::Misbehaviour;

use super::incident::{kill_worker, notified};
use super::pace::minutes;
use super::programs::Programs;
use super::scenario::{DrillScenario, ExpectedAlert, ExpectedReach};
use super::stack::{Alert, DrillStack};
use super::timeline::{AwaitedStage, Seen, StageMissed, Timeline, Wait, short};

/// The longest that a program may take.
const PROGRAM: Duration = Duration::from_secs(60);
/// The longest that the shipped rules may take to fire once a cause is there: the longest window and `for`.
const FIRING: Duration = minutes(20);
/// The longest that they may take to resolve once it is gone: of the two burn rates that page, the slower one
/// clears when its short window of 30 minutes has.
const RESOLVING: Duration = minutes(40);
/// How long the shipped routes may take to deliver: the longest group interval and some.
const DELIVERY: Duration = minutes(6);

/// Targets that the rules have not recorded yet.
const NOT_RECORDED: &str =
    "up{job='seamless'} unless on (job, instance) seamless:runtime_target:seen_1d";

/// What becomes of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Fires,
    Arrives,
    Resolves,
    IsToldOver,
}

impl Step {
    /// Whether the alert goes through it: nobody is told that something inhibited is over.
    fn is_of(self, alert: &ExpectedAlert) -> bool {
        !(self == Self::IsToldOver && alert.reach == ExpectedReach::Inhibited)
    }

    fn stage(self, alert: &ExpectedAlert) -> String {
        let name = alert.name;
        let which = alert
            .label
            .map_or(String::new(), |(_, value)| format!(" ({value})"));
        let what = match (self, alert.reach) {
            (Self::Fires, _) => "firing",
            (Self::Arrives, ExpectedReach::Slack) => "in Slack",
            (Self::Arrives, ExpectedReach::Page) => "in PagerDuty and Slack",
            (Self::Arrives, ExpectedReach::Inhibited) => "inhibited",
            (Self::Resolves, _) => "resolved",
            (Self::IsToldOver, _) => "resolve notice",
        };
        format!("{name}{which}: {what}")
    }

    /// How long it may take at the pace of the shipped rules.
    const fn within(self) -> Duration {
        match self {
            Self::Fires => FIRING,
            Self::Arrives => FIRING.saturating_add(DELIVERY),
            Self::Resolves => RESOLVING,
            Self::IsToldOver => RESOLVING.saturating_add(DELIVERY),
        }
    }

    /// What is seen of it now. Notices count that arrived after `since`: an earlier one may be of an
    /// earlier incident.
    fn seen(
        self,
        stack: &DrillStack,
        alert: &ExpectedAlert,
        since: SystemTime,
    ) -> Result<Option<String>> {
        let in_prometheus = Alert {
            name: alert.name,
            drill: "",
            label: alert.label,
        };
        match self {
            Self::Fires => Ok(stack
                .alert(in_prometheus)?
                .filter(|(state, _)| state == "firing")
                .map(|(_, value)| format!("value {}", short(&value)))),
            Self::Resolves => {
                // Another lease, which a worker has just claimed, may make the same alert pending at any time.
                let found = stack.alert(in_prometheus)?;
                let over = found.is_none_or(|(state, _)| state != "firing");
                Ok(over.then(|| "no longer firing".to_owned()))
            }
            Self::Arrives if alert.reach == ExpectedReach::Inhibited => {
                let held = stack.held(in_prometheus)?;
                let suppressed = held.iter().any(|state| state == "suppressed");
                Ok(suppressed.then(|| "suppressed in Alertmanager".to_owned()))
            }
            Self::Arrives | Self::IsToldOver => {
                let over = self == Self::IsToldOver;
                let notices: Vec<Notice> = stack.servers.pager.notices();
                let sent = |service: PagingService| {
                    notices.iter().find(|notice| {
                        notice.service == service
                            && notice.at >= since
                            && notice.is_resolved() == over
                            && speaks_of(notice, alert)
                    })
                };
                if alert.reach == ExpectedReach::Page && sent(PagingService::PagerDuty).is_none() {
                    return Ok(None);
                }
                Ok(sent(PagingService::Slack).map(Notice::title))
            }
        }
    }
}

/// Whether a notice speaks of that alert, and of no drill of the injector.
fn speaks_of(notice: &Notice, alert: &ExpectedAlert) -> bool {
    let title = notice.title();
    // Slack is told of warnings of the same name, too.
    let other = notice.service == PagingService::Slack
        && alert.reach == ExpectedReach::Page
        && title.starts_with("Warning");
    notice.mentions(alert.name) && !title.contains("DRILL") && !other
}

/// One stage, in the order in which they are played.
enum Act {
    Hear,
    Cause(Misbehaviour),
    /// AwaitedStage together with those before and after it.
    Await(Step, &'static ExpectedAlert),
    Recover,
    Heal(Vec<&'static str>),
}

impl Act {
    fn stage(&self) -> String {
        match self {
            Self::Hear => format!("{WATCHDOG}: heard"),
            Self::Cause(cause) => format!("cause: {cause}"),
            Self::Await(step, alert) => step.stage(alert),
            Self::Recover => "stuck lease recovered by key and token".to_owned(),
            Self::Heal(causes) => format!("over: {}", causes.join(", ")),
        }
    }

    /// How it is awaited, if it is. Notices count since the scenarios began, and of a resolved alert since the remedy.
    fn awaited<'a>(
        &self,
        stack: &'a DrillStack,
        begun: SystemTime,
        remedied: SystemTime,
    ) -> Option<AwaitedStage<'a>> {
        let Self::Await(step, alert) = *self else {
            return None;
        };
        let since = match step {
            Step::Fires | Step::Arrives => begun,
            Step::Resolves | Step::IsToldOver => remedied,
        };
        Some(AwaitedStage {
            stage: step.stage(alert),
            within: stack.pace.within(step.within()),
            probe: Box::new(move || step.seen(stack, alert, since)),
        })
    }
}

/// The stages of these scenarios, in order.
pub(super) fn stages(scenarios: &[DrillScenario]) -> Vec<String> {
    plan(scenarios).iter().map(Act::stage).collect()
}

/// All that is played, round by round. A runtime that shows no metrics hides every other cause, and one whose
/// backfills all fail has none that could be slow: each of them has a round of its own.
fn plan(scenarios: &[DrillScenario]) -> Vec<Act> {
    let alone = [Misbehaviour::VendorOutage, Misbehaviour::LostMetrics];
    let (alone, together): (Vec<DrillScenario>, Vec<DrillScenario>) = scenarios
        .iter()
        .partition(|scenario| alone.contains(&scenario.cause));
    let rounds = [together]
        .into_iter()
        .chain(alone.into_iter().map(|one| vec![one]));
    let mut acts = vec![Act::Hear];
    for round in rounds.filter(|round| !round.is_empty()) {
        let causes = || round.iter().map(|scenario| scenario.cause);
        let awaited = |steps: [Step; 2]| {
            let alerts = round.iter().flat_map(|scenario| scenario.alerts);
            alerts
                .flat_map(move |alert| steps.map(|step| (step, alert)))
                .filter(|(step, alert)| step.is_of(alert))
                .map(|(step, alert)| Act::Await(step, alert))
        };
        acts.extend(causes().map(Act::Cause));
        acts.extend(awaited([Step::Fires, Step::Arrives]));
        acts.extend(
            causes()
                .find(|cause| *cause == Misbehaviour::DeadWorker)
                .map(|_| Act::Recover),
        );
        acts.push(Act::Heal(causes().map(Misbehaviour::name).collect()));
        acts.extend(awaited([Step::Resolves, Step::IsToldOver]));
    }
    acts
}

/// Goes through the stages. A missed one does not keep the others from being tried.
pub(super) fn rehearse(
    scenarios: &[DrillScenario],
    stack: &DrillStack,
    programs: &Programs,
    timeline: &mut Timeline,
) -> Result<(), StageMissed> {
    let begun = SystemTime::now();
    let mut remedied = begun;
    let mut stuck = None;
    let mut ended = Ok(());
    let both_awaited = |a: &Act, b: &Act| matches!((a, b), (Act::Await(..), Act::Await(..)));
    for acts in plan(scenarios).chunk_by(both_awaited) {
        let act = match &acts[0] {
            Act::Await(..) => {
                let awaited = acts
                    .iter()
                    .filter_map(|act| act.awaited(stack, begun, remedied));
                ended = ended.and(timeline.together(awaited.collect()));
                remedied = SystemTime::now();
                continue;
            }
            act => act,
        };
        ended = ended.and(timeline.stage(&act.stage(), |wait| match act {
            Act::Hear => {
                let what = "watchdog's notice";
                let heard = |notice: &Notice| notice.mentions(WATCHDOG);
                let Seen(_, seen) = notified(stack, wait, PagingService::Webhook, what, heard)?;
                // A target that dies before the rules have recorded that it was there is none that they miss.
                wait.until(
                    stack.pace.within(minutes(5)),
                    "every target to be recorded",
                    || {
                        let unknown = stack.servers.prometheus.query(NOT_RECORDED)?;
                        Ok(unknown.is_empty().then_some(()))
                    },
                )?;
                Ok(Seen((), seen))
            }
            Act::Cause(Misbehaviour::DeadWorker) => {
                let Seen(lease, seen) = kill_worker(stack, wait)?;
                stuck = Some(lease);
                Ok(Seen((), seen))
            }
            Act::Cause(cause) => {
                stack.servers.runtime.misbehave(*cause);
                Ok(Seen((), "the runtime misbehaves".to_owned()))
            }
            Act::Recover => {
                let lease = stuck.as_ref().context("no worker was killed")?;
                recover(stack, programs, wait, lease)
            }
            Act::Heal(_) | Act::Await(..) => {
                stack.servers.runtime.heal();
                Ok(Seen((), "the runtime is healed".to_owned()))
            }
        }));
    }
    ended
}

/// Recovers the stuck lease by its key and token, as the runbook does when both are known.
fn recover(
    stack: &DrillStack,
    programs: &Programs,
    wait: &Wait<'_>,
    lease: &HeldLease,
) -> Result<Seen<()>> {
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
