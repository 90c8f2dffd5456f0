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
use seamless_cli::ExitStatus;
use serde::Serialize;

use self::growth::Growth;
use self::row::{Line, Row, Verdict};
use self::setting::{PROGRAMS, Setting};

/// What `--row` takes.
const ROWS: [&str; 10] = [
    "start",
    "write",
    "read",
    "render",
    "health",
    "health-latency",
    "leases-latency",
    "query",
    "growth",
    "build",
];

/// Arguments of `cargo xtask bench`.
#[derive(clap::Args)]
pub struct Args {
    /// How often each program of a row is run.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Measure only these (repeatable): `start`, `health`, ...; `growth` is how cost grows with size,
    /// `build` a release build from nothing.
    #[arg(long, value_name = "NAME", value_parser = ROWS)]
    row: Vec<String>,
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
    /// Of the release build from nothing.
    build_seconds: Option<f64>,
}

#[derive(Serialize)]
struct Binary {
    name: &'static str,
    bytes: u64,
}

/// Measures and prints. Exit code 1 if a bar does not hold, 3 if none was missed and one could not be
/// measured.
///
/// # Errors
/// If nothing can be built or no server started. A peer that is missing is named in its line.
pub fn run(args: &Args) -> Result<ExitCode> {
    let setting = Setting::prepare()?;
    let wanted = |id: &str| args.row.is_empty() || args.row.iter().any(|row| row == id);
    let mut rows = Vec::new();
    let mut measure = |row: Row| {
        crate::say(&format!("measuring {}", row.job));
        for line in row.measure(&setting.driver, args.runs.into()) {
            crate::say(&format!("  {}", line.told()));
            rows.push(line);
        }
    };
    local::rows(&setting, &wanted, &mut measure)?;
    network::rows(&setting, &wanted, &mut measure)?;
    let growth = if wanted("growth") {
        growth::table(&setting, args.runs.into())?
    } else {
        Vec::new()
    };
    let build_seconds = wanted("build")
        .then(|| setting.build_from_nothing())
        .transpose()?;
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
        build_seconds,
    };
    let text = if args.json {
        serde_json::to_string_pretty(&report)? + "\n"
    } else {
        report.text()
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    let any = |verdict| report.rows.iter().any(|line| line.verdict == verdict);
    Ok(if any(Verdict::Missed) {
        ExitStatus::Negative.into()
    } else if any(Verdict::NotMeasured) {
        ExitStatus::Undetermined.into()
    } else {
        ExitCode::SUCCESS
    })
}

impl Report {
    fn text(&self) -> String {
        let header = [
            "row", "job", "ours", "peak", "against", "its time", "its peak", "ratio", "bar",
            "verdict",
        ];
        let rows = self.rows.iter().map(|line| {
            let other = line.other.as_ref();
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
                format!("{}: {}", line.role.word(), line.against),
                other.map_or_else(unmeasured, |other| time(other.seconds)),
                peak(other),
                line.ratio
                    .map_or_else(String::new, |ratio| format!("{ratio:.3}")),
                line.bar.clone(),
                line.verdict.word().to_owned(),
            ]
        });
        let mut text = seamless_cli::table(&header, rows, None);
        if !self.growth.is_empty() {
            let header = [
                "job", "1x is", "CPU 1x", "peak", "10x", "peak", "100x", "peak", "exponent",
            ];
            let rows = self.growth.iter().map(Growth::cells);
            text += "\n";
            text += &seamless_cli::table(&header, rows, None);
        }
        text += "\n";
        for binary in &self.binaries {
            text += &format!("{}: {:.1} MB\n", binary.name, binary.bytes as f64 / 1e6);
        }
        if let Some(seconds) = self.build_seconds {
            text += &format!("release build of the three from nothing: {seconds:.0} s\n");
        }
        text += &format!("medians of {} runs, by turns\n", self.runs);
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
