//! Contexts: which coordinator a name means, whose credentials go there, and what contradicts it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use seamless_lab::coordinator::Coordinator;

use crate::program::{EndedRun, lease_recover};

/// A folder of configuration with one context, `production`.
fn folder(coordinator: &str, mode: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("seamless-ops");
    fs::create_dir(&own).unwrap();
    let file = own.join("config.yml");
    let text = format!("contexts:\n  production:\n    coordinator: {coordinator}\n");
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    folder
}

fn list(folder: &Path, context: &str, environment: &[(&str, &str)]) -> EndedRun {
    let output = lease_recover()
        .env("XDG_CONFIG_HOME", folder)
        .envs(environment.iter().copied())
        .args(["--context", context, "--list"])
        .output();
    EndedRun::of(output.unwrap())
}

#[test]
fn a_context_names_the_coordinator_and_its_credentials() {
    let coordinator = Coordinator::builder().bearer("s3cret").start().unwrap();
    let token = tempfile::NamedTempFile::new().unwrap();
    fs::write(token.path(), "s3cret\n").unwrap();
    let service = format!(
        "{{url: '{}', token_file: '{}', headers: ['X-Scope-OrgID: trading']}}",
        coordinator.url(),
        token.path().display()
    );
    let run = list(folder(&service, 0o644).path(), "production", &[]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("context production"), "{}", run.stderr);
    assert!(run.stderr.contains(&coordinator.url()), "{}", run.stderr);
    assert!(!run.stderr.contains("s3cret"), "{}", run.stderr);
    let received = coordinator.received();
    let sent = format!("{:?}", received.first().unwrap());
    assert!(sent.to_lowercase().contains("trading"), "{sent}");
}

#[test]
fn a_token_of_the_environment_does_not_go_to_the_contexts_coordinator() {
    let coordinator = Coordinator::start().unwrap();
    let token = tempfile::NamedTempFile::new().unwrap();
    fs::write(token.path(), "s3cret\n").unwrap();
    let path = token.path().display().to_string();
    let environment = [("QMTL_SEAMLESS_COORDINATOR_TOKEN_FILE", &*path)];
    let service = format!("{{url: '{}'}}", coordinator.url());
    let run = list(folder(&service, 0o644).path(), "production", &environment);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let sent = format!("{:?}", coordinator.received());
    assert!(!sent.contains("s3cret"), "{sent}");
}

#[test]
fn an_environment_that_names_another_coordinator_is_refused_before_anything_is_contacted() {
    let coordinator = Coordinator::start().unwrap();
    let service = format!("{{url: '{}'}}", coordinator.url());
    let folder = folder(&service, 0o644);
    let other = [("QMTL_SEAMLESS_COORDINATOR_URL", "http://staging:1")];
    let run = list(folder.path(), "production", &other);
    assert_eq!(run.code, 2);
    for part in [&*coordinator.url(), "http://staging:1", "--context"] {
        assert!(run.stderr.contains(part), "{}", run.stderr);
    }
    assert!(coordinator.received().is_empty());
    // So is an environment of another deployment's other servers, until one of the two is dropped.
    let service = format!("{service}\n    prometheus: {{url: 'http://production:1'}}");
    let both = self::folder(&service, 0o644);
    let other = [("QMTL_PROMETHEUS_URL", "http://staging:2")];
    let run = list(both.path(), "production", &other);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("unset the variable"), "{}", run.stderr);
    assert!(coordinator.received().is_empty());
    assert_eq!(list(both.path(), "production", &[]).code, 0);
    // The same URL in both is no contradiction.
    let same = [("QMTL_SEAMLESS_COORDINATOR_URL", &*coordinator.url())];
    assert_eq!(list(folder.path(), "production", &same).code, 0);
}

#[test]
fn an_unknown_context_and_a_secret_that_all_may_read_are_refused() {
    let plain = folder("{url: http://127.0.0.1:1}", 0o644);
    let run = list(plain.path(), "prod", &[]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("production"), "{}", run.stderr);
    let secret = "{url: 'http://me:hunter2@127.0.0.1:1'}";
    let run = list(folder(secret, 0o644).path(), "production", &[]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("chmod 600"), "{}", run.stderr);
    assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
}

#[test]
fn every_run_says_where_its_url_came_from_and_which_token_others_may_read() {
    let coordinator = Coordinator::builder().bearer("s3cret").start().unwrap();
    let token = tempfile::NamedTempFile::new().unwrap();
    fs::write(token.path(), "s3cret\n").unwrap();
    let list = |mode: u32, quiet: &[&str]| {
        fs::set_permissions(token.path(), fs::Permissions::from_mode(mode)).unwrap();
        let output = lease_recover()
            .env("QMTL_SEAMLESS_COORDINATOR_URL", coordinator.url())
            .env("QMTL_SEAMLESS_COORDINATOR_TOKEN_FILE", token.path())
            .arg("--list")
            .args(quiet)
            .output();
        let run = EndedRun::of(output.unwrap());
        assert_eq!(run.code, 0, "{}", run.stderr);
        run.stderr
    };
    let origin = format!("{} (QMTL_SEAMLESS_COORDINATOR_URL)", coordinator.url());
    let path = token.path().display().to_string();
    let own = list(0o600, &[]);
    assert!(own.contains(&origin) && !own.contains(&path), "{own}");
    let exposed = list(0o644, &[]);
    assert!(
        exposed.contains(&path) && exposed.contains("warning:"),
        "{exposed}"
    );
    assert_eq!(list(0o600, &["--quiet"]), "");
}
