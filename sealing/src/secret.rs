//! Keys of 256 bits.

use crate::SealError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a key.
pub const KEY_LEN: usize = 32;

/// A key of 256 bits; wiped when it goes, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<[u8; KEY_LEN]>);

impl Secret {
    /// A key of these bytes.
    pub fn new(bytes: [u8; KEY_LEN]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A new key; `fill` fills a buffer with random bytes of cryptographic quality.
    pub fn random(fill: impl FnOnce(&mut [u8])) -> Self {
        let mut secret = Self::new([0; KEY_LEN]);
        fill(&mut *secret.0);
        secret
    }

    /// Reads the base64 of a key (RFC 4648, section 4).
    ///
    /// # Errors
    /// `Format` for what is not the base64 of 32 bytes.
    pub fn parse(text: &str) -> Result<Self, SealError> {
        let mut bytes = STANDARD.decode(text.trim()).map_err(|_| SealError::Format)?;
        let key: Result<[u8; KEY_LEN], _> = bytes.as_slice().try_into();
        bytes.zeroize();
        key.map(Self::new).map_err(|_| SealError::Format)
    }

    /// The bytes, for ciphers and digests alone.
    pub fn bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    /// A key for one purpose: HMAC-SHA-256 under this one, of the purpose and what tells apart
    /// (NIST SP 800-108, a KDF in counter mode of one block).
    pub fn derive(&self, purpose: &str, salt: &[u8]) -> Self {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.bytes()).expect("HMAC takes keys of any length");
        mac.update(&[1]);
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(salt);
        Self::new(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(<redacted>)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_and_not_shown() {
        let secret = Secret::parse("AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=").unwrap();
        assert_eq!(secret.bytes()[31], 32);
        assert_eq!(format!("{secret:?}"), "Secret(<redacted>)");
        for bad in ["", "AQID", "no base64!", "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAh"] {
            assert_eq!(Secret::parse(bad), Err(SealError::Format), "{bad}");
        }
    }

    #[test]
    fn derived_keys_differ_by_purpose_and_salt() {
        let secret = Secret::new([1; KEY_LEN]);
        let keys = [("a", "b"), ("a", "c"), ("b", "b"), ("ab", "")]
            .map(|(purpose, salt)| secret.derive(purpose, salt.as_bytes()));
        for (index, key) in keys.iter().enumerate() {
            assert!(keys[..index].iter().all(|other| other != key) && *key != secret);
        }
        assert_eq!(keys[0], secret.derive("a", b"b"));
    }
}
