//! Known flaws of forms and their policies.

use crate::principals::{credentials, directory};
use crate::support::Server;
use crate::support::form::{self, Form};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const READ: &str = "{\"Effect\":\"Allow\",\"Action\":[\"s3:Get*\",\"s3:List*\"],\
                    \"Resource\":\"*\"}";
const ALL: &str = "{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"*\"}";

async fn holds_nothing(server: &Server) {
    for bucket in ["/box", "/other"] {
        assert_eq!(server.ask("GET", bucket).send().await.element("Key"), None, "{bucket}");
    }
}

async fn two_buckets() -> Server {
    let server = Server::with_bucket().await;
    server.ask("PUT", "/other").send().await.expect(200);
    server
}

#[tokio::test]
async fn cve_2021_21362_whoever_may_only_read_uploads_by_no_form() {
    let denied = format!(
        "{ALL},{{\"Effect\":\"Deny\",\"Action\":\"s3:PutObject\",\"Resource\":\
         \"arn:aws:s3:::box/no/*\"}}"
    );
    let users = directory(&[("owner", Some(ALL)), ("reader", Some(READ)), ("some", Some(&denied))]);
    let server = Server::start_with(|config| config.users = users).await;
    server.ask("PUT", "/box").send_as(&credentials("owner")).await.expect(200);
    for (name, key, status) in
        [("reader", "key", 403), ("some", "no/key", 403), ("some", "${filename}", 204)]
    {
        let form = Form::new(key, "x").sign(&credentials(name), "");
        assert_eq!(form.send(&server).await.status, status, "{name} {key}");
    }
    // What is authorised is the key that is written.
    let form = Form::new("${filename}/key", "x").file("no", "x").sign(&credentials("some"), "");
    form.send(&server).await.expect_error(403, "AccessDenied");
}

#[tokio::test]
async fn cve_2023_28434_a_policy_is_for_the_bucket_that_it_names() {
    let server = two_buckets().await;
    let key = &server.credentials;
    let form = Form::new("key", "x").sign(key, "");
    form.ask(&server, "/other").send_as_is().await.expect_error(403, "AccessDenied");
    let named = form.clone().field("bucket", "box");
    named.ask(&server, "/other").send_as_is().await.expect_error(403, "AccessDenied");
    // A policy that names no bucket is for none.
    let policy = Form::policy(key, "box", "").into_bytes();
    let policy = String::from_utf8(base64_decode(&policy)).unwrap();
    let policy = base64_encode(&policy.replace("{\"bucket\":\"box\"},", ""));
    let reply = Form::new("key", "x").sign_policy(key, &policy).send(&server).await;
    reply.expect_error(403, "AccessDenied");
    assert!(reply.text().contains("Extra input fields: bucket"), "{}", reply.text());
    // Names of the server itself are no buckets.
    for path in ["/_stave", "/_stave/admin/v1/status", "/.minio.sys"] {
        let reply = form.ask(&server, path).send_as_is().await;
        assert!(matches!(reply.status.as_u16(), 400 | 405 | 501), "{path}: {}", reply.text());
    }
    holds_nothing(&server).await;
}

#[tokio::test]
async fn cve_2023_43040_the_field_bucket_chooses_no_bucket() {
    let server = two_buckets().await;
    for conditions in ["", "{\"bucket\":\"other\"}", "[\"starts-with\",\"$bucket\",\"\"]"] {
        let form = Form::new("key", "x").field("bucket", "other");
        let reply = form.sign(&server.credentials, conditions).send(&server).await;
        reply.expect_error(403, "AccessDenied");
    }
    holds_nothing(&server).await;
    let form = Form::new("key", "x").field("bucket", "box").sign(&server.credentials, "");
    form.send(&server).await.expect(204);
}

#[tokio::test]
async fn ghsa_w5fh_conditions_of_a_policy_are_enforced() {
    let server = two_buckets().await;
    let key = &server.credentials;
    for (name, value, condition) in [
        ("acl", "bucket-owner-read", "{\"acl\":\"private\"}"),
        ("acl", "private ", "[\"eq\",\"$acl\",\"private\"]"),
        ("Content-Type", "text/html", "[\"starts-with\",\"$Content-Type\",\"image/\"]"),
        ("Content-Type", "image/png,text/html", "[\"starts-with\",\"$content-type\",\"image/\"]"),
        ("x-ignore-a", "x", "{\"key\":\"other\"}"),
        ("x-ignore-a", "x", "[\"starts-with\",\"$key\",\"user/\"]"),
        ("x-ignore-a", "x", "{\"x-amz-meta-a\":\"\"}"),
        ("x-ignore-a", "x", "{\"x-amz-meta-a\":\"1\"}"),
    ] {
        let form = Form::new("key", "x").field(name, value).sign(key, condition);
        let reply = form.send(&server).await;
        reply.expect_error(403, "AccessDenied");
        assert!(reply.text().contains("Policy Condition failed"), "{}", reply.text());
    }
    let over = Form::new("key", "xyz").sign(key, "[\"content-length-range\",0,2]");
    over.send(&server).await.expect_error(400, "EntityTooLarge");
    holds_nothing(&server).await;
}

#[tokio::test]
async fn ghsa_w5fh_every_field_is_under_a_condition() {
    let server = two_buckets().await;
    for name in [
        "acl",
        "ACL",
        "Content-Type",
        "x-amz-meta-a",
        "x-amz-storage-class",
        "tagging",
        "success_action_redirect",
        "x-amz-server-side-encryption",
        "anything",
    ] {
        let form = Form::new("key", "x").sign(&server.credentials, "").field(name, "x");
        let reply = form.send(&server).await;
        // Documents are read before.
        let is_refused = matches!(reply.status.as_u16(), 400 | 403);
        assert!(is_refused && reply.element("ETag").is_none(), "{name}: {}", reply.text());
    }
    // The same form was signed without its date, credential or algorithm.
    for name in ["x-amz-date", "x-amz-credential", "x-amz-algorithm"] {
        let policy = base64_decode(Form::policy(&server.credentials, "box", "").as_bytes());
        let policy = String::from_utf8(policy).unwrap().replace(name, "x-ignore-that");
        let form = Form::new("key", "x").field("x-ignore-that", "x");
        let form = form.sign_policy(&server.credentials, &base64_encode(&policy));
        form.send(&server).await.expect_error(403, "AccessDenied");
    }
    holds_nothing(&server).await;
}

#[tokio::test]
async fn fields_twice_are_refused() {
    let server = two_buckets().await;
    for (name, value) in [("key", "other"), ("KEY", "other"), ("policy", ""), ("x-amz-date", "x")] {
        let form = Form::new("key", "x").sign(&server.credentials, "").field(name, value);
        form.send(&server).await.expect_error(400, "MalformedPOSTRequest");
    }
    holds_nothing(&server).await;
}

#[tokio::test]
async fn policies_are_signed_and_signatures_are_whole() {
    let server = two_buckets().await;
    let key = &server.credentials;
    let form = Form::new("key", "x").sign(key, "");
    let right = form.body().split("x-amz-signature\"\r\n\r\n").nth(1).unwrap()[..64].to_owned();
    let flipped = right.replace(&right[..1], if right.starts_with('0') { "1" } else { "0" });
    for (signature, code) in [
        (flipped.as_str(), "SignatureDoesNotMatch"),
        (&"0".repeat(64), "SignatureDoesNotMatch"),
        (&right.to_uppercase(), "InvalidArgument"),
        (&right[..63], "InvalidArgument"),
        ("", "InvalidArgument"),
    ] {
        let reply = form.clone().set("x-amz-signature", signature).send(&server).await;
        assert_eq!(reply.element("Code"), Some(code), "{signature}");
    }
    let other = Form::policy(key, "box", "[\"starts-with\",\"$acl\",\"\"]");
    let reply = form.clone().set("policy", &other).send(&server).await;
    reply.expect_error(403, "SignatureDoesNotMatch");
    let credential = form::credential(key);
    for (name, value, code) in [
        ("x-amz-algorithm", "none", "InvalidArgument"),
        ("x-amz-algorithm", "AWS4-HMAC-SHA1", "InvalidArgument"),
        ("x-amz-date", "20260102", "InvalidArgument"),
        ("x-amz-date", "20260101T000000Z", "InvalidArgument"),
        ("x-amz-credential", "test-key", "InvalidArgument"),
        ("x-amz-credential", &credential.replace("/s3/", "/sts/"), "InvalidArgument"),
        ("x-amz-credential", &credential.replace("us-east-1", "a b"), "InvalidArgument"),
        ("x-amz-credential", &credential.replace("us-east", "eu-west"), "SignatureDoesNotMatch"),
        ("x-amz-credential", &credential.replace("test-key", "nobody"), "InvalidAccessKeyId"),
    ] {
        let reply = form.clone().set(name, value).send(&server).await;
        assert_eq!(reply.element("Code"), Some(code), "{name}: {value}");
    }
    // Half a signature is no anonymous request, and none.
    for name in ["x-amz-signature", "x-amz-credential", "x-amz-date", "x-amz-algorithm", "policy"] {
        let reply = form.clone().without(name).send(&server).await;
        reply.expect_error(400, "InvalidArgument");
    }
    for (name, value) in [("policy", "e30="), ("x-amz-security-token", "x")] {
        let reply = Form::new("key", "x").field(name, value).send(&server).await;
        reply.expect_error(400, "InvalidArgument");
    }
    holds_nothing(&server).await;
    form.send(&server).await.expect(204);
}

#[tokio::test]
async fn forms_are_signed_in_one_way() {
    let server = two_buckets().await;
    let key = &server.credentials;
    let form = Form::new("key", "x").sign(key, "");
    let both = form.clone().field("AWSAccessKeyId", "test-key").field("signature", "x");
    both.send(&server).await.expect_error(400, "InvalidRequest");
    let ask = form.ask(&server, "/box").sign();
    ask.send_as_is().await.expect_error(400, "InvalidRequest");
    let ask = form.ask(&server, "/box").presign(60);
    ask.send_as_is().await.expect_error(400, "InvalidRequest");
    let ask = form.ask(&server, "/box?AWSAccessKeyId=test-key&Signature=x&Expires=1767323100");
    ask.send_as_is().await.expect_error(400, "InvalidRequest");
    holds_nothing(&server).await;
}

#[tokio::test]
async fn version_2_signs_forms_where_it_is_turned_on() {
    let policy = |key: &s3api::Credentials| {
        let text = base64_decode(Form::policy(key, "box", "").as_bytes());
        let text = String::from_utf8(text).unwrap();
        let (start, _) = text.split_once(",{\"x-amz-algorithm").unwrap();
        base64_encode(&format!("{start}]}}"))
    };
    for is_on in [false, true] {
        let server = Server::start_with(|config| config.allows_sigv2 = is_on).await;
        server.ask("PUT", "/box").send().await.expect(200);
        let key = &server.credentials;
        let form = Form::new("key", "x").sign_version_2(key, &policy(key));
        if !is_on {
            form.send(&server).await.expect_error(400, "InvalidRequest");
            continue;
        }
        for (name, value, code) in [
            ("signature", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "SignatureDoesNotMatch"),
            ("signature", "", "SignatureDoesNotMatch"),
            ("AWSAccessKeyId", "nobody", "InvalidAccessKeyId"),
            ("policy", "e30=", "SignatureDoesNotMatch"),
        ] {
            let reply = form.clone().set(name, value).send(&server).await;
            reply.expect_error(403, code);
        }
        for name in ["signature", "AWSAccessKeyId", "policy"] {
            let reply = form.clone().without(name).send(&server).await;
            reply.expect_error(400, "InvalidArgument");
        }
        form.clone().field("acl", "private").send(&server).await.expect_error(403, "AccessDenied");
        assert!(!server.exists("key").await);
        form.send(&server).await.expect(204);
    }
}

#[tokio::test]
async fn forms_end_with_their_policy_and_their_key() {
    let server = two_buckets().await;
    let form = Form::new("key", "x").sign(&server.credentials, "");
    server.clock.advance_seconds(60);
    let reply = form.send(&server).await;
    reply.expect_error(403, "AccessDenied");
    assert!(reply.text().contains("Policy expired."), "{}", reply.text());
    let policy = base64_decode(Form::policy(&server.credentials, "box", "").as_bytes());
    let policy =
        String::from_utf8(policy).unwrap().replace(form::EXPIRATION, "2036-01-01T00:00:00Z");
    let form = Form::new("key", "x").sign_policy(&server.credentials, &base64_encode(&policy));
    server.clock.advance_seconds(604_800 - 60);
    form.send(&server).await.expect(204);
    server.clock.advance_seconds(1);
    form.send(&server).await.expect_error(403, "AccessDenied");
}

#[tokio::test]
async fn fields_are_bounded() {
    let server = two_buckets().await;
    let form = || Form::new("key", "x").sign(&server.credentials, "");
    let long = form().field("x-ignore-a", &"x".repeat(20 << 10));
    long.send(&server).await.expect_error(400, "MaxPostPreDataLengthExceeded");
    let long = form().trailing("submit", &"x".repeat(20 << 10));
    long.send(&server).await.expect_error(400, "MaxPostPreDataLengthExceeded");
    let mut many = form();
    for number in 0..100 {
        many = many.field(&format!("x-ignore-{number}"), "");
    }
    many.send(&server).await.expect_error(400, "MalformedPOSTRequest");
    let meta = Form::new("key", "x").field("x-amz-meta-a", &"x".repeat(2049));
    let meta = meta.sign(&server.credentials, "[\"starts-with\",\"$x-amz-meta-a\",\"\"]");
    meta.send(&server).await.expect_error(400, "MetadataTooLarge");
    holds_nothing(&server).await;
}

#[tokio::test]
async fn forms_without_their_end_leave_no_object() {
    let server = two_buckets().await;
    let body = Form::new("key", "data").sign(&server.credentials, "").body();
    for cut in [body.len() - 4, body.len() - 9, body.len() - 12] {
        let reply = form::ask(&server, "/box", body[..cut].to_owned()).send_as_is().await;
        reply.expect_error(400, "MalformedPOSTRequest");
    }
    for broken in [body.replace("--B", "--C"), format!("x{body}"), body.replace("\r\n", "\n")] {
        let reply = form::ask(&server, "/box", broken).send_as_is().await;
        reply.expect_error(400, "MalformedPOSTRequest");
    }
    holds_nothing(&server).await;
}

#[tokio::test]
async fn cve_2018_1000538_large_forms_are_refused_before_their_file_comes() {
    let server = two_buckets().await;
    let form = Form::new("key", "").sign(&server.credentials, "[\"content-length-range\",0,99]");
    let forged = form.clone().set("x-amz-signature", &"0".repeat(64));
    for (form, status) in [(forged, "403"), (Form::new("key", ""), "403"), (form, "400")] {
        let body = form.body();
        let (fields, _) = body.split_once("\r\n\r\n\r\n--B--").unwrap();
        let ask = form::ask(&server, "/box", format!("{fields}\r\n\r\n"));
        let ask = ask.header("content-length", "1073741824");
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&ask.wire()).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer[9..12], *status.as_bytes());
    }
    holds_nothing(&server).await;
}

#[tokio::test]
async fn fields_inject_no_headers() {
    let server = two_buckets().await;
    let break_in = "https://example.com/\r\nset-cookie: a=b";
    for name in ["success_action_redirect", "redirect"] {
        let condition = format!("[\"starts-with\",\"${name}\",\"\"]");
        let form =
            Form::new("key", "x").field(name, break_in).sign(&server.credentials, &condition);
        let reply = form.send(&server).await.expect(204);
        assert_eq!(reply.header("set-cookie"), None);
    }
    server.ask("DELETE", "/box/key").send().await.expect(204);
    for name in ["x-amz-meta-a", "Content-Type", "x-amz-acl"] {
        let condition = format!("[\"starts-with\",\"${name}\",\"\"]");
        let form = Form::new("key", "x").field(name, "a\r\nx-amz-acl: public-read");
        let reply = form.sign(&server.credentials, &condition).send(&server).await;
        reply.expect_error(400, "InvalidArgument");
    }
    // Headers of the request are none of the write, and nobody signed them.
    let form = Form::new("key", "x").sign(&server.credentials, "");
    let ask = form.ask(&server, "/box").header("x-amz-meta-a", "x").header("x-amz-acl", "x");
    ask.header("x-amz-copy-source", "/box/secret").send_as_is().await.expect(204);
    let read = server.ask("GET", "/box/key").send().await.expect(200);
    assert_eq!((read.header("x-amz-meta-a"), read.text()), (None, "x"));
    // Keys come back as text.
    let form = Form::new("<a>&\"\r\n", "x").field("success_action_status", "201");
    let form = form.sign(&server.credentials, "{\"success_action_status\":\"201\"}");
    let reply = form.send(&server).await.expect(201);
    assert_eq!(reply.element("Key"), Some("&lt;a&gt;&amp;&quot;&#xd;&#xa;"));
    assert!(reply.header("location").unwrap().ends_with("/box/%3Ca%3E%26%22%0D%0A"));
}

fn base64_decode(text: &[u8]) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

fn base64_encode(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}
