//! What a server of some age has behind it, as blocks: twenty minutes of every series that the rules read, and a day of
//! what the rules with a day's look-back read.
//!
//! The series are those that the injector exposes at this moment, with its values throughout: what an evaluation costs
//! does not depend on them, so long as no alert fires. `promtool` writes the blocks; a running Prometheus loads them within a minute.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write};
use std::net::TcpStream;
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use seamless_lab::servers::PROMTOOL;

/// As long as the longest window that reads raw series, and the time until the rules are evaluated.
const RECENT: u64 = 20 * 60;
/// Between two samples of it, in seconds: four scrapes. At 10,000 domains these are 15 million samples even so.
const RECENT_STEP: usize = 60;
const DAY: u64 = 24 * 3600;
/// Between two samples of a day, in seconds: the interval of the rules that record them.
const DAY_STEP: usize = 300;
const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// What is recorded of a family's domains, and read over a day.
const OF_A_DAY: [(&str, &str); 2] = [
    ("coverage_ratio", "seamless:coverage_ratio:max"),
    (
        "live_staleness_seconds",
        "seamless:live_staleness_seconds:within_limit",
    ),
];
/// What is recorded of each lease, and read over a quarter of an hour.
const LEASES: (&str, &str) = ("backfill_completion_ratio", "seamless:backfill_lease:ratio");
/// How far each lease was in the earlier half of the time: one that makes no progress is an alert, whose text asks the
/// server in turn.
const BEGUN: &str = "0.01";

/// Writes blocks of what `address` (`HOST:PORT`) exposes and any of `rules` reads into a Prometheus's data folder.
///
/// # Errors
/// If it exposes nothing, there is no space, or `promtool` refuses.
pub(super) fn write(address: &str, rules: &[String], data: &Path) -> Result<()> {
    let folder =
        tempfile::TempDir::with_prefix("seamless-sizing-").context("no temporary folder")?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let recent = ends(now - RECENT..=now, RECENT_STEP);
    let day = ends(now - DAY..=now - RECENT - 1, DAY_STEP);
    let paths = [folder.path().join("recent"), folder.path().join("day")];
    let mut recent_file = BufWriter::with_capacity(1 << 20, File::create(&paths[0])?);
    let mut day_file = BufWriter::with_capacity(1 << 20, File::create(&paths[1])?);
    let mut name_read = (String::new(), false);
    each_sample(address, |name, labels, value| {
        if name_read.0 != name {
            name_read = (
                name.to_owned(),
                rules.iter().any(|text| text.contains(name)),
            );
        }
        if name_read.1 {
            let comma = if labels.is_empty() { "" } else { "," };
            let own = format!(r#"{name}{{{labels}{comma}instance="{address}",job="seamless"}}"#);
            samples(&mut recent_file, &own, value, &recent)?;
        }
        for (family, recorded) in OF_A_DAY {
            if name == family {
                samples(&mut day_file, &format!("{recorded}{{{labels}}}"), "1", &day)?;
            }
        }
        if name == LEASES.0 {
            let recorded = format!("{}{{{labels}}}", LEASES.1);
            let (earlier, later) = recent.split_at(recent.len() / 2);
            samples(&mut recent_file, &recorded, BEGUN, earlier)?;
            samples(&mut recent_file, &recorded, value, later)?;
        }
        Ok(())
    })?;
    let targets = format!(r#"up{{instance="{address}",job="seamless"}}"#);
    samples(&mut recent_file, &targets, "1", &recent)?;
    for (mut file, path) in [recent_file, day_file].into_iter().zip(&paths) {
        file.write_all(b"# EOF\n")?;
        file.flush()?;
        blocks(path, data)?;
    }
    Ok(())
}

/// A line for each of the times, as [`ends`] has them.
fn samples(out: &mut impl Write, series: &str, value: &str, ends: &[String]) -> Result<()> {
    let line = format!("{series} {value}");
    let mut lines = String::with_capacity(ends.len() * (line.len() + 12));
    for end in ends {
        lines.push_str(&line);
        lines.push_str(end);
    }
    out.write_all(lines.as_bytes())?;
    Ok(())
}

/// How the lines of these seconds end.
fn ends(times: RangeInclusive<u64>, step: usize) -> Vec<String> {
    times
        .step_by(step)
        .map(|time| format!(" {time}\n"))
        .collect()
}

/// Calls back with the name, labels and value of each sample that is exposed, without the label of a drill.
fn each_sample(address: &str, mut each: impl FnMut(&str, &str, &str) -> Result<()>) -> Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
    let mut found = 0_u64;
    for line in BufReader::with_capacity(1 << 18, stream).lines() {
        let line = line?;
        let Some((series, value)) = line.rsplit_once("} ") else {
            continue;
        };
        let Some((name, labels)) = series.split_once('{') else {
            continue;
        };
        let (before, rest) = labels.split_once(r#"drill=""#).unwrap_or((labels, ""));
        let after = rest.split_once('"').map_or("", |(_, after)| after);
        let real = format!("{before}{}", after.trim_start_matches(','));
        each(name, real.trim_end_matches(','), value)?;
        found += 1;
    }
    ensure!(found > 0, "{address} exposes nothing");
    Ok(())
}

/// Has promtool make blocks of a text in OpenMetrics.
fn blocks(text: &Path, data: &Path) -> Result<()> {
    let output = Command::new(PROMTOOL.require()?)
        .args([
            "tsdb",
            "create-blocks-from",
            "--max-block-duration=36h",
            "openmetrics",
            "--quiet",
        ])
        .args([text, data])
        .stdin(Stdio::null())
        .output()
        .context("cannot run promtool")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "promtool wrote no blocks: {said}");
    Ok(())
}
