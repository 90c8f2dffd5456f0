//! What is repeated, how often, after what wait, and what is known afterwards.

use std::time::{Duration, Instant};

use seamless_core::http::{HttpOptions, TransportError};
use seamless_lab::faults::{Behaviour, Faults, Reply};

use super::{get, get_with, options, post_once};

fn sequence(behaviours: impl IntoIterator<Item = Behaviour>) -> Faults {
    Faults::sequence(behaviours).unwrap()
}

fn status(status: u16) -> Behaviour {
    Reply::status(status).into()
}

#[tokio::test]
async fn only_some_statuses_are_repeated() {
    for code in [
        400, 401, 403, 404, 405, 409, 413, 422, 500, 501, 505, 599, 999,
    ] {
        let server = sequence([status(code)]);
        let answer = get(&server.url()).await.unwrap();
        assert_eq!((answer.status, answer.attempts), (code, 1));
        assert_eq!(server.received().len(), 1, "{code}");
    }
    for code in [429, 502, 503, 504] {
        let server = sequence([status(code)]);
        let answer = get(&server.url()).await.unwrap();
        assert_eq!((answer.status, answer.attempts), (code, 4));
        assert_eq!(server.received().len(), 4, "{code}");

        let server = sequence([status(code)]);
        let answer = post_once(&server.url()).await.unwrap();
        assert_eq!((answer.status, answer.attempts), (code, 1));
    }
}

#[tokio::test]
async fn whether_an_earlier_attempt_may_have_been_acted_on_is_known() {
    for (first, lost) in [
        (status(503), false),
        (status(429), false),
        // A gateway's word that it had no answer: the request may have arrived behind it.
        (status(502), true),
        (status(504), true),
        (Behaviour::ResetAfterReading, true),
        (Behaviour::CloseWithoutAnswer, true),
    ] {
        let server = sequence([first.clone(), status(200)]);
        let answer = get(&server.url()).await.unwrap();
        assert_eq!((answer.status, answer.attempts), (200, 2), "{first:?}");
        assert_eq!(answer.earlier_attempt_lost, lost, "{first:?}");
    }
    // The first attempt's loss is remembered through what follows.
    let server = sequence([status(504), Behaviour::HangBeforeHeaders]);
    let failure = get(&server.url()).await.unwrap_err();
    assert!(
        matches!(failure.error, TransportError::TimedOut { .. }) && failure.may_have_been_processed
    );
}

#[tokio::test]
async fn a_first_answer_is_no_earlier_attempt() {
    let answer = get(&sequence([status(504)]).url()).await.unwrap();
    assert_eq!((answer.status, answer.attempts), (504, 4));
    let answer = post_once(&sequence([status(504)]).url()).await.unwrap();
    assert!(!answer.earlier_attempt_lost);
}

#[tokio::test]
async fn retry_after_is_honoured_in_both_forms() {
    let second = Reply::status(429).retry_after(1);
    let date = Reply::status(503)
        .header("Date", "Wed, 21 Oct 2015 07:28:00 GMT")
        .header("Retry-After", "Wed, 21 Oct 2015 07:28:01 GMT");
    for reply in [second, date] {
        let server = sequence([reply.into(), status(200)]);
        let started = Instant::now();
        let answer = get(&server.url()).await.unwrap();
        assert_eq!((answer.status, answer.attempts), (200, 2));
        assert!(
            started.elapsed() >= Duration::from_secs(1),
            "{:?}",
            started.elapsed()
        );
    }
}

#[tokio::test]
async fn a_wait_that_is_too_long_is_reported_instead() {
    let largest = u64::MAX.to_string();
    for asked in ["61", "86400", &largest] {
        for deadline in [
            None,
            Some(tokio::time::Instant::now() + Duration::from_secs(3600)),
        ] {
            let server = sequence([Reply::status(429).header("Retry-After", asked).into()]);
            let options = HttpOptions {
                deadline,
                ..options()
            };
            let answer = get_with(options, &server.url()).await.unwrap();
            assert_eq!((answer.status, answer.attempts), (429, 1), "{asked}");
        }
    }
    // Nonsense is no wish at all.
    for asked in ["-1", "soon", "1e3", "99999999999999999999"] {
        let server = sequence([Reply::status(429).header("Retry-After", asked).into()]);
        assert_eq!(get(&server.url()).await.unwrap().attempts, 4, "{asked}");
    }
}
