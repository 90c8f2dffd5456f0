//! The command line of `seamless-lab`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use seamless_cli::TerminalArgs;
use seamless_core::schema::Buckets;
use seamless_lab::runtime::Misbehaviour;
use seamless_lab::servers::Generation;

/// A simulated Seamless platform with a real Prometheus and Alertmanager, to be broken and healed.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) terminal: TerminalArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything in the foreground, until Ctrl-C.
    Up(UpArgs),
    /// Make a running lab misbehave.
    Break {
        /// How: slow-storage, dead-worker, bad-data, stale-feed, dry-limiter,
        /// lost-metrics or vendor-outage.
        way: Misbehaviour,
        #[command(flatten)]
        lab: LabArgs,
    },
    /// End every misbehaviour of a running lab. A lease that a dead worker holds stays stuck.
    Heal {
        #[command(flatten)]
        lab: LabArgs,
    },
}

/// Which lab.
#[derive(Debug, clap::Args)]
pub(crate) struct LabArgs {
    /// The console's URL, as `up` printed it.
    #[arg(
        long,
        value_name = "URL",
        env = "SEAMLESS_LAB_URL",
        default_value = "http://127.0.0.1:9797"
    )]
    pub(crate) lab: String,
}

/// Arguments of `up`.
#[derive(Debug, clap::Args)]
pub(crate) struct UpArgs {
    /// Where the console listens; port 0 takes a free one.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9797")]
    pub(crate) listen: SocketAddr,
    /// The rules that Prometheus loads.
    #[arg(long, value_name = "FILE", default_value = "alert_rules.yml")]
    pub(crate) rules: PathBuf,
    /// The routes of Alertmanager; they are led to the lab's own pager.
    #[arg(long, value_name = "FILE", default_value = "alertmanager.yml")]
    pub(crate) routes: PathBuf,
    /// What the routes' timings are multiplied by; give the factor with which the rules were rendered.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    pub(crate) time_scale: f64,
    /// Which servers: `packaged` by the distribution, or `current` ones, as `cargo xtask servers` builds them.
    #[arg(long, value_name = "GENERATION", default_value_t)]
    pub(crate) servers: Generation,
    /// Which buckets the runtime's histograms have: those of the `schema`, as after the set-up that the
    /// documents describe, or the ones that the `platform` has by itself.
    #[arg(long, value_name = "BUCKETS", default_value_t)]
    pub(crate) buckets: Buckets,
    /// Have the coordinator export the completion of its leases, and scrape it.
    #[arg(long)]
    pub(crate) coordinator_gauge: bool,
    /// Send spans to this OTLP/HTTP receiver, such as http://127.0.0.1:4318, instead of a file.
    #[arg(long, value_name = "URL")]
    pub(crate) otlp: Option<String>,
    /// The rendered dashboards that a Grafana is provisioned with.
    #[arg(long, value_name = "DIR", default_value = "dashboards/rendered")]
    pub(crate) dashboards: PathBuf,
}
