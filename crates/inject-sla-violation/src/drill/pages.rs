//! Whom a drill would page: its critical alerts, and the receivers that their routes lead to.

use std::fmt;
use std::time::Duration;

use seamless_cli::clean;
use seamless_core::duration;
use seamless_core::rules::RuleFile;
use seamless_core::schema::DRILL_LABEL;
use serde::Serialize;

use super::path::AlertPath;
use crate::json;
use crate::prediction;
use crate::request::{Course, Request};
use crate::series::SeriesSet;

/// A drill that would page.
#[derive(Debug, Serialize)]
pub(crate) struct PagingDrill {
    alerts: Vec<CriticalAlert>,
    /// None where they are unknown.
    receivers: Option<Vec<String>>,
    /// Whether the drill's silence keeps them from being told of every one.
    silenced: bool,
    #[serde(skip)]
    by_silence: bool,
    #[serde(skip)]
    hold: Duration,
}

#[derive(Debug, Serialize)]
struct CriticalAlert {
    alert: String,
    #[serde(rename = "after_seconds", serialize_with = "json::seconds")]
    after: Duration,
    /// Whether the drill's silence meets it: not where its rule drops the label `drill`.
    silenced: bool,
}

impl PagingDrill {
    /// What `request` would page with `rules`; none where no critical alert should fire.
    pub(crate) fn of(
        request: &Request,
        course: &Course,
        series_set: &SeriesSet,
        rules: &RuleFile,
        path: Option<&AlertPath>,
    ) -> Option<Self> {
        let critical = prediction::critical(rules, request, series_set);
        if critical.is_empty() {
            return None;
        }
        let receivers = path.map(|path| {
            let mut names: Vec<String> = critical
                .iter()
                .flat_map(|(rule, _)| path.receivers(rule, request))
                .collect();
            names.sort_unstable();
            names.dedup();
            names
        });
        let mut alerts: Vec<CriticalAlert> = Vec::new();
        for (rule, after) in critical {
            let is_muted = request.silence
                && !prediction::loses_drill(rules, rule)
                && !path.is_some_and(|path| path.loses_drill(rule, request));
            match alerts.iter_mut().find(|known| known.alert == rule.name) {
                Some(known) => {
                    known.after = after.min(known.after);
                    known.silenced &= is_muted;
                }
                None => alerts.push(CriticalAlert {
                    alert: rule.name.clone(),
                    after,
                    silenced: is_muted,
                }),
            }
        }
        Some(Self {
            silenced: alerts.iter().all(|alert| alert.silenced),
            alerts,
            receivers,
            by_silence: request.silence,
            hold: course.hold,
        })
    }

    /// Whether somebody would be paged, whatever silence there is.
    pub(crate) const fn pages_for_real(&self) -> bool {
        !self.silenced
    }

    /// For a person to read: an alert a line.
    pub(crate) fn lines(&self) -> String {
        let mut text = format!(
            "critical alerts that this drill of {} should fire:\n",
            duration::format(self.hold)
        );
        for CriticalAlert { alert, after, .. } in &self.alerts {
            let after = duration::format(*after);
            text.push_str(&format!("  {} after about {after}\n", clean(alert)));
        }
        text.push_str(&self.told());
        text
    }

    /// Who would be told.
    fn told(&self) -> String {
        let mut text = match &self.receivers {
            Some(receivers) => format!("receivers: {}", clean(&receivers.join(", "))),
            None => "receivers unknown".to_owned(),
        };
        if self.silenced {
            text.push_str("; silenced by this drill");
        } else if self.by_silence {
            let missed = self.alerts.iter().filter(|alert| !alert.silenced);
            let missed: Vec<String> = missed.map(|alert| clean(&alert.alert)).collect();
            text.push_str(&format!(
                "; the silence does not mute {}, which loses the label {DRILL_LABEL} (an aggregation without it, a label of \
                 the rule, alert_relabel_configs)",
                missed.join(", ")
            ));
        }
        text
    }
}

impl fmt::Display for PagingDrill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let alerts: Vec<String> = self
            .alerts
            .iter()
            .map(|CriticalAlert { alert, after, .. }| {
                format!("{} after about {}", clean(alert), duration::format(*after))
            })
            .collect();
        write!(
            f,
            "this drill of {} should fire critical alerts: {}; ",
            duration::format(self.hold),
            alerts.join(", ")
        )?;
        f.write_str(&self.told())
    }
}
