//! A TCP stream that flushes only what was written.
//!
//! The simulated stream turns each flush into a packet, also an empty one, and each packet takes
//! its receiver a millisecond; hyper flushes at every turn. Without this, a connection falls
//! further behind with every request.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Bytes of one packet: long bodies arrive piece by piece, so that a fault can hit between.
const PACKET_LEN_MAX: usize = 32 << 10;

/// See the module.
pub struct ClientStream {
    inner: TcpStream,
    unflushed_len: usize,
}

impl ClientStream {
    /// Wraps a connected stream.
    pub fn new(inner: TcpStream) -> Self {
        Self { inner, unflushed_len: 0 }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.unflushed_len >= PACKET_LEN_MAX {
            ready!(self.as_mut().poll_flush(context))?;
        }
        let piece = &bytes[..bytes.len().min(PACKET_LEN_MAX - self.unflushed_len)];
        let written = ready!(Pin::new(&mut self.inner).poll_write(context, piece))?;
        self.unflushed_len += written;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unflushed_len > 0 {
            ready!(Pin::new(&mut self.inner).poll_flush(context))?;
            self.unflushed_len = 0;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(context))?;
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
