//! Every sink against the real server that it is for.

use std::fs;
use std::time::Duration;

use crate::support::{Injector, PATIENCE, command};
use seamless_lab::faults::clock_of;
use seamless_lab::servers::{NodeExporter, Prometheus, Pushgateway, VictoriaMetrics};
use seamless_lab::wait_for;
use serde_json::Value;

/// The p99 of the phase `total`, in seconds, as a rule sees it.
fn p99(drill: &str) -> String {
    format!(
        "histogram_quantile(0.99, sum by (le) (rate(seamless_sla_deadline_seconds_bucket{{phase=\"total\",drill=\"{drill}\"}}[15s])))"
    )
}

/// How many series the scenario `all` has, as the plan says.
fn series_of_all() -> u64 {
    let arguments = ["n", "--scenario=all", "--dry-run", "--output=json"];
    let plan = command().args(arguments).output().unwrap().stdout;
    let plan: Value = serde_json::from_slice(&plan).unwrap();
    plan["series"].as_u64().unwrap()
}

/// Waits until `query` yields a number that `enough` accepts.
fn awaited(
    what: &str,
    mut query: impl FnMut() -> Option<f64>,
    enough: impl Fn(f64) -> bool,
) -> f64 {
    let mut last = None;
    let found = wait_for(PATIENCE, what, || {
        last = query();
        last.filter(|value| enough(*value))
    });
    found.unwrap_or_else(|error| panic!("{error}; last: {last:?}"))
}

fn first(prometheus: &Prometheus, expression: &str) -> Option<f64> {
    let samples = prometheus.query(expression).unwrap();
    samples.first().map(|sample| sample.value)
}

fn prometheus_discovers_scrapes_and_sees_rates_move() {
    let folder = tempfile::tempdir().unwrap();
    let discovery = folder.path().join("drill.json");
    let prometheus = Prometheus::builder()
        .file_sd("drills", folder.path().join("*.json"))
        .start()
        .unwrap();
    let path = discovery.to_str().unwrap();
    let mut injector = Injector::start(&[
        "seam-node-1",
        "--serve=127.0.0.1:0",
        "--file-sd",
        path,
        "--hold=10m",
        "--step=1s",
        "--drill-id=scraped",
    ]);
    injector.url();
    let value = awaited("p99", || first(&prometheus, &p99("scraped")), |v| v > 60.0);
    assert!((150.0..=180.0).contains(&value), "{value}");

    injector.signal("INT");
    let ended = injector.end();
    assert_eq!(ended.status.code(), Some(130), "{ended:?}");
    assert!(!discovery.exists());
    assert!(ended.stdout.contains("stopped by SIGINT"), "{ended:?}");
    awaited(
        "the series to end",
        || Some(prometheus.query("{drill=\"scraped\"}").unwrap().len() as f64),
        |count| count == 0.0,
    );
}

fn open_metrics_is_what_prometheus_asks_for_and_accepts() {
    let mut injector = Injector::start(&["n", "--scenario=all", "--serve=0", "--hold=10m"]);
    let url = injector.url();
    let address = url
        .trim_start_matches("http://")
        .trim_end_matches("/metrics");
    let prometheus = Prometheus::builder()
        .scrape("drill", [address])
        .start()
        .unwrap();
    awaited("the target", || first(&prometheus, "up"), |up| up == 1.0);
    let scraped = first(&prometheus, "scrape_samples_scraped").unwrap();
    assert_eq!(scraped, series_of_all() as f64);
    let metadata = prometheus.get("/api/v1/metadata", &[]).unwrap();
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    // In OpenMetrics a counter's metadata goes by the name without _total.
    let kind = &metadata["data"]["seamless_conformance_flag"][0]["type"];
    assert_eq!(kind, "counter", "{metadata}");
}

#[test]
fn a_pushgateway_shows_the_group_and_loses_it_at_the_end() {
    let gateway = Pushgateway::start().unwrap();
    let prometheus = Prometheus::builder()
        .scrape("gateway", [gateway.address()])
        .start()
        .unwrap();
    let groups = || {
        let text = gateway.get("/api/v1/metrics", &[]).unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap();
        answer["data"].as_array().cloned().unwrap_or_default()
    };
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let drill = format!("pushed-{signal}");
        let id = format!("--drill-id={drill}");
        let url = gateway.url();
        let injector = Injector::start(&[
            "n",
            "--scenario=all",
            "--push-gateway",
            &url,
            "--hold=10m",
            "--step=1s",
            &id,
        ]);
        awaited("p99", || first(&prometheus, &p99(&drill)), |v| v > 60.0);
        assert_eq!(groups().len(), 1);
        injector.signal(signal);
        let ended = injector.end();
        assert_eq!(ended.status.code(), Some(code), "{ended:?}");
        assert_eq!(groups(), Vec::<Value>::new());
    }
}

fn a_prometheus_takes_remote_write_and_the_series_end_with_the_drill() {
    let prometheus = Prometheus::builder()
        .remote_write_receiver()
        .start()
        .unwrap();
    let url = format!("{}/api/v1/write", prometheus.url());
    let injector = Injector::start(&[
        "n",
        "--remote-write",
        &url,
        "--scenario=all",
        "--hold=10m",
        "--step=1s",
        "--drill-id=written",
    ]);
    awaited("p99", || first(&prometheus, &p99("written")), |v| v > 60.0);
    let series = prometheus.query("{drill=\"written\"}").unwrap().len();
    assert_eq!(series as u64, series_of_all());
    injector.signal("TERM");
    let ended = injector.end();
    assert_eq!(ended.status.code(), Some(143), "{ended:?}");
    // Without staleness markers they would linger for five minutes.
    assert_eq!(prometheus.query("{drill=\"written\"}").unwrap(), Vec::new());
}

fn samples_keep_their_order_while_the_clock_is_set() {
    let prometheus = Prometheus::builder()
        .remote_write_receiver()
        .start()
        .unwrap();
    let url = format!("{}/api/v1/write", prometheus.url());
    let folder = tempfile::tempdir().unwrap();
    for (jump, id) in [("+3h", "ahead"), ("-3h", "back")] {
        let clock = folder.path().join(id);
        fs::write(&clock, "+0").unwrap();
        let injector = Injector::start_in(
            &clock_of(&clock).unwrap(),
            &[
                "n",
                "--remote-write",
                &url,
                "--hold=10m",
                "--step=500ms",
                "--output=json",
                "--drill-id",
                id,
            ],
        );
        let count =
            format!("seamless_sla_deadline_seconds_count{{drill=\"{id}\",phase=\"total\"}}");
        let seen = awaited(id, || first(&prometheus, &count), |count| count > 0.0);
        fs::write(&clock, jump).unwrap();
        // Ten observations a step: several steps later Prometheus still takes them, at the time that it is.
        awaited(
            id,
            || first(&prometheus, &count),
            |count| count >= seen + 60.0,
        );
        let age = first(&prometheus, &format!("time() - timestamp({count})")).unwrap();
        assert!((-60.0..60.0).contains(&age), "{id}: {age}");
        injector.signal("TERM");
        let ended = injector.end();
        let report: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(report["exit_code"], 143, "{ended:?}");
        assert_eq!(report["sinks"][0]["failed"], 0, "{report:#}");
        let left = format!("{{drill=\"{id}\"}}");
        assert_eq!(prometheus.query(&left).unwrap(), Vec::new(), "{id}");
    }
}

fn victoria_metrics_takes_remote_write() {
    let victoria = VictoriaMetrics::start().unwrap();
    let url = format!("{}/api/v1/write", victoria.url());
    let injector = Injector::start(&[
        "n",
        "--remote-write",
        &url,
        "--hold=10m",
        "--step=1s",
        "--drill-id=victoria",
    ]);
    let query = || {
        let expression = p99("victoria");
        let text = victoria
            .get("/api/v1/query", &[("query", &expression)])
            .unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap();
        let value = answer["data"]["result"][0]["value"][1].as_str()?.to_owned();
        value.parse().ok()
    };
    awaited("p99", query, |value| value > 60.0);
    injector.signal("INT");
    assert_eq!(injector.end().status.code(), Some(130));
}

#[test]
fn a_textfile_collector_reads_a_file_that_moves() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("drill.prom");
    let exporter = NodeExporter::start(folder.path()).unwrap();
    let prometheus = Prometheus::builder()
        .scrape("node", [exporter.address()])
        .start()
        .unwrap();
    let path = file.to_str().unwrap();
    let injector = Injector::start(&[
        "n",
        "--write-to",
        path,
        "--hold=10m",
        "--step=1s",
        "--drill-id=textfile",
    ]);
    awaited("p99", || first(&prometheus, &p99("textfile")), |v| v > 60.0);
    let failed = first(&prometheus, "node_textfile_scrape_error").unwrap();
    assert_eq!(failed, 0.0);
    injector.signal("INT");
    assert_eq!(injector.end().status.code(), Some(130));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    awaited(
        "the series to end",
        || Some(prometheus.query("{drill=\"textfile\"}").unwrap().len() as f64),
        |count| count == 0.0,
    );
}

#[test]
fn two_drills_at_once_do_not_disturb_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Pushgateway::start().unwrap();
    let prometheus = Prometheus::builder()
        .file_sd("drills", folder.path().join("*.json"))
        .start()
        .unwrap();
    let drill = |id: &str, repetitions: &str| {
        let path = folder.path().join(format!("{id}.json"));
        let url = gateway.url();
        Injector::start(&[
            "n",
            "--serve=0",
            "--file-sd",
            path.to_str().unwrap(),
            "--push-gateway",
            &url,
            "--step=1s",
            "--hold=10m",
            "--repetitions",
            repetitions,
            "--drill-id",
            id,
        ])
    };
    let (one, other) = (drill("one", "10"), drill("other", "30"));
    let rate = |id: &str| {
        let expression = format!(
            "sum(rate(seamless_sla_deadline_seconds_count{{drill=\"{id}\",phase=\"total\"}}[10s]))"
        );
        first(&prometheus, &expression)
    };
    awaited(
        "the first drill's rate",
        || rate("one"),
        |r| (5.0..15.0).contains(&r),
    );
    awaited(
        "the second drill's rate",
        || rate("other"),
        |r| (20.0..40.0).contains(&r),
    );
    one.signal("INT");
    assert_eq!(one.end().status.code(), Some(130));
    let left = gateway.get("/metrics", &[]).unwrap();
    assert!(!left.contains("drill=\"one\"") && left.contains("drill=\"other\""));
    assert!(!folder.path().join("one.json").exists());
    assert!(folder.path().join("other.json").exists());
    std::thread::sleep(Duration::from_secs(2));
    awaited(
        "the second drill's rate",
        || rate("other"),
        |r| (20.0..40.0).contains(&r),
    );
    other.signal("TERM");
    assert_eq!(other.end().status.code(), Some(143));
}

seamless_lab::on_both_generations!(
    prometheus_discovers_scrapes_and_sees_rates_move,
    open_metrics_is_what_prometheus_asks_for_and_accepts,
    a_prometheus_takes_remote_write_and_the_series_end_with_the_drill,
    samples_keep_their_order_while_the_clock_is_set,
    victoria_metrics_takes_remote_write,
);
