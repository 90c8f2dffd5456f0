//! Checks that can be looked up, and what a check that does not pass names to go on with.

use std::process::Command;

use crate::support::program;
use seamless_lab::coordinator::{Coordinator, HeldLease, now_ms};
use serde_json::Value;

/// The exit code and both streams.
fn run(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn every_check_is_listed_and_explained_without_any_configuration() {
    let (code, listed, _) = run(program().args(["--list", "--output", "json"]));
    assert_eq!(code, 0);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let ids: Vec<&str> = listed["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| check["id"].as_str().unwrap())
        .collect();
    assert!(ids.len() > 30, "{ids:?}");
    let (_, table, _) = run(program().arg("--list").env("COLUMNS", "80"));
    for id in ids {
        assert!(table.contains(&format!("  {id} ")), "{id} in {table}");
        let (code, text, _) = run(program().args(["--explain", id]).env("COLUMNS", "80"));
        assert_eq!(code, 0, "{text}");
        for part in [
            id,
            "severity",
            "needs",
            "When it does not pass",
            "What to do",
            "Example",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        // What is explained can be run.
        let (code, _, stderr) = run(program().args(["--list", "--only", id]));
        assert_eq!(code, 0, "{stderr}");
    }
    assert!(
        table.lines().all(|line| line.chars().count() <= 80),
        "{table}"
    );
}

#[test]
fn a_list_of_a_group_has_what_it_depends_on() {
    let (code, table, _) = run(program().args(["--list", "--only", "sla"]));
    assert_eq!(code, 0);
    assert!(
        table.contains("sla/p99") && table.contains("prometheus/queries"),
        "{table}"
    );
    assert!(!table.contains("telemetry/log"), "{table}");
}

#[test]
fn what_cannot_be_looked_up_is_a_usage_error() {
    for (arguments, words) in [
        (
            ["--explain", "prometheus/presence"],
            "did you mean prometheus/present? --list shows them",
        ),
        (
            ["--explain", "present"],
            "did you mean prometheus/present? --list shows them",
        ),
        (
            ["--explain", "disk/full"],
            "no such check; --list shows them",
        ),
        (
            ["--explain", "NoSuchAlert"],
            "no such alert or check; --list shows the checks",
        ),
        (
            ["--explain", "SeamlessBackfillStuckLeas"],
            "did you mean SeamlessBackfillStuckLease? --list shows the checks, --output paths the alerts",
        ),
        (
            ["--explain", "StuckLease"],
            "did you mean SeamlessBackfillStuckLease? --list",
        ),
        (["--only", "prom"], "did you mean prometheus? give a group"),
        (["--skip", "disk"], "no such check; give a group"),
        (["--list", "--output=junit"], "write text or json"),
    ] {
        let mut command = program();
        command.arg("--prometheus-url=http://127.0.0.1:1");
        let (code, stdout, stderr) = run(command.args(arguments));
        assert_eq!((code, stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(stderr.contains(words), "{stderr}");
    }
}

#[test]
fn a_check_that_does_not_pass_names_the_next_command_and_where_to_read() {
    let coordinator = Coordinator::start().unwrap();
    let claimed_an_hour_ago =
        HeldLease::new("nodeA:60:world:1700000000:1700000060", "token", now_ms())
            .claimed_earlier(3_600_000);
    coordinator.insert(claimed_an_hour_ago);
    let check = |extra: &[&str], folder: &std::path::Path| {
        let mut command = program();
        command
            .args([
                "--only",
                "coordinator",
                "--coordinator-url",
                &coordinator.url(),
            ])
            .args(extra)
            .env("XDG_CONFIG_HOME", folder);
        command
    };
    let folder = tempfile::tempdir().unwrap();
    let next = format!(
        "lease-recover --list --stuck --coordinator-url {}",
        coordinator.url()
    );

    let (code, text, _) = run(&mut check(&[], folder.path()));
    assert_eq!(code, 0, "{text}");
    assert!(text.contains(&format!("$ {next}\n")), "{text}");
    let explain = "→ seamless-health-check --explain coordinator/stuck-leases\n";
    assert!(text.contains(explain), "{text}");
    assert!(!text.contains("docs/runbook.md"), "{text}");
    for format in ["junit", "github"] {
        let (_, text, _) = run(&mut check(
            &["--output", format, "--fail-on=warn"],
            folder.path(),
        ));
        assert!(text.contains("--list --stuck"), "{text}");
        assert!(
            text.contains("--explain coordinator/stuck-leases"),
            "{text}"
        );
    }

    // With a runbook of the site's own.
    let path = folder.path().join("seamless-ops/config.yml");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(
        &path,
        "contexts:\n  eu:\n    runbook_url: https://wiki.example/runbook\n",
    )
    .unwrap();
    let (_, document, _) = run(&mut check(
        &["--context=eu", "--output=json"],
        folder.path(),
    ));
    let document: Value = serde_json::from_str(&document).unwrap();
    let checks = document["checks"].as_array().unwrap();
    let stuck = checks
        .iter()
        .find(|check| check["id"] == "coordinator/stuck-leases")
        .unwrap();
    assert_eq!(
        stuck["runbook"],
        "https://wiki.example/runbook#check-coordinator"
    );
    let next = next.replace("--stuck", "--stuck --context eu");
    assert_eq!(stuck["next"], next.as_str());
    let health = checks
        .iter()
        .find(|check| check["id"] == "coordinator/health")
        .unwrap();
    assert_eq!(
        (&health["runbook"], &health["next"]),
        (&Value::Null, &Value::Null)
    );
}
