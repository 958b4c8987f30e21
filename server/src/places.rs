//! The directories at a start: which of them are there, which may be made, and that they are ours.
//!
//! ```text
//! each directory: missing | broken | blank | of a store
//!   none is there:            all are made, for a new store
//!   none is of a store yet:   all are wanted
//!   some are of a store:      missing and broken ones are told, and taken in when they come
//! lock: held by another process -> refused
//! ```
//!
//! - L1: where any of the directories is, no other one is made: it may be a mount that is not there
//!   just now, and what was written below would fill another disk and vanish behind the mount.
//! - L2: a new store begins on all its disks, because a name that is wrong is more likely than a
//!   disk that broke before it was used.
//! - L3: blank disks alone are not taken for a new store while a disk of the old one is there that
//!   cannot be used.
//! - L4: a directory is served by one process, and under one name; one that comes later is locked
//!   as soon as it is seen.

use crate::files::{self, DirLock, Seen};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A directory that this process serves.
pub struct Place {
    /// The directory, as it was given.
    pub dir: PathBuf,
    /// What was found there.
    seen: Seen,
    /// Held as long as this lives (L4).
    _lock: DirLock,
}

/// A directory that was given and cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The directory, as it was given.
    pub dir: PathBuf,
    /// Why.
    pub reason: String,
    /// Whether it is there but may be in use elsewhere (L4): it is not even read.
    is_barred: bool,
}

#[cfg(test)]
impl Gap {
    /// A directory that is not there.
    pub fn missing(dir: &str, reason: &str) -> Self {
        Self { dir: dir.into(), reason: reason.into(), is_barred: false }
    }
}

/// All directories that were given.
pub struct Places {
    /// Those that can be used, at least one.
    pub open: Vec<Place>,
    /// Those that cannot.
    pub gaps: Vec<Gap>,
    /// Those that came later and have another master.
    taken: BTreeSet<PathBuf>,
}

impl Places {
    /// The directories that can be used.
    pub fn dirs(&self) -> Vec<&Path> {
        self.open.iter().map(|place| place.dir.as_path()).collect()
    }

    /// Whether the store may look at a directory from time to time: it may come.
    pub fn may_watch(&self, dir: &Path) -> bool {
        !self.gaps.iter().any(|gap| gap.is_barred && gap.dir == dir)
    }

    /// Locks directories that came, or took the place of others, since the last call (L4), and
    /// gives up those that are no longer at any place.
    pub fn lock_again(&mut self, dirs: &[PathBuf]) {
        let mut there = BTreeMap::new();
        for dir in dirs.iter().filter(|dir| self.may_watch(dir)) {
            if let Sight::There(seen) = look_at(dir) {
                there.insert(dir.as_path(), seen);
            }
        }
        for (dir, seen) in &there {
            if self.open.iter().all(|place| place.seen.inode != seen.inode) {
                self.lock_new(dir, *seen);
            }
        }
        let is_at_a_place = |place: &Place| match there.get(place.dir.as_path()) {
            // It may be looked for in vain only just now.
            None => true,
            Some(seen) if seen.inode == place.seen.inode => true,
            Some(_) => there.values().any(|seen| seen.inode == place.seen.inode),
        };
        self.open.retain(is_at_a_place);
    }

    fn lock_new(&mut self, dir: &Path, seen: Seen) {
        match files::lock_dir(dir) {
            Ok(Some(lock)) => {
                self.taken.remove(dir);
                self.open.push(Place { dir: dir.to_owned(), seen, _lock: lock });
            }
            Ok(None) if self.taken.insert(dir.to_owned()) => {
                let dir = dir.display();
                tracing::error!(%dir, "another process serves this directory, too: stop it");
            }
            Ok(None) => {}
            Err(error) => tracing::debug!(dir = %dir.display(), %error, "cannot lock"),
        }
    }
}

/// What was found where a directory should be.
enum Sight {
    Missing,
    Broken(String),
    There(Seen),
}

/// Takes the directories for this process.
///
/// # Errors
/// One line.
pub fn take(dirs: &[PathBuf]) -> Result<Places, String> {
    let sights: Vec<Sight> = dirs.iter().map(|dir| look_at(dir)).collect();
    refuse_twins(dirs, &sights)?;
    let is_known = |sight: &Sight| matches!(sight, Sight::There(seen) if seen.has_identity);
    let are_new = !sights.iter().any(is_known);
    let may_make = sights.iter().all(|sight| matches!(sight, Sight::Missing));
    let mut places = Places { open: Vec::new(), gaps: Vec::new(), taken: BTreeSet::new() };
    for (dir, sight) in dirs.iter().zip(sights) {
        let is_barred = matches!(sight, Sight::There(_));
        match take_one(dir, sight, may_make) {
            Ok(Some(place)) => places.open.push(place),
            Ok(None) => return Err(format!("{} is served by another process", dir.display())),
            Err(reason) if are_new => {
                return Err(match dirs.len() {
                    1 => reason,
                    _ => format!("{reason} (a new store begins on all its disks)"),
                });
            }
            Err(reason) => places.gaps.push(Gap { dir: dir.clone(), reason, is_barred }),
        }
    }
    let is_served = are_new || places.open.iter().any(|place| place.seen.has_identity);
    match places.gaps.first() {
        // L3, and the case that there is nothing at all.
        Some(gap) if !is_served => Err(format!("no disk of the store can be used: {}", gap.reason)),
        _ => Ok(places),
    }
}

fn look_at(dir: &Path) -> Sight {
    match files::look_at(dir) {
        Ok(None) => Sight::Missing,
        Ok(Some(seen)) => Sight::There(seen),
        Err(error) => Sight::Broken(format!("cannot use {}: {error}", dir.display())),
    }
}

/// L4: the kernel would not tell the second name from another process.
fn refuse_twins(dirs: &[PathBuf], sights: &[Sight]) -> Result<(), String> {
    let mut seen = BTreeMap::new();
    for (dir, sight) in dirs.iter().zip(sights) {
        let Sight::There(found) = sight else { continue };
        if let Some(twin) = seen.insert(found.inode, dir) {
            let (one, other) = (Path::display(twin), dir.display());
            return Err(format!("{one} and {other} are the same directory"));
        }
    }
    Ok(())
}

/// Takes one directory; `None` when another process has it.
///
/// # Errors
/// Why it cannot be used.
fn take_one(dir: &Path, sight: Sight, may_make: bool) -> Result<Option<Place>, String> {
    let shown = dir.display();
    let seen = match sight {
        Sight::Broken(reason) => return Err(reason),
        Sight::There(seen) => seen,
        Sight::Missing if !may_make => {
            return Err(format!(
                "{shown} is not there, and is not made, because others are: mount it, or make the \
                 directory for a new disk"
            ));
        }
        Sight::Missing => {
            let made = files::create_dir_durably(dir).and_then(|()| files::look_at(dir));
            let made = made.map_err(|error| format!("cannot create {shown}: {error}"))?;
            made.ok_or_else(|| format!("{shown} was made and is gone again"))?
        }
    };
    let lock = files::lock_dir(dir).map_err(|error| format!("cannot use {shown}: {error}"))?;
    Ok(lock.map(|lock| Place { dir: dir.to_owned(), seen, _lock: lock }))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixture {
        root: tempfile::TempDir,
    }

    impl Fixture {
        fn new() -> Self {
            Self { root: tempfile::tempdir().unwrap() }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.root.path().join(name)
        }

        /// Makes a directory, a disk of a store.
        fn known(&self, name: &str) {
            self.blank(name);
            files::write_secret(&self.path(name).join("stave.disk"), "").unwrap();
        }

        fn blank(&self, name: &str) {
            files::create_dir_durably(&self.path(name)).unwrap();
        }

        /// Makes something that is no directory.
        fn broken(&self, name: &str) {
            files::write_secret(&self.path(name), "").unwrap();
        }

        #[expect(clippy::disallowed_methods, reason = "moves the directories of the tests")]
        fn rename(&self, source: &str, target: &str) {
            std::fs::rename(self.path(source), self.path(target)).unwrap();
        }

        fn take(&self, names: &[&str]) -> Result<Places, String> {
            take(&names.iter().map(|name| self.path(name)).collect::<Vec<_>>())
        }

        /// Takes these directories; returns the names of those that are open.
        #[track_caller]
        fn open(&self, names: &[&str]) -> (Places, Vec<String>) {
            let places = self.take(names).unwrap_or_else(|line| panic!("{line}"));
            let name = |dir: &Path| dir.file_name().unwrap().to_string_lossy().into_owned();
            let open = places.dirs().into_iter().map(name).collect();
            (places, open)
        }

        #[track_caller]
        fn check_refused(&self, names: &[&str], part: &str) {
            let line = self.take(names).err().expect("refused");
            assert!(line.contains(part), "{line:?} does not say {part:?}");
        }
    }

    #[test]
    fn one_directory_is_made_where_it_is_missing() {
        let fixture = Fixture::new();
        let (places, open) = fixture.open(&["a"]);
        assert_eq!(open, ["a"]);
        assert!(places.gaps.is_empty());
        fixture.broken("file");
        fixture.check_refused(&["file"], "cannot use");
    }

    #[test]
    fn new_store_makes_all_its_directories_or_none() {
        let fixture = Fixture::new();
        fixture.blank("e");
        fixture.check_refused(&["d", "e", "f"], "d is not there, and is not made");
        assert!(!fixture.path("d").exists() && !fixture.path("f").exists());
        let (places, open) = fixture.open(&["a", "b", "c"]);
        assert_eq!(open, ["a", "b", "c"]);
        assert!(places.gaps.is_empty());
        assert!(fixture.path("c").is_dir());
    }

    #[test]
    fn new_store_wants_all_its_disks() {
        let fixture = Fixture::new();
        fixture.broken("c");
        fixture.check_refused(&["a", "c"], "begins on all its disks");
        fixture.check_refused(&["a", "c/below"], "begins on all its disks");
    }

    #[test]
    fn nothing_is_made_where_a_store_is() {
        let fixture = Fixture::new();
        fixture.known("a");
        fixture.blank("b");
        let (places, open) = fixture.open(&["a", "b", "c"]);
        assert_eq!(open, ["a", "b"], "a blank disk may replace one");
        assert!(!fixture.path("c").exists() && places.may_watch(&fixture.path("c")));
        assert_eq!(places.gaps.len(), 1);
        assert!(places.gaps[0].reason.contains("is not there"), "{:?}", places.gaps);
    }

    #[test]
    fn broken_directories_are_left_out() {
        let fixture = Fixture::new();
        fixture.known("b");
        fixture.broken("a");
        let (places, open) = fixture.open(&["a", "b"]);
        assert_eq!(open, ["b"]);
        assert_eq!(places.gaps[0].dir, fixture.path("a"));
        assert!(places.gaps[0].reason.contains("cannot use"), "{:?}", places.gaps);
    }

    #[test]
    fn blank_disks_alone_are_no_new_store() {
        let fixture = Fixture::new();
        fixture.known("a");
        fixture.blank("b");
        // A directory in the place of the lock: it cannot be locked.
        fixture.blank("a/.stave-lock");
        fixture.check_refused(&["a", "b"], "no disk of the store can be used");
        fixture.check_refused(&["a"], "no disk of the store can be used");
        fixture.known("b");
        let (places, open) = fixture.open(&["a", "b"]);
        assert_eq!(open, ["b"]);
        assert!(!places.may_watch(&fixture.path("a")), "nobody knows who else uses it");
    }

    #[test]
    fn directory_of_another_process_stops_the_start() {
        let fixture = Fixture::new();
        fixture.known("a");
        fixture.known("b");
        let (held, _) = fixture.open(&["b"]);
        fixture.check_refused(&["a", "b"], "b is served by another process");
        drop(held);
        assert_eq!(fixture.open(&["a", "b"]).1, ["a", "b"]);
    }

    #[test]
    fn two_names_of_one_directory_are_refused() {
        let fixture = Fixture::new();
        fixture.known("a");
        std::os::unix::fs::symlink(fixture.path("a"), fixture.path("link")).unwrap();
        fixture.check_refused(&["a", "link"], "are the same directory");
    }
    #[test]
    fn directories_that_come_later_are_locked() {
        let fixture = Fixture::new();
        fixture.known("a");
        let dirs = ["a", "b"].map(|name| fixture.path(name));
        let (mut places, open) = fixture.open(&["a", "b"]);
        assert_eq!(open, ["a"]);
        places.lock_again(&dirs);
        assert!(!dirs[1].exists(), "a look makes nothing");
        fixture.known("b");
        places.lock_again(&dirs);
        places.lock_again(&dirs);
        assert_eq!(places.open.len(), 2);
        fixture.check_refused(&["b"], "is served by another process");
    }

    #[test]
    fn directories_that_change_places_stay_ours_and_what_went_is_given_up() {
        let fixture = Fixture::new();
        fixture.known("a");
        fixture.known("b");
        let dirs = ["a", "b"].map(|name| fixture.path(name));
        let (mut places, _) = fixture.open(&["a", "b"]);
        fixture.rename("a", "c");
        fixture.rename("b", "a");
        places.lock_again(&dirs);
        fixture.rename("c", "b");
        places.lock_again(&dirs);
        assert!(places.open.len() == 2 && places.taken.is_empty());
        fixture.check_refused(&["b"], "is served by another process");
        fixture.rename("b", "c");
        fixture.blank("b");
        places.lock_again(&dirs);
        assert_eq!(fixture.open(&["c"]).1, ["c"]);
        fixture.check_refused(&["b"], "is served by another process");
    }

    #[test]
    fn directory_of_another_process_that_comes_later_is_told_once() {
        let fixture = Fixture::new();
        fixture.known("a");
        let dirs = ["a", "b"].map(|name| fixture.path(name));
        let (mut places, _) = fixture.open(&["a", "b"]);
        fixture.known("b");
        let (held, _) = fixture.open(&["b"]);
        places.lock_again(&dirs);
        assert!(places.taken.contains(&dirs[1]) && places.open.len() == 1);
        drop(held);
        places.lock_again(&dirs);
        assert!(places.taken.is_empty() && places.open.len() == 2);
    }
}
