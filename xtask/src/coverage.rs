//! `cargo xtask coverage`: does every panel and every alert find data on a real Prometheus?
//!
//! Owns the matrix of expressions and what they returned. The data comes from the shipped injector with
//! every scenario, the rules are the shipped ones on a shorter clock. It judges no values.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use seamless_core::rules::RuleFile;
use seamless_lab::servers::Prometheus;

use crate::grafana::{self, Dashboard, Filling};
use crate::render::{self, Override};

/// Arguments of `cargo xtask coverage`.
#[derive(clap::Args)]
pub struct Args {
    /// How long to wait for the last expression to return data, in seconds.
    #[arg(long, default_value_t = 240)]
    within: u64,
}

/// Expressions that this data cannot make return anything, each with its reason.
const EXCLUSIONS: &[(&str, &str)] = &[(
    "alert SeamlessMetricsAbsent",
    "returns something once a family has vanished; its rule tests show that",
)];

/// One expression, and whether it has returned data.
struct Row {
    place: String,
    expr: String,
    has_data: bool,
}

/// A child that ends with its value.
struct Injector(Child);

impl Drop for Injector {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs it and prints the matrix.
///
/// # Errors
/// A program that does not start, or a query that a real Prometheus refuses.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    let targets = folder.path().join("targets.json");
    let rules = render::rules(&[Override::new("time_scale", 0.02)])?;
    let prometheus = Prometheus::builder()
        .scrape_interval(Duration::from_secs(1))
        .evaluation_interval(Duration::from_secs(1))
        .rules(&rules)
        .file_sd("seamless", &targets)
        .start()?;
    let _injector = injector(&targets)?;

    let mut rows = rows(&rules)?;
    let deadline = Instant::now() + Duration::from_secs(args.within);
    while rows
        .iter()
        .any(|row| !row.has_data && excluded(&row.place).is_none())
        && Instant::now() < deadline
    {
        for row in rows.iter_mut().filter(|row| !row.has_data) {
            let samples = prometheus
                .query(&row.expr)
                .with_context(|| row.place.clone())?;
            // A value of NaN draws nothing.
            row.has_data = samples.iter().any(|sample| !sample.value.is_nan());
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    print(&rows)
}

fn injector(targets: &std::path::Path) -> anyhow::Result<Injector> {
    let built = Command::new(env!("CARGO"))
        .args([
            "run",
            "--quiet",
            "--locked",
            "--package",
            "inject-sla-violation",
            "--",
            "--help",
        ])
        .current_dir(crate::root())
        .stdout(Stdio::null())
        .status()
        .context("cannot run cargo")?;
    if !built.success() {
        bail!("inject-sla-violation does not build (see above)");
    }
    let program = std::env::current_exe()?.with_file_name("inject-sla-violation");
    let child = Command::new(&program)
        .args([
            "seam-node-1",
            "--scenario",
            "all",
            "--serve",
            "0",
            "--hold",
            "10m",
            "--step",
            "1s",
            "--file-sd",
        ])
        .arg(targets)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    Ok(Injector(child))
}

fn rows(rules: &str) -> anyhow::Result<Vec<Row>> {
    let filling = Filling::all(".*")
        .with("__rate_interval", "15s")
        .with("__range", "5m");
    let mut rows = Vec::new();
    let mut add = |place: String, expr: String| {
        rows.push(Row {
            place,
            expr,
            has_data: false,
        })
    };
    for (file, text) in grafana::rendered(&crate::root())? {
        let dashboard: Dashboard = serde_json::from_str(&text).with_context(|| file.clone())?;
        for panel in dashboard.drawn() {
            for target in &panel.targets {
                let place = format!("{} / {} {}", dashboard.title, panel.title, target.ref_id);
                add(place, filling.fill(&target.expr).0);
            }
        }
    }
    for rule in RuleFile::parse(rules)?.alerts() {
        // The parts of an alert that are told apart by their labels are told apart here too.
        let labels: BTreeMap<_, _> = rule
            .labels
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "service" | "severity"))
            .collect();
        let labels: Vec<&str> = labels.values().map(|value| value.as_str()).collect();
        add(
            format!("alert {} {}", rule.name, labels.join(" "))
                .trim_end()
                .to_owned(),
            rule.expr.clone(),
        );
    }
    Ok(rows)
}

fn excluded(place: &str) -> Option<&'static str> {
    EXCLUSIONS
        .iter()
        .find(|(excluded, _)| *excluded == place)
        .map(|(_, reason)| *reason)
}

fn print(rows: &[Row]) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let mut empty = 0;
    for row in rows {
        match (row.has_data, excluded(&row.place)) {
            (true, _) => writeln!(out, "data   {}", row.place)?,
            (false, Some(reason)) => writeln!(out, "-      {} ({reason})", row.place)?,
            (false, None) => {
                empty += 1;
                writeln!(out, "EMPTY  {}", row.place)?;
            }
        }
    }
    writeln!(out, "{} expressions, {empty} without data", rows.len())?;
    Ok(if empty == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
