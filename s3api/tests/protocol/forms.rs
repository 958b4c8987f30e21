//! Uploads by a form: what its fields say, and what it is answered.

use crate::principals::{credentials, directory};
use crate::support::Server;
use crate::support::form::Form;

pub fn covered(names: &[&str]) -> String {
    let condition = |name: &&str| format!("[\"starts-with\",\"${name}\",\"\"]");
    names.iter().map(condition).collect::<Vec<_>>().join(",")
}

#[tokio::test]
async fn a_form_writes_its_file() {
    let server = Server::with_bucket().await;
    let data = "line\r\n--b\r\n".repeat(30_000);
    let form = Form::new("dir/${filename}", &data).file("C:\\x\\name.txt", &data);
    let form = form.trailing("submit", "Upload").sign(&server.credentials, "");
    let reply = form.send(&server).await.expect(204);
    assert!(reply.body.is_empty());
    let host = server.address.to_string();
    let location = format!("http://{host}/box/dir/name.txt");
    assert_eq!(reply.header("location"), Some(location.as_str()));
    let read = server.ask("GET", "/box/dir/name.txt").send().await.expect(200);
    assert_eq!(read.text(), data);
    assert_eq!(read.header("etag"), reply.header("etag"));
    assert_eq!(read.header("content-type"), Some("binary/octet-stream"));
}

#[tokio::test]
async fn fields_say_what_headers_say() {
    let server = Server::with_bucket().await;
    let tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>";
    let fields = [
        ("Content-Type", "text/plain"),
        ("Cache-Control", "no-cache"),
        ("Content-Disposition", "inline"),
        ("Content-Encoding", "gzip"),
        ("Expires", "Thu, 01 Jan 2026 00:00:00 GMT"),
        ("x-amz-meta-Color", "red"),
        ("x-amz-storage-class", "STANDARD_IA"),
        ("x-amz-website-redirect-location", "/there"),
        ("x-amz-checksum-crc32", "y/Q5Jg=="),
        ("acl", "bucket-owner-full-control"),
        ("tagging", tags),
    ];
    let names = fields.map(|(name, _)| name);
    let mut form = Form::new("key", "123456789").field("x-ignore-me", "x");
    for (name, value) in fields {
        form = form.field(name, value);
    }
    let form = form.sign(&server.credentials, &covered(&names));
    let reply = form.send(&server).await.expect(204);
    assert_eq!(reply.header("x-amz-checksum-crc32"), Some("y/Q5Jg=="));
    let read = server.ask("GET", "/box/key").send().await.expect(200);
    for (name, value) in &fields[..8] {
        assert_eq!(read.header(name), Some(*value), "{name}");
    }
    let tagging = server.ask("GET", "/box/key?tagging").send().await.expect(200);
    assert_eq!((tagging.element("Key"), tagging.element("Value")), (Some("a"), Some("1")));
}

#[tokio::test]
async fn promises_of_the_file_are_held() {
    let server = Server::with_bucket().await;
    let sent_to = &server;
    let send = |name: &'static str, value: &'static str| {
        let form = Form::new("key", "123456789").field(name, value);
        let form = form.sign(&server.credentials, &covered(&[name]));
        async move { form.send(sent_to).await }
    };
    send("x-amz-checksum-crc32", "AAAAAA==").await.expect_error(400, "BadDigest");
    send("x-amz-checksum-sha256", "x").await.expect_error(400, "InvalidRequest");
    send("x-amz-trailer", "x-amz-checksum-crc32").await.expect_error(400, "InvalidRequest");
    send("x-amz-object-lock-legal-hold", "ON").await.expect_error(400, "InvalidRequest");
    send("x-amz-storage-class", "GLACIER").await.expect_error(400, "InvalidStorageClass");
    send("acl", "public-read").await.expect_error(400, "AccessControlListNotSupported");
    send("tagging", "<x/>").await.expect_error(400, "MalformedXML");
    assert!(!server.exists("key").await);
    send("x-amz-sdk-checksum-algorithm", "SHA1").await.expect(204);
}

#[tokio::test]
async fn answers_are_what_the_form_wishes() {
    let server = Server::with_bucket().await;
    let sent_to = &server;
    let send = |name: &'static str, value: &'static str| {
        let form = Form::new("a b", "x").field(name, value);
        let form = form.sign(&server.credentials, &covered(&[name]));
        async move { form.send(sent_to).await }
    };
    let etag = "9dd4e461268c8034f5c8564e155c67a6";
    send("success_action_status", "200").await.expect(200);
    let none = send("success_action_status", "404").await.expect(204);
    assert!(none.body.is_empty());
    let created = send("success_action_status", "201").await.expect(201);
    assert_eq!(created.header("content-type"), Some("application/xml"));
    let found = ["Bucket", "Key", "ETag"].map(|name| created.element(name).unwrap());
    assert_eq!(found, ["box", "a b", &format!("&quot;{etag}&quot;")]);
    assert_eq!(created.element("Location"), created.header("location"));
    assert!(created.header("location").unwrap().ends_with("/box/a%20b"));
    for (redirect, mark) in [("https://example.com/a", '?'), ("http://example.com/?b=c", '&')] {
        let reply = send("success_action_redirect", redirect).await.expect(303);
        let expected = format!("{redirect}{mark}bucket=box&key=a%20b&etag=%22{etag}%22");
        assert_eq!(reply.header("location"), Some(expected.as_str()));
    }
    send("redirect", "https://example.com/").await.expect(303);
    send("success_action_redirect", "javascript:alert(1)").await.expect(204);
}

#[tokio::test]
async fn what_is_missing_or_too_much_is_told() {
    let server = Server::with_bucket().await;
    let form = Form::new("key", "x").sign(&server.credentials, "");
    let reply = form.clone().without("key").send(&server).await;
    reply.expect_error(400, "InvalidArgument");
    assert_eq!(reply.element("ArgumentName"), Some("key"));
    let reply = form.clone().without_file().send(&server).await;
    reply.expect_error(400, "IncorrectNumberOfFilesInPOSTRequest");
    let reply = form.clone().trailing("file", "y").send(&server).await;
    reply.expect_error(400, "IncorrectNumberOfFilesInPOSTRequest");
    let ask = form.ask(&server, "/box").then(|parts| {
        parts.headers.insert("content-type", "application/json".parse().unwrap());
    });
    ask.send_as_is().await.expect_error(412, "PreconditionFailed");
    let reply = form.ask(&server, "/none").send_as_is().await;
    // The policy is for another bucket, and that is told first.
    reply.expect_error(403, "AccessDenied");
    form.ask(&server, "/").send_as_is().await.expect_error(403, "AccessDenied");
    form.ask(&server, "/box/key").send_as_is().await.expect_error(405, "MethodNotAllowed");
    assert!(!server.exists("key").await);
}

#[tokio::test]
async fn lengths_are_within_the_range_of_the_policy() {
    let server = Server::start_with(|config| config.limits.object_len_max = 8).await;
    server.ask("PUT", "/box").send().await.expect(200);
    let sent_to = &server;
    let send = |range: &'static str, data: &'static str| {
        let conditions = format!("[\"content-length-range\",{range}]");
        let form = Form::new("key", data).sign(&server.credentials, &conditions);
        async move { form.send(sent_to).await }
    };
    send("0,2", "123").await.expect_error(400, "EntityTooLarge");
    send("4,5", "123").await.expect_error(400, "EntityTooSmall");
    send("0,100", "123456789").await.expect_error(400, "EntityTooLarge");
    send("2,1", "12").await.expect_error(400, "EntityTooLarge");
    assert!(!server.exists("key").await);
    send("0,0", "").await.expect(204);
    send("3,3", "123").await.expect(204);
}

#[tokio::test]
async fn nobody_uploads_but_where_the_bucket_lets_them() {
    let server = Server::start_with(|config| {
        config.new_buckets.block = Default::default();
        config.users = directory(&[("alice", None)]);
    })
    .await;
    server.ask("PUT", "/box").send().await.expect(200);
    let form = Form::new("open/key", "x");
    form.send(&server).await.expect_error(403, "AccessDenied");
    let policy = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\
                  \"*\",\"Action\":\"s3:PutObject\",\"Resource\":\"arn:aws:s3:::box/open/*\"},\
                  {\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"s3:PutObject\",\
                  \"Resource\":\"arn:aws:s3:::box/*\",\"Condition\":{\"StringEquals\":\
                  {\"s3:x-amz-storage-class\":\"ONEZONE_IA\"}}}]}";
    server.ask("PUT", "/box?policy").body(policy).send().await.expect(204);
    form.send(&server).await.expect(204);
    let elsewhere = Form::new("closed/key", "x").send(&server).await;
    elsewhere.expect_error(403, "AccessDenied");
    let denied = form.clone().field("x-amz-storage-class", "ONEZONE_IA").send(&server).await;
    denied.expect_error(403, "AccessDenied");
    // Tags need a permission of their own.
    let tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>";
    form.clone().field("tagging", tags).send(&server).await.expect_error(403, "AccessDenied");
    // A signer counts as the signer, not as anybody.
    let alice = credentials("alice");
    let signed = Form::new("closed/key", "x").sign(&alice, "");
    signed.send(&server).await.expect_error(403, "AccessDenied");
}

#[tokio::test]
async fn virtual_hosts_take_forms() {
    let server = Server::start_with(|config| {
        config.domains = s3api::host::Domains::new(["s3.example.com".to_owned()]).unwrap();
    })
    .await;
    server.ask("PUT", "/box").send().await.expect(200);
    let form = Form::new("key", "x").sign(&server.credentials, "");
    let reply = form.ask(&server, "/").host("box.s3.example.com").send_as_is().await.expect(204);
    assert_eq!(reply.header("location"), Some("http://box.s3.example.com/key"));
    assert!(server.exists("key").await);
}
