//! Annotations, over HTTP. Their texts are hexadecimal digits of what the model knows: S3 takes
//! nothing but UTF-8.

use super::seals::Way;
use super::wire::Outgoing;
use super::{Gateway, shown, unreadable};
use crate::http::connection::whole_body;
use crate::http::sign::sha256_hex;
use crate::http::xml;
use bytes::Bytes;
use engine::object::{
    Address, AnnotateOutcome, AnnotateRequest, AnnotationInfo, AnnotationListRequest,
    AnnotationName, AnnotationPage, AnnotationSource, AnnotationStore, Body, ETag,
    ObjectAttributes, ObjectInfo, ObjectKey, OpenAnnotation, PutOutcome, PutRequest, Reply,
    StoreError, UnannotateRequest, VersionId,
};
use futures_util::stream;
use http::Method;

impl AnnotationStore for Gateway {
    fn put_annotated<'a>(
        &'a self,
        request: PutRequest,
        body: Body,
        annotations: Box<dyn AnnotationSource + 'a>,
    ) -> Reply<'a, PutOutcome> {
        // S3 has it in copies only, which nobody asks for.
        self.inner.put_annotated(request, body, annotations)
    }

    fn put_annotation(&self, request: AnnotateRequest, body: Body) -> Reply<'_, AnnotateOutcome> {
        Box::pin(self.attach(request, body))
    }

    fn get_annotation(&self, address: Address, name: AnnotationName) -> Reply<'_, OpenAnnotation> {
        Box::pin(self.read_annotation(address, name))
    }

    fn list_annotations(&self, request: AnnotationListRequest) -> Reply<'_, AnnotationPage> {
        Box::pin(self.annotations(request))
    }

    fn delete_annotation(&self, request: UnannotateRequest) -> Reply<'_, Option<VersionId>> {
        Box::pin(self.take_annotation(request))
    }
}

impl Gateway {
    async fn attach(
        &self,
        request: AnnotateRequest,
        body: Body,
    ) -> Result<AnnotateOutcome, StoreError> {
        let AnnotateRequest { address: Address { bucket, key, .. }, condition, annotation, .. } =
            request;
        if self.way(&key) == Way::Customer {
            return Err(StoreError::Busy("what is under a client's key has no annotations"));
        }
        let text = Bytes::from(hex::encode(self.read_out(body).await?));
        self.hide(&key, &text);
        let put = asked(Method::PUT, (bucket.as_str(), &key), Some(&annotation.name));
        let put = self.bind(put, (&bucket, &key), &condition).await?.on_object();
        let (len, hash) = (text.len() as u64, sha256_hex(&text));
        self.send(put.body(whole_body(text), len, hash)).await.map_err(meant)?;
        let info = info_of(annotation.name, annotation.len);
        Ok(AnnotateOutcome { version: None, annotation: info })
    }

    async fn read_annotation(
        &self,
        address: Address,
        name: AnnotationName,
    ) -> Result<OpenAnnotation, StoreError> {
        let Address { bucket, key, .. } = address;
        let get = asked(Method::GET, (bucket.as_str(), &key), Some(&name));
        let answer = self.send(get).await?;
        let bytes = hex::decode(answer.text()).map_err(|error| unreadable(&error))?;
        let info = info_of(name, bytes.len() as u64);
        let bytes = Box::pin(stream::iter([Ok(Bytes::from(bytes))]));
        Ok(OpenAnnotation { object: object_of(key, 0), annotation: info, bytes })
    }

    async fn annotations(
        &self,
        request: AnnotationListRequest,
    ) -> Result<AnnotationPage, StoreError> {
        let Address { bucket, key, .. } = request.address;
        let answer = self.send(asked(Method::GET, (bucket.as_str(), &key), None)).await?;
        let mut annotations = Vec::new();
        for entry in xml::elements(answer.text(), "AnnotationEntry") {
            let name = xml::text(entry, "AnnotationName").unwrap_or_default();
            let name = AnnotationName::new(&name).map_err(|error| unreadable(&error))?;
            let size = xml::text(entry, "Size").unwrap_or_default().parse::<u64>();
            let size = size.map_err(|error| unreadable(&error))?;
            annotations.push(info_of(name, size / 2));
        }
        let object = object_of(key, annotations.len() as u32);
        Ok(AnnotationPage { object, annotations, is_truncated: false })
    }

    async fn take_annotation(
        &self,
        request: UnannotateRequest,
    ) -> Result<Option<VersionId>, StoreError> {
        let UnannotateRequest { address: Address { bucket, key, .. }, condition, name, .. } =
            request;
        let delete = asked(Method::DELETE, (bucket.as_str(), &key), Some(&name));
        let delete = self.bind(delete, (&bucket, &key), &condition).await?.on_object();
        self.send(delete).await.map_err(meant)?;
        Ok(None)
    }
}

fn asked<'a>(
    method: Method,
    (bucket, key): (&str, &ObjectKey),
    name: Option<&AnnotationName>,
) -> Outgoing<'a> {
    let request = Outgoing::new(method, bucket, Some(key.as_str())).query("annotation", "");
    match name {
        Some(name) => request.query("annotationName", name.as_str()),
        None => request,
    }
}

/// What a refusal means.
fn meant(error: StoreError) -> StoreError {
    match error {
        StoreError::Corrupt(text) if text.contains(" ConditionalRequestConflict:") => {
            StoreError::Changed
        }
        error => error,
    }
}

/// An annotation as far as it is asked for.
fn info_of(name: AnnotationName, size: u64) -> AnnotationInfo {
    let (etag, modified, checksum, note) = (ETag(String::new()), 0, None, None);
    AnnotationInfo { name, size, stored_len: size, etag, modified, checksum, note }
}

/// S3 does not tell of the object how many annotations it has: as many as it lists.
fn object_of(key: ObjectKey, annotation_count: u32) -> ObjectInfo {
    let info = shown(key, 0, (ETag(String::new()), 0), ObjectAttributes::default());
    ObjectInfo { annotation_count, ..info }
}
