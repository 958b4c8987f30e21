//! The ring of files that the journal writes: which file comes next, and when it may be used again.
//!
//! A file is created filled with zeros and synced, its directory entry too, before the first batch
//! goes there: writing over allocated, written blocks costs `fdatasync` about half of what
//! appending does.

use super::{BatchPlace, JOURNAL_DIR, JournalConfig, file_path};
use crate::env::{Disk, DiskFile, Durability};
use crate::error::{EngineError, Result};
use crate::mark::{self, Mark};
use crate::mutant::{self, Mutant};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// Files that a generation has from its beginning on: a start that finds fewer on every disk
/// refuses.
pub(super) const FILE_COUNT_MIN: usize = 2;

/// Bytes of zeros that one write takes when a file is filled.
const FILL_LEN: usize = 1 << 20;

struct RingFile {
    number: u32,
    file: Arc<dyn DiskFile>,
    /// Newest batch in the file; 0 when it holds none of this generation.
    last_sequence: u64,
}

/// Pause before a ring that waits for a checkpoint tries to grow again.
const GROW_PAUSE: Duration = Duration::from_secs(1);

/// How long appends wait for room or a checkpoint once a disk is full; then they are refused at
/// once, until there is room for another file.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a look at the room holds, once appends are refused.
const LOOK_LIFE: Duration = Duration::from_millis(500);

/// Since when there is no room, how many bytes were free then, and when somebody last looked.
struct Full {
    since: Instant,
    free: u64,
    looked: Instant,
}

fn is_no_room(error: &EngineError) -> bool {
    matches!(error, EngineError::OutOfSpace)
}

/// Whether the ring waits for a checkpoint, however few of its files are in use.
#[derive(Default)]
pub(super) struct Stuck {
    is_set: AtomicBool,
    rung: Notify,
    /// Whether the last checkpoint found no room.
    pub(super) is_full: AtomicBool,
}

impl Stuck {
    fn set(&self) {
        self.is_set.store(true, Ordering::Release);
        self.rung.notify_one();
    }

    fn clear(&self) {
        self.is_set.store(false, Ordering::Release);
    }

    pub(super) fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Acquire)
    }

    /// Waits until the ring begins to wait.
    pub(super) async fn wait(&self) {
        self.rung.notified().await;
    }
}

pub(super) struct Ring {
    pub(super) stuck: Arc<Stuck>,
    full: Option<Full>,
    disk: Arc<dyn Disk>,
    config: JournalConfig,
    generation: u64,
    files: Vec<RingFile>,
    current: usize,
    offset: u64,
}

impl Ring {
    fn empty(disk: Arc<dyn Disk>, config: JournalConfig, generation: u64) -> Self {
        let (files, stuck) = (Vec::new(), Arc::default());
        let (current, offset, full) = (0, 0, None);
        Self { stuck, full, disk, config, generation, files, current, offset }
    }

    pub(super) async fn create(
        disk: Arc<dyn Disk>,
        config: JournalConfig,
        generation: u64,
    ) -> Result<Self> {
        let mut ring = Self::empty(disk, config, generation);
        ring.add_file().await?;
        ring.add_file().await?;
        Ok(ring)
    }

    #[cfg(mutants)]
    pub(super) async fn resume(
        disk: Arc<dyn Disk>,
        config: JournalConfig,
        recovery: &super::Recovery,
    ) -> Result<Self> {
        let generation = recovery.generation();
        let mut ring = Self::empty(disk, config, generation);
        for (number, last_sequence) in recovery.files() {
            let path = file_path(&BatchPlace { generation, file: number, offset: 0 });
            let file = ring.disk.open(&path).await.map_err(EngineError::io("open", &path))?;
            ring.files.push(RingFile { number, file, last_sequence });
        }
        ring.add_file().await?;
        ring.current = ring.files.len() - 1;
        Ok(ring)
    }

    /// Adds one more file, filled with zeros and durable; removes it again when that fails.
    async fn add_file(&mut self) -> Result<()> {
        let number = self.files.iter().map(|file| file.number + 1).max().unwrap_or(0);
        let path = file_path(&BatchPlace { generation: self.generation, file: number, offset: 0 });
        match self.create_file(&path).await {
            Ok(file) => {
                self.files.push(RingFile { number, file, last_sequence: 0 });
                Ok(())
            }
            Err(error) => {
                // Nothing is in it; the next start removes it should this fail, too.
                let _ = self.disk.remove(&path).await;
                Err(error)
            }
        }
    }

    async fn create_file(&self, path: &str) -> Result<Arc<dyn DiskFile>> {
        let file = self.disk.create(path).await.map_err(EngineError::io("create", path))?;
        let zeros = Bytes::from(vec![0; FILL_LEN.min(self.config.file_len as usize)]);
        let mut offset = 0;
        while offset < self.config.file_len {
            let len = (self.config.file_len - offset).min(zeros.len() as u64);
            let piece = zeros.slice(..len as usize);
            let write = file.write(offset, vec![piece], Durability::Cached);
            write.await.map_err(EngineError::io("fill", path))?;
            offset += len;
        }
        file.sync().await.map_err(EngineError::io("sync", path))?;
        if !mutant::is(Mutant::SkipDirectorySync) {
            let sync = self.disk.sync_dir(JOURNAL_DIR);
            sync.await.map_err(EngineError::io("sync", JOURNAL_DIR))?;
        }
        Ok(file)
    }

    /// Finds room for a batch of `len` bytes; waits for a checkpoint when the ring is full.
    ///
    /// # Errors
    /// [`EngineError::OutOfSpace`] when neither comes within [`PATIENCE`], and what an unsafe write
    /// is refused with when so many disks fail meanwhile that neither can come: nothing happened.
    pub(super) async fn reserve(
        &mut self,
        len: u64,
        released: &mut watch::Receiver<u64>,
    ) -> Result<BatchPlace> {
        assert!(len <= self.config.file_len, "a batch fits into a file");
        let is_short = self.offset + len > self.config.file_len;
        if is_short || !self.files[self.current].file.is_complete() {
            self.advance(len, released).await?;
        }
        let file = self.files[self.current].number;
        Ok(BatchPlace { generation: self.generation, file, offset: self.offset })
    }

    /// Goes on in a file that every leg has, and sees that there is another such file.
    pub(super) async fn rotate(&mut self, released: &mut watch::Receiver<u64>) -> Result<()> {
        if !self.files[self.current].file.is_complete() {
            self.advance(0, released).await?;
        }
        if self.complete_count() < FILE_COUNT_MIN {
            self.add_file().await?;
        }
        let upto = *released.borrow();
        self.remove_incomplete(upto).await;
        Ok(())
    }

    /// Files that every leg has.
    fn complete_count(&self) -> usize {
        self.files.iter().filter(|file| file.file.is_complete()).count()
    }

    /// Whether a checkpoint can free a file that every leg has.
    fn can_be_freed(&self) -> bool {
        let mut others = self.files.iter().enumerate().filter(|(index, _)| *index != self.current);
        others.any(|(_, file)| file.file.is_complete())
    }

    /// Removes files that some leg does not have and nobody needs any more, once there are enough
    /// others.
    async fn remove_incomplete(&mut self, upto: u64) {
        if self.complete_count() < FILE_COUNT_MIN {
            return;
        }
        let current = self.files[self.current].number;
        let is_free = |file: &RingFile| file.last_sequence <= upto && !file.file.is_complete();
        let free: Vec<u32> =
            self.files.iter().filter(|it| is_free(it)).map(|it| it.number).collect();
        for number in free.into_iter().filter(|number| *number != current) {
            let generation = self.generation;
            let path = file_path(&BatchPlace { generation, file: number, offset: 0 });
            // What stays is garbage until the next start.
            let _ = self.disk.remove(&path).await;
            self.files.retain(|file| file.number != number);
        }
        let position = self.files.iter().position(|file| file.number == current);
        self.current = position.expect("the current file stays");
    }

    /// Goes on in a file that every leg has, with room for `len` bytes.
    async fn advance(&mut self, len: u64, released: &mut watch::Receiver<u64>) -> Result<()> {
        loop {
            // A disk that was being filled and lacked the file may have been given up meanwhile.
            let is_long = self.offset + len <= self.config.file_len;
            if is_long && self.files[self.current].file.is_complete() {
                self.go_on();
                return Ok(());
            }
            let upto = *released.borrow_and_update();
            self.remove_incomplete(upto).await;
            let is_free = |file: &RingFile| file.last_sequence <= upto && file.file.is_complete();
            let next = (1..self.files.len())
                .map(|step| (self.current + step) % self.files.len())
                .find(|index| is_free(&self.files[*index]));
            if let Some(index) = next {
                self.current = index;
                break;
            }
            let mut is_full = self.stuck.is_full.load(Ordering::Acquire);
            if self.complete_count() < self.config.file_count_max {
                match self.add_file().await {
                    Ok(()) => {
                        mark::hit(Mark::RingGrew);
                        self.current = self.files.len() - 1;
                        break;
                    }
                    // Nothing was in flight, and a ring of fewer files works, too: wait for a
                    // checkpoint to free one, or for room.
                    Err(error) if self.can_be_freed() || is_no_room(&error) => {
                        mark::hit(Mark::RingStuck);
                        tracing::warn!(%error, "the journal's ring cannot grow");
                        is_full |= is_no_room(&error);
                    }
                    Err(error) => return Err(error),
                }
            }
            // Also while appends are refused: a checkpoint may need less room than a file.
            if !mutant::is(Mutant::WaitInSilence) {
                self.stuck.set();
            }
            if is_full && self.is_patience_over().await {
                return Err(EngineError::OutOfSpace);
            }
            // No checkpoint comes where no write is safe, and whoever waits would for ever.
            if !self.is_safe() {
                return Err(super::unsafe_write());
            }
            // There may be room again before the checkpoint, or without one.
            let waited = tokio::time::timeout(GROW_PAUSE, released.changed()).await;
            if waited.is_ok_and(|changed| changed.is_err()) {
                return Err(EngineError::Closed("journal ended while full".into()));
            }
        }
        self.go_on();
        self.offset = 0;
        Ok(())
    }

    fn go_on(&mut self) {
        self.stuck.clear();
        self.full = None;
    }

    /// Whether appends have waited long enough.
    async fn is_patience_over(&mut self) -> bool {
        let is_known = |full: &Full| full.looked.elapsed() < LOOK_LIFE;
        if !self.full.as_ref().is_some_and(is_known) {
            self.look_for_room().await;
        }
        let is_over = self.full.as_ref().is_some_and(|full| full.since.elapsed() >= PATIENCE);
        if is_over && mutant::is(Mutant::RefuseInSilence) {
            self.stuck.clear();
        }
        is_over
    }

    /// Room for another file that came meanwhile is worth another wait: the checkpoint that failed
    /// without it is tried again every second. Each such wait wants more room than the one before
    /// it, so that what checkpoints take and give back keeps nobody waiting for ever.
    async fn look_for_room(&mut self) {
        let free = self.disk.space().await.map_or(0, |space| space.free);
        let looked = Instant::now();
        let full = self.full.get_or_insert(Full { since: looked, free, looked });
        full.looked = looked;
        let is_roomy = free >= full.free.saturating_add(self.config.file_len);
        if is_roomy && !mutant::is(Mutant::MissRoom) {
            mark::hit(Mark::RoomReturned);
            (full.since, full.free) = (looked, free);
        }
    }

    /// Writes a batch at the place that was just reserved.
    pub(super) async fn write(
        &mut self,
        place: BatchPlace,
        sequence: u64,
        buffers: Vec<Bytes>,
        durability: Durability,
    ) -> Result<()> {
        let len: usize = buffers.iter().map(Bytes::len).sum();
        let target = &mut self.files[self.current];
        assert_eq!((place.file, place.offset), (target.number, self.offset), "reserved just now");
        target.last_sequence = sequence;
        let write = target.file.write(place.offset, buffers, durability);
        write.await.map_err(EngineError::io("write", &file_path(&place)))?;
        self.offset += len as u64;
        Ok(())
    }

    /// Paths of the files that every leg has.
    pub(super) fn complete_paths(&self) -> Vec<String> {
        let complete = self.files.iter().filter(|file| file.file.is_complete());
        let place = |file: &RingFile| BatchPlace {
            generation: self.generation,
            file: file.number,
            offset: 0,
        };
        complete.map(|file| file_path(&place(file))).collect()
    }

    /// Whether what is written is on as many copies as an acknowledgement needs.
    pub(super) fn is_safe(&self) -> bool {
        self.disk.is_safe()
    }

    /// Files that hold batches which no checkpoint contains.
    pub(super) fn files_used(&self, released: u64) -> usize {
        self.files.iter().filter(|file| file.last_sequence > released).count()
    }
}
