//! Who would be told of each alert: for people (`--output paths`, `--explain`) and for programs (JSON).

use seamless_core::paging::{AlertShape, Coverage};
use seamless_core::prometheus::label_name;
use serde::Serialize;

use crate::paging::{Facts, OneAlertmanager, Paging, Reach, Way, of_day, since_start};

/// Whom one alert reaches through one Alertmanager.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Told {
    pub(crate) alert: String,
    pub(crate) severity: String,
    /// Its URL, or the file.
    pub(crate) alertmanager: String,
    pub(crate) receivers: Vec<ToldReceiver>,
    /// Whom it reaches at best.
    #[serde(skip)]
    pub(crate) reach: Reach,
    /// The routes that lead there.
    pub(crate) routes: Vec<String>,
    /// The label values with which it reaches less, where its series decide.
    pub(crate) less_when: Option<String>,
    /// What closes its routes now, and until when.
    pub(crate) muted: Option<String>,
    /// The silence that covers it, with its end.
    pub(crate) silenced: Option<String>,
}

/// A receiver, and what became of what it was sent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ToldReceiver {
    pub(crate) name: String,
    pub(crate) integrations: Vec<ToldIntegration>,
}

/// A kind of integration. The counters are those of the kind: several receivers may share it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ToldIntegration {
    pub(crate) kind: String,
    /// Notifications in 24 hours, where Prometheus scrapes Alertmanager.
    pub(crate) sent_24h: Option<f64>,
    /// Failed ones of them.
    pub(crate) failed_24h: Option<f64>,
    /// Notifications since Alertmanager started.
    pub(crate) sent_since_start: Option<f64>,
    /// Failed ones of them.
    pub(crate) failed_since_start: Option<f64>,
}

/// Who would be told of each alert, through each Alertmanager.
pub(crate) fn told(facts: Option<&Facts<'_>>) -> Vec<Told> {
    let Some(facts) = facts else {
        return Vec::new();
    };
    let paging = facts.paging;
    let alerts = facts.shapes();
    let mut all = Vec::new();
    for alertmanager in &paging.alertmanagers {
        for way in facts.ways(alertmanager).unwrap_or_default() {
            let told = of_way(&way, alertmanager, paging, &alerts);
            if !all.contains(&told) {
                all.push(told);
            }
        }
    }
    all
}

fn of_way(
    way: &Way,
    alertmanager: &OneAlertmanager,
    paging: &Paging,
    alerts: &[AlertShape],
) -> Told {
    let integration = |kind: &String| {
        let (day, start) = (of_day(paging, kind), since_start(paging, kind));
        ToldIntegration {
            kind: kind.clone(),
            sent_24h: day.map(|(sent, _)| sent),
            failed_24h: day.map(|(_, failed)| failed),
            sent_since_start: start.map(|(sent, _)| sent),
            failed_since_start: start.map(|(_, failed)| failed),
        }
    };
    let receivers = way.receivers.iter().map(|(name, kinds)| ToldReceiver {
        name: name.clone(),
        integrations: kinds.iter().map(integration).collect(),
    });
    let worse = (way.best != way.worst).then(|| {
        let labels = way.worst_when.iter();
        let labels: Vec<String> = labels
            .map(|(name, value)| format!("{}={value:?}", label_name(name)))
            .collect();
        if labels.is_empty() {
            let unknown: Vec<&str> = way.unknown.iter().map(String::as_str).collect();
            let unknown = unknown.join(", ");
            return format!(
                "{unknown} does not match its route (value unknown: give --external-label)"
            );
        }
        labels.join(", ")
    });
    Told {
        alert: way.alert.clone(),
        severity: way.severity.clone(),
        alertmanager: alertmanager.name.clone(),
        receivers: receivers.collect(),
        reach: way.best,
        routes: way.routes.iter().map(|(route, _)| route.clone()).collect(),
        less_when: worse,
        muted: way.closed.then(|| way.closed_by()).flatten(),
        silenced: silenced(way, alertmanager, paging, alerts),
    }
}

/// The silence that covers the alert, or some of it.
fn silenced(
    way: &Way,
    alertmanager: &OneAlertmanager,
    paging: &Paging,
    alerts: &[AlertShape],
) -> Option<String> {
    let sending = paging.sending.as_ref().ok()?;
    let alert = alerts.iter().find(|alert| alert.name == way.alert)?;
    let silences = alertmanager.silences.as_ref().ok()?;
    let silenced = alert.silenced_by(silences, sending);
    let together = silenced.together.iter();
    if let Some(first) = together.min_by_key(|silence| &silence.ends_at) {
        let count = silenced.together.len();
        return Some(format!(
            "until {} by {count} silences together",
            first.ends_at
        ));
    }
    let alone = silenced.alone.iter();
    let (silence, coverage) = alone.max_by_key(|(_, coverage)| *coverage)?;
    let part = match coverage {
        Coverage::None => return None,
        Coverage::Part => "in part ",
        Coverage::Unknown => "perhaps ",
        Coverage::Most => "mostly ",
        Coverage::Whole => "",
    };
    Some(format!(
        "{part}until {} by {} ({})",
        silence.ends_at, silence.created_by, silence.id
    ))
}
