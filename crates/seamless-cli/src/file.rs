//! Files that appear whole or not at all.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::Builder;

/// A file could not be written; what was there before is untouched.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}", path.display())]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// Writes `path` atomically: into a temporary file beside it, flushed to disk, then renamed over it.
/// The file's permissions are kept; a new one is readable by all, for collectors that run as another
/// user. A link keeps pointing where it does: what it points to is replaced.
///
/// # Errors
/// [`FileError`]; the temporary file is removed and the old file stays whole. A device, a pipe or a
/// socket is refused: a rename would put a file in its place.
pub fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), FileError> {
    attempt(path, write).map_err(|source| FileError {
        path: path.to_owned(),
        source,
    })
}

/// Checks that `path` can be written atomically, changing nothing that lasts.
///
/// # Errors
/// [`FileError`].
pub fn check_writable(path: &Path) -> Result<(), FileError> {
    temporary_beside(path)
        .map(drop)
        .map_err(|source| FileError {
            path: path.to_owned(),
            source,
        })
}

fn temporary_beside(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    match fs::metadata(path).map(|metadata| metadata.file_type()) {
        Ok(kind) if kind.is_dir() => return Err(io::Error::from(io::ErrorKind::IsADirectory)),
        Ok(kind) if !kind.is_file() => {
            let reason = "it is a device, a pipe or a socket, not a file";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        Ok(_) | Err(_) => {}
    }
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it has no file name",
        ));
    };
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    if folder.is_some_and(|folder| !folder.exists()) {
        let reason = "its folder does not exist";
        return Err(io::Error::new(io::ErrorKind::NotFound, reason));
    }
    let mut prefix = std::ffi::OsString::from(".");
    prefix.push(name);
    Builder::new()
        .prefix(&prefix)
        .suffix(".tmp")
        .tempfile_in(folder.unwrap_or_else(|| Path::new(".")))
        .map_err(|error| io::Error::from(error.kind()))
}

fn attempt(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    // A rename over a link would replace the link; what it points to is meant.
    let path = &*if path.is_symlink() {
        fs::canonicalize(path)?
    } else {
        path.to_owned()
    };
    let mut temporary = temporary_beside(path)?;
    let mode = fs::metadata(path).map_or(0o644, |metadata| metadata.permissions().mode());
    {
        let mut buffered = io::BufWriter::new(temporary.as_file_mut());
        write(&mut buffered)?;
        buffered.flush()?;
    }
    temporary
        .as_file()
        .set_permissions(Permissions::from_mode(mode))?;
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        write_atomically(&path, |file| file.write_all(b"old")).unwrap();
        let failed = write_atomically(&path, |file| {
            file.write_all(b"ne")?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn new_files_are_readable_by_all_and_old_permissions_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        write_atomically(&path, |file| file.write_all(b"1")).unwrap();
        assert_eq!(mode(), 0o644);
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        write_atomically(&path, |file| file.write_all(b"2")).unwrap();
        assert_eq!(mode(), 0o600);
    }

    #[test]
    fn what_is_no_file_is_refused_and_a_link_is_followed() {
        use std::os::unix::fs::symlink;

        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let listening = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(check_writable(&socket).is_err());
        assert!(write_atomically(&socket, |file| file.write_all(b"x")).is_err());
        assert!(!fs::metadata(&socket).unwrap().is_file());
        drop(listening);

        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        symlink(&file, &link).unwrap();
        write_atomically(&link, |out| out.write_all(b"new")).unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"new");
    }

    #[test]
    fn a_folder_or_a_missing_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check_writable(folder.path()).is_err());
        assert!(check_writable(&folder.path().join("no/out")).is_err());
        assert!(check_writable(&folder.path().join("out")).is_ok());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
