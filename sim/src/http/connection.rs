//! One client's connection: kept alive while it lasts, opened again when it broke.

use super::stream::ClientStream;
use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body as _, Frame};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest virtual time that a client waits for a whole answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// A request's body.
pub type RequestBody = BoxBody<Bytes, io::Error>;

/// A body that arrives whole.
pub fn whole_body(bytes: Bytes) -> RequestBody {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

/// A body that breaks off after these bytes, and the connection with it.
pub fn broken_body(bytes: Bytes) -> RequestBody {
    let broken = io::Error::other("the client goes away");
    let frames = vec![Ok(Frame::data(bytes)), Err(broken)];
    BodyExt::boxed(StreamBody::new(stream::iter(frames)))
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, complete.
    pub body: Bytes,
}

impl Answer {
    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The entity tag without its quotes.
    pub fn etag(&self) -> &str {
        self.header("etag").unwrap_or_default().trim_matches('"')
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendError {
    /// No connection; the server saw nothing of the request.
    NotSent(String),
    /// The connection broke or fell silent; the server may have done anything.
    Lost(String),
}

/// See the module.
pub struct Connection {
    address: SocketAddr,
    sender: Option<SendRequest<RequestBody>>,
}

impl Connection {
    /// A connection that opens with its first request.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, sender: None }
    }

    /// Sends a request and waits for the whole answer.
    ///
    /// # Errors
    /// See [`SendError`]. The next request opens a new connection.
    pub async fn send(&mut self, mut request: Request<RequestBody>) -> Result<Answer, SendError> {
        // hyper leaves the length of an empty body out.
        if request.method() == Method::PUT && request.body().is_end_stream() {
            request.headers_mut().entry(CONTENT_LENGTH).or_insert(HeaderValue::from_static("0"));
        }
        let mut sender = match self.sender.take() {
            Some(sender) if sender.is_ready() => sender,
            _ => self.open().await?,
        };
        let answer = match timeout(ANSWER_TIMEOUT, exchange(&mut sender, request)).await {
            Ok(answer) => answer.map_err(|error| SendError::Lost(error.to_string()))?,
            Err(_) => return Err(SendError::Lost("no answer in time".to_owned())),
        };
        self.sender = Some(sender);
        Ok(answer)
    }

    async fn open(&self) -> Result<SendRequest<RequestBody>, SendError> {
        let not_sent = |error: &dyn std::error::Error| SendError::NotSent(error.to_string());
        let stream = match timeout(ANSWER_TIMEOUT, TcpStream::connect(self.address)).await {
            Ok(stream) => stream.map_err(|error| not_sent(&error))?,
            Err(_) => return Err(SendError::NotSent("no connection in time".to_owned())),
        };
        let stream = TokioIo::new(ClientStream::new(stream));
        let (sender, connection) = handshake(stream).await.map_err(|error| not_sent(&error))?;
        // How the connection ends, the request on it tells.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }
}

async fn exchange(
    sender: &mut SendRequest<RequestBody>,
    request: Request<RequestBody>,
) -> hyper::Result<Answer> {
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Answer { status: head.status, headers: head.headers, body })
}
