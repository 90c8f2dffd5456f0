//! `cargo xtask test`: everything that must hold, in one command.
//!
//! Owns the list of checks and the closing line. What builds something runs alone and first; then the checks,
//! the drills and every test run at the same time, each in a process of its own. Each is a command that a
//! person may type too. One that fails does not keep the others from running.

mod pool;

use std::fmt;
use std::io::Write as _;
use std::num::NonZero;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use cargo_metadata::{Artifact, TargetKind};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use seamless_core::duration;
use seamless_lab::servers::Generation;

use crate::{cargo, install, servers};
use pool::{Done, Job};

/// Arguments of `cargo xtask test`.
#[derive(clap::Args)]
pub struct TestArgs {}

/// Tests and drills mostly wait, for servers and for time to pass: with one a core the cores would be idle for
/// most of a run.
const AT_ONCE_PER_CORE: usize = 4;

/// What builds before anything else runs.
const FIRST: [(&str, &[&str]); 2] = [
    ("format", &["cargo", "fmt", "--all", "--check"]),
    (
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
];
/// What the built tests are.
const BUILD: [&str; 4] = ["test", "--locked", "--workspace", "--no-run"];
/// The tests that take longest, the longest first. They begin before all others, so that none of them is what
/// everything waits for in the end.
const LONGEST: [&str; 10] = [
    "clauses::every_clause_has_a_test_that_fails_without_it",
    "paths::",
    "closed_loop::the_scenario_all_fires_every_shipped_alert_on_a_real_prometheus",
    "watchers::a_health_check_that_fails_or_stops_is_told_until_it_is_well_again",
    "fault_matrix::",
    "watchers::a_pager_that_refuses_is_told_by_another_kind_until_it_takes_pages_again",
    "rounds::requests_and_rounds_do_not_grow_with_the_metrics",
    "safety::every_sink_at_every_moment_by_every_signal_leaves_nothing",
    "closed_loop::",
    "scraped::",
];
/// The checks of `cargo xtask` that start no server.
const PLAIN: [(&str, &[&str]); 3] = [
    ("rendered files", &["render", "--check"]),
    ("documents", &["docs", "--check"]),
    ("lint", &["lint"]),
];

/// Tests as the test programs' summaries count them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
}

/// Runs every check. The last line is `N passed, N failed`: the tests, and each other check as one; without
/// a Go to build today's servers with, it goes on to say that these were not tested.
///
/// # Errors
/// If a needed program is missing and cannot be installed, the tests do not build, or a check cannot be run at
/// all; with `CI=true` in the environment also if today's servers cannot be built.
pub fn run(_: &TestArgs) -> Result<ExitCode> {
    install::ensure(install::FOR_TESTS)?;
    let generations = generations()?;
    let all_begun = Instant::now();
    let mut done = Vec::new();
    for (check, command) in FIRST {
        let ended = job(check, "", command).run()?;
        tell(&ended)?;
        done.push(ended);
    }
    let begun = Instant::now();
    let built = cargo::build(&BUILD)?;
    crate::say(&format!("built the tests in {}", seconds(begun.elapsed())));

    // Building may have replaced the program that runs here.
    let xtask = built
        .iter()
        .filter(|artifact| artifact.target.name == "xtask" && !artifact.profile.test)
        .find_map(|artifact| artifact.executable.clone())
        .context("cargo built no xtask")?;
    let xtask = xtask.as_str();
    let mut jobs = with_servers(xtask, generations);
    jobs.extend(tests(&built, generations)?);
    for (check, arguments) in PLAIN {
        jobs.push(own(xtask, check, "", arguments));
    }
    let examples = ["cargo", "test", "--locked", "--workspace", "--doc"];
    jobs.push(job("examples in the documentation", "", &examples));
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    done.extend(pool::run(jobs, AT_ONCE_PER_CORE * cores, tell)?);

    let mut out = std::io::stdout().lock();
    for failed in done.iter().filter(|ended| !ended.success) {
        let Job { typed, .. } = &failed.job;
        writeln!(out, "\n── FAILED: {typed}\n{}", failed.output)?;
    }
    writeln!(out, "\n{}", table(&done))?;
    writeln!(out, "\n{}", effort(all_begun.elapsed(), cores)?)?;
    write!(out, "{}", Count::sum(&done))?;
    writeln!(out, "{}", untested(generations))?;
    Ok(if done.iter().all(|ended| ended.success) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The drills and the coverage of panels and alerts: they take longest, so they begin first.
fn with_servers(xtask: &str, generations: &[Generation]) -> Vec<Job> {
    let mut jobs = Vec::new();
    let coverage: &[&str] = &["coverage"];
    let drill: &[&str] = &["drill", "--check-readme"];
    for (check, arguments) in [("drill", drill), ("coverage", coverage)] {
        for generation in generations {
            let arguments = [arguments, &["--servers", generation.name()]].concat();
            jobs.push(own(xtask, check, generation.name(), &arguments));
        }
    }
    // Whether a site's coordinator exports the gauge is not known.
    let arguments = ["drill", "--coordinator-gauge"];
    let name = "the coordinator exports the gauge";
    jobs.push(own(xtask, "drill", name, &arguments));
    jobs
}

/// Every test of the built programs: the longest, the other integration tests, which start servers, and the rest.
fn tests(built: &[Artifact], generations: &[Generation]) -> Result<Vec<Job>> {
    let mut jobs = Vec::new();
    let mut programs: Vec<_> = built.iter().filter(|built| built.profile.test).collect();
    programs.sort_by_key(|artifact| !artifact.target.is_kind(TargetKind::Test));
    for artifact in programs {
        let Some(program) = &artifact.executable else {
            continue;
        };
        let dir = artifact.manifest_path.parent().context("no folder")?;
        let package = dir.file_name().unwrap_or_default();
        let target = &artifact.target;
        let integration = target.is_kind(TargetKind::Test);
        let (check, kind) = if integration {
            (
                format!("{package}: tests"),
                format!("--test {}", target.name),
            )
        } else if target.is_kind(TargetKind::Bin) {
            (
                format!("{package}: unit tests"),
                format!("--bin {}", target.name),
            )
        } else {
            (format!("{package}: unit tests"), "--lib".to_owned())
        };
        for name in names(program.as_std_path())? {
            // Tests that want today's servers are named `NAME::current`.
            if name.contains("::current") && !generations.contains(&Generation::Current) {
                continue;
            }
            jobs.push(Job {
                check: check.clone(),
                typed: format!("cargo test --locked -p {package} {kind} -- --exact {name}"),
                command: vec![program.to_string(), "--exact".to_owned(), name.clone()],
                dir: dir.into(),
                name,
            });
        }
    }
    jobs.sort_by_key(|job| {
        let longest = LONGEST.iter().position(|name| job.name.starts_with(name));
        longest.unwrap_or(LONGEST.len())
    });
    Ok(jobs)
}

/// The tests in a test program.
fn names(program: &Path) -> Result<Vec<String>> {
    let listed = Command::new(program)
        .args(["--list", "--format", "terse"])
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    if !listed.status.success() {
        bail!("{} does not list its tests", program.display());
    }
    let listed = String::from_utf8_lossy(&listed.stdout);
    let names = listed
        .lines()
        .filter_map(|line| line.strip_suffix(": test"));
    Ok(names.map(str::to_owned).collect())
}

/// A command of `cargo xtask`. Asking cargo for it each time would wait for whoever builds at that moment.
fn own(xtask: &str, check: &str, name: &str, arguments: &[&str]) -> Job {
    Job {
        typed: format!("cargo xtask {}", arguments.join(" ")),
        ..job(check, name, &[&[xtask], arguments].concat())
    }
}

/// A command in the workspace's folder.
fn job(check: &str, name: &str, command: &[&str]) -> Job {
    Job {
        check: check.to_owned(),
        name: name.to_owned(),
        typed: command.join(" "),
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        dir: crate::root(),
    }
}

/// Tells that a command has ended, and what it said; of a test that passed, only that it did.
fn tell(done: &Done) -> Result<()> {
    let Job { check, name, .. } = &done.job;
    let count = Count::of(&done.output);
    let verdict = match (done.success, count) {
        (false, _) => "FAILED",
        (true, Some(count)) if count == Count::default() => "ignored",
        (true, _) => "ok",
    };
    let took = seconds(done.took);
    let mut out = std::io::stdout().lock();
    if (count.is_none() || !done.success) && !done.output.trim().is_empty() {
        writeln!(out, "\n── {}\n{}", done.job.typed, done.output.trim_end())?;
    }
    writeln!(out, "{verdict:7} {took:>5}  {check}  {name}")?;
    Ok(out.flush()?)
}

/// A time, in whole seconds.
fn seconds(time: Duration) -> String {
    format!("{:.0}s", time.as_secs_f64())
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

impl Count {
    /// What the lines such as `test result: ok. 8 passed; 0 failed; 1 ignored; …` count, if there are any.
    fn of(output: &str) -> Option<Self> {
        let mut results = output
            .lines()
            .filter_map(|line| line.trim().strip_prefix("test result: "))
            .peekable();
        results.peek()?;
        let mut count = Self::default();
        for part in results.flat_map(|result| result.split([';', '.'])) {
            let mut words = part.split_whitespace();
            let (Some(Ok(number)), Some(what)) =
                (words.next().map(str::parse::<u64>), words.next())
            else {
                continue;
            };
            match what {
                "passed" => count.passed += number,
                "failed" => count.failed += number,
                _ => {}
            }
        }
        Some(count)
    }

    /// Of all commands.
    fn sum<'d>(done: impl IntoIterator<Item = &'d Done>) -> Self {
        done.into_iter()
            .map(count)
            .fold(Self::default(), |sum, count| Self {
                passed: sum.passed + count.passed,
                failed: sum.failed + count.failed,
            })
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed } = self;
        write!(f, "{passed} passed, {failed} failed")
    }
}

/// The tests that a command ran; for one that runs none, itself.
fn count(done: &Done) -> Count {
    match (Count::of(&done.output), done.success) {
        (Some(tests), true) => tests,
        // A test that was killed has no line of its own.
        (Some(tests), false) => Count {
            failed: tests.failed.max(1),
            ..tests
        },
        (None, success) => Count {
            passed: success.into(),
            failed: (!success).into(),
        },
    }
}

/// How long it took, and how long processors worked meanwhile.
fn effort(took: Duration, cores: usize) -> Result<String> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("cannot tell the time of children")?;
    let worked = usage.user_time() + usage.system_time();
    let worked = Duration::from_secs(worked.num_seconds().unsigned_abs());
    let took = Duration::from_secs(took.as_secs());
    Ok(format!(
        "took {}, in which {cores} processors worked {}",
        duration::format(took),
        duration::format(worked)
    ))
}

/// A row for each check, in the order in which they began.
fn table(done: &[Done]) -> String {
    let mut by_check: Vec<(&str, Vec<&Done>)> = Vec::new();
    let mut in_order: Vec<&Done> = done.iter().collect();
    in_order.sort_by_key(|ended| ended.begun);
    for ended in in_order {
        match by_check
            .iter_mut()
            .find(|(check, _)| *check == ended.job.check)
        {
            Some((_, all)) => all.push(ended),
            None => by_check.push((&ended.job.check, vec![ended])),
        }
    }
    let rows = by_check.iter().map(|(check, all)| {
        let success = all.iter().all(|ended| ended.success);
        let begun = all.first().map(|ended| ended.begun);
        let end = all.iter().map(|ended| ended.begun + ended.took).max();
        let took = begun.zip(end).map(|(begun, end)| end - begun);
        let count = Count::sum(all.iter().copied());
        [
            (*check).to_owned(),
            if success { "ok" } else { "FAILED" }.to_owned(),
            seconds(took.unwrap_or_default()),
            count.passed.to_string(),
            count.failed.to_string(),
        ]
    });
    seamless_cli::table(
        &["check", "verdict", "took", "passed", "failed"],
        rows,
        None,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(check: &str, success: bool, output: &str) -> Done {
        Done {
            job: job(check, "", &["true"]),
            success,
            begun: Instant::now(),
            took: Duration::from_secs(1),
            output: output.to_owned(),
        }
    }

    const PASSED: &str = "test result: ok. 8 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 7.51s";
    const FAILED: &str = "test result: FAILED. 6 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 67.61s";

    #[test]
    fn summaries_are_added_up_and_a_check_counts_as_one() {
        let tests = format!("running 9 tests\n{PASSED}\n\n{FAILED}\n");
        let sum = Count::sum(&[done("lint", true, ""), done("x", false, &tests)]);
        assert_eq!(sum.to_string(), "15 passed, 2 failed");
    }

    #[test]
    fn the_tests_of_a_crate_are_one_row_which_one_of_them_can_fail() {
        let text = table(&[
            done("x", true, PASSED),
            done("x", false, FAILED),
            done("x", true, PASSED),
        ]);
        let rows: Vec<&str> = text.lines().filter(|line| line.contains('x')).collect();
        assert!(
            matches!(rows[..], [row] if row.contains("FAILED")),
            "{text}"
        );
    }

    #[test]
    fn a_failure_without_a_failed_test_still_counts() {
        let killed = "running 1 test";
        let sum = Count::sum(&[done("x", false, killed), done("y", false, PASSED)]);
        assert_eq!(sum.to_string(), "8 passed, 2 failed");
    }

    #[test]
    fn each_command_runs_whatever_became_of_the_others_and_says_how_it_ended() {
        let jobs = ["echo one; echo two >&2", "kill $$", "exit 3", "echo three"];
        let jobs = jobs.map(|script| job(script, "", &["sh", "-c", script]));
        let told = std::sync::atomic::AtomicUsize::new(0);
        let mut done = pool::run(jobs.to_vec(), 2, |_| {
            told.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Ok(())
        })
        .unwrap();
        assert_eq!(told.into_inner(), 4);
        done.sort_by_key(|ended| jobs.iter().position(|job| job.check == ended.job.check));
        let ended: Vec<_> = done
            .iter()
            .map(|e| (e.success, e.output.as_str()))
            .collect();
        assert_eq!(
            ended,
            [
                (true, "one\ntwo\n"),
                (false, ""),
                (false, ""),
                (true, "three\n")
            ]
        );
        let none = job("none", "", &["/nowhere/program"]).run().unwrap();
        assert!(!none.success && none.output.contains("/nowhere/program"));
    }

    #[test]
    fn the_tests_of_this_program_are_found_by_name() {
        let names = names(&std::env::current_exe().unwrap()).unwrap();
        let own = "test::tests::the_tests_of_this_program_are_found_by_name";
        assert!(names.iter().any(|name| name == own), "{names:?}");
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
}
