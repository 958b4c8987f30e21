//! Appending to volumes: compose a stripe, place it, write every member; and the sync that commits
//! share.
//!
//! A member that fails in the middle of a write seals the volume, and the stripe is written again
//! into another one, so that what is handed out always lies on all members. A member that fails in
//! a sync leaves its volume with fewer: those who wait learn success only when enough members have
//! everything (`Geometry::write_floor`).

use super::member::Member;
use super::stripe::Stripe;
use super::{Volume, VolumeSet};
use crate::disks::Slot;
use crate::env::{DiskSpace, Durability, is_full};
use crate::erasure::Geometry;
use crate::error::{EngineError, Result};
use crate::format::PAGE_LEN;
use crate::format::manifest::{Manifest, MemberEntry, VolumeEntry};
use crate::format::record::{self, Owner};
use crate::format::value::{Extent, VolumeId};
use crate::mark::{self, Mark};
use crate::mutant::{self, Mutant};
use bytes::Bytes;
use futures_util::future::join_all;
use std::io;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

/// Volumes that one append tries.
const TRIES_MAX: usize = 6;

/// Bytes beside the reserve that a disk must have free to get a member of a new volume.
pub(crate) const ROOM_MIN: u64 = 4 << 20;

/// Where a stripe's bodies went.
#[derive(Clone)]
pub struct Appended {
    /// One extent per owner, in order.
    pub extents: Vec<Extent>,
    /// The volume, held so that it is not reclaimed before the extents are committed or given up.
    pub volume: Hold,
}

/// Keeps reclaim from a volume. Taken before room in the volume is, so that whoever finds it sealed
/// and not held knows that nothing comes any more.
pub struct Hold(Arc<Volume>);

impl Hold {
    fn new(volume: Arc<Volume>) -> Self {
        volume.holds.fetch_add(1, Ordering::SeqCst);
        Self(volume)
    }
}

impl Clone for Hold {
    fn clone(&self) -> Self {
        Self::new(self.0.clone())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.holds.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Deref for Hold {
    type Target = Arc<Volume>;

    fn deref(&self) -> &Arc<Volume> {
        &self.0
    }
}

/// Shares `fdatasync` among those who wait: a sync serves everybody who asked before it began.
#[derive(Default)]
pub(super) struct SyncGate {
    asked: AtomicU64,
    served: tokio::sync::Mutex<u64>,
    failed: AtomicBool,
}

impl Volume {
    /// Makes everything durable that was appended before the call.
    ///
    /// The sync runs as a task of its own: an error is told once per open file, and a request that
    /// is dropped in the middle must not take it along.
    ///
    /// # Errors
    /// I/O errors of so many members that the floor is missed, also in an earlier sync: its pages
    /// may be lost although a later sync succeeds, so the volume is given up.
    pub async fn sync(self: &Arc<Self>) -> Result<()> {
        let ticket = self.gate.asked.fetch_add(1, Ordering::AcqRel) + 1;
        let volume = self.clone();
        let synced = tokio::spawn(async move { volume.sync_shared(ticket).await });
        synced.await.unwrap_or_else(|error| Err(EngineError::Closed(error.to_string())))
    }

    async fn sync_shared(&self, ticket: u64) -> Result<()> {
        let mut served = self.gate.served.lock().await;
        if self.gate.failed.load(Ordering::Acquire) {
            return Err(EngineError::Closed(format!("{} failed to sync", self.what())));
        }
        if *served >= ticket || mutant::is(Mutant::SkipVolumeSync) {
            return Ok(());
        }
        let upto = self.gate.asked.load(Ordering::Acquire);
        let result = self.sync_members().await;
        if result.is_err() {
            self.gate.failed.store(true, Ordering::Release);
            self.seal_up();
        }
        result?;
        *served = upto;
        Ok(())
    }

    async fn sync_members(&self) -> Result<()> {
        let members = self.members();
        // A member that failed before has nothing more to promise: a sync would hide it (D9).
        let intact = members.iter().filter(|member| !member.is_damaged());
        let syncs = intact.map(|member| async move {
            let result = match member.file(&self.shared.disks, &self.shared.open_files).await {
                Ok((slot, file)) => {
                    let mut result = file.sync().await;
                    if result.is_err() && mutant::is(Mutant::RetryFailedSync) {
                        result = file.sync().await;
                    }
                    result.map_err(|error| (Some(slot), error))
                }
                Err(error) => Err((None, io::Error::other(error.to_string()))),
            };
            (member, result)
        });
        let mut durable = 0;
        let mut last = None;
        for (member, result) in join_all(syncs).await {
            match result {
                Ok(()) => durable += 1,
                Err((slot, error)) => {
                    self.lose_member(member, slot.as_deref(), &error);
                    last = Some(error);
                }
            }
        }
        let floor = if mutant::is(Mutant::FloorIsData) {
            self.geometry.data_count()
        } else {
            self.geometry.write_floor()
        };
        if durable >= floor {
            return Ok(());
        }
        let error = last.unwrap_or_else(|| io::Error::other("too few members are left"));
        mark::hit(Mark::BelowFloor);
        Err(EngineError::io("sync", &self.what())(error))
    }

    /// Counts a member as damaged and seals the volume (V6).
    fn lose_member(&self, member: &Member, slot: Option<&Slot>, error: &io::Error) {
        if let Some(slot) = slot
            && !is_full(error)
        {
            self.shared.disks.suspect(slot, error);
        }
        if self.geometry.parity > 0 && member.doubt() {
            tracing::warn!(%error, volume = self.id.0, path = member.path(), "member is damaged");
        }
        self.seal_up();
    }

    /// Takes room for a stripe, or seals the volume when it would grow too long.
    fn reserve(&self, len: u64, len_max: u64) -> Option<u64> {
        let update = self.end.fetch_update(Ordering::AcqRel, Ordering::Acquire, |end| {
            let is_room = end == PAGE_LEN || end + len <= len_max;
            (is_room && !self.is_sealed()).then_some(end + len)
        });
        if update.is_err() {
            self.seal_up();
        }
        update.ok()
    }

    /// Writes every column of a stripe into the page caches.
    async fn write(&self, stripe: &Stripe, offset: u64) -> io::Result<()> {
        let members = self.members();
        let columns = members.iter().zip(&stripe.columns);
        let writes = columns.enumerate().map(|(index, (member, (payload, owners)))| async move {
            if stripe.shape.column(index).is_empty() {
                return Ok(());
            }
            let buffers =
                record::encode(&member.seal, offset, &stripe.shape, payload.clone(), owners);
            self.write_record(member, offset, buffers).await
        });
        let mut outcome = Ok(());
        for result in join_all(writes).await {
            outcome = outcome.and(result);
        }
        outcome
    }

    async fn write_record(
        &self,
        member: &Member,
        offset: u64,
        buffers: Vec<Bytes>,
    ) -> io::Result<()> {
        let opened = member.file(&self.shared.disks, &self.shared.open_files).await;
        let (slot, file) = match opened {
            Ok((slot, file)) if slot.is_healthy() => (slot, file),
            Ok((slot, _)) => {
                let error = io::Error::other(format!("disk {} takes no writes", slot.place));
                self.lose_member(member, None, &error);
                return Err(error);
            }
            Err(error) => {
                let error = io::Error::other(error.to_string());
                self.lose_member(member, None, &error);
                return Err(error);
            }
        };
        let result = file.write(offset, buffers, Durability::Cached).await;
        if let Err(error) = &result {
            self.lose_member(member, Some(&slot), error);
        }
        result
    }
}

impl VolumeSet {
    /// Writes one stripe into the open volume.
    pub(super) async fn append_stripe(
        self: &Arc<Self>,
        owners: &[Owner],
        payload: Vec<Bytes>,
    ) -> Result<Appended> {
        let mut last = None;
        let mut composed: Option<(Geometry, Stripe)> = None;
        for _ in 0..TRIES_MAX {
            let volume = Hold::new(self.writable().await?);
            let stripe = match composed.take() {
                Some((geometry, stripe)) if geometry == volume.geometry => stripe,
                _ => Stripe::compose(volume.geometry, owners, &payload),
            };
            let stripe_len = stripe.shape.stripe_len();
            if let Some(offset) = volume.reserve(stripe_len, self.config.volume_len_max) {
                match volume.write(&stripe, offset).await {
                    Ok(()) => {
                        let extents = stripe.extents_at(volume.id, offset);
                        return Ok(Appended { extents, volume });
                    }
                    Err(error) => {
                        mark::hit(Mark::StripeElsewhere);
                        volume.seal_up();
                        last = Some(EngineError::io("write", &volume.what())(error));
                        if volume.geometry.parity == 0 {
                            break;
                        }
                    }
                }
            }
            composed = Some((volume.geometry, stripe));
        }
        Err(last.unwrap_or_else(|| EngineError::Closed("no volume takes the stripe".into())))
    }

    /// The open volume, or a new one.
    async fn writable(self: &Arc<Self>) -> Result<Arc<Volume>> {
        loop {
            let current = self.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(volume) = current.clone().filter(|volume| !volume.is_sealed()) {
                return Ok(volume);
            }
            // A request that is dropped must not cut a change of the manifest in two.
            let set = self.clone();
            let opened = tokio::spawn(async move { set.open_next(current).await });
            opened.await.unwrap_or_else(|error| Err(EngineError::Closed(error.to_string())))?;
        }
    }

    /// Opens a new volume in place of `full`, unless somebody else did.
    async fn open_next(self: &Arc<Self>, full: Option<Arc<Volume>>) -> Result<()> {
        let _turn = self.opening.lock().await;
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let is_replaced = match (&current, &full) {
            (Some(current), Some(full)) => current.id != full.id,
            (current, full) => current.is_some() != full.is_some(),
        };
        if is_replaced {
            return Ok(());
        }
        let volume = match self.take_standby() {
            Some(volume) => volume,
            None => self.create_volume(None).await?,
        };
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(volume);
        let set = self.clone();
        tokio::spawn(async move { set.prepare_standby().await });
        Ok(())
    }

    /// The volume that waits, when nothing better can be made now. No disk is asked: one that
    /// hangs must not keep writers from the others.
    fn take_standby(&self) -> Option<Arc<Volume>> {
        let standby = self.standby.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let fit = self.shared.disks.fit_slots();
        let is_fit = |member: &Arc<Member>| fit.iter().any(|slot| slot.number == member.entry.disk);
        let is_usable = !standby.is_sealed()
            && standby.members().iter().all(is_fit)
            && standby.health().is_whole()
            && !self.wants_restripe(&standby);
        mark::hit(if is_usable { Mark::StandbyUsed } else { Mark::StandbyUnfit });
        if !is_usable {
            // Reclaim removes it.
            standby.seal_up();
        }
        is_usable.then_some(standby)
    }

    /// Makes the volume that is next, so that neither a full one nor a lost disk makes writers
    /// wait.
    async fn prepare_standby(&self) {
        let _turn = self.opening.lock().await;
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let known = self.standby.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if current.is_none() || known.is_some_and(|standby| !standby.is_sealed()) {
            return;
        }
        match self.create_volume(current.as_deref()).await {
            Ok(volume) => {
                *self.standby.lock().unwrap_or_else(PoisonError::into_inner) = Some(volume);
            }
            Err(error) => tracing::debug!(%error, "no volume waits"),
        }
    }

    /// Makes a volume on the healthy disks with room, as wide as they allow, if possible on others
    /// than those of `other`.
    async fn create_volume(&self, other: Option<&Volume>) -> Result<Arc<Volume>> {
        for _ in 0..TRIES_MAX {
            let id = self.registry.take_volume_id();
            let (geometry, slots) = self.choose_disks(id, other).await?;
            let member =
                |slot: &Arc<Slot>| MemberEntry { disk: slot.number, epoch: 0, is_damaged: false };
            let members = slots.iter().map(member).collect();
            let entry = VolumeEntry { id, geometry, epoch: 0, sealed_len: None, members };
            let volume = Volume::new(self.shared.clone(), &entry, true);
            if !volume.create_members(&slots).await? {
                continue;
            }
            if !mutant::is(Mutant::UnnamedVolume) {
                let register = move |manifest: &mut Manifest| manifest.volumes.push(entry);
                self.registry.publish(register).await?;
            }
            let volume = Arc::new(volume);
            self.map_mut().insert(id, volume.clone());
            self.begun.fetch_add(1, Ordering::Relaxed);
            return Ok(volume);
        }
        Err(EngineError::Closed("disks fail faster than volumes can be made".into()))
    }

    /// Healthy disks with room for a member, best first, and the geometry for them.
    async fn choose_disks(
        &self,
        id: VolumeId,
        other: Option<&Volume>,
    ) -> Result<(Geometry, Vec<Arc<Slot>>)> {
        let full = self.shared.disks.geometry_full();
        let fit = self.shared.disks.fit_spaces().await;
        let fit_count = fit.len();
        let has_room = |space: &DiskSpace| space.free >= self.reserve_len / 4 + ROOM_MIN;
        let mut roomy: Vec<_> = fit.into_iter().filter(|(_, space)| has_room(space)).collect();
        if full == Geometry::SINGLE {
            // A lone disk answers by itself when it is full.
            let slots = self.shared.disks.slots().into_iter();
            roomy = slots.map(|slot| (slot, DiskSpace::default())).collect();
        }
        let Some(geometry) = full.narrowed(roomy.len()) else {
            return Err(match full.narrowed(fit_count) {
                Some(_) => EngineError::OutOfSpace,
                None => EngineError::Closed(format!("{fit_count} healthy disks are too few")),
            });
        };
        if geometry != full {
            mark::hit(Mark::Narrower);
        }
        let mut scored: Vec<_> = roomy
            .into_iter()
            .map(|(slot, space)| (score(id, slot.disk_id, space.free.max(1)), slot))
            .collect();
        scored.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let taken = other.map(Volume::members).unwrap_or_default();
        let is_taken = |slot: &Slot| taken.iter().any(|member| member.entry.disk == slot.number);
        scored.sort_by_key(|(_, slot)| is_taken(slot));
        Ok((geometry, scored.into_iter().map(|(_, slot)| slot).take(geometry.width()).collect()))
    }
}

/// Weighted rendezvous: the disks with the highest scores get the volume, in proportion to their
/// weights over many volumes (Thaler and Ravishankar 1998; the logarithm gives the weights).
fn score(id: VolumeId, disk_id: u128, weight: u64) -> f64 {
    let mut hash = id.0 ^ (disk_id as u64) ^ (disk_id >> 64) as u64;
    for _ in 0..3 {
        hash = (hash ^ (hash >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^= hash >> 29;
    }
    let uniform = ((hash >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    weight as f64 / -uniform.ln()
}

impl Volume {
    /// Creates all members; returns whether all are there. Failed disks get no more writes.
    async fn create_members(&self, slots: &[Arc<Slot>]) -> Result<bool> {
        let members = self.members();
        let creates = members
            .iter()
            .zip(slots)
            .map(|(member, slot)| async move { (member, slot, member.create(slot).await) });
        let mut failure = None;
        let mut created = Vec::new();
        for (member, slot, result) in join_all(creates).await {
            match result {
                Ok(()) => created.push((member, slot)),
                Err(error) => {
                    // A file of that name says nothing against the disk: another number is taken.
                    if !is_full(&error) && error.kind() != io::ErrorKind::AlreadyExists {
                        self.shared.disks.suspect(slot, &error);
                    }
                    failure = Some(EngineError::io("create", &member.path())(error));
                }
            }
        }
        let Some(error) = failure else {
            return Ok(true);
        };
        for (member, slot) in created {
            // What stays is garbage until the next start.
            let _ = slot.disk.remove(&member.path()).await;
        }
        let is_taken = matches!(&error, EngineError::Io { source, .. }
            if source.kind() == io::ErrorKind::AlreadyExists);
        if self.geometry.parity == 0 && !is_taken { Err(error) } else { Ok(false) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_get_volumes_in_proportion_to_their_room() {
        let disks = [(1u128 << 100, 100), (77, 100), (3 << 64, 200)];
        let mut counts = [0u32; 3];
        for id in 0..4000 {
            let scores = disks.map(|(disk_id, weight)| score(VolumeId(id), disk_id, weight));
            let best = (0..3).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap();
            counts[best] += 1;
        }
        assert!((900..1100).contains(&counts[0]) && (900..1100).contains(&counts[1]), "{counts:?}");
        assert!((1900..2100).contains(&counts[2]), "{counts:?}");
    }
}
