//! `stave inspect`: looks at files of a store while no server runs on it. It reads, verifies and
//! tells; it changes nothing.
//!
//! ```text
//! FILE...   by name or content: identity, roster, manifest, journal, run, segment
//! DIR       one disk: all its files, and whether they are those that its manifest names
//! DIR...    the disks of a store: which rosters count, whether it would start, every stripe
//! --rebuild bodies from the volumes alone, into quarantine
//! ```
//!
//! - I1: nothing is written into a directory that is looked at, not even a lock file.
//! - I2: bytes never make it panic, and it goes on behind damage, page by page, as the engine does.
//! - I3: exit code 0 means that everything was read and verified; 1 damage; 2 that something could
//!   not be read, so that nobody knows.
//! - I4: a directory that a server has locked is refused, unless forced ([`map`] says why).
//!
//! Modules in reading order: [`file`] (what is what), [`small`], [`journal`], [`run_file`],
//! [`segment`], [`key`], [`disk`], [`volumes`], [`rebuild`] with [`stripe`] and [`target`],
//! [`report`], [`map`].

mod disk;
mod file;
mod journal;
mod key;
mod map;
mod rebuild;
mod report;
mod run_file;
mod segment;
mod small;
mod stripe;
mod target;
mod volumes;

use crate::config::{Detail, InspectConfig};
use crate::files::{self, DirLock};
use disk::DiskView;
use engine::disks::quorum;
use engine::disks::recognise::{Plan, Role, Seen, decide};
use engine::env::Device;
use engine::format::manifest::Manifest;
use engine::format::roster::Roster;
use report::Report;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

/// Looks at what was named; returns the exit code.
///
/// # Errors
/// One line, when a directory is locked by a server, or a target is refused.
pub fn run(config: &InspectConfig) -> Result<u8, String> {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut report = Report::new(&mut out, config.is_json, config.detail);
    if let Some(target) = &config.rebuild {
        let locks = lock_all(&config.paths, config.is_forced)?;
        rebuild::run(&mut report, &config.paths, target)?;
        drop(locks);
        return Ok(report.end());
    }
    let mut dirs = Vec::new();
    for path in &config.paths {
        match map::is_dir(path) {
            Ok(true) => dirs.push(path.clone()),
            Ok(false) => {
                let _locks = lock_above(path, config.is_forced)?;
                file::check(&mut report, path);
            }
            Err(error) => {
                report.begin(&path.display().to_string());
                report.unreadable(&error.to_string());
            }
        }
    }
    let locks = lock_all(&dirs, config.is_forced)?;
    check_dirs(&mut report, &dirs, locks);
    Ok(report.end())
}

/// Keeps servers off directories.
fn lock_all(dirs: &[PathBuf], is_forced: bool) -> Result<Vec<Option<DirLock>>, String> {
    dirs.iter().map(|dir| lock(dir, is_forced)).collect()
}

fn lock(dir: &Path, is_forced: bool) -> Result<Option<DirLock>, String> {
    match files::share_dir(dir) {
        Ok(None) if !is_forced => Err(format!(
            "{} is served by a running server: stop it, or look nevertheless with --force",
            dir.display()
        )),
        // What cannot be locked cannot be served either; reading it will tell why.
        Ok(lock) => Ok(lock),
        Err(_) => Ok(None),
    }
}

/// Keeps servers off the disk that a file may belong to: the directory that holds it, or the one
/// above.
fn lock_above(file: &Path, is_forced: bool) -> Result<Vec<Option<DirLock>>, String> {
    let whole = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let dirs = whole.ancestors().skip(1).take(2);
    dirs.filter(|dir| files::has_identity(dir).unwrap_or(false))
        .map(|dir| lock(dir, is_forced))
        .collect()
}

fn check_dirs(report: &mut Report<'_>, dirs: &[PathBuf], locks: Vec<Option<DirLock>>) {
    let open = |(dir, lock): (&PathBuf, _)| DiskView::open(report, dir, lock);
    let disks: Vec<DiskView> = dirs.iter().zip(locks).map(open).collect();
    let plan = (!disks.is_empty()).then(|| check_start(report, &disks)).flatten();
    let roster = newest_roster(&disks);
    let manifest = newest_manifest(&disks, plan.as_ref());
    let mut segments = Vec::new();
    let mut lasts = Vec::new();
    for disk in &disks {
        let (found, last) = disk.check(report, manifest, roster);
        segments.push(found);
        lasts.push((disk, last));
    }
    let is_whole_store = roster.is_some_and(|roster| roster.disks.len() <= dirs.len());
    if dirs.len() > 1 || is_whole_store {
        tell_short_journals(report, manifest, &lasts);
        volumes::check(report, manifest, &segments);
    } else if !disks.is_empty() {
        report.begin(&dirs[0].display().to_string());
        report.note("one disk of several: name all of them to have their volumes compared");
    }
}

fn newest_roster(disks: &[DiskView]) -> Option<&Roster> {
    disks.iter().filter_map(|disk| disk.roster.as_ref()).max_by_key(|roster| roster.epoch)
}

/// The manifest that a start would believe: the newest on a disk with a current copy; where no
/// start is possible, the newest of all.
fn newest_manifest<'a>(disks: &'a [DiskView], plan: Option<&Plan>) -> Option<&'a Manifest> {
    let is_current = |index: usize| {
        plan.is_none_or(|plan| {
            matches!(plan.roles.get(index), Some(Role::Member { is_current: true, .. }))
        })
    };
    let manifests = disks.iter().enumerate().filter(|(index, _)| is_current(*index));
    manifests.filter_map(|(_, disk)| disk.manifest.as_ref()).max_by_key(|it| it.sequence)
}

/// What a start with exactly these disks would decide.
fn check_start(report: &mut Report<'_>, disks: &[DiskView]) -> Option<Plan> {
    let seen: Vec<Seen> = disks
        .iter()
        .map(|disk| Seen {
            place: disk.dir.to_string_lossy().into_owned(),
            device: Device::default(),
            finding: disk.finding.clone(),
        })
        .collect();
    report.begin("store");
    let decided = decide(&seen);
    if let Some(roster) = newest_roster(disks) {
        let active = quorum::active_count(roster);
        let needed = quorum::start_count(roster);
        let fields = [
            ("disks", roster.disks.len().into()),
            ("active", active.into()),
            ("needed", needed.into()),
            ("named", disks.len().into()),
            ("would_start", decided.is_ok().into()),
        ];
        report.item(Detail::Items, "start", &fields);
    }
    let plan = match decided {
        Ok(plan) => plan,
        Err(error) => {
            report.note(&format!("a start with these disks alone is refused: {error}"));
            return None;
        }
    };
    for (disk, role) in disks.iter().zip(&plan.roles) {
        let epoch = disk.roster.as_ref().map(|roster| roster.epoch);
        let role = match role {
            Role::Member { is_current: true, .. } => "current".to_owned(),
            Role::Member { .. } => "behind: it missed changes and would be verified".to_owned(),
            Role::Returning { .. } => "replaced once: it would be verified".to_owned(),
            Role::Newcomer(_) => "new".to_owned(),
            Role::Unused(_, reason) => format!("not used: {reason}"),
        };
        let fields = [
            ("place", disk.dir.to_string_lossy().into()),
            ("epoch", epoch.into()),
            ("role", role.into()),
        ];
        report.item(Detail::Items, "place", &fields);
    }
    Some(plan)
}

/// All current copies of the journal should end with the same batch: one that ends earlier has a
/// torn tail, or lost what it had.
fn tell_short_journals(
    report: &mut Report<'_>,
    manifest: Option<&Manifest>,
    lasts: &[(&DiskView, Option<u64>)],
) {
    let life = manifest.map(|manifest| manifest.journal_generation);
    let of_life = lasts.iter().filter(|(disk, _)| {
        disk.manifest.as_ref().map(|manifest| manifest.journal_generation) == life
    });
    let ends: Vec<_> = of_life.filter_map(|(disk, last)| Some((disk, (*last)?))).collect();
    let longest = ends.iter().map(|(_, last)| *last).max().unwrap_or_default();
    for (disk, last) in ends.into_iter().filter(|(_, last)| *last < longest) {
        report.begin(&disk.dir.display().to_string());
        report.note(&format!(
            "its journal ends with batch {last}, another copy with {longest}: torn, or damage"
        ));
    }
}
