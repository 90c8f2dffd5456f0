//! The last mile: an alert has arrived when the receivers' services have taken it.

use std::path::Path;

use seamless_lab::faults::{Behaviour, Faults, Reply};
use seamless_lab::servers::{Alertmanager, Prometheus};
use serde_json::{Value, json};

use crate::support::Injector;

const P99: &str = "histogram_quantile(0.99, sum by (le, drill) (rate(seamless_sla_deadline_seconds_bucket[10s])))";

fn rules() -> String {
    json!({"groups": [{"name": "g", "interval": "500ms", "rules": [
        {"alert": "Slow", "expr": format!("{P99} > 60"), "for": "1s", "labels": {"severity": "critical"}},
        {"alert": "Old", "expr": "vector(1)", "labels": {"drill": "old"}},
    ]}]})
    .to_string()
}

/// An Alertmanager that calls a PagerDuty at `url` for one drill only, so that no other is in its way.
fn pages(drill: &str, url: &str) -> Alertmanager {
    Alertmanager::builder()
        .config(format!(
            "global: {{pagerduty_url: '{url}/v2/enqueue'}}\n\
             route:\n  receiver: nobody\n  group_by: [alertname, drill]\n  group_wait: 1s\n  group_interval: 2m\n  \
             routes:\n    - {{receiver: pager, matchers: ['drill=\"{drill}\"'], continue: true}}\n    \
             - {{receiver: second-pager, matchers: ['drill=\"{drill}\"', 'drill=\"twins\"']}}\n\
             receivers:\n  - name: nobody\n  - name: pager\n    pagerduty_configs: [{{routing_key: k}}]\n  \
             - name: second-pager\n    pagerduty_configs: [{{routing_key: k}}]\n"
        ))
        .start()
        .unwrap()
}

/// A drill whose alert is awaited, and which PagerDuty is called for it.
struct Case {
    id: &'static str,
    alertmanagers: Vec<Alertmanager>,
    arguments: &'static [&'static str],
}

impl Case {
    fn new(id: &'static str, pagerduty: &Faults, arguments: &'static [&'static str]) -> Self {
        Self {
            id,
            alertmanagers: vec![pages(id, &pagerduty.url())],
            arguments,
        }
    }

    fn start(&self, prometheus: &Prometheus, folder: &Path) -> Injector {
        let path = folder.join("drills.json");
        let mut arguments = vec![
            "n".to_owned(),
            "--serve=0".to_owned(),
            format!("--file-sd={}", path.display()),
            format!("--prometheus-url={}", prometheus.url()),
            "--step=1s".to_owned(),
            "--within=3m".to_owned(),
            "--output=json".to_owned(),
            "--expect-alert=Slow".to_owned(),
            format!("--drill-id={}", self.id),
        ];
        let urls = self.alertmanagers.iter().map(|am| am.url());
        arguments.extend(urls.map(|url| format!("--alertmanager-url={url}")));
        arguments.extend(self.arguments.iter().map(|&argument| argument.to_owned()));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Injector::start(&arguments)
    }
}

fn outcome(injector: Injector) -> (i32, String, Value) {
    let ended = injector.end();
    let report: Value =
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    let expectation = &report["expectations"][0];
    let missed = &expectation["missed"];
    let what = match (missed["stage"].as_str(), missed["reason"].as_str()) {
        (Some(stage), Some(reason)) => format!("{stage} missed: {reason}"),
        _ => {
            let last = expectation["stages"].as_array().and_then(|s| s.last());
            let last = last.map(|stage| stage["stage"].as_str().unwrap_or_default());
            last.unwrap_or_default().to_owned()
        }
    };
    (ended.status.code().unwrap(), what, report)
}

fn a_drill_ends_when_the_pager_was_really_called() {
    let folder = tempfile::tempdir().unwrap();
    let accepted = || Faults::always(Reply::status(202)).unwrap();
    let (sound, refusing, busy) = (
        accepted(),
        Faults::always(Reply::status(400)).unwrap(),
        Faults::always(Reply::status(429)).unwrap(),
    );
    let hanging = Faults::always(Behaviour::HangBeforeHeaders).unwrap();
    let (twins, wrong, silent, pair, other) =
        (accepted(), accepted(), accepted(), accepted(), accepted());
    let mut two = Case::new("two", &pair, &[]);
    two.alertmanagers.push(pages("two", &other.url()));
    let cases = [
        (
            Case::new("sound", &sound, &["--expect-receiver=pager"]),
            0,
            "notified",
        ),
        (
            Case::new("refused", &refusing, &[]),
            1,
            "notified missed: notification_failed",
        ),
        (
            Case::new("busy", &busy, &[]),
            1,
            "notified missed: notification_failed",
        ),
        (
            Case::new("hangs", &hanging, &[]),
            1,
            "notified missed: no_request",
        ),
        (
            Case::new("twins", &twins, &[]),
            3,
            "notified missed: cannot_tell_delivery",
        ),
        (
            Case::new("wrong", &wrong, &["--expect-receiver=second-pager"]),
            1,
            "notified missed: other_receiver",
        ),
        (Case::new("silent", &silent, &["--silence"]), 0, "received"),
        (two, 0, "notified"),
    ];
    let mut prometheus = Prometheus::builder()
        .file_sd("drills", folder.path().join("*.json"))
        .rules(rules())
        .flag("--rules.alert.resend-delay=1s");
    for alertmanager in cases.iter().flat_map(|(case, ..)| &case.alertmanagers) {
        prometheus = prometheus.alertmanager(alertmanager.address());
    }
    let prometheus = prometheus.start().unwrap();
    let running: Vec<Injector> = cases
        .iter()
        .map(|(case, ..)| case.start(&prometheus, folder.path()))
        .collect();
    for (injector, (case, code, what)) in running.into_iter().zip(&cases) {
        let (got, reached, report) = outcome(injector);
        assert_eq!((got, &*reached), (*code, *what), "{}: {report:#}", case.id);
        for sink in report["sinks"].as_array().unwrap() {
            assert_eq!(sink["cleaned_up"], true, "{}: {report:#}", case.id);
        }
    }
    assert!(!sound.received().is_empty() && !pair.received().is_empty());
    // Muted at every receiver, and the silence gone with the drill and its alerts.
    assert!(silent.received().is_empty());
    let (silenced, ..) = &cases[6];
    let silences = silenced.alertmanagers[0]
        .get("/api/v2/silences", &[])
        .unwrap();
    let silences: Value = serde_json::from_str(&silences).unwrap();
    let states: Vec<&Value> = silences
        .as_array()
        .unwrap()
        .iter()
        .map(|s| &s["status"]["state"])
        .collect();
    assert_eq!(states, ["expired"], "{silences:#}");
}

fn a_drill_judges_its_own_series_alone() {
    let folder = tempfile::tempdir().unwrap();
    let free = |host: &str| {
        let listener = std::net::TcpListener::bind((host, 0)).unwrap();
        listener.local_addr().unwrap().port()
    };
    let (named, everywhere) = (free("127.0.0.1"), free("127.0.0.1"));
    let targets = [
        format!("localhost:{named}"),
        format!("127.0.0.2:{everywhere}"),
    ];
    let prometheus = Prometheus::builder()
        .scrape("static", targets.iter().map(String::as_str))
        .file_sd("drills", folder.path().join("*.json"))
        .rules(rules())
        .start()
        .unwrap();
    seamless_lab::wait_until(crate::support::PATIENCE, "the old alert", || {
        prometheus.alerts().is_ok_and(|alerts| !alerts.is_empty())
    })
    .unwrap();
    let url = format!("--prometheus-url={}", prometheus.url());
    let start = |serve: &str, id: &str, more: &[&str]| {
        let serve = format!("--serve={serve}");
        let common = [
            "n",
            &serve,
            &url,
            "--step=1s",
            "--output=json",
            "--drill-id",
            id,
        ];
        Injector::start(&[&common[..], more].concat())
    };
    let file_sd = format!("--file-sd={}", folder.path().join("d.json").display());
    let slow = ["--expect-alert=Slow", "--within=2m"];
    let by_name = start(&format!("127.0.0.1:{named}"), "by-name", &slow);
    let container = start(&format!("0.0.0.0:{everywhere}"), "container", &slow);
    let advertised = start(
        "0.0.0.0:0",
        "advertised",
        &[&slow[..], &[&file_sd, "--advertise=127.0.0.3"]].concat(),
    );
    // Beside others on one file, some of which end before it does.
    let beside = start(
        "0",
        "beside",
        &[&slow[..], &[&file_sd, "--recover-after=20s"]].concat(),
    );
    let old = start("0", "old", &["--expect-alert=Old", "--within=8s", &file_sd]);
    for (id, drill) in [
        ("by-name", by_name),
        ("container", container),
        ("advertised", advertised),
    ] {
        let (code, reached, report) = outcome(drill);
        assert_eq!((code, &*reached), (0, "firing"), "{id}: {report:#}");
        let stages = report["expectations"][0]["stages"].as_array().unwrap();
        assert_eq!(stages[0]["stage"], "target", "{id}: {report:#}");
    }
    let (code, reached, report) = outcome(old);
    assert_eq!(code, 1, "{report:#}");
    assert!(
        reached.starts_with("pending missed") || reached.starts_with("expression missed"),
        "{reached}"
    );
    let (code, reached, report) = outcome(beside);
    assert_eq!((code, &*reached), (0, "resolved"), "{report:#}");
    // The last of them has taken the file along.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

    // The id of a drill that had series lately is refused, before anything is injected.
    let again = start("0", "by-name", &slow).end();
    assert_eq!(again.status.code(), Some(2), "{again:?}");
    assert!(
        again.stdout.contains("give another --drill-id"),
        "{again:?}"
    );
}

fn what_would_swallow_an_alert_is_said_before_the_injection() {
    let folder = tempfile::tempdir().unwrap();
    let sound = Faults::always(Reply::status(202)).unwrap();
    let case = Case::new(
        "said",
        &sound,
        &["--hold=10m", "--expect-receiver=second-pager"],
    );
    let silence = json!({
        "matchers": [{"name": "drill", "value": ".+", "isRegex": true, "isEqual": true}],
        "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2100-01-01T00:00:00Z",
        "createdBy": "night shift", "comment": "test",
    });
    case.alertmanagers[0]
        .post("/api/v2/silences", Some(&silence))
        .unwrap();
    let prometheus = Prometheus::builder().rules(rules()).start().unwrap();
    let mut injector = case.start(&prometheus, folder.path());
    injector.says("would be swallowed: its route goes to pager, not to second-pager");
    injector.says("by night shift until");
    injector.says("receivers: pager (pagerduty)");
    injector.says("serving ");
    injector.signal("INT");
    injector.end();
}

seamless_lab::on_both_generations!(
    a_drill_ends_when_the_pager_was_really_called,
    a_drill_judges_its_own_series_alone,
    what_would_swallow_an_alert_is_said_before_the_injection,
);
