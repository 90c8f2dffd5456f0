//! The clients against servers that misbehave byte by byte.

#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and cannot get fails it"
)]

mod answers;
mod connection;
mod pool;
mod proxy;
mod retries;
mod services;
mod tls;

use std::time::{Duration, Instant};

use seamless_core::http::{
    Body, Endpoint, HttpClient, HttpOptions, HttpRequest, HttpResponse, SHORT_BODY_LIMIT, SendError,
};

/// The timeout of one request in these tests.
const TIMEOUT: Duration = Duration::from_millis(500);
/// As long as a request may take on a busy machine when its timeout works.
const SOON: Duration = Duration::from_secs(20);

fn endpoint(url: &str) -> Endpoint {
    Endpoint::parse("server", url, "the test").unwrap()
}

fn options() -> HttpOptions {
    HttpOptions {
        timeout: TIMEOUT,
        ..HttpOptions::default()
    }
}

fn client(options: HttpOptions, endpoint: &Endpoint) -> HttpClient {
    HttpClient::new(options, [endpoint]).unwrap()
}

async fn get_with(options: HttpOptions, url: &str) -> Result<HttpResponse, SendError> {
    let endpoint = endpoint(url);
    let call = HttpRequest::get(&endpoint, endpoint.url(&["x"]), SHORT_BODY_LIMIT);
    let started = Instant::now();
    let outcome = client(options, &endpoint).send(&call).await;
    assert!(started.elapsed() < SOON, "it took {:?}", started.elapsed());
    outcome
}

async fn get(url: &str) -> Result<HttpResponse, SendError> {
    get_with(options(), url).await
}

/// A POST that must not be sent twice.
async fn post_once(url: &str) -> Result<HttpResponse, SendError> {
    let endpoint = endpoint(url);
    let body = Body::Json(b"{}".to_vec());
    let call = HttpRequest::post(
        &endpoint,
        endpoint.url(&["x"]),
        body,
        SHORT_BODY_LIMIT,
        false,
    );
    client(options(), &endpoint).send(&call).await
}
