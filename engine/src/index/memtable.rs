//! Memtable: the newest rows, in memory, ordered.

use crate::format::value::Value;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Bound;

/// Memory that a row takes besides its key and its value's own, roughly.
const ROW_OVERHEAD: usize = 64;

/// Ordered rows; `None` is a tombstone.
#[derive(Default)]
pub struct Memtable {
    rows: BTreeMap<Bytes, Option<Value>>,
    memory_len: usize,
}

fn row_len(key: &Bytes, value: Option<&Value>) -> usize {
    ROW_OVERHEAD + key.len() + value.map_or(0, Value::memory_len)
}

impl Memtable {
    /// Sets a row. Key and attributes are copied: what was read from a run is a slice of a block
    /// that a small row must not keep in memory.
    pub fn insert(&mut self, key: &[u8], value: Option<Value>) {
        let key = Bytes::copy_from_slice(key);
        let value = value
            .map(|value| Value { attributes: Bytes::copy_from_slice(&value.attributes), ..value });
        self.memory_len += row_len(&key, value.as_ref());
        let key_len = key.len();
        if let Some(old) = self.rows.insert(key, value) {
            self.memory_len -= ROW_OVERHEAD + key_len + old.as_ref().map_or(0, Value::memory_len);
        }
    }

    /// The row of a key, when this memtable knows one.
    pub fn get(&self, key: &[u8]) -> Option<&Option<Value>> {
        self.rows.get(key)
    }

    /// Rows from `start` on, below `end`.
    pub fn range(
        &self,
        start: &[u8],
        end: &[u8],
    ) -> impl Iterator<Item = (&Bytes, &Option<Value>)> {
        // An empty range is no panic: bounds that cross are cut.
        let end = if end < start { start } else { end };
        self.rows.range::<[u8], _>((Bound::Included(start), Bound::Excluded(end)))
    }

    /// Every row.
    pub fn iter(&self) -> impl Iterator<Item = (&Bytes, &Option<Value>)> {
        self.rows.iter()
    }

    /// Bytes of memory, roughly.
    pub fn memory_len(&self) -> usize {
        self.memory_len
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }
}
