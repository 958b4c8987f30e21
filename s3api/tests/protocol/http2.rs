//! Secure connections and HTTP/2. The handshake of these tests is a single byte, after which both
//! ends are agreed on HTTP/2: what TLS does is the server's business, and is tested there.

use crate::support::{Ask, Reply, Server};
use bytes::{Bytes, BytesMut};
use engine::object::{
    BucketName, ObjectAttributes, ObjectKey, ObjectStore, PutRequest, WriteCondition,
};
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::header::{CONTENT_LENGTH, HOST};
use http::{Request, Uri, Version};
use s3api::body::relay::RelayBody;
use s3api::config::Limits;
use s3api::listener::net::NetStream;
use s3api::listener::secure::{Duplex, Handshake, Protocol, Secure};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// What a handshake of TLS begins with.
const HELLO: &[u8] = b"\x16";

/// Takes the byte.
struct OneByte;

impl Secure for OneByte {
    fn handshake(&self, mut stream: NetStream) -> Handshake {
        Box::pin(async move {
            assert_eq!(stream.read_u8().await?, HELLO[0], "what was looked at is still there");
            Ok((Box::new(stream) as Box<dyn Duplex>, Protocol::Http2))
        })
    }
}

/// Never comes to an end.
struct Endless;

impl Secure for Endless {
    fn handshake(&self, stream: NetStream) -> Handshake {
        Box::pin(async move {
            let _stream = stream;
            std::future::pending().await
        })
    }
}

async fn server(change: impl FnOnce(&mut Limits)) -> Server {
    let server =
        Server::start_over(Some(Arc::new(OneByte)), |config| change(&mut config.limits)).await;
    server
        .store
        .create_bucket(engine::object::CreateBucketRequest::plain(BucketName::new("box").unwrap()))
        .await
        .unwrap();
    server
}

/// Writes `box/key`, past all limits of time.
async fn put_slowly(server: &Server, body: Vec<u8>) {
    let request = PutRequest {
        bucket: BucketName::new("box").unwrap(),
        key: ObjectKey::new("key").unwrap(),
        attributes: ObjectAttributes::default(),
        condition: WriteCondition::default(),
        lock: Default::default(),
        len: None,
    };
    let len = body.len() as u64;
    let stream = futures_util::stream::iter([Ok(Bytes::from(body))]);
    let body = RelayBody::new(Box::pin(stream), len, None);
    server.store.put(request, Box::new(body)).await.unwrap();
}

/// One connection of a client.
struct Client<'a> {
    server: &'a Server,
    sender: SendRequest<Bytes>,
    connection: JoinHandle<Result<(), h2::Error>>,
}

impl<'a> Client<'a> {
    async fn new(server: &'a Server) -> Self {
        Self::with_window(server, 1 << 20).await
    }

    /// A client that takes so many bytes of each answer before it is asked for more.
    async fn with_window(server: &'a Server, len: u32) -> Self {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(HELLO).await.unwrap();
        let handshake = Builder::new().initial_window_size(len).handshake(stream);
        let (sender, connection) = handshake.await.unwrap();
        Self { server, sender, connection: tokio::spawn(connection) }
    }

    /// Begins a request; the body is the caller's.
    async fn begin(&self, ask: Ask<'_>) -> (ResponseFuture, SendStream<Bytes>) {
        let (mut parts, mut sender) = (ask.parts, self.sender.clone().ready().await.unwrap());
        if parts.uri.authority().is_none() {
            parts.headers.remove(HOST);
            let path = parts.uri.path_and_query().unwrap().as_str();
            let uri = format!("https://{}{path}", self.server.address);
            parts.uri = uri.parse::<Uri>().unwrap();
        }
        parts.version = Version::HTTP_2;
        let is_empty = ask.body.is_empty();
        parts.headers.insert(CONTENT_LENGTH, ask.body.len().into());
        sender.send_request(Request::from_parts(parts, ()), is_empty).unwrap()
    }

    async fn send(&self, ask: Ask<'_>) -> Reply {
        let body = ask.body.clone();
        let (response, mut stream) = self.begin(ask).await;
        if !body.is_empty() {
            // What a window holds back goes out later, or never, where the answer comes first.
            stream.send_data(body, true).unwrap();
        }
        read(response).await.unwrap()
    }

    async fn end(self) {
        let Self { sender, connection, .. } = self;
        drop(sender);
        // Whichever way: it ends.
        let _ = connection.await.unwrap();
    }
}

async fn read(response: ResponseFuture) -> Result<Reply, h2::Error> {
    let (parts, body) = response.await?.into_parts();
    Ok(Reply { status: parts.status, headers: parts.headers, body: read_body(body).await? })
}

async fn read_body(mut body: RecvStream) -> Result<Bytes, h2::Error> {
    let mut whole = BytesMut::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

#[tokio::test]
async fn many_requests_share_a_connection() {
    let server = server(|limits| limits.streams_max = 3).await;
    let client = Client::new(&server).await;
    // From its answer on the client knows how many requests it may have open.
    client.send(server.ask("GET", "/minio/health/live")).await.expect(200);
    let round_trip = async |number: usize| {
        let (path, body) = (format!("/box/{number}"), Bytes::from(vec![number as u8; 300_000]));
        client.send(server.ask("PUT", &path).body(body.clone()).sign()).await.expect(200);
        let reply = client.send(server.ask("GET", &path).sign()).await.expect(200);
        assert_eq!(reply.body, body);
        assert_eq!(reply.header("content-length"), Some("300000"));
    };
    futures_util::future::join_all((0..10).map(round_trip)).await;
    let streamed = client.send(server.ask("GET", "/box/none").sign()).await;
    streamed.expect_error(404, "NoSuchKey");
}

#[tokio::test]
async fn authority_is_the_host_that_is_signed() {
    let server = server(|_| {}).await;
    let client = Client::new(&server).await;
    let get = |authority: &str, host: Option<&str>| {
        let mut ask = server.ask("GET", "/box").sign();
        ask.parts.uri = format!("https://{authority}/box").parse().unwrap();
        ask.parts.headers.remove(HOST);
        match host {
            Some(host) => ask.header("host", host),
            None => ask,
        }
    };
    let address = server.address.to_string();
    client.send(get(&address, None)).await.expect(200);
    client.send(get(&address, Some(&address))).await.expect(200);
    client.send(get(&address, Some("other"))).await.expect_error(400, "BadRequest");
    client.send(get("other", Some(&address))).await.expect_error(400, "BadRequest");
    client.send(get("other", None)).await.expect_error(403, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn health_and_metrics_answer() {
    let server = server(|_| {}).await;
    let client = Client::new(&server).await;
    client.send(server.ask("GET", "/minio/health/live")).await.expect(200);
    let metrics = client.send(server.ask("GET", "/metrics")).await.expect(200);
    assert!(metrics.text().contains("stave_tls_handshake_failures_total 0"), "{}", metrics.text());
}

#[tokio::test]
async fn too_many_headers_are_refused() {
    let server = server(|_| {}).await;
    let client = Client::new(&server).await;
    let mut ask = server.ask("GET", "/box");
    for number in 0..101 {
        ask = ask.header(&format!("a{number}"), "b");
    }
    client.send(ask).await.expect(431);
    let ask = server.ask("GET", "/box").header("a", &"b".repeat(70_000));
    client.send(ask).await.expect(431);
    client.send(server.ask("GET", "/box").sign()).await.expect(200);
}

#[tokio::test]
async fn connection_headers_are_refused() {
    let server = server(|_| {}).await;
    // SETTINGS; HEADERS: GET https /, and `connection: x`.
    let frames = b"\x16PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\
        \0\0\x11\x01\x05\0\0\0\x01\x82\x84\x87\0\x0aconnection\x01x";
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(frames).await.unwrap();
    // RST_STREAM with PROTOCOL_ERROR.
    wait_for(&mut stream, b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x01").await;
}

/// Reads until these bytes came.
async fn wait_for(stream: &mut TcpStream, wanted: &[u8]) {
    let mut seen = Vec::new();
    while !seen.windows(wanted.len()).any(|window| window == wanted) {
        assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0, "ended: {seen:02x?}");
    }
}

#[tokio::test]
async fn errors_reach_clients_that_send_large_bodies() {
    let server = server(|_| {}).await;
    let client = Client::new(&server).await;
    for _ in 0..5 {
        let ask = server.ask("PUT", "/box/key").body(vec![0; 4 << 20]);
        client.send(ask).await.expect_error(403, "AccessDenied");
    }
    client.send(server.ask("GET", "/box").sign()).await.expect(200);
}

#[tokio::test]
async fn expectations_do_not_end_the_connection() {
    let server = server(|_| {}).await;
    let client = Client::new(&server).await;
    for body in ["", "body"] {
        let ask = server.ask("PUT", "/box/key").header("expect", "100-continue").body(body);
        let reply = client.send(ask.sign()).await.expect(200);
        assert_eq!(reply.header("connection"), None);
    }
}

#[tokio::test]
async fn slow_bodies_are_given_up_and_the_connection_goes_on() {
    let server = server(|limits| limits.body_idle_timeout_ms = 1).await;
    let client = Client::new(&server).await;
    let ask = server.ask("PUT", "/box/key").body("0123456789");
    let (response, mut stream) = client.begin(ask.sign()).await;
    stream.send_data(Bytes::from_static(b"01234"), false).unwrap();
    read(response).await.unwrap().expect_error(400, "RequestTimeout");
    client.send(server.ask("HEAD", "/box/key").sign()).await.expect(404);
}

#[tokio::test]
async fn answers_that_nobody_takes_are_given_up_and_the_connection_goes_on() {
    let server = server(|limits| limits.body_idle_timeout_ms = 1).await;
    put_slowly(&server, vec![7; 1 << 20]).await;
    let client = Client::with_window(&server, 20_000).await;
    let (response, _) = client.begin(server.ask("GET", "/box/key").sign()).await;
    let mut body = response.await.unwrap().into_body();
    let mut len = 0;
    let error = loop {
        // The window is never given back.
        match body.data().await.expect("no clean end") {
            Ok(piece) => len += piece.len(),
            Err(error) => break error,
        }
    };
    assert_eq!(error.reason(), Some(Reason::CANCEL));
    assert_eq!(len, 20_000);
    client.send(server.ask("HEAD", "/box/key").sign()).await.expect(200);
}

#[tokio::test]
async fn bodies_that_break_off_never_end_well() {
    let server = server(|_| {}).await;
    put_slowly(&server, vec![7; 100]).await;
    server.store.break_reads();
    let client = Client::new(&server).await;
    let (response, _) = client.begin(server.ask("GET", "/box/key").sign()).await;
    assert!(read(response).await.is_err());
    client.send(server.ask("GET", "/box").sign()).await.expect(200);
}

#[tokio::test]
async fn idle_connections_are_closed() {
    let server = server(|limits| limits.header_timeout_ms = 1).await;
    let client = Client::new(&server).await;
    assert!(client.connection.await.unwrap().is_ok(), "with a farewell");
    // Not even the preface came.
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    silent.write_all(HELLO).await.unwrap();
    server.stop.send(true).unwrap();
    server.served.await.unwrap().unwrap();
}

#[tokio::test]
async fn shutdown_finishes_what_runs_and_then_returns() {
    let server = server(|_| {}).await;
    let client = Client::new(&server).await;
    let (ask, _) =
        server.ask("PUT", "/box/key").body("0123456789").sign_payload("UNSIGNED-PAYLOAD");
    let (response, mut stream) = client.begin(ask).await;
    stream.send_data(Bytes::from_static(b"01234"), false).unwrap();
    // An answer to a later request shows that the first one runs.
    client.send(server.ask("GET", "/box").sign()).await.expect(200);
    server.stop.send(true).unwrap();
    stream.send_data(Bytes::from_static(b"56789"), true).unwrap();
    read(response).await.unwrap().expect(200);
    client.end().await;
    server.served.await.unwrap().unwrap();
}

#[tokio::test]
async fn floods_end_their_connection_and_nothing_else() {
    let server = server(|_| {}).await;
    let preface = b"\x16PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    // HEADERS without END_HEADERS, then CONTINUATION without end.
    let begun = b"\0\0\x03\x01\x01\0\0\0\x01\x82\x84\x87";
    for more in [b"\0\0\0\x09\0\0\0\0\x01".as_slice(), b"\0\0\x04\x09\0\0\0\0\x01\0\x01a\0"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&[preface, begun.as_slice()].concat()).await.unwrap();
        // Whether the end shows in a write or a read is a matter of time.
        while stream.write_all(&more.repeat(100)).await.is_ok() {}
    }
    // HEADERS and RST_STREAM, again and again.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(preface).await.unwrap();
    for number in 0..200_000_u32 {
        let id = (2 * number + 1).to_be_bytes();
        let opened = [b"\0\0\x03\x01\x05".as_slice(), &id, b"\x82\x84\x87"].concat();
        let reset = [b"\0\0\x04\x03\0".as_slice(), &id, b"\0\0\0\x08"].concat();
        if stream.write_all(&[opened, reset].concat()).await.is_err() {
            break;
        }
    }
    let client = Client::new(&server).await;
    client.send(server.ask("GET", "/box").sign()).await.expect(200);
}

#[tokio::test]
async fn plain_requests_are_told_to_use_https() {
    let server = server(|_| {}).await;
    for request in [b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".as_slice(), b"PRI * HTTP/2.0\r\n\r\n"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
        assert!(answer.contains("https://"), "{answer}");
    }
}

#[tokio::test]
async fn slow_handshakes_are_given_up() {
    let endless = Some(Arc::new(Endless) as Arc<dyn Secure>);
    let server = Server::start_over(endless, |config| config.limits.handshake_timeout_ms = 1).await;
    for begin in [HELLO, b"GET / HTTP/1.1\r\n"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let _ = stream.write_all(begin).await;
        // Returns at all: the server closes what does not go on.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
}

#[tokio::test]
async fn shutdown_does_not_wait_for_handshakes() {
    let endless = Some(Arc::new(Endless) as Arc<dyn Secure>);
    let server = Server::start_over(endless, |_| {}).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(HELLO).await.unwrap();
    server.stop.send(true).unwrap();
    server.served.await.unwrap().unwrap();
}
