//! The lab's console: a page that shows pages as they arrive, and the switches to break and heal.
//!
//! Owns one small HTTP server. The page polls it; `seamless-lab break` and `heal` post to it.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::UNIX_EPOCH;

use anyhow::Result;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Html;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::pager::Notice;
use crate::runtime::Misbehaviour;
use crate::serving::Serving;
use crate::stack::Stack;

const PAGE: &str = include_str!("page.html");

/// The running console; gone when dropped.
#[derive(Debug)]
pub struct Console {
    serving: Serving,
}

impl Console {
    /// Serves the console of `stack` at `address`.
    ///
    /// # Errors
    /// If it cannot listen there.
    pub fn start(stack: &Arc<Stack>, address: SocketAddr) -> Result<Self> {
        // Weak: a browser's open connection must not keep the servers running.
        let stack = Arc::downgrade(stack);
        let router = Router::new()
            .route("/", get(|| async { Html(PAGE) }))
            .route("/state", get(state))
            .route("/break/{way}", post(misbehave))
            .route("/heal", post(heal))
            .with_state(stack);
        Ok(Self {
            serving: Serving::start(address, router)?,
        })
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> String {
        self.serving.url()
    }
}

/// A status and why.
type Refused = (StatusCode, String);

fn running(stack: &Weak<Stack>) -> Result<Arc<Stack>, Refused> {
    stack
        .upgrade()
        .ok_or((StatusCode::SERVICE_UNAVAILABLE, "stopping".to_owned()))
}

async fn state(State(stack): State<Weak<Stack>>) -> Result<Json<Value>, Refused> {
    let stack = running(&stack)?;
    Ok(Json(told(&stack)))
}

async fn misbehave(
    State(stack): State<Weak<Stack>>,
    Path(way): Path<String>,
) -> Result<Json<Value>, Refused> {
    let stack = running(&stack)?;
    let way: Misbehaviour = way
        .parse()
        .map_err(|error: anyhow::Error| (StatusCode::NOT_FOUND, error.to_string()))?;
    stack.runtime.misbehave(way);
    Ok(Json(told(&stack)))
}

async fn heal(State(stack): State<Weak<Stack>>) -> Result<Json<Value>, Refused> {
    let stack = running(&stack)?;
    stack.runtime.heal();
    Ok(Json(told(&stack)))
}

fn told(stack: &Stack) -> Value {
    let names =
        |ways: &[Misbehaviour]| -> Vec<&str> { ways.iter().map(|way| way.name()).collect() };
    let notices: Vec<Value> = stack.pager.notices().iter().map(notice).collect();
    json!({
        "urls": {
            "Prometheus": stack.prometheus.url(),
            "Alertmanager": stack.alertmanager.url(),
            "coordinator": stack.coordinator.url(),
            "metrics": stack.runtime.metrics_url(),
        },
        "misbehaves": names(&stack.runtime.misbehaviours()),
        "ways": names(&Misbehaviour::ALL),
        "leases": stack.coordinator.leases().len(),
        "left_behind": left_behind(stack),
        "notices": notices,
    })
}

/// The lease that a killed worker held, as long as the coordinator holds it.
fn left_behind(stack: &Stack) -> Option<String> {
    let key = stack.runtime.abandoned()?.to_string();
    let held = stack.coordinator.leases();
    held.iter().any(|lease| lease.key == key).then_some(key)
}

fn notice(notice: &Notice) -> Value {
    let at = notice.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    json!({
        "at_ms": u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
        "service": notice.service.name(),
        "resolved": notice.is_resolved(),
        "title": notice.title(),
        "text": notice.text(),
        "payload": notice.payload,
    })
}
