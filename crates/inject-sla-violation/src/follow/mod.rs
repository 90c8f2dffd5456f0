//! The closed loop: from the target that Prometheus discovers to the page, and back to resolved.
//!
//! Owns the stages, and the watching that notes when each is reached. It only asks: it changes nothing
//! in Prometheus or Alertmanager. Why a stage was missed is `diagnosis`' part.

mod diagnosis;
mod stage;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use seamless_core::alertmanager::{Alertmanager, HeldAlert};
use seamless_core::prometheus::{
    FiringAlert, Prometheus, RuleGroup, RuleStatus, RuleType, Selector, Target, quote,
};
use seamless_core::schema::DRILL_LABEL;
use tokio::time::Instant;

use crate::cast::Cast;
use crate::request::{Course, Request};

pub(crate) use stage::{Missed, Reached, Reason, Stage, Track};

/// How often is asked.
const POLL: Duration = Duration::from_secs(1);

/// What the loop needs to know of the drill.
pub(crate) struct Follow {
    pub(crate) prometheus: Prometheus,
    pub(crate) alertmanager: Option<Alertmanager>,
    pub(crate) request: Request,
    pub(crate) course: Course,
    pub(crate) cast: Arc<Cast>,
    /// What Prometheus is to scrape, when the drill serves it itself.
    pub(crate) served: Option<String>,
    pub(crate) within: Duration,
    pub(crate) start: Instant,
}

/// The tracks of all expected alerts, shared with whoever reports them.
#[derive(Debug, Clone)]
pub(crate) struct Tracks(Arc<Mutex<Vec<Track>>>);

impl Tracks {
    pub(crate) fn new(request: &Request) -> Self {
        let tracks = request.expected.iter().map(|alert| Track::new(alert));
        Self(Arc::new(Mutex::new(tracks.collect())))
    }

    /// The tracks as they are now.
    pub(crate) fn snapshot(&self) -> Vec<Track> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn change(&self, index: usize, change: impl FnOnce(&mut Track)) {
        let mut tracks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(track) = tracks.get_mut(index) {
            change(track);
        }
    }
}

/// What one look at the servers showed. A question that failed has no answer here.
#[derive(Default)]
struct Look {
    groups: Option<Vec<RuleGroup>>,
    targets: Option<Vec<Target>>,
    held: Option<Vec<HeldAlert>>,
    samples: Option<bool>,
}

impl Follow {
    /// The stages that this drill can show, in order.
    fn stages(&self) -> Vec<Stage> {
        let mut stages = Vec::new();
        if self.served.is_some() {
            stages.push(Stage::Target);
        }
        stages.extend([
            Stage::Sample,
            Stage::Expression,
            Stage::Pending,
            Stage::Firing,
        ]);
        if self.alertmanager.is_some() {
            stages.push(Stage::Received);
        }
        if self.course.recover_after.is_some() {
            stages.push(Stage::Resolved);
        }
        stages
    }

    /// Follows every expected alert until it has come through all stages, or the time is over; then says
    /// why those that did not come through did not.
    pub(crate) async fn run(&self, tracks: &Tracks, tell: impl Fn(&Track, &Reached)) {
        let stages = self.stages();
        let end = self.start + self.within;
        while self.look(tracks, &stages, &tell).await && Instant::now() < end {
            let next = Instant::now() + POLL;
            tokio::time::sleep_until(next.min(end)).await;
        }
        for (index, track) in tracks.snapshot().iter().enumerate() {
            if let Some(missed) = track.next(&stages) {
                let reason = self.diagnose(track, missed).await;
                let stage = missed;
                tracks.change(index, |track| track.missed = Some(Missed { stage, reason }));
            }
        }
    }

    /// Asks once about everything that is still awaited; false when nothing is.
    async fn look(
        &self,
        tracks: &Tracks,
        stages: &[Stage],
        tell: &impl Fn(&Track, &Reached),
    ) -> bool {
        let now = tracks.snapshot();
        let awaited: Vec<Stage> = now.iter().filter_map(|track| track.next(stages)).collect();
        if awaited.is_empty() {
            return false;
        }
        let look = self.ask(&awaited).await;
        let mut waiting = false;
        for (index, track) in now.iter().enumerate() {
            let mut track = track.clone();
            // Whoever has come far has come through what lies before, even if nobody looked then.
            let reached = self.furthest(&track, stages, &look).await;
            for (stage, detail) in reached {
                let reached = Reached {
                    stage,
                    at: Timestamp::now(),
                    after: self.start.elapsed(),
                    detail,
                };
                tell(&track, &reached);
                track.reached.push(reached);
            }
            waiting |= track.next(stages).is_some();
            tracks.change(index, |known| known.reached = track.reached);
        }
        waiting
    }

    async fn ask(&self, awaited: &[Stage]) -> Look {
        let any = |wanted: Stage| awaited.contains(&wanted);
        let mut look = Look::default();
        if any(Stage::Target) {
            look.targets = self.prometheus.targets().await.ok().map(|reply| reply.data);
        }
        if any(Stage::Sample) || any(Stage::Target) {
            look.samples = self.has_samples().await;
        }
        look.groups = self.prometheus.rules().await.ok().map(|reply| reply.data);
        if let Some(alertmanager) = &self.alertmanager {
            look.held = alertmanager.alerts(&[self.own_label()]).await.ok();
        }
        look
    }

    /// The stages that the track has newly come through.
    async fn furthest(
        &self,
        track: &Track,
        stages: &[Stage],
        look: &Look,
    ) -> Vec<(Stage, Option<String>)> {
        let alerts = self.alerts(&track.alert, look.groups.as_deref().unwrap_or_default());
        let firing = alerts.iter().any(|alert| alert.state == "firing");
        let fired = firing || track.has(Stage::Firing);
        let pending = !alerts.is_empty() || fired;
        let held = look
            .held
            .as_deref()
            .map(|held| self.held(&track.alert, held));
        let mut done = Vec::new();
        for stage in stages.iter().copied().filter(|stage| !track.has(*stage)) {
            let detail = match stage {
                Stage::Target => self.target_up(look).or(pending.then_some(None)),
                Stage::Sample => (look.samples == Some(true) || pending).then_some(None),
                Stage::Expression if pending => Some(None),
                Stage::Expression => self.expression_holds(&track.alert, look).await,
                Stage::Pending => pending.then(|| value_of(&alerts)),
                Stage::Firing => fired.then(|| value_of(&alerts)),
                Stage::Received => held.as_deref().and_then(receivers),
                Stage::Resolved => self.resolved(&alerts, look, held.as_deref()),
            };
            match detail {
                Some(detail) => done.push((stage, detail)),
                None => break,
            }
        }
        done
    }

    /// What Alertmanager is to filter by.
    fn own_label(&self) -> String {
        format!("{DRILL_LABEL}={}", quote(&self.request.drill_id))
    }

    /// This drill's alerts of that name.
    fn alerts<'l>(&self, name: &str, groups: &'l [RuleGroup]) -> Vec<&'l FiringAlert> {
        rules_named(groups, name)
            .flat_map(|rule| &rule.alerts)
            .filter(|alert| alert.labels.get(DRILL_LABEL) == self.request.drill_id)
            .collect()
    }

    fn held<'l>(&self, name: &str, held: &'l [HeldAlert]) -> Vec<&'l HeldAlert> {
        held.iter()
            .filter(|alert| alert.labels.get("alertname") == name)
            .filter(|alert| alert.labels.get(DRILL_LABEL) == self.request.drill_id)
            .collect()
    }

    /// The drill's own target.
    fn target<'l>(&self, targets: &'l [Target]) -> Option<&'l Target> {
        let served = self.served.as_deref()?;
        targets
            .iter()
            .find(|target| target.scrape_url == served)
            .or_else(|| {
                targets
                    .iter()
                    .find(|target| target.labels.get(DRILL_LABEL) == self.request.drill_id)
            })
    }

    fn target_up(&self, look: &Look) -> Option<Option<String>> {
        let target = self.target(look.targets.as_deref()?)?;
        (target.health == "up").then(|| Some(format!("scraped every {}", target.scrape_interval)))
    }

    async fn has_samples(&self) -> Option<bool> {
        let names = self.cast.families.iter().flat_map(|family| {
            let name = &family.name;
            [name.clone(), format!("{name}_count")]
        });
        let selector = Selector::any_name(names).with(DRILL_LABEL, &self.request.drill_id);
        let found = self
            .prometheus
            .instant(&format!("count({selector})"), None)
            .await;
        found.ok().map(|reply| !reply.data.vector().is_empty())
    }

    /// Whether one of the alert's expressions returns a series of this drill now.
    async fn expression_holds(&self, alert: &str, look: &Look) -> Option<Option<String>> {
        for rule in rules_named(look.groups.as_deref()?, alert) {
            let reply = self.prometheus.instant(&rule.query, None).await.ok()?;
            let holds = reply
                .data
                .vector()
                .into_iter()
                .find(|series| series.metric.get(DRILL_LABEL) == self.request.drill_id);
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
        let recovered = self.start.elapsed() >= self.course.recover_after?;
        let gone = look.groups.is_some() && alerts.is_empty();
        let told = self.alertmanager.is_none() || held.is_some_and(<[_]>::is_empty);
        (recovered && gone && told).then_some(None)
    }
}

fn rules_named<'l>(groups: &'l [RuleGroup], name: &str) -> std::vec::IntoIter<&'l RuleStatus> {
    let rules: Vec<&RuleStatus> = groups
        .iter()
        .flat_map(|group| &group.rules)
        .filter(|rule| rule.kind == RuleType::Alerting && rule.name == name)
        .collect();
    rules.into_iter()
}

fn value_of(alerts: &[&FiringAlert]) -> Option<String> {
    let value: f64 = alerts.first()?.value.parse().ok()?;
    Some(format!("value {value:.4}"))
}

/// Who gets the alert, once Alertmanager sends it out.
fn receivers(held: &[&HeldAlert]) -> Option<Option<String>> {
    let active: Vec<_> = held
        .iter()
        .filter(|alert| alert.status.state == "active")
        .collect();
    if active.is_empty() {
        return None;
    }
    let mut names: Vec<&str> = active
        .iter()
        .flat_map(|alert| &alert.receivers)
        .map(|receiver| receiver.name.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    Some(Some(format!("to {}", names.join(", "))))
}
