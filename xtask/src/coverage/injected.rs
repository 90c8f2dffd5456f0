//! Every injected scenario, and the shipped rules on a clock on which every alert is due within seconds.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::drill::programs::Programs;
use crate::render::{self, Override};

/// The shipped injector, running; it ends with its value.
pub(crate) struct Injector(Child);

impl Drop for Injector {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Injector {
    /// Builds and starts it; it announces itself to Prometheus in the file `targets`.
    pub(crate) fn start(targets: &Path) -> Result<Self> {
        let program = Programs::build(false)?.inject;
        let child = Command::new(&program)
            .args(["seam-node-1", "--yes", "--scenario", "all", "--serve", "0"])
            .args(["--hold", "15m", "--step", "1s", "--file-sd"])
            .arg(targets)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        Ok(Self(child))
    }
}

/// The address that the injector announced, once it has.
pub(super) fn announced(targets: &Path) -> Option<String> {
    #[derive(Deserialize)]
    struct Group {
        targets: Vec<String>,
    }
    let groups: Vec<Group> = serde_json::from_slice(&fs::read(targets).ok()?).ok()?;
    groups.into_iter().flat_map(|group| group.targets).next()
}

/// The shipped rules, 50 times faster.
pub(crate) fn rules() -> Result<String> {
    render::rules(&[Override::new("time_scale", 0.02)])
}
