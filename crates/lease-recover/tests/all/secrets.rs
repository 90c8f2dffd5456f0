//! No secret reaches stdout, stderr, a log, a report, a file, or the list of processes, on any path.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use seamless_lab::faults::secrets::{
    BEARER, HEADER, PASSWORD, assert_none, echo, for_each_fault, with_password,
};
use seamless_lab::faults::{Behaviour, Faults, Reply, Trial};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lease-recover");
const TOKEN: &str = "tokn-SECRET-4";
const KEY: &str = "nodeA:60:1700:1760:world-1:2024-01-01T00:00:00Z";
const LONGEST: Duration = Duration::from_secs(60);

/// Every way of running it that touches a secret, against the coordinator at `url`.
fn run_all(what: &str, url: &str, more: &[String]) {
    let folder = tempfile::tempdir().unwrap();
    let in_folder = |name: &str| folder.path().join(name).display().to_string();
    let token_file = in_folder("bearer");
    fs::write(&token_file, format!("{BEARER}\n")).unwrap();
    let specs = in_folder("specs");
    fs::write(
        &specs,
        format!("{{\"key\":\"{KEY}\",\"token\":\"{TOKEN}\"}}\n"),
    )
    .unwrap();
    let header = format!("--header=X-Api-Key: {HEADER}");
    let spec = format!("{KEY}:{TOKEN}");
    let coordinator = format!("--coordinator-url={}", with_password(url));
    let bearer = format!("--bearer-token-file={token_file}");
    let audit = format!("--audit-log={}", in_folder("audit"));
    let journal = format!("--journal={}", in_folder("journal"));
    let from_file = format!("--from-file={specs}");
    let runs: [&[&str]; 6] = [
        &[&coordinator, &header, &spec, &audit, &journal],
        &[
            &coordinator,
            &header,
            &from_file,
            "--log-format=json",
            "--output=json",
        ],
        &[
            &coordinator,
            &bearer,
            &spec,
            "--action=complete",
            "--verify",
        ],
        &[&coordinator, &bearer, "--list"],
        &[&coordinator, &header, "--stuck", "--yes", "--output=json"],
        &[&coordinator, "--dry-run", &spec, &from_file],
    ];
    for arguments in runs {
        let mut arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        arguments.push("--timeout=1s".to_owned());
        arguments.extend(more.iter().cloned());
        let trial = Trial::run(Path::new(PROGRAM), &arguments, &[], LONGEST).unwrap();
        let what = format!("{what}, {arguments:?}");
        assert_none(&format!("{what}, stdout"), &trial.stdout);
        assert_none(&format!("{what}, stderr"), &trial.stderr);
    }
    for record in ["audit", "journal"] {
        let text = fs::read_to_string(folder.path().join(record)).unwrap();
        assert_none(&format!("{what}, {record}"), &text);
        assert!(
            text.is_empty() || text.contains("\"tokn\""),
            "{what}: {text}"
        );
    }
}

#[test]
fn no_fault_gives_a_secret_away() {
    for_each_fault(|name, faulty| run_all(name, faulty.url(), faulty.arguments()));
}

#[test]
fn no_server_that_repeats_what_it_was_sent_gives_it_away() {
    for status in [200, 400, 401, 404, 409, 422, 500] {
        let server = Faults::choose(move |request, _| Behaviour::Reply(echo(request, status)));
        run_all(&format!("echo {status}"), &server.unwrap().url(), &[]);
    }
}

#[test]
fn no_usage_error_gives_a_secret_away() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("specs");
    let config = folder.path().join("qmtl.yml");
    let spec = format!("{KEY}:{TOKEN}");
    let lines = [
        format!("{{\"key\":\"{KEY}\",\"token\":\"{TOKEN}\"\n"),
        format!("{{\"key\":5,\"token\":\"{TOKEN}\"}}\n"),
        format!("{{\"token\":\"{TOKEN}\"}}\n"),
        format!(":{TOKEN}\n"),
        format!("k\u{7}:{TOKEN}\n"),
    ];
    for line in &lines {
        fs::write(&file, line).unwrap();
        for source in ["--from-file", "--from-logs"] {
            let arguments = [
                "--coordinator-url=http://127.0.0.1:1".to_owned(),
                format!("{source}={}", file.display()),
            ];
            let trial = Trial::run(Path::new(PROGRAM), &arguments, &[], LONGEST).unwrap();
            assert_none(line, &format!("{}{}", trial.stdout, trial.stderr));
        }
    }
    let urls = [
        format!("ftp://user:{PASSWORD}@host"),
        format!("user:{PASSWORD}@host"),
        format!("http://user:{PASSWORD}@host:port"),
        format!("http://user:{PASSWORD}@"),
        format!("http://user:{PASSWORD}@host/?token={BEARER}"),
        format!("http://user:a/b{PASSWORD}@host:x"),
        format!("http://host/{BEARER}?x"),
    ];
    for url in &urls[..6] {
        let arguments = [spec.clone(), format!("--coordinator-url={url}")];
        let trial = Trial::run(Path::new(PROGRAM), &arguments, &[], LONGEST).unwrap();
        assert_eq!(trial.code, Some(2), "{url}");
        assert_none(url, &format!("{}{}", trial.stdout, trial.stderr));

        let environment = [("QMTL_SEAMLESS_COORDINATOR_URL".to_owned(), url.clone())];
        let trial = Trial::run(Path::new(PROGRAM), &arguments[..1], &environment, LONGEST).unwrap();
        assert_none(url, &format!("{}{}", trial.stdout, trial.stderr));

        fs::write(
            &config,
            format!("seamless:\n  coordinator_url: \"{url}\"\n"),
        )
        .unwrap();
        let arguments = [spec.clone(), format!("--config={}", config.display())];
        let trial = Trial::run(Path::new(PROGRAM), &arguments, &[], LONGEST).unwrap();
        assert_none(url, &format!("{}{}", trial.stdout, trial.stderr));
    }
    // YAML that breaks off beside a secret.
    for text in [
        format!("seamless:\n  coordinator_url: \"http://u:{PASSWORD}@h\n"),
        format!("seamless:\n  coordinator_url: [http://u:{PASSWORD}@h\n"),
        format!("seamless:\n  coordinator_url: {{http://u:{PASSWORD}@h: 1}}\n"),
        format!("seamless: {PASSWORD}\n"),
        format!("{PASSWORD}\n"),
    ] {
        fs::write(&config, &text).unwrap();
        let arguments = [spec.clone(), format!("--config={}", config.display())];
        let trial = Trial::run(Path::new(PROGRAM), &arguments, &[], LONGEST).unwrap();
        assert_eq!(trial.code, Some(2), "{text}");
        assert_none(&text, &format!("{}{}", trial.stdout, trial.stderr));
    }
    for header in [
        HEADER.to_owned(),
        format!("X Y: {HEADER}"),
        format!("X: {HEADER}\u{7}"),
    ] {
        let arguments = [
            spec.clone(),
            "--coordinator-url=http://127.0.0.1:1".to_owned(),
            format!("--header={header}"),
        ];
        let trial = Trial::run(Path::new(PROGRAM), &arguments, &[], LONGEST).unwrap();
        assert_eq!(trial.code, Some(2), "{header}");
        assert_none(&header, &format!("{}{}", trial.stdout, trial.stderr));
    }
}

#[test]
fn secrets_out_of_files_are_not_in_the_list_of_processes() {
    let folder = tempfile::tempdir().unwrap();
    let bearer = folder.path().join("bearer");
    fs::write(&bearer, BEARER).unwrap();
    let specs = folder.path().join("specs");
    fs::write(&specs, format!("{KEY}:{TOKEN}\n")).unwrap();
    let server = Faults::always(Behaviour::HangBeforeHeaders).unwrap();
    let mut child = Command::new(PROGRAM)
        .arg(format!("--coordinator-url={}", server.url()))
        .arg(format!("--bearer-token-file={}", bearer.display()))
        .arg(format!("--from-file={}", specs.display()))
        .env_clear()
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    seamless_lab::wait_until(LONGEST, "the request", || !server.received().is_empty()).unwrap();
    for what in ["cmdline", "environ", "comm"] {
        let shown = fs::read(format!("/proc/{}/{what}", child.id())).unwrap();
        assert_none(what, &String::from_utf8_lossy(&shown));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // It was sent, all the same.
    let request = &server.received()[0];
    assert!(request.header("authorization").unwrap().contains(BEARER));
    assert!(request.text().contains(TOKEN));
}

/// What a run at `server` sends and says.
fn run_with(server: &Faults, arguments: &[&str], environment: &[(&str, &str)]) -> Trial {
    let mut all = vec![
        format!("--coordinator-url={}/v1", server.url()),
        "--list".to_owned(),
    ];
    all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let environment: Vec<(String, String)> = environment.iter().map(owned).collect();
    Trial::run(Path::new(PROGRAM), &all, &environment, LONGEST).unwrap()
}

#[test]
fn a_flag_replaces_the_environments_credential() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bearer");
    fs::write(&file, BEARER).unwrap();
    let environment = [(
        "QMTL_SEAMLESS_COORDINATOR_TOKEN_FILE",
        file.to_str().unwrap(),
    )];
    let server = Faults::always(Reply::json("[]")).unwrap();
    for (arguments, sent) in [
        (&[][..], format!("Bearer {BEARER}")),
        (
            &["--header=Authorization: Basic eDp5"][..],
            "Basic eDp5".to_owned(),
        ),
    ] {
        let before = server.received().len();
        let trial = run_with(&server, arguments, &environment);
        assert_eq!(trial.code, Some(0), "{trial:?}");
        let received = &server.received()[before];
        let found: Vec<&str> = received
            .headers
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("authorization"))
            .map(|(_, value)| value.as_str())
            .collect();
        assert_eq!(found, [sent]);
    }
}

#[test]
fn a_credential_that_cannot_be_placed_is_an_error_before_anything_is_sent() {
    let server = Faults::always(Reply::json("[]")).unwrap();
    for (arguments, says) in [
        (&["--header=prometheus=X-A: b"][..], "prometheus="),
        (&["--bearer-token-file=remote-write=t"][..], "coordinator="),
        (
            &["--header=Authorization: a", "--header=Authorization: b"][..],
            "give one",
        ),
    ] {
        let trial = run_with(&server, arguments, &[]);
        assert_eq!(trial.code, Some(2), "{arguments:?}: {trial:?}");
        assert!(
            trial.stderr.contains(says),
            "{arguments:?}: {}",
            trial.stderr
        );
    }
    assert_eq!(server.received().len(), 0);
}
