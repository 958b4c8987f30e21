//! aws-chunked uploads: the three modes, and what tampering comes to.

use crate::support::{Reply, Server};
use s3api::body::encode;

const SIGNED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const SIGNED_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
const UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/// CRC-32 of [`DATA`].
const CRC: (&str, &str) = ("x-amz-checksum-crc32", "y/Q5Jg==");
const DATA: &[u8] = b"123456789";

/// Uploads [`DATA`] in chunks of four bytes, after `change` had its way with the framed body.
async fn upload(server: &Server, mode: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Reply {
    let mut ask = server
        .ask("PUT", "/box/key")
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", &DATA.len().to_string());
    if mode != SIGNED {
        ask = ask.header("x-amz-trailer", CRC.0);
    }
    let (ask, chain) = ask.sign_payload(mode);
    let framed = match mode {
        SIGNED => encode::signed(chain, DATA, 4, None),
        SIGNED_TRAILER => encode::signed(chain, DATA, 4, Some(CRC)),
        _ => encode::unsigned(DATA, 4, Some(CRC)),
    };
    ask.body(change(framed)).send_as_is().await
}

fn replace(from: &'static str, to: &'static str) -> impl FnOnce(Vec<u8>) -> Vec<u8> {
    move |body| {
        let text = String::from_utf8(body).unwrap();
        assert!(text.contains(from), "{from} in {text}");
        text.replacen(from, to, 1).into_bytes()
    }
}

#[tokio::test]
async fn all_modes_store_the_data_and_not_the_framing() {
    let server = Server::with_bucket().await;
    for mode in [SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER] {
        let reply = upload(&server, mode, |body| body).await.expect(200);
        assert_eq!(reply.header("etag"), Some("\"25f9e794323b453885f5181f1b624d0b\""));
        let expected = (mode != SIGNED).then_some(CRC.1);
        assert_eq!(reply.header(CRC.0), expected);
        let read = server.ask("GET", "/box/key").send().await.expect(200);
        assert_eq!(read.body, DATA);
        assert_eq!(read.header("content-encoding"), None);
        server.ask("DELETE", "/box/key").send().await.expect(204);
    }
}

#[tokio::test]
async fn both_forms_of_the_end_are_taken() {
    let server = Server::with_bucket().await;
    for mode in [SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER] {
        let shorten = |mut body: Vec<u8>| {
            assert!(body.ends_with(b"\r\n\r\n"));
            body.truncate(body.len() - 2);
            body
        };
        upload(&server, mode, shorten).await.expect(200);
    }
    upload(&server, SIGNED_TRAILER, replace("Jg==\r\n", "Jg==\n\r\n")).await.expect(200);
}

#[tokio::test]
async fn cve_2021_21390_tampered_chunks_leave_no_object() {
    let server = Server::with_bucket().await;
    for mode in [SIGNED, SIGNED_TRAILER] {
        for (from, to) in [("1234", "1235"), ("5678", "5679"), ("\r\n9\r\n", "\r\n8\r\n")] {
            let reply = upload(&server, mode, replace(from, to)).await;
            reply.expect_error(403, "SignatureDoesNotMatch");
        }
        // Two chunks swapped: each signature is good, its place is not.
        let swap = |body: Vec<u8>| {
            let first = body.windows(6).position(|bytes| bytes == b"1234\r\n").unwrap() + 6;
            let second = body.windows(6).position(|bytes| bytes == b"5678\r\n").unwrap() + 6;
            [&body[first..second], &body[..first], &body[second..]].concat()
        };
        upload(&server, mode, swap).await.expect_error(403, "SignatureDoesNotMatch");
    }
    let reply = upload(&server, SIGNED_TRAILER, replace("y/Q5Jg==", "AAAAAA==")).await;
    reply.expect_error(403, "SignatureDoesNotMatch");
    assert!(!server.exists("key").await);
}

#[tokio::test]
async fn trailer_checksums_are_held_against_the_data() {
    let server = Server::with_bucket().await;
    let reply = upload(&server, UNSIGNED_TRAILER, replace("1234", "1235")).await;
    reply.expect_error(400, "BadDigest");
    let reply = upload(&server, UNSIGNED_TRAILER, replace("y/Q5Jg==", "nonsense")).await;
    reply.expect_error(400, "InvalidRequest");
    for (from, to) in [
        ("x-amz-checksum-crc32:y/Q5Jg==\r\n", ""),
        ("x-amz-checksum-crc32", "x-amz-checksum-sha1"),
        ("x-amz-checksum-crc32:", "x-amz-meta-a:1\r\nx-amz-checksum-crc32:"),
        ("y/Q5Jg==\r\n", "y/Q5Jg==\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n"),
    ] {
        let reply = upload(&server, UNSIGNED_TRAILER, replace(from, to)).await;
        reply.expect_error(400, "MalformedTrailerError");
    }
    assert!(!server.exists("key").await);
}

#[tokio::test]
async fn broken_framing_leaves_no_object() {
    let server = Server::with_bucket().await;
    let cases: [(&str, &str, &str); 8] = [
        ("4\r\n1234", "4\n1234", "InvalidRequest"),
        ("4\r\n1234", "4 \r\n1234", "InvalidRequest"),
        ("4\r\n1234", "+4\r\n1234", "InvalidRequest"),
        ("4\r\n1234", "4;evil=1\r\n1234", "InvalidRequest"),
        ("1234\r\n", "1234", "InvalidRequest"),
        ("4\r\n1234", "ffffffffffffffff\r\n1234", "IncompleteBody"),
        ("1\r\n9\r\n", "", "IncompleteBody"),
        ("y/Q5Jg==\r\n\r\n", "y/Q5Jg==\r\n\r\nmore", "InvalidRequest"),
    ];
    for (from, to, code) in cases {
        let reply = upload(&server, UNSIGNED_TRAILER, replace(from, to)).await;
        reply.expect_error(400, code);
    }
    let cut = |mut body: Vec<u8>| {
        body.truncate(10);
        body
    };
    upload(&server, UNSIGNED_TRAILER, cut).await.expect_error(400, "IncompleteBody");
    upload(&server, SIGNED, cut).await.expect_error(400, "IncompleteBody");
    assert!(!server.exists("key").await);
}

#[tokio::test]
async fn cve_2025_31489_unsigned_trailer_still_needs_the_signature_of_the_head() {
    let server = Server::with_bucket().await;
    let (ask, _) = server
        .ask("PUT", "/box/key")
        .header("x-amz-decoded-content-length", "9")
        .header("x-amz-trailer", CRC.0)
        .sign_payload(UNSIGNED_TRAILER);
    let ask = ask.body(encode::unsigned(DATA, 4, Some(CRC))).then(|parts| {
        let value = parts.headers["authorization"].to_str().unwrap().to_owned();
        let (head, _) = value.split_once("Signature=").unwrap();
        let forged = format!("{head}Signature={}", "0".repeat(64));
        parts.headers.insert("authorization", forged.parse().unwrap());
    });
    ask.send_as_is().await.expect_error(403, "SignatureDoesNotMatch");
    assert!(!server.exists("key").await);
}

#[tokio::test]
async fn decoded_length_must_be_announced() {
    let server = Server::with_bucket().await;
    let (ask, _) = server.ask("PUT", "/box/key").sign_payload(UNSIGNED_TRAILER);
    let ask = ask.body(encode::unsigned(DATA, 4, None));
    ask.send_as_is().await.expect_error(411, "MissingContentLength");
    let (ask, chain) = server
        .ask("PUT", "/box/key")
        .header("x-amz-decoded-content-length", "8")
        .sign_payload(SIGNED);
    let ask = ask.body(encode::signed(chain, DATA, 4, None));
    ask.send_as_is().await.expect_error(400, "IncompleteBody");
    assert!(!server.exists("key").await);
}
