//! The licences of what is compiled into the programs.
//!
//! The texts are those that each package ships in its own source; none is made up. A package that ships
//! none is listed with the licence that it declares.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};

use super::output;
use crate::drill::programs::NAMES;

/// How the names of files with licence texts begin.
const FILES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE"];

/// The document: each text once, under the packages that ship it.
pub(super) fn third_party(root: &Path) -> Result<String> {
    let version = output(std::process::Command::new(env!("CARGO")).arg("-Vv"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let metadata = MetadataCommand::new()
        .current_dir(root)
        .other_options([
            "--locked".to_owned(),
            "--filter-platform".to_owned(),
            host.context("cargo -Vv names no host")?.to_owned(),
        ])
        .exec()
        .context("cannot read the dependencies")?;
    let mut by_text: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut without = Vec::new();
    for package in compiled_in(&metadata)? {
        let declared = package.license.as_deref().unwrap_or("no licence declared");
        let name = format!("{} {} ({declared})", package.name, package.version);
        let texts = texts(package)?;
        if texts.is_empty() {
            without.push(name);
            continue;
        }
        for text in texts {
            by_text.entry(text).or_default().push(name.clone());
        }
    }
    let mut document =
        "The programs contain these packages, under the licences that follow them.\n".to_owned();
    for (text, names) in by_text {
        document.push_str(&format!(
            "\n{}\n{}\n\n{}\n",
            "=".repeat(80),
            names.join("\n"),
            text.trim_end()
        ));
    }
    if !without.is_empty() {
        let rule = "=".repeat(80);
        let names = without.join("\n");
        document.push_str(&format!(
            "\n{rule}\nWithout a licence text in their source:\n{names}\n"
        ));
    }
    Ok(document)
}

/// The packages of others that end up in a program, by name and version.
fn compiled_in(metadata: &Metadata) -> Result<Vec<&Package>> {
    let resolve = metadata
        .resolve
        .as_ref()
        .context("cargo resolved nothing")?;
    let nodes: BTreeMap<&PackageId, _> =
        resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let programs = metadata
        .packages
        .iter()
        .filter(|package| NAMES.contains(&package.name.as_str()));
    let mut waiting: Vec<&PackageId> = programs.map(|package| &package.id).collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        if !seen.insert(id) {
            continue;
        }
        let node = nodes.get(id).context("an unresolved dependency")?;
        let normal = node.deps.iter().filter(|dependency| {
            let mut kinds = dependency.dep_kinds.iter();
            kinds.any(|kind| kind.kind == DependencyKind::Normal)
        });
        waiting.extend(normal.map(|dependency| &dependency.pkg));
    }
    let mut packages: Vec<&Package> = seen
        .into_iter()
        .map(|id| &metadata[id])
        .filter(|package| package.source.is_some())
        .collect();
    packages.sort_by(|left, right| (&left.name, &left.version).cmp(&(&right.name, &right.version)));
    Ok(packages)
}

fn texts(package: &Package) -> Result<Vec<String>> {
    let folder = package
        .manifest_path
        .parent()
        .context("a manifest without a folder")?;
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {folder}"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_uppercase();
        if entry.file_type()?.is_file() && FILES.iter().any(|file| name.starts_with(file)) {
            paths.push(entry.path());
        }
    }
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            Ok(String::from_utf8_lossy(&text).replace("\r\n", "\n"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packages_of_others_are_named_with_their_texts() {
        let document = third_party(&crate::root()).unwrap();
        let named = |name: &str| document.lines().any(|line| line.starts_with(name));
        assert!(named("tokio "), "a dependency of the programs");
        assert!(named("hyper "), "a dependency of a dependency");
        assert!(!named("seamless-core "), "a package of our own");
        assert!(!named("proptest "), "a package of the tests alone");
        assert!(document.contains("Permission is hereby granted, free of charge"));
    }
}
