//! From the command line to a request that makes sense.
//!
//! Owns the rules about arguments that depend on one another. It reads no file and contacts nobody.

use std::path::{Path, PathBuf};

use seamless_cli::{Connections, HttpArgs, UsageError, Wanted, can_ask};
use seamless_core::config::Service;
use seamless_core::coordinator::Action;

use crate::args::{ActionWord, Args, LogFormat, Output};
use crate::select::{FailureLimit, Narrowing, Thresholds};

/// What this run is to do.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) mode: Mode,
    pub(crate) narrowing: Narrowing,
    pub(crate) thresholds: Thresholds,
    pub(crate) output: Output,
    pub(crate) show_tokens: bool,
    pub(crate) concurrency: usize,
    coordinator_url: Option<String>,
    http: HttpArgs,
}

/// List or recover.
#[derive(Debug)]
pub(crate) enum Mode {
    /// Show leases.
    List {
        /// Only the stuck ones.
        only_stuck: bool,
    },
    /// Recover leases.
    Recover(Box<Recovery>),
}

/// What to recover, and how.
#[derive(Debug)]
pub(crate) struct Recovery {
    pub(crate) specs: Vec<String>,
    pub(crate) from_file: Vec<PathBuf>,
    pub(crate) from_logs: Vec<PathBuf>,
    pub(crate) stuck: bool,
    pub(crate) action: Action,
    pub(crate) reason: String,
    pub(crate) dry_run: bool,
    pub(crate) yes: bool,
    pub(crate) rate: Option<f64>,
    pub(crate) max_failures: Option<FailureLimit>,
    pub(crate) journal: Option<PathBuf>,
    pub(crate) verify: bool,
    pub(crate) audit_log: Option<PathBuf>,
    pub(crate) log_format: LogFormat,
}

impl TryFrom<Args> for Request {
    type Error = anyhow::Error;

    fn try_from(args: Args) -> anyhow::Result<Self> {
        if args.show_tokens && args.output != Output::Json {
            return usage("--show-tokens needs --output json");
        }
        if args.output == Output::Specs && !args.list && !args.dry_run {
            return usage(
                "--output specs needs --list or --dry-run: it prints leases, not outcomes",
            );
        }
        let mode = if args.list {
            Mode::List {
                only_stuck: args.stuck,
            }
        } else {
            let explicit =
                !(args.specs.is_empty() && args.from_file.is_empty() && args.from_logs.is_empty());
            if !explicit && !args.stuck {
                return usage(
                    "nothing to recover: give KEY:TOKEN, --from-file, --from-logs or --stuck (or look with --list)",
                );
            }
            let on_stdin = args.from_file.iter().chain(&args.from_logs);
            if on_stdin.filter(|path| is_stdin(path)).count() > 1 {
                return usage("stdin (-) can be read only once");
            }
            if args.stuck && !args.yes && !args.dry_run && !can_ask() {
                return usage(
                    "--stuck asks before it changes anything, and there is no terminal to ask on; look with --dry-run, then give --yes",
                );
            }
            let reason = args.reason.trim().to_owned();
            if reason.is_empty() {
                return usage("--reason is empty");
            }
            Mode::Recover(Box::new(Recovery {
                specs: args.specs,
                from_file: args.from_file,
                from_logs: args.from_logs,
                stuck: args.stuck,
                action: match args.action {
                    ActionWord::Fail => Action::Fail {
                        reason: reason.clone(),
                    },
                    ActionWord::Complete => Action::Complete,
                },
                reason,
                dry_run: args.dry_run,
                yes: args.yes,
                rate: args.rate,
                max_failures: args.max_failures,
                journal: args.journal,
                verify: args.verify,
                audit_log: args.audit_log,
                log_format: args.log_format,
            }))
        };
        Ok(Self {
            mode,
            narrowing: Narrowing {
                nodes: args.node,
                worlds: args.world,
            },
            thresholds: Thresholds {
                max_ratio: args.max_ratio,
                older_than: args.older_than,
            },
            output: args.output,
            show_tokens: args.show_tokens,
            concurrency: seamless_cli::concurrency_within_limits(args.concurrency.into()),
            coordinator_url: args.coordinator.coordinator_url,
            http: args.http,
        })
    }
}

impl Request {
    /// Resolves the coordinator's endpoint and sets up the client; nothing is contacted.
    pub(crate) fn connections(&self) -> anyhow::Result<Connections> {
        let wanted = Wanted::service(Service::Coordinator, self.coordinator_url.as_deref()).main();
        let connections = Connections::resolve(&self.http, &[wanted], self.concurrency)?;
        // It changes a deployment: which one must be beyond doubt.
        Ok(connections.without_contradiction()?)
    }
}

/// Whether a path means standard input.
pub(crate) fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn usage<T>(text: &str) -> anyhow::Result<T> {
    Err(UsageError(text.to_owned()).into())
}
