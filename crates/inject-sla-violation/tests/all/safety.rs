//! Stopped at any moment, a drill leaves nothing behind.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::thread;
use std::time::Duration;

use crate::support::Injector;
use seamless_lab::faults::{Faults, Reply};
use seamless_lab::servers::Pushgateway;
use serde_json::Value;

#[test]
fn a_signal_at_any_moment_leaves_nothing_behind() {
    let gateway = Pushgateway::start().unwrap();
    let receiver = Faults::always(Reply::status(204)).unwrap();
    let groups = || {
        let text = gateway.get("/api/v1/metrics", &[]).unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap();
        answer["data"].as_array().cloned().unwrap_or_default()
    };
    let mut random = fastrand::Rng::new();
    for round in 0..24 {
        let folder = tempfile::tempdir().unwrap();
        let discovery = folder.path().join("drill.json");
        let file = folder.path().join("drill.prom");
        let (signal, code) = if round % 2 == 0 {
            ("INT", 130)
        } else {
            ("TERM", 143)
        };
        let (gateway_url, receiver_url) = (gateway.url(), receiver.url());
        let injector = Injector::start(&[
            "n",
            "--scenario=all",
            "--nodes=20",
            "--serve=0",
            "--file-sd",
            discovery.to_str().unwrap(),
            "--write-to",
            file.to_str().unwrap(),
            "--push-gateway",
            &gateway_url,
            "--remote-write",
            &receiver_url,
            "--step=100ms",
            "--hold=10m",
            "--output=json",
        ]);
        let wait = random.u64(0..1200);
        thread::sleep(Duration::from_millis(wait));
        injector.signal(signal);
        let ended = injector.end();
        let told = format!("round {round}, {signal} after {wait} ms: {ended:?}");

        assert_eq!(groups(), Vec::<Value>::new(), "{told}");
        assert!(!discovery.exists(), "{told}");
        let left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "drill.prom")
            .collect();
        assert_eq!(left, Vec::<String>::new(), "{told}");
        if let Ok(document) = fs::read(&file) {
            seamless_core::exposition::read::parse(&document).unwrap();
        }
        match ended.status.code() {
            Some(status) => {
                assert_eq!(status, code, "{told}");
                let report: Value = serde_json::from_str(&ended.stdout).unwrap();
                assert_eq!(report["exit_code"], code, "{told}");
            }
            // The signal was there before the program could listen; it had done nothing yet.
            None => assert!(
                ended.status.signal().is_some() && ended.stdout.is_empty(),
                "{told}"
            ),
        }
    }
}
