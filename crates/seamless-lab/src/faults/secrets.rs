//! Secrets that are nowhere else, and where to look for them.
//!
//! Owns what every program's test of secrets needs: words to give as credentials, a server that repeats
//! all it was sent, a walk over every fault, and the search. How a program takes its credentials is in
//! its own test.

use std::thread;

use super::Reply;
use super::catalogue::{CATALOGUE, Faulty};
use crate::received::Received;

/// A password for a URL's userinfo, whose user is `user`.
pub const PASSWORD: &str = "pw-SECRET-1";
/// A bearer token.
pub const BEARER: &str = "bearer-SECRET-2";
/// The value of a header.
pub const HEADER: &str = "header-SECRET-3";
/// `user:pw-SECRET-1` in Base64, without the padding.
const BASIC: &str = "dXNlcjpwdy1TRUNSRVQtMQ";
/// Faults mostly wait, so more of them run at a time than there are processors.
const AT_A_TIME: usize = 16;

/// The URL with the user and password in it.
#[must_use]
pub fn with_password(url: &str) -> String {
    url.replacen("://", &format!("://user:{PASSWORD}@"), 1)
}

/// No secret is in `text`: neither one of the above nor any word with `SECRET` in it.
///
/// # Panics
/// If one is.
pub fn assert_none(what: &str, text: &str) {
    for secret in ["SECRET", BASIC] {
        assert!(!text.contains(secret), "{what}: {text}");
    }
}

/// An answer that repeats all that was sent, where servers put words of their own.
#[must_use]
pub fn echo(request: &Received, status: u16) -> Reply {
    let words = format!(
        "{:?} {:?} {}",
        request.headers,
        request.query,
        request.text()
    );
    let body = serde_json::json!({ "status": words, "errorType": words, "error": words });
    Reply::status(status)
        .header("Content-Type", "application/json")
        .body(body.to_string())
}

/// Starts a server for every fault that would otherwise repeat what it was sent, and has each tried.
///
/// # Panics
/// If a server cannot be started, or `trial` panics.
pub fn for_each_fault(trial: impl Fn(&str, &Faulty) + Sync) {
    let trial = &trial;
    thread::scope(|scope| {
        for faults in CATALOGUE.chunks(CATALOGUE.len().div_ceil(AT_A_TIME)) {
            scope.spawn(move || {
                for fault in faults {
                    let faulty = fault.start(|request| echo(request, 200));
                    assert!(faulty.is_ok(), "{}: no server", fault.name);
                    if let Ok(faulty) = faulty {
                        trial(fault.name, &faulty);
                    }
                }
            });
        }
    });
}
