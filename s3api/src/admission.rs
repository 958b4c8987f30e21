//! Admission: what is too much is told to slow down (503 `SlowDown`) before it takes memory.
//!
//! - D1: at most `requests_max` requests are under way, answers that are being sent included; one
//!   more is refused at once.
//! - D2: at most `scans_max` listings, bulk deletes and completions, which hold many keys at once,
//!   are computed; others wait in line, `scans_waiting_max` of them, for `admission_wait_ms`.
//! - D3: documents, coming or going, take at most `documents_len_max` bytes together; small ones
//!   (up to [`DOCUMENT_LEN_FREE`]) are not counted.
//!
//! Bodies of objects are not weighed here: the store has budgets for them.

use crate::config::Limits;
use crate::error::{S3Result, codes};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of a document that nobody counts.
pub const DOCUMENT_LEN_FREE: usize = 64 << 10;

/// Bytes of one unit of the documents' budget.
const UNIT_LEN: usize = 1 << 10;

/// The gauges of one front end.
pub struct Admission {
    requests: Arc<Semaphore>,
    scans: Arc<Semaphore>,
    line: Arc<Semaphore>,
    documents: Arc<Semaphore>,
    wait: Duration,
}

impl Admission {
    /// Nothing is under way.
    pub fn new(limits: &Limits) -> Self {
        Self {
            requests: Arc::new(Semaphore::new(limits.requests_max)),
            scans: Arc::new(Semaphore::new(limits.scans_max)),
            line: Arc::new(Semaphore::new(limits.scans_waiting_max)),
            documents: Arc::new(Semaphore::new(limits.documents_len_max / UNIT_LEN)),
            wait: Duration::from_millis(limits.admission_wait_ms),
        }
    }

    /// Admits one more request.
    ///
    /// # Errors
    /// `SlowDown`.
    pub fn request(&self) -> S3Result<OwnedSemaphorePermit> {
        self.requests.clone().try_acquire_owned().map_err(|_| (&codes::SLOW_DOWN).into())
    }

    /// Admits one more scan, now or when its turn comes.
    ///
    /// # Errors
    /// `SlowDown`.
    pub async fn scan(&self) -> S3Result<OwnedSemaphorePermit> {
        if let Ok(permit) = self.scans.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let Ok(_place) = self.line.try_acquire() else {
            return Err((&codes::SLOW_DOWN).into());
        };
        self.in_time(self.scans.clone().acquire_owned()).await
    }

    /// Admits a document of so many bytes.
    ///
    /// # Errors
    /// `SlowDown`.
    pub async fn document(&self, len: usize) -> S3Result<Option<OwnedSemaphorePermit>> {
        if len <= DOCUMENT_LEN_FREE {
            return Ok(None);
        }
        let units = u32::try_from(len.div_ceil(UNIT_LEN)).unwrap_or(u32::MAX);
        self.in_time(self.documents.clone().acquire_many_owned(units)).await.map(Some)
    }

    async fn in_time(
        &self,
        permit: impl Future<Output = Result<OwnedSemaphorePermit, tokio::sync::AcquireError>>,
    ) -> S3Result<OwnedSemaphorePermit> {
        let permit = tokio::time::timeout(self.wait, permit).await;
        permit.ok().and_then(Result::ok).ok_or_else(|| (&codes::SLOW_DOWN).into())
    }
}
