//! Keys and attributes of the index's rows: how objects, uploads and buckets lie in the ordered
//! index.
//!
//! | kind | key after `partition: u16`, `kind: u8` (big-endian) | value |
//! |---|---|---|
//! | 1 bucket  | name | [`BucketRow`] |
//! | 2 object  | incarnation, key, 0 or `!order` of an older version | [`ObjectRow`], body |
//! | 3 upload  | incarnation, key, upload id | [`UploadRow`] |
//! | 4 part    | incarnation, upload id, part number | [`PartRow`], body |
//! | 5 extents | incarnation, write id, group | body: up to `EXTENTS_MAX` extents |
//! | 6 garbage | incarnation, kind of owner, its id | rows that a background task deletes |
//! | 7 clock   | | how far the time of locks has come, as a number |
//! | 8 setting | name | [`engine::object::Setting`] |
//! | 9 annotation | incarnation, write id of the version, name | [`AnnotationRow`], body |
//!
//! Keys of objects are escaped so that their order is that of their bytes and nothing follows a key
//! but its own versions: a zero byte becomes `00 ff`, the end is `00 00`.
//!
//! The current version of a key, a delete marker included, always lies at 0, so that reads, writes
//! and listings find it at once; what a newer one replaces moves to a row of its own. The owner
//! that a body names in its volume is the row at 0, also after such a move ([`crate::moved`]).
//!
//! A version keeps its write id for as long as it lives, wherever its row is: so its annotations
//! stay where they are, and those of a version that is gone are reached by nobody.
//!
//! A body of more than [`ROW_EXTENTS_MAX`] MiB lies in rows of kind 5; a multipart object's bytes
//! in its parts' rows: no row grows with the length of a body or the number of parts.

mod values;

pub use values::{AnnotationRow, BodyRows, BucketRow, ObjectRow, Older, PartRow, UploadRow};

use bytes::{BufMut, Bytes, BytesMut};
use engine::format::Malformed;
use engine::format::codec;
use engine::format::value::{EXTENTS_MAX, Extent};
use engine::object::{AnnotationName, BucketName, ObjectKey, UploadId};
use std::collections::BTreeMap;

/// The only partition while a node is alone.
pub const PARTITION: u16 = 0;

/// Bytes that a body may announce and still have all its extents in its own row; a longer one has
/// rows of kind 5.
pub const OWN_ROW_LEN_MAX: u64 = 32 << 20;

/// Bytes of a body that one row of kind 5 covers: row `n` has those from `n` times this.
pub const GROUP_LEN: u64 = 64 << 20;

/// Shortest record but the last of a row. Where memory is short, uploads write less than full ones.
pub const RECORD_LEN_MIN: usize = 128 << 10;

const _: () = assert!(GROUP_LEN as usize / RECORD_LEN_MIN <= EXTENTS_MAX);
const _: () = assert!(OWN_ROW_LEN_MAX <= GROUP_LEN);

/// Bytes of the order at the end of an object's row.
const ORDER_LEN: usize = 8;

/// Where the name begins in an annotation's row.
const ANNOTATION_NAME_AT: usize = 27;

const BUCKET: u8 = 1;
const OBJECT: u8 = 2;
const UPLOAD: u8 = 3;
const PART: u8 = 4;
const EXTENTS: u8 = 5;
const GARBAGE: u8 = 6;
const LOCK_CLOCK: u8 = 7;
const SETTING: u8 = 8;
const ANNOTATION: u8 = 9;

/// Identity of one life of a bucket; prefixes all its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, bincode::Encode, bincode::Decode)]
pub struct Incarnation(pub u64);

/// Decodes the attributes of a row.
///
/// # Errors
/// [`Malformed`].
pub fn decode<T: bincode::Decode<()>>(attributes: &[u8]) -> Result<T, Malformed> {
    codec::decode(attributes, "row attributes")
}

/// Encodes the attributes of a row.
pub fn encode(attributes: &impl bincode::Encode) -> Bytes {
    codec::encode(attributes).into()
}

struct KeyBuilder(BytesMut);

impl KeyBuilder {
    fn new(kind: u8) -> Self {
        let mut bytes = BytesMut::with_capacity(96);
        bytes.put_u16(PARTITION);
        bytes.put_u8(kind);
        Self(bytes)
    }

    fn within(kind: u8, incarnation: Incarnation) -> Self {
        let mut builder = Self::new(kind);
        builder.0.put_u64(incarnation.0);
        builder
    }

    fn escaped(mut self, key: &[u8]) -> Self {
        for byte in key {
            self.0.put_u8(*byte);
            if *byte == 0 {
                self.0.put_u8(0xff);
            }
        }
        self
    }

    fn end_of_key(mut self) -> Self {
        self.0.put_slice(&[0, 0]);
        self
    }

    fn u16(mut self, value: u16) -> Self {
        self.0.put_u16(value);
        self
    }

    fn u32(mut self, value: u32) -> Self {
        self.0.put_u32(value);
        self
    }

    fn u64(mut self, value: u64) -> Self {
        self.0.put_u64(value);
        self
    }

    fn u128(mut self, value: u128) -> Self {
        self.0.put_u128(value);
        self
    }

    fn build(self) -> Bytes {
        self.0.freeze()
    }
}

/// Row of a bucket.
pub fn bucket(name: &BucketName) -> Bytes {
    let mut builder = KeyBuilder::new(BUCKET);
    builder.0.put_slice(name.as_str().as_bytes());
    builder.build()
}

/// The row of the time of locks.
pub fn lock_clock() -> Bytes {
    KeyBuilder::new(LOCK_CLOCK).build()
}

/// The row of a document of the store itself.
pub fn setting(name: &str) -> Bytes {
    let mut builder = KeyBuilder::new(SETTING);
    builder.0.put_slice(name.as_bytes());
    builder.build()
}

/// Range of all buckets.
pub fn all_buckets() -> (Bytes, Bytes) {
    (KeyBuilder::new(BUCKET).build(), KeyBuilder::new(BUCKET + 1).build())
}

/// Name of the bucket whose row it is.
pub fn bucket_name(row: &[u8]) -> Option<BucketName> {
    BucketName::new(std::str::from_utf8(row.get(3..)?).ok()?).ok()
}

/// Row of the current version of an object.
pub fn object(incarnation: Incarnation, key: &ObjectKey) -> Bytes {
    let builder = KeyBuilder::within(OBJECT, incarnation);
    builder.escaped(key.as_str().as_bytes()).end_of_key().u64(0).build()
}

/// Row of an older version of an object.
pub fn older_version(incarnation: Incarnation, key: &ObjectKey, order: u64) -> Bytes {
    older_of(&object(incarnation, key), order)
}

/// Row of an older version, by that of the current one.
fn older_of(current: &[u8], order: u64) -> Bytes {
    let mut bytes = BytesMut::from(&current[..current.len() - ORDER_LEN]);
    bytes.put_u64(!order);
    bytes.freeze()
}

/// Row of the current version, by that of any version of an object; `None` for another row.
pub fn current_version(row: &[u8]) -> Option<Bytes> {
    let is_object = row.get(2) == Some(&OBJECT);
    let prefix = row.len().checked_sub(ORDER_LEN).filter(|_| is_object)?;
    Some([&row[..prefix], &[0; ORDER_LEN]].concat().into())
}

/// Life of the bucket that the row of an object belongs to.
pub fn incarnation(row: &[u8]) -> Option<Incarnation> {
    let bytes = row.get(3..11).filter(|_| row.get(2) == Some(&OBJECT))?;
    Some(Incarnation(u64::from_be_bytes(bytes.try_into().ok()?)))
}

/// Range of the older versions, newest first, by the row of the current one.
pub fn older_versions(current: &[u8]) -> (Bytes, Bytes) {
    (older_of(current, u64::MAX - 1), older_of(current, 0))
}

/// Whether the row of an object is that of its current version.
pub fn is_current_version(row: &[u8]) -> bool {
    row.ends_with(&[0; ORDER_LEN])
}

/// Where the rows of the versions after that one begin.
pub fn versions_after(incarnation: Incarnation, key: &ObjectKey, order: u64) -> Bytes {
    let mut bytes = BytesMut::from(&older_version(incarnation, key, order)[..]);
    bytes.put_u8(0);
    bytes.freeze()
}

/// Where rows of objects with keys from `key` on begin; any bytes.
pub fn objects_from(incarnation: Incarnation, key: &[u8]) -> Bytes {
    KeyBuilder::within(OBJECT, incarnation).escaped(key).build()
}

/// Where rows of objects with keys after `key` begin, `key` itself excluded.
pub fn objects_after(incarnation: Incarnation, key: &[u8]) -> Bytes {
    let builder = KeyBuilder::within(OBJECT, incarnation);
    builder.escaped(key).end_of_key().u64(u64::MAX).build()
}

/// End of the rows whose object keys begin with `prefix`.
pub fn objects_end(incarnation: Incarnation, prefix: &[u8]) -> Bytes {
    successor(objects_from(incarnation, prefix))
}

/// Range of all objects of a bucket.
pub fn all_objects(incarnation: Incarnation) -> (Bytes, Bytes) {
    (objects_from(incarnation, b""), objects_end(incarnation, b""))
}

/// Row of an upload.
pub fn upload(incarnation: Incarnation, key: &ObjectKey, upload_id: UploadId) -> Bytes {
    let builder = KeyBuilder::within(UPLOAD, incarnation);
    builder.escaped(key.as_str().as_bytes()).end_of_key().u128(upload_id.0).build()
}

/// Where rows of uploads with keys from `key` on begin; any bytes.
pub fn uploads_from(incarnation: Incarnation, key: &[u8]) -> Bytes {
    KeyBuilder::within(UPLOAD, incarnation).escaped(key).build()
}

/// Where rows of uploads after that upload begin; without an id, after all uploads of the key.
pub fn uploads_after(incarnation: Incarnation, key: &[u8], upload_id: Option<UploadId>) -> Bytes {
    let builder = KeyBuilder::within(UPLOAD, incarnation).escaped(key).end_of_key();
    let id = upload_id.map_or(u128::MAX, |id| id.0);
    let mut bytes = BytesMut::from(&builder.u128(id).build()[..]);
    bytes.put_u8(0);
    bytes.freeze()
}

/// End of the rows of uploads whose keys begin with `prefix`.
pub fn uploads_end(incarnation: Incarnation, prefix: &[u8]) -> Bytes {
    successor(uploads_from(incarnation, prefix))
}

/// Identity of the upload whose row it is.
pub fn upload_id(row: &[u8]) -> Option<UploadId> {
    let tail = row.len().checked_sub(16)?;
    Some(UploadId(u128::from_be_bytes(row[tail..].try_into().ok()?)))
}

/// Range of all uploads of a bucket.
pub fn all_uploads(incarnation: Incarnation) -> (Bytes, Bytes) {
    (uploads_from(incarnation, b""), uploads_end(incarnation, b""))
}

/// Row of a part.
pub fn part(incarnation: Incarnation, upload_id: UploadId, number: u16) -> Bytes {
    KeyBuilder::within(PART, incarnation).u128(upload_id.0).u16(number).build()
}

/// Range of the parts of an upload with numbers from `first` on.
pub fn parts_from(incarnation: Incarnation, upload_id: UploadId, first: u16) -> (Bytes, Bytes) {
    let start = part(incarnation, upload_id, first);
    let all = KeyBuilder::within(PART, incarnation).u128(upload_id.0).build();
    (start, successor(all))
}

/// Number of the part whose row it is.
pub fn part_number(row: &[u8]) -> Option<u16> {
    let tail = row.len().checked_sub(2)?;
    Some(u16::from_be_bytes(row[tail..].try_into().ok()?))
}

/// Row of an annotation of the version that a write made.
pub fn annotation(incarnation: Incarnation, write_id: u128, name: &AnnotationName) -> Bytes {
    annotations_from(incarnation, write_id, name.as_str().as_bytes())
}

/// Where the rows of annotations with names from `name` on begin; any bytes.
pub fn annotations_from(incarnation: Incarnation, write_id: u128, name: &[u8]) -> Bytes {
    let mut builder = KeyBuilder::within(ANNOTATION, incarnation).u128(write_id);
    builder.0.put_slice(name);
    builder.build()
}

/// Range of the annotations of a version whose names begin with `prefix`.
pub fn annotations(incarnation: Incarnation, write_id: u128, prefix: &[u8]) -> (Bytes, Bytes) {
    let start = annotations_from(incarnation, write_id, prefix);
    (start.clone(), successor(start))
}

/// Name of the annotation whose row it is.
pub fn annotation_name(row: &[u8]) -> Option<AnnotationName> {
    AnnotationName::new(std::str::from_utf8(row.get(ANNOTATION_NAME_AT..)?).ok()?).ok()
}

/// Row of a group of extents.
pub fn extents(incarnation: Incarnation, write_id: u128, group: u32) -> Bytes {
    KeyBuilder::within(EXTENTS, incarnation).u128(write_id).u32(group).build()
}

/// The extents of a long body by the row that covers them. No record crosses from one to the next.
pub fn groups(extents: &[Extent]) -> BTreeMap<u32, Vec<Extent>> {
    let (mut groups, mut position) = (BTreeMap::<u32, Vec<Extent>>::new(), 0);
    for extent in extents {
        groups.entry((position / GROUP_LEN) as u32).or_default().push(*extent);
        position += u64::from(extent.len);
    }
    groups
}

/// Range of all groups of extents of a write.
pub fn all_extents(incarnation: Incarnation, write_id: u128) -> (Bytes, Bytes) {
    let start = KeyBuilder::within(EXTENTS, incarnation).u128(write_id).build();
    (start.clone(), successor(start))
}

/// Row that says: delete the rows that belong to this body.
pub fn garbage(incarnation: Incarnation, owner: Garbage) -> Bytes {
    let (kind, id) = match owner {
        Garbage::Extents(write_id) => (EXTENTS, write_id),
        Garbage::Parts(upload_id) => (PART, upload_id.0),
        Garbage::Uploads => (UPLOAD, 0),
        Garbage::Annotations(write_id) => (ANNOTATION, write_id),
    };
    let mut builder = KeyBuilder::within(GARBAGE, incarnation);
    builder.0.put_u8(kind);
    builder.u128(id).build()
}

/// Range of all garbage.
pub fn all_garbage() -> (Bytes, Bytes) {
    (KeyBuilder::new(GARBAGE).build(), KeyBuilder::new(GARBAGE + 1).build())
}

/// Rows that nothing refers to any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, bincode::Encode, bincode::Decode)]
pub enum Garbage {
    /// Groups of extents of a write.
    Extents(u128),
    /// Parts of an upload.
    Parts(UploadId),
    /// Uploads that a deleted bucket left unfinished, with their parts.
    Uploads,
    /// Annotations of the version that a write made, or was to make.
    Annotations(u128),
}

/// What a row of garbage names.
pub fn parse_garbage(row: &[u8]) -> Option<(Incarnation, Garbage)> {
    let rest = row.get(3..)?;
    let incarnation = Incarnation(u64::from_be_bytes(rest.get(..8)?.try_into().ok()?));
    let id = u128::from_be_bytes(rest.get(9..)?.try_into().ok()?);
    match *rest.get(8)? {
        EXTENTS => Some((incarnation, Garbage::Extents(id))),
        PART => Some((incarnation, Garbage::Parts(UploadId(id)))),
        UPLOAD => Some((incarnation, Garbage::Uploads)),
        ANNOTATION => Some((incarnation, Garbage::Annotations(id))),
        _ => None,
    }
}

/// Key of the object or upload whose row it is, and what follows the key.
pub fn parse_object_key(row: &[u8]) -> Option<(ObjectKey, &[u8])> {
    let mut rest = row.get(11..)?;
    let mut key = Vec::with_capacity(rest.len());
    loop {
        match rest {
            [0, 0, tail @ ..] => {
                rest = tail;
                break;
            }
            [0, 0xff, tail @ ..] => {
                key.push(0);
                rest = tail;
            }
            [0, ..] | [] => return None,
            [byte, tail @ ..] => {
                key.push(*byte);
                rest = tail;
            }
        }
    }
    Some((ObjectKey::new(String::from_utf8(key).ok()?).ok()?, rest))
}

/// The smallest bytes after everything that begins with `prefix`.
pub fn successor(prefix: Bytes) -> Bytes {
    let mut bytes = prefix.to_vec();
    while let Some(last) = bytes.pop() {
        if last < 0xff {
            bytes.push(last + 1);
            break;
        }
    }
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BUCKET_LIFE: Incarnation = Incarnation(7);

    fn key(text: &str) -> ObjectKey {
        ObjectKey::new(text).unwrap()
    }

    proptest! {
        #[test]
        fn rows_of_objects_order_like_their_keys(
            a in "[\u{0}-\u{7f}]{1,6}",
            b in "[\u{0}-\u{7f}]{1,6}",
        ) {
            let (row_a, row_b) = (object(BUCKET_LIFE, &key(&a)), object(BUCKET_LIFE, &key(&b)));
            prop_assert_eq!(a.as_bytes().cmp(b.as_bytes()), row_a.cmp(&row_b));
            let (parsed, _) = parse_object_key(&row_a).unwrap();
            prop_assert_eq!(parsed.as_str(), a.as_str());
            let after = objects_after(BUCKET_LIFE, a.as_bytes());
            prop_assert!(row_a < after);
            prop_assert_eq!(row_b > after, b.as_bytes() > a.as_bytes());
            let end = objects_end(BUCKET_LIFE, a.as_bytes());
            prop_assert_eq!(row_b < end && row_b >= objects_from(BUCKET_LIFE, a.as_bytes()),
                b.starts_with(&a));
        }
    }

    #[test]
    fn older_versions_lie_behind_the_current_one_newest_first() {
        let current = object(BUCKET_LIFE, &key("k"));
        let (start, end) = older_versions(&current);
        let older = |order| older_version(BUCKET_LIFE, &key("k"), order);
        assert!(current < start && start <= older(9) && older(9) < older(1) && older(1) < end);
        assert!(end <= objects_after(BUCKET_LIFE, b"k"));
        assert!(versions_after(BUCKET_LIFE, &key("k"), 9) <= older(8));
        assert!(versions_after(BUCKET_LIFE, &key("k"), 9) > older(9));
        assert_eq!(current_version(&older(9)), Some(current.clone()));
        assert_eq!(incarnation(&older(9)), Some(BUCKET_LIFE));
        assert_eq!(incarnation(&part(BUCKET_LIFE, UploadId(3), 1)), None);
        assert_eq!(current_version(&current), Some(current));
        assert_eq!(current_version(&bucket(&BucketName::new("box").unwrap())), None);
    }

    #[test]
    fn garbage_rows_name_their_owner() {
        let parts = Garbage::Parts(UploadId(u128::MAX));
        for owner in [Garbage::Extents(5), parts, Garbage::Annotations(9)] {
            let row = garbage(BUCKET_LIFE, owner);
            assert_eq!(parse_garbage(&row), Some((BUCKET_LIFE, owner)));
        }
        assert_eq!(parse_garbage(b"short"), None);
    }

    #[test]
    fn annotations_lie_under_their_version_by_name() {
        let name = |text: &str| AnnotationName::new(text).unwrap();
        let row = |id, text: &str| annotation(BUCKET_LIFE, id, &name(text));
        let (start, end) = annotations(BUCKET_LIFE, 7, b"");
        assert!(start < row(7, "a") && row(7, "a") < row(7, "ab") && row(7, "ab") < row(7, "b"));
        assert!(row(7, "zz") < end && end <= row(8, "a") && row(6, "zz") < start);
        let (start, end) = annotations(BUCKET_LIFE, 7, b"ab");
        assert!(row(7, "a") < start && start <= row(7, "ab") && row(7, "abc") < end);
        assert_eq!(annotation_name(&row(7, "ab")), Some(name("ab")));
        assert_eq!(current_version(&row(7, "ab")), None);
    }

    #[test]
    fn uploads_after_an_upload_exclude_it() {
        let row = upload(BUCKET_LIFE, &key("k"), UploadId(9));
        assert!(row < uploads_after(BUCKET_LIFE, b"k", Some(UploadId(9))));
        assert!(
            upload(BUCKET_LIFE, &key("k"), UploadId(10))
                >= uploads_after(BUCKET_LIFE, b"k", Some(UploadId(9)))
        );
        assert!(
            upload(BUCKET_LIFE, &key("k"), UploadId(u128::MAX))
                < uploads_after(BUCKET_LIFE, b"k", None)
        );
    }
}
