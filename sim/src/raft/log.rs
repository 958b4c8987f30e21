//! The log of a group, as openraft reads and writes it: in memory, behind it the node's journal.
//!
//! - G1: an entry is readable as soon as it is appended; openraft hears that it is durable only
//!   from the journal.
//! - G2: a vote is durable before it is readable.
//! - G3: what is submitted to the journal is submitted in the order of the calls.

use super::image::{Image, Record};
use super::store::Store;
use super::types::{Entry, GroupNumber, LogId, RaftVote, Types};
use super::world::lock;
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::{LogState, OptionalSend, RaftLogReader};
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, Mutex};

/// The log of one replica; clones share it.
#[derive(Clone)]
pub struct Log {
    group: GroupNumber,
    image: Arc<Mutex<Image>>,
    store: Store,
    is_committed_kept: bool,
}

impl Log {
    /// A log over an image. `is_committed_kept`: the commit position is written, too.
    pub fn new(
        group: GroupNumber,
        image: Arc<Mutex<Image>>,
        store: Store,
        is_committed_kept: bool,
    ) -> Self {
        Self { group, image, store, is_committed_kept }
    }

    async fn write(&self, record: Record) -> io::Result<()> {
        self.store.write(self.group, vec![record]).await
    }
}

/// Whether the range has a first and a last index in this order; a `BTreeMap` panics otherwise.
fn is_empty(range: &impl RangeBounds<u64>) -> bool {
    let first = match range.start_bound() {
        Bound::Included(index) => *index,
        Bound::Excluded(index) => index + 1,
        Bound::Unbounded => 0,
    };
    match range.end_bound() {
        Bound::Included(index) => *index < first,
        Bound::Excluded(index) => *index <= first,
        Bound::Unbounded => false,
    }
}

impl RaftLogReader<Types> for Log {
    async fn try_get_log_entries<R>(&mut self, range: R) -> io::Result<Vec<Entry>>
    where
        R: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        if is_empty(&range) {
            return Ok(Vec::new());
        }
        Ok(lock(&self.image).entries.range(range).map(|(_, entry)| entry.clone()).collect())
    }

    async fn read_vote(&mut self) -> io::Result<Option<RaftVote>> {
        Ok(lock(&self.image).vote)
    }
}

impl RaftLogStorage<Types> for Log {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types>> {
        let image = lock(&self.image);
        Ok(LogState { last_purged_log_id: image.purged, last_log_id: image.last() })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &RaftVote) -> io::Result<()> {
        self.write(Record::Vote(*vote)).await?;
        lock(&self.image).vote = Some(*vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        if !self.is_committed_kept {
            return Ok(());
        }
        lock(&self.image).committed = committed;
        self.store.submit(self.group, vec![Record::Committed(committed)], IOFlushed::noop()).await
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(lock(&self.image).committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let records: Vec<Record> = entries.into_iter().map(Record::Append).collect();
        {
            let mut image = lock(&self.image);
            records.iter().for_each(|record| image.replay(record.clone()));
        }
        self.store.submit(self.group, records, callback).await
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        lock(&self.image).replay(Record::Truncate(last));
        self.write(Record::Truncate(last)).await
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        lock(&self.image).replay(Record::Purge(upto));
        self.store.submit(self.group, vec![Record::Purge(upto)], IOFlushed::noop()).await
    }
}
