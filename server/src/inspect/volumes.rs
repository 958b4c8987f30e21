//! Volumes over several disks: which stripes still have enough members, and what that leaves of the
//! margin. What the segments themselves hold was verified before; here they are compared.

use super::disk::Segments;
use super::report::{Report, hex64};
use super::segment::Segment;
use crate::config::Detail;
use engine::erasure::Geometry;
use engine::format::manifest::Manifest;
use engine::format::record::Shape;
use engine::format::value::VolumeId;
use std::collections::BTreeMap;
use std::path::Path;

/// A volume's segments by column; of one column there may be an older one, too.
type Members<'a> = BTreeMap<u8, Vec<(&'a Path, &'a Segment)>>;

/// Compares the segments of all volumes.
pub fn check(report: &mut Report<'_>, manifest: Option<&Manifest>, disks: &[Segments]) {
    let mut volumes: BTreeMap<VolumeId, (Geometry, Members<'_>)> = BTreeMap::new();
    for (path, segment) in disks.iter().flat_map(Segments::values) {
        let seal = segment.seal;
        let entry = volumes.entry(seal.volume).or_insert((seal.geometry, Members::new()));
        if entry.0 == seal.geometry {
            entry.1.entry(seal.column).or_default().push((path, segment));
        }
    }
    for entry in manifest.iter().flat_map(|manifest| &manifest.volumes) {
        volumes.entry(entry.id).or_insert((entry.geometry, Members::new()));
    }
    for (id, (geometry, members)) in volumes {
        check_volume(report, id, geometry, &members);
    }
}

fn check_volume(report: &mut Report<'_>, id: VolumeId, geometry: Geometry, members: &Members<'_>) {
    let mut stripes: BTreeMap<u64, &Shape> = BTreeMap::new();
    for (_, segment) in members.values().flatten() {
        stripes.extend(segment.records.iter().map(|(offset, (shape, _))| (*offset, shape)));
    }
    let (mut degraded, mut lost) = (0u64, 0u64);
    let mut present_min = members.len();
    let mut intact = vec![true; geometry.width()];
    for (offset, shape) in &stripes {
        let present = present_columns(report, geometry, members, (*offset, shape));
        let count = present.iter().filter(|is_present| **is_present).count();
        intact.iter_mut().zip(&present).for_each(|(intact, present)| *intact &= present);
        present_min = present_min.min(count);
        degraded += u64::from(count < geometry.width());
        if count < geometry.data_count() {
            lost += 1;
            report.begin(&format!("volume {:016x}", id.0));
            let needed = geometry.data_count();
            report.damage(*offset, &format!("stripe lost: {count} members of {needed} needed"));
        }
    }
    let columns = 0..geometry.width();
    let whole = columns.filter(|it| intact[*it] && members.contains_key(&(*it as u8))).count();
    report.begin(&format!("volume {:016x}", id.0));
    let fields = [
        ("id", hex64(id.0)),
        ("geometry", geometry.to_string().into()),
        ("members_there", members.len().into()),
        ("members_whole", whole.into()),
        ("stripes", stripes.len().into()),
        ("degraded", degraded.into()),
        ("lost", lost.into()),
        ("margin", geometry.margin(present_min).into()),
    ];
    report.item(Detail::Items, "volume", &fields);
}

/// Which columns of a stripe are there and intact; those without bytes are as long as their member
/// is. Tells of records that a member lacks without a trace: of others it was told before.
fn present_columns(
    report: &mut Report<'_>,
    geometry: Geometry,
    members: &Members<'_>,
    (offset, shape): (u64, &Shape),
) -> Vec<bool> {
    let is_present = |column: usize| {
        let Some(segments) = members.get(&(column as u8)) else { return false };
        if shape.column(column).is_empty() {
            return true;
        }
        let newest = segments.iter().max_by_key(|(_, segment)| segment.seal.epoch);
        if let Some((path, segment)) = newest
            && !segment.records.contains_key(&offset)
        {
            report.begin(&path.display().to_string());
            report.damage(offset, "the record of a stripe that other members know is missing");
        }
        let mut records = segments.iter().filter_map(|(_, segment)| segment.records.get(&offset));
        records.any(|(_, is_intact)| *is_intact)
    };
    (0..geometry.width()).map(is_present).collect()
}
