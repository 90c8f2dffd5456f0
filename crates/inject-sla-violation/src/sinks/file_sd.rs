//! The server's file_sd to Prometheus: a file-based service discovery file.
//!
//! Specification: <https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config>

use std::path::{Path, PathBuf};

use seamless_cli::{FileError, UsageError, write_atomically};
use seamless_core::schema::DRILL_LABEL;
use serde::{Deserialize, Serialize};

/// The file, which exists as long as this does.
pub(super) struct FileSd {
    path: PathBuf,
    present: bool,
}

#[derive(Serialize, Deserialize)]
struct TargetGroup {
    targets: Vec<String>,
    labels: std::collections::BTreeMap<String, String>,
}

impl FileSd {
    /// Refuses a file that somebody else wrote: it would be gone afterwards. One that an earlier drill
    /// left behind, killed before it could remove it, is taken over.
    pub(super) fn check(path: &Path) -> anyhow::Result<()> {
        seamless_cli::check_writable(path)?;
        let Ok(text) = std::fs::read(path) else {
            return Ok(());
        };
        let groups: Result<Vec<TargetGroup>, _> = serde_json::from_slice(&text);
        let ours = groups.is_ok_and(|groups| {
            groups
                .iter()
                .all(|group| group.labels.contains_key(DRILL_LABEL))
        });
        if ours {
            return Ok(());
        }
        Err(UsageError(format!(
            "--file-sd {}: the file exists and is no drill's; it would be overwritten and removed at exit, \
             so give a path of its own",
            path.display()
        ))
        .into())
    }

    /// Writes the file.
    pub(super) fn write(path: &Path, target: &str, drill_id: &str) -> Result<Self, FileError> {
        let group = TargetGroup {
            targets: vec![target.to_owned()],
            labels: [(DRILL_LABEL.to_owned(), drill_id.to_owned())].into(),
        };
        write_atomically(path, |file| {
            serde_json::to_writer_pretty(&mut *file, &[group])?;
            file.write_all(b"\n")
        })?;
        Ok(Self {
            path: path.to_owned(),
            present: true,
        })
    }

    /// Removes the file.
    pub(super) fn remove(mut self) -> Result<(), FileError> {
        self.present = false;
        let path = self.path.clone();
        std::fs::remove_file(&path).map_err(|source| FileError { path, source })
    }
}

impl Drop for FileSd {
    fn drop(&mut self) {
        if self.present {
            // On the way out after another failure; that one is reported.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
