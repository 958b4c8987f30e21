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

use super::{MANIFEST_PATH, MetaStore};
use crate::disks::{Slot, quorum};
use crate::error::{EngineError, Result};
use crate::index::RUN_DIR;
use crate::mark::{self, Mark};
use crate::mutant::{self, Mutant};
use std::io;
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
        let needed = self.leg_len();
        let spaces = self.disks.fit_spaces().await.into_iter();
        let fits = spaces.filter(|(slot, space)| {
            !legs.iter().any(|leg| leg.number == slot.number) && space.free >= needed
        });
        let best = fits.max_by_key(|(_, space)| space.free);
        let Some((slot, _)) = best else {
            return Ok(false);
        };
        slot.begin_filling();
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
        mark::hit(Mark::LegFilled);
        tracing::info!(disk = slot.place, legs = legs.len() + 1, "disk holds the metadata, too");
        Ok(true)
    }

    /// Bytes that a disk must have free to become a leg: everything there is, a new ring of the
    /// journal, and what the background leaves to the next checkpoints.
    fn leg_len(&self) -> u64 {
        let runs_len: u64 = self.index.runs().iter().map(|run| run.len).sum();
        runs_len + self.config.start_len() + self.config.reserve_len / 4
    }

    /// Drops legs on which a live run or the manifest has no file by its name any more: they would
    /// be dropped at the next start, when others may be gone. Returns how many.
    ///
    /// # Errors
    /// [`EngineError::Closed`] when too few disks are left.
    pub async fn drop_nameless_legs(&self) -> Result<u64> {
        let legs = self.disks.legs();
        let _merging = self.merging.lock().await;
        let runs: Vec<u64> = self.index.runs().iter().map(|run| run.id).collect();
        let mut lame = Vec::new();
        for slot in &legs {
            let Ok(names) = slot.disk.list(RUN_DIR).await else { continue };
            let runs = runs.iter().map(|id| format!("{id:016x}"));
            let unlisted = runs.filter(|name| !names.contains(name));
            let doubtful = unlisted.map(|name| format!("{RUN_DIR}/{name}"));
            let mut vanished = None;
            for path in doubtful.chain([MANIFEST_PATH.to_owned()]) {
                if is_missing(slot, &path).await {
                    vanished = Some(path);
                }
            }
            if let Some(path) = vanished.or(self.vanished_journal(slot).await) {
                mark::hit(Mark::VanishedFile);
                tracing::error!(path, disk = slot.place, "a file of the metadata vanished");
                lame.push(slot.clone());
            }
        }
        if lame.is_empty() || lame.len() == legs.len() {
            return Ok(0);
        }
        self.disks.drop_lame_legs(&lame).await?;
        Ok(lame.len() as u64)
    }

    /// A file of the journal that the leg has no more by its name.
    async fn vanished_journal(&self, slot: &Slot) -> Option<String> {
        let journal = self.journal()?;
        for path in journal.paths().await.ok()? {
            // The ring may have done without it in the meantime.
            if is_missing(slot, &path).await
                && journal.paths().await.is_ok_and(|paths| paths.contains(&path))
            {
                return Some(path);
            }
        }
        None
    }

    /// Looks at every copy of the manifest, and moves what was in the journal before that batch to
    /// where scrub sees it. Returns how many copies were bad; they are written again.
    ///
    /// # Errors
    /// I/O errors; the next round tries again.
    pub async fn scrub_metadata(&self, sequence: u64) -> Result<u64> {
        let bad = self.registry.scrub(&self.disks.legs()).await?;
        if self.checkpointed.load(Ordering::Acquire) < sequence {
            self.checkpoint().await?;
        }
        Ok(bad)
    }

    /// The newest batch that rows contain.
    pub fn applied_sequence(&self) -> u64 {
        self.applied_sequence.load(Ordering::Acquire)
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

    /// Whether writes come back only with another start, which would find what it needs: every copy
    /// of the metadata was left out, a lone disk failed, or rows hold a batch in part, and the
    /// disks are well again. What was acknowledged is on them; what is in memory is no more.
    pub async fn wants_start(&self) -> bool {
        let is_failed = self.journal().is_some_and(|journal| journal.is_failed());
        let is_alone = self.disks.roster().disks.len() == 1;
        let is_stuck = match is_alone {
            true => is_failed,
            false => self.disks.legs().is_empty(),
        };
        if !is_stuck && !self.is_poisoned() || mutant::is(Mutant::StayClosed) {
            return false;
        }
        let is_wanted = self.disks.could_start().await;
        if is_wanted {
            mark::hit(Mark::StartWanted);
        }
        is_wanted
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

async fn is_missing(slot: &Slot, path: &str) -> bool {
    let opened = slot.disk.open(path).await;
    opened.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}
