//! Stripes of a volume from whatever members are there: what a member lacks is computed from the
//! others, whole where that is possible, else sub-block by sub-block.

use super::segment::{read_owners, read_range};
use bytes::Bytes;
use engine::erasure::Geometry;
use engine::erasure::code::{self, chunk_align};
use engine::format::PAGE_LEN;
use engine::format::record::{
    Owner, SUB_BLOCK_LEN, Shape, covering, decode_header, decode_owners, header_len,
};
use engine::format::segment::Seal;
use std::ops::Range;

/// A segment that was found.
pub struct Member {
    /// Whose bytes these are.
    pub seal: Seal,
    /// All of it.
    pub bytes: Bytes,
}

/// The segments of one volume, in any order.
pub struct Volume {
    /// Data and parity columns.
    pub geometry: Geometry,
    /// The segments; an older one of a column counts, too: records are never rewritten otherwise.
    pub members: Vec<Member>,
}

/// Payload of a column, or of a whole stripe that is cut.
#[derive(Default)]
pub struct Payload {
    /// The bytes; zeros where nothing is known.
    pub bytes: Vec<u8>,
    /// What of them is not verified, in order.
    pub unverified: Vec<Range<usize>>,
    /// What of that is not there at all.
    pub missing: Vec<Range<usize>>,
}

impl Payload {
    /// Puts another one behind.
    pub fn append(&mut self, other: Self) {
        let shift = self.bytes.len();
        let shifted = |range: Range<usize>| range.start + shift..range.end + shift;
        self.bytes.extend(other.bytes);
        self.unverified.extend(other.unverified.into_iter().map(shifted));
        self.missing.extend(other.missing.into_iter().map(shifted));
    }
}

impl Volume {
    /// Bytes of the longest segment.
    pub fn len(&self) -> u64 {
        self.members.iter().map(|member| member.bytes.len() as u64).max().unwrap_or_default()
    }

    /// The first stripe at an offset or behind it, which then lies behind that stripe.
    pub fn next_stripe(&self, next: &mut u64) -> Option<(u64, Shape)> {
        while *next < self.len() {
            let offset = *next;
            match self.shape(offset) {
                Some(shape) => {
                    *next += shape.stripe_len();
                    return Some((offset, shape));
                }
                None => *next += PAGE_LEN,
            }
        }
        None
    }

    fn shape(&self, offset: u64) -> Option<Shape> {
        self.members.iter().find_map(|member| {
            let rest = member.bytes.get(offset as usize..)?;
            decode_header(&member.seal, offset, rest).ok()
        })
    }

    /// What the segments of a column say, the first that says anything.
    fn of_column<T>(
        &self,
        offset: u64,
        column: usize,
        read: impl Fn(&Seal, &Bytes) -> Option<T>,
    ) -> Option<T> {
        let members = self.members.iter().filter(|it| usize::from(it.seal.column) == column);
        members
            .filter(|member| offset < member.bytes.len() as u64)
            .find_map(|member| read(&member.seal, &member.bytes.slice(offset as usize..)))
    }

    /// The owners of a data column's bodies.
    pub fn owners(&self, offset: u64, shape: &Shape, column: usize) -> Option<Vec<Owner>> {
        let own = |column| match shape.column(column).owners {
            0 => Some(Bytes::new()),
            _ => {
                self.of_column(offset, column, |seal, rest| read_owners(seal, offset, shape, rest))
            }
        };
        let len = shape.column(column).owners as usize;
        let coded_len = chunk_align(len).max(shape.column(shape.columns.len()).owners as usize);
        let read = |column| own(column).map(|table| table.to_vec());
        let table = own(column)
            .or_else(|| self.compute(column, coded_len, read).map(|table| table.slice(..len)))?;
        decode_owners(&table).ok()
    }

    /// The payload of a data column.
    pub fn payload(&self, offset: u64, shape: &Shape, column: usize) -> Payload {
        let len = shape.column(column).payload as usize;
        if let Some(bytes) = self.verified(offset, shape, column, 0..len) {
            return Payload { bytes, ..Payload::default() };
        }
        let mut payload = Payload::default();
        for start in (0..len).step_by(SUB_BLOCK_LEN) {
            let range = start..(start + SUB_BLOCK_LEN).min(len);
            payload.append(self.sub_block(offset, shape, column, range));
        }
        payload
    }

    fn sub_block(&self, offset: u64, shape: &Shape, column: usize, range: Range<usize>) -> Payload {
        let len = range.len();
        if let Some(bytes) = self.verified(offset, shape, column, range.clone()) {
            return Payload { bytes, ..Payload::default() };
        }
        let payload_len = shape.column(column).payload as usize;
        let place = covering(payload_len, &range).start as usize + header_len(shape.columns.len());
        let raw = self
            .of_column(offset, column, |_, rest| rest.get(place..place + len).map(<[u8]>::to_vec));
        let all = 0..len;
        let missing = if raw.is_none() { vec![all.clone()] } else { Vec::new() };
        Payload { bytes: raw.unwrap_or(vec![0; len]), unverified: vec![all], missing }
    }

    /// A range that begins with a sub-block: from its own member, else computed.
    fn verified(
        &self,
        offset: u64,
        shape: &Shape,
        column: usize,
        range: Range<usize>,
    ) -> Option<Vec<u8>> {
        let own = |column: usize, range: Range<usize>| {
            let end = range.end.min(shape.column(column).payload as usize);
            if end <= range.start {
                return Some(Vec::new());
            }
            self.of_column(offset, column, |seal, rest| {
                read_range(seal, offset, shape, range.start..end, rest)
            })
        };
        let coded = range.start..chunk_align(range.end);
        own(column, range.clone()).or_else(|| {
            let read = |column| own(column, coded.clone());
            Some(self.compute(column, coded.len(), read)?.slice(..range.len()).to_vec())
        })
    }

    /// Computes a part of a column from the same part of as many others as there are data columns.
    fn compute(
        &self,
        wanted: usize,
        coded_len: usize,
        read: impl Fn(usize) -> Option<Vec<u8>>,
    ) -> Option<Bytes> {
        let data_count = self.geometry.data_count();
        let others = (0..self.geometry.width()).filter(|column| *column != wanted);
        let present: Vec<(usize, Vec<u8>)> = others
            .filter_map(|column| {
                let mut bytes = read(column)?;
                bytes.resize(coded_len, 0);
                Some((column, bytes))
            })
            .take(data_count)
            .collect();
        let parity_count = self.geometry.parity.into();
        let is_enough = present.len() == data_count;
        is_enough.then(|| {
            let rebuilt = code::rebuild(data_count, parity_count, present, &[wanted]);
            rebuilt.into_iter().flatten().collect()
        })
    }
}
