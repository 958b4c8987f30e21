//! Buckets: created, deleted, looked up, listed.

use super::{Coordinator, Result, attributes};
use crate::error::from_engine;
use crate::meta::command::Command;
use crate::rows::{self, BucketRow, Incarnation};
use bytes::Bytes;
use engine::object::{
    BucketChange, BucketInfo, BucketName, BucketState, CreateBucketRequest, Setting,
};

/// Rows that one scan of the buckets reads.
const SCAN_ROWS: usize = 1000;

impl Coordinator {
    pub(super) async fn bucket_create(&self, request: CreateBucketRequest) -> Result<()> {
        let CreateBucketRequest { bucket: name, owner, rules, documents } = request;
        let incarnation = Incarnation(self.random_id() as u64);
        let time = self.now();
        if rules.has_lock {
            self.note_lock_clock().await?;
        }
        let command = Command::CreateBucket { name, incarnation, time, owner, rules, documents };
        self.propose(command, Bytes::new()).await.map(|_| ())
    }

    pub(super) async fn bucket_configure(
        &self,
        name: BucketName,
        change: BucketChange,
    ) -> Result<()> {
        if matches!(change, BucketChange::Lock(_)) {
            self.note_lock_clock().await?;
        }
        let command = Command::ConfigureBucket { name, change };
        self.propose(command, Bytes::new()).await.map(|_| ())
    }

    pub(super) async fn setting_get(&self, name: String) -> Result<Setting> {
        self.linearize().await?;
        let row = self.row(&rows::setting(&name)).await?;
        Ok(row.as_ref().map(attributes).transpose()?.unwrap_or_default())
    }

    pub(super) async fn setting_put(&self, name: String, setting: Setting) -> Result<()> {
        self.propose(Command::PutSetting { name, setting }, Bytes::new()).await.map(|_| ())
    }

    /// Whoever may lock something has a time for it that outlives this process.
    async fn note_lock_clock(&self) -> Result<()> {
        let time = self.lock_clock.counted();
        self.propose(Command::LockClock { time }, Bytes::new()).await.map(|_| ())
    }

    pub(super) async fn bucket_delete(&self, name: BucketName) -> Result<()> {
        self.propose(Command::DeleteBucket { name }, Bytes::new()).await.map(|_| ())
    }

    pub(super) async fn bucket_head(&self, name: BucketName) -> Result<BucketState> {
        self.linearize().await?;
        Ok(self.bucket_row(&name).await?.state(name))
    }

    pub(super) async fn bucket_list(&self) -> Result<Vec<BucketInfo>> {
        self.linearize().await?;
        let (mut start, end) = rows::all_buckets();
        let mut buckets = Vec::new();
        loop {
            let page = self.store.scan(&start, &end, SCAN_ROWS).await.map_err(from_engine)?;
            for (key, value) in page.rows {
                let name = rows::bucket_name(&key).ok_or_else(crate::error::damaged_row)?;
                let row: BucketRow = attributes(&value)?;
                buckets.push(row.info(name));
            }
            match page.resume {
                Some(resume) => start = resume,
                None => return Ok(buckets),
            }
        }
    }
}
