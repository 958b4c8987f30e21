//! The listener: health, shutdown, bounds, and what no client may do to it.

use crate::support::Server;
use bytes::Bytes;
use engine::object::{BucketName, ObjectKey, ObjectStore};
use s3api::sigv4::EMPTY_SHA256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends raw bytes and reads until the server closes.
pub async fn raw(server: &Server, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn health_and_metrics_need_no_signature() {
    let server = Server::with_bucket().await;
    for path in ["live", "ready", "cluster", "cluster/read"] {
        for method in ["GET", "HEAD"] {
            let ask = server.ask(method, &format!("/minio/health/{path}"));
            ask.send_as_is().await.expect(200);
        }
    }
    server.ask("GET", "/box/none").send().await.expect(404);
    let metrics = server.ask("GET", "/metrics").send_as_is().await.expect(200);
    for line in [
        "stave_s3_requests_total{operation=\"CreateBucket\",status=\"200\"} 1",
        "stave_s3_errors_total{code=\"NoSuchKey\"} 1",
        "stave_store_free_bytes 549755813888",
        "memory_buckets 1",
    ] {
        assert!(metrics.text().contains(line), "{line} in {}", metrics.text());
    }
    assert!(!metrics.text().contains("canary"));
    server.ask("GET", "/metrics").send().await.expect_error(404, "NoSuchBucket");
    server.ask("POST", "/minio/health/live").send_as_is().await.expect(405);
}

#[tokio::test]
async fn shutdown_finishes_what_runs_and_then_returns() {
    let server = Server::with_bucket().await;
    let (ask, _) = server.ask("PUT", "/box/key").sign_payload("UNSIGNED-PAYLOAD");
    let mut head = String::from("PUT /box/key HTTP/1.1\r\ncontent-length: 10\r\n");
    for (name, value) in &ask.parts.headers {
        head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
    }
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(format!("{head}expect: 100-continue\r\n\r\n").as_bytes()).await.unwrap();
    // The interim answer shows that the request runs.
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    server.stop.send(true).unwrap();
    stream.write_all(b"0123456789").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    server.served.await.unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn shutdown_does_not_wait_for_idle_connections() {
    let server = Server::start().await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(b"GET /minio/health/live HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    idle.read_exact(&mut answer).await.unwrap();
    server.stop.send(true).unwrap();
    server.served.await.unwrap().unwrap();
}

#[tokio::test]
async fn continue_is_sent_to_authorised_requests_only() {
    let server = Server::with_bucket().await;
    let request = b"PUT /box/key HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\
        expect: 100-continue\r\nconnection: close\r\n\r\n";
    let answer = raw(&server, request).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}

#[tokio::test]
async fn answers_instead_of_continue_end_their_connection() {
    let server = Server::with_bucket().await;
    let put = |body: &'static str| {
        let ask = server.ask("PUT", "/box/key").header("expect", "100-continue");
        ask.body(body).send()
    };
    assert_eq!(put("").await.expect(200).header("connection"), Some("close"));
    assert_eq!(put("x").await.expect(200).header("connection"), None);
    let refused = server.ask("PUT", "/box/key").header("expect", "100-continue").body("x");
    assert_eq!(refused.send_as_is().await.expect(403).header("connection"), Some("close"));
}

#[tokio::test]
async fn errors_reach_clients_that_send_large_bodies() {
    let server = Server::with_bucket().await;
    let body = Bytes::from(vec![0; 4 << 20]);
    for _ in 0..5 {
        let ask = server.ask("PUT", "/box/key").body(body.clone());
        ask.send_as_is().await.expect_error(403, "AccessDenied");
        let (ask, _) = server.ask("PUT", "/box/key").body(body.clone()).sign_payload(EMPTY_SHA256);
        let ask = ask.header("x-amz-meta-late", "1");
        ask.send_as_is().await.expect_error(403, "AccessDenied");
    }
}

#[tokio::test]
async fn slow_heads_are_given_up() {
    let server = Server::start_with(|config| config.limits.header_timeout_ms = 1).await;
    // Returns at all: the server closes what does not go on.
    raw(&server, b"GET /box HTTP/1.1\r\nhost:").await;
}

#[tokio::test]
async fn slow_bodies_are_given_up_and_leave_no_object() {
    let server = Server::start_with(|config| config.limits.body_idle_timeout_ms = 1).await;
    let (bucket, key) = (BucketName::new("box").unwrap(), ObjectKey::new("key").unwrap());
    server
        .store
        .create_bucket(engine::object::CreateBucketRequest::plain(bucket.clone()))
        .await
        .unwrap();
    let (ask, _) = server.ask("PUT", "/box/key").sign_payload("UNSIGNED-PAYLOAD");
    let mut head = String::from("PUT /box/key HTTP/1.1\r\ncontent-length: 10\r\n");
    for (name, value) in &ask.parts.headers {
        head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
    }
    let answer = raw(&server, format!("{head}\r\n01234").as_bytes()).await;
    assert!(answer.contains("<Code>RequestTimeout</Code>"), "{answer}");
    assert!(server.store.head(engine::object::Address::current(bucket, key)).await.is_err());
}

#[tokio::test]
async fn what_is_no_http_ends_its_connection_and_nothing_else() {
    let server = Server::with_bucket().await;
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(70_000));
    let wide = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(200));
    for request in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01".as_slice(),
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\n folded: y\r\n\r\n",
        b"PUT /box/key HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"PUT /box/key HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked, x\r\n\r\n0\r\n\r\n",
        long.as_bytes(),
        wide.as_bytes(),
    ] {
        let answer = raw(&server, request).await;
        let is_refused = answer.starts_with("HTTP/1.1 4") || answer.is_empty();
        assert!(is_refused, "{:?}: {answer}", &request[..8]);
    }
    server.ask("GET", "/box").send().await.expect(200);
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_for_a_slot() {
    let server = Server::start_with(|config| config.limits.connections_max = 1).await;
    let mut first = TcpStream::connect(server.address).await.unwrap();
    first.write_all(b"GET /minio/health/live HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    first.read_exact(&mut answer).await.unwrap();
    let mut second = TcpStream::connect(server.address).await.unwrap();
    second.write_all(b"GET /minio/health/live HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    drop(first);
    second.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = Server::start().await;
    let request = b"GET /minio/health/live HTTP/1.1\r\nhost: x\r\n\r\n\
        GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answer = raw(&server, request).await;
    let (first, second) = (answer.find("HTTP/1.1 200"), answer.find("HTTP/1.1 403"));
    assert!(first.is_some() && first < second, "{answer}");
}

#[tokio::test]
async fn bodies_that_break_off_never_end_well() {
    let server = Server::with_bucket().await;
    server.put("/box/key", "0123456789").await;
    server.store.break_reads();
    let ask = server.ask("GET", "/box/key").header("connection", "close").sign();
    let mut head = String::from("GET /box/key HTTP/1.1\r\n");
    for (name, value) in &ask.parts.headers {
        head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
    }
    let answer = raw(&server, format!("{head}\r\n").as_bytes()).await;
    assert!(!answer.contains("0123456789"), "{answer}");
    assert!(!answer.contains("content-length: 0\r\n"), "{answer}");
    let metrics = server.ask("GET", "/metrics").send_as_is().await.expect(200);
    assert!(metrics.text().contains("stave_s3_errors_total{code=\"BrokenBody\"} 1"));
}
