//! Running checksums, one type over all five functions, and the arithmetic that joins those of
//! parts.

use crc_fast::{CrcAlgorithm, checksum_combine};
use engine::object::ChecksumAlgorithm;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// A checksum in the making.
pub enum ChecksumHasher {
    /// CRC32, CRC32C or CRC64NVME.
    Crc(Box<crc_fast::Digest>, usize),
    /// SHA-1.
    Sha1(Box<Sha1>),
    /// SHA-256.
    Sha256(Box<Sha256>),
}

/// The function behind a CRC and the bytes of its value; `None` for the SHA family.
fn crc(algorithm: ChecksumAlgorithm) -> Option<(CrcAlgorithm, usize)> {
    match algorithm {
        ChecksumAlgorithm::Crc32 => Some((CrcAlgorithm::Crc32IsoHdlc, 4)),
        ChecksumAlgorithm::Crc32c => Some((CrcAlgorithm::Crc32Iscsi, 4)),
        ChecksumAlgorithm::Crc64Nvme => Some((CrcAlgorithm::Crc64Nvme, 8)),
        ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256 => None,
    }
}

impl ChecksumHasher {
    /// Begins.
    pub fn new(algorithm: ChecksumAlgorithm) -> Self {
        match (crc(algorithm), algorithm) {
            (Some((function, len)), _) => Self::Crc(Box::new(crc_fast::Digest::new(function)), len),
            (None, ChecksumAlgorithm::Sha1) => Self::Sha1(Box::default()),
            (None, _) => Self::Sha256(Box::default()),
        }
    }

    /// Goes on.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(digest, _) => digest.update(bytes),
            Self::Sha1(digest) => digest.update(bytes),
            Self::Sha256(digest) => digest.update(bytes),
        }
    }

    /// The value, big-endian.
    pub fn finish(self) -> Vec<u8> {
        match self {
            Self::Crc(digest, len) => digest.finalize().to_be_bytes()[8 - len..].to_vec(),
            Self::Sha1(digest) => digest.finalize().to_vec(),
            Self::Sha256(digest) => digest.finalize().to_vec(),
        }
    }
}

/// The value over some bytes.
pub fn checksum(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Vec<u8> {
    let mut hasher = ChecksumHasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}

/// The value over the bytes of all parts, from the values over each and their sizes; `None` for the
/// SHA family, which cannot be joined, and for no parts.
pub fn combine(algorithm: ChecksumAlgorithm, parts: &[(Vec<u8>, u64)]) -> Option<Vec<u8>> {
    let (function, len) = crc(algorithm)?;
    let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    let mut parts = parts.iter().map(|(value, size)| (number(value), *size));
    let (mut whole, _) = parts.next()?;
    for (value, size) in parts {
        // The empty suffix changes nothing, and the arithmetic is not made for it.
        whole = if size == 0 { whole } else { checksum_combine(function, whole, value, size) };
    }
    Some(whole.to_be_bytes()[8 - len..].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::checksum::{ALGORITHMS, encode_value};
    use proptest::prelude::*;

    #[test]
    fn values_of_the_standard_check_string() {
        let value = |algorithm| hex::encode(checksum(algorithm, b"123456789"));
        assert_eq!(value(ChecksumAlgorithm::Crc32), "cbf43926");
        assert_eq!(value(ChecksumAlgorithm::Crc32c), "e3069283");
        assert_eq!(value(ChecksumAlgorithm::Crc64Nvme), "ae8b14860a799888");
        assert_eq!(value(ChecksumAlgorithm::Sha1), "f7c3bc1d808e04732adf679965ccc34ca7ae3441");
        assert_eq!(encode_value(&checksum(ChecksumAlgorithm::Crc32, b"")), "AAAAAA==");
    }

    proptest! {
        #[test]
        fn joined_parts_have_the_checksum_of_the_whole(
            parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..6)
        ) {
            let whole = parts.concat();
            for algorithm in ALGORITHMS {
                let values: Vec<_> = parts
                    .iter()
                    .map(|part| (checksum(algorithm, part), part.len() as u64))
                    .collect();
                match combine(algorithm, &values) {
                    Some(value) => prop_assert_eq!(value, checksum(algorithm, &whole)),
                    None => prop_assert!(crc(algorithm).is_none()),
                }
            }
        }
    }
}
