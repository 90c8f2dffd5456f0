//! How counts and remedies are said in messages.

use seamless_core::http::{Problem, Remedy};

/// What a person should do about a problem with the coordinator.
pub(crate) fn advice(problem: &Problem) -> String {
    match problem.remedy() {
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
