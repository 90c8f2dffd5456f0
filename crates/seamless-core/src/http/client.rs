//! Sending a request, with retries, and reading its answer.

use std::cell::Cell;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use tokio::time::Instant;
use url::Url;

use super::endpoint::Endpoint;
use super::fault::{self, Failure, Fault, ResolveError, Stage};

/// A `Retry-After` beyond this is reported instead of waited for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);
const MAX_RETRIES: usize = 3;

/// Certificate files, in PEM.
#[derive(Debug, Clone, Default)]
pub struct TlsFiles {
    /// Authorities to trust beside those of the system.
    pub ca_cert: Option<PathBuf>,
    /// The client's certificate chain and its key.
    pub client_cert: Option<(PathBuf, PathBuf)>,
}

/// How the client behaves in this run.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// The timeout of one request, from connecting to the last byte of the body.
    pub timeout: Duration,
    /// When the whole run must be over.
    pub deadline: Option<Instant>,
    /// Certificate files.
    pub tls: TlsFiles,
    /// Idle connections kept per host: at least the concurrency.
    pub idle_per_host: usize,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            deadline: None,
            tls: TlsFiles::default(),
            idle_per_host: 32,
        }
    }
}

/// Why no client could be made. Nothing has been contacted.
#[derive(Debug, thiserror::Error)]
pub enum HttpSetupError {
    /// A certificate or key file cannot be read.
    #[error("cannot read {what} {}: {source}", path.display())]
    Unreadable {
        /// Which flag it belongs to.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file holds no usable PEM.
    #[error("{what} {} holds no usable PEM", path.display())]
    NotPem {
        /// Which flag it belongs to.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The TLS library refused its configuration.
    #[error("cannot set up TLS; install the system's CA certificates or give --ca-cert")]
    Tls(#[source] reqwest::Error),
}

/// What a request carries.
#[derive(Debug, Clone)]
pub enum Body {
    /// Nothing.
    Empty,
    /// A JSON document.
    Json(Vec<u8>),
    /// A form, for long queries.
    Form(Vec<(String, String)>),
    /// Anything else: content type, further headers, bytes.
    Raw(
        &'static str,
        &'static [(&'static str, &'static str)],
        Vec<u8>,
    ),
}

/// One request.
#[derive(Debug, Clone)]
pub struct Call<'e> {
    /// Whom it goes to, with the credentials.
    pub endpoint: &'e Endpoint,
    /// The method.
    pub method: Method,
    /// The whole URL, below the endpoint's base.
    pub url: Url,
    /// The body.
    pub body: Body,
    /// The `Accept` header.
    pub accept: &'static str,
    /// The most that the answer's body may hold, in bytes.
    pub limit: usize,
    /// Whether sending it twice does no harm.
    pub repeatable: bool,
}

impl<'e> Call<'e> {
    /// A GET, which is repeatable.
    #[must_use]
    pub const fn get(endpoint: &'e Endpoint, url: Url, limit: usize) -> Self {
        Self {
            endpoint,
            method: Method::GET,
            url,
            body: Body::Empty,
            accept: "application/json",
            limit,
            repeatable: true,
        }
    }

    /// A POST; `repeatable` says whether sending it twice does no harm.
    #[must_use]
    pub const fn post(
        endpoint: &'e Endpoint,
        url: Url,
        body: Body,
        limit: usize,
        repeatable: bool,
    ) -> Self {
        Self {
            endpoint,
            method: Method::POST,
            url,
            body,
            accept: "application/json",
            limit,
            repeatable,
        }
    }
}

/// A whole answer, whatever its status.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The content type, lower case, without parameters.
    pub content_type: Option<String>,
    /// Where a redirect points, without userinfo and query.
    pub location: Option<String>,
    /// The body, decoded, within the call's limit.
    pub body: Vec<u8>,
    /// How many attempts were made.
    pub attempts: u32,
    /// Whether the server may have acted on an earlier attempt whose answer was lost.
    pub earlier_attempt_lost: bool,
    /// How long the server asked to wait, if it did.
    pub retry_after: Option<Duration>,
}

impl Answer {
    /// Whether the status is 2xx.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(self.status, 200..300)
    }

    /// Whether the status is 3xx.
    #[must_use]
    pub const fn is_redirect(&self) -> bool {
        matches!(self.status, 300..400)
    }

    /// The status and what the body seems to be, for error texts: `HTTP 502 (HTML)`.
    #[must_use]
    pub fn described(&self) -> String {
        let reason = StatusCode::from_u16(self.status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .map(|reason| format!(" {reason}"))
            .unwrap_or_default();
        let mut out = format!("HTTP {}{reason}", self.status);
        if let Some(location) = &self.location {
            out.push_str(&format!(
                ", a redirect to {location}, which is not followed"
            ));
        } else if self.looks_like_html() {
            out.push_str(" with an HTML page: a login page or a proxy?");
        }
        out
    }

    /// The server's own words in a JSON error body, in one line of bounded length.
    #[must_use]
    pub fn detail(&self) -> Option<String> {
        #[derive(serde::Deserialize)]
        struct Detail {
            #[serde(alias = "detail", alias = "message", alias = "reason")]
            error: serde_json::Value,
        }
        let detail: Detail = serde_json::from_slice(&self.body).ok()?;
        let text = match detail.error {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        let line: String = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(200)
            .collect();
        (!line.trim().is_empty()).then(|| line.trim().to_owned())
    }

    /// Whether the body is a web page.
    #[must_use]
    pub fn looks_like_html(&self) -> bool {
        self.content_type.as_deref() == Some("text/html")
            || self.body.trim_ascii_start().starts_with(b"<")
    }
}

/// One pooled client for a whole run. Cloning shares the pool.
#[derive(Debug, Clone)]
pub struct HttpClient {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: HttpOptions,
    authorities: Vec<reqwest::Certificate>,
    identity: Option<reqwest::Identity>,
    // By (https, client certificate, loopback): each serves its own set of origins.
    variants: [OnceLock<reqwest::Client>; 8],
}

impl HttpClient {
    /// A client for these endpoints. Certificate files are read here and nothing is contacted.
    ///
    /// # Errors
    /// [`HttpSetupError`] if a file cannot be used, or an `https` endpoint has no authorities to trust.
    pub fn new<'e>(
        options: HttpOptions,
        endpoints: impl IntoIterator<Item = &'e Endpoint>,
    ) -> Result<Self, HttpSetupError> {
        // An error means that a provider is installed already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let authorities = match &options.tls.ca_cert {
            None => Vec::new(),
            Some(path) => {
                let what = "--ca-cert";
                reqwest::Certificate::from_pem_bundle(&read(what, path)?)
                    .ok()
                    .filter(|certificates| !certificates.is_empty())
                    .ok_or_else(|| HttpSetupError::NotPem {
                        what,
                        path: path.clone(),
                    })?
            }
        };
        let identity = match &options.tls.client_cert {
            None => None,
            Some((certificate, key)) => {
                let mut pem = read("--client-key", key)?;
                pem.push(b'\n');
                pem.extend(read("--client-cert", certificate)?);
                Some(
                    reqwest::Identity::from_pem(&pem).map_err(|_| HttpSetupError::NotPem {
                        what: "--client-cert/--client-key",
                        path: certificate.clone(),
                    })?,
                )
            }
        };
        let client = Self {
            shared: Arc::new(Shared {
                options,
                authorities,
                identity,
                variants: Default::default(),
            }),
        };
        for endpoint in endpoints {
            client.variant(endpoint)?;
        }
        Ok(client)
    }

    /// The timeout of one request.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.shared.options.timeout
    }

    /// When the whole run must be over.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.shared.options.deadline
    }

    fn variant(&self, endpoint: &Endpoint) -> Result<&reqwest::Client, HttpSetupError> {
        let shared = &*self.shared;
        let (https, loopback) = (endpoint.is_https(), endpoint.is_loopback());
        let identity = shared
            .identity
            .as_ref()
            .filter(|_| endpoint.shows_client_certificate());
        let index =
            usize::from(https) | usize::from(identity.is_some()) << 1 | usize::from(loopback) << 2;
        let slot = &shared.variants[index];
        if let Some(client) = slot.get() {
            return Ok(client);
        }
        let base = || {
            let mut builder = reqwest::Client::builder()
                .user_agent(concat!("seamless-ops/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                // Slightly less than the whole, so that it is the connecting that is named.
                .connect_timeout(shared.options.timeout.mul_f64(0.98))
                .pool_max_idle_per_host(shared.options.idle_per_host)
                .tcp_nodelay(true)
                .dns_resolver(Arc::new(Resolver));
            // As Go's tools do: a proxy from the environment is not for this machine's own servers.
            if loopback {
                builder = builder.no_proxy();
            }
            if let Some(identity) = identity {
                builder = builder.identity(identity.clone());
            }
            builder
        };
        let built = if https && shared.authorities.is_empty() {
            base().build()
        } else if https {
            // Without a system store the given authorities alone must do.
            base()
                .tls_certs_merge(shared.authorities.clone())
                .build()
                .or_else(|_| base().tls_certs_only(shared.authorities.clone()).build())
        } else {
            // Loading the system's store takes milliseconds that plain http need not spend.
            base().tls_certs_only([]).build()
        };
        let built = built.map_err(|error| HttpSetupError::Tls(error.without_url()))?;
        Ok(slot.get_or_init(|| built))
    }

    /// Sends a request and reads its whole answer, whatever the status.
    ///
    /// A repeatable call is sent again, up to three times with exponential backoff and jitter, after
    /// a connection that failed or was reset and after 429 (honouring `Retry-After`), 502, 503 and
    /// 504, while the deadline allows. A timeout is not repeated.
    ///
    /// # Errors
    /// [`Failure`] if there is no whole answer.
    pub async fn send(&self, call: &Call<'_>) -> Result<Answer, Failure> {
        let attempts = Cell::new(0);
        let lost = Cell::new(false);
        let once = || async {
            let earlier_attempt_lost = lost.get();
            attempts.set(attempts.get() + 1);
            match self.attempt(call).await {
                Ok(mut answer) => {
                    answer.attempts = attempts.get();
                    answer.earlier_attempt_lost = earlier_attempt_lost;
                    match answer.status {
                        429 | 502 | 503 | 504 => Err(Unsettled::Answer(answer)),
                        _ => Ok(answer),
                    }
                }
                Err(fault) => {
                    lost.set(earlier_attempt_lost || fault.may_have_been_processed());
                    Err(Unsettled::Fault(fault))
                }
            }
        };
        let backoff = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(2))
            .with_max_times(MAX_RETRIES)
            .with_jitter();
        let outcome = once
            .retry(backoff)
            .when(|unsettled| call.repeatable && unsettled.worth_repeating())
            .adjust(|unsettled, delay| {
                let delay = match unsettled {
                    Unsettled::Answer(Answer {
                        retry_after: Some(asked),
                        ..
                    }) => delay.map(|delay| delay.max(*asked)),
                    _ => delay,
                }?;
                let in_time = self.deadline().is_none_or(|at| Instant::now() + delay < at);
                (in_time && delay <= LONGEST_RETRY_AFTER).then_some(delay)
            })
            .await;
        match outcome {
            Ok(answer) | Err(Unsettled::Answer(answer)) => Ok(answer),
            Err(Unsettled::Fault(fault)) => Err(Failure {
                fault,
                attempts: attempts.get(),
                may_have_been_processed: lost.get(),
            }),
        }
    }

    async fn attempt(&self, call: &Call<'_>) -> Result<Answer, Fault> {
        let client = self
            .variant(call.endpoint)
            .map_err(|error| Fault::NotConnected(error.to_string()))?;
        let bound = Bound::new(self.shared.options.timeout, self.deadline());
        let sent = tokio::time::timeout_at(bound.at, request(client, call).send());
        let mut response = match sent.await {
            Err(_) => return Err(bound.passed(Stage::AwaitingAnswer)),
            Ok(Err(error)) if error.is_timeout() => return Err(bound.passed(Stage::Connecting)),
            Ok(Err(error)) => return Err(fault::before_answer(&error)),
            Ok(Ok(response)) => response,
        };
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        let mut body = Vec::new();
        loop {
            match tokio::time::timeout_at(bound.at, response.chunk()).await {
                Err(_) => return Err(bound.passed(Stage::ReadingBody)),
                Ok(Err(_)) => return Err(Fault::Truncated { status }),
                Ok(Ok(None)) => break,
                Ok(Ok(Some(chunk))) => {
                    if body.len() + chunk.len() > call.limit {
                        return Err(Fault::TooLarge {
                            status,
                            limit: call.limit,
                        });
                    }
                    body.extend_from_slice(&chunk);
                }
            }
        }
        Ok(Answer {
            status,
            content_type: header(&headers, &CONTENT_TYPE)
                .and_then(|value| value.split(';').next())
                .map(|value| value.trim().to_ascii_lowercase()),
            location: header(&headers, &LOCATION).map(without_secrets),
            retry_after: retry_after(&headers),
            body,
            attempts: 1,
            earlier_attempt_lost: false,
        })
    }
}

enum Unsettled {
    Answer(Answer),
    Fault(Fault),
}

impl Unsettled {
    const fn worth_repeating(&self) -> bool {
        match self {
            Self::Answer(_) => true,
            Self::Fault(fault) => fault.worth_repeating(),
        }
    }
}

/// When an attempt must be over, and which of the two limits that is.
struct Bound {
    at: Instant,
    timeout: Duration,
    is_deadline: bool,
}

impl Bound {
    fn new(timeout: Duration, deadline: Option<Instant>) -> Self {
        let own = Instant::now() + timeout;
        let is_deadline = deadline.is_some_and(|deadline| deadline < own);
        Self {
            at: deadline.filter(|_| is_deadline).unwrap_or(own),
            timeout,
            is_deadline,
        }
    }

    const fn passed(&self, stage: Stage) -> Fault {
        if self.is_deadline {
            Fault::DeadlinePassed { stage }
        } else {
            Fault::TimedOut {
                after: self.timeout,
                stage,
            }
        }
    }
}

fn request(client: &reqwest::Client, call: &Call<'_>) -> reqwest::RequestBuilder {
    let mut request = client
        .request(call.method.clone(), call.url.clone())
        .header(reqwest::header::ACCEPT, call.accept);
    if let Some((user, password)) = call.endpoint.basic() {
        request = request.basic_auth(user, Some(password.expose_secret()));
    }
    for (name, value) in call.endpoint.headers() {
        request = request.header(name, value);
    }
    match &call.body {
        Body::Empty => request,
        Body::Json(bytes) => request
            .header(CONTENT_TYPE, "application/json")
            .body(bytes.clone()),
        Body::Form(fields) => request.form(fields),
        Body::Raw(content_type, headers, bytes) => {
            let request = request
                .header(CONTENT_TYPE, *content_type)
                .body(bytes.clone());
            headers.iter().fold(request, |request, (name, value)| {
                request.header(*name, *value)
            })
        }
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &reqwest::header::HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Reads `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date taken against the answer's own
/// `Date`, so that this machine's clock plays no part.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = header(headers, &RETRY_AFTER)?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text| {
        jiff::fmt::rfc2822::parse(text)
            .ok()
            .map(|zoned| zoned.timestamp())
    };
    let wait = date(text)?.duration_since(date(header(headers, &DATE)?)?);
    Duration::try_from(wait).ok()
}

fn without_secrets(location: &str) -> String {
    match Url::parse(location) {
        Ok(mut url) => {
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.set_query(None);
            url.set_fragment(None);
            url.to_string()
        }
        Err(_) => location
            .split(['?', '#'])
            .next()
            .unwrap_or_default()
            .to_owned(),
    }
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, HttpSetupError> {
    std::fs::read(path).map_err(|source| HttpSetupError::Unreadable {
        what,
        path: path.to_owned(),
        source,
    })
}

/// Resolves names through the system, with an error that can be told apart by its type.
struct Resolver;

impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            let addresses: Vec<SocketAddr> = found
                .map_err(|error| ResolveError(error.to_string()))?
                .collect();
            Ok(Box::new(addresses.into_iter()) as reqwest::dns::Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_words_are_kept_to_one_line() {
        let answer = |body: String| Answer {
            status: 500,
            content_type: None,
            location: None,
            body: body.into_bytes(),
            attempts: 1,
            earlier_attempt_lost: false,
            retry_after: None,
        };
        let detail = answer(format!(
            r#"{{"detail":"no\n\u001b[31m{}"}}"#,
            "x".repeat(500)
        ))
        .detail()
        .unwrap();
        assert!(
            detail.chars().count() <= 200 && !detail.contains(char::is_control),
            "{detail}"
        );
        assert_eq!(answer("<html>".to_owned()).detail(), None);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_against_the_servers_clock() {
        let headers = |retry: &str, date: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, retry.parse().unwrap());
            headers.insert(DATE, date.parse().unwrap());
            headers
        };
        let now = "Wed, 21 Oct 2015 07:28:00 GMT";
        assert_eq!(
            retry_after(&headers("7", now)),
            Some(Duration::from_secs(7))
        );
        assert_eq!(
            retry_after(&headers("Wed, 21 Oct 2015 07:28:09 GMT", now)),
            Some(Duration::from_secs(9))
        );
        assert_eq!(
            retry_after(&headers("Wed, 21 Oct 2015 07:27:00 GMT", now)),
            None
        );
        assert_eq!(retry_after(&headers("soon", now)), None);
    }
}
