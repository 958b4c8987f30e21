//! Repair: volumes that lack something, lowest margin first (H1).

use super::Healer;
use crate::error::Result;
use crate::volume::{Healed, Pace, Volume, VolumeHealth};
use std::sync::{Arc, PoisonError};
use tokio::time::Instant;

impl Healer {
    /// Heals what can be healed now.
    pub(super) async fn repair(&self) {
        let _turn = self.repairing.lock().await;
        let mut wanted = self.wanted();
        self.note_beginning(!wanted.is_empty());
        // With every volume the world may have changed: the most urgent one comes next.
        let mut given_up = Vec::new();
        while let Some((volume, health)) = wanted.into_iter().next() {
            if let Err(error) = self.heal(&volume, &health).await {
                tracing::warn!(%error, volume = volume.id.0, "volume was not healed");
            }
            self.store.volumes().pass_on();
            given_up.push(volume.id);
            wanted = self.wanted();
            wanted.retain(|(volume, _)| !given_up.contains(&volume.id));
        }
    }

    /// Volumes that lack something, the most urgent first. The open one is left to its writer.
    fn wanted(&self) -> Vec<(Arc<Volume>, VolumeHealth)> {
        let volumes = self.store.volumes().all().into_iter();
        let mut wanted: Vec<_> = volumes
            .filter(|volume| volume.is_sealed())
            .map(|volume| {
                let health = volume.health();
                (volume, health)
            })
            .filter(|(_, health)| !health.is_whole())
            .collect();
        wanted.sort_by_key(|(volume, health)| (health.margin, volume.id));
        wanted
    }

    async fn heal(&self, volume: &Arc<Volume>, health: &VolumeHealth) -> Result<()> {
        let is_urgent = health.margin.is_none_or(|margin| margin == 0);
        let rate = if is_urgent { u64::MAX } else { self.config.repair_rate };
        let pace = Pace { rate };
        let volumes = self.store.volumes();
        self.count(volume.heal_notes().await?);
        let mut anew = Vec::new();
        let mut homeless = health.missing.clone();
        for column in &health.damaged {
            match volume.writable_disk(*column) {
                Some(_) if volume.is_readable_member(*column).await => {
                    self.count(volumes.heal_in_place(volume, *column, pace).await?);
                }
                // The file is gone or its first page is: another one on the same disk will do.
                Some(slot) => anew.push((*column, slot)),
                None => homeless.push(*column),
            }
        }
        let homes = volumes.disks_for(volume).await;
        anew.extend(homeless.into_iter().zip(homes));
        if !anew.is_empty() {
            self.count(volumes.heal_anew(volume, anew, pace).await?);
        }
        Ok(())
    }

    fn count(&self, healed: Healed) {
        if healed.lost > 0 {
            let lost = healed.lost;
            tracing::warn!(
                lost,
                "records that too few members have: a crash cut them off, or lost"
            );
        }
        self.progress.add(&healed);
    }

    fn note_beginning(&self, is_busy: bool) {
        let mut began = self.progress.began.lock().unwrap_or_else(PoisonError::into_inner);
        match (&*began, is_busy) {
            (None, true) => *began = Some((Instant::now(), self.store.volumes().passed_lens().0)),
            (Some(_), false) => *began = None,
            _ => {}
        }
    }
}
