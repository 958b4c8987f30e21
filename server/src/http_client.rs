//! A little HTTP/1.1 client, plain or over TLS: what `stave admin` and the key store need of one.

use crate::config::{Server, Trust};
use crate::trust;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::fmt;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

/// Most bytes of an answer: the status of 1,024 disks takes less than 1 MiB.
const ANSWER_LEN_MAX: usize = 16 << 20;

/// A connection, whatever it is made of.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Server {
    fn port(&self) -> u16 {
        self.authority.port_u16().unwrap_or(if self.is_secure { 443 } else { 80 })
    }

    /// The host without the brackets of an address.
    pub fn host(&self) -> &str {
        self.authority.host().trim_start_matches('[').trim_end_matches(']')
    }
}

impl fmt::Display for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_secure { "https" } else { "http" };
        write!(formatter, "{scheme}://{}", self.authority)
    }
}

/// An answer, read to its end.
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub text: String,
}

/// Opens connections to one server.
pub struct Connector {
    /// Which one.
    pub server: Server,
    tls: Option<TlsConnector>,
    hint: &'static str,
}

impl Connector {
    /// Connections to a server, whose certificate is trusted so; `hint` is what a refusal of the
    /// certificate says to the operator.
    ///
    /// # Errors
    /// One line: what is trusted cannot be read.
    pub fn new(server: Server, trust: &Trust, hint: &'static str) -> Result<Self, String> {
        let tls = match server.is_secure {
            true => Some(TlsConnector::from(Arc::new(trust::client_config(trust)?))),
            false => None,
        };
        Ok(Self { server, tls, hint })
    }

    /// Opens one.
    ///
    /// # Errors
    /// One line.
    pub async fn open(&self) -> Result<Connection, String> {
        let stream = self.connect().await?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|error| error.to_string())?;
        let task = tokio::spawn(async move { _ = connection.await });
        Ok(Connection { sender, task })
    }

    async fn connect(&self) -> Result<Box<dyn Stream>, String> {
        let server = &self.server;
        let stream = TcpStream::connect((server.host(), server.port()))
            .await
            .map_err(|error| error.to_string())?;
        let Some(tls) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let name = ServerName::try_from(server.host().to_owned())
            .map_err(|_| format!("{} is no name that a certificate could have", server.host()))?;
        let stream = tls.connect(name, stream).await;
        Ok(Box::new(stream.map_err(|error| format!("{error} ({})", self.hint))?))
    }
}

/// An open connection, for one request after the other. Dropped, it is closed.
pub struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    task: JoinHandle<()>,
}

impl Connection {
    /// Whether another request can be sent.
    pub fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// One line. The connection is then of no use any more.
    pub async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        self.sender.ready().await.map_err(|error| error.to_string())?;
        let response = self.sender.send_request(request).await.map_err(|it| it.to_string())?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_LEN_MAX).collect().await;
        let bytes = body.map_err(|error| format!("its answer broke off: {error}"))?.to_bytes();
        Ok(Answer { status, text: String::from_utf8_lossy(&bytes).into_owned() })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_told_by_their_url() {
        let server = |is_secure, authority: &str| Server {
            is_secure,
            authority: authority.parse().unwrap(),
        };
        let plain = server(false, "[::1]:9000");
        assert_eq!((plain.host(), plain.port()), ("::1", 9000));
        assert_eq!(plain.to_string(), "http://[::1]:9000");
        assert_eq!(server(true, "a.example").port(), 443);
        assert_eq!(server(false, "a.example").port(), 80);
    }
}
