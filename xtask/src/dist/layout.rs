//! Which file of the release lies where, relative to its prefix (`/usr` for the package).

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::{kubernetes, notices, run_tool};
use crate::docs::programs;
use crate::drill::programs::Programs;

/// The release's files by path.
#[derive(Debug)]
pub(super) struct Layout {
    files: BTreeMap<PathBuf, Source>,
}

/// Where a file's content comes from.
#[derive(Debug)]
enum Source {
    /// A built program: copied, stripped, executable.
    Program(PathBuf),
    /// A file of the workspace.
    File(PathBuf),
    /// What was generated.
    Text(String),
}

/// Files of the workspace that are shipped as they are.
const SHIPPED: &[(&str, &str)] = &[
    ("share/seamless-ops/alert_rules.yml", "alert_rules.yml"),
    ("share/seamless-ops/alertmanager.yml", "alertmanager.yml"),
    ("share/doc/seamless-ops/README.md", "README.md"),
    ("share/doc/seamless-ops/LICENSE-MIT", "LICENSE-MIT"),
    ("share/doc/seamless-ops/LICENSE-APACHE", "LICENSE-APACHE"),
    (
        "share/doc/seamless-ops/examples/smoke.yml",
        "xtask/packaging/examples/smoke.yml",
    ),
    (
        "share/doc/seamless-ops/examples/seamless-health-check.default",
        "xtask/packaging/systemd/seamless-health-check.default",
    ),
    (
        "lib/systemd/system/seamless-health-check.service",
        "xtask/packaging/systemd/seamless-health-check.service",
    ),
    (
        "lib/systemd/system/seamless-health-check.timer",
        "xtask/packaging/systemd/seamless-health-check.timer",
    ),
    (
        "share/doc/seamless-ops/examples/seamless-lease-list.default",
        "xtask/packaging/systemd/seamless-lease-list.default",
    ),
    (
        "lib/systemd/system/seamless-lease-list.service",
        "xtask/packaging/systemd/seamless-lease-list.service",
    ),
    (
        "lib/systemd/system/seamless-lease-list.timer",
        "xtask/packaging/systemd/seamless-lease-list.timer",
    ),
    (
        "lib/sysusers.d/seamless-ops.conf",
        "xtask/packaging/systemd/seamless-ops.sysusers",
    ),
];

/// Folders of the workspace whose files are all shipped.
const FOLDERS: &[(&str, &str, &str)] = &[
    (
        "share/seamless-ops/dashboards",
        "dashboards/rendered",
        "json",
    ),
    ("share/doc/seamless-ops/docs", "docs", "md"),
    (
        "share/doc/seamless-ops/docs/reference",
        "docs/reference",
        "md",
    ),
];

impl Layout {
    /// The layout of this workspace with these programs.
    pub(super) fn of(root: &Path, built: &Programs) -> Result<Self> {
        let mut files = BTreeMap::new();
        for program in [&built.inject, &built.recover, &built.health] {
            let name = program.file_name().context("a program without a name")?;
            files.insert(
                Path::new("bin").join(name),
                Source::Program(program.clone()),
            );
        }
        for (path, source) in SHIPPED {
            files.insert(PathBuf::from(path), Source::File(root.join(source)));
        }
        for (folder, source, extension) in FOLDERS {
            let entries = fs::read_dir(root.join(source))
                .with_context(|| format!("no {source}; run `cargo xtask render`"))?;
            for entry in entries {
                let entry = entry?.path();
                if let Some(name) = entry.file_name()
                    && entry.extension().is_some_and(|found| found == *extension)
                {
                    files.insert(Path::new(folder).join(name), Source::File(entry.clone()));
                }
            }
        }
        for command in programs::commands() {
            let man = format!("share/man/man1/{}.1", command.get_name());
            files.insert(man.into(), Source::Text(programs::man_page(&command)?));
            for shell in programs::SHELLS {
                let folder = match shell {
                    clap_complete::Shell::Zsh => "share/zsh/vendor-completions",
                    clap_complete::Shell::Fish => "share/fish/vendor_completions.d",
                    _ => "share/bash-completion/completions",
                };
                let (file, script) = programs::completions(&command, shell)?;
                files.insert(Path::new(folder).join(file), Source::Text(script));
            }
        }
        files.insert(
            PathBuf::from("share/doc/seamless-ops/THIRD-PARTY-LICENSES"),
            Source::Text(notices::third_party(root)?),
        );
        for (path, text) in kubernetes::files(root)?.files() {
            let path = Path::new("share/seamless-ops").join(path);
            files.insert(path, Source::Text(text.to_owned()));
        }
        Ok(Self { files })
    }

    /// Writes every file under `prefix`.
    pub(super) fn write(&self, prefix: &Path) -> Result<()> {
        for (path, source) in &self.files {
            let target = prefix.join(path);
            let context = || format!("cannot write {}", path.display());
            if let Some(folder) = target.parent() {
                fs::create_dir_all(folder).with_context(context)?;
            }
            match source {
                Source::Program(file) => {
                    fs::copy(file, &target).with_context(context)?;
                    run_tool(Command::new("strip").arg(&target))?;
                }
                Source::File(file) => {
                    fs::copy(file, &target).with_context(|| format!("no {}", file.display()))?;
                }
                Source::Text(text) => fs::write(&target, text).with_context(context)?,
            }
            let mode = match source {
                Source::Program(_) => 0o755,
                Source::File(_) | Source::Text(_) => 0o644,
            };
            fs::set_permissions(&target, fs::Permissions::from_mode(mode)).with_context(context)?;
        }
        Ok(())
    }

    /// The programs' paths.
    pub(super) fn programs(&self) -> impl Iterator<Item = &Path> {
        self.files
            .iter()
            .filter(|(_, source)| matches!(source, Source::Program(_)))
            .map(|(path, _)| path.as_path())
    }
}
