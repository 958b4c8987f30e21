//! GetObjectLockConfiguration and PutObjectLockConfiguration: `/bucket?object-lock`.

use super::Done;
use crate::error::{S3Error, S3Result, codes};
use crate::response::{self, S3Response};
use crate::xml::lock::{parse_configuration, write_configuration};
use bytes::Bytes;
use engine::object::{BucketChange, StoreError};
use http::StatusCode;

pub(super) async fn get(call: Done) -> S3Result<S3Response> {
    let rules = call.authorized.settings().state.rules;
    match rules.has_lock {
        true => Ok(response::xml(write_configuration(&rules))),
        false => Err((&codes::NO_SUCH_LOCK_CONFIGURATION).into()),
    }
}

pub(super) async fn put(call: Done, document: Bytes) -> S3Result<S3Response> {
    let change = BucketChange::Lock(parse_configuration(&document)?);
    let bucket = call.authorized.bucket();
    let changed = call.authorized.store().configure_bucket(bucket, change).await;
    changed.map_err(|error| match error {
        StoreError::BucketConflict => S3Error::new(
            &codes::INVALID_BUCKET_STATE,
            "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
        ),
        error => error.into(),
    })?;
    Ok(response::empty(StatusCode::OK))
}
