//! A member of a volume: one segment on one disk, opened when it is needed.

use super::VOLUME_DIR;
use crate::disks::{DiskSet, Slot};
use crate::env::{DiskFile, Durability};
use crate::error::{EngineError, Result};
use crate::format::PAGE_LEN;
use crate::format::manifest::MemberEntry;
use crate::format::segment::Seal;
use crate::format::value::VolumeId;
use crate::mutant::{self, Mutant};
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

type Opened = (Arc<Slot>, Arc<dyn DiskFile>);

/// Handle of a segment's file, given up when too many are open.
#[derive(Default)]
struct Cell(Mutex<Option<Opened>>);

/// Which segments are open, oldest first.
pub(super) struct OpenFiles {
    open: Mutex<VecDeque<Weak<Cell>>>,
    count_max: usize,
}

impl OpenFiles {
    /// None is open yet.
    pub(super) fn new(count_max: usize) -> Self {
        Self { open: Mutex::default(), count_max }
    }

    fn add(&self, cell: &Arc<Cell>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.push_back(Arc::downgrade(cell));
        while open.len() > self.count_max {
            if let Some(cell) = open.pop_front().and_then(|cell| cell.upgrade()) {
                cell.0.lock().unwrap_or_else(PoisonError::into_inner).take();
            }
        }
    }
}

/// One member of a volume.
pub(super) struct Member {
    pub(super) entry: MemberEntry,
    pub(super) seal: Seal,
    /// How often it was doubted since it was last known to be whole; 0 when it is.
    doubts: AtomicU64,
    cell: Arc<Cell>,
    /// The disk that it was created on in this life.
    born_on: OnceLock<Weak<Slot>>,
}

/// Path of a segment: a member that was made anew has another.
pub(super) fn segment_path(volume: VolumeId, epoch: u32) -> String {
    format!("{VOLUME_DIR}/{:016x}-{epoch:08x}", volume.0)
}

/// Volume and epoch of a segment, from its name.
pub(super) fn parse_segment_name(name: &str) -> Option<(VolumeId, u32)> {
    let (volume, epoch) = name.split_once('-')?;
    let volume = u64::from_str_radix(volume, 16).ok()?;
    Some((VolumeId(volume), u32::from_str_radix(epoch, 16).ok()?))
}

impl Member {
    pub(super) fn new(entry: MemberEntry, seal: Seal) -> Self {
        let doubts = AtomicU64::new(entry.is_damaged.into());
        Self { entry, seal, doubts, cell: Arc::default(), born_on: OnceLock::new() }
    }

    pub(super) fn path(&self) -> String {
        segment_path(self.seal.volume, self.entry.epoch)
    }

    /// Whether records may be missing or damaged in it.
    pub(super) fn is_damaged(&self) -> bool {
        self.doubts() > 0
    }

    /// Counts it as damaged; returns whether it did not before.
    pub(super) fn doubt(&self) -> bool {
        self.doubts.fetch_add(1, Ordering::AcqRel) == 0
    }

    /// What [`Member::trust`] wants to know of the time before the proof began.
    pub(super) fn doubts(&self) -> u64 {
        self.doubts.load(Ordering::Acquire)
    }

    /// Every record was verified, unless somebody doubted it again in the meantime.
    pub(super) fn trust(&self, doubts: u64) {
        let _ = self.doubts.compare_exchange(doubts, 0, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Gives up the open file: the next use opens it by its name.
    pub(super) fn close(&self) {
        self.cell.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// The disk, when it is there and worth a read.
    pub(super) fn slot(&self, disks: &DiskSet) -> Option<Arc<Slot>> {
        disks.slot(self.entry.disk).filter(|slot| slot.is_readable())
    }

    /// Creates the segment, empty and durable.
    pub(super) async fn create(&self, slot: &Arc<Slot>) -> io::Result<()> {
        if self.seal.disk_id != slot.disk_id {
            return Err(io::Error::other("the roster does not know the disk any more"));
        }
        let path = self.path();
        let file = match slot.disk.create(&path).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                slot.check_presence().await?;
                slot.disk.create_dir(VOLUME_DIR).await?;
                slot.disk.sync_dir("").await?;
                slot.disk.create(&path).await?
            }
            result => result?,
        };
        if let Err(error) = file.write(0, vec![self.seal.encode()], Durability::Synced).await {
            // Nothing is in it; the next start removes it should this fail, too.
            let _ = slot.disk.remove(&path).await;
            return Err(error);
        }
        if !mutant::is(Mutant::SkipDirectorySync) {
            slot.disk.sync_dir(VOLUME_DIR).await?;
        }
        self.keep((slot.clone(), file));
        let _ = self.born_on.set(Arc::downgrade(slot));
        Ok(())
    }

    /// Whether it was there before its disk was: then it may have missed changes.
    pub(super) fn is_older_than(&self, slot: &Slot) -> bool {
        let born_on = self.born_on.get();
        born_on.is_none_or(|born| !std::ptr::eq(born.as_ptr(), std::ptr::from_ref(slot)))
    }

    fn keep(&self, opened: Opened) {
        *self.cell.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(opened);
    }

    /// The open file, whose header was checked when it was opened.
    pub(super) async fn file(&self, disks: &DiskSet, open_files: &OpenFiles) -> Result<Opened> {
        let path = self.path();
        let slot = self.slot(disks).ok_or_else(|| {
            let error = io::Error::other(format!("disk {} is not there", self.entry.disk.0));
            EngineError::io("open", &path)(error)
        })?;
        {
            let cell = self.cell.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((known, file)) = &*cell
                && Arc::ptr_eq(known, &slot)
            {
                return Ok((slot, file.clone()));
            }
        }
        let file = self.open(&slot, &path).await?;
        self.keep((slot.clone(), file.clone()));
        open_files.add(&self.cell);
        Ok((slot, file))
    }

    async fn open(&self, slot: &Slot, path: &str) -> Result<Arc<dyn DiskFile>> {
        let file = slot.disk.open(path).await.map_err(EngineError::io("open", path))?;
        let read = file.read(0, PAGE_LEN as usize);
        let header = read.await.map_err(EngineError::io("read", path))?;
        match Seal::decode(&header) {
            Ok(found) if found == self.seal => Ok(file),
            Ok(_) | Err(_) => {
                slot.count_rot();
                Err(EngineError::corrupt("segment header", path, 0))
            }
        }
    }
}
