//! The Debian package, built by `dpkg-deb` from a staged tree.
//!
//! The health check's timer is installed and left off: only a person knows the URLs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::layout::Layout;
use super::{Release, output, run_tool};

const MAINTAINER: &str = "seamless-ops maintainers <seamless-ops@example.com>";

/// The services whose settings on an installed system the administrator owns.
const SERVICES: [&str; 2] = ["seamless-health-check", "seamless-lease-list"];

const POSTINST: &str = "\
#!/bin/sh
set -e
if [ \"$1\" = configure ] && command -v systemd-sysusers >/dev/null; then
    systemd-sysusers seamless-ops.conf
fi
if [ \"$1\" = configure ] && [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload || true
fi
";

const PRERM: &str = "\
#!/bin/sh
set -e
if [ \"$1\" = remove ] && [ -d /run/systemd/system ]; then
    deb-systemd-invoke stop seamless-health-check.timer seamless-lease-list.timer || true
fi
";

/// Builds `seamless-ops_VERSION_ARCH.deb`.
pub(super) fn package(layout: &Layout, release: &Release, out: &Path) -> Result<PathBuf> {
    let staging = tempfile::tempdir().context("no temporary folder")?;
    let tree = staging.path().join("tree");
    let usr = tree.join("usr");
    layout.write(&usr)?;
    to_debian_policy(&usr, release)?;
    let mut conffiles = String::new();
    for service in SERVICES {
        let defaults = format!("etc/default/{service}");
        let source = format!("xtask/packaging/systemd/{service}.default");
        let text =
            fs::read_to_string(crate::root().join(source)).context("a service's defaults")?;
        put(&tree.join(&defaults), &text, 0o644)?;
        conffiles.push_str(&format!("/{defaults}\n"));
    }
    let depends = depends(layout, &usr, staging.path())?;
    let control = tree.join("DEBIAN");
    put(&control.join("conffiles"), &conffiles, 0o644)?;
    put(&control.join("postinst"), POSTINST, 0o755)?;
    put(&control.join("prerm"), PRERM, 0o755)?;
    put(&control.join("md5sums"), &md5sums(&tree)?, 0o644)?;
    let size = output(
        Command::new("du")
            .args(["-sk", "--apparent-size"])
            .arg(&usr),
    )?;
    let size = size.split_whitespace().next().unwrap_or_default();
    put(
        &control.join("control"),
        &format!(
            "\
Package: seamless-ops
Version: {}
Architecture: {}
Maintainer: {MAINTAINER}
Installed-Size: {size}
Depends: {depends}
Recommends: ca-certificates
Suggests: prometheus, prometheus-alertmanager
Section: admin
Priority: optional
Description: operations tools of the Seamless runtime
 Three programs for those on call: seamless-health-check says whether metrics,
 alerts and the coordinator are well, lease-recover ends stuck backfill leases,
 and inject-sla-violation rehearses an incident. With them come the alert rules,
 the routes, the dashboards, Kubernetes manifests and the runbook.
",
            release.version, release.architecture
        ),
        0o644,
    )?;
    folders_to_0755(&tree)?;
    let path = out.join(format!(
        "seamless-ops_{}_{}.deb",
        release.version, release.architecture
    ));
    run_tool(
        Command::new("dpkg-deb")
            .env("SOURCE_DATE_EPOCH", &release.epoch)
            .args(["--root-owner-group", "-Zxz", "--build"])
            .arg(&tree)
            .arg(&path),
    )?;
    Ok(path)
}

/// What Debian asks of a package beyond the release's own layout.
fn to_debian_policy(usr: &Path, release: &Release) -> Result<()> {
    let doc = usr.join("share/doc/seamless-ops");
    // The licences are named in `copyright`; their full texts are on every Debian system, or in it.
    fs::remove_file(doc.join("LICENSE-APACHE")).context("LICENSE-APACHE")?;
    let mit = fs::read_to_string(doc.join("LICENSE-MIT")).context("LICENSE-MIT")?;
    fs::remove_file(doc.join("LICENSE-MIT")).context("LICENSE-MIT")?;
    put(&doc.join("copyright"), &copyright(&mit), 0o644)?;
    let date = output(Command::new("date").args([
        "--utc",
        "--rfc-email",
        &format!("--date=@{}", release.epoch),
    ]))?;
    let changelog = format!(
        "seamless-ops ({}) unstable; urgency=medium\n\n  * See README.md and docs/.\n\n -- {MAINTAINER}  {date}\n",
        release.version
    );
    put(&doc.join("changelog"), &changelog, 0o644)?;
    let mut compressed = vec![doc.join("changelog")];
    for page in fs::read_dir(usr.join("share/man/man1")).context("man pages")? {
        compressed.push(page?.path());
    }
    run_tool(Command::new("gzip").arg("-9n").args(compressed))
}

fn copyright(mit: &str) -> String {
    let text: String = mit
        .lines()
        .map(|line| match line.trim() {
            "" => " .\n".to_owned(),
            line => format!(" {line}\n"),
        })
        .collect();
    format!(
        "\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: seamless-ops

Files: *
Copyright: 2026 the seamless-ops authors
License: Expat or Apache-2.0

License: Expat
{text}
License: Apache-2.0
 On Debian systems, the full text of the Apache License, Version 2.0, is in
 /usr/share/common-licenses/Apache-2.0.
"
    )
}

/// The libraries that the programs are linked against, as package relations.
fn depends(layout: &Layout, usr: &Path, staging: &Path) -> Result<String> {
    // The tool insists on a source package around it.
    put(
        &staging.join("debian/control"),
        &format!(
            "Source: seamless-ops\nMaintainer: {MAINTAINER}\n\nPackage: seamless-ops\nArchitecture: any\nDescription: x\n x\n"
        ),
        0o644,
    )?;
    let found = output(
        Command::new("dpkg-shlibdeps")
            .arg("-O")
            .args(layout.programs().map(|path| usr.join(path)))
            .current_dir(staging),
    )?;
    let depends = found
        .lines()
        .find_map(|l| l.strip_prefix("shlibs:Depends="));
    Ok(depends
        .context("dpkg-shlibdeps found no library at all")?
        .to_owned())
}

fn md5sums(tree: &Path) -> Result<String> {
    let sums = output(
        Command::new("find")
            .args(["usr", "-type", "f", "-exec", "md5sum", "{}", "+"])
            .current_dir(tree),
    )?;
    let mut lines: Vec<&str> = sums.lines().collect();
    lines.sort_unstable_by_key(|line| line.split_whitespace().nth(1));
    Ok(lines.join("\n") + "\n")
}

/// Folders are made with the caller's umask; a package's are not his affair.
fn folders_to_0755(tree: &Path) -> Result<()> {
    run_tool(
        Command::new("find")
            .arg(tree)
            .args(["-type", "d", "-exec", "chmod", "0755", "{}", "+"]),
    )
}

fn put(path: &Path, text: &str, mode: u32) -> Result<()> {
    let context = || format!("cannot write {}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(context)?;
    }
    fs::write(path, text).with_context(context)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).with_context(context)
}
