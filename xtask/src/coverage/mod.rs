//! `cargo xtask coverage`: does every panel and every alert find data on a real Prometheus?
//!
//! Owns the run and the file that keeps its matrix. The data comes from the shipped injector with every
//! scenario, the rules are the shipped ones on a shorter clock. Each expression is asked of two servers:
//! one holds the histograms in buckets, the other holds them as native histograms and in no other form.
//! It judges no values.

mod injected;
mod matrix;

use std::fs;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use seamless_core::rules::RuleFile;
use seamless_lab::servers::{Generation, Prometheus};
use serde::Deserialize;
use serde_json::json;
use tempfile::TempDir;

use crate::grafana::dashboard::{self, Dashboard, Filling};
use crate::install;
pub(crate) use injected::{Injector, rules};
pub use matrix::{CoverageRow, Matrix};

/// Arguments of `cargo xtask coverage`.
#[derive(clap::Args)]
pub struct CoverageArgs {
    /// Write nothing; fail if the matrix differs from the one that is committed.
    #[arg(long)]
    check: bool,
    /// How long to wait for the last expression to return data, in seconds.
    #[arg(long, default_value_t = 240)]
    within: u64,
    /// Which servers: `packaged` by the distribution, or `current` ones, as `cargo xtask servers` builds them.
    #[arg(long, value_name = "GENERATION", default_value_t)]
    servers: Generation,
}

/// Where the matrix is kept.
const KEPT: &str = "dashboards/coverage.md";

/// Runs it and prints the matrix.
///
/// # Errors
/// A program that does not start, or a query that a real Prometheus refuses.
pub fn run(args: &CoverageArgs) -> anyhow::Result<ExitCode> {
    let mut matrix = Matrix::of(rows()?);
    let within = Duration::from_secs(args.within);
    args.servers.during(|| measure(&mut matrix, within))?;
    let text = matrix.to_string();
    let mut out = std::io::stdout().lock();
    write!(out, "{text}")?;
    let empty = matrix.empty();
    for row in &empty {
        writeln!(out, "no data: {row}")?;
    }
    let kept = crate::root().join(KEPT);
    let mut differs = false;
    if args.check {
        differs = fs::read_to_string(&kept).unwrap_or_default() != text;
        if differs {
            writeln!(
                out,
                "{KEPT} differs: run `cargo xtask coverage` and commit the result"
            )?;
        }
    } else {
        fs::write(&kept, text).with_context(|| format!("cannot write {KEPT}"))?;
    }
    Ok(if empty.is_empty() && !differs {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A server with the injector's series and no others.
struct Injected {
    server: Prometheus,
    _injector: Injector,
    _folder: TempDir,
}

impl Injected {
    /// With histograms of that kind.
    fn start(histograms: &str, rules: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let targets = folder.path().join("targets.json");
        let mut scraped = json!({
            "job_name": "seamless",
            "file_sd_configs": [{"files": [targets], "refresh_interval": "1s"}],
        });
        // The flag is what the packaged Prometheus knows, the setting what today's does.
        if Generation::chosen() == Generation::Current {
            scraped["scrape_native_histograms"] = true.into();
        }
        let server = Prometheus::builder()
            .evaluation_interval(Duration::from_secs(1))
            .native_histograms()
            .scrape_config(scraped)
            .rules(rules)
            .start()?;
        Ok(Self {
            server,
            _injector: Injector::with_histograms(histograms, &targets)?,
            _folder: folder,
        })
    }
}

/// Asks for what has no data yet, until everything has some or the time is over.
fn measure(matrix: &mut Matrix, within: Duration) -> anyhow::Result<()> {
    install::ensure(install::FOR_COVERAGE)?;
    let rules = rules()?;
    let with_buckets = Injected::start("classic", &rules)?;
    let with_native = Injected::start("native", &rules)?;
    let deadline = Instant::now() + within;
    while !matrix.empty().is_empty() && Instant::now() < deadline {
        for row in matrix.rows_mut() {
            let CoverageRow { expr, place, .. } = row;
            for (has_data, injected) in [
                (&mut row.with_buckets, &with_buckets),
                (&mut row.with_native, &with_native),
            ] {
                if !*has_data {
                    *has_data =
                        returns_data(&injected.server, expr).with_context(|| place.to_string())?;
                }
            }
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    Ok(())
}

/// Whether an expression returns something that can be drawn now.
fn returns_data(server: &Prometheus, expr: &str) -> anyhow::Result<bool> {
    #[derive(Deserialize)]
    struct InstantAnswer {
        data: InstantData,
    }
    #[derive(Deserialize)]
    struct InstantData {
        result: Vec<InstantElement>,
    }
    #[derive(Deserialize)]
    struct InstantElement {
        value: Option<(f64, String)>,
        histogram: Option<serde_json::Value>,
    }
    let text = server.get("/api/v1/query", &[("query", expr)])?;
    let answer: InstantAnswer =
        serde_json::from_str(&text).with_context(|| format!("not a vector: {text}"))?;
    Ok(answer.data.result.iter().any(|element| {
        // A value of NaN draws nothing.
        element.histogram.is_some() || element.value.as_ref().is_some_and(|(_, v)| v != "NaN")
    }))
}

fn rows() -> anyhow::Result<Vec<CoverageRow>> {
    let filling = Filling::all(".*")
        .with("__rate_interval", "15s")
        .with("__range", "5m");
    let mut rows = Vec::new();
    for (file, text) in dashboard::rendered(&crate::root())? {
        let dashboard: Dashboard = serde_json::from_str(&text).with_context(|| file.clone())?;
        for panel in dashboard.drawn() {
            for target in &panel.targets {
                let place = [dashboard.title.as_str(), &panel.title, &target.ref_id];
                rows.push(CoverageRow::new(place, filling.fill(&target.expr).0));
            }
        }
    }
    for rule in RuleFile::parse(&rules()?)?.alerts() {
        // The parts of an alert that are told apart by their labels are told apart here too.
        let labels: Vec<&str> = rule
            .labels
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "service" | "severity"))
            .map(|(_, value)| value.as_str())
            .collect();
        let place = ["alert", &rule.name, &labels.join(" ")];
        rows.push(CoverageRow::new(place, rule.expr.to_string()));
    }
    Ok(rows)
}
