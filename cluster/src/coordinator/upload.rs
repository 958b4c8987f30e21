//! Multipart uploads: begun, filled part by part, completed or dropped, listed.

use super::body::BodyOwner;
use super::put::{another_answer, outcome};
use super::{Coordinator, Result, attributes};
use crate::error::{damaged_row, from_engine};
use crate::meta::command::{Command, Success, Target};
use crate::rows::{self, Incarnation, PartRow, UploadRow};
use bytes::Bytes;
use engine::mutant::{self, Mutant};
use engine::object::{
    Body, BucketName, BucketRules, CompleteRequest, CreateUploadRequest, ObjectKey, PartInfo,
    PartPage, PartRequest, PutOutcome, StoreError, UploadId, UploadInfo, UploadListRequest,
    UploadPage,
};

/// Rows that one scan of parts reads at most.
const SCAN_ROWS: usize = 1000;

impl Coordinator {
    pub(super) async fn upload_create(&self, request: CreateUploadRequest) -> Result<UploadId> {
        let CreateUploadRequest { bucket, key, attributes, checksum, lock } = request;
        let upload_id = UploadId(self.random_id());
        let time = self.now();
        let command = |target: Target, rules: BucketRules| {
            // The bucket's own retention begins when the object does.
            self.lock_for(lock, &rules)?;
            let attributes = attributes.clone();
            Ok(Command::CreateUpload { target, upload_id, time, attributes, checksum, lock })
        };
        self.propose_fenced(&bucket, &key, Bytes::new(), command).await?;
        Ok(upload_id)
    }

    pub(super) async fn upload_head(
        &self,
        bucket: BucketName,
        key: ObjectKey,
        upload_id: UploadId,
    ) -> Result<UploadInfo> {
        self.linearize().await?;
        let incarnation = self.incarnation(&bucket).await?;
        let row = self.row(&rows::upload(incarnation, &key, upload_id)).await?;
        let upload: UploadRow = attributes(&row.ok_or(StoreError::NoSuchUpload)?)?;
        Ok(upload.info(key, upload_id))
    }

    pub(super) async fn upload_part(&self, request: PartRequest, body: Body) -> Result<PartInfo> {
        let PartRequest { bucket, key, upload_id, number, len } = request;
        self.upload_head(bucket.clone(), key.clone(), upload_id).await?;
        let target = self.target(bucket, key).await?;
        let row = rows::part(target.incarnation, upload_id, number);
        let taken = self.take_body(BodyOwner { target: &target, row, len }, body).await?;
        let (time, incarnation) = (self.now(), target.incarnation);
        let command = |target: Target, _: BucketRules| {
            if target.incarnation != incarnation {
                return Err(StoreError::NoSuchBucket);
            }
            let body = taken.committed.clone();
            Ok(Command::PutPart { target, upload_id, number, time, body })
        };
        let Target { bucket, key, .. } = &target;
        match self.propose_fenced(bucket, key, taken.inline.clone(), command).await? {
            (Success::Part(part), _) => Ok(part.info(number)),
            _ => Err(another_answer()),
        }
    }

    pub(super) async fn upload_complete(&self, request: CompleteRequest) -> Result<PutOutcome> {
        let time = self.now();
        let command = |target: Target, rules: BucketRules| {
            let CompleteRequest { parts, etag, checksum, condition, .. } = request.clone();
            let is_kept = !mutant::is(Mutant::UploadUnkept);
            Ok(Command::Complete {
                target,
                upload_id: request.upload_id,
                time,
                condition,
                parts,
                etag,
                checksum,
                part_size_min: request.part_size_min,
                retention: self.retention(&rules).filter(|_| is_kept),
            })
        };
        let (bucket, key) = (&request.bucket, &request.key);
        let (success, rules) = self.propose_fenced(bucket, key, Bytes::new(), command).await?;
        outcome(success, rules.versioning)
    }

    pub(super) async fn upload_abort(
        &self,
        bucket: BucketName,
        key: ObjectKey,
        upload_id: UploadId,
    ) -> Result<()> {
        let command = |target: Target, _: BucketRules| Ok(Command::Abort { target, upload_id });
        self.propose_fenced(&bucket, &key, Bytes::new(), command).await.map(|_| ())
    }

    pub(super) async fn upload_parts(
        &self,
        bucket: BucketName,
        key: ObjectKey,
        upload_id: UploadId,
        page: PartPage,
    ) -> Result<(Vec<PartInfo>, bool)> {
        self.upload_head(bucket.clone(), key, upload_id).await?;
        let incarnation = self.incarnation(&bucket).await?;
        self.part_page(incarnation, (upload_id, u64::MAX), page).await
    }

    /// One page of the parts of an upload, or of the object that came of it, of which `size` bytes
    /// are asked about: what was appended later does not count.
    pub(super) async fn part_page(
        &self,
        incarnation: Incarnation,
        (upload_id, size): (UploadId, u64),
        page: PartPage,
    ) -> Result<(Vec<PartInfo>, bool)> {
        let first = page.after.saturating_add(1);
        let (mut start, end) = rows::parts_from(incarnation, upload_id, first);
        let mut parts = Vec::new();
        loop {
            let rows = self.store.scan(&start, &end, SCAN_ROWS).await.map_err(from_engine)?;
            for (row, value) in rows.rows {
                if parts.len() == page.limit {
                    return Ok((parts, true));
                }
                let part: PartRow = attributes(&value)?;
                if part.end() > size {
                    return Ok((parts, false));
                }
                parts.push(part.info(rows::part_number(&row).ok_or_else(damaged_row)?));
            }
            match rows.resume {
                Some(resume) => start = resume,
                None => return Ok((parts, false)),
            }
        }
    }

    pub(super) async fn upload_list(&self, request: UploadListRequest) -> Result<UploadPage> {
        self.linearize().await?;
        let incarnation = self.incarnation(&request.bucket).await?;
        self.list_uploads_of(incarnation, request).await
    }
}
