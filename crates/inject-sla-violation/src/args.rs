//! The command line. Owns its syntax; what it asks for is checked in `request`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use seamless_cli::{HttpArgs, PrometheusArgs, TerminalArgs};
use seamless_core::exposition::is_label_name;
use seamless_core::rules::Profile;
use seamless_core::schema::{Buckets, DRILL_LABEL, FAMILIES, Phase};

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
    #[arg(value_name = "NODE_ID", value_parser = node_id, required_unless_present = "cleanup")]
    pub(crate) node_id: Option<String>,

    /// Latency that each synthetic request reports, in seconds or as a duration (not how long the drill
    /// runs: --hold) [default: 180]
    #[arg(long, value_name = "DURATION", value_parser = lasting, allow_hyphen_values = true)]
    pub(crate) duration: Option<Duration>,
    /// Observations per phase and per step [default: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000), allow_hyphen_values = true)]
    pub(crate) repetitions: Option<u64>,
    /// Phase to observe; repeatable, by default all
    #[arg(long, value_name = "PHASE", value_parser = phases())]
    pub(crate) phase: Vec<Phase>,
    /// Value of the label interval, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = Args::INTERVAL, value_parser = clap::value_parser!(u64).range(1..=31_536_000), allow_hyphen_values = true)]
    pub(crate) interval: u64,
    /// Value of the label world_id
    #[arg(long, value_name = "ID", default_value = Args::WORLD_ID)]
    pub(crate) world_id: String,
    /// What goes wrong; repeatable
    #[arg(long, value_name = "SCENARIO", value_enum, default_value = "sla")]
    pub(crate) scenario: Vec<Scenario>,
    /// Buckets of the histograms: those of the schema, or the client library's defaults, which a platform has
    /// that was not given the schema's
    #[arg(long, value_name = "LAYOUT", default_value_t, value_parser = buckets())]
    pub(crate) buckets: Buckets,
    /// Which histograms to expose: native ones need a Prometheus that scrapes them (by protobuf) from --serve;
    /// both exposes native ones to such a Prometheus and classic ones to everybody else
    #[arg(long, value_name = "KIND", value_enum, default_value_t = Histograms::Classic)]
    pub(crate) histograms: Histograms,
    /// Copies of every series under further node ids
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000), allow_hyphen_values = true)]
    pub(crate) nodes: u64,
    /// Copies of every series under further world ids
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000), allow_hyphen_values = true)]
    pub(crate) worlds: u64,
    /// Seed of everything random, the drill's id included: the same seed gives the same run
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Value of the label drill [default: generated]
    #[arg(long, value_name = "ID", value_parser = drill_id)]
    pub(crate) drill_id: Option<String>,
    /// A further label of every series, for routes and rules that ask for one, such as cluster=eu; repeatable
    #[arg(long, value_name = "NAME=VALUE", value_parser = label)]
    pub(crate) label: Vec<(String, String)>,

    /// Write the exposition to a file, atomically; - is stdout. With --hold, again with every step, and the
    /// file is removed at the end
    #[arg(long, value_name = "PATH", help_heading = "Sinks")]
    pub(crate) write_to: Option<PathBuf>,
    /// Leave the file of --write-to at the end of --hold, with the drill's last values
    #[arg(long, help_heading = "Sinks", requires = "write_to")]
    pub(crate) keep: bool,
    /// Serve /metrics; the default host is 127.0.0.1 (0.0.0.0 or [::] listens everywhere), port 0 picks a
    /// free one
    #[arg(long, value_name = "[HOST:]PORT", help_heading = "Sinks")]
    pub(crate) serve: Option<String>,
    /// Announce --serve to Prometheus in this file of file-based service discovery; the drill's entry is
    /// removed at exit, those of other drills stay
    #[arg(long, value_name = "PATH", help_heading = "Sinks")]
    pub(crate) file_sd: Option<PathBuf>,
    /// Address to announce in --file-sd, if Prometheus reaches this machine by another one than that of
    /// --serve; the default port is that of --serve
    #[arg(
        long,
        value_name = "HOST[:PORT]",
        help_heading = "Sinks",
        requires = "file_sd"
    )]
    pub(crate) advertise: Option<String>,
    /// Push each step to a Pushgateway, as a group of its own that is deleted at the end
    #[arg(long, value_name = "URL", help_heading = "Sinks")]
    pub(crate) push_gateway: Option<String>,
    /// Send each step by Prometheus remote write
    #[arg(long, value_name = "URL", help_heading = "Sinks")]
    pub(crate) remote_write: Option<String>,

    /// How long the drill lasts [default: 60s, or --within with --expect-alert]
    #[arg(long, value_name = "DURATION", help_heading = "Course", value_parser = lasting, allow_hyphen_values = true)]
    pub(crate) hold: Option<Duration>,
    /// How often counters advance [default: 5s, or half of a shorter --hold]
    #[arg(long, value_name = "DURATION", help_heading = "Course", value_parser = step, allow_hyphen_values = true)]
    pub(crate) step: Option<Duration>,
    /// Switch to healthy values after this long, so that alerts resolve
    #[arg(long, value_name = "DURATION", help_heading = "Course", value_parser = lasting, allow_hyphen_values = true)]
    pub(crate) recover_after: Option<Duration>,
    /// Remove what the drill of this id has left with the given sinks (after a kill -9), and inject nothing
    #[arg(long, value_name = "DRILL_ID", help_heading = "Course", value_parser = drill_id, conflicts_with_all = ["drill_id", "dry_run", "duration", "repetitions", "seed", "hold", "step", "recover_after", "keep", "advertise", "expect_alert", "rules", "profile", "yes", "silence"])]
    pub(crate) cleanup: Option<String>,

    /// Start a drill that should fire a critical alert without asking: whoever is on call gets paged
    #[arg(long, help_heading = "Before it pages")]
    pub(crate) yes: bool,
    /// Mute this drill at every receiver by a silence on its id in Alertmanager, for as long as it lasts;
    /// needs --alertmanager-url
    #[arg(long, help_heading = "Before it pages")]
    pub(crate) silence: bool,

    /// Wait until this alert has fired for this drill's series, with --alertmanager-url until its receivers
    /// were told, and with --recover-after until it has resolved; repeatable; needs --prometheus-url
    #[arg(long, value_name = "ALERT", help_heading = "Closed loop")]
    pub(crate) expect_alert: Vec<String>,
    /// Give up on --expect-alert after this long [default: 10m]
    #[arg(long, value_name = "DURATION", help_heading = "Closed loop", value_parser = lasting, allow_hyphen_values = true)]
    pub(crate) within: Option<Duration>,
    /// Receiver that has to be told of --expect-alert; without it, every receiver that its routes lead to
    #[arg(
        long,
        value_name = "NAME",
        help_heading = "Closed loop",
        requires = "expect_alert"
    )]
    pub(crate) expect_receiver: Option<String>,
    /// Predict alerts from this file instead of Prometheus's loaded rules
    #[arg(long, value_name = "FILE", help_heading = "Closed loop")]
    pub(crate) rules: Option<PathBuf>,
    /// Predict alerts from the shipped rules with these thresholds, where no Prometheus is asked for its own
    /// [default: baseline]
    #[arg(long, value_name = "PROFILE", value_parser = profiles(), conflicts_with = "rules", help_heading = "Closed loop")]
    pub(crate) profile: Option<Profile>,

    /// Print the plan, and write, serve and contact nothing (but read the rules of a given Prometheus and
    /// the routes of a given Alertmanager)
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Format of the report
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = OutputFormat::Text, help_heading = "Output")]
    pub(crate) output: OutputFormat,

    #[command(flatten)]
    pub(crate) terminal: TerminalArgs,
    #[command(flatten)]
    pub(crate) prometheus: PrometheusArgs,
    /// Base URL of Alertmanager, path prefix included; repeatable for those that work together
    /// [env: QMTL_ALERTMANAGER_URL]
    #[arg(long, value_name = "URL", help_heading = "Endpoints")]
    pub(crate) alertmanager_url: Vec<String>,
    #[command(flatten)]
    pub(crate) http: HttpArgs,
}

impl Args {
    /// The interval unless told otherwise, in seconds.
    pub(crate) const INTERVAL: u64 = 60;
    /// The world unless told otherwise.
    pub(crate) const WORLD_ID: &str = "default";
}

/// Which histograms are exposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Histograms {
    /// Buckets with fixed bounds
    Classic,
    /// Native histograms, and no buckets
    Native,
    /// Both, to a Prometheus that scrapes native ones
    Both,
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
  inject-sla-violation seam-node-1 --duration 240 --write-to seamless.metrics
  inject-sla-violation seam-node-1 --scenario all --dry-run
  inject-sla-violation seam-node-1 --serve 0 --hold 15m \\
    --file-sd /etc/prometheus/drills/drills.json \\
    --alertmanager-url http://alertmanager:9093 --silence
  inject-sla-violation --cleanup drill-3f9a1c52 \\
    --file-sd /etc/prometheus/drills/drills.json

Exit codes:
  0    done
  1    an expected alert did not arrive, or a sink failed
  2    usage or configuration error; nothing was contacted
  3    undetermined: it could not be verified whether an expected alert arrived
  130  stopped by SIGINT (143: SIGTERM or SIGHUP), after cleaning up";

fn phases() -> impl TypedValueParser<Value = Phase> {
    let labels = Phase::ALL.map(Phase::label);
    PossibleValuesParser::new(labels)
        .try_map(|label| Phase::from_label(&label).ok_or_else(|| format!("{label} is no phase")))
}

fn buckets() -> impl TypedValueParser<Value = Buckets> {
    let described = |buckets: Buckets| {
        PossibleValue::new(buckets.name()).help(match buckets {
            Buckets::Schema => "The schema's",
            Buckets::Platform => "The client library's defaults, up to 10",
        })
    };
    PossibleValuesParser::new(Buckets::ALL.map(described)).try_map(|name| name.parse::<Buckets>())
}

fn profiles() -> impl TypedValueParser<Value = Profile> {
    let names = Profile::ALL.map(Profile::name);
    PossibleValuesParser::new(names)
        .try_map(|name| Profile::named(&name).ok_or_else(|| format!("{name} is no profile")))
}

fn node_id(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("it must not be empty".to_owned());
    }
    Ok(text.to_owned())
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| "write it like cluster=eu".to_owned())?;
    let reserved = name.starts_with("__") || ["le", "quantile", DRILL_LABEL].contains(&name);
    let of_schema = FAMILIES.iter().any(|family| family.labels.contains(&name));
    if !is_label_name(name) || reserved || of_schema {
        return Err(format!(
            "{name:?} cannot be used: a name matches [a-zA-Z_][a-zA-Z0-9_]*, and the families' own labels, drill, le, \
             quantile and names beginning with __ are taken"
        ));
    }
    if value.is_empty() {
        return Err("an empty value is the same as no label".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn drill_id(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    // A dot or two alone mean a folder in a Pushgateway's URL.
    let is_path = matches!(text, "." | "..");
    if text.is_empty() || text.len() > 128 || is_path || !text.chars().all(allowed) {
        return Err(
            "use up to 128 letters, digits, '.', '_' and '-' (no mere dots): routes, silences and clean-up key on it"
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
