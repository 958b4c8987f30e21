//! Whose disks are these? What lies at each place is looked at, then one pure function decides.
//!
//! | at a place is | rule |
//! |---|---|
//! | nothing anywhere, all places blank | a new store begins on them |
//! | a disk of the newest roster, active | used; a leg only if it has that roster itself |
//! | a disk of that roster that missed changes (absent, an older copy) | used once verified |
//! | a blank directory | a new disk, unless it alone lies on the system's device |
//! | a disk whose identity is damaged or lost | known by its roster or a segment; written again |
//! | a second copy of a disk | the newer one, the one in its old place, the first; no other |
//! | a disk that was replaced, its replacement gone | used under its old number once verified |
//! | a disk that was replaced by one that is there, too | one more disk, as above |
//! | a disk of another store, or other files | refused |
//! | a directory that cannot be read, or is missing | absent |
//!
//! Nothing is ever removed from a refused disk.

use super::{DiskAt, quorum, write_replacing};
use crate::env::{Device, Disk};
use crate::error::{EngineError, Result};
use crate::format::PAGE_LEN;
use crate::format::identity::Identity;
use crate::format::roster::{DiskNumber, Roster};
use crate::format::segment::Seal;
use crate::index::RUN_DIR;
use crate::journal::JOURNAL_DIR;
use crate::mark::{self, Mark};
use crate::meta::{MANIFEST_NEW_PATH, MANIFEST_PATH};
use crate::mutant::{self, Mutant};
use crate::object::status::DiskState;
use crate::volume::VOLUME_DIR;
use bytes::Bytes;
use futures_util::future::join_all;
use std::collections::{BTreeMap, BTreeSet};

/// File that says whose disk this is.
pub const IDENTITY_PATH: &str = "stave.disk";
pub(super) const IDENTITY_NEW_PATH: &str = "stave.disk.tmp";
/// File that names the disks of the node.
pub const ROSTER_PATH: &str = "stave.roster";
pub(super) const ROSTER_NEW_PATH: &str = "stave.roster.tmp";

/// Files of ours that say nothing without an intact identity.
const LEFT_BEHIND: [&str; 6] = [
    IDENTITY_PATH,
    IDENTITY_NEW_PATH,
    ROSTER_PATH,
    ROSTER_NEW_PATH,
    MANIFEST_PATH,
    MANIFEST_NEW_PATH,
];

/// Segments that are asked whose disk this is.
const SEGMENT_TRIES_MAX: usize = 8;

/// Bytes that an identity or a roster has at most.
const SMALL_FILE_LEN_MAX: usize = 1 << 20;

/// Why an empty place is not used.
const NOT_MOUNTED: &str = "empty, and on the system's own device unlike the others: not mounted?";

/// What lies at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It cannot be read.
    Unreadable(String),
    /// An empty directory.
    Blank,
    /// Something that is not ours, or damaged.
    Foreign(String),
    /// A disk of a store.
    Disk {
        /// Which.
        identity: Identity,
        /// Its roster, when it has an intact one.
        roster: Option<Roster>,
        /// Whether a store ever began on it; only asked where there is no roster.
        holds_data: bool,
        /// Whether the identity is damaged or lost, and something else says which disk it is.
        lacks_identity: bool,
    },
}

/// A place and what lies there.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The place, as the command line names it.
    pub place: String,
    /// What it lies on.
    pub device: Device,
    /// What is there.
    pub finding: Finding,
}

/// What becomes of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// A disk that took part in the newest epoch; `is_current` when it has that roster itself.
    Member {
        /// Its number.
        number: DiskNumber,
        /// Whether it has the newest roster and took part in it.
        is_current: bool,
    },
    /// A disk that the roster no longer knows: another one had taken its place.
    Returning {
        /// The number it had, and has again.
        number: DiskNumber,
        /// Its identity.
        disk_id: u128,
    },
    /// A disk to be; it has that identity already if a process died on the way.
    Newcomer(Option<Identity>),
    /// Left alone.
    Unused(DiskState, String),
}

/// What was recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The store; `None` for one that begins now.
    pub deployment_id: Option<u128>,
    /// The newest roster; empty for a store that begins now.
    pub roster: Roster,
    /// One role per place.
    pub roles: Vec<Role>,
}

/// Looks at all places at once.
pub async fn look_at_all(places: Vec<DiskAt>) -> Vec<Seen> {
    let looks = places.into_iter().map(|at| async move { look(&at.place, &*at.disk).await });
    join_all(looks).await
}

/// Looks at a place.
pub async fn look(place: &str, disk: &dyn Disk) -> Seen {
    let device = disk.device().await.unwrap_or_default();
    let finding = match read_small(disk, IDENTITY_PATH).await {
        Ok(bytes) => match Identity::decode(&bytes) {
            Ok(identity) => find_disk(disk, identity).await,
            Err(_) => match (find_otherwise(disk).await, find_blank(disk).await) {
                (Some(finding), _) => finding,
                // Its beginning was cut off: there is nothing to lose.
                (None, Finding::Blank) => Finding::Blank,
                _ => Finding::Foreign(format!("{IDENTITY_PATH} is damaged or of another version")),
            },
        },
        Err(error) => match find_otherwise(disk).await {
            Some(finding) => finding,
            None if error.is_not_found() => find_blank(disk).await,
            None => Finding::Unreadable(error.to_string()),
        },
    };
    Seen { place: place.to_owned(), device, finding }
}

async fn find_disk(disk: &dyn Disk, identity: Identity) -> Finding {
    let roster = match read_small(disk, ROSTER_PATH).await {
        Ok(bytes) => {
            let decoded = Roster::decode(&bytes).ok();
            decoded.filter(|(owner, _)| *owner == identity).map(|(_, roster)| roster)
        }
        // It is written again; until then the disk is verified before it counts.
        Err(_) => None,
    };
    let holds_data = roster.is_none() && data_directory(disk).await.is_some();
    Finding::Disk { identity, roster, holds_data, lacks_identity: false }
}

/// Which disk its copy of the roster says it is, or the header of a segment.
async fn find_otherwise(disk: &dyn Disk) -> Option<Finding> {
    let bytes = read_small(disk, ROSTER_PATH).await.ok();
    if let Some((identity, roster)) = bytes.and_then(|bytes| Roster::decode(&bytes).ok()) {
        let roster = Some(roster);
        return Some(Finding::Disk { identity, roster, holds_data: false, lacks_identity: true });
    }
    let names = disk.list(VOLUME_DIR).await.ok()?;
    for name in names.iter().take(SEGMENT_TRIES_MAX) {
        let Ok(file) = disk.open(&format!("{VOLUME_DIR}/{name}")).await else { continue };
        let Ok(header) = file.read(0, PAGE_LEN as usize).await else { continue };
        if let Ok(seal) = Seal::decode(&header) {
            let identity = Identity { deployment_id: seal.deployment_id, disk_id: seal.disk_id };
            let lacks_identity = true;
            return Some(Finding::Disk {
                identity,
                roster: None,
                holds_data: true,
                lacks_identity,
            });
        }
    }
    None
}

/// Writes the identity of a disk again that is known otherwise.
pub(super) async fn restore_identity(at: &DiskAt, seen: &Seen) {
    let Finding::Disk { identity, lacks_identity: true, .. } = &seen.finding else { return };
    let bytes = identity.encode();
    match write_replacing(&*at.disk, IDENTITY_NEW_PATH, IDENTITY_PATH, bytes).await {
        Ok(()) => {
            mark::hit(Mark::IdentityRestored);
            tracing::warn!(disk = at.place, "{IDENTITY_PATH} was lost and is written again");
        }
        Err(error) => tracing::warn!(%error, disk = at.place, "{IDENTITY_PATH} is not restored"),
    }
}

/// A directory of ours with files in it, if there is one.
async fn data_directory(disk: &dyn Disk) -> Option<&'static str> {
    for directory in [VOLUME_DIR, JOURNAL_DIR, RUN_DIR] {
        if disk.list(directory).await.is_ok_and(|names| !names.is_empty()) {
            return Some(directory);
        }
    }
    None
}

/// Files whose names begin with a dot are not ours. What a running node may have written into a
/// directory that was emptied under it is as good as nothing; what holds data is not.
async fn find_blank(disk: &dyn Disk) -> Finding {
    let names = match disk.list("").await {
        Ok(names) => names,
        Err(error) => return Finding::Unreadable(error.to_string()),
    };
    if let Some(directory) = data_directory(disk).await {
        let reason = format!("it has no {IDENTITY_PATH} but holds files in {directory}");
        return Finding::Foreign(reason);
    }
    let is_foreign = |name: &&String| !name.starts_with('.') && !LEFT_BEHIND.contains(&&***name);
    match names.iter().find(is_foreign) {
        Some(name) => {
            Finding::Foreign(format!("it has no {IDENTITY_PATH} but holds other files ({name})"))
        }
        None => Finding::Blank,
    }
}

async fn read_small(disk: &dyn Disk, path: &str) -> Result<Bytes> {
    let file = disk.open(path).await.map_err(EngineError::io("open", path))?;
    file.read(0, SMALL_FILE_LEN_MAX).await.map_err(EngineError::io("read", path))
}

/// Decides.
///
/// # Errors
/// [`EngineError::Foreign`] when no store can be recognised, or too few of its disks are there.
pub fn decide(seen: &[Seen]) -> Result<Plan> {
    let deployments: BTreeSet<u128> = seen.iter().filter_map(deployment_of).collect();
    let mut plans = Vec::new();
    let mut refusals = Vec::new();
    for deployment_id in deployments {
        match decide_store(seen, deployment_id) {
            Ok(plan) => plans.push(plan),
            Err(error) => refusals.push(error),
        }
    }
    match (plans.pop(), plans.is_empty(), refusals.pop()) {
        (Some(plan), true, _) => Ok(plan),
        (Some(_), false, _) => {
            Err(EngineError::Foreign("the disks belong to two stores, each complete".into()))
        }
        (None, _, Some(error)) => Err(error),
        (None, _, None) => decide_new(seen, None),
    }
}

fn deployment_of(seen: &Seen) -> Option<u128> {
    match &seen.finding {
        Finding::Disk { identity, .. } => Some(identity.deployment_id),
        _ => None,
    }
}

/// A store begins only when every place is there and blank, or was left by a beginning that was cut
/// off; and either all or none of them on the system's own device: else one is not mounted.
fn decide_new(seen: &[Seen], deployment_id: Option<u128>) -> Result<Plan> {
    let is_mount =
        |seen: &Seen| !seen.device.is_root && !matches!(seen.finding, Finding::Unreadable(_));
    let is_mixed = seen.iter().any(is_mount);
    let role = |seen: &Seen| match &seen.finding {
        _ if seen.device.is_root && is_mixed => Err(NOT_MOUNTED.to_owned()),
        Finding::Blank => Ok(Role::Newcomer(None)),
        Finding::Disk { identity, holds_data: false, .. }
            if Some(identity.deployment_id) == deployment_id =>
        {
            Ok(Role::Newcomer(Some(*identity)))
        }
        Finding::Disk { holds_data: true, .. } => {
            Err(format!("it holds data, but no disk has an intact {ROSTER_PATH}"))
        }
        Finding::Disk { .. } => Err("belongs to another store".to_owned()),
        Finding::Unreadable(reason) | Finding::Foreign(reason) => Err(reason.clone()),
    };
    let named = |seen: &Seen| {
        role(seen).map_err(|reason| EngineError::Foreign(format!("{}: {reason}", seen.place)))
    };
    let roles = seen.iter().map(named).collect::<Result<Vec<_>>>()?;
    Ok(Plan { deployment_id, roster: Roster::default(), roles })
}

fn decide_store(seen: &[Seen], deployment_id: u128) -> Result<Plan> {
    let rosters = seen.iter().filter_map(|seen| match &seen.finding {
        Finding::Disk { identity, roster, .. } if identity.deployment_id == deployment_id => {
            roster.as_ref()
        }
        _ => None,
    });
    let Some(roster) = rosters.max_by_key(|roster| roster.epoch) else {
        return decide_new(seen, Some(deployment_id));
    };
    let chosen = choose_copies(seen, deployment_id, roster);
    let has_system_disks =
        seen.iter().any(|seen| seen.device.is_root && deployment_of(seen) == Some(deployment_id));
    let roles: Vec<Role> = seen
        .iter()
        .enumerate()
        .map(|(index, seen)| match &seen.finding {
            Finding::Unreadable(reason) => Role::Unused(DiskState::Absent, reason.clone()),
            Finding::Foreign(reason) => Role::Unused(DiskState::Refused, reason.clone()),
            Finding::Blank if seen.device.is_root && !has_system_disks => {
                Role::Unused(DiskState::Refused, NOT_MOUNTED.into())
            }
            Finding::Blank => Role::Newcomer(None),
            Finding::Disk { identity, .. } if identity.deployment_id != deployment_id => {
                Role::Unused(DiskState::Refused, "belongs to another store".into())
            }
            Finding::Disk { identity, roster: own, .. } => role_of_disk(
                identity,
                own.as_ref(),
                roster,
                chosen.get(&identity.disk_id) == Some(&index),
            ),
        })
        .collect();
    check_quorum(roster, &roles)?;
    Ok(Plan { deployment_id: Some(deployment_id), roster: roster.clone(), roles })
}

/// Which place speaks for a disk of which there are copies.
fn choose_copies(seen: &[Seen], deployment_id: u128, roster: &Roster) -> BTreeMap<u128, usize> {
    let mut chosen: BTreeMap<u128, (u64, bool, usize)> = BTreeMap::new();
    for (index, seen) in seen.iter().enumerate() {
        let Finding::Disk { identity, roster: own, .. } = &seen.finding else { continue };
        if identity.deployment_id != deployment_id {
            continue;
        }
        let known = roster.disks.iter().find(|disk| disk.disk_id == identity.disk_id);
        let is_home = known.is_some_and(|disk| disk.place == seen.place);
        let epoch = own.as_ref().map_or(0, |roster| roster.epoch);
        let best = chosen.entry(identity.disk_id).or_insert((epoch, is_home, index));
        if (epoch, is_home) > (best.0, best.1) {
            *best = (epoch, is_home, index);
        }
    }
    chosen.into_iter().map(|(disk_id, (_, _, index))| (disk_id, index)).collect()
}

fn role_of_disk(
    identity: &Identity,
    own: Option<&Roster>,
    newest: &Roster,
    is_chosen: bool,
) -> Role {
    if !is_chosen {
        return Role::Unused(DiskState::Refused, "a copy of a disk that is there, too".into());
    }
    let known = newest.disks.iter().find(|disk| disk.disk_id == identity.disk_id);
    match (known, own) {
        (Some(disk), _) => {
            let is_newest = own.is_some_and(|roster| roster.epoch == newest.epoch);
            let is_current = disk.is_active && is_newest || mutant::is(Mutant::BelieveStaleLeg);
            Role::Member { number: disk.number, is_current }
        }
        (None, None) => Role::Newcomer(Some(*identity)),
        (None, Some(own)) => match old_number(identity.disk_id, own, newest) {
            Some(number) => Role::Returning { number, disk_id: identity.disk_id },
            None => Role::Newcomer(Some(*identity)),
        },
    }
}

/// The number of a disk that the newest roster no longer knows, if it is free: numbers are given
/// once, so whatever still names it means this disk.
pub(super) fn old_number(disk_id: u128, own: &Roster, newest: &Roster) -> Option<DiskNumber> {
    let known = own.disks.iter().find(|disk| disk.disk_id == disk_id)?;
    let is_taken = newest.disks.iter().any(|disk| disk.number == known.number);
    (!is_taken && known.number.0 < newest.next_number).then_some(known.number)
}

fn check_quorum(roster: &Roster, roles: &[Role]) -> Result<()> {
    if mutant::is(Mutant::BelieveStaleLeg) {
        return Ok(());
    }
    let present: BTreeSet<DiskNumber> = roles
        .iter()
        .filter_map(|role| match role {
            Role::Member { number, .. } => Some(*number),
            _ => None,
        })
        .collect();
    let active = roster.disks.iter().filter(|disk| disk.is_active);
    let there = active.filter(|disk| present.contains(&disk.number)).count();
    let needed = quorum::start_count(roster);
    if there < needed {
        mark::hit(Mark::QuorumRefused);
        return Err(EngineError::Foreign(format!(
            "{there} of {} disks are there, {needed} are needed: what the others hold may be newer",
            roster.disks.len()
        )));
    }
    let is_current_leg = |role: &Role| match role {
        Role::Member { number, is_current: true } => {
            roster.disks.iter().any(|disk| disk.number == *number && disk.is_leg)
        }
        _ => false,
    };
    if roles.iter().any(is_current_leg) {
        return Ok(());
    }
    Err(EngineError::Foreign("no disk with a current copy of the metadata is there".into()))
}

#[cfg(test)]
#[path = "recognise_test.rs"]
mod recognise_test;
