//! A program's good run, taken to places where something is missing or odd.
//!
//! Owns the places, which are the same for every program, and what must hold there: where the run is
//! possible it succeeds, where it is not it fails in time and says so. What the good run is, is the
//! program's own business. What needs a mount is tried in a mount namespace where one can be had, and
//! always in a way that needs no privilege.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::{Faults, Refusing, Reply, Trial};
use crate::received::Received;
use crate::servers::Program;

const LONGEST: Duration = Duration::from_secs(60);
const UNSHARE: Program = Program {
    names: &["unshare"],
    package: "util-linux",
};
const SCRIPT: Program = Program {
    names: &["script"],
    package: "bsdutils",
};
/// Changes what a program takes for the time.
pub const FAKETIME: Program = Program {
    names: &["faketime"],
    package: "faketime",
};
/// A name that no machine has (RFC 6761), so that only a proxy can reach it.
const ELSEWHERE: &str = "http://seamless.invalid";
/// When the clock jumps, and for how long an answer is awaited there, so that it jumps meanwhile.
const JUMP_AFTER: Duration = Duration::from_millis(400);
const ANSWER_AFTER: Duration = Duration::from_millis(900);

/// A run that succeeds where nothing is amiss.
#[derive(Debug, Clone, Copy)]
pub struct Subject {
    /// The program's file.
    pub program: &'static str,
    /// Its arguments, given the URL of everything that it talks to and the folder of everything that it
    /// writes. It prints a JSON document.
    pub arguments: fn(&str, &Path) -> Vec<String>,
    /// What a server that is well answers.
    pub polite: fn(&Received) -> Reply,
}

/// What surrounds one run.
#[derive(Default)]
struct Surroundings<'p> {
    /// A shell command before the program, which is `"$0" "$@"`.
    script: Option<&'p str>,
    environment: Vec<(String, String)>,
    /// A program that runs the shell.
    wrapper: Vec<String>,
}

impl Subject {
    /// Over IPv6, through a proxy, without a stdin, and in terminals that are narrow or can do nothing, the
    /// run succeeds.
    ///
    /// # Errors
    /// If it does not, or cannot be tried.
    pub fn succeeds_in_odd_places(&self) -> Result<()> {
        let polite = self.polite;
        let server = Faults::choose(move |request, _| polite(request).into())?;
        self.succeeds(
            "nowhere special",
            &server,
            &server.url(),
            Surroundings::default(),
        )?;

        let ipv6 = Faults::choose_over_ipv6(move |request, _| polite(request).into())?;
        ensure!(ipv6.url().contains("[::1]"), "no IPv6: {}", ipv6.url());
        self.succeeds("over IPv6", &ipv6, &ipv6.url(), Surroundings::default())?;

        let proxy = Surroundings::default().with("HTTP_PROXY", &server.url());
        self.succeeds("through a proxy", &server, ELSEWHERE, proxy)?;

        let closed = Surroundings {
            script: Some("exec \"$0\" \"$@\" <&-"),
            ..Surroundings::default()
        };
        self.succeeds("without a stdin", &server, &server.url(), closed)?;
        self.succeeds_in_terminals(&server)
    }

    fn succeeds_in_terminals(&self, server: &Faults) -> Result<()> {
        for (term, columns) in [("dumb", 40), ("xterm-256color", 40), ("dumb", 1)] {
            let name = format!("a terminal {term}, {columns} columns wide");
            let folder = tempfile::tempdir()?;
            let mut words = vec![self.program.to_owned()];
            words.extend((self.arguments)(&server.url(), folder.path()));
            let quoted: Vec<String> = words.iter().map(|word| quoted(word)).collect();
            let command = format!("stty cols {columns}; exec {}", quoted.join(" "));
            let arguments = ["-qec", &command, "/dev/null"].map(str::to_owned);
            let environment = [("TERM".to_owned(), term.to_owned())];
            let trial = Trial::run(&SCRIPT.require()?, &arguments, &environment, LONGEST)?;
            ensure!(trial.code == Some(0), "{name}: {trial:?}");
            let moves = trial.stdout.contains('\u{1b}');
            ensure!(term != "dumb" || !moves, "{name}: {:?}", trial.stdout);
        }
        Ok(())
    }

    /// While the clock jumps, ahead and back by days, the run succeeds, and as fast as it would; its
    /// documents.
    ///
    /// # Errors
    /// If it does not, or cannot be tried.
    pub fn succeeds_while_the_clock_jumps(&self) -> Result<Vec<serde_json::Value>> {
        let polite = self.polite;
        let server = Faults::choose(move |request, _| polite(request).after(ANSWER_AFTER).into())?;
        let mut documents = Vec::new();
        for jump in ["+3d", "-3d"] {
            let folder = tempfile::tempdir()?;
            let clock = folder.path().join("clock");
            fs::write(&clock, "+0")?;
            let place = Surroundings {
                environment: clock_of(&clock)?,
                ..Surroundings::default()
            };
            let name = format!("the clock jumps by {jump}");
            let trial = thread::scope(|scope| {
                scope.spawn(|| {
                    thread::sleep(JUMP_AFTER);
                    fs::write(&clock, jump)
                });
                self.succeeds(&name, &server, &server.url(), place)
            })?;
            documents.push(serde_json::from_str(&trial.stdout)?);
        }
        Ok(documents)
    }

    /// Where a proxy is dead, or must not be used for a name that only it knows, the run fails with exit
    /// code 1.
    ///
    /// # Errors
    /// If it does not, or cannot be tried.
    pub fn fails_without_a_proxy(&self) -> Result<()> {
        let dead = Surroundings::default().with("HTTP_PROXY", &Refusing::start()?.url()?);
        self.fails("a proxy that is dead", ELSEWHERE, dead, 1)?;

        let polite = self.polite;
        let proxy = Faults::choose(move |request, _| polite(request).into())?;
        let forbidden = Surroundings::default()
            .with("HTTP_PROXY", &proxy.url())
            .with("NO_PROXY", ".invalid");
        self.fails("NO_PROXY", ELSEWHERE, forbidden, 1)?;
        ensure!(proxy.connections() == 0, "NO_PROXY: the proxy was used");
        Ok(())
    }

    /// Where its files cannot be made, the run ends with exit code 2 before anything is sent; where they
    /// cannot grow, with 1 and the reason.
    ///
    /// # Errors
    /// If it does not, or cannot be tried.
    pub fn fails_without_a_disk(&self) -> Result<()> {
        let polite = self.polite;
        let server = Faults::choose(move |request, _| polite(request).into())?;
        let url = server.url();
        let run = |place: Surroundings<'_>, folder: &Path| self.run(&url, folder, place);
        let refused = |name: &str, trial: Trial| {
            ensure!(trial.code == Some(2), "{name}: {trial:?}");
            let asked = server.received();
            ensure!(asked.is_empty(), "{name}: it sent {asked:?}");
            Ok(())
        };
        let full = |name: &str, trial: Trial, why: &str| {
            let said = format!("{}{}", trial.stdout, trial.stderr).to_lowercase();
            // Found before anything is sent, or as it happens.
            let early = trial.code == Some(2) && server.received().is_empty();
            ensure!(early || trial.code == Some(1), "{name}: {trial:?}");
            ensure!(said.contains(why), "{name}: {said}");
            Ok(())
        };
        // Not even root makes a file there.
        let trial = run(Surroundings::default(), Path::new("/proc/self"))?;
        refused("a folder of the kernel's", trial)?;
        let folder = tempfile::tempdir()?;
        let wrapper = mounting()?;
        let mounted = |options: &str| {
            let folder = quoted(&folder.path().display().to_string());
            format!("mount -t tmpfs -o {options} tmpfs {folder}")
        };
        if let Some(wrapper) = &wrapper {
            let script = format!("{} && exec \"$0\" \"$@\"", mounted("ro"));
            let place = Surroundings {
                script: Some(&script),
                wrapper: wrapper.clone(),
                ..Surroundings::default()
            };
            refused("a read-only folder", run(place, folder.path())?)?;
            let fill = format!("dd if=/dev/zero of={}/fill", folder.path().display());
            let script = format!(
                "{} && {{ {fill} status=none 2>/dev/null; exec \"$0\" \"$@\"; }}",
                mounted("size=16k")
            );
            let place = Surroundings {
                script: Some(&script),
                wrapper: wrapper.clone(),
                ..Surroundings::default()
            };
            full("a full disk", run(place, folder.path())?, "space")?;
        }
        let limited = Surroundings {
            script: Some("trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\""),
            ..Surroundings::default()
        };
        let trial = run(limited, folder.path())?;
        full("files that may not grow", trial, "file too large")
    }

    fn succeeds(
        &self,
        name: &str,
        server: &Faults,
        url: &str,
        place: Surroundings<'_>,
    ) -> Result<Trial> {
        let folder = tempfile::tempdir()?;
        let before = server.received().len();
        let trial = self.run(url, folder.path(), place)?;
        ensure!(trial.code == Some(0), "{name}: {trial:?}");
        ensure!(server.received().len() > before, "{name}: nothing was sent");
        Ok(trial)
    }

    fn fails(&self, name: &str, url: &str, place: Surroundings<'_>, code: i32) -> Result<()> {
        let folder = tempfile::tempdir()?;
        let trial = self.run(url, folder.path(), place)?;
        ensure!(trial.code == Some(code), "{name}: {trial:?}");
        let document: serde_json::Value = serde_json::from_str(&trial.stdout)
            .with_context(|| format!("{name}: no JSON: {trial:?}"))?;
        ensure!(document["exit_code"] == code, "{name}: {document}");
        Ok(())
    }

    fn run(&self, url: &str, folder: &Path, place: Surroundings<'_>) -> Result<Trial> {
        let mut words = place.wrapper;
        if let Some(script) = place.script {
            words.extend(["/bin/sh", "-c", script].map(str::to_owned));
        }
        words.push(self.program.to_owned());
        words.extend((self.arguments)(url, folder));
        let (program, arguments) = words.split_first().context("nothing to run")?;
        let trial = Trial::run(Path::new(program), arguments, &place.environment, LONGEST)?;
        let said = format!("{}{}", trial.stdout, trial.stderr);
        ensure!(!said.contains("panicked"), "{trial:?}");
        Ok(trial)
    }
}

impl Surroundings<'_> {
    fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// How a program with mounts of its own is started, where this user may.
fn mounting() -> Result<Option<Vec<String>>> {
    let unshare = UNSHARE.require()?.display().to_string();
    for flags in [&["--mount"][..], &["--map-root-user", "--mount"]] {
        let folder = tempfile::tempdir()?;
        let possible = Command::new(&unshare)
            .args(flags)
            .args(["mount", "-t", "tmpfs", "tmpfs"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        if possible.success() {
            let flags = flags.iter().map(|flag| (*flag).to_owned());
            return Ok(Some(std::iter::once(unshare).chain(flags).collect()));
        }
    }
    Ok(None)
}

/// The environment of a program whose time of day is off by what stands in this file, such as `+3d`, and follows it
/// when it changes. Time that passes is not affected.
///
/// # Errors
/// If faketime is missing or does not work.
pub fn clock_of(file: &Path) -> Result<Vec<(String, String)>> {
    let variables = [
        ("LD_PRELOAD", preloaded()?),
        ("FAKETIME_TIMESTAMP_FILE", file.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        // Only the time of day can jump.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    let owned = |(name, value): (&str, String)| (name.to_owned(), value);
    Ok(variables.map(owned).to_vec())
}

/// The library that changes what a program takes for the time.
fn preloaded() -> Result<String> {
    let program: PathBuf = FAKETIME.require()?;
    // Only the wrapper knows where its library is.
    let told = Command::new(program)
        .args(["-m", "-f", "+0", "printenv", "LD_PRELOAD"])
        .output()
        .context("cannot run faketime")?;
    ensure!(told.status.success(), "faketime does not work: {told:?}");
    Ok(String::from_utf8(told.stdout)?.trim().to_owned())
}

/// A word for the shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
