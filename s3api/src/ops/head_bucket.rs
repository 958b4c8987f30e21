//! HeadBucket: `HEAD /bucket`.

use super::Done;
use crate::error::S3Result;
use crate::response::{self, S3Response, text_value};
use http::StatusCode;

pub(super) async fn answer(call: Done) -> S3Result<S3Response> {
    let mut response = response::empty(StatusCode::OK);
    response.headers_mut().insert("x-amz-bucket-region", text_value(call.config.region_name()));
    Ok(response)
}
