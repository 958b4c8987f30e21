//! Known flaws of stores of this kind, where Signature Version 2 is turned on.

use crate::support::{Ask, NOW, Server};
use s3api::body::encode;
use s3api::host::Domains;
use s3api::request::RequestHead;
use s3api::sigv2;
use s3api::uri::{Slash, encode as escape};

async fn legacy_server() -> Server {
    let server = Server::start_with(|config| config.allows_sigv2 = true).await;
    server.ask("PUT", "/box").send().await.expect(200);
    server
}

/// The signature of a request, with the date in its header or the end of a link.
fn signature(ask: &Ask<'_>, expires: Option<u64>) -> String {
    let head = RequestHead::parse(ask.parts.clone(), 4096, &Domains::default()).unwrap();
    let claim = sigv2::Claim { access_key: "test-key", signature: "", expires };
    let text = sigv2::string_to_sign(&claim, &head).unwrap();
    sigv2::sign(&ask.server.credentials.secret_key, &text)
}

fn dated<'a>(server: &'a Server, method: &str, uri: &str) -> Ask<'a> {
    server.ask(method, uri).header("date", "Fri, 02 Jan 2026 03:04:05 GMT")
}

fn signed(ask: Ask<'_>) -> Ask<'_> {
    let value = format!("AWS test-key:{}", signature(&ask, None));
    ask.header("authorization", &value)
}

fn linked(ask: Ask<'_>) -> Ask<'_> {
    let expires = NOW / 1_000_000_000 + 60;
    let signature = escape(&signature(&ask, Some(expires)), Slash::Encode);
    let mark = if ask.parts.uri.query().is_some() { '&' } else { '?' };
    let pairs = format!("AWSAccessKeyId=test-key&Expires={expires}&Signature={signature}");
    let uri = format!("{}{mark}{pairs}", ask.parts.uri);
    ask.then(|parts| parts.uri = uri.parse().unwrap())
}

#[tokio::test]
async fn cve_2025_31489_version_2_needs_its_signature_for_every_body() {
    let server = legacy_server().await;
    for mode in ["STREAMING-UNSIGNED-PAYLOAD-TRAILER", "UNSIGNED-PAYLOAD"] {
        let put = || {
            let ask = dated(&server, "PUT", "/box/key").header("x-amz-content-sha256", mode);
            let ask = ask.header("x-amz-decoded-content-length", "1");
            ask.body(encode::unsigned(b"x", 1, None))
        };
        let wrong = "AAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        for value in [wrong, "=", "x"] {
            let ask = put().header("authorization", &format!("AWS test-key:{value}"));
            ask.send_as_is().await.expect_error(403, "SignatureDoesNotMatch");
            let ask = put().then(|parts| {
                let value = escape(value, Slash::Encode);
                let uri = "/box/key?AWSAccessKeyId=test-key&Expires=1767323100&Signature=";
                parts.uri = format!("{uri}{value}").parse().unwrap();
            });
            ask.send_as_is().await.expect_error(403, "SignatureDoesNotMatch");
        }
        for query in
            ["AWSAccessKeyId=test-key", "Signature=x", "AWSAccessKeyId=test-key&Signature="]
        {
            let uri = format!("/box/key?{query}");
            let ask = put().then(|parts| parts.uri = uri.parse().unwrap());
            ask.send_as_is().await.expect_error(403, "AccessDenied");
        }
        assert!(!server.exists("key").await);
        signed(put()).send_as_is().await.expect(200);
        server.ask("DELETE", "/box/key").send().await.expect(204);
    }
    let chunks = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
    let ask = dated(&server, "PUT", "/box/key").header("x-amz-content-sha256", chunks);
    signed(ask).send_as_is().await.expect_error(400, "InvalidRequest");
}

#[tokio::test]
async fn version_2_is_no_second_mechanism_beside_version_4() {
    let server = legacy_server().await;
    for ask in [signed(dated(&server, "GET", "/box")), server.ask("GET", "/box").sign()] {
        let link = linked(server.ask("GET", "/box")).parts.uri;
        let reply = ask.then(|parts| parts.uri = link).send_as_is().await;
        reply.expect_error(400, "InvalidRequest");
    }
    let ask = signed(dated(&server, "GET", "/box"));
    let presigned = server.ask("GET", "/box").presign(60).parts.uri;
    let ask = ask.then(|parts| parts.uri = presigned.clone());
    ask.send_as_is().await.expect_error(400, "InvalidRequest");
    let link = linked(server.ask("GET", "/box")).parts.uri;
    let query = link.query().unwrap();
    let reply = server.ask("GET", &format!("{presigned}&{query}")).send_as_is().await;
    assert_eq!(reply.status.as_u16() / 100, 4);
    for pair in query.split('&') {
        let reply = server.ask("GET", &format!("{link}&{pair}")).send_as_is().await;
        reply.expect_error(403, "AccessDenied");
    }
}

#[tokio::test]
async fn version_2_signs_what_chooses_the_operation_and_every_amz_header() {
    let server = legacy_server().await;
    server.put("/box/key", "x").await;
    let changes: [fn(&mut http::request::Parts); 7] = [
        |parts| parts.method = http::Method::DELETE,
        |parts| parts.uri = parts.uri.to_string().replace("/key", "/other").parse().unwrap(),
        |parts| parts.uri = parts.uri.to_string().replace("=a", "=b").parse().unwrap(),
        |parts| parts.uri = format!("{}&uploadId=1", parts.uri).parse().unwrap(),
        |parts| parts.uri = format!("{}&response-expires=1", parts.uri).parse().unwrap(),
        |parts| {
            parts.headers.append("x-amz-meta-a", "".parse().unwrap());
        },
        |parts| {
            let values = ["", "x"].map(|value| value.parse().unwrap());
            parts.headers.remove("x-amz-meta-a");
            for value in values {
                parts.headers.append("x-amz-meta-a", value);
            }
        },
    ];
    for sign in [signed, linked] {
        let ask = || {
            let uri = "/box/key?response-content-type=a";
            sign(dated(&server, "GET", uri).header("x-amz-meta-a", "x"))
        };
        ask().send_as_is().await.expect(200);
        for (index, change) in changes.iter().enumerate() {
            let reply = ask().then(change).send_as_is().await;
            assert_eq!(reply.element("Code"), Some("SignatureDoesNotMatch"), "{index}");
        }
    }
    let token = signed(dated(&server, "GET", "/box").header("x-amz-security-token", "x"));
    token.send_as_is().await.expect_error(400, "InvalidToken");
    assert!(server.exists("key").await);
}
