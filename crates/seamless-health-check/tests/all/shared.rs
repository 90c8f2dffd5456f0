//! A Prometheus that other teams share: what it answers is far more than what is ours, and ours is found.

use std::fmt::Write as _;

use seamless_lab::servers::Prometheus;
use serde_json::{Value, json};

use crate::support::{JsonRun, PATIENCE, program, shipped};

/// Rules and targets of others. A build without optimisation reads a megabyte a second: it has far more than is
/// read at a time, and with optimisation far more than an answer to a query may hold.
const RULES: usize = if cfg!(debug_assertions) { 500 } else { 20_000 };
const TARGETS: usize = if cfg!(debug_assertions) { 150 } else { 6000 };
const LENGTH: usize = if cfg!(debug_assertions) {
    1 << 20
} else {
    64 << 20
};
/// The most memory that reading such lists may take, in KiB.
const MOST_KIB: u64 = 256 * 1024;

/// Rules of other teams.
fn foreign() -> String {
    // As long in each generation's answer: one of them writes six characters for each `<`.
    let text = "x<".repeat(600) + &"x".repeat(2400);
    let mut rules = String::new();
    for group in 0..RULES / 500 {
        let _ = writeln!(rules, "- name: team-{group}\n  interval: 1h\n  rules:");
        for rule in 0..500 {
            let _ = writeln!(
                rules,
                "  - {{alert: Team{group}Rule{rule}, expr: 'team{group}_metric{rule} > 1', annotations: {{text: '{text}'}}}}"
            );
        }
    }
    rules
}

fn ours_is_found_among_the_others() {
    // An alert of ours reads what another team records, and an older copy of another one is loaded last.
    let ours = shipped("alert_rules.yml").replacen("(coverage_ratio)", "(team:coverage)", 1);
    assert!(ours.contains("team:coverage"));
    let (ours, foreign) = (ours.trim_end(), foreign());
    let rules = format!(
        "{ours}\n{foreign}- name: rollups\n  rules:\n  - {{record: 'team:coverage', expr: coverage_ratio}}\n\
         - name: older\n  rules:\n  - {{alert: SeamlessBackfillStuckLease, expr: 'backfill_completion_ratio < 0.1', for: 5m}}\n"
    );
    let targets: Vec<String> = (0..TARGETS).map(|n| format!("10.0.0.1:{n}")).collect();
    let prometheus = Prometheus::builder()
        .rules(rules)
        .scrape_config(json!({
            "job_name": "others", "scrape_interval": "1d", "scrape_timeout": "1s",
            "static_configs": [{"targets": targets, "labels": {"note": "x".repeat(12_000)}}],
        }))
        .start()
        .unwrap();
    for path in ["/api/v1/rules", "/api/v1/targets"] {
        seamless_lab::wait_until(PATIENCE, path, || length(&prometheus, path) > LENGTH).unwrap();
    }
    let arguments = |id: &str| {
        let arguments = [
            "--prometheus-url",
            &prometheus.url(),
            "--only",
            id,
            "--timeout",
            "60s",
        ];
        arguments.map(str::to_owned)
    };
    let check = |id: &str| JsonRun::of(program().args(arguments(id)));
    let run = check("alerting/rules-loaded");
    let (verdict, message) = run.check("alerting/rules-loaded");
    assert_eq!(verdict, "warn", "{message}");
    let items = run.document.to_string();
    assert!(
        items.contains("loaded twice") && items.contains("group older"),
        "{message}"
    );
    assert!(!items.contains("not loaded"), "{items}");
    let run = check("alerting/inputs");
    let mut checks = run.document["checks"].as_array().unwrap().iter();
    let inputs = checks.find(|check| check["id"] == "alerting/inputs");
    let inputs = inputs.unwrap().to_string();
    assert!(!inputs.contains("team:coverage"), "{inputs}");
    let run = check("prometheus/targets");
    let (verdict, message) = run.check("prometheus/targets");
    assert!(
        verdict == "warn" && message.contains("10.0.0.1"),
        "{verdict} {message}"
    );

    let path = std::path::Path::new(env!("CARGO_BIN_EXE_seamless-health-check"));
    let arguments = arguments("alerting/rules-loaded");
    let trial = seamless_lab::faults::Trial::run(path, &arguments, &[], PATIENCE).unwrap();
    assert!(trial.peak_kib < MOST_KIB, "{} KiB", trial.peak_kib);
}

/// How long an answer is: too long for the lab's own client.
fn length(prometheus: &Prometheus, path: &str) -> usize {
    use std::io::{Read as _, Write as _};
    let mut connection = std::net::TcpStream::connect(prometheus.address()).unwrap();
    let head = format!("GET {path} HTTP/1.0\r\nHost: prometheus\r\n\r\n");
    connection.write_all(head.as_bytes()).unwrap();
    let (mut length, mut buffer) = (0, vec![0; 1 << 16]);
    loop {
        match connection.read(&mut buffer).unwrap() {
            0 => return length,
            read => length += read,
        }
    }
}

/// Servers that give nothing but whole lists, and one that never ends: a stand-in answers.
#[test]
fn a_list_that_never_ends_is_refused() {
    use seamless_lab::faults::{Behaviour, Faults, Reply};
    let server = Faults::choose(|request, _| match request.path.as_str() {
        "/api/v1/rules" => Behaviour::EndlessBody,
        "/api/v1/query" => {
            Reply::prometheus(&json!({"resultType": "scalar", "result": [0, "0"]})).into()
        }
        _ => Reply::prometheus(&Value::Null).into(),
    })
    .unwrap();
    let mut command = program();
    command.args([
        "--prometheus-url",
        &server.url(),
        "--only",
        "alerting/rules-loaded",
    ]);
    let run = JsonRun::of(&mut command);
    let (verdict, message) = run.check("alerting/rules-loaded");
    assert_eq!(verdict, "fail", "{message}");
}

/// The queries of a run against a stand-in that answers each with `series`.
fn queries(series: &Value) -> Vec<String> {
    use seamless_lab::faults::{Faults, Reply};
    let found = json!({"resultType": "vector", "result": series});
    let server = Faults::choose(move |request, _| match request.path.as_str() {
        "/api/v1/query" => Reply::prometheus(&found).into(),
        "/api/v1/query_range" => {
            Reply::prometheus(&json!({"resultType": "matrix", "result": []})).into()
        }
        "/api/v1/rules" => Reply::prometheus(&json!({"groups": []})).into(),
        _ => Reply::status(404).into(),
    })
    .unwrap();
    let mut command = program();
    command.args([
        "--prometheus-url",
        &server.url(),
        "--selector",
        "cluster=\"eu\"",
    ]);
    for group in ["prometheus", "alerting", "sla"] {
        command.args(["--only", group]);
    }
    JsonRun::of(&mut command);
    let asked = server.received().into_iter().filter_map(|request| {
        let form = match request.query {
            Some(query) => query.into_bytes(),
            None => request.body,
        };
        let mut fields = url::form_urlencoded::parse(&form);
        fields.find_map(|(name, value)| (name == "query").then(|| value.into_owned()))
    });
    asked.collect()
}

#[test]
fn a_selector_narrows_every_query() {
    let live = json!([{"metric": {"__name__": "seamless_sla_deadline_seconds_count", "le": "600"}, "value": [0, "5"]}]);
    let mut asked = queries(&json!([]));
    asked.extend(queries(&live));
    let mut selectors = 0;
    for query in &asked {
        let read = seamless_core::promql::Query::parse(query).unwrap();
        for selector in read.selectors() {
            selectors += 1;
            let narrowed = selector
                .matchers_of("cluster")
                .any(|cluster| cluster.is_match("eu"))
                && !selector
                    .matchers_of("cluster")
                    .any(|cluster| cluster.is_match("us"));
            assert!(narrowed, "not narrowed: {query}");
        }
    }
    assert!(
        selectors > 50,
        "{selectors} selectors in {} queries",
        asked.len()
    );
}

seamless_lab::on_both_generations!(ours_is_found_among_the_others);
