//! Value of an index row: which write made it, where its bytes are, and attributes that the engine
//! does not read.
//!
//! | size | field          | meaning                                                          |
//! |-----:|----------------|------------------------------------------------------------------|
//! |   16 | `write_id`     | the write that made the row; relocation compares it              |
//! |    1 | `kind`         | 0 no bytes, 1 inline, 2 extents                                  |
//! |    4 | `count`        | kind 1: bytes of the body; kind 2: number of extents; else 0     |
//! | ...  | location       | the body, or `count` extents of 37 bytes                         |
//! | ...  | `attributes`   | the rest                                                         |
//!
//! An extent is `volume: u64`, `offset: u64`, `column: u8`, `payload_len: u32`, `start: u32`, `len:
//! u32`, `crc64: u64`; `column` 255 means cut over all.
//!
//! Values carry no checksum of their own: the block of the run and the batch of the journal do.

use super::{Fields, Malformed};
use bytes::{BufMut, Bytes, BytesMut};

/// Extents that one row holds at most; longer bodies spread over rows of their own.
pub const EXTENTS_MAX: usize = 512;

const WHAT: &str = "row value";
const EXTENT_LEN: usize = 37;
const COLUMN_CUT: u8 = 255;

/// Identity of a volume, never reused.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, bincode::Encode, bincode::Decode,
)]
pub struct VolumeId(pub u64);

/// Contiguous bytes of one stripe in a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, bincode::Encode, bincode::Decode)]
pub struct Extent {
    /// Which volume.
    pub volume: VolumeId,
    /// Where the stripe begins, in each of its segments.
    pub offset: u64,
    /// The data column that holds all of it; `None` when the stripe is cut over all columns.
    pub column: Option<u8>,
    /// Bytes of that column's payload, or of the whole stripe's when it is cut.
    pub payload_len: u32,
    /// Where the extent begins in that payload.
    pub start: u32,
    /// Bytes.
    pub len: u32,
    /// CRC-64/NVME of the bytes: kept outside what it protects, it catches lost and misdirected
    /// writes.
    pub crc64: u64,
}

/// Where the bytes of a row are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// It has none, or its attributes say where.
    None,
    /// Here; destaged into a volume when the memtable is written out.
    Inline(Bytes),
    /// In volumes, one extent after the other.
    Extents(Vec<Extent>),
}

/// Value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The write that made the row.
    pub write_id: u128,
    /// Where its bytes are.
    pub location: Location,
    /// What the engine does not read.
    pub attributes: Bytes,
}

impl Value {
    /// Extents that the row refers to.
    pub fn extents(&self) -> &[Extent] {
        match &self.location {
            Location::Extents(extents) => extents,
            Location::None | Location::Inline(_) => &[],
        }
    }

    /// Memory that the value takes, roughly.
    pub fn memory_len(&self) -> usize {
        let location = match &self.location {
            Location::None => 0,
            Location::Inline(body) => body.len(),
            Location::Extents(extents) => extents.len() * size_of::<Extent>(),
        };
        size_of::<Self>() + location + self.attributes.len()
    }

    /// Encodes the value.
    ///
    /// # Panics
    /// With more than [`EXTENTS_MAX`] extents.
    pub fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(64 + self.memory_len());
        bytes.put_u128_le(self.write_id);
        match &self.location {
            Location::None => {
                bytes.put_u8(0);
                bytes.put_u32_le(0);
            }
            Location::Inline(body) => {
                bytes.put_u8(1);
                bytes.put_u32_le(body.len() as u32);
                bytes.put_slice(body);
            }
            Location::Extents(extents) => {
                assert!(extents.len() <= EXTENTS_MAX, "a row has few extents");
                bytes.put_u8(2);
                bytes.put_u32_le(extents.len() as u32);
                extents.iter().for_each(|extent| put_extent(&mut bytes, extent));
            }
        }
        bytes.put_slice(&self.attributes);
        bytes.freeze()
    }

    /// Decodes a value that fills the slice.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(bytes: &Bytes) -> Result<Self, Malformed> {
        let mut fields = Fields::new(bytes, WHAT);
        let write_id = fields.u128()?;
        let kind = fields.u8()?;
        let count = fields.u32()? as usize;
        let location = match kind {
            0 if count == 0 => Location::None,
            1 => {
                let start = bytes.len() - fields.remaining();
                fields.bytes(count)?;
                Location::Inline(bytes.slice(start..start + count))
            }
            2 if count <= EXTENTS_MAX => Location::Extents(
                (0..count).map(|_| read_extent(&mut fields)).collect::<Result<_, _>>()?,
            ),
            _ => return Err(Malformed(WHAT)),
        };
        let attributes = bytes.slice(bytes.len() - fields.remaining()..);
        Ok(Self { write_id, location, attributes })
    }
}

fn put_extent(bytes: &mut BytesMut, extent: &Extent) {
    let before = bytes.len();
    bytes.put_u64_le(extent.volume.0);
    bytes.put_u64_le(extent.offset);
    bytes.put_u8(extent.column.unwrap_or(COLUMN_CUT));
    bytes.put_u32_le(extent.payload_len);
    bytes.put_u32_le(extent.start);
    bytes.put_u32_le(extent.len);
    bytes.put_u64_le(extent.crc64);
    debug_assert_eq!(bytes.len() - before, EXTENT_LEN);
}

fn read_extent(fields: &mut Fields<'_>) -> Result<Extent, Malformed> {
    let extent = Extent {
        volume: VolumeId(fields.u64()?),
        offset: fields.u64()?,
        column: Some(fields.u8()?).filter(|column| *column != COLUMN_CUT),
        payload_len: fields.u32()?,
        start: fields.u32()?,
        len: fields.u32()?,
        crc64: fields.u64()?,
    };
    let end = extent.start.checked_add(extent.len);
    let is_inside = end.is_some_and(|end| end <= extent.payload_len);
    if is_inside { Ok(extent) } else { Err(Malformed(WHAT)) }
}
