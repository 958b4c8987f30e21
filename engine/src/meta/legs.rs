//! Keeping as many copies of the metadata as there should be: a disk is filled while writes go on,
//! then becomes a leg.
//!
//! ```text
//! empty it -> take part in what is created -> journal goes on in files that it has
//!   -> checkpoint: older files are needed no more -> copy the runs -> manifest -> roster
//! ```
//!
//! Until the roster says so, the disk counts for nothing; when it fails on the way, nothing
//! happened.

use super::MetaStore;
use crate::disks::{Slot, quorum};
use crate::error::{EngineError, Result};
use crate::index::RUN_DIR;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Checkpoints that one filling waits for at most.
const CHECKPOINTS_MAX: usize = 100;

/// Pause between looks at what is applied.
const PAUSE: Duration = Duration::from_millis(20);

impl MetaStore {
    /// Adds a leg when there are fewer than there should be. Returns whether one was added.
    ///
    /// # Errors
    /// When the disk that was to be filled fails; another call tries another one.
    pub async fn tend_legs(&self) -> Result<bool> {
        let roster = self.disks.roster();
        let wanted = quorum::leg_count(roster.disks.len(), roster.parity);
        let legs = self.disks.legs();
        if legs.len() >= wanted || !self.disks.is_changeable() || self.is_poisoned() {
            return Ok(false);
        }
        let spaces = self.disks.spaces().await.into_iter();
        let fits = spaces.filter(|(slot, space)| {
            let is_leg = legs.iter().any(|leg| leg.number == slot.number);
            let is_active =
                roster.disks.iter().any(|disk| disk.number == slot.number && disk.is_active);
            !is_leg && is_active && slot.is_healthy() && space.is_some()
        });
        let best = fits.max_by_key(|(_, space)| space.map_or(0, |space| space.free));
        let Some((slot, _)) = best else {
            return Ok(false);
        };
        self.clear_leg(&*slot.disk).await?;
        self.mirror.begin_joining(slot.clone());
        let filled = self.fill_leg(&slot).await;
        let is_whole = self.mirror.is_joining();
        let outcome = match filled {
            Ok(()) if is_whole => self.disks.promote(&slot).await,
            Ok(()) => Err(EngineError::Closed("the disk failed while it was filled".into())),
            Err(error) => Err(error),
        };
        self.mirror.end_joining();
        outcome?;
        tracing::info!(disk = slot.place, legs = legs.len() + 1, "disk holds the metadata, too");
        Ok(true)
    }

    async fn fill_leg(&self, slot: &Arc<Slot>) -> Result<()> {
        let journal = self.journal().expect("the store is open");
        if journal.is_failed() {
            self.begin_generation().await?;
        } else {
            let upto = journal.rotate().await?;
            self.checkpoint_upto(upto).await?;
        }
        // Most of it while the index changes, the rest while it stands still.
        self.copy_runs(slot).await?;
        let _checkpointing = self.checkpointing.lock().await;
        let _merging = self.merging.lock().await;
        self.copy_runs(slot).await?;
        self.registry.publish(|_| {}).await
    }

    /// Begins a new generation of a journal that failed, once there are copies enough to write to.
    /// A lone disk that failed waits for a start.
    ///
    /// # Errors
    /// I/O errors; another call tries again.
    pub async fn revive(&self) -> Result<()> {
        let is_failed = self.journal().is_some_and(|journal| journal.is_failed());
        let is_alone = self.disks.roster().disks.len() == 1;
        if !is_failed || is_alone || self.is_poisoned() || !self.disks.is_writable() {
            return Ok(());
        }
        self.begin_generation().await
    }

    /// Writes checkpoints until one contains that batch.
    pub(super) async fn checkpoint_upto(&self, sequence: u64) -> Result<()> {
        for _ in 0..CHECKPOINTS_MAX {
            if self.checkpointed.load(Ordering::Acquire) >= sequence {
                return Ok(());
            }
            self.checkpoint().await?;
            tokio::time::sleep(PAUSE).await;
        }
        Err(EngineError::Closed("the checkpoint does not come forward".into()))
    }

    /// Copies runs that the disk does not have.
    async fn copy_runs(&self, slot: &Slot) -> Result<()> {
        let list = slot.disk.list(RUN_DIR).await;
        let names = list.map_err(EngineError::io("list", RUN_DIR))?;
        let runs = self.index.runs();
        let missing = runs.iter().filter(|run| !names.contains(&format!("{:016x}", run.id)));
        for run in missing {
            run.copy_to(&*slot.disk).await?;
        }
        Ok(())
    }
}
