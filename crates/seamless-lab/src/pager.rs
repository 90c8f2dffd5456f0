//! A receiver of pages: PagerDuty Events v2 and Slack incoming webhooks.
//!
//! Owns an HTTP server that takes what Alertmanager sends to the two services, answers as they would
//! and keeps every notice. It forwards nothing.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::Result;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::serving::{ANY_PORT, Serving};
use crate::wait_for;

/// Which service a notice was meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PagingService {
    /// PagerDuty, Events API v2.
    PagerDuty,
    /// Slack, incoming webhook.
    Slack,
    /// Any other webhook, such as a watchdog's.
    Webhook,
}

impl PagingService {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PagerDuty => "PagerDuty",
            Self::Slack => "Slack",
            Self::Webhook => "webhook",
        }
    }
}

/// One notice, as it was sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// When it arrived.
    pub at: SystemTime,
    /// Whom it was meant for.
    pub service: PagingService,
    /// The last part of the path it came to, which tells Slack channels or webhooks apart.
    pub hook: String,
    /// The whole body.
    pub payload: Value,
}

impl Notice {
    /// Whether it says that the alert is over.
    #[must_use]
    pub fn is_resolved(&self) -> bool {
        match self.service {
            PagingService::PagerDuty => self.payload["event_action"] == "resolve",
            // Slack has no field for it: the state is in the title and in the colour.
            PagingService::Slack => {
                self.attachment("color") == "good" || self.title().contains("RESOLVED")
            }
            PagingService::Webhook => self.payload["status"] == "resolved",
        }
    }

    /// The line a person sees first.
    #[must_use]
    pub fn title(&self) -> String {
        match self.service {
            PagingService::PagerDuty => text(&self.payload["payload"]["summary"]),
            PagingService::Slack => self.attachment("title"),
            PagingService::Webhook => text(&self.payload["commonLabels"]["alertname"]),
        }
    }

    /// What a person reads below the title.
    #[must_use]
    pub fn text(&self) -> String {
        match self.service {
            PagingService::PagerDuty => {
                let details = &self.payload["payload"]["custom_details"];
                let parts = [text(&details["firing"]), text(&details["resolved"])];
                parts.join("\n").trim().to_owned()
            }
            PagingService::Slack => self.attachment("text"),
            PagingService::Webhook => String::new(),
        }
    }

    /// Whether it speaks of that alert, anywhere in its text.
    #[must_use]
    pub fn mentions(&self, text: &str) -> bool {
        self.payload.to_string().contains(text)
    }

    fn attachment(&self, field: &str) -> String {
        text(&self.payload["attachments"][0][field])
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

type Notices = Arc<Mutex<Vec<Notice>>>;

/// A running receiver; gone when dropped.
#[derive(Debug)]
pub struct Pager {
    serving: Serving,
    notices: Notices,
}

impl Pager {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// If no port is free.
    pub fn start() -> Result<Self> {
        Self::listen(ANY_PORT)
    }

    /// Starts one at `address`.
    ///
    /// # Errors
    /// If it cannot listen there.
    pub fn listen(address: SocketAddr) -> Result<Self> {
        let notices = Notices::default();
        let router = Router::new()
            .route("/v2/enqueue", post(pagerduty))
            .route("/services/{*hook}", post(slack))
            .route("/webhook/{hook}", post(webhook))
            .with_state(Arc::clone(&notices));
        Ok(Self {
            serving: Serving::start(address, router)?,
            notices,
        })
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> String {
        self.serving.url()
    }

    /// What `pagerduty_url` is to be set to.
    #[must_use]
    pub fn pagerduty_url(&self) -> String {
        format!("{}/v2/enqueue", self.url())
    }

    /// What `slack_api_url` is to be set to, for a channel.
    #[must_use]
    pub fn slack_url(&self, channel: &str) -> String {
        format!("{}/services/{channel}", self.url())
    }

    /// What a webhook's `url` is to be set to.
    #[must_use]
    pub fn webhook_url(&self, hook: &str) -> String {
        format!("{}/webhook/{hook}", self.url())
    }

    /// Everything that arrived, oldest first.
    #[must_use]
    pub fn notices(&self) -> Vec<Notice> {
        self.notices
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits for a notice to `service` that mentions `alert` and is (or is not) a resolve notice.
    ///
    /// # Errors
    /// If none arrives in time; names what did.
    pub fn expect(
        &self,
        timeout: Duration,
        service: PagingService,
        alert: &str,
        resolved: bool,
    ) -> Result<Notice> {
        let what = format!("a notice of {alert} to {service:?} (resolved: {resolved})");
        wait_for(timeout, &what, || {
            self.notices().into_iter().find(|notice| {
                notice.service == service
                    && notice.is_resolved() == resolved
                    && notice.mentions(alert)
            })
        })
        .map_err(|error| {
            let arrived: Vec<String> = self.notices().iter().map(Notice::title).collect();
            error.context(format!("arrived instead: {arrived:?}"))
        })
    }
}

type Malformed = (StatusCode, String);

fn keep(
    notices: &Notices,
    service: PagingService,
    hook: String,
    body: &[u8],
) -> Result<Value, Malformed> {
    let payload: Value = serde_json::from_slice(body)
        .map_err(|error| (StatusCode::BAD_REQUEST, format!("not JSON: {error}")))?;
    let notice = Notice {
        at: SystemTime::now(),
        service,
        hook,
        payload: payload.clone(),
    };
    notices
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(notice);
    Ok(payload)
}

/// As the Events API: 202 with the deduplication key, 400 for an event without its required fields.
async fn pagerduty(State(notices): State<Notices>, body: Bytes) -> Result<Response, Malformed> {
    let event = keep(&notices, PagingService::PagerDuty, String::new(), &body)?;
    let missing = ["routing_key", "event_action"]
        .into_iter()
        .find(|field| event[field].as_str().is_none_or(str::is_empty));
    Ok(match missing {
        Some(field) => {
            let errors = [format!("{field} is missing")];
            let problem = json!({"status": "invalid event", "errors": errors});
            (StatusCode::BAD_REQUEST, Json(problem)).into_response()
        }
        None => {
            let done = json!({
                "status": "success",
                "message": "Event processed",
                "dedup_key": event["dedup_key"],
            });
            (StatusCode::ACCEPTED, Json(done)).into_response()
        }
    })
}

/// As Slack: plain `ok`.
async fn slack(
    State(notices): State<Notices>,
    Path(hook): Path<String>,
    body: Bytes,
) -> Result<&'static str, Malformed> {
    keep(&notices, PagingService::Slack, hook, &body).map(|_| "ok")
}

async fn webhook(
    State(notices): State<Notices>,
    Path(hook): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Malformed> {
    keep(&notices, PagingService::Webhook, hook, &body).map(|_| StatusCode::OK)
}
