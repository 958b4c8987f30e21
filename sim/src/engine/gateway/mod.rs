//! The store as it looks through S3: every call becomes a signed request to the protocol's service
//! in this process, every answer is read back. So sequences, model and judge are the same as
//! without it, and everything from the request's head to the last XML element is in between.
//!
//! - G1: a body that broke off is never acknowledged.
//! - G2: times of modification are not told: S3 has them in seconds, and not for every answer.

mod annotations;
mod append;
mod defaults;
mod door;
mod keys;
mod seals;
mod sending;
mod tags;
mod uploads;
mod versions;
mod wire;

pub use door::is_lost;
pub use tags::{NEEDLE_LEN, Tags};

use super::client::attributes;
use crate::http::xml;
use crate::socket::Network;
use bytes::Bytes;
use door::{AnswerBody, Door};
use engine::object::{
    Address, AmendRequest, AppendRequest, Body, BucketChange, BucketInfo, BucketName, BucketState,
    ByteStream, Clock, CompleteRequest, CreateBucketRequest, CreateUploadRequest, DeleteOutcome,
    DeleteRequest, ETag, Env, ListEntry, ListPage, ListRequest, Lock, ObjectAttributes, ObjectInfo,
    ObjectKey, ObjectReader, ObjectStore, PartInfo, PartPage, PartPlace, PartRequest, PutOutcome,
    PutRequest, Reply, Setting, StoreError, StoreStatus, UploadId, UploadInfo, UploadListRequest,
    UploadPage, VersionId, VersionListRequest, VersionPage,
};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyStream;
use keys::Keys;
use s3api::Service;
use s3api::config::{Credentials, S3Config};
use sealing::RootKey;
use seals::Way;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use wire::{ACCESS_KEY, Incoming, Outgoing, REGION, SECRET_KEY, header, refusal};

/// See the module.
pub struct Gateway {
    door: Arc<Door>,
    /// For what S3 has no request.
    inner: Arc<dyn ObjectStore>,
    clock: Arc<dyn Clock>,
    tags: Tags,
    /// Whether some objects are encrypted.
    is_sealed: bool,
    keys: Keys,
}

impl Gateway {
    /// The protocol in front of a store, behind a network if there is one.
    pub fn new(
        inner: Arc<dyn ObjectStore>,
        env: Env,
        (tags, is_sealed): (Tags, bool),
        network: Option<Network>,
    ) -> Self {
        let [access_key, secret_key] = [ACCESS_KEY, SECRET_KEY].map(str::to_owned);
        let mut config = S3Config::new(Credentials { access_key, secret_key });
        config.region = Some(REGION.to_owned());
        config.part_size_min = 1;
        config.encryption.root_key = RootKey::parse(seals::ROOT_KEY).ok();
        config.encryption.allows_plain_keys = true;
        let clock = env.clock.clone();
        let door = Arc::new(Door::new(Service::new(config, inner.clone(), env), network));
        tags.begin_life();
        Self { door, inner, clock, tags, is_sealed, keys: Keys::default() }
    }

    async fn send(&self, request: Outgoing<'_>) -> Result<Incoming, StoreError> {
        request.send(&self.door, &*self.clock).await
    }

    async fn put_object(&self, request: PutRequest, body: Body) -> Result<PutOutcome, StoreError> {
        let PutRequest { bucket, key, attributes, condition, len, .. } = request;
        let mut put = Outgoing::new(Method::PUT, bucket.as_str(), Some(key.as_str()));
        put = self.bind(put, (&bucket, &key), &condition).await?;
        if let Some((_, value)) = attributes.metadata.first() {
            put = put.header("x-amz-meta-n", value);
        }
        put = self.sealed(put, &key).await?;
        let gathered = self.gather(&key, body).await;
        let (size, number) = (gathered.len(), gathered.number.clone());
        let (before, bytes) = (self.default_for(&bucket, &key), gathered.bytes());
        let answer = self.send_gathered(put, gathered, len).await?;
        self.check_default((&bucket, before), &bytes, &answer.headers)?;
        let etag = self.told(&key, &number, &answer.headers)?.0;
        let version = versions::told(&answer.headers);
        Ok(PutOutcome { etag, checksum: None, size, modified: 0, version })
    }

    /// What the headers of an answer say of an object.
    async fn info(
        &self,
        address: &Address,
        headers: &HeaderMap,
        size: u64,
    ) -> Result<ObjectInfo, StoreError> {
        self.look_up(address, header(headers, "etag")).await?;
        let (etag, part_count) = self.tags.number_of(header(headers, "etag"));
        let told = headers.get("x-amz-meta-n").and_then(|value| value.to_str().ok());
        let metadata = told.map(|value| ("n".to_owned(), value.to_owned()));
        let metadata = metadata.into_iter().collect();
        let attributes = ObjectAttributes { metadata, ..ObjectAttributes::default() };
        Ok(shown(address.key.clone(), size, (etag, part_count), attributes))
    }

    async fn get_object(&self, address: Address) -> Result<Box<dyn ObjectReader>, StoreError> {
        self.try_to_open(&address).await?;
        let Address { bucket, key, version } = address.clone();
        let way = self.way(&key);
        let get = Outgoing::new(Method::GET, bucket.as_str(), Some(key.as_str()));
        let get = seals::opened(versions::of(get, version), way, &key);
        let answer = get.ask(&self.door, &*self.clock).await?;
        if answer.status() != StatusCode::OK {
            return Err(refusal(answer).await);
        }
        let (head, body): (_, AnswerBody) = answer.into_parts();
        let size = header(&head.headers, "content-length").parse();
        let size = size.map_err(|_| StoreError::Corrupt("an answer without its length".into()))?;
        let info = self.info(&address, &head.headers, size).await?;
        let frames = BodyStream::new(body).filter_map(|frame| async {
            match frame {
                Ok(frame) => frame.into_data().ok().map(Ok),
                Err(error) => Some(Err(error)),
            }
        });
        let range = Ranged {
            door: self.door.clone(),
            clock: self.clock.clone(),
            path: (bucket, key),
            version,
            way,
            tag: header(&head.headers, "etag").to_owned(),
        };
        let whole: ByteStream = Box::pin(frames);
        Ok(Box::new(Open { info, whole: Mutex::new(whole), range }))
    }

    async fn head_object(&self, address: Address) -> Result<ObjectInfo, StoreError> {
        let Address { bucket, key, version } = address.clone();
        let head = Outgoing::new(Method::HEAD, bucket.as_str(), Some(key.as_str()));
        let head = seals::opened(versions::of(head, version), self.way(&key), &key);
        let answer = match self.send(head).await {
            Ok(answer) => answer,
            // An answer to HEAD has no body to say why: the answer to GET has.
            Err(StoreError::Corrupt(_)) => {
                return self.get_object(address).await.map(|reader| reader.info().clone());
            }
            Err(error) => return Err(error),
        };
        let size = header(&answer.headers, "content-length").parse().unwrap_or(u64::MAX);
        self.info(&address, &answer.headers, size).await
    }

    async fn list_objects(&self, request: ListRequest) -> Result<ListPage, StoreError> {
        let mut list = Outgoing::new(Method::GET, request.bucket.as_str(), None);
        list = list.query("list-type", 2).query("max-keys", request.limit.min(1000));
        list = list.query("prefix", &request.prefix);
        if let Some(delimiter) = request.delimiter {
            list = list.query("delimiter", delimiter);
        }
        if let Some(after) = request.after {
            list = list.query("start-after", after);
        }
        let answer = self.send(list).await?;
        let mut entries = Vec::new();
        for content in xml::elements(answer.text(), "Contents") {
            let info = self.listed(&request.bucket, content).await?;
            entries.push(ListEntry::Object(Box::new(info)));
        }
        for prefix in xml::elements(answer.text(), "CommonPrefixes") {
            let prefix = xml::text(prefix, "Prefix").unwrap_or_default();
            entries.push(ListEntry::Prefix(prefix));
        }
        entries.sort_by(|a, b| a.name().cmp(b.name()));
        let is_truncated = xml::text(answer.text(), "IsTruncated").as_deref() == Some("true");
        Ok(ListPage { entries, is_truncated })
    }

    /// One line of a listing, which says nothing of metadata: they count as right.
    async fn listed(&self, bucket: &BucketName, content: &str) -> Result<ObjectInfo, StoreError> {
        let text = |name| xml::text(content, name).unwrap_or_default();
        let key = ObjectKey::new(text("Key")).map_err(|error| unreadable(&error))?;
        let size = text("Size").parse().map_err(|error| unreadable(&error))?;
        self.look_up(&Address::current(bucket.clone(), key.clone()), &text("ETag")).await?;
        let (etag, part_count) = self.tags.number_of(&text("ETag"));
        let described_by = self.tags.described_by(&etag.0);
        let attributes = described_by.map(attributes).unwrap_or_default();
        Ok(shown(key, size, (etag, part_count), attributes))
    }

    async fn buckets(&self) -> Result<Vec<BucketInfo>, StoreError> {
        let answer = self.send(Outgoing::new(Method::GET, "", None)).await?;
        let names = xml::elements(answer.text(), "Bucket").into_iter();
        let bucket = |element| {
            let name = xml::text(element, "Name").unwrap_or_default();
            let name = BucketName::new(&name).map_err(|error| unreadable(&error))?;
            Ok(BucketInfo { name, created: 0, owner: String::new() })
        };
        names.map(bucket).collect()
    }
}

/// An object as far as S3 tells of it.
fn shown(
    key: ObjectKey,
    size: u64,
    (etag, part_count): (ETag, u32),
    attributes: ObjectAttributes,
) -> ObjectInfo {
    let (version, is_marker, lock) = (None, false, Lock::default());
    let (modified, checksum) = (0, None);
    ObjectInfo {
        key,
        version,
        is_marker,
        size,
        stored_len: size,
        etag,
        modified,
        attributes,
        checksum,
        part_count,
        lock,
        annotation_count: 0,
    }
}

fn unreadable(error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("an answer that cannot be read: {error}"))
}

/// How a part of an open object is asked for.
struct Ranged {
    door: Arc<Door>,
    clock: Arc<dyn Clock>,
    path: (BucketName, ObjectKey),
    version: Option<VersionId>,
    way: Way,
    tag: String,
}

impl Ranged {
    async fn read(self, range: Range<u64>) -> Result<Bytes, StoreError> {
        let (bucket, key) = &self.path;
        let bytes = format!("bytes={}-{}", range.start, range.end - 1);
        let get = Outgoing::new(Method::GET, bucket.as_str(), Some(key.as_str()));
        let get =
            versions::of(get, self.version).header("range", &bytes).header("if-match", &self.tag);
        let get = seals::opened(get, self.way, key);
        let answer = get.send(&self.door, &*self.clock).await?;
        match answer.status {
            StatusCode::PARTIAL_CONTENT => Ok(answer.body),
            status => Err(StoreError::Corrupt(format!("{status} for a range"))),
        }
    }
}

/// An answer whose body is yet to be read.
struct Open {
    info: ObjectInfo,
    /// Taken once, by whoever has the reader.
    whole: Mutex<ByteStream>,
    range: Ranged,
}

impl ObjectReader for Open {
    fn info(&self) -> &ObjectInfo {
        &self.info
    }

    fn part(&self, _number: u16) -> Reply<'_, Option<PartPlace>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn part_at(&self, _position: u64) -> Reply<'_, Option<PartPlace>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn parts(&self, _page: PartPage) -> Reply<'_, (Vec<PartInfo>, bool)> {
        Box::pin(std::future::ready(Ok((Vec::new(), false))))
    }

    fn read(self: Box<Self>, range: Range<u64>) -> ByteStream {
        if range == (0..self.info.size) {
            return self.whole.into_inner().unwrap_or_else(PoisonError::into_inner);
        }
        if range.is_empty() {
            return Box::pin(stream::empty());
        }
        Box::pin(stream::once(self.range.read(range)))
    }
}

impl ObjectStore for Gateway {
    fn create_bucket(&self, request: CreateBucketRequest) -> Reply<'_, ()> {
        Box::pin(async move {
            let mut put = Outgoing::new(Method::PUT, request.bucket.as_str(), None);
            if request.rules.has_lock {
                put = put.header("x-amz-bucket-object-lock-enabled", "true");
            }
            let put = put.header("content-length", "0");
            self.change_default(&request.bucket, put, false).await
        })
    }

    fn delete_bucket(&self, bucket: BucketName) -> Reply<'_, ()> {
        Box::pin(async move {
            let delete = Outgoing::new(Method::DELETE, bucket.as_str(), None);
            self.change_default(&bucket, delete, false).await
        })
    }

    fn head_bucket(&self, bucket: BucketName) -> Reply<'_, BucketState> {
        self.inner.head_bucket(bucket)
    }

    fn configure_bucket(&self, bucket: BucketName, change: BucketChange) -> Reply<'_, ()> {
        Box::pin(self.configure(bucket, change))
    }

    fn list_buckets(&self) -> Reply<'_, Vec<BucketInfo>> {
        Box::pin(self.buckets())
    }

    fn put(&self, request: PutRequest, body: Body) -> Reply<'_, PutOutcome> {
        Box::pin(self.put_object(request, body))
    }

    fn append(&self, request: AppendRequest, body: Body) -> Reply<'_, PutOutcome> {
        Box::pin(self.append_object(request, body))
    }

    fn get(&self, address: Address) -> Reply<'_, Box<dyn ObjectReader>> {
        Box::pin(self.get_object(address))
    }

    fn head(&self, address: Address) -> Reply<'_, ObjectInfo> {
        Box::pin(self.head_object(address))
    }

    fn delete(&self, request: DeleteRequest) -> Reply<'_, DeleteOutcome> {
        Box::pin(self.delete_object(request))
    }

    fn amend(&self, request: AmendRequest) -> Reply<'_, ObjectInfo> {
        Box::pin(self.amend_object(request))
    }

    fn list_versions(&self, request: VersionListRequest) -> Reply<'_, VersionPage> {
        Box::pin(self.versions(request))
    }

    fn list(&self, request: ListRequest) -> Reply<'_, ListPage> {
        Box::pin(self.list_objects(request))
    }

    fn create_upload(&self, request: CreateUploadRequest) -> Reply<'_, UploadId> {
        Box::pin(self.begin_upload(request))
    }

    fn head_upload(
        &self,
        bucket: BucketName,
        key: ObjectKey,
        upload_id: UploadId,
    ) -> Reply<'_, UploadInfo> {
        Box::pin(self.upload(bucket, key, upload_id))
    }

    fn put_part(&self, request: PartRequest, body: Body) -> Reply<'_, PartInfo> {
        Box::pin(self.upload_part(request, body))
    }

    fn complete_upload(&self, request: CompleteRequest) -> Reply<'_, PutOutcome> {
        Box::pin(self.complete(request))
    }

    fn abort_upload(
        &self,
        bucket: BucketName,
        key: ObjectKey,
        upload_id: UploadId,
    ) -> Reply<'_, ()> {
        Box::pin(async move {
            let abort = Outgoing::new(Method::DELETE, bucket.as_str(), Some(key.as_str()));
            self.send(abort.query("uploadId", upload_id)).await.map(drop)
        })
    }

    fn list_parts(
        &self,
        bucket: BucketName,
        key: ObjectKey,
        upload_id: UploadId,
        page: PartPage,
    ) -> Reply<'_, (Vec<PartInfo>, bool)> {
        Box::pin(self.parts((bucket, key, upload_id), page))
    }

    fn list_uploads(&self, request: UploadListRequest) -> Reply<'_, UploadPage> {
        Box::pin(self.uploads(request))
    }

    fn setting(&self, _name: String) -> Reply<'_, Setting> {
        Box::pin(std::future::ready(Ok(Setting::default())))
    }

    fn put_setting(&self, _name: String, _setting: Setting) -> Reply<'_, ()> {
        let reason = "S3 does not tell of the store's own configuration";
        Box::pin(std::future::ready(Err(StoreError::Unavailable(reason.into()))))
    }

    fn status(&self) -> Reply<'_, StoreStatus> {
        self.inner.status()
    }
}
