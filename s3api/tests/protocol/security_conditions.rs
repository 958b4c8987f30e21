//! Conditions of policies that count only where their keys are filled: from tags of objects, from
//! bodies, from what an operation looks at.

use crate::principals::credentials;
use crate::security_access::{ALL, open, set_policy, with_users};
use crate::sessions::{ROLE, Session, policy};
use crate::support::{Reply, Server};
use s3api::Credentials;
use s3api::config::NewBuckets;

/// A statement on objects, or for everybody where it stands at the bucket.
fn statement(effect: &str, action: &str, condition: &str) -> String {
    format!(
        "{{\"Effect\":\"{effect}\",\"Action\":\"{action}\",\"Resource\":\"arn:aws:s3:::box/*\",\
         \"Condition\":{{{condition}}}}}"
    )
}

/// Everything is allowed but that.
fn all_but(action: &str, condition: &str) -> String {
    format!("{ALL},{}", statement("Deny", action, condition))
}

/// A server with that user.
async fn with_bob(statements: &str) -> (Server, Credentials) {
    let server = with_users(&[("bob", Some(statements))], NewBuckets::default()).await;
    (server, credentials("bob"))
}

async fn delete_if(server: &Server, caller: &Credentials, key: &str, etag: &str) -> Reply {
    let body = format!("<Delete><Object><Key>{key}</Key>{etag}</Object></Delete>");
    server.ask("POST", "/box?delete").body(body).send_as(caller).await.expect(200)
}

#[tokio::test]
async fn ghsa_5w8r_tags_of_objects_reach_every_policy() {
    let red = "\"StringEquals\":{\"s3:ExistingObjectTag/team\":\"red\"}";
    let escaped = red.replace('E', "\\u0045");
    for condition in [red, &escaped] {
        let (server, bob) = with_bob(&all_but("s3:GetObject", condition)).await;
        server.ask("GET", "/box/key").send_as(&bob).await.expect_error(403, "AccessDenied");
        let plain = server.ask("PUT", "/box/plain").body("x");
        plain.send_as(&bob).await.expect(200);
        server.ask("GET", "/box/plain").send_as(&bob).await.expect(200);
    }
    let (server, bob) = with_bob(ALL).await;
    server.ask("GET", "/box/key").send_as(&bob).await.expect(200);
    let parameters = format!("{ROLE}&Policy={}", policy(&all_but("s3:GetObject", red)));
    let session = Session::begin(&server, &bob, &parameters).await;
    session.send(server.ask("GET", "/box/key")).await.expect_error(403, "AccessDenied");
    // What they allow they allow, too.
    let (server, bob) = with_bob(&statement("Allow", "s3:GetObject", red)).await;
    server.ask("GET", "/box/key").send_as(&bob).await.expect(200);
    let (server, bob) =
        with_bob(&statement("Allow", "s3:GetObject", &red.replace("red", "x"))).await;
    server.ask("GET", "/box/key").send_as(&bob).await.expect_error(403, "AccessDenied");
}

#[tokio::test]
async fn bulk_deletes_are_conditional_entry_by_entry() {
    let demanded = all_but("s3:DeleteObject", "\"Null\":{\"s3:if-match\":\"true\"}");
    let (server, bob) = with_bob(&demanded).await;
    server.ask("PUT", "/box/other").body("x").send_as(&bob).await.expect(200);
    let plain = delete_if(&server, &bob, "key", "").await;
    assert_eq!(plain.element("Code"), Some("AccessDenied"));
    // A header that nobody looks at is no condition.
    let body = "<Delete><Object><Key>key</Key></Object></Delete>";
    let header = server.ask("POST", "/box?delete").header("if-match", "\"x\"").body(body);
    let header = header.send_as(&bob).await.expect(200);
    assert_eq!(header.element("Code"), Some("AccessDenied"));
    let wrong = delete_if(&server, &bob, "key", "<ETag>\"x\"</ETag>").await;
    assert_eq!(wrong.element("Code"), Some("PreconditionFailed"));
    let any = delete_if(&server, &bob, "key", "<ETag>*</ETag>").await;
    assert_eq!(any.element("Code"), None);
    let tag = server.ask("HEAD", "/box/other").send_as(&bob).await;
    let tag = format!("<ETag>{}</ETag>", tag.header("etag").unwrap());
    assert_eq!(delete_if(&server, &bob, "other", &tag).await.element("Code"), None);
    for key in ["key", "other"] {
        server.ask("GET", &format!("/box/{key}")).send_as(&bob).await.expect(404);
    }
}

#[tokio::test]
async fn conditions_are_demanded_of_what_creates_objects_alone() {
    let condition = "\"Null\":{\"s3:if-none-match\":\"true\"},\"Bool\":\
                     {\"s3:ObjectCreationOperation\":\"true\"}";
    let (server, bob) = with_bob(&all_but("s3:PutObject", condition)).await;
    let upload = server.ask("POST", "/box/new?uploads").send_as(&bob).await.expect(200);
    let upload_id = upload.element("UploadId").unwrap();
    let part = format!("/box/new?partNumber=1&uploadId={upload_id}");
    let part = server.ask("PUT", &part).body("part").send_as(&bob).await.expect(200);
    let body = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part>\
         </CompleteMultipartUpload>",
        part.header("etag").unwrap()
    );
    let complete =
        || server.ask("POST", &format!("/box/new?uploadId={upload_id}")).body(body.clone());
    complete().send_as(&bob).await.expect_error(403, "AccessDenied");
    complete().header("if-none-match", "*").send_as(&bob).await.expect(200);
    let copy = || server.ask("PUT", "/box/copy").header("x-amz-copy-source", "/box/key");
    copy().send_as(&bob).await.expect_error(403, "AccessDenied");
    copy().header("if-none-match", "*").send_as(&bob).await.expect(200);
    // A header that the operation does not look at satisfies nobody.
    let demanded = all_but("s3:PutObject", "\"Null\":{\"s3:if-none-match\":\"true\"}");
    let (server, bob) = with_bob(&demanded).await;
    let upload = server.ask("POST", "/box/new?uploads").header("if-none-match", "*");
    upload.send_as(&bob).await.expect_error(403, "AccessDenied");
}

#[tokio::test]
async fn entity_tags_are_for_readers_alone() {
    let writer = "{\"Effect\":\"Allow\",\"Action\":[\"s3:PutObject\",\"s3:DeleteObject\",\
                  \"s3:GetObjectAttributes\"],\"Resource\":\"*\"}";
    let (server, bob) = with_bob(writer).await;
    let owner = credentials("owner");
    let tag = server.ask("HEAD", "/box/key").send_as(&owner).await;
    let tag = tag.header("etag").unwrap().to_owned();
    for method in ["PUT", "DELETE"] {
        for guess in [tag.as_str(), "\"x\""] {
            let ask = server.ask(method, "/box/key").header("if-match", guess);
            ask.send_as(&bob).await.expect_error(403, "AccessDenied");
        }
    }
    for guess in [tag.as_str(), "\"x\""] {
        let reply = delete_if(&server, &bob, "key", &format!("<ETag>{guess}</ETag>")).await;
        assert_eq!(reply.element("Code"), Some("AccessDenied"));
    }
    let ask = server.ask("GET", "/box/key?attributes").header("x-amz-object-attributes", "ETag");
    ask.send_as(&bob).await.expect_error(403, "AccessDenied");
    // That something is there is no secret of its bytes.
    server.ask("PUT", "/box/key").header("if-match", "*").body("x").send_as(&bob).await.expect(200);
    let put = server.ask("PUT", "/box/key").header("if-match", &tag).body("y");
    put.send_as(&owner).await.expect_error(412, "PreconditionFailed");
}

#[tokio::test]
async fn what_bodies_say_reaches_the_policy() {
    let tags = |team: &str| {
        format!(
            "<Tagging><TagSet><Tag><Key>team</Key><Value>{team}</Value></Tag></TagSet></Tagging>"
        )
    };
    let condition = "\"StringEquals\":{\"s3:RequestObjectTag/team\":\"red\"}";
    let (server, bob) = with_bob(&all_but("s3:PutObjectTagging", condition)).await;
    let put = |body: String| server.ask("PUT", "/box/key?tagging").body(body);
    put(tags("red")).send_as(&bob).await.expect_error(403, "AccessDenied");
    put(tags("blue")).send_as(&bob).await.expect(200);
    put("<Tagging>".to_owned()).send_as(&bob).await.expect_error(400, "MalformedXML");
    let (server, bob) = with_bob(&statement("Allow", "s3:PutObjectTagging", condition)).await;
    let put = |body: String| server.ask("PUT", "/box/key?tagging").body(body);
    put(tags("red")).send_as(&bob).await.expect(200);
    put(tags("blue")).send_as(&bob).await.expect_error(403, "AccessDenied");
    put("<Tagging>".to_owned()).send_as(&bob).await.expect_error(403, "AccessDenied");
    // A bucket's policy asks the same.
    let server = with_users(&[], open()).await;
    let everybody = statement("Allow", "s3:PutObjectTagging", condition);
    set_policy(&server, &everybody.replacen('{', "{\"Principal\":\"*\",", 1)).await;
    let put = |body: String| server.ask("PUT", "/box/key?tagging").body(body);
    put(tags("blue")).send_as_is().await.expect_error(403, "AccessDenied");
    put(tags("red")).send_as_is().await.expect(200);
}

#[tokio::test]
async fn what_bodies_say_of_locks_reaches_the_policy() {
    let forbidden = format!(
        "{ALL},{},{},{}",
        statement(
            "Deny",
            "s3:PutObjectRetention",
            "\"StringEquals\":{\"s3:object-lock-mode\":\"COMPLIANCE\"}"
        ),
        statement(
            "Deny",
            "s3:PutObjectRetention",
            "\"NumericGreaterThan\":{\"s3:object-lock-remaining-retention-days\":\"10\"}"
        ),
        statement(
            "Deny",
            "s3:PutObjectLegalHold",
            "\"StringEquals\":{\"s3:object-lock-legal-hold\":\"OFF\"}"
        ),
    );
    let server = with_users(&[("bob", Some(&forbidden))], NewBuckets::default()).await;
    let bob = credentials("bob");
    let delete = server.ask("DELETE", "/box/key");
    delete.send_as(&bob).await.expect(204);
    server.ask("DELETE", "/box").send_as(&bob).await.expect(204);
    let make = server.ask("PUT", "/box").header("x-amz-bucket-object-lock-enabled", "true");
    make.send_as(&bob).await.expect(200);
    server.ask("PUT", "/box/key").body("x").send_as(&bob).await.expect(200);
    // Now is the 2nd of January 2026.
    for (mode, day, status) in
        [("COMPLIANCE", "05", 403), ("GOVERNANCE", "20", 403), ("GOVERNANCE", "12", 200)]
    {
        let body = format!(
            "<Retention><Mode>{mode}</Mode><RetainUntilDate>2026-01-{day}T00:00:00Z\
             </RetainUntilDate></Retention>"
        );
        let put = server.ask("PUT", "/box/key?retention").body(body);
        put.send_as(&bob).await.expect(status);
        let until = format!("2026-01-{day}T00:00:00Z");
        let put = server.ask("PUT", "/box/more").header("x-amz-object-lock-mode", mode).body("x");
        let put = put.header("x-amz-object-lock-retain-until-date", &until);
        put.send_as(&bob).await.expect(status);
    }
    for (hold, status) in [("ON", 200), ("OFF", 403)] {
        let body = format!("<LegalHold><Status>{hold}</Status></LegalHold>");
        server.ask("PUT", "/box/key?legal-hold").body(body).send_as(&bob).await.expect(status);
    }
}

#[tokio::test]
async fn policies_on_keys_that_no_request_has_are_refused() {
    let unknown = "\"NumericLessThan\":{\"s3:TlsVersion\":\"1.2\"}";
    let server = with_users(&[("bob", Some(ALL))], NewBuckets::default()).await;
    let denied = statement("Deny", "s3:GetObject", unknown);
    let denied = denied.replacen('{', "{\"Principal\":\"*\",", 1);
    let document = format!("{{\"Version\":\"2012-10-17\",\"Statement\":[{denied}]}}");
    let put = server.ask("PUT", "/box?policy").body(document);
    let reply = put.send_as(&credentials("owner")).await;
    reply.expect_error(400, "MalformedPolicy");
    assert!(reply.text().contains("s3:tlsversion"));
    let parameters = format!("{ROLE}&Policy={}", policy(&all_but("s3:GetObject", unknown)));
    let session = server.ask_session(&parameters).send_as(&credentials("bob")).await;
    session.expect_error(400, "MalformedPolicyDocument");
    let file = format!(
        "{{\"version\":1,\"users\":[],\"policies\":{{\"p\":{{\"Version\":\"2012-10-17\",\
         \"Statement\":[{}]}}}}}}",
        all_but("s3:GetObject", unknown)
    );
    let error = iam::users::Directory::parse(file.as_bytes()).unwrap_err();
    assert!(format!("{error:?}").contains("s3:tlsversion"), "{error:?}");
}
