//! The health check against a Prometheus that holds a million series, and what that costs the server.
//!
//! The series are the injector's, scraped without their `drill` label: to the rules and the checks they
//! are real ones. What a query cost is what the server's own query log says.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use seamless_lab::coordinator::Coordinator;
use seamless_lab::pager::Pager;
use seamless_lab::routes::Routes;
use seamless_lab::servers::{Alertmanager, Prometheus};
use seamless_lab::wait_until;
use serde_json::{Value, json};

use crate::drill::programs::Programs;
use crate::measure::{InjectedFleet, MeasuredRun, OwnMetrics, Sheet};

const LOAD: &str = "million";
const NODES: u64 = 4150;
const SCRAPE_INTERVAL: Duration = Duration::from_secs(30);
const LOADED_WITHIN: Duration = Duration::from_secs(300);
/// A round of every rule group, the slowest of which runs every two minutes.
const WARM_UP: Duration = Duration::from_secs(150);
const RUNS: usize = 3;
const DEADLINE: &str = "--deadline=120s";
/// What a server of this size is given on a machine that it shares with the injector and its own rules.
const TIMEOUT: &str = "--timeout=30s";

/// What the server says of the queries it was asked.
#[derive(Default)]
struct QueryCost {
    queries: usize,
    seconds: f64,
    samples: f64,
    slowest: (f64, String),
}

pub(super) fn run(programs: &Programs, sheet: &mut Sheet) -> Result<()> {
    crate::say(&format!("{LOAD}: filling a Prometheus"));
    let fleet = InjectedFleet::start(&programs.inject, NODES, 1, SCRAPE_INTERVAL)?;
    let read = |name: &str| {
        std::fs::read_to_string(crate::root().join(name))
            .with_context(|| format!("cannot read {name}"))
    };
    let pager = Pager::start()?;
    let coordinator = Coordinator::start()?;
    let routes = Routes::led_to_pager(&read("alertmanager.yml")?, &pager, 1.0)?;
    let alertmanager = Alertmanager::builder().routes(routes).start()?;
    let prometheus = Prometheus::builder()
        .scrape_interval(SCRAPE_INTERVAL)
        .scrape_config(json!({
            "job_name": "seamless",
            "file_sd_configs": [{"files": [fleet.targets()], "refresh_interval": "1s"}],
            "metric_relabel_configs": [{"action": "labeldrop", "regex": "drill"}],
        }))
        .rules(read("alert_rules.yml")?)
        .alertmanager(alertmanager.address())
        .log_queries()
        .start()?;
    wait_until(LOADED_WITHIN, "a million series and a rate", || {
        let rate = "sum(rate(seamless_sla_deadline_seconds_count[5m])) > 0";
        prometheus.query(rate).is_ok_and(|found| !found.is_empty())
    })
    .with_context(|| fleet.injector.log_tail())?;
    thread::sleep(WARM_UP);

    let environment = [
        ("QMTL_SEAMLESS_COORDINATOR_URL", coordinator.url()),
        ("QMTL_PROMETHEUS_URL", prometheus.url()),
        ("QMTL_ALERTMANAGER_URL", alertmanager.url()),
    ];
    let check = [
        programs.health.display().to_string(),
        "--output=json".to_owned(),
        TIMEOUT.to_owned(),
        DEADLINE.to_owned(),
    ];
    let before = (asked(&prometheus)?, prometheus.query_log()?.len());
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        runs.push(MeasuredRun::of(&check, &environment)?);
    }
    let log = prometheus.query_log()?;
    let cost = QueryCost::of(log.iter().skip(before.1));
    // The last look is one of its requests too.
    let requests = asked(&prometheus)? - before.0 - 1.0;

    let series = OwnMetrics::of(&prometheus)?.one("prometheus_tsdb_head_series")?;
    sheet.at_least(LOAD, "series", series as u64, 1_000_000);
    let worst = |of: fn(&MeasuredRun) -> f64| runs.iter().map(of).fold(0.0, f64::max);
    sheet.at_most(
        LOAD,
        "slowest of 3 runs",
        worst(|run| run.seconds),
        30.0,
        "s",
    );
    sheet.at_most(LOAD, "peak memory", worst(|run| run.peak_mib), 128.0, "MiB");
    for run in &runs {
        let document: Value = serde_json::from_str(&run.stdout)
            .with_context(|| format!("no document: {}", run.stderr))?;
        for check in document["checks"].as_array().into_iter().flatten() {
            if check["verdict"] != "pass" {
                let (id, verdict, message) = (&check["id"], &check["verdict"], &check["message"]);
                crate::say(&format!("  {id}: {verdict}: {message}"));
            }
        }
    }
    sheet.exactly(
        LOAD,
        "exit code",
        worst(|run| run.code.map_or(-1.0, f64::from).abs()),
        0.0,
    );
    let per_run = RUNS as f64;
    sheet.note(LOAD, "asked with", TIMEOUT);
    sheet.note(LOAD, "requests a run", format!("{:.0}", requests / per_run));
    sheet.note(LOAD, "queries a run", cost.queries / RUNS);
    sheet.note(
        LOAD,
        "samples that a run's queries touch",
        format!("{:.0}", cost.samples / per_run),
    );
    let seconds = cost.seconds / per_run;
    sheet.at_most(LOAD, "server's time on a run's queries", seconds, 40.0, "s");
    let (slowest, query) = &cost.slowest;
    sheet.at_most(LOAD, "its slowest query", *slowest, 20.0, "s");
    sheet.note(LOAD, "which is", query);
    Ok(())
}

/// How many requests the server has answered.
fn asked(prometheus: &Prometheus) -> Result<f64> {
    let exposed = OwnMetrics::of(prometheus)?;
    let counts = exposed.all("prometheus_http_requests_total");
    Ok(counts.iter().map(|(_, count)| count).sum())
}

impl QueryCost {
    /// Of the queries that were asked; the rules' own are left out.
    fn of<'l>(log: impl Iterator<Item = &'l Value>) -> Self {
        let mut cost = Self::default();
        for entry in log.filter(|entry| entry["ruleGroup"].is_null()) {
            let stats = &entry["stats"];
            let seconds = stats["timings"]["execTotalTime"].as_f64().unwrap_or(0.0);
            cost.queries += 1;
            cost.seconds += seconds;
            let samples = &stats["samples"]["totalQueryableSamples"];
            cost.samples += samples.as_f64().unwrap_or(0.0);
            if seconds > cost.slowest.0 {
                let query = entry["params"]["query"].as_str().unwrap_or_default();
                cost.slowest = (seconds, query.chars().take(60).collect());
            }
        }
        cost
    }
}
