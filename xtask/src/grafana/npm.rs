//! Packages of npm that a check needs, as its lockfile states them.
//!
//! Owns where they go: a folder of their own in the build folder, so that the sources stay clean and
//! `cargo clean` removes them. Nothing of a package runs while it is installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::install;

/// The folder of a check: a copy of `dashboards/check/NAME`, its packages installed.
pub(super) fn folder(name: &str) -> Result<PathBuf> {
    install::ensure(&[install::NODE, install::NPM])?;
    let source = crate::root().join("dashboards/check").join(name);
    let folder = build_folder()?.join("dashboard-check").join(name);
    let lock = "package-lock.json";
    let fresh = fs::read(source.join(lock)).with_context(|| format!("{name}/{lock}"))?
        == fs::read(folder.join("node_modules/.installed")).unwrap_or_default();
    copy(&source, &folder)?;
    if !fresh {
        crate::say(&format!("installing the npm packages of {name}"));
        npm(
            &folder,
            &["ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        )?;
        fs::copy(folder.join(lock), folder.join("node_modules/.installed"))?;
    }
    Ok(folder)
}

/// Runs node in a check's folder and hands back whether it succeeded and what it said.
pub(super) fn node(
    folder: &Path,
    arguments: &[&str],
    environment: &[(&str, &Path)],
) -> Result<(bool, String)> {
    let program = install::NODE.require()?;
    let output = Command::new(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run node")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok((output.status.success(), said))
}

fn npm(folder: &Path, arguments: &[&str]) -> Result<()> {
    let program = install::NPM.require()?;
    let status = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .context("cannot run npm")?;
    if !status.success() {
        bail!(
            "npm {} failed ({status}) in {}; it needs a package registry",
            arguments.join(" "),
            folder.display()
        );
    }
    Ok(())
}

/// The folder that this program was built into; a test lies one deeper.
fn build_folder() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let folder = program.parent().context("this program is in no folder")?;
    let deeper = folder.ends_with("deps").then(|| folder.parent());
    Ok(deeper.flatten().unwrap_or(folder).to_path_buf())
}

fn copy(source: &Path, target: &Path) -> Result<()> {
    fs::create_dir_all(target).with_context(|| target.display().to_string())?;
    for entry in fs::read_dir(source).with_context(|| source.display().to_string())? {
        let entry = entry?;
        let target = target.join(entry.file_name());
        if !entry.file_type()?.is_dir() {
            fs::copy(entry.path(), target)?;
        } else if entry.file_name() != "node_modules" {
            copy(&entry.path(), &target)?;
        }
    }
    Ok(())
}
