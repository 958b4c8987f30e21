//! The annotations of a copy: read one by one from the source, sealed as the copy is, and there as
//! soon as it is.

use super::{Done, copy};
use crate::auth::Resource;
use crate::body::relay::RelayBody;
use crate::error::{S3Error, S3Result, codes};
use crate::headers::copy_source::CopySource;
use crate::headers::text;
use crate::sse::annotation as sealed;
use crate::sse::{self, Seal};
use engine::object::{
    Address, AnnotationInfo, AnnotationListRequest, AnnotationSource, Body, NewAnnotation,
    ObjectAttributes, ObjectInfo, Reply, StoreError,
};
use std::collections::VecDeque;

/// Says whether annotations are copied, as a header or as a parameter.
const DIRECTIVE: &str = "x-amz-object-annotation-directive";

/// Annotations of the source that are looked up at once.
const PAGE_LEN: usize = 100;

/// Annotations on their way from one object to another.
pub(super) struct Copied<'a> {
    call: &'a Done,
    source: Address,
    /// The source as the copy found it.
    object: ObjectInfo,
    /// What the copy will be.
    target: ObjectAttributes,
    page: VecDeque<AnnotationInfo>,
    after: Option<String>,
    /// Those that are not copied yet.
    left: u32,
}

/// The annotations of the source, where they are to be copied and there are any: whoever copies
/// them must be allowed to read and to write them.
///
/// # Errors
/// `InvalidArgument` for another directive, `AccessDenied`.
pub(super) async fn of_copy<'a>(
    call: &'a Done,
    from: &CopySource,
    object: &ObjectInfo,
) -> S3Result<Option<Copied<'a>>> {
    if is_excluded(call)? || object.annotation_count == 0 {
        return Ok(None);
    }
    let resource = Resource::Object(&from.bucket, &from.key, from.version);
    call.authorized.authorize_also("s3:GetObjectAnnotation", resource).await?;
    let (bucket, key) = (call.authorized.bucket(), call.authorized.key());
    let resource = Resource::Object(&bucket, &key, None);
    call.authorized.authorize_also("s3:PutObjectAnnotation", resource).await?;
    let CopySource { bucket, key, .. } = from.clone();
    // This very version, also where it is the current one now.
    let source = Address { bucket, key, version: Some(object.version.unwrap_or_default()) };
    Ok(Some(Copied {
        call,
        source,
        object: object.clone(),
        target: ObjectAttributes::default(),
        page: VecDeque::new(),
        after: None,
        left: object.annotation_count,
    }))
}

fn is_excluded(call: &Done) -> S3Result<bool> {
    let header = text(&call.authorized.head().headers, DIRECTIVE)?;
    match header.or(call.query(DIRECTIVE)) {
        None | Some("COPY") => Ok(false),
        Some("EXCLUDE") => Ok(true),
        Some(_) => Err(copy::unknown_directive(DIRECTIVE)),
    }
}

/// Somebody changed the source or its annotations: the whole copy is to be tried again.
fn changed() -> S3Error {
    let message = "The annotations of the copy source changed while they were copied. Try again.";
    S3Error::new(&codes::SERVICE_UNAVAILABLE, message)
}

impl Copied<'_> {
    /// Notes what the copy will be; refuses where that cannot have annotations.
    ///
    /// # Errors
    /// `InvalidRequest`.
    pub(super) fn set_target(&mut self, target: &ObjectAttributes) -> S3Result<()> {
        self.target = target.clone();
        sealed::check_object(target)
    }

    fn check_same(&self, object: &ObjectInfo) -> S3Result<()> {
        let identity = |info: &ObjectInfo| {
            (info.version, info.modified, info.etag.clone(), info.annotation_count)
        };
        if identity(object) == identity(&self.object) { Ok(()) } else { Err(changed()) }
    }

    async fn fill(&mut self) -> S3Result<()> {
        let request = AnnotationListRequest {
            address: self.source.clone(),
            prefix: String::new(),
            after: self.after.clone(),
            limit: PAGE_LEN,
        };
        let listed = self.call.authorized.store().list_annotations(request).await;
        let page = listed.map_err(of_source)?;
        self.check_same(&page.object)?;
        self.after = page.annotations.last().map(|it| it.name.as_str().to_owned());
        self.page = page.annotations.into();
        Ok(())
    }

    async fn next_one(&mut self) -> S3Result<Option<(NewAnnotation, Body)>> {
        if self.left == 0 {
            return Ok(None);
        }
        if self.page.is_empty() {
            self.fill().await?;
        }
        let listed = self.page.pop_front().ok_or_else(changed)?;
        self.left -= 1;
        let (authorized, name) = (&self.call.authorized, listed.name.clone());
        let opened = authorized.store().get_annotation(self.source.clone(), name.clone()).await;
        let open = opened.map_err(of_source)?;
        self.check_same(&open.object)?;
        if open.annotation != listed {
            return Err(changed());
        }
        let from = (&self.source.bucket, &self.source.key);
        let seal = sealed::of_stored(authorized, from, listed.note.as_deref(), &name).await?;
        let stream = sealed::read(open, seal.as_ref());
        let algorithm = listed.checksum.map(|sum| sum.algorithm);
        let body = Box::new(RelayBody::new(stream, listed.size, algorithm));
        let (bucket, key) = (authorized.bucket(), authorized.key());
        let seal = sealed::of_new(authorized, (&bucket, &key), &self.target, &name).await?;
        let place = (sse::WHOLE, Some(listed.size));
        let (body, len) = sse::wrap(seal.as_ref(), authorized, body, place);
        let note = seal.as_ref().map(Seal::text);
        let len = len.unwrap_or(listed.size);
        Ok(Some((NewAnnotation { name, note, len }, body)))
    }
}

fn of_source(error: StoreError) -> S3Error {
    match error {
        StoreError::NoSuchAnnotation | StoreError::NoSuchKey | StoreError::NoSuchVersion => {
            changed()
        }
        error => error.into(),
    }
}

impl AnnotationSource for Copied<'_> {
    fn next(&mut self) -> Reply<'_, Option<(NewAnnotation, Body)>> {
        Box::pin(async move {
            let next = self.next_one().await;
            next.map_err(|error| StoreError::Body(error.into_body_error()))
        })
    }
}
