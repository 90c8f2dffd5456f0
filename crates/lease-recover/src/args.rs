//! The command line.
//!
//! Owns what can be written there and what it means to the parser. What the parts mean together is
//! decided in [`crate::request`].

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use seamless_cli::{CoordinatorArgs, HttpArgs, TerminalArgs, duration};

use crate::select::FailureLimit;

const EXAMPLES: &str = "\
Examples:
  lease-recover --coordinator-url https://coordinator/v1 lease-A:deadbeef lease-B:feedface
  lease-recover --list
  lease-recover --stuck --older-than 30m --dry-run
  lease-recover --stuck --yes --journal recovery.jsonl --verify --output json
  lease-recover --list --stuck --output specs | lease-recover --from-file -

Exit codes: 0 every lease is released; 1 a conflict, a failure, or a lease left unsent; 2 usage error,
nothing was contacted; 3 could not tell; 130/143 stopped by a signal, after the report.";

/// Fails or completes stuck backfill leases.
///
/// A lease is named by its key and its token, KEY:TOKEN; the token follows the LAST colon.
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
    /// Log of a worker (JSON lines, logfmt, structlog's output; .gz too): leases claimed, and neither
    /// completed nor failed since; - reads stdin; repeatable
    #[arg(long, value_name = "FILE", help_heading = "Sources")]
    pub(crate) from_logs: Vec<PathBuf>,
    /// Select stuck leases from the coordinator's list: under --max-ratio, and expired or claimed
    /// longer than --older-than ago
    #[arg(long, help_heading = "Sources")]
    pub(crate) stuck: bool,
    /// Show the coordinator's leases and change nothing; with --stuck only the stuck ones
    #[arg(long, help_heading = "Sources", conflicts_with_all = [
        "specs", "from_file", "from_logs", "action", "reason", "dry_run", "yes", "journal", "verify",
        "max_failures", "rate",
    ])]
    pub(crate) list: bool,

    /// Completion under which a lease can be stuck, 0 to 1
    #[arg(long, value_name = "RATIO", default_value = "0.5", value_parser = ratio, help_heading = "Selection")]
    pub(crate) max_ratio: f64,
    /// How long ago a lease that has not expired must have been claimed to be stuck
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration, help_heading = "Selection")]
    pub(crate) older_than: Duration,
    /// Only leases of this node; repeatable
    #[arg(long, value_name = "NODE_ID", help_heading = "Selection")]
    pub(crate) node: Vec<String>,
    /// Only leases of this world; repeatable
    #[arg(long, value_name = "WORLD_ID", help_heading = "Selection")]
    pub(crate) world: Vec<String>,

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
    /// Show what would be done; nothing is changed, and for explicit leases nothing is contacted
    #[arg(long, help_heading = "Recovery")]
    pub(crate) dry_run: bool,
    /// Do not ask before recovering what --stuck selected
    #[arg(long, short, help_heading = "Recovery")]
    pub(crate) yes: bool,
    /// Requests in flight, 1 to 1024
    #[arg(long, value_name = "N", default_value = "16", value_parser = clap::value_parser!(u16).range(1..=1024), help_heading = "Recovery")]
    pub(crate) concurrency: u16,
    /// Requests per second; without it, as fast as the coordinator answers
    #[arg(long, value_name = "N", value_parser = rate, help_heading = "Recovery")]
    pub(crate) rate: Option<f64>,
    /// Stop sending after more than so many leases failed or stayed unknown, as a number or as a
    /// percentage of all (5%)
    #[arg(long, value_name = "N|N%", help_heading = "Recovery")]
    pub(crate) max_failures: Option<FailureLimit>,
    /// File that keeps what was settled; run again with the same file, settled leases are not sent
    /// again
    #[arg(long, value_name = "FILE", help_heading = "Recovery")]
    pub(crate) journal: Option<PathBuf>,
    /// Afterwards read the coordinator's list and confirm that no recovered lease is still held
    #[arg(long, help_heading = "Recovery")]
    pub(crate) verify: bool,

    /// Format of the result on stdout; specs are KEY:TOKEN lines, with --list or --dry-run
    #[arg(long, short, value_enum, default_value_t, help_heading = "Output")]
    pub(crate) output: Output,
    /// Show whole tokens, with --output json
    #[arg(long, help_heading = "Output")]
    pub(crate) show_tokens: bool,
    /// Append each outcome as a structured event to this file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) audit_log: Option<PathBuf>,
    /// Format of the log on stderr; json writes each outcome as a structured event
    #[arg(long, value_enum, default_value_t, help_heading = "Output")]
    pub(crate) log_format: LogFormat,

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Output {
    /// For people
    #[default]
    Text,
    /// One document, complete on every exit path
    Json,
    /// KEY:TOKEN lines that feed --from-file
    Specs,
}

/// `--log-format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object per event
    Json,
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
        .filter(|rate| *rate > 0.0 && *rate <= 1e6)
        .ok_or_else(|| "it must be a number above 0, of requests per second".to_owned())
}
