//! Known flaws of authorisation in stores of this kind: conditions, second resources, anonymous
//! callers, lists of grants, locks.

use crate::principals::{credentials, directory};
use crate::support::Server;
use s3api::config::NewBuckets;
use s3api::xml::settings::{Ownership, PublicAccessBlock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const ALL: &str = "{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"*\"}";

/// A server with users, and the bucket `box` of `owner` with the object `key`.
pub async fn with_users(users: &[(&str, Option<&str>)], new_buckets: NewBuckets) -> Server {
    let mut all = vec![("owner", Some(ALL))];
    all.extend(users);
    let server = Server::start_with(|config| {
        config.users = directory(&all);
        config.new_buckets = new_buckets;
    })
    .await;
    server.ask("PUT", "/box").send_as(&credentials("owner")).await.expect(200);
    let put = server.ask("PUT", "/box/key").header("x-amz-tagging", "team=red").body("secret");
    put.send_as(&credentials("owner")).await.expect(200);
    server
}

/// Without the defaults that keep grants and the public out.
pub fn open() -> NewBuckets {
    NewBuckets { ownership: Ownership::ObjectWriter, block: PublicAccessBlock::default() }
}

pub async fn set_policy(server: &Server, statements: &str) {
    let policy = format!("{{\"Version\":\"2012-10-17\",\"Statement\":[{statements}]}}");
    let put = server.ask("PUT", "/box?policy").body(policy);
    put.send_as(&credentials("owner")).await.expect(204);
}

#[tokio::test]
async fn cve_2026_21862_forwarded_addresses_are_no_source() {
    let server = with_users(&[("bob", None)], open()).await;
    set_policy(
        &server,
        "{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:GetObject\",\"Resource\":\
         \"arn:aws:s3:::box/*\",\"Condition\":{\"IpAddress\":{\"aws:SourceIp\":\"10.9.8.7/32\"}}}",
    )
    .await;
    for name in ["x-forwarded-for", "x-real-ip", "forwarded", "x-amz-source-ip", "aws:SourceIp"] {
        let name = name.replace(':', "-");
        let ask = server.ask("GET", "/box/key").header(&name, "10.9.8.7");
        ask.send_as_is().await.expect_error(403, "AccessDenied");
    }
    set_policy(
        &server,
        "{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:GetObject\",\"Resource\":\
         \"arn:aws:s3:::box/*\",\"Condition\":{\"IpAddress\":{\"aws:SourceIp\":\"127.0.0.0/8\"}}}",
    )
    .await;
    server.ask("GET", "/box/key").send_as_is().await.expect(200);
}

#[tokio::test]
async fn ghsa_6r96_headers_and_parameters_are_no_condition_keys() {
    let server = with_users(&[], open()).await;
    set_policy(
        &server,
        "{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:GetObject\",\"Resource\":\
         \"arn:aws:s3:::box/*\",\"Condition\":{\"StringEquals\":{\"aws:username\":\"owner\"}}},\
         {\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:GetObject\",\"Resource\":\
         \"arn:aws:s3:::box/*\",\"Condition\":{\"StringEquals\":{\"s3:ExistingObjectTag/team\":\
         \"blue\"}}},{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:GetObject\",\
         \"Resource\":\"arn:aws:s3:::box/*\",\"Condition\":{\"Bool\":{\"aws:SecureTransport\":\
         \"true\"}}}",
    )
    .await;
    for (name, value) in [
        ("username", "owner"),
        ("aws-username", "owner"),
        ("x-amz-username", "owner"),
        ("existingobjecttag-team", "blue"),
        ("x-amz-tagging", "team=blue"),
        ("securetransport", "true"),
        ("x-forwarded-proto", "https"),
    ] {
        let ask = server.ask("GET", "/box/key").header(name, value);
        ask.send_as_is().await.expect_error(403, "AccessDenied");
        let ask = server.ask("GET", &format!("/box/key?{name}={value}&aws:username=owner"));
        ask.send_as_is().await.expect_error(403, "AccessDenied");
    }
}

#[tokio::test]
async fn ghsa_5w8r_tags_of_objects_reach_the_policy() {
    let server = with_users(&[], open()).await;
    let statement = |team: &str| {
        format!(
            "{{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:GetObject\",\"Resource\":\
             \"arn:aws:s3:::box/*\",\"Condition\":{{\"StringEquals\":\
             {{\"s3:ExistingObjectTag/team\":\"{team}\"}}}}}}"
        )
    };
    set_policy(&server, &statement("blue")).await;
    server.ask("GET", "/box/key").send_as_is().await.expect_error(403, "AccessDenied");
    set_policy(&server, &statement("red")).await;
    server.ask("GET", "/box/key").send_as_is().await.expect(200);
}

#[tokio::test]
async fn ghsa_3ppv_a_version_needs_the_permission_for_versions() {
    let get = "{\"Effect\":\"Allow\",\"Action\":\"s3:GetObject\",\"Resource\":\"*\"}";
    let server = with_users(&[("bob", Some(get))], NewBuckets::default()).await;
    let bob = credentials("bob");
    server.ask("GET", "/box/key").send_as(&bob).await.expect(200);
    for uri in ["/box/key?versionId=null", "/box/key?versionId=00000000000000000000000000000001"] {
        server.ask("GET", uri).send_as(&bob).await.expect_error(403, "AccessDenied");
    }
    let source = "/box/key?versionId=null";
    let copy = server.ask("PUT", "/box/copy").header("x-amz-copy-source", source);
    copy.send_as(&bob).await.expect_error(403, "AccessDenied");
}

#[tokio::test]
async fn ghsa_mx42_sources_of_copies_are_authorised() {
    let put = "{\"Effect\":\"Allow\",\"Action\":[\"s3:PutObject\",\"s3:GetObject\"],\"Resource\":\
               \"arn:aws:s3:::mine/*\"}";
    let server = with_users(&[("bob", Some(put))], NewBuckets::default()).await;
    let (owner, bob) = (credentials("owner"), credentials("bob"));
    server.ask("PUT", "/mine").send_as(&owner).await.expect(200);
    let copy = server.ask("PUT", "/mine/stolen").header("x-amz-copy-source", "/box/key");
    copy.send_as(&bob).await.expect_error(403, "AccessDenied");
    let upload = server.ask("POST", "/mine/stolen?uploads").send_as(&bob).await.expect(200);
    let uri = format!("/mine/stolen?partNumber=1&uploadId={}", upload.element("UploadId").unwrap());
    let part = server.ask("PUT", &uri).header("x-amz-copy-source", "/box/key");
    part.send_as(&bob).await.expect_error(403, "AccessDenied");
}

#[tokio::test]
async fn ghsa_wfxj_conditions_see_the_source_of_a_copy() {
    let allowed = "{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"*\"},{\"Effect\":\
                   \"Deny\",\"Action\":\"s3:PutObject\",\"Resource\":\"*\",\"Condition\":\
                   {\"StringLike\":{\"s3:x-amz-copy-source\":\"*/key\"}}}";
    let server = with_users(&[("bob", Some(allowed))], NewBuckets::default()).await;
    let bob = credentials("bob");
    let copy = server.ask("PUT", "/box/copy").header("x-amz-copy-source", "/box/key");
    copy.send_as(&bob).await.expect_error(403, "AccessDenied");
    server.ask("PUT", "/box/other").body("x").send_as(&bob).await.expect(200);
}

#[tokio::test]
async fn ghsa_x298_anonymous_listings_of_versions_respect_the_block() {
    let server = with_users(&[], open()).await;
    let owner = credentials("owner");
    let acl = server.ask("PUT", "/box?acl").header("x-amz-acl", "public-read");
    acl.send_as(&owner).await.expect(200);
    server.ask("GET", "/box?versions").send_as_is().await.expect(200);
    let put = server.ask("PUT", "/box?publicAccessBlock").body(PublicAccessBlock::ALL.write());
    put.send_as(&owner).await.expect(200);
    for uri in ["/box?versions", "/box", "/box?list-type=2", "/box?uploads"] {
        server.ask("GET", uri).send_as_is().await.expect_error(403, "AccessDenied");
    }
    // A public policy gives strangers nothing either, and a new one is refused.
    let policy = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\
                  \"*\",\"Action\":\"s3:ListBucketVersions\",\"Resource\":\"arn:aws:s3:::box\"}]}";
    let put = server.ask("PUT", "/box?policy").body(policy);
    put.send_as(&owner).await.expect_error(403, "AccessDenied");
}

#[tokio::test]
async fn cve_2023_25812_a_denied_bypass_keeps_the_version() {
    let denied = "{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"*\"},{\"Effect\":\
                  \"Deny\",\"Action\":\"s3:BypassGovernanceRetention\",\"Resource\":\"*\"}";
    let server = with_users(&[("bob", Some(denied))], NewBuckets::default()).await;
    let bob = credentials("bob");
    let create = server.ask("PUT", "/locked").header("x-amz-bucket-object-lock-enabled", "true");
    create.send_as(&bob).await.expect(200);
    let put = server
        .ask("PUT", "/locked/key")
        .header("x-amz-object-lock-mode", "GOVERNANCE")
        .header("x-amz-object-lock-retain-until-date", "2027-01-01T00:00:00Z")
        .body("x");
    let reply = put.send_as(&bob).await.expect(200);
    let id = reply.header("x-amz-version-id").unwrap().to_owned();
    let uri = format!("/locked/key?versionId={id}");
    let delete = server.ask("DELETE", &uri).header("x-amz-bypass-governance-retention", "true");
    delete.send_as(&bob).await.expect_error(403, "AccessDenied");
    let body =
        format!("<Delete><Object><Key>key</Key><VersionId>{id}</VersionId></Object></Delete>");
    let bulk = server
        .ask("POST", "/locked?delete")
        .header("x-amz-bypass-governance-retention", "true")
        .body(body);
    assert_eq!(bulk.send_as(&bob).await.expect(200).elements("Code"), ["AccessDenied"]);
    server.ask("GET", &uri).send_as(&bob).await.expect(200);
}

#[tokio::test]
async fn cve_2020_1760_whoever_did_not_sign_shapes_no_answer() {
    let server = with_users(&[], open()).await;
    let acl = server.ask("PUT", "/box/key?acl").header("x-amz-acl", "public-read");
    acl.send_as(&credentials("owner")).await.expect(200);
    server.ask("GET", "/box/key").send_as_is().await.expect(200);
    for parameter in ["response-content-type=text/html", "response-content-disposition=inline"] {
        let ask = server.ask("GET", &format!("/box/key?{parameter}"));
        ask.send_as_is().await.expect_error(400, "InvalidRequest");
    }
}

#[tokio::test]
async fn new_buckets_are_private_and_take_no_grants() {
    let server = with_users(&[("bob", Some(ALL))], NewBuckets::default()).await;
    let owner = credentials("owner");
    server.ask("GET", "/box/key").send_as_is().await.expect_error(403, "AccessDenied");
    let block = server.ask("GET", "/box?publicAccessBlock").send_as(&owner).await.expect(200);
    assert_eq!(block.text().matches(">true<").count(), 4);
    let acl = server.ask("PUT", "/box?acl").header("x-amz-acl", "public-read");
    acl.send_as(&owner).await.expect_error(400, "AccessControlListNotSupported");
    let put = server.ask("PUT", "/box/open").header("x-amz-acl", "public-read").body("x");
    put.send_as(&owner).await.expect_error(400, "AccessControlListNotSupported");
    let create = server.ask("PUT", "/open").header("x-amz-acl", "public-read");
    create.send_as(&owner).await.expect_error(400, "InvalidBucketAclWithObjectOwnership");
}

#[tokio::test]
async fn absences_are_told_to_whoever_may_list() {
    let get = "{\"Effect\":\"Allow\",\"Action\":\"s3:GetObject\",\"Resource\":\"*\"}";
    let both = "{\"Effect\":\"Allow\",\"Action\":[\"s3:GetObject\",\"s3:ListBucket\"],\"Resource\":\
                \"*\"}";
    let users = [("bob", Some(get)), ("eve", Some(both))];
    let server = with_users(&users, NewBuckets::default()).await;
    let ask = || server.ask("GET", "/box/none");
    ask().send_as(&credentials("bob")).await.expect_error(403, "AccessDenied");
    ask().send_as(&credentials("eve")).await.expect_error(404, "NoSuchKey");
}

#[tokio::test]
async fn each_key_of_a_bulk_delete_is_decided_about() {
    let some = "{\"Effect\":\"Allow\",\"Action\":\"s3:DeleteObject\",\"Resource\":\
                \"arn:aws:s3:::box/mine/*\"}";
    let server = with_users(&[("bob", Some(some))], NewBuckets::default()).await;
    let body = "<Delete><Object><Key>mine/a</Key></Object><Object><Key>key</Key></Object></Delete>";
    let bulk = server.ask("POST", "/box?delete").body(body).send_as(&credentials("bob")).await;
    assert_eq!(bulk.expect(200).elements("Code"), ["AccessDenied"]);
    server.ask("GET", "/box/key").send_as(&credentials("owner")).await.expect(200);
}

#[tokio::test]
async fn conditions_of_a_write_can_be_demanded() {
    let demanded = "{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"*\"},{\"Effect\":\
                    \"Deny\",\"Action\":\"s3:PutObject\",\"Resource\":\"*\",\"Condition\":\
                    {\"Null\":{\"s3:if-none-match\":\"true\"}}}";
    let server = with_users(&[("bob", Some(demanded))], NewBuckets::default()).await;
    let bob = credentials("bob");
    let put = || server.ask("PUT", "/box/new").body("x");
    put().send_as(&bob).await.expect_error(403, "AccessDenied");
    put().header("if-none-match", "*").send_as(&bob).await.expect(200);
}

/// What an upload of bob's is answered that a policy denies him while its body comes.
async fn upload_across_a_denial(long_upload_ms: u64, path: &str) -> (Server, String) {
    let server = Server::start_with(|config| {
        config.users = directory(&[("owner", Some(ALL)), ("bob", Some(ALL))]);
        config.limits.long_upload_ms = long_upload_ms;
    })
    .await;
    server.ask("PUT", "/box").send_as(&credentials("owner")).await.expect(200);
    let ask = server.ask("PUT", path).presign_as(&credentials("bob"), 60);
    let ask = ask.header("content-length", "8").header("expect", "100-continue");
    let ask = ask.header("connection", "close");
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&ask.wire()).await.unwrap();
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).await.unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"half").await.unwrap();
    set_policy(
        &server,
        "{\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"s3:PutObject\",\"Resource\":\
         \"arn:aws:s3:::box/*\"}",
    )
    .await;
    stream.write_all(b"half").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    (server, answer)
}

#[tokio::test]
async fn a_right_that_is_taken_away_during_a_long_upload_is_gone_at_its_end() {
    let (server, answer) = upload_across_a_denial(0, "/box/late").await;
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("AccessDenied"), "{answer}");
    let get = server.ask("GET", "/box/late").send_as(&credentials("owner")).await;
    get.expect_error(404, "NoSuchKey");

    let (server, answer) = upload_across_a_denial(60_000, "/box/soon").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "a short one was decided about: {answer}");
    server.ask("GET", "/box/soon").send_as(&credentials("owner")).await.expect(200);
}

#[tokio::test]
async fn annotations_need_permissions_of_their_own() {
    let objects = "{\"Effect\":\"Allow\",\"Action\":[\"s3:*Object\",\"s3:*ObjectVersion\",\
                   \"s3:*Tagging\",\"s3:ListBucket\",\"s3:*Acl\"],\"Resource\":\"*\"}";
    let reader = "{\"Effect\":\"Allow\",\"Action\":\"s3:GetObjectAnnotation\",\"Resource\":\"*\"}";
    let users = [("objects", Some(objects)), ("reader", Some(reader))];
    let server = with_users(&users, NewBuckets::default()).await;
    let note = "/box/key?annotation&annotationName=note";
    let put = server.ask("PUT", note).body("secret").send_as(&credentials("owner")).await;
    put.expect(200);
    for (method, uri) in
        [("GET", note), ("GET", "/box/key?annotation"), ("PUT", note), ("DELETE", note)]
    {
        let objects = server.ask(method, uri).send_as(&credentials("objects")).await;
        objects.expect_error(403, "AccessDenied");
        server.ask(method, uri).send_as_is().await.expect_error(403, "AccessDenied");
        let reader = server.ask(method, uri).send_as(&credentials("reader")).await;
        let may = method == "GET" && uri == note;
        assert_eq!(reader.status, if may { 200 } else { 403 }, "{method} {uri}");
        // Nor does an absence tell anything.
        let absent = uri.replace("key", "nobody");
        let reader = server.ask(method, &absent).send_as(&credentials("reader")).await;
        reader.expect_error(403, "AccessDenied");
    }
    let kept = server.ask("GET", note).send_as(&credentials("owner")).await.expect(200);
    assert_eq!(kept.text(), "secret");
}

#[tokio::test]
async fn copies_take_no_annotations_that_may_not_be_read() {
    let allow = |actions: &str| {
        format!("{{\"Effect\":\"Allow\",\"Action\":[{actions}],\"Resource\":\"*\"}}")
    };
    let copies = allow("\"s3:GetObject\",\"s3:PutObject\"");
    let reads = allow("\"s3:GetObject\",\"s3:PutObject\",\"s3:GetObjectAnnotation\"");
    let writes = allow("\"s3:GetObject\",\"s3:PutObject\",\"s3:PutObjectAnnotation\"");
    let both = allow("\"s3:*Object\",\"s3:*ObjectAnnotation\"");
    let users = [
        ("copies", Some(copies.as_str())),
        ("reads", Some(reads.as_str())),
        ("writes", Some(writes.as_str())),
        ("both", Some(both.as_str())),
    ];
    let server = with_users(&users, NewBuckets::default()).await;
    let copy = |name: &'static str, directive: &'static str| {
        let ask = server.ask("PUT", "/box/copy").header("x-amz-copy-source", "/box/key");
        let ask = ask.header("x-amz-object-annotation-directive", directive);
        let credentials = credentials(name);
        async move { ask.send_as(&credentials).await }
    };
    copy("copies", "COPY").await.expect(200);
    let put = server.ask("PUT", "/box/key?annotation&annotationName=note").body("secret");
    put.send_as(&credentials("owner")).await.expect(200);
    for name in ["copies", "reads", "writes"] {
        copy(name, "COPY").await.expect_error(403, "AccessDenied");
        copy(name, "EXCLUDE").await.expect(200);
    }
    let listed = server.ask("GET", "/box/copy?annotation").send_as(&credentials("owner")).await;
    assert!(listed.expect(200).element("AnnotationName").is_none());
    copy("both", "COPY").await.expect(200);
    let listed = server.ask("GET", "/box/copy?annotation").send_as(&credentials("owner")).await;
    assert_eq!(listed.expect(200).element("AnnotationName"), Some("note"));
}
