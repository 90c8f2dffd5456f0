//! What a worker asks of a coordinator and the programs never do: a lease, and that it lasts longer.

use anyhow::{Context as _, Result, ensure};
use seamless_core::http::{Body, Endpoint, HttpClient, HttpRequest, SHORT_BODY_LIMIT};
use seamless_core::lease::{LeaseKey, LeaseToken};
use serde::Deserialize;
use serde_json::{Value, json};

/// A claimed lease.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The token under which it is held.
    pub token: LeaseToken,
    /// When it expires, in milliseconds since the epoch.
    pub lease_until_ms: i64,
    /// How much of the window is done already, 0 to 1.
    pub completion_ratio: f64,
}

impl Claim {
    /// Claims the lease `key` for `lease_ms` milliseconds. `None` if another worker holds it.
    ///
    /// # Errors
    /// No answer, or any but a claim, 404 and 409.
    pub async fn of(
        http: &HttpClient,
        coordinator: &Endpoint,
        key: &LeaseKey,
        lease_ms: u64,
        worker: Option<&str>,
    ) -> Result<Option<Self>> {
        let mut fields = json!({"key": key.as_str(), "lease_ms": lease_ms});
        if let Some(worker) = worker {
            fields["worker"] = worker.into();
        }
        ask(http, coordinator, "claim", &fields).await
    }

    /// Has it last `lease_ms` milliseconds from now, and says how much of it is done. `None` if it is no longer
    /// held under its token.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub async fn renewed(
        &self,
        http: &HttpClient,
        coordinator: &Endpoint,
        key: &LeaseKey,
        lease_ms: u64,
        completion_ratio: f64,
    ) -> Result<Option<Self>> {
        let fields = json!({
            "key": key.as_str(),
            "token": self.token.expose(),
            "lease_ms": lease_ms,
            "completion_ratio": completion_ratio,
        });
        ask(http, coordinator, "renew", &fields).await
    }
}

async fn ask(
    http: &HttpClient,
    coordinator: &Endpoint,
    what: &str,
    fields: &Value,
) -> Result<Option<Claim>> {
    #[derive(Deserialize)]
    struct Lease {
        token: String,
        lease_until_ms: i64,
    }
    #[derive(Deserialize)]
    struct Claimed {
        lease: Lease,
        #[serde(default)]
        completion_ratio: f64,
    }
    let url = coordinator.url(&["v1", "leases", what]);
    let body = Body::Json(serde_json::to_vec(fields)?);
    let post = HttpRequest::post(coordinator, url, body, SHORT_BODY_LIMIT, false);
    let answer = http.send(&post).await?;
    if matches!(answer.status, 404 | 409) {
        return Ok(None);
    }
    ensure!(answer.is_success(), "{what}: HTTP {}", answer.status);
    let claimed: Claimed = serde_json::from_slice(&answer.body)?;
    Ok(Some(Claim {
        token: LeaseToken::new(claimed.lease.token).context("a lease without a token")?,
        lease_until_ms: claimed.lease.lease_until_ms,
        completion_ratio: claimed.completion_ratio,
    }))
}
