//! A node's journal as log storage for all its groups: one task appends what waits, in order, and
//! keeps an image of what the journal says; a checkpoint writes the image behind it and frees the
//! rest.
//!
//! ```text
//! log, machine --submit--> queue --> appender: take what waits -> Journal::append -> callbacks
//!                                              ring half full: image -> journal, CURRENT, release
//! ```
//!
//! `CURRENT` names the generation of the journal and the batch behind which recovery begins, as two
//! numbers in hexadecimal. It is replaced by a rename.
//!
//! - S1: records reach the journal in the order in which they were submitted.
//! - S2: a callback hears of success only after its records are durable.
//! - S3: a start replays the generation that `CURRENT` names, writes all of it into a new
//!   generation, makes that durable, and only then names it; old files go last. Until then nothing
//!   of it is served: what was read could still be lost with the power.

use super::image::{Image, Record};
use super::types::{GroupNumber, NodeNumber, Types};
use super::world::World;
use bytes::Bytes;
use engine::env::{Disk, Durability};
use engine::format::batch::JournalRecord;
use engine::journal::{JOURNAL_DIR, Journal, JournalConfig, Recovery};
use openraft::storage::IOFlushed;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Sizes of the journal: small, so that a run goes round the ring a few times.
const JOURNAL: JournalConfig = JournalConfig { file_len: 128 << 10, file_count_max: 8 };
/// Bytes of records that one append gathers.
const GATHER_LEN_MAX: usize = 32 << 10;
/// Submissions that wait at most; more wait in their callers.
const QUEUE_LEN_MAX: usize = 256;
/// Names the journal's generation.
const CURRENT: &str = "CURRENT";
/// What becomes `CURRENT`.
const CURRENT_NEXT: &str = "CURRENT.next";
/// Bytes of `CURRENT`.
const CURRENT_LEN: usize = 33;

/// Images of all groups.
pub type Images = BTreeMap<GroupNumber, Image>;

enum Done {
    Flushed(IOFlushed<Types>),
    Waiter(oneshot::Sender<io::Result<()>>),
}

impl Done {
    fn complete(self, result: io::Result<()>) {
        match self {
            Self::Flushed(callback) => callback.io_completed(result),
            // Whoever no longer waits is dead.
            Self::Waiter(waiter) => drop(waiter.send(result)),
        }
    }
}

struct Submission {
    group: GroupNumber,
    records: Vec<Record>,
    done: Done,
}

/// Handle of the appender; it ends with the last one.
#[derive(Clone)]
pub struct Store {
    queue: mpsc::Sender<Submission>,
}

/// Where recovery begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Current {
    generation: u64,
    checkpoint: u64,
}

fn ended() -> io::Error {
    io::Error::other("the store ended")
}

impl Store {
    /// S3: recovers what the disk holds, and begins a new generation.
    ///
    /// # Errors
    /// When the journal cannot be read or written.
    pub async fn open(
        world: Arc<World>,
        number: NodeNumber,
        generation: u64,
    ) -> io::Result<(Self, Images)> {
        let disk = world.disks[number as usize].attach();
        disk.create_dir(JOURNAL_DIR).await?;
        disk.sync_dir("").await?;
        let (images, first_sequence) = recover(&disk).await?;
        let journal = Journal::begin(disk.clone(), JOURNAL, generation, first_sequence);
        let journal = journal.await.map_err(io::Error::other)?;
        let mut appender = Appender {
            world: world.clone(),
            number,
            disk: disk.clone(),
            journal,
            generation,
            newest: first_sequence - 1,
            images: images.clone(),
        };
        appender.checkpoint().await?;
        remove_others(&*disk, generation).await?;
        for (group, image) in &images {
            image.entries.values().for_each(|entry| world.witness_durable(*group, entry));
        }
        let (queue, submissions) = mpsc::channel(QUEUE_LEN_MAX);
        tokio::spawn(appender.run(submissions));
        Ok((Self { queue }, images))
    }

    /// Submits records; the callback hears of them.
    ///
    /// # Errors
    /// When the store ended.
    pub async fn submit(
        &self,
        group: GroupNumber,
        records: Vec<Record>,
        callback: IOFlushed<Types>,
    ) -> io::Result<()> {
        let submission = Submission { group, records, done: Done::Flushed(callback) };
        self.queue.send(submission).await.map_err(|_| ended())
    }

    /// Writes records and waits until they are durable.
    ///
    /// # Errors
    /// When the journal failed.
    ///
    /// # Cancel safety
    /// Dropping the future leaves open whether the records are written.
    pub async fn write(&self, group: GroupNumber, records: Vec<Record>) -> io::Result<()> {
        let (waiter, answer) = oneshot::channel();
        let submission = Submission { group, records, done: Done::Waiter(waiter) };
        self.queue.send(submission).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}

struct Appender {
    world: Arc<World>,
    number: NodeNumber,
    disk: Arc<dyn Disk>,
    journal: Journal,
    generation: u64,
    /// Number of the newest batch.
    newest: u64,
    images: Images,
}

impl Appender {
    async fn run(mut self, mut submissions: mpsc::Receiver<Submission>) {
        while let Some(first) = submissions.recv().await {
            let (batch, records) = gather(first, &mut submissions);
            let result = self.append(records).await;
            for Submission { group, records, done } in batch {
                if result.is_ok() {
                    self.keep(group, records);
                }
                done.complete(result.as_ref().copied().map_err(copy));
            }
            if result.is_err() {
                return;
            }
            if self.journal.wants_release() && self.checkpoint().await.is_err() {
                return;
            }
        }
    }

    async fn append(&mut self, records: Vec<JournalRecord>) -> io::Result<()> {
        // The journal takes no empty batch.
        if !records.is_empty() {
            self.newest = self.journal.append(records).await.map_err(io::Error::other)?;
        }
        Ok(())
    }

    fn keep(&mut self, group: GroupNumber, records: Vec<Record>) {
        for record in records {
            if let Record::Append(entry) = &record {
                self.world.witness_durable(group, entry);
            }
            self.images.entry(group).or_default().replay(record);
        }
    }

    /// Writes the image of everything, names its beginning, and frees what came before.
    async fn checkpoint(&mut self) -> io::Result<()> {
        let current = Current { generation: self.generation, checkpoint: self.newest };
        for records in pieces(&self.images) {
            self.append(records).await?;
        }
        publish(&*self.disk, current).await?;
        self.journal.release(current.checkpoint);
        let entries = self.images.values().map(|image| image.entries.len()).sum::<usize>();
        self.world.event(&format!("node {}: {entries} entries in {current:x?}", self.number));
        Ok(())
    }
}

/// An error again, for one more of those who wait.
fn copy(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}

fn encode(group: GroupNumber, record: &Record) -> JournalRecord {
    let bytes = postcard::to_stdvec(record).expect("a record can be encoded");
    JournalRecord::new(group, bytes)
}

/// Takes what waits, up to a bound.
fn gather(
    first: Submission,
    submissions: &mut mpsc::Receiver<Submission>,
) -> (Vec<Submission>, Vec<JournalRecord>) {
    let (mut batch, mut records, mut len) = (Vec::new(), Vec::new(), 0);
    let mut next = Some(first);
    while let Some(submission) = next.take() {
        for record in &submission.records {
            let record = encode(submission.group, record);
            len += record.encoded_len();
            records.push(record);
        }
        batch.push(submission);
        if len < GATHER_LEN_MAX {
            next = submissions.try_recv().ok();
        }
    }
    (batch, records)
}

/// Images as appends of bounded size, at least one, which may be empty.
fn pieces(images: &Images) -> Vec<Vec<JournalRecord>> {
    let (mut pieces, mut len) = (vec![Vec::new()], 0);
    for (group, image) in images {
        for record in image.to_records() {
            let record = encode(*group, &record);
            if len + record.encoded_len() > GATHER_LEN_MAX {
                pieces.push(Vec::new());
                len = 0;
            }
            len += record.encoded_len();
            pieces.last_mut().expect("there is a first piece").push(record);
        }
    }
    pieces
}

/// Replays what `CURRENT` names. Returns it with the number of the next batch.
async fn recover(disk: &Arc<dyn Disk>) -> io::Result<(Images, u64)> {
    let mut images = Images::new();
    let Some(current) = read_current(&**disk).await? else {
        return Ok((images, 1));
    };
    let recovery = Recovery::open(vec![disk.clone()], current.generation, current.checkpoint);
    let mut recovery = recovery.await.map_err(io::Error::other)?;
    while let Some(batch) = recovery.next_batch().await.map_err(io::Error::other)? {
        for record in batch.records {
            let bytes = [record.head, record.tail].concat();
            let decoded = postcard::from_bytes(&bytes).map_err(io::Error::other)?;
            images.entry(record.group).or_default().replay(decoded);
        }
    }
    Ok((images, recovery.next_sequence()))
}

async fn read_current(disk: &dyn Disk) -> io::Result<Option<Current>> {
    let file = match disk.open(CURRENT).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let bytes = file.read(0, CURRENT_LEN).await?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let parsed = text.split_once(' ').and_then(|(generation, checkpoint)| {
        let generation = u64::from_str_radix(generation, 16).ok()?;
        Some(Current { generation, checkpoint: u64::from_str_radix(checkpoint, 16).ok()? })
    });
    parsed.map(Some).ok_or_else(|| io::Error::other(format!("{CURRENT} is {text:?}")))
}

async fn publish(disk: &dyn Disk, current: Current) -> io::Result<()> {
    if disk.list("").await?.iter().any(|name| name == CURRENT_NEXT) {
        disk.remove(CURRENT_NEXT).await?;
    }
    let text = format!("{:016x} {:016x}", current.generation, current.checkpoint);
    let file = disk.create(CURRENT_NEXT).await?;
    file.write(0, vec![Bytes::from(text)], Durability::Synced).await?;
    disk.rename(CURRENT_NEXT, CURRENT).await?;
    disk.sync_dir("").await
}

/// Removes the journals of other generations.
async fn remove_others(disk: &dyn Disk, generation: u64) -> io::Result<()> {
    let own = format!("{generation:016x}-");
    for name in disk.list(JOURNAL_DIR).await?.iter().filter(|name| !name.starts_with(&own)) {
        disk.remove(&format!("{JOURNAL_DIR}/{name}")).await?;
    }
    Ok(())
}
