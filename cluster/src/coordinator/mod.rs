//! The coordinator: turns requests for objects into bytes in volumes and commands in the log. One
//! file per operation.
//!
//! - C1: a body is durable in its volumes before the command that names it is proposed.
//! - C2: early checks (bucket, conditions, room) only spare work; what counts is decided at apply.
//! - C3: a request holds the volumes that its uncommitted bytes are in, so that reclaim leaves them
//!   alone.

mod amend;
mod annotation;
mod append;
mod body;
mod bucket;
mod budget;
mod delete;
mod get;
mod list;
mod put;
mod upload;
mod versions;

pub(crate) use budget::{Downloads, UploadMemory};

use crate::error::{damaged_row, from_engine, from_log};
use crate::lock_clock::LockClock;
use crate::meta::command::{Command, Refusal, Success, Target};
use crate::meta::{LogError, MetaLog};
use crate::reading::Readings;
use crate::rows::{self, BucketRow, Incarnation, ObjectRow};
use bytes::Bytes;
use engine::env::{Env, random_u128};
use engine::format::value::Value;
use engine::heal::Healer;
use engine::mark::{self, Mark};
use engine::meta::MetaStore;
use engine::object::{
    Address, AmendRequest, AppendRequest, Body, BucketChange, BucketInfo, BucketName, BucketRules,
    BucketState, CompleteRequest, CreateBucketRequest, CreateUploadRequest, DeleteOutcome,
    DeleteRequest, ListPage, ListRequest, Lock, ObjectInfo, ObjectKey, ObjectReader, ObjectStore,
    PartInfo, PartPage, PartRequest, PutOutcome, PutRequest, Reply, Retention, Setting, StoreError,
    StoreStatus, UploadId, UploadInfo, UploadListRequest, UploadPage, VersionId,
    VersionListRequest, VersionPage,
};
use std::sync::Arc;

/// How often a write is proposed again because the rules of its bucket changed.
const STALE_COUNT_MAX: usize = 16;

/// How often a version is looked for because another one became the current one meanwhile.
const MOVED_COUNT_MAX: usize = 16;

/// Result of an operation of the store.
pub(crate) type Result<T> = std::result::Result<T, StoreError>;

/// The store of a node.
#[derive(Clone)]
pub(crate) struct Coordinator {
    pub(crate) store: Arc<MetaStore>,
    pub(crate) log: Arc<dyn MetaLog>,
    pub(crate) env: Env,
    /// Bodies up to this length travel inline.
    pub(crate) inline_len_max: usize,
    /// Memory that uploads share.
    pub(crate) upload_memory: Arc<UploadMemory>,
    /// Downloads that run, which share memory.
    pub(crate) downloads: Downloads,
    /// Bodies that are being read.
    pub(crate) readings: Readings,
    /// Knows how disks and volumes are.
    pub(crate) healer: Healer,
    /// The time of locks.
    pub(crate) lock_clock: Arc<LockClock>,
}

/// Decodes the attributes of a row that was read.
pub(crate) fn attributes<T: bincode::Decode<()>>(value: &Value) -> Result<T> {
    rows::decode(&value.attributes).map_err(|_| damaged_row())
}

impl Coordinator {
    async fn row(&self, key: &[u8]) -> Result<Option<Value>> {
        self.store.get(key).await.map_err(from_engine)
    }

    async fn bucket_row(&self, bucket: &BucketName) -> Result<BucketRow> {
        let value = self.row(&rows::bucket(bucket)).await?.ok_or(StoreError::NoSuchBucket)?;
        attributes(&value)
    }

    async fn incarnation(&self, bucket: &BucketName) -> Result<Incarnation> {
        Ok(self.bucket_row(bucket).await?.incarnation)
    }

    /// Looks the bucket up and names the object in its present life.
    async fn target(&self, bucket: BucketName, key: ObjectKey) -> Result<Target> {
        Ok(self.target_and_rules(bucket, key).await?.0)
    }

    async fn target_and_rules(
        &self,
        bucket: BucketName,
        key: ObjectKey,
    ) -> Result<(Target, BucketRules)> {
        let BucketRow { incarnation, fence, rules, .. } = self.bucket_row(&bucket).await?;
        let versioning = rules.versioning;
        Ok((Target { bucket, incarnation, fence, versioning, key }, rules))
    }

    /// Proposes what follows the rules of a bucket, again when they changed meanwhile (B1). Returns
    /// the rules that it followed in the end, too.
    async fn propose_fenced(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        body: Bytes,
        command: impl Fn(Target, BucketRules) -> Result<Command> + Send,
    ) -> Result<(Success, BucketRules)> {
        for _ in 0..STALE_COUNT_MAX {
            let (target, rules) = self.target_and_rules(bucket.clone(), key.clone()).await?;
            match self.log.propose(command(target, rules)?, body.clone()).await {
                Err(LogError::Refused(Refusal::Stale)) => mark::hit(Mark::RulesChanged),
                outcome => return Ok((outcome.map_err(from_log)?, rules)),
            }
        }
        Err(StoreError::Unavailable("the configuration of the bucket changes all the time".into()))
    }

    /// What protects a new version: what its writer says, else what the bucket says.
    fn lock_for(&self, asked: Lock, rules: &BucketRules) -> Result<Lock> {
        if asked != Lock::default() && !rules.has_lock {
            return Err(StoreError::BucketConflict);
        }
        Ok(Lock { retention: asked.retention.or_else(|| self.retention(rules)), ..asked })
    }

    /// How long a version that is written now is kept, unless its writer says so.
    fn retention(&self, rules: &BucketRules) -> Option<Retention> {
        let default = rules.retention.filter(|_| rules.has_lock)?;
        Some(default.starting(self.lock_clock.beginning()))
    }

    async fn object_row(&self, target: &Target) -> Result<Option<ObjectRow>> {
        let key = rows::object(target.incarnation, &target.key);
        self.row(&key).await?.as_ref().map(attributes).transpose()
    }

    /// The row of a version, and what lies there. While it is looked for, what was current may go,
    /// and the version may take its place: then it is looked for again.
    async fn version_row(&self, target: &Target, version: Option<VersionId>) -> Result<VersionRow> {
        let key = rows::object(target.incarnation, &target.key);
        let absent = || match version {
            None => StoreError::NoSuchKey,
            Some(_) => StoreError::NoSuchVersion,
        };
        let mut before = None;
        for _ in 0..MOVED_COUNT_MAX {
            let current = self.found_row(key.clone()).await?.ok_or_else(absent)?;
            let now = Some((current.object.version, current.object.order));
            if before.is_some() && before != now {
                mark::hit(Mark::VersionMoved);
            }
            let order = match version {
                None => return current.visible(version, target),
                Some(id) if current.object.version == id => {
                    return current.visible(version, target);
                }
                Some(VersionId::Null) => current.object.older.null,
                Some(VersionId::Id(id)) => Some((id >> 64) as u64),
            };
            let order = order.ok_or_else(absent)?;
            let older = rows::older_version(target.incarnation, &target.key, order);
            let found = self.found_row(older).await?;
            if let Some(found) = found.filter(|it| Some(it.object.version) == version) {
                return found.visible(version, target);
            }
            if before == now {
                return Err(absent());
            }
            before = now;
        }
        Err(StoreError::Unavailable("the versions of the key change all the time".into()))
    }

    async fn found_row(&self, row: Bytes) -> Result<Option<VersionRow>> {
        let Some(value) = self.row(&row).await? else {
            return Ok(None);
        };
        Ok(Some(VersionRow { row, write_id: value.write_id, object: attributes(&value)? }))
    }

    fn now(&self) -> u64 {
        self.env.clock.unix_nanos()
    }

    fn random_id(&self) -> u128 {
        random_u128(&*self.env.rng)
    }

    async fn propose(&self, command: Command, body: Bytes) -> Result<Success> {
        self.log.propose(command, body).await.map_err(from_log)
    }

    async fn linearize(&self) -> Result<()> {
        self.log.linearize().await.map_err(from_log)
    }

    async fn health(&self) -> Result<StoreStatus> {
        self.healer.status().await.map_err(from_engine)
    }
}

/// A version as it was found.
struct VersionRow {
    row: Bytes,
    /// The write that made it.
    write_id: u128,
    object: ObjectRow,
}

impl VersionRow {
    /// The version, when it has bytes.
    fn visible(self, named: Option<VersionId>, target: &Target) -> Result<Self> {
        let object = &self.object;
        if !object.is_marker {
            return Ok(self);
        }
        let (version, modified) = (object.shown_version(target.versioning), object.modified);
        Err(StoreError::DeleteMarker { version, modified, is_named: named.is_some() })
    }
}

impl ObjectStore for Coordinator {
    fn create_bucket(&self, request: CreateBucketRequest) -> Reply<'_, ()> {
        Box::pin(self.bucket_create(request))
    }

    fn delete_bucket(&self, bucket: BucketName) -> Reply<'_, ()> {
        Box::pin(self.bucket_delete(bucket))
    }

    fn head_bucket(&self, bucket: BucketName) -> Reply<'_, BucketState> {
        Box::pin(self.bucket_head(bucket))
    }

    fn configure_bucket(&self, bucket: BucketName, change: BucketChange) -> Reply<'_, ()> {
        Box::pin(self.bucket_configure(bucket, change))
    }

    fn list_buckets(&self) -> Reply<'_, Vec<BucketInfo>> {
        Box::pin(self.bucket_list())
    }

    fn put(&self, request: PutRequest, body: Body) -> Reply<'_, PutOutcome> {
        Box::pin(self.object_put(request, body, None))
    }

    fn append(&self, request: AppendRequest, body: Body) -> Reply<'_, PutOutcome> {
        Box::pin(self.object_append(request, body))
    }

    fn get(&self, address: Address) -> Reply<'_, Box<dyn ObjectReader>> {
        Box::pin(self.object_get(address))
    }

    fn head(&self, address: Address) -> Reply<'_, ObjectInfo> {
        Box::pin(self.object_head(address))
    }

    fn delete(&self, request: DeleteRequest) -> Reply<'_, DeleteOutcome> {
        Box::pin(self.object_delete(request))
    }

    fn amend(&self, request: AmendRequest) -> Reply<'_, ObjectInfo> {
        Box::pin(self.object_amend(request))
    }

    fn list(&self, request: ListRequest) -> Reply<'_, ListPage> {
        Box::pin(self.object_list(request))
    }

    fn list_versions(&self, request: VersionListRequest) -> Reply<'_, VersionPage> {
        Box::pin(self.version_list(request))
    }

    fn create_upload(&self, request: CreateUploadRequest) -> Reply<'_, UploadId> {
        Box::pin(self.upload_create(request))
    }

    fn head_upload(
        &self,
        bucket: BucketName,
        key: ObjectKey,
        upload_id: UploadId,
    ) -> Reply<'_, UploadInfo> {
        Box::pin(self.upload_head(bucket, key, upload_id))
    }

    fn put_part(&self, request: PartRequest, body: Body) -> Reply<'_, PartInfo> {
        Box::pin(self.upload_part(request, body))
    }

    fn complete_upload(&self, request: CompleteRequest) -> Reply<'_, PutOutcome> {
        Box::pin(self.upload_complete(request))
    }

    fn abort_upload(
        &self,
        bucket: BucketName,
        key: ObjectKey,
        upload_id: UploadId,
    ) -> Reply<'_, ()> {
        Box::pin(self.upload_abort(bucket, key, upload_id))
    }

    fn list_parts(
        &self,
        bucket: BucketName,
        key: ObjectKey,
        upload_id: UploadId,
        page: PartPage,
    ) -> Reply<'_, (Vec<PartInfo>, bool)> {
        Box::pin(self.upload_parts(bucket, key, upload_id, page))
    }

    fn list_uploads(&self, request: UploadListRequest) -> Reply<'_, UploadPage> {
        Box::pin(self.upload_list(request))
    }

    fn setting(&self, name: String) -> Reply<'_, Setting> {
        Box::pin(self.setting_get(name))
    }

    fn put_setting(&self, name: String, setting: Setting) -> Reply<'_, ()> {
        Box::pin(self.setting_put(name, setting))
    }

    fn status(&self) -> Reply<'_, StoreStatus> {
        Box::pin(self.health())
    }
}
