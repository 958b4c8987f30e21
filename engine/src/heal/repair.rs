//! Repair: volumes that lack something, lowest margin first (H1).

use super::Healer;
use crate::disks::Slot;
use crate::env::DiskSpace;
use crate::error::Result;
use crate::format::value::VolumeId;
use crate::mark::{self, Mark};
use crate::mutant::{self, Mutant};
use crate::volume::{Healed, Pace, Presence, Volume, VolumeHealth};
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, PoisonError};
use tokio::time::Instant;

/// Room on the disks that take something new.
type Spaces = [(Arc<Slot>, DiskSpace)];

impl Healer {
    /// Heals what can be healed now. Volumes that wait for disks cost nothing but the look at them,
    /// however many there are.
    pub(super) async fn repair(&self) {
        let _turn = self.repairing.lock().await;
        let mut given_up = BTreeSet::new();
        let mut wanted = self.wanted(&given_up);
        self.note_beginning(!wanted.is_empty());
        if wanted.is_empty() {
            return;
        }
        let mut spaces = self.store.disks().fit_spaces().await;
        while let Some((volume, health)) = wanted.pop_front() {
            given_up.insert(volume.id);
            let is_hopeless = !self.can_be_healed(&volume, &health, &spaces);
            if is_hopeless && !mutant::is(Mutant::AskForEach) {
                continue;
            }
            if let Err(error) = self.heal(&volume, &health).await {
                tracing::warn!(%error, volume = volume.id.0, "volume was not healed");
            }
            self.store.volumes().pass_on();
            // Meanwhile the world may have changed: the most urgent one comes next.
            wanted = self.wanted(&given_up);
            spaces = self.store.disks().fit_spaces().await;
        }
    }

    /// Whether something of a volume can be healed where it is, or somewhere else.
    fn can_be_healed(&self, volume: &Volume, health: &VolumeHealth, spaces: &Spaces) -> bool {
        let is_writable = |column: &usize| volume.writable_disk(*column).is_some();
        health.notes > 0
            || health.damaged.iter().any(is_writable)
            || !self.store.volumes().disks_for(volume, spaces).is_empty()
    }

    /// Volumes that lack something, the most urgent first, without those that had their turn. The
    /// open one is left to its writer.
    fn wanted(&self, given_up: &BTreeSet<VolumeId>) -> VecDeque<(Arc<Volume>, VolumeHealth)> {
        let volumes = self.store.volumes().all().into_iter();
        let mut wanted: Vec<_> = volumes
            .filter(|volume| volume.is_sealed() && !given_up.contains(&volume.id))
            .map(|volume| {
                let health = volume.health();
                (volume, health)
            })
            .filter(|(_, health)| !health.is_whole())
            .collect();
        wanted.sort_by_key(|(volume, health)| (health.margin, volume.id));
        wanted.into()
    }

    async fn heal(&self, volume: &Arc<Volume>, health: &VolumeHealth) -> Result<()> {
        let is_urgent = health.margin.is_none_or(|margin| margin == 0);
        let rate = if is_urgent { u64::MAX } else { self.config.repair_rate };
        let pace = Pace { rate };
        let volumes = self.store.volumes();
        if volume.is_pausing() {
            return Ok(());
        }
        self.count(volume.heal_notes().await?);
        let mut anew = Vec::new();
        let mut homeless = health.missing.clone();
        let mut presences = Vec::new();
        for column in &health.missing {
            presences.push(volume.presence(*column).await);
        }
        for column in &health.damaged {
            let presence = volume.presence(*column).await;
            presences.push(presence);
            match volume.writable_disk(*column) {
                Some(_) if presence == Presence::There => {
                    self.count(volumes.heal_in_place(volume, *column, pace).await?);
                }
                // The file is gone or its first page is: another one on the same disk will do.
                Some(slot) => anew.push((*column, slot)),
                None => homeless.push(*column),
            }
        }
        if volumes.must_wait(volume, &presences) || volume.is_pausing() {
            mark::hit(Mark::UnreadAwaited);
            return Ok(());
        }
        let homes = volumes.disks_for(volume, &self.store.disks().fit_spaces().await);
        anew.extend(homeless.into_iter().zip(homes));
        if !anew.is_empty() {
            self.count(volumes.heal_anew(volume, anew, pace).await?);
        }
        if !volume.is_pausing() {
            volume.forget_unread();
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
        if healed.unread > 0 {
            tracing::warn!(
                places = healed.unread,
                "a volume waits for what cannot be read just now"
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
