//! What is asked before a drill begins: whether its id is free, which alerts it should fire, and whether
//! somebody who would be paged knows.

use std::time::Duration;

use jiff::Timestamp;
use seamless_cli::{
    ConfirmError, Connections, Consent, Stop, Terminal, UsageError, clean, confirm,
};
use seamless_core::duration;
use seamless_core::prometheus::{PrometheusClient, quote};
use seamless_core::rules::RuleFile;
use seamless_core::schema::DRILL_LABEL;

use super::pages::PagingDrill;
use super::path::AlertPath;
use crate::args::Args;
use crate::prediction::{self, Prediction, ScrapeInfo};
use crate::request::{Course, Request};
use crate::rulebook;
use crate::series::SeriesSet;

/// An id is taken where it had series so lately.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// What was found out before the beginning.
#[derive(Default)]
pub(super) struct Preparation {
    pub(super) predictions: Vec<Prediction>,
    /// Prometheus's own time at the beginning: its alerts are older or newer than this drill.
    pub(super) asked_at: Option<Timestamp>,
    /// Whether to begin.
    pub(super) agreed: bool,
}

/// Asks what has to be known.
pub(super) struct Preparing<'r> {
    pub(super) args: &'r Args,
    pub(super) request: &'r Request,
    pub(super) course: &'r Course,
    pub(super) series_set: &'r SeriesSet,
    pub(super) terminal: &'r Terminal,
    pub(super) stop: &'r Stop,
    pub(super) connections: &'r Connections,
    pub(super) given_rules: Option<&'r RuleFile>,
}

impl Preparing<'_> {
    /// # Errors
    /// What speaks against the drill; nothing has been changed then.
    pub(super) async fn run(&self) -> anyhow::Result<Preparation> {
        let mut preparation = Preparation {
            agreed: true,
            ..Preparation::default()
        };
        let prometheus = self.connections.prometheus().ok();
        let mut loaded = None;
        if let Some(prometheus) = &prometheus {
            preparation.asked_at = self.refuse_used_id(prometheus).await?;
            if self.given_rules.is_none() {
                // Where it cannot be asked, the closed loop says so.
                loaded = rulebook::loaded(prometheus).await.ok();
            }
        }
        let rules = match (self.given_rules, &loaded) {
            (Some(rules), _) | (None, Some(rules)) => rules,
            (None, None) => &rulebook::shipped(self.args.profile.unwrap_or_default())?,
        };
        if !self.request.expected.is_empty() && (self.given_rules.is_some() || loaded.is_some()) {
            preparation.predictions = self.predict(rules);
        }
        let alertmanagers = self.connections.alertmanagers();
        let path = match alertmanagers.first() {
            Some(alertmanager) => AlertPath::ask(alertmanager, prometheus.as_ref()).await.ok(),
            None => None,
        };
        if let Some(path) = &path {
            self.warn_of_obstacles(path, rules);
        }
        let pages = PagingDrill::of(
            self.request,
            self.course,
            self.series_set,
            rules,
            path.as_ref(),
        );
        if let Some(pages) = pages {
            preparation.agreed = self.ask(&pages).await?;
        }
        Ok(preparation)
    }

    /// Series of an earlier drill would be taken for this one's.
    async fn refuse_used_id(
        &self,
        prometheus: &PrometheusClient,
    ) -> anyhow::Result<Option<Timestamp>> {
        let id = &self.request.drill_id;
        let query = format!(
            "count(last_over_time({{{DRILL_LABEL}={}}}[{}])) or vector(0)",
            quote(id),
            duration::format(REMEMBERED)
        );
        let Ok(reply) = prometheus.instant(&query, None).await else {
            return Ok(None);
        };
        let Some(sample) = reply.data.vector().first().and_then(|series| series.value) else {
            return Ok(None);
        };
        if sample.value > 0.0 {
            return Err(UsageError(format!(
                "the drill id {id:?} has {} series in Prometheus from the last {}: what they did would be taken for \
                 this drill's; give another --drill-id (or --seed)",
                sample.value,
                duration::format(REMEMBERED)
            ))
            .into());
        }
        Ok(Timestamp::from_millisecond((sample.time * 1000.0) as i64).ok())
    }

    /// Says before the first minute is over what the rules have against the expected alerts.
    fn predict(&self, rules: &RuleFile) -> Vec<Prediction> {
        let predictions =
            prediction::predictions(rules, self.request, self.series_set, ScrapeInfo::default());
        let predictions = predictions.unwrap_or_default();
        for prediction in &predictions {
            if prediction.keeps_its_promise() {
                self.terminal.note(&prediction.line());
            } else {
                self.terminal.warn(&prediction.line());
            }
        }
        predictions
    }

    /// A drill that pages for real needs somebody's word.
    async fn ask(&self, pages: &PagingDrill) -> anyhow::Result<bool> {
        if !pages.pages_for_real() || self.args.yes {
            self.terminal.note(&pages.lines());
            return Ok(true);
        }
        let question = format!("{}\nPage for real?", pages.lines());
        let asked = confirm(&question, Consent::Yes, self.terminal, self.stop).await;
        match asked {
            Ok(agreed) => Ok(agreed),
            Err(ConfirmError::NoTerminal) => {
                let cure = if self.request.silence {
                    "let its rule keep the label, or give --yes to page for real"
                } else {
                    "give --yes to page for real, or --alertmanager-url and --silence to mute this drill"
                };
                let text = format!("{pages}; there is no terminal to ask at: {cure}");
                Err(UsageError(text).into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Says before anything is injected what would keep the expected alerts from people.
    fn warn_of_obstacles(&self, path: &AlertPath, rules: &RuleFile) {
        for alert in &self.request.expected {
            let now = Timestamp::now();
            let mut found: Vec<String> = rules
                .alerts_named(alert)
                .flat_map(|rule| path.obstacles(rule, self.request, now))
                .collect();
            found.sort_unstable();
            found.dedup();
            for obstacle in found {
                let text = format!("{alert} would be swallowed: {obstacle}");
                self.terminal.warn(&clean(&text));
            }
        }
    }
}
