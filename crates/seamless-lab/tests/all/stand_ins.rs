//! The embedded stand-ins, seen by the clients that the programs use.

#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and cannot get fails it"
)]

use std::time::Duration;

use seamless_core::coordinator::{Action, CoordinatorClient, ReleaseVerdict};
use seamless_core::http::{Endpoint, HttpClient, HttpOptions};
use seamless_core::lease::{LeaseKey, LeaseToken};
use seamless_lab::coordinator::{Claim, Coordinator, HeldLease, InspectShape, LeaseEnd, now_ms};
use seamless_lab::faults::{Behaviour, Faults, Refusing, Reply};
use tokio::time::Instant;

const KEY: &str = "nodeA:60:1700:1760:world-1:2024-01-01T00:00:00Z";

fn http(url: &str) -> (HttpClient, Endpoint) {
    let endpoint = Endpoint::parse("coordinator", url, "the test").unwrap();
    let options = HttpOptions {
        timeout: Duration::from_millis(700),
        deadline: Some(Instant::now() + Duration::from_secs(20)),
        ..HttpOptions::default()
    };
    let http = HttpClient::new(options, [&endpoint]).unwrap();
    (http, endpoint)
}

fn client(url: &str) -> CoordinatorClient {
    let (http, endpoint) = http(url);
    CoordinatorClient::new(http, endpoint)
}

fn key() -> LeaseKey {
    LeaseKey::new(KEY).unwrap()
}

fn fail() -> Action {
    Action::Fail {
        reason: "manual_recovery".to_owned(),
    }
}

async fn release(url: &str, token: &str) -> ReleaseVerdict {
    let token = LeaseToken::new(token).unwrap();
    client(url).release(&key(), &token, &fail()).await.verdict
}

#[tokio::test]
async fn a_lease_lives_and_ends_as_the_protocol_says() {
    let coordinator = Coordinator::start().unwrap();
    let client = client(&coordinator.url());
    assert!(client.health(None).await.unwrap().is_healthy());
    assert!(client.health(Some("/healthz")).await.unwrap().is_healthy());

    let (http, endpoint) = http(&coordinator.url());
    let key = key();
    let claim = Claim::of(&http, &endpoint, &key, 60_000, Some("worker-1"));
    let claim = claim.await.unwrap().unwrap();
    let second = Claim::of(&http, &endpoint, &key, 60_000, None);
    assert_eq!(second.await.unwrap(), None);
    let renewed = claim.renewed(&http, &endpoint, &key, 60_000, 0.4);
    let renewed = renewed.await.unwrap().unwrap();
    assert_eq!(renewed.completion_ratio, 0.4);

    let shown = client.inspect().await.unwrap().leases;
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].worker.as_deref(), Some("worker-1"));
    assert_eq!(shown[0].completion_ratio, Some(0.4));
    assert!(shown[0].claimed_at_ms.is_some_and(|at| at <= now_ms()));

    let url = coordinator.url();
    let ReleaseVerdict::Conflict { answer } = release(&url, "stale").await else {
        panic!("no conflict");
    };
    assert_eq!(answer, "HTTP 409 Conflict: held by somebody else");
    let released = release(&url, claim.token.expose()).await;
    assert_eq!(
        released,
        ReleaseVerdict::Released {
            completion_ratio: Some(0.4)
        }
    );
    assert_eq!(
        release(&url, claim.token.expose()).await,
        ReleaseVerdict::AlreadyReleased
    );
    let ended = coordinator.ended();
    assert_eq!(
        ended[0].outcome,
        LeaseEnd::Failed(Some("manual_recovery".to_owned()))
    );
    let last = coordinator.changes_received().pop().unwrap();
    assert_eq!(last.to_string(), "POST /v1/leases/fail");
    assert_eq!(last.json().unwrap()["reason"], "manual_recovery");
}

#[tokio::test]
async fn inspect_shows_the_same_leases_in_every_shape() {
    use InspectShape::{BareObjects, Objects, SpecArray, SpecLines};
    let key = |n: u32| format!("node-{n}:60:1700:1760:world-1:2024-01-01T00:00:00Z");
    for shape in [Objects, BareObjects, SpecArray, SpecLines] {
        let coordinator = Coordinator::builder()
            .inspect(shape)
            .page_size(2)
            .start()
            .unwrap();
        for n in 0..5 {
            coordinator.insert(HeldLease::new(key(n), format!("t{n}"), now_ms()));
        }
        let shown = client(&coordinator.url()).inspect().await.unwrap().leases;
        let found: Vec<(String, String)> = shown
            .iter()
            .map(|lease| {
                let token = lease.token.as_ref().unwrap().expose().to_owned();
                (lease.key.to_string(), token)
            })
            .collect();
        let all: Vec<(String, String)> = (0..5).map(|n| (key(n), format!("t{n}"))).collect();
        assert_eq!(found, all, "{shape:?}");
    }
    let without = Coordinator::builder()
        .inspect(InspectShape::Missing)
        .start()
        .unwrap();
    assert!(client(&without.url()).inspect().await.is_err());
}

#[tokio::test]
async fn a_coordinator_can_ask_for_a_token_and_live_below_a_prefix() {
    let coordinator = Coordinator::builder()
        .bearer("s3cret")
        .prefix("/coordinator")
        .health_path("/healthz")
        .start()
        .unwrap();
    assert!(client(&coordinator.url()).health(None).await.is_err());
    let endpoint = Endpoint::parse("coordinator", &coordinator.url(), "the test")
        .unwrap()
        .with_bearer("s3cret", "the test")
        .unwrap();
    let http = HttpClient::new(HttpOptions::default(), [&endpoint]).unwrap();
    let health = CoordinatorClient::new(http, endpoint)
        .health(None)
        .await
        .unwrap();
    assert_eq!(health.path, "/healthz");
}

#[tokio::test]
async fn each_fault_is_what_it_says() {
    use Behaviour as B;
    let body =
        || Reply::json(r#"{"completion_ratio": 0.5, "padding": "xxxxxxxxxxxxxxxxxxxxxxxxx"}"#);
    let pause = Duration::from_secs(1);
    let cases = [
        ("released", B::from(body())),
        ("unknown", B::ResetAfterReading),
        ("unknown", B::CloseWithoutAnswer),
        ("unknown", B::HangBeforeHeaders),
        ("unknown", B::HangWithinHeaders(body())),
        ("failed", B::Garbage(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())),
        ("unknown", B::EndlessBody),
        ("unknown", B::Truncated(body())),
        ("unknown", B::CutOff(body())),
        ("failed", Reply::html().into()),
        ("failed", Reply::redirect("http://127.0.0.1:1/login").into()),
        ("failed", Reply::status(500).into()),
        ("unproven", Reply::status(404).into()),
        ("conflict", Reply::status(409).into()),
    ];
    for (expected, behaviour) in cases {
        let server = Faults::always(behaviour.clone()).unwrap();
        let verdict = release(&server.url(), "t").await;
        let word = match &verdict {
            ReleaseVerdict::Released { .. } => "released",
            ReleaseVerdict::AlreadyReleased => "already released",
            ReleaseVerdict::Conflict { .. } => "conflict",
            ReleaseVerdict::Failed(_) => "failed",
            ReleaseVerdict::Unknown(_) => "unknown",
            ReleaseVerdict::Unproven(_) => "unproven",
        };
        assert_eq!(word, expected, "{behaviour:?} gave {verdict:?}");
        let received = server.received();
        assert_eq!(received[0].to_string(), "POST /v1/leases/fail");
        assert_eq!(received[0].json().unwrap()["key"], KEY);
    }
    for behaviour in [B::HangInBody(body()), B::Dribble(body(), pause)] {
        let server = Faults::always(behaviour).unwrap();
        let verdict = release(&server.url(), "t").await;
        assert!(
            !matches!(verdict, ReleaseVerdict::Released { .. }),
            "{verdict:?}"
        );
    }
}

#[tokio::test]
async fn a_sequence_is_followed_and_every_request_kept() {
    let server = Faults::sequence([
        Behaviour::ResetBeforeReading,
        Reply::status(503).retry_after(0).into(),
        Reply::json(r#"{"completion_ratio":0.5}"#).into(),
    ])
    .unwrap();
    let verdict = release(&server.url(), "t").await;
    assert!(
        matches!(verdict, ReleaseVerdict::Released { .. }),
        "{verdict:?}"
    );
    // The first was reset unread.
    assert_eq!(server.received().len(), 2);
}

#[tokio::test]
async fn behaviour_may_depend_on_the_request_and_connections_are_counted() {
    let server = Faults::choose(|request, earlier| {
        if request.path == "/health" {
            Reply::json(&format!(r#"{{"status":"ok","earlier":{earlier}}}"#)).into()
        } else {
            Reply::status(418).into()
        }
    })
    .unwrap();
    let client = client(&server.url());
    for _ in 0..3 {
        assert!(client.health(None).await.unwrap().is_healthy());
    }
    assert!(client.inspect().await.is_err());
    assert_eq!(server.connections(), 1);
    assert_eq!(server.peak_in_flight(), 1);
    assert_eq!(server.received().len(), 4);
}

#[tokio::test]
async fn a_refusing_port_refuses() {
    let refusing = Refusing::start().unwrap();
    let verdict = release(&refusing.url().unwrap(), "t").await;
    assert!(matches!(verdict, ReleaseVerdict::Failed(_)), "{verdict:?}");
}
