//! The real binary on several directories: which it takes, which it leaves alone, what it tells.
#![expect(clippy::disallowed_methods, reason = "loses and replaces the directories of the tests")]
#![expect(clippy::unwrap_used, reason = "the panic of a test is its failure")]

#[expect(dead_code, reason = "not every test needs all of it")]
mod common;

use common::{Stave, answer_of, command, refused};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const KEYS: &str = ".stave-credentials";

/// Four directories, `d1` to `d4`.
struct Disks {
    root: TempDir,
}

impl Disks {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    fn dir(&self, number: u32) -> PathBuf {
        self.root.path().join(format!("d{number}"))
    }

    fn all(&self) -> PathBuf {
        self.root.path().join("d{1...4}")
    }

    fn start(&self) -> Stave {
        Stave::run(command(&self.all()))
    }

    /// A store with an object in it; returns the keys.
    fn with_object() -> (Self, String) {
        let disks = Self::new();
        let server = disks.start();
        answer_of(server.begin("PUT", "/bucket", 0, ""));
        let put = answer_of(server.begin("PUT", "/bucket/key", 4, "body"));
        assert!(put.starts_with("HTTP/1.1 200"), "{put}");
        server.stop();
        let keys = fs::read_to_string(disks.dir(1).join(KEYS)).unwrap();
        (disks, keys)
    }

    /// What `stave admin status` says, with its exit code.
    fn status(&self, server: &Stave) -> (Option<i32>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stave"));
        command.args(["admin", "status"]).arg(self.all()).env_clear();
        command.env("STAVE_ENDPOINT", format!("http://{}", server.address()));
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    }
}

fn has_keys(dir: &Path, keys: &str) -> bool {
    fs::read_to_string(dir.join(KEYS)).is_ok_and(|found| found == keys)
}

#[test]
fn several_directories_are_one_store() {
    let disks = Disks::new();
    let server = disks.start();
    assert!(server.banner.contains("Data: 4 disks: "), "{}", server.banner);
    assert!(server.banner.contains("Redundancy: 2+2, 2 disks may be lost\n"), "{}", server.banner);
    assert!(!server.banner.contains("DEGRADED"), "{}", server.banner);
    let keys = fs::read_to_string(disks.dir(1).join(KEYS)).unwrap();
    for number in 1..=4 {
        assert!(disks.dir(number).join("stave.disk").exists());
        assert!(has_keys(&disks.dir(number), &keys), "{number}");
    }
    let (code, text) = disks.status(&server);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("margin      2 of 2: 2 more disks may be lost\n"), "{text}");
    let metrics = server.get("/metrics");
    assert!(metrics.contains("\nstave_disks{state=\"healthy\"} 4\n"), "{metrics}");
    assert!(metrics.contains("\nstave_margin 2\n"), "{metrics}");
    server.stop();
}

#[test]
fn missing_directory_is_told_and_not_made() {
    let (disks, _) = Disks::with_object();
    fs::remove_dir_all(disks.dir(3)).unwrap();
    let server = disks.start();
    assert!(server.banner.contains("\nDEGRADED: "), "{}", server.banner);
    assert!(server.banner.contains("d3 is not there"), "{}", server.banner);
    assert!(!disks.dir(3).exists());
    let (code, text) = disks.status(&server);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("is degraded\n") && text.contains("d3  absent "), "{text}");
    let log = server.stop();
    assert!(log.contains("disk left out"), "{log}");
    assert!(!disks.dir(3).exists());
}

#[test]
fn blank_disk_takes_the_place_of_a_lost_one_and_gets_the_keys() {
    let (disks, keys) = Disks::with_object();
    fs::remove_dir_all(disks.dir(1)).unwrap();
    fs::create_dir(disks.dir(1)).unwrap();
    let server = disks.start();
    assert!(server.banner.contains("Root keys: kept in "), "{}", server.banner);
    server.stop();
    assert!(disks.dir(1).join("stave.disk").exists());
    assert!(has_keys(&disks.dir(1), &keys));
}

#[test]
fn directory_of_another_process_stops_the_start() {
    let disks = Disks::new();
    let other = Stave::start(&disks.dir(2), &[]);
    let line = refused(command(&disks.all()));
    assert!(line.contains("d2 is served by another process"), "{line}");
    other.stop();
}

#[test]
fn keys_that_differ_stop_the_start() {
    let (disks, keys) = Disks::with_object();
    let other = keys.replace("aws_secret_access_key = ", "aws_secret_access_key = X");
    fs::write(disks.dir(4).join(KEYS), &other).unwrap();
    let line = refused(command(&disks.all()));
    assert!(line.contains("different root keys"), "{line}");
    assert!(has_keys(&disks.dir(4), &other) && has_keys(&disks.dir(1), &keys));
}

#[test]
fn new_store_wants_all_its_disks() {
    let disks = Disks::new();
    fs::write(disks.dir(2), "a file").unwrap();
    let line = refused(command(&disks.all()));
    assert!(line.contains("begins on all its disks"), "{line}");
    let made = (1..=4).filter(|number| disks.dir(*number).join("stave.disk").exists());
    assert_eq!(made.count(), 0);
}

#[test]
fn no_parity_is_warned_about() {
    let disks = Disks::new();
    let mut none = command(&disks.all());
    none.arg("--parity").arg("0");
    let server = Stave::run(none);
    assert!(server.banner.contains("Redundancy: none (4+0)"), "{}", server.banner);
    assert!(server.stop().contains("NO PARITY"));
}
