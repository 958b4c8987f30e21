//! One encoded example of every on-disk format, kept byte for byte. A change of a format changes
//! its golden file in the same commit: `STAVE_BLESS=1 cargo test -p engine --test golden` writes
//! them anew.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "golden files lie in the source tree"
)]

use bytes::Bytes;
use engine::erasure::Geometry;
use engine::format::batch::{self, BatchPlace, JournalRecord};
use engine::format::identity::Identity;
use engine::format::manifest::{Manifest, MemberEntry, VolumeEntry, VolumeUsage};
use engine::format::record::{self, ColumnLen, Layout, Owner, Shape};
use engine::format::roster::{DiskNumber, Roster, RosterDisk};
use engine::format::run::{self, Footer, FramePlace, Page, Pointer, Rows};
use engine::format::segment::Seal;
use engine::format::value::{Extent, Location, Value, VolumeId};
use std::path::PathBuf;

/// Compares with the golden file of that name; long stretches of zeros are part of the formats and
/// kept as they are.
fn check(name: &str, encoded: &[u8]) {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.hex"));
    let lines: Vec<String> = encoded.chunks(48).map(hex::encode).collect();
    let text = lines.join("\n") + "\n";
    if std::env::var_os("STAVE_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    assert!(golden == text, "{name} is no longer encoded as in {}", path.display());
}

fn concat(buffers: Vec<Bytes>) -> Bytes {
    buffers.concat().into()
}

/// Every flip of one bit makes the bytes refuse to decode.
fn check_flips(encoded: &Bytes, step: usize, decodes: impl Fn(&Bytes) -> bool) {
    assert!(decodes(encoded));
    for bit in (0..encoded.len() * 8).step_by(step) {
        let mut bytes = encoded.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(!decodes(&bytes.into()), "bit {bit} flipped and nobody saw it");
    }
}

const SEAL: Seal = Seal {
    deployment_id: 0x11,
    disk_id: 0x22,
    volume: VolumeId(3),
    geometry: Geometry { data: 2, parity: 1 },
    column: 0,
    epoch: 7,
};

fn extent(start: u32, len: u32) -> Extent {
    let column = (len < 100).then_some(1);
    let crc64 = 0x0123_4567_89ab_cdef;
    Extent { volume: VolumeId(3), offset: 4096, column, payload_len: 17_000, start, len, crc64 }
}

#[test]
fn identity() {
    let identity = Identity { deployment_id: 0x0102_0304, disk_id: u128::MAX };
    let encoded = Bytes::from(identity.encode());
    assert_eq!(Identity::decode(&encoded), Ok(identity));
    check_flips(&encoded, 1, |bytes| Identity::decode(bytes).is_ok());
    check("identity", &encoded);
}

fn member(disk: u16, is_damaged: bool) -> MemberEntry {
    MemberEntry { disk: DiskNumber(disk), epoch: 4, is_damaged }
}

#[test]
fn roster() {
    let disk = |number: u16| RosterDisk {
        number: DiskNumber(number),
        disk_id: 0x0102 << number,
        place: format!("/mnt/disk{number}"),
        is_active: number != 4,
        is_leg: number == 1,
    };
    let disks = vec![disk(1), disk(4)];
    let roster = Roster { epoch: 77, next_number: 5, parity: 1, disks };
    let identity = Identity { deployment_id: 0x22, disk_id: 0x33 };
    let encoded = Bytes::from(roster.encode(identity));
    assert_eq!(Roster::decode(&encoded), Ok((identity, roster.clone())));
    let reused = Roster { next_number: 4, ..roster };
    assert!(Roster::decode(&reused.encode(identity)).is_err(), "a number that is free is taken");
    check_flips(&encoded, 1, |bytes| Roster::decode(bytes).is_ok());
    check("roster", &encoded);
}

#[test]
fn manifest() {
    let manifest = Manifest {
        sequence: 9,
        journal_generation: 0xfeed,
        checkpoint: 300,
        next_run_id: 70_000,
        next_volume_id: 5,
        runs: vec![69_999, 3],
        usage: vec![(VolumeId(2), VolumeUsage { live_len: 1 << 33, is_fenced: true })],
        volumes: vec![VolumeEntry {
            id: VolumeId(2),
            geometry: Geometry { data: 1, parity: 1 },
            epoch: 4,
            sealed_len: Some(1 << 30),
            members: vec![member(0, false), member(300, true)],
        }],
    };
    let encoded = Bytes::from(manifest.encode(0x22));
    assert_eq!(Manifest::decode(&encoded, 0x22), Ok(manifest));
    assert!(Manifest::decode(&encoded, 0x23).is_err(), "another store's");
    check_flips(&encoded, 1, |bytes| Manifest::decode(bytes, 0x22).is_ok());
    check("manifest", &encoded);
}

#[test]
fn batch() {
    let place = BatchPlace { generation: 77, file: 1, offset: 8192 };
    let records = [
        JournalRecord {
            group: 0,
            head: Bytes::from_static(b"head"),
            tail: Bytes::from_static(b"tail"),
        },
        JournalRecord::new(9, Bytes::new()),
    ];
    let encoded = concat(batch::encode(place, 41, &records));
    assert_eq!(batch::peek_len(&encoded, 77), Some(encoded.len() as u64));
    let decoded = batch::decode(place, &encoded).unwrap();
    assert_eq!(decoded.sequence, 41);
    assert_eq!(&decoded.records[0].head[..], b"headtail");
    assert_eq!(decoded.records[1], records[1]);
    for wrong in [
        BatchPlace { generation: 78, ..place },
        BatchPlace { file: 2, ..place },
        BatchPlace { offset: 4096, ..place },
    ] {
        assert!(batch::decode(wrong, &encoded).is_err(), "B1: {wrong:?}");
    }
    let content = encoded.slice(..batch::BATCH_HEADER_LEN + 24);
    check_flips(&content, 1, |bytes| batch::decode(place, bytes).is_ok());
    check("batch", &encoded);
}

#[test]
fn value() {
    let attributes = Bytes::from_static(b"attributes");
    let locations = [
        Location::None,
        Location::Inline(Bytes::from_static(b"body")),
        Location::Extents(vec![extent(0, 17_000), extent(5, 6)]),
    ];
    let mut all = Vec::new();
    for location in locations {
        let value = Value { write_id: 0xabc, location, attributes: attributes.clone() };
        let encoded = value.encode();
        assert_eq!(Value::decode(&encoded), Ok(value));
        all.extend_from_slice(&encoded);
    }
    check("value", &all);
}

#[test]
fn record() {
    let owners = [
        Owner { len: 16_000, owner: Bytes::from_static(b"row one") },
        Owner { len: 1_000, owner: Bytes::from_static(b"row two") },
    ];
    let table = record::encode_owners(&owners);
    let payload: Vec<u8> = (0..17_000u32).map(|index| (index % 251) as u8).collect();
    let column = ColumnLen { payload: 17_000, owners: table.len() as u32 };
    let shape = Shape { layout: Layout::Rows, columns: vec![column, ColumnLen::default()] };
    let pieces = payload.chunks(777).map(Bytes::copy_from_slice).collect();
    let encoded = concat(record::encode(&SEAL, 4096, &shape, pieces, &table));
    assert_eq!(shape.record_len(0), encoded.len() as u64);
    assert_eq!((shape.record_len(1), shape.stripe_len()), (0, encoded.len() as u64));
    let header = encoded.slice(..record::header_len(2));
    let decode_header = |seal: &Seal, offset| record::decode_header(seal, offset, &header);
    assert_eq!(decode_header(&SEAL, 4096), Ok(shape.clone()));
    assert!(decode_header(&SEAL, 8192).is_err(), "misplaced");
    for wrong in [
        Seal { disk_id: 0, ..SEAL },
        Seal { column: 1, ..SEAL },
        Seal { epoch: 6, ..SEAL },
        Seal { volume: VolumeId(4), ..SEAL },
    ] {
        assert!(decode_header(&wrong, 4096).is_err(), "{wrong:?}");
    }
    check_flips(&header, 1, |bytes| record::decode_header(&SEAL, 4096, bytes).is_ok());
    check_ranges(&encoded, &payload);
    let range = shape.owners_range(0);
    let tail = encoded.slice(range.start as usize..range.end as usize);
    let verify = |bytes: &Bytes| record::verify_owners(&SEAL, 4096, &shape, bytes);
    assert_eq!(record::decode_owners(&verify(&tail).unwrap()), Ok(owners.to_vec()));
    check_flips(&tail, 1, |bytes| verify(bytes).is_ok());
    check("record", &encoded);
}

fn check_ranges(encoded: &Bytes, payload: &[u8]) {
    let first = record::header_len(2) as u64;
    for range in [0..17_000, 0..1, 16_383..16_385, 16_999..17_000, 5..5] {
        let covering = record::covering(17_000, &range);
        let start = (first + covering.start) as usize;
        let bytes = encoded.slice(start..start + (covering.end - covering.start) as usize);
        let decode =
            |bytes: &Bytes| record::decode_range(&SEAL, 4096 + first, 17_000, range.clone(), bytes);
        assert_eq!(decode(&bytes).unwrap().concat(), payload[range.clone()]);
        if !range.is_empty() {
            check_flips(&bytes, 97, |bytes| decode(bytes).is_ok());
        }
    }
}

#[test]
fn segment() {
    let segment = SEAL.encode();
    assert_eq!(Seal::decode(&segment), Ok(SEAL));
    check_flips(&segment, 7, |bytes| Seal::decode(bytes).is_ok());
    check("segment", &segment[..80]);
}

#[test]
fn run() {
    let mut block = bytes::BytesMut::new();
    run::put_row(&mut block, b"key one", Some(b"value"));
    run::put_row(&mut block, b"key two", None);
    let rows: Vec<_> = Rows::new(block.clone().freeze()).map(Result::unwrap).collect();
    assert_eq!(rows[0], (Bytes::from_static(b"key one"), Some(Bytes::from_static(b"value"))));
    assert_eq!(rows[1], (Bytes::from_static(b"key two"), None));
    let place = FramePlace { run_id: 4, offset: 0 };
    let mut file = bytes::BytesMut::new();
    run::put_frame(&mut file, place, &block);
    let frame = file.clone().freeze();
    assert_eq!(run::decode_frame(place, &frame).unwrap(), block);
    assert!(run::decode_frame(FramePlace { offset: 8, ..place }, &frame).is_err(), "misplaced");
    check_flips(&frame, 1, |bytes| run::decode_frame(place, bytes).is_ok());
    let pointer = Pointer { offset: 0, len: frame.len() as u32, first_key: rows[0].0.clone() };
    let hashes = [run::key_hash(b"key one"), run::key_hash(b"key two")];
    let page = Page::encode(std::slice::from_ref(&pointer), &hashes);
    let decoded = Page::decode(&page).unwrap();
    assert!(hashes.iter().all(|hash| decoded.may_contain(*hash)));
    assert_eq!(decoded.blocks, [pointer]);
    let page_offset = file.len() as u64;
    run::put_frame(&mut file, FramePlace { run_id: 4, offset: page_offset }, &page);
    let section = Pointer {
        offset: page_offset,
        len: (file.len() as u64 - page_offset) as u32,
        first_key: rows[0].0.clone(),
    };
    let top = run::encode_top(std::slice::from_ref(&section));
    assert_eq!(run::decode_top(&top, 1), Ok(vec![section]));
    let top_offset = file.len() as u64;
    run::put_frame(&mut file, FramePlace { run_id: 4, offset: top_offset }, &top);
    let top_len = (file.len() as u64 - top_offset) as u32;
    let footer = Footer { run_id: 4, top_offset, top_len, section_count: 1, row_count: 2 };
    let encoded = footer.encode();
    assert_eq!(Footer::decode(&encoded), Ok(footer));
    check_flips(&encoded, 1, |bytes| Footer::decode(bytes).is_ok());
    file.extend_from_slice(&encoded);
    check("run", &file);
}
