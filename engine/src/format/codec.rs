//! The one door to `bincode`: bodies of records and messages whose layout follows a Rust type.
//! Fixed frames are laid out by hand beside it. Whoever replaces the library does it here.

use super::Malformed;

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
