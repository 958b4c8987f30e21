//! What `x-amz-content-sha256` says of a body: a closed set.

use crate::error::{S3Error, S3Result, codes};

/// How a body is bound to the signature of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// `UNSIGNED-PAYLOAD`: not at all.
    Unsigned,
    /// By its hash.
    Sha256([u8; 32]),
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`: chunk by chunk.
    SignedChunks,
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER`: chunk by chunk, then the trailer.
    SignedChunksTrailer,
    /// `STREAMING-UNSIGNED-PAYLOAD-TRAILER`: chunks and a trailer, not signed.
    UnsignedTrailer,
}

impl Payload {
    /// Reads the header's value.
    ///
    /// # Errors
    /// `NotImplemented` for the streaming modes of Signature Version 4A, `InvalidArgument` for
    /// anything unknown.
    pub fn parse(text: &str) -> S3Result<Self> {
        match text {
            "UNSIGNED-PAYLOAD" => return Ok(Self::Unsigned),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => return Ok(Self::SignedChunks),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => return Ok(Self::SignedChunksTrailer),
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => return Ok(Self::UnsignedTrailer),
            "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"
            | "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER" => {
                return Err((&codes::NOT_IMPLEMENTED).into());
            }
            _ => {}
        }
        let mut hash = [0; 32];
        let is_lowercase = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        match hex::decode_to_slice(text, &mut hash) {
            Ok(()) if is_lowercase => Ok(Self::Sha256(hash)),
            _ => Err(S3Error::new(
                &codes::INVALID_ARGUMENT,
                "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, a STREAMING mode or a valid \
                 sha256 value.",
            )
            .with("ArgumentName", "x-amz-content-sha256")),
        }
    }

    /// Whether the body comes in aws-chunked framing.
    pub fn is_chunked(self) -> bool {
        matches!(self, Self::SignedChunks | Self::SignedChunksTrailer | Self::UnsignedTrailer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_is_closed() {
        assert_eq!(Payload::parse("UNSIGNED-PAYLOAD").unwrap(), Payload::Unsigned);
        assert!(matches!(Payload::parse(super::super::EMPTY_SHA256), Ok(Payload::Sha256(_))));
        let code = |text: &str| Payload::parse(text).unwrap_err().code.name;
        assert_eq!(code("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"), "NotImplemented");
        for text in ["", "unsigned-payload", "STREAMING-", &"A".repeat(64), &"0".repeat(63)] {
            assert_eq!(code(text), "InvalidArgument", "{text}");
        }
    }
}
