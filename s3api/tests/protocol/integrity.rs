//! What clients promise of plain bodies is held, or nothing is stored.

use crate::support::Server;
use s3api::sigv4::EMPTY_SHA256;

#[tokio::test]
async fn broken_promises_leave_no_object() {
    let server = Server::with_bucket().await;
    for (name, value, code) in [
        ("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==", "BadDigest"),
        ("content-md5", "nonsense", "InvalidDigest"),
        ("x-amz-checksum-crc32", "AAAAAA==", "BadDigest"),
        ("x-amz-checksum-crc32c", "AAAAAA==", "BadDigest"),
        ("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=", "BadDigest"),
        ("x-amz-checksum-sha1", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "BadDigest"),
        ("x-amz-checksum-sha256", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "BadDigest"),
        ("x-amz-checksum-crc32", "AAAA", "InvalidRequest"),
        ("x-amz-trailer", "x-amz-checksum-crc32", "InvalidRequest"),
    ] {
        let ask = server.ask("PUT", "/box/key").header(name, value).body("123456789");
        ask.send().await.expect_error(400, code);
    }
    let (ask, _) = server.ask("PUT", "/box/key").body("123456789").sign_payload(EMPTY_SHA256);
    ask.send_as_is().await.expect_error(400, "XAmzContentSHA256Mismatch");
    assert!(!server.exists("key").await);
}

#[tokio::test]
async fn kept_promises_are_stored_and_told() {
    let server = Server::with_bucket().await;
    for (name, value) in [
        ("x-amz-checksum-crc32", "y/Q5Jg=="),
        ("x-amz-checksum-crc32c", "4waSgw=="),
        ("x-amz-checksum-crc64nvme", "rosUhgp5mIg="),
        ("x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE="),
        ("x-amz-checksum-sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
    ] {
        let ask = server.ask("PUT", "/box/key").header(name, value);
        let ask = ask.header("content-md5", "JfnnlDI7RTiF9RgfG2JNCw==");
        let reply = ask.body("123456789").send().await.expect(200);
        assert_eq!(reply.header(name), Some(value));
        let plain = server.ask("GET", "/box/key").send().await.expect(200);
        assert_eq!(plain.header(name), None);
        let ask = server.ask("HEAD", "/box/key").header("x-amz-checksum-mode", "ENABLED");
        let reply = ask.send().await.expect(200);
        assert_eq!(reply.header(name), Some(value));
        assert_eq!(reply.header("x-amz-checksum-type"), Some("FULL_OBJECT"));
    }
}

#[tokio::test]
async fn unsigned_payload_is_taken() {
    let server = Server::with_bucket().await;
    let (ask, _) = server.ask("PUT", "/box/key").body("x").sign_payload("UNSIGNED-PAYLOAD");
    ask.send_as_is().await.expect(200);
    server.ask("PUT", "/box/key").body("xy").presign(60).send_as_is().await.expect(200);
    assert_eq!(server.ask("GET", "/box/key").send().await.body, "xy");
}

#[tokio::test]
async fn requests_without_a_body_may_not_have_one() {
    let server = Server::with_bucket().await;
    let ask = server.ask("DELETE", "/box").body("body");
    ask.send().await.expect_error(400, "MaxMessageLengthExceeded");
    let (ask, _) = server.ask("GET", "/box").sign_payload(&"0".repeat(64));
    ask.send_as_is().await.expect_error(400, "XAmzContentSHA256Mismatch");
}

#[tokio::test]
async fn what_is_not_there_is_refused_not_ignored() {
    let server = Server::with_bucket().await;
    for (name, value, code) in [
        ("x-amz-server-side-encryption", "aws:fsx", "InvalidArgument"),
        ("x-amz-server-side-encryption-customer-algorithm", "AES256", "InvalidArgument"),
        ("x-amz-if-match-size", "0", "NotImplemented"),
        ("x-amz-write-offset-bytes", "1", "NoSuchKey"),
        ("x-amz-object-lock-mode", "COMPLIANCE", "InvalidArgument"),
        ("x-amz-object-lock-legal-hold", "ON", "InvalidRequest"),
        ("x-amz-tagging", "a=b&a=c", "InvalidTag"),
        ("x-amz-acl", "public", "InvalidArgument"),
        ("x-amz-acl", "public-read", "AccessControlListNotSupported"),
        ("x-amz-storage-class", "GLACIER", "InvalidStorageClass"),
        ("if-none-match", "\"x\"", "NotImplemented"),
    ] {
        let reply = server.ask("PUT", "/box/key").header(name, value).body("x").send().await;
        assert_eq!(reply.element("Code"), Some(code), "{name}");
    }
    assert!(!server.exists("key").await);
}
