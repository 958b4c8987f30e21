//! Faults that several disks have alike (D25), and copies that must be alike (K13).

use super::nemesis::{Bad, Nemesis};
use super::run::Run;
use super::world::World;
use crate::disk::SimDisk;
use engine::disks::recognise::IDENTITY_PATH;
use engine::format::identity::Identity;
use engine::format::manifest::Manifest;
use engine::meta::MANIFEST_PATH;
use engine::object::StoreStatus;
use std::time::Duration;

/// Looks at copies that are being written before they count as different.
const LOOKS_MAX: u64 = 500;

impl Nemesis {
    /// The same bit rots at the same place of the same file: on this disk, and on others until as
    /// many are bad as may be.
    pub(super) fn break_alike(&mut self, world: &World, disk: usize) {
        let prefix = *self.random.pick(&["", "journal/", "runs/", "volumes/", "volumes/"]);
        let Some((path, offset)) = world.disks[disk].draw_place(prefix) else { return };
        let bit = self.random.below(8) as u8;
        let noticed_at = self.noticed_at();
        for (other, target) in world.disks.iter().enumerate() {
            let is_free = self.bad.len() < self.margin && !self.bad.contains_key(&other);
            let is_hit = other == disk || is_free && target.content(&path).is_ok();
            if is_hit && target.rot_alike(&path, offset, bit).is_ok() {
                let rounds = Some(self.rounds);
                self.bad.entry(other).or_insert(Bad { rounds, noticed_at, ..Bad::default() });
            }
        }
    }
}

impl Run {
    /// K13: once the store says that it is whole, the manifest and the runs that it names are the
    /// same on every disk that holds the metadata, byte for byte.
    pub(super) async fn check_copies(&self, status: &StoreStatus) -> Result<(), String> {
        let is_leg = |place: usize| {
            let place = format!("/disk{place}");
            status.disks.iter().any(|disk| disk.is_leg && disk.place == place)
        };
        let disks = self.world.disks.iter().enumerate();
        let legs: Vec<&SimDisk> =
            disks.filter(|(place, _)| is_leg(*place)).map(|(_, disk)| disk).collect();
        let mut looks = 0;
        while let Some(path) = first_difference(&legs) {
            looks += 1;
            if looks > LOOKS_MAX {
                return Err(format!("K13: copies of {path} differ on {} disks", legs.len()));
            }
            // Not in step with anything that goes round and round.
            tokio::time::sleep(Duration::from_millis(3 + looks % 17)).await;
        }
        Ok(())
    }
}

/// A file of the metadata that is not the same on all disks.
fn first_difference(legs: &[&SimDisk]) -> Option<String> {
    let (first, others) = legs.split_first()?;
    let differs = |path: &str| {
        let content = first.content(path).ok();
        content.is_none() || others.iter().any(|other| other.content(path).ok() != content)
    };
    if differs(MANIFEST_PATH) {
        return Some(MANIFEST_PATH.to_owned());
    }
    let identity = Identity::decode(&first.content(IDENTITY_PATH).ok()?).ok()?;
    let manifest = first.content(MANIFEST_PATH).ok()?;
    let manifest = Manifest::decode(&manifest, identity.deployment_id).ok()?;
    let runs = manifest.runs.iter().map(|run| format!("runs/{run:016x}"));
    runs.into_iter().find(|path| differs(path))
}
