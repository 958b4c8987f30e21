//! Objects of the runs: names, bodies and rows that follow from a number, in an order that no
//! index likes best.

use bytes::Bytes;
use cluster::rows::{self, BodyRows, Incarnation, ObjectRow, Older};
use engine::format::value::{Extent, Location, Value, VolumeId};
use engine::object::{
    Body, BodyDigest, BodyError, BodySource, BucketName, Checksum, ChecksumAlgorithm, ChecksumKind,
    ETag, Lock, ObjectAttributes, ObjectKey, VersionId,
};
use std::task::{Context, Poll};

/// Prefixes that keys begin with.
const TENANTS: u64 = 8;

/// A prime that scatters numbers: consecutive ones end up far apart in the order of keys.
const SCATTER: u64 = 2_654_435_761;

/// Bodies of about that many bytes lie in one volume, for rows that are made up.
const ROWS_PER_VOLUME: u64 = 3_000_000;

/// The bucket of all objects.
pub fn bucket() -> BucketName {
    BucketName::new("scale").expect("the name is a legal one")
}

/// The number of the object that is written at `position` of `count`: each comes once, and
/// neighbours in time are none in the order of keys.
pub fn scattered(position: u64, count: u64) -> u64 {
    let product = u128::from(position) * u128::from(SCATTER);
    (product % u128::from(count)) as u64
}

/// Whether [`scattered`] gives each number once: the count shares no factor with the prime.
pub fn is_scatterable(count: u64) -> bool {
    count > 0 && !count.is_multiple_of(SCATTER)
}

/// Key of an object: a tenant, a day, a number; 36 bytes.
pub fn key_text(number: u64) -> String {
    let mixed = mix(number);
    let (tenant, day) = (mixed % TENANTS, mixed / TENANTS % 336);
    let (month, day) = (1 + day / 28, 1 + day % 28);
    format!("tenant-{tenant:02}/2026/{month:02}/{day:02}/{number:010}.json")
}

/// Key of an object, as the store takes it.
pub fn key(number: u64) -> ObjectKey {
    ObjectKey::new(key_text(number)).expect("the key is a legal one")
}

fn mix(number: u64) -> u64 {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 20
}

/// Bytes of an object's body, which depend on its number.
pub fn content(number: u64, len: usize) -> Bytes {
    let mut state = mix(number) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes.into()
}

fn etag(number: u64) -> ETag {
    ETag(format!("{:016x}{:016x}", mix(number), number))
}

/// As clients of today send it with each object.
fn checksum() -> Option<Checksum> {
    let (algorithm, kind) = (ChecksumAlgorithm::Crc32, ChecksumKind::FullObject);
    Some(Checksum { algorithm, kind, value: "AAAAAA==".into() })
}

struct Whole {
    bytes: Option<Bytes>,
    etag: ETag,
}

impl BodySource for Whole {
    fn poll_chunk(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        Poll::Ready(self.bytes.take().map(Ok))
    }

    fn digest(&mut self) -> BodyDigest {
        BodyDigest { etag: self.etag.clone(), checksum: checksum(), plain_len: None }
    }
}

/// The body of an object on its way in.
pub fn body(number: u64, len: usize) -> Body {
    Box::new(Whole { bytes: Some(content(number, len)), etag: etag(number) })
}

/// Attributes of an object as its row keeps them.
fn attributes(number: u64, len: u64) -> Bytes {
    rows::encode(&ObjectRow {
        size: len,
        stored_len: len,
        etag: etag(number),
        modified: 1_780_000_000_000_000_000 + number,
        attributes: ObjectAttributes::default(),
        checksum: checksum(),
        part_count: 0,
        body: BodyRows::Own,
        version: VersionId::Null,
        order: 1_780_000_000_000_000_000 + number,
        is_marker: false,
        lock: Lock::default(),
        older: Older::default(),
        annotation_count: 0,
    })
}

/// Key of an object's row.
pub fn row_key(number: u64) -> Bytes {
    rows::object(Incarnation(0x5ca1_ab1e), &key(number))
}

/// Row of an object whose body lies in a volume.
pub fn row(number: u64, len: u32) -> Value {
    let place = number % ROWS_PER_VOLUME;
    let extent = Extent {
        volume: VolumeId(1 + number / ROWS_PER_VOLUME),
        offset: place / 1024 * (1 << 20),
        column: Some(0),
        payload_len: 1 << 20,
        start: (place % 1024) as u32 * 1024,
        len,
        crc64: mix(number),
    };
    Value {
        write_id: u128::from(mix(number)) << 64 | u128::from(number),
        location: Location::Extents(vec![extent]),
        attributes: attributes(number, u64::from(len)),
    }
}

/// Bytes of an object's row in a run: frame of the row, key, value.
pub fn row_len(number: u64, len: u32) -> u64 {
    (6 + row_key(number).len() + row(number, len).encode().len()) as u64
}

/// Bytes of an object's attributes.
pub fn attributes_len(len: u64) -> u64 {
    attributes(0, len).len() as u64
}

/// Bytes that say in a volume whose body it is: length, write id, key of the row.
pub fn owner_len() -> u64 {
    (8 + 16 + row_key(0).len()) as u64
}
