//! Files of the journal: which batches are intact, and whether what is not is rot or a torn tail.
//!
//! Batch `n + 1` is written only after batch `n` is durable (B2 of `engine::format::batch`): a
//! batch that is missing before a later intact one is damage; bytes behind the last one are a torn
//! tail, which a crash leaves and which nobody was promised. Files are used again and again: behind
//! the newest batch of a file there may be older ones, which are over.
//!
//! A file alone shows gaps within itself; the journal of a disk also those between its files, and
//! counts from the checkpoint on ([`check_tail`]).

use super::report::{Report, hex64};
use super::segment::is_zero;
use crate::config::Detail;
use bytes::Bytes;
use engine::format::PAGE_LEN;
use engine::format::batch::{self, BATCH_HEADER_LEN, BatchPlace};
use std::collections::BTreeMap;

/// An intact batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its number.
    pub sequence: u64,
    /// The file.
    pub file: u32,
    /// Where it begins in it.
    pub offset: u64,
    /// Where it ends.
    pub end: u64,
}

/// Generation and number of a file of the journal, from its name.
pub fn parse_name(name: &str) -> Option<(u64, u32)> {
    let (generation, file) = name.split_once('-')?;
    let is_name = generation.len() == 16 && (4..8).contains(&file.len());
    let generation = u64::from_str_radix(generation, 16).ok().filter(|_| is_name)?;
    Some((generation, file.parse().ok()?))
}

/// Shows every intact batch of a file and returns them in the order of their places.
pub fn scan(report: &mut Report<'_>, bytes: &Bytes, (generation, file): (u64, u32)) -> Vec<Found> {
    let fields =
        [("generation", hex64(generation)), ("number", file.into()), ("len", bytes.len().into())];
    report.item(Detail::Items, "journal", &fields);
    let mut place = BatchPlace { generation, file, offset: 0 };
    let mut found = Vec::new();
    while place.offset + (BATCH_HEADER_LEN as u64) <= bytes.len() as u64 {
        let rest = bytes.slice(place.offset as usize..);
        let intact = batch::peek_len(&rest, generation)
            .and_then(|len| Some((len, batch::decode(place, &rest).ok()?)));
        let Some((len, batch)) = intact else {
            place.offset += PAGE_LEN;
            continue;
        };
        let end = place.offset + len;
        show(report, place.offset, len, &batch);
        found.push(Found { sequence: batch.sequence, file, offset: place.offset, end });
        place.offset = end;
    }
    found
}

fn show(report: &mut Report<'_>, offset: u64, len: u64, batch: &batch::Batch) {
    let fields = [
        ("sequence", batch.sequence.into()),
        ("offset", offset.into()),
        ("len", len.into()),
        ("records", batch.records.len().into()),
    ];
    report.item(Detail::Items, "batch", &fields);
    let mut position = BATCH_HEADER_LEN as u64;
    for record in &batch.records {
        let fields = [
            ("group", record.group.into()),
            ("position", position.into()),
            ("len", record.len().into()),
        ];
        report.item(Detail::Records, "entry", &fields);
        position += record.encoded_len() as u64;
    }
}

/// Judges one file by itself.
pub fn check_file(report: &mut Report<'_>, bytes: &Bytes, found: &[Found]) {
    let mut end = 0;
    let mut newest: Option<u64> = None;
    for batch in found {
        let expected = newest.map_or(batch.sequence, |newest| newest + 1);
        if batch.sequence < expected {
            break;
        }
        let is_gap = batch.sequence > expected || (newest.is_none() && batch.offset > 0);
        if is_gap {
            let what = format!("no batch here, but an intact one at {} behind it", batch.offset);
            report.damage(end, &what);
        }
        (end, newest) = (batch.end, Some(batch.sequence));
    }
    tell_tail(report, bytes, end, found);
}

/// Says what lies where the next batch would.
fn tell_tail(report: &mut Report<'_>, bytes: &Bytes, end: u64, found: &[Found]) {
    let next_end = ((end + PAGE_LEN) as usize).min(bytes.len());
    let is_blank = bytes.get(end as usize..next_end).is_none_or(is_zero);
    let is_over = found.iter().any(|batch| batch.offset >= end);
    if !is_blank && !is_over {
        report.note(&format!(
            "torn or older bytes at {end}, behind the last intact batch: no damage by themselves"
        ));
    }
}

/// Judges all files of the journal on one disk; `files` has their names and batches. Returns the
/// number of the last batch.
pub fn check_tail(
    report: &mut Report<'_>,
    files: &BTreeMap<u32, (String, Vec<Found>)>,
    checkpoint: u64,
) -> u64 {
    let all = files.values().flat_map(|(_, found)| found);
    let tail: BTreeMap<u64, &Found> = all
        .filter(|found| found.sequence > checkpoint)
        .map(|found| (found.sequence, found))
        .collect();
    let mut last = checkpoint;
    for (sequence, found) in &tail {
        if *sequence > last + 1 {
            tell_gap(report, files, last, found);
        }
        last = *sequence;
    }
    let fields = [
        ("checkpoint", checkpoint.into()),
        ("last", last.into()),
        ("batches", tail.len().into()),
        ("file", tail.get(&last).map(|found| found.file).into()),
        ("end", tail.get(&last).map(|found| found.end).into()),
    ];
    report.item(Detail::Items, "tail", &fields);
    last
}

/// Batches between `last` and `next` are missing. They lay behind `last`, or, where nothing is
/// known of that one, before `next`.
fn tell_gap(
    report: &mut Report<'_>,
    files: &BTreeMap<u32, (String, Vec<Found>)>,
    last: u64,
    next: &Found,
) {
    let mut all = files.values().flat_map(|(_, found)| found);
    let before = all.find(|found| found.sequence == last);
    let (file, offset) = match before {
        Some(before) if before.file == next.file => (before.file, before.end),
        Some(_) | None if next.offset > 0 => (next.file, 0),
        Some(before) => (before.file, before.end),
        None => (next.file, 0),
    };
    let within = report.file();
    report.begin(&files[&file].0);
    let (from, to) = (last + 1, next.sequence - 1);
    report.damage(
        offset,
        &format!("batches {from} to {to} are missing, but {} is intact", next.sequence),
    );
    report.begin(&within);
}
