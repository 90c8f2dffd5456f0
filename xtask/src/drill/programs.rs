//! The shipped programs, built and run as a person would run them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use seamless_lab::servers::Start;
use serde_json::Value;

use super::timeline::Wait;
use crate::cargo;

/// The built programs' files.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) inject: PathBuf,
    pub(crate) recover: PathBuf,
    pub(crate) health: PathBuf,
}

/// The programs that are shipped.
pub(crate) const NAMES: [&str; 3] = [
    "inject-sla-violation",
    "lease-recover",
    "seamless-health-check",
];

/// A program that has ended.
#[derive(Debug)]
pub(super) struct EndedProgram {
    /// What was typed.
    pub(super) typed: String,
    /// Its exit code.
    pub(super) code: Option<i32>,
    /// What it wrote to stdout.
    pub(super) stdout: String,
    /// What it wrote to stderr.
    pub(super) stderr: String,
}

impl Programs {
    /// Builds them, as the tests use them or as they are released, and asks cargo where they are.
    pub(crate) fn build(release: bool) -> Result<Self> {
        crate::say("building the programs");
        let mut arguments = vec!["build", "--locked"];
        if release {
            arguments.push("--release");
        } else {
            // With this program's own dependencies in the choice, cargo chooses the same features for all
            // that they share, and nothing is compiled a second time.
            arguments.extend(["--package", env!("CARGO_PKG_NAME")]);
        }
        arguments.extend(NAMES.iter().flat_map(|name| ["--package", *name]));
        let built = cargo::build(&arguments)?;
        Self::from(|name| cargo::executable(&built, name))
    }

    /// The programs in a folder.
    pub(crate) fn found_in(folder: &Path) -> Result<Self> {
        Self::from(|name| {
            folder
                .join(name)
                .canonicalize()
                .with_context(|| format!("no {name} in {}", folder.display()))
        })
    }

    /// The folder that they are in.
    pub(crate) fn folder(&self) -> Result<&Path> {
        let folder = self.recover.parent();
        folder.context("the programs are in no folder")
    }

    /// A `PATH` on which they are found first.
    pub(super) fn on_path(&self) -> Result<OsString> {
        let folder = self.folder()?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = [folder.to_owned()]
            .into_iter()
            .chain(std::env::split_paths(&path));
        Ok(std::env::join_paths(folders)?)
    }

    fn from(file: impl Fn(&str) -> Result<PathBuf>) -> Result<Self> {
        let [inject, recover, health] = NAMES;
        Ok(Self {
            inject: file(inject)?,
            recover: file(recover)?,
            health: file(health)?,
        })
    }
}

/// What a program is run with besides its arguments.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProgramPlace<'p> {
    pub(super) dir: &'p Path,
    pub(super) environment: &'p [(&'static str, String)],
}

impl ProgramPlace<'_> {
    /// Runs a program to its end.
    pub(super) fn run(
        self,
        wait: &Wait<'_>,
        within: Duration,
        program: &Path,
        arguments: &[String],
    ) -> Result<EndedProgram> {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let typed = format!("{name} {}", arguments.join(" "));
        let mut process = Start {
            program,
            arguments,
            environment: self.environment,
            dir: self.dir,
            name: &name,
        }
        .start()?;
        let what = format!("{name} to end");
        let status = wait.until(within, &what, || Ok(process.exited()))?;
        Ok(EndedProgram {
            typed,
            code: status.code(),
            stdout: process.stdout(),
            stderr: process.stderr(),
        })
    }
}

impl EndedProgram {
    /// The JSON document on stdout, if the exit code is 0.
    pub(super) fn succeeded(&self) -> Result<Value> {
        if self.code != Some(0) {
            bail!("{}", self.told());
        }
        serde_json::from_str(&self.stdout)
            .with_context(|| format!("stdout is no JSON document; {}", self.told()))
    }

    /// What was typed, how it ended and what it said, for a person.
    pub(super) fn told(&self) -> String {
        let code = self
            .code
            .map_or("a signal".to_owned(), |code| format!("exit code {code}"));
        let said = [&self.stderr, &self.stdout]
            .into_iter()
            .map(|text| text.trim())
            .find(|text| !text.is_empty())
            .unwrap_or("nothing");
        format!("`{}` ended with {code} and said: {said}", self.typed)
    }
}
