//! The frame of small files that are replaced as a whole: manifest and roster.
//!
//! | offset | size | field           | meaning                                    |
//! |-------:|-----:|-----------------|--------------------------------------------|
//! |      0 |    8 | `magic`         | which file it is                           |
//! |      8 |    4 | `crc`           | CRC-32 of bytes 12..                       |
//! |     12 |    4 | `version`       | [`FORMAT_VERSION`]                         |
//! |     16 |   16 | `deployment_id` | the store                                  |
//! |     32 |    8 | `body_len`      | bytes that follow                          |
//! |     40 |  ... | body            | in the codec's layout                      |

use super::{FORMAT_VERSION, Fields, Malformed, codec};

const HEADER_LEN: usize = 40;

/// Which file a frame belongs to.
pub(super) struct Frame {
    pub(super) magic: &'static [u8; 8],
    /// What to call it when it is malformed.
    pub(super) what: &'static str,
}

impl Frame {
    /// Encodes a body of that store.
    pub(super) fn encode<T: bincode::Encode>(&self, deployment_id: u128, body: &T) -> Vec<u8> {
        let body = codec::encode(body);
        let mut bytes = Vec::with_capacity(HEADER_LEN + body.len());
        bytes.extend_from_slice(self.magic);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&deployment_id.to_le_bytes());
        bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&body);
        let crc = crc32fast::hash(&bytes[12..]);
        bytes[8..12].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Decodes a body, and whose it is.
    ///
    /// # Errors
    /// [`Malformed`] when it is damaged or of another version.
    pub(super) fn decode<T>(&self, bytes: &[u8]) -> Result<(u128, T), Malformed>
    where
        T: bincode::Decode<()>,
    {
        let mut fields = Fields::new(bytes, self.what);
        let (magic, crc) = (fields.bytes(8)?, fields.u32()?);
        if magic != self.magic || crc != crc32fast::hash(&bytes[12..]) {
            return Err(Malformed(self.what));
        }
        let is_known = fields.u32()? == FORMAT_VERSION;
        let deployment_id = fields.u128()?;
        let body_len = fields.u64()?;
        if !is_known || body_len != fields.remaining() as u64 {
            return Err(Malformed(self.what));
        }
        Ok((deployment_id, codec::decode(&bytes[HEADER_LEN..], self.what)?))
    }
}
