//! UploadPart: `PUT /bucket/key?partNumber=..&uploadId=..`.

use super::{Call, part_number, upload_id};
use crate::error::{S3Error, S3Result, codes};
use crate::headers::{attributes, checksum};
use crate::response::{self, S3Response, etag_value, text_value};
use crate::sse::{self, Bearer};
use engine::object::PartRequest;
use http::StatusCode;

pub(super) async fn answer(call: Call) -> S3Result<S3Response> {
    let Call { authorized, config, mut plan, open, .. } = call;
    attributes::refuse_unsupported(&authorized.head().headers)?;
    let len = plan.object_len(config.limits.object_len_max)?;
    let (bucket, key) = (authorized.bucket(), authorized.key());
    let (upload_id, number) = (upload_id(&authorized)?, part_number(&authorized)?);
    let store = authorized.store();
    // An upload that is not there is told before the body is taken.
    let upload = store.head_upload(bucket.clone(), key.clone(), upload_id).await?;
    if let Some((algorithm, _)) = upload.checksum {
        plan.want_checksum(algorithm);
        check_algorithm(plan.checksum_algorithm() == Some(algorithm))?;
    }
    let place = (&bucket, &key);
    let seal = sse::of_stored(&authorized, place, &upload.attributes, Bearer::Part).await?;
    let (body, len) = sse::wrap(seal.as_ref(), &authorized, open(plan), (number, Some(len)));
    let request = PartRequest { bucket, key, upload_id, number, len };
    let part = store.put_part(request, body).await?;
    let mut response = response::empty(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(http::header::ETAG, etag_value(&part.etag));
    sse::describe_stored(&upload.attributes, headers);
    if let Some(sum) = &part.checksum {
        headers.insert(checksum::names(sum.algorithm).header, text_value(&sum.value));
    }
    Ok(response)
}

fn check_algorithm(is_same: bool) -> S3Result<()> {
    if is_same {
        return Ok(());
    }
    Err(S3Error::new(
        &codes::INVALID_REQUEST,
        "Checksum Type mismatch occurred: the part has another algorithm than the upload.",
    ))
}
