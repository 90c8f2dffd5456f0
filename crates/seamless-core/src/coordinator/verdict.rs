//! What an answer to a release proves.

use std::borrow::Cow;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::http::{HttpResponse, RequestError, SendError, TransportError};

/// What became of one request to fail or complete a lease.
#[derive(Debug, Clone, PartialEq)]
pub struct Release {
    /// The verdict.
    pub verdict: ReleaseVerdict,
    /// How many attempts were made.
    pub attempts: u32,
    /// An earlier attempt may have been acted on, and its answer was lost: an `AlreadyReleased` is then
    /// most likely this run's own doing.
    pub earlier_attempt_lost: bool,
}

/// What an answer proves. Status by status: `docs/reference/lease-outcomes.md`.
#[derive(Debug, Clone, PartialEq)]
pub enum ReleaseVerdict {
    /// The coordinator released it now.
    Released {
        /// The completion it reported, 0 to 1.
        completion_ratio: Option<f64>,
    },
    /// 404: the coordinator holds no such lease.
    AlreadyReleased,
    /// 409: the lease is not held under this token, most often because another worker has claimed it since.
    Conflict {
        /// The status with the server's own words.
        answer: String,
    },
    /// It would be that, had anything at this base URL shown itself to be the coordinator.
    Unproven(Box<Unproven>),
    /// Any other answer, or it could not be sent at all.
    Failed(RequestError),
    /// It was sent, and no usable answer could be had.
    Unknown(RequestError),
}

/// An answer that any server could have given.
#[derive(Debug, Clone, PartialEq)]
pub struct Unproven {
    /// What it means if the coordinator gave it.
    pub meaning: ReleaseVerdict,
    /// The answer, with the server's own words.
    pub answer: RequestError,
}

/// What the answer to a release says, and whether only the coordinator can have given it.
#[must_use]
pub fn read(answer: &HttpResponse) -> (ReleaseVerdict, bool) {
    let unproven = |meaning| {
        let answer = RequestError::status(answer);
        (
            ReleaseVerdict::Unproven(Box::new(Unproven { meaning, answer })),
            false,
        )
    };
    match answer.status {
        // What says that it failed has released nothing, whatever its status.
        200..300 if reports_failure(answer) => {
            (ReleaseVerdict::Failed(RequestError::status(answer)), false)
        }
        200..300 => match (check_success(answer), completion_ratio(answer)) {
            (Ok(()), completion_ratio @ Some(_)) => {
                (ReleaseVerdict::Released { completion_ratio }, true)
            }
            (Ok(()), None) => unproven(ReleaseVerdict::Released {
                completion_ratio: None,
            }),
            (Err(error), _) if is_cut_off(answer) => (ReleaseVerdict::Unknown(error), false),
            (Err(error), _) => (ReleaseVerdict::Failed(error), false),
        },
        // A web server's own error page says nothing about a lease.
        404 | 409 if answer.looks_like_html() => {
            (ReleaseVerdict::Failed(RequestError::status(answer)), false)
        }
        404 => unproven(ReleaseVerdict::AlreadyReleased),
        409 => {
            let words = RequestError::status(answer).to_string();
            (
                ReleaseVerdict::Conflict { answer: words },
                is_json_object(answer),
            )
        }
        _ => (ReleaseVerdict::Failed(RequestError::status(answer)), false),
    }
}

fn completion_ratio(answer: &HttpResponse) -> Option<f64> {
    #[derive(Deserialize)]
    struct ReleasedBody {
        completion_ratio: f64,
    }
    let done: ReleasedBody = serde_json::from_slice(&answer.body).ok()?;
    Some(done.completion_ratio).filter(|ratio| (0.0..=1.0).contains(ratio))
}

/// Whether the body is an object that names another lease than the one that was asked for.
pub(super) fn is_about_another(answer: &HttpResponse, asked: &str) -> bool {
    use serde_json::Value;
    let Ok(members) = serde_json::from_slice::<serde_json::Map<String, Value>>(&answer.body) else {
        return false;
    };
    let lease = members.get("lease").and_then(Value::as_object);
    [Some(&members), lease].into_iter().flatten().any(|object| {
        let named = ["key", "lease_key"]
            .iter()
            .filter_map(|name| object.get(*name));
        named.filter_map(Value::as_str).any(|key| key != asked)
    })
}

/// Whether the body is an object with an `error` or `errors`, with `ok`, `success` or `released` that is
/// false, or with a `status`, `state` or `result` of failure.
fn reports_failure(answer: &HttpResponse) -> bool {
    use serde_json::Value;
    let Ok(members) = serde_json::from_slice::<serde_json::Map<String, Value>>(&answer.body) else {
        return false;
    };
    members
        .iter()
        .any(|(name, value)| match (name.as_str(), value) {
            ("ok" | "success" | "released", value) => *value == Value::Bool(false),
            ("status" | "state" | "result", Value::String(word)) => matches!(
                word.to_ascii_lowercase().as_str(),
                "error" | "failure" | "rejected" | "refused" | "denied"
            ),
            ("error" | "errors", Value::Null | Value::Bool(false)) => false,
            ("error" | "errors", Value::String(words)) => !words.is_empty(),
            ("error" | "errors", Value::Array(errors)) => !errors.is_empty(),
            (name, _) => matches!(name, "error" | "errors"),
        })
}

fn is_json_object(answer: &HttpResponse) -> bool {
    serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&answer.body).is_ok()
}

/// Whether the body is JSON that ends too early.
fn is_cut_off(answer: &HttpResponse) -> bool {
    let body = answer.body.trim_ascii();
    body.starts_with(b"{")
        && serde_json::from_slice::<IgnoredAny>(body).is_err_and(|error| error.is_eof())
}

/// No answer: `Failed` if nothing can have been released, or if a status came that is none of success;
/// `Unknown` if it may have been.
pub(super) fn no_answer(failure: SendError) -> ReleaseVerdict {
    let refused = match failure.error {
        TransportError::Truncated { status } | TransportError::TooLarge { status, .. } => {
            !matches!(status, 200..300)
        }
        TransportError::NotHttp(_) => true,
        _ => false,
    };
    if failure.may_have_been_processed && !refused {
        ReleaseVerdict::Unknown(failure.into())
    } else {
        ReleaseVerdict::Failed(failure.into())
    }
}

/// Whether an answer is 2xx with a JSON or an empty body: the coordinator speaking.
fn check_success(answer: &HttpResponse) -> Result<(), RequestError> {
    if !answer.is_success() {
        return Err(RequestError::status(answer));
    }
    if answer.body.trim_ascii().is_empty() {
        return Ok(());
    }
    if answer.looks_like_html() {
        return Err(RequestError::web_page(answer));
    }
    match serde_json::from_slice::<IgnoredAny>(&answer.body) {
        Ok(_) => Ok(()),
        Err(error) if error.is_eof() => {
            Err(RequestError::unexpected(answer, "JSON that was cut off"))
        }
        Err(_) => Err(RequestError::unexpected(answer, "not JSON")),
    }
}

/// A health endpoint has answered: any 2xx, unless it is half of a JSON document or a page of HTML, which
/// shows that somebody else answers.
pub(super) fn check_health(answer: &HttpResponse) -> Result<(), RequestError> {
    let is_text = !matches!(answer.body.trim_ascii().first(), None | Some(b'{' | b'['));
    if answer.is_success() && is_text && !answer.looks_like_html() {
        return Ok(());
    }
    check_success(answer)
}

/// The `status` or `state` of a health body, in lower case; of several, one that is not good. Only a
/// JSON object reports one.
pub(super) fn reported_state(answer: &HttpResponse) -> Result<Option<String>, RequestError> {
    let body = answer.body.trim_ascii();
    if !body.starts_with(b"{") {
        return Ok(None);
    }
    let members: States = serde_json::from_slice(body)
        .map_err(|_| RequestError::unexpected(answer, "not readable"))?;
    let words: Vec<String> = members
        .0
        .iter()
        .map(|value| match value {
            serde_json::Value::String(word) => answer.quoted(word).to_lowercase(),
            other => answer.quoted(&other.to_string()),
        })
        .collect();
    let bad = words.iter().find(|word| !is_good(word));
    Ok(bad.or(words.first()).cloned())
}

/// Whether a word that a health endpoint reports means that all is well.
pub(super) fn is_good(word: &str) -> bool {
    matches!(word, "ok" | "healthy" | "pass" | "up" | "ready")
}

/// Every `status` and `state` of an object, however often it is there. `null` reports nothing.
struct States(Vec<serde_json::Value>);

impl<'de> Deserialize<'de> for States {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = States;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<States, A::Error> {
                let mut found = Vec::new();
                while let Some(name) = map.next_key::<Cow<'_, str>>()? {
                    if matches!(&*name, "status" | "state") {
                        found.extend(map.next_value::<Option<serde_json::Value>>()?);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(States(found))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, content_type: &str, body: &str) -> HttpResponse {
        HttpResponse::stored(status, content_type, body)
    }

    #[test]
    fn only_the_coordinators_own_success_is_a_release() {
        let json = "application/json";
        for (status, content_type, body, expected, proof) in [
            (200, json, r#"{"completion_ratio":0.25}"#, "Released", true),
            (200, json, r#"{"completion_ratio":7}"#, "Unproven", false),
            (200, json, r#"{"status":"ok"}"#, "Unproven", false),
            (200, json, "", "Unproven", false),
            (204, "", "", "Unproven", false),
            // Web frameworks label an empty body so.
            (204, "text/html", "", "Unproven", false),
            (200, json, "null", "Unproven", false),
            (200, json, r#"{"error":"locked"}"#, "Failed", false),
            (200, json, r#"{"success":false}"#, "Failed", false),
            (
                200,
                json,
                r#"{"released":false,"completion_ratio":0.5}"#,
                "Failed",
                false,
            ),
            (
                200,
                json,
                r#"{"status":"Error","completion_ratio":0}"#,
                "Failed",
                false,
            ),
            (
                200,
                json,
                r#"{"status":"failed","completion_ratio":0}"#,
                "Released",
                true,
            ),
            (
                200,
                json,
                r#"{"completion_ratio":1,"errors":["x"]}"#,
                "Failed",
                false,
            ),
            (
                200,
                json,
                r#"{"completion_ratio":1,"error":null,"errors":[],"ok":true}"#,
                "Released",
                true,
            ),
            (200, "text/html", "<html>login</html>", "Failed", false),
            (200, json, "<!doctype html>", "Failed", false),
            (200, json, r#"{"completion_ratio":0.2"#, "Unknown", false),
            (200, "text/plain", "ok", "Failed", false),
            (302, json, "", "Failed", false),
            (400, json, "{}", "Failed", false),
            (404, "text/html", "<h1>nginx</h1>", "Failed", false),
            (404, json, r#"{"detail":"Not Found"}"#, "Unproven", false),
            (404, "text/plain", "404 page not found", "Unproven", false),
            (409, json, r#"{"error":"held"}"#, "Conflict", true),
            (409, "text/plain", "", "Conflict", false),
            (409, "text/html", "<h1>x</h1>", "Failed", false),
            (500, json, r#"{"error":"boom"}"#, "Failed", false),
        ] {
            let (verdict, is_proof) = read(&answer(status, content_type, body));
            let word = format!("{verdict:?}");
            assert!(word.starts_with(expected), "{status} {body}: {word}");
            assert_eq!(is_proof, proof, "{status} {body}");
        }
    }

    #[test]
    fn an_unproven_answer_keeps_the_servers_words() {
        let (verdict, _) = read(&answer(404, "text/plain", "404 page not found"));
        let ReleaseVerdict::Unproven(unproven) = verdict else {
            panic!("{verdict:?}");
        };
        assert_eq!(unproven.meaning, ReleaseVerdict::AlreadyReleased);
        assert!(unproven.answer.to_string().contains("404 page not found"));
    }

    #[test]
    fn of_several_states_the_bad_one_counts() {
        let state = |body: &str| reported_state(&answer(200, "application/json", body)).unwrap();
        assert_eq!(state(r#"{"status":"OK"}"#).as_deref(), Some("ok"));
        for body in [
            r#"{"status":"down","state":"down"}"#,
            r#"{"status":"ok","state":"down"}"#,
            r#"{"status":"down","status":"ok"}"#,
            r#"{"status":"ok","status":"down"}"#,
        ] {
            assert_eq!(state(body).as_deref(), Some("down"), "{body}");
        }
        for body in [
            "",
            "null",
            "[]",
            r#"["down"]"#,
            r#"{"status":null}"#,
            r#"{"a":{"state":"x"}}"#,
        ] {
            assert_eq!(state(body), None, "{body}");
        }
        let hostile = state(r#"{"state":"\u001b[2Jgone"}"#).unwrap();
        assert!(!hostile.contains(char::is_control), "{hostile:?}");
        let deep = format!(r#"{{"status":{}1{}}}"#, "[".repeat(5000), "]".repeat(5000));
        assert!(reported_state(&answer(200, "application/json", &deep)).is_err());
    }

    #[test]
    fn without_an_answer_it_is_unknown_only_if_it_may_have_been_released() {
        let failure = |error: TransportError| SendError {
            may_have_been_processed: error.may_have_been_processed(),
            error,
            attempts: 1,
        };
        assert!(matches!(
            no_answer(failure(TransportError::Refused)),
            ReleaseVerdict::Failed(_)
        ));
        assert!(matches!(
            no_answer(failure(TransportError::Interrupted)),
            ReleaseVerdict::Unknown(_)
        ));
        assert!(matches!(
            no_answer(failure(TransportError::Truncated { status: 200 })),
            ReleaseVerdict::Unknown(_)
        ));
        assert!(matches!(
            no_answer(failure(TransportError::Truncated { status: 500 })),
            ReleaseVerdict::Failed(_)
        ));
    }
}
