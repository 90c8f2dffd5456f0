//! What a server does, and what the program makes of it: outcome, exit code, requests sent.

use std::time::Duration;

use seamless_lab::faults::{Behaviour, Certificate, Faults, Refusing, Reply, TlsServer};

use crate::program::EndedRun;

const OK: &str = r#"{"completion_ratio":0.25}"#;

struct Case {
    name: &'static str,
    server: Faults,
    outcome: &'static str,
    exit_code: i32,
    requests: usize,
    detail: &'static str,
}

fn case(
    name: &'static str,
    behaviours: Vec<Behaviour>,
    outcome: &'static str,
    exit_code: i32,
    requests: usize,
    detail: &'static str,
) -> Case {
    Case {
        name,
        server: Faults::sequence(behaviours).unwrap(),
        outcome,
        exit_code,
        requests,
        detail,
    }
}

fn replies(replies: Vec<Reply>) -> Vec<Behaviour> {
    replies.into_iter().map(Behaviour::from).collect()
}

fn cases() -> Vec<Case> {
    let ok = || Reply::json(OK);
    let status = |code| replies(vec![Reply::status(code)]);
    let then_ok = |code| replies(vec![Reply::status(code), ok()]);
    vec![
        case("200 JSON", replies(vec![ok()]), "released", 0, 1, ""),
        case(
            "200 empty",
            status(200),
            "unknown",
            3,
            1,
            "has shown itself",
        ),
        case("204", status(204), "unknown", 3, 1, "has shown itself"),
        case(
            "200 HTML",
            replies(vec![Reply::html()]),
            "failed",
            1,
            1,
            "HTML",
        ),
        case(
            "200 text",
            replies(vec![Reply::status(200).body("ok")]),
            "failed",
            1,
            1,
            "not JSON",
        ),
        case(
            "200 half a JSON document",
            replies(vec![Reply::json(r#"{"completion_ra"#)]),
            "unknown",
            3,
            1,
            "cut off",
        ),
        case(
            "200 shorter than announced",
            vec![Behaviour::Truncated(ok())],
            "unknown",
            3,
            1,
            "cut off",
        ),
        case(
            "200 cut off, no length",
            vec![Behaviour::CutOff(ok())],
            "unknown",
            3,
            1,
            "cut off",
        ),
        case(
            "302",
            replies(vec![Reply::redirect("http://login.invalid/")]),
            "failed",
            1,
            1,
            "redirect",
        ),
        case(
            "400",
            replies(vec![
                Reply::status(400)
                    .header("Content-Type", "application/json")
                    .body(r#"{"error":"bad key"}"#),
            ]),
            "failed",
            1,
            1,
            "bad key",
        ),
        case("401", status(401), "failed", 1, 1, "401"),
        case("403", status(403), "failed", 1, 1, "403"),
        case("404", status(404), "unknown", 3, 1, "has shown itself"),
        case(
            "404 HTML",
            replies(vec![
                Reply::status(404)
                    .header("Content-Type", "text/html")
                    .body("<html>"),
            ]),
            "failed",
            1,
            1,
            "404",
        ),
        case("409", status(409), "conflict", 1, 1, "HTTP 409 Conflict"),
        case("429, then 200", then_ok(429), "released", 0, 2, ""),
        case(
            "429 Retry-After 1, then 200",
            replies(vec![Reply::status(429).retry_after(1), ok()]),
            "released",
            0,
            2,
            "",
        ),
        case(
            "429 Retry-After 3600",
            replies(vec![Reply::status(429).retry_after(3600)]),
            "failed",
            1,
            1,
            "429",
        ),
        case("429 for ever", status(429), "failed", 1, 4, "429"),
        case("500", status(500), "failed", 1, 1, "500"),
        case("502, then 200", then_ok(502), "released", 0, 2, ""),
        case("503, then 200", then_ok(503), "released", 0, 2, ""),
        case("503 for ever", status(503), "failed", 1, 4, "503"),
        case(
            "reset after reading, then 404",
            vec![Behaviour::ResetAfterReading, Reply::status(404).into()],
            "unknown",
            3,
            2,
            "has shown itself",
        ),
        case(
            "reset after reading, then 409",
            vec![Behaviour::ResetAfterReading, Reply::status(409).into()],
            "conflict",
            1,
            2,
            "earlier attempt",
        ),
        case(
            "reset after reading, for ever",
            vec![Behaviour::ResetAfterReading],
            "unknown",
            3,
            4,
            "closed",
        ),
        case(
            "closed without an answer, then 200",
            vec![Behaviour::CloseWithoutAnswer, ok().into()],
            "released",
            0,
            2,
            "",
        ),
        case(
            "hangs before the headers",
            vec![Behaviour::HangBeforeHeaders],
            "unknown",
            3,
            1,
            "no answer within",
        ),
        case(
            "hangs within the body",
            vec![Behaviour::HangInBody(ok())],
            "unknown",
            3,
            1,
            "reading the body",
        ),
        case(
            "an endless body",
            vec![Behaviour::EndlessBody],
            "unknown",
            3,
            1,
            "larger than",
        ),
        case(
            "one byte at a time, whole",
            vec![Behaviour::Dribble(ok(), Duration::from_millis(1))],
            "released",
            0,
            1,
            "",
        ),
        case(
            "one byte at a time, too slow",
            vec![Behaviour::Dribble(ok(), Duration::from_secs(1))],
            "unknown",
            3,
            1,
            "no answer within",
        ),
        case(
            "not HTTP",
            vec![Behaviour::Garbage(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec())],
            "failed",
            1,
            1,
            "not HTTP",
        ),
    ]
}

#[test]
fn every_answer_has_its_outcome_exit_code_and_number_of_requests() {
    let mut wrong = Vec::new();
    println!(
        "{:<36} {:<17} {:>4} {:>8}  detail",
        "what the server did", "outcome", "exit", "requests"
    );
    for case in cases() {
        let args = ["--timeout", "3", "--output", "json", "a:b:c:TOKEN-SECRET"];
        let run = EndedRun::against(&case.server.url(), &args);
        let document = run.json();
        let lease = &document["leases"][0];
        // What it asks for as a proof of the coordinator changes nothing.
        let received = case.server.received();
        let received: Vec<_> = received.iter().filter(|r| r.method == "POST").collect();
        let detail = lease["detail"].as_str().unwrap_or_default();
        let outcome = lease["outcome"].as_str().unwrap_or_default();
        println!(
            "{:<36} {outcome:<17} {:>4} {:>8}  {detail}",
            case.name,
            run.code,
            received.len()
        );
        if (outcome, run.code, received.len()) != (case.outcome, case.exit_code, case.requests)
            || !detail.contains(case.detail)
            || lease["requests"] != received.len()
            || document["exit_code"] != run.code
            || run.stdout.contains("SECRET")
            || run.stderr.contains("SECRET")
        {
            wrong.push(format!("{}: {}{}", case.name, run.stdout, run.stderr));
        }
        for request in received {
            assert_eq!(request.to_string(), "POST /v1/leases/fail");
            let expected = serde_json::json!({"key": "a:b:c", "token": "TOKEN-SECRET", "reason": "manual_recovery"});
            assert_eq!(request.json().unwrap(), expected);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Once the coordinator's list has shown who answers, its 404 and its empty 200 are what they say.
#[test]
fn with_a_proof_of_the_coordinator_a_404_means_that_the_lease_is_gone() {
    for (status, outcome) in [(404, "already_released"), (204, "released")] {
        for (list, proven) in [(r#"{"leases":[]}"#, true), (r#"{"status":"ok"}"#, false)] {
            let server = Faults::choose(move |request, _| match &*request.path {
                "/v1/leases/inspect" => Reply::json(list).into(),
                _ => Reply::status(status).into(),
            });
            let run = EndedRun::against(&server.unwrap().url(), &["--output=json", "a:b:c:token"]);
            let document = run.json();
            let (outcome, code) = if proven { (outcome, 0) } else { ("unknown", 3) };
            assert_eq!(
                document["leases"][0]["outcome"], outcome,
                "{list}: {document}"
            );
            assert_eq!(run.code, code, "{list}");
        }
    }
}

/// Connections are taken by the system and by nobody else: a TLS handshake never ends there, and a plain
/// request is never answered.
#[test]
fn out_of_time_while_connecting_nothing_was_sent() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let tls = TlsServer::start(Certificate::OtherName).unwrap();
    let authority = format!("--ca-cert={}", tls.authority_file().display());
    for (scheme, limits, expected, detail) in [
        (
            "https",
            ["--deadline=1s", "--timeout=20s"],
            ("failed", 1),
            "connecting",
        ),
        (
            "https",
            ["--deadline=20s", "--timeout=1s"],
            ("failed", 1),
            "connecting",
        ),
        (
            "http",
            ["--deadline=1s", "--timeout=20s"],
            ("unknown", 3),
            "waiting for the answer",
        ),
        (
            "http",
            ["--deadline=20s", "--timeout=1s"],
            ("unknown", 3),
            "waiting for the answer",
        ),
    ] {
        let url = format!("{scheme}://{address}");
        let [deadline, timeout] = limits;
        let args = [&*authority, deadline, timeout, "--output=json", "a:token"];
        let run = EndedRun::against(&url, &args);
        let lease = run.json()["leases"][0].clone();
        let outcome = lease["outcome"].as_str().unwrap();
        assert_eq!(
            (outcome, run.code),
            expected,
            "{scheme} {limits:?}: {lease}"
        );
        assert!(
            lease["detail"].as_str().unwrap().contains(detail),
            "{lease}"
        );
    }
}

#[test]
fn a_usage_error_is_a_document_too() {
    for args in [
        &["--output", "json", "--rate", "0", "a:b"][..],
        &["--output=json", "--list", "a:b"],
        &["-ojson", "--no-such-option"],
        &["-o", "json"],
    ] {
        let run = EndedRun::against("http://127.0.0.1:9", args);
        let document = run.json();
        assert_eq!(
            (run.code, &document["exit_code"]),
            (2, &serde_json::json!(2)),
            "{args:?}"
        );
        let error = document["error"].as_str().unwrap();
        assert!(!error.is_empty() && !error.contains('\n'), "{error}");
        assert!(document["leases"].as_array().unwrap().is_empty());
        assert!(!run.stderr.is_empty());
    }
    let run = EndedRun::against("http://127.0.0.1:9", &["--rate", "0", "json:b"]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
}

#[test]
fn what_cannot_be_sent_at_all_is_failed() {
    let refusing = Refusing::start().unwrap();
    let resetting = Faults::always(Behaviour::ResetBeforeReading).unwrap();
    for (url, expected, detail) in [
        (refusing.url().unwrap(), ("failed", 1), "refused"),
        (
            "http://no-such-host.invalid".to_owned(),
            ("failed", 1),
            "does not resolve",
        ),
        // Whether the request was read before the reset cannot be known from here.
        (resetting.url(), ("unknown", 3), "closed"),
    ] {
        let run = EndedRun::against(&url, &["--output", "json", "lease-A:deadbeef"]);
        let lease = run.json()["leases"][0].clone();
        println!(
            "{url} {} {} {}",
            lease["outcome"], run.code, lease["detail"]
        );
        assert_eq!(
            (lease["outcome"].as_str().unwrap(), run.code),
            expected,
            "{lease}"
        );
        assert!(
            lease["detail"].as_str().unwrap().contains(detail),
            "{lease}"
        );
    }
    assert!(resetting.received().is_empty());
}
