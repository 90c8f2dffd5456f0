//! The jobs, what each is held against, and how cost grows with size.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use seamless_lab::faults::{Faults, Reply};
use seamless_lab::runtime::Runtime;
use seamless_lab::servers::Prometheus;

use super::setting::Setting;
use super::{Bar, BenchRow};
use crate::drill::programs::NAMES;
use crate::measure::{Sheet, Task, by_turns, shown};

/// Nodes with a million series in all.
const NODES: &str = "4150";
/// Of [`Setting::exposition`]: 200 MB.
const SAMPLES: usize = 1_760_000;
/// Of [`Setting::answer`]: 60 MB; the programs refuse more than 64 MiB.
const SERIES: usize = 500_000;
/// How much later the coordinator answers, and how many requests are under way.
const LATENCY: Duration = Duration::from_millis(20);
const CONCURRENCY: &str = "256";
/// What doing a hundred times as much may cost more than a hundred times.
const LINEAR: f64 = 1.25;

/// Hands each wanted row to `measure`.
pub(super) fn all(
    setting: &Setting,
    wanted: &dyn Fn(&str) -> bool,
    measure: &mut dyn FnMut(BenchRow),
) -> Result<()> {
    if wanted("start") {
        start(setting).into_iter().for_each(&mut *measure);
    }
    if wanted("write") {
        measure(write(setting));
    }
    if wanted("read") {
        measure(read(setting)?);
    }
    if wanted("render") {
        measure(render(setting)?);
    }
    if wanted("health") || wanted("health-latency") {
        health(setting, wanted, measure)?;
    }
    if wanted("leases-latency") {
        leases_at_latency(setting, measure)?;
    }
    if wanted("query") {
        query(setting, measure)?;
    }
    Ok(())
}

fn start(setting: &Setting) -> Vec<BenchRow> {
    let row = |program: &str, flag: &str| {
        BenchRow::new(
            format!("{program} {flag}"),
            setting.shipped(program, &[flag]),
        )
        .against(
            setting.peer("start.py", &["--version"]),
            Bar::Times(1.0 / 50.0),
        )
        .against(Task::new("true", ["true"]), Bar::SecondsMore(0.005))
    };
    let flags = ["--version", "--help"];
    NAMES
        .into_iter()
        .flat_map(|program| flags.map(|flag| row(program, flag)))
        .collect()
}

fn write(setting: &Setting) -> BenchRow {
    let written = setting.path("written");
    let arguments = [
        "seam-node-1",
        "--scenario=healthy",
        "--nodes",
        NODES,
        "--write-to",
        &written,
    ];
    let ours = setting.shipped("inject-sla-violation", &arguments);
    BenchRow::new("exposition of 1,000,000 series written", ours).against(
        setting.peer("write.py", &["1000000"]),
        Bar::Times(1.0 / 20.0),
    )
}

fn read(setting: &Setting) -> Result<BenchRow> {
    let file = setting.exposition(SAMPLES)?;
    let size = std::fs::metadata(&file)?.len() as f64 / 1024.0 / 1024.0;
    let shell = |name: &str, script: &str| Task::new(name, ["sh", "-c", script, "sh", &file]);
    // It warns of units and helps; what is compared is the reading.
    let promtool = shell("promtool check metrics", "promtool check metrics < \"$1\"");
    let row = BenchRow::new(
        "exposition of 200 MB read and checked",
        reads(setting, &file),
    )
    .against(promtool.may_be_negative(), Bar::Times(0.5))
    .against(setting.peer("read.py", &[&file]), Bar::None)
    .against(shell("wc -c of a pipe", "cat \"$1\" | wc -c"), Bar::None);
    Ok(BenchRow {
        memory: Some(size.round() + 192.0),
        ..row
    })
}

fn reads(setting: &Setting, file: &str) -> Task {
    let arguments = [
        "--only=exposition",
        "--prometheus-metric=backfill_completion_ratio",
        "--metrics-file",
        file,
    ];
    let task = setting.shipped("seamless-health-check", &arguments);
    task.may_be_negative()
}

fn render(setting: &Setting) -> Result<BenchRow> {
    let expression = "local mixin = import 'dashboards/mixin.libsonnet'; [mixin.prometheusRules.groups + mixin.prometheusAlerts.groups, mixin.grafanaDashboards]";
    let root = crate::root().display().to_string();
    let reference = Task::new("jsonnet", ["jsonnet", "-J", &root, "-e", expression]);
    let xtask = std::env::current_exe()?.display().to_string();
    let ours = Task::new("", [&xtask, "render", "--out", &setting.path("rendered")]);
    Ok(BenchRow::new("rules and dashboards rendered", ours).against(reference, Bar::Times(1.0)))
}

fn health(
    setting: &Setting,
    wanted: &dyn Fn(&str) -> bool,
    measure: &mut dyn FnMut(BenchRow),
) -> Result<()> {
    let runtime = Runtime::builder().start()?;
    let rules = std::fs::read_to_string(crate::root().join("alert_rules.yml"))?;
    let prometheus = Prometheus::builder()
        .scrape("seamless", [runtime.address()])
        .rules(rules)
        .start()?;
    let coordinator = released(Duration::ZERO)?.url();
    seamless_lab::wait_until(Duration::from_secs(60), "the first scrape", || {
        let up = prometheus.query("up == 1");
        up.is_ok_and(|series| !series.is_empty())
    })?;
    let families = seamless_core::schema::FAMILIES.iter();
    let required = families.filter(|family| family.required);
    let required: Vec<String> = required.map(|family| family.name.to_owned()).collect();
    let row = |job: String, url: &str, metrics: &[String], named: bool| {
        let mut arguments = vec!["--prometheus-url", url, "--coordinator-url", &coordinator];
        for metric in metrics.iter().filter(|_| named) {
            arguments.extend(["--prometheus-metric", metric]);
        }
        let mut asked = vec![url];
        asked.extend(metrics.iter().map(String::as_str));
        let ours = setting.shipped("seamless-health-check", &arguments);
        BenchRow::new(job, ours.may_be_negative())
            .against(setting.peer("health.py", &asked), Bar::None)
    };
    if wanted("health") {
        let url = prometheus.url();
        let ready = format!("{url}/-/ready");
        let curl = Task::new("one curl", ["curl", "-s", "-o", "/dev/null", &ready]);
        let job = "health check, default checks".to_owned();
        measure(row(job, &url, &required, false).against(curl, Bar::Times(2.0)));
    }
    if wanted("health-latency") {
        let url = delayed(prometheus.address(), Duration::from_millis(100))?;
        let url = format!("http://{url}");
        for count in [1, 20, 200] {
            let more = (0..).map(|index| format!("seamless_metric_{index}"));
            let metrics: Vec<String> = required.iter().cloned().chain(more).take(count).collect();
            let job = format!("health check, {count} metrics at 100 ms");
            let within = Some((0.3, "one round trip is 100 ms"));
            let row = row(job, &url, &metrics, true);
            measure(BenchRow { within, ..row });
        }
    }
    Ok(())
}

fn leases_at_latency(setting: &Setting, measure: &mut dyn FnMut(BenchRow)) -> Result<()> {
    let coordinator = released(LATENCY)?;
    let (url, file) = (coordinator.url(), setting.specs(10_000)?);
    let arguments = [
        "--coordinator-url",
        &url,
        "--from-file",
        &file,
        "--concurrency",
        CONCURRENCY,
    ];
    // One at a time the whole job takes minutes a run.
    let few = setting.peer("lease_recover.py", &[&url, &file, "20"]);
    let job = "10,000 leases at 20 ms, 256 at a time";
    let row = BenchRow::new(job, setting.shipped("lease-recover", &arguments))
        .against(few.scaled(500.0), Bar::None);
    let least = 10_000.0 * LATENCY.as_secs_f64() / 256.0;
    let within = Some((1.25 * least, "leases × latency ÷ concurrency is 0.78 s"));
    measure(BenchRow { within, ..row });
    Ok(())
}

/// Each query of the check gets the one large answer; everything else that is asked of this Prometheus is small. The
/// peer asks once, so that it is the memory that is held to something.
fn query(setting: &Setting, measure: &mut dyn FnMut(BenchRow)) -> Result<()> {
    let answer = std::fs::read_to_string(setting.answer(SERIES)?)?;
    let prometheus = Faults::choose(move |request, _| {
        let large = request.path == "/api/v1/query";
        Reply::json(if large {
            &answer
        } else {
            r#"{"status":"success","data":{}}"#
        })
        .into()
    })?;
    let url = prometheus.url();
    let asked = format!("{url}/api/v1/query");
    let ours = setting.shipped(
        "seamless-health-check",
        &[
            "--only=prometheus/present",
            "--prometheus-metric=up",
            "--prometheus-url",
            &url,
        ],
    );
    let row = BenchRow::new("answer of 500,000 series checked", ours.may_be_negative())
        .against(setting.peer("query.py", &[&url]), Bar::None)
        .against(
            Task::new(
                "curl, reading it",
                ["curl", "-s", "-o", "/dev/null", &asked],
            ),
            Bar::None,
        );
    measure(BenchRow {
        memory: Some(400.0),
        ..row
    });
    Ok(())
}

/// A coordinator that releases whatever it is asked to.
fn released(latency: Duration) -> Result<Faults> {
    Faults::always(Reply::json(r#"{"completion_ratio":0.5}"#).after(latency))
}

/// An address that passes bytes on: each burst from a client waits, what the server says does not. The threads
/// end with this process.
fn delayed(upstream: String, latency: Duration) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no free port")?;
    let address = listener.local_addr()?;
    let pass_on = move |mut client: TcpStream| -> std::io::Result<()> {
        let mut server = TcpStream::connect(&upstream)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (mut from_server, mut to_client) = (server.try_clone()?, client.try_clone()?);
        thread::spawn(move || std::io::copy(&mut from_server, &mut to_client));
        thread::spawn(move || -> std::io::Result<()> {
            let mut burst = vec![0; 64 * 1024];
            loop {
                let length = client.read(&mut burst)?;
                if length == 0 {
                    return server.shutdown(std::net::Shutdown::Write);
                }
                thread::sleep(latency);
                server.write_all(&burst[..length])?;
            }
        });
        Ok(())
    };
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // A server that is gone is what the client then sees.
            let _ = pass_on(client);
        }
    });
    Ok(address)
}

/// Measures every job that has a size at three of them. The processor's time counts, start-up included: unlike
/// the wall clock it does not see who else uses the machine.
pub(super) fn growth(setting: &Setting, runs: usize, sheet: &mut Sheet) -> Result<()> {
    let coordinator = released(Duration::ZERO)?.url();
    let runtime = Runtime::builder().start()?;
    let prometheus = Prometheus::builder()
        .scrape("seamless", [runtime.address()])
        .start()?;
    let written = setting.path("written");
    let mut job = |name: &str, unit: usize, of: &str, task: &dyn Fn(usize) -> Result<Task>| {
        crate::say(&format!("measuring how cost grows: {name}"));
        let sizes = [unit, 10 * unit, 100 * unit];
        let tasks = sizes.map(task).into_iter().collect::<Result<Vec<_>>>()?;
        let tasks: Vec<&Task> = tasks.iter().collect();
        let mut figures = Vec::new();
        for (size, figure) in sizes.into_iter().zip(by_turns(&tasks, runs)) {
            match figure {
                Ok(figure) => {
                    let cpu = shown(figure.cpu_seconds, "s");
                    let peak = shown(figure.peak_mib, "MiB");
                    sheet.note(name, &format!("{size} {of}"), format!("{cpu}, {peak}"));
                    figures.push(figure);
                }
                Err(why) => sheet.not_measured(name, &format!("{size} {of}"), &why),
            }
        }
        // From 10x to 100x, where starting up weighs little.
        if let [_, ten, hundred] = figures[..] {
            let exponent = (hundred.cpu_seconds / ten.cpu_seconds).log10();
            sheet.at_most(name, "exponent of growth", exponent, LINEAR, "");
        }
        Ok::<_, anyhow::Error>(())
    };
    job("health check --prometheus-metric", 2, "metrics", &|size| {
        let url = prometheus.url();
        let mut arguments = vec!["--prometheus-url".to_owned(), url];
        arguments.extend(["--coordinator-url".to_owned(), coordinator.clone()]);
        for index in 0..size {
            arguments.push(format!("--prometheus-metric=seamless_metric_{index}"));
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let task = setting.shipped("seamless-health-check", &arguments);
        Ok(task.may_be_negative())
    })?;
    job("lease-recover --dry-run", 1_000, "leases", &|size| {
        let file = setting.specs(size)?;
        Ok(setting.shipped("lease-recover", &["--dry-run", "--from-file", &file]))
    })?;
    job("lease-recover on loopback", 1_000, "leases", &|size| {
        let file = setting.specs(size)?;
        let arguments = ["--coordinator-url", &coordinator, "--from-file", &file];
        Ok(setting.shipped("lease-recover", &arguments))
    })?;
    job("inject-sla-violation --nodes", 100, "nodes", &|size| {
        let arguments = ["--write-to", &written, "--nodes", &size.to_string(), "n"];
        Ok(setting.shipped("inject-sla-violation", &arguments))
    })?;
    job("exposition read and checked", 9_500, "samples", &|size| {
        Ok(reads(setting, &setting.exposition(size)?))
    })
}
