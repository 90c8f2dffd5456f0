//! The command line.
//!
//! Owns what can be written there and what it means to the parser. What the parts mean together is
//! decided in [`crate::request`].

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use seamless_cli::{CoordinatorArgs, HttpArgs, TerminalArgs, duration, positive_duration};
use seamless_core::lease::{SpecError, check_written};

use crate::filter::Window;
use crate::limits::FailureLimit;

const EXAMPLES: &str = "\
Examples:
  lease-recover --coordinator-url https://coordinator --from-file - < leases.txt
  lease-recover --list
  lease-recover --stuck \\
    --key 'ohlcv:binance:BTC/USDT:1m:60:1735689600:1735693200::'
  lease-recover --stuck --older-than 30m --dry-run
  lease-recover --stuck --worker worker-7 --batch 10 --pause 30s \\
    --journal recovery.jsonl --verify
  lease-recover --list --stuck --output specs | lease-recover --from-file -
  lease-recover --list \\
    --output prometheus=/var/lib/seamless-ops/seamless_leases.prom

Exit codes:
  0    every lease is released
  1    a conflict, a failure, or a lease for which nothing was sent
  2    usage or configuration error; nothing was contacted
  3    undetermined: an outcome is unknown, none failed
  130  stopped by SIGINT (143: SIGTERM or SIGHUP), after the report";

/// Fails or completes stuck backfill leases.
///
/// A lease is named by its key and its token, KEY:TOKEN; the token follows the LAST colon. Arguments stand
/// in the list of processes, where other users of the machine see them: --from-file - keeps tokens out of it.
#[derive(Debug, Parser)]
#[command(name = "lease-recover", version, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Args {
    /// Leases to recover; the token follows the last colon
    #[arg(value_name = "KEY:TOKEN")]
    pub(crate) specs: Vec<String>,

    /// File of leases, one KEY:TOKEN or JSON object with key and token per line, # for comments;
    /// - reads stdin; repeatable
    #[arg(long, value_name = "FILE", help_heading = "Sources")]
    pub(crate) from_file: Vec<PathBuf>,
    /// Select from a worker's log (JSON lines, logfmt, structlog's output; .gz too): leases claimed, neither completed nor failed since, and stuck by the
    /// coordinator's list. Where the coordinator has no list, --yes takes them unchecked. - reads stdin;
    /// repeatable
    #[arg(long, value_name = "FILE", help_heading = "Sources")]
    pub(crate) from_logs: Vec<PathBuf>,
    /// Recover stuck leases: completion below --max-ratio and claimed longer than --older-than ago
    #[arg(long, help_heading = "Sources")]
    pub(crate) stuck: bool,
    /// Show the coordinator's leases and change nothing; with --stuck only the stuck ones
    #[arg(long, help_heading = "Sources", conflicts_with_all = [
        "specs", "from_file", "from_logs", "action", "reason", "dry_run", "yes", "journal", "verify",
        "max_failures", "rate", "audit_log", "batch", "pause", "limit", "concurrency", "verify_within", "await_reclaim",
    ])]
    pub(crate) list: bool,
    /// With --list: refresh the list at this interval, until Ctrl-C or another signal
    #[arg(
        long,
        value_name = "DURATION",
        requires = "list",
        value_parser = positive_duration,
        help_heading = "Sources"
    )]
    pub(crate) watch: Option<Duration>,

    /// Only leases less complete than this count as stuck, 0 to 1 [default: 0.5]
    #[arg(long, value_name = "RATIO", value_parser = ratio, help_heading = "Selection")]
    pub(crate) max_ratio: Option<f64>,
    /// Only leases claimed longer ago than this count as stuck; that a lease has expired proves nothing,
    /// since workers do not renew [default: 10m]
    #[arg(long, value_name = "DURATION", value_parser = duration, help_heading = "Selection")]
    pub(crate) older_than: Option<Duration>,
    /// Only the lease with exactly this key; it is taken even if the coordinator lists neither its completion
    /// nor when it was claimed; repeatable
    #[arg(long, value_name = "KEY", value_parser = key, help_heading = "Selection")]
    pub(crate) key: Vec<String>,
    /// Only leases of exactly this node id, colons included; repeatable
    #[arg(long, value_name = "NODE_ID", help_heading = "Selection")]
    pub(crate) node: Vec<String>,
    /// Only leases of this world, '' for leases without one; repeatable
    #[arg(long, value_name = "WORLD_ID", help_heading = "Selection")]
    pub(crate) world: Vec<String>,
    /// Only leases that the coordinator lists as held by this worker; repeatable
    #[arg(long, value_name = "WORKER", help_heading = "Selection")]
    pub(crate) worker: Vec<String>,
    /// Only leases of bars of this length, in seconds; repeatable
    #[arg(long, value_name = "SECONDS", help_heading = "Selection")]
    pub(crate) interval: Vec<u64>,
    /// Only leases whose window overlaps this one; times as 2024-01-01T00:00:00Z or seconds since 1970
    #[arg(long, value_name = "FROM..TO", help_heading = "Selection")]
    pub(crate) window: Option<Window>,
    /// At most N leases, the oldest first
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u64).range(1..),
        help_heading = "Selection"
    )]
    pub(crate) limit: Option<u64>,
    /// Exit with 1 if no lease matches; without this option that is 0
    #[arg(long, help_heading = "Selection")]
    pub(crate) fail_if_none: bool,

    /// What a lease becomes
    #[arg(long, value_enum, default_value_t, help_heading = "Recovery")]
    pub(crate) action: ActionWord,
    /// Why, for the coordinator's log and the audit events
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "manual_recovery",
        help_heading = "Recovery"
    )]
    pub(crate) reason: String,
    /// Show what would be done; nothing is changed or written, and for explicit leases nothing is
    /// contacted
    #[arg(long, help_heading = "Recovery")]
    pub(crate) dry_run: bool,
    /// Do not ask before recovering what --stuck or --from-logs selected
    #[arg(long, short, help_heading = "Recovery")]
    pub(crate) yes: bool,
    /// Requests in flight, 1 to 1024
    #[arg(long, value_name = "N", default_value = "16", value_parser = clap::value_parser!(u16).range(1..=1024), help_heading = "Recovery")]
    pub(crate) concurrency: u16,
    /// Requests per second; without it, as fast as the coordinator answers
    #[arg(long, value_name = "N", value_parser = rate, help_heading = "Recovery")]
    pub(crate) rate: Option<f64>,
    /// Send one lease first, then N at a time; stop after a batch with a failed or unknown outcome
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..),
        help_heading = "Recovery"
    )]
    pub(crate) batch: Option<u32>,
    /// Wait this long between batches
    #[arg(long, value_name = "DURATION", requires = "batch", value_parser = duration, help_heading = "Recovery")]
    pub(crate) pause: Option<Duration>,
    /// Stop after more than N (or N%) failed or unknown outcomes
    #[arg(long, value_name = "N|N%", help_heading = "Recovery")]
    pub(crate) max_failures: Option<FailureLimit>,
    /// Record outcomes here; rerun with the same file to resume
    #[arg(long, value_name = "FILE", help_heading = "Recovery")]
    pub(crate) journal: Option<PathBuf>,
    /// Afterwards read the coordinator's list until no recovered lease is held any more
    #[arg(long, help_heading = "Recovery", conflicts_with = "dry_run")]
    pub(crate) verify: bool,
    /// Give up on --verify after this long
    #[arg(
        long,
        value_name = "DURATION",
        requires = "verify",
        default_value = "10s",
        value_parser = duration,
        help_heading = "Recovery"
    )]
    pub(crate) verify_within: Duration,
    /// After --verify wait up to this long for other workers to claim the windows; exit with 1 if they have
    /// not. A window that nobody requests is not claimed again
    #[arg(
        long,
        value_name = "DURATION",
        requires = "verify",
        value_parser = positive_duration,
        help_heading = "Recovery"
    )]
    pub(crate) await_reclaim: Option<Duration>,

    /// Format of the result on stdout: text, json, specs (KEY:TOKEN lines, with --list or --dry-run), or
    /// with --list prometheus, prometheus=FILE (replaced whole, for a textfile collector)
    #[arg(long, short, value_name = "FORMAT", default_value = "text", value_parser = output, help_heading = "Output")]
    pub(crate) output: Output,
    /// With --output prometheus: push the list to this Pushgateway instead
    #[arg(long, value_name = "URL", requires = "list", help_heading = "Output")]
    pub(crate) push_gateway: Option<String>,
    /// Show whole tokens, with --output json
    #[arg(long, help_heading = "Output")]
    pub(crate) show_tokens: bool,
    /// Append each outcome as a structured event to this file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) audit_log: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) terminal: TerminalArgs,
    #[command(flatten)]
    pub(crate) coordinator: CoordinatorArgs,
    #[command(flatten)]
    pub(crate) http: HttpArgs,
}

/// `--action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ActionWord {
    /// Give it up: another worker may claim the window
    #[default]
    Fail,
    /// Mark the window as done
    Complete,
}

/// `--output`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// One document, complete on every exit path.
    Json,
    /// KEY:TOKEN lines that feed --from-file.
    Specs,
    /// The list as metrics, to stdout or a file.
    Prometheus(Option<PathBuf>),
}

fn output(text: &str) -> Result<Output, String> {
    match text.split_once('=') {
        None => match text {
            "text" => Ok(Output::Text),
            "json" => Ok(Output::Json),
            "specs" => Ok(Output::Specs),
            "prometheus" => Ok(Output::Prometheus(None)),
            _ => Err("one of text, json, specs, prometheus, prometheus=FILE".to_owned()),
        },
        Some(("prometheus", file)) if !file.is_empty() => Ok(Output::Prometheus(Some(file.into()))),
        Some(_) => Err("only prometheus=FILE writes to a file".to_owned()),
    }
}

fn ratio(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|ratio| (0.0..=1.0).contains(ratio))
        .ok_or_else(|| "it must be a number from 0 to 1".to_owned())
}

fn rate(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|rate| (0.001..=1e6).contains(rate))
        .ok_or_else(|| "it must be a number of requests per second, at least 0.001".to_owned())
}

fn key(text: &str) -> Result<String, String> {
    let wrong = |error: SpecError| match error {
        SpecError::Pasted(what) => format!("{what}; give the key alone"),
        other => other.to_string(),
    };
    check_written(text).map_err(wrong)?;
    Ok(text.to_owned())
}
