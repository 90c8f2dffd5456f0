//! Sending a request, with retries, and reading its answer.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_TYPE};
use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::endpoint::Endpoint;
use super::error::{self, RequestStage, SendError, TransportError};
use super::message::{Body, HttpRequest, HttpResponse};
use super::rate_limiter::RateLimiter;
use super::setup::{Clients, HttpOptions, HttpSetupError};
use super::streaming::BodyReader;
use super::tracked_body::BodyStarted;

/// A `Retry-After` beyond this is reported instead of waited for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);
const MAX_RETRIES: usize = 3;
/// A thread that was blocked (a person was asked, a long answer was read) has not seen yet which kept
/// connections the server closed, and what is sent on one of those would count as lost. The first turn
/// polls the sockets, the second lets the connections' tasks run, the third comes after them.
const TURNS_TO_NOTICE_CLOSED: usize = 3;
/// So soon after an answer was read the sockets need no such look.
const STILL_ATTENTIVE: Duration = Duration::from_millis(5);

/// One pooled client for a whole run. Cloning shares the pool.
#[derive(Debug, Clone)]
pub struct HttpClient {
    shared: Arc<Shared>,
    rate_limiter: Option<Arc<RateLimiter>>,
    stop: Arc<AtomicBool>,
}

/// One attempt of a request, as it ended.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// The method.
    pub method: &'a str,
    /// Where to, without credentials and without the query.
    pub url: String,
    /// The first is 1.
    pub number: u32,
    /// The status, or what came instead.
    pub outcome: Result<u16, &'a TransportError>,
    /// How long it took.
    pub took: Duration,
}

/// Who is told of every attempt.
#[derive(Clone)]
struct Observer(Arc<dyn Fn(&Attempt<'_>) + Send + Sync>);

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

#[derive(Debug)]
struct Shared {
    clients: Clients,
    last_answer: Mutex<Option<Instant>>,
    observer: OnceLock<Observer>,
}

impl HttpClient {
    /// A client for these endpoints. Certificate files and the environment's proxies (`HTTPS_PROXY`,
    /// `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`) are read here and nothing is contacted.
    ///
    /// # Errors
    /// [`HttpSetupError`] if a file cannot be used, or an `https` endpoint has no authorities to trust.
    pub fn new<'e>(
        options: HttpOptions,
        endpoints: impl IntoIterator<Item = &'e Endpoint>,
    ) -> Result<Self, HttpSetupError> {
        let https = endpoints.into_iter().any(Endpoint::is_https);
        let clients = Clients::new(options, https)?;
        Ok(Self {
            shared: Arc::new(Shared {
                clients,
                last_answer: Mutex::default(),
                observer: OnceLock::new(),
            }),
            rate_limiter: None,
            stop: Arc::default(),
        })
    }

    /// The same client, which sends no request a second time once `stop` is set.
    #[must_use]
    pub fn with_stop(mut self, stop: Arc<AtomicBool>) -> Self {
        self.stop = stop;
        self
    }

    /// Whether the client has been told to send nothing more.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// The same client with its retries limited by `rate_limiter`. The caller takes the first attempt's
    /// permit.
    #[must_use]
    pub fn with_rate_limiter(mut self, rate_limiter: Arc<RateLimiter>) -> Self {
        self.rate_limiter = Some(rate_limiter);
        self
    }

    /// Tells `observer` of every attempt from now on, of this client and its clones. The first observer stays.
    pub fn observe(&self, observer: impl Fn(&Attempt<'_>) + Send + Sync + 'static) {
        let _ = self.shared.observer.set(Observer(Arc::new(observer)));
    }

    fn tell(
        &self,
        call: &HttpRequest<'_>,
        number: u32,
        took: Duration,
        outcome: Result<u16, &TransportError>,
    ) {
        let Some(Observer(observer)) = self.shared.observer.get() else {
            return;
        };
        let mut url = call.url.clone();
        url.set_query(None);
        // A URL that can be sent has a host, and so a place for both.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        observer(&Attempt {
            method: call.method.as_str(),
            url: url.to_string(),
            number,
            outcome,
            took,
        });
    }

    /// The timeout of one request.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.shared.clients.options.timeout
    }

    /// When the whole run must be over.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.shared.clients.options.deadline
    }

    /// Sends a request and reads its whole answer, whatever the status.
    ///
    /// A repeatable call is sent again, up to three times with exponential backoff and jitter, after
    /// a connection that failed or was reset and after 429 (honouring `Retry-After`), 502, 503 and
    /// 504, while the deadline allows. A timeout is not repeated.
    ///
    /// # Errors
    /// [`SendError`] if there is no whole answer.
    pub async fn send(&self, call: &HttpRequest<'_>) -> Result<HttpResponse, SendError> {
        let attempts = Cell::new(0);
        let lost = Cell::new(false);
        let last = RefCell::new(None);
        let once = || async {
            let earlier_attempt_lost = lost.get();
            if attempts.get() > 0 {
                self.wait_for_turn().await;
            }
            // The run may have been stopped while this one waited to be sent again.
            if let Some(last) = last.take().filter(|_| self.is_stopped()) {
                return Err(last);
            }
            attempts.set(attempts.get() + 1);
            let began = Instant::now();
            let attempt = self.attempt(call).await;
            let outcome = attempt.as_ref().map(|answer| answer.status);
            self.tell(call, attempts.get(), began.elapsed(), outcome);
            let cause = match attempt {
                Ok(mut answer) => {
                    answer.attempts = attempts.get();
                    answer.earlier_attempt_lost = earlier_attempt_lost;
                    // A gateway may have passed the request on before it gave up on the answer.
                    let passed_on = matches!(answer.status, 502 | 504);
                    lost.set(earlier_attempt_lost || passed_on);
                    match answer.status {
                        429 | 502 | 503 | 504 => RetryCause::Response(answer),
                        _ => return Ok(answer),
                    }
                }
                Err(error) => {
                    lost.set(earlier_attempt_lost || error.may_have_been_processed());
                    RetryCause::TransportError(error)
                }
            };
            last.replace(Some(cause.clone()));
            Err(cause)
        };
        let backoff = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(2))
            .with_max_times(MAX_RETRIES)
            .with_jitter();
        let outcome = once
            .retry(backoff)
            .when(|unsettled| call.repeatable && unsettled.worth_repeating() && !self.is_stopped())
            .adjust(|unsettled, delay| {
                let delay = match unsettled {
                    RetryCause::Response(HttpResponse {
                        retry_after: Some(asked),
                        ..
                    }) => delay.map(|delay| delay.max(*asked)),
                    _ => delay,
                }?;
                let in_time = || self.deadline().is_none_or(|at| Instant::now() + delay < at);
                (delay <= LONGEST_RETRY_AFTER && in_time()).then_some(delay)
            })
            .await;
        match outcome {
            Ok(answer) | Err(RetryCause::Response(answer)) => Ok(answer),
            Err(RetryCause::TransportError(error)) => Err(SendError {
                error,
                attempts: attempts.get(),
                may_have_been_processed: lost.get(),
            }),
        }
    }

    /// The same, but the body of a 2xx answer is read by `read` as it arrives, on a thread of its own: it may be
    /// longer than what fits in memory. The answer holds its beginning only. None if nothing was read.
    ///
    /// # Errors
    /// [`SendError`] if there is no whole answer.
    pub async fn send_and_read<T: Send + 'static>(
        &self,
        call: HttpRequest<'_>,
        read: impl Fn(&mut dyn Read) -> T + Send + Sync + 'static,
    ) -> Result<(HttpResponse, Option<T>), SendError> {
        let found = Arc::new(Mutex::new(None));
        let place = Arc::clone(&found);
        let reader = BodyReader::new(move |body| {
            let read = read(body);
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(read);
        });
        let reader = Some(reader);
        let answer = self.send(&HttpRequest { reader, ..call }).await?;
        let found = found.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok((answer, found))
    }

    async fn wait_for_turn(&self) {
        if let Some(rate_limiter) = &self.rate_limiter {
            let turn = rate_limiter.reserve(Instant::now());
            tokio::time::sleep_until(self.deadline().map_or(turn, |at| turn.min(at))).await;
        }
    }

    async fn attempt(&self, call: &HttpRequest<'_>) -> Result<HttpResponse, TransportError> {
        let clients = &self.shared.clients;
        let client = clients.serving(call.endpoint);
        let body_started = BodyStarted::default();
        let request = request(client, call, &body_started)
            .build()
            .map_err(|error| TransportError::NotConnected(error.without_url().to_string()))?;
        let secrets = secrets_of(&request, call.endpoint);
        self.notice_closed_connections().await;
        let bound = AttemptDeadline::new(self.shared.clients.options.timeout, self.deadline());
        let stage = Cell::new(RequestStage::AwaitingResponse);
        let exchange = exchange(client, request, call, &bound, &stage);
        let Ok(exchanged) = tokio::time::timeout_at(bound.at, exchange).await else {
            let nothing_out = call.body.is_tracked() && !body_started.is_set();
            return Err(bound.passed(match stage.get() {
                RequestStage::AwaitingResponse if nothing_out => RequestStage::Connecting,
                stage => stage,
            }));
        };
        let mut answer = exchanged?;
        *self.last_answer() = Some(Instant::now());
        secrets.iter().for_each(|secret| answer.hide(secret));
        Ok(answer)
    }

    async fn notice_closed_connections(&self) {
        let is_attentive = self
            .last_answer()
            .is_some_and(|at| at.elapsed() < STILL_ATTENTIVE);
        if !is_attentive {
            for _ in 0..TURNS_TO_NOTICE_CLOSED {
                tokio::task::yield_now().await;
            }
        }
    }

    fn last_answer(&self) -> MutexGuard<'_, Option<Instant>> {
        let last_answer = &self.shared.last_answer;
        last_answer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends a request and reads its whole answer, noting how far it has come.
async fn exchange(
    client: &reqwest::Client,
    request: reqwest::Request,
    call: &HttpRequest<'_>,
    bound: &AttemptDeadline,
    stage: &Cell<RequestStage>,
) -> Result<HttpResponse, TransportError> {
    let mut response = match client.execute(request).await {
        Ok(response) => response,
        Err(error) if error.is_timeout() => return Err(bound.passed(RequestStage::Connecting)),
        Err(error) => return Err(error::before_response(&error)),
    };
    stage.set(RequestStage::ReadingBody);
    let status = response.status().as_u16();
    let headers = std::mem::take(response.headers_mut());
    let limit = call.limit;
    let reader = call.reader.as_ref();
    if let Some(reader) = reader.filter(|_| response.status().is_success()) {
        let beginning = reader.read(&mut response, limit).await?;
        return Ok(HttpResponse::of(status, &headers, beginning));
    }
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Err(_) => return Err(TransportError::Truncated { status }),
            Ok(None) => return Ok(HttpResponse::of(status, &headers, body)),
            Ok(Some(chunk)) if body.len() + chunk.len() > limit => {
                return Err(TransportError::TooLarge { status, limit });
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
        }
    }
}

#[derive(Clone)]
enum RetryCause {
    Response(HttpResponse),
    TransportError(TransportError),
}

impl RetryCause {
    const fn worth_repeating(&self) -> bool {
        match self {
            Self::Response(_) => true,
            Self::TransportError(error) => error.worth_repeating(),
        }
    }
}

/// When an attempt must be over, and which of the two limits that is.
struct AttemptDeadline {
    at: Instant,
    timeout: Duration,
    is_deadline: bool,
}

impl AttemptDeadline {
    fn new(timeout: Duration, deadline: Option<Instant>) -> Self {
        let own = Instant::now() + timeout;
        let is_deadline = deadline.is_some_and(|deadline| deadline < own);
        Self {
            at: deadline.filter(|_| is_deadline).unwrap_or(own),
            timeout,
            is_deadline,
        }
    }

    const fn passed(&self, stage: RequestStage) -> TransportError {
        if self.is_deadline {
            TransportError::DeadlinePassed { stage }
        } else {
            TransportError::TimedOut {
                after: self.timeout,
                stage,
            }
        }
    }
}

fn request(
    client: &reqwest::Client,
    call: &HttpRequest<'_>,
    body_started: &BodyStarted,
) -> reqwest::RequestBuilder {
    let mut request = client
        .request(call.method.clone(), call.url.clone())
        .header(reqwest::header::ACCEPT, call.accept);
    if let Some((user, password)) = call.endpoint.basic() {
        request = request.basic_auth(user, Some(password.expose_secret()));
    }
    if call.endpoint.is_loopback() {
        // There is nothing to save by packing what does not leave this machine.
        request = request.header(ACCEPT_ENCODING, "identity");
    }
    for (name, value) in call.endpoint.headers() {
        request = request.header(name, value);
    }
    match &call.body {
        Body::Empty => request,
        Body::Json(bytes) => request
            .header(CONTENT_TYPE, "application/json")
            .body(body_started.track(bytes)),
        Body::Form(fields) => request.form(fields),
        Body::Raw(content_type, headers, bytes) => {
            let request = request
                .header(CONTENT_TYPE, *content_type)
                .body(body_started.track(bytes));
            headers.iter().fold(request, |request, (name, value)| {
                request.header(*name, *value)
            })
        }
    }
}

/// What the request carries and no message may show, the longer texts first.
fn secrets_of(request: &reqwest::Request, endpoint: &Endpoint) -> Vec<String> {
    let headers = request
        .headers()
        .values()
        .filter(|value| value.is_sensitive())
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| {
            // `Bearer TOKEN`: the token alone is quoted as often.
            let credential = value.split_once(' ').map(|(_scheme, token)| token);
            [Some(value), credential]
        });
    let password = endpoint
        .basic()
        .map(|(_, password)| password.expose_secret());
    // What the user's own URL holds in its query; a short query of ours is no secret.
    let whole = endpoint.whole_url();
    let query = whole.query_pairs().map(|(_, value)| value.into_owned());
    headers
        .chain([password])
        .flatten()
        .map(str::to_owned)
        .chain(query)
        .collect()
}
