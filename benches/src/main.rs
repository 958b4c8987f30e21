//! Cost of the pure hot paths on this machine: `cargo run --release -p benches`.
//!
//! One line per path: nanoseconds per call and, where bytes pass, bytes per second. Each path runs
//! in rounds of growing size until a round takes long enough to time; the best of five such rounds
//! counts, because noise only ever adds. Whole-server figures are `benches/compare`.

use bytes::{Bytes, BytesMut};
use engine::erasure::{Geometry, code};
use engine::format::batch::{self, BatchPlace, JournalRecord};
use engine::format::record::{self, ColumnLen, Layout, Owner, Shape};
use engine::format::run::{FramePlace, Page, Pointer, Rows, key_hash, put_frame, put_row};
use engine::format::segment::Seal;
use engine::format::value::{Location, Value, VolumeId};
use std::hint::black_box;
use std::time::Duration;
use tokio::time::Instant;

const ROUND_MIN: Duration = Duration::from_millis(50);
const ROUNDS: usize = 5;

fn main() {
    println!("{:<44} {:>12} {:>12}", "path", "ns/call", "MB/s");
    journal();
    volumes();
    codes();
    index();
}

/// Times one path; `len` is the bytes that a call moves.
fn time<T>(name: &str, len: usize, mut path: impl FnMut() -> T) {
    let mut calls = 1;
    let mut best = Duration::MAX;
    let mut rounds = 0;
    while rounds < ROUNDS {
        let began = Instant::now();
        for _ in 0..calls {
            black_box(path());
        }
        let elapsed = began.elapsed();
        if elapsed < ROUND_MIN {
            calls *= 2;
            continue;
        }
        best = best.min(elapsed / calls);
        rounds += 1;
    }
    let nanos = best.as_nanos().max(1);
    let rate =
        if len == 0 { "-".into() } else { format!("{:.0}", len as f64 * 1e3 / nanos as f64) };
    println!("{name:<44} {nanos:>12} {rate:>12}");
}

fn journal() {
    let place = BatchPlace { generation: 1, file: 0, offset: 0 };
    for (count, len) in [(1, 4096), (64, 4096), (64, 200)] {
        let body = Bytes::from(vec![7; len]);
        let record = JournalRecord { group: 0, head: Bytes::from(vec![1; 150]), tail: body };
        let records = vec![record; count];
        let bytes = count * len;
        time(&format!("journal: encode {count} x {len}"), bytes, || {
            batch::encode(place, 1, &records)
        });
        let encoded = Bytes::from(batch::encode(place, 1, &records).concat());
        time(&format!("journal: decode {count} x {len}"), bytes, || {
            batch::decode(place, &encoded).expect("just encoded")
        });
    }
}

fn volumes() {
    let geometry = Geometry::SINGLE;
    let (deployment_id, disk_id, volume) = (1, 2, VolumeId(3));
    let seal = Seal { deployment_id, disk_id, volume, geometry, column: 0, epoch: 0 };
    let payload = Bytes::from(vec![7; record::PAYLOAD_LEN_MAX]);
    let owners = [Owner { len: payload.len() as u32, owner: Bytes::from_static(&[1; 60]) }];
    let table = record::encode_owners(&owners);
    let column = ColumnLen { payload: payload.len() as u32, owners: table.len() as u32 };
    let shape = Shape { layout: Layout::Rows, columns: vec![column] };
    let encode = || record::encode(&seal, 0, &shape, vec![payload.clone()], &table);
    time("volume: encode 1 MiB", payload.len(), encode);
    let encoded = Bytes::from(encode().concat());
    let start = record::header_len(1);
    for len in [4096, 65_536, record::PAYLOAD_LEN_MAX] {
        let place = record::covering(payload.len(), &(0..len));
        let stored = encoded.slice(start..start + place.end as usize);
        time(&format!("volume: verify {len}"), len, || {
            record::decode_range(&seal, start as u64, payload.len(), 0..len, &stored)
                .expect("just encoded")
        });
    }
}

fn codes() {
    for (data, parity) in [(4, 4), (6, 2), (12, 4)] {
        let len = code::chunk_align((1 << 20) / data);
        let columns: Vec<Vec<u8>> = (0..data).map(|index| vec![index as u8 + 1; len]).collect();
        let name = format!("code: {data}+{parity}, 1 MiB");
        time(&format!("{name}, encode"), data * len, || code::encode(&columns, parity));
        let coded = code::encode(&columns, parity);
        let all: Vec<_> = columns.into_iter().chain(coded).enumerate().collect();
        time(&format!("{name}, rebuild one column"), data * len, || {
            code::rebuild(data, parity, all[1..=data].to_vec(), &[0])
        });
        let short: Vec<_> = all[1..=data]
            .iter()
            .map(|(index, column)| (*index, column[..4 << 10].to_vec()))
            .collect();
        let name = format!("code: {data}+{parity}, 4 KiB a column, rebuild one");
        time(&name, data * (4 << 10), || code::rebuild(data, parity, short.clone(), &[0]));
    }
}

fn index() {
    let value = Value {
        write_id: 1,
        location: Location::Inline(Bytes::from(vec![7; 200])),
        attributes: Bytes::from(vec![8; 120]),
    };
    let encoded = value.encode();
    time("index: encode a value of 200 inline", encoded.len(), || value.encode());
    time("index: decode a value of 200 inline", encoded.len(), || Value::decode(&encoded));
    let mut block = BytesMut::new();
    let keys: Vec<String> =
        (0..48).map(|number| format!("bucket/prefix/key-{number:06}")).collect();
    keys.iter().for_each(|key| put_row(&mut block, key.as_bytes(), Some(&encoded)));
    let block = block.freeze();
    time("index: walk a block of 48 rows", block.len(), || Rows::new(block.clone()).count());
    time("index: frame a block", block.len(), || {
        let mut frame = BytesMut::with_capacity(block.len() + 8);
        put_frame(&mut frame, FramePlace { run_id: 1, offset: 0 }, &block);
        frame
    });
    let pointer = |key: &String| Pointer { offset: 0, len: 0, first_key: key.clone().into() };
    let pointers: Vec<Pointer> = keys.iter().map(pointer).collect();
    let hashes: Vec<u64> = keys.iter().map(|key| key_hash(key.as_bytes())).collect();
    let page = Page::decode(&Page::encode(&pointers, &hashes)).expect("just encoded");
    time("index: ask a filter", 0, || page.may_contain(key_hash(b"bucket/prefix/key-absent")));
}
