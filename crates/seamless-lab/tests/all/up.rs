//! The program `seamless-lab`, as a person uses it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use seamless_lab::servers::Generation;
use seamless_lab::wait_until;

fn a_lab_comes_up_breaks_heals_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let program = env!("CARGO_BIN_EXE_seamless-lab");
    let said_later = tempfile::NamedTempFile::new().unwrap();
    let mut up = Command::new(program)
        .args(["up", "--listen", "127.0.0.1:0"])
        .args(["--servers", Generation::chosen().name()])
        .current_dir(root)
        .env("TMPDIR", dir.path())
        .stdout(Stdio::piped())
        .stderr(said_later.reopen().unwrap())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(up.stdout.take().unwrap()).lines();
    let mut said = Vec::new();
    while !said
        .last()
        .is_some_and(|line: &String| line.starts_with("Ctrl-C"))
    {
        said.push(lines.next().unwrap().unwrap());
    }
    let url = |name: &str| {
        let line = said.iter().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    let console = url("console");
    let run = |arguments: &[&str]| {
        let output = Command::new(program)
            .args(arguments)
            .args(["--lab", &console])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(run(&["break", "bad-data"]), "broken: bad-data\n");
    assert_eq!(
        run(&["break", "stale-feed"]),
        "broken: bad-data, stale-feed\n"
    );
    let log = url("log");
    wait_until(Duration::from_secs(30), "the gate's events", || {
        fs::read_to_string(&log)
            .unwrap()
            .contains("seamless.domain_gate.downgrade")
    })
    .unwrap();
    assert_eq!(run(&["heal"]), "nothing misbehaves any more\n");

    // A worker that was killed comes back, and what it held stays held.
    run(&["break", "dead-worker"]);
    wait_until(Duration::from_secs(60), "a worker to die", || {
        let address = console.strip_prefix("http://").unwrap();
        let mut state = TcpStream::connect(address).unwrap();
        state.write_all(b"GET /state HTTP/1.0\r\n\r\n").unwrap();
        let state = io::read_to_string(state).unwrap();
        state.contains("\"left_behind\":\"")
    })
    .unwrap();
    let healed = run(&["heal"]);
    let parts = [
        "nothing misbehaves any more\nstill held",
        "lease-recover --list --key 'ohlcv:",
    ];
    assert!(parts.iter().all(|part| healed.contains(part)), "{healed}");
    // What arrives at the pager is told where the lab runs.
    wait_until(Duration::from_secs(120), "the watchdog to be told", || {
        let said = fs::read_to_string(said_later.path()).unwrap();
        said.contains(" UTC  watchdog (webhook): SeamlessWatchdog\n")
    })
    .unwrap();

    let wrong = Command::new(program)
        .args(["break", "everything", "--lab", &console])
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("slow-storage"));

    seamless_lab::signal(up.id(), "INT").unwrap();
    assert_eq!(up.wait().unwrap().code(), Some(0));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    let gone = Command::new(program)
        .args(["heal", "--lab", &console])
        .output()
        .unwrap();
    assert_eq!(gone.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&gone.stderr).contains("seamless-lab up"));
}

seamless_lab::on_both_generations!(a_lab_comes_up_breaks_heals_and_leaves_nothing);
