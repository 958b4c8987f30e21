//! Versions and locks, as S3 has them.

use super::wire::{Outgoing, header};
use super::{Gateway, shown, unreadable};
use crate::http::xml;
use engine::object::{
    Address, AmendRequest, Amendment, BucketName, DeleteOutcome, DeleteRequest, LegalHold,
    ObjectAttributes, ObjectInfo, ObjectKey, Standing, StoreError, VersionEntry, VersionId,
    VersionListRequest, VersionPage,
};
use http::{HeaderMap, Method};

/// A request for a version.
pub(super) fn of(request: Outgoing<'_>, version: Option<VersionId>) -> Outgoing<'_> {
    match version {
        Some(version) => request.query("versionId", version),
        None => request,
    }
}

/// The version that an answer tells.
pub(super) fn told(headers: &HeaderMap) -> Option<VersionId> {
    VersionId::parse(header(headers, "x-amz-version-id")).ok()
}

impl Gateway {
    pub(super) async fn delete_object(
        &self,
        request: DeleteRequest,
    ) -> Result<DeleteOutcome, StoreError> {
        let address = request.address;
        let key = Some(address.key.as_str());
        let delete = Outgoing::new(Method::DELETE, address.bucket.as_str(), key);
        let delete = of(delete, address.version);
        let place = (&address.bucket, &address.key);
        let delete = self.bind(delete, place, &request.condition).await?;
        let answer = self.send(delete).await?;
        let is_marker = header(&answer.headers, "x-amz-delete-marker") == "true";
        Ok(DeleteOutcome { version: told(&answer.headers), is_marker })
    }

    /// Sets the legal hold, which is all that sequences amend.
    pub(super) async fn amend_object(
        &self,
        request: AmendRequest,
    ) -> Result<ObjectInfo, StoreError> {
        let Amendment::Hold(hold) = request.amendment else {
            return self.inner.amend(request).await;
        };
        let status = if hold == LegalHold::On { "ON" } else { "OFF" };
        let document = format!("<LegalHold><Status>{status}</Status></LegalHold>");
        let address = request.address;
        let put = Outgoing::new(Method::PUT, address.bucket.as_str(), Some(address.key.as_str()));
        let put = of(put.query("legal-hold", ""), address.version);
        self.send(put.document(document)).await?;
        let none = (engine::object::ETag(String::new()), 0);
        Ok(shown(address.key, 0, none, ObjectAttributes::default()))
    }

    pub(super) async fn versions(
        &self,
        request: VersionListRequest,
    ) -> Result<VersionPage, StoreError> {
        let mut list = Outgoing::new(Method::GET, request.bucket.as_str(), None);
        list = list.query("versions", "").query("max-keys", request.limit);
        if let Some((key, version)) = request.after {
            list = list.query("key-marker", key);
            if let Some(version) = version {
                list = list.query("version-id-marker", version);
            }
        }
        let answer = self.send(list).await?;
        let mut elements = Vec::new();
        for (element, is_marker) in [("Version", false), ("DeleteMarker", true)] {
            let found = xml::elements(answer.text(), element);
            elements.extend(found.into_iter().map(|content| (content, is_marker)));
        }
        // In the order of the document.
        elements.sort_by_key(|(content, _)| content.as_ptr());
        let mut entries = Vec::new();
        for (content, is_marker) in elements {
            entries.push(self.listed_version(&request.bucket, content, is_marker).await?);
        }
        let is_truncated = xml::text(answer.text(), "IsTruncated").as_deref() == Some("true");
        Ok(VersionPage { entries, is_truncated })
    }

    async fn listed_version(
        &self,
        bucket: &BucketName,
        content: &str,
        is_marker: bool,
    ) -> Result<VersionEntry, StoreError> {
        let text = |name| xml::text(content, name).unwrap_or_default();
        let key = ObjectKey::new(text("Key")).map_err(|error| unreadable(&error))?;
        let id = VersionId::parse(&text("VersionId")).map_err(|error| unreadable(&error))?;
        let size = text("Size").parse().unwrap_or_default();
        let address = Address { bucket: bucket.clone(), key: key.clone(), version: Some(id) };
        self.look_up(&address, &text("ETag")).await?;
        let tag = self.tags.number_of(&text("ETag"));
        let info = shown(key, size, tag, ObjectAttributes::default());
        let standing = match text("IsLatest") == "true" {
            true => Standing::Current,
            false => Standing::Noncurrent,
        };
        let info = ObjectInfo { version: Some(id), is_marker, ..info };
        Ok(VersionEntry::Version(Box::new(info), standing))
    }
}
