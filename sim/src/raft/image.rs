//! What a journal says of one group: vote, log, snapshot; built by replaying records, and turned
//! back into records for a new generation of the journal.
//!
//! - I1: an entry replaces what stands at its index and behind it, a snapshot only an older one.
//! - I2: the log has no holes.

use super::machine::State;
use super::types::{Entry, LogId, RaftVote};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A record of a group, as it lies in the journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Record {
    /// The vote, cast or won.
    Vote(RaftVote),
    /// An entry behind all others.
    Append(Entry),
    /// Everything behind this entry is void.
    Truncate(Option<LogId>),
    /// Everything up to this entry is in a snapshot.
    Purge(LogId),
    /// Everything up to this entry was known to be committed.
    Committed(Option<LogId>),
    /// The state machine.
    Snapshot(State),
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// Newest vote.
    pub vote: Option<RaftVote>,
    /// Newest entry known as committed.
    pub committed: Option<LogId>,
    /// Newest entry that was purged.
    pub purged: Option<LogId>,
    /// The log, by index.
    pub entries: BTreeMap<u64, Entry>,
    /// Newest snapshot.
    pub snapshot: Option<Arc<State>>,
}

impl Image {
    /// Applies a record.
    pub fn replay(&mut self, record: Record) {
        match record {
            Record::Vote(vote) => self.vote = Some(vote),
            Record::Append(entry) => self.append(entry),
            Record::Truncate(last) => self.truncate(last),
            Record::Purge(upto) => self.purge(upto),
            Record::Committed(committed) => self.committed = committed,
            Record::Snapshot(state) => self.keep_snapshot(Arc::new(state)),
        }
    }

    /// The newest entry, purged or not.
    pub fn last(&self) -> Option<LogId> {
        self.entries.last_key_value().map(|(_, entry)| entry.log_id).or(self.purged)
    }

    /// Everything as records, in an order in which they can be replayed into an empty image.
    pub fn to_records(&self) -> Vec<Record> {
        let vote = self.vote.iter().cloned().map(Record::Vote);
        let snapshot = self.snapshot.iter().map(|state| Record::Snapshot((**state).clone()));
        let purged = self.purged.iter().cloned().map(Record::Purge);
        let entries = self.entries.values().cloned().map(Record::Append);
        let committed = self.committed.iter().map(|id| Record::Committed(Some(*id)));
        vote.chain(snapshot).chain(purged).chain(entries).chain(committed).collect()
    }

    /// Keeps a snapshot that is newer than the one it has.
    pub fn keep_snapshot(&mut self, state: Arc<State>) {
        let known = self.snapshot.as_ref().and_then(|known| known.applied);
        if self.snapshot.is_none() || state.applied > known {
            self.snapshot = Some(state);
        }
    }

    fn append(&mut self, entry: Entry) {
        let index = entry.log_id.index;
        self.entries.split_off(&index);
        let next = self.last().map_or(0, |last| last.index + 1);
        assert_eq!(index, next, "I2: an entry follows the last one");
        self.entries.insert(index, entry);
    }

    fn truncate(&mut self, last: Option<LogId>) {
        self.entries.split_off(&last.map_or(0, |last| last.index + 1));
    }

    fn purge(&mut self, upto: LogId) {
        self.entries = self.entries.split_off(&(upto.index + 1));
        self.purged = self.purged.max(Some(upto));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openraft::EntryPayload;
    use openraft::impls::leader_id_adv::LeaderId;

    fn id(term: u64, index: u64) -> LogId {
        LogId::new(LeaderId { term, node_id: 0 }, index)
    }

    fn entry(term: u64, index: u64) -> Record {
        Record::Append(Entry { log_id: id(term, index), payload: EntryPayload::Blank })
    }

    fn image(records: &[Record]) -> Image {
        let mut image = Image::default();
        records.iter().for_each(|record| image.replay(record.clone()));
        image
    }

    #[test]
    fn an_image_survives_its_own_records() {
        let first = image(&[
            Record::Vote(RaftVote::new_committed(2, 0)),
            entry(1, 0),
            entry(1, 1),
            entry(1, 2),
            Record::Truncate(Some(id(1, 1))),
            entry(2, 2),
            Record::Snapshot(State { applied: Some(id(1, 0)), ..State::default() }),
            Record::Purge(id(1, 0)),
            Record::Committed(Some(id(2, 2))),
        ]);
        assert_eq!(first.last(), Some(id(2, 2)));
        let second = image(&first.to_records());
        assert_eq!(format!("{first:?}"), format!("{second:?}"));
    }

    #[test]
    fn a_purged_log_goes_on_behind_what_was_purged() {
        let mut image = image(&[entry(1, 0), Record::Purge(id(3, 9))]);
        assert_eq!(image.last(), Some(id(3, 9)));
        image.replay(entry(3, 10));
        assert_eq!(image.last(), Some(id(3, 10)));
    }

    #[test]
    fn an_older_snapshot_replaces_no_newer_one() {
        let at =
            |index| Record::Snapshot(State { applied: Some(id(1, index)), ..State::default() });
        let image = image(&[at(5), at(3)]);
        assert_eq!(image.snapshot.and_then(|state| state.applied), Some(id(1, 5)));
    }

    #[test]
    #[should_panic(expected = "I2")]
    fn a_hole_is_refused() {
        image(&[entry(1, 0), entry(1, 2)]);
    }
}
