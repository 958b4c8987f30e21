//! The listener: connections in, one hyper HTTP/1.1 server on each.
//!
//! - S1: nothing that a connection does ends the loop.
//! - S2: at most `connections_max` connections are open; more wait in the listener's backlog.
//! - S3: after shutdown nothing new is accepted, idle connections close at once, running requests
//!   finish within `drain_ms`, and then `serve` returns.

pub mod framing;
pub mod guard;
pub mod net;
pub mod timer;

use crate::service::Service;
use guard::Guarded;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use net::NetStream;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use timer::HyperTimer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch::Receiver;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Pause after a failed accept: out of file descriptors, most likely, which only time heals.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// Serves S3 on a listener until `shutdown` turns true (or its sender is gone), then drains.
///
/// # Errors
/// None at present: a failed accept is logged and tried again.
pub async fn serve(
    listener: TcpListener,
    service: Arc<Service>,
    mut shutdown: Receiver<bool>,
) -> io::Result<()> {
    let limits = service.limits();
    let (open_max, drain) = (limits.connections_max, Duration::from_millis(limits.drain_ms));
    let slots = Arc::new(Semaphore::new(open_max));
    loop {
        let stopped = shutdown.clone();
        let accepted = tokio::select! {
            biased;
            () = wait_for_stop(&mut shutdown) => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        if let Some((stream, slot)) = accepted {
            tokio::spawn(connection(stream, service.clone(), stopped, slot));
        }
    }
    drop(listener);
    drain_connections(&slots, open_max, drain).await;
    Ok(())
}

/// Waits for a free slot, then for a connection.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let slot = slots.clone().acquire_owned().await.expect("the semaphore is never closed");
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, slot)),
        Err(error) => {
            tracing::warn!(%error, "accept failed");
            tokio::time::sleep(ACCEPT_RETRY).await;
            None
        }
    }
}

async fn wait_for_stop(shutdown: &mut Receiver<bool>) {
    // A sender that is gone can never ask for a stop later: that is one.
    let _ = shutdown.wait_for(|is_stopping| *is_stopping).await;
}

async fn drain_connections(slots: &Semaphore, open_max: usize, drain: Duration) {
    let all = u32::try_from(open_max).unwrap_or(u32::MAX);
    if tokio::time::timeout(drain, slots.acquire_many(all)).await.is_err() {
        let open = open_max - slots.available_permits();
        tracing::warn!(open, "connections were still open when the time to drain was over");
    }
}

/// One connection, from accept to close.
async fn connection(
    stream: TcpStream,
    service: Arc<Service>,
    mut shutdown: Receiver<bool>,
    slot: OwnedSemaphorePermit,
) {
    // Without it, small answers wait for the peer's delayed acknowledgement: 40 ms a request.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let limits = service.limits().clone();
    let stream = NetStream::new(stream, Duration::from_millis(limits.body_idle_timeout_ms));
    let stream = Guarded::new(stream);
    let handler = service_fn(move |request| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(service.handle(request).await) }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(HyperTimer)
        .header_read_timeout(Duration::from_millis(limits.header_timeout_ms))
        .max_headers(limits.headers_max)
        .max_header_size(limits.head_len_max)
        .max_buf_size(limits.read_buffer_len_max)
        .auto_date_header(false);
    let mut served = pin!(builder.serve_connection(TokioIo::new(stream), handler));
    let result = tokio::select! {
        biased;
        result = served.as_mut() => Some(result),
        () = wait_for_stop(&mut shutdown) => None,
    };
    let result = match result {
        Some(result) => result,
        None => {
            served.as_mut().graceful_shutdown();
            finish(served, Duration::from_millis(limits.drain_ms)).await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "connection failed");
    }
    drop(slot);
}

/// S3: what runs gets its time, and no more.
async fn finish(
    served: impl Future<Output = hyper::Result<()>>,
    drain: Duration,
) -> hyper::Result<()> {
    // A timeout drops the connection, and with it the request that did not finish.
    tokio::time::timeout(drain, served).await.unwrap_or(Ok(()))
}
