//! Many clients at once: each takes the next piece of work until there is none, or one fails.

use crate::objects;
use crate::store::{self, Failure};
use engine::object::{DeleteRequest, ObjectStore, WriteCondition};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// What a client does with an object.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    /// Puts a body of so many bytes.
    Put {
        /// Bytes.
        len: usize,
    },
    /// Deletes it.
    Delete,
}

/// A range of work for several clients.
#[derive(Clone)]
pub struct Load {
    /// Positions that are worked through.
    pub positions: Range<u64>,
    /// Objects in all: numbers are scattered over them.
    pub count: u64,
    /// Clients at once.
    pub clients: u64,
    /// What is done.
    pub work: Work,
    /// Shares of all numbers, in percent: only these are worked on.
    pub percent: Range<u64>,
}

/// What a load took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// Operations.
    pub count: u64,
    /// All of it.
    pub elapsed: Duration,
    /// The slowest operation.
    pub slowest: Duration,
}

/// Works a load off.
///
/// # Errors
/// The first failure, in one line.
pub async fn run(objects: &Arc<dyn ObjectStore>, load: Load) -> Result<Outcome, Failure> {
    let began = Instant::now();
    let next = Arc::new(AtomicU64::new(load.positions.start));
    let clients: Vec<_> = (0..load.clients)
        .map(|_| tokio::spawn(client(objects.clone(), load.clone(), next.clone())))
        .collect();
    let mut outcome = Outcome::default();
    for client in clients {
        let done = client.await.map_err(|error| error.to_string())??;
        outcome.count += done.count;
        outcome.slowest = outcome.slowest.max(done.slowest);
    }
    outcome.elapsed = began.elapsed();
    Ok(outcome)
}

async fn client(
    objects: Arc<dyn ObjectStore>,
    load: Load,
    next: Arc<AtomicU64>,
) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::default();
    loop {
        let position = next.fetch_add(1, Ordering::Relaxed);
        if position >= load.positions.end {
            return Ok(outcome);
        }
        let number = match position < load.count {
            true => objects::scattered(position, load.count),
            false => position,
        };
        if !load.percent.contains(&(number % 100)) {
            continue;
        }
        let began = Instant::now();
        let done = match load.work {
            Work::Put { len } => store::put(&*objects, number, len).await,
            Work::Delete => {
                let key = objects::key(number);
                objects
                    .delete(DeleteRequest::current(objects::bucket(), key, WriteCondition::None))
                    .await
                    .map(|_| ())
            }
        };
        done.map_err(|error| format!("{:?} of {number}: {error}", load.work))?;
        outcome.slowest = outcome.slowest.max(began.elapsed());
        outcome.count += 1;
    }
}
