//! The built program: exit code, stdout and stderr, and what it wrote and sent.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::{Injector, command};
use seamless_core::exposition::read::{self, Exposition};
use seamless_core::exposition::{Format, MetricType};
use seamless_core::schema::{self, DRILL_LABEL, Kind};
use seamless_lab::faults::{Faults, Reply};
use seamless_lab::servers::PROMTOOL;
use serde_json::Value;

fn run(arguments: &[&str]) -> Output {
    command().args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn entries(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// One GET of a served document.
fn get(url: &str, accept: &str) -> (String, String) {
    let address = url
        .trim_start_matches("http://")
        .trim_end_matches("/metrics");
    let mut stream = TcpStream::connect(address).unwrap();
    // HTTP/1.0, so that the body ends with the connection.
    write!(stream, "GET /metrics HTTP/1.0\r\nAccept: {accept}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), body.to_owned())
}

fn sum_of(exposition: &Exposition, name: &str) -> f64 {
    exposition
        .samples()
        .filter(|sample| sample.name == name)
        .map(|sample| sample.value)
        .sum()
}

#[test]
fn the_runbooks_command_works_as_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seamless.metrics");
    let output = run(&[
        "seam-node-1",
        "--duration",
        "240",
        "--repetitions",
        "5",
        "--write-to",
        path.to_str().unwrap(),
        "--drill-id=runbook",
    ]);
    assert_eq!(output.status.code(), Some(0));
    let shown = text(&output.stdout).replace(path.to_str().unwrap(), "[PATH]");
    let (drill, rest) = shown.split_once(", 1 step in ").unwrap();
    let (_took, sinks) = rest.split_once('\n').unwrap();
    assert_eq!(
        drill,
        "drill runbook on seam-node-1: 176 series in 5 families"
    );
    assert_eq!(sinks, "  write-to [PATH]: 1 update delivered\n");
    assert_eq!(
        text(&output.stderr),
        "note: a single snapshot never changes: rate() is 0 and rate-based alerts cannot fire. \
         Use --serve, or --write-to with --hold\n"
    );
    let document = read::parse(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(
        sum_of(&document, "seamless_sla_deadline_seconds_count"),
        20.0
    );
    assert_eq!(
        sum_of(&document, "seamless_sla_deadline_seconds_sum"),
        4800.0
    );
    assert_eq!(entries(folder.path()), ["seamless.metrics"]);
}

#[test]
fn promtool_dislikes_nothing_but_the_documented_names() {
    let output = run(&["a\"b\\c\nd", "--scenario=all"]);
    let mut promtool = Command::new(PROMTOOL.require().unwrap())
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool
        .stdin
        .take()
        .unwrap()
        .write_all(&output.stdout)
        .unwrap();
    let said = text(&promtool.wait_with_output().unwrap().stderr);
    for line in said.lines() {
        let abbreviated = line.ends_with("metric names should not contain abbreviated units");
        assert!(abbreviated && line.contains("_ms "), "{line}");
    }
    assert_eq!(said.lines().count(), 6, "{said}");
}

#[test]
fn all_feeds_every_family_with_its_type_and_labels() {
    let output = run(&["n", "--scenario=all", "--drill-id=d"]);
    let document = read::parse_as(&output.stdout, Format::Text).unwrap();
    assert_eq!(document.families.len(), schema::FAMILIES.len());
    for family in schema::FAMILIES {
        let read = document.family(&family.exposition_name()).unwrap();
        let kind = match family.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram(_) => MetricType::Histogram,
        };
        assert_eq!(read.kind, kind, "{}", family.name);
        for sample in &read.samples {
            assert_eq!(sample.label(DRILL_LABEL), Some("d"));
            for label in family.labels {
                assert!(sample.label(label).is_some(), "{} {label}", sample.name);
            }
        }
    }
}

#[test]
fn a_seed_makes_runs_equal_and_copies_are_distinct_series() {
    let arguments = ["n", "--scenario=healthy", "--nodes=3", "--worlds=2"];
    let seeded = |seed: &str| {
        let document = text(&run(&[&arguments[..], &["--seed", seed]].concat()).stdout);
        // What tells the time is another each time.
        let timeless = |line: &&str| !line.starts_with("seamless_lease");
        document
            .lines()
            .filter(timeless)
            .collect::<Vec<_>>()
            .join("\n")
            + "\n"
    };
    assert_eq!(seeded("7"), seeded("7"));
    assert_ne!(seeded("7"), seeded("8"));
    // The reader refuses a series that stands twice.
    let document = read::parse(seeded("7").as_bytes()).unwrap();
    let ratios = &document.family("coverage_ratio").unwrap().samples;
    assert_eq!(ratios.len(), 6);
}

#[test]
fn worlds_are_labels_and_none_is_no_label() {
    let worlds = |arguments: &[&str]| -> Vec<Option<String>> {
        let common = ["n", "--scenario=coverage"];
        let output = run(&[&common[..], arguments].concat());
        let document = read::parse(&output.stdout).unwrap();
        let samples = document.samples();
        samples
            .map(|sample| sample.label("world_id").map(str::to_owned))
            .collect()
    };
    let some = |names: &[&str]| -> Vec<Option<String>> {
        names.iter().map(|name| Some((*name).to_owned())).collect()
    };
    assert_eq!(worlds(&[]), some(&["default"]));
    assert_eq!(worlds(&["--world-id=blue"]), some(&["blue"]));
    let three = ["--world-id=blue", "--worlds=3"];
    assert_eq!(worlds(&three), some(&["blue", "blue-2", "blue-3"]));
    // Remote write forbids an empty value, and to Prometheus it is no label.
    assert_eq!(worlds(&["--world-id="]), [None]);
}

#[test]
fn a_served_drill_starts_at_zero_moves_and_recovers_in_both_formats() {
    let mut injector = Injector::start(&[
        "n",
        "--scenario=all",
        "--serve=0",
        "--hold=10m",
        "--step=2s",
        "--recover-after=5s",
    ]);
    let url = injector.url();
    let (head, body) = get(&url, "text/plain");
    assert!(
        head.contains("content-type: text/plain; version=0.0.4"),
        "{head}"
    );
    let first = read::parse_as(body.as_bytes(), Format::Text).unwrap();
    for sample in first.samples() {
        let counts = ["_total", "_count", "_sum", "_bucket"]
            .iter()
            .any(|suffix| sample.name.ends_with(suffix));
        assert!(!counts || sample.value == 0.0, "{sample:?}");
    }
    let count = "seamless_sla_deadline_seconds_count";
    let read_now = || {
        let (head, body) = get(&url, "application/openmetrics-text; version=1.0.0");
        assert!(
            head.contains("application/openmetrics-text; version=1.0.0"),
            "{head}"
        );
        read::parse_as(body.as_bytes(), Format::OpenMetrics).unwrap()
    };
    let wait = |condition: &dyn Fn(&Exposition) -> bool, what: &str| {
        seamless_lab::wait_until(crate::support::PATIENCE, what, || condition(&read_now()))
            .unwrap();
    };
    wait(&|now| sum_of(now, count) >= 40.0, "the first step");
    wait(
        &|now| sum_of(now, "coverage_ratio") < 0.995,
        "the violation",
    );
    wait(&|now| sum_of(now, "coverage_ratio") == 1.0, "the recovery");
    injector.signal("TERM");
    assert_eq!(injector.end().status.code(), Some(143));
}

#[test]
fn every_request_is_told_of_where_asked_for() {
    let gateway = Faults::always(crate::support::empty_gateway()).unwrap();
    let url = gateway.url();
    let output = run(&[
        "n",
        "-v",
        "--yes",
        "--hold=300ms",
        "--push-gateway",
        &url.replace("http://", "http://user:hunter2@"),
    ]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    for request in ["PUT", "DELETE", "GET"] {
        let line = said.lines().find(|line| line.starts_with(request));
        let line = line.unwrap_or_else(|| panic!("{request}: {said}"));
        assert!(
            line.contains(&url) && line.contains("HTTP 200, attempt 1, "),
            "{line}"
        );
    }
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn the_server_is_what_scrapers_expect() {
    let mut injector = Injector::start(&["n", "--serve=0", "--hold=10m", "--output=json"]);
    let url = injector.url();
    let address = url
        .trim_start_matches("http://")
        .trim_end_matches("/metrics");
    let ask = |request: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    };
    let head = ask("HEAD /metrics HTTP/1.0\r\n\r\n");
    let head = text(&head).to_ascii_lowercase();
    assert!(
        head.starts_with("http/1.0 200") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    assert!(head.contains("content-type: text/plain"), "{head}");
    let landing = text(&ask("GET / HTTP/1.0\r\n\r\n"));
    assert!(landing.contains("href=\"/metrics\""), "{landing}");
    let plain = ask("GET /metrics HTTP/1.0\r\n\r\n");
    let packed = ask("GET /metrics HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n");
    let split = |answer: &[u8]| {
        let at = answer
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap();
        (
            text(&answer[..at]).to_ascii_lowercase(),
            answer[at + 4..].to_vec(),
        )
    };
    let (headers, body) = split(&packed);
    assert!(headers.contains("content-encoding: gzip"), "{headers}");
    assert!(
        body.len() * 4 < plain.len(),
        "{} of {}",
        body.len(),
        plain.len()
    );
    let mut unpacked = String::new();
    flate2::read::GzDecoder::new(&*body)
        .read_to_string(&mut unpacked)
        .unwrap();
    read::parse(unpacked.as_bytes()).unwrap();
    injector.signal("TERM");
    let report: Value = serde_json::from_str(&injector.end().stdout).unwrap();
    assert_eq!(
        report["sinks"][0]["scrapes"], 2,
        "HEAD is no scrape: {report:#}"
    );
}

#[test]
fn who_says_nothing_or_half_of_it_is_cut_off_after_ten_seconds() {
    let mut injector = Injector::start(&["n", "--serve=0", "--hold=10m"]);
    let url = injector.url();
    let address = url
        .trim_start_matches("http://")
        .trim_end_matches("/metrics");
    let waited = |said: &'static [u8]| {
        let begun = std::time::Instant::now();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(said).unwrap();
        std::thread::spawn(move || {
            stream
                .set_read_timeout(Some(crate::support::PATIENCE))
                .unwrap();
            // Closed by the server, with or without a word: while it is not, the read ends by its own timeout.
            stream.read_to_end(&mut Vec::new()).unwrap();
            begun.elapsed()
        })
    };
    let waiting = [
        &b""[..],
        b"GET /metrics HTTP/1.1\r\nHo",
        b"GET /metrics HTTP/1.1\r\nHost: a\r\n",
    ]
    .map(|said| (said, waited(said)));
    for (said, waiting) in waiting {
        let took = waiting.join().unwrap().as_secs_f64();
        // Not at once; a slow machine may take longer than the ten seconds, an open end it is not.
        assert!((9.9..60.0).contains(&took), "{}: {took} s", text(said));
    }
    injector.signal("TERM");
    injector.end();
}

#[test]
fn only_this_machine_is_served_unless_told_otherwise() {
    let listens_at = |serve: &str| -> String {
        let mut injector = Injector::start(&["n", serve, "--hold=10m"]);
        let url = injector.url();
        let (_, port) = url.trim_end_matches("/metrics").rsplit_once(':').unwrap();
        let port = format!("{:04X}", port.parse::<u16>().unwrap());
        // Its local address, in hexadecimal, of the sockets that listen (0A).
        let sockets = fs::read_to_string("/proc/net/tcp").unwrap();
        let listening = sockets.lines().find_map(|line| {
            let mut fields = line.split_whitespace().skip(1);
            let (local, state) = (fields.next()?, fields.nth(1)?);
            let (host, of) = local.split_once(':')?;
            (of == port && state == "0A").then(|| host.to_owned())
        });
        injector.signal("TERM");
        injector.end();
        listening.unwrap()
    };
    assert_eq!(listens_at("--serve=0"), "0100007F");
    assert_eq!(listens_at("--serve=0.0.0.0:0"), "00000000");
}

#[test]
fn bad_input_is_named_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let inside = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    fs::write(
        inside("theirs.json"),
        "[{\"targets\":[\"a:1\"],\"labels\":{}}]",
    )
    .unwrap();
    let (missing, theirs) = (inside("no/file"), inside("theirs.json"));
    let here = folder.path().to_str().unwrap().to_owned();
    for (arguments, words) in [
        (&["--duration=-5"][..], "cannot read \"-5\" as a duration"),
        (&["--duration", "-5"], "cannot read \"-5\" as a duration"),
        (&["--duration=nan"], "cannot read \"nan\""),
        (&["--duration=inf"], "cannot read \"inf\""),
        (&["--duration=0"], "longer than 0"),
        (&["--duration=90d"], "the longest that is accepted is 30d"),
        (&["--hold=1000y", "--serve=0"], "too long"),
        (&["--repetitions=0"], "0 is not in 1.."),
        (&["--phase=totl"], "a similar value exists: 'total'"),
        (
            &["--scenario=stuck-leas"],
            "a similar value exists: 'stuck-lease'",
        ),
        (&["--write-to", &here], "is a directory"),
        (&["--write-to", &missing], "its folder does not exist"),
        (&["--write-to", "/dev/null"], "a device, a pipe or a socket"),
        (&["--serve", &port], "the port is in use"),
        (&["--serve=x"], "is no address"),
        (&["--serve=0", "--file-sd", &theirs], "is no drill's"),
        (&["--push-gateway=nonsense"], "--push-gateway"),
        (&["--remote-write=file:///x"], "--remote-write"),
        (&["--serve=0", "--expect-alert=A"], "--prometheus-url"),
        (&["--context=eu"], "--context needs a drill that lasts"),
        (
            &[
                "--serve=0",
                "--expect-alert=A",
                "--expect-receiver=pager",
                "--prometheus-url=http://127.0.0.1:1",
            ],
            "--expect-receiver needs an Alertmanager: give --alertmanager-url",
        ),
        (
            &["--serve=0", "--silence"],
            "--silence needs an Alertmanager",
        ),
        (&["--header=A: b"], "contacts none"),
        (&["--world-id=", "--worlds=2"], "names none"),
        (&["--profile=gold", "--dry-run"], "golden_signals"),
        (&["--dry-run", "--rules", &here], "cannot read --rules"),
        (&["--dry-run", "--rules", &theirs], "is no rule file"),
        (&["--drill-id=a b"], "letters, digits"),
    ] {
        let output = run(&[&["n"], arguments].concat());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
    }
    assert_eq!(entries(folder.path()), ["theirs.json"]);
    let output = command().arg(OsStr::from_bytes(b"n\xff")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("invalid UTF-8"));
    assert_eq!(run(&[""]).status.code(), Some(2));
}

#[test]
fn a_disk_that_is_full_leaves_the_old_file_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("drill.prom");
    fs::write(&path, "old 1\n").unwrap();
    // A limit on the size of files fails a write in the middle, as a full disk does.
    let program = command().get_program().to_owned();
    let output = Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 8; exec \"$0\" n --nodes 50 --write-to \"$1\"",
        ])
        .args([program.as_os_str(), path.as_os_str()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stderr).contains("cannot write"), "{output:?}");
    assert_eq!(fs::read(&path).unwrap(), b"old 1\n");
    assert_eq!(entries(folder.path()), ["drill.prom"]);
}

#[test]
fn a_sink_that_refuses_is_named_with_its_words() {
    for (reply, words) in [
        (
            Reply::status(400).body("pushed metrics are invalid: nope\n"),
            "HTTP 400 Bad Request: pushed metrics are invalid: nope",
        ),
        (Reply::html(), "HTML"),
        (Reply::redirect("https://login.example/"), "a redirect to"),
        (Reply::status(500).body("out of order\n"), "out of order"),
    ] {
        for flag in ["--push-gateway", "--remote-write"] {
            let server = Faults::always(reply.clone()).unwrap();
            let url = server.url();
            let arguments = [
                "n",
                "--yes",
                flag,
                &url,
                "--hold=5s",
                "--step=1s",
                "--output=json",
            ];
            let output = run(&arguments);
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{flag}: {said}");
            assert!(said.contains(words), "{flag} {words}: {said}");
            let report: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(report["outcome"], "sink_failed");
            assert_eq!(report["exit_code"], 1);
        }
    }
}

#[test]
fn credentials_reach_the_sink_and_no_output() {
    let server = Faults::always(Reply::status(204)).unwrap();
    let url = server.url().replace("http://", "http://user:hunter2@");
    let output = run(&[
        "n",
        "--yes",
        "--remote-write",
        &url,
        "--hold=1s",
        "--step=1s",
        "--header=X-Scope-OrgID: tenant-1",
        "--header=alertmanager=X-Other: secret",
    ]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let received = server.received();
    assert!(!received.is_empty());
    for request in received {
        assert_eq!(request.header("x-scope-orgid"), Some("tenant-1"));
        assert_eq!(request.header("x-other"), None);
        assert!(
            request
                .header("authorization")
                .unwrap()
                .starts_with("Basic ")
        );
        assert_eq!(
            request.header("x-prometheus-remote-write-version"),
            Some("0.1.0")
        );
    }
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(
        !said.contains("hunter2") && !said.contains("user"),
        "{said}"
    );
}

#[test]
fn a_dry_run_writes_and_contacts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.prom");
    let server = Faults::always(Reply::status(200)).unwrap();
    let url = server.url();
    let output = command()
        .args([
            "n",
            "--dry-run",
            "--write-to",
            file.to_str().unwrap(),
            "--hold=20m",
        ])
        .args([
            "--push-gateway",
            &url,
            "--remote-write",
            &url,
            "--drill-id=d",
        ])
        .args(["--scenario=coverage", "--recover-after=15m"])
        .env("QMTL_PROMETHEUS_URL", &url)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(server.connections(), 0);
    assert_eq!(entries(folder.path()), Vec::<String>::new());
    let shown = text(&output.stdout)
        .replace(file.to_str().unwrap(), "[PATH]")
        .replace(&url, "[URL]");
    let shown: Vec<&str> = shown
        .lines()
        .filter(|line| !line.contains("cannot fire"))
        .collect();
    let planned = "\
plan for drill d: 1 series; nothing has been written or contacted

family          type   series
───────────────────────────────
coverage_ratio  gauge  1

sink: write-to [PATH]
sink: push-gateway [URL]/
sink: remote-write [URL]/
course: 20m, a step every 5s, healthy after 15m

alerts, by the shipped rules, profile baseline:
  SeamlessCoverageLow should fire after about 11m10s";
    assert_eq!(shown.join("\n"), planned);
}

#[test]
fn an_expected_alert_that_cannot_fire_fails_the_dry_run() {
    let arguments = [
        "n",
        "--dry-run",
        "--serve=0",
        "--expect-alert=SeamlessCoverageLow",
    ];
    let output = run(&[&arguments[..], &["--output=json"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        plan["alerts"][0]["obstacles"][0]["reason"],
        "family_not_fed"
    );
}

#[test]
fn two_drills_share_a_file_and_what_a_killed_one_left_is_cleaned_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("drills.json");
    let path = path.to_str().unwrap();
    let start = |id: &str| {
        let file_sd = ["--serve=0", "--hold=10m", "--file-sd", path];
        let mut drill = Injector::start(&[&["n", "--drill-id", id], &file_sd[..]].concat());
        drill.url();
        drill
    };
    let announced = || -> Vec<String> {
        let groups: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let groups = groups.as_array().unwrap().iter();
        groups
            .map(|group| group["labels"]["drill"].as_str().unwrap().to_owned())
            .collect()
    };
    let (first, second, killed) = (start("first"), start("second"), start("killed"));
    assert_eq!(announced(), ["first", "second", "killed"]);
    // The end of a second one of the same id would take the first one's entry.
    let twin = run(&[
        "n",
        "--drill-id=first",
        "--serve=0",
        "--hold=1s",
        "--file-sd",
        path,
    ]);
    assert_eq!(twin.status.code(), Some(2), "{twin:?}");
    assert!(text(&twin.stderr).contains("--cleanup first"), "{twin:?}");
    assert_eq!(announced(), ["first", "second", "killed"]);
    first.signal("INT");
    assert_eq!(first.end().status.code(), Some(130));
    assert_eq!(announced(), ["second", "killed"]);
    killed.signal("KILL");
    killed.end();
    second.signal("TERM");
    assert_eq!(second.end().status.code(), Some(143));
    assert_eq!(announced(), ["killed"]);
    let cleanup = run(&["--cleanup=killed", "--file-sd", path]);
    assert_eq!(cleanup.status.code(), Some(0), "{cleanup:?}");
    assert!(text(&cleanup.stdout).contains("removed"), "{cleanup:?}");
    assert_eq!(entries(folder.path()), Vec::<String>::new());
    let again = run(&["--cleanup=killed", "--file-sd", path]);
    assert_eq!(again.status.code(), Some(0));
    assert!(text(&again.stdout).contains("found nothing of this drill"));
}

#[test]
fn a_file_is_removed_only_where_all_its_series_are_the_drills() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("drill.prom");
    let path = path.to_str().unwrap();
    let cleanup = |id: &str| run(&["--cleanup", id, "--write-to", path, "--output=json"]);
    let written = |id: &str| {
        let output = run(&["n", "--drill-id", id, "--write-to", path]);
        assert_eq!(output.status.code(), Some(0));
    };
    written("old");
    let other = cleanup("other");
    assert_eq!(other.status.code(), Some(1), "{other:?}");
    assert!(text(&other.stderr).contains("not all of its series carry"));
    let lasting = ["n", "--drill-id=new", "--write-to", path, "--hold=1s"];
    let refused = run(&lasting);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        text(&refused.stderr).contains("--cleanup old"),
        "{refused:?}"
    );
    assert_eq!(cleanup("old").status.code(), Some(0));
    assert_eq!(entries(folder.path()), Vec::<String>::new());

    fs::write(path, "up 1\n").unwrap();
    assert_eq!(cleanup("old").status.code(), Some(1));
    let refused = run(&lasting);
    assert!(
        text(&refused.stderr).contains("is no drill's"),
        "{refused:?}"
    );
    assert_eq!(fs::read(path).unwrap(), b"up 1\n");
    let kept = run(&[&lasting[..], &["--keep", "--yes"]].concat());
    assert_eq!(kept.status.code(), Some(0), "{kept:?}");
    assert!(fs::read_to_string(path).unwrap().contains("drill=\"new\""));
}

#[test]
fn a_critical_drill_asks_and_nobody_there_is_no_yes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("drill.prom");
    let path = path.to_str().unwrap();
    let lasting = ["--write-to", path, "--hold=1s", "--step=200ms"];
    let refused = run(&[&["n"], &lasting[..]].concat());
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("SeamlessSlaErrorBudgetBurn"), "{said}");
    assert!(
        said.contains("receivers unknown") && said.contains("--silence"),
        "{said}"
    );
    assert_eq!(entries(folder.path()), Vec::<String>::new());
    // Warnings only, single documents and plans ask nobody.
    for arguments in [
        &[&["n", "--scenario=coverage"], &lasting[..]].concat()[..],
        &["n"],
        &[&["n", "--dry-run"], &lasting[..]].concat(),
    ] {
        assert_eq!(run(arguments).status.code(), Some(0), "{arguments:?}");
    }
}

#[test]
fn quiet_says_nothing_when_all_is_well() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.prom");
    let output = run(&["n", "--quiet", "--write-to", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.is_empty() && output.stderr.is_empty());
    assert!(path.exists());
}

#[test]
fn the_runs_deadline_leaves_it_open() {
    let arguments = [
        "n",
        "--serve=0",
        "--hold=10m",
        "--deadline=1s",
        "--yes",
        "--step=500ms",
    ];
    let output = run(&[&arguments[..], &["--output=json"]].concat());
    assert_eq!(output.status.code(), Some(3));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["outcome"], "deadline_over");
    assert_eq!(report["sinks"][0]["cleaned_up"], true);
}

#[test]
fn it_serves_over_ipv6_and_announces_that_address() {
    let folder = tempfile::tempdir().unwrap();
    let discovery = folder.path().join("drill.json");
    let mut injector = Injector::start(&[
        "n",
        "--serve=[::1]:0",
        "--hold=10m",
        "--file-sd",
        discovery.to_str().unwrap(),
    ]);
    let url = injector.url();
    let address = url.strip_prefix("http://").unwrap();
    let address = address.strip_suffix("/metrics").unwrap();
    assert!(address.starts_with("[::1]:"), "{url}");
    let (_, document) = get(&url, "*/*");
    assert!(document.contains("seamless_sla_deadline_seconds_count"));
    let announced: Value = serde_json::from_slice(&fs::read(&discovery).unwrap()).unwrap();
    assert_eq!(announced[0]["targets"][0], address);
    injector.signal("TERM");
    assert_eq!(injector.end().status.code(), Some(143));
    assert!(!discovery.exists());
}

#[test]
fn a_refusal_is_a_document_too_where_one_is_asked_for() {
    for wrong in [["--serve", "host:port"], ["--step", "soon"]] {
        let output = run(&["node-1", wrong[0], wrong[1], "--output=json"]);
        assert_eq!(output.status.code(), Some(2));
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(document["outcome"], "refused");
        assert!(
            document["error"].as_str().unwrap().contains(wrong[1]),
            "{document}"
        );
        let output = run(&["node-1", wrong[0], wrong[1]]);
        assert!(output.stdout.is_empty());
    }
}
