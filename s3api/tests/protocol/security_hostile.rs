//! Known flaws of stores of this kind, about clients that mean harm: what ends other servers, or
//! makes them hold more than they can. `docs/security.md` tells which flaw each test is about.

use super::listener::raw;
use crate::support::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A server that serves one connection at a time: who does not let go of his, blocks it for good.
async fn narrow() -> Server {
    let server = Server::start_with(|config| config.limits.connections_max = 1).await;
    server.ask("PUT", "/box").send().await.expect(200);
    server
}

#[tokio::test]
async fn cve_2022_31028_idle_connections_end() {
    let server = Server::start_with(|config| config.limits.header_timeout_ms = 1).await;
    // Each returns at all: the server closes what says nothing, not enough, or nothing more.
    assert_eq!(raw(&server, b"").await, "");
    for request in [&b"\r\n"[..], b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nhost: x\r\n"] {
        let answer = raw(&server, request).await;
        assert!(!answer.contains(" 200 "), "{answer}");
    }
    let kept = b"GET /minio/health/live HTTP/1.1\r\nhost: x\r\n\r\n";
    assert!(raw(&server, kept).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn cve_2019_10222_clients_that_leave_after_the_head_end_nothing() {
    let server = narrow().await;
    for _ in 0..20 {
        let ask = server.ask("PUT", "/box/key").header("content-length", "100");
        let ask = ask.sign_payload("UNSIGNED-PAYLOAD").0;
        for len in [ask.wire().len(), 40, 20, 1] {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            stream.write_all(&ask.wire()[..len]).await.unwrap();
            drop(stream);
        }
    }
    server.ask("GET", "/box").send().await.expect(200);
    assert!(!server.exists("key").await);
}

#[tokio::test]
async fn cve_2020_1700_clients_that_leave_give_their_slots_back() {
    let server = narrow().await;
    server.put("/box/key", "0123456789").await;
    let get = server.ask("GET", "/box/key").sign().wire();
    let put = server.ask("PUT", "/box/half").header("content-length", "100");
    let put = put.header("expect", "100-continue").sign_payload("UNSIGNED-PAYLOAD").0.wire();
    for _ in 0..20 {
        // In the middle of an answer, and in the middle of a body that was asked for.
        for (request, body) in [(&get, &b""[..]), (&put, b"half")] {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            stream.write_all(request).await.unwrap();
            let mut first = [0; 9];
            stream.read_exact(&mut first).await.unwrap();
            assert_eq!(&first, b"HTTP/1.1 ");
            stream.write_all(body).await.unwrap();
            drop(stream);
        }
    }
    // Half closed: the client says that it sends no more, and waits.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&put).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    server.ask("GET", "/box").send().await.expect(200);
    assert!(!server.exists("half").await);
}

/// Whatever is in the head, it is answered with no, or not at all, and the next one is served.
async fn check_survives(server: &Server, requests: &[Vec<u8>]) {
    for request in requests {
        let answer = raw(server, request).await;
        let shown = String::from_utf8_lossy(&request[..request.len().min(100)]);
        let is_refused = answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 501");
        assert!(is_refused || answer.is_empty(), "{shown}: {answer}");
    }
    server.ask("GET", "/box").send().await.expect(200);
}

#[tokio::test]
async fn cve_2018_7262_malformed_headers_end_nothing() {
    let server = Server::with_bucket().await;
    let mut requests = Vec::new();
    for line in [
        &b":"[..],
        b": x",
        b"x",
        b"x\0: y",
        b"\xff: y",
        b"x: \0",
        b"host",
        b"content-type: \xff\xfe\xfd",
        b"authorization: AWS4-HMAC-SHA256",
        b"authorization: AWS4-HMAC-SHA256 Credential=,SignedHeaders=,Signature=",
        b"authorization: AWS4-HMAC-SHA256 =,=,=",
        b"authorization: AWS4-HMAC-SHA256 Credential=////,SignedHeaders=;,Signature=\xe9",
        b"authorization: AWS :",
        b"x-amz-date: 99999999T999999Z",
        b"date: Mon, 00 Jan -001 99:99:99 GMT",
        b"range: bytes=-,-,-",
        b"expect: 200-maybe",
        b"connection: \xff",
        b"te: \"",
        b"upgrade: h2c\r\nhttp2-settings: AAMAAABkAARAAAAAAAIAAAAA\r\nconnection: upgrade",
    ] {
        let mut request = b"GET /box/key HTTP/1.1\r\nhost: x\r\nconnection: close\r\n".to_vec();
        request.extend_from_slice(line);
        request.extend_from_slice(b"\r\n\r\n");
        requests.push(request);
    }
    check_survives(&server, &requests).await;
}

#[tokio::test]
async fn cve_2019_19337_lengths_beyond_reason_end_nothing() {
    let server = Server::with_bucket().await;
    for len in ["5368709121", "9223372036854775807", "9223372036854775808", "18446744073709551615"]
    {
        let ask = server.ask("PUT", "/box/key").header("content-length", len);
        let ask = ask.header("connection", "close").header("expect", "100-continue");
        let answer = raw(&server, &ask.sign_payload("UNSIGNED-PAYLOAD").0.wire()).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") || answer.is_empty(), "{len}: {answer}");
        assert!(!answer.contains("100 Continue"), "{len}: {answer}");
    }
    server.ask("GET", "/box").send().await.expect(200);
    assert!(!server.exists("key").await);
}

#[tokio::test]
async fn cve_2022_3854_urls_without_a_path_end_nothing() {
    let server = Server::with_bucket().await;
    let targets = [
        "",
        "?",
        "*",
        "x",
        "//",
        "///",
        "/?",
        "/?&",
        "/?=",
        "/?&&=&=&",
        "/%",
        "/%00",
        "/box?%",
        "/box?%zz=1",
        "/box?=%ff",
        "http://",
        "http:///",
        "http://x",
        "http://x?",
        "x:80",
        ":80",
        "/box/%ff%fe",
        "/..;/",
        "/%c0%af",
        "/box?list-type=2&continuation-token=%00",
    ];
    let methods = ["GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE"];
    let requests: Vec<Vec<u8>> = methods
        .iter()
        .flat_map(|method| targets.map(|target| format!("{method} {target} HTTP/1.1\r\n")))
        .map(|line| format!("{line}host: x\r\nconnection: close\r\n\r\n").into_bytes())
        .collect();
    check_survives(&server, &requests).await;
}

#[tokio::test]
async fn cve_2020_12059_malformed_posts_end_nothing() {
    let server = Server::with_bucket().await;
    server.put("/box/key", "x").await;
    let body = "<Tagging><TagSet><Tag><Key></Key></Tag></TagSet></Tagging>";
    for (method, status) in [("PUT", 400), ("POST", 501)] {
        let reply = server.ask(method, "/box/key?tagging").body(body).send().await;
        assert_eq!(reply.status, status, "{method}");
    }
    for (uri, body) in
        [("/box?delete", ""), ("/box/key?uploads", "<"), ("/box/key?uploadId=", "x"), ("/box", "x")]
    {
        let reply = server.ask("POST", uri).body(body).send().await;
        assert!(reply.status.is_client_error(), "{uri}: {}", reply.text());
    }
    server.ask("GET", "/box/key").send().await.expect(200);
}

/// Uploads by form are not there yet. Until then a form is nothing at all, neither with a policy
/// that grants nothing, nor with one that names another bucket.
#[tokio::test]
async fn cve_2016_8626_forms_write_nothing() {
    let server = Server::with_bucket().await;
    server.ask("PUT", "/other").send().await.expect(200);
    let field = |name: &str, value: &str| {
        format!("--B\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    for policy in ["", "e30=", "eyJjb25kaXRpb25zIjpbXX0=", "!"] {
        let fields = [("key", "key"), ("bucket", "other"), ("policy", policy), ("file", "x")];
        let form: String = fields.iter().map(|(name, value)| field(name, value)).collect();
        for uri in ["/box", "/box/", "/", "/box/key"] {
            let ask = server.ask("POST", uri).body(format!("{form}--B--\r\n"));
            let ask = ask.header("content-type", "multipart/form-data; boundary=B");
            let reply = ask.send_as_is().await;
            let is_refused = matches!(reply.status.as_u16(), 400 | 403 | 405);
            assert!(is_refused, "{uri}: {}", reply.text());
        }
    }
    for bucket in ["/box", "/other"] {
        assert_eq!(server.ask("GET", bucket).send().await.element("Key"), None);
    }
}

#[tokio::test]
async fn cve_2018_16846_pages_are_bounded_whatever_is_asked_for() {
    let server = Server::with_bucket().await;
    server.put("/box/key", "x").await;
    let upload = server.ask("POST", "/box/up?uploads").send().await.expect(200);
    let parts = format!("/box/up?uploadId={}", upload.element("UploadId").unwrap());
    for (uri, name) in [
        ("/box?", "max-keys"),
        ("/box?list-type=2&", "max-keys"),
        ("/box?uploads&", "max-uploads"),
        (format!("{parts}&").as_str(), "max-parts"),
    ] {
        for (value, status) in [
            ("2147483647", 200),
            ("0", 200),
            ("-1", 400),
            ("2147483648", 400),
            ("99999999999999999999", 400),
            ("1e3", 400),
            ("%00", 400),
        ] {
            let reply = server.ask("GET", &format!("{uri}{name}={value}")).send().await;
            assert_eq!(reply.status.as_u16(), status, "{uri}{name}={value}: {}", reply.text());
            let told = ["MaxKeys", "MaxUploads", "MaxParts"].map(|name| reply.element(name));
            let told = told.into_iter().flatten().next().map(|text| text.parse::<u32>().unwrap());
            assert!(told.is_none_or(|count| count <= 1000), "{uri}: {told:?}");
        }
    }
    for uri in [
        "/box?list-type=2&continuation-token=%2F%2F%2F",
        "/box?list-type=2&continuation-token=AAAA%00",
        "/box?uploads&key-marker=x&upload-id-marker=%01",
        "/box?encoding-type=none",
        "/box?delimiter=%00",
    ] {
        let reply = server.ask("GET", uri).send().await;
        assert!(reply.status.is_client_error() || reply.status.is_success(), "{uri}");
    }
    for number in ["0", "-1", "10001", "65537", "4294967297", "", "1%20", "1a"] {
        let uri = format!("{parts}&partNumber={number}");
        let reply = server.ask("PUT", &uri).body("x").send().await;
        assert_eq!(reply.element("Code"), Some("InvalidArgument"), "{number}");
    }
}

#[tokio::test]
async fn metadata_and_heads_are_bounded() {
    let server = Server::with_bucket().await;
    let long = "v".repeat(2 << 10);
    let reply = server.ask("PUT", "/box/key").header("x-amz-meta-a", &long).send().await;
    reply.expect_error(400, "MetadataTooLarge");
    let mut ask = server.ask("PUT", "/box/key");
    for number in 0..50 {
        ask = ask.header(&format!("x-amz-meta-{number:02}"), &"v".repeat(40));
    }
    ask.send().await.expect_error(400, "MetadataTooLarge");
    let many: String = (0..101).map(|number| format!("x-{number}: v\r\n")).collect();
    let wide = format!("x: {}\r\n", "v".repeat(64 << 10));
    for lines in [many, wide] {
        let request = format!("GET /box HTTP/1.1\r\nhost: x\r\n{lines}\r\n");
        let answer = raw(&server, request.as_bytes()).await;
        // What the server did not read may cost the client the answer.
        assert!(answer.starts_with("HTTP/1.1 4") || answer.is_empty(), "{answer}");
    }
    let uri = format!("/box/key?x={}", "v".repeat(32 << 10));
    server.ask("GET", &uri).send_as_is().await.expect_error(400, "InvalidURI");
    let key = "k".repeat(1025);
    server.put(&format!("/box/{}", &key[..1024]), "x").await;
    let reply = server.ask("PUT", &format!("/box/{key}")).body("x").send().await;
    reply.expect_error(400, "KeyTooLongError");
    assert!(!server.exists("key").await);
}
