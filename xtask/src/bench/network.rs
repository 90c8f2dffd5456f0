//! Rows with a server: health checks, leases, a large answer.

use std::time::Duration;

use anyhow::Result;
use seamless_lab::runtime::Runtime;
use seamless_lab::servers::Prometheus;

use super::measure::{Figure, Task};
use super::row::{Against, Bar, Role, Row};
use super::setting::Setting;

/// Samples of [`Setting::answer`] that come to 110 MB. The programs refuse such an answer; the driver
/// raises the bound.
const SAMPLES: usize = 1_000_000;

/// Hands each wanted row to `measure`.
pub(super) fn rows(
    setting: &Setting,
    wanted: &dyn Fn(&str) -> bool,
    measure: &mut dyn FnMut(Row),
) -> Result<()> {
    if wanted("health") || wanted("health-latency") {
        health(setting, wanted, measure)?;
    }
    if wanted("leases-latency") {
        let coordinator = setting.server(&["serve", "--latency-ms", "20"])?;
        measure(leases_at_latency(setting, &coordinator.url)?);
    }
    if wanted("query") {
        let file = setting.answer(SAMPLES)?;
        let prometheus = setting.server(&["serve", "--answer", &file])?;
        measure(query(setting, &prometheus.url));
    }
    Ok(())
}

fn leases_at_latency(setting: &Setting, url: &str) -> Result<Row> {
    let file = setting.specs(10_000)?;
    let few = setting.peer("lease_recover.py", &[url, &file, "20"], Bar::None);
    Ok(Row {
        id: "leases-latency",
        job: "10,000 leases at 20 ms, 256 at a time".to_owned(),
        ours: recover(setting, url, &file),
        against: vec![
            // One at a time the whole job takes minutes a run.
            few.with(|task| task.scaled(500.0)),
            Against::Computed(
                Role::Limit,
                Figure::computed("leases × latency ÷ concurrency", 10_000.0 * 0.02 / 256.0),
                Bar::Times(1.25),
            ),
        ],
    })
}

fn recover(setting: &Setting, url: &str, file: &str) -> Task {
    let arguments = [
        "--coordinator-url",
        url,
        "--from-file",
        file,
        "--concurrency",
        "256",
    ];
    setting.shipped("lease-recover", &arguments)
}

fn query(setting: &Setting, url: &str) -> Row {
    let fetch = ["curl", "-s", "-o", "/dev/null", url];
    Row {
        id: "query",
        job: "answer of 1,000,000 samples checked".to_owned(),
        ours: Task::new("", [&setting.driver(), "query", url]),
        against: vec![
            setting.peer("query.py", &[url], Bar::Times(0.2)),
            Against::Task(
                Role::Limit,
                Task::new("curl, reading it", fetch),
                Bar::Mebibytes(400.0),
            ),
        ],
    }
}

fn health(
    setting: &Setting,
    wanted: &dyn Fn(&str) -> bool,
    measure: &mut dyn FnMut(Row),
) -> Result<()> {
    let runtime = Runtime::builder().start()?;
    let rules = std::fs::read_to_string(crate::root().join("alert_rules.yml"))?;
    let prometheus = Prometheus::builder()
        .scrape_interval(Duration::from_secs(1))
        .scrape("seamless", [runtime.address()])
        .rules(rules)
        .start()?;
    let coordinator = setting.server(&["serve"])?;
    seamless_lab::wait_until(Duration::from_secs(60), "the first scrape", || {
        prometheus
            .query("up == 1")
            .is_ok_and(|series| !series.is_empty())
    })?;
    let required = seamless_core::schema::FAMILIES
        .iter()
        .filter(|family| family.required)
        .map(|family| family.name.to_owned());
    let required: Vec<String> = required.collect();
    let row = |id, job: String, url: &str, metrics: &[String], bars: Vec<Against>| {
        let mut arguments = vec![
            "--prometheus-url",
            url,
            "--coordinator-url",
            &coordinator.url,
        ];
        let mut asked = vec![url];
        for metric in metrics {
            asked.push(metric);
            if id != "health" {
                arguments.extend(["--prometheus-metric", metric]);
            }
        }
        let mut against = vec![setting.peer("health.py", &asked, Bar::None)];
        against.extend(bars);
        Row {
            id,
            job,
            ours: setting
                .shipped("seamless-health-check", &arguments)
                .may_be_negative(),
            against,
        }
    };
    if wanted("health") {
        let url = prometheus.url();
        let ready = format!("{url}/-/ready");
        let curl = Task::new("one curl", ["curl", "-s", "-o", "/dev/null", &ready]);
        let bars = vec![Against::Task(Role::Limit, curl, Bar::Times(2.0))];
        let job = "health check, default checks".to_owned();
        measure(row("health", job, &url, &required, bars));
    }
    if wanted("health-latency") {
        let delay = setting.server(&["delay", &prometheus.address(), "--latency-ms", "100"])?;
        for count in [1, 20, 200] {
            let metrics: Vec<String> = required
                .iter()
                .cloned()
                .chain((0..).map(|index| format!("seamless_metric_{index}")))
                .take(count)
                .collect();
            let limit = Figure::computed("one round trip", 0.1);
            let bars = vec![Against::Computed(Role::Limit, limit, Bar::Seconds(0.3))];
            let job = format!("health check, {count} metrics at 100 ms");
            measure(row("health-latency", job, &delay.url, &metrics, bars));
        }
    }
    Ok(())
}
