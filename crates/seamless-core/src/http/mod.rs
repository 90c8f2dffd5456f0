//! One pooled HTTP client: endpoints, authentication, timeouts, retries, body bounds.
//!
//! Owns how a request is sent and what became of it ([`HttpResponse`] or [`SendError`], for a service [`ServiceError`]). It follows no
//! redirect, retries only what the caller declares repeatable, and never reads past a bound. It does
//! not know what the bodies mean.

mod client;
mod endpoint;
mod error;
mod message;
mod rate_limiter;
mod remedy;
mod service;
mod setup;
mod streaming;
mod tracked_body;

pub use client::{Attempt, HttpClient};
pub use endpoint::{Endpoint, EndpointError};
pub use error::{RequestStage, SendError, TransportError};
pub use message::{Body, HttpRequest, HttpResponse};
pub use rate_limiter::RateLimiter;
pub use remedy::Remedy;
pub use service::{RequestError, ServiceError};
pub use setup::{HttpOptions, HttpSetupError, TlsFile, TlsFiles};
pub use streaming::BodyReader;

/// The most that an answer to a query may hold: 64 MiB.
pub const QUERY_BODY_LIMIT: usize = 64 * 1024 * 1024;
/// The most that a short answer (health, one lease) may hold: 1 MiB.
pub const SHORT_BODY_LIMIT: usize = 1024 * 1024;
