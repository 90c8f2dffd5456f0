//! Scenarios one and all: the cause, every alert to firing and to whoever it must reach, the remedy,
//! and back.
//!
//! Causes that do not hide each other are there at the same time, as on a bad day; one that hides the others
//! comes after them. Each alert's times are its own.

use std::time::{Duration, SystemTime};

use anyhow::{Result, bail};
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
/// How long the shipped routes may take to deliver: the longest group interval and some.
const DELIVERY: Duration = minutes(6);

const HEARD: &str = "SeamlessWatchdog: heard";
const RECOVERED: &str = "stuck lease recovered by key and token";

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
    fn within(self, alert: &ExpectedAlert) -> Duration {
        match self {
            Self::Fires => alert.fires_within,
            Self::Arrives => alert.fires_within + DELIVERY,
            Self::Resolves => alert.resolves_within,
            Self::IsToldOver => alert.resolves_within + DELIVERY,
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

/// The stages of these scenarios, in order.
pub(super) fn stages(scenarios: &[DrillScenario]) -> Vec<String> {
    let rounds = rounds(scenarios);
    let played = rounds.iter().filter(|round| !round.is_empty());
    [HEARD.to_owned()]
        .into_iter()
        .chain(played.flat_map(|round| stages_of(round)))
        .collect()
}

/// The stages of one round.
fn stages_of(scenarios: &[DrillScenario]) -> Vec<String> {
    let of_alerts = |steps: [Step; 2]| -> Vec<String> {
        let alerts = alerts(scenarios);
        alerts
            .flat_map(|alert| {
                let steps = steps.into_iter().filter(|step| step.is_of(alert));
                steps.map(|step| step.stage(alert)).collect::<Vec<_>>()
            })
            .collect()
    };
    let mut stages: Vec<String> = scenarios.iter().map(|one| caused(one.cause)).collect();
    stages.extend(of_alerts([Step::Fires, Step::Arrives]));
    if scenarios
        .iter()
        .any(|scenario| scenario.cause == Misbehaviour::DeadWorker)
    {
        stages.push(RECOVERED.to_owned());
    }
    stages.push(healed_stage(scenarios));
    stages.extend(of_alerts([Step::Resolves, Step::IsToldOver]));
    stages
}

fn healed_stage(round: &[DrillScenario]) -> String {
    let causes: Vec<&str> = round.iter().map(|one| one.cause.name()).collect();
    format!("over: {}", causes.join(", "))
}

fn caused(cause: Misbehaviour) -> String {
    format!("cause: {cause}")
}

fn alerts(scenarios: &[DrillScenario]) -> impl Iterator<Item = &'static ExpectedAlert> {
    scenarios.iter().flat_map(|scenario| scenario.alerts)
}

/// Goes through the stages. A missed one does not keep the others from being tried.
pub(super) fn rehearse(
    scenarios: &[DrillScenario],
    stack: &DrillStack,
    programs: &Programs,
    timeline: &mut Timeline,
) -> Result<(), StageMissed> {
    let begun = SystemTime::now();
    let mut ended = timeline
        .stage(HEARD, |wait| {
            let what = "watchdog's notice";
            notified(stack, wait, PagingService::Webhook, what, |notice| {
                notice.mentions(WATCHDOG)
            })
        })
        .map(drop);

    for round in rounds(scenarios).iter().filter(|round| !round.is_empty()) {
        ended = ended.and(play(round, stack, programs, timeline, begun));
    }
    ended
}

/// What is played at the same time. A runtime that shows no metrics hides every other cause, and one whose backfills
/// all fail has none that could be slow: each of them has a round of its own.
fn rounds(scenarios: &[DrillScenario]) -> [Vec<DrillScenario>; 3] {
    let of = |alone: Misbehaviour| {
        let all = scenarios.iter().copied();
        all.filter(|one| one.cause == alone).collect()
    };
    let alone = [Misbehaviour::VendorOutage, Misbehaviour::LostMetrics];
    let all = scenarios.iter().copied();
    let together = all.filter(|one| !alone.contains(&one.cause)).collect();
    let [outage, lost] = alone.map(of);
    [together, outage, lost]
}

/// One round: causes, alerts, remedy, and back.
fn play(
    scenarios: &[DrillScenario],
    stack: &DrillStack,
    programs: &Programs,
    timeline: &mut Timeline,
    begun: SystemTime,
) -> Result<(), StageMissed> {
    let mut ended = Ok(());
    let mut stuck = None;
    for cause in scenarios.iter().map(|scenario| scenario.cause) {
        ended = ended.and(timeline.stage(&caused(cause), |wait| {
            if cause == Misbehaviour::DeadWorker {
                let Seen(lease, seen) = kill_worker(stack, wait)?;
                stuck = Some(lease);
                return Ok(Seen((), seen));
            }
            stack.servers.runtime.misbehave(cause);
            Ok(Seen((), "the runtime misbehaves".to_owned()))
        }));
    }
    let steps = [Step::Fires, Step::Arrives];
    ended = ended.and(timeline.together(awaited(scenarios, stack, steps, begun)));

    let healed = SystemTime::now();
    if let Some(lease) = stuck {
        ended = ended.and(timeline.stage(RECOVERED, |wait| recover(stack, programs, wait, &lease)));
    }
    ended = ended.and(timeline.stage(&healed_stage(scenarios), |_| {
        stack.servers.runtime.heal();
        Ok(Seen((), "the runtime is healed".to_owned()))
    }));
    let steps = [Step::Resolves, Step::IsToldOver];
    ended.and(timeline.together(awaited(scenarios, stack, steps, healed)))
}

/// Two steps of every alert, to be awaited together.
fn awaited<'a>(
    scenarios: &[DrillScenario],
    stack: &'a DrillStack,
    steps: [Step; 2],
    since: SystemTime,
) -> Vec<AwaitedStage<'a>> {
    alerts(scenarios)
        .flat_map(|alert| steps.map(|step| (step, alert)))
        .filter(|(step, alert)| step.is_of(alert))
        .map(|(step, alert)| AwaitedStage {
            stage: step.stage(alert),
            within: stack.pace.within(step.within(alert)),
            probe: Box::new(move || step.seen(stack, alert, since)),
        })
        .collect()
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
