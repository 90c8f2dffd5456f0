//! Servers that are not a plain Prometheus at the root of a host: behind a path, a password, a token or a
//! tenant, VictoriaMetrics, native histograms, series that nobody scrapes.
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::support::{Deployment, JsonRun, PATIENCE, program, shipped};
use seamless_core::remote_write::{
    self, BucketSpan, NativeHistogram, TimeSeries, WriteRequest, WriteSample, labels,
};
use seamless_lab::Received;
use seamless_lab::coordinator::Coordinator;
use seamless_lab::faults::{Faults, Reply};
use seamless_lab::runtime::Runtime;
use seamless_lab::servers::{BASIC_AUTH, Prometheus, VictoriaMetrics};
use seamless_lab::wait_until;

const TOKEN: &str = "a-token-that-nobody-shows";
const TENANT: &str = "tenant-1";
const WARNING: &str = "partial answer: store 2 is away";
/// As Prometheus 3 says it, beside the warnings.
const INFO: &str = "PromQL info: metric might not be a counter";

/// Sends a request on to `HOST:PORT`, as HTTP/1.0: the answer ends with the connection.
pub(crate) fn forward(address: &str, request: &Received) -> Reply {
    let mut target = request.path.clone();
    if let Some(query) = &request.query {
        target = format!("{target}?{query}");
    }
    let mut head = format!(
        "{} {target} HTTP/1.0\r\nHost: {address}\r\n",
        request.method
    );
    for name in ["content-type", "content-encoding"] {
        if let Some(value) = request.header(name) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", request.body.len()));
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&request.body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let head = String::from_utf8_lossy(&answer[..end]);
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let json = head
        .to_ascii_lowercase()
        .contains("content-type: application/json");
    let kind = if json {
        "application/json"
    } else {
        "text/plain"
    };
    Reply::status(status)
        .header("Content-Type", kind)
        .body(&answer[end + 4..])
}

/// A gateway: lets through who has the token and the tenant, and warns as one does that has lost a store.
fn gateway(address: String) -> Faults {
    Faults::choose(move |request, _| {
        let authorized = request.header("authorization") == Some(&format!("Bearer {TOKEN}"));
        if !authorized {
            return Reply::status(401).into();
        }
        if request.header("x-scope-orgid") != Some(TENANT) {
            return Reply::status(403).body("no org id").into();
        }
        let reply = forward(&address, request);
        if request.path != "/api/v1/query" {
            return reply.into();
        }
        reply
            .rewritten(|body| {
                let start = r#"{"status":"success","#;
                let said = format!(r#"{start}"warnings":["{WARNING}"],"infos":["{INFO}"],"#);
                body.replacen(start, &said, 1)
            })
            .into()
    })
    .unwrap()
}

#[test]
fn a_prometheus_behind_a_path_and_a_password_or_behind_a_gateway_is_checked_like_any_other() {
    let deployment = Deployment::start(|builder| builder);
    let guarded = Prometheus::builder()
        .prefix("/monitoring/prometheus")
        .basic_auth()
        .scrape("seamless", [deployment.runtime.address()])
        .rules(shipped("alert_rules.yml"))
        .alertmanager(deployment.alertmanager.address())
        .start()
        .unwrap();
    wait_until(PATIENCE, "a p99", || {
        let query = "sum(rate(seamless_sla_deadline_seconds_count[5m])) > 0";
        guarded.query(query).is_ok_and(|found| !found.is_empty())
    })
    .unwrap();

    // The same checks pass as on the plain one.
    let patient = ["--wait", "90s", "--interval", "1s"];
    let plain = JsonRun::of(deployment.command().args(patient));
    assert_eq!(plain.code, 0, "{:#}", plain.document);
    let (user, password) = BASIC_AUTH;
    let with_password = guarded
        .url()
        .replace("http://", &format!("http://{user}:{password}@"));
    for url in [with_password.clone(), format!("{with_password}/")] {
        let run = JsonRun::of(
            deployment
                .command()
                .args(["--prometheus-url", &url])
                .args(patient),
        );
        assert_eq!(run.code, 0, "{:#}", run.document);
        assert_eq!(run.ids("pass"), plain.ids("pass"));
        // The password is in no output.
        assert!(!run.document.to_string().contains(&format!("{password}@")));
    }
    let run = JsonRun::of(
        deployment
            .command()
            .args(["--prometheus-url", &guarded.url()]),
    );
    assert_eq!(run.code, 1);
    assert!(
        run.check("prometheus/ready").1.contains("401"),
        "{:#}",
        run.document
    );

    // Bearer token, tenant header, and the warnings of a partial answer.
    let gateway = gateway(deployment.prometheus.address());
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    fs::write(&token, format!("{TOKEN}\n")).unwrap();
    let command = || {
        let mut command = deployment.command();
        command.args(["--prometheus-url", &gateway.url()]);
        command
    };
    let with_token = || {
        let mut command = command();
        command.arg("--bearer-token-file").arg(&token);
        command
    };
    let tenant = format!("X-Scope-OrgID: {TENANT}");
    let run = JsonRun::of(with_token().args(["--header", &tenant]).args(patient));
    assert_eq!(run.code, 0, "{:#}", run.document);
    assert_eq!(run.ids("pass"), plain.ids("pass"));
    let warnings = run.document["warnings"].to_string();
    assert!(warnings.contains(WARNING), "{warnings}");
    assert!(warnings.contains(INFO), "{warnings}");
    let output = with_token().args(["--header", &tenant]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.matches(WARNING).count(), 1, "{stderr}");
    assert_eq!(stderr.matches(INFO).count(), 1, "{stderr}");

    let run = JsonRun::of(&mut command());
    assert!(
        run.check("prometheus/ready").1.contains("401"),
        "{:#}",
        run.document
    );
    let run = JsonRun::of(&mut with_token());
    assert!(
        run.check("prometheus/ready").1.contains("403"),
        "{:#}",
        run.document
    );
    assert!(!run.document.to_string().contains(TOKEN));
    // The coordinator has an origin of its own and is given neither.
    for request in deployment.coordinator.received() {
        assert_eq!(request.header("authorization"), None, "{request}");
        assert_eq!(request.header("x-scope-orgid"), None, "{request}");
    }
}

fn what_victoriametrics_does_not_offer_is_skipped_with_the_reason() {
    let coordinator = Coordinator::start().unwrap();
    let runtime = Runtime::builder()
        .coordinator(coordinator.url())
        .start()
        .unwrap();
    let server = VictoriaMetrics::scraping(&runtime.address()).unwrap();
    let run = || {
        let mut command = program();
        command
            .args(["--prometheus-url", &server.url()])
            .args(["--coordinator-url", &coordinator.url()]);
        JsonRun::of(&mut command)
    };
    let has_p99 = wait_until(PATIENCE, "a p99", || run().check("sla/p99").0 == "pass");
    let run = run();
    assert!(has_p99.is_ok(), "{:#}", run.document);
    assert_eq!(run.ids("fail"), [""; 0], "{:#}", run.document);
    assert_eq!(run.code, 0);
    for id in [
        "prometheus/ready",
        "prometheus/queries",
        "prometheus/present",
        "prometheus/fresh",
        "prometheus/labels",
        "prometheus/targets",
        "sla/p99",
    ] {
        assert_eq!(run.check(id).0, "pass", "{id}: {}", run.check(id).1);
    }
    for id in [
        "alerting/rules-loaded",
        "alerting/rules-evaluated",
        "alerting/firing",
        "alerting/alertmanager-known",
    ] {
        let (verdict, reason) = run.check(id);
        assert_eq!(verdict, "skip", "{id}: {reason}");
        assert!(reason.contains("not offered"), "{id}: {reason}");
    }
    // Where nothing states a type, a histogram with buckets is none the less one.
    let (verdict, message) = run.check("prometheus/types");
    assert_ne!(verdict, "warn", "{message}");
    // vmalert refuses the rules as shipped: the cure is named.
    let (_, reason) = run.check("alerting/rules-loaded");
    assert!(reason.contains("native_histograms=false"), "{reason}");
}

/// `count` requests of one second each: schema 0 has a bucket per power of two, and 0 is that of 1.
fn of_a_second(count: u64, timestamp: i64) -> NativeHistogram {
    NativeHistogram {
        count,
        sum: count as f64,
        schema: 0,
        zero_threshold: 1e-9,
        positive_spans: vec![BucketSpan {
            offset: 0,
            length: 1,
        }],
        positive_deltas: vec![count as i64],
        timestamp,
    }
}

pub(crate) fn write(server: &Prometheus, request: &WriteRequest) {
    let headers = [
        ("content-type", remote_write::CONTENT_TYPE),
        ("content-encoding", "snappy"),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let written = forward(
        &server.address(),
        &Received {
            method: "POST".to_owned(),
            path: "/api/v1/write".to_owned(),
            query: None,
            headers: headers.into(),
            body: request.body().unwrap(),
        },
    );
    assert_eq!(
        written,
        Reply::status(204).header("Content-Type", "text/plain")
    );
}

fn native_histograms_and_series_that_nobody_scrapes_are_checked_too() {
    let server = Prometheus::builder()
        .native_histograms()
        .remote_write_receiver()
        .rules(shipped("alert_rules.yml"))
        .start()
        .unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_millis()).unwrap();
    let times: Vec<i64> = (0..5).rev().map(|back| now - back * 15_000).collect();
    let phases = ["storage_wait", "backfill_wait", "live_wait", "total"];
    let native = phases.map(|phase| TimeSeries {
        labels: labels([
            ("__name__", "seamless_sla_deadline_seconds"),
            ("node_id", "seam-node-1"),
            ("phase", phase),
        ]),
        samples: Vec::new(),
        histograms: (0..)
            .zip(&times)
            .map(|(step, time)| of_a_second(step * 100, *time))
            .collect(),
    });
    let gauge = TimeSeries {
        labels: labels([
            ("__name__", "coverage_ratio"),
            ("node_id", "seam-node-1"),
            ("interval", "60"),
            ("world_id", "world-1"),
        ]),
        samples: times
            .iter()
            .map(|time| WriteSample {
                value: 1.0,
                timestamp: *time,
            })
            .collect(),
        histograms: Vec::new(),
    };
    let request = WriteRequest {
        timeseries: native.into_iter().chain([gauge]).collect(),
    };
    write(&server, &request);

    let mut command = program();
    command
        .args(["--prometheus-url", &server.url()])
        .args(["--skip", "coordinator"])
        .args(["--prometheus-metric", "seamless_sla_deadline_seconds"])
        .args(["--prometheus-metric", "coverage_ratio"]);
    let run = JsonRun::of(&mut command);
    for id in [
        "prometheus/present",
        "prometheus/fresh",
        "prometheus/labels",
        "sla/p99",
    ] {
        let (verdict, message) = run.check(id);
        assert_eq!(verdict, "pass", "{id}: {message}");
    }
    let p99 = run.document["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["id"] == "sla/p99")
        .unwrap();
    let value = p99["items"][0]["value"].as_f64().unwrap();
    assert!((0.5..=1.0).contains(&value), "{p99:#}");
    // A native histogram has no top bucket that a threshold could lie above.
    let (verdict, reason) = run.check("alerting/can-fire");
    assert_eq!(verdict, "pass", "{reason}");
    // Nobody scrapes them and nothing states a type: there is nothing to judge.
    let (verdict, reason) = run.check("prometheus/targets");
    assert_eq!(
        (verdict, reason.contains("remote write")),
        ("skip", true),
        "{reason}"
    );
    let (verdict, reason) = run.check("prometheus/types");
    assert_eq!(
        (verdict, reason.contains("remote write")),
        ("skip", true),
        "{reason}"
    );
}

/// Remote write ends a series with no stale marker: Prometheus shows its last sample for five minutes.
#[test]
fn a_series_that_ended_is_as_old_as_its_last_sample() {
    let server = Prometheus::builder()
        .remote_write_receiver()
        .start()
        .unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let ended = i64::try_from(now.as_millis()).unwrap() - 8 * 60_000;
    let gauge = TimeSeries {
        labels: labels([("__name__", "coverage_ratio"), ("node_id", "n")]),
        samples: vec![WriteSample {
            value: 1.0,
            timestamp: ended,
        }],
        histograms: Vec::new(),
    };
    write(
        &server,
        &WriteRequest {
            timeseries: vec![gauge],
        },
    );
    let mut command = program();
    command
        .args(["--prometheus-url", &server.url()])
        .args(["--only", "prometheus/fresh", "--only", "prometheus/present"])
        .args(["--prometheus-metric", "coverage_ratio"]);
    let run = JsonRun::of(&mut command);
    assert_eq!(run.code, 1, "{:#}", run.document);
    for (id, says) in [
        ("prometheus/present", "the last about 8m"),
        ("prometheus/fresh", "newest sample 8m"),
    ] {
        let (verdict, _) = run.check(id);
        assert_eq!(verdict, "fail", "{:#}", run.document);
        assert!(
            run.document.to_string().contains(says),
            "{:#}",
            run.document
        );
    }
}

/// Mimir and Thanos list no Alertmanagers and do evaluate rules: without any, nobody is ever told.
#[test]
fn a_server_that_evaluates_rules_and_has_none_fails() {
    let server = Prometheus::builder().start().unwrap();
    let address = server.address();
    let mimir = Faults::choose(move |request, _| {
        if request.path == "/api/v1/alertmanagers" {
            return Reply::status(404).body("404 page not found").into();
        }
        forward(&address, request).into()
    })
    .unwrap();
    let mut command = program();
    command
        .args(["--prometheus-url", &mimir.url()])
        .args(["--only", "alerting/rules-loaded"]);
    let run = JsonRun::of(&mut command);
    let (verdict, message) = run.check("alerting/rules-loaded");
    assert_eq!((run.code, verdict), (1, "fail"), "{message}");
    assert!(message.contains("none of"), "{message}");
}

#[test]
fn a_retention_shorter_than_the_error_budgets_window_is_a_warning() {
    let server = Prometheus::builder()
        .rules(shipped("alert_rules.yml"))
        .retention("15d")
        .start()
        .unwrap();
    let mut command = program();
    command
        .args(["--prometheus-url", &server.url()])
        .args(["--only", "alerting/ranges"]);
    let run = JsonRun::of(&mut command);
    let (verdict, message) = run.check("alerting/ranges");
    assert_eq!((run.code, verdict), (0, "warn"), "{message}");
    assert!(
        message.contains("looks back 30d, but Prometheus keeps 15d"),
        "{message}"
    );
}

seamless_lab::on_both_generations!(
    what_victoriametrics_does_not_offer_is_skipped_with_the_reason,
    native_histograms_and_series_that_nobody_scrapes_are_checked_too,
);
