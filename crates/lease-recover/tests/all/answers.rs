//! The table of the reference, row by row, and the answers of servers that are no coordinator: none of
//! them may pass for a recovered lease.

use lease_recover::ANSWERS;
use seamless_lab::faults::{Behaviour, Faults, Refusing, Reply};

use crate::program::EndedRun;

const RATIO: &str = r#"{"completion_ratio":0.5}"#;

fn typed(status: u16, content_type: &str, body: &str) -> Reply {
    let reply = Reply::status(status).body(body);
    match content_type {
        "" => reply,
        content_type => reply.header("Content-Type", content_type),
    }
}

fn json(status: u16, body: &str) -> Reply {
    typed(status, "application/json", body)
}

fn html(status: u16, body: &str) -> Reply {
    typed(status, "text/html; charset=utf-8", body)
}

fn text(status: u16, body: &str) -> Reply {
    typed(status, "text/plain; charset=utf-8", body)
}

/// Servers that answer as a row of the table says, in the table's order. The last row has none.
fn samples() -> Vec<Vec<Behaviour>> {
    let replies = |replies: Vec<Reply>| replies.into_iter().map(Behaviour::from).collect();
    vec![
        replies(vec![
            Reply::json(RATIO),
            json(202, r#"{"completion_ratio":0}"#),
            json(201, r#"{"completion_ratio":1,"key":"a:b:c"}"#),
        ]),
        replies(vec![
            Reply::status(200),
            Reply::status(204),
            json(200, r#"{"status":"ok"}"#),
            json(200, r#"{"completion_ratio":7}"#),
            json(200, "null"),
            json(200, "[]"),
        ]),
        replies(vec![
            json(200, r#"{"error":"the lease is locked"}"#),
            json(200, r#"{"success":false}"#),
            json(202, r#"{"completion_ratio":0.5,"errors":["read only"]}"#),
            json(200, r#"{"completion_ratio":0.5,"released":false}"#),
            json(
                200,
                r#"{"completion_ratio":0,"status":"error","message":"read only"}"#,
            ),
        ]),
        replies(vec![
            json(200, r#"{"completion_ratio":0.5,"key":"a:b:d"}"#),
            json(
                200,
                r#"{"completion_ratio":0.5,"lease":{"key":"a:b","token":"t"}}"#,
            ),
        ]),
        vec![
            Reply::json(r#"{"completion_ra"#).into(),
            Behaviour::Truncated(Reply::json(RATIO)),
            Behaviour::CutOff(Reply::json(RATIO)),
            Behaviour::EndlessBody,
        ],
        replies(vec![Reply::html(), text(200, "ok")]),
        replies(vec![
            Reply::redirect("http://login.invalid/"),
            Reply::status(304),
            Reply::status(308).header("Location", "/elsewhere"),
        ]),
        replies(vec![
            Reply::status(404),
            json(404, r#"{"detail":"Not Found"}"#),
            text(404, "404 page not found"),
        ]),
        replies(vec![Reply::status(409), json(409, r#"{"error":"held"}"#)]),
        replies(vec![
            html(404, "<h1>404</h1>"),
            html(409, "<h1>409</h1>"),
            typed(
                404,
                "application/xml",
                "<Error><Code>NoSuchBucket</Code></Error>",
            ),
        ]),
        replies(
            [
                400, 401, 403, 405, 410, 418, 422, 429, 500, 501, 502, 503, 504,
            ]
            .map(Reply::status)
            .to_vec(),
        ),
        vec![
            Behaviour::HangBeforeHeaders,
            Behaviour::HangInBody(Reply::json(RATIO)),
            Behaviour::CloseWithoutAnswer,
            Behaviour::ResetAfterReading,
        ],
        vec![Behaviour::Garbage(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec())],
    ]
}

#[test]
fn the_table_of_the_reference_is_what_happens() {
    let samples = samples();
    assert_eq!(samples.len(), ANSWERS.len());
    let arguments = ["--timeout=3s", "--output=json", "a:b:c:token"];
    for (row, samples) in ANSWERS.iter().zip(samples) {
        for sample in samples {
            for (list, expected) in [(r#"{"leases":[]}"#, row.proven), ("{}", row.outcome)] {
                let answer = sample.clone();
                let server = Faults::choose(move |request, _| match &*request.method {
                    "GET" => Reply::json(list).into(),
                    _ => answer.clone(),
                });
                let run = EndedRun::against(&server.unwrap().url(), &arguments);
                let document = run.json();
                let outcome = &document["leases"][0]["outcome"];
                assert_eq!(outcome, expected, "{}: {sample:?}: {document}", row.what);
                let code = match expected {
                    "released" | "already_released" => 0,
                    "unknown" => 3,
                    _ => 1,
                };
                assert_eq!(run.code, code, "{}: {sample:?}", row.what);
            }
        }
    }
    let refusing = Refusing::start().unwrap().url().unwrap();
    for url in [
        &refusing,
        "http://no-such-host.invalid",
        "https://127.0.0.1:1",
    ] {
        let document = EndedRun::against(url, &arguments).json();
        let outcome = &document["leases"][0]["outcome"];
        assert_eq!(outcome, ANSWERS[ANSWERS.len() - 1].outcome, "{url}");
    }
}

/// Who it is, its answer to any request, the outcome, and its own words, which the report repeats.
type Foreign = (&'static str, Reply, &'static str, &'static str);

/// What well-known servers answer to a path or method that they do not have, to somebody they do not
/// know, or to everything.
fn foreign() -> Vec<Foreign> {
    vec![
        (
            "nginx, its page",
            html(
                200,
                "<!DOCTYPE html>\n<html>\n<head>\n<title>Welcome to nginx!</title>\n</head>\n<body>\n<h1>Welcome to nginx!</h1>\n</body>\n</html>\n",
            ),
            "failed",
            "HTML",
        ),
        (
            "nginx, 404",
            html(
                404,
                "<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not Found</h1></center>\r\n<hr><center>nginx/1.25.3</center>\r\n</body>\r\n</html>\r\n",
            ),
            "failed",
            "404",
        ),
        (
            "nginx, 405",
            html(
                405,
                "<html>\r\n<head><title>405 Not Allowed</title></head>\r\n<body>\r\n<center><h1>405 Not Allowed</h1></center>\r\n</body>\r\n</html>\r\n",
            ),
            "failed",
            "405",
        ),
        (
            "nginx, 401",
            html(
                401,
                "<html>\r\n<head><title>401 Authorization Required</title></head>\r\n</html>\r\n",
            )
            .header("WWW-Authenticate", "Basic realm=\"x\""),
            "failed",
            "401",
        ),
        (
            "Spring, 404",
            json(
                404,
                r#"{"timestamp":"2024-01-01T00:00:00.000+00:00","status":404,"error":"Not Found","path":"/v1/leases/fail"}"#,
            ),
            "unknown",
            "Not Found",
        ),
        (
            "Spring, 405",
            json(
                405,
                r#"{"timestamp":"2024-01-01T00:00:00.000+00:00","status":405,"error":"Method Not Allowed","path":"/v1/leases/fail"}"#,
            ),
            "failed",
            "Method Not Allowed",
        ),
        (
            "Spring, its health",
            json(200, r#"{"status":"UP"}"#),
            "unknown",
            "\"UP\"",
        ),
        (
            "FastAPI, 404",
            json(404, r#"{"detail":"Not Found"}"#),
            "unknown",
            "Not Found",
        ),
        (
            "FastAPI, 405",
            json(405, r#"{"detail":"Method Not Allowed"}"#).header("Allow", "GET"),
            "failed",
            "Method Not Allowed",
        ),
        (
            "FastAPI, 401",
            json(401, r#"{"detail":"Not authenticated"}"#).header("WWW-Authenticate", "Bearer"),
            "failed",
            "Not authenticated",
        ),
        (
            "Express, 404",
            html(
                404,
                "<!DOCTYPE html>\n<html lang=\"en\">\n<body>\n<pre>Cannot POST /v1/leases/fail</pre>\n</body>\n</html>\n",
            ),
            "failed",
            "404",
        ),
        (
            "Go, 404",
            text(404, "404 page not found\n"),
            "unknown",
            "404 page not found",
        ),
        (
            "Go, 405",
            text(405, "Method Not Allowed\n"),
            "failed",
            "405",
        ),
        (
            "S3, 404",
            typed(
                404,
                "application/xml",
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message></Error>",
            ),
            "failed",
            "XML",
        ),
        (
            "S3, 405",
            typed(
                405,
                "application/xml",
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>MethodNotAllowed</Code></Error>",
            ),
            "failed",
            "XML",
        ),
        ("a login page", Reply::html(), "failed", "HTML"),
        (
            "a way to the login page",
            Reply::redirect("https://sso.example.com/login"),
            "failed",
            "redirect",
        ),
        (
            "Kubernetes, the default backend",
            text(404, "default backend - 404"),
            "unknown",
            "default backend - 404",
        ),
        (
            "Kubernetes, its API, 401",
            json(
                401,
                r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#,
            ),
            "failed",
            "Unauthorized",
        ),
        (
            "Kubernetes, its API, 404",
            json(
                404,
                r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"the server could not find the requested resource","reason":"NotFound","details":{},"code":404}"#,
            ),
            "unknown",
            "could not find the requested resource",
        ),
        (
            "envoy, no route",
            typed(404, "", "").header("Server", "envoy"),
            "unknown",
            "404",
        ),
        (
            "envoy, no upstream",
            text(503, "no healthy upstream").header("Server", "envoy"),
            "failed",
            "no healthy upstream",
        ),
        (
            "HAProxy, 404",
            html(
                404,
                "<html><body><h1>404 Not Found</h1>\nThe resource could not be found.\n</body></html>\n",
            ),
            "failed",
            "404",
        ),
        (
            "HAProxy, its health",
            html(
                200,
                "<html><body><h1>200 OK</h1>\nService ready.\n</body></html>\n",
            ),
            "failed",
            "HTML",
        ),
        (
            "Consul, 404",
            text(404, "Invalid URL path: not a recognized HTTP API endpoint"),
            "unknown",
            "not a recognized HTTP API endpoint",
        ),
        (
            "Consul, 405",
            text(405, "method POST not allowed"),
            "failed",
            "405",
        ),
        (
            "Consul, an empty catalog",
            json(200, "[]"),
            "unknown",
            "has shown itself",
        ),
        (
            "etcd, 404",
            json(404, r#"{"code":5, "message":"Not Found", "details":[]}"#),
            "unknown",
            "Not Found",
        ),
        (
            "Vault, 404",
            json(404, r#"{"errors":[]}"#),
            "unknown",
            "errors",
        ),
        (
            "Vault, 403",
            json(403, r#"{"errors":["permission denied"]}"#),
            "failed",
            "permission denied",
        ),
        (
            "Vault, 405",
            json(
                405,
                r#"{"errors":["1 error occurred:\n\t* unsupported operation\n\n"]}"#,
            ),
            "failed",
            "unsupported operation",
        ),
        (
            "Grafana, 404",
            json(404, r#"{"message":"Not found","traceID":""}"#),
            "unknown",
            "Not found",
        ),
        (
            "Grafana, 401",
            json(
                401,
                r#"{"extra":null,"message":"Unauthorized","messageId":"auth.unauthorized","statusCode":401,"traceID":""}"#,
            ),
            "failed",
            "Unauthorized",
        ),
        (
            "Prometheus, 404",
            text(404, "404 page not found\n").header("X-Content-Type-Options", "nosniff"),
            "unknown",
            "404 page not found",
        ),
        (
            "Prometheus, an answer",
            json(
                200,
                r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#,
            ),
            "unknown",
            "resultType",
        ),
        (
            "Elasticsearch, its name",
            json(
                200,
                r#"{"name":"node-1","cluster_name":"logs","version":{"number":"8.12.0"},"tagline":"You Know, for Search"}"#,
            ),
            "unknown",
            "You Know, for Search",
        ),
        (
            "Elasticsearch, 405",
            json(
                405,
                r#"{"error":"Incorrect HTTP method for uri [/v1/leases/fail] and method [POST], allowed: [GET]","status":405}"#,
            ),
            "failed",
            "Incorrect HTTP method",
        ),
        (
            "a GraphQL server",
            json(
                200,
                r#"{"data":null,"errors":[{"message":"Must provide query string."}]}"#,
            ),
            "failed",
            "Must provide query",
        ),
        (
            "what takes everything",
            Reply::status(204),
            "unknown",
            "has shown itself",
        ),
    ]
}

#[test]
fn no_foreign_server_recovers_a_lease() {
    let specs = [
        "node:60:1700:1760:w:2024-01-01T00:00:00Z:token",
        "a:b:c:token",
    ];
    println!("{:<32} {:<9} exit  detail", "server", "outcome");
    for (who, reply, expected, says) in foreign() {
        let server = Faults::always(reply).unwrap();
        for action in ["--action=fail", "--action=complete"] {
            for verify in [&[][..], &["--verify", "--verify-within=0s"]] {
                let arguments = [&[action, "--output=json"][..], verify, &specs].concat();
                let run = EndedRun::against(&server.url(), &arguments);
                let document = run.json();
                let first = &document["leases"][0];
                let (outcome, detail) = (first["outcome"].as_str(), first["detail"].as_str());
                let (outcome, detail) = (outcome.unwrap(), detail.unwrap_or_default());
                if action == "--action=fail" && verify.is_empty() {
                    println!("{who:<32} {outcome:<9} {:>4}  {detail}", run.code);
                }
                assert_eq!(outcome, expected, "{who}: {document:#}");
                assert_eq!(document["leases"][1]["outcome"], expected, "{who}");
                assert!(detail.contains(says), "{who}: {detail}");
                assert_eq!(run.code, if outcome == "unknown" { 3 } else { 1 }, "{who}");
            }
        }
        // Its answer to a GET is no list of leases either, unless it is a list of nothing.
        for arguments in [&["--list"][..], &["--stuck", "--yes"]] {
            let run = EndedRun::against(&server.url(), arguments);
            let is_empty_list = who == "Consul, an empty catalog";
            assert_eq!(
                run.code,
                if is_empty_list { 0 } else { 3 },
                "{who}: {}",
                run.stdout
            );
        }
        let changes = server
            .received()
            .iter()
            .filter(|r| r.method == "POST")
            .count();
        assert!(changes >= 8, "{who}: {changes}");
    }
}
