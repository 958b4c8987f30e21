//! Many engines as one `ObjectStore`.

use engine::env::{Disk, Env};
use engine::object::{ObjectStore, StoreError};
use std::sync::Arc;

/// Sizes and limits of a node.
#[derive(Clone, Debug, Default)]
pub struct NodeConfig {}

/// One running node.
pub struct Node {}

impl Node {
    /// Opens a node on its disks: recovers what is there, creates what is not.
    ///
    /// # Errors
    /// When a disk cannot be read or holds another node's data.
    pub async fn open(
        _config: NodeConfig,
        _disks: Vec<Arc<dyn Disk>>,
        _env: Env,
    ) -> Result<Self, StoreError> {
        Err(StoreError::Unavailable("not built yet".into()))
    }

    /// The store that this node serves.
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        unreachable!("not built yet")
    }

    /// Finishes what runs, makes everything durable, stops the background work.
    pub async fn shutdown(&self) {}
}
