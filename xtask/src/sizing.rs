//! `cargo xtask sizing`: what a number of domains costs a Prometheus with the shipped rules.
//!
//! Owns the table of `docs/monitoring.md`. The domains are the injector's, every family moving, scraped as
//! the shipped `prometheus.yml` does; the figures are those that a real Prometheus gives of itself. A round's
//! seconds grow where something else keeps the machine busy; the server's CPU time hardly does.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

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
/// At the end of that, how long figures are read off and averaged: four rounds of most groups.
const MEASURED: Duration = Duration::from_secs(120);

/// Arguments of `cargo xtask sizing`.
#[derive(clap::Args)]
pub struct Args {
    /// Nodes, and worlds of each: NODESxWORLDS domains; repeatable.
    #[arg(long = "domains", value_name = "NODESxWORLDS", default_values = ["10x1", "100x10", "100x100"])]
    sizes: Vec<String>,
    /// Measure the rules of this file, such as those of an earlier release or of your own rendering
    /// [default: alert_rules.yml].
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
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
    /// The server's, scrapes included.
    cpu_cores: f64,
    /// The machine's load average of one minute.
    load: f64,
    /// Seconds of one evaluation, by rule group.
    groups: BTreeMap<String, f64>,
}

impl Cost {
    fn round_seconds(&self) -> f64 {
        self.groups.values().sum()
    }
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
    let file = args.rules.clone();
    let file = file.unwrap_or_else(|| crate::root().join("alert_rules.yml"));
    let rules = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let programs = Programs::build(true)?;
    let mut costs = Vec::new();
    for size in sizes {
        crate::say(&format!(
            "{} domains: {} s",
            size.domains(),
            WARM_UP.as_secs()
        ));
        let cost = size.measure(&programs, &rules)?;
        costs.push((size, cost));
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}\n\n{}", totals(&costs), by_group(&costs))?;
    Ok(ExitCode::SUCCESS)
}

/// A line for each size.
fn totals(costs: &[(Size, Cost)]) -> String {
    let mut table = Builder::new();
    table.push_record([
        "domains",
        "nodes",
        "series",
        "one scrape",
        "memory",
        "CPU, scrapes and rules",
        "all rules, one round",
        "load of the machine",
    ]);
    for (size, cost) in costs {
        table.push_record([
            size.domains().to_string(),
            size.nodes.to_string(),
            format!("{:.0}", cost.series),
            format!("{:.2} s", cost.scrape_seconds),
            format!("{:.0} MiB", cost.memory_bytes / f64::from(1 << 20)),
            format!("{:.3} cores", cost.cpu_cores),
            format!("{:.3} s", cost.round_seconds()),
            format!("{:.1}", cost.load),
        ]);
    }
    let mut table = table.build();
    table.with(Style::markdown());
    table.to_string()
}

/// A line for each rule group, a column for each size.
fn by_group(costs: &[(Size, Cost)]) -> String {
    let mut table = Builder::new();
    let head = costs
        .iter()
        .map(|(size, _)| format!("{} domains", size.domains()));
    table.push_record(std::iter::once("rule group".to_owned()).chain(head));
    let groups = costs.iter().flat_map(|(_, cost)| cost.groups.keys());
    for group in groups.collect::<std::collections::BTreeSet<_>>() {
        let seconds = costs.iter().map(|(_, cost)| {
            let seconds = cost.groups.get(group);
            seconds.map_or_else(String::new, |seconds| format!("{seconds:.3} s"))
        });
        table.push_record(std::iter::once(format!("`{group}`")).chain(seconds));
    }
    let mut table = table.build();
    table.with(Style::markdown());
    table.to_string()
}

/// The machine's load average of one minute.
fn load() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").context("/proc/loadavg")?;
    let first = text.split(' ').next().unwrap_or_default();
    first
        .parse()
        .with_context(|| format!("/proc/loadavg: {text}"))
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

    fn measure(&self, programs: &Programs, rules: &str) -> Result<Cost> {
        let folder = tempfile::tempdir()?;
        let targets = folder.path().join("targets.json");
        let prometheus = Prometheus::builder()
            .scrape_interval(SCRAPE_INTERVAL)
            .rules(rules)
            .file_sd("seamless", &targets)
            .start()?;
        let arguments = self.arguments(&targets);
        let _injector = Start {
            program: &programs.inject,
            arguments: &arguments,
            environment: &[],
            dir: folder.path(),
            name: "injector",
        }
        .start()?;
        std::thread::sleep(WARM_UP - MEASURED);
        Cost::of(&prometheus)
    }

    /// What the injector is told.
    fn arguments(&self, targets: &Path) -> Vec<String> {
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
        arguments
    }
}

impl Cost {
    /// Measures it for [`MEASURED`].
    fn of(prometheus: &Prometheus) -> Result<Self> {
        const CPU: &str = "process_cpu_seconds_total";
        let begun = Instant::now();
        let mut own = Exposed::of(prometheus)?;
        let cpu_before = own.one(CPU)?;
        let mut evaluations: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        while begun.elapsed() < MEASURED {
            std::thread::sleep(SCRAPE_INTERVAL);
            own = Exposed::of(prometheus)?;
            for (group, seconds) in own.all("prometheus_rule_group_last_duration_seconds") {
                evaluations.entry(group).or_default().push(seconds);
            }
        }
        let cpu_cores = (own.one(CPU)? - cpu_before) / begun.elapsed().as_secs_f64();
        let mean = |seconds: Vec<f64>| {
            // Zero is a group that has not run yet.
            let run: Vec<f64> = seconds
                .into_iter()
                .filter(|seconds| *seconds > 0.0)
                .collect();
            let count = u32::try_from(run.len()).unwrap_or(u32::MAX);
            run.iter().sum::<f64>() / f64::from(count.max(1))
        };
        Ok(Self {
            series: own.one("prometheus_tsdb_head_series")?,
            memory_bytes: own.one("process_resident_memory_bytes")?,
            cpu_cores,
            load: load()?,
            groups: evaluations
                .into_iter()
                .map(|(group, seconds)| (group, mean(seconds)))
                .collect(),
            scrape_seconds: prometheus
                .query("max(scrape_duration_seconds)")?
                .first()
                .context("nothing was scraped")?
                .value,
        })
    }
}
