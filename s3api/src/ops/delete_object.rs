//! DeleteObject: `DELETE /bucket/key`.

use super::Done;
use crate::error::S3Result;
use crate::headers::{attributes, conditional};
use crate::response::{self, S3Response};
use http::StatusCode;

pub(super) async fn answer(call: Done) -> S3Result<S3Response> {
    let (bucket, key) = (call.authorized.bucket(), call.authorized.key());
    // A condition that is not understood would delete too much.
    attributes::refuse_unsupported(&call.authorized.head().headers)?;
    let condition = conditional::of_write(&call.authorized.head().headers)?;
    call.authorized.store().delete(bucket, key, condition).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}
