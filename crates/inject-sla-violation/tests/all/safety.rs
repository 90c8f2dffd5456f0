//! Stopped by any signal at any moment, a drill leaves nothing behind: every sink against its real server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use seamless_lab::faults::{Behaviour, Faults};
use seamless_lab::servers::{Alertmanager, Prometheus, Pushgateway};
use seamless_lab::wait_until;
use serde_json::Value;

use crate::support::{Injector, PATIENCE, command};

/// Where a drill leaves something.
#[derive(Debug, Clone, Copy, PartialEq)]
enum SinkKind {
    File,
    FileSd,
    Pushgateway,
    RemoteWrite,
    Silence,
}

/// When the signal comes: each is recognised by what the program says or the server shows, never by time.
#[derive(Debug, Clone, Copy, PartialEq)]
enum SignalMoment {
    /// It asks what has to be known beforehand; the server that it asks hangs.
    Start,
    /// It has said that it begins, and the first step is not over: where there is a server, it hangs.
    FirstStep,
    /// The server shows the drill.
    AtWork,
    /// The server has been stopped, and a step hangs in it.
    MidStep,
    /// The clean-up hangs in the stopped server, after a first signal.
    End,
}

impl SignalMoment {
    /// Whether the server of the sink is stopped meanwhile.
    const fn stops(self) -> bool {
        matches!(self, Self::FirstStep | Self::MidStep | Self::End)
    }

    /// Whether the report of the run says that the signals came then: by how many updates had been made, and how
    /// many of them had been delivered.
    fn was_met(self, report: &Value) -> bool {
        let sink = &report["sinks"][0];
        let made = report["steps"].as_u64().unwrap() + 1;
        match self {
            Self::Start => sink.is_null(),
            Self::FirstStep => made == 1,
            Self::AtWork => made > 1 && sink["delivered"] == made,
            // The update that hung was given up.
            Self::MidStep | Self::End => made > 1 && sink["delivered"] == made - 1,
        }
    }
}

const SINKS: [SinkKind; 5] = [
    SinkKind::File,
    SinkKind::FileSd,
    SinkKind::Pushgateway,
    SinkKind::RemoteWrite,
    SinkKind::Silence,
];
const MOMENTS: [SignalMoment; 5] = [
    SignalMoment::Start,
    SignalMoment::FirstStep,
    SignalMoment::AtWork,
    SignalMoment::MidStep,
    SignalMoment::End,
];
/// What is sent, and the exit code. A closing terminal sends SIGHUP twice.
const SIGNALS: [(&[&str], i32); 4] = [
    (&["INT"], 130),
    (&["TERM"], 143),
    (&["HUP", "HUP"], 143),
    (&["TERM", "HUP", "TERM"], 143),
];

/// Files are written in one go, and a silence in one short request: no step of them hangs.
fn exists(sink: SinkKind, moment: SignalMoment) -> bool {
    let hangs = matches!(sink, SinkKind::Pushgateway | SinkKind::RemoteWrite);
    hangs || !matches!(moment, SignalMoment::MidStep | SignalMoment::End)
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

    fn arguments(&self, sink: SinkKind, id: &str) -> Vec<String> {
        let file = format!("--write-to={}", self.file(id).display());
        match sink {
            SinkKind::File => vec![file],
            SinkKind::FileSd => vec![
                "--serve=0".to_owned(),
                format!("--file-sd={}", self.discovery().display()),
            ],
            SinkKind::Pushgateway => vec![format!("--push-gateway={}", self.gateway.url())],
            SinkKind::RemoteWrite => {
                vec![format!(
                    "--remote-write={}/api/v1/write",
                    self.prometheus.url()
                )]
            }
            SinkKind::Silence => vec![
                file,
                "--silence".to_owned(),
                format!("--alertmanager-url={}", self.alertmanager.url()),
            ],
        }
    }

    /// Whether the drill is there: what it left, as the server itself shows it.
    fn shows(&self, sink: SinkKind, id: &str) -> bool {
        match sink {
            SinkKind::File => self.file(id).exists(),
            SinkKind::FileSd => std::fs::read_to_string(self.discovery())
                .is_ok_and(|text| text.contains(&format!("\"{id}\""))),
            SinkKind::Pushgateway => self
                .gateway
                .get("/metrics", &[])
                .unwrap()
                .contains(&format!("drill=\"{id}\"")),
            SinkKind::RemoteWrite => !self
                .prometheus
                .query(&format!("{{drill=\"{id}\"}}"))
                .unwrap()
                .is_empty(),
            SinkKind::Silence => {
                let text = self.alertmanager.get("/api/v2/silences", &[]).unwrap();
                let silences: Value = serde_json::from_str(&text).unwrap();
                silences.as_array().unwrap().iter().any(|silence| {
                    silence["matchers"][0]["value"] == id && silence["status"]["state"] != "expired"
                })
            }
        }
    }

    fn hang(&self, sink: SinkKind, hang: bool) {
        let name = if hang { "STOP" } else { "CONT" };
        match sink {
            SinkKind::Pushgateway => self.gateway.signal(name).unwrap(),
            SinkKind::RemoteWrite => self.prometheus.signal(name).unwrap(),
            SinkKind::File | SinkKind::FileSd | SinkKind::Silence => {}
        }
    }

    /// Runs one cell of the table; whether the signals met their moment.
    fn cell(&self, sink: SinkKind, moment: SignalMoment, signals: &[&str], code: i32) -> bool {
        let id = format!("{sink:?}-{moment:?}-{}", signals.join("-")).to_lowercase();
        let mut arguments = self.arguments(sink, &id);
        // The first step must not be over before the signal comes.
        let step = if moment == SignalMoment::FirstStep {
            "--step=5s"
        } else {
            "--step=200ms"
        };
        let common = ["n", step, "--hold=10m", "--timeout=30s", "--output=json"];
        arguments.extend(common.map(str::to_owned));
        arguments.push(format!("--drill-id={id}"));
        let hanging = Faults::always(Behaviour::HangBeforeHeaders).unwrap();
        if moment == SignalMoment::Start {
            arguments.push(format!("--prometheus-url={}", hanging.url()));
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        if moment == SignalMoment::FirstStep {
            self.hang(sink, true);
        }
        let mut injector = Injector::start(&arguments);
        let mut signals = signals.iter();
        if moment == SignalMoment::Start {
            let waits = || !hanging.received().is_empty();
            wait_until(PATIENCE, "the first question", waits).unwrap();
        } else {
            injector.says(&format!("(drill {id})"));
        }
        if matches!(
            moment,
            SignalMoment::AtWork | SignalMoment::MidStep | SignalMoment::End
        ) {
            wait_until(PATIENCE, "the drill", || self.shows(sink, &id)).unwrap();
            // A few steps on.
            std::thread::sleep(Duration::from_millis(700));
        }
        if matches!(moment, SignalMoment::MidStep | SignalMoment::End) {
            self.hang(sink, true);
            // Several steps later one of them hangs.
            std::thread::sleep(Duration::from_millis(600));
        }
        if moment == SignalMoment::End {
            injector.signal(signals.next().unwrap());
            injector.says("still cleaning up");
        }
        for signal in signals {
            injector.signal(signal);
        }
        if moment.stops() {
            // Longer than a delivery may go on after a signal: what hangs is given up.
            std::thread::sleep(Duration::from_millis(2500));
            self.hang(sink, false);
        }
        let ended = injector.end();
        assert_eq!(ended.status.code(), Some(code), "{id}: {ended:?}");
        let report: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(report["exit_code"], code, "{id}: {ended:?}");
        for left in report["sinks"].as_array().unwrap() {
            assert_eq!(left["cleaned_up"], true, "{id}: {report:#}");
        }
        assert!(!self.shows(sink, &id), "{id} is still there: {report:#}");
        moment.was_met(&report)
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
    let rows: Vec<String> = std::thread::scope(|scope| {
        // One thread per sink: within it cells come one by one, so that stopping a server disturbs no other.
        let sinks = SINKS.map(|sink| {
            let world = &world;
            scope.spawn(move || {
                let mut rows = Vec::new();
                for moment in MOMENTS.into_iter().filter(|moment| exists(sink, *moment)) {
                    for (signals, code) in SIGNALS {
                        // In the middle of the end there is a signal before.
                        if moment == SignalMoment::End && signals.len() == 1 {
                            continue;
                        }
                        let met = world.cell(sink, moment, signals, code);
                        let signals = signals.join(" ");
                        let said = if met { "met" } else { "missed" };
                        rows.push(format!(
                            "{:<12} {:<10} {signals:<14} {said}, exit {code}, nothing left",
                            format!("{sink:?}"),
                            format!("{moment:?}"),
                        ));
                    }
                }
                rows
            })
        });
        sinks
            .into_iter()
            .flat_map(|sink| sink.join().unwrap())
            .collect()
    });
    println!("{}", rows.join("\n"));
    // 5 sinks at 3 moments by 4 signals; 2 sinks also in mid-step by 4 and at the end by 2.
    assert_eq!(rows.len(), 5 * 3 * 4 + 2 * 4 + 2 * 2);
    let missed: Vec<_> = rows.iter().filter(|row| row.contains("missed")).collect();
    assert!(missed.is_empty(), "{missed:#?}");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_second_interrupt_ends_at_once_and_the_clean_up_does_the_rest() {
    let gateway = Pushgateway::start().unwrap();
    let url = gateway.url();
    let mut injector = Injector::start(&[
        "n",
        "--hold=10m",
        "--step=200ms",
        "--timeout=30s",
        "--drill-id=forced",
        "--push-gateway",
        &url,
    ]);
    injector.says("(drill forced)");
    let shows = || gateway.get("/metrics", &[]).unwrap().contains("forced");
    wait_until(PATIENCE, "the drill", shows).unwrap();
    gateway.signal("STOP").unwrap();
    injector.signal("INT");
    injector.says("still cleaning up");
    injector.signal("INT");
    let ended = injector.end();
    gateway.signal("CONT").unwrap();
    assert_eq!(ended.status.code(), Some(130), "{ended:?}");
    assert_eq!(ended.stdout, "");

    let mut cleanup = command();
    cleanup.args(["--cleanup=forced", "--push-gateway", &url]);
    let removed = cleanup.output().unwrap();
    assert_eq!(removed.status.code(), Some(0), "{removed:?}");
    assert!(!shows());
}
