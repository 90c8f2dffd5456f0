//! A real Alertmanager and its configuration.

use std::fs;
use std::ops::Deref;
use std::path::Path;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::launch::{Launch, Server};
use super::program::ALERTMANAGER;
use crate::routes::Routes;

/// Drops every alert: enough for tests that only read its API.
const NO_RECEIVER: &str = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n";

const CONFIG_FILE: &str = "alertmanager.yml";

/// A running Alertmanager.
#[derive(Debug)]
pub struct Alertmanager(Server);

/// What an Alertmanager is to be like. A plain one drops every alert.
#[derive(Debug, Clone, Default)]
pub struct AlertmanagerBuilder {
    config: Option<String>,
    files: Vec<(String, String)>,
    prefix: String,
    cluster: Option<(String, Vec<String>)>,
}

impl Alertmanager {
    /// Starts a plain one.
    ///
    /// # Errors
    /// If it is not installed or does not become ready.
    pub fn start() -> Result<Self> {
        Self::builder().start()
    }

    /// One with a configuration.
    #[must_use]
    pub fn builder() -> AlertmanagerBuilder {
        AlertmanagerBuilder::default()
    }

    /// The alerts it holds, as its API shows them.
    ///
    /// # Errors
    /// If they cannot be had.
    pub fn alerts(&self) -> Result<Vec<serde_json::Value>> {
        let text = self.get("/api/v2/alerts", &[])?;
        serde_json::from_str(&text).context("Alertmanager's alerts are no JSON array")
    }

    /// Replaces the configuration and reloads.
    ///
    /// # Errors
    /// If Alertmanager refuses it; it then goes on with the old one.
    pub fn set_config(&self, yaml: &str) -> Result<()> {
        fs::write(self.dir().join(CONFIG_FILE), yaml)
            .context("cannot write Alertmanager's configuration")?;
        self.post("/-/reload", None).map(drop)
    }
}

impl AlertmanagerBuilder {
    /// The configuration, in YAML.
    #[must_use]
    pub fn config(mut self, yaml: impl Into<String>) -> Self {
        self.config = Some(yaml.into());
        self
    }

    /// A configuration with the files that it names.
    #[must_use]
    pub fn routes(self, routes: Routes) -> Self {
        let files = routes.files.into_iter();
        files.fold(self.config(routes.config), |builder, (name, content)| {
            builder.file(name, content)
        })
    }

    /// A file beside the configuration, such as a secret or a template; relative paths in the
    /// configuration start there.
    #[must_use]
    pub fn file(mut self, name: impl Into<String>, content: impl Into<String>) -> Self {
        self.files.push((name.into(), content.into()));
        self
    }

    /// Answers below a path such as `/alertmanager` instead of `/`.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// A member of a cluster: the `HOST:PORT` by which the others reach it, and theirs. Members send one after
    /// the other, a second apart.
    #[must_use]
    pub fn cluster(mut self, own: impl Into<String>, peers: &[String]) -> Self {
        self.cluster = Some((own.into(), peers.to_vec()));
        self
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// If it is not installed or does not become ready.
    pub fn start(self) -> Result<Alertmanager> {
        let dir = TempDir::with_prefix("seamless-lab-").context("no temporary folder")?;
        let config = self.config.as_deref().unwrap_or(NO_RECEIVER);
        fs::write(dir.path().join(CONFIG_FILE), config)
            .context("cannot write Alertmanager's configuration")?;
        for (name, content) in &self.files {
            fs::write(dir.path().join(name), content)
                .with_context(|| format!("cannot write {name}"))?;
        }
        // Alone: no cluster, no second port.
        let (own, peers) = self.cluster.unwrap_or_default();
        let arguments = |port, dir: &Path| {
            let mut arguments = vec![
                format!("--config.file={}", dir.join(CONFIG_FILE).display()),
                format!("--storage.path={}", dir.join("data").display()),
                format!("--web.listen-address=127.0.0.1:{port}"),
                format!("--web.external-url=http://127.0.0.1:{port}{}", self.prefix),
                format!("--cluster.listen-address={own}"),
                "--cluster.peer-timeout=1s".to_owned(),
            ];
            arguments.extend(peers.iter().map(|peer| format!("--cluster.peer={peer}")));
            arguments
        };
        Launch {
            program: ALERTMANAGER,
            dir,
            arguments: &arguments,
            prefix: &self.prefix,
            credentials: None,
            ready: "/-/ready",
        }
        .start()
        .map(Alertmanager)
    }
}

impl Deref for Alertmanager {
    type Target = Server;
    fn deref(&self) -> &Server {
        &self.0
    }
}
