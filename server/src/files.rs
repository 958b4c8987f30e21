//! The few files that belong to the process and not to the store: the lock, the credentials, given
//! secrets; and what can be told of a directory before the store opens it.
//!
//! They need what `engine::env::Disk` rightly lacks (locks, modes, paths outside the disk) and are
//! touched only before the first request, so they use `std::fs` directly.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "see the module header")]

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Name of the lock file in the data directory.
const LOCK_NAME: &str = ".stave-lock";

/// Name of the file by which the engine knows a disk of a store.
const IDENTITY_NAME: &str = "stave.disk";

/// Most bytes of a file that holds a secret; more is the wrong file.
const SECRET_FILE_LEN_MAX: u64 = 4096;

/// The right to serve a directory. The kernel takes it back when the process ends, however it ends.
pub struct DirLock {
    /// Held open: closing it gives the lock up.
    _file: File,
}

/// A directory, as it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Device and inode: the same for two names of one directory.
    pub inode: (u64, u64),
    /// Whether it is a disk of a store, of whichever.
    pub has_identity: bool,
}

/// Looks at a directory and changes nothing; `None` where there is none.
///
/// # Errors
/// When it is something else, or cannot be read.
pub fn look_at(dir: &Path) -> io::Result<Option<Seen>> {
    let found = match fs::metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found?,
    };
    // Finds out whether it may be read, and whether it is a directory at all.
    fs::read_dir(dir)?;
    Ok(Some(Seen { inode: (found.dev(), found.ino()), has_identity: has_identity(dir)? }))
}

/// Whether the directory is a disk of a store.
///
/// # Errors
/// When that cannot be told.
pub fn has_identity(dir: &Path) -> io::Result<bool> {
    fs::exists(dir.join(IDENTITY_NAME))
}

/// Creates a directory and the missing ones above it; each new name is durable before this returns.
///
/// # Errors
/// When a directory cannot be created or synced.
pub fn create_dir_durably(dir: &Path) -> io::Result<()> {
    if fs::metadata(dir).is_ok_and(|found| found.is_dir()) {
        return Ok(());
    }
    let parent = parent_of(dir);
    create_dir_durably(&parent)?;
    match fs::create_dir(dir) {
        // A name that exists and is no directory is an error; one that another process just made is
        // not.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
        result => result?,
    }
    sync_dir(&parent)
}

fn parent_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) => PathBuf::from("."),
        None => PathBuf::from("/"),
    }
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Takes the directory for this process; `None` when another one has it.
///
/// # Errors
/// When the lock file cannot be created or locked.
pub fn lock_dir(dir: &Path) -> io::Result<Option<DirLock>> {
    let file = open_lock(dir)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(DirLock { _file: file })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Keeps servers off a directory while it is only read, and writes nothing in it: no lock file is
/// made, so a disk that never was served cannot be kept. `None` when a server has it.
///
/// # Errors
/// When the lock file cannot be opened or locked.
#[cfg(not(madsim))]
pub fn share_dir(dir: &Path) -> io::Result<Option<DirLock>> {
    let file = match File::open(dir.join(LOCK_NAME)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => File::open(dir),
        result => result,
    }?;
    match file.try_lock_shared() {
        Ok(()) => Ok(Some(DirLock { _file: file })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// A disk that takes no writes still has what it holds: it is locked by what is there.
fn open_lock(dir: &Path) -> io::Result<File> {
    let path = dir.join(LOCK_NAME);
    let writable =
        OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
    match writable {
        Err(error) if takes_no_writes(error.kind()) => {}
        result => return result,
    }
    match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => File::open(dir),
        result => result,
    }
}

fn takes_no_writes(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem, StorageFull};
    matches!(kind, ReadOnlyFilesystem | PermissionDenied | StorageFull)
}

/// Writes a small file that only the owner may read: it is there whole and durable, or not at all.
///
/// # Errors
/// When a step fails; the old content is then still there.
pub fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let mut draft_name = path.as_os_str().to_owned();
    draft_name.push(".new");
    let draft = PathBuf::from(draft_name);
    // A draft can only be left from a start that died, because the directory is locked.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    sync_dir(&parent_of(path))
}

/// Reads a small text file.
///
/// # Errors
/// When it cannot be read, is too large or is no UTF-8.
pub fn read_secret(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read_len = File::open(path)?.take(SECRET_FILE_LEN_MAX + 1).read_to_string(&mut text)?;
    if read_len as u64 > SECRET_FILE_LEN_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "too large for a secret"));
    }
    Ok(text)
}

/// Reads a file of at most `len_max` bytes.
///
/// # Errors
/// What the file system says; `InvalidData` for a longer one.
pub fn read_whole(path: &Path, len_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read_len = File::open(path)?.take(len_max + 1).read_to_end(&mut bytes)?;
    if read_len as u64 > len_max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is too large"));
    }
    Ok(bytes)
}

/// Whether there is surely nothing of this name.
pub fn is_missing(path: &Path) -> bool {
    matches!(fs::exists(path), Ok(false))
}

/// Whether somebody else than the owner may read the file.
///
/// # Errors
/// When the file cannot be looked at.
pub fn is_readable_by_others(path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path)?.mode() & 0o044 != 0)
}

/// The path as other programs, started elsewhere, can use it.
pub fn absolute(path: &Path) -> String {
    path.canonicalize().unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_directories_are_made() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("a/b/c");
        create_dir_durably(&dir).unwrap();
        assert!(dir.is_dir());
        create_dir_durably(&dir).unwrap();
    }

    #[test]
    fn a_file_in_the_way_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(create_dir_durably(&file).is_err());
        assert!(create_dir_durably(&file.join("below")).is_err());
    }

    #[test]
    fn directories_are_told_from_what_is_none() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("dir");
        assert_eq!(look_at(&dir).unwrap(), None);
        assert_eq!(look_at(&dir.join("below")).unwrap(), None);
        fs::create_dir(&dir).unwrap();
        let blank = look_at(&dir).unwrap().unwrap();
        assert!(!blank.has_identity);
        fs::write(dir.join(IDENTITY_NAME), "").unwrap();
        let known = look_at(&dir).unwrap().unwrap();
        assert!(known.has_identity && known.inode == blank.inode);
        assert!(look_at(&dir.join(IDENTITY_NAME)).is_err(), "a file is no directory");
        let link = root.path().join("link");
        std::os::unix::fs::symlink(&dir, &link).unwrap();
        assert_eq!(look_at(&link).unwrap(), Some(known), "one directory, two names");
        let circle = root.path().join("circle");
        std::os::unix::fs::symlink(&circle, &circle).unwrap();
        assert!(look_at(&circle).is_err());
    }

    #[test]
    fn second_lock_is_refused_until_the_first_is_gone() {
        let root = tempfile::tempdir().unwrap();
        let first = lock_dir(root.path()).unwrap();
        assert!(first.is_some());
        assert!(lock_dir(root.path()).unwrap().is_none());
        drop(first);
        assert!(lock_dir(root.path()).unwrap().is_some());
    }

    #[test]
    fn readers_share_a_directory_and_keep_servers_off() {
        let root = tempfile::tempdir().unwrap();
        drop(lock_dir(root.path()).unwrap());
        let first = share_dir(root.path()).unwrap();
        let second = share_dir(root.path()).unwrap();
        assert!(first.is_some() && second.is_some());
        assert!(lock_dir(root.path()).unwrap().is_none());
        drop((first, second));
        let server = lock_dir(root.path()).unwrap();
        assert!(server.is_some() && share_dir(root.path()).unwrap().is_none());
    }

    #[test]
    fn secret_is_private_and_replaces_a_stale_draft() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("secret");
        fs::write(root.path().join("secret.new"), "torn").unwrap();
        write_secret(&path, "one").unwrap();
        assert_eq!(read_secret(&path).unwrap(), "one");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(!is_readable_by_others(&path).unwrap());
        assert!(!root.path().join("secret.new").exists());
    }

    #[test]
    fn large_file_is_no_secret() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("large");
        fs::write(&path, "x".repeat(4097)).unwrap();
        assert!(read_secret(&path).is_err());
    }
}
