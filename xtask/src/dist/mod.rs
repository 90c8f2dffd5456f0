//! `cargo xtask dist`: what an operator installs.
//!
//! Owns the run: the programs built, what a release needs beside them generated, a Debian package by cargo-deb,
//! which has the list of files in `xtask/Cargo.toml`, and from that package the tarball. It publishes nothing.

mod kubernetes;
mod notices;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail};
use seamless_cli::UsageError;

use crate::drill::programs::Programs;

/// Arguments of `cargo xtask dist`.
#[derive(clap::Args)]
pub struct DistArgs {
    /// Write the tarball, the package and the manifests into this folder.
    #[arg(long, value_name = "DIR", default_value = "target/dist")]
    out: PathBuf,
    /// Use the three programs in this folder instead of building them.
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
}

/// Builds the release and prints what was written.
///
/// # Errors
/// If a program does not build, or one of the packaging tools is missing or fails.
pub fn run(args: &DistArgs) -> Result<ExitCode> {
    let root = crate::root();
    let programs = match &args.programs {
        Some(folder) => Programs::found_in(folder)?,
        None => Programs::build(true)?,
    };
    let out = root.join(&args.out);
    fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    let epoch = epoch(&root)?;
    stage(&root, &programs)?;
    // The programs of this host: never cross-built ones.
    let architecture = output(Command::new("dpkg").arg("--print-architecture"))?;
    let version = env!("CARGO_PKG_VERSION");
    let package = out.join(format!("seamless-ops_{version}_{architecture}.deb"));
    let name = format!("seamless-ops-{version}-{architecture}");
    output(
        Command::new("cargo-deb")
            .args([
                "--package",
                env!("CARGO_PKG_NAME"),
                "--no-build",
                "--output",
            ])
            .arg(&package)
            .env("SOURCE_DATE_EPOCH", &epoch)
            .current_dir(&root),
    )?;
    let tarball = tarball(&root, &package, &name, &epoch)?;
    let mut written = vec![tarball, package];
    written.extend(kubernetes::files(&root)?.write(&out)?);
    let mut stdout = std::io::stdout().lock();
    for path in written {
        writeln!(stdout, "{}", path.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Puts what is not a file of the workspace where the list of files in `Cargo.toml` expects it.
fn stage(root: &Path, programs: &Programs) -> Result<()> {
    let folder = crate::target().join("release/dist");
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    let bin = folder.join("bin");
    fs::create_dir_all(&bin).with_context(|| format!("cannot make {}", bin.display()))?;
    for program in [&programs.inject, &programs.recover, &programs.health] {
        let name = program.file_name().context("a program without a name")?;
        fs::copy(program, bin.join(name)).with_context(|| program.display().to_string())?;
    }
    fs::write(
        folder.join("THIRD-PARTY-LICENSES"),
        notices::third_party(root)?,
    )
    .context("THIRD-PARTY-LICENSES")?;
    kubernetes::files(root)?.write(&folder)?;
    Ok(())
}

/// Seconds since the epoch that every file carries, so that the same commit gives the same archives. An unpacked
/// source archive has no history; the environment then says when it was made.
fn epoch(root: &Path) -> Result<String> {
    let mut git = Command::new("git");
    let git = git.args(["log", "-1", "--format=%ct"]).current_dir(root);
    std::env::var("SOURCE_DATE_EPOCH")
        .or_else(|_| output(git))
        .context("neither SOURCE_DATE_EPOCH nor a git history says when this release was made")
}

/// `NAME.tar.gz`, with one folder of that name in it: what the package puts below `/usr`, and both licences.
fn tarball(root: &Path, package: &Path, name: &str, epoch: &str) -> Result<PathBuf> {
    let staging = tempfile::tempdir().context("no temporary folder")?;
    output(
        Command::new("dpkg-deb")
            .arg("--extract")
            .args([package, staging.path()]),
    )?;
    let folder = staging.path().join(name);
    fs::rename(staging.path().join("usr"), &folder).context("a package without /usr")?;
    for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
        let doc = folder.join("share/doc/seamless-ops");
        fs::copy(root.join(licence), doc.join(licence)).context(licence)?;
    }
    let path = package.with_file_name(format!("{name}.tar.gz"));
    output(
        Command::new("tar")
            .args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner"])
            .arg(format!("--mtime=@{epoch}"))
            .args(["--use-compress-program=gzip -9n", "--create", "--file"])
            .arg(&path)
            .arg("--directory")
            .arg(staging.path())
            .arg(name),
    )?;
    Ok(path)
}

/// Runs a tool and returns its stdout without the last line's end.
fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = match command.stdin(Stdio::null()).output() {
        Ok(done) => done,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let install = match name.as_str() {
                "cargo-deb" => "cargo install cargo-deb --locked",
                _ => "sudo apt-get install -y dpkg-dev git gzip tar",
            };
            bail!(UsageError(format!("{name} is missing. Run:\n  {install}")));
        }
        Err(error) => return Err(error).with_context(|| format!("cannot run {name}")),
    };
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        bail!("{name} failed ({}): {}", done.status, said.trim());
    }
    let text = String::from_utf8(done.stdout).with_context(|| format!("{name}'s output"))?;
    Ok(text.trim_end().to_owned())
}
