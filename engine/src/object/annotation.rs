//! Annotations: named texts beside the bytes of one version.
//!
//! - U1: an annotation belongs to one version. It stays with it while newer ones come and go, and
//!   goes when it goes.
//! - U2: which version is meant is decided where the write takes effect: one that took its place
//!   since the caller looked gets nothing.

use super::{
    Address, AnnotationName, Body, Bypass, ByteStream, Checksum, ETag, ObjectInfo, PutOutcome,
    PutRequest, Reply, UnixNanos, VersionId, WriteCondition,
};

/// Annotations that a version has at most (S3 API reference, "PutObjectAnnotation").
pub const ANNOTATION_COUNT_MAX: u32 = 1000;

/// Longest text of an annotation in bytes (likewise).
pub const ANNOTATION_LEN_MAX: u64 = 1 << 20;

/// An annotation that is to be written, without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAnnotation {
    /// Its name.
    pub name: AnnotationName,
    /// What the protocol notes of it for itself.
    pub note: Option<String>,
    /// Bytes that its body has.
    pub len: u64,
}

/// Attaches an annotation to a version, in the place of one of the same name.
#[derive(Clone, Debug)]
pub struct AnnotateRequest {
    /// Which version.
    pub address: Address,
    /// When it may take effect; evaluated against the version.
    pub condition: WriteCondition,
    /// The protocol's own notes of the version ([`super::ObjectAttributes::system`]) by which the
    /// annotation was made.
    pub seen: Vec<(String, String)>,
    /// The annotation.
    pub annotation: NewAnnotation,
}

/// One annotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnotationInfo {
    /// Its name.
    pub name: AnnotationName,
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
    /// What the protocol noted of it.
    pub note: Option<String>,
}

/// An annotation as it was attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnotateOutcome {
    /// The version; `None` in a bucket that never kept versions.
    pub version: Option<VersionId>,
    /// The annotation.
    pub annotation: AnnotationInfo,
}

/// An annotation, open.
pub struct OpenAnnotation {
    /// The version that it belongs to.
    pub object: ObjectInfo,
    /// The annotation.
    pub annotation: AnnotationInfo,
    /// Its kept bytes.
    pub bytes: ByteStream,
}

/// Takes an annotation from a version.
#[derive(Clone, Debug)]
pub struct UnannotateRequest {
    /// Which version.
    pub address: Address,
    /// When it may take effect; evaluated against the version.
    pub condition: WriteCondition,
    /// Name of the annotation.
    pub name: AnnotationName,
    /// Whether a retention of governance mode is bypassed.
    pub bypass: Bypass,
}

/// Which annotations to list.
#[derive(Clone, Debug)]
pub struct AnnotationListRequest {
    /// Of which version.
    pub address: Address,
    /// Only names that begin with this; may be empty.
    pub prefix: String,
    /// Only names after this one in byte order.
    pub after: Option<String>,
    /// Annotations at most.
    pub limit: usize,
}

/// One page of the annotations of a version, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnotationPage {
    /// The version.
    pub object: ObjectInfo,
    /// What was found.
    pub annotations: Vec<AnnotationInfo>,
    /// Whether more follow.
    pub is_truncated: bool,
}

/// Annotations that come with a new object, one after the other.
pub trait AnnotationSource: Send {
    /// The next one with its body; `None` after the last. Not asked again after an `Err`.
    fn next(&mut self) -> Reply<'_, Option<(NewAnnotation, Body)>>;
}

/// What an [`super::ObjectStore`] does with annotations.
pub trait AnnotationStore {
    /// Writes an object with annotations, which are there as soon as it is. Fails as `put` does,
    /// and with `TooManyAnnotations`.
    fn put_annotated<'a>(
        &'a self,
        request: PutRequest,
        body: Body,
        annotations: Box<dyn AnnotationSource + 'a>,
    ) -> Reply<'a, PutOutcome>;
    /// Attaches an annotation to a version. Fails as `get` does, with `PreconditionFailed`,
    /// `Changed`, `TooManyAnnotations`, `Body`, `OutOfSpace`.
    fn put_annotation(&self, request: AnnotateRequest, body: Body) -> Reply<'_, AnnotateOutcome>;
    /// Opens an annotation for reading. Fails as `get` does, and with `NoSuchAnnotation`.
    fn get_annotation(&self, address: Address, name: AnnotationName) -> Reply<'_, OpenAnnotation>;
    /// One page of the annotations of a version. Fails as `get` does.
    fn list_annotations(&self, request: AnnotationListRequest) -> Reply<'_, AnnotationPage>;
    /// Takes an annotation from a version, which it returns; what is not there is no error. Fails
    /// as `get` does, with `PreconditionFailed` and `Locked`.
    fn delete_annotation(&self, request: UnannotateRequest) -> Reply<'_, Option<VersionId>>;
}
