//! CreateBucket: `PUT /bucket`.

use super::Done;
use crate::error::{S3Error, S3Result, codes};
use crate::headers::attributes;
use crate::response::{self, S3Response, text_value};
use crate::xml::bodies;
use bytes::Bytes;
use http::StatusCode;
use http::header::LOCATION;

pub(super) async fn answer(call: Done, document: Bytes) -> S3Result<S3Response> {
    let headers = &call.authorized.head().headers;
    attributes::refuse_unsupported(headers)?;
    if headers.get("x-amz-bucket-object-lock-enabled").is_some_and(|value| value == "true") {
        return Err(S3Error::new(&codes::NOT_IMPLEMENTED, "Object lock is not implemented."));
    }
    // An empty constraint is us-east-1, which clients take for "wherever this is".
    let constraint = bodies::parse_create_bucket(&document)?.unwrap_or_default();
    let region = call.config.region.as_ref();
    if !constraint.is_empty() && region.is_some_and(|region| *region != constraint) {
        return Err((&codes::ILLEGAL_LOCATION_CONSTRAINT).into());
    }
    let bucket = call.authorized.bucket();
    let location = text_value(&format!("/{bucket}"));
    call.authorized.store().create_bucket(bucket).await?;
    let mut response = response::empty(StatusCode::OK);
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}
