//! One disk: all its files, and whether they are those that roster and manifest name.

use super::report::Report;
use super::segment::{Expected, Segment};
use super::{journal, map, run_file, segment, small};
use crate::config::Detail;
use crate::files::DirLock;
use bytes::Bytes;
use engine::disks::recognise::{Finding, IDENTITY_PATH, ROSTER_PATH};
use engine::format::identity::Identity;
use engine::format::manifest::{Manifest, MemberEntry, VolumeEntry};
use engine::format::roster::{DiskNumber, Roster};
use engine::format::segment::Seal;
use engine::format::value::VolumeId;
use engine::index::RUN_DIR;
use engine::journal::JOURNAL_DIR;
use engine::meta::MANIFEST_PATH;
use engine::volume::VOLUME_DIR;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// Files that a journal has from its beginning on.
const JOURNAL_FILES_MIN: usize = 2;

/// A disk and what its small files say.
pub struct DiskView {
    /// Where it is.
    pub dir: PathBuf,
    /// Keeps servers off it.
    pub _lock: Option<DirLock>,
    /// Which disk it is.
    pub identity: Option<Identity>,
    /// Its roster.
    pub roster: Option<Roster>,
    /// Its manifest.
    pub manifest: Option<Manifest>,
    /// What a start would find at the place.
    pub finding: Finding,
}

/// The segments of a disk, by name.
pub type Segments = BTreeMap<(VolumeId, u32), (PathBuf, Segment)>;

impl DiskView {
    /// Reads the small files of a directory.
    pub fn open(report: &mut Report<'_>, dir: &Path, lock: Option<DirLock>) -> Self {
        if map::list(dir).is_ok_and(|names| names.iter().all(|name| name.starts_with('.'))) {
            report.begin(&dir.display().to_string());
            report.note("empty: no disk yet");
            return Self {
                dir: dir.to_owned(),
                _lock: lock,
                identity: None,
                roster: None,
                manifest: None,
                finding: Finding::Blank,
            };
        }
        let identity = small(report, dir, IDENTITY_PATH, true)
            .and_then(|bytes| small::check_identity(report, &bytes));
        let found = small(report, dir, ROSTER_PATH, true)
            .and_then(|bytes| small::check_roster(report, &bytes, identity));
        // As a start does: the copy of the roster knows the disk, too.
        let lacks_identity = identity.is_none();
        let identity = identity.or(found.as_ref().map(|(identity, _)| *identity));
        let roster = found.map(|(_, roster)| roster);
        let store = identity.map(|identity| identity.deployment_id);
        let number = number_in(roster.as_ref(), identity.as_ref());
        let is_leg = roster
            .iter()
            .flat_map(|roster| &roster.disks)
            .any(|disk| Some(disk.number) == number && disk.is_leg && disk.is_active);
        let manifest = small(report, dir, MANIFEST_PATH, is_leg)
            .and_then(|bytes| small::check_manifest(report, &bytes, store));
        let finding = match identity {
            Some(identity) => {
                let roster = roster.clone();
                Finding::Disk { identity, roster, holds_data: true, lacks_identity }
            }
            None => Finding::Foreign(format!("{IDENTITY_PATH} is missing or damaged")),
        };
        Self { dir: dir.to_owned(), _lock: lock, identity, roster, manifest, finding }
    }

    /// Its number in a roster.
    pub fn number(&self, roster: &Roster) -> Option<DiskNumber> {
        number_in(Some(roster), self.identity.as_ref())
    }

    /// Looks at everything else; `manifest` and `roster` are the newest that are known. Returns the
    /// segments, and the last batch of the journal where there is one.
    pub fn check(
        &self,
        report: &mut Report<'_>,
        manifest: Option<&Manifest>,
        roster: Option<&Roster>,
    ) -> (Segments, Option<u64>) {
        self.check_names(report);
        let number = roster.and_then(|roster| self.number(roster));
        let last = self.manifest.as_ref().map(|own| {
            self.check_runs(report, own);
            self.check_journal(report, own)
        });
        (self.check_segments(report, manifest, number), last)
    }

    fn check_names(&self, report: &mut Report<'_>) {
        let names = self.list(report, "");
        report.begin(&self.dir.display().to_string());
        let known = [IDENTITY_PATH, ROSTER_PATH, MANIFEST_PATH, JOURNAL_DIR, RUN_DIR, VOLUME_DIR];
        for name in names.iter().filter(|name| !name.starts_with('.')) {
            if !known.contains(&name.as_str()) {
                report.note(&format!("{name} is no file that a start reads"));
            }
        }
    }

    /// Names in a directory of the disk.
    fn list(&self, report: &mut Report<'_>, directory: &str) -> Vec<String> {
        map::list(&self.dir.join(directory)).unwrap_or_else(|error| {
            report.begin(&self.dir.join(directory).display().to_string());
            report.unreadable(&error.to_string());
            Vec::new()
        })
    }

    fn check_runs(&self, report: &mut Report<'_>, manifest: &Manifest) {
        let mut named: BTreeSet<u64> = manifest.runs.iter().copied().collect();
        for name in self.list(report, RUN_DIR) {
            let path = self.dir.join(RUN_DIR).join(&name);
            let id = run_file::parse_name(&name);
            let is_named = id.is_some_and(|id| named.remove(&id));
            if let Some(bytes) = open(report, &path) {
                run_file::check(report, &bytes, id);
            }
            tell_unnamed(report, is_named);
        }
        for id in named {
            self.tell_missing(report, RUN_DIR, &format!("{id:016x}"));
        }
    }

    fn check_journal(&self, report: &mut Report<'_>, manifest: &Manifest) -> u64 {
        let mut files = BTreeMap::new();
        for name in self.list(report, JOURNAL_DIR) {
            let path = self.dir.join(JOURNAL_DIR).join(&name);
            let id = journal::parse_name(&name);
            let Some((bytes, id)) = open(report, &path).zip(id) else { continue };
            let is_named = id.0 == manifest.journal_generation;
            let found = journal::scan(report, &bytes, id);
            tell_unnamed(report, is_named);
            if is_named {
                files.insert(id.1, (path.display().to_string(), found));
            }
        }
        report.begin(&self.dir.join(JOURNAL_DIR).display().to_string());
        if files.len() < JOURNAL_FILES_MIN && manifest.journal_generation > 0 {
            report.damage(0, &format!("{} files of the journal where two are least", files.len()));
        }
        journal::check_tail(report, &files, manifest.checkpoint)
    }

    fn check_segments(
        &self,
        report: &mut Report<'_>,
        manifest: Option<&Manifest>,
        number: Option<DiskNumber>,
    ) -> Segments {
        let mut expected = self.expected(manifest, number);
        let mut segments = Segments::new();
        for name in self.list(report, VOLUME_DIR) {
            let path = self.dir.join(VOLUME_DIR).join(&name);
            let id = segment::parse_name(&name);
            let wanted = id.and_then(|id| expected.remove(&id));
            if let Some(bytes) = open(report, &path) {
                let found = segment::check(report, &bytes, wanted);
                segments.extend(
                    found.map(|found| {
                        ((found.seal.volume, found.seal.epoch), (path.clone(), found))
                    }),
                );
            }
            tell_unnamed(report, wanted.is_some() || manifest.is_none());
        }
        for (volume, epoch) in expected.into_keys() {
            self.tell_missing(report, VOLUME_DIR, &format!("{:016x}-{epoch:08x}", volume.0));
        }
        segments
    }

    /// The segments that this disk should have.
    fn expected(
        &self,
        manifest: Option<&Manifest>,
        number: Option<DiskNumber>,
    ) -> BTreeMap<(VolumeId, u32), Expected> {
        let Some(((manifest, number), identity)) = manifest.zip(number).zip(self.identity) else {
            return BTreeMap::new();
        };
        let seal = |entry: &VolumeEntry, (column, member): (usize, &MemberEntry)| Seal {
            deployment_id: identity.deployment_id,
            disk_id: identity.disk_id,
            volume: entry.id,
            geometry: entry.geometry,
            column: column as u8,
            epoch: member.epoch,
        };
        let mut expected = BTreeMap::new();
        for entry in &manifest.volumes {
            let members = entry.members.iter().enumerate();
            for (column, member) in members.filter(|(_, member)| member.disk == number) {
                let seal = seal(entry, (column, member));
                let is_open = entry.sealed_len.is_none();
                expected.insert((entry.id, member.epoch), Expected { seal, is_open });
            }
        }
        expected
    }

    fn tell_missing(&self, report: &mut Report<'_>, directory: &str, name: &str) {
        report.begin(&self.dir.join(directory).join(name).display().to_string());
        report.damage(0, "the manifest names it, and it is missing");
    }
}

fn number_in(roster: Option<&Roster>, identity: Option<&Identity>) -> Option<DiskNumber> {
    let disks = &roster?.disks;
    let disk_id = identity?.disk_id;
    disks.iter().find(|disk| disk.disk_id == disk_id).map(|disk| disk.number)
}

/// A small file of the disk; one that must be there is damage when it is missing.
fn small(report: &mut Report<'_>, dir: &Path, name: &str, is_needed: bool) -> Option<Bytes> {
    let path = dir.join(name);
    match map::map(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if is_needed {
                report.begin(&path.display().to_string());
                report.damage(0, "it is missing");
            }
            None
        }
        Err(error) => {
            report.begin(&path.display().to_string());
            report.unreadable(&error.to_string());
            None
        }
        Ok(bytes) => {
            report.begin_file(&path.display().to_string());
            Some(bytes)
        }
    }
}

fn open(report: &mut Report<'_>, path: &Path) -> Option<Bytes> {
    report.begin_file(&path.display().to_string());
    let mapped = map::map(path);
    mapped.map_err(|error| report.unreadable(&error.to_string())).ok()
}

fn tell_unnamed(report: &mut Report<'_>, is_named: bool) {
    if !is_named {
        report.item(Detail::Items, "note", &[("text", "nothing names it".into())]);
    }
}
