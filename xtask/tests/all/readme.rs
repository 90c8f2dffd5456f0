//! What the README shows: each of its commands is typed on real servers, and the output compared.
//!
//! In an output of the README `…` stands for any text, and a line of its own for any lines. Numbers and
//! columns may differ.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;

use regex::Regex;
use seamless_lab::coordinator::{HeldLease, now_ms};
use seamless_lab::runtime::Misbehaviour;

use crate::pages::{Lab, TIME_SCALE};

/// What is not typed, and why.
const NOT_TYPED: [(&str, &str); 3] = [
    ("cargo xtask drill", "`cargo xtask test` runs it"),
    ("cargo xtask test", "runs this test"),
    (
        "--hold 20m",
        "takes 20 minutes; the injector's own tests close the loop in seconds",
    ),
];

/// A command of the README, and what it is said to print.
struct Example {
    command: String,
    output: String,
}

/// The examples of each block, in order.
fn blocks(text: &str) -> Vec<Vec<Example>> {
    let blocks = text.split("```console\n").skip(1);
    let blocks = blocks.map(|block| block.split_once("```").unwrap().0);
    blocks
        .map(|block| {
            let mut examples: Vec<Example> = Vec::new();
            for example in format!("\n{block}").split("\n$ ").skip(1) {
                let mut lines = example.lines();
                let mut command = String::new();
                for line in lines.by_ref() {
                    command.push_str(line);
                    command.push('\n');
                    if !line.ends_with('\\') {
                        break;
                    }
                }
                let output = lines.collect::<Vec<_>>().join("\n");
                examples.push(Example { command, output });
            }
            examples
        })
        .collect()
}

/// A pattern for an output as the README shows it.
fn pattern(output: &str) -> Regex {
    let number = Regex::new("[0-9][0-9.]*").unwrap();
    let space = Regex::new(r"\s+").unwrap();
    let lines = output.lines().map(|line| {
        if line.trim() == "…" {
            return "(?:.*\n)*".to_owned();
        }
        let line = regex::escape(line.trim_end());
        let line = number.replace_all(&line, "[0-9.]+");
        // What takes milliseconds on one machine takes seconds on another.
        let line = line.replace("[0-9.]+ms", "[0-9.]+m?s");
        let line = Regex::new("[▁-█]+").unwrap().replace_all(&line, "[▁-█]+");
        let line = Regex::new("─+").unwrap().replace_all(&line, "─+");
        let line = line.replace('…', ".*");
        format!("{}[ ]*\n", space.replace_all(&line, r"[ ]+"))
    });
    let lines: String = lines.collect();
    Regex::new(&format!("^{lines}\n*$")).unwrap()
}

fn typed(lab: &Lab, examples: &[Example]) -> usize {
    let mut typed = 0;
    for Example { command, output } in examples {
        if NOT_TYPED.iter().any(|(part, _)| command.contains(part)) {
            continue;
        }
        if command.starts_with("export ") {
            continue;
        }
        let ran = lab.types(command);
        assert!(
            pattern(output).is_match(&ran.said),
            "the README says of `{}`:\n{output}\nit printed:\n{}",
            command.trim_end(),
            ran.said
        );
        typed += 1;
    }
    typed
}

#[test]
fn what_the_readme_shows_is_what_is_printed() {
    let text = fs::read_to_string(xtask::root().join("README.md")).unwrap();
    for (part, _) in NOT_TYPED {
        assert!(text.contains(part), "the README has no {part} any more");
    }
    let blocks = blocks(&text);
    let (look, rest) = blocks.split_first().unwrap();

    let lab = Lab::start(TIME_SCALE);
    lab.misbehaves(Misbehaviour::SlowStorage);
    for severity in ["critical", "warning"] {
        lab.fires_of("SeamlessSlaErrorBudgetBurn", |labels| {
            labels["severity"] == severity
        });
    }
    lab.shows("seamless:sla_error:ratio_rate30d{phase='storage_wait'} > 0.01");
    let mut count = typed(&lab, look);
    drop(lab);

    let lab = Lab::start(1.0);
    let until = now_ms() + 600_000;
    lab.holds(HeldLease::new("lease-A", "deadbeef01", until));
    let key = "ohlcv:binance:ETH/USDT:1m:60:1767225600:1767229200::";
    let stuck = HeldLease::new(key, "deadbeef02", until).ratio(0.2);
    lab.holds(stuck.claimed_earlier(1_800_000).worker("worker-dead"));
    lab.writes("leases.txt", "lease-A:deadbeef01\nlease-B:feedbeef02\n");
    for examples in rest {
        count += typed(&lab, examples);
    }
    assert!(count >= 5, "only {count} commands were found");
}
