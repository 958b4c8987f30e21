//! Sessions that other stores gave to whom they were not meant for (`docs/security.md`, Sessions).

use crate::principals::{credentials, directory};
use crate::sessions::{ALL, ROLE, Session, policy, prepare};
use crate::support::{ROOT_KEY, Server};
use engine::object::{ObjectStore, Setting};
use s3api::Credentials;
use s3api::route::ROUTES;
use s3api::sigv4::SigningService;
use sealing::{KeyRing, RootKey};

async fn with_ann() -> (Server, Session) {
    let server = prepare(&[("ann", Some(ALL)), ("bob", None)]).await;
    let session = Session::begin(&server, &credentials("ann"), ROLE).await;
    (server, session)
}

/// A token with other credentials, or none.
async fn check_refused(server: &Server, token: &str, credentials: &Credentials) {
    let ask = server.ask("GET", "/box/key").header("x-amz-security-token", token);
    ask.send_as(credentials).await.expect_error(400, "InvalidToken");
    let token = s3api::uri::encode(token, s3api::uri::Slash::Encode);
    let link = server.ask("GET", &format!("/box/key?X-Amz-Security-Token={token}"));
    link.presign_as(credentials, 60).send_as_is().await.expect_error(400, "InvalidToken");
}

#[tokio::test]
async fn cve_2025_62506_sessions_begin_no_sessions() {
    let (server, session) = with_ann().await;
    let parameters = format!("{ROLE}&Policy={}", policy(ALL));
    let narrowed = Session::begin(&server, &credentials("ann"), &parameters).await;
    let root = Session::begin(&server, &server.credentials, ROLE).await;
    for session in [session, narrowed, root] {
        for parameters in [ROLE, "Action=GetSessionToken"] {
            let reply = session.send(server.ask_session(parameters)).await;
            reply.expect_error(403, "AccessDenied");
        }
    }
}

#[tokio::test]
async fn cve_2024_24747_sessions_do_not_inherit_what_their_policy_leaves_out() {
    let server = prepare(&[("ann", Some(ALL))]).await;
    let admin = "{\"Effect\":\"Allow\",\"Action\":[\"admin:*\",\"s3:*\"],\"Resource\":\"*\"}";
    let parameters = format!("{ROLE}&Policy={}", policy(admin));
    let narrowed = Session::begin(&server, &server.credentials, &parameters).await;
    let plain = Session::begin(&server, &server.credentials, ROLE).await;
    let user = Session::begin(&server, &credentials("ann"), ROLE).await;
    let routes = || ROUTES.iter().filter(|route| route.is_admin());
    assert!(routes().count() > 0);
    for route in routes() {
        let ask = || crate::walk::request(&server, route, "");
        for session in [&narrowed, &user] {
            session.send(ask()).await.expect_error(403, "AccessDenied");
        }
        // The root itself, for a while.
        assert!(plain.send(ask()).await.status.is_success());
    }
}

#[tokio::test]
async fn cve_2026_39944_changed_tokens_are_none() {
    let (server, session) = with_ann().await;
    let token = &session.token;
    for at in 0..token.len() {
        let other = if token.as_bytes()[at] == b'A' { 'B' } else { 'A' };
        let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
        let ask = server.ask("GET", "/box/key").header("x-amz-security-token", &changed);
        ask.send_as(&session.credentials).await.expect_error(400, "InvalidToken");
    }
    for changed in [&token[1..], &token[..token.len() - 1], &format!("{token}="), "", "%00"] {
        check_refused(&server, changed, &session.credentials).await;
    }
}

#[tokio::test]
async fn cve_2024_48916_tokens_choose_no_algorithm() {
    let (server, session) = with_ann().await;
    // `{"accessKey":"test-key","exp":9999999999}` behind `{"alg":"none","typ":"JWT"}` and
    // `{"alg":"HS256"}`.
    let claims = "eyJhY2Nlc3NLZXkiOiJ0ZXN0LWtleSIsImV4cCI6OTk5OTk5OTk5OX0";
    for (head, tag) in
        [("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0", ""), ("eyJhbGciOiJIUzI1NiJ9", "AAAA")]
    {
        let token = format!("{head}.{claims}.{tag}");
        check_refused(&server, &token, &session.credentials).await;
        check_refused(&server, &token, &server.credentials).await;
    }
}

#[tokio::test]
async fn ghsa_m77q_the_secret_of_the_root_makes_no_tokens() {
    let (_, session) = with_ann().await;
    // The same root and the same users, but another store: its key is not the same.
    let server = Server::start_with(|config| {
        config.users = directory(&[("ann", Some(ALL))]);
        config.encryption.root_key = None;
    });
    let server = server.await;
    check_refused(&server, &session.token, &session.credentials).await;
    // Another random key beside the same secrets proves nothing either.
    let document = format!("stave session key 1 {}", "5a".repeat(32));
    let setting = Setting { text: document, revision: 1 };
    server.store.put_setting("session-key".to_owned(), setting).await.unwrap();
    check_refused(&server, &session.token, &session.credentials).await;
    Session::begin(&server, &credentials("ann"), ROLE).await;
}

#[tokio::test]
async fn ghsa_5qfg_nobody_gets_a_session_without_a_signature() {
    let (server, session) = with_ann().await;
    for parameters in [
        ROLE,
        "Action=GetSessionToken",
        "Action=GetCallerIdentity",
        "Action=AssumeRoleWithWebIdentity&WebIdentityToken=x&RoleArn=x&RoleSessionName=work",
        "Action=AssumeRoleWithLDAPIdentity&LDAPUsername=x&LDAPPassword=x",
        "Action=AssumeRoleWithCertificate",
        "Action=AssumeRoleWithCustomToken&Token=x",
        "Action=AssumeRoleWithClientGrants&Token=x",
        "Action=AssumeRoleWithSAML",
    ] {
        let ask = || server.ask_session(parameters);
        ask().send_as_is().await.expect_error(403, "AccessDenied");
        let token = ask().header("x-amz-security-token", &session.token);
        token.send_as_is().await.expect_error(403, "AccessDenied");
        ask().presign(60).send_as_is().await.expect_error(403, "AccessDenied");
    }
    // Nor by the query, where no body is signed.
    let ask = server.ask("POST", &format!("/?Version=2011-06-15&{ROLE}"));
    let ask = crate::support::Ask { service: SigningService::Sts, ..ask };
    ask.send().await.expect_error(400, "MissingAction");
}

#[tokio::test]
async fn tokens_go_with_their_own_credentials() {
    let (server, session) = with_ann().await;
    let bob = Session::begin(&server, &credentials("bob"), ROLE).await;
    let again = Session::begin(&server, &credentials("ann"), ROLE).await;
    let mixed = |access_key: &Credentials, secret_key: &Credentials| Credentials {
        access_key: access_key.access_key.clone(),
        secret_key: secret_key.secret_key.clone(),
    };
    for other in [&bob.credentials, &again.credentials, &credentials("ann"), &server.credentials] {
        check_refused(&server, &session.token, other).await;
        check_refused(&server, &session.token, &mixed(other, &session.credentials)).await;
        let wrong = mixed(&session.credentials, other);
        let ask = server.ask("GET", "/box/key").header("x-amz-security-token", &session.token);
        ask.send_as(&wrong).await.expect_error(403, "SignatureDoesNotMatch");
    }
    // Bob may nothing, whatever the token of Ann says.
    let reply = bob.send(server.ask("GET", "/box/key")).await;
    reply.expect_error(403, "AccessDenied");
}

#[tokio::test]
async fn a_session_is_nobody_without_its_token() {
    let (server, session) = with_ann().await;
    let ask = || server.ask("GET", "/box/key");
    let reply = ask().send_as(&session.credentials).await;
    reply.expect_error(403, "InvalidAccessKeyId");
    let link = ask().presign_as(&session.credentials, 60).send_as_is().await;
    link.expect_error(403, "InvalidAccessKeyId");
    let ask = server.ask_session("Action=GetCallerIdentity");
    let reply = ask.send_as(&session.credentials).await;
    reply.expect_error(403, "InvalidClientTokenId");
}

#[tokio::test]
async fn tokens_stand_in_one_place_and_are_signed() {
    let (server, session) = with_ann().await;
    let name = "x-amz-security-token";
    let get = |query: &str| server.ask("GET", &format!("/box/key?{query}"));
    let late = get("").sign_as(&session.credentials).header(name, &session.token);
    late.send_as_is().await.expect_error(403, "AccessDenied");
    for parameter in ["X-Amz-Security-Token", "x-amz-security-token", "X-AMZ-Security-Token"] {
        let query = format!("{parameter}={}", session.token);
        let in_query = get(&query).send_as(&session.credentials).await;
        in_query.expect_error(400, "InvalidToken");
        let both = get(&query).header(name, &session.token).send_as(&session.credentials).await;
        both.expect_error(400, "InvalidToken");
        let link = get(&query).presign_as(&session.credentials, 60).send_as_is().await;
        assert_eq!(link.status == 200, parameter == "X-Amz-Security-Token", "{parameter}");
        let twice = get(&format!("{query}&X-Amz-Security-Token={}", session.token));
        let twice = twice.presign_as(&session.credentials, 60).send_as_is().await;
        twice.expect_error(400, "InvalidToken");
    }
    let in_header = get("").header(name, &session.token).presign_as(&session.credentials, 60);
    in_header.send_as_is().await.expect_error(400, "InvalidToken");
    let twice = get("").header(name, &session.token).header(name, &session.token);
    twice.send_as(&session.credentials).await.expect_error(400, "InvalidRequest");
}

/// Starts again with another root key, or none.
async fn rooted(server: &Server, key: Option<&str>) -> Server {
    let again = server.again(|config| {
        config.users = directory(&[("ann", Some(ALL))]);
        config.encryption.root_key = key.map(|key| RootKey::parse(key).unwrap());
    });
    again.await
}

async fn session_key_of(server: &Server) -> String {
    server.store.setting("session-key".to_owned()).await.unwrap().text
}

#[tokio::test]
async fn the_key_of_sessions_is_kept_sealed() {
    let (server, session) = with_ann().await;
    let document = session_key_of(&server).await;
    let sealed = document.strip_prefix("stave session key 2 main ").unwrap();
    let ring = KeyRing::parse(RootKey::parse(ROOT_KEY).unwrap(), "").unwrap();
    let key = ring.open("main", sealed, b"stave session key 2").unwrap();
    let dump = server.store.dump();
    for plain in [key.bytes().as_slice(), hex::encode(key.bytes()).as_bytes()] {
        assert!(!dump.windows(plain.len()).any(|window| window == plain));
    }
    // It opens under its root key alone.
    let other = "main:ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";
    for (root_key, status) in [(None, 500), (Some(other), 500), (Some(ROOT_KEY), 200)] {
        let again = rooted(&server, root_key).await;
        session.send(again.ask("GET", "/box/key")).await.expect(status);
        again.ask_session(ROLE).send_as(&credentials("ann")).await.expect(status);
    }
    let damaged = Setting { text: "stave session key 2 main".to_owned(), revision: 2 };
    server.store.put_setting("session-key".to_owned(), damaged).await.unwrap();
    session.send(server.ask("GET", "/box/key")).await.expect(500);
}

#[tokio::test]
async fn a_key_of_sessions_that_was_plain_counts_no_more() {
    let (server, _) = with_ann().await;
    let gone = Setting { text: String::new(), revision: 2 };
    server.store.put_setting("session-key".to_owned(), gone).await.unwrap();
    let plain = rooted(&server, None).await;
    let before = Session::begin(&plain, &credentials("ann"), ROLE).await;
    assert!(session_key_of(&server).await.starts_with("stave session key 1 "));
    before.send(plain.ask("GET", "/box/key")).await.expect(200);

    check_refused(&server, &before.token, &before.credentials).await;
    let after = Session::begin(&server, &credentials("ann"), ROLE).await;
    assert!(session_key_of(&server).await.starts_with("stave session key 2 main "));
    after.send(server.ask("GET", "/box/key")).await.expect(200);
    check_refused(&server, &before.token, &before.credentials).await;
}

#[tokio::test]
async fn sessions_end_with_their_parent_and_its_secret() {
    let (server, session) = with_ann().await;
    let root = Session::begin(&server, &server.credentials, ROLE).await;
    let file = |secret: &str| {
        let file = format!(
            "{{\"version\":1,\"users\":[{{\"access_key\":\"ann-key\",\"secret_key\":\"{secret}\",\
             \"canonical_id\":\"ann-id\",\"account\":\"111122223333\",\"user_name\":\"ann\",\
             \"policies\":[\"readwrite\"]}}]}}"
        );
        std::sync::Arc::new(iam::users::Directory::parse(file.as_bytes()).unwrap())
    };
    let same = server.again(|config| config.users = file("ann-secret")).await;
    session.send(same.ask("GET", "/box/key")).await.expect(200);
    let gone = server.again(|config| config.users = directory(&[("bob", None)])).await;
    let changed = server.again(|config| config.users = file("another-secret")).await;
    for other in [&gone, &changed] {
        check_refused(other, &session.token, &session.credentials).await;
        root.send(other.ask("GET", "/box/key")).await.expect(200);
    }
    let rooted = server
        .again(|config| {
            config.users = file("ann-secret");
            config.credentials.secret_key = "another-root-secret".to_owned();
        })
        .await;
    for session in [&session, &root] {
        check_refused(&rooted, &session.token, &session.credentials).await;
    }
}

#[tokio::test]
async fn signatures_are_for_one_service() {
    let (server, _) = with_ann().await;
    let ann = credentials("ann");
    let session_ask = server.ask_session(ROLE);
    let for_s3 = crate::support::Ask { service: SigningService::S3, ..session_ask };
    for_s3.send_as(&ann).await.expect_error(400, "IncompleteSignature");
    for ask in [server.ask("GET", "/box/key"), server.ask("GET", "/")] {
        let ask = crate::support::Ask { service: SigningService::Sts, ..ask };
        ask.send_as(&ann).await.expect_error(400, "AuthorizationHeaderMalformed");
    }
}

#[tokio::test]
async fn the_body_of_a_request_for_a_session_is_signed() {
    let (server, _) = with_ann().await;
    let ann = credentials("ann");
    let mut ask = server.ask_session(ROLE).sign_as(&ann);
    ask.body = format!("Version=2011-06-15&{ROLE}&DurationSeconds=604800").into();
    // The header that names the hash of the body is signed, so that it must be right.
    ask.send_as_is().await.expect_error(400, "XAmzContentSHA256Mismatch");
    let (ask, _) = server.ask_session(ROLE).sign_payload("UNSIGNED-PAYLOAD");
    ask.send_as_is().await.expect_error(400, "XAmzContentSHA256Mismatch");
}

#[tokio::test]
async fn parameters_that_would_narrow_a_session_are_not_lost() {
    let (server, _) = with_ann().await;
    for rest in [
        "PolicyArns.member.1.arn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2FReadOnlyAccess",
        "policy=%7B%7D",
        "SerialNumber=1&TokenCode=123456",
        "Tags.member.1.Key=a&Tags.member.1.Value=b",
        "Policy=%7B%7D&Policy=%7B%7D",
    ] {
        let ask = server.ask_session(&format!("{ROLE}&{rest}"));
        ask.send_as(&credentials("ann")).await.expect_error(400, "ValidationError");
    }
}
