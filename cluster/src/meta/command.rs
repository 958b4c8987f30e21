//! Commands of the log, and what comes of them. Encoded by the engine's codec; a body that is small
//! enough to travel inline follows the encoded command.

use crate::rows::{AnnotationRow, BodyRows, Garbage, Incarnation, ObjectRow, PartRow};
use bytes::{BufMut, Bytes, BytesMut};
use engine::format::batch::JournalRecord;
use engine::format::value::{Extent, VolumeId};
use engine::format::{Malformed, codec};
use engine::object::{
    Amendment, AnnotationName, AppendBase, BucketChange, BucketName, BucketRules, Bypass, Checksum,
    ChecksumAlgorithm, ChecksumKind, CompletedPart, DeleteOutcome, ETag, Lock, ObjectAttributes,
    ObjectKey, Retention, Setting, UnixNanos, UploadId, VersionId, Versioning, WriteCondition,
};

const WHAT: &str = "command";

/// Where the bytes of a body are when it is committed.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub enum BodyPlace {
    /// They follow the command.
    Inline,
    /// In volumes, durable; the body's own row will hold them. All but the last are full records.
    Extents(Vec<Extent>),
    /// In volumes, durable; they get rows of their own. All but the last are full records.
    ExtentRows(Vec<Extent>),
}

/// A body with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct CommittedBody {
    /// Names the rows of its extents.
    pub write_id: u128,
    /// Bytes that clients see.
    pub size: u64,
    /// Bytes that are kept.
    pub stored_len: u64,
    /// Entity tag.
    pub etag: ETag,
    /// Checksum kept with it.
    pub checksum: Option<Checksum>,
    /// Where the bytes are.
    pub place: BodyPlace,
}

/// Which object of which life of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Target {
    /// The bucket.
    pub bucket: BucketName,
    /// Its life when the request looked it up.
    pub incarnation: Incarnation,
    /// What the request followed of its rules: apply refuses a write that knew older ones.
    pub fence: u64,
    /// Whether versions were kept then.
    pub versioning: Versioning,
    /// The key.
    pub key: ObjectKey,
}

/// Moves a row's bytes, if they are still where they were.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Move {
    /// The row.
    pub row: Vec<u8>,
    /// The write that made it.
    pub write_id: u128,
    /// Where the bytes were.
    pub source: Extent,
    /// Where they are now, durable.
    pub target: Extent,
}

/// What a delete may know of locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct LockKey {
    /// Now, as locks have it ([`crate::lock_clock`]).
    pub time: UnixNanos,
    /// Whether a retention of governance mode is bypassed.
    pub bypass: Bypass,
}

/// One change of metadata.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub enum Command {
    /// Creates a bucket.
    CreateBucket {
        /// Its name.
        name: BucketName,
        /// This life.
        incarnation: Incarnation,
        /// Now.
        time: UnixNanos,
        /// Who owns it.
        owner: String,
        /// What decides about versions and locks.
        rules: BucketRules,
        /// The protocol's documents.
        documents: Vec<(String, String)>,
    },
    /// Deletes an empty bucket.
    DeleteBucket {
        /// Its name.
        name: BucketName,
    },
    /// Changes the configuration of a bucket.
    ConfigureBucket {
        /// Its name.
        name: BucketName,
        /// How.
        change: BucketChange,
    },
    /// Writes an object.
    Put {
        /// Where to.
        target: Target,
        /// Now.
        time: UnixNanos,
        /// When it may take effect.
        condition: WriteCondition,
        /// What the client said of it.
        attributes: ObjectAttributes,
        /// What protects the version.
        lock: Lock,
        /// Its bytes.
        body: CommittedBody,
        /// Annotations that were written for it under the write of its body.
        annotation_count: u32,
    },
    /// Deletes an object or a version.
    Delete {
        /// Which key.
        target: Target,
        /// Which version; `None` for the current one.
        version: Option<VersionId>,
        /// When it may take effect.
        condition: WriteCondition,
        /// Now.
        time: UnixNanos,
        /// Whether locks hold.
        key: LockKey,
        /// Random, for the identity of a delete marker.
        entropy: u64,
    },
    /// Changes what lies beside the bytes of a version.
    Amend {
        /// Which key.
        target: Target,
        /// Which version; `None` for the current one.
        version: Option<VersionId>,
        /// When it may take effect.
        condition: WriteCondition,
        /// The change.
        amendment: Amendment,
        /// Now, as locks have it.
        lock_time: UnixNanos,
    },
    /// Begins an upload.
    CreateUpload {
        /// Where to.
        target: Target,
        /// Its identity.
        upload_id: UploadId,
        /// Now.
        time: UnixNanos,
        /// What the client said of the object.
        attributes: ObjectAttributes,
        /// Checksum that was announced.
        checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
        /// What protects the version that will be made.
        lock: Lock,
    },
    /// Writes a part.
    PutPart {
        /// Of which object.
        target: Target,
        /// Of which upload.
        upload_id: UploadId,
        /// Its number.
        number: u16,
        /// Now.
        time: UnixNanos,
        /// Its bytes.
        body: CommittedBody,
    },
    /// Makes parts an object.
    Complete {
        /// Which.
        target: Target,
        /// Of which upload.
        upload_id: UploadId,
        /// Now.
        time: UnixNanos,
        /// When it may take effect.
        condition: WriteCondition,
        /// The parts, ascending.
        parts: Vec<CompletedPart>,
        /// Entity tag of the object.
        etag: ETag,
        /// Checksum of the object.
        checksum: Option<Checksum>,
        /// Bytes that every part but the last must have.
        part_size_min: u64,
        /// How long the version is kept, when the upload does not say.
        retention: Option<Retention>,
    },
    /// Drops an upload.
    Abort {
        /// Of which object.
        target: Target,
        /// Which upload.
        upload_id: UploadId,
    },
    /// Deletes some of the rows that a row of garbage names, and that row when none is left.
    Purge {
        /// Life of the bucket that they belonged to.
        incarnation: Incarnation,
        /// Which rows.
        garbage: Garbage,
    },
    /// Moves bytes between volumes.
    Relocate {
        /// The moves, each on its own.
        moves: Vec<Move>,
    },
    /// Notes how far the time of locks has come ([`crate::lock_clock`]).
    LockClock {
        /// The count.
        time: UnixNanos,
    },
    /// Replaces a document of the store itself.
    PutSetting {
        /// Its name.
        name: String,
        /// What it is to be, with the revision after that of what it replaces.
        setting: Setting,
    },
    /// From here on no command may name the volume.
    FenceVolume {
        /// Which.
        volume: VolumeId,
    },
    /// Appends to an object.
    Append {
        /// Which.
        target: Target,
        /// Now.
        time: UnixNanos,
        /// What it must still be.
        base: AppendBase,
        /// Whose part the body becomes, and by which number.
        part: (UploadId, u16),
        /// Entity tag of the object then.
        etag: ETag,
        /// Checksum of the object then.
        checksum: Option<Checksum>,
        /// What is appended.
        body: CommittedBody,
    },
    /// Attaches an annotation to a version.
    Annotate {
        /// Which key.
        target: Target,
        /// Which version; `None` for the current one.
        version: Option<VersionId>,
        /// When it may take effect.
        condition: WriteCondition,
        /// The annotation.
        annotation: CommittedAnnotation,
    },
    /// Writes an annotation for a version that a later command makes.
    StageAnnotation {
        /// Which key.
        target: Target,
        /// How many were written for the version before.
        index: u32,
        /// The annotation.
        annotation: CommittedAnnotation,
    },
    /// Takes an annotation from a version.
    Unannotate {
        /// Which key.
        target: Target,
        /// Which version; `None` for the current one.
        version: Option<VersionId>,
        /// When it may take effect.
        condition: WriteCondition,
        /// Name of the annotation.
        name: AnnotationName,
        /// Whether locks hold.
        key: LockKey,
    },
}

/// An annotation with its body.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct CommittedAnnotation {
    /// The write that made the version, or will make it.
    pub of: u128,
    /// Its name.
    pub name: AnnotationName,
    /// Now.
    pub time: UnixNanos,
    /// What the protocol notes of it.
    pub note: Option<String>,
    /// Its bytes, in its own row or inline.
    pub body: CommittedBody,
}

/// What a command came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Success {
    /// Done; there is nothing to say.
    Done,
    /// The object as it was committed.
    Object(Box<ObjectRow>),
    /// The part as it was committed.
    Part(Box<PartRow>),
    /// What was deleted.
    Deleted(DeleteOutcome),
    /// The annotation as it was committed, and its version.
    Annotation(Box<(AnnotationRow, ObjectRow)>),
}

/// Why apply said no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A row that the command is about makes no sense: what it forbids stays forbidden.
    #[error("a row is damaged")]
    Damaged,
    /// No such bucket, or another life of it.
    #[error("no such bucket")]
    NoSuchBucket,
    /// The bucket exists, and belongs to somebody.
    #[error("bucket exists")]
    BucketExists(String),
    /// The bucket holds objects or uploads.
    #[error("bucket is not empty")]
    BucketNotEmpty,
    /// No such key, where the condition needs one.
    #[error("no such key")]
    NoSuchKey,
    /// No such version.
    #[error("no such version")]
    NoSuchVersion,
    /// It is a delete marker.
    #[error("a delete marker")]
    Marker {
        /// Which.
        version: VersionId,
        /// When it was made.
        modified: UnixNanos,
        /// Whether the command named it.
        is_named: bool,
    },
    /// The version is locked.
    #[error("the version is locked")]
    Locked,
    /// The rules of the bucket do not allow it.
    #[error("the state of the bucket does not allow it")]
    BucketConflict,
    /// The documents of the bucket are too long.
    #[error("the configuration of the bucket is too long")]
    ConfigurationTooLong,
    /// The rules of the bucket changed since the request looked: look again.
    #[error("the configuration of the bucket changed")]
    Stale,
    /// No such upload.
    #[error("no such upload")]
    NoSuchUpload,
    /// A part is missing or differs.
    #[error("part {0} is missing or differs")]
    InvalidPart(u16),
    /// A part is too small.
    #[error("part {number} of {size} bytes is too small")]
    PartTooSmall {
        /// Its number.
        number: u16,
        /// Its bytes.
        size: u64,
    },
    /// The version has as many annotations as it may have.
    #[error("too many annotations")]
    TooManyAnnotations,
    /// The version is another one than the command is about.
    #[error("the version changed")]
    Changed,
    /// The condition does not hold.
    #[error("precondition failed")]
    PreconditionFailed,
    /// The command names a volume that is being reclaimed: write the bytes again.
    #[error("volume {0} is fenced")]
    Fenced(u64),
}

impl Command {
    /// The journal's record of the command and the body that it carries.
    pub fn encode(&self, group: u32, body: &Bytes) -> JournalRecord {
        let encoded = codec::encode(self);
        let mut head = BytesMut::with_capacity(4 + encoded.len());
        head.put_u32_le(encoded.len() as u32);
        head.put_slice(&encoded);
        JournalRecord { group, head: head.freeze(), tail: body.clone() }
    }

    /// Decodes a record that was read back.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(record: &JournalRecord) -> Result<(Self, Bytes), Malformed> {
        let bytes = &record.head;
        let prefix = bytes.get(..4).and_then(|len| len.try_into().ok()).ok_or(Malformed(WHAT))?;
        let end = (u32::from_le_bytes(prefix) as usize).checked_add(4).ok_or(Malformed(WHAT))?;
        let command = codec::decode(bytes.get(4..end).ok_or(Malformed(WHAT))?, WHAT)?;
        Ok((command, bytes.slice(end..)))
    }
}

impl CommittedBody {
    /// Extents that the command names.
    pub fn extents(&self) -> &[Extent] {
        match &self.place {
            BodyPlace::Inline => &[],
            BodyPlace::Extents(extents) | BodyPlace::ExtentRows(extents) => extents,
        }
    }

    /// Which rows will hold the bytes.
    pub fn rows(&self) -> BodyRows {
        match self.place {
            BodyPlace::Inline | BodyPlace::Extents(_) => BodyRows::Own,
            BodyPlace::ExtentRows(_) => BodyRows::Extents,
        }
    }
}
