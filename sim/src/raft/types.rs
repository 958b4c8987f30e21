//! What openraft is instantiated with: the commands of the test, their outcomes, and the names of
//! its generic types.

use super::runtime::SimRuntime;
use crate::oracle::value::ValueId;
use openraft::alias::{EntryOf, LogIdOf, SnapshotOf, StoredMembershipOf, VoteOf};
use openraft::impls::{BoxedErrorSource, InlineBatch, OneshotResponder, Vote, leader_id_adv};
use openraft::vote::RaftLeaderId;
use openraft::{EmptyNode, EntryPayload, OptionalSend, RaftTypeConfig};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Number of a node; also its index in lists of nodes.
pub type NodeNumber = u64;
/// Number of a consensus group: the group of its journal records.
pub type GroupNumber = u32;
/// Number of a register within a group.
pub type RegisterNumber = u8;

/// What a write does to a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// Replaces whatever is there; `None` empties it.
    Set(Option<ValueId>),
    /// Replaces only what is expected.
    Swap {
        /// What must be there.
        expected: Option<ValueId>,
        /// What comes instead.
        value: ValueId,
    },
}

/// A command of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// Who writes.
    pub session: u64,
    /// Counts the writes of a session. Together they are the write id: one that is sent again has
    /// the same, and takes effect once.
    pub sequence: u64,
    /// Where.
    pub register: RegisterNumber,
    /// What.
    pub change: Change,
}

impl fmt::Display for Write {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { session, sequence, register, change } = self;
        write!(formatter, "write {session}.{sequence} of register {register}: {change:?}")
    }
}

/// What came of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Not a write: an entry of openraft's own.
    Nothing,
    /// The register was changed.
    Written,
    /// The register held something else than was expected.
    Refused(Option<ValueId>),
    /// Its session went on to later writes before this one was applied.
    Stale,
}

/// The types of the test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Types;

impl RaftTypeConfig for Types {
    type D = Write;
    type R = Outcome;
    type NodeId = NodeNumber;
    type Node = EmptyNode;
    type Term = u64;
    type LeaderId = leader_id_adv::LeaderId<u64, NodeNumber>;
    type Vote = Vote<Self::LeaderId>;
    type Payload = EntryPayload<Write, NodeNumber, EmptyNode>;
    type Entry = openraft::Entry<<Self::LeaderId as RaftLeaderId>::Committed, Self::Payload>;
    type AsyncRuntime = SimRuntime;
    type Responder<T>
        = OneshotResponder<Self, T>
    where
        T: OptionalSend + 'static;
    type Batch<T>
        = InlineBatch<T>
    where
        T: OptionalSend + 'static;
    type ErrorSource = BoxedErrorSource;
}

/// An entry of the log.
pub type Entry = EntryOf<Types>;
/// Its identity: who led when it was appended, and where it stands.
pub type LogId = LogIdOf<Types>;
/// A vote, cast or won.
pub type RaftVote = VoteOf<Types>;
/// Voters, with the entry that named them.
pub type Membership = StoredMembershipOf<Types>;
/// A snapshot: the whole state machine.
pub type RaftSnapshot = SnapshotOf<Types, Arc<super::machine::State>>;
/// A replica of a group.
pub type Raft = openraft::Raft<Types, super::machine::Machine>;
