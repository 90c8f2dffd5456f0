//! Files that appear whole or not at all, and those that options name.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use seamless_core::bounds;
use tempfile::Builder;

use crate::exit::UsageError;

/// What a file that an option names may hold, in bytes.
const LONGEST_TEXT: u64 = 64 << 20;

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

/// The text of the file `path`, which `option` names.
///
/// # Errors
/// [`UsageError`] with both if it cannot be read, is larger than 64 MiB, or is not UTF-8.
pub fn text_of(option: &str, path: &Path) -> Result<String, UsageError> {
    fs::File::open(path)
        .and_then(|file| bounds::read_text(file, LONGEST_TEXT))
        .map_err(|error| UsageError(format!("cannot read {option} {}: {error}", path.display())))
}

/// Writes `path` atomically: into a temporary file beside it, flushed to disk, then renamed over it.
/// The file's permissions are kept where it is ours; a new one is readable by all, for collectors that
/// run as another user. A link keeps pointing where it does: what it points to is replaced.
///
/// # Errors
/// [`FileError`]; the temporary file is removed and the old file stays whole. A device, a pipe or a
/// socket is refused: a rename would put a file in its place. So is a link of another user in a folder
/// that all may write to, such as `/tmp`: it may lead anywhere.
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
    resolved(path)
        .and_then(|path| temporary_beside(&path))
        .map(drop)
        .map_err(|source| FileError {
            path: path.to_owned(),
            source,
        })
}

/// Removes a file; one that is gone already is as good. A link is removed itself, not what it points to.
///
/// # Errors
/// [`FileError`].
pub fn remove_file(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError {
            path: path.to_owned(),
            source: error,
        }),
        _ => Ok(()),
    }
}

/// Others that work on files of the same folder wait as long as this is held.
#[derive(Debug)]
pub struct FolderLock {
    _folder: fs::File,
}

impl FolderLock {
    /// How long another run may take to rewrite a small file.
    const PATIENCE: Duration = Duration::from_secs(5);

    /// Locks the folder of `path`, so that what is read from the file is still there when it is written.
    /// The folder and not the file, which is replaced with every write; and no file is left behind.
    ///
    /// # Errors
    /// [`FileError`] if there is no such folder, or others hold the lock for too long.
    pub fn beside(path: &Path) -> Result<Self, FileError> {
        let failed = |source| FileError {
            path: path.to_owned(),
            source,
        };
        let path = resolved(path).map_err(failed)?;
        let folder = fs::File::open(folder_of(&path)).map_err(failed)?;
        let end = Instant::now() + Self::PATIENCE;
        loop {
            match folder.try_lock() {
                Ok(()) => return Ok(Self { _folder: folder }),
                Err(fs::TryLockError::WouldBlock) if Instant::now() < end => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(error) => return Err(failed(error.into())),
            }
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."))
}

/// The file that `path` means, links followed: a rename over a link would replace the link.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    for place in absolute.ancestors() {
        refuse_foreign_link(place)?;
    }
    if path.is_symlink() {
        fs::canonicalize(path)
    } else {
        Ok(path.to_owned())
    }
}

/// In a folder where everybody may create files, another user's link leads where that user wants.
fn refuse_foreign_link(path: &Path) -> io::Result<()> {
    const SHARED: u32 = 0o1002;
    let (Ok(link), Some(folder)) = (fs::symlink_metadata(path), path.parent()) else {
        return Ok(());
    };
    if !link.is_symlink() {
        return Ok(());
    }
    let folder = fs::metadata(folder)?;
    let shared = folder.mode() & SHARED == SHARED;
    if shared && link.uid() != own_uid() && link.uid() != folder.uid() {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!(
                "{} is another user's link in a folder that all may write to; give a path in a folder of your own",
                path.display()
            ),
        ));
    }
    Ok(())
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
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
    let folder = folder_of(path);
    if !folder.exists() {
        let reason = "its folder does not exist";
        return Err(io::Error::new(io::ErrorKind::NotFound, reason));
    }
    let mut prefix = std::ffi::OsString::from(".");
    prefix.push(name);
    Builder::new()
        .prefix(&prefix)
        .suffix(".tmp")
        .tempfile_in(folder)
        .map_err(|error| io::Error::from(error.kind()))
}

fn attempt(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let path = &*resolved(path)?;
    let mut temporary = temporary_beside(path)?;
    let mode = match fs::metadata(path) {
        Ok(old) if old.uid() == own_uid() => old.permissions().mode(),
        _ => 0o644,
    };
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

    /// Only root can make a link of another user; elsewhere the rule is tested on a link of our own.
    #[test]
    fn another_users_link_in_a_shared_folder_is_refused() {
        use std::os::unix::fs::{lchown, symlink};

        let own = tempfile::tempdir().unwrap();
        let shared = own.path().join("shared");
        fs::create_dir(&shared).unwrap();
        let victim = own.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        let link = shared.join("out");
        symlink(&victim, &link).unwrap();
        let into = shared.join("folder");
        symlink(own.path(), &into).unwrap();
        if own_uid() != 0 {
            assert!(check_writable(&link).is_ok());
            return;
        }
        for place in [&link, &into] {
            lchown(place, Some(12_345), Some(12_345)).unwrap();
        }
        assert!(check_writable(&link).is_ok(), "the folder is not shared");
        fs::set_permissions(&shared, Permissions::from_mode(0o1777)).unwrap();
        for path in [link.clone(), into.join("new")] {
            for refused in [
                check_writable(&path),
                write_atomically(&path, |file| file.write_all(b"x")),
                FolderLock::beside(&path).map(drop),
            ] {
                let error = refused.unwrap_err().to_string();
                assert!(error.contains("another user's link"), "{error}");
            }
        }
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        // Who made the folder may have links in it.
        lchown(&shared, Some(12_345), None).unwrap();
        assert!(check_writable(&link).is_ok());
    }

    #[test]
    fn permissions_of_another_users_file_are_not_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::write(&path, "theirs").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        let foreign = std::os::unix::fs::chown(&path, Some(12_345), None).is_ok();
        write_atomically(&path, |file| file.write_all(b"ours")).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if foreign { 0o644 } else { 0o666 });
    }

    #[test]
    fn a_folder_is_locked_by_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        fs::write(&path, "0").unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let _lock = FolderLock::beside(&path).unwrap();
                        let count: u32 = fs::read_to_string(&path).unwrap().parse().unwrap();
                        let next = (count + 1).to_string();
                        write_atomically(&path, |file| file.write_all(next.as_bytes())).unwrap();
                    }
                });
            }
        });
        assert_eq!(fs::read(&path).unwrap(), b"80");
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
