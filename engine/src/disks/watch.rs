//! Looking after the disks while the node runs: which went, which came, which may be tried again.

use super::recognise::{Finding, Seen, look_at_all, old_number, restore_identity};
use super::{DiskAt, DiskSet, Slot, quorum};
use crate::env::{Disk, Durability};
use crate::error::Result;
use crate::format::identity::Identity;
use crate::format::roster::{DiskNumber, Roster, RosterDisk};
use crate::mark::{self, Mark};
use crate::object::status::DiskState;
use bytes::Bytes;
use futures_util::future::join_all;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

/// File that a trial writes.
const TRIAL_PATH: &str = ".stave-trial";

/// Looks that a disk waits for its trial at most: twice as many each time that it fails.
pub const TRIAL_LOOKS_MAX: u64 = 64;

impl DiskSet {
    /// Looks at every place once: demotes disks that went, takes in those that came or came back,
    /// gives suspects a trial. Call it every few seconds.
    pub async fn watch(&self) {
        if self.places.len() == 1 {
            return;
        }
        let known = self.roster();
        let seen = look_at_all(self.places.clone()).await;
        self.restore_identities(&seen).await;
        let mut gone = Vec::new();
        for slot in self.slots() {
            match why_gone(&slot, &seen) {
                Some(reason) if slot.state() != DiskState::Absent => {
                    slot.count_error();
                    slot.set_health(DiskState::Absent, &reason);
                    gone.push(slot.number);
                    self.changed.notify_one();
                }
                Some(_) => {}
                None => self.look_after(&slot, &mut gone).await,
            }
        }
        self.settle(gone).await;
        for (at, seen) in self.places.iter().zip(&seen) {
            self.take_in(at, seen).await;
        }
        self.activate(self.has_worn_roster(&known, &seen)).await;
    }

    /// Whether a start would find enough: the disks that it needs are there and take writes, two
    /// that hold the metadata among them, or all that do.
    pub async fn could_start(&self) -> bool {
        let roster = self.roster();
        let active = roster.disks.iter().filter(|disk| disk.is_active);
        let trials = active.map(|disk| async move {
            let slot = self.slot(disk.number)?;
            slot.check_presence().await.ok()?;
            try_writing(&*slot.disk).await.ok().map(|()| disk.is_leg)
        });
        let fit: Vec<bool> = join_all(trials).await.into_iter().flatten().collect();
        let legs = roster.disks.iter().filter(|disk| disk.is_leg).count();
        let fit_legs = fit.iter().filter(|is_leg| **is_leg).count();
        let needed = quorum::start_count(&roster).max(quorum::change_count(&roster));
        fit.len() >= needed && fit_legs >= legs.min(2)
    }

    /// Whether a disk lacks the roster that it took: it was damaged since.
    fn has_worn_roster(&self, known: &Roster, seen: &[Seen]) -> bool {
        let is_worn = |slot: &Arc<Slot>| {
            let is_active = |disk: &RosterDisk| disk.number == slot.number && disk.is_active;
            let found = seen.iter().find(|seen| seen.place == slot.place);
            let epoch = found.and_then(|seen| match &seen.finding {
                Finding::Disk { identity, roster, .. } if identity.disk_id == slot.disk_id => {
                    Some(roster.as_ref().map_or(0, |roster| roster.epoch))
                }
                _ => None,
            });
            slot.is_healthy()
                && known.disks.iter().any(is_active)
                && epoch.is_some_and(|epoch| epoch < known.epoch)
        };
        self.slots().iter().any(is_worn)
    }

    /// Disks of the roster that only their copies of it still know get their identity back.
    async fn restore_identities(&self, seen: &[Seen]) {
        let roster = self.roster();
        for (at, seen) in self.places.iter().zip(seen) {
            let Finding::Disk { identity, .. } = &seen.finding else { continue };
            let is_known = roster.disks.iter().any(|disk| disk.disk_id == identity.disk_id);
            if identity.deployment_id == self.deployment_id && is_known {
                restore_identity(at, seen).await;
            }
        }
    }

    /// Demotes disks that failed since the last look, whoever saw it.
    async fn settle(&self, mut numbers: Vec<DiskNumber>) {
        let failed = self.slots().into_iter().filter(|slot| !slot.is_healthy());
        numbers.extend(failed.map(|slot| slot.number));
        match self.demote(&numbers).await {
            Ok(()) => self.told.store(false, Ordering::Relaxed),
            // Once, not with every look.
            Err(error) if !self.told.swap(true, Ordering::Relaxed) => {
                tracing::error!(%error, "no writes are taken until disks come back");
            }
            Err(error) => tracing::debug!(%error, "still no writes are taken"),
        }
    }

    /// A disk that failed gets a trial; one that takes no writes is noticed before a client's do.
    async fn look_after(&self, slot: &Arc<Slot>, gone: &mut Vec<DiskNumber>) {
        if slot.is_healthy() {
            return;
        }
        if must_wait(slot) {
            return;
        }
        if try_writing(&*slot.disk).await.is_err() {
            gone.push(slot.number);
        } else {
            mark::hit(Mark::TrialPassed);
            // What it holds is verified first; it is another slot from now on.
            let at = DiskAt { place: slot.place.clone(), disk: slot.disk.clone() };
            if let Err(error) = self.demote(&[slot.number]).await {
                tracing::debug!(%error, disk = slot.place, "not taken back yet");
            }
            self.take_back(&at, slot.number, slot.disk_id, slot.strikes.load(Ordering::Relaxed))
                .await;
        }
    }

    async fn take_in(&self, at: &DiskAt, seen: &Seen) {
        let is_taken = self
            .slots()
            .iter()
            .any(|slot| slot.place == at.place && slot.state() != DiskState::Absent);
        if is_taken {
            return;
        }
        match &seen.finding {
            Finding::Blank => {
                let is_odd = seen.device.is_root && !self.is_on_system_device().await;
                if !is_odd && let Err(error) = self.take_new(at, None).await {
                    tracing::warn!(%error, disk = at.place, "an empty directory was not taken in");
                }
            }
            Finding::Disk { identity, roster: own, .. }
                if identity.deployment_id == self.deployment_id =>
            {
                let roster = self.roster();
                let known = roster.disks.iter().find(|disk| disk.disk_id == identity.disk_id);
                let slot = known.and_then(|disk| self.slot(disk.number));
                let is_there = slot.as_ref().is_some_and(|slot| slot.state() != DiskState::Absent);
                match known {
                    // One that lost its files again and again is no better than one that fails.
                    Some(_) if !is_there && slot.as_ref().is_some_and(|slot| must_wait(slot)) => {}
                    Some(disk) if !is_there => {
                        let strikes = slot.map_or(0, |slot| slot.strikes.load(Ordering::Relaxed));
                        self.take_back(at, disk.number, identity.disk_id, strikes).await;
                    }
                    Some(_) => self.leave(at, DiskState::Refused, "a copy of another disk"),
                    None => {
                        restore_identity(at, seen).await;
                        self.take_unknown(at, *identity, own.as_ref()).await;
                    }
                }
            }
            Finding::Disk { .. } | Finding::Foreign(_) | Finding::Unreadable(_) => {}
        }
    }

    /// Disks that are well but were left out by a change that did not come through take part again.
    /// A new epoch begins, too, when one `is_due`.
    async fn activate(&self, is_due: bool) {
        let roster = self.roster();
        let is_active = |slot: &Slot| {
            roster.disks.iter().any(|disk| disk.number == slot.number && disk.is_active)
        };
        let slots = self.slots().into_iter();
        let numbers: Vec<DiskNumber> = slots
            .filter(|slot| slot.is_healthy() && !is_active(slot))
            .map(|slot| slot.number)
            .collect();
        if numbers.is_empty() && self.is_changeable() && !is_due {
            return;
        }
        let changed = self.change(|roster| {
            for disk in roster.disks.iter_mut().filter(|disk| numbers.contains(&disk.number)) {
                disk.is_active = true;
            }
        });
        if let Err(error) = changed.await {
            tracing::debug!(%error, "not all disks take part yet");
        }
    }

    async fn is_on_system_device(&self) -> bool {
        for slot in self.slots() {
            if slot.is_healthy() && slot.disk.device().await.is_ok_and(|device| device.is_root) {
                return true;
            }
        }
        false
    }

    async fn take_new(&self, at: &DiskAt, identity: Option<Identity>) -> Result<()> {
        let mut roster = self.roster();
        self.admit(&mut roster, at, identity).await?;
        let added = roster.disks.pop().expect("a disk was added");
        let next_number = roster.next_number;
        self.forget_place(&at.place);
        let changed = self.change(|roster| {
            self.make_room(roster, &at.place);
            roster.next_number = roster.next_number.max(next_number);
            roster.disks.push(added);
        });
        let changed = changed.await;
        self.drop_unknown_slots();
        changed
    }

    /// A disk that the roster does not know: it was replaced and is there again, or it joined in a
    /// change that did not come through.
    async fn take_unknown(&self, at: &DiskAt, identity: Identity, own: Option<&Roster>) {
        let disk_id = identity.disk_id;
        let number = own.and_then(|own| old_number(disk_id, own, &self.roster()));
        let changed = match number {
            None => self.take_new(at, Some(identity)).await,
            Some(number) => {
                self.forget_place(&at.place);
                self.change(|roster| self.take_again(roster, at, (number, disk_id))).await
            }
        };
        if let Err(error) = changed {
            tracing::warn!(%error, disk = at.place, "disk was not taken back");
        }
        self.drop_unknown_slots();
    }

    async fn take_back(&self, at: &DiskAt, number: DiskNumber, disk_id: u128, strikes: u64) {
        self.add_slot(at, (number, disk_id), true);
        if let Some(slot) = self.slot(number) {
            slot.strikes.store(strikes, Ordering::Relaxed);
        }
        self.forget_place(&at.place);
        let changed = self.change(|roster| {
            for disk in roster.disks.iter_mut().filter(|disk| disk.number == number) {
                disk.place = at.place.clone();
                (disk.is_active, disk.is_leg) = (true, false);
            }
        });
        match changed.await {
            Ok(()) => tracing::info!(disk = at.place, "disk is back"),
            Err(error) => tracing::warn!(%error, disk = at.place, "disk was not taken back"),
        }
    }

    fn forget_place(&self, place: &str) {
        let mut unused = self.unused.lock().unwrap_or_else(PoisonError::into_inner);
        unused.retain(|known| known.place != place);
    }
}

/// Whether a disk that failed waits for its next trial; counts the looks.
fn must_wait(slot: &Slot) -> bool {
    let doublings = slot.strikes.load(Ordering::Relaxed).saturating_sub(1);
    let looks = TRIAL_LOOKS_MAX.min(1 << doublings.min(63));
    if slot.waited.fetch_add(1, Ordering::Relaxed) + 1 < looks {
        mark::hit(Mark::TrialDeferred);
        return true;
    }
    slot.waited.store(0, Ordering::Relaxed);
    false
}

/// Why a disk no longer is where it was.
fn why_gone(slot: &Slot, seen: &[Seen]) -> Option<String> {
    let seen = seen.iter().find(|seen| seen.place == slot.place)?;
    match &seen.finding {
        // Somebody was at its files: what else is gone, only a look at everything tells.
        Finding::Disk { identity, lacks_identity: true, .. }
            if identity.disk_id == slot.disk_id =>
        {
            Some("its stave.disk was damaged or lost".into())
        }
        Finding::Disk { identity, .. } if identity.disk_id == slot.disk_id => None,
        Finding::Disk { .. } => Some("another disk is in its place".into()),
        Finding::Blank => Some("its directory is empty".into()),
        Finding::Unreadable(reason) | Finding::Foreign(reason) => Some(reason.clone()),
    }
}

/// Writes, syncs and removes a small file.
async fn try_writing(disk: &dyn Disk) -> io::Result<()> {
    // One may be left from a trial that was cut off.
    let _ = disk.remove(TRIAL_PATH).await;
    let file = disk.create(TRIAL_PATH).await?;
    file.write(0, vec![Bytes::from_static(&[0xa5; 4096])], Durability::Synced).await?;
    disk.remove(TRIAL_PATH).await?;
    disk.sync_dir("").await
}
