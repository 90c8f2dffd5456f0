//! The servers that need no configuration file.

use std::cell::RefCell;
use std::ops::Deref;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;
use tempfile::TempDir;

use super::launch::{Launch, Server};
use super::program::{NODE_EXPORTER, PUSHGATEWAY, Program, VICTORIA_METRICS, VMALERT};

/// A running Pushgateway.
#[derive(Debug)]
pub struct Pushgateway(Server);

/// A running single-node VictoriaMetrics, which takes remote write and answers Prometheus's query API.
#[derive(Debug)]
pub struct VictoriaMetrics {
    server: Server,
    _vmalert: Option<Server>,
}

/// A running node_exporter with nothing but the textfile collector.
#[derive(Debug)]
pub struct NodeExporter(Server);

fn start(
    program: Program,
    ready: &'static str,
    arguments: &dyn Fn(u16, &Path) -> Vec<String>,
) -> Result<Server> {
    start_in(folder()?, program, ready, arguments)
}

fn folder() -> Result<TempDir> {
    TempDir::with_prefix("seamless-lab-").context("no temporary folder")
}

fn start_in(
    dir: TempDir,
    program: Program,
    ready: &'static str,
    arguments: &dyn Fn(u16, &Path) -> Vec<String>,
) -> Result<Server> {
    Launch {
        program,
        dir,
        arguments,
        prefix: "",
        credentials: None,
        ready,
    }
    .start()
}

impl Pushgateway {
    /// Starts one.
    ///
    /// # Errors
    /// If it is not installed or does not become ready.
    pub fn start() -> Result<Self> {
        let arguments = |port, _: &Path| {
            vec![
                format!("--web.listen-address=127.0.0.1:{port}"),
                // Debian's keeps its groups in a file of the machine, by default.
                "--persistence.file=".to_owned(),
            ]
        };
        start(PUSHGATEWAY, "/-/ready", &arguments).map(Self)
    }
}

impl VictoriaMetrics {
    /// Starts one that scrapes nothing.
    ///
    /// # Errors
    /// If it is not installed or does not become ready.
    pub fn start() -> Result<Self> {
        Self::with(folder()?, &[])
    }

    /// Starts one that scrapes `/metrics` of a `HOST:PORT` every second.
    ///
    /// # Errors
    /// If it is not installed or does not become ready.
    pub fn scraping(target: &str) -> Result<Self> {
        let dir = folder()?;
        let path = dir.path().join("scrape.yml");
        // JSON is YAML too.
        let text = json!({
            "global": {"scrape_interval": "1s"},
            "scrape_configs": [{
                "job_name": "seamless",
                "static_configs": [{"targets": [target]}],
            }],
        });
        std::fs::write(&path, text.to_string()).context("cannot write the scrape configuration")?;
        let flag = format!("-promscrape.config={}", path.display());
        Self::with(dir, &[flag])
    }

    /// Starts one with a vmalert that evaluates these rules and whose answers about them it hands on.
    ///
    /// # Errors
    /// If either is not there, refuses the rules or does not become ready.
    pub fn evaluating(rules: &str) -> Result<Self> {
        let dir = folder()?;
        let path = dir.path().join("rules.yml");
        std::fs::write(&path, rules).context("cannot write the rules")?;
        // Each is told the other's address when it starts; vmalert does not mind that nobody is there yet.
        let vmalert = RefCell::new(None);
        let arguments = |port, dir: &Path| {
            let started = vmalert_of(port, &path);
            let address = match &started {
                Ok(vmalert) => vmalert.url(),
                Err(_) => String::new(),
            };
            vmalert.replace(Some(started));
            let mut arguments = of_victoria_metrics(port, dir);
            arguments.push(format!("-vmalert.proxyURL={address}"));
            arguments
        };
        let server = start_in(dir, VICTORIA_METRICS, "/health", &arguments)?;
        Ok(Self {
            server,
            _vmalert: vmalert.into_inner().transpose()?,
        })
    }

    fn with(dir: TempDir, more: &[String]) -> Result<Self> {
        let arguments = |port, dir: &Path| {
            let mut arguments = of_victoria_metrics(port, dir);
            arguments.extend_from_slice(more);
            arguments
        };
        Ok(Self {
            server: start_in(dir, VICTORIA_METRICS, "/health", &arguments)?,
            _vmalert: None,
        })
    }
}

fn of_victoria_metrics(port: u16, dir: &Path) -> Vec<String> {
    vec![
        format!("-httpListenAddr=127.0.0.1:{port}"),
        format!("-storageDataPath={}", dir.join("data").display()),
        // Queries see samples at once, not 30 seconds later.
        "-search.latencyOffset=0s".to_owned(),
    ]
}

/// A vmalert that evaluates rules for the VictoriaMetrics on that port and tells nobody of its alerts.
fn vmalert_of(victoria_metrics: u16, rules: &Path) -> Result<Server> {
    let database = format!("http://127.0.0.1:{victoria_metrics}");
    let arguments = |port, _: &Path| {
        vec![
            format!("-httpListenAddr=127.0.0.1:{port}"),
            format!("-rule={}", rules.display()),
            format!("-datasource.url={database}"),
            format!("-remoteWrite.url={database}"),
            "-notifier.blackhole".to_owned(),
        ]
    };
    start(VMALERT, "/health", &arguments)
}

impl NodeExporter {
    /// Starts one whose textfile collector reads `*.prom` in `textfiles`.
    ///
    /// # Errors
    /// If it is not installed or does not become ready.
    pub fn start(textfiles: &Path) -> Result<Self> {
        let arguments = |port, _: &Path| {
            vec![
                format!("--web.listen-address=127.0.0.1:{port}"),
                "--collector.disable-defaults".to_owned(),
                "--collector.textfile".to_owned(),
                format!("--collector.textfile.directory={}", textfiles.display()),
            ]
        };
        start(NODE_EXPORTER, "/metrics", &arguments).map(Self)
    }
}

impl Deref for Pushgateway {
    type Target = Server;
    fn deref(&self) -> &Server {
        &self.0
    }
}

impl Deref for VictoriaMetrics {
    type Target = Server;
    fn deref(&self) -> &Server {
        &self.server
    }
}

impl Deref for NodeExporter {
    type Target = Server;
    fn deref(&self) -> &Server {
        &self.0
    }
}
