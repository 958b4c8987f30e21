//! Multipart uploads: begun, filled part by part, completed or dropped, listed.

use super::body::BodyOwner;
use super::put::outcome;
use super::{Coordinator, Result, attributes};
use crate::error::{damaged_row, from_engine};
use crate::meta::command::{Command, Success};
use crate::rows::{self, PartRow, UploadRow};
use bytes::Bytes;
use engine::object::{
    Body, BucketName, CompleteRequest, CreateUploadRequest, ObjectKey, PartInfo, PartPage,
    PartRequest, PutOutcome, StoreError, UploadId, UploadInfo, UploadListRequest, UploadPage,
};

/// Rows that one scan of parts reads at most.
const SCAN_ROWS: usize = 1000;

impl Coordinator {
    pub(super) async fn upload_create(&self, request: CreateUploadRequest) -> Result<UploadId> {
        let CreateUploadRequest { bucket, key, attributes, checksum } = request;
        let target = self.target(bucket, key).await?;
        let upload_id = UploadId(self.random_id());
        let time = self.now();
        let command = Command::CreateUpload { target, upload_id, time, attributes, checksum };
        self.propose(command, Bytes::new()).await?;
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
        let time = self.now();
        let body = taken.committed.clone();
        let command = Command::PutPart { target, upload_id, number, time, body };
        match self.propose(command, taken.inline.clone()).await? {
            Success::Part(part) => Ok(part.info(number)),
            Success::Done | Success::Object(_) => {
                Err(StoreError::Unavailable("apply gave another command's answer".into()))
            }
        }
    }

    pub(super) async fn upload_complete(&self, request: CompleteRequest) -> Result<PutOutcome> {
        let CompleteRequest {
            bucket,
            key,
            upload_id,
            parts,
            etag,
            checksum,
            condition,
            part_size_min,
        } = request;
        let target = self.target(bucket, key).await?;
        let time = self.now();
        let command = Command::Complete {
            target,
            upload_id,
            time,
            condition,
            parts,
            etag,
            checksum,
            part_size_min,
        };
        outcome(self.propose(command, Bytes::new()).await?)
    }

    pub(super) async fn upload_abort(
        &self,
        bucket: BucketName,
        key: ObjectKey,
        upload_id: UploadId,
    ) -> Result<()> {
        let target = self.target(bucket, key).await?;
        self.propose(Command::Abort { target, upload_id }, Bytes::new()).await.map(|_| ())
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
