//! Sends API requests and validates responses.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::response::{
    Alertmanagers, Alerts, BuildInfo, FiringAlert, LoadedGroup, LoadedYaml, MetricMetadata,
    QueryValue, RuleGroups, RuntimeInfo, Target, TargetList,
};
use crate::counters::Counters;
use crate::duration;
use crate::http::{
    Body, Endpoint, HttpClient, HttpRequest, HttpResponse, QUERY_BODY_LIMIT, RequestError,
    SHORT_BODY_LIMIT, ServiceError,
};
use crate::promql::Scope;

/// Longer queries are sent as a form: proxies and servers bound the length of a URL.
const LONGEST_GET: usize = 1800;

/// What a server says of itself may hold, in bytes: its configuration, its own `/metrics`.
const SERVER_LIMIT: usize = 8 << 20;

/// The most that a list of all that a server has may hold, in bytes: it is read as it arrives. A shared server
/// has tens of thousands of rules, targets and names, each of some kilobytes.
const LIST_LIMIT: usize = 1 << 30;

/// An answer's data, and what the server said beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct WithWarnings<T> {
    /// The data.
    pub data: T,
    /// Warnings: a partial answer of a federated store, say.
    pub warnings: Vec<String>,
}

/// A 400 to a request that asks something is about what it asks.
fn about_what_was_asked(mut error: ServiceError) -> ServiceError {
    if let RequestError::Status {
        status: status @ 400,
        described,
        detail,
    } = error.source
    {
        error.source = RequestError::Refused {
            status,
            kind: described,
            message: detail.unwrap_or_else(|| "it gave no reason".to_owned()),
        };
    }
    error
}

/// Whether the server answered that it has no such endpoint. VictoriaMetrics says so with 400, which is
/// [`RequestError::Refused`] where something was asked.
#[must_use]
pub const fn is_not_offered(error: &ServiceError) -> bool {
    matches!(error.source, RequestError::Status { status: 400, .. })
        || error.source.is_not_offered()
}

/// A client of one Prometheus, or of a server that speaks its API.
#[derive(Debug, Clone)]
pub struct PrometheusClient {
    http: HttpClient,
    endpoint: Endpoint,
    scope: Scope,
}

impl PrometheusClient {
    /// A client of the server at `endpoint`.
    #[must_use]
    pub fn new(http: HttpClient, endpoint: Endpoint) -> Self {
        Self {
            http,
            endpoint,
            scope: Scope::default(),
        }
    }

    /// The same, but every query asks for series of this scope alone.
    #[must_use]
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
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
    /// [`ServiceError`] unless the answer is 2xx and no web page.
    pub async fn ready(&self) -> Result<(), ServiceError> {
        const DOING: &str = "GET /-/ready";
        let answer = self
            .send(
                DOING,
                &HttpRequest::get(
                    &self.endpoint,
                    self.endpoint.url(&["-", "ready"]),
                    SHORT_BODY_LIMIT,
                ),
            )
            .await?;
        if !answer.is_success() {
            return Err(self.error(DOING, RequestError::status(&answer)));
        }
        // By what it is, not by its label: VictoriaMetrics calls its compressed line of text HTML.
        if answer.body.trim_ascii().starts_with(b"<") {
            return Err(self.error(DOING, RequestError::web_page(&answer)));
        }
        Ok(())
    }

    /// Evaluates `expression` at `time` (seconds since the epoch), or now by the server's clock.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn instant(
        &self,
        expression: &str,
        time: Option<f64>,
    ) -> Result<WithWarnings<QueryValue>, ServiceError> {
        let mut fields = vec![("query".to_owned(), self.scoped(expression))];
        fields.extend(time.map(|time| ("time".to_owned(), format!("{time:.3}"))));
        self.query(&["api", "v1", "query"], fields).await
    }

    /// Evaluates `expression` from `start` to `end` every `step`, all in seconds.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn range(
        &self,
        expression: &str,
        start: f64,
        end: f64,
        step: f64,
    ) -> Result<WithWarnings<QueryValue>, ServiceError> {
        let mut fields = vec![("query".to_owned(), self.scoped(expression))];
        for (name, value) in [("start", start), ("end", end), ("step", step)] {
            fields.push((name.to_owned(), format!("{value:.3}")));
        }
        self.query(&["api", "v1", "query_range"], fields).await
    }

    /// The values that `label` has in series that match one of `selectors` between `start` and `end` (seconds since the
    /// epoch), as the index has them: no sample is read, and of series that ended in the hours before `start` some
    /// may be among them.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn label_values(
        &self,
        label: &str,
        selectors: &[String],
        start: f64,
        end: f64,
    ) -> Result<WithWarnings<Vec<String>>, ServiceError> {
        let selectors: Vec<String> = selectors.iter().map(|one| self.scoped(one)).collect();
        let (start, end) = (format!("{start:.3}"), format!("{end:.3}"));
        let mut fields = vec![("start", start.as_str()), ("end", end.as_str())];
        fields.extend(selectors.iter().map(|one| ("match[]", one.as_str())));
        // It is asked by GET alone.
        self.list(&["api", "v1", "label", label, "values"], &fields)
            .await
    }

    /// The rules that are loaded, with their last evaluation.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn rules(&self) -> Result<WithWarnings<Vec<LoadedGroup>>, ServiceError> {
        let reply: WithWarnings<RuleGroups> = self.list(&["api", "v1", "rules"], &[]).await?;
        Ok(reply.map(|groups| groups.groups))
    }

    /// The alerts that are pending or firing.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn alerts(&self) -> Result<WithWarnings<Vec<FiringAlert>>, ServiceError> {
        let reply: WithWarnings<Alerts> = self.query(&["api", "v1", "alerts"], Vec::new()).await?;
        Ok(reply.map(|alerts| alerts.alerts))
    }

    /// The scrape targets in use.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn targets(&self) -> Result<WithWarnings<Vec<Target>>, ServiceError> {
        let active = [("state", "active")];
        let reply: WithWarnings<TargetList> = self.list(&["api", "v1", "targets"], &active).await?;
        Ok(reply.map(|targets| targets.active))
    }

    /// What scraped expositions say of their families, by family name.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn metadata(
        &self,
    ) -> Result<WithWarnings<BTreeMap<String, Vec<MetricMetadata>>>, ServiceError> {
        self.list(&["api", "v1", "metadata"], &[]).await
    }

    /// The Alertmanagers that it sends alerts to.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn alertmanagers(&self) -> Result<WithWarnings<Alertmanagers>, ServiceError> {
        self.query(&["api", "v1", "alertmanagers"], Vec::new())
            .await
    }

    /// The loaded configuration, as YAML, in which the server has replaced secrets by `<secret>`.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn config(&self) -> Result<String, ServiceError> {
        let path = ["api", "v1", "status", "config"];
        let reply: WithWarnings<LoadedYaml> = self.query(&path, Vec::new()).await?;
        Ok(reply.data.yaml)
    }

    /// The values of its command line's options, by name.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn flags(&self) -> Result<BTreeMap<String, String>, ServiceError> {
        let path = ["api", "v1", "status", "flags"];
        let reply = self.query(&path, Vec::new()).await?;
        Ok(reply.data)
    }

    /// How long it keeps samples; None where their size alone limits them.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn retention(&self) -> Result<Option<Duration>, ServiceError> {
        let path = ["api", "v1", "status", "runtimeinfo"];
        let reply: WithWarnings<RuntimeInfo> = self.query(&path, Vec::new()).await?;
        // Such as `15d`, `30d or 50GiB`, `50GiB`.
        let limits = reply.data.storage_retention;
        Ok(limits
            .split(" or ")
            .find_map(|limit| duration::parse(limit.trim()).ok()))
    }

    /// What it counts of the alerts that it sends, from its own `/metrics`.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn counters(&self) -> Result<Counters, ServiceError> {
        const DOING: &str = "GET /metrics";
        let url = self.endpoint.url(&["metrics"]);
        let request = HttpRequest::get(&self.endpoint, url, SERVER_LIMIT);
        let answer = self.send(DOING, &request).await?;
        if !answer.is_success() {
            return Err(self.error(DOING, RequestError::status(&answer)));
        }
        Counters::read(&answer.body).map_err(|error| {
            self.error(DOING, RequestError::unexpected(&answer, &error.to_string()))
        })
    }

    /// Which server it is.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn build_info(&self) -> Result<WithWarnings<BuildInfo>, ServiceError> {
        self.query(&["api", "v1", "status", "buildinfo"], Vec::new())
            .await
    }

    /// The expression within the scope. What cannot be read is for the server to refuse.
    fn scoped(&self, expression: &str) -> String {
        if self.scope.is_empty() {
            return expression.to_owned();
        }
        let narrowed = self.scope.narrowed(expression);
        narrowed.unwrap_or_else(|_| expression.to_owned())
    }

    async fn query<T: DeserializeOwned>(
        &self,
        path: &[&str],
        fields: Vec<(String, String)>,
    ) -> Result<WithWarnings<T>, ServiceError> {
        let mut url = self.endpoint.url(path);
        let limit = match path {
            [.., "status", _] => SERVER_LIMIT,
            _ => QUERY_BODY_LIMIT,
        };
        let asks_something = !fields.is_empty();
        let length: usize = fields
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        let is_long = length > LONGEST_GET;
        let method = if is_long { "POST" } else { "GET" };
        let doing = format!("{method} /{}", path.join("/"));
        let call = if is_long {
            // Queries change nothing, so sending one twice is safe.
            HttpRequest::post(&self.endpoint, url, Body::Form(fields), limit, true)
        } else {
            if !fields.is_empty() {
                url.query_pairs_mut().extend_pairs(&fields);
            }
            HttpRequest::get(&self.endpoint, url, limit)
        };
        let answer = self.send(&doing, &call).await?;
        let read = self.read(&doing, &answer);
        if asks_something {
            read.map_err(about_what_was_asked)
        } else {
            read
        }
    }

    /// A list of all that the server has, read as it arrives.
    async fn list<T: DeserializeOwned + Send + 'static>(
        &self,
        path: &[&str],
        fields: &[(&str, &str)],
    ) -> Result<WithWarnings<T>, ServiceError> {
        let mut url = self.endpoint.url(path);
        if !fields.is_empty() {
            url.query_pairs_mut().extend_pairs(fields);
        }
        let doing = format!("GET /{}", path.join("/"));
        let call = HttpRequest::get(&self.endpoint, url, LIST_LIMIT);
        let read = |body: &mut dyn std::io::Read| serde_json::from_reader(body);
        let sent = self.http.send_and_read(call, read);
        let (answer, found) = sent
            .await
            .map_err(|error| self.error(&doing, error.into()))?;
        let nothing = || Err(serde::de::Error::custom("nothing was read"));
        let read = self.open(&doing, &answer, || found.unwrap_or_else(nothing));
        if fields.is_empty() {
            read
        } else {
            read.map_err(about_what_was_asked)
        }
    }

    /// Reads the answer to a request of the API, however it was had.
    ///
    /// # Errors
    /// [`ServiceError`] unless it is 2xx and Prometheus's.
    pub fn read<T: DeserializeOwned>(
        &self,
        doing: &str,
        answer: &HttpResponse,
    ) -> Result<WithWarnings<T>, ServiceError> {
        self.open(doing, answer, || serde_json::from_slice(&answer.body))
    }

    /// The data of an answer; `read` reads its body where that may be what was asked for.
    fn open<T>(
        &self,
        doing: &str,
        answer: &HttpResponse,
        read: impl FnOnce() -> serde_json::Result<Envelope<T>>,
    ) -> Result<WithWarnings<T>, ServiceError> {
        #[derive(Deserialize)]
        struct ErrorBody {
            #[serde(rename = "errorType", default)]
            kind: String,
            error: String,
        }
        let refusal = || {
            let body = serde_json::from_slice::<ErrorBody>(&answer.body).ok();
            let refusal = body.filter(|refusal| !refusal.kind.is_empty())?;
            Some(RequestError::Refused {
                status: answer.status,
                kind: answer.quoted(&refusal.kind),
                message: answer.quoted(&refusal.error),
            })
        };
        if !answer.is_success() {
            let error = refusal().unwrap_or_else(|| RequestError::status(answer));
            return Err(self.error(doing, error));
        }
        if answer.looks_like_html() {
            return Err(self.error(doing, RequestError::web_page(answer)));
        }
        let not_prometheus = |why: &str| {
            let found = format!("not Prometheus's ({why})");
            self.error(doing, RequestError::unexpected(answer, &found))
        };
        // A gateway may wrap what Prometheus refuses in a 200.
        let unreadable = |error: serde_json::Error| {
            refusal().map_or_else(
                || not_prometheus(&error.to_string()),
                |refusal| self.error(doing, refusal),
            )
        };
        let envelope = read().map_err(unreadable)?;
        if envelope.status != "success" {
            return Err(not_prometheus("its status is not success"));
        }
        let mut warnings = envelope.warnings;
        warnings.extend(envelope.infos);
        Ok(WithWarnings {
            data: envelope.data,
            warnings: warnings
                .iter()
                .map(|warning| answer.quoted(warning))
                .collect(),
        })
    }

    async fn send(
        &self,
        doing: &str,
        request: &HttpRequest<'_>,
    ) -> Result<HttpResponse, ServiceError> {
        let sent = self.http.send(request).await;
        sent.map_err(|error| self.error(doing, error.into()))
    }

    fn error(&self, doing: &str, error: RequestError) -> ServiceError {
        ServiceError::new(&self.endpoint, doing, error)
    }
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

impl<T> WithWarnings<T> {
    fn map<U>(self, change: impl FnOnce(T) -> U) -> WithWarnings<U> {
        WithWarnings {
            data: change(self.data),
            warnings: self.warnings,
        }
    }
}
