//! From the command line to a request that makes sense.
//!
//! Owns the rules about arguments that depend on one another: what would be ignored is refused. It reads no
//! file and contacts nobody.

use std::path::{Path, PathBuf};
use std::time::Duration;

use seamless_cli::{Connections, HttpArgs, UsageError, WantedEndpoint, can_ask};
use seamless_core::config::Service;
use seamless_core::coordinator::Action;
use seamless_core::stuck::Thresholds;

use crate::args::{ActionWord, Args, Output};
use crate::filter::Filter;
use crate::limits::FailureLimit;

/// What this run is to do.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) mode: Mode,
    pub(crate) filter: Filter,
    pub(crate) thresholds: Thresholds,
    pub(crate) output: Output,
    pub(crate) show_tokens: bool,
    pub(crate) fail_if_none: bool,
    pub(crate) concurrency: usize,
    coordinator_url: Option<String>,
    push_gateway: Option<String>,
    http: HttpArgs,
}

/// List or recover.
#[derive(Debug)]
pub(crate) enum Mode {
    /// Show leases.
    List {
        /// Only the stuck ones.
        only_stuck: bool,
        /// Again and again, with so long between.
        watch: Option<Duration>,
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
    pub(crate) limit: Option<usize>,
    pub(crate) action: Action,
    pub(crate) reason: String,
    pub(crate) dry_run: bool,
    pub(crate) yes: bool,
    pub(crate) rate: Option<f64>,
    pub(crate) batch: Option<usize>,
    pub(crate) pause: Duration,
    pub(crate) max_failures: Option<FailureLimit>,
    pub(crate) journal: Option<PathBuf>,
    pub(crate) verify: Verify,
    pub(crate) audit_log: Option<PathBuf>,
}

/// How the coordinator's list is read again after a recovery.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verify {
    /// By `--verify`. Otherwise only what the list contradicts is of interest, and only where there is a list.
    pub(crate) is_asked: bool,
    /// How long the list may take to agree.
    pub(crate) within: Duration,
    /// How long to wait for other workers to claim the windows.
    pub(crate) await_reclaim: Option<Duration>,
}

impl Recovery {
    /// Whether leases are selected, and so shown, confirmed and read again.
    pub(crate) const fn selects(&self) -> bool {
        self.stuck || !self.from_logs.is_empty()
    }
}

impl TryFrom<Args> for Request {
    type Error = anyhow::Error;

    fn try_from(args: Args) -> anyhow::Result<Self> {
        check_output(&args)?;
        check_company(&args)?;
        let defaults = Thresholds::default();
        let thresholds = Thresholds {
            max_ratio: args.max_ratio.unwrap_or(defaults.max_ratio),
            older_than: args.older_than.unwrap_or(defaults.older_than),
        };
        let mode = if args.list {
            Mode::List {
                only_stuck: args.stuck,
                watch: args.watch,
            }
        } else {
            Mode::Recover(Box::new(recovery(&args)?))
        };
        Ok(Self {
            mode,
            filter: Filter {
                keys: args.key,
                nodes: args.node,
                worlds: args.world,
                workers: args.worker,
                intervals: args.interval,
                window: args.window,
            },
            thresholds,
            output: args.output,
            show_tokens: args.show_tokens,
            fail_if_none: args.fail_if_none,
            concurrency: seamless_cli::concurrency_within_limits(args.concurrency.into()),
            coordinator_url: args.coordinator.coordinator_url,
            push_gateway: args.push_gateway,
            http: args.http,
        })
    }
}

fn check_output(args: &Args) -> anyhow::Result<()> {
    let is_prometheus = matches!(args.output, Output::Prometheus(_));
    if args.show_tokens && args.output != Output::Json {
        return usage("--show-tokens needs --output json");
    }
    if args.output == Output::Specs && !args.list && !args.dry_run {
        return usage("--output specs needs --list or --dry-run: it prints leases, not outcomes");
    }
    if is_prometheus && !args.list {
        return usage("--output prometheus needs --list: it exports the coordinator's list");
    }
    if is_prometheus && (args.stuck || has_filter(args)) {
        return usage(
            "--output prometheus exports the whole list; --stuck and filters would leave leases out",
        );
    }
    if args.push_gateway.is_some() && args.output != Output::Prometheus(None) {
        return usage("--push-gateway needs --output prometheus, without a file");
    }
    if args.watch.is_some() && args.output != Output::Text {
        return usage("--watch is for people: it needs --output text");
    }
    Ok(())
}

/// Options that mean something beside another one only. The command line's own rule gives way where that
/// other one is excluded by a third.
fn check_company(args: &Args) -> anyhow::Result<()> {
    for (is_alone, words) in [
        (args.watch.is_some() && !args.list, "--watch needs --list"),
        (
            args.pause.is_some() && args.batch.is_none(),
            "--pause needs --batch",
        ),
        (
            args.await_reclaim.is_some() && !args.verify,
            "--await-reclaim needs --verify",
        ),
    ] {
        if is_alone {
            return usage(words);
        }
    }
    Ok(())
}

const fn has_filter(args: &Args) -> bool {
    !(args.key.is_empty()
        && args.node.is_empty()
        && args.world.is_empty()
        && args.worker.is_empty()
        && args.interval.is_empty())
        || args.window.is_some()
}

fn recovery(args: &Args) -> anyhow::Result<Recovery> {
    let named = !(args.specs.is_empty() && args.from_file.is_empty());
    let selects = args.stuck || !args.from_logs.is_empty();
    if !named && !selects {
        return usage(
            "nothing to recover: give KEY:TOKEN, --from-file, --from-logs or --stuck (or look with --list)",
        );
    }
    if !selects {
        for (given, option) in [
            (args.max_ratio.is_some(), "--max-ratio"),
            (args.older_than.is_some(), "--older-than"),
            (!args.worker.is_empty(), "--worker"),
        ] {
            if given {
                return usage(&format!(
                    "{option} is about the coordinator's list: it needs --stuck, --from-logs or --list"
                ));
            }
        }
    }
    if named && !args.worker.is_empty() {
        return usage("--worker cannot narrow leases that are given as KEY:TOKEN");
    }
    let on_stdin = args.from_file.iter().chain(&args.from_logs);
    if on_stdin.filter(|path| is_stdin(path)).count() > 1 {
        return usage("stdin (-) can be read only once");
    }
    if selects && !args.yes && !args.dry_run && !can_ask() {
        return usage(
            "no terminal to confirm the selected leases on; look with --dry-run, then give --yes",
        );
    }
    let reason = args.reason.trim().to_owned();
    if reason.is_empty() {
        return usage("--reason is empty");
    }
    Ok(Recovery {
        specs: args.specs.clone(),
        from_file: args.from_file.clone(),
        from_logs: args.from_logs.clone(),
        stuck: args.stuck,
        limit: args
            .limit
            .map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
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
        batch: args.batch.map(|batch| batch as usize),
        pause: args.pause.unwrap_or_default(),
        max_failures: args.max_failures,
        journal: args.journal.clone(),
        verify: Verify {
            is_asked: args.verify,
            within: args.verify_within,
            await_reclaim: args.await_reclaim,
        },
        audit_log: args.audit_log.clone(),
    })
}

impl Request {
    /// Resolves the endpoints and sets up the client; nothing is contacted.
    pub(crate) fn connections(&self) -> anyhow::Result<Connections> {
        let coordinator =
            WantedEndpoint::service(Service::Coordinator, self.coordinator_url.as_deref()).main();
        let gateway = WantedEndpoint::own(
            "Pushgateway",
            PUSH_GATEWAY,
            "--push-gateway",
            self.push_gateway.as_deref(),
        );
        let wanted = [coordinator, gateway];
        let connections = Connections::resolve(&self.http, &wanted, self.concurrency)?;
        // It changes a deployment: which one must be beyond doubt.
        Ok(connections.without_contradiction()?)
    }
}

/// The prefix by which `--header` names the Pushgateway.
pub(crate) const PUSH_GATEWAY: &str = "push-gateway";

/// Whether a path means standard input.
pub(crate) fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn usage<T>(text: &str) -> anyhow::Result<T> {
    Err(UsageError(text.to_owned()).into())
}
