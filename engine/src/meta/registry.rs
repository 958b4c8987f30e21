//! The manifest of a node, on all legs, and the ids that it hands out.

use super::open::load_manifest;
use crate::disks::{Slot, write_replacing};
use crate::error::{EngineError, Result};
use crate::format::manifest::Manifest;
use crate::format::value::VolumeId;
use crate::mark::{self, Mark};
use crate::mirror::Mirror;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// File that holds the manifest.
pub const MANIFEST_PATH: &str = "manifest";
pub(crate) const MANIFEST_NEW_PATH: &str = "manifest.tmp";

/// Ids that every start skips, durably before it uses one: files of ids that never came into the
/// manifest may lie on disks, also on absent ones.
pub(super) const ID_SKIP: u64 = 1 << 16;

/// The newest durable manifest, and who changes it.
pub struct Registry {
    mirror: Mirror,
    deployment_id: u128,
    manifest: tokio::sync::Mutex<Manifest>,
    next_run_id: AtomicU64,
    next_volume_id: AtomicU64,
}

impl Registry {
    /// Goes on with a manifest that was read; ids of runs go on behind every file.
    pub fn new(mirror: Mirror, deployment_id: u128, manifest: Manifest, last_run_id: u64) -> Self {
        let next_run_id = AtomicU64::new(manifest.next_run_id.max(last_run_id + 1));
        let next_volume_id = AtomicU64::new(manifest.next_volume_id);
        let manifest = tokio::sync::Mutex::new(manifest);
        Self { mirror, deployment_id, manifest, next_run_id, next_volume_id }
    }

    /// The newest durable manifest.
    pub async fn manifest(&self) -> Manifest {
        self.manifest.lock().await.clone()
    }

    /// An id for a new run.
    pub fn take_run_id(&self) -> u64 {
        self.next_run_id.fetch_add(1, Ordering::Relaxed)
    }

    /// An id for a new volume.
    pub fn take_volume_id(&self) -> VolumeId {
        VolumeId(self.next_volume_id.fetch_add(1, Ordering::Relaxed))
    }

    /// Replaces the manifest by an edited copy, durably on all legs.
    ///
    /// # Errors
    /// I/O errors: then either manifest may be what the next start finds.
    ///
    /// # Cancel safety
    /// It goes on as a task of its own: two changes never mix.
    pub async fn publish(
        self: &Arc<Self>,
        edit: impl FnOnce(&mut Manifest) + Send + 'static,
    ) -> Result<()> {
        let registry = self.clone();
        let published = tokio::spawn(async move { registry.publish_now(edit).await });
        let stopped = |error: tokio::task::JoinError| EngineError::Closed(error.to_string());
        published.await.map_err(stopped)?
    }

    /// Compares the copies of the manifest with what it should be, and writes it again where one is
    /// not. Returns how many were bad.
    ///
    /// # Errors
    /// As [`Registry::publish`].
    pub async fn scrub(self: &Arc<Self>, legs: &[Arc<Slot>]) -> Result<u64> {
        let mut bad = 0;
        {
            let manifest = self.manifest.lock().await;
            for leg in legs {
                let is_bad = match load_manifest(&*leg.disk, self.deployment_id).await {
                    Ok(copy) => copy != *manifest,
                    Err(error) => matches!(error, EngineError::Corrupt { .. }),
                };
                if is_bad {
                    mark::hit(Mark::ScrubManifest);
                    tracing::warn!(disk = leg.place, "copy of the manifest is damaged");
                    leg.count_rot();
                    bad += 1;
                }
            }
        }
        if bad > 0 {
            self.publish(|_| {}).await?;
        }
        Ok(bad)
    }

    async fn publish_now(&self, edit: impl FnOnce(&mut Manifest) + Send) -> Result<()> {
        let mut manifest = self.manifest.lock().await;
        // Also after a failure the number is used up: a leg may have that manifest.
        manifest.sequence += 1;
        let mut next = manifest.clone();
        edit(&mut next);
        next.next_run_id = self.next_run_id.load(Ordering::Relaxed);
        next.next_volume_id = self.next_volume_id.load(Ordering::Relaxed);
        let bytes = next.encode(self.deployment_id);
        write_replacing(&self.mirror, MANIFEST_NEW_PATH, MANIFEST_PATH, bytes).await?;
        *manifest = next;
        Ok(())
    }
}
