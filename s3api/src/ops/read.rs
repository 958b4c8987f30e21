//! What GetObject and HeadObject share: conditions, range, headers.

use super::Done;
use super::put_object::add_checksum;
use crate::error::{S3Error, S3Result, codes};
use crate::headers::conditional::{self, Verdict};
use crate::headers::range::ByteRange;
use crate::headers::text;
use crate::request::RequestHead;
use crate::response::{self, S3Response, set_content_length, text_value};
use engine::object::ObjectInfo;
use http::header::{CONTENT_RANGE, HeaderName, HeaderValue};
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

/// Weighs a read against one state of the object.
pub(super) fn weigh(call: &Done, info: &ObjectInfo) -> S3Result<Read> {
    let head = call.authorized.head();
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
    check_part_number(call, info)?;
    let range = requested_range(head, info)?;
    let is_partial = range.is_some();
    let range = range.unwrap_or(0..info.size);
    let status = if is_partial { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut response = response::empty(status);
    let headers = response.headers_mut();
    response::describe(info, headers);
    override_headers(head, headers)?;
    set_content_length(headers, range.end - range.start);
    if is_partial {
        let (first, last) = (range.start, range.end - 1);
        let value = format!("bytes {first}-{last}/{}", info.size);
        headers.insert(CONTENT_RANGE, text_value(&value));
    }
    let wants_checksum = text(&head.headers, "x-amz-checksum-mode")?
        .is_some_and(|mode| mode.eq_ignore_ascii_case("enabled"));
    if wants_checksum && !is_partial {
        add_checksum(headers, info.checksum.as_ref());
    }
    Ok(Read::Bytes(response, range))
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

/// The store does not tell where parts begin; an object that was written whole has one part.
fn check_part_number(call: &Done, info: &ObjectInfo) -> S3Result<()> {
    if call.query("partNumber").is_none() {
        return Ok(());
    }
    let number = super::part_number(&call.authorized)?;
    match (info.part_count, number) {
        (0 | 1, 1) => Ok(()),
        (0 | 1, _) => Err(S3Error::from(&codes::INVALID_RANGE)),
        _ => Err(S3Error::new(&codes::NOT_IMPLEMENTED, "Reads of one part are not implemented.")),
    }
}

fn override_headers(head: &RequestHead, headers: &mut HeaderMap) -> S3Result<()> {
    for (parameter, name) in OVERRIDES {
        if let Some(value) = head.query.get(parameter) {
            let value = HeaderValue::from_str(value).map_err(|_| {
                S3Error::new(&codes::INVALID_ARGUMENT, "A response header is not valid.")
                    .with("ArgumentName", parameter)
            })?;
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    Ok(())
}
