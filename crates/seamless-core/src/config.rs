//! Where endpoints come from: flag, then environment, then the configuration file.
//!
//! Owns the precedence, and the few keys that are read from a file. It reads files that it is told to
//! read and takes the environment from its caller.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::bounds;
use crate::context::{Context, ServiceSettings, Settings};
use crate::http::{Endpoint, EndpointError};

/// The files looked for in the working folder when none is named.
pub const DEFAULT_FILES: [&str; 2] = ["qmtl.yml", "qmtl.yaml"];

/// A service that a URL is configured for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The backfill coordinator.
    Coordinator,
    /// Prometheus.
    Prometheus,
    /// Alertmanager.
    Alertmanager,
}

impl Service {
    /// What it is called in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Coordinator => "coordinator",
            Self::Prometheus => "Prometheus",
            Self::Alertmanager => "Alertmanager",
        }
    }

    /// The environment variable that gives its URL.
    #[must_use]
    pub const fn variable(self) -> &'static str {
        match self {
            Self::Coordinator => "QMTL_SEAMLESS_COORDINATOR_URL",
            Self::Prometheus => "QMTL_PROMETHEUS_URL",
            Self::Alertmanager => "QMTL_ALERTMANAGER_URL",
        }
    }

    /// The environment variable that names the file with its bearer token.
    #[must_use]
    pub const fn token_file_variable(self) -> Option<&'static str> {
        match self {
            Self::Coordinator => Some("QMTL_SEAMLESS_COORDINATOR_TOKEN_FILE"),
            Self::Prometheus => Some("QMTL_PROMETHEUS_TOKEN_FILE"),
            Self::Alertmanager => None,
        }
    }

    /// The key of the configuration file that gives its URL.
    #[must_use]
    pub const fn key(self) -> Option<&'static str> {
        match self {
            Self::Coordinator => Some("seamless.coordinator_url"),
            Self::Prometheus => Some("telemetry.prometheus_url"),
            Self::Alertmanager => Some("telemetry.alertmanager_url"),
        }
    }
}

/// Why the configuration cannot be used. Nothing has been contacted.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("cannot read {what} {}: {source}", path.display())]
    Unreadable {
        /// What the file is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The configuration file is no YAML, or a key has the wrong type.
    #[error("{} is not a usable configuration: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        message: String,
    },
    /// A token file that holds no token.
    #[error("{} holds no token; it must hold one line", path.display())]
    EmptyToken {
        /// The file.
        path: PathBuf,
    },
    /// A URL or header that cannot be used.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
}

/// What is read of a configuration file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigFile {
    path: PathBuf,
    coordinator_url: Option<String>,
    prometheus_url: Option<String>,
    alertmanager_url: Option<String>,
}

impl ConfigFile {
    /// Reads the file that was `named`, or the first default file in the working folder.
    ///
    /// # Errors
    /// [`ConfigError`] if a named file is missing, or any file is unreadable or malformed.
    pub fn load(named: Option<&Path>) -> Result<Option<Self>, ConfigError> {
        let candidates = match named {
            Some(path) => vec![path.to_owned()],
            None => DEFAULT_FILES.iter().map(PathBuf::from).collect(),
        };
        for path in candidates {
            match read_small(&path) {
                Ok(text) => return Self::parse(&path, &text).map(Some),
                Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => {
                    return Err(ConfigError::Unreadable {
                        what: "the configuration",
                        path,
                        source,
                    });
                }
            }
        }
        Ok(None)
    }

    /// Reads the text of the file `path`: `seamless.coordinator_url`, `telemetry.prometheus_url` and
    /// `telemetry.alertmanager_url`; every other key is ignored.
    ///
    /// # Errors
    /// [`ConfigError::Malformed`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        #[derive(Default, Deserialize)]
        struct Sections {
            #[serde(default)]
            seamless: Option<SeamlessSection>,
            #[serde(default)]
            telemetry: Option<TelemetrySection>,
        }
        #[derive(Default, Deserialize)]
        struct SeamlessSection {
            #[serde(default)]
            coordinator_url: Option<String>,
        }
        #[derive(Default, Deserialize)]
        struct TelemetrySection {
            #[serde(default)]
            prometheus_url: Option<String>,
            #[serde(default)]
            alertmanager_url: Option<String>,
        }
        let file: Option<Sections> =
            serde_saphyr::from_str(text).map_err(|error| ConfigError::Malformed {
                path: path.to_owned(),
                message: crate::yaml::problem(&error),
            })?;
        let file = file.unwrap_or_default();
        let telemetry = file.telemetry.unwrap_or_default();
        let given = |url: Option<String>| url.filter(|url| !url.is_empty());
        Ok(Self {
            path: path.to_owned(),
            coordinator_url: given(file.seamless.and_then(|s| s.coordinator_url)),
            prometheus_url: given(telemetry.prometheus_url),
            alertmanager_url: given(telemetry.alertmanager_url),
        })
    }

    fn url(&self, service: Service) -> Option<&str> {
        match service {
            Service::Coordinator => self.coordinator_url.as_deref(),
            Service::Prometheus => self.prometheus_url.as_deref(),
            Service::Alertmanager => self.alertmanager_url.as_deref(),
        }
    }

    /// The file that was read.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Reads a UTF-8 file of at most 4 MiB.
fn read_small(path: &Path) -> std::io::Result<String> {
    bounds::read_text(std::fs::File::open(path)?, 4 << 20)
}

/// The context that a run is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The context.
    pub context: Context,
    /// Whether the command line names it, and not the environment: then it goes before the environment's URLs.
    pub by_option: bool,
}

/// An endpoint, and what the context says of it where its URL is the context's.
#[derive(Debug, Clone)]
pub struct FoundEndpoint<'c> {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Its entry in the context.
    pub settings: Option<&'c ServiceSettings>,
}

/// Finds the endpoints of `service`, one but for Alertmanagers of a context: what was `given` on the command
/// line (the URL and the option), then a context that the command line names, the environment's, a context
/// that the environment names, the file's. An empty variable counts as none; an empty option is an error.
///
/// # Errors
/// [`ConfigError::Endpoint`] for a URL that cannot be used, naming where it came from.
pub fn endpoints<'c>(
    service: Service,
    given: Option<(&str, &str)>,
    environment: &dyn Fn(&str) -> Option<OsString>,
    chosen: Option<&'c Chosen>,
    file: Option<&ConfigFile>,
) -> Result<Vec<FoundEndpoint<'c>>, ConfigError> {
    let parse = |text: &str, origin: &str| Endpoint::parse(service.name(), text, origin);
    let alone = |text: &str, origin: &str| {
        let endpoint = parse(text, origin)?;
        Ok(vec![FoundEndpoint {
            endpoint,
            settings: None,
        }])
    };
    if let Some((text, option)) = given {
        return alone(text, option);
    }
    let of_context = |by_option| {
        let chosen = chosen.filter(|chosen| chosen.by_option == by_option);
        chosen.map(|chosen| (chosen, of_service(&chosen.context.settings, service)))
    };
    let from = |(chosen, settings): (&'c Chosen, Vec<&'c ServiceSettings>)| {
        let origin = format!(
            "context {} in {}",
            chosen.context.name,
            chosen.context.file.display()
        );
        let found = settings.into_iter().map(|settings| {
            let endpoint = parse(&settings.url, &origin)?;
            Ok(FoundEndpoint {
                endpoint,
                settings: Some(settings),
            })
        });
        found.collect()
    };
    if let Some(context) = of_context(true).filter(|(_, settings)| !settings.is_empty()) {
        return from(context);
    }
    if let Some(text) = variable(environment, service.variable())? {
        return alone(&text, service.variable());
    }
    if let Some(context) = of_context(false).filter(|(_, settings)| !settings.is_empty()) {
        return from(context);
    }
    let in_file = file.and_then(|file| Some((file, file.url(service)?)));
    match in_file {
        Some((file, text)) => {
            let key = service.key().unwrap_or_default();
            alone(text, &format!("{key} in {}", file.path.display()))
        }
        None => Ok(Vec::new()),
    }
}

/// Says where the environment names another URL for `service` than the context that the command line names.
///
/// # Errors
/// As [`endpoints`].
pub fn contradiction(
    service: Service,
    environment: &dyn Fn(&str) -> Option<OsString>,
    chosen: &Chosen,
) -> Result<Option<String>, ConfigError> {
    let Some(text) = variable(environment, service.variable())?.filter(|_| chosen.by_option) else {
        return Ok(None);
    };
    let named = Endpoint::parse(service.name(), &text, service.variable())?.to_string();
    let found = endpoints(service, None, environment, Some(chosen), None)?;
    let urls: Vec<String> = found
        .iter()
        .filter(|found| found.settings.is_some())
        .map(|found| found.endpoint.to_string())
        .collect();
    let differ = !urls.is_empty() && !urls.contains(&named);
    Ok(differ.then(|| {
        format!(
            "{}: the context {} says {}, and {} says {named}",
            service.name(),
            chosen.context.name,
            urls.join(" and "),
            service.variable()
        )
    }))
}

/// The value of an environment variable; an empty one counts as none.
///
/// # Errors
/// [`EndpointError::NotUtf8`].
pub fn variable(
    environment: &dyn Fn(&str) -> Option<OsString>,
    name: &str,
) -> Result<Option<String>, ConfigError> {
    let Some(value) = environment(name) else {
        return Ok(None);
    };
    let value = value.into_string().map_err(|_| EndpointError::NotUtf8 {
        origin: name.to_owned(),
    })?;
    Ok(Some(value).filter(|value| !value.trim().is_empty()))
}

/// Reads a bearer token from the first line of a file.
///
/// # Errors
/// [`ConfigError`] if the file cannot be read or holds no token.
pub fn bearer_token(path: &Path) -> Result<secrecy::SecretString, ConfigError> {
    let text = read_small(path).map_err(|source| ConfigError::Unreadable {
        what: "the token file",
        path: path.to_owned(),
        source,
    })?;
    let token = text.lines().next().unwrap_or_default().trim();
    if token.is_empty() {
        return Err(ConfigError::EmptyToken {
            path: path.to_owned(),
        });
    }
    Ok(secrecy::SecretString::from(token.to_owned()))
}

/// Whether every user of the host may read the file.
#[must_use]
pub fn is_readable_by_others(path: &Path) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o004 != 0)
}

/// What a context says of a service; several for Alertmanagers.
fn of_service(settings: &Settings, service: Service) -> Vec<&ServiceSettings> {
    match service {
        Service::Coordinator => settings.coordinator.iter().collect(),
        Service::Prometheus => settings.prometheus.iter().collect(),
        Service::Alertmanager => settings.alertmanagers.iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Result<ConfigFile, ConfigError> {
        ConfigFile::parse(Path::new("qmtl.yml"), text)
    }

    #[test]
    fn flag_beats_environment_beats_file() {
        let file = file("telemetry:\n  prometheus_url: http://file:1\n").unwrap();
        let set = |name: &str| (name == "QMTL_PROMETHEUS_URL").then(|| "http://env:2".into());
        let unset = |_: &str| Some(OsString::new());
        let url = |flag: Option<&str>, environment: &dyn Fn(&str) -> Option<OsString>, file| {
            let given = flag.map(|url| (url, "--prometheus-url"));
            let found = endpoints(Service::Prometheus, given, environment, None, file).unwrap();
            let first = found.first().map(|found| &found.endpoint);
            first.map(|e| (e.to_string(), e.configured_by().to_owned()))
        };
        let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(
            url(Some("http://flag:3"), &set, Some(&file)),
            pair("http://flag:3", "--prometheus-url")
        );
        assert_eq!(
            url(None, &set, Some(&file)),
            pair("http://env:2", "QMTL_PROMETHEUS_URL")
        );
        assert_eq!(
            url(None, &unset, Some(&file)),
            pair("http://file:1", "telemetry.prometheus_url in qmtl.yml")
        );
        assert_eq!(url(None, &unset, None), None);
    }

    #[test]
    fn a_named_context_goes_before_the_environment_and_one_of_the_environment_after() {
        let text = "contexts:\n  p:\n    prometheus: {url: http://context:1}\n";
        let settings = crate::context::parse(Path::new("c.yml"), text)
            .unwrap()
            .remove("p");
        let chosen = |by_option| Chosen {
            context: Context {
                name: "p".to_owned(),
                file: "c.yml".into(),
                settings: settings.clone().unwrap(),
            },
            by_option,
        };
        let set = |name: &str| (name == "QMTL_PROMETHEUS_URL").then(|| "http://env:2".into());
        let url = |given, by_option| {
            let chosen = chosen(by_option);
            let found = endpoints(Service::Prometheus, given, &set, Some(&chosen), None).unwrap();
            found
                .first()
                .map(|found| found.endpoint.to_string())
                .unwrap()
        };
        assert_eq!(
            url(Some(("http://flag:3", "--prometheus-url")), true),
            "http://flag:3"
        );
        assert_eq!(url(None, true), "http://context:1");
        assert_eq!(url(None, false), "http://env:2");
        let words = contradiction(Service::Prometheus, &set, &chosen(true))
            .unwrap()
            .unwrap();
        assert!(
            words.contains("http://context:1") && words.contains("http://env:2"),
            "{words}"
        );
        let same = |_: &str| Some("http://context:1/".into());
        assert_eq!(
            contradiction(Service::Prometheus, &same, &chosen(true)).unwrap(),
            None
        );
        assert_eq!(
            contradiction(Service::Coordinator, &set, &chosen(true)).unwrap(),
            None
        );
        assert_eq!(
            contradiction(Service::Prometheus, &set, &chosen(false)).unwrap(),
            None
        );
    }

    #[test]
    fn other_keys_are_ignored_and_an_empty_file_is_empty() {
        let read =
            file("seamless:\n  coordinator_url: http://c\n  workers: 3\nother: [1, {a: b}]\n")
                .unwrap();
        assert_eq!(read.coordinator_url.as_deref(), Some("http://c"));
        assert_eq!(file("").unwrap().coordinator_url, None);
        assert_eq!(file("seamless:\n").unwrap().coordinator_url, None);
    }

    #[test]
    fn a_malformed_file_says_where() {
        for text in [
            "seamless: [\n",
            "seamless:\n  coordinator_url: {a: b}\n",
            "a: 1\na: 2\nseamless: x\n",
            "\t- x",
        ] {
            let error = file(text).unwrap_err().to_string();
            assert!(
                error.starts_with("qmtl.yml is not a usable configuration: line "),
                "{text:?}: {error}"
            );
        }
    }

    #[test]
    fn a_named_file_that_is_missing_is_an_error() {
        let error = ConfigFile::load(Some(Path::new("/nonexistent/qmtl.yml"))).unwrap_err();
        assert!(
            error.to_string().contains("/nonexistent/qmtl.yml"),
            "{error}"
        );
    }
}
