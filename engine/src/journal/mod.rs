//! Journal: the node's one write-ahead log. Everything that a node promises passes through here, so
//! that all of it shares every `fdatasync`.
//!
//! ```text
//! append --> queue --> writer: take what waits -> one batch -> one write + fdatasync -> wake all
//!                              ring of zero-filled files, recycled once a checkpoint contains them
//! ```
//!
//! - J1: [`Journal::append`] returns `Ok` only after the batch that holds the records is durable.
//! - J2: batches are written one after the other: batch `n + 1` begins after batch `n` is durable.
//! - J3: a file is used again only after a durable checkpoint contains all of it
//!   ([`Journal::release`]).
//! - J4: after a failed write or sync nothing is appended any more: what was in flight is unknown
//!   to its writers.
//! - J5: a start reads the old generation, makes what it found durable elsewhere, and begins a new
//!   generation in new files; the old ones go when the manifest names the new generation. So nobody
//!   is ever served what a power cut could still take, and a sync that failed before the restart
//!   cannot hide (see `faults-and-checks`, D9).
//! - J6: with fewer copies than an acknowledgement needs nothing is written; a batch that had fewer
//!   when it was written counts as failed (J4).
//! - J7: a full disk is no failure: appends wait a while for room, then are refused, and go on
//!   when there is room again.

mod recovery;
mod ring;

pub use recovery::Recovery;

use crate::env::Disk;
use crate::error::{EngineError, Result};
use crate::format::batch::{self, BatchPlace, JournalRecord};
use crate::mutant::{self, Mutant};
use ring::{Ring, Stuck};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::{mpsc, oneshot, watch};

/// Directory of the journal on its disk.
pub const JOURNAL_DIR: &str = "journal";

/// Appends that wait for the writer at most; more wait in their callers.
const QUEUE_LEN_MAX: usize = 1024;

/// Bytes of records that one batch gathers at most.
const GATHER_LEN_MAX: usize = 4 << 20;

/// Sizes of the journal.
#[derive(Clone, Copy, Debug)]
pub struct JournalConfig {
    /// Bytes of one file of the ring, a multiple of the page. Default 16 MiB.
    pub file_len: u64,
    /// Files of the ring at most, at least 2. Default 8.
    pub file_count_max: usize,
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self { file_len: 16 << 20, file_count_max: 8 }
    }
}

impl JournalConfig {
    /// Bytes of records that fit into one batch.
    pub fn batch_payload_max(&self) -> usize {
        let in_file = self.file_len as usize - batch::BATCH_HEADER_LEN;
        in_file.min(batch::PAYLOAD_LEN_MAX)
    }
}

/// What the writer is asked for.
enum Request {
    Append(Append),
    /// Go on in files that every leg has; answers with the newest batch in others.
    Rotate(oneshot::Sender<Result<u64>>),
    Paths(oneshot::Sender<Vec<String>>),
}

struct Append {
    records: Vec<JournalRecord>,
    done: oneshot::Sender<Result<u64>>,
}

impl Append {
    fn encoded_len(&self) -> usize {
        self.records.iter().map(JournalRecord::encoded_len).sum()
    }
}

/// Counters of the journal, for metrics.
#[derive(Debug, Default)]
pub struct JournalStats {
    /// Batches written; one `fdatasync` each.
    pub batches: AtomicU64,
    /// Records written.
    pub records: AtomicU64,
    /// Bytes written, padding included.
    pub written_len: AtomicU64,
    /// Files of the ring that hold batches which no checkpoint contains.
    pub files_used: AtomicU64,
    /// The newest batch that is durable.
    pub last_sequence: AtomicU64,
    /// Whether a write failed (J4).
    pub is_failed: AtomicBool,
}

/// Handle of the journal; the writer runs as a task of its own and ends with the last handle.
#[derive(Clone)]
pub struct Journal {
    queue: mpsc::Sender<Request>,
    released: watch::Sender<u64>,
    stats: Arc<JournalStats>,
    stuck: Arc<Stuck>,
    config: JournalConfig,
}

impl Journal {
    /// Begins a generation in new files. Batches are numbered from `first_sequence`.
    ///
    /// # Errors
    /// When the first files cannot be created or made durable.
    pub async fn begin(
        disk: Arc<dyn Disk>,
        config: JournalConfig,
        generation: u64,
        first_sequence: u64,
    ) -> Result<Self> {
        let ring = Ring::create(disk, config, generation).await?;
        Ok(Self::start(ring, config, first_sequence))
    }

    /// Goes on in the generation that was just recovered, behind its tail, which is not durable: a
    /// deliberate bug.
    #[cfg(mutants)]
    pub async fn resume_unsynced(
        disk: Arc<dyn Disk>,
        config: JournalConfig,
        recovery: &Recovery,
    ) -> Result<Self> {
        let ring = Ring::resume(disk, config, recovery).await?;
        Ok(Self::start(ring, config, recovery.next_sequence()))
    }

    fn start(ring: Ring, config: JournalConfig, first_sequence: u64) -> Self {
        let (queue, requests) = mpsc::channel(QUEUE_LEN_MAX);
        let (released, released_watch) = watch::channel(first_sequence - 1);
        let stats = Arc::new(JournalStats::default());
        stats.last_sequence.store(first_sequence - 1, Ordering::Release);
        let stuck = ring.stuck.clone();
        let writer = Writer {
            ring,
            requests,
            released: released_watch,
            stats: stats.clone(),
            next_sequence: first_sequence,
            payload_max: GATHER_LEN_MAX.min(config.batch_payload_max()),
            failure: None,
        };
        tokio::spawn(writer.run());
        Self { queue, released, stats, stuck, config }
    }

    /// Appends records as one piece: all in one batch. Returns the number of that batch once it is
    /// durable.
    ///
    /// # Errors
    /// [`EngineError::Closed`] when the journal failed; the records may be durable or not.
    /// [`EngineError::OutOfSpace`] when they do not fit into one batch, or a disk is full and the
    /// ring, too: nothing was written.
    ///
    /// # Panics
    /// Without records.
    ///
    /// # Cancel safety
    /// Dropping the future leaves open whether the records are written.
    pub async fn append(&self, records: Vec<JournalRecord>) -> Result<u64> {
        assert!(!records.is_empty(), "an append has records");
        let (done, answer) = oneshot::channel();
        let append = Append { records, done };
        if append.encoded_len() > self.config.batch_payload_max() {
            return Err(EngineError::OutOfSpace);
        }
        self.queue.send(Request::Append(append)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Goes on in files that every leg of the metadata has. Returns the newest batch that was
    /// written before: once a checkpoint contains it, nothing needs the older files.
    ///
    /// # Errors
    /// [`EngineError::Closed`]; I/O errors, which change nothing.
    pub async fn rotate(&self) -> Result<u64> {
        let (done, answer) = oneshot::channel();
        self.queue.send(Request::Rotate(done)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Paths of the files that every leg of the metadata must have.
    ///
    /// # Errors
    /// [`EngineError::Closed`].
    pub async fn paths(&self) -> Result<Vec<String>> {
        let (done, answer) = oneshot::channel();
        self.queue.send(Request::Paths(done)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())
    }

    /// Declares every batch up to `sequence` contained in a durable checkpoint: its files may be
    /// used again.
    pub fn release(&self, sequence: u64) {
        self.released.send_if_modified(|released| {
            let is_later = sequence > *released;
            *released = sequence.max(*released);
            is_later
        });
    }

    /// Whether a checkpoint should free files soon: half of the ring is in use, or it waits.
    pub fn wants_release(&self) -> bool {
        let used = self.stats.files_used.load(Ordering::Relaxed) as usize;
        used > self.config.file_count_max / 2 || self.stuck.is_set()
    }

    /// Tells whether the last checkpoint found no room: then appends to a full ring are refused.
    pub fn set_full(&self, is_full: bool) {
        self.stuck.is_full.store(is_full, Ordering::Release);
    }

    /// Waits until the ring begins to wait for a checkpoint.
    pub async fn wait_stuck(&self) {
        self.stuck.wait().await;
    }

    /// Whether a write failed: nothing is appended any more (J4).
    pub fn is_failed(&self) -> bool {
        self.stats.is_failed.load(Ordering::Relaxed)
    }

    /// The newest batch that is durable.
    pub fn last_sequence(&self) -> u64 {
        self.stats.last_sequence.load(Ordering::Acquire)
    }

    /// Counters, for metrics.
    pub fn stats(&self) -> &JournalStats {
        &self.stats
    }
}

fn unsafe_write() -> EngineError {
    EngineError::Closed("too few copies of the metadata are left".into())
}

fn closed() -> EngineError {
    EngineError::Closed("journal ended".into())
}

struct Writer {
    ring: Ring,
    requests: mpsc::Receiver<Request>,
    released: watch::Receiver<u64>,
    stats: Arc<JournalStats>,
    next_sequence: u64,
    payload_max: usize,
    failure: Option<EngineError>,
}

impl Writer {
    async fn run(mut self) {
        let mut carried = None;
        loop {
            let next = match carried.take() {
                Some(request) => Some(request),
                None => self.requests.recv().await,
            };
            let first = match next {
                Some(Request::Append(append)) => append,
                Some(Request::Rotate(done)) => {
                    let rotated = self.ring.rotate(&mut self.released).await;
                    let _ = done.send(rotated.map(|()| self.next_sequence - 1));
                    continue;
                }
                Some(Request::Paths(done)) => {
                    let _ = done.send(self.ring.complete_paths());
                    continue;
                }
                None => return,
            };
            let (appends, next) = self.gather(first);
            carried = next;
            let result = self.write(&appends).await;
            for append in appends {
                // Whoever no longer waits has left the outcome open.
                let _ = append.done.send(result.clone());
            }
        }
    }

    /// Takes what waits, as far as it fits into one batch.
    fn gather(&mut self, first: Append) -> (Vec<Append>, Option<Request>) {
        let mut total = first.encoded_len();
        let mut appends = vec![first];
        while let Ok(request) = self.requests.try_recv() {
            let Request::Append(append) = request else {
                return (appends, Some(request));
            };
            total += append.encoded_len();
            if total > self.payload_max {
                return (appends, Some(Request::Append(append)));
            }
            appends.push(append);
        }
        (appends, None)
    }

    async fn write(&mut self, appends: &[Append]) -> Result<u64> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        if !self.ring.is_safe() {
            return Err(unsafe_write());
        }
        let records: Vec<JournalRecord> =
            appends.iter().flat_map(|append| append.records.iter().cloned()).collect();
        let payload_len = records.iter().map(JournalRecord::encoded_len).sum();
        let len = batch::batch_len(payload_len);
        let place = self.ring.reserve(len, &mut self.released).await;
        if let Err(error) = &place
            && (matches!(error, EngineError::OutOfSpace) || !self.ring.is_safe())
        {
            return Err(error.clone());
        }
        let result = match place {
            Ok(place) => self.write_batch(place, len, &records).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &result {
            tracing::error!(%error, "journal failed; no more writes are taken");
            self.failure = Some(EngineError::Closed(error.to_string()));
            self.stats.is_failed.store(true, Ordering::Relaxed);
        }
        result.map_err(|error| EngineError::Closed(error.to_string()))
    }

    async fn write_batch(
        &mut self,
        place: BatchPlace,
        len: u64,
        records: &[JournalRecord],
    ) -> Result<u64> {
        let sequence = self.next_sequence;
        let buffers = batch::encode(place, sequence, records);
        self.ring.write(place, sequence, buffers, durability()).await?;
        // Copies that were left out while this was under way do not hold it.
        if !self.ring.is_safe() && !mutant::is(Mutant::AckLoneCopy) {
            return Err(unsafe_write());
        }
        self.next_sequence += 1;
        self.stats.last_sequence.store(sequence, Ordering::Release);
        self.stats.batches.fetch_add(1, Ordering::Relaxed);
        self.stats.records.fetch_add(records.len() as u64, Ordering::Relaxed);
        self.stats.written_len.fetch_add(len, Ordering::Relaxed);
        let used = self.ring.files_used(*self.released.borrow());
        self.stats.files_used.store(used as u64, Ordering::Relaxed);
        Ok(sequence)
    }
}

fn durability() -> crate::env::Durability {
    if mutant::is(Mutant::AckBeforeSync) {
        return crate::env::Durability::Cached;
    }
    crate::env::Durability::Synced
}

/// Path of a file of the ring.
pub(crate) fn file_path(place: &BatchPlace) -> String {
    format!("{JOURNAL_DIR}/{:016x}-{:04}", place.generation, place.file)
}

/// Generation and number of a file of the ring, from its name.
pub(crate) fn parse_file_name(name: &str) -> Option<(u64, u32)> {
    let (generation, file) = name.split_once('-')?;
    Some((u64::from_str_radix(generation, 16).ok()?, file.parse().ok()?))
}
