//! AbortMultipartUpload: `DELETE /bucket/key?uploadId=..`.

use super::{Done, upload_id};
use crate::error::S3Result;
use crate::headers::attributes;
use crate::response::{self, S3Response};
use http::StatusCode;

pub(super) async fn answer(call: Done) -> S3Result<S3Response> {
    let (bucket, key) = (call.authorized.bucket(), call.authorized.key());
    // A condition that is not understood would drop too much.
    attributes::refuse_unsupported(&call.authorized.head().headers)?;
    let upload_id = upload_id(&call.authorized)?;
    call.authorized.store().abort_upload(bucket, key, upload_id).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}
