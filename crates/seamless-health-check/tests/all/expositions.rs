//! An exposition against the schema, with no Prometheus: from a URL, a file and a pipe, in both formats.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::{JsonRun, program};
use seamless_lab::faults::{Faults, Reply, Trial};

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The SLA histogram of the phase `total` with these finite bucket bounds.
fn histogram(bounds: &[&str]) -> String {
    let mut text = "# TYPE seamless_sla_deadline_seconds histogram\n".to_owned();
    let labels = "node_id=\"n\",phase=\"total\"";
    for bound in bounds.iter().chain(&["+Inf"]) {
        text += &format!("seamless_sla_deadline_seconds_bucket{{{labels},le=\"{bound}\"}} 1\n");
    }
    text + &format!(
        "seamless_sla_deadline_seconds_sum{{{labels}}} 1\nseamless_sla_deadline_seconds_count{{{labels}}} 1\n"
    )
}

/// What the program makes of what that command reads, when only these metrics are required.
fn only(command: &mut Command, metrics: &[&str]) -> JsonRun {
    command.args(["--only", "exposition"]);
    for metric in metrics {
        command.args(["--prometheus-metric", metric]);
    }
    JsonRun::of(command)
}

/// What it makes of a file with this text.
fn file(text: &str, metrics: &[&str]) -> JsonRun {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    only(program().arg("--metrics-file").arg(file.path()), metrics)
}

/// What it makes of a server's answer.
fn url(reply: Reply, metrics: &[&str]) -> JsonRun {
    let server = Faults::choose(move |_, _| reply.clone().into()).unwrap();
    let at = format!("{}/metrics", server.url());
    let run = only(program().args(["--metrics-url", &at]), metrics);
    let asked = server.received();
    assert!(asked.iter().all(|request| request.path == "/metrics"));
    let accept = asked[0].header("accept").unwrap();
    assert!(accept.contains("openmetrics-text"), "{accept}");
    run
}

const SLA: &[&str] = &["seamless_sla_deadline_seconds"];
const GAUGE: &str = "\
# TYPE coverage_ratio gauge
coverage_ratio{node_id=\"n\",interval=\"60\",world_id=\"w\"} 1
";

#[test]
fn a_typo_of_a_known_name_is_named_with_what_is_meant() {
    let typo = "# TYPE live_stalenes_seconds gauge\nlive_stalenes_seconds 1\n";
    let run = file(&format!("{GAUGE}{typo}"), &["coverage_ratio"]);
    let (verdict, message) = run.check("exposition/families");
    assert_eq!((verdict, run.code), ("warn", 0));
    assert_eq!(
        message,
        "live_stalenes_seconds: unknown metric; did you mean live_staleness_seconds?"
    );
    // A name of its own is nobody's typo.
    let own = "# TYPE process_open_fds gauge\nprocess_open_fds 1\n";
    let run = file(&format!("{GAUGE}{own}"), &["coverage_ratio"]);
    assert_eq!(run.check("exposition/families").0, "pass");
}

#[test]
fn buckets_carry_the_budgets_or_it_is_said_why_not() {
    for (bounds, verdict, says) in [
        (&["60", "600"][..], "pass", "every budget is an edge"),
        (&["60.0", "600.0"], "pass", "every budget is an edge"),
        (&["5", "10"], "fail", "the highest finite bucket is 10"),
        (&["30", "60"], "fail", "the highest finite bucket is 60"),
        (
            &["50", "70"],
            "warn",
            "the budget 60 is not a bucket boundary",
        ),
        (&[], "fail", "has no finite bucket"),
    ] {
        let run = file(&histogram(bounds), SLA);
        let (is, message) = run.check("exposition/buckets");
        assert_eq!(is, verdict, "{bounds:?}: {message}");
        assert!(message.contains(says), "{bounds:?}: {message}");
    }
    // A budget of one's own is what must be carried then.
    let mut command = program();
    command.args(["--budget", "total=10"]);
    let text = histogram(&["60", "600"]);
    let mut path = tempfile::NamedTempFile::new().unwrap();
    path.write_all(text.as_bytes()).unwrap();
    let run = only(command.arg("--metrics-file").arg(path.path()), SLA);
    let (verdict, message) = run.check("exposition/buckets");
    assert_eq!(verdict, "warn", "{message}");
    assert!(message.contains("the budget 10"), "{message}");
}

#[test]
fn counters_are_known_with_and_without_total() {
    for name in ["fingerprint_collisions", "fingerprint_collisions_total"] {
        let labels = "node_id=\"n\",interval=\"60\",world_id=\"w\"";
        let text = format!("# TYPE {name} counter\n{name}{{{labels}}} 1\n");
        let run = file(&text, &["fingerprint_collisions"]);
        assert_eq!(run.ids("fail"), Vec::<&str>::new(), "{:#}", run.document);
        assert_eq!(run.check("exposition/types").0, "pass");
    }
}

#[test]
fn labels_types_and_phases_are_compared_with_the_schema() {
    let no_world = GAUGE.replace(",world_id=\"w\"", "");
    let run = file(&no_world, &["coverage_ratio"]);
    let (verdict, message) = run.check("exposition/labels");
    assert_eq!((verdict, run.code), ("fail", 1));
    assert_eq!(
        message,
        "coverage_ratio: line 2: the label world_id is missing"
    );
    let counter = GAUGE.replace("gauge", "counter");
    let run = file(&counter, &["coverage_ratio"]);
    let (verdict, message) = run.check("exposition/types");
    assert_eq!(verdict, "fail");
    assert_eq!(message, "coverage_ratio: is a counter, must be a gauge");
    let phase = histogram(&["60", "600"]).replace("total", "sum_of_all");
    let run = file(&phase, SLA);
    let (verdict, message) = run.check("exposition/labels");
    assert_eq!(verdict, "warn");
    assert!(message.contains("unknown phase: sum_of_all"), "{message}");
}

#[test]
fn what_is_no_exposition_is_refused_with_its_place() {
    for (text, says) in [
        ("<html>\n", "line 1"),
        ("{\"status\":\"ok\"}", "line 1"),
        ("a{b=\"1} 2\n", "line 1"),
        ("a 1\nb{c=\"d\"\n", "line 2"),
    ] {
        let run = file(text, &["coverage_ratio"]);
        let (verdict, message) = run.check("exposition/readable");
        assert_eq!((verdict, run.code), ("fail", 1), "{text:?}");
        assert!(message.contains(says), "{text:?}: {message}");
        // What cannot be read is not judged any further.
        assert_eq!(run.check("exposition/families").0, "skip");
    }
}

#[test]
fn after_a_warning_every_other_check_is_made() {
    let run = file(&format!("{GAUGE}{GAUGE}"), &["coverage_ratio"]);
    assert_eq!(run.code, 0, "{:#}", run.document);
    assert_eq!(run.check("exposition/readable").0, "pass");
    let (verdict, message) = run.check("exposition/valid");
    assert_eq!(verdict, "warn");
    assert_eq!(
        message,
        "document: line 3, column 8: a second TYPE line for coverage_ratio; the first is on line 1; \
         Prometheus keeps the last one (and 1 more)"
    );
    for id in ["families", "types", "labels"] {
        assert_eq!(run.check(&format!("exposition/{id}")).0, "pass", "{id}");
    }
}

#[test]
fn an_answer_that_holds_nothing_is_never_healthy() {
    let empty = Reply::status(200).header("Content-Type", TEXT);
    let run = url(empty, &["coverage_ratio"]);
    assert_eq!(run.code, 1, "{:#}", run.document);
    assert_eq!(run.check("exposition/readable").0, "pass");
    let (verdict, message) = run.check("exposition/valid");
    assert_eq!(verdict, "warn");
    assert!(message.contains("it holds no sample"), "{message}");
    assert_eq!(run.ids("fail"), ["exposition/families"]);
}

#[test]
fn what_one_generation_refuses_is_a_failure_there_and_a_warning_here() {
    let text = format!("{GAUGE}# TYPE \"a.b\" gauge\n{{\"a.b\"}} 1\n");
    let of = |scraper: &[&str]| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let mut command = program();
        command.arg("--metrics-file").arg(file.path()).args(scraper);
        only(&mut command, &["coverage_ratio"])
    };
    for run in [of(&[]), of(&["--scraper", "3"])] {
        assert_eq!(run.check("exposition/readable").0, "pass");
        let (verdict, message) = run.check("exposition/valid");
        assert_eq!(verdict, "warn");
        assert!(
            message.starts_with("scrape: Prometheus 2 would refuse it: line 3, column 8"),
            "{message}"
        );
    }
    let run = of(&["--scraper", "2"]);
    let (verdict, message) = run.check("exposition/readable");
    assert_eq!((verdict, run.code), ("fail", 1));
    assert!(
        message.contains("Prometheus 2 refuses the whole scrape: line 3"),
        "{message}"
    );
}

#[test]
fn both_formats_are_read_from_a_url_packed_or_not() {
    let open = "\
# TYPE seamless_conformance_flag counter
seamless_conformance_flag_total{node_id=\"n\",interval=\"60\",world_id=\"w\",flag_type=\"gap\"} 1 # {trace_id=\"t\"} 1
# EOF
";
    let run = url(
        Reply::status(200)
            .header("Content-Type", OPEN_METRICS)
            .body(open),
        &["seamless_conformance_flag_total"],
    );
    assert_eq!(run.ids("fail"), Vec::<&str>::new(), "{:#}", run.document);
    assert_eq!(run.code, 0);
    assert_eq!(run.check("exposition/types").0, "pass");
    // The same without its end has been cut off.
    let cut = open.replace("# EOF\n", "");
    let run = url(
        Reply::status(200)
            .header("Content-Type", OPEN_METRICS)
            .body(cut),
        &["seamless_conformance_flag_total"],
    );
    assert_eq!(run.check("exposition/readable").0, "fail");

    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(GAUGE.as_bytes()).unwrap();
    let reply = Reply::status(200).header("Content-Type", TEXT);
    let run = url(
        reply
            .header("Content-Encoding", "gzip")
            .body(packed.finish().unwrap()),
        &["coverage_ratio"],
    );
    assert_eq!(run.code, 0, "{:#}", run.document);
}

/// What, where and what Prometheus does with it are all there, however narrow the terminal.
#[test]
fn warnings_are_whole_on_80_columns() {
    let bucket = |le: &str, count: u8| {
        format!(
            "seamless_sla_deadline_seconds_bucket{{node_id=\"n\",phase=\"total\",le=\"{le}\"}} {count}\n"
        )
    };
    let text = format!(
        "# HELP a x \\q y\n# TYPE seamless_sla_deadline_seconds histogram\n{}{}{GAUGE}{GAUGE}",
        bucket("60", 5),
        bucket("600", 4)
    );
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let output = program()
        .args(["--only=exposition", "--metrics-file"])
        .arg(file.path())
        .env("COLUMNS", "80")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.lines().all(|line| line.chars().count() <= 80),
        "{said}"
    );
    let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
    for whole in [
        "line 1, column 12: the escape sequence \\q does not exist; escape with \\\\, \\n or \\\"; Prometheus keeps \
         the backslash",
        "line 4, column 1: a bucket of seamless_sla_deadline_seconds counts less than a lower one; Prometheus takes \
         it; quantiles of it are wrong",
        "line 8, column 1: duplicate series; first on line 6; Prometheus keeps the first and drops this one",
    ] {
        assert!(words.contains(whole), "{whole}: {said}");
    }
}

/// As FastAPI serves a mounted application, and Quarkus or Airbyte their formats.
#[test]
fn urls_of_frameworks_are_read_and_a_redirect_says_where_it_leads() {
    let server = Faults::choose(|request, _| {
        let answer = |reply: Reply| reply.header("Content-Type", TEXT).body(GAUGE).into();
        match (request.path.as_str(), request.query.as_deref()) {
            ("/metrics", None) => Reply::redirect("/metrics/").into(),
            ("/metrics/", None) | ("/q/metrics", Some("format=prometheus")) => {
                answer(Reply::status(200))
            }
            _ => Reply::status(404).into(),
        }
    })
    .unwrap();
    let of = |url: &str| only(program().args(["--metrics-url", url]), &["coverage_ratio"]);
    let url = server.url();
    for path in ["/metrics/", "/q/metrics?format=prometheus"] {
        let run = of(&format!("{url}{path}"));
        assert_eq!(run.code, 0, "{path}: {:#}", run.document);
    }
    let run = of(&format!("{url}/metrics"));
    let (verdict, message) = run.check("exposition/readable");
    assert_eq!((verdict, run.code), ("fail", 1));
    assert_eq!(
        message,
        format!(
            "GET {url}/metrics: HTTP 302 Found, a redirect to /metrics/, which is not followed"
        )
    );
    let checks = run.document["checks"].to_string();
    assert!(checks.contains("give --metrics-url that URL"), "{checks}");
    let run = of(&format!("{url}/nothing/"));
    let (_, message) = run.check("exposition/readable");
    assert!(message.contains("/nothing/: HTTP 404"), "{message}");

    let of_a_user = url.replace("http://", "http://me:word%21@");
    let run = of(&format!("{of_a_user}/metrics/"));
    assert_eq!(run.code, 0, "{:#}", run.document);
    let received = server.received();
    let last = received.last().unwrap();
    // me:word!
    assert_eq!(last.header("authorization"), Some("Basic bWU6d29yZCE="));
}

#[test]
fn a_document_that_contradicts_its_escaping_is_a_warning() {
    let utf_8 = format!("{GAUGE}# TYPE \"a.b\" gauge\n{{\"a.b\"}} 1\n");
    let of = |escaping: &str, text: &str| {
        let content_type = format!("text/plain; version=1.0.0; escaping={escaping}");
        let reply = Reply::status(200).header("Content-Type", &content_type);
        url(reply.body(text), &["coverage_ratio"])
    };
    for escaping in ["underscores", "dots", "values"] {
        let run = of(escaping, &utf_8);
        assert_eq!(run.code, 0, "{:#}", run.document);
        let (verdict, message) = run.check("exposition/valid");
        assert_eq!(verdict, "warn", "{message}");
        let contradiction = format!(
            "line 4: the name \"a.b\" is not escaped, although the Content-Type says escaping={escaping}"
        );
        let whole = run.document["checks"].to_string().replace("\\\"", "\"");
        assert!(whole.contains(&contradiction), "{whole}");
        assert_eq!(of(escaping, GAUGE).check("exposition/valid").0, "pass");
    }
    let whole = of("allow-utf-8", &utf_8).document["checks"].to_string();
    assert!(!whole.contains("not escaped"), "{whole}");
}

#[test]
fn an_answer_that_is_no_exposition_is_said_to_be_none() {
    for (reply, says) in [
        (Reply::html(), "text/html"),
        (Reply::status(404), "404"),
        (
            Reply::redirect("https://login.example/"),
            "https://login.example/",
        ),
        (
            Reply::status(200)
                .header("Content-Type", TEXT)
                .body(vec![b'\n'; 65 * 1024 * 1024]),
            "larger than 67108864 bytes",
        ),
    ] {
        let run = url(reply, &["coverage_ratio"]);
        let (verdict, message) = run.check("exposition/readable");
        assert_eq!((verdict, run.code), ("fail", 1), "{message}");
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn memory_is_that_of_the_text_and_not_of_its_samples() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let mut text = "# TYPE backfill_completion_ratio gauge\n".to_owned();
    for lease in 0..150_000 {
        let labels = format!("node_id=\"n\",interval=\"60\",lease_key=\"seam-node:60:{lease}\"");
        text += &format!("backfill_completion_ratio{{{labels}}} 0.5\n");
    }
    file.write_all(text.as_bytes()).unwrap();
    let arguments = [
        "--metrics-file",
        file.path().to_str().unwrap(),
        "--only=exposition",
        "--prometheus-metric=backfill_completion_ratio",
    ]
    .map(str::to_owned);
    let program = Path::new(env!("CARGO_BIN_EXE_seamless-health-check"));
    let trial = Trial::run(program, &arguments, &[], Duration::from_secs(90)).unwrap();
    assert_eq!(trial.code, Some(0), "{trial:?}");
    assert!(trial.stdout.contains("150000 samples"), "{trial:?}");
    // The program itself, the text, and what tells a series that stands twice.
    let most = 24 * 1024 + 3 * text.len() as u64 / 1024;
    assert!(trial.peak_kib < most, "{} of {most} KiB", trial.peak_kib);
}
