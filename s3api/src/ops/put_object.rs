//! PutObject: `PUT /bucket/key`.

use super::{Call, append, new_object};
use crate::error::{S3Result, codes};
use crate::headers::{checksum, conditional};
use crate::response::{self, S3Response, add_version, etag_value, text_value};
use crate::route::Operation;
use crate::sse;
use engine::object::{Checksum, ChecksumAlgorithm, ChecksumKind, PutRequest, WriteCondition};
use http::{HeaderMap, StatusCode};

pub(super) async fn answer(call: Call) -> S3Result<S3Response> {
    let headers = &call.authorized.head().headers;
    let condition = conditional::of_write(headers)?;
    let is_put = call.authorized.route().operation == Operation::PutObject;
    match append::offset(headers)? {
        Some(offset) if is_put => append::answer(call, offset).await,
        Some(_) => Err((&codes::NOT_IMPLEMENTED).into()),
        None => write(call, condition).await,
    }
}

/// Writes a whole object.
pub(super) async fn write(call: Call, condition: WriteCondition) -> S3Result<S3Response> {
    let Call { authorized, config, plan, open, .. } = call;
    let mut attributes = new_object::describe(&authorized, &config)?;
    let len = plan.announced_len(config.limits.object_len_max)?;
    let seal = new_object::seal(&authorized, &mut attributes).await?;
    let (body, len) = sse::wrap(seal.as_ref(), &authorized, open(plan), (sse::WHOLE, len));
    let request = PutRequest {
        bucket: authorized.bucket(),
        key: authorized.key(),
        attributes,
        condition,
        lock: new_object::lock(&authorized)?,
        len,
    };
    let written = authorized.store().put(request, body).await;
    let outcome = written.map_err(new_object::without_lock)?;
    let mut response = response::empty(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(http::header::ETAG, etag_value(&outcome.etag));
    add_checksum(headers, outcome.checksum.as_ref());
    add_version(headers, outcome.version);
    if let Some(seal) = seal {
        seal.describe(headers);
    }
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
