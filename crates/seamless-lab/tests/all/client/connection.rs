//! What becomes of a request whose connection fails at each stage.

use std::time::Duration;

use futures_util::future::join_all;
use seamless_core::http::{HttpOptions, RequestStage, SHORT_BODY_LIMIT, TransportError};
use seamless_lab::faults::{Behaviour, Faults, Refusing, Reply};
use tokio::time::Instant;

use super::{TIMEOUT, get, get_with, options, post_once};

fn page() -> Reply {
    Reply::json(r#"{"status":"ok","and":"a body that is long enough to be cut in two"}"#)
}

fn timed_out(stage: RequestStage) -> TransportError {
    TransportError::TimedOut {
        after: TIMEOUT,
        stage,
    }
}

#[tokio::test]
async fn each_stage_has_its_fault() {
    use Behaviour as B;
    let truncated = TransportError::Truncated { status: 200 };
    let too_large = TransportError::TooLarge {
        status: 200,
        limit: SHORT_BODY_LIMIT,
    };
    let slowly = Duration::from_millis(100);
    // Behaviour, fault, attempts for a request that may be repeated.
    let cases = [
        (B::ResetBeforeReading, TransportError::Interrupted, 4),
        (B::ResetAfterReading, TransportError::Interrupted, 4),
        (B::CloseWithoutAnswer, TransportError::Interrupted, 4),
        (
            B::HangBeforeHeaders,
            timed_out(RequestStage::AwaitingResponse),
            1,
        ),
        (
            B::HangWithinHeaders(page()),
            timed_out(RequestStage::AwaitingResponse),
            1,
        ),
        (
            B::HangInBody(page()),
            timed_out(RequestStage::ReadingBody),
            1,
        ),
        (
            B::Dribble(page(), slowly),
            timed_out(RequestStage::AwaitingResponse),
            1,
        ),
        (B::EndlessBody, too_large, 1),
        (B::Truncated(page()), truncated, 1),
    ];
    let checks = cases.map(|(behaviour, fault, attempts)| fails(behaviour, fault, attempts));
    join_all(checks).await;
}

async fn fails(behaviour: Behaviour, error: TransportError, attempts: u32) {
    let server = Faults::always(behaviour.clone()).unwrap();
    let failure = get(&server.url()).await.unwrap_err();
    assert_eq!(failure.error, error, "{behaviour:?}");
    assert_eq!(failure.attempts, attempts, "{behaviour:?}");
    assert!(failure.may_have_been_processed, "{behaviour:?}");
    let read = behaviour != Behaviour::ResetBeforeReading;
    let arrived = if read { attempts as usize } else { 0 };
    assert_eq!(server.received().len(), arrived, "{behaviour:?}");

    let server = Faults::always(behaviour.clone()).unwrap();
    let failure = post_once(&server.url()).await.unwrap_err();
    let once = (failure.error, failure.attempts);
    assert_eq!(once, (error, 1), "{behaviour:?}");
    assert!(server.received().len() <= 1, "{behaviour:?}");
}

#[tokio::test]
async fn what_was_never_sent_cannot_have_been_processed() {
    let refusing = Refusing::start().unwrap();
    let failure = get(&refusing.url().unwrap()).await.unwrap_err();
    assert_eq!(
        (&failure.error, failure.attempts),
        (&TransportError::Refused, 4)
    );
    assert!(!failure.may_have_been_processed);

    // `.invalid` never resolves (RFC 6761); without a network the system takes its time to say so.
    let failure = get("http://coordinator.invalid:1").await.unwrap_err();
    let unresolved = matches!(failure.error, TransportError::NameNotResolved(_))
        || failure.error == timed_out(RequestStage::Connecting);
    assert!(unresolved, "{failure:?}");
    assert!(!failure.may_have_been_processed);
}

#[tokio::test]
async fn the_runs_deadline_is_told_apart_from_the_timeout() {
    let deadline_in = |deadline| HttpOptions {
        timeout: Duration::from_secs(60),
        deadline: Some(Instant::now() + deadline),
        ..options()
    };
    for (behaviour, stage) in [
        (Behaviour::HangBeforeHeaders, RequestStage::AwaitingResponse),
        (Behaviour::HangInBody(page()), RequestStage::ReadingBody),
    ] {
        let server = Faults::always(behaviour).unwrap();
        let failure = get_with(deadline_in(TIMEOUT), &server.url())
            .await
            .unwrap_err();
        assert_eq!(failure.error, TransportError::DeadlinePassed { stage });
    }
    // No attempt is made that the deadline leaves no time for.
    let server = Faults::always(Reply::status(503).retry_after(30)).unwrap();
    let answer = get_with(deadline_in(Duration::from_secs(5)), &server.url())
        .await
        .unwrap();
    assert_eq!((answer.status, answer.attempts), (503, 1));
}

#[tokio::test]
async fn a_connection_that_never_opens_is_not_a_request_that_was_sent() {
    // Its queue is full once it is not accepted from: further connections hang in the kernel.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let _fills_the_queue = tokio::net::TcpStream::connect(address).await.unwrap();
    let url = format!("http://{address}");
    let failure = get(&url).await.unwrap_err();
    assert_eq!(failure.error, timed_out(RequestStage::Connecting));
    assert!(!failure.may_have_been_processed);
}
