//! Contexts: the deployments that a person works with, each under a name, in one file.
//!
//! Owns the file's form, where it is looked for, and which context is meant. It resolves no endpoint: a
//! context is one of the places that [`config`](crate::config) takes URLs from.
//!
//! ```yaml
//! contexts:
//!   production:
//!     coordinator:
//!       url: https://coordinator.example
//!       token_file: /etc/seamless-ops/coordinator.token
//!     prometheus:
//!       url: https://prometheus.example
//!       headers: ["X-Scope-OrgID: trading"]
//!     alertmanagers:
//!       - url: https://alertmanager.example
//!     selector: cluster="eu"
//! ```

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use url::Url;

use crate::bounds;
use crate::rules::Profile;

/// Larger files are refused.
const SIZE_LIMIT: u64 = 1 << 20;

/// Why a context cannot be used. Nothing has been contacted.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// The file is there and cannot be read.
    #[error("cannot read the contexts in {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no YAML, has an unknown key, or one of the wrong type.
    #[error("{} is not a usable file of contexts: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        message: String,
    },
    /// The file holds a secret and everybody on the host may read it.
    #[error("{} holds a secret ({secret}) and everybody may read it; run: chmod 600 {}, or name a token_file instead", path.display(), path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Which key holds the secret.
        secret: String,
    },
    /// No file has a context of this name.
    #[error("no context {name:?} ({origin}): {known}")]
    Unknown {
        /// The name.
        name: String,
        /// Who asked for it: an option or a variable.
        origin: &'static str,
        /// Which contexts there are, or which files were looked for.
        known: String,
    },
}

/// A deployment under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// Its name.
    pub name: String,
    /// The file that it stands in.
    pub file: PathBuf,
    /// What it says.
    pub settings: Settings,
}

/// What a context says. Whatever it leaves out comes from elsewhere, as without a context.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The backfill coordinator.
    pub coordinator: Option<ServiceSettings>,
    /// Prometheus.
    pub prometheus: Option<ServiceSettings>,
    /// The Alertmanagers of one cluster.
    pub alertmanagers: Vec<ServiceSettings>,
    /// A PEM file of authorities to trust beside those of the system.
    pub ca_cert: Option<PathBuf>,
    /// Label matchers that narrow every query: `cluster="eu"`.
    pub selector: Option<String>,
    /// The receivers that alerts of a severity must reach.
    pub receivers: BTreeMap<String, Vec<String>>,
    /// The site's own rule files.
    pub rules: Vec<PathBuf>,
    /// The thresholds that the rules were rendered with.
    pub profile: Option<Profile>,
    /// Where the site keeps its runbook: a page with the anchors of `docs/runbook.md`.
    pub runbook_url: Option<String>,
}

/// A service of a context.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceSettings {
    /// Its base URL.
    pub url: String,
    /// The file whose first line is its bearer token.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// Headers for it, as `NAME: VALUE`.
    #[serde(default)]
    pub headers: Vec<String>,
}

/// Without its URL, which may hold a password, and its headers.
impl std::fmt::Debug for ServiceSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceSettings")
            .field("token_file", &self.token_file)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContextFile {
    contexts: BTreeMap<String, Settings>,
}

/// Where contexts are looked for, first one first: `$XDG_CONFIG_HOME/seamless-ops/config.yml` (by default
/// below `~/.config`), then `/etc/seamless-ops/config.yml`.
#[must_use]
pub fn files(environment: &dyn Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let absolute = |name| {
        environment(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let own =
        absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
    own.into_iter()
        .chain([PathBuf::from("/etc")])
        .map(|folder| folder.join("seamless-ops/config.yml"))
        .collect()
}

/// The context of this name, from the first of `files` that has it. `origin` is who asked for it.
///
/// # Errors
/// [`ContextError`].
pub fn load(name: &str, origin: &'static str, files: &[PathBuf]) -> Result<Context, ContextError> {
    let mut known = Vec::new();
    let mut absent = Vec::new();
    for file in files {
        let Some((text, mode)) = read(file)? else {
            absent.push(file.display().to_string());
            continue;
        };
        let mut contexts = parse(file, &text)?;
        if let Some(secret) = secret(&contexts).filter(|_| mode & 0o004 != 0) {
            return Err(ContextError::Exposed {
                path: file.clone(),
                secret,
            });
        }
        if let Some(settings) = contexts.remove(name) {
            return Ok(Context {
                name: name.to_owned(),
                file: file.clone(),
                settings,
            });
        }
        let names: Vec<String> = contexts.into_keys().collect();
        known.push(format!("{} has {}", file.display(), names.join(", ")));
    }
    Err(ContextError::Unknown {
        name: name.to_owned(),
        origin,
        known: if known.is_empty() {
            format!("there is no {}", absent.join(" and no "))
        } else {
            known.join("; ")
        },
    })
}

/// Reads the text of the file `path`.
///
/// # Errors
/// [`ContextError::Malformed`].
pub fn parse(path: &Path, text: &str) -> Result<BTreeMap<String, Settings>, ContextError> {
    let malformed = |message: String| ContextError::Malformed {
        path: path.to_owned(),
        message,
    };
    let file: ContextFile =
        serde_saphyr::from_str(text).map_err(|error| malformed(crate::yaml::problem(&error)))?;
    for (name, settings) in &file.contexts {
        let services = settings.services();
        if let Some((key, _)) = services
            .into_iter()
            .find(|(_, service)| service.url.is_empty())
        {
            return Err(malformed(format!("contexts.{name}.{key} has an empty url")));
        }
        let is_web =
            |url: &String| Url::parse(url).is_ok_and(|url| url.scheme().starts_with("http"));
        if settings
            .runbook_url
            .as_ref()
            .is_some_and(|url| !is_web(url))
        {
            let message = format!("contexts.{name}.runbook_url is no URL of http or https");
            return Err(malformed(message));
        }
    }
    Ok(file.contexts)
}

impl Settings {
    fn services(&self) -> Vec<(&'static str, &ServiceSettings)> {
        let mut services = Vec::new();
        services.extend(self.coordinator.iter().map(|it| ("coordinator", it)));
        services.extend(self.prometheus.iter().map(|it| ("prometheus", it)));
        services.extend(self.alertmanagers.iter().map(|it| ("alertmanagers", it)));
        services
    }
}

/// The first key that holds a secret: a password in a URL, or a header that carries a credential.
fn secret(contexts: &BTreeMap<String, Settings>) -> Option<String> {
    const CREDENTIALS: [&str; 6] = ["auth", "token", "key", "secret", "cookie", "password"];
    contexts.iter().find_map(|(name, settings)| {
        settings.services().into_iter().find_map(|(key, service)| {
            let password = Url::parse(&service.url).is_ok_and(|url| url.password().is_some());
            let header = service.headers.iter().find_map(|header| {
                let header = header.split(':').next()?.to_ascii_lowercase();
                CREDENTIALS
                    .iter()
                    .any(|word| header.contains(word))
                    .then_some("headers")
            });
            let part = if password { Some("url") } else { header };
            part.map(|part| format!("contexts.{name}.{key}.{part}"))
        })
    })
}

/// Its text and permissions, if it is there.
fn read(path: &Path) -> Result<Option<(String, u32)>, ContextError> {
    let unreadable = |source| ContextError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let mode = file.metadata().map_err(unreadable)?.permissions().mode();
    let text = bounds::read_text(file, SIZE_LIMIT).map_err(unreadable)?;
    Ok(Some((text, mode)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.yml");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    const TWO: &str = "\
contexts:
  production:
    coordinator: {url: https://coordinator.example, token_file: /run/secrets/token}
    prometheus: {url: https://prometheus.example, headers: ['X-Scope-OrgID: a']}
    alertmanagers: [{url: http://am-1:9093}, {url: http://am-2:9093}]
    receivers: {critical: [oncall]}
  staging:
    coordinator: {url: http://staging:8080}
";

    #[test]
    fn the_first_file_that_has_the_context_is_taken() {
        let (_first, own) = file("contexts:\n  lab:\n    selector: cluster=\"eu\"\n", 0o644);
        let (_second, shared) = file(TWO, 0o644);
        let missing = PathBuf::from("/nowhere/config.yml");
        let files = [missing, own, shared.clone()];
        let context = load("staging", "--context", &files).unwrap();
        assert_eq!(context.file, shared);
        let url = context.settings.coordinator.map(|service| service.url);
        assert_eq!(url.as_deref(), Some("http://staging:8080"));
        let error = load("prod", "--context", &files).unwrap_err().to_string();
        assert!(
            error.contains("lab") && error.contains("production, staging"),
            "{error}"
        );
    }

    #[test]
    fn without_a_file_the_error_names_where_it_was_looked_for() {
        let error = load("x", "SEAMLESS_CONTEXT", &["/nowhere/config.yml".into()]);
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("SEAMLESS_CONTEXT") && error.contains("no /nowhere/config.yml"),
            "{error}"
        );
    }

    #[test]
    fn a_secret_that_everybody_may_read_is_refused_and_not_shown() {
        for secret in [
            "{url: 'https://me:hunter2@coordinator.example'}",
            "{url: http://c, headers: ['Authorization: Bearer hunter2']}",
            "{url: http://c, headers: ['X-Api-Key: hunter2']}",
        ] {
            let text = format!("contexts:\n  p:\n    coordinator: {secret}\n");
            let (_folder, open) = file(&text, 0o644);
            let error = load("p", "--context", &[open]).unwrap_err().to_string();
            assert!(error.contains("chmod 600"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
            let (_folder, private) = file(&text, 0o600);
            let context = load("p", "--context", &[private]).unwrap();
            assert!(!format!("{context:?}").contains("hunter2"));
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, words) in [
            (
                "contexts:\n  p:\n    coordinater: {url: x}\n",
                "coordinater",
            ),
            (
                "contexts:\n  p:\n    coordinator: {url: ''}\n",
                "contexts.p.coordinator",
            ),
            (
                "contexts:\n  p:\n    runbook_url: docs/runbook.md\n",
                "contexts.p.runbook_url",
            ),
            ("contexts: [1]\n", "line 1"),
            ("", "contexts"),
        ] {
            let error = parse(Path::new("c.yml"), text).unwrap_err().to_string();
            assert!(error.contains(words), "{text:?}: {error}");
        }
    }

    #[test]
    fn the_home_folder_stands_in_for_an_unset_or_relative_variable() {
        let home = |xdg: Option<&'static str>| {
            files(&move |name| match name {
                "HOME" => Some("/home/kim".to_owned()),
                _ => xdg.map(str::to_owned),
            })
        };
        let own = |files: Vec<PathBuf>| files.first().map(|file| file.display().to_string());
        let default = Some("/home/kim/.config/seamless-ops/config.yml".to_owned());
        assert_eq!(own(home(None)), default);
        assert_eq!(own(home(Some("relative"))), default);
        assert_eq!(
            own(home(Some("/x"))).as_deref(),
            Some("/x/seamless-ops/config.yml")
        );
    }
}
