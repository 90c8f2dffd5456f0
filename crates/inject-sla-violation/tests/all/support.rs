//! The built program as a child: started, read, signalled, and killed when its value is dropped.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use seamless_lab::faults::Reply;
use seamless_lab::wait_for;

/// Long enough for a machine that does ten things at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// What a Pushgateway without groups answers to everything, and what a receiver may say as well.
pub(crate) fn empty_gateway() -> Reply {
    Reply::json(r#"{"status":"success","data":[]}"#)
}

/// The command, in an environment that configures nothing.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_inject-sla-violation"));
    for name in [
        "QMTL_PROMETHEUS_URL",
        "QMTL_ALERTMANAGER_URL",
        "QMTL_SEAMLESS_COORDINATOR_URL",
        "QMTL_PROMETHEUS_TOKEN_FILE",
        "RUST_BACKTRACE",
        "COLUMNS",
    ] {
        command.env_remove(name);
    }
    command.env("NO_COLOR", "1");
    command
}

/// The program at work.
pub(crate) struct Injector {
    child: Child,
    stderr: Receiver<String>,
    said: Vec<String>,
}

/// What was left when it ended.
#[derive(Debug)]
pub(crate) struct EndedRun {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Injector {
    /// Starts a drill that lasts and may page: nobody is there to be asked.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_in(&[], arguments)
    }

    /// The same, in an environment that has these variables.
    pub(crate) fn start_in(environment: &[(String, String)], arguments: &[&str]) -> Self {
        let mut child = command()
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .arg("--yes")
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (send, stderr) = channel();
        let lines = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            stderr,
            said: Vec::new(),
        }
    }

    /// Waits for a line on stderr that contains `text`.
    pub(crate) fn says(&mut self, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = match self.stderr.recv_timeout(left) {
                Ok(line) => line,
                Err(_) => panic!("never said {text:?}, but {:?}", self.said),
            };
            self.said.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// The address that `--serve` was given.
    pub(crate) fn url(&mut self) -> String {
        let line = self.says("serving ");
        line.split(' ').nth(1).unwrap().to_owned()
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> EndedRun {
        let mut stdout = String::new();
        let mut pipe = self.child.stdout.take().unwrap();
        pipe.read_to_string(&mut stdout).unwrap();
        let status = wait_for(PATIENCE, "the program's end", || {
            self.child.try_wait().unwrap()
        })
        .unwrap();
        let mut stderr = std::mem::take(&mut self.said);
        stderr.extend(self.stderr.iter());
        EndedRun {
            status,
            stdout,
            stderr: stderr.join("\n"),
        }
    }
}

pub(crate) fn signal(id: u32, name: &str) {
    seamless_lab::signal(id, name).unwrap();
}

impl Drop for Injector {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
