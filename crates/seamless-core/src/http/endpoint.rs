//! A URL with the credentials that belong to it.

use std::fmt;

use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use secrecy::SecretString;
use url::Url;

/// Why a text is no endpoint. The text itself is shown without its userinfo.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not an absolute `http` or `https` URL with a host.
    #[error(
        "{origin}: {shown:?} is not an absolute http(s) URL ({reason}); write it like {example}"
    )]
    NotAbsolute {
        /// Where the text came from: a flag, a variable, a file and key.
        origin: String,
        /// The text, credentials removed.
        shown: String,
        /// What is wrong.
        reason: String,
        /// A URL that would do.
        example: &'static str,
    },
    /// A base URL with a query, or any URL with a fragment: paths cannot be added to it.
    #[error("{origin}: {shown:?} has a query or fragment; give only the base URL")]
    NotABase {
        /// Where the text came from.
        origin: String,
        /// The text, credentials removed.
        shown: String,
    },
    /// A value that is not UTF-8.
    #[error("{origin}: not UTF-8")]
    NotUtf8 {
        /// Where the text came from.
        origin: String,
    },
    /// A header that HTTP does not allow.
    #[error("{origin}: not a header: {reason}; write it like 'X-Scope-OrgID: tenant-1'")]
    Header {
        /// Where the text came from.
        origin: String,
        /// What is wrong; never holds the value.
        reason: &'static str,
    },
}

/// A service's URL and the credentials for its origin.
///
/// `Display` and `Debug` show the URL without userinfo, query or credentials.
#[derive(Clone)]
pub struct Endpoint {
    service: &'static str,
    base: Url,
    origin: String,
    basic: Option<(String, SecretString)>,
    headers: Vec<(HeaderName, HeaderValue)>,
    client_certificate: bool,
}

impl Endpoint {
    /// Reads a base URL. `service` names what answers there (`coordinator`), `origin` where the text
    /// came from: an option, a variable, a file.
    ///
    /// Userinfo becomes basic authentication, a trailing `/` is dropped, a path prefix is kept.
    ///
    /// # Errors
    /// [`EndpointError`] if the text is not an absolute `http(s)` URL usable as a base.
    pub fn parse(service: &'static str, text: &str, origin: &str) -> Result<Self, EndpointError> {
        let mut endpoint = Self::parse_whole(service, text, origin)?;
        if endpoint.base.query().is_some() {
            return Err(EndpointError::NotABase {
                origin: origin.to_owned(),
                shown: without_userinfo(text),
            });
        }
        let path = endpoint.base.path().trim_end_matches('/').to_owned();
        endpoint.base.set_path(&path);
        Ok(endpoint)
    }

    /// Reads the URL of one resource, which [`Self::whole_url`] gives back as it was written: a trailing
    /// `/` and a query are kept. Userinfo becomes basic authentication.
    ///
    /// # Errors
    /// [`EndpointError`] if the text is not an absolute `http(s)` URL, or has a fragment.
    pub fn parse_whole(
        service: &'static str,
        text: &str,
        origin: &str,
    ) -> Result<Self, EndpointError> {
        let not_absolute = |reason: String| EndpointError::NotAbsolute {
            origin: origin.to_owned(),
            shown: without_userinfo(text),
            reason,
            example: "http://127.0.0.1:9090",
        };
        let mut base = Url::parse(text.trim()).map_err(|error| not_absolute(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(not_absolute(format!("scheme {:?}", base.scheme())));
        }
        if base.host_str().is_none_or(str::is_empty) {
            return Err(not_absolute("no host".to_owned()));
        }
        if base.fragment().is_some() {
            return Err(EndpointError::NotABase {
                origin: origin.to_owned(),
                shown: without_userinfo(text),
            });
        }
        let basic = (!base.username().is_empty() || base.password().is_some()).then(|| {
            (
                percent_decoded(base.username()),
                SecretString::from(percent_decoded(base.password().unwrap_or_default())),
            )
        });
        // Neither can fail: the URL has a host.
        let _ = base.set_username("");
        let _ = base.set_password(None);
        Ok(Self {
            service,
            base,
            origin: origin.to_owned(),
            basic,
            headers: Vec::new(),
            client_certificate: false,
        })
    }

    /// Drops a last path segment `segment`, if it is there: `https://host/v1` becomes `https://host`.
    #[must_use]
    pub fn without_last_segment(mut self, segment: &str) -> Self {
        let path = self.base.path().trim_end_matches('/');
        if let Some(prefix) = path.strip_suffix(segment).and_then(|p| p.strip_suffix('/')) {
            let prefix = prefix.trim_end_matches('/').to_owned();
            self.base.set_path(&prefix);
        }
        self
    }

    /// Adds a bearer token.
    ///
    /// # Errors
    /// [`EndpointError::Header`] if the token holds characters that a header cannot.
    pub fn with_bearer(mut self, token: &str, origin: &str) -> Result<Self, EndpointError> {
        let value = sensitive(&format!("Bearer {token}"), origin)?;
        self.headers.retain(|(name, _)| name != AUTHORIZATION);
        self.headers.push((AUTHORIZATION, value));
        self.basic = None;
        Ok(self)
    }

    /// Adds a header written as `Name: value`. An `Authorization` replaces what there was of it: no
    /// request carries two.
    ///
    /// # Errors
    /// [`EndpointError::Header`] if it is not of that form.
    pub fn with_header(mut self, line: &str, origin: &str) -> Result<Self, EndpointError> {
        let bad = |reason| EndpointError::Header {
            origin: origin.to_owned(),
            reason,
        };
        let (name, value) = line.split_once(':').ok_or_else(|| bad("no colon"))?;
        let name = HeaderName::from_bytes(name.trim().as_bytes())
            .map_err(|_| bad("the name has characters that a header name cannot have"))?;
        if name == AUTHORIZATION {
            self.headers.retain(|(name, _)| name != AUTHORIZATION);
            self.basic = None;
        }
        self.headers.push((name, sensitive(value.trim(), origin)?));
        Ok(self)
    }

    /// Whether the URL held a user or password.
    #[must_use]
    pub const fn has_userinfo(&self) -> bool {
        self.basic.is_some()
    }

    /// Lets this endpoint see the client certificate of the run.
    #[must_use]
    pub const fn with_client_certificate(mut self) -> Self {
        self.client_certificate = true;
        self
    }

    /// Takes over the credentials of `other` if it has the same origin (scheme, host and port) and
    /// this endpoint has none of its own.
    #[must_use]
    pub fn sharing_credentials_of(mut self, other: &Self) -> Self {
        if self.base.origin() == other.base.origin() {
            if self.basic.is_none() && self.headers.is_empty() {
                self.basic.clone_from(&other.basic);
                self.headers.clone_from(&other.headers);
            }
            self.client_certificate |= other.client_certificate;
        }
        self
    }

    /// The URL of `segments` below the base; each is percent-encoded as needed.
    #[must_use]
    pub fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// The URL of `path` below the base, as the user wrote it (`/healthz`, `-/ready`, `/health?deep=1`).
    #[must_use]
    pub fn url_of_path(&self, path: &str) -> Url {
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
        let mut url = self.url(&segments);
        url.set_query(query);
        url
    }

    /// The URL as it was given, without userinfo.
    #[must_use]
    pub fn whole_url(&self) -> Url {
        self.base.clone()
    }

    /// What answers there: `coordinator`, `Prometheus`.
    #[must_use]
    pub const fn service(&self) -> &'static str {
        self.service
    }

    /// Where the URL came from: a flag, a variable, a file and key.
    #[must_use]
    pub fn configured_by(&self) -> &str {
        &self.origin
    }

    pub(super) fn is_https(&self) -> bool {
        self.base.scheme() == "https"
    }

    pub(super) fn is_loopback(&self) -> bool {
        match self.base.host() {
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        }
    }

    pub(super) const fn shows_client_certificate(&self) -> bool {
        self.client_certificate
    }

    pub(super) const fn basic(&self) -> Option<&(String, SecretString)> {
        self.basic.as_ref()
    }

    pub(super) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.base.as_str();
        let url = url.split('?').next().unwrap_or_default();
        // A base has none, and of a resource it is a part; only a path of nothing else says nothing.
        f.write_str(match self.base.path() {
            "/" => url.trim_end_matches('/'),
            _ => url,
        })
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({} {self})", self.service)
    }
}

fn sensitive(value: &str, origin: &str) -> Result<HeaderValue, EndpointError> {
    let mut value = HeaderValue::from_str(value).map_err(|_| EndpointError::Header {
        origin: origin.to_owned(),
        reason: "the value has characters that a header cannot carry",
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Removes what may be userinfo, and the query, from a text that may not be a URL at all.
pub(super) fn without_userinfo(text: &str) -> String {
    let without_query = |text: &str| text.split(['?', '#']).next().unwrap_or_default().to_owned();
    let authority_start = text.find("//").map_or(0, |at| at + 2);
    let authority_end = text[authority_start..]
        .find(['/', '?', '#'])
        .map_or(text.len(), |at| authority_start + at);
    // A password may itself hold a slash; the last `@` of the whole text is the safe cut.
    match text.rfind('@') {
        Some(at) if at < authority_end || text[..at].contains(':') => {
            let scheme = &text[..authority_start.min(at)];
            format!("{scheme}…@{}", without_query(&text[at + 1..]))
        }
        _ => without_query(text),
    }
}

fn percent_decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn endpoint(text: &str) -> Result<Endpoint, EndpointError> {
        Endpoint::parse("coordinator", text, "--coordinator-url")
    }

    #[test]
    fn base_urls_with_and_without_slash_and_v1_lead_to_one_address() {
        for text in ["https://c/v1", "https://c/v1/", "https://c", "https://c/"] {
            let endpoint = endpoint(text).unwrap().without_last_segment("v1");
            assert_eq!(
                endpoint.url(&["v1", "leases", "fail"]).as_str(),
                "https://c/v1/leases/fail",
                "{text}"
            );
        }
        assert_eq!(
            endpoint("https://h/prometheus/")
                .unwrap()
                .url(&["api", "v1"])
                .as_str(),
            "https://h/prometheus/api/v1"
        );
        assert_eq!(
            endpoint("https://h/av1")
                .unwrap()
                .without_last_segment("v1")
                .to_string(),
            "https://h/av1"
        );
    }

    #[test]
    fn the_url_of_one_resource_is_kept_as_it_was_written() {
        for text in [
            "http://h/metrics/",
            "http://h/metrics?format=prometheus",
            "http://h/",
            "http://h/a//b?x=%20",
        ] {
            let endpoint = Endpoint::parse_whole("server", text, "-").unwrap();
            assert_eq!(endpoint.whole_url().as_str(), text);
        }
        let endpoint = Endpoint::parse_whole("server", "http://u:p%40@h/m/?t=s", "-").unwrap();
        assert_eq!(endpoint.whole_url().as_str(), "http://h/m/?t=s");
        assert_eq!(endpoint.to_string(), "http://h/m/");
        assert_eq!(endpoint.basic().unwrap().1.expose_secret(), "p@");
        assert!(Endpoint::parse_whole("server", "http://h/m#x", "-").is_err());
        let base = endpoint_of_path("/health?deep=1");
        assert_eq!(base, "https://c/p/health?deep=1");
    }

    fn endpoint_of_path(path: &str) -> String {
        endpoint("https://c/p/")
            .unwrap()
            .url_of_path(path)
            .to_string()
    }

    #[test]
    fn there_is_one_authorization() {
        let start = endpoint("http://u:p@h").unwrap();
        let with = start
            .with_bearer("t1", "f")
            .and_then(|e| e.with_header("authorization: Basic eDp5", "--header"))
            .unwrap();
        assert_eq!(with.headers.len(), 1);
        assert!(with.basic.is_none());
        assert_eq!(with.headers[0].1, "Basic eDp5");
    }

    #[test]
    fn what_is_no_base_url_is_refused_with_its_origin() {
        for text in [
            "",
            "coordinator",
            "ftp://h",
            "/v1",
            "localhost:9090",
            "http://",
            "http://h?x=1",
        ] {
            let error = endpoint(text).unwrap_err().to_string();
            assert!(error.starts_with("--coordinator-url: "), "{text}: {error}");
        }
    }

    #[test]
    fn secrets_never_show() {
        let shown = endpoint("http://user:hunter2@h:1/p").unwrap();
        assert_eq!(shown.to_string(), "http://h:1/p");
        let with = shown
            .with_bearer("hunter2", "f")
            .and_then(|e| e.with_header("X-Key: hunter2", "--header"))
            .unwrap();
        assert!(!format!("{with:?} {:?} {:?}", with.headers, with.basic).contains("hunter2"));
        for text in [
            "ftp://u:hunter2@h",
            "u:hunter2@h",
            "http://u:hun/ter2@h:x",
            "http://u:hunter2@",
            "http://u:hunter2@h/?token=hunter2",
            "http://h/?token=hunter2",
        ] {
            let error = format!("{:?}", endpoint(text));
            assert!(!error.contains("ter2"), "{text}: {error}");
        }
    }

    #[test]
    fn credentials_are_shared_within_one_origin_only() {
        let main = endpoint("https://u:p@h/a").unwrap();
        let same = endpoint("https://h/b")
            .unwrap()
            .sharing_credentials_of(&main);
        let other = endpoint("https://h:8443/b")
            .unwrap()
            .sharing_credentials_of(&main);
        assert!(same.basic().is_some());
        assert!(other.basic().is_none());
    }
}
