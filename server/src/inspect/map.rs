//! The door to what is looked at: files mapped read-only, directories listed. Nothing is written.
//!
//! A map lets files of any size be read as one slice. Its price: a file that shrinks under it, or a
//! sector that cannot be read, ends the process with SIGBUS. So directories that a server has
//! locked are refused, and a dying disk is to be copied first.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "see the module header")]

use bytes::Bytes;
use memmap2::Mmap;
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Maps a file.
///
/// # Errors
/// When it cannot be opened or mapped, or is no plain file.
pub fn map(path: &Path) -> io::Result<Bytes> {
    let file = File::open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other("it is no plain file"));
    }
    if found.len() == 0 {
        return Ok(Bytes::new());
    }
    #[expect(unsafe_code, reason = "a map is unsafe as long as others can write the file")]
    // SAFETY: The map is read-only, and the lock of the directory keeps servers from writing the
    // file meanwhile; whoever says `--force` takes that upon himself. A file that shrinks gives
    // SIGBUS, which ends the process; bytes that change are checked as any others, no index is
    // taken from them twice, and nothing is written by what they say but a quarantine.
    let map = unsafe { Mmap::map(&file)? };
    Ok(Bytes::from_owner(map))
}

/// Names in a directory, sorted; none where there is no directory.
///
/// # Errors
/// When it cannot be read.
pub fn list(dir: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Whether it is a directory.
///
/// # Errors
/// When that cannot be told.
pub fn is_dir(path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path)?.is_dir())
}
