//! Checks of the jsonnet sources: their format, by the reference formatter.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::{LintFinding, LintedPlace};

pub(super) fn check(root: &Path, found: &mut Vec<LintFinding>) -> anyhow::Result<()> {
    let mut sources = Vec::new();
    collect(&root.join("dashboards"), &mut sources)?;
    sources.sort();
    for source in sources {
        let status = Command::new("jsonnetfmt")
            .arg("--test")
            .arg(&source)
            .status()
            .context("jsonnetfmt cannot be run; install it: apt-get install jsonnet")?;
        if !status.success() {
            let place = source.strip_prefix(root).unwrap_or(&source);
            let mut at = LintedPlace::new(found, place.display().to_string());
            at.wrong("jsonnetfmt", "run `jsonnetfmt -i` on it");
        }
    }
    Ok(())
}

fn collect(folder: &Path, sources: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, sources)?;
        } else if path
            .extension()
            .is_some_and(|ext| ext == "libsonnet" || ext == "jsonnet")
        {
            sources.push(path);
        }
    }
    Ok(())
}
