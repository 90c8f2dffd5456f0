//! A cluster of real Alertmanagers: each peer counts what it sent itself, so failures are the sum.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use seamless_lab::faults::{Faults, Reply};
use seamless_lab::servers::{Alertmanager, Prometheus, free_port};
use seamless_lab::wait_until;
use serde_json::{Value, json};

use crate::support::{JsonRun, PATIENCE, program};

/// A page goes out at once, one for each alert.
fn config(pager: &str) -> String {
    format!(
        "route: {{receiver: pager, group_by: [alertname], group_wait: 0s}}\n\
         receivers: [{{name: pager, pagerduty_configs: [{{routing_key: key, url: '{pager}/'}}]}}]\n"
    )
}

fn failed(alertmanager: &Alertmanager) -> f64 {
    let text = alertmanager.get("/metrics", &[]).unwrap();
    let of_pager = text.lines().filter(|line| {
        line.starts_with("alertmanager_notifications_failed_total{") && line.contains("pagerduty")
    });
    let counts = of_pager.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap());
    counts.sum()
}

fn is_settled(alertmanager: &Alertmanager, peers: usize) -> bool {
    let status = alertmanager.get("/api/v2/status", &[]).unwrap();
    let status: Value = serde_json::from_str(&status).unwrap();
    let known = status["cluster"]["peers"].as_array().map_or(0, Vec::len);
    let metrics = alertmanager.get("/metrics", &[]).unwrap();
    let none_failed = metrics.contains("\nalertmanager_cluster_failed_peers 0\n");
    status["cluster"]["status"] == "ready" && known == peers && none_failed
}

fn fire(alertmanager: &Alertmanager, name: &str) {
    let alert = json!([{"labels": {"alertname": name, "severity": "critical"}}]);
    alertmanager.post("/api/v2/alerts", Some(&alert)).unwrap();
}

fn failures_are_summed_over_all_peers() {
    let pager = Faults::always(Reply::status(400).body("invalid key")).unwrap();
    let addresses: Vec<String> = (0..3)
        .map(|_| format!("127.0.0.1:{}", free_port().unwrap()))
        .collect();
    let start = |own: &String| {
        let others: Vec<String> = addresses.iter().filter(|a| *a != own).cloned().collect();
        let builder = Alertmanager::builder().config(config(&pager.url()));
        Arc::new(builder.cluster(own, &others).start().unwrap())
    };
    let mut peers: Vec<Arc<Alertmanager>> = addresses.iter().map(start).collect();
    wait_until(PATIENCE, "the cluster", || {
        peers.iter().all(|peer| is_settled(peer, 3))
    })
    .unwrap();
    let prometheus = peers
        .iter()
        .fold(Prometheus::builder(), |builder, peer| {
            builder.alertmanager(peer.address())
        })
        .flag("--rules.alert.resend-delay=1s")
        .evaluation_interval(Duration::from_secs(1))
        .start()
        .unwrap();
    let urls: Vec<String> = peers.iter().map(|peer| peer.url()).collect();
    let check = |more: &[&str]| {
        let mut command = program();
        for url in &urls {
            command.args(["--alertmanager-url", url]);
        }
        command.args([
            "--prometheus-url",
            &prometheus.url(),
            "--only",
            "alerting/delivered",
        ]);
        JsonRun::of(command.args(more))
    };
    let sound = check(&[]);
    assert_eq!(
        sound.check("alerting/delivered").0,
        "pass",
        "{:#}",
        sound.document
    );

    // Alerts are not passed on between peers: each of the two fails by itself.
    fire(&peers[1], "Second");
    fire(&peers[2], "ThirdA");
    fire(&peers[2], "ThirdB");
    wait_until(PATIENCE, "refused pages", || {
        failed(&peers[1]) >= 1.0 && failed(&peers[2]) >= 2.0
    })
    .unwrap();
    let all: f64 = peers.iter().map(|peer| failed(peer)).sum();
    let run = check(&[]);
    let (verdict, message) = run.check("alerting/delivered");
    assert_eq!(verdict, "warn", "{message}");
    assert!(
        message.contains(&format!("{all} notifications failed since its start")),
        "{message}"
    );

    // They grow at one peer alone.
    let goes_on = Arc::new(AtomicBool::new(true));
    let firing = {
        let (peer, goes_on) = (Arc::clone(&peers[2]), Arc::clone(&goes_on));
        std::thread::spawn(move || {
            for number in 0.. {
                if !goes_on.load(Ordering::SeqCst) {
                    break;
                }
                fire(&peer, &format!("More{number}"));
                std::thread::sleep(Duration::from_millis(200));
            }
        })
    };
    let run = check(&["--wait-delivery"]);
    goes_on.store(false, Ordering::SeqCst);
    firing.join().unwrap();
    let (verdict, message) = run.check("alerting/delivered");
    assert_eq!((verdict, run.code), ("fail", 1), "{message}");
    assert!(message.contains("notifications failed in"), "{message}");

    // A peer that is gone is told by those that are left.
    let gone = peers.remove(0);
    drop(gone);
    wait_until(PATIENCE, "its loss", || {
        let text = peers[0].get("/metrics", &[]).unwrap();
        text.lines()
            .any(|line| line == "alertmanager_cluster_failed_peers 1")
    })
    .unwrap();
    let left: Vec<String> = peers.iter().map(|peer| peer.url()).collect();
    let mut command = program();
    command.args([
        "--only",
        "alerting/delivered",
        "--external-label",
        "cluster=eu",
    ]);
    for url in &left {
        command.args(["--alertmanager-url", url]);
    }
    let run = JsonRun::of(&mut command);
    let document = run.document.to_string();
    assert!(
        document.contains("peers of its cluster have failed"),
        "{document}"
    );
}

seamless_lab::on_both_generations!(failures_are_summed_over_all_peers);
