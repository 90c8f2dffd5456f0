//! Synthetic nodes of any number, served by the injector, and what a Prometheus that scrapes them says of itself.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use seamless_lab::servers::{Process, Prometheus, Start};
use tempfile::TempDir;

/// The injector with every family moving; gone when dropped.
pub(crate) struct InjectedFleet {
    // Killed before its folder is removed: fields are dropped in this order.
    pub(crate) injector: Process,
    folder: TempDir,
}

impl InjectedFleet {
    /// So many nodes that each serve so many worlds, announced in [`Self::targets`].
    pub(crate) fn start(program: &Path, nodes: u64, worlds: u64, step: Duration) -> Result<Self> {
        let folder = TempDir::with_prefix("seamless-fleet-").context("no temporary folder")?;
        let arguments = [
            "seam-node-1".to_owned(),
            "--scenario=healthy".to_owned(),
            format!("--nodes={nodes}"),
            format!("--worlds={worlds}"),
            "--serve=0".to_owned(),
            "--hold=2h".to_owned(),
            format!("--step={}s", step.as_secs()),
            "--output=json".to_owned(),
            format!("--file-sd={}", targets(folder.path()).display()),
        ];
        let injector = Start {
            program,
            arguments: &arguments,
            environment: &[],
            dir: folder.path(),
            name: "injector",
        }
        .start()?;
        Ok(Self { injector, folder })
    }

    /// The service-discovery file.
    pub(crate) fn targets(&self) -> PathBuf {
        targets(self.folder.path())
    }

    /// Where it serves, once it has said so.
    pub(crate) fn address(&self, within: Duration) -> Result<String> {
        seamless_lab::wait_for(within, "the injector's address", || {
            let text = std::fs::read_to_string(self.targets()).ok()?;
            let targets: serde_json::Value = serde_json::from_str(&text).ok()?;
            Some(targets[0]["targets"][0].as_str()?.to_owned())
        })
        .with_context(|| self.injector.log_tail())
    }
}

fn targets(folder: &Path) -> PathBuf {
    folder.join("targets.json")
}

/// What a Prometheus exposes of itself.
pub(crate) struct OwnMetrics(prometheus_parse::Scrape);

impl OwnMetrics {
    /// Reads it.
    ///
    /// # Errors
    /// If it cannot be had or read.
    pub(crate) fn of(prometheus: &Prometheus) -> Result<Self> {
        let text = prometheus.get("/metrics", &[])?;
        let lines = text.lines().map(|line| Ok(line.to_owned()));
        prometheus_parse::Scrape::parse(lines)
            .map(Self)
            .context("cannot read what Prometheus exposes")
    }

    /// The samples of a family, each under its rule group's name.
    pub(crate) fn all(&self, family: &str) -> Vec<(String, f64)> {
        let samples = self.0.samples.iter();
        samples
            .filter(|sample| sample.metric == family)
            .filter_map(|sample| {
                let group = sample.labels.get("rule_group").unwrap_or_default();
                let name = group.rsplit(';').next().unwrap_or_default();
                match sample.value {
                    prometheus_parse::Value::Gauge(value)
                    | prometheus_parse::Value::Counter(value)
                    | prometheus_parse::Value::Untyped(value) => Some((name.to_owned(), value)),
                    _ => None,
                }
            })
            .collect()
    }

    /// The one sample of a family.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn one(&self, family: &str) -> Result<f64> {
        let found = self.all(family).first().map(|(_, value)| *value);
        found.with_context(|| format!("Prometheus exposes no {family}"))
    }
}
