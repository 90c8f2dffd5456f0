//! A Prometheus that other teams share: what it answers is far more than what is ours, and ours is found.

use serde_json::{Value, json};

use crate::support::{Run, program};

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
    let run = Run::of(&mut command);
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
    Run::of(&mut command);
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
