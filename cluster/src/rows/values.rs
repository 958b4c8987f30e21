//! Attributes of the index's rows: what lies under their keys.

use super::{Garbage, Incarnation};
use engine::object::{
    AnnotationInfo, AnnotationName, BucketInfo, BucketName, BucketRules, BucketState, Checksum,
    ChecksumAlgorithm, ChecksumKind, ETag, Lock, ObjectAttributes, ObjectInfo, ObjectKey, PartInfo,
    PartPlace, UnixNanos, UploadId, UploadInfo, VersionId, Versioning,
};

/// Attributes of a bucket's row.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct BucketRow {
    /// This life of the bucket.
    pub incarnation: Incarnation,
    /// When it was created.
    pub created: UnixNanos,
    /// Who owns it.
    pub owner: String,
    /// Grows with every change of the configuration.
    pub revision: u64,
    /// Grows with every change of the rules; a write names the one that it followed.
    pub fence: u64,
    /// What decides about versions and locks.
    pub rules: BucketRules,
    /// The protocol's documents, by name.
    pub documents: Vec<(String, String)>,
}

impl BucketRow {
    /// The bucket as it is listed.
    pub fn info(self, name: BucketName) -> BucketInfo {
        BucketInfo { name, created: self.created, owner: self.owner }
    }

    /// The bucket with its configuration.
    pub fn state(self, name: BucketName) -> BucketState {
        let Self { incarnation, created, owner, revision, rules, documents, .. } = self;
        let info = BucketInfo { name, created, owner };
        BucketState { info, incarnation: incarnation.0, revision, rules, documents }
    }
}

/// Where the bytes of a body are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub enum BodyRows {
    /// In the row itself.
    Own,
    /// In rows of kind 5 under the row's write id.
    Extents,
    /// In the parts of an upload.
    Parts(UploadId),
}

impl BodyRows {
    /// The rows that go with a body, when it has any besides its own.
    pub fn garbage(self, write_id: u128) -> Option<Garbage> {
        match self {
            Self::Own => None,
            Self::Extents => Some(Garbage::Extents(write_id)),
            Self::Parts(upload_id) => Some(Garbage::Parts(upload_id)),
        }
    }
}

/// Attributes of an object's row.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct ObjectRow {
    /// Bytes of the body that clients see.
    pub size: u64,
    /// Bytes of the body that are kept.
    pub stored_len: u64,
    /// Entity tag.
    pub etag: ETag,
    /// When it was committed.
    pub modified: UnixNanos,
    /// What the client said of it.
    pub attributes: ObjectAttributes,
    /// Checksum kept with it.
    pub checksum: Option<Checksum>,
    /// Parts, 0 for a plain object.
    pub part_count: u32,
    /// Where the bytes are.
    pub body: BodyRows,
    /// Which version it is.
    pub version: VersionId,
    /// Its place among the versions of the key: grows with every one, never 0.
    pub order: u64,
    /// Whether it is a delete marker.
    pub is_marker: bool,
    /// What protects it.
    pub lock: Lock,
    /// What the current version knows of the older ones; `Older::default()` in their own rows.
    pub older: Older,
    /// Annotations that it has.
    pub annotation_count: u32,
}

/// What the row of a current version knows of the older ones of its key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Older {
    /// Whether there may be any.
    pub may_exist: bool,
    /// Order of the null version, when it is one of them.
    pub null: Option<u64>,
}

impl ObjectRow {
    /// The object as the store's users see it in a bucket of such versioning.
    pub fn info(self, key: ObjectKey, versioning: Versioning) -> ObjectInfo {
        let version = self.shown_version(versioning);
        let Self { size, etag, modified, attributes, checksum, part_count, .. } = self;
        let Self { is_marker, lock, stored_len, annotation_count, .. } = self;
        ObjectInfo {
            key,
            version,
            is_marker,
            size,
            stored_len,
            etag,
            modified,
            attributes,
            checksum,
            part_count,
            lock,
            annotation_count,
        }
    }

    /// Its version, where the bucket ever kept any.
    pub fn shown_version(&self, versioning: Versioning) -> Option<VersionId> {
        (versioning != Versioning::Off).then_some(self.version)
    }

    /// Entity tag that conditions see: a delete marker is an object that is not there.
    pub fn visible_etag(&self) -> Option<&ETag> {
        (!self.is_marker).then_some(&self.etag)
    }
}

/// Attributes of an upload's row.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct UploadRow {
    /// When it began.
    pub created: UnixNanos,
    /// What the client said of the object.
    pub attributes: ObjectAttributes,
    /// Checksum that was announced.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    /// What protects the version that will be made.
    pub lock: Lock,
}

impl UploadRow {
    /// The upload as the store's users see it.
    pub fn info(self, key: ObjectKey, upload_id: UploadId) -> UploadInfo {
        let Self { created, attributes, checksum, .. } = self;
        UploadInfo { key, upload_id, created, checksum, attributes }
    }
}

/// Attributes of a part's row.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct PartRow {
    /// Bytes of the part that clients see.
    pub size: u64,
    /// Bytes of the part that are kept.
    pub stored_len: u64,
    /// Entity tag.
    pub etag: ETag,
    /// When it was committed.
    pub modified: UnixNanos,
    /// Checksum kept with it.
    pub checksum: Option<Checksum>,
    /// Where the part begins in what clients see of the object; set by Complete.
    pub start: u64,
    /// Where it begins in what is kept of the object; set by Complete.
    pub stored_start: u64,
    /// Where the bytes are: `Own` or `Extents`.
    pub body: BodyRows,
}

impl PartRow {
    /// Where the part ends in what clients see of the object.
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.size)
    }

    /// The part as the store's users see it.
    pub fn info(self, number: u16) -> PartInfo {
        let Self { size, stored_len, etag, modified, checksum, .. } = self;
        PartInfo { number, size, stored_len, etag, modified, checksum }
    }

    /// The part and where it is.
    pub fn place(self, number: u16) -> PartPlace {
        let Self { start, stored_start, .. } = self;
        PartPlace { info: self.info(number), start, stored_start }
    }
}

/// Attributes of an annotation's row.
#[derive(Clone, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct AnnotationRow {
    /// Bytes that clients see.
    pub size: u64,
    /// Bytes that are kept.
    pub stored_len: u64,
    /// Entity tag.
    pub etag: ETag,
    /// When it was committed.
    pub modified: UnixNanos,
    /// Checksum kept with it.
    pub checksum: Option<Checksum>,
    /// What the protocol noted of it.
    pub note: Option<String>,
}

impl AnnotationRow {
    /// The annotation as the store's users see it.
    pub fn info(self, name: AnnotationName) -> AnnotationInfo {
        let Self { size, stored_len, etag, modified, checksum, note } = self;
        AnnotationInfo { name, size, stored_len, etag, modified, checksum, note }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::format::codec;

    /// Rows of every age have these numbers.
    #[test]
    fn checksums_are_kept_as_they_always_were() {
        let kept = [
            (ChecksumAlgorithm::Crc32, 0),
            (ChecksumAlgorithm::Crc32c, 1),
            (ChecksumAlgorithm::Crc64Nvme, 2),
            (ChecksumAlgorithm::Sha1, 3),
            (ChecksumAlgorithm::Sha256, 4),
            (ChecksumAlgorithm::Sha512, 5),
            (ChecksumAlgorithm::Md5, 6),
            (ChecksumAlgorithm::XxHash64, 7),
            (ChecksumAlgorithm::XxHash3, 8),
            (ChecksumAlgorithm::XxHash128, 9),
        ];
        for (algorithm, number) in kept {
            let value = "AA==".to_owned();
            let sum = Checksum { algorithm, kind: ChecksumKind::Composite, value };
            let row = [&[number, 1, 4][..], b"AA=="].concat();
            assert_eq!(codec::encode(&sum), row);
            assert_eq!(codec::decode::<Checksum>(&row, "a checksum").unwrap(), sum);
        }
    }
}
