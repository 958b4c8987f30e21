//! The memory that uploads share: a budget in units of [`UNIT_LEN`] bytes.
//!
//! - M1: the bytes of bodies that uploads hold are never more than the budget.
//! - M2: an upload that waits for memory holds less than a record's minimum, so that as many uploads
//!   as the budget has minima go on, however slow they are.

use super::Result;
use engine::object::StoreError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of a unit.
const UNIT_LEN: usize = 16 << 10;

/// How long an upload waits for memory before it is refused.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// A budget of so many bytes.
pub(crate) fn upload_memory(len: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(len / UNIT_LEN))
}

/// What one record of an upload holds of the budget.
pub(super) struct Held {
    budget: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Held {
    /// Nothing yet.
    pub(super) fn new(budget: Arc<Semaphore>) -> Self {
        Self { budget, permit: None }
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
        let more = self.budget.clone().try_acquire_many_owned(missing).ok();
        more.map(|more| self.keep(more)).is_some()
    }

    /// Grows to `len` bytes, after those that waited before.
    pub(super) async fn grow(&mut self, len: usize) -> Result<()> {
        let more = self.budget.clone().acquire_many_owned(self.missing(len));
        match tokio::time::timeout(WAIT_MAX, more).await {
            Ok(Ok(more)) => self.keep(more),
            Ok(Err(_)) => return Err(StoreError::Unavailable("shutting down".into())),
            Err(_) => return Err(StoreError::Busy("too many uploads at once")),
        }
        Ok(())
    }
}
