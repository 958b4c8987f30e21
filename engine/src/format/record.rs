//! Volume record: the unit of append to a segment. Proves by itself whether it is intact and whose
//! bytes it holds.
//!
//! A record begins at a page boundary:
//!
//! | offset | size | field         | meaning |
//! |-------:|-----:|---------------|---|
//! |      0 |    4 | `magic`       | `RECORD_MAGIC`; lets reclaim find records |
//! |      4 |    4 | `header_crc`  | CRC-32 of seal and of bytes 8..64+owners |
//! |      8 |    8 | `volume`      | the volume |
//! |     16 |    8 | `offset`      | of the record, from the start of the segment |
//! |     24 |    4 | `payload_len` | bytes of all bodies, `1..=PAYLOAD_LEN_MAX` |
//! |     28 |    4 | `owner_count` | bodies in the record, at least 1 |
//! |     32 |    4 | `owners_len`  | bytes of the table of owners |
//! |     36 |   28 | reserved      | zero, and a reader refuses anything else |
//!
//! The table of owners follows: per body `len: u32`, `owner_len: u16`, `owner` (opaque: the row
//! that refers to it). Then the payload in sub-blocks of [`SUB_BLOCK_LEN`] bytes (the last one
//! shorter), each followed by its CRC-32, which covers seal, place and bytes. Zeros up to the next
//! page.
//!
//! The seal is the segment's identity: deployment, disk, volume and member. The segment begins with
//! one page: `magic: u64`, `crc: u32`, `version: u32`, `deployment_id: u128`, `disk_id: u128`,
//! `volume: u64`, `member: u8`, `data_columns: u8`, `parity_columns: u8`, `code: u8`, `epoch: u32`,
//! then zeros.
//!
//! - R1: a record lies wholly inside one segment; it is never rewritten.
//! - R2: a range read verifies only the sub-blocks that it touches; a body read whole is checked
//!   against the index's hash.

use super::{FORMAT_VERSION, Fields, Malformed, PAGE_LEN, page_align, value::VolumeId};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::ops::Range;

/// Length of a record's fixed header in bytes.
pub const RECORD_HEADER_LEN: usize = 64;
/// Bytes of payload under one checksum.
pub const SUB_BLOCK_LEN: usize = 16 << 10;
/// Most bytes of payload in one record.
pub const PAYLOAD_LEN_MAX: usize = 1 << 20;
/// Most bytes of the table of owners.
pub const OWNERS_LEN_MAX: usize = 1 << 20;

const CRC_LEN: usize = 4;
const RECORD_MAGIC: u32 = u32::from_le_bytes(*b"SVR0");
const SEGMENT_MAGIC: u64 = u64::from_le_bytes(*b"STAVSEGM");
const WHAT: &str = "volume record";
const SEGMENT: &str = "segment header";

/// Identity of a segment: what its checksums are seeded with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The store.
    pub deployment_id: u128,
    /// The disk.
    pub disk_id: u128,
    /// The volume.
    pub volume: VolumeId,
}

impl Seal {
    fn hasher(&self, offset: u64) -> crc32fast::Hasher {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.deployment_id.to_le_bytes());
        hasher.update(&self.disk_id.to_le_bytes());
        hasher.update(&self.volume.0.to_le_bytes());
        hasher.update(&offset.to_le_bytes());
        hasher
    }

    /// Encodes the first page of a segment of one member (geometry 1+0, code 0: none, epoch 0).
    pub fn encode_segment(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(PAGE_LEN as usize);
        bytes.put_u64_le(SEGMENT_MAGIC);
        bytes.put_u32_le(0);
        bytes.put_u32_le(FORMAT_VERSION);
        bytes.put_u128_le(self.deployment_id);
        bytes.put_u128_le(self.disk_id);
        bytes.put_u64_le(self.volume.0);
        bytes.put_slice(&[0, 1, 0, 0]);
        bytes.put_u32_le(0);
        bytes.resize(PAGE_LEN as usize, 0);
        let crc = crc32fast::hash(&bytes[12..]);
        bytes[8..12].copy_from_slice(&crc.to_le_bytes());
        bytes.freeze()
    }

    /// Decodes the first page of a segment.
    ///
    /// # Errors
    /// [`Malformed`] when it is damaged or of a geometry or version that this reader does not know.
    pub fn decode_segment(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::new(bytes, SEGMENT);
        let (magic, crc) = (fields.u64()?, fields.u32()?);
        let is_intact = bytes.len() == PAGE_LEN as usize
            && magic == SEGMENT_MAGIC
            && crc == crc32fast::hash(&bytes[12..]);
        if !is_intact || fields.u32()? != FORMAT_VERSION {
            return Err(Malformed(SEGMENT));
        }
        let (deployment_id, disk_id) = (fields.u128()?, fields.u128()?);
        let volume = VolumeId(fields.u64()?);
        let is_known = fields.bytes(4)? == [0, 1, 0, 0] && fields.u32()? == 0;
        let seal = Self { deployment_id, disk_id, volume };
        if is_known { Ok(seal) } else { Err(Malformed(SEGMENT)) }
    }
}

/// One body of a record and the row that refers to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Bytes of the body.
    pub len: u32,
    /// The row, in its owner's own encoding.
    pub owner: Bytes,
}

/// What a record's header tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// Bytes of all bodies.
    pub payload_len: u32,
    /// The bodies, in order.
    pub owners: Vec<Owner>,
    /// Bytes of header and owners: where the first sub-block begins, from the start of the record.
    pub data_start: u64,
}

impl RecordHeader {
    /// Bytes on disk: a multiple of the page.
    pub fn record_len(&self) -> u64 {
        page_align(self.data_start + sub_blocks_len(self.payload_len as usize) as u64)
    }
}

/// Bytes on disk of that much payload with its checksums.
pub fn sub_blocks_len(payload_len: usize) -> usize {
    payload_len + payload_len.div_ceil(SUB_BLOCK_LEN) * CRC_LEN
}

/// Bytes of header and owners.
pub fn data_start(owners: &[Owner]) -> usize {
    RECORD_HEADER_LEN + owners.iter().map(|owner| 6 + owner.owner.len()).sum::<usize>()
}

/// Encodes a record for its place as buffers to be written one after the other.
///
/// # Panics
/// When the owners do not add up to the payload, or a bound is broken.
pub fn encode(seal: &Seal, offset: u64, owners: &[Owner], payload: Vec<Bytes>) -> Vec<Bytes> {
    let payload_len: usize = payload.iter().map(Bytes::len).sum();
    let owned: u64 = owners.iter().map(|owner| u64::from(owner.len)).sum();
    assert_eq!(owned, payload_len as u64, "every byte has an owner");
    assert!((1..=PAYLOAD_LEN_MAX).contains(&payload_len), "a record is bounded and not empty");
    let header = encode_header(seal, offset, owners, payload_len);
    let data_offset = offset + header.len() as u64;
    let mut written = header.len() + sub_blocks_len(payload_len);
    let mut buffers = vec![header];
    push_sub_blocks(seal, data_offset, payload, &mut buffers);
    let padding = page_align(written as u64) as usize - written;
    written += padding;
    buffers.push(Bytes::from_static(&[0; PAGE_LEN as usize]).slice(..padding));
    debug_assert_eq!(buffers.iter().map(Bytes::len).sum::<usize>(), written);
    buffers
}

fn encode_header(seal: &Seal, offset: u64, owners: &[Owner], payload_len: usize) -> Bytes {
    let owners_len = data_start(owners) - RECORD_HEADER_LEN;
    assert!(owners_len <= OWNERS_LEN_MAX, "the table of owners is bounded");
    let mut bytes = BytesMut::with_capacity(RECORD_HEADER_LEN + owners_len);
    bytes.put_u32_le(RECORD_MAGIC);
    bytes.put_u32_le(0);
    bytes.put_u64_le(seal.volume.0);
    bytes.put_u64_le(offset);
    bytes.put_u32_le(payload_len as u32);
    bytes.put_u32_le(owners.len() as u32);
    bytes.put_u32_le(owners_len as u32);
    bytes.resize(RECORD_HEADER_LEN, 0);
    for owner in owners {
        bytes.put_u32_le(owner.len);
        bytes.put_u16_le(u16::try_from(owner.owner.len()).expect("an owner is a bounded key"));
        bytes.put_slice(&owner.owner);
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
        while piece.has_remaining() {
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

/// Bytes of fixed header and owners that the header at the start of `bytes` claims: how much to
/// read to decode it.
///
/// # Errors
/// [`Malformed`] when it does not look like a record's header at all.
pub fn peek_header_len(bytes: &[u8]) -> Result<usize, Malformed> {
    let mut fields = Fields::new(bytes, WHAT);
    let magic = fields.u32()?;
    fields.bytes(28)?;
    let owners_len = fields.u32()? as usize;
    let is_likely = magic == RECORD_MAGIC && owners_len <= OWNERS_LEN_MAX;
    if is_likely { Ok(RECORD_HEADER_LEN + owners_len) } else { Err(Malformed(WHAT)) }
}

/// Decodes the header and the table of owners of the record at `offset`.
///
/// # Errors
/// [`Malformed`] when no intact header lies there.
pub fn decode_header(seal: &Seal, offset: u64, bytes: &Bytes) -> Result<RecordHeader, Malformed> {
    let end = peek_header_len(bytes)?;
    if bytes.len() < end {
        return Err(Malformed(WHAT));
    }
    let mut fields = Fields::new(&bytes[..end], WHAT);
    fields.u32()?;
    let crc = fields.u32()?;
    let mut hasher = seal.hasher(offset);
    hasher.update(&bytes[8..end]);
    let is_here = fields.u64()? == seal.volume.0 && fields.u64()? == offset;
    if hasher.finalize() != crc || !is_here {
        return Err(Malformed(WHAT));
    }
    let payload_len = fields.u32()?;
    let owner_count = fields.u32()? as usize;
    fields.u32()?;
    let is_zero = fields.bytes(28)?.iter().all(|byte| *byte == 0);
    let is_bounded = (1..=PAYLOAD_LEN_MAX).contains(&(payload_len as usize));
    if !is_zero || !is_bounded {
        return Err(Malformed(WHAT));
    }
    let owners = decode_owners(bytes.slice(RECORD_HEADER_LEN..end), owner_count)?;
    let owned: u64 = owners.iter().map(|owner| u64::from(owner.len)).sum();
    let header = RecordHeader { payload_len, owners, data_start: end as u64 };
    if owned == u64::from(payload_len) { Ok(header) } else { Err(Malformed(WHAT)) }
}

fn decode_owners(table: Bytes, count: usize) -> Result<Vec<Owner>, Malformed> {
    if count == 0 || count > table.len() / 6 {
        return Err(Malformed(WHAT));
    }
    let mut fields = Fields::new(&table, WHAT);
    let mut owners = Vec::with_capacity(count);
    for _ in 0..count {
        let len = fields.u32()?;
        let owner_len = usize::from(fields.u16()?);
        let start = table.len() - fields.remaining();
        fields.bytes(owner_len)?;
        owners.push(Owner { len, owner: table.slice(start..start + owner_len) });
    }
    if fields.is_empty() { Ok(owners) } else { Err(Malformed(WHAT)) }
}

/// Where the sub-blocks that cover a range of the payload lie, from the record's first sub-block.
pub fn covering(payload_len: usize, range: &Range<usize>) -> Range<u64> {
    let first = range.start / SUB_BLOCK_LEN;
    let last = range.end.div_ceil(SUB_BLOCK_LEN);
    let start = first * (SUB_BLOCK_LEN + CRC_LEN);
    let end = (last * (SUB_BLOCK_LEN + CRC_LEN)).min(sub_blocks_len(payload_len));
    start as u64..end as u64
}

/// Verifies the sub-blocks that cover a range of the payload and returns exactly that range.
///
/// `data_offset` is where the record's first sub-block lies in the segment, `bytes` what
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
        if hasher.finalize().to_le_bytes() != crc {
            return Err(Malformed(WHAT));
        }
        let cut = range.start.max(start) - start..range.end.min(start + len) - start;
        pieces.push(bytes.slice(position + cut.start..position + cut.end));
        position += len + CRC_LEN;
    }
    Ok(pieces)
}
