//! A platform before its first event and after its last scrape, and one whose labels are not its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use seamless_lab::faults::{Behaviour, Faults, Reply};
use seamless_lab::servers::Prometheus;
use seamless_lab::wait_until;
use serde_json::{Value, json};

use crate::broken::site::{SoundSite, address, settled};
use crate::support::{JsonRun, PATIENCE};

fn scraping(site: &SoundSite, worker: &str, more: &Value) -> Prometheus {
    let mut config = json!({"job_name": "seamless", "static_configs": [{"targets": [worker]}]});
    config
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let prometheus = site.prometheus().scrape_config(config).start().unwrap();
    settled(&prometheus);
    prometheus
}

/// Types are stated from the start, series come with the first event.
fn before_the_first_event(site: &SoundSite) {
    let worker = site.worker(|text| {
        let is_there =
            |line: &&str| line.starts_with('#') || line.starts_with("backfill_jobs_in_progress");
        let kept = text.lines().filter(is_there);
        kept.map(|line| format!("{line}\n")).collect()
    });
    let prometheus = scraping(site, &address(&worker), &json!({}));
    let run = JsonRun::of(&mut site.check(&prometheus.url()));
    assert_eq!(run.ids("fail"), [""; 0], "{:#}", run.document);
    assert_eq!(run.code, 0);
    let (verdict, message) = run.check("alerting/inputs");
    assert_eq!(verdict, "pass", "{message}");
    assert!(message.contains("no event yet"), "{message}");
}

fn labels_of_others(site: &SoundSite) {
    let worker = site.runtime.address();
    let no_phase = json!([{"regex": "phase", "action": "labeldrop"}]);
    let prometheus = scraping(site, &worker, &json!({"metric_relabel_configs": no_phase}));
    let run = JsonRun::of(&mut site.check(&prometheus.url()));
    let (verdict, message) = run.check("alerting/inputs");
    assert_eq!((verdict, run.code), ("fail", 1), "{message}");
    let says =
        "reads seamless_sla_deadline_seconds by the label phase, which none of its series has";
    assert!(message.contains(says), "{message}");

    let node = json!([{"target_label": "node_id", "replacement": "host-7"}]);
    let prometheus = scraping(site, &worker, &json!({"relabel_configs": node}));
    let run = JsonRun::of(&mut site.check(&prometheus.url()));
    let (verdict, message) = run.check("prometheus/labels");
    assert_eq!(verdict, "warn", "{message}");
    assert!(message.contains("exported_node_id"), "{message}");
}

/// With its series ended, the past of all metrics of the only target is asked for.
fn after_the_last_scrape(site: &SoundSite) {
    let gone = Arc::new(AtomicBool::new(false));
    let (runtime, is_gone) = (Arc::clone(&site.runtime), Arc::clone(&gone));
    let worker = Faults::choose(move |_, _| -> Behaviour {
        if is_gone.load(Ordering::SeqCst) {
            return Reply::status(500).into();
        }
        let reply = Reply::status(200).header("Content-Type", "text/plain; version=0.0.4");
        reply.body(runtime.exposition()).into()
    })
    .unwrap();
    let prometheus = scraping(site, &address(&worker), &json!({}));
    wait_until(PATIENCE, "a p99", || {
        let rate = "sum(rate(seamless_sla_deadline_seconds_count[5m])) > 0";
        prometheus.query(rate).is_ok_and(|found| !found.is_empty())
    })
    .unwrap();
    gone.store(true, Ordering::SeqCst);
    wait_until(PATIENCE, "the end of its series", || {
        let ended = "absent(seamless_sla_deadline_seconds_count)";
        prometheus.query(ended).is_ok_and(|found| !found.is_empty())
    })
    .unwrap();
    let run = JsonRun::of(&mut site.check(&prometheus.url()));
    let (verdict, message) = run.check("prometheus/targets");
    assert_eq!((verdict, run.code), ("fail", 1), "{message}");
    assert!(message.contains("down"), "{message}");
    let said = run.document.to_string();
    assert!(!said.contains("same labelset"), "{:#}", run.document);
    assert!(!said.contains("boundary is 0s"), "{:#}", run.document);
}

fn a_platform_at_its_first_event_and_at_its_end_is_told_as_it_is() {
    let site = SoundSite::start();
    before_the_first_event(&site);
    labels_of_others(&site);
    after_the_last_scrape(&site);
}

seamless_lab::on_both_generations!(a_platform_at_its_first_event_and_at_its_end_is_told_as_it_is);
