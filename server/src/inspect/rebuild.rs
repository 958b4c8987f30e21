//! `--rebuild`: what the volumes alone still give, for a store whose metadata is gone.
//!
//! Every stripe lists the rows that own its bodies, and any `k` members give all of it. What comes
//! out is a pile of pieces with names, not a store: see [`README`].

use super::key::{self, KeyText};
use super::map;
use super::report::{Field, Report, hex64, hex128, json_line};
use super::stripe::{Member, Payload, Volume};
use super::target::Target;
use crate::config::Detail;
use bytes::Bytes;
use engine::format::PAGE_LEN;
use engine::format::record::{Layout, Owner, Shape};
use engine::format::segment::Seal;
use engine::format::value::VolumeId;
use engine::meta::RowOwner;
use engine::volume::VOLUME_DIR;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What people should know of the files.
const README: &str = "\
Pieces of bodies, found in the volumes of a Stave store without its metadata. Each line of
index.jsonl names one: the row that owned it, the write that made it, where it lay, whether its
bytes verified (\"unverified\" lists the ranges that did not; where \"file\" is null nothing was
there), and its file.

A body may have several pieces. Those of one write and row lie in the order of volume and offset,
unless reclaim moved some of them; rows of kind \"extents\" also carry the number of the 64 MiB
group that they are in, rows of kind \"part\" the number of the part in its upload. Reclaim and
writes that were repeated leave the same piece in two places.

What cannot be known from volumes alone:
- which version of a key was the newest, where several write ids exist for its row;
- what was deleted or overwritten: such bodies are here as long as reclaim has not freed them;
- what was never committed: uploads that failed or were aborted;
- names of buckets, attributes of objects, entity tags, order and choice of an upload's parts;
- bodies that were in the journal or inline in the index only, small ones above all.
";

/// Pieces and what is wrong with them.
#[derive(Default)]
struct Counts {
    pieces: u64,
    bytes: u64,
    unverified: u64,
    lost: u64,
}

/// Writes every body that the volumes of some disks give.
///
/// # Errors
/// One line, when the target is refused or cannot be written.
pub fn run(report: &mut Report<'_>, dirs: &[PathBuf], target: &Path) -> Result<(), String> {
    let volumes = load(report, dirs);
    let target_name = target.display().to_string();
    let target = Target::create(target, dirs)?;
    let mut rebuild = Rebuild {
        report,
        target,
        counts: Counts::default(),
        writes: BTreeMap::new(),
        ambiguous: BTreeSet::new(),
    };
    for ((deployment_id, id), volume) in &volumes {
        rebuild.volume(*deployment_id, *id, volume).map_err(|error| error.to_string())?;
    }
    let Rebuild { report, target, counts, ambiguous, .. } = rebuild;
    target.finish(README).map_err(|error| format!("cannot write {target_name}: {error}"))?;
    report.begin(&target_name);
    let fields = [
        ("volumes", volumes.len().into()),
        ("pieces", counts.pieces.into()),
        ("bytes", counts.bytes.into()),
        ("unverified", counts.unverified.into()),
        ("lost", counts.lost.into()),
        ("rows_of_several_writes", ambiguous.len().into()),
    ];
    report.item(Detail::Verify, "rebuilt", &fields);
    let text = "README.txt beside the index says what cannot be known: newest versions, deletes, \
                metadata, bodies that were in the journal or the index only";
    report.item(Detail::Verify, "note", &[("text", text.into())]);
    Ok(())
}

/// Finds the segments of all disks by store and volume.
fn load(report: &mut Report<'_>, dirs: &[PathBuf]) -> BTreeMap<(u128, VolumeId), Volume> {
    let mut volumes: BTreeMap<(u128, VolumeId), Volume> = BTreeMap::new();
    for dir in dirs {
        let directory = dir.join(VOLUME_DIR);
        report.begin(&directory.display().to_string());
        let names = map::is_dir(dir).and_then(|_| map::list(&directory));
        let names = names.unwrap_or_else(|error| {
            report.unreadable(&error.to_string());
            Vec::new()
        });
        for name in names {
            let path = directory.join(name);
            report.begin_file(&path.display().to_string());
            let bytes = match map::map(&path) {
                Ok(bytes) => bytes,
                Err(error) => {
                    report.unreadable(&error.to_string());
                    continue;
                }
            };
            match Seal::decode(bytes.get(..PAGE_LEN as usize).unwrap_or(&bytes)) {
                Ok(seal) => add_member(&mut volumes, Member { seal, bytes }),
                Err(error) => report.damage(0, &format!("{error}; the segment is left out")),
            }
        }
    }
    volumes
}

/// Newer members first; one of another geometry cannot be of the same volume.
fn add_member(volumes: &mut BTreeMap<(u128, VolumeId), Volume>, member: Member) {
    let seal = member.seal;
    let empty = || Volume { geometry: seal.geometry, members: Vec::new() };
    let volume = volumes.entry((seal.deployment_id, seal.volume)).or_insert_with(empty);
    if volume.geometry == seal.geometry {
        volume.members.push(member);
        volume.members.sort_by_key(|member| std::cmp::Reverse(member.seal.epoch));
    }
}

struct Rebuild<'a, 'b> {
    report: &'a mut Report<'b>,
    target: Target,
    counts: Counts,
    /// A write of each row, by the row's hash: enough to find those with several.
    writes: BTreeMap<u64, u128>,
    ambiguous: BTreeSet<u64>,
}

/// Where a piece lies.
struct Place {
    deployment_id: u128,
    volume: VolumeId,
    offset: u64,
    /// The data column that holds all of it; `None` when the stripe is cut.
    column: Option<usize>,
    range: Range<usize>,
}

impl Rebuild<'_, '_> {
    fn volume(&mut self, store: u128, id: VolumeId, volume: &Volume) -> std::io::Result<()> {
        self.report.begin(&format!("volume {:016x}", id.0));
        let mut next = PAGE_LEN;
        while let Some((offset, shape)) = volume.next_stripe(&mut next) {
            let place =
                |column| Place { deployment_id: store, volume: id, offset, column, range: 0..0 };
            match shape.layout {
                Layout::Cut => {
                    let payload = whole_payload(volume, offset, &shape);
                    let owners = volume.owners(offset, &shape, 0);
                    self.bodies(place(None), owners, &payload)?;
                }
                Layout::Rows => {
                    for column in 0..shape.columns.len() {
                        let payload = volume.payload(offset, &shape, column);
                        let owners = volume.owners(offset, &shape, column);
                        self.bodies(place(Some(column)), owners, &payload)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes the bodies of one column, or of a stripe that is cut. Without their owners they are
    /// one piece without a name.
    fn bodies(
        &mut self,
        mut place: Place,
        owners: Option<Vec<Owner>>,
        payload: &Payload,
    ) -> std::io::Result<()> {
        let len = payload.bytes.len();
        let owners = owners.unwrap_or_else(|| {
            self.report.damage(place.offset, "owners of bodies are lost: they have no name");
            vec![Owner { len: len as u32, owner: Bytes::new() }]
        });
        let mut start = 0;
        for owner in owners {
            place.range = start..(start + owner.len as usize).min(len);
            self.piece(&place, &owner.owner, payload)?;
            start = place.range.end;
        }
        Ok(())
    }

    fn piece(&mut self, place: &Place, owner: &Bytes, payload: &Payload) -> std::io::Result<()> {
        let row = RowOwner::decode(owner);
        let key = row.as_ref().map(|row| key::read(&row.key));
        let range = &place.range;
        let unverified = within(&payload.unverified, range);
        let missing: usize = within(&payload.missing, range).iter().map(Range::len).sum();
        let is_lost = missing == range.len() && !range.is_empty();
        let path = (!is_lost).then(|| path_of(place, key.as_ref()));
        if let Some(path) = &path {
            self.target.write(path, &payload.bytes[range.clone()])?;
        }
        self.count(place, &unverified, is_lost);
        if let Some(row) = &row {
            self.note_write(row);
        }
        let mut fields = row_fields(row.as_ref(), key, owner);
        fields.extend(place_fields(place));
        fields.push(("verified", unverified.is_empty().into()));
        if !unverified.is_empty() {
            let pairs: Vec<Vec<usize>> =
                unverified.iter().map(|range| vec![range.start, range.end]).collect();
            fields.push(("unverified", pairs.into()));
        }
        fields.push(("file", path.into()));
        self.target.write_index(&json_line(fields.iter()))
    }

    fn count(&mut self, place: &Place, unverified: &[Range<usize>], is_lost: bool) {
        self.counts.pieces += 1;
        if !is_lost {
            self.counts.bytes += place.range.len() as u64;
        }
        if unverified.is_empty() {
            return;
        }
        self.counts.unverified += u64::from(!is_lost);
        self.counts.lost += u64::from(is_lost);
        let column = place.column.map_or("all columns".into(), |column| format!("column {column}"));
        let state = if is_lost { "lost" } else { "not verified" };
        let start = place.range.start;
        let what = format!("body at {start} of {column} of the stripe is {state}");
        self.report.damage(place.offset, &what);
    }

    fn note_write(&mut self, row: &RowOwner) {
        let hash = engine::format::run::key_hash(&row.key);
        if *self.writes.entry(hash).or_insert(row.write_id) != row.write_id {
            self.ambiguous.insert(hash);
        }
    }
}

fn whole_payload(volume: &Volume, offset: u64, shape: &Shape) -> Payload {
    let mut payload = Payload::default();
    for column in 0..shape.columns.len() {
        payload.append(volume.payload(offset, shape, column));
    }
    payload
}

/// The parts of ranges that lie in another one, counted from its start.
fn within(ranges: &[Range<usize>], outer: &Range<usize>) -> Vec<Range<usize>> {
    let cut = |range: &Range<usize>| {
        let start = range.start.max(outer.start);
        let end = range.end.min(outer.end);
        (start < end).then(|| start - outer.start..end - outer.start)
    };
    ranges.iter().filter_map(cut).collect()
}

/// Where a piece is written: names are made of numbers only.
fn path_of(place: &Place, key: Option<&KeyText>) -> String {
    let bucket = match key.and_then(|key| key.incarnation) {
        Some(incarnation) => format!("{:08x}-{incarnation:016x}", place.deployment_id >> 96),
        None => "unknown".into(),
    };
    let column = place.column.map_or("all".into(), |column| format!("{column:02}"));
    let (volume, offset, start) = (place.volume.0, place.offset, place.range.start);
    format!("quarantine/{bucket}/{volume:016x}/{offset:012x}-{column}-{start:08x}")
}

fn row_fields(row: Option<&RowOwner>, key: Option<KeyText>, owner: &Bytes) -> Vec<Field> {
    let (Some(row), Some(key)) = (row, key) else {
        return vec![("row", key::escaped(owner).into()), ("row_kind", "unknown".into())];
    };
    let mut fields = vec![
        ("row", key::escaped(&row.key).into()),
        ("row_kind", key.kind.into()),
        ("incarnation", key.incarnation.map(|it| format!("{it:016x}")).into()),
    ];
    fields.extend(key.fields);
    fields.push(("write_id", hex128(row.write_id)));
    fields
}

fn place_fields(place: &Place) -> [Field; 6] {
    [
        ("deployment_id", hex128(place.deployment_id)),
        ("volume", hex64(place.volume.0)),
        ("offset", place.offset.into()),
        ("column", place.column.into()),
        ("start", place.range.start.into()),
        ("len", place.range.len().into()),
    ]
}
