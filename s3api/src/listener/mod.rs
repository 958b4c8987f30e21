//! The listener: connections in, one hyper server on each.
//!
//! ```text
//! accept -> NetStream -+--------------------------------------> http1 -+-> Service::handle
//!                      +-> secure (TLS, made elsewhere) -ALPN-> http1 -+
//!                                                         +---> http2 -+
//! ```
//!
//! - S1: nothing that a connection does ends the loop.
//! - S2: at most `connections_max` connections are open, those in a handshake included; more wait
//!   in the listener's backlog.
//! - S3: after shutdown nothing new is accepted, idle connections close at once, running requests
//!   finish within `drain_ms`, and then `serve` returns.
//! - S4: HTTP/2 is spoken only where TLS agreed on it (ALPN), never on a plain connection.

pub mod framing;
pub mod guard;
pub mod http1;
pub mod http2;
pub mod net;
pub mod secure;
pub mod streams;
pub mod timer;

use crate::access::RecordedBody;
use crate::config::Limits;
use crate::service::Service;
use http::uri::Scheme;
use http::{Request, Response};
use hyper::body::Incoming;
use net::NetStream;
use secure::{HandshakeError, Protocol, Secure};
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
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
    shutdown: Receiver<bool>,
) -> io::Result<()> {
    serve_connections(listener, Front { service, secure: None, peer: None }, shutdown).await
}

/// As [`serve`], for connections that are all made secure first.
///
/// # Errors
/// As [`serve`].
pub async fn serve_secure(
    listener: TcpListener,
    service: Arc<Service>,
    secure: Arc<dyn Secure>,
    shutdown: Receiver<bool>,
) -> io::Result<()> {
    serve_connections(listener, Front { service, secure: Some(secure), peer: None }, shutdown).await
}

/// Serves one plain connection that somebody else accepted, to its end.
pub async fn serve_stream<S>(stream: S, service: Arc<Service>, shutdown: Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let front = Front { service, secure: None, peer: None };
    let idle = Duration::from_millis(front.limits().body_idle_timeout_ms);
    if let Err(error) = http1::serve(NetStream::new(stream, idle), front, shutdown).await {
        tracing::debug!(%error, "connection failed");
    }
}

/// What every connection gets.
#[derive(Clone)]
struct Front {
    service: Arc<Service>,
    secure: Option<Arc<dyn Secure>>,
    /// Address that the connection comes from.
    peer: Option<IpAddr>,
}

/// Address that a request's connection comes from, among its extensions.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

impl Front {
    fn limits(&self) -> &Limits {
        self.service.limits()
    }

    /// Answers one request. Its extensions tell the scheme that its client used, and
    /// where it is.
    fn answer(
        &self,
        mut request: Request<Incoming>,
    ) -> impl Future<Output = Response<RecordedBody>> + Send + use<> {
        let scheme = if self.secure.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
        request.extensions_mut().insert(scheme);
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(Peer(peer));
        }
        self.service.clone().handle(request)
    }
}

async fn serve_connections(
    listener: TcpListener,
    front: Front,
    mut shutdown: Receiver<bool>,
) -> io::Result<()> {
    let limits = front.limits();
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
            tokio::spawn(connection(stream, front.clone(), stopped, slot));
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

/// Why a connection ended before its end.
#[derive(Debug, thiserror::Error)]
enum ConnectionError {
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    #[error(transparent)]
    Http(#[from] hyper::Error),
}

/// One connection, from accept to close.
async fn connection(
    stream: TcpStream,
    mut front: Front,
    shutdown: Receiver<bool>,
    slot: OwnedSemaphorePermit,
) {
    // Without it, small answers wait for the peer's delayed acknowledgement: 40 ms a request.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    front.peer = stream.peer_addr().ok().map(|address| address.ip());
    let idle = Duration::from_millis(front.limits().body_idle_timeout_ms);
    let stream = NetStream::new(stream, idle);
    let result = match front.secure.clone() {
        Some(secure) => secure_connection(stream, &*secure, front, shutdown).await,
        None => http1::serve(stream, front, shutdown).await.map_err(ConnectionError::from),
    };
    if let Err(error) = result {
        tracing::debug!(%error, "connection failed");
    }
    drop(slot);
}

async fn secure_connection(
    stream: NetStream,
    secure: &dyn Secure,
    front: Front,
    mut shutdown: Receiver<bool>,
) -> Result<(), ConnectionError> {
    let timeout = Duration::from_millis(front.limits().handshake_timeout_ms);
    let established = tokio::select! {
        biased;
        // S3: who has not even asked for anything is not waited for.
        () = wait_for_stop(&mut shutdown) => return Ok(()),
        established = secure::establish(stream, secure, timeout) => established,
    };
    let Some((stream, protocol)) =
        established.inspect_err(|_| front.service.metrics().fail_handshake())?
    else {
        return Ok(());
    };
    match protocol {
        Protocol::Http1 => http1::serve(stream, front, shutdown).await?,
        Protocol::Http2 => http2::serve(stream, front, shutdown).await?,
    }
    Ok(())
}

/// S3: what runs gets its time, and no more.
async fn finish(
    served: impl Future<Output = hyper::Result<()>>,
    limits: &Limits,
) -> hyper::Result<()> {
    let drain = Duration::from_millis(limits.drain_ms);
    // A timeout drops the connection, and with it the request that did not finish.
    tokio::time::timeout(drain, served).await.unwrap_or(Ok(()))
}
