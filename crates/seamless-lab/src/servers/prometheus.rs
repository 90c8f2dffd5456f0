//! A real Prometheus and its configuration.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::launch::{Launch, Server};
use super::program::PROMETHEUS;

/// The user and password that a Prometheus with [`PrometheusBuilder::basic_auth`] asks for.
pub const BASIC_AUTH: (&str, &str) = ("admin", "test");
// bcrypt of that password, at the lowest cost: it is checked on every request.
const BASIC_AUTH_HASH: &str = "$2b$04$4.Z9uJrWg2SWHN6hmPFQmuxes9NhNztJV1zt3mmqDZLaUr6m8irZy";

const CONFIG_FILE: &str = "prometheus.yml";
const RULES_FILE: &str = "rules.yml";

/// A running Prometheus.
#[derive(Debug)]
pub struct Prometheus(Server);

/// What a Prometheus is to be like.
#[derive(Debug, Clone)]
pub struct PrometheusBuilder {
    scrape_interval: Duration,
    evaluation_interval: Duration,
    scrape_configs: Vec<Value>,
    rules: String,
    alertmanagers: Vec<String>,
    remote_writes: Vec<Value>,
    external_labels: BTreeMap<String, String>,
    prefix: String,
    basic_auth: bool,
    retention: String,
    flags: Vec<String>,
}

/// One element of an instant vector.
#[derive(Debug, Clone, PartialEq)]
pub struct InstantSample {
    /// Its labels, the name included.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

impl Prometheus {
    /// A Prometheus that scrapes nothing yet, every second (a busy machine misses shorter timeouts).
    #[must_use]
    pub fn builder() -> PrometheusBuilder {
        PrometheusBuilder {
            scrape_interval: Duration::from_secs(1),
            evaluation_interval: Duration::from_millis(500),
            scrape_configs: Vec::new(),
            rules: String::new(),
            alertmanagers: Vec::new(),
            remote_writes: Vec::new(),
            external_labels: BTreeMap::new(),
            prefix: String::new(),
            basic_auth: false,
            retention: "35d".to_owned(),
            flags: Vec::new(),
        }
    }

    /// Evaluates an expression now.
    ///
    /// # Errors
    /// If it cannot be evaluated, or yields something other than a vector or a scalar.
    pub fn query(&self, expression: &str) -> Result<Vec<InstantSample>> {
        #[derive(Deserialize)]
        struct QueryAnswer {
            data: QueryData,
        }
        #[derive(Deserialize)]
        #[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
        enum QueryData {
            Vector(Vec<QueryElement>),
            Scalar((f64, String)),
        }
        #[derive(Deserialize)]
        struct QueryElement {
            metric: BTreeMap<String, String>,
            value: (f64, String),
        }
        let text = self.get("/api/v1/query", &[("query", expression)])?;
        let answer: QueryAnswer = serde_json::from_str(&text)
            .with_context(|| format!("not a vector of samples: {text}"))?;
        let number = |text: &str| text.parse().context("not a number");
        match answer.data {
            QueryData::Scalar((_, value)) => Ok(vec![InstantSample {
                labels: BTreeMap::new(),
                value: number(&value)?,
            }]),
            QueryData::Vector(elements) => elements
                .into_iter()
                .map(|element| {
                    Ok(InstantSample {
                        labels: element.metric,
                        value: number(&element.value.1)?,
                    })
                })
                .collect(),
        }
    }

    /// Its alerts, pending and firing, as its API shows them.
    ///
    /// # Errors
    /// If they cannot be had.
    pub fn alerts(&self) -> Result<Vec<Value>> {
        let text = self.get("/api/v1/alerts", &[])?;
        let answer: Value = serde_json::from_str(&text).context("not JSON")?;
        Ok(answer["data"]["alerts"]
            .as_array()
            .cloned()
            .unwrap_or_default())
    }

    /// Replaces the rules and reloads.
    ///
    /// # Errors
    /// If Prometheus refuses them; it then goes on with the old ones.
    pub fn set_rules(&self, yaml: &str) -> Result<()> {
        fs::write(self.dir().join(RULES_FILE), yaml).context("cannot write the rules")?;
        self.post("/-/reload", None).map(drop)
    }
}

impl Prometheus {
    /// Changes the configuration and reloads.
    ///
    /// # Errors
    /// If Prometheus refuses it; it then goes on with the old one.
    pub fn change_config(&self, change: impl FnOnce(&mut Value)) -> Result<()> {
        let path = self.dir().join(CONFIG_FILE);
        let text = fs::read_to_string(&path).context("cannot read the configuration")?;
        let mut config = serde_json::from_str(&text).context("the configuration is no JSON")?;
        change(&mut config);
        fs::write(path, config.to_string()).context("cannot write the configuration")?;
        self.post("/-/reload", None).map(drop)
    }
}

impl PrometheusBuilder {
    /// How often targets are scraped, and the timeout; default 1 s.
    #[must_use]
    pub fn scrape_interval(mut self, interval: Duration) -> Self {
        self.scrape_interval = interval;
        self
    }

    /// How often rules are evaluated, where a group does not say; default 500 ms.
    #[must_use]
    pub fn evaluation_interval(mut self, interval: Duration) -> Self {
        self.evaluation_interval = interval;
        self
    }

    /// Scrapes `/metrics` of these `HOST:PORT` targets.
    #[must_use]
    pub fn scrape<T: Into<String>>(self, job: &str, targets: impl IntoIterator<Item = T>) -> Self {
        let targets: Vec<String> = targets.into_iter().map(Into::into).collect();
        self.scrape_config(json!({
            "job_name": job,
            "static_configs": [{"targets": targets}],
        }))
    }

    /// Scrapes what the service-discovery files matching `pattern` (`/folder/*.json`) name.
    #[must_use]
    pub fn file_sd(self, job: &str, pattern: impl AsRef<Path>) -> Self {
        self.scrape_config(json!({
            "job_name": job,
            "file_sd_configs": [{
                "files": [pattern.as_ref()],
                "refresh_interval": "1s",
            }],
        }))
    }

    /// Adds a scrape configuration as it stands in `scrape_configs`.
    #[must_use]
    pub fn scrape_config(mut self, config: Value) -> Self {
        self.scrape_configs.push(config);
        self
    }

    /// Loads this rule file.
    #[must_use]
    pub fn rules(mut self, yaml: impl Into<String>) -> Self {
        self.rules = yaml.into();
        self
    }

    /// Sends alerts to the Alertmanager at `HOST:PORT`, or `HOST:PORT/prefix`.
    #[must_use]
    pub fn alertmanager(mut self, address: impl Into<String>) -> Self {
        self.alertmanagers.push(address.into());
        self
    }

    /// A label that alerts and federated series carry, such as a cluster's name.
    #[must_use]
    pub fn external_label(mut self, name: &str, value: &str) -> Self {
        self.external_labels
            .insert(name.to_owned(), value.to_owned());
        self
    }

    /// Answers below a path such as `/prometheus` instead of `/`.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Asks for [`BASIC_AUTH`].
    #[must_use]
    pub fn basic_auth(mut self) -> Self {
        self.basic_auth = true;
        self
    }

    /// Sends what it scrapes, native histograms too, to the URL of a receiver by remote write 2.0, which Prometheus
    /// has from 3.0 on.
    #[must_use]
    pub fn remote_write(mut self, url: impl Into<String>) -> Self {
        self.remote_writes.push(json!({
            "url": url.into(),
            "protobuf_message": "io.prometheus.write.v2.Request",
            "send_native_histograms": true,
        }));
        self
    }

    /// Takes remote write at `/api/v1/write`.
    #[must_use]
    pub fn remote_write_receiver(self) -> Self {
        self.flag("--web.enable-remote-write-receiver")
    }

    /// Scrapes and stores native histograms.
    #[must_use]
    pub fn native_histograms(self) -> Self {
        self.flag("--enable-feature=native-histograms")
    }

    /// How long samples are kept, such as `1d`; by default 35 days, which the shipped rules need.
    #[must_use]
    pub fn retention(mut self, time: &str) -> Self {
        time.clone_into(&mut self.retention);
        self
    }

    /// Any further flag.
    #[must_use]
    pub fn flag(mut self, flag: impl Into<String>) -> Self {
        self.flags.push(flag.into());
        self
    }

    /// The configuration; JSON is YAML too.
    fn config(&self) -> Value {
        let alertmanagers: Vec<Value> = self
            .alertmanagers
            .iter()
            .map(|address| {
                let (host, prefix) = address.split_once('/').unwrap_or((address, ""));
                json!({
                    "path_prefix": format!("/{prefix}"),
                    "static_configs": [{"targets": [host]}],
                })
            })
            .collect();
        let global = json!({
            "scrape_interval": milliseconds(self.scrape_interval),
            "scrape_timeout": milliseconds(self.scrape_interval),
            "evaluation_interval": milliseconds(self.evaluation_interval),
            "external_labels": self.external_labels,
        });
        json!({
            "global": global,
            "rule_files": [RULES_FILE],
            "alerting": {"alertmanagers": alertmanagers},
            "remote_write": self.remote_writes,
            "scrape_configs": self.scrape_configs,
        })
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// If it is not installed, refuses its configuration or rules, or does not become ready.
    pub fn start(self) -> Result<Prometheus> {
        let dir = TempDir::with_prefix("seamless-lab-").context("no temporary folder")?;
        let write = |name: &str, text: &str| {
            fs::write(dir.path().join(name), text).with_context(|| format!("cannot write {name}"))
        };
        write(CONFIG_FILE, &self.config().to_string())?;
        write(RULES_FILE, &self.rules)?;
        if self.basic_auth {
            let users = json!({"basic_auth_users": {BASIC_AUTH.0: BASIC_AUTH_HASH}});
            write("web.yml", &users.to_string())?;
        }
        let arguments = |port, dir: &Path| {
            let mut arguments = vec![
                format!("--config.file={}", dir.join(CONFIG_FILE).display()),
                format!("--storage.tsdb.path={}", dir.join("data").display()),
                format!("--web.listen-address=127.0.0.1:{port}"),
                format!("--web.external-url=http://127.0.0.1:{port}{}", self.prefix),
                format!("--storage.tsdb.retention.time={}", self.retention),
                "--web.enable-lifecycle".to_owned(),
                "--web.enable-admin-api".to_owned(),
            ];
            if self.basic_auth {
                let file = dir.join("web.yml");
                arguments.push(format!("--web.config.file={}", file.display()));
            }
            arguments.extend(self.flags.iter().cloned());
            arguments
        };
        let credentials = self
            .basic_auth
            .then(|| format!("{}:{}", BASIC_AUTH.0, BASIC_AUTH.1));
        Launch {
            program: PROMETHEUS,
            dir,
            arguments: &arguments,
            prefix: &self.prefix,
            credentials: credentials.as_deref(),
            ready: "/-/ready",
        }
        .start()
        .map(Prometheus)
    }
}

fn milliseconds(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

impl Deref for Prometheus {
    type Target = Server;
    fn deref(&self) -> &Server {
        &self.0
    }
}
