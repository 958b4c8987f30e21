//! Buckets and objects: what is written is read, in whole, in part, and on condition.

use crate::support::Server;
use s3api::host::Domains;

#[tokio::test]
async fn buckets_live_and_die() {
    let server = Server::with_bucket().await;
    server.ask("PUT", "/box").send().await.expect_error(409, "BucketAlreadyOwnedByYou");
    let reply = server.ask("HEAD", "/box").send().await.expect(200);
    assert_eq!(reply.header("x-amz-bucket-region"), Some("us-east-1"));
    let reply = server.ask("HEAD", "/none").send().await.expect(404);
    assert!(reply.body.is_empty());
    let reply = server.ask("GET", "/box?location").send().await.expect(200);
    assert!(reply.text().ends_with("</LocationConstraint>"));
    let listed = server.ask("GET", "/").send().await.expect(200);
    assert_eq!(listed.elements("Name"), ["box"]);
    assert_eq!(listed.element("CreationDate"), Some("2026-01-02T03:04:05.000Z"));
    server.put("/box/key", "x").await;
    server.ask("DELETE", "/box").send().await.expect_error(409, "BucketNotEmpty");
    server.ask("DELETE", "/box/key").send().await.expect(204);
    server.ask("DELETE", "/box/key").send().await.expect(204);
    server.ask("DELETE", "/box").send().await.expect(204);
    server.ask("DELETE", "/box").send().await.expect_error(404, "NoSuchBucket");
}

#[tokio::test]
async fn location_constraint_must_be_here() {
    let server = Server::start_with(|config| config.region = Some("us-east-1".to_owned())).await;
    let body = |region: &str| {
        format!(
            "<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint>\
             </CreateBucketConfiguration>"
        )
    };
    let reply = server.ask("PUT", "/aaa").body(body("mars")).send().await;
    reply.expect_error(400, "IllegalLocationConstraintException");
    server.ask("PUT", "/aaa").body(body("us-east-1")).send().await.expect(200);
    server.ask("PUT", "/bbb").body(body("")).send().await.expect(200);
    server.ask("PUT", "/ccc").body("<x").send().await.expect_error(400, "MalformedXML");
}

#[tokio::test]
async fn attributes_come_back() {
    let server = Server::with_bucket().await;
    let ask = server
        .ask("PUT", "/box/key")
        .header("content-type", "text/x")
        .header("cache-control", "no-cache")
        .header("x-amz-meta-name", "value")
        .body("hello");
    ask.send().await.expect(200);
    for method in ["GET", "HEAD"] {
        let reply = server.ask(method, "/box/key").send().await.expect(200);
        assert_eq!(reply.header("content-type"), Some("text/x"));
        assert_eq!(reply.header("cache-control"), Some("no-cache"));
        assert_eq!(reply.header("x-amz-meta-name"), Some("value"));
        assert_eq!(reply.header("content-length"), Some("5"));
        assert_eq!(reply.header("accept-ranges"), Some("bytes"));
        assert_eq!(reply.header("last-modified"), Some("Fri, 02 Jan 2026 03:04:05 GMT"));
        assert_eq!(reply.header("etag"), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    }
    let uri = "/box/key?response-content-type=a%2Fb&response-content-disposition=x";
    let reply = server.ask("GET", uri).send().await.expect(200);
    assert_eq!(reply.header("content-type"), Some("a/b"));
    assert_eq!(reply.header("content-disposition"), Some("x"));
    let uri = "/box/key?response-content-type=a%0d%0aevil:1";
    server.ask("GET", uri).send().await.expect_error(400, "InvalidArgument");
}

#[tokio::test]
async fn missing_things_are_told_apart() {
    let server = Server::with_bucket().await;
    let reply = server.ask("GET", "/box/a%26b").send().await;
    reply.expect_error(404, "NoSuchKey");
    assert_eq!(reply.element("Key"), Some("a&amp;b"));
    assert_eq!(reply.element("BucketName"), Some("box"));
    assert_eq!(reply.element("RequestId"), reply.header("x-amz-request-id"));
    assert_eq!(reply.element("HostId"), reply.header("x-amz-id-2"));
    server.ask("GET", "/none/key").send().await.expect_error(404, "NoSuchBucket");
    server.ask("PUT", "/none/key").body("x").send().await.expect_error(404, "NoSuchBucket");
    let head = server.ask("HEAD", "/box/none").send().await.expect(404);
    assert!(head.body.is_empty());
}

#[tokio::test]
async fn ranges_are_partial_content() {
    let server = Server::with_bucket().await;
    server.put("/box/key", "0123456789").await;
    for (range, body, content_range) in [
        ("bytes=0-0", "0", "bytes 0-0/10"),
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=5-500", "56789", "bytes 5-9/10"),
    ] {
        let reply = server.ask("GET", "/box/key").header("range", range).send().await.expect(206);
        assert_eq!(reply.body, body);
        assert_eq!(reply.header("content-range"), Some(content_range));
        let head = server.ask("HEAD", "/box/key").header("range", range).send().await.expect(206);
        assert_eq!(head.header("content-length"), Some(body.len().to_string().as_str()));
    }
    let reply = server.ask("GET", "/box/key").header("range", "bytes=10-").send().await;
    reply.expect_error(416, "InvalidRange");
    assert_eq!(reply.header("content-range"), Some("bytes */10"));
    let ignored = server.ask("GET", "/box/key").header("range", "bytes=0-1,4-5").send().await;
    assert_eq!(ignored.expect(200).body, "0123456789");
    let ask = server.ask("GET", "/box/key").header("range", "bytes=0-1");
    assert_eq!(ask.header("if-range", "\"other\"").send().await.expect(200).body.len(), 10);
    server.put("/box/empty", "").await;
    let reply = server.ask("GET", "/box/empty").header("range", "bytes=0-").send().await;
    reply.expect_error(416, "InvalidRange");
}

#[tokio::test]
async fn conditions_of_reads() {
    let server = Server::with_bucket().await;
    let etag = server.put("/box/key", "x").await.header("etag").unwrap().to_owned();
    let get = |name: &str, value: &str| server.ask("GET", "/box/key").header(name, value).send();
    let reply = get("if-none-match", &etag).await.expect(304);
    assert!(reply.body.is_empty());
    assert_eq!(reply.header("etag"), Some(etag.as_str()));
    get("if-match", "\"other\"").await.expect_error(412, "PreconditionFailed");
    get("if-modified-since", "Fri, 02 Jan 2026 03:04:05 GMT").await.expect(304);
    get("if-modified-since", "Fri, 02 Jan 2026 03:04:04 GMT").await.expect(200);
    get("if-unmodified-since", "Fri, 02 Jan 2026 03:04:04 GMT")
        .await
        .expect_error(412, "PreconditionFailed");
}

#[tokio::test]
async fn conditions_of_writes() {
    let server = Server::with_bucket().await;
    let put = |name: &str, value: &str, body: &'static str| {
        server.ask("PUT", "/box/key").header(name, value).body(body).send()
    };
    put("if-match", "\"x\"", "0").await.expect_error(404, "NoSuchKey");
    let etag = put("if-none-match", "*", "1").await.expect(200);
    put("if-none-match", "*", "2").await.expect_error(412, "PreconditionFailed");
    put("if-match", "\"x\"", "3").await.expect_error(412, "PreconditionFailed");
    put("if-match", etag.header("etag").unwrap(), "4").await.expect(200);
    assert_eq!(server.ask("GET", "/box/key").send().await.body, "4");
    let delete = server.ask("DELETE", "/box/key").header("if-match", "\"x\"").send().await;
    delete.expect_error(412, "PreconditionFailed");
    assert!(server.exists("key").await);
}

#[tokio::test]
async fn copies_keep_or_replace_attributes() {
    let server = Server::with_bucket().await;
    let ask = server.ask("PUT", "/box/s%20rc").header("x-amz-meta-a", "1").body("hello");
    ask.send().await.expect(200);
    let copy = |target: &str, headers: &[(&str, &str)]| {
        let ask = server.ask("PUT", target).header("x-amz-copy-source", "box/s%20rc");
        headers.iter().fold(ask, |ask, (name, value)| ask.header(name, value)).send()
    };
    let reply = copy("/box/copy", &[]).await.expect(200);
    assert_eq!(reply.element("ETag"), Some("&quot;5d41402abc4b2a76b9719d911017c592&quot;"));
    let read = server.ask("GET", "/box/copy").send().await.expect(200);
    assert_eq!((read.header("x-amz-meta-a"), &read.body[..]), (Some("1"), &b"hello"[..]));
    copy("/box/s%20rc", &[]).await.expect_error(400, "InvalidRequest");
    let replace = [("x-amz-metadata-directive", "REPLACE"), ("x-amz-meta-b", "2")];
    copy("/box/s%20rc", &replace).await.expect(200);
    let read = server.ask("GET", "/box/s%20rc").send().await.expect(200);
    assert_eq!((read.header("x-amz-meta-a"), read.header("x-amz-meta-b")), (None, Some("2")));
    copy("/box/c", &[("x-amz-copy-source-if-match", "\"x\"")])
        .await
        .expect_error(412, "PreconditionFailed");
    copy("/none/c", &[]).await.expect_error(404, "NoSuchBucket");
    let missing = server.ask("PUT", "/box/c").header("x-amz-copy-source", "/box/none").send().await;
    missing.expect_error(404, "NoSuchKey");
    assert!(!server.exists("c").await);
}

#[tokio::test]
async fn bulk_deletes_tell_each_key() {
    let server = Server::with_bucket().await;
    server.put("/box/a", "x").await;
    server.put("/box/b", "x").await;
    let long = "k".repeat(1025);
    let object = |key: &str| format!("<Object><Key>{key}</Key></Object>");
    let body = format!("<Delete>{}{}{}</Delete>", object("a"), object("none"), object(&long));
    let reply = server.ask("POST", "/box?delete").body(body).send().await.expect(200);
    assert_eq!(reply.elements("Deleted"), ["<Key>a</Key>", "<Key>none</Key>"]);
    assert_eq!(reply.elements("Code"), ["KeyTooLongError"]);
    let body = format!("<Delete><Quiet>true</Quiet>{}</Delete>", object("b"));
    let reply = server.ask("POST", "/box?delete").body(body).send().await.expect(200);
    assert!(reply.elements("Deleted").is_empty());
    assert!(!server.exists("b").await);
    let huge = server.ask("POST", "/box?delete").body("x".repeat((2 << 20) + 1)).send().await;
    huge.expect_error(400, "MaxMessageLengthExceeded");
    let reply = server.ask("POST", "/box?delete").body("<!DOCTYPE x><Delete/>").send().await;
    reply.expect_error(400, "MalformedXML");
}

#[tokio::test]
async fn keys_are_opaque_bytes_of_utf8() {
    let server = Server::with_bucket().await;
    let keys = [".", "..", "a", "a/", "a/b", "a//b", "\u{e9}", "e\u{301}", "\u{1}", " ", "%", "\\"];
    for key in keys {
        let path = s3api::uri::encode(key, s3api::uri::Slash::Keep);
        server.ask("PUT", &format!("/box/{path}")).body(key).send().await.expect(200);
    }
    for key in keys {
        let path = s3api::uri::encode(key, s3api::uri::Slash::Keep);
        let reply = server.ask("GET", &format!("/box/{path}")).send().await.expect(200);
        assert_eq!(reply.body, key);
    }
    let listed = server.ask("GET", "/box?encoding-type=url").send().await.expect(200);
    assert_eq!(listed.elements("Key").len(), keys.len());
}

#[tokio::test]
async fn copies_are_bound_to_their_source_and_to_what_they_replace() {
    let server = Server::with_bucket().await;
    let source = server.put("/box/source", "new").await;
    let source = source.header("etag").unwrap().to_owned();
    let copy = |headers: &[(&str, &str)]| {
        let ask = server.ask("PUT", "/box/target").header("x-amz-copy-source", "/box/source");
        headers.iter().fold(ask, |ask, (name, value)| ask.header(name, value)).send()
    };
    let [tag, but, since, before] = ["match", "none-match", "modified-since", "unmodified-since"]
        .map(|name| format!("x-amz-copy-source-if-{name}"));
    let (then, now) = ("Fri, 02 Jan 2026 03:04:04 GMT", "Fri, 02 Jan 2026 03:04:05 GMT");
    for (name, value) in [(&tag, "\"x\""), (&but, &source), (&since, now), (&before, then)] {
        copy(&[(name, value)]).await.expect_error(412, "PreconditionFailed");
    }
    assert!(!server.exists("target").await);
    for (name, value) in [(&tag, source.as_str()), (&but, "\"x\""), (&since, then), (&before, now)]
    {
        copy(&[(name, value)]).await.expect(200);
    }
    // Of tags and dates the tag counts (RFC 9110, section 13.2.2).
    copy(&[(&tag, &source), (&before, then)]).await.expect(200);
    copy(&[(&but, &source), (&since, then)]).await.expect_error(412, "PreconditionFailed");
    copy(&[("if-none-match", "*")]).await.expect_error(412, "PreconditionFailed");
    copy(&[("if-match", "\"x\"")]).await.expect_error(412, "PreconditionFailed");
    copy(&[("if-match", &source)]).await.expect(200);
    server.ask("DELETE", "/box/target").send().await.expect(204);
    copy(&[("if-match", &source)]).await.expect_error(404, "NoSuchKey");
    copy(&[("if-none-match", "*")]).await.expect(200);
}

#[tokio::test]
async fn a_missing_source_is_what_a_copy_complains_of() {
    let server = Server::with_bucket().await;
    let copy =
        |source: &str| server.ask("PUT", "/box/target").header("x-amz-copy-source", source).send();
    let reply = copy("/box/source").await;
    reply.expect_error(404, "NoSuchKey");
    assert_eq!(reply.element("Key"), Some("source"));
    assert_eq!(reply.elements("Key").len(), 1);
    let reply = copy("/elsewhere/source").await;
    reply.expect_error(404, "NoSuchBucket");
    assert_eq!(reply.element("BucketName"), Some("elsewhere"));
}

#[tokio::test]
async fn objects_have_no_tags_at_first_and_no_customer_keys() {
    let server = Server::with_bucket().await;
    server.put("/box/key", "x").await;
    let reply = server.ask("GET", "/box/key?tagging").send().await.expect(200);
    assert!(reply.text().contains("<TagSet></TagSet>"), "{}", reply.text());
    server.ask("GET", "/box/none?tagging").send().await.expect_error(404, "NoSuchKey");
    server.ask("PUT", "/box/key?tagging").send().await.expect_error(400, "MalformedXML");
    for method in ["GET", "HEAD"] {
        let name = "x-amz-server-side-encryption-customer-algorithm";
        let reply = server.ask(method, "/box/key").header(name, "AES256").send().await;
        assert_eq!(reply.status, 400);
    }
}

#[tokio::test]
async fn virtual_hosts_address_the_same_objects() {
    let server = Server::start_with(|config| {
        config.domains = Domains::new(["s3.test".to_owned()]).unwrap();
    })
    .await;
    let ask = |method: &str, uri: &str| server.ask(method, uri).host("box.s3.test:9000");
    ask("PUT", "/").send().await.expect(200);
    ask("PUT", "/a/b%20c").body("x").send().await.expect(200);
    assert_eq!(ask("GET", "/?list-type=2").send().await.expect(200).elements("Key"), ["a/b c"]);
    assert_eq!(server.ask("GET", "/box/a/b%20c").send().await.expect(200).body, "x");
    let reply = ask("GET", "/none").send().await;
    reply.expect_error(404, "NoSuchKey");
    assert_eq!((reply.element("BucketName"), reply.element("Key")), (Some("box"), Some("none")));
    // A key, not the health of the server.
    ask("GET", "/minio/health/live").send_as_is().await.expect_error(403, "AccessDenied");
    server.ask("GET", "/minio/health/live").send_as_is().await.expect(200);
    let upload = ask("POST", "/big?uploads").send().await.expect(200);
    let uri = format!("/big?uploadId={}", upload.element("UploadId").unwrap());
    let one = ask("PUT", &format!("{uri}&partNumber=1")).body("x").send().await.expect(200);
    let body = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part>\
         </CompleteMultipartUpload>",
        one.header("etag").unwrap()
    );
    let reply = ask("POST", &uri).body(body).send().await.expect(200);
    assert_eq!(reply.element("Location"), Some("http://box.s3.test:9000/big"));
}
