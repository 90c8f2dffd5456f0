//! Child processes that cannot outlive us, and the programs that may be started.
//!
//! A child is killed when its value is dropped. If this process itself is killed, the kernel kills the
//! child: it is started through util-linux's `setpriv --pdeathsig KILL`, which needs no unsafe code
//! here and is part of every Debian. The signal belongs to the starting thread, so children start on a
//! thread that lives as long as the process.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context, Result, anyhow};

use crate::background;

/// A program that the lab starts, under the names that it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    /// File names to look for on the `PATH`, best first: Debian's, then upstream's.
    pub names: &'static [&'static str],
    /// The Debian package that brings it.
    pub package: &'static str,
}

impl Program {
    /// Where it is.
    #[must_use]
    pub fn find(&self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH")?;
        self.names.iter().find_map(|name| {
            std::env::split_paths(&path)
                .map(|folder| folder.join(name))
                .find(|candidate| candidate.is_file())
        })
    }

    /// Where it is.
    ///
    /// # Errors
    /// If it is not installed; says how to install it.
    pub fn require(&self) -> Result<PathBuf> {
        self.find().ok_or_else(|| {
            anyhow!(
                "{} is not installed; install it with: apt-get install {}",
                self.names.join(" or "),
                self.package
            )
        })
    }
}

const SETPRIV: Program = Program {
    names: &["setpriv"],
    package: "util-linux",
};

/// A running child with its output in a file.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program` in the folder `dir`; stdout and stderr go to the file `output.log` there.
    pub(crate) fn start(program: &Path, arguments: &[String], dir: &Path) -> Result<Self> {
        let log = dir.join("output.log");
        let output = File::create(&log)
            .with_context(|| format!("cannot create the log {}", log.display()))?;
        let errors = output.try_clone().context("cannot share the log")?;
        let mut command = Command::new(SETPRIV.require()?);
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(arguments)
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors);
        let child = background::run(async move { command.spawn() })?
            .with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { child, log })
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub(crate) fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Everything it has written.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// The last lines it has written.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Either it has ended already, or it ends now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
