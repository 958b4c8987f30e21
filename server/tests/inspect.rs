//! `stave inspect` on stores that the real engine made: what is intact, what is damaged and where,
//! and what the volumes alone give back.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the tests break files on purpose; the panic of a test is its failure"
)]

#[expect(dead_code, reason = "not every test needs all of it")]
mod common;

use bytes::Bytes;
use cluster::rows::{self, Incarnation};
use cluster::{Node, NodeConfig};
use engine::disks::DiskAt;
use engine::env::real::{DiskThreads, RealDisk, env};
use engine::erasure::Geometry;
use engine::format::record::{self, ColumnLen, Layout, Owner, Shape};
use engine::format::segment::Seal;
use engine::format::value::VolumeId;
use engine::meta::RowOwner;
use engine::object::{
    Body, BodyDigest, BodyError, BodySource, BucketName, CreateBucketRequest, ETag, Lock,
    ObjectAttributes, ObjectKey, PutRequest, WriteCondition,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::task::{Context, Poll};
use tempfile::TempDir;
use tokio::runtime::Builder;

const LENS: [usize; 7] = [1, 4096, 16_385, 60_000, 70_000, (1 << 20) + 1, 3_500_000];

struct Whole(Option<Bytes>);

impl BodySource for Whole {
    fn poll_chunk(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        Poll::Ready(self.0.take().map(Ok))
    }

    fn digest(&mut self) -> BodyDigest {
        BodyDigest { etag: ETag("etag".into()), checksum: None, plain_len: None }
    }
}

/// A body of `len` bytes that depend on the length.
fn content(len: usize) -> Vec<u8> {
    let mut state = len as u64 | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// How a store was left.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Shutdown,
    Crash,
}

/// The directories of a store with some objects.
struct Store {
    _root: TempDir,
    dirs: Vec<PathBuf>,
}

impl Store {
    fn make(disk_count: usize, end: End) -> Self {
        let root = tempfile::tempdir().unwrap();
        let dirs: Vec<_> = (0..disk_count).map(|it| root.path().join(format!("d{it}"))).collect();
        let store = Self { _root: root, dirs };
        store.live(end);
        store
    }

    /// Starts on the directories, writes the objects, ends.
    fn live(&self, end: End) {
        let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
        let threads = runtime.block_on(fill(&self.dirs, end));
        drop(runtime);
        while !threads.iter().all(DiskThreads::have_ended) {
            std::thread::yield_now();
        }
    }

    fn inspect(&self, flags: &[&str]) -> (Option<i32>, String) {
        inspect(flags, &self.dirs)
    }

    /// All files of a kind of the first disk that has any.
    fn files(&self, directory: &str) -> Vec<PathBuf> {
        let all = self.dirs.iter().map(|dir| files_in(&dir.join(directory)));
        all.into_iter().find(|files| !files.is_empty()).unwrap()
    }
}

fn files_in(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

async fn fill(dirs: &[PathBuf], end: End) -> Vec<DiskThreads> {
    let mut threads = Vec::new();
    let disk = |dir: &PathBuf| {
        let disk = RealDisk::open(dir).unwrap();
        threads.push(disk.threads());
        DiskAt::new(dir.to_string_lossy(), Arc::new(disk))
    };
    let disks = dirs.iter().map(disk).collect();
    let node = Node::open(NodeConfig::tiny(), disks, env()).await.unwrap();
    let store = node.store();
    let bucket = BucketName::new("bucket").unwrap();
    // The second time it is there.
    store.create_bucket(CreateBucketRequest::plain(bucket.clone())).await.ok();
    let bodies = LENS.map(|len| (len.to_string(), content(len)));
    let small = (0..5).map(|index| (format!("small/{index}"), content(index + 1)));
    for (key, bytes) in bodies.into_iter().chain(small) {
        let request = PutRequest {
            bucket: bucket.clone(),
            key: ObjectKey::new(key).unwrap(),
            attributes: ObjectAttributes::default(),
            condition: WriteCondition::None,
            lock: Lock::default(),
            len: Some(bytes.len() as u64),
        };
        let body: Body = Box::new(Whole(Some(bytes.into())));
        store.put(request, body).await.unwrap();
    }
    if end == End::Shutdown {
        node.shutdown().await;
    }
    threads
}

/// Runs the binary; returns exit code and stdout, or stderr where that is empty.
fn inspect(flags: &[&str], paths: &[PathBuf]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stave"));
    let output = command.arg("inspect").args(flags).args(paths).env_clear().output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!error.contains("panicked"), "{error}");
    (output.status.code(), String::from_utf8(output.stdout).unwrap() + &error)
}

#[track_caller]
fn check(flags: &[&str], paths: &[PathBuf], code: i32, parts: &[&str]) -> String {
    let (found, text) = inspect(flags, paths);
    assert_eq!(found, Some(code), "{text}");
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    text
}

fn flip(path: &Path, offset: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[offset] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

/// The items that `--json` prints.
fn items(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of_kind<'a>(items: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    items.iter().filter(move |item| item["kind"] == kind)
}

#[test]
fn clean_stores_are_intact() {
    for (disk_count, end) in
        [(1, End::Shutdown), (1, End::Crash), (4, End::Shutdown), (4, End::Crash)]
    {
        let store = Store::make(disk_count, end);
        let text = check(&[], &store.dirs, 0, &["would_start=true", "role=current", "lost=0"]);
        assert!(!text.contains("nothing names it"), "{text}");
        check(&["--verify"], &store.dirs, 0, &["intact: "]);
        check(&["--records"], &store.dirs, 0, &["row_kind=object", "key=3500000"]);
        if end == End::Shutdown {
            check(&["--records"], &store.dirs, 0, &["key=small/", "row_kind=bucket"]);
        }
        let (_, text) = store.inspect(&["--json"]);
        let items = items(&text);
        assert_eq!(of_kind(&items, "place").count(), disk_count);
        for volume in of_kind(&items, "volume").filter(|it| it["margin"].is_number()) {
            assert_eq!(volume["margin"], disk_count / 2, "{volume}");
        }
        for dir in &store.dirs {
            check(&[], std::slice::from_ref(dir), 0, &["roster epoch="]);
            for directory in ["journal", "runs", "volumes"] {
                files_in(&dir.join(directory)).iter().for_each(|file| {
                    check(&["--records"], std::slice::from_ref(file), 0, &["intact: 1 files"]);
                });
            }
        }
    }
}

#[test]
fn flipped_bit_is_found_and_named() {
    let store = Store::make(4, End::Shutdown);
    let first = |directory| store.files(directory)[0].clone();
    let (run, segment) = (first("runs"), first("volumes"));
    let run_len = fs::metadata(&run).unwrap().len() as usize;
    let dir = store.dirs[0].clone();
    let places = [
        (dir.join("stave.disk"), 40, "malformed disk identity"),
        (dir.join("stave.roster"), 50, "malformed roster"),
        (dir.join("manifest"), 50, "malformed manifest"),
        (run.clone(), 20, "block of rows"),
        (run.clone(), run_len - 70, "top of the run"),
        (run.clone(), run_len - 20, "footer of the run"),
        (segment.clone(), 100, "malformed segment header"),
        (segment.clone(), 4096 + 10, "bytes without a record"),
        (segment, 4096 + 200, "sub-block 0 of the record"),
    ];
    for (path, offset, what) in places {
        flip(&path, offset);
        let name = path.display().to_string();
        check(&["--verify"], std::slice::from_ref(&path), 1, &[&name, what]);
        check(&["--verify"], &store.dirs, 1, &[&name, what]);
        flip(&path, offset);
    }
    check(&["--verify"], &store.dirs, 0, &[]);
}

/// File and offset of a batch of the journal's tail: the one that is `back` before the last.
fn tail_batch(store: &Store, back: u64) -> (PathBuf, usize) {
    let (_, text) = store.inspect(&["--json"]);
    let items = items(&text);
    let tail = of_kind(&items, "tail").next().unwrap();
    let wanted = tail["last"].as_u64().unwrap() - back;
    assert!(wanted > tail["checkpoint"].as_u64().unwrap(), "the tail is long enough");
    let is_wanted = |batch: &&Value| batch["sequence"] == wanted;
    let batch = of_kind(&items, "batch").find(is_wanted).unwrap();
    (batch["file"].as_str().unwrap().into(), batch["offset"].as_u64().unwrap() as usize)
}

#[test]
fn rot_in_the_journal_is_told_from_a_torn_tail() {
    let store = Store::make(4, End::Crash);
    let (path, offset) = tail_batch(&store, 1);
    let name = path.display().to_string();
    flip(&path, offset + 70);
    check(&[], &store.dirs, 1, &[&name, "are missing, but"]);
    check(&[], std::slice::from_ref(&path), 1, &[&name, "no batch here"]);
    flip(&path, offset + 70);
    let (path, offset) = tail_batch(&store, 0);
    flip(&path, offset + 70);
    check(&[], &store.dirs, 0, &["torn, or damage"]);
    check(&[], std::slice::from_ref(&path), 0, &["torn or older bytes"]);
}

#[test]
fn what_the_manifest_names_must_be_there() {
    for directory in ["runs", "volumes"] {
        let store = Store::make(4, End::Shutdown);
        let path = store.files(directory)[0].clone();
        fs::remove_file(&path).unwrap();
        let name = path.display().to_string();
        check(&[], &store.dirs, 1, &[&name, "the manifest names it, and it is missing"]);
    }
    let store = Store::make(1, End::Shutdown);
    let path = store.files("volumes")[0].clone();
    fs::copy(&path, path.with_file_name("00000000000000ff-00000001")).unwrap();
    check(&[], &store.dirs, 0, &["nothing names it"]);
}

#[test]
fn write_that_was_cut_off_is_no_damage_until_its_volume_is_sealed() {
    for (end, code, what) in [
        (End::Crash, 0, "is not complete: cut off, or damage"),
        (End::Shutdown, 1, "that other members know is missing"),
    ] {
        let store = Store::make(4, end);
        if end == End::Shutdown {
            // The next start seals what was open.
            store.live(end);
        }
        let mut segments = files_in(&store.dirs[0].join("volumes"));
        // The one that waits to be the next has nothing to cut off.
        segments.retain(|segment| fs::metadata(segment).unwrap().len() > 4096);
        let cut = if end == End::Crash { segments.last() } else { segments.first() }.unwrap();
        fs::write(cut, &fs::read(cut).unwrap()[..4096]).unwrap();
        check(&[], &store.dirs, code, &[what]);
    }
}

#[test]
fn margins_count_what_is_there() {
    let store = Store::make(4, End::Shutdown);
    check(&[], &store.dirs[..3], 0, &["margin=1", "would_start=true"]);
    check(&[], &store.dirs[..2], 0, &["margin=0", "would_start=true"]);
    flip(&files_in(&store.dirs[0].join("volumes"))[0], 4096 + 200);
    check(&[], &store.dirs[..2], 1, &["stripe lost: 1 members of 2 needed", "margin=-"]);
    let blank = tempfile::tempdir().unwrap();
    let with_blank = [&store.dirs[1..], &[blank.path().to_owned()]].concat();
    check(&[], &with_blank, 0, &["role=new", "margin=1", "empty: no disk yet"]);
    check(&[], &store.dirs[..1], 1, &["1 of 4 disks are there", "one disk of several"]);
}

/// Puts the pieces of every object together in their order; the index is checked on the way.
fn assemble(target: &Path) -> BTreeMap<String, Vec<u8>> {
    let index = fs::read_to_string(target.join("index.jsonl")).unwrap();
    let mut pieces = items(&index);
    pieces.sort_by_key(|piece| {
        let number = |name: &str| piece[name].as_u64().unwrap_or_default();
        (piece["volume"].as_str().unwrap().to_owned(), number("offset"), number("start"))
    });
    let mut bodies: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for piece in pieces {
        assert_eq!((&piece["row_kind"], &piece["verified"]), (&"object".into(), &true.into()));
        let bytes = fs::read(target.join(piece["file"].as_str().unwrap())).unwrap();
        assert_eq!(piece["len"], bytes.len());
        bodies.entry(piece["key"].as_str().unwrap().into()).or_default().extend(bytes);
    }
    bodies
}

#[test]
fn volumes_alone_give_every_body_without_one_disk() {
    let store = Store::make(4, End::Shutdown);
    for lost in 0..4 {
        let mut dirs = store.dirs.clone();
        dirs.remove(lost);
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("target");
        let flags = ["--rebuild", target.to_str().unwrap()];
        check(&flags, &dirs, 0, &["rebuilt volumes=", "unverified=0 lost=0", "cannot be known"]);
        let bodies = assemble(&target);
        // The engine leaves the smallest bodies in the index.
        for len in LENS.into_iter().filter(|len| *len > 64) {
            assert!(bodies[&len.to_string()] == content(len), "{len} differs without {lost}");
        }
        assert!(fs::read_to_string(target.join("README.txt")).unwrap().contains("deleted"));
        let output = common::command(&target).output().unwrap();
        let line = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && line.contains("holds other files"), "{line}");
    }
}

#[test]
fn rebuild_tells_what_it_could_not_verify() {
    let store = Store::make(1, End::Shutdown);
    let segment = store.files("volumes")[0].clone();
    flip(&segment, 4096 + 200);
    let root = tempfile::tempdir().unwrap();
    let target = root.path().join("target");
    let flags = ["--rebuild", target.to_str().unwrap()];
    check(&flags, &store.dirs, 1, &["is not verified", "unverified=1 lost=0"]);
    let index = items(&fs::read_to_string(target.join("index.jsonl")).unwrap());
    let bad: Vec<_> = index.iter().filter(|piece| piece["verified"] == false).collect();
    assert!(bad.len() == 1 && bad[0]["file"].is_string(), "{bad:?}");
    assert_eq!(bad[0]["unverified"][0][0], 0, "{bad:?}");
    check(&flags, &store.dirs, 2, &["an empty directory is wanted"]);
    let inside = store.dirs[0].join("inside");
    let flags = ["--rebuild", inside.to_str().unwrap()];
    check(&flags, &store.dirs, 2, &["lies inside"]);
    assert!(!inside.exists());
}

#[test]
fn directory_of_a_running_server_is_refused_unless_forced() {
    let root = tempfile::tempdir().unwrap();
    let dirs = [root.path().join("data")];
    let server = common::Stave::start(&dirs[0], &[]);
    check(&[], &dirs, 2, &["is served by a running server"]);
    check(&[], &[dirs[0].join("manifest")], 2, &["is served by a running server"]);
    check(&["--force"], &dirs, 0, &["would_start=true"]);
    server.stop();
    check(&[], &dirs, 0, &[]);
    let other = tempfile::tempdir().unwrap();
    check(&[], &[other.path().join("missing")], 2, &["UNREADABLE"]);
    fs::write(other.path().join("file"), "text").unwrap();
    check(&[], &[other.path().join("file")], 2, &["neither its name nor its content"]);
}

#[test]
fn any_bytes_are_answered() {
    let store = Store::make(1, End::Shutdown);
    let mut sources: Vec<PathBuf> =
        ["journal", "runs", "volumes"].map(|it| store.files(it)[0].clone()).into();
    sources.extend(["stave.disk", "stave.roster", "manifest"].map(|it| store.dirs[0].join(it)));
    let root = tempfile::tempdir().unwrap();
    let mut copies = Vec::new();
    for round in 0..40usize {
        for source in &sources {
            let mut bytes = fs::read(source).unwrap();
            for step in 0..round {
                let place = (round * 7919 + step * 104_729) % bytes.len();
                bytes[place] = (round * 31 + step * 17) as u8;
            }
            bytes.truncate(bytes.len() * (40 - round) / 40);
            let dir = root.path().join(round.to_string());
            fs::create_dir_all(&dir).unwrap();
            let copy = dir.join(source.file_name().unwrap());
            fs::write(&copy, bytes).unwrap();
            copies.push(copy);
        }
    }
    check(&["--records"], &copies, 1, &["damaged: 240 files"]);
}

/// A segment of one stripe with two bodies, and the tail of a second record.
fn small_segment() -> Vec<u8> {
    let seal = Seal {
        deployment_id: 1,
        disk_id: 2,
        volume: VolumeId(3),
        geometry: Geometry { data: 2, parity: 1 },
        column: 0,
        epoch: 4,
    };
    let owner = |len, key: &str| Owner {
        len,
        owner: RowOwner {
            write_id: 5,
            key: rows::object(Incarnation(6), &ObjectKey::new(key).unwrap()),
        }
        .encode(),
    };
    let owners = record::encode_owners(&[owner(100, "one"), owner(50, "two")]);
    let first = ColumnLen { payload: 150, owners: owners.len() as u32 };
    let second = ColumnLen { payload: 7, owners: 40 };
    let shape = Shape { layout: Layout::Rows, columns: vec![first, second] };
    let payload = vec![Bytes::from(content(150))];
    let mut bytes = seal.encode().to_vec();
    record::encode(&seal, 4096, &shape, payload, &owners)
        .iter()
        .for_each(|buffer| bytes.extend_from_slice(buffer));
    bytes.extend_from_slice(&[0; 4096]);
    bytes.extend_from_slice(&[7; 100]);
    bytes
}

const SMALL_SEGMENT: &str = "\
FILE
  segment volume=0000000000000003 epoch=4 geometry=2+1 column=0 \
deployment_id=00000000000000000000000000000001 disk_id=00000000000000000000000000000002
  record offset=4096 layout=rows columns=150+92,7+40 len=4096 owners=2
  owner start=0 len=100 row=\\x00\\x00\\x02\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x06one\
\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00 row_kind=object incarnation=0000000000000006 \
key=one write_id=00000000000000000000000000000005
  owner start=100 len=50 row=\\x00\\x00\\x02\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x06two\
\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00 row_kind=object incarnation=0000000000000006 \
key=two write_id=00000000000000000000000000000005
DAMAGE: FILE at byte 12288: 100 bytes without a record: damage, or a write that was cut off
  records count=1 intact=1
damaged: 1 files, 1 places with damage, 0 not readable
";

#[test]
fn small_segment_is_shown_like_this() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("without-its-name");
    fs::write(&path, small_segment()).unwrap();
    let text = check(&["--records"], std::slice::from_ref(&path), 1, &[]);
    assert_eq!(text.replace(path.to_str().unwrap(), "FILE"), SMALL_SEGMENT);
}
