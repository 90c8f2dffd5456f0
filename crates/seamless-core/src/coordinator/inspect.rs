//! The inspect endpoint's pages, in each of their shapes.

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use crate::http::{HttpResponse, RequestError};
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
    /// The places, from 1, of entries of the list that are no leases: a list with such is not whole.
    pub malformed: Vec<usize>,
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

/// How far this machine's clock is ahead of one that said `date_ms` at some time between `asked_ms` and
/// now, both by this machine's clock.
pub(super) fn ahead_ms(date_ms: Option<i64>, asked_ms: i64) -> i64 {
    date_ms.map_or(0, |date_ms| ahead_between(date_ms, asked_ms, local_ms()))
}

fn ahead_between(date_ms: i64, asked_ms: i64, answered_ms: i64) -> i64 {
    let ahead = asked_ms.saturating_sub(date_ms).max(0);
    let behind = date_ms.saturating_sub(answered_ms).max(0);
    let ahead = ahead.saturating_sub(behind);
    if ahead.unsigned_abs() > SAME_TIME_MS {
        ahead
    } else {
        0
    }
}

pub(super) fn local_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// One page of leases.
#[derive(Debug, Clone, PartialEq)]
pub struct LeasePage {
    /// The leases on it.
    pub leases: Vec<LeaseRecord>,
    /// The places, from 1, of entries that are no leases.
    pub malformed: Vec<usize>,
    /// Whether only the coordinator can have sent it: an object with `leases`, or a canonical key.
    pub is_proof: bool,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
}

/// Reads a page in any of the three shapes: `{leases, next_cursor}`, a JSON array of `"KEY:TOKEN"` (or
/// of lease objects), plain-text lines of them.
///
/// # Errors
/// [`RequestError`] unless the answer is 2xx and a list of leases from its first byte to its last.
pub fn read_page(answer: &HttpResponse) -> Result<LeasePage, RequestError> {
    #[derive(Deserialize)]
    struct PageObject {
        leases: Vec<ListEntry>,
        #[serde(default)]
        next_cursor: Option<NextCursor>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum NextCursor {
        Text(String),
        Number(serde_json::Number),
    }
    if !answer.is_success() {
        return Err(RequestError::status(answer));
    }
    if answer.looks_like_html() {
        return Err(RequestError::web_page(answer));
    }
    let unreadable = |error: serde_json::Error| {
        let found = if error.is_eof() {
            "JSON that was cut off"
        } else {
            "no list of leases"
        };
        RequestError::unexpected(answer, found)
    };
    if answer.body.is_empty() {
        // A list of none has at least brackets, or a line's end. What sends nothing at all may be anybody.
        return Err(RequestError::unexpected(
            answer,
            "empty, and no list of leases",
        ));
    }
    let body = answer.body.trim_ascii();
    match body.first() {
        Some(b'{') => {
            let object: PageObject = serde_json::from_slice(body).map_err(unreadable)?;
            let next = object.next_cursor.map(|cursor| match cursor {
                NextCursor::Text(text) => text,
                NextCursor::Number(number) => number.to_string(),
            });
            Ok(LeasePage {
                is_proof: true,
                ..LeasePage::of(object.leases, next.filter(|cursor| !cursor.is_empty()))
            })
        }
        Some(b'[') => {
            let entries: Vec<ListEntry> = serde_json::from_slice(body).map_err(unreadable)?;
            let page = LeasePage::of(entries, None);
            if page.leases.is_empty() && !page.malformed.is_empty() {
                return Err(RequestError::unexpected(answer, "no list of leases"));
            }
            Ok(page)
        }
        _ => {
            let text = std::str::from_utf8(body)
                .map_err(|_| RequestError::unexpected(answer, "not UTF-8"))?;
            let lines = text.lines().filter(|line| !line.trim().is_empty());
            let page = LeasePage::of(lines.map(ListEntry::of_text).collect(), None);
            // Any text has lines: only a canonical key shows that these are leases.
            if !body.is_empty() && (!page.is_proof || !page.malformed.is_empty()) {
                return Err(RequestError::unexpected(answer, "no list of leases"));
            }
            Ok(page)
        }
    }
}

impl LeasePage {
    fn of(entries: Vec<ListEntry>, next: Option<String>) -> Self {
        let (mut leases, mut malformed) = (Vec::new(), Vec::new());
        for (index, entry) in entries.into_iter().enumerate() {
            match entry {
                ListEntry::Lease(lease) => leases.push(lease),
                ListEntry::Malformed => malformed.push(index + 1),
            }
        }
        Self {
            is_proof: leases.iter().any(|lease| lease.key.canonical().is_some()),
            leases,
            malformed,
            next,
        }
    }
}

/// One entry of a list: an object or `"KEY:TOKEN"`, or what is neither.
enum ListEntry {
    Lease(LeaseRecord),
    Malformed,
}

impl ListEntry {
    fn of_text(text: &str) -> Self {
        match LeaseSpec::listed(text) {
            Ok(spec) if text.contains(':') => Self::Lease(spec.into()),
            _ => Self::Malformed,
        }
    }
}

impl<'de> Deserialize<'de> for ListEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
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
            Other(IgnoredAny),
        }
        Ok(match Shape::deserialize(deserializer)? {
            Shape::Text(text) => Self::of_text(&text),
            Shape::Other(_) => Self::Malformed,
            Shape::Object {
                key,
                token,
                lease_until_ms,
                claimed_at_ms,
                completion_ratio,
                worker,
            } => match LeaseKey::new(key) {
                None => Self::Malformed,
                Some(key) => Self::Lease(LeaseRecord {
                    key,
                    token: token.and_then(LeaseToken::new),
                    lease_until_ms: lease_until_ms.map(|ms| ms as i64),
                    claimed_at_ms: claimed_at_ms.map(|ms| ms as i64),
                    completion_ratio: completion_ratio.and_then(ratio),
                    worker: worker.filter(|worker| !worker.is_empty()),
                }),
            },
        })
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

    fn answer(status: u16, content_type: &str, body: &str) -> HttpResponse {
        HttpResponse::stored(status, content_type, body)
    }

    #[test]
    fn pages_are_read_in_all_three_shapes() {
        let object = r#"{"leases":[{"key":"a:b","token":"t","lease_until_ms":1700000000000.0,"completion_ratio":0.4,"worker":"w"},{"key":"k","token":"u"}],"next_cursor":"n2"}"#;
        let page = read_page(&answer(200, "application/json", object)).unwrap();
        assert_eq!(page.next.as_deref(), Some("n2"));
        assert_eq!(page.leases.len(), 2);
        assert_eq!(page.leases[0].lease_until_ms, Some(1_700_000_000_000));
        let array = r#"["n:60:1700:1760:w::t","k:u"]"#;
        let array = read_page(&answer(200, "application/json", array)).unwrap();
        let text = read_page(&answer(200, "text/plain", "n:60:1700:1760:w::t\n\nk:u\n")).unwrap();
        assert_eq!(array.leases, text.leases);
        assert!(array.is_proof && text.is_proof && page.is_proof);
        assert_eq!(array.leases[0].key.as_str(), "n:60:1700:1760:w:");
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
    fn an_entry_that_is_no_lease_is_named_and_the_others_are_read() {
        let body = r#"{"leases":[{"key":"a","token":"t"},{"token":"t"},7,{"key":"b"}]}"#;
        let page = read_page(&answer(200, "application/json", body)).unwrap();
        assert_eq!(page.leases.len(), 2);
        assert_eq!(page.malformed, [2, 3]);
    }

    #[test]
    fn a_list_that_any_server_may_send_is_no_proof() {
        for (body, proof) in [
            (r#"{"leases":[]}"#, true),
            ("[]", false),
            (r#"["a:b"]"#, false),
            (r#"[{"key":"a"}]"#, false),
            (r#"["n:60:1700:1760:w::t"]"#, true),
        ] {
            let page = read_page(&answer(200, "application/json", body)).unwrap();
            assert_eq!(page.is_proof, proof, "{body}");
        }
    }

    #[test]
    fn a_clock_is_off_only_by_what_the_way_of_the_answer_cannot_explain() {
        const S: i64 = 1000;
        for (date, asked, answered, ahead) in [
            (100 * S, 100 * S, 120 * S, 0),
            (119 * S, 100 * S, 120 * S, 0),
            (96 * S, 100 * S, 120 * S, 0),
            (90 * S, 100 * S, 120 * S, 10 * S),
            (130 * S, 100 * S, 120 * S, -10 * S),
        ] {
            assert_eq!(ahead_between(date, asked, answered), ahead, "{date}");
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
            "status: ok",
            r#"[""]"#,
        ] {
            assert!(
                read_page(&answer(200, "application/json", body)).is_err(),
                "{body}"
            );
        }
    }
}
