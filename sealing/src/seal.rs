//! A key sealed under another one, bound to what it is for.
//!
//! ```text
//! salt, 16 random bytes | AES-256-GCM(derive(key, salt), nonce 0, aad = binding) of 32 bytes | tag
//! ```
//! A key is derived for every seal, so that each has a nonce of its own however many there are.

use crate::SealError;
use crate::secret::{KEY_LEN, Secret};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroize;

/// Bytes of the salt.
pub const SALT_LEN: usize = 16;
const TAG_LEN: usize = 16;
/// Bytes of a sealed key.
pub const SEALED_LEN: usize = SALT_LEN + KEY_LEN + TAG_LEN;

/// The cipher of AES-256-GCM under a key (NIST SP 800-38D).
pub(crate) fn gcm(key: &Secret) -> LessSafeKey {
    let key = UnboundKey::new(&AES_256_GCM, key.bytes()).expect("the key has 256 bits");
    LessSafeKey::new(key)
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

/// Seals a key; returns the base64 of it. `salt` was drawn for this seal.
///
/// # Errors
/// `Cipher`.
pub fn seal(
    under: &Secret,
    secret: &Secret,
    binding: &[u8],
    salt: [u8; SALT_LEN],
) -> Result<String, SealError> {
    let mut sealed = [0; SEALED_LEN];
    sealed[..SALT_LEN].copy_from_slice(&salt);
    let body = &mut sealed[SALT_LEN..SALT_LEN + KEY_LEN];
    body.copy_from_slice(secret.bytes());
    let cipher = gcm(&under.derive("stave seal", &salt));
    let tag = cipher.seal_in_place_separate_tag(nonce(), Aad::from(binding), body);
    match tag {
        Ok(tag) => sealed[SALT_LEN + KEY_LEN..].copy_from_slice(tag.as_ref()),
        Err(_) => {
            sealed.zeroize();
            return Err(SealError::Cipher);
        }
    }
    Ok(STANDARD.encode(sealed))
}

/// Opens what [`seal`] sealed under the same key for the same binding (X2).
///
/// # Errors
/// `Format`, `Closed`.
pub fn open(under: &Secret, sealed: &str, binding: &[u8]) -> Result<Secret, SealError> {
    let mut bytes = STANDARD.decode(sealed).map_err(|_| SealError::Format)?;
    if bytes.len() != SEALED_LEN {
        return Err(SealError::Format);
    }
    let (salt, body) = bytes.split_at_mut(SALT_LEN);
    let cipher = gcm(&under.derive("stave seal", salt));
    let opened = cipher.open_in_place(nonce(), Aad::from(binding), body);
    let key = opened.ok().and_then(|key| <[u8; KEY_LEN]>::try_from(&*key).ok());
    bytes.zeroize();
    key.map(Secret::new).ok_or(SealError::Closed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_opens_under_its_own_key_and_binding_only() {
        let (under, secret) = (Secret::new([1; 32]), Secret::new([2; 32]));
        let sealed = seal(&under, &secret, b"bucket/key", [3; SALT_LEN]).unwrap();
        assert_eq!(open(&under, &sealed, b"bucket/key"), Ok(secret.clone()));
        assert_eq!(open(&under, &sealed, b"bucket/other"), Err(SealError::Closed));
        assert_eq!(open(&secret, &sealed, b"bucket/key"), Err(SealError::Closed));
        assert_eq!(open(&under, "AAAA", b"bucket/key"), Err(SealError::Format));
        let bytes = STANDARD.decode(&sealed).unwrap();
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            let changed = STANDARD.encode(changed);
            assert_eq!(open(&under, &changed, b"bucket/key"), Err(SealError::Closed), "{index}");
        }
        let again = seal(&under, &secret, b"bucket/key", [4; SALT_LEN]).unwrap();
        assert_ne!(again, sealed);
    }
}
