//! LIST of versions: by key, the newest first.

use super::list::{SCAN_ROWS_MAX, SCAN_ROWS_MIN, common_prefix, is_common_prefix};
use super::{Coordinator, Result, attributes};
use crate::error::{damaged_row, from_engine};
use crate::rows::{self, BucketRow, Incarnation, ObjectRow};
use bytes::Bytes;
use engine::object::{
    ObjectKey, Standing, VersionEntry, VersionId, VersionListRequest, VersionPage,
};

impl Coordinator {
    pub(super) async fn version_list(&self, request: VersionListRequest) -> Result<VersionPage> {
        self.linearize().await?;
        let BucketRow { incarnation, rules, .. } = self.bucket_row(&request.bucket).await?;
        let mut page = VersionPage::default();
        if request.limit == 0 {
            return Ok(page);
        }
        let mut start = self.first_version_row(incarnation, &request).await?;
        let end = rows::objects_end(incarnation, request.prefix.as_bytes());
        let mut count = SCAN_ROWS_MIN * 4;
        loop {
            let scan = self.store.scan(&start, &end, count).await.map_err(from_engine)?;
            let mut skip = Bytes::new();
            for (row, value) in scan.rows {
                if row < skip {
                    continue;
                }
                if page.entries.len() == request.limit {
                    page.is_truncated = true;
                    return Ok(page);
                }
                let (key, _) = rows::parse_object_key(&row).ok_or_else(damaged_row)?;
                let delimiter = request.delimiter.as_deref();
                if let Some(prefix) = common_prefix(key.as_str(), &request.prefix, delimiter) {
                    skip = rows::objects_end(incarnation, prefix.as_bytes());
                    page.entries.push(VersionEntry::Prefix(prefix.to_owned()));
                    continue;
                }
                let standing = match rows::is_current_version(&row) {
                    true => Standing::Current,
                    false => Standing::Noncurrent,
                };
                let object: ObjectRow = attributes(&value)?;
                let info = Box::new(object.info(key, rules.versioning));
                page.entries.push(VersionEntry::Version(info, standing));
            }
            let Some(resume) = scan.resume else {
                return Ok(page);
            };
            let is_seek = skip > resume;
            count = if is_seek { SCAN_ROWS_MIN } else { (count * 2).min(SCAN_ROWS_MAX) };
            start = resume.max(skip);
        }
    }

    async fn first_version_row(
        &self,
        incarnation: Incarnation,
        request: &VersionListRequest,
    ) -> Result<Bytes> {
        let first = rows::objects_from(incarnation, request.prefix.as_bytes());
        let Some((after, version)) = &request.after else {
            return Ok(first);
        };
        let after = match version {
            Some(version) => self.rows_after(incarnation, after, *version).await?,
            None if is_common_prefix(after, &request.prefix, request.delimiter.as_deref()) => {
                rows::objects_end(incarnation, after.as_bytes())
            }
            None => rows::objects_after(incarnation, after.as_bytes()),
        };
        Ok(first.max(after))
    }

    /// Where the rows after a version begin. One that is not there any more is taken for the
    /// current one: then versions are listed twice rather than never.
    async fn rows_after(
        &self,
        incarnation: Incarnation,
        key: &str,
        version: VersionId,
    ) -> Result<Bytes> {
        let Ok(key) = ObjectKey::new(key) else {
            return Ok(rows::objects_from(incarnation, key.as_bytes()));
        };
        let order = match version {
            VersionId::Id(id) => (id >> 64) as u64,
            VersionId::Null => {
                let current = self.row(&rows::object(incarnation, &key)).await?;
                let current: Option<ObjectRow> = current.as_ref().map(attributes).transpose()?;
                match current {
                    Some(object) if object.version == VersionId::Null => u64::MAX - 1,
                    Some(object) => object.older.null.unwrap_or(u64::MAX - 1),
                    None => u64::MAX - 1,
                }
            }
        };
        Ok(rows::versions_after(incarnation, &key, order))
    }
}
