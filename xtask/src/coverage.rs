//! `cargo xtask coverage`: does every panel and every alert find data on a real Prometheus?
//!
//! Owns the run. The data comes from the shipped injector with every scenario, the rules are the shipped ones on a
//! clock on which every alert is due within seconds. Each expression is asked of two servers: one holds the
//! histograms in buckets, the other holds them as native histograms and in no other form. It judges no values.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use seamless_core::rules::RuleFile;
use seamless_lab::servers::{Generation, Process, Prometheus, Start};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::dashboard::{Filling, queries, rendered, text};
use crate::drill::programs::Programs;
use crate::install;
use crate::render::{self, Override};

/// Expressions that the injected data cannot make return anything, by a part of their place, each with its reason.
const NOT_ASKED: [(&str, &str); 7] = [
    ("SeamlessMetricsAbsent", "a family that vanished"),
    ("SeamlessTargetDown", "a target that is down"),
    (
        "SeamlessNotificationsFailing",
        "an Alertmanager whose receivers fail",
    ),
    ("SeamlessHealthCheckFailing", "the health check's textfile"),
    ("SeamlessHealthCheckAbsent", "the health check's textfile"),
    ("Age of the lease list", "the coordinator's list"),
    (
        "Series not judged",
        "series with other buckets than the schema's",
    ),
];

/// Arguments of `cargo xtask coverage`.
#[derive(clap::Args)]
pub struct CoverageArgs {
    /// How long to wait for the last expression to return data, in seconds.
    #[arg(long, default_value_t = 240)]
    within: u64,
    /// Which servers: `packaged` by the distribution, or `current` ones, as `cargo xtask servers` builds them.
    #[arg(long, value_name = "GENERATION", default_value_t)]
    servers: Generation,
}

/// An expression, by where it stands: dashboard, panel and query; or an alert and what tells its parts apart.
struct CoverageRow {
    place: String,
    expr: String,
}

impl CoverageRow {
    /// Why it is not asked, if it is not: what it would need.
    fn needs(&self) -> Option<&'static str> {
        let mut parts = NOT_ASKED.iter();
        let found = parts.find(|(part, _)| self.place.contains(part));
        found.map(|(_, needs)| *needs)
    }
}

/// Runs it and names what found no data, and in which form.
///
/// # Errors
/// A program that does not start, a query that a real Prometheus refuses, or nothing left that is not asked.
pub fn run(args: &CoverageArgs) -> Result<ExitCode> {
    let rows = rows()?;
    all_known(&rows)?;
    let (asked, left_out): (Vec<CoverageRow>, Vec<CoverageRow>) =
        rows.into_iter().partition(|row| row.needs().is_none());
    let within = Duration::from_secs(args.within);
    let empty = args.servers.during(|| measure(&asked, within))?;
    let mut out = std::io::stdout().lock();
    for row in left_out {
        let needs = row.needs().unwrap_or_default();
        let place = row.place;
        writeln!(
            out,
            "not asked: {place}: needs {needs}, as in the rule tests"
        )?;
    }
    for place in &empty {
        writeln!(out, "no data: {place}")?;
    }
    let (asked, empty) = (asked.len(), empty.len());
    writeln!(
        out,
        "{asked} expressions in two forms, {empty} without data"
    )?;
    Ok(match empty {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// What is not to be asked must be there: otherwise its line outlives it.
fn all_known(rows: &[CoverageRow]) -> Result<()> {
    for (part, _) in NOT_ASKED {
        ensure!(
            rows.iter().any(|row| row.place.contains(part)),
            "`{part}`, which is not to be asked, is nowhere any more"
        );
    }
    Ok(())
}

/// A server with the injector's series and no others.
pub(crate) struct Injected {
    pub(crate) server: Prometheus,
    _injector: Process,
    _folder: TempDir,
}

impl Injected {
    /// With histograms of that kind: `classic` or `native`.
    pub(crate) fn start(histograms: &str) -> Result<Self> {
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
            .rules(rules()?)
            .start()?;
        Ok(Self {
            server,
            _injector: injector(histograms, &targets, folder.path())?,
            _folder: folder,
        })
    }
}

/// The shipped injector; it announces itself to Prometheus in the file `targets`.
fn injector(histograms: &str, targets: &Path, dir: &Path) -> Result<Process> {
    let arguments = [
        "seam-node-1",
        "--yes",
        "--scenario=all",
        "--serve=0",
        "--hold=15m",
        "--step=1s",
        &format!("--histograms={histograms}"),
        &format!("--file-sd={}", targets.display()),
    ];
    Start {
        program: &Programs::build(false)?.inject,
        arguments: &arguments.map(str::to_owned),
        environment: &[],
        dir,
        name: "injector",
    }
    .start()
}

/// The shipped rules, 50 times faster.
fn rules() -> Result<String> {
    render::rules(&[Override::new("time_scale", 0.02)])
}

/// Asks for what has no data yet, until everything has some or the time is over; what then has none.
fn measure(rows: &[CoverageRow], within: Duration) -> Result<Vec<String>> {
    install::ensure(install::FOR_COVERAGE)?;
    let servers = [
        ("buckets", Injected::start("classic")?),
        ("native histograms", Injected::start("native")?),
    ];
    let deadline = Instant::now() + within;
    let mut empty: Vec<(&CoverageRow, &str, &Injected)> = Vec::new();
    for (form, injected) in &servers {
        empty.extend(rows.iter().map(|row| (row, *form, injected)));
    }
    while !empty.is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(500));
        let mut still = Vec::new();
        for (row, form, injected) in empty {
            if !returns_data(&injected.server, &row.expr).with_context(|| row.place.clone())? {
                still.push((row, form, injected));
            }
        }
        empty = still;
    }
    let named = empty.iter();
    Ok(named
        .map(|(row, form, _)| format!("{} ({form})", row.place))
        .collect())
}

/// Whether an expression returns something that can be drawn now.
fn returns_data(server: &Prometheus, expr: &str) -> Result<bool> {
    let answer = server.get("/api/v1/query", &[("query", expr)])?;
    let answer: Value = serde_json::from_str(&answer)?;
    let found = answer["data"]["result"].as_array();
    let found = found.with_context(|| format!("not a vector: {answer}"))?;
    Ok(found.iter().any(|element| {
        // A value of NaN draws nothing.
        element["histogram"].is_array() || element["value"][1].as_str().is_some_and(|v| v != "NaN")
    }))
}

fn rows() -> Result<Vec<CoverageRow>> {
    let filling = Filling::all(".*")
        .with("__rate_interval", "15s")
        .with("__range", "5m")
        .with("__range_s", "300");
    let mut rows = Vec::new();
    for dashboard in rendered(&crate::root())?.values() {
        for (panel, query) in queries(dashboard) {
            let [board, panel] = [dashboard, panel].map(|part| text(&part["title"]));
            rows.push(CoverageRow {
                place: format!("{board} / {panel} {}", text(&query["refId"])),
                expr: filling.fill(text(&query["expr"])).0,
            });
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
        rows.push(CoverageRow {
            place: format!("alert / {} {}", rule.name, labels.join(" ")),
            expr: rule.expr.to_string(),
        });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_asked_must_be_somewhere() {
        let mut rows = rows().unwrap();
        all_known(&rows).unwrap();
        let left_out = rows.iter().filter(|row| row.needs().is_some()).count();
        assert!(left_out < 20, "{left_out} of {}", rows.len());
        rows.retain(|row| !row.place.contains("Series not judged"));
        let error = all_known(&rows).unwrap_err();
        assert!(error.to_string().contains("Series not judged"), "{error}");
    }
}
