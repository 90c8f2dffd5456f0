//! No secret reaches stdout, stderr or a report, on any path.

use std::fs;
use std::path::Path;
use std::time::Duration;

use seamless_lab::Received;
use seamless_lab::faults::secrets::{
    BEARER, HEADER, assert_none, echo, for_each_fault, with_password,
};
use seamless_lab::faults::{Behaviour, Faults, Reply, Trial};

use crate::support::empty_gateway;

const PROGRAM: &str = env!("CARGO_BIN_EXE_inject-sla-violation");
const LONGEST: Duration = Duration::from_secs(60);

/// Every way of running it that touches a secret, against the server at `url`.
fn run_all(what: &str, url: &str, more: &[String]) {
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("bearer");
    fs::write(&token_file, BEARER).unwrap();
    let url = with_password(url);
    let gateway = format!("--push-gateway={url}");
    let receiver = format!("--remote-write={url}");
    let prometheus = format!("--prometheus-url={url}");
    let alertmanager = format!("--alertmanager-url={url}");
    let header = format!("--header=X-Api-Key: {HEADER}");
    let bearer = format!("--bearer-token-file={}", token_file.display());
    let expected = "--expect-alert=SeamlessSla99thDegraded";
    let runs: [&[&str]; 4] = [
        &[&gateway, &header],
        &[&receiver, "--output=json"],
        &[
            "--serve=0",
            &prometheus,
            &alertmanager,
            &bearer,
            expected,
            "--within=1s",
        ],
        &[
            "--serve=0",
            &prometheus,
            &header,
            expected,
            "--within=1s",
            "--output=json",
        ],
    ];
    for arguments in runs {
        let mut arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        arguments.extend(["n", "--hold=1s", "--step=500ms", "--timeout=1s"].map(str::to_owned));
        arguments.extend(more.iter().cloned());
        let trial = Trial::run(Path::new(PROGRAM), &arguments, &[], LONGEST).unwrap();
        for text in [&trial.stdout, &trial.stderr] {
            assert_none(&format!("{what}, {arguments:?}"), text);
        }
    }
}

#[test]
fn no_fault_gives_a_secret_away() {
    for_each_fault(|name, faulty| run_all(name, faulty.url(), faulty.arguments()));
}

#[test]
fn no_server_that_repeats_what_it_was_sent_gives_it_away() {
    std::thread::scope(|scope| {
        for status in [200, 400, 401, 404, 422, 500] {
            scope.spawn(move || {
                let as_json = Faults::choose(move |request, _| echo(request, status).into());
                run_all(&format!("{status} JSON"), &as_json.unwrap().url(), &[]);
                let as_text = Faults::choose(move |request, _| {
                    let words = format!("{:?}", request.headers);
                    let reply = Reply::status(status).header("Content-Type", "text/plain");
                    Behaviour::Reply(reply.body(words))
                });
                run_all(&format!("{status} text"), &as_text.unwrap().url(), &[]);
            });
        }
    });
}

fn drill(arguments: &[String]) -> Trial {
    let mut all: Vec<String> = ["n", "--yes", "--hold=1s", "--step=500ms"]
        .map(str::to_owned)
        .into();
    all.extend(arguments.iter().cloned());
    Trial::run(Path::new(PROGRAM), &all, &[], LONGEST).unwrap()
}

#[test]
fn a_prefix_reaches_its_endpoint_and_no_other() {
    let (gateway, receiver) = (
        Faults::always(empty_gateway()).unwrap(),
        Faults::always(Reply::status(204)).unwrap(),
    );
    let sinks = [
        format!("--push-gateway={}", gateway.url()),
        format!("--remote-write={}/write?tenant=a", receiver.url()),
    ];
    let with = |more: &str| [&sinks[..], &[more.to_owned()]].concat();
    let trial = drill(&with("--header=remote-write=X-Api-Key: k"));
    assert_eq!(trial.code, Some(0), "{trial:?}");
    let keys = |faults: &Faults| -> Vec<Option<String>> {
        let received = faults.received();
        let key = |request: &Received| request.header("x-api-key").map(str::to_owned);
        received.iter().map(key).collect()
    };
    assert!(
        keys(&receiver)
            .iter()
            .all(|key| key.as_deref() == Some("k"))
    );
    let asked = |received: &Received| received.query.as_deref() == Some("tenant=a");
    assert!(receiver.received().iter().all(asked));
    assert!(!keys(&gateway).is_empty() && keys(&gateway).iter().all(Option::is_none));

    let before = (gateway.received().len(), receiver.received().len());
    for header in [
        "--header=Authorization: Basic eDp5",
        "--header=coordinator=X-A: b",
    ] {
        let trial = drill(&with(header));
        assert_eq!(trial.code, Some(2), "{trial:?}");
        assert!(trial.stderr.contains("push-gateway="), "{}", trial.stderr);
    }
    assert_eq!(
        before,
        (gateway.received().len(), receiver.received().len())
    );
}
