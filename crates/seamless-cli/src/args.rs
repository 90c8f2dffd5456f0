//! Argument groups that mean the same in every program.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::color::ColorChoice;

/// Reads a duration for the argument parser.
///
/// # Errors
/// The reason in words.
pub fn duration(text: &str) -> Result<Duration, String> {
    seamless_core::duration::parse(text).map_err(|error| error.to_string())
}

/// Reads a duration longer than zero for the argument parser.
///
/// # Errors
/// The reason in words.
pub fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("it must be longer than 0".to_owned()),
        positive => Ok(positive),
    }
}

/// How the streams look.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct TerminalArgs {
    /// Print the result only when the exit code is not 0, and no progress
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// When to use colour
    #[arg(long, value_name = "WHEN", value_enum, default_value_t, global = true)]
    pub color: ColorChoice,
}

/// Where the coordinator is.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Endpoints")]
pub struct CoordinatorArgs {
    /// Base URL of the backfill coordinator, with or without a trailing /v1
    /// [env: QMTL_SEAMLESS_COORDINATOR_URL]
    #[arg(long, value_name = "URL")]
    pub coordinator_url: Option<String>,
}

/// Where Prometheus is.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Endpoints")]
pub struct PrometheusArgs {
    /// Base URL of Prometheus, path prefix included [env: QMTL_PROMETHEUS_URL]
    #[arg(long, value_name = "URL")]
    pub prometheus_url: Option<String>,
}

/// Where Alertmanager is.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Endpoints")]
pub struct AlertmanagerArgs {
    /// Base URL of Alertmanager, path prefix included [env: QMTL_ALERTMANAGER_URL]
    #[arg(long, value_name = "URL")]
    pub alertmanager_url: Option<String>,
}

/// How endpoints are reached.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connection")]
pub struct HttpArgs {
    /// Configuration file; by default qmtl.yml or qmtl.yaml in the working folder, if there is one
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Deployment to work on, from config.yml in ~/.config/seamless-ops or /etc/seamless-ops; overrides URLs
    /// of the environment [env: SEAMLESS_CONTEXT, which they override]
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// Show each request on stderr, with its status, attempt and time
    #[arg(long, short)]
    pub verbose: bool,
    /// Timeout of one request, from connecting to the last byte
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = positive_duration)]
    pub timeout: Duration,
    /// Deadline of the whole run
    #[arg(long, value_name = "DURATION", value_parser = positive_duration)]
    pub deadline: Option<Duration>,
    /// Header for the main endpoint, such as 'X-Scope-OrgID: tenant-1'; repeatable. A prefix ENDPOINT= names
    /// another one; an unknown prefix is refused, and those known are listed. An Authorization header
    /// replaces credentials of the URL and the environment
    #[arg(long, value_name = "NAME: VALUE")]
    pub header: Vec<String>,
    /// File whose first line is the bearer token for the main endpoint; a prefix names another, as with
    /// --header. It replaces credentials of the URL and the environment [env: QMTL_SEAMLESS_COORDINATOR_TOKEN_FILE, QMTL_PROMETHEUS_TOKEN_FILE]
    #[arg(long, value_name = "FILE")]
    pub bearer_token_file: Vec<String>,
    /// PEM file of authorities to trust beside those of the system
    #[arg(long, value_name = "FILE")]
    pub ca_cert: Option<PathBuf>,
    /// PEM file of the client's certificate, for the main endpoint
    #[arg(long, value_name = "FILE", requires = "client_key")]
    pub client_cert: Option<PathBuf>,
    /// PEM file of the client certificate's key
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    pub client_key: Option<PathBuf>,
}
