//! The server's entry in a file-based service discovery file, beside those of other drills.
//!
//! Specification: <https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config>

use std::io;
use std::path::{Path, PathBuf};

use seamless_cli::{FileError, FolderLock, UsageError, write_atomically};
use seamless_core::schema::DRILL_LABEL;
use serde::{Deserialize, Serialize};

/// The entry, which is there as long as this is.
pub(super) struct FileSd {
    path: PathBuf,
    drill_id: String,
    present: bool,
}

#[derive(Serialize, Deserialize)]
struct TargetGroup {
    targets: Vec<String>,
    labels: std::collections::BTreeMap<String, String>,
}

impl TargetGroup {
    fn is_of(&self, drill_id: &str) -> bool {
        self.labels
            .get(DRILL_LABEL)
            .is_some_and(|id| id == drill_id)
    }

    /// Why no second drill of this id can be announced: the end of one would take the other's entry.
    fn taken(&self) -> String {
        let id = self.labels.get(DRILL_LABEL).map_or("", String::as_str);
        format!(
            "it announces a drill {id} at {} already, which runs or was killed (--cleanup {id} removes the entry); give another \
             --drill-id (or --seed)",
            self.targets.join(", ")
        )
    }
}

impl FileSd {
    /// Refuses a file that is not made of drills' entries alone, since Prometheus might need what else is in it,
    /// and one that announces a drill of this id.
    pub(super) fn check(path: &Path, drill_id: &str) -> anyhow::Result<()> {
        seamless_cli::check_writable(path)?;
        match entries(path) {
            Ok(None) => Ok(()),
            Ok(Some(entries))
                if !entries.is_empty()
                    && entries
                        .iter()
                        .all(|entry| entry.labels.contains_key(DRILL_LABEL)) =>
            {
                match entries.iter().find(|entry| entry.is_of(drill_id)) {
                    Some(entry) => Err(UsageError(format!("--file-sd {}: {}", path.display(), entry.taken())).into()),
                    None => Ok(()),
                }
            }
            Ok(_) | Err(_) => Err(UsageError(format!(
                "--file-sd {}: the file exists and is no drill's; give a path that drills have for themselves",
                path.display()
            ))
            .into()),
        }
    }

    /// Adds the drill's entry. An older one for the same address is of a drill that was killed, since this
    /// one listens there now.
    pub(super) fn write(path: &Path, target: &str, drill_id: &str) -> Result<Self, FileError> {
        let _lock = FolderLock::beside(path)?;
        let mut list = entries(path).map_err(at(path))?.unwrap_or_default();
        if let Some(entry) = list.iter().find(|entry| entry.is_of(drill_id)) {
            return Err(at(path)(io::Error::other(entry.taken())));
        }
        list.retain(|entry| !entry.targets.iter().any(|t| t == target));
        list.push(TargetGroup {
            targets: vec![target.to_owned()],
            labels: [(DRILL_LABEL.to_owned(), drill_id.to_owned())].into(),
        });
        save(path, &list)?;
        Ok(Self {
            path: path.to_owned(),
            drill_id: drill_id.to_owned(),
            present: true,
        })
    }

    /// Removes the entry.
    pub(super) fn remove(mut self) -> Result<(), FileError> {
        self.present = false;
        remove(&self.path, &self.drill_id).map(drop)
    }
}

impl Drop for FileSd {
    fn drop(&mut self) {
        if self.present {
            // On the way out after another failure; that one is reported.
            let _ = remove(&self.path, &self.drill_id);
        }
    }
}

/// Removes a drill's entries, and the file with the last of them; then looks whether they are gone. Says
/// whether there were any.
pub(crate) fn remove(path: &Path, drill_id: &str) -> Result<bool, FileError> {
    let _lock = FolderLock::beside(path)?;
    let Some(mut list) = entries(path).map_err(at(path))? else {
        return Ok(false);
    };
    let before = list.len();
    list.retain(|entry| !entry.is_of(drill_id));
    if list.len() == before {
        return Ok(false);
    }
    if list.is_empty() {
        seamless_cli::remove_file(path)?;
    } else {
        save(path, &list)?;
    }
    let left = entries(path).map_err(at(path))?.unwrap_or_default();
    if left.iter().any(|entry| entry.is_of(drill_id)) {
        return Err(at(path)(io::Error::other(
            "the drill's entry is still there",
        )));
    }
    Ok(true)
}

fn at(path: &Path) -> impl Fn(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError {
        path: path.clone(),
        source,
    }
}

/// The file's entries; none where there is no file.
fn entries(path: &Path) -> io::Result<Option<Vec<TargetGroup>>> {
    // Reading a pipe would wait for whoever writes to it.
    if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(io::Error::other("it is no regular file"));
    }
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn save(path: &Path, entries: &[TargetGroup]) -> Result<(), FileError> {
    write_atomically(path, |file| {
        serde_json::to_writer_pretty(&mut *file, entries)?;
        file.write_all(b"\n")
    })
}
