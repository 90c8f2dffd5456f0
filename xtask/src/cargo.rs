//! Has cargo build, and reads what it built; commands that start cargo.

use std::io::BufReader;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use cargo_metadata::{Artifact, Message};

/// A command without what `cargo run` has set for this program alone: the build script of `ring` counts such
/// variables as its input, so that a cargo started with them would build `ring`, and all that needs it, again.
pub(crate) fn outside(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let own = |prefix: &str| name.to_string_lossy().starts_with(prefix);
        if own("CARGO_PKG_") || own("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs `cargo ARGUMENTS`, which builds something, and returns what it built.
///
/// # Errors
/// If cargo cannot be run or what it was to build does not build; its own messages are on stderr.
pub(crate) fn build(arguments: &[&str]) -> Result<Vec<Artifact>> {
    let mut child = outside(env!("CARGO"))
        .args(arguments)
        .arg("--message-format=json-render-diagnostics")
        .current_dir(crate::root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run cargo")?;
    let messages = child.stdout.take().context("no output of cargo")?;
    let mut built = Vec::new();
    for message in Message::parse_stream(BufReader::new(messages)) {
        if let Message::CompilerArtifact(artifact) =
            message.context("cannot read cargo's messages")?
        {
            built.push(artifact);
        }
    }
    if !child.wait().context("cannot wait for cargo")?.success() {
        bail!("cargo {} failed (see above)", arguments.join(" "));
    }
    Ok(built)
}

/// The program of that name among what was built.
///
/// # Errors
/// If there is none.
pub(crate) fn executable(built: &[Artifact], name: &str) -> Result<PathBuf> {
    let mut programs = built.iter().filter(|artifact| artifact.target.name == name);
    let file = programs.find_map(|artifact| artifact.executable.clone());
    Ok(file
        .with_context(|| format!("cargo built no {name}"))?
        .into())
}
