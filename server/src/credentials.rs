//! Root keys: given by the operator, or made once and kept in the data directory.
//!
//! The file has the layout of an AWS credentials file, so that clients can be pointed at it as it
//! is:
//!
//! ```text
//! # Root keys of this Stave ...
//! [default]
//! aws_access_key_id = 20 characters of A-Z2-7
//! aws_secret_access_key = 40 characters of A-Za-z0-9
//! ```
//!
//! - C1: made keys are random, never a default that others know; 100 and 238 bits.
//! - C2: the file is durable before the keys are shown or used, and only its owner can read it.
//! - C3: files that are there but cannot be understood stop the start when no other copy can; they
//!   are never overwritten.
//! - C4: every disk has a copy, so that the keys survive what the data survives. Of copies that
//!   differ those count that more than half of the disks hold: one rotten disk stops nothing.
//!   Without such a majority the start stops, because only the operator knows which are meant.
//! - C5: what lies on other disks than those of the store is neither read nor overwritten.

use crate::config::{KEY_LEN_MAX, PASSWORD_LEN_MIN, RootKeys, USER_LEN_MIN};
use crate::files;
use engine::env::Rng;
use std::io;
use std::path::{Path, PathBuf};

/// Name of the credentials file in the data directory.
const FILE_NAME: &str = ".stave-credentials";
const ACCESS_KEY_LEN: usize = 20;
const SECRET_KEY_LEN: usize = 40;
const ACCESS_KEY_LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const SECRET_KEY_LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Where the root keys come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The environment.
    Given,
    /// The data directory, from an earlier start.
    Kept,
    /// This very start.
    Made,
}

/// Root keys and where they come from.
#[derive(Clone)]
pub struct Root {
    /// The keys.
    pub keys: RootKeys,
    /// Where they come from.
    pub origin: Origin,
    /// The file that holds them; none where they were given.
    pub path: Option<PathBuf>,
}

/// The directories of a store, as far as the keys are concerned.
#[derive(Clone, Copy)]
pub struct Homes<'a> {
    /// The disks of the store, or those that it begins on.
    pub dirs: &'a [&'a Path],
    /// Whether it begins now.
    pub are_new: bool,
}

/// Where the credentials of a data directory are.
pub fn path_in(dir: &Path) -> PathBuf {
    dir.join(FILE_NAME)
}

/// Returns the keys that were given, else those that the directories hold, which are made where
/// there are none.
///
/// # Errors
/// One line, without any key.
pub fn obtain(homes: Homes<'_>, given: Option<RootKeys>, rng: &dyn Rng) -> Result<Root, String> {
    if let Some(keys) = given {
        return Ok(Root { keys, origin: Origin::Given, path: None });
    }
    if let Some((path, keys)) = read(homes.dirs)? {
        return Ok(Root { keys, origin: Origin::Kept, path: Some(path) });
    }
    let keys = make(rng);
    let path = write_first(homes, &keys)?;
    Ok(Root { keys, origin: Origin::Made, path: Some(path) })
}

/// The keys that directories hold, with the first file that has them; `None` where none has any.
///
/// # Errors
/// One line (C3, C4); also when a copy cannot be read and no other one is there.
pub fn read(dirs: &[&Path]) -> Result<Option<(PathBuf, RootKeys)>, String> {
    let mut kept: Vec<(PathBuf, RootKeys)> = Vec::new();
    let mut unusable = Vec::new();
    for path in dirs.iter().map(|dir| path_in(dir)) {
        match read_copy(&path) {
            Ok(Some(keys)) => kept.push((path, keys)),
            Ok(None) => {}
            Err(line) => unusable.push(line),
        }
    }
    let Some(chosen) = choose(&kept)? else {
        return unusable.into_iter().next().map_or(Ok(None), Err);
    };
    for line in unusable {
        tracing::warn!("{line}; another copy of the root keys is used");
    }
    for (path, _) in kept.iter().filter(|(_, keys)| *keys != chosen.1) {
        let path = path.display();
        tracing::error!(%path, "these are not the root keys that most disks hold: remove the file");
    }
    Ok(Some(chosen.clone()))
}

fn read_copy(path: &Path) -> Result<Option<RootKeys>, String> {
    let shown = path.display();
    let damaged = || format!("{shown} is damaged: repair it or move it away");
    match files::read_secret(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(damaged()),
        Err(error) => Err(format!("cannot read {shown}: {error}")),
        Ok(text) => parse(&text).map(Some).ok_or_else(damaged),
    }
}

/// The first copy of the keys that more than half of the copies hold (C4).
fn choose(kept: &[(PathBuf, RootKeys)]) -> Result<Option<&(PathBuf, RootKeys)>, String> {
    let Some(first) = kept.first() else { return Ok(None) };
    let votes = |one: &RootKeys| kept.iter().filter(|(_, keys)| keys == one).count();
    if let Some(chosen) = kept.iter().find(|(_, keys)| 2 * votes(keys) > kept.len()) {
        return Ok(Some(chosen));
    }
    let other = kept.iter().find(|(_, keys)| *keys != first.1).unwrap_or(first);
    let (one, other) = (first.0.display(), other.0.display());
    Err(format!("{one} and {other} hold different root keys: remove the wrong one"))
}

/// Writes new keys down (C2). A new store begins with all its copies, an old one with any.
fn write_first(homes: Homes<'_>, keys: &RootKeys) -> Result<PathBuf, String> {
    let mut written = None;
    let mut failure = None;
    for path in homes.dirs.iter().map(|dir| path_in(dir)) {
        match files::write_secret(&path, &format(keys)) {
            Ok(()) => written = written.or(Some(path)),
            Err(error) => failure = Some(format!("cannot write {}: {error}", path.display())),
        }
    }
    match (written, failure) {
        (Some(path), None) => Ok(path),
        (Some(path), Some(line)) if !homes.are_new => {
            tracing::warn!("{line}; the root keys have fewer copies");
            Ok(path)
        }
        (_, Some(line)) => Err(line),
        (None, None) => Err("no directory for the root keys".into()),
    }
}

/// Gives the disks that lack a copy one (C4): those that were replaced, and those that joined. The
/// caller knows that they are disks of this store; one that went away meanwhile is left alone.
pub fn complete(dirs: &[PathBuf], root: &Root) {
    if root.origin == Origin::Given {
        return;
    }
    for dir in dirs {
        let path = path_in(dir);
        let lacks = files::is_missing(&path) && files::has_identity(dir).unwrap_or(false);
        if !lacks {
            continue;
        }
        match files::write_secret(&path, &format(&root.keys)) {
            Ok(()) => tracing::info!(path = %path.display(), "root keys copied to this disk"),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "no copy of the root keys here");
            }
        }
    }
}

fn make(rng: &dyn Rng) -> RootKeys {
    RootKeys {
        access_key: random_text(rng, ACCESS_KEY_LETTERS, ACCESS_KEY_LEN),
        secret_key: random_text(rng, SECRET_KEY_LETTERS, SECRET_KEY_LEN),
    }
}

/// Draws letters evenly: a byte past the last whole multiple of the alphabet is drawn again.
fn random_text(rng: &dyn Rng, letters: &[u8], len: usize) -> String {
    let limit = 256 - 256 % letters.len();
    let mut text = String::with_capacity(len);
    while text.len() < len {
        let mut byte = [0];
        rng.fill(&mut byte);
        let index = usize::from(byte[0]);
        if index < limit {
            text.push(char::from(letters[index % letters.len()]));
        }
    }
    text
}

fn format(keys: &RootKeys) -> String {
    format!(
        "# Root keys of this Stave, made at its first start. Keep this file private.\n\
         [default]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        keys.access_key, keys.secret_key
    )
}

fn parse(text: &str) -> Option<RootKeys> {
    let value_of = |wanted: &str| {
        let mut values = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .filter(|(name, _)| name.trim() == wanted)
            .map(|(_, value)| value.trim().to_owned());
        let value = values.next()?;
        values.next().is_none().then_some(value)
    };
    let access_key = value_of("aws_access_key_id")?;
    let secret_key = value_of("aws_secret_access_key")?;
    let is_legal = (USER_LEN_MIN..=KEY_LEN_MAX).contains(&access_key.len())
        && (PASSWORD_LEN_MIN..=KEY_LEN_MAX).contains(&secret_key.len());
    is_legal.then_some(RootKeys { access_key, secret_key })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU8, Ordering};

    /// Counts up, so that every byte value is drawn.
    #[derive(Default)]
    struct Counter(AtomicU8);

    impl Rng for Counter {
        fn fill(&self, buffer: &mut [u8]) {
            for byte in buffer {
                *byte = self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn obtain_in(dirs: &[&Path], are_new: bool) -> Result<Root, String> {
        obtain(Homes { dirs, are_new }, None, &Counter::default())
    }

    /// Some directories, the first `known` of which are disks of a store.
    fn homes(count: usize, known: usize) -> (tempfile::TempDir, Vec<PathBuf>) {
        let root = tempfile::tempdir().unwrap();
        let dirs: Vec<_> = (0..count).map(|index| root.path().join(index.to_string())).collect();
        for (index, dir) in dirs.iter().enumerate() {
            files::create_dir_durably(dir).unwrap();
            if index < known {
                files::write_secret(&dir.join("stave.disk"), "").unwrap();
            }
        }
        (root, dirs)
    }

    fn paths(dirs: &[PathBuf]) -> Vec<&Path> {
        dirs.iter().map(PathBuf::as_path).collect()
    }

    #[test]
    fn keys_are_made_once_and_kept() {
        let root = tempfile::tempdir().unwrap();
        let dirs = [root.path()];
        let made = obtain_in(&dirs, true).unwrap();
        assert_eq!(made.origin, Origin::Made);
        assert_eq!(made.keys.access_key.len(), ACCESS_KEY_LEN);
        assert_eq!(made.keys.secret_key.len(), SECRET_KEY_LEN);
        let kept = obtain_in(&dirs, true).unwrap();
        assert_eq!(kept.origin, Origin::Kept);
        assert!(kept.keys == made.keys);
        assert!(!files::is_readable_by_others(&path_in(root.path())).unwrap());
    }

    #[test]
    fn given_keys_leave_no_file() {
        let root = tempfile::tempdir().unwrap();
        let keys = RootKeys { access_key: "user".into(), secret_key: "password".into() };
        let homes = Homes { dirs: &[root.path()], are_new: true };
        let given = obtain(homes, Some(keys), &Counter::default()).unwrap();
        assert_eq!(given.origin, Origin::Given);
        complete(&[root.path().to_owned()], &given);
        assert!(!path_in(root.path()).exists());
    }

    #[test]
    fn damaged_file_stops_the_start_and_stays() {
        let root = tempfile::tempdir().unwrap();
        let path = path_in(root.path());
        let whole = format(&make(&Counter::default()));
        for text in ["", "[default]\n", &whole[..whole.len() - 41], &whole.repeat(2)] {
            files::write_secret(&path, text).unwrap();
            let line = obtain_in(&[root.path()], false).err().unwrap();
            assert!(line.contains("is damaged"), "{line}");
            assert_eq!(files::read_secret(&path).unwrap(), text);
        }
    }

    #[test]
    fn every_disk_gets_a_copy_and_any_one_is_enough() {
        let (_root, dirs) = homes(3, 0);
        let made = obtain_in(&paths(&dirs), true).unwrap();
        assert_eq!(made.path, Some(path_in(&dirs[0])));
        for dir in &dirs {
            let kept = obtain_in(&[dir], false).unwrap();
            assert!(kept.origin == Origin::Kept && kept.keys == made.keys);
        }
    }

    #[test]
    fn disks_of_the_store_that_lack_a_copy_get_one_after_the_start() {
        let (_root, dirs) = homes(4, 3);
        let first = obtain_in(&paths(&dirs[1..2]), false).unwrap();
        let kept = obtain_in(&paths(&dirs), false).unwrap();
        assert_eq!((kept.origin, kept.path.as_deref()), (Origin::Kept, first.path.as_deref()));
        assert!(!path_in(&dirs[0]).exists(), "nothing is written before the start");
        complete(&dirs, &kept);
        for dir in &dirs[..3] {
            assert!(obtain_in(&[dir], false).unwrap().keys == kept.keys);
        }
        assert!(!path_in(&dirs[3]).exists(), "no disk of a store");
    }

    #[test]
    fn keys_of_most_disks_count_and_without_a_majority_the_start_stops() {
        let (_root, dirs) = homes(3, 3);
        let made = obtain_in(&paths(&dirs[..1]), false).unwrap();
        let other = "[default]\naws_access_key_id = other\naws_secret_access_key = long-enough\n";
        files::write_secret(&path_in(&dirs[1]), other).unwrap();
        let line = obtain_in(&paths(&dirs), false).err().unwrap();
        assert!(line.contains("different root keys") && !line.contains("long-enough"), "{line}");
        files::write_secret(&path_in(&dirs[2]), &format(&made.keys)).unwrap();
        assert!(obtain_in(&paths(&dirs), false).unwrap().keys == made.keys);
        assert_eq!(files::read_secret(&path_in(&dirs[1])).unwrap(), other);
    }

    #[test]
    fn damaged_copy_is_left_alone_and_another_one_counts() {
        let (_root, dirs) = homes(2, 2);
        let made = obtain_in(&paths(&dirs[1..]), false).unwrap();
        files::write_secret(&path_in(&dirs[0]), "torn").unwrap();
        let kept = obtain_in(&paths(&dirs), false).unwrap();
        assert!(kept.keys == made.keys && kept.path == made.path);
        assert_eq!(files::read_secret(&path_in(&dirs[0])).unwrap(), "torn");
    }

    #[test]
    fn a_copy_that_cannot_be_read_stops_the_start_only_when_it_is_the_last() {
        let (_root, dirs) = homes(2, 2);
        // Reading a directory as a file fails, for whoever tries.
        files::create_dir_durably(&path_in(&dirs[0])).unwrap();
        assert!(obtain_in(&paths(&dirs), false).err().unwrap().contains("cannot read"));
        obtain_in(&paths(&dirs[1..]), false).unwrap();
        assert_eq!(obtain_in(&paths(&dirs), false).unwrap().origin, Origin::Kept);
    }

    #[test]
    fn new_store_begins_with_all_its_copies() {
        let (_root, dirs) = homes(1, 0);
        let gone = dirs[0].join("gone");
        let dirs = [dirs[0].as_path(), &gone];
        assert!(obtain_in(&dirs, true).err().unwrap().contains("cannot write"));
    }

    #[test]
    fn random_text_is_even_over_its_letters() {
        let rng = Counter::default();
        let text = random_text(&rng, SECRET_KEY_LETTERS, 62 * 4 * 3);
        for letter in SECRET_KEY_LETTERS {
            assert_eq!(text.bytes().filter(|byte| byte == letter).count(), 12);
        }
    }
}
