//! An object store in memory: a map, and nothing clever. The reference that tests hold the protocol
//! against.

use bytes::{Bytes, BytesMut};
use engine::object::{
    Body, BodyDigest, BucketInfo, BucketName, ByteStream, CompleteRequest, CreateUploadRequest,
    DiskSpace, Env, ListEntry, ListPage, ListRequest, ObjectAttributes, ObjectInfo, ObjectKey,
    ObjectReader, ObjectStore, PartInfo, PartPage, PartRequest, PutOutcome, PutRequest, Reply,
    StoreError, StoreStatus, UnixNanos, UploadId, UploadInfo, UploadListRequest, UploadPage,
    WriteCondition, random_u128,
};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::future::poll_fn;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::RwLock;

/// Bytes that one piece of a read holds.
const PIECE_LEN: usize = 64 << 10;

#[derive(Clone)]
struct Object {
    info: ObjectInfo,
    bytes: Bytes,
    parts: Vec<(PartInfo, u64)>,
}

struct Upload {
    info: UploadInfo,
    attributes: ObjectAttributes,
    parts: BTreeMap<u16, (PartInfo, Bytes)>,
}

struct Bucket {
    created: UnixNanos,
    objects: BTreeMap<String, Object>,
    uploads: BTreeMap<(String, UploadId), Upload>,
}

/// The store.
pub struct MemoryStore {
    env: Env,
    buckets: Mutex<BTreeMap<BucketName, Bucket>>,
    is_broken: AtomicBool,
    /// What it tells of itself, where a test says so.
    pub status: Mutex<Option<StoreStatus>>,
    /// Listings and completions wait while a test holds it.
    pub gate: RwLock<()>,
    /// Those that came to the gate.
    pub arrived: AtomicUsize,
}

struct MemoryReader {
    object: Object,
    is_broken: bool,
}

impl ObjectReader for MemoryReader {
    fn info(&self) -> &ObjectInfo {
        &self.object.info
    }

    fn part(&self, number: u16) -> Reply<'_, Option<(PartInfo, u64)>> {
        let part = self.object.parts.iter().find(|(part, _)| part.number == number).cloned();
        Box::pin(std::future::ready(Ok(part)))
    }

    fn read(self: Box<Self>, range: Range<u64>) -> ByteStream {
        let bytes = self.object.bytes.slice(range.start as usize..range.end as usize);
        let pieces = (0..bytes.len()).step_by(PIECE_LEN).map(move |start| {
            let end = bytes.len().min(start + PIECE_LEN);
            if self.is_broken && end == bytes.len() {
                return Err(StoreError::Corrupt("broken by the test".to_owned()));
            }
            Ok(bytes.slice(start..end))
        });
        Box::pin(futures_util::stream::iter(pieces))
    }
}

async fn take(mut body: Body) -> Result<(Bytes, BodyDigest), StoreError> {
    let mut whole = BytesMut::new();
    while let Some(piece) = poll_fn(|context| body.poll_chunk(context)).await {
        whole.extend_from_slice(&piece?);
    }
    Ok((whole.freeze(), body.digest()))
}

fn check(condition: &WriteCondition, current: Option<&Object>) -> Result<(), StoreError> {
    match (condition, current) {
        (WriteCondition::None, _)
        | (WriteCondition::Absent, None)
        | (WriteCondition::Exists, Some(_)) => Ok(()),
        (WriteCondition::Matches(etag), Some(object)) if object.info.etag == *etag => Ok(()),
        (WriteCondition::Matches(_) | WriteCondition::Exists, None) => Err(StoreError::NoSuchKey),
        _ => Err(StoreError::PreconditionFailed),
    }
}

impl Bucket {
    fn commit(
        &mut self,
        info: ObjectInfo,
        bytes: Bytes,
        parts: Vec<(PartInfo, u64)>,
    ) -> PutOutcome {
        let outcome = PutOutcome {
            etag: info.etag.clone(),
            checksum: info.checksum.clone(),
            size: info.size,
            modified: info.modified,
        };
        self.objects.insert(info.key.as_str().to_owned(), Object { info, bytes, parts });
        outcome
    }

    fn upload(&mut self, key: &ObjectKey, id: UploadId) -> Result<&mut Upload, StoreError> {
        self.uploads.get_mut(&(key.as_str().to_owned(), id)).ok_or(StoreError::NoSuchUpload)
    }
}

/// Names in order with their prefixes rolled up, up to a limit: keys, then what they roll up to.
fn roll_up<'a, T>(
    names: impl Iterator<Item = (&'a str, T)>,
    request: (&str, Option<&str>, Option<&str>, usize),
) -> (Vec<(String, Option<T>)>, bool) {
    let (prefix, delimiter, after, limit) = request;
    let mut found: Vec<(String, Option<T>)> = Vec::new();
    for (name, value) in names.filter(|(name, _)| name.starts_with(prefix)) {
        let rest = &name[prefix.len()..];
        let common = delimiter
            .and_then(|delimiter| rest.find(delimiter).map(|at| at + delimiter.len()))
            .map(|end| &name[..prefix.len() + end]);
        let listed = common.unwrap_or(name);
        let is_seen = after.is_some_and(|after| match common {
            Some(common) => common <= after && (common == after || name <= after),
            None => name <= after,
        });
        let is_same = common.is_some() && found.last().is_some_and(|(last, _)| last == listed);
        if is_seen || is_same {
            continue;
        }
        if found.len() == limit {
            return (found, limit > 0);
        }
        found.push((listed.to_owned(), common.is_none().then_some(value)));
    }
    (found, false)
}

impl MemoryStore {
    /// An empty store.
    pub fn new(env: Env) -> Self {
        Self {
            env,
            buckets: Mutex::default(),
            is_broken: AtomicBool::new(false),
            status: Mutex::default(),
            gate: RwLock::default(),
            arrived: AtomicUsize::new(0),
        }
    }

    /// From now on the last piece of every read is an error.
    pub fn break_reads(&self) {
        self.is_broken.store(true, Ordering::Relaxed);
    }

    async fn pass_gate(&self) {
        self.arrived.fetch_add(1, Ordering::SeqCst);
        drop(self.gate.read().await);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<BucketName, Bucket>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(
        &self,
        name: &BucketName,
        job: impl FnOnce(&mut Bucket) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.lock().get_mut(name).ok_or(StoreError::NoSuchBucket).and_then(job)
    }

    fn now(&self) -> UnixNanos {
        self.env.clock.unix_nanos()
    }

    fn find(&self, bucket: &BucketName, key: &ObjectKey) -> Result<Object, StoreError> {
        self.with(bucket, |bucket| {
            bucket.objects.get(key.as_str()).cloned().ok_or(StoreError::NoSuchKey)
        })
    }

    async fn put_now(&self, request: PutRequest, body: Body) -> Result<PutOutcome, StoreError> {
        self.with(&request.bucket, |_| Ok(()))?;
        let (bytes, digest) = take(body).await?;
        let info = ObjectInfo {
            key: request.key,
            size: bytes.len() as u64,
            etag: digest.etag,
            modified: self.now(),
            attributes: request.attributes,
            checksum: digest.checksum,
            part_count: 0,
        };
        self.with(&request.bucket, |bucket| {
            check(&request.condition, bucket.objects.get(info.key.as_str()))?;
            Ok(bucket.commit(info, bytes, Vec::new()))
        })
    }

    async fn put_part_now(&self, request: PartRequest, body: Body) -> Result<PartInfo, StoreError> {
        let (bytes, digest) = take(body).await?;
        let part = PartInfo {
            number: request.number,
            size: bytes.len() as u64,
            etag: digest.etag,
            modified: self.now(),
            checksum: digest.checksum,
        };
        self.with(&request.bucket, |bucket| {
            let upload = bucket.upload(&request.key, request.upload_id)?;
            upload.parts.insert(part.number, (part.clone(), bytes));
            Ok(part)
        })
    }

    fn list_now(&self, request: &ListRequest) -> Result<ListPage, StoreError> {
        self.with(&request.bucket, |bucket| {
            let names = bucket.objects.iter().map(|(key, object)| (key.as_str(), object));
            let filter = (
                request.prefix.as_str(),
                request.delimiter.as_deref(),
                request.after.as_deref(),
                request.limit,
            );
            let (found, is_truncated) = roll_up(names, filter);
            let entries = found.into_iter().map(|(name, object)| match object {
                Some(object) => ListEntry::Object(object.info.clone()),
                None => ListEntry::Prefix(name),
            });
            Ok(ListPage { entries: entries.collect(), is_truncated })
        })
    }

    /// Returns when so many listings and completions came.
    pub async fn wait_for_arrivals(&self, count: usize) {
        while self.arrived.load(Ordering::SeqCst) < count {
            tokio::task::yield_now().await;
        }
    }

    fn complete_now(&self, request: &CompleteRequest) -> Result<PutOutcome, StoreError> {
        let modified = self.now();
        self.with(&request.bucket, |bucket| {
            let key = request.key.as_str().to_owned();
            let upload = bucket.upload(&request.key, request.upload_id)?;
            let (bytes, parts) = join_parts(upload, request)?;
            let info = ObjectInfo {
                key: request.key.clone(),
                size: bytes.len() as u64,
                etag: request.etag.clone(),
                modified,
                attributes: upload.attributes.clone(),
                checksum: request.checksum.clone(),
                part_count: request.parts.len() as u32,
            };
            check(&request.condition, bucket.objects.get(&key))?;
            bucket.uploads.remove(&(key, request.upload_id));
            Ok(bucket.commit(info, bytes, parts))
        })
    }
}

type Joined = (Bytes, Vec<(PartInfo, u64)>);

fn join_parts(upload: &Upload, request: &CompleteRequest) -> Result<Joined, StoreError> {
    let (mut whole, mut parts) = (BytesMut::new(), Vec::new());
    for (index, listed) in request.parts.iter().enumerate() {
        let (info, bytes) = upload
            .parts
            .get(&listed.number)
            .filter(|(info, _)| info.etag == listed.etag)
            .ok_or(StoreError::InvalidPart { number: listed.number })?;
        if info.size < request.part_size_min && index + 1 < request.parts.len() {
            return Err(StoreError::PartTooSmall { number: info.number, size: info.size });
        }
        parts.push((info.clone(), whole.len() as u64));
        whole.extend_from_slice(bytes);
    }
    Ok((whole.freeze(), parts))
}

impl ObjectStore for MemoryStore {
    fn create_bucket(&self, bucket: BucketName) -> Reply<'_, ()> {
        let new =
            Bucket { created: self.now(), objects: BTreeMap::new(), uploads: BTreeMap::new() };
        let result = match self.lock().entry(bucket) {
            Entry::Occupied(_) => Err(StoreError::BucketExists),
            Entry::Vacant(vacant) => {
                vacant.insert(new);
                Ok(())
            }
        };
        Box::pin(std::future::ready(result))
    }

    fn delete_bucket(&self, bucket: BucketName) -> Reply<'_, ()> {
        let mut buckets = self.lock();
        let result = match buckets.get(&bucket) {
            None => Err(StoreError::NoSuchBucket),
            Some(found) if !found.objects.is_empty() => Err(StoreError::BucketNotEmpty),
            Some(_) => {
                buckets.remove(&bucket);
                Ok(())
            }
        };
        Box::pin(std::future::ready(result))
    }

    fn head_bucket(&self, bucket: BucketName) -> Reply<'_, BucketInfo> {
        let info = self
            .with(&bucket, |found| Ok(BucketInfo { name: bucket.clone(), created: found.created }));
        Box::pin(std::future::ready(info))
    }

    fn list_buckets(&self) -> Reply<'_, Vec<BucketInfo>> {
        let buckets = self.lock();
        let infos = buckets
            .iter()
            .map(|(name, bucket)| BucketInfo { name: name.clone(), created: bucket.created })
            .collect();
        Box::pin(std::future::ready(Ok(infos)))
    }

    fn put(&self, request: PutRequest, body: Body) -> Reply<'_, PutOutcome> {
        Box::pin(self.put_now(request, body))
    }

    fn get(&self, bucket: BucketName, key: ObjectKey) -> Reply<'_, Box<dyn ObjectReader>> {
        let found = self.find(&bucket, &key);
        let is_broken = self.is_broken.load(Ordering::Relaxed);
        let reader = found
            .map(|object| Box::new(MemoryReader { object, is_broken }) as Box<dyn ObjectReader>);
        Box::pin(std::future::ready(reader))
    }

    fn head(&self, bucket: BucketName, key: ObjectKey) -> Reply<'_, ObjectInfo> {
        let found = self.find(&bucket, &key).map(|object| object.info);
        Box::pin(std::future::ready(found))
    }

    fn delete(
        &self,
        bucket: BucketName,
        key: ObjectKey,
        condition: WriteCondition,
    ) -> Reply<'_, ()> {
        let result = self.with(&bucket, |bucket| {
            check(&condition, bucket.objects.get(key.as_str()))?;
            bucket.objects.remove(key.as_str());
            Ok(())
        });
        Box::pin(std::future::ready(result))
    }

    fn list(&self, request: ListRequest) -> Reply<'_, ListPage> {
        Box::pin(async move {
            self.pass_gate().await;
            self.list_now(&request)
        })
    }

    fn create_upload(&self, request: CreateUploadRequest) -> Reply<'_, UploadId> {
        let upload_id = UploadId(random_u128(&*self.env.rng));
        let info = UploadInfo {
            key: request.key.clone(),
            upload_id,
            created: self.now(),
            checksum: request.checksum,
        };
        let upload = Upload { info, attributes: request.attributes, parts: BTreeMap::new() };
        let result = self.with(&request.bucket, |bucket| {
            bucket.uploads.insert((request.key.as_str().to_owned(), upload_id), upload);
            Ok(upload_id)
        });
        Box::pin(std::future::ready(result))
    }

    fn head_upload(
        &self,
        bucket: BucketName,
        key: ObjectKey,
        upload_id: UploadId,
    ) -> Reply<'_, UploadInfo> {
        let info = self.with(&bucket, |bucket| Ok(bucket.upload(&key, upload_id)?.info.clone()));
        Box::pin(std::future::ready(info))
    }

    fn put_part(&self, request: PartRequest, body: Body) -> Reply<'_, PartInfo> {
        Box::pin(self.put_part_now(request, body))
    }

    fn complete_upload(&self, request: CompleteRequest) -> Reply<'_, PutOutcome> {
        Box::pin(async move {
            self.pass_gate().await;
            self.complete_now(&request)
        })
    }

    fn abort_upload(
        &self,
        bucket: BucketName,
        key: ObjectKey,
        upload_id: UploadId,
    ) -> Reply<'_, ()> {
        let result = self.with(&bucket, |bucket| {
            let removed = bucket.uploads.remove(&(key.as_str().to_owned(), upload_id));
            removed.map(|_| ()).ok_or(StoreError::NoSuchUpload)
        });
        Box::pin(std::future::ready(result))
    }

    fn list_parts(
        &self,
        bucket: BucketName,
        key: ObjectKey,
        upload_id: UploadId,
        page: PartPage,
    ) -> Reply<'_, (Vec<PartInfo>, bool)> {
        let result = self.with(&bucket, |bucket| {
            let upload = bucket.upload(&key, upload_id)?;
            let mut rest = upload.parts.range(page.after + 1..).map(|(_, (info, _))| info.clone());
            let parts: Vec<_> = rest.by_ref().take(page.limit).collect();
            Ok((parts, rest.next().is_some()))
        });
        Box::pin(std::future::ready(result))
    }

    fn list_uploads(&self, request: UploadListRequest) -> Reply<'_, UploadPage> {
        let page = self.with(&request.bucket, |bucket| Ok(list_uploads(bucket, &request)));
        Box::pin(std::future::ready(page))
    }

    fn status(&self) -> Reply<'_, StoreStatus> {
        let told = self.status.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let status = told.unwrap_or_else(|| StoreStatus {
            readable: true,
            writable: true,
            space: DiskSpace { total: 1 << 40, free: 1 << 39 },
            metrics: vec![("memory_buckets", "Buckets in memory.", self.lock().len() as u64)],
            ..StoreStatus::default()
        });
        Box::pin(std::future::ready(Ok(status)))
    }
}

fn list_uploads(bucket: &Bucket, request: &UploadListRequest) -> UploadPage {
    let (after_key, after_id) = match &request.after {
        None => (None, None),
        Some((key, id)) => (Some(key.as_str()), *id),
    };
    let is_after = |upload: &&Upload| match (after_key, after_id) {
        (Some(key), Some(id)) => {
            upload.info.key.as_str() > key
                || (upload.info.key.as_str() == key && upload.info.upload_id > id)
        }
        (Some(key), None) => upload.info.key.as_str() > key,
        (None, _) => true,
    };
    let names = bucket
        .uploads
        .values()
        .filter(is_after)
        .map(|upload| (upload.info.key.as_str(), upload.info.clone()));
    let filter = (request.prefix.as_str(), request.delimiter.as_deref(), None, request.limit);
    let (found, is_truncated) = roll_up(names, filter);
    let next =
        found.last().map(|(name, info)| (name.clone(), info.as_ref().map(|info| info.upload_id)));
    let mut page = UploadPage { is_truncated, next, ..UploadPage::default() };
    for (name, info) in found {
        match info {
            Some(info) => page.uploads.push(info),
            None => page.prefixes.push(name),
        }
    }
    page
}
