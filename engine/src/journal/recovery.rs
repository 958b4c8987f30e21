//! Reading the journal of an earlier life: which batches follow the checkpoint, and where they end.
//!
//! Every page of every file of the generation is looked at. The intact batches that follow the
//! checkpoint without a gap are the tail to replay. After a gap there must be no intact batch of a
//! later number: by B2 it would prove that the missing one was durable, so it is rot (or a lost
//! write), and the journal is refused instead of being cut. The same where the next batch would lie
//! in a page that no disk can read: a tail that was torn can be read.

use super::ring::FILE_COUNT_MIN;
use super::{BatchPlace, JOURNAL_DIR, file_path, parse_file_name};
use crate::env::{Disk, DiskFile};
use crate::error::{EngineError, Result};
use crate::format::PAGE_LEN;
use crate::format::batch::{self, Batch};
use crate::mark::{self, Mark};
use crate::mutant::{self, Mutant};
use bytes::{Bytes, BytesMut};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

/// Times that everything is read before a start gives up: a read can fail, or go elsewhere, once.
const TRIES_MAX: usize = 5;

/// Times that a page is read before it counts as one that cannot be.
const PAGE_TRIES: usize = 5;

/// Where an intact batch lies: on which of the disks, in the journal, and how long.
#[derive(Clone, Copy)]
struct Found {
    disk: usize,
    place: BatchPlace,
    len: u64,
}

/// The tail of a journal, to be replayed batch by batch.
pub struct Recovery {
    disks: Vec<Arc<dyn Disk>>,
    generation: u64,
    tail: BTreeMap<u64, Vec<Found>>,
    /// The newest batch of each disk: it may be on that one only, which may not read it twice.
    newest: Vec<Option<(u64, Bytes)>>,
    next: u64,
    #[cfg_attr(
        not(mutants),
        expect(dead_code, reason = "only a deliberate bug goes on in old files")
    )]
    files: BTreeMap<u32, u64>,
}

impl Recovery {
    /// Finds the batches of `generation` that follow batch `checkpoint` on any of the disks.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] when a batch is missing before a later, intact one, or files of the
    /// generation are missing (generation 0 has none: the disk is new); I/O errors.
    pub async fn open(disks: Vec<Arc<dyn Disk>>, generation: u64, checkpoint: u64) -> Result<Self> {
        let mut tries_left = TRIES_MAX;
        loop {
            tries_left -= 1;
            match Self::scan(disks.clone(), generation, checkpoint).await {
                // A read that went wrong once may not do so again.
                Err(error) if tries_left > 0 => {
                    tracing::warn!(%error, "the journal is read again");
                }
                scanned => return scanned,
            }
        }
    }

    async fn scan(disks: Vec<Arc<dyn Disk>>, generation: u64, checkpoint: u64) -> Result<Self> {
        let mut found: BTreeMap<u64, Vec<Found>> = BTreeMap::new();
        let mut files = BTreeMap::new();
        let mut failure = None;
        let mut is_whole = generation == 0;
        let mut newest = vec![None; disks.len()];
        let mut hidden: Option<BTreeSet<(u32, u64)>> = None;
        for (index, disk) in disks.iter().enumerate() {
            match scan_disk(&**disk, generation, &mut files).await {
                Ok(scanned) => {
                    is_whole |= scanned.file_count >= FILE_COUNT_MIN;
                    newest[index] = scanned.newest;
                    hidden = Some(match hidden {
                        Some(hidden) => &hidden & &scanned.hidden,
                        None => scanned.hidden,
                    });
                    for (sequence, (place, len)) in scanned.batches {
                        let copies = found.entry(sequence).or_default();
                        copies.push(Found { disk: index, place, len });
                    }
                }
                Err(error) => failure = Some(error),
            }
        }
        if !is_whole {
            let missing = EngineError::corrupt("journal: files are missing", JOURNAL_DIR, 0);
            return Err(failure.unwrap_or(missing));
        }
        check_next(&found, files.keys().copied(), &hidden.unwrap_or_default())?;
        found.retain(|sequence, _| *sequence > checkpoint);
        let mut end = checkpoint + 1;
        while found.contains_key(&end) {
            end += 1;
        }
        if mutant::is(Mutant::CutAtBadBatch) {
            found.retain(|sequence, _| *sequence < end);
        }
        if let Some(found) = found.range(end..).map(|(_, copies)| copies[0]).next() {
            let Found { place, .. } = found;
            return Err(EngineError::corrupt("journal", &file_path(&place), place.offset));
        }
        let next = checkpoint + 1;
        Ok(Self { disks, generation, tail: found, newest, next, files })
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
    /// [`EngineError::Corrupt`] when no copy of the batch still is what it was; I/O errors.
    pub async fn next_batch(&mut self) -> Result<Option<Batch>> {
        let Some(copies) = self.tail.get(&self.next) else {
            return Ok(None);
        };
        let mut last = EngineError::corrupt("journal", JOURNAL_DIR, 0);
        for found in std::iter::repeat_n(copies, TRIES_MAX).flatten() {
            match self.read(found).await {
                Ok(batch) => {
                    assert_eq!(batch.sequence, self.next, "the place was scanned");
                    self.next += 1;
                    return Ok(Some(batch));
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn read(&self, found: &Found) -> Result<Batch> {
        let path = file_path(&found.place);
        if let Some((sequence, bytes)) = &self.newest[found.disk]
            && *sequence == self.next
            && let Ok(batch) = batch::decode(found.place, bytes)
        {
            return Ok(batch);
        }
        let open = self.disks[found.disk].open(&path);
        let file = open.await.map_err(EngineError::io("open", &path))?;
        let read = file.read(found.place.offset, found.len as usize);
        let bytes = read.await.map_err(EngineError::io("read", &path))?;
        batch::decode(found.place, &bytes)
            .map_err(|_| EngineError::corrupt("journal", &path, found.place.offset))
    }
}

/// Checks that no page hides the batch behind the newest one: in its file, or at the beginning of
/// another.
///
/// # Errors
/// The I/O error of that page.
fn check_next(
    found: &BTreeMap<u64, Vec<Found>>,
    files: impl Iterator<Item = u32>,
    hidden: &BTreeSet<(u32, u64)>,
) -> Result<()> {
    let newest = found.last_key_value().map(|(_, copies)| copies[0]);
    let behind = newest.map(|newest| (newest.place.file, newest.place.offset + newest.len));
    let places = files.map(|file| (file, 0)).chain(behind);
    match places.into_iter().find(|place| hidden.contains(place)) {
        Some((file, offset)) => {
            mark::hit(Mark::HiddenTail);
            let what = format!("journal file {file} at byte {offset}");
            let reason = "no disk can read it, and the newest batch may be there";
            Err(EngineError::io("read", &what)(io::Error::other(reason)))
        }
        None => Ok(()),
    }
}

/// What one disk has of a generation.
struct Scanned {
    batches: BTreeMap<u64, (BatchPlace, u64)>,
    newest: Option<(u64, Bytes)>,
    file_count: usize,
    /// Places, by file and offset, where a batch may begin that cannot be read.
    hidden: BTreeSet<(u32, u64)>,
}

/// Finds the batches of one disk. Also notes the newest batch of each file.
async fn scan_disk(
    disk: &dyn Disk,
    generation: u64,
    files: &mut BTreeMap<u32, u64>,
) -> Result<Scanned> {
    let names = disk.list(JOURNAL_DIR).await.map_err(EngineError::io("list", JOURNAL_DIR))?;
    let mut scanned =
        Scanned { batches: BTreeMap::new(), newest: None, file_count: 0, hidden: BTreeSet::new() };
    for (owner, file) in names.iter().filter_map(|name| parse_file_name(name)) {
        if owner == generation {
            let place = BatchPlace { generation, file, offset: 0 };
            let last = scan_file(disk, place, &mut scanned).await?;
            let newest = files.entry(file).or_default();
            *newest = last.max(*newest);
            scanned.file_count += 1;
        }
    }
    // A slice would keep the whole file in memory.
    scanned.newest =
        scanned.newest.map(|(sequence, bytes)| (sequence, Bytes::copy_from_slice(&bytes)));
    Ok(scanned)
}

/// Records every intact batch of a file and returns the newest one's number, 0 without any.
async fn scan_file(disk: &dyn Disk, mut place: BatchPlace, scanned: &mut Scanned) -> Result<u64> {
    let path = file_path(&place);
    let file = disk.open(&path).await.map_err(EngineError::io("open", &path))?;
    let len = file.len().await.map_err(EngineError::io("stat", &path))?;
    let (bytes, unreadable) = match file.read(0, len as usize).await {
        Ok(bytes) => (bytes, BTreeSet::new()),
        // A sector that cannot be read takes only the batch that it is in: another copy has that.
        Err(_) => read_around(&*file, len).await,
    };
    let mut last = 0;
    while place.offset + (batch::BATCH_HEADER_LEN as u64) <= bytes.len() as u64 {
        let rest = bytes.slice(place.offset as usize..);
        let intact = batch::peek_len(&rest, place.generation)
            .and_then(|len| Some((len, batch::decode(place, &rest).ok()?)));
        match intact {
            Some((len, batch)) => {
                scanned.batches.insert(batch.sequence, (place, len));
                last = last.max(batch.sequence);
                if scanned.newest.as_ref().is_none_or(|(newest, _)| *newest < batch.sequence) {
                    scanned.newest = Some((batch.sequence, rest.slice(..len as usize)));
                }
                place.offset += len;
            }
            None => {
                let framed_len = batch::peek_len(&rest, place.generation);
                if framed_len.is_some() {
                    mark::hit(Mark::TornBatch);
                }
                let len = framed_len.unwrap_or(PAGE_LEN);
                if unreadable.range(place.offset..place.offset + len).next().is_some() {
                    scanned.hidden.insert((place.file, place.offset));
                }
                place.offset += PAGE_LEN;
            }
        }
    }
    Ok(last)
}

/// Reads a file page by page, zeros where it fails; also returns the offsets of those pages.
async fn read_around(file: &dyn DiskFile, len: u64) -> (Bytes, BTreeSet<u64>) {
    let mut bytes = BytesMut::zeroed(len as usize);
    let mut unreadable = BTreeSet::new();
    for offset in (0..len).step_by(PAGE_LEN as usize) {
        match read_page(file, offset).await {
            Ok(page) => {
                let start = offset as usize;
                let end = (start + page.len()).min(bytes.len());
                bytes[start..end].copy_from_slice(&page[..end - start]);
            }
            Err(_) => _ = unreadable.insert(offset),
        }
    }
    (bytes.freeze(), unreadable)
}

async fn read_page(file: &dyn DiskFile, offset: u64) -> io::Result<Bytes> {
    let mut tries_left = PAGE_TRIES;
    loop {
        tries_left -= 1;
        match file.read(offset, PAGE_LEN as usize).await {
            Err(_) if tries_left > 0 => {}
            read => return read,
        }
    }
}
