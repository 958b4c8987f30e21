//! Versions, delete markers, locks, tags and attributes, as a client sees them.

use crate::support::{Reply, Server};

const ENABLE: &str = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
const SUSPEND: &str =
    "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>";

async fn versioned() -> Server {
    let server = Server::with_bucket().await;
    server.ask("PUT", "/box?versioning").body(ENABLE).send().await.expect(200);
    server
}

fn version(reply: &Reply) -> String {
    reply.header("x-amz-version-id").unwrap().to_owned()
}

#[tokio::test]
async fn a_bucket_tells_whether_it_keeps_versions() {
    let server = Server::with_bucket().await;
    let status = async || {
        let reply = server.ask("GET", "/box?versioning").send().await.expect(200);
        reply.element("Status").map(str::to_owned)
    };
    assert_eq!(status().await, None);
    server.ask("PUT", "/box?versioning").body(ENABLE).send().await.expect(200);
    assert_eq!(status().await.as_deref(), Some("Enabled"));
    server.ask("PUT", "/box?versioning").body(SUSPEND).send().await.expect(200);
    assert_eq!(status().await.as_deref(), Some("Suspended"));
    let wrong = "<VersioningConfiguration><Status>On</Status></VersioningConfiguration>";
    let reply = server.ask("PUT", "/box?versioning").body(wrong).send().await;
    reply.expect_error(400, "IllegalVersioningConfigurationException");
}

#[tokio::test]
async fn each_version_is_read_and_deleted_by_its_id() {
    let server = versioned().await;
    let first = version(&server.put("/box/key", "one").await);
    let second = version(&server.put("/box/key", "two").await);
    let by = |id: &str| format!("/box/key?versionId={id}");
    let reply = server.ask("GET", "/box/key").send().await.expect(200);
    assert_eq!((reply.text(), version(&reply)), ("two", second.clone()));
    assert_eq!(server.ask("GET", &by(&first)).send().await.expect(200).text(), "one");
    let marker = server.ask("DELETE", "/box/key").send().await.expect(204);
    assert_eq!(marker.header("x-amz-delete-marker"), Some("true"));
    let gone = server.ask("GET", "/box/key").send().await;
    gone.expect_error(404, "NoSuchKey");
    assert_eq!(gone.header("x-amz-delete-marker"), Some("true"));
    let named = server.ask("GET", &by(&version(&marker))).send().await;
    named.expect_error(405, "MethodNotAllowed");
    assert_eq!(named.header("x-amz-delete-marker"), Some("true"));
    let removed = server.ask("DELETE", &by(&version(&marker))).send().await.expect(204);
    assert_eq!(removed.header("x-amz-delete-marker"), Some("true"));
    assert_eq!(server.ask("GET", "/box/key").send().await.expect(200).text(), "two");
    server.ask("DELETE", &by(&second)).send().await.expect(204);
    assert_eq!(server.ask("GET", "/box/key").send().await.expect(200).text(), "one");
    server.ask("GET", &by(&second)).send().await.expect_error(404, "NoSuchVersion");
    server.ask("GET", &by("7")).send().await.expect_error(400, "InvalidArgument");
    server.ask("DELETE", "/box").send().await.expect_error(409, "BucketNotEmpty");
}

#[tokio::test]
async fn versions_are_listed_newest_first_page_by_page() {
    let server = versioned().await;
    for key in ["a", "b/1", "b/2"] {
        server.put(&format!("/box/{key}"), "x").await;
    }
    server.put("/box/a", "y").await;
    server.ask("DELETE", "/box/a").send().await.expect(204);
    let all = server.ask("GET", "/box?versions").send().await.expect(200);
    assert_eq!(all.elements("IsLatest").iter().filter(|latest| **latest == "true").count(), 3);
    assert_eq!(all.elements("Key"), ["a", "a", "a", "b/1", "b/2"]);
    assert_eq!(all.text().matches("<DeleteMarker>").count(), 1);
    let rolled = server.ask("GET", "/box?versions&delimiter=/&prefix=b").send().await.expect(200);
    assert_eq!(rolled.text().matches("<Version>").count(), 0);
    assert!(rolled.text().contains("<CommonPrefixes><Prefix>b/</Prefix></CommonPrefixes>"));
    let (mut seen, mut marker) = (Vec::new(), String::new());
    loop {
        let uri = format!("/box?versions&max-keys=2{marker}");
        let page = server.ask("GET", &uri).send().await.expect(200);
        seen.extend(page.elements("VersionId").iter().map(|id| (*id).to_owned()));
        if page.element("IsTruncated") == Some("false") {
            break;
        }
        let key = page.element("NextKeyMarker").unwrap();
        let id = page.element("NextVersionIdMarker").unwrap();
        marker = format!("&key-marker={key}&version-id-marker={id}");
    }
    assert_eq!(seen, all.elements("VersionId"));
    let alone = server.ask("GET", "/box?versions&version-id-marker=null").send().await;
    alone.expect_error(400, "InvalidArgument");
}

#[tokio::test]
async fn a_suspended_bucket_replaces_its_null_version() {
    let server = Server::with_bucket().await;
    server.put("/box/key", "plain").await;
    server.ask("PUT", "/box?versioning").body(ENABLE).send().await.expect(200);
    let kept = version(&server.put("/box/key", "kept").await);
    server.ask("PUT", "/box?versioning").body(SUSPEND).send().await.expect(200);
    server.put("/box/key", "null").await;
    let list = server.ask("GET", "/box?versions").send().await.expect(200);
    assert_eq!(list.elements("VersionId"), ["null", kept.as_str()]);
    let read = server.ask("GET", "/box/key?versionId=null").send().await.expect(200);
    assert_eq!(read.text(), "null");
}

#[tokio::test]
async fn a_version_is_copied_by_its_id() {
    let server = versioned().await;
    let first = version(&server.put("/box/key", "one").await);
    server.put("/box/key", "two").await;
    let source = format!("/box/key?versionId={first}");
    let copy = server.ask("PUT", "/box/copy").header("x-amz-copy-source", &source);
    let reply = copy.send().await.expect(200);
    assert_eq!(reply.header("x-amz-copy-source-version-id"), Some(first.as_str()));
    assert!(reply.header("x-amz-version-id").is_some());
    assert_eq!(server.ask("GET", "/box/copy").send().await.expect(200).text(), "one");
}

#[tokio::test]
async fn bulk_deletes_name_versions() {
    let server = versioned().await;
    let first = version(&server.put("/box/key", "one").await);
    let body = format!(
        "<Delete><Object><Key>key</Key><VersionId>{first}</VersionId></Object><Object><Key>key\
         </Key></Object></Delete>"
    );
    let reply = server.ask("POST", "/box?delete").body(body).send().await.expect(200);
    assert_eq!(reply.elements("Key"), ["key", "key"]);
    assert_eq!(reply.elements("DeleteMarker"), ["true"]);
    let list = server.ask("GET", "/box?versions").send().await.expect(200);
    assert_eq!(list.text().matches("<Version>").count(), 0);
}

async fn locked() -> Server {
    let server = Server::start().await;
    let create = server.ask("PUT", "/box").header("x-amz-bucket-object-lock-enabled", "true");
    create.send().await.expect(200);
    server
}

#[tokio::test]
async fn locks_keep_versions_until_they_are_over() {
    let server = locked().await;
    let put = server
        .ask("PUT", "/box/key")
        .header("x-amz-object-lock-mode", "GOVERNANCE")
        .header("x-amz-object-lock-retain-until-date", "2026-01-02T04:00:00Z")
        .body("x");
    let id = version(&put.send().await.expect(200));
    let uri = format!("/box/key?versionId={id}");
    let head = server.ask("HEAD", "/box/key").send().await.expect(200);
    assert_eq!(head.header("x-amz-object-lock-mode"), Some("GOVERNANCE"));
    server.ask("DELETE", &uri).send().await.expect_error(403, "AccessDenied");
    // Without a version it is only hidden.
    server.ask("DELETE", "/box/key").send().await.expect(204);
    let shorter = "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2026-01-02T03:30:00Z\
                   </RetainUntilDate></Retention>";
    let put = |uri: &str| server.ask("PUT", &format!("{uri}&retention")).body(shorter);
    put(&uri).send().await.expect_error(403, "AccessDenied");
    let bypassed = put(&uri).header("x-amz-bypass-governance-retention", "true");
    bypassed.send().await.expect(200);
    server.clock.advance_seconds(3600);
    server.ask("DELETE", &uri).send().await.expect(204);
}

#[tokio::test]
async fn a_bucket_locks_what_says_nothing_itself() {
    let server = locked().await;
    let rule = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule>\
                <DefaultRetention><Mode>COMPLIANCE</Mode><Days>1</Days></DefaultRetention></Rule>\
                </ObjectLockConfiguration>";
    server.ask("PUT", "/box?object-lock").body(rule).send().await.expect(200);
    let told = server.ask("GET", "/box?object-lock").send().await.expect(200);
    assert_eq!((told.element("Mode"), told.element("Days")), (Some("COMPLIANCE"), Some("1")));
    let id = version(&server.put("/box/key", "x").await);
    let retention = server.ask("GET", "/box/key?retention").send().await.expect(200);
    assert_eq!(retention.element("RetainUntilDate"), Some("2026-01-03T03:04:05.000Z"));
    let uri = format!("/box/key?versionId={id}");
    let delete = server.ask("DELETE", &uri).header("x-amz-bypass-governance-retention", "true");
    delete.send().await.expect_error(403, "AccessDenied");
    let suspend = server.ask("PUT", "/box?versioning").body(SUSPEND).send().await;
    suspend.expect_error(409, "InvalidBucketState");
}

#[tokio::test]
async fn locks_are_for_buckets_that_have_them() {
    let server = Server::with_bucket().await;
    server.put("/box/key", "x").await;
    let get = |what: &str| server.ask("GET", &format!("/box/key?{what}"));
    get("retention").send().await.expect_error(400, "InvalidRequest");
    get("legal-hold").send().await.expect_error(400, "InvalidRequest");
    let bucket = server.ask("GET", "/box?object-lock").send().await;
    bucket.expect_error(404, "ObjectLockConfigurationNotFoundError");
    let server = locked().await;
    server.put("/box/key", "x").await;
    let get = |what: &str| server.ask("GET", &format!("/box/key?{what}"));
    get("retention").send().await.expect_error(404, "NoSuchObjectLockConfiguration");
    let hold = |status: &str| {
        let body = format!("<LegalHold><Status>{status}</Status></LegalHold>");
        server.ask("PUT", "/box/key?legal-hold").body(body)
    };
    hold("ON").send().await.expect(200);
    hold("OFF").send().await.expect(200);
    assert_eq!(get("legal-hold").send().await.expect(200).element("Status"), Some("OFF"));
}

#[tokio::test]
async fn tags_are_set_by_header_and_document_and_counted() {
    let server = Server::with_bucket().await;
    let put = server.ask("PUT", "/box/key").header("x-amz-tagging", "b=2&a=1").body("x");
    put.send().await.expect(200);
    let get = server.ask("GET", "/box/key").send().await.expect(200);
    assert_eq!(get.header("x-amz-tagging-count"), Some("2"));
    let tags = server.ask("GET", "/box/key?tagging").send().await.expect(200);
    assert_eq!(tags.elements("Key"), ["a", "b"]);
    let copy = server.ask("PUT", "/box/copy").header("x-amz-copy-source", "/box/key");
    copy.send().await.expect(200);
    let copied = server.ask("GET", "/box/copy?tagging").send().await.expect(200);
    assert_eq!(copied.elements("Value"), ["1", "2"]);
    let replaced = server
        .ask("PUT", "/box/copy")
        .header("x-amz-copy-source", "/box/key")
        .header("x-amz-tagging-directive", "REPLACE")
        .header("x-amz-tagging", "c=3");
    replaced.send().await.expect(200);
    let replaced = server.ask("GET", "/box/copy?tagging").send().await.expect(200);
    assert_eq!(replaced.elements("Key"), ["c"]);
    server.ask("DELETE", "/box/key?tagging").send().await.expect(204);
    let none = server.ask("GET", "/box/key?tagging").send().await.expect(200);
    assert!(none.elements("Key").is_empty());
}

#[tokio::test]
async fn attributes_are_told_as_they_are_asked_for() {
    let server = Server::with_bucket().await;
    let put = server
        .ask("PUT", "/box/key")
        .header("x-amz-checksum-crc32", "jNwWgw==")
        .header("x-amz-storage-class", "STANDARD_IA")
        .body("x");
    put.send().await.expect(200);
    let ask = |names: &str| {
        server.ask("GET", "/box/key?attributes").header("x-amz-object-attributes", names)
    };
    let reply = ask("ETag,Checksum,StorageClass,ObjectSize").send().await.expect(200);
    assert_eq!(reply.element("ETag"), Some("9dd4e461268c8034f5c8564e155c67a6"));
    assert_eq!(reply.element("ChecksumCRC32"), Some("jNwWgw=="));
    assert_eq!(reply.element("StorageClass"), Some("STANDARD_IA"));
    assert_eq!(reply.element("ObjectSize"), Some("1"));
    let reply = ask("ObjectSize").send().await.expect(200);
    assert_eq!(reply.element("ETag"), None);
    ask("Size").send().await.expect_error(400, "InvalidArgument");
    let none = server.ask("GET", "/box/key?attributes").send().await;
    none.expect_error(400, "InvalidRequest");
}

#[tokio::test]
async fn cross_origin_requests_follow_the_rules_of_the_bucket() {
    let server = Server::with_bucket().await;
    server.put("/box/key", "x").await;
    let preflight = |origin: &str| {
        server
            .ask("OPTIONS", "/box/key")
            .header("origin", origin)
            .header("access-control-request-method", "GET")
    };
    preflight("http://a").send_as_is().await.expect_error(403, "AccessDenied");
    let rules = "<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>\
                 http://a</AllowedOrigin><ExposeHeader>etag</ExposeHeader></CORSRule>\
                 </CORSConfiguration>";
    server.ask("PUT", "/box?cors").body(rules).send().await.expect(200);
    let allowed = preflight("http://a").send_as_is().await.expect(200);
    assert_eq!(allowed.header("access-control-allow-origin"), Some("http://a"));
    preflight("http://b").send_as_is().await.expect_error(403, "AccessDenied");
    let get = |origin: &str| server.ask("GET", "/box/key").header("origin", origin);
    let told = get("http://a").send().await.expect(200);
    assert_eq!(told.header("access-control-expose-headers"), Some("etag"));
    let untold = get("http://b").send().await.expect(200);
    assert_eq!(untold.header("access-control-allow-origin"), None);
    server.ask("DELETE", "/box?cors").send().await.expect(204);
    server.ask("GET", "/box?cors").send().await.expect_error(404, "NoSuchCORSConfiguration");
}
