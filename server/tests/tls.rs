//! The real binary with certificates: which one is shown to whom, how they change, what is refused.
#![expect(clippy::disallowed_methods, reason = "writes the certificates of the tests")]
#![expect(clippy::unwrap_used, reason = "the panic of a test is its failure")]

#[expect(dead_code, reason = "not every test needs all of it")]
mod common;

use bytes::Bytes;
use common::{Stave, answer_of, command, refused};
use engine::env::real;
use http::{Request, Version};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertificateParams, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, ProtocolVersion, RootCertStore,
    SignatureScheme, StreamOwned, SupportedProtocolVersion,
};
use s3api::headers::date;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tokio_rustls::TlsConnector;

type TlsStream = StreamOwned<ClientConnection, TcpStream>;

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    CertificateParams::new(names).unwrap()
}

/// Writes a new pair for these names; returns its certificate.
fn write_pair(dir: &Path, names: &[&str]) -> CertificateDer<'static> {
    write_pair_of(dir, &params(names))
}

fn write_pair_of(dir: &Path, params: &CertificateParams) -> CertificateDer<'static> {
    fs::create_dir_all(dir).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    fs::write(dir.join("public.crt"), certificate.pem()).unwrap();
    fs::write(dir.join("private.key"), key.serialize_pem()).unwrap();
    certificate.der().clone()
}

/// A directory for the store and one for certificates.
struct Dirs {
    root: TempDir,
}

impl Dirs {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    fn certs(&self) -> std::path::PathBuf {
        self.root.path().join("certs")
    }

    fn start(&self) -> Stave {
        let certs = self.certs();
        let certs = certs.to_str().unwrap();
        Stave::start(&self.root.path().join("data"), &[("STAVE_CERTS_DIR", certs)])
    }

    /// The one line of a server that must not start.
    #[track_caller]
    fn refused(&self) -> String {
        let mut command = command(&self.root.path().join("data"));
        command.arg("--certs-dir").arg(self.certs());
        let line = refused(command);
        assert!(!self.root.path().join("data").exists(), "nothing is written");
        line
    }
}

/// Trusts anybody: these tests look at what they are shown.
#[derive(Debug)]
struct Anybody(CryptoProvider);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn config_with(
    trusted: Option<&CertificateDer<'static>>,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap();
    match trusted {
        Some(certificate) => {
            let mut roots = RootCertStore::empty();
            roots.add(certificate.clone()).unwrap();
            builder.with_root_certificates(roots).with_no_client_auth()
        }
        None => {
            let anybody = Arc::new(Anybody(aws_lc_rs::default_provider()));
            let builder = builder.dangerous().with_custom_certificate_verifier(anybody);
            builder.with_no_client_auth()
        }
    }
}

fn connect(server: &Stave, name: &str, config: ClientConfig) -> TlsStream {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream =
        StreamOwned::new(connection, TcpStream::connect(server.address()).expect("it listens"));
    stream.conn.complete_io(&mut stream.sock).expect("a handshake");
    stream
}

/// The certificate that a client is shown who asks for this name; an address asks for none.
fn shown(server: &Stave, name: &str) -> CertificateDer<'static> {
    shown_to(&connect(server, name, config_with(None, &[&TLS13])))
}

fn shown_to(stream: &TlsStream) -> CertificateDer<'static> {
    stream.conn.peer_certificates().expect("a certificate")[0].clone().into_owned()
}

/// Asks whether the server lives and reads the answer's head.
fn ask(stream: &mut TlsStream) -> String {
    stream.write_all(b"GET /minio/health/live HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("an answer");
        answer.push(byte[0]);
    }
    String::from_utf8(answer).unwrap()
}

#[test]
fn one_certificate_is_enough() {
    let dirs = Dirs::new();
    let certificate = write_pair(&dirs.certs(), &["stave.test", "127.0.0.1"]);
    let server = dirs.start();
    assert!(server.banner.contains(&format!("Endpoint: https://{} ", server.address())));
    for (version, expected) in
        [(&TLS13, ProtocolVersion::TLSv1_3), (&TLS12, ProtocolVersion::TLSv1_2)]
    {
        for name in ["stave.test", "127.0.0.1"] {
            let mut stream = connect(&server, name, config_with(Some(&certificate), &[version]));
            assert_eq!(stream.conn.protocol_version(), Some(expected));
            let answer = ask(&mut stream);
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
    }
    let log = server.stop();
    assert!(log.contains("stave.test") && log.contains("not_after"), "{log}");
}

#[test]
fn the_name_decides_which_certificate_is_shown() {
    let dirs = Dirs::new();
    let certs = dirs.certs();
    let default = write_pair(&certs, &["main.test"]);
    let wild = write_pair(&certs.join("wild"), &["*.wild.test"]);
    let exact = write_pair(&certs.join("exact"), &["one.wild.test", "MAIN.test"]);
    write_pair(&certs.join("CAs"), &["authority.test"]);
    let server = dirs.start();
    for (name, expected) in [
        ("main.test", &default),
        ("a.wild.test", &wild),
        ("A.WILD.TEST", &wild),
        ("one.wild.test", &exact),
        ("a.b.wild.test", &default),
        ("wild.test", &default),
        ("authority.test", &default),
        ("127.0.0.1", &default),
    ] {
        assert_eq!(&shown(&server, name), expected, "{name}");
    }
    let log = server.stop();
    assert!(log.contains("another certificate has this name too"), "{log}");
}

#[test]
fn certificates_change_without_a_restart() {
    let dirs = Dirs::new();
    let first = write_pair(&dirs.certs(), &["stave.test"]);
    let mut server = dirs.start();
    let mut old = connect(&server, "stave.test", config_with(None, &[&TLS13]));
    assert_eq!(shown_to(&old), first);
    ask(&mut old);
    let second = write_pair(&dirs.certs(), &["stave.test"]);
    server.signal("-HUP");
    server.wait_for_log("certificates reloaded");
    assert_eq!(shown(&server, "stave.test"), second);
    assert!(ask(&mut old).starts_with("HTTP/1.1 200"), "open connections go on");
    // A pair that does not match, then none at all: the last good one stays.
    let key = KeyPair::generate().unwrap();
    fs::write(dirs.certs().join("private.key"), key.serialize_pem()).unwrap();
    server.signal("-HUP");
    server.wait_for_log("is not the key of its certificate");
    assert_eq!(shown(&server, "stave.test"), second);
    fs::remove_dir_all(dirs.certs()).unwrap();
    server.signal("-HUP");
    server.wait_for_log("no certificate in");
    assert_eq!(shown(&server, "stave.test"), second);
    let third = write_pair(&dirs.certs(), &["stave.test"]);
    server.signal("-HUP");
    server.wait_for_log("certificates reloaded");
    assert_eq!(shown(&server, "stave.test"), third);
    server.stop();
}

/// A certificate that ends on the day that begins or began so many days from now.
fn params_until(days: i64) -> CertificateParams {
    let now = i64::try_from(real::env().clock.unix_nanos() / 1_000_000_000).unwrap();
    let second = u64::try_from(now + days * 86_400).unwrap();
    let day = date::format_amz(second * 1_000_000_000);
    let number = |range: Range<usize>| day[range].parse::<u16>().unwrap();
    let (month, day) = (number(4..6), number(6..8));
    let mut params = params(&["stave.test"]);
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(
        i32::from(number(0..4)),
        u8::try_from(month).unwrap(),
        u8::try_from(day).unwrap(),
    );
    params
}

#[test]
fn what_will_not_do_is_warned_about() {
    for (days, mode, warned) in [
        (-1, 0o600, "has expired"),
        (7, 0o600, "expires soon"),
        (30, 0o644, "chmod 600"),
        (30, 0o600, "nothing"),
    ] {
        let dirs = Dirs::new();
        write_pair_of(&dirs.certs(), &params_until(days));
        let key = dirs.certs().join("private.key");
        fs::set_permissions(key, fs::Permissions::from_mode(mode)).unwrap();
        let log = dirs.start().stop();
        for text in ["has expired", "expires soon", "chmod 600"] {
            assert_eq!(log.contains(text), text == warned, "{text}, {warned}: {log}");
        }
    }
}

#[test]
fn broken_pairs_are_refused_in_one_line() {
    let check = |breaks: &dyn Fn(&Path), part: &str| {
        let dirs = Dirs::new();
        write_pair(&dirs.certs(), &["stave.test"]);
        breaks(&dirs.certs());
        let line = dirs.refused();
        assert!(line.contains(part), "{line:?} does not say {part:?}");
    };
    let write = |name: &'static str, text: &'static str| {
        move |certs: &Path| fs::write(certs.join(name), text).unwrap()
    };
    check(&write("private.key", ""), "private.key has no private key in it");
    check(&write("public.crt", "x"), "public.crt has no certificate in it");
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n-----END ENCRYPTED PRIVATE KEY-----\n";
    check(&write("private.key", encrypted), "private.key is encrypted");
    check(&|certs| fs::remove_file(certs.join("private.key")).unwrap(), "has no private.key");
    check(&|certs| fs::remove_file(certs.join("public.crt")).unwrap(), "has no public.crt");
    check(&|certs| fs::remove_dir_all(certs).unwrap(), "no certificate in");
    check(
        &|certs| {
            let key = KeyPair::generate().unwrap();
            fs::write(certs.join("private.key"), key.serialize_pem()).unwrap();
        },
        "private.key is not the key of its certificate",
    );
    check(
        &|certs| {
            write_pair(&certs.join("other"), &["other.test"]);
            fs::write(certs.join("other/public.crt"), "").unwrap();
        },
        "other/public.crt has no certificate",
    );
    check(
        &|certs| {
            fs::remove_file(certs.join("private.key")).unwrap();
            fs::create_dir(certs.join("private.key")).unwrap();
        },
        "cannot read",
    );
}

#[test]
fn certificates_at_home_are_found_and_need_not_be_there() {
    let dirs = Dirs::new();
    let home = dirs.root.path().to_str().unwrap().to_owned();
    let data = dirs.root.path().join("data");
    let plain = Stave::start(&data, &[("HOME", &home)]);
    assert!(plain.get("/minio/health/live").starts_with("HTTP/1.1 200"));
    plain.stop();
    let certificate = write_pair(&dirs.root.path().join(".stave/certs"), &["stave.test"]);
    let server = Stave::start(&data, &[("HOME", &home)]);
    assert_eq!(shown(&server, "stave.test"), certificate);
    server.stop();
    fs::write(dirs.root.path().join(".stave/certs/public.crt"), "").unwrap();
    let mut broken = command(&data);
    broken.env("HOME", &home);
    assert!(refused(broken).contains("has no certificate"), "never plain HTTP instead");
}

#[test]
fn plain_requests_are_told_to_use_https_and_counted() {
    let dirs = Dirs::new();
    write_pair(&dirs.certs(), &["stave.test"]);
    let server = dirs.start();
    let answer = server.get("/");
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("https://"), "{answer}");
    // Neither HTTP nor TLS.
    let mut garbage = TcpStream::connect(server.address()).unwrap();
    garbage.write_all(&[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0]).unwrap();
    let _ = garbage.read_to_end(&mut Vec::new());
    // The end of a connection may be seen before it is counted.
    let counted = |count: u32| {
        let mut stream = connect(&server, "stave.test", config_with(None, &[&TLS13]));
        let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(request).unwrap();
        let mut metrics = String::new();
        stream.read_to_string(&mut metrics).unwrap();
        metrics.contains(&format!("stave_tls_handshake_failures_total {count}\n"))
    };
    assert!((0..1000).any(|_| counted(2)), "never counted");
    server.stop();
}

/// Writes and reads an object on one connection that offers this protocol.
async fn round_trip(server: &Stave, certificate: &CertificateDer<'static>, protocol: &[u8]) {
    let mut config = config_with(Some(certificate), &[&TLS13]);
    config.alpn_protocols = vec![protocol.to_vec()];
    let tcp = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
    let stream = TokioIo::new(stream);
    let body = Bytes::from(vec![42; 3_000_000]);
    let requests = [("PUT", body), ("GET", Bytes::new())];
    if protocol == b"h2" {
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
        let (mut sender, connection) = handshake.await.unwrap();
        let connection = tokio::spawn(connection);
        for (method, body) in requests {
            let request = signed(server, method, body, Version::HTTP_2);
            check_answer(method, sender.send_request(request).await.unwrap()).await;
        }
        drop(sender);
        connection.await.unwrap().unwrap();
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        for (method, body) in requests {
            let request = signed(server, method, body, Version::HTTP_11);
            check_answer(method, sender.send_request(request).await.unwrap()).await;
        }
    }
}

/// A request for `box/key`.
fn signed(server: &Stave, method: &str, body: Bytes, version: Version) -> Request<Full<Bytes>> {
    let path = "/box/key";
    let mut headers = server.signed(method, path);
    let uri = if version == Version::HTTP_2 {
        headers.remove(http::header::HOST);
        format!("https://{}{path}", server.address())
    } else {
        path.to_owned()
    };
    let mut request =
        Request::builder().method(method).uri(uri).version(version).body(Full::new(body)).unwrap();
    request.headers_mut().extend(headers);
    request
}

async fn check_answer(method: &str, response: http::Response<hyper::body::Incoming>) {
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    if method == "GET" {
        assert_eq!(body, vec![42; 3_000_000]);
    }
}

#[tokio::test]
async fn objects_travel_over_both_protocols() {
    let dirs = Dirs::new();
    let certificate = write_pair(&dirs.certs(), &["127.0.0.1"]);
    let server = dirs.start();
    let mut stream = connect(&server, "127.0.0.1", config_with(Some(&certificate), &[&TLS13]));
    let mut head = String::from("PUT /box HTTP/1.1\r\nConnection: close\r\nContent-Length: 0\r\n");
    for (name, value) in &server.signed("PUT", "/box") {
        head += &format!("{name}: {}\r\n", value.to_str().unwrap());
    }
    write!(stream, "{head}\r\n").unwrap();
    let mut created = String::new();
    stream.read_to_string(&mut created).expect("an end that TLS announces");
    assert!(created.starts_with("HTTP/1.1 200"), "{created}");
    round_trip(&server, &certificate, b"http/1.1").await;
    round_trip(&server, &certificate, b"h2").await;
    server.stop();
}

#[test]
fn connections_without_a_request_do_not_delay_the_end() {
    let dirs = Dirs::new();
    let certificate = write_pair(&dirs.certs(), &["127.0.0.1"]);
    let mut server = dirs.start();
    let idle = connect(&server, "127.0.0.1", config_with(Some(&certificate), &[&TLS13]));
    let tcp = TcpStream::connect(server.address()).unwrap();
    server.terminate();
    server.wait_for_log("stopping");
    drop((idle, answer_of(tcp)));
    let (code, log) = server.wait();
    assert_eq!(code, Some(0), "{log}");
}
