//! Everything that is computed over a body in its one pass, and held against what the client
//! promised.
//!
//! - D1: a promise that is broken is an error before the body's end is told to anyone.

use super::checksum::ChecksumHasher;
use crate::error::{S3Error, S3Result, codes};
use crate::headers::checksum::{self, Promise};
use engine::object::{BodyDigest, Checksum, ChecksumAlgorithm, ChecksumKind, ETag};
use http::HeaderMap;
use md5::Md5;
use sha2::{Digest, Sha256};

/// What the checksum headers of a request speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChecksumScope {
    /// Of its body.
    Body,
    /// Of the object that it makes out of what is there already: CompleteMultipartUpload.
    Object,
}

/// What a client promises of the decoded bytes of a body.
#[derive(Clone, Debug, Default)]
pub struct Promises {
    /// By `x-amz-content-sha256`.
    pub sha256: Option<[u8; 32]>,
    /// By `Content-MD5`.
    pub md5: Option<[u8; 16]>,
    /// By `x-amz-checksum-*`, its trailer, or the wish to have one.
    pub checksum: Option<(ChecksumAlgorithm, Promise)>,
}

impl Promises {
    /// Reads the headers; the hash comes from the signature.
    ///
    /// # Errors
    /// `InvalidRequest`, `InvalidDigest`.
    pub fn parse(
        headers: &HeaderMap,
        sha256: Option<[u8; 32]>,
        scope: ChecksumScope,
    ) -> S3Result<Self> {
        let checksum = match scope {
            ChecksumScope::Body => checksum::promised(headers)?,
            ChecksumScope::Object => None,
        };
        Ok(Self { sha256, md5: checksum::promised_md5(headers)?, checksum })
    }

    /// The algorithm whose value comes in the trailer.
    pub fn trailer(&self) -> Option<ChecksumAlgorithm> {
        match self.checksum {
            Some((algorithm, Promise::Trailer)) => Some(algorithm),
            _ => None,
        }
    }
}

/// The hashes in the making.
pub struct Digests {
    promises: Promises,
    md5: Md5,
    sha256: Option<Sha256>,
    checksum: Option<ChecksumHasher>,
}

impl Digests {
    /// Begins.
    pub fn new(promises: Promises) -> Self {
        let algorithm = promises.checksum.as_ref().map(|(algorithm, _)| *algorithm);
        // The hash that the entity tag or the signature asks for may be the one that the checksum
        // asks for: computed once.
        let is_shared = |algorithm: &ChecksumAlgorithm| match algorithm {
            ChecksumAlgorithm::Md5 => true,
            ChecksumAlgorithm::Sha256 => promises.sha256.is_some(),
            _ => false,
        };
        Self {
            md5: Md5::new(),
            sha256: promises.sha256.map(|_| Sha256::new()),
            checksum: algorithm.filter(|algorithm| !is_shared(algorithm)).map(ChecksumHasher::new),
            promises,
        }
    }

    /// Goes on.
    pub fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
        if let Some(checksum) = &mut self.checksum {
            checksum.update(bytes);
        }
    }

    /// Holds the hashes against the promises; `trailer` is the value that came after the body, in
    /// base64.
    ///
    /// # Errors
    /// `XAmzContentSHA256Mismatch`, `BadDigest`, `InvalidRequest`.
    pub fn finish(self, trailer: Option<&str>) -> S3Result<BodyDigest> {
        let md5 = self.md5.finalize();
        let sha256 = self.sha256.map(|sha256| <[u8; 32]>::from(sha256.finalize()));
        if sha256 != self.promises.sha256 {
            return Err((&codes::X_AMZ_CONTENT_SHA256_MISMATCH).into());
        }
        if self.promises.md5.is_some_and(|promised| promised[..] != md5[..]) {
            return Err(S3Error::new(
                &codes::BAD_DIGEST,
                "The Content-MD5 you specified did not match what we received.",
            ));
        }
        let checksum = match self.promises.checksum {
            Some((algorithm, promise)) => {
                let value = match (self.checksum, sha256, algorithm) {
                    (Some(hasher), ..) => hasher.finish(),
                    (None, Some(sha256), ChecksumAlgorithm::Sha256) => sha256.to_vec(),
                    (None, ..) => md5.to_vec(),
                };
                check_promise(algorithm, &promise, &value, trailer)?;
                Some(Checksum {
                    algorithm,
                    kind: ChecksumKind::FullObject,
                    value: checksum::encode_value(&value),
                })
            }
            None => None,
        };
        Ok(BodyDigest { etag: ETag(hex::encode(md5)), checksum, plain_len: None })
    }
}

fn check_promise(
    algorithm: ChecksumAlgorithm,
    promise: &Promise,
    value: &[u8],
    trailer: Option<&str>,
) -> S3Result<()> {
    let names = checksum::names(algorithm);
    let promised = match (promise, trailer) {
        (Promise::None, _) => return Ok(()),
        (Promise::Value(promised), _) => promised.clone(),
        (Promise::Trailer, None) => return Err((&codes::MALFORMED_TRAILER).into()),
        (Promise::Trailer, Some(text)) => {
            checksum::decode_value(algorithm, text).ok_or_else(|| {
                let message = format!("Value for {} trailing header is invalid.", names.header);
                S3Error::new(&codes::INVALID_REQUEST, message)
            })?
        }
    };
    if promised == value {
        return Ok(());
    }
    let message =
        format!("The {} you specified did not match the calculated checksum.", names.name);
    Err(S3Error::new(&codes::BAD_DIGEST, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(promises: Promises, trailer: Option<&str>) -> Result<BodyDigest, &'static str> {
        let mut digests = Digests::new(promises);
        digests.update(b"1234");
        digests.update(b"56789");
        digests.finish(trailer).map_err(|error| error.code.name)
    }

    fn checksum_promise(algorithm: ChecksumAlgorithm, promise: Promise) -> Promises {
        Promises { checksum: Some((algorithm, promise)), ..Promises::default() }
    }

    #[test]
    fn kept_promises_give_etag_and_checksum() {
        let digest = check(Promises::default(), None).unwrap();
        assert_eq!(digest.etag.0, "25f9e794323b453885f5181f1b624d0b");
        assert_eq!(digest.checksum, None);
        let promises = checksum_promise(ChecksumAlgorithm::Crc32, Promise::Trailer);
        let checksum = check(promises, Some("y/Q5Jg==")).unwrap().checksum.unwrap();
        assert_eq!(checksum.value, "y/Q5Jg==");
        let sha256: [u8; 32] = Sha256::digest(b"123456789").into();
        let promises = Promises {
            sha256: Some(sha256),
            ..checksum_promise(ChecksumAlgorithm::Sha256, Promise::Value(sha256.to_vec()))
        };
        assert!(check(promises, None).unwrap().checksum.is_some());
    }

    #[test]
    fn broken_promises_are_told_apart() {
        let md5 = Promises { md5: Some([0; 16]), ..Promises::default() };
        assert_eq!(check(md5, None), Err("BadDigest"));
        let sha256 = Promises { sha256: Some([0; 32]), ..Promises::default() };
        assert_eq!(check(sha256, None), Err("XAmzContentSHA256Mismatch"));
        let crc = |promise| checksum_promise(ChecksumAlgorithm::Crc32, promise);
        assert_eq!(check(crc(Promise::Value(vec![0; 4])), None), Err("BadDigest"));
        assert_eq!(check(crc(Promise::Trailer), Some("AAAAAA==")), Err("BadDigest"));
        assert_eq!(check(crc(Promise::Trailer), Some("AAAA")), Err("InvalidRequest"));
        assert_eq!(check(crc(Promise::Trailer), None), Err("MalformedTrailerError"));
    }
}
