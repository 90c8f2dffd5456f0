//! A file that always holds one whole document, and is gone when the drill is over.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use seamless_cli::{FileError, UsageError};
use seamless_core::exposition::{Format, read};
use seamless_core::schema::DRILL_LABEL;

use super::{SinkError, Snapshot};
use crate::document;

/// A file that is rewritten with every step, for a textfile collector.
pub(crate) struct FileSink {
    path: PathBuf,
    drill_id: String,
    keep: bool,
    written: bool,
    /// The file as this drill left it.
    left: Option<Stamp>,
}

/// What tells a file from one that somebody else has put or changed there since.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

/// What a file holds, as far as a drill is concerned.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// There is no file, or nothing in it.
    Nothing,
    /// Series of these drills, and no others.
    Drills(BTreeSet<String>),
    /// Series that belong to no drill, or something else entirely.
    Other,
}

impl Held {
    /// Looks into the file.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        // Reading a pipe would wait for whoever writes to it.
        if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            return Ok(Self::Other);
        }
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::Nothing),
            Err(error) => return Err(error),
        };
        if bytes.is_empty() {
            return Ok(Self::Nothing);
        }
        let Ok(document) = read::parse(&bytes) else {
            return Ok(Self::Other);
        };
        let drills: Option<BTreeSet<String>> = document
            .samples()
            .map(|sample| sample.label(DRILL_LABEL).map(str::to_owned))
            .collect();
        Ok(drills
            .filter(|drills| !drills.is_empty())
            .map_or(Self::Other, Self::Drills))
    }

    /// Whether it is this drill's, and nobody else's.
    pub(crate) fn belongs_to(&self, drill_id: &str) -> bool {
        matches!(self, Self::Drills(drills) if drills.len() == 1 && drills.contains(drill_id))
    }
}

impl FileSink {
    /// Checks that the file can be written and removed at the end, and writes nothing.
    pub(super) fn open(path: &Path, drill_id: &str, keep: bool) -> anyhow::Result<Self> {
        seamless_cli::check_writable(path)?;
        let held = Held::of(path).map_err(|source| FileError {
            path: path.to_owned(),
            source,
        })?;
        if !keep {
            refuse_others(path, drill_id, &held)?;
        }
        Ok(Self {
            path: path.to_owned(),
            drill_id: drill_id.to_owned(),
            keep,
            written: false,
            left: None,
        })
    }

    pub(super) fn target(&self) -> String {
        self.path.display().to_string()
    }

    pub(super) const fn is_kept(&self) -> bool {
        self.keep
    }

    pub(super) fn show(&mut self, snapshot: &Snapshot) -> Result<(), SinkError> {
        if !self.keep {
            self.refuse_foreign()?;
        }
        self.written = true;
        let written = write(&self.path, snapshot);
        self.left = Stamp::of(&self.path);
        written.map_err(|error| self.error("cannot write", error.source.to_string()))
    }

    /// What somebody else has put there since the last step is not overwritten.
    fn refuse_foreign(&self) -> Result<(), SinkError> {
        let found = Stamp::of(&self.path);
        if found.is_none() || found == self.left {
            return Ok(());
        }
        match Held::of(&self.path) {
            Ok(Held::Nothing) => Ok(()),
            Ok(held) if held.belongs_to(&self.drill_id) => Ok(()),
            Ok(_) => Err(self.error(
                "will not overwrite",
                "somebody else has written to it since; give a path of its own".to_owned(),
            )),
            Err(error) => Err(self.error("cannot read", error.to_string())),
        }
    }

    fn error(&self, doing: &'static str, problem: String) -> SinkError {
        SinkError {
            doing,
            target: self.target(),
            problem,
            lasting: true,
        }
    }

    pub(super) fn close(&self) -> Result<(), SinkError> {
        if self.keep || !self.written {
            return Ok(());
        }
        remove(&self.path, &self.drill_id).map(drop)
    }
}

/// Removes a drill's file and looks whether it is gone; whatever else stands there now is left alone.
/// Says whether there was one.
pub(crate) fn remove(path: &Path, drill_id: &str) -> Result<bool, SinkError> {
    let failed = |source: io::Error| SinkError {
        doing: "cannot remove",
        target: path.display().to_string(),
        problem: format!("{source}; it shows the drill's last values until it is removed"),
        lasting: true,
    };
    if !Held::of(path).map_err(failed)?.belongs_to(drill_id) {
        return Ok(false);
    }
    seamless_cli::remove_file(path).map_err(|error| failed(error.source))?;
    if Held::of(path).map_err(failed)?.belongs_to(drill_id) {
        return Err(failed(io::Error::other("it is there again")));
    }
    Ok(true)
}

fn refuse_others(path: &Path, drill_id: &str, held: &Held) -> Result<(), UsageError> {
    let shown = path.display();
    match held {
        Held::Nothing => Ok(()),
        held if held.belongs_to(drill_id) => Ok(()),
        Held::Drills(drills) => {
            let other = drills.iter().find(|id| *id != drill_id);
            let other = other.map_or(drill_id, String::as_str);
            Err(UsageError(format!(
                "--write-to {shown}: the file holds series of the drill {other}; give a path of its own, or, if that \
                 drill is over, first --cleanup {other} --write-to {shown}"
            )))
        }
        Held::Other => Err(UsageError(format!(
            "--write-to {shown}: the file exists and is no drill's; it would be overwritten and removed at the end, so \
             give a path of its own"
        ))),
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
