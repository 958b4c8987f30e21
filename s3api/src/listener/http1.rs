//! HTTP/1.1 on one connection, plain or secure.

use super::guard::Guarded;
use super::timer::HyperTimer;
use super::{Front, finish, wait_for_stop};
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch::Receiver;

/// Serves a connection to its end. The only place where HTTP/1.1 begins.
pub(super) async fn serve<S>(
    stream: S,
    front: Front,
    mut shutdown: Receiver<bool>,
) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let limits = front.limits().clone();
    let handler = service_fn(move |request| {
        let answer = front.answer(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let mut builder = Builder::new();
    builder
        .timer(HyperTimer)
        .header_read_timeout(Duration::from_millis(limits.header_timeout_ms))
        .max_headers(limits.headers_max)
        .max_header_size(limits.head_len_max)
        .max_buf_size(limits.read_buffer_len_max)
        .auto_date_header(false);
    let mut served = pin!(builder.serve_connection(TokioIo::new(Guarded::new(stream)), handler));
    tokio::select! {
        biased;
        result = served.as_mut() => return result,
        () = wait_for_stop(&mut shutdown) => {}
    }
    served.as_mut().graceful_shutdown();
    finish(served, &limits).await
}
