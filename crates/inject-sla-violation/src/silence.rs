//! A silence on the drill's id: its alerts go the whole way and reach nobody.
//!
//! API: <https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>. Owns nothing but
//! silences that this program made for this drill.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;
use seamless_core::alertmanager::AlertmanagerClient;
use seamless_core::http::{self, Body, Endpoint, HttpClient, QUERY_BODY_LIMIT, SHORT_BODY_LIMIT};
use seamless_core::schema::DRILL_LABEL;
use serde::{Deserialize, Serialize};

use crate::json::rfc3339;
use crate::sinks::{SinkError, accepted};

/// Who made the silence, as Alertmanager shows it.
const CREATED_BY: &str = "inject-sla-violation";
/// Alerts fire on for as long as their rules look back; so long a silence outlasts its drill at most.
pub(crate) const AFTERGLOW: Duration = Duration::from_secs(15 * 60);

/// An Alertmanager and the drill's silence there.
pub(crate) struct DrillSilence {
    http: HttpClient,
    alertmanager: AlertmanagerClient,
    drill_id: String,
    made: Made,
    /// Why it could not be made.
    pub(crate) failure: Option<String>,
}

/// How far the making of a silence came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    /// Not begun, or refused.
    No,
    /// Sent, and no answer says what became of it.
    Perhaps,
    /// Alertmanager has named it.
    Yes,
}

#[derive(Serialize, Deserialize)]
struct SilenceMatcher {
    name: String,
    value: String,
    #[serde(rename = "isRegex")]
    is_regex: bool,
    #[serde(rename = "isEqual", default = "yes")]
    is_equal: bool,
}

const fn yes() -> bool {
    true
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewSilence<'s> {
    matchers: [SilenceMatcher; 1],
    #[serde(serialize_with = "rfc3339")]
    starts_at: Timestamp,
    #[serde(serialize_with = "rfc3339")]
    ends_at: Timestamp,
    created_by: &'s str,
    comment: &'s str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedSilence {
    id: String,
    #[serde(default)]
    created_by: String,
    matchers: Vec<SilenceMatcher>,
    status: ListedStatus,
}

#[derive(Deserialize)]
struct ListedStatus {
    state: String,
}

impl DrillSilence {
    pub(crate) fn new(
        http: &HttpClient,
        alertmanager: &AlertmanagerClient,
        drill_id: &str,
    ) -> Self {
        Self {
            http: http.clone(),
            alertmanager: alertmanager.clone(),
            drill_id: drill_id.to_owned(),
            made: Made::No,
            failure: None,
        }
    }

    pub(crate) const fn made(&self) -> Made {
        self.made
    }

    pub(crate) fn target(&self) -> String {
        self.endpoint().to_string()
    }

    fn endpoint(&self) -> &Endpoint {
        self.alertmanager.endpoint()
    }

    /// Makes the silence, and remembers how far that came.
    pub(crate) async fn begin(&mut self, lasting: Duration) -> Result<(), SinkError> {
        let begun = self.post(lasting).await;
        self.failure = begun.as_ref().err().map(ToString::to_string);
        begun
    }

    /// Makes the silence, which expires by itself when the drill and what its rules look back over are past.
    async fn post(&mut self, lasting: Duration) -> Result<(), SinkError> {
        #[derive(Deserialize)]
        struct CreatedSilence {
            #[serde(rename = "silenceID")]
            _id: String,
        }
        let doing = "cannot silence the drill at";
        let now = Timestamp::now();
        let silence = NewSilence {
            matchers: [SilenceMatcher {
                name: DRILL_LABEL.to_owned(),
                value: self.drill_id.clone(),
                is_regex: false,
                is_equal: true,
            }],
            starts_at: now,
            ends_at: now.saturating_add(lasting + AFTERGLOW).unwrap_or(now),
            created_by: CREATED_BY,
            comment: "a drill with synthetic series",
        };
        let body = serde_json::to_vec(&silence).map_err(|error| self.error(doing, &error))?;
        let url = self.endpoint().url(&["api", "v2", "silences"]);
        self.made = Made::Perhaps;
        // Two of them are both found and removed at the end.
        let call = http::HttpRequest::post(
            self.endpoint(),
            url,
            Body::Json(body),
            SHORT_BODY_LIMIT,
            true,
        );
        let answer = self.http.send(&call).await;
        let is_refused = match &answer {
            Ok(answer) => matches!(answer.status, 400..500),
            Err(failure) => !failure.may_have_been_processed,
        };
        if is_refused {
            self.made = Made::No;
        }
        let answer = accepted(doing, &self.target(), answer)?;
        if serde_json::from_slice::<CreatedSilence>(&answer.body).is_err() {
            let problem = "its answer names no silence: is it an Alertmanager?";
            return Err(self.error(doing, &problem));
        }
        self.made = Made::Yes;
        Ok(())
    }

    /// The ids of this drill's silences that are in force or will be.
    pub(crate) async fn ids(&self) -> Result<Vec<String>, SinkError> {
        let doing = "cannot list the silences at";
        let url = self.endpoint().url(&["api", "v2", "silences"]);
        let answer = self
            .http
            .send(&http::HttpRequest::get(
                self.endpoint(),
                url,
                QUERY_BODY_LIMIT,
            ))
            .await;
        let answer = accepted(doing, &self.target(), answer)?;
        let listed: Vec<ListedSilence> =
            serde_json::from_slice(&answer.body).map_err(|error| self.error(doing, &error))?;
        let ours = |silence: &ListedSilence| {
            silence.status.state != "expired"
                && silence.created_by == CREATED_BY
                && matches!(&*silence.matchers, [only] if only.name == DRILL_LABEL
                    && only.value == self.drill_id && only.is_equal && !only.is_regex)
        };
        Ok(listed
            .into_iter()
            .filter(ours)
            .map(|silence| silence.id)
            .collect())
    }

    /// How many of the drill's alerts are held back by it; those would be sent if it went now.
    pub(crate) async fn holds_back(&self) -> Result<usize, SinkError> {
        let filter = format!("{DRILL_LABEL}=\"{}\"", self.drill_id);
        let held = self.alertmanager.alerts(&[filter]).await;
        held.map(|held| held.len())
            .map_err(|error| self.error("cannot list the alerts at", &error))
    }

    /// The same as [`Self::end`], unless that would page: an alert that it holds back would be sent at once.
    pub(crate) async fn end_unheld(&self) -> Result<bool, SinkError> {
        if self.ids().await?.is_empty() {
            return Ok(false);
        }
        match self.holds_back().await? {
            0 => self.end().await,
            held => Err(self.error(
                "left the silence at",
                &format!(
                    "{held} of the drill's alerts still fire and would be sent now; repeat this command when they have \
                     resolved, or let the silence expire"
                ),
            )),
        }
    }

    /// Expires the drill's silences and looks whether they are gone. Says whether there were any.
    pub(crate) async fn end(&self) -> Result<bool, SinkError> {
        let doing = "cannot remove the silence at";
        let ids = self.ids().await?;
        for id in &ids {
            let url = self.endpoint().url(&["api", "v2", "silence", id]);
            let call = http::HttpRequest {
                method: Method::DELETE,
                ..http::HttpRequest::post(self.endpoint(), url, Body::Empty, SHORT_BODY_LIMIT, true)
            };
            accepted(doing, &self.target(), self.http.send(&call).await)?;
        }
        let left = self.ids().await?;
        if left.is_empty() {
            return Ok(!ids.is_empty());
        }
        let still = format!(
            "still in force: {}; amtool silence expire ID",
            left.join(", ")
        );
        Err(self.error(doing, &still))
    }

    fn error(&self, doing: &'static str, problem: &dyn std::fmt::Display) -> SinkError {
        SinkError {
            doing,
            target: self.target(),
            problem: problem.to_string(),
            lasting: true,
        }
    }
}
