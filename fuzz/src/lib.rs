//! What the fuzz targets share: making a checksum right, so that a fuzzer gets past it.
//!
//! Formats verify before they parse (F1), and no fuzzer guesses a CRC-32. Each target therefore
//! feeds its decoder twice: with the bytes as they come, and with their checksum repaired.

pub mod accounts;
pub mod request;

use std::ops::Range;

/// Writes the CRC-32 of `seed` and of the covered bytes to `at`, little-endian; returns nothing
/// when the bytes are too short to have such a checksum.
pub fn repaired(bytes: &[u8], at: usize, seed: &[u8], covered: Range<usize>) -> Option<Vec<u8>> {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(seed);
    hasher.update(bytes.get(covered)?);
    let mut copy = bytes.to_vec();
    copy.get_mut(at..at + 4)?.copy_from_slice(&hasher.finalize().to_le_bytes());
    Some(copy)
}

/// The little-endian `u32` at an offset.
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The little-endian `u64` at an offset.
pub fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// The little-endian `u128` at an offset.
pub fn u128_at(bytes: &[u8], at: usize) -> Option<u128> {
    Some(u128::from_le_bytes(bytes.get(at..at + 16)?.try_into().ok()?))
}
