//! The one door to `bincode`: bodies of records and messages whose layout follows a Rust type.
//! Fixed frames are laid out by hand beside it. Whoever replaces the library does it here.
//!
//! Small files that are replaced as a whole (manifest, roster) share this frame:
//!
//! | offset | size | field           | meaning                                    |
//! |-------:|-----:|-----------------|--------------------------------------------|
//! |      0 |    8 | `magic`         | which file it is                           |
//! |      8 |    4 | `crc`           | CRC-32 of bytes 12..                       |
//! |     12 |    4 | `version`       | [`FORMAT_VERSION`]                         |
//! |     16 |   16 | `deployment_id` | the store                                  |
//! |     32 |    8 | `body_len`      | bytes that follow                          |
//! |     40 |  ... | body            | in the codec's layout                      |

use super::{FORMAT_VERSION, Fields, Malformed};

const HEADER_LEN: usize = 40;

/// No decoded value takes more memory than this, whatever its bytes claim.
const DECODED_LEN_MAX: usize = 64 << 20;

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<DECODED_LEN_MAX>()
}

/// Encodes a value; the layout is that of `bincode` 2 with variable-length integers, little-endian.
pub fn encode(value: &impl bincode::Encode) -> Vec<u8> {
    bincode::encode_to_vec(value, config()).expect("encoding to memory has no failure of its own")
}

/// Decodes a value that fills the slice.
///
/// # Errors
/// [`Malformed`] when the bytes are no such value, claim too much memory, or go on after it.
pub fn decode<T: bincode::Decode<()>>(bytes: &[u8], what: &'static str) -> Result<T, Malformed> {
    match bincode::decode_from_slice(bytes, config()) {
        Ok((value, len)) if len == bytes.len() => Ok(value),
        _ => Err(Malformed(what)),
    }
}

/// Which file a frame belongs to.
pub(super) struct Frame {
    pub(super) magic: &'static [u8; 8],
    /// What to call it when it is malformed.
    pub(super) what: &'static str,
}

impl Frame {
    /// Encodes a body of that store.
    pub(super) fn encode<T: bincode::Encode>(&self, deployment_id: u128, body: &T) -> Vec<u8> {
        let body = encode(body);
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
        Ok((deployment_id, decode(&bytes[HEADER_LEN..], self.what)?))
    }
}
