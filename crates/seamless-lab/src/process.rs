//! Child processes that cannot outlive us.
//!
//! A child is killed when its value is dropped. If this process itself is killed, the kernel kills the
//! child: it is started through util-linux's `setpriv --pdeathsig KILL`, which needs no unsafe code
//! here and is part of every Debian. The signal belongs to the starting thread, so children start on a
//! thread that lives as long as the process.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::background;
use crate::servers::program::Program;
use crate::wait_for;

const SETPRIV: Program = Program {
    names: &["setpriv"],
    package: "util-linux",
};

/// How to start a child.
#[derive(Debug, Clone)]
pub struct Start<'s> {
    /// The program's file.
    pub program: &'s Path,
    /// Its arguments.
    pub arguments: &'s [String],
    /// Variables on top of our own environment.
    pub environment: &'s [(&'s str, String)],
    /// Its working folder.
    pub dir: &'s Path,
    /// What its output files are called: `NAME.out` and `NAME.log` in that folder.
    pub name: &'s str,
}

/// A running child with its stdout and stderr in files.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

/// What a process holds, in KiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// Now.
    pub resident_kib: u64,
    /// At the most, so far.
    pub peak_kib: u64,
}

impl Memory {
    /// By the kernel's account, of a process that is alive.
    #[must_use]
    pub fn of(id: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().strip_suffix("kB")?.trim().parse().ok()
        };
        Some(Self {
            resident_kib: kib("VmRSS:")?,
            peak_kib: kib("VmHWM:")?,
        })
    }
}

impl Start<'_> {
    /// Starts it.
    ///
    /// # Errors
    /// If the output files cannot be made or the program cannot be run.
    pub fn start(&self) -> Result<Process> {
        let file = |extension: &str| {
            let path = self.dir.join(format!("{}.{extension}", self.name));
            let file =
                File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
            anyhow::Ok((path, file))
        };
        let (stdout, output) = file("out")?;
        let (stderr, log) = file("log")?;
        let mut command = Command::new(SETPRIV.require()?);
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(self.program)
            .args(self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.dir)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(log);
        let child = background::run(async move { command.spawn() })?
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        Ok(Process {
            child,
            stdout,
            stderr,
        })
    }
}

impl Process {
    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// What it has written to stdout.
    #[must_use]
    pub fn stdout(&self) -> String {
        read(&self.stdout)
    }

    /// What it has written to stderr.
    #[must_use]
    pub fn stderr(&self) -> String {
        read(&self.stderr)
    }

    /// The last lines of its stderr.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let log = self.stderr();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Asks it to stop, as Ctrl-C would, and waits up to `grace` for it to do so.
    ///
    /// # Errors
    /// If it cannot be asked or is still there afterwards.
    pub fn interrupt(&mut self, grace: Duration) -> Result<ExitStatus> {
        if let Some(status) = self.exited() {
            return Ok(status);
        }
        signal(self.id(), "INT")?;
        wait_for(grace, "a process to stop after SIGINT", || self.exited())
    }
}

/// Sends a process the signal of that name, without `SIG`: `INT`, `TERM`, `HUP`, `QUIT`, `KILL`, `STOP`,
/// `CONT`.
///
/// # Errors
/// If the name is none of these, or the process is not there or not ours.
pub fn signal(id: u32, name: &str) -> Result<()> {
    let signal = match name {
        "INT" => Signal::INT,
        "TERM" => Signal::TERM,
        "HUP" => Signal::HUP,
        "QUIT" => Signal::QUIT,
        "KILL" => Signal::KILL,
        "STOP" => Signal::STOP,
        "CONT" => Signal::CONT,
        _ => bail!("no signal that the lab sends: {name}"),
    };
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
    kill_process(pid.context("no process id")?, signal)
        .with_context(|| format!("cannot send SIG{name} to process {id}"))
}

fn read(path: &Path) -> String {
    fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

impl Drop for Process {
    fn drop(&mut self) {
        // Either it has ended already, or it ends now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
