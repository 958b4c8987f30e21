//! DeleteBucket: `DELETE /bucket`.

use super::Done;
use crate::error::S3Result;
use crate::response::{self, S3Response};
use http::StatusCode;

pub(super) async fn answer(call: Done) -> S3Result<S3Response> {
    call.authorized.store().delete_bucket(call.authorized.bucket()).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}
