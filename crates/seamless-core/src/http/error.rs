//! What can go wrong between a request and its whole response.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use super::remedy::Remedy;
use crate::bounds;

/// How far a request had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestStage {
    /// Resolving the name, opening the connection, the TLS handshake.
    Connecting,
    /// The request is out; no status line yet.
    AwaitingResponse,
    /// The status line is in; the body is not whole.
    ReadingBody,
}

impl fmt::Display for RequestStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connecting => "connecting",
            Self::AwaitingResponse => "waiting for the answer",
            Self::ReadingBody => "reading the body",
        })
    }
}

/// Why there is no whole answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The host's name has no address.
    #[error("the name does not resolve ({0})")]
    NameNotResolved(String),
    /// Nothing listens there.
    #[error("connection refused")]
    Refused,
    /// The TLS handshake failed.
    #[error("TLS: {0}")]
    Tls(String),
    /// Any other failure to connect.
    #[error("cannot connect: {0}")]
    NotConnected(String),
    /// The connection ended while the answer was awaited.
    #[error("the connection was closed before an answer came")]
    Interrupted,
    /// The body ended before its announced end, or could not be decoded.
    #[error("the answer (HTTP {status}) was cut off")]
    Truncated {
        /// The status that had arrived.
        status: u16,
    },
    /// What came back is not HTTP.
    #[error("the answer is not HTTP: {0}")]
    NotHttp(String),
    /// The timeout of one request passed.
    #[error("no answer within {} ({stage})", crate::duration::format(*.after))]
    TimedOut {
        /// The timeout.
        after: Duration,
        /// How far it had come.
        stage: RequestStage,
    },
    /// The deadline of the whole run passed.
    #[error("the run's deadline passed ({stage})")]
    DeadlinePassed {
        /// How far it had come.
        stage: RequestStage,
    },
    /// The body is larger than it may be.
    #[error("the answer (HTTP {status}) is larger than {limit} bytes")]
    TooLarge {
        /// The status that had arrived.
        status: u16,
        /// The bound, in bytes.
        limit: usize,
    },
}

impl TransportError {
    /// Whether the server may have acted on the request.
    #[must_use]
    pub const fn may_have_been_processed(&self) -> bool {
        match self {
            Self::NameNotResolved(_) | Self::Refused | Self::Tls(_) | Self::NotConnected(_) => {
                false
            }
            Self::TimedOut { stage, .. } | Self::DeadlinePassed { stage } => {
                !matches!(stage, RequestStage::Connecting)
            }
            Self::Interrupted
            | Self::Truncated { .. }
            | Self::NotHttp(_)
            | Self::TooLarge { .. } => true,
        }
    }

    /// Whether sending the same request again may help.
    pub(super) const fn worth_repeating(&self) -> bool {
        matches!(
            self,
            Self::Refused | Self::NotConnected(_) | Self::Interrupted
        )
    }

    /// What a person should do next.
    #[must_use]
    pub const fn remedy(&self) -> Remedy {
        match self {
            Self::NameNotResolved(_) => Remedy::CheckHostName,
            Self::Refused => Remedy::CheckPort,
            Self::Tls(_) => Remedy::TrustAuthority,
            Self::NotConnected(_) => Remedy::CheckNetwork,
            Self::Interrupted => Remedy::CheckServerLog,
            Self::Truncated { .. } | Self::NotHttp(_) | Self::TooLarge { .. } => Remedy::CheckUrl,
            Self::TimedOut { .. } => Remedy::RaiseTimeout,
            Self::DeadlinePassed { .. } => Remedy::RaiseDeadline,
        }
    }
}

/// A request that got no whole answer, with what its attempts came to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct SendError {
    /// The last attempt's error.
    #[source]
    pub error: TransportError,
    /// How many attempts were made.
    pub attempts: u32,
    /// Whether the server may have acted on any of them.
    pub may_have_been_processed: bool,
}

/// The error that the client's own name resolver gives, so that it can be told apart by type.
#[derive(Debug)]
pub(super) struct ResolveError(pub(super) String);

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for ResolveError {}

fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// Finds a `T` among an error's causes, inside `io::Error`s too (whose `source` skips their payload).
fn find<'e, T: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e T> {
    chain(error).find_map(|cause| {
        cause.downcast_ref::<T>().or_else(|| {
            let payload = cause.downcast_ref::<io::Error>()?.get_ref()?;
            let payload: &(dyn Error + 'static) = payload;
            find(payload)
        })
    })
}

/// What is behind an error that `reqwest` gave before the status line was in.
pub(super) fn before_response(error: &reqwest::Error) -> TransportError {
    if let Some(resolve) = find::<ResolveError>(error) {
        return TransportError::NameNotResolved(resolve.0.clone());
    }
    if let Some(tls) = find::<rustls::Error>(error) {
        // With TLS 1.3 a server refuses the client's certificate after the handshake seems done. Any
        // other failure of an open connection says nothing of what became of the request.
        return if error.is_connect() || refuses_certificate(tls) {
            TransportError::Tls(bounds::shortened(&tls.to_string()))
        } else {
            TransportError::Interrupted
        };
    }
    let io = find::<io::Error>(error);
    if error.is_connect() {
        return match io {
            Some(io) if io.kind() == io::ErrorKind::ConnectionRefused => TransportError::Refused,
            Some(io) => TransportError::NotConnected(io.to_string()),
            None => TransportError::NotConnected(innermost(error)),
        };
    }
    if io.is_some() {
        return TransportError::Interrupted;
    }
    match find::<hyper::Error>(error) {
        Some(hyper) if hyper.is_parse() => TransportError::NotHttp(hyper.to_string()),
        Some(_) => TransportError::Interrupted,
        None => TransportError::NotHttp(innermost(error)),
    }
}

fn refuses_certificate(error: &rustls::Error) -> bool {
    use rustls::AlertDescription::{
        AccessDenied, BadCertificate, CertificateExpired, CertificateRequired, CertificateRevoked,
        CertificateUnknown, UnknownCA, UnsupportedCertificate,
    };
    matches!(
        error,
        rustls::Error::AlertReceived(
            AccessDenied
                | BadCertificate
                | CertificateExpired
                | CertificateRequired
                | CertificateRevoked
                | CertificateUnknown
                | UnknownCA
                | UnsupportedCertificate
        )
    )
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    chain(error)
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}
