//! Bytes of one simulated file: what the page cache shows, and what the medium holds below it.
//!
//! The cache is always complete; only where it differs from the medium is the older page kept as
//! well. A sync forgets the older pages, a power loss brings back some of their sectors.
//!
//! - C1: bytes beyond `len` are zero in the cache and below it.
//! - C2: a page has a copy of what is below it exactly while one of its sectors is dirty or stuck,
//!   and is then in the list of unsynced pages, once.
//! - C3: a power loss damages no byte that was synced: a torn sector is a mixture of its old and
//!   its new bytes.

use super::damage::{Damages, sectors};
use super::fault::{Fault, FaultCounts};
use super::page::{PAGE, Page, SECTOR, SECTORS_PER_PAGE, SectorFate, Survival, ZEROS};
use super::page::{bits, patch, sector_range};
use crate::random::Random;
use bytes::{Bytes, BytesMut};
use std::collections::BTreeSet;
use std::ops::Range;

/// One file's bytes. A clone is an image of it.
#[derive(Clone, Default)]
pub struct Content {
    pages: Vec<Option<Page>>,
    /// Numbers of unsynced pages.
    unsynced: Vec<usize>,
    page_count: usize,
    damages: Damages,
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
        (self.page_count * PAGE) as u64
    }

    /// Bytes that a write of `len` bytes at `offset` takes beyond what is allocated.
    pub fn growth(&self, offset: u64, len: usize) -> u64 {
        let fresh = |page: &usize| !matches!(self.pages.get(*page), Some(Some(_)));
        (page_range(offset, len).filter(fresh).count() * PAGE) as u64
    }

    /// Sectors that do not hold what they should.
    pub fn damaged_count(&self) -> usize {
        self.damages.count()
    }

    /// Whether something waits for a sync, or will never get one.
    pub fn is_unsynced(&self) -> bool {
        !self.unsynced.is_empty() || self.len != self.synced_len
    }

    /// Whether a failed sync left sectors that are not on the medium.
    pub fn is_stuck(&self) -> bool {
        self.unsynced.iter().any(|index| self.page(*index).stuck != 0)
    }

    /// Numbers of the operations that wrote what is not synced.
    pub fn stamps(&self, stamps: &mut BTreeSet<u64>) {
        stamps.extend(self.unsynced.iter().map(|index| self.page(*index).stamp));
    }

    fn page(&self, index: usize) -> &Page {
        self.pages[index].as_ref().expect("C2: an unsynced page exists")
    }

    /// Up to `len` bytes at `offset`.
    pub fn read(&self, offset: u64, len: usize) -> Bytes {
        let end = self.len.min(offset.saturating_add(len as u64));
        let len = end.saturating_sub(offset) as usize;
        if let Some(slice) = self.slice(offset, len) {
            return slice;
        }
        let mut bytes = BytesMut::with_capacity(len);
        for (page, range) in pieces(offset, len) {
            match self.pages.get(page) {
                Some(Some(page)) => bytes.extend_from_slice(&page.cache[range]),
                _ => bytes.extend_from_slice(&ZEROS[range]),
            }
        }
        bytes.freeze()
    }

    /// Bytes that lie in one page, without a copy.
    fn slice(&self, offset: u64, len: usize) -> Option<Bytes> {
        let at = offset as usize % PAGE;
        let page = self.pages.get(offset as usize / PAGE)?.as_ref()?;
        (at + len <= PAGE).then(|| page.cache.slice(at..at + len))
    }

    /// Reads as a process does, meeting what is damaged; `None`: the medium gives an error.
    pub fn read_medium(
        &mut self,
        offset: u64,
        len: usize,
        counts: &mut FaultCounts,
    ) -> Option<Bytes> {
        let bytes = self.read(offset, len);
        let touched = sectors(offset, bytes.len());
        let is_readable = self.damages.is_empty() || self.damages.read(touched, counts);
        is_readable.then_some(bytes)
    }

    /// Whether a write can be done: part of an unreadable sector cannot be replaced.
    pub fn allows_write(&self, offset: u64, len: usize) -> bool {
        self.damages.is_empty() || self.damages.allows_write(offset, len)
    }

    /// Changes the page cache; `stamp` is the number of the operation.
    pub fn write(&mut self, offset: u64, bytes: &Bytes, stamp: u64, random: &mut Random) {
        if bytes.is_empty() {
            return;
        }
        let mut done = 0;
        for (index, range) in pieces(offset, bytes.len()) {
            let piece = bytes.slice(done..done + range.len());
            done += range.len();
            let page = self.page_at(index);
            let was_unsynced = page.is_unsynced();
            page.write(range.start, piece, random);
            page.stamp = stamp;
            if !was_unsynced {
                self.unsynced.push(index);
            }
        }
        if !self.damages.is_empty() {
            self.damages.write(offset, bytes);
        }
        self.len = self.len.max(offset + bytes.len() as u64);
    }

    fn page_at(&mut self, index: usize) -> &mut Page {
        if self.pages.len() <= index {
            self.pages.resize_with(index + 1, || None);
        }
        let slot = &mut self.pages[index];
        self.page_count += usize::from(slot.is_none());
        slot.get_or_insert_with(Page::zeroed)
    }

    /// Makes the page cache durable, except what is stuck.
    pub fn sync(&mut self) {
        if !self.damages.is_empty() {
            let pages = &self.pages;
            let is_written = |sector: usize| {
                let page = pages.get(sector / SECTORS_PER_PAGE).and_then(Option::as_ref);
                page.is_none_or(|page| page.stuck & (1 << (sector % SECTORS_PER_PAGE)) == 0)
            };
            self.damages.sync(is_written);
        }
        let pages = &mut self.pages;
        self.unsynced.retain(|index| {
            let page = pages[*index].as_mut().expect("C2: an unsynced page exists");
            page.sync();
            page.stuck != 0
        });
        self.synced_len = self.len;
    }

    /// A sync that failed: the kernel reports it once and calls the pages clean, though they were
    /// never written. `is_reverted`: the old bytes show at once.
    pub fn fail_sync(&mut self, is_reverted: bool) {
        let pages = &mut self.pages;
        let mut reverted = BTreeSet::new();
        self.unsynced.retain(|index| {
            let page = pages[*index].as_mut().expect("C2: an unsynced page exists");
            if is_reverted {
                reverted.extend(bits(page.dirty).map(|sector| index * SECTORS_PER_PAGE + sector));
                page.revert(page.dirty);
                page.below = page.below.take().filter(|_| page.stuck != 0);
            } else {
                page.stuck |= page.dirty;
                page.dirty = 0;
            }
            page.is_unsynced()
        });
        if !self.damages.is_empty() {
            self.damages.uncover(|sector| reverted.contains(&sector));
        }
    }

    /// Clean pages leave the cache: what a failed sync called clean shows as it is below.
    pub fn drop_clean(&mut self) {
        let pages = &mut self.pages;
        let mut reverted = BTreeSet::new();
        self.unsynced.retain(|index| {
            let page = pages[*index].as_mut().expect("C2: an unsynced page exists");
            reverted.extend(bits(page.stuck).map(|sector| index * SECTORS_PER_PAGE + sector));
            page.revert(page.stuck & !page.dirty);
            page.below = page.below.take().filter(|_| page.dirty != 0);
            page.is_unsynced()
        });
        if !self.damages.is_empty() {
            self.damages.uncover(|sector| reverted.contains(&sector));
        }
    }

    /// The power goes: each unsynced sector, and the size, is as it was, as it should be, or in
    /// between.
    pub fn lose_power(&mut self, survival: Survival, random: &mut Random, fate: &mut SectorFate) {
        let mut lost = BTreeSet::new();
        for index in std::mem::take(&mut self.unsynced) {
            let page = self.pages[index].as_mut().expect("C2: an unsynced page exists");
            let mask = page.lose_power(survival, random, fate);
            if !self.damages.is_empty() {
                lost.extend(bits(mask).map(|sector| index * SECTORS_PER_PAGE + sector));
            }
        }
        self.damages.lose_power(|sector| lost.contains(&sector));
        if self.len > self.synced_len {
            self.lose_size(survival, random, fate);
        }
        self.synced_len = self.len;
    }

    fn lose_size(&mut self, survival: Survival, random: &mut Random, fate: &mut SectorFate) {
        let is_kept = match survival {
            Survival::Drawn { kept_per_mille, .. } => random.chance(kept_per_mille),
            Survival::Exact { is_kept, .. } => is_kept,
        };
        fate.sizes += 1;
        if !is_kept {
            let grown = self.len - self.synced_len;
            let is_drawn = matches!(survival, Survival::Drawn { .. }) && !random.chance(500);
            let kept = if is_drawn { random.below(grown) } else { 0 };
            self.cut(self.synced_len + kept);
        }
    }

    fn cut(&mut self, len: u64) {
        self.len = len;
        self.damages.cut(len);
        self.pages.truncate((len as usize).div_ceil(PAGE));
        self.page_count = self.pages.iter().flatten().count();
        let at = len as usize % PAGE;
        if let Some(Some(page)) = self.pages.get_mut(len as usize / PAGE) {
            patch(&mut page.cache, at, &ZEROS[at..]);
        }
    }
}

/// What is done to the medium behind everybody's back.
impl Content {
    /// Flips one bit of the cache and of what is below, as a rotten medium does. Nothing beyond the
    /// end rots. Returns whether something did; `fault` is the name of it.
    pub fn rot(&mut self, offset: u64, bit: u8, fault: Fault) -> bool {
        let is_there = matches!(self.pages.get(offset as usize / PAGE), Some(Some(_)));
        if offset >= self.len || !is_there {
            return false;
        }
        let sector = offset as usize / SECTOR;
        let truth = self.read((sector * SECTOR) as u64, SECTOR);
        self.damages.add(sector, fault, Some(pad(truth)));
        let page = self.page_at(offset as usize / PAGE);
        let at = offset as usize % PAGE;
        let flipped = |page: &Bytes| [page[at] ^ (1 << (bit % 8))];
        let byte = flipped(&page.cache);
        patch(&mut page.cache, at, &byte);
        if let Some(below) = &mut page.below {
            let byte = flipped(below);
            patch(below, at, &byte);
        }
        true
    }

    /// Makes a sector unreadable until it is written anew. Returns whether there is one.
    pub fn spoil(&mut self, offset: u64) -> bool {
        if offset < self.len {
            self.damages.add(offset as usize / SECTOR, Fault::LatentSector, None);
        }
        offset < self.len
    }

    /// Takes a run of dirty sectors away before the sync that would write them: the medium, and the
    /// cache, go back to what was there. Returns where they should have gone.
    pub fn lose_write(&mut self, fault: Fault, random: &mut Random) -> Option<(u64, Bytes)> {
        let dirty: Vec<usize> =
            self.unsynced.iter().copied().filter(|index| self.page(*index).dirty != 0).collect();
        if dirty.is_empty() {
            return None;
        }
        let index = *random.pick(&dirty);
        let mask = self.page(index).dirty;
        let first = bits(mask).next()?;
        let run = (first..SECTORS_PER_PAGE).take_while(|sector| mask & (1 << sector) != 0).count();
        let count = if random.chance(500) { run } else { random.size(1..run + 1) };
        let mask = (first..first + count).fold(0, |mask, sector| mask | (1 << sector));
        let start = (index * PAGE + first * SECTOR) as u64;
        let lost = pad(self.read(start, count * SECTOR));
        self.page_at(index).revert(mask);
        let old = pad(self.read(start, count * SECTOR));
        for sector in 0..count {
            let number = index * SECTORS_PER_PAGE + first + sector;
            self.damages.forget(number);
            let truth = lost.slice(sector * SECTOR..((sector + 1) * SECTOR).min(lost.len()));
            let is_same = old.get(sector_range(sector)) == lost.get(sector_range(sector));
            if !is_same {
                self.damages.add(number, fault, Some(pad(truth)));
            }
        }
        let page = self.page_at(index);
        page.below = page.below.take().filter(|_| page.dirty | page.stuck != 0);
        if !self.page(index).is_unsynced() {
            self.unsynced.retain(|unsynced| *unsynced != index);
        }
        (old != lost).then_some((start, lost))
    }

    /// Bytes that belong elsewhere land here, on whole sectors that the file has. Returns whether
    /// that changed anything.
    pub fn smash(&mut self, offset: u64, bytes: &Bytes) -> bool {
        let mut is_changed = false;
        for (number, new) in bytes.chunks_exact(SECTOR).enumerate() {
            let at = offset + (number * SECTOR) as u64;
            let sector = at as usize / SECTOR;
            let old = self.read(at, SECTOR);
            let page = self.pages.get_mut(at as usize / PAGE).and_then(Option::as_mut);
            let Some(page) = page.filter(|page| !page.is_unsynced()) else { continue };
            if old.len() == SECTOR && old != new {
                patch(&mut page.cache, at as usize % PAGE, new);
                self.damages.add(sector, Fault::MisdirectedWrite, Some(old));
                is_changed = true;
            }
        }
        is_changed
    }
}

/// A sector, also where the file ends within it.
fn pad(bytes: Bytes) -> Bytes {
    let len = bytes.len().next_multiple_of(SECTOR);
    if bytes.len() == len {
        return bytes;
    }
    let mut padded = bytes.to_vec();
    padded.resize(len, 0);
    Bytes::from(padded)
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
#[path = "content_test.rs"]
mod content_test;
