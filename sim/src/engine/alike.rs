//! Faults that several disks have alike (D25), and copies that must be alike (K13).

use super::bad::Bad;
use super::nemesis::Nemesis;
use super::run::Run;
use super::world::World;
use crate::disk::SimDisk;
use bytes::Bytes;
use cluster::Node;
use engine::disks::recognise::IDENTITY_PATH;
use engine::format::identity::Identity;
use engine::format::manifest::Manifest;
use engine::meta::MANIFEST_PATH;
use engine::object::StoreStatus;
use std::time::Duration;

/// Looks at copies of a store that does not come to rest.
const LOOKS_MAX: u64 = 1000;

/// Looks at which copies differ in the same way before they count as different.
const SAME_LOOKS_MAX: u64 = 50;

/// A file, and what each disk has of it.
type Difference = (String, Vec<Option<Bytes>>);

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
                self.note_tail(world, &path, Some(offset));
                let rounds = Some(self.rounds);
                self.bad.entry(other).or_insert(Bad { rounds, noticed_at, ..Bad::default() });
            }
        }
    }
}

impl Run {
    /// K13: once the store says that it is whole, the manifest and the runs that it names are the
    /// same on every disk that holds the metadata, byte for byte. Returns whether they are, or
    /// whether the store took back meanwhile that it is whole.
    pub(super) async fn check_copies(&self, node: &Node) -> Result<bool, String> {
        let mut before = None;
        let mut looks = 0;
        for look in 0..LOOKS_MAX {
            let status = node.store().status().await;
            let status = status.map_err(|error| format!("K13: no status: {error}"))?;
            if self.nemesis.unhealed(&status).is_some() {
                return Ok(false);
            }
            let Some(difference) = first_difference(&self.legs(&status)) else { return Ok(true) };
            // What changes is being written.
            looks = if before.as_ref() == Some(&difference) { looks + 1 } else { 0 };
            if looks > SAME_LOOKS_MAX {
                let (path, copies) = difference;
                return Err(format!("K13: copies of {path} differ: {:?}", groups(&copies)));
            }
            before = Some(difference);
            // Not in step with what goes round and round, and longer than a slow disk takes.
            tokio::time::sleep(Duration::from_millis(3 + look % 17 * 97)).await;
        }
        Ok(true)
    }

    fn legs(&self, status: &StoreStatus) -> Vec<&SimDisk> {
        let is_leg = |place: usize| {
            let place = format!("/disk{place}");
            status.disks.iter().any(|disk| disk.is_leg && disk.place == place)
        };
        let disks = self.world.disks.iter().enumerate();
        disks.filter(|(place, _)| is_leg(*place)).map(|(_, disk)| disk).collect()
    }
}

/// Which copies are alike: for each one the first that it equals, and its length in bytes.
fn groups(copies: &[Option<Bytes>]) -> Vec<(usize, Option<usize>)> {
    let first = |copy: &Option<Bytes>| copies.iter().position(|other| other == copy).unwrap_or(0);
    copies.iter().map(|copy| (first(copy), copy.as_ref().map(Bytes::len))).collect()
}

/// A file of the metadata that is not the same on all disks.
fn first_difference(legs: &[&SimDisk]) -> Option<Difference> {
    let difference = |path: String| {
        let copies: Vec<_> = legs.iter().map(|leg| leg.content(&path).ok()).collect();
        let is_same = copies.windows(2).all(|pair| pair[0] == pair[1]) && copies[0].is_some();
        (!is_same).then_some((path, copies))
    };
    let first = legs.first()?;
    if let Some(found) = difference(MANIFEST_PATH.to_owned()) {
        return Some(found);
    }
    let identity = Identity::decode(&first.content(IDENTITY_PATH).ok()?).ok()?;
    let manifest = first.content(MANIFEST_PATH).ok()?;
    let manifest = Manifest::decode(&manifest, identity.deployment_id).ok()?;
    manifest.runs.iter().find_map(|run| difference(format!("runs/{run:016x}")))
}
