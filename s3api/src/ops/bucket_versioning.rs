//! GetBucketVersioning and PutBucketVersioning: `/bucket?versioning`.

use super::Done;
use crate::error::{S3Error, S3Result, codes};
use crate::response::{self, S3Response};
use crate::xml::settings::{parse_versioning, write_versioning};
use bytes::Bytes;
use engine::object::{BucketChange, StoreError};
use http::StatusCode;

pub(super) async fn get(call: Done) -> S3Result<S3Response> {
    let rules = call.authorized.settings().state.rules;
    Ok(response::xml(write_versioning(rules.versioning)))
}

pub(super) async fn put(call: Done, document: Bytes) -> S3Result<S3Response> {
    let change = BucketChange::Versioning(parse_versioning(&document)?);
    let bucket = call.authorized.bucket();
    let changed = call.authorized.store().configure_bucket(bucket, change).await;
    changed.map_err(|error| match error {
        StoreError::BucketConflict => S3Error::new(
            &codes::INVALID_BUCKET_STATE,
            "An Object Lock configuration is present on this bucket, so the versioning state \
             cannot be changed.",
        ),
        error => error.into(),
    })?;
    Ok(response::empty(StatusCode::OK))
}
