//! What GetObject and HeadObject share: conditions, range or part, headers.

use super::Done;
use super::put_object::add_checksum;
use crate::auth::Resource;
use crate::error::{S3Error, S3Result, codes};
use crate::headers::conditional::{self, Verdict};
use crate::headers::range::ByteRange;
use crate::headers::{lock, text};
use crate::request::RequestHead;
use crate::response::{self, S3Response, set_content_length, text_value};
use crate::sse;
use engine::object::{Checksum, Lock, ObjectInfo, ObjectReader, PartPlace};
use http::header::{CONTENT_RANGE, HeaderName, HeaderValue, RANGE};
use http::{HeaderMap, StatusCode};
use std::ops::Range;

/// Parameters of a signed read that replace headers of the answer.
const OVERRIDES: [(&str, &str); 6] = [
    ("response-cache-control", "cache-control"),
    ("response-content-disposition", "content-disposition"),
    ("response-content-encoding", "content-encoding"),
    ("response-content-language", "content-language"),
    ("response-content-type", "content-type"),
    ("response-expires", "expires"),
];

/// What a read comes to, before a byte of the body is touched.
pub(super) enum Read {
    /// 304.
    NotModified(S3Response),
    /// An answer without its body, and the bytes that belong to it.
    Bytes(S3Response, Range<u64>),
}

/// One part of an object, chosen by `partNumber`.
pub(super) struct Part {
    range: Range<u64>,
    /// Parts that the object has, where it was uploaded in parts.
    count: Option<u32>,
    checksum: Option<Checksum>,
}

/// The part that a read asks for. An object that was written whole has one, number 1.
pub(super) async fn requested_part(
    call: &Done,
    reader: &dyn ObjectReader,
) -> S3Result<Option<Part>> {
    if call.query("partNumber").is_none() {
        return Ok(None);
    }
    let number = super::part_number(&call.authorized)?;
    if call.authorized.head().headers.contains_key(RANGE) {
        let message = "Cannot specify both Range header and partNumber query parameter";
        return Err(S3Error::new(&codes::INVALID_REQUEST, message));
    }
    let info = reader.info();
    if info.part_count == 0 && number == 1 {
        let checksum = info.checksum.clone();
        return Ok(Some(Part { range: 0..info.size, count: None, checksum }));
    }
    let Some(PartPlace { info: part, start, .. }) = reader.part(number).await? else {
        return Err(S3Error::from(&codes::INVALID_PART_NUMBER)
            .with("PartNumberRequested", number.to_string())
            .with("ActualPartCount", info.part_count.max(1).to_string()));
    };
    let count = Some(info.part_count);
    Ok(Some(Part { range: start..start + part.size, count, checksum: part.checksum }))
}

/// Weighs a read against one state of the object.
pub(super) fn weigh(call: &Done, info: &ObjectInfo, part: Option<Part>) -> S3Result<Read> {
    let head = call.authorized.head();
    sse::check_read(&call.authorized, &info.attributes)?;
    let verdict =
        conditional::evaluate(&head.headers, &conditional::READ, &info.etag, info.modified)?;
    match verdict {
        Verdict::Proceed => {}
        Verdict::Failed => return Err((&codes::PRECONDITION_FAILED).into()),
        Verdict::NotModified => {
            let mut response = response::empty(StatusCode::NOT_MODIFIED);
            response::describe(info, response.headers_mut());
            response.headers_mut().remove(http::header::CONTENT_TYPE);
            return Ok(Read::NotModified(response));
        }
    }
    let range = match &part {
        Some(part) => Some(part.range.clone()),
        None => requested_range(head, info)?,
    };
    // No header tells an empty range: an empty part is an answer of no bytes.
    let is_partial = range.as_ref().is_some_and(|range| !range.is_empty());
    let range = range.unwrap_or(0..info.size);
    let status = if is_partial { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut response = response::empty(status);
    let headers = response.headers_mut();
    response::describe(info, headers);
    override_headers(call, headers)?;
    set_content_length(headers, range.end - range.start);
    if is_partial {
        let (first, last) = (range.start, range.end - 1);
        let value = format!("bytes {first}-{last}/{}", info.size);
        headers.insert(CONTENT_RANGE, text_value(&value));
    }
    let wants_checksum = text(&head.headers, "x-amz-checksum-mode")?
        .is_some_and(|mode| mode.eq_ignore_ascii_case("enabled"));
    if wants_checksum {
        match &part {
            Some(part) => add_checksum(headers, part.checksum.as_ref()),
            None if !is_partial => add_checksum(headers, info.checksum.as_ref()),
            None => {}
        }
    }
    if let Some(count) = part.and_then(|part| part.count) {
        headers.insert("x-amz-mp-parts-count", HeaderValue::from(count));
    }
    Ok(Read::Bytes(response, range))
}

/// Tells what protects a version to whoever may know.
pub(super) async fn add_lock(
    call: &Done,
    info: &ObjectInfo,
    response: &mut S3Response,
) -> S3Result<()> {
    if info.lock == Lock::default() {
        return Ok(());
    }
    let (bucket, key) = (call.authorized.bucket(), call.authorized.key());
    let resource = || Resource::Object(&bucket, &key, info.version);
    let mut shown = Lock::default();
    if call.authorized.may("s3:GetObjectRetention", resource()).await? {
        shown.retention = info.lock.retention;
    }
    if call.authorized.may("s3:GetObjectLegalHold", resource()).await? {
        shown.hold = info.lock.hold;
    }
    lock::write(&shown, response.headers_mut());
    Ok(())
}

fn requested_range(head: &RequestHead, info: &ObjectInfo) -> S3Result<Option<Range<u64>>> {
    let Some(range) = text(&head.headers, "range")?.and_then(ByteRange::parse) else {
        return Ok(None);
    };
    if !conditional::range_applies(&head.headers, &info.etag, info.modified)? {
        return Ok(None);
    }
    let resolved = range.resolve(info.size).ok_or_else(|| {
        S3Error::from(&codes::INVALID_RANGE).with("ActualObjectSize", info.size.to_string())
    })?;
    Ok(Some(resolved))
}

/// Whoever did not sign chooses nothing of an answer: it would be a page of somebody else's making
/// from a host that is trusted.
fn override_headers(call: &Done, headers: &mut HeaderMap) -> S3Result<()> {
    for (parameter, name) in OVERRIDES {
        if let Some(value) = call.query(parameter) {
            if call.authorized.caller().is_none() {
                return Err(S3Error::new(
                    &codes::INVALID_REQUEST,
                    "Request specific response headers cannot be used for anonymous GET requests.",
                ));
            }
            let value = HeaderValue::from_str(value).map_err(|_| {
                S3Error::new(&codes::INVALID_ARGUMENT, "A response header is not valid.")
                    .with("ArgumentName", parameter)
            })?;
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    Ok(())
}
