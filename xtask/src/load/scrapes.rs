//! The injector with some 900,000 series, fetched by four scrapers without a pause.
//!
//! Each body is read to its end: every sample a number, as many as there are series, and counters that
//! never go back.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use seamless_lab::servers::Memory;

use crate::measure::{InjectedFleet, Sheet, mib};

const LOAD: &str = "scrapes";
const NODES: u64 = 3700;
const STEP: Duration = Duration::from_secs(5);
const SCRAPERS: usize = 4;
/// Their values, and no body: a body is 100 MB, and written piece by piece.
const MOST_MIB: f64 = 128.0;
const READY_WITHIN: Duration = Duration::from_secs(60);
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// What became of one scraper's bodies.
#[derive(Default)]
struct Bodies {
    whole: u64,
    bytes: u64,
    slowest: Duration,
    bad: Vec<String>,
}

/// A body, read.
struct ScrapedBody {
    samples: u64,
    bytes: u64,
    /// The sum of every histogram's count.
    observed: f64,
}

pub(super) fn run(program: &Path, minutes: u64, sheet: &mut Sheet) -> Result<()> {
    crate::say(&format!(
        "{LOAD}: {SCRAPERS} scrapers at the injector for {minutes} min"
    ));
    let mut fleet = InjectedFleet::start(program, NODES, 1, STEP)?;
    let address = fleet.address(READY_WITHIN)?;
    let end = Instant::now() + Duration::from_secs(60 * minutes);
    let series = fetch(&address)?.samples;
    let scraped: Vec<Bodies> = thread::scope(|scope| {
        let scrapers: Vec<_> = (0..SCRAPERS)
            .map(|_| scope.spawn(|| scrape(&address, series, end)))
            .collect();
        scrapers
            .into_iter()
            .map(|scraper| scraper.join().unwrap_or_default())
            .collect()
    });
    let memory = Memory::of(fleet.injector.id()).context("the injector is gone")?;
    let status = fleet.injector.interrupt(READY_WITHIN)?;

    let whole: u64 = scraped.iter().map(|bodies| bodies.whole).sum();
    let bytes: u64 = scraped.iter().map(|bodies| bodies.bytes).sum();
    let bad: Vec<&String> = scraped.iter().flat_map(|bodies| &bodies.bad).collect();
    for why in bad.iter().take(5) {
        crate::say(&format!("  bad body: {why}"));
    }
    let slowest = scraped.iter().map(|bodies| bodies.slowest).max();
    let slowest = slowest.unwrap_or_default().as_secs_f64();
    sheet.at_least(LOAD, "series", series, 900_000);
    sheet.at_least(LOAD, "whole bodies", whole, SCRAPERS as u64);
    sheet.note(LOAD, "read", format!("{:.1} GB", bytes as f64 / 1e9));
    sheet.exactly(LOAD, "bad bodies", bad.len(), 0);
    sheet.at_most(LOAD, "slowest body", slowest, 15.0, "s");
    sheet.at_most(LOAD, "peak memory", mib(memory.peak_kib), MOST_MIB, "MiB");
    sheet.exactly(
        LOAD,
        "exit code after SIGINT",
        status.code().unwrap_or(-1),
        130,
    );
    Ok(())
}

fn scrape(address: &str, series: u64, end: Instant) -> Bodies {
    let mut bodies = Bodies::default();
    let mut before = 0.0;
    while Instant::now() < end {
        let begun = Instant::now();
        let checked = fetch(address).and_then(|body| {
            ensure!(body.samples == series, "{} samples", body.samples);
            ensure!(body.observed >= before, "a counter went back");
            Ok(body)
        });
        match checked {
            Ok(body) => {
                before = body.observed;
                bodies.whole += 1;
                bodies.bytes += body.bytes;
                bodies.slowest = bodies.slowest.max(begun.elapsed());
            }
            Err(error) => bodies.bad.push(format!("{error:#}")),
        }
    }
    bodies
}

/// GETs the exposition and reads it line by line.
fn fetch(address: &str) -> Result<ScrapedBody> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    // With HTTP/1.0 the body ends with the connection; `Content-Length`, where given, tells a cut one.
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
    let mut answer = BufReader::with_capacity(256 * 1024, stream);
    let mut line = String::new();
    let mut read_line = |line: &mut String| -> Result<usize> {
        line.clear();
        Ok(answer.read_line(line)?)
    };
    read_line(&mut line)?;
    ensure!(line.contains(" 200 "), "the answer is {line:?}");
    while read_line(&mut line)? > 2 {}
    let mut body = ScrapedBody {
        samples: 0,
        bytes: 0,
        observed: 0.0,
    };
    loop {
        let length = read_line(&mut line)?;
        if length == 0 {
            return Ok(body);
        }
        body.bytes += length as u64;
        let Some(sample) = line.strip_suffix('\n') else {
            bail!("it ends within the line {line:?}");
        };
        if sample.starts_with('#') {
            continue;
        }
        let (name, value) = sample.rsplit_once(' ').context("a line without a value")?;
        let value: f64 = value.parse().with_context(|| format!("{sample:?}"))?;
        body.samples += 1;
        if name
            .split('{')
            .next()
            .is_some_and(|name| name.ends_with("_count"))
        {
            body.observed += value;
        }
    }
}
