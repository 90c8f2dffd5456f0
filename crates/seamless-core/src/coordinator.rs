//! The client of the distributed backfill coordinator.
//!
//! Owns the protocol (`/v1/leases/{claim,renew,complete,fail,inspect}`, `/health`) and what an answer to it
//! proves. It never takes an answer for success that the coordinator did not give, and changes a lease
//! only with a [`Confirmation`].

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::http::{
    Answer, Body, Call, Endpoint, Failure, HttpClient, QUERY_BODY_LIMIT, SHORT_BODY_LIMIT,
};
use crate::lease::{LeaseKey, LeaseSpec, LeaseToken};

/// More pages than any coordinator has; a cursor that never ends is an error.
const MAX_PAGES: usize = 10_000;

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

/// Proof that somebody meant a change: nothing is changed without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    /// The very leases were named on the command line or in a file.
    NamedExplicitly,
    /// A person saw the selection and answered yes.
    AnsweredYes,
    /// `--yes` was given.
    YesFlag,
    /// A worker acts on the lease that it holds itself.
    OwnLease,
}

/// What became of one request to fail or complete a lease.
#[derive(Debug, Clone, PartialEq)]
pub struct Release {
    /// The verdict.
    pub verdict: Verdict,
    /// How many attempts were made.
    pub attempts: u32,
    /// An earlier attempt may have been acted on, and its answer was lost: an `AlreadyReleased` is then
    /// most likely this run's own doing.
    pub earlier_attempt_lost: bool,
}

/// What an answer proves.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The coordinator released it now.
    Released {
        /// The completion it reported, 0 to 1.
        completion_ratio: Option<f64>,
    },
    /// 404: the coordinator holds no such lease.
    AlreadyReleased,
    /// 409: the token is stale, another worker holds the lease now.
    Conflict,
    /// Any other answer, or it could not be sent at all.
    Failed(Problem),
    /// It was sent, and no answer could be had.
    Unknown(Problem),
}

/// What came back instead of a usable answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// No whole answer.
    #[error(transparent)]
    NoAnswer(#[from] Failure),
    /// A status that the protocol does not give here.
    #[error("{described}{}", detail.as_ref().map(|d| format!(": {d}")).unwrap_or_default())]
    Status {
        /// The status.
        status: u16,
        /// The status in words.
        described: String,
        /// The coordinator's own words, if it gave any.
        detail: Option<String>,
    },
    /// A success that the coordinator did not give.
    #[error("{described}, but the body is {found}")]
    NotTheCoordinator {
        /// The status in words.
        described: String,
        /// What the body is instead.
        found: &'static str,
    },
    /// The page cursor does not end.
    #[error("the inspect endpoint's pages do not end")]
    EndlessPages,
}

impl Problem {
    /// What a person should do next.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::NoAnswer(failure) => failure.fault.hint(),
            Self::Status {
                status: 401 | 403, ..
            } => "check --bearer-token-file or the URL's credentials",
            Self::Status {
                status: 300..=399, ..
            }
            | Self::NotTheCoordinator { .. } => {
                "check that the coordinator URL leads to the coordinator itself"
            }
            Self::Status { status: 404, .. } => {
                "this coordinator does not offer it, or the URL is wrong"
            }
            Self::Status { status: 429, .. } => "the coordinator is limiting requests; use --rate",
            Self::Status { .. } => "look at the coordinator's log",
            Self::EndlessPages => "report this to the coordinator's owners",
        }
    }
}

/// A call to the coordinator that gave nothing usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{doing} at the coordinator {endpoint}: {problem}")]
pub struct CoordinatorError {
    /// What was being done.
    pub doing: &'static str,
    /// Where, without credentials.
    pub endpoint: String,
    /// What came back.
    #[source]
    pub problem: Problem,
}

/// A lease as the inspect endpoint shows it. Only the key is certain; a token is there for all but
/// plain keys.
#[derive(Debug, Clone, PartialEq)]
pub struct LeaseRecord {
    /// The key.
    pub key: LeaseKey,
    /// The token under which it is held.
    pub token: Option<LeaseToken>,
    /// When it expires, in milliseconds since the epoch.
    pub lease_until_ms: Option<i64>,
    /// When it was claimed, in milliseconds since the epoch.
    pub claimed_at_ms: Option<i64>,
    /// How much of it is done, 0 to 1.
    pub completion_ratio: Option<f64>,
    /// Who holds it.
    pub worker: Option<String>,
}

impl From<LeaseSpec> for LeaseRecord {
    fn from(spec: LeaseSpec) -> Self {
        Self {
            key: spec.key,
            token: spec.token,
            lease_until_ms: None,
            claimed_at_ms: None,
            completion_ratio: None,
            worker: None,
        }
    }
}

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
        self.reported
            .as_deref()
            .is_none_or(|state| matches!(state, "ok" | "healthy" | "pass" | "up" | "ready"))
    }
}

/// A client of one coordinator.
#[derive(Debug, Clone)]
pub struct Coordinator {
    http: HttpClient,
    endpoint: Endpoint,
}

impl Coordinator {
    /// A client of the coordinator at `endpoint`, whose URL may end in `/v1`.
    #[must_use]
    pub fn new(http: HttpClient, endpoint: Endpoint) -> Self {
        Self {
            http,
            endpoint: endpoint.without_last_segment("v1"),
        }
    }

    /// Where it is, without credentials.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Asks for the coordinator's health, at `path` or at `/health` and, on 404, `/healthz`.
    ///
    /// # Errors
    /// [`CoordinatorError`] unless the answer is 2xx with a JSON or an empty body.
    pub async fn health(&self, path: Option<&str>) -> Result<Health, CoordinatorError> {
        const DOING: &str = "asking for health";
        let first = path.unwrap_or("/health");
        let answer = self
            .get(DOING, self.endpoint.url_of_path(first), SHORT_BODY_LIMIT)
            .await?;
        if answer.status == 404 && path.is_none() {
            let second = "/healthz";
            let answer = self
                .get(DOING, self.endpoint.url_of_path(second), SHORT_BODY_LIMIT)
                .await?;
            return self.read_health(DOING, second, &answer);
        }
        self.read_health(DOING, first, &answer)
    }

    fn read_health(
        &self,
        doing: &'static str,
        path: &str,
        answer: &Answer,
    ) -> Result<Health, CoordinatorError> {
        #[derive(Deserialize)]
        struct Reported {
            #[serde(alias = "state")]
            status: Option<serde_json::Value>,
        }
        check_success(answer).map_err(|problem| self.error(doing, problem))?;
        let reported = serde_json::from_slice::<Reported>(&answer.body)
            .ok()
            .and_then(|body| body.status)
            .map(|status| match status {
                serde_json::Value::String(word) => word.trim().to_lowercase(),
                other => other.to_string(),
            });
        Ok(Health {
            path: path.to_owned(),
            reported,
        })
    }

    /// Reads every page of the inspect endpoint.
    ///
    /// # Errors
    /// [`CoordinatorError`] if a page cannot be had; a 404 means that this coordinator has no such
    /// endpoint.
    pub async fn inspect(&self) -> Result<Vec<LeaseRecord>, CoordinatorError> {
        const DOING: &str = "listing leases";
        let mut leases = Vec::new();
        let mut cursor: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let mut url = self.endpoint.url(&["v1", "leases", "inspect"]);
            if let Some(cursor) = &cursor {
                url.query_pairs_mut().append_pair("cursor", cursor);
            }
            let answer = self.get(DOING, url, QUERY_BODY_LIMIT).await?;
            let page = read_page(&answer).map_err(|problem| self.error(DOING, problem))?;
            leases.extend(page.leases);
            match page.next {
                None => return Ok(leases),
                Some(next) if Some(&next) == cursor.as_ref() => break,
                Some(next) => cursor = Some(next),
            }
        }
        Err(self.error(DOING, Problem::EndlessPages))
    }

    /// Fails or completes the lease `key` held under `token`. Repeating it does no harm: the second
    /// time the coordinator answers 404.
    pub async fn release(
        &self,
        key: &LeaseKey,
        token: &LeaseToken,
        action: &Action,
        _meant: Confirmation,
    ) -> Release {
        #[derive(Serialize)]
        struct Request<'r> {
            key: &'r str,
            token: &'r str,
            #[serde(skip_serializing_if = "Option::is_none")]
            reason: Option<&'r str>,
        }
        let request = Request {
            key: key.as_str(),
            token: token.expose(),
            reason: match action {
                Action::Fail { reason } => Some(reason),
                Action::Complete => None,
            },
        };
        let url = self.endpoint.url(&["v1", "leases", action.word()]);
        match self.http.send(&self.post(url, &request, true)).await {
            Ok(answer) => Release {
                verdict: verdict(&answer),
                attempts: answer.attempts,
                earlier_attempt_lost: answer.earlier_attempt_lost,
            },
            Err(failure) => Release {
                attempts: failure.attempts,
                earlier_attempt_lost: failure.may_have_been_processed && failure.attempts > 1,
                verdict: no_answer(failure),
            },
        }
    }

    /// Claims the lease `key` for `lease_ms` milliseconds. `None` if another worker holds it.
    ///
    /// # Errors
    /// [`CoordinatorError`] for any answer but a claim and 409.
    pub async fn claim(
        &self,
        key: &LeaseKey,
        lease_ms: u64,
        worker: Option<&str>,
    ) -> Result<Option<Claim>, CoordinatorError> {
        #[derive(Serialize)]
        struct Request<'r> {
            key: &'r str,
            lease_ms: u64,
            #[serde(skip_serializing_if = "Option::is_none")]
            worker: Option<&'r str>,
        }
        let request = Request {
            key: key.as_str(),
            lease_ms,
            worker,
        };
        let url = self.endpoint.url(&["v1", "leases", "claim"]);
        self.claimed("claiming a lease", self.post(url, &request, false))
            .await
    }

    /// Extends the lease `key`, held under `token`, to `lease_ms` milliseconds from now, and reports
    /// how much of it is done. `None` if it is no longer held under that token.
    ///
    /// # Errors
    /// [`CoordinatorError`] for any answer but a claim, 404 and 409.
    pub async fn renew(
        &self,
        key: &LeaseKey,
        token: &LeaseToken,
        lease_ms: u64,
        completion_ratio: f64,
    ) -> Result<Option<Claim>, CoordinatorError> {
        #[derive(Serialize)]
        struct Request<'r> {
            key: &'r str,
            token: &'r str,
            lease_ms: u64,
            completion_ratio: f64,
        }
        let request = Request {
            key: key.as_str(),
            token: token.expose(),
            lease_ms,
            completion_ratio,
        };
        let url = self.endpoint.url(&["v1", "leases", "renew"]);
        self.claimed("renewing a lease", self.post(url, &request, true))
            .await
    }

    async fn claimed(
        &self,
        doing: &'static str,
        call: Call<'_>,
    ) -> Result<Option<Claim>, CoordinatorError> {
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
        let answer = self
            .http
            .send(&call)
            .await
            .map_err(|failure| self.error(doing, failure.into()))?;
        if matches!(answer.status, 404 | 409) {
            return Ok(None);
        }
        check_success(&answer).map_err(|problem| self.error(doing, problem))?;
        let claimed: Option<Claimed> = serde_json::from_slice(&answer.body).ok();
        let claim = claimed.and_then(|claimed| {
            Some(Claim {
                token: LeaseToken::new(claimed.lease.token)?,
                lease_until_ms: claimed.lease.lease_until_ms,
                completion_ratio: claimed.completion_ratio,
            })
        });
        claim
            .map(Some)
            .ok_or_else(|| self.error(doing, not_the_coordinator(&answer, "no lease")))
    }

    fn post(&self, url: url::Url, request: &impl Serialize, repeatable: bool) -> Call<'_> {
        // Plain structs of text and numbers always serialize.
        let body = serde_json::to_vec(request).unwrap_or_default();
        Call::post(
            &self.endpoint,
            url,
            Body::Json(body),
            SHORT_BODY_LIMIT,
            repeatable,
        )
    }

    async fn get(
        &self,
        doing: &'static str,
        url: url::Url,
        limit: usize,
    ) -> Result<Answer, CoordinatorError> {
        self.http
            .send(&Call::get(&self.endpoint, url, limit))
            .await
            .map_err(|failure| self.error(doing, failure.into()))
    }

    fn error(&self, doing: &'static str, problem: Problem) -> CoordinatorError {
        CoordinatorError {
            doing,
            endpoint: self.endpoint.to_string(),
            problem,
        }
    }
}

fn verdict(answer: &Answer) -> Verdict {
    #[derive(Deserialize)]
    struct Done {
        completion_ratio: Option<f64>,
    }
    match answer.status {
        200..300 => match check_success(answer) {
            Ok(()) => Verdict::Released {
                completion_ratio: serde_json::from_slice::<Done>(&answer.body)
                    .ok()
                    .and_then(|done| done.completion_ratio),
            },
            Err(problem) => Verdict::Failed(problem),
        },
        // A web server's own error page says nothing about a lease.
        404 | 409 if answer.looks_like_html() => Verdict::Failed(status_problem(answer)),
        404 => Verdict::AlreadyReleased,
        409 => Verdict::Conflict,
        _ => Verdict::Failed(status_problem(answer)),
    }
}

/// No answer: `Failed` if nothing can have been released, or if a status came and its body is unusable;
/// `Unknown` if it may have been.
fn no_answer(failure: Failure) -> Verdict {
    use crate::http::Fault;
    let answered = matches!(
        failure.fault,
        Fault::Truncated { .. } | Fault::TooLarge { .. } | Fault::NotHttp(_)
    );
    if failure.may_have_been_processed && !answered {
        Verdict::Unknown(failure.into())
    } else {
        Verdict::Failed(failure.into())
    }
}

/// Whether an answer is 2xx with a JSON or an empty body: the coordinator speaking.
fn check_success(answer: &Answer) -> Result<(), Problem> {
    if !answer.is_success() {
        return Err(status_problem(answer));
    }
    if answer.body.trim_ascii().is_empty() {
        return Ok(());
    }
    if answer.looks_like_html() {
        return Err(not_the_coordinator(
            answer,
            "an HTML page: a login page or a proxy?",
        ));
    }
    match serde_json::from_slice::<serde::de::IgnoredAny>(&answer.body) {
        Ok(_) => Ok(()),
        Err(error) if error.is_eof() => Err(not_the_coordinator(answer, "JSON that was cut off")),
        Err(_) => Err(not_the_coordinator(answer, "not JSON")),
    }
}

fn not_the_coordinator(answer: &Answer, found: &'static str) -> Problem {
    Problem::NotTheCoordinator {
        described: format!("HTTP {}", answer.status),
        found,
    }
}

fn status_problem(answer: &Answer) -> Problem {
    Problem::Status {
        status: answer.status,
        described: answer.described(),
        detail: answer.detail(),
    }
}

struct Page {
    leases: Vec<LeaseRecord>,
    next: Option<String>,
}

/// Reads a page in any of the three shapes: `{leases, next_cursor}`, a JSON array of `"KEY:TOKEN"` (or
/// of lease objects), plain-text lines of them.
fn read_page(answer: &Answer) -> Result<Page, Problem> {
    #[derive(Deserialize)]
    struct Object {
        leases: Vec<Entry>,
        #[serde(default)]
        next_cursor: Option<Cursor>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Cursor {
        Text(String),
        Number(serde_json::Number),
    }
    if !answer.is_success() {
        return Err(status_problem(answer));
    }
    if answer.looks_like_html() {
        return Err(not_the_coordinator(
            answer,
            "an HTML page: a login page or a proxy?",
        ));
    }
    let unreadable = |error: serde_json::Error| {
        let found = if error.is_eof() {
            "JSON that was cut off"
        } else {
            "no list of leases"
        };
        not_the_coordinator(answer, found)
    };
    let body = answer.body.trim_ascii();
    match body.first() {
        Some(b'{') => {
            let object: Object = serde_json::from_slice(body).map_err(unreadable)?;
            let next = object.next_cursor.map(|cursor| match cursor {
                Cursor::Text(text) => text,
                Cursor::Number(number) => number.to_string(),
            });
            Ok(Page {
                leases: object.leases.into_iter().map(|entry| entry.0).collect(),
                next: next.filter(|cursor| !cursor.is_empty()),
            })
        }
        Some(b'[') => {
            let entries: Vec<Entry> = serde_json::from_slice(body).map_err(unreadable)?;
            Ok(Page {
                leases: entries.into_iter().map(|entry| entry.0).collect(),
                next: None,
            })
        }
        _ => {
            let text =
                std::str::from_utf8(body).map_err(|_| not_the_coordinator(answer, "not UTF-8"))?;
            let leases: Result<Vec<LeaseRecord>, Problem> = text
                .lines()
                .filter(|line| !line.trim().is_empty())
                .map(|line| {
                    LeaseSpec::parse(line)
                        .map(LeaseRecord::from)
                        .map_err(|_| not_the_coordinator(answer, "no list of leases"))
                })
                .collect();
            Ok(Page {
                leases: leases?,
                next: None,
            })
        }
    }
}

/// One lease in an answer: an object, or `"KEY:TOKEN"`.
struct Entry(LeaseRecord);

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;

        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Shape {
            Text(String),
            Object {
                key: String,
                #[serde(default)]
                token: Option<String>,
                #[serde(default)]
                lease_until_ms: Option<f64>,
                #[serde(default)]
                claimed_at_ms: Option<f64>,
                #[serde(default)]
                completion_ratio: Option<f64>,
                #[serde(default)]
                worker: Option<String>,
            },
        }
        match Shape::deserialize(deserializer)? {
            Shape::Text(text) => LeaseSpec::parse(&text)
                .map(|spec| Self(spec.into()))
                .map_err(D::Error::custom),
            Shape::Object {
                key,
                token,
                lease_until_ms,
                claimed_at_ms,
                completion_ratio,
                worker,
            } => Ok(Self(LeaseRecord {
                key: LeaseKey::new(key).ok_or_else(|| D::Error::custom("an empty key"))?,
                token: token.and_then(LeaseToken::new),
                lease_until_ms: lease_until_ms.map(|ms| ms as i64),
                claimed_at_ms: claimed_at_ms.map(|ms| ms as i64),
                completion_ratio: completion_ratio.filter(|ratio| ratio.is_finite()),
                worker: worker.filter(|worker| !worker.is_empty()),
            })),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Fault;

    fn answer(status: u16, content_type: &str, body: &str) -> Answer {
        Answer {
            status,
            content_type: Some(content_type.to_owned()),
            location: None,
            body: body.as_bytes().to_vec(),
            attempts: 1,
            earlier_attempt_lost: false,
            retry_after: None,
        }
    }

    #[test]
    fn only_the_coordinators_own_success_is_a_release() {
        let json = "application/json";
        for (status, content_type, body) in [
            (200, json, r#"{"completion_ratio":0.25}"#),
            (200, json, ""),
            (204, "", ""),
            (200, json, "null"),
        ] {
            assert!(matches!(
                verdict(&answer(status, content_type, body)),
                Verdict::Released { .. }
            ));
        }
        for (status, content_type, body) in [
            (200, "text/html", "<html>login</html>"),
            (200, json, "<!doctype html>"),
            (200, json, r#"{"completion_ratio":0.2"#),
            (200, "text/plain", "ok"),
            (302, json, ""),
            (400, json, "{}"),
            (404, "text/html", "<h1>nginx</h1>"),
            (500, json, r#"{"error":"boom"}"#),
        ] {
            let verdict = verdict(&answer(status, content_type, body));
            assert!(
                matches!(verdict, Verdict::Failed(_)),
                "{status} {body}: {verdict:?}"
            );
        }
        assert_eq!(verdict(&answer(404, json, "{}")), Verdict::AlreadyReleased);
        assert_eq!(verdict(&answer(409, json, "{}")), Verdict::Conflict);
    }

    #[test]
    fn without_an_answer_it_is_unknown_only_if_it_may_have_been_released() {
        let failure = |fault: Fault| Failure {
            may_have_been_processed: fault.may_have_been_processed(),
            fault,
            attempts: 1,
        };
        assert!(matches!(
            no_answer(failure(Fault::Refused)),
            Verdict::Failed(_)
        ));
        assert!(matches!(
            no_answer(failure(Fault::Interrupted)),
            Verdict::Unknown(_)
        ));
        assert!(matches!(
            no_answer(failure(Fault::Truncated { status: 200 })),
            Verdict::Failed(_)
        ));
    }

    #[test]
    fn pages_are_read_in_all_three_shapes() {
        let object = r#"{"leases":[{"key":"a:b","token":"t","lease_until_ms":1700000000000.0,"completion_ratio":0.4,"worker":"w"},{"key":"k","token":"u"}],"next_cursor":"n2"}"#;
        let page = read_page(&answer(200, "application/json", object)).unwrap();
        assert_eq!(page.next.as_deref(), Some("n2"));
        assert_eq!(page.leases.len(), 2);
        assert_eq!(page.leases[0].lease_until_ms, Some(1_700_000_000_000));
        let array = read_page(&answer(200, "application/json", r#"["a:b:t","k:u"]"#)).unwrap();
        let text = read_page(&answer(200, "text/plain", "a:b:t\n\nk:u\n")).unwrap();
        assert_eq!(array.leases, text.leases);
        assert_eq!(array.leases[0].key.as_str(), "a:b");
        assert!(
            read_page(&answer(200, "text/plain", ""))
                .unwrap()
                .leases
                .is_empty()
        );
    }

    #[test]
    fn a_page_that_is_no_list_of_leases_is_an_error() {
        for body in [
            r#"{"leases":[{"key":"a""#,
            r#"{"status":"ok"}"#,
            "[1,2]",
            "<html>",
            "hello",
            r#"[""]"#,
        ] {
            assert!(
                read_page(&answer(200, "application/json", body)).is_err(),
                "{body}"
            );
        }
    }
}
