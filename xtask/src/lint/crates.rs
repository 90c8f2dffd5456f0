//! Checks of who may depend on whom: binary, then seamless-cli, then seamless-core, and never the lab in
//! anything that ships.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

use super::{LintFinding, LintedPlace};

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

/// Asks cargo about the workspace.
///
/// # Errors
/// Cargo fails, or answers something else.
pub(super) fn metadata(root: &Path) -> anyhow::Result<Metadata> {
    MetadataCommand::new()
        .current_dir(root)
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .context("cargo metadata")
}

/// What a package depends on, and whether in tests alone.
type Package<'m> = (&'m str, Vec<(&'m str, bool)>);

/// The packages of the workspace.
pub(super) fn packages(metadata: &Metadata) -> Vec<Package<'_>> {
    let packages = metadata.packages.iter();
    packages
        .map(|package| {
            let dependencies = package.dependencies.iter().map(|dependency| {
                let for_tests = dependency.kind == DependencyKind::Development;
                (dependency.name.as_str(), for_tests)
            });
            (package.name.as_str(), dependencies.collect())
        })
        .collect()
}

pub(super) fn check(packages: &[Package<'_>], found: &mut Vec<LintFinding>) {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    for (package, dependencies) in packages {
        let mut at = LintedPlace::new(found, format!("crate {package}"));
        let Some(may) = allowed.get(package) else {
            at.wrong("layers", "the layers do not know this crate");
            continue;
        };
        let ours = |name: &str| packages.iter().any(|(package, _)| *package == name);
        for (name, for_tests) in dependencies.iter().filter(|(name, _)| ours(name)) {
            let allowed = may.contains(name) || *for_tests && ALLOWED_IN_TESTS.contains(name);
            if !allowed {
                at.wrong("layers", format!("may not depend on {name}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(packages: &[Package<'_>]) -> Vec<String> {
        let mut found = Vec::new();
        check(packages, &mut found);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_workspace_keeps_its_layers() {
        let metadata = metadata(&crate::root()).unwrap();
        let packages = packages(&metadata);
        assert_eq!(packages.len(), ALLOWED.len());
        assert_eq!(findings(&packages), Vec::<String>::new());
    }

    #[test]
    fn a_binary_may_not_use_another_nor_ship_the_lab() {
        let found = findings(&[
            (
                "lease-recover",
                vec![
                    ("seamless-core", false),
                    ("seamless-lab", false),
                    ("inject-sla-violation", true),
                ],
            ),
            ("seamless-core", vec![("seamless-lab", true)]),
            ("seamless-lab", vec![]),
            ("inject-sla-violation", vec![]),
            ("seamless-extra", vec![]),
        ]);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("seamless-lab"));
        assert!(found[1].contains("inject-sla-violation"));
        assert!(found[2].contains("seamless-extra"));
    }
}
