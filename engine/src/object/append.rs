//! Appends: bytes that are added to an object which stays the same one.

use super::{BucketName, Checksum, ETag, ObjectAttributes, ObjectInfo, ObjectKey};
use std::fmt;
use std::sync::Arc;

/// What is known of the whole object after an append: its entity tag and checksum, by those of the
/// body that was appended and the bytes that clients see of that.
pub type Join =
    Arc<dyn Fn(&ETag, Option<&Checksum>, u64) -> (ETag, Option<Checksum>) + Send + Sync>;

/// The object as it was when an append began.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct AppendBase {
    /// Entity tag without quotes.
    pub etag: ETag,
    /// Bytes that clients see: where the body is to begin.
    pub size: u64,
    /// What was said of it, and is kept.
    pub attributes: ObjectAttributes,
}

impl AppendBase {
    /// Of an object that was looked up.
    pub fn of(info: &ObjectInfo) -> Self {
        Self { etag: info.etag.clone(), size: info.size, attributes: info.attributes.clone() }
    }
}

/// Appends a body to an object.
#[derive(Clone)]
pub struct AppendRequest {
    /// Bucket of the object.
    pub bucket: BucketName,
    /// Key of the object.
    pub key: ObjectKey,
    /// What it must still be.
    pub base: AppendBase,
    /// Number of the part that the body becomes: above those that the object has, at most
    /// [`super::upload::PART_NUMBER_MAX`]. A plain object becomes part 1.
    pub number: u16,
    /// Bytes that the body announced, where it did.
    pub len: Option<u64>,
    /// What the object's entity tag and checksum will be.
    pub join: Join,
}

impl fmt::Debug for AppendRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bucket, key, base, number, len, join: _ } = self;
        let mut debug = formatter.debug_struct("AppendRequest");
        debug.field("bucket", bucket).field("key", key).field("base", base);
        debug.field("number", number).field("len", len).finish_non_exhaustive()
    }
}
