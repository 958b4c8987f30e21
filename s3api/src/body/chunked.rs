//! The aws-chunked framing, decoded piece by piece without I/O.
//!
//! ```text
//! body    := chunk* last trailer? CRLF?
//! chunk   := size-in-hex [";chunk-signature=" 64 hex] CRLF data CRLF        size > 0
//! last    := "0" [";chunk-signature=" 64 hex] CRLF
//! trailer := (name ":" value [CR] LF)* ["x-amz-trailer-signature:" 64 hex CRLF]
//! ```
//! - C1: nothing is buffered but one line of at most [`LINE_LEN_MAX`] bytes; data passes through as
//!   it came.
//! - C2: the last piece of a signed chunk leaves only after its signature held; a body that does
//!   not hold ends in an error, never in a clean end.
//! - C3: the decoded length is the announced one, exactly; nothing follows the end.
//! - C4: the trailer holds exactly the announced checksum.

use crate::error::{S3Error, S3Result, codes};
use crate::headers::checksum;
use crate::sigv4::{ChunkChain, EMPTY_SHA256};
use bytes::Bytes;
use engine::object::ChecksumAlgorithm;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Longest line between data: a chunk header or a trailer.
pub const LINE_LEN_MAX: usize = 1024;

/// What a body was announced as.
pub struct ChunkedPlan {
    /// Signs the chunks, in the signed modes.
    pub chain: Option<ChunkChain>,
    /// Whether a trailer follows the last chunk.
    pub has_trailer: bool,
    /// Checksum that the trailer must hold.
    pub trailer: Option<ChecksumAlgorithm>,
    /// Bytes of data, over all chunks.
    pub decoded_len: u64,
}

/// Where in the body the decoder is.
/// ```text
/// Header --size > 0--> Data --size reached--> DataEnd --CRLF--> Header
///   +--size 0, no trailer--> End --blank line--> Done
///   +--size 0, trailer--> Trailer --signature--> End
///                            +--blank line, unsigned--> Done
/// ```
enum State {
    Header,
    Data { left: u64, signature: String },
    DataEnd,
    Trailer,
    End,
    Done,
}

/// Decodes one body.
pub struct ChunkDecoder {
    plan: ChunkedPlan,
    state: State,
    line: Vec<u8>,
    hasher: Sha256,
    decoded: u64,
    trailer: Option<String>,
    /// Whether the one blank line before the trailer's signature was there.
    has_blank: bool,
}

fn invalid(message: &'static str) -> S3Error {
    S3Error::new(&codes::INVALID_REQUEST, message)
}

fn malformed_trailer() -> S3Error {
    (&codes::MALFORMED_TRAILER).into()
}

impl ChunkDecoder {
    /// Begins.
    pub fn new(plan: ChunkedPlan) -> Self {
        Self {
            plan,
            state: State::Header,
            line: Vec::new(),
            hasher: Sha256::new(),
            decoded: 0,
            trailer: None,
            has_blank: false,
        }
    }

    /// Takes from `input` up to the end of the next piece of data and returns it; `None` when
    /// `input` is used up.
    ///
    /// # Errors
    /// `InvalidRequest` (framing), `IncompleteBody` (length), `SignatureDoesNotMatch`,
    /// `MalformedTrailerError`.
    pub fn decode(&mut self, input: &mut Bytes) -> S3Result<Option<Bytes>> {
        while !input.is_empty() {
            match self.state {
                State::Data { .. } => return self.take_data(input).map(Some),
                State::Done => return Err(invalid("Bytes follow the end of the chunked body.")),
                _ => {}
            }
            if !self.take_line(input)? {
                break;
            }
            let line = std::mem::take(&mut self.line);
            self.on_line(&line)?;
            self.line = line;
            self.line.clear();
        }
        Ok(None)
    }

    /// Called where the body ended; the value of the trailer's checksum, where one was announced.
    ///
    /// # Errors
    /// `IncompleteBody`, `MalformedTrailerError`.
    pub fn finish(self) -> S3Result<Option<String>> {
        let is_unsigned_trailer = matches!(self.state, State::Trailer) && self.plan.chain.is_none();
        let is_whole = matches!(self.state, State::End | State::Done) || is_unsigned_trailer;
        if !is_whole || !self.line.is_empty() {
            return Err((&codes::INCOMPLETE_BODY).into());
        }
        if self.plan.trailer.is_some() != self.trailer.is_some() {
            return Err(malformed_trailer());
        }
        Ok(self.trailer)
    }

    /// C1, C2.
    fn take_data(&mut self, input: &mut Bytes) -> S3Result<Bytes> {
        let State::Data { left, signature } = &mut self.state else {
            unreachable!("only called inside a chunk");
        };
        let len = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
        let data = input.split_to(len);
        *left -= len as u64;
        if self.plan.chain.is_some() {
            self.hasher.update(&data);
        }
        if *left == 0 {
            let signature = std::mem::take(signature);
            self.state = State::DataEnd;
            if let Some(chain) = &mut self.plan.chain {
                let hash = hex::encode(self.hasher.finalize_reset());
                check_signature(chain.chunk(&hash), &signature)?;
            }
        }
        Ok(data)
    }

    /// Collects a line without its line feed; whether it is whole.
    fn take_line(&mut self, input: &mut Bytes) -> S3Result<bool> {
        let end = input.iter().take(LINE_LEN_MAX).position(|byte| *byte == b'\n');
        let taken = input.split_to(end.map_or(input.len().min(LINE_LEN_MAX), |end| end + 1));
        self.line.extend_from_slice(taken.strip_suffix(b"\n").unwrap_or(&taken));
        if self.line.len() >= LINE_LEN_MAX {
            return Err(invalid("A line of the chunked body is too long."));
        }
        Ok(end.is_some())
    }

    fn on_line(&mut self, line: &[u8]) -> S3Result<()> {
        let text =
            std::str::from_utf8(line).map_err(|_| invalid("A chunk header is malformed."))?;
        match self.state {
            State::Header => self.on_header(text),
            State::DataEnd if text == "\r" => {
                self.state = State::Header;
                Ok(())
            }
            State::Trailer => self.on_trailer(text.strip_suffix('\r').unwrap_or(text)),
            State::End if text == "\r" => {
                self.state = State::Done;
                Ok(())
            }
            _ => Err(invalid("The chunked body is malformed.")),
        }
    }

    fn on_header(&mut self, text: &str) -> S3Result<()> {
        let (size, signature) =
            parse_header(text).ok_or_else(|| invalid("A chunk header is malformed."))?;
        if signature.is_empty() == self.plan.chain.is_some() {
            return Err(invalid("A chunk signature is missing or was not announced."));
        }
        // C3
        self.decoded = self.decoded.saturating_add(size);
        if self.decoded > self.plan.decoded_len {
            return Err((&codes::INCOMPLETE_BODY).into());
        }
        if size > 0 {
            self.state = State::Data { left: size, signature: signature.to_owned() };
            return Ok(());
        }
        if let Some(chain) = &mut self.plan.chain {
            check_signature(chain.chunk(EMPTY_SHA256), signature)?;
        }
        if self.decoded != self.plan.decoded_len {
            return Err((&codes::INCOMPLETE_BODY).into());
        }
        self.state = if self.plan.has_trailer { State::Trailer } else { State::End };
        Ok(())
    }

    /// C4. Some clients end the lines of the trailer with a line feed only, and put a blank line
    /// before the signature.
    fn on_trailer(&mut self, text: &str) -> S3Result<()> {
        if text.is_empty() {
            match (&self.plan.chain, &self.trailer) {
                (None, _) => self.state = State::Done,
                (Some(_), Some(_)) if !self.has_blank => self.has_blank = true,
                (Some(_), _) => return Err(malformed_trailer()),
            }
            return Ok(());
        }
        let (name, value) = text.split_once(':').ok_or_else(malformed_trailer)?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if name == "x-amz-trailer-signature" {
            return self.on_trailer_signature(value);
        }
        let announced = self.plan.trailer.map(|algorithm| checksum::names(algorithm).header);
        if announced != Some(name.as_str()) || self.trailer.is_some() {
            return Err(malformed_trailer());
        }
        self.trailer = Some(value.to_owned());
        Ok(())
    }

    fn on_trailer_signature(&mut self, signature: &str) -> S3Result<()> {
        let chain = self.plan.chain.as_mut().ok_or_else(malformed_trailer)?;
        let lines = match (self.plan.trailer, &self.trailer) {
            (Some(algorithm), Some(value)) => {
                format!("{}:{value}\n", checksum::names(algorithm).header)
            }
            _ => String::new(),
        };
        let hash = hex::encode(Sha256::digest(lines.as_bytes()));
        check_signature(chain.trailer(&hash), signature)?;
        self.state = State::End;
        Ok(())
    }
}

fn check_signature(expected: &str, found: &str) -> S3Result<()> {
    if bool::from(expected.as_bytes().ct_eq(found.as_bytes())) {
        return Ok(());
    }
    Err((&codes::SIGNATURE_DOES_NOT_MATCH).into())
}

/// Reads a chunk header without its line feed: size and signature, which may be empty.
fn parse_header(text: &str) -> Option<(u64, &str)> {
    let text = text.strip_suffix('\r')?;
    let (size, signature) = match text.split_once(';') {
        None => (text, ""),
        Some((size, extension)) => (size, extension.trim().strip_prefix("chunk-signature=")?),
    };
    let is_size =
        (1..=16).contains(&size.len()) && size.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_size || (signature.is_empty() && text.contains(';')) {
        return None;
    }
    Some((u64::from_str_radix(size, 16).ok()?, signature))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::encode;
    use crate::sigv4::key::SigningKey;
    use crate::sigv4::{Scope, SigningService};
    use proptest::prelude::*;

    fn chain() -> ChunkChain {
        let scope = Scope { day: "20130524", region: "us-east-1", service: SigningService::S3 };
        let key = SigningKey::derive("secret", &scope);
        ChunkChain::new(key, "20130524T000000Z", &scope, &"0".repeat(64))
    }

    fn plan(is_signed: bool, has_trailer: bool, len: usize) -> ChunkedPlan {
        ChunkedPlan {
            chain: is_signed.then(chain),
            has_trailer,
            trailer: has_trailer.then_some(ChecksumAlgorithm::Crc32),
            decoded_len: len as u64,
        }
    }

    /// Decodes a body that comes in pieces of the given size.
    fn decode(plan: ChunkedPlan, body: &[u8], piece_len: usize) -> S3Result<Vec<u8>> {
        let mut decoder = ChunkDecoder::new(plan);
        let mut data = Vec::new();
        for piece in body.chunks(piece_len) {
            let mut piece = Bytes::copy_from_slice(piece);
            while let Some(found) = decoder.decode(&mut piece)? {
                assert!(!found.is_empty());
                data.extend_from_slice(&found);
            }
            assert!(piece.is_empty());
        }
        decoder.finish()?;
        Ok(data)
    }

    fn encoded(data: &[u8], chunk_len: usize, is_signed: bool, has_trailer: bool) -> Vec<u8> {
        let trailer = has_trailer.then_some(("x-amz-checksum-crc32", "AAAAAA=="));
        if is_signed {
            encode::signed(chain(), data, chunk_len, trailer)
        } else {
            encode::unsigned(data, chunk_len, trailer)
        }
    }

    #[test]
    fn long_lines_are_refused_before_they_are_held() {
        for body in [vec![b'1'; 5000], [b"0\r\n".as_slice(), &[b'x'; 5000]].concat()] {
            for piece_len in [1, 7, 5000] {
                let error = decode(plan(false, true, 9), &body, piece_len).unwrap_err();
                assert!(matches!(error.code.name, "InvalidRequest" | "IncompleteBody"));
            }
        }
    }

    proptest! {
        #[test]
        fn data_survives_any_cut(
            data in proptest::collection::vec(any::<u8>(), 0..600),
            chunk_len in 1_usize..300,
            piece_len in 1_usize..700,
            is_signed: bool,
            has_trailer: bool,
        ) {
            let body = encoded(&data, chunk_len, is_signed, has_trailer);
            let found = decode(plan(is_signed, has_trailer, data.len()), &body, piece_len);
            prop_assert_eq!(found.unwrap(), data);
        }

        #[test]
        fn changed_signed_bodies_never_end_well(
            data in proptest::collection::vec(any::<u8>(), 1..200),
            at: proptest::sample::Index,
            flip in 1_u8..=255,
        ) {
            let mut body = encoded(&data, 64, true, true);
            // The last line end may have two forms; all else counts.
            let at = at.index(body.len() - 4);
            body[at] ^= flip;
            match decode(plan(true, true, data.len()), &body, 50) {
                Err(_) => {}
                // Case of a size digit or of the trailer's name, or white space around its value.
                Ok(found) => prop_assert_eq!(found, data),
            }
        }

        #[test]
        fn no_body_panics(
            body in proptest::collection::vec(any::<u8>(), 0..200), is_signed: bool,
            has_trailer: bool, len in 0_usize..100,
        ) {
            let _ = decode(plan(is_signed, has_trailer, len), &body, 13);
        }
    }
}
