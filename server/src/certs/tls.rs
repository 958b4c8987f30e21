//! TLS as rustls does it: versions 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN, no client
//! certificates, no early data.

use super::table::Table;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{Error, ServerConfig};
use s3api::listener::net::NetStream;
use s3api::listener::secure::{Duplex, Handshake, Protocol, Secure};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use tokio_rustls::TlsAcceptor;

/// Name of HTTP/2 in ALPN.
const ALPN_HTTP2: &[u8] = b"h2";
/// Name of HTTP/1.1 in ALPN.
const ALPN_HTTP1: &[u8] = b"http/1.1";

/// The ciphers.
pub fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}

/// The certificates of now, which each handshake asks for.
struct Current(RwLock<Arc<Table>>);

impl fmt::Debug for Current {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Current")
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        Some(table.choose(hello.server_name()))
    }
}

/// Makes connections secure.
pub struct Tls {
    acceptor: TlsAcceptor,
    current: Arc<Current>,
}

impl Tls {
    /// TLS with these certificates.
    ///
    /// # Errors
    /// When the cryptography fails.
    pub fn new(table: Arc<Table>) -> Result<Self, Error> {
        let current = Arc::new(Current(RwLock::new(table)));
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        config.alpn_protocols = vec![ALPN_HTTP2.to_vec(), ALPN_HTTP1.to_vec()];
        // Sessions are kept by the clients, in tickets: any number of them costs nothing here.
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), current })
    }

    /// Serves other certificates from the next handshake on; open connections go on.
    pub fn replace(&self, table: Arc<Table>) {
        *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = table;
    }
}

impl Secure for Tls {
    fn handshake(&self, stream: NetStream) -> Handshake {
        let accept = self.acceptor.accept(stream);
        Box::pin(async move {
            let stream = accept.await?;
            let protocol = match stream.get_ref().1.alpn_protocol() {
                Some(ALPN_HTTP2) => Protocol::Http2,
                _ => Protocol::Http1,
            };
            Ok((Box::new(stream) as Box<dyn Duplex>, protocol))
        })
    }
}
