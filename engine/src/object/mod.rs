//! The nouns of an object store and the trait [`ObjectStore`]: the waist between the S3 protocol
//! above and whatever keeps the objects below. `s3api` imports this module of the engine and
//! nothing else.
//!
//! Nothing here knows HTTP, XML, disks or other nodes.
//!
//! - O1: when a write returns `Ok`, its bytes and its metadata are durable (DESIGN.md, P1).
//! - O2: every operation on one key is linearizable; conditions are evaluated where the write takes
//!   effect (P2).
//! - O3: a body ends in `Ok` only when every byte of it was verified; what cannot be read is an
//!   error, never a short body (P3).
//! - O4: a write whose [`BodySource`] fails leaves no trace that a reader could see.

pub mod annotation;
pub mod append;
pub mod bucket;
pub mod list;
pub mod name;
pub mod status;
pub mod upload;
pub mod version;

pub use crate::env::{Clock, DiskSpace, Env, Rng, random_u128};
pub use annotation::{
    AnnotateOutcome, AnnotateRequest, AnnotationInfo, AnnotationListRequest, AnnotationPage,
    AnnotationSource, AnnotationStore, NewAnnotation, OpenAnnotation, UnannotateRequest,
};
pub use append::{AppendBase, AppendRequest, Join};
pub use bucket::{
    BucketChange, BucketInfo, BucketRules, BucketState, CreateBucketRequest, DefaultRetention,
    Period, Setting,
};
pub use list::{ListEntry, ListPage, ListRequest};
pub use name::{AnnotationName, BucketName, ETag, NameError, ObjectKey, UploadId};
pub use status::{DiskState, DiskStatus, RepairStatus, ScrubStatus, StoreStatus, VolumesAtMargin};
pub use upload::{
    CompleteRequest, CompletedPart, CreateUploadRequest, PartInfo, PartPage, PartPlace,
    PartRequest, UploadInfo, UploadListRequest, UploadPage,
};
pub use version::{
    Address, AmendRequest, Amendment, Bypass, DeleteOutcome, DeleteRequest, LegalHold, Lock,
    Retention, RetentionMode, Standing, VersionEntry, VersionId, VersionListRequest, VersionPage,
    Versioning,
};

use bytes::Bytes;
use futures_util::Stream;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Answer of a store, some time later.
pub type Reply<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Bytes on their way out, verified; an `Err` ends the stream and the body is not complete.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, StoreError>> + Send>>;

/// Nanoseconds since 1970-01-01T00:00:00Z.
pub type UnixNanos = u64;

/// Bytes on their way in.
///
/// The store polls until `None`, then asks for the digest. Whoever implements it checks what the
/// sender promised of the body (length, checksums, signatures) and answers `Err` instead of the
/// final `None` when a promise is broken, so that the store never commits such a body.
pub trait BodySource: Send {
    /// The next piece, `None` at the verified end. Not polled again after `None` or `Err`.
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>>;
    /// What is known of the whole body. Called once, after the end.
    fn digest(&mut self) -> BodyDigest;
}

/// A body on its way in.
pub type Body = Box<dyn BodySource>;

/// What the protocol computed over a whole body; the store keeps it beside the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyDigest {
    /// Entity tag without quotes.
    pub etag: ETag,
    /// Checksum that the client asked for or sent.
    pub checksum: Option<Checksum>,
    /// Bytes that clients see of it, where the bytes that came are others: it is sealed.
    pub plain_len: Option<u64>,
}

/// The sender broke off or broke a promise; carries the protocol's own error back to the protocol.
#[derive(Debug, thiserror::Error)]
#[error("request body failed: {0}")]
pub struct BodyError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Checksum of an object or part, as S3 names it.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Checksum {
    /// Which function.
    pub algorithm: ChecksumAlgorithm,
    /// Over the whole object, or over the checksums of its parts.
    pub kind: ChecksumKind,
    /// Base64 of the value; `-N` follows in a composite one.
    pub value: String,
}

/// Checksum functions of S3. Rows keep the number of a variant: new ones go to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub enum ChecksumAlgorithm {
    /// CRC-32 (IEEE 802.3), big-endian.
    Crc32,
    /// CRC-32C (Castagnoli), big-endian.
    Crc32c,
    /// CRC-64/NVME, big-endian.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
    /// MD5.
    Md5,
    /// XXH64 with seed 0, big-endian.
    XxHash64,
    /// XXH3 of 64 bits with seed 0, big-endian.
    XxHash3,
    /// XXH3 of 128 bits with seed 0, big-endian.
    XxHash128,
}

/// What a checksum covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub enum ChecksumKind {
    /// All bytes of the object.
    FullObject,
    /// The concatenated checksums of the parts.
    Composite,
}

/// What a client may say of an object besides its bytes. Names are lowercase header names.
#[derive(Clone, Debug, Default, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct ObjectAttributes {
    /// Standard headers that are stored and returned: `content-type`, `cache-control`, ...
    pub headers: Vec<(String, String)>,
    /// User metadata without the `x-amz-meta-` prefix.
    pub metadata: Vec<(String, String)>,
    /// Tags.
    pub tags: Vec<(String, String)>,
    /// What the protocol notes of the object for itself, by names of its own: no header of a client
    /// ever becomes one of them by its name.
    pub system: Vec<(String, String)>,
}

impl ObjectAttributes {
    /// One of the protocol's own notes.
    pub fn note(&self, name: &str) -> Option<&str> {
        self.system.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Sets one of the protocol's own notes, or removes it.
    pub fn set_note(&mut self, name: &str, value: Option<String>) {
        self.system.retain(|(known, _)| known != name);
        if let Some(value) = value {
            self.system.push((name.to_owned(), value));
            self.system.sort();
        }
    }
}

/// One version of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The key.
    pub key: ObjectKey,
    /// Which version; `None` in a bucket that never kept versions.
    pub version: Option<VersionId>,
    /// Whether it says that the object was deleted, and has no bytes.
    pub is_marker: bool,
    /// Bytes of the body that clients see.
    pub size: u64,
    /// Bytes of the body that are kept ([`BodyDigest::plain_len`]).
    pub stored_len: u64,
    /// Entity tag without quotes.
    pub etag: ETag,
    /// When it was committed.
    pub modified: UnixNanos,
    /// What the client said of it.
    pub attributes: ObjectAttributes,
    /// Checksum that was sent with it or asked for.
    pub checksum: Option<Checksum>,
    /// Parts of a multipart upload; 0 for a plain object.
    pub part_count: u32,
    /// What protects it.
    pub lock: Lock,
    /// Annotations that it has.
    pub annotation_count: u32,
}

/// When a write may take effect; evaluated against the state that it replaces (RFC 9110, 13.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub enum WriteCondition {
    /// Always.
    #[default]
    None,
    /// Only where the key does not exist (`If-None-Match: *`).
    Absent,
    /// Only where the key exists with this entity tag (`If-Match`). A missing key is `NoSuchKey`.
    Matches(ETag),
    /// Only where the key exists (`If-Match: *`).
    Exists,
}

/// A write of a whole object.
#[derive(Clone, Debug)]
pub struct PutRequest {
    /// Where to.
    pub bucket: BucketName,
    /// Under which key.
    pub key: ObjectKey,
    /// What the client says of it.
    pub attributes: ObjectAttributes,
    /// When it may take effect.
    pub condition: WriteCondition,
    /// What protects the new version; without a retention that of the bucket.
    pub lock: Lock,
    /// Bytes that the body announced, where it did: room is checked before the body is taken.
    pub len: Option<u64>,
}

/// What a write of an object came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutOutcome {
    /// Entity tag without quotes.
    pub etag: ETag,
    /// Checksum kept with the object.
    pub checksum: Option<Checksum>,
    /// Bytes of the body.
    pub size: u64,
    /// When it was committed.
    pub modified: UnixNanos,
    /// Version that it made; `None` in a bucket that never kept versions.
    pub version: Option<VersionId>,
}

/// One version of an object, held open for reading: later writes and reclaim do not disturb it.
pub trait ObjectReader: Send + Sync {
    /// Its metadata.
    fn info(&self) -> &ObjectInfo;
    /// One part of an object that was uploaded in parts, by the number that it was uploaded with;
    /// `None` where there is no such part.
    fn part(&self, number: u16) -> Reply<'_, Option<PartPlace>>;
    /// The part that has the byte at `position` of what clients see; `None` for a plain object.
    fn part_at(&self, position: u64) -> Reply<'_, Option<PartPlace>>;
    /// One page of its parts, by number, and whether more follow; none for a plain object.
    fn parts(&self, page: PartPage) -> Reply<'_, (Vec<PartInfo>, bool)>;
    /// Streams the kept bytes of `range`, which lies within `0..stored_len`.
    fn read(self: Box<Self>, range: Range<u64>) -> ByteStream;
}

/// Why a store says no, grouped by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Normal absence. Answer the client.
    #[error("no such bucket")]
    NoSuchBucket,
    /// Normal absence. Answer the client.
    #[error("no such key")]
    NoSuchKey,
    /// Normal absence. Answer the client.
    #[error("no such version")]
    NoSuchVersion,
    /// What is named, or what is current, is a delete marker. Answer the client.
    #[error("a delete marker")]
    DeleteMarker {
        /// The marker.
        version: Option<VersionId>,
        /// When it was made.
        modified: UnixNanos,
        /// Whether the request named it.
        is_named: bool,
    },
    /// The version is locked (V2). Answer the client.
    #[error("the version is locked")]
    Locked,
    /// The bucket's configuration does not allow it: locks without versions, versions that may not
    /// be suspended. Answer the client.
    #[error("the state of the bucket does not allow it")]
    BucketConflict,
    /// The bucket's documents are longer than it keeps. Answer the client.
    #[error("the configuration of the bucket is too long")]
    ConfigurationTooLong,
    /// Normal absence: never created, completed or aborted. Answer the client.
    #[error("no such upload")]
    NoSuchUpload,
    /// Normal absence. Answer the client.
    #[error("no such annotation")]
    NoSuchAnnotation,
    /// The version has as many annotations as it may have. Answer the client.
    #[error("too many annotations")]
    TooManyAnnotations,
    /// Another version took the place of the one that the caller saw, or it became another one.
    /// Look again.
    #[error("the version changed")]
    Changed,
    /// The bucket is there already. Answer the client.
    #[error("bucket exists already")]
    BucketExists {
        /// Who owns it.
        owner: String,
    },
    /// The bucket holds objects. Answer the client.
    #[error("bucket is not empty")]
    BucketNotEmpty,
    /// A listed part was never uploaded, or with another entity tag. Answer the client.
    #[error("part {number} is missing or differs")]
    InvalidPart {
        /// Part number, 1 to 10,000.
        number: u16,
    },
    /// A part other than the last is below the minimum. Answer the client.
    #[error("part {number} of {size} bytes is too small")]
    PartTooSmall {
        /// Part number, 1 to 10,000.
        number: u16,
        /// Bytes of that part.
        size: u64,
    },
    /// The condition of a write does not hold. Answer the client.
    #[error("precondition failed")]
    PreconditionFailed,
    /// The body broke off or broke a promise. The protocol knows why.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The disks are full. Deletes still work.
    #[error("out of space")]
    OutOfSpace,
    /// Not now: shutting down, a failed disk, too many faults. Nothing is said about whether a
    /// write happened.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// More work than there is room for; nothing was done. Try again later.
    #[error("busy: {0}")]
    Busy(&'static str),
    /// Stored bytes are damaged beyond what redundancy repairs. Never answered as absence.
    #[error("damaged: {0}")]
    Corrupt(String),
}

/// Many objects in buckets. Implemented by the cluster, used by the protocol.
///
/// Every method may fail with [`StoreError::Unavailable`]; a write that did may have happened or
/// not.
pub trait ObjectStore: AnnotationStore + Send + Sync + 'static {
    /// Creates a bucket. Fails with `BucketExists`.
    fn create_bucket(&self, request: CreateBucketRequest) -> Reply<'_, ()>;
    /// Deletes a bucket without versions of objects, and its unfinished uploads with it. Fails with
    /// `NoSuchBucket`, `BucketNotEmpty`.
    fn delete_bucket(&self, bucket: BucketName) -> Reply<'_, ()>;
    /// Looks a bucket up. Fails with `NoSuchBucket`.
    fn head_bucket(&self, bucket: BucketName) -> Reply<'_, BucketState>;
    /// Changes a bucket's configuration: every write that begins later follows it. Fails with
    /// `NoSuchBucket`, `BucketConflict`, `ConfigurationTooLong`.
    fn configure_bucket(&self, bucket: BucketName, change: BucketChange) -> Reply<'_, ()>;
    /// All buckets, by name.
    fn list_buckets(&self) -> Reply<'_, Vec<BucketInfo>>;

    /// Writes an object. Fails with `NoSuchBucket`, `PreconditionFailed`, `NoSuchKey` (for
    /// `Matches`), `BucketConflict` (for a lock where there can be none), `Body`, `OutOfSpace`.
    fn put(&self, request: PutRequest, body: Body) -> Reply<'_, PutOutcome>;
    /// Appends to the current object, which stays the same version, in a bucket that keeps no
    /// versions now. Fails with `NoSuchBucket`, `NoSuchKey`, `PreconditionFailed` (it is not the
    /// base any more), `InvalidPart` (there is such a part), `BucketConflict` (it is a version that
    /// never changes), `Locked`, `Body`, `OutOfSpace`.
    fn append(&self, request: AppendRequest, body: Body) -> Reply<'_, PutOutcome>;
    /// Opens an object for reading. Fails with `NoSuchBucket`, `NoSuchKey`, `NoSuchVersion`,
    /// `DeleteMarker`.
    fn get(&self, address: Address) -> Reply<'_, Box<dyn ObjectReader>>;
    /// Looks an object up. Fails as `get` does.
    fn head(&self, address: Address) -> Reply<'_, ObjectInfo>;
    /// Deletes an object, which leaves a delete marker where versions are kept, or one version for
    /// good. What is not there is no error, unless the condition asks for it. Fails with `Locked`.
    fn delete(&self, request: DeleteRequest) -> Reply<'_, DeleteOutcome>;
    /// Changes what lies beside the bytes of a version. Fails as `get` does, with
    /// `PreconditionFailed`, and with `Locked`.
    fn amend(&self, request: AmendRequest) -> Reply<'_, ObjectInfo>;
    /// One page of keys in byte order. Fails with `NoSuchBucket`.
    fn list(&self, request: ListRequest) -> Reply<'_, ListPage>;
    /// One page of versions: by key, the newest first. Fails with `NoSuchBucket`.
    fn list_versions(&self, request: VersionListRequest) -> Reply<'_, VersionPage>;

    /// Begins a multipart upload. Fails with `NoSuchBucket`.
    fn create_upload(&self, request: CreateUploadRequest) -> Reply<'_, UploadId>;
    /// Looks an upload up. Fails with `NoSuchBucket`, `NoSuchUpload`.
    fn head_upload(
        &self,
        bucket: BucketName,
        key: ObjectKey,
        upload_id: UploadId,
    ) -> Reply<'_, UploadInfo>;
    /// Writes a part, replacing one of the same number. Fails with `NoSuchBucket`, `NoSuchUpload`,
    /// `Body`, `OutOfSpace`.
    fn put_part(&self, request: PartRequest, body: Body) -> Reply<'_, PartInfo>;
    /// Makes the listed parts an object; repeating a Complete that succeeded returns its outcome
    /// again while the object is still the one that it made. Fails with `NoSuchBucket`,
    /// `NoSuchUpload`, `InvalidPart`, `PartTooSmall`, `PreconditionFailed`, `NoSuchKey`.
    fn complete_upload(&self, request: CompleteRequest) -> Reply<'_, PutOutcome>;
    /// Drops an upload and its parts. Fails with `NoSuchBucket`, `NoSuchUpload`.
    fn abort_upload(
        &self,
        bucket: BucketName,
        key: ObjectKey,
        upload_id: UploadId,
    ) -> Reply<'_, ()>;
    /// One page of an upload's parts, by number. Fails with `NoSuchBucket`, `NoSuchUpload`.
    fn list_parts(
        &self,
        bucket: BucketName,
        key: ObjectKey,
        upload_id: UploadId,
        page: PartPage,
    ) -> Reply<'_, (Vec<PartInfo>, bool)>;
    /// One page of the uploads in progress, by key, then upload id. Fails with `NoSuchBucket`.
    fn list_uploads(&self, request: UploadListRequest) -> Reply<'_, UploadPage>;

    /// A document of the store itself, by its name.
    fn setting(&self, name: String) -> Reply<'_, Setting>;
    /// Replaces such a document, if its revision is still the one before that of `setting`. Fails
    /// with `PreconditionFailed`, `ConfigurationTooLong`.
    fn put_setting(&self, name: String, setting: Setting) -> Reply<'_, ()>;

    /// The store's health, room and inner figures.
    fn status(&self) -> Reply<'_, StoreStatus>;
}
