//! Answers that are odd, hostile or no HTTP at all.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use seamless_core::http::{HttpResponse, SHORT_BODY_LIMIT, SendError, TransportError};
use seamless_lab::faults::{Behaviour, Faults, Reply};

use super::get;

async fn raw(bytes: impl Into<Vec<u8>>) -> Result<HttpResponse, SendError> {
    let server = Faults::always(Behaviour::Garbage(bytes.into())).unwrap();
    get(&server.url()).await
}

#[tokio::test]
async fn every_version_and_framing_of_a_whole_answer_is_read() {
    for (name, bytes) in [
        (
            "HTTP/1.0, ended by the connection",
            "HTTP/1.0 200 OK\r\n\r\n{}",
        ),
        (
            "HTTP/1.0 with a length",
            "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        ),
        (
            "chunks",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\n\r\n",
        ),
        (
            "100 first",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        ),
        (
            "103 first",
            "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        ),
        (
            "no reason phrase",
            "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}",
        ),
        (
            "bytes after the body",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 500 No\r\n\r\n",
        ),
    ] {
        let answer = raw(bytes)
            .await
            .unwrap_or_else(|failure| panic!("{name}: {failure}"));
        assert_eq!(
            (answer.status, answer.body.as_slice(), answer.attempts),
            (200, &b"{}"[..], 1),
            "{name}"
        );
    }
}

#[tokio::test]
async fn what_is_no_http_is_named_so() {
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(2000));
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(2_000_000));
    let cases: [(&str, &[u8]); 8] = [
        (
            "a web socket's or a database's greeting",
            b"SSH-2.0-OpenSSH_9.2\r\n",
        ),
        // SETTINGS and GOAWAY, as a server that speaks only HTTP/2 answers.
        (
            "HTTP/2",
            b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x01",
        ),
        ("binary", b"\x15\x03\x03\0\x02\x02\x46\r\n\r\n"),
        ("two thousand headers", many.as_bytes()),
        ("two megabytes in a header", long.as_bytes()),
        (
            "two lengths",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
        ),
        (
            "a negative length",
            b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}",
        ),
        ("a status of four digits", b"HTTP/1.1 2000 OK\r\n\r\n"),
    ];
    for (name, bytes) in cases {
        let failure = raw(bytes).await.expect_err(name);
        assert!(
            matches!(failure.error, TransportError::NotHttp(_)),
            "{name}: {failure:?}"
        );
        assert_eq!(failure.attempts, 1, "{name}");
        let message = failure.to_string();
        assert!(
            message.len() < 300 && !message.contains(char::is_control),
            "{name}: {message}"
        );
    }
}

#[tokio::test]
async fn a_body_that_ends_early_is_cut_off_unless_its_end_is_the_connections() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for body in [
        "5\r\n{}",
        "2\r\n{}\r\n",
        "2\r\n{}\r\nzz\r\n",
        "fffffffffffffffffff\r\n{}",
    ] {
        let failure = raw(format!("{chunked}{body}")).await.unwrap_err();
        assert_eq!(
            failure.error,
            TransportError::Truncated { status: 200 },
            "{body:?}"
        );
    }
    let server = Faults::always(Behaviour::CutOff(Reply::json(r#"{"leases":[]}"#))).unwrap();
    assert_eq!(get(&server.url()).await.unwrap().body, br#"{"leas"#);
}

#[tokio::test]
async fn switching_protocols_is_an_answer_and_not_a_hang() {
    let answer =
        raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n")
            .await;
    assert!(answer.is_ok_and(|answer| answer.status == 101 && !answer.is_success()));
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn gzip_reply(body: Vec<u8>) -> Faults {
    let reply = Reply::json("")
        .header("Content-Encoding", "gzip")
        .body(body);
    Faults::always(reply).unwrap()
}

#[tokio::test]
async fn a_compressed_body_is_bounded_by_what_it_unpacks_to() {
    let server = gzip_reply(gzipped(br#"{"status":"ok"}"#));
    assert_eq!(
        get(&server.url()).await.unwrap().body,
        br#"{"status":"ok"}"#
    );

    let bomb = gzipped(&vec![b' '; 64 * SHORT_BODY_LIMIT]);
    assert!(bomb.len() < SHORT_BODY_LIMIT / 8, "no bomb");
    let failure = get(&gzip_reply(bomb).url()).await.unwrap_err();
    let limit = SHORT_BODY_LIMIT;
    assert_eq!(
        failure.error,
        TransportError::TooLarge { status: 200, limit }
    );

    let mut corrupt = gzipped(br#"{"status":"ok"}"#);
    corrupt.truncate(corrupt.len() / 2);
    let failure = get(&gzip_reply(corrupt).url()).await.unwrap_err();
    assert_eq!(failure.error, TransportError::Truncated { status: 200 });
}

#[tokio::test]
async fn a_redirect_is_reported_and_nobody_is_sent_the_credentials() {
    let elsewhere = Faults::always(Reply::json("{}")).unwrap();
    for status in [301, 302, 303, 307, 308] {
        let location = format!("{}/login?session=hunter2", elsewhere.url());
        let server = Faults::always(Reply::status(status).header("Location", &location)).unwrap();
        let url = server.url().replace("http://", "http://user:hunter2@");
        let answer = get(&url).await.unwrap();
        assert!((300..400).contains(&answer.status));
        assert_eq!(answer.attempts, 1);
        let described = answer.described();
        assert!(
            described.contains("/login, which is not followed"),
            "{described}"
        );
        assert!(!described.contains("hunter2"), "{described}");
        let received = server.received();
        assert!(received[0].header("authorization").is_some());
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_server_that_repeats_what_it_was_sent_does_not_get_it_printed() {
    let server = Faults::choose(|request, _| {
        let echoed = format!("{:?} hunter2", request.headers);
        let body = serde_json::json!({ "error": echoed }).to_string();
        Reply::status(400)
            .header("Content-Type", "application/json")
            .body(body)
            .into()
    })
    .unwrap();
    let url = server.url().replace("http://", "http://user:hunter2@");
    let detail = get(&url).await.unwrap().detail().unwrap();
    let encoded = "dXNlcjpodW50ZXIy";
    assert!(
        !detail.contains("hunter2") && !detail.contains(encoded),
        "{detail}"
    );
    assert!(detail.contains("[redacted]"), "{detail}");
}
