//! Writes aws-chunked bodies, as clients do: for the simulator, tests and tools.

use crate::sigv4::{ChunkChain, EMPTY_SHA256, sha256_hex};

/// A checksum for the trailer: header name and value in base64.
pub type Trailer<'a> = (&'a str, &'a str);

/// The signed modes: every chunk of at most `chunk_len` bytes carries a signature, and so does the
/// trailer.
pub fn signed(
    mut chain: ChunkChain,
    data: &[u8],
    chunk_len: usize,
    trailer: Option<Trailer<'_>>,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + 256);
    for chunk in data.chunks(chunk_len.max(1)) {
        let signature = chain.chunk(&sha256_hex(chunk));
        out.extend_from_slice(
            format!("{:x};chunk-signature={signature}\r\n", chunk.len()).as_bytes(),
        );
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    let signature = chain.chunk(EMPTY_SHA256);
    out.extend_from_slice(format!("0;chunk-signature={signature}\r\n").as_bytes());
    if let Some((name, value)) = trailer {
        let signature = chain.trailer(&sha256_hex(format!("{name}:{value}\n").as_bytes()));
        let lines = format!("{name}:{value}\r\nx-amz-trailer-signature:{signature}\r\n");
        out.extend_from_slice(lines.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// The unsigned mode with its trailer.
pub fn unsigned(data: &[u8], chunk_len: usize, trailer: Option<Trailer<'_>>) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + 256);
    for chunk in data.chunks(chunk_len.max(1)) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n");
    if let Some((name, value)) = trailer {
        out.extend_from_slice(format!("{name}:{value}\r\n").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out
}
