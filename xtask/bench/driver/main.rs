//! The benchmarks' own program: one job of the libraries a run, in the release profile.
//!
//! Owns nothing but calls: each job is a few lines around what the workspace's crates do. Jobs that time
//! themselves print `{"seconds": …}`, because what surrounds them is not what is compared.
#![expect(
    clippy::print_stdout,
    reason = "a benchmark's result goes to the program that runs it"
)]

mod exposition;
mod serve;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::time::TimeValLike as _;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use seamless_core::http::{Endpoint, HttpClient, HttpOptions, Request};
use seamless_core::prometheus::{Prometheus, QueryValue, Sample};

#[derive(Parser)]
enum Job {
    /// Run a program; print its wall time, its processor time, its peak memory and what it wrote last.
    Launch {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<String>,
    },
    /// Write that many series.
    Write { series: usize },
    /// Write them with the official Rust client.
    WriteRustClient { series: usize },
    /// Copy what would be written.
    Copy { series: usize },
    /// Ask a Prometheus once and check the answer's values.
    Query { url: String },
    /// Render rules and dashboards.
    Render {
        #[command(flatten)]
        args: xtask::render::Args,
    },
    /// Stand in for a coordinator, or for a Prometheus that answers every query with a file.
    Serve {
        #[arg(long, default_value_t = 0)]
        latency_ms: u64,
        #[arg(long)]
        answer: Option<PathBuf>,
    },
    /// Pass requests on to a server, each delayed.
    Delay {
        upstream: String,
        #[arg(long)]
        latency_ms: u64,
    },
}

fn main() -> Result<()> {
    match Job::parse() {
        Job::Launch { command } => launch(&command),
        Job::Write { series } => exposition::write(series),
        Job::WriteRustClient { series } => exposition::write_with_rust_client(series),
        Job::Copy { series } => exposition::copy(series),
        Job::Query { url } => query(&url),
        Job::Render { args } => xtask::render::run(&args).map(drop),
        Job::Serve { latency_ms, answer } => serve::answers(
            Duration::from_millis(latency_ms),
            answer.as_deref().map(std::fs::read).transpose()?,
        ),
        Job::Delay {
            upstream,
            latency_ms,
        } => serve::delayed(&upstream, Duration::from_millis(latency_ms)),
    }
}

/// One job, timed; its own few megabytes are the least that a child's peak can show.
fn launch(command: &[String]) -> Result<()> {
    let (program, arguments) = command.split_first().context("no program")?;
    let begun = Instant::now();
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    let seconds = begun.elapsed().as_secs_f64();
    let children = nix::sys::resource::UsageWho::RUSAGE_CHILDREN;
    let usage = nix::sys::resource::getrusage(children)?;
    let seconds_of = |time: nix::sys::time::TimeVal| time.num_microseconds() as f64 / 1e6;
    let tail = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        text.lines().last().unwrap_or_default().to_owned()
    };
    let result = serde_json::json!({
        "seconds": seconds,
        "cpu_seconds": seconds_of(usage.user_time()) + seconds_of(usage.system_time()),
        "peak_kib": usage.max_rss(),
        "code": output.status.code(),
        "last_line": tail(&output.stdout),
        "complaint": tail(&output.stderr),
    });
    println!("{result}");
    Ok(())
}

fn query(url: &str) -> Result<()> {
    let endpoint = Endpoint::parse("Prometheus", url, "the command line")?;
    let options = HttpOptions {
        timeout: Duration::from_secs(60),
        ..HttpOptions::default()
    };
    let http = HttpClient::new(options, [&endpoint])?;
    // The programs refuse an answer above 64 MiB; here the reading is measured, on a larger one.
    let mut url = endpoint.url(&["api", "v1", "query"]);
    url.set_query(Some("query=up"));
    let request = Request::get(&endpoint, url, 128 * 1024 * 1024);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let response = runtime.block_on(http.send(&request))?;
    let prometheus = Prometheus::new(http, endpoint.clone());
    let reply = prometheus.read::<QueryValue>("a query", &response)?;
    let series = reply.data.vector();
    let finite = |sample: &Sample| sample.value.is_finite();
    let good = series
        .iter()
        .filter(|series| series.value.as_ref().is_some_and(finite))
        .count();
    if good == 0 {
        bail!("no series");
    }
    println!("{good}");
    Ok(())
}
