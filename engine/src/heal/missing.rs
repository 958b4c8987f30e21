//! Bodies that rows refer to and no volume gives: counted, loudly, and never removed.
//!
//! ```text
//! scrub: ranges of volumes that cannot be read -+
//! rows: which extents lie there, or nowhere ----+--> read them once more --> missing
//! every look at the disks: those again: somebody may have deleted them, or a disk came back
//! ```

use super::Healer;
use crate::error::{EngineError, Result};
use crate::format::value::{Extent, Value};
use crate::mark::{self, Mark};
use crate::mutant::{self, Mutant};
use crate::volume::Pace;
use bytes::Bytes;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

/// Rows that one look at the index reads.
const SCAN_ROWS: usize = 256;

/// Rows with missing bodies that are looked at again between rounds; of more only the number is
/// known until the next round.
const ROWS_MAX: usize = 1024;

/// A row key behind every other one.
const LAST_KEY: [u8; 40] = [0xff; 40];

/// Rows whose bodies are missing, and how many extents of each.
pub(super) type MissingRows = Vec<(Bytes, u64)>;

impl Healer {
    /// Looks for extents that no volume gives.
    pub(super) async fn find_missing(&self) -> Result<()> {
        let mut rows = MissingRows::new();
        let mut beyond = 0;
        let mut start = Bytes::new();
        loop {
            let page = self.store.scan(&start, &LAST_KEY, SCAN_ROWS).await?;
            for (key, value) in page.rows {
                let count = self.missing_of(&key, Some(value)).await?;
                if count == 0 {
                    continue;
                }
                // Once a round, not with every look.
                tracing::error!(row = ?key, extents = count, "no volume gives a row's body");
                match rows.len() < ROWS_MAX {
                    true => rows.push((key, count)),
                    false => beyond += count,
                }
            }
            let Some(resume) = page.resume else { break };
            start = resume;
            Pace { rate: self.config.repair_rate }.after(1 << 16).await;
        }
        self.set_missing(rows, beyond);
        Ok(())
    }

    /// Looks at those that were missing again.
    pub(super) async fn look_at_missing(&self) -> Result<()> {
        let known = self.missing_rows().clone();
        if known.is_empty() {
            return Ok(());
        }
        let mut rows = MissingRows::new();
        for (key, _) in &known {
            match self.missing_of(key, self.store.get(key).await?).await? {
                0 => {}
                count => rows.push((key.clone(), count)),
            }
        }
        let is_newer = *self.missing_rows() != known;
        if !is_newer {
            let beyond = self.progress.missing.load(Ordering::Relaxed) - count_of(&known);
            self.set_missing(rows, beyond);
        }
        Ok(())
    }

    fn set_missing(&self, rows: MissingRows, beyond: u64) {
        let mut known = self.missing_rows();
        self.progress.missing.store(count_of(&rows) + beyond, Ordering::Relaxed);
        *known = rows;
    }

    fn missing_rows(&self) -> std::sync::MutexGuard<'_, MissingRows> {
        self.progress.missing_rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Extents of a row that cannot be read. A row may have been moved or deleted since it was
    /// read: what is wrong is looked up again.
    async fn missing_of(&self, key: &Bytes, value: Option<Value>) -> Result<u64> {
        let is_doubtful = |extent: &&Extent| {
            let volume = self.store.volumes().get(extent.volume);
            volume.map_or(true, |volume| volume.may_be_lost(extent.offset))
        };
        let is_well = |value: &Value| !value.extents().iter().any(|it| is_doubtful(&it));
        if value.as_ref().is_none_or(is_well) || mutant::is(Mutant::HideMissing) {
            return Ok(0);
        }
        let Some(value) = self.store.get(key).await? else { return Ok(0) };
        let mut missing = 0;
        for extent in value.extents().iter().filter(is_doubtful) {
            missing += u64::from(self.is_missing(extent).await);
        }
        // It may have been moved while it was read.
        let is_same = |now: &Value| now.extents() == value.extents();
        if missing == 0 || !self.store.get(key).await?.as_ref().is_some_and(is_same) {
            return Ok(0);
        }
        mark::hit(Mark::MissingFound);
        Ok(missing)
    }

    async fn is_missing(&self, extent: &Extent) -> bool {
        match self.store.volumes().read(extent, 0..extent.len).await {
            Ok(_) => false,
            Err(EngineError::VolumeGone(_) | EngineError::Corrupt { .. }) => true,
            Err(error) => {
                tracing::debug!(%error, "a doubtful body was not read");
                true
            }
        }
    }
}

fn count_of(rows: &MissingRows) -> u64 {
    rows.iter().map(|(_, count)| count).sum()
}
