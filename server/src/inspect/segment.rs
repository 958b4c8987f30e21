//! A segment: its first page, then every record, page by page behind what is damaged.
//!
//! Pages of zeros are nothing: columns without bytes are not written, nor is what follows a column
//! that is shorter than the others. Whether a record is missing there is known to the other members
//! of the volume only ([`volumes`](super::volumes)). Any other page that begins no record is
//! damage, or the end of a write that a crash cut off: one segment cannot tell which.
//! In a volume that the manifest calls open, a record whose end was never written is a note.

use super::key;
use super::report::{Field, Report, hex64, hex128};
use crate::config::Detail;
use bytes::Bytes;
use engine::format::PAGE_LEN;
use engine::format::record::{
    ColumnLen, Layout, Owner, SUB_BLOCK_LEN, Shape, covering, decode_header, decode_owners,
    decode_range, header_len, verify_owners,
};
use engine::format::segment::Seal;
use engine::format::value::VolumeId;
use std::collections::BTreeMap;
use std::ops::Range;

/// What the manifest says of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Whose bytes it should hold.
    pub seal: Seal,
    /// Whether stripes may have been on their way into it when the manifest was written.
    pub is_open: bool,
}

/// What became of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordState {
    /// Everything verified.
    Intact,
    /// The end is missing, in a volume that was open: a write that a crash cut off, or damage.
    CutOff,
    /// Something did not verify.
    Damaged,
}

/// What a segment holds.
pub struct Segment {
    /// Whose bytes these are.
    pub seal: Seal,
    /// Its records, by offset: the form of the stripe, and what became of this member's share.
    pub records: BTreeMap<u64, (Shape, RecordState)>,
}

/// Volume and epoch of a segment, from its name.
pub fn parse_name(name: &str) -> Option<(VolumeId, u32)> {
    let (volume, epoch) = name.split_once('-')?;
    let is_name = volume.len() == 16 && epoch.len() == 8;
    let volume = u64::from_str_radix(volume, 16).ok().filter(|_| is_name)?;
    Some((VolumeId(volume), u32::from_str_radix(epoch, 16).ok()?))
}

/// Looks at a segment. `expected` is what the manifest says of it: with that, records are verified
/// even behind a damaged first page.
pub fn check(
    report: &mut Report<'_>,
    bytes: &Bytes,
    expected: Option<Expected>,
) -> Option<Segment> {
    let first = bytes.get(..PAGE_LEN as usize).unwrap_or(bytes);
    let is_open = expected.is_some_and(|expected| expected.is_open);
    let seal = match (Seal::decode(first), expected.map(|expected| expected.seal)) {
        (Ok(seal), None) => seal,
        (Ok(seal), Some(expected)) => {
            if seal != expected {
                report.damage(0, &format!("it is another segment than expected: {seal:?}"));
            }
            seal
        }
        (Err(error), Some(expected)) => {
            report.damage(0, &format!("{error}; records are verified by what the manifest says"));
            expected
        }
        (Err(error), None) => {
            report.damage(0, &format!("{error}; nothing behind it can be verified"));
            return None;
        }
    };
    report.item(Detail::Items, "segment", &seal_fields(&seal));
    let mut walk = Walk { report, seal, bytes, records: BTreeMap::new(), bad: None, is_open };
    walk.run();
    let Walk { records, .. } = walk;
    let is_intact = |record: &&(Shape, RecordState)| record.1 == RecordState::Intact;
    let intact_count = records.values().filter(is_intact).count();
    report.item(
        Detail::Items,
        "records",
        &[("count", records.len().into()), ("intact", intact_count.into())],
    );
    Some(Segment { seal, records })
}

/// Fields that show a segment's identity.
fn seal_fields(seal: &Seal) -> Vec<Field> {
    vec![
        ("volume", hex64(seal.volume.0)),
        ("epoch", seal.epoch.into()),
        ("geometry", seal.geometry.to_string().into()),
        ("column", seal.column.into()),
        ("deployment_id", hex128(seal.deployment_id)),
        ("disk_id", hex128(seal.disk_id)),
    ]
}

struct Walk<'a, 'b> {
    report: &'a mut Report<'b>,
    seal: Seal,
    bytes: &'a Bytes,
    records: BTreeMap<u64, (Shape, RecordState)>,
    /// Pages that are no record and not zero.
    bad: Option<Range<u64>>,
    is_open: bool,
}

impl Walk<'_, '_> {
    fn run(&mut self) {
        let mut offset = PAGE_LEN;
        while offset < self.bytes.len() as u64 {
            let rest = self.bytes.slice(offset as usize..);
            match decode_header(&self.seal, offset, &rest) {
                Ok(shape) => {
                    self.tell_bad();
                    let state = self.record(offset, &shape, &rest);
                    let len = shape.stripe_len();
                    self.records.insert(offset, (shape, state));
                    offset += len;
                }
                Err(_) => {
                    self.page_without_record(offset, &rest);
                    offset += PAGE_LEN;
                }
            }
        }
        self.tell_bad();
    }

    fn page_without_record(&mut self, offset: u64, rest: &Bytes) {
        if is_zero(&rest[..rest.len().min(PAGE_LEN as usize)]) {
            self.tell_bad();
        } else {
            let start = self.bad.as_ref().map_or(offset, |bad| bad.start);
            self.bad = Some(start..offset + PAGE_LEN);
        }
    }

    fn tell_bad(&mut self) {
        if let Some(bad) = self.bad.take() {
            let len = bad.end.min(self.bytes.len() as u64) - bad.start;
            let what = format!("{len} bytes without a record: damage, or a write that was cut off");
            self.report.damage(bad.start, &what);
        }
    }

    /// Verifies everything of a record; `rest` begins with it.
    fn record(&mut self, offset: u64, shape: &Shape, rest: &Bytes) -> RecordState {
        if self.is_open && is_cut_off(shape.record_len(self.seal.column.into()), rest) {
            self.report.note(&format!(
                "record at {offset} ends in nothing: a write that was cut off, or damage"
            ));
            return RecordState::CutOff;
        }
        let before = self.report.damage_count();
        let column = usize::from(self.seal.column);
        let lens = shape.column(column);
        if lens.is_empty() {
            self.report.damage(offset, "a record of a column that has no bytes");
            return RecordState::Damaged;
        }
        self.sub_blocks(offset, lens, shape, rest);
        let owners = self.owners(offset, shape, rest);
        let end = shape.owners_range(column).end as usize;
        let stripe_end = (shape.stripe_len() as usize).min(rest.len());
        if rest.get(end..stripe_end).is_some_and(|padding| !is_zero(padding)) {
            self.report.damage(offset + end as u64, "bytes behind the record's end");
        }
        self.show(offset, shape, owners.as_deref());
        if self.report.damage_count() == before {
            RecordState::Intact
        } else {
            RecordState::Damaged
        }
    }

    fn sub_blocks(&mut self, offset: u64, lens: ColumnLen, shape: &Shape, rest: &Bytes) {
        let header_len = header_len(shape.columns.len()) as u64;
        let payload_len = lens.payload as usize;
        for start in (0..payload_len).step_by(SUB_BLOCK_LEN) {
            let range = start..(start + SUB_BLOCK_LEN).min(payload_len);
            let place = header_len + covering(payload_len, &range).start;
            if read_range(&self.seal, offset, shape, range, rest).is_none() {
                let block = start / SUB_BLOCK_LEN;
                self.report.damage(offset + place, &format!("sub-block {block} of the record"));
            }
        }
    }

    fn owners(&mut self, offset: u64, shape: &Shape, rest: &Bytes) -> Option<Vec<Owner>> {
        let place = shape.owners_range(self.seal.column.into()).start;
        let table = read_owners(&self.seal, offset, shape, rest);
        if table.is_none() {
            self.report.damage(offset + place, "table of owners");
        }
        if usize::from(self.seal.column) >= shape.columns.len() {
            return None;
        }
        let owners = decode_owners(&table?).ok();
        let sum = |owners: &Vec<Owner>| owners.iter().map(|owner| u64::from(owner.len)).sum();
        let expected = bodies_len(shape, self.seal.column.into());
        if owners.as_ref().map(sum) != Some(expected) {
            self.report.damage(offset + place, "owners that are not those of the payload");
        }
        owners
    }

    fn show(&mut self, offset: u64, shape: &Shape, owners: Option<&[Owner]>) {
        let columns: Vec<String> = shape
            .columns
            .iter()
            .map(|column| format!("{}+{}", column.payload, column.owners))
            .collect();
        let fields = [
            ("offset", offset.into()),
            ("layout", if shape.layout == Layout::Rows { "rows" } else { "cut" }.into()),
            ("columns", columns.join(",").into()),
            ("len", shape.record_len(self.seal.column.into()).into()),
            ("owners", owners.map(<[Owner]>::len).into()),
        ];
        self.report.item(Detail::Items, "record", &fields);
        if !self.report.shows(Detail::Records) {
            return;
        }
        let mut start = 0u64;
        for owner in owners.unwrap_or_default() {
            let mut fields = vec![("start", start.into()), ("len", owner.len.into())];
            fields.extend(key::shown_owner(&owner.owner));
            self.report.item(Detail::Records, "owner", &fields);
            start += u64::from(owner.len);
        }
    }
}

/// Whether the last page of a record, which ends with a checksum, is missing or zeros.
fn is_cut_off(record_len: u64, rest: &Bytes) -> bool {
    let end = record_len as usize;
    rest.get(end.saturating_sub(PAGE_LEN as usize)..end).is_none_or(is_zero)
}

/// Bytes of the bodies that the table of owners of a data column lists.
fn bodies_len(shape: &Shape, column: usize) -> u64 {
    match (shape.layout, column) {
        (Layout::Rows, _) => shape.column(column).payload.into(),
        (Layout::Cut, 0) => shape.payload_len(),
        (Layout::Cut, _) => 0,
    }
}

/// A range of a column's payload, verified; `rest` begins with the record.
pub fn read_range(
    seal: &Seal,
    offset: u64,
    shape: &Shape,
    range: Range<usize>,
    rest: &Bytes,
) -> Option<Vec<u8>> {
    let header_len = header_len(shape.columns.len()) as u64;
    let payload_len = shape.column(seal.column.into()).payload as usize;
    let place = covering(payload_len, &range);
    let (start, end) = ((header_len + place.start) as usize, (header_len + place.end) as usize);
    let bytes = (end <= rest.len()).then(|| rest.slice(start..end))?;
    let pieces = decode_range(seal, offset + header_len, payload_len, range, &bytes).ok()?;
    Some(pieces.concat())
}

/// A column's table of owners, verified; `rest` begins with the record.
pub fn read_owners(seal: &Seal, offset: u64, shape: &Shape, rest: &Bytes) -> Option<Bytes> {
    let range = shape.owners_range(seal.column.into());
    let (start, end) = (range.start as usize, range.end as usize);
    let bytes = (end <= rest.len()).then(|| rest.slice(start..end))?;
    verify_owners(seal, offset, shape, &bytes).ok()
}

/// Whether there is nothing but zeros.
pub fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}
