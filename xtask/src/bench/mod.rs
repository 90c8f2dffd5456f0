//! `cargo xtask bench`: the programs against their peers and against what cannot be beaten.
//!
//! Owns the run: build, measure by turns, one table. What is compared is in [`local`] and [`network`];
//! the peers themselves are in `xtask/bench/`. A timing is no test: nothing else depends on a bar here.

mod growth;
mod local;
mod measure;
mod network;
mod row;
mod setting;

use std::fs;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use serde::Serialize;

use self::growth::Growth;
use self::row::{Line, Row};
use self::setting::{PROGRAMS, Setting};

/// Arguments of `cargo xtask bench`.
#[derive(clap::Args)]
pub struct Args {
    /// How often each program of a row is run.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Measure only the rows with this id (repeatable); `growth` is the growth table.
    #[arg(long, value_name = "ROW")]
    only: Vec<String>,
    /// Print one JSON document instead of tables.
    #[arg(long)]
    json: bool,
}

/// Everything that was found out.
#[derive(Serialize)]
struct Report {
    schema_version: u32,
    runs: u16,
    rows: Vec<Line>,
    growth: Vec<Growth>,
    binaries: Vec<Binary>,
    /// Of this run: short when nothing had to be built.
    build_seconds: f64,
}

#[derive(Serialize)]
struct Binary {
    name: &'static str,
    bytes: u64,
}

/// Measures and prints. Exit code 1 if a bar does not hold.
///
/// # Errors
/// If nothing can be built or no server started. A peer that is missing is named in its line.
pub fn run(args: &Args) -> Result<ExitCode> {
    let setting = Setting::prepare()?;
    let wanted = |id: &str| args.only.is_empty() || args.only.iter().any(|only| only == id);
    let mut rows = Vec::new();
    let mut measure = |row: Row| {
        crate::say(&format!("measuring {}", row.job));
        rows.extend(row.measure(&setting.driver, args.runs.into()));
    };
    local::rows(&setting, &wanted, &mut measure)?;
    network::rows(&setting, &wanted, &mut measure)?;
    let growth = if wanted("growth") {
        crate::say("measuring how cost grows");
        growth::table(&setting, args.runs.into())?
    } else {
        Vec::new()
    };
    let binaries = PROGRAMS
        .into_iter()
        .map(|name| {
            let bytes = fs::metadata(setting.release.join(name))
                .with_context(|| format!("no {name}"))?
                .len();
            Ok(Binary { name, bytes })
        })
        .collect::<Result<_>>()?;
    let report = Report {
        schema_version: 1,
        runs: args.runs,
        rows,
        growth,
        binaries,
        build_seconds: setting.build_seconds,
    };
    let text = if args.json {
        serde_json::to_string_pretty(&report)? + "\n"
    } else {
        report.text()
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(if report.rows.iter().any(|line| line.held == Some(false)) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

impl Report {
    fn text(&self) -> String {
        let header = [
            "row", "job", "ours", "peak", "against", "its time", "its peak", "ratio", "bar", "held",
        ];
        let rows = self.rows.iter().map(|line| {
            let role = match line.role {
                row::Role::Peer => "peer",
                row::Role::Limit => "limit",
            };
            let other = line.other.as_ref();
            let name = other.map_or_else(
                || line.missing.clone().unwrap_or_default(),
                |other| other.name.clone(),
            );
            let peak = |figure: Option<&measure::Figure>| {
                let peak = figure.and_then(|figure| figure.peak_mib);
                peak.map_or_else(String::new, |mib| format!("{mib:.0} MiB"))
            };
            let ours = line.ours.as_ref();
            let unmeasured = || line.missing.clone().unwrap_or_default();
            vec![
                line.id.to_owned(),
                line.job.clone(),
                ours.map_or_else(unmeasured, |ours| time(ours.seconds)),
                peak(ours),
                format!("{role}: {name}"),
                other.map_or_else(String::new, |other| time(other.seconds)),
                peak(other),
                line.ratio
                    .map_or_else(String::new, |ratio| format!("{ratio:.3}")),
                line.bar.clone(),
                match line.held {
                    Some(true) => "yes".to_owned(),
                    Some(false) => "NO".to_owned(),
                    None => String::new(),
                },
            ]
        });
        let mut text = seamless_cli::table(&header, rows, None);
        if !self.growth.is_empty() {
            let header = ["job", "1x is", "1x", "10x", "100x", "exponent 10x to 100x"];
            let rows = self.growth.iter().map(Growth::cells);
            text += "\n";
            text += &seamless_cli::table(&header, rows, None);
        }
        text += "\n";
        for binary in &self.binaries {
            text += &format!("{}: {:.1} MB\n", binary.name, binary.bytes as f64 / 1e6);
        }
        text += &format!(
            "release build in this run: {:.0} s; medians of {} runs, by turns\n",
            self.build_seconds, self.runs
        );
        text
    }
}

/// Seconds in the unit that suits them.
fn time(seconds: f64) -> String {
    if seconds < 1.0 {
        format!("{:.2} ms", seconds * 1e3)
    } else {
        format!("{seconds:.2} s")
    }
}
