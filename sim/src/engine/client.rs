//! A client of the store: turns requests into calls and calls into answers. It judges nothing.

use super::annotations;
use super::appends::{self, Base};
use super::body::{Delivery, Piece, Source, etag};
use super::defaults;
use super::gateway::is_lost;
use super::model::{Existence, Model};
use super::plan::{BucketNumber, Condition, Request, Slot};
use super::retention::Kept;
use bytes::{Bytes, BytesMut};
use engine::object::{
    Address, BucketChange, BucketName, BucketRules, Bypass, CompleteRequest, CompletedPart,
    CreateBucketRequest, CreateUploadRequest, DeleteOutcome, DeleteRequest, ListEntry, ListRequest,
    Lock, ObjectAttributes, ObjectInfo, ObjectKey, ObjectReader, ObjectStore, PartInfo, PartPage,
    PartRequest, PutOutcome, PutRequest, Standing, StoreError, UnixNanos, UploadId, UploadInfo,
    UploadListRequest, VersionId, Versioning, WriteCondition,
};
use futures_util::StreamExt;
use std::sync::Arc;

/// Pages of a listing at most: more never end.
const PAGES_MAX: usize = 2000;

/// A store, shared.
pub type Store = Arc<dyn ObjectStore>;

/// What a store answered.
pub enum Answer {
    /// Yes.
    Done,
    /// An object was written.
    Written(PutOutcome),
    /// An upload began.
    Upload(UploadId),
    /// A part was written.
    Part(PartInfo),
    /// An object's bytes from an offset on.
    Object(ObjectInfo, u64, Bytes),
    /// An object's metadata.
    Info(ObjectInfo),
    /// A whole listing.
    Listed(Vec<ListEntry>),
    /// An object or version was deleted.
    Deleted(DeleteOutcome),
    /// All versions of a bucket, and whether each is the current one.
    Versions(Vec<(ObjectInfo, Standing)>),
    /// An annotation.
    Annotation(Bytes),
    /// How many annotations an object says that it has, and their names and sizes.
    Annotations(u32, Vec<(String, u64)>),
    /// Names of buckets.
    Buckets(Vec<String>),
    /// Parts of an upload.
    Parts(Vec<PartInfo>),
    /// Uploads of a bucket.
    Uploads(Vec<UploadInfo>),
    /// An object that was opened.
    Held(Box<dyn ObjectReader>),
    /// No.
    Error(StoreError),
    /// The client went away before the answer.
    Dropped,
    /// The answer was lost on its way: the request is over, whatever came of it.
    Lost,
    /// The process died before the answer.
    Died,
    /// No answer in a long time.
    Hung,
}

impl Answer {
    /// Numbers of an answer, for the hash.
    pub fn digest(&self) -> [u64; 3] {
        match self {
            Self::Done => [1, 0, 0],
            Self::Written(outcome) => [2, outcome.size, outcome.modified],
            Self::Upload(id) => [3, id.0 as u64, (id.0 >> 64) as u64],
            Self::Part(part) => [4, part.size, part.modified],
            Self::Object(info, offset, bytes) => [5, info.modified ^ offset, bytes.len() as u64],
            Self::Info(info) => [6, info.size, info.modified],
            Self::Listed(entries) => [7, entries.len() as u64, 0],
            Self::Buckets(names) => [8, names.len() as u64, 0],
            Self::Parts(parts) => [9, parts.len() as u64, 0],
            Self::Uploads(uploads) => [10, uploads.len() as u64, 0],
            Self::Held(reader) => [11, reader.info().modified, 0],
            Self::Error(error) => [12, error.to_string().len() as u64, 0],
            Self::Dropped => [13, 0, 0],
            Self::Died => [14, 0, 0],
            Self::Lost => [16, 0, 0],
            Self::Hung => [15, 0, 0],
            Self::Deleted(outcome) => [1, u64::from(outcome.is_marker), 0],
            Self::Versions(versions) => [17, versions.len() as u64, 0],
            Self::Annotation(bytes) => [18, bytes.len() as u64, 0],
            Self::Annotations(count, named) => [19, u64::from(*count), named.len() as u64],
        }
    }
}

/// A request with all that it needs of the model.
pub struct Call {
    /// What is asked for.
    pub request: Request,
    /// Turns after which the client goes away.
    pub patience: Option<u32>,
    upload: Option<(UploadId, Slot)>,
    version: Option<(usize, VersionId)>,
    completion: Option<(u32, Vec<(u16, Piece)>)>,
    base: Base,
    until: u64,
    bypass: Bypass,
}

impl Call {
    /// Takes what the request needs; `None` when it makes no sense any more.
    pub fn new(request: Request, patience: Option<u32>, model: &Model) -> Option<Self> {
        let (upload, version, completion) = (None, None, None);
        let (until, bypass) = (0, Bypass::Governance);
        let base = Base::default();
        let mut call = Self { request, patience, upload, version, completion, base, until, bypass };
        match call.request {
            Request::PutPart { upload, .. }
            | Request::Abort(upload)
            | Request::ListParts(upload) => {
                let upload = model.uploads.get(upload)?;
                call.upload = Some((upload.id, upload.slot));
            }
            Request::Complete { upload, value, .. } => {
                let upload = model.uploads.get(upload)?;
                call.upload = Some((upload.id, upload.slot));
                // A client that does not know whether it succeeded asks for the same again.
                let completion = match upload.existence {
                    Existence::Live => (value, upload.certain_parts()?),
                    Existence::Gone | Existence::Unsure => upload.completed.clone()?,
                };
                call.completion = Some(completion).filter(|(_, parts)| !parts.is_empty());
                call.completion.as_ref()?;
            }
            Request::GetVersion(slot, pick)
            | Request::DeleteVersion(slot, pick)
            | Request::Retain { slot, pick, .. }
            | Request::Protect { slot, pick, .. } => {
                call.version = Some(model.pick_version(slot, pick)?);
                call.lock(model);
            }
            Request::Append { base, .. } => call.base = Base::of(base, model)?,
            _ => {}
        }
        Some(call)
    }

    /// What an append goes on.
    pub fn base(&self) -> Base {
        self.base
    }

    /// The version that the request names: its place in the model, and its identity.
    pub fn version(&self) -> Option<(usize, VersionId)> {
        self.version
    }

    /// Takes what it needs to know of locks.
    fn lock(&mut self, model: &Model) {
        if let Request::Retain { ms, .. } = self.request {
            self.until = model.versions.times.now.wall + ms * 1_000_000;
        }
        let kept = self.version.map(|(index, _)| model.versions.all[index].kept);
        if kept.is_some_and(Kept::is_asked) {
            self.bypass = Bypass::No;
        }
    }

    /// Until when a version is to be kept.
    pub fn until(&self) -> UnixNanos {
        self.until
    }

    /// Whether a deletion bypasses retentions: where there is none, nobody who may bypass one
    /// deletes what is held; where there may be one, it must hold.
    pub fn bypass(&self) -> Bypass {
        self.bypass
    }

    /// The value and the parts that a Complete names.
    pub fn completion(&self) -> Option<&(u32, Vec<(u16, Piece)>)> {
        self.completion.as_ref()
    }
}

/// Name of a bucket.
pub fn bucket_name(bucket: BucketNumber) -> BucketName {
    BucketName::new(&format!("bucket{bucket}")).expect("it follows the rules")
}

/// Name of a key: every third one lies in a folder.
pub fn key_name(key: u16) -> ObjectKey {
    let name = match key % 3 {
        0 => format!("d{}/k{key:03}", key % 4),
        _ => format!("k{key:03}"),
    };
    ObjectKey::new(name).expect("it is not long")
}

fn condition_of(condition: Condition) -> WriteCondition {
    match condition {
        Condition::None => WriteCondition::None,
        Condition::Absent => WriteCondition::Absent,
        Condition::Exists => WriteCondition::Exists,
        Condition::Matches(value) => WriteCondition::Matches(etag(value)),
    }
}

/// What a client says of an object besides its bytes.
pub fn attributes(value: u32) -> ObjectAttributes {
    let metadata = vec![("n".to_owned(), value.to_string())];
    ObjectAttributes { metadata, ..ObjectAttributes::default() }
}

/// Asks the store.
pub async fn perform(store: &Store, seed: u64, call: &Call) -> Answer {
    match try_perform(store, seed, call).await {
        Ok(answer) => answer,
        // An object that a marker hides is one that is not there.
        Err(StoreError::DeleteMarker { is_named: false, .. }) => {
            Answer::Error(StoreError::NoSuchKey)
        }
        Err(error) if is_lost(&error) => Answer::Dropped,
        Err(error) => Answer::Error(error),
    }
}

async fn try_perform(store: &Store, seed: u64, call: &Call) -> Result<Answer, StoreError> {
    Ok(match &call.request {
        Request::CreateBucket(bucket) => store
            .create_bucket(CreateBucketRequest::plain(bucket_name(*bucket)))
            .await
            .map(|()| Answer::Done)?,
        Request::DeleteBucket(bucket) => {
            store.delete_bucket(bucket_name(*bucket)).await.map(|()| Answer::Done)?
        }
        Request::ListBuckets => {
            let buckets = store.list_buckets().await?;
            Answer::Buckets(buckets.iter().map(|bucket| bucket.name.to_string()).collect())
        }
        Request::Put { slot, piece, condition, delivery } => {
            put(store, seed, *slot, *piece, (*condition, *delivery)).await?
        }
        Request::Append { .. } => appends::perform(store, seed, call).await?,
        Request::Annotation { .. } => annotations::perform(store, seed, call).await?,
        Request::Get { slot, range } => get(store, *slot, *range).await?,
        Request::CreateVersioned(bucket) => {
            let rules = BucketRules {
                versioning: Versioning::Enabled,
                has_lock: true,
                ..BucketRules::default()
            };
            let plain = CreateBucketRequest::plain(bucket_name(*bucket));
            let request = CreateBucketRequest { rules, ..plain };
            store.create_bucket(request).await.map(|()| Answer::Done)?
        }
        Request::SetVersioning { bucket, is_on } => {
            let versioning = if *is_on { Versioning::Enabled } else { Versioning::Suspended };
            let change = BucketChange::Versioning(versioning);
            let changed = store.configure_bucket(bucket_name(*bucket), change).await;
            changed.map(|()| Answer::Done)?
        }
        Request::SetRetention { .. } | Request::SetEncryption { .. } => {
            defaults::perform(store, &call.request).await?
        }
        Request::ListVersions(bucket) => super::versions::list(store, *bucket).await?,
        Request::GetVersion(slot, _)
        | Request::DeleteVersion(slot, _)
        | Request::Retain { slot, .. }
        | Request::Protect { slot, .. } => super::versions::perform(store, *slot, call).await?,
        Request::Head(slot) => Answer::Info(
            store.head(Address::current(bucket_name(slot.bucket), key_name(slot.key))).await?,
        ),
        Request::Delete { slot, condition } => {
            let (bucket, key) = (bucket_name(slot.bucket), key_name(slot.key));
            let request = DeleteRequest::current(bucket, key, condition_of(*condition));
            Answer::Deleted(store.delete(request).await?)
        }
        Request::List { bucket, limit, is_rolled } => {
            list(store, *bucket, *limit, *is_rolled).await?
        }
        Request::Hold(slot) => Answer::Held(
            store.get(Address::current(bucket_name(slot.bucket), key_name(slot.key))).await?,
        ),
        Request::ReadHeld => Answer::Done,
        Request::CreateUpload(_)
        | Request::PutPart { .. }
        | Request::Complete { .. }
        | Request::Abort(_)
        | Request::ListParts(_)
        | Request::ListUploads(_) => perform_upload(store, seed, call).await?,
    })
}

async fn put(
    store: &Store,
    seed: u64,
    slot: Slot,
    piece: Piece,
    (condition, delivery): (Condition, Delivery),
) -> Result<Answer, StoreError> {
    let request = PutRequest {
        bucket: bucket_name(slot.bucket),
        key: key_name(slot.key),
        attributes: attributes(piece.body),
        condition: condition_of(condition),
        lock: Lock::default(),
        len: (!delivery.is_halting).then_some(u64::from(piece.len)),
    };
    let body = Box::new(Source::new(seed, piece, delivery));
    store.put(request, body).await.map(Answer::Written)
}

async fn get(store: &Store, slot: Slot, range: Option<(u16, u16)>) -> Result<Answer, StoreError> {
    let reader = store.get(Address::current(bucket_name(slot.bucket), key_name(slot.key))).await?;
    let size = reader.info().size;
    let at = |per_mille: u16| size * u64::from(per_mille) / 1000;
    let range = range.map_or(0..size, |(start, end)| at(start)..at(end.max(start)));
    read(reader, range.start, range.end).await
}

/// Reads a part of an open object.
pub async fn read(
    reader: Box<dyn ObjectReader>,
    start: u64,
    end: u64,
) -> Result<Answer, StoreError> {
    let info = reader.info().clone();
    let mut stream = reader.read(start..end);
    let mut bytes = BytesMut::with_capacity((end - start) as usize);
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk?);
    }
    Ok(Answer::Object(info, start, bytes.freeze()))
}

async fn list(
    store: &Store,
    bucket: BucketNumber,
    limit: usize,
    is_rolled: bool,
) -> Result<Answer, StoreError> {
    let mut entries = Vec::new();
    let mut after = None;
    for _ in 0..PAGES_MAX {
        let request = ListRequest {
            bucket: bucket_name(bucket),
            prefix: String::new(),
            delimiter: is_rolled.then(|| "/".to_owned()),
            after: after.take(),
            limit,
        };
        let page = store.list(request).await?;
        after = page.entries.last().map(|entry| entry.name().to_owned());
        entries.extend(page.entries);
        if !page.is_truncated {
            return Ok(Answer::Listed(entries));
        }
    }
    Ok(Answer::Hung)
}

async fn perform_upload(store: &Store, seed: u64, call: &Call) -> Result<Answer, StoreError> {
    let known = call.upload.map(|(id, slot)| (bucket_name(slot.bucket), key_name(slot.key), id));
    Ok(match (&call.request, known) {
        (Request::CreateUpload(slot), _) => {
            let request = CreateUploadRequest {
                bucket: bucket_name(slot.bucket),
                key: key_name(slot.key),
                attributes: ObjectAttributes::default(),
                checksum: None,
                lock: Lock::default(),
            };
            Answer::Upload(store.create_upload(request).await?)
        }
        (Request::PutPart { number, piece, delivery, .. }, Some((bucket, key, upload_id))) => {
            let len = (!delivery.is_halting).then_some(u64::from(piece.len));
            let request = PartRequest { bucket, key, upload_id, number: *number, len };
            let body = Box::new(Source::new(seed, *piece, *delivery));
            Answer::Part(store.put_part(request, body).await?)
        }
        (Request::Complete { condition, .. }, Some((bucket, key, upload_id))) => {
            let Some((value, parts)) = &call.completion else { return Ok(Answer::Done) };
            let part = |(number, piece): &(u16, Piece)| CompletedPart {
                number: *number,
                etag: etag(piece.body),
            };
            let request = CompleteRequest {
                bucket,
                key,
                upload_id,
                parts: parts.iter().map(part).collect(),
                etag: etag(*value),
                checksum: None,
                condition: condition_of(*condition),
                part_size_min: 0,
            };
            Answer::Written(store.complete_upload(request).await?)
        }
        (Request::Abort(_), Some((bucket, key, upload_id))) => {
            store.abort_upload(bucket, key, upload_id).await.map(|()| Answer::Done)?
        }
        (Request::ListParts(_), Some((bucket, key, upload_id))) => {
            let page = PartPage { after: 0, limit: 1000 };
            Answer::Parts(store.list_parts(bucket, key, upload_id, page).await?.0)
        }
        (Request::ListUploads(bucket), _) => {
            let request = UploadListRequest {
                bucket: bucket_name(*bucket),
                prefix: String::new(),
                delimiter: None,
                after: None,
                limit: 1000,
            };
            Answer::Uploads(store.list_uploads(request).await?.uploads)
        }
        _ => Answer::Done,
    })
}
