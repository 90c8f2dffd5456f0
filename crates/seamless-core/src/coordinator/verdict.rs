//! What an answer to a release proves.

use std::borrow::Cow;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::http::{Problem, Response, SendError, TransportError};

/// What became of one request to fail or complete a lease.
#[derive(Debug, Clone, PartialEq)]
pub struct Release {
    /// The verdict.
    pub verdict: Verdict,
    /// How many attempts were made.
    pub attempts: u32,
    /// An earlier attempt may have been acted on, and its answer was lost: an `AlreadyReleased` is then
    /// most likely this run's own doing.
    pub earlier_attempt_lost: bool,
}

/// What an answer proves.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The coordinator released it now.
    Released {
        /// The completion it reported, 0 to 1.
        completion_ratio: Option<f64>,
    },
    /// 404: the coordinator holds no such lease.
    AlreadyReleased,
    /// 409: the token is stale, another worker holds the lease now.
    Conflict,
    /// Any other answer, or it could not be sent at all.
    Failed(Problem),
    /// It was sent, and no answer could be had.
    Unknown(Problem),
}

/// What the answer to a release proves.
#[must_use]
pub fn verdict(answer: &Response) -> Verdict {
    #[derive(Deserialize)]
    struct Done {
        completion_ratio: Option<f64>,
    }
    match answer.status {
        200..300 => match check_success(answer) {
            Ok(()) => Verdict::Released {
                completion_ratio: serde_json::from_slice::<Done>(&answer.body)
                    .ok()
                    .and_then(|done| done.completion_ratio),
            },
            Err(problem) => Verdict::Failed(problem),
        },
        // A web server's own error page says nothing about a lease.
        404 | 409 if answer.looks_like_html() => Verdict::Failed(Problem::status(answer)),
        404 => Verdict::AlreadyReleased,
        409 => Verdict::Conflict,
        _ => Verdict::Failed(Problem::status(answer)),
    }
}

/// No answer: `Failed` if nothing can have been released, or if a status came and its body is unusable;
/// `Unknown` if it may have been.
pub(super) fn no_answer(failure: SendError) -> Verdict {
    let answered = matches!(
        failure.error,
        TransportError::Truncated { .. }
            | TransportError::TooLarge { .. }
            | TransportError::NotHttp(_)
    );
    if failure.may_have_been_processed && !answered {
        Verdict::Unknown(failure.into())
    } else {
        Verdict::Failed(failure.into())
    }
}

/// Whether an answer is 2xx with a JSON or an empty body: the coordinator speaking.
pub(super) fn check_success(answer: &Response) -> Result<(), Problem> {
    if !answer.is_success() {
        return Err(Problem::status(answer));
    }
    if answer.body.trim_ascii().is_empty() {
        return Ok(());
    }
    if answer.looks_like_html() {
        return Err(Problem::web_page(answer));
    }
    match serde_json::from_slice::<IgnoredAny>(&answer.body) {
        Ok(_) => Ok(()),
        Err(error) if error.is_eof() => Err(Problem::unexpected(answer, "JSON that was cut off")),
        Err(_) => Err(Problem::unexpected(answer, "not JSON")),
    }
}

/// A health endpoint has answered: any 2xx, unless it is half of a JSON document or a page of HTML, which
/// shows that somebody else answers.
pub(super) fn check_health(answer: &Response) -> Result<(), Problem> {
    let is_text = !matches!(answer.body.trim_ascii().first(), None | Some(b'{' | b'['));
    if answer.is_success() && is_text && !answer.looks_like_html() {
        return Ok(());
    }
    check_success(answer)
}

/// The `status` or `state` of a health body, in lower case; of several, one that is not good. Only a
/// JSON object reports one.
pub(super) fn reported_state(answer: &Response) -> Result<Option<String>, Problem> {
    let body = answer.body.trim_ascii();
    if !body.starts_with(b"{") {
        return Ok(None);
    }
    let members: States =
        serde_json::from_slice(body).map_err(|_| Problem::unexpected(answer, "not readable"))?;
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

    fn answer(status: u16, content_type: &str, body: &str) -> Response {
        Response::stored(status, content_type, body)
    }

    #[test]
    fn only_the_coordinators_own_success_is_a_release() {
        let json = "application/json";
        for (status, content_type, body) in [
            (200, json, r#"{"completion_ratio":0.25}"#),
            (200, json, ""),
            (204, "", ""),
            // Web frameworks label an empty body so.
            (204, "text/html", ""),
            (200, json, "null"),
        ] {
            assert!(matches!(
                verdict(&answer(status, content_type, body)),
                Verdict::Released { .. }
            ));
        }
        for (status, content_type, body) in [
            (200, "text/html", "<html>login</html>"),
            (200, json, "<!doctype html>"),
            (200, json, r#"{"completion_ratio":0.2"#),
            (200, "text/plain", "ok"),
            (302, json, ""),
            (400, json, "{}"),
            (404, "text/html", "<h1>nginx</h1>"),
            (500, json, r#"{"error":"boom"}"#),
        ] {
            let verdict = verdict(&answer(status, content_type, body));
            assert!(
                matches!(verdict, Verdict::Failed(_)),
                "{status} {body}: {verdict:?}"
            );
        }
        assert_eq!(verdict(&answer(404, json, "{}")), Verdict::AlreadyReleased);
        assert_eq!(verdict(&answer(409, json, "{}")), Verdict::Conflict);
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
            Verdict::Failed(_)
        ));
        assert!(matches!(
            no_answer(failure(TransportError::Interrupted)),
            Verdict::Unknown(_)
        ));
        assert!(matches!(
            no_answer(failure(TransportError::Truncated { status: 200 })),
            Verdict::Failed(_)
        ));
    }
}
