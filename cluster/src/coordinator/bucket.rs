//! Buckets: created, deleted, looked up, listed.

use super::{Coordinator, Result, attributes};
use crate::error::from_engine;
use crate::meta::command::Command;
use crate::rows::{self, BucketRow, Incarnation};
use bytes::Bytes;
use engine::object::{BucketInfo, BucketName};

/// Rows that one scan of the buckets reads.
const SCAN_ROWS: usize = 1000;

impl Coordinator {
    pub(super) async fn bucket_create(&self, name: BucketName) -> Result<()> {
        let incarnation = Incarnation(self.random_id() as u64);
        let command = Command::CreateBucket { name, incarnation, time: self.now() };
        self.propose(command, Bytes::new()).await.map(|_| ())
    }

    pub(super) async fn bucket_delete(&self, name: BucketName) -> Result<()> {
        self.propose(Command::DeleteBucket { name }, Bytes::new()).await.map(|_| ())
    }

    pub(super) async fn bucket_head(&self, name: BucketName) -> Result<BucketInfo> {
        self.linearize().await?;
        let BucketRow { created, .. } = self.bucket_row(&name).await?;
        Ok(BucketInfo { name, created })
    }

    pub(super) async fn bucket_list(&self) -> Result<Vec<BucketInfo>> {
        self.linearize().await?;
        let (mut start, end) = rows::all_buckets();
        let mut buckets = Vec::new();
        loop {
            let page = self.store.scan(&start, &end, SCAN_ROWS).await.map_err(from_engine)?;
            for (key, value) in page.rows {
                let name = rows::bucket_name(&key).ok_or_else(crate::error::damaged_row)?;
                let BucketRow { created, .. } = attributes(&value)?;
                buckets.push(BucketInfo { name, created });
            }
            match page.resume {
                Some(resume) => start = resume,
                None => return Ok(buckets),
            }
        }
    }
}
