//! Asking, and telling an answer from something that is none.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::labels::Labels;
use super::response::{
    Alertmanagers, Alerts, BuildInfo, FiringAlert, MetricMetadata, QueryValue, RuleGroup,
    RuleGroups, Target, Targets,
};
use crate::http::{
    Answer, Body, Call, Endpoint, Failure, HttpClient, QUERY_BODY_LIMIT, SHORT_BODY_LIMIT,
};

/// Longer queries are sent as a form: proxies and servers bound the length of a URL.
const LONGEST_GET: usize = 1800;

/// An answer's data, and what the server said beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply<T> {
    /// The data.
    pub data: T,
    /// Warnings: a partial answer of a federated store, say.
    pub warnings: Vec<String>,
}

/// A request that gave no usable answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrometheusError {
    /// No whole answer.
    #[error("{doing} at {endpoint}: {failure}")]
    NoAnswer {
        /// What was being done.
        doing: &'static str,
        /// Where, without credentials.
        endpoint: String,
        /// Why.
        #[source]
        failure: Failure,
    },
    /// The server understood and refused: a bad query, a timeout of its own.
    #[error("{doing} at {endpoint}: {kind}: {message}")]
    Refused {
        /// What was being done.
        doing: &'static str,
        /// Where, without credentials.
        endpoint: String,
        /// The HTTP status.
        status: u16,
        /// The server's `errorType`.
        kind: String,
        /// The server's words.
        message: String,
    },
    /// A status that Prometheus does not give here.
    #[error("{doing} at {endpoint}: {described}{}", detail.as_ref().map(|d| format!(": {d}")).unwrap_or_default())]
    Status {
        /// What was being done.
        doing: &'static str,
        /// Where, without credentials.
        endpoint: String,
        /// The HTTP status.
        status: u16,
        /// The status in words.
        described: String,
        /// The server's own words, if it gave any.
        detail: Option<String>,
    },
    /// A 2xx whose body is not what Prometheus answers.
    #[error("{doing} at {endpoint}: {described}, but the body is not Prometheus's ({why})")]
    NotPrometheus {
        /// What was being done.
        doing: &'static str,
        /// Where, without credentials.
        endpoint: String,
        /// The status in words.
        described: String,
        /// Where reading it failed.
        why: String,
    },
}

impl PrometheusError {
    /// What a person should do next.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::NoAnswer { failure, .. } => failure.fault.hint(),
            Self::Refused { .. } => "the server did not take the query",
            Self::Status {
                status: 401 | 403, ..
            } => "check --bearer-token-file, --header or the URL's credentials",
            Self::Status { status: 404, .. } => {
                "this server does not offer it, or the URL lacks a path prefix"
            }
            Self::Status { .. } | Self::NotPrometheus { .. } => {
                "check that the URL leads to Prometheus itself, path prefix included"
            }
        }
    }

    /// A 400 to a request that asks something is about what it asks.
    fn about_what_was_asked(self) -> Self {
        match self {
            Self::Status {
                doing,
                endpoint,
                status: status @ 400,
                described,
                detail,
            } => Self::Refused {
                doing,
                endpoint,
                status,
                kind: described,
                message: detail.unwrap_or_else(|| "it gave no reason".to_owned()),
            },
            other => other,
        }
    }

    /// Whether the server answered that it has no such endpoint. VictoriaMetrics says so with 400, which
    /// is [`Self::Refused`] where something was asked.
    #[must_use]
    pub const fn is_not_offered(&self) -> bool {
        matches!(
            self,
            Self::Status {
                status: 400 | 404 | 405 | 501,
                ..
            } | Self::Refused {
                status: 404 | 405 | 501,
                ..
            }
        )
    }
}

/// A client of one Prometheus, or of a server that speaks its API.
#[derive(Debug, Clone)]
pub struct Prometheus {
    http: HttpClient,
    endpoint: Endpoint,
    body_limit: usize,
}

impl Prometheus {
    /// A client of the server at `endpoint`.
    #[must_use]
    pub const fn new(http: HttpClient, endpoint: Endpoint) -> Self {
        Self {
            http,
            endpoint,
            body_limit: QUERY_BODY_LIMIT,
        }
    }

    /// The same, but for another bound on what the answer to a query may hold, in bytes. Memory follows
    /// it: a whole answer and what is read from it are held at a time.
    #[must_use]
    pub const fn with_body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Where it is, without credentials.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Whether it says that it is ready (`/-/ready`).
    ///
    /// # Errors
    /// [`PrometheusError`] unless the answer is 2xx and no web page.
    pub async fn ready(&self) -> Result<(), PrometheusError> {
        const DOING: &str = "asking whether it is ready";
        let answer = self
            .send(
                DOING,
                &Call::get(
                    &self.endpoint,
                    self.endpoint.url(&["-", "ready"]),
                    SHORT_BODY_LIMIT,
                ),
            )
            .await?;
        if !answer.is_success() {
            return Err(self.status(DOING, &answer));
        }
        // By what it is, not by its label: VictoriaMetrics calls its compressed line of text HTML.
        if answer.body.trim_ascii().starts_with(b"<") {
            return Err(self.not_prometheus(DOING, &answer, "an HTML page".to_owned()));
        }
        Ok(())
    }

    /// Evaluates `expression` at `time` (seconds since the epoch), or now by the server's clock.
    ///
    /// # Errors
    /// [`PrometheusError`].
    pub async fn instant(
        &self,
        expression: &str,
        time: Option<f64>,
    ) -> Result<Reply<QueryValue>, PrometheusError> {
        let mut fields = vec![("query".to_owned(), expression.to_owned())];
        fields.extend(time.map(|time| ("time".to_owned(), format!("{time:.3}"))));
        self.query("a query", &["api", "v1", "query"], fields).await
    }

    /// Evaluates `expression` from `start` to `end` every `step`, all in seconds.
    ///
    /// # Errors
    /// [`PrometheusError`].
    pub async fn range(
        &self,
        expression: &str,
        start: f64,
        end: f64,
        step: f64,
    ) -> Result<Reply<QueryValue>, PrometheusError> {
        let mut fields = vec![("query".to_owned(), expression.to_owned())];
        for (name, value) in [("start", start), ("end", end), ("step", step)] {
            fields.push((name.to_owned(), format!("{value:.3}")));
        }
        self.query("a range query", &["api", "v1", "query_range"], fields)
            .await
    }

    /// The series that match `selector` between `start` and `end` (seconds since the epoch). Those that
    /// ended within the time are among them.
    ///
    /// # Errors
    /// [`PrometheusError`].
    pub async fn series(
        &self,
        selector: &str,
        start: f64,
        end: f64,
    ) -> Result<Reply<Vec<Labels>>, PrometheusError> {
        let fields = vec![
            ("match[]".to_owned(), selector.to_owned()),
            ("start".to_owned(), format!("{start:.3}")),
            ("end".to_owned(), format!("{end:.3}")),
        ];
        self.query("listing series", &["api", "v1", "series"], fields)
            .await
    }

    /// The rules that are loaded, with their last evaluation.
    ///
    /// # Errors
    /// [`PrometheusError`].
    pub async fn rules(&self) -> Result<Reply<Vec<RuleGroup>>, PrometheusError> {
        let reply: Reply<RuleGroups> = self
            .query("listing rules", &["api", "v1", "rules"], Vec::new())
            .await?;
        Ok(reply.map(|groups| groups.groups))
    }

    /// The alerts that are pending or firing.
    ///
    /// # Errors
    /// [`PrometheusError`].
    pub async fn alerts(&self) -> Result<Reply<Vec<FiringAlert>>, PrometheusError> {
        let reply: Reply<Alerts> = self
            .query("listing alerts", &["api", "v1", "alerts"], Vec::new())
            .await?;
        Ok(reply.map(|alerts| alerts.alerts))
    }

    /// The scrape targets in use.
    ///
    /// # Errors
    /// [`PrometheusError`].
    pub async fn targets(&self) -> Result<Reply<Vec<Target>>, PrometheusError> {
        let active = vec![("state".to_owned(), "active".to_owned())];
        let reply: Reply<Targets> = self
            .query("listing targets", &["api", "v1", "targets"], active)
            .await?;
        Ok(reply.map(|targets| targets.active))
    }

    /// What scraped expositions say of their families, by family name.
    ///
    /// # Errors
    /// [`PrometheusError`].
    pub async fn metadata(
        &self,
    ) -> Result<Reply<BTreeMap<String, Vec<MetricMetadata>>>, PrometheusError> {
        self.query("reading metadata", &["api", "v1", "metadata"], Vec::new())
            .await
    }

    /// The Alertmanagers that it sends alerts to.
    ///
    /// # Errors
    /// [`PrometheusError`].
    pub async fn alertmanagers(&self) -> Result<Reply<Alertmanagers>, PrometheusError> {
        self.query(
            "listing Alertmanagers",
            &["api", "v1", "alertmanagers"],
            Vec::new(),
        )
        .await
    }

    /// Which server it is.
    ///
    /// # Errors
    /// [`PrometheusError`].
    pub async fn build_info(&self) -> Result<Reply<BuildInfo>, PrometheusError> {
        self.query(
            "reading build information",
            &["api", "v1", "status", "buildinfo"],
            Vec::new(),
        )
        .await
    }

    async fn query<T: DeserializeOwned>(
        &self,
        doing: &'static str,
        path: &[&str],
        fields: Vec<(String, String)>,
    ) -> Result<Reply<T>, PrometheusError> {
        let mut url = self.endpoint.url(path);
        let asks_something = !fields.is_empty();
        let length: usize = fields
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        let call = if length > LONGEST_GET {
            // Queries change nothing, so sending one twice is safe.
            Call::post(
                &self.endpoint,
                url,
                Body::Form(fields),
                self.body_limit,
                true,
            )
        } else {
            if !fields.is_empty() {
                url.query_pairs_mut().extend_pairs(&fields);
            }
            Call::get(&self.endpoint, url, self.body_limit)
        };
        let answer = self.send(doing, &call).await?;
        let read = self.read(doing, &answer);
        if asks_something {
            read.map_err(PrometheusError::about_what_was_asked)
        } else {
            read
        }
    }

    /// Reads the answer to a request of the API, however it was had.
    ///
    /// # Errors
    /// [`PrometheusError`] unless it is 2xx and Prometheus's.
    pub fn read<T: DeserializeOwned>(
        &self,
        doing: &'static str,
        answer: &Answer,
    ) -> Result<Reply<T>, PrometheusError> {
        #[derive(Deserialize)]
        struct Refusal {
            #[serde(rename = "errorType", default)]
            kind: String,
            error: String,
        }
        #[derive(Deserialize)]
        struct Envelope<T> {
            status: String,
            data: T,
            #[serde(default)]
            warnings: Vec<String>,
            #[serde(default)]
            infos: Vec<String>,
        }
        let not_prometheus =
            |error: serde_json::Error| self.not_prometheus(doing, answer, error.to_string());
        if !answer.is_success() {
            return Err(match serde_json::from_slice::<Refusal>(&answer.body) {
                Ok(refusal) if !refusal.kind.is_empty() => PrometheusError::Refused {
                    doing,
                    endpoint: self.endpoint.to_string(),
                    status: answer.status,
                    kind: answer.quoted(&refusal.kind),
                    message: answer.quoted(&refusal.error),
                },
                _ => self.status(doing, answer),
            });
        }
        if answer.looks_like_html() {
            return Err(self.not_prometheus(
                doing,
                answer,
                "an HTML page: a login page or a proxy?".to_owned(),
            ));
        }
        let envelope: Envelope<T> = serde_json::from_slice(&answer.body).map_err(not_prometheus)?;
        if envelope.status != "success" {
            return Err(self.not_prometheus(doing, answer, "its status is not success".to_owned()));
        }
        let mut warnings = envelope.warnings;
        warnings.extend(envelope.infos);
        Ok(Reply {
            data: envelope.data,
            warnings: warnings
                .iter()
                .map(|warning| answer.quoted(warning))
                .collect(),
        })
    }

    async fn send(&self, doing: &'static str, call: &Call<'_>) -> Result<Answer, PrometheusError> {
        self.http
            .send(call)
            .await
            .map_err(|failure| PrometheusError::NoAnswer {
                doing,
                endpoint: self.endpoint.to_string(),
                failure,
            })
    }

    fn status(&self, doing: &'static str, answer: &Answer) -> PrometheusError {
        PrometheusError::Status {
            doing,
            endpoint: self.endpoint.to_string(),
            status: answer.status,
            described: answer.described(),
            detail: answer.detail(),
        }
    }

    fn not_prometheus(&self, doing: &'static str, answer: &Answer, why: String) -> PrometheusError {
        PrometheusError::NotPrometheus {
            doing,
            endpoint: self.endpoint.to_string(),
            described: format!("HTTP {}", answer.status),
            // It may repeat parts of the body.
            why: answer.quoted(&why),
        }
    }
}

impl<T> Reply<T> {
    fn map<U>(self, change: impl FnOnce(T) -> U) -> Reply<U> {
        Reply {
            data: change(self.data),
            warnings: self.warnings,
        }
    }
}
