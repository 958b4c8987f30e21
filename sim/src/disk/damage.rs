//! What is wrong with sectors of one simulated file, and what they should hold: the truth, kept
//! beside the damage, so that an oracle can tell what could have been known.
//!
//! Damage is of the medium. A sector that is written anew hides it at once, and a sync ends it;
//! a power loss before the sync brings it back.
//!
//! - X1: a sector without an entry holds what was last written and synced there.

use super::fault::{Fault, FaultCounts};
use super::page::SECTOR;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Range;

#[derive(Clone, Debug)]
struct Damage {
    fault: Fault,
    /// What the sector should hold; `None` for a sector that cannot be read, which still does.
    truth: Option<Bytes>,
    /// Written anew in the cache, not yet on the medium.
    is_covered: bool,
    is_met: bool,
}

/// Damaged sectors of a file, by number.
#[derive(Clone, Debug, Default)]
pub struct Damages(BTreeMap<usize, Damage>);

/// The sectors that bytes touch.
pub fn sectors(offset: u64, len: usize) -> Range<usize> {
    let start = offset as usize;
    if len == 0 { 0..0 } else { start / SECTOR..(start + len).div_ceil(SECTOR) }
}

/// Whether bytes at `offset` replace all of a sector.
fn is_whole(sector: usize, offset: u64, len: usize) -> bool {
    let start = offset as usize;
    start <= sector * SECTOR && (sector + 1) * SECTOR <= start + len
}

impl Damages {
    /// Whether nothing was ever damaged, or all of it is healed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sectors that are damaged and not hidden by newer bytes.
    pub fn count(&self) -> usize {
        self.0.values().filter(|damage| !damage.is_covered).count()
    }

    /// A sector becomes damaged. The first truth stays: damage upon damage is still damage.
    pub fn add(&mut self, sector: usize, fault: Fault, truth: Option<Bytes>) {
        let old = self.0.remove(&sector).filter(|old| !old.is_covered);
        let truth = old.and_then(|old| old.truth).or(truth);
        self.0.insert(sector, Damage { fault, truth, is_covered: false, is_met: false });
    }

    /// A sector's bytes were replaced without repairing what is below, by a fault.
    pub fn forget(&mut self, sector: usize) {
        self.0.remove(&sector);
    }

    /// Whether a sector cannot be read.
    fn is_unreadable(damage: &Damage) -> bool {
        damage.fault == Fault::LatentSector && !damage.is_covered
    }

    /// A process reads: counts what it meets. `false`: it gets an error.
    pub fn read(&mut self, range: Range<usize>, counts: &mut FaultCounts) -> bool {
        let mut is_readable = true;
        for (_, damage) in self.0.range_mut(range).filter(|(_, damage)| !damage.is_covered) {
            is_readable &= !Self::is_unreadable(damage);
            if !std::mem::replace(&mut damage.is_met, true) {
                counts.meet(damage.fault);
            }
        }
        is_readable
    }

    /// Whether a write can be done: part of an unreadable sector cannot be replaced.
    pub fn allows_write(&self, offset: u64, len: usize) -> bool {
        let mut touched = self.0.range(sectors(offset, len));
        touched
            .all(|(sector, damage)| !Self::is_unreadable(damage) || is_whole(*sector, offset, len))
    }

    /// A process writes: whole sectors hide their damage, parts change the truth as well.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) {
        for (sector, damage) in self.0.range_mut(sectors(offset, bytes.len())) {
            if is_whole(*sector, offset, bytes.len()) {
                damage.is_covered = true;
            } else if let Some(truth) = &mut damage.truth {
                *truth = mix(*sector, truth, offset, bytes);
            }
        }
    }

    /// A sector reached the medium.
    pub fn sync(&mut self, is_written: impl Fn(usize) -> bool) {
        self.0.retain(|sector, damage| !(damage.is_covered && is_written(*sector)));
    }

    /// The newer bytes of some sectors are gone again.
    pub fn uncover(&mut self, is_lost: impl Fn(usize) -> bool) {
        let lost = self.0.iter_mut().filter(|(sector, _)| is_lost(**sector));
        lost.for_each(|(_, damage)| damage.is_covered = false);
    }

    /// The power is gone: what was hidden shows again where the new bytes were lost.
    pub fn lose_power(&mut self, is_lost: impl Fn(usize) -> bool) {
        self.0.retain(|sector, damage| {
            let stays = !damage.is_covered || is_lost(*sector);
            damage.is_covered = false;
            stays
        });
    }

    /// The file ends here now.
    pub fn cut(&mut self, len: u64) {
        self.0.split_off(&(len as usize).div_ceil(SECTOR));
    }
}

/// A sector's truth after some of its bytes were written.
fn mix(sector: usize, truth: &Bytes, offset: u64, bytes: &[u8]) -> Bytes {
    let (begin, start) = (sector * SECTOR, offset as usize);
    let (from, to) = (begin.max(start), (begin + SECTOR).min(start + bytes.len()));
    let mut mixed = truth.to_vec();
    mixed[from - begin..to - begin].copy_from_slice(&bytes[from - start..to - start]);
    Bytes::from(mixed)
}
