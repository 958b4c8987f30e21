//! Appends by offset: `x-amz-write-offset-bytes`.

use crate::support::{Ask, Reply, Server};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};

const OFFSET: &str = "x-amz-write-offset-bytes";

fn append<'a>(server: &'a Server, uri: &str, offset: usize, body: &str) -> Ask<'a> {
    server.ask("PUT", uri).header(OFFSET, &offset.to_string()).body(body.to_owned())
}

/// Signs with a client's own key.
fn own(mut ask: Ask<'_>, letter: u8) -> Ask<'_> {
    let key = [letter; 32];
    let headers = [
        ("algorithm", "AES256".to_owned()),
        ("key", STANDARD.encode(key)),
        ("key-md5", STANDARD.encode(Md5::digest(key))),
    ];
    for (name, value) in headers {
        ask = ask.header(&format!("x-amz-server-side-encryption-customer-{name}"), &value);
    }
    ask.sign()
}

async fn text(server: &Server, uri: &str) -> String {
    server.ask("GET", uri).send().await.expect(200).text().to_owned()
}

fn size(reply: &Reply) -> Option<&str> {
    reply.header("x-amz-object-size")
}

#[tokio::test]
async fn objects_grow_at_their_end_and_nowhere_else() {
    let server = Server::with_bucket().await;
    append(&server, "/box/log", 3, "x").send().await.expect_error(404, "NoSuchKey");
    let first = append(&server, "/box/log", 0, "one,").header("x-amz-meta-a", "1");
    first.send().await.expect(200);
    let second = append(&server, "/box/log", 4, "two,").send().await.expect(200);
    assert_eq!(size(&second), Some("8"));
    let third = append(&server, "/box/log", 8, "three").send().await.expect(200);
    assert_ne!(second.header("etag"), third.header("etag"));
    assert_eq!(text(&server, "/box/log").await, "one,two,three");
    for wrong in [0, 4, 12, 14] {
        let refused = append(&server, "/box/log", wrong, "no").send().await;
        refused.expect_error(400, "InvalidWriteOffset");
    }
    let head = server.ask("HEAD", "/box/log").send().await.expect(200);
    assert_eq!(head.header("etag"), third.header("etag"));
    assert_eq!(head.header("content-length"), Some("13"));
    assert_eq!(head.header("x-amz-meta-a"), Some("1"));
    let range = server.ask("GET", "/box/log").header("range", "bytes=3-8").send().await;
    assert_eq!(range.expect(206).text(), ",two,t");
    let part = server.ask("GET", "/box/log?partNumber=2").send().await.expect(206);
    assert_eq!((part.text(), part.header("x-amz-mp-parts-count")), ("two,", Some("3")));
    append(&server, "/box/log", 13, "").send().await.expect(200);
    append(&server, "/box/log", 13, "!").send().await.expect(200);
    assert_eq!(text(&server, "/box/log").await, "one,two,three!");
}

#[tokio::test]
async fn an_append_says_nothing_but_bytes() {
    let server = Server::with_bucket().await;
    server.put("/box/key", "bytes").await;
    for (name, value) in [
        ("x-amz-meta-a", "1"),
        ("x-amz-tagging", "a=b"),
        ("x-amz-object-lock-legal-hold", "ON"),
        ("x-amz-acl", "private"),
    ] {
        let asked = append(&server, "/box/key", 5, "more").header(name, value);
        asked.send().await.expect_error(400, "InvalidArgument");
    }
    for value in ["", "-1", "+5", "five", "99999999999999999999"] {
        let asked = server.ask("PUT", "/box/key").header(OFFSET, value).body("more");
        asked.send().await.expect_error(400, "InvalidArgument");
    }
    let sealed =
        append(&server, "/box/key", 5, "more").header("x-amz-server-side-encryption", "AES256");
    sealed.send().await.expect_error(400, "InvalidRequest");
    let begun = server.ask("POST", "/box/key?uploads").header(OFFSET, "5").send().await;
    begun.expect_error(501, "NotImplemented");
    assert_eq!(text(&server, "/box/key").await, "bytes");
}

#[tokio::test]
async fn conditions_of_an_append_hold() {
    let server = Server::with_bucket().await;
    let etag = server.put("/box/key", "bytes").await.header("etag").unwrap().to_owned();
    let ask = |name, value: &str| append(&server, "/box/key", 5, "+").header(name, value).send();
    ask("if-none-match", "*").await.expect_error(412, "PreconditionFailed");
    ask("if-match", "\"other\"").await.expect_error(412, "PreconditionFailed");
    ask("if-match", &etag).await.expect(200);
    let absent = append(&server, "/box/new", 0, "x").header("if-match", "*").send().await;
    absent.expect_error(404, "NoSuchKey");
    append(&server, "/box/new", 0, "x").header("if-none-match", "*").send().await.expect(200);
    let bad = append(&server, "/box/key", 6, "x").header("x-amz-checksum-crc32", "AAAAAA==");
    bad.send().await.expect_error(400, "BadDigest");
    assert_eq!(text(&server, "/box/key").await, "bytes+");
}

#[tokio::test]
async fn checksums_go_on_over_what_is_appended() {
    let server = Server::with_bucket().await;
    let put = server.ask("PUT", "/box/key").header("x-amz-checksum-crc32", "y/Q5Jg==");
    put.body("123456789").send().await.expect(200);
    let more = append(&server, "/box/key", 9, "123456789").send().await.expect(200);
    let whole = server.ask("PUT", "/box/whole").header("x-amz-sdk-checksum-algorithm", "CRC32");
    let whole = whole.body("123456789123456789").send().await.expect(200);
    assert!(whole.header("x-amz-checksum-crc32").is_some());
    assert_eq!(more.header("x-amz-checksum-crc32"), whole.header("x-amz-checksum-crc32"));
    // One that cannot be continued is not told any more.
    let put = server.ask("PUT", "/box/sha").header("x-amz-sdk-checksum-algorithm", "SHA256");
    put.body("bytes").send().await.expect(200);
    let more = append(&server, "/box/sha", 5, "+").send().await.expect(200);
    assert_eq!(more.header("x-amz-checksum-sha256"), None);
}

#[tokio::test]
async fn where_versions_are_kept_an_append_makes_one() {
    let server = Server::with_bucket().await;
    server.put("/box/key", "null").await;
    let versioning = |status: &str| {
        let text =
            format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>");
        server.ask("PUT", "/box?versioning").body(text).send()
    };
    versioning("Enabled").await.expect(200);
    let one = append(&server, "/box/key", 4, "+one").send().await.expect(200);
    let two = append(&server, "/box/key", 8, "+two").send().await.expect(200);
    assert_ne!(one.header("x-amz-version-id"), two.header("x-amz-version-id"));
    assert_eq!((size(&one), size(&two)), (Some("8"), Some("12")));
    assert_eq!(two.header("etag").unwrap().len(), 34, "one piece again");
    let version = one.header("x-amz-version-id").unwrap();
    assert_eq!(text(&server, &format!("/box/key?versionId={version}")).await, "null+one");
    assert_eq!(text(&server, "/box/key?versionId=null").await, "null");
    assert_eq!(text(&server, "/box/key").await, "null+one+two");
    versioning("Suspended").await.expect(200);
    // The current one has an id: it stays, and a null version takes its bytes along.
    let null = append(&server, "/box/key", 12, "+null").send().await.expect(200);
    assert_eq!(null.header("x-amz-version-id"), Some("null"));
    let again = append(&server, "/box/key", 17, "!").send().await.expect(200);
    assert_eq!(again.header("x-amz-version-id"), Some("null"));
    assert_eq!(text(&server, "/box/key").await, "null+one+two+null!");
    server.ask("DELETE", "/box/key").send().await.expect(204);
    append(&server, "/box/key", 18, "x").send().await.expect_error(404, "NoSuchKey");
    append(&server, "/box/key", 0, "x").send().await.expect(200);
    assert_eq!(text(&server, "/box/key").await, "x");
}

#[tokio::test]
async fn encrypted_objects_grow_under_their_own_key() {
    let server = Server::with_bucket().await;
    let put = server.ask("PUT", "/box/kms").header("x-amz-server-side-encryption", "aws:kms");
    put.body("a".repeat(70_000)).send().await.expect(200);
    own(server.ask("PUT", "/box/own").body("a".repeat(70_000)), b'k')
        .send_as_is()
        .await
        .expect(200);
    let more = append(&server, "/box/kms", 70_000, "+bb").send().await.expect(200);
    assert_eq!(more.header("x-amz-server-side-encryption"), Some("aws:kms"));
    append(&server, "/box/kms", 70_003, "+cc").send().await.expect(200);
    let bare = append(&server, "/box/own", 70_000, "+bb").send().await;
    bare.expect_error(400, "InvalidRequest");
    let other = own(append(&server, "/box/own", 70_000, "+bb"), b'o').send_as_is().await;
    other.expect_error(403, "AccessDenied");
    for (offset, body) in [(70_000, "+bb"), (70_003, "+cc")] {
        own(append(&server, "/box/own", offset, body), b'k').send_as_is().await.expect(200);
    }
    let wanted = "a".repeat(70_000) + "+bb+cc";
    assert_eq!(text(&server, "/box/kms").await, wanted);
    let read = own(server.ask("GET", "/box/own"), b'k').send_as_is().await.expect(200);
    assert_eq!(read.text(), wanted);
    let range = server.ask("GET", "/box/kms").header("range", "bytes=69998-70003").send().await;
    assert_eq!(range.expect(206).text(), "aa+bb+");
}

#[tokio::test]
async fn multipart_objects_grow_up_to_their_last_number() {
    let server = Server::with_bucket().await;
    let begun = server.ask("POST", "/box/key?uploads").send().await.expect(200);
    let upload = begun.element("UploadId").unwrap();
    let mut list = String::new();
    for (number, body) in [(3, "three"), (9998, "")] {
        let uri = format!("/box/key?partNumber={number}&uploadId={upload}");
        let part = server.ask("PUT", &uri).body(body).send().await.expect(200);
        let etag = part.header("etag").unwrap();
        list += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
    }
    let body = format!("<CompleteMultipartUpload>{list}</CompleteMultipartUpload>");
    let uri = format!("/box/key?uploadId={upload}");
    server.ask("POST", &uri).body(body).send().await.expect(200);
    append(&server, "/box/key", 5, "+a").send().await.expect(200);
    append(&server, "/box/key", 7, "+b").send().await.expect(200);
    append(&server, "/box/key", 9, "+c").send().await.expect_error(400, "TooManyParts");
    assert_eq!(text(&server, "/box/key").await, "three+a+b");
}
