//! Every checksum of S3, everywhere where one goes.

use crate::forms::covered;
use crate::support::form::Form;
use crate::support::{Ask, Reply, Server};
use s3api::body::encode;

const DATA: &str = "123456789";

/// A checksum: its name, its value over [`DATA`], and over its values over `12345` and `6789`,
/// where it may cover parts. Computed by other implementations (Python's hashlib, libxxhash).
struct Sum(&'static str, &'static str, Option<&'static str>);

const SUMS: [Sum; 10] = [
    Sum("CRC32", "y/Q5Jg==", Some("4zspdQ==-2")),
    Sum("CRC32C", "4waSgw==", Some("ZrDMrw==-2")),
    Sum("CRC64NVME", "rosUhgp5mIg=", None),
    Sum("SHA1", "98O8HYCOBHMq32eZZczDTKeuNEE=", Some("UGmj5L5/K7lmsIeci6hTqydwTCs=-2")),
    Sum(
        "SHA256",
        "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
        Some("/wiQ+jHXUUcr18tTEaeru5H1cBgrYDQGvfxkGFLzgl4=-2"),
    ),
    Sum(
        "SHA512",
        "2eZ2LdHI6vbWGzxhkvxAjU1tXxF20MKRabwk5xw/J0rSf81YEbMT1oH35V7ALXPUmclUVba1u1A6z1dPuo/+hQ==",
        Some(
            "7mq9aUS+fL/nGoVn00cjk1Ya4tCBnHyf8UjzgjLk2nUZRERznf4NvBmuOm63A2FnajMZ174I/m81hyIN7fBsHQ\
             ==-2",
        ),
    ),
    Sum("MD5", "JfnnlDI7RTiF9RgfG2JNCw==", Some("MkcwWC8gw/GMu2bWOmE30g==-2")),
    Sum("XXHASH64", "jLhB20DmroM=", Some("pk+Q96PvVXo=-2")),
    Sum("XXHASH3", "ctyxi2ehff8=", Some("/szbaZbktRo=-2")),
    Sum("XXHASH128", "MxGUd+3l3NXpcWQnaB1YYA==", Some("EYkKFz9GAtSF8B3qj4uibg==-2")),
];

impl Sum {
    fn header(&self) -> String {
        format!("x-amz-checksum-{}", self.0.to_lowercase())
    }

    fn element(&self) -> String {
        format!("Checksum{}", self.0)
    }

    /// A value of the right form, of other bytes.
    fn wrong(&self) -> String {
        let first = if self.1.starts_with('A') { 'B' } else { 'A' };
        format!("{first}{}", &self.1[1..])
    }

    /// Checks what a reply says in its headers.
    fn check(&self, reply: &Reply, value: &str, kind: &str) {
        assert_eq!(reply.header(&self.header()), Some(value));
        assert_eq!(reply.header("x-amz-checksum-type"), Some(kind));
    }
}

fn read<'a>(server: &'a Server, method: &str, uri: &str) -> Ask<'a> {
    server.ask(method, uri).header("x-amz-checksum-mode", "ENABLED")
}

#[tokio::test]
async fn values_in_headers_are_held_and_told_again() {
    let server = Server::with_bucket().await;
    for sum in &SUMS {
        let header = sum.header();
        let put = |value: &str| server.ask("PUT", "/box/key").header(&header, value).body(DATA);
        put(&sum.wrong()).send().await.expect_error(400, "BadDigest");
        put(&sum.1[..4]).send().await.expect_error(400, "InvalidRequest");
        put("nonsense").send().await.expect_error(400, "InvalidRequest");
        assert!(!server.exists("key").await);
        sum.check(&put(sum.1).send().await.expect(200), sum.1, "FULL_OBJECT");
        for method in ["GET", "HEAD"] {
            let plain = server.ask(method, "/box/key").send().await.expect(200);
            assert_eq!(plain.header(&header), None);
            let reply = read(&server, method, "/box/key").send().await.expect(200);
            sum.check(&reply, sum.1, "FULL_OBJECT");
        }
        let wish = server.ask("PUT", "/box/key").header("x-amz-sdk-checksum-algorithm", sum.0);
        sum.check(&wish.body(DATA).send().await.expect(200), sum.1, "FULL_OBJECT");
        server.ask("DELETE", "/box/key").send().await.expect(204);
    }
}

#[tokio::test]
async fn a_checksum_that_nobody_knows_is_refused() {
    let server = Server::with_bucket().await;
    for (name, value) in
        [("x-amz-checksum-crc16", "AAAA"), ("x-amz-checksum-xxhash256", "AAAAAAAAAAA=")]
    {
        let reply = server.ask("PUT", "/box/key").header(name, value).body(DATA).send().await;
        reply.expect_error(400, "InvalidRequest");
    }
    assert!(!server.exists("key").await);
}

#[tokio::test]
async fn values_in_trailers_are_held_and_told_again() {
    let server = Server::with_bucket().await;
    for sum in &SUMS {
        let header = sum.header();
        for mode in
            ["STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"]
        {
            let put = async |value: &str| {
                let ask = server
                    .ask("PUT", "/box/key")
                    .header("x-amz-decoded-content-length", &DATA.len().to_string())
                    .header("x-amz-trailer", &header)
                    .header("x-amz-sdk-checksum-algorithm", sum.0);
                let (ask, chain) = ask.sign_payload(mode);
                let (data, trailer) = (DATA.as_bytes(), Some((header.as_str(), value)));
                let framed = match mode.contains("UNSIGNED") {
                    true => encode::unsigned(data, 4, trailer),
                    false => encode::signed(chain, data, 4, trailer),
                };
                ask.body(framed).send_as_is().await
            };
            put(&sum.wrong()).await.expect_error(400, "BadDigest");
            put(&sum.1[..4]).await.expect_error(400, "InvalidRequest");
            assert!(!server.exists("key").await);
            sum.check(&put(sum.1).await.expect(200), sum.1, "FULL_OBJECT");
            let reply = read(&server, "GET", "/box/key").send().await.expect(200);
            sum.check(&reply, sum.1, "FULL_OBJECT");
            server.ask("DELETE", "/box/key").send().await.expect(204);
        }
    }
}

#[tokio::test]
async fn fields_of_forms_are_held() {
    let server = Server::with_bucket().await;
    for sum in &SUMS {
        let header = sum.header();
        let send = async |value: &str| {
            let form = Form::new("key", DATA).field(&header, value);
            form.sign(&server.credentials, &covered(&[&header])).send(&server).await
        };
        send(&sum.wrong()).await.expect_error(400, "BadDigest");
        assert!(!server.exists("key").await);
        assert_eq!(send(sum.1).await.expect(204).header(&header), Some(sum.1));
        server.ask("DELETE", "/box/key").send().await.expect(204);
    }
}

#[tokio::test]
async fn copies_have_the_checksum_that_is_asked_for_or_that_of_the_source() {
    let server = Server::with_bucket().await;
    server.put("/box/plain", DATA).await;
    for sum in &SUMS {
        let copy = |to: &str, from: &str| {
            server.ask("PUT", to).header("x-amz-copy-source", &format!("/box/{from}"))
        };
        let asked = copy("/box/one", "plain").header("x-amz-checksum-algorithm", sum.0);
        for reply in [asked.send().await, copy("/box/two", "one").send().await] {
            let reply = reply.expect(200);
            assert_eq!(reply.element(&sum.element()), Some(sum.1));
            assert_eq!(reply.element("ChecksumType"), Some("FULL_OBJECT"));
        }
        sum.check(&read(&server, "HEAD", "/box/two").send().await, sum.1, "FULL_OBJECT");
    }
    let ask = server.ask("PUT", "/box/one").header("x-amz-copy-source", "/box/plain");
    let reply = ask.header("x-amz-checksum-algorithm", "MD4").send().await;
    reply.expect_error(400, "InvalidRequest");
}

#[tokio::test]
async fn lists_and_attributes_name_them() {
    let server = Server::with_bucket().await;
    for sum in &SUMS {
        let put = server.ask("PUT", "/box/key").header(&sum.header(), sum.1).body(DATA);
        put.send().await.expect(200);
        for uri in ["/box", "/box?list-type=2", "/box?versions"] {
            let reply = server.ask("GET", uri).send().await.expect(200);
            assert_eq!(reply.element("ChecksumAlgorithm"), Some(sum.0), "{uri}");
            assert_eq!(reply.element("ChecksumType"), Some("FULL_OBJECT"), "{uri}");
        }
        let ask = server.ask("GET", "/box/key?attributes");
        let reply = ask.header("x-amz-object-attributes", "Checksum").send().await.expect(200);
        assert_eq!(reply.element(&sum.element()), Some(sum.1));
    }
}

async fn begin(server: &Server, sum: &Sum, kind: &str) -> Reply {
    let ask = server.ask("POST", "/box/key?uploads").header("x-amz-checksum-algorithm", sum.0);
    let ask = if kind.is_empty() { ask } else { ask.header("x-amz-checksum-type", kind) };
    ask.send().await
}

#[tokio::test]
async fn each_covers_of_an_upload_what_it_can() {
    let server = Server::with_bucket().await;
    for sum in &SUMS {
        let is_crc = sum.0.starts_with("CRC");
        for (kind, is_taken) in
            [("FULL_OBJECT", is_crc), ("COMPOSITE", sum.2.is_some()), ("EVERYTHING", false)]
        {
            let reply = begin(&server, sum, kind).await;
            if !is_taken {
                reply.expect_error(400, "InvalidRequest");
                continue;
            }
            assert_eq!(reply.header("x-amz-checksum-algorithm"), Some(sum.0));
            assert_eq!(reply.header("x-amz-checksum-type"), Some(kind));
        }
        let reply = begin(&server, sum, "").await.expect(200);
        let expected = if sum.2.is_some() { "COMPOSITE" } else { "FULL_OBJECT" };
        assert_eq!(reply.header("x-amz-checksum-type"), Some(expected));
    }
}

/// Uploads [`DATA`] in two parts, whose checksums are held and told; answers the upload's id and
/// the document that completes it.
async fn upload_parts(server: &Server, sum: &Sum, kind: &str) -> (String, String) {
    let begun = begin(server, sum, kind).await.expect(200);
    let id = begun.element("UploadId").unwrap().to_owned();
    let mut lines = String::new();
    for (number, data) in [(1, "12345"), (2, "6789")] {
        let uri = format!("/box/key?partNumber={number}&uploadId={id}");
        let part = || server.ask("PUT", &uri).body(data);
        let wrong = part().header(&sum.header(), sum.1).send().await;
        wrong.expect_error(400, "BadDigest");
        let first = part().send().await.expect(200);
        let value = first.header(&sum.header()).unwrap();
        let again = part().header(&sum.header(), value).send().await.expect(200);
        assert_eq!(again.header(&sum.header()), Some(value));
        let (etag, element) = (again.header("etag").unwrap(), sum.element());
        lines += &format!(
            "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>\
             <{element}>{value}</{element}></Part>"
        );
    }
    (id, format!("<CompleteMultipartUpload>{lines}</CompleteMultipartUpload>"))
}

async fn check_upload(server: &Server, sum: &Sum, kind: &str, value: &str) {
    let (id, document) = upload_parts(server, sum, kind).await;
    let uri = format!("/box/key?uploadId={id}");
    for (uri, count) in [(uri.as_str(), 2), ("/box?uploads", 0)] {
        let listed = server.ask("GET", uri).send().await.expect(200);
        assert_eq!(listed.element("ChecksumAlgorithm"), Some(sum.0));
        assert_eq!(listed.element("ChecksumType"), Some(kind));
        assert_eq!(listed.elements(&sum.element()).len(), count);
    }
    let complete = |header: &str, value: &str| {
        server.ask("POST", &uri).header(header, value).body(document.clone()).send()
    };
    complete(&sum.header(), &sum.wrong()).await.expect_error(400, "BadDigest");
    let other = if kind == "COMPOSITE" { "FULL_OBJECT" } else { "COMPOSITE" };
    complete("x-amz-checksum-type", other).await.expect_error(400, "InvalidRequest");
    let reply = complete(&sum.header(), value).await.expect(200);
    assert_eq!(reply.element(&sum.element()), Some(value));
    assert_eq!(reply.element("ChecksumType"), Some(kind));
    sum.check(&read(server, "HEAD", "/box/key").send().await.expect(200), value, kind);
    let ask = server.ask("GET", "/box/key?attributes");
    let ask = ask.header("x-amz-object-attributes", "Checksum,ObjectParts");
    let reply = ask.send().await.expect(200);
    let values = reply.elements(&sum.element());
    assert_eq!((values.len(), values[0]), (3, value), "{}", reply.text());
    assert_eq!(reply.element("ChecksumType"), Some(kind));
    let part = read(server, "GET", "/box/key?partNumber=2").send().await.expect(206);
    assert_eq!(part.header(&sum.header()), Some(values[2]));
}

#[tokio::test]
async fn checksums_of_parts_become_that_of_the_object() {
    let server = Server::with_bucket().await;
    for sum in &SUMS {
        if let Some(value) = sum.2 {
            check_upload(&server, sum, "COMPOSITE", value).await;
        }
        if sum.0.starts_with("CRC") {
            check_upload(&server, sum, "FULL_OBJECT", sum.1).await;
        }
    }
}

#[tokio::test]
async fn copied_parts_have_the_checksum_of_the_upload() {
    let server = Server::with_bucket().await;
    server.put("/box/source", DATA).await;
    for sum in &SUMS {
        let begun = begin(&server, sum, "").await.expect(200);
        let id = begun.element("UploadId").unwrap();
        let uri = format!("/box/key?partNumber=1&uploadId={id}");
        let ask = server.ask("PUT", &uri).header("x-amz-copy-source", "/box/source");
        let reply = ask.send().await.expect(200);
        assert_eq!(reply.element(&sum.element()), Some(sum.1));
    }
}
