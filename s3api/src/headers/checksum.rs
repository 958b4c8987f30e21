//! The checksum headers: `x-amz-checksum-*`, `x-amz-sdk-checksum-algorithm`, `x-amz-trailer`,
//! `Content-MD5`.

use super::text;
use crate::error::{S3Error, S3Result, codes};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use engine::object::{ChecksumAlgorithm, ChecksumKind};
use http::HeaderMap;

/// Every algorithm, in the order in which AWS names them.
pub const ALGORITHMS: [ChecksumAlgorithm; 10] = [
    ChecksumAlgorithm::Crc32,
    ChecksumAlgorithm::Crc32c,
    ChecksumAlgorithm::Crc64Nvme,
    ChecksumAlgorithm::Sha1,
    ChecksumAlgorithm::Sha256,
    ChecksumAlgorithm::Sha512,
    ChecksumAlgorithm::Md5,
    ChecksumAlgorithm::XxHash64,
    ChecksumAlgorithm::XxHash3,
    ChecksumAlgorithm::XxHash128,
];

/// Headers that speak of checksums and carry none.
const NO_VALUES: [&str; 3] =
    ["x-amz-checksum-algorithm", "x-amz-checksum-mode", "x-amz-checksum-type"];

/// How an algorithm is called where, how long its value is, and what it may cover.
#[derive(Debug, PartialEq, Eq)]
pub struct Names {
    /// Header or trailer that carries a value.
    pub header: &'static str,
    /// XML element that carries a value.
    pub element: &'static str,
    /// Name in headers and XML that choose an algorithm.
    pub name: &'static str,
    /// Bytes of a value.
    pub len: usize,
    /// What it may cover of an object that is uploaded in parts; the first where nobody says
    /// (S3 user guide, "Full object and composite checksum types").
    pub kinds: &'static [ChecksumKind],
}

/// Only what can be joined arithmetically covers a whole object.
const EITHER: &[ChecksumKind] = &[ChecksumKind::Composite, ChecksumKind::FullObject];
const WHOLE: &[ChecksumKind] = &[ChecksumKind::FullObject];
const PARTS: &[ChecksumKind] = &[ChecksumKind::Composite];

/// The entry of an algorithm; all its names are made of the one.
macro_rules! entry {
    ($name:literal, $header:literal, $len:literal, $kinds:ident) => {
        &Names {
            header: concat!("x-amz-checksum-", $header),
            element: concat!("Checksum", $name),
            name: $name,
            len: $len,
            kinds: $kinds,
        }
    };
}

/// The names of an algorithm.
pub fn names(algorithm: ChecksumAlgorithm) -> &'static Names {
    match algorithm {
        ChecksumAlgorithm::Crc32 => entry!("CRC32", "crc32", 4, EITHER),
        ChecksumAlgorithm::Crc32c => entry!("CRC32C", "crc32c", 4, EITHER),
        ChecksumAlgorithm::Crc64Nvme => entry!("CRC64NVME", "crc64nvme", 8, WHOLE),
        ChecksumAlgorithm::Sha1 => entry!("SHA1", "sha1", 20, PARTS),
        ChecksumAlgorithm::Sha256 => entry!("SHA256", "sha256", 32, PARTS),
        ChecksumAlgorithm::Sha512 => entry!("SHA512", "sha512", 64, PARTS),
        ChecksumAlgorithm::Md5 => entry!("MD5", "md5", 16, PARTS),
        ChecksumAlgorithm::XxHash64 => entry!("XXHASH64", "xxhash64", 8, PARTS),
        ChecksumAlgorithm::XxHash3 => entry!("XXHASH3", "xxhash3", 8, PARTS),
        ChecksumAlgorithm::XxHash128 => entry!("XXHASH128", "xxhash128", 16, PARTS),
    }
}

/// The name of a kind in headers and XML.
pub fn kind_name(kind: ChecksumKind) -> &'static str {
    match kind {
        ChecksumKind::FullObject => "FULL_OBJECT",
        ChecksumKind::Composite => "COMPOSITE",
    }
}

/// The algorithm of a name, in any case.
pub fn by_name(text: &str) -> Option<ChecksumAlgorithm> {
    ALGORITHMS.into_iter().find(|algorithm| names(*algorithm).name.eq_ignore_ascii_case(text))
}

/// The algorithm whose value a header or trailer carries.
pub fn by_header(name: &str) -> Option<ChecksumAlgorithm> {
    ALGORITHMS.into_iter().find(|algorithm| names(*algorithm).header.eq_ignore_ascii_case(name))
}

/// The algorithm whose value an XML element carries.
pub fn by_element(name: &str) -> Option<ChecksumAlgorithm> {
    ALGORITHMS.into_iter().find(|algorithm| names(*algorithm).element == name)
}

/// The bytes of a value in base64, when it is one of this algorithm.
pub fn decode_value(algorithm: ChecksumAlgorithm, text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text).ok().filter(|bytes| bytes.len() == names(algorithm).len)
}

/// Where the value of a checksum that a client promises comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Promise {
    /// From a header.
    Value(Vec<u8>),
    /// From the trailer.
    Trailer,
    /// From nowhere: the client wants it computed.
    None,
}

/// The checksum that a request promises of its body.
///
/// # Errors
/// `InvalidRequest` for several of them, an unknown one or a malformed value.
pub fn promised(headers: &HeaderMap) -> S3Result<Option<(ChecksumAlgorithm, Promise)>> {
    let invalid = |message: String| S3Error::new(&codes::INVALID_REQUEST, message);
    check_names(headers)?;
    let mut found = None;
    for algorithm in ALGORITHMS {
        let name = names(algorithm).header;
        let Some(value) = text(headers, name)? else {
            continue;
        };
        let value = decode_value(algorithm, value)
            .ok_or_else(|| invalid(format!("Value for {name} header is invalid.")))?;
        if found.replace((algorithm, Promise::Value(value))).is_some() {
            return Err(invalid("Expecting a single x-amz-checksum- header.".to_owned()));
        }
    }
    if let Some(trailer) = text(headers, "x-amz-trailer")? {
        let algorithm = by_header(trailer).ok_or_else(|| {
            invalid("The value specified in the x-amz-trailer header is not supported.".to_owned())
        })?;
        if found.replace((algorithm, Promise::Trailer)).is_some() {
            return Err(invalid("Expecting a single x-amz-checksum- header.".to_owned()));
        }
    }
    let chosen = match text(headers, "x-amz-sdk-checksum-algorithm")? {
        None => return Ok(found),
        Some(name) => by_name(name).ok_or_else(|| {
            invalid("Value for x-amz-sdk-checksum-algorithm header is invalid.".to_owned())
        })?,
    };
    match found {
        Some((algorithm, _)) if algorithm != chosen => {
            Err(invalid("Value for x-amz-sdk-checksum-algorithm header is invalid.".to_owned()))
        }
        Some(found) => Ok(Some(found)),
        None => Ok(Some((chosen, Promise::None))),
    }
}

/// A checksum that nobody here can hold against a body is refused, not taken for granted.
fn check_names(headers: &HeaderMap) -> S3Result<()> {
    for name in headers.keys().map(|name| name.as_str()) {
        let is_value = name.starts_with("x-amz-checksum-") && !NO_VALUES.contains(&name);
        if is_value && by_header(name).is_none() {
            return Err(S3Error::new(
                &codes::INVALID_REQUEST,
                "The algorithm type you specified in x-amz-checksum- header is invalid.",
            ));
        }
    }
    Ok(())
}

/// The MD5 that a request promises of its body.
///
/// # Errors
/// `InvalidDigest`.
pub fn promised_md5(headers: &HeaderMap) -> S3Result<Option<[u8; 16]>> {
    let Some(value) = text(headers, "content-md5")? else {
        return Ok(None);
    };
    let bytes = BASE64.decode(value).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.map(Some).ok_or_else(|| (&codes::INVALID_DIGEST).into())
}

/// Bytes in base64.
pub fn encode_value(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        pairs: &[(&'static str, &str)],
    ) -> Result<Option<(ChecksumAlgorithm, Promise)>, &'static str> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        promised(&headers).map_err(|error| error.code.name)
    }

    #[test]
    fn one_promise_is_read() {
        assert_eq!(check(&[]), Ok(None));
        assert_eq!(
            check(&[("x-amz-checksum-crc32", "AAAAAA==")]),
            Ok(Some((ChecksumAlgorithm::Crc32, Promise::Value(vec![0; 4]))))
        );
        assert_eq!(
            check(&[
                ("x-amz-trailer", "x-amz-checksum-sha256"),
                ("x-amz-sdk-checksum-algorithm", "sha256")
            ]),
            Ok(Some((ChecksumAlgorithm::Sha256, Promise::Trailer)))
        );
        assert_eq!(
            check(&[("x-amz-sdk-checksum-algorithm", "CRC64NVME")]),
            Ok(Some((ChecksumAlgorithm::Crc64Nvme, Promise::None)))
        );
        assert_eq!(check(&[("x-amz-checksum-type", "COMPOSITE")]), Ok(None));
    }

    #[test]
    fn every_algorithm_is_found_by_each_of_its_names() {
        for algorithm in ALGORITHMS {
            let names = names(algorithm);
            assert_eq!(by_name(&names.name.to_lowercase()), Some(algorithm));
            assert_eq!(by_header(names.header), Some(algorithm));
            assert_eq!(by_element(names.element), Some(algorithm));
            let value = encode_value(&vec![7; names.len]);
            let expected = Promise::Value(vec![7; names.len]);
            assert_eq!(check(&[(names.header, &value)]), Ok(Some((algorithm, expected))));
            let short = encode_value(&vec![7; names.len - 1]);
            assert_eq!(check(&[(names.header, &short)]), Err("InvalidRequest"));
        }
    }

    #[test]
    fn contradictions_are_refused() {
        for pairs in [
            &[("x-amz-checksum-crc32", "AAAAAA==="), ("host", "h")],
            &[("x-amz-checksum-crc32", "AAAA"), ("host", "h")],
            &[("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-checksum-crc32c", "AAAAAA==")],
            &[("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-trailer", "x-amz-checksum-crc32")],
            &[("x-amz-trailer", "x-amz-meta-a"), ("host", "h")],
            &[("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-sdk-checksum-algorithm", "SHA1")],
            &[("x-amz-sdk-checksum-algorithm", "MD4"), ("host", "h")],
            &[("x-amz-checksum-md4", "AAAAAA=="), ("host", "h")],
            &[("x-amz-checksum-", "AAAAAA=="), ("host", "h")],
            &[
                ("x-amz-checksum-xxhash3", "AAAAAAAAAAA="),
                ("x-amz-checksum-xxhash64", "AAAAAAAAAAA="),
            ],
        ] {
            assert_eq!(check(pairs), Err("InvalidRequest"), "{pairs:?}");
        }
    }
}
