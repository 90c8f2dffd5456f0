//! The closed loop: from the target that Prometheus discovers to the page, and back to resolved.
//!
//! Owns the stages, and the watching that notes when each is reached. It only asks: it changes nothing
//! in Prometheus or Alertmanager. Why a stage was missed is `diagnosis`' part.

mod delivery;
mod diagnosis;
mod stage;
mod view;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use seamless_core::alertmanager::{AlertGroup, HeldAlert};
use seamless_core::paging::{Configuration, Counters};
use seamless_core::prometheus::{FiringAlert, LoadedGroup, Target};
use seamless_core::schema::DRILL_LABEL;
use tokio::time::Instant;

use crate::request::Request;

use delivery::{AwaitedAlert, DeliveryState, Notification, SeenAlerts};
use view::{ScrapeSource, receivers, rules_named, value_of};

pub(crate) use stage::{Expectation, Reached};
use stage::{Missed, Stage};
pub(crate) use view::View;

/// How often is asked.
const POLL: Duration = Duration::from_secs(1);

/// The expectations of all expected alerts, shared with whoever reports them.
#[derive(Debug, Clone)]
pub(crate) struct Expectations(Arc<Mutex<Vec<Expectation>>>);

impl Expectations {
    pub(crate) fn new(request: &Request) -> Self {
        let expectations = request.expected.iter().map(|alert| Expectation::new(alert));
        Self(Arc::new(Mutex::new(expectations.collect())))
    }

    /// The expectations as they are now.
    pub(crate) fn snapshot(&self) -> Vec<Expectation> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn change(&self, index: usize, change: impl FnOnce(&mut Expectation)) {
        let mut expectations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(expectation) = expectations.get_mut(index) {
            change(expectation);
        }
    }
}

/// The closed loop.
pub(crate) struct Watch {
    pub(crate) view: View,
    pub(crate) within: Duration,
}

/// What tells of the Alertmanagers' notifications.
struct Notifying {
    config: Configuration,
    counters: Vec<Counters>,
    groups: Vec<AlertGroup>,
}

/// What one look at the servers showed. A question that failed has no answer here.
#[derive(Default)]
struct Look {
    groups: Option<Vec<LoadedGroup>>,
    targets: Option<Vec<Target>>,
    held: Option<Vec<HeldAlert>>,
    sending: Option<Notifying>,
    sources: Option<Vec<ScrapeSource>>,
}

impl Look {
    fn is_sampled(&self) -> bool {
        self.sources
            .as_ref()
            .is_some_and(|sources| !sources.is_empty())
    }
}

impl Watch {
    /// The stages that this drill can show, in order.
    fn stages(&self) -> Vec<Stage> {
        let mut stages = Vec::new();
        if self.view.served.is_some() {
            stages.push(Stage::Target);
        }
        stages.extend([
            Stage::Sample,
            Stage::Expression,
            Stage::Pending,
            Stage::Firing,
        ]);
        if !self.view.alertmanagers.is_empty() {
            stages.push(Stage::Received);
            if !self.view.request.silence {
                stages.push(Stage::Notified);
            }
        }
        if self.view.course.recover_after.is_some() {
            stages.push(Stage::Resolved);
        }
        stages
    }

    /// Follows every expected alert until it has come through all stages, or the time is over; then says
    /// why those that did not come through did not.
    pub(crate) async fn run(
        &self,
        expectations: &Expectations,
        tell: impl Fn(&Expectation, &Reached),
    ) {
        let stages = self.stages();
        let end = self.view.start + self.within;
        let mut deliveries: Vec<Notification> = Vec::new();
        deliveries.resize_with(expectations.snapshot().len(), Notification::default);
        while self
            .look(expectations, &stages, &mut deliveries, &tell)
            .await
            && Instant::now() < end
        {
            let next = Instant::now() + POLL;
            tokio::time::sleep_until(next.min(end)).await;
        }
        for (index, expectation) in expectations.snapshot().iter().enumerate() {
            if expectation.missed.is_none() && expectation.next(&stages).is_none() {
                // What could not be asked is no reason against an alert that came through.
                let other = self.view.other_buckets(&expectation.alert).await;
                let stage = stages.last().copied();
                if let (Ok(Some(reason)), Some(stage)) = (other, stage) {
                    expectations
                        .change(index, |known| known.missed = Some(Missed { stage, reason }));
                }
            }
            if let Some(missed) = expectation.next(&stages) {
                let reason = self.view.diagnose(expectation, missed).await;
                let stage = missed;
                expectations.change(index, |expectation| {
                    expectation.missed = Some(Missed { stage, reason })
                });
            }
        }
    }

    /// Asks once about everything that is still awaited; false when nothing is.
    async fn look(
        &self,
        expectations: &Expectations,
        stages: &[Stage],
        deliveries: &mut [Notification],
        tell: &impl Fn(&Expectation, &Reached),
    ) -> bool {
        let now = expectations.snapshot();
        let awaited: Vec<Stage> = now
            .iter()
            .filter_map(|expectation| expectation.next(stages))
            .collect();
        if awaited.is_empty() {
            return false;
        }
        let look = self.ask(&awaited).await;
        let mut waiting = false;
        for (index, (expectation, delivery)) in now.iter().zip(deliveries).enumerate() {
            let mut expectation = expectation.clone();
            let verdict = self.delivered(&expectation, &look, delivery);
            // Whoever has come far has come through what lies before, even if nobody looked then.
            let reached = self.furthest(&expectation, stages, &look, &verdict).await;
            for (stage, detail) in reached {
                let reached = Reached {
                    stage,
                    at: Timestamp::now(),
                    after: self.view.start.elapsed(),
                    detail,
                };
                tell(&expectation, &reached);
                expectation.reached.push(reached);
            }
            if let DeliveryState::Missed(reason) = verdict
                && expectation.next(stages) == Some(Stage::Notified)
            {
                let stage = Stage::Notified;
                expectation.missed = Some(Missed { stage, reason });
            }
            waiting |= expectation.next(stages).is_some();
            expectations.change(index, |known| {
                known.reached = expectation.reached;
                known.missed = expectation.missed;
            });
        }
        waiting
    }

    async fn ask(&self, awaited: &[Stage]) -> Look {
        let any = |wanted: Stage| awaited.contains(&wanted);
        let mut look = Look::default();
        if any(Stage::Target) {
            look.targets = self
                .view
                .prometheus
                .targets()
                .await
                .ok()
                .map(|reply| reply.data);
        }
        if any(Stage::Sample) || any(Stage::Target) {
            look.sources = self.view.sources().await.ok();
        }
        look.groups = self
            .view
            .prometheus
            .rules()
            .await
            .ok()
            .map(|reply| reply.data);
        if !self.view.alertmanagers.is_empty() {
            // Before the alerts: what is counted then is older than what they show.
            look.sending = self.sending().await;
            look.held = self.view.all_held().await.ok();
        }
        look
    }

    /// What the Alertmanagers count and hold; nothing where one of them does not say.
    async fn sending(&self) -> Option<Notifying> {
        if self.view.request.silence {
            return None;
        }
        let status = self.view.alertmanagers.first()?.status().await.ok()?;
        let mut sending = Notifying {
            config: Configuration::parse(&status.config.original).ok()?,
            counters: Vec::new(),
            groups: Vec::new(),
        };
        for alertmanager in &self.view.alertmanagers {
            sending.counters.push(alertmanager.counters().await.ok()?);
        }
        for alertmanager in &self.view.alertmanagers {
            sending.groups.extend(alertmanager.groups().await.ok()?);
        }
        Some(sending)
    }

    fn delivered(
        &self,
        expectation: &Expectation,
        look: &Look,
        delivery: &mut Notification,
    ) -> DeliveryState {
        let Some(sending) = &look.sending else {
            return DeliveryState::Waiting;
        };
        let awaited = AwaitedAlert {
            alert: &expectation.alert,
            drill_id: &self.view.request.drill_id,
            receiver: self.view.request.expect_receiver.as_deref(),
        };
        let seen = SeenAlerts {
            config: &sending.config,
            groups: &sending.groups,
            counters: &sending.counters,
        };
        delivery.look(&awaited, &seen, self.view.start.elapsed())
    }

    /// The stages that the expectation has newly come through.
    async fn furthest(
        &self,
        expectation: &Expectation,
        stages: &[Stage],
        look: &Look,
        delivered: &DeliveryState,
    ) -> Vec<(Stage, Option<String>)> {
        let alerts = self.view.alerts(
            &expectation.alert,
            look.groups.as_deref().unwrap_or_default(),
        );
        let firing = alerts.iter().any(|alert| alert.state == "firing");
        let fired = firing || expectation.has(Stage::Firing);
        let pending = !alerts.is_empty() || fired;
        let held = look
            .held
            .as_deref()
            .map(|held| self.view.held(&expectation.alert, held));
        let mut done = Vec::new();
        for stage in stages
            .iter()
            .copied()
            .filter(|stage| !expectation.has(*stage))
        {
            let detail = match stage {
                Stage::Target => self
                    .target_up(look)
                    .or((look.is_sampled() || pending).then_some(None)),
                Stage::Sample => (look.is_sampled() || pending).then_some(None),
                Stage::Expression if pending => Some(None),
                Stage::Expression => self.expression_holds(&expectation.alert, look).await,
                Stage::Pending => pending.then(|| value_of(&alerts)),
                Stage::Firing => fired.then(|| value_of(&alerts)),
                Stage::Received => held
                    .as_deref()
                    .and_then(|held| receivers(held, self.view.request.silence)),
                Stage::Notified => match delivered {
                    DeliveryState::Notified(whom) => Some(Some(whom.clone())),
                    DeliveryState::Waiting | DeliveryState::Missed(_) => None,
                },
                Stage::Resolved => self.resolved(&alerts, look, held.as_deref()),
            };
            match detail {
                Some(detail) => done.push((stage, detail)),
                None => break,
            }
        }
        done
    }

    fn target_up(&self, look: &Look) -> Option<Option<String>> {
        let sources = look.sources.as_deref().unwrap_or_default();
        let target = self.view.target(look.targets.as_deref()?, sources)?;
        (target.health == "up").then(|| Some(format!("scraped every {}", target.scrape_interval)))
    }

    /// Whether one of the alert's expressions returns a series of this drill now.
    async fn expression_holds(&self, alert: &str, look: &Look) -> Option<Option<String>> {
        for rule in rules_named(look.groups.as_deref()?, alert) {
            let reply = self.view.prometheus.instant(&rule.query, None).await.ok()?;
            let holds = reply
                .data
                .vector()
                .into_iter()
                .find(|series| series.metric.get(DRILL_LABEL) == self.view.request.drill_id);
            if let Some(series) = holds {
                return Some(
                    series
                        .value
                        .map(|sample| format!("value {:.4}", sample.value)),
                );
            }
        }
        None
    }

    /// Neither Prometheus nor Alertmanager has the alert any more, and both were asked.
    fn resolved(
        &self,
        alerts: &[&FiringAlert],
        look: &Look,
        held: Option<&[&HeldAlert]>,
    ) -> Option<Option<String>> {
        let recovered = self.view.start.elapsed() >= self.view.course.recover_after?;
        let gone = look.groups.is_some() && alerts.is_empty();
        let told = self.view.alertmanagers.is_empty() || held.is_some_and(<[_]>::is_empty);
        (recovered && gone && told).then_some(None)
    }
}
