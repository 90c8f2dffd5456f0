//! Why something could not be fetched. Owns what that means for a check that needs it.

use seamless_core::config::Service;
use seamless_core::http::{Remedy, RequestError, SendError, ServiceError, TransportError};
use seamless_core::prometheus::is_not_offered;

use crate::verdict::{CheckOutcome, SkipReason, Verdict};

/// Why a fact is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Gap {
    /// Nobody asked for it, or there is no endpoint to ask.
    NotConfigured(String),
    /// The server does not offer it.
    NotOffered(String),
    /// Asking failed.
    Failed { message: String, hint: String },
    /// The run's time was over before an answer came.
    OutOfTime(String),
}

impl Gap {
    pub(crate) fn not_configured(reason: &str) -> Self {
        Self::NotConfigured(reason.to_owned())
    }

    /// What a check comes to that needs the missing fact.
    pub(crate) fn outcome(&self) -> CheckOutcome {
        match self {
            Self::NotConfigured(reason) => CheckOutcome::not_applicable(reason.clone()),
            Self::NotOffered(reason) => {
                CheckOutcome::new(Verdict::Skip(SkipReason::NotOffered(reason.clone())), "")
            }
            Self::Failed { message, hint } => {
                CheckOutcome::fail(message.clone()).hint(hint.clone())
            }
            Self::OutOfTime(reason) => {
                CheckOutcome::new(Verdict::Skip(SkipReason::OutOfTime(reason.clone())), "")
            }
        }
    }

    pub(crate) fn failed(failure: Option<&SendError>, message: String, hint: &str) -> Self {
        match failure.map(|failure| &failure.error) {
            Some(TransportError::DeadlinePassed { .. }) => Self::OutOfTime(message),
            _ => Self::Failed {
                message,
                hint: hint.to_owned(),
            },
        }
    }
}

impl From<ServiceError> for Gap {
    fn from(error: ServiceError) -> Self {
        if is_not_offered(&error) {
            return Self::NotOffered(format!("not offered by this server ({error})"));
        }
        let failure = match &error.source {
            RequestError::NoResponse(failure) => Some(failure),
            _ => None,
        };
        let hint = match error.remedy() {
            Remedy::CheckCredentials if error.service != Service::Prometheus.name() => {
                // Without a prefix, credentials are Prometheus's.
                let prefix = error.service.to_ascii_lowercase();
                format!(
                    "check --bearer-token-file {prefix}=FILE, --header '{prefix}=NAME: VALUE' or the URL's credentials"
                )
            }
            other => seamless_cli::remedy_words(other, error.service),
        };
        Self::failed(failure, error.to_string(), &hint)
    }
}

/// A fact, or why it is missing.
pub(crate) type Fact<T> = Result<T, Gap>;
