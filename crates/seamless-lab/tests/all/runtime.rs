//! The simulated runtime, seen by a real Prometheus and by its coordinator.

#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and cannot get fails it"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use seamless_core::schema;
use seamless_lab::coordinator::{Coordinator, LeaseEnd};
use seamless_lab::runtime::{Misbehaviour, Runtime};
use seamless_lab::servers::Prometheus;
use seamless_lab::wait_until;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(60);

fn events(log: &Path, event: &str) -> Vec<Value> {
    fs::read_to_string(log)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["event"] == event)
        .collect()
}

/// What both processes expose.
fn expositions(runtime: &Runtime) -> String {
    let [main, worker] = runtime.addresses();
    [main, worker].map(|address| get(&address)).concat()
}

fn get(address: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_real_prometheus_finds_what_the_platform_shows() {
    let coordinator = Coordinator::start().unwrap();
    let runtime = Runtime::builder()
        .coordinator(coordinator.url())
        .start()
        .unwrap();
    let prometheus = Prometheus::builder()
        .scrape("runtime", runtime.addresses())
        .start()
        .unwrap();
    for family in [
        "seamless_sla_deadline_seconds",
        "seamless_storage_wait_ms",
        "seamless_backfill_wait_ms",
        "seamless_total_ms",
        "backfill_completion_ratio",
        "coverage_ratio",
        "live_staleness_seconds",
        "gap_repair_latency_ms",
        "seamless_rl_tokens_available",
        "artifact_publish_latency_ms",
        "artifact_bytes_written",
    ] {
        let family = schema::family(family).unwrap();
        let name = match family.kind {
            schema::Kind::Histogram(_) => format!("{}_bucket", family.name),
            _ => family.exposition_name(),
        };
        wait_until(SOON, &name, || !prometheus.query(&name).unwrap().is_empty()).unwrap();
        // Prometheus drops the label of a domain without a world.
        let labels = family.labels.iter().filter(|label| **label != "world_id");
        let sample = prometheus.query(&name).unwrap().remove(0);
        for label in labels {
            assert!(sample.labels.contains_key(*label), "{name} has no {label}");
        }
        assert!(!sample.labels.contains_key(schema::DRILL_LABEL));
    }
    // Counters move, so that rates and quantiles mean something.
    let p99 = r#"histogram_quantile(0.99, sum by (le) (rate(seamless_sla_deadline_seconds_bucket{phase="total"}[10s])))"#;
    wait_until(SOON, "a p99 within budget", || {
        prometheus
            .query(p99)
            .unwrap()
            .first()
            .is_some_and(|sample| sample.value > 0.0 && sample.value < 60.0)
    })
    .unwrap();
    // What had no event has no series, and nothing of the platform waits for live data.
    for never in [
        "seamless_live_wait_ms_count",
        "seamless_conformance_warning_total",
        "seamless_rl_dropped_total",
        "partial_fill_returns_total",
    ] {
        assert_eq!(prometheus.query(never).unwrap(), [], "{never}");
        assert!(
            runtime
                .exposition()
                .contains("# TYPE seamless_live_wait_ms histogram")
        );
    }
    // The gauge's labels are what stands before the key's first colons.
    let node = r#"backfill_completion_ratio{node_id="ohlcv",interval="binance"}"#;
    wait_until(SOON, node, || !prometheus.query(node).unwrap().is_empty()).unwrap();
}

#[test]
fn a_killed_worker_takes_its_gauge_along_and_leaves_its_lease() {
    let coordinator = Coordinator::start().unwrap();
    let runtime = Runtime::builder()
        .coordinator(coordinator.url())
        .tick(Duration::from_millis(50))
        .backfill(Duration::from_secs(1))
        .start()
        .unwrap();
    let prometheus = Prometheus::builder()
        .scrape("runtime", runtime.addresses())
        .start()
        .unwrap();
    let series = |key: &str| {
        let query = format!("backfill_completion_ratio{{lease_key=\"{key}\"}}");
        prometheus.query(&query).unwrap().pop()
    };
    wait_until(SOON, "both processes scraped", || {
        prometheus.query("up == 1").unwrap().len() == 2
    })
    .unwrap();

    runtime.misbehave(Misbehaviour::DeadWorker);
    wait_until(SOON, "the worker's end", || runtime.abandoned().is_some()).unwrap();
    let key = runtime.abandoned().unwrap();
    assert_eq!(
        key.canonical().unwrap().node_id,
        "ohlcv:binance:BTC/USDT:1m"
    );
    wait_until(SOON, "its target to be down", || {
        prometheus.query("up == 0").unwrap().len() == 1
    })
    .unwrap();
    assert_eq!(series(key.as_str()), None);
    let held = coordinator.leases();
    let lease = held.iter().find(|lease| lease.key == key.as_str()).unwrap();
    assert_eq!((lease.completion_ratio, &lease.worker), (0.0, &None));
    assert_eq!(lease.lease_until_ms - lease.claimed_at_ms, 120_000);
    assert!(
        coordinator
            .received()
            .iter()
            .all(|request| !request.path.ends_with("renew"))
    );

    // Another process takes its place; what the first one knew is gone, and nobody else has the window.
    runtime.heal();
    wait_until(SOON, "the new process", || {
        prometheus.query("up == 1").unwrap().len() == 2
    })
    .unwrap();
    assert_eq!(series(key.as_str()), None);
    assert!(
        coordinator
            .leases()
            .iter()
            .any(|lease| lease.key == key.as_str())
    );
}

#[test]
fn a_vendor_outage_ends_leases_and_their_gauges_stay() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("seamless.jsonl");
    let coordinator = Coordinator::start().unwrap();
    let runtime = Runtime::builder()
        .coordinator(coordinator.url())
        .tick(Duration::from_millis(50))
        .backfill(Duration::from_secs(1))
        .log(&log)
        .start()
        .unwrap();
    runtime.misbehave(Misbehaviour::VendorOutage);
    let failed = || {
        let ended = coordinator.ended();
        ended.into_iter().find(|ended| {
            matches!(&ended.outcome, LeaseEnd::Failed(Some(reason))
                if reason.starts_with("background_backfill_failed (ExceptionGroup)"))
        })
    };
    wait_until(SOON, "a failed backfill", || failed().is_some()).unwrap();
    runtime.heal();
    wait_until(SOON, "a completed one", || {
        let mut ended = coordinator.ended().into_iter();
        ended.any(|ended| ended.outcome == LeaseEnd::Completed)
    })
    .unwrap();
    let key = failed().unwrap().lease.key;
    wait_until(SOON, "its event", || {
        events(&log, "seamless.backfill.coordinator_failed")
            .iter()
            .any(|event| event["lease_key"] == key && event["reason"].is_string())
    })
    .unwrap();
    let completed = || events(&log, "seamless.backfill.coordinator_completed");
    wait_until(SOON, "the completed one's event", || {
        !completed().is_empty()
    })
    .unwrap();
    let completed = completed();
    assert!(completed[0].get("reason").is_none(), "{completed:?}");
    let text = expositions(&runtime);
    assert!(
        text.contains(&format!("lease_key=\"{key}\"}} 0.0")),
        "{text}"
    );
}

#[test]
fn a_lease_that_was_ended_from_outside_is_shown_as_done_and_not_logged() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("seamless.jsonl");
    let coordinator = Coordinator::start().unwrap();
    let runtime = Runtime::builder()
        .coordinator(coordinator.url())
        .tick(Duration::from_millis(50))
        .backfill(Duration::from_secs(2))
        .log(&log)
        .start()
        .unwrap();
    wait_until(SOON, "a lease", || !coordinator.leases().is_empty()).unwrap();
    let lease = coordinator.leases().remove(0);
    coordinator
        .with_table(|table| table.end(&lease.key, &lease.token, LeaseEnd::Failed(None)))
        .unwrap();
    let done = format!("lease_key=\"{}\"}} 1.0", lease.key);
    wait_until(SOON, &done, || expositions(&runtime).contains(&done)).unwrap();
    let completed = events(&log, "seamless.backfill.coordinator_completed");
    let keys: Vec<&Value> = completed.iter().map(|event| &event["lease_key"]).collect();
    assert!(!keys.contains(&&Value::from(lease.key)), "{keys:?}");
}

#[test]
fn every_misbehaviour_shows_and_heals() {
    let runtime = Runtime::builder()
        .tick(Duration::from_millis(50))
        .start()
        .unwrap();
    let sum = |series: &str| -> f64 {
        runtime
            .exposition()
            .lines()
            .filter(|line| line.starts_with(series))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    };
    let grows = |series: &str| {
        let before = sum(series);
        wait_until(SOON, series, || sum(series) > before).unwrap();
    };
    runtime.misbehave(Misbehaviour::BadData);
    grows("seamless_conformance_flag_total");
    grows("seamless_conformance_warning_total");
    runtime.misbehave(Misbehaviour::StaleFeed);
    grows("domain_gate_holds_total");
    wait_until(SOON, "staleness", || {
        sum("live_staleness_seconds") > 4.0 * 180.0
    })
    .unwrap();
    runtime.misbehave(Misbehaviour::DryLimiter);
    grows("seamless_rl_dropped_total{limiter=\"storage\"");
    assert_eq!(sum("seamless_rl_tokens_available{limiter=\"storage\""), 0.0);
    runtime.misbehave(Misbehaviour::SlowStorage);
    grows("seamless_storage_wait_ms_sum");
    // A request that fails fast leaves no total behind.
    let totals = || sum("seamless_total_ms_count");
    let before = totals();
    grows("seamless_storage_wait_ms_count");
    assert_eq!(totals(), before);
    runtime.misbehave(Misbehaviour::LostMetrics);
    assert_eq!(runtime.exposition(), "");
    let all: BTreeSet<Misbehaviour> = runtime.misbehaviours().into_iter().collect();
    assert_eq!(all.len(), 5);

    runtime.heal();
    assert!(runtime.misbehaviours().is_empty());
    assert!(
        runtime
            .exposition()
            .contains("seamless_conformance_warning")
    );
    wait_until(SOON, "the feed to be fresh", || {
        sum("live_staleness_seconds") < 4.0 * 180.0
    })
    .unwrap();
}
