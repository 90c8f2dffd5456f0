//! What the project's own commands do, one module per command.
//!
//! Nothing here is part of the shipped programs.

pub mod bench;
pub(crate) mod cargo;
pub mod coverage;
pub mod dashboard;
pub mod dist;
pub mod docs;
pub mod drill;
pub mod grafana;
pub mod install;
pub mod lint;
pub mod measure;
pub mod render;
pub mod servers;
pub mod sizing;
pub mod test;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use seamless_cli::{ExitStatus, UsageError};

/// The folder of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// The folder that cargo builds into.
#[must_use]
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Maps what a command came to onto the exit code, and says on stderr why it failed.
#[must_use]
pub fn exit_code(done: anyhow::Result<ExitCode>) -> ExitCode {
    done.unwrap_or_else(|error| {
        say(&format!("error: {error:#}"));
        if error.is::<UsageError>() {
            ExitStatus::Usage.into()
        } else {
            ExitCode::FAILURE
        }
    })
}

/// How many columns the terminal that stdout is has, if it is one.
#[must_use]
pub fn terminal_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_col > 0).then(|| size.ws_col.into())
}

/// Says something on stderr.
pub fn say(text: &str) {
    // Without a stderr there is nobody to tell; the exit code still does.
    let _ = writeln!(std::io::stderr(), "{text}");
}
