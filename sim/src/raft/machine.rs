//! The state machine of a group: registers, and the last write of each session.
//!
//! It lives in memory; only snapshots are durable, so that a restart applies the log again.
//!
//! - M1: a write id takes effect at most once; sent again it gets its first outcome. A session has
//!   one write in flight, so its newest outcome is enough.
//! - M2: data, sessions and the position in the log change under one lock.
//! - M3: a snapshot is durable before openraft hears of it, and never replaces a newer one.

use super::image::{Image, Record};
use super::profile::Bug;
use super::store::Store;
use super::types::{
    Change, Entry, GroupNumber, LogId, Membership, Outcome, RaftSnapshot, RegisterNumber, Types,
    Write,
};
use super::world::{World, lock};
use crate::oracle::value::ValueId;
use futures_util::{Stream, StreamExt};
use openraft::alias::SnapshotMetaOf;
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder, Snapshot, SnapshotMeta};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

/// What the log comes to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// Registers that hold something.
    pub registers: BTreeMap<RegisterNumber, ValueId>,
    /// Newest write of each session, with its outcome.
    pub sessions: BTreeMap<u64, (u64, Outcome)>,
    /// Newest entry in it.
    pub applied: Option<LogId>,
    /// Voters.
    pub membership: Membership,
}

impl State {
    /// Applies an entry.
    fn apply(&mut self, entry: Entry, bug: Option<Bug>) -> Outcome {
        self.applied = Some(entry.log_id);
        match entry.payload {
            EntryPayload::Blank => Outcome::Nothing,
            EntryPayload::Normal(write) if bug == Some(Bug::WriteTwice) => self.write(&write),
            EntryPayload::Normal(write) => self.write_once(&write),
            EntryPayload::Membership(membership) => {
                self.membership = Membership::new(Some(entry.log_id), membership);
                Outcome::Nothing
            }
        }
    }

    /// M1.
    fn write_once(&mut self, write: &Write) -> Outcome {
        match self.sessions.get(&write.session) {
            Some((newest, _)) if *newest > write.sequence => return Outcome::Stale,
            Some((newest, outcome)) if *newest == write.sequence => return *outcome,
            _ => {}
        }
        let outcome = self.write(write);
        self.sessions.insert(write.session, (write.sequence, outcome));
        outcome
    }

    fn write(&mut self, write: &Write) -> Outcome {
        let value = match write.change {
            Change::Set(value) => value,
            Change::Swap { expected, value } => {
                let found = self.registers.get(&write.register).copied();
                if found != expected {
                    return Outcome::Refused(found);
                }
                Some(value)
            }
        };
        match value {
            Some(value) => self.registers.insert(write.register, value),
            None => self.registers.remove(&write.register),
        };
        Outcome::Written
    }
}

/// The state machine of one replica; clones share it.
#[derive(Clone)]
pub struct Machine {
    group: GroupNumber,
    world: Arc<World>,
    state: Arc<Mutex<State>>,
    image: Arc<Mutex<Image>>,
    store: Store,
}

impl Machine {
    /// The machine as of the newest snapshot of its image.
    pub fn new(
        world: Arc<World>,
        group: GroupNumber,
        image: Arc<Mutex<Image>>,
        store: Store,
    ) -> Self {
        let state = lock(&image).snapshot.as_deref().cloned().unwrap_or_default();
        Self { group, world, state: Arc::new(Mutex::new(state)), image, store }
    }

    /// What a register holds.
    pub fn read(&self, register: RegisterNumber) -> Option<ValueId> {
        lock(&self.state).registers.get(&register).copied()
    }

    /// M3.
    async fn keep(&self, state: Arc<State>) -> io::Result<()> {
        let record = Record::Snapshot((*state).clone());
        self.store.write(self.group, vec![record]).await?;
        lock(&self.image).keep_snapshot(state);
        Ok(())
    }
}

/// A state as openraft passes it around.
pub fn to_snapshot(state: Arc<State>) -> RaftSnapshot {
    let meta =
        SnapshotMeta { last_log_id: state.applied, last_membership: state.membership.clone() };
    Snapshot { meta, snapshot: state }
}

impl RaftSnapshotBuilder<Types> for Machine {
    type SnapshotData = Arc<State>;

    async fn build_snapshot(&mut self) -> io::Result<RaftSnapshot> {
        let state = Arc::new(lock(&self.state).clone());
        self.keep(state.clone()).await?;
        Ok(to_snapshot(state))
    }
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotData = Arc<State>;
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, Membership)> {
        let state = lock(&self.state);
        Ok((state.applied, state.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<Types>>> + Unpin + OptionalSend,
    {
        while let Some(next) = entries.next().await {
            let (entry, responder) = next?;
            self.world.witness_applied(self.group, &entry);
            let outcome = lock(&self.state).apply(entry, self.world.profile.bug);
            if let Some(responder) = responder {
                responder.send(outcome);
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(
        &mut self,
        _meta: &SnapshotMetaOf<Types>,
        state: Arc<State>,
    ) -> io::Result<()> {
        let applied = state.applied.map_or("nothing".to_owned(), |id| id.to_string());
        self.world.event(&format!("group {}: a snapshot up to {applied} comes in", self.group));
        self.keep(state.clone()).await?;
        *lock(&self.state) = (*state).clone();
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<RaftSnapshot>> {
        Ok(lock(&self.image).snapshot.clone().map(to_snapshot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(state: &mut State, sequence: u64, change: Change) -> Outcome {
        state.write_once(&Write { session: 1, sequence, register: 0, change })
    }

    #[test]
    fn a_write_that_is_sent_again_gets_its_first_outcome() {
        let mut state = State::default();
        let swap = Change::Swap { expected: None, value: 7 };
        assert_eq!(write(&mut state, 1, swap), Outcome::Written);
        assert_eq!(write(&mut state, 1, swap), Outcome::Written);
        assert_eq!(write(&mut state, 2, swap), Outcome::Refused(Some(7)));
        assert_eq!(write(&mut state, 3, Change::Set(None)), Outcome::Written);
        assert_eq!(write(&mut state, 2, swap), Outcome::Stale);
        assert_eq!(state.registers.get(&0), None);
    }
}
