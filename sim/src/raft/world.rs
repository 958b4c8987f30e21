//! What nodes, clients and nemesis of a run share: time, trace, disks, history, and what the nodes
//! were seen to do.
//!
//! The witness sees every entry that became durable or was applied anywhere:
//!
//! - W1: one log id, one entry. Two entries that are durable under the same log id cannot be told
//!   apart by the protocol; the replicas drift apart without noticing.
//! - W2: one position, one applied entry.

use super::profile::Profile;
use super::types::{Entry, GroupNumber, LogId, NodeNumber};
use crate::disk::SimDisk;
use crate::harness::report::{Counts, Report, RunOptions};
use crate::oracle::Violation;
use crate::oracle::history::{History, Moment};
use crate::random::Random;
use crate::trace::Trace;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What the nodes were seen to do.
#[derive(Default)]
struct Witness {
    durable: BTreeMap<(GroupNumber, LogId), Vec<u8>>,
    applied: BTreeMap<(GroupNumber, u64), LogId>,
    leaders: BTreeMap<GroupNumber, NodeNumber>,
    terms: BTreeSet<(GroupNumber, u64)>,
}

/// See the module.
pub struct World {
    /// The seed.
    pub seed: u64,
    /// Its character.
    pub profile: Profile,
    /// The trace.
    pub trace: Trace,
    /// The disk of each node.
    pub disks: Vec<SimDisk>,
    start: Instant,
    history: Mutex<History>,
    witness: Mutex<Witness>,
    counts: Mutex<Counts>,
    next_value: AtomicU64,
    next_process: AtomicU64,
    clients_at_work: AtomicU64,
}

/// Locks what no panic can leave half done. Never across an await.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    /// A world whose time begins now.
    pub fn new(options: &RunOptions, profile: Profile) -> Self {
        let seed = options.seed;
        let disk = |node| SimDisk::new(Random::new(seed, &format!("disk-{node}")), profile.timing);
        Self {
            seed,
            trace: Trace::new(options.is_logged),
            disks: (0..super::NODE_COUNT).map(disk).collect(),
            start: Instant::now(),
            history: Mutex::new(History::new(seed)),
            witness: Mutex::default(),
            counts: Mutex::default(),
            next_value: AtomicU64::new(1),
            next_process: AtomicU64::new(0),
            clients_at_work: AtomicU64::new(profile.client_count as u64),
            profile,
        }
    }

    /// Virtual time since the start.
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Adds an event to the trace.
    pub fn event(&self, text: &str) {
        self.trace.event(self.now(), text);
    }

    /// The history, locked. Never across an await.
    pub fn history(&self) -> MutexGuard<'_, History> {
        lock(&self.history)
    }

    /// The counters, locked. Never across an await.
    pub fn counts(&self) -> MutexGuard<'_, Counts> {
        lock(&self.counts)
    }

    /// Counts a beginning or an end.
    pub fn moment(&self) -> Moment {
        let now = self.now();
        self.history().moment(now)
    }

    /// A fresh id of a value.
    pub fn next_value(&self) -> u64 {
        self.next_value.fetch_add(1, Ordering::Relaxed)
    }

    /// Randomness of a node's next process, so that no process repeats what another drew.
    pub fn next_process(&self) -> Random {
        let number = self.next_process.fetch_add(1, Ordering::Relaxed);
        Random::new(self.seed, &format!("process-{number}"))
    }

    /// Whether a client still works, and nothing is broken yet.
    pub fn is_busy(&self) -> bool {
        let is_broken = self.history().violation().is_some();
        !is_broken && self.clients_at_work.load(Ordering::Relaxed) > 0
    }

    /// A client's work is done.
    pub fn leave(&self) {
        self.clients_at_work.fetch_sub(1, Ordering::Relaxed);
    }

    /// Keeps a violation.
    pub fn violate(&self, summary: String) {
        self.history().violate(Violation::new(summary));
    }

    /// An entry became durable on some node (W1).
    pub fn witness_durable(&self, group: GroupNumber, entry: &Entry) {
        let payload = postcard::to_stdvec(&entry.payload).expect("an entry can be encoded");
        let id = entry.log_id;
        let broken = {
            let mut witness = lock(&self.witness);
            witness.terms.insert((group, id.leader_id.term));
            let known = witness.durable.entry((group, id)).or_insert_with(|| payload.clone());
            *known != payload
        };
        if broken {
            self.violate(format!("group {group}: log id {id} names two entries that are durable"));
        }
    }

    /// A node applied an entry (W2).
    pub fn witness_applied(&self, group: GroupNumber, entry: &Entry) {
        let id = entry.log_id;
        let known = *lock(&self.witness).applied.entry((group, id.index)).or_insert(id);
        if known != id {
            self.violate(format!("group {group}: {known} and {id} were applied at one position"));
        }
    }

    /// A node answered as leader.
    pub fn witness_leader(&self, group: GroupNumber, node: NodeNumber) {
        lock(&self.witness).leaders.insert(group, node);
    }

    /// Who answered as leader last.
    pub fn leader(&self, group: GroupNumber) -> NodeNumber {
        lock(&self.witness).leaders.get(&group).copied().unwrap_or(0)
    }

    /// Judges the history.
    ///
    /// # Errors
    /// The first violation.
    pub fn check(&self) -> Result<(), Violation> {
        let checked = self.history().check()?;
        let mut counts = self.counts();
        counts.checked_keys += checked.keys;
        counts.checked_operations += checked.operations;
        Ok(())
    }

    /// The report of a run that ended.
    pub fn report(self: &Arc<Self>, verdict: Result<(), Violation>) -> Report {
        // What was seen at once says more than what the end of the run made of it.
        let first = self.history().violation().cloned();
        let violation = first.or(verdict.err());
        let mut counts = *self.counts();
        self.disks.iter().for_each(|disk| counts.add_disk(&disk.statistics()));
        counts.elections = lock(&self.witness).terms.len() as u64;
        counts.virtual_ms = self.now().as_millis() as u64;
        Report { hash: self.trace.hash(), counts, violation, events: self.trace.last_events() }
    }
}
