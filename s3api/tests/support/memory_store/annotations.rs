//! Annotations of the store in memory.

use super::bucket::{Bucket, Object, check};
use super::{MemoryStore, take};
use bytes::Bytes;
use engine::object::annotation::ANNOTATION_COUNT_MAX;
use engine::object::{
    Address, AnnotateOutcome, AnnotateRequest, AnnotationInfo, AnnotationListRequest,
    AnnotationName, AnnotationPage, AnnotationSource, AnnotationStore, Body, BodyDigest,
    NewAnnotation, OpenAnnotation, PutOutcome, PutRequest, Reply, StoreError, UnannotateRequest,
    UnixNanos, VersionId,
};
use std::collections::BTreeMap;

pub(super) type Annotations = BTreeMap<String, (AnnotationInfo, Bytes)>;

fn annotation(
    new: NewAnnotation,
    (bytes, digest): (Bytes, BodyDigest),
    modified: UnixNanos,
) -> (AnnotationInfo, Bytes) {
    let NewAnnotation { name, note, len } = new;
    let stored_len = bytes.len() as u64;
    assert_eq!(stored_len, len, "the length is the one that was announced");
    let BodyDigest { etag, checksum, plain_len } = digest;
    let size = plain_len.unwrap_or(stored_len);
    (AnnotationInfo { name, size, stored_len, etag, modified, checksum, note }, bytes)
}

impl Bucket {
    /// The version, which is there.
    fn annotated(&mut self, address: &Address) -> Result<&mut Object, StoreError> {
        let version = self.find(address)?.info.version;
        let versions = self.objects.get_mut(address.key.as_str());
        let mut all = versions.into_iter().flatten();
        all.find(|it| it.info.version == version).ok_or(StoreError::NoSuchVersion)
    }
}

impl AnnotationStore for MemoryStore {
    fn put_annotated<'a>(
        &'a self,
        request: PutRequest,
        body: Body,
        annotations: Box<dyn AnnotationSource + 'a>,
    ) -> Reply<'a, PutOutcome> {
        Box::pin(self.put_annotated_now(request, body, annotations))
    }

    fn put_annotation(&self, request: AnnotateRequest, body: Body) -> Reply<'_, AnnotateOutcome> {
        Box::pin(self.annotate_now(request, body))
    }

    fn get_annotation(&self, address: Address, name: AnnotationName) -> Reply<'_, OpenAnnotation> {
        Box::pin(std::future::ready(self.annotation_now(&address, &name)))
    }

    fn list_annotations(&self, request: AnnotationListRequest) -> Reply<'_, AnnotationPage> {
        Box::pin(std::future::ready(self.list_annotations_now(&request)))
    }

    fn delete_annotation(&self, request: UnannotateRequest) -> Reply<'_, Option<VersionId>> {
        Box::pin(std::future::ready(self.unannotate_now(&request)))
    }
}

impl MemoryStore {
    pub(super) async fn put_annotated_now(
        &self,
        request: PutRequest,
        body: Body,
        mut source: Box<dyn AnnotationSource + '_>,
    ) -> Result<PutOutcome, StoreError> {
        let mut annotations = Annotations::new();
        while let Some((new, body)) = source.next().await? {
            let taken = take(body).await?;
            let made = annotation(new, taken, self.now());
            annotations.insert(made.0.name.as_str().to_owned(), made);
        }
        let (bucket, key) = (request.bucket.clone(), request.key.clone());
        let outcome = self.put_now(request, body).await?;
        let address = Address { bucket, key, version: outcome.version };
        self.with(&address.bucket, |bucket| {
            let object = bucket.annotated(&address)?;
            object.info.annotation_count = annotations.len() as u32;
            object.annotations = annotations;
            Ok(outcome)
        })
    }

    pub(super) async fn annotate_now(
        &self,
        request: AnnotateRequest,
        body: Body,
    ) -> Result<AnnotateOutcome, StoreError> {
        let taken = take(body).await?;
        let AnnotateRequest { address, condition, seen, annotation: new } = request;
        let (annotation, bytes) = annotation(new, taken, self.now());
        self.with(&address.bucket, |bucket| {
            check(&condition, Some(bucket.find(&address)?))?;
            let Object { info, annotations, .. } = bucket.annotated(&address)?;
            if info.attributes.system != seen {
                return Err(StoreError::Changed);
            }
            let name = annotation.name.as_str().to_owned();
            let is_new = !annotations.contains_key(&name);
            if is_new && annotations.len() >= ANNOTATION_COUNT_MAX as usize {
                return Err(StoreError::TooManyAnnotations);
            }
            annotations.insert(name, (annotation.clone(), bytes));
            info.annotation_count = annotations.len() as u32;
            Ok(AnnotateOutcome { version: info.version, annotation })
        })
    }

    pub(super) fn annotation_now(
        &self,
        address: &Address,
        name: &AnnotationName,
    ) -> Result<OpenAnnotation, StoreError> {
        self.with(&address.bucket, |bucket| {
            let Object { info, annotations, .. } = bucket.annotated(address)?;
            let object = info.clone();
            let found = annotations.get(name.as_str()).ok_or(StoreError::NoSuchAnnotation)?;
            let (annotation, bytes) = found.clone();
            let bytes = Box::pin(futures_util::stream::iter([Ok(bytes)]));
            Ok(OpenAnnotation { object, annotation, bytes })
        })
    }

    pub(super) fn list_annotations_now(
        &self,
        request: &AnnotationListRequest,
    ) -> Result<AnnotationPage, StoreError> {
        self.with(&request.address.bucket, |bucket| {
            let Object { info, annotations, .. } = bucket.annotated(&request.address)?;
            let object = info.clone();
            let is_meant = |name: &str| {
                let is_after = request.after.as_deref().is_none_or(|after| name > after);
                name.starts_with(&request.prefix) && is_after
            };
            let mut all = annotations.iter().filter(|(name, _)| is_meant(name));
            let annotations: Vec<_> =
                all.by_ref().take(request.limit).map(|(_, (info, _))| info.clone()).collect();
            let is_truncated = all.next().is_some();
            Ok(AnnotationPage { object, annotations, is_truncated })
        })
    }

    pub(super) fn unannotate_now(
        &self,
        request: &UnannotateRequest,
    ) -> Result<Option<VersionId>, StoreError> {
        let now = self.now();
        self.with(&request.address.bucket, |bucket| {
            check(&request.condition, Some(bucket.find(&request.address)?))?;
            let Object { info, annotations, .. } = bucket.annotated(&request.address)?;
            if !info.lock.allows_delete(now, request.bypass) {
                return Err(StoreError::Locked);
            }
            annotations.remove(request.name.as_str());
            info.annotation_count = annotations.len() as u32;
            Ok(info.version)
        })
    }
}
