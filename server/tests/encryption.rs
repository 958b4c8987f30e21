//! The root key of encryption over the lives of a store: the same one, another one, none.

#[expect(dead_code, reason = "not every test needs all of it")]
mod common;

use common::{Stave, check};
use std::path::Path;

const ROOT: (&str, &str) = ("operator", "operator-secret");

fn start(dir: &Path, root_key: Option<&str>) -> Stave {
    let keys = [("STAVE_ROOT_USER", ROOT.0), ("STAVE_ROOT_PASSWORD", ROOT.1)];
    let root_key = root_key.map(|root_key| ("STAVE_KMS_SECRET_KEY", root_key));
    let environment: Vec<_> = keys.into_iter().chain(root_key).collect();
    Stave::start(dir, &environment)
}

#[track_caller]
fn ask(server: &Stave, (method, path): (&str, &str), own: &[(&str, &str)], expected: (u16, &str)) {
    let body = if path.starts_with("/box/") && method == "PUT" { "secret" } else { "" };
    check(&server.ask_as(ROOT, (method, path), own, body), expected.0, expected.1);
}

#[test]
fn what_is_under_a_root_key_opens_under_that_one_alone() {
    let root = tempfile::tempdir().expect("a temporary directory");
    // Base64 of 32 bytes each.
    let first = "main:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let other = "main:ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";
    let sse_s3 = [("x-amz-server-side-encryption", "AES256")];
    let server = start(root.path(), Some(first));
    ask(&server, ("PUT", "/box"), &[], (200, ""));
    ask(&server, ("PUT", "/box/sealed"), &sse_s3, (200, "AES256"));
    ask(&server, ("PUT", "/box/plain"), &[], (200, ""));
    server.stop();

    for (root_key, status) in [(Some(other), 500), (None, 501)] {
        let server = start(root.path(), root_key);
        ask(&server, ("GET", "/box/sealed"), &[], (status, "<Error>"));
        ask(&server, ("GET", "/box/plain"), &[], (200, "secret"));
        let log = server.stop();
        assert!(!log.contains("ZmVkY2Jh") && !log.contains("fedcba98"), "{log}");
    }
    let server = start(root.path(), Some(first));
    ask(&server, ("GET", "/box/sealed"), &[], (200, "secret"));
}
