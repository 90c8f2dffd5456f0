//! What the tools need of the Alertmanager API (v2).
//!
//! Owns readiness, the loaded configuration, the state of its cluster, the alerts and silences it holds, and
//! what it counts of its notifications. It follows
//! <https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml> and changes nothing.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::counters::Counters;
use crate::http::{
    Endpoint, HttpClient, HttpRequest, HttpResponse, QUERY_BODY_LIMIT, RequestError,
    SHORT_BODY_LIMIT, ServiceError,
};
use crate::paging::Silence;
use crate::prometheus::Labels;

/// What a configuration, a list of silences or an exposition may hold, in bytes.
const DOCUMENT_LIMIT: usize = 8 << 20;

/// An alert that Alertmanager holds.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct HeldAlert {
    /// Its labels, `alertname` among them.
    pub labels: Labels,
    /// Its annotations.
    #[serde(default)]
    pub annotations: Labels,
    /// Who gets it.
    #[serde(default)]
    pub receivers: Vec<ReceiverName>,
    /// Whether it goes out.
    pub status: AlertStatus,
    /// Since when, RFC 3339.
    #[serde(default, rename = "startsAt")]
    pub starts_at: String,
    /// When it was last sent to this Alertmanager, or to a peer that passed it on, RFC 3339.
    #[serde(default, rename = "updatedAt")]
    pub updated_at: String,
    /// What names it in `inhibited_by` of others.
    #[serde(default)]
    pub fingerprint: String,
}

/// Alerts that are sent together, and the receiver that they are sent to.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct AlertGroup {
    /// The labels that it is grouped by.
    #[serde(default)]
    pub labels: Labels,
    /// Who gets it.
    pub receiver: ReceiverName,
    /// Its alerts, suppressed ones included.
    #[serde(default)]
    pub alerts: Vec<HeldAlert>,
}

/// A receiver's name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ReceiverName {
    /// The name.
    pub name: String,
}

/// Whether an alert goes out, or what holds it back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AlertStatus {
    /// `unprocessed`, `active` or `suppressed`.
    pub state: String,
    /// The ids of silences that hold it back.
    #[serde(default, rename = "silencedBy")]
    pub silenced_by: Vec<String>,
    /// The fingerprints of alerts that inhibit it.
    #[serde(default, rename = "inhibitedBy")]
    pub inhibited_by: Vec<String>,
}

/// What runs there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AlertmanagerStatus {
    /// The loaded configuration.
    pub config: LoadedConfig,
    /// Its cluster.
    #[serde(default)]
    pub cluster: Cluster,
}

/// The cluster that an Alertmanager is in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Cluster {
    /// `ready`, `settling` or `disabled`.
    #[serde(default)]
    pub status: String,
    /// Its members, itself among them.
    #[serde(default)]
    pub peers: Vec<Peer>,
}

/// A member of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Peer {
    /// Its name, made up at its start.
    #[serde(default)]
    pub name: String,
    /// Where the others reach it.
    #[serde(default)]
    pub address: String,
}

/// The loaded configuration, in which the server has replaced secrets by `<secret>`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LoadedConfig {
    /// YAML.
    pub original: String,
}

/// A client of one Alertmanager.
#[derive(Debug, Clone)]
pub struct AlertmanagerClient {
    http: HttpClient,
    endpoint: Endpoint,
}

impl AlertmanagerClient {
    /// A client of the server at `endpoint`.
    #[must_use]
    pub const fn new(http: HttpClient, endpoint: Endpoint) -> Self {
        Self { http, endpoint }
    }

    /// Where it is, without credentials.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Whether it says that it is ready (`/-/ready`).
    ///
    /// # Errors
    /// [`ServiceError`] unless the answer is 2xx and no web page.
    pub async fn ready(&self) -> Result<(), ServiceError> {
        const DOING: &str = "GET /-/ready";
        let answer = self
            .get(DOING, self.endpoint.url(&["-", "ready"]), SHORT_BODY_LIMIT)
            .await?;
        self.check(DOING, &answer)
    }

    /// The loaded configuration and the version.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn status(&self) -> Result<AlertmanagerStatus, ServiceError> {
        self.ask(&["api", "v2", "status"], &[]).await
    }

    /// The alerts it holds that match all `filters` (`name="value"`), suppressed ones included.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn alerts(&self, filters: &[String]) -> Result<Vec<HeldAlert>, ServiceError> {
        self.ask(&["api", "v2", "alerts"], filters).await
    }

    /// The same, with the time by its clock (milliseconds since the epoch, exact to a second), where its
    /// answer says it.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn alerts_and_time(
        &self,
        filters: &[String],
    ) -> Result<(Vec<HeldAlert>, Option<i64>), ServiceError> {
        self.ask_at(&["api", "v2", "alerts"], filters).await
    }

    /// The groups in which it sends alerts, one for each receiver.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn groups(&self) -> Result<Vec<AlertGroup>, ServiceError> {
        self.ask(&["api", "v2", "alerts", "groups"], &[]).await
    }

    /// The silences it holds, expired ones included.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn silences(&self) -> Result<Vec<Silence>, ServiceError> {
        self.ask(&["api", "v2", "silences"], &[]).await
    }

    /// What it counts of its notifications, from its own `/metrics`.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn counters(&self) -> Result<Counters, ServiceError> {
        const DOING: &str = "GET /metrics";
        let answer = self.answer(DOING, &["metrics"], &[]).await?;
        self.check(DOING, &answer)?;
        Counters::read(&answer.body).map_err(|error| {
            self.error(DOING, RequestError::unexpected(&answer, &error.to_string()))
        })
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        path: &[&str],
        filters: &[String],
    ) -> Result<T, ServiceError> {
        let (read, _) = self.ask_at(path, filters).await?;
        Ok(read)
    }

    /// The same, with the time by the server's clock.
    async fn ask_at<T: DeserializeOwned>(
        &self,
        path: &[&str],
        filters: &[String],
    ) -> Result<(T, Option<i64>), ServiceError> {
        let doing = format!("GET /{}", path.join("/"));
        let answer = self.answer(&doing, path, filters).await?;
        Ok((self.read(&doing, &answer)?, answer.date_ms))
    }

    async fn answer(
        &self,
        doing: &str,
        path: &[&str],
        filters: &[String],
    ) -> Result<HttpResponse, ServiceError> {
        let mut url = self.endpoint.url(path);
        if !filters.is_empty() {
            url.query_pairs_mut()
                .extend_pairs(filters.iter().map(|filter| ("filter", filter)));
        }
        let limit = match path {
            // Each alert is held whole.
            [.., "alerts"] => QUERY_BODY_LIMIT / 2,
            _ => DOCUMENT_LIMIT,
        };
        self.get(doing, url, limit).await
    }

    /// Reads the answer to a request of the API, however it was had.
    ///
    /// # Errors
    /// [`ServiceError`] unless it is 2xx and Alertmanager's.
    pub fn read<T: DeserializeOwned>(
        &self,
        doing: &str,
        answer: &HttpResponse,
    ) -> Result<T, ServiceError> {
        self.check(doing, answer)?;
        serde_json::from_slice(&answer.body).map_err(|error| {
            let found = format!("not Alertmanager's ({error})");
            self.error(doing, RequestError::unexpected(answer, &found))
        })
    }

    fn check(&self, doing: &str, answer: &HttpResponse) -> Result<(), ServiceError> {
        if !answer.is_success() {
            return Err(self.error(doing, RequestError::status(answer)));
        }
        if answer.looks_like_html() {
            return Err(self.error(doing, RequestError::web_page(answer)));
        }
        Ok(())
    }

    async fn get(
        &self,
        doing: &str,
        url: url::Url,
        limit: usize,
    ) -> Result<HttpResponse, ServiceError> {
        self.http
            .send(&HttpRequest::get(&self.endpoint, url, limit))
            .await
            .map_err(|failure| self.error(doing, failure.into()))
    }

    fn error(&self, doing: &str, error: RequestError) -> ServiceError {
        ServiceError::new(&self.endpoint, doing, error)
    }
}
