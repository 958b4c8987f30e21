//! The memory that uploads share, in units of [`UNIT_LEN`] bytes, and the one that downloads share.
//!
//! - M1: the bytes of bodies that uploads hold are never more than the budget.
//! - M2: while one waits for memory, each upload holds less than a record's minimum besides what it
//!   writes, also one whose client stands still: so many uploads as the budget has minima go on.
//! - M3: the more downloads run, the less each reads at once, so that slow ones hold little and
//!   none waits for another.

use super::Result;
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

/// What one record of an upload holds of the budget.
pub(super) struct Held {
    memory: Arc<UploadMemory>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Held {
    /// Nothing yet.
    pub(super) fn new(memory: Arc<UploadMemory>) -> Self {
        Self { memory, permit: None }
    }

    /// Hands over what is held, and begins anew.
    pub(super) fn take(&mut self) -> Option<OwnedSemaphorePermit> {
        self.permit.take()
    }

    /// Units that are missing to hold `len` bytes.
    fn missing(&self, len: usize) -> u32 {
        let held = self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        u32::try_from(len.div_ceil(UNIT_LEN).saturating_sub(held)).unwrap_or(u32::MAX)
    }

    fn keep(&mut self, more: OwnedSemaphorePermit) {
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            None => self.permit = Some(more),
        }
    }

    /// Grows to `len` bytes where that is possible at once.
    pub(super) fn try_grow(&mut self, len: usize) -> bool {
        let missing = self.missing(len);
        if missing == 0 {
            return true;
        }
        let more = self.memory.units.clone().try_acquire_many_owned(missing).ok();
        more.map(|more| self.keep(more)).is_some()
    }

    /// Grows to `len` bytes, after those that waited before.
    pub(super) async fn grow(&mut self, len: usize) -> Result<()> {
        let memory = self.memory.clone();
        let _waiting = Waiting::begin(&memory);
        let more = memory.units.clone().acquire_many_owned(self.missing(len));
        match tokio::time::timeout(WAIT_MAX, more).await {
            Ok(Ok(more)) => self.keep(more),
            Ok(Err(_)) => return Err(StoreError::Unavailable("shutting down".into())),
            Err(_) => return Err(StoreError::Busy("too many uploads at once")),
        }
        Ok(())
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
