//! Making members of a volume anew on other disks, all that it lost in one pass over the others:
//! first the whole segments, durable, then the manifest, then readers.

use super::heal::{Healed, Pace};
use super::member::Member;
use super::scan::StripeScan;
use super::{Volume, VolumeSet, seal};
use crate::disks::Slot;
use crate::env::{DiskFile, DiskSpace, Durability};
use crate::error::{EngineError, Result};
use crate::format::manifest::MemberEntry;
use crate::format::record::{self, Shape};
use crate::format::segment::Seal;
use crate::mark::{self, Mark};
use crate::mutant::{self, Mutant};
use bytes::Bytes;
use futures_util::future::{join_all, try_join_all};
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

/// A member that is being made.
struct NewMember {
    column: usize,
    slot: Arc<Slot>,
    member: Arc<Member>,
}

impl NewMember {
    fn failed(&self, volume: &Volume, what: &'static str, error: io::Error) -> EngineError {
        volume.shared.disks.suspect(&self.slot, &error);
        EngineError::io(what, &self.member.path())(error)
    }

    async fn create(&self, volume: &Volume) -> Result<Arc<dyn DiskFile>> {
        let created = self.member.create(&self.slot).await;
        created.map_err(|error| self.failed(volume, "create", error))?;
        Ok(self.member.file(&volume.shared.disks, &volume.shared.open_files).await?.1)
    }

    /// Writes its record of a stripe; returns the bytes.
    async fn write(
        &self,
        volume: &Volume,
        file: &Arc<dyn DiskFile>,
        (offset, shape): (u64, &Shape),
        (payload, owners): (Bytes, Bytes),
    ) -> Result<u64> {
        let seal = match mutant::is(Mutant::WrongColumnOrder) {
            true => Seal { column: 0, ..self.member.seal },
            false => self.member.seal,
        };
        let buffers = record::encode(&seal, offset, shape, vec![payload], &owners);
        let len: usize = buffers.iter().map(Bytes::len).sum();
        let written = file.write(offset, buffers, Durability::Cached).await;
        written.map_err(|error| self.failed(volume, "write", error))?;
        volume.shared.passed.add(len as u64);
        Ok(len as u64)
    }

    async fn sync(&self, volume: &Volume, file: &Arc<dyn DiskFile>) -> Result<()> {
        file.sync().await.map_err(|error| self.failed(volume, "sync", error))
    }
}

impl VolumeSet {
    /// Disks for new members, of those that may get something: with room, without a member of that
    /// volume, the emptiest first.
    pub fn disks_for(&self, volume: &Volume, spaces: &[(Arc<Slot>, DiskSpace)]) -> Vec<Arc<Slot>> {
        let taken: Vec<_> = volume.members().iter().map(|member| member.entry.disk).collect();
        let needed = self.reserve_len / 4 + volume.len();
        let is_fit = |(slot, space): &&(Arc<Slot>, DiskSpace)| {
            !taken.contains(&slot.number) && space.free >= needed
        };
        let mut fits: Vec<_> = spaces.iter().filter(is_fit).collect();
        fits.sort_by_key(|(slot, space)| (std::cmp::Reverse(space.free), slot.number));
        fits.into_iter().map(|(slot, _)| slot.clone()).collect()
    }

    /// Makes members anew, each on its disk. When others that could not be read may have what the
    /// new ones would lack, the old ones stay (N1).
    ///
    /// # Errors
    /// I/O errors; the old members stay what they were.
    ///
    /// # Panics
    /// When the volume is not sealed (V2).
    pub async fn heal_anew(
        &self,
        volume: &Arc<Volume>,
        targets: Vec<(usize, Arc<Slot>)>,
        pace: Pace,
    ) -> Result<Healed> {
        assert!(volume.is_sealed(), "V2: only sealed volumes change members");
        let epoch = volume.epoch.fetch_add(1, Ordering::AcqRel) + 1;
        let mut entry = volume.entry();
        entry.epoch = epoch;
        for (column, slot) in &targets {
            entry.members[*column] = MemberEntry { disk: slot.number, epoch, is_damaged: false };
        }
        let new_member = |(column, slot): (usize, Arc<Slot>)| {
            let member_entry = entry.members[column];
            let seal = seal(&volume.shared.disks, &entry, (column as u8, &member_entry));
            NewMember { column, slot, member: Arc::new(Member::new(member_entry, seal)) }
        };
        let made: Vec<_> = targets.into_iter().map(new_member).collect();
        let filled = fill(volume, &made, pace).await;
        if filled.as_ref().is_ok_and(|healed| volume.has_come_through(healed)) {
            self.replace_members(volume, epoch, made).await?;
        } else {
            for new in made {
                let _ = new.slot.disk.remove(&new.member.path()).await;
            }
        }
        filled
    }

    /// The manifest first, then readers; the old segments go.
    async fn replace_members(
        &self,
        volume: &Arc<Volume>,
        epoch: u32,
        made: Vec<NewMember>,
    ) -> Result<()> {
        // Whoever writes down what volumes became must see both or none.
        let turn = self.changing.lock().await;
        let id = volume.id;
        let entries: Vec<_> = made.iter().map(|new| (new.column, new.member.entry)).collect();
        self.registry
            .publish(move |manifest| {
                let found = manifest.volumes.iter_mut().find(|entry| entry.id == id);
                if let Some(found) = found {
                    found.epoch = epoch;
                    entries.iter().for_each(|(column, entry)| found.members[*column] = *entry);
                }
            })
            .await?;
        mark::hit(if made.len() > 1 { Mark::MembersAnewAtOnce } else { Mark::MemberAnew });
        let mut replaced = Vec::new();
        {
            let mut members = volume.members.write().unwrap_or_else(PoisonError::into_inner);
            for new in made {
                tracing::info!(
                    volume = id.0,
                    column = new.column,
                    disk = new.slot.place,
                    "member made anew"
                );
                replaced.push(std::mem::replace(&mut members[new.column], new.member));
            }
        }
        drop(turn);
        for old in replaced {
            if let Some(slot) = old.slot(&volume.shared.disks) {
                let _ = slot.disk.remove(&old.path()).await;
            }
        }
        Ok(())
    }
}

/// Creates the segments and writes every record of them, durably.
async fn fill(volume: &Arc<Volume>, made: &[NewMember], pace: Pace) -> Result<Healed> {
    let files = try_join_all(made.iter().map(|new| new.create(volume))).await?;
    let mut healed = Healed { members: made.len() as u64, ..Healed::default() };
    let mut scan = StripeScan::new(volume.clone());
    while let Some((offset, shape)) = scan.next_to_heal(&mut healed).await {
        if healed.unread > 0 {
            return Ok(Healed { unread: healed.unread, ..Healed::default() });
        }
        let wants = |(new, _): &(&NewMember, _)| !shape.column(new.column).is_empty();
        let wanted: Vec<_> = made.iter().zip(&files).filter(wants).collect();
        if wanted.is_empty() {
            continue;
        }
        let columns: Vec<_> = wanted.iter().map(|(new, _)| new.column).collect();
        let Ok(rebuilt) = volume.rebuild_columns(offset, &shape, &columns).await else {
            healed.miss(volume.is_patient() && volume.may_return(offset, &shape).await);
            continue;
        };
        let writes = wanted
            .iter()
            .zip(rebuilt)
            .map(|((new, file), record)| new.write(volume, file, (offset, &shape), record));
        let mut longest = 0;
        let mut written = 0;
        for len in join_all(writes).await {
            let len = len?;
            written += len;
            longest = longest.max(len);
        }
        let moved = written + longest * u64::from(volume.geometry.data);
        healed.rebuilt_len += written;
        healed.moved_len += moved;
        pace.after(moved).await;
    }
    if healed.unread > 0 {
        return Ok(Healed { unread: healed.unread, ..Healed::default() });
    }
    if !mutant::is(Mutant::CountUnsyncedMember) {
        try_join_all(made.iter().zip(&files).map(|(new, file)| new.sync(volume, file))).await?;
    }
    Ok(healed)
}
