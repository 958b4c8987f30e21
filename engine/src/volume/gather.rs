//! Short stripes that wait at the same time are written as one: one record a disk instead of many,
//! parity over full columns, whole bodies on one disk each.
//!
//! ```text
//! append --> wait in line --> a writer is free --> all that wait, up to a stripe --> answers
//! ```
//!
//! Nobody waits for company: who comes alone is written at once.

use super::VolumeSet;
use super::writer::Appended;
use crate::error::{EngineError, Result};
use crate::format::record::{Owner, PAYLOAD_LEN_MAX};
use crate::mark::{self, Mark};
use crate::mutant::{self, Mutant};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Semaphore, oneshot};

/// Longer ones are stripes of their own.
const SHORT_LEN_MAX: usize = 256 << 10;

/// Gathered stripes that are written at once: the more, the fewer bodies find company.
const WRITERS_MAX: usize = 2;

/// Bodies in one stripe at most.
const OWNERS_MAX: usize = 256;

/// Bodies that wait; bounded by the requests, each has one at most.
pub(super) struct Gathering {
    waiting: Mutex<VecDeque<Waiting>>,
    writers: Semaphore,
}

impl Default for Gathering {
    fn default() -> Self {
        Self { waiting: Mutex::default(), writers: Semaphore::new(WRITERS_MAX) }
    }
}

struct Waiting {
    owners: Vec<Owner>,
    payload: Vec<Bytes>,
    len: usize,
    answer: oneshot::Sender<Result<Appended>>,
}

impl Gathering {
    fn push(&self, waiting: Waiting) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push_back(waiting);
    }

    /// Takes what fits into one stripe; nothing when others took it all.
    fn take(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut group: Vec<Waiting> = Vec::new();
        let (mut len, mut owner_count) = (0, 0);
        while let Some(next) = waiting.front() {
            len += next.len;
            owner_count += next.owners.len();
            if !group.is_empty() && (len > PAYLOAD_LEN_MAX || owner_count > OWNERS_MAX) {
                break;
            }
            // Whoever went away wants nothing written.
            group.extend(waiting.pop_front().filter(|next| !next.answer.is_closed()));
        }
        group
    }
}

impl VolumeSet {
    /// Writes bodies into the open volume, into the page caches only (V1).
    ///
    /// `owners` add up to `payload`, which is neither empty nor longer than [`PAYLOAD_LEN_MAX`].
    ///
    /// # Errors
    /// [`EngineError::OutOfSpace`]; [`EngineError::Closed`] when too few disks are left to write
    /// safely; I/O errors. What was written is garbage.
    pub async fn append(
        self: &Arc<Self>,
        owners: &[Owner],
        payload: Vec<Bytes>,
    ) -> Result<Appended> {
        let len = payload.iter().map(Bytes::len).sum();
        if len > SHORT_LEN_MAX {
            return self.append_stripe(owners, payload).await;
        }
        let (answer, outcome) = oneshot::channel();
        self.gathering.push(Waiting { owners: owners.to_vec(), payload, len, answer });
        // Whoever writes for others must not be dropped in the middle.
        let set = self.clone();
        tokio::spawn(async move { set.append_gathered().await });
        let gone = |_| EngineError::Closed("the writer of volumes ended".into());
        outcome.await.map_err(gone)?
    }

    async fn append_gathered(self: Arc<Self>) {
        let Ok(_writer) = self.gathering.writers.acquire().await else { return };
        let group = self.gathering.take();
        if group.is_empty() {
            return;
        }
        if group.len() > 1 {
            mark::hit(Mark::Gathered);
        }
        let owners: Vec<Owner> = group.iter().flat_map(|one| one.owners.iter().cloned()).collect();
        let payload = group.iter().flat_map(|one| one.payload.iter().cloned()).collect();
        let written = self.append_stripe(&owners, payload).await;
        let mut extents = match &written {
            Ok(appended) => appended.extents.clone(),
            Err(_) => Vec::new(),
        };
        if mutant::is(Mutant::MixGathered) {
            extents.reverse();
        }
        let mut extents = extents.into_iter();
        for one in group {
            let own = extents.by_ref().take(one.owners.len()).collect();
            let answer = match &written {
                Ok(appended) => Ok(Appended { extents: own, volume: appended.volume.clone() }),
                Err(error) => Err(error.clone()),
            };
            // Whoever went away leaves garbage.
            let _ = one.answer.send(answer);
        }
    }
}
