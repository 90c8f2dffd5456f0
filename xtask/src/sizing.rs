//! `cargo xtask sizing`: what a number of domains costs a Prometheus with the shipped rules.
//!
//! Owns the table of `docs/monitoring.md`. The domains are the injector's, every family moving, scraped as
//! the shipped `prometheus.yml` does; the figures are those that a real Prometheus gives of itself.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use seamless_cli::UsageError;
use seamless_lab::servers::{Prometheus, Start};
use tabled::builder::Builder;
use tabled::settings::Style;

use crate::drill::programs::Programs;
use crate::measure::Exposed;

/// As in the shipped `prometheus.yml`.
const SCRAPE_INTERVAL: Duration = Duration::from_secs(15);
/// What a Prometheus has at the least before anything is read off: a round of every rule group, the
/// slowest of which runs every two minutes.
const WARM_UP: Duration = Duration::from_secs(180);

/// Arguments of `cargo xtask sizing`.
#[derive(clap::Args)]
pub struct Args {
    /// Nodes, and worlds of each: NODESxWORLDS domains; repeatable.
    #[arg(long = "domains", value_name = "NODESxWORLDS", default_values = ["10x1", "100x10", "100x100"])]
    sizes: Vec<String>,
}

/// So many nodes that each serve so many worlds.
struct Size {
    nodes: u32,
    worlds: u32,
}

/// What a size came to.
struct Cost {
    series: f64,
    scrape_seconds: f64,
    memory_bytes: f64,
    round_seconds: f64,
    slowest: (String, f64),
}

/// Measures each size on a server of its own and prints the table, in Markdown.
///
/// # Errors
/// A size that cannot be read, or a program that does not start.
pub fn run(args: &Args) -> Result<ExitCode> {
    let sizes = args
        .sizes
        .iter()
        .map(|text| Size::parse(text))
        .collect::<Result<Vec<_>>>()?;
    let programs = Programs::build(true)?;
    let mut table = Builder::new();
    table.push_record([
        "domains",
        "nodes",
        "series",
        "scrape",
        "memory",
        "all rules, one round",
        "slowest group",
    ]);
    for size in &sizes {
        crate::say(&format!(
            "{} domains: {} s",
            size.domains(),
            WARM_UP.as_secs()
        ));
        let cost = size.measure(&programs)?;
        table.push_record([
            size.domains().to_string(),
            size.nodes.to_string(),
            format!("{:.0}", cost.series),
            format!("{:.2} s", cost.scrape_seconds),
            format!("{:.0} MiB", cost.memory_bytes / f64::from(1 << 20)),
            format!("{:.3} s", cost.round_seconds),
            format!("`{}` {:.3} s", cost.slowest.0, cost.slowest.1),
        ]);
    }
    let mut table = table.build();
    table.with(Style::markdown());
    writeln!(std::io::stdout(), "{table}")?;
    Ok(ExitCode::SUCCESS)
}

impl Size {
    fn parse(text: &str) -> Result<Self> {
        let parsed = text.split_once('x').and_then(|(nodes, worlds)| {
            let size = Self {
                nodes: nodes.parse().ok()?,
                worlds: worlds.parse().ok()?,
            };
            (size.nodes > 0 && size.worlds > 0).then_some(size)
        });
        parsed.ok_or_else(|| {
            UsageError(format!(
                "--domains {text}: give it as 100x10, nodes by worlds"
            ))
            .into()
        })
    }

    fn domains(&self) -> u64 {
        u64::from(self.nodes) * u64::from(self.worlds)
    }

    fn measure(&self, programs: &Programs) -> Result<Cost> {
        let folder = tempfile::tempdir()?;
        let targets = folder.path().join("targets.json");
        let rules = std::fs::read_to_string(crate::root().join("alert_rules.yml"))
            .context("cannot read alert_rules.yml")?;
        let prometheus = Prometheus::builder()
            .scrape_interval(SCRAPE_INTERVAL)
            .rules(rules)
            .file_sd("seamless", &targets)
            .start()?;
        let mut arguments = ["seam-node-1", "--scenario", "healthy", "--serve", "0"]
            .map(str::to_owned)
            .to_vec();
        for (flag, value) in [
            ("--nodes", self.nodes.to_string()),
            ("--worlds", self.worlds.to_string()),
            ("--hold", "10m".to_owned()),
            ("--step", format!("{}s", SCRAPE_INTERVAL.as_secs())),
            ("--file-sd", targets.display().to_string()),
        ] {
            arguments.extend([flag.to_owned(), value]);
        }
        let _injector = Start {
            program: &programs.inject,
            arguments: &arguments,
            environment: &[],
            dir: folder.path(),
            name: "injector",
        }
        .start()?;
        std::thread::sleep(WARM_UP);
        let own = Exposed::of(&prometheus)?;
        let groups = own.all("prometheus_rule_group_last_duration_seconds");
        let slowest = groups
            .iter()
            .max_by(|(_, left), (_, right)| left.total_cmp(right))
            .context("no rule group was evaluated")?;
        Ok(Cost {
            series: own.one("prometheus_tsdb_head_series")?,
            memory_bytes: own.one("process_resident_memory_bytes")?,
            round_seconds: groups.iter().map(|(_, seconds)| seconds).sum(),
            slowest: slowest.clone(),
            scrape_seconds: prometheus
                .query("max(scrape_duration_seconds)")?
                .first()
                .context("nothing was scraped")?
                .value,
        })
    }
}
