//! Known flaws of stores of this kind, about signatures: each with the request that shows it.
//! `docs/security.md` tells which flaw each test is about.

use super::listener::raw;
use crate::support::{Ask, Reply, Server};
use bytes::Bytes;
use s3api::sigv4::canonical::{CanonicalRequest, string_to_sign};
use s3api::sigv4::key::SigningKey;
use s3api::sigv4::{self, Scope, Signer, SigningService, sha256_hex};
use s3api::uri::Query;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The time of the tests' clock, as it is signed.
const TIMESTAMP: &str = "20260102T030405Z";

/// Signs what the usual signer would not.
fn seal(ask: &Ask<'_>, scope: &Scope<'_>, signed_headers: &str, hash: &str) -> String {
    let query = Query::parse(ask.parts.uri.query().unwrap_or("")).unwrap();
    let canonical = CanonicalRequest {
        method: &ask.parts.method,
        raw_path: ask.parts.uri.path(),
        query: &query,
        headers: &ask.parts.headers,
        signed_headers,
        payload_hash: hash,
    };
    let key = SigningKey::derive(&ask.server.credentials.secret_key, scope);
    key.sign(&string_to_sign(TIMESTAMP, scope, &canonical.text().unwrap()))
}

const SCOPE: Scope<'_> =
    Scope { day: "20260102", region: "us-east-1", service: SigningService::S3 };

/// Presigns over these headers and this hash, with more parameters.
fn presign<'a>(mut ask: Ask<'a>, signed_headers: &str, hash: &str, more: &str) -> Ask<'a> {
    let names = signed_headers.replace(';', "%3B");
    let uri = format!(
        "{}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=test-key%2F20260102%2Fus-east-1%2F\
         s3%2Faws4_request&X-Amz-Date={TIMESTAMP}&X-Amz-Expires=60&X-Amz-SignedHeaders={names}\
         {more}",
        ask.parts.uri.path()
    );
    ask.parts.uri = uri.parse().unwrap();
    let signature = seal(&ask, &SCOPE, signed_headers, hash);
    ask.parts.uri = format!("{uri}&X-Amz-Signature={signature}").parse().unwrap();
    ask
}

/// Replaces within the header that signs.
fn forge<'a>(ask: Ask<'a>, from: &str, to: &str) -> Ask<'a> {
    ask.then(|parts| {
        let value = parts.headers["authorization"].to_str().unwrap();
        assert!(value.contains(from), "{from} in {value}");
        parts.headers.insert("authorization", value.replace(from, to).parse().unwrap());
    })
}

/// Replaces within the query that signs.
fn forge_query<'a>(ask: Ask<'a>, from: &str, to: &str) -> Ask<'a> {
    ask.then(|parts| {
        let uri = parts.uri.to_string();
        assert!(uri.contains(from), "{from} in {uri}");
        parts.uri = uri.replace(from, to).parse().unwrap();
    })
}

fn signature_of(ask: &Ask<'_>) -> String {
    let value = ask.parts.headers["authorization"].to_str().unwrap();
    value.split_once("Signature=").unwrap().1.to_owned()
}

fn code(reply: &Reply) -> (u16, &str) {
    (reply.status.as_u16(), reply.element("Code").unwrap_or(""))
}

#[tokio::test]
async fn other_algorithms_are_refused() {
    let server = Server::with_bucket().await;
    for name in [
        "none",
        "",
        "HMAC-SHA256",
        "AWS4-HMAC-SHA1",
        "AWS4-HMAC-SHA512",
        "aws4-hmac-sha256",
        "AWS4-ECDSA-P256-SHA256",
    ] {
        let ask = forge(server.ask("GET", "/box").sign(), "AWS4-HMAC-SHA256", name);
        let reply = ask.send_as_is().await;
        assert_eq!(code(&reply), (400, "InvalidArgument"), "{name}");
        let ask = forge_query(server.ask("GET", "/box").presign(60), "AWS4-HMAC-SHA256", name);
        let reply = ask.send_as_is().await;
        assert_eq!(code(&reply), (400, "AuthorizationQueryParametersError"), "{name}");
    }
    let unnamed = server.ask("GET", "/box").presign(60);
    let reply = forge_query(unnamed, "X-Amz-Algorithm=AWS4-HMAC-SHA256&", "").send_as_is().await;
    reply.expect_error(400, "AuthorizationQueryParametersError");
}

#[tokio::test]
async fn empty_cut_and_other_forms_of_the_signature_are_refused() {
    let server = Server::with_bucket().await;
    let right = signature_of(&server.ask("GET", "/box").sign());
    let presigned = server.ask("GET", "/box").presign(60).parts.uri.to_string();
    let in_query = presigned.split_once("X-Amz-Signature=").unwrap().1.to_owned();
    let forms = |right: &str| {
        ["", &right[..1], &right[..63], &right.to_uppercase(), &format!("{right}0")]
            .map(str::to_owned)
    };
    for wrong in forms(&right) {
        let reply = forge(server.ask("GET", "/box").sign(), &right, &wrong).send_as_is().await;
        assert_eq!(code(&reply), (400, "AuthorizationHeaderMalformed"), "{wrong}");
    }
    for wrong in forms(&in_query) {
        let ask = forge_query(server.ask("GET", "/box").presign(60), &in_query, &wrong);
        let reply = ask.send_as_is().await;
        assert_eq!(code(&reply), (400, "AuthorizationQueryParametersError"), "{wrong}");
    }
    for zeros in ["0".repeat(64), "f".repeat(64)] {
        let reply = forge(server.ask("GET", "/box").sign(), &right, &zeros).send_as_is().await;
        reply.expect_error(403, "SignatureDoesNotMatch");
    }
}

#[tokio::test]
async fn what_signs_stands_there_once() {
    let server = Server::with_bucket().await;
    let signed = || server.ask("GET", "/box").sign();
    for name in ["authorization", "x-amz-date", "x-amz-content-sha256"] {
        let value = signed().parts.headers[name].to_str().unwrap().to_owned();
        for second in [value.as_str(), "other"] {
            let reply = signed().header(name, second).send_as_is().await;
            assert_eq!(code(&reply), (400, "InvalidRequest"), "{name}: {second}");
        }
    }
    let presigned = server.ask("GET", "/box").presign(60).parts.uri;
    for pair in presigned.query().unwrap().split('&') {
        let reply = server.ask("GET", &format!("{presigned}&{pair}")).send_as_is().await;
        assert_eq!(code(&reply), (400, "AuthorizationQueryParametersError"), "{pair}");
    }
    let twice = signed().header("connection", "close").header("host", "other");
    let answer = raw(&server, &twice.wire()).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[tokio::test]
async fn keys_of_another_scope_do_not_fit() {
    let server = Server::with_bucket().await;
    // Any region will do, but the key must be of the one that is named.
    let ask = forge(server.ask("GET", "/box").sign(), "/us-east-1/", "/eu-west-1/");
    ask.send_as_is().await.expect_error(403, "SignatureDoesNotMatch");
    for (from, to) in [
        ("/20260102/", "/20260103/"),
        ("/s3/", "/sts/"),
        ("/aws4_request", "/aws4_reques"),
        ("test-key/", "/"),
        ("/us-east-1/", "//"),
    ] {
        let reply = forge(server.ask("GET", "/box").sign(), from, to).send_as_is().await;
        assert_eq!(code(&reply), (400, "AuthorizationHeaderMalformed"), "{to}");
    }
    // A key of yesterday, which leaked, signs for yesterday only.
    let yesterday = Scope { day: "20260101", ..SCOPE };
    let ask = server.ask("GET", "/box").sign();
    let signed_headers = "host;x-amz-content-sha256;x-amz-date";
    let right = signature_of(&ask);
    let stale = seal(&ask, &yesterday, signed_headers, sigv4::EMPTY_SHA256);
    forge(ask, &right, &stale).send_as_is().await.expect_error(403, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn a_signature_is_for_one_request() {
    let server = Server::with_bucket().await;
    server.put("/box/key", "x").await;
    let changes: [fn(&mut http::request::Parts); 5] = [
        |parts| parts.method = http::Method::DELETE,
        |parts| parts.method = http::Method::PUT,
        |parts| parts.uri = "/box/other".parse().unwrap(),
        |parts| parts.uri = "/box/key?partNumber=1".parse().unwrap(),
        |parts| {
            parts.headers.insert("host", "elsewhere".parse().unwrap());
        },
    ];
    for change in changes {
        let reply = server.ask("GET", "/box/key").sign().then(change).send_as_is().await;
        reply.expect_error(403, "SignatureDoesNotMatch");
    }
    assert!(server.exists("key").await);
    assert!(!server.exists("other").await);
}

#[tokio::test]
async fn session_tokens_fit_no_long_lived_key() {
    let server = Server::with_bucket().await;
    for token in ["token", ""] {
        let ask = server.ask("GET", "/box").header("x-amz-security-token", token);
        ask.send().await.expect_error(400, "InvalidToken");
        let uri = format!("/box?X-Amz-Security-Token={token}");
        let reply = server.ask("GET", &uri).presign(60).send_as_is().await;
        reply.expect_error(400, "InvalidToken");
    }
}

#[tokio::test]
async fn urls_presigned_ahead_of_time_are_refused() {
    let server = Server::with_bucket().await;
    let presigned_in = |seconds: u64| {
        let mut ask = server.ask("GET", "/box");
        let now = server.signer().now + seconds * 1_000_000_000;
        let signer = Signer { now, ..server.signer() };
        sigv4::presign(&mut ask.parts, &signer, 60).unwrap();
        ask.send_as_is()
    };
    presigned_in(900).await.expect(200);
    presigned_in(901).await.expect_error(403, "AccessDenied");
    for expires in ["", "-1", "1e3", "0x3c", "604801", "18446744073709551616"] {
        let wanted = format!("X-Amz-Expires={expires}");
        let ask = forge_query(server.ask("GET", "/box").presign(60), "X-Amz-Expires=60", &wanted);
        let reply = ask.send_as_is().await;
        assert_eq!(code(&reply), (400, "AuthorizationQueryParametersError"), "{expires}");
    }
    let longer = forge_query(server.ask("GET", "/box").presign(60), "Expires=60", "Expires=600");
    longer.send_as_is().await.expect_error(403, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn s3s_622_hash_of_a_presigned_url_is_held_against_the_body() {
    let server = Server::with_bucket().await;
    let hash = sha256_hex(b"promised");
    for is_in_query in [false, true] {
        let put = |body: &'static str| {
            let ask = server.ask("PUT", "/box/key").body(body);
            let ask = match is_in_query {
                true => presign(ask, "host", &hash, &format!("&X-Amz-Content-Sha256={hash}")),
                false => {
                    let ask = ask.header("x-amz-content-sha256", &hash);
                    presign(ask, "host;x-amz-content-sha256", &hash, "")
                }
            };
            ask.send_as_is()
        };
        put("else").await.expect_error(400, "XAmzContentSHA256Mismatch");
        assert!(!server.exists("key").await);
        put("promised").await.expect(200);
        server.ask("DELETE", "/box/key").send().await.expect(204);
    }
}

#[tokio::test]
async fn queries_are_signed_sorted_with_duplicates_and_empty_values() {
    let server = Server::with_bucket().await;
    let signed = "/box?prefix=b&prefix=a&delimiter=&x-id=%20+%2B";
    let as_uri = |uri: &str| {
        let uri = uri.parse().unwrap();
        server.ask("GET", signed).sign().then(|parts| parts.uri = uri).send_as_is()
    };
    for same in [signed, "/box?x-id=%20%20%2b&delimiter&prefix=a&prefix=b"] {
        as_uri(same).await.expect(200);
    }
    for other in [
        "/box?prefix=b&delimiter=&x-id=%20+%2B",
        "/box?prefix=b&prefix=a&x-id=%20+%2B",
        "/box?prefix=b&prefix=a&prefix=a&delimiter=&x-id=%20+%2B",
        "/box?prefix=b&prefix=a&delimiter=&x-id=%20++",
        "/box?prefix=b&prefix=a&delimiter=&x-id=%20+%2B&unknown",
        "/box?Prefix=b&prefix=a&delimiter=&x-id=%20+%2B",
        "/box",
    ] {
        let reply = as_uri(other).await;
        assert_eq!(code(&reply), (403, "SignatureDoesNotMatch"), "{other}");
    }
}

#[tokio::test]
async fn header_values_are_signed_folded_and_joined() {
    let server = Server::with_bucket().await;
    let with_values = |values: &[&'static str]| {
        let ask = server.ask("PUT", "/box/key").header("x-amz-meta-a", "x y,z").sign();
        let ask = ask.then(|parts| {
            parts.headers.remove("x-amz-meta-a");
            for value in values {
                parts.headers.append("x-amz-meta-a", value.parse().unwrap());
            }
        });
        ask.send_as_is()
    };
    with_values(&["  x    y,z  "]).await.expect(200);
    with_values(&["x y", "z"]).await.expect(200);
    server.ask("DELETE", "/box/key").send().await.expect(204);
    for values in [&["z", "x y"][..], &["xy,z"], &["x y,z", ""], &["X y,z"], &["x\ty,z"]] {
        let reply = with_values(values).await;
        assert_eq!(code(&reply), (403, "SignatureDoesNotMatch"), "{values:?}");
    }
    let lost = server.ask("PUT", "/box/key").header("x-amz-meta-a", "x").sign().then(|parts| {
        parts.headers.remove("x-amz-meta-a");
    });
    lost.send_as_is().await.expect_error(403, "SignatureDoesNotMatch");
    assert!(!server.exists("key").await);
}

#[tokio::test]
async fn header_values_that_are_no_utf8_are_refused() {
    let server = Server::with_bucket().await;
    let broken = || http::HeaderValue::from_bytes(b"\xff\xfe").unwrap();
    for name in [
        "authorization",
        "x-amz-date",
        "x-amz-content-sha256",
        "x-amz-meta-a",
        "host",
        "content-md5",
    ] {
        let ask = server.ask("PUT", "/box/key").header("x-amz-meta-a", "x").sign();
        let ask = ask.then(|parts| {
            parts.headers.insert(name, broken());
        });
        let ask = ask.header("connection", "close");
        let answer = raw(&server, &ask.wire()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{name}: {answer}");
    }
    assert!(!server.exists("key").await);
}

#[tokio::test]
async fn cve_2018_1000538_large_bodies_are_refused_before_they_come() {
    let server = Server::with_bucket().await;
    let put = || server.ask("PUT", "/box/key").header("content-length", "1073741824");
    let zeros = "0".repeat(64);
    let signed = put().sign_payload(&zeros).0;
    let right = signature_of(&signed);
    let presigned = put().presign(60).parts.uri.to_string();
    let in_query = presigned.split_once("X-Amz-Signature=").unwrap().1.to_owned();
    for ask in
        [put(), forge(signed, &right, &zeros), forge_query(put().presign(60), &in_query, &zeros)]
    {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&ask.wire()).await.unwrap();
        // Not one byte of the body was sent: the answer cannot have waited for it.
        let mut status = [0; 13];
        stream.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 403 ");
    }
    assert!(!server.exists("key").await);
}

/// What an answer tells, without what is told of every request.
fn told(reply: &Reply, key: &str) -> String {
    let mut text = reply.text().replace(key, "KEY");
    if let Some(id) = reply.header("x-amz-request-id") {
        text = text.replace(id, "ID");
    }
    let mut names: Vec<_> = reply.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    format!("{} {names:?} {text}", reply.status)
}

#[tokio::test]
async fn cve_2024_36107_anonymous_conditions_get_one_answer() {
    let server = Server::with_bucket().await;
    let etag = server.put("/box/here", "x").await.header("etag").unwrap().to_owned();
    let (past, future) = ("Thu, 01 Jan 2015 00:00:00 GMT", "Thu, 01 Jan 2026 00:00:00 GMT");
    for method in ["GET", "HEAD", "PUT", "DELETE"] {
        let mut seen = Vec::new();
        for key in ["here", "gone"] {
            for (name, value) in [
                ("x-none", "x"),
                ("if-match", etag.as_str()),
                ("if-match", "\"x\""),
                ("if-none-match", etag.as_str()),
                ("if-none-match", "*"),
                ("if-modified-since", past),
                ("if-modified-since", future),
                ("if-unmodified-since", past),
                ("if-unmodified-since", future),
                ("range", "bytes=0-0"),
                ("range", "bytes=5-"),
            ] {
                let ask = server.ask(method, &format!("/box/{key}")).header(name, value);
                let reply = ask.send_as_is().await.expect(403);
                seen.push(told(&reply, key));
            }
        }
        seen.dedup();
        assert_eq!(seen.len(), 1, "{seen:?}");
        for word in ["etag", "last-modified", "content-range", "accept-ranges", "x-amz-meta"] {
            assert!(!seen[0].to_lowercase().contains(word), "{word} in {}", seen[0]);
        }
    }
}

#[tokio::test]
async fn cve_2016_7031_nobody_lists_without_a_signature() {
    let server = Server::with_bucket().await;
    server.ask("PUT", "/box/key").header("x-amz-meta-a", "x").send().await.expect(200);
    for uri in ["/", "/box", "/box?list-type=2", "/box?uploads", "/box?location"] {
        for method in ["GET", "HEAD"] {
            let reply = server.ask(method, uri).send_as_is().await;
            assert!(matches!(reply.status.as_u16(), 403 | 405 | 501), "{method} {uri}");
            assert!(!reply.text().contains("<Contents>") && !reply.text().contains("<Bucket>"));
        }
    }
    // As on AWS, everybody may learn that a bucket is not there; and that one is, by the 403.
    server.ask("GET", "/none").send_as_is().await.expect_error(404, "NoSuchBucket");
    // The access key alone is no secret and opens nothing.
    let ask = server.ask("GET", "/box").header("authorization", "AWS4-HMAC-SHA256 test-key");
    assert_eq!(ask.send_as_is().await.expect(400).element("Contents"), None);
    let ask = server.ask("PUT", "/box?acl").header("x-amz-acl", "authenticated-read");
    ask.send().await.expect(400);
}

#[tokio::test]
async fn cve_2026_54330_copy_sources_and_conditions_must_be_signed() {
    let server = Server::with_bucket().await;
    server.put("/box/secret", "secret").await;
    for name in [
        "x-amz-copy-source",
        "x-amz-copy-source-range",
        "x-amz-metadata-directive",
        "x-amz-decoded-content-length",
        "x-amz-bypass-governance-retention",
        "x-amz-checksum-crc32",
        "x-amz-security-token",
    ] {
        for is_presigned in [false, true] {
            let ask = server.ask("PUT", "/box/key").body(Bytes::new());
            let ask = if is_presigned { ask.presign(60) } else { ask.sign() };
            let reply = ask.header(name, "/box/secret").send_as_is().await;
            assert_eq!(code(&reply), (403, "AccessDenied"), "{name}");
            assert_eq!(reply.element("HeadersNotSigned"), Some(name));
        }
    }
    assert!(!server.exists("key").await);
}
