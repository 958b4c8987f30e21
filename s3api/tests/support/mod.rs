//! A server on a loopback port and a client that signs, for tests.

pub mod form;
pub mod memory_store;

use bytes::Bytes;
use engine::object::{Clock, Env, Rng};
use http::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderValue};
use http::{HeaderName, Request, StatusCode, request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use memory_store::MemoryStore;
use s3api::listener::secure::Secure;
use s3api::sigv4::{self, ChunkChain, Signer, SigningService};
use s3api::{Credentials, S3Config, Service, serve, serve_secure};
use sealing::RootKey;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// 2026-01-02T03:04:05Z, where the clock of every test stands at first.
pub const NOW: u64 = 1_767_323_045_000_000_000;

/// The root key of every server, unless a test takes it away.
pub const ROOT_KEY: &str = "main:cm9vdC1jYW5hcnktcm9vdC1jYW5hcnktcm9vdC1jYW4=";

/// A clock that stands still until it is moved.
pub struct TestClock(AtomicU64);

impl TestClock {
    /// Moves it.
    pub fn advance_seconds(&self, seconds: u64) {
        self.0.fetch_add(seconds * 1_000_000_000, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn unix_nanos(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Numbers that look random and are the same in every run.
struct TestRng(AtomicU64);

impl Rng for TestRng {
    fn fill(&self, buffer: &mut [u8]) {
        for byte in buffer {
            let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            *byte = (state ^ (state >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9).to_be_bytes()[0];
        }
    }
}

/// A running server.
pub struct Server {
    pub address: SocketAddr,
    pub clock: Arc<TestClock>,
    pub credentials: Credentials,
    pub store: Arc<MemoryStore>,
    pub service: Arc<Service>,
    pub stop: watch::Sender<bool>,
    pub served: JoinHandle<std::io::Result<()>>,
}

/// An answer, read to its end.
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The text of the first element of this name.
    pub fn element(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.text().split_once(&format!("<{name}>"))?;
        Some(rest.split_once(&format!("</{name}>"))?.0)
    }

    /// The texts of all elements of this name.
    pub fn elements(&self, name: &str) -> Vec<&str> {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let parts = self.text().split(open.as_str()).skip(1);
        parts.map(|part| part.split_once(&close).unwrap().0).collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Checks status and code of an error.
    pub fn expect_error(&self, status: u16, code: &str) {
        let found = (self.status.as_u16(), self.element("Code"));
        assert_eq!(found, (status, Some(code)), "{}", self.text());
    }

    /// Checks for success.
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{:?}", self.body);
        self
    }
}

impl Server {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts with another configuration.
    pub async fn start_with(change: impl FnOnce(&mut S3Config)) -> Self {
        Self::start_over(None, change).await
    }

    /// Starts on connections that are made secure first.
    pub async fn start_over(
        secure: Option<Arc<dyn Secure>>,
        change: impl FnOnce(&mut S3Config),
    ) -> Self {
        let clock = Arc::new(TestClock(AtomicU64::new(NOW)));
        let env = Env { clock: clock.clone(), rng: Arc::new(TestRng(AtomicU64::new(1))) };
        let store = Arc::new(MemoryStore::new(env.clone()));
        Self::start_on((store, clock, env), secure, change).await
    }

    /// Starts another server on the same store: another node, or the same one later.
    pub async fn again(&self, change: impl FnOnce(&mut S3Config)) -> Self {
        let env = Env { clock: self.clock.clone(), rng: Arc::new(TestRng(AtomicU64::new(2))) };
        Self::start_on((self.store.clone(), self.clock.clone(), env), None, change).await
    }

    async fn start_on(
        (store, clock, env): (Arc<MemoryStore>, Arc<TestClock>, Env),
        secure: Option<Arc<dyn Secure>>,
        change: impl FnOnce(&mut S3Config),
    ) -> Self {
        let credentials = Credentials {
            access_key: "test-key".to_owned(),
            secret_key: "canary-secret".to_owned(),
        };
        let mut config = S3Config::new(credentials.clone());
        config.part_size_min = 5;
        config.encryption.root_key = Some(RootKey::parse(ROOT_KEY).unwrap());
        change(&mut config);
        config.validate().unwrap();
        let credentials = config.credentials.clone();
        let service = Service::new(config, store.clone(), env);
        let front = service.clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let served = match secure {
            Some(secure) => tokio::spawn(serve_secure(listener, front, secure, stopped)),
            None => tokio::spawn(serve(listener, front, stopped)),
        };
        Self { address, clock, credentials, store, service, stop, served }
    }

    /// A server that has the bucket `box`.
    pub async fn with_bucket() -> Self {
        let server = Self::start().await;
        server.ask("PUT", "/box").send().await.expect(200);
        server
    }

    pub fn signer(&self) -> Signer<'_> {
        let (credentials, now) = (&self.credentials, self.clock.unix_nanos());
        Signer { credentials, region: "us-east-1", service: SigningService::S3, now }
    }

    /// A request, to be signed and sent.
    pub fn ask(&self, method: &str, uri: &str) -> Ask<'_> {
        let mut request = Request::builder().method(method).uri(uri);
        request = request.header(HOST, self.address.to_string());
        let parts = request.body(()).unwrap().into_parts().0;
        Ask { server: self, parts, body: Bytes::new(), service: SigningService::S3 }
    }

    /// A request to the service of sessions, in version 2011-06-15.
    pub fn ask_session(&self, parameters: &str) -> Ask<'_> {
        let body = format!("Version=2011-06-15&{parameters}");
        Ask { service: SigningService::Sts, ..self.ask("POST", "/").body(body) }
    }

    /// Writes an object.
    pub async fn put(&self, path: &str, body: &'static str) -> Reply {
        self.ask("PUT", path).body(body).send().await.expect(200)
    }

    /// Sends a request as it is and reads the answer.
    pub async fn exchange(&self, mut parts: request::Parts, body: Bytes) -> Reply {
        // hyper leaves the length of an empty body out.
        if body.is_empty() && parts.method == "PUT" {
            parts.headers.entry(CONTENT_LENGTH).or_insert(HeaderValue::from_static("0"));
        }
        let stream = TcpStream::connect(self.address).await.unwrap();
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.unwrap();
        let connection = tokio::spawn(connection);
        let request = Request::from_parts(parts, Full::new(body));
        let response = sender.send_request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        connection.abort();
        Reply { status: parts.status, headers: parts.headers, body }
    }

    /// Whether the key exists in `box`.
    pub async fn exists(&self, key: &str) -> bool {
        self.ask("HEAD", &format!("/box/{key}")).send().await.status == StatusCode::OK
    }
}

/// A request in the making.
pub struct Ask<'a> {
    pub server: &'a Server,
    pub parts: request::Parts,
    pub body: Bytes,
    pub service: SigningService,
}

impl Ask<'_> {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().unwrap();
        self.parts.headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        self
    }

    /// Another `Host` than the address.
    pub fn host(mut self, host: &str) -> Self {
        self.parts.headers.insert(HOST, host.parse().unwrap());
        self
    }

    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Signs with the hash of the body.
    pub fn sign(self) -> Self {
        let hash = sigv4::sha256_hex(&self.body);
        self.sign_payload(&hash).0
    }

    /// Signs as somebody else than the root, with the hash of the body.
    pub fn sign_as(mut self, credentials: &Credentials) -> Self {
        let hash = sigv4::sha256_hex(&self.body);
        let signer = Signer { credentials, service: self.service, ..self.server.signer() };
        sigv4::sign(&mut self.parts, &signer, &hash).unwrap();
        self
    }

    /// Signs as somebody else and sends.
    pub async fn send_as(self, credentials: &Credentials) -> Reply {
        self.sign_as(credentials).send_as_is().await
    }

    /// Signs for another region.
    pub fn sign_for(mut self, region: &str) -> Self {
        let hash = sigv4::sha256_hex(&self.body);
        let signer = Signer { region, service: self.service, ..self.server.signer() };
        sigv4::sign(&mut self.parts, &signer, &hash).unwrap();
        self
    }

    /// Signs with this value of `x-amz-content-sha256`.
    pub fn sign_payload(mut self, hash: &str) -> (Self, ChunkChain) {
        let signer = Signer { service: self.service, ..self.server.signer() };
        let chain = sigv4::sign(&mut self.parts, &signer, hash).unwrap();
        (self, chain)
    }

    /// Signs by query.
    pub fn presign(mut self, expires: u64) -> Self {
        let signer = Signer { service: self.service, ..self.server.signer() };
        sigv4::presign(&mut self.parts, &signer, expires).unwrap();
        self
    }

    /// Signs by query, as somebody else.
    pub fn presign_as(mut self, credentials: &Credentials, expires: u64) -> Self {
        let signer = Signer { credentials, ..self.server.signer() };
        sigv4::presign(&mut self.parts, &signer, expires).unwrap();
        self
    }

    /// Changes a request that is signed already.
    pub fn then(mut self, change: impl FnOnce(&mut request::Parts)) -> Self {
        change(&mut self.parts);
        self
    }

    /// The request as it goes over the wire in HTTP/1.1, for what no client library sends.
    pub fn wire(&self) -> Vec<u8> {
        let mut wire =
            format!("{} {} HTTP/1.1\r\n", self.parts.method, self.parts.uri).into_bytes();
        for (name, value) in &self.parts.headers {
            wire.extend_from_slice(format!("{name}: ").as_bytes());
            wire.extend_from_slice(value.as_bytes());
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b"\r\n");
        wire.extend_from_slice(&self.body);
        wire
    }

    /// Signs and sends.
    pub async fn send(self) -> Reply {
        self.sign().send_as_is().await
    }

    pub async fn send_as_is(self) -> Reply {
        self.server.exchange(self.parts, self.body).await
    }
}
