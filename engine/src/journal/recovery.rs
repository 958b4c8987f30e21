//! Reading the journal of an earlier life: which batches follow the checkpoint, and where they end.
//!
//! Every page of every file of the generation is looked at. The intact batches that follow the
//! checkpoint without a gap are the tail to replay. After a gap there must be no intact batch of a
//! later number: by B2 it would prove that the missing one was durable, so it is rot (or a lost
//! write), and the journal is refused instead of being cut.

use super::{BatchPlace, JOURNAL_DIR, file_path, parse_file_name};
use crate::env::Disk;
use crate::error::{EngineError, Result};
use crate::format::PAGE_LEN;
use crate::format::batch::{self, Batch};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Files that a generation has from its beginning on; see `Ring::create`.
const FILE_COUNT_MIN: usize = 2;

/// The tail of a journal, to be replayed batch by batch.
pub struct Recovery {
    disk: Arc<dyn Disk>,
    generation: u64,
    tail: BTreeMap<u64, (BatchPlace, u64)>,
    next: u64,
    #[cfg_attr(
        not(mutants),
        expect(dead_code, reason = "only a deliberate bug goes on in old files")
    )]
    files: BTreeMap<u32, u64>,
}

impl Recovery {
    /// Finds the batches of `generation` that follow batch `checkpoint`.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] when a batch is missing before a later, intact one, or files of the
    /// generation are missing (generation 0 has none: the disk is new); I/O errors.
    pub async fn open(disk: Arc<dyn Disk>, generation: u64, checkpoint: u64) -> Result<Self> {
        let names = disk.list(JOURNAL_DIR).await.map_err(EngineError::io("list", JOURNAL_DIR))?;
        let mut found = BTreeMap::new();
        let mut files = BTreeMap::new();
        for (owner, file) in names.iter().filter_map(|name| parse_file_name(name)) {
            if owner == generation {
                let place = BatchPlace { generation, file, offset: 0 };
                let last = scan_file(&*disk, place, &mut found).await?;
                files.insert(file, last);
            }
        }
        if generation != 0 && files.len() < FILE_COUNT_MIN {
            return Err(EngineError::corrupt("journal: files are missing", JOURNAL_DIR, 0));
        }
        found.retain(|sequence, _| *sequence > checkpoint);
        let mut end = checkpoint + 1;
        while found.contains_key(&end) {
            end += 1;
        }
        if let Some((place, _)) = found.range(end..).map(|(_, entry)| entry).next() {
            return Err(EngineError::corrupt("journal", &file_path(place), place.offset));
        }
        Ok(Self { disk, generation, tail: found, next: checkpoint + 1, files })
    }

    /// The number that the next batch of this generation would have.
    pub fn next_sequence(&self) -> u64 {
        self.tail.last_key_value().map_or(self.next, |(sequence, _)| sequence + 1)
    }

    /// Life of the journal that is recovered.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Files of the generation with the newest batch of each.
    #[cfg(mutants)]
    pub(super) fn files(&self) -> impl Iterator<Item = (u32, u64)> {
        self.files.iter().map(|(number, last)| (*number, *last))
    }

    /// The next batch of the tail, `None` at its end.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] when the batch no longer is what it was; I/O errors.
    pub async fn next_batch(&mut self) -> Result<Option<Batch>> {
        let Some((place, len)) = self.tail.get(&self.next).copied() else {
            return Ok(None);
        };
        let path = file_path(&place);
        let file = self.disk.open(&path).await.map_err(EngineError::io("open", &path))?;
        let read = file.read(place.offset, len as usize);
        let bytes = read.await.map_err(EngineError::io("read", &path))?;
        let batch = batch::decode(place, &bytes)
            .map_err(|_| EngineError::corrupt("journal", &path, place.offset))?;
        assert_eq!(batch.sequence, self.next, "the place was scanned");
        self.next += 1;
        Ok(Some(batch))
    }
}

/// Records every intact batch of a file and returns the newest one's number, 0 without any.
async fn scan_file(
    disk: &dyn Disk,
    mut place: BatchPlace,
    found: &mut BTreeMap<u64, (BatchPlace, u64)>,
) -> Result<u64> {
    let path = file_path(&place);
    let file = disk.open(&path).await.map_err(EngineError::io("open", &path))?;
    let len = file.len().await.map_err(EngineError::io("stat", &path))?;
    let read = file.read(0, len as usize);
    let bytes = read.await.map_err(EngineError::io("read", &path))?;
    let mut last = 0;
    while place.offset + (batch::BATCH_HEADER_LEN as u64) <= bytes.len() as u64 {
        let rest = bytes.slice(place.offset as usize..);
        let intact = batch::peek_len(&rest, place.generation)
            .and_then(|len| Some((len, batch::decode(place, &rest).ok()?)));
        match intact {
            Some((len, batch)) => {
                found.insert(batch.sequence, (place, len));
                last = last.max(batch.sequence);
                place.offset += len;
            }
            None => place.offset += PAGE_LEN,
        }
    }
    Ok(last)
}
