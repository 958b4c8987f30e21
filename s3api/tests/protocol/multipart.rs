//! Multipart uploads, from their beginning to either end.

use crate::support::{Reply, Server};

async fn begin(server: &Server, headers: &[(&str, &str)]) -> String {
    let ask = server.ask("POST", "/box/key?uploads").header("x-amz-meta-a", "1");
    let ask = headers.iter().fold(ask, |ask, (name, value)| ask.header(name, value));
    ask.send().await.expect(200).element("UploadId").unwrap().to_owned()
}

async fn part(server: &Server, upload: &str, number: u32, body: &'static str) -> Reply {
    let uri = format!("/box/key?partNumber={number}&uploadId={upload}");
    server.ask("PUT", &uri).body(body).send().await
}

fn document(parts: &[(u32, &str)]) -> String {
    let line = |(number, etag): &(u32, &str)| {
        format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
    };
    let lines: String = parts.iter().map(line).collect();
    format!("<CompleteMultipartUpload>{lines}</CompleteMultipartUpload>")
}

async fn complete(server: &Server, upload: &str, parts: &[(u32, &str)]) -> Reply {
    let uri = format!("/box/key?uploadId={upload}");
    server.ask("POST", &uri).body(document(parts)).send().await
}

fn etag(reply: &Reply) -> &str {
    reply.header("etag").unwrap()
}

#[tokio::test]
async fn parts_become_an_object() {
    let server = Server::with_bucket().await;
    let upload = begin(&server, &[]).await;
    let first = part(&server, &upload, 1, "hello").await.expect(200);
    part(&server, &upload, 7, "lost").await.expect(200);
    let last = part(&server, &upload, 9, "!").await.expect(200);
    assert!(!server.exists("key").await);
    let uri = format!("/box/key?uploadId={upload}&max-parts=2");
    let listed = server.ask("GET", &uri).send().await.expect(200);
    assert_eq!(listed.elements("PartNumber"), ["1", "7"]);
    assert_eq!(listed.element("IsTruncated"), Some("true"));
    assert_eq!(listed.element("NextPartNumberMarker"), Some("7"));
    let listed = server.ask("GET", &format!("{uri}&part-number-marker=7")).send().await;
    assert_eq!(listed.elements("PartNumber"), ["9"]);
    let reply = complete(&server, &upload, &[(1, etag(&first)), (9, etag(&last))]).await;
    let reply = reply.expect(200);
    assert!(reply.element("ETag").unwrap().ends_with("-2&quot;"));
    assert_eq!(reply.element("Location").unwrap(), format!("http://{}/box/key", server.address));
    let read = server.ask("GET", "/box/key").send().await.expect(200);
    assert_eq!((&read.body[..], read.header("x-amz-meta-a")), (&b"hello!"[..], Some("1")));
    part(&server, &upload, 1, "late").await.expect_error(404, "NoSuchUpload");
}

#[tokio::test]
async fn wrong_lists_are_refused_and_the_upload_lives_on() {
    let server = Server::with_bucket().await;
    let upload = begin(&server, &[]).await;
    let one = part(&server, &upload, 1, "tiny").await.expect(200);
    let two = part(&server, &upload, 2, "hello").await.expect(200);
    let cases: [(&[(u32, &str)], &str); 6] = [
        (&[(2, etag(&two)), (1, etag(&one))], "InvalidPartOrder"),
        (&[(1, etag(&two))], "InvalidPart"),
        (&[(3, etag(&one))], "InvalidPart"),
        (&[(1, "nonsense")], "InvalidPart"),
        (&[(1, etag(&one)), (2, etag(&two))], "EntityTooSmall"),
        (&[], "MalformedXML"),
    ];
    for (parts, code) in cases {
        complete(&server, &upload, parts).await.expect_error(400, code);
    }
    assert!(!server.exists("key").await);
    complete(&server, &upload, &[(1, etag(&one))]).await.expect(200);
}

#[tokio::test]
async fn completion_on_condition() {
    let server = Server::with_bucket().await;
    server.put("/box/key", "old").await;
    let upload = begin(&server, &[]).await;
    let one = part(&server, &upload, 1, "new").await.expect(200);
    let uri = format!("/box/key?uploadId={upload}");
    let body = document(&[(1, etag(&one))]);
    let ask = server.ask("POST", &uri).header("if-none-match", "*").body(body.clone());
    ask.send().await.expect_error(412, "PreconditionFailed");
    let old = "\"149603e6c03516362a8da23f624db945\"";
    server.ask("POST", &uri).header("if-match", old).body(body).send().await.expect(200);
}

#[tokio::test]
async fn aborted_uploads_are_gone() {
    let server = Server::with_bucket().await;
    let upload = begin(&server, &[]).await;
    let listed = server.ask("GET", "/box?uploads&prefix=key").send().await.expect(200);
    assert_eq!(listed.elements("UploadId"), [upload.as_str()]);
    let none = server.ask("GET", "/box?uploads&prefix=other").send().await.expect(200);
    assert!(none.elements("UploadId").is_empty());
    let uri = format!("/box/key?uploadId={upload}");
    server.ask("DELETE", &uri).send().await.expect(204);
    server.ask("DELETE", &uri).send().await.expect_error(404, "NoSuchUpload");
    server.ask("GET", "/box/key?uploadId=x").send().await.expect_error(404, "NoSuchUpload");
    let bad = server.ask("PUT", "/box/key?partNumber=0&uploadId=x").send().await;
    assert_eq!(bad.status, 404);
}

#[tokio::test]
async fn checksums_of_parts_become_that_of_the_object() {
    let server = Server::with_bucket().await;
    for (kind, expected) in [("FULL_OBJECT", "y/Q5Jg=="), ("COMPOSITE", "-2")] {
        let headers = [("x-amz-checksum-algorithm", "CRC32"), ("x-amz-checksum-type", kind)];
        let upload = begin(&server, &headers).await;
        let one = part(&server, &upload, 1, "12345").await.expect(200);
        let two = part(&server, &upload, 2, "6789").await.expect(200);
        assert!(one.header("x-amz-checksum-crc32").is_some());
        let uri = format!("/box/key?uploadId={upload}");
        let body = document(&[(1, etag(&one)), (2, etag(&two))]);
        let wrong = server.ask("POST", &uri).header("x-amz-checksum-crc32", "AAAAAA==");
        let reply = wrong.body(body.clone()).send().await;
        reply.expect_error(400, "BadDigest");
        assert!(reply.element("Message").unwrap().contains("parts"));
        let ask = server.ask("POST", &uri).header("x-amz-mp-object-size", "8");
        ask.body(body.clone()).send().await.expect_error(400, "InvalidRequest");
        let ask = server.ask("POST", &uri).header("x-amz-mp-object-size", "9");
        let ask =
            if kind == "FULL_OBJECT" { ask.header("x-amz-checksum-crc32", expected) } else { ask };
        let reply = ask.body(body).send().await.expect(200);
        let value = reply.element("ChecksumCRC32").unwrap();
        assert!(value.ends_with(expected), "{value}");
        let ask = server.ask("HEAD", "/box/key").header("x-amz-checksum-mode", "ENABLED");
        let read = ask.send().await.expect(200);
        assert_eq!(read.header("x-amz-checksum-crc32"), Some(value));
        assert_eq!(read.header("x-amz-checksum-type"), Some(kind));
    }
    let ask = server.ask("POST", "/box/key?uploads").header("x-amz-checksum-algorithm", "SHA1");
    let reply = ask.header("x-amz-checksum-type", "FULL_OBJECT").send().await;
    reply.expect_error(400, "InvalidRequest");
}

#[tokio::test]
async fn parts_are_copied_with_ranges() {
    let server = Server::with_bucket().await;
    server.put("/box/source", "0123456789").await;
    let upload = begin(&server, &[]).await;
    let copy = |range: &'static str| {
        let uri = format!("/box/key?partNumber=1&uploadId={upload}");
        let ask = server.ask("PUT", &uri).header("x-amz-copy-source", "/box/source");
        ask.header("x-amz-copy-source-range", range).send()
    };
    copy("bytes=5-10").await.expect_error(400, "InvalidArgument");
    let copied = copy("bytes=5-9").await.expect(200);
    let etag = copied.element("ETag").unwrap();
    complete(&server, &upload, &[(1, etag)]).await.expect(200);
    assert_eq!(server.ask("GET", "/box/key").send().await.body, "56789");
}

#[tokio::test]
async fn parts_of_a_finished_object_are_read_by_number() {
    let server = Server::with_bucket().await;
    let upload = begin(&server, &[("x-amz-checksum-algorithm", "CRC32")]).await;
    let one = part(&server, &upload, 1, "hello").await.expect(200);
    let seven = part(&server, &upload, 7, " world").await.expect(200);
    let parts = [(1, etag(&one)), (7, etag(&seven))];
    complete(&server, &upload, &parts).await.expect(200);
    for method in ["GET", "HEAD"] {
        let ask = server.ask(method, "/box/key?partNumber=7");
        let reply = ask.header("x-amz-checksum-mode", "ENABLED").send().await.expect(206);
        assert_eq!(reply.header("content-range"), Some("bytes 5-10/11"));
        assert_eq!(reply.header("content-length"), Some("6"));
        assert_eq!(reply.header("x-amz-mp-parts-count"), Some("2"));
        assert_eq!(reply.header("x-amz-checksum-crc32"), seven.header("x-amz-checksum-crc32"));
        assert_eq!(&reply.body[..], if method == "GET" { &b" world"[..] } else { b"" });
    }
    let reply = server.ask("GET", "/box/key?partNumber=2").send().await;
    reply.expect_error(416, "InvalidPartNumber");
    let ask = server.ask("GET", "/box/key?partNumber=1").header("range", "bytes=0-1");
    ask.send().await.expect_error(400, "InvalidRequest");
    let reply = server.ask("GET", "/box/key").send().await.expect(200);
    assert_eq!(reply.header("x-amz-mp-parts-count"), None);
}

#[tokio::test]
async fn an_object_written_whole_is_its_own_first_part() {
    let server = Server::with_bucket().await;
    server.put("/box/key", "whole").await;
    let reply = server.ask("GET", "/box/key?partNumber=1").send().await.expect(206);
    assert_eq!(reply.header("content-range"), Some("bytes 0-4/5"));
    assert_eq!(reply.header("x-amz-mp-parts-count"), None);
    let reply = server.ask("GET", "/box/key?partNumber=2").send().await;
    reply.expect_error(416, "InvalidPartNumber");
    server.put("/box/empty", "").await;
    server.ask("HEAD", "/box/empty?partNumber=1").send().await.expect(200);
}

#[tokio::test]
async fn what_complete_says_of_checksums_is_held_against_the_upload() {
    let server = Server::with_bucket().await;
    let headers = [("x-amz-checksum-algorithm", "CRC32"), ("x-amz-checksum-type", "COMPOSITE")];
    let upload = begin(&server, &headers).await;
    let one = part(&server, &upload, 1, "hello").await.expect(200);
    let body = document(&[(1, etag(&one))]);
    let uri = format!("/box/key?uploadId={upload}");
    let ask = || server.ask("POST", &uri).body(body.clone());
    for (name, value) in [
        ("x-amz-checksum-type", "FULL_OBJECT"),
        ("x-amz-checksum-sha1", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    ] {
        ask().header(name, value).send().await.expect_error(400, "InvalidRequest");
    }
    ask().header("x-amz-checksum-type", "COMPOSITE").send().await.expect(200);

    // Without an algorithm the parts still carry what came with them.
    let upload = begin(&server, &[]).await;
    let uri = format!("/box/key?partNumber=1&uploadId={upload}");
    let ask = server.ask("PUT", &uri).header("x-amz-checksum-crc32", "y/Q5Jg==");
    let one = ask.body("123456789").send().await.expect(200);
    let uri = format!("/box/key?uploadId={upload}");
    let listed = |sum: &str| {
        let part = format!("<ETag>{}</ETag><ChecksumCRC32>{sum}</ChecksumCRC32>", etag(&one));
        format!(
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>{part}</Part>\
             </CompleteMultipartUpload>"
        )
    };
    let reply = server.ask("POST", &uri).body(listed("AAAAAA==")).send().await;
    reply.expect_error(400, "InvalidPart");
    server.ask("POST", &uri).body(listed("y/Q5Jg==")).send().await.expect(200);
}

#[tokio::test]
async fn an_empty_part_is_read_as_nothing() {
    let server = Server::with_bucket().await;
    let upload = begin(&server, &[]).await;
    let one = part(&server, &upload, 1, "hello").await.expect(200);
    let two = part(&server, &upload, 2, "").await.expect(200);
    let parts = [(1, etag(&one)), (2, etag(&two))];
    complete(&server, &upload, &parts).await.expect(200);
    let reply = server.ask("GET", "/box/key?partNumber=2").send().await.expect(200);
    assert_eq!((reply.header("content-length"), &reply.body[..]), (Some("0"), &b""[..]));
}
