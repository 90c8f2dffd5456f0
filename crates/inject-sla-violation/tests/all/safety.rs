//! Stopped by any signal at any moment, a drill leaves nothing behind: every sink against its real server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use seamless_lab::faults::{Behaviour, Faults};
use seamless_lab::servers::{Alertmanager, Prometheus, Pushgateway};
use seamless_lab::wait_until;
use serde_json::Value;

use crate::support::{Injector, PATIENCE};

/// Where a drill leaves something.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Sink {
    File,
    FileSd,
    Pushgateway,
    RemoteWrite,
    Silence,
}

/// When the signal comes: each is recognised by what the program says or the server shows, never by time.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Moment {
    /// It asks what has to be known beforehand; the server that it asks hangs.
    Start,
    /// It has said that it begins; the first step may be under way.
    FirstStep,
    /// The server shows the drill.
    AtWork,
    /// The server has been stopped, and a step hangs in it.
    MidStep,
    /// The clean-up hangs in the stopped server, after a first signal.
    End,
}

const SINKS: [Sink; 5] = [
    Sink::File,
    Sink::FileSd,
    Sink::Pushgateway,
    Sink::RemoteWrite,
    Sink::Silence,
];
const MOMENTS: [Moment; 5] = [
    Moment::Start,
    Moment::FirstStep,
    Moment::AtWork,
    Moment::MidStep,
    Moment::End,
];
/// What is sent, and the exit code. A closing terminal sends SIGHUP twice.
const SIGNALS: [(&[&str], i32); 4] = [
    (&["INT"], 130),
    (&["TERM"], 143),
    (&["HUP", "HUP"], 143),
    (&["TERM", "HUP", "TERM"], 143),
];

/// Files are written in one go, and a silence in one short request: nothing of them hangs.
fn exists(sink: Sink, moment: Moment) -> bool {
    let hangs = matches!(sink, Sink::Pushgateway | Sink::RemoteWrite);
    hangs || !matches!(moment, Moment::MidStep | Moment::End)
}

struct World {
    folder: PathBuf,
    gateway: Pushgateway,
    prometheus: Prometheus,
    alertmanager: Alertmanager,
}

impl World {
    fn file(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.prom"))
    }

    fn discovery(&self) -> PathBuf {
        self.folder.join("drills.json")
    }

    fn arguments(&self, sink: Sink, id: &str) -> Vec<String> {
        let file = format!("--write-to={}", self.file(id).display());
        match sink {
            Sink::File => vec![file],
            Sink::FileSd => vec![
                "--serve=0".to_owned(),
                format!("--file-sd={}", self.discovery().display()),
            ],
            Sink::Pushgateway => vec![format!("--push-gateway={}", self.gateway.url())],
            Sink::RemoteWrite => {
                vec![format!(
                    "--remote-write={}/api/v1/write",
                    self.prometheus.url()
                )]
            }
            Sink::Silence => vec![
                file,
                "--silence".to_owned(),
                format!("--alertmanager-url={}", self.alertmanager.url()),
            ],
        }
    }

    /// Whether the drill is there: what it left, as the server itself shows it.
    fn shows(&self, sink: Sink, id: &str) -> bool {
        match sink {
            Sink::File => self.file(id).exists(),
            Sink::FileSd => std::fs::read_to_string(self.discovery())
                .is_ok_and(|text| text.contains(&format!("\"{id}\""))),
            Sink::Pushgateway => self
                .gateway
                .get("/metrics", &[])
                .unwrap()
                .contains(&format!("drill=\"{id}\"")),
            Sink::RemoteWrite => !self
                .prometheus
                .query(&format!("{{drill=\"{id}\"}}"))
                .unwrap()
                .is_empty(),
            Sink::Silence => {
                let text = self.alertmanager.get("/api/v2/silences", &[]).unwrap();
                let silences: Value = serde_json::from_str(&text).unwrap();
                silences.as_array().unwrap().iter().any(|silence| {
                    silence["matchers"][0]["value"] == id && silence["status"]["state"] != "expired"
                })
            }
        }
    }

    fn hang(&self, sink: Sink, hang: bool) {
        let name = if hang { "STOP" } else { "CONT" };
        match sink {
            Sink::Pushgateway => self.gateway.signal(name).unwrap(),
            Sink::RemoteWrite => self.prometheus.signal(name).unwrap(),
            Sink::File | Sink::FileSd | Sink::Silence => {}
        }
    }

    /// Runs one cell of the table.
    fn cell(&self, sink: Sink, moment: Moment, signals: &[&str], code: i32) {
        let id = format!("{sink:?}-{moment:?}-{}", signals.join("-")).to_lowercase();
        let mut arguments = self.arguments(sink, &id);
        arguments.extend(
            [
                "n",
                "--step=200ms",
                "--hold=10m",
                "--timeout=30s",
                "--output=json",
            ]
            .map(str::to_owned),
        );
        arguments.push(format!("--drill-id={id}"));
        let hanging = Faults::always(Behaviour::HangBeforeHeaders).unwrap();
        if moment == Moment::Start {
            arguments.push(format!("--prometheus-url={}", hanging.url()));
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut injector = Injector::start(&arguments);
        if moment == Moment::Start {
            let waits = || !hanging.received().is_empty();
            wait_until(PATIENCE, "the first question", waits).unwrap();
        } else {
            injector.says(&format!("(drill {id})"));
        }
        let mut signals = signals.iter();
        if matches!(moment, Moment::AtWork | Moment::MidStep | Moment::End) {
            wait_until(PATIENCE, "the drill", || self.shows(sink, &id)).unwrap();
        }
        if matches!(moment, Moment::MidStep | Moment::End) {
            self.hang(sink, true);
            // Several steps later one of them hangs.
            std::thread::sleep(Duration::from_millis(600));
        }
        if moment == Moment::End {
            injector.signal(signals.next().unwrap());
            // Longer than a delivery may go on after a signal: the clean-up has begun.
            std::thread::sleep(Duration::from_millis(2500));
        }
        for signal in signals {
            injector.signal(signal);
        }
        if matches!(moment, Moment::MidStep | Moment::End) {
            std::thread::sleep(Duration::from_millis(300));
            self.hang(sink, false);
        }
        let ended = injector.end();
        assert_eq!(ended.status.code(), Some(code), "{id}: {ended:?}");
        let report: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(report["exit_code"], code, "{id}: {ended:?}");
        for left in report["sinks"].as_array().unwrap() {
            assert_eq!(left["cleaned_up"], true, "{id}: {report:#}");
        }
        let begun = !report["sinks"].as_array().unwrap().is_empty();
        assert_eq!(begun, moment != Moment::Start, "{id}: {report:#}");
        assert!(!self.shows(sink, &id), "{id} is still there: {report:#}");
    }
}

#[test]
fn every_sink_at_every_moment_by_every_signal_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let world = World {
        folder: Path::to_owned(folder.path()),
        gateway: Pushgateway::start().unwrap(),
        prometheus: Prometheus::builder()
            .remote_write_receiver()
            .start()
            .unwrap(),
        alertmanager: Alertmanager::start().unwrap(),
    };
    let mut hit = 0;
    std::thread::scope(|scope| {
        // One thread per sink: within it cells come one by one, so that stopping a server disturbs no other.
        let sinks = SINKS.map(|sink| {
            let world = &world;
            scope.spawn(move || {
                let mut hit = 0;
                for moment in MOMENTS.into_iter().filter(|moment| exists(sink, *moment)) {
                    for (signals, code) in SIGNALS {
                        // In the middle of the end there is a signal before.
                        let is_one = signals.len() == 1;
                        if moment == Moment::End && is_one {
                            continue;
                        }
                        world.cell(sink, moment, signals, code);
                        hit += 1;
                    }
                }
                hit
            })
        });
        for sink in sinks {
            hit += sink.join().unwrap();
        }
    });
    // 5 sinks at 3 moments by 4 signals; 2 sinks also in mid-step by 4 and at the end by 2.
    assert_eq!(hit, 5 * 3 * 4 + 2 * 4 + 2 * 2);
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
