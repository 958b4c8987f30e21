//! Appending to volumes: place, frame, checksum, write; and the sync that commits share.

use super::{VOLUME_DIR, Volume, VolumeSet, segment_path};
use crate::env::Durability;
use crate::error::{EngineError, Result};
use crate::format::record::{self, Owner};
use crate::format::value::{Extent, VolumeId};
use crate::format::{PAGE_LEN, page_align};
use crate::mutant::{self, Mutant};
use bytes::Bytes;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

/// Where a record's bodies went.
#[derive(Clone)]
pub struct Appended {
    /// One extent per owner, in order.
    pub extents: Vec<Extent>,
    /// The volume, held so that it is not reclaimed before the extents are committed or given up.
    pub volume: Arc<Volume>,
}

/// Shares `fdatasync` among those who wait: a sync serves everybody who asked before it began.
#[derive(Default)]
pub(super) struct SyncGate {
    asked: AtomicU64,
    served: tokio::sync::Mutex<u64>,
    failed: AtomicBool,
}

impl Volume {
    /// Makes everything durable that was appended before the call.
    ///
    /// The sync runs as a task of its own: an error is told once per open file, and a request that
    /// is dropped in the middle must not take it along.
    ///
    /// # Errors
    /// I/O errors, also of an earlier sync: its pages may be lost although a later sync succeeds,
    /// so the volume is given up.
    pub async fn sync(self: &Arc<Self>) -> Result<()> {
        let ticket = self.gate.asked.fetch_add(1, Ordering::AcqRel) + 1;
        let volume = self.clone();
        let synced = tokio::spawn(async move { volume.sync_shared(ticket).await });
        synced.await.unwrap_or_else(|error| Err(EngineError::Closed(error.to_string())))
    }

    async fn sync_shared(&self, ticket: u64) -> Result<()> {
        let mut served = self.gate.served.lock().await;
        if self.gate.failed.load(Ordering::Acquire) {
            return Err(EngineError::Closed(format!("{} failed to sync", self.path)));
        }
        if *served >= ticket || mutant::is(Mutant::SkipVolumeSync) {
            return Ok(());
        }
        let upto = self.gate.asked.load(Ordering::Acquire);
        let result = self.file.sync().await;
        if result.is_err() {
            self.gate.failed.store(true, Ordering::Release);
            self.sealed.store(true, Ordering::Release);
        }
        result.map_err(EngineError::io("sync", &self.path))?;
        *served = upto;
        Ok(())
    }

    /// Takes room for a record, or seals the volume when it would grow too long.
    fn reserve(&self, len: u64, len_max: u64) -> Option<u64> {
        let update = self.end.fetch_update(Ordering::AcqRel, Ordering::Acquire, |end| {
            let is_room = end == PAGE_LEN || end + len <= len_max;
            (is_room && !self.is_sealed()).then_some(end + len)
        });
        if update.is_err() {
            self.sealed.store(true, Ordering::Release);
        }
        update.ok()
    }
}

impl VolumeSet {
    /// Writes one record into the open volume, into the page cache only (V1).
    ///
    /// `owners` add up to `payload`, which is neither empty nor longer than
    /// [`record::PAYLOAD_LEN_MAX`].
    ///
    /// # Errors
    /// [`EngineError::OutOfSpace`]; I/O errors. What was written is garbage.
    pub async fn append(&self, owners: &[Owner], payload: Vec<Bytes>) -> Result<Appended> {
        let payload_len: usize = payload.iter().map(Bytes::len).sum();
        let data_start = record::data_start(owners);
        let record_len = page_align((data_start + record::sub_blocks_len(payload_len)) as u64);
        let (volume, offset) = self.place(record_len).await?;
        let data_offset = offset + data_start as u64;
        let extents = cut_extents(volume.id, data_offset, payload_len, owners, &payload);
        let buffers = record::encode(&volume.seal, offset, owners, payload);
        let written = volume.file.write(offset, buffers, Durability::Cached).await;
        if written.is_err() {
            volume.sealed.store(true, Ordering::Release);
        }
        written.map_err(EngineError::io("write", &volume.path))?;
        Ok(Appended { extents, volume })
    }

    async fn place(&self, record_len: u64) -> Result<(Arc<Volume>, u64)> {
        loop {
            let current = self.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let reserved = current.as_ref().and_then(|volume| {
                let offset = volume.reserve(record_len, self.config.volume_len_max)?;
                Some((volume.clone(), offset))
            });
            match reserved {
                Some(place) => return Ok(place),
                None => self.open_next(current).await?,
            }
        }
    }

    /// Opens a new volume in place of `full`, unless somebody else did.
    async fn open_next(&self, full: Option<Arc<Volume>>) -> Result<()> {
        let _turn = self.opening.lock().await;
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let is_replaced = match (&current, &full) {
            (Some(current), Some(full)) => current.id != full.id,
            (current, full) => current.is_some() != full.is_some(),
        };
        if is_replaced {
            return Ok(());
        }
        let volume = self.create_segment().await?;
        self.map_mut().insert(volume.id, volume.clone());
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(volume);
        Ok(())
    }

    async fn create_segment(&self) -> Result<Arc<Volume>> {
        let id = VolumeId(self.next_id.fetch_add(1, Ordering::Relaxed));
        let path = segment_path(id);
        let file = self.disk.create(&path).await.map_err(EngineError::io("create", &path))?;
        let seal = self.seal(id);
        let header = vec![seal.encode_segment()];
        if let Err(error) = file.write(0, header, Durability::Synced).await {
            // Nothing is in it; the next start removes it should this fail, too.
            let _ = self.disk.remove(&path).await;
            return Err(EngineError::io("write", &path)(error));
        }
        if !mutant::is(Mutant::SkipDirectorySync) {
            let sync = self.disk.sync_dir(VOLUME_DIR);
            sync.await.map_err(EngineError::io("sync", VOLUME_DIR))?;
        }
        Ok(Arc::new(Volume {
            id,
            seal,
            path,
            file,
            end: AtomicU64::new(PAGE_LEN),
            sealed: AtomicBool::new(false),
            gate: SyncGate::default(),
        }))
    }
}

/// One extent per owner, each with the hash of its bytes.
fn cut_extents(
    volume: VolumeId,
    offset: u64,
    record_len: usize,
    owners: &[Owner],
    payload: &[Bytes],
) -> Vec<Extent> {
    let mut pieces = payload.iter().cloned();
    let mut piece = Bytes::new();
    let mut start = 0;
    let mut extents = Vec::with_capacity(owners.len());
    for owner in owners {
        let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme);
        let mut missing = owner.len as usize;
        while missing > 0 {
            if piece.is_empty() {
                piece = pieces.next().expect("owners add up to the payload");
                continue;
            }
            let part = piece.split_to(missing.min(piece.len()));
            digest.update(&part);
            missing -= part.len();
        }
        let crc64 = digest.finalize();
        let record_len = record_len as u32;
        extents.push(Extent { volume, offset, record_len, start, len: owner.len, crc64 });
        start += owner.len;
    }
    extents
}
