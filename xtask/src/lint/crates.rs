//! Checks of who may depend on whom: binary, then seamless-cli, then seamless-core, and never the lab in
//! anything that ships.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};
use serde::Deserialize;

use super::Finding;

/// What each of our crates may depend on, among our crates. A crate that is not listed may not exist.
const ALLOWED: &[(&str, &[&str])] = &[
    ("seamless-core", &[]),
    ("seamless-cli", &["seamless-core"]),
    ("inject-sla-violation", &["seamless-cli", "seamless-core"]),
    ("lease-recover", &["seamless-cli", "seamless-core"]),
    ("seamless-health-check", &["seamless-cli", "seamless-core"]),
    ("seamless-fuzz", &["lease-recover", "seamless-core"]),
    ("seamless-lab", &["seamless-cli", "seamless-core"]),
    // It writes the programs' man pages and completions from their own arguments.
    (
        "xtask",
        &[
            "inject-sla-violation",
            "lease-recover",
            "seamless-health-check",
            "seamless-cli",
            "seamless-core",
            "seamless-lab",
        ],
    ),
];

/// What tests alone may use on top.
const ALLOWED_IN_TESTS: &[&str] = &["seamless-lab", "seamless-fuzz"];

/// The part of `cargo metadata` that is looked at.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Clone, Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Clone, Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

/// Asks cargo about the workspace.
///
/// # Errors
/// Cargo fails, or answers something else.
pub(super) fn metadata(root: &Path) -> anyhow::Result<Metadata> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(root)
        .output()
        .context("cargo metadata cannot be run")?;
    if !output.status.success() {
        bail!(
            "cargo metadata: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    serde_json::from_slice(&output.stdout).context("cargo metadata")
}

pub(super) fn check(metadata: &Metadata) -> Vec<Finding> {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let ours = |name: &str| metadata.packages.iter().any(|package| package.name == name);
    let mut found = Vec::new();
    for package in &metadata.packages {
        let place = format!("crate {}", package.name);
        let Some(may) = allowed.get(package.name.as_str()) else {
            found.push(Finding::new(
                place,
                "layers",
                "the layers do not know this crate",
            ));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|d| ours(&d.name)) {
            let for_tests = dependency.kind.as_deref() == Some("dev");
            let name = dependency.name.as_str();
            let allowed = may.contains(&name) || for_tests && ALLOWED_IN_TESTS.contains(&name);
            if !allowed {
                found.push(Finding::new(
                    &place,
                    "layers",
                    format!("may not depend on {name}"),
                ));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(packages: &str) -> Vec<String> {
        let metadata = serde_json::from_str(&format!("{{\"packages\": {packages}}}")).unwrap();
        check(&metadata).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_workspace_keeps_its_layers() {
        let metadata = metadata(&crate::root()).unwrap();
        assert_eq!(metadata.packages.len(), ALLOWED.len());
        assert_eq!(check(&metadata), []);
    }

    #[test]
    fn a_binary_may_not_use_another_nor_ship_the_lab() {
        let found = findings(
            r#"[{"name": "lease-recover", "dependencies": [
                 {"name": "seamless-core", "kind": null},
                 {"name": "seamless-lab", "kind": null},
                 {"name": "inject-sla-violation", "kind": "dev"}]},
                {"name": "seamless-core", "dependencies": [{"name": "seamless-lab", "kind": "dev"}]},
                {"name": "seamless-lab", "dependencies": []},
                {"name": "inject-sla-violation", "dependencies": []},
                {"name": "seamless-extra", "dependencies": []}]"#,
        );
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("seamless-lab"));
        assert!(found[1].contains("inject-sla-violation"));
        assert!(found[2].contains("seamless-extra"));
    }
}
