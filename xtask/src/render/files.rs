//! A whole set of generated files, written or compared as one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Generated files by their path under the workspace, and the folders that hold nothing else.
#[derive(Debug, Default)]
pub struct FileSet {
    files: BTreeMap<PathBuf, String>,
    folders: BTreeSet<PathBuf>,
}

impl FileSet {
    /// An empty set that owns `folders`: whatever else lies in one is stale.
    #[must_use]
    pub fn new(folders: &[&str]) -> Self {
        Self {
            files: BTreeMap::new(),
            folders: folders.iter().map(PathBuf::from).collect(),
        }
    }

    /// Adds a file.
    pub fn add(&mut self, path: impl Into<PathBuf>, text: String) {
        self.files.insert(path.into(), text);
    }

    /// Adds the files and folders of another set.
    pub fn extend(&mut self, other: Self) {
        self.files.extend(other.files);
        self.folders.extend(other.folders);
    }

    /// The files.
    pub fn files(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.files
            .iter()
            .map(|(path, text)| (path.as_path(), text.as_str()))
    }

    /// Writes every file under `root` and removes stale ones from the owned folders; returns what was
    /// written.
    ///
    /// # Errors
    /// A file or folder that cannot be written.
    pub fn write(&self, root: &Path) -> anyhow::Result<Vec<PathBuf>> {
        for stale in self.stale(root)? {
            fs::remove_file(root.join(&stale))
                .with_context(|| format!("cannot remove {}", stale.display()))?;
        }
        let mut written = Vec::new();
        for (path, text) in &self.files {
            let target = root.join(path);
            let context = || format!("cannot write {}", target.display());
            if let Some(folder) = target.parent() {
                fs::create_dir_all(folder).with_context(context)?;
            }
            fs::write(&target, text).with_context(context)?;
            written.push(target);
        }
        Ok(written)
    }

    /// How the files under `root` differ, one line each; empty when they do not.
    ///
    /// # Errors
    /// An owned folder that cannot be listed.
    pub fn drift(&self, root: &Path) -> anyhow::Result<Vec<String>> {
        let mut drift = Vec::new();
        for (path, text) in &self.files {
            match fs::read_to_string(root.join(path)) {
                Ok(found) if found == *text => {}
                Ok(found) => drift.push(first_difference(path, &found, text)),
                Err(_) => drift.push(format!("{}: missing", path.display())),
            }
        }
        let stale = self.stale(root)?.into_iter();
        drift.extend(stale.map(|path| format!("{}: stale, nothing renders it", path.display())));
        Ok(drift)
    }

    fn stale(&self, root: &Path) -> anyhow::Result<Vec<PathBuf>> {
        let mut stale = Vec::new();
        for folder in &self.folders {
            if !root.join(folder).exists() {
                continue;
            }
            let entries = fs::read_dir(root.join(folder))
                .with_context(|| format!("cannot list {}", folder.display()))?;
            for entry in entries {
                let path = folder.join(entry?.file_name());
                // A folder that holds one of the files is none of the stale ones.
                if !self.files.keys().any(|file| file.starts_with(&path)) {
                    stale.push(path);
                }
            }
        }
        stale.sort();
        Ok(stale)
    }
}

fn first_difference(path: &Path, found: &str, rendered: &str) -> String {
    let line = found
        .lines()
        .zip(rendered.lines())
        .take_while(|(a, b)| a == b)
        .count();
    format!(
        "{}:{}: differs from what is rendered",
        path.display(),
        line + 1
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> FileSet {
        let mut set = FileSet::new(&["out"]);
        set.add("out/a.json", "1\n2\n".to_owned());
        set.add("b.yml", "x\n".to_owned());
        set
    }

    #[test]
    fn what_was_written_does_not_drift() {
        let root = tempfile::tempdir().unwrap();
        set().write(root.path()).unwrap();
        assert_eq!(set().drift(root.path()).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn changed_missing_and_stale_files_are_drift() {
        let root = tempfile::tempdir().unwrap();
        set().write(root.path()).unwrap();
        fs::write(root.path().join("out/a.json"), "1\n3\n").unwrap();
        fs::write(root.path().join("out/old.json"), "").unwrap();
        fs::remove_file(root.path().join("b.yml")).unwrap();
        let drift = set().drift(root.path()).unwrap();
        assert_eq!(
            drift,
            [
                "b.yml: missing",
                "out/a.json:2: differs from what is rendered",
                "out/old.json: stale, nothing renders it",
            ]
        );
        set().write(root.path()).unwrap();
        assert!(!root.path().join("out/old.json").exists());
    }
}
