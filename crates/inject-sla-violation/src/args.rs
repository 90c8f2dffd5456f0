//! The command line. Owns its syntax; what it asks for is checked in `request`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use seamless_cli::{AlertmanagerArgs, HttpArgs, PrometheusArgs, TerminalArgs};
use seamless_core::schema::Phase;

use crate::scenario::Scenario;

/// Nobody means a drill, or an observation, that is longer.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);
const SHORTEST_STEP: Duration = Duration::from_millis(100);

/// Show, without a real incident, that panels draw and alerts fire.
///
/// Exposes synthetic series of the Seamless runtime's metrics, every one with a label `drill`, that
/// start at 0 and move with every step. Without a sink the exposition goes to stdout. --header and
/// --bearer-token-file are for Prometheus where an alert is awaited, else for the one push sink; the
/// prefixes prometheus=, alertmanager=, push-gateway= and remote-write= name an endpoint.
#[derive(Debug, Parser)]
#[command(name = "inject-sla-violation", version, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Args {
    /// Value of the label node_id
    #[arg(value_name = "NODE_ID", value_parser = node_id)]
    pub(crate) node_id: String,

    /// What each observation records, in seconds or as a duration
    #[arg(long, value_name = "DURATION", default_value = "180", value_parser = lasting, allow_hyphen_values = true)]
    pub(crate) duration: Duration,
    /// Observations per phase and per step
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000), allow_hyphen_values = true)]
    pub(crate) repetitions: u64,
    /// Phase to observe; repeatable, by default all
    #[arg(long, value_name = "PHASE", value_parser = phases())]
    pub(crate) phase: Vec<Phase>,
    /// Value of the label interval, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=31_536_000), allow_hyphen_values = true)]
    pub(crate) interval: u64,
    /// Value of the label world_id
    #[arg(long, value_name = "ID", default_value = "default")]
    pub(crate) world_id: String,
    /// What goes wrong; repeatable
    #[arg(long, value_name = "SCENARIO", value_enum, default_value = "sla")]
    pub(crate) scenario: Vec<Scenario>,
    /// Copies of every series under further node ids
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000), allow_hyphen_values = true)]
    pub(crate) nodes: u64,
    /// Copies of every series under further world ids
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000), allow_hyphen_values = true)]
    pub(crate) worlds: u64,
    /// Makes everything that is random the same in every run, the drill's id included
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Value of the label drill [default: generated]
    #[arg(long, value_name = "ID", value_parser = drill_id)]
    pub(crate) drill_id: Option<String>,

    /// Write the exposition to a file, atomically; - is stdout. With --hold, again with every step
    #[arg(long, value_name = "PATH", help_heading = "Sinks")]
    pub(crate) write_to: Option<PathBuf>,
    /// Serve /metrics; the default host is 127.0.0.1, port 0 picks a free one
    #[arg(long, value_name = "[HOST:]PORT", help_heading = "Sinks")]
    pub(crate) serve: Option<String>,
    /// Announce --serve to Prometheus in a file-based service discovery file, removed at exit
    #[arg(long, value_name = "PATH", help_heading = "Sinks", requires = "serve")]
    pub(crate) file_sd: Option<PathBuf>,
    /// Push each step to a Pushgateway, as a group of its own that is deleted at the end
    #[arg(long, value_name = "URL", help_heading = "Sinks")]
    pub(crate) push_gateway: Option<String>,
    /// Send each step by Prometheus remote write
    #[arg(long, value_name = "URL", help_heading = "Sinks")]
    pub(crate) remote_write: Option<String>,

    /// How long the drill lasts [default: 60s, or --within with --expect-alert]
    #[arg(long, value_name = "DURATION", help_heading = "Course", value_parser = lasting, allow_hyphen_values = true)]
    pub(crate) hold: Option<Duration>,
    /// How often counters advance
    #[arg(long, value_name = "DURATION", help_heading = "Course", default_value = "5s", value_parser = step, allow_hyphen_values = true)]
    pub(crate) step: Duration,
    /// After how long the series turn healthy, so that alerts resolve
    #[arg(long, value_name = "DURATION", help_heading = "Course", value_parser = lasting, allow_hyphen_values = true)]
    pub(crate) recover_after: Option<Duration>,

    /// Wait until this alert has fired for this drill's series, and with --recover-after until it has
    /// resolved; repeatable; needs --prometheus-url
    #[arg(long, value_name = "ALERT", help_heading = "Closed loop")]
    pub(crate) expect_alert: Vec<String>,
    /// How long to wait for that
    #[arg(long, value_name = "DURATION", help_heading = "Closed loop", default_value = "10m", value_parser = lasting, allow_hyphen_values = true)]
    pub(crate) within: Duration,
    /// Rule file to predict alerts from, instead of what Prometheus has loaded
    #[arg(long, value_name = "FILE", help_heading = "Closed loop")]
    pub(crate) rules: Option<PathBuf>,

    /// Print the plan, and write, serve and contact nothing (but read the rules of a given Prometheus)
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Format of the report
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = OutputFormat::Text, help_heading = "Output")]
    pub(crate) output: OutputFormat,

    #[command(flatten)]
    pub(crate) terminal: TerminalArgs,
    #[command(flatten)]
    pub(crate) prometheus: PrometheusArgs,
    #[command(flatten)]
    pub(crate) alertmanager: AlertmanagerArgs,
    #[command(flatten)]
    pub(crate) http: HttpArgs,
}

/// How the report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people
    Text,
    /// One JSON document
    Json,
}

const AFTER_HELP: &str = "\
Examples:
  inject-sla-violation seam-node-1 --duration 240 --repetitions 5 --write-to /tmp/seamless.metrics
  inject-sla-violation seam-node-1 --serve 0 --file-sd /etc/prometheus/drills/sla.json --hold 15m
  inject-sla-violation seam-node-1 --scenario all --dry-run

Exit codes: 0 done; 1 an expected alert did not arrive, or a sink failed; 2 usage or configuration error;
3 could not tell; 130/143 stopped by SIGINT/SIGTERM, after cleaning up.";

fn phases() -> impl TypedValueParser<Value = Phase> {
    let labels = Phase::ALL.map(Phase::label);
    PossibleValuesParser::new(labels)
        .try_map(|label| Phase::from_label(&label).ok_or_else(|| format!("{label} is no phase")))
}

fn node_id(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("it must not be empty".to_owned());
    }
    Ok(text.to_owned())
}

fn drill_id(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if text.is_empty() || text.len() > 128 || !text.chars().all(allowed) {
        return Err(
            "use up to 128 letters, digits, '.', '_' and '-': routes, silences and clean-up key on it"
                .to_owned(),
        );
    }
    Ok(text.to_owned())
}

fn lasting(text: &str) -> Result<Duration, String> {
    let duration = seamless_cli::positive_duration(text)?;
    if duration > LONGEST {
        return Err("the longest that is accepted is 30d".to_owned());
    }
    Ok(duration)
}

fn step(text: &str) -> Result<Duration, String> {
    let step = lasting(text)?;
    if step < SHORTEST_STEP {
        return Err("the shortest step is 100ms".to_owned());
    }
    Ok(step)
}
