//! What is to be found out once the store has started: what the last life left open, and whether
//! the index is what it was.

use super::client::{bucket_name, key_name};
use super::model::Existence;
use super::run::{End, Run};
use crate::disk::PowerLoss;
use cluster::Node;
use engine::object::StoreError;
use std::time::Duration;

/// Looks whether a store that just started takes writes, at most, and the time between them.
const WRITABLE_LOOKS_MAX: u32 = 30;
const WRITABLE_PAUSE: Duration = Duration::from_secs(1);

/// Looks at the rows until two are alike, at most.
const STILL_LOOKS_MAX: u32 = 20;
const STILL_PAUSE: Duration = Duration::from_millis(20);

impl Run {
    /// Waits until the rows no longer change, not so long that a checkpoint empties the journal;
    /// then the process ends, so that the next one is compared. A store that is never still is
    /// not, nor one that left a request of this life without an answer, or has slow disks, on which
    /// something of the background's may always be under way: it may show at the next start.
    pub(super) async fn replay(&mut self, node: &Node, loss: Option<PowerLoss>) -> Option<End> {
        let is_open = self.counts.unanswered > self.unanswered_before;
        if is_open || self.profile.is_slow() || !self.nemesis.bad.is_empty() {
            return None;
        }
        let mut before = None;
        for _ in 0..STILL_LOOKS_MAX {
            let rows = node.digest_rows().await.ok()?;
            if before == Some(rows) {
                (self.rows_before, self.loss) = (before, loss);
                return Some(End::Stopped);
            }
            before = Some(rows);
            tokio::time::sleep(STILL_PAUSE).await;
        }
        None
    }

    /// K12: the index that a start recovers is the one that there was.
    pub(super) async fn check_replay(&mut self, node: &Node) -> Result<(), String> {
        let Some(before) = self.rows_before.take().filter(|_| !self.tolerance().is_undecided)
        else {
            return Ok(());
        };
        match node.digest_rows().await {
            Ok(after) if after == before => Ok(()),
            Err(StoreError::Busy(_)) => Ok(()),
            Ok(_) => Err("K12: a start found other rows than there were".to_owned()),
            Err(error) => Err(format!("K12: the rows cannot be read: {error}")),
        }
    }

    /// After a start that was cut off a disk may lack the newest roster: its copy of the metadata
    /// is filled first. A store that stays closed fails the first write that nothing excuses.
    pub(super) async fn await_writable(&self, node: &Node) {
        for _ in 0..WRITABLE_LOOKS_MAX {
            match node.store().status().await {
                Ok(status) if !status.writable => tokio::time::sleep(WRITABLE_PAUSE).await,
                _ => return,
            }
        }
    }

    /// Finds out what the last life left open.
    pub(super) async fn settle(&mut self, node: &Node) -> Result<(), String> {
        if self.tolerance().is_undecided {
            return Ok(());
        }
        let store = self.store(node);
        let unsure = |existence| existence == Existence::Unsure;
        let buckets: Vec<_> = self.model.buckets.iter().map(|it| (*it.0, it.1.existence)).collect();
        for (bucket, _) in buckets.into_iter().filter(|(_, existence)| unsure(*existence)) {
            match store.head_bucket(bucket_name(bucket)).await {
                Ok(_) => self.model.set_bucket(bucket, Existence::Live),
                Err(StoreError::NoSuchBucket) => self.model.set_bucket(bucket, Existence::Gone),
                Err(error) => self.failed("a bucket", &error)?,
            }
        }
        for index in 0..self.model.uploads.len() {
            let upload = &self.model.uploads[index];
            if !unsure(upload.existence) {
                continue;
            }
            let (slot, id) = (upload.slot, upload.id);
            let head = store.head_upload(bucket_name(slot.bucket), key_name(slot.key), id);
            match head.await {
                Ok(_) => self.upload_is_live(index),
                Err(StoreError::NoSuchUpload | StoreError::NoSuchBucket) => {
                    self.model.uploads[index].existence = Existence::Gone;
                }
                Err(error) => self.failed("an upload", &error)?,
            }
        }
        Ok(())
    }

    /// K8: an upload that is still there was never completed.
    fn upload_is_live(&mut self, index: usize) {
        let upload = &mut self.model.uploads[index];
        upload.existence = Existence::Live;
        if let (slot, Some((value, _))) = (upload.slot, &upload.completed) {
            let value = *value;
            self.model.object(slot).rule_out(value);
        }
    }

    fn failed(&self, what: &str, error: &StoreError) -> Result<(), String> {
        let tolerance = self.tolerance();
        if tolerance.reads_fail { Ok(()) } else { Err(format!("K19: {what} is unknown: {error}")) }
    }
}
