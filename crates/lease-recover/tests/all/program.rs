//! Running the built program against a server that keeps its requests.

use std::process::{Command, Output};

/// The program, with nothing of the surrounding environment that could change what it does.
pub(crate) fn lease_recover() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lease-recover"));
    for name in [
        "QMTL_SEAMLESS_COORDINATOR_URL",
        "QMTL_SEAMLESS_COORDINATOR_TOKEN_FILE",
        "QMTL_PROMETHEUS_URL",
        "QMTL_ALERTMANAGER_URL",
        "SEAMLESS_CONTEXT",
        "XDG_CONFIG_HOME",
        "RUST_BACKTRACE",
        "COLUMNS",
        "SUDO_USER",
    ] {
        command.env_remove(name);
    }
    command.env("USER", "oncall");
    command.stdin(std::process::Stdio::null());
    command
}

/// What a finished run showed.
pub(crate) struct EndedRun {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl EndedRun {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().expect("ended by a signal"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs the program against the coordinator at `url`.
    pub(crate) fn against(url: &str, args: &[&str]) -> Self {
        let output = lease_recover()
            .args(["--coordinator-url", url])
            .args(args)
            .output();
        Self::of(output.unwrap())
    }

    /// The document on stdout.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr))
    }
}
