//! Where today's servers are, beside the distribution's.
//!
//! Owns their versions, which `xtask/servers/go.mod` pins, and the folder that `cargo xtask servers` builds
//! them into. It builds nothing.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// Where the pinned versions stand.
const GO_MOD: &str = include_str!("../../../../xtask/servers/go.mod");

/// A Go module that brings servers, at its pinned version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Module {
    /// Its path, as in `go get`.
    pub path: &'static str,
    /// Its version, as in `go get`: `v0.316.0`.
    pub version: &'static str,
}

impl Module {
    /// The version by which its programs are known: Prometheus 3.16.0 is the module's v0.316.0.
    #[must_use]
    pub fn release(&self) -> String {
        let version = self.version.trim_start_matches('v');
        let renumbered = self
            .path
            .ends_with("/prometheus/prometheus")
            .then(|| version.strip_prefix("0."))
            .flatten()
            .and_then(|rest| rest.split_once('.'))
            .and_then(|(minor, patch)| {
                let minor: u32 = minor.parse().ok()?;
                Some(format!("{}.{}.{patch}", minor / 100, minor % 100))
            });
        renumbered.unwrap_or_else(|| version.to_owned())
    }
}

/// The module at `path`, with the version that go.mod pins.
///
/// # Errors
/// If go.mod does not require it.
pub fn module(path: &'static str) -> Result<Module> {
    GO_MOD
        .lines()
        .filter_map(|line| line.trim().trim_start_matches("require ").split_once(' '))
        .find(|(name, _)| *name == path)
        .and_then(|(_, version)| version.split_whitespace().next())
        .map(|version| Module { path, version })
        .with_context(|| format!("xtask/servers/go.mod does not require {path}"))
}

/// The folder that holds them, one for each set of versions: below `$XDG_CACHE_HOME/seamless-ops`, or
/// `~/.cache/seamless-ops`.
///
/// # Errors
/// If neither variable names a folder.
pub fn folder() -> Result<PathBuf> {
    let absolute = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let cache = absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME names a folder for the built servers")?;
    let versions = MODULES
        .iter()
        .map(|path| Ok(format!("{}-{}", short(path), module(path)?.release())))
        .collect::<Result<Vec<_>>>()?;
    Ok(cache
        .join("seamless-ops/servers")
        .join(versions.join("_").to_lowercase()))
}

/// Prometheus and promtool.
pub const PROMETHEUS_MODULE: &str = "github.com/prometheus/prometheus";
/// Alertmanager and amtool.
pub const ALERTMANAGER_MODULE: &str = "github.com/prometheus/alertmanager";
/// VictoriaMetrics and vmalert.
pub const VICTORIA_METRICS_MODULE: &str = "github.com/VictoriaMetrics/VictoriaMetrics";

const MODULES: [&str; 3] = [
    PROMETHEUS_MODULE,
    ALERTMANAGER_MODULE,
    VICTORIA_METRICS_MODULE,
];

fn short(module: &str) -> &str {
    Path::new(module)
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or(module)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_numbered_as_people_know_them() {
        for (path, version, release) in [
            (PROMETHEUS_MODULE, "v0.316.0", "3.16.0"),
            (PROMETHEUS_MODULE, "v0.400.1", "4.0.1"),
            (ALERTMANAGER_MODULE, "v0.35.0", "0.35.0"),
            (VICTORIA_METRICS_MODULE, "v1.151.0", "1.151.0"),
        ] {
            assert_eq!(Module { path, version }.release(), release);
        }
    }

    #[test]
    fn every_module_is_pinned() {
        for path in MODULES {
            assert!(module(path).unwrap().version.starts_with('v'), "{path}");
        }
        assert!(module("github.com/prometheus/pushgateway").is_err());
    }
}
