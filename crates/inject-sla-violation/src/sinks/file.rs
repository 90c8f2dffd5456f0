//! A file that always holds one whole document.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use seamless_cli::FileError;
use seamless_core::exposition::Format;

use super::{Picture, SinkError};
use crate::document::Document;

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

    pub(super) fn show(&self, picture: &Picture) -> Result<(), SinkError> {
        write(&self.path, picture).map_err(|error| SinkError {
            doing: "cannot write",
            target: self.target(),
            problem: error.source.to_string(),
            lasting: true,
        })
    }
}

/// Writes one document, atomically.
pub(crate) fn write(path: &Path, picture: &Picture) -> Result<(), FileError> {
    let document = Document::new(
        Arc::clone(&picture.cast),
        Arc::clone(&picture.frame),
        Format::Text,
    );
    seamless_cli::write_atomically(path, |file| {
        for piece in document {
            file.write_all(&piece)?;
        }
        Ok(())
    })
}
