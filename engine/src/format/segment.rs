//! Segment: the file that is one member of a volume. Begins with a page that says whose bytes these
//! are; records follow, each seeded with the same identity, the [`Seal`].
//!
//! | offset | size | field           | meaning |
//! |-------:|-----:|-----------------|---|
//! |      0 |    8 | `magic`         | `STAVSEGM` |
//! |      8 |    4 | `crc`           | CRC-32 of bytes 12..4096 |
//! |     12 |    4 | `version`       | [`FORMAT_VERSION`] |
//! |     16 |   16 | `deployment_id` | the store |
//! |     32 |   16 | `disk_id`       | the disk that it was written for |
//! |     48 |    8 | `volume`        | the volume |
//! |     56 |    1 | `column`        | which member: data columns first, then parity |
//! |     57 |    1 | `data`          | data columns of the volume |
//! |     58 |    1 | `parity`        | parity columns |
//! |     59 |    1 | `code`          | 0 none, else `erasure::code::CODE` |
//! |     60 |    4 | `epoch`         | of the volume when this member was made |
//! |     64 | 4032 | reserved        | zero, and a reader refuses anything else |

use super::{FORMAT_VERSION, Fields, Malformed, PAGE_LEN, value::VolumeId};
use crate::erasure::{Geometry, code};
use bytes::{BufMut, Bytes, BytesMut};

const MAGIC: u64 = u64::from_le_bytes(*b"STAVSEGM");
const WHAT: &str = "segment header";

/// Identity of a segment: what all its checksums are seeded with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The store.
    pub deployment_id: u128,
    /// The disk.
    pub disk_id: u128,
    /// The volume.
    pub volume: VolumeId,
    /// Data and parity columns of the volume.
    pub geometry: Geometry,
    /// Which of them this is, data columns first.
    pub column: u8,
    /// Epoch of the volume when this member was made.
    pub epoch: u32,
}

impl Seal {
    /// A checksum that begins with the identity and a place in the segment.
    pub(super) fn hasher(&self, offset: u64) -> crc32fast::Hasher {
        let mut seed = [0; 64];
        seed[..16].copy_from_slice(&self.deployment_id.to_le_bytes());
        seed[16..32].copy_from_slice(&self.disk_id.to_le_bytes());
        seed[32..40].copy_from_slice(&self.volume.0.to_le_bytes());
        seed[40..48].copy_from_slice(&offset.to_le_bytes());
        seed[48..52].copy_from_slice(&self.epoch.to_le_bytes());
        seed[52..55].copy_from_slice(&[self.column, self.geometry.data, self.geometry.parity]);
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&seed);
        hasher
    }

    /// Encodes the first page of the segment.
    pub fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(PAGE_LEN as usize);
        bytes.put_u64_le(MAGIC);
        bytes.put_u32_le(0);
        bytes.put_u32_le(FORMAT_VERSION);
        bytes.put_u128_le(self.deployment_id);
        bytes.put_u128_le(self.disk_id);
        bytes.put_u64_le(self.volume.0);
        bytes.put_u8(self.column);
        bytes.put_u8(self.geometry.data);
        bytes.put_u8(self.geometry.parity);
        bytes.put_u8(code_of(self.geometry));
        bytes.put_u32_le(self.epoch);
        bytes.resize(PAGE_LEN as usize, 0);
        let crc = crc32fast::hash(&bytes[12..]);
        bytes[8..12].copy_from_slice(&crc.to_le_bytes());
        bytes.freeze()
    }

    /// Decodes the first page of a segment.
    ///
    /// # Errors
    /// [`Malformed`] when it is damaged or of a geometry, code or version that this reader does not
    /// know.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::new(bytes, WHAT);
        let (magic, crc) = (fields.u64()?, fields.u32()?);
        let is_intact = bytes.len() == PAGE_LEN as usize
            && magic == MAGIC
            && crc == crc32fast::hash(&bytes[12..]);
        if !is_intact || fields.u32()? != FORMAT_VERSION {
            return Err(Malformed(WHAT));
        }
        let (deployment_id, disk_id) = (fields.u128()?, fields.u128()?);
        let volume = VolumeId(fields.u64()?);
        let column = fields.u8()?;
        let geometry = Geometry { data: fields.u8()?, parity: fields.u8()? };
        let code = fields.u8()?;
        let epoch = fields.u32()?;
        let is_zero = fields.bytes(fields.remaining())?.iter().all(|byte| *byte == 0);
        let is_known = geometry.is_valid()
            && usize::from(column) < geometry.width()
            && code == code_of(geometry)
            && is_zero;
        let seal = Self { deployment_id, disk_id, volume, geometry, column, epoch };
        if is_known { Ok(seal) } else { Err(Malformed(WHAT)) }
    }
}

fn code_of(geometry: Geometry) -> u8 {
    if geometry.parity == 0 { 0 } else { code::CODE }
}
