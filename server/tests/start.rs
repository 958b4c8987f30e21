//! The real binary: how it starts, refuses, and stops.
#![expect(clippy::disallowed_methods, reason = "reads files that the server made")]

#[expect(dead_code, reason = "not every test needs all of it")]
mod common;

use common::{Stave, answer_of, command, refused};
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

fn data_dir() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

#[test]
fn first_start_makes_keys_and_shows_them_once() {
    let root = data_dir();
    let dir = root.path().join("new/data");
    let first = Stave::start(&dir, &[]);
    let path = dir.join(".stave-credentials");
    let kept = fs::read_to_string(&path).unwrap();
    let secret = kept.lines().find_map(|line| line.strip_prefix("aws_secret_access_key = "));
    let secret = secret.expect("the file has a secret");
    assert!(first.banner.contains(secret), "shown when made");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    first.stop();
    let second = Stave::start(&dir, &[]);
    assert!(!second.banner.contains(secret), "never shown again");
    assert_eq!(fs::read_to_string(&path).unwrap(), kept);
    let log = second.stop();
    assert!(!log.contains(secret), "never logged");
}

#[test]
fn given_keys_leave_no_file_and_aliases_are_logged() {
    let root = data_dir();
    let environment = [("MINIO_ROOT_USER", "someone"), ("MINIO_ROOT_PASSWORD", "a-long-secret")];
    let server = Stave::start(root.path(), &environment);
    assert!(!root.path().join(".stave-credentials").exists());
    assert!(!server.banner.contains("a-long-secret"));
    let log = server.stop();
    assert!(log.contains("MINIO_ROOT_USER") && log.contains("STAVE_ROOT_USER"), "{log}");
    assert!(!log.contains("a-long-secret"), "{log}");
}

#[test]
fn endpoint_answers_as_soon_as_it_is_printed() {
    let root = data_dir();
    let server = Stave::start(root.path(), &[]);
    assert!(server.banner.contains(&format!("Endpoint: http://{} ", server.address())));
    let live = server.get("/minio/health/live");
    assert!(live.starts_with("HTTP/1.1 200"), "{live}");
    let anonymous = server.get("/some-bucket/key");
    assert!(anonymous.starts_with("HTTP/1.1 404"), "{anonymous}");
    server.stop();
}

#[test]
fn second_process_on_a_directory_is_refused() {
    let root = data_dir();
    let server = Stave::start(root.path(), &[]);
    let line = refused(command(root.path()));
    assert!(line.contains("is served by another process"), "{line}");
    server.stop();
    Stave::start(root.path(), &[]).stop();
}

#[test]
fn lock_of_a_killed_process_is_free() {
    let root = data_dir();
    Stave::start(root.path(), &[]).kill();
    Stave::start(root.path(), &[]).stop();
}

#[test]
fn taken_port_is_refused_before_anything_is_written() {
    let root = data_dir();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let dir = root.path().join("data");
    let mut command = command(&dir);
    command.env("STAVE_ADDRESS", &address);
    let line = refused(command);
    assert!(line.contains(&address), "{line}");
    assert!(!dir.exists());
}

#[test]
fn wrong_configuration_is_refused_in_one_line() {
    let root = data_dir();
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    let line = refused(command(&file));
    assert!(line.contains("file"), "{line}");
    for (name, value, part) in [
        ("STAVE_ADDRESS", "nowhere", "bad address"),
        ("STAVE_ROOT_USER", "lonely", "without a password"),
        ("STAVE_LOG", "a=b=c", "bad STAVE_LOG"),
        ("STAVE_ROOT_PASSWORD_FILE", "/does/not/exist", "cannot be read"),
    ] {
        let mut command = command(root.path());
        command.env(name, value);
        let line = refused(command);
        assert!(line.contains(part), "{line}");
    }
    let mut twice = command(root.path());
    twice.arg(root.path());
    assert!(refused(twice).contains("is named twice"));
}

#[test]
fn damaged_credentials_are_refused_and_left_alone() {
    let root = data_dir();
    let path = root.path().join(".stave-credentials");
    fs::write(&path, "torn").unwrap();
    let line = refused(command(root.path()));
    assert!(line.contains("is damaged"), "{line}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "torn");
}

#[test]
fn running_request_is_finished_after_the_signal() {
    let root = data_dir();
    let mut server = Stave::start(root.path(), &[]);
    let created = answer_of(server.begin("PUT", "/bucket", 0, ""));
    assert!(created.starts_with("HTTP/1.1 200"), "{created}");
    let mut upload = server.begin("PUT", "/bucket/key", 10, "first");
    server.terminate();
    server.wait_for_log("stopping");
    write!(upload, "-last").unwrap();
    let answer = answer_of(upload);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (code, log) = server.wait();
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn second_signal_ends_it_at_once() {
    let root = data_dir();
    let mut server = Stave::start(root.path(), &[]);
    answer_of(server.begin("PUT", "/bucket", 0, ""));
    let _upload = server.begin("PUT", "/bucket/key", 10, "first");
    server.terminate();
    server.wait_for_log("stopping");
    server.terminate();
    let (code, log) = server.wait();
    assert_eq!(code, Some(128 + 15), "{log}");
}

#[test]
fn a_hangup_without_certificates_ends_nothing() {
    let root = data_dir();
    let mut server = Stave::start(root.path(), &[]);
    server.signal("-HUP");
    server.wait_for_log("TLS is off");
    let created = answer_of(server.begin("PUT", "/bucket", 0, ""));
    assert!(created.starts_with("HTTP/1.1 200"), "{created}");
    server.terminate();
    let (code, log) = server.wait();
    assert_eq!(code, Some(0), "{log}");
}
