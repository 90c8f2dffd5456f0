//! `cargo xtask sizing`: what a number of domains costs a Prometheus with the shipped rules.
//!
//! Owns the tables of `docs/monitoring.md`. A real Prometheus scrapes the injector's domains as the shipped
//! `prometheus.yml` says, every family moving, with [`history`] behind it. Each rule file is evaluated there for a
//! while ([`cost`]); then scraping and rules stop, and each expression is asked by itself: the server's CPU time is
//! what the table gives, as the seconds of a round grow with whatever else the machine does.

mod cost;
mod history;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use seamless_cli::UsageError;
use seamless_lab::servers::Prometheus;
use seamless_lab::wait_until;
use serde_json::{Value, json};
use tabled::builder::Builder;
use tabled::settings::Style;

use crate::drill::programs::Programs;
use crate::measure::{InjectedFleet, OwnMetrics};
use cost::{Cost, Rules};

/// As in the shipped `prometheus.yml`.
const SCRAPE_INTERVAL: Duration = Duration::from_secs(15);
/// A running server looks for new blocks once a minute.
const LOADED_WITHIN: Duration = Duration::from_secs(180);
const SERVING_WITHIN: Duration = Duration::from_secs(60);
/// What rules cost is given for this time, each group at its own interval.
const GIVEN_FOR: Duration = Duration::from_secs(30);
/// The costliest rules are named one by one.
const COSTLIEST: usize = 6;

/// Arguments of `cargo xtask sizing`.
#[derive(clap::Args)]
pub struct SizingArgs {
    /// Nodes, and worlds of each: NODESxWORLDS domains; repeatable.
    #[arg(long = "domains", value_name = "NODESxWORLDS", default_values = ["100x10", "100x100"])]
    sizes: Vec<String>,
    /// Measure the rules of this file, such as those of an earlier release or of your own rendering; repeatable:
    /// one after the other on the same server [default: alert_rules.yml].
    #[arg(long = "rules", value_name = "FILE")]
    rules: Vec<PathBuf>,
}

/// So many nodes that each serve so many worlds.
struct Size {
    nodes: u64,
    worlds: u64,
}

/// What a size came to.
struct MeasuredSize {
    domains: u64,
    scraped: f64,
    scrape_seconds: f64,
    memory_bytes: f64,
    /// Seconds of the health check's run without rules.
    check: f64,
    /// By rule file.
    costs: Vec<Cost>,
}

/// Measures each size on a server of its own and prints the tables, in Markdown.
///
/// # Errors
/// A size or a rule file that cannot be read, or a program that does not start.
pub fn run(args: &SizingArgs) -> Result<ExitCode> {
    let sizes: Vec<Size> = args
        .sizes
        .iter()
        .map(|text| Size::parse(text))
        .collect::<Result<_>>()?;
    let mut files = args.rules.clone();
    if files.is_empty() {
        files.push(crate::root().join("alert_rules.yml"));
    }
    let rules: Vec<Rules> = files
        .iter()
        .map(|file| Rules::read(file))
        .collect::<Result<_>>()?;
    let programs = Programs::build(true)?;
    let measured: Vec<MeasuredSize> = sizes
        .iter()
        .map(|size| size.measure(&programs, &rules))
        .collect::<Result<_>>()?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}\n", servers(&measured))?;
    writeln!(out, "{}\n", totals(&measured, &rules))?;
    for (index, rules) in rules.iter().enumerate() {
        writeln!(out, "{}:\n\n{}\n", rules.name, by_group(&measured, index))?;
        for size in &measured {
            writeln!(out, "{}", costliest(size, index))?;
        }
        if let Some(growth) = growth(&measured, index) {
            writeln!(out, "{growth}")?;
        }
        writeln!(out)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A line for each size: the server without rules.
fn servers(measured: &[MeasuredSize]) -> String {
    let head = [
        "domains",
        "series",
        "one scrape",
        "memory",
        "health check, no rules",
    ];
    table(
        head.map(str::to_owned).to_vec(),
        measured.iter().map(|size| {
            vec![
                size.domains.to_string(),
                format!("{:.0}", size.scraped),
                format!("{:.2} s", size.scrape_seconds),
                mib(size.memory_bytes),
                format!("{:.2} s", size.check),
            ]
        }),
    )
}

/// A line for each size and rule file.
fn totals(measured: &[MeasuredSize], rules: &[Rules]) -> String {
    let head = [
        "domains",
        "rules",
        "CPU, one round",
        "CPU in 30 s",
        "slowest group",
        "memory",
        "series",
        "health check",
        "load of the machine",
    ];
    let lines = measured.iter().flat_map(|size| {
        size.costs.iter().zip(rules).map(|(cost, rules)| {
            let walls = cost.groups.iter().map(|group| (group.wall, &group.name));
            let slowest = walls.max_by(|a, b| a.0.total_cmp(&b.0));
            vec![
                size.domains.to_string(),
                rules.name.clone(),
                format!("{:.2} s", cost.round()),
                format!("{:.2} s", cost.within(GIVEN_FOR)),
                slowest.map_or_else(String::new, |(wall, name)| format!("`{name}` {wall:.1} s")),
                mib(cost.memory_bytes),
                format!("{:.0}", cost.series),
                format!("{:.2} s", cost.check),
                format!("{:.1}", cost.load),
            ]
        })
    });
    table(head.map(str::to_owned).to_vec(), lines)
}

/// A line for each rule group, two columns for each size.
fn by_group(measured: &[MeasuredSize], index: usize) -> String {
    let mut head = vec!["rule group".to_owned(), "every".to_owned()];
    for size in measured {
        head.push(format!("CPU, {} domains", size.domains));
        head.push(format!("seconds, {} domains", size.domains));
    }
    let costs: Vec<&Cost> = measured
        .iter()
        .filter_map(|size| size.costs.get(index))
        .collect();
    let names = costs.first().into_iter().flat_map(|cost| &cost.groups);
    let lines = names.enumerate().map(|(at, group)| {
        let mut line = vec![
            format!("`{}`", group.name),
            format!("{} s", group.every.as_secs()),
        ];
        for group in costs.iter().filter_map(|cost| cost.groups.get(at)) {
            line.push(format!("{:.2} s", group.cpu));
            line.push(format!("{:.2} s", group.wall));
        }
        line
    });
    table(head, lines)
}

/// The rules that cost the most, in a line.
fn costliest(size: &MeasuredSize, index: usize) -> String {
    let rules = size
        .costs
        .get(index)
        .into_iter()
        .flat_map(|cost| &cost.rules);
    let named: Vec<String> = rules
        .take(COSTLIEST)
        .map(|(seconds, name)| format!("`{name}` {seconds:.2} s"))
        .collect();
    format!("{} domains: {}", size.domains, named.join(", "))
}

/// By which power of the domains the cost grows, from the first size to the last.
fn growth(measured: &[MeasuredSize], index: usize) -> Option<String> {
    let [first, .., last] = measured else {
        return None;
    };
    let seconds = |size: &MeasuredSize| size.costs.get(index).map(|cost| cost.within(GIVEN_FOR));
    let cost = (seconds(last)? / seconds(first)?).ln();
    let exponent = cost / (last.domains as f64 / first.domains as f64).ln();
    Some(format!(
        "From {} to {} domains it grows with an exponent of {exponent:.2}.",
        first.domains, last.domains
    ))
}

fn table(head: Vec<String>, lines: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Builder::new();
    table.push_record(head);
    for line in lines {
        table.push_record(line);
    }
    let mut table = table.build();
    table.with(Style::markdown());
    table.to_string()
}

fn mib(bytes: f64) -> String {
    format!("{:.0} MiB", bytes / f64::from(1 << 20))
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

    const fn domains(&self) -> u64 {
        self.nodes * self.worlds
    }

    fn measure(&self, programs: &Programs, rules: &[Rules]) -> Result<MeasuredSize> {
        let domains = self.domains();
        crate::say(&format!("{domains} domains: a server and its history"));
        let fleet =
            InjectedFleet::start(&programs.inject, self.nodes, self.worlds, SCRAPE_INTERVAL)?;
        let address = fleet.address(SERVING_WITHIN)?;
        let scraping = scraping(&fleet);
        // Blocks stay as they are written: a server that compacts them meanwhile works for nobody.
        let prometheus = Prometheus::builder()
            .scrape_interval(SCRAPE_INTERVAL)
            .flag("--storage.tsdb.min-block-duration=2h")
            .flag("--storage.tsdb.max-block-duration=2h")
            .start()?;
        let texts: Vec<String> = rules.iter().map(|rules| rules.text.clone()).collect();
        history::write(&address, &texts, &prometheus.dir().join("data"))?;
        prometheus.change_config(|config| config["scrape_configs"] = scraping.clone())?;
        wait_until(LOADED_WITHIN, "history and a scrape", || {
            let both = "count(coverage_ratio) and count(coverage_ratio offset 15m) and count(seamless:coverage_ratio:max offset 12h) and sum(scrape_samples_scraped) > 0";
            prometheus.query(both).is_ok_and(|found| !found.is_empty())
        })
        .with_context(|| fleet.injector.log_tail())?;
        let check = cost::health_check(&prometheus, &programs.health)?;
        let own = OwnMetrics::of(&prometheus)?;
        let mut measured = MeasuredSize {
            domains,
            scraped: own.one("prometheus_tsdb_head_series")?,
            scrape_seconds: prometheus
                .query("max(scrape_duration_seconds)")?
                .first()
                .context("nothing was scraped")?
                .value,
            memory_bytes: own.one("process_resident_memory_bytes")?,
            check,
            costs: Vec::new(),
        };
        for rules in rules {
            crate::say(&format!("{domains} domains: {}", rules.name));
            prometheus.change_config(|config| config["scrape_configs"] = scraping.clone())?;
            measured
                .costs
                .push(rules.cost(&prometheus, &programs.health)?);
        }
        Ok(measured)
    }
}

/// Scrapes the injector's series as if they were real ones: without the label of a drill.
fn scraping(fleet: &InjectedFleet) -> Value {
    let real = json!([{"action": "labeldrop", "regex": "drill"}]);
    json!([{
        "job_name": "seamless",
        "file_sd_configs": [{"files": [fleet.targets()], "refresh_interval": "1s"}],
        "relabel_configs": real,
        "metric_relabel_configs": real,
    }])
}
