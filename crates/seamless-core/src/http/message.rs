//! A request to send, and the whole answer to it.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::endpoint::Endpoint;
use super::streaming::BodyReader;

/// What a request carries.
#[derive(Debug, Clone)]
pub enum Body {
    /// Nothing.
    Empty,
    /// A JSON document.
    Json(Vec<u8>),
    /// A form, for long queries.
    Form(Vec<(String, String)>),
    /// Anything else: content type, further headers, bytes.
    Raw(
        &'static str,
        &'static [(&'static str, &'static str)],
        Vec<u8>,
    ),
}

impl Body {
    /// Whether the client can detect that the body started to be sent. Where it cannot, the request
    /// counts as sent.
    pub(super) const fn is_tracked(&self) -> bool {
        matches!(self, Self::Json(_) | Self::Raw(..))
    }
}

/// One request.
#[derive(Debug, Clone)]
pub struct HttpRequest<'e> {
    /// Whom it goes to, with the credentials.
    pub endpoint: &'e Endpoint,
    /// The method.
    pub method: Method,
    /// The whole URL, below the endpoint's base.
    pub url: Url,
    /// The body.
    pub body: Body,
    /// The `Accept` header.
    pub accept: &'static str,
    /// The most that the answer's body may hold, in bytes.
    pub limit: usize,
    /// Whether sending it twice does no harm.
    pub repeatable: bool,
    /// Who reads the body of a 2xx answer as it arrives. Of such a body only the beginning is kept.
    pub reader: Option<BodyReader>,
}

impl<'e> HttpRequest<'e> {
    /// A GET, which is repeatable.
    #[must_use]
    pub const fn get(endpoint: &'e Endpoint, url: Url, limit: usize) -> Self {
        Self {
            endpoint,
            method: Method::GET,
            url,
            body: Body::Empty,
            accept: "application/json",
            limit,
            repeatable: true,
            reader: None,
        }
    }

    /// A POST; `repeatable` says whether sending it twice does no harm.
    #[must_use]
    pub const fn post(
        endpoint: &'e Endpoint,
        url: Url,
        body: Body,
        limit: usize,
        repeatable: bool,
    ) -> Self {
        Self {
            endpoint,
            method: Method::POST,
            url,
            body,
            accept: "application/json",
            limit,
            repeatable,
            reader: None,
        }
    }
}

/// A whole answer, whatever its status.
#[derive(Debug, Clone)]
pub struct HttpResponse {
    /// The HTTP status.
    pub status: u16,
    /// The content type, lower case, without parameters.
    pub content_type: Option<String>,
    /// The header `Content-Type` as it came.
    pub content_type_header: Option<String>,
    /// Where a redirect points, without userinfo and query.
    pub location: Option<String>,
    /// The body, decoded, within the call's limit.
    pub body: Vec<u8>,
    /// How many attempts were made.
    pub attempts: u32,
    /// Whether the server may have acted on an earlier attempt whose answer was lost.
    pub earlier_attempt_lost: bool,
    /// How long the server asked to wait, if it did.
    pub retry_after: Option<Duration>,
    /// What time it was there (`Date`), in milliseconds since the epoch, exact to a second.
    pub date_ms: Option<i64>,
    secrets: Vec<SecretString>,
}

/// As much of a token as logs may hold.
const SHOWN_OF_A_SECRET: usize = 4;
/// The most characters of a server's own words that are quoted.
const LONGEST_QUOTE: usize = 200;

impl HttpResponse {
    /// An answer that was not had over this client: kept from elsewhere, or made up for a test.
    #[must_use]
    pub fn stored(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            content_type: Some(content_type.to_owned()).filter(|kind| !kind.is_empty()),
            content_type_header: None,
            location: None,
            body: body.into(),
            attempts: 1,
            earlier_attempt_lost: false,
            retry_after: None,
            date_ms: None,
            secrets: Vec::new(),
        }
    }

    /// The first attempt's answer, as its head and body tell it.
    pub(super) fn of(status: u16, headers: &HeaderMap, body: Vec<u8>) -> Self {
        Self {
            status,
            content_type_header: header(headers, &CONTENT_TYPE).map(str::to_owned),
            content_type: header(headers, &CONTENT_TYPE)
                .and_then(|value| value.split(';').next())
                .map(|value| value.trim().to_ascii_lowercase()),
            location: header(headers, &LOCATION).map(without_secrets),
            retry_after: retry_after(headers),
            date_ms: header(headers, &DATE)
                .and_then(date)
                .map(jiff::Timestamp::as_millisecond),
            body,
            attempts: 1,
            earlier_attempt_lost: false,
            secrets: Vec::new(),
        }
    }

    /// Keeps `secret`, which the request carried, out of everything that is quoted from the answer:
    /// servers repeat in their error texts what they were sent.
    pub fn hide(&mut self, secret: &str) {
        // Shorter ones are no secrets, and replacing them would garble the text.
        if secret.chars().count() > SHOWN_OF_A_SECRET {
            self.secrets.push(SecretString::from(secret.to_owned()));
        }
    }

    /// A server's words as they may be shown: one line without control characters, of bounded length,
    /// in which what the request carried as a secret is replaced.
    #[must_use]
    pub fn quoted(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            let secret = secret.expose_secret();
            if !secret.is_empty() && text.contains(secret) {
                text = text.replace(secret, "[redacted]");
            }
        }
        let line: String = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(LONGEST_QUOTE)
            .collect();
        line.trim().to_owned()
    }

    /// Whether the status is 2xx.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(self.status, 200..300)
    }

    /// The status and what the body seems to be, for error texts: `HTTP 502 (HTML)`.
    #[must_use]
    pub fn described(&self) -> String {
        let reason = StatusCode::from_u16(self.status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .map(|reason| format!(" {reason}"))
            .unwrap_or_default();
        let mut out = format!("HTTP {}{reason}", self.status);
        if let Some(location) = &self.location {
            out.push_str(&format!(
                ", a redirect to {}, which is not followed",
                self.quoted(location)
            ));
        } else if self.looks_like_html() {
            out.push_str(&format!(" with {}", self.markup()));
        }
        out
    }

    /// The server's own words, as they may be shown: of a JSON error body what it says, of other JSON and of
    /// a plain text the beginning.
    #[must_use]
    pub fn detail(&self) -> Option<String> {
        // A map, not a struct: a body may hold several of these members.
        let body: serde_json::Map<String, serde_json::Value> =
            match serde_json::from_slice(&self.body) {
                Ok(body) => body,
                Err(_) => return self.plain_text(),
            };
        let said = ["error", "detail", "message", "reason", "errors"]
            .iter()
            .filter_map(|member| body.get(*member))
            .map(|words| match words {
                serde_json::Value::String(text) => self.quoted(text),
                other => self.quoted(&other.to_string()),
            })
            .find(|words| !matches!(&**words, "" | "null" | "[]" | "{}"));
        said.or_else(|| self.beginning().filter(|_| !body.is_empty()))
    }

    fn plain_text(&self) -> Option<String> {
        if self.looks_like_html() || self.body.starts_with(b"{") {
            return None;
        }
        self.beginning()
    }

    fn beginning(&self) -> Option<String> {
        let text = str::from_utf8(&self.body).ok()?;
        Some(self.quoted(text)).filter(|text| !text.is_empty())
    }

    /// What a page of markup is called, and who may have sent it.
    #[must_use]
    pub fn markup(&self) -> &'static str {
        match self.body.trim_ascii().starts_with(b"<?xml") {
            true => "an XML document: an object store or a proxy?",
            false => "an HTML page: a login page or a proxy?",
        }
    }

    /// Whether the body is a web page, or XML. An empty body is none: frameworks label it `text/html`, too.
    #[must_use]
    pub fn looks_like_html(&self) -> bool {
        let body = self.body.trim_ascii();
        let labelled = self.content_type.as_deref() == Some("text/html") && !body.is_empty();
        labelled || body.starts_with(b"<")
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &reqwest::header::HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Reads `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date taken against the answer's own
/// `Date`, so that this machine's clock plays no part.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = header(headers, &RETRY_AFTER)?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let wait = date(text)?.duration_since(date(header(headers, &DATE)?)?);
    Duration::try_from(wait).ok()
}

fn date(text: &str) -> Option<jiff::Timestamp> {
    let zoned = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(zoned.timestamp())
}

fn without_secrets(location: &str) -> String {
    match Url::parse(location) {
        Ok(mut url) => {
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.set_query(None);
            url.set_fragment(None);
            url.to_string()
        }
        Err(_) => {
            let path = location.split(['?', '#']).next().unwrap_or_default();
            // `//user:password@host/path` is relative, and may hold as much as an absolute one.
            path.rsplit('@').next().unwrap_or_default().to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_words_are_kept_to_one_line() {
        let answer = |body: String| HttpResponse::stored(500, "", body);
        let detail = answer(format!(
            r#"{{"detail":"no\n\u001b[31m{}"}}"#,
            "x".repeat(500)
        ))
        .detail()
        .unwrap();
        assert!(
            detail.chars().count() <= 200 && !detail.contains(char::is_control),
            "{detail}"
        );
        assert_eq!(answer("<html>".to_owned()).detail(), None);
    }

    #[test]
    fn the_words_are_found_among_several_members() {
        let detail = |body: &str| HttpResponse::stored(500, "", body).detail();
        let both = r#"{"message":"the cause","error":"Internal Server Error"}"#;
        assert_eq!(detail(both).as_deref(), Some("Internal Server Error"));
        assert_eq!(
            detail(r#"{"error":"","reason":"full"}"#).as_deref(),
            Some("full")
        );
    }

    #[test]
    fn what_was_sent_as_a_secret_is_not_quoted_back() {
        let mut answer =
            HttpResponse::stored(409, "", r#"{"error":"token deadbeefcafe is stale"}"#);
        answer.hide("deadbeefcafe");
        assert_eq!(answer.detail().unwrap(), "token [redacted] is stale");
        answer.location = Some("https://login/deadbeefcafe".to_owned());
        assert!(!answer.described().contains("beefcafe"));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_against_the_servers_clock() {
        let headers = |retry: &str, date: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, retry.parse().unwrap());
            headers.insert(DATE, date.parse().unwrap());
            headers
        };
        let now = "Wed, 21 Oct 2015 07:28:00 GMT";
        assert_eq!(
            retry_after(&headers("7", now)),
            Some(Duration::from_secs(7))
        );
        assert_eq!(
            retry_after(&headers("Wed, 21 Oct 2015 07:28:09 GMT", now)),
            Some(Duration::from_secs(9))
        );
        assert_eq!(
            retry_after(&headers("Wed, 21 Oct 2015 07:27:00 GMT", now)),
            None
        );
        assert_eq!(retry_after(&headers("soon", now)), None);
    }
}
