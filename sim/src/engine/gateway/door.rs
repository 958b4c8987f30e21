//! The way of a request to the protocol's service and of its answer back: a call in this process,
//! or HTTP on simulated connections.
//!
//! - D1: an exchange on a connection that was never troubled is answered; an error there is one of
//!   the store.
//! - D2: when a connection broke, nothing is told of the request before the server has let go of
//!   the connection, which it must do in time: nobody else would end what goes on there.

use super::wire::broken_off;
use crate::http::connection::RequestBody;
use crate::socket::{Link, Network, Socket};
use bytes::Bytes;
use engine::object::StoreError;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use s3api::Service;
use s3api::listener::serve_stream;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, sleep, timeout};

/// How long a client bears a connection that something happened to.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long a server keeps a connection that is of no use any more.
const LET_GO_MAX: Duration = Duration::from_secs(180);

/// Connections that stood still for longer are not used again: the server is about to close them.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// What an answer says that never came.
const LOST: &str = "the connection is gone";

/// A body on its way back.
pub(super) type AnswerBody = UnsyncBoxBody<Bytes, StoreError>;

/// Whether an error says that a connection broke: nothing is known of the request.
pub fn is_lost(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable(text) if text == LOST)
}

pub(super) fn lost() -> StoreError {
    StoreError::Unavailable(LOST.to_owned())
}

/// An answer of which nothing is believed that says no: something happened to its connection.
#[derive(Clone, Copy)]
struct Troubled;

/// Whether something happened to the connection that an answer came by.
pub(super) fn is_troubled<T>(answer: &Response<T>) -> bool {
    answer.extensions().get::<Troubled>().is_some()
}

/// See the module.
pub(super) enum Door {
    /// A call.
    Open(Arc<Service>),
    /// Connections.
    Wired(Arc<Client>),
}

impl Door {
    /// A call where there is no network.
    pub(super) fn new(service: Arc<Service>, network: Option<Network>) -> Self {
        match network {
            None => Self::Open(service),
            Some(network) => {
                let (stop, idle) = (watch::Sender::new(false), Mutex::default());
                Self::Wired(Arc::new(Client { network, service, stop, idle }))
            }
        }
    }

    /// Sends a request; its body is covered by the signature if it `is_signed`.
    ///
    /// # Errors
    /// [`is_lost`] when its connection is gone.
    pub(super) async fn ask(
        &self,
        request: Request<RequestBody>,
        is_signed: bool,
    ) -> Result<Response<AnswerBody>, StoreError> {
        match self {
            Self::Open(service) => {
                let answer = service.clone().handle(request).await;
                Ok(answer.map(|body| body.map_err(|error| broken_off(&error)).boxed_unsync()))
            }
            Self::Wired(client) => client.ask(request, is_signed).await,
        }
    }
}

/// A client with connections that it keeps.
pub(super) struct Client {
    network: Network,
    service: Arc<Service>,
    stop: watch::Sender<bool>,
    idle: Mutex<Vec<Line>>,
}

/// One connection. Dropping it breaks it.
struct Line {
    sender: SendRequest<RequestBody>,
    link: Link,
    client: AbortHandle,
    served: Option<JoinHandle<()>>,
    used_at: Instant,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.client.abort();
    }
}

impl Line {
    fn is_good(&self) -> bool {
        // A server that answered before it took the body may give up on the rest, and close.
        self.sender.is_ready()
            && self.link.is_taken()
            && !self.link.is_troubled()
            && self.used_at.elapsed() < IDLE_MAX
    }

    /// What is told of a request whose connection failed (D1, D2).
    async fn give_up(mut self, reason: &str) -> StoreError {
        let is_excused = self.link.is_troubled();
        self.client.abort();
        if let Some(served) = self.served.take()
            && timeout(LET_GO_MAX, served).await.is_err()
        {
            return StoreError::Corrupt("K18: the server keeps a dead connection".to_owned());
        }
        if is_excused { lost() } else { StoreError::Corrupt(reason.to_owned()) }
    }
}

/// Waits for something on a connection: for ever, unless something happened to it.
async fn bear<T>(link: &Link, future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    loop {
        tokio::select! {
            biased;
            output = &mut future => return Some(output),
            () = sleep(PATIENCE) => {}
        }
        if link.is_troubled() {
            return None;
        }
    }
}

impl Client {
    async fn open(&self) -> Result<Line, StoreError> {
        let (near, far, link) = self.network.connect().map_err(|_| lost())?;
        let served = serve_stream(far, self.service.clone(), self.stop.subscribe());
        let served = Some(tokio::spawn(served));
        let (sender, connection) =
            handshake::<TokioIo<Socket>, _>(TokioIo::new(near)).await.map_err(|_| lost())?;
        // How the connection ends, the request on it tells.
        let client = tokio::spawn(async move { drop(connection.await) }).abort_handle();
        Ok(Line { sender, link, client, served, used_at: Instant::now() })
    }

    fn take_idle(&self) -> Option<Line> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(Line::is_good);
        idle.pop()
    }

    fn keep(&self, mut line: Line) {
        line.used_at = Instant::now();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    async fn ask(
        self: &Arc<Self>,
        request: Request<RequestBody>,
        is_signed: bool,
    ) -> Result<Response<AnswerBody>, StoreError> {
        let mut line = match self.take_idle() {
            Some(line) => line,
            None => self.open().await?,
        };
        line.link.begin_exchange(is_signed);
        let link = line.link.clone();
        let sending = line.sender.send_request(request);
        let mut answer = match bear(&link, sending).await {
            Some(Ok(answer)) => answer,
            Some(Err(error)) => return Err(line.give_up(&format!("{error:?}")).await),
            None => return Err(line.give_up("no answer").await),
        };
        if link.is_troubled() {
            answer.extensions_mut().insert(Troubled);
        }
        let client = self.clone();
        Ok(answer.map(|body| received(client, line, body)))
    }
}

/// The body of an answer; the connection is kept once it is whole.
fn received(client: Arc<Client>, line: Line, body: Incoming) -> AnswerBody {
    let state = Some((client, line, body));
    let frames = futures_util::stream::unfold(state, |state| async move {
        let (client, line, mut body) = state?;
        let frame: Result<Frame<Bytes>, StoreError> = match bear(&line.link, body.frame()).await {
            None => Err(line.give_up("the rest of an answer is missing").await),
            Some(Some(Err(error))) => Err(line.give_up(&format!("{error:?}")).await),
            Some(Some(Ok(frame))) => return Some((Ok(frame), Some((client, line, body)))),
            Some(None) => {
                client.keep(line);
                return None;
            }
        };
        Some((frame, None))
    });
    StreamBody::new(frames).boxed_unsync()
}
