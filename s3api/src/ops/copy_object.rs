//! CopyObject: `PUT /bucket/key` with `x-amz-copy-source`. The bytes go from the store through here
//! back to the store.

use super::keep_alive::{self, Document};
use super::{Done, copy, copy_annotations, new_object};
use crate::body::relay::RelayBody;
use crate::error::{S3Error, S3Result, codes};
use crate::headers::{checksum, conditional, text};
use crate::response::{S3Response, add_version};
use crate::sse::{self, headers::CUSTOMER};
use engine::object::{ChecksumAlgorithm, ObjectAttributes, ObjectInfo, PutRequest};
use http::HeaderMap;

/// Where the attributes of the copy come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Directive {
    /// From the source.
    Copy,
    /// From the request.
    Replace,
}

pub(super) async fn answer(call: Done) -> S3Result<S3Response> {
    keep_alive::answer(call, copy).await
}

async fn copy(call: Done) -> S3Result<Document> {
    let headers = &call.authorized.head().headers;
    if headers.contains_key("x-amz-copy-source-range") {
        let message = "The copy of a whole object takes no x-amz-copy-source-range.";
        return Err(S3Error::new(&codes::INVALID_REQUEST, message));
    }
    let directive = directive(&call)?;
    let (bucket, key) = (call.authorized.bucket(), call.authorized.key());
    let condition = conditional::of_write(headers)?;
    let (source, reader, source_seal) = copy::open(&call).await?;
    let is_self = source.bucket == bucket && source.key == key && source.version.is_none();
    let changes =
        ["x-amz-storage-class", "x-amz-website-redirect-location", "x-amz-server-side-encryption"];
    let is_change = |name: &http::HeaderName| {
        changes.contains(&name.as_str()) || name.as_str().starts_with(CUSTOMER)
    };
    let is_changed = headers.keys().any(is_change);
    if is_self && directive == Directive::Copy && !is_changed {
        return Err(S3Error::new(
            &codes::INVALID_REQUEST,
            "This copy request is illegal because it is trying to copy an object to itself without \
             changing the object's metadata, storage class, website redirect location or \
             encryption attributes.",
        ));
    }
    let size = reader.info().size;
    copy::check_len(&call, size)?;
    let wanted = wanted_checksum(&call, reader.info())?;
    let mut attributes = attributes_of_copy(&call, directive, reader.info())?;
    let annotations = copy_annotations::of_copy(&call, &source, reader.info()).await?;
    let mut answer_headers = HeaderMap::new();
    copy::add_source_version(&mut answer_headers, &*reader);
    let lock = new_object::lock(&call.authorized)?;
    let seal = new_object::seal(&call.authorized, &mut attributes).await?;
    let source = sse::read(reader, source_seal.as_ref(), 0..size).await?;
    let body = Box::new(RelayBody::new(source, size, wanted));
    let (body, len) = sse::wrap(seal.as_ref(), &call.authorized, body, (sse::WHOLE, Some(size)));
    if let Some(seal) = seal {
        seal.describe(&mut answer_headers);
    }
    let request = PutRequest { bucket, key, attributes, condition, lock, len };
    let store = call.authorized.store();
    let written = match annotations {
        None => store.put(request, body).await,
        Some(mut annotations) => {
            annotations.set_target(&request.attributes)?;
            store.put_annotated(request, body, Box::new(annotations)).await
        }
    };
    let outcome = written.map_err(new_object::without_lock)?;
    add_version(&mut answer_headers, outcome.version);
    let (etag, sum) = (&outcome.etag, outcome.checksum.as_ref());
    let document = copy::result_document("CopyObjectResult", etag, outcome.modified, sum);
    Ok((answer_headers, document))
}

fn directive(call: &Done) -> S3Result<Directive> {
    directive_named(call, "x-amz-metadata-directive")
}

fn directive_named(call: &Done, name: &'static str) -> S3Result<Directive> {
    match text(&call.authorized.head().headers, name)? {
        None | Some("COPY") => Ok(Directive::Copy),
        Some("REPLACE") => Ok(Directive::Replace),
        Some(_) => Err(copy::unknown_directive(name)),
    }
}

/// Metadata and tags come from the source or the request; storage class, redirect, grants and lock
/// always from the request.
fn attributes_of_copy(
    call: &Done,
    directive: Directive,
    info: &ObjectInfo,
) -> S3Result<ObjectAttributes> {
    let mut described = new_object::describe(&call.authorized, &call.config)?;
    if directive == Directive::Copy {
        described.headers = info.attributes.headers.clone();
        described.metadata = info.attributes.metadata.clone();
    }
    if directive_named(call, "x-amz-tagging-directive")? == Directive::Copy {
        described.tags = info.attributes.tags.clone();
    }
    Ok(described)
}

/// The checksum that is asked for, else one of the kind that the source has.
fn wanted_checksum(call: &Done, info: &ObjectInfo) -> S3Result<Option<ChecksumAlgorithm>> {
    match text(&call.authorized.head().headers, "x-amz-checksum-algorithm")? {
        None => Ok(info.checksum.as_ref().map(|sum| sum.algorithm)),
        Some(name) => checksum::by_name(name).map(Some).ok_or_else(|| {
            S3Error::new(&codes::INVALID_REQUEST, "Checksum algorithm provided is unsupported.")
        }),
    }
}
