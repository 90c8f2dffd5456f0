//! No secret reaches stdout, stderr, a report in any format, or the list of processes, on any path.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use seamless_lab::faults::secrets::{
    BEARER, HEADER, PASSWORD, assert_none, echo, for_each_fault, with_password,
};
use seamless_lab::faults::{Behaviour, Faults, Reply, Trial, bare};

const PROGRAM: &str = env!("CARGO_BIN_EXE_seamless-health-check");
const LONGEST: Duration = Duration::from_secs(60);
const FORMATS: [&str; 7] = [
    "text",
    "short",
    "json",
    "junit",
    "nagios",
    "prometheus",
    "github",
];

fn run(what: &str, arguments: &[String], environment: &[(String, String)]) -> Trial {
    let trial = Trial::run(Path::new(PROGRAM), arguments, environment, LONGEST).unwrap();
    let what = format!("{what}, {arguments:?}");
    assert_none(&format!("{what}, stdout"), &trial.stdout);
    assert_none(&format!("{what}, stderr"), &trial.stderr);
    trial
}

/// Every way of running it that touches a secret, with every endpoint at `url`, in every format.
fn run_all(what: &str, url: &str, more: &[String]) {
    let folder = tempfile::tempdir().unwrap();
    let bearer = folder.path().join("bearer");
    fs::write(&bearer, format!("{BEARER}\n")).unwrap();
    let bearer = bearer.display();
    let secret = with_password(url);
    let endpoints = [
        format!("--coordinator-url={secret}/v1"),
        format!("--prometheus-url={secret}"),
        format!("--alertmanager-url={secret}"),
        format!("--metrics-url={secret}/metrics"),
    ];
    let credentials: [&[String]; 2] = [
        &[
            format!("--header=X-Api-Key: {HEADER}"),
            format!("--header=coordinator=X-Api-Key: {HEADER}"),
        ],
        &[
            format!("--bearer-token-file={bearer}"),
            format!("--bearer-token-file=alertmanager={bearer}"),
        ],
    ];
    let reports: Vec<(String, String)> = FORMATS
        .iter()
        .map(|format| {
            let path = folder.path().join(format).display().to_string();
            (format!("--output={format}={path}"), path)
        })
        .collect();
    for credentials in credentials {
        let mut arguments = endpoints.to_vec();
        arguments.extend(credentials.iter().cloned());
        arguments.extend(reports.iter().map(|(option, _)| option.clone()));
        arguments.extend(["--timeout=1s", "--wait=1s", "--interval=500ms"].map(str::to_owned));
        arguments.extend(more.iter().cloned());
        let trial = run(what, &arguments, &[]);
        assert_eq!(trial.code, Some(1), "{what}: {trial:?}");
        for (_, path) in &reports {
            let text = fs::read_to_string(path).unwrap();
            assert!(!text.is_empty(), "{what}, {path}");
            assert_none(&format!("{what}, {path}"), &text);
        }
    }
}

#[test]
fn no_fault_gives_a_secret_away() {
    for_each_fault(|name, faulty| run_all(name, faulty.url(), faulty.arguments()));
}

#[test]
fn no_server_that_repeats_what_it_was_sent_gives_it_away() {
    for status in [200, 400, 401, 404, 422, 500] {
        let server = Faults::choose(move |request, _| Behaviour::Reply(echo(request, status)));
        run_all(&format!("echo {status}"), &server.unwrap().url(), &[]);
    }
}

#[test]
fn no_usage_error_gives_a_secret_away() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("qmtl.yml");
    let fine = "--coordinator-url=http://127.0.0.1:1".to_owned();
    let usage_error = |arguments: &[String], environment: &[(String, String)]| {
        let trial = run("usage", arguments, environment);
        assert_eq!(trial.code, Some(2), "{arguments:?}: {trial:?}");
    };
    for url in [
        format!("ftp://user:{PASSWORD}@host"),
        format!("user:{PASSWORD}@host"),
        format!("http://user:{PASSWORD}@host:port"),
        format!("http://user:{PASSWORD}@"),
        format!("http://user:{PASSWORD}@host/?token={BEARER}"),
    ] {
        for option in ["prometheus", "alertmanager", "metrics"] {
            let mut arguments = vec![fine.clone(), format!("--{option}-url={url}")];
            if option != "prometheus" {
                arguments.push("--prometheus-url=http://127.0.0.1:1".to_owned());
            }
            if option == "metrics" && url.contains('?') {
                // It is the URL of one resource, which may have a query.
                run("metrics", &arguments, &[]);
            } else {
                usage_error(&arguments, &[]);
            }
        }
        let variable = ("QMTL_PROMETHEUS_URL".to_owned(), url.clone());
        usage_error(std::slice::from_ref(&fine), &[variable]);
        fs::write(
            &config,
            format!("telemetry:\n  prometheus_url: \"{url}\"\n"),
        )
        .unwrap();
        usage_error(
            &[fine.clone(), format!("--config={}", config.display())],
            &[],
        );
    }
    for header in [
        HEADER.to_owned(),
        format!("X Y: {HEADER}"),
        format!("X: {HEADER}\u{7}"),
    ] {
        let prometheus = "--prometheus-url=http://127.0.0.1:1".to_owned();
        usage_error(
            &[fine.clone(), prometheus, format!("--header={header}")],
            &[],
        );
    }
}

#[test]
fn the_value_of_a_required_variable_is_nobodys_business() {
    let variable = ("SEAMLESS_KEY".to_owned(), BEARER.to_owned());
    let arguments = [
        "--required-env=SEAMLESS_KEY",
        "--only=environment/variables",
        "--output=json",
        "--prometheus-url=http://127.0.0.1:1",
        "--coordinator-url=http://127.0.0.1:1",
    ]
    .map(str::to_owned);
    let trial = run("required", &arguments, &[variable]);
    assert!(trial.stdout.contains("SEAMLESS_KEY"), "{trial:?}");
}

#[test]
fn a_token_out_of_a_file_is_not_in_the_list_of_processes() {
    let folder = tempfile::tempdir().unwrap();
    let bearer = folder.path().join("bearer");
    fs::write(&bearer, BEARER).unwrap();
    let server = Faults::always(Behaviour::HangBeforeHeaders).unwrap();
    let mut child = bare(PROGRAM)
        .arg(format!("--prometheus-url={}", server.url()))
        .arg("--coordinator-url=http://127.0.0.1:1")
        .arg(format!("--bearer-token-file={}", bearer.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let asked = seamless_lab::wait_until(LONGEST, "the request", || !server.received().is_empty());
    for what in ["cmdline", "environ", "comm"] {
        let shown = fs::read(format!("/proc/{}/{what}", child.id())).unwrap();
        assert_none(what, &String::from_utf8_lossy(&shown));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    asked.unwrap();
    // It was sent, all the same.
    let sent = server.received();
    assert!(sent[0].header("authorization").unwrap().contains(BEARER));
}

#[test]
fn the_url_of_the_metrics_is_asked_as_it_was_written_with_its_own_credentials() {
    let server = Faults::choose(|request, _| match request.path.as_str() {
        "/metrics" => Reply::status(307).header("Location", "/metrics/").into(),
        _ => Reply::status(200)
            .header("Content-Type", "text/plain; version=0.0.4")
            .body("up 1\n")
            .into(),
    })
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let bearer = folder.path().join("bearer");
    fs::write(&bearer, BEARER).unwrap();
    for (path, credential) in [
        (
            "/metrics/",
            format!("--bearer-token-file=metrics={}", bearer.display()),
        ),
        (
            "/m?format=prometheus",
            format!("--bearer-token-file={}", bearer.display()),
        ),
    ] {
        let before = server.received().len();
        let arguments = [
            format!("--metrics-url={}{path}", server.url()),
            credential,
            "--only=exposition/readable".to_owned(),
        ];
        let trial = Trial::run(Path::new(PROGRAM), &arguments, &[], LONGEST).unwrap();
        assert_eq!(trial.code, Some(0), "{path}: {trial:?}");
        let received = &server.received()[before];
        assert_eq!(
            received.header("authorization"),
            Some(&*format!("Bearer {BEARER}"))
        );
    }
    let arguments = [
        format!("--metrics-url={}/metrics/", server.url()),
        "--header=push-gateway=X-A: b".to_owned(),
    ];
    let trial = Trial::run(Path::new(PROGRAM), &arguments, &[], LONGEST).unwrap();
    assert_eq!(trial.code, Some(2), "{trial:?}");
    assert!(trial.stderr.contains("metrics="), "{}", trial.stderr);
}
