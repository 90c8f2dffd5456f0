//! `cargo xtask test`: everything that must hold, in one command.
//!
//! Owns the list of checks and the closing line. Each check is a command that a person may type too.
//! One that fails does not keep the others from running.

use std::io::{BufRead as _, BufReader, Write as _};
use std::num::NonZero;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result};
use seamless_lab::servers::Generation;

use crate::{install, servers};

/// Arguments of `cargo xtask test`.
#[derive(clap::Args)]
pub struct Args {}

/// A check: its name, the command, and the servers that it runs with, if it starts any.
struct Check {
    name: &'static str,
    command: &'static [&'static str],
    servers: Servers,
}

/// Which servers a check starts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Servers {
    /// None.
    None,
    /// It takes `--servers GENERATION` and runs once for each.
    Flag,
    /// Its tests say for which they run; those that want today's are named `NAME::current`.
    ByTest,
}

/// Tests mostly wait, for servers and for time to pass: with one thread a core they would leave the cores
/// idle for most of a run.
const THREADS_PER_CORE: usize = 4;

const CHECKS: &[Check] = &[
    Check::plain("format", &["cargo", "fmt", "--all", "--check"]),
    Check::plain(
        "clippy",
        &[
            "cargo",
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ],
    ),
    Check::plain("rendered files", &["cargo", "xtask", "render", "--check"]),
    Check::plain("documents", &["cargo", "xtask", "docs", "--check"]),
    Check::plain("lint", &["cargo", "xtask", "lint"]),
    Check {
        name: "tests",
        command: &["cargo", "test", "--locked", "--workspace", "--no-fail-fast"],
        servers: Servers::ByTest,
    },
    Check {
        name: "coverage",
        command: &["cargo", "xtask", "coverage", "--check"],
        servers: Servers::Flag,
    },
    // Last: its timings want the machine for themselves.
    Check {
        name: "drill",
        command: &["cargo", "xtask", "drill"],
        servers: Servers::Flag,
    },
    // Whether a site's coordinator exports the gauge is not known.
    Check::plain(
        "drill, the coordinator exports the gauge",
        &["cargo", "xtask", "drill", "--coordinator-gauge"],
    ),
];

/// How a check went.
struct Outcome {
    name: String,
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

/// Runs every check. The last line is `N passed, N failed`: the tests, and each other check as one; without
/// a Go to build today's servers with, it goes on to say that these were not tested.
///
/// # Errors
/// If a needed program is missing and cannot be installed, or a check cannot be run at all; with `CI=true` in
/// the environment also if today's servers cannot be built.
pub fn run(_: &Args) -> Result<ExitCode> {
    install::ensure(install::FOR_TESTS)?;
    let generations = generations()?;
    let mut outcomes = Vec::new();
    for check in CHECKS {
        match check.servers {
            Servers::None => outcomes.push(check.run(check.name, &[])?),
            Servers::Flag => {
                for generation in generations {
                    let name = format!("{}, {generation} servers", check.name);
                    outcomes.push(check.run(&name, &["--servers", generation.name()])?);
                }
            }
            Servers::ByTest if generations.contains(&Generation::Current) => {
                outcomes.push(check.run(check.name, &[])?);
            }
            Servers::ByTest => {
                outcomes.push(check.run(check.name, &["--", "--skip", "::current"])?);
            }
        }
    }
    let mut out = std::io::stdout().lock();
    write!(out, "\n{}", summary(&outcomes))?;
    writeln!(out, "{}", untested(generations))?;
    Ok(if outcomes.iter().all(|outcome| outcome.success) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The generations of servers that can be had here.
fn generations() -> Result<&'static [Generation]> {
    let required = std::env::var_os("CI").is_some_and(|value| value == "true");
    choice(required, servers::available(), || {
        servers::ensure_built().map(drop)
    })
}

/// Both generations where today's servers are `required`, or `available`: then they are built.
fn choice(
    required: bool,
    available: bool,
    build: impl FnOnce() -> Result<()>,
) -> Result<&'static [Generation]> {
    if !required && !available {
        return Ok(&[Generation::Packaged]);
    }
    build()?;
    Ok(&Generation::BOTH)
}

/// What the closing line says of servers that nothing was tested on.
fn untested(generations: &[Generation]) -> &'static str {
    if generations.contains(&Generation::Current) {
        ""
    } else {
        "; not tested on today's servers, since there is no Go to build them with (cargo xtask servers)"
    }
}

impl Check {
    const fn plain(name: &'static str, command: &'static [&'static str]) -> Self {
        Self {
            name,
            command,
            servers: Servers::None,
        }
    }

    fn run(&self, name: &str, more: &[&str]) -> Result<Outcome> {
        let (program, arguments) = self.command.split_first().context("an empty command")?;
        crate::say(&format!(
            "\n── {name}: {} {}",
            self.command.join(" "),
            more.join(" ")
        ));
        let begun = Instant::now();
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        // Whoever starts this may ignore signals (`nohup`, `&` in a script), and the programs, which inherit
        // that, would then heed none of those that the tests send.
        let mut child = Command::new("env")
            .args(["--default-signal=HUP,INT,TERM,PIPE", program])
            .args(arguments)
            .args(more)
            .current_dir(crate::root())
            // Backtraces would make transcripts of the programs' errors differ.
            .env_remove("RUST_BACKTRACE")
            .env("RUST_TEST_THREADS", (THREADS_PER_CORE * cores).to_string())
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
            name: name.to_owned(),
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
            outcome.name.clone(),
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
            name: "x".to_owned(),
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
    fn without_a_go_only_ci_fails_and_the_others_are_told() {
        let no_go = || Err(anyhow::anyhow!("no Go"));
        let without = choice(false, false, no_go).unwrap();
        assert_eq!(without, [Generation::Packaged]);
        assert!(untested(without).contains("no Go"));
        assert!(choice(true, false, no_go).is_err());
        for required in [false, true] {
            let with = choice(required, true, || Ok(())).unwrap();
            assert_eq!((with, untested(with)), (&Generation::BOTH[..], ""));
        }
    }

    #[test]
    fn a_failure_without_a_failed_test_still_counts() {
        let passed = "test result: ok. 3 passed; 0 failed; 0 ignored";
        let text = summary(&[outcome(false, &[]), outcome(false, &[passed])]);
        assert!(text.ends_with("\n3 passed, 2 failed"), "{text}");
    }
}
