//! Why a stage was missed: asked once, at the end, of the servers themselves.

use std::time::Duration;

use seamless_core::http::ServiceError;
use seamless_core::prometheus::{LoadedGroup, Selector, quote};
use seamless_core::schema::DRILL_LABEL;

use super::stage::{Expectation, MissReason, Stage};
use super::view::{View, receivers, rules_named, value_of};
use crate::prediction::{self, Obstacle, ScrapeInfo};
use crate::rulebook;

impl View {
    /// The reason why `expectation` has not come through `missed`.
    pub(super) async fn diagnose(&self, expectation: &Expectation, missed: Stage) -> MissReason {
        let found = match missed {
            Stage::Target => self.why_no_target().await,
            Stage::Sample => self.why_no_sample().await,
            Stage::Expression | Stage::Pending => self.why_not_true(expectation).await,
            Stage::Firing => self.why_not_firing(expectation).await,
            Stage::Received => self.why_not_received(expectation).await,
            Stage::Notified => self.why_not_notified().await,
            Stage::Resolved => self.why_not_resolved(expectation).await,
        };
        let error = match found {
            Ok(reason) => return reason,
            Err(error) => error,
        };
        let remedy = seamless_cli::remedy_words(error.remedy(), error.service);
        let text = format!("{error}; {remedy}");
        if self.is_surely_missed(expectation, missed).await {
            MissReason::Unexplained(text)
        } else {
            MissReason::CannotAsk(text)
        }
    }

    /// Whether the server whose word counts says that the alert has not come so far, whatever else could
    /// not be asked.
    async fn is_surely_missed(&self, expectation: &Expectation, missed: Stage) -> bool {
        match missed {
            Stage::Target | Stage::Sample | Stage::Expression | Stage::Pending | Stage::Firing => {
                let groups = self.prometheus.rules().await;
                groups.is_ok_and(|reply| {
                    let alerts = self.alerts(&expectation.alert, &reply.data);
                    !alerts.iter().any(|alert| alert.state == "firing")
                })
            }
            Stage::Received => {
                let held = self.all_held().await;
                !self.alertmanagers.is_empty()
                    && held.is_ok_and(|held| {
                        let held = self.held(&expectation.alert, &held);
                        receivers(&held, self.request.silence).is_none()
                    })
            }
            Stage::Notified | Stage::Resolved => false,
        }
    }

    async fn why_no_target(&self) -> Result<MissReason, ServiceError> {
        let targets = self.prometheus.targets().await?.data;
        let sources = self.sources().await.unwrap_or_default();
        Ok(match self.target(&targets, &sources) {
            None => MissReason::NoTarget {
                url: self.served.clone().unwrap_or_default(),
                others: targets.len(),
                similar: self
                    .similar_target(&targets)
                    .map(|target| format!("{}: {}", target.scrape_url, target.last_error)),
            },
            Some(target) if target.health == "down" => MissReason::TargetDown {
                error: target.last_error.clone(),
            },
            Some(_) => MissReason::NoSample { scraped: false },
        })
    }

    async fn why_no_sample(&self) -> Result<MissReason, ServiceError> {
        // Where a target's own label stands in the way, Prometheus renames the series' label.
        let renamed = format!("exported_{DRILL_LABEL}");
        let displaced = format!(
            "count by ({DRILL_LABEL}) ({{{renamed}={}}})",
            quote(&self.request.drill_id)
        );
        let found = self.prometheus.instant(&displaced, None).await?;
        let found: Vec<String> = found
            .data
            .vector()
            .iter()
            .map(|series| quote(series.metric.get(DRILL_LABEL)))
            .collect();
        if !found.is_empty() {
            return Ok(MissReason::OtherDrill { found });
        }
        if self.served.is_some() {
            let targets = self.prometheus.targets().await?.data;
            let sources = self.sources().await.unwrap_or_default();
            if let Some(target) = self
                .target(&targets, &sources)
                .filter(|t| t.health == "down")
            {
                return Ok(MissReason::TargetDown {
                    error: target.last_error.clone(),
                });
            }
        }
        Ok(MissReason::NoSample {
            scraped: self.served.is_some(),
        })
    }

    async fn why_not_true(&self, expectation: &Expectation) -> Result<MissReason, ServiceError> {
        let groups = self.prometheus.rules().await?.data;
        if let Some(rule) =
            rules_named(&groups, &expectation.alert).find(|rule| rule.health == "err")
        {
            return Ok(MissReason::RuleFails {
                error: rule.last_error.clone(),
            });
        }
        let true_now = self.returned(expectation, &groups).await?;
        if true_now.contains(&self.request.drill_id) {
            let last = rules_named(&groups, &expectation.alert)
                .map(|rule| rule.last_evaluation.clone())
                .max()
                .unwrap_or_default();
            return Ok(MissReason::NotEvaluated { last });
        }
        if let Some(obstacle) = self.obstacle(expectation, &groups).await? {
            return Ok(MissReason::Obstacle(obstacle));
        }
        if !true_now.is_empty() {
            let found = true_now.iter().map(|drill| quote(drill)).collect();
            return Ok(MissReason::RuleDropsDrill { found });
        }
        Ok(MissReason::ExpressionEmpty)
    }

    /// The drills, each once, whose series the alert's expressions return now; empty for no drill.
    async fn returned(
        &self,
        expectation: &Expectation,
        groups: &[LoadedGroup],
    ) -> Result<Vec<String>, ServiceError> {
        let mut drills = Vec::new();
        for rule in rules_named(groups, &expectation.alert) {
            for series in self
                .prometheus
                .instant(&rule.query, None)
                .await?
                .data
                .vector()
            {
                let drill = series.metric.get(DRILL_LABEL).to_owned();
                if !drills.contains(&drill) {
                    drills.push(drill);
                }
            }
        }
        Ok(drills)
    }

    /// What the loaded rules and the live series say against the alert.
    async fn obstacle(
        &self,
        expectation: &Expectation,
        groups: &[LoadedGroup],
    ) -> Result<Option<Obstacle>, ServiceError> {
        let file = rulebook::loaded(&self.prometheus).await?;
        let scrape = ScrapeInfo {
            scrape_interval: self.scrape_interval().await?,
            top_bucket: self.top_bucket(expectation, groups).await?,
        };
        let verdict = prediction::predict(
            &file,
            &expectation.alert,
            &self.request,
            &self.series_set,
            scrape,
        );
        let obstacles = verdict.ok().and_then(Result::err);
        Ok(obstacles.into_iter().flatten().next())
    }

    async fn scrape_interval(&self) -> Result<Option<Duration>, ServiceError> {
        if self.served.is_none() {
            return Ok(None);
        }
        let targets = self.prometheus.targets().await?.data;
        let sources = self.sources().await.unwrap_or_default();
        Ok(self
            .target(&targets, &sources)
            .and_then(|target| seamless_core::duration::parse(&target.scrape_interval).ok()))
    }

    /// The highest finite bucket of the histogram that the alert's quantile is taken of.
    async fn top_bucket(
        &self,
        expectation: &Expectation,
        groups: &[LoadedGroup],
    ) -> Result<Option<f64>, ServiceError> {
        let histogram = rules_named(groups, &expectation.alert)
            .filter_map(|rule| rule.query.query().ok())
            .flat_map(|query| query.thresholds())
            .find(|threshold| !threshold.native)
            .map(|threshold| threshold.histogram);
        let Some(histogram) = histogram else {
            return Ok(None);
        };
        let buckets = Selector::name(&format!("{histogram}_bucket"))
            .with(DRILL_LABEL, &self.request.drill_id);
        let bounds = self
            .prometheus
            .instant(&format!("count by (le) ({buckets})"), None)
            .await?;
        let bounds = bounds.data.vector();
        Ok(bounds
            .iter()
            .filter_map(|series| series.metric.get("le").parse::<f64>().ok())
            .filter(|bound| bound.is_finite())
            .max_by(f64::total_cmp))
    }

    async fn why_not_firing(&self, expectation: &Expectation) -> Result<MissReason, ServiceError> {
        let groups = self.prometheus.rules().await?.data;
        let alerts = self.alerts(&expectation.alert, &groups);
        if let Some(alert) = alerts.first() {
            let pending_for = rules_named(&groups, &expectation.alert)
                .find(|rule| rule.alerts.iter().any(|other| other == *alert))
                .map_or(0.0, |rule| rule.duration);
            return Ok(MissReason::StillPending {
                since: alert.active_at.clone(),
                pending_for: Duration::try_from_secs_f64(pending_for).unwrap_or_default(),
            });
        }
        // It was pending and is not any more: the violation ended too early, or was none for long.
        Ok(match self.obstacle(expectation, &groups).await? {
            Some(obstacle) => MissReason::Obstacle(obstacle),
            None => MissReason::ExpressionEmpty,
        })
    }

    async fn why_not_received(
        &self,
        expectation: &Expectation,
    ) -> Result<MissReason, ServiceError> {
        if !self.alertmanagers.is_empty() {
            let held = match self.all_held().await {
                Ok(held) => held,
                Err(error) => return Ok(MissReason::CannotAsk(error.to_string())),
            };
            for alert in self.held(&expectation.alert, &held) {
                if !alert.status.silenced_by.is_empty() {
                    let by = alert.status.silenced_by.clone();
                    return Ok(MissReason::Silenced { by });
                }
                if !alert.status.inhibited_by.is_empty() {
                    let by = self.inhibitors(&alert.status.inhibited_by).await;
                    return Ok(MissReason::Inhibited { by });
                }
            }
        }
        let active = self.prometheus.alertmanagers().await?.data.active;
        if active.is_empty() {
            return Ok(MissReason::NoAlertmanager);
        }
        let sent_to = active.into_iter().map(|to| to.url).collect();
        Ok(MissReason::NotReceived { sent_to })
    }

    /// The names of the alerts that inhibit, where they can be found by their fingerprints; else those.
    async fn inhibitors(&self, fingerprints: &[String]) -> Vec<String> {
        let Some(alertmanager) = self.alertmanagers.first() else {
            return fingerprints.to_vec();
        };
        let held = alertmanager.alerts(&[]).await.unwrap_or_default();
        fingerprints
            .iter()
            .map(|fingerprint| {
                held.iter()
                    .find(|alert| alert.fingerprint == *fingerprint)
                    .map_or_else(
                        || fingerprint.clone(),
                        |alert| alert.labels.get("alertname").to_owned(),
                    )
            })
            .collect()
    }

    /// The time was over before it could be judged, or what it is judged by could not be had.
    async fn why_not_notified(&self) -> Result<MissReason, ServiceError> {
        for alertmanager in &self.alertmanagers {
            alertmanager.counters().await?;
            alertmanager.groups().await?;
        }
        Ok(MissReason::NoRequest {
            kinds: vec!["its receivers".to_owned()],
            waited: self.start.elapsed(),
        })
    }

    async fn why_not_resolved(
        &self,
        expectation: &Expectation,
    ) -> Result<MissReason, ServiceError> {
        let groups = self.prometheus.rules().await?.data;
        let alerts = self.alerts(&expectation.alert, &groups);
        Ok(MissReason::NotResolved {
            held: alerts.is_empty(),
            value: value_of(&alerts),
        })
    }
}
