//! Which files hold certificates, what is in them, and whether they changed.
//!
//! Symbolic links are followed everywhere: Kubernetes changes a mounted secret by turning one.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "certificates lie outside the disks of the store, and are read by no request"
)]

use crate::files;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const CERTIFICATE_NAME: &str = "public.crt";
const KEY_NAME: &str = "private.key";

/// Authorities, not certificates of this server.
const AUTHORITIES_NAME: &str = "CAs";

/// Most bytes of a file; more is the wrong file.
const FILE_LEN_MAX: u64 = 1 << 20;

/// Most pairs of one directory.
const PAIRS_MAX: usize = 1024;

/// A certificate's file and its key's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairFiles {
    /// The certificate and its chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What tells a file from a later one of the same name: device, inode, length, time of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileStamp([i128; 4]);

/// What tells a directory of certificates from the same one after a change.
#[derive(Debug, PartialEq, Eq)]
pub struct Stamp {
    pairs: Result<Vec<PairFiles>, String>,
    files: Vec<Option<FileStamp>>,
}

/// The pairs of a directory, the default first; none where there is no directory or nothing in it.
///
/// # Errors
/// One line, for half a pair, pairs without a default, and whatever cannot be looked at.
pub fn find(dir: &Path) -> Result<Vec<PairFiles>, String> {
    let mut pairs: Vec<PairFiles> = pair_in(dir)?.into_iter().collect();
    let has_default = !pairs.is_empty();
    for below in folders_of(dir)? {
        pairs.extend(pair_in(&below)?);
        if pairs.len() > PAIRS_MAX {
            return Err(format!("{} has more than {PAIRS_MAX} certificates", dir.display()));
        }
    }
    if !has_default && !pairs.is_empty() {
        return Err(format!(
            "{} has no default certificate: public.crt and private.key are wanted there too",
            dir.display()
        ));
    }
    Ok(pairs)
}

/// As the directory looks now.
pub fn stamp(dir: &Path) -> Stamp {
    let pairs = find(dir);
    let paths = pairs.iter().flatten().flat_map(|pair| [&pair.certificate, &pair.key]);
    let files = paths.map(|path| stamp_of(path)).collect();
    Stamp { pairs, files }
}

impl PairFiles {
    /// The bytes of certificate and key.
    ///
    /// # Errors
    /// One line.
    pub fn read(&self) -> Result<(Vec<u8>, Vec<u8>), String> {
        Ok((read(&self.certificate)?, read(&self.key)?))
    }

    /// Whether somebody else than the owner may read the key.
    pub fn is_key_open(&self) -> bool {
        files::is_readable_by_others(&self.key).unwrap_or(false)
    }
}

fn pair_in(dir: &Path) -> Result<Option<PairFiles>, String> {
    let (certificate, key) = (dir.join(CERTIFICATE_NAME), dir.join(KEY_NAME));
    match (is_there(&certificate)?, is_there(&key)?) {
        (true, true) => Ok(Some(PairFiles { certificate, key })),
        (false, false) => Ok(None),
        (true, false) => Err(format!("{} has no {KEY_NAME} beside it", certificate.display())),
        (false, true) => Err(format!("{} has no {CERTIFICATE_NAME} beside it", key.display())),
    }
}

fn is_there(path: &Path) -> Result<bool, String> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if is_absence(&error) => Ok(false),
        Err(error) => Err(format!("cannot look at {}: {error}", path.display())),
    }
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Folders that may hold a pair, by name. Names with a dot in front are those of tools.
fn folders_of(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let cannot = |error: io::Error| format!("cannot read {}: {error}", dir.display());
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if is_absence(&error) => return Ok(Vec::new()),
        Err(error) => return Err(cannot(error)),
    };
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry.map_err(cannot)?;
        let name = entry.file_name();
        let is_served = name != AUTHORITIES_NAME && !name.as_encoded_bytes().starts_with(b".");
        if is_served && entry.path().is_dir() {
            folders.push(entry.path());
        }
    }
    folders.sort();
    Ok(folders)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let cannot = |error: io::Error| format!("cannot read {}: {error}", path.display());
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(cannot)?;
    let len = file.take(FILE_LEN_MAX + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if len as u64 > FILE_LEN_MAX {
        return Err(format!("{} is too large for a certificate or key", path.display()));
    }
    Ok(bytes)
}

fn stamp_of(path: &Path) -> Option<FileStamp> {
    let found = fs::metadata(path).ok()?;
    let changed = i128::from(found.mtime()) * 1_000_000_000 + i128::from(found.mtime_nsec());
    Some(FileStamp([found.dev().into(), found.ino().into(), found.len().into(), changed]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes files in a directory of its own and says what is found, relative to it.
    fn check(files: &[&str], expected: Result<&[&str], &str>) {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let found = find(root.path());
        match expected {
            Ok(expected) => {
                let certificate = |pair: PairFiles| {
                    let path = pair.certificate.strip_prefix(root.path()).unwrap().to_owned();
                    path.to_str().unwrap().to_owned()
                };
                let found: Vec<String> = found.unwrap().into_iter().map(certificate).collect();
                assert_eq!(found, expected, "{files:?}");
            }
            Err(part) => {
                let line = found.unwrap_err();
                assert!(line.contains(part), "{files:?}: {line}");
            }
        }
    }

    #[test]
    fn pairs_are_found_in_the_layout_of_minio() {
        check(&[], Ok(&[]));
        check(&["public.crt", "private.key"], Ok(&["public.crt"]));
        check(
            &[
                "public.crt",
                "private.key",
                "b/public.crt",
                "b/private.key",
                "a/public.crt",
                "a/private.key",
                "CAs/public.crt",
                "..data/public.crt",
                "empty/readme",
                "other.pem",
            ],
            Ok(&["public.crt", "a/public.crt", "b/public.crt"]),
        );
    }

    #[test]
    fn half_a_pair_and_pairs_without_a_default_are_refused() {
        check(&["public.crt"], Err("has no private.key beside it"));
        check(&["private.key"], Err("has no public.crt beside it"));
        check(&["public.crt", "private.key", "a/public.crt"], Err("a/public.crt has no"));
        check(&["a/public.crt", "a/private.key"], Err("no default certificate"));
    }

    #[test]
    fn a_directory_that_is_missing_has_none() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(find(&root.path().join("none")), Ok(Vec::new()));
    }

    #[test]
    fn a_turned_link_changes_the_stamp() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path();
        for (folder, text) in [("one", "x"), ("two", "y")] {
            fs::create_dir(dir.join(folder)).unwrap();
            fs::write(dir.join(folder).join("public.crt"), text).unwrap();
            fs::write(dir.join(folder).join("private.key"), text).unwrap();
        }
        let turn = |target: &str| {
            let _ = fs::remove_file(dir.join("current"));
            std::os::unix::fs::symlink(target, dir.join("current")).unwrap();
        };
        turn("one");
        let before = stamp(&dir.join("current"));
        assert_eq!(before, stamp(&dir.join("current")));
        turn("two");
        assert_ne!(before, stamp(&dir.join("current")));
    }
}
