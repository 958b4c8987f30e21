//! The memory that uploads share, in units of [`UNIT_LEN`] bytes, and the one that downloads share.
//!
//! - M1: the bytes of bodies that uploads hold are never more than the budget.
//! - M2: an upload gets a record's minimum before it takes a byte, and keeps it; nobody who holds
//!   memory waits for memory. More it takes only where there is some, and gives it back when others
//!   wait, also while its client stands still.
//! - M4: while others wait, an upload whose client is slow makes room: it ends with an error.
//! - M3: the more downloads run, the less each reads at once, so that slow ones hold little and
//!   none waits for another.

use super::Result;
use crate::rows::RECORD_LEN_MIN;
use bytes::Bytes;
use engine::format::record::SUB_BLOCK_LEN;
use engine::object::StoreError;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Bytes of a unit.
const UNIT_LEN: usize = 16 << 10;

/// Bytes that downloads hold, roughly: each a buffer that is sent and one that is filled.
const DOWNLOADS_LEN: usize = 64 << 20;

/// Shortest and longest read of a download. The shortest is a sub-block, the unit of verification.
const READ_LEN_MIN: usize = SUB_BLOCK_LEN;
const READ_LEN_MAX: usize = 256 << 10;

/// Waits for its client after which an upload may have to make room for others, and bytes a second
/// that spare it.
const PULSE: Duration = Duration::from_secs(5);
const PULSE_RATE_MIN: f64 = 16_384.0;

/// How long an upload waits for memory before it is refused.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// The memory of all uploads.
pub(crate) struct UploadMemory {
    units: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// Somebody begins to wait.
    pressure: Notify,
}

impl UploadMemory {
    /// A budget of so many bytes.
    pub(crate) fn new(len: usize) -> Arc<Self> {
        let units = Arc::new(Semaphore::new(len / UNIT_LEN));
        Arc::new(Self { units, waiting: AtomicUsize::new(0), pressure: Notify::new() })
    }

    /// Ends every wait with an error.
    pub(crate) fn close(&self) {
        self.units.close();
    }

    /// Returns when somebody waits for memory (M2).
    pub(super) async fn pressed(&self) {
        loop {
            let mut begins = pin!(self.pressure.notified());
            begins.as_mut().enable();
            if self.waiting.load(Ordering::SeqCst) > 0 {
                return;
            }
            begins.await;
        }
    }
}

/// One that waits, until it is dropped.
struct Waiting<'a>(&'a UploadMemory);

impl<'a> Waiting<'a> {
    fn begin(memory: &'a UploadMemory) -> Self {
        memory.waiting.fetch_add(1, Ordering::SeqCst);
        memory.pressure.notify_waiters();
        Self(memory)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What one upload holds of the budget.
pub(super) struct Held {
    memory: Arc<UploadMemory>,
    /// Units that it keeps as long as it lives.
    floor: usize,
    /// What the record that is filled may take.
    permit: Option<OwnedSemaphorePermit>,
}

impl Held {
    /// Waits in line, with nothing in hand, for the least that an upload of `len` bytes needs.
    pub(super) async fn reserve(memory: Arc<UploadMemory>, len: usize) -> Result<Self> {
        let floor = len.clamp(1, RECORD_LEN_MIN).div_ceil(UNIT_LEN);
        let mut held = Self { memory: memory.clone(), floor, permit: None };
        if held.has_floor() {
            return Ok(held);
        }
        let _waiting = Waiting::begin(&memory);
        let permit = memory.units.clone().acquire_many_owned(floor as u32);
        held.permit = match tokio::time::timeout(WAIT_MAX, permit).await {
            Ok(Ok(permit)) => Some(permit),
            Ok(Err(_)) => return Err(StoreError::Unavailable("shutting down".into())),
            Err(_) => return Err(StoreError::Busy("too many uploads at once")),
        };
        Ok(held)
    }

    fn units(&self) -> usize {
        self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }

    fn try_grow(&mut self, units: usize) -> bool {
        let missing = units.saturating_sub(self.units());
        if missing == 0 {
            return true;
        }
        let more = self.memory.units.clone().try_acquire_many_owned(missing as u32).ok();
        more.map(|more| self.keep(more)).is_some()
    }

    fn keep(&mut self, more: OwnedSemaphorePermit) {
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            None => self.permit = Some(more),
        }
    }

    /// Whether a record may be begun; what is written still may hold the floor.
    pub(super) fn has_floor(&mut self) -> bool {
        self.try_grow(self.floor)
    }

    /// Bytes that the record may have: `len` where there is room, else what is held.
    pub(super) fn grow_to(&mut self, len: usize) -> usize {
        let _ = self.try_grow(len.div_ceil(UNIT_LEN));
        self.units() * UNIT_LEN
    }

    /// What a record that is written out takes along.
    pub(super) fn take(&mut self) -> Written {
        Written { permit: self.permit.take(), floor: self.floor }
    }

    /// Takes back what a record that was written gave back.
    pub(super) fn give_back(&mut self, floor: Option<OwnedSemaphorePermit>) {
        if let (None, Some(floor)) = (&self.permit, floor) {
            self.permit = Some(floor);
        }
    }
}

/// What a record holds while it is written.
pub(super) struct Written {
    permit: Option<OwnedSemaphorePermit>,
    floor: usize,
}

impl Written {
    /// The record is written: returns the upload's floor, the rest is free.
    pub(super) fn finish(self) -> Option<OwnedSemaphorePermit> {
        let mut permit = self.permit?;
        permit.split(self.floor)
    }
}

/// How fast the client of an upload is, over the time that was spent waiting for it.
#[derive(Default)]
pub(super) struct Pulse {
    waited: Duration,
    received: usize,
}

impl Pulse {
    /// Something came after a wait.
    pub(super) fn beat(&mut self, waited: Duration, len: usize) {
        self.waited += waited;
        self.received += len;
    }

    /// How long the client still has until it is judged.
    pub(super) fn rest(&self) -> Duration {
        PULSE.saturating_sub(self.waited)
    }

    /// Judges the client when its time is up; begins anew.
    pub(super) fn is_slow(&mut self) -> bool {
        if self.waited < PULSE {
            return false;
        }
        let floor = self.waited.as_secs_f64() * PULSE_RATE_MIN;
        let is_slow = (self.received as f64) < floor;
        *self = Self::default();
        is_slow
    }
}

/// The downloads that run.
#[derive(Clone, Default)]
pub(crate) struct Downloads(Arc<AtomicUsize>);

/// One of them, until it is dropped.
pub(super) struct Download(Downloads);

impl Downloads {
    /// One more.
    pub(super) fn begin(&self) -> Download {
        self.0.fetch_add(1, Ordering::Relaxed);
        Download(self.clone())
    }

    /// Bytes that one read should ask for.
    pub(super) fn read_len(&self) -> u32 {
        let share = DOWNLOADS_LEN / (2 * self.0.load(Ordering::Relaxed).max(1));
        let whole_blocks = share / SUB_BLOCK_LEN * SUB_BLOCK_LEN;
        whole_blocks.clamp(READ_LEN_MIN, READ_LEN_MAX) as u32
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Download {
    /// Hands a piece on, from a closure that keeps the download as long as there are pieces.
    pub(super) fn pass(&self, piece: Bytes) -> Bytes {
        piece
    }

    /// Bytes that the next read should ask for.
    pub(super) fn read_len(&self) -> u32 {
        self.0.read_len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_judged_by_their_waits() {
        let mut pulse = Pulse::default();
        pulse.beat(PULSE / 2, 1000);
        assert_eq!(pulse.rest(), PULSE / 2);
        assert!(!pulse.is_slow(), "its time is not up");
        pulse.beat(PULSE / 2, 1000);
        assert!(pulse.is_slow());
        pulse.beat(PULSE, 1 << 20);
        assert!(!pulse.is_slow());
        assert_eq!(pulse.rest(), PULSE, "it is judged anew");
    }

    #[tokio::test]
    async fn what_is_written_gives_back_all_but_the_floor() {
        let memory = UploadMemory::new(20 * UNIT_LEN);
        let mut held = Held::reserve(memory.clone(), 1 << 30).await.unwrap();
        assert_eq!(held.grow_to(12 * UNIT_LEN), 12 * UNIT_LEN);
        assert_eq!(held.grow_to(100 * UNIT_LEN), 12 * UNIT_LEN, "there is not so much");
        let written = held.take();
        assert!(held.has_floor(), "there is room for the next record");
        let floor = written.finish();
        assert_eq!(memory.units.available_permits(), 4);
        held.give_back(floor);
        assert_eq!(memory.units.available_permits(), 12, "one floor is enough");
        drop(held);
        assert_eq!(memory.units.available_permits(), 20);
    }

    #[test]
    fn the_more_downloads_the_shorter_their_reads() {
        let downloads = Downloads::default();
        assert_eq!(downloads.read_len(), 256 << 10);
        let first = downloads.begin();
        assert_eq!(first.read_len(), 256 << 10);
        let many: Vec<Download> = (0..499).map(|_| downloads.begin()).collect();
        assert_eq!(downloads.read_len(), 64 << 10);
        let more: Vec<Download> = (0..5000).map(|_| downloads.begin()).collect();
        assert_eq!(downloads.read_len(), 16 << 10);
        drop((many, more));
        assert_eq!(first.read_len(), 256 << 10);
    }
}
