//! From a plain connection to a secure one.
//!
//! This crate knows neither certificates nor cryptography: whoever puts the house together gives a
//! [`Secure`], and the simulator none.
//!
//! - H1: a handshake has `handshake_timeout_ms` and no more.
//! - H2: a client that speaks plain HTTP is told so in plain HTTP; nothing it sends is looked at.

use super::net::NetStream;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A stream of bytes in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// What both ends agreed to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// A handshake under way.
pub type Handshake = Pin<Box<dyn Future<Output = io::Result<(Box<dyn Duplex>, Protocol)>> + Send>>;

/// Makes connections secure.
pub trait Secure: Send + Sync {
    /// Does the handshake of one connection.
    fn handshake(&self, stream: NetStream) -> Handshake;
}

/// Why a connection did not become secure.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The client did not finish.
    #[error("the handshake took too long")]
    TimedOut,
    /// The client speaks plain HTTP.
    #[error("a plain HTTP request came to a port that speaks TLS")]
    Plain,
    /// The handshake failed.
    #[error("the handshake failed: {0}")]
    Failed(#[from] io::Error),
}

/// What a client without TLS is told.
const PLAIN_ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 45\r\n\
    Connection: close\r\n\r\n\
    This port speaks HTTPS: use https://, please\n";

/// A secure stream; `None` when the client left without a byte, as probes of the port do.
pub(super) async fn establish(
    stream: NetStream,
    secure: &dyn Secure,
    timeout: Duration,
) -> Result<Option<(Box<dyn Duplex>, Protocol)>, HandshakeError> {
    // H1
    let established = tokio::time::timeout(timeout, begin(stream, secure)).await;
    established.unwrap_or(Err(HandshakeError::TimedOut))
}

async fn begin(
    mut stream: NetStream,
    secure: &dyn Secure,
) -> Result<Option<(Box<dyn Duplex>, Protocol)>, HandshakeError> {
    match stream.peek_byte().await? {
        None => Ok(None),
        // H2: a method; TLS begins with 0x16.
        Some(byte) if byte.is_ascii_uppercase() => {
            refuse_plain(stream).await?;
            Err(HandshakeError::Plain)
        }
        Some(_) => Ok(Some(secure.handshake(stream).await?)),
    }
}

/// H2
async fn refuse_plain(mut stream: NetStream) -> io::Result<()> {
    stream.write_all(PLAIN_ANSWER).await?;
    stream.shutdown().await?;
    // A close with bytes unread would reset the connection before the client reads the answer.
    let mut unread = [0; 4096];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_answer_announces_its_length() {
        let text = std::str::from_utf8(PLAIN_ANSWER).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{}", body.len());
    }
}
