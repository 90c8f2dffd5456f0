//! The client of the distributed backfill coordinator.
//!
//! Owns what the programs ask of it (`/v1/leases/{complete,fail,inspect}`, `/health`) and what an answer
//! proves. It never takes an answer for success that the coordinator did not give: what any server could
//! have answered counts only once something at the same base URL has shown itself to be the coordinator.

mod inspect;
mod verdict;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use tokio::sync::OnceCell;

use crate::http::{
    Body, Endpoint, HttpClient, HttpRequest, HttpResponse, QUERY_BODY_LIMIT, RateLimiter,
    RequestError, SHORT_BODY_LIMIT, ServiceError,
};
use crate::lease::{LeaseKey, LeaseToken};
use verdict::{check_health, is_about_another, no_answer, reported_state};

pub use inspect::{Inspection, LeasePage, LeaseRecord, read_page};
pub use verdict::{Release, ReleaseVerdict, Unproven, read as read_verdict};

/// The request for the list, as errors name it.
const INSPECT: &str = "GET /v1/leases/inspect";
/// More pages than any coordinator has; a cursor that never ends is an error.
const MAX_PAGES: usize = 10_000;
/// More than a million leases.
const MAX_PAGES_BYTES: usize = 4 * QUERY_BODY_LIMIT;

/// What a lease is to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Given up: another worker may claim the window.
    Fail {
        /// Why, for the coordinator's log.
        reason: String,
    },
    /// Done.
    Complete,
}

impl Action {
    /// The word for it, which is also the last segment of its path.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Fail { .. } => "fail",
            Self::Complete => "complete",
        }
    }
}

/// What the health endpoint said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The path that answered.
    pub path: String,
    /// The `status` or `state` that the body reports, in lower case.
    pub reported: Option<String>,
}

impl Health {
    /// Whether nothing was reported, or one of ok, healthy, pass, up, ready.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.reported.as_deref().is_none_or(verdict::is_good)
    }
}

/// A client of one coordinator.
#[derive(Debug, Clone)]
pub struct CoordinatorClient {
    http: HttpClient,
    endpoint: Endpoint,
    proof: Arc<Proof>,
}

/// Whether something at the base URL has shown itself to be the coordinator.
#[derive(Debug, Default)]
struct Proof {
    seen: AtomicBool,
    /// The list is asked for it once in a run.
    asked: OnceCell<()>,
}

impl CoordinatorClient {
    /// A client of the coordinator at `endpoint`, whose URL may end in `/v1`.
    #[must_use]
    pub fn new(http: HttpClient, endpoint: Endpoint) -> Self {
        Self {
            http,
            endpoint: endpoint.without_last_segment("v1"),
            proof: Arc::default(),
        }
    }

    /// Whether a 409 of the lease protocol, a reported completion or a list of leases came from this base
    /// URL in this run. Health proves nothing: any service has one.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.proof.seen.load(Ordering::SeqCst)
    }

    /// The same, after asking for the list once where nothing else was proof.
    async fn prove(&self) -> bool {
        let ask = || async {
            let url = self.endpoint.url(&["v1", "leases", "inspect"]);
            let page = self.page(INSPECT, url).await;
            drop(page);
        };
        if !self.is_proven() && !self.http.is_stopped() {
            self.proof.asked.get_or_init(ask).await;
        }
        self.is_proven()
    }

    async fn page(
        &self,
        doing: &str,
        url: url::Url,
    ) -> Result<(LeasePage, HttpResponse), ServiceError> {
        let answer = self.get(doing, url, QUERY_BODY_LIMIT).await?;
        let page = read_page(&answer).map_err(|error| self.error(doing, error))?;
        if page.is_proof {
            self.proof.seen.store(true, Ordering::SeqCst);
        }
        Ok((page, answer))
    }

    /// The same client with its retries limited by `rate_limiter`.
    #[must_use]
    pub fn with_rate_limiter(mut self, rate_limiter: Arc<RateLimiter>) -> Self {
        self.http = self.http.with_rate_limiter(rate_limiter);
        self
    }

    /// The same client, which sends no request again, and asks for no proof, once `stop` is set.
    #[must_use]
    pub fn with_stop(mut self, stop: Arc<AtomicBool>) -> Self {
        self.http = self.http.with_stop(stop);
        self
    }

    /// Host and port, as the coordinator's own clients name it.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        let url = self.endpoint.url(&[]);
        Some(format!(
            "{}:{}",
            url.host_str()?,
            url.port_or_known_default()?
        ))
    }

    /// Where it is, without credentials.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Asks for the coordinator's health, at `path` or at `/health` and, on 404, `/healthz`.
    ///
    /// # Errors
    /// [`ServiceError`] unless the answer is 2xx, and neither a page of HTML nor JSON that cannot be read.
    pub async fn health(&self, path: Option<&str>) -> Result<Health, ServiceError> {
        let first = path.unwrap_or("/health");
        let answer = self.get_health(first).await?;
        if answer.status == 404 && path.is_none() {
            let second = "/healthz";
            return self.read_health(second, &self.get_health(second).await?);
        }
        self.read_health(first, &answer)
    }

    async fn get_health(&self, path: &str) -> Result<HttpResponse, ServiceError> {
        let url = self.endpoint.url_of_path(path);
        self.get(&format!("GET {path}"), url, SHORT_BODY_LIMIT)
            .await
    }

    fn read_health(&self, path: &str, answer: &HttpResponse) -> Result<Health, ServiceError> {
        let error = |error| self.error(&format!("GET {path}"), error);
        check_health(answer).map_err(error)?;
        let reported = reported_state(answer).map_err(error)?;
        Ok(Health {
            path: path.to_owned(),
            reported,
        })
    }

    /// Reads every page of the inspect endpoint. A lease that is listed again under the same token, as on
    /// pages that shift while leases come and go, counts once.
    ///
    /// # Errors
    /// [`ServiceError`] if a page cannot be had; a 404 means that this coordinator has no such
    /// endpoint.
    pub async fn inspect(&self) -> Result<Inspection, ServiceError> {
        let (mut leases, mut malformed) = (Vec::new(), Vec::new());
        let mut seen = HashSet::new();
        let (mut pages, mut bytes) = (0, 0);
        let asked_ms = inspect::local_ms();
        let mut url = self.endpoint.url(&["v1", "leases", "inspect"]);
        loop {
            let (page, answer) = self.page(INSPECT, url).await?;
            let before = leases.len() + malformed.len();
            malformed.extend(page.malformed.iter().map(|at| before + at));
            leases.extend(page.leases);
            pages += 1;
            bytes += answer.body.len();
            let Some(cursor) = page.next else {
                let ahead_ms = inspect::ahead_ms(answer.date_ms, asked_ms);
                let mut listed = HashSet::with_capacity(leases.len());
                leases.retain(|lease: &LeaseRecord| {
                    listed.insert((lease.key.clone(), lease.token.clone()))
                });
                return Ok(Inspection {
                    leases,
                    malformed,
                    ahead_ms,
                });
            };
            url = self.endpoint.url(&["v1", "leases", "inspect"]);
            url.query_pairs_mut().append_pair("cursor", &cursor);
            if !seen.insert(cursor) || seen.len() == MAX_PAGES || bytes > MAX_PAGES_BYTES {
                break;
            }
        }
        Err(self.error(INSPECT, RequestError::EndlessPages { pages }))
    }

    /// Fails or completes the lease `key` held under `token`. Repeating it does no harm: the second
    /// time the coordinator answers 404.
    pub async fn release(&self, key: &LeaseKey, token: &LeaseToken, action: &Action) -> Release {
        #[derive(Serialize)]
        struct Fields<'r> {
            key: &'r str,
            token: &'r str,
            #[serde(skip_serializing_if = "Option::is_none")]
            reason: Option<&'r str>,
        }
        let fields = Fields {
            key: key.as_str(),
            token: token.expose(),
            reason: match action {
                Action::Fail { reason } => Some(reason),
                Action::Complete => None,
            },
        };
        // A plain struct of text always serializes.
        let body = Body::Json(serde_json::to_vec(&fields).unwrap_or_default());
        let url = self.endpoint.url(&["v1", "leases", action.word()]);
        let post = HttpRequest::post(&self.endpoint, url, body, SHORT_BODY_LIMIT, true);
        match self.http.send(&post).await {
            Ok(mut answer) => {
                answer.hide(token.expose());
                let verdict = if answer.is_success() && is_about_another(&answer, key.as_str()) {
                    let found =
                        "an answer about another lease: a cache, or a proxy that mixes answers up?";
                    ReleaseVerdict::Unknown(RequestError::unexpected(&answer, found))
                } else {
                    self.verdict(&answer).await
                };
                Release {
                    verdict,
                    attempts: answer.attempts,
                    earlier_attempt_lost: answer.earlier_attempt_lost,
                }
            }
            Err(failure) => Release {
                attempts: failure.attempts,
                earlier_attempt_lost: failure.may_have_been_processed && failure.attempts > 1,
                verdict: no_answer(failure),
            },
        }
    }

    async fn verdict(&self, answer: &HttpResponse) -> ReleaseVerdict {
        match verdict::read(answer) {
            (ReleaseVerdict::Unproven(unproven), _) if self.prove().await => unproven.meaning,
            (verdict, is_proof) => {
                if is_proof {
                    self.proof.seen.store(true, Ordering::SeqCst);
                }
                verdict
            }
        }
    }

    async fn get(
        &self,
        doing: &str,
        url: url::Url,
        limit: usize,
    ) -> Result<HttpResponse, ServiceError> {
        self.http
            .send(&HttpRequest::get(&self.endpoint, url, limit))
            .await
            .map_err(|failure| self.error(doing, failure.into()))
    }

    fn error(&self, doing: &str, error: RequestError) -> ServiceError {
        ServiceError::new(&self.endpoint, doing, error)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
