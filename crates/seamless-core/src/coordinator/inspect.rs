//! The inspect endpoint's pages, in each of their shapes.

use serde::{Deserialize, Deserializer};

use crate::http::{Problem, Response};
use crate::lease::{LeaseKey, LeaseSpec, LeaseToken};

/// A lease as the inspect endpoint shows it. Only the key is certain; a token is there for all but
/// plain keys.
#[derive(Debug, Clone, PartialEq)]
pub struct LeaseRecord {
    /// The key.
    pub key: LeaseKey,
    /// The token under which it is held.
    pub token: Option<LeaseToken>,
    /// When it expires, in milliseconds since the epoch.
    pub lease_until_ms: Option<i64>,
    /// When it was claimed, in milliseconds since the epoch.
    pub claimed_at_ms: Option<i64>,
    /// How much of it is done, 0 to 1.
    pub completion_ratio: Option<f64>,
    /// Who holds it.
    pub worker: Option<String>,
}

impl From<LeaseSpec> for LeaseRecord {
    fn from(spec: LeaseSpec) -> Self {
        Self {
            key: spec.key,
            token: spec.token,
            lease_until_ms: None,
            claimed_at_ms: None,
            completion_ratio: None,
            worker: None,
        }
    }
}

impl From<LeaseRecord> for LeaseSpec {
    fn from(record: LeaseRecord) -> Self {
        Self {
            key: record.key,
            token: record.token,
        }
    }
}

/// The coordinator's leases, and how this machine's clock stands to the one that their times follow.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// The leases.
    pub leases: Vec<LeaseRecord>,
    /// How far this machine's clock is ahead of the coordinator's, in milliseconds, as far as its answer
    /// tells (`Date`, RFC 9110 section 6.6.1). 0 within what the answer's way may take.
    pub ahead_ms: i64,
}

/// `Date` is exact to a second, and an answer may have been on its way for some.
const SAME_TIME_MS: u64 = 5000;

impl Inspection {
    /// What the coordinator's clock says now, in milliseconds since the epoch.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        local_ms().saturating_sub(self.ahead_ms)
    }
}

/// How far this machine's clock is ahead of the one that the answer which just came names.
pub(super) fn ahead_ms(answer: &Response) -> i64 {
    let ahead = |date_ms| local_ms().saturating_sub(date_ms);
    answer
        .date_ms
        .map(ahead)
        .filter(|ahead: &i64| ahead.unsigned_abs() > SAME_TIME_MS)
        .unwrap_or(0)
}

fn local_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// One page of leases.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The leases on it.
    pub leases: Vec<LeaseRecord>,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
}

/// Reads a page in any of the three shapes: `{leases, next_cursor}`, a JSON array of `"KEY:TOKEN"` (or
/// of lease objects), plain-text lines of them.
///
/// # Errors
/// [`Problem`] unless the answer is 2xx and a list of leases from its first byte to its last.
pub fn read_page(answer: &Response) -> Result<Page, Problem> {
    #[derive(Deserialize)]
    struct Object {
        leases: Vec<Entry>,
        #[serde(default)]
        next_cursor: Option<Cursor>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Cursor {
        Text(String),
        Number(serde_json::Number),
    }
    if !answer.is_success() {
        return Err(Problem::status(answer));
    }
    if answer.looks_like_html() {
        return Err(Problem::web_page(answer));
    }
    let unreadable = |error: serde_json::Error| {
        let found = if error.is_eof() {
            "JSON that was cut off"
        } else {
            "no list of leases"
        };
        Problem::unexpected(answer, found)
    };
    if answer.body.is_empty() {
        // A list of none has at least brackets, or a line's end. What sends nothing at all may be anybody.
        return Err(Problem::unexpected(answer, "empty, and no list of leases"));
    }
    let body = answer.body.trim_ascii();
    match body.first() {
        Some(b'{') => {
            let object: Object = serde_json::from_slice(body).map_err(unreadable)?;
            let next = object.next_cursor.map(|cursor| match cursor {
                Cursor::Text(text) => text,
                Cursor::Number(number) => number.to_string(),
            });
            Ok(Page {
                leases: object.leases.into_iter().map(|entry| entry.0).collect(),
                next: next.filter(|cursor| !cursor.is_empty()),
            })
        }
        Some(b'[') => {
            let entries: Vec<Entry> = serde_json::from_slice(body).map_err(unreadable)?;
            Ok(Page {
                leases: entries.into_iter().map(|entry| entry.0).collect(),
                next: None,
            })
        }
        _ => {
            let text =
                std::str::from_utf8(body).map_err(|_| Problem::unexpected(answer, "not UTF-8"))?;
            let leases: Result<Vec<LeaseRecord>, Problem> = text
                .lines()
                .filter(|line| !line.trim().is_empty())
                .map(|line| {
                    LeaseSpec::parse(line)
                        .map(LeaseRecord::from)
                        .map_err(|_| Problem::unexpected(answer, "no list of leases"))
                })
                .collect();
            Ok(Page {
                leases: leases?,
                next: None,
            })
        }
    }
}

/// One lease in an answer: an object, or `"KEY:TOKEN"`.
struct Entry(LeaseRecord);

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;

        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Shape {
            Text(String),
            Object {
                key: String,
                #[serde(default)]
                token: Option<String>,
                #[serde(default)]
                lease_until_ms: Option<f64>,
                #[serde(default)]
                claimed_at_ms: Option<f64>,
                #[serde(default)]
                completion_ratio: Option<f64>,
                #[serde(default)]
                worker: Option<String>,
            },
        }
        match Shape::deserialize(deserializer)? {
            Shape::Text(text) => LeaseSpec::parse(&text)
                .map(|spec| Self(spec.into()))
                .map_err(D::Error::custom),
            Shape::Object {
                key,
                token,
                lease_until_ms,
                claimed_at_ms,
                completion_ratio,
                worker,
            } => Ok(Self(LeaseRecord {
                key: LeaseKey::new(key).ok_or_else(|| D::Error::custom("an empty key"))?,
                token: token.and_then(LeaseToken::new),
                lease_until_ms: lease_until_ms.map(|ms| ms as i64),
                claimed_at_ms: claimed_at_ms.map(|ms| ms as i64),
                completion_ratio: completion_ratio.and_then(ratio),
                worker: worker.filter(|worker| !worker.is_empty()),
            })),
        }
    }
}

/// A completion, which lies from 0 to 1; what lies beyond by more than a rounding error says nothing.
fn ratio(reported: f64) -> Option<f64> {
    const ROUNDING: f64 = 1e-6;
    (-ROUNDING..=1.0 + ROUNDING)
        .contains(&reported)
        .then(|| reported.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, content_type: &str, body: &str) -> Response {
        Response::stored(status, content_type, body)
    }

    #[test]
    fn pages_are_read_in_all_three_shapes() {
        let object = r#"{"leases":[{"key":"a:b","token":"t","lease_until_ms":1700000000000.0,"completion_ratio":0.4,"worker":"w"},{"key":"k","token":"u"}],"next_cursor":"n2"}"#;
        let page = read_page(&answer(200, "application/json", object)).unwrap();
        assert_eq!(page.next.as_deref(), Some("n2"));
        assert_eq!(page.leases.len(), 2);
        assert_eq!(page.leases[0].lease_until_ms, Some(1_700_000_000_000));
        let array = read_page(&answer(200, "application/json", r#"["a:b:t","k:u"]"#)).unwrap();
        let text = read_page(&answer(200, "text/plain", "a:b:t\n\nk:u\n")).unwrap();
        assert_eq!(array.leases, text.leases);
        assert_eq!(array.leases[0].key.as_str(), "a:b");
        assert!(
            read_page(&answer(200, "text/plain", "\n"))
                .unwrap()
                .leases
                .is_empty()
        );
    }

    #[test]
    fn a_completion_that_is_none_says_nothing() {
        for (written, read) in [
            ("0.25", Some(0.25)),
            ("1.0000000002", Some(1.0)),
            ("-0.0", Some(0.0)),
            ("1e300", None),
            ("-1", None),
            ("1.5", None),
            ("null", None),
        ] {
            let body = format!(r#"[{{"key":"k","token":"t","completion_ratio":{written}}}]"#);
            let page = read_page(&answer(200, "application/json", &body)).unwrap();
            assert_eq!(page.leases[0].completion_ratio, read, "{written}");
        }
    }

    #[test]
    fn a_page_that_is_no_list_of_leases_is_an_error() {
        for body in [
            "",
            r#"{"leases":[{"key":"a""#,
            r#"{"status":"ok"}"#,
            "[1,2]",
            "<html>",
            "hello",
            r#"[""]"#,
        ] {
            assert!(
                read_page(&answer(200, "application/json", body)).is_err(),
                "{body}"
            );
        }
    }
}
