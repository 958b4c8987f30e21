//! PutObject: `PUT /bucket/key`.

use super::Call;
use crate::error::S3Result;
use crate::headers::{attributes, checksum, conditional};
use crate::response::{self, S3Response, etag_value, text_value};
use engine::object::{Checksum, ChecksumAlgorithm, ChecksumKind, PutRequest};
use http::{HeaderMap, StatusCode};

pub(super) async fn answer(call: Call) -> S3Result<S3Response> {
    let Call { authorized, config, plan, open, .. } = call;
    let headers = &authorized.head().headers;
    attributes::refuse_unsupported(headers)?;
    let len = plan.object_len(config.limits.object_len_max)?;
    let request = PutRequest {
        bucket: authorized.bucket(),
        key: authorized.key(),
        attributes: attributes::parse(headers, config.limits.metadata_len_max)?,
        condition: conditional::of_write(headers)?,
        len: Some(len),
    };
    let outcome = authorized.store().put(request, open(plan)).await?;
    let mut response = response::empty(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(http::header::ETAG, etag_value(&outcome.etag));
    add_checksum(headers, outcome.checksum.as_ref());
    Ok(response)
}

/// Tells the checksum that was kept.
pub(super) fn add_checksum(headers: &mut HeaderMap, checksum: Option<&Checksum>) {
    if let Some(checksum) = checksum {
        let name = checksum::names(checksum.algorithm).header;
        headers.insert(name, text_value(&checksum.value));
        headers.insert("x-amz-checksum-type", text_value(checksum::kind_name(checksum.kind)));
    }
}

/// Tells the checksum that an upload was begun with.
pub(super) fn add_checksum_choice(
    headers: &mut HeaderMap,
    choice: Option<(ChecksumAlgorithm, ChecksumKind)>,
) {
    if let Some((algorithm, kind)) = choice {
        let name = checksum::names(algorithm).name;
        headers.insert("x-amz-checksum-algorithm", text_value(name));
        headers.insert("x-amz-checksum-type", text_value(checksum::kind_name(kind)));
    }
}
