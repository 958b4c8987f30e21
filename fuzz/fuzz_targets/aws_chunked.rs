#![no_main]
//! aws-chunked bodies: no bytes make the decoder panic, it never yields more than was announced,
//! how the bytes arrive changes nothing, and what a client writes is read back.

use bytes::Bytes;
use engine::object::ChecksumAlgorithm;
use libfuzzer_sys::fuzz_target;
use s3api::body::chunked::{ChunkDecoder, ChunkedPlan};
use s3api::body::encode;
use s3api::sigv4::key::SigningKey;
use s3api::sigv4::{ChunkChain, Scope, SigningService};

const TRAILER: (&str, &str) = ("x-amz-checksum-crc32", "AAAAAA==");

/// How the body was announced.
#[derive(Clone, Copy)]
struct Plan {
    is_signed: bool,
    has_trailer: bool,
    decoded_len: u64,
}

impl Plan {
    fn decoder(self) -> ChunkDecoder {
        ChunkDecoder::new(ChunkedPlan {
            chain: self.is_signed.then(chain),
            has_trailer: self.has_trailer,
            trailer: self.has_trailer.then_some(ChecksumAlgorithm::Crc32),
            decoded_len: self.decoded_len,
        })
    }
}

fn chain() -> ChunkChain {
    let scope = Scope { day: "20130524", region: "us-east-1", service: SigningService::S3 };
    let key = SigningKey::derive("secret", &scope);
    ChunkChain::new(key, "20130524T000000Z", &scope, &"0".repeat(64))
}

fuzz_target!(|data: &[u8]| {
    let Some((&[flags, len, piece], body)) = data.split_first_chunk::<3>() else { return };
    let plan = Plan {
        is_signed: flags & 1 != 0,
        has_trailer: flags & 2 != 0,
        decoded_len: u64::from(len),
    };
    let whole = decode(plan, body, body.len().max(1));
    assert_eq!(decode(plan, body, usize::from(piece) + 1), whole);
    if let Some((decoded, _)) = whole {
        assert_eq!(decoded.len() as u64, plan.decoded_len);
    }
    round_trip(Plan { decoded_len: body.len() as u64, ..plan }, body, usize::from(piece) + 1);
});

fn round_trip(plan: Plan, body: &[u8], piece_len: usize) {
    // A signature per byte would make the target slow, not better.
    let piece_len = piece_len.max(body.len() / 16);
    let trailer = plan.has_trailer.then_some(TRAILER);
    let encoded = if plan.is_signed {
        encode::signed(chain(), body, piece_len, trailer)
    } else {
        encode::unsigned(body, piece_len, trailer)
    };
    let (decoded, value) = decode(plan, &encoded, 7).expect("just encoded");
    assert_eq!(decoded, body);
    assert_eq!(value.as_deref(), trailer.map(|(_, value)| value));
    if plan.is_signed && !body.is_empty() {
        let mut changed = encoded;
        let at = changed.windows(2).position(|pair| pair == b"\r\n").expect("a chunk header") + 2;
        changed[at] ^= 1;
        assert_eq!(decode(plan, &changed, 7), None, "a changed byte is noticed");
    }
}

/// Decodes a body that arrives in pieces; `None` when it is refused.
fn decode(plan: Plan, body: &[u8], piece_len: usize) -> Option<(Vec<u8>, Option<String>)> {
    let mut decoder = plan.decoder();
    let mut decoded = Vec::new();
    for piece in body.chunks(piece_len) {
        let mut input = Bytes::copy_from_slice(piece);
        while let Some(data) = decoder.decode(&mut input).ok()? {
            decoded.extend_from_slice(&data);
            assert!(decoded.len() as u64 <= plan.decoded_len, "never more than announced");
        }
    }
    Some((decoded, decoder.finish().ok()?))
}
