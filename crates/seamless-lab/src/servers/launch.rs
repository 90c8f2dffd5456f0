//! Starting one server: a port, a folder, the wait until it is ready, the reason when it is not.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use seamless_core::http::{
    Body, Endpoint, HttpClient, HttpOptions, HttpRequest, HttpResponse, QUERY_BODY_LIMIT,
};
use tempfile::TempDir;

use super::program::Program;
use crate::background;
use crate::process::{Process, Start};

const READY_WITHIN: Duration = Duration::from_secs(60);
const PORT_ATTEMPTS: u32 = 5;
/// What a server that works hard, or a reload of many rules, is given.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// What a server that may not be there yet is given.
const PROBE_WITHIN: Duration = Duration::from_secs(5);

/// How to start a server.
pub(crate) struct Launch<'l> {
    /// What to start.
    pub(crate) program: Program,
    /// Its folder, with the configuration written.
    pub(crate) dir: TempDir,
    /// Its arguments, from its port and folder.
    pub(crate) arguments: &'l dyn Fn(u16, &Path) -> Vec<String>,
    /// The path prefix under which it answers: empty, or `/prometheus`.
    pub(crate) prefix: &'l str,
    /// `user:password`, when it asks for them.
    pub(crate) credentials: Option<&'l str>,
    /// The path that answers 200 when it is ready.
    pub(crate) ready: &'static str,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    // Killed before its folder is removed: fields are dropped in this order.
    process: Process,
    dir: TempDir,
    port: u16,
    prefix: String,
    endpoint: Endpoint,
}

impl Launch<'_> {
    /// Starts it and waits until it is ready.
    pub(crate) fn start(self) -> Result<Server> {
        let program = self.program.require()?;
        let name = self.program.package;
        let mut last_port = 0;
        for _ in 0..PORT_ATTEMPTS {
            let port = free_port()?;
            last_port = port;
            let arguments = (self.arguments)(port, self.dir.path());
            let mut process = Start {
                program: &program,
                arguments: &arguments,
                environment: &[],
                dir: self.dir.path(),
                name,
            }
            .start()?;
            let userinfo = self
                .credentials
                .map(|credentials| format!("{credentials}@"));
            let url = format!(
                "http://{}127.0.0.1:{port}{}",
                userinfo.unwrap_or_default(),
                self.prefix
            );
            let endpoint = Endpoint::parse(name, &url, "the lab")?;
            if await_ready(&mut process, &endpoint, self.ready, name, port)? {
                return Ok(Server {
                    process,
                    dir: self.dir,
                    port,
                    prefix: self.prefix.to_owned(),
                    endpoint,
                });
            }
        }
        bail!(
            "{name} found its port taken {PORT_ATTEMPTS} times in a row, last {last_port}; is something taking every port?"
        )
    }
}

/// Whether it became ready; `false` if somebody else took the port first.
fn await_ready(
    process: &mut Process,
    endpoint: &Endpoint,
    ready: &str,
    name: &str,
    port: u16,
) -> Result<bool> {
    let end = Instant::now() + READY_WITHIN;
    loop {
        if let Some(status) = process.exited() {
            let log = process.log_tail();
            if log.contains("address already in use") {
                return Ok(false);
            }
            bail!("{name} did not start ({status}); the end of its log:\n{log}");
        }
        let answer = send(endpoint, &endpoint.url_of_path(ready), None, PROBE_WITHIN);
        // Another server may have taken the port first and given the answer.
        if answer.is_ok_and(|answer| answer.is_success()) && listens(process.id(), port) {
            return Ok(true);
        }
        if Instant::now() >= end {
            bail!(
                "{name} was not ready after {READY_WITHIN:?}; the end of its log:\n{}",
                process.log_tail()
            );
        }
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// Whether the process has a socket that listens on the port: proc_pid_net(5), `tcp` and `tcp6`.
fn listens(process: u32, port: u16) -> bool {
    const LISTEN: &str = "0A";
    let mut inodes = Vec::new();
    for table in ["tcp", "tcp6"] {
        let text = fs::read_to_string(format!("/proc/{process}/net/{table}")).unwrap_or_default();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [_, local, _, LISTEN, _, _, _, _, _, inode, ..] = fields[..] else {
                continue;
            };
            if local.ends_with(&format!(":{port:04X}")) {
                inodes.push(format!("socket:[{inode}]"));
            }
        }
    }
    let descriptors = fs::read_dir(format!("/proc/{process}/fd"));
    descriptors
        .into_iter()
        .flatten()
        .flatten()
        .any(|descriptor| {
            let target = fs::read_link(descriptor.path()).unwrap_or_default();
            inodes
                .iter()
                .any(|inode| target.as_os_str() == inode.as_str())
        })
}

/// Sends one request on a client of its own: the connection belongs to the runtime of this call.
fn send(
    endpoint: &Endpoint,
    url: &url::Url,
    body: Option<Body>,
    timeout: Duration,
) -> Result<HttpResponse> {
    background::run_here(async || {
        let options = HttpOptions {
            timeout,
            ..HttpOptions::default()
        };
        let http = HttpClient::new(options, [endpoint])?;
        let call = match body {
            None => HttpRequest::get(endpoint, url.clone(), QUERY_BODY_LIMIT),
            Some(body) => HttpRequest::post(endpoint, url.clone(), body, QUERY_BODY_LIMIT, false),
        };
        Ok(http.send(&call).await?)
    })
}

/// A port that nobody listens on now.
///
/// # Errors
/// If there is none.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port")?;
    Ok(listener.local_addr().context("no local address")?.port())
}

impl Server {
    /// `http://127.0.0.1:PORT`, with the path prefix, without credentials.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address(), self.prefix)
    }

    /// `127.0.0.1:PORT`: what a scrape target is written as.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Sends it a signal: `STOP` makes it hang, `CONT` go on.
    ///
    /// # Errors
    /// If it is not there any more.
    pub fn signal(&self, name: &str) -> Result<()> {
        crate::signal(self.process.id(), name)
    }

    /// Its temporary folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The child process: its id and log.
    #[must_use]
    pub const fn process(&self) -> &Process {
        &self.process
    }

    /// GETs `path` below its URL, with a query.
    ///
    /// # Errors
    /// If no whole answer came, or one that is not 2xx.
    pub fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<String> {
        let mut url = self.endpoint.url_of_path(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.checked(path, send(&self.endpoint, &url, None, ANSWER_WITHIN)?)
    }

    /// POSTs JSON (or nothing) to `path` below its URL.
    ///
    /// # Errors
    /// If no whole answer came, or one that is not 2xx.
    pub fn post(&self, path: &str, json: Option<&serde_json::Value>) -> Result<String> {
        let body = json.map_or(Body::Empty, |json| {
            Body::Json(json.to_string().into_bytes())
        });
        let url = self.endpoint.url_of_path(path);
        self.checked(path, send(&self.endpoint, &url, Some(body), ANSWER_WITHIN)?)
    }

    fn checked(&self, path: &str, answer: HttpResponse) -> Result<String> {
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        if !answer.is_success() {
            bail!("{} of {}: {}: {text}", path, self.url(), answer.described());
        }
        Ok(text)
    }
}
