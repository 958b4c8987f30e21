//! `stave admin status` against the real server: what it shows, and what its exit code says.
#![expect(clippy::disallowed_methods, reason = "writes the certificates of the tests")]
#![expect(clippy::unwrap_used, reason = "the panic of a test is its failure")]

#[expect(dead_code, reason = "not every test needs all of it")]
mod common;

use common::Stave;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// What a run of `stave admin status` came to.
struct Outcome {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn ask(arguments: &[&str], environment: &[(&str, &str)]) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stave"));
    command.args(["admin", "status"]).args(arguments).env_clear();
    let output = command.envs(environment.iter().copied()).stdin(Stdio::null()).output().unwrap();
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A run that cannot ask: exit code 3, nothing on stdout, one line that says why.
#[track_caller]
fn check_unknown(arguments: &[&str], environment: &[(&str, &str)], part: &str) {
    let outcome = ask(arguments, environment);
    assert_eq!(outcome.code, Some(3), "{}", outcome.stderr);
    assert!(outcome.stdout.is_empty(), "{}", outcome.stdout);
    assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
    assert!(outcome.stderr.contains(part), "{:?} does not say {part:?}", outcome.stderr);
}

/// A server with the environment, its directory and its endpoint.
fn start(environment: &[(&str, &str)]) -> (TempDir, PathBuf, Stave, String) {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("data");
    let server = Stave::start(&dir, environment);
    let scheme = if server.banner.contains("https://") { "https" } else { "http" };
    let endpoint = format!("{scheme}://{}", server.address());
    (root, dir, server, endpoint)
}

#[test]
fn status_of_a_server_is_shown_by_the_keys_of_its_directory() {
    let (_root, dir, server, endpoint) = start(&[]);
    let dir = dir.to_str().unwrap();
    let table = ask(&[dir, "--endpoint", &endpoint], &[]);
    assert_eq!(table.code, Some(0), "{}", table.stderr);
    assert!(table.stdout.starts_with(&format!("{endpoint} is healthy\n")), "{}", table.stdout);
    assert!(table.stdout.contains("reads are served, writes are acknowledged"));
    assert!(!table.stdout.contains('\u{1b}'), "no colour where there is no terminal");
    let json = ask(&["--json", dir], &[("STAVE_ENDPOINT", &endpoint)]);
    assert_eq!(json.code, Some(0), "{}", json.stderr);
    assert!(json.stdout.starts_with("{\"version\":1,\"health\":\"healthy\""), "{}", json.stdout);
    assert_eq!(json.stdout.lines().count(), 1);
    let volumes = ask(&["--endpoint", &endpoint], &[("MINIO_VOLUMES", dir)]);
    assert_eq!(volumes.code, Some(0), "{}", volumes.stderr);
    server.stop();
}

#[test]
fn keys_and_region_come_from_where_the_server_has_them() {
    let keys = [("STAVE_ROOT_USER", "someone"), ("STAVE_ROOT_PASSWORD", "a-long-secret")];
    let environment = [keys[0], keys[1], ("STAVE_REGION", "eu-north-1")];
    let (_root, dir, server, endpoint) = start(&environment);
    let asked = ask(&["--endpoint", &endpoint], &keys);
    assert_eq!(asked.code, Some(0), "the server told its region: {}", asked.stderr);
    let dir = dir.to_str().unwrap();
    assert_eq!(ask(&[dir, "--endpoint", &endpoint], &keys).code, Some(0), "no file, but keys");
    check_unknown(&[dir, "--endpoint", &endpoint], &[], "keeps no root keys");
    let wrong = [keys[0], ("STAVE_ROOT_PASSWORD", "another-secret")];
    check_unknown(&["--endpoint", &endpoint], &wrong, "403: SignatureDoesNotMatch");
    let wrong = [("STAVE_ROOT_USER", "stranger"), keys[1]];
    check_unknown(&["--endpoint", &endpoint], &wrong, "403: InvalidAccessKeyId");
    check_unknown(&["--endpoint", &endpoint, "--region", "us-east-1"], &keys, "eu-north-1");
    let log = server.stop();
    assert!(!log.contains("a-long-secret"), "{log}");
}

#[test]
fn what_cannot_be_asked_is_not_called_healthy() {
    let keys = [("STAVE_ROOT_USER", "someone"), ("STAVE_ROOT_PASSWORD", "a-long-secret")];
    // Nothing ever listens on port 0.
    check_unknown(&["--endpoint", "http://127.0.0.1:0"], &keys, "cannot ask");
    check_unknown(&["--endpoint", "nowhere"], &keys, "bad endpoint");
    check_unknown(&["--nope"], &keys, "--nope");
    check_unknown(&[], &[], "no keys to ask with");
}

/// Writes a certificate that signs itself and calls itself an authority, as `openssl req` makes it.
fn write_certificate(dir: &Path) -> PathBuf {
    fs::create_dir_all(dir).unwrap();
    let mut params = CertificateParams::new(vec!["stave.example".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let path = dir.join("public.crt");
    fs::write(&path, params.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(dir.join("private.key"), key.serialize_pem()).unwrap();
    path
}

#[test]
fn over_tls_the_certificate_counts() {
    let certs = tempfile::tempdir().unwrap();
    let own = write_certificate(&certs.path().join("own"));
    let other = write_certificate(&certs.path().join("other"));
    let own_dir = own.parent().unwrap().to_str().unwrap();
    let (_root, dir, server, endpoint) = start(&[("STAVE_CERTS_DIR", own_dir)]);
    let dir = dir.to_str().unwrap();
    let with = |flags: &[&str]| {
        let arguments: Vec<&str> =
            [dir, "--endpoint", &endpoint].iter().chain(flags).copied().collect();
        ask(&arguments, &[])
    };
    let known = with(&["--ca", own.to_str().unwrap()]);
    assert_eq!(known.code, Some(0), "{}", known.stderr);
    let any = with(&["--insecure"]);
    assert_eq!(any.code, Some(0), "{}", any.stderr);
    for flags in [&["--ca", other.to_str().unwrap()][..], &["--ca", "/does/not/exist"], &[]] {
        let refused = with(flags);
        assert_eq!(refused.code, Some(3), "{flags:?}: {}", refused.stdout);
        assert!(refused.stderr.contains("--ca FILE") || refused.stderr.contains("/does/not"));
    }
    let plain = endpoint.replace("https", "http");
    check_unknown(&[dir, "--endpoint", &plain], &[], "This port speaks HTTPS");
    server.stop();
}
