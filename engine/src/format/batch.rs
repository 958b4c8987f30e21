//! Journal batch: one group commit, written and synced as one. Begins at a page boundary, padded
//! with zeros to the next.
//!
//! | offset | size | field          | meaning |
//! |-------:|-----:|----------------|---|
//! |      0 |    4 | `magic`        | `BATCH_MAGIC` |
//! |      4 |    4 | `crc`          | CRC-32 of generation, file, offset, bytes 8..64+payload |
//! |      8 |    4 | `payload_len`  | bytes of all records, at most `PAYLOAD_LEN_MAX` |
//! |     12 |    4 | `record_count` | at least 1 |
//! |     16 |    8 | `sequence`     | 1, 2, 3, ... over the life of a generation |
//! |     24 |    8 | `generation`   | random; drawn anew at every start |
//! |     32 |   32 | reserved       | zero, and a reader refuses anything else |
//!
//! Records follow, each `group: u32`, `len: u32`, then `len` bytes.
//!
//! - B1: the checksum is seeded with generation, file and offset: a batch of an earlier life, or of
//!   an earlier lap of the ring, or in the wrong place never verifies. Generations are secret to
//!   clients, so no body can pose as a batch.
//! - B2: batch `n + 1` is written only after batch `n` is durable. A valid batch proves all before
//!   it durable: a bad one before a good one is rot, a bad one at the end is a torn tail.

use super::{Fields, Malformed, PAGE_LEN, page_align};
use bytes::Bytes;

/// Length of a batch's header in bytes.
pub const BATCH_HEADER_LEN: usize = 64;

/// Most bytes of records in one batch.
pub const PAYLOAD_LEN_MAX: usize = 8 << 20;

const MAGIC: u32 = u32::from_le_bytes(*b"SJB0");
const RECORD_HEADER_LEN: usize = 8;
const WHAT: &str = "journal batch";

/// One entry of the journal: opaque bytes of a group, in two pieces so that a body need not be
/// copied behind its head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalRecord {
    /// Consensus group (partition) that it belongs to.
    pub group: u32,
    /// The bytes, or their beginning.
    pub head: Bytes,
    /// The rest of the bytes.
    pub tail: Bytes,
}

impl JournalRecord {
    /// A record of one piece.
    pub fn new(group: u32, body: impl Into<Bytes>) -> Self {
        Self { group, head: body.into(), tail: Bytes::new() }
    }

    /// Bytes of the body.
    pub fn len(&self) -> usize {
        self.head.len() + self.tail.len()
    }

    /// Whether the body has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the record takes in a batch.
    pub fn encoded_len(&self) -> usize {
        RECORD_HEADER_LEN + self.len()
    }
}

/// Where a batch lies: part of its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchPlace {
    /// Life of the journal.
    pub generation: u64,
    /// File of the ring.
    pub file: u32,
    /// Offset from the start of that file.
    pub offset: u64,
}

impl BatchPlace {
    fn hasher(&self) -> crc32fast::Hasher {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.generation.to_le_bytes());
        hasher.update(&self.file.to_le_bytes());
        hasher.update(&self.offset.to_le_bytes());
        hasher
    }
}

/// A decoded batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Its number.
    pub sequence: u64,
    /// Its records, in order.
    pub records: Vec<JournalRecord>,
}

/// Bytes on disk of a batch with that many bytes of records: a multiple of the page.
pub fn batch_len(payload_len: usize) -> u64 {
    page_align((BATCH_HEADER_LEN + payload_len) as u64)
}

/// Encodes a batch as buffers to be written one after the other at its place.
///
/// # Panics
/// When there is no record or more than [`PAYLOAD_LEN_MAX`] bytes of them.
pub fn encode(place: BatchPlace, sequence: u64, records: &[JournalRecord]) -> Vec<Bytes> {
    let payload_len: usize = records.iter().map(JournalRecord::encoded_len).sum();
    assert!(!records.is_empty(), "a batch has a record");
    assert!(payload_len <= PAYLOAD_LEN_MAX, "a batch is bounded");
    let mut header = Vec::with_capacity(BATCH_HEADER_LEN);
    header.extend_from_slice(&MAGIC.to_le_bytes());
    header.extend_from_slice(&[0; 4]);
    header.extend_from_slice(&(payload_len as u32).to_le_bytes());
    header.extend_from_slice(&(records.len() as u32).to_le_bytes());
    header.extend_from_slice(&sequence.to_le_bytes());
    header.extend_from_slice(&place.generation.to_le_bytes());
    header.resize(BATCH_HEADER_LEN, 0);
    let mut buffers = vec![Bytes::new()];
    let mut hasher = place.hasher();
    hasher.update(&header[8..]);
    push_records(records, &mut buffers, &mut hasher);
    header[4..8].copy_from_slice(&hasher.finalize().to_le_bytes());
    buffers[0] = Bytes::from(header);
    let padding = batch_len(payload_len) as usize - BATCH_HEADER_LEN - payload_len;
    buffers.push(Bytes::from_static(&[0; PAGE_LEN as usize]).slice(..padding));
    buffers
}

fn push_records(
    records: &[JournalRecord],
    buffers: &mut Vec<Bytes>,
    hasher: &mut crc32fast::Hasher,
) {
    for record in records {
        let mut head = Vec::with_capacity(RECORD_HEADER_LEN + record.head.len());
        head.extend_from_slice(&record.group.to_le_bytes());
        head.extend_from_slice(&(record.len() as u32).to_le_bytes());
        head.extend_from_slice(&record.head);
        hasher.update(&head);
        buffers.push(head.into());
        if !record.tail.is_empty() {
            hasher.update(&record.tail);
            buffers.push(record.tail.clone());
        }
    }
}

/// The length on disk that a header claims, when it looks like one of this generation: worth
/// decoding in full.
pub fn peek_len(header: &[u8], generation: u64) -> Option<u64> {
    let mut fields = Fields::new(header, WHAT);
    let magic = fields.u32().ok()?;
    fields.u32().ok()?;
    let payload_len = fields.u32().ok()? as usize;
    fields.u32().ok()?;
    fields.u64().ok()?;
    let is_ours = magic == MAGIC && fields.u64().ok()? == generation;
    (is_ours && payload_len <= PAYLOAD_LEN_MAX).then(|| batch_len(payload_len))
}

/// Decodes the batch at a place; `bytes` begins there and may go on after it.
///
/// # Errors
/// [`Malformed`] when no intact batch of that generation lies there.
pub fn decode(place: BatchPlace, bytes: &Bytes) -> Result<Batch, Malformed> {
    let mut fields = Fields::new(bytes, WHAT);
    let (magic, crc) = (fields.u32()?, fields.u32()?);
    let (payload_len, record_count) = (fields.u32()? as usize, fields.u32()? as usize);
    let (sequence, generation) = (fields.u64()?, fields.u64()?);
    let end = BATCH_HEADER_LEN + payload_len;
    let is_ours = magic == MAGIC && generation == place.generation;
    if !is_ours || payload_len > PAYLOAD_LEN_MAX || bytes.len() < end {
        return Err(Malformed(WHAT));
    }
    let mut hasher = place.hasher();
    hasher.update(&bytes[8..end]);
    if hasher.finalize() != crc || bytes[32..BATCH_HEADER_LEN].iter().any(|byte| *byte != 0) {
        return Err(Malformed(WHAT));
    }
    let records = decode_records(bytes.slice(BATCH_HEADER_LEN..end), record_count)?;
    Ok(Batch { sequence, records })
}

fn decode_records(payload: Bytes, count: usize) -> Result<Vec<JournalRecord>, Malformed> {
    if count == 0 || count > payload.len() / RECORD_HEADER_LEN {
        return Err(Malformed(WHAT));
    }
    let mut fields = Fields::new(&payload, WHAT);
    let mut records = Vec::with_capacity(count);
    for _ in 0..count {
        let (group, len) = (fields.u32()?, fields.u32()? as usize);
        let start = payload.len() - fields.remaining();
        fields.bytes(len)?;
        records.push(JournalRecord::new(group, payload.slice(start..start + len)));
    }
    if fields.is_empty() { Ok(records) } else { Err(Malformed(WHAT)) }
}
