//! `cargo xtask servers`: today's Prometheus, Alertmanager and VictoriaMetrics, built from Go modules.
//!
//! Owns how each is built; which versions, `xtask/servers/go.mod` says. They go into a cache outside the work
//! tree ([`current::folder`]), once: a program that is there is not built again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use seamless_cli::UsageError;
use seamless_lab::servers::current::{
    self, ALERTMANAGER_MODULE, Module, PROMETHEUS_MODULE, VICTORIA_METRICS_MODULE,
};
use serde::Deserialize;

/// Arguments of `cargo xtask servers`.
#[derive(clap::Args)]
pub struct ServersArgs {}

/// The oldest Go that builds them.
const GO: (u32, u32) = (1, 26);

/// A module and the programs that are built from it.
struct ServerSource {
    module: &'static str,
    programs: &'static [&'static str],
    /// Where the programs' packages are in the module.
    folder: &'static str,
    /// Build tags.
    tags: &'static str,
    /// The variable that holds the version that the program tells of itself.
    version: &'static str,
}

const SOURCES: &[ServerSource] = &[
    ServerSource {
        module: PROMETHEUS_MODULE,
        programs: &["prometheus", "promtool"],
        folder: "cmd",
        // File, static and HTTP discovery stay; every cloud's goes, and with them most of what there is
        // to compile.
        tags: "remove_all_sd",
        version: "github.com/prometheus/common/version.Version",
    },
    ServerSource {
        module: ALERTMANAGER_MODULE,
        programs: &["alertmanager", "amtool"],
        folder: "cmd",
        tags: "",
        version: "github.com/prometheus/common/version.Version",
    },
    ServerSource {
        module: VICTORIA_METRICS_MODULE,
        programs: &["victoria-metrics", "vmalert"],
        folder: "app",
        tags: "",
        version: "github.com/VictoriaMetrics/VictoriaMetrics/lib/buildinfo.Version",
    },
];

/// Builds what is missing and prints each program with its version and place.
///
/// # Errors
/// [`UsageError`] if something is missing and there is no Go that can build it; any other error if a build
/// fails.
pub fn run(_: &ServersArgs) -> Result<ExitCode> {
    let folder = ensure_built()?;
    let mut rows = Vec::new();
    for source in SOURCES {
        let release = current::module(source.module)?.release();
        for program in source.programs {
            rows.push([
                (*program).to_owned(),
                release.clone(),
                folder.join(program).display().to_string(),
            ]);
        }
    }
    let table = seamless_cli::table(&["program", "version", "built"], rows, None);
    crate::say(&table);
    Ok(ExitCode::SUCCESS)
}

/// Whether there is a Go that can build them, or they are built already.
#[must_use]
pub fn available() -> bool {
    is_built() || go_version().is_ok_and(|version| version >= GO)
}

/// Builds what is missing; the folder that then holds all of them.
///
/// # Errors
/// As [`run`].
pub fn ensure_built() -> Result<PathBuf> {
    let folder = current::folder()?;
    for source in SOURCES {
        let missing: Vec<&str> = source.missing(&folder).collect();
        if missing.is_empty() {
            continue;
        }
        require_go()?;
        let module = current::module(source.module)?;
        crate::say(&format!(
            "building {} {} (once; the first build takes some minutes)",
            missing.join(" and "),
            module.release()
        ));
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        source.build(module, &missing, &folder)?;
    }
    Ok(folder)
}

fn is_built() -> bool {
    current::folder().is_ok_and(|folder| {
        SOURCES
            .iter()
            .all(|source| source.missing(&folder).next().is_none())
    })
}

impl ServerSource {
    fn missing(&self, folder: &Path) -> impl Iterator<Item = &'static str> {
        let programs = self.programs.iter().copied();
        programs.filter(move |program| !folder.join(program).is_file())
    }

    fn build(&self, module: Module, programs: &[&str], folder: &Path) -> Result<()> {
        let pinned = crate::root().join("xtask/servers");
        // Built beside its place and then moved there, so that a build that was interrupted leaves no half
        // a program.
        let building = tempfile::tempdir_in(folder).context("no temporary folder")?;
        let (dir, packages) = if self.module == ALERTMANAGER_MODULE {
            let copy = building.path().join("source");
            copy_alertmanager(&pinned, &copy)?;
            (copy, ".")
        } else {
            (pinned, self.module)
        };
        for program in programs {
            let built = building.path().join(program);
            let status = Command::new("go")
                .current_dir(&dir)
                .args(["build", "-trimpath", "-buildvcs=false", "-tags", self.tags])
                .arg(format!(
                    "-ldflags=-s -w -X {}={}",
                    self.version,
                    module.release()
                ))
                .arg("-o")
                .arg(&built)
                .arg(format!("{packages}/{}/{program}", self.folder))
                .stdin(Stdio::null())
                .stdout(std::io::stderr())
                .status()
                .context("cannot run go")?;
            ensure!(status.success(), "go build of {program} failed ({status})");
            fs::rename(&built, folder.join(program))
                .with_context(|| format!("cannot move {program} to {}", folder.display()))?;
        }
        Ok(())
    }
}

/// Makes a copy of Alertmanager's module that can be built: it embeds `ui/app/dist`, which is made by a build of
/// its web page and is not part of the module, and nothing can be laid over a file of the module cache. In
/// its own folder it is built with its own `go.mod`, with the versions that it was released with; the ones
/// that Prometheus raises (automemlimit) it does not compile with.
fn copy_alertmanager(pinned: &Path, copy: &Path) -> Result<()> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Download {
        dir: PathBuf,
    }
    let output = Command::new("go")
        .current_dir(pinned)
        .args(["mod", "download", "-json", ALERTMANAGER_MODULE])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run go")?;
    ensure!(
        output.status.success(),
        "go mod download of {ALERTMANAGER_MODULE} failed ({})",
        output.status
    );
    let download: Download =
        serde_json::from_slice(&output.stdout).context("go mod download -json wrote no JSON")?;
    copy_tree(&download.dir, copy)
        .with_context(|| format!("cannot copy {}", download.dir.display()))?;
    let page = copy.join("ui/app/dist");
    fs::create_dir_all(&page).context("cannot create a placeholder page")?;
    fs::write(
        page.join("index.html"),
        "<!doctype html><title>Alertmanager</title>\n",
    )
    .context("cannot write a placeholder page")
}

/// Copies files and folders, not their permissions: the module cache is read-only.
fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::write(target, fs::read(entry.path())?)?;
        }
    }
    Ok(())
}

fn require_go() -> Result<()> {
    let wanted = format!("{}.{}", GO.0, GO.1);
    match go_version() {
        Ok(version) if version >= GO => Ok(()),
        Ok((major, minor)) => bail!(UsageError(format!(
            "today's servers need Go {wanted} or newer, and the PATH has Go {major}.{minor}; install a newer one (https://go.dev/dl)"
        ))),
        Err(error) => bail!(UsageError(format!(
            "today's servers are built with Go {wanted} or newer, and no usable one is on the PATH ({error:#}); install it (https://go.dev/dl)"
        ))),
    }
}

/// Major and minor version of the Go on the PATH.
fn go_version() -> Result<(u32, u32)> {
    let output = Command::new("go")
        .args(["env", "GOVERSION"])
        // Not the version that a go.mod above us would switch to.
        .env("GOTOOLCHAIN", "local")
        .current_dir("/")
        .stdin(Stdio::null())
        .output()
        .context("go")?;
    let text = String::from_utf8_lossy(&output.stdout);
    parse_go_version(&text).with_context(|| format!("`go env GOVERSION` printed {text:?}"))
}

fn parse_go_version(text: &str) -> Option<(u32, u32)> {
    let (major, rest) = text.trim().strip_prefix("go")?.split_once('.')?;
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_go_are_read_as_it_prints_them() {
        for (text, expected) in [
            ("go1.26.8\n", Some((1, 26))),
            ("go1.26rc1", Some((1, 26))),
            ("go1.9", Some((1, 9))),
            ("devel", None),
            ("", None),
        ] {
            assert_eq!(parse_go_version(text), expected, "{text}");
        }
    }

    #[test]
    fn every_program_is_a_tool_of_the_pinned_module() {
        let file = fs::read_to_string(crate::root().join("xtask/servers/go.mod")).unwrap();
        for source in SOURCES {
            for program in source.programs {
                let tool = format!("{}/{}/{program}", source.module, source.folder);
                assert!(file.contains(&tool), "{tool}");
            }
        }
    }
}
