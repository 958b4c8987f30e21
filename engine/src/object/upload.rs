//! Multipart uploads: parts that become one object.

use super::{
    BucketName, Checksum, ChecksumAlgorithm, ChecksumKind, ETag, Lock, ObjectAttributes, ObjectKey,
    UnixNanos, UploadId, WriteCondition,
};

/// Largest part number (S3 API reference, "Multipart upload limits").
pub const PART_NUMBER_MAX: u16 = 10_000;

/// Begins an upload.
#[derive(Clone, Debug)]
pub struct CreateUploadRequest {
    /// Where to.
    pub bucket: BucketName,
    /// Under which key.
    pub key: ObjectKey,
    /// What the client says of the object.
    pub attributes: ObjectAttributes,
    /// Checksum that the client announced for the parts and the object.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    /// What protects the version that will be made; without a retention that of the bucket.
    pub lock: Lock,
}

/// An upload in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadInfo {
    /// Under which key the object will be.
    pub key: ObjectKey,
    /// Its identity.
    pub upload_id: UploadId,
    /// When it began.
    pub created: UnixNanos,
    /// Checksum that was announced.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    /// What the client said of the object.
    pub attributes: ObjectAttributes,
}

/// Writes one part.
#[derive(Clone, Debug)]
pub struct PartRequest {
    /// Bucket of the upload.
    pub bucket: BucketName,
    /// Key of the upload.
    pub key: ObjectKey,
    /// The upload.
    pub upload_id: UploadId,
    /// 1 to [`PART_NUMBER_MAX`]; the caller checked it.
    pub number: u16,
    /// Bytes that the body announced, where it did.
    pub len: Option<u64>,
}

/// One part, uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartInfo {
    /// 1 to [`PART_NUMBER_MAX`].
    pub number: u16,
    /// Bytes that clients see.
    pub size: u64,
    /// Bytes that are kept ([`super::BodyDigest::plain_len`]).
    pub stored_len: u64,
    /// Entity tag without quotes.
    pub etag: ETag,
    /// When it was committed.
    pub modified: UnixNanos,
    /// Checksum kept with it.
    pub checksum: Option<Checksum>,
}

/// A part of an object, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartPlace {
    /// The part.
    pub info: PartInfo,
    /// Where it begins in what clients see.
    pub start: u64,
    /// Where it begins in what is kept.
    pub stored_start: u64,
}

/// One line of a Complete.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct CompletedPart {
    /// 1 to [`PART_NUMBER_MAX`], ascending over the list; the caller checked it.
    pub number: u16,
    /// Entity tag that the part must have.
    pub etag: ETag,
}

/// Makes parts an object.
#[derive(Clone, Debug)]
pub struct CompleteRequest {
    /// Bucket of the upload.
    pub bucket: BucketName,
    /// Key of the upload.
    pub key: ObjectKey,
    /// The upload.
    pub upload_id: UploadId,
    /// The parts, ascending, not empty.
    pub parts: Vec<CompletedPart>,
    /// Entity tag of the object, which the protocol derives from those of the parts.
    pub etag: ETag,
    /// Checksum of the object, which the protocol derives from those of the parts.
    pub checksum: Option<Checksum>,
    /// When it may take effect.
    pub condition: WriteCondition,
    /// Bytes that every part but the last must have.
    pub part_size_min: u64,
}

/// Which parts to list.
#[derive(Clone, Copy, Debug)]
pub struct PartPage {
    /// Only parts with a greater number.
    pub after: u16,
    /// Parts at most. The answer's flag says whether more follow.
    pub limit: usize,
}

/// Which uploads to list.
#[derive(Clone, Debug)]
pub struct UploadListRequest {
    /// Where.
    pub bucket: BucketName,
    /// Only keys that begin with this.
    pub prefix: String,
    /// As in [`super::ListRequest`].
    pub delimiter: Option<String>,
    /// Only what comes after this key; with an upload id, uploads of the same key with a greater id
    /// as well.
    pub after: Option<(String, Option<UploadId>)>,
    /// Uploads and common prefixes at most.
    pub limit: usize,
}

/// One page of uploads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadPage {
    /// By key, then by upload id.
    pub uploads: Vec<UploadInfo>,
    /// Common prefixes, ascending.
    pub prefixes: Vec<String>,
    /// Whether more follow.
    pub is_truncated: bool,
    /// Where the next page begins after, when it is truncated.
    pub next: Option<(String, Option<UploadId>)>,
}
