//! Running checksums, one type over all functions, and the arithmetic that joins those of parts.

use crc_fast::{CrcAlgorithm, checksum_combine};
use engine::object::ChecksumAlgorithm;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use std::hash::Hasher;
use twox_hash::{XxHash3_64, XxHash3_128, XxHash64};

/// A checksum in the making.
pub enum ChecksumHasher {
    /// CRC32, CRC32C or CRC64NVME.
    Crc(Box<crc_fast::Digest>, usize),
    /// SHA-1.
    Sha1(Box<Sha1>),
    /// SHA-256.
    Sha256(Box<Sha256>),
    /// SHA-512.
    Sha512(Box<Sha512>),
    /// MD5.
    Md5(Box<Md5>),
    /// XXH64.
    XxHash64(Box<XxHash64>),
    /// XXH3 of 64 bits.
    XxHash3(Box<XxHash3_64>),
    /// XXH3 of 128 bits.
    XxHash128(Box<XxHash3_128>),
}

/// The function behind a CRC and the bytes of its value; `None` for what is none.
fn crc(algorithm: ChecksumAlgorithm) -> Option<(CrcAlgorithm, usize)> {
    match algorithm {
        ChecksumAlgorithm::Crc32 => Some((CrcAlgorithm::Crc32IsoHdlc, 4)),
        ChecksumAlgorithm::Crc32c => Some((CrcAlgorithm::Crc32Iscsi, 4)),
        ChecksumAlgorithm::Crc64Nvme => Some((CrcAlgorithm::Crc64Nvme, 8)),
        _ => None,
    }
}

impl ChecksumHasher {
    /// Begins.
    pub fn new(algorithm: ChecksumAlgorithm) -> Self {
        match algorithm {
            ChecksumAlgorithm::Crc32 | ChecksumAlgorithm::Crc32c | ChecksumAlgorithm::Crc64Nvme => {
                let (function, len) = crc(algorithm).expect("it is a CRC");
                Self::Crc(Box::new(crc_fast::Digest::new(function)), len)
            }
            ChecksumAlgorithm::Sha1 => Self::Sha1(Box::default()),
            ChecksumAlgorithm::Sha256 => Self::Sha256(Box::default()),
            ChecksumAlgorithm::Sha512 => Self::Sha512(Box::default()),
            ChecksumAlgorithm::Md5 => Self::Md5(Box::default()),
            ChecksumAlgorithm::XxHash64 => Self::XxHash64(Box::new(XxHash64::with_seed(0))),
            ChecksumAlgorithm::XxHash3 => Self::XxHash3(Box::new(XxHash3_64::new())),
            ChecksumAlgorithm::XxHash128 => Self::XxHash128(Box::new(XxHash3_128::new())),
        }
    }

    /// Goes on.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(digest, _) => digest.update(bytes),
            Self::Sha1(digest) => digest.update(bytes),
            Self::Sha256(digest) => digest.update(bytes),
            Self::Sha512(digest) => digest.update(bytes),
            Self::Md5(digest) => digest.update(bytes),
            Self::XxHash64(digest) => digest.write(bytes),
            Self::XxHash3(digest) => digest.write(bytes),
            Self::XxHash128(digest) => digest.write(bytes),
        }
    }

    /// The value, big-endian.
    pub fn finish(self) -> Vec<u8> {
        match self {
            Self::Crc(digest, len) => digest.finalize().to_be_bytes()[8 - len..].to_vec(),
            Self::Sha1(digest) => digest.finalize().to_vec(),
            Self::Sha256(digest) => digest.finalize().to_vec(),
            Self::Sha512(digest) => digest.finalize().to_vec(),
            Self::Md5(digest) => digest.finalize().to_vec(),
            Self::XxHash64(digest) => digest.finish().to_be_bytes().to_vec(),
            Self::XxHash3(digest) => digest.finish().to_be_bytes().to_vec(),
            Self::XxHash128(digest) => digest.finish_128().to_be_bytes().to_vec(),
        }
    }
}

/// The value over some bytes.
pub fn checksum(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Vec<u8> {
    let mut hasher = ChecksumHasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}

/// The value over the bytes of all parts, from the values over each and their sizes; `None` for
/// what is no CRC, which cannot be joined, and for no parts.
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
    use crate::headers::checksum::{ALGORITHMS, encode_value, names};
    use engine::object::ChecksumKind;
    use proptest::prelude::*;

    #[test]
    fn values_of_the_standard_check_string() {
        let value = |algorithm| hex::encode(checksum(algorithm, b"123456789"));
        assert_eq!(value(ChecksumAlgorithm::Crc32), "cbf43926");
        assert_eq!(value(ChecksumAlgorithm::Crc32c), "e3069283");
        assert_eq!(value(ChecksumAlgorithm::Crc64Nvme), "ae8b14860a799888");
        assert_eq!(value(ChecksumAlgorithm::Sha1), "f7c3bc1d808e04732adf679965ccc34ca7ae3441");
        assert_eq!(value(ChecksumAlgorithm::Md5), "25f9e794323b453885f5181f1b624d0b");
        assert_eq!(
            value(ChecksumAlgorithm::Sha256),
            "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"
        );
        assert_eq!(
            value(ChecksumAlgorithm::Sha512),
            "d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274a\
             d27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85"
        );
        assert_eq!(value(ChecksumAlgorithm::XxHash64), "8cb841db40e6ae83");
        assert_eq!(value(ChecksumAlgorithm::XxHash3), "72dcb18b67a17dff");
        assert_eq!(value(ChecksumAlgorithm::XxHash128), "33119477ede5dcd5e9716427681d5860");
        assert_eq!(encode_value(&checksum(ChecksumAlgorithm::Crc32, b"")), "AAAAAA==");
    }

    /// Seed 0 throughout: what the reference implementation says of no bytes.
    #[test]
    fn values_of_nothing() {
        let value = |algorithm| hex::encode(checksum(algorithm, b""));
        assert_eq!(value(ChecksumAlgorithm::Md5), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(value(ChecksumAlgorithm::XxHash64), "ef46db3751d8e999");
        assert_eq!(value(ChecksumAlgorithm::XxHash3), "2d06800538d394c2");
        assert_eq!(value(ChecksumAlgorithm::XxHash128), "99aa06d3014798d86001c324468d497f");
    }

    #[test]
    fn values_have_the_length_that_their_names_tell_and_only_whole_ones_are_joined() {
        for algorithm in ALGORITHMS {
            let value = checksum(algorithm, b"x");
            let names = names(algorithm);
            assert_eq!(value.len(), names.len, "{algorithm:?}");
            let is_joined = combine(algorithm, &[(value, 1)]).is_some();
            assert_eq!(is_joined, names.kinds.contains(&ChecksumKind::FullObject));
        }
    }

    proptest! {
        #[test]
        fn pieces_have_the_checksum_of_the_whole(
            bytes in proptest::collection::vec(any::<u8>(), 0..3000), cut: proptest::sample::Index,
        ) {
            let (one, two) = bytes.split_at(cut.index(bytes.len() + 1));
            for algorithm in ALGORITHMS {
                let mut hasher = ChecksumHasher::new(algorithm);
                hasher.update(one);
                hasher.update(two);
                prop_assert_eq!(hasher.finish(), checksum(algorithm, &bytes));
            }
        }

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
