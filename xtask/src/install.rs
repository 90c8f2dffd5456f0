//! The servers and tools that drills and tests need, installed where this user may.
//!
//! Owns which programs are needed and how Debian's package manager brings them. It starts none of the
//! services that the packages bring, stops none, and changes nothing when everything is there.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use seamless_cli::UsageError;
use seamless_lab::servers::{self, Generation, Program};

/// What the drill starts.
pub const FOR_DRILL: &[Program] = &[
    servers::PROMETHEUS,
    servers::ALERTMANAGER,
    servers::NODE_EXPORTER,
];

/// What the coverage of panels and alerts is measured on.
pub const FOR_COVERAGE: &[Program] = &[servers::PROMETHEUS];

/// What the tests start and run.
pub const FOR_TESTS: &[Program] = &[
    servers::PROMETHEUS,
    servers::PROMTOOL,
    servers::ALERTMANAGER,
    servers::AMTOOL,
    servers::PUSHGATEWAY,
    servers::VICTORIA_METRICS,
    servers::NODE_EXPORTER,
    Program {
        names: &["jsonnetfmt"],
        package: "jsonnet",
    },
    Program {
        names: &["xmllint"],
        package: "libxml2-utils",
    },
    seamless_lab::faults::FAKETIME,
];

/// What runs Grafana's own packages.
pub const NODE: Program = Program {
    names: &["node", "nodejs"],
    package: "nodejs",
};
/// What brings them.
pub const NPM: Program = Program {
    names: &["npm"],
    package: "npm",
};
/// What the benchmarks compare with, and what they need to do so.
pub const FOR_BENCH: &[Program] = &[
    servers::PROMETHEUS,
    servers::PROMTOOL,
    Program {
        names: &["jsonnet"],
        package: "jsonnet",
    },
    Program {
        names: &["curl"],
        package: "curl",
    },
    Program {
        names: &["python3"],
        package: "python3-venv",
    },
];

/// Makes sure that every program is there.
///
/// # Errors
/// [`UsageError`] with the exact command, if something is missing and this user may not install it; any
/// other error if the package manager fails.
pub fn ensure(programs: &[Program]) -> Result<()> {
    if Generation::chosen() == Generation::Current {
        crate::servers::ensure_built()?;
    }
    let missing = packages_missing(programs);
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.into_iter().collect();
    let install = format!(
        "apt-get install -y --no-install-recommends {}",
        packages.join(" ")
    );
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!(UsageError(format!(
            "these programs are missing, and this system has no apt-get to install them with: {}",
            packages.join(" ")
        )));
    }
    let Some(as_root) = privilege() else {
        bail!(UsageError(format!(
            "these programs are missing, and installing them needs root. Run:\n  sudo apt-get update && sudo {install}"
        )));
    };
    crate::say(&format!(
        "installing what is missing: {}",
        packages.join(" ")
    ));
    // A machine that never updated its lists knows no packages; one without a network may still have
    // them, so a failure here is no end.
    let _ = apt_get(as_root, &["update"]);
    let arguments = ["install", "-y", "--no-install-recommends"];
    apt_get(as_root, &[&arguments[..], &packages].concat())?;
    let still_missing = packages_missing(programs);
    if !still_missing.is_empty() {
        bail!("installed, and yet not found on the PATH: {still_missing:?}");
    }
    Ok(())
}

fn packages_missing(programs: &[Program]) -> BTreeSet<&'static str> {
    programs
        .iter()
        .filter(|program| program.find().is_none())
        .map(|program| program.package)
        .collect()
}

/// What a command begins with that installs packages, if this user may.
fn privilege() -> Option<&'static [&'static str]> {
    if rustix::process::geteuid().is_root() {
        return Some(&[]);
    }
    let mut sudo = Command::new("sudo");
    sudo.args(["-n", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let may = sudo.status().is_ok_and(|status| status.success());
    may.then_some(&["sudo", "-n"])
}

fn apt_get(as_root: &[&str], arguments: &[&str]) -> Result<()> {
    // The last two variables keep the services that the packages bring from starting: invoke-rc.d and systemctl obey
    // them.
    let command = [
        "env",
        "DEBIAN_FRONTEND=noninteractive",
        "RUNLEVEL=1",
        "SYSTEMD_OFFLINE=1",
        "apt-get",
        "-o",
        "DPkg::Lock::Timeout=300",
    ];
    let mut words = as_root.iter().chain(&command);
    let status = Command::new(words.next().context("no command")?)
        .args(words)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .context("cannot run apt-get")?;
    if !status.success() {
        bail!("apt-get {} failed ({status})", arguments.join(" "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_not_missing_and_packages_are_named_once() {
        let program = |name: &'static [&'static str], package| Program {
            names: name,
            package,
        };
        let missing = packages_missing(&[
            program(&["sh"], "dash"),
            program(&["no-such-a"], "nothing"),
            program(&["no-such-b"], "nothing"),
            program(&["no-such-c", "sh"], "else"),
        ]);
        assert_eq!(Vec::from_iter(missing), ["nothing"]);
    }
}
