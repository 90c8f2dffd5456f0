//! The coordinator's protocol over HTTP.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use seamless_core::lease::LeaseKey;
use seamless_core::schema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::table::{HeldLease, LeaseEnd, LeaseRefusal};
use super::{CoordinatorState, InspectShape, lock, now_ms};
use crate::received::Received;

/// More than any body of the protocol holds.
const BODY_LIMIT: usize = 1024 * 1024;

pub(super) fn router(shared: Arc<CoordinatorState>) -> Router {
    let mut routes = Router::new()
        .route("/v1/leases/claim", post(claim))
        .route("/v1/leases/renew", post(renew))
        .route("/v1/leases/complete", post(complete))
        .route("/v1/leases/fail", post(fail))
        .route("/metrics", get(metrics));
    for path in &shared.options.health_paths {
        routes = routes.route(path, get(health));
    }
    if shared.options.inspect != InspectShape::Missing {
        routes = routes.route("/v1/leases/inspect", get(inspect));
    }
    routes = routes.fallback(|| async { no_such_endpoint() });
    if !shared.options.prefix.is_empty() {
        routes = Router::new().nest(&shared.options.prefix, routes);
    }
    routes
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), note))
        .with_state(shared)
}

/// Keeps the request, checks the bearer token, and takes its time.
async fn note(
    State(shared): State<Arc<CoordinatorState>>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_LIMIT).await else {
        let words = "the body is too large".to_owned();
        return ProblemDetails(StatusCode::PAYLOAD_TOO_LARGE, words).into_response();
    };
    let received = Received::new(&parts, &body);
    let allowed = shared.options.bearer.as_ref().is_none_or(|token| {
        received.header("authorization") == Some(format!("Bearer {token}").as_str())
    });
    lock(&shared.received).push(received);
    tokio::time::sleep(shared.options.latency).await;
    if !allowed {
        let words = "a bearer token is needed".to_owned();
        return ProblemDetails(StatusCode::UNAUTHORIZED, words).into_response();
    }
    next.run(Request::from_parts(parts, body.into())).await
}

/// An answer that is not 2xx: the status and the coordinator's words.
struct ProblemDetails(StatusCode, String);

impl IntoResponse for ProblemDetails {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

impl From<LeaseRefusal> for ProblemDetails {
    fn from(refusal: LeaseRefusal) -> Self {
        match refusal {
            LeaseRefusal::Unknown => Self(StatusCode::NOT_FOUND, "no such lease".to_owned()),
            LeaseRefusal::Conflict => {
                Self(StatusCode::CONFLICT, "held by somebody else".to_owned())
            }
        }
    }
}

fn no_such_endpoint() -> ProblemDetails {
    ProblemDetails(StatusCode::NOT_FOUND, "no such endpoint".to_owned())
}

fn granted(lease: &HeldLease) -> Response {
    Json(json!({
        "lease": {"token": lease.token, "lease_until_ms": lease.lease_until_ms},
        "completion_ratio": lease.completion_ratio,
    }))
    .into_response()
}

fn read<'b, T: Deserialize<'b>>(body: &'b Bytes) -> Result<T, ProblemDetails> {
    serde_json::from_slice(body)
        .map_err(|error| ProblemDetails(StatusCode::BAD_REQUEST, error.to_string()))
}

async fn claim(
    State(shared): State<Arc<CoordinatorState>>,
    body: Bytes,
) -> Result<Response, ProblemDetails> {
    #[derive(Deserialize)]
    struct ClaimRequest {
        key: String,
        lease_ms: i64,
        #[serde(default)]
        worker: Option<String>,
    }
    let ClaimRequest {
        key,
        lease_ms,
        worker,
    } = read(&body)?;
    let token = format!("{:032x}", fastrand::u128(..));
    let lease = lock(&shared.table).claim(&key, token, lease_ms, worker, now_ms())?;
    Ok(granted(&lease))
}

async fn renew(
    State(shared): State<Arc<CoordinatorState>>,
    body: Bytes,
) -> Result<Response, ProblemDetails> {
    #[derive(Deserialize)]
    struct Renewal {
        key: String,
        token: String,
        lease_ms: i64,
        #[serde(default)]
        completion_ratio: Option<f64>,
    }
    let Renewal {
        key,
        token,
        lease_ms,
        completion_ratio,
    } = read(&body)?;
    let lease = lock(&shared.table).renew(&key, &token, lease_ms, completion_ratio, now_ms())?;
    Ok(granted(&lease))
}

#[derive(Deserialize)]
struct EndRequest {
    key: String,
    token: String,
    #[serde(default)]
    reason: Option<String>,
}

async fn complete(
    State(shared): State<Arc<CoordinatorState>>,
    body: Bytes,
) -> Result<Response, ProblemDetails> {
    let EndRequest { key, token, .. } = read(&body)?;
    end(&shared, &key, &token, LeaseEnd::Completed)
}

async fn fail(
    State(shared): State<Arc<CoordinatorState>>,
    body: Bytes,
) -> Result<Response, ProblemDetails> {
    let EndRequest { key, token, reason } = read(&body)?;
    end(&shared, &key, &token, LeaseEnd::Failed(reason))
}

fn end(
    shared: &CoordinatorState,
    key: &str,
    token: &str,
    outcome: LeaseEnd,
) -> Result<Response, ProblemDetails> {
    let lease = lock(&shared.table).end(key, token, outcome)?;
    Ok(Json(json!({"completion_ratio": lease.completion_ratio})).into_response())
}

#[derive(Deserialize)]
struct PageQuery {
    cursor: Option<String>,
}

async fn inspect(
    State(shared): State<Arc<CoordinatorState>>,
    Query(page): Query<PageQuery>,
) -> Response {
    let table = lock(&shared.table);
    let (leases, next) = table.page(page.cursor.as_deref(), shared.options.page_size);
    let specs = || {
        table
            .leases()
            .iter()
            .map(|lease| format!("{}:{}", lease.key, lease.token))
            .collect::<Vec<String>>()
    };
    match shared.options.inspect {
        InspectShape::Objects => paged(leases.iter().map(whole).collect(), next),
        InspectShape::BareObjects => paged(
            leases
                .iter()
                .map(|lease| json!({"key": lease.key, "token": lease.token}))
                .collect(),
            next,
        ),
        InspectShape::SpecArray => Json(json!(specs())).into_response(),
        InspectShape::SpecLines => (specs().join("\n") + "\n").into_response(),
        InspectShape::Missing => no_such_endpoint().into_response(),
    }
}

fn whole(lease: &HeldLease) -> Value {
    json!({
        "key": lease.key,
        "token": lease.token,
        "lease_until_ms": lease.lease_until_ms,
        "claimed_at_ms": lease.claimed_at_ms,
        "completion_ratio": lease.completion_ratio,
        "worker": lease.worker,
    })
}

fn paged(leases: Vec<Value>, next: Option<String>) -> Response {
    let mut page = json!({"leases": leases});
    if let Some(next) = next {
        page["next_cursor"] = json!(next);
    }
    Json(page).into_response()
}

async fn health(State(shared): State<Arc<CoordinatorState>>) -> Response {
    (
        [(header::CONTENT_TYPE, "application/json")],
        shared.options.health_body.clone(),
    )
        .into_response()
}

/// The completion of every lease that is held.
async fn metrics(State(shared): State<Arc<CoordinatorState>>) -> Response {
    if !shared.options.gauge {
        return no_such_endpoint().into_response();
    }
    const FAMILY: &str = "backfill_completion_ratio";
    let help = schema::family(FAMILY).map_or("", |family| family.help);
    let mut text = format!("# HELP {FAMILY} {help}\n# TYPE {FAMILY} gauge\n");
    let drill = shared
        .options
        .drill
        .as_ref()
        .map(|id| format!(",{}=\"{}\"", schema::DRILL_LABEL, escaped(id)))
        .unwrap_or_default();
    for HeldLease {
        key,
        completion_ratio,
        ..
    } in lock(&shared.table).leases()
    {
        let (node, interval) = node_and_interval(&key);
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{FAMILY}{{node_id=\"{}\",interval=\"{}\",lease_key=\"{}\"{drill}}} {completion_ratio}",
            escaped(&node),
            escaped(&interval),
            escaped(&key),
        );
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

/// The node and interval of a canonical key; any other key is a node of its own.
fn node_and_interval(key: &str) -> (String, String) {
    LeaseKey::new(key)
        .and_then(|key| {
            let parts = key.canonical()?;
            Some((parts.node_id.to_owned(), parts.interval.to_string()))
        })
        .unwrap_or_else(|| (key.to_owned(), String::new()))
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
