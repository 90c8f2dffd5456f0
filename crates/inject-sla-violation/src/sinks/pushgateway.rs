//! A Pushgateway, where the drill is one group of its own.
//!
//! Interface: <https://github.com/prometheus/pushgateway#use-it>.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use seamless_core::exposition::Format;
use seamless_core::http::{
    self, Body, Endpoint, HttpClient, HttpResponse, QUERY_BODY_LIMIT, SHORT_BODY_LIMIT, SendError,
};
use seamless_core::schema::DRILL_LABEL;
use serde::Deserialize;

use super::{SinkError, Snapshot, accepted};
use crate::document;

/// The group's job.
const JOB: &str = "seamless-drill";
/// The gateway carries out what it has accepted a little later: how often it is looked at, how far apart.
const LOOKS: u32 = 30;
/// A push without an answer may still come in behind the deletion: so many looks have to find nothing.
const QUIET_LOOKS: u32 = 12;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// The gateway and the drill's group there.
pub(crate) struct PushgatewaySink {
    http: HttpClient,
    endpoint: Endpoint,
    drill_id: String,
    /// Whether the gateway may hold the group: from the moment that a push is sent, whatever comes of it.
    pushed: bool,
    /// Whether the last push has no answer yet, and may be carried out at any time.
    unanswered: bool,
}

/// What `/api/v1/metrics` says of the groups.
#[derive(Deserialize)]
struct Groups {
    data: Vec<PushedGroup>,
}

#[derive(Deserialize)]
struct PushedGroup {
    labels: std::collections::BTreeMap<String, String>,
}

impl PushgatewaySink {
    pub(crate) fn new(http: &HttpClient, endpoint: &Endpoint, drill_id: &str) -> Self {
        Self {
            http: http.clone(),
            endpoint: endpoint.clone(),
            drill_id: drill_id.to_owned(),
            pushed: false,
            unanswered: false,
        }
    }

    pub(crate) fn target(&self) -> String {
        let path = ["metrics", "job", JOB, DRILL_LABEL, &self.drill_id];
        self.endpoint.url(&path).to_string()
    }

    pub(super) async fn show(&mut self, snapshot: &Snapshot) -> Result<(), SinkError> {
        let document = document::pieces(
            Arc::clone(&snapshot.series_set),
            Arc::clone(&snapshot.values),
            Format::Text,
        );
        let bytes = document.collect::<Vec<_>>().concat();
        let body = Body::Raw(Format::Text.content_type(), &[], bytes);
        let before = self.pushed;
        self.pushed = true;
        self.unanswered = true;
        let answer = self.send(Method::PUT, body).await;
        self.unanswered = matches!(&answer, Err(failure) if failure.may_have_been_processed);
        if matches!(&answer, Err(failure) if !failure.may_have_been_processed) {
            self.pushed = before;
        }
        accepted("cannot push to", &self.target(), answer).map(drop)
    }

    pub(super) async fn close(&self) -> Result<(), SinkError> {
        if self.pushed {
            self.delete().await.map(drop)
        } else {
            Ok(())
        }
    }

    /// Deletes the group and waits until the gateway does not show it any more. Says whether there was one.
    pub(crate) async fn delete(&self) -> Result<bool, SinkError> {
        let found = self.is_there().await.unwrap_or(true);
        self.ask_to_delete().await?;
        let needed = if self.unanswered { QUIET_LOOKS } else { 1 };
        let mut quiet = 0;
        for look in 1..=LOOKS {
            if self.is_there().await? {
                quiet = 0;
                if look % 5 == 0 {
                    self.ask_to_delete().await?;
                }
            } else {
                quiet += 1;
                if quiet >= needed {
                    return Ok(found);
                }
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        Err(self.advised(SinkError {
            doing: "cannot delete the group",
            target: self.target(),
            problem: "the gateway accepted the deletion and still shows the group".to_owned(),
            lasting: true,
        }))
    }

    async fn ask_to_delete(&self) -> Result<(), SinkError> {
        let answer = self.send(Method::DELETE, Body::Empty).await;
        accepted("cannot delete the group", &self.target(), answer)
            .map(drop)
            .map_err(|error| self.advised(error))
    }

    async fn is_there(&self) -> Result<bool, SinkError> {
        let doing = "cannot read back whether the group is gone:";
        let url = self.endpoint.url(&["api", "v1", "metrics"]);
        let answer = self
            .http
            .send(&http::HttpRequest::get(
                &self.endpoint,
                url,
                QUERY_BODY_LIMIT,
            ))
            .await;
        let target = self.target();
        let answer = accepted(doing, &target, answer).map_err(|error| self.advised(error))?;
        let groups: Groups = serde_json::from_slice(&answer.body).map_err(|_| {
            self.advised(SinkError {
                doing,
                target,
                problem: "its list of groups is not a Pushgateway's".to_owned(),
                lasting: true,
            })
        })?;
        let ours = |group: &PushedGroup| {
            let is = |name: &str, value: &str| group.labels.get(name).is_some_and(|v| v == value);
            is("job", JOB) && is(DRILL_LABEL, &self.drill_id)
        };
        Ok(groups.data.iter().any(ours))
    }

    fn advised(&self, error: SinkError) -> SinkError {
        SinkError {
            problem: format!(
                "{}; it shows the drill's last values until it is deleted: curl -X DELETE {}",
                error.problem,
                self.target()
            ),
            ..error
        }
    }

    async fn send(&self, method: Method, body: Body) -> Result<HttpResponse, SendError> {
        let path = ["metrics", "job", JOB, DRILL_LABEL, &self.drill_id];
        let url = self.endpoint.url(&path);
        let call = http::HttpRequest {
            method,
            // A push replaces the group, so that pushing twice does no harm.
            ..http::HttpRequest::post(&self.endpoint, url, body, SHORT_BODY_LIMIT, true)
        };
        self.http.send(&call).await
    }
}
