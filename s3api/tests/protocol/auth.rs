//! Signatures: each rule with a request that breaks it.

use crate::support::{Ask, NOW, Server};
use s3api::host::Domains;
use s3api::request::RequestHead;
use s3api::sigv2;
use s3api::sigv4::EMPTY_SHA256;
use s3api::uri::{self, Slash};

fn insert(
    ask: Ask<'_>,
    name: &'static str,
    value: &str,
) -> impl Future<Output = crate::support::Reply> {
    let ask = ask.then(|parts| {
        parts.headers.insert(name, value.parse().unwrap());
    });
    ask.send_as_is()
}

#[tokio::test]
async fn one_mechanism_at_a_time() {
    let server = Server::with_bucket().await;
    let ask = server.ask("GET", "/box").presign(60);
    let value = "AWS4-HMAC-SHA256 Credential=x, SignedHeaders=host, Signature=x";
    insert(ask, "authorization", value).await.expect_error(400, "InvalidRequest");
    let ask = server.ask("GET", "/box").sign().header("authorization", "AWS a:b");
    ask.send_as_is().await.expect_error(400, "InvalidRequest");
    let ask = server.ask("GET", "/box").sign().header("x-amz-date", "20260102T030405Z");
    ask.send_as_is().await.expect_error(400, "InvalidRequest");
}

#[tokio::test]
async fn signature_version_2_is_refused_cleanly() {
    let server = Server::with_bucket().await;
    let ask = server.ask("GET", "/box");
    insert(ask, "authorization", "AWS test-key:c2ln").await.expect_error(400, "InvalidRequest");
    let ask = server.ask("GET", "/box?AWSAccessKeyId=test-key&Expires=9999999999&Signature=x");
    ask.send_as_is().await.expect_error(400, "InvalidRequest");
}

#[tokio::test]
async fn cve_2026_54330_every_amz_header_must_be_signed() {
    let server = Server::with_bucket().await;
    for is_presigned in [false, true] {
        let ask = server.ask("PUT", "/box/key");
        let ask = if is_presigned { ask.presign(60) } else { ask.sign() };
        let reply = ask.header("x-amz-meta-admin", "1").send_as_is().await;
        reply.expect_error(403, "AccessDenied");
        assert_eq!(reply.element("HeadersNotSigned"), Some("x-amz-meta-admin"));
    }
    assert!(!server.exists("key").await);
}

#[tokio::test]
async fn cve_2026_41145_query_credential_alone_is_no_signature() {
    let server = Server::with_bucket().await;
    let uri = "/box/key?X-Amz-Credential=test-key%2F20260102%2Fus-east-1%2Fs3%2Faws4_request";
    let ask =
        server.ask("PUT", uri).header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    ask.send_as_is().await.expect_error(400, "AuthorizationQueryParametersError");
    assert!(!server.exists("key").await);
}

#[tokio::test]
async fn session_tokens_do_not_fit_the_root() {
    let server = Server::with_bucket().await;
    let ask = server.ask("GET", "/box").header("x-amz-security-token", "token");
    ask.send().await.expect_error(400, "InvalidToken");
}

#[tokio::test]
async fn region_and_day_of_the_scope_count() {
    let server = Server::start_with(|config| config.region = Some("us-east-1".to_owned())).await;
    let replace = |from: &'static str, to: &'static str| {
        server.ask("GET", "/box").sign().then(move |parts| {
            let value = parts.headers["authorization"].to_str().unwrap().replace(from, to);
            parts.headers.insert("authorization", value.parse().unwrap());
        })
    };
    let reply = replace("/us-east-1/", "/eu-west-1/").send_as_is().await;
    reply.expect_error(400, "AuthorizationHeaderMalformed");
    assert_eq!(reply.element("Region"), Some("us-east-1"));
    let reply = replace("/20260102/", "/20260101/").send_as_is().await;
    reply.expect_error(400, "AuthorizationHeaderMalformed");
    let reply = replace("test-key", "best-key").send_as_is().await;
    reply.expect_error(403, "InvalidAccessKeyId");
}

#[tokio::test]
async fn without_a_configured_region_any_will_do() {
    let server = Server::with_bucket().await;
    for region in ["eu-central-1", "garage", "us_west"] {
        let ask = server.ask("GET", "/box").sign_for(region);
        ask.send_as_is().await.expect(200);
    }
    let reply = server.ask("GET", "/box").sign_for("a b").send_as_is().await;
    reply.expect_error(400, "AuthorizationHeaderMalformed");
}

#[tokio::test]
async fn payload_must_be_declared() {
    let server = Server::with_bucket().await;
    let ask = server.ask("GET", "/box").sign().then(|parts| {
        parts.headers.remove("x-amz-content-sha256");
    });
    ask.send_as_is().await.expect_error(400, "InvalidRequest");
    let (ask, _) = server.ask("GET", "/box").sign_payload("nonsense");
    ask.send_as_is().await.expect_error(400, "InvalidArgument");
    let (ask, _) =
        server.ask("PUT", "/box/key").sign_payload("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD");
    ask.send_as_is().await.expect_error(501, "NotImplemented");
}

#[tokio::test]
async fn clock_may_differ_by_fifteen_minutes() {
    let server = Server::with_bucket().await;
    let ask = server.ask("GET", "/box").sign();
    let late = server.ask("GET", "/box").sign();
    server.clock.advance_seconds(900);
    ask.send_as_is().await.expect(200);
    server.clock.advance_seconds(1);
    late.send_as_is().await.expect_error(403, "RequestTimeTooSkewed");
}

#[tokio::test]
async fn presigned_urls_live_as_long_as_they_say() {
    let server = Server::with_bucket().await;
    let reply = server.ask("GET", "/box").presign(604_801).send_as_is().await;
    reply.expect_error(400, "AuthorizationQueryParametersError");
    let reply = server.ask("GET", "/box").presign(0).send_as_is().await;
    reply.expect_error(403, "AccessDenied");
    let last = server.ask("GET", "/box").presign(604_800);
    let over = server.ask("GET", "/box").presign(604_800);
    server.clock.advance_seconds(604_800);
    last.send_as_is().await.expect(200);
    server.clock.advance_seconds(1);
    over.send_as_is().await.expect_error(403, "AccessDenied");
}

#[tokio::test]
async fn date_header_signs_too() {
    let server = Server::with_bucket().await;
    let ask = server.ask("GET", "/box").sign().then(|parts| {
        parts.headers.remove("x-amz-date");
    });
    ask.send_as_is().await.expect_error(403, "AccessDenied");
}

#[tokio::test]
async fn cve_2026_42882_signed_path_is_the_stored_path() {
    let server = Server::with_bucket().await;
    for (sent, asked) in [("a%2Fb", "a/b"), ("c//d/../e", "c//d/../e"), ("f+g", "f%2Bg")] {
        server.ask("PUT", &format!("/box/{sent}")).body("x").send().await.expect(200);
        assert!(server.exists(asked).await, "{asked}");
    }
    assert!(!server.exists("c/e").await);
    let listed = server.ask("GET", "/box").send().await.expect(200);
    assert_eq!(listed.elements("Key"), ["a/b", "c//d/../e", "f+g"]);
}

#[tokio::test]
async fn cve_2024_36107_anonymous_conditions_learn_nothing() {
    let server = Server::with_bucket().await;
    let etag = server.put("/box/key", "x").await.header("etag").unwrap().to_owned();
    let mut texts = Vec::new();
    for key in ["key", "none"] {
        for (name, value) in
            [("if-none-match", etag.as_str()), ("if-match", "\"x\""), ("range", "bytes=0-0")]
        {
            let ask = server.ask("GET", &format!("/box/{key}")).header(name, value);
            let reply = ask.send_as_is().await;
            reply.expect_error(403, "AccessDenied");
            assert_eq!(reply.header("etag"), None);
            texts.push(reply.element("Message").unwrap().to_owned());
        }
    }
    texts.dedup();
    assert_eq!(texts.len(), 1);
}

#[tokio::test]
async fn hash_of_presigned_bodies_counts() {
    let server = Server::with_bucket().await;
    let ask = server.ask("PUT", "/box/key").header("x-amz-content-sha256", EMPTY_SHA256);
    let mut ask = ask.body("not empty");
    // The presigner signs for an unsigned payload: the server must take the header, and the
    // signature does not match.
    ask = ask.presign(60);
    ask.send_as_is().await.expect_error(403, "SignatureDoesNotMatch");
    assert!(!server.exists("key").await);
}

#[tokio::test]
async fn headers_in_the_query_of_a_presigned_url_count() {
    let server = Server::with_bucket().await;
    let put = |query: &str| {
        let uri = format!("/box/key?{query}");
        server.ask("PUT", &uri).body("x").presign(60).send_as_is()
    };
    put("x-amz-meta-a=1&x-amz-checksum-crc32=AAAAAA%3D%3D").await.expect(200);
    let read = server.ask("HEAD", "/box/key").send().await.expect(200);
    assert_eq!(read.header("x-amz-meta-a"), Some("1"));
    put("x-amz-server-side-encryption=AES256").await.expect(200);
    let read = server.ask("HEAD", "/box/key").send().await.expect(200);
    assert_eq!(read.header("x-amz-server-side-encryption"), Some("AES256"));
    put("x-amz-server-side-encryption=rot13").await.expect_error(400, "InvalidArgument");
    put("X-Amz-Acl=public-read").await.expect_error(400, "AccessControlListNotSupported");
    put("x-amz-copy-source=/box/none").await.expect_error(400, "MaxMessageLengthExceeded");
    let unsigned = server.ask("PUT", "/box/key?x-amz-meta-a=2").body("x").send().await;
    unsigned.expect(200);
    let read = server.ask("HEAD", "/box/key").send().await.expect(200);
    assert_eq!(read.header("x-amz-meta-a"), None);
}

#[tokio::test]
async fn other_mechanisms_and_empty_headers_are_told_apart() {
    let server = Server::with_bucket().await;
    let ask = |value: &str| server.ask("GET", "/box").header("authorization", value).send_as_is();
    for value in ["Bearer canary-token", "Basic eA==", "AWS x"] {
        let reply = ask(value).await;
        reply.expect_error(400, "InvalidArgument");
        assert_eq!(reply.element("ArgumentName"), Some("Authorization"));
        assert!(!reply.text().contains("canary"), "{}", reply.text());
    }
    ask("AWS key:signature").await.expect_error(400, "InvalidRequest");
    ask("").await.expect_error(403, "AccessDenied");
}

#[tokio::test]
async fn an_expected_owner_is_held_against_the_owner() {
    let server = Server::with_bucket().await;
    let listed = server.ask("GET", "/").send().await.expect(200);
    let id = listed.element("ID").unwrap().to_owned();
    for (owner, status) in [(id.as_str(), 200), ("test-key", 200), ("123456789012", 403)] {
        let ask = server.ask("GET", "/box").header("x-amz-expected-bucket-owner", owner);
        ask.send().await.expect(status);
    }
}

/// A request signed by Signature Version 2, in the header or by its query.
fn legacy<'a>(server: &'a Server, uri: &str, expires: Option<u64>) -> Ask<'a> {
    let unsigned = server.ask("GET", uri).header("date", "Fri, 02 Jan 2026 03:04:05 GMT");
    let head = RequestHead::parse(unsigned.parts.clone(), 4096, &Domains::default()).unwrap();
    let claim = sigv2::Claim { access_key: "test-key", signature: "", expires };
    let text = sigv2::string_to_sign(&claim, &head).unwrap();
    let signature = sigv2::sign("canary-secret", &text);
    match expires {
        None => unsigned.header("authorization", &format!("AWS test-key:{signature}")),
        Some(expires) => {
            let signature = uri::encode(&signature, Slash::Encode);
            let mark = if uri.contains('?') { '&' } else { '?' };
            let signed = format!("AWSAccessKeyId=test-key&Expires={expires}&Signature={signature}");
            server.ask("GET", &format!("{uri}{mark}{signed}"))
        }
    }
}

#[tokio::test]
async fn signature_version_2_is_for_those_who_turn_it_on() {
    let server = Server::start_with(|config| config.allows_sigv2 = true).await;
    let off = Server::with_bucket().await;
    server.ask("PUT", "/box").send().await.expect(200);
    server.put("/box/a%20b", "x").await;
    let now = NOW / 1_000_000_000;
    for expires in [None, Some(now + 60)] {
        for uri in ["/box/a%20b", "/box?uploads", "/box/a%20b?response-content-type=text%2Fx"] {
            legacy(&server, uri, expires).send_as_is().await.expect(200);
            legacy(&off, uri, expires).send_as_is().await.expect_error(400, "InvalidRequest");
        }
        let wrong = legacy(&server, "/box/a%20b", expires).then(|parts| {
            let header = parts.headers.get("authorization").map(|value| value.to_str().unwrap());
            if let Some(header) = header.map(|header| header.replace("test-key", "best-key")) {
                parts.headers.insert("authorization", header.parse().unwrap());
            }
            let uri = parts.uri.to_string().replace("test-key", "best-key");
            parts.uri = uri.parse().unwrap();
        });
        wrong.send_as_is().await.expect_error(403, "InvalidAccessKeyId");
        let moved = legacy(&server, "/box/a%20b", expires).then(|parts| {
            parts.uri = parts.uri.to_string().replace("a%20b", "other").parse().unwrap();
        });
        moved.send_as_is().await.expect_error(403, "SignatureDoesNotMatch");
        let more = legacy(&server, "/box/a%20b", expires).header("x-amz-acl", "private");
        more.send_as_is().await.expect_error(403, "SignatureDoesNotMatch");
    }
    for (expires, seconds) in [(now, 0), (now + 60, 60), (now + 700_000, 0)] {
        server.clock.advance_seconds(seconds);
        let reply = legacy(&server, "/box/a%20b", Some(expires)).send_as_is().await;
        reply.expect_error(403, "AccessDenied");
    }
    server.clock.advance_seconds(901);
    let reply = legacy(&server, "/box", None).send_as_is().await;
    reply.expect_error(403, "RequestTimeTooSkewed");
}
