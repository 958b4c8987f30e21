//! Sessions: who gets one, what it may, and when it ends.

use crate::forms::covered;
use crate::principals::{credentials, directory};
use crate::support::form::Form;
use crate::support::{Ask, Reply, Server};
use s3api::Credentials;
use s3api::body::encode;
use s3api::sigv4::{self, Signer};

pub const ALL: &str = "{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"*\"}";

/// Temporary credentials with their token.
pub struct Session {
    pub credentials: Credentials,
    pub token: String,
    pub reply: Reply,
}

impl Session {
    /// A session that `parent` asks for.
    pub async fn begin(server: &Server, parent: &Credentials, parameters: &str) -> Self {
        let ask = server.ask_session(parameters);
        Self::of(ask.send_as(parent).await.expect(200))
    }

    fn of(reply: Reply) -> Self {
        let text = |name: &str| reply.element(name).unwrap().to_owned();
        let (access_key, secret_key) = (text("AccessKeyId"), text("SecretAccessKey"));
        let token = text("SessionToken");
        Self { credentials: Credentials { access_key, secret_key }, token, reply }
    }

    /// Signs a request as the session.
    pub fn sign<'a>(&self, ask: Ask<'a>) -> Ask<'a> {
        ask.header("x-amz-security-token", &self.token).sign_as(&self.credentials)
    }

    pub async fn send(&self, ask: Ask<'_>) -> Reply {
        self.sign(ask).send_as_is().await
    }

    /// Asks for an object by a link.
    pub async fn link(&self, server: &Server, uri: &str) -> Reply {
        let uri = format!("{uri}?X-Amz-Security-Token={}", self.token);
        server.ask("GET", &uri).presign_as(&self.credentials, 604_800).send_as_is().await
    }
}

/// A policy as a parameter of a request.
pub fn policy(statements: &str) -> String {
    let document = format!("{{\"Version\": \"2012-10-17\", \"Statement\": [{statements}]}}");
    s3api::uri::encode(&document, s3api::uri::Slash::Encode)
}

pub const ROLE: &str = "Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr\
                        &RoleSessionName=work";

/// A server with users, whose first one has the bucket `box` with the object `key`.
pub async fn prepare(users: &[(&str, Option<&str>)]) -> Server {
    let server = Server::start_with(|config| config.users = directory(users)).await;
    let owner = credentials(users[0].0);
    server.ask("PUT", "/box").send_as(&owner).await.expect(200);
    server.ask("PUT", "/box/key").body("old").send_as(&owner).await.expect(200);
    server
}

#[tokio::test]
async fn a_session_does_what_its_parent_does_in_every_way_to_sign() {
    let server = prepare(&[("ann", Some(ALL))]).await;
    for parameters in [ROLE, "Action=GetSessionToken"] {
        let session = Session::begin(&server, &credentials("ann"), parameters).await;
        session.send(server.ask("PUT", "/box/new").body("new")).await.expect(200);
        assert_eq!(session.link(&server, "/box/new").await.expect(200).text(), "new");
        let listed = session.send(server.ask("GET", "/box?versions")).await.expect(200);
        assert_eq!(listed.element("DisplayName"), Some("ann"));

        let name = "x-amz-security-token";
        let form = Form::new("form", "by form").field(name, &session.token);
        let form = form.sign(&session.credentials, &covered(&[name]));
        form.send(&server).await.expect(204);

        let mut ask = server
            .ask("PUT", "/box/chunks")
            .header(name, &session.token)
            .header("x-amz-decoded-content-length", "9");
        let signer = Signer { credentials: &session.credentials, ..server.signer() };
        let mode = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
        let chain = sigv4::sign(&mut ask.parts, &signer, mode).unwrap();
        let body = encode::signed(chain, b"123456789", 4, None);
        ask.body(body).send_as_is().await.expect(200);
    }
    for key in ["form", "chunks"] {
        let read = server.ask("GET", &format!("/box/{key}"));
        read.send_as(&credentials("ann")).await.expect(200);
    }
}

#[tokio::test]
async fn answers_have_the_shape_of_aws() {
    let server = prepare(&[("ann", Some(ALL))]).await;
    let document = policy(ALL);
    let parameters = format!("{ROLE}&DurationSeconds=900&Policy={document}");
    let session = Session::begin(&server, &credentials("ann"), &parameters).await;
    let reply = &session.reply;
    let begin = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<AssumeRoleResponse xmlns=\"https://\
                 sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials><AccessKeyId>\
                 ASIA";
    assert!(reply.text().starts_with(begin), "{}", reply.text());
    assert_eq!(reply.element("Expiration"), Some("2026-01-02T03:19:05.000Z"));
    let arn = "arn:aws:sts::111122223333:assumed-role/ann/work";
    assert_eq!(reply.element("Arn"), Some(arn));
    assert_eq!(reply.element("AssumedRoleId"), Some("ann-id:work"));
    assert_eq!(reply.element("PackedPolicySize"), Some("4"));
    assert_eq!(reply.element("RequestId"), reply.header("x-amz-request-id"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(
        (session.credentials.access_key.len(), session.credentials.secret_key.len()),
        (20, 40)
    );

    let error = server.ask_session("Action=Nonsense").send().await;
    error.expect_error(400, "InvalidAction");
    assert_eq!(error.element("Type"), Some("Sender"));
    assert!(error.text().contains("<ErrorResponse xmlns=\"https://sts.amazonaws.com/"));
}

async fn identity(reply: Reply) -> [String; 3] {
    let reply = reply.expect(200);
    ["Account", "UserId", "Arn"].map(|name| reply.element(name).unwrap().to_owned())
}

#[tokio::test]
async fn everybody_may_ask_who_they_are() {
    let deny = "{\"Effect\":\"Deny\",\"Action\":\"*\",\"Resource\":\"*\"}";
    let server = prepare(&[("ann", Some(ALL)), ("eve", Some(deny))]).await;
    let ask = || server.ask_session("Action=GetCallerIdentity");
    let check = |found: [String; 3], expected: [&str; 3]| assert_eq!(found, expected);
    let root = ["000000000000", "000000000000", "arn:aws:iam::000000000000:root"];
    check(identity(ask().send().await).await, root);
    let eve = ["111122223333", "eve-id", "arn:aws:iam::111122223333:user/eve"];
    check(identity(ask().send_as(&credentials("eve")).await).await, eve);
    let session = Session::begin(&server, &credentials("ann"), ROLE).await;
    let arn = "arn:aws:sts::111122223333:assumed-role/ann/work";
    check(identity(session.send(ask()).await).await, ["111122223333", "ann-id:work", arn]);
    let session = Session::begin(&server, &credentials("ann"), "Action=GetSessionToken").await;
    let ann = ["111122223333", "ann-id", "arn:aws:iam::111122223333:user/ann"];
    check(identity(session.send(ask()).await).await, ann);
    let session = Session::begin(&server, &server.credentials, ROLE).await;
    let arn = "arn:aws:sts::000000000000:assumed-role/root/work";
    check(identity(session.send(ask()).await).await, [root[0], "000000000000:work", arn]);
}

#[tokio::test]
async fn a_policy_of_a_session_narrows_it() {
    let write = "{\"Effect\":\"Deny\",\"Action\":\"s3:DeleteObject\",\"Resource\":\"*\"}";
    let server = prepare(&[("ann", Some(&format!("{ALL},{write}")))]).await;
    let read = "{\"Effect\":\"Allow\",\"Action\":[\"s3:GetObject\",\"s3:DeleteObject\"],\
                \"Resource\":\"arn:aws:s3:::box/${aws:username}/*\"}";
    for parent in [credentials("ann"), server.credentials.clone()] {
        let parameters = format!("{ROLE}&Policy={}", policy(read));
        let session = Session::begin(&server, &parent, &parameters).await;
        let send = |method: &str, uri: &str| session.send(server.ask(method, uri));
        send("GET", "/box/key").await.expect_error(403, "AccessDenied");
        send("GET", "/box").await.expect_error(403, "AccessDenied");
        send("GET", "/").await.expect_error(403, "AccessDenied");
        send("PUT", "/box/ann/x").await.expect_error(403, "AccessDenied");
        // The parent is denied it.
        send("DELETE", "/box/ann/x").await.expect_error(403, "AccessDenied");
        send("PUT", "/box?policy").await.expect_error(403, "AccessDenied");
    }
    server.ask("PUT", "/box/ann/x").body("x").send_as(&credentials("ann")).await.expect(200);
    let parameters = format!("{ROLE}&Policy={}", policy(read));
    let session = Session::begin(&server, &credentials("ann"), &parameters).await;
    session.send(server.ask("GET", "/box/ann/x")).await.expect(200);
    // What the session's policy allows and the parent's does not is denied.
    let server = prepare(&[("ann", Some(ALL)), ("bob", None)]).await;
    let parameters = format!("{ROLE}&Policy={}", policy(ALL));
    let session = Session::begin(&server, &credentials("bob"), &parameters).await;
    let reply = session.send(server.ask("GET", "/box/key")).await;
    reply.expect_error(403, "AccessDenied");
}

#[tokio::test]
async fn a_policy_of_a_bucket_gives_a_session_what_it_gives_its_parent_and_no_more() {
    let server = prepare(&[("ann", Some(ALL)), ("bob", None)]).await;
    let document = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\
                    {\"AWS\":\"arn:aws:iam::111122223333:user/bob\"},\"Action\":\"s3:GetObject\",\
                    \"Resource\":\"arn:aws:s3:::box/*\"}]}";
    let put = server.ask("PUT", "/box?policy").body(document);
    put.send_as(&credentials("ann")).await.expect(204);
    let session = Session::begin(&server, &credentials("bob"), ROLE).await;
    session.send(server.ask("GET", "/box/key")).await.expect(200);
    let list = "{\"Effect\":\"Allow\",\"Action\":\"s3:ListBucket\",\"Resource\":\"*\"}";
    let parameters = format!("{ROLE}&Policy={}", policy(list));
    let narrowed = Session::begin(&server, &credentials("bob"), &parameters).await;
    for method in ["GET", "HEAD"] {
        assert_eq!(narrowed.send(server.ask(method, "/box/key")).await.status, 403);
    }
}

#[tokio::test]
async fn conditions_know_sessions() {
    let deny = "{\"Effect\":\"Deny\",\"Action\":\"s3:GetObject\",\"Resource\":\"*\",\"Condition\":\
                {\"DateLessThan\":{\"aws:TokenIssueTime\":\"2026-01-02T03:04:10Z\"}}}";
    let server = prepare(&[("ann", Some(&format!("{ALL},{deny}")))]).await;
    let ann = credentials("ann");
    let early = Session::begin(&server, &ann, ROLE).await;
    server.clock.advance_seconds(10);
    let late = Session::begin(&server, &ann, ROLE).await;
    let kinds = [(ROLE, "AssumedRole"), ("Action=GetSessionToken", "User")];
    for (parameters, kind) in kinds {
        let session = Session::begin(&server, &ann, parameters).await;
        let document = format!(
            "{{\"Version\":\"2012-10-17\",\"Statement\":[{{\"Effect\":\"Deny\",\"Principal\":\"*\",\
             \"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::box/*\",\"Condition\":\
             {{\"StringEquals\":{{\"aws:PrincipalType\":\"{kind}\",\"aws:username\":\"ann\",\
             \"aws:userid\":\"ann-id\"}}}}}}]}}"
        );
        session.send(server.ask("GET", "/box/key")).await.expect(200);
        let put = server.ask("PUT", "/box?policy").body(document);
        put.send_as(&ann).await.expect(204);
        let reply = session.send(server.ask("GET", "/box/key")).await;
        reply.expect_error(403, "AccessDenied");
        server.ask("DELETE", "/box?policy").send_as(&ann).await.expect(204);
    }
    early.send(server.ask("GET", "/box/key")).await.expect_error(403, "AccessDenied");
    late.send(server.ask("GET", "/box/key")).await.expect(200);
    server.ask("GET", "/box/key").send_as(&ann).await.expect(200);
}

#[tokio::test]
async fn a_policy_may_deny_sessions() {
    let deny = "{\"Effect\":\"Deny\",\"Action\":\"sts:AssumeRole\",\"Resource\":\"*\"}";
    let server = prepare(&[("ann", Some(&format!("{ALL},{deny}")))]).await;
    let ask = server.ask_session(ROLE).send_as(&credentials("ann")).await;
    ask.expect_error(403, "AccessDenied");
    Session::begin(&server, &credentials("ann"), "Action=GetSessionToken").await;
}

#[tokio::test]
async fn sessions_last_as_long_as_they_may() {
    let server = prepare(&[("ann", Some(ALL))]).await;
    let (ann, root) = (credentials("ann"), server.credentials.clone());
    for (who, parameters, seconds) in [
        (&ann, ROLE, 3600),
        (&root, ROLE, 3600),
        (&ann, "Action=AssumeRole&DurationSeconds=604800", 604_800),
        (&ann, "Action=GetSessionToken", 43_200),
        (&ann, "Action=GetSessionToken&DurationSeconds=129600", 129_600),
        (&root, "Action=GetSessionToken", 3600),
        (&root, "Action=GetSessionToken&DurationSeconds=43200", 3600),
    ] {
        let session = Session::begin(&server, who, parameters).await;
        let get = || server.ask("GET", "/box/key");
        server.clock.advance_seconds(seconds - 1);
        session.send(get()).await.expect(200);
        session.link(&server, "/box/key").await.expect(200);
        let link = format!("/box/key?X-Amz-Security-Token={}", session.token);
        let link = server.ask("GET", &link).presign_as(&session.credentials, 604_800);
        server.clock.advance_seconds(1);
        session.send(get()).await.expect_error(400, "ExpiredToken");
        // The link would live for a week.
        link.send_as_is().await.expect_error(400, "ExpiredToken");
        let ask = server.ask_session("Action=GetCallerIdentity");
        session.send(ask).await.expect_error(403, "ExpiredToken");
    }
    for parameters in [
        "Action=GetSessionToken&DurationSeconds=899",
        "Action=GetSessionToken&DurationSeconds=129601",
        "Action=AssumeRole&DurationSeconds=604801",
    ] {
        let reply = server.ask_session(parameters).send_as(&ann).await;
        reply.expect_error(400, "ValidationError");
    }
}

#[tokio::test]
async fn sessions_are_known_at_every_node_and_after_a_restart() {
    let users = || directory(&[("ann", Some(ALL))]);
    let server = prepare(&[("ann", Some(ALL))]).await;
    let session = Session::begin(&server, &credentials("ann"), ROLE).await;
    let other = server.again(|config| config.users = users()).await;
    session.send(other.ask("GET", "/box/key")).await.expect(200);
    let session = Session::begin(&other, &credentials("ann"), ROLE).await;
    session.send(server.ask("GET", "/box/key")).await.expect(200);
}

#[tokio::test]
async fn clients_may_sign_for_no_region() {
    let server = Server::with_bucket().await;
    let ask = server.ask_session("Action=GetCallerIdentity").sign_for("");
    ask.send_as_is().await.expect(200);
    let reply = server.ask("GET", "/box").sign_for("").send_as_is().await;
    reply.expect_error(400, "AuthorizationHeaderMalformed");
    let server = Server::start_with(|config| config.region = Some("us-east-1".to_owned())).await;
    let reply = server.ask_session("Action=GetCallerIdentity").sign_for("").send_as_is().await;
    reply.expect_error(400, "IncompleteSignature");
}

#[tokio::test]
async fn policies_that_cannot_be_are_refused() {
    let server = prepare(&[("ann", Some(ALL))]).await;
    let bucket = "{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"*\",\"Resource\":\"*\"}";
    for (text, code) in [
        (policy(bucket), "MalformedPolicyDocument"),
        ("x".to_owned(), "MalformedPolicyDocument"),
        ("x".repeat(2049), "PackedPolicyTooLarge"),
    ] {
        let ask = server.ask_session(&format!("{ROLE}&Policy={text}"));
        ask.send_as(&credentials("ann")).await.expect_error(400, code);
    }
    let ask = server.ask_session(&format!("{ROLE}&Policy={}", "x".repeat(16 << 10)));
    ask.send().await.expect_error(400, "MaxMessageLengthExceeded");
}
