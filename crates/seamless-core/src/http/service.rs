//! A request to a service that gave nothing usable, and what a person can do about it.
//!
//! One error for the coordinator, Prometheus and Alertmanager: what was being done, where, and what came
//! back. Remedies are typed; the terminal layer words them, since only it knows what the options are called.

use super::endpoint::Endpoint;
use super::error::{SendError, TransportError};
use super::message::HttpResponse;
use super::remedy::Remedy;

/// A request to a service that gave nothing usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{doing} at {service} {endpoint}: {source}")]
pub struct ServiceError {
    /// What answers there: `coordinator`, `Prometheus`.
    pub service: &'static str,
    /// The request, by method and path: `GET /api/v1/rules`.
    pub doing: String,
    /// Where, without credentials.
    pub endpoint: String,
    /// What came back.
    pub source: RequestError,
}

/// What came back instead of a usable response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No whole response.
    #[error(transparent)]
    NoResponse(#[from] SendError),
    /// The server understood and refused: a bad query, a timeout of its own.
    #[error("{kind}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The server's word for the kind of error.
        kind: String,
        /// The server's words.
        message: String,
    },
    /// A status that the service does not give here.
    #[error("{described}{}", detail.as_ref().map(|d| format!(": {d}")).unwrap_or_default())]
    Status {
        /// The HTTP status.
        status: u16,
        /// The status in words.
        described: String,
        /// The server's own words, if it gave any.
        detail: Option<String>,
    },
    /// A 2xx whose body is not what the service answers.
    #[error("HTTP {status}, but the body is {found}")]
    Unexpected {
        /// The HTTP status.
        status: u16,
        /// What the body is instead.
        found: String,
    },
    /// A list whose pages have no end.
    #[error("gave up after {pages} pages: a cursor that repeats, or too many entries")]
    EndlessPages {
        /// How many were read.
        pages: usize,
    },
}

impl RequestError {
    /// What a status other than 2xx says.
    #[must_use]
    pub fn status(response: &HttpResponse) -> Self {
        Self::Status {
            status: response.status,
            described: response.described(),
            detail: response.detail(),
        }
    }

    /// A 2xx with a body of another kind. `found` is quoted: it may repeat parts of the body.
    #[must_use]
    pub fn unexpected(response: &HttpResponse, found: &str) -> Self {
        Self::Unexpected {
            status: response.status,
            found: response.quoted(found),
        }
    }

    /// A 2xx with a web page.
    #[must_use]
    pub fn web_page(response: &HttpResponse) -> Self {
        Self::unexpected(response, response.markup())
    }

    /// What a person should do next.
    #[must_use]
    pub const fn remedy(&self) -> Remedy {
        match self {
            Self::NoResponse(error) => error.error.remedy(),
            Self::Refused { .. } => Remedy::CorrectQuery,
            Self::Status { status, .. } => match status {
                401 | 403 => Remedy::CheckCredentials,
                404 | 405 | 501 => Remedy::NotOffered,
                429 => Remedy::LowerRate,
                500.. => Remedy::CheckServerLog,
                _ => Remedy::CheckUrl,
            },
            Self::Unexpected { .. } => Remedy::CheckUrl,
            Self::EndlessPages { .. } => Remedy::ReportToOwners,
        }
    }

    /// Whether the run's own time was over.
    #[must_use]
    pub const fn is_deadline(&self) -> bool {
        matches!(
            self,
            Self::NoResponse(SendError {
                error: TransportError::DeadlinePassed { .. },
                ..
            })
        )
    }

    /// Whether the server answered that it has no such endpoint.
    #[must_use]
    pub const fn is_not_offered(&self) -> bool {
        matches!(
            self,
            Self::Status {
                status: 404 | 405 | 501,
                ..
            } | Self::Refused {
                status: 404 | 405 | 501,
                ..
            }
        )
    }
}

impl ServiceError {
    /// What went wrong at `endpoint`.
    #[must_use]
    pub fn new(endpoint: &Endpoint, doing: &str, error: RequestError) -> Self {
        Self {
            service: endpoint.service(),
            doing: doing.to_owned(),
            endpoint: endpoint.to_string(),
            source: error,
        }
    }

    /// What a person should do next.
    #[must_use]
    pub const fn remedy(&self) -> Remedy {
        self.source.remedy()
    }
}
