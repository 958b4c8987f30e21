//! What CopyObject and UploadPartCopy share: the source.

use super::Done;
use crate::auth::Resource;
use crate::error::{S3Error, S3Result, codes};
use crate::headers::conditional::{self, Verdict};
use crate::headers::copy_source::CopySource;
use crate::headers::date::format_iso;
use crate::headers::{checksum, text};
use crate::response::text_value;
use crate::sse::{self, Bearer, Seal};
use crate::xml::XmlWriter;
use engine::object::{Address, Checksum, ETag, ObjectReader, UnixNanos};
use http::HeaderMap;

/// The source of a copy, open, and how it is sealed.
pub(super) type Opened = (CopySource, Box<dyn ObjectReader>, Option<Seal>);

/// Opens the source of a copy, when it may be read and its conditions hold.
pub(super) async fn open(call: &Done) -> S3Result<Opened> {
    let headers = &call.authorized.head().headers;
    let source = CopySource::parse(text(headers, "x-amz-copy-source")?.unwrap_or(""))?;
    let authorized = &call.authorized;
    let resource = Resource::Object(&source.bucket, &source.key, source.version);
    let action = match source.version {
        None => "s3:GetObject",
        Some(_) => "s3:GetObjectVersion",
    };
    if let Some(expected) = text(headers, "x-amz-source-expected-bucket-owner")? {
        let settings = authorized.settings_of(&source.bucket).await?;
        authorized.check_owner(expected, &settings)?;
    }
    let allowed = authorized.authorize_also(action, resource).await;
    allowed.map_err(|error| match error.code == &codes::NO_SUCH_BUCKET {
        true => of_source(error, &source),
        false => error,
    })?;
    let store = authorized.store();
    let CopySource { bucket, key, version } = source.clone();
    let opened = store.get(Address { bucket, key, version }).await;
    let reader = opened.map_err(|error| of_source(error.into(), &source))?;
    let info = reader.info();
    let names = &conditional::COPY_SOURCE;
    match conditional::evaluate(headers, names, &info.etag, info.modified)? {
        Verdict::Proceed => {}
        Verdict::NotModified | Verdict::Failed => return Err((&codes::PRECONDITION_FAILED).into()),
    }
    let place = (&source.bucket, &source.key);
    let attributes = &reader.info().attributes;
    let seal = sse::of_stored(authorized, place, attributes, Bearer::CopySource).await?;
    Ok((source, reader, seal))
}

/// An error about the source, not the target that the request names.
fn of_source(error: S3Error, source: &CopySource) -> S3Error {
    // A delete marker that is named is no object to copy.
    let is_marker = error.code == &codes::METHOD_NOT_ALLOWED;
    let error = match is_marker {
        true => S3Error::new(
            &codes::INVALID_REQUEST,
            "The source of a copy request may not specifically refer to a delete marker by \
             version id.",
        ),
        false => error,
    };
    let resource = format!("/{}/{}", source.bucket, source.key.as_str());
    let (bucket, key) = (source.bucket.as_str(), source.key.as_str());
    error.with("Key", key).with("BucketName", bucket).with("Resource", resource)
}

/// A header says what of the source is copied, and not in words that are known.
pub(super) fn unknown_directive(name: &'static str) -> S3Error {
    S3Error::new(&codes::INVALID_ARGUMENT, format!("Unknown {name}.")).with("ArgumentName", name)
}

/// Refuses to copy more than one request may write.
pub(super) fn check_len(call: &Done, len: u64) -> S3Result<()> {
    let len_max = call.config.limits.object_len_max;
    if len <= len_max {
        return Ok(());
    }
    let message = format!("The copy source is larger than the maximum of {len_max} bytes.");
    Err(S3Error::new(&codes::INVALID_REQUEST, message))
}

/// Tells which version was copied.
pub(super) fn add_source_version(headers: &mut HeaderMap, reader: &dyn ObjectReader) {
    if let Some(version) = reader.info().version {
        headers.insert("x-amz-copy-source-version-id", text_value(&version.to_string()));
    }
}

/// The document that tells what a copy came to.
pub(super) fn result_document(
    root: &'static str,
    etag: &ETag,
    modified: UnixNanos,
    sum: Option<&Checksum>,
) -> String {
    let mut xml = XmlWriter::root(root);
    xml.text("LastModified", &format_iso(modified));
    xml.etag(&etag.0);
    if let Some(sum) = sum {
        xml.text(checksum::names(sum.algorithm).element, &sum.value);
        xml.text("ChecksumType", checksum::kind_name(sum.kind));
    }
    xml.close(root);
    xml.finish()
}
