//! The coordinator's list: read in each of its shapes, selected from, read again, and believed more than
//! an answer.

use seamless_lab::coordinator::{Coordinator, HeldLease, InspectShape, now_ms};
use seamless_lab::faults::{Behaviour, Faults, Reply};
use serde_json::{Value, json};

use crate::program::{EndedRun, lease_recover};

const KEY: &str = "ohlcv:binance:BTC/USDT:60:60:1700:1760:world-1:2024-01-01T00:00:00Z";

fn keys(document: &Value) -> Vec<&str> {
    let leases = document["leases"].as_array().unwrap();
    leases
        .iter()
        .map(|lease| lease["key"].as_str().unwrap())
        .collect()
}

/// Holds one lease that is stuck, one that is not, and a few for further pages.
fn coordinator(shape: InspectShape) -> Coordinator {
    let coordinator = Coordinator::builder()
        .inspect(shape)
        .page_size(2)
        .start()
        .unwrap();
    let now = now_ms();
    let lease = |key: &str| HeldLease::new(key, "deadbeef", now).worker("worker-1");
    coordinator.insert(lease(KEY).ratio(0.25).claimed_earlier(3_600_000));
    coordinator.insert(lease("node-b:60:1700:1760").ratio(0.1));
    for n in 0..4 {
        coordinator.insert(lease(&format!("lease-{n}")).ratio(0.9));
    }
    coordinator
}

#[test]
fn the_list_is_read_in_each_of_its_shapes() {
    for (shape, stuck) in [
        (InspectShape::Objects, json!(true)),
        (InspectShape::BareObjects, Value::Null),
        (InspectShape::SpecArray, Value::Null),
        (InspectShape::SpecLines, Value::Null),
    ] {
        let coordinator = coordinator(shape);
        let run = EndedRun::against(&coordinator.url(), &["--list", "--output=json"]);
        assert_eq!(run.code, 0, "{shape:?}: {}{}", run.stdout, run.stderr);
        let document = run.json();
        assert_eq!(keys(&document).len(), 6, "{shape:?}: {document}");
        let lease = document["leases"].as_array().unwrap().iter();
        let lease = lease.clone().find(|lease| lease["key"] == KEY).unwrap();
        assert_eq!(lease["node_id"], "ohlcv:binance:BTC/USDT:60", "{shape:?}");
        assert_eq!(lease["token_prefix"], "dead", "{shape:?}");
        assert_eq!(lease["stuck"], stuck, "{shape:?}: {lease}");
        let whole = shape == InspectShape::Objects;
        assert_eq!(lease["worker"] == "worker-1", whole, "{shape:?}: {lease}");
        // What is piped back in names every lease whole.
        let run = EndedRun::against(&coordinator.url(), &["--list", "--output=specs"]);
        assert!(
            run.stdout.contains(&format!("{KEY}:deadbeef\n")),
            "{shape:?}"
        );
        assert_eq!(run.stdout.lines().count(), 6, "{shape:?}");
        assert!(coordinator.changes_received().is_empty());
    }
}

#[test]
fn stuck_leases_are_selected_from_what_says_so_and_from_nothing_else() {
    for shape in [
        InspectShape::Objects,
        InspectShape::BareObjects,
        InspectShape::SpecArray,
        InspectShape::SpecLines,
    ] {
        let coordinator = coordinator(shape);
        let run = EndedRun::against(&coordinator.url(), &["--stuck", "--yes", "--output=json"]);
        let document = run.json();
        let ended: Vec<String> = coordinator
            .ended()
            .into_iter()
            .map(|ended| ended.lease.key)
            .collect();
        if shape == InspectShape::Objects {
            assert_eq!(run.code, 0, "{document}");
            assert_eq!(keys(&document), [KEY]);
            assert_eq!(ended, [KEY]);
        } else {
            // Keys and tokens alone do not tell.
            assert_eq!(run.code, 3, "{shape:?}: {document}");
            assert_eq!(document["cannot_tell_if_stuck"], 6, "{shape:?}");
            assert!(run.stderr.contains("6 leases"), "{}", run.stderr);
            assert!(coordinator.changes_received().is_empty(), "{shape:?}");
        }
    }
}

/// In milliseconds.
const HOUR: i64 = 3_600_000;

/// A lease as the inspect endpoint shows it, claimed that much from now.
fn listed(token: &str, claimed_ms: i64, ratio: f64) -> Reply {
    let claimed = now_ms() + claimed_ms;
    let lease = json!({
        "key": KEY, "token": token, "lease_until_ms": claimed + 120_000,
        "claimed_at_ms": claimed, "completion_ratio": ratio, "worker": "w",
    });
    Reply::json(&json!({"leases": [lease]}).to_string())
}

/// Lists one stuck lease when asked first, and `second` from then on; releases whatever it is told to.
fn changing(second: impl Fn() -> Behaviour + Send + Sync + 'static) -> Faults {
    let lists = std::sync::atomic::AtomicUsize::new(0);
    let server = Faults::choose(move |request, _| {
        if request.path != "/v1/leases/inspect" {
            return Reply::json(r#"{"completion_ratio":0.1}"#).into();
        }
        match lists.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => listed("deadbeef", -HOUR, 0.1).into(),
            _ => second(),
        }
    });
    server.unwrap()
}

/// A coordinator whose clock is `ahead_ms` ahead of this machine's, with a lease that was claimed
/// `claimed_ms` from then.
fn with_clock(ahead_ms: i64, claimed_ms: i64) -> Faults {
    let server = Faults::choose(move |request, _| {
        if request.path != "/v1/leases/inspect" {
            return Reply::json(r#"{"completion_ratio":0.1}"#).into();
        }
        let there = jiff::Timestamp::from_millisecond(now_ms() + ahead_ms).unwrap();
        let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
        let date = printer.timestamp_to_rfc9110_string(&there).unwrap();
        listed("deadbeef", ahead_ms + claimed_ms, 0.1)
            .header("Date", &date)
            .into()
    });
    server.unwrap()
}

#[test]
fn a_lease_is_stuck_by_the_coordinators_clock() {
    const DAY: i64 = 86_400_000;
    for (ahead_ms, claimed_ms, stuck, words) in [
        (-DAY, -60_000, 0, "ahead of the coordinator's"),
        (-DAY, -HOUR, 1, "ahead of the coordinator's"),
        (DAY, -HOUR, 1, "behind the coordinator's"),
        (2000, -HOUR, 1, ""),
    ] {
        let server = with_clock(ahead_ms, claimed_ms);
        let rule = ["--stuck", "--older-than=10m"];
        let seen = EndedRun::against(&server.url(), &[&rule[..], &["--list"]].concat());
        assert_eq!(seen.code, 0, "{}", seen.stderr);
        let summary = format!("leases={stuck} stuck={stuck}");
        assert!(
            seen.stdout.contains(&summary),
            "{ahead_ms}: {}",
            seen.stdout
        );
        let acted = EndedRun::against(&server.url(), &[&rule[..], &["--yes"]].concat());
        assert_eq!(posts(&server), stuck, "{ahead_ms}: {}", acted.stdout);
        for said in [seen.stderr, acted.stderr] {
            assert!(said.contains(words), "{said}");
            assert_eq!(said.contains("clock"), !words.is_empty(), "{said}");
        }
    }
}

fn posts(server: &Faults) -> usize {
    let received = server.received();
    received.iter().filter(|r| r.method == "POST").count()
}

#[test]
fn what_moved_on_since_it_was_selected_is_left_alone() {
    type Second = fn() -> Behaviour;
    let cases: [(&str, Second, &str, &str, usize, i32); 6] = [
        (
            "still stuck",
            || listed("deadbeef", -HOUR, 0.1).into(),
            "released",
            "",
            1,
            0,
        ),
        // The coordinator's own 404 is the better proof.
        (
            "not listed any more",
            || Reply::json(r#"{"leases":[]}"#).into(),
            "released",
            "",
            1,
            0,
        ),
        (
            "claimed again",
            || listed("feedface", -HOUR, 0.1).into(),
            "conflict",
            "nothing was sent",
            0,
            1,
        ),
        (
            "claimed a moment ago",
            || listed("deadbeef", -1000, 0.1).into(),
            "skipped",
            "not stuck any more",
            0,
            1,
        ),
        (
            "past the ratio",
            || listed("deadbeef", -HOUR, 0.7).into(),
            "skipped",
            "not stuck any more",
            0,
            1,
        ),
        (
            "cannot be read",
            || Reply::status(500).into(),
            "skipped",
            "could not be read again",
            0,
            1,
        ),
    ];
    for (name, second, outcome, detail, sent, code) in cases {
        let server = changing(second);
        let run = EndedRun::against(&server.url(), &["--stuck", "--yes", "--output=json"]);
        let lease = &run.json()["leases"][0];
        assert_eq!(lease["outcome"], outcome, "{name}: {lease}");
        let said = lease["detail"].as_str().unwrap_or_default();
        assert!(said.contains(detail), "{name}: {lease}");
        assert_eq!((posts(&server), run.code), (sent, code), "{name}");
        assert_eq!(lease["requests"], sent, "{name}");
    }
}

#[test]
fn what_was_named_is_acted_on_without_a_look_at_the_list() {
    let server = changing(|| Reply::status(500).into());
    let run = EndedRun::against(&server.url(), &[&format!("{KEY}:deadbeef")]);
    assert_eq!(
        (run.code, posts(&server), server.received().len()),
        (0, 1, 1)
    );
}

#[test]
fn verifying_believes_the_list_more_than_the_answer() {
    let cases: [(&str, Reply, &str, i32, &str); 5] = [
        (
            "gone",
            Reply::json(r#"{"leases":[]}"#),
            "released",
            0,
            "confirmed",
        ),
        (
            "held under another token",
            listed("feedface", 60_000, 0.0),
            "released",
            0,
            "confirmed",
        ),
        (
            "still held",
            listed("deadbeef", 60_000, 0.0),
            "failed",
            1,
            "still_held",
        ),
        (
            "still held, as a line",
            Reply::status(200)
                .header("Content-Type", "text/plain")
                .body(format!("{KEY}:deadbeef\n")),
            "failed",
            1,
            "still_held",
        ),
        (
            "no such endpoint",
            Reply::status(404),
            "released",
            3,
            "not_possible",
        ),
    ];
    for (name, list, outcome, code, result) in cases {
        let server = Faults::choose(move |request, _| {
            if request.path == "/v1/leases/inspect" {
                list.clone().into()
            } else {
                Reply::json(r#"{"completion_ratio":0.5}"#).into()
            }
        });
        let server = server.unwrap();
        let spec = format!("{KEY}:deadbeef");
        let arguments = ["--verify", "--verify-within=1s", &spec];
        let run = EndedRun::against(
            &server.url(),
            &[&arguments[..], &["--output=json"]].concat(),
        );
        let document = run.json();
        let lease = &document["leases"][0];
        assert_eq!(lease["outcome"], outcome, "{name}: {document}");
        assert_eq!(
            document["verification"]["result"], result,
            "{name}: {document}"
        );
        assert_eq!(run.code, code, "{name}: {document}");
        let run = EndedRun::against(&server.url(), &arguments);
        assert_eq!(run.code, code, "{name}: {}", run.stdout);
        if code == 1 {
            assert!(run.stdout.contains("still lists it"), "{}", run.stdout);
            assert!(
                run.stdout.contains("not released: 1 lease,"),
                "{}",
                run.stdout
            );
            assert!(run.stdout.contains("released=0"), "{}", run.stdout);
        }
    }
}

#[test]
fn an_empty_answer_is_not_a_list_of_no_leases() {
    let server = Faults::always(Reply::status(200)).unwrap();
    for args in [&["--list"][..], &["--stuck", "--yes"]] {
        let run = EndedRun::against(&server.url(), args);
        assert_eq!(run.code, 3, "{}{}", run.stdout, run.stderr);
        assert!(
            run.stderr.contains("HTTP 200, but the body is empty"),
            "{}",
            run.stderr
        );
    }
    let run = EndedRun::against(&server.url(), &["--verify", "a:token"]);
    assert_eq!(run.code, 3, "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("has shown itself"), "{}", run.stdout);
    // A list of none, in each shape.
    for list in [r#"{"leases":[]}"#, "[]", "\n"] {
        let server = Faults::always(Reply::status(200).body(list)).unwrap();
        let run = EndedRun::against(&server.url(), &["--list"]);
        assert_eq!(
            (run.code, run.stdout.as_str()),
            (0, "leases=0 stuck=0\n"),
            "{list}"
        );
    }
}

#[test]
fn a_real_coordinator_confirms_what_was_recovered() {
    let coordinator = coordinator(InspectShape::Objects);
    let run = EndedRun::against(&coordinator.url(), &["--stuck", "--yes", "--verify"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("verified: "), "{}", run.stdout);
    assert_eq!(coordinator.ended().len(), 1);
}

/// Logs as the usual formatters write them; each through the program.
#[test]
fn the_log_of_every_formatter_names_the_lease_that_is_open() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/logs");
    // It has no list, so that what is in the log cannot be checked.
    let coordinator = Faults::always(Reply::status(404)).unwrap();
    let url = coordinator.url();
    let dry = |path: &std::path::Path| {
        let path = path.to_str().unwrap();
        let arguments = [
            "--coordinator-url",
            &url,
            "--yes",
            "--from-logs",
            path,
            "--dry-run",
            "--output=json",
            "--show-tokens",
        ];
        EndedRun::of(lease_recover().args(arguments).output().unwrap())
    };
    let mut read = 0;
    let mut whole = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "log") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let run = dry(&path);
        let (code, says) = match name.as_str() {
            "basic_config" => (2, "line 2: the event is there without its fields"),
            "empty" => (0, "no lease event in 0 lines"),
            "foreign" => (0, "no lease event in 2 lines (no level)"),
            "warning_level" => (
                0,
                "no lease event in 1 lines (1 WARNING); leases are logged at INFO",
            ),
            _ => (0, "5 lines: 2 leases claimed, 1 ended, 1 open"),
        };
        assert_eq!(run.code, code, "{name}: {}", run.stderr);
        assert!(run.stderr.contains(says), "{name}: {}", run.stderr);
        if says.ends_with("1 open") {
            let document = run.json();
            let lease = &document["leases"][0];
            let key = "nodeA:60:1700:1760:world-1:2024-01-01T00:00:00Z";
            assert_eq!(
                (&lease["key"], &lease["token"]),
                (&json!(key), &json!("tok-nodeA")),
                "{name}"
            );
            whole = std::fs::read(&path).unwrap();
        }
        read += 1;
    }
    assert!(read > 15, "{read}");
    // The same, packed.
    let mut packed = tempfile::Builder::new().suffix(".gz").tempfile().unwrap();
    let mut gzip = flate2::write::GzEncoder::new(&mut packed, flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &whole).unwrap();
    gzip.finish().unwrap();
    let run = dry(packed.path());
    assert!(run.stderr.contains("1 open"), "{}", run.stderr);
}

#[test]
fn an_option_that_would_be_ignored_is_refused_before_anything_is_sent() {
    let coordinator = coordinator(InspectShape::Objects);
    for (arguments, says) in [
        (&["--watch=5s", "a:token"][..], "--watch needs --list"),
        (&["--list", "--pause=5s"], "--pause"),
        (&["--list", "--verify-within=5s"], "--verify-within"),
        (&["--pause=5s", "a:token"], "--batch"),
        (&["--list", "--await-reclaim=5s"], "--await-reclaim"),
        (&["--dry-run", "--await-reclaim=5s", "a:token"], "--verify"),
        (&["--list", "--audit-log=x"], "--audit-log"),
        (&["--list", "--batch=2"], "--batch"),
        (&["--list", "--limit=2"], "--limit"),
        (&["--older-than=5m", "a:token"], "--older-than"),
        (&["--worker=w", "a:token"], "--worker"),
        (&["--list", "--show-tokens"], "--show-tokens"),
    ] {
        let run = EndedRun::against(&coordinator.url(), arguments);
        assert_eq!(run.code, 2, "{arguments:?}: {}{}", run.stdout, run.stderr);
        assert!(run.stderr.contains(says), "{arguments:?}: {}", run.stderr);
    }
    assert!(coordinator.received().is_empty());
}

#[test]
fn named_leases_that_a_filter_leaves_out_are_told() {
    let coordinator = coordinator(InspectShape::Objects);
    let arguments = ["--key=lease-9", "lease-0:deadbeef"];
    let run = EndedRun::against(&coordinator.url(), &arguments);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(
        run.stderr
            .contains("0 of 1 given leases match --key 'lease-9'"),
        "{}",
        run.stderr
    );
    let run = EndedRun::against(
        &coordinator.url(),
        &[&arguments[..], &["--fail-if-none"]].concat(),
    );
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(coordinator.changes_received().is_empty());
}

#[test]
fn a_window_that_another_worker_must_claim_is_waited_for() {
    let coordinator = Coordinator::start().unwrap();
    let lease = |token: &str| HeldLease::new(KEY, token, now_ms() + 3_600_000);
    let spec = format!("{KEY}:t");
    let arguments = |within| ["--verify", within, &*spec];
    coordinator.insert(lease("t"));
    let run = EndedRun::against(&coordinator.url(), &arguments("--await-reclaim=1s"));
    assert_eq!(run.code, 1, "{}", run.stderr);
    let said = "released, not yet reclaimed: 1 lease";
    assert!(run.stdout.contains(said), "{}", run.stdout);

    coordinator.insert(lease("t"));
    std::thread::scope(|scope| {
        // Another worker claims the window as soon as it is free.
        scope.spawn(|| {
            while coordinator.ended().len() < 2 {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            coordinator.insert(lease("another"));
        });
        let run = EndedRun::against(&coordinator.url(), &arguments("--await-reclaim=60s"));
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        assert!(run.stdout.contains("verified"), "{}", run.stdout);
    });
}

/// What a coordinator says of one lease that it lists, under the token that it lists, whatever is posted.
fn holding(listed: &str, answer: Reply) -> Faults {
    let list = format!("{{\"leases\":[{listed}]}}");
    let reply = move |method: &str| match method {
        "GET" => Reply::json(&list),
        _ => answer.clone(),
    };
    Faults::choose(move |request, _| reply(&request.method).into()).unwrap()
}

fn stuck(key: &str, token: &str) -> String {
    let claimed = now_ms() - 3_600_000;
    format!(
        r#"{{"key":"{key}","token":"{token}","completion_ratio":0.1,"claimed_at_ms":{claimed},"worker":"w"}}"#
    )
}

/// A coordinator behind a proxy that lets only reading through, or one without such a path, answers so.
#[test]
fn what_the_list_still_shows_is_not_released_whatever_was_answered() {
    for answer in [
        Reply::status(404),
        Reply::status(404).body(r#"{"detail":"Not Found"}"#),
        Reply::status(204),
        Reply::json(r#"{"status":"queued"}"#),
    ] {
        let server = holding(&stuck(KEY, "deadbeef"), answer.clone());
        let named = format!("{KEY}:deadbeef");
        for arguments in [&["--stuck", "--yes"][..], &[&*named]] {
            let more = ["--output=json", "--deadline=2s"];
            let run = EndedRun::against(&server.url(), &[arguments, &more].concat());
            let document = run.json();
            assert_eq!(run.code, 1, "{answer:?}: {document:#}");
            let lease = &document["leases"][0];
            assert_eq!(lease["outcome"], "failed", "{answer:?}: {document:#}");
            let detail = lease["detail"].as_str().unwrap();
            assert!(detail.contains("still lists it"), "{detail}");
        }
    }
    // Held under another token by now, it is gone under this one.
    let server = holding(&stuck(KEY, "another"), Reply::status(404));
    let run = EndedRun::against(&server.url(), &[&*format!("{KEY}:deadbeef")]);
    assert_eq!(run.code, 0, "{}", run.stdout);
}

#[test]
fn a_lease_that_is_listed_twice_counts_once() {
    let listed = [stuck(KEY, "deadbeef"), stuck(KEY, "deadbeef")].join(",");
    let server = holding(&listed, Reply::json(r#"{"completion_ratio":0.1}"#));
    let run = EndedRun::against(&server.url(), &["--stuck", "--yes"]);
    assert!(
        run.stdout.contains("processed=1 released=1"),
        "{}",
        run.stdout
    );
    let sent = server.received();
    let sent = sent.iter().filter(|request| request.method == "POST");
    assert_eq!(sent.count(), 1);

    // Two tokens of one key are two leases, and one series: a scraper refuses a second one.
    let listed = [stuck(KEY, "deadbeef"), stuck(KEY, "another")].join(",");
    let server = holding(&listed, Reply::status(404));
    let run = EndedRun::against(&server.url(), &["--list", "--output=prometheus"]);
    let series = run.stdout.lines();
    let series = series.filter(|line| line.starts_with("seamless_lease_held{"));
    assert_eq!(series.count(), 1, "{}", run.stdout);
    assert!(run.stdout.contains("} 2"), "{}", run.stdout);
}

#[test]
fn a_list_that_is_not_whole_proves_nothing_about_what_it_does_not_show() {
    let ok = Reply::json(r#"{"completion_ratio":0.1}"#);
    let server = holding(r#"{"token":"no key"}"#, ok);
    let run = EndedRun::against(&server.url(), &["--stuck", "--yes"]);
    assert_eq!(run.code, 3, "{}{}", run.stdout, run.stderr);
    let arguments = ["a:b", "--verify", "--verify-within=0s"];
    let run = EndedRun::against(&server.url(), &arguments);
    assert_eq!(run.code, 3, "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("incomplete"), "{}", run.stdout);
}

#[test]
fn verifying_ends_with_the_deadline() {
    let server = holding(
        &stuck(KEY, "deadbeef"),
        Reply::json(r#"{"completion_ratio":0.1}"#),
    );
    let arguments = [
        &*format!("{KEY}:deadbeef"),
        "--verify",
        "--verify-within=10m",
        "--deadline=1s",
    ];
    let run = EndedRun::against(&server.url(), &arguments);
    assert_eq!(run.code, 1, "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("still lists it"), "{}", run.stdout);
}

/// A lease that is listed, but not stuck, does not look like one that has ended.
#[test]
fn a_named_lease_that_is_not_stuck_is_told_why_it_stays() {
    let coordinator = Coordinator::builder().start().unwrap();
    let lease = HeldLease::new("key-1", "deadbeef", now_ms()).ratio(0.8);
    coordinator.insert(lease.claimed_earlier(3 * 60_000));
    let url = coordinator.url();
    let run = |more: &[&str]| EndedRun::against(&url, &[&["--key=key-1"], more].concat());
    let done = "it is 80% done, and --max-ratio is 0.5";
    let age = "it was claimed 3m ago, and --older-than is 10m";
    let both = format!("listed, but not stuck: {done}; {age}; look again later");
    for (more, why) in [
        (&["--stuck", "--yes"][..], &*both),
        (&["--stuck", "--dry-run"], &both),
        (&["--stuck", "--yes", "--older-than=1m"], done),
        (&["--stuck", "--yes", "--max-ratio=0.9"], age),
    ] {
        let document = run(&[more, &["--output=json"]].concat()).json();
        assert_eq!(document["exit_code"], 1, "{document}");
        assert_eq!(document["summary"]["skipped"], 1, "{document}");
        let lease = &document["leases"][0];
        assert_eq!(lease["outcome"], "skipped", "{document}");
        let said = lease["detail"].as_str().unwrap();
        assert!(said.contains(why), "{said}");
        for other in [done, age] {
            assert_eq!(said.contains(other), why.contains(other), "{said}");
        }
        let shown = run(more);
        assert_eq!(shown.code, 1, "{}", shown.stdout);
        assert!(
            shown.stdout.starts_with("Nothing is sent to "),
            "{}",
            shown.stdout
        );
        assert!(shown.stdout.contains(why), "{}", shown.stdout);
        assert!(
            !shown.stderr.contains("no stuck leases"),
            "{}",
            shown.stderr
        );
    }
    let listed = run(&["--list", "--stuck"]);
    assert_eq!(listed.code, 0, "{}", listed.stderr);
    assert!(
        listed
            .stderr
            .contains(&format!("key-1 is listed, but not stuck: {done}; {age}")),
        "{}",
        listed.stderr
    );
    assert!(coordinator.changes_received().is_empty());
    // With both limits it is stuck, and one that ended is none.
    let run = run(&["--stuck", "--yes", "--max-ratio=0.9", "--older-than=1m"]);
    assert_eq!(run.code, 0, "{}", run.stdout);
    let ended = EndedRun::against(&url, &["--stuck", "--yes", "--key=key-1"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("no stuck leases (0 listed, 0 match"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_dry_run_counts_each_lease_once() {
    let coordinator = coordinator(InspectShape::Objects);
    let arguments = ["--stuck", "--dry-run"];
    let run = EndedRun::against(&coordinator.url(), &arguments);
    assert_eq!(run.code, 0, "{}", run.stdout);
    assert!(
        run.stdout.contains(&format!("\nwould_release     {KEY}")),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains(" skipped=0 would_release=1\n"),
        "{}",
        run.stdout
    );
    let document = EndedRun::against(
        &coordinator.url(),
        &[&arguments[..], &["--output=json"]].concat(),
    )
    .json();
    let summary = &document["summary"];
    assert_eq!(
        (
            &summary["processed"],
            &summary["skipped"],
            &summary["would_release"]
        ),
        (&json!(1), &json!(0), &json!(1))
    );
    assert_eq!(document["leases"][0]["outcome"], "would_release");
}

#[test]
fn of_several_keys_each_that_is_not_recovered_is_named() {
    let coordinator = coordinator(InspectShape::Objects);
    let (unlisted, alive) = ("node-c:60:1700:1760::", "node-b:60:1700:1760");
    let keys = ["--key", KEY, "--key", unlisted, "--key", alive];
    let whole = format!("{KEY}:deadbeef");
    let arguments = [&["--stuck", "--yes", "--key", &whole][..], &keys].concat();
    let run = EndedRun::against(&coordinator.url(), &arguments);
    assert_eq!(run.code, 1, "{}{}", run.stdout, run.stderr);
    assert_eq!(coordinator.changes_received().len(), 1);
    assert!(
        run.stdout.contains("listed, but not stuck"),
        "{}",
        run.stdout
    );
    for said in [
        format!("not in the coordinator's list: --key '{unlisted}'"),
        format!("--key takes a key without its token: --key '{KEY}'"),
    ] {
        assert!(run.stderr.contains(&said), "{said}: {}", run.stderr);
        assert!(run.stdout.contains(&said), "{said}: {}", run.stdout);
    }
}

/// A coordinator answers 404 to any key that it does not know, a mistyped one as well.
#[test]
fn a_key_that_was_copied_wrong_is_not_recovered() {
    let coordinator = coordinator(InspectShape::Objects);
    let other = KEY.replace("1760", "1761");
    for verify in [&[][..], &["--verify", "--verify-within=1s"]] {
        let spec = format!("{other}:deadbeef");
        let arguments = [&[spec.as_str(), "--output=json"][..], verify].concat();
        // Its token is the coordinator's own word for the lease that was meant.
        coordinator.with_table(|table| table.insert(HeldLease::new(KEY, "deadbeef", now_ms())));
        let run = EndedRun::against(&coordinator.url(), &arguments);
        let lease = &run.json()["leases"][0];
        assert_eq!((run.code, &lease["outcome"]), (3, &json!("unknown")));
        let detail = lease["detail"].as_str().unwrap();
        assert!(
            detail.contains("this token under") && detail.contains("mistyped"),
            "{detail}"
        );
    }
    let sent = coordinator.changes_received().len();
    for (given, said) in [
        (format!("“{KEY}:deadbeef”"), "in quotes"),
        (
            format!("{KEY}\u{200b}:deadbeef"),
            "invisible character (U+200B)",
        ),
        (format!("[\"{KEY}:deadbeef\"]"), "JSON array"),
        (format!("{KEY}:dead…"), "cut off"),
    ] {
        let run = EndedRun::against(&coordinator.url(), &[&given]);
        assert_eq!(run.code, 2, "{given}: {}", run.stdout);
        assert!(run.stderr.contains(said), "{given}: {}", run.stderr);
    }
    for given in [format!("“{KEY}”"), format!("{KEY}\u{a0}")] {
        let run = EndedRun::against(&coordinator.url(), &["--stuck", "--yes", "--key", &given]);
        assert_eq!(run.code, 2, "{given}: {}", run.stdout);
    }
    assert_eq!(coordinator.changes_received().len(), sent);
}

#[test]
fn a_file_that_names_no_lease_is_named() {
    let coordinator = coordinator(InspectShape::Objects);
    let run = EndedRun::against(&coordinator.url(), &["--from-file", "-"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("no lease in stdin"), "{}", run.stderr);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("leases.txt");
    std::fs::write(&file, b"\xff\xfel\0e\0").unwrap();
    let run = EndedRun::against(
        &coordinator.url(),
        &["--from-file", &file.display().to_string()],
    );
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("line 1: UTF-16 text"), "{}", run.stderr);
}
