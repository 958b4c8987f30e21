//! The checksum headers: `x-amz-checksum-*`, `x-amz-sdk-checksum-algorithm`, `x-amz-trailer`,
//! `Content-MD5`.

use super::text;
use crate::error::{S3Error, S3Result, codes};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use engine::object::{ChecksumAlgorithm, ChecksumKind};
use http::HeaderMap;

/// Every algorithm, in the order in which AWS names them.
pub const ALGORITHMS: [ChecksumAlgorithm; 5] = [
    ChecksumAlgorithm::Crc32,
    ChecksumAlgorithm::Crc32c,
    ChecksumAlgorithm::Crc64Nvme,
    ChecksumAlgorithm::Sha1,
    ChecksumAlgorithm::Sha256,
];

/// How an algorithm is called where, and how long its value is.
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
}

/// The names of an algorithm.
pub fn names(algorithm: ChecksumAlgorithm) -> &'static Names {
    const TABLE: [Names; 5] = [
        Names { header: "x-amz-checksum-crc32", element: "ChecksumCRC32", name: "CRC32", len: 4 },
        Names {
            header: "x-amz-checksum-crc32c",
            element: "ChecksumCRC32C",
            name: "CRC32C",
            len: 4,
        },
        Names {
            header: "x-amz-checksum-crc64nvme",
            element: "ChecksumCRC64NVME",
            name: "CRC64NVME",
            len: 8,
        },
        Names { header: "x-amz-checksum-sha1", element: "ChecksumSHA1", name: "SHA1", len: 20 },
        Names {
            header: "x-amz-checksum-sha256",
            element: "ChecksumSHA256",
            name: "SHA256",
            len: 32,
        },
    ];
    match algorithm {
        ChecksumAlgorithm::Crc32 => &TABLE[0],
        ChecksumAlgorithm::Crc32c => &TABLE[1],
        ChecksumAlgorithm::Crc64Nvme => &TABLE[2],
        ChecksumAlgorithm::Sha1 => &TABLE[3],
        ChecksumAlgorithm::Sha256 => &TABLE[4],
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
        ] {
            assert_eq!(check(pairs), Err("InvalidRequest"), "{pairs:?}");
        }
    }
}
