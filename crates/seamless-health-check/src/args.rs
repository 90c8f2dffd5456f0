//! The command line. Owns its syntax; what it asks for is checked in `request`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use seamless_cli::{CoordinatorArgs, HttpArgs, PrometheusArgs, TerminalArgs};
use seamless_core::exposition::Scraper;

/// How old the newest sample of a metric may be, unless it is said.
pub(crate) const DEFAULT_MAX_AGE: &str = "5m";

/// Verify that a Seamless deployment is healthy, and that someone would be paged if it were not.
///
/// Checks run side by side and change nothing. --header and --bearer-token-file are for Prometheus
/// unless a prefix names another endpoint: prometheus=, coordinator=, alertmanager=, metrics=, traces=.
#[derive(Debug, Clone, Parser)]
#[command(name = "seamless-health-check", version, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Args {
    /// Metric to require instead of the schema's required ones; repeatable
    #[arg(long, value_name = "METRIC")]
    pub(crate) prometheus_metric: Vec<String>,
    /// How old the newest sample of a metric may be
    #[arg(long, value_name = "DURATION", default_value = DEFAULT_MAX_AGE, value_parser = seamless_cli::positive_duration)]
    pub(crate) max_age: Duration,
    /// Check or group to run, with the checks it depends on; repeatable
    #[arg(long, value_name = "ID")]
    pub(crate) only: Vec<String>,
    /// Check or group to leave out; repeatable
    #[arg(long, value_name = "ID")]
    pub(crate) skip: Vec<String>,
    /// Budget of a phase in seconds, instead of the schema's; repeatable
    #[arg(long, value_name = "PHASE=SECONDS")]
    pub(crate) budget: Vec<String>,
    /// Narrow every query to series with these labels, such as cluster="eu"
    #[arg(long, value_name = "MATCHERS")]
    pub(crate) selector: Option<String>,
    /// Environment variable that must be set; repeatable
    #[arg(long, value_name = "NAME")]
    pub(crate) required_env: Vec<String>,
    /// Path of the coordinator's health endpoint [default: /health, on 404 /healthz]
    #[arg(long, value_name = "PATH")]
    pub(crate) coordinator_health_path: Option<String>,

    /// URL of an exposition to check against the schema; used exactly as given, query and trailing slash included
    #[arg(long, value_name = "URL", conflicts_with = "metrics_file")]
    pub(crate) metrics_url: Option<String>,
    /// Exposition to check against the schema, from a file; - is stdin
    #[arg(long, value_name = "PATH")]
    pub(crate) metrics_file: Option<PathBuf>,
    /// Prometheus generation whose verdict on the exposition counts [default: that of
    /// --prometheus-url, else 3]
    #[arg(long, value_name = "GENERATION", value_enum)]
    pub(crate) scraper: Option<PrometheusGeneration>,

    /// Platform log to check for its events: JSON lines, logfmt or structlog's output, .gz too; - is stdin
    #[arg(long, value_name = "PATH")]
    pub(crate) logs: Option<PathBuf>,
    /// Traces to check for their spans: an OTLP/JSON file, or the base URL of an OTLP/HTTP receiver
    #[arg(long, value_name = "PATH|URL")]
    pub(crate) traces: Option<String>,

    /// Rule file that should be loaded, instead of the shipped rules; repeatable
    #[arg(long, value_name = "FILE", help_heading = "Path of an alert")]
    pub(crate) rules: Vec<PathBuf>,
    /// Thresholds that the rules were rendered with; by default those that the loaded rules have
    #[arg(
        long,
        value_name = "PROFILE",
        value_parser = ["baseline", "golden_signals"],
        conflicts_with = "rules",
        help_heading = "Path of an alert"
    )]
    pub(crate) profile: Option<String>,
    /// Configuration of Alertmanager to judge as if it were loaded
    #[arg(long, value_name = "FILE", help_heading = "Path of an alert")]
    pub(crate) alertmanager_config: Option<PathBuf>,
    /// Receivers that alerts of a severity must reach, such as critical=oncall; repeatable. By default a
    /// critical alert must reach pagerduty, opsgenie, victorops, incidentio, pushover or sns
    #[arg(
        long,
        value_name = "SEVERITY=NAME[,NAME]",
        help_heading = "Path of an alert"
    )]
    pub(crate) receiver: Vec<String>,
    /// Label that Prometheus adds to every alert (external_labels), if it cannot be asked; repeatable
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Path of an alert")]
    pub(crate) external_label: Vec<String>,
    /// If Prometheus scrapes neither itself nor Alertmanager, read their counters of failed notifications twice,
    /// some minutes apart
    #[arg(long, help_heading = "Path of an alert")]
    pub(crate) wait_delivery: bool,
    /// Explain a check, such as prometheus/present: what it means and what to do; or an alert, by its name: whom
    /// it reaches, by which route, and what holds it back
    #[arg(long, value_name = "CHECK|ALERT")]
    pub(crate) explain: Option<String>,
    /// List the checks instead of running them: what each asks, its worst verdict, and what it needs
    #[arg(long)]
    pub(crate) list: bool,
    /// Base URL of an Alertmanager, path prefix included; repeatable [env: QMTL_ALERTMANAGER_URL]
    #[arg(long, value_name = "URL", help_heading = "Endpoints")]
    pub(crate) alertmanager_url: Vec<String>,

    /// Retry until the exit code is 0, for at most this long
    #[arg(long, value_name = "DURATION", value_parser = seamless_cli::positive_duration)]
    pub(crate) wait: Option<Duration>,
    /// Pause between retries of --wait
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = seamless_cli::positive_duration)]
    pub(crate) interval: Duration,
    /// What makes the exit code 1
    #[arg(long, value_name = "VERDICT", value_enum, default_value_t)]
    pub(crate) fail_on: FailOn,

    /// Exit with 3 if a check was skipped and none failed
    #[arg(long)]
    pub(crate) strict: bool,

    /// Format of the result, or FORMAT=PATH to write one to a file as well; repeatable.
    /// One of text, short, paths, json, junit, nagios, prometheus, github
    #[arg(long, value_name = "FORMAT[=PATH]", help_heading = "Output")]
    pub(crate) output: Vec<String>,

    #[command(flatten)]
    pub(crate) terminal: TerminalArgs,
    #[command(flatten)]
    pub(crate) coordinator: CoordinatorArgs,
    #[command(flatten)]
    pub(crate) prometheus: PrometheusArgs,
    #[command(flatten)]
    pub(crate) http: HttpArgs,
}

/// What makes the exit code 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum FailOn {
    /// A failed check
    #[default]
    Fail,
    /// A failed check or a warning
    Warn,
}

/// A generation of Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum PrometheusGeneration {
    /// Before 3.0
    #[value(name = "2")]
    Two,
    /// 3.0 and later
    #[value(name = "3")]
    Three,
}

impl PrometheusGeneration {
    pub(crate) const fn scraper(self) -> Scraper {
        match self {
            Self::Two => Scraper::Prometheus2,
            Self::Three => Scraper::Prometheus3,
        }
    }
}

const AFTER_HELP: &str = "\
Examples:
  seamless-health-check --list
  seamless-health-check --explain prometheus/present
  seamless-health-check --prometheus-metric backfill_completion_ratio
  seamless-health-check --wait 5m --output github --output junit=seamless.xml
  seamless-health-check --only telemetry --logs worker.log --traces traces.jsonl
  curl -sf \"$SEAMLESS_METRICS_URL\" |
    seamless-health-check --metrics-file - --only exposition

Exit codes:
  0    healthy
  1    not healthy
  2    usage or configuration error; nothing was contacted
  3    undetermined: a check could not run, none failed
  130  stopped by SIGINT (143: SIGTERM or SIGHUP)
With --output nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN or a usage error";
