//! What the rows need around them: built programs, peers, files of a size.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use crate::drill::programs::Programs;
use crate::install;
use crate::measure::Task;

/// The release programs, the peers and the input files.
pub(super) struct Setting {
    programs: PathBuf,
    /// The interpreter with the peers' packages, or why there is none.
    python: Result<PathBuf, String>,
    files: TempDir,
}

impl Setting {
    /// Builds the release programs and installs the peers' packages into a folder of their own.
    pub(super) fn prepare() -> Result<Self> {
        let programs = Programs::build(true)?.folder()?.to_owned();
        // What is still missing then is named in the rows that need it; the others are measured.
        if let Err(error) = install::ensure(install::FOR_BENCH) {
            crate::say(&format!("going on without: {error:#}"));
        }
        Ok(Self {
            programs,
            python: python(&crate::target().join("bench-peers"))
                .map_err(|error| format!("{error:#}")),
            files: TempDir::with_prefix("seamless-bench-").context("no temporary folder")?,
        })
    }

    /// One of the shipped programs with these arguments.
    pub(super) fn shipped(&self, name: &str, arguments: &[&str]) -> Task {
        let program = self.programs.join(name).display().to_string();
        let command = [program.as_str()].into_iter();
        Task::new(name, command.chain(arguments.iter().copied()))
    }

    /// A peer in Python, or why there is none.
    pub(super) fn peer(&self, script: &str, arguments: &[&str]) -> Task {
        let name = format!("Python, {script}");
        let python = match &self.python {
            Ok(python) => python.display().to_string(),
            Err(why) => return Task::missing(&name, why.clone()),
        };
        let path = crate::root().join("xtask/bench/peers").join(script);
        let path = path.display().to_string();
        let command = [python.as_str(), &path].into_iter();
        Task::new(&name, command.chain(arguments.iter().copied()))
    }

    /// A path among the files.
    pub(super) fn path(&self, name: &str) -> String {
        self.files.path().join(name).display().to_string()
    }

    /// A file of lease specs, made once.
    pub(super) fn specs(&self, lines: usize) -> Result<String> {
        self.file(&format!("specs-{lines}"), |text| {
            for index in 0..lines {
                let start = 1_700_000_000 + 60 * index;
                writeln!(
                    text,
                    "node-{}:60:{start}:{}:world-1:2024-01-01T00:00:00Z:{:016x}",
                    index % 500,
                    start + 60,
                    (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15),
                )?;
            }
            Ok(())
        })
    }

    /// An exposition of some 110 bytes a sample, made once.
    pub(super) fn exposition(&self, samples: usize) -> Result<String> {
        self.file(&format!("exposition-{samples}"), |text| {
            text.push_str("# HELP backfill_completion_ratio How much of the lease's window is filled.\n# TYPE backfill_completion_ratio gauge\n");
            for index in 0..samples {
                writeln!(
                    text,
                    "backfill_completion_ratio{{node_id=\"node-{}\",interval=\"60\",lease_key=\"node-{}:60:{}\"}} {}",
                    index % 500,
                    index % 500,
                    1_700_000_000 + 60 * index,
                    index as f64 / 1_000_003.0,
                )?;
            }
            Ok(())
        })
    }

    /// A query's answer of some 110 bytes a sample, made once.
    pub(super) fn answer(&self, samples: usize) -> Result<String> {
        self.file(&format!("answer-{samples}"), |text| {
            text.push_str(r#"{"status":"success","data":{"resultType":"vector","result":["#);
            for index in 0..samples {
                let comma = if index == 0 { "" } else { "," };
                write!(
                    text,
                    r#"{comma}{{"metric":{{"interval":"60","lease_key":"lease-{index}","node_id":"node-{}"}},"value":[1700000000.123,"{}"]}}"#,
                    index % 500,
                    (index % 1000) as f64 / 1000.0,
                )?;
            }
            text.push_str("]}}");
            Ok(())
        })
    }

    fn file(&self, name: &str, fill: impl FnOnce(&mut String) -> Result<()>) -> Result<String> {
        let path = self.files.path().join(name);
        if !path.exists() {
            let mut text = String::new();
            fill(&mut text)?;
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(path.display().to_string())
    }
}

/// An interpreter with the peers' packages.
fn python(folder: &Path) -> Result<PathBuf> {
    let interpreter = folder.join("bin/python");
    let quietly = |command: &mut Command| -> Result<bool> {
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command.status()?.success())
    };
    let imports = ["-c", "import requests, prometheus_client"];
    if quietly(Command::new(&interpreter).args(imports)).unwrap_or(false) {
        return Ok(interpreter);
    }
    crate::say("installing the Python peers' packages into a folder of their own");
    let made = quietly(Command::new("python3").args(["-m", "venv"]).arg(folder))
        .context("the Python peers need python3")?;
    let install = ["-m", "pip", "install", "requests", "prometheus_client"];
    if !made || !quietly(Command::new(&interpreter).args(install)).unwrap_or(false) {
        bail!(
            "the Python peers need `python3 -m venv {0}` and `{0}/bin/pip install requests prometheus_client`",
            folder.display()
        );
    }
    Ok(interpreter)
}
