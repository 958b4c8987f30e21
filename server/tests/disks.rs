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
fn keys_of_most_disks_count_and_without_a_majority_the_start_stops() {
    let (disks, keys) = Disks::with_object();
    let other = keys.replace("aws_secret_access_key = ", "aws_secret_access_key = X");
    fs::write(disks.dir(1).join(KEYS), &other).unwrap();
    let server = disks.start();
    assert!(server.banner.contains("d2/.stave-credentials"), "{}", server.banner);
    assert_eq!(disks.status(&server).0, Some(0), "most disks hold the keys that count");
    assert!(server.stop().contains("not the root keys that most disks hold"));
    fs::write(disks.dir(4).join(KEYS), &other).unwrap();
    let line = refused(command(&disks.all()));
    assert!(line.contains("different root keys"), "{line}");
    assert!(has_keys(&disks.dir(4), &other) && has_keys(&disks.dir(2), &keys));
}

#[test]
fn disk_of_another_store_is_refused_and_its_keys_do_not_count() {
    let (disks, keys) = Disks::with_object();
    let (others, other_keys) = Disks::with_object();
    for number in 1..=2 {
        fs::rename(disks.dir(number), disks.root.path().join(number.to_string())).unwrap();
        fs::rename(others.dir(number), disks.dir(number)).unwrap();
    }
    let line = refused(command(&disks.all()));
    assert!(line.contains("two stores, each complete"), "{line}");
    fs::rename(disks.dir(2), others.dir(2)).unwrap();
    fs::rename(disks.root.path().join("2"), disks.dir(2)).unwrap();
    let server = disks.start();
    let told = "d1 is refused: belongs to another store";
    assert!(server.banner.contains(told), "{}", server.banner);
    assert!(server.banner.contains("d2/.stave-credentials"), "{}", server.banner);
    server.stop();
    assert!(has_keys(&disks.dir(1), &other_keys) && has_keys(&disks.dir(2), &keys));
}

#[test]
fn directory_that_was_missing_at_the_start_is_taken_in_when_it_comes() {
    let (disks, keys) = Disks::with_object();
    let away = disks.root.path().join("away");
    fs::rename(disks.dir(3), &away).unwrap();
    let five = disks.root.path().join("d{1...5}");
    let mut server = Stave::run(command(&five));
    assert!(server.banner.contains("Data: 5 disks: "), "{}", server.banner);
    let (code, text) = disks.status(&server);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("d3  absent ") && text.contains("d5  absent "), "{text}");
    fs::rename(&away, disks.dir(3)).unwrap();
    server.wait_for_log("disk is back");
    fs::create_dir(disks.dir(5)).unwrap();
    server.wait_for_log("disk joins");
    server.stop();
    let server = Stave::run(command(&five));
    assert!(server.banner.contains("Redundancy: 3+2, "), "{}", server.banner);
    assert!(!server.banner.contains("is not there"), "{}", server.banner);
    server.stop();
    assert!(has_keys(&disks.dir(5), &keys));
}

#[test]
fn start_that_must_not_be_is_refused_before_anything_is_written() {
    let disks = Disks::new();
    for number in 1..=4 {
        fs::create_dir(disks.dir(number)).unwrap();
    }
    fs::write(disks.dir(3).join("photo"), "precious").unwrap();
    let line = refused(command(&disks.all()));
    assert!(line.contains("d3: it has no stave.disk but holds other files (photo)"), "{line}");
    assert!((1..=4).all(|number| !disks.dir(number).join(KEYS).exists()));
    fs::rename(disks.dir(3), disks.root.path().join("elsewhere")).unwrap();
    let line = refused(command(&disks.all()));
    assert!(line.contains("d3 is not there, and is not made"), "{line}");
    let (disks, _) = Disks::with_object();
    for number in 1..=3 {
        fs::remove_dir_all(disks.dir(number)).unwrap();
    }
    let line = refused(command(&disks.all()));
    assert!(line.contains("1 of 4 disks are there, 2 are needed"), "{line}");
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
