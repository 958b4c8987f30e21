//! The coordinator: turns requests for objects into bytes in volumes and commands in the log. One
//! file per operation.
//!
//! - C1: a body is durable in its volumes before the command that names it is proposed.
//! - C2: early checks (bucket, conditions, room) only spare work; what counts is decided at apply.
//! - C3: a request holds the volumes that its uncommitted bytes are in, so that reclaim leaves them
//!   alone.

mod body;
mod bucket;
mod budget;
mod delete;
mod get;
mod list;
mod put;
mod upload;

pub(crate) use budget::{Downloads, UploadMemory};

use crate::error::{damaged_row, from_engine};
use crate::meta::MetaLog;
use crate::meta::command::Target;
use crate::reading::Readings;
use crate::rows::{self, BucketRow, Incarnation, ObjectRow};
use bytes::Bytes;
use engine::env::{Env, random_u128};
use engine::format::value::Value;
use engine::heal::Healer;
use engine::meta::MetaStore;
use engine::object::{
    Body, BucketInfo, BucketName, CompleteRequest, CreateUploadRequest, ListPage, ListRequest,
    ObjectInfo, ObjectKey, ObjectReader, ObjectStore, PartInfo, PartPage, PartRequest, PutOutcome,
    PutRequest, Reply, StoreError, StoreStatus, UploadId, UploadInfo, UploadListRequest,
    UploadPage, WriteCondition,
};
use std::sync::Arc;

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
        let incarnation = self.incarnation(&bucket).await?;
        Ok(Target { bucket, incarnation, key })
    }

    async fn object_row(&self, target: &Target) -> Result<Option<(Value, ObjectRow)>> {
        let key = rows::object(target.incarnation, &target.key);
        match self.row(&key).await? {
            Some(value) => {
                let object = attributes(&value)?;
                Ok(Some((value, object)))
            }
            None => Ok(None),
        }
    }

    fn now(&self) -> u64 {
        self.env.clock.unix_nanos()
    }

    fn random_id(&self) -> u128 {
        random_u128(&*self.env.rng)
    }

    async fn propose(
        &self,
        command: crate::meta::command::Command,
        body: Bytes,
    ) -> Result<crate::meta::command::Success> {
        self.log.propose(command, body).await.map_err(crate::error::from_log)
    }

    async fn linearize(&self) -> Result<()> {
        self.log.linearize().await.map_err(crate::error::from_log)
    }

    async fn health(&self) -> Result<StoreStatus> {
        self.healer.status().await.map_err(from_engine)
    }
}

impl ObjectStore for Coordinator {
    fn create_bucket(&self, bucket: BucketName) -> Reply<'_, ()> {
        Box::pin(self.bucket_create(bucket))
    }

    fn delete_bucket(&self, bucket: BucketName) -> Reply<'_, ()> {
        Box::pin(self.bucket_delete(bucket))
    }

    fn head_bucket(&self, bucket: BucketName) -> Reply<'_, BucketInfo> {
        Box::pin(self.bucket_head(bucket))
    }

    fn list_buckets(&self) -> Reply<'_, Vec<BucketInfo>> {
        Box::pin(self.bucket_list())
    }

    fn put(&self, request: PutRequest, body: Body) -> Reply<'_, PutOutcome> {
        Box::pin(self.object_put(request, body))
    }

    fn get(&self, bucket: BucketName, key: ObjectKey) -> Reply<'_, Box<dyn ObjectReader>> {
        Box::pin(self.object_get(bucket, key))
    }

    fn head(&self, bucket: BucketName, key: ObjectKey) -> Reply<'_, ObjectInfo> {
        Box::pin(self.object_head(bucket, key))
    }

    fn delete(
        &self,
        bucket: BucketName,
        key: ObjectKey,
        condition: WriteCondition,
    ) -> Reply<'_, ()> {
        Box::pin(self.object_delete(bucket, key, condition))
    }

    fn list(&self, request: ListRequest) -> Reply<'_, ListPage> {
        Box::pin(self.object_list(request))
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

    fn status(&self) -> Reply<'_, StoreStatus> {
        Box::pin(self.health())
    }
}
