//! Volume record: one member's share of a stripe, the unit of append to a segment. Proves by itself
//! whether it is intact and whose bytes it holds.
//!
//! A stripe lies at the same offset in every segment of its volume and begins at a page; a column
//! without bytes is not written at all. A record:
//!
//! | offset | size | field         | meaning |
//! |-------:|-----:|---------------|---|
//! |      0 |    4 | `magic`       | `RECORD_MAGIC`; lets a scan find records |
//! |      4 |    4 | `header_crc`  | CRC-32 of seal and of bytes 8..32+8k |
//! |      8 |    8 | `volume`      | the volume |
//! |     16 |    8 | `offset`      | of the stripe, from the start of the segment |
//! |     24 |    1 | `layout`      | 0 rows: each body lies in one column; 1 cut over all columns |
//! |     25 |    7 | reserved      | zero, and a reader refuses anything else |
//! |     32 |   8k | `columns`     | per data column `payload_len: u32`, `owners_len: u32` |
//!
//! The payload of this column follows in sub-blocks of [`SUB_BLOCK_LEN`] bytes (the last one
//! shorter), each followed by its CRC-32, which covers seal, place and bytes. Then the table of
//! owners of this column with its CRC-32: per body `len: u32`, `owner_len: u16`, `owner` (opaque:
//! the row that refers to it). Zeros up to the next page.
//!
//! A parity column holds the parity of the payloads and the parity of the tables, each as long as
//! the longest column's, rounded up to 64 bytes; shorter columns count as followed by zeros. So
//! every member knows the shape of the whole stripe, and any `k` members give all of it.
//!
//! - R1: a stripe lies wholly inside its segments; it is never rewritten but with the same bytes.
//! - R2: a range read verifies only the sub-blocks that it touches; a body read whole is checked
//!   against the index's hash.

use super::segment::Seal;
use super::{Fields, Malformed, PAGE_LEN, page_align};
use crate::erasure::code::chunk_align;
use crate::mutant::{self, Mutant};
use bytes::{BufMut, Bytes, BytesMut};
use std::ops::Range;

/// Bytes of payload under one checksum.
pub const SUB_BLOCK_LEN: usize = 16 << 10;
/// Most bytes of payload in one stripe.
pub const PAYLOAD_LEN_MAX: usize = 1 << 20;
/// Most bytes of the table of owners of one column.
pub const OWNERS_LEN_MAX: usize = 1 << 20;
/// Bytes of a record's header without the table of columns.
pub const RECORD_HEADER_LEN: usize = 32;

const COLUMN_LEN: usize = 8;
const CRC_LEN: usize = 4;
const RECORD_MAGIC: u32 = u32::from_le_bytes(*b"SVR0");
const WHAT: &str = "volume record";

/// One body of a stripe and the row that refers to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Bytes of the body.
    pub len: u32,
    /// The row, in its owner's own encoding.
    pub owner: Bytes,
}

impl Owner {
    /// Bytes that it takes in the table of owners.
    pub fn encoded_len(&self) -> usize {
        6 + self.owner.len()
    }
}

/// How bodies lie in the columns of a stripe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Each in one column.
    Rows,
    /// All together, cut over all columns; the owners are in the first.
    Cut,
}

/// Bytes of one column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ColumnLen {
    /// Bytes of payload.
    pub payload: u32,
    /// Bytes of the table of owners.
    pub owners: u32,
}

impl ColumnLen {
    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.payload == 0 && self.owners == 0
    }
}

/// Form of a stripe: what every member knows of all columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// How the bodies lie.
    pub layout: Layout,
    /// The data columns.
    pub columns: Vec<ColumnLen>,
}

/// Bytes of a header in a volume of that many data columns: where the payload begins.
pub fn header_len(data_count: usize) -> usize {
    RECORD_HEADER_LEN + data_count * COLUMN_LEN
}

/// Bytes of each column when `payload_len` bytes are cut over `data_count`: the last ones may have
/// less, or none.
pub fn cut_len(payload_len: usize, data_count: usize) -> usize {
    match data_count {
        1 => payload_len,
        _ => chunk_align(payload_len.div_ceil(data_count)),
    }
}

impl Shape {
    /// Lengths of a column by its index; parity columns are as long as the longest, in whole
    /// chunks.
    pub fn column(&self, index: usize) -> ColumnLen {
        match self.columns.get(index) {
            Some(column) => *column,
            None => self.parity(),
        }
    }

    fn parity(&self) -> ColumnLen {
        let payload = self.columns.iter().map(|column| column.payload).max().unwrap_or_default();
        let owners = self.columns.iter().map(|column| column.owners).max().unwrap_or_default();
        ColumnLen {
            payload: chunk_align(payload as usize) as u32,
            owners: chunk_align(owners as usize) as u32,
        }
    }

    /// Bytes on disk of a column's record, a multiple of the page; 0 for one that is not written.
    pub fn record_len(&self, index: usize) -> u64 {
        let column = self.column(index);
        if column.is_empty() { 0 } else { self.padded_len(column) }
    }

    fn padded_len(&self, column: ColumnLen) -> u64 {
        let header_len = header_len(self.columns.len());
        let payload_len = sub_blocks_len(column.payload as usize);
        page_align((header_len + payload_len + column.owners as usize + CRC_LEN) as u64)
    }

    /// Bytes that the stripe takes of every segment.
    pub fn stripe_len(&self) -> u64 {
        // No column is longer than parity is.
        self.padded_len(self.parity())
    }

    /// Bytes of all bodies.
    pub fn payload_len(&self) -> u64 {
        self.columns.iter().map(|column| u64::from(column.payload)).sum()
    }

    /// Where the table of owners of a column lies, from the start of its record, with its checksum.
    pub fn owners_range(&self, index: usize) -> Range<u64> {
        let column = self.column(index);
        let start = header_len(self.columns.len()) + sub_blocks_len(column.payload as usize);
        start as u64..(start + column.owners as usize + CRC_LEN) as u64
    }

    fn is_valid(&self) -> bool {
        let is_bounded = |column: &ColumnLen| column.owners as usize <= OWNERS_LEN_MAX;
        let payload_len = self.payload_len();
        let piece = cut_len(payload_len as usize, self.columns.len()) as u64;
        let is_cut = |(index, column): (usize, &ColumnLen)| {
            let rest = payload_len.saturating_sub(index as u64 * piece);
            u64::from(column.payload) == rest.min(piece)
        };
        (1..=PAYLOAD_LEN_MAX as u64).contains(&payload_len)
            && self.columns.iter().all(is_bounded)
            && (self.layout == Layout::Rows || self.columns.iter().enumerate().all(is_cut))
    }
}

/// Bytes on disk of that much payload with its checksums.
pub fn sub_blocks_len(payload_len: usize) -> usize {
    payload_len + payload_len.div_ceil(SUB_BLOCK_LEN) * CRC_LEN
}

/// Encodes one column's record for its place, as buffers to be written one after the other.
///
/// # Panics
/// When the pieces are not as long as the shape says, or a bound is broken.
pub fn encode(
    seal: &Seal,
    offset: u64,
    shape: &Shape,
    payload: Vec<Bytes>,
    owners: &[u8],
) -> Vec<Bytes> {
    assert!(shape.is_valid(), "a stripe is bounded and not empty");
    let lens = shape.column(seal.column.into());
    let payload_len: usize = payload.iter().map(Bytes::len).sum();
    assert_eq!(payload_len, lens.payload as usize, "the payload is as long as its shape says");
    assert_eq!(owners.len(), lens.owners as usize, "the owners are as long as their shape says");
    let header = encode_header(seal, offset, shape);
    let data_offset = offset + header.len() as u64;
    let mut buffers = vec![header];
    push_sub_blocks(seal, data_offset, payload, &mut buffers);
    let mut tail = BytesMut::with_capacity(owners.len() + CRC_LEN + PAGE_LEN as usize);
    tail.put_slice(owners);
    let mut hasher = seal.hasher(offset + shape.owners_range(seal.column.into()).start);
    hasher.update(owners);
    tail.put_u32_le(hasher.finalize());
    let written: usize = buffers.iter().map(Bytes::len).sum();
    let padding = page_align((written + tail.len()) as u64) as usize - written;
    tail.resize(padding, 0);
    buffers.push(tail.freeze());
    buffers
}

fn encode_header(seal: &Seal, offset: u64, shape: &Shape) -> Bytes {
    assert_eq!(shape.columns.len(), seal.geometry.data_count(), "the shape is of this geometry");
    let mut bytes = BytesMut::with_capacity(header_len(shape.columns.len()));
    bytes.put_u32_le(RECORD_MAGIC);
    bytes.put_u32_le(0);
    bytes.put_u64_le(seal.volume.0);
    bytes.put_u64_le(offset);
    bytes.put_u8(match shape.layout {
        Layout::Rows => 0,
        Layout::Cut => 1,
    });
    bytes.resize(RECORD_HEADER_LEN, 0);
    for column in &shape.columns {
        bytes.put_u32_le(column.payload);
        bytes.put_u32_le(column.owners);
    }
    let mut hasher = seal.hasher(offset);
    hasher.update(&bytes[8..]);
    bytes[4..8].copy_from_slice(&hasher.finalize().to_le_bytes());
    bytes.freeze()
}

fn push_sub_blocks(seal: &Seal, data_offset: u64, payload: Vec<Bytes>, buffers: &mut Vec<Bytes>) {
    let mut offset = data_offset;
    let mut filled = 0;
    let mut hasher = seal.hasher(offset);
    for mut piece in payload {
        while !piece.is_empty() {
            let part = piece.split_to(piece.len().min(SUB_BLOCK_LEN - filled));
            filled += part.len();
            hasher.update(&part);
            buffers.push(part);
            if filled == SUB_BLOCK_LEN {
                offset += (SUB_BLOCK_LEN + CRC_LEN) as u64;
                let full = std::mem::replace(&mut hasher, seal.hasher(offset));
                buffers.push(Bytes::copy_from_slice(&full.finalize().to_le_bytes()));
                filled = 0;
            }
        }
    }
    if filled > 0 {
        buffers.push(Bytes::copy_from_slice(&hasher.finalize().to_le_bytes()));
    }
}

/// Decodes the header of the record at `offset`; `bytes` begins there and holds [`header_len`]
/// bytes at least.
///
/// # Errors
/// [`Malformed`] when no intact header lies there.
pub fn decode_header(seal: &Seal, offset: u64, bytes: &[u8]) -> Result<Shape, Malformed> {
    let data_count = seal.geometry.data_count();
    let bytes = bytes.get(..header_len(data_count)).ok_or(Malformed(WHAT))?;
    let mut fields = Fields::new(bytes, WHAT);
    let (magic, crc) = (fields.u32()?, fields.u32()?);
    if magic != RECORD_MAGIC {
        return Err(Malformed(WHAT));
    }
    let mut hasher = seal.hasher(offset);
    hasher.update(&bytes[8..]);
    let is_here = fields.u64()? == seal.volume.0 && fields.u64()? == offset;
    if hasher.finalize() != crc || !is_here {
        return Err(Malformed(WHAT));
    }
    let layout = match fields.u8()? {
        0 => Layout::Rows,
        1 => Layout::Cut,
        _ => return Err(Malformed(WHAT)),
    };
    let is_zero = fields.bytes(7)?.iter().all(|byte| *byte == 0);
    let column = |_| Ok(ColumnLen { payload: fields.u32()?, owners: fields.u32()? });
    let columns = (0..data_count).map(column).collect::<Result<Vec<_>, _>>()?;
    let shape = Shape { layout, columns };
    if is_zero && shape.is_valid() { Ok(shape) } else { Err(Malformed(WHAT)) }
}

/// Encodes a table of owners, without its checksum.
pub fn encode_owners(owners: &[Owner]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(owners.iter().map(Owner::encoded_len).sum());
    for owner in owners {
        bytes.put_u32_le(owner.len);
        bytes.put_u16_le(u16::try_from(owner.owner.len()).expect("an owner is a bounded key"));
        bytes.put_slice(&owner.owner);
    }
    bytes
}

/// Verifies a column's table of owners: `bytes` is what [`Shape::owners_range`] told to read.
///
/// # Errors
/// [`Malformed`] when it fails its checksum.
pub fn verify_owners(
    seal: &Seal,
    offset: u64,
    shape: &Shape,
    bytes: &Bytes,
) -> Result<Bytes, Malformed> {
    let range = shape.owners_range(seal.column.into());
    let len = (range.end - range.start) as usize - CRC_LEN;
    let (table, crc) =
        bytes.get(..len).zip(bytes.get(len..len + CRC_LEN)).ok_or(Malformed(WHAT))?;
    let mut hasher = seal.hasher(offset + range.start);
    hasher.update(table);
    let is_intact = hasher.finalize().to_le_bytes() == crc;
    if is_intact { Ok(bytes.slice(..len)) } else { Err(Malformed(WHAT)) }
}

/// Decodes a verified table of owners.
///
/// # Errors
/// [`Malformed`].
pub fn decode_owners(table: &Bytes) -> Result<Vec<Owner>, Malformed> {
    let mut fields = Fields::new(table, WHAT);
    let mut owners = Vec::new();
    while !fields.is_empty() {
        let len = fields.u32()?;
        let owner_len = usize::from(fields.u16()?);
        let start = table.len() - fields.remaining();
        fields.bytes(owner_len)?;
        owners.push(Owner { len, owner: table.slice(start..start + owner_len) });
    }
    Ok(owners)
}

/// Where the sub-blocks that cover a range of a column's payload lie, from its first sub-block.
pub fn covering(payload_len: usize, range: &Range<usize>) -> Range<u64> {
    let first = range.start / SUB_BLOCK_LEN;
    let last = range.end.div_ceil(SUB_BLOCK_LEN);
    let start = first * (SUB_BLOCK_LEN + CRC_LEN);
    let end = (last * (SUB_BLOCK_LEN + CRC_LEN)).min(sub_blocks_len(payload_len));
    start as u64..end as u64
}

/// Verifies the sub-blocks that cover a range of a column's payload and returns exactly that range.
///
/// `data_offset` is where the column's first sub-block lies in the segment, `bytes` what
/// [`covering`] told to read.
///
/// # Errors
/// [`Malformed`] when a sub-block fails its checksum or is missing.
pub fn decode_range(
    seal: &Seal,
    data_offset: u64,
    payload_len: usize,
    range: Range<usize>,
    bytes: &Bytes,
) -> Result<Vec<Bytes>, Malformed> {
    let first = range.start / SUB_BLOCK_LEN;
    let last = range.end.div_ceil(SUB_BLOCK_LEN);
    let mut pieces = Vec::with_capacity(last - first);
    let mut position = 0;
    for index in first..last {
        let start = index * SUB_BLOCK_LEN;
        let len = SUB_BLOCK_LEN.min(payload_len.saturating_sub(start));
        let block = bytes.get(position..position + len).ok_or(Malformed(WHAT))?;
        let crc = bytes.get(position + len..position + len + CRC_LEN).ok_or(Malformed(WHAT))?;
        let mut hasher = seal.hasher(data_offset + (index * (SUB_BLOCK_LEN + CRC_LEN)) as u64);
        hasher.update(block);
        let is_intact = hasher.finalize().to_le_bytes() == crc;
        if !is_intact && !mutant::is(Mutant::ServeUnverified) {
            return Err(Malformed(WHAT));
        }
        let cut = range.start.max(start) - start..range.end.min(start + len) - start;
        pieces.push(bytes.slice(position + cut.start..position + cut.end));
        position += len + CRC_LEN;
    }
    Ok(pieces)
}
