//! The route walk: every route, by every kind of signature.

use crate::support::form::Form;
use crate::support::{Ask, Reply, Server};
use s3api::Credentials;
use s3api::route::{AuthModes, Level, ROUTES, Route};

/// A request that takes this route.
pub fn request<'a>(server: &'a Server, route: &Route, upload_id: &str) -> Ask<'a> {
    request_of(server, route, upload_id, None)
}

/// The same, about a version.
pub fn request_of<'a>(
    server: &'a Server,
    route: &Route,
    upload_id: &str,
    version: Option<&str>,
) -> Ask<'a> {
    if route.auth == AuthModes::Session {
        return server.ask_session("Action=GetCallerIdentity");
    }
    let path = match route.level {
        Level::Service => "/".to_owned(),
        Level::Bucket => "/box".to_owned(),
        Level::Object => "/box/key".to_owned(),
        Level::Admin(path) => format!("/_stave/{path}"),
    };
    let pair = |(name, value): &(&str, Option<&str>)| match (*name, value) {
        ("uploadId", _) => format!("uploadId={upload_id}"),
        ("partNumber", _) => "partNumber=1".to_owned(),
        ("annotationName", _) => "annotationName=note".to_owned(),
        ("key", _) if route.method == "POST" => "key=main".to_owned(),
        ("key", _) => "key=another".to_owned(),
        (name, Some(value)) => format!("{name}={value}"),
        (name, None) => name.to_owned(),
    };
    let version = version.map(|version| format!("versionId={version}"));
    let query: Vec<String> = route.query.iter().map(pair).chain(version).collect();
    let ask = server.ask(route.method.as_str(), &format!("{path}?{}", query.join("&")));
    match route.header {
        None => ask,
        Some(name) => ask.header(name, "/box/source"),
    }
}

/// A request that takes this route and that nobody signed.
pub fn unsigned<'a>(server: &'a Server, route: &Route, upload_id: &str) -> Ask<'a> {
    match route.auth {
        AuthModes::Form => Form::new("key", "x").ask(server, "/box"),
        _ => request(server, route, upload_id),
    }
}

/// A request that takes this route, signed as the route has it.
pub fn signed_as<'a>(
    server: &'a Server,
    route: &Route,
    upload_id: &str,
    credentials: &Credentials,
) -> Ask<'a> {
    match route.auth {
        AuthModes::Form => Form::new("key", "x").sign(credentials, "").ask(server, "/box"),
        _ => request(server, route, upload_id).sign_as(credentials),
    }
}

/// Routes whose requests are signed as a whole; forms have tests of their own (`security_forms`).
fn routes() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(|route| route.auth != AuthModes::Form)
}

async fn prepare() -> (Server, String) {
    let server = Server::with_bucket().await;
    server.put("/box/key", "old").await;
    server.put("/box/source", "source").await;
    let upload = server.ask("POST", "/box/other?uploads").send().await.expect(200);
    let upload_id = upload.element("UploadId").unwrap().to_owned();
    (server, upload_id)
}

/// What the store holds, as far as a listing tells.
async fn contents(server: &Server) -> String {
    let keys = server.ask("GET", "/box").send().await.expect(200);
    let uploads = server.ask("GET", "/box?uploads").send().await.expect(200);
    format!("{} {}", keys.text(), uploads.text())
}

fn check_refused(route: &Route, reply: &Reply, code: &str) {
    assert_eq!(reply.status, 403, "{:?}", route.operation);
    if route.method == "HEAD" {
        assert!(reply.body.is_empty());
    } else {
        assert_eq!(reply.element("Code"), Some(code), "{:?}", route.operation);
    }
}

#[tokio::test]
async fn every_route_refuses_what_is_not_rightly_signed() {
    let (server, upload_id) = prepare().await;
    let before = contents(&server).await;
    for route in routes() {
        let ask = || request(&server, route, &upload_id);
        check_refused(route, &ask().send_as_is().await, "AccessDenied");

        let forged = ask().sign().then(|parts| {
            let value = parts.headers["authorization"].to_str().unwrap();
            let last = if value.ends_with('0') { "1" } else { "0" };
            let forged = format!("{}{last}", &value[..value.len() - 1]);
            parts.headers.insert("authorization", forged.parse().unwrap());
        });
        check_refused(route, &forged.send_as_is().await, "SignatureDoesNotMatch");

        let moved = ask().sign().then(|parts| {
            let date = parts.headers["x-amz-date"].to_str().unwrap();
            let other = if date.ends_with("0Z") { "1Z" } else { "0Z" };
            let date = format!("{}{other}", &date[..date.len() - 2]);
            parts.headers.insert("x-amz-date", date.parse().unwrap());
        });
        check_refused(route, &moved.send_as_is().await, "SignatureDoesNotMatch");

        let expired = ask().presign(60);
        server.clock.advance_seconds(61);
        check_refused(route, &expired.send_as_is().await, "AccessDenied");

        let skewed = ask().sign();
        server.clock.advance_seconds(901);
        check_refused(route, &skewed.send_as_is().await, "RequestTimeTooSkewed");
    }
    assert_eq!(contents(&server).await, before);
}

#[tokio::test]
async fn every_route_takes_the_ways_to_sign_that_it_is_for() {
    for route in routes() {
        for is_presigned in [false, true] {
            let (server, upload_id) = prepare().await;
            let ask = request(&server, route, &upload_id);
            let ask = if is_presigned { ask.presign(60) } else { ask.sign() };
            let reply = ask.send_as_is().await;
            let status = reply.status.as_u16();
            let by_header = matches!(route.auth, AuthModes::Header | AuthModes::Session);
            let is_taken = !is_presigned || !by_header;
            let is_refused = status == 403;
            assert!(status < 500, "{:?}: {:?}", route.operation, reply.body);
            assert_eq!(is_refused, !is_taken, "{:?}: {:?}", route.operation, reply.body);
            assert_eq!(reply.header("x-amz-request-id").unwrap().len(), 16);
            assert!(reply.header("x-amz-id-2").is_some());
            assert_eq!(reply.header("server"), Some("Stave"));
            assert_eq!(reply.header("date"), Some("Fri, 02 Jan 2026 03:04:05 GMT"));
        }
    }
}

#[tokio::test]
async fn what_has_no_route_is_refused_after_its_form_only() {
    let server = Server::with_bucket().await;
    server.ask("PUT", "/box?policyStatus").send().await.expect_error(501, "NotImplemented");
    server.ask("PUT", "/box/key?restore").send().await.expect_error(501, "NotImplemented");
    server.ask("PATCH", "/box/key").send().await.expect_error(405, "MethodNotAllowed");
    server.ask("PUT", "/BOX").send().await.expect_error(400, "InvalidBucketName");
    server.ask("GET", "/box/%ff").send().await.expect_error(400, "InvalidURI");
    assert!(!server.exists("key").await);
}
