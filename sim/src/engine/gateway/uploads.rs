//! Uploads through S3.

use super::wire::Outgoing;
use super::{Gateway, seals, unreadable};
use crate::http::connection::whole_body;
use crate::http::sign::sha256_hex;
use crate::http::xml;
use engine::object::{
    Body, BucketName, CompleteRequest, CreateUploadRequest, ETag, ObjectAttributes, ObjectKey,
    PartInfo, PartPage, PartRequest, PutOutcome, StoreError, UploadId, UploadInfo,
    UploadListRequest, UploadPage,
};
use http::Method;

impl Gateway {
    pub(super) async fn begin_upload(
        &self,
        request: CreateUploadRequest,
    ) -> Result<UploadId, StoreError> {
        let CreateUploadRequest { bucket, key, .. } = request;
        let begin = Outgoing::new(Method::POST, bucket.as_str(), Some(key.as_str()));
        let begin = self.sealed(begin.query("uploads", ""), &key).await?;
        let answer = self.send(begin).await?;
        let id = xml::text(answer.text(), "UploadId").unwrap_or_default();
        UploadId::parse(&id).map_err(|error| unreadable(&error))
    }

    pub(super) async fn upload(
        &self,
        bucket: BucketName,
        key: ObjectKey,
        upload_id: UploadId,
    ) -> Result<UploadInfo, StoreError> {
        let page = PartPage { after: 0, limit: 1 };
        self.parts((bucket, key.clone(), upload_id), page).await?;
        let attributes = ObjectAttributes::default();
        Ok(UploadInfo { key, upload_id, created: 0, checksum: None, attributes })
    }

    pub(super) async fn upload_part(
        &self,
        request: PartRequest,
        body: Body,
    ) -> Result<PartInfo, StoreError> {
        let PartRequest { bucket, key, upload_id, number, len } = request;
        let put = Outgoing::new(Method::PUT, bucket.as_str(), Some(key.as_str()));
        let put = put.query("partNumber", number).query("uploadId", upload_id);
        let put = seals::opened(put, self.way(&key), &key);
        let gathered = self.gather(&key, body).await;
        let (size, sent) = (gathered.len(), gathered.number.clone());
        self.tags.send_part((upload_id, number), &sent);
        let answer = self.send_gathered(put, gathered, len).await?;
        let etag = self.told(&key, &sent, &answer.headers)?.0;
        Ok(PartInfo { number, size, stored_len: size, etag, modified: 0, checksum: None })
    }

    pub(super) async fn complete(
        &self,
        request: CompleteRequest,
    ) -> Result<PutOutcome, StoreError> {
        let etags: Vec<ETag> = request.parts.iter().map(|part| part.etag.clone()).collect();
        if etags.iter().any(|etag| self.tags.is_unsure(&etag.0)) {
            let place = (request.bucket.clone(), request.key.clone(), request.upload_id);
            self.parts(place, PartPage { after: 0, limit: 1000 }).await?;
        }
        if etags.iter().any(|etag| self.tags.is_unsure(&etag.0)) {
            return Err(StoreError::Busy("the tag of a part is not known"));
        }
        self.tags.learn_parts(&request.etag, &etags);
        let mut document = "<CompleteMultipartUpload>".to_owned();
        for part in &request.parts {
            let tag = self.tags.tag_of(&part.etag.0);
            document += &format!(
                "<Part><PartNumber>{}</PartNumber><ETag>\"{tag}\"</ETag></Part>",
                part.number
            );
        }
        document += "</CompleteMultipartUpload>";
        let hash = sha256_hex(document.as_bytes());
        let len = document.len() as u64;
        let complete =
            Outgoing::new(Method::POST, request.bucket.as_str(), Some(request.key.as_str()));
        let complete = complete.query("uploadId", request.upload_id);
        let place = (&request.bucket, &request.key);
        let complete = self.bind(complete, place, &request.condition).await?;
        let complete = complete.body(whole_body(document.into()), len, hash);
        let answer = self.send(complete).await?;
        // The answer may begin before it is known what comes of it.
        if answer.text().contains("<Error>") {
            return Err(answer.error());
        }
        let tag = xml::text(answer.text(), "ETag").unwrap_or_default();
        let (etag, _) = self.tags.number_of(&tag);
        // S3 does not say how long it is; whoever reads it sees.
        let size = self.tags.size_of(&etag.0).unwrap_or_default();
        Ok(PutOutcome {
            etag,
            checksum: None,
            size,
            modified: 0,
            version: super::versions::told(&answer.headers),
        })
    }

    pub(super) async fn parts(
        &self,
        (bucket, key, upload_id): (BucketName, ObjectKey, UploadId),
        page: PartPage,
    ) -> Result<(Vec<PartInfo>, bool), StoreError> {
        let list = Outgoing::new(Method::GET, bucket.as_str(), Some(key.as_str()));
        let list = list.query("uploadId", upload_id).query("max-parts", page.limit.min(1000));
        let answer = self.send(list.query("part-number-marker", page.after)).await?;
        let mut parts = Vec::new();
        for part in xml::elements(answer.text(), "Part") {
            let text = |name| xml::text(part, name).unwrap_or_default();
            let number = text("PartNumber").parse().map_err(|error| unreadable(&error))?;
            let size = text("Size").parse().map_err(|error| unreadable(&error))?;
            self.look_up_part((&key, upload_id), (number, size), &text("ETag"))?;
            let etag = self.tags.number_of(&text("ETag")).0;
            parts.push(PartInfo {
                number,
                size,
                stored_len: size,
                etag,
                modified: 0,
                checksum: None,
            });
        }
        let is_truncated = xml::text(answer.text(), "IsTruncated").as_deref() == Some("true");
        Ok((parts, is_truncated))
    }

    pub(super) async fn uploads(
        &self,
        request: UploadListRequest,
    ) -> Result<UploadPage, StoreError> {
        let list = Outgoing::new(Method::GET, request.bucket.as_str(), None);
        let list = list.query("uploads", "").query("max-uploads", request.limit.min(1000));
        let answer = self.send(list).await?;
        let mut uploads = Vec::new();
        for upload in xml::elements(answer.text(), "Upload") {
            let text = |name| xml::text(upload, name).unwrap_or_default();
            let key = ObjectKey::new(text("Key")).map_err(|error| unreadable(&error))?;
            let upload_id =
                UploadId::parse(&text("UploadId")).map_err(|error| unreadable(&error))?;
            uploads.push(UploadInfo {
                key,
                upload_id,
                created: 0,
                checksum: None,
                attributes: ObjectAttributes::default(),
            });
        }
        Ok(UploadPage { uploads, ..UploadPage::default() })
    }
}
