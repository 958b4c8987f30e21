//! Scrub: reads everything, slowly, to find rot before a client does. It reports; repair acts.
//!
//! A round goes through the manifest and the runs of the index on every leg, through every stripe
//! of every sealed volume on every member, and from the rows to the volumes (`missing.rs`).

use super::Healer;
use crate::format::PAGE_LEN;
use crate::format::value::VolumeId;
use crate::mark::{self, Mark};
use crate::volume::{CheckedStripe, LostRanges, Pace};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// Least time that a round takes, so that an empty store is not looked at without a pause.
const ROUND_MIN: Duration = Duration::from_secs(1);

/// How far a round is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Position {
    pub(crate) began: Option<Instant>,
    pub(crate) read_len: u64,
    pub(crate) round_len: u64,
}

impl Healer {
    /// One round through everything.
    pub(super) async fn scrub_round(&self) {
        let volumes = self.store.volumes().all();
        let volumes_len: u64 =
            volumes.iter().map(|volume| volume.len() * volume.geometry.width() as u64).sum();
        let ids: Vec<VolumeId> =
            volumes.iter().filter(|it| it.is_sealed()).map(|it| it.id).collect();
        drop(volumes);
        let runs = self.store.index().runs();
        let runs_len: u64 = runs.iter().map(|run| run.len).sum();
        let round_len = volumes_len + runs_len * self.store.disks().legs().len() as u64;
        let began = Some(Instant::now());
        *self.scrub_position() = super::scrub::Position { began, read_len: 0, round_len };
        let seconds = self.config.scrub_interval.as_secs().max(1);
        let rate = (round_len / seconds).max(self.config.scrub_rate_min);
        self.look_for_names().await;
        self.scrub_metadata().await;
        let mut is_readable = true;
        for run in runs.iter() {
            match run.scrub().await {
                Ok(len) => self.advance(len, rate).await,
                Err(error) => {
                    is_readable = false;
                    self.progress.damaged.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(%error, "a run of the index is damaged on every leg");
                }
            }
        }
        drop(runs);
        for id in ids {
            self.scrub_volume(id, rate).await;
        }
        if let Err(error) = self.find_missing().await {
            is_readable = false;
            tracing::warn!(%error, "rows could not be held against volumes");
        }
        self.progress.is_index_damaged.store(!is_readable, Ordering::Relaxed);
        self.progress.rounds.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(ROUND_MIN).await;
    }

    /// The manifest, and what lies in the journal since the last round: a checkpoint moves it to
    /// where it is looked at.
    async fn scrub_metadata(&self) {
        let applied = self.store.applied_sequence();
        let known = self.progress.applied.swap(applied, Ordering::Relaxed);
        match self.store.scrub_metadata(known).await {
            Ok(bad) => _ = self.progress.damaged.fetch_add(bad, Ordering::Relaxed),
            Err(error) => tracing::warn!(%error, "the metadata was not looked at as a whole"),
        }
    }

    /// Files that are open and have no name any more are damage, too.
    async fn look_for_names(&self) {
        let mut count = 0;
        for slot in self.store.disks().slots().iter().filter(|slot| slot.is_healthy()) {
            count += self.store.volumes().find_nameless(slot).await;
        }
        match self.store.drop_nameless_legs().await {
            Ok(legs) => count += legs,
            Err(error) => tracing::warn!(%error, "a copy of the metadata is not dropped"),
        }
        self.progress.damaged.fetch_add(count, Ordering::Relaxed);
    }

    async fn advance(&self, len: u64, rate: u64) {
        self.scrub_position().read_len += len;
        Pace { rate }.after(len).await;
    }

    /// Who holds a volume keeps reclaim away: only as long as one stripe is looked at.
    async fn scrub_volume(&self, id: VolumeId, rate: u64) {
        let mut next = PAGE_LEN;
        let mut lost = LostRanges::default();
        while let Ok(volume) = self.store.volumes().get(id) {
            let begin = next;
            let Some((offset, shape)) = volume.next_shape(&mut next).await else {
                // Nor does anything lie behind the end, also where that could not be found.
                lost.push(begin..u64::MAX);
                volume.set_lost(lost);
                return;
            };
            lost.push(begin..offset);
            let CheckedStripe { bad, is_lost } = volume.check_stripe(offset, &shape).await;
            if is_lost {
                lost.push(offset..next);
            }
            if !bad.is_empty() {
                mark::hit(Mark::ScrubFound);
            }
            if bad.is_empty() && !volume.is_parity_consistent(offset, &shape).await {
                let offset = format!("{offset:#x}");
                tracing::error!(volume = id.0, offset, "parity is not that of the data");
                self.progress.damaged.fetch_add(1, Ordering::Relaxed);
            }
            self.progress.damaged.fetch_add(bad.len() as u64, Ordering::Relaxed);
            drop(volume);
            self.advance(shape.stripe_len() * shape.columns.len() as u64, rate).await;
        }
    }
}
