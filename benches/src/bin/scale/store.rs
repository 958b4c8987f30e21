//! A node inside this process on counted disks, and the calls that the runs need.

use crate::count::{CountingDisk, Traffic};
use crate::objects;
use crate::process;
use cluster::{Node, NodeConfig};
use engine::disks::{DiskAt, quorum};
use engine::env::real::{RealDisk, env};
use engine::erasure::parity_default;
use engine::object::{
    Address, Lock, ObjectAttributes, ObjectStore, PutRequest, StoreError, StoreStatus,
    WriteCondition,
};
use futures_util::TryStreamExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Why a run ends early, in one line.
pub type Failure = String;

/// Figures stay as they are for so long when a store has settled.
const CALM: Duration = Duration::from_secs(12);

/// A store that has not settled by then is taken as it is.
const SETTLE_MAX: Duration = Duration::from_secs(180);

/// Disks in directories, counted.
///
/// # Errors
/// One line.
pub fn disks(directories: &[PathBuf], traffic: &Arc<Traffic>) -> Result<Vec<DiskAt>, Failure> {
    let open = |directory: &PathBuf| {
        let disk = RealDisk::open(directory).map_err(|error| error.to_string())?;
        let disk = CountingDisk { disk, traffic: traffic.clone() };
        Ok(DiskAt::new(directory.to_string_lossy(), Arc::new(disk)))
    };
    directories.iter().map(open).collect()
}

/// A node on directories.
pub struct Store {
    /// The node.
    pub node: Node,
    /// What it serves.
    pub objects: Arc<dyn ObjectStore>,
    /// What passed to its disks.
    pub traffic: Arc<Traffic>,
    /// Where they are.
    pub directories: Vec<PathBuf>,
}

impl Store {
    /// Opens a node, recovery included.
    ///
    /// # Errors
    /// One line.
    pub async fn open(config: NodeConfig, directories: Vec<PathBuf>) -> Result<Self, Failure> {
        let traffic = Arc::new(Traffic::default());
        let disks = disks(&directories, &traffic)?;
        let node = Node::open(config, disks, env()).await.map_err(|error| error.to_string())?;
        let objects = node.store();
        Ok(Self { node, objects, traffic, directories })
    }

    /// The store's own figures.
    ///
    /// # Errors
    /// One line.
    pub async fn status(&self) -> Result<StoreStatus, Failure> {
        self.objects.status().await.map_err(|error| error.to_string())
    }

    /// Waits until nothing of the background changes figures any more.
    ///
    /// # Errors
    /// One line.
    pub async fn settle(&self) -> Result<(), Failure> {
        let began = Instant::now();
        let mut calm_since = began;
        let mut before = Vec::new();
        while calm_since.elapsed() < CALM && began.elapsed() < SETTLE_MAX {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let status = self.status().await?;
            let costs = self.traffic.costs();
            let now = [status.live_len, status.segments_len, costs[1].written, costs[2].written];
            if before != now {
                before = now.to_vec();
                calm_since = Instant::now();
            }
        }
        Ok(())
    }

    /// Copies of the metadata that a store on so many disks keeps.
    pub fn leg_count(&self) -> usize {
        let count = self.directories.len();
        quorum::leg_count(count, parity_default(count))
    }

    /// Blocks of the files, by kind.
    pub fn on_disk(&self) -> [u64; crate::count::KINDS.len()] {
        process::on_disk(&self.directories)
    }
}

/// A figure of the store by its name, 0 for one that it does not tell.
pub fn metric(status: &StoreStatus, name: &str) -> u64 {
    let found = status.metrics.iter().find(|(known, _, _)| *known == name);
    found.map_or(0, |(_, _, value)| *value)
}

/// Puts an object.
///
/// # Errors
/// What the store says.
pub async fn put(store: &dyn ObjectStore, number: u64, len: usize) -> Result<(), StoreError> {
    let request = PutRequest {
        bucket: objects::bucket(),
        key: objects::key(number),
        attributes: ObjectAttributes::default(),
        condition: WriteCondition::None,
        lock: Lock::default(),
        len: Some(len as u64),
    };
    store.put(request, objects::body(number, len)).await.map(|_| ())
}

/// Reads an object and compares it with what was written.
///
/// # Errors
/// One line, also when it differs.
pub async fn check(store: &dyn ObjectStore, number: u64) -> Result<(), Failure> {
    let name = objects::key_text(number);
    let failed = |error: StoreError| format!("{name}: {error}");
    let reader = store
        .get(Address::current(objects::bucket(), objects::key(number)))
        .await
        .map_err(failed)?;
    let size = reader.info().size;
    let pieces: Vec<_> = reader.read(0..size).try_collect().await.map_err(failed)?;
    let is_whole = pieces.concat() == objects::content(number, size as usize);
    if is_whole { Ok(()) } else { Err(format!("{name} differs")) }
}
