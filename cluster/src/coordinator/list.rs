//! LIST: keys in order, common prefixes rolled up. A common prefix costs one seek, however many
//! keys lie below it.

use super::{Coordinator, Result, attributes};
use crate::error::{damaged_row, from_engine};
use crate::rows::{self, BucketRow, Incarnation, ObjectRow, UploadRow};
use bytes::Bytes;
use engine::object::{ListEntry, ListPage, ListRequest, UploadId, UploadListRequest, UploadPage};

/// Rows that a scan reads at most.
pub(super) const SCAN_ROWS_MAX: usize = 1000;

/// Rows that a scan behind a common prefix reads at first.
pub(super) const SCAN_ROWS_MIN: usize = 16;

/// The common prefix of a key, delimiter included, if it has one.
pub(super) fn common_prefix<'a>(
    key: &'a str,
    prefix: &str,
    delimiter: Option<&str>,
) -> Option<&'a str> {
    let delimiter = delimiter.filter(|delimiter| !delimiter.is_empty())?;
    let position = key.get(prefix.len()..)?.find(delimiter)?;
    key.get(..prefix.len() + position + delimiter.len())
}

/// Whether a marker names a common prefix as such: everything below it counts as seen.
pub(super) fn is_common_prefix(marker: &str, prefix: &str, delimiter: Option<&str>) -> bool {
    marker.starts_with(prefix) && common_prefix(marker, prefix, delimiter) == Some(marker)
}

impl Coordinator {
    pub(super) async fn object_list(&self, request: ListRequest) -> Result<ListPage> {
        self.linearize().await?;
        let BucketRow { incarnation, rules, .. } = self.bucket_row(&request.bucket).await?;
        let mut page = ListPage::default();
        if request.limit == 0 {
            return Ok(page);
        }
        let mut start = first_row(incarnation, &request);
        let end = rows::objects_end(incarnation, request.prefix.as_bytes());
        let mut count = first_count(&request);
        loop {
            let scan = self.store.scan(&start, &end, count).await.map_err(from_engine)?;
            let mut skip = Bytes::new();
            for (row, value) in scan.rows {
                if row < skip {
                    continue;
                }
                let (key, _) = rows::parse_object_key(&row).ok_or_else(damaged_row)?;
                let object: ObjectRow = attributes(&value)?;
                if object.older.may_exist {
                    skip = rows::objects_after(incarnation, key.as_str().as_bytes());
                }
                if object.is_marker || !rows::is_current_version(&row) {
                    continue;
                }
                if page.entries.len() == request.limit {
                    page.is_truncated = true;
                    return Ok(page);
                }
                let delimiter = request.delimiter.as_deref();
                match common_prefix(key.as_str(), &request.prefix, delimiter) {
                    Some(prefix) => {
                        skip = rows::objects_end(incarnation, prefix.as_bytes());
                        page.entries.push(ListEntry::Prefix(prefix.to_owned()));
                    }
                    None => {
                        let info = object.info(key, rules.versioning);
                        page.entries.push(ListEntry::Object(Box::new(info)));
                    }
                }
            }
            let Some(resume) = scan.resume else {
                return Ok(page);
            };
            let is_seek = skip > resume;
            count = if is_seek { SCAN_ROWS_MIN } else { (count * 2).min(SCAN_ROWS_MAX) };
            start = resume.max(skip);
        }
    }

    pub(super) async fn list_uploads_of(
        &self,
        incarnation: Incarnation,
        request: UploadListRequest,
    ) -> Result<UploadPage> {
        let mut page = UploadPage::default();
        if request.limit == 0 {
            return Ok(page);
        }
        let delimiter = request.delimiter.as_deref();
        let mut start = first_upload_row(incarnation, &request);
        let end = rows::uploads_end(incarnation, request.prefix.as_bytes());
        loop {
            let scan = self.store.scan(&start, &end, SCAN_ROWS_MAX).await.map_err(from_engine)?;
            let mut skip = Bytes::new();
            for (row, value) in scan.rows {
                if row < skip {
                    continue;
                }
                if page.uploads.len() + page.prefixes.len() == request.limit {
                    page.is_truncated = true;
                    return Ok(page);
                }
                let (key, tail) = rows::parse_object_key(&row).ok_or_else(damaged_row)?;
                if let Some(prefix) = common_prefix(key.as_str(), &request.prefix, delimiter) {
                    skip = rows::uploads_end(incarnation, prefix.as_bytes());
                    page.prefixes.push(prefix.to_owned());
                    page.next = Some((prefix.to_owned(), None));
                    continue;
                }
                let id = tail.try_into().map(u128::from_be_bytes).map_err(|_| damaged_row())?;
                let upload: UploadRow = attributes(&value)?;
                page.next = Some((key.as_str().to_owned(), Some(UploadId(id))));
                page.uploads.push(upload.info(key, UploadId(id)));
            }
            match scan.resume {
                Some(resume) => start = resume.max(skip),
                None => return Ok(page),
            }
        }
    }
}

fn first_row(incarnation: Incarnation, request: &ListRequest) -> Bytes {
    let first = rows::objects_from(incarnation, request.prefix.as_bytes());
    let Some(after) = &request.after else {
        return first;
    };
    let after = match is_common_prefix(after, &request.prefix, request.delimiter.as_deref()) {
        true => rows::objects_end(incarnation, after.as_bytes()),
        false => rows::objects_after(incarnation, after.as_bytes()),
    };
    first.max(after)
}

fn first_count(request: &ListRequest) -> usize {
    match request.delimiter {
        Some(_) => SCAN_ROWS_MIN * 4,
        None => (request.limit + 1).min(SCAN_ROWS_MAX),
    }
}

fn first_upload_row(incarnation: Incarnation, request: &UploadListRequest) -> Bytes {
    let first = rows::uploads_from(incarnation, request.prefix.as_bytes());
    let Some((key, upload_id)) = &request.after else {
        return first;
    };
    let is_prefix =
        upload_id.is_none() && is_common_prefix(key, &request.prefix, request.delimiter.as_deref());
    let after = match is_prefix {
        true => rows::uploads_end(incarnation, key.as_bytes()),
        false => rows::uploads_after(incarnation, key.as_bytes(), *upload_id),
    };
    first.max(after)
}
