//! The programs that the lab starts, and where they are installed.

use std::path::PathBuf;

use anyhow::{Result, anyhow};

use super::current;
use super::generation::Generation;

/// A program that the lab starts, under the names that it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    /// File names to look for on the `PATH`, best first: Debian's, then upstream's.
    pub names: &'static [&'static str],
    /// The Debian package that brings it.
    pub package: &'static str,
}

impl Program {
    /// Where it is, of the [`Generation`] that this thread has chosen.
    #[must_use]
    pub fn find(&self) -> Option<PathBuf> {
        if self.is_built_today() {
            let folder = current::folder().ok()?;
            let mut files = self.names.iter().map(|name| folder.join(name));
            return files.find(|file| file.is_file());
        }
        let path = std::env::var_os("PATH")?;
        self.names.iter().find_map(|name| {
            std::env::split_paths(&path)
                .map(|folder| folder.join(name))
                .find(|candidate| candidate.is_file())
        })
    }

    /// Whether today's generation is chosen and has this program.
    fn is_built_today(&self) -> bool {
        Generation::chosen() == Generation::Current && BUILT.contains(self)
    }

    /// Where it is, of the [`Generation`] that this thread has chosen.
    ///
    /// # Errors
    /// If it is not installed; says how to install it.
    pub fn require(&self) -> Result<PathBuf> {
        self.find().ok_or_else(|| {
            if self.is_built_today() {
                let folder = match current::folder() {
                    Ok(folder) => folder.display().to_string(),
                    Err(error) => return error,
                };
                return anyhow!(
                    "today's {} is not in {folder}; build it with: cargo xtask servers",
                    self.names.join(" or ")
                );
            }
            anyhow!(
                "{} is not installed; install it with: apt-get install {}",
                self.names.join(" or "),
                self.package
            )
        })
    }
}

/// Prometheus.
pub const PROMETHEUS: Program = Program {
    names: &["prometheus"],
    package: "prometheus",
};
/// promtool, which comes with Prometheus.
pub const PROMTOOL: Program = Program {
    names: &["promtool"],
    package: "prometheus",
};
/// Alertmanager.
pub const ALERTMANAGER: Program = Program {
    names: &["prometheus-alertmanager", "alertmanager"],
    package: "prometheus-alertmanager",
};
/// amtool, which comes with Alertmanager.
pub const AMTOOL: Program = Program {
    names: &["amtool"],
    package: "prometheus-alertmanager",
};
/// Pushgateway.
pub const PUSHGATEWAY: Program = Program {
    names: &["prometheus-pushgateway", "pushgateway"],
    package: "prometheus-pushgateway",
};
/// VictoriaMetrics, single node.
pub const VICTORIA_METRICS: Program = Program {
    names: &["victoria-metrics", "victoria-metrics-prod"],
    package: "victoria-metrics",
};
/// vmalert, which evaluates rules for VictoriaMetrics; Debian has none.
pub const VMALERT: Program = Program {
    names: &["vmalert"],
    package: "victoria-metrics",
};
/// What [`Generation::Current`] has; everything else is the distribution's in either generation.
pub const BUILT: &[Program] = &[
    PROMETHEUS,
    PROMTOOL,
    ALERTMANAGER,
    AMTOOL,
    VICTORIA_METRICS,
    VMALERT,
];
/// node_exporter.
pub const NODE_EXPORTER: Program = Program {
    names: &["prometheus-node-exporter", "node_exporter"],
    package: "prometheus-node-exporter",
};
