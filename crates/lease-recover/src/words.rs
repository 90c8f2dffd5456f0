//! How counts and remedies are said in messages.

use seamless_core::http::{Remedy, RequestError};

/// What a person should do about a request to the coordinator that failed.
pub(crate) fn advice(error: &RequestError) -> String {
    match error.remedy() {
        Remedy::LowerRate => "the coordinator is limiting requests; use --rate".to_owned(),
        other => seamless_cli::remedy_words(other, "coordinator"),
    }
}

/// A count of leases in words.
pub(crate) fn counted(leases: usize) -> String {
    match leases {
        1 => "1 lease".to_owned(),
        more => format!("{more} leases"),
    }
}
