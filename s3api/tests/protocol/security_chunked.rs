//! Known flaws of stores of this kind, about aws-chunked bodies and their trailers.
//! `docs/security.md` tells which flaw each test is about.

use super::listener::raw;
use crate::support::{Ask, Reply, Server};
use s3api::body::encode;

const SIGNED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const SIGNED_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
const UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

const DATA: &[u8] = b"123456789";

/// CRC-32 of [`DATA`].
const CRC: (&str, &str) = ("x-amz-checksum-crc32", "y/Q5Jg==");

/// A server with a bucket, and what may be written to: an object, and a part of an upload.
async fn prepare() -> (Server, [String; 2]) {
    let server = Server::with_bucket().await;
    let upload = server.ask("POST", "/box/key?uploads").send().await.expect(200);
    let part = format!("/box/key?partNumber=1&uploadId={}", upload.element("UploadId").unwrap());
    (server, ["/box/key".to_owned(), part])
}

async fn check_nothing_written(server: &Server, targets: &[String; 2]) {
    assert!(!server.exists("key").await);
    let upload = targets[1].replace("partNumber=1&", "");
    let parts = server.ask("GET", &upload).send().await.expect(200);
    assert_eq!(parts.element("PartNumber"), None);
}

/// An upload of [`DATA`], not signed yet.
fn draft<'a>(server: &'a Server, uri: &str, mode: &str) -> Ask<'a> {
    let ask = server.ask("PUT", uri).header("x-amz-decoded-content-length", "9");
    if mode == SIGNED { ask } else { ask.header("x-amz-trailer", CRC.0) }
}

/// A signed upload, after `change` had its way with the framed body.
fn upload<'a>(
    server: &'a Server,
    uri: &str,
    mode: &str,
    change: impl FnOnce(String) -> String,
) -> Ask<'a> {
    let (ask, chain) = draft(server, uri, mode).sign_payload(mode);
    let framed = match mode {
        SIGNED => encode::signed(chain, DATA, 4, None),
        SIGNED_TRAILER => encode::signed(chain, DATA, 4, Some(CRC)),
        _ => encode::unsigned(DATA, 4, Some(CRC)),
    };
    ask.body(change(String::from_utf8(framed).unwrap()))
}

fn replace(from: &'static str, to: &'static str) -> impl Fn(String) -> String {
    move |text| {
        assert!(text.contains(from), "{from} in {text}");
        text.replacen(from, to, 1)
    }
}

/// A body that is changed so is refused with this code, as an object and as a part.
async fn check(mode: &str, change: impl Fn(String) -> String, expected: &str) {
    let (server, targets) = prepare().await;
    for uri in &targets {
        let ask = upload(&server, uri, mode, &change);
        let body = String::from_utf8_lossy(&ask.body).into_owned();
        let reply = ask.send_as_is().await;
        assert_eq!(reply.element("Code"), Some(expected), "{mode} {body:?}");
        assert!(reply.status.is_client_error());
    }
    check_nothing_written(&server, &targets).await;
}

/// Every way to sign wrongly, over an unsigned body.
fn forgeries<'a>(server: &'a Server, uri: &str) -> Vec<Ask<'a>> {
    let zeros = "0".repeat(64);
    let credential = "X-Amz-Credential=test-key%2F20260102%2Fus-east-1%2Fs3%2Faws4_request";
    let body = || encode::unsigned(DATA, 4, Some(CRC));
    let draft = |uri: &str| draft(server, uri, UNSIGNED_TRAILER).body(body());
    let declared = |uri: &str| draft(uri).header("x-amz-content-sha256", UNSIGNED_TRAILER);
    let joined = |query: &str| {
        let separator = if uri.contains('?') { '&' } else { '?' };
        format!("{uri}{separator}{query}")
    };
    let in_header = draft(uri).sign_payload(UNSIGNED_TRAILER).0.then(|parts| {
        let value = parts.headers["authorization"].to_str().unwrap();
        let (head, _) = value.split_once("Signature=").unwrap();
        let forged = format!("{head}Signature={zeros}");
        parts.headers.insert("authorization", forged.parse().unwrap());
    });
    let in_query = declared(uri).presign(60).then(|parts| {
        let uri = parts.uri.to_string();
        let (head, _) = uri.split_once("X-Amz-Signature=").unwrap();
        parts.uri = format!("{head}X-Amz-Signature={zeros}").parse().unwrap();
    });
    let without_signature = declared(uri).presign(60).then(|parts| {
        let uri = parts.uri.to_string();
        parts.uri = uri.split_once("&X-Amz-Signature=").unwrap().0.parse().unwrap();
    });
    vec![
        in_header,
        in_query,
        without_signature,
        // Signed over UNSIGNED-PAYLOAD, sent with another promise.
        declared(uri).presign(60),
        draft(&joined(&format!("X-Amz-Content-Sha256={UNSIGNED_TRAILER}"))).presign(60),
        declared(&joined(credential)),
        declared(&joined("X-Amz-Algorithm=AWS4-HMAC-SHA256")),
        declared(&joined(&format!("X-Amz-Signature={zeros}"))),
        declared(uri).header("authorization", "AWS4-HMAC-SHA256"),
        declared(uri).header("authorization", ""),
        declared(uri),
    ]
}

#[tokio::test]
async fn cve_2025_31489_unsigned_trailer_needs_a_signature() {
    let (server, targets) = prepare().await;
    for uri in &targets {
        for (index, ask) in forgeries(&server, uri).into_iter().enumerate() {
            let reply = ask.send_as_is().await;
            assert!(matches!(reply.status.as_u16(), 400 | 403), "{index}: {}", reply.text());
        }
    }
    check_nothing_written(&server, &targets).await;
    for uri in &targets {
        upload(&server, uri, UNSIGNED_TRAILER, |body| body).send_as_is().await.expect(200);
    }
}

#[tokio::test]
async fn cve_2026_40344_archives_to_extract_need_a_signature() {
    let server = Server::with_bucket().await;
    for ask in forgeries(&server, "/box/key") {
        for name in ["x-amz-meta-snowball-auto-extract", "x-minio-extract"] {
            let parts = ask.parts.clone();
            let ask = Ask { server: &server, parts, body: ask.body.clone(), service: ask.service };
            let reply = ask.header(name, "true").send_as_is().await;
            assert!(matches!(reply.status.as_u16(), 400 | 403), "{name}: {}", reply.text());
        }
    }
    assert_eq!(server.ask("GET", "/box").send().await.element("Key"), None);
}

#[tokio::test]
async fn cve_2026_41145_credential_in_the_query_is_no_signature() {
    let (server, targets) = prepare().await;
    let credential = "X-Amz-Credential=test-key%2F20260102%2Fus-east-1%2Fs3%2Faws4_request";
    for uri in &targets {
        let separator = if uri.contains('?') { '&' } else { '?' };
        let uri = format!("{uri}{separator}{credential}");
        for mode in [UNSIGNED_TRAILER, SIGNED_TRAILER, SIGNED, "UNSIGNED-PAYLOAD"] {
            let ask = draft(&server, &uri, mode).header("x-amz-content-sha256", mode);
            let reply = ask.body(encode::unsigned(DATA, 4, Some(CRC))).send_as_is().await;
            reply.expect_error(400, "AuthorizationQueryParametersError");
        }
    }
    check_nothing_written(&server, &targets).await;
}

#[tokio::test]
async fn cve_2021_21390_every_byte_of_every_chunk_is_signed() {
    for mode in [SIGNED, SIGNED_TRAILER] {
        let code = "SignatureDoesNotMatch";
        for (from, to) in [("1234", "0234"), ("5678", "5670"), ("\r\n9\r\n", "\r\n0\r\n")] {
            check(mode, replace(from, to), code).await;
        }
        check(mode, replace("4;chunk-signature=", "4;chunk-signature=0"), code).await;
        // A chunk cut in two, one left out, and one that comes twice.
        let cut = |text: String| text.replacen("1234\r\n", "12\r\n2\r\n34\r\n", 1);
        check(mode, move |text| cut(text).replacen("4;", "2;", 1), code).await;
        let second = |text: &str| text.match_indices("4;").nth(1).unwrap().0;
        let without_first = move |text: String| text[second(&text)..].to_owned();
        check(mode, without_first, code).await;
        let twice = move |text: String| format!("{}{text}", &text[..second(&text)]);
        check(mode, twice, code).await;
    }
}

#[tokio::test]
async fn chunks_of_another_request_do_not_fit() {
    let (server, targets) = prepare().await;
    for mode in [SIGNED, SIGNED_TRAILER] {
        let other = upload(&server, "/box/other", mode, |body| body).body;
        for uri in &targets {
            let reply = upload(&server, uri, mode, |body| body).body(other.clone());
            reply.send_as_is().await.expect_error(403, "SignatureDoesNotMatch");
        }
    }
    check_nothing_written(&server, &targets).await;
}

#[tokio::test]
async fn chunks_must_be_signed_where_it_was_announced_and_only_there() {
    let unsigned = |_| String::from_utf8(encode::unsigned(DATA, 4, Some(CRC))).unwrap();
    check(SIGNED, unsigned, "InvalidRequest").await;
    check(SIGNED_TRAILER, unsigned, "InvalidRequest").await;
    let zeros = format!("4;chunk-signature={}\r\n1", "0".repeat(64));
    let signed = move |text: String| text.replacen("4\r\n1", &zeros, 1);
    check(UNSIGNED_TRAILER, signed, "InvalidRequest").await;
    check(
        SIGNED,
        replace("4;chunk-signature=", "4;chunk-signature=\r\n1234\r\n4;x="),
        "InvalidRequest",
    )
    .await;
    // The last chunk, which has no data, is signed as well.
    let last = |text: String| {
        let at = text.rfind("\r\n0;").unwrap();
        format!("{}\r\n0\r\n\r\n", &text[..at])
    };
    check(SIGNED, last, "InvalidRequest").await;
    let forged = |text: String| {
        let at = text.rfind("\r\n0;").unwrap();
        format!("{}\r\n0;chunk-signature={}\r\n\r\n", &text[..at], "0".repeat(64))
    };
    check(SIGNED, forged, "SignatureDoesNotMatch").await;
}

#[tokio::test]
async fn chunks_beyond_the_announced_length_are_refused() {
    for mode in [SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER] {
        for size in ["a", "ff", "7fffffffffffffff", "ffffffffffffffff"] {
            let grow = move |text: String| format!("{size}{}", &text[1..]);
            check(mode, grow, "IncompleteBody").await;
        }
        for size in ["", "10000000000000000", "-4", "0x4", "4 4", " 4", "4\t", "\u{ff14}"] {
            let change = move |text: String| format!("{size}{}", &text[1..]);
            check(mode, change, "InvalidRequest").await;
        }
    }
}

#[tokio::test]
async fn bodies_without_their_end_are_refused() {
    for mode in [SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER] {
        let marker = if mode == UNSIGNED_TRAILER { "\r\n0\r\n" } else { "\r\n0;" };
        let without_last = move |text: String| text[..text.rfind(marker).unwrap() + 2].to_owned();
        check(mode, without_last, "IncompleteBody").await;
        check(mode, |_| String::new(), "IncompleteBody").await;
        check(mode, |text| text[..text.len() / 2].to_owned(), "IncompleteBody").await;
    }
}

#[tokio::test]
async fn bytes_after_the_end_are_refused() {
    for mode in [SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER] {
        check(mode, |text| text + "more", "InvalidRequest").await;
        check(mode, |text| text + "\r\n", "InvalidRequest").await;
        check(mode, |text| text.clone() + &text, "InvalidRequest").await;
    }
}

#[tokio::test]
async fn trailers_that_were_not_announced_are_refused() {
    let (server, targets) = prepare().await;
    for uri in &targets {
        for (mode, announced) in [(UNSIGNED_TRAILER, None), (UNSIGNED_TRAILER, Some("sha1"))] {
            let ask = server.ask("PUT", uri).header("x-amz-decoded-content-length", "9");
            let ask = match announced {
                None => ask,
                Some(name) => ask.header("x-amz-trailer", &format!("x-amz-checksum-{name}")),
            };
            let body = encode::unsigned(DATA, 4, Some(CRC));
            let reply = ask.sign_payload(mode).0.body(body).send_as_is().await;
            reply.expect_error(400, "MalformedTrailerError");
        }
        // Announced for a body that has none.
        for mode in [SIGNED, "UNSIGNED-PAYLOAD"] {
            let ask = draft(&server, uri, UNSIGNED_TRAILER).sign_payload(mode).0;
            let reply = ask.body(encode::unsigned(DATA, 4, Some(CRC))).send_as_is().await;
            reply.expect_error(400, "InvalidRequest");
        }
    }
    check_nothing_written(&server, &targets).await;
    check(
        SIGNED,
        |text| format!("{}{}:{}\r\n\r\n", &text[..text.len() - 2], CRC.0, CRC.1),
        "InvalidRequest",
    )
    .await;
}

#[tokio::test]
async fn only_one_checksum_is_a_trailer() {
    let (server, targets) = prepare().await;
    for wish in [
        "x-amz-meta-admin",
        "x-amz-checksum-crc32,x-amz-checksum-sha1",
        "x-amz-checksum-md4",
        "content-length",
        "",
    ] {
        let ask = server.ask("PUT", "/box/key").header("x-amz-decoded-content-length", "9");
        let ask = ask.header("x-amz-trailer", wish).sign_payload(UNSIGNED_TRAILER).0;
        let reply = ask.body(encode::unsigned(DATA, 4, Some(CRC))).send_as_is().await;
        assert_eq!(reply.element("Code"), Some("InvalidRequest"), "{wish}");
    }
    check_nothing_written(&server, &targets).await;
    for mode in [SIGNED_TRAILER, UNSIGNED_TRAILER] {
        let code = "MalformedTrailerError";
        check(mode, replace("x-amz-checksum-crc32:", "x-amz-checksum-sha256:"), code).await;
        check(mode, replace("x-amz-checksum-crc32:", "x-amz-meta-admin:"), code).await;
        check(mode, replace("x-amz-checksum-crc32:", "x-amz-checksum-crc32"), code).await;
        let line = "x-amz-checksum-crc32:y/Q5Jg==\r\n";
        let many = |text: String| text.replacen(line, &line.repeat(1000), 1);
        check(mode, many, code).await;
        let long = |text: String| text.replacen("y/Q5Jg==", &"A".repeat(100_000), 1);
        check(mode, long, "InvalidRequest").await;
    }
}

#[tokio::test]
async fn trailers_must_be_signed_in_signed_bodies() {
    let signature_line = "x-amz-trailer-signature:";
    let code = "SignatureDoesNotMatch";
    check(SIGNED_TRAILER, replace("y/Q5Jg==", "AAAAAA=="), code).await;
    check(SIGNED_TRAILER, replace("x-amz-trailer-signature:", "x-amz-trailer-signature:0"), code)
        .await;
    let forged = move |text: String| {
        let at = text.find(signature_line).unwrap();
        format!("{}{signature_line}{}\r\n\r\n", &text[..at], "0".repeat(64))
    };
    check(SIGNED_TRAILER, forged, code).await;
    let unsigned = move |text: String| text[..text.find(signature_line).unwrap()].to_owned();
    check(SIGNED_TRAILER, unsigned, "IncompleteBody").await;
    check(SIGNED_TRAILER, move |text| unsigned(text) + "\r\n", "IncompleteBody").await;
    check(SIGNED_TRAILER, move |text| unsigned(text) + "\r\n\r\n", "MalformedTrailerError").await;
    let in_unsigned = move |text: String| {
        format!("{}{signature_line}{}\r\n\r\n", &text[..text.len() - 2], "0".repeat(64))
    };
    check(UNSIGNED_TRAILER, in_unsigned, "MalformedTrailerError").await;
}

#[tokio::test]
async fn announced_lengths_are_plain_numbers() {
    let (server, targets) = prepare().await;
    for len in ["", "-1", "+9", "9 ", "0x9", "9,9", "1e1", "18446744073709551616"] {
        for uri in &targets {
            let ask = server.ask("PUT", uri).header("x-amz-trailer", CRC.0);
            let ask = ask.header("x-amz-decoded-content-length", len);
            let ask = ask.sign_payload(UNSIGNED_TRAILER).0;
            let reply = ask.body(encode::unsigned(DATA, 4, Some(CRC))).send_as_is().await;
            let is_padded = len.trim() == "9";
            assert_eq!(reply.status.as_u16(), if is_padded { 200 } else { 400 }, "{len:?}");
        }
    }
    server.ask("DELETE", "/box/key").send().await.expect(204);
    let ask =
        draft(&server, "/box/key", UNSIGNED_TRAILER).header("x-amz-decoded-content-length", "9");
    let reply = ask.sign_payload(UNSIGNED_TRAILER).0.body("").send_as_is().await;
    assert_eq!(reply.status, 400, "twice");
    for len in ["18446744073709551615", "9223372036854775808"] {
        let ask = server.ask("PUT", "/box/key").header("x-amz-decoded-content-length", len);
        let reply: Reply = ask.sign_payload(UNSIGNED_TRAILER).0.send_as_is().await;
        reply.expect_error(400, "EntityTooLarge");
    }
    assert!(!server.exists("key").await);
}

#[tokio::test]
async fn trailers_of_http_are_no_headers() {
    let server = Server::with_bucket().await;
    let ask = draft(&server, "/box/key", UNSIGNED_TRAILER)
        .header("connection", "close")
        .header("transfer-encoding", "chunked")
        .sign_payload(UNSIGNED_TRAILER)
        .0;
    let framed = encode::unsigned(DATA, 4, Some(CRC));
    let mut wire = ask.wire();
    wire.extend_from_slice(format!("{:x}\r\n", framed.len()).as_bytes());
    wire.extend_from_slice(&framed);
    wire.extend_from_slice(
        b"\r\n0\r\nx-amz-meta-admin: 1\r\nx-amz-checksum-crc32: AAAAAA==\r\n\
          content-type: text/html\r\nauthorization: x\r\n\r\n",
    );
    let answer = raw(&server, &wire).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let read = server.ask("GET", "/box/key").send().await.expect(200);
    assert_eq!(read.body, DATA);
    assert_eq!(read.header("x-amz-meta-admin"), None);
    assert_eq!(read.header("content-type"), Some("binary/octet-stream"));
}
