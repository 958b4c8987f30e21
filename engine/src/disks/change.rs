//! Changing the roster: durably on enough disks, or not at all (Q2).

use super::recognise::{IDENTITY_PATH, ROSTER_NEW_PATH, ROSTER_PATH};
use super::{DiskSet, Slot, quorum, write_replacing};
use crate::error::{EngineError, Result};
use crate::format::identity::Identity;
use crate::format::roster::{DiskNumber, Roster, RosterDisk};
use crate::mark::{self, Mark};
use bytes::Bytes;
use futures_util::future::join_all;
use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

impl DiskSet {
    /// Begins an epoch without those disks as active ones or legs.
    ///
    /// # Errors
    /// [`EngineError::Closed`] when too few disks are left: then nothing may be acknowledged.
    pub async fn demote(&self, numbers: &[DiskNumber]) -> Result<()> {
        let is_known = |disk: &RosterDisk| numbers.contains(&disk.number) && disk.is_active;
        if self.roster_len() == 1 {
            return Err(EngineError::Closed("a lone disk has nobody to go on with".into()));
        }
        if !self.roster().disks.iter().any(is_known) {
            return Ok(());
        }
        self.change(|roster| {
            for disk in roster.disks.iter_mut().filter(|disk| numbers.contains(&disk.number)) {
                (disk.is_active, disk.is_leg) = (false, false);
            }
        })
        .await
    }

    /// Begins an epoch in which those disks, which lack some of the metadata, are no legs.
    ///
    /// # Errors
    /// [`EngineError::Closed`] when too few disks are left.
    pub async fn drop_lame_legs(&self, lame: &[Arc<Slot>]) -> Result<()> {
        let is_lame = |disk: &RosterDisk| lame.iter().any(|slot| slot.number == disk.number);
        let changed = self.change(|roster| {
            for disk in roster.disks.iter_mut().filter(|disk| is_lame(disk)) {
                disk.is_leg = false;
            }
        });
        let changed = changed.await;
        // Only now: until the roster counts, they must get whatever is acknowledged (Q1).
        lame.iter().for_each(|slot| slot.make_stale());
        changed
    }

    /// Makes a disk with a complete copy of the metadata a leg.
    ///
    /// # Errors
    /// [`EngineError::Closed`] when too few disks are left.
    pub async fn promote(&self, slot: &Slot) -> Result<()> {
        let number = slot.number;
        slot.is_stale.store(false, Ordering::Release);
        self.change(|roster| {
            for disk in roster.disks.iter_mut().filter(|disk| disk.number == number) {
                disk.is_leg = disk.is_active;
            }
        })
        .await
    }

    /// Changes the roster, durably on enough disks (Q2). Disks that fail on the way are left out.
    pub(super) async fn change(&self, edit: impl FnOnce(&mut Roster)) -> Result<()> {
        let mut tried = self.turn.lock().await;
        let mut base = self.roster();
        let mut next = base.clone();
        edit(&mut next);
        // A disk that joins brings the parity that it makes room for, without a start.
        next.parity = next.parity.max(self.parity_of(next.disks.len()));
        for disk in &mut next.disks {
            disk.is_leg &= self.slot(disk.number).is_none_or(|slot| !slot.is_stale());
        }
        loop {
            *tried = (*tried).max(base.epoch) + 1;
            next.epoch = *tried;
            // One that no start could believe must not lie on any disk: it would be the newest.
            let written = match could_start_from(&next) {
                true => self.write_roster(&next).await,
                false => BTreeSet::new(),
            };
            if let Err(error) = check_change(&base, &next, &written) {
                self.writable.store(false, Ordering::Release);
                return Err(error);
            }
            *self.roster.write().unwrap_or_else(PoisonError::into_inner) = next.clone();
            base = next.clone();
            let is_lost = |disk: &RosterDisk| disk.is_active && !written.contains(&disk.number);
            if !next.disks.iter().any(is_lost) {
                break;
            }
            for disk in next.disks.iter_mut().filter(|disk| is_lost(disk)) {
                (disk.is_active, disk.is_leg) = (false, false);
            }
        }
        self.writable.store(true, Ordering::Release);
        self.changed.notify_one();
        Ok(())
    }

    /// Writes a roster to its active disks, the legs first: a leg that has the newest one is what a
    /// start recovers from. Without one the others get nothing: a start would find a roster that no
    /// leg has. Returns who has it.
    async fn write_roster(&self, roster: &Roster) -> BTreeSet<DiskNumber> {
        let mut written = BTreeSet::new();
        for is_leg in [true, false] {
            if !is_leg && written.is_empty() {
                break;
            }
            let targets =
                roster.disks.iter().filter(|disk| disk.is_active && disk.is_leg == is_leg);
            let slots = targets.filter_map(|disk| self.slot(disk.number));
            let writes = slots.map(|slot| {
                let identity =
                    Identity { deployment_id: self.deployment_id, disk_id: slot.disk_id };
                let bytes = Bytes::from(roster.encode(identity));
                async move {
                    let result = write_roster_to(&slot, bytes).await;
                    (slot, result)
                }
            });
            for (slot, result) in join_all(writes).await {
                match result {
                    Ok(()) => {
                        written.insert(slot.number);
                    }
                    Err(EngineError::Io { source, .. }) => self.suspect(&slot, &source),
                    Err(error) => self.suspect(&slot, &io::Error::other(error.to_string())),
                }
            }
        }
        written
    }
}

async fn write_roster_to(slot: &Slot, bytes: Bytes) -> Result<()> {
    slot.check_presence().await.map_err(EngineError::io("check", IDENTITY_PATH))?;
    write_replacing(&*slot.disk, ROSTER_NEW_PATH, ROSTER_PATH, bytes).await
}

/// Disks that took the places of others: whoever put them there says that those are gone for good,
/// and speaks for them.
fn replaced_count(base: &Roster, next: &Roster, written: &BTreeSet<DiskNumber>) -> usize {
    let knows = |roster: &Roster, disk: &RosterDisk| {
        roster.disks.iter().any(|other| other.number == disk.number)
    };
    let gone = base.disks.iter().filter(|disk| disk.is_active && !knows(next, disk)).count();
    let is_new = |disk: &&RosterDisk| written.contains(&disk.number) && !knows(base, disk);
    gone.min(next.disks.iter().filter(is_new).count())
}

/// Whether a start that finds all active disks would go on with this roster.
fn could_start_from(roster: &Roster) -> bool {
    quorum::active_count(roster) >= quorum::start_count(roster)
}

fn check_change(base: &Roster, next: &Roster, written: &BTreeSet<DiskNumber>) -> Result<()> {
    let (have, needed) = match base.disks.is_empty() {
        true => (written.len(), next.disks.len()),
        false => {
            let active = base.disks.iter().filter(|disk| disk.is_active);
            let have = active.filter(|disk| written.contains(&disk.number)).count()
                + replaced_count(base, next, written);
            (have, quorum::change_count(base))
        }
    };
    let still = next.disks.iter().filter(|disk| written.contains(&disk.number)).count();
    let leg = next.disks.iter().any(|disk| disk.is_leg && written.contains(&disk.number));
    if have >= needed && still >= quorum::start_count(next) && leg {
        return Ok(());
    }
    mark::hit(Mark::RosterRefused);
    Err(EngineError::Closed(format!(
        "too few disks: {have} of {needed} took the new roster, {still} of {} are left",
        next.disks.len()
    )))
}
