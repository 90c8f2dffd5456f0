//! A file that always holds one whole document.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use seamless_cli::FileError;
use seamless_core::exposition::Format;

use super::{SinkError, Snapshot};
use crate::document;

/// A file that is rewritten with every step, for a textfile collector.
pub(crate) struct FileSink {
    path: PathBuf,
}

impl FileSink {
    /// Checks that the file can be written, and writes nothing.
    pub(super) fn open(path: &Path) -> Result<Self, FileError> {
        seamless_cli::check_writable(path)?;
        Ok(Self {
            path: path.to_owned(),
        })
    }

    pub(super) fn target(&self) -> String {
        self.path.display().to_string()
    }

    pub(super) fn show(&self, snapshot: &Snapshot) -> Result<(), SinkError> {
        write(&self.path, snapshot).map_err(|error| SinkError {
            doing: "cannot write",
            target: self.target(),
            problem: error.source.to_string(),
            lasting: true,
        })
    }
}

/// Writes one document, atomically.
pub(crate) fn write(path: &Path, snapshot: &Snapshot) -> Result<(), FileError> {
    let document = document::pieces(
        Arc::clone(&snapshot.series_set),
        Arc::clone(&snapshot.values),
        Format::Text,
    );
    seamless_cli::write_atomically(path, |file| {
        for piece in document {
            file.write_all(&piece)?;
        }
        Ok(())
    })
}
