//! Volumes: the erasure-coded segment logs that hold bodies. Today every volume has one member
//! (geometry 1+0): one segment on one disk.
//!
//! ```text
//! append --> open volume: reserve pages -> write record (page cache) ... sync (shared) --> extents
//!                 | full, or a restart
//!                 v
//!             sealed  --reclaim copies what lives--> fenced --> file removed
//! ```
//!
//! - V1: an extent is handed out before its bytes are durable; whoever commits it calls
//!   [`VolumeSet::sync`] first.
//! - V2: a volume that was open when the process ended is never appended to again.
//! - V3: ids of volumes are never reused; a segment's checksums are seeded with the id.
//! - V4: a removed volume stays readable to those who hold it.

mod reader;
mod writer;

pub use reader::{RecordScan, ScannedRecord};
pub use writer::Appended;

use crate::env::{Disk, DiskFile};
use crate::error::{EngineError, Result};
use crate::format::PAGE_LEN;
use crate::format::identity::Identity;
use crate::format::record::Seal;
use crate::format::value::VolumeId;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Directory of the segments on their disk.
pub const VOLUME_DIR: &str = "volumes";

/// An open volume is sealed early only when it has this part of its full length.
const SEAL_EARLY_FRACTION: u64 = 64;

/// Sizes of volumes.
#[derive(Clone, Copy, Debug)]
pub struct VolumeConfig {
    /// Bytes after which a volume is sealed and the next one opened. Default 1 GiB.
    pub volume_len_max: u64,
}

impl Default for VolumeConfig {
    fn default() -> Self {
        Self { volume_len_max: 1 << 30 }
    }
}

/// One volume, open for reading, and for appending while it is the set's current one.
pub struct Volume {
    /// Its identity.
    pub id: VolumeId,
    seal: Seal,
    path: String,
    file: Arc<dyn DiskFile>,
    /// Where the next record goes; the length that counts for reclaim.
    end: AtomicU64,
    sealed: AtomicBool,
    gate: writer::SyncGate,
}

impl Volume {
    /// Bytes of the segment in use.
    pub fn len(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// Whether the segment holds no record.
    pub fn is_empty(&self) -> bool {
        self.len() <= PAGE_LEN
    }

    /// Whether nothing is appended any more.
    pub fn is_sealed(&self) -> bool {
        self.sealed.load(Ordering::Acquire)
    }
}

/// The volumes of a node.
pub struct VolumeSet {
    disk: Arc<dyn Disk>,
    identity: Identity,
    config: VolumeConfig,
    volumes: RwLock<BTreeMap<VolumeId, Arc<Volume>>>,
    next_id: AtomicU64,
    current: Mutex<Option<Arc<Volume>>>,
    opening: tokio::sync::Mutex<()>,
}

impl VolumeSet {
    /// Opens the segments that lie on the disk; all are sealed. Ids go on behind `next_id` and
    /// behind every file.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] for a segment that the rows need and whose header is damaged; I/O
    /// errors.
    pub async fn open(
        disk: Arc<dyn Disk>,
        identity: Identity,
        config: VolumeConfig,
        next_id: u64,
    ) -> Result<Self> {
        let set = Self {
            disk,
            identity,
            config,
            volumes: RwLock::default(),
            next_id: AtomicU64::new(next_id.max(1)),
            current: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
        };
        let list = set.disk.list(VOLUME_DIR);
        for name in list.await.map_err(EngineError::io("list", VOLUME_DIR))? {
            if let Ok(id) = u64::from_str_radix(&name, 16) {
                set.next_id.fetch_max(id + 1, Ordering::Relaxed);
                set.open_segment(VolumeId(id)).await?;
            }
        }
        Ok(set)
    }

    /// A segment whose first page was never completed is not opened: nothing durable can refer to
    /// it. Should a row refer to it all the same, its reads fail; the file is kept while rows do.
    async fn open_segment(&self, id: VolumeId) -> Result<()> {
        let path = segment_path(id);
        let file = self.disk.open(&path).await.map_err(EngineError::io("open", &path))?;
        let len = file.len().await.map_err(EngineError::io("stat", &path))?;
        let read = file.read(0, PAGE_LEN as usize);
        let header = read.await.map_err(EngineError::io("read", &path))?;
        let seal = self.seal(id);
        match Seal::decode_segment(&header) {
            Ok(found) if found == seal => self.insert(id, seal, path, file, len),
            Ok(_) => return Err(EngineError::Foreign(format!("{path} belongs elsewhere"))),
            Err(_) => tracing::warn!(path, "segment has no intact header and is left alone"),
        }
        Ok(())
    }

    fn insert(&self, id: VolumeId, seal: Seal, path: String, file: Arc<dyn DiskFile>, len: u64) {
        let volume = Arc::new(Volume {
            id,
            seal,
            path,
            file,
            end: AtomicU64::new(crate::format::page_align(len)),
            sealed: AtomicBool::new(true),
            gate: writer::SyncGate::default(),
        });
        self.map_mut().insert(id, volume);
    }

    fn seal(&self, volume: VolumeId) -> Seal {
        let Identity { deployment_id, disk_id } = self.identity;
        Seal { deployment_id, disk_id, volume }
    }

    fn map_mut(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<VolumeId, Arc<Volume>>> {
        self.volumes.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn map(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<VolumeId, Arc<Volume>>> {
        self.volumes.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The volume with that id.
    ///
    /// # Errors
    /// [`EngineError::VolumeGone`].
    pub fn get(&self, id: VolumeId) -> Result<Arc<Volume>> {
        self.map().get(&id).cloned().ok_or(EngineError::VolumeGone(id.0))
    }

    /// Every volume, by id.
    pub fn all(&self) -> Vec<Arc<Volume>> {
        self.map().values().cloned().collect()
    }

    /// Ids from here on are free.
    pub fn next_id(&self) -> u64 {
        self.next_id.load(Ordering::Relaxed)
    }

    /// Seals the open volume if it is this one and long enough to be worth it: what is appended
    /// from now on goes to another one. Whoever is appending right now still holds it.
    pub fn seal_open(&self, volume: &Volume) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let is_long = volume.len() >= self.config.volume_len_max / SEAL_EARLY_FRACTION;
        if is_long && current.as_ref().is_some_and(|open| open.id == volume.id) {
            volume.sealed.store(true, Ordering::Release);
            *current = None;
        }
    }

    /// Removes a sealed volume: new readers no longer find it. The caller knows that no row refers
    /// to it.
    ///
    /// # Errors
    /// I/O errors; the file is then garbage until the next start.
    pub async fn remove(&self, id: VolumeId) -> Result<()> {
        let volume = self.get(id)?;
        assert!(volume.is_sealed(), "V2: only sealed volumes are removed");
        self.map_mut().remove(&id);
        let remove = self.disk.remove(&volume.path);
        remove.await.map_err(EngineError::io("remove", &volume.path))
    }
}

fn segment_path(id: VolumeId) -> String {
    format!("{VOLUME_DIR}/{:016x}", id.0)
}
