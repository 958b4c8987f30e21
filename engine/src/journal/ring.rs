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
use tokio::sync::watch;

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

pub(super) struct Ring {
    disk: Arc<dyn Disk>,
    config: JournalConfig,
    generation: u64,
    files: Vec<RingFile>,
    current: usize,
    offset: u64,
}

impl Ring {
    pub(super) async fn create(
        disk: Arc<dyn Disk>,
        config: JournalConfig,
        generation: u64,
    ) -> Result<Self> {
        let mut ring = Self { disk, config, generation, files: Vec::new(), current: 0, offset: 0 };
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
        let mut ring = Self { disk, config, generation, files: Vec::new(), current: 0, offset: 0 };
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
    pub(super) async fn reserve(
        &mut self,
        len: u64,
        released: &mut watch::Receiver<u64>,
    ) -> Result<BatchPlace> {
        assert!(len <= self.config.file_len, "a batch fits into a file");
        let is_short = self.offset + len > self.config.file_len;
        if is_short || !self.files[self.current].file.is_complete() {
            self.advance(released).await?;
        }
        let file = self.files[self.current].number;
        Ok(BatchPlace { generation: self.generation, file, offset: self.offset })
    }

    /// Goes on in a file that every leg has, and sees that there is another such file.
    pub(super) async fn rotate(&mut self, released: &mut watch::Receiver<u64>) -> Result<()> {
        if !self.files[self.current].file.is_complete() {
            self.advance(released).await?;
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

    async fn advance(&mut self, released: &mut watch::Receiver<u64>) -> Result<()> {
        loop {
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
            if self.complete_count() < self.config.file_count_max {
                match self.add_file().await {
                    Ok(()) => {
                        mark::hit(Mark::RingGrew);
                        self.current = self.files.len() - 1;
                        break;
                    }
                    // Nothing was in flight, and a ring of fewer files works, too: wait for a
                    // checkpoint to free one.
                    Err(error) if self.can_be_freed() => {
                        tracing::warn!(%error, "the journal's ring cannot grow");
                    }
                    Err(error) => return Err(error),
                }
            }
            let is_closed = released.changed().await.is_err();
            if is_closed {
                return Err(EngineError::Closed("journal ended while full".into()));
            }
        }
        self.offset = 0;
        Ok(())
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
