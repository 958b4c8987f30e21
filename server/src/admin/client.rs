//! One signed request without a body over HTTP/1.1, plain or over TLS: what `stave admin` needs of
//! a client.

use super::{harmless, trust};
use crate::config::{AdminConfig, Server};
use bytes::Bytes;
use engine::env::real;
use http::header::HOST;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use s3api::Credentials;
use s3api::config::{REGION_DEFAULT, is_region};
use s3api::sigv4::{EMPTY_SHA256, Signer, SigningService, sign};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long one request may take, from its connection to its last byte.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Most bytes of an answer: 1,024 disks take less than 1 MiB.
const ANSWER_LEN_MAX: usize = 16 << 20;

/// Most letters of an answer that is shown as an error.
const SHOWN_LEN_MAX: usize = 200;

/// A connection, whatever it is made of.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Server {
    fn port(&self) -> u16 {
        self.authority.port_u16().unwrap_or(if self.is_secure { 443 } else { 80 })
    }

    /// The host without the brackets of an address.
    fn host(&self) -> &str {
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
struct Answer {
    status: StatusCode,
    text: String,
}

/// Asks for a path by a method; returns the text of a good answer.
///
/// # Errors
/// One line.
pub async fn ask(
    config: &AdminConfig,
    credentials: &Credentials,
    (method, path): (&Method, &str),
) -> Result<String, String> {
    let region = config.region.as_deref().unwrap_or(REGION_DEFAULT);
    let mut answer = ask_once(config, credentials, (method, path, region)).await?;
    // A server with a region of its own tells which, and the operator need not know.
    if let (None, Some(region)) = (&config.region, region_of(&answer)) {
        answer = ask_once(config, credentials, (method, path, &region)).await?;
    }
    let Answer { status, text } = answer;
    if status.is_success() {
        return Ok(text);
    }
    Err(format!("{} answers {}: {}", config.server, status.as_u16(), reason(&text)))
}

async fn ask_once(
    config: &AdminConfig,
    credentials: &Credentials,
    (method, path, region): (&Method, &str, &str),
) -> Result<Answer, String> {
    let request = request(&config.server, credentials, (method, path, region))?;
    let exchange = async {
        let stream = connect(config).await?;
        exchange(stream, request).await
    };
    match tokio::time::timeout(TIMEOUT, exchange).await {
        Ok(answer) => answer.map_err(|reason| format!("cannot ask {}: {reason}", config.server)),
        Err(_) => Err(format!("{} does not answer within {} s", config.server, TIMEOUT.as_secs())),
    }
}

fn request(
    server: &Server,
    credentials: &Credentials,
    (method, path, region): (&Method, &str, &str),
) -> Result<Request<Empty<Bytes>>, String> {
    let request = Request::builder().method(method).uri(path);
    let request = request.header(HOST, server.authority.as_str()).body(Empty::new());
    let (mut parts, body) = request.map_err(|error| format!("cannot ask: {error}"))?.into_parts();
    let now = real::env().clock.unix_nanos();
    sign(
        &mut parts,
        &Signer { credentials, region, service: SigningService::S3, now },
        EMPTY_SHA256,
    )
    .map_err(|error| format!("cannot sign: {error}"))?;
    Ok(Request::from_parts(parts, body))
}

async fn connect(config: &AdminConfig) -> Result<Box<dyn Stream>, String> {
    let server = &config.server;
    let stream = TcpStream::connect((server.host(), server.port()))
        .await
        .map_err(|error| error.to_string())?;
    if !server.is_secure {
        return Ok(Box::new(stream));
    }
    let name = ServerName::try_from(server.host().to_owned())
        .map_err(|_| format!("{} is no name that a certificate could have", server.host()))?;
    let connector = TlsConnector::from(Arc::new(trust::client_config(&config.trust)?));
    let stream = connector.connect(name, stream).await.map_err(|error| {
        format!("{error} (--ca FILE names the server's certificate, --insecure takes any)")
    })?;
    Ok(Box::new(stream))
}

async fn exchange(
    stream: Box<dyn Stream>,
    request: Request<Empty<Bytes>>,
) -> Result<Answer, String> {
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| error.to_string())?;
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_LEN_MAX).collect().await;
    connection.abort();
    let bytes = body.map_err(|error| format!("its answer broke off: {error}"))?.to_bytes();
    Ok(Answer { status, text: String::from_utf8_lossy(&bytes).into_owned() })
}

/// The text of the first element of this name, in an error document.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0)
}

/// The region that a server wants, where that was what it did not like.
fn region_of(answer: &Answer) -> Option<String> {
    let is_it = element(&answer.text, "Code") == Some("AuthorizationHeaderMalformed");
    let region = element(&answer.text, "Region").filter(|region| is_it && is_region(region));
    region.map(str::to_owned)
}

/// Why a server said no, in one harmless line.
fn reason(text: &str) -> String {
    let reason = match (element(text, "Code"), element(text, "Message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        _ => text.lines().next().unwrap_or_default().to_owned(),
    };
    harmless(&reason).chars().take(SHOWN_LEN_MAX).collect()
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

    #[test]
    fn refusals_are_told_in_one_harmless_line() {
        let document = "<Error><Code>AccessDenied</Code><Message>No.\n</Message></Error>";
        assert_eq!(reason(document), "AccessDenied: No.?");
        assert_eq!(reason("This port speaks HTTPS\nplease\n"), "This port speaks HTTPS");
        assert_eq!(reason(&"x".repeat(1000)).len(), SHOWN_LEN_MAX);
        assert_eq!(reason(""), "");
    }

    #[test]
    fn region_is_taken_from_the_refusal_that_is_about_it() {
        let answer = |code: &str, region: &str| Answer {
            status: StatusCode::BAD_REQUEST,
            text: format!("<Error><Code>{code}</Code><Region>{region}</Region></Error>"),
        };
        let wrong = "AuthorizationHeaderMalformed";
        assert_eq!(region_of(&answer(wrong, "eu-1")).as_deref(), Some("eu-1"));
        assert_eq!(region_of(&answer("AccessDenied", "eu-1")), None);
        assert_eq!(region_of(&answer(wrong, "no region/")), None);
    }
}
