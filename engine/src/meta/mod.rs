//! Metadata store of a node: journal, index, volumes and manifest as one thing that survives a
//! power cut at any point.
//!
//! ```text
//! append --> journal (durable) --> apply turn: read and write rows --> index
//!                                   checkpoint: freeze -> destage -> run -> manifest -> release
//! start:  manifest -> runs, volumes -> replay the journal -> checkpoint -> new generation -> serve
//! ```
//!
//! - S1: what a row refers to is durable before the entry that makes the row is appended.
//! - S2: rows change in an apply turn only; turns follow the journal's order, whole batches at a
//!   time.
//! - S3: a checkpoint names a batch; runs and usage in the manifest are exactly those after that
//!   batch.
//! - S4: files go only after a durable manifest no longer names them.

mod checkpoint;
mod legs;
mod open;
mod registry;

pub use checkpoint::RowOwner;
pub use open::Opening;
pub(crate) use registry::MANIFEST_NEW_PATH;
pub use registry::{MANIFEST_PATH, Registry};

use crate::disks::DiskSet;
use crate::env::{Disk as _, DiskSpace, Env};
use crate::erasure::Geometry;
use crate::error::{EngineError, Result};
use crate::format::batch::JournalRecord;
use crate::format::value::Value;
use crate::index::{Index, RowWrite, ScanPage};
use crate::journal::{Journal, JournalConfig};
use crate::mark::{self, Mark};
use crate::mirror::Mirror;
use crate::volume::{ROOM_MIN, VolumeConfig, VolumeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{MutexGuard, Notify};
use tokio::time::Instant;

/// How long a look at the disk's free space holds.
const SPACE_LIFE: Duration = Duration::from_millis(500);

/// Sizes and limits of the metadata store.
#[derive(Clone, Copy, Debug)]
pub struct MetaConfig {
    /// The journal's ring.
    pub journal: JournalConfig,
    /// The volumes.
    pub volume: VolumeConfig,
    /// Bytes of the active memtable after which a checkpoint begins. Default 32 MiB.
    pub memtable_len_max: usize,
    /// Bytes of cached blocks and pages. Default 32 MiB.
    pub cache_len_max: usize,
    /// Bytes of the disk that new bodies leave free, for checkpoints, merges and deletes. Default
    /// 256 MiB.
    pub reserve_len: u64,
}

impl MetaConfig {
    /// Bytes that a start needs at most before it gives room back: new files of the journal, and
    /// what the old ones hold, written out. The reserve must not be smaller.
    pub fn start_len(&self) -> u64 {
        let files = 2 + self.journal.file_count_max as u64;
        files * self.journal.file_len + self.memtable_len_max as u64
    }
}

impl Default for MetaConfig {
    fn default() -> Self {
        Self {
            journal: JournalConfig::default(),
            volume: VolumeConfig::default(),
            memtable_len_max: 32 << 20,
            cache_len_max: 32 << 20,
            reserve_len: 256 << 20,
        }
    }
}

/// Metadata store and volumes of one node.
pub struct MetaStore {
    disks: Arc<DiskSet>,
    /// The legs of the metadata, as one disk.
    mirror: Mirror,
    env: Env,
    config: MetaConfig,
    volumes: Arc<VolumeSet>,
    index: Index,
    /// Absent while a start replays; another one after a failure was healed.
    journal: RwLock<Option<Journal>>,
    registry: Arc<Registry>,
    /// Newest batch whose entries are applied; the lock is the apply turn.
    applied: tokio::sync::Mutex<u64>,
    /// Newest batch whose entries are applied, as [`MetaStore::is_checkpoint_due`] sees it.
    applied_sequence: AtomicU64,
    /// Newest batch that a durable checkpoint contains.
    checkpointed: AtomicU64,
    /// Set when an apply turn ended in the middle of a batch.
    poisoned: AtomicBool,
    checkpointing: tokio::sync::Mutex<()>,
    merging: tokio::sync::Mutex<()>,
    /// Rung when a checkpoint is due.
    pub(crate) due: Notify,
    /// Rung when there is a new run.
    pub(crate) grown: Notify,
    space: Mutex<Option<(Instant, Room)>>,
}

/// Room on the disks.
#[derive(Clone, Copy)]
struct Room {
    /// Bytes that bodies could take in all.
    total: u64,
    /// Bytes free on each of the disks that a new volume would get.
    free_each: u64,
    /// Data columns of that volume.
    data_count: u64,
}

/// The right to change rows: one holder at a time, in the journal's order (S2).
pub struct ApplyTurn<'a> {
    store: &'a MetaStore,
    applied: MutexGuard<'a, u64>,
    is_finished: bool,
}

impl MetaStore {
    /// Appends records to the journal; returns the batch's number once they are durable.
    ///
    /// # Errors
    /// [`EngineError::Closed`], [`EngineError::OutOfSpace`] for records beyond a batch.
    ///
    /// # Cancel safety
    /// Dropping the future leaves open whether the records are written.
    pub async fn append(&self, records: Vec<JournalRecord>) -> Result<u64> {
        if self.is_poisoned() {
            return Err(EngineError::Closed("a batch was applied in part".into()));
        }
        if !self.disks.is_writable() {
            return Err(EngineError::Closed("too few disks are left to write safely".into()));
        }
        let journal = self.journal().expect("the store is open");
        journal.append(records).await
    }

    fn journal(&self) -> Option<Journal> {
        self.journal.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the apply turn.
    pub async fn apply_turn(&self) -> ApplyTurn<'_> {
        ApplyTurn { store: self, applied: self.applied.lock().await, is_finished: false }
    }

    /// The rows.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The bodies.
    pub fn volumes(&self) -> &Arc<VolumeSet> {
        &self.volumes
    }

    /// The disks.
    pub fn disks(&self) -> &Arc<DiskSet> {
        &self.disks
    }

    /// Looks a row up.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`]; I/O errors.
    pub async fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        self.index.get(key).await
    }

    /// Rows in order; see [`Index::scan`].
    ///
    /// # Errors
    /// [`EngineError::Corrupt`]; I/O errors.
    pub async fn scan(&self, start: &[u8], end: &[u8], limit: usize) -> Result<ScanPage> {
        self.index.scan(start, end, limit).await
    }

    /// Room for bodies on the disks, at most [`SPACE_LIFE`] old: parity is taken off.
    ///
    /// # Errors
    /// [`EngineError::Closed`] when too few disks take writes; I/O errors.
    pub async fn space(&self) -> Result<DiskSpace> {
        let room = self.room().await?;
        Ok(DiskSpace { total: room.total, free: room.free_each * room.data_count })
    }

    async fn room(&self) -> Result<Room> {
        let known = *self.space.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some((at, room)) = known
            && now.duration_since(at) < SPACE_LIFE
        {
            return Ok(room);
        }
        let room = self.look_at_room().await?;
        *self.space.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, room));
        Ok(room)
    }

    async fn look_at_room(&self) -> Result<Room> {
        let full = self.disks.geometry_full();
        if full == Geometry::SINGLE {
            let space = self.mirror.space().await.map_err(EngineError::io("stat", ""))?;
            return Ok(Room { total: space.total, free_each: space.free, data_count: 1 });
        }
        let spaces = self.disks.fit_spaces().await.into_iter();
        let mut spaces: Vec<DiskSpace> = spaces.map(|(_, space)| space).collect();
        // A disk without room gets no members; the others may be enough.
        let needed = self.config.reserve_len / 4 + ROOM_MIN;
        let roomy: Vec<DiskSpace> =
            spaces.iter().copied().filter(|space| space.free >= needed).collect();
        if full.narrowed(roomy.len()).is_some() {
            spaces = roomy;
        }
        let geometry = full
            .narrowed(spaces.len())
            .ok_or_else(|| EngineError::Closed(format!("{} disks are too few", spaces.len())))?;
        spaces.sort_by_key(|space| std::cmp::Reverse(space.free));
        let total: u64 = spaces.iter().map(|space| space.total).sum();
        let free_each = spaces.get(geometry.width() - 1).map_or(0, |space| space.free);
        let data_count = u64::from(geometry.data);
        Ok(Room { total: total / geometry.width() as u64 * data_count, free_each, data_count })
    }

    /// Checks that `len` more bytes of clients leave the reserve untouched.
    ///
    /// # Errors
    /// [`EngineError::OutOfSpace`]; [`EngineError::Closed`]; I/O errors.
    pub async fn check_room(&self, len: u64) -> Result<()> {
        self.check_free(self.config.reserve_len, len).await
    }

    /// Checks that `len` more bytes of the background leave enough of the reserve for checkpoints.
    /// Reclaim and merges make room: they must go on when clients are refused.
    ///
    /// # Errors
    /// [`EngineError::OutOfSpace`]; [`EngineError::Closed`]; I/O errors.
    pub async fn check_background_room(&self, len: u64) -> Result<()> {
        self.check_free(self.config.reserve_len / 4, len).await
    }

    async fn check_free(&self, reserve_len: u64, len: u64) -> Result<()> {
        let room = self.room().await?;
        let needed = reserve_len.saturating_add(len.div_ceil(room.data_count));
        if room.free_each < needed {
            mark::hit(Mark::NoRoom);
            return Err(EngineError::OutOfSpace);
        }
        Ok(())
    }

    /// Whether the active memtable or the journal asks for a checkpoint.
    pub fn is_checkpoint_due(&self) -> bool {
        let applied = self.applied_sequence.load(Ordering::Acquire);
        let is_new = applied > self.checkpointed.load(Ordering::Acquire);
        let is_ring_short = is_new && self.journal().is_some_and(|journal| journal.wants_release());
        !self.is_poisoned()
            && (is_ring_short || self.index.active_len() >= self.config.memtable_len_max)
    }

    /// Whether rows hold a batch in part: no checkpoint may make that durable. The journal has
    /// the whole batch for the next start.
    fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Acquire)
    }

    /// Bytes of records that fit into one batch of the journal.
    pub fn batch_payload_max(&self) -> usize {
        self.config.journal.batch_payload_max()
    }

    /// Whether the journal still takes writes.
    pub fn is_writable(&self) -> bool {
        !self.is_poisoned()
            && self.disks.is_writable()
            && self.journal().is_some_and(|journal| !journal.is_failed())
    }

    /// Named figures, for metrics: `(name, help, value)`.
    pub fn metrics(&self) -> Vec<(&'static str, &'static str, u64)> {
        let journal = self.journal().expect("the store is open");
        let journal = journal.stats();
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let usage = self.index.usage();
        let live_len = usage.values().map(|usage| usage.live_len).sum();
        let runs = self.index.runs();
        let volumes = self.volumes.all();
        vec![
            (
                "stave_journal_batches_total",
                "Group commits, one fdatasync each",
                load(&journal.batches),
            ),
            ("stave_journal_records_total", "Records in the journal", load(&journal.records)),
            (
                "stave_journal_written_bytes_total",
                "Bytes written to the journal",
                load(&journal.written_len),
            ),
            (
                "stave_journal_files_used",
                "Files of the ring awaiting a checkpoint",
                load(&journal.files_used),
            ),
            (
                "stave_memtable_bytes",
                "Memory of the active memtable",
                self.index.active_len() as u64,
            ),
            ("stave_index_runs", "Sorted runs of the index", runs.len() as u64),
            ("stave_index_bytes", "Bytes of all runs", runs.iter().map(|run| run.len).sum()),
            ("stave_volumes", "Volumes on disk", volumes.len() as u64),
            ("stave_volumes_begun_total", "Volumes begun since the start", self.volumes.begun()),
            (
                "stave_volume_bytes",
                "Bytes of all volumes",
                volumes.iter().map(|volume| volume.len()).sum(),
            ),
            ("stave_volume_live_bytes", "Bytes of bodies in volumes that rows refer to", live_len),
        ]
    }
}

impl ApplyTurn<'_> {
    /// Changes rows, all at once for every reader.
    pub fn write(&mut self, writes: Vec<RowWrite>) {
        self.store.index.write(writes);
    }

    /// Ends the turn: every entry up to and with batch `sequence` is applied.
    pub fn finish(mut self, sequence: u64) {
        assert!(sequence >= *self.applied, "S2: turns follow the journal");
        *self.applied = sequence;
        self.is_finished = true;
        self.store.applied_sequence.store(sequence, Ordering::Release);
        if self.store.is_checkpoint_due() {
            self.store.due.notify_one();
        }
    }
}

impl Drop for ApplyTurn<'_> {
    /// A turn that ends in the middle of a batch leaves rows that no checkpoint may contain.
    fn drop(&mut self) {
        if !self.is_finished {
            self.store.poisoned.store(true, Ordering::Release);
        }
    }
}
