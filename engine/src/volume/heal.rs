//! Healing a volume: which members miss something, and making them whole again.
//!
//! A record that is bad or missing is written again, the same bytes in the same place (R1). Members
//! whose disks are gone are made anew elsewhere: `anew.rs`.

use super::member::Member;
use super::reader::Piece;
use super::scan::StripeScan;
use super::unread::Presence;
use super::{Volume, VolumeSet};
use crate::disks::Slot;
use crate::env::{DiskFile, Durability};
use crate::error::{EngineError, Result};
use crate::format::record::{self, Shape};
use crate::format::roster::DiskNumber;
use crate::mark::{self, Mark};
use crate::mutant::{self, Mutant};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Damaged records of a volume that are remembered one by one; with more, the member counts as
/// damaged.
const NOTES_MAX: usize = 256;

/// Records that readers found damaged.
#[derive(Default)]
pub(super) struct Notes(Mutex<BTreeSet<(u64, usize)>>);

/// What a volume lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeHealth {
    /// Members whose disk is not there.
    pub missing: Vec<usize>,
    /// Members that are there and may lack records.
    pub damaged: Vec<usize>,
    /// Single records that were found damaged.
    pub notes: usize,
    /// Further losses that its bodies survive; `None` when it cannot be read just now.
    pub margin: Option<u32>,
}

impl VolumeHealth {
    /// Whether nothing is to be healed.
    pub fn is_whole(&self) -> bool {
        self.missing.is_empty() && self.damaged.is_empty() && self.notes == 0
    }
}

/// What a look at a stripe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedStripe {
    /// Columns whose members are there and have it not as it should be.
    pub bad: Vec<usize>,
    /// Whether too few members have it to read all of it.
    pub is_lost: bool,
}

/// How fast bytes are moved in the background.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Bytes in a second.
    pub rate: u64,
}

impl Pace {
    /// Sleeps so that `len` bytes take as long as they should.
    pub async fn after(self, len: u64) {
        let micros = len.saturating_mul(1_000_000) / self.rate.max(1);
        if micros < 1000 {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(Duration::from_micros(micros)).await;
        }
    }
}

/// How far healing is, while it is under way.
#[derive(Debug, Default)]
pub(super) struct Passed {
    total: AtomicU64,
    volume: AtomicU64,
}

impl Passed {
    /// Bytes of a member were verified or made anew.
    pub(super) fn add(&self, len: u64) {
        self.total.fetch_add(len, Ordering::Relaxed);
        self.volume.fetch_add(len, Ordering::Relaxed);
    }
}

/// What healing did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Healed {
    /// Bytes of records that were rebuilt.
    pub rebuilt_len: u64,
    /// Bytes that were read and written for it.
    pub moved_len: u64,
    /// Members that were made anew.
    pub members: u64,
    /// Records that were written again in place.
    pub records: u64,
    /// Records that too few members have: garbage of a crash, or lost.
    pub lost: u64,
    /// Places where members that could not be read may have a record (N1): nothing came of it.
    pub unread: u64,
}

impl Healed {
    /// Too few members have a record, or too few could be read.
    pub(super) fn miss(&mut self, is_unread: bool) {
        match is_unread {
            true => self.unread += 1,
            false => self.lost += 1,
        }
    }
}

impl Volume {
    /// Remembers that a record is bad, for the healer.
    pub(super) fn note_damage(&self, offset: u64, column: usize) {
        if self.geometry.parity == 0 {
            return;
        }
        let mut notes = self.notes.0.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.len() < NOTES_MAX {
            notes.insert((offset, column));
        } else {
            self.member(column).doubt();
        }
        self.shared.unwell.notify_one();
    }

    /// What it lacks.
    pub fn health(&self) -> VolumeHealth {
        let mut health = VolumeHealth::default();
        for (column, member) in self.members().iter().enumerate() {
            if member.slot(&self.shared.disks).is_none() {
                health.missing.push(column);
            } else if member.is_damaged() || self.awaits_doubt(member) {
                health.damaged.push(column);
            }
        }
        let notes = self.notes.0.lock().unwrap_or_else(PoisonError::into_inner);
        health.notes = notes.len();
        let noted: BTreeSet<usize> = notes
            .iter()
            .map(|(_, column)| *column)
            .filter(|column| !health.missing.contains(column) && !health.damaged.contains(column))
            .collect();
        let bad = health.missing.len() + health.damaged.len() + noted.len();
        health.margin = self.geometry.margin(self.geometry.width() - bad);
        if health.margin.is_none() && health.missing.len() <= self.geometry.parity.into() {
            // Damage is in single records: together the members still have what is needed, as far
            // as anybody knows, but nothing more may be lost.
            health.margin = Some(0);
        }
        health
    }

    /// Whether a member's disk is back and its members were not told yet that they are doubted.
    fn awaits_doubt(&self, member: &Member) -> bool {
        let slot = member.slot(&self.shared.disks);
        self.geometry.parity > 0
            && slot.is_some_and(|slot| slot.awaits_doubt() && member.is_older_than(&slot))
    }

    /// Members on disks that may have missed changes are damaged until proven whole (Q3).
    pub(super) fn doubt_unverified(&self) {
        if self.geometry.parity == 0 {
            return;
        }
        let is_settled = self.settled.load(Ordering::Acquire);
        for member in self.members() {
            let slot = member.slot(&self.shared.disks);
            if slot.is_some_and(|slot| slot.is_unverified) || !is_settled {
                member.doubt();
            }
        }
    }

    /// How long the volume is: as the manifest says, else as long as its longest segment.
    pub(super) async fn find_end(&self, sealed_len: Option<u64>) {
        if let Some(len) = sealed_len {
            self.end.store(len, Ordering::Release);
            return;
        }
        for member in self.members() {
            let opened = member.file(&self.shared.disks, &self.shared.open_files).await;
            if let Ok((_, file)) = opened
                && let Ok(len) = file.len().await
            {
                self.end.fetch_max(crate::format::page_align(len), Ordering::AcqRel);
            }
        }
    }

    async fn member_file(&self, column: usize) -> Result<(Arc<Slot>, Arc<dyn DiskFile>)> {
        let member = self.member(column);
        member.file(&self.shared.disks, &self.shared.open_files).await
    }

    /// A member's disk, when it takes writes.
    pub fn writable_disk(&self, column: usize) -> Option<Arc<Slot>> {
        self.member(column).slot(&self.shared.disks).filter(|slot| slot.is_healthy())
    }

    /// Reads a column's record from its member, verified: header, payload and owners.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] where it is not as it should be; I/O errors.
    pub(super) async fn look_at(&self, offset: u64, shape: &Shape, column: usize) -> Result<()> {
        let lens = shape.column(column);
        if lens.is_empty() {
            return Ok(());
        }
        if self.shape_of(column, offset).await? != *shape {
            return Err(EngineError::corrupt("record", &self.member(column).path(), offset));
        }
        let payload_len = lens.payload as usize;
        let piece = Piece { column, payload_len, range: 0..payload_len };
        self.read_direct(offset, &piece).await?;
        self.read_owners(offset, shape, column).await?;
        Ok(())
    }

    /// Whether a column's record is intact on its member.
    pub(super) async fn is_intact(&self, offset: u64, shape: &Shape, column: usize) -> bool {
        self.look_at(offset, shape, column).await.is_ok()
    }

    /// Checks one stripe on every member that is there, and notes what is to be healed.
    pub async fn check_stripe(&self, offset: u64, shape: &Shape) -> CheckedStripe {
        let mut bad = Vec::new();
        let mut absent = 0;
        for column in 0..self.geometry.width() {
            if self.member(column).slot(&self.shared.disks).is_none() {
                absent += 1;
            } else if !self.is_intact(offset, shape, column).await {
                bad.push(column);
            }
        }
        let is_lost = bad.len() + absent > self.geometry.parity.into();
        if !is_lost {
            bad.iter().for_each(|column| self.note_damage(offset, *column));
        }
        CheckedStripe { bad, is_lost }
    }

    /// Whether the parity of a stripe whose records are all intact is that of its data: if not, the
    /// code was wrong when it was written.
    pub async fn is_parity_consistent(&self, offset: u64, shape: &Shape) -> bool {
        let last = self.geometry.width() - 1;
        if self.geometry.parity == 0 || !self.health().missing.is_empty() {
            return true;
        }
        let lens = shape.column(last);
        let payload_len = lens.payload as usize;
        let piece = Piece { column: last, payload_len, range: 0..payload_len };
        let (Ok(stored), Ok((computed, _))) = (
            self.read_direct(offset, &piece).await,
            self.rebuild_column(offset, shape, last).await,
        ) else {
            return true;
        };
        stored.concat() == computed
    }

    /// Bytes of a column's record as they should be.
    async fn record(&self, offset: u64, shape: &Shape, column: usize) -> Result<Vec<Bytes>> {
        let (payload, owners) = self.rebuild_column(offset, shape, column).await?;
        let seal = self.member(column).seal;
        Ok(record::encode(&seal, offset, shape, vec![payload], &owners))
    }

    /// Writes a record again where it is bad. Not durable before the next sync.
    async fn heal_record(&self, offset: u64, column: usize, healed: &mut Healed) -> Result<()> {
        let Ok(shape) = self.shape(offset, None).await else {
            healed.miss(self.is_patient() && self.may_hide(offset).await);
            return Ok(());
        };
        if self.is_intact(offset, &shape, column).await {
            return Ok(());
        }
        let Ok(buffers) = self.record(offset, &shape, column).await else {
            healed.miss(self.is_patient() && self.may_return(offset, &shape).await);
            return Ok(());
        };
        let member = self.member(column);
        let (slot, file) = member.file(&self.shared.disks, &self.shared.open_files).await?;
        let len: usize = buffers.iter().map(Bytes::len).sum();
        if let Err(error) = file.write(offset, buffers, Durability::Synced).await {
            self.shared.disks.suspect(&slot, &error);
            return Err(EngineError::io("write", &member.path())(error));
        }
        healed.records += 1;
        healed.rebuilt_len += len as u64;
        healed.moved_len += len as u64 * (u64::from(self.geometry.data) + 1);
        mark::hit(Mark::RecordHealed);
        tracing::info!(volume = self.id.0, offset, column, "record healed");
        Ok(())
    }

    /// Heals the records that readers found damaged.
    ///
    /// # Errors
    /// I/O errors of the disk that is written; what is left is tried again.
    pub async fn heal_notes(&self) -> Result<Healed> {
        let mut healed = Healed::default();
        let notes = self.notes.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (offset, column) in notes {
            let is_there = self.member(column).slot(&self.shared.disks).is_some();
            if is_there && self.presence(column).await != Presence::There {
                // Not a record is missing but the file.
                self.member(column).doubt();
            } else if is_there {
                self.heal_record(offset, column, &mut healed).await?;
            }
            if !self.has_come_through(&healed) {
                break;
            }
            let mut notes = self.notes.0.lock().unwrap_or_else(PoisonError::into_inner);
            notes.remove(&(offset, column));
        }
        Ok(healed)
    }
}

impl VolumeSet {
    /// Members on each disk.
    pub fn segments_per_disk(&self) -> BTreeMap<DiskNumber, u64> {
        let mut segments = BTreeMap::new();
        for volume in self.all() {
            for member in volume.members() {
                *segments.entry(member.entry.disk).or_default() += 1;
            }
        }
        segments
    }

    /// Bytes of members that were verified or made anew since the start, and those of them in the
    /// volume that is being healed now.
    pub fn passed_lens(&self) -> (u64, u64) {
        let passed = &self.shared.passed;
        (passed.total.load(Ordering::Relaxed), passed.volume.load(Ordering::Relaxed))
    }

    /// Another volume is healed from now on, or none.
    pub fn pass_on(&self) {
        self.shared.passed.volume.store(0, Ordering::Relaxed);
    }

    /// Waits until something wants healing.
    pub async fn wait_unwell(&self) {
        self.shared.unwell.notified().await;
    }

    /// Members on disks that came back are doubted.
    pub fn doubt_returned(&self, slot: &Slot) {
        for volume in self.all() {
            for member in volume.members() {
                if member.entry.disk == slot.number && member.is_older_than(slot) {
                    member.doubt();
                }
            }
        }
    }

    /// Writes down in the manifest what volumes became since: sealed, damaged.
    ///
    /// # Errors
    /// I/O errors.
    pub async fn settle(&self) -> Result<()> {
        let _turn = self.changing.lock().await;
        let known = self.registry.manifest().await.volumes;
        let mut changed = Vec::new();
        for old in &known {
            let Ok(volume) = self.get(old.id) else { continue };
            // Whoever appends right now holds it: its length is not final yet.
            let is_idle = volume.is_sealed() && !volume.is_held();
            if is_idle {
                volume.settled.store(true, Ordering::Release);
            }
            let new = volume.entry();
            if new != *old {
                changed.push(new);
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        self.registry
            .publish(move |manifest| {
                for new in changed {
                    let entry = manifest.volumes.iter_mut().find(|entry| entry.id == new.id);
                    if let Some(entry) = entry {
                        *entry = new;
                    }
                }
            })
            .await
    }

    /// Verifies every record of a damaged member and writes again what is bad; then it counts.
    ///
    /// # Errors
    /// I/O errors of the disk that is written; the member stays damaged.
    pub async fn heal_in_place(
        &self,
        volume: &Arc<Volume>,
        column: usize,
        pace: Pace,
    ) -> Result<Healed> {
        let mut healed = Healed::default();
        let mut scan = StripeScan::new(volume.clone());
        let member = volume.member(column);
        let doubts = member.doubts();
        if mutant::is(Mutant::ForgetDamage) {
            member.trust(doubts);
            return Ok(healed);
        }
        // What the cache shows may never have reached the medium (D9).
        let (slot, file) = volume.member_file(column).await?;
        let cleaned = async {
            file.sync().await?;
            file.drop_cache().await
        };
        if let Err(error) = cleaned.await {
            volume.shared.disks.suspect(&slot, &error);
            return Err(EngineError::io("sync", &member.path())(error));
        }
        while let Some((offset, shape)) = scan.next_to_heal(&mut healed).await {
            let before = healed.moved_len;
            volume.heal_record(offset, column, &mut healed).await?;
            volume.shared.passed.add(shape.record_len(column));
            pace.after(shape.record_len(column) + healed.moved_len - before).await;
        }
        let (slot, file) = member.file(&volume.shared.disks, &volume.shared.open_files).await?;
        if let Err(error) = file.sync().await {
            volume.shared.disks.suspect(&slot, &error);
            return Err(EngineError::io("sync", &member.path())(error));
        }
        if volume.has_come_through(&healed) {
            member.trust(doubts);
            self.settle().await?;
        }
        Ok(healed)
    }
}
