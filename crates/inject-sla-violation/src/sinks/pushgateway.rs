//! A Pushgateway, where the drill has a group of its own.
//!
//! Specification: <https://github.com/prometheus/pushgateway#api>. Every push replaces the group; the end
//! of the drill deletes it, so that the gateway does not show the last values for ever.

use std::sync::Arc;

use reqwest::Method;
use seamless_core::exposition::Format;
use seamless_core::http::{
    self, Body, Endpoint, HttpClient, Response, SHORT_BODY_LIMIT, SendError,
};
use seamless_core::schema::DRILL_LABEL;

use super::{SinkError, Snapshot, settled};
use crate::document;
use crate::request::Request;

/// The group's job.
const JOB: &str = "seamless-drill";

/// The gateway and the drill's group there.
pub(crate) struct Pushgateway {
    http: HttpClient,
    endpoint: Endpoint,
    drill_id: String,
    /// Whether the gateway may hold the group.
    pushed: bool,
}

impl Pushgateway {
    pub(super) fn new(http: &HttpClient, endpoint: &Endpoint, request: &Request) -> Self {
        Self {
            http: http.clone(),
            endpoint: endpoint.clone(),
            drill_id: request.drill_id.clone(),
            pushed: false,
        }
    }

    pub(super) fn target(&self) -> String {
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
        let answer = self.send(Method::PUT, body).await;
        let never_arrived = matches!(&answer, Err(failure) if !failure.may_have_been_processed);
        self.pushed |= !never_arrived;
        settled("cannot push to", &self.target(), answer)
    }

    pub(super) async fn close(&mut self) -> Result<(), SinkError> {
        if !self.pushed {
            return Ok(());
        }
        let answer = self.send(Method::DELETE, Body::Empty).await;
        settled("cannot delete the group", &self.target(), answer).map_err(|error| SinkError {
            problem: format!(
                "{}; it shows the drill's last values until it is deleted: curl -X DELETE {}",
                error.problem,
                self.target()
            ),
            ..error
        })
    }

    async fn send(&self, method: Method, body: Body) -> Result<Response, SendError> {
        let path = ["metrics", "job", JOB, DRILL_LABEL, &self.drill_id];
        let url = self.endpoint.url(&path);
        let call = http::Request {
            method,
            // A push replaces the group, so that pushing twice does no harm.
            ..http::Request::post(&self.endpoint, url, body, SHORT_BODY_LIMIT, true)
        };
        self.http.send(&call).await
    }
}
