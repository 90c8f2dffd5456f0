//! Whom a drill would page: its critical alerts, and the receivers that their routes lead to.

use std::fmt;
use std::time::Duration;

use seamless_cli::clean;
use seamless_core::duration;
use seamless_core::rules::RuleFile;
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
    /// Whether a silence keeps them from being told.
    silenced: bool,
    #[serde(skip)]
    hold: Duration,
}

#[derive(Debug, Serialize)]
struct CriticalAlert {
    alert: String,
    #[serde(rename = "after_seconds", serialize_with = "json::seconds")]
    after: Duration,
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
                .flat_map(|(alert, _)| rules.alerts_named(alert))
                .filter(|rule| prediction::is_critical(rule))
                .flat_map(|rule| path.receivers(rule, request))
                .collect();
            names.sort_unstable();
            names.dedup();
            names
        });
        let alerts = critical.into_iter();
        Some(Self {
            alerts: alerts
                .map(|(alert, after)| CriticalAlert { alert, after })
                .collect(),
            receivers,
            silenced: request.silence,
            hold: course.hold,
        })
    }

    /// For a person to read: an alert a line.
    pub(crate) fn lines(&self) -> String {
        let mut text = format!(
            "critical alerts that this drill of {} should fire:\n",
            duration::format(self.hold)
        );
        for CriticalAlert { alert, after } in &self.alerts {
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
        }
        text
    }
}

impl fmt::Display for PagingDrill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let alerts: Vec<String> = self
            .alerts
            .iter()
            .map(|CriticalAlert { alert, after }| {
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
