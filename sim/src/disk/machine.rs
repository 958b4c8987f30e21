//! The machine that simulated disks are plugged into: its processes live and die for all of them at
//! the same moment.

use super::copies::Copies;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// Operations that are remembered.
const NOTES_MAX: usize = 60;

/// No operation is the last one.
const NEVER: u64 = u64::MAX;

#[derive(Default)]
struct Inner {
    incarnation: AtomicU64,
    steps: AtomicU64,
    devices: AtomicU64,
    /// Operations after which the process dies, counted as `steps`.
    last_step: AtomicU64,
    /// Operations after which every process dies.
    limit: AtomicU64,
    /// Files that its process has open.
    handles: AtomicU64,
    /// As many as it may have.
    handles_max: AtomicU64,
    waiting: Mutex<Option<Waker>>,
    is_watched: AtomicBool,
    notes: Mutex<VecDeque<String>>,
    copies: Mutex<Copies>,
}

/// A machine; clones share it.
#[derive(Clone)]
pub struct Machine(Arc<Inner>);

impl Default for Machine {
    fn default() -> Self {
        let never = || AtomicU64::new(NEVER);
        let inner =
            Inner { last_step: never(), limit: never(), handles_max: never(), ..Inner::default() };
        Self(Arc::new(inner))
    }
}

impl Machine {
    /// Number of the process that runs.
    pub fn incarnation(&self) -> u64 {
        self.0.incarnation.load(Ordering::Relaxed)
    }

    /// Operations of disks so far.
    pub fn steps(&self) -> u64 {
        self.0.steps.load(Ordering::Relaxed)
    }

    /// Remembers the last operations from now on.
    pub fn watch(&self) {
        self.0.is_watched.store(true, Ordering::Relaxed);
    }

    /// The last operations, if somebody watches.
    pub fn notes(&self) -> Vec<String> {
        self.0.notes.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }

    pub(super) fn note(&self, line: impl FnOnce() -> String) {
        if !self.0.is_watched.load(Ordering::Relaxed) {
            return;
        }
        let mut notes = self.0.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.push_back(format!("{:>6} {}", self.steps(), line()));
        if notes.len() > NOTES_MAX {
            notes.pop_front();
        }
    }

    /// Every batch of the journal must be on so many disks before the next one is written.
    pub fn want_copies(&self, wanted: usize) {
        self.copies().want(wanted);
    }

    /// The first batch that was not, in words.
    pub fn take_broken(&self) -> Option<String> {
        self.copies().take_broken()
    }

    /// File and offset of the newest batch of the journal that was begun.
    pub fn newest_batch(&self) -> Option<(String, u64)> {
        self.copies().newest()
    }

    pub(super) fn copies(&self) -> MutexGuard<'_, Copies> {
        self.0.copies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number for another disk.
    pub(super) fn next_device(&self) -> u64 {
        self.0.devices.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The process dies: none of its operations has an effect any more.
    pub fn kill(&self) {
        self.0.incarnation.fetch_add(1, Ordering::Relaxed);
        self.0.last_step.store(NEVER, Ordering::Relaxed);
        self.0.handles.store(0, Ordering::Relaxed);
        self.limit_handles(None);
        self.copies().forget();
        let waker = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The process dies, as by [`Machine::kill`], when it has done so many more operations. Returns
    /// whether an earlier wish of this kind is still open: its process did less.
    pub fn kill_after(&self, steps: Option<u64>) -> bool {
        let last = steps.map_or(NEVER, |steps| self.steps() + steps);
        self.0.last_step.swap(last, Ordering::Relaxed) != NEVER
    }

    /// No process does more operations than so many in all.
    pub fn kill_at(&self, steps: u64) {
        self.0.limit.store(steps, Ordering::Relaxed);
    }

    /// Whether there were so many.
    pub fn is_at_limit(&self) -> bool {
        self.steps() >= self.0.limit.load(Ordering::Relaxed)
    }

    /// The process may open so many more files than it has open now, or as many as it likes.
    pub fn limit_handles(&self, more: Option<u64>) {
        let most = more.map_or(NEVER, |more| self.0.handles.load(Ordering::Relaxed) + more);
        self.0.handles_max.store(most, Ordering::Relaxed);
    }

    /// Whether the process may open one more file.
    pub(super) fn has_handle(&self) -> bool {
        self.0.handles.load(Ordering::Relaxed) < self.0.handles_max.load(Ordering::Relaxed)
    }

    /// The process opened a file.
    pub(super) fn take_handle(&self) {
        self.0.handles.fetch_add(1, Ordering::Relaxed);
    }

    /// The process of that number closed one.
    pub(super) fn give_handle(&self, process: u64) {
        if self.incarnation() == process {
            self.0.handles.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Counts an operation; `false` when the process dies instead.
    pub(super) fn may_step(&self) -> bool {
        let last = self.0.last_step.load(Ordering::Relaxed);
        if self.steps() >= last.min(self.0.limit.load(Ordering::Relaxed)) {
            self.kill();
            return false;
        }
        self.0.steps.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Waits until the process of that number is dead. One waits at a time.
    pub async fn died(&self, incarnation: u64) {
        poll_fn(|context| {
            if self.incarnation() != incarnation {
                return Poll::Ready(());
            }
            let waker = context.waker().clone();
            *self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker);
            Poll::Pending
        })
        .await;
    }
}
