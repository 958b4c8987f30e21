//! Disk identity: whose disk this is, wherever it is mounted. Written once, as the first file of a
//! blank disk.
//!
//! | offset | size | field           | meaning                                    |
//! |-------:|-----:|-----------------|--------------------------------------------|
//! |      0 |    8 | `magic`         | `STAVDISK`                                 |
//! |      8 |    4 | `crc`           | CRC-32 of bytes 12..64                     |
//! |     12 |    4 | `version`       | [`FORMAT_VERSION`]                         |
//! |     16 |   16 | `deployment_id` | random, the same on every disk of a store  |
//! |     32 |   16 | `disk_id`       | random, this disk's own                    |
//! |     48 |   16 | reserved        | zero, and a reader refuses anything else   |

use super::{FORMAT_VERSION, Fields, Malformed};

/// Length of the encoded identity in bytes.
pub const IDENTITY_LEN: usize = 64;

const MAGIC: &[u8; 8] = b"STAVDISK";
const WHAT: &str = "disk identity";

/// Which disk this is, of which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The store.
    pub deployment_id: u128,
    /// The disk.
    pub disk_id: u128,
}

impl Identity {
    /// Encodes the identity.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(IDENTITY_LEN);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.deployment_id.to_le_bytes());
        bytes.extend_from_slice(&self.disk_id.to_le_bytes());
        bytes.extend_from_slice(&[0; 16]);
        let crc = crc32fast::hash(&bytes[12..]);
        bytes[8..12].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Decodes an identity.
    ///
    /// # Errors
    /// [`Malformed`] when the bytes are damaged, of another version or no identity at all.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::new(bytes, WHAT);
        let magic = fields.bytes(8)?;
        let crc = fields.u32()?;
        if bytes.len() != IDENTITY_LEN || magic != MAGIC || crc != crc32fast::hash(&bytes[12..]) {
            return Err(Malformed(WHAT));
        }
        let version = fields.u32()?;
        let identity = Self { deployment_id: fields.u128()?, disk_id: fields.u128()? };
        let is_known = version == FORMAT_VERSION && fields.u128()? == 0;
        if is_known { Ok(identity) } else { Err(Malformed(WHAT)) }
    }
}
