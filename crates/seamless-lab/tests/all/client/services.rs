//! What the coordinator's, Prometheus's and Alertmanager's clients conclude from the same faults.

use std::time::Duration;

use futures_util::future::join_all;
use seamless_core::alertmanager::AlertmanagerClient;
use seamless_core::coordinator::{Action, CoordinatorClient, Release, ReleaseVerdict};
use seamless_core::http::RequestError;
use seamless_core::lease::{LeaseKey, LeaseToken};
use seamless_core::prometheus::{PrometheusClient, QueryValue};
use seamless_lab::faults::{Behaviour, Faults, Refusing, Reply};

use super::{client, endpoint, options};

const TOKEN: &str = "deadbeefcafe";

async fn release_at(url: &str) -> Release {
    let endpoint = endpoint(url);
    let action = Action::Fail {
        reason: "manual_recovery".to_owned(),
    };
    let key = LeaseKey::new("nodeA:60:1700:1760:world-1:2024-01-01T00:00:00Z").unwrap();
    let token = LeaseToken::new(TOKEN).unwrap();
    CoordinatorClient::new(client(options(), &endpoint), endpoint)
        .release(&key, &token, &action)
        .await
}

fn coordinator(faults: &Faults) -> CoordinatorClient {
    let endpoint = endpoint(&faults.url());
    CoordinatorClient::new(client(options(), &endpoint), endpoint)
}

fn prometheus(faults: &Faults) -> PrometheusClient {
    let endpoint = endpoint(&faults.url());
    PrometheusClient::new(client(options(), &endpoint), endpoint)
}

fn alertmanager(faults: &Faults) -> AlertmanagerClient {
    let endpoint = endpoint(&faults.url());
    AlertmanagerClient::new(client(options(), &endpoint), endpoint)
}

fn json(status: u16, body: impl Into<Vec<u8>>) -> Behaviour {
    Reply::status(status)
        .header("Content-Type", "application/json")
        .body(body)
        .into()
}

fn nested() -> String {
    format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000))
}

/// Behaviours of which none is an answer of the service, whatever the service is.
fn no_answers() -> Vec<Behaviour> {
    use Behaviour as B;
    let page = || Reply::json(r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#);
    vec![
        B::ResetBeforeReading,
        B::ResetAfterReading,
        B::CloseWithoutAnswer,
        B::HangBeforeHeaders,
        B::HangWithinHeaders(page()),
        B::HangInBody(page()),
        B::Dribble(page(), Duration::from_millis(100)),
        B::Truncated(page()),
        B::CutOff(page()),
        B::Garbage(b"\0\0\x06\x04\0\0\0\0\0".to_vec()),
        Reply::html().into(),
        Reply::redirect("/login").into(),
        Reply::status(500).into(),
        Reply::status(503).into(),
        Reply::status(401).into(),
        json(200, r#"{"status":"#),
        json(200, "\u{feff}{}"),
        json(200, b"\xff\xfe{}".to_vec()),
        json(200, "NaN"),
        json(200, "hello"),
        json(200, "<?xml version=\"1.0\"?><ok/>"),
    ]
}

#[tokio::test]
async fn no_fault_is_taken_for_an_answer() {
    join_all(no_answers().into_iter().map(taken_for_none)).await;
}

async fn taken_for_none(behaviour: Behaviour) {
    let faults = Faults::always(behaviour.clone()).unwrap();
    let (url, coordinator) = (faults.url(), coordinator(&faults));
    let (prometheus, alertmanager) = (prometheus(&faults), alertmanager(&faults));
    let (release, health, leases, value, rules, alerts, status) = tokio::join!(
        release_at(&url),
        coordinator.health(None),
        coordinator.inspect(),
        prometheus.instant("up", None),
        prometheus.rules(),
        alertmanager.alerts(&[]),
        alertmanager.status(),
    );
    let settled = !matches!(
        release.verdict,
        ReleaseVerdict::Failed(_) | ReleaseVerdict::Unknown(_)
    );
    assert!(!settled, "{behaviour:?}: {release:?}");
    // A status of success is healthy, whatever words come with it.
    let unhealthy = health.err().map(|error| error.to_string());
    for message in unhealthy.into_iter().chain([
        leases.unwrap_err().to_string(),
        value.unwrap_err().to_string(),
        rules.unwrap_err().to_string(),
        alerts.unwrap_err().to_string(),
        status.unwrap_err().to_string(),
    ]) {
        assert!(message.contains(&url), "{message}");
        let presentable = message.len() < 600 && !message.contains(char::is_control);
        assert!(presentable, "{behaviour:?}: {message:?}");
    }
}

/// `released`, `already_released`, `conflict`, `failed` or `unknown`.
const fn word(verdict: &ReleaseVerdict) -> &'static str {
    match verdict {
        ReleaseVerdict::Released { .. } => "released",
        ReleaseVerdict::AlreadyReleased => "already_released",
        ReleaseVerdict::Conflict { .. } => "conflict",
        ReleaseVerdict::Failed(_) => "failed",
        ReleaseVerdict::Unknown(_) => "unknown",
        ReleaseVerdict::Unproven(_) => "unproven",
    }
}

#[tokio::test]
async fn a_release_is_what_the_answers_prove() {
    use Behaviour::{CloseWithoutAnswer, HangBeforeHeaders, ResetAfterReading, Truncated};
    let ok = || json(200, r#"{"completion_ratio":0.25}"#);
    let gone = || json(404, r#"{"error":"unknown lease"}"#);
    let stale = || json(409, r#"{"error":"token mismatch"}"#);
    let cut = || Truncated(Reply::json(r#"{"completion_ratio":0.25}"#));
    // What the attempts get, the outcome, how many attempts there are, whether an earlier one was lost.
    let cases = [
        (vec![ok()], "released", 1, false),
        (vec![Reply::status(204).into()], "unproven", 1, false),
        (vec![json(200, "{\"a\":1,\"a\":2}")], "unproven", 1, false),
        (vec![json(200, nested())], "unproven", 1, false),
        (
            vec![json(200, r#"{"completion_ratio":1e999}"#)],
            "unproven",
            1,
            false,
        ),
        (vec![gone()], "unproven", 1, false),
        (vec![stale()], "conflict", 1, false),
        (vec![ResetAfterReading, ok()], "released", 2, true),
        // The first attempt's answer was lost: it may well be what released the lease.
        (vec![ResetAfterReading, gone()], "unproven", 2, true),
        (vec![Reply::status(504).into(), gone()], "unproven", 2, true),
        (
            vec![Reply::status(503).into(), gone()],
            "unproven",
            2,
            false,
        ),
        (vec![Reply::status(429).into(), ok()], "released", 2, false),
        (
            vec![ResetAfterReading, Reply::status(500).into()],
            "failed",
            2,
            true,
        ),
        (vec![Reply::status(500).into()], "failed", 1, false),
        (vec![Reply::status(503).into()], "failed", 4, false),
        (vec![json(400, "{}")], "failed", 1, false),
        (vec![Reply::status(301).into()], "failed", 1, false),
        (vec![Reply::html().into()], "failed", 1, false),
        (vec![cut()], "unknown", 1, false),
        (vec![Behaviour::EndlessBody], "unknown", 1, false),
        (vec![HangBeforeHeaders], "unknown", 1, false),
        (vec![ResetAfterReading], "unknown", 4, true),
        (vec![CloseWithoutAnswer], "unknown", 4, true),
    ];
    for (behaviours, outcome, attempts, lost) in cases {
        let faults = Faults::sequence(behaviours.clone()).unwrap();
        let release = release_at(&faults.url()).await;
        assert_eq!(
            word(&release.verdict),
            outcome,
            "{behaviours:?}: {release:?}"
        );
        assert_eq!(release.attempts, attempts, "{behaviours:?}");
        assert_eq!(release.earlier_attempt_lost, lost, "{behaviours:?}");
        let received = faults.received();
        let posts = received.iter().filter(|request| request.method == "POST");
        assert_eq!(posts.count(), attempts as usize, "{behaviours:?}");
    }
    let refusing = Refusing::start().unwrap();
    let release = release_at(&refusing.url().unwrap()).await;
    assert_eq!((word(&release.verdict), release.attempts), ("failed", 4));
    assert!(!release.earlier_attempt_lost);
}

#[tokio::test]
async fn a_coordinator_that_repeats_the_token_does_not_get_it_printed() {
    let body = format!(r#"{{"error":"bad token {TOKEN}"}}"#);
    let faults = Faults::always(json(422, body)).unwrap();
    let release = release_at(&faults.url()).await;
    let ReleaseVerdict::Failed(error) = &release.verdict else {
        panic!("{release:?}");
    };
    assert!(error.to_string().contains("bad token"), "{error}");
    assert!(
        !format!("{error} {release:?}").contains(TOKEN),
        "{release:?}"
    );
}

#[tokio::test]
async fn health_is_what_the_coordinator_reports_at_its_worst() {
    for (body, healthy) in [
        ("", true),
        ("{}", true),
        (r#"{"status":"OK"}"#, true),
        (r#"{"state":"ready","since":[1,{}]}"#, true),
        (r#"{"status":"degraded"}"#, false),
        (r#"{"status":"ok","state":"down"}"#, false),
        (r#"{"status":"down","status":"ok"}"#, false),
        (r#"{"status":{"db":"ok"}}"#, false),
        (r#"{"status":503}"#, false),
    ] {
        let faults = Faults::always(json(200, body)).unwrap();
        let health = coordinator(&faults).health(None).await.unwrap();
        assert_eq!(health.is_healthy(), healthy, "{body}");
    }
    let text = Reply::status(200)
        .header("Content-Type", "text/plain")
        .body("OK");
    let faults = Faults::always(text).unwrap();
    assert!(
        coordinator(&faults)
            .health(None)
            .await
            .unwrap()
            .is_healthy()
    );
    let nested = json(200, format!(r#"{{"status":{}}}"#, nested()));
    for reply in [nested, json(200, r#"{"status":"#), Reply::html().into()] {
        let faults = Faults::always(reply).unwrap();
        assert!(coordinator(&faults).health(None).await.is_err());
    }
}

#[tokio::test]
async fn pages_that_do_not_end_are_an_error_of_bounded_size() {
    let page = |cursor: String| {
        json(
            200,
            format!(r#"{{"leases":["a:b"],"next_cursor":"{cursor}"}}"#),
        )
    };
    for cycle in [1, 2, 7] {
        let faults = Faults::choose(move |_, number| page((number % cycle).to_string())).unwrap();
        let error = coordinator(&faults).inspect().await.unwrap_err();
        assert_eq!(
            error.source,
            RequestError::EndlessPages { pages: cycle + 1 }
        );
        assert_eq!(faults.received().len(), cycle + 1);
    }
}

#[tokio::test]
async fn prometheus_values_are_read_as_they_are_and_nothing_else_is() {
    let vector = |value: &str| {
        json(
            200,
            format!(
                r#"{{"status":"success","data":{{"resultType":"vector","result":[{{"metric":{{}},"value":[1,{value}]}}]}}}}"#
            ),
        )
    };
    for (text, value) in [
        (r#""NaN""#, f64::NAN),
        (r#""+Inf""#, f64::INFINITY),
        (r#""-Inf""#, f64::NEG_INFINITY),
        (r#""1e-320""#, 1e-320),
        (r#""\u0031""#, 1.0),
    ] {
        let faults = Faults::always(vector(text)).unwrap();
        let reply = prometheus(&faults).instant("up", None).await.unwrap();
        let read = reply.data.vector()[0].value.unwrap().value;
        assert!(
            read == value || read.is_nan() && value.is_nan(),
            "{text}: {read}"
        );
    }
    for text in ["1", "NaN", r#""""#, r#""0x1""#, "null", r#"["1"]"#] {
        let faults = Faults::always(vector(text)).unwrap();
        let error = prometheus(&faults).instant("up", None).await.unwrap_err();
        assert!(
            matches!(error.source, RequestError::Unexpected { .. }),
            "{text}: {error}"
        );
    }
    // A member twice, one missing, a status that is not success, a type that nobody knows.
    for body in [
        r#"{"status":"success","status":"error","data":{"resultType":"vector","result":[]}}"#,
        r#"{"status":"success","data":{"resultType":"vector","resultType":"scalar","result":[]}}"#,
        r#"{"status":"success"}"#,
        r#"{"status":"error","data":{"resultType":"vector","result":[]}}"#,
        r#"{"status":"success","data":{"resultType":"\u001b[2J","result":[]}}"#,
        r#"{"status":"success","data":null}"#,
        "{}",
        "[]",
    ] {
        let faults = Faults::always(json(200, body)).unwrap();
        let error = prometheus(&faults).instant("up", None).await.unwrap_err();
        assert!(
            matches!(error.source, RequestError::Unexpected { .. }),
            "{body}: {error}"
        );
        assert!(!error.to_string().contains(char::is_control), "{error:?}");
    }
    let deep = format!(
        r#"{{"status":"success","x":{},"data":{{"resultType":"string","result":[1,"x"]}}}}"#,
        nested()
    );
    let faults = Faults::always(json(200, deep)).unwrap();
    let reply = prometheus(&faults).instant("up", None).await.unwrap();
    assert_eq!(reply.data, QueryValue::String((1.0, "x".to_owned())));
}

#[tokio::test]
async fn a_refusal_keeps_the_servers_words_in_one_line() {
    let body = format!(
        r#"{{"status":"error","errorType":"bad_data","error":"no\n\u001b[31m{}"}}"#,
        "x".repeat(100_000)
    );
    let faults = Faults::always(json(400, body)).unwrap();
    let error = prometheus(&faults).instant("up{", None).await.unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(error.source, RequestError::Refused { status: 400, .. }),
        "{text}"
    );
    assert!(
        text.len() < 600 && !text.contains(char::is_control),
        "{text:?}"
    );
}
