//! Bytes of one simulated file: what the page cache shows, and what the medium holds below it.
//!
//! The cache is always complete; only where it differs from the medium is the older sector kept as
//! well. A sync forgets the older sectors, a power loss brings back some of them.
//!
//! - C1: bytes beyond `len` are zero in the cache and below it.
//! - C2: a page has a copy of what is below it exactly while one of its sectors is dirty or stuck.
//! - C3: a power loss damages no byte that was synced: a torn sector is a mixture of its old and
//!   its new bytes.

use crate::random::Random;
use bytes::{Bytes, BytesMut};
use std::collections::BTreeSet;
use std::ops::Range;

/// What a disk writes at once, in bytes.
pub const SECTOR: usize = 512;
/// What a file's space is allocated in, in bytes.
pub const PAGE: usize = 4096;
const SECTORS_PER_PAGE: usize = PAGE / SECTOR;

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
}

/// How hard a power loss hits: of a thousand unsynced sectors, so many are kept, so many of the
/// others torn.
#[derive(Clone, Copy, Debug)]
pub struct Survival {
    /// Sectors that were written back in time.
    pub kept_per_mille: u32,
    /// Sectors, of those not kept, that were being written.
    pub torn_per_mille: u32,
}

struct Page {
    cache: Box<[u8; PAGE]>,
    below: Option<Box<[u8; PAGE]>>,
    /// Sectors that the next sync writes.
    dirty: u8,
    /// Sectors that a failed sync marked clean: cached, never written again unless they change.
    stuck: u8,
}

impl Page {
    fn zeroed() -> Self {
        Self { cache: Box::new([0; PAGE]), below: None, dirty: 0, stuck: 0 }
    }

    /// Keeps what is below `sector` before the cache changes.
    fn touch(&mut self, sector: usize, random: &mut Random) {
        let bit = 1 << sector;
        let range = sector * SECTOR..(sector + 1) * SECTOR;
        let is_unsynced = (self.dirty | self.stuck) & bit != 0;
        // The kernel writes dirty pages back whenever it likes, so an older version may be below by
        // now.
        let is_written_back = self.dirty & bit != 0 && random.chance(250);
        let below = self.below.get_or_insert_with(|| self.cache.clone());
        if !is_unsynced || is_written_back {
            below[range.clone()].copy_from_slice(&self.cache[range]);
        }
        self.dirty |= bit;
        self.stuck &= !bit;
    }

    fn sync(&mut self) {
        self.dirty = 0;
        if self.stuck == 0 {
            self.below = None;
        }
    }

    fn lose_power(&mut self, survival: Survival, random: &mut Random, fate: &mut SectorFate) {
        let Some(below) = self.below.take() else { return };
        for sector in 0..SECTORS_PER_PAGE {
            let bit = 1 << sector;
            let start = sector * SECTOR;
            let kept = if self.stuck & bit != 0 {
                0
            } else if self.dirty & bit == 0 || random.chance(survival.kept_per_mille) {
                SECTOR
            } else if random.chance(survival.torn_per_mille) {
                random.size(1..SECTOR)
            } else {
                0
            };
            if (self.dirty | self.stuck) & bit != 0 {
                match kept {
                    0 => fate.lost += 1,
                    SECTOR => fate.kept += 1,
                    _ => fate.torn += 1,
                }
            }
            let gone = start + kept..start + SECTOR;
            self.cache[gone.clone()].copy_from_slice(&below[gone]);
        }
        (self.dirty, self.stuck) = (0, 0);
    }
}

/// One file's bytes.
#[derive(Default)]
pub struct Content {
    pages: Vec<Option<Page>>,
    unsynced: BTreeSet<usize>,
    len: u64,
    synced_len: u64,
}

impl Content {
    /// Size in bytes, as the page cache shows it.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the page cache shows no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of the medium that the file takes.
    pub fn allocated(&self) -> u64 {
        (self.pages.iter().flatten().count() * PAGE) as u64
    }

    /// Bytes that a write of `len` bytes at `offset` takes beyond what is allocated.
    pub fn growth(&self, offset: u64, len: usize) -> u64 {
        let fresh = |page: &usize| !matches!(self.pages.get(*page), Some(Some(_)));
        (page_range(offset, len).filter(fresh).count() * PAGE) as u64
    }

    /// Up to `len` bytes at `offset`.
    pub fn read(&self, offset: u64, len: usize) -> Bytes {
        let end = self.len.min(offset.saturating_add(len as u64));
        let len = end.saturating_sub(offset) as usize;
        let mut bytes = BytesMut::with_capacity(len);
        for (page, range) in pieces(offset, len) {
            match self.pages.get(page) {
                Some(Some(page)) => bytes.extend_from_slice(&page.cache[range]),
                _ => bytes.resize(bytes.len() + range.len(), 0),
            }
        }
        bytes.freeze()
    }

    /// Changes the page cache.
    pub fn write(&mut self, offset: u64, bytes: &[u8], random: &mut Random) {
        let mut rest = bytes;
        for (index, range) in pieces(offset, bytes.len()) {
            if self.pages.len() <= index {
                self.pages.resize_with(index + 1, || None);
            }
            let page = self.pages[index].get_or_insert_with(Page::zeroed);
            for sector in range.start / SECTOR..range.end.div_ceil(SECTOR) {
                page.touch(sector, random);
            }
            let (piece, tail) = rest.split_at(range.len());
            page.cache[range].copy_from_slice(piece);
            rest = tail;
            self.unsynced.insert(index);
        }
        if !bytes.is_empty() {
            self.len = self.len.max(offset + bytes.len() as u64);
        }
    }

    /// Makes the page cache durable, except what is stuck.
    pub fn sync(&mut self) {
        let pages = &mut self.pages;
        self.unsynced.retain(|index| {
            let page = pages[*index].as_mut().expect("C2: an unsynced page exists");
            page.sync();
            page.stuck != 0
        });
        self.synced_len = self.len;
    }

    /// A sync that failed: the kernel reports it once and calls the pages clean, though they were
    /// never written.
    pub fn fail_sync(&mut self) {
        for index in &self.unsynced {
            let page = self.pages[*index].as_mut().expect("C2: an unsynced page exists");
            page.stuck |= page.dirty;
            page.dirty = 0;
        }
    }

    /// The power goes: each unsynced sector, and the size, is as it was, as it should be, or in
    /// between.
    pub fn lose_power(&mut self, survival: Survival, random: &mut Random, fate: &mut SectorFate) {
        for index in std::mem::take(&mut self.unsynced) {
            let page = self.pages[index].as_mut().expect("C2: an unsynced page exists");
            page.lose_power(survival, random, fate);
        }
        if self.len > self.synced_len && !random.chance(survival.kept_per_mille) {
            let grown = self.len - self.synced_len;
            let kept = if random.chance(500) { 0 } else { random.below(grown) };
            self.cut(self.synced_len + kept);
        }
        self.synced_len = self.len;
    }

    /// Flips one bit of the cache and of what is below, as a rotten medium does. Nothing beyond the
    /// end rots.
    pub fn rot(&mut self, offset: u64, bit: u8) {
        if offset >= self.len {
            return;
        }
        let (index, byte) = (offset as usize / PAGE, offset as usize % PAGE);
        if let Some(Some(page)) = self.pages.get_mut(index) {
            page.cache[byte] ^= 1 << (bit % 8);
            if let Some(below) = &mut page.below {
                below[byte] ^= 1 << (bit % 8);
            }
        }
    }

    fn cut(&mut self, len: u64) {
        self.len = len;
        self.pages.truncate((len as usize).div_ceil(PAGE));
        if let Some(Some(page)) = self.pages.get_mut(len as usize / PAGE) {
            page.cache[len as usize % PAGE..].fill(0);
        }
    }
}

fn page_range(offset: u64, len: usize) -> Range<usize> {
    let start = offset as usize;
    start / PAGE..(start + len).div_ceil(PAGE)
}

/// The pages that a range touches, each with the bytes of it that are in the range.
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = (usize, Range<usize>)> {
    let (start, end) = (offset as usize, offset as usize + len);
    let pages = if len == 0 { 0..0 } else { page_range(offset, len) };
    pages.map(move |page| {
        let first = start.max(page * PAGE) - page * PAGE;
        let last = end.min((page + 1) * PAGE) - page * PAGE;
        (page, first..last)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL_LOST: Survival = Survival { kept_per_mille: 0, torn_per_mille: 0 };
    const ALL_KEPT: Survival = Survival { kept_per_mille: 1000, torn_per_mille: 0 };

    fn random() -> Random {
        Random::new(1, "content")
    }

    fn written(parts: &[(u64, &[u8])]) -> Content {
        let mut content = Content::default();
        for (offset, bytes) in parts {
            content.write(*offset, bytes, &mut random());
        }
        content
    }

    #[test]
    fn a_file_matches_a_plain_vector() {
        let mut random = random();
        let (mut content, mut model) = (Content::default(), Vec::new());
        for round in 0..500_u64 {
            let offset = random.size(0..20_000);
            let len = random.size(0..9000);
            let bytes = vec![(round % 250) as u8 + 1; len];
            content.write(offset as u64, &bytes, &mut random);
            if len > 0 && model.len() < offset + len {
                model.resize(offset + len, 0);
            }
            if len > 0 {
                model[offset..offset + len].copy_from_slice(&bytes);
            }
            if random.chance(200) {
                content.sync();
            }
            assert_eq!(content.read(0, usize::MAX), model);
            let from = random.size(0..30_000);
            let end = model.len().min(from + 5000);
            let expected = model.get(from..end).unwrap_or_default();
            assert_eq!(content.read(from as u64, 5000), expected);
        }
    }

    #[test]
    fn synced_bytes_survive_power_loss_and_unsynced_ones_do_not() {
        let mut content = written(&[(0, &[1; 3000])]);
        content.sync();
        content.write(1000, &[2; 5000], &mut random());
        content.lose_power(ALL_LOST, &mut random(), &mut SectorFate::default());
        assert!(content.len() >= 3000);
        let bytes = content.read(0, 3000);
        assert_eq!(bytes, vec![1; 3000]);
        assert!(content.read(3000, 9000).iter().all(|byte| *byte == 0));
    }

    #[test]
    fn kept_sectors_are_durable_afterwards() {
        let mut content = written(&[(0, &[1; 3000])]);
        let mut fate = SectorFate::default();
        content.lose_power(ALL_KEPT, &mut random(), &mut fate);
        assert_eq!(fate, SectorFate { kept: 6, lost: 0, torn: 0 });
        content.lose_power(ALL_LOST, &mut random(), &mut fate);
        assert_eq!(content.read(0, 9000), vec![1; 3000]);
    }

    #[test]
    fn a_torn_sector_mixes_old_and_new_and_spares_synced_neighbours() {
        let torn = Survival { kept_per_mille: 0, torn_per_mille: 1000 };
        let mut content = written(&[(0, &[1; 512])]);
        content.sync();
        content.write(100, &[2; 300], &mut random());
        let mut fate = SectorFate::default();
        content.lose_power(torn, &mut random(), &mut fate);
        assert_eq!(fate.torn, 1);
        let bytes = content.read(0, 512);
        assert!(bytes[..100].iter().chain(&bytes[400..]).all(|byte| *byte == 1));
        assert!(bytes.iter().all(|byte| *byte == 1 || *byte == 2));
    }

    #[test]
    fn a_failed_sync_leaves_pages_clean_but_never_written() {
        let mut content = written(&[(0, &[1; 4096])]);
        content.sync();
        content.write(0, &[2; 512], &mut random());
        content.fail_sync();
        content.sync();
        assert_eq!(content.read(0, 512), vec![2; 512], "the cache shows what was written");
        content.lose_power(ALL_KEPT, &mut random(), &mut SectorFate::default());
        assert_eq!(content.read(0, 512), vec![1; 512], "the medium never got it");
    }

    #[test]
    fn a_stuck_sector_that_is_written_again_can_be_synced() {
        let mut content = written(&[(0, &[1; 512])]);
        content.fail_sync();
        content.write(0, &[3; 512], &mut random());
        content.sync();
        content.lose_power(ALL_LOST, &mut random(), &mut SectorFate::default());
        assert_eq!(content.read(0, 512), vec![3; 512]);
    }

    #[test]
    fn rot_is_below_the_cache_too() {
        let mut content = written(&[(0, &[0; 512])]);
        content.sync();
        content.write(10, &[0], &mut random());
        content.rot(5, 1);
        content.rot(9999, 1);
        content.lose_power(ALL_LOST, &mut random(), &mut SectorFate::default());
        assert_eq!(content.read(5, 1)[0], 2);
    }

    #[test]
    fn size_after_power_loss_lies_between_synced_and_written() {
        let mut sizes = BTreeSet::new();
        for seed in 0..200 {
            let mut random = Random::new(seed, "size");
            let mut content = written(&[(0, &[1; 1000])]);
            content.sync();
            content.write(1000, &[2; 9000], &mut random);
            let survival = Survival { kept_per_mille: 500, torn_per_mille: 100 };
            content.lose_power(survival, &mut random, &mut SectorFate::default());
            assert!((1000..=10_000).contains(&content.len()));
            assert_eq!(content.read(0, 1000), vec![1; 1000]);
            sizes.insert(content.len());
        }
        assert!(sizes.len() > 10 && sizes.contains(&1000) && sizes.contains(&10_000));
    }
}
