//! Cache of verified blocks and pages of runs, bounded in bytes; evicts by second chance (CLOCK).

use crate::format::run::Page;
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What is kept, ready to use.
#[derive(Clone)]
pub enum Cached {
    /// A block's content.
    Block(Bytes),
    /// A section's page.
    Page(Arc<Page>),
}

type CacheKey = (u64, u64);

struct Slot {
    key: CacheKey,
    value: Cached,
    len: usize,
    is_referenced: bool,
}

#[derive(Default)]
struct Slots {
    positions: HashMap<CacheKey, usize>,
    slots: Vec<Slot>,
    hand: usize,
    total_len: usize,
}

/// Blocks and pages by run and offset.
pub struct Cache {
    slots: Mutex<Slots>,
    len_max: usize,
}

impl Cache {
    /// A cache of at most that many bytes.
    pub fn new(len_max: usize) -> Self {
        Self { slots: Mutex::default(), len_max }
    }

    /// What is kept for that run and offset.
    pub fn get(&self, run_id: u64, offset: u64) -> Option<Cached> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let position = *slots.positions.get(&(run_id, offset))?;
        let slot = &mut slots.slots[position];
        slot.is_referenced = true;
        Some(slot.value.clone())
    }

    /// Keeps something of `len` bytes.
    pub fn insert(&self, run_id: u64, offset: u64, value: Cached, len: usize) {
        let key = (run_id, offset);
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if len > self.len_max || slots.positions.contains_key(&key) {
            return;
        }
        while slots.total_len + len > self.len_max {
            slots.evict_one();
        }
        let position = slots.slots.len();
        slots.positions.insert(key, position);
        slots.slots.push(Slot { key, value, len, is_referenced: false });
        slots.total_len += len;
    }

    /// Bytes that are kept.
    pub fn len(&self) -> usize {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).total_len
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Slots {
    /// Drops the next slot that was not used since the hand last passed.
    fn evict_one(&mut self) {
        loop {
            self.hand %= self.slots.len();
            let slot = &mut self.slots[self.hand];
            if !std::mem::take(&mut slot.is_referenced) {
                break;
            }
            self.hand += 1;
        }
        let slot = self.slots.swap_remove(self.hand);
        self.positions.remove(&slot.key);
        self.total_len -= slot.len;
        if let Some(moved) = self.slots.get(self.hand) {
            self.positions.insert(moved.key, self.hand);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_stays_within_its_bytes_and_keeps_what_is_used() {
        let cache = Cache::new(1000);
        cache.insert(0, 0, Cached::Block(Bytes::from_static(b"hot")), 100);
        for offset in 1..100 {
            assert!(cache.get(0, 0).is_some(), "hot at {offset}");
            cache.insert(0, offset, Cached::Block(Bytes::new()), 100);
            assert!(cache.len() <= 1000);
        }
        assert!(cache.get(0, 1).is_none());
        cache.insert(1, 0, Cached::Block(Bytes::new()), 2000);
        assert!(cache.get(1, 0).is_none(), "larger than the cache");
    }
}
