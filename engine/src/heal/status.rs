//! The one answer to "how is it": disks, margins, repair, scrub, space.

use super::Healer;
use crate::disks::{Slot, quorum};
use crate::env::DiskSpace;
use crate::error::Result;
use crate::object::status::{
    DiskState, DiskStatus, RepairStatus, ScrubStatus, StoreStatus, VolumesAtMargin,
};
use crate::volume::VolumeHealth;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

impl Healer {
    /// The health of the store.
    ///
    /// # Errors
    /// Never today: what cannot be looked at is shown as absent.
    pub async fn status(&self) -> Result<StoreStatus> {
        let disks = self.store.disks();
        let healths = self.healths();
        let usage = self.store.index().usage();
        let live_len: u64 = usage.values().map(|usage| usage.live_len).sum();
        let data_len: u64 = self.store.volumes().all().iter().map(|it| it.data_len()).sum();
        let segments = self.store.volumes().all();
        let segments_len = segments.iter().map(|it| it.len() * it.geometry.width() as u64).sum();
        let full = disks.geometry_full();
        let healthy = disks.fit_slots().len();
        let geometry = full.narrowed(healthy).unwrap_or(full);
        Ok(StoreStatus {
            readable: true,
            writable: self.store.is_writable(),
            space: self.store.space().await.unwrap_or_default(),
            metrics: self.store.metrics(),
            margin: self.margin(&healths),
            margin_full: u32::from(full.parity),
            geometry: (geometry.data, geometry.parity),
            disks: self.disk_statuses(disks.spaces().await),
            volumes: by_margin(&healths),
            repair: self.repair_status(&healths),
            scrub: self.scrub_status(),
            reclaimable_len: data_len.saturating_sub(live_len),
            live_len,
            segments_len,
        })
    }

    /// Disks without their space, and volumes: what is known without asking a disk anything.
    pub fn glance(&self) -> (Vec<DiskStatus>, Vec<VolumesAtMargin>) {
        let slots = self.store.disks().slots().into_iter();
        let disks = self.disk_statuses(slots.map(|slot| (slot, None)).collect());
        (disks, by_margin(&self.healths()))
    }

    /// Health of every volume, with its geometry's width, its length, and whether rows refer to it.
    fn healths(&self) -> Vec<(VolumeHealth, u64, u64, bool)> {
        let usage = self.store.index().usage();
        let volumes = self.store.volumes().all().into_iter();
        volumes
            .map(|volume| {
                let is_live = usage.get(&volume.id).is_some_and(|usage| usage.live_len > 0);
                (volume.health(), volume.geometry.width() as u64, volume.len(), is_live)
            })
            .collect()
    }

    /// The advertised margin: over bodies, copies of the metadata, and what a start needs.
    fn margin(&self, healths: &[(VolumeHealth, u64, u64, bool)]) -> Option<u32> {
        let disks = self.store.disks();
        let roster = disks.roster();
        let legs = disks.legs().iter().filter(|leg| leg.is_readable()).count();
        let metadata = legs.checked_sub(1)? as u32;
        let active = quorum::active_count(&roster).checked_sub(quorum::start_count(&roster))?;
        let is_missing = self.progress.missing.load(Ordering::Relaxed) > 0;
        if is_missing || self.progress.is_index_damaged.load(Ordering::Relaxed) {
            return None;
        }
        let mut margin = metadata.min(active as u32);
        for (health, _, _, is_live) in healths {
            if *is_live {
                margin = margin.min(health.margin?);
            }
        }
        Some(margin)
    }

    fn disk_statuses(&self, spaces: Vec<(Arc<Slot>, Option<DiskSpace>)>) -> Vec<DiskStatus> {
        let disks = self.store.disks();
        let roster = disks.roster();
        let segments = self.store.volumes().segments_per_disk();
        let mut statuses = Vec::new();
        for (slot, space) in spaces {
            let (state, reason) = slot.health();
            let (errors, rot) = slot.counts();
            let is_leg = disks.legs().iter().any(|leg| leg.number == slot.number);
            statuses.push(DiskStatus {
                place: slot.place.clone(),
                disk_id: format!("{:032x}", slot.disk_id),
                state,
                reason,
                is_leg,
                space: space.unwrap_or_default(),
                segments: segments.get(&slot.number).copied().unwrap_or_default(),
                errors,
                rot,
            });
        }
        for unused in disks.unused() {
            let (place, state, reason) = (unused.place, unused.state, unused.reason);
            statuses.push(DiskStatus { place, state, reason, ..DiskStatus::default() });
        }
        for disk in roster.disks.iter().filter(|disk| disks.slot(disk.number).is_none()) {
            if !statuses.iter().any(|status| status.place == disk.place) {
                statuses.push(DiskStatus {
                    place: disk.place.clone(),
                    disk_id: format!("{:032x}", disk.disk_id),
                    state: DiskState::Absent,
                    reason: "it was here before".into(),
                    segments: segments.get(&disk.number).copied().unwrap_or_default(),
                    ..DiskStatus::default()
                });
            }
        }
        statuses
    }

    fn repair_status(&self, healths: &[(VolumeHealth, u64, u64, bool)]) -> RepairStatus {
        let unwell = healths.iter().filter(|(health, ..)| !health.is_whole());
        let left = |(health, _, len, _): &(VolumeHealth, u64, u64, bool)| {
            (health.missing.len() + health.damaged.len()) as u64 * len
        };
        let (passed_len, passed_now) = self.store.volumes().passed_lens();
        let left_len = unwell.clone().map(left).sum::<u64>().saturating_sub(passed_now);
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let rebuilt_len = load(&self.progress.rebuilt_len);
        let began = *self.progress.began.lock().unwrap_or_else(PoisonError::into_inner);
        let done = began.map(|(at, before)| (at, passed_len - before));
        RepairStatus {
            volumes_left: unwell.count() as u64,
            left_len,
            rebuilt_len,
            moved_len: load(&self.progress.moved_len),
            members_rebuilt: load(&self.progress.members),
            records_rewritten: load(&self.progress.records),
            eta_s: done.and_then(|(at, done)| eta_s(at, done, left_len)),
        }
    }

    fn scrub_status(&self) -> ScrubStatus {
        let position = *self.scrub_position();
        let left = position.round_len.saturating_sub(position.read_len);
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        ScrubStatus {
            read_len: position.read_len,
            round_len: position.round_len,
            rounds: load(&self.progress.rounds),
            damaged: load(&self.progress.damaged),
            missing: load(&self.progress.missing),
            eta_s: position.began.and_then(|at| eta_s(at, position.read_len, left)),
        }
    }
}

/// Seconds that the rest takes when it goes on as it went.
fn eta_s(began: Instant, done: u64, left: u64) -> Option<u64> {
    let elapsed = began.elapsed().max(Duration::from_millis(1)).as_millis();
    if left == 0 {
        return Some(0);
    }
    let millis = u128::from(left) * elapsed / u128::from(done).max(1);
    (done > 0).then(|| u64::try_from(millis / 1000).unwrap_or(u64::MAX))
}

fn by_margin(healths: &[(VolumeHealth, u64, u64, bool)]) -> Vec<VolumesAtMargin> {
    let mut groups: BTreeMap<(Option<u32>, bool), VolumesAtMargin> = BTreeMap::new();
    for (health, width, len, _) in healths {
        let is_degraded = !health.is_whole();
        let group = groups.entry((health.margin, is_degraded)).or_default();
        (group.margin, group.is_degraded) = (health.margin, is_degraded);
        group.count += 1;
        group.len += len * width;
    }
    groups.into_values().collect()
}
