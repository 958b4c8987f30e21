//! Annotations, as AWS added them to S3 in 2026: attached, read, listed, deleted, copied.

use crate::support::{Ask, Reply, Server};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};

const ALGORITHM: &str = "x-amz-server-side-encryption";
const IF_MATCH: &str = "x-amz-object-if-match";
const VERSION: &str = "x-amz-object-version-id";
const DIRECTIVE: &str = "x-amz-object-annotation-directive";
const MARK: &str = "a text that nobody reads on the disk";

fn uri(path: &str, name: &str) -> String {
    format!("{path}?annotation&annotationName={name}")
}

fn annotate<'a>(server: &'a Server, path: &str, name: &str, text: &str) -> Ask<'a> {
    server.ask("PUT", &uri(path, name)).body(text.to_owned())
}

async fn read(server: &Server, path: &str, name: &str) -> Reply {
    server.ask("GET", &uri(path, name)).send().await
}

async fn names(server: &Server, path: &str) -> Vec<String> {
    let listed = server.ask("GET", &format!("{path}?annotation")).send().await.expect(200);
    listed.elements("AnnotationName").into_iter().map(ToOwned::to_owned).collect()
}

async fn enable_versions(server: &Server) {
    let body = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    server.ask("PUT", "/box?versioning").body(body).send().await.expect(200);
}

/// A server whose store has no key.
async fn without_keys() -> Server {
    let server = Server::start_with(|config| config.encryption.root_key = None).await;
    server.ask("PUT", "/box").send().await.expect(200);
    server
}

#[tokio::test]
async fn an_annotation_comes_back_as_it_was_written() {
    let server = without_keys().await;
    server.put("/box/key", "object").await;
    let text = "{\"label\": \"caf\u{e9} & <b>\"}";
    let put = annotate(&server, "/box/key", "ml.label", text).send().await.expect(200);
    let etag = format!("\"{}\"", hex::encode(Md5::digest(text)));
    assert_eq!(put.header("etag"), Some(etag.as_str()));
    assert_eq!(
        (put.element("Key"), put.element("AnnotationName")),
        (Some("key"), Some("ml.label"))
    );
    assert_eq!((put.header(VERSION), put.header(ALGORITHM)), (None, None));
    let got = read(&server, "/box/key", "ml.label").await.expect(200);
    assert_eq!((got.text(), got.header("etag")), (text, Some(etag.as_str())));
    assert_eq!(got.header("last-modified"), Some("Fri, 02 Jan 2026 03:04:05 GMT"));
    assert_eq!(got.header("content-type"), Some("application/octet-stream"));
    // It is no object, and changes none.
    let object = server.ask("GET", "/box/key").send().await.expect(200);
    assert_eq!(object.text(), "object");
    let keys = server.ask("GET", "/box").send().await.expect(200);
    assert_eq!(keys.elements("Key"), ["key"]);
    // A second one of the name takes its place.
    server.clock.advance_seconds(60);
    annotate(&server, "/box/key", "ml.label", "new").send().await.expect(200);
    annotate(&server, "/box/key", "other", &"x".repeat(1 << 20)).send().await.expect(200);
    let listed = server.ask("GET", "/box/key?annotation").send().await.expect(200);
    assert_eq!(listed.elements("AnnotationName"), ["ml.label", "other"]);
    assert_eq!(listed.elements("Size"), ["3", "1048576"]);
    assert_eq!(listed.elements("LastModified")[0], "2026-01-02T03:05:05.000Z");
    assert_eq!(
        (listed.element("AnnotationCount"), listed.element("Key")),
        (Some("2"), Some("key"))
    );
    let delete = || server.ask("DELETE", &uri("/box/key", "ml.label")).send();
    delete().await.expect(204);
    delete().await.expect(204);
    read(&server, "/box/key", "ml.label").await.expect_error(404, "NoSuchAnnotation");
    assert_eq!(names(&server, "/box/key").await, ["other"]);
    // With the object they go, too.
    server.ask("DELETE", "/box/key").send().await.expect(204);
    read(&server, "/box/key", "other").await.expect_error(404, "NoSuchKey");
    server.put("/box/key", "again").await;
    assert_eq!(names(&server, "/box/key").await.len(), 0);
}

#[tokio::test]
async fn what_is_no_annotation_is_refused() {
    let server = Server::with_bucket().await;
    server.put("/box/key", "object").await;
    let put = |name: &str, text: &str| annotate(&server, "/box/key", name, text).send();
    for name in ["", "aws.x", "S3x", "a%20b", "a/b", "%F0%9F%98%80"] {
        put(name, "x").await.expect_error(400, "InvalidAnnotationName");
    }
    put(&"n".repeat(513), "x").await.expect_error(400, "AnnotationNameTooLong");
    put(&"n".repeat(512), "x").await.expect(200);
    put("%E6%A0%87", "x").await.expect(200);
    put("n", "").await.expect_error(400, "EntityTooSmall");
    put("n", &"x".repeat((1 << 20) + 1)).await.expect_error(400, "EntityTooLarge");
    let bytes = server.ask("PUT", &uri("/box/key", "n")).body(vec![b'a', 0xff]);
    bytes.send().await.expect_error(415, "UnsupportedMediaType");
    let wish = annotate(&server, "/box/key", "n", "x").header(ALGORITHM, "aws:kms");
    wish.send().await.expect_error(400, "InvalidRequest");
    annotate(&server, "/box/nobody", "n", "x").send().await.expect_error(404, "NoSuchKey");
    annotate(&server, "/nobody/key", "n", "x").send().await.expect_error(404, "NoSuchBucket");
    read(&server, "/box/nobody", "n").await.expect_error(404, "NoSuchKey");
    read(&server, "/box/key", "n").await.expect_error(404, "NoSuchAnnotation");
    server.ask("PUT", "/box/key?annotation").send().await.expect_error(501, "NotImplemented");
    let object = server.ask("GET", "/box/key").send().await.expect(200);
    assert_eq!(object.text(), "object", "no refusal became a write of the key");
    server.ask("DELETE", &uri("/box/nobody", "n")).send().await.expect_error(404, "NoSuchKey");
}

#[tokio::test]
async fn checksums_are_held_against_the_text_and_kept() {
    let server = Server::with_bucket().await;
    server.put("/box/key", "object").await;
    let put = || annotate(&server, "/box/key", "n", "123456789");
    put()
        .header("content-md5", &STANDARD.encode(Md5::digest("123456789")))
        .send()
        .await
        .expect(200);
    let wrong = put().header("content-md5", &STANDARD.encode(Md5::digest("other")));
    wrong.send().await.expect_error(400, "BadDigest");
    put().header("x-amz-checksum-crc32", "AAAAAA==").send().await.expect_error(400, "BadDigest");
    let kept = put().header("x-amz-checksum-crc32", "y/Q5Jg==").send().await.expect(200);
    assert_eq!(kept.header("x-amz-checksum-crc32"), Some("y/Q5Jg=="));
    let ask = || server.ask("GET", &uri("/box/key", "n"));
    assert_eq!(ask().send().await.header("x-amz-checksum-crc32"), None);
    let told = ask().header("x-amz-checksum-mode", "ENABLED").send().await.expect(200);
    assert_eq!(told.header("x-amz-checksum-crc32"), Some("y/Q5Jg=="));
    assert_eq!(told.header("x-amz-checksum-type"), Some("FULL_OBJECT"));
    let listed = server.ask("GET", "/box/key?annotation").send().await.expect(200);
    assert_eq!(listed.element("ChecksumAlgorithm"), Some("CRC32"));
}

#[tokio::test]
async fn conditions_are_about_the_object() {
    let server = Server::with_bucket().await;
    let etag = server.put("/box/key", "object").await.header("etag").unwrap().to_owned();
    let put = |tag: &str| annotate(&server, "/box/key", "n", "x").header(IF_MATCH, tag).send();
    put(&etag).await.expect(200);
    put("\"other\"").await.expect_error(412, "PreconditionFailed");
    let delete =
        |tag: &str| server.ask("DELETE", &uri("/box/key", "n")).header(IF_MATCH, tag).send();
    delete("\"other\"").await.expect_error(412, "PreconditionFailed");
    delete("*").await.expect(204);
    let owner = annotate(&server, "/box/key", "n", "x");
    owner.header("x-amz-expected-bucket-owner", "0").send().await.expect_error(403, "AccessDenied");
}

#[tokio::test]
async fn each_version_has_annotations_of_its_own() {
    let server = Server::with_bucket().await;
    enable_versions(&server).await;
    let put = |text: &'static str| server.put("/box/key", text);
    let version = |reply: &Reply| reply.header("x-amz-version-id").unwrap().to_owned();
    let (first, second) = (version(&put("1").await), version(&put("2").await));
    let at = |name: &str, version: &str| format!("{}&versionId={version}", uri("/box/key", name));
    let old = server.ask("PUT", &at("n", &first)).body("old").send().await.expect(200);
    assert_eq!(old.header(VERSION), Some(first.as_str()));
    let new = annotate(&server, "/box/key", "n", "new").send().await.expect(200);
    assert_eq!(new.header(VERSION), Some(second.as_str()));
    for (version, text) in [(&first, "old"), (&second, "new")] {
        let got = server.ask("GET", &at("n", version)).send().await.expect(200);
        assert_eq!((got.text(), got.header(VERSION)), (text, Some(version.as_str())));
    }
    let nobody = server.ask("GET", &at("n", &"0".repeat(32))).send().await;
    nobody.expect_error(404, "NoSuchVersion");
    // A delete marker hides them, and takes none.
    server.ask("DELETE", "/box/key").send().await.expect(204);
    read(&server, "/box/key", "n").await.expect_error(404, "NoSuchKey");
    annotate(&server, "/box/key", "n", "x").send().await.expect_error(404, "NoSuchKey");
    let remove =
        |version: &str| server.ask("DELETE", &format!("/box/key?versionId={version}")).send();
    remove(&second).await.expect(204);
    server.ask("GET", &at("n", &second)).send().await.expect_error(404, "NoSuchVersion");
    let got = server.ask("GET", &at("n", &first)).send().await.expect(200);
    assert_eq!(got.text(), "old");
    let gone = server.ask("DELETE", &at("n", &first)).send().await.expect(204);
    assert_eq!(gone.header(VERSION), Some(first.as_str()));
}

#[tokio::test]
async fn listings_come_in_pages_and_by_prefix() {
    let server = Server::with_bucket().await;
    server.put("/box/key", "object").await;
    for name in ["a", "b.1", "b.2", "b.3", "c"] {
        annotate(&server, "/box/key", name, name).send().await.expect(200);
    }
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let uri =
            format!("/box/key?annotation&annotation-prefix=b&max-annotation-results=2{token}");
        let page = server.ask("GET", &uri).send().await.expect(200);
        assert_eq!(page.element("MaxAnnotationResults"), Some("2"));
        assert_eq!(page.element("AnnotationPrefix"), Some("b"));
        let names = page.elements("AnnotationName");
        assert_eq!(page.element("AnnotationCount"), Some(names.len().to_string().as_str()));
        found.extend(names.into_iter().map(ToOwned::to_owned));
        let Some(next) = page.element("NextContinuationToken") else { break };
        token = format!("&continuation-token={next}");
    }
    assert_eq!(found, ["b.1", "b.2", "b.3"]);
    let refused = |query: &str, code: &'static str| {
        let ask = server.ask("GET", &format!("/box/key?annotation&{query}"));
        async move { ask.send().await.expect_error(400, code) }
    };
    refused("max-annotation-results=0", "InvalidArgument").await;
    refused("max-annotation-results=1001", "InvalidArgument").await;
    refused("max-annotation-results=x", "InvalidArgument").await;
    refused("continuation-token=!", "InvalidArgument").await;
    refused("annotation-prefix=aws", "InvalidPrefix").await;
    refused("annotation-prefix=a%20b", "InvalidPrefix").await;
}

#[tokio::test]
async fn an_object_has_a_thousand() {
    let server = Server::with_bucket().await;
    server.put("/box/key", "object").await;
    for number in 0..1000 {
        let name = format!("n{number:04}");
        annotate(&server, "/box/key", &name, "x").send().await.expect(200);
    }
    let more = annotate(&server, "/box/key", "more", "x").send().await;
    more.expect_error(400, "AnnotationLimitExceeded");
    annotate(&server, "/box/key", "n0500", "again").send().await.expect(200);
    assert_eq!(names(&server, "/box/key").await.len(), 1000);
}

fn has(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test]
async fn annotations_are_encrypted_as_their_object_is() {
    let server = Server::with_bucket().await;
    server.ask("PUT", "/_stave/admin/v1/keys?key=photos").send().await.expect(201);
    let text: String = MARK.repeat(3000);
    for (key, said, told) in [
        ("plain", None, "AES256"),
        ("s3", Some("AES256"), "AES256"),
        ("kms", Some("aws:kms"), "aws:kms"),
    ] {
        let path = format!("/box/{key}");
        let mut put = server.ask("PUT", &path).body("object");
        if let Some(algorithm) = said {
            put = put.header(ALGORITHM, algorithm);
        }
        if key == "kms" {
            put = put.header("x-amz-server-side-encryption-aws-kms-key-id", "photos");
        }
        put.send().await.expect(200);
        let put = annotate(&server, &path, "n", &text).send().await.expect(200);
        assert_eq!(put.header(ALGORITHM), Some(told));
        let got = read(&server, &path, "n").await.expect(200);
        assert!(got.text() == text, "{key}");
        assert_eq!((got.header(ALGORITHM), got.header("etag")), (Some(told), put.header("etag")));
        let digest = format!("\"{}\"", hex::encode(Md5::digest(&text)));
        assert_eq!(put.header("etag") == Some(&digest), told == "AES256", "E4");
        let listed = server.ask("GET", &format!("{path}?annotation")).send().await.expect(200);
        assert_eq!(listed.element("Size"), Some(text.len().to_string().as_str()));
    }
    let dump = server.store.dump();
    assert!(!has(&dump, MARK.as_bytes()), "plain bytes are with the store");
}

#[tokio::test]
async fn objects_under_clients_keys_have_no_annotations() {
    let server = Server::with_bucket().await;
    let mut put = server.ask("PUT", "/box/own").body("object");
    for (name, value) in [
        ("algorithm", "AES256".to_owned()),
        ("key", STANDARD.encode([b'k'; 32])),
        ("key-md5", STANDARD.encode(Md5::digest([b'k'; 32]))),
    ] {
        put = put.header(&format!("x-amz-server-side-encryption-customer-{name}"), &value);
    }
    put.send().await.expect(200);
    let refused = annotate(&server, "/box/own", "n", "x").send().await;
    refused.expect_error(400, "InvalidRequest");
    assert!(refused.element("Message").unwrap().contains("SSE-C"));
    assert_eq!(names(&server, "/box/own").await.len(), 0);
}

#[tokio::test]
async fn copies_take_annotations_along_unless_told_otherwise() {
    let server = Server::with_bucket().await;
    server.put("/box/key", "object").await;
    annotate(&server, "/box/key", "a", "first").send().await.expect(200);
    let sum =
        annotate(&server, "/box/key", "b", MARK).header("x-amz-sdk-checksum-algorithm", "CRC32");
    sum.send().await.expect(200);
    let copy =
        |to: &str| server.ask("PUT", &format!("/box/{to}")).header("x-amz-copy-source", "/box/key");
    copy("default").send().await.expect(200);
    copy("copy").header(DIRECTIVE, "COPY").send().await.expect(200);
    copy("excluded").header(DIRECTIVE, "EXCLUDE").send().await.expect(200);
    copy(&format!("parameter?{DIRECTIVE}=EXCLUDE")).send().await.expect(200);
    copy("wrong").header(DIRECTIVE, "REPLACE").send().await.expect_error(400, "InvalidArgument");
    copy("kms").header(ALGORITHM, "aws:kms").send().await.expect(200);
    for key in ["default", "copy", "kms"] {
        let path = format!("/box/{key}");
        assert_eq!(names(&server, &path).await, ["a", "b"]);
        let got = read(&server, &path, "b").await.expect(200);
        assert_eq!(got.text(), MARK);
        let told = if key == "kms" { "aws:kms" } else { "AES256" };
        assert_eq!(got.header(ALGORITHM), Some(told));
        let listed = server.ask("GET", &format!("{path}?annotation")).send().await.expect(200);
        assert_eq!(listed.elements("ChecksumAlgorithm"), ["CRC32"]);
    }
    for key in ["excluded", "parameter"] {
        assert_eq!(names(&server, &format!("/box/{key}")).await.len(), 0, "{key}");
    }
    // Onto itself.
    let replaced = copy("key").header("x-amz-metadata-directive", "REPLACE");
    replaced.send().await.expect(200);
    assert_eq!(names(&server, "/box/key").await, ["a", "b"]);
    assert!(!has(&server.store.dump(), MARK.as_bytes()));
}

#[tokio::test]
async fn locks_keep_annotations_from_being_deleted() {
    let server = Server::start().await;
    let create = server.ask("PUT", "/box").header("x-amz-bucket-object-lock-enabled", "true");
    create.send().await.expect(200);
    for (mode, is_bypassed) in [("GOVERNANCE", true), ("COMPLIANCE", false)] {
        let put = server.ask("PUT", "/box/key").header("x-amz-object-lock-mode", mode);
        let until = put.header("x-amz-object-lock-retain-until-date", "2026-02-02T03:04:05Z");
        until
            .body("object")
            .header("content-md5", &STANDARD.encode(Md5::digest("object")))
            .send()
            .await
            .expect(200);
        annotate(&server, "/box/key", "n", "x").send().await.expect(200);
        annotate(&server, "/box/key", "n", "y").send().await.expect(200);
        let delete = || server.ask("DELETE", &uri("/box/key", "n"));
        delete().send().await.expect_error(403, "AccessDenied");
        let bypass = delete().header("x-amz-bypass-governance-retention", "true").send().await;
        assert_eq!(bypass.status.is_success(), is_bypassed, "{mode}");
    }
}

#[tokio::test]
async fn names_are_escaped_in_answers() {
    let server = Server::with_bucket().await;
    let key = "/box/%3Cb%3E";
    server.put(key, "object").await;
    let put = annotate(&server, key, "n", "<b>").send().await.expect(200);
    assert_eq!(put.element("Key"), Some("&lt;b&gt;"));
    let listed = server.ask("GET", &format!("{key}?annotation")).send().await.expect(200);
    assert_eq!(listed.element("Key"), Some("&lt;b&gt;"));
}
