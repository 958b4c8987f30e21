//! The log of a node alone: the journal's order is the log's order.
//!
//! ```text
//! propose --> queue --> commit task: what waits -> journal --> queue --> apply task: apply, answer
//! ```
//!
//! Two tasks, so that one batch is applied while the next one is being synced. Answers come after
//! apply, apply after the sync: whoever reads after an answer sees the change, and nobody sees what
//! is not durable.

use super::apply::apply;
use super::command::{Command, Success};
use super::{LogError, LogReply, MetaLog};
use crate::rows::PARTITION;
use bytes::Bytes;
use engine::EngineError;
use engine::format::batch::JournalRecord;
use engine::meta::{MetaStore, Opening};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Commands that wait at most; more wait in their callers.
const QUEUE_LEN_MAX: usize = 4096;

/// Commands in one batch at most.
const BATCH_COUNT_MAX: usize = 1024;

/// Bytes of commands in one batch at most, unless the first one alone is longer.
const BATCH_LEN_MAX: usize = 2 << 20;

/// Batches between commit and apply at most.
const APPLY_QUEUE_LEN: usize = 4;

struct Proposal {
    command: Command,
    body: Bytes,
    record: JournalRecord,
    answer: oneshot::Sender<Result<Success, LogError>>,
}

struct Committed {
    sequence: u64,
    proposals: Vec<Proposal>,
}

/// The log of a node alone.
pub struct LocalMetaLog {
    queue: mpsc::Sender<Proposal>,
}

impl LocalMetaLog {
    /// Starts the log over an open store, whose journal is replayed. Its tasks end with the log.
    pub fn start(store: Arc<MetaStore>) -> Self {
        let (queue, proposals) = mpsc::channel(QUEUE_LEN_MAX);
        let (committed, to_apply) = mpsc::channel(APPLY_QUEUE_LEN);
        tokio::spawn(commit_task(store.clone(), proposals, committed));
        tokio::spawn(apply_task(store, to_apply));
        Self { queue }
    }
}

impl MetaLog for LocalMetaLog {
    fn propose(&self, command: Command, body: Bytes) -> LogReply<'_, Success> {
        let record = command.encode(u32::from(PARTITION), &body);
        Box::pin(async move {
            let (answer, outcome) = oneshot::channel();
            let proposal = Proposal { command, body, record, answer };
            self.queue.send(proposal).await.map_err(|_| closed())?;
            outcome.await.map_err(|_| closed())?
        })
    }

    fn linearize(&self) -> LogReply<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}

fn closed() -> LogError {
    LogError::Engine(EngineError::Closed("the log ended".into()))
}

async fn commit_task(
    store: Arc<MetaStore>,
    mut queue: mpsc::Receiver<Proposal>,
    committed: mpsc::Sender<Committed>,
) {
    let mut carried = None;
    loop {
        let first = match carried.take() {
            Some(proposal) => proposal,
            None => match queue.recv().await {
                Some(proposal) => proposal,
                None => return,
            },
        };
        let len_max = BATCH_LEN_MAX.min(store.batch_payload_max());
        let (proposals, next) = gather(first, &mut queue, len_max);
        carried = next;
        let records = proposals.iter().map(|proposal| proposal.record.clone()).collect();
        match store.append(records).await {
            Ok(sequence) => {
                let is_gone = committed.send(Committed { sequence, proposals }).await.is_err();
                if is_gone {
                    return;
                }
            }
            Err(error) => refuse_all(proposals, &error),
        }
    }
}

fn gather(
    first: Proposal,
    queue: &mut mpsc::Receiver<Proposal>,
    len_max: usize,
) -> (Vec<Proposal>, Option<Proposal>) {
    let mut total = first.record.encoded_len();
    let mut proposals = vec![first];
    while proposals.len() < BATCH_COUNT_MAX {
        let Ok(proposal) = queue.try_recv() else {
            break;
        };
        total += proposal.record.encoded_len();
        if total > len_max {
            return (proposals, Some(proposal));
        }
        proposals.push(proposal);
    }
    (proposals, None)
}

fn refuse_all(proposals: Vec<Proposal>, error: &EngineError) {
    for proposal in proposals {
        // Whoever no longer waits has left the outcome open.
        let _ = proposal.answer.send(Err(LogError::Engine(error.clone())));
    }
}

async fn apply_task(store: Arc<MetaStore>, mut queue: mpsc::Receiver<Committed>) {
    while let Some(Committed { sequence, proposals }) = queue.recv().await {
        let mut turn = store.apply_turn().await;
        let mut answers = Vec::with_capacity(proposals.len());
        for Proposal { command, body, answer, .. } in proposals {
            match apply(&store, &mut turn, command, body).await {
                Err(LogError::Engine(error)) => {
                    // Going on would leave a hole in the order of changes; the journal keeps them
                    // for the next start.
                    tracing::error!(%error, "cannot apply the log; no more writes are taken");
                    return;
                }
                outcome => answers.push((answer, outcome)),
            }
        }
        turn.finish(sequence);
        for (answer, outcome) in answers {
            let _ = answer.send(outcome);
        }
    }
}

/// Applies the journal's tail at a start.
///
/// # Errors
/// [`EngineError::Corrupt`] for a record that is no command; what reading rows fails with.
pub async fn replay(opening: &mut Opening) -> Result<(), EngineError> {
    while let Some(batch) = opening.next_batch().await? {
        let store = opening.store();
        let mut turn = store.apply_turn().await;
        for record in &batch.records {
            let (command, body) = Command::decode(record)
                .map_err(|_| EngineError::corrupt("command", "journal", batch.sequence))?;
            if let Err(LogError::Engine(error)) = apply(store, &mut turn, command, body).await {
                return Err(error);
            }
        }
        turn.finish(batch.sequence);
    }
    Ok(())
}
