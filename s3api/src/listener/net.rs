//! The stream under hyper: one, normally of TCP, that gives up a peer that reads nothing, and that
//! the simulator can stand.

use super::timer::IdleTimer;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A stream whose writes fail after a while without progress.
///
/// A simulated stream sends a packet on every flush, also when there is nothing to flush, and the
/// receiver pays for each; hyper flushes on every poll. Hence only flushes that follow a write pass
/// through.
pub struct NetStream<S = TcpStream> {
    stream: S,
    stalled: IdleTimer,
    is_dirty: bool,
    /// Was looked at and not yet read.
    peeked: Option<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> NetStream<S> {
    /// Wraps an accepted or connected stream.
    pub fn new(stream: S, write_timeout: Duration) -> Self {
        Self { stream, stalled: IdleTimer::new(write_timeout), is_dirty: false, peeked: None }
    }

    /// Looks at the first byte, which the next read still gets; `None` at the end.
    ///
    /// # Errors
    /// When the stream fails.
    pub async fn peek_byte(&mut self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        if self.read(&mut byte).await? == 0 {
            return Ok(None);
        }
        self.peeked = Some(byte[0]);
        Ok(self.peeked)
    }

    fn settle(
        &mut self,
        result: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match result {
            Poll::Ready(result) => {
                self.is_dirty = true;
                self.stalled.progress();
                Poll::Ready(result)
            }
            Poll::Pending => {
                ready!(self.stalled.poll(context));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for NetStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() > 0
            && let Some(byte) = self.peeked.take()
        {
            buffer.put_slice(&[byte]);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for NetStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, buffer);
        self.settle(result, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        self.settle(result, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !std::mem::take(&mut self.is_dirty) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
