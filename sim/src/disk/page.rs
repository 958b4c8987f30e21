//! One page of a simulated file: what the cache shows, what the medium holds below it, and which of
//! its sectors a power loss may still take.
//!
//! Pages are reference-counted slices: whole pages are never copied, and an image of a file is
//! cheap.

use crate::random::Random;
use bytes::{Bytes, BytesMut};
use std::ops::Range;

/// What a disk writes at once, in bytes.
pub const SECTOR: usize = 512;
/// What a file's space is allocated in, in bytes.
pub const PAGE: usize = 4096;
pub(super) const SECTORS_PER_PAGE: usize = PAGE / SECTOR;
pub(super) static ZEROS: [u8; PAGE] = [0; PAGE];

const _: () = assert!(SECTORS_PER_PAGE == 8, "a mask of sectors is one byte");

/// What became of unsynced sectors, counted over all power losses of a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SectorFate {
    /// Written all the same.
    pub kept: u64,
    /// Never written.
    pub lost: u64,
    /// Written in part.
    pub torn: u64,
    /// Sizes that were lost, or that outlived their bytes.
    pub sizes: u64,
}

/// How hard a power loss hits.
#[derive(Clone, Copy, Debug)]
pub enum Survival {
    /// Of a thousand unsynced sectors, so many are kept, so many of the others torn.
    Drawn {
        /// Sectors that were written back in time.
        kept_per_mille: u32,
        /// Sectors, of those not kept, that were being written.
        torn_per_mille: u32,
    },
    /// By the numbers of the operations that wrote last.
    Exact {
        /// Whether what is not named below is kept.
        is_kept: bool,
        /// Operation whose pages are lost, though others are kept.
        lost: Option<u64>,
        /// Operation whose pages are written in part.
        torn: Option<u64>,
    },
}

#[derive(Clone)]
pub(super) struct Page {
    pub(super) cache: Bytes,
    pub(super) below: Option<Bytes>,
    /// Sectors that the next sync writes.
    pub(super) dirty: u8,
    /// Sectors that a failed sync marked clean: cached, never written again unless they change.
    pub(super) stuck: u8,
    /// Number of the operation that wrote last.
    pub(super) stamp: u64,
}

/// Replaces bytes of a page.
pub(super) fn patch(page: &mut Bytes, at: usize, bytes: &[u8]) {
    let mut copy = match std::mem::take(page).try_into_mut() {
        Ok(own) => own,
        Err(shared) => BytesMut::from(&shared[..]),
    };
    copy[at..at + bytes.len()].copy_from_slice(bytes);
    *page = copy.freeze();
}

pub(super) fn sector_range(sector: usize) -> Range<usize> {
    sector * SECTOR..(sector + 1) * SECTOR
}

/// The sectors of a mask.
pub(super) fn bits(mask: u8) -> impl Iterator<Item = usize> {
    (0..SECTORS_PER_PAGE).filter(move |sector| mask & (1 << sector) != 0)
}

impl Page {
    pub(super) fn zeroed() -> Self {
        let cache = Bytes::from_static(&ZEROS);
        Self { cache, below: None, dirty: 0, stuck: 0, stamp: 0 }
    }

    pub(super) fn is_unsynced(&self) -> bool {
        self.dirty | self.stuck != 0
    }

    /// Keeps what is below before sectors of the cache change.
    fn touch(&mut self, mask: u8, random: &mut Random) {
        // The kernel writes dirty pages back whenever it likes, so an older version may be below by
        // now.
        if self.dirty & mask != 0 && random.chance(250) {
            self.write_back(self.dirty & mask);
        }
        if self.below.is_none() {
            self.below = Some(self.cache.clone());
        }
        self.dirty |= mask;
        self.stuck &= !mask;
    }

    /// Brings sectors of the cache to the medium.
    fn write_back(&mut self, mask: u8) {
        let Some(below) = &mut self.below else { return };
        for sector in bits(mask) {
            patch(below, sector * SECTOR, &self.cache[sector_range(sector)]);
        }
    }

    pub(super) fn write(&mut self, at: usize, bytes: Bytes, random: &mut Random) {
        let sectors = at / SECTOR..(at + bytes.len()).div_ceil(SECTOR);
        let mask = sectors.fold(0, |mask, sector| mask | (1 << sector));
        self.touch(mask, random);
        if bytes.len() == PAGE {
            self.cache = bytes;
        } else {
            patch(&mut self.cache, at, &bytes);
        }
    }

    pub(super) fn sync(&mut self) {
        if self.stuck == 0 {
            self.below = None;
        } else {
            self.write_back(self.dirty);
        }
        self.dirty = 0;
    }

    /// Brings back what is below some sectors.
    pub(super) fn revert(&mut self, mask: u8) {
        let Some(below) = &self.below else { return };
        for sector in bits(mask) {
            patch(&mut self.cache, sector * SECTOR, &below[sector_range(sector)]);
        }
        self.dirty &= !mask;
        self.stuck &= !mask;
    }

    /// Bytes of a sector that survive.
    fn survivor(&self, sector: usize, survival: Survival, random: &mut Random) -> usize {
        if self.stuck & (1 << sector) != 0 {
            return 0;
        }
        match survival {
            Survival::Drawn { kept_per_mille, .. } if random.chance(kept_per_mille) => SECTOR,
            Survival::Drawn { torn_per_mille, .. } if random.chance(torn_per_mille) => {
                random.size(1..SECTOR)
            }
            Survival::Drawn { .. } => 0,
            Survival::Exact { torn, .. } if torn == Some(self.stamp) => SECTOR / 2,
            Survival::Exact { lost, .. } if lost == Some(self.stamp) => 0,
            Survival::Exact { is_kept, .. } => usize::from(is_kept) * SECTOR,
        }
    }

    /// Returns the sectors whose new bytes are gone.
    pub(super) fn lose_power(
        &mut self,
        survival: Survival,
        random: &mut Random,
        fate: &mut SectorFate,
    ) -> u8 {
        let Some(below) = self.below.take() else { return 0 };
        let mut lost = 0;
        for sector in bits(self.dirty | self.stuck) {
            let kept = self.survivor(sector, survival, random);
            match kept {
                0 => fate.lost += 1,
                SECTOR => fate.kept += 1,
                _ => fate.torn += 1,
            }
            lost |= u8::from(kept == 0) << sector;
            let gone = sector * SECTOR + kept..(sector + 1) * SECTOR;
            if !gone.is_empty() {
                patch(&mut self.cache, gone.start, &below[gone.clone()]);
            }
        }
        (self.dirty, self.stuck) = (0, 0);
        lost
    }
}
