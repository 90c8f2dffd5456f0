//! The simulated runtime, seen by a real Prometheus and by its coordinator.

#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and cannot get fails it"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use seamless_core::lease::LeaseKey;
use seamless_core::schema;
use seamless_lab::coordinator::{Coordinator, Outcome};
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

#[test]
fn a_real_prometheus_finds_every_family_with_its_labels() {
    let coordinator = Coordinator::start().unwrap();
    let runtime = Runtime::builder()
        .coordinator(coordinator.url())
        .start()
        .unwrap();
    let prometheus = Prometheus::builder()
        .scrape("runtime", [runtime.address()])
        .start()
        .unwrap();
    let exposed = |family: &&schema::Family| {
        !family.name.starts_with("seamless_lease")
            && family.labels != ["node_id", "interval"]
            && !family.labels.is_empty()
    };
    for family in schema::FAMILIES.iter().filter(exposed) {
        let name = match family.kind {
            schema::Kind::Histogram(_) => format!("{}_bucket", family.name),
            _ => family.exposition_name(),
        };
        wait_until(SOON, &name, || !prometheus.query(&name).unwrap().is_empty()).unwrap();
        let sample = prometheus.query(&name).unwrap().remove(0);
        for label in family.labels {
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
}

#[test]
fn a_dead_workers_lease_stays_until_it_is_failed_and_another_worker_finishes_it() {
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
    wait_until(SOON, "a lease completed", || {
        coordinator
            .ended()
            .iter()
            .any(|ended| ended.outcome == Outcome::Completed)
    })
    .unwrap();

    runtime.misbehave(Misbehaviour::DeadWorker);
    let abandoned = || {
        let held = coordinator.leases();
        let mut dead = held
            .into_iter()
            .filter(|lease| lease.worker.as_deref() == Some("worker-1"));
        dead.next()
    };
    // Dead: its lease does not move while others are claimed and completed.
    let mut last = None;
    wait_until(SOON, "the dead worker's lease to stand still", || {
        std::thread::sleep(Duration::from_millis(500));
        let now = abandoned();
        let stands = now.is_some() && now == last;
        last = now;
        stands
    })
    .unwrap();
    let stuck = last.unwrap();
    assert!((0.25..0.5).contains(&stuck.completion_ratio), "{stuck:?}");
    let gauge = format!("lease_key=\"{}\"}} {:?}", stuck.key, stuck.completion_ratio);
    assert!(runtime.exposition().contains(&gauge), "{gauge}");

    coordinator
        .with_table(|table| {
            let failed = Outcome::Failed(Some("manual_recovery".to_owned()));
            table.end(&stuck.key, &stuck.token, failed)
        })
        .unwrap();
    wait_until(SOON, "another worker to finish the window", || {
        coordinator.ended().iter().any(|ended| {
            ended.lease.key == stuck.key
                && ended.outcome == Outcome::Completed
                && ended.lease.worker.as_deref() == Some("worker-2")
        })
    })
    .unwrap();
    let done = format!("lease_key=\"{}\"}} 1.0", stuck.key);
    assert!(runtime.exposition().contains(&done), "{done}");

    // The log follows the lease: claimed by one, then claimed and completed by the other.
    drop(runtime);
    let of_lease = |event: &str| -> Vec<Value> {
        events(&log, event)
            .into_iter()
            .filter(|line| line["lease_key"] == stuck.key)
            .collect()
    };
    let claimed = of_lease("seamless.backfill.coordinator_claimed");
    assert_eq!(claimed.len(), 2, "{claimed:?}");
    assert_eq!(claimed[0]["worker"], "worker-1");
    assert_eq!(claimed[0]["lease_token"], stuck.token);
    let completed = of_lease("seamless.backfill.coordinator_completed");
    assert_eq!(completed.len(), 1, "{completed:?}");
    let key = LeaseKey::new(stuck.key.as_str()).unwrap();
    let fields = key.canonical().unwrap();
    assert_eq!(completed[0]["node_id"], fields.node_id);
    assert_eq!(completed[0]["batch_start"], fields.batch_start);
    assert_eq!(completed[0]["completion_ratio"], 1.0);
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
    grows("fingerprint_collisions_total");
    runtime.misbehave(Misbehaviour::StaleFeed);
    grows("domain_gate_holds_total");
    wait_until(SOON, "staleness", || {
        sum("live_staleness_seconds") > 4.0 * 45.0
    })
    .unwrap();
    runtime.misbehave(Misbehaviour::DryLimiter);
    grows("seamless_rl_dropped_total{limiter=\"storage\"");
    assert_eq!(sum("seamless_rl_tokens_available{limiter=\"storage\""), 0.0);
    runtime.misbehave(Misbehaviour::SlowStorage);
    grows("seamless_storage_wait_ms_sum");
    runtime.misbehave(Misbehaviour::LostMetrics);
    assert!(
        !runtime
            .exposition()
            .contains("seamless_conformance_warning")
    );
    let all: BTreeSet<Misbehaviour> = runtime.misbehaviours().into_iter().collect();
    assert_eq!(all.len(), 5);

    runtime.heal();
    assert!(runtime.misbehaviours().is_empty());
    wait_until(SOON, "the feed to be fresh", || {
        sum("live_staleness_seconds") < 4.0 * 45.0
    })
    .unwrap();
    assert!(
        runtime
            .exposition()
            .contains("seamless_conformance_warning")
    );
}
