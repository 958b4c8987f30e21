//! Too much at once, and too slow: told to slow down, timed out, kept alive; nobody else suffers.

use super::listener::raw;
use crate::support::{Ask, Server};
use engine::object::{BucketName, ObjectKey, ObjectStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A signed request as it goes over the wire, without the end of its head.
fn head_of(ask: &Ask<'_>) -> String {
    let (parts, mut head) = (&ask.parts, String::new());
    head.push_str(&format!("{} {} HTTP/1.1\r\n", parts.method, parts.uri));
    for (name, value) in &parts.headers {
        head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
    }
    head
}

async fn send(server: &Server, ask: Ask<'_>, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(format!("{}\r\n{body}", head_of(&ask)).as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn scans_wait_in_line_and_are_told_to_slow_down() {
    let server = Server::start_with(|config| {
        config.limits.scans_max = 1;
        config.limits.admission_wait_ms = 1;
    })
    .await;
    server.ask("PUT", "/box").send().await.expect(200);
    let gate = server.store.gate.write().await;
    let ask = server.ask("GET", "/box").header("connection", "close").sign();
    let mut first = send(&server, ask, "").await;
    server.store.wait_for_arrivals(1).await;
    let reply = server.ask("GET", "/box?list-type=2").send().await;
    reply.expect_error(503, "SlowDown");
    assert_eq!(reply.header("retry-after"), Some("1"));
    // What is no scan goes on.
    server.put("/box/key", "x").await;
    server.ask("GET", "/box/key").send().await.expect(200);
    drop(gate);
    let mut answer = String::new();
    first.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    server.ask("GET", "/box").send().await.expect(200);
}

#[tokio::test]
async fn a_full_line_is_told_at_once() {
    let server = Server::start_with(|config| {
        config.limits.scans_max = 1;
        config.limits.scans_waiting_max = 0;
        // Whoever waits, waits for ever: the answer shows that nobody did.
        config.limits.admission_wait_ms = 1 << 40;
    })
    .await;
    server.ask("PUT", "/box").send().await.expect(200);
    let gate = server.store.gate.write().await;
    let _first = send(&server, server.ask("GET", "/box").sign(), "").await;
    server.store.wait_for_arrivals(1).await;
    server.ask("GET", "/box").send().await.expect_error(503, "SlowDown");
    drop(gate);
}

#[tokio::test]
async fn requests_beyond_the_cap_are_told_to_slow_down() {
    let server = Server::start_with(|config| config.limits.requests_max = 1).await;
    server.ask("PUT", "/box").send().await.expect(200);
    let gate = server.store.gate.write().await;
    let first = send(&server, server.ask("GET", "/box").sign(), "").await;
    server.store.wait_for_arrivals(1).await;
    server.ask("GET", "/box/key").send().await.expect_error(503, "SlowDown");
    // Health is not a request of S3.
    server.ask("GET", "/minio/health/live").send_as_is().await.expect(200);
    drop((gate, first));
}

#[tokio::test]
async fn documents_share_a_budget() {
    let server = Server::start_with(|config| config.limits.documents_len_max = 16 << 20).await;
    server.ask("PUT", "/box").send().await.expect(200);
    // Announced, and never sent: nine times 2 MiB are more than the budget.
    let mut slow = Vec::new();
    for _ in 0..8 {
        let ask = server.ask("POST", "/box?delete").header("content-length", "2097152");
        let ask = ask.header("expect", "100-continue").sign_payload("UNSIGNED-PAYLOAD").0;
        let mut stream = send(&server, ask, "").await;
        let mut interim = [0; 12];
        stream.read_exact(&mut interim).await.unwrap();
        assert_eq!(&interim, b"HTTP/1.1 100");
        slow.push(stream);
    }
    let small = "<Delete><Object><Key>a</Key></Object></Delete>";
    server.ask("POST", "/box?delete").body(small).send().await.expect(200);
    let ask = server.ask("POST", "/box?delete").header("content-length", "2097152");
    let ask = ask.header("expect", "100-continue").sign_payload("UNSIGNED-PAYLOAD").0;
    let mut ninth = send(&server, ask, "").await;
    // Room comes back with whoever leaves.
    slow.pop();
    let mut interim = [0; 12];
    ninth.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100");
}

#[tokio::test]
async fn bodies_below_the_floor_are_given_up() {
    let server = Server::start_with(|config| {
        config.limits.body_rate_window_ms = 1;
        config.limits.body_rate_min = u64::MAX;
    })
    .await;
    let (bucket, key) = (BucketName::new("box").unwrap(), ObjectKey::new("key").unwrap());
    server
        .store
        .create_bucket(engine::object::CreateBucketRequest::plain(bucket.clone()))
        .await
        .unwrap();
    let ask = server.ask("PUT", "/box/key").header("content-length", "1000000000");
    let ask = ask.sign_payload("UNSIGNED-PAYLOAD").0;
    let stream = send(&server, ask, "").await;
    stream.set_nodelay(true).unwrap();
    let (mut reader, mut writer) = stream.into_split();
    // Byte by byte, each a wait of its own, until the server has had enough.
    let drip = tokio::spawn(async move { while writer.write_all(b"x").await.is_ok() {} });
    let mut answer = Vec::new();
    let _ = reader.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.contains("<Code>RequestTimeout</Code>"), "{answer}");
    drip.await.unwrap();
    assert!(server.store.head(engine::object::Address::current(bucket, key)).await.is_err());
}

async fn begin_upload(server: &Server) -> (String, String) {
    server.ask("PUT", "/box").send().await.expect(200);
    let upload = server.ask("POST", "/box/key?uploads").send().await.expect(200);
    let uri = format!("/box/key?uploadId={}", upload.element("UploadId").unwrap());
    let one = server.ask("PUT", &format!("{uri}&partNumber=1")).body("x").send().await.expect(200);
    let body = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part>\
         </CompleteMultipartUpload>",
        one.header("etag").unwrap()
    );
    (uri, body)
}

#[tokio::test]
async fn a_long_completion_shows_signs_of_life() {
    for is_refused in [false, true] {
        let server = Server::start_with(|config| config.limits.keep_alive_ms = 1).await;
        let (uri, body) = begin_upload(&server).await;
        let gate = server.store.gate.write().await;
        let ask = server.ask("POST", &uri).header("connection", "close").body(body.clone());
        let ask = if is_refused {
            server.put("/box/key", "old").await;
            ask.header("if-none-match", "*")
        } else {
            ask
        };
        let ask = ask.header("content-length", &body.len().to_string());
        let ask = ask.sign_payload("UNSIGNED-PAYLOAD").0;
        let mut stream = send(&server, ask, &body).await;
        let mut answer = Vec::new();
        while !answer.ends_with(b"1\r\n \r\n1\r\n \r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        drop(gate);
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert_eq!(answer.matches("<?xml").count(), 1, "{answer}");
        assert!(answer.ends_with("0\r\n\r\n"), "{answer}");
        let wanted = match is_refused {
            false => "<CompleteMultipartUploadResult",
            true => "<Error><Code>PreconditionFailed</Code>",
        };
        assert!(answer.contains(wanted), "{answer}");
    }
}

#[tokio::test]
async fn a_lost_length_is_no_empty_object() {
    let server = Server::with_bucket().await;
    for uri in ["/box/key", "/box/key?partNumber=1&uploadId=u"] {
        let ask = server.ask("PUT", uri).header("connection", "close");
        let ask = ask.sign_payload("UNSIGNED-PAYLOAD").0;
        let answer = raw(&server, format!("{}\r\n", head_of(&ask)).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 411"), "{answer}");
    }
    assert!(!server.exists("key").await);
}
