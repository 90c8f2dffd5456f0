//! Every injected scenario, and the shipped rules on a clock on which every alert is due within seconds.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};

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
        Self::with_histograms("classic", targets)
    }

    /// The same with histograms of that kind: `classic` or `native`.
    pub(super) fn with_histograms(kind: &str, targets: &Path) -> Result<Self> {
        let program = Programs::build(false)?.inject;
        let child = Command::new(&program)
            .args(["seam-node-1", "--yes", "--scenario", "all", "--serve", "0"])
            .args(["--hold", "15m", "--step", "1s", "--histograms", kind])
            .arg("--file-sd")
            .arg(targets)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        Ok(Self(child))
    }
}

/// The shipped rules, 50 times faster.
pub(crate) fn rules() -> Result<String> {
    render::rules(&[Override::new("time_scale", 0.02)])
}
