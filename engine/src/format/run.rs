//! Sorted run: one immutable, ordered piece of the index.
//!
//! ```text
//! section 0: block block ... page   section 1: block ... page   ...   top   footer
//! ```
//!
//! Blocks, pages and the top are *frames*: `len: u32`, `crc: u32`, `len` bytes. The checksum covers
//! the run's id, the frame's offset, its length and its bytes.
//!
//! | frame | content |
//! |---|---|
//! | block | rows: `key_len: u16`, `value_len: u32` (`u32::MAX`: tombstone), key, value |
//! | page  | `block_count: u32`; each `offset: u64`, `len: u32`, `key_len: u16`, key; filter bits |
//! | top   | per section `offset: u64` and `len: u32` of its page, `key_len: u16`, first key |
//!
//! Footer, the last 64 bytes: `magic: u64`, `crc: u32` of bytes 12..64, `version: u32`, `run_id:
//! u64`, `top_offset: u64`, `top_len: u32`, `section_count: u32`, `row_count: u64`, 16 bytes of
//! zeros.
//!
//! The top stays in memory (about 50 bytes per MiB of run); pages and blocks come through the
//! bounded cache.

use super::{FORMAT_VERSION, Fields, Malformed};
use bytes::{BufMut, Bytes, BytesMut};

/// Bytes of rows after which a block is closed.
pub const BLOCK_LEN: usize = 16 << 10;
/// Blocks of one section.
pub const SECTION_BLOCKS: usize = 64;
/// Length of the footer in bytes.
pub const FOOTER_LEN: usize = 64;
/// Bytes before a frame's content.
pub const FRAME_HEADER_LEN: usize = 8;

/// Bits of the filter per row: about 1 % of absent keys pass.
const FILTER_BITS: usize = 10;
/// Bits set per key.
const FILTER_PROBES: u64 = 6;
const FRAME_LEN_MAX: usize = 64 << 20;
const FOOTER_MAGIC: u64 = u64::from_le_bytes(*b"STAVRUN0");
const TOMBSTONE: u32 = u32::MAX;
const WHAT: &str = "run";

/// Where a frame lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FramePlace {
    /// The run.
    pub run_id: u64,
    /// Offset from the start of the file.
    pub offset: u64,
}

fn frame_crc(place: FramePlace, content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&place.run_id.to_le_bytes());
    hasher.update(&place.offset.to_le_bytes());
    hasher.update(&(content.len() as u32).to_le_bytes());
    hasher.update(content);
    hasher.finalize()
}

/// Appends a frame to a buffer.
pub fn put_frame(buffer: &mut BytesMut, place: FramePlace, content: &[u8]) {
    assert!(content.len() <= FRAME_LEN_MAX, "a frame is bounded");
    buffer.put_u32_le(content.len() as u32);
    buffer.put_u32_le(frame_crc(place, content));
    buffer.put_slice(content);
}

/// Verifies a frame that fills the slice and returns its content.
///
/// # Errors
/// [`Malformed`].
pub fn decode_frame(place: FramePlace, bytes: &Bytes) -> Result<Bytes, Malformed> {
    let mut fields = Fields::new(bytes, WHAT);
    let (len, crc) = (fields.u32()? as usize, fields.u32()?);
    let content = fields.bytes(len)?;
    let is_intact = fields.is_empty() && frame_crc(place, content) == crc;
    if is_intact { Ok(bytes.slice(FRAME_HEADER_LEN..)) } else { Err(Malformed(WHAT)) }
}

/// Appends a row to a block; `None` is a tombstone.
pub fn put_row(block: &mut BytesMut, key: &[u8], value: Option<&[u8]>) {
    block.put_u16_le(u16::try_from(key.len()).expect("row keys are bounded"));
    block.put_u32_le(value.map_or(TOMBSTONE, |value| value.len() as u32));
    block.put_slice(key);
    block.put_slice(value.unwrap_or_default());
}

/// A row as it lies in a block; `None` is a tombstone.
pub type EncodedRow = (Bytes, Option<Bytes>);

/// Walks the rows of a block.
pub struct Rows {
    block: Bytes,
    position: usize,
}

impl Rows {
    /// Begins at the first row.
    pub fn new(block: Bytes) -> Self {
        Self { block, position: 0 }
    }
}

impl Iterator for Rows {
    type Item = Result<EncodedRow, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.position == self.block.len() {
            return None;
        }
        let row = read_row(&self.block, &mut self.position);
        if row.is_err() {
            self.position = self.block.len();
        }
        Some(row)
    }
}

fn read_row(block: &Bytes, position: &mut usize) -> Result<EncodedRow, Malformed> {
    let mut fields = Fields::new(&block[*position..], WHAT);
    let key_len = usize::from(fields.u16()?);
    let value_len = fields.u32()?;
    let len = if value_len == TOMBSTONE { 0 } else { value_len as usize };
    fields.bytes(key_len)?;
    fields.bytes(len)?;
    let key_start = *position + 6;
    let value_start = key_start + key_len;
    *position = value_start + len;
    let value = (value_len != TOMBSTONE).then(|| block.slice(value_start..value_start + len));
    Ok((block.slice(key_start..value_start), value))
}

/// Where a block or a page lies and which key it begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// Offset of the frame from the start of the file.
    pub offset: u64,
    /// Bytes of the frame.
    pub len: u32,
    /// First key below it.
    pub first_key: Bytes,
}

fn put_pointer(buffer: &mut BytesMut, pointer: &Pointer) {
    buffer.put_u64_le(pointer.offset);
    buffer.put_u32_le(pointer.len);
    buffer.put_u16_le(pointer.first_key.len() as u16);
    buffer.put_slice(&pointer.first_key);
}

fn read_pointers(
    content: &Bytes,
    start: usize,
    count: usize,
) -> Result<(Vec<Pointer>, usize), Malformed> {
    let mut fields = Fields::new(content.get(start..).ok_or(Malformed(WHAT))?, WHAT);
    if count > fields.remaining() / 14 {
        return Err(Malformed(WHAT));
    }
    let mut pointers = Vec::with_capacity(count);
    for _ in 0..count {
        let (offset, len) = (fields.u64()?, fields.u32()?);
        let key_len = usize::from(fields.u16()?);
        let key_start = content.len() - fields.remaining();
        fields.bytes(key_len)?;
        let first_key = content.slice(key_start..key_start + key_len);
        pointers.push(Pointer { offset, len, first_key });
    }
    Ok((pointers, content.len() - fields.remaining()))
}

/// The page of a section: its blocks and a filter of its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The blocks, in order.
    pub blocks: Vec<Pointer>,
    /// Bloom filter over the section's keys.
    pub filter: Bytes,
}

impl Page {
    /// Encodes a page.
    pub fn encode(blocks: &[Pointer], key_hashes: &[u64]) -> Bytes {
        let mut content = BytesMut::new();
        content.put_u32_le(blocks.len() as u32);
        blocks.iter().for_each(|pointer| put_pointer(&mut content, pointer));
        content.put_slice(&build_filter(key_hashes));
        content.freeze()
    }

    /// Decodes a page's content.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(content: &Bytes) -> Result<Self, Malformed> {
        let count = Fields::new(content, WHAT).u32()? as usize;
        let (blocks, end) = read_pointers(content, 4, count)?;
        if blocks.is_empty() {
            return Err(Malformed(WHAT));
        }
        Ok(Self { blocks, filter: content.slice(end..) })
    }

    /// Whether a key with that hash may be in the section.
    pub fn may_contain(&self, key_hash: u64) -> bool {
        let bits = (self.filter.len() * 8) as u64;
        bits == 0
            || probes(key_hash, bits)
                .all(|bit| self.filter[(bit / 8) as usize] & (1 << (bit % 8)) != 0)
    }
}

/// Hash of a key for the filters.
pub fn key_hash(key: &[u8]) -> u64 {
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, key);
    let mixed = (crc ^ (crc >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ (mixed >> 29)
}

fn probes(key_hash: u64, bits: u64) -> impl Iterator<Item = u64> {
    let step = (key_hash >> 32) | 1;
    (0..FILTER_PROBES).map(move |probe| key_hash.wrapping_add(step.wrapping_mul(probe)) % bits)
}

fn build_filter(key_hashes: &[u64]) -> Vec<u8> {
    let mut filter = vec![0u8; (key_hashes.len() * FILTER_BITS).div_ceil(8).max(1)];
    let bits = (filter.len() * 8) as u64;
    for hash in key_hashes {
        for bit in probes(*hash, bits) {
            filter[(bit / 8) as usize] |= 1 << (bit % 8);
        }
    }
    filter
}

/// Encodes the top: where every section's page lies.
pub fn encode_top(sections: &[Pointer]) -> Bytes {
    let mut content = BytesMut::new();
    sections.iter().for_each(|pointer| put_pointer(&mut content, pointer));
    content.freeze()
}

/// Decodes the top of a run with that many sections.
///
/// # Errors
/// [`Malformed`].
pub fn decode_top(content: &Bytes, section_count: usize) -> Result<Vec<Pointer>, Malformed> {
    let (sections, end) = read_pointers(content, 0, section_count)?;
    if end == content.len() { Ok(sections) } else { Err(Malformed(WHAT)) }
}

/// The end of a run: where to begin reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footer {
    /// The run.
    pub run_id: u64,
    /// Offset of the top's frame.
    pub top_offset: u64,
    /// Bytes of the top's frame.
    pub top_len: u32,
    /// Sections of the run.
    pub section_count: u32,
    /// Rows of the run, tombstones included.
    pub row_count: u64,
}

impl Footer {
    /// Encodes the footer.
    pub fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(FOOTER_LEN);
        bytes.put_u64_le(FOOTER_MAGIC);
        bytes.put_u32_le(0);
        bytes.put_u32_le(FORMAT_VERSION);
        bytes.put_u64_le(self.run_id);
        bytes.put_u64_le(self.top_offset);
        bytes.put_u32_le(self.top_len);
        bytes.put_u32_le(self.section_count);
        bytes.put_u64_le(self.row_count);
        bytes.resize(FOOTER_LEN, 0);
        let crc = crc32fast::hash(&bytes[12..]);
        bytes[8..12].copy_from_slice(&crc.to_le_bytes());
        bytes.freeze()
    }

    /// Decodes a footer.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::new(bytes, WHAT);
        let (magic, crc) = (fields.u64()?, fields.u32()?);
        let is_intact = bytes.len() == FOOTER_LEN
            && magic == FOOTER_MAGIC
            && crc == crc32fast::hash(&bytes[12..]);
        if !is_intact || fields.u32()? != FORMAT_VERSION {
            return Err(Malformed(WHAT));
        }
        let footer = Self {
            run_id: fields.u64()?,
            top_offset: fields.u64()?,
            top_len: fields.u32()?,
            section_count: fields.u32()?,
            row_count: fields.u64()?,
        };
        if fields.u128()? == 0 { Ok(footer) } else { Err(Malformed(WHAT)) }
    }
}
