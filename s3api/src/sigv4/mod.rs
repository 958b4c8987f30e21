//! AWS Signature Version 4: one canonicalisation, used to verify (server) and to sign (simulator,
//! tests, tools).
//!
//! ```text
//! header::Authorization  \
//!                          > canonical request -> string to sign -> key::SigningKey -> signature
//! presign::PresignedQuery /                                    |
//!                                   chunks::ChunkChain (aws-chunked bodies)
//! ```
//! - V1: host and every `x-amz-*` header of a request are signed; the list of signed headers is
//!   sorted and unique.
//! - V2: signatures are compared in constant time, and an unknown access key costs the same work as
//!   a known one.
//! - V3: the day of the scope is the day of the date; the date lies within
//!   [`verify::SKEW_SECONDS_MAX`] of the clock.
//! - V4: a payload is one of the closed set of [`payload::Payload`].
//! - V6: a signature is for one [`SigningService`].

pub mod canonical;
pub mod chunks;
pub mod header;
pub mod key;
pub mod payload;
pub mod presign;
pub mod sign;
pub mod verify;

pub use chunks::ChunkChain;
pub use payload::Payload;
pub use sign::{Signer, presign, sign};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// The only algorithm.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// SHA-256 of nothing, in hexadecimal.
pub const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A keyed state, cloned for each signature.
pub(crate) type HmacSha256 = Hmac<Sha256>;

/// A keyed state from key bytes of any length.
pub(crate) fn hmac_key(key: &[u8]) -> HmacSha256 {
    HmacSha256::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// One HMAC over `message`.
pub(crate) fn hmac(key: &HmacSha256, message: &[u8]) -> [u8; 32] {
    let mut mac = key.clone();
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// SHA-256 in hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// What a request is signed for; a signature for the one means nothing to the other (V6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningService {
    /// Objects.
    S3,
    /// Sessions.
    Sts,
}

impl SigningService {
    /// Its name in a scope.
    pub fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Sts => "sts",
        }
    }
}

/// What a signature is bound to besides the request: `day/region/service/aws4_request`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope<'a> {
    /// `YYYYMMDD`.
    pub day: &'a str,
    /// Region.
    pub region: &'a str,
    /// What for.
    pub service: SigningService,
}

impl Scope<'_> {
    fn push(&self, out: &mut String) {
        let service = self.service.name();
        for part in [self.day, "/", self.region, "/", service, "/aws4_request"] {
            out.push_str(part);
        }
    }
}

/// Who signed, and for which scope: the value of `Credential`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credential<'a> {
    /// Access key.
    pub access_key: &'a str,
    /// Scope.
    pub scope: Scope<'a>,
}

impl<'a> Credential<'a> {
    /// Reads `key/day/region/s3/aws4_request`.
    pub fn parse(text: &'a str) -> Option<Self> {
        Self::parse_for(SigningService::S3, text)
    }

    /// Reads `key/day/region/service/aws4_request`, for this service only (V6).
    pub fn parse_for(service: SigningService, text: &'a str) -> Option<Self> {
        let mut parts = text.rsplitn(5, '/');
        let (terminator, name) = (parts.next()?, parts.next()?);
        let (region, day, access_key) = (parts.next()?, parts.next()?, parts.next()?);
        let is_day = day.len() == 8 && day.bytes().all(|byte| byte.is_ascii_digit());
        let is_legal = terminator == "aws4_request" && name == service.name() && is_day;
        // minio-py signs for no region where it asks for a session.
        let has_region = !region.is_empty() || service == SigningService::Sts;
        let is_named = !access_key.is_empty() && has_region;
        (is_legal && is_named).then_some(Self { access_key, scope: Scope { day, region, service } })
    }
}

/// Checks `SignedHeaders`: lowercase, sorted, unique, with `host`.
pub(crate) fn are_signed_headers(list: &str) -> bool {
    let is_name_byte = |byte: u8| !byte.is_ascii_uppercase() && byte.is_ascii_graphic();
    let mut previous = "";
    let mut has_host = false;
    for name in list.split(';') {
        if name <= previous || !name.bytes().all(is_name_byte) {
            return false;
        }
        has_host |= name == "host";
        previous = name;
    }
    has_host
}

/// Checks a signature's form: 64 lowercase hexadecimal digits.
pub(crate) fn is_signature(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credential_is_read_from_the_right() {
        let credential = Credential::parse("A/B/20130524/us-east-1/s3/aws4_request").unwrap();
        assert_eq!(credential.access_key, "A/B");
        let (day, region, service) = ("20130524", "us-east-1", SigningService::S3);
        assert_eq!(credential.scope, Scope { day, region, service });
        let for_sessions = "A/20130524/us-east-1/sts/aws4_request";
        let parsed = Credential::parse_for(SigningService::Sts, for_sessions).unwrap();
        assert_eq!(parsed.scope.service, SigningService::Sts);
        for text in [
            "",
            "A/20130524/us-east-1/s3",
            "A/2013052/us-east-1/s3/aws4_request",
            "A/20130524/us-east-1/ec2/aws4_request",
            "A/20130524/us-east-1/sts/aws4_request",
            "/20130524/us-east-1/s3/aws4_request",
            "A/20130524//s3/aws4_request",
        ] {
            assert_eq!(Credential::parse(text), None, "{text}");
        }
    }

    #[test]
    fn signed_headers_are_lowercase_sorted_unique_and_hold_host() {
        assert!(are_signed_headers("host;x-amz-date"));
        for list in
            ["", "x-amz-date", "Host", "x-amz-date;host", "host;host", "host;", ";host", "a b;host"]
        {
            assert!(!are_signed_headers(list), "{list}");
        }
    }
}
