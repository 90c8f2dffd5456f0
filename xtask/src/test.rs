//! `cargo xtask test`: everything that must hold, in one command.
//!
//! Owns the list of checks and the closing line. Each check is a command that a person may type too.
//! One that fails does not keep the others from running.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::install;

/// Arguments of `cargo xtask test`.
#[derive(clap::Args)]
pub struct Args {}

struct Check {
    name: &'static str,
    command: &'static [&'static str],
}

const CHECKS: &[Check] = &[
    Check {
        name: "format",
        command: &["cargo", "fmt", "--all", "--check"],
    },
    Check {
        name: "clippy",
        command: &[
            "cargo",
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ],
    },
    Check {
        name: "rendered files",
        command: &["cargo", "xtask", "render", "--check"],
    },
    Check {
        name: "documents",
        command: &["cargo", "xtask", "docs", "--check"],
    },
    Check {
        name: "lint",
        command: &["cargo", "xtask", "lint"],
    },
    Check {
        name: "rules load",
        command: &["promtool", "check", "rules", "alert_rules.yml"],
    },
    Check {
        name: "alert routes load",
        command: &["amtool", "check-config", "alertmanager.yml"],
    },
    Check {
        name: "tests",
        command: &["cargo", "test", "--locked", "--workspace", "--no-fail-fast"],
    },
    Check {
        name: "coverage",
        command: &["cargo", "xtask", "coverage", "--check"],
    },
    // Last: its timings want the machine for themselves.
    Check {
        name: "drill",
        command: &["cargo", "xtask", "drill"],
    },
];

/// How a check went.
struct Outcome {
    name: &'static str,
    success: bool,
    seconds: f64,
    tests: Count,
}

/// Tests as cargo's summaries count them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
}

/// Runs every check. The last line is `N passed, N failed`: the tests, and each other check as one.
///
/// # Errors
/// If a needed program is missing and cannot be installed, or a check cannot be run at all.
pub fn run(_: &Args) -> Result<ExitCode> {
    install::ensure(install::FOR_TESTS)?;
    let mut outcomes = Vec::new();
    for check in CHECKS {
        crate::say(&format!("\n── {}: {}", check.name, check.command.join(" ")));
        outcomes.push(check.run()?);
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{}", summary(&outcomes))?;
    Ok(if outcomes.iter().all(|outcome| outcome.success) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Check {
    fn run(&self) -> Result<Outcome> {
        let begun = Instant::now();
        let (program, arguments) = self.command.split_first().context("an empty command")?;
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(crate::root())
            // Backtraces would make transcripts of the programs' errors differ.
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {program}"))?;
        let mut tests = Count::default();
        let output = child.stdout.take().context("no output")?;
        let mut out = std::io::stdout().lock();
        for line in BufReader::new(output).split(b'\n') {
            let line = line.context("cannot read a check's output")?;
            out.write_all(&line)?;
            out.write_all(b"\n")?;
            tests.add(&String::from_utf8_lossy(&line));
        }
        let status = child.wait().context("cannot wait for a check")?;
        Ok(Outcome {
            name: self.name,
            success: status.success(),
            seconds: begun.elapsed().as_secs_f64(),
            tests,
        })
    }
}

impl Count {
    /// Adds what a line such as `test result: ok. 8 passed; 0 failed; 1 ignored; …` counts.
    fn add(&mut self, line: &str) {
        let Some(result) = line.trim().strip_prefix("test result: ") else {
            return;
        };
        for part in result.split([';', '.']) {
            let mut words = part.split_whitespace();
            let (Some(Ok(number)), Some(what)) =
                (words.next().map(str::parse::<u64>), words.next())
            else {
                continue;
            };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                _ => {}
            }
        }
    }
}

impl Outcome {
    /// The tests that it ran; for a check that runs none, itself.
    fn count(&self) -> Count {
        let ran_tests = self.tests != Count::default();
        match (ran_tests, self.success) {
            (true, true) => self.tests,
            // Tests that could not be built or were killed have no line of their own.
            (true, false) => Count {
                failed: self.tests.failed.max(1),
                ..self.tests
            },
            (false, success) => Count {
                passed: success.into(),
                failed: (!success).into(),
            },
        }
    }
}

fn summary(outcomes: &[Outcome]) -> String {
    let rows = outcomes.iter().map(|outcome| {
        let count = outcome.count();
        [
            outcome.name.to_owned(),
            if outcome.success { "ok" } else { "FAILED" }.to_owned(),
            format!("{:.0}s", outcome.seconds),
            count.passed.to_string(),
            count.failed.to_string(),
        ]
    });
    let table = seamless_cli::table(
        &["check", "verdict", "took", "passed", "failed"],
        rows,
        None,
    );
    let (passed, failed) = outcomes
        .iter()
        .map(Outcome::count)
        .fold((0, 0), |sum, count| {
            (sum.0 + count.passed, sum.1 + count.failed)
        });
    format!("{table}\n\n{passed} passed, {failed} failed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(success: bool, lines: &[&str]) -> Outcome {
        let mut tests = Count::default();
        for line in lines {
            tests.add(line);
        }
        Outcome {
            name: "x",
            success,
            seconds: 1.0,
            tests,
        }
    }

    #[test]
    fn cargos_summaries_are_added_up() {
        let tests = outcome(
            false,
            &[
                "running 9 tests",
                "test result: ok. 8 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 7.51s",
                "test result: FAILED. 6 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 67.61s",
            ],
        );
        let text = summary(&[outcome(true, &[]), tests]);
        assert!(text.ends_with("\n15 passed, 2 failed"), "{text}");
    }

    #[test]
    fn a_failure_without_a_failed_test_still_counts() {
        let passed = "test result: ok. 3 passed; 0 failed; 0 ignored";
        let text = summary(&[outcome(false, &[]), outcome(false, &[passed])]);
        assert!(text.ends_with("\n3 passed, 2 failed"), "{text}");
    }
}
