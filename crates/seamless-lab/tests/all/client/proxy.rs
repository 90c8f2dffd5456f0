//! A proxy that the environment names. The environment is a process's own, so the request is made by
//! this test binary started again.

use std::process::Command;

use seamless_lab::faults::{Behaviour, Faults, Refusing, Reply};

use super::get;

const TARGET: &str = "FAULTS_TEST_TARGET";

/// What the child below says of a request to `target` with that environment.
fn child(target: &str, environment: &[(&str, &str)]) -> String {
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
    assert!(output.status.success(), "{text}");
    text
}

#[tokio::test]
#[ignore = "the other tests start it with an environment"]
async fn makes_one_request() {
    match get(&std::env::var(TARGET).unwrap()).await {
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
