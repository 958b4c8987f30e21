//! An object store in memory: a map, and nothing clever. The reference that tests hold the protocol
//! against.

mod annotations;
mod bucket;

use bucket::{
    Bucket, Object, Upload, check, empty_info, join_parts, list_uploads, list_versions, roll_up,
};
use bytes::{Bytes, BytesMut};
use engine::object::{
    Address, AmendRequest, AppendRequest, Body, BodyDigest, BucketChange, BucketInfo, BucketName,
    BucketState, ByteStream, CompleteRequest, CreateBucketRequest, CreateUploadRequest,
    DeleteOutcome, DeleteRequest, DiskSpace, Env, ListEntry, ListPage, ListRequest, Lock,
    ObjectInfo, ObjectKey, ObjectReader, ObjectStore, PartInfo, PartPage, PartPlace, PartRequest,
    PutOutcome, PutRequest, Reply, Setting, StoreError, StoreStatus, UnixNanos, UploadId,
    UploadInfo, UploadListRequest, UploadPage, VersionListRequest, VersionPage, random_u128,
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

/// The store.
pub struct MemoryStore {
    env: Env,
    buckets: Mutex<BTreeMap<BucketName, Bucket>>,
    is_broken: AtomicBool,
    settings: Mutex<BTreeMap<String, Setting>>,
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

    fn part(&self, number: u16) -> Reply<'_, Option<PartPlace>> {
        let part = self.object.parts.iter().find(|part| part.info.number == number).cloned();
        Box::pin(std::future::ready(Ok(part)))
    }

    fn part_at(&self, position: u64) -> Reply<'_, Option<PartPlace>> {
        let part = self.object.parts.iter().rfind(|part| part.start <= position).cloned();
        Box::pin(std::future::ready(Ok(part)))
    }

    fn parts(&self, page: PartPage) -> Reply<'_, (Vec<PartInfo>, bool)> {
        let parts = self.object.parts.iter().map(|part| part.info.clone());
        let mut rest = parts.filter(|part| part.number > page.after);
        let parts: Vec<_> = rest.by_ref().take(page.limit).collect();
        let has_more = rest.next().is_some();
        Box::pin(std::future::ready(Ok((parts, has_more))))
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

impl MemoryStore {
    /// An empty store.
    pub fn new(env: Env) -> Self {
        Self {
            env,
            buckets: Mutex::default(),
            is_broken: AtomicBool::new(false),
            settings: Mutex::default(),
            status: Mutex::default(),
            gate: RwLock::default(),
            arrived: AtomicUsize::new(0),
        }
    }

    /// From now on the last piece of every read is an error.
    pub fn break_reads(&self) {
        self.is_broken.store(true, Ordering::Relaxed);
    }

    /// Everything that it keeps, for searches.
    pub fn dump(&self) -> Vec<u8> {
        let mut all = Vec::new();
        for bucket in self.lock().values() {
            all.extend_from_slice(format!("{:?}", bucket.state).as_bytes());
            for upload in bucket.uploads.values() {
                all.extend_from_slice(format!("{:?}", upload.info).as_bytes());
                all.extend(upload.parts.values().flat_map(|(_, bytes)| bytes.to_vec()));
            }
            for object in bucket.objects.values().flatten() {
                all.extend_from_slice(format!("{:?}", object.info).as_bytes());
                all.extend_from_slice(&object.bytes);
                for (info, bytes) in object.annotations.values() {
                    all.extend_from_slice(format!("{info:?}").as_bytes());
                    all.extend_from_slice(bytes);
                }
            }
        }
        let settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend_from_slice(format!("{settings:?}").as_bytes());
        all
    }

    /// Changes what is kept of an object behind everybody's back.
    pub fn tamper(&self, key: &str, change: impl FnOnce(&mut ObjectInfo, &mut Vec<u8>)) {
        let mut buckets = self.lock();
        let objects = buckets.values_mut().filter_map(|bucket| bucket.objects.get_mut(key));
        let object = objects.filter_map(|versions| versions.first_mut()).next();
        let object = object.expect("the key is there");
        let mut bytes = object.bytes.to_vec();
        change(&mut object.info, &mut bytes);
        object.bytes = bytes.into();
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

    fn find(&self, address: &Address) -> Result<Object, StoreError> {
        self.with(&address.bucket, |bucket| bucket.find(address).cloned())
    }

    /// Identity of a version: in the order in which they are made, as far as anybody can tell.
    fn id(&self) -> u128 {
        random_u128(&*self.env.rng)
    }

    async fn put_now(&self, request: PutRequest, body: Body) -> Result<PutOutcome, StoreError> {
        self.with(&request.bucket, |_| Ok(()))?;
        let (bytes, digest) = take(body).await?;
        let stored_len = bytes.len() as u64;
        let info = ObjectInfo {
            size: digest.plain_len.unwrap_or(stored_len),
            stored_len,
            etag: digest.etag,
            attributes: request.attributes,
            checksum: digest.checksum,
            lock: request.lock,
            ..empty_info(request.key, self.now())
        };
        let moment = (self.id(), self.now());
        self.with(&request.bucket, |bucket| {
            if info.lock != Lock::default() && !bucket.state.rules.has_lock {
                return Err(StoreError::BucketConflict);
            }
            check(&request.condition, bucket.current(info.key.as_str()))?;
            Ok(bucket.commit(info, (bytes, Vec::new()), moment))
        })
    }

    async fn put_part_now(&self, request: PartRequest, body: Body) -> Result<PartInfo, StoreError> {
        let (bytes, digest) = take(body).await?;
        let stored_len = bytes.len() as u64;
        let part = PartInfo {
            number: request.number,
            size: digest.plain_len.unwrap_or(stored_len),
            stored_len,
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
            let current = |key: &String| bucket.current(key);
            let names = bucket
                .objects
                .keys()
                .filter_map(|key| current(key).map(|object| (key.as_str(), object)));
            let filter = (
                request.prefix.as_str(),
                request.delimiter.as_deref(),
                request.after.as_deref(),
                request.limit,
            );
            let (found, is_truncated) = roll_up(names, filter);
            let entries = found.into_iter().map(|(name, object)| match object {
                Some(object) => ListEntry::Object(Box::new(object.info.clone())),
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
        let (modified, id) = (self.now(), self.id());
        self.with(&request.bucket, |bucket| {
            let key = request.key.as_str().to_owned();
            let upload = bucket.upload(&request.key, request.upload_id)?;
            let (bytes, parts) = join_parts(upload, request)?;
            let info = ObjectInfo {
                size: parts.iter().map(|part| part.info.size).sum(),
                stored_len: bytes.len() as u64,
                etag: request.etag.clone(),
                attributes: upload.info.attributes.clone(),
                checksum: request.checksum.clone(),
                part_count: request.parts.len() as u32,
                lock: upload.lock,
                ..empty_info(request.key.clone(), modified)
            };
            check(&request.condition, bucket.current(&key))?;
            bucket.uploads.remove(&(key, request.upload_id));
            Ok(bucket.commit(info, (bytes, parts), (id, modified)))
        })
    }
}

impl ObjectStore for MemoryStore {
    fn create_bucket(&self, request: CreateBucketRequest) -> Reply<'_, ()> {
        let CreateBucketRequest { bucket, owner, rules, documents } = request;
        let info = BucketInfo { name: bucket.clone(), created: self.now(), owner };
        let incarnation = self.id() as u64;
        let state = BucketState { info, incarnation, revision: 1, rules, documents };
        let new = Bucket { state, objects: BTreeMap::new(), uploads: BTreeMap::new() };
        let result = match self.lock().entry(bucket) {
            Entry::Occupied(known) => {
                Err(StoreError::BucketExists { owner: known.get().state.info.owner.clone() })
            }
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

    fn head_bucket(&self, bucket: BucketName) -> Reply<'_, BucketState> {
        let state = self.with(&bucket, |found| Ok(found.state.clone()));
        Box::pin(std::future::ready(state))
    }

    fn configure_bucket(&self, bucket: BucketName, change: BucketChange) -> Reply<'_, ()> {
        let changed = self.with(&bucket, |found| found.configure(change));
        Box::pin(std::future::ready(changed))
    }

    fn list_buckets(&self) -> Reply<'_, Vec<BucketInfo>> {
        let buckets = self.lock();
        let infos = buckets.values().map(|bucket| bucket.state.info.clone()).collect();
        Box::pin(std::future::ready(Ok(infos)))
    }

    fn put(&self, request: PutRequest, body: Body) -> Reply<'_, PutOutcome> {
        Box::pin(self.put_now(request, body))
    }

    fn append(&self, request: AppendRequest, body: Body) -> Reply<'_, PutOutcome> {
        Box::pin(async move {
            let (bytes, digest) = take(body).await?;
            let now = self.now();
            self.with(&request.bucket, |bucket| bucket.append(&request, (bytes, digest), now))
        })
    }

    fn get(&self, address: Address) -> Reply<'_, Box<dyn ObjectReader>> {
        let found = self.find(&address);
        let is_broken = self.is_broken.load(Ordering::Relaxed);
        let reader = found
            .map(|object| Box::new(MemoryReader { object, is_broken }) as Box<dyn ObjectReader>);
        Box::pin(std::future::ready(reader))
    }

    fn head(&self, address: Address) -> Reply<'_, ObjectInfo> {
        let found = self.find(&address).map(|object| object.info);
        Box::pin(std::future::ready(found))
    }

    fn delete(&self, request: DeleteRequest) -> Reply<'_, DeleteOutcome> {
        let moment = (self.id(), self.now());
        let bucket = request.address.bucket.clone();
        let result = self.with(&bucket, |bucket| bucket.delete(&request, moment));
        Box::pin(std::future::ready(result))
    }

    fn amend(&self, request: AmendRequest) -> Reply<'_, ObjectInfo> {
        let (now, bucket) = (self.now(), request.address.bucket.clone());
        let result = self.with(&bucket, |bucket| bucket.amend(&request, now));
        Box::pin(std::future::ready(result))
    }

    fn list_versions(&self, request: VersionListRequest) -> Reply<'_, VersionPage> {
        let page = self.with(&request.bucket, |bucket| Ok(list_versions(bucket, &request)));
        Box::pin(std::future::ready(page))
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
            attributes: request.attributes,
        };
        let upload = Upload { info, lock: request.lock, parts: BTreeMap::new() };
        let result = self.with(&request.bucket, |bucket| {
            if upload.lock != Lock::default() && !bucket.state.rules.has_lock {
                return Err(StoreError::BucketConflict);
            }
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

    fn setting(&self, name: String) -> Reply<'_, Setting> {
        let settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        Box::pin(std::future::ready(Ok(settings.get(&name).cloned().unwrap_or_default())))
    }

    fn put_setting(&self, name: String, setting: Setting) -> Reply<'_, ()> {
        let mut settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        let known = settings.entry(name).or_default();
        let is_next = known.revision + 1 == setting.revision;
        if is_next {
            *known = setting;
        }
        let outcome = if is_next { Ok(()) } else { Err(StoreError::PreconditionFailed) };
        Box::pin(std::future::ready(outcome))
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
