//! Known flaws of stores of this kind, about what clients choose and others read: paths, keys,
//! headers and documents. `docs/security.md` tells which flaw each test is about.

use super::listener::raw;
use crate::support::{Reply, Server};
use engine::object::StoreError;
use s3api::error::{ErrorContext, S3Error};
use s3api::uri::{Slash, encode};

/// A server with two buckets; in `other` is one object that nobody may touch through `box`.
async fn two_buckets() -> Server {
    let server = Server::with_bucket().await;
    server.ask("PUT", "/other").send().await.expect(200);
    server.put("/other/key", "untouched").await;
    server
}

async fn keys(server: &Server, bucket: &str) -> Vec<String> {
    let uri = format!("/{bucket}?encoding-type=url");
    let listed = server.ask("GET", &uri).send().await.expect(200);
    listed.elements("Key").into_iter().map(str::to_owned).collect()
}

/// Writes, copies, uploads in parts and deletes under a key: it is this key and no other one.
async fn check_opaque(key: &str) {
    let server = two_buckets().await;
    let (path, listed) = (encode(key, Slash::Keep), encode(key, Slash::Encode));
    let uri = format!("/box/{path}");
    server.put(&uri, "mine").await;
    // Slashes stay as they are in answers with encoded keys.
    let listed = listed.replace("%2F", "/");
    assert_eq!(keys(&server, "box").await, [listed], "{key:?}");
    let read = server.ask("GET", &uri).send().await.expect(200);
    assert_eq!(read.body, "mine", "{key:?}");
    let copy = server.ask("PUT", "/box/copy").header("x-amz-copy-source", &uri).send().await;
    copy.expect(200);
    assert_eq!(server.ask("GET", "/box/copy").send().await.body, "mine", "{key:?}");
    let upload = server.ask("POST", &format!("{uri}?uploads")).send().await.expect(200);
    let part = format!("{uri}?partNumber=1&uploadId={}", upload.element("UploadId").unwrap());
    server.put(&part, "part").await;
    server.ask("DELETE", &uri).send().await.expect(204);
    assert_eq!(keys(&server, "box").await, ["copy"], "{key:?}");
    assert_eq!(keys(&server, "other").await, ["key"], "{key:?}");
    assert_eq!(server.ask("GET", "/other/key").send().await.body, "untouched", "{key:?}");
}

#[tokio::test]
async fn cve_2023_28433_backslashes_and_drive_letters_stay_opaque() {
    for key in [
        "\\",
        "..\\",
        "..\\other\\key",
        "a\\..\\..\\other\\key",
        "C:\\other\\key",
        "c:key",
        "\\\\server\\share",
        "key:stream",
        "nul",
        "a\0b",
        "\0",
    ] {
        check_opaque(key).await;
    }
}

#[tokio::test]
async fn cve_2026_54917_dots_never_leave_the_bucket() {
    for key in [
        "../other/key",
        "/../other/key",
        "a/../../other/key",
        "./key",
        "..",
        ".",
        "//other/key",
        "/",
        "../../../../etc/passwd",
        "..;/other/key",
        ".stave-credentials",
        "%2e%2e/other/key",
    ] {
        check_opaque(key).await;
    }
}

#[tokio::test]
async fn cve_2026_54917_copy_sources_name_their_bucket() {
    let server = two_buckets().await;
    for source in [
        "/box/../other/key",
        "/box/%2e%2e/other/key",
        "box/..%2Fother%2Fkey",
        "/box//other/key",
        "/box/%2E%2E%5Cother%5Ckey",
    ] {
        let ask = server.ask("PUT", "/box/copy").header("x-amz-copy-source", source);
        let reply = ask.send().await;
        reply.expect_error(404, "NoSuchKey");
        assert_eq!(reply.element("BucketName"), Some("box"), "{source}");
    }
    for source in ["../other/key", "/../other/key", "/other%2E/key", "//other/key", "other"] {
        let ask = server.ask("PUT", "/box/copy").header("x-amz-copy-source", source);
        ask.send().await.expect_error(400, "InvalidArgument");
    }
    assert!(!server.exists("copy").await);
}

#[tokio::test]
async fn cve_2026_42882_escapes_are_decoded_once() {
    let server = two_buckets().await;
    server.put("/box/a%252Fb", "twice escaped").await;
    server.put("/box/a%2fb", "once escaped").await;
    server.put("/box/%2e%2e%2fother%2fkey", "dots").await;
    assert_eq!(keys(&server, "box").await, ["../other/key", "a%252Fb", "a/b"]);
    for (source, body) in [
        ("/box/a%2Fb", "once escaped"),
        ("/box/a/b", "once escaped"),
        ("/box/a%252Fb", "twice escaped"),
    ] {
        let ask = server.ask("PUT", "/box/copy").header("x-amz-copy-source", source);
        ask.send().await.expect(200);
        assert_eq!(server.ask("GET", "/box/copy").send().await.body, body, "{source}");
    }
    // In documents nothing is decoded at all.
    let body = "<Delete><Object><Key>a%2Fb</Key></Object></Delete>";
    server.ask("POST", "/box?delete").body(body).send().await.expect(200);
    assert!(server.exists("a/b").await);
    // An escaped slash does not end the name of a bucket.
    for uri in ["/box%2Fa", "/other%2F..%2Fbox", "/%2e%2e/key", "/box%00", "/..", "/."] {
        for method in ["GET", "PUT", "DELETE"] {
            let reply = server.ask(method, uri).send().await;
            assert_eq!(reply.element("Code"), Some("InvalidBucketName"), "{method} {uri}");
        }
    }
    assert_eq!(server.ask("GET", "/other/key").send().await.body, "untouched");
}

#[tokio::test]
async fn cve_2015_5245_bucket_names_inject_no_headers() {
    let server = Server::start().await;
    for name in ["aaa%0d%0aset-cookie:%20a=b", "aaa%0aevil:1", "aaa%00", "aaa%20b", "%3Cscript%3E"]
    {
        for method in ["PUT", "GET", "HEAD", "DELETE"] {
            let reply = server.ask(method, &format!("/{name}")).send().await;
            assert_eq!(reply.status, 400, "{method} {name}");
            assert_eq!(reply.header("location"), None);
            assert_eq!(reply.header("set-cookie").or(reply.header("evil")), None);
        }
    }
    assert_eq!(server.ask("GET", "/").send().await.element("Name"), None);
}

/// Values that would end a header's line, or hide something in it.
const BROKEN: [&str; 6] = ["a%0d%0aevil:1", "a%0aevil:1", "a%0devil:1", "%00", "a%7f", "%1b[2J"];

#[tokio::test]
async fn cve_2021_3524_line_breaks_reach_no_header() {
    let server = Server::with_bucket().await;
    server.put("/box/key", "x").await;
    for name in ["cache-control", "content-disposition", "content-encoding", "content-language"]
        .into_iter()
        .chain(["content-type", "expires"])
    {
        for value in BROKEN {
            let uri = format!("/box/key?response-{name}={value}");
            for method in ["GET", "HEAD"] {
                let reply = server.ask(method, &uri).presign(60).send_as_is().await;
                assert_eq!(reply.status, 400, "{method} {uri}");
                assert_eq!(reply.header("evil"), None, "{uri}");
            }
        }
    }
}

#[tokio::test]
async fn cve_2020_10753_line_breaks_reach_no_metadata() {
    let server = Server::with_bucket().await;
    for value in BROKEN {
        for name in ["x-amz-meta-a", "x-amz-copy-source", "x-amz-storage-class"] {
            let uri = format!("/box/key?{name}={value}");
            let reply = server.ask("PUT", &uri).presign(60).send_as_is().await;
            reply.expect_error(400, "InvalidArgument");
        }
        let uri = format!("/box/key?x-amz-meta-a{value}=1");
        let reply = server.ask("PUT", &uri).presign(60).send_as_is().await;
        reply.expect_error(400, "InvalidArgument");
    }
    assert!(!server.exists("key").await);
    // Keys come back in documents, and there as references to characters.
    let upload = server.ask("POST", "/box/a%0d%0aevil:%201?uploads").send().await.expect(200);
    assert_eq!(upload.element("Key"), Some("a&#xd;&#xa;evil: 1"));
    assert_eq!(upload.header("evil"), None);
}

#[tokio::test]
async fn cve_2020_1760_answers_are_shaped_by_signed_requests_only() {
    let server = Server::with_bucket().await;
    server.put("/box/key", "<script>alert(1)</script>").await;
    let uri = "/box/key?response-content-type=text%2Fhtml&response-content-disposition=inline";
    let reply = server.ask("GET", uri).send_as_is().await;
    reply.expect_error(403, "AccessDenied");
    assert_eq!(reply.header("content-type"), Some("application/xml"));
    let good = server.ask("GET", "/box/key?response-content-type=text%2Fplain").presign(60);
    let changed = good.then(|parts| {
        parts.uri = parts.uri.to_string().replace("plain", "html").parse().unwrap();
    });
    changed.send_as_is().await.expect_error(403, "SignatureDoesNotMatch");
    let added = server.ask("GET", "/box/key").presign(60).then(|parts| {
        parts.uri = format!("{}&response-content-type=text%2Fhtml", parts.uri).parse().unwrap();
    });
    added.send_as_is().await.expect_error(403, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn markup_in_keys_stays_text() {
    let server = Server::with_bucket().await;
    let hostile = "\"><script>alert('&')</script>]]><!--";
    let path = encode(hostile, Slash::Keep);
    server.put(&format!("/box/{path}"), "x").await;
    let mut replies = vec![
        server.ask("GET", &format!("/box/none{path}")).send().await,
        server.ask("GET", &format!("/{path}")).send().await,
        server.ask("POST", &format!("/box/{path}?uploads")).send().await,
    ];
    for query in ["", "?list-type=2", "?uploads"] {
        replies.push(server.ask("GET", &format!("/box{query}")).send().await);
    }
    let query = encode(hostile, Slash::Encode);
    replies.push(server.ask("GET", &format!("/box?prefix={query}&delimiter={query}")).send().await);
    replies.push(server.ask("GET", &format!("/box?start-after={query}&list-type=2")).send().await);
    let ask = server.ask("PUT", "/box/x").header("x-amz-storage-class", "<script>");
    replies.push(ask.send().await);
    for reply in replies {
        assert_eq!(reply.header("content-type"), Some("application/xml"));
        assert!(!reply.text().contains("<script"), "{}", reply.text());
        assert!(!reply.text().contains("]]>"), "{}", reply.text());
    }
}

#[tokio::test]
async fn cve_2016_9579_origins_are_reflected_nowhere() {
    let server = Server::with_bucket().await;
    server.put("/box/key", "x").await;
    for origin in ["https://evil.example", "null", "*", "\u{e9}", "http://a\tb"] {
        for method in ["GET", "PUT", "OPTIONS", "HEAD"] {
            let ask = server.ask(method, "/box/key").header("origin", origin);
            let ask = ask.header("access-control-request-method", "DELETE");
            let reply = ask.send().await;
            assert!(reply.status.as_u16() < 500 || reply.status == 501);
            let is_cors = |name: &&http::HeaderName| name.as_str().starts_with("access-control-");
            assert_eq!(reply.headers.keys().find(is_cors), None, "{method} {origin}");
        }
    }
}

/// What an object is, but for when.
fn described(reply: &Reply) -> Vec<String> {
    let is_told = |name: &str| !matches!(name, "x-amz-request-id" | "x-amz-id-2" | "date");
    let pairs = reply.headers.iter().filter(|(name, _)| is_told(name.as_str()));
    pairs.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
}

#[tokio::test]
async fn cve_2026_34204_reserved_headers_mean_nothing() {
    let server = Server::with_bucket().await;
    server.put("/box/plain", "x").await;
    let plain = described(&server.ask("GET", "/box/plain").send().await);
    for name in [
        "x-minio-replication-server-side-encryption-sealed-key",
        "x-minio-replication-server-side-encryption-iv",
        "x-minio-replication-actual-object-size",
        "x-minio-internal-server-side-encryption-sealed-key",
        "x-minio-internal-actual-size",
        "x-minio-source-mtime",
        "x-minio-source-etag",
        "x-minio-source-replication-request",
        "x-minio-extract",
        "x-minio-force-delete",
        "x-rustfs-internal-actual-size",
        "x-rustfs-source-version-id",
        "x-stave-internal-actual-size",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-http-method-override",
        "x-original-url",
        "x-rewrite-url",
    ] {
        server.ask("PUT", "/box/key").header(name, "1").body("x").send().await.expect(200);
        let read = server.ask("GET", "/box/key").header(name, "1").send().await.expect(200);
        assert_eq!(described(&read), plain, "{name}");
        let delete = server.ask("DELETE", "/box").header(name, "true").send().await;
        delete.expect_error(409, "BucketNotEmpty");
    }
    // As metadata of a user they are text under the user's prefix, and nothing else.
    let name = "x-amz-meta-x-minio-internal-server-side-encryption-sealed-key";
    server.ask("PUT", "/box/key").header(name, "1").body("x").send().await.expect(200);
    let read = server.ask("GET", "/box/key").send().await.expect(200);
    assert_eq!(read.header(name), Some("1"));
    assert_eq!(described(&read).len(), plain.len() + 1);
    assert_eq!(read.header("x-amz-server-side-encryption"), None);
}

#[tokio::test]
async fn cve_2023_28432_no_path_tells_secrets() {
    let server = Server::with_bucket().await;
    for path in [
        "/minio/bootstrap/v1/verify",
        "/minio/admin/v3/info",
        "/minio/admin/v3/list-users",
        "/_stave/admin/v1/status",
        "/minio/health/live",
        "/minio/health/../bootstrap/v1/verify",
        "/minio/health/none",
        "/minio/metrics/v3",
        "/minio/v2/metrics/cluster",
        "/minio/prometheus/metrics",
        "/minio/ui/",
        "/rustfs/admin/v3/info",
        "/rustfs/console/",
        "/profile/cpu",
        "/debug/pprof/",
        "/debug/vars",
        "/env",
        "/metrics",
        "/.env",
        "/",
    ] {
        for method in ["GET", "POST", "PUT", "HEAD"] {
            let answer = server.ask(method, path).body("x").send_as_is().await;
            let text = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body));
            assert!(!text.contains("canary"), "{method} {path}: {text}");
            assert!(!text.contains("test-key"), "{method} {path}: {text}");
            let is_open = method == "GET" || method == "HEAD";
            let is_open = is_open && matches!(path, "/metrics" | "/minio/health/live");
            assert_eq!(answer.status.is_success(), is_open, "{method} {path}: {text}");
        }
    }
    // What the answer to a wrong signature tells: neither the secret nor the right signature.
    let right = server.ask("GET", "/box").sign();
    let value = right.parts.headers["authorization"].to_str().unwrap().to_owned();
    let signature = value.split_once("Signature=").unwrap().1.to_owned();
    let wrong = right.then(|parts| {
        let forged = value.replace(&signature, &"0".repeat(64));
        parts.headers.insert("authorization", forged.parse().unwrap());
    });
    let reply = wrong.send_as_is().await;
    reply.expect_error(403, "SignatureDoesNotMatch");
    assert!(!reply.text().contains(&signature) && !reply.text().contains("canary"));
}

#[test]
fn cve_2022_35919_errors_tell_no_paths_and_no_content() {
    let context = ErrorContext {
        bucket: None,
        key: None,
        resource: "/",
        region: "us-east-1",
        request_id: "id",
        host_id: "host",
    };
    let reason = "/data/disk1/secret: 0xcafe";
    for error in [
        StoreError::Corrupt(reason.to_owned()),
        StoreError::Unavailable(reason.to_owned()),
        StoreError::Busy(reason),
        StoreError::Body(engine::object::BodyError(reason.to_owned().into())),
    ] {
        let document = S3Error::from(error).to_xml(&context);
        assert!(!document.contains("disk1") && !document.contains("cafe"), "{document}");
    }
}

#[tokio::test]
async fn hosts_are_reflected_as_text_only() {
    let server = Server::with_bucket().await;
    for host in ["x\"><script>", "169.254.169.254", "a/b", "user:pass@x", "[::1", "x:99999"] {
        let request = format!("GET /box HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        let answer = raw(&server, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{host}: {answer}");
        assert!(!answer.contains("<script") && !answer.contains("169.254"), "{host}: {answer}");
        assert!(!answer.to_lowercase().contains("\nlocation:"), "{host}: {answer}");
    }
}
