//! What the tools need of the Alertmanager API (v2).
//!
//! Owns readiness, the loaded configuration, and the alerts and silences it holds. It follows
//! <https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml> and changes nothing.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::http::{
    Answer, Call, Endpoint, Failure, HttpClient, QUERY_BODY_LIMIT, SHORT_BODY_LIMIT,
};
use crate::prometheus::Labels;

/// A request that gave no usable answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{doing} at {endpoint}: {problem}")]
pub struct AlertmanagerError {
    /// What was being done.
    pub doing: &'static str,
    /// Where, without credentials.
    pub endpoint: String,
    /// What came back.
    #[source]
    pub problem: AlertmanagerProblem,
}

/// What came back instead of a usable answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AlertmanagerProblem {
    /// No whole answer.
    #[error(transparent)]
    NoAnswer(#[from] Failure),
    /// A status other than 2xx.
    #[error("{described}{}", detail.as_ref().map(|d| format!(": {d}")).unwrap_or_default())]
    Status {
        /// The status.
        status: u16,
        /// The status in words.
        described: String,
        /// The server's own words, if it gave any.
        detail: Option<String>,
    },
    /// A 2xx whose body is not what Alertmanager answers.
    #[error("the body is not Alertmanager's ({0})")]
    NotAlertmanager(String),
}

impl AlertmanagerError {
    /// What a person should do next.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match &self.problem {
            AlertmanagerProblem::NoAnswer(failure) => failure.fault.hint(),
            AlertmanagerProblem::Status {
                status: 401 | 403, ..
            } => "check the credentials given for the Alertmanager",
            AlertmanagerProblem::Status { .. } | AlertmanagerProblem::NotAlertmanager(_) => {
                "check that the URL leads to Alertmanager itself, path prefix included"
            }
        }
    }
}

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
    pub receivers: Vec<Receiver>,
    /// Whether it goes out.
    pub status: AlertStatus,
    /// Since when, RFC 3339.
    #[serde(default, rename = "startsAt")]
    pub starts_at: String,
    /// What names it in `inhibited_by` of others.
    #[serde(default)]
    pub fingerprint: String,
}

/// A receiver's name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Receiver {
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
pub struct Status {
    /// The loaded configuration.
    pub config: LoadedConfig,
    /// The version.
    #[serde(rename = "versionInfo")]
    pub version: VersionInfo,
}

/// The loaded configuration, in which the server has replaced secrets by `<secret>`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LoadedConfig {
    /// YAML.
    pub original: String,
}

/// The version of the server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct VersionInfo {
    /// The version.
    #[serde(default)]
    pub version: String,
}

/// A client of one Alertmanager.
#[derive(Debug, Clone)]
pub struct Alertmanager {
    http: HttpClient,
    endpoint: Endpoint,
}

impl Alertmanager {
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
    /// [`AlertmanagerError`] unless the answer is 2xx and no web page.
    pub async fn ready(&self) -> Result<(), AlertmanagerError> {
        const DOING: &str = "asking whether it is ready";
        let answer = self
            .get(DOING, self.endpoint.url(&["-", "ready"]), SHORT_BODY_LIMIT)
            .await?;
        self.check(DOING, &answer)
    }

    /// The loaded configuration and the version.
    ///
    /// # Errors
    /// [`AlertmanagerError`].
    pub async fn status(&self) -> Result<Status, AlertmanagerError> {
        self.ask("reading its configuration", &["api", "v2", "status"], &[])
            .await
    }

    /// The alerts it holds that match all `filters` (`name="value"`), suppressed ones included.
    ///
    /// # Errors
    /// [`AlertmanagerError`].
    pub async fn alerts(&self, filters: &[String]) -> Result<Vec<HeldAlert>, AlertmanagerError> {
        self.ask("listing alerts", &["api", "v2", "alerts"], filters)
            .await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        doing: &'static str,
        path: &[&str],
        filters: &[String],
    ) -> Result<T, AlertmanagerError> {
        let mut url = self.endpoint.url(path);
        if !filters.is_empty() {
            url.query_pairs_mut()
                .extend_pairs(filters.iter().map(|filter| ("filter", filter)));
        }
        let answer = self.get(doing, url, QUERY_BODY_LIMIT).await?;
        self.read(doing, &answer)
    }

    /// Reads the answer to a request of the API, however it was had.
    ///
    /// # Errors
    /// [`AlertmanagerError`] unless it is 2xx and Alertmanager's.
    pub fn read<T: DeserializeOwned>(
        &self,
        doing: &'static str,
        answer: &Answer,
    ) -> Result<T, AlertmanagerError> {
        self.check(doing, answer)?;
        serde_json::from_slice(&answer.body).map_err(|error| {
            // It may repeat parts of the body.
            let why = answer.quoted(&error.to_string());
            self.error(doing, AlertmanagerProblem::NotAlertmanager(why))
        })
    }

    fn check(&self, doing: &'static str, answer: &Answer) -> Result<(), AlertmanagerError> {
        if !answer.is_success() {
            let problem = AlertmanagerProblem::Status {
                status: answer.status,
                described: answer.described(),
                detail: answer.detail(),
            };
            return Err(self.error(doing, problem));
        }
        if answer.looks_like_html() {
            let page = "an HTML page: a login page or a proxy?".to_owned();
            return Err(self.error(doing, AlertmanagerProblem::NotAlertmanager(page)));
        }
        Ok(())
    }

    async fn get(
        &self,
        doing: &'static str,
        url: url::Url,
        limit: usize,
    ) -> Result<Answer, AlertmanagerError> {
        self.http
            .send(&Call::get(&self.endpoint, url, limit))
            .await
            .map_err(|failure| self.error(doing, failure.into()))
    }

    fn error(&self, doing: &'static str, problem: AlertmanagerProblem) -> AlertmanagerError {
        AlertmanagerError {
            doing,
            endpoint: self.endpoint.to_string(),
            problem,
        }
    }
}
