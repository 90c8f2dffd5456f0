//! Every format, read by what it is for: JUnit by its schema, the textfile by a real collector, Nagios
//! output by the plugin guidelines' grammar.
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::support::{Deployment, PATIENCE, program};
use regex::Regex;
use seamless_lab::faults::{Behaviour, Faults};
use seamless_lab::servers::{NodeExporter, PROMTOOL, Program};
use seamless_lab::wait_until;
use serde_json::Value;

const XMLLINT: Program = Program {
    names: &["xmllint"],
    package: "libxml2-utils",
};

const FILES: [(&str, &str); 6] = [
    ("text", "out.txt"),
    ("short", "short.txt"),
    ("junit", "out.xml"),
    ("nagios", "nagios.txt"),
    ("prometheus", "seamless.prom"),
    ("github", "github.txt"),
];

/// What one run wrote in every format.
struct Written {
    code: i32,
    json: Value,
    dir: tempfile::TempDir,
}

impl Written {
    fn by(command: &mut Command) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (format, file) in FILES {
            let path = dir.path().join(file);
            // What was there before is replaced.
            fs::write(&path, "old").unwrap();
            command.arg(format!("--output={format}={}", path.display()));
        }
        let output = command.arg("--output=json").output().unwrap();
        let mut left: Vec<String> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let mut expected: Vec<&str> = FILES.iter().map(|(_, file)| *file).collect();
        left.sort();
        expected.sort_unstable();
        assert_eq!(left, expected, "nothing else is left beside the files");
        Self {
            code: output.status.code().unwrap(),
            json: serde_json::from_slice(&output.stdout).unwrap(),
            dir,
        }
    }

    fn path(&self, format: &str) -> PathBuf {
        let (_, file) = FILES.iter().find(|(name, _)| *name == format).unwrap();
        self.dir.path().join(file)
    }

    fn text(&self, format: &str) -> String {
        fs::read_to_string(self.path(format)).unwrap()
    }

    fn checks(&self) -> &[Value] {
        self.json["checks"].as_array().unwrap()
    }

    fn count(&self, verdict: &str) -> usize {
        let of_verdict = |check: &&Value| check["verdict"] == verdict;
        self.checks().iter().filter(of_verdict).count()
    }

    /// Every file agrees with the JSON document, and is what its readers take.
    fn check(&self) {
        self.check_junit();
        self.check_textfile();
        self.check_github();
        let nagios = self.text("nagios");
        let status = Status::parse(&nagios);
        let failed = status.value("checks_failed");
        assert_eq!(failed, self.count("fail").to_string(), "{nagios}");
        let text = self.text("text");
        for check in self.checks() {
            let name = check["id"].as_str().unwrap().split('/').nth(1).unwrap();
            let line = format!("  {}  {name} ", check["verdict"].as_str().unwrap());
            assert!(
                text.lines().any(|l| l.starts_with(&line)),
                "{line:?} in {text}"
            );
        }
        let short = self.text("short");
        let bad = |check: &&Value| check["verdict"] == "fail" || check["verdict"] == "warn";
        for check in self.checks() {
            let named = short.contains(check["id"].as_str().unwrap());
            assert!(named || !bad(&check), "{} in {short}", check["id"]);
        }
    }

    fn check_junit(&self) {
        let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/junit/junit-10.xsd");
        let output = Command::new(XMLLINT.require().unwrap())
            .args(["--noout", "--nonet", "--schema"])
            .args([&schema, &self.path("junit")])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}{}",
            String::from_utf8_lossy(&output.stderr),
            self.text("junit")
        );
        let xml = self.text("junit");
        for (tag, count) in [
            ("<testcase ", self.checks().len()),
            ("<failure ", self.count("fail")),
            ("<skipped ", self.count("skip")),
        ] {
            assert_eq!(xml.matches(tag).count(), count, "{tag} in {xml}");
        }
    }

    fn check_textfile(&self) {
        let text = self.text("prometheus");
        let output = promtool(&text);
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{output:?}"
        );
        for check in self.checks() {
            let line = format!(
                "seamless_health_check_verdict{{check={},verdict={}}} 1.0",
                check["id"], check["verdict"]
            );
            assert!(text.lines().any(|l| l == line), "{line} in {text}");
        }
    }

    fn check_github(&self) {
        let text = self.text("github");
        let command = Regex::new(r"^::(error|warning) title=[^,:]+::.+$").unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let (summary, commands) = lines.split_last().unwrap();
        assert!(summary.contains(" failed, "), "{summary}");
        assert_eq!(commands.len(), self.count("fail") + self.count("warn"));
        for line in commands {
            assert!(command.is_match(line), "{line}");
        }
    }
}

fn promtool(text: &str) -> Output {
    let mut child = Command::new(PROMTOOL.require().unwrap())
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    child.wait_with_output().unwrap()
}

/// A plugin's output by the guidelines: `TEXT | 'label'=value[UOM];[warn];[crit];[min];[max] …`, then
/// lines of text, which may hold no further `|`.
struct Status {
    word: String,
    data: Vec<(String, String)>,
}

impl Status {
    fn parse(output: &str) -> Self {
        let mut lines = output.lines();
        let first = lines.next().unwrap();
        assert!(lines.all(|line| !line.contains('|')), "{output}");
        assert!(output.ends_with('\n') && !output.contains('\r'));
        let (text, data) = first.split_once(" | ").unwrap();
        assert!(!data.contains('|'), "{first}");
        let word = Regex::new(r"^SEAMLESS (OK|WARNING|CRITICAL|UNKNOWN) - \S").unwrap();
        let word = word.captures(text).unwrap_or_else(|| panic!("{text}"))[1].to_owned();
        // A range is `[@][start:][end]`, `~` being minus infinity; an unknown value is U.
        let number = r"-?\d+(?:\.\d+)?";
        let range = format!("(?:@?(?:(?:~|{number})?:)?(?:{number})?)?");
        let one = Regex::new(&format!(
            r"^('[^'=]+'|[^'= ]+)=(?:(U)|({number})(?:s|us|ms|%|B|KB|MB|TB|c)?)(?:;{range}(?:;{range}(?:;(?:{number})?(?:;(?:{number})?)?)?)?)?(?: |$)"
        ))
        .unwrap();
        let mut rest = data;
        let mut found = Vec::new();
        while !rest.is_empty() {
            let captures = one
                .captures(rest)
                .unwrap_or_else(|| panic!("no perfdata: {rest:?}"));
            let value = captures.get(2).or_else(|| captures.get(3)).unwrap();
            let label = captures[1].trim_matches('\'').to_owned();
            found.push((label, value.as_str().to_owned()));
            rest = &rest[captures[0].len()..];
        }
        Self { word, data: found }
    }

    fn value(&self, label: &str) -> &str {
        let found = self.data.iter().find(|(name, _)| name == label);
        &found
            .unwrap_or_else(|| panic!("no {label} in {:?}", self.data))
            .1
    }
}

#[test]
fn every_format_of_a_real_deployment_is_what_its_readers_take() {
    let deployment = Deployment::start(|builder| builder);
    let written = Written::by(
        deployment
            .command()
            .args(["--wait", "90s", "--interval", "1s"]),
    );
    assert_eq!(written.code, 0, "{:#}", written.json);
    written.check();
    let nagios = Status::parse(&written.text("nagios"));
    for phase in ["storage_wait", "backfill_wait", "total"] {
        let seconds: f64 = nagios.value(phase).parse().unwrap();
        assert!(seconds > 0.0, "{phase}");
    }

    // A real collector reads the textfile.
    let textfiles = tempfile::tempdir().unwrap();
    fs::copy(
        written.path("prometheus"),
        textfiles.path().join("seamless.prom"),
    )
    .unwrap();
    let exporter = NodeExporter::start(textfiles.path()).unwrap();
    let collected = exporter.get("/metrics", &[]).unwrap();
    let error = "node_textfile_scrape_error 0";
    assert!(collected.lines().any(|line| line == error), "{collected}");
    let samples = |text: &str| -> Vec<String> {
        let ours = |line: &&str| line.starts_with("seamless_health_check_");
        let mut all: Vec<String> = text.lines().filter(ours).map(by_value).collect();
        all.sort();
        all
    };
    let sent = samples(&written.text("prometheus"));
    assert!(sent.len() > 20);
    assert_eq!(samples(&collected), sent);

    // A deployment in trouble, in the same formats.
    drop(deployment);
    let written = Written::by(program().args([
        "--prometheus-url=http://127.0.0.1:1",
        "--coordinator-url=http://127.0.0.1:1",
        "--timeout=2",
    ]));
    assert_eq!(written.code, 1);
    assert!(written.count("fail") >= 2 && written.count("skip") >= 2);
    written.check();
}

/// A sample with its value as a number: collectors write numbers their own way.
fn by_value(line: &str) -> String {
    let (series, value) = line.rsplit_once(' ').unwrap();
    format!("{series} {:?}", value.parse::<f64>().unwrap())
}

/// A log of a lease's life, and what else is put into it.
fn log(dir: &Path, more: &str) -> PathBuf {
    let event = |name: &str| {
        format!(
            r#"{{"event":"seamless.backfill.{name}","coordinator_id":"c","lease_key":"k","node_id":"n","interval":60,"batch_start":0,"batch_end":60,"world":null,"requested_as_of":null,"worker":"w","lease_token":"t","lease_until_ms":1,"completion_ratio":1,"reason":null}}"#
        )
    };
    let path = dir.join("log.jsonl");
    let lines = [event("coordinator_claimed"), event("coordinator_completed")];
    fs::write(&path, format!("{}\n{more}", lines.join("\n"))).unwrap();
    path
}

#[test]
fn hostile_text_breaks_no_format() {
    let dir = tempfile::tempdir().unwrap();
    let traces = dir.path().join("traces.jsonl");
    let phase = r#"]]>|'=\"<&\u0007\u001b[31m\n::error::x\r%0A,\ufffe\\"#;
    let span = format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"name":"seamless.pipeline","attributes":[{{"key":"sla.phase","value":{{"stringValue":"{phase}"}}}}]}}]}}]}}]}}"#
    );
    fs::write(&traces, span + "\n").unwrap();
    let written = Written::by(
        program()
            .args(["--only", "telemetry", "--traces"])
            .arg(&traces)
            .arg("--logs")
            .arg(log(dir.path(), "{ a | b\n")),
    );
    assert_eq!(written.code, 1);
    assert_eq!(
        (written.count("fail"), written.count("warn")),
        (1, 1),
        "{:#}",
        written.json
    );
    written.check();
    for format in ["text", "short", "nagios", "github"] {
        let text = written.text(format);
        let control = |c: char| c.is_control() && c != '\n';
        assert!(!text.contains(control), "{format}: {text:?}");
    }
}

#[test]
fn nagios_is_told_by_exit_codes_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = program();
        command.args(["--output", "nagios"]).args(arguments);
        let output = command.output().unwrap();
        let status = Status::parse(&String::from_utf8(output.stdout).unwrap());
        (output.status.code().unwrap(), status.word)
    };
    let telemetry = |more: &str| {
        let log = log(dir.path(), more);
        run(&["--only", "telemetry", "--logs", log.to_str().unwrap()])
    };
    assert_eq!(telemetry(""), (0, "OK".to_owned()));
    assert_eq!(telemetry("{\"event\":\n"), (1, "WARNING".to_owned()));
    let failing = r#"{"event":"seamless.domain_gate.downgrade"}"#;
    assert_eq!(
        telemetry(&format!("{failing}\n")),
        (2, "CRITICAL".to_owned())
    );
    let silent = Faults::always(Behaviour::HangBeforeHeaders).unwrap();
    let url = silent.url();
    let unknown = run(&[
        "--only=coordinator",
        "--coordinator-url",
        &url,
        "--deadline=500ms",
        "--timeout=60",
    ]);
    assert_eq!(unknown, (3, "UNKNOWN".to_owned()));
}

#[test]
fn what_cannot_be_written_is_said_before_anything_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let asked = Faults::always(Behaviour::CloseWithoutAnswer).unwrap();
    let folder = dir.path().display();
    for (outputs, words) in [
        (
            vec![format!("junit={folder}/none/out.xml")],
            "its folder does not exist",
        ),
        (vec![format!("junit={folder}")], "directory"),
        (vec!["junit=/dev/null".to_owned()], "device"),
        (vec!["yaml".to_owned()], "no such format; there are text"),
        (
            vec!["json".to_owned(), "nagios".to_owned()],
            "only one format can go to stdout",
        ),
    ] {
        let mut command = program();
        command.args(["--only", "coordinator", "--coordinator-url", &asked.url()]);
        for output in &outputs {
            command.args(["--output", output]);
        }
        let output = command.output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{outputs:?}: {stderr}");
        assert!(stderr.contains(words), "{outputs:?}: {stderr}");
        assert_eq!(stderr.matches("error:").count(), 1, "{stderr}");
        assert!(outputs.len() > 1 || output.stdout.is_empty());
    }
    assert_eq!(asked.received().len(), 0);

    // A folder that goes away while the checks run: the verdict stands, and the loss is said.
    let going = dir.path().join("going");
    fs::create_dir(&going).unwrap();
    let path = going.clone();
    let server = Faults::choose(move |_, _| {
        // Whatever was left in it goes too.
        let _ = fs::remove_dir_all(&path);
        seamless_lab::faults::Reply::json(r#"{"status":"ok"}"#).into()
    })
    .unwrap();
    let output = program()
        .args([
            "--only=coordinator/health",
            "--coordinator-url",
            &server.url(),
        ])
        .arg(format!("--output=junit={}/out.xml", going.display()))
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("cannot write"), "{stderr}");
    wait_until(PATIENCE, "the folder to be gone", || !going.exists()).unwrap();
}

#[test]
fn a_program_that_reads_stdout_is_told_of_a_refusal_there() {
    for wrong in [
        ["--prometheus-url", "ftp://prometheus"],
        ["--timeout", "soon"],
    ] {
        let refused = |format: &str| {
            let output = program()
                .args(wrong)
                .args(["--output", format])
                .output()
                .unwrap();
            assert!(!output.stderr.is_empty());
            (
                output.status.code().unwrap(),
                String::from_utf8(output.stdout).unwrap(),
            )
        };
        let (code, document) = refused("json");
        let document: Value = serde_json::from_str(&document).unwrap();
        assert_eq!((code, &document["exit_code"]), (2, &Value::from(2)));
        assert!(
            document["error"].as_str().unwrap().contains(wrong[1]),
            "{document}"
        );
        // The guidelines' word for wrong arguments; 2 would be CRITICAL.
        let (code, line) = refused("nagios");
        assert_eq!(code, 3);
        let status = line.strip_prefix("SEAMLESS UNKNOWN - ").unwrap();
        assert!(
            status.contains(wrong[1]) && line.lines().count() == 1,
            "{line}"
        );
        assert_eq!(refused("text"), (2, String::new()));
    }
}
