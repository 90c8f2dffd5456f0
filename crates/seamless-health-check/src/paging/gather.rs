//! Fetching what is known of the path of an alert, all of it side by side.

use std::time::Duration;

use futures_util::future::join_all;
use seamless_core::alertmanager::Alertmanager;
use seamless_core::duration;
use seamless_core::http::ServiceError;
use seamless_core::paging::{Configuration, Counters, Sending};
use seamless_core::prometheus::{InstantSeries, Prometheus};

use super::{OneAlertmanager, Paging, Reads, Scraped};
use crate::facts::{Fact, Gap};
use crate::request::Request;

/// Prometheus's `--rules.alert.resend-delay` where it cannot be asked for.
const RESEND: Duration = Duration::from_secs(60);
/// What Prometheus evaluates its rules by where it does not say.
const EVALUATION: Duration = Duration::from_secs(60);
/// Over how long errors of sending count as current.
const RECENT: &str = "10m";

/// Fetches what is known of the path of an alert.
pub(crate) async fn gather(request: &Request) -> Paging {
    let (sending, resend) = tokio::join!(sending(request), resend(request));
    let interval = sending
        .as_ref()
        .ok()
        .and_then(|sending| sending.evaluation_interval);
    // After this long, whatever fires was sent again.
    let apart = resend + 2 * interval.unwrap_or(EVALUATION);
    let again = request.wait_delivery.then_some(apart);
    let alertmanagers = request
        .alertmanagers
        .iter()
        .map(|client| one(client, again));
    let (mut alertmanagers, prometheus, scraped) = tokio::join!(
        join_all(alertmanagers),
        counters(request, again),
        scraped(request)
    );
    alertmanagers.extend(request.alertmanager_file.iter().map(file));
    Paging {
        sending,
        resend,
        alertmanagers,
        prometheus,
        scraped,
    }
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

async fn one(client: &Alertmanager, again: Option<Duration>) -> OneAlertmanager {
    let (ready, status, alerts, silences, counters) = tokio::join!(
        async { client.ready().await.map_err(Gap::from) },
        async { client.status().await.map_err(Gap::from) },
        async { client.alerts_and_time(&[]).await.map_err(Gap::from) },
        async { client.silences().await.map_err(Gap::from) },
        reads(again, || client.counters()),
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
    reads(again, || client.counters()).await
}

/// One read of counters, or two with `again` between them.
async fn reads<F>(again: Option<Duration>, read: impl Fn() -> F) -> Fact<Reads>
where
    F: Future<Output = Result<Counters, ServiceError>>,
{
    let first = read().await?;
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

async fn scraped(request: &Request) -> Fact<Scraped> {
    let client = request.prometheus.as_ref().ok_or_else(no_prometheus)?;
    let recent = |metric: &str| {
        format!(
            "sum by (alertmanager) (increase(prometheus_notifications_{metric}_total[{RECENT}]))"
        )
    };
    let of_kind = |metric: &str, range: &str| {
        format!("sum by (integration) (increase(alertmanager_notifications_{metric}[{range}]))")
    };
    let queries = [
        recent("errors"),
        recent("dropped"),
        of_kind("failed_total", "6h"),
        of_kind("total", "1d"),
        of_kind("failed_total", "1d"),
    ];
    let ask = |query: &String| ask(client, query.clone());
    let [errors, dropped, failed, sent_of_day, failed_of_day] = &queries;
    let (errors, dropped, failed, sent_of_day, failed_of_day) = tokio::join!(
        ask(errors),
        ask(dropped),
        ask(failed),
        ask(sent_of_day),
        ask(failed_of_day)
    );
    Ok(Scraped {
        errors: errors?,
        dropped: dropped?,
        failed: failed?,
        sent_of_day: sent_of_day?,
        failed_of_day: failed_of_day?,
    })
}

async fn ask(client: &Prometheus, query: String) -> Fact<Vec<InstantSeries>> {
    Ok(client.instant(&query, None).await?.data.vector())
}
