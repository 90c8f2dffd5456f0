//! `cargo xtask deny`: licences, duplicates and origins of the dependencies, as `deny.toml` states them.
//!
//! Runs cargo-deny. Owns getting it: the one on the PATH, else one that is built into `target/tools` once.
//! Advisories are not asked for: their database is fetched from elsewhere, and a machine that cannot
//! fetch it would fail for no fault of the code.

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail};

/// Arguments of `cargo xtask deny`.
#[derive(clap::Args)]
pub struct Args {}

/// Holds the dependencies to `deny.toml`.
///
/// # Errors
/// If cargo-deny is not there and cannot be built.
pub fn run(_: &Args) -> Result<ExitCode> {
    let status = Command::new(cargo_deny()?)
        .args(["check", "licenses", "bans", "sources"])
        .current_dir(crate::root())
        .status()
        .context("cannot run cargo-deny")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn cargo_deny() -> Result<PathBuf> {
    let tools = crate::root().join("target/tools");
    let built = tools.join("bin/cargo-deny");
    for candidate in [PathBuf::from("cargo-deny"), built.clone()] {
        let version = Command::new(&candidate)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if version.is_ok_and(|status| status.success()) {
            return Ok(candidate);
        }
    }
    crate::say("building cargo-deny into target/tools (once; some minutes)");
    let installed = Command::new(env!("CARGO"))
        .args(["install", "cargo-deny", "--locked", "--root"])
        .arg(&tools)
        .status()
        .context("cannot run cargo install")?;
    if !installed.success() {
        bail!("cargo-deny cannot be built");
    }
    Ok(built)
}
