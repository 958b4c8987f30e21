//! Roster: the disks of a node, which of them hold what was acknowledged last, and which hold its
//! metadata. One file on every disk, `stave.roster`, replaced as a whole by rename.
//!
//! | offset | size | field           | meaning                                    |
//! |-------:|-----:|-----------------|--------------------------------------------|
//! |      0 |    8 | `magic`         | `STAVROST`                                 |
//! |      8 |    4 | `crc`           | CRC-32 of bytes 12..                       |
//! |     12 |    4 | `version`       | [`FORMAT_VERSION`]                         |
//! |     16 |   16 | `deployment_id` | the store                                  |
//! |     32 |    8 | `body_len`      | bytes that follow                          |
//! |     40 |  ... | body            | [`Roster`] in the codec's layout           |
//!
//! See [`crate::disks`] for who writes it when, and who believes it.

use super::{FORMAT_VERSION, Fields, Malformed, codec};

/// Disks of a node at most.
pub const DISK_COUNT_MAX: usize = 1024;

const MAGIC: &[u8; 8] = b"STAVROST";
const HEADER_LEN: usize = 40;
const WHAT: &str = "roster";

/// A disk's number in its node: small, given once, never reused.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, bincode::Encode, bincode::Decode,
)]
pub struct DiskNumber(pub u16);

/// What the roster knows of a disk.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct RosterDisk {
    /// Its number.
    pub number: DiskNumber,
    /// Its identity.
    pub disk_id: u128,
    /// Where it was last seen.
    pub place: String,
    /// Whether it took part in this epoch: only such disks count for the quorum.
    pub is_active: bool,
    /// Whether it holds a copy of the metadata.
    pub is_leg: bool,
}

/// The disks of a node, as of one epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Roster {
    /// Counts the rosters of a node; only grows.
    pub epoch: u64,
    /// Numbers of disks from here on are free.
    pub next_number: u16,
    /// Parity columns that new volumes shall have.
    pub parity: u8,
    /// The disks, by number.
    pub disks: Vec<RosterDisk>,
}

impl Roster {
    /// Encodes the roster of a store.
    pub fn encode(&self, deployment_id: u128) -> Vec<u8> {
        let body = codec::encode(self);
        let mut bytes = Vec::with_capacity(HEADER_LEN + body.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&deployment_id.to_le_bytes());
        bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&body);
        let crc = crc32fast::hash(&bytes[12..]);
        bytes[8..12].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Decodes the roster of that store.
    ///
    /// # Errors
    /// [`Malformed`] when it is damaged, of another version or of another store.
    pub fn decode(bytes: &[u8], deployment_id: u128) -> Result<Self, Malformed> {
        let mut fields = Fields::new(bytes, WHAT);
        let (magic, crc) = (fields.bytes(8)?, fields.u32()?);
        if magic != MAGIC || crc != crc32fast::hash(&bytes[12..]) {
            return Err(Malformed(WHAT));
        }
        let is_ours = fields.u32()? == FORMAT_VERSION && fields.u128()? == deployment_id;
        let body_len = fields.u64()?;
        if !is_ours || body_len != fields.remaining() as u64 {
            return Err(Malformed(WHAT));
        }
        let roster: Self = codec::decode(&bytes[HEADER_LEN..], WHAT)?;
        let numbers = roster.disks.iter().map(|disk| disk.number.0);
        let is_sorted = numbers.clone().zip(numbers.clone().skip(1)).all(|(a, b)| a < b);
        let is_known = is_sorted && numbers.max().is_none_or(|last| last < roster.next_number);
        let is_bounded = (1..=DISK_COUNT_MAX).contains(&roster.disks.len());
        if is_known && is_bounded { Ok(roster) } else { Err(Malformed(WHAT)) }
    }
}
