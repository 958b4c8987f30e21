//! Volumes over several disks: which stripes still have enough members, and what that leaves of the
//! margin. What the segments themselves hold was verified before; here they are compared.
//!
//! In a volume that the manifest calls open, records that are missing or end in nothing may be
//! those of writes that a crash cut off, which nobody was promised; or they were lost. Only the
//! index knows, so such stripes are counted apart and told as a note.

use super::disk::Segments;
use super::report::{Report, hex64};
use super::segment::{RecordState, Segment};
use crate::config::Detail;
use engine::erasure::Geometry;
use engine::format::manifest::Manifest;
use engine::format::record::Shape;
use engine::format::value::VolumeId;
use std::collections::BTreeMap;
use std::path::Path;

/// A volume's segments by column; of one column there may be an older one, too.
struct Members<'a> {
    geometry: Geometry,
    is_open: bool,
    segments: BTreeMap<u8, Vec<(&'a Path, &'a Segment)>>,
}

/// Stripes of a volume.
struct Counts {
    stripes: u64,
    cut_off: u64,
    degraded: u64,
    lost: u64,
    /// Members that a stripe has, at least.
    present_min: usize,
    /// Columns that every stripe has.
    whole: Vec<bool>,
}

/// Compares the segments of all volumes.
pub fn check(report: &mut Report<'_>, manifest: Option<&Manifest>, disks: &[Segments]) {
    let mut volumes: BTreeMap<VolumeId, Members<'_>> = BTreeMap::new();
    for entry in manifest.iter().flat_map(|manifest| &manifest.volumes) {
        let is_open = entry.sealed_len.is_none();
        let segments = BTreeMap::new();
        volumes.insert(entry.id, Members { geometry: entry.geometry, is_open, segments });
    }
    for (path, segment) in disks.iter().flat_map(Segments::values) {
        let geometry = segment.seal.geometry;
        let unnamed = || Members { geometry, is_open: false, segments: BTreeMap::new() };
        let members = volumes.entry(segment.seal.volume).or_insert_with(unnamed);
        if members.geometry == geometry {
            members.segments.entry(segment.seal.column).or_default().push((path, segment));
        }
    }
    for (id, members) in volumes {
        let counts = count(report, id, &members);
        show(report, id, &members, &counts);
    }
}

fn count(report: &mut Report<'_>, id: VolumeId, members: &Members<'_>) -> Counts {
    let geometry = members.geometry;
    let mut stripes: BTreeMap<u64, &Shape> = BTreeMap::new();
    for (_, segment) in members.segments.values().flatten() {
        stripes.extend(segment.records.iter().map(|(offset, (shape, _))| (*offset, shape)));
    }
    let mut counts = Counts {
        stripes: stripes.len() as u64,
        cut_off: 0,
        degraded: 0,
        lost: 0,
        present_min: members.segments.len(),
        whole: (0..geometry.width()).map(|it| members.segments.contains_key(&(it as u8))).collect(),
    };
    for (offset, shape) in stripes {
        let states = states(report, members, (offset, shape));
        report.begin(&format!("volume {:016x}", id.0));
        if states.contains(&Some(RecordState::CutOff)) {
            counts.cut_off += 1;
            report.note(&format!("stripe at {offset} is not complete: cut off, or damage"));
            continue;
        }
        let is_intact = |state: &Option<RecordState>| *state == Some(RecordState::Intact);
        let present = states.iter().filter(|state| is_intact(state)).count();
        counts.whole.iter_mut().zip(&states).for_each(|(whole, it)| *whole &= is_intact(it));
        counts.present_min = counts.present_min.min(present);
        counts.degraded += u64::from(present < geometry.width());
        if present < geometry.data_count() {
            counts.lost += 1;
            let needed = geometry.data_count();
            report.damage(offset, &format!("stripe lost: {present} members of {needed} needed"));
        }
    }
    counts
}

fn show(report: &mut Report<'_>, id: VolumeId, members: &Members<'_>, counts: &Counts) {
    report.begin(&format!("volume {:016x}", id.0));
    let fields = [
        ("id", hex64(id.0)),
        ("geometry", members.geometry.to_string().into()),
        ("members_there", members.segments.len().into()),
        ("members_whole", counts.whole.iter().filter(|is_whole| **is_whole).count().into()),
        ("stripes", counts.stripes.into()),
        ("cut_off", counts.cut_off.into()),
        ("degraded", counts.degraded.into()),
        ("lost", counts.lost.into()),
        ("margin", members.geometry.margin(counts.present_min).into()),
    ];
    report.item(Detail::Items, "volume", &fields);
}

/// What the members have of a stripe, by column; `None` where no member is there. Columns without
/// bytes are as good as their member. Tells of records that a member lacks without a trace: of
/// others it was told before.
fn states(
    report: &mut Report<'_>,
    members: &Members<'_>,
    (offset, shape): (u64, &Shape),
) -> Vec<Option<RecordState>> {
    let mut state = |column: usize| {
        let segments = members.segments.get(&(column as u8))?;
        if shape.column(column).is_empty() {
            return Some(RecordState::Intact);
        }
        let records = segments.iter().filter_map(|(_, segment)| segment.records.get(&offset));
        let found: Vec<RecordState> = records.map(|(_, state)| *state).collect();
        if found.contains(&RecordState::Intact) {
            return Some(RecordState::Intact);
        }
        match found.first() {
            Some(state) => Some(*state),
            None if members.is_open => Some(RecordState::CutOff),
            None => {
                let newest = segments.iter().max_by_key(|(_, segment)| segment.seal.epoch)?;
                report.begin(&newest.0.display().to_string());
                report.damage(offset, "the record of a stripe that other members know is missing");
                Some(RecordState::Damaged)
            }
        }
    };
    (0..members.geometry.width()).map(&mut state).collect()
}
