//! Directory entries of a simulated disk: what a process sees, and what a power loss leaves.
//!
//! Changes wait in order until their directory is synced. Entries are independent of each other,
//! except that a rename ties its two names together: after a power loss both are as before it or
//! both as after it.
//!
//! - N1: `sync_dir` makes every change of that directory durable, with the changes they build upon.
//! - N2: after a power loss, each group of tied names shows a state that it once had, not older
//!   than the last sync.

use super::page::Survival;
use crate::random::Random;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// Number of a file on its disk; never reused.
pub type Inode = u64;

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A file.
    File(Inode),
    /// A directory.
    Directory,
}

/// A change that no sync made durable yet, with the number of its operation.
#[derive(Clone, Debug)]
struct Pending {
    stamp: u64,
    change: Change,
}

#[derive(Clone, Debug)]
enum Change {
    Link { path: String, entry: Entry },
    Unlink { path: String },
    Rename { source: String, target: String },
}

impl Change {
    fn paths(&self) -> Vec<&str> {
        match self {
            Self::Link { path, .. } | Self::Unlink { path } => vec![path],
            Self::Rename { source, target } => vec![source, target],
        }
    }

    fn apply(&self, entries: &mut BTreeMap<String, Entry>) {
        match self {
            Self::Link { path, entry } => {
                entries.insert(path.clone(), *entry);
            }
            Self::Unlink { path } => {
                entries.remove(path);
            }
            Self::Rename { source, target } => {
                if let Some(entry) = entries.remove(source) {
                    entries.insert(target.clone(), entry);
                }
            }
        }
    }
}

/// All entries of a disk, by full path.
#[derive(Clone, Default)]
pub struct Names {
    cached: BTreeMap<String, Entry>,
    durable: BTreeMap<String, Entry>,
    pending: Vec<Pending>,
    /// Number of the operation that runs.
    stamp: u64,
}

/// The directory of a path; empty for the root.
fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

impl Names {
    /// What a path names now.
    pub fn get(&self, path: &str) -> Option<Entry> {
        self.cached.get(path).copied()
    }

    /// Every path and what it names now.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Entry)> {
        self.cached.iter().map(|(path, entry)| (path.as_str(), *entry))
    }

    /// The file of a path.
    ///
    /// # Errors
    /// `NotFound`, or `IsADirectory`.
    pub fn file(&self, path: &str) -> io::Result<Inode> {
        match self.get(path) {
            Some(Entry::File(inode)) => Ok(inode),
            Some(Entry::Directory) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Names a new file or directory.
    ///
    /// # Errors
    /// `AlreadyExists`, or `NotFound` for the directory.
    pub fn link(&mut self, path: &str, entry: Entry) -> io::Result<()> {
        self.check_directory(parent(path))?;
        if self.cached.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.change(Change::Link { path: path.to_owned(), entry });
        Ok(())
    }

    /// Takes a file's name away.
    ///
    /// # Errors
    /// As [`Names::file`].
    pub fn unlink(&mut self, path: &str) -> io::Result<()> {
        self.file(path)?;
        self.change(Change::Unlink { path: path.to_owned() });
        Ok(())
    }

    /// Moves a file's name, replacing the target.
    ///
    /// # Errors
    /// As [`Names::file`] for the source; when the target is a directory or in one that is missing.
    pub fn rename(&mut self, source: &str, target: &str) -> io::Result<()> {
        self.file(source)?;
        self.check_directory(parent(target))?;
        if self.get(target) == Some(Entry::Directory) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if source != target {
            let (source, target) = (source.to_owned(), target.to_owned());
            self.change(Change::Rename { source, target });
        }
        Ok(())
    }

    /// Names of the files in a directory.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        self.check_directory(directory)?;
        let is_file = |entry: &Entry| matches!(entry, Entry::File(_));
        // Everything below a directory follows its own path without a gap.
        let first = if directory.is_empty() { String::new() } else { format!("{directory}/") };
        let below = self.cached.range(first.clone()..);
        let below = below.take_while(|(path, _)| path.starts_with(&first));
        let children = below.filter(|(path, _)| parent(path) == directory);
        let files = children.filter(|(_, entry)| is_file(entry));
        Ok(files.map(|(path, _)| path[first.len()..].to_owned()).collect())
    }

    /// Makes a directory's entries durable.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn sync(&mut self, directory: &str) -> io::Result<()> {
        self.check_directory(directory)?;
        let mut needed = BTreeSet::new();
        let (mut synced, mut pending) = (Vec::new(), Vec::new());
        for entry in std::mem::take(&mut self.pending).into_iter().rev() {
            let wanted = |path: &&str| parent(path) == directory || needed.contains(*path);
            if entry.change.paths().iter().any(wanted) {
                needed.extend(entry.change.paths().into_iter().map(str::to_owned));
                synced.push(entry);
            } else {
                pending.push(entry);
            }
        }
        synced.iter().rev().for_each(|entry| entry.change.apply(&mut self.durable));
        pending.reverse();
        self.pending = pending;
        Ok(())
    }

    /// The power goes. Returns how many changes are lost.
    pub fn lose_power(&mut self, survival: Survival, random: &mut Random) -> u64 {
        let pending = std::mem::take(&mut self.pending);
        let groups = tie(&pending);
        let mut cut = BTreeSet::new();
        let mut lost = 0;
        for (Pending { stamp, change }, group) in pending.iter().zip(groups) {
            if cut.contains(&group) || !is_kept(*stamp, survival, random) {
                cut.insert(group);
                lost += 1;
            } else {
                change.apply(&mut self.durable);
            }
        }
        self.drop_orphans();
        self.cached = self.durable.clone();
        lost
    }

    /// Numbers the changes that follow.
    pub fn set_stamp(&mut self, stamp: u64) {
        self.stamp = stamp;
    }

    /// Numbers of the operations whose changes are not synced.
    pub fn stamps(&self, stamps: &mut BTreeSet<u64>) {
        stamps.extend(self.pending.iter().map(|pending| pending.stamp));
    }

    /// A file's name is gone from the medium, for no reason that anybody knows of.
    pub fn vanish(&mut self, path: &str) {
        self.cached.remove(path);
        self.durable.remove(path);
        self.pending.retain(|pending| !pending.change.paths().contains(&path));
    }

    /// Whether nothing has a name.
    pub fn is_empty(&self) -> bool {
        self.cached.is_empty()
    }

    /// Whether a file has a name now.
    pub fn is_linked(&self, inode: Inode) -> bool {
        self.cached.values().any(|entry| *entry == Entry::File(inode))
    }

    /// Whether a file has a name now or could have one after a power loss.
    pub fn is_reachable(&self, inode: Inode) -> bool {
        let entry = Entry::File(inode);
        let is_pending = |pending: &Pending| match &pending.change {
            Change::Link { entry: linked, .. } => *linked == entry,
            Change::Unlink { .. } | Change::Rename { .. } => false,
        };
        self.is_linked(inode)
            || self.durable.values().any(|durable| *durable == entry)
            || self.pending.iter().any(is_pending)
    }

    fn check_directory(&self, path: &str) -> io::Result<()> {
        let is_directory = path.is_empty() || self.get(path) == Some(Entry::Directory);
        if is_directory { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.cached);
        self.pending.push(Pending { stamp: self.stamp, change });
    }

    /// A directory whose own entry is lost takes its files along.
    fn drop_orphans(&mut self) {
        let durable = self.durable.clone();
        let is_directory = |path: &str| {
            path.is_empty() || durable.get(path).is_some_and(|entry| *entry == Entry::Directory)
        };
        let has_home = |path: &str| {
            let mut directory = parent(path);
            while !directory.is_empty() && is_directory(directory) {
                directory = parent(directory);
            }
            is_directory(directory)
        };
        self.durable.retain(|path, _| has_home(path));
    }
}

fn is_kept(stamp: u64, survival: Survival, random: &mut Random) -> bool {
    match survival {
        Survival::Drawn { kept_per_mille, .. } => random.chance(kept_per_mille),
        // A change of names is not torn: it is lost.
        Survival::Exact { is_kept, lost, torn } => {
            is_kept && lost != Some(stamp) && torn != Some(stamp)
        }
    }
}

/// Numbers the groups of changes that share names.
fn tie(changes: &[Pending]) -> Vec<usize> {
    let mut groups: Vec<usize> = Vec::with_capacity(changes.len());
    let mut owner: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, pending) in changes.iter().enumerate() {
        groups.push(index);
        for path in pending.change.paths() {
            if let Some(other) = owner.insert(path, index) {
                let (from, to) = (groups[other], groups[index]);
                groups.iter_mut().filter(|group| **group == from).for_each(|group| *group = to);
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(names: impl Fn() -> Names) -> BTreeSet<String> {
        let show = |seed| {
            let mut names = names();
            let survival = Survival::Drawn { kept_per_mille: 500, torn_per_mille: 0 };
            names.lose_power(survival, &mut Random::new(seed, "names"));
            let show = |(path, entry): (&str, Entry)| match entry {
                Entry::File(inode) => format!("{path}={inode}"),
                Entry::Directory => format!("{path}/"),
            };
            names.iter().map(show).collect::<Vec<_>>().join(" ")
        };
        (0..300).map(show).collect()
    }

    fn set(expected: &[&str]) -> BTreeSet<String> {
        expected.iter().map(|state| (*state).to_owned()).collect()
    }

    #[test]
    fn entries_are_lost_independently_unless_synced() {
        let names = || {
            let mut names = Names::default();
            names.link("a", Entry::File(1)).unwrap();
            names.sync("").unwrap();
            names.link("b", Entry::File(2)).unwrap();
            names.link("c", Entry::File(3)).unwrap();
            names
        };
        assert_eq!(outcomes(names), set(&["a=1", "a=1 b=2", "a=1 c=3", "a=1 b=2 c=3"]));
    }

    #[test]
    fn a_rename_is_atomic_and_follows_the_creation_of_its_source() {
        let names = || {
            let mut names = Names::default();
            names.link("m", Entry::File(1)).unwrap();
            names.sync("").unwrap();
            names.link("t", Entry::File(2)).unwrap();
            names.rename("t", "m").unwrap();
            names
        };
        assert_eq!(outcomes(names), set(&["m=1", "m=1 t=2", "m=2"]));
    }

    #[test]
    fn a_removed_file_may_come_back() {
        let names = || {
            let mut names = Names::default();
            names.link("a", Entry::File(1)).unwrap();
            names.sync("").unwrap();
            names.unlink("a").unwrap();
            names
        };
        assert!(names().is_reachable(1) && !names().is_linked(1));
        assert_eq!(outcomes(names), set(&["", "a=1"]));
    }

    #[test]
    fn a_file_in_a_directory_needs_both_entries() {
        let names = || {
            let mut names = Names::default();
            names.link("d", Entry::Directory).unwrap();
            names.link("d/a", Entry::File(1)).unwrap();
            names.sync("d").unwrap();
            names
        };
        assert_eq!(outcomes(names), set(&["", "d/ d/a=1"]));
    }

    #[test]
    fn syncing_one_directory_leaves_another_pending() {
        let names = || {
            let mut names = Names::default();
            names.link("d", Entry::Directory).unwrap();
            names.sync("").unwrap();
            names.link("d/a", Entry::File(1)).unwrap();
            names.link("b", Entry::File(2)).unwrap();
            names.sync("").unwrap();
            names
        };
        assert_eq!(outcomes(names), set(&["b=2 d/", "b=2 d/ d/a=1"]));
    }

    #[test]
    fn errors_are_those_of_a_file_system() {
        let mut names = Names::default();
        names.link("a", Entry::File(1)).unwrap();
        names.link("d", Entry::Directory).unwrap();
        let kind = |result: io::Result<()>| result.unwrap_err().kind();
        assert_eq!(kind(names.link("a", Entry::File(2))), io::ErrorKind::AlreadyExists);
        assert_eq!(kind(names.link("x/a", Entry::File(2))), io::ErrorKind::NotFound);
        assert_eq!(kind(names.unlink("b")), io::ErrorKind::NotFound);
        assert_eq!(kind(names.rename("b", "c")), io::ErrorKind::NotFound);
        assert_eq!(kind(names.rename("a", "d")), io::ErrorKind::IsADirectory);
        assert_eq!(names.list("").unwrap(), ["a"]);
        assert_eq!(kind(names.list("x").map(|_| ())), io::ErrorKind::NotFound);
    }
}
