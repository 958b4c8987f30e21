//! Index: the ordered rows of a node, a log-structured merge tree.
//!
//! ```text
//! write --> active memtable --freeze--> frozen memtable --destage--> run ... runs --merge--> run
//! read  <-- active, frozen, runs: the newest row of a key wins; a tombstone hides older ones
//! ```
//!
//! - I1: rows enter through [`Index::write`] only, in the order of the log, after they are durable
//!   in the journal.
//! - I2: a reader sees one state: memtables and runs are taken under one lock.
//! - I3: usage of volumes is what the rows refer to; it changes under the same lock as the rows.
//! - I4: memory is bounded by the memtables' limit, the cache's limit, about 50 bytes per MiB of
//!   run, and two sections (64 blocks) of each run that is being merged.

mod cache;
mod compaction;
mod memtable;
mod run_reader;
mod run_rows;
mod run_writer;
mod scan;

pub use cache::Cache;
pub use compaction::{MergeInput, merge, pick_merge};
pub use memtable::Memtable;
pub use run_reader::Run;
pub use run_writer::RunWriter;
pub use scan::ScanPage;

use crate::error::Result;
use crate::format::manifest::VolumeUsage;
use crate::format::value::{Extent, Value, VolumeId};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Directory of the runs on their disk.
pub const RUN_DIR: &str = "runs";

/// How much of each volume is referred to.
pub type Usage = BTreeMap<VolumeId, VolumeUsage>;

/// One change of a row.
#[derive(Clone, Debug)]
pub struct RowWrite {
    /// The row.
    pub key: Bytes,
    /// What it was, as the writer read it.
    pub old: Option<Value>,
    /// What it becomes; `None` deletes it.
    pub new: Option<Value>,
}

/// A memtable on its way to disk, with the state that belongs to it.
pub struct Frozen {
    /// The rows.
    pub rows: Memtable,
    /// Usage of volumes when it was frozen.
    pub usage: Usage,
    /// Newest batch of the journal that it contains.
    pub sequence: u64,
}

struct State {
    active: Memtable,
    frozen: Option<Arc<Frozen>>,
    /// Newest first.
    runs: Arc<Vec<Arc<Run>>>,
    usage: Usage,
}

/// The ordered rows of a node.
pub struct Index {
    state: RwLock<State>,
    cache: Arc<Cache>,
}

impl Index {
    /// An index over those runs, newest first, with an empty memtable.
    pub fn new(runs: Vec<Arc<Run>>, usage: Usage, cache: Arc<Cache>) -> Self {
        let state =
            State { active: Memtable::default(), frozen: None, runs: Arc::new(runs), usage };
        Self { state: RwLock::new(state), cache }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks a row up.
    ///
    /// # Errors
    /// [`crate::EngineError::Corrupt`]; I/O errors.
    pub async fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        let runs = {
            let state = self.read();
            let frozen = state.frozen.as_ref().map(|frozen| &frozen.rows);
            for memtable in std::iter::once(&state.active).chain(frozen) {
                if let Some(row) = memtable.get(key) {
                    return Ok(row.clone());
                }
            }
            state.runs.clone()
        };
        let hash = crate::format::run::key_hash(key);
        for run in runs.iter() {
            if let Some(row) = run.get(key, hash, &self.cache).await? {
                return Ok(row);
            }
        }
        Ok(None)
    }

    /// Changes rows, all at once for every reader (I2).
    pub fn write(&self, writes: Vec<RowWrite>) {
        let mut state = self.state_mut();
        for RowWrite { key, old, new } in writes {
            if let Some(old) = &old {
                subtract(&mut state.usage, old.extents());
            }
            if let Some(new) = &new {
                add(&mut state.usage, new.extents());
            }
            state.active.insert(&key, new);
        }
    }

    /// Refuses entries that name the volume from now on.
    pub fn fence(&self, volume: VolumeId) {
        self.state_mut().usage.entry(volume).or_default().is_fenced = true;
    }

    /// Whether entries that name the volume are refused.
    pub fn is_fenced(&self, volume: VolumeId) -> bool {
        self.read().usage.get(&volume).is_some_and(|usage| usage.is_fenced)
    }

    /// Forgets a volume that is gone.
    pub fn forget(&self, volume: VolumeId) {
        self.state_mut().usage.remove(&volume);
    }

    /// How much of each volume is referred to.
    pub fn usage(&self) -> Usage {
        self.read().usage.clone()
    }

    /// Bytes of memory that the active memtable takes, roughly.
    pub fn active_len(&self) -> usize {
        self.read().active.memory_len()
    }

    /// The runs, newest first.
    pub fn runs(&self) -> Arc<Vec<Arc<Run>>> {
        self.read().runs.clone()
    }

    /// Freezes the active memtable, which holds everything up to batch `sequence`. Returns the
    /// memtable that is frozen already, if there is one: only one is on its way at a time.
    pub fn freeze(&self, sequence: u64) -> Arc<Frozen> {
        let mut state = self.state_mut();
        if let Some(frozen) = &state.frozen {
            return frozen.clone();
        }
        let rows = std::mem::take(&mut state.active);
        let frozen = Arc::new(Frozen { rows, usage: state.usage.clone(), sequence });
        state.frozen = Some(frozen.clone());
        frozen
    }

    /// Replaces the frozen memtable by the run that it was written to. `destaged` are the rows
    /// whose bodies went to volumes on the way: those that are still current count as live from now
    /// on.
    pub fn install(&self, run: Option<Arc<Run>>, destaged: &BTreeMap<Bytes, Extent>) {
        let mut state = self.state_mut();
        for (key, extent) in destaged {
            if state.active.get(key).is_none() {
                add(&mut state.usage, std::slice::from_ref(extent));
            }
        }
        if let Some(run) = run {
            let runs = std::iter::once(run).chain(state.runs.iter().cloned()).collect();
            state.runs = Arc::new(runs);
        }
        state.frozen = None;
    }

    /// Replaces merged runs by their result.
    pub fn replace_runs(&self, merged: &[Arc<Run>], result: Option<Arc<Run>>) {
        let mut state = self.state_mut();
        let is_merged = |run: &Arc<Run>| merged.iter().any(|old| old.id == run.id);
        let position = state.runs.iter().position(is_merged).unwrap_or_default();
        let mut runs: Vec<_> = state.runs.iter().filter(|run| !is_merged(run)).cloned().collect();
        if let Some(run) = result {
            runs.insert(position, run);
        }
        state.runs = Arc::new(runs);
    }
}

/// Counts extents as live.
pub fn add(usage: &mut Usage, extents: &[Extent]) {
    for extent in extents {
        usage.entry(extent.volume).or_default().live_len += u64::from(extent.len);
    }
}

fn subtract(usage: &mut Usage, extents: &[Extent]) {
    for extent in extents {
        let usage = usage.entry(extent.volume).or_default();
        let len = u64::from(extent.len);
        assert!(usage.live_len >= len, "I3: a row that goes was counted");
        usage.live_len -= len;
    }
}
