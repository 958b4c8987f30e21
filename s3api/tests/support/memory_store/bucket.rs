//! One bucket of the store in memory: versions, uploads, listings.

use super::annotations::Annotations;
use bytes::{Bytes, BytesMut};
use engine::object::{
    Address, AmendRequest, Amendment, AppendBase, AppendRequest, BodyDigest, BucketChange,
    BucketState, CompleteRequest, DeleteOutcome, DeleteRequest, ETag, Lock, ObjectAttributes,
    ObjectInfo, ObjectKey, PartInfo, PartPlace, PutOutcome, Standing, StoreError, UnixNanos,
    UploadId, UploadInfo, UploadListRequest, UploadPage, VersionEntry, VersionId,
    VersionListRequest, VersionPage, Versioning, WriteCondition,
};
use std::collections::BTreeMap;

#[derive(Clone)]
pub(super) struct Object {
    pub(super) info: ObjectInfo,
    pub(super) bytes: Bytes,
    pub(super) parts: Vec<PartPlace>,
    pub(super) annotations: Annotations,
}

pub(super) struct Upload {
    pub(super) info: UploadInfo,
    pub(super) lock: Lock,
    pub(super) parts: BTreeMap<u16, (PartInfo, Bytes)>,
}

pub(super) struct Bucket {
    pub(super) state: BucketState,
    /// Versions of each key, the newest first; never empty.
    pub(super) objects: BTreeMap<String, Vec<Object>>,
    pub(super) uploads: BTreeMap<(String, UploadId), Upload>,
}

pub(super) fn check(
    condition: &WriteCondition,
    current: Option<&Object>,
) -> Result<(), StoreError> {
    match (condition, current) {
        (WriteCondition::None, _)
        | (WriteCondition::Absent, None)
        | (WriteCondition::Exists, Some(_)) => Ok(()),
        (WriteCondition::Matches(etag), Some(object)) if object.info.etag == *etag => Ok(()),
        (WriteCondition::Matches(_) | WriteCondition::Exists, None) => Err(StoreError::NoSuchKey),
        _ => Err(StoreError::PreconditionFailed),
    }
}

impl Bucket {
    /// The current version of a key, unless it is a delete marker.
    pub(super) fn current(&self, key: &str) -> Option<&Object> {
        self.objects.get(key)?.first().filter(|object| !object.info.is_marker)
    }

    pub(super) fn find(&self, address: &Address) -> Result<&Object, StoreError> {
        let versions = self.objects.get(address.key.as_str()).map_or(&[][..], Vec::as_slice);
        let found = match address.version {
            None => versions.first().ok_or(StoreError::NoSuchKey)?,
            Some(_) => versions
                .iter()
                .find(|object| Some(object.info.version.unwrap_or_default()) == address.version)
                .ok_or(StoreError::NoSuchVersion)?,
        };
        let ObjectInfo { version, modified, is_marker, .. } = found.info;
        if is_marker {
            let is_named = address.version.is_some();
            return Err(StoreError::DeleteMarker { version, modified, is_named });
        }
        Ok(found)
    }

    /// Makes a version the current one.
    pub(super) fn install(&mut self, mut object: Object, id: u128) -> ObjectInfo {
        let versions = self.objects.entry(object.info.key.as_str().to_owned()).or_default();
        object.info.version = match self.state.rules.versioning {
            Versioning::Off => None,
            Versioning::Suspended => Some(VersionId::Null),
            Versioning::Enabled => Some(VersionId::Id(id)),
        };
        let version = object.info.version.unwrap_or_default();
        versions.retain(|older| older.info.version.unwrap_or_default() != version);
        versions.insert(0, object.clone());
        object.info
    }

    pub(super) fn commit(
        &mut self,
        mut info: ObjectInfo,
        (bytes, parts): (Bytes, Vec<PartPlace>),
        (id, now): (u128, UnixNanos),
    ) -> PutOutcome {
        let default = self.state.rules.retention.map(|default| default.starting(now));
        info.lock.retention = info.lock.retention.or(default);
        let info = self.install(Object { info, bytes, parts, annotations: Annotations::new() }, id);
        PutOutcome {
            etag: info.etag,
            checksum: info.checksum,
            size: info.size,
            modified: info.modified,
            version: info.version,
        }
    }

    pub(super) fn append(
        &mut self,
        request: &AppendRequest,
        (bytes, digest): (Bytes, BodyDigest),
        now: UnixNanos,
    ) -> Result<PutOutcome, StoreError> {
        let versions = self.objects.get_mut(request.key.as_str());
        let object = versions.and_then(|versions| versions.first_mut());
        let object = object.filter(|it| !it.info.is_marker).ok_or(StoreError::NoSuchKey)?;
        if matches!(object.info.version, Some(VersionId::Id(_)))
            || self.state.rules.versioning == Versioning::Enabled
        {
            return Err(StoreError::BucketConflict);
        }
        if AppendBase::of(&object.info) != request.base {
            return Err(StoreError::PreconditionFailed);
        }
        let part = |number, info: &ObjectInfo| PartInfo {
            number,
            size: info.size,
            stored_len: info.stored_len,
            etag: info.etag.clone(),
            modified: info.modified,
            checksum: info.checksum.clone(),
        };
        if object.parts.is_empty() {
            let info = part(1, &object.info);
            object.parts.push(PartPlace { info, start: 0, stored_start: 0 });
        }
        if object.parts.last().is_some_and(|last| last.info.number >= request.number) {
            return Err(StoreError::InvalidPart { number: request.number });
        }
        let stored_len = bytes.len() as u64;
        let size = digest.plain_len.unwrap_or(stored_len);
        let info = &mut object.info;
        let appended = ObjectInfo {
            size,
            stored_len,
            etag: digest.etag.clone(),
            checksum: digest.checksum.clone(),
            ..empty_info(info.key.clone(), now)
        };
        let place = PartPlace {
            info: part(request.number, &appended),
            start: info.size,
            stored_start: info.stored_len,
        };
        object.parts.push(place);
        (info.etag, info.checksum) = (request.join)(&digest.etag, digest.checksum.as_ref(), size);
        info.size += size;
        info.stored_len += stored_len;
        info.part_count = object.parts.len() as u32;
        info.modified = now;
        object.bytes = [&object.bytes[..], &bytes].concat().into();
        let ObjectInfo { etag, checksum, size, modified, version, .. } = info.clone();
        Ok(PutOutcome { etag, checksum, size, modified, version })
    }

    pub(super) fn delete(
        &mut self,
        request: &DeleteRequest,
        (id, now): (u128, UnixNanos),
    ) -> Result<DeleteOutcome, StoreError> {
        let (key, versioning) = (&request.address.key, self.state.rules.versioning);
        let Some(version) = request.address.version else {
            check(&request.condition, self.current(key.as_str()))?;
            if versioning == Versioning::Off {
                self.objects.remove(key.as_str());
                return Ok(DeleteOutcome::default());
            }
            let info = ObjectInfo { is_marker: true, ..empty_info(key.clone(), now) };
            let (bytes, parts, annotations) = (Bytes::new(), Vec::new(), Annotations::new());
            let marker = Object { info, bytes, parts, annotations };
            let version = self.install(marker, id).version;
            return Ok(DeleteOutcome { version, is_marker: true });
        };
        let shown = (versioning != Versioning::Off).then_some(version);
        let versions = self.objects.get_mut(key.as_str());
        let is_it = |object: &Object| object.info.version.unwrap_or_default() == version;
        let found = versions.as_ref().and_then(|versions| versions.iter().position(is_it));
        let (Some(versions), Some(index)) = (versions, found) else {
            check(&request.condition, None)?;
            return Ok(DeleteOutcome { version: shown, is_marker: false });
        };
        check(&request.condition, Some(&versions[index]).filter(|it| !it.info.is_marker))?;
        if !versions[index].info.lock.allows_delete(now, request.bypass) {
            return Err(StoreError::Locked);
        }
        let is_marker = versions.remove(index).info.is_marker;
        if versions.is_empty() {
            self.objects.remove(key.as_str());
        }
        Ok(DeleteOutcome { version: shown, is_marker })
    }

    pub(super) fn amend(
        &mut self,
        request: &AmendRequest,
        now: UnixNanos,
    ) -> Result<ObjectInfo, StoreError> {
        let found = self.find(&request.address)?;
        check(&request.condition, Some(found))?;
        let version = found.info.version;
        let versions = self.objects.get_mut(request.address.key.as_str());
        let mut all = versions.into_iter().flatten();
        let found = all.find(|it| it.info.version == version).ok_or(StoreError::NoSuchVersion)?;
        let info = &mut found.info;
        match request.amendment.clone() {
            Amendment::Tags(tags) => info.attributes.tags = tags,
            Amendment::System { name, value } => info.attributes.set_note(&name, value),
            Amendment::Hold(hold) => info.lock.hold = hold,
            Amendment::Retention { retention, bypass } => {
                if !info.lock.allows_retention(retention, now, bypass) {
                    return Err(StoreError::Locked);
                }
                info.lock.retention = retention;
            }
        }
        Ok(info.clone())
    }

    pub(super) fn configure(&mut self, change: BucketChange) -> Result<(), StoreError> {
        let state = &mut self.state;
        state.revision += 1;
        match change {
            BucketChange::Versioning(Versioning::Suspended) if state.rules.has_lock => {
                return Err(StoreError::BucketConflict);
            }
            BucketChange::Versioning(versioning) => state.rules.versioning = versioning,
            BucketChange::Lock(_) if state.rules.versioning != Versioning::Enabled => {
                return Err(StoreError::BucketConflict);
            }
            BucketChange::Lock(retention) => {
                state.rules.has_lock = true;
                state.rules.retention = retention;
            }
            BucketChange::Document { name, text } => {
                state.documents.retain(|(known, _)| *known != name);
                state.documents.extend(text.map(|text| (name, text)));
            }
        }
        Ok(())
    }

    pub(super) fn upload(
        &mut self,
        key: &ObjectKey,
        id: UploadId,
    ) -> Result<&mut Upload, StoreError> {
        self.uploads.get_mut(&(key.as_str().to_owned(), id)).ok_or(StoreError::NoSuchUpload)
    }
}

/// Names in order with their prefixes rolled up, up to a limit: keys, then what they roll up to.
pub(super) fn roll_up<'a, T>(
    names: impl Iterator<Item = (&'a str, T)>,
    request: (&str, Option<&str>, Option<&str>, usize),
) -> (Vec<(String, Option<T>)>, bool) {
    let (prefix, delimiter, after, limit) = request;
    let mut found: Vec<(String, Option<T>)> = Vec::new();
    for (name, value) in names.filter(|(name, _)| name.starts_with(prefix)) {
        let rest = &name[prefix.len()..];
        let common = delimiter
            .and_then(|delimiter| rest.find(delimiter).map(|at| at + delimiter.len()))
            .map(|end| &name[..prefix.len() + end]);
        let listed = common.unwrap_or(name);
        let is_seen = after.is_some_and(|after| match common {
            Some(common) => common <= after && (common == after || name <= after),
            None => name <= after,
        });
        let is_same = common.is_some() && found.last().is_some_and(|(last, _)| last == listed);
        if is_seen || is_same {
            continue;
        }
        if found.len() == limit {
            return (found, limit > 0);
        }
        found.push((listed.to_owned(), common.is_none().then_some(value)));
    }
    (found, false)
}

pub(super) type Joined = (Bytes, Vec<PartPlace>);

pub(super) fn join_parts(upload: &Upload, request: &CompleteRequest) -> Result<Joined, StoreError> {
    let (mut whole, mut parts, mut start) = (BytesMut::new(), Vec::new(), 0);
    for (index, listed) in request.parts.iter().enumerate() {
        let (info, bytes) = upload
            .parts
            .get(&listed.number)
            .filter(|(info, _)| info.etag == listed.etag)
            .ok_or(StoreError::InvalidPart { number: listed.number })?;
        if info.size < request.part_size_min && index + 1 < request.parts.len() {
            return Err(StoreError::PartTooSmall { number: info.number, size: info.size });
        }
        let stored_start = whole.len() as u64;
        parts.push(PartPlace { info: info.clone(), start, stored_start });
        start += info.size;
        whole.extend_from_slice(bytes);
    }
    Ok((whole.freeze(), parts))
}

/// An object of which nothing is known yet.
pub(super) fn empty_info(key: ObjectKey, modified: UnixNanos) -> ObjectInfo {
    ObjectInfo {
        key,
        version: None,
        is_marker: false,
        size: 0,
        stored_len: 0,
        etag: ETag(String::new()),
        modified,
        attributes: ObjectAttributes::default(),
        checksum: None,
        part_count: 0,
        lock: Lock::default(),
        annotation_count: 0,
    }
}

pub(super) fn list_versions(bucket: &Bucket, request: &VersionListRequest) -> VersionPage {
    let mut page = VersionPage::default();
    let is_seen = |key: &str, versions: &[Object], index: usize| match &request.after {
        None => false,
        Some((after, None)) => {
            key <= after.as_str() || (after.ends_with('/') && key.starts_with(after.as_str()))
        }
        Some((after, Some(id))) => {
            let is_it = |object: &Object| object.info.version.unwrap_or_default() == *id;
            let marker = versions.iter().position(is_it);
            key < after.as_str() || (key == after && marker.is_some_and(|marker| index <= marker))
        }
    };
    for (key, versions) in &bucket.objects {
        for (index, object) in versions.iter().enumerate() {
            if !key.starts_with(&request.prefix) || is_seen(key, versions, index) {
                continue;
            }
            let rest = &key[request.prefix.len()..];
            let rolled = request.delimiter.as_deref().and_then(|delimiter| {
                let end = rest.find(delimiter)? + delimiter.len();
                Some(key[..request.prefix.len() + end].to_owned())
            });
            let standing = if index == 0 { Standing::Current } else { Standing::Noncurrent };
            let entry = match rolled {
                Some(prefix) => VersionEntry::Prefix(prefix),
                None => VersionEntry::Version(Box::new(object.info.clone()), standing),
            };
            if page.entries.last() == Some(&entry) {
                continue;
            }
            if page.entries.len() == request.limit {
                page.is_truncated = request.limit > 0;
                return page;
            }
            page.entries.push(entry);
        }
    }
    page
}

pub(super) fn list_uploads(bucket: &Bucket, request: &UploadListRequest) -> UploadPage {
    let (after_key, after_id) = match &request.after {
        None => (None, None),
        Some((key, id)) => (Some(key.as_str()), *id),
    };
    let is_after = |upload: &&Upload| match (after_key, after_id) {
        (Some(key), Some(id)) => {
            upload.info.key.as_str() > key
                || (upload.info.key.as_str() == key && upload.info.upload_id > id)
        }
        (Some(key), None) => upload.info.key.as_str() > key,
        (None, _) => true,
    };
    let names = bucket
        .uploads
        .values()
        .filter(is_after)
        .map(|upload| (upload.info.key.as_str(), upload.info.clone()));
    let filter = (request.prefix.as_str(), request.delimiter.as_deref(), None, request.limit);
    let (found, is_truncated) = roll_up(names, filter);
    let next =
        found.last().map(|(name, info)| (name.clone(), info.as_ref().map(|info| info.upload_id)));
    let mut page = UploadPage { is_truncated, next, ..UploadPage::default() };
    for (name, info) in found {
        match info {
            Some(info) => page.uploads.push(info),
            None => page.prefixes.push(name),
        }
    }
    page
}
