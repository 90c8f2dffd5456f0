//! A proxy that the environment names. The environment is a process's own, so the request is made by
//! this test binary started again.

use std::process::Command;
use std::time::Duration;

use seamless_core::http::{HttpOptions, TlsFiles};
use seamless_lab::faults::{Behaviour, Faults, Refusing, Reply};

use super::tls::{After, Authority, serve};
use super::{get_with, options};

const TARGET: &str = "FAULTS_TEST_TARGET";
const AUTHORITY: &str = "FAULTS_TEST_AUTHORITY";

/// The same for a child that cannot set up its client.
fn child_fails(target: &str, environment: &[(&str, &str)]) -> String {
    let (succeeded, text) = started(target, environment);
    assert!(!succeeded, "{text}");
    text
}

/// What the child below says of a request to `target` with that environment.
fn child(target: &str, environment: &[(&str, &str)]) -> String {
    let (succeeded, text) = started(target, environment);
    assert!(succeeded, "{text}");
    text
}

fn started(target: &str, environment: &[(&str, &str)]) -> (bool, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    let output = command
        .args([
            "--exact",
            "--ignored",
            "--nocapture",
            "client::proxy::makes_one_request",
        ])
        .env(TARGET, target)
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let text =
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.success(), text)
}

#[tokio::test]
#[ignore = "the other tests start it with an environment"]
async fn makes_one_request() {
    let tls = TlsFiles {
        ca_cert: std::env::var_os(AUTHORITY).map(Into::into),
        client_cert: None,
    };
    let options = HttpOptions {
        tls,
        timeout: Duration::from_secs(10),
        ..options()
    };
    match get_with(options, &std::env::var(TARGET).unwrap()).await {
        Ok(answer) => println!("answer {} {}", answer.status, answer.described()),
        Err(failure) => println!("failure {failure} {failure:?}"),
    }
}

#[test]
fn a_proxy_is_used_for_other_machines_and_not_for_this_one() {
    let proxy = Faults::always(Reply::json("{}")).unwrap();
    let server = Faults::always(Reply::json("{}")).unwrap();
    let with_password = proxy.url().replace("http://", "http://u:hunter2@");

    let said = child(
        "http://coordinator.invalid/base",
        &[("HTTP_PROXY", &with_password)],
    );
    assert!(said.contains("answer 200"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
    let received = proxy.received();
    assert_eq!(received.len(), 1);
    assert!(received[0].header("proxy-authorization").is_some());
    assert_eq!(received[0].header("host"), Some("coordinator.invalid"));

    for port in [server.url(), server.url().replace("127.0.0.1", "localhost")] {
        let said = child(
            &port,
            &[("HTTP_PROXY", &proxy.url()), ("ALL_PROXY", &proxy.url())],
        );
        assert!(said.contains("answer 200"), "{said}");
    }
    assert_eq!(server.received().len(), 2);
    assert_eq!(proxy.received().len(), 1);
}

#[test]
fn no_proxy_is_obeyed() {
    let proxy = Faults::always(Reply::json("{}")).unwrap();
    let environment = [("HTTP_PROXY", &*proxy.url()), ("NO_PROXY", ".invalid")];
    let said = child("http://coordinator.invalid", &environment);
    assert!(said.contains("failure"), "{said}");
    assert_eq!(proxy.connections(), 0);
}

#[test]
fn a_proxy_that_fails_is_a_failure_without_its_password() {
    let refusing = Refusing::start().unwrap();
    let refuses = Faults::always(Reply::status(407)).unwrap();
    let garbles = Faults::always(Behaviour::Garbage(b"no proxy\r\n\r\n".to_vec())).unwrap();
    for (proxy, target) in [
        (refusing.url().unwrap(), "http://coordinator.invalid"),
        (refusing.url().unwrap(), "https://coordinator.invalid"),
        (refuses.url(), "https://coordinator.invalid"),
        (garbles.url(), "http://coordinator.invalid"),
        (garbles.url(), "https://coordinator.invalid"),
    ] {
        let url = proxy.replace("http://", "http://u:hunter2@");
        let said = child(target, &[("HTTP_PROXY", &url), ("HTTPS_PROXY", &url)]);
        assert!(said.contains("failure"), "{proxy} {target}: {said}");
        assert!(!said.contains("hunter2"), "{proxy} {target}: {said}");
    }
}

#[tokio::test]
async fn a_proxy_that_speaks_tls_is_trusted_by_the_given_authority_for_plain_http_too() {
    let authority = Authority::new();
    let address = serve(authority.server("127.0.0.1", |_| {}), After::Response).await;
    let proxy = format!("https://{address}");
    let file = authority.file().display().to_string();
    let environment = [("HTTP_PROXY", proxy.clone()), (AUTHORITY, file)];
    let said = tokio::task::spawn_blocking(move || {
        let environment = environment
            .each_ref()
            .map(|(name, value)| (*name, &**value));
        child("http://coordinator.invalid", &environment)
    });
    let said = said.await.unwrap();
    assert!(said.contains("answer 200"), "{said}");
    let said = tokio::task::spawn_blocking(move || {
        child("http://coordinator.invalid", &[("HTTP_PROXY", &proxy)])
    });
    assert!(said.await.unwrap().contains("TLS"));
}

#[test]
fn a_proxy_that_is_no_url_is_an_error_without_its_password() {
    let said = child_fails("http://h.invalid", &[("HTTP_PROXY", "http://u:hunter2@:x")]);
    assert!(said.contains("HTTP_PROXY"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}
