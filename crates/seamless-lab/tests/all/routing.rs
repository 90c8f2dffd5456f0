//! Our reading of Alertmanager's configuration, held to `amtool`: random routing trees and alerts get the
//! same receivers, and what it refuses is refused.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "what a test needs and cannot get fails it"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use fastrand::Rng;
use seamless_core::paging::{Configuration, LabelSet};
use seamless_lab::servers::{AMTOOL, Generation};
use serde_json::{Value, json};

/// One process of amtool tests one alert. The root passes it on to many trees, of which each answers.
const TREES_PER_PROCESS: usize = 100;
const PROCESSES: usize = 50;

const NAMES: [&str; 4] = ["severity", "team", "a", "b_2"];
/// Names that only the UTF-8 syntax reads.
const UTF8_NAMES: [&str; 2] = ["my.label", "région"];
const VALUES: [&str; 12] = [
    "",
    "x",
    "critical",
    "warning",
    "a b",
    "x,y",
    "q\"q",
    "back\\slash",
    "é",
    "x=y",
    "{x}",
    "l\nf",
];
const PATTERNS: [&str; 16] = [
    "critical|warning",
    ".*",
    ".+",
    "",
    "[a-z]+",
    "x.*",
    r"\w+",
    "[^x]*",
    "(?i)CRITICAL",
    "é|x",
    "x,y",
    r"\S+",
    r"[\w =]+",
    r"a\sb",
    "(x|q).+",
    r"[[{]x\}",
];

struct Dice {
    rng: Rng,
    utf8: bool,
}

impl Dice {
    fn one<'v>(&mut self, of: &[&'v str]) -> &'v str {
        of[self.rng.usize(..of.len())]
    }

    fn name(&mut self) -> &'static str {
        if self.utf8 && self.rng.u8(..6) == 0 {
            self.one(&UTF8_NAMES)
        } else {
            self.one(&NAMES)
        }
    }

    /// A matcher as a person may write it; `strict` in a list that must be of one syntax.
    fn matcher(&mut self, strict: bool) -> String {
        let name = self.name();
        let is_utf8 = UTF8_NAMES.contains(&name);
        let is_regex = self.rng.bool();
        let op = match (is_regex, self.rng.u8(..4)) {
            (false, 0) => "!=",
            (false, _) => "=",
            (true, 0) => "!~",
            (true, _) => "=~",
        };
        let value = if is_regex {
            self.one(&PATTERNS)
        } else {
            self.one(&VALUES)
        };
        let is_plain = !value.is_empty() && value.chars().all(char::is_alphanumeric);
        let value = match self.rng.u8(..3) {
            0 if is_plain => value.to_owned(),
            // A single backslash before another letter stands for itself in the classic syntax.
            1 if !strict && !is_utf8 && !value.contains(['"', '\n']) => format!("\"{value}\""),
            _ => quoted(value),
        };
        let name = if is_utf8 {
            quoted(name)
        } else {
            name.to_owned()
        };
        let blank = self.one(&["", " "]);
        format!("{name}{blank}{op}{blank}{value}")
    }

    fn route(&mut self, receiver: &mut impl FnMut(&mut Rng) -> String, depth: usize) -> Value {
        let mut route = serde_json::Map::new();
        if self.rng.u8(..4) > 0 {
            route.insert("receiver".to_owned(), json!(receiver(&mut self.rng)));
        }
        if self.rng.u8(..3) == 0 {
            route.insert("continue".to_owned(), json!(true));
        }
        let mut matchers = Vec::new();
        for _ in 0..self.rng.usize(..3) {
            matchers.push(match self.rng.u8(..5) {
                0 => format!("{{{}}}", self.matcher(false)),
                1 => format!("{}, {}", self.matcher(self.utf8), self.matcher(self.utf8)),
                2 => format!("{{{}, }}", self.matcher(false)),
                _ => self.matcher(false),
            });
        }
        if !matchers.is_empty() {
            route.insert("matchers".to_owned(), json!(matchers));
        }
        if self.rng.u8(..5) == 0 {
            let equal: BTreeMap<_, _> = [(self.one(&NAMES), self.one(&VALUES))].into();
            route.insert("match".to_owned(), json!(equal));
        }
        if self.rng.u8(..5) == 0 {
            let regex: BTreeMap<_, _> = [(self.one(&NAMES), self.one(&PATTERNS))].into();
            route.insert("match_re".to_owned(), json!(regex));
        }
        let children = if depth == 0 { 0 } else { self.rng.usize(..4) };
        let children: Vec<Value> = (0..children)
            .map(|_| self.route(receiver, depth - 1))
            .collect();
        if !children.is_empty() {
            route.insert("routes".to_owned(), json!(children));
        }
        Value::Object(route)
    }

    fn alert(&mut self) -> LabelSet {
        let count = self.rng.usize(..5);
        (0..count)
            .map(|_| (self.name().to_owned(), self.one(&VALUES).to_owned()))
            .collect()
    }
}

fn quoted(value: &str) -> String {
    let escaped = value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("\"{escaped}\"")
}

/// A configuration of many trees, all of which every alert goes through.
fn forest(dice: &mut Dice) -> String {
    let mut receivers = vec!["root".to_owned()];
    let trees: Vec<Value> = (0..TREES_PER_PROCESS)
        .map(|tree| {
            let mut of_tree = |rng: &mut Rng| format!("t{tree}-{}", rng.u8(..4));
            let children: Vec<Value> = (0..dice.rng.usize(1..4))
                .map(|_| dice.route(&mut of_tree, 3))
                .collect();
            receivers.extend((0..4).map(|at| format!("t{tree}-{at}")));
            json!({"receiver": format!("t{tree}-0"), "continue": true, "routes": children})
        })
        .collect();
    let receivers: Vec<Value> = receivers.iter().map(|name| json!({"name": name})).collect();
    json!({"route": {"receiver": "root", "routes": trees}, "receivers": receivers}).to_string()
}

fn routes_test(amtool: &Path, config: &Path, alert: &LabelSet) -> Output {
    let labels = alert.iter().map(|(name, value)| {
        let name = if name.is_ascii() && !name.contains('.') {
            name.clone()
        } else {
            quoted(name)
        };
        format!("{name}={}", quoted(value))
    });
    let mut command = Command::new(amtool);
    command.args(["config", "routes", "test"]);
    command.arg(format!("--config.file={}", config.display()));
    command.args(labels).output().unwrap()
}

fn receivers_of(config: &Configuration, alert: &LabelSet) -> String {
    let routes = config.routes_of(alert);
    let names: Vec<&str> = routes.iter().map(|route| route.receiver.as_str()).collect();
    names.join(",")
}

fn random_trees_and_alerts_get_the_receivers_that_amtool_says() {
    let amtool = AMTOOL.require().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alertmanager.yml");
    let utf8 = Generation::chosen() == Generation::Current;
    let first = std::env::var("SEED").ok();
    let first = first.and_then(|text| text.parse().ok());
    let first: u64 = first.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("SEED={first} makes the same trees and alerts");
    for seed in (0..PROCESSES as u64).map(|process| first.wrapping_add(process)) {
        let mut dice = Dice {
            rng: Rng::with_seed(seed),
            utf8,
        };
        let text = forest(&mut dice);
        let alert = dice.alert();
        std::fs::write(&path, &text).unwrap();
        let output = routes_test(&amtool, &path, &alert);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "seed {seed}: {stderr}\n{text}");
        // Warnings of its parser come first.
        let theirs = String::from_utf8(output.stdout).unwrap();
        let config =
            Configuration::parse(&text).unwrap_or_else(|e| panic!("seed {seed}: {e}\n{text}"));
        assert!(config.unknown_keys.is_empty(), "{:?}", config.unknown_keys);
        let ours = receivers_of(&config, &alert);
        let trees = ours.split(',').count();
        assert!(trees >= TREES_PER_PROCESS, "seed {seed}: {ours}");
        assert_eq!(
            ours,
            theirs.lines().last().unwrap_or_default(),
            "seed {seed}: {alert:?}\n{text}"
        );
    }
}

fn what_amtool_refuses_is_refused() {
    let amtool = AMTOOL.require().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alertmanager.yml");
    let with = |route: Value| {
        let mut config = json!({"route": {"receiver": "a"}, "receivers": [{"name": "a"}]});
        config["route"]
            .as_object_mut()
            .unwrap()
            .extend(route.as_object().unwrap().clone());
        config
    };
    let child = |child: Value| with(json!({"routes": [child]}));
    let matcher = |text: &str| child(json!({"matchers": [text]}));
    let interval = |interval: Value| {
        let mut config = child(json!({"mute_time_intervals": ["i"]}));
        config["time_intervals"] = json!([{"name": "i", "time_intervals": [interval]}]);
        config
    };
    let mut configs = vec![
        with(json!({})),
        with(json!({"receiver": "b"})),
        with(json!({"matchers": ["a=\"b\""]})),
        with(json!({"mute_time_intervals": ["i"]})),
        child(json!({"receiver": "b"})),
        child(json!({"mute_time_intervals": ["i"]})),
        child(json!({"active_time_intervals": ["i"]})),
        child(json!({"group_wait": "soon"})),
        child(json!({"repeat_interval": "1h30m"})),
        child(json!({"match_re": {"a": "("}})),
        child(json!({"routes": null, "matchers": null, "match": null, "match_re": null})),
        interval(json!({})),
        interval(json!({"times": [{"start_time": "9:00", "end_time": "17:00"}]})),
        interval(json!({"times": [{"start_time": "09:00", "end_time": "24:00"}]})),
        interval(json!({"weekdays": ["monday:someday"]})),
        interval(json!({"days_of_month": ["-5:-1"]})),
        interval(json!({"days_of_month": ["0"]})),
        interval(json!({"months": ["smarch"]})),
        interval(json!({"location": "Asia/Seoul"})),
        interval(json!({"location": "Mars/Olympus"})),
        interval(json!({"years": ["2020:2030"]})),
    ];
    let texts = [
        "a",
        "=b",
        "a=b",
        "a=\"b",
        "a=~\"(\"",
        "a=b,c",
        "a=\"x\"y",
        "{a=b",
        "a=b}",
        "a==b",
        "a=~[x",
        "a=\"\\d\"",
        "",
        "{}",
        "a=b,,c=d",
        "a = b = c",
    ];
    configs.extend(texts.map(matcher));
    for config in configs {
        let text = config.to_string();
        std::fs::write(&path, &text).unwrap();
        let theirs = routes_test(&amtool, &path, &LabelSet::new());
        let ours = Configuration::parse(&text);
        let said = String::from_utf8_lossy(&theirs.stderr);
        assert_eq!(
            ours.is_ok(),
            theirs.status.success(),
            "{text}\namtool: {said}\nours: {ours:?}"
        );
    }
}

seamless_lab::on_both_generations!(
    random_trees_and_alerts_get_the_receivers_that_amtool_says,
    what_amtool_refuses_is_refused,
);
