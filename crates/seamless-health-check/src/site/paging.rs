//! Fetching what is known of the path of an alert, all of it side by side.

use std::time::Duration;

use futures_util::future::join_all;
use seamless_core::alertmanager::AlertmanagerClient;
use seamless_core::duration;
use seamless_core::http::ServiceError;
use seamless_core::paging::{Configuration, Counters, Sending};
use seamless_core::prometheus::InstantSeries;

use crate::gap::{Fact, Gap};
use crate::paging::{OneAlertmanager, Paging, Reads, Scraped};
use crate::request::Request;

/// Prometheus's `--rules.alert.resend-delay` where it cannot be asked for.
const RESEND: Duration = Duration::from_secs(60);
/// What Prometheus evaluates its rules by where it does not say.
const EVALUATION: Duration = Duration::from_secs(60);

/// Fetches what is known of the path of an alert.
pub(super) async fn fetch(request: &Request) -> Paging {
    let timing = async { tokio::join!(sending(request), resend(request)) };
    let ((sending, resend), (mut alertmanagers, prometheus, scraped)) = if request.wait_delivery {
        let (sending, resend) = timing.await;
        let interval = sending
            .as_ref()
            .ok()
            .and_then(|sending| sending.evaluation_interval);
        // After this long, whatever fires was sent again.
        let apart = resend + 2 * interval.unwrap_or(EVALUATION);
        ((sending, resend), fetched(request, Some(apart)).await)
    } else {
        tokio::join!(timing, fetched(request, None))
    };
    alertmanagers.extend(request.alertmanager_file.iter().map(file));
    Paging {
        sending,
        resend,
        alertmanagers,
        prometheus,
        scraped,
    }
}

/// What does not depend on how Prometheus sends; counters are read again after `again`.
async fn fetched(
    request: &Request,
    again: Option<Duration>,
) -> (Vec<OneAlertmanager>, Fact<Reads>, Fact<Scraped>) {
    let alertmanagers = request
        .alertmanagers
        .iter()
        .map(|client| one(client, again));
    tokio::join!(
        join_all(alertmanagers),
        counters(request, again),
        scraped(request)
    )
}

fn no_prometheus() -> Gap {
    Gap::NotConfigured("no Prometheus URL is configured".to_owned())
}

async fn sending(request: &Request) -> Fact<Sending> {
    let mut sending = match &request.prometheus {
        Some(client) => {
            match client.config().await.map_err(Gap::from) {
                Ok(text) => {
                    Sending::parse(&text).map_err(|error| Gap::NotOffered(error.to_string()))
                }
                // Thanos, Mimir and VictoriaMetrics do not show it: nobody knows the external labels.
                Err(Gap::NotOffered(_)) => Ok(Sending::default()),
                Err(gap) => Err(gap),
            }
        }
        None => Ok(Sending::default()),
    };
    if !request.external_labels.is_empty() {
        let external = request.external_labels.clone();
        let mut known = sending.unwrap_or_default();
        known.external.get_or_insert_default().extend(external);
        sending = Ok(known);
    }
    sending
}

async fn resend(request: &Request) -> Duration {
    let Some(client) = &request.prometheus else {
        return RESEND;
    };
    let flags = client.flags().await.unwrap_or_default();
    let delay = flags.get("rules.alert.resend-delay");
    delay
        .and_then(|text| duration::parse(text).ok())
        .unwrap_or(RESEND)
}

async fn one(client: &AlertmanagerClient, again: Option<Duration>) -> OneAlertmanager {
    let (ready, status, alerts, silences, counters) = tokio::join!(
        async { client.ready().await.map_err(Gap::from) },
        async { client.status().await.map_err(Gap::from) },
        async { client.alerts_and_time(&[]).await.map_err(Gap::from) },
        async { client.silences().await.map_err(Gap::from) },
        reads(again, "alertmanager_notifications_total", || client
            .counters()),
    );
    let config = status.as_ref().map_err(Clone::clone).and_then(|status| {
        Configuration::parse(&status.config.original).map_err(|error| unreadable(&error))
    });
    OneAlertmanager {
        name: client.endpoint().to_string(),
        ready,
        status,
        config,
        alerts,
        silences,
        counters,
    }
}

fn unreadable(error: &dyn std::error::Error) -> Gap {
    Gap::Failed {
        message: format!("its configuration cannot be read: {error}"),
        hint: "amtool check-config shows what Alertmanager itself says of it".to_owned(),
    }
}

/// A file that stands for an Alertmanager: its configuration is all that is known.
fn file((name, config): &(String, Configuration)) -> OneAlertmanager {
    let gap = || Gap::NotConfigured(format!("{name} is a file: nothing runs there"));
    OneAlertmanager {
        name: name.clone(),
        ready: Err(gap()),
        status: Err(gap()),
        config: Ok(config.clone()),
        alerts: Err(gap()),
        silences: Err(gap()),
        counters: Err(gap()),
    }
}

async fn counters(request: &Request, again: Option<Duration>) -> Fact<Reads> {
    let client = request.prometheus.as_ref().ok_or_else(no_prometheus)?;
    let counted = "prometheus_notifications_dropped_total";
    reads(again, counted, || client.counters()).await
}

/// One read of counters, or two with `again` between them. Without `counted`, which these servers always have,
/// something else answered: a gateway, or an empty page, in which nothing ever fails.
async fn reads<F>(again: Option<Duration>, counted: &str, read: impl Fn() -> F) -> Fact<Reads>
where
    F: Future<Output = Result<Counters, ServiceError>>,
{
    let first = read().await?;
    if first.sum(counted).is_none() {
        let reason = format!("its /metrics has no {counted}: a gateway in front of it?");
        return Err(Gap::NotOffered(reason));
    }
    let second = match again {
        Some(apart) => {
            tokio::time::sleep(apart).await;
            Some(read().await?)
        }
        None => None,
    };
    Ok(Reads {
        first,
        second,
        apart: again.unwrap_or_default(),
    })
}

/// One query for all: each figure is told apart by a label of its own.
async fn scraped(request: &Request) -> Fact<Scraped> {
    const FIGURES: [(&str, &str, &str); 5] = [
        (
            "errors",
            "alertmanager",
            "prometheus_notifications_errors_total[10m]",
        ),
        (
            "dropped",
            "alertmanager",
            "prometheus_notifications_dropped_total[10m]",
        ),
        (
            "failed",
            "integration",
            "alertmanager_notifications_failed_total[6h]",
        ),
        (
            "sent_of_day",
            "integration",
            "alertmanager_notifications_total[1d]",
        ),
        (
            "failed_of_day",
            "integration",
            "alertmanager_notifications_failed_total[1d]",
        ),
    ];
    let client = request.prometheus.as_ref().ok_or_else(no_prometheus)?;
    let figures = FIGURES.map(|(figure, by, range)| {
        format!(r#"label_replace(sum by ({by}) (increase({range})), "figure", "{figure}", "", "")"#)
    });
    let found = client
        .instant(&figures.join(" or "), None)
        .await?
        .data
        .vector();
    let of = |figure: &str| -> Vec<InstantSeries> {
        let of = found
            .iter()
            .filter(|series| series.metric.get("figure") == figure);
        of.cloned().collect()
    };
    Ok(Scraped {
        errors: of("errors"),
        dropped: of("dropped"),
        failed: of("failed"),
        sent_of_day: of("sent_of_day"),
        failed_of_day: of("failed_of_day"),
    })
}
