//! CopyObject: `PUT /bucket/key` with `x-amz-copy-source`. The bytes go from the store through here
//! back to the store.

use super::{Done, copy, keep_alive};
use crate::body::relay::RelayBody;
use crate::error::{S3Error, S3Result, codes};
use crate::headers::{attributes, checksum, conditional, text};
use crate::response::S3Response;
use engine::object::{ChecksumAlgorithm, ObjectAttributes, ObjectInfo, PutRequest};

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

async fn copy(call: Done) -> S3Result<String> {
    let headers = &call.authorized.head().headers;
    attributes::refuse_unsupported(headers)?;
    if headers.contains_key("x-amz-copy-source-range") {
        let message = "The copy of a whole object takes no x-amz-copy-source-range.";
        return Err(S3Error::new(&codes::INVALID_REQUEST, message));
    }
    let directive = directive(&call)?;
    let (bucket, key) = (call.authorized.bucket(), call.authorized.key());
    let condition = conditional::of_write(headers)?;
    let (source, reader) = copy::open(&call).await?;
    let is_self = source.bucket == bucket && source.key == key;
    if is_self && directive == Directive::Copy {
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
    let attributes = attributes_of_copy(&call, directive, reader.info())?;
    let body = Box::new(RelayBody::new(reader.read(0..size), size, wanted));
    let request = PutRequest { bucket, key, attributes, condition, len: Some(size) };
    let outcome = call.authorized.store().put(request, body).await?;
    let sum = outcome.checksum.as_ref();
    Ok(copy::result_document("CopyObjectResult", &outcome.etag, outcome.modified, sum))
}

fn directive(call: &Done) -> S3Result<Directive> {
    match text(&call.authorized.head().headers, "x-amz-metadata-directive")? {
        None | Some("COPY") => Ok(Directive::Copy),
        Some("REPLACE") => Ok(Directive::Replace),
        Some(_) => Err(S3Error::new(&codes::INVALID_ARGUMENT, "Unknown metadata directive.")
            .with("ArgumentName", "x-amz-metadata-directive")),
    }
}

fn attributes_of_copy(
    call: &Done,
    directive: Directive,
    info: &ObjectInfo,
) -> S3Result<ObjectAttributes> {
    match directive {
        Directive::Copy => Ok(info.attributes.clone()),
        Directive::Replace => {
            attributes::parse(&call.authorized.head().headers, call.config.limits.metadata_len_max)
        }
    }
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
