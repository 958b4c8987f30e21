//! The administration API: who may ask, how, and that it takes nothing from S3.

use super::listener::raw;
use crate::support::{Ask, Server};
use engine::object::{DiskState, DiskStatus, StoreStatus};
use s3api::sigv2;
use s3api::sigv4::EMPTY_SHA256;
use s3api::uri::{self, Slash};

const PATH: &str = "/_stave/admin/v1/status";

/// Which disk a status names, so that nobody else gets to know it.
const PLACE: &str = "/secret/place";

fn degraded() -> StoreStatus {
    let disk = DiskStatus {
        place: PLACE.into(),
        disk_id: "0123".into(),
        state: DiskState::Suspect,
        reason: "it \"clicks\"".into(),
        ..DiskStatus::default()
    };
    StoreStatus {
        readable: true,
        writable: true,
        margin: Some(1),
        margin_full: 2,
        geometry: (4, 2),
        disks: vec![disk],
        ..StoreStatus::default()
    }
}

async fn server() -> Server {
    let server = Server::with_bucket().await;
    *server.store.status.lock().unwrap() = Some(degraded());
    server
}

/// Sends it and checks that it is refused and that nothing is told.
async fn check_refused(ask: Ask<'_>, status: u16, code: &str) {
    let reply = ask.send_as_is().await;
    reply.expect_error(status, code);
    assert!(!reply.text().contains(PLACE), "{}", reply.text());
}

/// Changes the value of the `Authorization` header.
fn with_authorization(ask: Ask<'_>, change: impl FnOnce(&str) -> String) -> Ask<'_> {
    ask.then(|parts| {
        let value = parts.headers["authorization"].to_str().unwrap().to_owned();
        parts.headers.insert("authorization", change(&value).parse().unwrap());
    })
}

#[tokio::test]
async fn the_root_is_told_the_status() {
    let server = server().await;
    let reply = server.ask("GET", PATH).send().await.expect(200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let status = degraded();
    assert_eq!(reply.text(), s3api::status::to_json(&status));
    assert!(reply.text().contains("\"reason\":\"it \\\"clicks\\\"\""), "{}", reply.text());
    // The other promise of a payload that has none.
    let (ask, _) = server.ask("GET", PATH).sign_payload("UNSIGNED-PAYLOAD");
    ask.send_as_is().await.expect(200);
}

#[tokio::test]
async fn cve_2020_11012_admin_requests_need_the_secret() {
    let server = server().await;
    check_refused(server.ask("GET", PATH), 403, "AccessDenied").await;
    let signed = || server.ask("GET", PATH).sign();
    let cut = |value: &str| value.split("Signature=").next().unwrap().to_owned();
    let zeros = with_authorization(signed(), |value| cut(value) + "Signature=" + &"0".repeat(64));
    check_refused(zeros, 403, "SignatureDoesNotMatch").await;
    let stranger = with_authorization(signed(), |value| value.replace("test-key", "stranger"));
    check_refused(stranger, 403, "InvalidAccessKeyId").await;
    let empty = with_authorization(signed(), |value| cut(value) + "Signature=");
    check_refused(empty, 400, "AuthorizationHeaderMalformed").await;
    let absent = with_authorization(signed(), |_| "Bearer test-key".into());
    assert!(!absent.send_as_is().await.status.is_success());
    let elsewhere = server.ask("GET", "/box").sign().then(|parts| {
        parts.uri = PATH.parse().unwrap();
    });
    check_refused(elsewhere, 403, "SignatureDoesNotMatch").await;
    let late = signed();
    server.clock.advance_seconds(901);
    check_refused(late, 403, "RequestTimeTooSkewed").await;
}

#[tokio::test]
async fn admin_requests_are_signed_in_the_header() {
    let server = server().await;
    check_refused(server.ask("GET", PATH).presign(60), 403, "AccessDenied").await;
    let both = server.ask("GET", PATH).presign(60).sign();
    assert!(!both.send_as_is().await.status.is_success());
}

#[tokio::test]
async fn signature_version_2_opens_no_admin_route() {
    let server = Server::start_with(|config| config.allows_sigv2 = true).await;
    *server.store.status.lock().unwrap() = Some(degraded());
    let sign = |time: &str, path: &str| {
        sigv2::sign(&server.credentials.secret_key, &format!("GET\n\n\n{time}\n{path}"))
    };
    let expires = "1767323105";
    let link = |path: &str| {
        let signature = uri::encode(&sign(expires, path), Slash::Encode);
        format!("{path}?AWSAccessKeyId=test-key&Expires={expires}&Signature={signature}")
    };
    check_refused(server.ask("GET", &link(PATH)), 403, "AccessDenied").await;
    let date = "Fri, 02 Jan 2026 03:04:05 GMT";
    let by_header = |path: &str| {
        let value = format!("AWS test-key:{}", sign(date, path));
        server.ask("GET", path).header("date", date).header("authorization", &value)
    };
    check_refused(by_header(PATH), 403, "AccessDenied").await;
    // These are right signatures, as other requests show.
    server.ask("GET", &link("/")).send_as_is().await.expect(200);
    by_header("/").send_as_is().await.expect(200);
    server.ask("GET", PATH).send().await.expect(200);
}

#[tokio::test]
async fn admin_routes_take_their_method_and_no_body() {
    let server = server().await;
    for method in ["PUT", "POST", "DELETE", "PATCH", "OPTIONS"] {
        server.ask(method, PATH).send().await.expect_error(405, "MethodNotAllowed");
    }
    server.ask("HEAD", PATH).send().await.expect(405);
    let body = server.ask("GET", PATH).body("x").sign();
    check_refused(body, 400, "MaxMessageLengthExceeded").await;
    // Refused by what is announced, before any of it comes.
    let (ask, _) = server
        .ask("GET", PATH)
        .header("content-length", "1073741824")
        .sign_payload("UNSIGNED-PAYLOAD");
    let answer = raw(&server, &ask.header("connection", "close").wire()).await;
    assert!(answer.contains("<Code>MaxMessageLengthExceeded</Code>"), "{answer}");
    assert!(!answer.contains(PLACE), "{answer}");
    server.ask("GET", PATH).send().await.expect(200);
}

#[tokio::test]
async fn other_spellings_of_an_admin_path_are_nothing() {
    let server = server().await;
    for path in [
        "/_stave",
        "/_stave/",
        "/_stave/admin/v1/status/",
        "/_stave/admin/v1//status",
        "/_stave/admin/v1/./status",
        "/_stave/admin/v1/%73tatus",
        "/_stave/admin/v1/STATUS",
        "/_stave/admin/v2/status",
        "/%5Fstave/admin/v1/status",
        "/%5fstave/admin/v1/status",
        "//_stave/admin/v1/status",
        "/box/../_stave/admin/v1/status",
        "/_STAVE/admin/v1/status",
    ] {
        let reply = server.ask("GET", path).send().await;
        assert!(reply.status.is_client_error() || reply.status == 501, "{path}: {}", reply.status);
        assert!(!reply.text().contains(PLACE), "{path}");
    }
}

#[tokio::test]
async fn the_admin_path_takes_no_name_from_anybody() {
    let server = server().await;
    server.ask("PUT", "/stave").send().await.expect(200);
    server.put("/stave/admin/v1/status", "mine").await;
    let read = server.ask("GET", "/stave/admin/v1/status").send().await.expect(200);
    assert_eq!(read.body, "mine");
    server.put("/box/_stave/admin/v1/status", "an object").await;
    let read = server.ask("GET", "/box/_stave/admin/v1/status").send().await.expect(200);
    assert_eq!(read.body, "an object");
    server.ask("PUT", "/_stave").send().await.expect_error(400, "InvalidBucketName");
    server.ask("PUT", "/_stave/key").send().await.expect_error(501, "NotImplemented");
    let copy = server.ask("PUT", "/box/copy").header("x-amz-copy-source", PATH).send().await;
    assert!(copy.status.is_client_error(), "{}", copy.text());
}

#[tokio::test]
async fn below_a_virtual_host_the_admin_path_is_a_key() {
    let server = Server::start_with(|config| {
        config.domains = s3api::host::Domains::new(["example.com".to_owned()]).unwrap();
    })
    .await;
    server.ask("PUT", "/box").send().await.expect(200);
    let reply = server.ask("GET", PATH).host("box.example.com").sign_payload(EMPTY_SHA256).0;
    reply.send_as_is().await.expect_error(404, "NoSuchKey");
    let reply = server.ask("GET", PATH).host("example.com").sign_payload(EMPTY_SHA256).0;
    reply.send_as_is().await.expect(200);
}

#[tokio::test]
async fn cluster_health_tells_what_the_store_tells() {
    let server = server().await;
    let check = async |change: fn(&mut StoreStatus), expected: [u16; 4]| {
        let mut status = degraded();
        change(&mut status);
        *server.store.status.lock().unwrap() = Some(status);
        let paths = ["cluster", "cluster?maintenance=true", "cluster/read", "live"];
        for (path, expected) in paths.iter().zip(expected) {
            let ask = server.ask("GET", &format!("/minio/health/{path}"));
            assert_eq!(ask.send_as_is().await.status, expected, "{path}");
        }
    };
    check(|_| {}, [200, 200, 200, 200]).await;
    check(|status| status.margin = Some(0), [200, 412, 200, 200]).await;
    check(|status| status.margin = None, [200, 412, 200, 200]).await;
    check(|status| status.writable = false, [503, 412, 200, 200]).await;
    check(|status| status.readable = false, [200, 200, 503, 200]).await;
}
